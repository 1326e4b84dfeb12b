//! Histories that begin with a root commit of their own, beside that of `HEAD`.
//!
//! After `git checkout --orphan`, or where the history was squashed into a new first commit, what was
//! declared before is on other branches and tags alone. A branch that is only not merged yet has its
//! beginning in common with `HEAD` and is none of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;

use crate::files::read_input;
use crate::history::checkout::GitFolders;
use crate::history::git::{Git, GitError};
use crate::history::likeness::{is_of_ours, is_yaml};
use crate::history::objects::{Objects, Oid, tree_files};

/// All that is named, but for what `git stash`, `git notes` and `git replace` keep aside.
const REFERENCES: [&str; 4] =
    ["--exclude=refs/stash", "--exclude=refs/notes/*", "--exclude=refs/replace/*", "--all"];

/// The largest file of references that is read; with a larger one Git is asked.
const LARGEST: u64 = 4 << 20;

/// How many ends of separate histories are looked into.
const MOST_ENDS: usize = 60;

/// A search for root commits that the walk does not reach, which goes on beside the walk.
pub(super) struct Separate {
    child: Child,
    starts: Vec<String>,
}

impl Separate {
    /// Begins the search, where anything else is named than what the walk begins with.
    pub(super) fn search(
        git: &Git,
        folders: &GitFolders,
        starts: &[String],
    ) -> Result<Option<Self>, GitError> {
        if !names_more(&folders.common, starts) {
            return Ok(None);
        }
        let starts = starts.to_vec();
        let child = git.converse(&listing(&starts, &["--max-parents=0"]))?;
        Ok(Some(Self { child, starts }))
    }

    /// Returns the name of a separate history that holds manifests, if there is one.
    pub(super) fn find(
        self,
        git: &Git,
        objects: &mut Objects,
        manifests: &[String],
    ) -> Result<Option<String>, GitError> {
        let Self { child, starts } = self;
        let roots = child.wait_with_output().map_err(GitError::Io)?;
        if roots.status.success() && roots.stdout.is_empty() {
            return Ok(None);
        }
        // Asked again where that failed, for what Git says of it.
        let listed = git.run(&listing(&starts, &["--topo-order", "--reverse", "--parents"]))?;
        let listed = String::from_utf8_lossy(&listed);
        let (commits, ends) = separate(&listed);
        let mut arguments = listing(&starts, &["--full-history"]);
        arguments.push("--");
        arguments.extend(manifests.iter().map(String::as_str));
        let touching = git.run(&arguments)?;
        let touching = String::from_utf8_lossy(&touching);
        if let Some(commit) = touching.lines().find(|commit| commits.contains(*commit)) {
            return name(git, commit).map(Some);
        }
        // The manifests may have been called otherwise.
        for end in ends.iter().take(MOST_ENDS) {
            if ends.len() > MOST_ENDS || holds_manifest(git, objects, end)? {
                return name(git, end).map(Some);
            }
        }
        Ok(None)
    }
}

/// Whether a repository names other commits than these, or it cannot be told from its files.
fn names_more(common: &Path, commits: &[String]) -> bool {
    let is_more =
        |name: &str| !name.starts_with("ref: ") && !commits.iter().any(|known| known == name);
    let packed = match read_input(&common.join("packed-refs"), LARGEST) {
        Ok(packed) => packed.unwrap_or_default(),
        Err(_) => return true,
    };
    let packed = String::from_utf8_lossy(&packed);
    let mut lines = packed.lines().filter(|line| !line.starts_with(['#', '^']));
    if lines.any(|line| line.split(' ').next().is_some_and(is_more)) {
        return true;
    }
    let mut folders = vec![common.join("refs")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { return true };
        for entry in entries {
            let Ok(path) = entry.map(|entry| entry.path()) else { return true };
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = read_input(&path, LARGEST).ok().flatten().unwrap_or_default();
            if is_more(String::from_utf8_lossy(&text).trim_end()) {
                return true;
            }
        }
    }
    common.join("reftable").exists()
}

fn listing<'a>(starts: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["rev-list"];
    arguments.extend(more);
    arguments.extend(REFERENCES);
    arguments.push("--not");
    arguments.extend(starts.iter().map(String::as_str));
    arguments
}

/// Returns the commits that share no commit with what is walked, and those of them that no other one
/// follows. Each line is a commit and its parents, which come before it if they are listed at all.
fn separate(listed: &str) -> (BTreeSet<&str>, Vec<&str>) {
    let mut commits: BTreeSet<&str> = BTreeSet::new();
    let mut ends = BTreeSet::new();
    for line in listed.lines() {
        let mut words = line.split(' ');
        let Some(commit) = words.next() else { continue };
        let parents: Vec<&str> = words.collect();
        if parents.iter().all(|parent| commits.contains(parent)) {
            commits.insert(commit);
            ends.insert(commit);
            for parent in parents {
                ends.remove(parent);
            }
        }
    }
    (commits, ends.into_iter().collect())
}

/// Whether any file of a commit is a manifest.
fn holds_manifest(git: &Git, objects: &mut Objects, commit: &str) -> Result<bool, GitError> {
    let files = tree_files(git, commit)?.into_iter().filter(|(path, _)| is_yaml(path));
    let blobs: Vec<Oid> = files.map(|(_, blob)| blob).collect();
    let texts = objects.read(&blobs)?;
    // One that cannot be read may be one.
    Ok(texts
        .iter()
        .any(|text| text.as_ref().map_or(true, |text| is_of_ours(&String::from_utf8_lossy(text)))))
}

/// Names what leads to a commit: a branch, a tag, or the commit itself where that has an odd name.
fn name(git: &Git, commit: &str) -> Result<String, GitError> {
    let contains = format!("--contains={commit}");
    let listed =
        git.run(&["for-each-ref", "--format=%(refname)", "--sort=-creatordate", &contains])?;
    let listed = String::from_utf8_lossy(&listed);
    let is_plain = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    let names = listed.lines().filter(|name| !name.ends_with("/HEAD")).find(is_plain);
    let short = |name: &str| {
        let kinds = ["refs/heads/", "refs/remotes/", "refs/tags/"];
        let short = kinds.iter().find_map(|kind| name.strip_prefix(kind));
        short.unwrap_or(name).to_owned()
    };
    Ok(names.map_or_else(|| commit.to_owned(), short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shares_no_commit_with_the_walk_is_separate() {
        // Commits that the walk does not reach, each with its parents; which are separate, which are ends.
        let table = [
            ("", "", ""),
            ("a main", "", ""),
            ("a main\nb a", "", ""),
            ("r\na r\nb a", "a b r", "b"),
            ("r\na r\nb r", "a b r", "a b"),
            ("r\na r\nm a main\nb m", "a r", "a"),
            ("r\ns\nm r s\nf main", "m r s", "m"),
        ];
        for (listed, commits, ends) in table {
            let (found, last) = separate(listed);
            let found: Vec<&str> = found.into_iter().collect();
            assert_eq!(
                (found.join(" "), last.join(" ")),
                (commits.into(), ends.into()),
                "{listed}"
            );
        }
    }
}
