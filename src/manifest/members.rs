//! Values that are lists: words whose order means nothing, and references to agents.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Place};
use crate::kinds::{AGENT, TOOLS as TOOLS_FIELD};
use crate::manifest::node::{Node, NodeValue};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape::ValueShape;
use crate::manifest::suggest::{did_you_mean, nearest_few};
use crate::manifest::tools::TOOLS;
use crate::model::Key;
use crate::resource::{Address, Reference, Value};

/// The most names that a suggestion lists.
const MOST_NEAR: usize = 3;

/// Keys of agents, each with where it stands.
pub(super) type References = Vec<(Key, Place)>;

/// Reads words whose order means nothing; one that is given twice is warned of.
pub(super) fn set(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    field: &str,
    owner: Owner<'_>,
) -> Option<Value> {
    let NodeValue::Sequence(nodes) = &node.value else {
        reader.wrong(node, field, owner, ValueShape::Words);
        return None;
    };
    let mut words: BTreeMap<Arc<str>, &Range<usize>> = BTreeMap::new();
    let mut is_sound = true;
    for (node, number) in nodes.iter().zip(1..) {
        let Some(word) = reader.text(node, &format!("{field}[{number}]"), owner) else {
            is_sound = false;
            continue;
        };
        let word: Arc<str> = word.trim().into();
        if let Some(first) = words.get(&word) {
            let written = reader.as_written(node);
            let message = format!("`{field}` of {owner} holds `{}` twice", written.trim());
            let finding = Diagnostic::warning(Code::DuplicateKey, message)
                .at(reader.place(&node.span))
                .see(reader.place(first), "first given here");
            reader.report(finding.help("keep one of the two"));
            continue;
        }
        if field == TOOLS_FIELD {
            warn_of_tool(reader, node, &word, owner);
        }
        words.insert(word, &node.span);
    }
    is_sound.then(|| Value::Set(words.into_keys().collect()))
}

/// Warns of the name of a tool that is not known, once for each name.
fn warn_of_tool(reader: &mut Reader<'_>, node: &Node<'_>, word: &str, owner: Owner<'_>) {
    if TOOLS.contains(&word) || !reader.unknown_tools.insert(word.to_owned()) {
        return;
    }
    let written = reader.as_written(node);
    let message =
        format!("no tool of agents is known as `{}`, which {owner} may call", written.trim());
    let finding = Diagnostic::warning(Code::UnknownTool, message).at(reader.place(&node.span));
    let near = nearest_few(word, TOOLS.iter().copied(), MOST_NEAR);
    reader.report(if near.is_empty() {
        finding.help("the service publishes no list of its tools; check the name there")
    } else {
        finding.help(did_you_mean(word, &near))
    });
}

/// Reads agents that are named by their keys, each with a number; a number may be left out where
/// `is_pinned`, as the service may have it.
pub(super) fn references(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    (field, owner): (&str, Owner<'_>),
    is_pinned: bool,
) -> Option<(Value, References)> {
    let NodeValue::Mapping(pairs) = &node.value else {
        reader.wrong(node, field, owner, ValueShape::Numbers);
        return None;
    };
    let (mut members, mut named) = (NamedMembers::default(), Vec::with_capacity(pairs.len()));
    let mut is_sound = true;
    for (key, key_node, value) in reader.keyed(pairs, "agent", &format!(" in `{field}` of {owner}"))
    {
        let number = match &value.value {
            NodeValue::Null if is_pinned => Some(None),
            _ => {
                let help = format!("write a whole number, as in `{field}: {{{key}: 1}}`");
                let name = format!("{field}.{key}");
                reader.number_from(0, value, &name, owner, &help).map(Some)
            }
        };
        is_sound &= number.is_some() && is_other(reader, key_node, &key, (field, owner));
        members.add(&key, number.flatten());
        named.push((key, reader.place(&key_node.span)));
    }
    is_sound &= members.0.len() == pairs.len();
    is_sound.then(|| (members.finish(), named))
}

/// Reads agents that are named by their keys in their order, from 1; or as [`references`] does.
pub(super) fn sequence(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    (field, owner): (&str, Owner<'_>),
    is_pinned: bool,
) -> Option<(Value, References)> {
    let nodes = match &node.value {
        NodeValue::Sequence(nodes) => nodes,
        NodeValue::Mapping(_) => return references(reader, node, (field, owner), is_pinned),
        _ => {
            reader.wrong(node, field, owner, ValueShape::Keys);
            return None;
        }
    };
    let mut first: BTreeMap<Key, &Range<usize>> = BTreeMap::new();
    let (mut members, mut named) = (NamedMembers::default(), Vec::with_capacity(nodes.len()));
    let mut is_sound = true;
    for (node, position) in nodes.iter().zip(1..) {
        let Some(key) = reader.key(node, "agent", &format!(" in `{field}` of {owner}")) else {
            is_sound = false;
            continue;
        };
        if let Some(first) = first.get(&key) {
            reader.twice(format!("`{field}` of {owner} names `{key}` twice"), &node.span, first);
            is_sound = false;
            continue;
        }
        is_sound &= is_other(reader, node, &key, (field, owner));
        members.add(&key, Some(position));
        named.push((key.clone(), reader.place(&node.span)));
        first.insert(key, &node.span);
    }
    is_sound.then(|| (members.finish(), named))
}

/// Reports an agent that refers to itself; whether it is another.
fn is_other(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    key: &Key,
    (field, owner): (&str, Owner<'_>),
) -> bool {
    let is_other = !matches!(owner, Owner::Agent(own) if own == key.as_str());
    if !is_other {
        let message = format!("`{field}` of {owner} names the agent itself");
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        reader.report(finding.help("name another agent, or take it out"));
    }
    is_other
}

/// The members of a list of references.
#[derive(Default)]
struct NamedMembers(Vec<(Reference, Option<u64>)>);

impl NamedMembers {
    fn add(&mut self, key: &Key, number: Option<u64>) {
        let address = Address { kind: AGENT.name, key: key.as_str().into() };
        self.0.push((Reference::Ref(address), number));
    }

    fn finish(self) -> Value {
        Value::references(self.0)
    }
}
