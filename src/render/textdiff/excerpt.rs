//! What of a difference is shown, and how it is marked: decided here for every format.
//!
//! What is new or changed is shown whole; only unchanged stretches are cut: lines far from a change,
//! and long lines around the places that differ. Where an output has a limit of its own, a room that
//! [cuts changes](Excerpt::is_whole) too is tried last, and what is shown holds a place that differs.

use crate::model::counted;
use crate::render::escape::Untrusted;
use crate::render::textdiff::{DiffLine, LONGEST_LINE, Piece, Side, TextDiff};

/// How much of a difference there is room for.
#[derive(Clone, Copy, Debug)]
pub(in crate::render) struct Room {
    /// Unchanged lines around changed ones.
    pub(in crate::render) context: usize,
    /// Lines.
    pub(in crate::render) lines: usize,
    /// Characters of a line that are shown whole.
    pub(in crate::render) line: usize,
    /// Characters of unchanged text on each side of a change in a longer line.
    pub(in crate::render) around: usize,
    /// Characters of one changed place in a longer line.
    pub(in crate::render) change: usize,
    /// Characters of a longer line after which its further changes are only counted.
    pub(in crate::render) all: usize,
}

impl Room {
    /// Room for all of it.
    pub(in crate::render) const ALL: Self = Self {
        context: 3,
        lines: usize::MAX,
        line: usize::MAX,
        around: usize::MAX,
        change: usize::MAX,
        all: usize::MAX,
    };

    /// Room for everything that is new or changed, and for what is around it.
    pub(in crate::render) const CHANGES: Self =
        Self { line: LONGEST_LINE, around: 60, ..Self::ALL };

    /// Room for the beginning of a text that goes: nobody is sent it.
    pub(in crate::render) fn of_gone(&self) -> Self {
        let is_all = self.line == usize::MAX;
        let (lines, change) = if is_all { (usize::MAX, usize::MAX) } else { (12, 180) };
        Self { lines: self.lines.min(lines), change: self.change.min(change), ..*self }
    }
}

/// What is shown of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct Excerpt {
    /// Its rows.
    pub(in crate::render) rows: Vec<Row>,
    /// How many lines of the difference are left out behind them.
    pub(in crate::render) left_out: usize,
    /// Whether everything that is new or changed is in them.
    pub(in crate::render) is_whole: bool,
}

/// Which other differences have just the same changed lines; such lines are shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) enum Likeness {
    /// None.
    Alone,
    /// It is the first of them, and so many more follow.
    First(usize),
    /// The one at this address, which stands before; with the line at which the changes begin, if they
    /// are not where they are there.
    SameAs(Untrusted, Option<usize>),
}

/// The lines of a difference that are new or gone, in order, each with whether a block begins with it.
///
/// With their marks and spellings, and whole where an excerpt cuts them: what compares equal looks equal.
pub(in crate::render) type ChangedLines = Vec<(bool, Side, Vec<Piece>)>;

/// What is shown of a text by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct WholeText {
    /// Its lines.
    pub(in crate::render) lines: Vec<String>,
    /// How many lines are left out behind them.
    pub(in crate::render) left_out: usize,
    /// Whether that is all of it.
    pub(in crate::render) is_whole: bool,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) enum Row {
    /// Lines were left out; the next one has this number in the new text.
    Place(usize),
    /// A line.
    Line(ShownLine),
}

/// A line as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct ShownLine {
    /// Which text has it.
    pub(in crate::render) side: Side,
    /// Its number in the old text, or the number at which it would stand there.
    pub(in crate::render) old: usize,
    /// Its number in the new text, likewise.
    pub(in crate::render) new: usize,
    /// What is shown of it.
    pub(in crate::render) bits: Vec<Bit>,
}

/// A part of a line, safe to print behind something visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct Bit {
    /// Its words.
    pub(in crate::render) text: String,
    /// What it is.
    pub(in crate::render) kind: BitKind,
}

/// What a part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) enum BitKind {
    /// Text in a line that has marks elsewhere, or needs none.
    Plain,
    /// A place that differs.
    Marked,
    /// Our words about text that is not shown.
    LeftOut,
}

impl ShownLine {
    /// The sign before a changed line.
    pub(in crate::render) fn sign(&self) -> char {
        match self.side {
            Side::Both => ' ',
            Side::Old => '-',
            Side::New => '+',
        }
    }

    /// The line with its marks in characters: `{-old-}`, `{+new+}`. No text can pass for a mark.
    pub(in crate::render) fn braced(&self) -> String {
        self.bits.iter().map(|bit| bit.braced(self.sign())).collect()
    }
}

impl Bit {
    /// The part with its marks in characters, in a line with this sign.
    pub(in crate::render) fn braced(&self, sign: char) -> String {
        let unforged = |text: &str| {
            let openers = ["{-", "{+", "{..."].iter();
            openers.fold(text.to_owned(), |text, opener| {
                text.replace(opener, &format!("\\u{{7b}}{}", &opener[1..]))
            })
        };
        match self.kind {
            BitKind::Plain => unforged(&self.text),
            BitKind::LeftOut => format!("{{{}}}", self.text),
            BitKind::Marked => {
                let mut text =
                    unforged(&self.text).replace(&format!("{sign}}}"), &format!("{sign}\\u{{7d}}"));
                if text.starts_with('}') {
                    text.replace_range(..1, "\\u{7d}");
                }
                format!("{{{sign}{text}{sign}}}")
            }
        }
    }
}

impl Likeness {
    /// What stands in place of the changed lines, if they are shown elsewhere.
    pub(in crate::render) fn instead(&self) -> Option<String> {
        let Self::SameAs(address, line) = self else { return None };
        let place = line.map_or_else(String::new, |line| format!(", from line {line} on"));
        Some(format!("same change as {}{place}", address.part()))
    }

    /// What stands behind the changed lines, if they are shown for others too.
    pub(in crate::render) fn behind(&self) -> Option<String> {
        let Self::First(more) = self else { return None };
        Some(format!("and {more} more with the same change"))
    }
}

impl TextDiff {
    /// Returns what is new or gone, and the lines of the new text at which its blocks begin.
    pub(in crate::render) fn changed_lines(&self) -> (ChangedLines, Vec<usize>) {
        let (mut lines, mut places) = (ChangedLines::new(), Vec::new());
        let mut is_within = false;
        for line in &self.lines {
            let is_changed = line.side != Side::Both;
            if is_changed {
                if !is_within {
                    places.push(line.number);
                }
                lines.push((!is_within, line.side, line.pieces.clone()));
            }
            is_within = is_changed;
        }
        (lines, places)
    }

    /// Returns what there is room for.
    pub(in crate::render) fn excerpt(&self, room: &Room) -> Excerpt {
        // The first line that differs is among those that are shown.
        let hunks = self.ranges(room.context.min(room.lines / 2));
        let all: usize = hunks.iter().map(ExactSizeIterator::len).sum();
        let (mut rows, mut left) = (Vec::new(), room.lines.max(1));
        let (mut old, mut new, mut next) = (1, 1, 0);
        let mut is_whole = all <= left;
        for hunk in hunks {
            if left == 0 {
                break;
            }
            for line in &self.lines[next..hunk.start] {
                (old, new) = behind(line, (old, new));
            }
            if self.lines[hunk.start].number > 1 {
                rows.push(Row::Place(self.lines[hunk.start].number));
            }
            for line in self.lines[hunk.clone()].iter().take(left) {
                let (bits, is_cut) = bits(line, room);
                is_whole &= !is_cut;
                rows.push(Row::Line(ShownLine { side: line.side, old, new, bits }));
                (old, new) = behind(line, (old, new));
            }
            left = left.saturating_sub(hunk.len());
            next = hunk.end;
        }
        Excerpt { rows, left_out: all.saturating_sub(room.lines.max(1)), is_whole }
    }
}

/// The numbers of the line behind this one.
fn behind(line: &DiffLine, (old, new): (usize, usize)) -> (usize, usize) {
    (old + usize::from(line.side != Side::New), new + usize::from(line.side != Side::Old))
}

/// A text that is shown by itself, such as a prompt that is new.
pub(in crate::render) fn whole(text: &Untrusted, room: &Room) -> WholeText {
    let left_out = text.lines().count().saturating_sub(room.lines);
    let mut is_whole = left_out == 0;
    let mut shown = |line: Untrusted| {
        let (head, tail) = room.of_change();
        if line.char_count() <= room.line || line.cut(head, tail).is_none() {
            return line.part();
        }
        is_whole = false;
        line.cut_part(head, tail)
    };
    let lines = text.lines().take(room.lines).map(&mut shown).collect();
    WholeText { lines, left_out, is_whole }
}

impl Room {
    /// The characters that are shown of one changed place, at its head and at its tail.
    fn of_change(&self) -> (usize, usize) {
        (self.change - self.change / 3, self.change / 3)
    }
}

/// What is shown of a line, and whether that lacks something that is new or changed.
fn bits(line: &DiffLine, room: &Room) -> (Vec<Bit>, bool) {
    let length: usize = line.pieces.iter().map(|piece| piece.text.char_count()).sum();
    let mut bits = Vec::new();
    let plain = |piece: &Piece| Bit { text: piece.text.part(), kind: kind_of(piece) };
    if length <= room.line {
        return (line.pieces.iter().map(plain).collect(), false);
    }
    let (mut shown, mut is_marked, mut is_cut) = (0_usize, false, false);
    for (at, piece) in line.pieces.iter().enumerate() {
        if shown > room.all && is_marked {
            bits.push(rest(&line.pieces[at..]));
            is_cut = true;
            break;
        }
        let is_change = piece.is_marked || (line.pieces.len() == 1 && line.side != Side::Both);
        let (head, tail) = if is_change {
            room.of_change()
        } else if line.pieces.len() == 1 {
            (room.around.saturating_mul(2), room.around)
        } else {
            // Only the ends beside a mark say where it is.
            let is_last = at + 1 == line.pieces.len();
            (if at == 0 { 0 } else { room.around }, if is_last { 0 } else { room.around })
        };
        is_marked |= is_change;
        match piece.text.cut(head, tail) {
            None => {
                shown = shown.saturating_add(piece.text.char_count());
                bits.push(plain(piece));
            }
            Some((head_bytes, count, tail_bytes)) => {
                is_cut |= is_change;
                shown = shown.saturating_add(head).saturating_add(tail);
                let kind = kind_of(piece);
                let words = format!("... {} ...", counted(count, "character", "characters"));
                bits.push(Bit { text: piece.text.part_of(head_bytes), kind });
                bits.push(Bit { text: words, kind: BitKind::LeftOut });
                bits.push(Bit { text: piece.text.part_of(tail_bytes), kind });
            }
        }
    }
    bits.retain(|bit| !bit.text.is_empty());
    (bits, is_cut)
}

fn kind_of(piece: &Piece) -> BitKind {
    if piece.is_marked { BitKind::Marked } else { BitKind::Plain }
}

/// Our words about the further changes of a line.
fn rest(pieces: &[Piece]) -> Bit {
    let characters: usize = pieces.iter().map(|piece| piece.text.char_count()).sum();
    let changes = pieces.iter().filter(|piece| piece.is_marked).count();
    let changes = counted(changes, "more change", "more changes");
    let characters = counted(characters, "character", "characters");
    Bit { text: format!("... {characters}, {changes} ..."), kind: BitKind::LeftOut }
}
