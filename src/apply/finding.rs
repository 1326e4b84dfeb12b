//! The result of a request, in the words of findings.

use crate::api::{ApiError, CallOutcome};
use crate::apply::Work;
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{HaltReason, StepOutcome};
use crate::store::StoreError;

/// A request that certainly changed nothing.
pub(super) fn failed(code: Code, error: &ApiError) -> StepOutcome {
    let way = match code {
        Code::NotProcessed => "run this again later; nothing was changed by this step",
        _ => "nothing was changed by this step; run this again once the cause is mended",
    };
    StepOutcome::Failed(Diagnostic::error(code, with_causes(error)).help(way))
}

/// A request whose effect is unknown.
pub(super) fn unsettled(message: String, way: String) -> StepOutcome {
    StepOutcome::Unknown(Diagnostic::error(Code::OutcomeUnknown, message).help(way))
}

/// A request that was answered as done, and reading shows that it was not.
pub(super) fn no_effect(what: &str) -> StepOutcome {
    let message = format!("the service answered that {what}");
    let way = "run this again; where that does not help, make the change in the web interface";
    StepOutcome::Failed(Diagnostic::error(Code::NoEffect, message).help(way))
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
    pub(super) fn read<T>(&self, answer: CallOutcome<T>) -> Result<T, StepOutcome> {
        match answer {
            CallOutcome::Done(value) => Ok(value),
            CallOutcome::Refused(error) => Err(self.refused(&error)),
            CallOutcome::NotProcessed(error) | CallOutcome::Unknown(error) => {
                Err(failed(Code::NotProcessed, &error))
            }
        }
    }

    /// A definite refusal; refused credentials end the whole apply.
    pub(super) fn refused(&self, error: &ApiError) -> StepOutcome {
        if error.is_auth() {
            self.halt(HaltReason::CredentialsRefused);
            *self.is_locked_out.borrow_mut() = true;
        }
        failed(Code::Refused, error)
    }
}

/// Says that the ledger cannot be used, so that nothing was sent.
pub(super) fn not_recorded(error: &StoreError) -> Diagnostic {
    let finding = Diagnostic::error(Code::NotRecorded, with_causes(error));
    finding.help(match error {
        StoreError::Files(_) => "make `.qcops/` readable and writable, and run this again",
        _ => "check that the store can be reached, and run this again: nothing was sent",
    })
}

/// Says that something exists of which the ledger does not say so: that costs a proof, and no more.
pub(super) fn not_noted(what: &str, error: &StoreError) -> Diagnostic {
    let message = format!("{what} could not be noted: {}", with_causes(error));
    Diagnostic::note(Code::NotRecorded, message)
}
