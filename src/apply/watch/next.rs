//! The follow-ups that are sent while waiting: which is next is a plan's to say, made afresh.

use super::{Followed, Watching};
use crate::apply::apply;
use crate::event::{DeploymentEnd, StepOutcome};
use crate::model::DeploymentId;
use crate::observed::Status;
use crate::plan::{Change, Plan, Step, StepStatus, Watch, WatchedDeployment};

impl Watching<'_, '_> {
    /// Whether one task has several runs of which this apply has started one: which of them serves
    /// which declaration is then for a plan to say, which goes by the runs and not by who asked.
    pub(super) fn has_siblings(&self) -> bool {
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
    pub(super) fn bind(&mut self, plan: &Plan) -> Vec<usize> {
        let mut revived = Vec::new();
        for (index, run) in self.runs.iter_mut().enumerate() {
            let serves =
                |watch: &&Watch| matches!(&watch.run, WatchedDeployment::Seen(id) if *id == run.id);
            let Some(watch) = plan.watches.iter().find(serves) else { continue };
            run.missing = watch.missing;
            run.limit = watch.timeout.unwrap_or(self.waiting.timeout);
            run.watch = watch.clone();
            if run.missing > 0
                && run.end == Some(DeploymentEnd::Ended)
                && run.status == Some(Status::Completed)
            {
                run.end = None;
                revived.push(index);
            }
        }
        revived
    }

    /// Sends the next follow-up to every followed run that is idle.
    pub(super) async fn send_next(
        &mut self,
        replan: &impl AsyncFn() -> Option<Plan>,
    ) -> Vec<usize> {
        let Some(plan) = replan().await else { return Vec::new() };
        let revived = self.bind(&plan);
        let is_followed = |step: &Step| {
            self.runs.iter().any(|run| {
                let is_of = |id: &DeploymentId| *id == run.id;
                step.key == run.watch.key
                    && run.end.is_none()
                    && match &step.change {
                        Change::Prompt { run, .. } | Change::Diverged { run, .. } => is_of(run),
                        _ => false,
                    }
            })
        };
        let plan = plan.only(is_followed);
        let outcome = apply(&plan, self.effects, self.settings).await;
        for step in &plan.steps {
            let (Change::Prompt { run: id, .. } | Change::Diverged { run: id, .. }) = &step.change
            else {
                continue;
            };
            let Some(index) = self.runs.iter().position(|run| run.id == *id) else { continue };
            match (&step.status, outcome.steps.get(&step.id)) {
                (StepStatus::Blocked(_), _) | (_, Some(StepOutcome::Unknown(_))) => {
                    self.end(index, DeploymentEnd::Blocked);
                }
                (_, Some(StepOutcome::Done(_))) => {
                    let run = &mut self.runs[index];
                    run.missing = run.missing.saturating_sub(1);
                    run.unanswered = 0;
                    run.pauses.restart();
                    // What was read before the follow-up says nothing about its end.
                    run.status = None;
                }
                _ => {}
            }
        }
        self.rounds.push((plan, outcome));
        revived
    }
}
