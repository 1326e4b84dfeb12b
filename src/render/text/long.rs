//! Long texts in a plan: whole, or as the lines and words that differ.

use std::fmt;

use crate::model::{grouped, noun};
use crate::render::escape::Untrusted;
use crate::render::paint::{Color, Label};
use crate::render::text::TextWriter;
use crate::render::textdiff::excerpt::{BitKind, Room, Row, ShownLine, WholeText, whole};
use crate::render::textdiff::{Side, TextChange, TextDiff};
use crate::render::view::{DeploymentStatus, Entry, TurnRow};
use crate::render::words::span;

/// The longest text of a follow-up that is shown in its line.
const SHORT: usize = 120;

impl TextWriter<'_> {
    /// How much of a difference there is room for: everything that is new or changed.
    fn room(&self) -> Room {
        let room = if self.is_full() { Room::ALL } else { Room::CHANGES };
        Room { context: self.options.context, ..room }
    }

    /// Writes a text that is set, or that is sent.
    pub(super) fn whole_text(&mut self, text: &Untrusted) -> fmt::Result {
        self.lines_of(text, self.room())
    }

    /// Writes the head of a text that goes.
    pub(super) fn gone_text(&mut self, text: &Untrusted) -> fmt::Result {
        self.lines_of(text, self.room().of_gone())
    }

    fn lines_of(&mut self, text: &Untrusted, room: Room) -> fmt::Result {
        let WholeText { lines, left_out, .. } = whole(text, &room);
        for line in lines {
            writeln!(self.out, "{}", format!("        | {line}").trim_end())?;
        }
        self.left_out("        ", left_out, noun(left_out, "line", "lines"))
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
        for (field, value) in &entry.terms {
            writeln!(self.out, "      {field}: {}", value.part())?;
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
        let is_short = |text: &Untrusted| text.char_count() <= SHORT && text.lines().count() < 2;
        match (said, declared) {
            (Some(said), Some(declared)) if !is_short(said) || !is_short(declared) => {
                writeln!(self.out, "      follow-up {number}: said (-) and declared (+) differ")?;
                return self.difference(&TextChange::new(said.shared(), declared.shared()).diff());
            }
            (None, Some(declared)) if !is_short(declared) => {
                writeln!(self.out, "      follow-up {number}: said nothing, declared")?;
                return self.whole_text(declared);
            }
            _ => {}
        }
        writeln!(self.out, "      follow-up {number}: said {}", text(said))?;
        writeln!(self.out, "      {:width$}  declared {}", "", text(declared), width = 12)
    }

    /// Writes how a text differs.
    pub(in crate::render) fn difference(&mut self, diff: &TextDiff) -> fmt::Result {
        for row in &diff.excerpt(&self.room()).rows {
            let line = match row {
                Row::Place(number) => self.paint(Label::Aside, format!("@@ line {number} @@")),
                Row::Line(line) => self.diff_line(line),
            };
            writeln!(self.out, "{}", format!("        {line}").trim_end())?;
        }
        Ok(())
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
