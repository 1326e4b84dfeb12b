//! What takes the versions of manifests from a walk through history.

use std::collections::BTreeSet;

use crate::history::commit::Commit;
use crate::history::git::GitError;
use crate::history::losses::Losses;
use crate::history::objects::Objects;

/// What takes the versions of manifests, the newest first.
pub(super) trait Collector {
    /// What could not be read so far.
    fn losses(&mut self) -> &mut Losses;

    /// Looks into the manifests of these commits, and returns the files that any of them names.
    fn files(
        &mut self,
        objects: &mut Objects,
        commits: &[Commit],
        paths: &[String],
    ) -> Result<BTreeSet<String>, GitError>;

    /// Takes what a manifest declared as of a commit.
    fn take(&mut self, objects: &mut Objects, commit: &Commit, path: &str) -> Result<(), GitError>;

    /// Whether some of these manifests are still read.
    fn is_reading(&self, paths: &[String]) -> bool;

    /// Notes that a file was committed as another text than was sent; whether it speaks of all keys.
    fn converted(&mut self, path: String, attribute: String, of_all: bool);

    /// Says that what follows is older than a manifest that was moved.
    fn moved(&mut self);
}
