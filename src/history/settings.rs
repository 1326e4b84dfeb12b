//! The settings of the manifests as of the last commit and as of the version before.
//!
//! Asked only where a setting decided something, so that nobody pays for it otherwise. Commits are
//! followed along first parents: where a pull request is merged for a check, the version before is that
//! of the branch it is merged into, however many commits it has.

use std::path::{Path, PathBuf};

use crate::history::Repository;
use crate::history::agents::without_tasks;
use crate::history::earlier::Placeholders;
use crate::history::git::{Git, GitError};
use crate::history::head;
use crate::history::objects::{Objects, Oid};
use crate::history::repository::RepositoryState;
use crate::history::walk::path_in;
use crate::manifest::{self, ExpandInputs, Manifest, ManifestSettings};

/// What was set before.
#[derive(Debug)]
pub enum SettingsBefore {
    /// As of the last commit, and as of the version before; none outside of a repository.
    Known(Vec<ManifestSettings>),
    /// It cannot be read.
    Unknown,
}

/// Reads what earlier versions of these manifests set.
pub fn settings_before(
    repository: &Repository,
    files: &[PathBuf],
    inputs: ExpandInputs<'_>,
) -> SettingsBefore {
    let is_shallow = match &repository.standing {
        RepositoryState::Outside => return SettingsBefore::Known(Vec::new()),
        RepositoryState::Unknown(_) => return SettingsBefore::Unknown,
        RepositoryState::Checkout { shallow, .. } => *shallow,
    };
    let git = &repository.git;
    let Ok(mut objects) = Objects::open(git) else { return SettingsBefore::Unknown };
    let (mut committed, mut before) = (Vec::new(), Vec::new());
    for file in files {
        let Ok(path) = path_in(repository, file) else { return SettingsBefore::Unknown };
        let Ok(commits) = commits(git, &path, is_shallow) else { return SettingsBefore::Unknown };
        for (commit, versions) in commits.into_iter().zip([&mut committed, &mut before]) {
            match commit.map(|commit| version(&mut objects, commit, &path, inputs)) {
                Some(Ok(version)) => versions.extend(version),
                Some(Err(_)) => return SettingsBefore::Unknown,
                None => {}
            }
        }
    }
    let settings = |versions| manifest::merge(versions).0.settings;
    SettingsBefore::Known(vec![settings(committed), settings(before)])
}

/// The last commit, and the one before that which last changed a file.
fn commits(git: &Git, path: &str, is_shallow: bool) -> Result<[Option<Oid>; 2], GitError> {
    let Some(last) = head::resolve(git, "HEAD") else { return Ok([None, None]) };
    let asked = ["rev-list", "--first-parent", "--max-count=1", "HEAD", "--", path];
    let changed = String::from_utf8_lossy(&git.run(&asked)?).trim().to_owned();
    if changed.is_empty() {
        return Ok([Some(last), None]);
    }
    let before = head::resolve(git, &format!("{changed}^1"));
    if before.is_none() && is_shallow {
        return Err(GitError::Missing { what: path.to_owned() });
    }
    Ok([Some(last), before])
}

/// A manifest as of a commit, its tasks left out; none where it was not there.
fn version(
    objects: &mut Objects,
    commit: Oid,
    path: &str,
    inputs: ExpandInputs<'_>,
) -> Result<Option<Manifest>, GitError> {
    let tree = objects.tree_of(commit)?;
    let Some(blob) = objects.find(tree, path)? else { return Ok(None) };
    let lacking = || GitError::Missing { what: path.to_owned() };
    let bytes = objects.read(&[blob])?.pop().and_then(Result::ok).ok_or_else(lacking)?;
    let text = without_tasks(&String::from_utf8_lossy(&bytes));
    Ok(Some(manifest::parse(Path::new(path), &text, &Placeholders, inputs).0))
}
