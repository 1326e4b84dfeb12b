//! What is looked up in a tree before it is read.

use std::collections::BTreeSet;

use crate::manifest::fields::{ENVIRONMENTS, SETTINGS_FIELD};
use crate::manifest::node::{Node, NodeValue};

/// The `vars` of every environment, with its name.
pub(super) fn vars_of_environments<'n, 't>(root: &'n Node<'t>) -> Vec<(String, &'n Node<'t>)> {
    let Some(NodeValue::Mapping(pairs)) = field(root, ENVIRONMENTS).map(|node| &node.value) else {
        return Vec::new();
    };
    pairs.iter().filter_map(|(key, value)| Some((key_word(key)?, field(value, "vars")?))).collect()
}

/// The `settings` of every environment, with its name.
pub(super) fn settings_of_environments<'n, 't>(
    root: &'n mut Node<'t>,
) -> Vec<(String, &'n mut Node<'t>)> {
    let Some(NodeValue::Mapping(pairs)) = field_mut(root, ENVIRONMENTS).map(|node| &mut node.value)
    else {
        return Vec::new();
    };
    let settings = pairs.iter_mut();
    settings
        .filter_map(|(key, value)| Some((key_word(key)?, field_mut(value, SETTINGS_FIELD)?)))
        .collect()
}

/// The keys of a mapping.
pub(super) fn words_of(node: &Node<'_>) -> BTreeSet<String> {
    let NodeValue::Mapping(pairs) = &node.value else { return BTreeSet::new() };
    pairs.iter().filter_map(|(key, _)| key_word(key)).collect()
}

/// A key as a text.
pub(super) fn key_word(key: &Node<'_>) -> Option<String> {
    match &key.value {
        NodeValue::Text(word) => Some(word.to_string()),
        NodeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a mapping has a field.
pub(super) fn has_field(node: &Node<'_>, name: &str) -> bool {
    field(node, name).is_some()
}

/// The first value of a field of a mapping.
pub(super) fn field<'n, 't>(node: &'n Node<'t>, name: &str) -> Option<&'n Node<'t>> {
    let NodeValue::Mapping(pairs) = &node.value else { return None };
    let is_it = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(text) if text == name);
    pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

/// The same, to be changed.
pub(super) fn field_mut<'n, 't>(node: &'n mut Node<'t>, name: &str) -> Option<&'n mut Node<'t>> {
    let NodeValue::Mapping(pairs) = &mut node.value else { return None };
    let is_it = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(text) if text == name);
    pairs.iter_mut().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}
