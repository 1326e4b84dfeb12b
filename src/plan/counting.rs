//! Which runs count for a task, of which time they are, and which of them must be looked at closely.

use std::collections::BTreeSet;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::manifest::{DesiredDeployment, DesiredTask};
use crate::model::TaskId;
use crate::observed::{ObservedDeployment, ObservedTask, ReadRequest, Status};
use crate::plan::PlanInputs;
use crate::plan::deployment_status::instant;

/// How far a service's clock can be from UTC: zones reach from -12 to +14 hours.
const WIDEST_ZONE: SignedDuration = SignedDuration::from_hours(14);

/// The conversations that tell which run was sent which follow-ups.
pub(super) fn conversations(
    inputs: &PlanInputs<'_>,
    desired: &DesiredTask,
    task: &ObservedTask,
) -> BTreeSet<ReadRequest> {
    let offset = inputs.desired_state.service_utc_offset;
    let sending: Vec<&DesiredDeployment> = desired
        .deployments
        .values()
        .filter(|declared| !declared.follow_ups.is_empty())
        .filter(|declared| declared.since.is_none_or(|since| since <= inputs.state.observed_at))
        .collect();
    let Some(observed) = inputs.state.deployments.get(&task.id) else { return BTreeSet::new() };
    let of_its_time =
        |run: &&ObservedDeployment| sending.iter().any(|declared| is_since(run, declared, offset));
    let counting = observed.items.iter().filter(|run| counts_for(run, task));
    counting.filter(of_its_time).map(|run| ReadRequest::Conversation(run.id.clone())).collect()
}

/// How many deployments of the task were made within a day before the lists were read, whoever made them.
pub(super) fn count_of_last_day(task: TaskId, inputs: &PlanInputs<'_>) -> usize {
    let Some(observed) = inputs.state.deployments.get(&task) else { return 0 };
    let yesterday = inputs.state.observed_at - SignedDuration::from_hours(24);
    let offset = inputs.desired_state.service_utc_offset;
    let is_recent = |run: &&ObservedDeployment| {
        instant(run.created, offset).is_some_and(|created| created > yesterday)
    };
    observed.items.iter().filter(is_recent).count()
}

/// How many deployments the task counts, and how many its list shows, where these are fewer.
pub(super) fn unlisted(task: &ObservedTask, inputs: &PlanInputs<'_>) -> Option<(u64, usize)> {
    let shown = inputs.state.deployments.get(&task.id)?.items.len();
    task.deployment_count.filter(|count| *count > shown as u64).map(|count| (count, shown))
}

/// How many deployments of the task's content have failed at or after `since`.
pub(super) fn count_of_failed(
    task: &ObservedTask,
    inputs: &PlanInputs<'_>,
    since: Option<Timestamp>,
) -> usize {
    let Some(observed) = inputs.state.deployments.get(&task.id) else { return 0 };
    let offset = inputs.desired_state.service_utc_offset;
    let is_meant = |run: &&ObservedDeployment| {
        let is_since = since.is_none_or(|since| {
            instant(run.created, offset).is_none_or(|created| created >= since)
        });
        run.status == Status::Failed && counts_for(run, task) && is_since
    };
    observed.items.iter().filter(is_meant).count()
}

/// Whether the deployment is one of the task's content, as the service shows both.
pub(super) fn counts_for(run: &ObservedDeployment, task: &ObservedTask) -> bool {
    run.prompt.is_some()
        && run.prompt.as_ref() == task.prompt()
        && run.agent_id == task.object.agent_id()
}

pub(super) fn is_since(
    run: &ObservedDeployment,
    declared: &DesiredDeployment,
    offset: Option<Offset>,
) -> bool {
    let Some(since) = declared.since else { return true };
    instant(run.created, offset).is_some_and(|created| created >= since)
}

/// Whether the deployment could lie at or after `since` in a zone that nobody has named.
pub(super) fn may_be_since(
    run: &ObservedDeployment,
    declared: &DesiredDeployment,
    offset: Option<Offset>,
) -> bool {
    if is_since(run, declared, offset) {
        // It was weighed and found to serve another one.
        return false;
    }
    let (Some(since), None) = (declared.since, offset) else { return run.created.is_none() };
    instant(run.created, None).is_none_or(|created| {
        created.saturating_add(WIDEST_ZONE).is_ok_and(|latest| latest >= since)
    })
}
