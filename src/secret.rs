//! The API token, in the one type that can hold it, and how it and its like are read.
//!
//! [`Secret`] has no `Display` and no serialization, and its `Debug` prints a placeholder.
//! Only request signing opens one.

use secrecy::{ExposeSecret, SecretString};

/// A text that never reaches a log, plan, report, file or error.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text out of circulation.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Opens the secret; only request signing may.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Why a credential is not usable. No message repeats any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is nothing but blanks.
    #[error("is empty")]
    Empty,
    /// A line break stands inside, as where a whole file was taken.
    #[error("holds more than one line")]
    Lines,
    /// A character that nobody types, such as a NUL or the half of another encoding.
    #[error("holds a control character; is it text in UTF-8?")]
    Control,
    /// It was written with the quotes of a shell.
    #[error("is in quotes; leave them out")]
    Quoted,
}

/// Reads a credential from a variable or a file: what editors, `echo` and secret stores put around
/// it is left out.
pub fn read_secret(text: &str) -> Result<&str, SecretError> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\0'));
    let is_quote = |c: char| matches!(c, '"' | '\'');
    if text.is_empty() {
        Err(SecretError::Empty)
    } else if text.contains(['\n', '\r']) {
        Err(SecretError::Lines)
    } else if text.contains(|c: char| c.is_control() || c == '\u{fffd}') {
        Err(SecretError::Control)
    } else if text.starts_with(is_quote) || text.ends_with(is_quote) {
        Err(SecretError::Quoted)
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_credential_is_left_out_and_what_stands_inside_is_refused() {
        let table = [
            ("abc", Ok("abc")),
            ("abc\n", Ok("abc")),
            ("abc\r\n\r\n", Ok("abc")),
            ("\n\t abc \n", Ok("abc")),
            ("\u{feff}abc\n", Ok("abc")),
            ("abc\0", Ok("abc")),
            ("", Err(SecretError::Empty)),
            (" \r\n", Err(SecretError::Empty)),
            ("abc\ndef", Err(SecretError::Lines)),
            ("abc\rdef", Err(SecretError::Lines)),
            ("a\0b\0c\0", Err(SecretError::Control)),
            ("a\u{1b}[0m", Err(SecretError::Control)),
            ("\u{fffd}\u{fffd}abc", Err(SecretError::Control)),
            ("\"abc\"", Err(SecretError::Quoted)),
            ("'abc'\n", Err(SecretError::Quoted)),
        ];
        for (text, expected) in table {
            assert_eq!(read_secret(text), expected, "{text:?}");
        }
    }

    #[test]
    fn debug_output_hides_the_text() {
        let shown = format!("{:?}", Secret::new("hunter2".to_owned()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
