//! Long texts in a plan: whole, or as the lines and words that differ.

use std::fmt;

use crate::model::{grouped, noun};
use crate::render::escape::Untrusted;
use crate::render::paint::{Color, Label};
use crate::render::text::TextWriter;
use crate::render::textdiff::excerpt::{BitKind, Room, Row, ShownLine, whole};
use crate::render::textdiff::{Side, TextChange, TextDiff};
use crate::render::view::{DeploymentStatus, Entry, TurnRow};
use crate::render::words::span;

/// How many lines of a prompt are shown that is set or gone as a whole.
const HEAD_LINES: usize = 12;

/// The longest text of a follow-up that is shown in its line.
const SHORT: usize = 120;

impl TextWriter<'_> {
    /// How much of a difference there is room for.
    fn room(&self) -> Room {
        let room = if self.is_full() { Room::ALL } else { Room::TEXT };
        Room { context: self.options.context, ..room }
    }

    /// Writes the head of a text that is set or goes as a whole.
    pub(super) fn whole_text(&mut self, text: &Untrusted) -> fmt::Result {
        let room = self.room();
        let (lines, rest) = whole(text, &Room { lines: room.lines.min(self.head_lines()), ..room });
        for line in lines {
            writeln!(self.out, "{}", format!("        | {line}").trim_end())?;
        }
        self.left_out("        ", rest, noun(rest, "line", "lines"))
    }

    fn head_lines(&self) -> usize {
        if self.is_full() { usize::MAX } else { HEAD_LINES }
    }

    /// Writes what is said to a deployment, or what was said against what is declared.
    pub(super) fn talk(&mut self, entry: &Entry) -> fmt::Result {
        if let Some(DeploymentStatus { status, age_seconds, tokens, started_by_this_ledger }) =
            &entry.standing
        {
            let age = age_seconds.map(|age| format!("{} old", span(age)));
            let tokens = tokens.map(|tokens| format!("{} tokens", grouped(tokens)));
            let origin =
                if *started_by_this_ledger { "started" } else { "not known to have been started" };
            let words =
                [Some(status.part()), age, tokens, Some(format!("{origin} on this machine"))];
            let words: Vec<String> = words.into_iter().flatten().collect();
            writeln!(self.out, "      run: {}", words.join(", "))?;
        }
        if let Some(prompt) = &entry.prompt {
            self.whole_text(prompt)?;
        }
        for turn in &entry.turns {
            self.turn(turn)?;
        }
        for text in &entry.later {
            writeln!(self.out, "      then, once it is idle:")?;
            self.whole_text(text)?;
        }
        if let Some(cost) = &entry.cost {
            writeln!(self.out, "      estimated: {}", cost.words())?;
        }
        Ok(())
    }

    /// Writes what was said at a place, against what is declared there.
    fn turn(&mut self, TurnRow { number, said, declared }: &TurnRow) -> fmt::Result {
        let text = |text: &Option<Untrusted>| {
            text.as_ref()
                .map_or("nothing".to_owned(), |text| format!("\"{}\"", text.cut_part(120, 60)))
        };
        if said == declared {
            return writeln!(
                self.out,
                "      follow-up {number}: said as declared: {}",
                text(said)
            );
        }
        if let (Some(said), Some(declared)) = (said, declared) {
            let is_short =
                |text: &Untrusted| text.char_count() <= SHORT && text.lines().count() < 2;
            if !is_short(said) || !is_short(declared) {
                writeln!(self.out, "      follow-up {number}: said (-) and declared (+) differ")?;
                return self.difference(&TextChange::new(said.shared(), declared.shared()).diff());
            }
        }
        writeln!(self.out, "      follow-up {number}: said {}", text(said))?;
        writeln!(self.out, "      {:width$}  declared {}", "", text(declared), width = 12)
    }

    /// Writes how a text differs.
    pub(in crate::render) fn difference(&mut self, diff: &TextDiff) -> fmt::Result {
        let excerpt = diff.excerpt(&self.room());
        for row in &excerpt.rows {
            let line = match row {
                Row::Place(number) => self.paint(Label::Aside, format!("@@ line {number} @@")),
                Row::Line(line) => self.diff_line(line),
            };
            writeln!(self.out, "{}", format!("        {line}").trim_end())?;
        }
        let rest = excerpt.left_out;
        let what = noun(rest, "line of the difference", "lines of the difference");
        self.left_out("        ", rest, what)
    }

    /// One line of a difference: marks stand in braces, or are underlined where there is color.
    fn diff_line(&self, line: &ShownLine) -> String {
        let (sign, plain, marked) = match line.side {
            // Visible, because behind mere blanks a stranger's `::` would begin the line.
            Side::Both => ("|", None, None),
            Side::Old => ("-", Some(Label::Removed), Some(Label::RemovedWord)),
            Side::New => ("+", Some(Label::Added), Some(Label::AddedWord)),
        };
        let ink = |label: Option<Label>, text: String| match label {
            Some(label) if !text.is_empty() => self.paint(label, text),
            _ => text,
        };
        if line.bits.is_empty() {
            return ink(plain, sign.to_owned());
        }
        let mut shown = ink(plain, format!("{sign} "));
        for bit in &line.bits {
            let text = match (bit.kind, self.options.color) {
                (BitKind::Marked, Color::On) => ink(marked, bit.text.clone()),
                (BitKind::Plain, Color::On) => ink(plain, bit.text.clone()),
                _ => ink(plain, bit.braced(line.sign())),
            };
            shown.push_str(&text);
        }
        shown
    }
}
