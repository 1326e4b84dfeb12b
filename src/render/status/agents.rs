//! The agents of an overview.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{AgentId, counted};
use crate::plan::AgentOverview;
use crate::render::escape::Untrusted;
use crate::render::paint::Label;
use crate::render::text::{Length, TextOptions};
use crate::render::unmanaged::UnmanagedAgentRow;
use crate::render::unmanaged_lines::{SHOWN, UNMANAGED};
use crate::render::words;

use super::table::StatusTable;
use super::{reasoned, state};

/// One declared agent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct AgentRow {
    pub(super) key: Untrusted,
    /// `in-sync`, `stored-otherwise`, `drifted`, `missing` or `blocked`.
    #[schemars(extend("enum" = ["in-sync", "stored-otherwise", "drifted", "missing", "blocked"]))]
    pub(super) status: &'static str,
    /// Why it is not in sync.
    pub(super) reason: Option<Untrusted>,
    /// The stable code of what blocks it.
    pub(super) code: Option<&'static str>,
    pub(super) agent_id: Option<u64>,
    /// The stored name.
    pub(super) name: Option<Untrusted>,
    #[serde(skip)]
    pub(super) label: Label,
}

/// How many declared agents there are in each state.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub(super) struct AgentCounts {
    pub(super) in_sync: usize,
    /// They differ only as the service stored what was sent.
    pub(super) stored_otherwise: usize,
    pub(super) drifted: usize,
    pub(super) missing: usize,
    pub(super) blocked: usize,
}

pub(super) fn agent_row(agent: &AgentOverview) -> AgentRow {
    let (status, label) = state(agent.state);
    AgentRow {
        key: Untrusted::new(agent.key.as_str()),
        status,
        reason: agent.reason.as_deref().map(Untrusted::new),
        code: agent.code.map(crate::diag::Code::as_str),
        agent_id: agent.agent.map(|AgentId(id)| id),
        name: agent.name.as_deref().map(Untrusted::new),
        label,
    }
}

/// Writes the declared agents, if there are any.
pub(super) fn agents(
    rows: &[AgentRow],
    options: &TextOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = StatusTable::new(["AGENT", "STATE", "ID", "NAME", ""]);
    for agent in rows {
        let none = || "-".to_owned();
        let id = agent.agent_id.map_or_else(none, |id| id.to_string());
        let name = agent.name.as_ref().map_or_else(none, Untrusted::part);
        let reason = reasoned(agent.reason.as_ref(), agent.code, options).unwrap_or_default();
        let state = agent.status.replace('-', " ");
        table.row(agent.label, [agent.key.part(), state, id, name, reason]);
    }
    table.write(options, out)?;
    writeln!(out)
}

/// Returns the lines that name agents which no key declares, below a title where they need one.
pub(super) fn agent_lines(
    rows: &[UnmanagedAgentRow],
    is_first: bool,
    options: &TextOptions,
) -> Vec<String> {
    let most = if options.length == Length::Full { rows.len() } else { rows.len().min(SHOWN) };
    let title = (is_first && !rows.is_empty()).then(|| UNMANAGED.to_owned());
    let lines = rows[..most].iter();
    let lines = lines.map(|row| {
        let name = row.name.as_ref().map_or_else(|| "without a name".to_owned(), Untrusted::quoted);
        format!("  agent {} {name}", row.agent_id)
    });
    let rest = rows.len() - most;
    let more = (rest > 0)
        .then(|| format!("  ... {} (`-v` shows all)", counted(rest, "more agent", "more agents")));
    title.into_iter().chain(lines).chain(more).collect()
}

impl AgentCounts {
    /// The sentence about declared agents, with a blank behind it; nothing where there are none.
    pub(super) fn verdict(self) -> String {
        let Self { in_sync, stored_otherwise, drifted, missing, blocked } = self;
        let all = in_sync + stored_otherwise + drifted + missing + blocked;
        if all == 0 {
            return String::new();
        }
        let states = words::counts([
            (in_sync, "in sync"),
            (stored_otherwise, "stored otherwise than sent"),
            (drifted, "drifted"),
            (missing, "missing"),
            (blocked, "blocked"),
        ]);
        format!("{}: {states}. ", counted(all, "agent is declared", "agents are declared"))
    }
}
