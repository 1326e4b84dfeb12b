//! Deleting an archived task for good: what it holds is looked at afresh and saved first.

use std::collections::BTreeSet;

use crate::api::Answer;
use crate::apply::finding::{changed, failed};
use crate::apply::settle::{Ended, complete};
use crate::apply::{Artifacts, Work};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::StepOutcome;
use crate::model::{DeploymentId, TaskId};
use crate::plan::{Retirement, Step};
use crate::render::transcript::Title;
use crate::snapshot::{DeploymentSeen, TaskSeen};
use crate::store::{Conversation, Said};

impl Work<'_, '_> {
    /// Deletes a task with its deployments, if it is still what the plan saw.
    ///
    /// 1. It still bears its archived name; its deployments are those of the plan, and none is active.
    /// 2. Every conversation is saved; one that cannot be saved keeps the task.
    /// 3. A service that refuses to delete a task with deployments has those deleted first.
    pub(super) async fn destroy(
        &self,
        step: &Step,
        retirement: &Retirement,
        task: &TaskSeen,
        runs: &BTreeSet<DeploymentId>,
    ) -> Ended<()> {
        let id = retirement.id;
        if task.name.as_deref() != Some(&retirement.name) {
            return Err(changed(format!("task {id} has another name than the plan saw")));
        }
        let listed = self.read(self.effects.client.list_deployments(id).await)?;
        let Some(listed) = complete(Answer::Done(listed)) else {
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
    async fn save(&self, task: TaskId, run: &DeploymentSeen) -> Ended<()> {
        let id = &run.id;
        let unsaved = |why: String| {
            let message = format!("the conversation of {id} was not saved: {why}");
            let finding = Diagnostic::error(Code::TranscriptUnsaved, message);
            StepOutcome::Failed(finding.help(
                "run this again, or delete that deployment in the web interface if it may be lost",
            ))
        };
        let Some(Artifacts { files, folder }) = &self.settings.artifacts else {
            return Err(unsaved("there is no folder for it".to_owned()));
        };
        let whole = match self.effects.client.read_whole_conversation(id).await {
            Answer::Done(whole) => whole,
            Answer::Refused(trouble) if trouble.is_auth() => return Err(self.refused(&trouble)),
            Answer::Refused(trouble) | Answer::NotProcessed(trouble) | Answer::Unclear(trouble) => {
                return Err(unsaved(with_causes(&trouble)));
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
        let folder = folder.join(format!("task-{task}"));
        conversation.save(&**files, &folder, "").map_err(|error| unsaved(with_causes(&error)))
    }

    /// Deletes a deployment; gone is done.
    async fn delete_run(&self, id: &DeploymentId) -> Ended<()> {
        match self.effects.client.delete_deployment(id).await {
            Answer::Refused(trouble) if trouble.is_auth() => Err(self.refused(&trouble)),
            // What is refused may be gone already; if not, the task's delete is refused once more.
            Answer::Done(()) | Answer::Refused(_) => Ok(()),
            Answer::NotProcessed(trouble) | Answer::Unclear(trouble) => {
                Err(failed(Code::NotProcessed, &trouble))
            }
        }
    }
}
