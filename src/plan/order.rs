//! An order in which names can change hands: chains first things first, cycles by a temporary name.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Change, Gate, Retirement, Step, StepId};

/// Adds what must be done before each step and sorts the steps accordingly.
///
/// A step that takes a name waits for the step that gives it up. Where renames form a ring, one of
/// them goes by way of a temporary name.
pub(super) fn order(mut steps: Vec<Step>) -> Vec<Step> {
    break_rings(&mut steps);
    let givers = givers(&steps);
    let waits: Vec<(usize, StepId)> = steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| Some((at, *givers.get(taken_name(&step.change)?)?)))
        .filter(|(at, giver)| steps[*at].id != *giver)
        .collect();
    for (at, giver) in waits {
        steps[at].after.insert(giver);
    }
    sorted(steps)
}

/// The name a step takes.
fn taken_name(change: &Change) -> Option<&str> {
    match change {
        Change::Create { name, .. } => Some(name),
        Change::Rename { to, .. } => Some(to),
        Change::Replace { .. }
        | Change::Retire { .. }
        | Change::Run { .. }
        | Change::Undecided { .. } => None,
    }
}

/// The step that gives up each name.
fn givers(steps: &[Step]) -> BTreeMap<String, StepId> {
    let mut givers = BTreeMap::new();
    for step in steps.iter().filter(|step| !matches!(step.gate, Gate::Withheld(_))) {
        match &step.change {
            Change::Rename { from, .. } => {
                givers.insert(from.clone(), step.id);
            }
            Change::Replace { name, old, .. } => {
                let others = old.iter().filter(|retirement| retirement.name != *name);
                givers.extend(others.map(|Retirement { name, .. }| (name.clone(), step.id)));
            }
            Change::Retire { retirement, .. } => {
                givers.insert(retirement.name.clone(), step.id);
            }
            Change::Create { .. } | Change::Run { .. } | Change::Undecided { .. } => {}
        }
    }
    givers
}

/// Splits one rename of every ring in two: to a temporary name now, to the wanted one at the end.
fn break_rings(steps: &mut Vec<Step>) {
    let renames: BTreeMap<String, (usize, String)> = steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| match &step.change {
            Change::Rename { from, to, .. } => Some((from.clone(), (at, to.clone()))),
            _ => None,
        })
        .collect();
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut splits = Vec::new();
    for start in renames.keys() {
        let (mut at, mut path) = (start, BTreeSet::new());
        while let Some((_, to)) = renames.get(at).filter(|_| !done.contains(at)) {
            if !path.insert(at.clone()) {
                splits.push(renames[at].0);
                break;
            }
            at = to;
        }
        done.extend(path);
    }
    for at in splits {
        let mut last = steps[at].clone();
        let step = &mut steps[at];
        let (Change::Rename { id, to, .. }, Change::Rename { from, .. }) =
            (&mut step.change, &mut last.change)
        else {
            continue;
        };
        let temporary = format!("{to} [renaming {id}]");
        (*to, *from) = (temporary.clone(), temporary);
        last.id = StepId(steps.len());
        steps.push(last);
    }
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
