//! What was said in a deployment: messages, parts, tool calls, and what is expected of them.
//!
//! A conversation is the only place where a deployment shows its results (contract 4.8). Whatever the service
//! wrote is kept, undocumented parts too, as the JSON they were. Decoding is `api`'s; nothing
//! here asks anybody.

mod expectation;
mod findable;

pub use expectation::{Expectation, Failure, NumberExpectation, Pattern, PatternError};

use std::sync::Arc;

use crate::model::canonical_text;

/// A conversation as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// What was said, in order. The number of a message, from one, is that of its turn.
    pub messages: Vec<Message>,
    /// Tokens read so far, of the whole deployment.
    pub input_tokens: Option<u64>,
    /// Tokens written so far, of the whole deployment.
    pub output_tokens: Option<u64>,
}

/// One turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `user`, `assistant`, or a word of the service's; `None` where it was not shown.
    pub role: Option<String>,
    /// When, as the service wrote it.
    pub time: Option<String>,
    /// What was said; `None` where the parts were missing or no list.
    pub parts: Option<Vec<Part>>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words.
    Text(String),
    /// Words the agent said to itself.
    Reasoning(String),
    /// A tool at work.
    Tool(ToolCall),
    /// A sign that a step begins.
    Step,
    /// Anything else, as the JSON it was.
    Other {
        /// Its type, where it names one.
        kind: Option<String>,
        /// All of it.
        json: String,
        /// What another agent said in it.
        messages: Vec<Message>,
    },
}

/// A tool at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// How far it is, in the service's word.
    pub state: Option<String>,
    /// What it was given, as JSON.
    pub input: Option<String>,
    /// What it gave, as JSON.
    pub output: Option<String>,
    /// Whether it says that it succeeded (contract 8).
    pub success: Option<bool>,
    /// What it says went wrong.
    pub errors: Vec<String>,
    /// What another agent said in it.
    pub messages: Vec<Message>,
}

/// Something a user said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTurn {
    /// The number of the turn.
    pub number: usize,
    /// The words in canonical form.
    pub text: Arc<str>,
}

impl Transcript {
    /// Returns what users said, or why it cannot be told.
    ///
    /// A conversation without any message proves nothing: it may not be written yet.
    pub fn user_turns(&self) -> Result<Vec<UserTurn>, String> {
        if self.messages.is_empty() {
            return Err("the conversation has no message yet".to_owned());
        }
        let mut turns = Vec::new();
        for (number, message) in (1..).zip(&self.messages) {
            let Some(role) = &message.role else {
                return Err(format!("turn {number} does not say who speaks"));
            };
            if !role.trim().eq_ignore_ascii_case("user") {
                continue;
            }
            let Some(text) = message.text() else {
                return Err(format!("turn {number}, a user's, does not show its parts"));
            };
            turns.push(UserTurn { number, text: canonical_text(&text).into() });
        }
        Ok(turns)
    }

    /// Whether the last word is a user's: the agent has not answered it yet.
    pub fn is_unanswered(&self) -> bool {
        self.messages.last().is_some_and(|message| message.is_of("user"))
    }

    /// All tokens, read and written; `None` where neither was shown.
    pub fn tokens(&self) -> Option<u64> {
        match (self.input_tokens, self.output_tokens) {
            (None, None) => None,
            (read, written) => {
                Some(read.unwrap_or_default().saturating_add(written.unwrap_or_default()))
            }
        }
    }

    /// What agents said, each with the number of its turn, in order.
    pub fn agent_turns(&self) -> impl Iterator<Item = (usize, &Message)> {
        (1..).zip(&self.messages).filter(|(_, message)| message.is_of("assistant"))
    }

    /// Every call of a tool with the number of its turn, those of other agents inside of it too.
    pub fn tool_calls(&self) -> Vec<(usize, &ToolCall)> {
        let mut calls = Vec::new();
        for (number, message) in (1..).zip(&self.messages) {
            collect_calls(message, number, &mut calls);
        }
        calls
    }
}

impl Message {
    /// Whether it is of that role.
    pub fn is_of(&self, role: &str) -> bool {
        self.role.as_deref().is_some_and(|known| known.trim().eq_ignore_ascii_case(role))
    }

    /// The words of its text parts, a line break between two; `None` where it shows no parts.
    pub fn text(&self) -> Option<String> {
        let texts = self.parts.as_ref()?.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        Some(texts.collect::<Vec<_>>().join("\n"))
    }
}

fn collect_calls<'t>(message: &'t Message, number: usize, calls: &mut Vec<(usize, &'t ToolCall)>) {
    for part in message.parts.iter().flatten() {
        let inner = match part {
            Part::Tool(call) => {
                calls.push((number, call));
                &call.messages
            }
            Part::Other { messages, .. } => messages,
            Part::Text(_) | Part::Reasoning(_) | Part::Step => continue,
        };
        // Nesting is bounded where conversations are decoded.
        for message in inner {
            collect_calls(message, number, calls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: &str, text: &str) -> Message {
        let parts = Some(vec![Part::Text(text.to_owned())]);
        Message { role: Some(role.to_owned()), time: None, parts }
    }

    #[test]
    fn turns_of_users_are_known_only_where_every_one_is_shown() {
        let sound = vec![said("User", "a\r\n"), said("assistant", "x"), said("user", "b")];
        let transcript = Transcript { messages: sound.clone(), ..Transcript::default() };
        let turns = transcript.user_turns().unwrap();
        let seen: Vec<_> = turns.iter().map(|turn| (turn.number, &*turn.text)).collect();
        assert_eq!(seen, [(1, "a"), (3, "b")]);
        assert!(transcript.is_unanswered());
        let blind = Message { role: Some("user".to_owned()), ..Message::default() };
        let nobody = Message { parts: Some(Vec::new()), ..Message::default() };
        for gap in [blind, nobody] {
            let messages = sound.iter().cloned().chain([gap]).collect();
            let transcript = Transcript { messages, ..Transcript::default() };
            assert!(transcript.user_turns().unwrap_err().starts_with("turn 4"));
        }
        assert!(Transcript::default().user_turns().is_err());
    }
}
