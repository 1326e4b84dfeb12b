//! The steps that change or end a task: rename, replace, retire.

use std::time::Duration;

use crate::api::Answer;
use crate::apply::Work;
use crate::apply::finding::{changed, failed, unclear};
use crate::apply::settle::{Ended, complete};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, StepOutcome};
use crate::model::{Content, TaskId};
use crate::plan::{Before, Retire, Retirement, Step};
use crate::snapshot::{Schedule, TaskSeen};

impl Work<'_, '_> {
    /// Gives a task another name.
    pub(super) async fn rename(&self, step: &Step, id: TaskId, to: &str) -> Ended<StepOutcome> {
        self.rename_task(step, id, to).await?;
        Ok(StepOutcome::Done(Done { task: Some(id), ..Done::default() }))
    }

    /// Makes the new task, reads it back, and only then retires the old ones.
    ///
    /// Where the create is refused while an old task holds the name, that one is archived first and
    /// brought back if the create is refused all the same.
    pub(super) async fn replace(
        &self,
        step: &Step,
        before: &Before,
        name: &str,
        content: &Content,
        old: &[Retirement],
    ) -> Ended<StepOutcome> {
        let made = match self.make(step, name, content).await {
            Err(StepOutcome::Failed(finding))
                if finding.code == Code::Refused && before.name == name =>
            {
                let Some(Retirement { how: Retire::Archive { name: archived }, .. }) = old.first()
                else {
                    return Err(StepOutcome::Failed(finding));
                };
                self.rename_task(step, before.id, archived).await?;
                let second = self.make(step, name, content).await;
                if matches!(second, Err(StepOutcome::Failed(_))) {
                    self.rename_task(step, before.id, &before.name).await?;
                }
                second
            }
            first => first,
        };
        let (id, mut notes) = made?;
        let task = self.read_back(step, id, content).await?;
        for retirement in old {
            let expected = (retirement.id == before.id).then_some(before);
            self.retire_one(step, retirement, expected).await?;
        }
        notes.extend(self.settle_name(&task, name).await);
        Ok(StepOutcome::Done(Done { task: Some(id), deployment: None, notes }))
    }

    /// Ends a task whose place is empty or taken.
    pub(super) async fn retire(
        &self,
        step: &Step,
        retirement: &Retirement,
        before: &Before,
    ) -> Ended<StepOutcome> {
        self.retire_one(step, retirement, Some(before)).await?;
        Ok(StepOutcome::Done(Done { task: Some(retirement.id), ..Done::default() }))
    }

    /// Reads the task afresh and ends it as planned, if it is still what the plan saw.
    async fn retire_one(
        &self,
        step: &Step,
        retirement: &Retirement,
        before: Option<&Before>,
    ) -> Ended<()> {
        let id = retirement.id;
        let task = self.read(self.effects.client.read_task(id).await)?;
        if before.is_some_and(|before| task.content.as_ref() != Some(&before.content)) {
            return Err(changed(format!("task {id} has other content than the plan saw")));
        }
        if let Schedule::Set(_) = task.schedule {
            return Err(changed(format!("task {id} has a schedule that the plan did not see")));
        }
        match &retirement.how {
            Retire::Archive { name } if task.name.as_deref() == Some(name) => Ok(()),
            Retire::Archive { name } => self.rename_task(step, id, name).await,
            Retire::Delete => self.delete(step, &task).await,
            Retire::Destroy { runs } => self.destroy(step, retirement, &task, runs).await,
        }
    }

    /// Deletes a task that holds nothing, looked at once more right before.
    async fn delete(&self, step: &Step, task: &TaskSeen) -> Ended<()> {
        let id = task.id;
        let runs = self.read(self.effects.client.list_deployments(id).await)?;
        let holds_nothing = task.deployment_count == Some(0)
            && task.notification_count == Some(0)
            && complete(Answer::Done(runs)).is_some_and(|runs| runs.items.is_empty());
        if !holds_nothing {
            return Err(changed(format!("task {id} is no longer without runs")));
        }
        self.send_delete(step, id).await
    }

    /// Deletes a task; a lost answer is settled by looking, then the request is repeated.
    pub(super) async fn send_delete(&self, step: &Step, id: TaskId) -> Ended<()> {
        let mut lost = String::new();
        for delay in self.tries() {
            self.effects.stop.sleep(delay).await;
            match self.effects.client.delete_task(id).await {
                Answer::Done(()) => return Ok(()),
                // Gone is done: the first request took effect and its answer was lost.
                Answer::Refused(_) if !lost.is_empty() && self.is_gone(id).await => return Ok(()),
                Answer::Refused(trouble) => return Err(self.refused(&trouble)),
                Answer::NotProcessed(trouble) => return Err(failed(Code::NotProcessed, &trouble)),
                Answer::Unclear(trouble) => {
                    lost = with_causes(&trouble);
                    self.wait(step, Duration::from_secs(1)).await;
                    if self.is_gone(id).await {
                        return Ok(());
                    }
                }
            }
        }
        let message = format!("whether task {id} is deleted is unknown ({lost})");
        Err(unclear(message, "`qcops plan`: it shows whether the task is still there".to_owned()))
    }

    /// Whether a complete list leaves the task out and reading it is refused (contract 15.7).
    async fn is_gone(&self, id: TaskId) -> bool {
        let Some(sight) = complete(self.effects.client.list_tasks().await) else { return false };
        let is_listed = sight.items.iter().any(|task| task.id == id);
        !is_listed && matches!(self.effects.client.read_task(id).await, Answer::Refused(_))
    }

    /// Renames a task; a lost answer is settled by reading, then the request is repeated.
    async fn rename_task(&self, step: &Step, id: TaskId, to: &str) -> Ended<()> {
        let mut lost = String::new();
        for delay in self.tries() {
            self.effects.stop.sleep(delay).await;
            match self.effects.client.rename_task(id, to).await {
                Answer::Done(()) => return Ok(()),
                Answer::Refused(trouble) => return Err(self.refused(&trouble)),
                Answer::NotProcessed(trouble) => return Err(failed(Code::NotProcessed, &trouble)),
                Answer::Unclear(trouble) => {
                    lost = with_causes(&trouble);
                    self.wait(step, Duration::from_secs(1)).await;
                    let read = self.effects.client.read_task(id).await;
                    if matches!(read, Answer::Done(task) if task.name.as_deref() == Some(to)) {
                        return Ok(());
                    }
                }
            }
        }
        let message = format!("whether task {id} is renamed to `{to}` is unknown ({lost})");
        let finding = Diagnostic::error(Code::OutcomeUnknown, message);
        Err(StepOutcome::Unclear(finding.help("`qcops plan`: it shows the name and finishes")))
    }

    /// The waits before each try of a request that may be repeated.
    fn tries(&self) -> impl Iterator<Item = Duration> {
        let delays = self.settings.settle_delays.iter().copied();
        std::iter::once(Duration::ZERO).chain(delays.take(2))
    }
}
