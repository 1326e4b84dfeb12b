//! One line of a ledger, as it is stored.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of a line's shape; lines of another version are passed over.
pub(super) const VERSION: u32 = 1;

/// What a line says about a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// It is about to be sent.
    Sending,
    /// It made the task `id`.
    Created,
    /// It made nothing, for certain.
    Refused,
    /// A create of an agent is about to be sent.
    SendingAgent,
    /// It made the agent `id`.
    CreatedAgent,
    /// It made no agent, for certain.
    RefusedAgent,
    /// A value was asked for in `field` of the agent `id`, and the service stored another one; without
    /// values: that counts no more. The newest line of a field is the one that counts.
    StoredAgent,
    /// The name was asked for once more, and the service stored `stored` all the same.
    Renamed,
    /// A deployment is about to be sent.
    Starting,
    /// That run was answered with an id, and no list has shown it yet.
    Started,
    /// The result of that run is known.
    Answered,
    /// The deployment `run` of the task `id` was started, and no list has shown it.
    Unseen,
    /// The lists show everything that was made until then; it names no key.
    Listed,
    /// A manifest was applied; it names no key.
    Applied,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) version: u32,
    pub(super) target: String,
    pub(super) organization: String,
    /// The environment it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<String>,
    pub(super) what: What,
    pub(super) key: String,
    /// The name of the resource, or the key of the deployment.
    pub(super) name: String,
    /// Empty for a deployment and an agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stored: Option<String>,
    /// The field of an agent that is stored otherwise than it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// What was asked for there, as a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<String>,
    /// The deployment that was started, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    /// A manifest that was applied, seen from the folder that holds the program's own one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<PathBuf>,
    /// The epoch of the lease under which it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<u64>,
    pub(super) time: String,
}

impl What {
    /// Whether it is about an agent; all other lines with a key are about a task.
    pub(super) fn is_about_agent(self) -> bool {
        matches!(
            self,
            Self::SendingAgent | Self::CreatedAgent | Self::RefusedAgent | Self::StoredAgent
        )
    }
}

/// Whether a line is none that this version of the program has written.
///
/// One that a crash has cut is: what it was to announce was never sent.
pub(super) fn is_unclear(bytes: &[u8], line: Option<&Line>) -> bool {
    let start = b"{\"version\":";
    let bytes = bytes.trim_ascii();
    let is_cut = start.starts_with(bytes) || (bytes.starts_with(start) && !bytes.ends_with(b"}"));
    line.map_or(!is_cut, |line| line.version > VERSION)
}

/// A line as it is stored; the line break in front ends one that a crash has cut.
pub(super) fn text(line: &Line) -> String {
    let json = serde_json::to_string(line).expect("a line holds texts and numbers alone");
    format!("\n{json}\n")
}
