//! What apply says while it works, and how it ended.
//!
//! `apply` prints nothing: progress on a terminal, log lines, the summary and reports are consumers
//! of these values.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::diag::Diagnostic;
use crate::model::{DeploymentId, TaskId};
use crate::plan::{Step, StepId};

/// Something that happened, as it happens.
#[derive(Clone, Debug)]
pub enum Event<'p> {
    /// A step has begun.
    Started(&'p Step),
    /// An answer was unclear; the service is looked at again after a while.
    Settling {
        /// The step whose request it was.
        step: &'p Step,
        /// How long until the next look.
        looking_again_in: Duration,
    },
    /// A step has ended.
    Finished(&'p Step, &'p StepOutcome),
}

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It is done and was read back.
    Done(Done),
    /// The service refused it, or did not process it in time; nothing is unclear.
    Failed(Diagnostic),
    /// It had to wait for a step that did not end well.
    Skipped(StepId),
    /// Whether it took effect is unknown, and a person has to look.
    Unclear(Diagnostic),
    /// Apply was interrupted before it began.
    NotStarted,
}

/// What a step that was done has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The task it made or changed.
    pub task: Option<TaskId>,
    /// The deployment it started.
    pub deployment: Option<DeploymentId>,
    /// What is worth knowing, such as an answer that was lost and settled.
    pub notes: Vec<Diagnostic>,
}

/// How an apply ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every open step of the plan.
    pub steps: BTreeMap<StepId, StepOutcome>,
    /// Whether somebody interrupted it.
    pub is_interrupted: bool,
}

impl Outcome {
    /// How many steps ended in a way.
    pub fn count(&self, is_meant: impl Fn(&StepOutcome) -> bool) -> usize {
        self.steps.values().filter(|outcome| is_meant(outcome)).count()
    }
}
