//! What the emulated service keeps: agents, tasks, deployments and their messages.
//!
//! Plain data. Times are milliseconds since 1970, so that zones are a matter of showing them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fields::AGENT_ID;

/// An agent: the fields of contract 2.6 as JSON, apart from those the service sets itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its number.
    pub id: u64,
    /// Its organization; none for those that every organization has.
    #[serde(default)]
    pub organization: Option<String>,
    /// When it was made.
    pub created: i64,
    /// When it was last changed.
    pub updated: i64,
    /// Everything a client or the web interface may set.
    pub fields: Map<String, Value>,
    /// What it was before its last update, where that takes a while to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) former: Option<Box<Agent>>,
}

impl Agent {
    /// Tells whether the organization has it.
    pub(super) fn belongs_to(&self, organization: &str) -> bool {
        self.organization.as_deref().is_none_or(|own| own == organization)
    }

    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        self.fields.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the agents that it refers to.
    pub(super) fn references(&self) -> impl Iterator<Item = u64> {
        let entries = REFERENCES.iter().filter_map(|name| self.fields.get(*name)?.as_array());
        entries.flatten().filter_map(|entry| entry[AGENT_ID].as_u64())
    }
}

/// The fields whose entries refer to other agents.
pub(super) const REFERENCES: [&str; 2] = ["chainedAgents", "subAgents"];

/// A task as contract 3.6 describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Its organization, where that is not the one that every world has.
    #[serde(default)]
    pub organization: Option<String>,
    /// The name as stored.
    pub name: String,
    /// The agent that runs it.
    pub agent_id: u64,
    /// The prompt as stored.
    pub prompt: String,
    /// The project mode; the web interface knows more than the two that can be created.
    pub project_preference: String,
    /// The project of all deployments, once there is one.
    pub project_id: Option<u64>,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created: i64,
    /// When it was last changed.
    pub updated: i64,
    /// The schedule, which only the web interface sets (contract 9).
    pub schedule: Option<String>,
    /// The notifications, which only the web interface sets (contract 9).
    pub notifications: Vec<Value>,
    /// The ids of its deployments that still exist, oldest first.
    pub runs: Vec<String>,
    /// How many deployments it ever had.
    pub ever: u64,
    /// The number and the time of the newest deployment.
    pub last: Option<(u64, i64)>,
}

/// Where a deployment stands (contract 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentPhase {
    /// Waits for its turn.
    InQueue,
    /// An agent works on it.
    Running,
    /// The agent came to an end; a prompt makes it run again.
    Completed,
    /// Somebody stopped it.
    Stopped,
    /// It broke.
    Failed,
}

impl DeploymentPhase {
    /// Tells whether it waits or runs.
    pub fn is_active(self) -> bool {
        matches!(self, Self::InQueue | Self::Running)
    }

    /// Returns the word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::InQueue => "InQueue",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
        }
    }
}

/// One message of a conversation (contract 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// Who speaks: `user` or `assistant`.
    pub role: String,
    /// When.
    pub time: i64,
    /// The parts as the service sends them.
    pub parts: Vec<Value>,
}

impl StoredMessage {
    /// Makes what a user says.
    pub fn from_user(time: i64, text: &str) -> Self {
        let part = serde_json::json!({"type": "text", "text": text});
        Self { role: "user".to_owned(), time, parts: vec![part] }
    }

    /// Makes what an agent says.
    pub fn from_agent(time: i64, parts: Vec<Value>) -> Self {
        Self { role: "assistant".to_owned(), time, parts }
    }
}

/// A deployment, that is one run of a task, as contract 4.8 describes it, with its conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// `A-` and 32 hexadecimal digits.
    pub id: String,
    /// The number that `lastDeploymentId` shows.
    pub number: u64,
    /// The task it belongs to.
    pub task_id: u64,
    /// The agent that runs it.
    pub agent_id: u64,
    /// The agent's model when it was made.
    pub model: Option<String>,
    /// The first prompt.
    pub prompt: String,
    /// The project it works in.
    pub project_id: u64,
    /// Where it stands.
    pub status: DeploymentPhase,
    /// When it was made.
    pub created: i64,
    /// When it began to run.
    pub started: Option<i64>,
    /// When it ended; none while it is active.
    pub ended: Option<i64>,
    /// What broke.
    pub runtime_error: Option<String>,
    /// The conversation so far.
    pub messages: Vec<StoredMessage>,
    /// Tokens read so far.
    pub input_tokens: u64,
    /// Tokens written so far.
    pub output_tokens: u64,
    /// Which prompt it works on, counted from zero.
    pub turn: u32,
    /// The prompt it works on.
    pub current: String,
    /// Prompts that wait for their turn.
    pub pending: VecDeque<String>,
    /// Whether a stop was asked for that has not taken effect.
    pub is_stopping: bool,
}
