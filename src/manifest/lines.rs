//! Lines of a text, for messages about what is not YAML.

/// A line and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceLine<'t> {
    /// The byte at which it begins.
    pub(super) start: usize,
    /// Its text without the line break.
    pub(super) text: &'t str,
}

impl<'t> SourceLine<'t> {
    /// Returns the line that holds the byte `at`, which is the start of a character.
    pub(super) fn at(text: &'t str, at: usize) -> Self {
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        Self { start, text: text[start..end].trim_end_matches('\r') }
    }

    /// Returns the lines above the byte `at` that are neither blank nor comments, the nearest first.
    pub(super) fn above(text: &'t str, at: usize) -> impl Iterator<Item = Self> {
        let end = Self::at(text, at).start;
        let mut end = end;
        let lines = std::iter::from_fn(move || {
            let line = Self::at(text, end.checked_sub(1)?);
            end = line.start;
            Some(line)
        });
        lines.filter(|line| !line.is_idle())
    }

    /// Returns the next line that is neither blank nor a comment.
    pub(super) fn below(text: &'t str, at: usize) -> Option<Self> {
        let mut line = Self::at(text, at);
        loop {
            let end = line.start + text[line.start..].find('\n')? + 1;
            line = Self::at(text, end);
            if !line.is_idle() {
                return Some(line);
            }
        }
    }

    /// Returns the number of the line that holds the byte `at`, from 1.
    pub(super) fn number(text: &str, at: usize) -> usize {
        text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// What it holds from a byte of the text on.
    pub(super) fn text_from(self, at: usize) -> &'t str {
        self.text.get(at.saturating_sub(self.start)..).unwrap_or_default()
    }

    /// What it holds between the blanks at its ends.
    pub(super) fn content(self) -> &'t str {
        self.text.trim()
    }

    /// The byte at which its content begins.
    pub(super) fn first(self) -> usize {
        self.start + self.indent()
    }

    /// How many blanks and tabs it begins with.
    pub(super) fn indent(self) -> usize {
        self.text.len() - self.text.trim_start_matches([' ', '\t']).len()
    }

    /// Whether it is blank or a comment.
    fn is_idle(self) -> bool {
        self.content().is_empty() || self.content().starts_with('#')
    }

    /// Splits `key: value`; the value is empty where it stands further down.
    pub(super) fn field(self) -> Option<(&'t str, &'t str)> {
        let content = self.content().trim_start_matches("- ");
        match content.find(": ").or_else(|| content.find(":\t")) {
            Some(at) => Some((&content[..at], content[at + 1..].trim())),
            None => content.strip_suffix(':').map(|key| (key, "")),
        }
    }

    /// The first word of its content, up to a blank or a colon.
    pub(super) fn word(self) -> &'t str {
        let content = self.content().trim_start_matches("- ");
        content.split([' ', '\t', ':']).next().unwrap_or_default()
    }
}
