//! How a prompt differs, for the eye: one list of lines, which the style shows one below the other
//! or side by side.

use maud::{Markup, html};

use crate::render::textdiff::excerpt::{BitKind, Room, Row, ShownLine};
use crate::render::textdiff::{Side, TextChange};

/// Writes the changed lines with `context` unchanged ones around them.
pub(super) fn difference(change: &TextChange, context: usize) -> Markup {
    let diff = change.diff();
    let excerpt = diff.excerpt(&Room { context, ..Room::CHANGES });
    html! {
        p.size {
            span.add { "+" (diff.added_count) }
            " / "
            span.del { "-" (diff.removed_count) }
            " characters"
        }
        div.diff {
            @for rows in excerpt.rows.chunk_by(|one, other| kind(one) == kind(other)) {
                (block(rows))
            }
        }
    }
}

/// What stands in one block: a block of changed lines is what stands side by side.
fn kind(row: &Row) -> Option<bool> {
    match row {
        Row::Place(_) => None,
        Row::Line(line) => Some(line.side == Side::Both),
    }
}

fn block(rows: &[Row]) -> Markup {
    if let [Row::Place(number), ..] = rows {
        return html! { div.at { "@@ line " (number) " @@" } };
    }
    let lines = rows.iter().filter_map(|row| match row {
        Row::Line(line) => Some(line),
        Row::Place(_) => None,
    });
    html! {
        div.block {
            @for line in lines {
                (row(line, false))
                // The second column's copy, hidden unless there are two.
                @if line.side == Side::Both { (row(line, true)) }
            }
        }
    }
}

fn row(line: &ShownLine, is_copy: bool) -> Markup {
    let ShownLine { side, old, new, bits } = line;
    let text = html! {
        @for bit in bits {
            @match bit.kind {
                BitKind::Plain => (bit.text),
                BitKind::Marked => mark { (bit.text) },
                BitKind::LeftOut => span.cut { (bit.text) },
            }
        }
    };
    let cells = |old: Option<&usize>, new: Option<&usize>, sign: &str| {
        html! {
            span.no { @if let Some(old) = old { (old) } }
            span.no { @if let Some(new) = new { (new) } }
            span.sign { (sign) }
            code { (text) }
        }
    };
    match side {
        Side::Both if is_copy => {
            html! { div.row.both.copy aria-hidden="true" { (cells(Some(old), Some(new), " ")) } }
        }
        Side::Both => html! { div.row.both { (cells(Some(old), Some(new), " ")) } },
        Side::Old => html! { del.row.old { (cells(Some(old), None, "-")) } },
        Side::New => html! { ins.row.new { (cells(None, Some(new), "+")) } },
    }
}
