//! What was seen on the service, when, and how completely.
//!
//! A field that is missing is unknown, not empty (contract 15.5), and a list says whether it was
//! complete: absence proves something only then. Filled by `api`, read by `plan`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::model::{AgentId, ContentHash, DeploymentId, OrganizationId, TaskId};
use crate::resource::Object;
use crate::transcript::Transcript;

/// Something that can be read from the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadRequest {
    /// One agent by its id.
    Agent(AgentId),
    /// One task by its id.
    Task(TaskId),
    /// The deployments of one task.
    Deployments(TaskId),
    /// What was said in a deployment.
    Conversation(DeploymentId),
}

/// The organization's agents as a complete list shows them; empty where they were not listed.
pub type ListedAgents = BTreeMap<AgentId, Object>;

/// Everything that was seen.
#[derive(Clone, Debug)]
pub struct ObservedState {
    /// The organization that was asked about.
    pub organization_id: OrganizationId,
    /// When the first list was asked for.
    pub observed_at: Timestamp,
    /// Agents that were read by id, beside the list.
    pub agent_reads: BTreeMap<AgentId, ReadResult<ObservedAgent>>,
    /// The organization's tasks.
    pub tasks: Listing<ObservedTask>,
    /// Tasks that were read by id, beside the list.
    pub task_reads: BTreeMap<TaskId, ReadResult<ObservedTask>>,
    /// Deployments by task, of the tasks whose list was read.
    pub deployments: BTreeMap<TaskId, Listing<ObservedDeployment>>,
    /// What was said, of the deployments whose conversation was read.
    pub conversations: BTreeMap<DeploymentId, ReadResult<Transcript>>,
}

impl ObservedState {
    /// The tasks with the longest prompts: those that a list which cuts prompts has cut.
    ///
    /// Two where the one with the most letters is not the one with the most bytes: nobody knows in
    /// which of them a service measures.
    pub fn canaries(&self) -> BTreeSet<ReadRequest> {
        let longest = |length: fn(&str) -> usize| {
            let rank = |task: &&ObservedTask| {
                (task.prompt().map_or(0, |prompt| length(prompt)), Reverse(task.id))
            };
            self.tasks.items.iter().max_by_key(rank).map(|task| ReadRequest::Task(task.id))
        };
        let longest = [longest(|prompt| prompt.chars().count()), longest(str::len)];
        longest.into_iter().flatten().collect()
    }

    /// Whether the list shows prompts as they are stored, told from the tasks that were read by id.
    pub fn list_is_trusted(&self) -> bool {
        self.tasks.items.iter().all(|listed| match self.task_reads.get(&listed.id) {
            Some(ReadResult::Seen(read)) => read.content() == listed.content(),
            Some(ReadResult::Refused(_) | ReadResult::Unreadable(_)) | None => true,
        })
    }
}

/// A list as it was seen.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// What it held, in the service's order.
    pub items: Vec<T>,
    /// Whether that was all.
    pub coverage: Completeness,
}

/// Whether a list proves that what it leaves out does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Every entry could be read.
    Complete,
    /// Something was missing, in a few words.
    Partial(String),
}

/// One object as it was read by id.
#[derive(Clone, Debug)]
pub enum ReadResult<T> {
    /// It was there.
    Seen(T),
    /// The service said no; the words say why. Where a complete list leaves it out, too, it is gone
    /// (contract 15.7).
    Refused(String),
    /// The answer did not show it; the words say why. It may exist.
    Unreadable(String),
}

/// An agent as the service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedAgent {
    /// Its number.
    pub id: AgentId,
    /// Its fields; unknown where one was missing.
    pub object: Object,
}

/// A task as the service shows it; `None` where a field was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedTask {
    /// Its number.
    pub id: TaskId,
    /// The organization it says it belongs to.
    pub organization_id: Option<OrganizationId>,
    /// Its fields; unknown where one was missing.
    pub object: Object,
    /// How many deployments it has had.
    pub deployment_count: Option<u64>,
    /// Its last deployment, where it has had one and both of its members were shown.
    pub last_deployment: Option<LastDeployment>,
    /// When it was made, in the service's zone.
    pub created: Option<DateTime>,
    /// When it was last changed, in the service's zone; renaming changes it.
    pub updated: Option<DateTime>,
    /// Its deployments that are active now.
    pub active: Option<Vec<DeploymentId>>,
    /// Its schedule, set in the web interface only (contract 9).
    pub schedule: Schedule,
    /// How many notifications it has, set in the web interface only.
    pub notification_count: Option<usize>,
}

impl ObservedTask {
    /// Its stored name.
    pub fn name(&self) -> Option<&str> {
        self.object.name()
    }

    /// Its prompt in canonical form.
    pub fn prompt(&self) -> Option<&Arc<str>> {
        self.object.prompt()
    }

    /// The hash of what it does, where no field of that is missing.
    pub fn content(&self) -> Option<ContentHash> {
        self.object.content()
    }
}

/// What the entry of a task says of its last deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastDeployment {
    /// A number, which no call takes: deployments are read by another id (contract 3.6).
    pub number: u64,
    /// When it was made, in the service's zone.
    pub created: DateTime,
}

/// The schedule of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// The field was missing.
    Unknown,
    /// There is none.
    Unset,
    /// The web interface set one; the text is the service's own.
    Set(String),
}

/// A deployment as the service shows it; `None` where a field was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// The agent that ran.
    pub agent_id: Option<AgentId>,
    /// The prompt that ran, in canonical form.
    pub prompt: Option<Arc<str>>,
    /// Its status.
    pub status: Status,
    /// When it was made, in the service's zone.
    pub created: Option<DateTime>,
    /// When it ended, in the service's zone; `None` also while it is active.
    pub ended: Option<DateTime>,
    /// What went wrong, if something did.
    pub runtime_error: Option<String>,
}

/// The status of a deployment (contract 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waiting for a node.
    InQueue,
    /// At work.
    Running,
    /// Ended by itself.
    Completed,
    /// Ended by a stop.
    Stopped,
    /// Ended by an error.
    Failed,
    /// A word the contract does not know; not terminal.
    Other(String),
}

impl Status {
    const KNOWN: [Self; 5] =
        [Self::InQueue, Self::Running, Self::Completed, Self::Stopped, Self::Failed];

    /// Reads the service's word, in any case, keeping one it does not know.
    pub fn from_wire(word: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.to_string().eq_ignore_ascii_case(word))
            .unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    /// Whether the prompt run is over; a follow-up may start another.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Stopped | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InQueue => "InQueue",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
            Self::Other(word) => word,
        })
    }
}
