//! How two long texts differ: by lines, and by words within lines that resemble each other.
//!
//! Every result depends on the texts alone, never on the time it took: what would be slow is left
//! out by size. Comparing by lines and words is bounded by the algorithm's own heuristics.
//! [`excerpt`] decides what of a difference is shown and how it is marked, for every format.

pub(in crate::render) mod excerpt;
mod words;

use std::ops::Range;
use std::sync::Arc;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::render::escape::Untrusted;
use crate::render::lookalike;

use excerpt::Likeness;
use words::Region;

/// How many bytes of blocks are compared by words in one text.
const LARGEST_TEXT: usize = 1024 * 1024;

/// The longest line that is shown whole in an excerpt, in characters.
///
/// Prompts often are one line a paragraph, of which a word changes.
const LONGEST_LINE: usize = 240;

/// A text before and after, compared when somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    before: Arc<str>,
    after: Arc<str>,
    likeness: Likeness,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Both.
    Both,
    /// The old one.
    Old,
    /// The new one.
    New,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// What it says; characters that look like those of the other text are spelled.
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
        let (before, after) = (Arc::clone(before), Arc::clone(after));
        Self { before, after, likeness: Likeness::Alone }
    }

    /// Which others change just so.
    pub(super) fn likeness(&self) -> &Likeness {
        &self.likeness
    }

    /// Notes which others change just so.
    pub(super) fn resemble(&mut self, likeness: Likeness) {
        self.likeness = likeness;
    }

    /// Compares the texts.
    pub fn diff(&self) -> TextDiff {
        // A last line without an end would differ from the same line in the middle.
        // A text that says nothing has no line.
        let lines = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
        let (before, after) = (lines(&self.before), lines(&self.after));
        let before: Vec<&str> = before.split_inclusive('\n').collect();
        let after: Vec<&str> = after.split_inclusive('\n').collect();
        let mut diff = TextDiff { lines: Vec::new(), added_count: 0, removed_count: 0 };
        let (mut budget, mut number) = (LARGEST_TEXT, 1);
        for op in capture_diff_slices(Algorithm::Myers, &before, &after) {
            let (old, new) = (&before[op.old_range()], &after[op.new_range()]);
            match op {
                DiffOp::Equal { .. } => {
                    for line in new {
                        diff.push(Side::Both, number, line, &Marks::default());
                        number += 1;
                    }
                }
                _ => diff.block(&old.concat(), &new.concat(), &mut number, &mut budget),
            }
        }
        diff
    }
}

/// What differs in the lines of one side of a block.
#[derive(Default)]
struct Marks {
    /// Its stretches, in bytes of the block.
    ranges: Vec<Range<usize>>,
    /// The characters in them that are spelled, by the bytes at which they begin.
    spelled: Vec<usize>,
}

impl TextDiff {
    /// Adds lines that differ: those of the old text, then those of the new one.
    fn block(&mut self, old: &str, new: &str, number: &mut usize, budget: &mut usize) {
        let regions = words::regions(old, new, LONGEST_LINE, budget);
        let (mut of_old, mut of_new) = (Marks::default(), Marks::default());
        for Region { old: of, new: with } in regions {
            let (old, new) = (&old[of.clone()], &new[with.clone()]);
            self.removed_count += old.chars().count();
            self.added_count += new.chars().count();
            let (old_places, new_places) = lookalike::places(old, new);
            of_old.spelled.extend(old_places.into_iter().map(|at| of.start + at));
            of_new.spelled.extend(new_places.into_iter().map(|at| with.start + at));
            of_old.ranges.push(of);
            of_new.ranges.push(with);
        }
        self.side(Side::Old, old, number, &of_old);
        self.side(Side::New, new, number, &of_new);
    }

    fn side(&mut self, side: Side, text: &str, number: &mut usize, marks: &Marks) {
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            let first = marks.ranges.partition_point(|range| range.end <= start);
            let within = marks.ranges[first..].iter().take_while(|range| range.start < end);
            let ranges = within.map(|range| {
                range.start.saturating_sub(start)..range.end.min(end).saturating_sub(start)
            });
            let (from, to) = (
                marks.spelled.partition_point(|at| *at < start),
                marks.spelled.partition_point(|at| *at < end),
            );
            let spelled = marks.spelled[from..to].iter().map(|at| at - start).collect();
            self.push(side, *number, line, &Marks { ranges: ranges.collect(), spelled });
            *number += usize::from(side == Side::New);
            start = end;
        }
    }

    /// Adds a line; the marks are in its own bytes.
    fn push(&mut self, side: Side, number: usize, line: &str, marks: &Marks) {
        let text = line.strip_suffix('\n').unwrap_or(line);
        // A command of a CI system is one whatever marks stand within it.
        let commands = ["##[", "##vso["].iter().flat_map(|word| text.match_indices(word));
        let mut spelled = marks.spelled.clone();
        spelled.extend(commands.map(|(at, _)| at));
        spelled.sort_unstable();
        let mut pieces = Vec::new();
        let mut add = |bytes: Range<usize>, is_marked: bool| {
            if bytes.is_empty() {
                return;
            }
            let spelled = spelled.iter().filter(|at| bytes.contains(at));
            let spelled = spelled.map(|at| at - bytes.start).collect();
            pieces.push(Piece { text: Untrusted::new(&text[bytes]).spelling(spelled), is_marked });
        };
        let mut end = 0;
        for range in &marks.ranges {
            let range = range.start.min(text.len())..range.end.min(text.len());
            // Neighbors of a kind are one, so that escaping sees whole sequences.
            if !range.is_empty() {
                add(end..range.start, false);
                add(range.clone(), true);
                end = range.end;
            }
        }
        add(end..text.len(), false);
        // A line that differs as a whole needs no mark beside its sign, unless nothing of it shows.
        if let [piece] = pieces.as_mut_slice() {
            piece.is_marked = side != Side::Both && text.trim().is_empty();
        }
        self.lines.push(DiffLine { side, number, pieces });
    }

    /// Where the hunks are among the lines, changed lines with `context` unchanged ones around them: the
    /// first one of each, and the one behind its last. Neighbors are joined.
    fn ranges(&self, context: usize) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            if line.side == Side::Both {
                continue;
            }
            let start = at.saturating_sub(context);
            let end = at.saturating_add(context).saturating_add(1).min(self.lines.len());
            match ranges.last_mut() {
                Some(last) if last.end >= start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests;
