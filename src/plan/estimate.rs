//! What runs are likely to cost, told from past deployments of the same task.
//!
//! Shown to whoever approves of a plan, and nothing else: no step, gate or digest hangs on it. What
//! is read for it and for nothing else is bounded, and asked for only where a deployment would be started.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use crate::model::Key;
use crate::observed::{ObservedDeployment, ObservedTask, ReadRequest, ReadResult, Status};
use crate::plan::counting::counts_for;
use crate::plan::matcher::Matches;
use crate::plan::{Change, PlanInputs, Step, StepStatus};
use crate::transcript::Transcript;

/// The most past deployments an estimate goes by: their median changes little with more of them, and each
/// costs the reading of a conversation.
const RUNS: usize = 5;

/// The most tasks of a key whose deployments are listed for it: today's and the last that it took the place of.
const TASKS: usize = 3;

/// What one prompt of a task has cost in past deployments, follow-ups counted as prompts of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens, read and written.
    pub tokens: Option<Spread>,
    /// Seconds from the start to the answer; the time in which a deployment waited for a follow-up is left out.
    pub seconds: Option<Spread>,
}

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The value in the middle, the lower one of two.
    pub median: u64,
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// How many values there are.
    pub count: usize,
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let (least, most) = (*values.first()?, *values.last()?);
        let median = values[(values.len() - 1) / 2];
        Some(Self { median, least, most, count: values.len() })
    }
}

/// Returns what is still to be read before runs that `steps` start can be estimated.
pub(super) fn reads(
    inputs: &PlanInputs<'_>,
    found: &Matches<'_>,
    steps: &[Step],
) -> BTreeSet<ReadRequest> {
    let mut reads = BTreeSet::new();
    let starts = |step: &&Step| {
        step.status == StepStatus::Ready && matches!(step.change, Change::Deploy { .. })
    };
    let keys: BTreeSet<&Key> = steps.iter().filter(starts).map(|step| &step.key).collect();
    for key in keys {
        let past = Past::new(inputs, found, key);
        reads.extend(past.tasks.iter().map(|task| ReadRequest::Deployments(task.id)));
        reads.extend(past.runs().into_iter().map(|run| ReadRequest::Conversation(run.id.clone())));
    }
    reads
}

/// Returns what past deployments say about the tasks that `steps` run or follow up.
pub(super) fn estimates(
    inputs: &PlanInputs<'_>,
    found: &Matches<'_>,
    steps: &[Step],
) -> BTreeMap<Key, Estimate> {
    let costs = |step: &&Step| {
        let is_paid = matches!(step.change, Change::Deploy { .. } | Change::Prompt { .. });
        is_paid && !matches!(step.status, StepStatus::Blocked(_))
    };
    let keys: BTreeSet<&Key> = steps.iter().filter(costs).map(|step| &step.key).collect();
    let estimate = |key: &Key| {
        let estimate = Past::new(inputs, found, key).estimate();
        (estimate != Estimate::default()).then(|| (key.clone(), estimate))
    };
    keys.into_iter().filter_map(estimate).collect()
}

/// The tasks of a key that may have had deployments: today's, then those that it took the place of, the
/// newest first.
struct Past<'a> {
    inputs: &'a PlanInputs<'a>,
    tasks: Vec<&'a ObservedTask>,
}

impl<'a> Past<'a> {
    fn new(inputs: &'a PlanInputs<'a>, found: &Matches<'a>, key: &Key) -> Self {
        let evidence = inputs.evidence.keys.get(key);
        let is_proven = |task: &&&ObservedTask| {
            let content = task.content().zip(evidence);
            content.is_some_and(|(content, known)| known.proves(task.id, content))
        };
        let superseded = found.superseded.get(key).into_iter().flatten();
        let archived = found.archived.iter().filter(is_proven);
        let mut earlier: Vec<&ObservedTask> = superseded.chain(archived).copied().collect();
        earlier.sort_by_key(|task| std::cmp::Reverse(task.id));
        let today = found.by_key.get(key).map(|matched| matched.task);
        let all = today.into_iter().chain(earlier);
        let tasks = all.filter(|task| task.deployment_count != Some(0)).take(TASKS).collect();
        let mut past = Self { inputs, tasks };
        if past.runs_of(past.tasks.first().copied()).len() >= RUNS {
            past.tasks.truncate(1);
        }
        past
    }

    /// Deployments that came to their end by themselves, of the first tasks first, the newest first.
    fn runs(&self) -> Vec<&'a ObservedDeployment> {
        let runs = self.tasks.iter().flat_map(|task| self.runs_of(Some(task)));
        runs.take(RUNS).collect()
    }

    fn runs_of(&self, task: Option<&'a ObservedTask>) -> Vec<&'a ObservedDeployment> {
        let Some(task) = task else { return Vec::new() };
        let observed = self.inputs.state.deployments.get(&task.id);
        let all = observed.into_iter().flat_map(|observed| &observed.items);
        let is_whole =
            |run: &&ObservedDeployment| run.status == Status::Completed && counts_for(run, task);
        let mut runs: Vec<&ObservedDeployment> = all.filter(is_whole).collect();
        runs.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        runs
    }

    fn estimate(&self) -> Estimate {
        let (mut tokens, mut seconds) = (Vec::new(), Vec::new());
        for run in self.runs() {
            let reading = self.inputs.state.conversations.get(&run.id);
            let Some(ReadResult::Seen(transcript)) = reading else { continue };
            let prompts = transcript.user_turns().map_or(0, |turns| turns.len() as u64);
            if prompts > 0 {
                tokens.extend(transcript.tokens().map(|tokens| tokens / prompts));
                seconds.extend(seconds_at_work(run, transcript).map(|seconds| seconds / prompts));
            }
        }
        Estimate { tokens: Spread::of(tokens), seconds: Spread::of(seconds) }
    }
}

/// How long a deployment took without the time in which nobody had asked it for anything.
fn seconds_at_work(run: &ObservedDeployment, transcript: &Transcript) -> Option<u64> {
    let mut work = run.ended?.duration_since(run.created?);
    for pair in transcript.messages.windows(2) {
        if pair[1].is_of("user") {
            let asked = instant(pair[1].time.as_deref()?)?;
            let idle = asked.duration_since(instant(pair[0].time.as_deref()?)?);
            work -= idle.max(SignedDuration::ZERO);
        }
    }
    u64::try_from(work.as_secs()).ok()
}

/// Reads a time as the service writes it; only differences count, so its zone does not matter.
fn instant(text: &str) -> Option<Timestamp> {
    let civil = || text.parse::<DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    text.parse().ok().or_else(|| civil().map(|zoned| zoned.timestamp()))
}
