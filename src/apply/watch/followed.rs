//! The deployments that are followed, and how each stands.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Waiting;
use super::pause::Pauses;
use crate::clock::Clock;
use crate::event::{DeploymentEnd, DeploymentProgress, Outcome, StepOutcome};
use crate::model::DeploymentId;
use crate::observed::Status;
use crate::plan::{Change, Plan, Step, StepId, Watch, WatchedDeployment};
use crate::transcript::Transcript;

/// One run that is followed.
pub(super) struct Followed {
    pub(super) watch: Watch,
    pub(super) id: DeploymentId,
    pub(super) is_ours: bool,
    pub(super) limit: Duration,
    pub(super) pauses: Pauses,
    pub(super) next_look: Option<Instant>,
    /// The follow-ups still to be sent to it, in order: those of the approved plan, and no others.
    pub(super) approved: Vec<Arc<str>>,
    pub(super) unanswered: u32,
    pub(super) status: Option<Status>,
    pub(super) transcript: Option<Result<Transcript, String>>,
    pub(super) end: Option<DeploymentEnd>,
    pub(super) waited: Duration,
}

/// The declared deployments that exist by now.
pub(super) fn followed(plan: &Plan, outcome: &Outcome, waiting: &Waiting) -> Vec<Followed> {
    let done = |id: &StepId| match outcome.steps.get(id) {
        Some(StepOutcome::Done(done)) => Some(done),
        _ => None,
    };
    let follow = |watch: &Watch| {
        let (id, is_ours) = match &watch.run {
            WatchedDeployment::Seen(id) => (id.clone(), false),
            WatchedDeployment::StartedBy(step) => (done(step)?.deployment.clone()?, true),
        };
        let is_sent = |step: &&Step| {
            matches!(&step.change, Change::Prompt { run, .. } if *run == id)
                && done(&step.id).is_some()
        };
        let sent = plan.steps.iter().filter(is_sent).count();
        let approved = plan.follow_ups(&watch.run).split_off(sent);
        Some(Followed {
            watch: watch.clone(),
            id,
            is_ours,
            limit: watch.timeout.unwrap_or(waiting.timeout),
            pauses: Pauses::new(waiting.poll_interval),
            next_look: None,
            approved,
            unanswered: 0,
            status: None,
            transcript: None,
            end: None,
            waited: Duration::ZERO,
        })
    };
    plan.watches.iter().filter_map(follow).collect()
}

impl Followed {
    /// Whether a prompt was sent that nobody has answered yet.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(&self.transcript, Some(Ok(transcript)) if transcript.is_unanswered())
    }

    /// Whether it has answered everything and waits for a prompt.
    pub(super) fn is_idle(&self) -> bool {
        self.status == Some(Status::Completed) && !self.is_unanswered()
    }

    /// Whether it is still followed and not known to have done all that is asked of it.
    pub(super) fn is_open(&self) -> bool {
        let is_over = self.status.as_ref().is_some_and(Status::is_terminal);
        self.end.is_none() && !(is_over && self.approved.is_empty())
    }

    /// How many tokens it is known to have used.
    pub(super) fn tokens(&self) -> Option<u64> {
        self.transcript.as_ref()?.as_ref().ok()?.tokens()
    }

    /// How it stands `now`, for whoever looks on.
    pub(super) fn standing(
        &self,
        clock: Clock,
        now: Instant,
        start: Instant,
    ) -> DeploymentProgress {
        let seen = |created| -> Duration {
            clock.now().duration_since(created).try_into().unwrap_or_default()
        };
        let is_followed = self.end.is_none();
        // What has ended grows no older.
        let until = if is_followed { now - start } else { self.waited };
        let since_end = (now - start).saturating_sub(until);
        DeploymentProgress {
            key: self.watch.key.clone(),
            deployment: self.watch.deployment.clone(),
            status: self.status.clone(),
            // What this apply has started is as old as the waiting, in whatever zone its stamp is.
            age: if self.is_ours {
                Some(until)
            } else {
                self.watch.created.map(|created| seen(created).saturating_sub(since_end))
            },
            tokens: self.tokens(),
            missing: self.approved.len(),
            is_followed,
            next_look: self
                .next_look
                .filter(|_| is_followed)
                .map(|at| at.saturating_duration_since(now)),
        }
    }
}
