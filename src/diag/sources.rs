//! The texts that places point into.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The texts that places point into, as far as they are kept.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: BTreeMap<PathBuf, SourceText>,
}

/// The hash of a text, with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextHash {
    length: usize,
    hash: [u8; 32],
}

#[derive(Clone, Debug)]
enum SourceText {
    Kept(String),
    GivenUp(TextHash),
}

impl TextHash {
    /// Returns that of a text.
    pub fn of(text: &str) -> Self {
        Self { length: text.len(), hash: Sha256::digest(text).into() }
    }

    /// Whether it is that of this text.
    pub fn is_of(&self, text: &str) -> bool {
        self.length == text.len() && *self == Self::of(text)
    }
}

impl Sources {
    /// Remembers the text of a file.
    pub fn add(&mut self, file: &Path, text: String) {
        self.texts.insert(file.to_owned(), SourceText::Kept(text));
    }

    /// Returns the text of a file, where it is kept.
    pub fn text(&self, file: &Path) -> Option<&str> {
        match self.texts.get(file)? {
            SourceText::Kept(text) => Some(text),
            SourceText::GivenUp(_) => None,
        }
    }

    /// Returns the hash of what the text of a file was.
    pub fn hash(&self, file: &Path) -> Option<TextHash> {
        Some(match self.texts.get(file)? {
            SourceText::Kept(text) => TextHash::of(text),
            SourceText::GivenUp(hash) => *hash,
        })
    }

    /// Gives up the texts of the files that can be read again: they are large, and most commands have
    /// nothing to say about them any more.
    pub fn give_up(&mut self, can_read_again: impl Fn(&Path) -> bool) {
        for (file, source) in &mut self.texts {
            if let SourceText::Kept(text) = source
                && can_read_again(file)
            {
                *source = SourceText::GivenUp(TextHash::of(text));
            }
        }
    }

    /// The same with the texts that were given up and are still what they were.
    #[must_use]
    pub fn read_again(&self, read: impl Fn(&Path) -> Option<String>) -> Self {
        let mut whole = Self::default();
        for (file, source) in &self.texts {
            let text = match source {
                SourceText::Kept(text) => Some(text.clone()),
                SourceText::GivenUp(hash) => read(file).filter(|text| hash.is_of(text)),
            };
            if let Some(text) = text {
                whole.add(file, text);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_given_up_is_read_again_and_never_taken_for_another_one() {
        let mut sources = Sources::default();
        let [first, second, kept] = ["first", "second", "-"].map(Path::new);
        for (file, text) in [(first, "one"), (second, "two"), (kept, "three")] {
            sources.add(file, text.to_owned());
        }
        sources.give_up(|file| file != kept);
        assert_eq!(
            [first, second, kept].map(|file| sources.text(file)),
            [None, None, Some("three")]
        );
        assert!(sources.hash(second).unwrap().is_of("two"));
        assert!(!sources.hash(second).unwrap().is_of("owt"));
        let whole =
            sources.read_again(|file| Some(if file == first { "one" } else { "owt" }.into()));
        let texts = [first, second, kept].map(|file| whole.text(file));
        assert_eq!(texts, [Some("one"), None, Some("three")]);
    }
}
