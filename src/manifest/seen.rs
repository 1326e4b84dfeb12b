//! Words of one manifest that a reader cannot tell apart: keys, environments, variables and names.

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic};
use crate::model::{fold_looks, is_other_spelling, odd_character, skeleton};

/// The words that were seen so far by their looks, each with where it stands.
pub(super) struct SeenLooks<P> {
    by_looks: BTreeMap<String, (String, P)>,
    /// Names of plain ASCII, until the first other one comes. None of them looks like another.
    plain: Vec<(String, P)>,
}

impl<P> Default for SeenLooks<P> {
    fn default() -> Self {
        Self { by_looks: BTreeMap::new(), plain: Vec::new() }
    }
}

impl<P: Clone> SeenLooks<P> {
    /// Adds a key or the like; returns the first one that is another and looks like it.
    ///
    /// Within ASCII `l`, `1` and `I` look alike, and so do `O` and `0`; `rn` is no `m`.
    pub(super) fn add(&mut self, word: &str, place: P) -> Option<(String, P)> {
        let seen = self.seen(skeleton(word), word, place)?;
        let is_ascii = word.is_ascii() && seen.0.is_ascii();
        (!is_ascii || word.len() == seen.0.len()).then_some(seen)
    }

    /// Adds a name; returns the first one that is another and looks like it in other letters.
    pub(super) fn add_name(&mut self, name: &str, place: P) -> Option<(String, P)> {
        if name.is_ascii() && self.by_looks.is_empty() {
            self.plain.push((name.to_owned(), place));
            return None;
        }
        for (name, place) in std::mem::take(&mut self.plain) {
            self.seen(fold_looks(&name).to_string(), &name, place);
        }
        let seen = self.seen(fold_looks(name).to_string(), name, place)?;
        is_other_spelling(name, &seen.0).then_some(seen)
    }

    fn seen(&mut self, looks: String, word: &str, place: P) -> Option<(String, P)> {
        let first = self.by_looks.entry(looks).or_insert_with(|| (word.to_owned(), place));
        (first.0 != word).then(|| first.clone())
    }
}

/// Warns of a key or the like that looks like another one; `of` is empty or says, behind a blank, of what
/// both are.
pub(super) fn look_alike(what: &str, of: &str, (word, other): (&str, &str)) -> Diagnostic {
    let message = format!("{what} `{word}`{of} looks like {what} `{other}`");
    let finding = Diagnostic::warning(Code::EqualName, message);
    with_odd_character(finding, (word, &format!("`{word}`")), (other, &format!("`{other}`")))
}

/// Adds by which character two words differ, each given with what it is called: that of the one that
/// is not plain ASCII, if one is.
pub(super) fn with_odd_character(
    finding: Diagnostic,
    (word, of): (&str, &str),
    (other, of_other): (&str, &str),
) -> Diagnostic {
    let (odd, plain, of) = if word.is_ascii() && !other.is_ascii() {
        (other, word, of_other)
    } else {
        (word, other, of)
    };
    match odd_character(odd, plain) {
        Some(character) => finding.help(format!("{of} holds {character}")),
        None => finding.help("rename one of them"),
    }
}
