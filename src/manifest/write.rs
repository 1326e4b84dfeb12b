//! A manifest as YAML text: what `pull` has found, written so that it reads back as it was.
//!
//! Names and prompts are strangers' words. Whatever YAML, a terminal or a CI system could take for
//! something else is written as an escape in quotes; all else stands as plainly as it can.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::kinds::{Field, Shape};
use crate::manifest::conflict::{TextKind, conflict_markers};
use crate::model::{Key, emoji_length, holds_hidden, is_hidden};
use crate::resource::{Object, Reference, Value};

/// Prompts of more lines get a file of their own where there may be files.
const LONGEST_INLINE: usize = 3;

/// Words that YAML readers take for something else than a text, folded.
const WORDS: &[&str] =
    &["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];

/// A manifest yet to be written.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// The organization it is for.
    pub organization_id: String,
    /// Its agents, in the order in which they are written.
    pub agents: Vec<OutlineEntry>,
    /// Its tasks, in the order in which they are written.
    pub tasks: Vec<OutlineEntry>,
}

/// A task or an agent yet to be written.
#[derive(Clone, Debug)]
pub struct OutlineEntry {
    /// Its key.
    pub key: Key,
    /// Its fields; the name is one line that is not blank, and references are local keys or ids.
    pub object: Object,
    /// The id it is pinned to, if it is.
    pub pin: Option<u64>,
}

/// Where prompts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompts {
    /// In the manifest.
    Inline,
    /// The longer ones in files beside it.
    Files,
}

/// A manifest as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The YAML.
    pub manifest: String,
    /// The prompt files by their path, which is relative to the manifest.
    pub prompts: BTreeMap<String, String>,
}

/// Writes a manifest. Read again, it declares the same keys, names, contents and pins.
pub fn write(outline: &Outline, prompts: Prompts) -> Written {
    let mut written = Written::default();
    let out = &mut written.manifest;
    out.push_str("version: 1\n");
    line(out, format_args!("organizationId: {}", field(&outline.organization_id)));
    if !outline.agents.is_empty() {
        out.push_str("agents:\n");
        entries(&outline.agents, "agents", prompts, &mut written);
    }
    let has_none = outline.tasks.is_empty();
    written.manifest.push_str(if has_none { "tasks: {}\n" } else { "tasks:\n" });
    entries(&outline.tasks, "prompts", prompts, &mut written);
    written
}

/// Writes resources of one kind; their long texts go to files in `folder`.
fn entries(entries: &[OutlineEntry], folder: &str, prompts: Prompts, written: &mut Written) {
    for OutlineEntry { key: name, object, pin } in entries {
        let out = &mut written.manifest;
        line(out, format_args!("  {}:", key(name)));
        if let Some(id) = pin {
            line(out, format_args!("    id: {id}"));
        }
        for (row, value) in object.fields().filter(|(_, value)| value.is_known()) {
            let out = &mut written.manifest;
            if let (Shape::LongText, Value::Text(text)) = (row.shape, value) {
                let is_apart = prompts == Prompts::Files && is_for_a_file(text);
                if let Some(file) = row.instead.as_ref().filter(|_| is_apart) {
                    let path = format!("{folder}/{name}.md");
                    line(out, format_args!("    {}: {}", file.name, scalar(&path)));
                    written.prompts.insert(path, format!("{text}\n"));
                    continue;
                }
            }
            match (&row.instead, value) {
                (Some(instead), Value::Ref(address)) => {
                    line(out, format_args!("    {}: {}", instead.name, field(&address.key)));
                }
                _ => line(out, format_args!("    {}: {}", row.name, inline(row, value))),
            }
        }
    }
}

/// Whether a text is long, and nothing that would be taken for unmerged, or for no text, in a file.
fn is_for_a_file(text: &str) -> bool {
    let is_odd = || !conflict_markers(text, TextKind::Prompt).is_empty() || text.contains('\0');
    text.lines().count() > LONGEST_INLINE && !is_odd()
}

/// The value of a field, where it stands in the manifest.
fn inline(row: &Field, value: &Value) -> String {
    match (row.shape, value) {
        (Shape::LongText, Value::Text(prompt)) => text(prompt),
        (Shape::Line | Shape::Word(_), Value::Text(text)) => field(text),
        (_, Value::Set(words)) => {
            let words: Vec<String> = words.iter().map(|word| in_list(word)).collect();
            format!("[{}]", words.join(", "))
        }
        (Shape::Sequence(_), Value::References(members)) => sequence(members),
        (_, Value::References(members)) => numbered(members),
        (_, value) => value.to_string(),
    }
}

/// Keys in the order of their numbers, where these are positions from 1.
fn sequence(members: &[(Reference, Option<u64>)]) -> String {
    let mut in_order: Vec<&(Reference, Option<u64>)> = members.iter().collect();
    in_order.sort_by_key(|(_, position)| *position);
    let are_positions = in_order.iter().zip(1..).all(|((_, number), at)| *number == Some(at));
    if !are_positions {
        return numbered(members);
    }
    let keys: Vec<String> = in_order.iter().map(|(reference, _)| name(reference)).collect();
    format!("[{}]", keys.join(", "))
}

/// Keys, each with its number.
fn numbered(members: &[(Reference, Option<u64>)]) -> String {
    let member = |(reference, number): &(Reference, Option<u64>)| {
        let number = number.map_or_else(|| "null".to_owned(), |number| number.to_string());
        format!("{}: {number}", name(reference))
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
}

/// A reference by its local key.
fn name(reference: &Reference) -> String {
    match reference {
        Reference::Ref(address) => in_list(&address.key),
        Reference::Id(id) => quoted(&id.to_string()),
    }
}

/// A word between brackets, in quotes where it is more than letters, digits and `_`.
fn in_list(word: &str) -> String {
    let is_letter = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    if is_plain(word) && word.chars().all(is_letter) {
        word.to_owned()
    } else {
        quoted(&word.replace("${", "$${"))
    }
}

fn line(out: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(out, "{words}").expect("a string takes everything");
}

/// A key, quoted where YAML could take it for a number or a word of its own.
fn key(key: &Key) -> String {
    if is_plain(key.as_str()) { key.to_string() } else { quoted(key.as_str()) }
}

/// The text of a field in which `${` begins a variable.
fn field(text: &str) -> String {
    scalar(&text.replace("${", "$${"))
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// A prompt: one line, a block, or quoted lines.
fn text(prompt: &str) -> String {
    if !prompt.contains('\n') {
        scalar(prompt)
    } else if prompt.lines().all(is_block_line) {
        block(prompt)
    } else {
        quoted_lines(prompt)
    }
}

/// Whether a text means itself without quotes, wherever a value stands.
fn is_plain(text: &str) -> bool {
    let is_misread = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    text.starts_with(char::is_alphabetic)
        && !is_misread
        && !WORDS.contains(&text.to_lowercase().as_str())
        && !has_command(text)
        && text.chars().all(|c| c == ' ' || !c.is_whitespace())
        && !holds_hidden(text)
}

/// Whether a line can stand in a block, where nothing can be escaped.
fn is_block_line(line: &str) -> bool {
    let is_command = has_command(line) || line.trim_start().starts_with("::");
    !is_command && line.split('\t').all(|part| !holds_hidden(part))
}

/// Whether a CI system that reads this on its log would obey it (`##[...]`, `##vso[...]`).
fn has_command(text: &str) -> bool {
    text.contains("##[") || text.contains("##vso[")
}

/// A literal block below a field of a task; canonical text has no line break at its end.
fn block(prompt: &str) -> String {
    // A blank at its start would be taken for more indentation.
    let mut block = if prompt.starts_with(char::is_whitespace) { "|2-" } else { "|-" }.to_owned();
    for line in prompt.split('\n') {
        block.push_str(if line.is_empty() { "\n" } else { "\n      " });
        block.push_str(line);
    }
    block
}

/// Quotes over several lines: a backslash at the end of a line joins it to the next.
fn quoted_lines(prompt: &str) -> String {
    let mut quoted = "\"".to_owned();
    let last = prompt.split('\n').count() - 1;
    for (at, line) in prompt.split('\n').enumerate() {
        quoted.push_str("\\\n      ");
        let rest = match line.strip_prefix(' ') {
            // A reader drops blanks at the start of a line.
            Some(rest) => {
                quoted.push_str("\\x20");
                rest
            }
            None => line,
        };
        escape(rest, &mut quoted);
        quoted.push_str(if at < last { "\\n" } else { "\"" });
    }
    quoted
}

fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    escape(text, &mut quoted);
    quoted.push('"');
    quoted
}

/// Appends the inside of double quotes.
fn escape(text: &str, out: &mut String) {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let emoji = emoji_length(rest);
        let is_command = (c == '#' && (rest.starts_with("##[") || rest.starts_with("##vso[")))
            || (at == 0 && rest.starts_with("::"));
        at += emoji.max(c.len_utf8());
        let code = u32::from(c);
        let escaped = match c {
            _ if emoji > 0 => rest[..emoji].to_owned(),
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            _ if !is_command && !is_hidden(c) && (c == ' ' || !c.is_whitespace()) => c.to_string(),
            _ if code <= 0xff => format!("\\x{code:02X}"),
            _ if code <= 0xffff => format!("\\u{code:04X}"),
            _ => format!("\\U{code:08X}"),
        };
        out.push_str(&escaped);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::diag::Code;
    use crate::kinds::{AGENT, AGENT_ID, SYSTEM_PROMPT};
    use crate::manifest::{ExpandInputs, Source, Unreadable, parse};
    use crate::resource::Address;

    impl Source for Written {
        fn read(&self, path: &str) -> Result<String, Unreadable> {
            self.prompts.get(path).cloned().ok_or_else(|| format!("there is no `{path}`").into())
        }
    }

    fn outline(key: &str, name: &str, prompt: &str) -> Outline {
        let task = OutlineEntry {
            key: key.parse().unwrap(),
            object: Object::task(name, 47, "in-the ${web}: #interface", prompt),
            pin: Some(332),
        };
        let (organization_id, agents) = ("0123456789abcdef".to_owned(), Vec::new());
        Outline { organization_id, agents, tasks: vec![task] }
    }

    /// Writes, reads and compares; returns the text.
    fn read_back(outline: &Outline, prompts: Prompts) -> String {
        let written = write(outline, prompts);
        let text = &written.manifest;
        let (manifest, mut findings) =
            parse(Path::new("tasks.yaml"), text, &written, ExpandInputs::of(&|_| None));
        // What the service has is written, and may be warned of.
        let warned_of = [Code::UnknownTool, Code::SuspectText];
        findings.retain(|finding| !warned_of.contains(&finding.code));
        assert_eq!(findings, [], "{text}");
        assert_eq!(manifest.organization_id.as_deref(), Some(&*outline.organization_id), "{text}");
        assert_eq!(manifest.tasks.len(), outline.tasks.len(), "{text}");
        for task in &outline.tasks {
            let read = &manifest.tasks[&task.key];
            assert_eq!(read.object, task.object, "{text}");
            assert_eq!(read.pin.map(|id| id.0), task.pin, "{text}");
        }
        for agent in &outline.agents {
            let read = &manifest.agents[&agent.key];
            assert_eq!(read.object, agent.object, "{text}");
            assert_eq!(read.pin.map(|id| id.0), agent.pin, "{text}");
        }
        written.manifest
    }

    #[test]
    fn texts_are_written_as_plainly_as_they_can() {
        let texts = [
            "Build a strategy",
            "Two\nlines: of # text\n\n  - \"indented\"\n\ttab",
            "  starts with blanks\nand goes on",
            "\tstarts with a tab\nand goes on",
            "yes",
            "say \u{202e}\u{1b}[31m",
            "first\n::error::x\n  ::warning::y\n##[group]z\n---\n...\n# no comment",
            "",
            "- a list?",
            "{braces} and ${HOME}",
        ];
        let all: Vec<String> = texts
            .iter()
            .map(|text| {
                let text = read_back(&outline("k", "Name", text), Prompts::Inline);
                text.split_once("    prompt: ").unwrap().1.to_owned()
            })
            .collect();
        insta::assert_snapshot!(all.concat());
    }

    #[test]
    fn keys_that_look_like_numbers_or_words_are_quoted() {
        for key in
            ["1e5", "0x10", "0o7", "null", "true", "123", "nan", "übung", "a.b", "1.5", "7_0"]
        {
            read_back(&outline(key, "${NAME} $${x} $", "p"), Prompts::Files);
        }
    }

    #[test]
    fn prompts_of_more_than_three_lines_become_files() {
        let written = write(&outline("k", "n", "1\n2\n3\n4"), Prompts::Files);
        assert_eq!(
            Vec::from_iter(written.prompts),
            [("prompts/k.md".into(), "1\n2\n3\n4\n".into())]
        );
        assert!(write(&outline("k", "n", "1\n2\n3"), Prompts::Files).prompts.is_empty());
        read_back(&outline("k", "n", "1\n2\n3\n4"), Prompts::Files);
        read_back(&outline("k", "n", &"x".repeat(100_000)), Prompts::Inline);
        read_back(&outline("k", "n", &"long line: \n".repeat(10_000)), Prompts::Inline);
    }

    #[test]
    fn agents_are_written_with_their_lists_and_references() {
        let agent = |key: &str| Reference::Ref(Address { kind: AGENT.name, key: key.into() });
        let words = |words: &[&str]| Value::Set(words.iter().map(|word| (*word).into()).collect());
        let entry = |key: &str, id: u64, fields: &[(&str, Value)]| {
            let object = Object::agent(&format!("Agent {key}"));
            let object = fields
                .iter()
                .fold(object, |object, (name, value)| object.with(name, value.clone()));
            OutlineEntry { key: key.parse().unwrap(), object, pin: Some(id) }
        };
        let long = "1\n2\n3\n4";
        let agents = vec![
            entry(
                "a",
                1,
                &[
                    (SYSTEM_PROMPT, Value::text(Shape::LongText, long)),
                    ("description", Value::Text("two\nlines: #1 ${X}".into())),
                    ("reasoningEffort", Value::Text("extreme".into())),
                    ("maxTurns", Value::Integer(7)),
                    ("tools", words(&["a, b", "create_backtest", "null", "x: y", "é"])),
                    ("public", Value::Flag(false)),
                    ("node", Value::Integer(0)),
                    (
                        "chainedAgents",
                        Value::references([(agent("c"), Some(1)), (agent("b"), Some(2))]),
                    ),
                    ("subAgents", Value::references([(agent("1e5"), Some(2)), (agent("b"), None)])),
                ],
            ),
            entry(
                "b",
                2,
                &[
                    (SYSTEM_PROMPT, Value::Text("".into())),
                    ("tools", words(&[])),
                    (
                        "chainedAgents",
                        Value::references([(agent("c"), Some(3)), (agent("a"), Some(3))]),
                    ),
                    ("subAgents", Value::references([])),
                ],
            ),
            entry("c", 3, &[]),
            entry("1e5", 4, &[]),
        ];
        let mut outline = outline("k", "n", "p");
        let by_key = Value::Ref(Box::new(Address { kind: AGENT.name, key: "1e5".into() }));
        outline.tasks[0].object = outline.tasks[0].object.with(AGENT_ID, by_key);
        outline.agents = agents;
        insta::assert_snapshot!(read_back(&outline, Prompts::Files));
        read_back(&outline, Prompts::Inline);
        let files = Vec::from_iter(write(&outline, Prompts::Files).prompts);
        assert_eq!(files, [("agents/a.md".to_owned(), format!("{long}\n"))]);
    }

    #[test]
    fn nothing_hidden_and_no_command_is_written() {
        let hostile = "a\u{202e}b\n::error::x\n##vso[x]\n\u{feff}\u{200d}\u{85}\u{2028}y";
        for prompt in [hostile, "::error::x", "##[x]"] {
            let text = read_back(&outline("k", "\u{1f600}\u{200b}::n", prompt), Prompts::Inline);
            assert!(!text.lines().any(holds_hidden), "{text:?}");
            assert!(!text.contains("##") && !text.lines().any(|l| l.trim().starts_with("::")));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(
            name in r#"(\PC|[\u{200b}\u{202e}"'\\${}#:,&*!|>%@`~-]|: | #){1,20}"#,
            prompt in r#"(?s)(.|\PC|[ \t\n\r"'\\${}#:\-|>&*!?%@]|\n\n|\n  |\n\t|: | #|\n---|\n::){0,40}"#,
            key in "[a-z0-9][a-z0-9.e_-]{0,6}",
        ) {
            let name = format!("x{name}y");
            read_back(&outline(&key, &name, &prompt), Prompts::Inline);
            read_back(&outline(&key, name.trim(), &prompt), Prompts::Files);
        }
    }
}
