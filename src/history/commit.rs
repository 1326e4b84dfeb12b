//! A commit as the walk through history hands it on.

use crate::history::objects::Oid;

/// A commit that touched what a walk looks at.
pub(super) struct Commit {
    /// Its name.
    pub(super) id: String,
    /// Its tree.
    pub(super) tree: Oid,
    /// Those it follows.
    pub(super) parents: Vec<Oid>,
}
