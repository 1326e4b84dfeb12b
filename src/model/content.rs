//! Canonical text and its hashes.
//!
//! There is one canonical form in the program, computed here, and what it yields is also what is
//! sent. `resource::Object` says of which fields of a resource the hash is its address.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr_iter};
use sha2::{Digest, Sha256};
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
    }
}
