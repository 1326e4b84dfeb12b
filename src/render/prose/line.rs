//! Words with faces: put together as they were said, then made safe, broken into rows and painted.

use std::ops::Range;

use crate::render::escape;
use crate::render::paint::{Color, Label};
use crate::render::wrap;

/// How a stretch of words looks; several faces can be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Face(u8);

impl Face {
    pub(super) const HEADING: Self = Self(1);
    pub(super) const STRONG: Self = Self(2);
    pub(super) const EMPHASIS: Self = Self(4);
    pub(super) const STRUCK: Self = Self(8);
    pub(super) const CODE: Self = Self(16);
    pub(super) const LINK: Self = Self(32);
    pub(super) const ASIDE: Self = Self(64);

    const LABELS: [(Self, Label); 7] = [
        (Self::HEADING, Label::Heading),
        (Self::STRONG, Label::Strong),
        (Self::EMPHASIS, Label::Emphasis),
        (Self::STRUCK, Label::Struck),
        (Self::CODE, Label::Code),
        (Self::LINK, Label::Link),
        (Self::ASIDE, Label::Aside),
    ];

    /// Both at once.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Words as they were said, line breaks among them.
#[derive(Debug, Default)]
pub(super) struct Words {
    text: String,
    /// Where each face begins; it lasts until the next.
    faces: Vec<(usize, Face)>,
}

impl Words {
    /// Adds words that stay in their line.
    pub(super) fn push(&mut self, words: &str, face: Face) {
        self.face(face);
        self.text.extend(words.chars().map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c }));
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self) {
        self.text.push('\n');
    }

    /// Adds other words with their faces.
    pub(super) fn append(&mut self, other: &Self) {
        let before = self.text.len();
        self.face(Face::default());
        self.faces.extend(other.faces.iter().map(|(at, face)| (before + at, *face)));
        self.text.push_str(&other.text);
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn face(&mut self, face: Face) {
        if self.faces.last().map_or(Face::default(), |last| last.1) != face {
            self.faces.push((self.text.len(), face));
        }
    }

    /// Makes all of it safe to print behind something visible.
    pub(super) fn shown(&self) -> Shown {
        let mut shown = Shown::default();
        let (mut at, mut faces) = (0, self.faces.iter().peekable());
        loop {
            while let Some((_, face)) = faces.next_if(|(start, _)| *start <= at) {
                shown.faces.push((shown.text.len(), *face));
            }
            if self.text[at..].starts_with('\n') {
                shown.text.push('\n');
                at += 1;
            } else if let Some(taken) = escape::step(&self.text[at..], &mut shown.text) {
                at += taken;
            } else {
                return shown;
            }
        }
    }
}

/// Words that are safe to print.
#[derive(Debug, Default)]
pub(super) struct Shown {
    text: String,
    faces: Vec<(usize, Face)>,
}

impl Shown {
    /// How many columns it takes, in one row.
    pub(super) fn width(&self) -> usize {
        wrap::width(&self.text)
    }

    /// Breaks it into rows of at most `room` columns.
    pub(super) fn rows(&self, room: usize) -> Vec<Range<usize>> {
        let (mut rows, mut at) = (Vec::new(), 0);
        for line in self.text.split('\n') {
            rows.extend(wrap::rows(line, room).into_iter().map(|row| at + row.start..at + row.end));
            at += line.len() + 1;
        }
        rows
    }

    fn face_at(&self, at: usize) -> Face {
        let behind = self.faces.partition_point(|(start, _)| *start <= at);
        behind.checked_sub(1).map_or(Face::default(), |index| self.faces[index].1)
    }

    /// One of its rows, painted, without the blanks at its end.
    pub(super) fn row(&self, row: Range<usize>, color: Color) -> String {
        let (mut at, end) = (row.start, row.start + self.text[row].trim_end().len());
        if color == Color::Off {
            return self.text[at..end].to_owned();
        }
        let mut painted = String::new();
        let next = self.faces.partition_point(|(start, _)| *start <= at);
        let starts = self.faces[next..].iter().map(|(start, _)| *start);
        for stop in starts.take_while(|start| *start < end).chain([end]) {
            let face = self.face_at(at);
            let labels = Face::LABELS.iter().filter(|(one, _)| face.has(*one));
            let piece = self.text[at..stop].to_owned();
            painted += &labels.fold(piece, |piece, (_, label)| color.paint(*label, piece));
            at = stop;
        }
        painted
    }

    /// All of it in one row.
    pub(super) fn whole(&self, color: Color) -> String {
        self.row(0..self.text.len(), color)
    }
}
