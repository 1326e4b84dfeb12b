//! Findings for people and machines: a code, a sentence, a place and help.
//!
//! A finding is a value. Modules return all of theirs at once; `render` shows them and `cli` turns
//! them into an exit code. The stable codes are in [`Code`].

mod check;
mod code;
mod gap;
mod sources;

pub use check::{CHECKS, Check, CheckStatus, Checkup, SettledQuirk};
pub use code::Code;
pub use gap::{EvidenceSource, Gap, GapReason, Gaps, Lost, Withholds};
pub use sources::{Sources, TextHash};

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing goes on.
    Error,
    /// One step does not go on; others do.
    Blocked,
    /// Probably not what was meant; everything goes on.
    Warning,
    /// Worth knowing; everything goes on.
    Note,
}

/// A part of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Its `version`.
    Version,
    /// Its `tasks`, as a whole.
    Tasks,
    /// Its `agents`, as a whole.
    Agents,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How much it weighs.
    pub severity: Severity,
    /// One sentence without a final period; names the field and the thing, with backticks.
    pub message: String,
    /// Where in a file, if in one.
    pub place: Option<Place>,
    /// Other places that belong to it, each with a few words.
    pub related: Vec<(Place, String)>,
    /// Help, the best first.
    pub help: Vec<String>,
    /// What of the evidence is out of sight, where it is about that; `render` has the words.
    pub gaps: Gaps,
    /// The part of a manifest that it is about, for code that asks.
    pub subject: Option<Subject>,
}

/// The most findings that are kept of one question; nobody reads more, and they are a stranger's.
const MOST_FINDINGS: usize = 500;

/// Findings as they come, the first of them kept and the rest counted.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Diagnostic>,
    left_out: usize,
    /// The weight of the heaviest one that is left out.
    heaviest: Option<Severity>,
}

impl Findings {
    /// Adds a finding.
    pub fn push(&mut self, finding: Diagnostic) {
        if self.kept.len() < MOST_FINDINGS {
            return self.kept.push(finding);
        }
        self.left_out += 1;
        let heaviest = self.heaviest.unwrap_or(finding.severity);
        self.heaviest = Some(heaviest.min(finding.severity));
    }

    /// Whether another one is counted alone.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= MOST_FINDINGS
    }

    /// Adds findings.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// Returns them in the order of `key`, and at their end how many are left out.
    pub fn in_order<K: Ord>(mut self, key: impl Fn(&Diagnostic) -> K) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|finding| key(finding));
        if let Some(severity) = self.heaviest {
            let message = format!("there are {} more findings like these", self.left_out);
            let finding = Diagnostic::new(severity, Code::MoreFindings, message);
            self.kept.push(finding.help("correct these first"));
        }
        self.kept
    }
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: Arc<Path>,
    /// The bytes of its text, UTF-8.
    pub span: Range<usize>,
}

/// Returns the start of the character at `at`, or the end of a text that is shorter.
pub fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Diagnostic {
    /// Whether it ends what found it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Makes an error at no place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Makes a finding that blocks one step.
    pub fn blocked(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Blocked, code, message)
    }

    /// Makes a warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Makes a note.
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let (place, related, help, gaps, subject) =
            (None, Vec::new(), Vec::new(), Gaps::default(), None);
        Self { code, severity, message, place, related, help, gaps, subject }
    }

    /// Points the finding at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Says which part of a manifest it is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Adds another place with a few words about it.
    #[must_use]
    pub fn see(mut self, place: Place, words: impl Into<String>) -> Self {
        self.related.push((place, words.into()));
        self
    }

    /// Names what of the evidence is out of sight.
    #[must_use]
    pub fn with_gaps(mut self, gaps: impl IntoIterator<Item = Gap>) -> Self {
        self.gaps = gaps.into_iter().collect();
        self
    }

    /// Adds help.
    #[must_use]
    pub fn help(mut self, way: impl Into<String>) -> Self {
        self.help.push(way.into());
        self
    }
}

/// Says an error with all of its causes, each once, from the outside in.
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some libraries repeat the cause in their own message.
        if !words.ends_with(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words
}
