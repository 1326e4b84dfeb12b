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
    /// Reconciled, but a run failed what was expected of it, or its limits.
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
            "usage, manifest, credentials, another organization, service; nothing was changed",
        ),
        (Self::Interrupted, "interrupted"),
        (Self::Stale, "the plan is stale, its file was edited or is another's"),
        (Self::Unknown, "outcome unknown, or candidates that cannot be told apart"),
        (Self::Partial, "partly applied; a re-run converges"),
        (Self::Blocked, "something is blocked or needs approval; `plan` too"),
        (Self::Expectation, "reconciled, but a run failed its expectation or time limit"),
        (Self::Changes, "changes present, only with `--detailed-exitcode`"),
        (Self::Success, "success; for `plan` with or without changes; deferred retires are a note"),
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
