//! Conversations (contract 8): the largest answers, and the least documented.
//!
//! Every object is read by itself from the bytes it was, so that one odd part costs nothing else and
//! unknown parts are kept as they are. Whether a conversation is known at all is told apart from
//! whether it is empty: a null proves nothing.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::wire::ReplyBody;
use crate::api::wire::loose::{LooseField, LooseLines, LooseText, Number};
use crate::model::grouped;
use crate::transcript::{Message, Part, ToolCall, Transcript};

/// How deep agents may call agents before what they say is kept as JSON alone.
///
/// Each level is read again with the one around it, so the cost grows with the square of this.
const DEEPEST: usize = 8;

/// How many messages and parts a conversation may have, and values where all of it is kept.
///
/// Ten times what an agent says in a day of work. Each takes some hundred bytes, however few of the
/// answer it was, so that without a limit an answer of megabytes would take gigabytes.
const MOST: usize = 250_000;
const MOST_VALUES: usize = 1_000_000;

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
    let left = Left::new(Some(MOST));
    let messages = elements(messages, &left).map(|messages| {
        messages.into_iter().map(|raw| message(raw, 0, &left)).collect::<Vec<Message>>()
    });
    if left.get().is_none() {
        let most = grouped(MOST as u64);
        return Err(format!("the conversation has more than {most} messages and parts"));
    }
    Ok(Transcript {
        messages: messages.ok_or("the `messages` of the conversation are no list")?,
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
    if value_count(raw.get()) > MOST_VALUES {
        let most = grouped(MOST_VALUES as u64);
        return Err(format!("the `conversation` cannot be kept: it has more than {most} values"));
    }
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

/// How many messages and parts may still be read; `None` once there were more.
type Left = Cell<Option<usize>>;

/// Reads a list, and no more of it than is left.
fn elements<'a>(raw: &'a RawValue, left: &Left) -> Option<Vec<&'a RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    Elements(left).deserialize(&mut reader).ok()
}

struct Elements<'l>(&'l Left);

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            self.0.set(self.0.get().and_then(|left| left.checked_sub(1)));
            if self.0.get().is_none() {
                return Err(A::Error::custom("too many"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// At most how many values a JSON text has.
fn value_count(json: &str) -> usize {
    json.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() + 1
}

fn message(raw: &RawValue, depth: usize, left: &Left) -> Message {
    let Some(wire) = object::<MessageWire<'_>>(raw) else {
        let json = raw.get().to_owned();
        let odd = Part::Other { kind: None, json, messages: Vec::new() };
        return Message { role: None, time: None, parts: Some(vec![odd]) };
    };
    let parts = wire.parts.and_then(|parts| elements(parts, left));
    Message {
        role: wire.role.value().map(Cow::into_owned),
        time: wire.time.value().map(Cow::into_owned),
        parts: parts.map(|parts| parts.into_iter().map(|raw| part(raw, depth, left)).collect()),
    }
}

fn part(raw: &RawValue, depth: usize, left: &Left) -> Part {
    let other = |kind, messages| Part::Other { kind, json: raw.get().to_owned(), messages };
    let Some(wire) = object::<PartWire<'_>>(raw) else { return other(None, Vec::new()) };
    let kind = wire.kind.value().map(Cow::into_owned);
    let inner = wire.messages.filter(|_| depth < DEEPEST);
    let inner = inner.and_then(|inner| elements(inner, left)).unwrap_or_default();
    let inner = inner.into_iter().map(|raw| message(raw, depth + 1, left));
    let messages: Vec<Message> = inner.collect();
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
    fn more_messages_and_parts_than_fit_are_no_conversation() {
        let many = |element: &str, count: usize| vec![element; count].join(",");
        let messages = |all: &str| format!(r#"{{"conversation":{{"messages":[{all}]}}}}"#);
        let kinds = [
            messages(&many("{}", MOST + 1)),
            messages(&many("7", MOST + 1)),
            messages(&format!(r#"{{"parts":[{}]}}"#, many("{}", MOST))),
            messages(&format!(r#"{{"parts":[{}]}}"#, many("null", MOST))),
            messages(&many(r#"{"parts":[{},{}]}"#, MOST / 2)),
            messages(&format!(r#"{{"parts":[{{"messages":[{}]}}]}}"#, many("{}", MOST))),
        ];
        for body in kinds {
            let why = seen(&body).unwrap_err();
            assert!(why.ends_with("more than 250,000 messages and parts"), "{why}: {body:.60}");
        }
        assert_eq!(seen(&messages(&many("{}", MOST))).unwrap().messages.len(), MOST);
        let body = messages(&many("[]", MOST_VALUES));
        let reply = ReplyBody::parse(body.as_bytes()).expect("an object");
        assert!(whole_conversation(&reply).unwrap_err().contains("more than 1,000,000 values"));
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
