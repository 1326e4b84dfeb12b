//! Who holds a wanted name and will not give it up in this plan.
//!
//! A wanted name that another task holds is not fought over (design 3). Whether a holder moves on can
//! hang on whether the name that it wants itself becomes free, so this is told for all at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Key, TaskId, archived_base};
use crate::plan::identify::{Claim, Identified, Proof};
use crate::plan::names::{comparable, is_accepted, is_kept_as};
use crate::plan::{Inputs, Prune};
use crate::snapshot::TaskSeen;

/// Tasks by their names, as the service may compare them.
type ByName<'a> = BTreeMap<String, Vec<&'a TaskSeen>>;

/// The names of tasks that keep them.
pub(super) struct Holders<'a> {
    staying: ByName<'a>,
    /// Those that nothing proves to be ours.
    unproven: ByName<'a>,
}

impl<'a> Holders<'a> {
    /// Tells which of `tasks` keep their names.
    pub(super) fn new(
        inputs: &Inputs<'a>,
        found: &Identified<'a>,
        tasks: &BTreeMap<TaskId, &'a TaskSeen>,
    ) -> Self {
        let movers = Movers::of(inputs, found);
        let mut staying = ByName::new();
        let mut open: Vec<&TaskSeen> =
            tasks.values().copied().filter(|task| !movers.all.contains(&task.id)).collect();
        let mut stuck: BTreeSet<TaskId> = BTreeSet::new();
        while let Some(task) = open.pop() {
            let Some(name) = task.name.as_deref().map(comparable) else { continue };
            // Whoever wants this name stays too, and with it everybody who wants theirs.
            for mover in movers.by_wanted_name.get(&name).into_iter().flatten() {
                if mover.id != task.id && stuck.insert(mover.id) {
                    open.push(mover);
                }
            }
            staying.entry(name).or_default().push(task);
        }
        for holders in staying.values_mut() {
            holders.sort_by_key(|task| task.id);
        }
        let clones = found.clones.iter().map(|(_, task)| *task);
        let mut unproven = ByName::new();
        for task in found.unmanaged.iter().copied().chain(clones) {
            if let Some(name) = task.name.as_deref() {
                unproven.entry(comparable(name)).or_default().push(task);
            }
        }
        Self { staying, unproven }
    }

    /// Returns the task beside `own` that keeps `name`, or nearly that, if there is one.
    pub(super) fn foreign(&self, own: TaskId, name: &str) -> Option<&'a TaskSeen> {
        let holders = self.staying.get(&comparable(name))?;
        holders.iter().copied().find(|holder| holder.id != own)
    }

    /// Returns a task that nothing proves to be ours and that has the name, or nearly so.
    pub(super) fn rival(&self, name: &str) -> Option<&'a TaskSeen> {
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
    fn of(inputs: &Inputs<'a>, found: &Identified<'a>) -> Self {
        let mut movers = Self::default();
        let targets = &inputs.options.targets;
        let is_target = |key: &Key| targets.is_empty() || targets.contains(key);
        for (key, claim) in found.claims.iter().filter(|(key, _)| is_target(key)) {
            let leftovers = found.superseded.get(key).into_iter().flatten();
            movers.all.extend(leftovers.map(|task| task.id));
            movers.add(inputs, key, *claim);
        }
        if inputs.options.prune == Prune::Asked {
            let is_elsewhere = |key: &Key| inputs.elsewhere.keys.contains(key);
            let gone = found.orphans.iter().filter(|(key, _)| is_target(key) && !is_elsewhere(key));
            movers.all.extend(gone.map(|(_, task)| task.id));
        }
        movers
    }

    /// Adds the task of a key if the plan gives it another name, or ends it.
    fn add(&mut self, inputs: &Inputs<'a>, key: &Key, Claim { task, proof }: Claim<'a>) {
        let wanted = &inputs.wish.tasks[key];
        let evidence = inputs.evidence.keys.get(key);
        let (Some(content), Some(stored)) = (&task.content, task.name.as_deref()) else { return };
        let name = comparable(&wanted.name);
        // A new task takes over the name where it is still the wanted one.
        if comparable(stored) == name {
            return;
        }
        if *content != wanted.content {
            self.all.insert(task.id);
            return;
        }
        let is_kept = proof == Proof::None
            || is_accepted(stored, &wanted.name, evidence)
            || is_kept_as(stored, &wanted.name, evidence);
        if !is_kept && archived_base(stored).is_none() {
            self.all.insert(task.id);
            self.by_wanted_name.entry(name).or_default().push(task);
        }
    }
}
