//! Who holds a wanted name and will not give it up in this plan.
//!
//! A wanted name that another resource holds is not fought over (design 3). Whether a holder moves on
//! can hang on whether the name that it wants itself becomes free, so this is told for all at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Key, TaskId, archived_base};
use crate::observed::ObservedTask;
use crate::plan::matcher::{Match, Matches, Proof};
use crate::plan::names::{comparable, is_accepted, is_kept_as};
use crate::plan::{PlanInputs, Prune};

/// Tasks by their names, as the service may compare them.
type ByName<'a> = BTreeMap<String, Vec<&'a ObservedTask>>;

/// Those of `names` that keep their names, by name: all that are neither going nor moving to another
/// name, and with each of them whoever wants its name.
pub(super) fn staying<Id: Copy + Ord>(
    names: &BTreeMap<Id, String>,
    going: &BTreeSet<Id>,
    moving: &BTreeMap<Id, String>,
) -> BTreeMap<String, BTreeSet<Id>> {
    let mut wanting: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
    for (id, wanted) in moving {
        wanting.entry(wanted).or_default().push(*id);
    }
    let is_staying = |id: &&Id| !going.contains(*id) && !moving.contains_key(*id);
    let mut open: Vec<Id> = names.keys().filter(is_staying).copied().collect();
    let mut stuck = BTreeSet::new();
    let mut staying = BTreeMap::<String, BTreeSet<Id>>::new();
    while let Some(id) = open.pop() {
        let Some(name) = names.get(&id) else { continue };
        for mover in wanting.get(&**name).into_iter().flatten() {
            if *mover != id && stuck.insert(*mover) {
                open.push(*mover);
            }
        }
        staying.entry(name.clone()).or_default().insert(id);
    }
    staying
}

/// The names of tasks that keep them.
pub(super) struct NameConflicts<'a> {
    staying: BTreeMap<String, BTreeSet<TaskId>>,
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
        let Movers { going, moving } = Movers::of(inputs, found);
        let names = tasks.iter().filter_map(|(id, task)| Some((*id, comparable(task.name()?))));
        let staying = staying(&names.collect(), &going, &moving);
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
    pub(super) fn foreign(&self, own: TaskId, name: &str) -> Option<TaskId> {
        let holders = self.staying.get(&comparable(name))?;
        holders.iter().copied().find(|holder| *holder != own)
    }

    /// Returns a task that nothing proves to be ours and that has the name, or nearly so.
    pub(super) fn rival(&self, name: &str) -> Option<&'a ObservedTask> {
        self.unproven.get(&comparable(name))?.first().copied()
    }
}

/// The tasks whose names become free if nothing stands in their way.
#[derive(Default)]
struct Movers {
    going: BTreeSet<TaskId>,
    /// Those that only move if the name that they want is free.
    moving: BTreeMap<TaskId, String>,
}

impl Movers {
    fn of(inputs: &PlanInputs<'_>, found: &Matches<'_>) -> Self {
        let mut movers = Self::default();
        let is_target = |key: &Key| inputs.options.is_target(key);
        for (key, matched) in found.by_key.iter().filter(|(key, _)| is_target(key)) {
            let leftovers = found.superseded.get(key).into_iter().flatten();
            movers.going.extend(leftovers.map(|task| task.id));
            movers.add(inputs, key, *matched);
        }
        if inputs.options.prune == Prune::On {
            let is_declared_elsewhere = |key: &Key| inputs.other_manifests.keys.contains(key);
            let gone = found
                .orphans
                .iter()
                .filter(|(key, _)| is_target(key) && !is_declared_elsewhere(key));
            movers.going.extend(gone.map(|(_, task)| task.id));
        }
        movers
    }

    /// Adds the task of a key if the plan gives it another name, or ends it.
    fn add(&mut self, inputs: &PlanInputs<'_>, key: &Key, Match { task, proof }: Match<'_>) {
        let desired = &inputs.desired_state.tasks[key];
        let evidence = inputs.evidence.keys.get(key);
        let (Some(content), Some(stored)) = (task.content(), task.name()) else { return };
        let name = comparable(desired.name());
        // A new task takes over the name where it is still the wanted one.
        if comparable(stored) == name {
            return;
        }
        if content != desired.content() {
            self.going.insert(task.id);
            return;
        }
        let is_kept = proof == Proof::None
            || is_accepted(stored, desired.name(), evidence)
            || is_kept_as(stored, desired.name(), evidence);
        if !is_kept && archived_base(stored).is_none() {
            self.moving.insert(task.id, name);
        }
    }
}
