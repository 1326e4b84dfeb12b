//! Unmanaged tasks as lines of text.

use std::collections::BTreeMap;

use crate::model::{AgentId, counted};
use crate::render::escape::Untrusted;
use crate::render::text::{Length, TextOptions};
use crate::render::unmanaged::UnmanagedRow;

/// How many are named unless all are asked for.
pub(super) const SHOWN: usize = 10;

/// What stands above them.
pub(super) const UNMANAGED: &str = "Unmanaged, left alone:";

/// Returns the lines that name them; none where there are none.
pub(super) fn unmanaged_lines(
    rows: &[UnmanagedRow],
    agents: &BTreeMap<AgentId, String>,
    options: &TextOptions,
) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let most = if options.length == Length::Full { rows.len() } else { SHOWN };
    let mut lines = vec![UNMANAGED.to_owned()];
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
