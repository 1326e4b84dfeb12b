//! Conversations (contract 8): the largest answers, and the least documented.
//!
//! Every object is read by itself from the bytes it was, so that one odd part costs nothing else and
//! unknown parts are kept as they are. Whether a conversation is known at all is told apart from
//! whether it is empty: a null proves nothing.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::wire::ReplyBody;
use crate::api::wire::loose::{LooseField, LooseLines, LooseText, Number};
use crate::transcript::{Message, Part, ToolCall, Transcript};

/// How deep agents may call agents before what they say is kept as JSON alone.
///
/// Each level is read again with the one around it, so the cost grows with the square of this.
const DEEPEST: usize = 8;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConversationWire<'a> {
    #[serde(borrow)]
    messages: Raw<'a>,
    input_tokens: LooseField<Number>,
    output_tokens: LooseField<Number>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageWire<'a> {
    #[serde(borrow)]
    role: LooseText<'a>,
    #[serde(borrow)]
    time: LooseText<'a>,
    #[serde(borrow)]
    parts: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartWire<'a> {
    #[serde(borrow, rename = "type")]
    kind: LooseText<'a>,
    #[serde(borrow)]
    text: LooseText<'a>,
    #[serde(borrow)]
    state: LooseText<'a>,
    #[serde(borrow)]
    tool_name: LooseText<'a>,
    #[serde(borrow)]
    error_text: LooseText<'a>,
    #[serde(borrow)]
    input: Raw<'a>,
    #[serde(borrow)]
    output: Raw<'a>,
    #[serde(borrow)]
    messages: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OutputWire<'a> {
    #[serde(borrow)]
    structured_content: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResultWire {
    success: LooseField<bool>,
    errors: LooseField<LooseLines>,
}

/// Returns the conversation of an answer, or why it is not known.
pub(crate) fn conversation(reply: &ReplyBody<'_>) -> Result<Transcript, String> {
    read(reply.conversation.ok_or("the answer has no `conversation`, or it is null")?)
}

fn read(raw: &RawValue) -> Result<Transcript, String> {
    let wire: ConversationWire<'_> =
        object(raw).ok_or("the `conversation` of the answer is no object")?;
    let messages = wire.messages.ok_or("the conversation has no `messages`")?;
    let messages = elements(messages).ok_or("the `messages` of the conversation are no list")?;
    Ok(Transcript {
        messages: messages.into_iter().map(|raw| message(raw, 0)).collect(),
        input_tokens: wire.input_tokens.value().map(|count| count.0),
        output_tokens: wire.output_tokens.value().map(|count| count.0),
    })
}

/// A conversation as the service keeps it, tokens masked.
#[derive(Clone, Debug)]
pub struct WholeConversation {
    /// All of it.
    pub json: serde_json::Value,
    /// What was said, read off it, or why that cannot be told.
    pub said: Result<Transcript, String>,
}

/// Returns the conversation of an answer, its secrets taken out, or why there is none.
///
/// A conversation that is null or missing is unknown, not empty (contract 8).
pub(crate) fn whole_conversation(reply: &ReplyBody<'_>) -> Result<WholeConversation, String> {
    let raw = reply.conversation.ok_or("the answer has no `conversation`")?;
    let mut json = serde_json::from_str(raw.get())
        .map_err(|error| format!("the `conversation` cannot be kept: {error}"))?;
    mask_tokens(&mut json);
    let masked = serde_json::value::to_raw_value(&json);
    let said = masked.map_err(|error| error.to_string()).and_then(|masked| read(&masked));
    Ok(WholeConversation { json, said })
}

/// Masks whatever stands under `token`, wherever it is (contract 15.9).
fn mask_tokens(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                if key.eq_ignore_ascii_case("token") {
                    *value = "(masked)".into();
                } else {
                    mask_tokens(value);
                }
            }
        }
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(mask_tokens),
        _ => {}
    }
}

/// Reads an object and nothing else: derived code would take an array too.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    let text = raw.get();
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn message(raw: &RawValue, depth: usize) -> Message {
    let Some(wire) = object::<MessageWire<'_>>(raw) else {
        let json = raw.get().to_owned();
        let odd = Part::Other { kind: None, json, messages: Vec::new() };
        return Message { role: None, time: None, parts: Some(vec![odd]) };
    };
    let parts = wire.parts.and_then(elements);
    Message {
        role: wire.role.value().map(Cow::into_owned),
        time: wire.time.value().map(Cow::into_owned),
        parts: parts.map(|parts| parts.into_iter().map(|raw| part(raw, depth)).collect()),
    }
}

fn part(raw: &RawValue, depth: usize) -> Part {
    let other = |kind, messages| Part::Other { kind, json: raw.get().to_owned(), messages };
    let Some(wire) = object::<PartWire<'_>>(raw) else { return other(None, Vec::new()) };
    let kind = wire.kind.value().map(Cow::into_owned);
    let inner = wire.messages.filter(|_| depth < DEEPEST).and_then(elements).unwrap_or_default();
    let messages: Vec<Message> = inner.into_iter().map(|raw| message(raw, depth + 1)).collect();
    let text = wire.text.value().map(Cow::into_owned);
    match (kind.as_deref(), text) {
        (Some("text"), Some(text)) => Part::Text(text),
        (Some("reasoning"), Some(text)) => Part::Reasoning(text),
        (Some("step-start"), None) => Part::Step,
        (Some(tool), _) if tool == "dynamic-tool" || tool.starts_with("tool-") => {
            let named = wire.tool_name.value().map(Cow::into_owned);
            let name = named.or_else(|| tool.strip_prefix("tool-").map(str::to_owned));
            let state = wire.state.value().map(Cow::into_owned);
            let result = wire.output.and_then(result);
            let mut success = result.as_ref().and_then(|result| result.0);
            let mut errors = result.map(|result| result.1).unwrap_or_default();
            if state.as_deref() == Some("output-error") {
                success = success.or(Some(false));
                errors.extend(wire.error_text.value().map(Cow::into_owned));
            }
            Part::Tool(ToolCall {
                name: name.unwrap_or_default(),
                state,
                input: wire.input.map(|raw| raw.get().to_owned()),
                output: wire.output.map(|raw| raw.get().to_owned()),
                success,
                errors,
                messages,
            })
        }
        _ => other(kind, messages),
    }
}

/// What a tool says of its own success, in its structured content or right in its output.
fn result(output: &RawValue) -> Option<(Option<bool>, Vec<String>)> {
    let wire: OutputWire<'_> = object(output)?;
    let inner = wire.structured_content.filter(|raw| raw.get().starts_with('{'));
    let result: ResultWire = object(inner.unwrap_or(output))?;
    let errors = result.errors.value().map(|lines| lines.0).unwrap_or_default();
    Some((result.success.value(), errors))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(body: &str) -> Result<Transcript, String> {
        conversation(&ReplyBody::parse(body.as_bytes()).expect("an object"))
    }

    fn parts(json: &str) -> Vec<Part> {
        let body =
            format!(r#"{{"conversation":{{"messages":[{{"role":"assistant","parts":{json}}}]}}}}"#);
        seen(&body).unwrap().messages.remove(0).parts.unwrap()
    }

    #[test]
    fn what_is_not_shown_is_unknown_and_not_empty() {
        for body in [
            "{}",
            r#"{"conversation":null}"#,
            r#"{"conversation":[]}"#,
            r#"{"conversation":"x"}"#,
            r#"{"conversation":{}}"#,
            r#"{"conversation":{"messages":null}}"#,
            r#"{"conversation":{"messages":{"0":{}}}}"#,
        ] {
            assert!(seen(body).is_err(), "{body}");
        }
        let empty = seen(r#"{"conversation":{"messages":[],"inputTokens":null}}"#).unwrap();
        assert_eq!((empty.messages.len(), empty.tokens()), (0, None));
        let blind = seen(r#"{"conversation":{"messages":[{"role":"user"},7]}}"#).unwrap();
        assert_eq!(blind.messages[0].parts, None);
        assert_eq!(blind.messages[1].role, None);
    }

    #[test]
    fn tools_tell_their_success_and_odd_parts_are_kept_whole() {
        let seen = parts(
            r#"[{"type":"text","text":"a"},{"type":"step-start"},{"type":"reasoning","text":"r"},
            {"type":"dynamic-tool","toolName":"t","state":"output-available","input":7,
             "output":{"structuredContent":{"success":false,"errors":["e"]}}},
            {"type":"tool-x","output":"text"},{"type":"dynamic-tool","toolName":"u","state":"output-error","errorText":"w"},
            {"type":"data-chart","points":[1,2]},{"type":"text"},null]"#,
        );
        let tool = |at: usize| match &seen[at] {
            Part::Tool(call) => (&*call.name, call.success, call.errors.join(",")),
            other => panic!("{other:?}"),
        };
        assert_eq!(seen[..3], [Part::Text("a".into()), Part::Step, Part::Reasoning("r".into())]);
        assert_eq!(tool(3), ("t", Some(false), "e".to_owned()));
        assert_eq!(tool(4), ("x", None, String::new()));
        assert_eq!(tool(5), ("u", Some(false), "w".to_owned()));
        assert!(
            matches!(&seen[6], Part::Other { kind: Some(kind), json, .. } if kind == "data-chart" && json.contains("[1,2]"))
        );
        assert!(matches!(&seen[7], Part::Other { .. }) && matches!(&seen[8], Part::Other { .. }));
    }

    #[test]
    fn agents_that_call_agents_are_heard_down_to_a_bound() {
        let mut inner = r#"{"type":"text","text":"deep"}"#.to_owned();
        for _ in 0..200 {
            inner = format!(
                r#"{{"type":"dynamic-tool","toolName":"t","messages":[{{"role":"assistant","parts":[{inner}]}}]}}"#
            );
        }
        let body = format!(
            r#"{{"conversation":{{"messages":[{{"role":"assistant","parts":[{inner}]}}]}}}}"#
        );
        let transcript = seen(&body).unwrap();
        assert_eq!(transcript.tool_calls().len(), DEEPEST + 1);
    }

    #[test]
    fn twenty_megabytes_are_read() {
        let text = "x".repeat(1_000);
        let message =
            format!(r#"{{"role":"assistant","parts":[{{"type":"text","text":"{text}"}}]}}"#);
        let all = vec![message; 20_000].join(",");
        let transcript = seen(&format!(r#"{{"conversation":{{"messages":[{all}]}}}}"#)).unwrap();
        assert_eq!(transcript.messages.len(), 20_000);
    }

    proptest! {
        #[test]
        fn arbitrary_values_in_known_places_never_panic(
            field in "(role|time|parts|type|text|state|toolName|input|output|messages)",
            value in r#"(null|true|-1|1e400|""|"\\ud83d"|\[\]|\[null,1\]|\{"structuredContent":[1]\}|"[^"\\\x00-\x1f]{0,20}")"#,
        ) {
            for body in [
                format!(r#"{{"conversation":{{"messages":[{{"{field}":{value}}},{value}]}}}}"#),
                format!(r#"{{"conversation":{{"messages":[{{"role":"user","parts":[{{"type":"dynamic-tool","{field}":{value}}},{value}]}}]}}}}"#),
            ] {
                if let Ok(reply) = ReplyBody::parse(body.as_bytes()) {
                    drop(conversation(&reply).map(|seen| (seen.user_turns(), seen.tool_calls().len())));
                }
            }
        }
    }
}
