//! Long texts in a plan: whole, or as the lines and words that differ.

use std::fmt;

use crate::model::grouped;
use crate::render::escape::Untrusted;
use crate::render::paint::{Color, Label};
use crate::render::text::Text;
use crate::render::textdiff::{DiffLine, Side, TextDiff};
use crate::render::view::{DeploymentStatus, Entry, TurnRow};
use crate::render::words::{counted, span};

/// How many lines of a prompt are shown that is set or gone as a whole.
const HEAD_LINES: usize = 12;

/// How many lines of one difference are shown.
const DIFF_LINES: usize = 100;

/// The longest line shown whole; longer ones keep what is around their marks.
///
/// Prompts often are one line a paragraph, of which a word changes.
const LONGEST_LINE: usize = 240;

/// How many characters stay at each end of what is cut out of a long line.
const AROUND: usize = 60;

impl Text<'_> {
    /// Writes the head of a text that is set or goes as a whole.
    pub(super) fn whole_text(&mut self, text: &Untrusted) -> fmt::Result {
        let all = text.lines().count();
        let shown = self.shown(all, HEAD_LINES);
        for line in text.lines().take(shown) {
            let line = if self.is_full() { line.part() } else { line.cut_part(2 * AROUND, AROUND) };
            writeln!(self.out, "{}", format!("        | {line}").trim_end())?;
        }
        let rest = all - shown;
        self.left_out("        ", rest, if rest == 1 { "line" } else { "lines" })
    }

    /// Writes what is said to a run, or what was said against what is declared.
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
        for TurnRow { number, said, declared } in &entry.turns {
            let text = |text: &Option<Untrusted>| {
                text.as_ref().map_or("nothing".to_owned(), |text| {
                    format!("\"{}\"", text.cut_part(2 * AROUND, AROUND))
                })
            };
            if said == declared {
                writeln!(self.out, "      follow-up {number}: said as declared: {}", text(said))?;
            } else {
                writeln!(self.out, "      follow-up {number}: said {}", text(said))?;
                writeln!(self.out, "      {:width$}  declared {}", "", text(declared), width = 12)?;
            }
        }
        if entry.later > 0 {
            let count = counted(entry.later, "follow-up", "follow-ups");
            writeln!(self.out, "      then {count}, each once the run is idle")?;
        }
        if let Some(cost) = &entry.cost {
            writeln!(self.out, "      estimated: {}", cost.words())?;
        }
        Ok(())
    }

    /// Writes how a text differs.
    pub(in crate::render) fn difference(&mut self, diff: &TextDiff) -> fmt::Result {
        let hunks = diff.hunks(self.options.context);
        let all: usize = hunks.iter().map(|hunk| hunk.len()).sum();
        let mut left = self.shown(all, DIFF_LINES);
        for hunk in hunks.into_iter().take_while(|hunk| !hunk.is_empty()) {
            if left == 0 {
                break;
            }
            if hunk[0].number > 1 {
                let place = self.paint(Label::Aside, format!("@@ line {} @@", hunk[0].number));
                writeln!(self.out, "        {place}")?;
            }
            for line in hunk.iter().take(left) {
                let line = format!("        {}", self.diff_line(line));
                writeln!(self.out, "{}", line.trim_end())?;
            }
            left = left.saturating_sub(hunk.len());
        }
        let rest = all - self.shown(all, DIFF_LINES);
        let what = if rest == 1 { "line of the difference" } else { "lines of the difference" };
        self.left_out("        ", rest, what)
    }

    /// One line of a difference: marks stand in braces, or are underlined where there is color.
    fn diff_line(&self, line: &DiffLine) -> String {
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
        let length: usize = line.pieces.iter().map(|piece| piece.text.char_count()).sum();
        let is_cut = !self.is_full() && length > LONGEST_LINE;
        if line.pieces.is_empty() {
            return ink(plain, sign.to_owned());
        }
        let mut shown = ink(plain, format!("{sign} "));
        for (at, piece) in line.pieces.iter().enumerate() {
            let text = if !is_cut {
                piece.text.part()
            } else if piece.is_marked || line.pieces.len() == 1 {
                piece.text.cut_part(2 * AROUND, AROUND)
            } else {
                // Only the ends beside a mark say where it is.
                let head = if at == 0 { 0 } else { AROUND };
                let tail = if at + 1 == line.pieces.len() { 0 } else { AROUND };
                piece.text.cut_part(head, tail)
            };
            if !piece.is_marked {
                shown.push_str(&ink(plain, text));
            } else if self.options.color == Color::On {
                shown.push_str(&ink(marked, text));
            } else {
                shown.extend(["{", sign, &text, sign, "}"]);
            }
        }
        shown
    }
}
