//! What is wrong with a text as YAML, whatever it may mean.

use std::ops::Range;

use crate::diag::Code;

/// One thing that is wrong, and where.
#[derive(Debug)]
pub(super) struct Mistake {
    /// The code of its finding.
    pub(super) code: Code,
    /// Where it is.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) message: String,
    /// What to do about it, the best first.
    pub(super) help: Vec<String>,
    /// Another place that belongs to it, and why.
    pub(super) see: Option<(Range<usize>, &'static str)>,
    /// The anchor or alias it is about, as written.
    pub(super) about: Option<String>,
    /// Another byte whose task cannot be read either.
    pub(super) also: Option<usize>,
    /// Where what cannot be read ends, if that is further down.
    pub(super) until: Option<usize>,
    /// Whether the whole text is too large, rather than a part of it wrong.
    pub(super) is_limit: bool,
}

impl Mistake {
    /// Makes one of what is not YAML.
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        let (code, message) = (Code::InvalidYaml, message.into());
        let (help, see, about, also, until) = (Vec::new(), None, None, None, None);
        Self { code, span, message, help, see, about, also, until, is_limit: false }
    }

    /// Gives it another code.
    pub(super) fn with(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Says that the whole text is too large.
    pub(super) fn limit(mut self) -> Self {
        self.is_limit = true;
        self
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Points to another place.
    pub(super) fn see(mut self, span: Range<usize>, words: &'static str) -> Self {
        self.see = Some((span, words));
        self
    }

    /// Names another byte whose task cannot be read either.
    pub(super) fn also(mut self, at: usize) -> Self {
        self.also = Some(at);
        self
    }

    /// Says where what cannot be read ends.
    pub(super) fn until(mut self, end: Option<usize>) -> Self {
        self.until = end;
        self
    }

    /// Names the anchor or alias it is about.
    pub(super) fn about(mut self, name: &str) -> Self {
        self.about = Some(name.to_owned());
        self
    }
}

/// Spells a short text as YAML in quotes, for help; `None` where it is too long to repeat.
pub(super) fn in_quotes(text: &str) -> Option<String> {
    const MOST: usize = 60;
    let is_short = text.chars().count() <= MOST && !text.contains(char::is_control);
    is_short.then(|| format!("'{}'", text.replace('\'', "''")))
}
