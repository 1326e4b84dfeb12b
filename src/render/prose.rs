//! Markdown as lines for a terminal: what somebody wrote is read instead of its marks.
//!
//! All of it is foreign. A block is put together first and made safe as a whole, because marks within a
//! word could hide a command of a CI system. A link is its text with the target behind it, never one
//! that a terminal opens. A line break stays one, as those who write for a chat expect.

mod line;

use std::collections::BTreeSet;
use std::fmt;
use std::mem;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use crate::render::escape::{self, Untrusted};
use crate::render::paint::{Color, Label};

use line::{Face, Shown, Words};

/// How many levels of quotes and lists are shown as such: with any number of them, each line as long
/// as there are levels, a text of megabytes would become one of terabytes.
const DEEPEST: usize = 12;

/// The least room for words, however deep they stand.
const NARROWEST: usize = 20;

/// The largest text that is read as Markdown, in bytes; a longer one is shown as it was written.
///
/// What a parser makes of a text takes up to a hundred times its room.
const LARGEST: usize = 512 * 1024;

/// The largest table that is drawn; a larger one is shown as it was written.
const MOST_COLUMNS: usize = 50;
const MOST_ROWS: usize = 1_000;

/// How many characters of a column's head stand before a cell where a table is too wide.
const HEAD: usize = 30;

/// Where lines go and how they look.
pub(super) struct Sheet<'s> {
    /// What every line begins with: something visible, painted already.
    pub(super) margin: &'s str,
    /// How many columns there are behind it.
    pub(super) width: usize,
    pub(super) color: Color,
    pub(super) out: &'s mut dyn fmt::Write,
}

/// Writes Markdown as lines.
pub(super) fn write(markdown: &str, mut sheet: Sheet<'_>) -> fmt::Result {
    if markdown.len() > LARGEST {
        return markdown.lines().try_for_each(|line| sheet.source(&mut [], line));
    }
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut parser = Parser::new_ext(markdown, options).into_offset_iter();
    // The stretches of the source that are shown.
    let mut shown = Vec::new();
    let mut writer = Writer {
        sheet,
        levels: Vec::new(),
        list_count: 0,
        words: Words::default(),
        faces: Vec::new(),
        links: Vec::new(),
        labels: BTreeSet::new(),
        code: None,
        table: None,
        is_table_source: false,
        is_gap_due: false,
    };
    for (event, stretch) in parser.by_ref() {
        let tag = match &event {
            Event::Start(tag) => Some(tag.to_end()),
            Event::End(tag) => Some(*tag),
            _ => None,
        };
        let source = markdown.get(stretch.clone()).unwrap_or_default();
        if !tag.is_some_and(holds_blocks) {
            shown.push(stretch);
        }
        writer.event(event, source)?;
    }
    // Nothing that was said may be hidden: a definition that no link uses is a line, too.
    let mut definitions: Vec<_> = parser.reference_definitions().iter().collect();
    definitions.sort_by_key(|(_, definition)| definition.span.start);
    for (label, definition) in definitions {
        if !writer.labels.contains(&label.to_lowercase()) {
            writer.words.push(&format!("[{label}]:"), Face::ASIDE);
            writer.target(&definition.dest, definition.title.as_deref().unwrap_or_default());
            writer.block()?;
        }
        shown.push(definition.span.clone());
    }
    // Of several definitions of one label the parser keeps the first; the others are shown as they are.
    shown.sort_by_key(|stretch| stretch.start);
    shown.push(markdown.len()..markdown.len());
    let mut end = 0;
    for stretch in shown {
        let rest = markdown.get(end..stretch.start).filter(|rest| rest.contains("]:"));
        for line in rest.unwrap_or_default().lines() {
            writer.words.push(line.trim_start_matches([' ', '\t', '>']), Face::ASIDE);
            writer.block()?;
        }
        end = end.max(stretch.end);
    }
    Ok(())
}

/// Whether it only holds blocks: the marks of those are shown, and whatever else it shows is theirs.
fn holds_blocks(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item)
}

struct Writer<'s> {
    sheet: Sheet<'s>,
    levels: Vec<Level>,
    list_count: usize,
    /// The words of the block so far.
    words: Words,
    faces: Vec<Face>,
    /// The target and title of each link that is open, and where its text begins.
    links: Vec<(String, String, usize)>,
    /// The definitions that links have used.
    labels: BTreeSet<String>,
    /// The text of the block that is code, or HTML.
    code: Option<String>,
    table: Option<Table>,
    /// Whether the table is too large to be drawn.
    is_table_source: bool,
    /// Whether the next block stands apart from the last.
    is_gap_due: bool,
}

enum Level {
    Quote,
    /// The number of its next item, where it has numbers.
    List(Option<u64>),
    /// Its mark, until that is written, and how wide it is.
    Item(Option<String>, usize),
}

impl Sheet<'_> {
    /// What a line begins with: the margin, and the marks of quotes and items.
    fn start(&self, levels: &mut [Level]) -> String {
        let mut line = format!("{} ", self.margin);
        for level in levels.iter_mut().take(DEEPEST) {
            match level {
                Level::Quote => line.push_str("> "),
                Level::List(_) => {}
                Level::Item(mark, width) => match mark.take() {
                    Some(mark) => line.push_str(&mark),
                    None => line.extend(std::iter::repeat_n(' ', *width)),
                },
            }
        }
        line
    }

    /// Writes a line as it was written, of any length.
    fn source(&mut self, levels: &mut [Level], line: &str) -> fmt::Result {
        let start = self.start(levels);
        let line = line.trim_end();
        self.out.write_str(if line.is_empty() { start.trim_end() } else { &start })?;
        for (at, part) in line.split('\t').enumerate() {
            self.out.write_str(if at > 0 { "    " } else { "" })?;
            escape::write_part(part, escape::as_it_is, self.out)?;
        }
        self.out.write_char('\n')
    }
}

#[derive(Default)]
struct Table {
    alignments: Vec<Alignment>,
    /// The cells of each row; the first row is the head.
    rows: Vec<Vec<Words>>,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>, source: &str) -> fmt::Result {
        match event {
            Event::End(TagEnd::Table) if self.is_table_source => {
                self.is_table_source = false;
                self.is_gap_due = true;
                source.lines().try_for_each(|line| self.sheet.source(&mut self.levels, line))?;
            }
            _ if self.is_table_source => {}
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) | Event::Html(text) if self.code.is_some() => {
                self.code.get_or_insert_default().push_str(&text);
            }
            Event::Code(code) => {
                self.mark("`");
                self.words.push(&code, self.face().and(Face::CODE));
                self.mark("`");
            }
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.words.push(&text, self.face()),
            Event::SoftBreak | Event::HardBreak => self.words.end_line(),
            Event::Rule => {
                self.begin()?;
                self.row(&self.sheet.color.paint(Label::Aside, "---"))?;
                self.is_gap_due = true;
            }
            Event::TaskListMarker(is_done) => {
                self.words.push(if is_done { "[x] " } else { "[ ] " }, Face::default());
            }
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag<'_>) -> fmt::Result {
        match tag {
            Tag::Strong => self.open(Face::STRONG, "**"),
            Tag::Emphasis => self.open(Face::EMPHASIS, "*"),
            Tag::Strikethrough => self.open(Face::STRUCK, "~~"),
            Tag::Link { link_type, dest_url, title, id } => {
                self.link(link_type, &dest_url, &title, &id);
            }
            Tag::Image { link_type, dest_url, title, id } => {
                self.words.push("image: ", self.face().and(Face::ASIDE));
                self.link(link_type, &dest_url, &title, &id);
            }
            Tag::TableHead => {
                self.faces.push(self.face().and(Face::STRONG));
                self.table.get_or_insert_default().rows.push(Vec::new());
            }
            Tag::TableRow => {
                let table = self.table.get_or_insert_default();
                table.rows.push(Vec::new());
                // The first row is the head.
                if table.rows.len() > MOST_ROWS + 1 {
                    (self.table, self.is_table_source) = (None, true);
                }
            }
            Tag::TableCell => {}
            block => {
                self.begin()?;
                self.start_block(block)?;
            }
        }
        Ok(())
    }

    fn start_block(&mut self, tag: Tag<'_>) -> fmt::Result {
        match tag {
            Tag::Heading { level, .. } => {
                let marks = "#".repeat(level as usize);
                self.open(Face::HEADING, &format!("{marks} "));
            }
            Tag::BlockQuote(_) => self.levels.push(Level::Quote),
            Tag::List(first) => {
                self.list_count += 1;
                self.levels.push(Level::List(first));
            }
            Tag::Item => {
                let mark = match self.levels.last_mut() {
                    Some(Level::List(Some(number))) => {
                        *number = number.saturating_add(1);
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                let width = mark.len();
                let is_shown = self.levels.len() < DEEPEST;
                self.levels.push(Level::Item(is_shown.then_some(mark), width));
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(language)) if !language.is_empty() => {
                self.words.push(&format!("{language}:"), Face::ASIDE);
                self.block()?;
                self.code = Some(String::new());
            }
            Tag::CodeBlock(_) | Tag::HtmlBlock => self.code = Some(String::new()),
            Tag::Table(alignments) if alignments.len() > MOST_COLUMNS => {
                self.is_table_source = true;
            }
            Tag::Table(alignments) => self.table = Some(Table { alignments, rows: Vec::new() }),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> fmt::Result {
        match tag {
            TagEnd::Strong => self.close("**"),
            TagEnd::Emphasis => self.close("*"),
            TagEnd::Strikethrough => self.close("~~"),
            TagEnd::Link | TagEnd::Image => self.end_link(),
            TagEnd::TableHead => self.close(""),
            TagEnd::TableCell => {
                let cell = mem::take(&mut self.words);
                let row = self.table.get_or_insert_default().rows.last_mut();
                row.expect("a cell stands in a row").push(cell);
            }
            TagEnd::TableRow => {}
            TagEnd::List(_) => {
                self.list_count -= 1;
                self.levels.pop();
                self.is_gap_due |= self.list_count == 0;
            }
            TagEnd::Item => {
                self.block()?;
                if let Some(Level::Item(Some(_), _)) = self.levels.last() {
                    self.row("")?;
                }
                self.levels.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.block()?;
                self.levels.pop();
                self.is_gap_due = true;
            }
            TagEnd::Table => {
                let table = self.table.take().unwrap_or_default();
                self.table(&table)?;
                self.is_gap_due = true;
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock => {
                for line in self.code.take().unwrap_or_default().lines() {
                    let line = Untrusted::new(line.replace('\t', "    ")).part();
                    let line = self.sheet.color.paint(Label::Code, line);
                    self.row(&format!("    {line}"))?;
                }
                self.is_gap_due = true;
            }
            _ => {
                self.block()?;
                if matches!(tag, TagEnd::Heading(_)) {
                    self.faces.pop();
                }
                self.is_gap_due = true;
            }
        }
        Ok(())
    }

    /// The face of the words that come.
    fn face(&self) -> Face {
        self.faces.last().copied().unwrap_or_default()
    }

    /// Says in characters what a face says in colors.
    fn mark(&mut self, mark: &str) {
        if self.sheet.color == Color::Off {
            self.words.push(mark, Face::default());
        }
    }

    fn open(&mut self, face: Face, mark: &str) {
        self.mark(mark);
        self.faces.push(self.face().and(face));
    }

    fn close(&mut self, mark: &str) {
        self.faces.pop();
        self.mark(mark);
    }

    fn link(&mut self, link_type: LinkType, target: &str, title: &str, label: &str) {
        if !matches!(link_type, LinkType::Inline | LinkType::Autolink | LinkType::Email) {
            self.labels.insert(label.to_lowercase());
        }
        self.links.push((target.to_owned(), title.to_owned(), self.words.text().len()));
        self.faces.push(self.face().and(Face::LINK));
    }

    fn end_link(&mut self) {
        self.faces.pop();
        let Some((target, title, start)) = self.links.pop() else { return };
        // An address that stands for itself is said once.
        if self.words.text()[start..] != *target || !title.is_empty() {
            self.target(&target, &title);
        }
    }

    fn target(&mut self, target: &str, title: &str) {
        self.words.push(" ", Face::default());
        self.words.push(&format!("<{target}>"), Face::ASIDE);
        if !title.is_empty() {
            self.words.push(&format!(" \"{title}\""), Face::ASIDE);
        }
    }

    /// Ends what stands before a block, and sets the block apart from it.
    fn begin(&mut self) -> fmt::Result {
        self.block()?;
        if mem::take(&mut self.is_gap_due) {
            self.row("")?;
        }
        Ok(())
    }

    /// Writes the words so far.
    fn block(&mut self) -> fmt::Result {
        let words = mem::take(&mut self.words);
        if words.text().is_empty() { Ok(()) } else { self.wrapped(&words) }
    }

    fn wrapped(&mut self, words: &Words) -> fmt::Result {
        let shown = words.shown();
        for row in shown.rows(self.room()) {
            self.row(&shown.row(row, self.sheet.color))?;
        }
        Ok(())
    }

    /// How many columns words have here.
    fn room(&self) -> usize {
        let width = |level: &Level| match level {
            Level::Quote => 2,
            Level::List(_) => 0,
            Level::Item(_, width) => *width,
        };
        let taken: usize = self.levels.iter().take(DEEPEST).map(width).sum();
        self.sheet.width.saturating_sub(taken).max(NARROWEST)
    }

    /// Writes a line, behind the margin and the marks of quotes and items.
    fn row(&mut self, text: &str) -> fmt::Result {
        let line = self.sheet.start(&mut self.levels) + text;
        writeln!(self.sheet.out, "{}", line.trim_end())
    }

    /// A grid where it fits, and otherwise each row as a list of what its columns hold.
    fn table(&mut self, table: &Table) -> fmt::Result {
        let color = self.sheet.color;
        let rows: Vec<Vec<Shown>> =
            table.rows.iter().map(|row| row.iter().map(Words::shown).collect()).collect();
        let mut widths = vec![0; table.alignments.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        if widths.iter().map(|width| width + 3).sum::<usize>() > self.room() + 3 {
            return self.records(table);
        }
        for (number, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).zip(&table.alignments);
            let cells = cells.map(|((cell, width), alignment)| {
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                match alignment {
                    Alignment::Right => format!("{blanks}{}", cell.whole(color)),
                    _ => format!("{}{blanks}", cell.whole(color)),
                }
            });
            self.row(&cells.collect::<Vec<_>>().join(" | "))?;
            if number == 0 {
                let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                self.row(&lines.join("-+-"))?;
            }
        }
        Ok(())
    }

    fn records(&mut self, table: &Table) -> fmt::Result {
        let mut rows = table.rows.iter();
        let heads = rows.next().map(Vec::as_slice).unwrap_or_default();
        let heads: Vec<String> = heads
            .iter()
            .map(|head| match head.text().char_indices().nth(HEAD) {
                Some((end, _)) => format!("{}...", &head.text()[..end]),
                None => head.text().to_owned(),
            })
            .collect();
        if table.rows.len() < 2 {
            let mut words = Words::default();
            words.push(&heads.join(" | "), Face::STRONG);
            return self.wrapped(&words);
        }
        for (number, row) in rows.enumerate() {
            if number > 0 {
                self.row("")?;
            }
            for (head, cell) in heads.iter().zip(row).filter(|(_, cell)| !cell.text().is_empty()) {
                let mut words = Words::default();
                words.push(&format!("{head}:"), Face::STRONG);
                words.push(" ", Face::default());
                words.append(cell);
                self.wrapped(&words)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::holds_hidden;

    fn lines(markdown: &str, width: usize, color: Color) -> String {
        let mut text = String::new();
        write(markdown, Sheet { margin: "│", width, color, out: &mut text }).unwrap();
        text
    }

    fn plain(markdown: &str) -> String {
        lines(markdown, 48, Color::Off)
    }

    /// The text without the sequences of our own colors.
    fn unpainted(text: &str) -> String {
        let mut plain = String::new();
        let mut pieces = text.split("\u{1b}[");
        plain.push_str(pieces.next().unwrap());
        for piece in pieces {
            let (codes, rest) = piece.split_once('m').expect("a color ends");
            assert!(codes.bytes().all(|c| c.is_ascii_digit() || c == b';'), "{codes:?}");
            plain.push_str(rest);
        }
        plain
    }

    const REPORT: &str = "\
# Result of *SPY*
The **Sharpe Ratio** is `0.61`, which is ~~good~~ far below what was asked for. See [the log](https://example.org/log \"Log\") or <https://example.org>.
Second line.

1. one
   - inner, with words that do not fit into one row of this narrow page
   - [x] done
2. two

   and more

> quoted
> > twice

```python
def f():
\treturn 1  # a line of code that is longer than the page is wide
```
***
| run | Sharpe |
|:----|-------:|
| `A-1` | 0.61 |
| B | 12.5 |

<b>bold</b> ![chart](c.png)

[unused]: https://example.org/unused
";

    #[test]
    fn markdown_is_read_in_characters_alone() {
        insta::assert_snapshot!(plain(REPORT), @r#"
        │ # Result of *SPY*
        │
        │ The **Sharpe Ratio** is `0.61`, which is
        │ ~~good~~ far below what was asked for. See the
        │ log <https://example.org/log> "Log" or
        │ https://example.org.
        │ Second line.
        │
        │ 1. one
        │
        │    - inner, with words that do not fit into one
        │      row of this narrow page
        │    - [x] done
        │ 2. two
        │
        │    and more
        │
        │ > quoted
        │ >
        │ > > twice
        │
        │ python:
        │     def f():
        │         return 1  # a line of code that is longer than the page is wide
        │
        │ ---
        │
        │ run   | Sharpe
        │ ------+-------
        │ `A-1` |   0.61
        │ B     |   12.5
        │
        │ <b>bold</b> image: chart <c.png>
        │ [unused]: <https://example.org/unused>
        "#);
    }

    #[test]
    fn a_label_that_is_defined_again_hides_nothing() {
        let text = "[a]: x\n[A]: secret 'why'\n[a]:\n  more\n\nsee [a]\n\n\
                    > - [a]: quoted\n>\n> 2. [a]: counted\n>    text\n\n[ ]: x\n\n* [b]: y\n* [b]: z";
        insta::assert_snapshot!(plain(text), @r"
        │ see a <x>
        │
        │ > -
        │ >
        │ > 2. text
        │
        │ [ ]: x
        │
        │ -
        │ -
        │ [b]: <y>
        │ [A]: secret 'why'
        │ [a]:
        │ more
        │ - [a]: quoted
        │ 2. [a]: counted
        │ * [b]: z
        ");
    }

    #[test]
    fn colors_take_the_place_of_marks_and_change_no_word() {
        let painted = lines("# A\n**b** *c* `d` ~~e~~ [f](g)", 48, Color::On);
        insta::assert_snapshot!(painted.replace('\u{1b}', "^"), @r"
        │ ^[1m^[4mA^[0m
        │
        │ ^[1mb^[0m ^[3mc^[0m ^[34md^[0m ^[9me^[0m ^[4mf^[0m ^[2m<g>^[0m
        ");
        let words = |text: &str| text.replace(['*', '`', '~', '#', '-', ' ', '\n', '│'], "");
        assert_eq!(words(&unpainted(&lines(REPORT, 48, Color::On))), words(&plain(REPORT)));
    }

    #[test]
    fn a_table_that_is_too_wide_is_read_row_by_row() {
        let table = "| name | what it does | note |\n|---|---|---|\n\
                     | alpha | buys what went up over the last twelve months | |\n\
                     | beta | the same, weekly | risky |\n";
        insta::assert_snapshot!(plain(table), @r"
        │ name: alpha
        │ what it does: buys what went up over the last
        │ twelve months
        │
        │ name: beta
        │ what it does: the same, weekly
        │ note: risky
        ");
    }

    #[test]
    fn what_is_too_large_is_shown_as_it_was_written() {
        let row = |cell: &str, columns: usize| format!("|{}\n", format!("{cell}|").repeat(columns));
        let table = |columns: usize, rows: usize| {
            row("h", columns) + &row("-", columns) + &row("x", columns).repeat(rows)
        };
        let kinds = [
            ("as wide as may be", table(50, 2), false),
            ("too wide", table(51, 2), true),
            ("far too wide", table(5_000, 3), true),
            ("as long as may be", table(3, 1_000), false),
            ("too long", table(3, 1_001), true),
            ("too long a text", format!("# a\n{}", "*b* ".repeat(LARGEST / 4)), true),
        ];
        for (kind, text, is_source) in kinds {
            let shown = lines(&text, 400, Color::Off);
            let source: Vec<String> =
                text.lines().map(|line| format!("│ {}", line.trim_end())).collect();
            let source = source.join("\n") + "\n";
            assert_eq!(shown == source, is_source, "{kind}: {shown:.200}");
        }
        let within =
            format!("> before\n>\n> {}\nafter", table(51, 1).trim_end().replace('\n', "\n> "));
        let shown = lines(&within, 400, Color::Off);
        assert!(shown.starts_with("│ > before\n│ >\n│ > |h|h|"), "{shown}");
        assert!(shown.ends_with("\n│ after\n"), "{shown}");
    }

    #[test]
    fn wide_characters_are_broken_where_the_row_ends_and_words_are_not() {
        let text = format!(
            "{}\n{}\n[x](https://e.org/{})",
            "株価".repeat(15),
            "y".repeat(50),
            "z".repeat(60)
        );
        insta::assert_snapshot!(lines(&text, 30, Color::Off), @r"
        │ 株価株価株価株価株価株価株価株
        │ 価株価株価株価株価株価株価株価
        │ yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
        │ x
        │ <https://e.org/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz>
        ");
    }

    #[test]
    fn what_marks_and_entities_would_put_together_only_shows() {
        let table = [
            ("a #*#[error]x*", "##["),
            ("a #`#[error]x`", "##["),
            ("#**#vso[task]x**", "##vso["),
            ("&#27;[31mx &#x202e;y &#155;z &#8203;", "\u{1b}"),
            ("[a\u{1b}]8;;https://e.org\u{7}](https://e.org/\u{202e})", "\u{202e}"),
            ("```\u{1b}[2J\n\u{9b}x\n```", "\u{9b}"),
        ];
        for (text, banned) in table {
            for color in [Color::Off, Color::On] {
                let shown = unpainted(&lines(text, 48, color));
                assert!(!shown.contains(banned), "{shown:?}");
                assert!(!shown.lines().any(holds_hidden), "{shown:?}");
            }
        }
    }

    #[test]
    fn no_text_becomes_many_times_as_long() {
        let n = 3_000;
        let texts = [
            ">".repeat(n) + &"\nx".repeat(n),
            "> ".repeat(n) + &"\n\n> x".repeat(n),
            "- ".repeat(n) + "x",
            (0..300).flat_map(|depth| [" ".repeat(depth * 2), "- x\n".to_owned()]).collect(),
            format!("[a]: https://e.org/{}\n\n{}", "x".repeat(n), "[a] ".repeat(n)),
            format!("|{}|\n|---|\n{}", "h".repeat(n), "|x|\n".repeat(n)),
            format!("|{}\n|{}\n{}", "h|".repeat(n / 10), "-|".repeat(n / 10), "|x\n".repeat(n)),
            format!("|a|b|\n|---|---|\n|{}|x|\n{}", "w".repeat(n), "|y|z|\n".repeat(n)),
            "[a]: x\n".repeat(n),
            "[".repeat(n) + &"]".repeat(n),
            "![".repeat(n) + &"](x)".repeat(n),
            "*a **b ".repeat(n),
            "`".repeat(n) + "x",
            "<a ".repeat(n),
        ];
        for text in texts {
            let shown = lines(&text, 60, Color::Off);
            let most = 60 * text.len() + 200_000;
            assert!(shown.len() < most, "{} of {}: {:.40}", shown.len(), text.len(), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_stays_behind_the_margin_and_only_shows(
            text in r"(\PC|\p{Cc}|\p{Cf}|\n|\n\n| |    |\t|# |- |1\. |> |\*|\*\*|_|~~|`|```|\||\|-\||\[|\]\(|\)|!|<|>|&#27;|&lt;|##\[|##vso\[|::|\[a\]: |\\|\r){0,60}",
            width in 0..50_usize,
        ) {
            for color in [Color::Off, Color::On] {
                let shown = unpainted(&lines(&text, width, color));
                for line in shown.lines() {
                    prop_assert!(line.starts_with('│'), "{line:?}");
                    prop_assert!(!holds_hidden(line), "{line:?}");
                    prop_assert!(!line.contains("##[") && !line.contains("##vso["), "{line:?}");
                }
            }
        }

        /// Columns that a table's head lacks are the one thing that Markdown itself takes away.
        #[test]
        fn every_word_that_was_said_is_shown(
            pieces in prop::collection::vec(r"(\n|\n\n| |    |# |- |1\. |> |\*|\*\*|_|~~|`|\n```|\[|\]|\]\(|\)|!|<|>|\]: |:|&|\n\[x\]: |\n> \[x\]: |\n- \[x\]:\n  )", 0..40),
        ) {
            let said = pieces.iter().enumerate().map(|(at, piece)| format!("{piece}w{at}e"));
            let text: String = said.collect();
            let shown = lines(&text, 4_000, Color::Off);
            for at in 0..pieces.len() {
                let word = format!("w{at}e");
                prop_assert!(shown.contains(&word), "no {word} of {text:?} in\n{shown}");
            }
        }
    }
}
