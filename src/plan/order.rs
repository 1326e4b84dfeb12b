//! An order in which names can change hands: chains first things first, cycles of tasks by a temporary
//! name. An agent is known by its name, so it never gets one that nobody declared: in a cycle two agents
//! share a name for a moment.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::NAME;
use crate::model::{Key, is_rewriting_of};
use crate::plan::names::comparable as name_of;
use crate::plan::{Change, Prune, RemoveReason, Step, StepId};
use crate::resource::{Edit, Value};

/// Adds what must be done before each step and sorts the steps accordingly.
///
/// A step that takes a name waits for the step that gives it up. Where renames form a ring, one of
/// them goes by way of a temporary name.
pub(super) fn order(mut steps: Vec<Step>, prune: Prune) -> Vec<Step> {
    break_rings(&mut steps);
    let givers = givers(&steps, prune);
    wait_for_names_of_agents(&mut steps);
    let after: BTreeMap<StepId, BTreeSet<StepId>> =
        steps.iter().map(|step| (step.id, step.after.clone())).collect();
    let leftovers = own_givers(&steps);
    for step in &mut steps {
        step.after.extend(leftovers.get(&step.id).into_iter().flatten());
        let giver = taken_name(&step.change).and_then(|name| givers.get(&name));
        // The second half of a split rename gives up the temporary name that the first half takes.
        let is_second_half = |giver: &&StepId| after[*giver].contains(&step.id);
        step.after.extend(giver.filter(|giver| **giver != step.id && !is_second_half(giver)));
    }
    sorted(steps)
}

/// Lets each renamed agent wait for the one that gives up its name.
fn wait_for_names_of_agents(steps: &mut [Step]) {
    let renaming = |step: &Step| {
        let (from, to) = step.change.renaming_agent()?;
        Some((step.id, name_of(from), name_of(to)))
    };
    let moved: Vec<(StepId, Name, Name)> = steps.iter().filter_map(renaming).collect();
    let givers: BTreeMap<&Name, StepId> = moved.iter().map(|(id, from, _)| (from, *id)).collect();
    let takers: BTreeMap<StepId, StepId> = moved
        .iter()
        .filter_map(|(id, _, to)| Some((*id, *givers.get(to).filter(|giver| *giver != id)?)))
        .collect();
    for step in steps {
        step.after.extend(takers.get(&step.id));
    }
}

/// A name as the service compares it.
type Name = String;

/// The name a step takes that no task of its own gives up.
fn taken_name(change: &Change) -> Option<Name> {
    let name = match change {
        Change::Create { object } => object.name(),
        Change::Replace { object, old, .. } => {
            let name = object.name();
            let is_own = old.iter().any(|old| name_of(&old.name) == name_of(name));
            return (!is_own).then(|| name_of(name));
        }
        change => change.renaming()?.2,
    };
    Some(name_of(name))
}

/// Steps that remove what bears the wanted name of a restored task as the service has rewritten it,
/// by the step that restores it.
fn own_givers(steps: &[Step]) -> BTreeMap<StepId, Vec<StepId>> {
    let mut removed: BTreeMap<&Key, Vec<(StepId, &str)>> = BTreeMap::new();
    for step in steps {
        if let Change::Remove { removal, .. } = &step.change {
            removed.entry(&step.key).or_default().push((step.id, &removal.name));
        }
    }
    let of_step = |step: &Step| {
        let (_, _, to) = step.change.renaming()?;
        let names = removed.get(&step.key)?.iter();
        let own = names.filter(|(_, name)| is_rewriting_of(name, to)).map(|(id, _)| *id);
        Some((step.id, own.collect()))
    };
    steps.iter().filter_map(of_step).collect()
}

/// The step that gives up each name; a removal that was not asked for gives up nothing.
fn givers(steps: &[Step], prune: Prune) -> BTreeMap<Name, StepId> {
    let mut givers = BTreeMap::new();
    let is_asked = |change: &Change| {
        prune == Prune::On
            || !matches!(change, Change::Remove { because: RemoveReason::Undeclared, .. })
    };
    for step in steps.iter().filter(|step| is_asked(&step.change)) {
        match &step.change {
            Change::Replace { object, old, .. } => {
                let name = object.name();
                let others = old.iter().map(|old| name_of(&old.name));
                let others = others.filter(|old| *old != name_of(name));
                givers.extend(others.map(|old| (old, step.id)));
            }
            Change::Remove { removal, .. } => {
                givers.insert(name_of(&removal.name), step.id);
            }
            change => {
                let moved = change.renaming().map(|(_, from, to)| (name_of(from), name_of(to)));
                givers
                    .extend(moved.filter(|(from, to)| from != to).map(|(from, _)| (from, step.id)));
            }
        }
    }
    givers
}

/// Splits one rename of every ring in two: to a temporary name now, to the wanted one at the end.
///
/// A ring may lead through replaces, whose old task gives up one name while the new one takes another.
fn break_rings(steps: &mut Vec<Step>) {
    let moves: BTreeMap<Name, (usize, Name)> = steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| match &step.change {
            Change::Replace { before, object, .. } => {
                Some((name_of(before.name()), (at, name_of(object.name()))))
            }
            change => change.renaming().map(|(_, from, to)| (name_of(from), (at, name_of(to)))),
        })
        .filter(|(from, (_, to))| from != to)
        .collect();
    let is_rename = |at: usize| steps[at].change.renaming().is_some();
    let mut done: BTreeSet<&Name> = BTreeSet::new();
    let mut splits = Vec::new();
    for start in moves.keys() {
        let (mut name, mut path) = (start, Vec::new());
        while let Some((at, to)) = moves.get(name).filter(|_| !done.contains(name)) {
            if let Some(ring) = path.iter().position(|(earlier, _)| *earlier == name) {
                splits.extend(path[ring..].iter().map(|(_, at)| *at).find(|at| is_rename(*at)));
                break;
            }
            path.push((name, *at));
            name = to;
        }
        done.extend(path.into_iter().map(|(name, _)| name));
    }
    for at in splits {
        let mut last = steps[at].clone();
        let id = StepId(steps.len());
        let step = &mut steps[at];
        let Some((task, _, to)) = step.change.renaming() else { continue };
        let temporary = Value::Text(format!("{to} [renaming {task}]").into());
        for edit in name_edits(&mut step.change) {
            edit.after = temporary.clone();
        }
        for edit in name_edits(&mut last.change) {
            edit.before = temporary.clone();
        }
        last.id = id;
        last.after.insert(step.id);
        steps.push(last);
    }
}

fn name_edits(change: &mut Change) -> impl Iterator<Item = &mut Edit> {
    let edits = match change {
        Change::Update { edits, .. } | Change::Restore { edits, .. } => edits.as_mut_slice(),
        _ => &mut [],
    };
    edits.iter_mut().filter(|edit| edit.field == NAME)
}

/// Sorts so that every step comes after those it waits for, otherwise in the order given.
///
/// What still waits in a ring (a name that travels through a replace) gives up waiting: names are
/// put right by the next plan, and nothing is lost meanwhile.
fn sorted(steps: Vec<Step>) -> Vec<Step> {
    let place: BTreeMap<StepId, usize> =
        steps.iter().enumerate().map(|(at, step)| (step.id, at)).collect();
    let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut open_waits: Vec<usize> = Vec::with_capacity(steps.len());
    for (at, step) in steps.iter().enumerate() {
        let waits = step.after.iter().filter_map(|id| place.get(id));
        open_waits.push(waits.map(|giver| followers.entry(*giver).or_default().push(at)).count());
    }
    let mut ready: BTreeSet<usize> = (0..steps.len()).filter(|at| open_waits[*at] == 0).collect();
    let mut unplaced: BTreeSet<usize> = (0..steps.len()).collect();
    let mut slots: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let mut sorted: Vec<Step> = Vec::with_capacity(slots.len());
    while let Some(at) = ready.pop_first().or_else(|| unplaced.first().copied()) {
        unplaced.remove(&at);
        let mut step = slots[at].take().expect("a step is placed once");
        if open_waits[at] > 0 {
            step.after.retain(|id| place.get(id).is_none_or(|giver| !unplaced.contains(giver)));
        }
        for follower in followers.remove(&at).into_iter().flatten() {
            open_waits[follower] -= 1;
            if open_waits[follower] == 0 && unplaced.contains(&follower) {
                ready.insert(follower);
            }
        }
        sorted.push(step);
    }
    sorted
}
