//! The stages of planning, in order.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, Diagnostic, Gap, GapReason};
use crate::kinds::{NAME, OnChange, TASK};
use crate::manifest::DesiredTask;
use crate::model::{Key, archived_base, has_new_number};
use crate::observed::{ObservedTask, Schedule};
use crate::plan::agent_removal::AgentRemoval;
use crate::plan::agent_steps::{agent_steps, left_alone};
use crate::plan::agent_users::AgentUsers;
use crate::plan::agents::{KnownAgents, agents};
use crate::plan::ambiguous::ambiguous;
use crate::plan::deployment_status::runs_of;
use crate::plan::deployments::{DeploymentPlanner, PlannedDeployment};
use crate::plan::estimate::estimates;
use crate::plan::guards::{deployment_limit, guard};
use crate::plan::matcher::{Match, MatchError, Matches, Proof, identify, is_archived};
use crate::plan::name_conflicts::NameConflicts;
use crate::plan::names::{is_accepted, is_kept_as, is_name_drift};
use crate::plan::observed::{Observed, observed};
use crate::plan::order::order;
use crate::plan::remove::{lost_notifications, removal, scheduled};
use crate::plan::terms::protect_changes;
use crate::plan::unmanaged::{probe_left, unmanaged, unmanaged_agents};
use crate::plan::verdict::{View, incomplete, unreadable_neighbor_finding};
use crate::plan::{
    Before, Change, Plan, PlanInputs, Prune, RemoveReason, Step, StepId, StepStatus,
    StoredOtherwise, Terms, UsedSetting, Watch, agent_names,
};
use crate::resource::Edit;

/// Compares what is wanted with what was seen. Never waits and never fails.
pub fn plan(inputs: &PlanInputs<'_>) -> Plan {
    let observed = observed(inputs.state);
    let found = identify(inputs, &observed.tasks);
    plan_identified(inputs, &observed, &found, &agents(inputs))
}

/// Plans once it is told which task belongs to which key.
pub(super) fn plan_identified<'a>(
    inputs: &PlanInputs<'a>,
    observed: &Observed<'a>,
    found: &Matches<'a>,
    agents: &KnownAgents<'a>,
) -> Plan {
    let mut of_agents = agent_steps(inputs, agents);
    let mut draft = PlanBuilder::new(inputs, observed, found);
    draft.steps = std::mem::take(&mut of_agents.steps);
    draft.notes = std::mem::take(&mut of_agents.notes);
    draft.plan_tasks();
    draft.plan_undeclared();
    of_agents.link(inputs, agents, &mut draft.steps);
    let users = AgentUsers::new(inputs, &observed.tasks, found, agents);
    let tasks = &observed.tasks;
    let removal = AgentRemoval { inputs, tasks, agents, users: &users, keeps_declared: true };
    let held = removal.undeclared(&mut draft.steps);
    draft.note_leftovers();
    draft.notes.extend(left_alone(inputs, agents).into_iter().chain(gap_notes(inputs)));
    draft.note_unlisted_agents();
    draft.notes.extend(probe_left(found));
    draft.notes.extend(protect_changes(inputs));
    let PlanBuilder { steps, mut notes, kept_count, watches, .. } = draft;
    let mut steps = order(steps, inputs.options.prune);
    let gap = observed.gap.as_deref();
    let view = View::new(inputs, found, gap, agents, &held);
    let (overrides, settings) = guarded(&view, &mut steps, &mut notes);
    let gap = gap.filter(|_| observed.is_list_partial).map(incomplete);
    let agent_users = users.of_steps(&steps, agents);
    let all = || observed.tasks.values();
    let (estimates, runs) = (estimates(inputs, found, &steps), runs_of(inputs, found, &steps));
    Plan {
        organization_id: inputs.state.organization_id.clone(),
        environment: None,
        steps,
        notes,
        gaps: all_gaps(inputs),
        doubts: gap.into_iter().collect(),
        kept_count,
        kept_agents: of_agents.kept_count,
        stored_otherwise: StoredOtherwise::of(inputs, agents, of_agents.stored_otherwise),
        agent_users,
        unmanaged: unmanaged(inputs, found),
        unmanaged_agents: unmanaged_agents(inputs, agents),
        archived_count: all().filter(|task| is_archived(task)).count(),
        scheduled_count: all().filter(|task| matches!(task.schedule, Schedule::Set(_))).count(),
        observed_task_ids: observed.tasks.keys().copied().collect(),
        deployment_limit: deployment_limit(inputs.options),
        limits: inputs.options.limits,
        settings,
        overrides,
        watches,
        terms: Terms::of(inputs.desired_state),
        estimates,
        observed_at: inputs.state.observed_at,
        runs,
        agents: agent_names(inputs.agents),
        agent_keys: agents.keys().into_iter().map(|(id, key)| (id, key.clone())).collect(),
    }
}

/// Closes what must not be done; returns the codes that were switched off, and the settings that decided.
fn guarded(
    view: &View<'_, '_>,
    steps: &mut [Step],
    notes: &mut Vec<Diagnostic>,
) -> (BTreeSet<Code>, Vec<UsedSetting>) {
    let overrides = guard(view, steps);
    let settings = view.used_settings();
    notes.extend(settings.iter().map(UsedSetting::note));
    (overrides, settings)
}

struct PlanBuilder<'a, 'b> {
    inputs: &'b PlanInputs<'a>,
    found: &'b Matches<'a>,
    observed: &'b Observed<'a>,
    /// Told once a name differs.
    name_conflicts: OnceCell<NameConflicts<'a>>,
    steps: Vec<Step>,
    notes: Vec<Diagnostic>,
    kept_count: usize,
    watches: Vec<Watch>,
}

/// What becomes of a declared task.
pub(super) enum Disposition {
    Unchanged,
    Step(Box<Change>, String, StepStatus),
}

impl<'a, 'b> PlanBuilder<'a, 'b> {
    fn new(inputs: &'b PlanInputs<'a>, observed: &'b Observed<'a>, found: &'b Matches<'a>) -> Self {
        let (steps, notes, watches) = (Vec::new(), Vec::new(), Vec::new());
        let name_conflicts = OnceCell::new();
        Self { inputs, found, observed, name_conflicts, steps, notes, kept_count: 0, watches }
    }

    fn name_conflicts(&self) -> &NameConflicts<'a> {
        self.name_conflicts
            .get_or_init(|| NameConflicts::new(self.inputs, self.found, &self.observed.tasks))
    }

    /// Declared tasks, each with what it leaves behind and its deployments.
    fn plan_tasks(&mut self) {
        for (key, desired) in &self.inputs.desired_state.tasks {
            if !self.is_target(key) {
                continue;
            }
            let matched = self.found.by_key.get(key).copied();
            let fate = match (self.found.match_errors.get(key), matched) {
                (Some(match_error), _) => blocked(key, desired, match_error),
                (None, None) => create(desired),
                (None, Some(matched)) => self.change(key, desired, matched),
            };
            let step = match fate {
                Disposition::Unchanged => {
                    self.kept_count += 1;
                    None
                }
                Disposition::Step(change, reason, status) => {
                    Some(self.push(key, None, *change, reason, status))
                }
            };
            if let Some(StepId(at)) = step {
                self.steps[at].drift = self.drift(key, &self.steps[at].change);
            }
            let is_replaced =
                step.is_some_and(|id| matches!(self.steps[id.0].change, Change::Replace { .. }));
            if matched.is_some() && !is_replaced {
                self.remove_superseded(key);
            }
            self.plan_runs(key, desired, matched.map(|matched| matched.task), step);
        }
    }

    /// A claimed task: kept, renamed, restored or replaced.
    fn change(
        &mut self,
        key: &'a Key,
        desired: &'a DesiredTask,
        matched: Match<'a>,
    ) -> Disposition {
        let Match { task, proof } = matched;
        if task.content() == Some(desired.content()) {
            return self.change_name(key, desired, task, proof);
        }
        let Some(before) = Before::of(task) else { return create(desired) };
        let evidence = self.inputs.evidence.keys.get(key);
        let leftovers = self.found.superseded.get(key).into_iter().flatten().copied();
        let (mut old, mut block) = (Vec::new(), None);
        for task in std::iter::once(task).chain(leftovers) {
            let Some(before) = Before::of(task) else { continue };
            old.push(removal(self.inputs, task, &before, evidence));
            let is_current = old.len() == 1;
            let why = if is_current { None } else { Some(RemoveReason::Superseded) };
            block = block.or_else(|| scheduled(task, why));
        }
        self.notes.extend(lost_notifications(key, task));
        let reason = changed_fields(&before, desired);
        let change = Change::Replace { before, object: desired.object.clone(), old };
        Disposition::Step(
            Box::new(change),
            reason,
            block.map_or(StepStatus::Ready, StepStatus::Blocked),
        )
    }

    /// A task with the wanted content: its name may still differ.
    fn change_name(
        &mut self,
        key: &'a Key,
        desired: &'a DesiredTask,
        task: &'a ObservedTask,
        proof: Proof,
    ) -> Disposition {
        let Some(stored) = task.name() else { return Disposition::Unchanged };
        let from_archive = archived_base(stored).is_some();
        if !from_archive && stored == desired.name() {
            self.note_origin(key, task, proof);
            return Disposition::Unchanged;
        }
        let evidence = self.inputs.evidence.keys.get(key);
        if !from_archive && is_accepted(stored, desired.name(), evidence) {
            self.note_origin(key, task, proof);
            return Disposition::Unchanged;
        }
        if !from_archive && has_new_number(stored, desired.name()) {
            let message = format!(
                "task {} of `{key}` is named `{stored}`, with a new number at its end: there may be a duplicate",
                task.id
            );
            self.notes.push(Diagnostic::note(Code::NameNumbered, message));
        }
        if proof == Proof::None || (!from_archive && is_kept_as(stored, desired.name(), evidence)) {
            self.note_origin(key, task, proof);
            return Disposition::Unchanged;
        }
        if from_archive && let Some(rival) = self.name_conflicts().rival(desired.name()) {
            return restore_beside(task, desired, rival);
        }
        let foreign = || self.name_conflicts().foreign(task.id, desired.name());
        if let Some(holder) = (!from_archive).then(foreign).flatten() {
            let message = format!(
                "task {} of `{key}` keeps the name `{stored}`: task {holder} holds `{}`",
                task.id,
                self.observed.tasks[&holder].name().unwrap_or_default()
            );
            self.notes.push(Diagnostic::note(Code::NameHeld, message));
            return Disposition::Unchanged;
        }
        let (id, edits) = (task.id, task.object.edits(&desired.object));
        let (change, reason) = if from_archive {
            (Change::Restore { id, edits }, "an archived task has the wanted content")
        } else {
            (Change::Update { id, edits }, "the name differs")
        };
        Disposition::Step(Box::new(change), reason.to_owned(), StepStatus::Ready)
    }

    /// What an unfinished replace has left behind.
    fn remove_superseded(&mut self, key: &'a Key) {
        let leftovers = self.found.superseded.get(key).into_iter().flatten().copied();
        for task in leftovers {
            let reason = "another task has taken its place".to_owned();
            self.remove(key, task, RemoveReason::Superseded, reason);
        }
    }

    /// Owned tasks whose key is no longer declared, unless another manifest declares them.
    fn plan_undeclared(&mut self) {
        let (found, other_manifests) = (self.found, self.inputs.other_manifests);
        for (key, task) in &found.orphans {
            if !self.is_target(key) {
                continue;
            }
            let is_elsewhere =
                other_manifests.keys.contains(*key) || other_manifests.may_declare(task);
            let is_unclear = !other_manifests.gaps.is_empty();
            if is_elsewhere && !(is_unclear && self.inputs.options.prune == Prune::On) {
                continue;
            }
            let reason = "it is no longer declared".to_owned();
            let step = self.remove(key, task, RemoveReason::Undeclared, reason);
            if let Some(step) = step.filter(|_| is_elsewhere) {
                self.steps[step.0].status = still_declared(self.inputs);
            }
        }
    }

    fn remove(
        &mut self,
        key: &'a Key,
        task: &ObservedTask,
        because: RemoveReason,
        reason: String,
    ) -> Option<StepId> {
        let before = Before::of(task)?;
        let evidence = self.inputs.evidence.keys.get(key);
        let removal = removal(self.inputs, task, &before, evidence);
        let status = scheduled(task, Some(because)).map_or(StepStatus::Ready, StepStatus::Blocked);
        let change = Change::Remove { removal, because, before };
        Some(self.push(key, None, change, reason, status))
    }

    /// The declared deployments of one task.
    fn plan_runs(
        &mut self,
        key: &'a Key,
        desired: &DesiredTask,
        task: Option<&ObservedTask>,
        step: Option<StepId>,
    ) {
        let making = step.filter(|id| !self.steps[id.0].change.is_in_place());
        let runs = match (making, task) {
            (None, Some(task)) => {
                DeploymentPlanner { key, inputs: self.inputs }.existing(desired, task)
            }
            (Some(step), _) => {
                DeploymentPlanner { key, inputs: self.inputs }.new_task(desired, step)
            }
            (None, None) => return,
        };
        self.notes.extend(runs.notes);
        let targets = self.inputs.options.target_deployments.get(key);
        let is_target = |run: &PlannedDeployment| {
            targets.is_none_or(|targets| targets.contains(&run.deployment))
        };
        for PlannedDeployment { deployment, step: planned, watch } in
            runs.runs.into_iter().filter(is_target)
        {
            let started = planned.map(|(change, reason, status)| {
                let id = self.push(key, Some(deployment), change, reason, status);
                self.steps[id.0].after.extend(step);
                id
            });
            self.watches.extend(watch.and_then(|watch| watch.finish(started)));
        }
    }

    /// The fields of a task that change back: a name that was given on the service.
    fn drift(&self, key: &Key, change: &Change) -> BTreeSet<&'static str> {
        let Change::Update { .. } = change else { return BTreeSet::new() };
        let evidence = self.inputs.evidence.keys.get(key);
        let is_hidden = self.inputs.evidence.withholding().any(|gap| gap.concerns(key));
        let is_drift = |(_, from, _): &(_, &str, &str)| !is_hidden && is_name_drift(from, evidence);
        change.renaming().filter(is_drift).map(|_| NAME).into_iter().collect()
    }

    fn note_origin(&mut self, key: &Key, task: &ObservedTask, proof: Proof) {
        if proof == Proof::None {
            let message = format!(
                "task {} has the content of `{key}`, and nothing says who made it: it is used as it is",
                task.id
            );
            let finding = Diagnostic::note(Code::UnknownOrigin, message);
            self.notes.push(finding.help("it is ours once the manifest is committed"));
        }
    }

    /// Tasks with owned content that are left alone.
    fn note_leftovers(&mut self) {
        for (key, task) in &self.found.copies {
            let desired = self.inputs.desired_state.tasks.get(*key);
            let is_duplicate =
                desired.is_some_and(|desired| task.content() == Some(desired.content()));
            let name = task.name().unwrap_or("?");
            let finding = if is_duplicate {
                let message = format!("task {} `{name}` has the same content as `{key}`", task.id);
                Diagnostic::note(Code::Duplicate, message)
                    .help("delete it in the web interface if it is not a copy that somebody wants")
            } else {
                let message =
                    format!("task {} `{name}` has an earlier content of `{key}`", task.id);
                Diagnostic::note(Code::Copy, message)
                    .help("it is left alone; its name is not one that this manifest gave")
            };
            self.notes.push(finding);
        }
    }

    /// Agents that tasks name by number and the service does not list, each once.
    fn note_unlisted_agents(&mut self) {
        let mut unlisted = BTreeMap::new();
        if !self.inputs.agents.is_empty() {
            for (key, desired) in &self.inputs.desired_state.tasks {
                let id = desired.object.agent_id();
                let id =
                    id.filter(|id| self.is_target(key) && !self.inputs.agents.contains_key(id));
                unlisted.entry(id).or_insert(key);
            }
        }
        for (id, key) in unlisted {
            let Some(id) = id else { continue };
            let message = format!("agent {id} of `{key}` is not on the service's list");
            let finding = Diagnostic::note(Code::UnknownAgent, message);
            self.notes.push(finding.help("correct it, or name the agent by its exact name"));
        }
    }

    fn is_target(&self, key: &Key) -> bool {
        self.inputs.options.is_target(key)
    }

    fn push(
        &mut self,
        key: &Key,
        deployment: Option<Key>,
        change: Change,
        reason: String,
        status: StepStatus,
    ) -> StepId {
        let id = StepId(self.steps.len());
        self.steps.push(Step { deployment, ..Step::new(id, key, change, reason, status) });
        id
    }
}

/// What stops the removal of a task that another manifest declares, beside one that cannot be
/// understood: whoever passes over that one does not mean the other.
fn still_declared(inputs: &PlanInputs<'_>) -> StepStatus {
    if inputs.options.allow.contains(&Code::UnreadableNeighbor) {
        let message = "another manifest of this repository declares it, or its last commit does";
        let finding = Diagnostic::note(Code::StillDeclared, message);
        return StepStatus::Deferred(finding.help("take it out of that manifest, and commit that"));
    }
    StepStatus::Blocked(unreadable_neighbor_finding(inputs))
}

/// What of the evidence could not be read, each in a note of its own.
pub(super) fn gap_notes(inputs: &PlanInputs<'_>) -> Vec<Diagnostic> {
    let is_former = |name: &str| {
        let key = name.parse::<Key>().ok();
        key.is_some_and(|key| {
            inputs.evidence.agents.contains_key(&key)
                && !inputs.desired_state.agents.contains_key(&key)
        })
    };
    // An agent that was declared and is gone took its tasks along, or they have another one.
    let is_over = |gap: &Gap| matches!(&gap.reason, GapReason::AgentUnknown { name, several: false, .. } if is_former(name));
    let noted = inputs.evidence.gaps.iter().filter(|gap| gap.reason.is_noted() && !is_over(gap));
    let is_pruning = inputs.options.prune == Prune::On;
    let others = inputs.other_manifests.gaps.iter().filter(|_| is_pruning);
    noted
        .chain(others)
        .map(|gap| Diagnostic::note(Code::HistoryGap, "").with_gaps([gap.clone()]))
        .collect()
}

/// Everything that could not be read, of every source.
pub(super) fn all_gaps(inputs: &PlanInputs<'_>) -> Vec<Gap> {
    inputs.evidence.gaps.iter().chain(&inputs.other_manifests.gaps).cloned().collect()
}

fn create(desired: &DesiredTask) -> Disposition {
    let change = Change::Create { object: desired.object.clone() };
    Disposition::Step(Box::new(change), "no matching task exists".to_owned(), StepStatus::Ready)
}

/// An archived task that cannot come back beside one that may be the current one: an old commit is
/// planned late, or somebody else took the name.
fn restore_beside(task: &ObservedTask, desired: &DesiredTask, rival: &ObservedTask) -> Disposition {
    let message = format!(
        "task {} is archived and has the wanted content, but task {} is named `{}`, and nothing \
         proves that it is ours",
        task.id,
        rival.id,
        rival.name().unwrap_or_default()
    );
    let finding = Diagnostic::blocked(Code::NameHeld, message)
        .help("plan the commit that declares it, or name that commit with `--history-from REV`")
        .help("or give one of the two another name, here or in the web interface");
    let change = Change::Restore { id: task.id, edits: task.object.edits(&desired.object) };
    let reason = "an archived task has the wanted content".to_owned();
    Disposition::Step(Box::new(change), reason, StepStatus::Blocked(finding))
}

/// A key to which no task can be given: shown with the candidates and help.
fn blocked(key: &Key, desired: &DesiredTask, match_error: &MatchError<'_>) -> Disposition {
    let (change, finding) = ambiguous(key, desired, match_error);
    Disposition::Step(
        Box::new(change),
        "no task can be given to it".to_owned(),
        StepStatus::Blocked(finding),
    )
}

/// Names the fields that make a replace necessary.
fn changed_fields(before: &Before, desired: &DesiredTask) -> String {
    let edits = before.object.edits(&desired.object);
    let replaces = |edit: &&Edit| {
        let row = TASK.fields.iter().find(|field| field.name == edit.field);
        row.is_some_and(|field| field.on_change == OnChange::Replaces)
    };
    let changed: Vec<&str> = edits.iter().filter(replaces).map(|edit| edit.field).collect();
    format!("{} cannot be changed in place", changed.join(" and "))
}
