//! The stages of planning, in order.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::manifest::WantedTask;
use crate::model::{Key, archived_base, has_new_number};
use crate::plan::estimate::estimates;
use crate::plan::guards::{View, guard, lying_list, run_limit};
use crate::plan::holders::Holders;
use crate::plan::identify::{Claim, Conflict, Identified, Proof, identify, is_archived};
use crate::plan::names::{is_accepted, is_kept_as};
use crate::plan::order::order;
use crate::plan::retire::{lost_notifications, retirement, scheduled};
use crate::plan::runs::{PlannedRun, RunPlanner};
use crate::plan::sight::{Sight, sight};
use crate::plan::standing::runs_of;
use crate::plan::undecided::undecided;
use crate::plan::{Before, Change, Gate, Inputs, Plan, RetireReason, Step, StepId, Watch};
use crate::snapshot::{Coverage, Schedule, TaskSeen};

/// Compares what is wanted with what was seen. Never waits and never fails.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let sight = sight(inputs.snapshot);
    let found = identify(inputs, &sight.tasks);
    plan_identified(inputs, &sight, &found)
}

/// Plans once it is told which task belongs to which key.
pub(super) fn plan_identified<'a>(
    inputs: &Inputs<'a>,
    sight: &Sight<'a>,
    found: &Identified<'a>,
) -> Plan {
    let mut draft = Draft::new(inputs, sight, found);
    draft.plan_tasks();
    draft.plan_undeclared();
    draft.note_leftovers();
    draft.note_gaps();
    let Draft { steps, notes, kept_count, watches, .. } = draft;
    let mut steps = order(steps, inputs.options.prune);
    guard(&View { inputs, found, gap: sight.gap.as_deref() }, &mut steps);
    let all = || sight.tasks.values();
    let estimates = estimates(inputs, found, &steps);
    let runs = runs_of(inputs, found, &steps);
    Plan {
        organization_id: inputs.snapshot.organization_id.clone(),
        steps,
        notes,
        doubts: lying_list(inputs, found).into_iter().collect(),
        kept_count,
        unmanaged_count: found.unmanaged.len() + found.clones.len(),
        archived_count: all().filter(|task| is_archived(task)).count(),
        scheduled_count: all().filter(|task| matches!(task.schedule, Schedule::Set(_))).count(),
        seen_tasks: sight.tasks.keys().copied().collect(),
        run_limit: run_limit(&inputs.options.limits),
        watches,
        estimates,
        seen_at: inputs.snapshot.seen_at,
        runs,
    }
}

struct Draft<'a, 'b> {
    inputs: &'b Inputs<'a>,
    found: &'b Identified<'a>,
    sight: &'b Sight<'a>,
    /// Told once a name differs.
    holders: OnceCell<Holders<'a>>,
    steps: Vec<Step>,
    notes: Vec<Diagnostic>,
    kept_count: usize,
    watches: Vec<Watch>,
}

/// What becomes of a declared task.
pub(super) enum Fate {
    Kept,
    Step(Box<Change>, String, Gate),
}

impl<'a, 'b> Draft<'a, 'b> {
    fn new(inputs: &'b Inputs<'a>, sight: &'b Sight<'a>, found: &'b Identified<'a>) -> Self {
        let (steps, notes, watches) = (Vec::new(), Vec::new(), Vec::new());
        let holders = OnceCell::new();
        Self { inputs, found, sight, holders, steps, notes, kept_count: 0, watches }
    }

    fn holders(&self) -> &Holders<'a> {
        self.holders.get_or_init(|| Holders::new(self.inputs, self.found, &self.sight.tasks))
    }

    /// Declared tasks, each with what it leaves behind and its deployments.
    fn plan_tasks(&mut self) {
        for (key, wanted) in &self.inputs.wish.tasks {
            if !self.is_target(key) {
                continue;
            }
            let claim = self.found.claims.get(key).copied();
            let fate = match (self.found.conflicts.get(key), claim) {
                (Some(conflict), _) => blocked(key, wanted, conflict),
                (None, None) => create(wanted),
                (None, Some(claim)) => self.change(key, wanted, claim),
            };
            let step = match fate {
                Fate::Kept => {
                    self.kept_count += 1;
                    None
                }
                Fate::Step(change, reason, gate) => {
                    Some(self.push(key, None, *change, reason, gate))
                }
            };
            let is_replaced =
                step.is_some_and(|id| matches!(self.steps[id.0].change, Change::Replace { .. }));
            if claim.is_some() && !is_replaced {
                self.retire_superseded(key);
            }
            self.plan_runs(key, wanted, claim.map(|claim| claim.task), step);
        }
    }

    /// A claimed task: kept, renamed, restored or replaced.
    fn change(&mut self, key: &'a Key, wanted: &'a WantedTask, claim: Claim<'a>) -> Fate {
        let Claim { task, proof } = claim;
        if task.content.as_ref() == Some(&wanted.content) {
            return self.change_name(key, wanted, task, proof);
        }
        let Some(before) = Before::of(task) else { return create(wanted) };
        let evidence = self.inputs.evidence.keys.get(key);
        let leftovers = self.found.superseded.get(key).into_iter().flatten().copied();
        let (mut old, mut block) = (Vec::new(), None);
        for task in std::iter::once(task).chain(leftovers) {
            let Some(before) = Before::of(task) else { continue };
            old.push(retirement(self.inputs, task, &before, evidence));
            let is_current = old.len() == 1;
            let why = if is_current { None } else { Some(RetireReason::Superseded) };
            block = block.or_else(|| scheduled(task, why));
        }
        self.notes.extend(lost_notifications(key, task));
        let reason = changed_fields(&before, wanted);
        let change = Change::Replace {
            before,
            name: wanted.name.clone(),
            content: wanted.content.clone(),
            old,
        };
        Fate::Step(Box::new(change), reason, block.map_or(Gate::Open, Gate::Blocked))
    }

    /// A task with the wanted content: its name may still differ.
    fn change_name(
        &mut self,
        key: &'a Key,
        wanted: &'a WantedTask,
        task: &'a TaskSeen,
        proof: Proof,
    ) -> Fate {
        let Some(stored) = task.name.as_deref() else { return Fate::Kept };
        let from_archive = archived_base(stored).is_some();
        if !from_archive && stored == wanted.name {
            self.note_origin(key, task, proof);
            return Fate::Kept;
        }
        let evidence = self.inputs.evidence.keys.get(key);
        if !from_archive && is_accepted(stored, &wanted.name, evidence) {
            self.note_origin(key, task, proof);
            return Fate::Kept;
        }
        if !from_archive && has_new_number(stored, &wanted.name) {
            let message = format!(
                "task {} of `{key}` is named `{stored}`, with a new number at its end: there may be a twin",
                task.id
            );
            self.notes.push(Diagnostic::note(Code::NameNumbered, message));
        }
        if proof == Proof::None || (!from_archive && is_kept_as(stored, &wanted.name, evidence)) {
            self.note_origin(key, task, proof);
            return Fate::Kept;
        }
        if from_archive && let Some(rival) = self.holders().rival(&wanted.name) {
            return restore_beside(task, stored, &wanted.name, rival);
        }
        let foreign = || self.holders().foreign(task.id, &wanted.name);
        if let Some(holder) = (!from_archive).then(foreign).flatten() {
            let message = format!(
                "task {} of `{key}` keeps the name `{stored}`: task {} holds `{}`",
                task.id,
                holder.id,
                holder.name.as_deref().unwrap_or_default()
            );
            self.notes.push(Diagnostic::note(Code::NameHeld, message));
            return Fate::Kept;
        }
        let change = Change::Rename {
            id: task.id,
            from: stored.to_owned(),
            to: wanted.name.clone(),
            from_archive,
        };
        let reason = if from_archive {
            "an archived task has the wanted content".to_owned()
        } else {
            "the name differs".to_owned()
        };
        Fate::Step(Box::new(change), reason, Gate::Open)
    }

    /// What an unfinished replace has left behind.
    fn retire_superseded(&mut self, key: &'a Key) {
        let leftovers = self.found.superseded.get(key).into_iter().flatten().copied();
        for task in leftovers {
            let reason = "another task has taken its place".to_owned();
            self.retire(key, task, RetireReason::Superseded, reason);
        }
    }

    /// Tasks of ours whose key is no longer declared, unless another manifest declares them.
    fn plan_undeclared(&mut self) {
        for (key, task) in &self.found.orphans {
            if self.is_target(key) && !self.inputs.elsewhere.keys.contains(*key) {
                let reason = "it is no longer declared".to_owned();
                self.retire(key, task, RetireReason::Undeclared, reason);
            }
        }
    }

    fn retire(&mut self, key: &'a Key, task: &TaskSeen, because: RetireReason, reason: String) {
        let Some(before) = Before::of(task) else { return };
        let evidence = self.inputs.evidence.keys.get(key);
        let retirement = retirement(self.inputs, task, &before, evidence);
        let gate = scheduled(task, Some(because)).map_or(Gate::Open, Gate::Blocked);
        let change = Change::Retire { retirement, because, before };
        self.push(key, None, change, reason, gate);
    }

    /// The declared deployments of one task.
    fn plan_runs(
        &mut self,
        key: &'a Key,
        wanted: &WantedTask,
        task: Option<&TaskSeen>,
        step: Option<StepId>,
    ) {
        let making = step.filter(|id| !matches!(self.steps[id.0].change, Change::Rename { .. }));
        let runs = match (making, task) {
            (None, Some(task)) => RunPlanner { key, inputs: self.inputs }.existing(wanted, task),
            (Some(step), _) => RunPlanner { key, inputs: self.inputs }.new_task(wanted, step),
            (None, None) => return,
        };
        self.notes.extend(runs.notes);
        for PlannedRun { deployment, step: planned, watch } in runs.runs {
            let started = planned.map(|(change, reason, gate)| {
                let id = self.push(key, Some(deployment), change, reason, gate);
                self.steps[id.0].after.extend(step);
                id
            });
            self.watches.extend(watch.and_then(|watch| watch.finish(started)));
        }
    }

    fn note_origin(&mut self, key: &Key, task: &TaskSeen, proof: Proof) {
        if proof == Proof::None {
            let message = format!(
                "task {} has the content of `{key}`, and nothing says who made it: it is used as it is",
                task.id
            );
            let finding = Diagnostic::note(Code::UnknownOrigin, message);
            self.notes.push(finding.help("it is ours once the manifest is committed"));
        }
    }

    /// Tasks with content of ours that are left alone.
    fn note_leftovers(&mut self) {
        for (key, task) in &self.found.clones {
            let wanted = self.inputs.wish.tasks.get(*key);
            let is_twin =
                wanted.is_some_and(|wanted| task.content.as_ref() == Some(&wanted.content));
            let name = task.name.as_deref().unwrap_or("?");
            let finding = if is_twin {
                let message = format!("task {} `{name}` has the same content as `{key}`", task.id);
                Diagnostic::note(Code::Twin, message)
                    .help("delete it in the web interface if it is not a copy that somebody wants")
            } else {
                let message =
                    format!("task {} `{name}` has an earlier content of `{key}`", task.id);
                Diagnostic::note(Code::Clone, message)
                    .help("it is left alone; its name is not one of ours")
            };
            self.notes.push(finding);
        }
    }

    fn note_gaps(&mut self) {
        for gap in &self.inputs.evidence.gaps {
            self.notes.push(Diagnostic::note(Code::HistoryGap, &gap.what).help(&gap.way));
        }
        if let Coverage::Partial(why) = &self.inputs.snapshot.tasks.coverage {
            let message = format!("the task list is incomplete: {why}");
            self.notes.push(Diagnostic::note(Code::IncompleteRead, message));
        }
    }

    fn is_target(&self, key: &Key) -> bool {
        let targets = &self.inputs.options.targets;
        targets.is_empty() || targets.contains(key)
    }

    fn push(
        &mut self,
        key: &Key,
        deployment: Option<Key>,
        change: Change,
        reason: String,
        gate: Gate,
    ) -> StepId {
        let id = StepId(self.steps.len());
        let (key, after) = (key.clone(), BTreeSet::new());
        self.steps.push(Step { id, key, deployment, change, reason, after, gate });
        id
    }
}

fn create(wanted: &WantedTask) -> Fate {
    let change = Change::Create { name: wanted.name.clone(), content: wanted.content.clone() };
    Fate::Step(Box::new(change), "no task has its content".to_owned(), Gate::Open)
}

/// An archived task that cannot come back beside one that may be the current one: an old commit is
/// planned late, or somebody else took the name.
fn restore_beside(task: &TaskSeen, stored: &str, name: &str, rival: &TaskSeen) -> Fate {
    let message = format!(
        "task {} is archived and has the wanted content, but task {} is named `{}`, and nothing \
         proves that it is ours",
        task.id,
        rival.id,
        rival.name.as_deref().unwrap_or_default()
    );
    let finding = Diagnostic::blocked(Code::NameHeld, message)
        .help("plan the commit that declares it, or name that commit with `--history-from REV`")
        .help("or give one of the two another name, here or in the web interface");
    let (from, to) = (stored.to_owned(), name.to_owned());
    let change = Change::Rename { id: task.id, from, to, from_archive: true };
    let reason = "an archived task has the wanted content".to_owned();
    Fate::Step(Box::new(change), reason, Gate::Blocked(finding))
}

/// A key to which no task can be given: shown with the candidates and the ways on.
fn blocked(key: &Key, wanted: &WantedTask, conflict: &Conflict<'_>) -> Fate {
    let (change, finding) = undecided(key, wanted, conflict);
    Fate::Step(Box::new(change), "no task can be given to it".to_owned(), Gate::Blocked(finding))
}

/// Names the fields that make a replace necessary.
fn changed_fields(before: &Before, wanted: &WantedTask) -> String {
    let (old, new) = (&before.content, &wanted.content);
    let fields = [
        ("agentId", old.agent_id() != new.agent_id()),
        ("projectPreference", old.project_preference() != new.project_preference()),
        ("prompt", old.prompt() != new.prompt()),
    ];
    let changed: Vec<&str> =
        fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    format!("{} cannot be changed in place", changed.join(" and "))
}
