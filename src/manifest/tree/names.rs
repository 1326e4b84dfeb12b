//! Tags, anchors, aliases and merge keys.

use std::borrow::Cow;
use std::ops::Range;

use serde_yaml::granit_parser::Tag;

use super::{Anchor, Read, TreeReader};
use crate::diag::Code;
use crate::manifest::mistake::{Mistake, in_quotes};
use crate::manifest::node::{Node, NodeValue, Style};
use crate::manifest::suggest::nearest;

impl<'t> TreeReader<'t, '_> {
    /// Adds what stands behind `<<`.
    pub(super) fn merge(&mut self, value: Node<'t>, merged: &mut Vec<Node<'t>>) {
        match value.value {
            NodeValue::Mapping(_) => merged.push(value),
            NodeValue::Sequence(nodes)
                if nodes.iter().all(|node| matches!(node.value, NodeValue::Mapping(_))) =>
            {
                merged.extend(nodes);
            }
            other => {
                let found = other.in_words();
                let fault = Mistake::new(value.span, format!("`<<` merges mappings, not {found}"));
                self.faults.push(
                    fault
                        .help("write `<<: *name` where `&name` names a mapping")
                        .help("a key that is called `<<` needs quotes"),
                );
            }
        }
    }

    /// Refuses a tag.
    pub(super) fn tag(&mut self, tag: Option<&Tag>, gap: &Range<usize>, span: &Range<usize>) {
        if tag.is_none() {
            return;
        }
        let at = self.property(gap, '!').unwrap_or_else(|| span.clone());
        let name = &self.text[at.clone()];
        let line_end = self.text[at.start..].find('\n').map_or(self.text.len(), |n| at.start + n);
        let rest = self.text[at.start..line_end].trim();
        let fault =
            Mistake::new(at.clone(), format!("`{name}` is a YAML tag, and tags are refused"))
                .with(Code::UnsupportedYaml);
        let word = name.trim_start_matches('!').to_ascii_lowercase();
        let is_file = ["include", "file", "readfile", "read", "load", "import", "text", "embed"];
        let is_secret = ["env", "envvar", "vault", "secret", "var", "ref", "getatt", "sub"];
        let is_one = |words: &[&str]| {
            words.contains(&&*word)
                || words.contains(&word.split(['_', '/', ':']).next().unwrap_or_default())
        };
        let fault = if is_one(&is_file) {
            fault.help("use `promptFile` for a prompt that is a file of its own, and `systemPromptFile` for that of an agent")
        } else if is_one(&is_secret) {
            fault.help("use `${NAME}` for the value of an environment variable")
        } else if name.starts_with("!!") || name.starts_with("!<") {
            fault.help("leave it out; a value in quotes is a text")
        } else {
            fault
        };
        self.faults.push(match in_quotes(rest).filter(|_| self.open.is_empty()) {
            Some(quoted) => {
                fault.help(format!("a text that starts with `!` needs quotes: `{quoted}`"))
            }
            None => fault.help("a text that starts with `!` needs quotes"),
        });
    }

    /// Finds a tag or an anchor in the text before what it belongs to.
    pub(super) fn property(&self, gap: &Range<usize>, sign: char) -> Option<Range<usize>> {
        let text = &self.text[gap.clone()];
        let is_start = |at: usize| {
            text[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "[{,:?-".contains(c))
        };
        let (at, _) = text.match_indices(sign).find(|(at, _)| is_start(*at))?;
        let length = text[at..].find(char::is_whitespace).unwrap_or(text.len() - at);
        Some(gap.start + at..gap.start + at + length)
    }

    /// Registers an anchor whose node is about to be read.
    pub(super) fn anchor(&mut self, anchor: usize, gap: &Range<usize>) {
        if anchor != 0 {
            let span = self.property(gap, '&').unwrap_or_else(|| gap.clone());
            self.anchors.insert(anchor, Anchor { span, node: None, is_used: false });
        }
    }

    /// Keeps a node for the aliases that refer to it.
    pub(super) fn keep(&mut self, anchor: usize, node: &Node<'t>) -> Read<()> {
        let Some(anchor) = self.anchors.get_mut(&anchor) else { return Ok(()) };
        let Some(left) = self.left.kept.checked_sub(weight(node).0) else {
            let most = self.most.kept;
            let fault =
                Mistake::new(anchor.span.clone(), format!("anchors name more than {most} values"));
            return Err(Box::new(fault.help("give anchors only to what aliases refer to").limit()));
        };
        self.left.kept = left;
        anchor.node = Some(node.clone());
        Ok(())
    }

    /// Returns what an alias refers to, at the place of the alias.
    pub(super) fn copy(&mut self, anchor: usize, span: Range<usize>) -> Read<Node<'t>> {
        let known = self.anchors.get_mut(&anchor);
        let node = known.and_then(|anchor| {
            anchor.is_used = true;
            anchor.node.as_ref()
        });
        let Some(node) = node else {
            let name = &self.text[span.clone()];
            let fault = Mistake::new(span.clone(), format!("`{name}` stands within what it names"));
            return Err(Box::new(fault.help("write the value out")));
        };
        let (nodes, bytes) = weight(node);
        let copy = Node { span: span.clone(), ..node.clone() };
        let Some(left) = self.left.copied.checked_sub(nodes) else {
            let most = self.most.copied;
            let fault = Mistake::new(span, format!("aliases copy more than {most} values"));
            return Err(Box::new(fault.help("move what all tasks share to `defaults`").limit()));
        };
        self.left.copied = left;
        self.spend(0, bytes, &copy.span)?;
        Ok(copy)
    }

    /// Reports an alias without an anchor; it stands for its own letters, which were probably meant.
    pub(super) fn unresolved(&mut self, name: &str, span: Range<usize>) -> Node<'t> {
        let text = self.text;
        let written = &text[span.clone()];
        let fault = Mistake::new(
            span.clone(),
            format!("`{written}` is an alias, and no `&{name}` is above it"),
        );
        let line_end = text[span.start..].find('\n').map_or(text.len(), |n| span.start + n);
        let rest = text[span.start..line_end].trim();
        let is_below = text[span.end..].contains(&format!("&{name}"));
        let fault = if is_below {
            fault.help(format!("move `&{name}` above its first use"))
        } else {
            let names = self.anchors.values().map(|anchor| &text[anchor.span.clone()][1..]);
            match nearest(name, names) {
                Some(meant) => fault.help(format!("did you mean `*{meant}`?")),
                None => fault.help(format!("name what it stands for with `&{name}`")),
            }
        };
        self.faults.push(match in_quotes(rest).filter(|_| self.open.is_empty()) {
            Some(quoted) => fault
                .about(written)
                .help(format!("a text that starts with `*` needs quotes: `{quoted}`")),
            None => fault.about(written).help("a text that starts with `*` needs quotes"),
        });
        Node::new(NodeValue::Text(Cow::Borrowed(written)), span, Style::Other)
    }

    /// Reports anchors of plain texts that nobody refers to: their names are words of the text.
    pub(super) fn report_unused(&mut self) {
        for Anchor { span, node, is_used } in std::mem::take(&mut self.anchors).into_values() {
            let is_plain =
                |node: &Node<'_>| matches!(node.style, Style::Plain | Style::Commented(_));
            let Some(node) = node.filter(|node| !is_used && is_plain(node)) else {
                continue;
            };
            let name = &self.text[span.clone()];
            let fault = Mistake::new(
                span.clone(),
                format!("`{name}` is an anchor that nothing refers to, so it is lost"),
            )
            .with(Code::UnsupportedYaml)
            .about(name);
            let whole = self.text.get(span.start..node.span.end).unwrap_or_default();
            self.faults.push(match in_quotes(whole) {
                Some(quoted) => {
                    fault.help(format!("a text that starts with `&` needs quotes: `{quoted}`"))
                }
                None => fault.help("a text that starts with `&` needs quotes"),
            });
        }
    }
}

/// How many nodes a node is, itself included, and how many bytes its texts have.
fn weight(node: &Node<'_>) -> (usize, usize) {
    let sum = |(nodes, bytes): (usize, usize), node: &Node<'_>| {
        let (more, longer) = weight(node);
        (nodes + more, bytes + longer)
    };
    match &node.value {
        NodeValue::Text(text) => (1, text.len()),
        NodeValue::Sequence(nodes) => nodes.iter().fold((1, 0), sum),
        NodeValue::Mapping(pairs) => {
            pairs.iter().fold((1, 0), |all, (key, value)| sum(sum(all, key), value))
        }
        NodeValue::Null | NodeValue::Boolean(_) | NodeValue::Integer(_) | NodeValue::Float(_) => {
            (1, 0)
        }
    }
}
