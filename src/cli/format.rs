//! `--output FORMAT=FILE`, as it is typed.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::plan::Digest;

/// What there is a JSON Schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Described {
    /// A manifest, for editors
    Manifest,
    /// A plan as JSON
    Plan,
    /// The plans of `--env all` as JSON
    EveryPlan,
    /// The status of `--env all` as JSON
    EveryStatus,
    /// A plan that was saved for `apply`
    SavedPlan,
    /// What the service returned, saved for another plan
    Snapshot,
    /// The report of an apply
    Report,
    /// The status as JSON
    Status,
    /// The checks of `doctor` as JSON
    Doctor,
    /// A transcript as JSON
    Transcript,
}

/// A format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// The plan, or the report of an apply, for programs.
    Json,
    /// For a comment at a pull request.
    Markdown,
    /// One page for a browser.
    Html,
    /// Each step of a plan, or each deployment that was waited for, as a test.
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
pub(super) const OF_PLAN: &[&str] =
    &["json", "markdown", "html", "junit", "github", "gitlab", "text"];
/// What an apply is written as.
pub(super) const OF_APPLY: &[&str] =
    &["json", "markdown", "html", "junit", "github", "gitlab", "text"];
/// What the findings about a manifest are written as.
pub(super) const OF_FINDINGS: &[&str] = &["markdown", "github", "gitlab"];

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
        Some("-") => Err(format!(
            "`-` is not a file: write `--format {name}` for standard output, or `{name}=FILE`"
        )),
        Some("") => Err(format!("the file is missing: write `{name}=FILE`")),
        Some(address)
            if address.contains("://")
                && matches!(format, FileFormat::GitHub | FileFormat::GitLab) =>
        {
            Err(format!("`{name}` is read by the CI system, so it goes to a file"))
        }
        Some(file) => Ok(Output { format, file: Some(file.into()) }),
        None if format == FileFormat::GitHub => Ok(Output { format, file: None }),
        None => Err(format!("the file is missing: write `{name}=FILE`")),
    }
}

/// Reads the digest of a plan.
pub(super) fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_text(text)
        .ok_or_else(|| "a digest is 64 hexadecimal digits, as `qcops plan` prints it".to_owned())
}

/// How a transcript is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TranscriptFormat {
    /// For a terminal
    Text,
    /// For programs; everything that was kept
    Json,
    /// For people who review
    Markdown,
    /// For a browser: one page that needs nothing else
    Html,
}

/// How `status` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusFormat {
    /// A table for people
    Text,
    /// One JSON document with a `format_version`
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_format_of_the_command_and_a_file() {
        let output = |format, file: &str| Ok(Output { format, file: Some(file.into()) });
        assert_eq!(of_plan("json=a.json"), output(FileFormat::Json, "a.json"));
        assert_eq!(of_plan("text=a=b"), output(FileFormat::Text, "a=b"));
        assert_eq!(of_plan("junit=x"), output(FileFormat::Junit, "x"));
        assert_eq!(of_findings("github"), Ok(Output { format: FileFormat::GitHub, file: None }));
        let refused = [
            of_plan("json"),
            of_plan("json="),
            of_plan("json=-"),
            of_plan("=a"),
            of_plan("yaml=a"),
            of_findings("json=a"),
            of_findings("junit=x"),
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
