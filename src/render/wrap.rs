//! Lines broken where the reader's terminal ends, between words; what was indented stays so.
//!
//! Only where the width is known: a file or a program gets each line whole.

use std::fmt::{self, Write};
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// The least room for words; on a narrower terminal lines are left to it.
const NARROWEST: usize = 20;

/// Takes text and writes it in lines of at most so many columns.
pub(super) struct Wrapped<'o> {
    width: Option<usize>,
    /// The line so far.
    line: String,
    out: &'o mut dyn Write,
}

impl<'o> Wrapped<'o> {
    /// Wraps what is written to `out`, if the width is known.
    pub(super) fn new(width: Option<usize>, out: &'o mut dyn Write) -> Self {
        Self { width, line: String::new(), out }
    }

    fn end_line(&mut self, width: usize) -> fmt::Result {
        let line = std::mem::take(&mut self.line);
        let hang = hang(&line);
        let mut open = Vec::new();
        for (at, row) in rows_of(&line, width, hang).into_iter().enumerate() {
            let row = &line[row];
            if at > 0 {
                write!(self.out, "{:hang$}{}", "", open.concat())?;
            }
            for code in codes(row) {
                if code == RESET { open.clear() } else { open.push(code.to_owned()) }
            }
            // A color that goes on would paint the blanks at the start of the next line.
            let close = if open.is_empty() { "" } else { RESET };
            writeln!(self.out, "{}{close}", row.trim_end_matches(' '))?;
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
            self.end_line(width)?;
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

/// Breaks a text that has no indentation into rows of at most `room` columns, where that is known.
pub(super) fn rows(text: &str, room: Option<usize>) -> Vec<&str> {
    let Some(room) = room else { return vec![text] };
    let rows = rows_of(text, room, 0);
    rows.into_iter().map(|row| text[row].trim_end_matches(' ')).collect()
}

/// How deep a line that goes on stands: at the words behind the blanks and the sign it begins with.
fn hang(line: &str) -> usize {
    let mut characters = ColoredText::of(line).map(|(_, text, width)| (text, width));
    let mut depth = 0;
    let mut sign = 0;
    for (text, width) in characters.by_ref() {
        match text {
            " " if sign > 0 => return depth + sign + 1,
            " " => depth += 1,
            _ if width == 0 => {}
            // The signs before steps, lines of texts, and our remarks.
            "+" | "-" | "/" | "~" | "!" | "=" | "|" | "#" | "▶" | "»" | "■" | "│" if sign < 3 =>
            {
                sign += width;
            }
            _ => break,
        }
    }
    depth
}

/// Where the rows of a line begin and end, each in its bytes; rows behind the first have less room.
fn rows_of(line: &str, width: usize, hang: usize) -> Vec<Range<usize>> {
    if width < hang + NARROWEST || self::width(line) <= width {
        return Vec::from([Range { start: 0, end: line.len() }]);
    }
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Where the last word begins, and how wide the row is before it.
    let mut word = None;
    let mut is_blank = true;
    for (at, text, columns) in ColoredText::of(line) {
        let is_word = text != " " && columns > 0;
        if is_word && is_blank && used > hang {
            // Behind mere blanks a stranger's `::` would begin a line.
            word = (!line[at..].starts_with("::")).then_some((at, used)).or(word);
        }
        is_blank = if columns == 0 { is_blank } else { !is_word };
        if is_word && used + columns > width {
            let (end, before) = match word {
                Some((end, before)) => (end, before),
                None if line[at..].starts_with("::") => {
                    used += columns;
                    continue;
                }
                None => (at, used),
            };
            rows.push(start..end);
            (start, used, word) = (end, hang + used - before, None);
        }
        used += columns;
    }
    rows.push(start..line.len());
    rows
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
                | Use SPY as the benchmark, and
                  report the ratio.
                - Use {-SPY-} as the benchmark,
                  and 株価株価株価株価株価 more
          help: look at
          https://example.org/a/very/long/path/w
          ithout/an/end/that/fits/nowhere
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
                // No row begins between the colons of a command.
                let colons = row.matches(':').count();
                prop_assert!(super::width(row) <= width + colons, "{row:?}");
                prop_assert!(row.starts_with(&" ".repeat(depth)) || row.is_empty(), "{row:?}");
            }
        }
    }
}
