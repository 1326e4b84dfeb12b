//! The judge of plans: written from the design, without the planner's own functions.

use std::collections::{BTreeMap, BTreeSet};

use qcops::diag::{Code, Gap, GapReason};
use qcops::evidence::KeyEvidence;
use qcops::manifest::DesiredTask;
use qcops::model::{Key, TaskId};
use qcops::observed::{Completeness, ObservedState, ObservedTask, ReadResult, Schedule};
use qcops::plan::{
    self, AgentChange, Change, Options, Plan, PlanContext, Prune, Removal, Remove, RemoveReason,
    Step, StepStatus, TaskRef,
};

use super::agents;
use crate::support::world::{replayed, shown};

/// One plan with all that it was made from.
pub(super) struct Case<'a> {
    pub(super) plan_context: &'a PlanContext,
    pub(super) state: &'a ObservedState,
    pub(super) plan: Plan,
    tasks: BTreeMap<TaskId, &'a ObservedTask>,
}

/// Plans twice and judges the plan by every law that needs nothing but what it was made from.
pub(super) fn judged(plan_context: &PlanContext, state: &ObservedState) -> Plan {
    let first = replayed(plan_context, state);
    let second = plan::plan(&plan_context.with(state));
    assert_eq!(format!("{first:?}"), format!("{second:?}"), "planning twice");
    assert_eq!(shown(&first), shown(&second), "printing twice");
    let mut tasks: BTreeMap<TaskId, &ObservedTask> =
        state.tasks.items.iter().map(|task| (task.id, task)).collect();
    for (id, reading) in &state.task_reads {
        if let ReadResult::Seen(task) = reading {
            tasks.insert(*id, task);
        }
    }
    let case = Case { plan_context, state, plan: first, tasks };
    case.steps_come_after_what_they_wait_for();
    case.blocks_name_a_way();
    case.every_task_has_one_key_and_no_claimed_one_goes();
    case.nothing_happens_without_proof();
    case.a_partial_sight_opens_nothing();
    case.nothing_is_made_or_removed_on_incomplete_evidence_beside_strangers();
    case.nothing_is_made_twice();
    case.names_are_not_fought_over();
    agents::judge(plan_context, state, &case.plan);
    case.plan
}

impl Case<'_> {
    fn steps_come_after_what_they_wait_for(&self) {
        let mut placed = BTreeSet::new();
        let mut open = BTreeSet::new();
        for step in &self.plan.steps {
            for id in &step.after {
                assert!(placed.contains(id), "{:?} waits for a later step{}", step.id, self);
                let is_late = step.status == StepStatus::Ready && !open.contains(id);
                assert!(!is_late, "{:?} is open and waits for a closed one{}", step.id, self);
            }
            assert!(placed.insert(step.id), "{:?} stands twice{}", step.id, self);
            if step.status == StepStatus::Ready {
                open.insert(step.id);
            }
        }
    }

    fn blocks_name_a_way(&self) {
        for step in &self.plan.steps {
            if let StepStatus::Blocked(finding) | StepStatus::Deferred(finding) = &step.status {
                assert!(!finding.help.is_empty(), "`{}` has no way{}", finding.code, self);
            }
        }
    }

    fn every_task_has_one_key_and_no_claimed_one_goes(&self) {
        let mut key_of: BTreeMap<TaskId, &Key> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for step in &self.plan.steps {
            let claimed = match &step.change {
                Change::Update { id, .. }
                | Change::Restore { id, .. }
                | Change::Deploy { task: TaskRef::Existing(id), .. } => Some(*id),
                Change::Replace { before, old, .. } => {
                    for removal in old {
                        assert!(gone.insert(removal.id), "{} goes twice{self}", removal.id);
                    }
                    assert_eq!(old.first().map(|first| first.id), Some(before.id), "{self}");
                    None
                }
                Change::Remove { removal, .. } => {
                    assert!(gone.insert(removal.id), "{} goes twice{self}", removal.id);
                    None
                }
                _ => None,
            };
            if let Some(id) = claimed {
                let key = *key_of.entry(id).or_insert(&step.key);
                assert_eq!(key, &step.key, "task {id} has two keys{self}");
            }
        }
        for id in key_of.keys() {
            assert!(!gone.contains(id), "task {id} is claimed and goes{self}");
        }
    }

    fn nothing_happens_without_proof(&self) {
        for step in self.plan.ready_steps() {
            match &step.change {
                Change::Update { id, .. } => self.expect_proof(&step.key, *id),
                Change::Restore { id, .. } => {
                    self.expect_proof(&step.key, *id);
                    let (_, _, to) = step.change.renaming().expect("a restore renames");
                    self.expect_no_rival(&step.key, to);
                }
                Change::Replace { before, old, .. } => {
                    self.expect_proof(&step.key, before.id);
                    let is_pinned =
                        self.plan_context.desired_state.tasks[&step.key].pin == Some(before.id);
                    let is_declared_elsewhere = self.is_declared_elsewhere(self.tasks[&before.id]);
                    assert!(
                        is_pinned || !is_declared_elsewhere,
                        "{} is of elsewhere{self}",
                        before.id
                    );
                    assert!(!self.wanted_protection(&step.key), "{} is protected{self}", step.key);
                    self.expect_nothing_lost(&step.key, &old[0]);
                    for removal in &old[1..] {
                        self.expect_leftover(&step.key, removal);
                    }
                }
                Change::Remove { removal, because, .. } => {
                    self.expect_leftover(&step.key, removal);
                    let desired_state = &self.plan_context.desired_state;
                    let is_declared = desired_state.tasks.contains_key(&step.key);
                    assert_eq!(*because == RemoveReason::Superseded, is_declared, "{self}");
                    let is_asked = is_declared || self.plan_context.options.prune == Prune::On;
                    assert!(is_asked, "{} goes unasked{self}", removal.id);
                    assert!(!self.wanted_protection(&step.key), "{} is protected{self}", step.key);
                }
                Change::Deploy { task: TaskRef::Existing(id), .. } => {
                    let content = self.tasks[id].content();
                    let desired = self.plan_context.desired_state.tasks[&step.key].content();
                    assert_eq!(content, Some(desired), "task {id} would run something else{self}");
                }
                Change::Agent(_)
                | Change::Create { .. }
                | Change::Deploy { .. }
                | Change::Prompt { .. }
                | Change::Stop { .. } => {}
                Change::Diverged { .. } | Change::Ambiguous { .. } => {
                    panic!("what cannot be done is open{self}")
                }
            }
        }
    }

    /// No archived task comes back beside a stranger under its name: that may be the current one.
    fn expect_no_rival(&self, key: &Key, name: &str) {
        let desired_state = &self.plan_context.desired_state.tasks;
        let is_known = |task: &ObservedTask| {
            let mut evidence = self.plan_context.evidence.keys.values();
            let mut desired = desired_state.values();
            let in_doubt = |step: &Step| match &step.change {
                Change::Ambiguous { candidates, .. } => {
                    candidates.iter().any(|candidate| candidate.id == task.id)
                }
                Change::Replace { before, .. } => before.id == task.id,
                _ => false,
            };
            self.is_declared_elsewhere(task)
                || evidence.any(|known| {
                    is_made(known, task.id) || holds(known, task) || holds_prompt(known, task)
                })
                || desired.any(|desired| task.content() == Some(desired.content()))
                || desired_state.values().any(|desired| desired.pin == Some(task.id))
                || self.plan.steps.iter().any(in_doubt)
        };
        let mut rivals = self.tasks.values().filter(|task| task.name() == Some(name));
        let rival = rivals.find(|task| !is_known(task));
        assert!(rival.is_none(), "{key} comes back beside {rival:?}{self}");
    }

    /// Proof: the pin, the ledger, content of the key's history, or its prompt under a name of it.
    fn expect_proof(&self, key: &Key, id: TaskId) {
        let task = self.tasks[&id];
        let is_pinned = self.plan_context.desired_state.tasks[key].pin == Some(id);
        let is_proven = self.plan_context.evidence.keys.get(key).is_some_and(|evidence| {
            is_made(evidence, id)
                || holds(evidence, task)
                || (self.bears_a_name_of(key, task) && holds_prompt(evidence, task))
        });
        assert!(is_pinned || is_proven, "task {id} is changed for {key} without proof{self}");
    }

    /// A leftover: content of the key's evidence under a name of the key, of nobody else's business.
    fn expect_leftover(&self, key: &Key, removal: &Removal) {
        let id = removal.id;
        let task = self.tasks[&id];
        let Some(evidence) = self.plan_context.evidence.keys.get(key) else {
            panic!("task {id} goes for {key}, which has no history{self}");
        };
        assert!(holds(evidence, task), "task {id} goes without proof{self}");
        let is_named = self.bears_a_name_of(key, task) || is_made(evidence, id);
        assert!(is_named, "task {id} goes under a foreign name{self}");
        let name = task.name().unwrap_or_default();
        assert!(!is_archived(name), "task {id} is archived already{self}");
        assert!(
            !self.plan_context.desired_state.forgotten.contains(key),
            "task {id} is released{self}"
        );
        for (other, desired) in &self.plan_context.desired_state.tasks {
            let is_pinned = desired.pin == Some(id) && other != key;
            assert!(!is_pinned, "task {id} goes for {key} and is pinned by {other}{self}");
        }
        assert!(!self.is_declared_elsewhere(task), "task {id} is declared elsewhere{self}");
        if !self.plan_context.desired_state.tasks.contains_key(key) {
            let other_manifests = &self.plan_context.other_manifests;
            assert!(!other_manifests.keys.contains(key), "`{key}` is declared elsewhere{self}");
            assert_eq!(other_manifests.gaps, [], "task {id} may be declared elsewhere{self}");
        }
        self.expect_nothing_lost(key, removal);
    }

    /// Whether another manifest declares the task.
    fn is_declared_elsewhere(&self, task: &ObservedTask) -> bool {
        let other_manifests = &self.plan_context.other_manifests;
        let hash = task.content();
        other_manifests.pins.contains(&task.id)
            || hash.is_some_and(|hash| other_manifests.contents.contains(&hash))
    }

    fn expect_nothing_lost(&self, key: &Key, removal: &Removal) {
        let task = self.tasks[&removal.id];
        assert!(!matches!(task.schedule, Schedule::Set(_)), "a schedule is left behind{self}");
        if removal.how == Remove::Delete {
            let runs = self.state.deployments.get(&task.id);
            let versions = self.plan_context.evidence.keys.get(key).map(|known| &known.versions);
            let holds_nothing = task.deployment_count == Some(0)
                && task.active.as_deref() == Some(&[])
                && task.notification_count == Some(0)
                && task.schedule == Schedule::Unset
                && task.name().is_some()
                && runs.is_some_and(|runs| {
                    runs.items.is_empty() && runs.coverage == Completeness::Complete
                })
                && versions
                    .into_iter()
                    .flatten()
                    .any(|version| task.content() == Some(version.content));
            assert!(holds_nothing, "task {} is deleted with what it holds{self}", task.id);
        }
    }

    fn a_partial_sight_opens_nothing(&self) {
        let is_partial = self.state.tasks.coverage != Completeness::Complete
            || self.tasks.values().any(|task| task.content().is_none())
            || self.state.task_reads.values().any(|read| matches!(read, ReadResult::Unreadable(_)));
        for step in self.plan.ready_steps() {
            let needs_no_task = match &step.change {
                Change::Update { .. } | Change::Restore { .. } => true,
                Change::Agent(change) => !matches!(change, AgentChange::Delete { .. }),
                _ => false,
            };
            assert!(needs_no_task || !is_partial, "{:?} is open on a partial sight{self}", step.id);
            if let Change::Deploy { task: TaskRef::Existing(id), .. } = &step.change {
                let runs = self.state.deployments.get(id);
                let is_known = runs.is_some_and(|runs| runs.coverage == Completeness::Complete);
                assert!(is_known, "task {id} runs, and its deployments are not known{self}");
            }
        }
    }

    /// A task with the wanted content is used and not made again.
    /// With part of a key's evidence out of sight, each resource that nothing explains may be the key's.
    fn nothing_is_made_or_removed_on_incomplete_evidence_beside_strangers(&self) {
        let PlanContext { desired_state, evidence, options, .. } = self.plan_context;
        // A target leaves out steps that explain a task, and what they explain stays explained.
        let mut whole = self.plan_context.clone();
        whole.options = Options {
            targets: BTreeSet::new(),
            target_agents: BTreeSet::new(),
            target_deployments: BTreeMap::new(),
            ..whole.options
        };
        let whole = plan::plan(&whole.with(self.state));
        let is_in_a_step = |id: TaskId| {
            whole.steps.iter().any(|step| match &step.change {
                Change::Ambiguous { candidates, .. } => candidates.iter().any(|c| c.id == id),
                Change::Update { id: changed, .. } | Change::Restore { id: changed, .. } => {
                    *changed == id
                }
                Change::Replace { before, old, .. } => {
                    before.id == id || old.iter().any(|removal| removal.id == id)
                }
                Change::Remove { removal, .. } => removal.id == id,
                _ => false,
            })
        };
        let is_explained = |task: &ObservedTask| {
            is_archived(task.name().unwrap_or_default())
                || self.is_declared_elsewhere(task)
                || is_in_a_step(task.id)
                || desired_state.tasks.values().any(|desired| {
                    desired.pin == Some(task.id) || task.content() == Some(desired.content())
                })
                || evidence.keys.values().any(|known| {
                    is_made(known, task.id) || holds(known, task) || holds_prompt(known, task)
                })
        };
        let Some(stranger) = self.tasks.values().find(|task| !is_explained(task)) else { return };
        for step in self.plan.ready_steps() {
            let is_meant = matches!(
                step.change,
                Change::Create { .. } | Change::Replace { .. } | Change::Remove { .. }
            );
            let is_out_of_sight = |gap: &&Gap| {
                let is_first = gap.reason == GapReason::NoRepository && !evidence.has_ledger;
                let is_known =
                    matches!(gap.reason, GapReason::NothingCommitted | GapReason::NoRepository);
                (gap.keys.is_empty() || gap.keys.contains(&step.key)) && (is_first || !is_known)
            };
            let gap = evidence.gaps.iter().find(is_out_of_sight);
            let is_allowed = options.allow.contains(&Code::LostEvidence);
            assert!(
                !is_meant || gap.is_none() || is_allowed,
                "{} goes on beside task {} without {gap:?}{self}",
                step.key,
                stranger.id
            );
        }
    }

    fn nothing_is_made_twice(&self) {
        let pinned: BTreeSet<TaskId> = self
            .plan_context
            .desired_state
            .tasks
            .values()
            .filter_map(|desired| desired.pin)
            .collect();
        for step in self.plan.ready_steps() {
            let (Change::Create { object } | Change::Replace { object, .. }) = &step.change else {
                continue;
            };
            let declared = self.plan_context.desired_state.tasks.values();
            let count = declared.filter(|desired| desired.content() == object.content()).count();
            let duplicate = self.tasks.values().find(|task| {
                task.content() == Some(object.content())
                    && !is_archived(task.name().unwrap_or_default())
                    && !pinned.contains(&task.id)
            });
            assert!(count > 1 || duplicate.is_none(), "{} is made again{self}", step.key);
        }
    }

    /// After the open steps no renamed task shares its name with one that was there before.
    fn names_are_not_fought_over(&self) {
        let mut names: BTreeMap<TaskId, &str> = BTreeMap::new();
        let mut renamed: BTreeMap<TaskId, (&Key, bool)> = BTreeMap::new();
        for task in self.tasks.values() {
            names.insert(task.id, task.name().unwrap_or_default());
        }
        for step in self.plan.ready_steps() {
            match &step.change {
                Change::Replace { old, .. } => old.iter().for_each(|gone| {
                    names.remove(&gone.id);
                }),
                Change::Remove { removal, .. } => {
                    names.remove(&removal.id);
                }
                change => {
                    let Some((id, _, to)) = change.renaming() else { continue };
                    names.insert(id, to);
                    renamed.insert(id, (&step.key, matches!(change, Change::Restore { .. })));
                }
            }
        }
        for (id, (key, from_archive)) in &renamed {
            let name = names[id];
            assert_eq!(
                name,
                self.plan_context.desired_state.tasks[*key].name(),
                "the last name of {key}{self}"
            );
            let declared = self.plan_context.desired_state.tasks.values();
            let is_shared = declared.filter(|desired| desired.name() == name).count() > 1;
            let other = names.iter().find(|(other, held)| *other != id && **held == name);
            let is_free = other.is_none() || is_shared || *from_archive;
            assert!(is_free, "{key} is renamed to `{name}`, which {other:?} holds{self}");
        }
    }

    fn wanted_protection(&self, key: &Key) -> bool {
        match self.plan_context.desired_state.tasks.get(key) {
            Some(desired) => desired.protect,
            None => self.plan_context.evidence.keys.get(key).is_some_and(|known| known.protect),
        }
    }

    /// A name that is or was declared for the key, or what a service may have made of it.
    fn bears_a_name_of(&self, key: &Key, task: &ObservedTask) -> bool {
        let stored = folded(task.name().unwrap_or_default());
        let declared = self.plan_context.desired_state.tasks.get(key).map(DesiredTask::name);
        let evidence = self.plan_context.evidence.keys.get(key);
        let earlier = evidence.into_iter().flat_map(KeyEvidence::names);
        declared.into_iter().chain(earlier).map(folded).any(|name| {
            name == stored || (stored.chars().count() >= 16 && name.starts_with(&stored))
        })
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}\n", shown(&self.plan))?;
        writeln!(f, "desired state: {:#?}", self.plan_context.desired_state.tasks)?;
        writeln!(f, "evidence: {:#?}", self.plan_context.evidence)?;
        writeln!(f, "tasks: {:#?}", self.tasks)
    }
}

/// Whether the name says that its task is kept and over: `NAME [superseded HASH8]`, however spelled.
pub(super) fn is_archived(name: &str) -> bool {
    let letters: Vec<char> = folded(name).chars().collect();
    let Some(split) = letters.len().checked_sub(8) else { return false };
    let (base, hash) = letters.split_at(split);
    hash.iter().all(char::is_ascii_hexdigit)
        && base.iter().collect::<String>().ends_with("superseded")
}

fn folded(name: &str) -> String {
    name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
}

fn is_made(evidence: &KeyEvidence, id: TaskId) -> bool {
    evidence.created.iter().any(|created| created.id == Some(id))
}

/// Content of the history, or of a create: of this very task, or of one whose answer was never noted.
fn holds(evidence: &KeyEvidence, task: &ObservedTask) -> bool {
    let Some(hash) = task.content() else { return false };
    let is_of_it = |id: Option<TaskId>| id.is_none_or(|id| id == task.id);
    evidence.versions.iter().any(|version| version.content == hash)
        || evidence.created.iter().any(|created| created.content == hash && is_of_it(created.id))
}

fn holds_prompt(evidence: &KeyEvidence, task: &ObservedTask) -> bool {
    let Some(hash) = task.object.prompt_hash() else { return false };
    evidence.versions.iter().any(|version| version.prompt == hash)
}
