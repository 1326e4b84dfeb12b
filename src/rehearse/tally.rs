//! What a sweep has counted, and what it found.

use std::collections::BTreeMap;

use crate::rehearse::check::Verdict;
use crate::rehearse::cut::Strike;
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
    Unclear,
    /// The service or the machine could not be read, and nothing was begun.
    Refused,
    /// The process ended.
    Ended,
}

/// One run, told and judged.
pub(super) struct Told<'a> {
    pub(super) unit: &'a Prepared<'a>,
    pub(super) strike: Strike,
    pub(super) kind: Kind,
    pub(super) is_unclear_create: bool,
    pub(super) verdict: Verdict,
    pub(super) calls: Vec<Call>,
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
        let Told { unit, strike, kind, is_unclear_create, verdict, calls } = told;
        let Verdict { wrong, most_creates, most_runs } = verdict;
        self.most_creates = self.most_creates.max(most_creates);
        self.most_runs = self.most_runs.max(most_runs);
        let says = |words: &str| usize::from(wrong.iter().any(|law| law.starts_with(words)));
        self.duplicate_tasks += says("duplicate task");
        self.duplicate_runs += says("duplicate run");
        self.duplicate_follow_ups += says("duplicate follow-up");
        self.unproven_touched += says("unproven touched");
        self.runs += 1;
        self.requests += calls.len();
        *self.ends.entry(strike.cut.to_string()).or_default().entry(kind).or_default() += 1;
        if is_unclear_create && kind != Kind::Ended {
            self.unclear_creates += 1;
            self.settled_creates += usize::from(kind != Kind::Unclear);
        }
        if wrong.is_empty() {
            return;
        }
        let cut = format!(
            "{} at {}{}",
            strike.cut,
            strike.at,
            if strike.loses_ledger { ", ledger lost" } else { "" }
        );
        self.violations.push(Violation {
            story: unit.story.name.clone(),
            seed: unit.setting.seed,
            quirks: unit.setting.quirks.clone(),
            cut,
            wrong,
            log: log(&calls),
        });
    }

    /// The violation with the shortest log, which is the easiest to understand.
    pub fn shortest(&self) -> Option<&Violation> {
        self.violations.iter().min_by_key(|violation| violation.log.len())
    }
}

/// Every request, a line each.
fn log(calls: &[Call]) -> Vec<String> {
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
