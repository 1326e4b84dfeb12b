//! Whose field something is.

use std::fmt;

/// Whose field it is, as findings name it.
#[derive(Clone, Copy)]
pub(super) enum Owner<'k> {
    /// The top level.
    Manifest,
    /// A file of variables.
    VarFile,
    /// An environment, by its name.
    Environment(&'k str),
    /// `defaults`.
    Defaults,
    /// A task, by its key.
    Task(&'k str),
    /// An agent, by its key.
    Agent(&'k str),
    /// A deployment, by its key.
    Deployment(&'k str, &'k Owner<'k>),
    /// A mapping inside of one, by the name of its field.
    Inside(&'static str, &'k Owner<'k>),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("the manifest"),
            Self::VarFile => f.write_str("the file of variables"),
            Self::Environment(name) => write!(f, "environment `{name}`"),
            Self::Defaults => f.write_str("`defaults`"),
            Self::Task(key) => write!(f, "task `{key}`"),
            Self::Agent(key) => write!(f, "agent `{key}`"),
            Self::Deployment(key, of) => write!(f, "deployment `{key}` of {of}"),
            Self::Inside(field, of) => write!(f, "`{field}` of {of}"),
        }
    }
}
