//! What `doctor` has found, as text or as JSON for a bug report.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::diag::{Check, CheckStatus, Checkup, SettledQuirk};
use crate::model::{counted, visible_json};
use crate::render::escape::{self, Untrusted};
use crate::render::paint::Label;
use crate::render::schema;
use crate::render::text::TextOptions;
use crate::render::words;
use crate::render::wrap::{self, Wrapped};

/// The version of the JSON form; a field is never removed nor given another meaning within it.
const FORMAT_VERSION: u32 = 1;

/// How many characters of an organization's id are shown: it tells two apart and names none.
const SHOWN_OF_ID: usize = 4;

/// A checkup ready for eyes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(
    title = "The checkup of qcops",
    description = "What `doctor` has found (see `docs/doctor.md`)."
)]
pub struct CheckupView {
    format_version: u32,
    /// The program's own.
    version: &'static str,
    /// The address of the service, or the emulator.
    service: Untrusted,
    /// The first characters of the organization's id.
    organization: Option<Untrusted>,
    checks: Vec<CheckRow>,
    /// What is known of the service's unknowns, in the words of the emulator.
    quirks: Vec<QuirkRow>,
}

/// One check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct CheckRow {
    check: &'static str,
    /// `passed`, `noted`, `warned` or `failed`.
    #[schemars(extend("enum" = ["passed", "noted", "warned", "failed"]))]
    status: &'static str,
    message: Untrusted,
    /// Why it is checked.
    meaning: &'static str,
    help: Vec<Untrusted>,
    #[serde(skip)]
    sign: (char, Label),
}

/// One unknown that was settled.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct QuirkRow {
    name: &'static str,
    value: String,
    /// What was seen.
    seen: Untrusted,
}

/// Returns the JSON Schema of the JSON form.
pub fn schema() -> schemars::Schema {
    schema::root::<CheckupView>()
}

impl CheckupView {
    /// Makes a checkup ready for eyes.
    pub fn new(checkup: &Checkup) -> Self {
        let masked = |id: &String| {
            let shown: String = id.chars().take(SHOWN_OF_ID).collect();
            Untrusted::new(format!("{shown}..."))
        };
        Self {
            format_version: FORMAT_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            service: Untrusted::new(checkup.service.as_str()),
            organization: checkup.organization_id.as_ref().map(masked),
            checks: checkup.checks.iter().map(check_row).collect(),
            quirks: checkup.quirks.iter().map(quirk_row).collect(),
        }
    }

    /// Returns the JSON form.
    pub fn to_json(&self) -> String {
        let written = serde_json::to_string_pretty(self).expect("texts and numbers are JSON");
        visible_json(&written) + "\n"
    }

    /// Returns the quirks as flags of `qcops emulator`.
    pub fn quirk_flags(&self) -> String {
        let flags: Vec<String> = self
            .quirks
            .iter()
            .map(|quirk| format!("--quirk {}={}", quirk.name, quirk.value))
            .collect();
        flags.join(" ") + "\n"
    }
}

fn check_row(check: &Check) -> CheckRow {
    CheckRow {
        check: check.name,
        status: check.status.as_str(),
        message: Untrusted::new(check.message.as_str()),
        meaning: check.meaning(),
        help: check.help.iter().map(|help| Untrusted::new(help.as_str())).collect(),
        sign: match check.status {
            CheckStatus::Passed => ('\u{2713}', Label::Create),
            CheckStatus::Noted => ('-', Label::Aside),
            CheckStatus::Warned => ('!', Label::Change),
            CheckStatus::Failed => ('\u{2717}', Label::Blocked),
        },
    }
}

fn quirk_row(quirk: &SettledQuirk) -> QuirkRow {
    QuirkRow {
        name: quirk.name,
        value: quirk.value.clone(),
        seen: Untrusted::new(quirk.seen.as_str()),
    }
}

/// Writes the checks, then the quirks, then the counts.
pub fn render(view: &CheckupView, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let out: &mut dyn fmt::Write = &mut wrapped;
    let width = view.checks.iter().map(|row| row.check.len()).max().unwrap_or_default();
    let column = width + 4;
    let indent = " ".repeat(column);
    for row in &view.checks {
        let sign = options.color.paint(row.sign.1, row.sign.0.to_string());
        let message = wrap::column(&row.message.part(), column, options.width);
        writeln!(out, "{sign} {:width$}  {message}", row.check)?;
        if matches!(row.status, "warned" | "failed") {
            writeln!(out, "{indent}{}", options.color.paint(Label::Aside, row.meaning))?;
        }
        for help in &row.help {
            writeln!(out, "{indent}help: {}", help.part())?;
        }
    }
    if !view.quirks.is_empty() {
        writeln!(out, "\nQuirks of the service, as `qcops emulator` takes them:")?;
        let longest = view.quirks.iter().map(|row| row.name.len() + row.value.len()).max();
        let longest = longest.unwrap_or_default() + 1;
        for row in &view.quirks {
            let setting = format!("{}={}", row.name, escape::line(&row.value));
            let seen = wrap::column(&row.seen.part(), longest + 12, options.width);
            writeln!(out, "  --quirk {setting:longest$}  {seen}")?;
        }
    }
    let count = |status| view.checks.iter().filter(|row| row.status == status).count();
    let counts = words::counts([
        (count("failed"), "failed"),
        (count("warned"), "with a warning"),
        (count("noted"), "noted"),
        (count("passed"), "passed"),
    ]);
    let checks = counted(view.checks.len(), "check", "checks");
    writeln!(out, "\n{}", options.color.paint(Label::Verdict, format!("{checks}: {counts}.")))
}
