//! Who holds a wanted name and will not give it up in this plan.
//!
//! A wanted name that another task holds is not fought over (design 3). Whether a holder moves on can
//! hang on whether the name that it wants itself becomes free, so this is told for all at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Key, TaskId, archived_base};
use crate::observed::ObservedTask;
use crate::plan::matcher::{Match, Matches, Proof};
use crate::plan::names::{comparable, is_accepted, is_kept_as};
use crate::plan::{PlanInputs, Prune};

/// Tasks by their names, as the service may compare them.
type ByName<'a> = BTreeMap<String, Vec<&'a ObservedTask>>;

/// The names of tasks that keep them.
pub(super) struct NameConflicts<'a> {
    staying: ByName<'a>,
    /// Those that nothing proves to be ours.
    unproven: ByName<'a>,
}

impl<'a> NameConflicts<'a> {
    /// Tells which of `tasks` keep their names.
    pub(super) fn new(
        inputs: &PlanInputs<'a>,
        found: &Matches<'a>,
        tasks: &BTreeMap<TaskId, &'a ObservedTask>,
    ) -> Self {
        let movers = Movers::of(inputs, found);
        let mut staying = ByName::new();
        let mut open: Vec<&ObservedTask> =
            tasks.values().copied().filter(|task| !movers.all.contains(&task.id)).collect();
        let mut stuck: BTreeSet<TaskId> = BTreeSet::new();
        while let Some(task) = open.pop() {
            let Some(name) = task.name().map(comparable) else { continue };
            // Whoever wants this name stays too, and with it everybody who wants theirs.
            for mover in movers.by_wanted_name.get(&name).into_iter().flatten() {
                if mover.id != task.id && stuck.insert(mover.id) {
                    open.push(mover);
                }
            }
            staying.entry(name).or_default().push(task);
        }
        for name_conflicts in staying.values_mut() {
            name_conflicts.sort_by_key(|task| task.id);
        }
        let copies = found.copies.iter().map(|(_, task)| *task);
        let mut unproven = ByName::new();
        for task in found.unmanaged.iter().copied().chain(copies) {
            if let Some(name) = task.name() {
                unproven.entry(comparable(name)).or_default().push(task);
            }
        }
        Self { staying, unproven }
    }

    /// Returns the task beside `own` that keeps `name`, or nearly that, if there is one.
    pub(super) fn foreign(&self, own: TaskId, name: &str) -> Option<&'a ObservedTask> {
        let name_conflicts = self.staying.get(&comparable(name))?;
        name_conflicts.iter().copied().find(|holder| holder.id != own)
    }

    /// Returns a task that nothing proves to be ours and that has the name, or nearly so.
    pub(super) fn rival(&self, name: &str) -> Option<&'a ObservedTask> {
        self.unproven.get(&comparable(name))?.first().copied()
    }
}

/// The tasks whose names become free if nothing stands in their way.
#[derive(Default)]
struct Movers<'a> {
    all: BTreeSet<TaskId>,
    /// Those that only move if their wanted name is free.
    by_wanted_name: ByName<'a>,
}

impl<'a> Movers<'a> {
    fn of(inputs: &PlanInputs<'a>, found: &Matches<'a>) -> Self {
        let mut movers = Self::default();
        let is_target = |key: &Key| inputs.options.is_target(key);
        for (key, matched) in found.by_key.iter().filter(|(key, _)| is_target(key)) {
            let leftovers = found.superseded.get(key).into_iter().flatten();
            movers.all.extend(leftovers.map(|task| task.id));
            movers.add(inputs, key, *matched);
        }
        if inputs.options.prune == Prune::On {
            let is_declared_elsewhere = |key: &Key| inputs.other_manifests.keys.contains(key);
            let gone = found
                .orphans
                .iter()
                .filter(|(key, _)| is_target(key) && !is_declared_elsewhere(key));
            movers.all.extend(gone.map(|(_, task)| task.id));
        }
        movers
    }

    /// Adds the task of a key if the plan gives it another name, or ends it.
    fn add(&mut self, inputs: &PlanInputs<'a>, key: &Key, Match { task, proof }: Match<'a>) {
        let desired = &inputs.desired_state.tasks[key];
        let evidence = inputs.evidence.keys.get(key);
        let (Some(content), Some(stored)) = (task.content(), task.name()) else { return };
        let name = comparable(desired.name());
        // A new task takes over the name where it is still the wanted one.
        if comparable(stored) == name {
            return;
        }
        if content != desired.content() {
            self.all.insert(task.id);
            return;
        }
        let is_kept = proof == Proof::None
            || is_accepted(stored, desired.name(), evidence)
            || is_kept_as(stored, desired.name(), evidence);
        if !is_kept && archived_base(stored).is_none() {
            self.all.insert(task.id);
            self.by_wanted_name.entry(name).or_default().push(task);
        }
    }
}
