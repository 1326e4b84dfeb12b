//! A commit as the walk through history hands it on.

use crate::history::git::{Git, GitError};
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

/// Lists the commits that touched these paths, on any line of descent, the newest first.
pub(super) fn commits(
    git: &Git,
    starts: &[String],
    paths: &[String],
) -> Result<Vec<Commit>, GitError> {
    let mut arguments = vec!["rev-list", "--date-order", "--full-history", "--format=%T %P"];
    arguments.extend(starts.iter().map(String::as_str));
    arguments.push("--");
    arguments.extend(paths.iter().map(String::as_str));
    let answer = git.run(&arguments)?;
    let text = String::from_utf8_lossy(&answer);
    let lines: Vec<&str> = text.lines().collect();
    let commit = |pair: &[&str]| {
        let id = pair.first()?.strip_prefix("commit ")?;
        let mut words = pair.get(1)?.split(' ').filter(|word| !word.is_empty());
        let tree = Oid::from_hex(words.next()?)?;
        let parents = words.map(Oid::from_hex).collect::<Option<Vec<_>>>()?;
        Some(Commit { id: id.to_owned(), tree, parents })
    };
    let found: Option<Vec<Commit>> = lines.chunks(2).map(commit).collect();
    found.ok_or(GitError::Garbled { command: "rev-list" })
}
