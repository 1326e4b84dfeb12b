//! Bodies of requests and answers, as the service writes them.
//!
//! Requests hold documented, non-null fields only (contract 15.9). Answers are read tolerantly
//! (contract 15.5) in one pass from bytes to typed fields: whatever is missing, null or of another
//! type is remembered as such, so that unknown is never taken for empty.

mod conversation;
mod loose;
mod paging;
mod request;
mod rows;
mod seen;
mod tasks;
mod time;

pub use conversation::WholeConversation;
pub(super) use conversation::{conversation, whole_conversation};
pub(super) use request::{
    AgentOnly, Create, DeploymentOnly, Nothing, OrganizationOnly, PromptDeployment, TaskOnly,
    Update,
};
pub(super) use seen::{
    agent, agent_listing, created_deployment, deployment, deployment_listing, task, task_listing,
};

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::resource::ObjectInterner;
use loose::{List, LooseField, LooseLines};
use paging::{Beside, Paging};
use seen::{AgentWire, DebugWire, DeploymentWire};
use tasks::{BesideTasks, TaskMembers};

/// An answer's JSON object: the envelope, and every payload the program reads (contract 1.1).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReplyBody<'a> {
    success: LooseField<bool>,
    errors: LooseField<LooseLines>,
    messages: LooseField<LooseLines>,
    #[serde(rename = "Message")]
    message: LooseField<LooseLines>,
    agent: LooseField<AgentWire>,
    agents: LooseField<List<AgentWire>>,
    #[serde(borrow)]
    deployment: LooseField<DeploymentWire<'a>>,
    #[serde(borrow)]
    deployments: LooseField<List<DeploymentWire<'a>>>,
    #[serde(borrow)]
    debug: LooseField<DebugWire<'a>>,
    /// Null where it is absent too: neither is known.
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    /// What beside a list says that it is not all.
    #[serde(skip)]
    paging: Paging,
    /// Its tasks.
    #[serde(skip)]
    tasks: TaskMembers,
}

/// Why a body is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnreadableReply {
    /// There is none.
    #[error("the body is empty")]
    Empty,
    /// It is something else, or JSON of another kind.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// It begins like one.
    #[error("the body is broken JSON")]
    Broken {
        /// Where and how.
        source: serde_json::Error,
    },
}

impl<'a> ReplyBody<'a> {
    /// Reads a body; whatever bytes it holds, this neither panics nor recurses with their depth.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, UnreadableReply> {
        Self::parse_interned(body, &ObjectInterner::default())
    }

    /// Reads a body as [`Self::parse`] does; tasks that are interned are shared.
    pub(super) fn parse_interned(
        body: &'a [u8],
        interner: &ObjectInterner,
    ) -> Result<Self, UnreadableReply> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        match body.first() {
            None => Err(UnreadableReply::Empty),
            Some(b'{') => {
                let mut reader = serde_json::Deserializer::from_slice(body);
                let reply = reader.deserialize_map(ReplyVisitor(interner));
                let reply = reply.and_then(|reply| reader.end().map(|()| reply));
                reply.map_err(|source| UnreadableReply::Broken { source })
            }
            Some(_) => Err(UnreadableReply::NotAnObject),
        }
    }

    /// What `success` says; `None` where it is absent or no boolean.
    pub(super) fn success(&self) -> Option<bool> {
        match self.success {
            LooseField::Is(success) => Some(success),
            _ => None,
        }
    }

    /// What a success complains of all the same.
    pub(super) fn complaint(&self) -> Option<String> {
        match &self.errors {
            LooseField::Is(lines) if !lines.0.is_empty() => Some(lines.0.join("; ")),
            _ => None,
        }
    }

    /// The service's own error texts, from whichever member holds some (contract 6.1).
    pub(super) fn texts(&self) -> Vec<String> {
        [&self.errors, &self.messages, &self.message]
            .into_iter()
            .find_map(|field| match field {
                LooseField::Is(lines) if !lines.0.is_empty() => Some(lines.0.clone()),
                _ => None,
            })
            .unwrap_or_default()
    }
}

/// Reads an answer, and what it says of more beside a list.
struct ReplyVisitor<'i>(&'i ObjectInterner);

impl<'de> Visitor<'de> for ReplyVisitor<'_> {
    type Value = ReplyBody<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReplyBody<'de>, A::Error> {
        let (mut paging, mut tasks) = (Paging::default(), TaskMembers::default());
        let map = Beside { found: &mut paging, map };
        let map = BesideTasks { found: &mut tasks, interner: self.0, map };
        let reply = ReplyBody::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ReplyBody { paging, tasks, ..reply })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{OrganizationId, TaskId};

    #[test]
    fn error_texts_are_found_wherever_the_service_puts_them() {
        let table: [(&str, &[&str]); 7] = [
            (r#"{"errors":["a","b"]}"#, &["a", "b"]),
            (r#"{"errors":"a"}"#, &["a"]),
            (r#"{"errors":null,"messages":["m"]}"#, &["m"]),
            (r#"{"errors":[],"Message":"Internal Error 21"}"#, &["Internal Error 21"]),
            (r#"{"errors":[null,7,"x",{"y":1}]}"#, &["x"]),
            (r#"{"errors":{"a":"b"}}"#, &["b"]),
            (r#"{"success":false}"#, &[]),
        ];
        for (body, expected) in table {
            assert_eq!(ReplyBody::parse(body.as_bytes()).unwrap().texts(), expected, "{body}");
        }
    }

    #[test]
    fn only_a_boolean_says_success() {
        let table = [
            (r#"{"success":true}"#, Some(true)),
            ("\u{feff} {\"success\":false}\n", Some(false)),
            (r#"{"success":"true"}"#, None),
            (r#"{"success":1}"#, None),
            (r#"{"success":null}"#, None),
            ("{}", None),
        ];
        for (body, expected) in table {
            assert_eq!(ReplyBody::parse(body.as_bytes()).unwrap().success(), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_unreadable() {
        for body in ["", " ", "null", "[true]", "\"x\"", "<html>", "{", r#"{"success":true"#, "{}x"]
        {
            assert!(ReplyBody::parse(body.as_bytes()).is_err(), "{body}");
        }
        let twice = br#"{"success":true,"success":false}"#;
        assert!(ReplyBody::parse(twice).is_err(), "a key given twice");
    }

    #[test]
    fn a_word_of_more_that_cannot_be_read_breaks_no_answer() {
        for value in ["1e400", r#""\ud800""#, r#"{"total":1e400}"#, r#"[["\ud800"]]"#] {
            for name in ["count", "next", "meta"] {
                let body = format!(r#"{{"{name}":{value},"success":true}}"#);
                let reply = ReplyBody::parse(body.as_bytes()).unwrap();
                assert_eq!(reply.success(), Some(true), "{body}");
            }
        }
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_hides_the_rest() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        for levels in [20, 100_000] {
            let body = format!(r#"{{"unknown":{},"success":true}}"#, deep(levels));
            assert_eq!(
                ReplyBody::parse(body.as_bytes()).unwrap().success(),
                Some(true),
                "{levels}"
            );
            let body = format!(r#"{{"task":{{"id":1,"name":{}}},"success":true}}"#, deep(levels));
            assert!(ReplyBody::parse(body.as_bytes()).is_ok(), "{levels}");
        }
    }

    #[test]
    fn a_conversation_is_kept_but_for_its_tokens() {
        let body =
            br#"{"conversation":{"agents":[{"token":"secret","name":"A"}],"inputTokens":7}}"#;
        let kept = whole_conversation(&ReplyBody::parse(body).unwrap()).unwrap();
        let expected = r#"{"agents":[{"token":"(masked)","name":"A"}],"inputTokens":7}"#;
        assert_eq!(kept.json.to_string(), expected);
        assert!(kept.said.unwrap_err().contains("no `messages`"));
        let body = br#"{"conversation":{"messages":[{"parts":[{"token":"secret"}]}]}}"#;
        let kept = whole_conversation(&ReplyBody::parse(body).unwrap()).unwrap();
        assert!(!format!("{kept:?}").contains("secret"), "{kept:?}");
        for none in ["{}", r#"{"conversation":null}"#] {
            assert!(
                whole_conversation(&ReplyBody::parse(none.as_bytes()).unwrap()).is_err(),
                "{none}"
            );
        }
    }

    fn see_everything(bytes: &[u8]) {
        let org = OrganizationId("o".to_owned());
        let read = || ReplyBody::parse(bytes).ok();
        drop(read().map(|reply| reply.texts()));
        drop(read().map(|reply| task_listing(reply, &org)));
        drop(read().map(|reply| task(reply, &org)));
        drop(read().map(agent));
        drop(read().map(agent_listing));
        drop(read().map(|reply| deployment_listing(reply, TaskId(1))));
        drop(read().map(|reply| created_deployment(reply, TaskId(1))));
        drop(read().map(deployment));
        drop(read().map(|reply| conversation(&reply)));
        drop(read().map(|reply| whole_conversation(&reply)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            see_everything(&bytes);
        }

        #[test]
        fn arbitrary_values_in_known_places_never_panic(
            key in "(task|tasks|deployment|deployments|agent|agents|debug|errors|success)",
            field in prop::sample::select(vec![
                "id", "name", "prompt", "status", "schedule", "notifications", "created",
                "deploymentId", crate::kinds::AGENT_ID,
            ]),
            value in r#"(null|true|-1|1e400|99999999999999999999|""|"\\ud83d\\ude00"|"47"|\[\]|\[null,1\]|\{"id":\{\}\}|"[^"\\\x00-\x1f]{0,20}")"#,
        ) {
            see_everything(format!(r#"{{"{key}":{value}}}"#).as_bytes());
            see_everything(format!(r#"{{"{key}":{{"{field}":{value}}}}}"#).as_bytes());
            see_everything(format!(r#"{{"{key}":[{{"{field}":{value},"id":1}},{value}]}}"#).as_bytes());
        }
    }
}
