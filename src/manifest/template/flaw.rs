//! What is wrong with a template, and where: the engine's errors in plain words.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use crate::diag::{Code, floor_boundary};

/// What is wrong with a template.
#[derive(Clone, Debug)]
pub(in crate::manifest) struct TemplateFlaw {
    pub(in crate::manifest) code: Code,
    /// The name of the text that is wrong: a path, or the template's own.
    pub(in crate::manifest) name: String,
    /// That text.
    pub(in crate::manifest) text: Arc<str>,
    /// The bytes of that text.
    pub(in crate::manifest) span: Range<usize>,
    /// What is wrong, without the template that it is wrong with.
    pub(in crate::manifest) message: String,
    pub(in crate::manifest) help: Vec<String>,
    /// Whether it was said before: it ends the rendering without a finding.
    pub(in crate::manifest) is_known: bool,
    /// Whether it is wrong whatever the template sees.
    pub(in crate::manifest) is_of_all: bool,
}

impl TemplateFlaw {
    pub(super) fn new(code: Code, name: &str, span: Range<usize>, message: String) -> Self {
        Self {
            code,
            name: name.to_owned(),
            text: Arc::default(),
            span,
            message,
            help: Vec::new(),
            is_known: false,
            is_of_all: true,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Says what the parser has against a template.
    pub(super) fn of_syntax(name: &str, text: &str, error: &Error) -> Self {
        let message = error.detail().unwrap_or("it cannot be read");
        let span = error.range().unwrap_or_else(|| line(text, error.line().unwrap_or(1)));
        let message = format!("the template is wrong: {message}");
        let flaw = Self::new(Code::InvalidTemplate, name, span, message);
        let flaw = Self { text: text.into(), ..flaw };
        flaw.help("for braces that mean nothing write `{% raw %}…{% endraw %}`")
    }

    /// Says what went wrong while a template was rendered; `text` finds a text by its name.
    pub(super) fn of_rendering<'t>(
        error: &Error,
        (main, text): (&str, impl Fn(&str) -> Option<&'t str>),
    ) -> Self {
        let error = innermost(error);
        let name = error.name().unwrap_or(main);
        let written = text(name).unwrap_or_default();
        let span = error.range().unwrap_or_else(|| line(written, error.line().unwrap_or(1)));
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let (code, message, help) = match error.kind() {
            ErrorKind::OutOfFuel => (
                Code::TooMuchText,
                "the template does more than a prompt needs".to_owned(),
                "write a shorter one: loops and long texts are limited",
            ),
            _ => (
                Code::InvalidTemplate,
                format!("the template cannot be rendered: {detail}"),
                "docs/templates.md says what a template may hold",
            ),
        };
        let is_of_all = matches!(error.kind(), ErrorKind::OutOfFuel);
        Self { is_of_all, ..Self::new(code, name, span, message) }.help(help)
    }
}

/// The error at the bottom: those above say which include it is in.
pub(super) fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    while innermost.kind() == ErrorKind::BadInclude
        && let Some(cause) = std::error::Error::source(innermost).and_then(|it| it.downcast_ref())
    {
        innermost = cause;
    }
    innermost
}

/// The bytes of a line, counted from 1, without the blanks around it.
fn line(text: &str, number: usize) -> Range<usize> {
    let start = text.split_inclusive('\n').take(number.saturating_sub(1)).map(str::len).sum();
    let start = floor_boundary(text, start);
    let line = text[start..].lines().next().unwrap_or_default();
    let start = start + (line.len() - line.trim_start().len());
    start..start + line.trim().len()
}
