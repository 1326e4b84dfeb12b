//! What a sweep has counted, and what it found.

use std::collections::BTreeMap;

use crate::rehearse::check::Verdict;
use crate::rehearse::cut::{Course, Cut, Strike};
use crate::rehearse::fate::Fates;
use crate::rehearse::machine::Call;
use crate::rehearse::story::Prepared;

/// How the apply that was cut ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Everything was done.
    Settled,
    /// Something was refused or not done, and nothing is unknown.
    Partial,
    /// Something is unknown, and the report says so.
    Unknown,
    /// The service or the machine could not be read, and nothing was begun.
    Refused,
    /// The process ended.
    Ended,
}

/// One run, told and judged.
pub(super) struct Told<'a> {
    pub(super) unit: &'a Prepared<'a>,
    pub(super) course: Course,
    pub(super) kind: Kind,
    pub(super) fates: Fates,
    pub(super) verdict: Verdict,
    /// How many requests there were.
    pub(super) requests: usize,
    /// Every request, a line each; only where a law does not hold.
    pub(super) log: Vec<String>,
    /// What each apply did, the one without faults at the end.
    pub(super) tracks: Vec<Track>,
}

/// The places where something can go wrong in one apply.
pub(super) struct Track {
    pub(super) paths: Vec<String>,
    /// How often a file was read or written.
    pub(super) accesses: usize,
}

impl Track {
    /// Everything that can go wrong in it.
    pub(super) fn strikes(&self) -> Vec<Strike> {
        let requests = self.paths.iter().enumerate().flat_map(|(at, path)| {
            let cuts = Cut::of_requests().filter(|cut| cut.strikes(path));
            cuts.map(move |cut| Strike { cut, at })
        });
        let files = (0..self.accesses).flat_map(|at| Cut::OF_FILES.map(|cut| Strike { cut, at }));
        requests.chain(files).collect()
    }
}

/// A law that did not hold, with everything that replays it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The story.
    pub story: String,
    /// The seed.
    pub seed: u64,
    /// The quirks that were set.
    pub quirks: Vec<String>,
    /// What was cut, and where.
    pub cut: String,
    /// What is wrong.
    pub wrong: Vec<String>,
    /// Every request, a line each.
    pub log: Vec<String>,
}

/// A create whose answer was lost, and of which it is not known what it made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsettled {
    /// The quirks that were set.
    pub quirks: Vec<String>,
    /// The story.
    pub story: String,
    /// What was cut, and where.
    pub course: String,
    /// What the finding says, without its numbers.
    pub finding: String,
}

/// What a sweep has counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often a story was told with a cut.
    pub runs: usize,
    /// How many requests that were.
    pub requests: usize,
    /// How the cut apply ended, by the name of the cut.
    pub ends: BTreeMap<String, BTreeMap<Kind, usize>>,
    /// Creates whose answer was lost while the process went on.
    pub unclear_creates: usize,
    /// Those of them that were settled without a person.
    pub settled_creates: usize,
    /// Creates whose answer was lost at a service whose settings hide what they made: why, how many,
    /// and how many of them were settled all the same. They are not among those above.
    pub hidden_creates: BTreeMap<&'static str, (usize, usize)>,
    /// The others, each of which ended as unclear.
    pub unsettled: BTreeMap<Unsettled, usize>,
    /// Stories that do not come to rest under some quirks, with what blocks them.
    pub restless: BTreeMap<String, String>,
    /// The most creates that stayed for any key that needed one.
    pub most_creates: usize,
    /// The most runs that were paid for any declared run.
    pub most_runs: usize,
    /// How often a second task was made where one was enough.
    pub duplicate_tasks: usize,
    /// How often a second run was paid where one was enough.
    pub duplicate_runs: usize,
    /// How often a follow-up was sent a second time.
    pub duplicate_follow_ups: usize,
    /// How often something that is not provably ours was changed.
    pub unproven_touched: usize,
    /// Every law that did not hold.
    pub violations: Vec<Violation>,
}

impl Tally {
    pub(super) fn add_unit(&mut self, unit: &Prepared<'_>) {
        if !unit.comes_to_rest {
            let name = unit.setting.quirks.join(" ");
            let codes: Vec<String> = unit.blocks.iter().map(ToString::to_string).collect();
            self.restless.entry(name).or_insert_with(|| codes.join(", "));
        }
        if !unit.wrong.is_empty() {
            self.violations.push(Violation {
                story: unit.story.name.clone(),
                seed: unit.setting.seed,
                quirks: unit.setting.quirks.clone(),
                cut: "none".to_owned(),
                wrong: unit.wrong.clone(),
                log: Vec::new(),
            });
        }
    }

    pub(super) fn add(&mut self, told: Told<'_>) {
        let Told { unit, course, kind, fates, verdict, requests, log, tracks: _ } = told;
        let Verdict { wrong, most_creates, most_runs } = verdict;
        self.most_creates = self.most_creates.max(most_creates);
        self.most_runs = self.most_runs.max(most_runs);
        let says = |words: &str| usize::from(wrong.iter().any(|law| law.starts_with(words)));
        self.duplicate_tasks += says("duplicate task");
        self.duplicate_runs += says("duplicate run");
        self.duplicate_follow_ups += says("duplicate follow-up");
        self.unproven_touched += says("unproven touched");
        self.runs += 1;
        self.requests += requests;
        for cut in course.cuts() {
            *self.ends.entry(cut.to_string()).or_default().entry(kind).or_default() += 1;
        }
        self.add_creates(unit, &course, fates);
        if wrong.is_empty() {
            return;
        }
        self.violations.push(Violation {
            story: unit.story.name.clone(),
            seed: unit.setting.seed,
            quirks: unit.setting.quirks.clone(),
            cut: course.to_string(),
            wrong,
            log,
        });
    }

    fn add_creates(&mut self, unit: &Prepared<'_>, course: &Course, fates: Fates) {
        let all = fates.settled + fates.unknown.values().sum::<usize>();
        if let Some(why) = unit.hidden_by {
            let hidden = self.hidden_creates.entry(why).or_default();
            *hidden = (hidden.0 + all, hidden.1 + fates.settled);
            return;
        }
        self.unclear_creates += all;
        self.settled_creates += fates.settled;
        for (finding, count) in fates.unknown {
            let (story, quirks) = (unit.story.name.clone(), unit.setting.quirks.clone());
            let unsettled = Unsettled { quirks, story, course: course.to_string(), finding };
            *self.unsettled.entry(unsettled).or_default() += count;
        }
    }

    /// The violation with the shortest log, which is the easiest to understand.
    pub fn shortest(&self) -> Option<&Violation> {
        self.violations.iter().min_by_key(|violation| violation.log.len())
    }
}

/// Every request, a line each.
pub(super) fn log(calls: &[Call]) -> Vec<String> {
    let line = |call: &Call| {
        let body = String::from_utf8_lossy(&call.body);
        let cut = call.cut.map(|cut| format!("  << {cut}")).unwrap_or_default();
        let end = if call.is_done { "" } else { "  (not done)" };
        format!(
            "process {} {:.19} {} {body}{end}{cut}",
            call.process,
            call.at.to_string(),
            call.path
        )
    };
    calls.iter().map(line).collect()
}
