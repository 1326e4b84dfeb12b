//! The table of the status, whose cells stay whole however narrow the reader's terminal is.

use std::fmt;

use crate::render::paint::Label;
use crate::render::text::TextOptions;
use crate::render::wrap;

/// Columns as wide as their widest cell; the last one is as long as it likes.
pub(super) struct StatusTable {
    rows: Vec<(Label, [String; 5])>,
}

/// The least room in which the last column is read beside the others.
const LEAST_ROOM: usize = 24;

/// How deep the last column stands in a line of its own.
const BELOW: usize = 6;

/// How the columns of a table lie in the lines.
struct Columns {
    width: Option<usize>,
    /// Of all but the last.
    widths: [usize; 4],
    /// Whether the last column stands below the others.
    is_below: bool,
}

impl StatusTable {
    pub(super) fn new(heads: [&str; 5]) -> Self {
        Self { rows: vec![(Label::Aside, heads.map(str::to_owned))] }
    }

    pub(super) fn row(&mut self, label: Label, cells: [String; 5]) {
        self.rows.push((label, cells));
    }

    /// A line of its own below a row.
    pub(super) fn aside(&mut self, words: String) {
        self.rows.push((
            Label::Aside,
            [words, String::new(), String::new(), String::new(), String::new()],
        ));
    }

    fn columns(&self, width: Option<usize>) -> Columns {
        let rows = self.rows.iter().filter(|(_, cells)| !is_aside(cells));
        // A key that takes half of a line stands in one of its own.
        let most =
            [width.map_or(usize::MAX, |width| width / 2), usize::MAX, usize::MAX, usize::MAX];
        let mut widths = [0; 4];
        for (_, cells) in rows {
            for ((most, cell), widest) in most.iter().zip(cells).zip(&mut widths) {
                let wide = wrap::width(cell);
                *widest = if wide <= *most { wide.max(*widest) } else { *widest };
            }
        }
        let all: usize = widths.iter().map(|width| width + 2).sum();
        let is_below = width.is_some_and(|width| all + LEAST_ROOM > width);
        Columns { width, widths, is_below }
    }

    pub(super) fn write(&self, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
        let columns = self.columns(options.width);
        for (at, (label, cells)) in self.rows.iter().enumerate() {
            if is_aside(cells) {
                writeln!(out, "{}", options.color.paint(Label::Aside, &cells[0]))?;
            } else if at == 0 {
                let heads = columns.line(cells, &|head| head.to_owned());
                writeln!(out, "{}", options.color.paint(Label::Aside, heads))?;
            } else {
                let paint = |state: &str| options.color.paint(*label, state);
                writeln!(out, "{}", columns.line(cells, &paint))?;
            }
        }
        Ok(())
    }
}

/// Whether a row is a line of its own.
fn is_aside(cells: &[String; 5]) -> bool {
    cells[1..].iter().all(String::is_empty)
}

impl Columns {
    /// A row in as many lines as it needs. A cell that does not fit into its line begins the next.
    fn line(&self, cells: &[String; 5], paint: &dyn Fn(&str) -> String) -> String {
        let [key, state, id, age, words] = cells;
        let mut row = TableRow { lines: String::new(), used: 0 };
        let [second, third, fourth] =
            [0, 1, 2].map(|at| self.widths[..=at].iter().map(|width| width + 2).sum::<usize>());
        row.cell(0, key, key);
        row.cell(second, state, &paint(state));
        row.cell(if self.fits(third, id) { third } else { BELOW }, id, id);
        // Of an age that has no room beside the rest, the line below has some.
        let age_first = !self.fits(fourth, age) && !self.fits(row.used + 2, age);
        if !age_first {
            let column = if self.fits(fourth, age) { fourth } else { row.used + 2 };
            row.cell(column, age, age);
        }
        let parts = [age_first.then_some(age), Some(words).filter(|words| !words.is_empty())];
        let words = parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("; ");
        if !words.is_empty() {
            let last = fourth + self.widths[3] + 2;
            let column = if self.is_below { BELOW } else { last };
            row.cell(column, &words, &wrap::column(&words, column, self.width));
        }
        row.lines
    }

    fn fits(&self, column: usize, cell: &str) -> bool {
        self.width.is_none_or(|width| column + wrap::width(cell) <= width)
    }
}

/// The lines of a row so far.
struct TableRow {
    lines: String,
    /// How much of the last line is taken.
    used: usize,
}

impl TableRow {
    /// Adds a cell at a column: in the same line, where that is still free.
    fn cell(&mut self, column: usize, cell: &str, shown: &str) {
        if self.used > 0 && self.used + 2 > column {
            self.lines.push('\n');
            self.used = 0;
        }
        self.lines.extend(std::iter::repeat_n(' ', column - self.used));
        self.lines.push_str(shown);
        self.used = column + wrap::width(cell);
    }
}
