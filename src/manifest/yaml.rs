//! Text to a tree of YAML, within limits, and its mistakes as findings.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{MessageFormatter, UserMessageFormatter};

use crate::diag::{Diagnostic, Place, floor_boundary};
use crate::manifest::mistake::Mistake;
use crate::manifest::node::{Node, NodeValue};
use crate::manifest::tree::{self, EventTree, Most};

/// What one manifest may hold.
///
/// A task takes 11 to 21 nodes (a key, and two for each field), so this holds 50,000 tasks with half
/// as much again in reserve; a hundred bytes a node keep the worst case below 200 MiB. The bytes are
/// those of its values, those of aliases counted each time. Anchors share a few fields, not whole trees, and
/// aliases may copy ten shared fields into each of 10,000 tasks. A manifest needs six levels; each is
/// several stack frames.
const MOST: Most =
    Most { nodes: 1_500_000, bytes: 64 * 1024 * 1024, depth: 16, kept: 20_000, copied: 200_000 };

pub(super) fn findings(file: &Arc<Path>, text: &str, faults: Vec<Mistake>) -> Vec<Diagnostic> {
    let place = |span: &Range<usize>| {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        Place { file: Arc::clone(file), span: start..end }
    };
    let finding = |fault: Mistake| {
        let mut finding = Diagnostic::error(fault.code, fault.message).at(place(&fault.span));
        if let Some((span, words)) = &fault.see {
            finding = finding.see(place(span), *words);
        }
        fault.help.into_iter().fold(finding, Diagnostic::help)
    };
    faults.into_iter().map(finding).collect()
}

/// Reads YAML that is no manifest, such as the emulator's script; a key given twice is an error, and
/// each error names its line and column.
pub fn read_yaml_as<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut options = options();
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let words = UserMessageFormatter.format_message(error);
        let Some(at) = error.location() else { return words.into_owned() };
        let before = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(1);
        let line = text.lines().nth(before(at.line())).unwrap_or_default();
        let found = found_at(line, before(at.column()));
        let words = expected(&words).map_or_else(
            || words.clone().into_owned(),
            |expected| format!("{expected} is expected in place of {found}"),
        );
        format!("{words}, at line {}, column {}", at.line(), at.column())
    })
}

/// What the parser expects, in words of those who write YAML.
fn expected(words: &str) -> Option<&'static str> {
    Some(match words {
        "expected mapping start" | "unexpected end of file" => "a mapping (`field: value`)",
        "expected sequence start" => "a list (`- ...`)",
        "expected string scalar" => "a text",
        words if words.starts_with("invalid u") || words.starts_with("invalid i") => {
            "a whole number"
        }
        words if words.starts_with("invalid bool") => "`true` or `false`",
        _ => return None,
    })
}

/// What stands at a place of a line, for people.
fn found_at(line: &str, column: usize) -> String {
    const MOST: usize = 40;
    let rest = line.chars().skip(column);
    let found: String =
        rest.take_while(|c| !matches!(c, ',' | ']' | '}' | '#')).take(MOST).collect();
    let found = match found.trim() {
        "" => line.chars().skip(column).take(1).collect(),
        found => found.to_owned(),
    };
    if found.is_empty() { "nothing".to_owned() } else { format!("`{found}`") }
}

/// Reads YAML as JSON values; a key given twice is an error.
pub(super) fn yaml_to_json(text: &str) -> Result<serde_json::Value, String> {
    fn json(node: Node<'_>) -> Result<serde_json::Value, String> {
        Ok(match node.value {
            NodeValue::Null => serde_json::Value::Null,
            NodeValue::Boolean(value) => value.into(),
            NodeValue::Integer(number) => match i64::try_from(number) {
                Ok(number) => number.into(),
                Err(_) => return Err(format!("{number} is too large")),
            },
            NodeValue::Float(number) => number.into(),
            NodeValue::Text(text) => text.into_owned().into(),
            NodeValue::Sequence(nodes) => {
                nodes.into_iter().map(json).collect::<Result<Vec<_>, _>>()?.into()
            }
            NodeValue::Mapping(pairs) => {
                let mut map = serde_json::Map::new();
                for (key, value) in pairs {
                    let NodeValue::Text(key) = key.value else {
                        return Err("a key is no text".to_owned());
                    };
                    if map.insert(key.to_string(), json(value)?).is_some() {
                        return Err(format!("`{key}` is given twice"));
                    }
                }
                map.into()
            }
        })
    }
    let EventTree { root, faults } = read(text);
    match root.filter(|_| faults.is_empty()) {
        Some(root) => json(root),
        None => Err(faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")),
    }
}

pub(super) fn read(text: &str) -> EventTree<'_> {
    tree::read(text, MOST, &scalar)
}

/// Reads a word as a scalar without quotes; `None` where it is a text, or nothing.
pub(super) fn plain_scalar(word: &str) -> Option<NodeValue<'static>> {
    // Nothing else begins a number or a flag, and anything else could begin other YAML.
    let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    scalar(word).filter(|value| is_word && !matches!(value, NodeValue::Null))
}

/// Reads a scalar that stands alone; `None` where it is a text.
fn scalar(text: &str) -> Option<NodeValue<'static>> {
    // Where nothing stands before it, that would begin or end a document.
    if text.starts_with("---") || text.starts_with("...") {
        return None;
    }
    let scalar = serde_yaml::from_str_with_options::<Scalar>(text, options()).ok()?.0?;
    // Of `0x10` and `0o17` nobody sees what they come to; they stay texts, as `017` does.
    let has_base = text.trim_start_matches(['+', '-']).as_bytes();
    let has_base = matches!(has_base, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    (!has_base).then_some(scalar)
}

pub(super) fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_total_scalar_bytes: MOST.bytes,
            max_depth: MOST.depth,
            flow_nesting_limit: MOST.depth,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // What YAML 1.1 made of `yes`, `0755` and `1_000` surprises people; they stay texts.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// A scalar that is no text.
struct Scalar(Option<NodeValue<'static>>);

impl<'t> Deserialize<'t> for Scalar {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar).map(Self)
    }
}

struct AnyScalar;

impl Visitor<'_> for AnyScalar {
    type Value = Option<NodeValue<'static>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML scalar")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some(NodeValue::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(NodeValue::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(NodeValue::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(NodeValue::Integer(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(NodeValue::Float(value)))
    }

    fn visit_str<E>(self, _value: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}
