//! The verbs of a plan.

use std::fmt;

/// What a step does; the data of the change is in the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A task is made.
    Create,
    /// Fields of a resource change in place.
    Update,
    /// An archived task becomes the current one again, by renaming it.
    Restore,
    /// A new task takes the place of an old one, which is then removed.
    Replace,
    /// A task is kept under an archived name.
    Archive,
    /// A task that holds nothing is deleted.
    Delete,
    /// A deployment is started.
    Deploy,
    /// A prompt is sent to a deployment.
    Prompt,
    /// A deployment is stopped.
    Stop,
    /// What is to be done cannot be decided.
    Undecided,
    /// Nothing to do.
    NoChange,
}

impl Action {
    /// Every action, in the order in which summaries list them.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Update,
        Self::Restore,
        Self::Replace,
        Self::Archive,
        Self::Delete,
        Self::Deploy,
        Self::Prompt,
        Self::Stop,
        Self::Undecided,
        Self::NoChange,
    ];

    /// Returns the verb, in the form `will be <participle>`.
    pub fn participle(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update => "updated in place",
            Self::Restore => "restored",
            Self::Replace => "replaced",
            Self::Archive => "archived",
            Self::Delete => "deleted",
            Self::Deploy => "deployed",
            Self::Prompt => "prompted",
            Self::Stop => "stopped",
            Self::Undecided => "decided by you",
            Self::NoChange => "left unchanged",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Restore => "restore",
            Self::Replace => "replace",
            Self::Archive => "archive",
            Self::Delete => "delete",
            Self::Deploy => "deploy",
            Self::Prompt => "prompt",
            Self::Stop => "stop",
            Self::Undecided => "undecided",
            Self::NoChange => "unchanged",
        })
    }
}
