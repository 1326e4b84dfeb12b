//! What of finished deployments cannot change any more, kept so that a later plan need not read it again.
//!
//! A kept fact holds only while the list entry of its task proves that nothing was begun, ended or deleted
//! since. Prompts are kept as hashes, and of conversations what users said, as hashes too. Losing all of it
//! costs calls and nothing else, so that a file which cannot be understood counts as empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{DeploymentId, TaskId, sha256_hex, visible_json};
use crate::observation::shape::{DeploymentShape, KeptConversation, run_shape, version_of};
use crate::observed::{
    Completeness, LastDeployment, Listing, ObservedDeployment, ObservedState, ObservedTask,
    ReadResult, Schedule, Status,
};

/// The version of the file's shape.
const FORMAT_VERSION: u32 = 1;

/// The most bytes that are kept of one task; one with more is read each time.
const LARGEST_TASK: usize = 64 << 10;

/// The most bytes that are kept, and read.
const LARGEST: usize = 32 << 20;

/// What is kept of the tasks of one service and organization.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    format_version: u32,
    tasks: BTreeMap<u64, TaskFacts>,
}

/// The finished deployments of a task, and what the task's entry showed beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskFacts {
    deployment_count: u64,
    last_deployment_number: u64,
    last_deployment_created: String,
    task_created: Option<String>,
    /// Empty where there is none.
    schedule: String,
    /// The prompt of the task, which is that of its deployments too.
    prompt_sha256: String,
    /// Without their prompts.
    deployments: Vec<DeploymentShape>,
    conversations: BTreeMap<String, KeptConversation>,
}

impl Facts {
    /// Reads what was kept; nothing where it is damaged, too large, or of another version.
    pub fn from_json(bytes: &[u8]) -> Self {
        let is_known = bytes.len() <= LARGEST
            && version_of(bytes).is_ok_and(|version| version == u64::from(FORMAT_VERSION));
        is_known.then(|| serde_json::from_slice(bytes).ok()).flatten().unwrap_or_default()
    }

    /// Returns the JSON form, a line for each task; tasks that find no room are left out.
    pub fn to_json(&self) -> String {
        let mut json = format!("{{\"format_version\":{FORMAT_VERSION},\"tasks\":{{");
        let mut comma = "";
        for (id, facts) in &self.tasks {
            let facts = serde_json::to_string(facts).expect("texts and numbers are always JSON");
            let line = format!("{comma}\n\"{id}\":{}", visible_json(&facts));
            if json.len() + line.len() < LARGEST {
                json.push_str(&line);
                comma = ",";
            }
        }
        json.push_str("\n}}\n");
        json
    }

    /// Whether there is another text to be kept.
    pub(super) fn differ_from(&self, earlier: &Self) -> bool {
        self.tasks != earlier.tasks
    }

    /// What is kept of a task, where its entry proves that it still holds.
    pub(super) fn of(&self, task: &ObservedTask) -> Option<&TaskFacts> {
        self.tasks.get(&task.id.0).filter(|facts| facts.hold_for(task))
    }

    /// Returns what is known after `state` was observed; of the tasks for which `is_recalled` holds, the
    /// state only repeats what was kept.
    #[must_use]
    pub(super) fn after(
        &self,
        state: &ObservedState,
        is_recalled: impl Fn(TaskId) -> bool,
    ) -> Self {
        let is_whole = state.tasks.coverage == Completeness::Complete;
        let mut tasks = if is_whole { BTreeMap::new() } else { self.tasks.clone() };
        for task in &state.tasks.items {
            let kept = self.of(task);
            let read = state.deployments.get(&task.id).filter(|_| !is_recalled(task.id));
            let facts = match read {
                Some(listing) => TaskFacts::new(task, listing, state, kept),
                None => kept.cloned(),
            };
            match facts {
                Some(facts) => drop(tasks.insert(task.id.0, facts)),
                None => drop(tasks.remove(&task.id.0)),
            }
        }
        Self { format_version: FORMAT_VERSION, tasks }
    }
}

impl TaskFacts {
    /// Takes what cannot change any more from a state, and conversations that were not read this time
    /// from what was `kept`.
    fn new(
        task: &ObservedTask,
        listing: &Listing<ObservedDeployment>,
        state: &ObservedState,
        kept: Option<&Self>,
    ) -> Option<Self> {
        let last = task.last_deployment?;
        let prompt = task.prompt()?;
        let is_of_task = |run: &ObservedDeployment| run.prompt.as_ref() == Some(prompt);
        if listing.coverage != Completeness::Complete || !listing.items.iter().all(is_of_task) {
            return None;
        }
        let shape = |run: &ObservedDeployment| {
            let mut shape = run_shape(run);
            shape.prompt = None;
            shape
        };
        let deployments: Vec<DeploymentShape> = listing.items.iter().map(shape).collect();
        let conversation = |run: &DeploymentShape| {
            let id = run.deployment_id.clone();
            let said = match state.conversations.get(&DeploymentId(id.clone())) {
                Some(ReadResult::Seen(said)) => KeptConversation::condensed(said)?,
                Some(ReadResult::Refused(_) | ReadResult::Unreadable(_)) => return None,
                None => {
                    let kept = kept.filter(|kept| kept.deployments.contains(run))?;
                    kept.conversations.get(&id)?.clone()
                }
            };
            Some((id, said))
        };
        let facts = Self {
            deployment_count: task.deployment_count?,
            last_deployment_number: last.number,
            last_deployment_created: last.created.to_string(),
            task_created: task.created.map(|at| at.to_string()),
            schedule: schedule(task)?.to_owned(),
            prompt_sha256: sha256_hex(prompt.as_bytes()),
            conversations: deployments.iter().filter_map(conversation).collect(),
            deployments,
        };
        let size = serde_json::to_string(&facts).map_or(usize::MAX, |json| json.len());
        (size <= LARGEST_TASK && facts.hold_for(task)).then_some(facts)
    }

    /// Whether the entry of a task proves that its deployments are those that were kept, and that none of
    /// them can change by itself. What the entry does not show proves nothing.
    fn hold_for(&self, task: &ObservedTask) -> bool {
        let is_terminal = |run: &DeploymentShape| Status::from_wire(&run.status).is_terminal();
        task.deployment_count == Some(self.deployment_count)
            && self.deployments.len() as u64 == self.deployment_count
            && task.last_deployment.is_some_and(|last| last.number == self.last_deployment_number)
            && task.last_deployment.is_some_and(|last| self.is_as_old_as(last))
            && task.active.as_ref().is_some_and(Vec::is_empty)
            && self.deployments.iter().all(is_terminal)
            && schedule(task).is_some_and(|schedule| schedule == self.schedule)
            && task.created.map(|at| at.to_string()) == self.task_created
            && task
                .prompt()
                .is_some_and(|prompt| sha256_hex(prompt.as_bytes()) == self.prompt_sha256)
    }

    fn is_as_old_as(&self, last: LastDeployment) -> bool {
        last.created.to_string() == self.last_deployment_created
    }

    /// The deployments as they were listed, all of them; `None` where one means nothing.
    pub(super) fn deployments(&self, task: &ObservedTask) -> Option<Listing<ObservedDeployment>> {
        let open = |run: &DeploymentShape| {
            let run = run.clone().open().ok()?;
            Some(ObservedDeployment { prompt: task.prompt().cloned(), ..run })
        };
        let items = self.deployments.iter().map(open).collect::<Option<Vec<_>>>()?;
        Some(Listing { items, coverage: Completeness::Complete })
    }

    /// The conversations that are kept, by the ids of their deployments.
    pub(super) fn conversations(&self) -> impl Iterator<Item = (DeploymentId, &KeptConversation)> {
        self.conversations.iter().map(|(id, said)| (DeploymentId(id.clone()), said))
    }
}

/// The schedule as it is kept, empty where there is none; `None` where that is not known.
fn schedule(task: &ObservedTask) -> Option<&str> {
    match &task.schedule {
        Schedule::Unknown => None,
        Schedule::Unset => Some(""),
        Schedule::Set(words) => Some(words),
    }
}
