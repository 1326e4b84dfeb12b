//! The plan of `destroy`: everything that is provably ours goes, as gently as a removal does; or
//! archived tasks go for good.
//!
//! Never ours: what is released, what nothing proves, and what another manifest declares. What is
//! protected is listed and kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::diag::{Code, Diagnostic, Severity};
use crate::manifest::DesiredTask;
use crate::model::{ContentHash, Key, archived_hash, counted};
use crate::observed::{Completeness, ObservedTask, ReadRequest, Schedule};
use crate::plan::agent_removal::AgentRemoval;
use crate::plan::agent_users::AgentUsers;
use crate::plan::agents::{KnownAgents, agent_reads, agents};
use crate::plan::guards::guard;
use crate::plan::matcher::{Match, Matches, Proof, identify, is_archived};
use crate::plan::names::{NameFit, name_fit};
use crate::plan::observed::{Observed, observed};
use crate::plan::order::order;
use crate::plan::planner::{all_gaps, gap_notes};
use crate::plan::reads::is_unread;
use crate::plan::remove::{reads_before_removing, removal};
use crate::plan::unmanaged::{unmanaged, unmanaged_agents};
use crate::plan::verdict::{View, incomplete};
use crate::plan::{
    AgentChange, Before, Change, Plan, PlanInputs, Prune, Removal, Remove, RemoveReason, Step,
    StepId, StepStatus, StoredOtherwise, Terms, agent_names,
};

/// What is to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every owned task; what holds something is archived.
    Owned,
    /// Archived owned tasks, with all that they hold.
    Archived {
        /// Only those that have not changed for so long.
        older_than: Option<SignedDuration>,
        /// Whether their conversations are saved first.
        saving: Saving,
    },
}

/// Whether conversations are saved before they are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    /// There is a folder for them.
    Asked,
    /// There is none.
    Impossible,
}

/// Returns the looks that are still to be taken before [`destroy`] sees enough.
///
/// As for a plan: unknown contents, the task with the longest prompt, and the deployments of every
/// task that could be deleted.
pub fn destroy_reads(inputs: &PlanInputs<'_>, scope: Scope) -> BTreeSet<ReadRequest> {
    let state = inputs.state;
    let observed = observed(state);
    let unknown = observed.tasks.values().filter(|task| task.content().is_none());
    let mut reads: BTreeSet<ReadRequest> = unknown.map(|task| ReadRequest::Task(task.id)).collect();
    // What the ledger knows and no list shows: a list may leave it out.
    let newest = inputs.evidence.keys.values().map(|known| known.created.iter());
    let unlisted = newest.filter_map(|mut created| created.find_map(|created| created.id));
    let unlisted = unlisted.filter(|id| !observed.tasks.contains_key(id));
    reads.extend(unlisted.map(ReadRequest::Task));
    let found = identify(inputs, &observed.tasks);
    let candidates = candidates(inputs, &found, scope);
    if !candidates.is_empty() {
        reads.extend(state.canaries());
    }
    for (key, task) in candidates {
        if !state.list_is_trusted() {
            reads.insert(ReadRequest::Task(task.id));
        }
        match scope {
            Scope::Owned => {
                reads.extend(reads_before_removing(task, inputs.evidence.keys.get(key)));
            }
            Scope::Archived { .. } => {
                reads.insert(ReadRequest::Deployments(task.id));
            }
        }
    }
    if scope == Scope::Owned {
        let agents = agents(inputs);
        reads.extend(agent_reads(inputs, &agents));
        let going = agents.owned(inputs).into_iter();
        reads.extend(going.map(|(_, id)| ReadRequest::Agent(id)));
    }
    reads.retain(|read| is_unread(read, state));
    reads
}

/// Plans the end of everything in `scope`. Never waits and never fails.
pub fn destroy(inputs: &PlanInputs<'_>, scope: Scope) -> Plan {
    let observed = observed(inputs.state);
    let found = identify(inputs, &observed.tasks);
    let mut notes = notes(inputs, &found, scope);
    let (mut steps, mut young_count) = (Vec::new(), 0);
    for (key, task) in candidates(inputs, &found, scope) {
        let Some(before) = Before::of(task) else { continue };
        let (change, reason, status) = match scope {
            Scope::Owned => remove(inputs, key, task, before),
            Scope::Archived { older_than, .. } if is_young(inputs, task, older_than) => {
                young_count += 1;
                continue;
            }
            Scope::Archived { .. } => delete(inputs, task, before),
        };
        let status = kept(inputs, key, task).map_or(status, StepStatus::Deferred);
        steps.push(Step::new(StepId(steps.len()), key, change, reason, status));
    }
    let agents = agents(inputs);
    let held = match scope {
        Scope::Owned => delete_agents(inputs, &observed, &found, &agents, &mut steps),
        Scope::Archived { .. } => BTreeMap::new(),
    };
    notes.extend(too_young(young_count));
    let (found, gap, agents, unheld) = (&found, observed.gap.as_deref(), &agents, BTreeMap::new());
    let view = View { is_destroy: true, ..View::new(inputs, found, gap, agents, &unheld) };
    let mut steps = order(steps, Prune::On);
    keep_agents(inputs, agents, &held, &mut steps);
    let overrides = guard(&view, &mut steps);
    say_what_is_lost(&mut steps, &mut notes, scope);
    let all = || observed.tasks.values();
    Plan {
        organization_id: inputs.state.organization_id.clone(),
        environment: None,
        steps,
        notes,
        kept_count: 0,
        kept_agents: 0,
        stored_otherwise: StoredOtherwise::default(),
        unmanaged_agents: unmanaged_agents(inputs, agents),
        agent_users: BTreeMap::new(),
        unmanaged: unmanaged(inputs, found),
        archived_count: all().filter(|task| is_archived(task)).count(),
        scheduled_count: all().filter(|task| matches!(task.schedule, Schedule::Set(_))).count(),
        gaps: all_gaps(inputs),
        doubts: gap.map(incomplete).into_iter().collect(),
        observed_task_ids: observed.tasks.keys().copied().collect(),
        deployment_limit: 0,
        limits: inputs.options.limits,
        settings: Vec::new(),
        overrides,
        watches: Vec::new(),
        terms: Terms::default(),
        estimates: BTreeMap::new(),
        observed_at: inputs.state.observed_at,
        runs: BTreeMap::new(),
        agents: agent_names(inputs.agents),
        agent_keys: agents.keys().into_iter().map(|(id, key)| (id, key.clone())).collect(),
    }
}

/// Counts the archived tasks that are kept because they changed lately.
fn too_young(count: usize) -> Option<Diagnostic> {
    let message = format!("archived tasks that changed more recently: {count}");
    (count > 0).then(|| Diagnostic::note(Code::TooYoung, message))
}

/// Owned agents go after their tasks; returns what keeps each of them.
fn delete_agents<'a>(
    inputs: &PlanInputs<'a>,
    observed: &Observed<'a>,
    found: &Matches<'a>,
    agents: &KnownAgents<'a>,
    steps: &mut Vec<Step>,
) -> BTreeMap<StepId, Diagnostic> {
    let users = AgentUsers::new(inputs, &observed.tasks, found, agents);
    let (tasks, users) = (&observed.tasks, &users);
    let removal = AgentRemoval { inputs, tasks, agents, users, keeps_declared: false };
    removal.plan(&agents.owned(inputs), "destroy was asked for", steps)
}

/// Leaves an agent that is protected, declared elsewhere or still used: not an error, because tasks
/// that hold something are archived, and go on using it.
fn keep_agents(
    inputs: &PlanInputs<'_>,
    agents: &KnownAgents<'_>,
    held: &BTreeMap<StepId, Diagnostic>,
    steps: &mut [Step],
) {
    let stays = |step: &&Step| step.status != StepStatus::Ready;
    let staying = steps.iter().filter(stays).map(|step| (step.id, step.key.clone()));
    let mut staying: BTreeMap<StepId, Key> = staying.collect();
    for step in steps {
        let Change::Agent(AgentChange::Delete { id, .. }) = &step.change else { continue };
        let protect = match inputs.desired_state.agents.get(&step.key) {
            Some(desired) => desired.protect,
            None => inputs.evidence.agents.get(&step.key).is_some_and(|known| known.protect),
        };
        let kept = if protect {
            let message = "`protect: true` stands in its entry, or stood there last";
            let finding = Diagnostic::note(Code::Protected, message);
            Some(finding.help("commit the entry with `protect: false` first"))
        } else if inputs.other_manifests.declare_agent(&step.key, *id, &agents.observed[id]) {
            let message = "another manifest of this repository declares or uses it";
            let finding = Diagnostic::note(Code::StillDeclared, message);
            Some(finding.help("take it out of that manifest first"))
        } else {
            let stays = step.after.iter().find_map(|id| staying.get(id)).map(|key| {
                let message = format!("agent {id} is used by `{key}`, which stays");
                Diagnostic::note(Code::AgentInUse, message).help(format!("see what keeps `{key}`"))
            });
            let held = held.get(&step.id).cloned();
            stays.or(held.map(|finding| Diagnostic { severity: Severity::Note, ..finding }))
        };
        if let Some(finding) = kept {
            step.status = StepStatus::Deferred(finding);
            staying.insert(step.id, step.key.clone());
        }
    }
}

/// The tasks in scope that are provably ours, each with its key, in the order of keys and ids.
fn candidates<'a>(
    inputs: &PlanInputs<'a>,
    found: &Matches<'a>,
    scope: Scope,
) -> Vec<(&'a Key, &'a ObservedTask)> {
    let mut ours: Vec<(&Key, &ObservedTask)> = match scope {
        Scope::Owned => {
            let proven = found.by_key.iter().filter(|(key, matched)| is_ours(inputs, key, matched));
            // A claimed task may be archived; it is where it would go already.
            let claimed = proven.map(|(key, matched)| (*key, matched.task));
            let superseded = found.superseded.iter();
            let superseded = superseded.flat_map(|(key, tasks)| tasks.iter().map(|t| (*key, *t)));
            let all = claimed.chain(superseded).chain(found.orphans.iter().copied());
            all.filter(|(_, task)| !is_archived(task)).collect()
        }
        Scope::Archived { .. } => {
            let owners = owners(inputs);
            let owner = |task: &&'a ObservedTask| {
                let content = task.content()?;
                let ending = archived_hash(task.name()?)?;
                let is_its_own = ending == content.short();
                Some((*owners.get(&content).filter(|_| is_its_own)?, *task))
            };
            found.archived.iter().filter_map(owner).collect()
        }
    };
    ours.sort_by_key(|(key, task)| (*key, task.id));
    ours
}

/// Whether a claimed task was made for its key, and is not an equal one of somebody else's.
///
/// Equal content is enough to use a task, but not to take it away: a copy that a person made in the
/// web interface has it too. Its name tells, unless the pin or the ledger does.
fn is_ours(inputs: &PlanInputs<'_>, key: &Key, matched: &Match<'_>) -> bool {
    match matched.proof {
        Proof::Pin | Proof::Ledger => true,
        Proof::History => {
            let declared = inputs.desired_state.tasks.get(key).map_or("", DesiredTask::name);
            let evidence = inputs.evidence.keys.get(key);
            name_fit(matched.task.name(), declared, evidence) != NameFit::Untrusted
        }
        Proof::None => false,
    }
}

/// The key of each content that was ever declared; protected keys first, released ones never.
fn owners<'a>(inputs: &PlanInputs<'a>) -> BTreeMap<ContentHash, &'a Key> {
    let mut owners = BTreeMap::new();
    let desired = inputs.desired_state;
    let keys = || inputs.evidence.keys.iter().filter(|(key, _)| !desired.forgets(key));
    let protected = keys().filter(|(key, _)| is_protected(inputs, key));
    for (key, evidence) in protected.chain(keys()) {
        let declared = evidence.versions.iter().map(|version| version.content);
        let created = evidence.created.iter().map(|created| created.content);
        for content in declared.chain(created) {
            owners.entry(content).or_insert(key);
        }
    }
    // What a released key declared too may be its.
    for (_, evidence) in inputs.evidence.keys.iter().filter(|(key, _)| desired.forgets(key)) {
        for version in &evidence.versions {
            owners.remove(&version.content);
        }
    }
    owners
}

/// An owned task: archived, or deleted where that loses nothing.
fn remove(
    inputs: &PlanInputs<'_>,
    key: &Key,
    task: &ObservedTask,
    before: Before,
) -> (Change, String, StepStatus) {
    let removal = removal(inputs, task, &before, inputs.evidence.keys.get(key));
    let status = scheduled(task).map_or(StepStatus::Ready, StepStatus::Blocked);
    let change = Change::Remove { removal, because: RemoveReason::Destroyed, before };
    (change, "destroy was asked for".to_owned(), status)
}

/// An archived task: deleted with its deployments and their conversations.
fn delete(
    inputs: &PlanInputs<'_>,
    task: &ObservedTask,
    before: Before,
) -> (Change, String, StepStatus) {
    let observed = inputs.state.deployments.get(&task.id);
    let items = observed.into_iter().flat_map(|observed| &observed.items);
    let is_active =
        items.clone().any(|run| !run.status.is_terminal()) || task.active.as_deref() != Some(&[]);
    let runs: BTreeSet<_> = items.map(|run| run.id.clone()).collect();
    let block = match observed.map(|observed| &observed.coverage) {
        Some(Completeness::Complete) if is_active => {
            let message = format!("task {} has deployments that are active", task.id);
            let finding = Diagnostic::blocked(Code::ActiveDeployments, message);
            Some(finding.help("wait until they end, or stop them in the web interface"))
        }
        Some(Completeness::Complete) => scheduled(task),
        coverage => {
            let why = match coverage {
                Some(Completeness::Partial(why)) => why,
                _ => "they were not read",
            };
            let message = format!("the deployments of task {} are not known: {why}", task.id);
            let finding = Diagnostic::blocked(Code::IncompleteRead, message);
            Some(finding.help("run this again"))
        }
    };
    let reason = match runs.len() {
        0 => "it has no deployments".to_owned(),
        1 => "1 deployment goes with it, and its conversation".to_owned(),
        count => format!("{count} deployments go with it, and their conversations"),
    };
    let how = Remove::Destroy { runs };
    let content = before.content();
    let removal = Removal { id: task.id, name: before.name().to_owned(), content, how };
    let change = Change::Remove { removal, because: RemoveReason::Destroyed, before };
    (change, reason, block.map_or(StepStatus::Ready, StepStatus::Blocked))
}

/// Why a task is kept although it is ours.
fn kept(inputs: &PlanInputs<'_>, key: &Key, task: &ObservedTask) -> Option<Diagnostic> {
    if is_protected(inputs, key) {
        let message = "`protect: true` stands in its entry, or stood there last";
        let finding = Diagnostic::note(Code::Protected, message);
        return Some(finding.help("commit the entry with `protect: false` first"));
    }
    let other_manifests = inputs.other_manifests;
    if other_manifests.keys.contains(key) || other_manifests.may_declare(task) {
        let message = "another manifest of this repository declares or uses it";
        let finding = Diagnostic::note(Code::StillDeclared, message);
        return Some(finding.help("take it out of that manifest first"));
    }
    let pinning =
        inputs.desired_state.tasks.iter().find(|(_, desired)| desired.pin == Some(task.id));
    let (pinning, _) = pinning.filter(|_| is_archived(task))?;
    let message = format!("`{pinning}` pins this archived task");
    let finding = Diagnostic::note(Code::StillDeclared, message);
    Some(finding.help(format!("remove `id: {}` under `tasks: {pinning}:` first", task.id)))
}

/// Protection outlives the entry it stood in.
fn is_protected(inputs: &PlanInputs<'_>, key: &Key) -> bool {
    match inputs.desired_state.tasks.get(key) {
        Some(desired) => desired.protect,
        None => inputs.evidence.keys.get(key).is_some_and(|evidence| evidence.protect),
    }
}

fn scheduled(task: &ObservedTask) -> Option<Diagnostic> {
    let Schedule::Set(text) = &task.schedule else { return None };
    let message = format!("task {} has the schedule `{text}`, which would go on", task.id);
    let finding = Diagnostic::blocked(Code::Scheduled, message);
    Some(finding.help("take the schedule away in the web interface and run this again"))
}

/// Whether a task changed less than `older_than` ago, as far as is known.
fn is_young(
    inputs: &PlanInputs<'_>,
    task: &ObservedTask,
    older_than: Option<SignedDuration>,
) -> bool {
    let Some(older_than) = older_than else { return false };
    let offset = inputs.desired_state.service_utc_offset.unwrap_or(Offset::UTC);
    // Archiving renames, and renaming moves the time of the last change.
    let changed = task.updated.max(task.created);
    let changed = changed.and_then(|stamp| offset.to_timestamp(stamp).ok());
    changed.is_none_or(|changed: Timestamp| {
        inputs.state.observed_at.duration_since(changed) < older_than
    })
}

/// Counts what would be lost, and blocks all of it where it cannot be saved.
fn say_what_is_lost(steps: &mut [Step], notes: &mut Vec<Diagnostic>, scope: Scope) {
    let Scope::Archived { saving, .. } = scope else { return };
    let lost = |step: &Step| match &step.change {
        Change::Remove { removal: Removal { how: Remove::Destroy { runs }, .. }, .. } => runs.len(),
        _ => 0,
    };
    let is_open = |step: &&mut Step| step.status == StepStatus::Ready;
    let count: usize = steps.iter().filter(|step| step.status == StepStatus::Ready).map(lost).sum();
    if count == 0 {
        return;
    }
    let noun = counted(count, "conversation", "conversations");
    match saving {
        Saving::Asked => notes.push(Diagnostic::note(
            Code::LosesDeployments,
            format!("{noun} will be lost on the service, and saved as JSON and Markdown before"),
        )),
        Saving::Impossible => {
            let message = format!("{noun} would be lost, and nothing says where to save them");
            let finding = Diagnostic::blocked(Code::TranscriptUnsaved, message)
                .help("`--artifacts DIR` saves every conversation there first");
            for step in steps.iter_mut().filter(is_open) {
                step.status = StepStatus::Blocked(finding.clone());
            }
        }
    }
}

/// What is left alone although it looks like ours.
fn notes(inputs: &PlanInputs<'_>, found: &Matches<'_>, scope: Scope) -> Vec<Diagnostic> {
    let mut notes = gap_notes(inputs);
    if let Scope::Archived { .. } = scope {
        let foreign = found.archived.len() - candidates(inputs, found, scope).len();
        if foreign > 0 {
            let message = format!("archived tasks that nothing proves to be ours: {foreign}");
            notes.push(Diagnostic::note(Code::Unproven, message));
        }
        return notes;
    }
    for (key, matched) in
        found.by_key.iter().filter(|(key, matched)| !is_ours(inputs, key, matched))
    {
        let message = format!(
            "task {} has the content of `{key}`, and nothing proves that it was made for it: it is left alone",
            matched.task.id
        );
        notes.push(Diagnostic::note(Code::UnknownOrigin, message));
    }
    for key in found.match_errors.keys() {
        let message = format!("which task is that of `{key}` cannot be told: none is touched");
        let finding = Diagnostic::note(Code::Unproven, message);
        notes.push(finding.help("`qcops plan` shows the candidates and help"));
    }
    notes
}
