//! Settling: an answer was lost, so the service is looked at until it shows what happened.
//!
//! There is no idempotency key (contract 6.2). What an unknown create has made is an id that was not
//! on the list before it was sent; what it has not made is absent from every later look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::CallOutcome;
use crate::apply::finding::unsettled;
use crate::apply::{Settings, Stop, Work};
use crate::clock::Clock;
use crate::diag::{Code, Diagnostic};
use crate::event::{Event, HaltReason, Outcome, StepOutcome};
use crate::ledger::Ledger;
use crate::model::{AgentId, ContentHash, DeploymentId, TaskId};
use crate::observed::{Completeness, Listing, ObservedTask};
use crate::plan::Step;
use crate::store::StoreError;

/// The waits before each look: 59 seconds in all.
///
/// Longer than any client's request time limit below (contract 6.2), because a request that is still
/// on its way when we stop looking would take effect unseen.
pub const DEFAULT_SETTLE_DELAYS: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// What looking has shown.
pub(super) enum Settled<T> {
    /// It took effect: this is what it made.
    Bound(T),
    /// It is absent from every look, and every look was complete.
    Absent,
    /// It cannot be told; in a few words, why.
    Unknown(String),
}

/// What one complete look for something new has shown.
pub(super) struct FreshLook<T> {
    /// Whether it leaves out what is known to be there.
    pub(super) is_short: bool,
    /// What is new and not explained by another create, each with whether it is just what was sent.
    pub(super) fresh: Vec<(bool, T)>,
}

impl Work<'_, '_> {
    /// Looks for the task that an unknown create may have made.
    ///
    /// 1. A new id with equal content, and no other: that is it.
    /// 2. Two such ids, or a new id that no create of this apply explains: unknown.
    /// 3. None in every complete look: absent.
    ///
    /// The last look is taken twice: one list that lies does not prove an absence. A list may show a
    /// prompt in part or not at all, so a new id whose content no create of this apply explains is read
    /// before it is judged.
    pub(super) async fn settle_create(
        &self,
        step: &Step,
        content: ContentHash,
    ) -> Settled<ObservedTask> {
        self.settle_new(
            step,
            "tasks",
            |task: &ObservedTask| task.id.0,
            async || {
                let listing = self.look(self.effects.client.list_tasks().await)?;
                let listed: BTreeSet<TaskId> = listing.items.iter().map(|task| task.id).collect();
                let is_short = !self.created.borrow().contents.keys().all(|id| listed.contains(id));
                let fresh = self.unexplained(listing.items, content).await?.into_iter();
                let fresh = fresh.map(|task| (task.content() == Some(content), task)).collect();
                Some(FreshLook { is_short, fresh })
            },
        )
        .await
    }

    /// Looks again and again for what an unknown create may have made.
    pub(super) async fn settle_new<T>(
        &self,
        step: &Step,
        many: &str,
        id: impl Fn(&T) -> u64,
        look: impl AsyncFn() -> Option<FreshLook<T>>,
    ) -> Settled<T> {
        let (mut is_blind, mut is_short) = (false, false);
        let delays = &self.settings.settle_delays;
        let again = (!delays.is_empty()).then_some(&Duration::ZERO);
        for delay in delays.iter().chain(again) {
            if self.is_refused_for_good() {
                break;
            }
            if !delay.is_zero() {
                self.wait(step, *delay).await;
            }
            let Some(mut seen) = look().await else {
                is_blind = true;
                continue;
            };
            is_short = seen.is_short;
            match seen.fresh.as_slice() {
                [] => {}
                [(true, _)] => return Settled::Bound(seen.fresh.remove(0).1),
                several => {
                    let ids: Vec<String> =
                        several.iter().map(|(_, seen)| id(seen).to_string()).collect();
                    return Settled::Unknown(format!(
                        "{many} that were not there before: {}",
                        ids.join(", ")
                    ));
                }
            }
        }
        let is_cut_short = self.effects.stop.is_asked() || self.is_refused_for_good();
        // A list without what is known to be there proves no absence; one that lags catches up.
        if is_short || is_blind || is_cut_short || delays.is_empty() {
            Settled::Unknown("not every look could be taken".to_owned())
        } else {
            Settled::Absent
        }
    }

    /// The tasks that are new and not what another create of this apply makes; nothing where one of
    /// them cannot be read.
    async fn unexplained(
        &self,
        listed: Vec<ObservedTask>,
        content: ContentHash,
    ) -> Option<Vec<ObservedTask>> {
        let is_fresh = |task: &ObservedTask| {
            let baseline = self.baseline.borrow();
            let is_new = baseline.as_ref().is_some_and(|known| !known.contains(&task.id));
            is_new && !self.created.borrow().contents.contains_key(&task.id)
        };
        let mut unexplained = Vec::new();
        for mut task in listed.into_iter().filter(is_fresh) {
            if !self.is_planned(&task) {
                let CallOutcome::Done(read) = self.effects.client.read_task(task.id).await else {
                    return None;
                };
                task = read;
            }
            let is_equal = task.content() == Some(content);
            if is_equal || !self.is_planned(&task) {
                unexplained.push(task);
            }
        }
        Some(unexplained)
    }

    /// Whether a step of this apply makes just such a task.
    fn is_planned(&self, task: &ObservedTask) -> bool {
        let hash = task.content();
        hash.is_some_and(|hash| self.desired.borrow().contains(&hash))
    }

    /// Looks for the deployment that an unknown answer may have started; it is never started again.
    pub(super) async fn settle_run(
        &self,
        step: &Step,
        task: TaskId,
        seen: &BTreeSet<DeploymentId>,
    ) -> Settled<DeploymentId> {
        for delay in &self.settings.settle_delays {
            if self.is_refused_for_good() {
                break;
            }
            self.wait(step, *delay).await;
            let listing = self.look(self.effects.client.list_deployments(task).await);
            let Some(listing) = listing else { continue };
            let started = &self.created.borrow().deployments;
            let is_fresh = |id: &DeploymentId| !seen.contains(id) && !started.contains_key(id);
            let fresh: Vec<DeploymentId> =
                listing.items.into_iter().map(|run| run.id).filter(is_fresh).collect();
            match fresh.as_slice() {
                [] => {}
                [id] => return Settled::Bound(id.clone()),
                several => {
                    let ids: Vec<&str> = several.iter().map(|id| id.0.as_str()).collect();
                    return Settled::Unknown(format!(
                        "runs that were not there before: {}",
                        ids.join(", ")
                    ));
                }
            }
        }
        Settled::Absent
    }

    /// Waits until everything that was made can be seen on the lists, so that the next plan sees it.
    pub(super) async fn wait_until_visible(&self, outcome: &mut Outcome) {
        let mut agents: BTreeSet<AgentId> = self.agents.borrow().ids().collect();
        let mut tasks: BTreeSet<TaskId> = self.created.borrow().contents.keys().copied().collect();
        let mut runs = self.created.borrow().deployments.clone();
        let mut is_noted = agents.is_empty() && tasks.is_empty();
        for delay in std::iter::once(&Duration::ZERO).chain(&self.settings.settle_delays) {
            if agents.is_empty() && tasks.is_empty() && runs.is_empty() {
                return;
            }
            if !delay.is_zero() {
                // Lines that cannot be written stay, and the report says so.
                drop(self.effects.ledger.flush().await);
                self.effects.stop.sleep(*delay).await;
            }
            if !agents.is_empty() {
                let listing = self.look(self.effects.client.list_agents().await);
                for agent in listing.into_iter().flat_map(|listing| listing.items) {
                    agents.remove(&agent.id);
                    self.note_second_agent(outcome, &agent);
                }
            }
            if !tasks.is_empty() {
                let listing = self.look(self.effects.client.list_tasks().await);
                for task in listing.into_iter().flat_map(|listing| listing.items) {
                    if tasks.remove(&task.id) {
                        self.verify_listed(&task);
                    }
                    self.note_twin(outcome, &task);
                }
            }
            if agents.is_empty() && tasks.is_empty() && !is_noted {
                // Without the line the next apply may wait in vain, and that is all.
                drop(self.effects.ledger.listed(self.effects.clock.now()).await);
                is_noted = true;
            }
            let of_runs: BTreeSet<TaskId> = runs.values().copied().collect();
            for task in of_runs {
                let listing = self.look(self.effects.client.list_deployments(task).await);
                for run in listing.into_iter().flat_map(|listing| listing.items) {
                    if runs.remove(&run.id).is_some() {
                        self.note_visible(outcome, &run.id).await;
                    }
                }
            }
            // The ids stand in the report, and the ledger makes the next apply wait.
            if self.effects.stop.is_asked() || self.is_refused_for_good() {
                return;
            }
        }
        self.note_unseen(outcome, &runs).await;
        self.report_unlisted(outcome, &agents, &tasks, &runs).await;
    }

    /// Says of what was made and that no list shows; what cannot be read either was not made.
    async fn report_unlisted(
        &self,
        outcome: &mut Outcome,
        agents: &BTreeSet<AgentId>,
        tasks: &BTreeSet<TaskId>,
        runs: &BTreeMap<DeploymentId, TaskId>,
    ) {
        for (step, ended) in &mut outcome.steps {
            let StepOutcome::Done(done) = &*ended else { continue };
            let agent = done.agent.filter(|id| agents.contains(id));
            let task = done.task.filter(|id| tasks.contains(id));
            let run = done.deployment.as_ref().filter(|id| runs.contains_key(*id));
            let is_created = || self.created.borrow().tasks.contains_key(step);
            let client = self.effects.client;
            let (what, is_absent) = match (run, task, agent) {
                (Some(run), ..) => {
                    let read = client.read_deployment(run).await;
                    (format!("deployment {run} was started"), is_refused(&read))
                }
                (None, Some(task), _) if is_created() => {
                    (format!("task {task} was made"), is_refused(&client.read_task(task).await))
                }
                (None, None, Some(agent)) => {
                    (format!("agent {agent} was made"), is_refused(&client.read_agent(agent).await))
                }
                _ => continue,
            };
            *ended = if is_absent { absent(&what) } else { unlisted(&what) };
        }
    }

    /// Says at once that somebody else has made the same as this apply; the next plan blocks on it.
    fn note_twin(&self, outcome: &mut Outcome, task: &ObservedTask) {
        let Some(hash) = task.content() else { return };
        let created = self.created.borrow();
        let is_new = self.baseline.borrow().as_ref().is_some_and(|known| !known.contains(&task.id));
        if !is_new || created.contents.contains_key(&task.id) {
            return;
        }
        for (step, own) in
            created.tasks.iter().filter(|(_, id)| created.contents.get(id) == Some(&hash))
        {
            let message = format!(
                "task {own} was made, and so was task {} with equal content, not by this apply",
                task.id
            );
            outcome.steps.insert(*step, unsettled(message, BOTH_MADE.to_owned()));
        }
    }

    /// Notes that the next plan sees a deployment, so that it need not wait for it.
    async fn note_visible(&self, outcome: &Outcome, run: &DeploymentId) {
        for step in self.plan.ready_steps() {
            let Some(StepOutcome::Done(done)) = outcome.steps.get(&step.id) else { continue };
            if done.deployment.as_ref() == Some(run) {
                self.note_answered(step, Some(run)).await;
            }
        }
    }

    /// Notes runs that no list shows, so that the next apply does not pay for them again.
    async fn note_unseen(&self, outcome: &Outcome, runs: &BTreeMap<DeploymentId, TaskId>) {
        for step in self.plan.ready_steps() {
            let Some(StepOutcome::Done(done)) = outcome.steps.get(&step.id) else { continue };
            if let (Some(id), Some(deployment)) = (&done.deployment, &step.deployment)
                && let Some(task) = runs.get(id)
            {
                let now = self.effects.clock.now();
                // The report names the deployment whether the line can be written or not.
                drop(self.effects.ledger.unseen(&step.key, deployment, *task, id, now).await);
            }
        }
    }

    /// Takes a list that proves absence; refused credentials end the whole apply.
    pub(super) fn look<T>(&self, answer: CallOutcome<Listing<T>>) -> Option<Listing<T>> {
        if let CallOutcome::Refused(error) = &answer
            && error.is_auth()
        {
            self.halt(HaltReason::CredentialsRefused);
            *self.is_locked_out.borrow_mut() = true;
        }
        complete(answer)
    }

    /// Whether no further look can show anything.
    fn is_refused_for_good(&self) -> bool {
        *self.is_locked_out.borrow()
    }

    /// Waits before a look and says so; a request to stop cuts the wait short.
    pub(super) async fn wait(&self, step: &Step, delay: Duration) {
        (self.effects.on_event)(&Event::Settling { step, checking_again_in: delay });
        self.effects.stop.sleep(delay).await;
    }
}

/// What helps where two machines have made the same.
pub(super) const BOTH_MADE: &str = "`qcops plan` names both; decide with `id:` which one is to stay, and let one \
                                    machine apply at a time";

/// Whether an answer says that there is nothing to read.
pub(super) fn is_refused<T>(answer: &CallOutcome<T>) -> bool {
    matches!(answer, CallOutcome::Refused(error) if !error.is_auth())
}

/// Says that something was answered as made, and that neither a list nor a read shows it.
fn absent(what: &str) -> StepOutcome {
    let message =
        format!("the service answered that {what}, and neither the list nor a read shows it");
    let way = "look in the web interface, or run `qcops apply` again: it sends the request again only \
               if both still do not show it";
    StepOutcome::Unknown(Diagnostic::error(Code::NoEffect, message).help(way))
}

/// Says that something was made that can be read and that no list shows.
fn unlisted(what: &str) -> StepOutcome {
    unsettled(
        format!("{what} and is not on the list yet"),
        "wait, then `qcops plan`: it shows nothing to do once the list has caught up".to_owned(),
    )
}

/// Waits until what an apply that was killed on this machine has sent can no longer take effect, and
/// the list shows what it has made.
///
/// To be called before the service is observed. Tells `on_wait` how long it will take, if it takes.
pub async fn wait_for_a_killed_apply(
    ledger: &Ledger,
    clock: Clock,
    settings: &Settings,
    stop: &Stop,
    on_wait: &dyn Fn(Duration),
) -> Result<(), StoreError> {
    let unfinished = ledger.unfinished()?;
    let settle = settings.settle_delays.iter().sum();
    let rest = |since: Option<Timestamp>, retry_time| {
        since.map_or(Duration::ZERO, |since| remaining(since, retry_time, settle, clock.now()))
    };
    let unanswered = rest(unfinished.unanswered, settings.retry_time);
    let rest = unanswered.max(rest(unfinished.unlisted, Duration::ZERO));
    if !rest.is_zero() {
        on_wait(rest);
        stop.sleep(rest).await;
    }
    Ok(())
}

/// How long what was noted at `start` can still take effect.
///
/// A busy service may have had it sent up to `retry_time` later, but not after now: who was killed
/// sends nothing more. A clock that was set back does not prolong it.
fn remaining(start: Timestamp, retry_time: Duration, settle: Duration, now: Timestamp) -> Duration {
    let signed = |time| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    let latest = signed(retry_time).saturating_add(signed(settle));
    let rest = latest.saturating_sub(now.duration_since(start));
    Duration::try_from(rest.min(signed(settle))).unwrap_or_default()
}

/// A list that proves absence, or nothing.
pub(super) fn complete<T>(answer: CallOutcome<Listing<T>>) -> Option<Listing<T>> {
    match answer {
        CallOutcome::Done(listing) if listing.coverage == Completeness::Complete => Some(listing),
        _ => None,
    }
}

/// What a step that cannot go on ends with.
pub(super) type Ended<T> = Result<T, StepOutcome>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_again_late_is_waited_for_and_never_longer_than_the_settle_time() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let (retry, settle) = (Duration::from_secs(20), Duration::from_secs(60));
        for (start, now, rest) in
            [(100, 100, 60), (100, 120, 60), (100, 150, 30), (100, 40, 60), (100, 300, 0)]
        {
            let left = remaining(at(start), retry, settle, at(now));
            assert_eq!(left, Duration::from_secs(rest), "{start} {now}");
        }
    }
}
