//! What every environment looks like, one behind the other: a row for each, then each in full.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::visible_json;
use crate::render::escape::Untrusted;
use crate::render::json::PlanJson;
use crate::render::paint::Label;
use crate::render::status::{self, StatusView};
use crate::render::text::{self, TextOptions};
use crate::render::view::PlanView;
use crate::render::{markdown, schema, wrap};

/// The version of the JSON form.
const FORMAT_VERSION: u32 = 1;

/// The bytes of Markdown that are kept for each environment's row and heading.
const ROW: usize = 400;

/// What was found of an environment: a plan or a status.
pub trait OfEnvironment {
    /// The organization.
    fn organization_id(&self) -> &Untrusted;
    /// The verdict and all counts, in one line.
    fn verdict(&self) -> String;
    /// Writes all of it as text.
    fn text(&self, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result;
}

impl OfEnvironment for PlanView {
    fn organization_id(&self) -> &Untrusted {
        &self.organization_id
    }

    fn verdict(&self) -> String {
        self.counts.verdict()
    }

    fn text(&self, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
        text::render(self, options, out)
    }
}

impl OfEnvironment for StatusView {
    fn organization_id(&self) -> &Untrusted {
        self.organization_id()
    }

    fn verdict(&self) -> String {
        self.verdict()
    }

    fn text(&self, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
        status::render(self, options, out)
    }
}

/// An environment with its result.
pub struct EnvironmentRow<V> {
    /// Its name.
    pub name: Untrusted,
    /// The exit code of it alone.
    pub exit_code: u8,
    /// What was found, or why nothing was.
    pub found: Result<V, EnvironmentError>,
}

/// Why nothing was found of an environment.
pub struct EnvironmentError {
    /// What happened.
    pub message: Untrusted,
    /// What helps.
    pub help: Vec<Untrusted>,
}

/// Every environment, in the order of names.
#[derive(Serialize, JsonSchema)]
#[schemars(
    title = "Every environment",
    description = "What `--env all` writes (see `docs/formats.md`)."
)]
pub struct EveryJson<T> {
    format_version: u32,
    /// The first of the environments' exit codes in the order in which they count.
    exit_code: u8,
    environments: Vec<EnvironmentJson<T>>,
}

/// One environment.
#[derive(Serialize, JsonSchema)]
struct EnvironmentJson<T> {
    environment: String,
    /// The exit code of it alone.
    exit_code: u8,
    /// Null where it failed before that was known.
    organization_id: Option<String>,
    /// The first line of the text form, or what failed.
    verdict: String,
    /// What was found: the document that the command writes for this environment; null where it
    /// failed.
    result: Option<T>,
    /// What helps where it failed, the best first.
    help: Vec<String>,
}

/// Returns the JSON Schema of the plans of every environment.
pub fn plans_schema() -> schemars::Schema {
    schema::root::<EveryJson<PlanJson>>()
}

/// Returns the JSON Schema of the status of every environment.
pub fn statuses_schema() -> schemars::Schema {
    schema::root::<EveryJson<StatusView>>()
}

/// All environments with the exit code of all.
pub struct Every<V> {
    /// The environments.
    pub rows: Vec<EnvironmentRow<V>>,
    /// The exit code of all.
    pub exit_code: u8,
}

impl<V: OfEnvironment> EnvironmentRow<V> {
    fn organization(&self) -> Option<&Untrusted> {
        self.found.as_ref().ok().map(OfEnvironment::organization_id)
    }

    /// The verdict in our own words, or what failed in one line.
    fn verdict(&self) -> String {
        match &self.found {
            Ok(found) => found.verdict(),
            Err(error) => format!("failed: {}", error.message.part()),
        }
    }
}

impl<V: OfEnvironment> Every<V> {
    /// Writes each environment, then the table.
    pub fn text(&self, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
        for row in &self.rows {
            match &row.found {
                Ok(found) => found.text(options, out)?,
                Err(error) => {
                    let title = format!("Environment {}", row.name.part());
                    writeln!(out, "{}", options.color.paint(Label::Blocked, title))?;
                    writeln!(out, "error: {}", error.message.part())?;
                    for help in &error.help {
                        writeln!(out, "  help: {}", help.part())?;
                    }
                }
            }
            writeln!(out)?;
        }
        self.table(options, out)
    }

    fn table(&self, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
        let head = ["ENVIRONMENT", "ORGANIZATION", "EXIT", "RESULT"].map(str::to_owned);
        let mut rows = vec![head];
        rows.extend(self.rows.iter().map(|row| {
            let organization = row.organization().map_or_else(|| "-".to_owned(), Untrusted::part);
            [row.name.part(), organization, row.exit_code.to_string(), row.verdict()]
        }));
        let width = |column: usize| rows.iter().map(|row| wrap::width(&row[column])).max();
        let widths = [0, 1, 2].map(|column| width(column).unwrap_or_default() + 2);
        for (at, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - wrap::width(cell)));
            }
            line.push_str(&row[3]);
            let line = if at == 0 { options.color.paint(Label::Aside, line) } else { line };
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// Returns the JSON form.
    pub fn json<T: Serialize>(&self, document: impl Fn(&V) -> T) -> String {
        let environment = |row: &EnvironmentRow<V>| EnvironmentJson {
            environment: row.name.raw().to_owned(),
            exit_code: row.exit_code,
            organization_id: row.organization().map(|id| id.raw().to_owned()),
            verdict: match &row.found {
                Ok(found) => found.verdict(),
                Err(error) => format!("failed: {}", error.message.raw()),
            },
            result: row.found.as_ref().ok().map(&document),
            help: match &row.found {
                Ok(_) => Vec::new(),
                Err(error) => error.help.iter().map(|help| help.raw().to_owned()).collect(),
            },
        };
        let environments = self.rows.iter().map(environment).collect();
        let every =
            EveryJson { format_version: FORMAT_VERSION, exit_code: self.exit_code, environments };
        let written = serde_json::to_string_pretty(&every).expect("texts and numbers are JSON");
        visible_json(&written) + "\n"
    }
}

impl Every<PlanView> {
    /// Returns one page of at most `most` bytes as long as the rows fit: the digests, a table, and the
    /// plan of each environment in its share of the room.
    pub fn markdown(&self, context: usize, most: usize) -> String {
        let mut page = String::new();
        for row in &self.rows {
            if let Ok(view) = &row.found {
                let (name, digest) = (row.name.raw(), &view.digest);
                writeln!(page, "{} digest={digest} environment={name} -->", markdown::MARKER)
                    .expect("a string takes everything");
            }
        }
        page.push_str(
            "\n| environment | organization | exit | result |\n| --- | --- | ---: | --- |\n",
        );
        for row in &self.rows {
            let name = markdown::cell(&row.name);
            let organization = row.organization().map_or_else(|| "-".to_owned(), markdown::cell);
            let result = match &row.found {
                Ok(view) => view.verdict(),
                Err(_) => "failed".to_owned(),
            };
            writeln!(page, "| {name} | {organization} | {} | {result} |", row.exit_code)
                .expect("a string takes everything");
        }
        let room = most.saturating_sub(page.len()) / self.rows.len().max(1);
        for row in &self.rows {
            write!(page, "\n### Environment {}\n\n", markdown::cell(&row.name))
                .expect("a string takes everything");
            page.push_str(&match &row.found {
                Ok(view) => markdown::render(view, context, room.saturating_sub(ROW)),
                Err(error) => {
                    let help = error.help.iter().map(|help| format!("  help: {}\n", help.part()));
                    let help: String = help.collect();
                    markdown::block(&format!("error: {}\n{help}", error.message.part()))
                }
            });
        }
        page
    }
}
