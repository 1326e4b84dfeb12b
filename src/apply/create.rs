//! Making a task once: noted before, settled when the answer is lost, read back after.

use std::time::Duration;

use futures_util::future::join;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::finding::{changed, failed, not_noted, not_recorded, unsettled};
use crate::apply::settle::{Ended, Settled, complete};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, HaltReason, StepOutcome};
use crate::kinds::{AGENT, TASK};
use crate::ledger::{Creation, Ledger};
use crate::model::{TaskId, has_new_number, is_rewriting_of};
use crate::observed::ObservedTask;
use crate::plan::Step;
use crate::resource::{Edit, Object, Whole};
use crate::store::StoreError;

/// When the list is read for duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookAgain {
    /// Once twice as many tasks were made as when it was read last.
    AfterTwiceAsMany,
    /// Once any was made since.
    AfterAny,
}

/// A task that was made.
pub(super) struct MadeTask<'s> {
    pub(super) id: TaskId,
    creation: Creation<'s>,
    /// The answer, where it was not lost.
    answer: Option<ObservedTask>,
    /// How it was lost.
    lost: Option<String>,
}

impl Work<'_, '_> {
    /// Makes the task of a step and gives it its name.
    pub(super) async fn create(&self, step: &Step, object: &Whole) -> Ended<StepOutcome> {
        let made = self.make(step, object).await?;
        let id = made.id;
        if self.may_read_later(step, made.answer.as_ref(), object) {
            self.unread.borrow_mut().insert(id, step.id);
            let notes = self.close(made).await;
            return Ok(StepOutcome::Done(Done { task: Some(id), notes, ..Done::default() }));
        }
        let (mut notes, task) =
            join(self.close_durably(made), self.read_back(step, id, object)).await;
        notes.extend(self.settle_name(step, &task?, object.name()).await);
        Ok(StepOutcome::Done(Done { task: Some(id), notes, ..Done::default() }))
    }

    /// Makes a task: one request, and a second one only after proof that the first made nothing.
    ///
    /// The caller ends it with [`Self::close`] or [`Self::close_durably`].
    pub(super) async fn make<'s>(&self, step: &'s Step, object: &'s Whole) -> Ended<MadeTask<'s>> {
        let creation = Creation { key: &step.key, content: object.content(), name: object.name() };
        let noting = self.note(async |ledger, now| ledger.sending(creation, now).await);
        let (looked, noted) = join(self.look_once_more(), noting).await;
        noted?;
        if let Err(ended) = looked {
            self.note(async |ledger, now| ledger.refused(creation, now).await).await?;
            return Err(ended);
        }
        self.created.borrow_mut().sent.insert(creation.content);
        let sent = self
            .send_create(
                (TASK.name, "by its content"),
                async || self.effects.client.create_task(object).await,
                async || self.settle_create(step, object.content()).await,
            )
            .await;
        let (task, lost) = match sent {
            Err(StepOutcome::Failed(finding)) => {
                self.note(async |ledger, now| ledger.refused(creation, now).await).await?;
                return Err(StepOutcome::Failed(finding));
            }
            sent => sent?,
        };
        let id = task.id;
        {
            let mut created = self.created.borrow_mut();
            created.tasks.insert(step.id, id);
            created.contents.insert(id, creation.content);
        }
        let answer = lost.is_none().then_some(task);
        Ok(MadeTask { id, creation, answer, lost })
    }

    /// Notes what was made, with the next line that is written, and looks for a duplicate of it.
    pub(super) async fn close(&self, made: MadeTask<'_>) -> Vec<Diagnostic> {
        let MadeTask { id, creation, lost, .. } = made;
        self.effects.ledger.created(creation, id, self.effects.clock.now());
        let Some(lost) = lost else {
            let duplicate = self.look_for_duplicates(LookAgain::AfterTwiceAsMany).await;
            let duplicate = duplicate.map(|said| Diagnostic::note(Code::ChangedSincePlan, said));
            return duplicate.into_iter().collect();
        };
        vec![found(&format!("task {id}"), &lost)]
    }

    /// The same, where something else builds on the task: the line is written at once.
    pub(super) async fn close_durably(&self, made: MadeTask<'_>) -> Vec<Diagnostic> {
        let what = format!("task {}", made.id);
        let (mut notes, flushed) = join(self.close(made), self.effects.ledger.flush()).await;
        notes.extend(flushed.err().map(|error| not_noted(&what, &error)));
        notes
    }

    /// Sends a create: one request, and a second one only after proof that the first made nothing.
    ///
    /// Returns what was made, and how its answer was lost where it was. Failed means that nothing
    /// was made, for certain.
    pub(super) async fn send_create<T>(
        &self,
        (kind, found): (&str, &str),
        create: impl AsyncFn() -> CallOutcome<T>,
        settle: impl AsyncFn() -> Settled<T>,
    ) -> Ended<(T, Option<String>)> {
        let seconds: u64 = self.settings.settle_delays.iter().map(Duration::as_secs).sum();
        let way = format!("wait {seconds} s, then `qcops plan`: it finds the {kind} {found}");
        let mut settled = "nothing was sent".to_owned();
        for _ in 0..2 {
            let lost = match create().await {
                CallOutcome::Done(made) => return Ok((made, None)),
                CallOutcome::Refused(error) => return Err(self.refused(&error)),
                CallOutcome::NotProcessed(error) => return Err(failed(Code::NotProcessed, &error)),
                CallOutcome::Unknown(error) => with_causes(&error),
            };
            match settle().await {
                Settled::Bound(made) => return Ok((made, Some(lost))),
                Settled::Absent => settled = lost,
                Settled::Unknown(why) => {
                    let article = if kind == AGENT.name { "an" } else { "a" };
                    let message =
                        format!("whether {article} {kind} was made is unknown ({lost}); {why}");
                    return Err(unsettled(message, way));
                }
            }
        }
        let message = format!(
            "the answers to both requests were lost ({settled}), and no {kind} is to be seen"
        );
        Err(unsettled(message, way))
    }

    /// Reads the lists once more right before the first create, for what a neighbor made meanwhile.
    async fn look_once_more(&self) -> Ended<()> {
        if self.baseline.borrow().is_none() {
            let answer = self.effects.client.list_tasks().await;
            let Some(listing) = complete(match answer {
                CallOutcome::Done(listing) => CallOutcome::Done(listing),
                answer => CallOutcome::Done(self.read(answer)?),
            }) else {
                return Err(changed("the task list is no longer complete".to_owned()));
            };
            let is_new = |task: &&ObservedTask| !self.plan.observed_task_ids.contains(&task.id);
            for task in listing.items.iter().filter(is_new) {
                let hash = task.content();
                if hash.is_some_and(|hash| self.desired.borrow().contains(&hash)) {
                    self.halt(HaltReason::MadeElsewhere);
                    let message = format!("task {} with wanted content has appeared", task.id);
                    return Err(changed(message));
                }
            }
            let ids = listing.items.iter().map(|task| task.id).collect();
            *self.baseline.borrow_mut() = Some(ids);
        }
        Ok(())
    }

    /// Looks for what another machine makes beside this apply: nothing further is made, started or paid
    /// for once there is a duplicate. Returns what was found.
    ///
    /// The list is read after the first create, after twice as many each time, and before anything is
    /// paid for, so that a thousand creates cost ten more calls.
    pub(super) async fn look_for_duplicates(&self, again: LookAgain) -> Option<String> {
        let count = self.created.borrow().tasks.len();
        let looked = *self.looked_at.borrow();
        let is_due = match again {
            LookAgain::AfterTwiceAsMany => count >= (looked * 2).max(1),
            LookAgain::AfterAny => count > looked,
        };
        // Where all is made and nothing is paid for, the list is read at the end anyway.
        let is_all = || count >= self.desired.borrow().len();
        let is_spared = || *self.is_looking.borrow() || is_all();
        if !is_due || (again == LookAgain::AfterTwiceAsMany && is_spared()) {
            return None;
        }
        *self.looked_at.borrow_mut() = count;
        *self.is_looking.borrow_mut() = true;
        let answer = self.effects.client.list_tasks().await;
        *self.is_looking.borrow_mut() = false;
        let listing = self.look(answer)?;
        let duplicate = listing.items.iter().find(|task| self.is_duplicate(task))?;
        self.halt(HaltReason::MadeElsewhere);
        let id = duplicate.id;
        Some(format!(
            "somebody else made task {id} with content of this plan: nothing further is made"
        ))
    }

    /// Whether a task that this apply has not made has content that it has made, or is to make and is
    /// not just making.
    fn is_duplicate(&self, task: &ObservedTask) -> bool {
        let created = self.created.borrow();
        let is_known = self.baseline.borrow().as_ref().is_none_or(|known| known.contains(&task.id));
        let Some(content) = task.content().filter(|_| !is_known) else { return false };
        let is_mine = created.contents.contains_key(&task.id);
        let is_made = || created.contents.values().any(|made| *made == content);
        let is_planned =
            || self.desired.borrow().contains(&content) && !created.sent.contains(&content);
        !is_mine && (is_made() || is_planned())
    }

    /// Reads a new task and compares it with what was declared.
    pub(super) async fn read_back(
        &self,
        step: &Step,
        id: TaskId,
        object: &Whole,
    ) -> Ended<ObservedTask> {
        let mut last = None;
        for delay in std::iter::once(&Duration::ZERO).chain(&self.settings.settle_delays) {
            if !delay.is_zero() {
                self.wait(step, *delay).await;
            }
            match self.effects.client.read_task(id).await {
                CallOutcome::Done(task) if task.content() == Some(object.content()) => {
                    self.proven.borrow_mut().insert(TASK.name);
                    return Ok(task);
                }
                CallOutcome::Done(task) => {
                    self.halt(HaltReason::StoredDifferently);
                    return Err(differs(id, object, &task));
                }
                CallOutcome::Refused(error) if error.is_auth() => return Err(self.refused(&error)),
                CallOutcome::Refused(error)
                | CallOutcome::NotProcessed(error)
                | CallOutcome::Unknown(error) => {
                    last = Some(with_causes(&error));
                }
            }
        }
        self.halt(HaltReason::NotReadBack);
        let message =
            format!("task {id} was made and cannot be read: {}", last.unwrap_or_default());
        Err(unsettled(message, "`qcops plan` once the service answers again".to_owned()))
    }

    /// Renames once where the service stored another name; one that persists is accepted.
    pub(super) async fn settle_name(
        &self,
        step: &Step,
        task: &ObservedTask,
        name: &str,
    ) -> Option<Diagnostic> {
        let stored = task.name()?;
        if stored == name {
            return None;
        }
        let id = task.id;
        let (mut after, mut why) = (task.clone(), String::new());
        for delay in self.tries() {
            self.effects.stop.sleep(delay).await;
            let renamed = self.effects.client.update_task(id, &[Edit::name(name)]).await;
            if let CallOutcome::Done(task) = self.effects.client.read_task(id).await {
                after = task;
            }
            if after.name() == Some(name) {
                return None;
            }
            match renamed {
                // It may be done twice, and only a lost answer is a reason to.
                CallOutcome::Unknown(error) => why = format!(" ({})", with_causes(&error)),
                CallOutcome::Refused(error) | CallOutcome::NotProcessed(error) => {
                    why = format!(" ({})", with_causes(&error));
                    break;
                }
                CallOutcome::Done(()) => {
                    why = String::new();
                    break;
                }
            }
        }
        self.note_name(step, &after, name, &why).await
    }

    /// Says that a task is stored under another name than the one that was asked for, and notes it
    /// so that the next plan does not ask again.
    pub(super) async fn note_name(
        &self,
        step: &Step,
        task: &ObservedTask,
        name: &str,
        why: &str,
    ) -> Option<Diagnostic> {
        let (stored, content) = (task.name()?, task.content()?);
        if stored == name {
            return None;
        }
        let creation = Creation { key: &step.key, content, name };
        // A number at the end goes once the other task has another name: worth asking again.
        if !has_new_number(stored, name) {
            // Extra evidence: without it the next plan shows the rename once more.
            let now = self.effects.clock.now();
            drop(self.effects.ledger.renamed(creation, stored, now).await);
        }
        let message = format!("task {} is stored as `{stored}`{why}", task.id);
        let note = Diagnostic::note(Code::NameRewritten, message);
        Some(if is_rewriting_of(stored, name) {
            note
        } else {
            note.help(format!("another task may hold the name; or declare `name: {stored}`"))
        })
    }

    /// Writes a line to the ledger; what cannot be noted is not sent.
    pub(super) async fn note(
        &self,
        write: impl AsyncFnOnce(&Ledger, jiff::Timestamp) -> Result<(), StoreError>,
    ) -> Ended<()> {
        write(self.effects.ledger, self.effects.clock.now())
            .await
            .map_err(|error| StepOutcome::Failed(not_recorded(&error)))
    }
}

/// Says that something was made although the answer was lost.
pub(super) fn found(what: &str, lost: &str) -> Diagnostic {
    Diagnostic::note(Code::Settled, format!("{what} was found after its answer was lost ({lost})"))
}

/// Says where what was read back first departs from what was declared.
pub(super) fn differs(id: TaskId, object: &Whole, task: &ObservedTask) -> StepOutcome {
    let text = |object: &Object| object.prompt().cloned().unwrap_or_default();
    let (declared, stored) = (text(object), text(&task.object));
    let pairs = declared.chars().zip(stored.chars());
    let same = pairs.take_while(|(declared, stored)| declared == stored).count();
    let message = if stored == declared {
        format!("task {id} was made with another agent or project preference than declared")
    } else {
        format!("task {id} was made, and its stored prompt differs from character {} on", same + 1)
    };
    let finding = Diagnostic::error(Code::ReadBackDiffers, message).help(
        "the service rewrites prompts: declare the prompt as it stores it, or ask QuantConnect",
    );
    StepOutcome::Unknown(finding)
}
