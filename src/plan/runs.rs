//! Declared deployments against the runs that exist (design 5).
//!
//! A declared deployment means that at least one run of the task's content exists, made at or after
//! `since`. A run counts only if its own prompt and agent are its task's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::diag::{Code, Diagnostic};
use crate::manifest::{DeclaredDeployment, WantedTask};
use crate::model::{DeploymentId, Key};
use crate::plan::Inputs;
use crate::snapshot::{Coverage, DeploymentSeen, Sight, Snapshot, TaskSeen};

/// How far a service's clock can be from UTC: zones reach from -12 to +14 hours.
const WIDEST_ZONE: SignedDuration = SignedDuration::from_hours(14);

/// What a declared deployment comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A run serves it.
    Served(DeploymentId),
    /// No run exists: start one.
    Run,
    /// Its `since` is in the future.
    NotYet(Timestamp),
    /// It cannot be told.
    Blocked(Diagnostic),
}

/// Matches every declared deployment of a task that exists.
pub(super) fn match_runs(
    wanted: &WantedTask,
    task: &TaskSeen,
    snapshot: &Snapshot,
    offset: Option<Offset>,
) -> Vec<(Key, Due)> {
    let Some(sight) = snapshot.deployments.get(&task.id) else {
        return all(wanted, &|| incomplete(task, "they were not read"));
    };
    if let Coverage::Partial(why) = &sight.coverage {
        return all(wanted, &|| incomplete(task, why));
    }
    let counting: Vec<&DeploymentSeen> =
        sight.items.iter().filter(|run| counts_for(run, task)).collect();
    if counting.is_empty() && !sight.items.is_empty() {
        return all(wanted, &|| unlike(task, sight));
    }
    assign(&wanted.deployments, &counting, snapshot.seen_at, offset)
}

/// Which declared deployments of a task that is yet to be made are due.
pub(super) fn due_on_new(wanted: &WantedTask, now: Timestamp) -> Vec<(Key, Due)> {
    assign(&wanted.deployments, &[], now, None)
}

/// How many runs of the task were made within a day before the lists were read, whoever made them.
pub(super) fn count_of_last_day(task: &TaskSeen, inputs: &Inputs<'_>) -> usize {
    let Some(sight) = inputs.snapshot.deployments.get(&task.id) else { return 0 };
    let yesterday = inputs.snapshot.seen_at - SignedDuration::from_hours(24);
    let offset = inputs.wish.service_utc_offset;
    let is_recent = |run: &&DeploymentSeen| {
        instant(run.created, offset).is_some_and(|created| created > yesterday)
    };
    sight.items.iter().filter(is_recent).count()
}

/// Gives each declaration a run of its own, the narrowest declarations first.
///
/// A run that serves a late `since` serves every earlier one too, so starting with the latest `since`
/// leaves the most for the others; among the runs that fit, the oldest is taken.
fn assign(
    declared: &BTreeMap<Key, DeclaredDeployment>,
    runs: &[&DeploymentSeen],
    now: Timestamp,
    offset: Option<Offset>,
) -> Vec<(Key, Due)> {
    let mut by_age = runs.to_vec();
    by_age.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let mut narrowest_first: Vec<(&Key, &DeclaredDeployment)> = declared.iter().collect();
    narrowest_first.sort_by(|a, b| (b.1.since, a.0).cmp(&(a.1.since, b.0)));
    let mut taken: BTreeSet<&DeploymentId> = BTreeSet::new();
    let mut due = BTreeMap::new();
    for (key, deployment) in narrowest_first {
        let free = || by_age.iter().filter(|run| !taken.contains(&run.id));
        let verdict = if deployment.since.is_some_and(|since| since > now) {
            Due::NotYet(deployment.since.unwrap_or(now))
        } else if let Some(run) = free().find(|run| is_since(run, deployment, offset)) {
            Due::Served(run.id.clone())
        } else if let Some(run) = free().find(|run| may_be_since(run, deployment, offset)) {
            Due::Blocked(zone_question(run, deployment))
        } else {
            Due::Run
        };
        if let Due::Served(id) = &verdict {
            taken.extend(by_age.iter().map(|run| &run.id).find(|known| *known == id));
        }
        due.insert(key.clone(), verdict);
    }
    due.into_iter().collect()
}

/// Whether the run is one of the task's content, as the service shows both.
fn counts_for(run: &DeploymentSeen, task: &TaskSeen) -> bool {
    run.prompt.is_some() && run.prompt == task.prompt && run.agent_id == task.agent_id
}

fn is_since(run: &DeploymentSeen, declared: &DeclaredDeployment, offset: Option<Offset>) -> bool {
    let Some(since) = declared.since else { return true };
    instant(run.created, offset).is_some_and(|created| created >= since)
}

/// Whether the run could lie at or after `since` in a zone that nobody has named.
fn may_be_since(
    run: &DeploymentSeen,
    declared: &DeclaredDeployment,
    offset: Option<Offset>,
) -> bool {
    let (Some(since), None) = (declared.since, offset) else { return run.created.is_none() };
    instant(run.created, None).is_none_or(|created| {
        created.saturating_add(WIDEST_ZONE).is_ok_and(|latest| latest >= since)
    })
}

fn instant(stamp: Option<DateTime>, offset: Option<Offset>) -> Option<Timestamp> {
    offset.unwrap_or(Offset::UTC).to_timestamp(stamp?).ok()
}

fn all(wanted: &WantedTask, finding: &dyn Fn() -> Diagnostic) -> Vec<(Key, Due)> {
    wanted.deployments.keys().map(|key| (key.clone(), Due::Blocked(finding()))).collect()
}

fn incomplete(task: &TaskSeen, why: &str) -> Diagnostic {
    let message = format!("the deployments of task {} are not known: {why}", task.id);
    Diagnostic::blocked(Code::IncompleteRead, message).help("run this again")
}

fn unlike(task: &TaskSeen, sight: &Sight<DeploymentSeen>) -> Diagnostic {
    let count = sight.items.len();
    let message = format!(
        "task {} has {count} runs and none shows the task's own prompt and agent, so it cannot be \
         told whether the wanted run exists",
        task.id
    );
    Diagnostic::blocked(Code::RunUnlikeTask, message)
        .help("look at the runs in the web interface; delete the declaration if one of them is the wanted one")
}

fn zone_question(run: &DeploymentSeen, declared: &DeclaredDeployment) -> Diagnostic {
    let created = run.created.map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    let since = declared.since.unwrap_or(Timestamp::UNIX_EPOCH);
    let message = format!(
        "run {} was made {created} in a zone that the service does not name, which may be after {since}",
        run.id
    );
    Diagnostic::blocked(Code::ZoneUnknown, message)
        .help("set `serviceUtcOffset: \"+00:00\"` (or the service's zone) in the manifest")
        .help("or move `since` by more than 14 hours")
}
