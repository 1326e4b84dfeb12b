//! The steps that change or end a task: update, replace, remove.

use std::time::Duration;

use futures_util::future::join;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::confirm::{Presence, is_kept};
use crate::apply::finding::{changed, failed, no_effect, unsettled};
use crate::apply::settle::{Ended, complete};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, StepOutcome};
use crate::kinds::NAME;
use crate::model::{TaskId, archive_name, archived_base, is_rewriting_of, other_archive_name};
use crate::observed::{ObservedTask, Schedule};
use crate::plan::{Removal, Remove, Step};
use crate::resource::{Edit, Value, Whole};

/// A length of names that any service should take: the contract's own examples reach it.
const SAFE_LENGTH: usize = 40;

/// A shorter name is none that a service has cut to its limit: no archived one fits into it.
const SHORTEST_LIMIT: usize = 24;

impl Work<'_, '_> {
    /// Changes fields of a task in place.
    pub(super) async fn update(
        &self,
        step: &Step,
        id: TaskId,
        edits: &[Edit],
    ) -> Ended<StepOutcome> {
        self.update_task(step, id, edits).await?;
        let is_kept = |task: &ObservedTask, edit: &Edit| is_kept(task.object.get(edit.field), edit);
        let is_changed = |task: &ObservedTask| !edits.iter().any(|edit| is_kept(task, edit));
        let task = self.read_updated_task(id, is_changed).await?;
        if let Some(edit) = edits.iter().find(|edit| is_kept(&task, edit)) {
            return Err(no_effect(&format!(
                "task {id} was updated, and did not change `{}`",
                edit.field
            )));
        }
        let name = edits.iter().find(|edit| edit.field == NAME).map(|edit| &edit.after);
        let notes = match name {
            Some(Value::Text(name)) => {
                self.note_name(step, &task, name, "").await.into_iter().collect()
            }
            _ => Vec::new(),
        };
        Ok(StepOutcome::Done(Done { task: Some(id), notes, ..Done::default() }))
    }

    async fn read_updated_task(
        &self,
        id: TaskId,
        is_changed: impl Fn(&ObservedTask) -> bool,
    ) -> Ended<ObservedTask> {
        let read = async || self.effects.client.read_task(id).await;
        self.read_updated(&format!("task {id}"), read, is_changed).await
    }

    /// Makes the new task, reads it back, and only then removes the old ones.
    ///
    /// Where the create is refused while an old task holds the name, that one is archived first and
    /// brought back if the create is refused all the same.
    pub(super) async fn replace(
        &self,
        step: &Step,
        object: &Whole,
        old: &[Removal],
    ) -> Ended<StepOutcome> {
        let name = object.name();
        let created = match self.make(step, object).await {
            Err(StepOutcome::Failed(finding))
                if finding.code == Code::Refused
                    && old.iter().any(|old| is_rewriting_of(&old.name, name)) =>
            {
                // One that is to be deleted is archived first too: its place is not taken yet.
                tracing::debug!("making room for the new task: {}", finding.message);
                let name_conflicts = old.iter().filter(|old| is_rewriting_of(&old.name, name));
                for holder in name_conflicts.clone() {
                    let planned = match &holder.how {
                        Remove::Archive { name } => name.clone(),
                        _ => archive_name(&holder.name, &holder.content.short()),
                    };
                    self.archive(step, holder.id, &holder.name, &planned).await?;
                }
                let second = self.make(step, object).await;
                if matches!(second, Err(StepOutcome::Failed(_))) {
                    for holder in name_conflicts {
                        self.rename_task(step, holder.id, &holder.name).await?;
                    }
                }
                second
            }
            first => first,
        };
        let made = created?;
        let id = made.id;
        let (mut notes, task) =
            join(self.close_durably(made), self.read_back(step, id, object)).await;
        let task = task?;
        for removal in old {
            self.retire_one(step, removal).await?;
        }
        notes.extend(self.settle_name(step, &task, name).await);
        Ok(StepOutcome::Done(Done { task: Some(id), notes, ..Done::default() }))
    }

    /// Ends a task whose place is empty or taken.
    pub(super) async fn remove(&self, step: &Step, removal: &Removal) -> Ended<StepOutcome> {
        self.retire_one(step, removal).await?;
        Ok(StepOutcome::Done(Done { task: Some(removal.id), ..Done::default() }))
    }

    /// Reads the task afresh and ends it as planned, if it is still what the plan saw.
    async fn retire_one(&self, step: &Step, removal: &Removal) -> Ended<()> {
        let id = removal.id;
        let task = self.read(self.effects.client.read_task(id).await)?;
        if task.content() != Some(removal.content) {
            return Err(changed(format!("task {id} has other content than the plan saw")));
        }
        if let Schedule::Set(_) = task.schedule {
            return Err(changed(format!("task {id} has a schedule that the plan did not see")));
        }
        match &removal.how {
            Remove::Archive { .. } if task.name().and_then(archived_base).is_some() => Ok(()),
            Remove::Archive { name } => {
                self.archive(step, id, task.name().unwrap_or_default(), name).await
            }
            Remove::Delete => self.delete(step, &task).await,
            Remove::Destroy { runs } => self.destroy(step, removal, &task, runs).await,
        }
    }

    /// Renames a task so that it is known as archived; where the service refuses the name or keeps
    /// it in part only, another one is tried.
    async fn archive(&self, step: &Step, id: TaskId, before: &str, planned: &str) -> Ended<()> {
        let is_archived = |task: &ObservedTask| task.name().and_then(archived_base).is_some();
        let is_changed = |task: &ObservedTask| task.name() != Some(before);
        let ended = |task: &ObservedTask| match task.name() {
            _ if is_archived(task) => Ok(()),
            Some(stored) if stored != before => Err(stored_as(id, stored)),
            _ => Err(no_effect(&format!("task {id} was archived, and did not change its name"))),
        };
        let room = match self.rename_task(step, id, planned).await {
            Ok(()) => {
                let task = self.read_updated_task(id, is_changed).await?;
                let length = task.name().unwrap_or_default().chars().count();
                if is_archived(&task) || length < SHORTEST_LIMIT {
                    return ended(&task);
                }
                length
            }
            Err(StepOutcome::Failed(finding)) if finding.code == Code::Refused => SAFE_LENGTH,
            Err(ended) => return Err(ended),
        };
        self.rename_task(step, id, &other_archive_name(planned, id, room)).await?;
        ended(&self.read_updated_task(id, is_archived).await?)
    }

    /// Deletes a task that holds nothing, looked at once more right before.
    async fn delete(&self, step: &Step, task: &ObservedTask) -> Ended<()> {
        let id = task.id;
        let runs = self.read(self.effects.client.list_deployments(id).await)?;
        let holds_nothing = task.deployment_count == Some(0)
            && task.notification_count == Some(0)
            && task.active.as_deref() == Some(&[])
            && task.schedule == Schedule::Unset
            && complete(CallOutcome::Done(runs)).is_some_and(|runs| runs.items.is_empty());
        if !holds_nothing {
            return Err(changed(format!("task {id} is no longer without deployments")));
        }
        self.send_delete(step, id).await
    }

    /// Deletes a task.
    pub(super) async fn send_delete(&self, step: &Step, id: TaskId) -> Ended<()> {
        let delete = async || self.effects.client.delete_task(id).await;
        let presence = async || {
            let listing = complete(self.effects.client.list_tasks().await);
            let is_listed = listing.map(|all| all.items.iter().any(|task| task.id == id));
            Presence::of(&self.effects.client.read_task(id).await, is_listed)
        };
        self.delete_what(step, &format!("task {id}"), delete, presence).await
    }

    /// Sends a delete and looks whether it took effect; where the answer was lost and it did not,
    /// the request is repeated.
    pub(super) async fn delete_what(
        &self,
        step: &Step,
        what: &str,
        delete: impl AsyncFn() -> CallOutcome<()>,
        presence: impl AsyncFn() -> Presence,
    ) -> Ended<()> {
        let is_gone = async || matches!(presence().await, Presence::Gone);
        let mut lost = String::new();
        for delay in self.tries() {
            self.effects.stop.sleep(delay).await;
            match delete().await {
                CallOutcome::Done(()) => return self.expect_gone(step, what, presence).await,
                // Gone is done: the first request took effect and its answer was lost.
                CallOutcome::Refused(_) if !lost.is_empty() && is_gone().await => return Ok(()),
                CallOutcome::Refused(error) => return Err(self.refused(&error)),
                CallOutcome::NotProcessed(error) => return Err(failed(Code::NotProcessed, &error)),
                CallOutcome::Unknown(error) => {
                    lost = with_causes(&error);
                    self.wait(step, Duration::from_secs(1)).await;
                    if is_gone().await {
                        return Ok(());
                    }
                }
            }
        }
        let message = format!("whether {what} is deleted is unknown ({lost})");
        Err(unsettled(message, "`qcops plan`: it shows whether it is still there".to_owned()))
    }

    async fn rename_task(&self, step: &Step, id: TaskId, to: &str) -> Ended<()> {
        self.update_task(step, id, &[Edit::name(to)]).await
    }

    /// Updates a task.
    async fn update_task(&self, step: &Step, id: TaskId, edits: &[Edit]) -> Ended<()> {
        let send = async || self.effects.client.update_task(id, edits).await;
        let has = async || {
            let read = self.effects.client.read_task(id).await;
            matches!(read, CallOutcome::Done(task) if task.object.has(edits))
        };
        self.update_what(step, &format!("task {id}"), edits, send, has).await
    }

    /// Sends an update; a lost answer is settled by reading, then the request is repeated.
    pub(super) async fn update_what(
        &self,
        step: &Step,
        what: &str,
        edits: &[Edit],
        update: impl AsyncFn() -> CallOutcome<()>,
        is_updated: impl AsyncFn() -> bool,
    ) -> Ended<()> {
        let mut lost = String::new();
        for delay in self.tries() {
            self.effects.stop.sleep(delay).await;
            match update().await {
                CallOutcome::Done(()) => return Ok(()),
                CallOutcome::Refused(error) => return Err(self.refused(&error)),
                CallOutcome::NotProcessed(error) => return Err(failed(Code::NotProcessed, &error)),
                CallOutcome::Unknown(error) => {
                    lost = with_causes(&error);
                    self.wait(step, Duration::from_secs(1)).await;
                    if is_updated().await {
                        return Ok(());
                    }
                }
            }
        }
        let changes: Vec<String> = edits.iter().map(change).collect();
        let changes = changes.join(" and ");
        let message = format!("whether {what} has {changes} is unknown ({lost})");
        let finding = Diagnostic::error(Code::OutcomeUnknown, message);
        Err(StepOutcome::Unknown(
            finding.help("`qcops plan`: it shows what is stored and finishes"),
        ))
    }

    /// The waits before each try of a request that may be repeated.
    pub(super) fn tries(&self) -> impl Iterator<Item = Duration> {
        let delays = self.settings.settle_delays.iter().copied();
        std::iter::once(Duration::ZERO).chain(delays.take(2))
    }
}

/// Says that an archived name was stored as one that does not show it.
fn stored_as(id: TaskId, stored: &str) -> StepOutcome {
    let message = format!("task {id} was archived, and the service stores its name as `{stored}`");
    let finding = Diagnostic::error(Code::ReadBackDiffers, message);
    StepOutcome::Failed(finding.help("rename the task in the web interface; nothing was deleted"))
}

/// What a field becomes; a long text is not repeated.
fn change(edit: &Edit) -> String {
    match &edit.after {
        Value::Text(text) if text.contains('\n') => format!("the new `{}`", edit.field),
        after => format!("`{}` as `{after}`", edit.field),
    }
}
