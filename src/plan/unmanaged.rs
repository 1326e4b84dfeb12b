//! Tasks that nothing proves to be owned: left alone, and listed so that a person can look at them.

use jiff::Timestamp;

use crate::model::{AgentId, TaskId};
use crate::observed::ObservedTask;
use crate::plan::PlanInputs;
use crate::plan::deployment_status::instant;
use crate::plan::matcher::Matches;

/// A task that is nobody's business here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmanagedTask {
    /// Its id.
    pub id: TaskId,
    /// The stored name.
    pub name: Option<String>,
    /// Its agent.
    pub agent: Option<AgentId>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// Returns the unmanaged tasks in the order of their ids.
pub(super) fn unmanaged(inputs: &PlanInputs<'_>, found: &Matches<'_>) -> Vec<UnmanagedTask> {
    let copies = found.copies.iter().map(|(_, task)| *task);
    let mut tasks: Vec<&ObservedTask> = found.unmanaged.iter().copied().chain(copies).collect();
    tasks.sort_by_key(|task| task.id);
    let listed = |task: &ObservedTask| UnmanagedTask {
        id: task.id,
        name: task.name().map(str::to_owned),
        agent: task.object.agent_id(),
        created: instant(task.created, inputs.desired_state.service_utc_offset),
    };
    tasks.into_iter().map(listed).collect()
}
