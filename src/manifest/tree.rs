//! A text to its tree, from the parser's events.
//!
//! Tags are refused, and so are anchors that nobody refers to: both take words away from a text that
//! was meant to hold them. Aliases and merge keys (`<<`) are carried out here. What ends the reading
//! is put into words by `broken`.

mod names;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, StructureStyle};

use crate::diag::Code;
use crate::manifest::broken;
use crate::manifest::mistake::Mistake;
use crate::manifest::node::{Node, NodeValue, Style};

/// What one text may hold.
#[derive(Clone, Copy)]
pub(super) struct Most {
    /// Nodes.
    pub(super) nodes: usize,
    /// Bytes of all scalars together.
    pub(super) bytes: usize,
    /// Levels of nesting.
    pub(super) depth: usize,
    /// Nodes that anchors keep.
    pub(super) kept: usize,
    /// Nodes that aliases copy.
    pub(super) copied: usize,
}

/// What was read.
pub(super) struct EventTree<'t> {
    /// The tree; `None` where the text is not YAML.
    pub(super) root: Option<Node<'t>>,
    /// What is wrong with the text; the last one ended the reading where there is no tree.
    pub(super) faults: Vec<Mistake>,
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

/// Reads a text. `unusual` reads a scalar whose kind is not plain to see, such as `1.5`.
pub(super) fn read<'t>(
    text: &'t str,
    most: Most,
    unusual: &dyn Fn(&str) -> Option<NodeValue<'static>>,
) -> EventTree<'t> {
    let mut options = Options::default();
    options.flow_nesting_limit = most.depth;
    options.block_nesting_limit = most.depth;
    options.emit_unresolved_aliases = true;
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = TreeReader {
        text,
        events,
        left: most,
        most,
        unusual,
        anchors: BTreeMap::new(),
        open: Vec::new(),
        end: 0,
        faults: Vec::new(),
    };
    let root = match reader.document() {
        Ok(root) => Some(root),
        Err(fault) => {
            // An alias with text behind it was none: one mistake is one fault.
            let is_other = |known: &Mistake| {
                let between = text.get(known.span.start..fault.span.start);
                known.about.is_none() || between.is_none_or(|text| text.contains('\n'))
            };
            reader.faults.retain(is_other);
            reader.faults.push(*fault);
            None
        }
    };
    EventTree { root, faults: reader.faults }
}

/// A node that aliases may refer to.
struct Anchor<'t> {
    /// Where `&name` stands.
    span: Range<usize>,
    /// What it names; `None` until that has been read.
    node: Option<Node<'t>>,
    is_used: bool,
}

struct TreeReader<'t, 'u> {
    text: &'t str,
    events: Parser<'t, StrInput<'t>>,
    left: Most,
    most: Most,
    unusual: &'u dyn Fn(&str) -> Option<NodeValue<'static>>,
    anchors: BTreeMap<usize, Anchor<'t>>,
    /// Where the brackets that are open stand.
    open: Vec<usize>,
    /// The end of the event before.
    end: usize,
    faults: Vec<Mistake>,
}

/// An event, the bytes before it that belong to none, and its own.
type SpannedEvent<'t> = (Event<'t>, Range<usize>, Range<usize>);

type Read<T> = Result<T, Box<Mistake>>;

impl<'t> TreeReader<'t, '_> {
    fn document(&mut self) -> Read<Node<'t>> {
        let mut first = self.next()?;
        while matches!(first.0, Event::StreamStart | Event::DocumentStart(..)) {
            if let Event::DocumentStart(true, _) = first.0 {
                self.directives(first.2.start);
            }
            first = self.next()?;
        }
        if let Event::StreamEnd = first.0 {
            return Ok(Node::new(NodeValue::Null, 0..0, Style::Other));
        }
        let root = self.node(first, self.most.depth)?;
        self.report_unused();
        let mut last = self.next()?;
        while let Event::DocumentEnd = last.0 {
            let ended = last.2;
            last = self.next()?;
            if let Event::DocumentStart(is_marked, _) = last.0 {
                let span = if is_marked { last.2.clone() } else { ended };
                self.faults.push(
                    Mistake::new(span, "the file holds more than one YAML document")
                        .help("write one document in each file; this line begins another one")
                        .help("a line `---` or `...` of a text is indented deeper than its key"),
                );
                break;
            }
        }
        Ok(root)
    }

    /// Refuses orders to YAML that would be dropped.
    fn directives(&mut self, end: usize) {
        let mut start = 0;
        for line in self.text[..end].split_inclusive('\n') {
            if line.starts_with('%') && !line.starts_with("%YAML ") && !line.starts_with("%TAG ") {
                let fault = Mistake::new(
                    start..start + line.trim_end().len(),
                    "a line cannot start with `%`, which gives orders to YAML",
                );
                self.faults.push(fault.help("take the line out"));
            }
            start += line.len();
        }
    }

    fn next(&mut self) -> Read<SpannedEvent<'t>> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                let span = span.byte_range().unwrap_or(self.end..self.end);
                let gap = self.end.min(span.start)..span.start;
                self.end = span.end.max(self.end);
                Ok((event, gap, span))
            }
            Some(Err(error)) => Err(Box::new(broken::fault(self.text, &error, &self.open))),
            None => Ok((Event::StreamEnd, self.end..self.end, self.end..self.end)),
        }
    }

    /// Reads the node that an event begins, with at most `depth` levels in it.
    fn node(&mut self, (event, gap, span): SpannedEvent<'t>, depth: usize) -> Read<Node<'t>> {
        self.spend(1, 0, &span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(0, text.len(), &span)?;
                self.tag(tag.as_deref(), &gap, &span);
                let written = self.style(style, &span);
                let value = if style == ScalarStyle::Plain {
                    self.plain(text)
                } else {
                    NodeValue::Text(trimmed_to_size(text))
                };
                let node = Node::new(value, span, written);
                self.anchor(anchor, &gap);
                self.keep(anchor, &node)?;
                Ok(node)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), &gap, &span);
                self.anchor(anchor, &gap);
                let nodes = self.entries(style, &span, depth)?;
                let node = Node::new(NodeValue::Sequence(nodes), span, Style::Other);
                self.keep(anchor, &node)?;
                Ok(node)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), &gap, &span);
                self.anchor(anchor, &gap);
                let (pairs, style) = self.pairs(style, &span, depth)?;
                let node = Node::new(NodeValue::Mapping(pairs), span, style);
                self.keep(anchor, &node)?;
                Ok(node)
            }
            Event::Alias(anchor) => self.copy(anchor, span),
            Event::UnresolvedAlias(name) => Ok(self.unresolved(&name, span)),
            _ => Err(Box::new(Mistake::new(span, "a value is expected here"))),
        }
    }

    fn entries(
        &mut self,
        style: StructureStyle,
        span: &Range<usize>,
        depth: usize,
    ) -> Read<Vec<Node<'t>>> {
        let depth = self.enter(style, span, depth)?;
        let mut nodes = Vec::new();
        loop {
            let mut first = self.next()?;
            match &first.0 {
                Event::SequenceEnd => break,
                // An entry that is left out is noticed at what comes next; its `-` is its place.
                Event::Scalar(_, ScalarStyle::Plain, 0, None)
                    if first.2.is_empty() && style == StructureStyle::Block =>
                {
                    let dash = self.dash(&first.1);
                    first.2 = dash;
                }
                _ => {}
            }
            nodes.push(self.node(first, depth)?);
        }
        self.leave(style);
        Ok(nodes)
    }

    fn pairs(
        &mut self,
        style: StructureStyle,
        span: &Range<usize>,
        depth: usize,
    ) -> Read<(Vec<(Node<'t>, Node<'t>)>, Style)> {
        let depth = self.enter(style, span, depth)?;
        let mut written = Style::Other;
        let mut pairs = Vec::new();
        let mut merged: Vec<Node<'t>> = Vec::new();
        let mut first_merge: Option<Range<usize>> = None;
        loop {
            let first = self.next()?;
            if let Event::MappingEnd = first.0 {
                break;
            }
            let is_merge = matches!(&first.0,
                Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<");
            let key = self.node(first, depth)?;
            let first = self.next()?;
            let is_unresolved = matches!(first.0, Event::UnresolvedAlias(_));
            let value = self.node(first, depth)?;
            if !is_merge {
                pairs.push((key, value));
                continue;
            }
            if let Some(earlier) = &first_merge {
                let fault = Mistake::new(key.span.clone(), "`<<` is given twice")
                    .with(Code::DuplicateKey)
                    .see(earlier.clone(), "first given here")
                    .help("merge several with one list: `<<: [*a, *b]`");
                self.faults.push(fault);
            }
            first_merge.get_or_insert(key.span);
            if is_unresolved {
                written = Style::Incomplete;
            } else {
                self.merge(value, &mut merged);
            }
        }
        self.leave(style);
        if first_merge.is_some() {
            take_over(&mut pairs, merged);
        }
        Ok((pairs, written))
    }

    fn enter(&mut self, style: StructureStyle, span: &Range<usize>, depth: usize) -> Read<usize> {
        if style == StructureStyle::Flow {
            self.open.push(span.start);
        }
        let deep = || {
            let fault = Mistake::new(span.clone(), "the YAML is nested too deeply");
            Box::new(fault.help(format!("nest {} levels at most", self.most.depth)).limit())
        };
        depth.checked_sub(1).ok_or_else(deep)
    }

    fn leave(&mut self, style: StructureStyle) {
        if style == StructureStyle::Flow {
            self.open.pop();
        }
    }

    /// The `-` of an entry that is left out, in the text before what comes next.
    fn dash(&self, gap: &Range<usize>) -> Range<usize> {
        let mut start = gap.start;
        for line in self.text[gap.clone()].split_inclusive('\n') {
            let at = start + (line.len() - line.trim_start().len());
            if self.text[at..].starts_with('-') && at < gap.end {
                return at..at + 1;
            }
            start += line.len();
        }
        gap.end..gap.end
    }

    /// Takes nodes and bytes off what is left.
    fn spend(&mut self, nodes: usize, bytes: usize, span: &Range<usize>) -> Read<()> {
        let left = self.left.nodes.checked_sub(nodes).zip(self.left.bytes.checked_sub(bytes));
        let Some((nodes, bytes)) = left else {
            let Most { nodes, bytes, .. } = self.most;
            let fault = Mistake::new(
                span.clone(),
                format!("the YAML holds more than {nodes} values or {} MiB", bytes >> 20),
            );
            return Err(Box::new(fault.help("split it into several files").limit()));
        };
        (self.left.nodes, self.left.bytes) = (nodes, bytes);
        Ok(())
    }

    /// How a scalar is written.
    fn style(&self, style: ScalarStyle, span: &Range<usize>) -> Style {
        if style != ScalarStyle::Plain {
            return Style::Other;
        }
        let rest = &self.text[span.end..];
        // What is left out stands right behind its key.
        let rest = if span.is_empty() { rest.strip_prefix(':').unwrap_or(rest) } else { rest };
        let behind = rest.trim_start_matches([' ', '\t']);
        let is_commented = behind.len() < rest.len() && behind.starts_with('#');
        if is_commented { Style::Commented(self.text.len() - behind.len()) } else { Style::Plain }
    }

    /// Tells what a scalar without quotes is.
    fn plain(&self, text: Cow<'t, str>) -> NodeValue<'t> {
        let bytes = text.as_bytes();
        let is_word = bytes.first().is_some_and(u8::is_ascii_alphabetic)
            && !SPECIAL.iter().any(|word| word.eq_ignore_ascii_case(&text));
        let is_number = !bytes.is_empty()
            && bytes.len() <= DIGITS
            && bytes.iter().all(u8::is_ascii_digit)
            && (bytes[0] != b'0' || bytes.len() == 1);
        let number = is_number.then(|| text.parse().ok()).flatten();
        match (&*text, number) {
            _ if is_word => NodeValue::Text(text),
            (_, Some(number)) => NodeValue::Integer(number),
            ("" | "null" | "~", _) => NodeValue::Null,
            ("true", _) => NodeValue::Boolean(true),
            ("false", _) => NodeValue::Boolean(false),
            _ => match (self.unusual)(&text) {
                Some(value) => value,
                None => NodeValue::Text(text),
            },
        }
    }
}

/// Adds to a mapping what others hold beside its own fields; of two the first counts.
fn take_over<'t>(pairs: &mut Vec<(Node<'t>, Node<'t>)>, merged: Vec<Node<'t>>) {
    let name = |key: &Node<'_>| match &key.value {
        NodeValue::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    let mut known: BTreeSet<String> = pairs.iter().map(|(key, _)| name(key)).collect();
    for node in merged {
        let NodeValue::Mapping(others) = node.value else { continue };
        for (key, value) in others {
            if known.insert(name(&key)) {
                pairs.push((key, value));
            }
        }
    }
}

/// A text without room behind it: a prompt over several lines was read into twice the room it needs, and
/// the tree holds all of them at once.
fn trimmed_to_size(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Owned(text) if text.capacity() > text.len() => Cow::Owned(text.as_str().to_owned()),
        text => text,
    }
}
