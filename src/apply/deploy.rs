//! Starting a deployment: paid for, so sent once and never again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::create::LookAgain;
use crate::apply::finding::{changed, failed, not_recorded, unsettled};
use crate::apply::settle::{Ended, Settled, complete, is_refused};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, StepOutcome};
use crate::ledger::UnseenDeployment;
use crate::model::{DeploymentId, Key, TaskId};
use crate::observed::ObservedDeployment;
use crate::plan::{Step, TaskRef};

impl Work<'_, '_> {
    /// Starts a deployment of the step's task, if none has appeared since the plan was made.
    pub(super) async fn run(
        &self,
        step: &Step,
        target: TaskRef,
        seen: &BTreeSet<DeploymentId>,
        since: Option<(Timestamp, Option<Offset>)>,
    ) -> Ended<StepOutcome> {
        if let Some(said) = self.look_for_duplicates(LookAgain::AfterAny).await {
            return Err(changed(said));
        }
        let task = match target {
            TaskRef::Existing(task) => {
                self.expect_no_new_run(task, seen).await?;
                task
            }
            TaskRef::MadeBy(id) => {
                let created = self.created.borrow().tasks.get(&id).copied();
                created.expect("a step begins after the one it waits for is done")
            }
        };
        let run = step.deployment.as_ref().expect("a deployment has the key of its deployment");
        self.expect_none_unseen(step, run, task, since).await?;
        self.note(async |ledger, now| ledger.starting(&step.key, run, now).await).await?;
        let answer = self.effects.client.create_deployment(task).await;
        let (deployment, notes) = match self.take_once(step, answer).await? {
            Ok(run) => {
                if let Some(ended) = self.too_early(&run, since) {
                    self.created.borrow_mut().deployments.insert(run.id, task);
                    return Err(ended);
                }
                (run.id, Vec::new())
            }
            Err(lost) => match self.settle_run(step, task, seen).await {
                Settled::Bound(id) => {
                    let message =
                        format!("deployment {id} was found after its answer was lost ({lost})");
                    (id, vec![Diagnostic::note(Code::Settled, message)])
                }
                Settled::Absent => {
                    return Err(unknown(task, &lost, "no new deployment is to be seen"));
                }
                Settled::Unknown(why) => return Err(unknown(task, &lost, &why)),
            },
        };
        // Without the line another apply may give it to another declaration, and that is all.
        let now = self.effects.clock.now();
        drop(self.effects.ledger.started(&step.key, run, &deployment, now).await);
        // Known as answered only once the list shows it: until then another apply must wait.
        self.created.borrow_mut().deployments.insert(deployment.clone(), task);
        Ok(StepOutcome::Done(Done {
            task: Some(task),
            deployment: Some(deployment),
            notes,
            ..Done::default()
        }))
    }

    /// Takes the answer to what is sent once and paid for: what it brought, or how it was lost.
    pub(super) async fn take_once<T>(
        &self,
        step: &Step,
        answer: CallOutcome<T>,
    ) -> Ended<Result<T, String>> {
        match answer {
            CallOutcome::Done(brought) => Ok(Ok(brought)),
            CallOutcome::Refused(error) => {
                self.note_answered(step, None).await;
                Err(self.refused(&error))
            }
            CallOutcome::NotProcessed(error) => {
                self.note_answered(step, None).await;
                Err(failed(Code::NotProcessed, &error))
            }
            CallOutcome::Unknown(error) => Ok(Err(with_causes(&error))),
        }
    }

    /// Notes that it is known the result of a deployment or a follow-up, with the id of a deployment that began.
    pub(super) async fn note_answered(&self, step: &Step, run: Option<&DeploymentId>) {
        let deployment = step.deployment.as_ref().expect("what speaks to a deployment has its key");
        let now = self.effects.clock.now();
        // A line that cannot be written now makes the next apply wait, and costs nothing else.
        drop(self.effects.ledger.answered(&step.key, deployment, run, now).await);
    }

    /// A deployment that shows a time before its `since` would be started again by every plan: the zone of
    /// the service's stamps is not the one that was assumed.
    fn too_early(
        &self,
        run: &ObservedDeployment,
        since: Option<(Timestamp, Option<Offset>)>,
    ) -> Option<StepOutcome> {
        let (since, offset) = since?;
        let created = run.created?;
        let assumed = offset.unwrap_or(Offset::UTC);
        let is_early = assumed.to_timestamp(created).is_ok_and(|created| created < since);
        let date = self.effects.client.service_date().unwrap_or_else(|| self.effects.clock.now());
        let measured = Offset::UTC.to_timestamp(created).ok()?.duration_since(date);
        // Zones are whole quarters of an hour; what is left is the time the request took.
        let quarters = (measured.as_secs() + 450).div_euclid(900);
        let (sign, minutes) = (if quarters < 0 { '-' } else { '+' }, quarters.abs() * 15);
        let zone = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        is_early.then(|| {
            let message = format!(
                "deployment {} was started and shows {created}, before its `since` ({since}): read as \
                 {assumed}, but by the service's `Date` its stamps are {zone} from UTC",
                run.id
            );
            let finding = Diagnostic::error(Code::DeploymentBeforeSince, message)
                .help(format!("set `serviceUtcOffset: \"{zone}\"` in the manifest before the next apply"))
                .help("or move `since` to before the time shown; otherwise another deployment would be started");
            StepOutcome::Unknown(finding)
        })
    }

    /// A deployment that this machine has started and that no list shows is not paid for again, unless a
    /// read of it is refused, too; one that is asked for by a later `since` is another.
    async fn expect_none_unseen(
        &self,
        step: &Step,
        run: &Key,
        task: TaskId,
        since: Option<(Timestamp, Option<Offset>)>,
    ) -> Ended<()> {
        let unseen = self.effects.ledger.unseen_of(&step.key, run, task);
        let unseen = unseen.map_err(|error| StepOutcome::Failed(not_recorded(&error)))?;
        let is_meant =
            |unseen: &UnseenDeployment| since.is_none_or(|(since, _)| since <= unseen.noted);
        let Some(UnseenDeployment { id, noted }) = unseen.filter(is_meant) else { return Ok(()) };
        if let Some(id) = &id
            && is_refused(&self.effects.client.read_deployment(id).await)
        {
            return Ok(());
        }
        let id = id.map(|id| format!(" {id}")).unwrap_or_default();
        Err(unsettled(
            format!(
                "deployment{id} of task {task} was started before {noted:.0}, and no list shows it"
            ),
            format!(
                "look at task {task} in the web interface; another deployment is asked for by moving \
                 `since` behind that time"
            ),
        ))
    }

    /// A second pipeline may have started the deployment while this one was planning.
    async fn expect_no_new_run(&self, task: TaskId, seen: &BTreeSet<DeploymentId>) -> Ended<()> {
        let listing = self.read(self.effects.client.list_deployments(task).await)?;
        let Some(listing) = complete(CallOutcome::Done(listing)) else {
            return Err(changed(format!(
                "the deployments of task {task} can no longer be listed whole"
            )));
        };
        let started = &self.created.borrow().deployments;
        let is_new = |id: &DeploymentId| !seen.contains(id) && !started.contains_key(id);
        match listing.items.iter().find(|run| is_new(&run.id)) {
            Some(run) => Err(changed(format!("deployment {} of task {task} has appeared", run.id))),
            None => Ok(()),
        }
    }
}

fn unknown(task: TaskId, lost: &str, why: &str) -> StepOutcome {
    unsettled(
        format!("whether a deployment of task {task} was started is unknown ({lost}); {why}"),
        format!(
            "look at task {task} in the web interface, then `qcops plan`: it starts a deployment only if \
             none is there"
        ),
    )
}
