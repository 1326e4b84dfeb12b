//! Unmanaged tasks, as `status` and the JSON documents list them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{AgentId, counted};
use crate::plan::UnmanagedTask;
use crate::render::escape::Untrusted;
use crate::render::text::{Length, TextOptions};

/// How many are named unless all are asked for.
const SHOWN: usize = 10;

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

/// Returns the lines that name them; none where there are none.
pub(super) fn lines(
    rows: &[UnmanagedRow],
    agents: &BTreeMap<AgentId, String>,
    options: &TextOptions,
) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let most = if options.length == Length::Full { rows.len() } else { SHOWN };
    let mut lines = vec!["Unmanaged, left alone:".to_owned()];
    lines.extend(rows.iter().take(most).map(|row| {
        let name = row.name.as_ref().map_or_else(|| "without a name".to_owned(), Untrusted::quoted);
        let agent = row.agent_id.map(|id| {
            let name = agents.get(&AgentId(id)).map(|name| Untrusted::new(name.as_str()).quoted());
            name.map_or_else(|| format!(", agent {id}"), |name| format!(", agent {id} {name}"))
        });
        let created = row.created.as_ref().map(|at| format!(", created {at}"));
        format!(
            "  task {} {name}{}{}",
            row.task_id,
            agent.unwrap_or_default(),
            created.unwrap_or_default()
        )
    }));
    let rest = rows.len() - rows.len().min(most);
    if rest > 0 {
        lines.push(format!("  ... {} (`-v` shows all)", counted(rest, "more task", "more tasks")));
    }
    lines
}
