//! The cut sweep: every request of a story goes wrong in every way, and then everything is made good.
//!
//! A [`Story`] is a world and the manifests that are applied to it one after the other. The requests
//! of its last apply are counted; then, for each of them and each [`Cut`], the story is told again
//! with that cut, followed by one apply without faults. [`check`] judges what came of it from the
//! world and from the requests alone; it shares no code with what it judges but the words.
//!
//! Everything happens in process, on tokio's paused clock and from seeds: the same seed tells the same
//! story. The caller prints.

mod check;
mod cut;
mod fate;
mod machine;
mod stage;
mod story;
mod tally;

pub use cut::Cut;
pub use story::{Act, Setting, Story};
pub use tally::{Kind, Tally, Unsettled, Violation};

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::evidence::{Evidence, Version};
use crate::manifest::DesiredState;
use crate::rehearse::cut::Course;
use crate::rehearse::story::Prepared;
use crate::rehearse::tally::Told;

/// How many of the cuts are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every cut at every place, once with and once without the ledger afterwards.
    Every,
    /// As many for each story and setting, spread by the seed.
    Sample(usize),
    /// Every second cut after each first one; where a number is given, as many for each story and
    /// setting.
    Pairs(Option<usize>),
    /// As many times several applies in a row, on one or two machines, with up to three cuts in each.
    Long(u64),
}

/// Tells every story under every setting with as many cuts as `depth` says, on `threads` threads.
///
/// The order of what is reported does not depend on the number of threads.
pub fn sweep(stories: &[Story], settings: &[Setting], depth: Depth, threads: usize) -> Tally {
    let units: Vec<(&Story, &Setting)> = stories
        .iter()
        .flat_map(|story| settings.iter().map(move |setting| (story, setting)))
        .collect();
    let prepared = spread(&units, threads, |(story, setting)| Prepared::new(story, setting));
    let cases = cases(&prepared, depth, threads);
    let mut tally = Tally::default();
    for unit in &prepared {
        tally.add_unit(unit);
    }
    // A part at a time, so that millions of runs need no more memory than thousands.
    for part in cases.chunks(PART) {
        for told in spread(part, threads, told) {
            tally.add(told);
        }
    }
    tally
}

/// How many runs are told before they are counted.
const PART: usize = 20_000;

/// Tells one case, and keeps what is counted.
fn told<'u>((unit, course): &(&'u Prepared<'u>, Course)) -> Told<'u> {
    let mut told = unit.tell(course.clone());
    told.tracks.clear();
    told
}

/// What is told, in the order of stories and settings.
fn cases<'u>(
    prepared: &'u [Prepared<'u>],
    depth: Depth,
    threads: usize,
) -> Vec<(&'u Prepared<'u>, Course)> {
    let some = |courses: Vec<Course>, count: Option<usize>, seed: u64| match count {
        Some(count) => sampled(courses, count, seed),
        None => courses,
    };
    let courses_of = |unit: &&'u Prepared<'u>| {
        let seed = unit.setting.seed;
        match depth {
            Depth::Every => unit.courses(),
            Depth::Sample(count) => sampled(unit.courses(), count, seed),
            Depth::Long(count) => (0..count).map(|number| unit.long_course(number)).collect(),
            Depth::Pairs(count) => {
                // Each first cut is told once to see what comes after it.
                let firsts = unit.strikes();
                let firsts = count.map_or(firsts.clone(), |count| sampled(firsts, count, seed));
                let pairs = spread(&firsts, threads, |first| unit.pairs(*first));
                some(pairs.concat(), count, seed)
            }
        }
    };
    let cases = prepared.iter().map(|unit| (unit, courses_of(&unit)));
    cases
        .flat_map(|(unit, courses)| courses.into_iter().map(move |course| (unit, course)))
        .collect()
}

/// What Git knows after these manifests were committed one after the other.
pub fn history_of(desired_states: &[DesiredState]) -> Evidence {
    let mut evidence = Evidence::default();
    for (age, desired_state) in desired_states.iter().rev().enumerate() {
        for (key, task) in &desired_state.tasks {
            let is_new = !evidence.keys.contains_key(key);
            let known = evidence.keys.entry(key.clone()).or_default();
            let version = Version::of(&task.object);
            if !known.versions.contains(&version) {
                known.versions.push(version);
            }
            known.is_established |= age > 0;
            if is_new {
                known.protect = task.protect;
            }
        }
    }
    evidence
}

/// Takes `count` of them, spread evenly from a place that the seed chooses.
fn sampled<T: Clone>(all: Vec<T>, count: usize, seed: u64) -> Vec<T> {
    if all.len() <= count {
        return all;
    }
    let length = all.len();
    let first = usize::try_from(seed % 1_000_003).unwrap_or(0);
    (0..count).map(|nth| all[(first * 7919 + nth * length / count) % length].clone()).collect()
}

/// Does `work` for every item on as many threads; the results are in the items' order.
fn spread<I: Sync, T: Send>(items: &[I], threads: usize, work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
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
