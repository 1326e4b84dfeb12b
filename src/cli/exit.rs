//! The exit codes, each documented in the README.

use std::process::ExitCode;

/// How a command ended. Where several hold, the first in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Usage, manifest, credentials, another organization, service; nothing was changed.
    Error,
    /// Somebody interrupted it.
    Interrupted,
    /// The plan is stale, its file was edited or is another's.
    Stale,
    /// The outcome of a request is unknown, or candidates cannot be told apart.
    Unknown,
    /// Partly applied; running it again converges.
    Partial,
    /// Something is blocked or needs approval.
    Blocked,
    /// Reconciled, but a deployment failed what was expected of it, or its limits.
    Expectation,
    /// Changes are present; only with `--detailed-exitcode`.
    Changes,
    /// Success.
    Success,
}

impl Exit {
    /// Every way to end with the sentence that documents it, in the order in which they count.
    pub const ALL: [(Self, &'static str); 9] = [
        (
            Self::Error,
            "wrong usage, manifest, credentials or organization, or no service; nothing was changed",
        ),
        (Self::Interrupted, "interrupted"),
        (
            Self::Stale,
            "the reviewed plan is stale, or its file was edited or is for another organization",
        ),
        (
            Self::Unknown,
            "the outcome of a request is unknown, or several resources match equally well",
        ),
        (Self::Partial, "some steps failed; another apply finishes those that the service accepts"),
        (
            Self::Blocked,
            "a step is blocked or needs approval, or `doctor` warns; `plan` exits with it too",
        ),
        (Self::Expectation, "applied, but a deployment failed its expectation or its time limit"),
        (Self::Changes, "the plan has changes; only with `--detailed-exitcode`"),
        (Self::Success, "success, for `plan` with or without changes; deferred steps do not count"),
    ];

    /// Returns the number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Blocked => 3,
            Self::Partial => 4,
            Self::Unknown => 5,
            Self::Expectation => 7,
            Self::Stale => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
