//! What happens while observing, planning and applying, and how an apply ended.
//!
//! `apply` prints nothing: progress on a terminal, log lines, the summary and reports are consumers
//! of these values.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::diag::{Diagnostic, Gap};
use crate::model::{AgentId, DeploymentId, Key, TaskId};
use crate::observed::Status;
use crate::plan::{Step, StepId};
use crate::transcript::{Failure, Transcript};

/// Something that happened, as it happens.
#[derive(Clone, Debug)]
pub enum Event<'p> {
    /// Something is wrong with the manifests, or worth knowing about them.
    Findings(&'p [Diagnostic]),
    /// A part of the evidence that cannot be read, and that no plan speaks of unasked.
    Gap(&'p Gap),
    /// A step has begun.
    Started(&'p Step),
    /// An answer was unknown; the service is looked at again after a while.
    Settling {
        /// The step whose request it was.
        step: &'p Step,
        /// How long until the next look.
        checking_again_in: Duration,
    },
    /// A step has ended.
    Finished(&'p Step, &'p StepOutcome),
    /// A deployment that is waited for shows another status.
    Deploy {
        /// Its task.
        key: &'p Key,
        /// Its declared deployment.
        deployment: &'p Key,
        /// The deployment.
        id: &'p DeploymentId,
        /// Its status now.
        status: &'p Status,
        /// How long it was waited for.
        waited: Duration,
    },
    /// How all deployments stand that are waited for, told after every look where that is asked for.
    Standing(&'p [DeploymentProgress]),
}

/// How a deployment stands that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentProgress {
    /// Its task.
    pub key: Key,
    /// Its declared deployment.
    pub deployment: Key,
    /// Its status; none before the first look, and right after a follow-up was sent.
    pub status: Option<Status>,
    /// How long ago it was started.
    pub age: Option<Duration>,
    /// Its tokens, read and written, where its conversation was read.
    pub tokens: Option<u64>,
    /// How many follow-ups are still to be sent.
    pub missing: usize,
    /// Whether it is still waited for.
    pub is_followed: bool,
    /// How long until the next look at it; none while it is looked at.
    pub next_look: Option<Duration>,
}

/// How a deployment that was waited for has ended, and what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentReport {
    /// Its task.
    pub key: Key,
    /// Its declared deployment.
    pub deployment: Key,
    /// The deployment.
    pub id: DeploymentId,
    /// Its last status, in the service's word.
    pub status: String,
    /// Whether this apply has started it.
    pub is_ours: bool,
    /// How many follow-ups were not sent.
    pub missing: usize,
    /// Why it is no longer followed.
    pub end: DeploymentEnd,
    /// What does not hold of what is expected.
    pub failures: Vec<Failure>,
    /// What was said, or why it is not known.
    pub transcript: Result<Transcript, String>,
    /// How long it was waited for.
    pub waited: Duration,
}

/// Why a deployment is no longer followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentEnd {
    /// It came to its end.
    Ended,
    /// It took longer than it may; it was stopped if this apply had started it.
    TimedOut {
        /// How long it may take.
        limit: Duration,
    },
    /// The time of all waiting together was over; it was stopped if this apply had started it and
    /// it was at work.
    WaitOver {
        /// How long the waiting may take.
        limit: Duration,
    },
    /// The deployments of this apply have used up their tokens; it was stopped.
    OverBudget {
        /// The tokens of all deployments of this apply.
        sum: u64,
        /// How many they may use.
        budget: u64,
    },
    /// Its next follow-up cannot be sent; the plan says why.
    Blocked,
    /// It cannot be looked at.
    Lost(String),
    /// Somebody interrupted the waiting; the deployment goes on.
    NotFollowed,
}

impl DeploymentReport {
    /// Whether follow-ups can never be sent any more, because the deployment has ended otherwise than
    /// by an answer.
    pub fn is_cut_short(&self) -> bool {
        let has_answered = self.status == Status::Completed.to_string();
        self.end == DeploymentEnd::Ended && self.missing > 0 && !has_answered
    }

    /// Whether the deployment failed what was expected of it, or its limits, or ended too early.
    pub fn is_failed(&self) -> bool {
        let is_beyond = matches!(
            self.end,
            DeploymentEnd::TimedOut { .. }
                | DeploymentEnd::WaitOver { .. }
                | DeploymentEnd::OverBudget { .. }
                | DeploymentEnd::Lost(_)
        );
        is_beyond || self.is_cut_short() || !self.failures.is_empty()
    }
}

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It is done and was read back.
    Done(Done),
    /// The service refused it, or did not process it in time; nothing is unknown.
    Failed(Diagnostic),
    /// It had to wait for a step that did not end well.
    Skipped(StepId),
    /// Whether it took effect is unknown, and a person has to check.
    Unknown(Diagnostic),
    /// Apply ended before it began.
    NotStarted(HaltReason),
}

/// Why apply begins nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// Somebody interrupted it.
    Interrupted,
    /// The service refused the credentials.
    CredentialsRefused,
    /// Somebody else makes the same at this moment.
    MadeElsewhere,
    /// The service stored something else than was sent.
    StoredDifferently,
    /// What was made could not be read back.
    NotReadBack,
    /// Another apply may have taken the lease.
    LeaseLost,
}

impl HaltReason {
    /// Every code.
    pub const CODES: [&'static str; 6] = [
        "interrupted",
        "credentials-refused",
        "made-elsewhere",
        "stored-differently",
        "not-read-back",
        "lease-lost",
    ];

    /// The stable code in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::CredentialsRefused => "credentials-refused",
            Self::MadeElsewhere => "made-elsewhere",
            Self::StoredDifferently => "stored-differently",
            Self::NotReadBack => "not-read-back",
            Self::LeaseLost => "lease-lost",
        }
    }
}

/// What a step that was done has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The agent it made or changed.
    pub agent: Option<AgentId>,
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
