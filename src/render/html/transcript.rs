//! A conversation as a page: turns, with tools and thoughts folded.
//!
//! Written piece by piece: a conversation may be long, and HTML several times as long as what it shows.

use std::fmt::{self, Write};

use maud::{Escaper, Markup, PreEscaped, html};

use crate::render::escape::{Untrusted, write_line};
use crate::render::html::page::{Keys, write as write_page};
use crate::render::transcript::{Title, heading, tool};
use crate::transcript::{Message, Part, ToolCall, Transcript};

/// Writes a conversation as a page.
pub fn transcript(title: Title<'_>, said: &Transcript, out: &mut dyn Write) -> fmt::Result {
    let heading = heading(title, said);
    let places = !said.messages.is_empty();
    let folds = said.messages.iter().flat_map(|message| message.parts.iter().flatten());
    let folds = folds.into_iter().any(|part| !matches!(part, Part::Text(_) | Part::Step));
    let body = |out: &mut dyn Write| {
        let head = html! { header { h1 { "qcops transcript" } p.verdict { (heading) } } };
        write!(out, "{}<main>", head.0)?;
        write_turns(&said.messages, "", out)?;
        out.write_str("</main>")
    };
    write_page(&format!("qcops: {heading}"), Keys { filter: false, places, folds }, body, out)
}

/// Turns with their numbers, as a part of a page.
pub(super) fn turns(messages: &[Message]) -> Markup {
    let mut markup = String::new();
    write_turns(messages, "", &mut markup).expect("a string takes everything");
    PreEscaped(markup)
}

/// Turns with their numbers, behind those of the turn they stand in.
fn write_turns(messages: &[Message], of: &str, out: &mut dyn Write) -> fmt::Result {
    for (number, message) in (1..).zip(messages) {
        write_turn(&format!("{of}{number}"), message, out)?;
    }
    Ok(())
}

fn write_turn(number: &str, message: &Message, out: &mut dyn Write) -> fmt::Result {
    // The role is the service's word; only ours become attributes.
    let who = ["user", "assistant"].into_iter().find(|role| message.is_of(role)).unwrap_or("other");
    let role = Untrusted::new(message.role.as_deref().unwrap_or("nobody named")).part();
    let head = html! {
        h2 {
            "Turn " (number) " " span.role { (role) }
            @if let Some(time) = &message.time {
                " " span.time { (Untrusted::new(time.as_str()).part()) }
            }
        }
    };
    write!(out, "<section class=\"turn\" data-who=\"{who}\" tabindex=\"-1\">{}", head.0)?;
    for part in message.parts.iter().flatten() {
        write_piece(part, number, out)?;
    }
    if message.parts.is_none() {
        out.write_str(&html! { p.reason { "Its parts were not shown." } }.0)?;
    }
    out.write_str("</section>")
}

fn write_piece(part: &Part, of: &str, out: &mut dyn Write) -> fmt::Result {
    let inner =
        |messages: &[Message], out: &mut dyn Write| write_turns(messages, &format!("{of}."), out);
    match part {
        Part::Text(words) => write_text(words, out),
        Part::Reasoning(words) => folded("thinks", false, |out| write_text(words, out), out),
        Part::Step => Ok(()),
        Part::Tool(call) => {
            let is_failed = call.success == Some(false);
            folded(&tool(call), is_failed, |out| write_call(call, out), out)?;
            inner(&call.messages, out)
        }
        Part::Other { kind, json, messages } => {
            let kind = Untrusted::new(kind.as_deref().unwrap_or("part of no type")).part();
            folded(&kind, false, |out| write_text(json, out), out)?;
            inner(messages, out)
        }
    }
}

fn write_call(call: &ToolCall, out: &mut dyn Write) -> fmt::Result {
    for (what, json) in [("in", &call.input), ("out", &call.output)] {
        if let Some(json) = json {
            out.write_str(&html! { p.reason { (what) } }.0)?;
            write_text(json, out)?;
        }
    }
    Ok(())
}

fn folded(
    title: &str,
    is_failed: bool,
    body: impl FnOnce(&mut dyn Write) -> fmt::Result,
    out: &mut dyn Write,
) -> fmt::Result {
    let kind = if is_failed { " data-end=\"failed\"" } else { "" };
    let head = html! { summary { (title) } };
    write!(out, "<details class=\"fold\"{kind}>{}<div class=\"body\">", head.0)?;
    body(out)?;
    out.write_str("</div></details>")
}

/// A text of several lines.
fn write_text(words: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_str("<div class=\"text\">")?;
    for (at, words) in words.lines().enumerate() {
        if at > 0 {
            out.write_char('\n')?;
        }
        write_line(words, escaped, out)?;
    }
    out.write_str("</div>")
}

fn escaped(safe: &str, out: &mut dyn Write) -> fmt::Result {
    let mut markup = String::with_capacity(safe.len() + safe.len() / 8);
    Escaper::new(&mut markup).write_str(safe)?;
    out.write_str(&markup)
}
