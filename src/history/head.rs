//! What `HEAD` leads to: a commit, provably nothing yet, or something that cannot be read.
//!
//! Git answers "no such commit" to all three. Only a repository without a trace of any commit has
//! nothing committed; every other answer is a gap.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diag::{GapReason, Lost};
use crate::files::read_input;
use crate::history::checkout::GitFolders;
use crate::history::git::Git;
use crate::history::objects::Oid;

/// The largest file of Git's own that is read here.
const LARGEST: u64 = 64 << 20;

/// What `HEAD` leads to.
#[derive(Debug)]
pub(super) enum HeadCommit {
    /// This commit.
    Commit(Oid),
    /// Nothing: no commit was ever made here.
    Unborn,
    /// What cannot be read.
    Gap(GapReason),
}

/// Finds out what `HEAD` leads to.
pub(super) fn head(git: &Git, folders: &GitFolders) -> HeadCommit {
    if let Some(commit) = resolve(git, "HEAD") {
        return HeadCommit::Commit(commit);
    }
    let branch = git.run(&["symbolic-ref", "--quiet", "HEAD"]).ok();
    let branch = branch.map(|name| String::from_utf8_lossy(&name).trim().to_owned());
    let unreadable =
        |head: String| HeadCommit::Gap(GapReason::HeadUnreadable { head, lost: lost(folders) });
    let Some(branch) = branch else {
        let held = read_input(&folders.own.join("HEAD"), LARGEST).ok().flatten();
        let held = held.unwrap_or_default();
        return unreadable(String::from_utf8_lossy(&held).trim().chars().take(64).collect());
    };
    let short = branch.strip_prefix("refs/heads/").unwrap_or(&branch).to_owned();
    if is_listed(folders, &branch) {
        unreadable(short)
    } else if has_traces(git, folders) {
        HeadCommit::Gap(GapReason::NoCommitOnBranch { branch: short })
    } else {
        HeadCommit::Unborn
    }
}

/// Returns the commit that a revision names.
pub(super) fn resolve(git: &Git, revision: &str) -> Option<Oid> {
    let asked = format!("{revision}^{{commit}}");
    let answer = git.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &asked]).ok()?;
    Oid::from_hex(String::from_utf8(answer).ok()?.trim())
}

/// Says why objects of a repository are not there.
pub(super) fn lost(folders: &GitFolders) -> Lost {
    if let Some(path) = missing_alternate(folders) {
        return Lost::Alternates(path);
    }
    if is_partial(folders) { Lost::PartialClone } else { Lost::Damaged }
}

/// Whether commits are replaced or cut off: then what is walked is not what was committed.
pub(super) fn has_replacements(git: &Git, folders: &GitFolders) -> bool {
    let grafts = content(&folders.common.join("info/grafts"));
    let has_grafts = grafts.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    // Only a repository of the newer kind does not show its references as files.
    let has_references = if folders.common.join("reftable").is_dir() {
        holds_ref(git, "refs/replace/")
    } else {
        holds_file(&folders.common.join("refs/replace"))
            || content(&folders.common.join("packed-refs")).contains(" refs/replace/")
    };
    has_grafts || has_references
}

/// Whether there is a reference below a prefix, however references are stored, or it cannot be told.
fn holds_ref(git: &Git, prefix: &str) -> bool {
    let listed = git.run(&["for-each-ref", "--count=1", prefix]);
    listed.map_or(true, |listed| !listed.is_empty())
}

/// A folder whose objects the repository borrows, and that is not there.
fn missing_alternate(folders: &GitFolders) -> Option<PathBuf> {
    let objects = folders.common.join("objects");
    let listed = content(&objects.join("info/alternates"));
    let paths = listed.lines().map(str::trim).filter(|line| !line.is_empty());
    let paths = paths.filter(|line| !line.starts_with('#'));
    let mut paths = paths.map(|line| objects.join(line.trim_matches('"')));
    paths.find(|path| !path.is_dir())
}

/// Whether Git fetches contents only when they are read.
pub(super) fn is_partial(folders: &GitFolders) -> bool {
    let config = content(&folders.common.join("config")).to_ascii_lowercase();
    let has_setting = ["promisor", "partialclone"].iter().any(|word| config.contains(word));
    let packs = fs::read_dir(folders.common.join("objects/pack")).into_iter().flatten().flatten();
    let mut names = packs.map(|entry| entry.file_name());
    has_setting || names.any(|name| Path::new(&name).extension().is_some_and(|e| e == "promisor"))
}

/// Whether the repository holds this branch, readable or not.
fn is_listed(folders: &GitFolders, branch: &str) -> bool {
    let is_file = |folder: &Path| match fs::symlink_metadata(folder.join(branch)) {
        Ok(found) => !found.is_dir(),
        Err(error) => !is_absent(&error),
    };
    let in_packed = || {
        let ending = format!(" {branch}");
        content(&folders.common.join("packed-refs")).lines().any(|line| line.ends_with(&ending))
    };
    is_file(&folders.common) || is_file(&folders.own) || in_packed()
}

/// Whether anything says that a commit was ever made or fetched here.
fn has_traces(git: &Git, folders: &GitFolders) -> bool {
    let GitFolders { own, common } = folders;
    let exists =
        |path: PathBuf| fs::symlink_metadata(path).map_or_else(|e| !is_absent(&e), |_| true);
    // With this backend, the files below `refs` only keep older programs away.
    let refs = if exists(common.join("reftable")) {
        holds_ref(git, "refs/")
    } else {
        holds_file(&common.join("refs"))
    };
    // A fetch that found nothing leaves an empty one behind.
    let is_filled =
        |path: PathBuf| fs::symlink_metadata(path).map_or_else(|e| !is_absent(&e), |f| f.len() > 0);
    let left = ["ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "logs/HEAD"].map(|name| own.join(name));
    refs || exists(common.join("packed-refs"))
        || exists(common.join("shallow"))
        || holds_file(&common.join("logs"))
        || left.into_iter().any(is_filled)
        || holds_file(&common.join("objects/pack"))
        || missing_alternate(folders).is_some()
        || has_commits(git)
}

/// Whether any object is a commit; what was only staged is none.
fn has_commits(git: &Git) -> bool {
    let asked = ["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"];
    git.run(&asked).map_or(true, |types| types.windows(6).any(|word| word == b"commit"))
}

/// Whether there is any file in a folder, or it cannot be told.
fn holds_file(folder: &Path) -> bool {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return !is_absent(&error),
    };
    for entry in entries {
        let Ok(entry) = entry else { return true };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || holds_file(&entry.path()) {
            return true;
        }
    }
    false
}

/// Whether there is no such file, rather than one that cannot be looked at.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A file of Git's own; empty where there is none.
fn content(path: &Path) -> String {
    let bytes = read_input(path, LARGEST).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
