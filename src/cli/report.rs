//! What an apply leaves behind: its files, and the exit code of what it did.

use crate::cli::args::WaitingArgs;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{ApplyFormat, Planning};
use crate::cli::format::Output;
use crate::cli::output::{self, Layout};
use crate::cli::terminal;
use crate::diag::Code;
use crate::event::{Outcome, StepOutcome};
use crate::plan::Plan;
use crate::render;
use crate::render::html::Applied;

/// How a plan is reported, and whether its deployments are waited for.
#[derive(Clone, Copy)]
pub(super) struct OutputOptions<'a> {
    /// How files are written.
    pub(super) shape: Layout,
    /// How the plan was written, and the result is.
    pub(super) format: ApplyFormat,
    /// What was asked for, and how plans are made meanwhile.
    pub(super) waiting: Option<(&'a WaitingArgs, &'a Planning)>,
    /// The files that are written.
    pub(super) outputs: &'a [Output],
}

impl OutputOptions<'_> {
    /// Writes the document of no deployment where it ends before the waiting: whoever reads it parses it.
    pub(super) fn show_no_runs(self, plan: &Plan) -> Result<(), CommandError> {
        if self.format == ApplyFormat::Junit {
            terminal::stream(|out| render::deployments::junit(&[], &plan.gaps, out))?;
        }
        Ok(())
    }

    /// Writes every file as a whole, readable by its owner alone; anew once the deployments that
    /// are waited for have ended.
    pub(super) async fn write_reports(
        self,
        context: &Context,
        applied: Applied<'_>,
    ) -> Result<(), CommandError> {
        let written = output::write_apply(context, self.outputs, self.shape, applied).await;
        written.map_err(|error| {
            let mut error = error.help("what was done stands above");
            // Something was done, and a re-run finds it; only the report is missing.
            let is_undone = applied.outcome.steps.is_empty();
            error.exit = if is_undone { Exit::Error } else { Exit::Partial };
            error
        })
    }
}

/// The result of a plan while no deployment has been waited for.
pub(super) fn before_waiting<'a>(plan: &'a Plan, outcome: &'a Outcome) -> Applied<'a> {
    Applied { plan, outcome, runs: &[] }
}

/// Says that a result could not be written, which undoes nothing that was done.
pub(super) fn told(context: &Context, written: Result<(), CommandError>) -> Exit {
    match written {
        Ok(()) => Exit::Success,
        Err(error) => {
            context.terminal.error(&error.message, &error.help);
            Exit::Partial
        }
    }
}

/// How an apply ended.
pub(super) fn exit_of(plan: &Plan, outcome: &Outcome) -> Exit {
    let is_unclear = |ended: &StepOutcome| matches!(ended, StepOutcome::Unknown(_));
    let is_done = |ended: &StepOutcome| matches!(ended, StepOutcome::Done(_));
    // The request was carried out, though not as it was sent.
    let is_altered = |ended: &StepOutcome| {
        matches!(ended, StepOutcome::Failed(finding)
            if matches!(finding.code, Code::NoEffect | Code::ReadBackDiffers))
    };
    let done = outcome.count(is_done);
    if outcome.is_interrupted {
        Exit::Interrupted
    } else if outcome.count(is_unclear) > 0 {
        Exit::Unknown
    } else if done == plan.ready_steps().count() {
        Exit::Success
    } else if done == 0 && outcome.count(is_altered) == 0 {
        Exit::Error
    } else {
        Exit::Partial
    }
}
