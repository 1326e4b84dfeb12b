//! The one place where foreign text is made safe to print.
//!
//! Names, prompts, transcripts and file names may come from a stranger. Printed as they are they
//! could move the cursor, turn the reading direction, hide letters, start a line that looks like
//! ours, or command the CI system that reads the log. Here all of that becomes visible instead.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::is_hidden;

/// A text that came from a file or from the service; only this module opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted(Arc<str>);

impl Untrusted {
    /// Takes a text out of free circulation.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text as it is; only for formats whose own encoding makes it safe.
    pub(in crate::render) fn raw(&self) -> &str {
        &self.0
    }

    /// The text as one safe line, wherever it stands.
    pub fn line(&self) -> String {
        line(&self.0)
    }

    /// The text in double quotes: its own quotes and backslashes cannot be taken for ours.
    pub fn quoted(&self) -> String {
        let mut safe = String::with_capacity(self.0.len() + 2);
        safe.push('"');
        let mut rest = &*self.0;
        loop {
            if rest.starts_with(['"', '\\']) {
                safe.push('\\');
            }
            let Some(taken) = step(rest, &mut safe) else { break };
            rest = &rest[taken..];
        }
        safe.push('"');
        safe
    }

    /// The text as a safe part of a line that begins with something visible of ours.
    pub fn part(&self) -> String {
        part(&self.0)
    }

    /// Like [`Untrusted::part`], with what lies between `head` and `tail` characters only counted.
    pub fn cut_part(&self, head: usize, tail: usize) -> String {
        // So that the count is never longer than what it stands for.
        const WORTH_CUTTING: usize = 40;
        let count = self.char_count();
        let left_out = count.saturating_sub(head + tail);
        if left_out < WORTH_CUTTING {
            return self.part();
        }
        let byte = |at: usize| self.0.char_indices().nth(at).map_or(self.0.len(), |(byte, _)| byte);
        let (head, tail) = (part(&self.0[..byte(head)]), part(&self.0[byte(count - tail)..]));
        format!("{head}{{... {left_out} characters ...}}{tail}")
    }

    /// The lines of the text, each for itself.
    pub fn lines(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.lines().map(Self::new)
    }

    /// How many characters the text has.
    pub fn char_count(&self) -> usize {
        self.0.chars().count()
    }
}

impl Serialize for Untrusted {
    /// The text as it is, for documents that then go through [`visible_json`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Returns the text as one safe line: line breaks are shown too.
///
/// The result may stand at the start of an output line and anywhere in it.
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    if let Some(behind) = text.trim_start().strip_prefix("::") {
        // GitHub's `::command::`, which it also finds behind blanks.
        let blanks = &text[..text.len() - behind.len() - 2];
        blanks.chars().for_each(|c| push(c, &mut safe));
        safe.push_str("\\u{3a}:");
        rest = behind;
    }
    while let Some(taken) = step(rest, &mut safe) {
        rest = &rest[taken..];
    }
    safe
}

/// Returns the text as one line of the message of a GitHub workflow command.
pub(in crate::render) fn command_message(text: &str) -> String {
    // The runner turns `%25`, `%0D` and `%0A` back; line breaks are shown by then.
    line(text).replace('%', "%25")
}

/// Returns the text as the value of a property of a GitHub workflow command.
pub(in crate::render) fn command_property(text: &str) -> String {
    command_message(text).replace(':', "%3A").replace(',', "%2C")
}

/// Appends the first character of `rest` in safe form; returns its bytes, or `None` at the end.
///
/// For callers that must know which output belongs to which input. What [`line()`] does about `::` at
/// the start of a line is left to them.
pub(in crate::render) fn step(rest: &str, safe: &mut String) -> Option<usize> {
    let first = rest.chars().next()?;
    // Azure's and GitHub's older commands, which are found anywhere in a line.
    if rest.starts_with("##[") || rest.starts_with("##vso[") {
        safe.push_str("\\u{23}");
    } else {
        push(first, safe);
    }
    Some(first.len_utf8())
}

fn part(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(taken) = step(rest, &mut safe) {
        rest = &rest[taken..];
    }
    safe
}

fn push(c: char, safe: &mut String) {
    if is_hidden(c) { safe.extend(shown(c)) } else { safe.push(c) }
}

/// The visible form of a character that acts on the terminal or shows nothing.
fn shown(c: char) -> impl Iterator<Item = char> {
    let short = match c {
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        _ => None,
    };
    let short_form = short.into_iter().flat_map(|letter| ['\\', letter]);
    short_form.chain(short.is_none().then(|| c.escape_unicode()).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_deceive_is_shown() {
        let table = [
            ("plain — ünïcode ✓", "plain — ünïcode ✓"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{200b}\u{feff}b", "a\\u{200b}\\u{feff}b"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("::set-env name=A::b", "\\u{3a}:set-env name=A::b"),
            ("  ::error::x", "  \\u{3a}:error::x"),
            ("\n::error::x", "\\n\\u{3a}:error::x"),
            ("std::fmt", "std::fmt"),
            ("##[error]x", "\\u{23}#[error]x"),
            ("say ##vso[task]x", "say \\u{23}#vso[task]x"),
            ("## heading", "## heading"),
            ("", ""),
        ];
        for (foreign, safe) in table {
            assert_eq!(line(foreign), safe, "{foreign:?}");
        }
    }

    #[test]
    fn a_workflow_command_ends_where_it_should() {
        assert_eq!(command_property("a,b::c%0A.yaml"), "a%2Cb%3A%3Ac%250A.yaml");
        assert_eq!(command_message("100 %\r\n::error::x"), "100 %25\\r\\n::error::x");
    }

    proptest! {
        #[test]
        fn no_raw_control_and_no_command_survives(
            text in r"(\PC|\p{Cc}|\p{Cf}|::|##\[|##vso\[| |\n){0,40}",
        ) {
            let safe = line(&text);
            prop_assert!(!safe.contains(is_hidden), "{safe:?}");
            prop_assert!(!safe.chars().any(char::is_control), "{safe:?}");
            prop_assert!(!safe.trim_start().starts_with("::"), "{safe:?}");
            prop_assert!(!safe.contains("##[") && !safe.contains("##vso["), "{safe:?}");
        }
    }
}
