//! The verbs of a plan.

use std::fmt;

/// What a step does; the data of the change is in the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A task is made.
    Create,
    /// A task gets another name.
    Rename,
    /// An archived task becomes the current one again, by renaming it.
    Restore,
    /// A new task takes the place of an old one, which is then retired.
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
    /// Nothing to do.
    NoChange,
}

impl Action {
    /// Every action, in the order in which summaries list them.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Rename,
        Self::Restore,
        Self::Replace,
        Self::Archive,
        Self::Delete,
        Self::Deploy,
        Self::Prompt,
        Self::Stop,
        Self::NoChange,
    ];

    /// Returns the verb, in the form `will be <participle>`.
    pub fn participle(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Rename => "renamed",
            Self::Restore => "restored",
            Self::Replace => "replaced",
            Self::Archive => "archived",
            Self::Delete => "deleted",
            Self::Deploy => "deployed",
            Self::Prompt => "prompted",
            Self::Stop => "stopped",
            Self::NoChange => "left unchanged",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Restore => "restore",
            Self::Replace => "replace",
            Self::Archive => "archive",
            Self::Delete => "delete",
            Self::Deploy => "deploy",
            Self::Prompt => "prompt",
            Self::Stop => "stop",
            Self::NoChange => "unchanged",
        })
    }
}
