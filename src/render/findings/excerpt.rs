//! The few source lines that a finding is about, escaped and cut around what is marked.

use std::ops::Range;

use crate::diag::floor_boundary;
use crate::render::escape;

/// The most characters shown of a marked stretch, and on each side of it: for who has all the room there
/// is, and for ever narrower terminals.
///
/// Three of them fill a wide terminal and a half; what is marked starts in the first.
pub(super) const STRETCHES: [usize; 7] = [60, 36, 24, 16, 10, 6, 3];

/// The most lines between two marks of one excerpt; farther ones get an excerpt each.
const FARTHEST: usize = 200;

/// A text with the starts of its lines, looked up once for all findings.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// A stretch of source to point at.
pub(super) struct Mark<'w> {
    /// Its bytes in the text.
    pub(super) span: Range<usize>,
    /// What to say about it; `None` for the finding's own place.
    pub(super) words: Option<&'w str>,
}

/// Neighboring source lines, safe to print.
pub(super) struct Excerpt {
    /// The number of the first line.
    pub(super) first_line: usize,
    /// The lines; those between marks may be left empty.
    pub(super) text: String,
    /// The line of the most important mark in the source, from 1.
    pub(super) line: usize,
    /// Its column in the source, from 1, in characters.
    pub(super) column: usize,
    /// The column at which the excerpt shows it, where the line is cut or escaped before it.
    pub(super) drawn_column: usize,
    /// The marks, in bytes of `text`, with their words made safe.
    pub(super) marks: Vec<(Range<usize>, Option<String>)>,
}

/// A mark with its line, cut to that line.
struct Spot<'w> {
    line: usize,
    span: Range<usize>,
    words: Option<&'w str>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of a text.
    pub(super) fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { text, starts: starts.collect() }
    }

    /// The number of the line, from 0, that holds a byte.
    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of a line without its end.
    fn bytes(&self, line: usize) -> Range<usize> {
        let start = self.starts[line];
        let next = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        start..start + self.text[start..next].trim_end_matches('\r').len()
    }

    /// Puts a mark on its first line; whatever the span is, the result lies inside the text.
    fn spot<'w>(&self, mark: &Mark<'w>) -> Spot<'w> {
        let start = floor_boundary(self.text, mark.span.start);
        let line = self.line_of(start);
        let line_end = self.bytes(line).end;
        let start = start.min(line_end);
        let end = floor_boundary(self.text, mark.span.end).clamp(start, line_end);
        let end = start + self.text[start..end].trim_end().len();
        Spot { line, span: start..end, words: mark.words }
    }

    /// Moves back by characters, not past `floor`.
    fn back(&self, from: usize, floor: usize, characters: usize) -> usize {
        let before = &self.text[floor..from];
        before
            .char_indices()
            .rev()
            .nth(characters.saturating_sub(1))
            .map_or(floor, |(at, _)| floor + at)
    }

    /// Moves on by characters, not past `ceiling`.
    fn on(&self, from: usize, ceiling: usize, characters: usize) -> usize {
        let behind = &self.text[from..ceiling];
        behind.char_indices().nth(characters).map_or(ceiling, |(at, _)| from + at)
    }
}

/// Cuts what the marks point at out of the text; the excerpt with the first mark comes first.
pub(super) fn excerpts(lines: &Lines<'_>, marks: &[Mark<'_>], stretch: usize) -> Vec<Excerpt> {
    let mut spots: Vec<Spot<'_>> = marks.iter().map(|mark| lines.spot(mark)).collect();
    let Some(first) = spots.first().map(|spot| spot.span.start) else { return Vec::new() };
    spots.sort_by_key(|spot| (spot.span.start, spot.words.is_some()));
    let mut clusters: Vec<Vec<Spot<'_>>> = Vec::new();
    for spot in spots {
        match clusters.last_mut() {
            Some(cluster)
                if cluster.last().is_some_and(|last| are_near(lines, last, &spot, stretch)) =>
            {
                cluster.push(spot);
            }
            _ => clusters.push(vec![spot]),
        }
    }
    clusters.sort_by_key(|cluster| !cluster.iter().any(|spot| spot.span.start == first));
    clusters.iter().map(|cluster| excerpt(lines, cluster, stretch)).collect()
}

fn are_near(lines: &Lines<'_>, one: &Spot<'_>, next: &Spot<'_>, stretch: usize) -> bool {
    if one.line == next.line {
        lines.on(one.span.start, next.span.start, 2 * stretch) == next.span.start
    } else {
        next.line - one.line <= FARTHEST
    }
}

fn excerpt(lines: &Lines<'_>, spots: &[Spot<'_>], stretch: usize) -> Excerpt {
    let own = spots.iter().find(|spot| spot.words.is_none()).unwrap_or(&spots[0]);
    let first_line = spots[0].line;
    let last_line = spots[spots.len() - 1].line;
    let mut text = String::new();
    let mut marks = Vec::new();
    for line in first_line..=last_line {
        let here: Vec<&Spot<'_>> = spots.iter().filter(|spot| spot.line == line).collect();
        // The drawing crate shows a single line between two marked ones, and no others.
        let is_between = spots.iter().any(|spot| spot.line + 1 == line)
            && spots.iter().any(|spot| spot.line == line + 1);
        if !here.is_empty() || is_between {
            push_line(lines, line, (&here, stretch), &mut text, &mut marks);
        }
        text.push('\n');
    }
    let drawn: &Range<usize> = marks
        .iter()
        .find_map(|(span, words): &(Range<usize>, Option<String>)| words.is_none().then_some(span))
        .unwrap_or(&marks[0].0);
    let drawn_line_start = text[..drawn.start].rfind('\n').map_or(0, |at| at + 1);
    let drawn_column = text[drawn_line_start..drawn.start].chars().count() + 1;
    Excerpt {
        first_line: first_line + 1,
        text,
        drawn_column,
        line: own.line + 1,
        column: lines.text[lines.bytes(own.line).start..own.span.start].chars().count() + 1,
        marks,
    }
}

/// Appends one line, escaped and cut around its marks, and where the marks then are.
fn push_line(
    lines: &Lines<'_>,
    line: usize,
    (here, stretch): (&[&Spot<'_>], usize),
    text: &mut String,
    marks: &mut Vec<(Range<usize>, Option<String>)>,
) {
    let whole = lines.bytes(line);
    let first = here.first().map_or(whole.start, |spot| spot.span.start);
    let last = here.last().map_or(whole.start, |spot| spot.span.start);
    let is_short = lines.on(whole.start, whole.end, 3 * stretch) == whole.end;
    let shown = if is_short {
        whole.clone()
    } else {
        lines.back(first, whole.start, stretch)..lines.on(last, whole.end, 2 * stretch)
    };
    let mut ends: Vec<(usize, usize)> = here.iter().map(|_| (text.len(), text.len())).collect();
    if shown.start > whole.start {
        text.push_str("...");
    }
    let mut at = shown.start;
    loop {
        for (spot, (start, end)) in here.iter().zip(&mut ends) {
            if at <= spot.span.start {
                *start = text.len();
            }
            if at <= spot.span.end {
                *end = text.len();
            }
        }
        match escape::step(&lines.text[at..shown.end], text) {
            Some(taken) => at += taken,
            None => break,
        }
    }
    if shown.end < whole.end {
        text.push_str("...");
    }
    for (spot, (start, end)) in here.iter().zip(ends) {
        marks.push((start..end, spot.words.map(escape::line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str, span: Range<usize>) -> Excerpt {
        let mut found = excerpts(&Lines::new(text), &[Mark { span, words: None }], STRETCHES[0]);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let text = format!("one\n{}HERE{}\n", "ä".repeat(3000), "b".repeat(3000));
        let cut = only(&text, 4 + 6000..4 + 6004);
        assert_eq!((cut.line, cut.column), (2, 3001));
        assert_eq!(&cut.text[cut.marks[0].0.clone()], "HERE");
        assert!(cut.text.chars().count() < 4 * STRETCHES[0], "{}", cut.text);
    }

    #[test]
    fn a_mark_over_many_lines_shows_the_first() {
        let cut = only("a: |\n  b\n  c\n", 3..12);
        assert_eq!(&cut.text[cut.marks[0].0.clone()], "|");
    }

    #[test]
    fn a_mark_outside_of_the_text_does_no_harm() {
        for (start, end) in [(500, 600), (2, 1), (1, 3), (0, 0), (4, 4)] {
            let span = Range { start, end };
            let cut = only("ä\r\n", span.clone());
            assert!(cut.marks[0].0.end <= cut.text.len(), "{span:?}");
        }
    }
}
