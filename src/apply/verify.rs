//! What was made and not read back by itself: the list at the end shows whether it is as declared.
//!
//! The first task of an apply is read by its id before anything else begins. From then on an answer
//! that shows a task just as declared is believed until the list is read, which is done anyway: one
//! call instead of one for each task.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::create::differs;
use crate::event::Outcome;
use crate::kinds::TASK;
use crate::model::TaskId;
use crate::observed::ObservedTask;
use crate::plan::{Change, Step, StepId};
use crate::resource::Whole;

impl Work<'_, '_> {
    /// Whether a new task need not be read by its id now: the service has shown that it stores what
    /// it is sent, the answer shows the task as declared, and no step builds on it.
    pub(super) fn may_read_later(
        &self,
        step: &Step,
        answer: Option<&ObservedTask>,
        object: &Whole,
    ) -> bool {
        let is_as_declared = |task: &ObservedTask| {
            task.content() == Some(object.content()) && task.name() == Some(object.name())
        };
        self.proven.borrow().contains(TASK.name)
            && !self.awaited.contains(&step.id)
            && answer.is_some_and(is_as_declared)
    }

    /// Takes note of a task on the list; one that is not as declared there stays unread.
    pub(super) fn verify_listed(&self, task: &ObservedTask) {
        let created = self.created.borrow().contents.get(&task.id).copied();
        if created.is_some() && task.content() == created {
            self.unread.borrow_mut().remove(&task.id);
        }
    }

    /// Reads the tasks that the list does not show as declared: it may cut prompts or leave them out.
    pub(super) async fn verify_unread(&self, outcome: &mut Outcome) {
        if self.unread.borrow().is_empty()
            || self.effects.stop.is_asked()
            || *self.is_locked_out.borrow()
        {
            return;
        }
        let changes: BTreeMap<StepId, &Change> =
            self.plan.ready_steps().map(|step| (step.id, &step.change)).collect();
        let unread: Vec<(TaskId, StepId)> = self.unread.take().into_iter().collect();
        let read = |(id, step)| async move { (id, step, self.effects.client.read_task(id).await) };
        let mut reads = stream::iter(unread.into_iter().map(read))
            .buffer_unordered(self.settings.under_way.max(1));
        while let Some((id, step, answer)) = reads.next().await {
            // One that cannot be read is on the list or reported as missing there.
            let CallOutcome::Done(task) = answer else { continue };
            if let Some(Change::Create { object }) = changes.get(&step)
                && let Ok(object) = self.with_ids(object)
                && task.content() != Some(object.content())
            {
                outcome.steps.insert(step, differs(id, &object, &task));
            }
        }
    }
}
