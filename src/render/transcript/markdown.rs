//! A conversation as Markdown: every word of it stands in fences that nothing in it can close.

use std::fmt::{self, Write};

use crate::render::escape::{as_it_is, write_line, write_part};
use crate::render::transcript::{Title, heading, tool};
use crate::transcript::{Message, Part, Transcript};

/// Writes a conversation as Markdown.
pub fn markdown(title: Title<'_>, transcript: &Transcript, out: &mut dyn Write) -> fmt::Result {
    fenced("# Transcript", &[("", &heading(title, transcript))], out)?;
    turns(&transcript.messages, "", out)
}

/// Writes as Markdown that a conversation cannot be read, and why.
pub fn unread(title: Title<'_>, why: &str, out: &mut dyn Write) -> fmt::Result {
    fenced("# Transcript", &[("", &heading(title, &Transcript::default()))], out)?;
    fenced("It cannot be read. The JSON form holds all that was shown.", &[("", why)], out)
}

fn turns(messages: &[Message], of: &str, out: &mut dyn Write) -> fmt::Result {
    for (number, message) in (1..).zip(messages) {
        // The role is the service's word: it stands in the fence and not in the heading.
        let who = match message.role.as_deref() {
            Some("user") => "user",
            Some("assistant") => "assistant",
            _ => "somebody",
        };
        writeln!(out, "\n## Turn {of}{number}: {who}\n")?;
        let inner = format!("{of}{number}.");
        for part in message.parts.iter().flatten() {
            match part {
                Part::Text(text) => fenced("", &[("", text)], out)?,
                Part::Reasoning(text) => fenced("Thinks:", &[("", text)], out)?,
                Part::Step => {}
                Part::Tool(call) => {
                    let input = call.input.as_deref().unwrap_or("nothing");
                    let output = call.output.as_deref().unwrap_or("nothing");
                    let name = tool(call);
                    let parts = [("", name.as_str()), ("in: ", input), ("out: ", output)];
                    fenced("Tool:", &parts, out)?;
                    turns(&call.messages, &inner, out)?;
                }
                Part::Other { json, messages, .. } => {
                    fenced("Other:", &[("", json)], out)?;
                    turns(messages, &inner, out)?;
                }
            }
        }
    }
    Ok(())
}

/// Writes texts, each behind a word of the program, between fences longer than any run of backticks in them.
fn fenced(title: &str, parts: &[(&str, &str)], out: &mut dyn Write) -> fmt::Result {
    let run = |text: &str| text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let longest = parts.iter().map(|(_, text)| run(text)).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    if !title.is_empty() {
        writeln!(out, "{title}\n")?;
    }
    writeln!(out, "{fence}text")?;
    for (word, text) in parts {
        out.write_str(word)?;
        for (at, line) in text.lines().enumerate() {
            if at == 0 && !word.is_empty() {
                write_part(line, as_it_is, out)?;
            } else {
                write_line(line, as_it_is, out)?;
            }
            out.write_char('\n')?;
        }
        if text.is_empty() && !word.is_empty() {
            out.write_char('\n')?;
        }
    }
    writeln!(out, "{fence}\n")
}
