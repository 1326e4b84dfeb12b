//! Settling: an answer was lost, so the service is looked at until it shows what happened.
//!
//! There is no idempotency key (contract 6.2). What an unclear create has made is an id that was not
//! on the list before it was sent; what it has not made is absent from every later look.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::Answer;
use crate::apply::Work;
use crate::event::{Event, Outcome, StepOutcome};
use crate::model::{Content, DeploymentId, TaskId};
use crate::plan::{Change, Step};
use crate::snapshot::{Coverage, Sight, TaskSeen};

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

impl Work<'_, '_> {
    /// Looks for the task that an unclear create may have made.
    ///
    /// 1. A new id with equal content, and no other: that is it.
    /// 2. Two such ids, or a new id that no create of this apply explains: unknown.
    /// 3. None in every complete look: absent.
    pub(super) async fn settle_create(&self, step: &Step, content: &Content) -> Settled<TaskSeen> {
        let mut is_blind = false;
        for delay in &self.settings.settle_delays {
            self.wait(step, *delay).await;
            let Some(sight) = complete(self.effects.client.list_tasks().await) else {
                is_blind = true;
                continue;
            };
            let fresh: Vec<TaskSeen> =
                sight.items.into_iter().filter(|task| self.is_unexplained(task, content)).collect();
            match fresh.as_slice() {
                [] => {}
                [task] if task.content.as_ref() == Some(content) => {
                    return Settled::Bound(task.clone());
                }
                several => {
                    let ids: Vec<String> = several.iter().map(|task| task.id.to_string()).collect();
                    return Settled::Unknown(format!(
                        "tasks that were not there before: {}",
                        ids.join(", ")
                    ));
                }
            }
        }
        if is_blind || self.settings.settle_delays.is_empty() || self.effects.stop.is_asked() {
            Settled::Unknown("not every look could be taken".to_owned())
        } else {
            Settled::Absent
        }
    }

    /// Whether a task is new and not what another create of this apply makes.
    fn is_unexplained(&self, task: &TaskSeen, content: &Content) -> bool {
        let baseline = self.baseline.borrow();
        let is_new = baseline.as_ref().is_some_and(|known| !known.contains(&task.id));
        let is_bound = self.made.borrow().contents.contains_key(&task.id);
        let hash = task.content.as_ref().map(Content::hash);
        let is_of_another = hash != Some(content.hash())
            && self.plan.open_steps().any(|step| match &step.change {
                Change::Create { content, .. } | Change::Replace { content, .. } => {
                    Some(content.hash()) == hash
                }
                _ => false,
            });
        is_new && !is_bound && !is_of_another
    }

    /// Looks for the run that an unclear answer may have started; it is never started again.
    pub(super) async fn settle_run(
        &self,
        step: &Step,
        task: TaskId,
        seen: &BTreeSet<DeploymentId>,
    ) -> Settled<DeploymentId> {
        for delay in &self.settings.settle_delays {
            self.wait(step, *delay).await;
            let Some(sight) = complete(self.effects.client.list_deployments(task).await) else {
                continue;
            };
            let started = &self.made.borrow().deployments;
            let is_fresh = |id: &DeploymentId| !seen.contains(id) && !started.contains(id);
            let fresh: Vec<DeploymentId> =
                sight.items.into_iter().map(|run| run.id).filter(is_fresh).collect();
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

    /// Waits until everything that was made can be seen on the list, so that the next plan sees it.
    pub(super) async fn wait_until_visible(&self, outcome: &mut Outcome) {
        let made = self.made.borrow().contents.clone();
        if made.is_empty() {
            return;
        }
        let mut missing: BTreeSet<TaskId> = made.keys().copied().collect();
        for delay in std::iter::once(&Duration::ZERO).chain(&self.settings.settle_delays) {
            self.effects.stop.sleep(*delay).await;
            if let Some(sight) = complete(self.effects.client.list_tasks().await) {
                for task in sight.items {
                    missing.remove(&task.id);
                }
            }
            if missing.is_empty() {
                return;
            }
        }
        for (step, id) in &self.made.borrow().tasks {
            if missing.contains(id) {
                let ended = super::finding::unclear(
                    format!("task {id} was made and is not on the list yet"),
                    "wait, then `qcops plan`: it shows nothing to do once the list has caught up"
                        .to_owned(),
                );
                outcome.steps.insert(*step, ended);
            }
        }
    }

    /// Waits before a look and says so; a wish to stop cuts the wait short.
    pub(super) async fn wait(&self, step: &Step, delay: Duration) {
        (self.effects.on_event)(&Event::Settling { step, looking_again_in: delay });
        self.effects.stop.sleep(delay).await;
    }
}

/// A list that proves absence, or nothing.
pub(super) fn complete<T>(answer: Answer<Sight<T>>) -> Option<Sight<T>> {
    match answer {
        Answer::Done(sight) if sight.coverage == Coverage::Complete => Some(sight),
        _ => None,
    }
}

/// What a step that cannot go on ends with.
pub(super) type Ended<T> = Result<T, StepOutcome>;
