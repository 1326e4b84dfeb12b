//! What became of a request, in the words of findings.

use crate::api::{Answer, Trouble};
use crate::apply::Work;
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::StepOutcome;

/// A request that certainly changed nothing.
pub(super) fn failed(code: Code, trouble: &Trouble) -> StepOutcome {
    let way = match code {
        Code::NotProcessed => "run this again later; nothing was changed by this step",
        _ => "nothing was changed by this step; run this again once the cause is mended",
    };
    StepOutcome::Failed(Diagnostic::error(code, with_causes(trouble)).help(way))
}

/// A request whose effect is unknown.
pub(super) fn unclear(message: String, way: String) -> StepOutcome {
    StepOutcome::Unclear(Diagnostic::error(Code::OutcomeUnknown, message).help(way))
}

/// The world is no longer as the plan saw it.
pub(super) fn changed(message: String) -> StepOutcome {
    StepOutcome::Failed(
        Diagnostic::error(Code::ChangedSincePlan, message)
            .help("plan again and look at what changed"),
    )
}

impl Work<'_, '_> {
    /// Takes what a read brought; a read that failed ends the step.
    pub(super) fn read<T>(&self, answer: Answer<T>) -> Result<T, StepOutcome> {
        match answer {
            Answer::Done(value) => Ok(value),
            Answer::Refused(trouble) => Err(self.refused(&trouble)),
            Answer::NotProcessed(trouble) | Answer::Unclear(trouble) => {
                Err(failed(Code::NotProcessed, &trouble))
            }
        }
    }

    /// A definite refusal; refused credentials end the whole apply.
    pub(super) fn refused(&self, trouble: &Trouble) -> StepOutcome {
        if trouble.is_auth() {
            self.halt();
            *self.is_locked_out.borrow_mut() = true;
        }
        failed(Code::Refused, trouble)
    }
}
