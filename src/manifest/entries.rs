//! The fields of one mapping.

use crate::manifest::node::Node;

/// The known fields of one mapping, each once.
pub(super) struct Entries<'n, 't> {
    pub(super) fields: Vec<(&'static str, &'n Node<'t>, &'n Node<'t>)>,
    /// The fields that unknown ones were probably meant to be.
    pub(super) meant: Vec<&'static str>,
}

impl<'n, 't> Entries<'n, 't> {
    /// Returns the key of a field that is given.
    pub(super) fn key(&self, field: &str) -> Option<&'n Node<'t>> {
        self.fields.iter().find(|(name, ..)| *name == field).map(|(_, key, _)| *key)
    }

    /// Returns the value of a field that is given.
    pub(super) fn value(&self, field: &str) -> Option<&'n Node<'t>> {
        self.fields.iter().find(|(name, ..)| *name == field).map(|(.., value)| *value)
    }

    /// Whether an unknown field was probably meant to be this one, which was said already.
    pub(super) fn is_misspelled(&self, field: &str) -> bool {
        self.meant.contains(&field)
    }
}
