//! `--output FORMAT=FILE`: what one command writes beside standard output, all from one plan.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::files::{is_same_file, is_special, write_output};
use crate::render::html::Applied;
use crate::render::text::TextOptions;
use crate::render::view::PlanView;
use crate::render::{self, escape};

/// A format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// The plan, or the report of an apply, for programs.
    Json,
    /// For a comment at a pull request.
    Markdown,
    /// One page for a browser.
    Html,
    /// Each deployment that was waited for as a test.
    Junit,
    /// Findings as workflow commands.
    GitHub,
    /// Findings as a code quality report.
    GitLab,
    /// As standard output shows it, without colors.
    Text,
}

/// Every format with its name.
const FORMATS: [(&str, FileFormat); 7] = [
    ("json", FileFormat::Json),
    ("markdown", FileFormat::Markdown),
    ("html", FileFormat::Html),
    ("junit", FileFormat::Junit),
    ("github", FileFormat::GitHub),
    ("gitlab", FileFormat::GitLab),
    ("text", FileFormat::Text),
];

/// What a plan is written as.
const OF_PLAN: &[&str] = &["json", "markdown", "html", "github", "gitlab", "text"];
/// What an apply is written as.
const OF_APPLY: &[&str] = &["json", "markdown", "html", "junit", "github", "gitlab", "text"];
/// What the findings about a manifest are written as.
const OF_FINDINGS: &[&str] = &["github", "gitlab"];

/// One `--output`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) format: FileFormat,
    /// Where it is written; none is standard error, where GitHub reads commands too.
    pub(super) file: Option<PathBuf>,
}

/// Reads an `--output` of `plan`.
pub(super) fn of_plan(text: &str) -> Result<Output, String> {
    read(text, OF_PLAN)
}

/// Reads an `--output` of `apply`.
pub(super) fn of_apply(text: &str) -> Result<Output, String> {
    read(text, OF_APPLY)
}

/// Reads an `--output` of `validate`.
pub(super) fn of_findings(text: &str) -> Result<Output, String> {
    read(text, OF_FINDINGS)
}

fn read(text: &str, offered: &[&str]) -> Result<Output, String> {
    let (name, file) = match text.split_once('=') {
        Some((name, file)) => (name, Some(file)),
        None => (text, None),
    };
    let found = FORMATS.iter().find(|(known, _)| *known == name);
    let Some((_, format)) = found.filter(|(known, _)| offered.contains(known)) else {
        let names = offered.join(", ");
        let what =
            if found.is_some() { "this command has no such format" } else { "unknown format" };
        return Err(format!("{what}; write FORMAT=FILE with one of {names}"));
    };
    let format = *format;
    match file {
        Some("") => Err(format!("the file is missing: write `{name}=FILE`")),
        Some(file) => Ok(Output { format, file: Some(file.into()) }),
        None if format == FileFormat::GitHub => Ok(Output { format, file: None }),
        None => Err(format!("the file is missing: write `{name}=FILE`")),
    }
}

/// How plans are written into files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Lines of context around a difference.
    pub(super) context: usize,
    /// The most bytes of Markdown.
    pub(super) max_bytes: usize,
}

/// Refuses outputs, and more of them behind their flags, that are inputs of the same command or one
/// another.
pub(super) fn check(
    outputs: &[Output],
    more: &[(&str, Option<&Path>)],
    inputs: &[PathBuf],
) -> Result<(), CommandError> {
    let named = files(outputs).map(|(_, path)| ("--output", path));
    let more = more.iter().filter_map(|(flag, path)| Some((*flag, (*path)?)));
    // Nothing that was there is lost in a device or a pipe.
    let named: Vec<(&str, &Path)> =
        named.chain(more).filter(|(_, path)| !is_special(path)).collect();
    for (at, (flag, path)) in named.iter().enumerate() {
        let shown = escape::line(&path.display().to_string());
        let refused = |why: &str| {
            CommandError::new(format!("`{flag}` would overwrite `{shown}`, which {why}"))
                .help("name another file; nothing was sent")
        };
        if inputs.iter().any(|input| is_same_file(input, path)) {
            return Err(refused("this command reads"));
        }
        let mut others = named.iter().take(at);
        if let Some((other, _)) = others.find(|(_, other)| is_same_file(other, path)) {
            return Err(refused(&format!("`{other}` writes too")));
        }
    }
    Ok(())
}

/// Writes a plan into every file that was asked for; findings are written by the annotator.
pub(super) fn write_plan(
    context: &Context,
    outputs: &[Output],
    shape: Shape,
    view: &PlanView,
) -> Result<(), CommandError> {
    for (format, path) in files(outputs) {
        let text = match format {
            FileFormat::Json => render::json::render(view),
            FileFormat::Markdown => render::markdown::render(view, shape.context, shape.max_bytes),
            FileFormat::Html => render::html::plan(view, shape.context),
            FileFormat::Text => plan_text(view, shape),
            FileFormat::Junit | FileFormat::GitHub | FileFormat::GitLab => continue,
        };
        write(context, path, text.as_bytes())?;
    }
    Ok(())
}

/// Writes an apply into every file that was asked for: the plan, the result of its steps, and the
/// deployments that were waited for.
pub(super) fn write_apply(
    context: &Context,
    outputs: &[Output],
    shape: Shape,
    applied: Applied<'_>,
) -> Result<(), CommandError> {
    for (format, path) in files(outputs) {
        let text = match format {
            FileFormat::Json => {
                write(context, path, &render::report::render(applied))?;
                continue;
            }
            FileFormat::Markdown => {
                let view = PlanView::new(applied.plan);
                let plan = render::markdown::render(&view, shape.context, shape.max_bytes);
                format!("{plan}{}", render::markdown::block(&result_text(applied, shape)))
            }
            FileFormat::Html => render::html::applied(applied, shape.context),
            FileFormat::Junit => junit(applied),
            FileFormat::Text => {
                let plan = plan_text(&PlanView::new(applied.plan), shape);
                format!("{plan}{}", result_text(applied, shape))
            }
            FileFormat::GitHub | FileFormat::GitLab => continue,
        };
        write(context, path, text.as_bytes())?;
    }
    Ok(())
}

fn files(outputs: &[Output]) -> impl Iterator<Item = (FileFormat, &Path)> {
    outputs.iter().filter_map(|output| Some((output.format, output.file.as_deref()?)))
}

fn plan_text(view: &PlanView, shape: Shape) -> String {
    let options = TextOptions { context: shape.context, ..TextOptions::default() };
    let mut text = String::new();
    render::text::render(view, &options, &mut text).expect("a string takes everything");
    text
}

fn result_text(applied: Applied<'_>, shape: Shape) -> String {
    let options = TextOptions { context: shape.context, ..TextOptions::default() };
    let mut text = String::new();
    if applied.plan.ready_steps().next().is_some() {
        text.push('\n');
        render::outcome::render(applied.plan, applied.outcome, &options, &mut text)
            .expect("a string takes everything");
    }
    if !applied.runs.is_empty() {
        text.push('\n');
        render::deployments::text(applied.runs, options.color, &mut text)
            .expect("a string takes everything");
    }
    text
}

fn junit(applied: Applied<'_>) -> String {
    let mut xml = String::new();
    render::deployments::junit(applied.runs, &mut xml).expect("a string takes everything");
    xml
}

fn write(context: &Context, path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    write_output(&*context.files, path, bytes).map_err(|error| CommandError::of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_format_of_the_command_and_a_file() {
        let output = |format, file: &str| Ok(Output { format, file: Some(file.into()) });
        assert_eq!(of_plan("json=a.json"), output(FileFormat::Json, "a.json"));
        assert_eq!(of_plan("text=a=b"), output(FileFormat::Text, "a=b"));
        assert_eq!(of_apply("junit=x"), output(FileFormat::Junit, "x"));
        assert_eq!(of_findings("github"), Ok(Output { format: FileFormat::GitHub, file: None }));
        let refused = [
            of_plan("junit=x"),
            of_plan("json"),
            of_plan("json="),
            of_plan("=a"),
            of_plan("yaml=a"),
            of_findings("json=a"),
            of_apply(""),
        ];
        for (row, refused) in refused.into_iter().enumerate() {
            assert!(refused.unwrap_err().contains("write "), "row {row}");
        }
    }

    #[test]
    fn every_format_has_one_name_and_is_offered_somewhere() {
        for (name, format) in FORMATS {
            assert_eq!(read(&format!("{name}=f"), &[name]).unwrap().format, format);
            assert!(OF_APPLY.contains(&name), "{name}");
        }
    }
}
