//! One function per safety rule, each with its own code, override and sentence.
//!
//! Guards see the finished plan and may only close steps: all steps of the action they guard, never
//! some of them, while the rest goes on. There is no override for all of them at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, Diagnostic};
use crate::evidence::KeyEvidence;
use crate::manifest::SettingName;
use crate::model::{Action, Key, TaskId, counted, noun};
use crate::observed::ObservedTask;
use crate::plan::agent_guards;
use crate::plan::limits::{
    CREATES_PER_APPLY, FAILURES, FOLLOW_UPS_PER_RUN, RUNS_PER_APPLY, RUNS_PER_TASK_AND_DAY,
    delete_limit, missing_limit, replace_limit,
};
use crate::plan::matcher::{MatchError, Proof};
use crate::plan::verdict::{
    View, block, incomplete, lost, name_gaps, over, unreadable_neighbor_finding,
};
use crate::plan::waits::close_what_waits;
use crate::plan::{Change, Options, Prune, RemoveReason, Step, StepId, StepStatus, TaskRef};

type Guard = fn(&View<'_, '_>, &[Step]) -> Vec<(StepId, StepStatus)>;

/// Every guard, in the order in which they speak; the first one that closes a step is named.
pub(super) const GUARDS: &[Guard] = &[
    partial_sight,
    agent_guards::partial_sight,
    stale_checkout,
    pruning_not_asked,
    agent_guards::pruning_not_asked,
    protected,
    agent_guards::protected,
    empty_manifest,
    agent_guards::empty_manifest,
    unreadable_neighbor,
    agent_guards::unreadable_neighbor,
    vanished,
    agent_guards::vanished,
    lost_evidence,
    agent_guards::lost_evidence,
    agent_guards::held,
    too_many_retires,
    agent_guards::too_many_deletes,
    too_many_replaces,
    too_many_creates,
    agent_guards::too_many_creates,
    runs_unlisted,
    too_many_runs,
    too_many_runs_of_a_task,
    failed_repeatedly,
    too_many_follow_ups,
];

/// Closes what must not be done; a code named with `--allow` closes nothing. Returns the codes that
/// would have.
pub(super) fn guard(view: &View<'_, '_>, steps: &mut [Step]) -> BTreeSet<Code> {
    let mut overrides = BTreeSet::new();
    if steps.is_empty() {
        return overrides;
    }
    name_gaps(view.inputs, steps);
    for guard in GUARDS {
        let verdicts: BTreeMap<StepId, StepStatus> = guard(view, steps).into_iter().collect();
        for step in steps.iter_mut().filter(|step| step.status == StepStatus::Ready) {
            match verdicts.get(&step.id) {
                Some(StepStatus::Blocked(finding))
                    if view.inputs.options.allow.contains(&finding.code) =>
                {
                    overrides.insert(finding.code);
                }
                Some(status) => step.status = status.clone(),
                None => {}
            }
        }
    }
    close_what_waits(steps);
    overrides
}

/// An incomplete list or read proves nothing: nothing is made, replaced, removed or run on it.
fn partial_sight(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let Some(gap) = view.gap else { return Vec::new() };
    let touches =
        |step: &Step| !matches!(step.change, Change::Agent(_)) && !step.change.is_in_place();
    block(steps, touches, &incomplete(gap))
}

/// A checkout that lacks commits of its upstream would take the service back in time.
fn stale_checkout(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if !view.inputs.options.is_stale {
        return Vec::new();
    }
    let finding = Diagnostic::blocked(
        Code::StaleCheckout,
        "this checkout lacks commits that its upstream has, so the plan would undo them",
    )
    .help("`git pull`, then plan again")
    .help("or `--allow stale-checkout`");
    block(steps, |_| true, &finding)
}

/// Omission is never deletion by itself.
fn pruning_not_asked(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if view.inputs.options.prune == Prune::On {
        if view.inputs.options.settings.is_on(SettingName::Prune) && steps.iter().any(is_undeclared)
        {
            view.note_used(SettingName::Prune, None);
        }
        return Vec::new();
    }
    let finding = Diagnostic::note(Code::PruneOff, "no longer declared, and pruning is off")
        .help("`--prune` removes what is no longer declared")
        .help("or list a key under `forget`, and its task is left alone for good");
    let status = StepStatus::Deferred(finding);
    steps.iter().filter(|step| is_undeclared(step)).map(|step| (step.id, status.clone())).collect()
}

/// Protection outlives the entry it stood in: the last version counts where there is none today.
fn protected(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let is_protected = |key: &Key| match view.inputs.desired_state.tasks.get(key) {
        Some(desired) => desired.protect,
        None => view.inputs.evidence.keys.get(key).is_some_and(|evidence| evidence.protect),
    };
    let finding = Diagnostic::blocked(
        Code::Protected,
        "`protect: true` is in the entry of the task, or stood there last",
    )
    .help("commit the entry with `protect: false` first, then this change");
    let is_loss =
        |step: &Step| matches!(step.change, Change::Replace { .. } | Change::Remove { .. });
    block(steps, |step| is_loss(step) && is_protected(&step.key), &finding)
}

/// A manifest without tasks is more often a lost file than intended.
fn empty_manifest(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if !view.inputs.desired_state.tasks.is_empty() {
        return Vec::new();
    }
    let finding = Diagnostic::blocked(Code::EmptyManifest, "the manifest declares no task at all")
        .help("`--allow empty-manifest` if everything it once declared shall go");
    block(steps, is_undeclared, &finding)
}

/// A neighbor that cannot be understood may declare what would be removed.
fn unreadable_neighbor(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if view.inputs.other_manifests.gaps.is_empty() {
        return Vec::new();
    }
    let finding = unreadable_neighbor_finding(view.inputs);
    let is_asked = |step: &Step| {
        matches!(
            step.change,
            Change::Remove { because: RemoveReason::Undeclared | RemoveReason::Destroyed, .. }
        )
    };
    block(steps, is_asked, &finding)
}

/// A service that suddenly shows few of our tasks is more often lying than empty.
///
/// 1. Keys of earlier commits, and keys that the ledger knows tasks for, are established.
/// 2. Some of them have a task, or the ledger knows ids for them; otherwise this is a first apply.
/// 3. More of them than the ceiling have none.
/// 4. An interrupted first apply is told by the ledger: everything found was made on this machine,
///    and nothing missing ever was.
fn vanished(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let evidence = &view.inputs.evidence.keys;
    let is_established = |key: &Key| {
        evidence.get(key).is_some_and(|known| known.is_established || known.has_created())
    };
    let was_made = |key: &Key| evidence.get(key).is_some_and(KeyEvidence::has_created);
    let established: Vec<&Key> =
        view.inputs.desired_state.tasks.keys().filter(|key| is_established(key)).collect();
    // A task that cannot be told from others, or proven to be ours, is there all the same.
    let has_candidate = |key: &Key| match view.found.match_errors.get(key) {
        Some(match_error) => !matches!(match_error, MatchError::PinMissing(_)),
        None => view.found.by_key.contains_key(key),
    };
    let (found, missing): (Vec<&Key>, Vec<&Key>) =
        established.iter().partition(|key| has_candidate(key));
    let is_known_elsewhere = found.iter().any(|key| !was_made(key));
    let is_lost = missing.iter().any(|key| was_made(key));
    if !(is_known_elsewhere || is_lost) {
        return Vec::new();
    }
    let default = missing_limit(established.len());
    if missing.len() <= view.limit(SettingName::Missing, default, missing.len()) {
        return Vec::new();
    }
    let message = format!(
        "{} of {} that earlier versions declared {} not on the service's list{}",
        missing.len(),
        counted(established.len(), "task", "tasks"),
        noun(established.len(), "is", "are"),
        view.beyond(SettingName::Missing)
    );
    let finding = Diagnostic::blocked(Code::MassMissing, message)
        .help("check the organization and the web interface, then plan again")
        .help("`--allow mass-missing` makes them anew");
    let missing: BTreeSet<&Key> = missing.into_iter().collect();
    let touches =
        |step: &Step| missing.contains(&step.key) && matches!(step.change, Change::Create { .. });
    block(steps, touches, &finding)
}

/// With part of the evidence out of sight, a resource that nothing explains may be the wanted one, and
/// what seems to be a key's may no longer be: nothing is created, replaced or removed beside it.
fn lost_evidence(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let unexplained = view.found.unexplained_count();
    if unexplained == 0 {
        return Vec::new();
    }
    let whose = counted(
        unexplained,
        "task of the organization belongs",
        "tasks of the organization belong",
    );
    let verdict = |step: &Step| {
        let why = match &step.change {
            Change::Create { .. } => "what would be created may exist already",
            Change::Replace { .. } => "what would be replaced may be so already",
            Change::Remove { .. } => "what would be removed may still be declared",
            _ => return None,
        };
        lost(view.inputs, step, format!("{whose} to no key, so {why}"))
    };
    steps.iter().filter_map(verdict).collect()
}

fn too_many_retires(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    over(
        view,
        steps,
        is_undeclared,
        (SettingName::Deletes, delete_limit(owned(view))),
        ("task would be removed", "tasks would be removed"),
    )
}

fn too_many_replaces(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let is_replace = |step: &Step| step.change.action() == Action::Replace;
    over(
        view,
        steps,
        is_replace,
        (SettingName::Replaces, replace_limit(owned(view))),
        ("task would be replaced", "tasks would be replaced"),
    )
}

fn too_many_creates(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let is_create = |step: &Step| matches!(step.change, Change::Create { .. });
    over(
        view,
        steps,
        is_create,
        (SettingName::Creates, CREATES_PER_APPLY),
        ("task would be created", "tasks would be created"),
    )
}

fn too_many_runs(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    over(
        view,
        steps,
        is_run,
        (SettingName::Deployments, RUNS_PER_APPLY),
        ("deployment would be started", "deployments would be started"),
    )
}

/// Counts the task's runs of the last day too, whoever started them.
fn too_many_runs_of_a_task(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    if view.inputs.options.limits.runs.is_some() {
        return Vec::new();
    }
    let mut runs_by_key: BTreeMap<&Key, Vec<&Step>> = BTreeMap::new();
    for step in steps.iter().filter(|step| is_run(step) && step.status == StepStatus::Ready) {
        runs_by_key.entry(&step.key).or_default().push(step);
    }
    let mut verdicts = Vec::new();
    for (key, runs) in runs_by_key {
        // A task that is yet to be made has no deployments, whatever the one before it had.
        let task = runs.iter().find_map(|step| existing_task(step));
        let recent = task.map_or(0, |id| super::counting::count_of_last_day(id, view.inputs));
        let (setting, count) = (SettingName::DeploymentsOfATask, runs.len() + recent);
        let limit = view.limit(setting, RUNS_PER_TASK_AND_DAY, count);
        if count > limit {
            let message = format!(
                "{} of `{key}` would be started beside {recent} of the last day; the limit is \
                 {limit} a task and day{}",
                counted(runs.len(), "run", "runs"),
                view.set_at(setting)
            );
            let finding = Diagnostic::blocked(Code::TooManyDeploymentsOfATask, message)
                .help("`--max-deployments N` sets the limit for this apply by hand");
            verdicts
                .extend(runs.iter().map(|step| (step.id, StepStatus::Blocked(finding.clone()))));
        }
    }
    verdicts
}

/// The task of a deployment, where it exists already.
fn existing_task(step: &Step) -> Option<TaskId> {
    match step.change {
        Change::Deploy { task: TaskRef::Existing(id), .. } => Some(id),
        _ => None,
    }
}

/// The task of a step that would start a deployment, where it exists already.
fn runs_of<'a>(view: &View<'a, '_>, step: &Step) -> Option<&'a ObservedTask> {
    let matched = view.found.by_key.get(&step.key)?;
    (existing_task(step) == Some(matched.task.id)).then_some(matched.task)
}

/// A deployment that the task counts and its list leaves out may be the declared one, and is paid for.
fn runs_unlisted(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let verdict = |step: &Step| {
        let task = runs_of(view, step)?;
        let (count, shown) = super::counting::unlisted(task, view.inputs)?;
        let counted = counted(usize::try_from(count).unwrap_or(usize::MAX), "run", "runs");
        let message = format!("of task {} the service counts {counted} and lists {shown}", task.id);
        let finding = Diagnostic::blocked(Code::DeploymentsUnlisted, message)
            .help("wait until the list shows them, then plan again")
            .help("`--allow deployments-unlisted` if the others were deleted: another deployment is paid for");
        Some((step.id, StepStatus::Blocked(finding)))
    };
    steps.iter().filter_map(verdict).collect()
}

/// Stops paying for content that is known to fail; runs before `since` are forgotten.
fn failed_repeatedly(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let mut verdicts = Vec::new();
    for step in steps {
        let Change::Deploy { since, .. } = &step.change else { continue };
        let Some(task) = runs_of(view, step) else { continue };
        let since = since.map(|(since, _)| since);
        let count = super::counting::count_of_failed(task, view.inputs, since);
        if count < FAILURES {
            continue;
        }
        let message =
            counted(count, "run of this content has failed", "runs of this content have failed");
        let finding = Diagnostic::blocked(Code::FailedRepeatedly, message)
            .help("look at them with `qcops transcript`, and change the prompt or the agent")
            .help("or move `since` behind the last of them; `--allow failed-repeatedly` runs it once more");
        verdicts.push((step.id, StepStatus::Blocked(finding)));
    }
    verdicts
}

fn too_many_follow_ups(view: &View<'_, '_>, steps: &[Step]) -> Vec<(StepId, StepStatus)> {
    let declared = |step: &Step| {
        let desired = view.inputs.desired_state.tasks.get(&step.key)?;
        Some(desired.deployments.get(step.deployment.as_ref()?)?.follow_ups.len())
    };
    let sends = |step: &&Step| matches!(step.change, Change::Deploy { .. } | Change::Prompt { .. });
    let mut verdicts = Vec::new();
    for step in steps.iter().filter(sends) {
        let Some(count) = declared(step) else { continue };
        let limit = view.limit(SettingName::FollowUps, FOLLOW_UPS_PER_RUN, count);
        if count <= limit {
            continue;
        }
        let declared = counted(count, "follow-up is declared", "follow-ups are declared");
        let set_at = view.set_at(SettingName::FollowUps);
        let message = format!("{declared}; the limit for one run is {limit}{set_at}");
        let finding = Diagnostic::blocked(Code::TooManyFollowUps, message)
            .help("declare another deployment for the rest, or `--allow too-many-follow-ups`");
        verdicts.push((step.id, StepStatus::Blocked(finding)));
    }
    verdicts
}

/// How many deployments one apply may start.
pub(super) fn deployment_limit(options: &Options) -> usize {
    let set = options.limits.runs.or_else(|| options.settings.count(SettingName::Deployments));
    set.unwrap_or(RUNS_PER_APPLY)
}

fn is_undeclared(step: &Step) -> bool {
    matches!(step.change, Change::Remove { because: RemoveReason::Undeclared, .. })
}

fn is_run(step: &Step) -> bool {
    matches!(step.change, Change::Deploy { .. })
}

/// How many tasks are provably ours.
fn owned(view: &View<'_, '_>) -> usize {
    let proven = view.found.by_key.values().filter(|matched| matched.proof != Proof::None);
    let superseded: usize = view.found.superseded.values().map(Vec::len).sum();
    proven.count() + superseded + view.found.orphans.len()
}
