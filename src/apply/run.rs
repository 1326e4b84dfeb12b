//! Starting a deployment: paid for, so sent once and never again.

use std::collections::BTreeSet;

use crate::api::Answer;
use crate::apply::Work;
use crate::apply::finding::{changed, failed, unclear};
use crate::apply::settle::{Ended, Settled, complete};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, StepOutcome};
use crate::model::{DeploymentId, TaskId};
use crate::plan::{Step, Target};

impl Work<'_, '_> {
    /// Starts a run of the step's task, if none has appeared since the plan was made.
    pub(super) async fn run(
        &self,
        step: &Step,
        target: Target,
        seen: &BTreeSet<DeploymentId>,
    ) -> Ended<StepOutcome> {
        let task = match target {
            Target::Existing(task) => {
                self.expect_no_new_run(task, seen).await?;
                task
            }
            Target::MadeBy(id) => {
                let made = self.made.borrow().tasks.get(&id).copied();
                made.expect("a step begins after the one it waits for is done")
            }
        };
        let (deployment, notes) = match self.effects.client.create_deployment(task).await {
            Answer::Done(run) => (run.id, Vec::new()),
            Answer::Refused(trouble) => return Err(self.refused(&trouble)),
            Answer::NotProcessed(trouble) => return Err(failed(Code::NotProcessed, &trouble)),
            Answer::Unclear(trouble) => {
                let lost = with_causes(&trouble);
                match self.settle_run(step, task, seen).await {
                    Settled::Bound(id) => {
                        let message =
                            format!("run {id} was found after its answer was lost ({lost})");
                        (id, vec![Diagnostic::note(Code::Settled, message)])
                    }
                    Settled::Absent => {
                        return Err(unknown(task, &lost, "no new run is to be seen"));
                    }
                    Settled::Unknown(why) => return Err(unknown(task, &lost, &why)),
                }
            }
        };
        self.made.borrow_mut().deployments.insert(deployment.clone());
        Ok(StepOutcome::Done(Done { task: Some(task), deployment: Some(deployment), notes }))
    }

    /// A second pipeline may have started the run while this one was planning.
    async fn expect_no_new_run(&self, task: TaskId, seen: &BTreeSet<DeploymentId>) -> Ended<()> {
        let sight = self.read(self.effects.client.list_deployments(task).await)?;
        let Some(sight) = complete(Answer::Done(sight)) else {
            return Err(changed(format!("the runs of task {task} can no longer be listed whole")));
        };
        let started = &self.made.borrow().deployments;
        let is_new = |id: &DeploymentId| !seen.contains(id) && !started.contains(id);
        match sight.items.iter().find(|run| is_new(&run.id)) {
            Some(run) => Err(changed(format!("run {} of task {task} has appeared", run.id))),
            None => Ok(()),
        }
    }
}

fn unknown(task: TaskId, lost: &str, why: &str) -> StepOutcome {
    unclear(
        format!("whether a run of task {task} was started is unknown ({lost}); {why}"),
        format!(
            "look at task {task} in the web interface, then `qcops plan`: it starts a run only if \
             none is there"
        ),
    )
}
