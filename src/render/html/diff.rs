//! How a prompt differs, for the eye: one list of lines, which the style shows one below the other
//! or side by side.

use maud::{Markup, html};

use crate::render::textdiff::{DiffLine, Side, TextChange};

/// The numbers of a line in the old and in the new text.
type Numbers = (usize, usize);

/// Writes the changed lines with `context` unchanged ones around them.
pub(super) fn difference(change: &TextChange, context: usize) -> Markup {
    let diff = change.diff();
    let numbers = numbers(&diff.lines);
    let hunks = diff.ranges(context).into_iter();
    let hunks = hunks.map(|(start, end)| (&diff.lines[start..end], &numbers[start..end]));
    html! {
        p.size {
            span.add { "+" (diff.added_count) }
            " / "
            span.del { "-" (diff.removed_count) }
            " characters"
        }
        div.diff {
            @for (lines, numbers) in hunks {
                @if numbers.first().is_some_and(|(_, new)| *new > 1) {
                    div.at { "@@ line " (numbers[0].1) " @@" }
                }
                (hunk(lines, numbers))
            }
        }
    }
}

/// The numbers of all lines, from one.
fn numbers(lines: &[DiffLine]) -> Vec<Numbers> {
    let mut next = (1, 1);
    let count = |line: &DiffLine| {
        let number = next;
        next.0 += usize::from(line.side != Side::New);
        next.1 += usize::from(line.side != Side::Old);
        number
    };
    lines.iter().map(count).collect()
}

/// Lines in blocks of one kind: a block of changed ones is what stands side by side.
fn hunk(lines: &[DiffLine], numbers: &[Numbers]) -> Markup {
    let is_both = |line: &DiffLine| line.side == Side::Both;
    let blocks = lines.chunk_by(|one, other| is_both(one) == is_both(other));
    let mut start = 0;
    let blocks = blocks.map(|block| {
        let from = start;
        start += block.len();
        block.iter().zip(&numbers[from..start])
    });
    html! {
        @for block in blocks {
            div.block {
                @for (line, number) in block {
                    (row(line, *number, false))
                    // The second column's copy, hidden unless there are two.
                    @if line.side == Side::Both { (row(line, *number, true)) }
                }
            }
        }
    }
}

fn row(line: &DiffLine, (old, new): Numbers, is_copy: bool) -> Markup {
    let text = html! {
        @for piece in &line.pieces {
            @if piece.is_marked { mark { (piece.text.part()) } } @else { (piece.text.part()) }
        }
    };
    let cells = |old: Option<usize>, new: Option<usize>, sign: &str| {
        html! {
            span.no { @if let Some(old) = old { (old) } }
            span.no { @if let Some(new) = new { (new) } }
            span.sign { (sign) }
            code { (text) }
        }
    };
    match line.side {
        Side::Both if is_copy => {
            html! { div.row.both.copy aria-hidden="true" { (cells(Some(old), Some(new), " ")) } }
        }
        Side::Both => html! { div.row.both { (cells(Some(old), Some(new), " ")) } },
        Side::Old => html! { del.row.old { (cells(Some(old), None, "-")) } },
        Side::New => html! { ins.row.new { (cells(None, Some(new), "+")) } },
    }
}
