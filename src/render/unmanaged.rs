//! Unmanaged tasks and agents, as `status` and the JSON documents list them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::AgentId;
use crate::plan::UnmanagedTask;
use crate::render::escape::Untrusted;

/// A task that nothing proves to be owned; it is left alone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UnmanagedRow {
    pub(super) task_id: u64,
    /// The stored name.
    pub(super) name: Option<Untrusted>,
    pub(super) agent_id: Option<u64>,
    /// In UTC.
    pub(super) created: Option<String>,
}

/// An agent that nothing proves to be owned; it is left alone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UnmanagedAgentRow {
    pub(super) agent_id: u64,
    /// The stored name.
    pub(super) name: Option<Untrusted>,
}

/// Makes unmanaged agents ready for eyes.
pub(super) fn agent_rows(agents: &[(AgentId, Option<String>)]) -> Vec<UnmanagedAgentRow> {
    let row = |(id, name): &(AgentId, Option<String>)| UnmanagedAgentRow {
        agent_id: id.0,
        name: name.as_deref().map(Untrusted::new),
    };
    agents.iter().map(row).collect()
}

/// Makes unmanaged tasks ready for eyes.
pub(super) fn rows(tasks: &[UnmanagedTask]) -> Vec<UnmanagedRow> {
    let row = |task: &UnmanagedTask| UnmanagedRow {
        task_id: task.id.0,
        name: task.name.as_deref().map(Untrusted::new),
        agent_id: task.agent.map(|AgentId(id)| id),
        created: task.created.map(|at| at.to_string()),
    };
    tasks.iter().map(row).collect()
}
