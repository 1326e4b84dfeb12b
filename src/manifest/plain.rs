//! Ordinary YAML, straight from the parser's events.
//!
//! Most manifests hold no anchor, alias, tag or merge key. Those are read here, in a third of the
//! time that serde takes for every value with its place. Whatever is not ordinary, or not in order,
//! yields nothing and is read by `parse`, which alone judges: both give the same tree.

use std::borrow::Cow;

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};

use crate::manifest::parse::{Node, Value};

/// What one text may hold; beyond, `parse` says what is too much.
#[derive(Clone, Copy)]
pub(super) struct Most {
    /// Nodes.
    pub(super) nodes: usize,
    /// Bytes of all scalars together.
    pub(super) bytes: usize,
    /// Levels of nesting.
    pub(super) depth: usize,
}

/// Words that YAML may take for something else than a text.
const SPECIAL: [&str; 13] = [
    "null",
    "true",
    "false",
    "nan",
    "inf",
    "infinity",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "undefined",
];

/// The longest whole number that is read here; a longer one may not fit.
const DIGITS: usize = 18;

/// Reads a text; `None` where it is not ordinary. `unusual` reads a scalar whose kind is not plain
/// to see, such as `1.5`.
pub(super) fn read<'t>(
    text: &'t str,
    most: Most,
    unusual: &dyn Fn(&str) -> Option<Value<'static>>,
) -> Option<Node<'t>> {
    // Byte-order marks are not told from other invisible characters here.
    if text.starts_with('\u{feff}') {
        return None;
    }
    let mut options = Options::default();
    options.flow_nesting_limit = most.depth;
    options.block_nesting_limit = most.depth;
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { events, left: most, unusual };
    if !matches!(reader.next()?, (Event::StreamStart, _))
        || !matches!(reader.next()?, (Event::DocumentStart(_, None), _))
    {
        return None;
    }
    let first = reader.next()?;
    let root = reader.node(first, most.depth)?;
    let is_over = matches!(reader.next()?, (Event::DocumentEnd, _))
        && matches!(reader.next()?, (Event::StreamEnd, _));
    is_over.then_some(root)
}

struct Reader<'t, 'u> {
    events: Parser<'t, StrInput<'t>>,
    left: Most,
    unusual: &'u dyn Fn(&str) -> Option<Value<'static>>,
}

impl<'t> Reader<'t, '_> {
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.events.next_event()?.ok()
    }

    /// Reads the node that an event begins, with at most `depth` levels in it.
    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Option<Node<'t>> {
        self.left.nodes = self.left.nodes.checked_sub(1)?;
        let span = span.byte_range()?;
        let value = match event {
            Event::Scalar(text, style, 0, None) => {
                self.left.bytes = self.left.bytes.checked_sub(text.len())?;
                if style == ScalarStyle::Plain { self.plain(text)? } else { Value::Text(text) }
            }
            Event::SequenceStart(_, 0, None) => {
                let depth = depth.checked_sub(1)?;
                let mut nodes = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::Sequence(nodes),
                        first => nodes.push(self.node(first, depth)?),
                    }
                }
            }
            Event::MappingStart(_, 0, None) => {
                let depth = depth.checked_sub(1)?;
                let mut pairs = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => break Value::Mapping(pairs),
                        first @ (Event::Scalar(..), _) => self.node(first, depth)?,
                        _ => return None,
                    };
                    if matches!(&key.value, Value::Text(text) if text == "<<") {
                        return None;
                    }
                    let first = self.next()?;
                    pairs.push((key, self.node(first, depth)?));
                }
            }
            // An anchor, an alias or a tag.
            _ => return None,
        };
        Some(Node { value, span })
    }

    /// Tells what a scalar without quotes is.
    fn plain(&self, text: Cow<'t, str>) -> Option<Value<'t>> {
        let bytes = text.as_bytes();
        let is_word = bytes.first().is_some_and(u8::is_ascii_alphabetic)
            && !SPECIAL.iter().any(|word| word.eq_ignore_ascii_case(&text));
        let is_number = !bytes.is_empty()
            && bytes.len() <= DIGITS
            && bytes.iter().all(u8::is_ascii_digit)
            && (bytes[0] != b'0' || bytes.len() == 1);
        Some(match &*text {
            _ if is_word => Value::Text(text),
            _ if is_number => Value::Integer(text.parse().ok()?),
            "" | "null" | "~" => Value::Null,
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            _ => (self.unusual)(&text)?,
        })
    }
}
