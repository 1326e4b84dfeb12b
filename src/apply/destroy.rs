//! Deleting an archived task for good: what it holds is looked at afresh and saved first.

use std::collections::BTreeSet;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::finding::{changed, failed};
use crate::apply::settle::{Ended, complete};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::StepOutcome;
use crate::model::{DeploymentId, TaskId};
use crate::observed::{ObservedDeployment, ObservedTask};
use crate::plan::{Removal, Step};
use crate::render::transcript::Title;
use crate::saved::{Conversation, Said};

impl Work<'_, '_> {
    /// Deletes a task with its deployments, if it is still what the plan saw.
    ///
    /// 1. It still bears its archived name; its deployments are those of the plan, and none is active.
    /// 2. Every conversation is saved; one that cannot be saved keeps the task.
    /// 3. A service that refuses to delete a task with deployments has those deleted first.
    pub(super) async fn destroy(
        &self,
        step: &Step,
        removal: &Removal,
        task: &ObservedTask,
        runs: &BTreeSet<DeploymentId>,
    ) -> Ended<()> {
        let id = removal.id;
        if task.name() != Some(&removal.name) {
            return Err(changed(format!("task {id} has another name than the plan saw")));
        }
        let listed = self.read(self.effects.client.list_deployments(id).await)?;
        let Some(listed) = complete(CallOutcome::Done(listed)) else {
            return Err(changed(format!("the deployments of task {id} are no longer all shown")));
        };
        if listed.items.iter().any(|run| !run.status.is_terminal()) {
            return Err(changed(format!("task {id} has deployments that are active")));
        }
        if listed.items.iter().any(|run| !runs.contains(&run.id)) {
            return Err(changed(format!("task {id} has deployments that the plan did not see")));
        }
        // A list that leaves a deployment out would have its conversation deleted unsaved.
        if let Some(run) = runs.iter().find(|run| listed.items.iter().all(|seen| seen.id != **run))
        {
            return Err(changed(format!("deployment {run} of task {id} is no longer on the list")));
        }
        for run in &listed.items {
            self.save(id, run).await?;
        }
        match self.send_delete(step, id).await {
            Err(StepOutcome::Failed(finding))
                if finding.code == Code::Refused && !listed.items.is_empty() =>
            {
                for run in &listed.items {
                    self.delete_run(&run.id).await?;
                }
                self.send_delete(step, id).await
            }
            ended => ended,
        }
    }

    /// Saves a conversation as the service keeps it, and as people read it.
    async fn save(&self, task: TaskId, run: &ObservedDeployment) -> Ended<()> {
        let id = &run.id;
        let unsaved = |why: String| {
            let message = format!("the conversation of {id} was not saved: {why}");
            let finding = Diagnostic::error(Code::TranscriptUnsaved, message);
            StepOutcome::Failed(finding.help(
                "run this again, or delete that deployment in the web interface if it may be lost",
            ))
        };
        let Some(artifacts) = &self.settings.artifacts else {
            return Err(unsaved("there is no folder for it".to_owned()));
        };
        let whole = match self.effects.client.read_whole_conversation(id).await {
            CallOutcome::Done(whole) => whole,
            CallOutcome::Refused(error) if error.is_auth() => return Err(self.refused(&error)),
            CallOutcome::Refused(error)
            | CallOutcome::NotProcessed(error)
            | CallOutcome::Unknown(error) => {
                return Err(unsaved(with_causes(&error)));
            }
        };
        let status = run.status.to_string();
        let conversation = Conversation {
            title: Title { name: None, run: &id.0, status: Some(&status) },
            said: Said::Whole {
                json: &whole.json,
                read: whole.said.as_ref().map_err(String::as_str),
            },
        };
        let saved = conversation.save(artifacts, &format!("task-{task}/")).await;
        saved.map_err(|error| unsaved(with_causes(&error)))
    }

    /// Deletes a deployment; gone is done.
    async fn delete_run(&self, id: &DeploymentId) -> Ended<()> {
        match self.effects.client.delete_deployment(id).await {
            CallOutcome::Refused(error) if error.is_auth() => Err(self.refused(&error)),
            // What is refused may be gone already; if not, the task's delete is refused once more.
            CallOutcome::Done(()) | CallOutcome::Refused(_) => Ok(()),
            CallOutcome::NotProcessed(error) | CallOutcome::Unknown(error) => {
                Err(failed(Code::NotProcessed, &error))
            }
        }
    }
}
