//! A conversation as text for a terminal, as Markdown and as JSON.
//!
//! Every word in it is foreign. In Markdown it stands in fences that nothing in it can close; in JSON
//! it is kept as it was. Every form is written piece by piece: a conversation may be long, and what is
//! made of it several times as long.

mod json;
mod markdown;
mod values;

pub use json::json;
pub use markdown::{markdown, unread};

use std::fmt;
use std::fmt::Write as _;

use crate::model::{counted, grouped, noun};
use crate::render::escape::{Untrusted, as_it_is, write_part};
use crate::render::paint::{Color, Label};
use crate::render::prose::{self, Sheet};
use crate::render::text::{Length, TextOptions, TextWriter};
use crate::render::textdiff::TextChange;
use crate::render::wrap::{Wrapped, rows};
use crate::transcript::{Message, Part, ToolCall, Transcript};

use values::Values;

/// How many characters of a thought or of an unknown part are shown unless everything is.
const FOLDED: usize = 120;

/// How many characters of what a tool was given are shown unless everything is.
const GIVEN: usize = 60;

/// How many characters of what went wrong are shown unless everything is.
const ERRORS: usize = 500;

/// How many columns text has where nobody knows how wide the reader's are.
pub const WIDTH: usize = 100;

/// What stands before every line of what somebody said, so that none can pass for ours.
const MARGIN: &str = "│";

/// Which conversation it is.
#[derive(Clone, Copy, Debug)]
pub struct Title<'a> {
    /// `key/deployment`, where it is that of a declared deployment.
    pub name: Option<&'a str>,
    /// The deployment.
    pub run: &'a str,
    /// Its status, where it is known.
    pub status: Option<&'a str>,
}

/// Writes a conversation as text of so many columns: Markdown as it is meant, each tool in a line.
pub fn text(
    title: Title<'_>,
    transcript: &Transcript,
    width: usize,
    options: &TextOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let out: &mut dyn fmt::Write = &mut wrapped;
    writeln!(out, "{}", options.color.paint(Label::Verdict, heading(title, transcript)))?;
    Sheets { width, options, out }.turns(&transcript.messages, "")
}

/// A conversation on its way out.
struct Sheets<'o> {
    width: usize,
    options: &'o TextOptions,
    out: &'o mut dyn fmt::Write,
}

impl Sheets<'_> {
    fn turns(&mut self, messages: &[Message], indent: &str) -> fmt::Result {
        for (number, message) in (1..).zip(messages) {
            let head = self.options.color.paint(Label::Deploy, turn(number, message));
            writeln!(self.out, "\n{indent}{head}")?;
            for part in message.parts.iter().flatten() {
                self.part(part, indent)?;
            }
            if message.parts.is_none() {
                self.aside(indent, "its parts were not shown")?;
            }
        }
        Ok(())
    }

    fn part(&mut self, part: &Part, indent: &str) -> fmt::Result {
        let is_full = self.options.length == Length::Full;
        match part {
            Part::Text(text) => self.prose(text, indent),
            Part::Reasoning(text) if is_full => {
                self.aside(indent, "thinks:")?;
                self.prose(text, indent)
            }
            Part::Reasoning(text) => {
                let words = Untrusted::new(text.trim()).cut_part(FOLDED, 0);
                self.aside(indent, &format!("thinks: {words}"))
            }
            Part::Step => Ok(()),
            Part::Tool(call) if is_full => {
                self.tool(call, &tool(call), indent)?;
                self.whole("in", call.input.as_deref(), indent)?;
                self.whole("out", call.output.as_deref(), indent)?;
                self.turns(&call.messages, &format!("{indent}    "))
            }
            Part::Tool(call) => self.tool(call, &folded(call), indent),
            Part::Other { kind, json, messages } => {
                let kind = kind.as_deref().unwrap_or("part of no type");
                let kind = Untrusted::new(kind).line();
                if is_full {
                    self.whole(&kind, Some(json), indent)?;
                } else {
                    let json = Untrusted::new(json.as_str()).cut_part(FOLDED, 0);
                    self.aside(indent, &format!("{kind}: {json}"))?;
                }
                self.turns(messages, &format!("{indent}    "))
            }
        }
    }

    fn prose(&mut self, text: &str, indent: &str) -> fmt::Result {
        let color = self.options.color;
        let margin = format!("{indent}  {}", color.paint(Label::Aside, MARGIN));
        let width = self.width.saturating_sub(indent.len() + 4);
        prose::write(text, Sheet { margin: &margin, width, color, out: self.out })
    }

    fn tool(&mut self, call: &ToolCall, words: &str, indent: &str) -> fmt::Result {
        let label = if call.success == Some(false) { Label::Blocked } else { Label::Change };
        writeln!(self.out, "{indent}  {}", self.options.color.paint(label, words))
    }

    /// Writes JSON, each value in a line of its own; what is no JSON as the text it is.
    fn whole(&mut self, what: &str, json: Option<&str>, indent: &str) -> fmt::Result {
        let Some(json) = json else { return Ok(()) };
        self.aside(indent, &format!("  {what}:"))?;
        let margin = format!("{indent}    ");
        let color = self.options.color.paint(Label::Aside, "\n");
        let (open, close) = color.split_once('\n').unwrap_or_default();
        let room = self.options.width.map(|width| width.saturating_sub(margin.len() + 2));
        let margin = &format!("{margin}{open}{MARGIN} ");
        let mut lines = MarginWriter { margin, room, line: String::new(), out: self.out };
        lines.out.write_str(margin)?;
        match Values::of(json) {
            Some(values) => values.write(0, &mut lines)?,
            None => lines.write_str(json.strip_suffix('\n').unwrap_or(json))?,
        }
        lines.end_line()?;
        writeln!(lines.out, "{close}")
    }

    fn aside(&mut self, indent: &str, words: &str) -> fmt::Result {
        writeln!(self.out, "{indent}  {}", self.options.color.paint(Label::Aside, words))
    }
}

/// Writes text behind a margin, safe to print; lines are broken where the room behind it is known.
struct MarginWriter<'o> {
    margin: &'o str,
    room: Option<usize>,
    /// The line so far, where it has to be broken.
    line: String,
    out: &'o mut dyn fmt::Write,
}

impl MarginWriter<'_> {
    /// Writes the rows of the line so far.
    fn end_line(&mut self) -> fmt::Result {
        let Some(room) = self.room else { return Ok(()) };
        let line = std::mem::take(&mut self.line);
        for (at, row) in rows(&line, room).into_iter().enumerate() {
            let margin = if at == 0 { String::new() } else { format!("\n{}", self.margin) };
            write!(self.out, "{margin}{}", line[row].trim_end_matches(' '))?;
        }
        Ok(())
    }
}

impl fmt::Write for MarginWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.end_line()?;
                write!(self.out, "\n{}", self.margin)?;
            }
            match self.room {
                Some(_) => write_part(line, as_it_is, &mut self.line)?,
                None => write_part(line, as_it_is, self.out)?,
            }
        }
        Ok(())
    }
}

/// Writes in what two conversations differ, turn by turn.
pub fn diff(
    names: (&str, &str),
    old: &Transcript,
    new: &Transcript,
    options: &TextOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let out: &mut dyn fmt::Write = &mut wrapped;
    let name = |name: &str| Untrusted::new(name).part();
    let verdict = format!("From {} to {}.", name(names.0), name(names.1));
    writeln!(out, "{}", options.color.paint(Label::Verdict, verdict))?;
    let most = old.messages.len().max(new.messages.len());
    let mut equal = 0;
    for at in 0..most {
        let (before, after) = (plain(old.messages.get(at)), plain(new.messages.get(at)));
        if before == after {
            equal += 1;
            continue;
        }
        let message = new.messages.get(at).or_else(|| old.messages.get(at));
        let head = message.map_or_else(String::new, |message| turn(at + 1, message));
        let side = match (old.messages.get(at), new.messages.get(at)) {
            (None, _) => " only in the second",
            (_, None) => " only in the first",
            _ => "",
        };
        writeln!(out, "\n{}{side}", options.color.paint(Label::Deploy, head))?;
        let change = TextChange::new(&before.into(), &after.into());
        TextWriter { options, out: &mut *out }.difference(&change.diff())?;
    }
    writeln!(out, "\n{} equal, {} different.", counted(equal, "turn", "turns"), most - equal)
}

/// A message as lines that can be compared: its words, and its tools with their results.
fn plain(message: Option<&Message>) -> String {
    let mut text = String::new();
    for part in message.and_then(|message| message.parts.as_ref()).into_iter().flatten() {
        let line = match part {
            Part::Text(words) => words.clone(),
            Part::Tool(call) => format!("[{}]", tool_plain(call)),
            Part::Other { kind, .. } => format!("[{}]", kind.as_deref().unwrap_or("other")),
            // What an agent thinks differs from run to run and says nothing about the result.
            Part::Reasoning(_) | Part::Step => continue,
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

/// Which conversation it is, and how long.
pub(super) fn heading(title: Title<'_>, transcript: &Transcript) -> String {
    let name =
        title.name.map_or_else(String::new, |name| format!("{}: ", Untrusted::new(name).line()));
    let status = title
        .status
        .map_or_else(String::new, |status| format!(", {}", Untrusted::new(status).part()));
    let tokens = match transcript.tokens() {
        Some(tokens) => format!("{} tokens", grouped(tokens)),
        None => "tokens not shown".to_owned(),
    };
    let turns = counted(transcript.messages.len(), "turn", "turns");
    format!("{name}deployment {}{status}, {turns}, {tokens}", Untrusted::new(title.run).part())
}

fn turn(number: usize, message: &Message) -> String {
    let mut head = format!("turn {number}");
    let role = message.role.as_deref().unwrap_or("nobody named");
    for word in std::iter::once(role).chain(message.time.as_deref()) {
        write!(head, "  {}", Untrusted::new(word).part()).expect("a string takes everything");
    }
    head
}

/// What a tool did, as a safe line.
pub(super) fn tool(call: &ToolCall) -> String {
    Untrusted::new(tool_plain(call)).part()
}

/// What a tool was given, the result, how much it gave and what went wrong, in a safe line.
fn folded(call: &ToolCall) -> String {
    let cut = |text: &str, most| Untrusted::new(text).cut_part(most, 0);
    let given = call.input.as_deref().unwrap_or_default().trim();
    let inner = given.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let given = cut(inner.unwrap_or(given).trim(), GIVEN);
    let name = Untrusted::new(call.name.as_str()).part();
    let mut line = format!("tool {name}({given}) {}", Untrusted::new(end(call)).part());
    if let Some(output) = &call.output {
        let size = output.chars().count();
        let noun = noun(size, "character", "characters");
        write!(line, ", {} {noun}", grouped(size as u64)).expect("a string takes everything");
    }
    if !call.messages.is_empty() {
        let turns = counted(call.messages.len(), "turn", "turns");
        write!(line, ", {turns} of another agent").expect("a string takes everything");
    }
    let errors = match (&call.output, call.errors.is_empty()) {
        (_, false) => cut(&call.errors.join("; "), ERRORS),
        (Some(output), true) if call.success == Some(false) => cut(output, FOLDED),
        _ => return line,
    };
    format!("{line}: {errors}")
}

fn tool_plain(call: &ToolCall) -> String {
    let errors = if call.errors.is_empty() {
        String::new()
    } else {
        format!(": {}", call.errors.join("; "))
    };
    format!("tool {} {}{errors}", call.name, end(call))
}

/// How a tool ended: in our words where it says so, in the service's where it does not.
fn end(call: &ToolCall) -> &str {
    match (call.success, &call.state) {
        (Some(true), _) => "succeeded",
        (Some(false), _) => "failed",
        (None, Some(state)) => state.as_str(),
        (None, None) => "of unknown end",
    }
}

/// How conversations are written without colors and without cuts.
pub const PLAIN: TextOptions =
    TextOptions { color: Color::Off, context: 3, length: Length::Full, width: None };

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript() -> Transcript {
        let call = ToolCall {
            name: "create_backtest".to_owned(),
            success: Some(false),
            errors: vec!["broke".to_owned()],
            input: Some("{\"a\":1}".to_owned()),
            ..ToolCall::default()
        };
        let message = |role: &str, parts| Message {
            role: Some(role.to_owned()),
            time: Some("2026-11-21 12:00:00".to_owned()),
            parts: Some(parts),
        };
        Transcript {
            messages: vec![
                message(
                    "user",
                    vec![Part::Text("Say hi\n```\n# not a heading\u{1b}[2J".to_owned())],
                ),
                message("assistant", vec![Part::Tool(call), Part::Text("hi".to_owned())]),
            ],
            input_tokens: Some(10),
            output_tokens: None,
        }
    }

    const TITLE: Title<'static> =
        Title { name: Some("spy/first"), run: "A-1", status: Some("Completed") };

    #[test]
    fn a_conversation_is_readable_and_commands_nothing() {
        let mut shown = String::new();
        text(TITLE, &transcript(), WIDTH, &PLAIN, &mut shown).unwrap();
        insta::assert_snapshot!(shown, @r#"
        spy/first: deployment A-1, Completed, 2 turns, 10 tokens

        turn 1  user  2026-11-21 12:00:00
          │ Say hi
          │
          │     # not a heading\u{1b}[2J

        turn 2  assistant  2026-11-21 12:00:00
          tool create_backtest failed: broke
            in:
            │ {
            │   "a": 1
            │ }
          │ hi
        "#);
        let mut shown = String::new();
        markdown(TITLE, &transcript(), &mut shown).unwrap();
        assert!(shown.contains("````text\nSay hi\n```\n"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn a_tool_is_one_line_that_says_how_it_ended_and_how_much_it_gave() {
        let inner = Message { role: Some("assistant".to_owned()), ..Message::default() };
        let call = |input: &str, output: &str, success, errors: &[&str]| ToolCall {
            name: "run".to_owned(),
            input: Some(input.to_owned()),
            output: Some(output.to_owned()),
            success,
            errors: errors.iter().map(|&error| error.to_owned()).collect(),
            ..ToolCall::default()
        };
        let long = format!("{{\"code\": \"{}\"}}", "x".repeat(2_000));
        let calls = [
            call("{ \"a\": 1, \"b\": [2] }", "7", Some(true), &[]),
            call(&long, &long, Some(true), &[]),
            call("{}", &long, Some(false), &[]),
            call("[1]", "{}", Some(false), &["no\n::data", "for SPY"]),
            ToolCall { name: "ask".to_owned(), messages: vec![inner], ..ToolCall::default() },
        ];
        let parts = calls.into_iter().map(Part::Tool).collect();
        let message = Message { parts: Some(parts), ..Message::default() };
        let said = Transcript { messages: vec![message], ..Transcript::default() };
        let mut shown = String::new();
        text(TITLE, &said, WIDTH, &TextOptions::default(), &mut shown).unwrap();
        insta::assert_snapshot!(shown, @r#"
        spy/first: deployment A-1, Completed, 1 turn, tokens not shown

        turn 1  nobody named
          tool run("a": 1, "b": [2]) succeeded, 1 character
          tool run("code": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{... 1950 characters ...}) succeeded, 2,012 characters
          tool run() failed, 2,012 characters: {"code": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{... 1892 characters ...}
          tool run([1]) failed, 2 characters: no\n::data; for SPY
          tool ask() of unknown end, 1 turn of another agent
        "#);
        let mut shown = String::new();
        text(TITLE, &said, WIDTH, &PLAIN, &mut shown).unwrap();
        assert_eq!(shown.matches(&"x".repeat(2_000)).count(), 3);
        assert!(shown.contains("\n    turn 1  assistant\n"), "{shown}");
    }

    #[test]
    fn what_a_tool_was_given_is_put_into_lines_and_what_is_no_json_is_shown_as_it_came() {
        let shown = |json: &str, color| {
            let (options, mut text) = (&TextOptions { color, ..PLAIN }, String::new());
            Sheets { width: WIDTH, options, out: &mut text }.whole("in", Some(json), "").unwrap();
            text
        };
        let table = [
            ("{\"a\": \"b", "{\"a\": \"b"),
            (r#"{"a": 1.10}"#, "{\n    │   \"a\": 1.10\n    │ }"),
            ("[\"x\u{202e}\"]", "[\n    │   \"x\\u{202e}\"\n    │ ]"),
            ("one\n::two::\n", "one\n    │ ::two::"),
        ];
        for (json, lines) in table {
            assert_eq!(shown(json, Color::Off), format!("    in:\n    │ {lines}\n"));
        }
        let narrow = TextOptions { width: Some(40), ..PLAIN };
        let (json, mut text) = (r#"{"code": "one two three four five six"}"#, String::new());
        Sheets { width: WIDTH, options: &narrow, out: &mut text }
            .whole("in", Some(json), "")
            .unwrap();
        let rows = [
            "    in:",
            "    │ {",
            "    │   \"code\": \"one two three four five",
            "    │ six\"",
            "    │ }",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), rows);
        assert!(
            shown("7", Color::On).contains("\u{1b}[2m│ 7\u{1b}[0m\n"),
            "{:?}",
            shown("7", Color::On)
        );
    }

    #[test]
    fn json_keeps_what_was_said_as_it_was() {
        let mut written = String::new();
        json(TITLE, &transcript(), &mut written).unwrap();
        let value: serde_json::Value = serde_json::from_str(&written).unwrap();
        let again = crate::model::visible_json(&format!("{value:#}")) + "\n";
        assert_eq!(written, again, "as serde writes it");
        assert_eq!(value["turns"][0]["parts"][0]["text"], "Say hi\n```\n# not a heading\u{1b}[2J");
        assert_eq!(value["turns"][1]["parts"][0]["input"]["a"], 1);
    }

    #[test]
    fn two_conversations_are_compared_turn_by_turn() {
        let (old, mut new) = (transcript(), transcript());
        new.messages[1].parts.as_mut().unwrap()[1] = Part::Text("hello".to_owned());
        let mut shown = String::new();
        diff(("a", "b"), &old, &new, &PLAIN, &mut shown).unwrap();
        assert!(shown.contains("turn 2  assistant"), "{shown}");
        assert!(!shown.contains("turn 1"), "{shown}");
        assert!(shown.ends_with("1 turn equal, 1 different.\n"), "{shown}");
    }

    #[test]
    fn a_turn_with_nothing_opposite_has_lines_of_one_sign() {
        let (short, mut long) = (transcript(), transcript());
        let mut more = long.messages[1].clone();
        more.parts = Some(vec![Part::Text("one\n\ntwo".to_owned())]);
        long.messages.push(more);
        for (old, new, side, sign) in
            [(&long, &short, "first", '-'), (&short, &long, "second", '+')]
        {
            let mut shown = String::new();
            diff(("a", "b"), old, new, &PLAIN, &mut shown).unwrap();
            let (_, turn) = shown.split_once(&format!(" only in the {side}\n")).unwrap();
            let (turn, _) = turn.split_once("\n\n").unwrap();
            let lines: Vec<&str> = turn.lines().map(str::trim).collect();
            assert_eq!(lines, [format!("{sign} one"), sign.to_string(), format!("{sign} two")]);
        }
    }

    /// Takes text, and remembers only how much and in which pieces.
    #[derive(Default)]
    struct Sink {
        all: usize,
        largest: usize,
    }

    impl fmt::Write for Sink {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.all += text.len();
            self.largest = self.largest.max(text.len());
            Ok(())
        }
    }

    #[test]
    fn long_conversations_are_written_piece_by_piece_and_not_many_times_as_long() {
        let size = 300_000;
        let fill = |unit: &str| unit.repeat(size / unit.len());
        let row = |cell: &str| format!("|{}\n", cell.repeat(5_000));
        let table = row("h|") + &row("-|") + &row("x|").repeat(size / 10_000);
        let tool = |json: String| {
            let [input, output] = [Some(json.clone()), Some(json)];
            vec![Part::Tool(ToolCall {
                name: "t".to_owned(),
                input,
                output,
                ..ToolCall::default()
            })]
        };
        let kinds = [
            ("one line", vec![Part::Text(fill("word "))]),
            ("hidden characters", vec![Part::Text(fill("\u{200b}"))]),
            ("marks", vec![Part::Text(fill("*a **b _c "))]),
            ("quotes", vec![Part::Text(fill("> \"<&"))]),
            ("short lines", vec![Part::Text(fill("- x\n"))]),
            ("a wide table", vec![Part::Text(table)]),
            ("lists in lists", tool(format!("[{}[]]", fill("[],")))),
            ("no JSON", tool(fill("[\"\u{202e}"))),
            ("many parts", vec![Part::Step; 20_000]),
        ];
        for (kind, parts) in kinds {
            let message = Message { parts: Some(parts), ..Message::default() };
            let said = Transcript { messages: vec![message; 2], ..Transcript::default() };
            let written = |write: &dyn Fn(&mut dyn fmt::Write) -> fmt::Result| {
                let mut sink = Sink::default();
                write(&mut sink).unwrap();
                (sink.all, sink.largest)
            };
            let forms = [
                ("text", written(&|out| text(TITLE, &said, WIDTH, &TextOptions::default(), out))),
                ("full text", written(&|out| text(TITLE, &said, WIDTH, &PLAIN, out))),
                ("markdown", written(&|out| markdown(TITLE, &said, out))),
                ("json", written(&|out| json(TITLE, &said, out))),
                ("html", written(&|out| crate::render::html::transcript(TITLE, &said, out))),
            ];
            for (form, (all, largest)) in forms {
                // Two messages, each with up to two such texts; a short value takes a line of JSON.
                assert!(all < 4 * 7 * size, "{kind} as {form}: {all} bytes");
                assert!(largest < 100_000, "{kind} as {form}: {largest} bytes at once");
            }
        }
    }
}
