//! How every declared task stands, and its runs: a plan from the side of its keys.
//!
//! Decides nothing of its own: states are read off the plan, tasks off the ladder.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::diag::{Code, Diagnostic};
use crate::model::{DeploymentId, Key, OrganizationId, TaskId};
use crate::plan::identify::identify;
use crate::plan::sight::sight;
use crate::plan::wanted::wanted;
use crate::plan::{Change, Gate, Inputs, RetireReason, Step, plan};
use crate::snapshot::{Coverage, DeploymentSeen, Look, Status};

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The organization.
    pub organization_id: OrganizationId,
    /// When the service was looked at.
    pub seen_at: Timestamp,
    /// Every declared key, in the order of keys.
    pub keys: Vec<KeyOverview>,
    /// How many tasks of ours no key declares any more.
    pub undeclared_count: usize,
    /// How many tasks are nobody's business here.
    pub unmanaged_count: usize,
    /// How many tasks are kept under an archived name.
    pub archived_count: usize,
    /// What the plan finds worth knowing.
    pub notes: Vec<Diagnostic>,
}

/// How one declared key stands.
#[derive(Clone, Debug)]
pub struct KeyOverview {
    /// The key.
    pub key: Key,
    /// Whether the service has what is declared.
    pub state: KeyState,
    /// Why it is not in sync.
    pub reason: Option<String>,
    /// The code of what blocks it.
    pub code: Option<Code>,
    /// Its task.
    pub task: Option<TaskId>,
    /// The stored name.
    pub name: Option<String>,
    /// When the task was made.
    pub created: Option<Timestamp>,
    /// The deployments of its task, the newest first.
    pub runs: Vec<RunOverview>,
    /// Whether those are all.
    pub is_complete: bool,
}

/// Whether the service has what a key declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// It has.
    InSync,
    /// It has something else: an apply would rename, restore or replace it.
    Drifted,
    /// It has nothing: an apply would make it.
    Missing,
    /// It cannot be told, or something stands against what an apply would do.
    Blocked,
}

/// How one deployment stands.
#[derive(Clone, Debug)]
pub struct RunOverview {
    /// Its id.
    pub id: DeploymentId,
    /// Its status.
    pub status: Status,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Returns the looks that are still to be taken before [`overview`] sees enough.
pub fn overview_wanted(inputs: &Inputs<'_>) -> BTreeSet<Look> {
    let mut looks = wanted(inputs);
    let sight = sight(inputs.snapshot);
    for claim in identify(inputs, &sight.tasks).claims.values() {
        let task = claim.task;
        let has_none = task.deployment_count == Some(0) && task.active.as_deref() == Some(&[]);
        if !has_none && !inputs.snapshot.deployments.contains_key(&task.id) {
            looks.insert(Look::Deployments(task.id));
        }
    }
    looks
}

/// Tells how everything stands.
pub fn overview(inputs: &Inputs<'_>) -> Overview {
    let plan = plan(inputs);
    let sight = sight(inputs.snapshot);
    let found = identify(inputs, &sight.tasks);
    let offset = inputs.wish.service_utc_offset;
    let keys = inputs.wish.tasks.keys().map(|key| {
        let of_key = |step: &&Step| step.key == *key && step.deployment.is_none();
        let step = plan.steps.iter().find(of_key);
        let (state, reason, code) = step.map_or((KeyState::InSync, None, None), state);
        let task = found.claims.get(key).map(|claim| claim.task);
        let runs = task.and_then(|task| inputs.snapshot.deployments.get(&task.id));
        let mut seen: Vec<&DeploymentSeen> =
            runs.into_iter().flat_map(|runs| &runs.items).collect();
        seen.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        KeyOverview {
            key: key.clone(),
            state,
            reason,
            code,
            task: task.map(|task| task.id),
            name: task.and_then(|task| task.name.clone()),
            created: task.and_then(|task| instant(task.created, offset)),
            runs: seen.into_iter().map(|run| run_overview(run, offset)).collect(),
            is_complete: runs.is_none_or(|runs| runs.coverage == Coverage::Complete),
        }
    });
    Overview {
        organization_id: inputs.snapshot.organization_id.clone(),
        seen_at: inputs.snapshot.seen_at,
        keys: keys.collect(),
        undeclared_count: found.orphans.len(),
        unmanaged_count: plan.unmanaged_count,
        archived_count: plan.archived_count,
        notes: plan.notes,
    }
}

/// What the first step of a key says about it.
fn state(step: &Step) -> (KeyState, Option<String>, Option<Code>) {
    if let Gate::Blocked(finding) = &step.gate {
        return (KeyState::Blocked, Some(finding.message.clone()), Some(finding.code));
    }
    let (state, reason) = match &step.change {
        Change::Create { .. } => (KeyState::Missing, step.reason.clone()),
        Change::Retire { because: RetireReason::Superseded, retirement, .. } => {
            (KeyState::Drifted, format!("a replace is unfinished: task {} is left", retirement.id))
        }
        change => {
            let verb = change.action().participle();
            (KeyState::Drifted, format!("would be {verb}: {}", step.reason))
        }
    };
    (state, Some(reason), None)
}

fn run_overview(run: &DeploymentSeen, offset: Option<Offset>) -> RunOverview {
    RunOverview {
        id: run.id.clone(),
        status: run.status.clone(),
        created: instant(run.created, offset),
        ended: instant(run.ended, offset),
        error: run.runtime_error.clone(),
    }
}

/// Reads a time stamp as UTC unless the manifest names the zone.
fn instant(stamp: Option<DateTime>, offset: Option<Offset>) -> Option<Timestamp> {
    offset.unwrap_or(Offset::UTC).to_timestamp(stamp?).ok()
}
