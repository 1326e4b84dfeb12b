//! The one place where foreign text is made safe to print.
//!
//! Names, prompts, transcripts and file names may come from a stranger. Printed as they are they
//! could move the cursor, turn the reading direction, hide letters, start a line that looks like
//! ours, or command the CI system that reads the log. Here all of that becomes visible instead.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::{MOST_MARKS, emoji_length, is_hidden, pile_length};

/// A text that came from a file or from the service; only this module opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Untrusted {
    text: Arc<str>,
    /// Where characters begin that are spelled although they can be seen: they look like others.
    spelled: Option<Arc<[usize]>>,
}

impl Untrusted {
    /// Takes a text out of free circulation.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), spelled: None }
    }

    /// The same text with the characters at these bytes spelled.
    pub(in crate::render) fn spelling(self, places: Vec<usize>) -> Self {
        let spelled = (!places.is_empty()).then(|| places.into());
        Self { spelled, ..self }
    }

    /// The text as it is; only for formats whose own encoding makes it safe.
    pub(in crate::render) fn raw(&self) -> &str {
        &self.text
    }

    /// The text, shared.
    pub(in crate::render) fn shared(&self) -> &Arc<str> {
        &self.text
    }

    /// The text as one safe line, wherever it stands.
    pub fn line(&self) -> String {
        if self.spelled.is_some() { line(&self.part()) } else { line(&self.text) }
    }

    /// The text in double quotes: its own quotes and backslashes cannot be taken for ours.
    pub fn quoted(&self) -> String {
        let mut safe = String::with_capacity(self.text.len() + 2);
        safe.push('"');
        self.write(0..self.text.len(), "\"\\", &mut safe);
        safe.push('"');
        safe
    }

    /// The text as a safe part of a line that begins with something visible.
    pub fn part(&self) -> String {
        self.part_of(0..self.text.len())
    }

    /// Like [`Untrusted::part`], of some of its bytes.
    pub(in crate::render) fn part_of(&self, bytes: Range<usize>) -> String {
        let mut safe = String::with_capacity(bytes.len());
        self.write(bytes, "", &mut safe);
        safe
    }

    /// Appends some of its bytes in safe form, a backslash before each character of `quoted`.
    fn write(&self, bytes: Range<usize>, quoted: &str, safe: &mut String) {
        let spelled = self.spelled.as_deref().unwrap_or_default();
        let mut at = bytes.start;
        while let Some(first) = self.text[at..bytes.end].chars().next() {
            let next = spelled.partition_point(|place| *place < at);
            let next = spelled.get(next).copied().unwrap_or(usize::MAX);
            let until = next.min(bytes.end);
            if next == at {
                safe.extend(first.escape_unicode());
                at += first.len_utf8();
            } else if quoted.contains(first) {
                safe.extend(['\\', first]);
                at += first.len_utf8();
            } else {
                // An emoji in which something is spelled is no picture any longer.
                at += step(&self.text[at..until], safe).unwrap_or_default();
            }
        }
    }

    /// Like [`Untrusted::part`], with what lies between `head` and `tail` characters only counted.
    pub fn cut_part(&self, head: usize, tail: usize) -> String {
        match self.cut(head, tail) {
            None => self.part(),
            Some((head, left_out, tail)) => {
                let (head, tail) = (self.part_of(head), self.part_of(tail));
                format!("{head}{{... {left_out} characters ...}}{tail}")
            }
        }
    }

    /// The bytes of the first `head` and of the last `tail` characters, and how many lie between;
    /// `None` where so few do that they are worth showing.
    pub(in crate::render) fn cut(
        &self,
        head: usize,
        tail: usize,
    ) -> Option<(Range<usize>, usize, Range<usize>)> {
        // So that the count is never longer than what it stands for.
        const WORTH_CUTTING: usize = 40;
        let count = self.char_count();
        let left_out = count.saturating_sub(head.saturating_add(tail));
        if left_out < WORTH_CUTTING {
            return None;
        }
        let all = self.text.len();
        let byte = |at: usize| self.text.char_indices().nth(at).map_or(all, |(byte, _)| byte);
        Some((0..byte(head), left_out, byte(count - tail)..all))
    }

    /// The lines of the text, each for itself.
    pub fn lines(&self) -> impl Iterator<Item = Self> + '_ {
        self.text.lines().map(Self::new)
    }

    /// How many characters the text has.
    pub fn char_count(&self) -> usize {
        self.text.chars().count()
    }
}

impl Serialize for Untrusted {
    /// The text as it is, for documents that then go through [`visible_json`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
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

/// Appends the first character, the first emoji or the first pile of marks of `rest` in safe form; returns its bytes, or `None`
/// at the end.
///
/// For callers that must know which output belongs to which input. What [`line()`] does about `::` at
/// the start of a line is left to them.
pub(in crate::render) fn step(rest: &str, safe: &mut String) -> Option<usize> {
    let first = rest.chars().next()?;
    let emoji = emoji_length(rest);
    if emoji > 0 {
        safe.push_str(&rest[..emoji]);
        return Some(emoji);
    }
    let pile = pile_length(rest);
    if pile > 0 {
        // As many as a language has need of are drawn, and the others are spelled.
        for (nth, mark) in rest[..pile].chars().enumerate() {
            if nth < MOST_MARKS { push(mark, safe) } else { safe.extend(mark.escape_unicode()) }
        }
        return Some(pile);
    }
    // Azure's and GitHub's older commands, which are found anywhere in a line.
    if rest.starts_with("##[") || rest.starts_with("##vso[") {
        safe.push_str("\\u{23}");
    } else if is_cut_mark(rest) {
        safe.push_str("\\u{7b}");
    } else {
        push(first, safe);
    }
    Some(first.len_utf8())
}

/// Whether a text begins like our own words about what is cut, such as `{... 5 characters ...}`.
fn is_cut_mark(rest: &str) -> bool {
    let count = rest.strip_prefix("{... ");
    count.is_some_and(|count| count.starts_with(|c: char| c.is_ascii_digit()))
}

/// Writes a text of any length as [`Untrusted::part`] has it, piece by piece; `last` may change each piece.
pub(in crate::render) fn write_part(
    text: &str,
    last: fn(&str, &mut dyn fmt::Write) -> fmt::Result,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    /// How much is put together before it is written.
    const PIECE: usize = 8 * 1024;
    let (mut safe, mut rest) = (String::with_capacity(PIECE + 64), text);
    while let Some(taken) = step(rest, &mut safe) {
        rest = &rest[taken..];
        if safe.len() >= PIECE || rest.is_empty() {
            last(&safe, out)?;
            safe.clear();
        }
    }
    Ok(())
}

/// Writes a text of any length as [`line()`] has it, piece by piece.
pub(in crate::render) fn write_line(
    text: &str,
    last: fn(&str, &mut dyn fmt::Write) -> fmt::Result,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let start = text.trim_start();
    let Some(rest) = start.strip_prefix("::") else { return write_part(text, last, out) };
    let blanks = &text[..text.len() - start.len()];
    last(&line(&format!("{blanks}::")), out)?;
    write_part(rest, last, out)
}

/// Leaves a piece of [`write_part`] as it is.
pub(in crate::render) fn as_it_is(safe: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    out.write_str(safe)
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
    use crate::model::holds_hidden;

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
            ("a {... 5 characters ...} b", "a \\u{7b}... 5 characters ...} b"),
            ("{...props}", "{...props}"),
            ("Buy\u{fe05}\u{fe0f}\u{2800}\u{1d173}", "Buy\\u{fe05}\\u{fe0f}\\u{2800}\\u{1d173}"),
            ("ok 👩🏽\u{200d}🚀 ❤\u{fe0f}!", "ok 👩🏽\u{200d}🚀 ❤\u{fe0f}!"),
            ("Cafe\u{301} Vi\u{1ec7}t e\u{323}\u{302}", "Cafe\u{301} Vi\u{1ec7}t e\u{323}\u{302}"),
            ("x\u{301}\u{302}\u{303}\u{304}y", "x\u{301}\u{302}\u{303}\u{304}y"),
            (
                "x\u{301}\u{302}\u{303}\u{304}\u{305}\u{489}y",
                "x\u{301}\u{302}\u{303}\u{304}\\u{305}\\u{489}y",
            ),
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
            prop_assert!(!holds_hidden(&safe), "{safe:?}");
            prop_assert!(!safe.chars().any(char::is_control), "{safe:?}");
            prop_assert!(!safe.trim_start().starts_with("::"), "{safe:?}");
            prop_assert!(!safe.contains("##[") && !safe.contains("##vso["), "{safe:?}");
        }
    }
}
