//! The API token, in the one type that can hold it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_text() {
        let shown = format!("{:?}", Secret::new("hunter2".to_owned()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
