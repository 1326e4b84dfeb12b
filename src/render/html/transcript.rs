//! A conversation as a page: turns, with tools and thoughts folded.

use maud::{Markup, html};

use crate::render::escape::Untrusted;
use crate::render::html::page::page;
use crate::render::html::plan::text;
use crate::render::transcript::{Title, heading, tool};
use crate::transcript::{Message, Part, ToolCall, Transcript};

/// Returns a conversation as a page.
pub fn transcript(title: Title<'_>, transcript: &Transcript) -> String {
    let heading = heading(title, transcript);
    let body = html! {
        header {
            h1 { "qcops transcript" }
            p.verdict { (heading) }
        }
        main { (turns(&transcript.messages, "")) }
    };
    page(&format!("qcops: {heading}"), &body)
}

/// Turns with their numbers, behind those of the turn they stand in.
pub(super) fn turns(messages: &[Message], of: &str) -> Markup {
    html! {
        @for (number, message) in (1..).zip(messages) {
            (turn(&format!("{of}{number}"), message))
        }
    }
}

fn turn(number: &str, message: &Message) -> Markup {
    // The role is the service's word; only ours become attributes.
    let who = ["user", "assistant"].into_iter().find(|role| message.is_of(role)).unwrap_or("other");
    let role = Untrusted::new(message.role.as_deref().unwrap_or("nobody named"));
    html! {
        section.turn data-who=(who) tabindex="-1" {
            h2 {
                "Turn " (number) " " span.role { (role.part()) }
                @if let Some(time) = &message.time {
                    " " span.time { (Untrusted::new(time.as_str()).part()) }
                }
            }
            @for part in message.parts.iter().flatten() { (piece(part, number)) }
            @if message.parts.is_none() { p.reason { "Its parts were not shown." } }
        }
    }
}

fn piece(part: &Part, of: &str) -> Markup {
    let inner = |messages: &[Message]| turns(messages, &format!("{of}."));
    match part {
        Part::Text(words) => text(&Untrusted::new(words.as_str())),
        Part::Reasoning(words) => folded("thinks", &text(&Untrusted::new(words.as_str()))),
        Part::Step => html! {},
        Part::Tool(call) => html! { (tool_call(call)) (inner(&call.messages)) },
        Part::Other { kind, json, messages } => {
            let kind = Untrusted::new(kind.as_deref().unwrap_or("part of no type")).part();
            html! { (folded(&kind, &text(&Untrusted::new(json.as_str())))) (inner(messages)) }
        }
    }
}

fn tool_call(call: &ToolCall) -> Markup {
    let given = |what: &str, json: &Option<String>| {
        html! {
            @if let Some(json) = json { p.reason { (what) } (text(&Untrusted::new(json.as_str()))) }
        }
    };
    folded(&tool(call), &html! { (given("in", &call.input)) (given("out", &call.output)) })
}

fn folded(title: &str, body: &Markup) -> Markup {
    html! { details.fold { summary { (title) } div.body { (body) } } }
}
