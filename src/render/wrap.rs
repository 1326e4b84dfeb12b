//! Lines broken where the reader's terminal ends, between words; what was indented stays so.
//!
//! Only where the width is known: a file or a program gets each line whole. What somebody may copy (ids,
//! paths, commands) is never broken by us: a word that is longer than the line is left to the terminal.

use std::fmt::{self, Write};
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// The least room for words; on a narrower terminal lines are left to it.
const NARROWEST: usize = 20;

/// The longest word that is kept in one piece, in columns: no id, path or command is longer.
const LONGEST_WORD: usize = 1_000;

/// The longest text between backticks that is kept in one piece, in bytes.
const LONGEST_QUOTE: usize = 240;

/// Takes text and writes it in lines of at most so many columns.
pub(super) struct Wrapped<'o> {
    width: Option<usize>,
    /// The line so far.
    line: String,
    out: &'o mut dyn Write,
}

/// Breaks the lines of a text that is ours, if the width is known.
pub fn wrapped(text: &str, width: Option<usize>) -> String {
    let mut shown = String::new();
    let mut wrapped = Wrapped::new(width, &mut shown);
    wrapped.write_str(text).and_then(|()| wrapped.end()).expect("a string takes everything");
    shown
}

impl<'o> Wrapped<'o> {
    /// Wraps what is written to `out`, if the width is known.
    pub(super) fn new(width: Option<usize>, out: &'o mut dyn Write) -> Self {
        Self { width, line: String::new(), out }
    }

    /// Writes what stands behind the last line break.
    fn end(&mut self) -> fmt::Result {
        let Some(width) = self.width.filter(|_| !self.line.is_empty()) else { return Ok(()) };
        // Whatever is typed behind a question stands apart from it.
        let blank = self.line.ends_with(' ');
        self.write_rows(width)?;
        self.out.write_str(if blank { " " } else { "" })
    }

    fn write_rows(&mut self, width: usize) -> fmt::Result {
        let line = std::mem::take(&mut self.line);
        let hang = hang(&line, width);
        let rows = if is_whole(&line) { whole(&line) } else { rows_of(&line, width, hang) };
        let mut open = Vec::new();
        for (at, row) in rows.into_iter().enumerate() {
            let row = &line[row];
            if at > 0 {
                write!(self.out, "\n{:hang$}{}", "", open.concat(), hang = hang.columns)?;
            }
            for code in codes(row) {
                if code == RESET { open.clear() } else { open.push(code.to_owned()) }
            }
            // A color that goes on would paint the blanks at the start of the next line.
            let close = if open.is_empty() { "" } else { RESET };
            write!(self.out, "{}{close}", row.trim_end_matches(' '))?;
        }
        Ok(())
    }
}

impl Write for Wrapped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some(width) = self.width else { return self.out.write_str(text) };
        let mut parts = text.split('\n');
        self.line.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.write_rows(width)?;
            self.out.write_char('\n')?;
            self.line.push_str(part);
        }
        Ok(())
    }
}

/// What ends all colors.
const RESET: &str = "\u{1b}[0m";

/// How many columns a text takes, our colors left out.
pub(super) fn width(text: &str) -> usize {
    ColoredText::of(text).map(|(_, _, width)| width).sum()
}

/// Breaks a text that has no indentation into rows of at most `room` columns: where each begins and ends.
pub(super) fn rows(text: &str, room: usize) -> Vec<Range<usize>> {
    rows_of(text, room.max(NARROWEST), Hang { columns: 0, is_ours: false })
}

/// A text in rows below one another, which begin in this column of lines of `width`.
pub(super) fn column(text: &str, column: usize, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let hang = Hang { columns: 0, is_ours: true };
    let rows = rows_of(text, width.saturating_sub(column), hang).into_iter();
    let rows: Vec<&str> = rows.map(|row| text[row].trim_end_matches(' ')).collect();
    rows.join(&format!("\n{:column$}", ""))
}

/// How a line goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hang {
    /// How deep: at the words behind the blanks and the sign it begins with.
    columns: usize,
    /// Whether its words are ours, and not behind the sign of a text that somebody else wrote.
    is_ours: bool,
}

fn hang(line: &str, width: usize) -> Hang {
    if let Some(column) = value_column(line) {
        // Less deep where a word would not fit, and still deeper than the names of fields.
        let word = line.split_whitespace().map(self::width).max().unwrap_or_default();
        let least = (TEXTS + 6).max(line.len() - line.trim_start_matches(' ').len());
        let most = width.saturating_sub(word.max(NARROWEST)).max(least);
        return Hang { columns: column.min(most), is_ours: true };
    }
    let characters = ColoredText::of(line).map(|(_, text, width)| (text, width));
    let (mut depth, mut sign, mut is_ours) = (0, 0, true);
    for (text, width) in characters {
        match text {
            " " if sign > 0 => return Hang { columns: depth + sign + 1, is_ours },
            " " => depth += 1,
            _ if width == 0 => {}
            // The signs before steps and our remarks, and those before lines of texts.
            "/" | "~" | "!" | "=" | "#" | "▶" | "»" | "■" if sign < 3 => sign += width,
            "+" | "-" | "|" if sign < 3 => {
                // Steps and the excerpts of findings stand less deep than texts.
                is_ours = is_ours && depth < TEXTS;
                sign += width;
            }
            _ => break,
        }
    }
    Hang { columns: depth, is_ours: true }
}

/// Where the value of a field begins: it goes on there, so that no part of it looks like a field.
fn value_column(line: &str) -> Option<usize> {
    let bare = line.trim_start_matches(' ');
    let (name, behind) = bare.split_once(": ")?;
    let is_field =
        line.len() - bare.len() > TEXTS && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_field.then(|| line.len() - behind.trim_start_matches(' ').len())
}

/// How deep the lines of texts stand in a plan.
const TEXTS: usize = 4;

/// Whether a line is left as it is: a command on a line of its own is copied as a whole, and what stands
/// behind the margin of a conversation was broken before.
fn is_whole(line: &str) -> bool {
    let bare = line.trim_start_matches(' ');
    let is_command = ["qcops ", "git ", "cd "].iter().any(|program| bare.starts_with(program));
    let margin = ColoredText::of(bare).find(|(_, _, width)| *width > 0);
    (is_command && bare.len() < line.len()) || margin.is_some_and(|(_, text, _)| text == "│")
}

/// All of a line as its only row.
fn whole(line: &str) -> Vec<Range<usize>> {
    Vec::from([Range { start: 0, end: line.len() }])
}

/// Where the rows of a line begin and end, each in its bytes; rows behind the first have less room.
fn rows_of(line: &str, width: usize, hang: Hang) -> Vec<Range<usize>> {
    let Hang { columns: hang, is_ours } = hang;
    if width < hang + NARROWEST || self::width(line) <= width {
        return whole(line);
    }
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Where the last word begins, and how wide the row is before it.
    let mut word = None;
    let mut before = LineBreak::Blank;
    let mut pieces = WholePieces { line, is_ours, next: 0, piece: 0..0 };
    for (at, text, columns) in ColoredText::of(line) {
        let is_torn = pieces.are_torn_at(at);
        let is_word = columns > 0 && !text.starts_with(char::is_whitespace);
        // Behind mere blanks a stranger's `::` would begin a line.
        let may_begin = before.allows(text, columns) && !is_torn && !line[at..].starts_with("::");
        if is_word && may_begin && used > hang {
            word = Some((at, used));
        }
        before = before.then(text, columns);
        let longest = (used + columns > LONGEST_WORD.max(width) && !is_torn).then_some((at, used));
        if is_word
            && used + columns > width
            && let Some((end, columns)) = word.take().or(longest)
        {
            rows.push(start..end);
            (start, used) = (end, hang + used - columns);
        }
        used += columns;
    }
    rows.push(start..line.len());
    rows
}

/// What stands before a character, as far as it decides whether a row may begin with that.
#[derive(Clone, Copy)]
enum LineBreak {
    /// Blanks.
    Blank,
    /// A character of a script without blanks between its words, or a picture.
    Wide,
    /// Any other character.
    Narrow,
    /// What joins two pictures into one.
    Joiner,
}

impl LineBreak {
    fn allows(self, text: &str, columns: usize) -> bool {
        // What ends a sentence or a bracket begins no row.
        let is_end = text
            .starts_with(['、', '。', '，', '．', '）', '」', '』', '】', '！', '？', '：', '；']);
        match self {
            Self::Blank => true,
            Self::Wide => text.starts_with(char::is_alphanumeric) || (columns > 1 && !is_end),
            Self::Narrow => columns > 1 && !is_end,
            Self::Joiner => false,
        }
    }

    fn then(self, text: &str, columns: usize) -> Self {
        match columns {
            _ if text == "\u{200d}" => Self::Joiner,
            _ if text.starts_with(char::is_whitespace) => Self::Blank,
            0 => self,
            1 => Self::Narrow,
            _ => Self::Wide,
        }
    }
}

/// The pieces of a line that stay whole: cut marks, and in our own words what is between backticks.
struct WholePieces<'l> {
    line: &'l str,
    is_ours: bool,
    /// Where the next one may begin.
    next: usize,
    /// The last one.
    piece: Range<usize>,
}

impl WholePieces<'_> {
    /// Whether a row that begins here would tear one; asked of each place in turn.
    fn are_torn_at(&mut self, at: usize) -> bool {
        if at >= self.next {
            match self.line.as_bytes()[at] {
                b'`' if self.is_ours => self.quote(at),
                b'{' => self.cut_mark(at),
                _ => {}
            }
        }
        self.piece.start < at && at < self.piece.end
    }

    fn quote(&mut self, at: usize) {
        let Some(length) = self.line[at + 1..].find('`') else {
            self.is_ours = false;
            return;
        };
        self.next = at + length + 2;
        if length <= LONGEST_QUOTE {
            self.piece = at..self.next;
        }
    }

    fn cut_mark(&mut self, at: usize) {
        const LONGEST: usize = 48;
        let rest = &self.line.as_bytes()[at..];
        let rest = &rest[..rest.len().min(LONGEST)];
        let end = rest.windows(4).position(|bytes| bytes == b"...}");
        if let Some(end) = end.filter(|_| rest.starts_with(b"{... ")) {
            self.next = at + end + 4;
            self.piece = at..self.next;
        }
    }
}

/// The color codes of a text.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    ColoredText::of(text).map(|(_, text, _)| text).filter(|text| text.starts_with('\u{1b}'))
}

/// The characters of a text and the color codes between them: where each begins, itself, its columns.
struct ColoredText<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> ColoredText<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'t> Iterator for ColoredText<'t> {
    type Item = (usize, &'t str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, rest) = (self.at, &self.text[self.at..]);
        let first = rest.chars().next()?;
        let (length, width) = match first {
            // All codes are ours: those of strangers are spelled by now.
            '\u{1b}' => (rest.find('m').map_or(rest.len(), |end| end + 1), 0),
            _ => (first.len_utf8(), first.width().unwrap_or_default()),
        };
        self.at += length;
        Some((at, &rest[..length], width))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapped(text: &str, width: usize) -> String {
        let mut shown = String::new();
        writeln!(Wrapped::new(Some(width), &mut shown), "{text}").unwrap();
        shown
    }

    #[test]
    fn lines_are_broken_between_words_and_keep_their_indentation() {
        let text = "\
Plan: 1 to create; 2 blocked. 12 unchanged, 3 unmanaged.
  + task.momentum will be created (task 512 \"Momentum\")
      # no matching task exists, and none is like it
      name: \"A name of many words that goes on\"
      description:    \"a b c d e f g model: 'claude-haiku-4-5'\"
        | Use SPY as the benchmark, and report the ratio.
        - Use {-SPY-} as the benchmark, and 株価株価株価株価株価 more
  help: look at https://example.org/a/very/long/path/without/an/end/that/fits/nowhere
-/+ task.value will be replaced (task 7 \"Value\")";
        insta::assert_snapshot!(wrapped(text, 40), @r#"
        Plan: 1 to create; 2 blocked. 12
        unchanged, 3 unmanaged.
          + task.momentum will be created (task
            512 "Momentum")
              # no matching task exists, and
                none is like it
              name: "A name of many words that
                    goes on"
              description:    "a b c d e f g
                            model:
                            'claude-haiku-4-5'"
                | Use SPY as the benchmark, and
                  report the ratio.
                - Use {-SPY-} as the benchmark,
                  and 株価株価株価株価株価 more
          help: look at
          https://example.org/a/very/long/path/without/an/end/that/fits/nowhere
        -/+ task.value will be replaced (task 7
            "Value")
        "#);
        assert_eq!(wrapped(text, 200), format!("{text}\n"));
        let mut whole = String::new();
        write!(Wrapped::new(None, &mut whole), "{text}").unwrap();
        assert_eq!(whole, text);
    }

    #[test]
    fn colors_end_with_their_row_and_begin_again_behind_the_indentation() {
        let line =
            "    \u{1b}[1m\u{1b}[31mone two three four five six seven\u{1b}[0m eight nine ten";
        assert_eq!(
            wrapped(line, 26).replace('\u{1b}', "^"),
            "    ^[1m^[31mone two three four^[0m\n    ^[1m^[31mfive six seven^[0m eight\n    nine ten\n"
        );
    }

    #[test]
    fn no_row_begins_with_the_command_of_a_stranger() {
        let line = format!("        | {} ::error::x ::error::y", "word ".repeat(12));
        for width in 30..90 {
            let shown = wrapped(&line, width);
            assert!(
                shown.lines().all(|row| !row.trim_start().starts_with("::")),
                "{width}: {shown}"
            );
        }
    }

    #[test]
    fn what_is_copied_stays_whole_and_a_text_in_wide_characters_is_broken_anywhere() {
        let path = "/a/folder/with/a/long/name/that/takes/more/than/a/line.json";
        let digest = "9e6c1d9cb111ae871294b04e47c3fea87473f9c318b60148d8795ff141406980";
        let table = [
            // A line, and its rows.
            (format!("Digest: {digest}"), vec!["Digest:".to_owned(), digest.to_owned()]),
            (
                format!("Saved to `{path}`. To apply it:"),
                vec!["Saved to".to_owned(), format!("`{path}`."), "To apply it:".to_owned()],
            ),
            (format!("  qcops apply {path} --yes"), vec![format!("  qcops apply {path} --yes")]),
            (
                "  help: run `qcops plan --out FILE --history all` once more".to_owned(),
                vec![
                    "  help: run".to_owned(),
                    "  `qcops plan --out FILE --history all`".to_owned(),
                    "  once more".to_owned(),
                ],
            ),
            (
                "the reason is of some length{... 123 characters ...} and ends".to_owned(),
                vec![
                    "the reason is of some".to_owned(),
                    "length{... 123 characters ...} and ends".to_owned(),
                ],
            ),
            // Texts of others are broken at their blanks, also between backticks.
            (
                "        | a `quote of many words that goes on` here".to_owned(),
                vec![
                    "        | a `quote of many words that".to_owned(),
                    "          goes on` here".to_owned(),
                ],
            ),
            (
                format!("      | {}", "株価".repeat(12)),
                vec![
                    format!("      | {}", "株価".repeat(8)),
                    format!("        {}", "株価".repeat(4)),
                ],
            ),
            (
                format!("名{}。次", "株".repeat(19)),
                vec![format!("名{}", "株".repeat(18)), "株。次".to_owned()],
            ),
            // No blank that only looks otherwise keeps a row from ending.
            (
                "one two three four five six\u{a0}seven\u{2003}eight\u{a0}nine".to_owned(),
                vec![
                    "one two three four five six\u{a0}seven\u{2003}eight\u{a0}".to_owned(),
                    "nine".to_owned(),
                ],
            ),
            // What ends with a blank is a question, and its answer stands apart.
            (
                "Apply 6 changes? Only 'yes' is accepted: ".to_owned(),
                vec!["Apply 6 changes? Only 'yes' is accepted:".to_owned()],
            ),
        ];
        for (line, rows) in table {
            assert_eq!(wrapped(&line, 40), rows.join("\n") + "\n");
            assert_eq!(super::wrapped(&line, None), line);
            let end = if line.ends_with(' ') { " " } else { "" };
            assert_eq!(super::wrapped(&line, Some(40)), rows.join("\n") + end);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_row_is_wider(
            words in prop::collection::vec(r"[a-zé株:|+-]{1,30}", 0..20),
            depth in 0..12_usize,
            width in 35..100_usize,
        ) {
            let line = format!("{:depth$}{}", "", words.join(" "));
            let shown = wrapped(&line, width);
            let bare = |text: &str| text.replace([' ', '\n'], "");
            prop_assert_eq!(bare(&shown), bare(&line));
            for row in shown.lines() {
                prop_assert!(row.starts_with(&" ".repeat(depth)) || row.is_empty(), "{row:?}");
                // Only what holds no place to break is wider.
                let words: Vec<&str> = row.split_whitespace().filter(|word| *word != "::").collect();
                let is_one = words.len() < 2 || words[0].len() < 4 || row.contains("::");
                prop_assert!(super::width(row) <= width || is_one, "{row:?}");
            }
        }
    }
}
