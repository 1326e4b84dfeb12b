//! Tasks that nothing proves to be owned: left alone, and listed so that a person can look at them.

use jiff::Timestamp;

use crate::diag::{Code, Diagnostic};
use crate::model::{AgentId, TaskId, is_probe_name, is_probe_prompt};
use crate::observed::ObservedTask;
use crate::plan::PlanInputs;
use crate::plan::agents::KnownAgents;
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

/// Returns the unmanaged agents in the order of their ids; none where no agent was ever declared.
pub(super) fn unmanaged_agents(
    inputs: &PlanInputs<'_>,
    agents: &KnownAgents<'_>,
) -> Vec<(AgentId, Option<String>)> {
    if inputs.desired_state.agents.is_empty() && inputs.evidence.agents.is_empty() {
        return Vec::new();
    }
    agents.unmanaged().map(|(id, object)| (id, object.name().map(str::to_owned))).collect()
}

/// Names the tasks that a killed `doctor --probe` has left.
pub(super) fn probe_left(found: &Matches<'_>) -> Option<Diagnostic> {
    let is_probe = |task: &&&ObservedTask| {
        task.name().is_some_and(is_probe_name)
            && task.prompt().is_some_and(|prompt| is_probe_prompt(prompt))
    };
    let left = found.unmanaged.iter().filter(is_probe);
    let ids: Vec<String> = left.map(|task| format!("task {}", task.id)).collect();
    let message = format!("a `doctor --probe` that was ended early has left {}", ids.join(", "));
    let note = Diagnostic::note(Code::ProbeLeft, message);
    (!ids.is_empty()).then(|| note.help("`qcops doctor --clean-up` deletes it"))
}
