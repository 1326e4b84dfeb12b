//! How two long texts differ: by lines, and by words within lines that resemble each other.
//!
//! Every result depends on the texts alone, never on the time it took: what would be slow is left
//! out by size. Comparing by lines is bounded by the algorithm's own heuristics.

use std::sync::Arc;

use similar::{Algorithm, ChangeTag, DiffOp, InlineChangeOptions};

use crate::render::escape::Untrusted;

/// The largest block of changed lines, old and new together, in which words are compared.
///
/// In bytes. A page of text has three thousand; what exceeds this was rewritten, not edited, or is a
/// single line that holds a table.
const LARGEST_BLOCK: usize = 48 * 1024;

/// How many bytes of blocks are compared by words in one text.
const LARGEST_TEXT: usize = 512 * 1024;

/// A text before and after, compared when somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    before: Arc<str>,
    after: Arc<str>,
}

/// How a text differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDiff {
    /// Its lines, those of both texts once.
    pub lines: Vec<DiffLine>,
    /// How many characters are new, line ends too.
    pub added_count: usize,
    /// How many characters are gone, line ends too.
    pub removed_count: usize,
}

/// One line of one or both texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// Which text has it.
    pub side: Side,
    /// Its number in the new text, or the number at which it stood there, from 1.
    pub number: usize,
    /// Its text, in pieces.
    pub pieces: Vec<Piece>,
}

/// Which text has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Both.
    Both,
    /// The old one.
    Old,
    /// The new one.
    New,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it says.
    pub text: Untrusted,
    /// Whether it is what differs from a resembling line of the other text.
    pub is_marked: bool,
}

impl TextChange {
    /// The old text.
    pub(super) fn before(&self) -> Untrusted {
        Untrusted::new(Arc::clone(&self.before))
    }

    /// The new text.
    pub(super) fn after(&self) -> Untrusted {
        Untrusted::new(Arc::clone(&self.after))
    }

    /// Takes two texts; sharing them costs nothing.
    pub fn new(before: &Arc<str>, after: &Arc<str>) -> Self {
        Self { before: Arc::clone(before), after: Arc::clone(after) }
    }

    /// Compares the texts.
    pub fn diff(&self) -> TextDiff {
        // A last line without an end would differ from the same line in the middle.
        // A text that says nothing has no line.
        let lines = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
        let (before, after) = (lines(&self.before), lines(&self.after));
        let raw = similar::TextDiff::from_lines(before.as_str(), after.as_str());
        let mut diff = TextDiff { lines: Vec::new(), added_count: 0, removed_count: 0 };
        let mut budget = LARGEST_TEXT;
        let mut number = 1;
        for op in raw.ops() {
            let options = refinement(block_size(&raw, op), &mut budget);
            for change in raw.iter_inline_changes_with_options_deadline(op, options, None) {
                let side = match change.tag() {
                    ChangeTag::Equal => Side::Both,
                    ChangeTag::Delete => Side::Old,
                    ChangeTag::Insert => Side::New,
                };
                diff.push(side, number, change.values());
                number += usize::from(side != Side::Old);
            }
        }
        diff
    }
}

/// How words are compared within a block: not at all where it is too large.
fn refinement(block: usize, budget: &mut usize) -> InlineChangeOptions {
    let mut options = InlineChangeOptions::new();
    options.algorithm(Algorithm::Myers).semantic_cleanup(true);
    if block > LARGEST_BLOCK || block > *budget {
        // No two lines resemble each other that much.
        options.min_ratio(2.0);
    } else {
        *budget -= block;
    }
    options
}

fn block_size(raw: &similar::TextDiff<'_, '_, str>, op: &DiffOp) -> usize {
    if !matches!(op, DiffOp::Replace { .. }) {
        return 0;
    }
    let old: usize = op.old_range().filter_map(|at| raw.old_slice(at)).map(str::len).sum();
    let new: usize = op.new_range().filter_map(|at| raw.new_slice(at)).map(str::len).sum();
    old + new
}

impl TextDiff {
    fn push(&mut self, side: Side, number: usize, values: &[(bool, &str)]) {
        let is_refined = values.iter().any(|(is_marked, _)| *is_marked);
        let mut joined: Vec<(bool, String)> = Vec::new();
        for (is_marked, text) in values {
            if *is_marked || !is_refined {
                let count = text.chars().count();
                match side {
                    Side::Both => {}
                    Side::Old => self.removed_count += count,
                    Side::New => self.added_count += count,
                }
            }
            let text = text.strip_suffix('\n').unwrap_or(text);
            // Neighbors of a kind become one, so that escaping sees whole sequences.
            match joined.last_mut() {
                Some((last, whole)) if last == is_marked => whole.push_str(text),
                _ if text.is_empty() => {}
                _ => joined.push((*is_marked, text.to_owned())),
            }
        }
        // A line that differs as a whole needs no mark beside its sign.
        if let [(is_marked, _)] = joined.as_mut_slice() {
            *is_marked = false;
        }
        let pieces = joined.into_iter();
        let pieces =
            pieces.map(|(is_marked, text)| Piece { text: Untrusted::new(text), is_marked });
        self.lines.push(DiffLine { side, number, pieces: pieces.collect() });
    }

    /// The changed lines with `context` unchanged ones around them; neighbors are joined.
    pub fn hunks(&self, context: usize) -> Vec<&[DiffLine]> {
        self.ranges(context).into_iter().map(|(start, end)| &self.lines[start..end]).collect()
    }

    /// Where the hunks are among the lines: the first one of each, and the one behind its last.
    pub(super) fn ranges(&self, context: usize) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            if line.side == Side::Both {
                continue;
            }
            let start = at.saturating_sub(context);
            let end = at.saturating_add(context).saturating_add(1).min(self.lines.len());
            match ranges.last_mut() {
                Some((_, last)) if *last >= start => *last = end,
                _ => ranges.push((start, end)),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests;
