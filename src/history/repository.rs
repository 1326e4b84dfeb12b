//! The checkout: its root, whether it is behind, and the other manifests of its work tree.
//!
//! The work tree is read here and nowhere else in this module, always contained in the root.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Severity, with_causes};
use crate::evidence::Gap;
use crate::files::read_contained;
use crate::history::HistoryError;
use crate::history::git::{Git, GitError};
use crate::manifest::{self, Manifest, Source, Variables};

/// The checkout that holds the manifests of one invocation.
#[derive(Debug)]
pub struct Repository {
    pub(super) git: Git,
    pub(super) standing: RepositoryState,
    root: PathBuf,
}

/// What Git says about a folder.
#[derive(Debug)]
pub(super) enum RepositoryState {
    /// A work tree; a shallow one lacks older commits.
    Checkout { shallow: bool },
    /// Not in a repository.
    Outside,
    /// Git is absent or refuses.
    Unknown(Gap),
}

/// A checkout whose commit is older than what its upstream is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How many commits it lacks.
    pub commits: usize,
    /// The upstream, as in `origin/main`.
    pub upstream: String,
}

/// A manifest of the work tree that this invocation does not name.
#[derive(Debug)]
pub struct OtherManifest {
    /// Its path below the root.
    pub path: PathBuf,
    /// What could be understood of it.
    pub manifest: Manifest,
    /// Whether all of it was.
    pub is_complete: bool,
}

/// The files of the work tree, for [`manifest::parse`].
///
/// What a manifest names lies relative to its folder and never outside of the repository; where
/// there is none, never outside of that folder.
#[derive(Clone, Debug)]
pub struct WorkTree {
    root: PathBuf,
    folder: PathBuf,
}

impl Source for WorkTree {
    fn read(&self, path: &str) -> Result<String, String> {
        let bytes = read_contained(&self.root, &self.folder.join(path));
        let bytes = bytes.map_err(|error| with_causes(&error))?;
        String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8"))
    }
}

impl Repository {
    /// Finds the checkout that holds these manifests; they must lie in the same one.
    pub fn of(files: &[PathBuf]) -> Result<Self, HistoryError> {
        let folders: BTreeSet<PathBuf> = files.iter().map(|file| folder_of(file)).collect();
        let mut folders = folders.into_iter();
        let first = Self::at(folders.next().unwrap_or_else(|| PathBuf::from(".")));
        for folder in folders {
            let other = Self::at(folder);
            let is_same = match (&first.standing, &other.standing) {
                (RepositoryState::Checkout { .. }, RepositoryState::Checkout { .. }) => {
                    first.root == other.root
                }
                (RepositoryState::Checkout { .. }, RepositoryState::Outside)
                | (RepositoryState::Outside, RepositoryState::Checkout { .. }) => false,
                _ => true,
            };
            if !is_same {
                return Err(HistoryError::TwoRepositories { first: first.root, other: other.root });
            }
        }
        Ok(first)
    }

    fn at(folder: PathBuf) -> Self {
        let git = Git::new(&folder);
        let asked = ["rev-parse", "--is-shallow-repository", "--show-toplevel"];
        match git.run(&asked).and_then(|answer| checkout(&answer)) {
            Ok((shallow, root)) => {
                Self { git: Git::new(&root), standing: RepositoryState::Checkout { shallow }, root }
            }
            Err(error) => {
                let folder = folder.canonicalize().unwrap_or(folder);
                let marked = folder.ancestors().find(|folder| folder.join(".git").exists());
                let standing = standing_after(&error, marked);
                let root = marked.map_or_else(|| folder.clone(), Path::to_owned);
                Self { git, standing, root }
            }
        }
    }

    /// The folder that nothing a manifest names may leave.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a repository at all.
    pub fn is_versioned(&self) -> bool {
        matches!(self.standing, RepositoryState::Checkout { .. })
    }

    /// Returns the files that the manifest at `file` may name.
    pub fn work_tree(&self, file: &Path) -> WorkTree {
        let folder = folder_of(file);
        let is_alone = matches!(self.standing, RepositoryState::Outside);
        let root = if is_alone { folder.clone() } else { self.root.clone() };
        WorkTree { root, folder }
    }

    /// Returns how far the checkout is behind, where its commit is a strict ancestor of its upstream.
    pub fn stale(&self) -> Option<Stale> {
        if !self.is_versioned() {
            return None;
        }
        let asked = ["rev-list", "--count", "--left-right", "HEAD...@{upstream}"];
        let counts = String::from_utf8(self.git.run(&asked).ok()?).ok()?;
        let (ahead, behind) = counts.trim().split_once('\t')?;
        let commits = behind.parse().ok().filter(|commits| *commits > 0 && ahead == "0")?;
        let upstream = self.git.run(&["rev-parse", "--abbrev-ref", "@{upstream}"]).ok()?;
        Some(Stale { commits, upstream: String::from_utf8_lossy(&upstream).trim().to_owned() })
    }

    /// Returns every manifest of the work tree but the given ones and what Git ignores.
    ///
    /// A file counts as one if it has `tasks` and a `version` of ours at its top: other programs
    /// call theirs so too. What cannot be read is left out.
    pub fn other_manifests(
        &self,
        files: &[PathBuf],
        variables: Variables<'_>,
    ) -> Vec<OtherManifest> {
        let listed = if self.is_versioned() { self.git.run(&LISTED) } else { Ok(Vec::new()) };
        let listed = listed.unwrap_or_default();
        let given: BTreeSet<PathBuf> =
            files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        let mut others = Vec::new();
        // A path in the middle of a merge is listed several times.
        let paths: BTreeSet<&str> = listed
            .split(|byte| *byte == 0)
            .filter_map(|path| std::str::from_utf8(path).ok())
            .collect();
        for path in paths.into_iter().filter(|path| is_yaml(path)) {
            let file = self.root.join(path);
            if file.canonicalize().is_ok_and(|file| given.contains(&file)) {
                continue;
            }
            let text = read_contained(&self.root, &file)
                .ok()
                .and_then(|text| String::from_utf8(text).ok());
            let Some(text) = text.filter(|text| looks_like_manifest(text)) else { continue };
            let (manifest, findings) =
                manifest::parse(Path::new(path), &text, &self.work_tree(&file), variables);
            if findings.iter().any(is_of_another_program) {
                continue;
            }
            let is_complete = findings.iter().all(|finding| finding.severity != Severity::Error);
            others.push(OtherManifest { path: path.into(), manifest, is_complete });
        }
        others
    }
}

/// Tracked files, and those that are not added yet.
const LISTED: [&str; 5] = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];

/// Whether a finding says that the file's `version` is none that this program ever had.
fn is_of_another_program(finding: &Diagnostic) -> bool {
    finding.code == Code::UnsupportedVersion
        || (finding.code == Code::InvalidValue && finding.message.starts_with("`version` "))
}

/// Reads the answer of `rev-parse`; the folder comes last, so that a line end in it does no harm.
fn checkout(answer: &[u8]) -> Result<(bool, PathBuf), GitError> {
    let text = std::str::from_utf8(answer).ok();
    let split = text.and_then(|text| text.strip_suffix('\n')?.split_once('\n'));
    let (shallow, root) = split.ok_or(GitError::Garbled { command: "rev-parse" })?;
    let root = Path::new(root.trim_end_matches('\r'));
    Ok((shallow == "true", root.canonicalize().unwrap_or_else(|_| root.to_owned())))
}

/// Judges a refusal; `marked` is the folder that holds `.git`, if one does.
fn standing_after(error: &GitError, marked: Option<&Path>) -> RepositoryState {
    let Some(root) = marked else { return RepositoryState::Outside };
    let way = match error {
        GitError::Absent => "install Git".to_owned(),
        GitError::Refused { said, .. } if said.contains("dubious ownership") => {
            format!("`git config --global --add safe.directory {}`", root.display())
        }
        _ => format!("run `git -C {} status` and mend what it says", root.display()),
    };
    RepositoryState::Unknown(Gap::lost(with_causes(error), way))
}

/// Whether a text has the two fields of a manifest at its top.
pub(super) fn looks_like_manifest(text: &str) -> bool {
    let has = |field: &str| {
        text.trim_start_matches('\u{feff}').lines().any(|line| {
            let rest = line.trim_start_matches(['"', '\'']).strip_prefix(field);
            rest.is_some_and(|rest| {
                rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':')
            })
        })
    };
    has("version") && has("tasks")
}

/// Whether a path ends as manifests do.
pub(super) fn is_yaml(path: &str) -> bool {
    let ending = Path::new(path).extension();
    ending.is_some_and(|ending| {
        ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml")
    })
}

/// Returns the folder that holds a file.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_that_cannot_be_read_is_a_gap_with_the_way_on() {
        let refused =
            |said: &str| GitError::Refused { command: "rev-parse".into(), said: said.into() };
        let table = [
            (GitError::Absent, "install Git"),
            (
                refused("fatal: detected dubious ownership in repository at '/r'"),
                "safe.directory /r",
            ),
            (refused("fatal: bad config line 1"), "git -C /r status"),
        ];
        for (error, words) in table {
            let RepositoryState::Unknown(gap) = standing_after(&error, Some(Path::new("/r")))
            else {
                panic!("{error}")
            };
            assert!(gap.way.contains(words), "{gap:?}");
            assert!(matches!(standing_after(&error, None), RepositoryState::Outside));
        }
    }

    #[test]
    fn a_manifest_is_known_by_the_two_fields_at_its_top() {
        for good in ["version: 1\ntasks: {}\n", "\u{feff}'version' : 1\r\n\"tasks\":\r\n"] {
            assert!(looks_like_manifest(good), "{good:?}");
        }
        for bad in
            ["", "version: 1\n", "a:\n  version: 1\n  tasks: {}\n", "versions: 1\ntasks: 1\n"]
        {
            assert!(!looks_like_manifest(bad), "{bad:?}");
        }
    }
}
