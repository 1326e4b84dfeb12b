//! The safety rules for agents; the rules for tasks, and those for all steps, are in `guards`.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::manifest::SettingName;
use crate::model::{AgentId, Key, counted, noun};
use crate::plan::agent_matcher::AgentMatchError;
use crate::plan::limits::{CREATES_PER_APPLY, delete_limit, missing_limit};
use crate::plan::verdict::{View, block, incomplete, lost, over, unreadable_neighbor_finding};
use crate::plan::{AgentChange, AgentRef, Change, Prune, Step, StepId, StepStatus};

/// An incomplete list or read proves nothing: no agent is made or deleted on it, and none is deleted
/// while a task that uses it may be missing.
pub(super) fn partial_sight(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let mut verdicts = Vec::new();
    if let Some(gap) = view.agents.gap.as_deref() {
        verdicts.extend(block(steps, |step| is_create(step) || is_delete(step), &incomplete(gap)));
    } else if let Some(gap) = view.gap {
        verdicts.extend(block(steps, is_delete, &incomplete(gap)));
    }
    verdicts
}

/// Omission is never deletion by itself.
pub(super) fn pruning_not_asked(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if view.is_destroy {
        return Vec::new();
    }
    if view.inputs.options.prune == Prune::On {
        if view.inputs.options.settings.is_on(SettingName::Prune) && steps.iter().any(is_delete) {
            view.note_used(SettingName::Prune, None);
        }
        return Vec::new();
    }
    let finding = Diagnostic::note(Code::PruneOff, "no longer declared, and pruning is off")
        .help("`--prune` removes what is no longer declared")
        .help("or list a key under `forget`, and its agent is left alone for good");
    let status = StepStatus::Deferred(finding);
    steps.iter().filter(|step| is_delete(step)).map(|step| (step.id, status.clone())).collect()
}

/// Protection outlives the entry it stood in: the last version counts where there is none today.
pub(super) fn protected(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let finding = Diagnostic::blocked(
        Code::Protected,
        "`protect: true` is in the entry of the agent, or stood there last",
    )
    .help("commit the entry with `protect: false` first, then this change");
    block(steps, |step| is_delete(step) && is_protected(view, &step.key), &finding)
}

fn is_protected(view: &View<'_, '_>, key: &Key) -> bool {
    match view.inputs.desired_state.agents.get(key) {
        Some(desired) => desired.protect,
        None => view.inputs.evidence.agents.get(key).is_some_and(|known| known.protect),
    }
}

/// A manifest without tasks and agents is more often a lost file than intended.
pub(super) fn empty_manifest(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let desired = view.inputs.desired_state;
    if view.is_destroy || !(desired.tasks.is_empty() && desired.agents.is_empty()) {
        return Vec::new();
    }
    let finding = Diagnostic::blocked(Code::EmptyManifest, "the manifest declares nothing at all")
        .help("`--allow empty-manifest` if everything it once declared shall go");
    block(steps, is_delete, &finding)
}

/// A neighbor that cannot be understood may declare what would be removed.
pub(super) fn unreadable_neighbor(
    view: &View<'_, '_>,
    steps: &[Step],
) -> Vec<(StepId, StepStatus)> {
    if view.inputs.other_manifests.gaps.is_empty() {
        return Vec::new();
    }
    block(steps, is_delete, &unreadable_neighbor_finding(view.inputs))
}

/// A service that suddenly shows few of our agents is more often lying than empty.
///
/// Keys of earlier commits, and keys that the ledger knows agents for, are established. This is no
/// first apply where some of them have an agent, or the ledger knows one.
pub(super) fn vanished(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let evidence = &view.inputs.evidence.agents;
    let was_made = |key: &Key| evidence.get(key).is_some_and(|known| !known.created.is_empty());
    let is_established =
        |key: &Key| was_made(key) || evidence.get(key).is_some_and(|known| known.is_established);
    let keys = view.inputs.desired_state.agents.keys().filter(|key| is_established(key));
    let has_candidate = |key: &Key| match view.agents.matches.errors.get(key) {
        Some(error) => !matches!(error, AgentMatchError::PinMissing(_)),
        None => view.agents.matches.by_key.contains_key(key),
    };
    let (found, missing): (Vec<&Key>, Vec<&Key>) = keys.partition(|key| has_candidate(key));
    let all = found.len() + missing.len();
    let is_known_elsewhere = found.iter().any(|key| !was_made(key));
    let is_lost = missing.iter().any(|key| was_made(key));
    if !(is_known_elsewhere || is_lost)
        || missing.len() <= view.limit(SettingName::Missing, missing_limit(all), missing.len())
    {
        return Vec::new();
    }
    let message = format!(
        "{} of {} that earlier versions declared {} not on the service's list{}",
        missing.len(),
        counted(all, "agent", "agents"),
        noun(all, "is", "are"),
        view.beyond(SettingName::Missing)
    );
    let finding = Diagnostic::blocked(Code::MassMissing, message)
        .help("check the organization and the web interface, then plan again")
        .help("`--allow mass-missing` makes them anew");
    let missing: BTreeSet<&Key> = missing.into_iter().collect();
    block(steps, |step| is_create(step) && missing.contains(&step.key), &finding)
}

/// With part of the evidence out of sight, an agent that no key explains may be the one that would be
/// made, and what would be removed may still be declared.
pub(super) fn lost_evidence(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let is_unexplained = view.agents.has_unexplained(view.inputs);
    let verdict = |step: &Step| {
        let why = if is_create(step) && is_unexplained {
            "and an agent that no key explains may be this one"
        } else if is_delete(step) {
            "so what would be removed may still be declared"
        } else {
            return None;
        };
        lost(view.inputs, step, format!("part of the evidence cannot be read, {why}"))
    };
    steps.iter().filter_map(verdict).collect()
}

/// An agent that is used stays, and so does one of which Git does not know everything.
pub(super) fn held(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let held = steps.iter().filter_map(|step| Some((step.id, view.held.get(&step.id)?)));
    held.map(|(id, finding)| (id, StepStatus::Blocked(finding.clone()))).collect()
}

pub(super) fn too_many_deletes(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if view.is_destroy {
        return Vec::new();
    }
    let owned = view.agents.owned_count(view.inputs);
    over(
        view,
        steps,
        is_delete,
        (SettingName::Deletes, delete_limit(owned)),
        ("agent would be removed", "agents would be removed"),
    )
}

pub(super) fn too_many_creates(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    over(
        view,
        steps,
        is_create,
        (SettingName::Creates, CREATES_PER_APPLY),
        ("agent would be created", "agents would be created"),
    )
}

fn is_create(step: &Step) -> bool {
    matches!(step.change, Change::Agent(AgentChange::Create { .. }))
}

pub(super) fn is_delete(step: &Step) -> bool {
    matches!(step.change, Change::Agent(AgentChange::Delete { .. }))
}

/// The existing agent that a step changes or deletes, which is read before.
pub(super) fn touched(step: &Step) -> Option<AgentId> {
    match &step.change {
        Change::Agent(
            AgentChange::Update { agent: AgentRef::Existing(id), .. }
            | AgentChange::Delete { id, .. },
        ) => Some(*id),
        _ => None,
    }
}
