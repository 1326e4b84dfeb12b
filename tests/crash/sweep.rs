//! The sweep: every scenario under all conditions, with a fault at every place.
//!
//! The requests of the last apply of a [`Scenario`] are counted; then, for each of them and each
//! fault, the scenario runs again with that fault, followed by one apply without faults. The judge
//! reads the result from the world and from the requests.
//!
//! Everything happens in process, on tokio's paused clock and from seeds: the same seed gives the
//! same case.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::case::{CaseResult, PreparedScenario};
use super::fault::FaultPlan;
use super::scenario::{Conditions, Scenario};
use super::summary::SweepSummary;

/// Which faults are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Every fault at every place, once with and once without the ledger afterwards.
    Every,
    /// As many for each scenario and conditions, spread by the seed, each with and without the ledger.
    Sample(usize),
    /// Every second fault after each first one; where a number is given, as many for each scenario
    /// and conditions, after a fourth as many first ones.
    Pairs(Option<usize>),
    /// As many times several applies in a row, on one or two machines, with up to three faults in each.
    Long(u64),
}

/// Runs every scenario under all conditions with as many faults as `sampling` says.
///
/// The order of what is reported does not depend on the number of threads.
pub(super) fn sweep(
    scenarios: &[Scenario],
    conditions: &[Conditions],
    sampling: Sampling,
) -> SweepSummary {
    let units: Vec<Unit<'_>> = scenarios
        .iter()
        .flat_map(|scenario| conditions.iter().map(move |conditions| (scenario, conditions)))
        .collect();
    sweep_units(&units, sampling)
}

/// A scenario, and the conditions under which it runs.
pub(super) type Unit<'a> = (&'a Scenario, &'a Conditions);

/// Runs each scenario under its conditions with as many faults as `sampling` says.
pub(super) fn sweep_units(units: &[Unit<'_>], sampling: Sampling) -> SweepSummary {
    let prepared =
        spread(units, |(scenario, conditions)| PreparedScenario::new(scenario, conditions));
    let groups = groups(&prepared, sampling);
    let mut summary = SweepSummary::default();
    for unit in &prepared {
        summary.add_prepared(unit);
    }
    // A part at a time, so that millions of cases need no more memory than thousands.
    for part in groups.chunks(PART) {
        for result in spread(part, run).into_iter().flatten() {
            summary.add(result);
        }
    }
    summary
}

/// How many groups of cases are run before they are counted.
const PART: usize = 10_000;

/// Cases that differ in nothing but whether the ledger is lost.
type Group<'u> = (&'u PreparedScenario<'u>, Vec<FaultPlan>);

/// Runs the cases of a group, and keeps what is counted.
fn run<'u>((unit, variants): &Group<'u>) -> Vec<CaseResult<'u>> {
    let mut results = unit.run(variants.clone());
    for result in &mut results {
        result.traces.clear();
    }
    results
}

/// What is run, in the order of scenarios and conditions.
fn groups<'u>(prepared: &'u [PreparedScenario<'u>], sampling: Sampling) -> Vec<Group<'u>> {
    let mut groups = Vec::new();
    for unit in prepared {
        let seed = unit.conditions.seed;
        let variants = match sampling {
            Sampling::Every => grouped(unit.fault_plans()),
            Sampling::Sample(count) => sampled(grouped(unit.fault_plans()), Some(count), seed),
            Sampling::Long(count) => {
                grouped((0..count).map(|number| unit.long_fault_plan(number)).collect())
            }
            Sampling::Pairs(count) => {
                // Each first fault is run once to see what comes after it.
                let firsts = sampled(unit.injections(), count.map(|count| count / 4), seed);
                let pairs = spread(&firsts, |first| unit.pairs(*first));
                grouped(sampled(pairs.concat(), count, seed))
            }
        };
        groups.extend(variants.into_iter().map(|variants| (unit, variants)));
    }
    groups
}

/// Puts together what differs in nothing but whether the ledger is lost.
fn grouped(plans: Vec<FaultPlan>) -> Vec<Vec<FaultPlan>> {
    let mut groups: Vec<Vec<FaultPlan>> = Vec::new();
    for plan in plans {
        match groups.last_mut().filter(|group| group[0].begins_like(&plan)) {
            Some(group) => group.push(plan),
            None => groups.push(vec![plan]),
        }
    }
    groups
}

/// Takes `count` of them, spread evenly from a place that the seed chooses.
fn sampled<T: Clone>(all: Vec<T>, count: Option<usize>, seed: u64) -> Vec<T> {
    let Some(count) = count.filter(|count| *count < all.len()) else { return all };
    let length = all.len();
    let first = usize::try_from(seed % 1_000_003).unwrap_or(0);
    (0..count).map(|nth| all[(first * 7919 + nth * length / count) % length].clone()).collect()
}

/// Does `work` for every item on all processors; the results are in the items' order.
fn spread<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    done.lock().expect("no holder panics").push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no holder panics");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
