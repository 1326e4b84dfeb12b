//! The follow-ups that are sent while waiting: whether the next one may be sent is a plan's to say,
//! made afresh; which it is, the approved plan has said.

use std::sync::Arc;

use super::{Followed, Watching};
use crate::apply::apply;
use crate::diag::{Code, Diagnostic};
use crate::event::{DeploymentEnd, StepOutcome};
use crate::model::DeploymentId;
use crate::plan::{Change, Plan, Step, StepStatus, WatchedDeployment};

impl Watching<'_, '_> {
    /// Sends the next follow-up to every followed run that is idle.
    pub(super) async fn send_next(&mut self, replan: &impl AsyncFn() -> Option<Plan>) {
        let Some(plan) = replan().await else { return };
        for run in &mut self.runs {
            run.take_over(&plan);
        }
        let is_followed = |step: &Step| {
            run_of(step).is_some_and(|id| {
                self.runs
                    .iter()
                    .any(|run| run.id == *id && run.watch.key == step.key && run.end.is_none())
            })
        };
        let mut plan = plan.only(is_followed);
        for step in &mut plan.steps {
            let run = self.runs.iter().find(|run| Some(&run.id) == run_of(step));
            if let Some(finding) = run.and_then(|run| run.not_approved(step)) {
                step.status = StepStatus::Blocked(finding);
            }
        }
        let outcome = apply(&plan, self.effects, self.settings).await;
        for step in &plan.steps {
            let is_its = |run: &Followed| Some(&run.id) == run_of(step);
            let Some(index) = self.runs.iter().position(is_its) else { continue };
            match (&step.status, outcome.steps.get(&step.id)) {
                (StepStatus::Blocked(_), _) | (_, Some(StepOutcome::Unknown(_))) => {
                    self.end(index, DeploymentEnd::Blocked);
                }
                (_, Some(StepOutcome::Done(_))) => {
                    let run = &mut self.runs[index];
                    run.approved.remove(0);
                    run.unanswered = 0;
                    run.pauses.restart();
                    // What was read before the follow-up says nothing about its end.
                    run.status = None;
                }
                _ => {}
            }
        }
        self.rounds.push((plan, outcome));
    }
}

/// The deployment that a step of a plan made afresh speaks to, or cannot speak to any more.
fn run_of(step: &Step) -> Option<&DeploymentId> {
    match &step.change {
        Change::Prompt { run, .. } | Change::Diverged { run, .. } => Some(run),
        _ => None,
    }
}

impl Followed {
    /// Drops from what is to be sent what somebody else has sent meanwhile.
    fn take_over(&mut self, plan: &Plan) {
        let seen = WatchedDeployment::Seen(self.id.clone());
        let is_its = plan.watches.iter().any(|watch| {
            let is_of =
                (&watch.key, &watch.deployment) == (&self.watch.key, &self.watch.deployment);
            is_of && watch.run == seen
        });
        let left = plan.follow_ups(&seen);
        if is_its && self.approved.ends_with(&left) {
            self.approved = left;
        }
    }

    /// Why a step is not what was approved for this run, if it is not.
    fn not_approved(&self, step: &Step) -> Option<Diagnostic> {
        let Change::Prompt { prompt, later, .. } = &step.change else { return None };
        let texts: Vec<&Arc<str>> = std::iter::once(prompt).chain(later).collect();
        let is_approved = step.deployment.as_ref() == Some(&self.watch.deployment)
            && self.approved.iter().eq(texts);
        (!is_approved).then(|| {
            let message = format!(
                "what would be sent to deployment {} is not what was approved for `{}/{}`",
                self.id, self.watch.key, self.watch.deployment
            );
            Diagnostic::blocked(Code::ChangedSincePlan, message)
                .help("run `qcops plan`, and have what it shows approved")
        })
    }
}
