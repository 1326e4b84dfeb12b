//! What must still be looked at before a plan can be trusted.
//!
//! An unchanged world without declared deployments needs the list alone.

use std::collections::BTreeSet;

use crate::manifest::WantedTask;
use crate::plan::counting::conversations;
use crate::plan::estimate;
use crate::plan::identify::{Claim, Identified, identify};
use crate::plan::planner::plan_identified;
use crate::plan::retire::looks_before_retiring;
use crate::plan::sight::{list_is_trusted, sight};
use crate::plan::{Change, Gate, Inputs, Plan};
use crate::snapshot::{Look, Snapshot, TaskSeen};

/// What a sight leads to.
pub enum Next {
    /// More has to be seen.
    Look(BTreeSet<Look>),
    /// All that a plan needs was seen.
    Plan(Box<Plan>),
}

/// Returns the looks that are still to be taken, or the plan.
pub fn next(inputs: &Inputs<'_>) -> Next {
    let (looks, plan) = looks_and_plan(inputs);
    if looks.is_empty() { Next::Plan(Box::new(plan)) } else { Next::Look(looks) }
}

/// Returns the looks that are still to be taken; empty once the snapshot holds all that a plan needs.
pub fn wanted(inputs: &Inputs<'_>) -> BTreeSet<Look> {
    looks_and_plan(inputs).0
}

/// Returns the looks that are still to be taken, and the plan as it stands.
///
/// 1. A task whose content the list does not show is read.
/// 2. Before anything is created, replaced or retired, the task with the longest prompt is read: if
///    it agrees with its entry the list's prompts are trusted, else every task that is not kept as
///    it is listed is read.
/// 3. Declared deployments need the runs of their task.
/// 4. Declared follow-ups need the conversations of the runs that could have been sent them.
/// 5. A task that this machine's ledger knows for a key without its content, and that the list does
///    not show, is read: a list that lags or ends early must not make a twin.
/// 6. A task that goes is read where the list leaves its schedule out; it can be deleted rather than
///    archived only if its list of runs is empty too.
/// 7. Where a run would be started, past runs of its task are read for the estimate, a few at most.
pub fn looks_and_plan(inputs: &Inputs<'_>) -> (BTreeSet<Look>, Plan) {
    let snapshot = inputs.snapshot;
    let sight = sight(snapshot);
    let unknown = sight.tasks.values().filter(|task| task.content.is_none());
    let mut looks: BTreeSet<Look> = unknown.map(|task| Look::Task(task.id)).collect();
    let found = identify(inputs, &sight.tasks);
    let is_kept = |claim: &Claim<'_>, wanted: &WantedTask| {
        claim.task.content.as_ref() == Some(&wanted.content)
    };
    let plan = plan_identified(inputs, &sight, &found);
    if changes_anything(&plan) {
        looks.extend(canaries(inputs));
        if !list_is_trusted(snapshot) {
            let claims = found.claims.iter();
            let kept = claims.filter(|(key, claim)| is_kept(claim, &inputs.wish.tasks[**key]));
            let kept: BTreeSet<_> = kept.map(|(_, claim)| claim.task.id).collect();
            let others = sight.tasks.keys().filter(|id| !kept.contains(id));
            looks.extend(others.map(|id| Look::Task(*id)));
        }
    }
    for (key, claim) in &found.claims {
        let wanted = &inputs.wish.tasks[*key];
        let is_kept = is_kept(claim, wanted);
        if is_kept && !wanted.deployments.is_empty() {
            looks.insert(Look::Deployments(claim.task.id));
            looks.extend(conversations(inputs, wanted, claim.task));
        } else if !is_kept {
            looks.extend(looks_before_retiring(claim.task, inputs.evidence.keys.get(*key)));
        }
    }
    looks.extend(unlisted(inputs, &found));
    let superseded = found
        .superseded
        .iter()
        .flat_map(|(key, tasks)| tasks.iter().map(move |task| (*key, *task)));
    for (key, task) in superseded.chain(found.orphans.iter().copied()) {
        looks.extend(looks_before_retiring(task, inputs.evidence.keys.get(key)));
    }
    looks.extend(estimate::looks(inputs, &found, &plan.steps));
    looks.retain(|look| is_unread(look, snapshot));
    (looks, plan)
}

/// Returns the looks that [`wanted`] asks for, and those that it would most likely ask for if the
/// manifest were another: for an observation that is kept.
///
/// Those are the task with the longest prompt, and the runs of every declared task.
pub fn wanted_to_keep(inputs: &Inputs<'_>) -> BTreeSet<Look> {
    let snapshot = inputs.snapshot;
    let mut looks = canaries(inputs);
    let tasks = sight(snapshot).tasks;
    let found = identify(inputs, &tasks);
    looks.extend(found.claims.values().map(|claim| Look::Deployments(claim.task.id)));
    looks.retain(|look| is_unread(look, snapshot));
    looks.extend(wanted(inputs));
    looks
}

fn is_unread(look: &Look, snapshot: &Snapshot) -> bool {
    match look {
        Look::Task(id) => !snapshot.task_reads.contains_key(id),
        Look::Deployments(id) => !snapshot.deployments.contains_key(id),
        Look::Conversation(id) => !snapshot.conversations.contains_key(id),
    }
}

/// Whether the plan as it stands would create, replace or retire, guards left out of account.
fn changes_anything(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        let is_withheld = matches!(step.gate, Gate::Withheld(_));
        !is_withheld && !is_of_runs(&step.change) && !matches!(step.change, Change::Rename { .. })
    })
}

fn is_of_runs(change: &Change) -> bool {
    matches!(
        change,
        Change::Run { .. }
            | Change::FollowUp { .. }
            | Change::Diverged { .. }
            | Change::Stop { .. }
    )
}

/// The task with the longest prompt: the one that a service which cuts prompts has cut.
///
/// Two where the one with the most letters is not the one with the most bytes: nobody knows in which
/// of them a service measures.
pub(super) fn canaries(inputs: &Inputs<'_>) -> BTreeSet<Look> {
    let tasks = &inputs.snapshot.tasks.items;
    let longest = |length: fn(&str) -> usize| {
        let rank = |task: &&TaskSeen| {
            (task.prompt.as_deref().map_or(0, length), std::cmp::Reverse(task.id))
        };
        tasks.iter().max_by_key(rank).map(|task| Look::Task(task.id))
    };
    [longest(|prompt| prompt.chars().count()), longest(str::len)].into_iter().flatten().collect()
}

/// Tasks with a key's content that the ledger knows and the list does not show.
fn unlisted(inputs: &Inputs<'_>, found: &Identified<'_>) -> BTreeSet<Look> {
    let listed: BTreeSet<_> = inputs.snapshot.tasks.items.iter().map(|task| task.id).collect();
    let mut looks = BTreeSet::new();
    for (key, wanted) in &inputs.wish.tasks {
        let claimed = found.claims.get(key).and_then(|claim| claim.task.content.as_ref());
        if claimed == Some(&wanted.content) {
            continue;
        }
        let made = inputs.evidence.keys.get(key).into_iter().flat_map(|known| &known.made);
        let made = made.filter(|made| made.content == wanted.content.hash());
        let ids = made.filter_map(|made| made.id).filter(|id| !listed.contains(id));
        looks.extend(ids.map(Look::Task));
    }
    looks
}
