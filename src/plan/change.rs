//! What a step does: the data of each change, and of what it is about.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::kinds::{AGENT, Kind, NAME, TASK};
use crate::model::{Action, AgentId, ContentHash, DeploymentId, Key, TaskId};
use crate::observed::{ObservedAgent, ObservedTask};
use crate::plan::StepId;
use crate::resource::{Edit, Object, Value, Whole};

/// The data of a change; each variant holds exactly what carrying it out needs.
#[derive(Clone, Debug)]
pub enum Change {
    /// A task is made.
    Create {
        /// What is wanted.
        object: Whole,
    },
    /// Fields of a task change in place.
    Update {
        /// The task.
        id: TaskId,
        /// What changes.
        edits: Vec<Edit>,
    },
    /// An archived task becomes the current one again.
    Restore {
        /// The task.
        id: TaskId,
        /// What changes: its name.
        edits: Vec<Edit>,
    },
    /// A new task takes the place of `before`, which is removed with every task in `old`.
    Replace {
        /// The task as it is.
        before: Before,
        /// What is wanted.
        object: Whole,
        /// What is removed once the new task has been read back; `before` first.
        old: Vec<Removal>,
    },
    /// A task is removed.
    Remove {
        /// How.
        removal: Removal,
        /// Why.
        because: RemoveReason,
        /// What it did, for the diff.
        before: Before,
    },
    /// A deployment is started.
    Deploy {
        /// Of which task.
        task: TaskRef,
        /// The deployments of the task that were seen; settling compares with them.
        seen: BTreeSet<DeploymentId>,
        /// The moment at or after which it has to be made, and the zone of the service's stamps.
        since: Option<(Timestamp, Option<Offset>)>,
        /// What the task is to hold: its prompt is the first text that is sent.
        content: ContentHash,
        /// The follow-ups that it is sent later, in order, each once it is idle.
        later: Vec<Arc<str>>,
    },
    /// A follow-up is sent to a deployment.
    Prompt {
        /// The deployment.
        run: DeploymentId,
        /// What is sent.
        prompt: Arc<str>,
        /// What users had said in it, the task's prompt included; settling compares with it.
        turns: Vec<Arc<str>>,
        /// The follow-ups that come after it, in order, each once the deployment is idle again.
        later: Vec<Arc<str>>,
    },
    /// A follow-up cannot be sent: the deployment was told something else than declared.
    Diverged {
        /// The deployment.
        run: DeploymentId,
        /// What users have said in it, without the task's prompt.
        said: Vec<Arc<str>>,
        /// What is declared.
        declared: Vec<Arc<str>>,
    },
    /// An active deployment is stopped.
    Stop {
        /// The deployment.
        run: DeploymentId,
    },
    /// An agent is made, changed or deleted.
    Agent(AgentChange),
    /// Nothing can be decided: the candidates, each a task that could be meant.
    Ambiguous {
        /// What is wanted.
        object: Whole,
        /// What it might be; the diff is against the first.
        candidates: Vec<Before>,
    },
}

/// The data of a change of an agent.
#[derive(Clone, Debug)]
pub enum AgentChange {
    /// It is made.
    Create {
        /// The fields that are declared; an agent that is made later is left out of its references.
        object: Object,
    },
    /// Fields of it change in place.
    Update {
        /// The agent.
        agent: AgentRef,
        /// What changes.
        edits: Vec<Edit>,
    },
    /// It is deleted.
    Delete {
        /// The agent.
        id: AgentId,
        /// What it was.
        before: Object,
    },
    /// Nothing can be decided: the candidates, each an agent that could be meant.
    Undecided {
        /// What is wanted.
        object: Object,
        /// What it might be; the diff is against the first.
        candidates: Vec<ObservedAgent>,
    },
}

/// The agent of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentRef {
    /// One that exists.
    Existing(AgentId),
    /// The one this step makes.
    MadeBy(StepId),
}

/// Who uses an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentUser {
    /// A declared task.
    Task(Key),
    /// A declared agent that may call it or is followed by it.
    Agent(Key),
    /// A task that is not declared here.
    Unmanaged(TaskId),
    /// An agent that is not declared here.
    UnmanagedAgent(AgentId),
}

/// A task as it was seen, where a plan shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its number.
    pub id: TaskId,
    /// Its fields.
    pub object: Whole,
    /// When it was made, in the service's zone.
    pub created: Option<DateTime>,
}

/// How a task goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The task.
    pub id: TaskId,
    /// Its stored name.
    pub name: String,
    /// The address of the content it was seen with.
    pub content: ContentHash,
    /// How it goes.
    pub how: Remove,
}

/// How a task goes: without loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remove {
    /// It is kept under this name.
    Archive {
        /// The archived name.
        name: String,
    },
    /// It is deleted: it holds nothing that is not elsewhere.
    Delete,
    /// It is deleted with these deployments and their conversations, which are saved first.
    Destroy {
        /// The deployments that were seen; more than these end the step.
        runs: BTreeSet<DeploymentId>,
    },
}

/// Why a task is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveReason {
    /// Its key is no longer declared.
    Undeclared,
    /// Another task has taken its place already.
    Superseded,
    /// Somebody asked for it with `destroy`.
    Destroyed,
}

/// The task of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskRef {
    /// One that exists.
    Existing(TaskId),
    /// The one this step makes.
    MadeBy(StepId),
}

impl Change {
    /// Returns the verb.
    pub fn action(&self) -> Action {
        match self {
            Self::Create { .. } | Self::Agent(AgentChange::Create { .. }) => Action::Create,
            Self::Update { .. } | Self::Agent(AgentChange::Update { .. }) => Action::Update,
            Self::Agent(AgentChange::Delete { .. }) => Action::Delete,
            Self::Ambiguous { .. } | Self::Agent(AgentChange::Undecided { .. }) => {
                Action::Undecided
            }
            Self::Restore { .. } => Action::Restore,
            Self::Replace { .. } => Action::Replace,
            Self::Remove { removal, .. } => match removal.how {
                Remove::Archive { .. } => Action::Archive,
                Remove::Delete | Remove::Destroy { .. } => Action::Delete,
            },
            Self::Deploy { .. } => Action::Deploy,
            Self::Prompt { .. } | Self::Diverged { .. } => Action::Prompt,
            Self::Stop { .. } => Action::Stop,
        }
    }
}

impl Change {
    /// The kind of the resource that it is about.
    pub fn kind(&self) -> &'static Kind {
        if let Self::Agent(_) = self { &AGENT } else { &TASK }
    }

    /// The task whose name it changes in place, with the stored name and the wanted one.
    pub fn renaming(&self) -> Option<(TaskId, &str, &str)> {
        let (Self::Update { id, edits } | Self::Restore { id, edits }) = self else { return None };
        names(edits).map(|(from, to)| (*id, from, to))
    }

    /// The name that an agent has, and the one that it gets in place.
    pub(super) fn renaming_agent(&self) -> Option<(&str, &str)> {
        let Self::Agent(AgentChange::Update { agent: AgentRef::Existing(_), edits }) = self else {
            return None;
        };
        names(edits)
    }

    /// Whether it changes fields of a task in place, which needs no complete list.
    pub(super) fn is_in_place(&self) -> bool {
        matches!(self, Self::Update { .. } | Self::Restore { .. })
    }
}

/// The name before edits and after them, where they change it.
fn names(edits: &[Edit]) -> Option<(&str, &str)> {
    edits.iter().find_map(|edit| match (edit.field, &edit.before, &edit.after) {
        (NAME, Value::Text(from), Value::Text(to)) => Some((&**from, &**to)),
        _ => None,
    })
}

impl Before {
    /// Its stored name.
    pub fn name(&self) -> &str {
        self.object.name()
    }

    /// The hash of what it does.
    pub fn content(&self) -> ContentHash {
        self.object.content()
    }

    /// Returns what a plan shows of a task, or `None` where its content is unknown.
    pub(super) fn of(task: &ObservedTask) -> Option<Self> {
        let object = task.object.clone().whole()?;
        Some(Self { id: task.id, object, created: task.created })
    }
}
