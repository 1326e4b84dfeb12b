//! What ends the waiting early: the time of a deployment, the time in total, the token budget.
//!
//! Whatever it is, only deployments that this apply has started are stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Followed, Watching, look};
use crate::apply::apply;
use crate::event::DeploymentEnd;
use crate::observed::Status;
use crate::plan::{Change, Plan, Step, StepId, StepStatus};

impl Watching<'_, '_> {
    /// Stops everything this apply has started once the sum of its tokens is reached.
    pub(super) async fn enforce_budget(&mut self) {
        let Some(budget) = self.waiting.token_budget else { return };
        let ours = self.runs.iter().filter(|run| run.is_ours);
        let sum: u64 = ours.filter_map(Followed::tokens).sum();
        if sum < budget {
            return;
        }
        let open: Vec<usize> = (0..self.runs.len())
            .filter(|index| self.runs[*index].is_ours && self.runs[*index].is_open())
            .collect();
        self.stop(&open).await;
        for index in open {
            self.end(index, DeploymentEnd::OverBudget { sum, budget });
        }
    }

    /// A deployment beyond its time.
    pub(super) async fn end_late(&mut self, index: usize) {
        if self.runs[index].is_ours {
            self.stop(&[index]).await;
        }
        let limit = self.runs[index].limit;
        self.end(index, DeploymentEnd::TimedOut { limit });
    }

    /// The time of all waiting together is over: looks at every deployment that is still followed once
    /// more, stops those of this apply that are at work, and follows none any longer.
    pub(super) async fn end_waiting(&mut self, limit: Duration) {
        let followed = |run: &usize| self.runs[*run].end.is_none();
        let indexes: Vec<usize> = (0..self.runs.len()).filter(followed).collect();
        let last = indexes.iter().map(|index| {
            look(*self.effects, self.runs[*index].id.clone(), *index, Duration::ZERO, false)
        });
        for seen in join_all(last).await {
            self.take(seen);
        }
        for index in &indexes {
            let run = &self.runs[*index];
            let is_at_rest = match run.status {
                Some(Status::Failed | Status::Stopped) => true,
                _ => run.is_idle() && run.approved.is_empty(),
            };
            if is_at_rest {
                self.end(*index, DeploymentEnd::Ended);
            }
        }
        let late: Vec<usize> =
            indexes.into_iter().filter(|index| self.runs[*index].end.is_none()).collect();
        let at_work: Vec<usize> = late
            .iter()
            .copied()
            .filter(|index| self.runs[*index].is_ours && !self.runs[*index].is_idle())
            .collect();
        self.stop(&at_work).await;
        for index in late {
            self.end(index, DeploymentEnd::WaitOver { limit });
        }
    }

    /// Stops deployments by steps like any other, so that lost answers are settled.
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
                after: BTreeSet::new(),
                drift: BTreeSet::new(),
                status: StepStatus::Ready,
            }
        };
        let steps = indexes.iter().enumerate().map(step).collect();
        let plan = Plan { steps, notes: Vec::new(), watches: Vec::new(), ..self.plan.clone() };
        let outcome = apply(&plan, self.effects, self.settings).await;
        self.rounds.push((plan, outcome));
    }
}
