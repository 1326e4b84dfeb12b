//! What must still be looked at before a plan can be trusted.
//!
//! An unchanged world without declared deployments needs the lists alone.

use std::collections::BTreeSet;

use crate::manifest::DesiredTask;
use crate::model::{Key, TaskId};
use crate::observed::{ObservedState, ReadRequest};
use crate::plan::agent_guards::touched;
use crate::plan::agents::{agent_reads, agents};
use crate::plan::counting::conversations;
use crate::plan::estimate;
use crate::plan::matcher::{Match, Matches, identify};
use crate::plan::observed::observed;
use crate::plan::planner::plan_identified;
use crate::plan::remove::reads_before_removing;
use crate::plan::{AgentChange, Change, Plan, PlanInputs, Step, StepStatus};

/// What a sight leads to.
pub enum Next {
    /// More has to be seen.
    ReadRequest(BTreeSet<ReadRequest>),
    /// All that a plan needs was seen.
    Plan(Box<Plan>),
}

/// Returns the looks that are still to be taken, or the plan.
pub fn next(inputs: &PlanInputs<'_>) -> Next {
    let (reads, plan) = reads_and_plan(inputs);
    if reads.is_empty() { Next::Plan(Box::new(plan)) } else { Next::ReadRequest(reads) }
}

/// Returns the looks that are still to be taken; empty once the snapshot holds all that a plan needs.
pub fn desired(inputs: &PlanInputs<'_>) -> BTreeSet<ReadRequest> {
    reads_and_plan(inputs).0
}

/// Returns the looks that are still to be taken, and the plan as it stands.
///
/// 1. A task whose content the list does not show is read.
/// 2. Before anything is created, replaced or removed, the task with the longest prompt is read: if
///    it agrees with its entry the list's prompts are trusted, else every task that is not kept as
///    it is listed is read.
/// 3. Declared deployments need the deployments of their task.
/// 4. Declared follow-ups need the conversations of the deployments that could have been sent them.
/// 5. A key without its content on the list: the newest task that this machine's ledger knows for it, and
///    those with its content, are read where the list does not show them. A list that lags or ends early
///    must not make a duplicate. So are pinned ones, before they are called missing.
/// 6. A task that goes is read where the list leaves its schedule out; it can be deleted rather than
///    archived only if its list of deployments is empty too.
/// 7. An agent is read where its entry on the list leaves out a declared field, where it would be changed
///    or deleted, and where a pin names it or this machine's ledger knows it and the list does not show it.
/// 8. Where a deployment would be started, past deployments of its task are read for the estimate, a few at most.
pub fn reads_and_plan(inputs: &PlanInputs<'_>) -> (BTreeSet<ReadRequest>, Plan) {
    let state = inputs.state;
    let observed = observed(state);
    let unknown = observed.tasks.values().filter(|task| task.content().is_none());
    let mut reads: BTreeSet<ReadRequest> = unknown.map(|task| ReadRequest::Task(task.id)).collect();
    let found = identify(inputs, &observed.tasks);
    let is_kept = |matched: &Match<'_>, desired: &DesiredTask| {
        matched.task.content() == Some(desired.content())
    };
    let agents = agents(inputs);
    let plan = plan_identified(inputs, &observed, &found, &agents);
    reads.extend(agent_reads(inputs, &agents));
    let touched = plan.steps.iter().filter(|step| !is_deferred(step)).filter_map(touched);
    reads.extend(touched.map(ReadRequest::Agent));
    if changes_anything(&plan) {
        reads.extend(state.canaries());
        if !state.list_is_trusted() {
            let matches = found.by_key.iter();
            let kept = matches
                .filter(|(key, matched)| is_kept(matched, &inputs.desired_state.tasks[**key]));
            let kept: BTreeSet<_> = kept.map(|(_, matched)| matched.task.id).collect();
            let others = observed.tasks.keys().filter(|id| !kept.contains(id));
            reads.extend(others.map(|id| ReadRequest::Task(*id)));
        }
    }
    for (key, matched) in &found.by_key {
        let desired = &inputs.desired_state.tasks[*key];
        let is_kept = is_kept(matched, desired);
        if is_kept && !desired.deployments.is_empty() {
            reads.insert(ReadRequest::Deployments(matched.task.id));
            reads.extend(conversations(inputs, desired, matched.task));
        } else if !is_kept {
            reads.extend(reads_before_removing(matched.task, inputs.evidence.keys.get(*key)));
        }
    }
    reads.extend(unlisted(inputs, &found));
    let superseded = found
        .superseded
        .iter()
        .flat_map(|(key, tasks)| tasks.iter().map(move |task| (*key, *task)));
    for (key, task) in superseded.chain(found.orphans.iter().copied()) {
        reads.extend(reads_before_removing(task, inputs.evidence.keys.get(key)));
    }
    reads.extend(estimate::reads(inputs, &found, &plan.steps));
    reads.retain(|read| is_unread(read, state));
    (reads, plan)
}

/// Returns the looks that [`wanted`] asks for, and those that it would most likely ask for if the
/// manifest were another: for an observation that is kept.
///
/// Those are the task with the longest prompt, the deployments of every declared task, and every declared
/// agent.
pub fn snapshot_reads(inputs: &PlanInputs<'_>) -> BTreeSet<ReadRequest> {
    let state = inputs.state;
    let mut reads = state.canaries();
    let tasks = observed(state).tasks;
    let found = identify(inputs, &tasks);
    reads.extend(found.by_key.values().map(|matched| ReadRequest::Deployments(matched.task.id)));
    reads.extend(agents(inputs).matches.by_key.values().map(|id| ReadRequest::Agent(*id)));
    reads.retain(|read| is_unread(read, state));
    reads.extend(desired(inputs));
    reads
}

/// Returns the tasks that the steps of a plan are about: what is said of them must be as it is now.
pub fn tasks_of_steps(inputs: &PlanInputs<'_>, plan: &Plan) -> BTreeSet<TaskId> {
    let is_about_task = |step: &&Step| !matches!(step.change, Change::Agent(_));
    let keys: BTreeSet<&Key> =
        plan.steps.iter().filter(is_about_task).map(|step| &step.key).collect();
    if keys.is_empty() {
        return BTreeSet::new();
    }
    let observed = observed(inputs.state);
    let found = identify(inputs, &observed.tasks);
    let matched = found.by_key.iter().map(|(key, matched)| (*key, matched.task));
    let superseded = found.superseded.iter();
    let superseded = superseded.flat_map(|(key, tasks)| tasks.iter().map(|task| (*key, *task)));
    let all = matched.chain(superseded).chain(found.orphans.iter().copied());
    all.filter(|(key, _)| keys.contains(key)).map(|(_, task)| task.id).collect()
}

/// Whether something was not read yet.
pub(super) fn is_unread(read: &ReadRequest, state: &ObservedState) -> bool {
    match read {
        ReadRequest::Agent(id) => !state.agent_reads.contains_key(id),
        ReadRequest::Task(id) => !state.task_reads.contains_key(id),
        ReadRequest::Deployments(id) => !state.deployments.contains_key(id),
        ReadRequest::Conversation(id) => !state.conversations.contains_key(id),
    }
}

/// Whether the plan as it stands would create, replace or remove, guards left out of account.
fn changes_anything(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        let needs_no_task = match &step.change {
            Change::Agent(change) => !matches!(change, AgentChange::Delete { .. }),
            change => is_of_runs(change) || change.is_in_place(),
        };
        !is_deferred(step) && !needs_no_task
    })
}

fn is_deferred(step: &Step) -> bool {
    matches!(step.status, StepStatus::Deferred(_))
}

fn is_of_runs(change: &Change) -> bool {
    matches!(
        change,
        Change::Deploy { .. }
            | Change::Prompt { .. }
            | Change::Diverged { .. }
            | Change::Stop { .. }
    )
}

/// The most tasks of a key that are read because the ledger knows them and the list does not show them,
/// the newest first: a list lags behind what was created lately.
const MOST_UNLISTED: usize = 100;

/// Tasks that the list does not show: those that keys are pinned to, and those of a key without its
/// content that the ledger knows.
fn unlisted(inputs: &PlanInputs<'_>, found: &Matches<'_>) -> BTreeSet<ReadRequest> {
    let listed: BTreeSet<_> = inputs.state.tasks.items.iter().map(|task| task.id).collect();
    let pins = inputs.desired_state.tasks.values().filter_map(|desired| desired.pin);
    let pins = pins.filter(|id| !listed.contains(id)).take(MOST_UNLISTED);
    let mut reads: BTreeSet<ReadRequest> = pins.map(ReadRequest::Task).collect();
    for (key, desired) in &inputs.desired_state.tasks {
        let claimed = found.by_key.get(key).and_then(|matched| matched.task.content());
        if claimed == Some(desired.content()) {
            continue;
        }
        let Some(known) = inputs.evidence.keys.get(key) else { continue };
        let equal = known.created.iter().filter(|created| created.content == desired.content());
        let equal = equal.filter_map(|created| created.id).filter(|id| !listed.contains(id));
        let newest = known.newest_created().filter(|id| !listed.contains(id));
        reads.extend(newest.into_iter().chain(equal.take(MOST_UNLISTED)).map(ReadRequest::Task));
    }
    reads
}
