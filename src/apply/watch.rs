//! Waiting for deployments: polled concurrently in place, sent their follow-ups when idle, judged at the end.
//!
//! Decides nothing about what should be: whether a follow-up may be sent is the plan's to say, each
//! time afresh, through the `replan` it is given. Nothing is sent that the approved plan does not name
//! for the same deployment. Stops only what this apply has started.

mod followed;
mod judge;
mod limit;
mod next;
mod pause;

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::api::ApiError;
use crate::apply::watch::followed::{Followed, followed};
use crate::apply::{Effects, Settings};
use crate::diag::with_causes;
use crate::event::{DeploymentEnd, DeploymentProgress, DeploymentReport, Event, Outcome};
use crate::model::{DeploymentId, SplitMix64};
use crate::observed::Status;
use crate::plan::{Plan, Watch};
use crate::transcript::Transcript;

/// How runs are waited for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// How long a deployment may take whose declaration does not say.
    pub timeout: Duration,
    /// How long all waiting together may take.
    pub wait_timeout: Option<Duration>,
    /// The most tokens of all deployments that this apply has started.
    pub token_budget: Option<u64>,
    /// The first pause between two looks at a deployment; each next is half as long again.
    pub poll_interval: Duration,
    /// Whether every conversation is read, also where nothing is expected of it.
    pub keeps_transcripts: bool,
    /// Whether anybody hears how all deployments stand: at every look, that takes as long as there are deployments.
    pub tells_standings: bool,
    /// Where the jitter of pauses starts.
    pub seed: u64,
}

/// How long a deployment may take unless somebody says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The first pause between two looks at a deployment.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Further ahead than any waiting: what stands in the place of no limit.
const FAR_AHEAD: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Looks at a deployment that has ended and not answered before it counts as ended all the same.
///
/// Right after a follow-up the service may still show the status from before.
const UNANSWERED_LOOKS: u32 = 3;

/// What waiting has brought.
#[derive(Debug, Default)]
pub struct Waited {
    /// Every declared deployment that exists, in the order of keys.
    pub reports: Vec<DeploymentReport>,
    /// What was sent meanwhile, plan by plan.
    pub rounds: Vec<(Plan, Outcome)>,
}

/// What one look at a deployment has shown.
struct Look {
    index: usize,
    status: Result<Status, ApiError>,
    transcript: Option<Result<Transcript, String>>,
}

/// Follows every declared deployment of `plan` until none is at work, then checks what is expected of them.
///
/// 1. A deployment that is idle and has follow-ups to come gets the next one, by a plan made afresh; of that
///    plan nothing else is carried out, because nobody has approved of it. A text that the approved
///    plan does not name as the next one is blocked.
/// 2. A deployment beyond its time is stopped if this apply has started it, otherwise only reported.
/// 3. Beyond the token budget, all deployments that this apply has started are stopped.
/// 4. Beyond the time for all waiting, too, and no deployment is followed any longer.
/// 5. Once a stop is asked for, nothing more is sent or stopped: runs go on without us.
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
        start: Instant::now(),
        plan,
        effects,
        settings,
        waiting,
        jitter: SplitMix64::new(waiting.seed),
        rounds: Vec::new(),
    };
    watching.follow(replan).await;
    watching.finish().await
}

struct Watching<'p, 'e> {
    runs: Vec<Followed>,
    start: Instant,
    plan: &'p Plan,
    effects: &'p Effects<'e>,
    settings: &'p Settings,
    waiting: &'p Waiting,
    jitter: SplitMix64,
    rounds: Vec<(Plan, Outcome)>,
}

impl Watching<'_, '_> {
    async fn follow(&mut self, replan: impl AsyncFn() -> Option<Plan>) {
        let mut reads = FuturesUnordered::new();
        let effects = *self.effects;
        let wants_tokens = self.waiting.token_budget.is_some();
        let look_at = |run: &Followed, index: usize, pause: Duration| {
            look(effects, run.id.clone(), index, pause, wants_tokens && run.is_ours)
        };
        for (index, run) in self.runs.iter().enumerate() {
            reads.push(look_at(run, index, Duration::ZERO));
        }
        let total = self.waiting.wait_timeout;
        let over = self.start + total.unwrap_or(FAR_AHEAD).min(FAR_AHEAD);
        while self.runs.iter().any(|run| run.end.is_none()) {
            self.tell();
            let seen = timeout_at(over, reads.next()).await;
            if effects.stop.is_asked() {
                break;
            }
            if Instant::now() >= over {
                self.end_waiting(over - self.start).await;
                break;
            }
            let Ok(Some(seen)) = seen else { break };
            let index = seen.index;
            if self.runs[index].end.is_some() {
                continue;
            }
            self.take(seen);
            self.enforce_budget().await;
            if self.runs[index].end.is_some() {
                continue;
            }
            if self.runs[index].is_idle() && !self.runs[index].approved.is_empty() {
                self.send_next(&replan).await;
            } else if self.is_over(index) {
                self.end(index, DeploymentEnd::Ended);
                continue;
            }
            let run = &self.runs[index];
            if run.end.is_some() {
                continue;
            }
            let left = run.limit.saturating_sub(self.start.elapsed());
            if left.is_zero() {
                self.end_late(index).await;
                continue;
            }
            let run = &mut self.runs[index];
            let pause = run.pauses.next(&self.jitter).min(left);
            run.next_look = Some(Instant::now() + pause);
            reads.push(look_at(run, index, pause));
        }
        for index in 0..self.runs.len() {
            self.end(index, DeploymentEnd::NotFollowed);
        }
        self.tell();
    }

    /// Notes what a look has shown, and says what is new.
    fn take(&mut self, seen: Look) {
        let run = &mut self.runs[seen.index];
        run.waited = self.start.elapsed();
        run.next_look = None;
        if let Some(transcript) = seen.transcript {
            run.transcript = Some(transcript);
        }
        match seen.status {
            Ok(status) => {
                if run.status.as_ref() != Some(&status) {
                    let Watch { key, deployment, .. } = &run.watch;
                    let event = Event::Deploy {
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
            Err(error) if error.is_auth() => {
                run.end = Some(DeploymentEnd::Lost(with_causes(&error)));
            }
            Err(_) => {}
        }
    }

    /// Follows a deployment no longer; what was said first counts.
    fn end(&mut self, index: usize, end: DeploymentEnd) {
        let run = &mut self.runs[index];
        if run.end.is_none() {
            run.waited = self.start.elapsed();
            run.end = Some(end);
        }
    }

    /// Says how all of them stand, where anybody hears it.
    fn tell(&self) {
        if !self.waiting.tells_standings {
            return;
        }
        let (clock, now) = (self.effects.clock, Instant::now());
        let standing = |run: &Followed| run.standing(clock, now, self.start);
        let standings: Vec<DeploymentProgress> = self.runs.iter().map(standing).collect();
        (self.effects.on_event)(&Event::Standing(&standings));
    }

    /// Whether the deployment has come to its end, its last follow-up answered.
    fn is_over(&mut self, index: usize) -> bool {
        let run = &mut self.runs[index];
        match run.status {
            Some(Status::Completed) if run.is_unanswered() => {
                run.unanswered += 1;
                run.unanswered > UNANSWERED_LOOKS
            }
            Some(Status::Completed | Status::Failed | Status::Stopped) => true,
            _ => false,
        }
    }
}

/// Looks at a deployment after a pause; its conversation is read where it is over, or where it is counted.
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
    answer.into_result().map_err(|error| with_causes(&error))
}
