//! Waiting for runs: polled concurrently in place, sent their follow-ups when idle, judged at the end.
//!
//! Decides nothing about what should be: which follow-up is next is the plan's to say, each time
//! afresh, through the `replan` it is given. Stops only what this apply has started.

mod judge;

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::api::Trouble;
use crate::apply::{Effects, Settings, apply};
use crate::diag::with_causes;
use crate::event::{Event, Outcome, RunEnd, RunReport, StepOutcome};
use crate::model::DeploymentId;
use crate::plan::{Change, Gate, Plan, Step, StepId, Watch, WatchedRun};
use crate::snapshot::Status;
use crate::transcript::Transcript;

/// How runs are waited for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// How long a run may take whose declaration does not say.
    pub timeout: Duration,
    /// The most tokens of all runs that this apply has started.
    pub token_budget: Option<u64>,
    /// The first pause between two looks at a run; each next is half as long again.
    pub poll_interval: Duration,
    /// Whether every conversation is read, also where nothing is expected of it.
    pub keeps_transcripts: bool,
    /// Where the jitter of pauses starts.
    pub seed: u64,
}

/// How long a run may take unless somebody says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The first pause between two looks at a run.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The longest such pause: what a person accepts to wait for news.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Looks at a run that has ended and not answered before it counts as ended all the same.
///
/// Right after a follow-up the service may still show the status from before.
const UNANSWERED_LOOKS: u32 = 3;

/// What waiting has brought.
#[derive(Debug, Default)]
pub struct Waited {
    /// Every declared run that exists, in the order of keys.
    pub reports: Vec<RunReport>,
    /// What was sent meanwhile, plan by plan.
    pub rounds: Vec<(Plan, Outcome)>,
}

/// One run that is followed.
struct Followed {
    watch: Watch,
    id: DeploymentId,
    is_ours: bool,
    limit: Duration,
    pause: Duration,
    missing: usize,
    unanswered: u32,
    status: Option<Status>,
    transcript: Option<Result<Transcript, String>>,
    end: Option<RunEnd>,
    waited: Duration,
}

/// What one look at a run has shown.
struct Look {
    index: usize,
    status: Result<Status, Trouble>,
    transcript: Option<Result<Transcript, String>>,
}

/// Follows every declared run of `plan` until none is at work, then checks what is expected of them.
///
/// 1. A run that is idle and has follow-ups to come gets the next one, by a plan made afresh; of that
///    plan nothing else is carried out, because nobody has approved of it.
/// 2. A run beyond its time is stopped if this apply has started it, otherwise only reported.
/// 3. Beyond the token budget, all runs that this apply has started are stopped.
/// 4. Once a stop is asked for, nothing more is sent or stopped: runs go on without us.
pub async fn watch(
    plan: &Plan,
    outcome: &Outcome,
    effects: &Effects<'_>,
    settings: &Settings,
    waiting: &Waiting,
    replan: impl AsyncFn() -> Option<Plan>,
) -> Waited {
    let mut watching = Watching {
        runs: followed(plan, outcome, waiting),
        plan,
        effects,
        settings,
        waiting,
        jitter: waiting.seed,
        rounds: Vec::new(),
    };
    watching.follow(replan).await;
    watching.finish().await
}

struct Watching<'p, 'e> {
    runs: Vec<Followed>,
    plan: &'p Plan,
    effects: &'p Effects<'e>,
    settings: &'p Settings,
    waiting: &'p Waiting,
    jitter: u64,
    rounds: Vec<(Plan, Outcome)>,
}

/// The declared runs that exist by now.
fn followed(plan: &Plan, outcome: &Outcome, waiting: &Waiting) -> Vec<Followed> {
    let done = |id: &StepId| match outcome.steps.get(id) {
        Some(StepOutcome::Done(done)) => Some(done),
        _ => None,
    };
    let follow = |watch: &Watch| {
        let (id, is_ours) = match &watch.run {
            WatchedRun::Seen(id) => (id.clone(), false),
            WatchedRun::StartedBy(step) => (done(step)?.deployment.clone()?, true),
        };
        let is_sent = |step: &&Step| {
            matches!(&step.change, Change::FollowUp { run, .. } if *run == id)
                && done(&step.id).is_some()
        };
        let sent = plan.steps.iter().filter(is_sent).count();
        Some(Followed {
            watch: watch.clone(),
            id,
            is_ours,
            limit: watch.timeout.unwrap_or(waiting.timeout),
            pause: waiting.poll_interval,
            missing: watch.missing.saturating_sub(sent),
            unanswered: 0,
            status: None,
            transcript: None,
            end: None,
            waited: Duration::ZERO,
        })
    };
    plan.watches.iter().filter_map(follow).collect()
}

impl Watching<'_, '_> {
    async fn follow(&mut self, replan: impl AsyncFn() -> Option<Plan>) {
        let start = Instant::now();
        let mut looks = FuturesUnordered::new();
        let effects = *self.effects;
        let wants_tokens = self.waiting.token_budget.is_some();
        let look_at = |run: &Followed, index: usize, pause: Duration| {
            look(effects, run.id.clone(), index, pause, wants_tokens && run.is_ours)
        };
        if self.has_siblings()
            && let Some(plan) = replan().await
        {
            self.bind(&plan);
        }
        for (index, run) in self.runs.iter().enumerate() {
            looks.push(look_at(run, index, Duration::ZERO));
        }
        while let Some(seen) = looks.next().await {
            let index = seen.index;
            self.runs[index].waited = start.elapsed();
            if self.runs[index].end.is_some() {
                continue;
            }
            if effects.stop.is_asked() {
                self.runs[index].end = Some(RunEnd::NotFollowed);
                continue;
            }
            self.take(seen);
            self.enforce_budget().await;
            if self.runs[index].end.is_some() {
                continue;
            }
            if self.is_idle(index) && self.runs[index].missing > 0 {
                for revived in self.send_next(&replan).await {
                    looks.push(look_at(&self.runs[revived], revived, Duration::ZERO));
                }
            } else if self.is_over(index) {
                self.runs[index].end = Some(RunEnd::Ended);
                continue;
            }
            let run = &self.runs[index];
            if run.end.is_some() {
                continue;
            }
            let left = run.limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                self.end_late(index).await;
                continue;
            }
            let pause = self.next_pause(index).min(left);
            looks.push(look_at(&self.runs[index], index, pause));
        }
    }

    /// Notes what a look has shown, and says what is new.
    fn take(&mut self, seen: Look) {
        let run = &mut self.runs[seen.index];
        if let Some(transcript) = seen.transcript {
            run.transcript = Some(transcript);
        }
        match seen.status {
            Ok(status) => {
                if run.status.as_ref() != Some(&status) {
                    let Watch { key, deployment, .. } = &run.watch;
                    let event = Event::Run {
                        key,
                        deployment,
                        id: &run.id,
                        status: &status,
                        waited: run.waited,
                    };
                    (self.effects.on_event)(&event);
                    run.status = Some(status);
                }
            }
            // No later look will fare better.
            Err(trouble) if trouble.is_auth() => {
                run.end = Some(RunEnd::Lost(with_causes(&trouble)));
            }
            Err(_) => {}
        }
    }

    fn is_idle(&self, index: usize) -> bool {
        let run = &self.runs[index];
        run.status == Some(Status::Completed) && !is_unanswered(run)
    }

    /// Whether the run has come to its end, its last follow-up answered.
    fn is_over(&mut self, index: usize) -> bool {
        let run = &mut self.runs[index];
        match run.status {
            Some(Status::Completed) if is_unanswered(run) => {
                run.unanswered += 1;
                run.unanswered > UNANSWERED_LOOKS
            }
            Some(Status::Completed | Status::Failed | Status::Stopped) => true,
            _ => false,
        }
    }

    /// Whether one task has several runs of which this apply has started one: which of them serves
    /// which declaration is then for a plan to say, which goes by the runs and not by who asked.
    fn has_siblings(&self) -> bool {
        let has_sibling = |run: &Followed| {
            run.is_ours
                && self
                    .runs
                    .iter()
                    .any(|other| other.id != run.id && other.watch.key == run.watch.key)
        };
        self.runs.iter().any(has_sibling)
    }

    /// Takes over which declaration each run serves, and what is still to be sent to it; returns the
    /// runs that had come to an end and have something to come after all.
    fn bind(&mut self, plan: &Plan) -> Vec<usize> {
        let mut revived = Vec::new();
        for (index, run) in self.runs.iter_mut().enumerate() {
            let serves =
                |watch: &&Watch| matches!(&watch.run, WatchedRun::Seen(id) if *id == run.id);
            let Some(watch) = plan.watches.iter().find(serves) else { continue };
            run.missing = watch.missing;
            run.limit = watch.timeout.unwrap_or(self.waiting.timeout);
            run.watch = watch.clone();
            if run.missing > 0
                && run.end == Some(RunEnd::Ended)
                && run.status == Some(Status::Completed)
            {
                run.end = None;
                revived.push(index);
            }
        }
        revived
    }

    /// Sends the next follow-up to every followed run that is idle, by a plan made afresh.
    async fn send_next(&mut self, replan: &impl AsyncFn() -> Option<Plan>) -> Vec<usize> {
        let Some(plan) = replan().await else { return Vec::new() };
        let revived = self.bind(&plan);
        let is_followed = |step: &Step| {
            self.runs.iter().any(|run| {
                let is_of = |id: &DeploymentId| *id == run.id;
                step.key == run.watch.key
                    && run.end.is_none()
                    && match &step.change {
                        Change::FollowUp { run, .. } | Change::Diverged { run, .. } => is_of(run),
                        _ => false,
                    }
            })
        };
        let plan = plan.only(is_followed);
        let outcome = apply(&plan, self.effects, self.settings).await;
        for step in &plan.steps {
            let (Change::FollowUp { run: id, .. } | Change::Diverged { run: id, .. }) =
                &step.change
            else {
                continue;
            };
            let Some(run) = self.runs.iter_mut().find(|run| run.id == *id) else { continue };
            match (&step.gate, outcome.steps.get(&step.id)) {
                (Gate::Blocked(_), _) | (_, Some(StepOutcome::Unclear(_))) => {
                    run.end = Some(RunEnd::Blocked);
                }
                (_, Some(StepOutcome::Done(_))) => {
                    run.missing = run.missing.saturating_sub(1);
                    run.unanswered = 0;
                    run.pause = self.waiting.poll_interval;
                    // What was read before the follow-up says nothing about its end.
                    run.status = None;
                }
                _ => {}
            }
        }
        self.rounds.push((plan, outcome));
        revived
    }

    /// Stops everything this apply has started once the sum of its tokens is reached.
    async fn enforce_budget(&mut self) {
        let Some(budget) = self.waiting.token_budget else { return };
        let tokens = |run: &Followed| match &run.transcript {
            Some(Ok(transcript)) => transcript.tokens().unwrap_or_default(),
            _ => 0,
        };
        let sum: u64 = self.runs.iter().filter(|run| run.is_ours).map(tokens).sum();
        if sum < budget {
            return;
        }
        let at_work: Vec<usize> = (0..self.runs.len())
            .filter(|index| {
                let run = &self.runs[*index];
                let is_over = run.status.as_ref().is_some_and(Status::is_terminal);
                run.is_ours && run.end.is_none() && !(is_over && run.missing == 0)
            })
            .collect();
        self.stop(&at_work).await;
        for index in at_work {
            self.runs[index].end = Some(RunEnd::OverBudget { sum, budget });
        }
    }

    /// A run beyond its time.
    async fn end_late(&mut self, index: usize) {
        if self.runs[index].is_ours {
            self.stop(&[index]).await;
        }
        let limit = self.runs[index].limit;
        self.runs[index].end = Some(RunEnd::TimedOut { limit });
    }

    /// Stops runs by steps like any other, so that lost answers are settled.
    async fn stop(&mut self, indexes: &[usize]) {
        if indexes.is_empty() {
            return;
        }
        let step = |(number, index): (usize, &usize)| {
            let run = &self.runs[*index];
            Step {
                id: StepId(number),
                key: run.watch.key.clone(),
                deployment: Some(run.watch.deployment.clone()),
                change: Change::Stop { run: run.id.clone() },
                reason: "its limit is reached".to_owned(),
                after: std::collections::BTreeSet::new(),
                gate: Gate::Open,
            }
        };
        let steps = indexes.iter().enumerate().map(step).collect();
        let plan = Plan { steps, notes: Vec::new(), watches: Vec::new(), ..self.plan.clone() };
        let outcome = apply(&plan, self.effects, self.settings).await;
        self.rounds.push((plan, outcome));
    }

    /// Half as long again each time, shortened by up to a quarter.
    fn next_pause(&mut self, index: usize) -> Duration {
        let run = &mut self.runs[index];
        let pause = run.pause;
        run.pause = (pause + pause / 2).min(LONGEST_PAUSE.max(self.waiting.poll_interval));
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // The mixing of SplitMix64, of which eight bits are enough.
        let mixed = (self.jitter ^ (self.jitter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let part = u32::try_from((mixed >> 32) % 256).unwrap_or(0);
        pause.saturating_sub(pause / 1024 * part)
    }
}

fn is_unanswered(run: &Followed) -> bool {
    matches!(&run.transcript, Some(Ok(transcript)) if transcript.is_unanswered())
}

/// Looks at a run after a pause; its conversation is read where it is over, or where it is counted.
async fn look(
    effects: Effects<'_>,
    id: DeploymentId,
    index: usize,
    pause: Duration,
    wants_tokens: bool,
) -> Look {
    effects.stop.sleep(pause).await;
    let status = effects.client.read_deployment(&id).await.into_result().map(|seen| seen.status);
    let is_over = status.as_ref().is_ok_and(Status::is_terminal);
    let transcript = if is_over || wants_tokens { Some(read(&effects, &id).await) } else { None };
    Look { index, status, transcript }
}

async fn read(effects: &Effects<'_>, id: &DeploymentId) -> Result<Transcript, String> {
    let answer = effects.client.read_conversation(id).await;
    answer.into_result().map_err(|trouble| with_causes(&trouble))
}
