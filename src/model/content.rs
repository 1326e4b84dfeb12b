//! Canonical text and its hashes.
//!
//! There is one canonical form in the program, computed here, and what it yields is also what is
//! sent. `resource::Object` says of which fields of a resource the hash is its address.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr_iter};
use sha2::{Digest, Sha256};
use unicode_normalization::char::{canonical_combining_class, compose};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The address of a content: SHA-256 over the canonical JSON of the fields that cannot change in place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// SHA-256 over a canonical prompt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of canonical JSON.
    pub fn of(json: &[u8]) -> Self {
        Self(Sha256::digest(json).into())
    }

    /// The first eight hexadecimal digits, as archived names carry them.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }

    /// Reads the 64 hexadecimal digits that `Display` writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl PromptHash {
    /// The hash of a canonical prompt.
    pub fn of(prompt: &str) -> Self {
        Self(Sha256::digest(prompt.as_bytes()).into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({})", self.short())
    }
}

impl fmt::Debug for PromptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PromptHash({})", hex(&self.0[..4]))
    }
}

/// Returns SHA-256 over `bytes` as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Puts a text in the one form that is compared, hashed and sent.
///
/// Line ends become LF, Unicode becomes NFC, byte-order marks and invisible separators go, and so do
/// blanks at line ends and blanks and blank lines at both ends, which a service may trim. Doing it
/// twice changes nothing more.
///
/// Zero-width joiners stay: they are part of how some scripts and emoji are spelled.
pub fn canonical_text(text: &str) -> Cow<'_, str> {
    // Most texts are plain ASCII and need no more than their ends cut.
    if text.is_ascii() && !has_odd_line_end(text.as_bytes()) {
        return Cow::Borrowed(text.trim());
    }
    let visible: Cow<'_, str> = if text.contains(is_invisible) {
        text.chars().filter(|c| !is_invisible(*c)).collect::<String>().into()
    } else {
        text.into()
    };
    let composed: Cow<'_, str> =
        if is_nfc(&visible) { visible } else { visible.nfc().collect::<String>().into() };
    let unix: Cow<'_, str> = if composed.contains('\r') {
        composed.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        composed
    };
    let mut canonical = String::with_capacity(unix.len());
    for line in unix.trim_start().split('\n').map(str::trim_end) {
        canonical.push_str(line);
        canonical.push('\n');
    }
    canonical.truncate(canonical.trim_end_matches('\n').len());
    Cow::Owned(canonical)
}

/// A character of a text, with the marks on it, that its canonical form does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharacterChange<'t> {
    /// The byte at which it begins.
    pub at: usize,
    /// What is written.
    pub from: &'t str,
    /// What is kept of it; empty where it is left out.
    pub to: String,
}

/// Returns what [`canonical_text`] changes beyond line ends, and blanks and blank lines at ends.
pub fn canonical_changes(text: &str) -> impl Iterator<Item = CharacterChange<'_>> {
    let is_kept = text.is_ascii() || (is_nfc(text) && !text.contains(is_invisible));
    let mut rest = if is_kept { "" } else { text };
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let (from, behind) = rest.split_at(cluster(rest));
            rest = behind;
            let kept = from.chars().filter(|c| !is_invisible(*c));
            if from.len() > 1 && !kept.clone().nfc().eq(from.chars()) {
                return Some(CharacterChange { at, from, to: kept.nfc().collect() });
            }
        }
        None
    })
}

/// The bytes of the first character of a text and of all behind it that may become one with it.
fn cluster(text: &str) -> usize {
    let mut characters = text.char_indices();
    let Some((_, first)) = characters.next() else { return 0 };
    let (mut end, mut joined) = (first.len_utf8(), first);
    if is_invisible(first) {
        return end;
    }
    for (at, c) in characters.filter(|(_, c)| !is_invisible(*c)) {
        let composed = compose(joined, c);
        if composed.is_none() && canonical_combining_class(c) == 0 {
            break;
        }
        joined = composed.unwrap_or(joined);
        end = at + c.len_utf8();
    }
    end
}

/// Whether a line of ASCII ends in more than LF; blanks at the end of the text are no matter.
fn has_odd_line_end(text: &[u8]) -> bool {
    let is_after_blank = |at: usize| at > 0 && b" \t\x0b\x0c".contains(&text[at - 1]);
    memchr(b'\r', text).is_some() || memchr_iter(b'\n', text).any(is_after_blank)
}

/// Whether a character shows nothing and separates nothing that a reader could see.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{180e}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_text_drops_what_editors_add() {
        let table = [
            ("plain", "plain"),
            ("\u{feff}bom", "bom"),
            ("a\r\nb\rc\n", "a\nb\nc"),
            ("\n \n  indented\ttail \t\n\n\n", "indented\ttail"),
            ("list:\n  indented", "list:\n  indented"),
            ("one\n\n\ntwo", "one\n\n\ntwo"),
            ("e\u{301}", "\u{e9}"),
            ("zero\u{200b}width", "zerowidth"),
            ("family \u{1f468}\u{200d}\u{1f469}", "family \u{1f468}\u{200d}\u{1f469}"),
            ("", ""),
            (" \r\n\t", ""),
        ];
        for (written, canonical) in table {
            assert_eq!(canonical_text(written), canonical, "{written:?}");
        }
    }

    #[test]
    fn what_the_canonical_form_changes_is_told_by_character() {
        let table = [
            (" plain \r\n\n", vec![]),
            ("naïve – 株価 👨\u{200d}👩", vec![]),
            ("S\u{200b}PY", vec![(1, "\u{200b}", "")]),
            (
                "\u{2060}a\u{180e}b\u{feff}",
                vec![(0, "\u{2060}", ""), (4, "\u{180e}", ""), (8, "\u{feff}", "")],
            ),
            ("cafe\u{301}s", vec![(3, "e\u{301}", "\u{e9}")]),
            ("e\u{200b}\u{301}", vec![(0, "e\u{200b}\u{301}", "\u{e9}")]),
            ("5 \u{2126}\u{212b}", vec![(2, "\u{2126}", "\u{3a9}"), (5, "\u{212b}", "\u{c5}")]),
            ("\u{1100}\u{1161}\u{11a8}", vec![(0, "\u{1100}\u{1161}\u{11a8}", "\u{ac01}")]),
            ("q\u{323}\u{307}q\u{307}\u{323}", vec![(5, "q\u{307}\u{323}", "q\u{323}\u{307}")]),
        ];
        for (text, expected) in table {
            let changes = canonical_changes(text).map(|change| (change.at, change.from, change.to));
            let expected = expected.into_iter().map(|(at, from, to)| (at, from, to.to_owned()));
            assert_eq!(changes.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point(text in "(?s).{0,60}", eols in "[ \r\n\t\u{feff}e\u{301}]{0,20}") {
            let text = format!("{eols}{text}{eols}");
            let once = canonical_text(&text);
            prop_assert_eq!(&canonical_text(&once), &once);
            // What is told to be canonical without a look at each character is what one finds.
            let slowly = canonical_text(&format!("{text}\r")).into_owned();
            prop_assert_eq!(&*once, slowly);
        }

        #[test]
        fn a_text_with_its_changes_made_is_canonical_but_for_its_line_ends(
            text in "(?s)([a-e]|[\u{300}-\u{330}]|[\u{200b}\u{feff}\u{2126}]|[\u{1100}\u{1161}\u{11a8}\u{ac00}]|.){0,20}",
        ) {
            let (mut made, mut end) = (String::new(), 0);
            for change in canonical_changes(&text) {
                prop_assert_eq!(&text[change.at..change.at + change.from.len()], change.from);
                made.push_str(&text[end..change.at]);
                made.push_str(&change.to);
                end = change.at + change.from.len();
            }
            made.push_str(&text[end..]);
            prop_assert_eq!(canonical_text(&made), canonical_text(&text));
            prop_assert_eq!(canonical_changes(&made).next(), None);
        }
    }
}
