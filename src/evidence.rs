//! What was ever declared: per key, the contents, names and protection of earlier versions.
//!
//! Evidence is what turns "looks like ours" into proof. It comes from Git history, from the ledger
//! on this machine, or from the work tree where there is no Git; this module only holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::diag::{Gap, Withholds};
use crate::model::{AgentId, ContentHash, DeploymentId, Key, PromptHash, TaskId, sha256_hex};
use crate::resource::{Object, Value, Whole};

/// Everything that is known about earlier versions.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// By key; keys that are no longer declared too.
    pub keys: BTreeMap<Key, KeyEvidence>,
    /// By key of an agent; keys that are no longer declared too.
    pub agents: BTreeMap<Key, AgentEvidence>,
    /// What of it could not be read; empty where all was.
    pub gaps: Vec<Gap>,
    /// Whether the last commit declares all tasks that are declared. Then no version was read.
    pub is_committed: bool,
    /// Whether the ledger knows anything of the organization.
    pub has_ledger: bool,
    /// The manifests that were applied on this machine, seen from the root.
    pub applied: BTreeSet<PathBuf>,
}

/// What is known about one key.
#[derive(Clone, Debug, Default)]
pub struct KeyEvidence {
    /// Its earlier versions, the newest first.
    pub versions: Vec<Version>,
    /// Whether its last version was protected.
    pub protect: bool,
    /// Whether the version of the manifest before the last one protected it, where that declared it.
    pub protect_before: Option<bool>,
    /// Whether a commit before the newest one declared it, so that an apply may have made it.
    pub is_established: bool,
    /// Creates that an apply on this machine sent for it, the newest first.
    pub created: Vec<Created>,
    /// Names that were asked for and what the service stored instead, the newest first.
    pub rewritten: Vec<(String, String)>,
    /// Deployments that an apply on this machine started for it, each with the declared deployment
    /// that it was started for.
    pub started: BTreeMap<DeploymentId, Key>,
}

/// What is known about one key of an agent.
#[derive(Clone, Debug, Default)]
pub struct AgentEvidence {
    /// Its earlier versions, the newest first: the fields that were declared.
    pub versions: Vec<Object>,
    /// Whether its last version was protected.
    pub protect: bool,
    /// Whether a commit before the newest one declared it, so that an apply may have made it.
    pub is_established: bool,
    /// The agents that commits before the newest one pinned for it.
    pub pinned: BTreeSet<AgentId>,
    /// Agents that an apply on this machine made for it, the newest first.
    pub created: Vec<AgentId>,
    /// The names of creates that an apply on this machine sent for it and whose result it never
    /// learned, the newest first.
    pub unanswered: Vec<String>,
    /// Values that were asked for and that the service stored otherwise, the newest first.
    pub stored: Vec<StoredValue>,
}

/// A value that was asked for in a field of an agent, and the one that the service stored instead;
/// both as hashes, because they may be long, and the ledger holds no prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// The agent.
    pub id: AgentId,
    /// The service's name of the field.
    pub field: String,
    /// What was asked for.
    pub asked: String,
    /// What was stored.
    pub stored: String,
}

/// One version of a task in the history of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The address of its content.
    pub content: ContentHash,
    /// The hash of its prompt alone.
    pub prompt: PromptHash,
    /// Its declared name.
    pub name: String,
}

/// A create that the ledger knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The task it made, where its answer was recorded.
    pub id: Option<TaskId>,
    /// The address of the content it was made with.
    pub content: ContentHash,
    /// The name it was made with.
    pub name: String,
}

impl Evidence {
    /// What could not be read and may speak for a resource that nothing explains.
    pub fn withholding(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| match gap.reason.withholds() {
            Withholds::Nothing => false,
            Withholds::UnlessLedger => !self.has_ledger,
            Withholds::Always => true,
        })
    }

    /// Adds what the ledger knows of tasks.
    pub fn add_noted(&mut self, noted: Self) {
        for (key, noted) in noted.keys {
            let KeyEvidence { created, rewritten, started, .. } = noted;
            let known = self.keys.entry(key).or_default();
            (known.created, known.rewritten, known.started) = (created, rewritten, started);
        }
        self.gaps.extend(noted.gaps);
        (self.has_ledger, self.applied) = (noted.has_ledger, noted.applied);
    }

    /// The newest task that the ledger knows of each key.
    pub fn newest_created(&self) -> BTreeSet<TaskId> {
        self.keys.values().filter_map(KeyEvidence::newest_created).collect()
    }
}

impl Version {
    /// What an earlier version of a manifest declared.
    pub fn of(object: &Whole) -> Self {
        let prompt = object.prompt_hash().unwrap_or_else(|| PromptHash::of(""));
        Self { content: object.content(), prompt, name: object.name().to_owned() }
    }
}

impl StoredValue {
    /// What was asked for in a field of an agent, and what the service stored.
    pub fn new(id: AgentId, field: &str, asked: &Value, stored: &Value) -> Self {
        let hash = |value: &Value| sha256_hex(value.to_string().as_bytes());
        Self { id, field: field.to_owned(), asked: hash(asked), stored: hash(stored) }
    }
}

impl AgentEvidence {
    /// Whether the service was seen to store the one value where the other was asked for, so that
    /// asking once more would change nothing.
    pub fn stores(&self, id: AgentId, field: &str, asked: &Value, stored: &Value) -> bool {
        !self.stored.is_empty() && self.stored.contains(&StoredValue::new(id, field, asked, stored))
    }
}

impl KeyEvidence {
    /// Whether this task, with this content, is shown to be the key's.
    ///
    /// A create whose answer the ledger holds made that one task: an equal one is somebody else's.
    pub fn proves(&self, id: TaskId, hash: ContentHash) -> bool {
        let is_made = |created: &Created| {
            created.content == hash && created.id.is_none_or(|created| created == id)
        };
        self.created(id) || self.history_holds(hash) || self.created.iter().any(is_made)
    }

    /// Whether this content is in the history of the manifest, so that deleting it loses nothing.
    pub fn history_holds(&self, hash: ContentHash) -> bool {
        self.versions.iter().any(|version| version.content == hash)
    }

    /// Whether the ledger says that this task was made for the key.
    pub fn created(&self, id: TaskId) -> bool {
        self.created.iter().any(|created| created.id == Some(id))
    }

    /// The newest task that the ledger knows to have been made for the key.
    pub fn newest_created(&self) -> Option<TaskId> {
        self.created.iter().find_map(|created| created.id)
    }

    /// Whether the ledger knows any task that was made for the key.
    pub fn has_created(&self) -> bool {
        self.newest_created().is_some()
    }

    /// What the service was last seen to store where this name was asked for, if another name.
    pub fn stored_as(&self, declared: &str) -> Option<&str> {
        let known = self.rewritten.iter().find(|(asked, _)| asked == declared);
        known.map(|(_, stored)| stored.as_str())
    }

    /// The names ever declared for the key.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let declared = self.versions.iter().map(|version| version.name.as_str());
        declared.chain(self.created.iter().map(|created| created.name.as_str()))
    }
}
