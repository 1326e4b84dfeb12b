//! Speaking to a deployment that exists: a follow-up, sent once and never again, and a stop.

use std::sync::Arc;
use std::time::Duration;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::finding::{changed, failed, unsettled};
use crate::apply::settle::Ended;
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, StepOutcome};
use crate::model::DeploymentId;
use crate::observed::Status;
use crate::plan::Step;
use crate::transcript::Transcript;

/// Where a follow-up stands, as a conversation shows it.
enum Seen {
    /// The conversation is as it was before.
    NotYet,
    /// The follow-up is the next thing a user said.
    Sent,
    /// Something else is, or what was said before is gone.
    Otherwise,
    /// It cannot be told.
    Unknown(String),
}

impl Work<'_, '_> {
    /// Sends a follow-up, if the conversation is still what the plan saw and the deployment is idle.
    pub(super) async fn follow_up(
        &self,
        step: &Step,
        run: &DeploymentId,
        prompt: &str,
        turns: &[Arc<str>],
    ) -> Ended<StepOutcome> {
        self.check_unsent(run, prompt, turns).await?;
        let deployment =
            step.deployment.as_ref().expect("a follow-up has the key of its deployment");
        self.note(async |ledger, now| ledger.starting(&step.key, deployment, now).await).await?;
        let answer = self.effects.client.prompt_deployment(run, prompt).await;
        let lost = self.take_once(step, answer).await?.err();
        // Answered or not, it is done once it can be read: the next plan goes by that alone.
        let first = if lost.is_none() { Duration::ZERO } else { Duration::from_secs(1) };
        let Err(why) = self.until_read(step, run, prompt, turns, first).await else {
            self.note_answered(step, None).await;
            let found = lost.map(|lost| {
                let message = format!("the follow-up was found after its answer was lost ({lost})");
                Diagnostic::note(Code::Settled, message)
            });
            let notes = found.into_iter().collect();
            return Ok(StepOutcome::Done(Done {
                deployment: Some(run.clone()),
                notes,
                ..Done::default()
            }));
        };
        let message = match lost {
            Some(lost) => {
                format!("whether deployment {run} was sent it is unknown ({lost}); {why}")
            }
            None => format!("deployment {run} took it, and it cannot be read yet: {why}"),
        };
        let way = format!(
            "look at deployment {run} in the web interface before `qcops plan`: it sends the follow-up only \
             if the conversation does not show it"
        );
        Err(unsettled(message, way))
    }

    /// Refuses to send a follow-up to a deployment that is not idle, or whose conversation is not what the
    /// plan saw.
    async fn check_unsent(
        &self,
        run: &DeploymentId,
        prompt: &str,
        turns: &[Arc<str>],
    ) -> Ended<()> {
        let client = self.effects.client;
        let status = self.read(client.read_deployment(run).await)?.status;
        if status != Status::Completed {
            return Err(changed(format!("deployment {run} is {status} and no longer idle")));
        }
        let transcript = self.read(client.read_conversation(run).await)?;
        Err(changed(match seen(&transcript, turns, prompt) {
            Seen::NotYet => return Ok(()),
            Seen::Sent => format!("deployment {run} was sent it meanwhile"),
            Seen::Otherwise => format!("somebody has spoken in deployment {run} meanwhile"),
            Seen::Unknown(why) => {
                format!("what was said in deployment {run} is no longer known: {why}")
            }
        }))
    }

    /// Waits until a conversation shows a follow-up, or says why it does not.
    async fn until_read(
        &self,
        step: &Step,
        run: &DeploymentId,
        prompt: &str,
        turns: &[Arc<str>],
        first: Duration,
    ) -> Result<(), String> {
        let mut why = "it is not in the conversation".to_owned();
        for delay in std::iter::once(&first).chain(&self.settings.settle_delays) {
            if !delay.is_zero() {
                self.wait(step, *delay).await;
            }
            let read = self.effects.client.read_conversation(run).await;
            let CallOutcome::Done(transcript) = read else { continue };
            match seen(&transcript, turns, prompt) {
                Seen::Sent => return Ok(()),
                Seen::NotYet => {}
                Seen::Otherwise => {
                    "the conversation holds something else instead".clone_into(&mut why);
                }
                Seen::Unknown(words) => why = words,
            }
        }
        Err(why)
    }

    /// Stops a deployment and waits until it shows; one that has ended by itself is done too.
    pub(super) async fn stop_run(&self, step: &Step, run: &DeploymentId) -> Ended<StepOutcome> {
        let done = || {
            let deployment = Some(run.clone());
            Ok(StepOutcome::Done(Done { deployment, ..Done::default() }))
        };
        let client = self.effects.client;
        if self.read(client.read_deployment(run).await)?.status.is_terminal() {
            return done();
        }
        let mut doubt = "it is still active".to_owned();
        let delays = std::iter::once(&Duration::ZERO).chain(&self.settings.settle_delays);
        for (number, delay) in delays.enumerate() {
            if !delay.is_zero() {
                self.wait(step, *delay).await;
            }
            // Asked again a few times, because stopping twice is stopping once.
            if number < 3 {
                match client.stop_deployment(run).await {
                    CallOutcome::Done(()) => {}
                    CallOutcome::Refused(error) => {
                        let read = self.read(client.read_deployment(run).await)?;
                        if read.status.is_terminal() || number > 0 {
                            continue;
                        }
                        return Err(self.refused(&error));
                    }
                    CallOutcome::NotProcessed(error) => {
                        return Err(failed(Code::NotProcessed, &error));
                    }
                    CallOutcome::Unknown(error) => doubt = with_causes(&error),
                }
            }
            if let CallOutcome::Done(seen) = client.read_deployment(run).await
                && seen.status.is_terminal()
            {
                return done();
            }
        }
        let message = format!("whether deployment {run} is stopped is unknown ({doubt})");
        Err(unsettled(
            message,
            "`qcops plan`: it shows whether the deployment is still active".to_owned(),
        ))
    }
}

/// Compares a conversation with what users had said before, and the prompt after it.
fn seen(transcript: &Transcript, turns: &[Arc<str>], prompt: &str) -> Seen {
    let now = match transcript.user_turns() {
        Ok(now) => now,
        Err(why) => return Seen::Unknown(why),
    };
    let is_kept =
        now.len() >= turns.len() && now.iter().zip(turns).all(|(now, before)| now.text == *before);
    match now.get(turns.len()) {
        _ if !is_kept => Seen::Otherwise,
        None => Seen::NotYet,
        Some(next) if *next.text == *prompt => Seen::Sent,
        Some(_) => Seen::Otherwise,
    }
}
