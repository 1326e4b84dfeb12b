//! The end of the waiting: what is still to be read is read, and every deployment is judged.

use super::{Waited, Watching, read};
use crate::api::CallOutcome;
use crate::event::{DeploymentEnd, DeploymentReport};
use crate::observed::Status;
use crate::transcript::Expectation;

impl Watching<'_, '_> {
    /// Reads what is still to be read and checks what is expected.
    pub(super) async fn finish(self) -> Waited {
        let mut reports = Vec::with_capacity(self.runs.len());
        for run in self.runs {
            let expect = run.watch.expect.as_ref();
            let needs = expect.is_some_and(Expectation::needs_transcript);
            let is_wanted = run.is_ours || needs || self.waiting.keeps_transcripts;
            let was_stopped = matches!(
                run.end,
                Some(
                    DeploymentEnd::TimedOut { .. }
                        | DeploymentEnd::WaitOver { .. }
                        | DeploymentEnd::OverBudget { .. }
                )
            );
            let client = self.effects.client;
            let mut status = run.status;
            if was_stopped && let CallOutcome::Done(seen) = client.read_deployment(&run.id).await {
                status = Some(seen.status);
            }
            let transcript = match run.transcript {
                Some(Ok(transcript)) if !was_stopped => Ok(transcript),
                _ if !is_wanted => Err("it was not read".to_owned()),
                _ => read(self.effects, &run.id).await,
            };
            let end = run.end.unwrap_or(DeploymentEnd::NotFollowed);
            let word = status.as_ref().map_or_else(|| "unknown".to_owned(), Status::to_string);
            let shown = transcript.as_ref().map_err(String::as_str);
            let failures = match (expect, &end) {
                // A deployment that is still at work, or that nobody could look at, is not judged.
                (_, DeploymentEnd::NotFollowed | DeploymentEnd::Lost(_)) => Vec::new(),
                (Some(expect), _) => expect.check(&word, shown),
                (None, _) if run.is_ours => {
                    let status = Some(Status::Completed.to_string());
                    Expectation { status, ..Expectation::default() }.check(&word, shown)
                }
                (None, _) => Vec::new(),
            };
            reports.push(DeploymentReport {
                key: run.watch.key.clone(),
                deployment: run.watch.deployment.clone(),
                id: run.id,
                status: word,
                is_ours: run.is_ours,
                missing: run.approved.len(),
                end,
                failures,
                transcript,
                waited: run.waited,
            });
        }
        reports.sort_by(|a, b| (&a.key, &a.deployment).cmp(&(&b.key, &b.deployment)));
        Waited { reports, rounds: self.rounds }
    }
}
