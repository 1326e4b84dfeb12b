//! The checkout: its root, and whether it is behind.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::diag::GapReason;
use crate::files::Bounds;
use crate::history::HistoryError;
use crate::history::checkout::{self, GitFolders};
use crate::history::git::{Git, GitError};
use crate::history::head::{self, HeadCommit, is_partial};
use crate::history::known::KnownFiles;
use crate::history::worktree::WorkTree;

/// How many digits name a commit for people.
const COMMIT_DIGITS: usize = 12;

/// The checkout that holds the manifests of one invocation.
#[derive(Debug)]
pub struct Repository {
    pub(super) git: Arc<Git>,
    pub(super) standing: RepositoryState,
    pub(super) root: PathBuf,
    /// The top of the work tree: `root`, or a folder above it where the settings say so.
    pub(super) top: PathBuf,
    closed: Vec<PathBuf>,
    pub(super) known: Arc<KnownFiles>,
    head: Arc<OnceLock<HeadCommit>>,
    stale: OnceLock<Option<Stale>>,
}

/// What Git says about a folder.
#[derive(Debug)]
pub(super) enum RepositoryState {
    /// A work tree; a shallow one lacks older commits.
    Checkout { shallow: bool, folders: GitFolders },
    /// Not in a repository.
    Outside,
    /// Git is absent or refuses.
    Unknown(GapReason),
}

/// How much of the history is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// Whether older commits are left out.
    pub is_shallow: bool,
    /// Whether contents are left out, and fetched when they are read.
    pub is_partial: bool,
    /// Whether it is known which branch it follows.
    pub has_upstream: bool,
}

/// A checkout whose commit is older than what its upstream is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How many commits it lacks.
    pub commits: usize,
    /// The upstream, as in `origin/main`.
    pub upstream: String,
}

impl Repository {
    /// Finds the checkout that holds these manifests; they must lie in the same one.
    pub fn of(files: &[PathBuf]) -> Result<Self, HistoryError> {
        let folders: BTreeSet<PathBuf> = files.iter().map(|file| folder_of(file)).collect();
        let mut folders = folders.into_iter();
        let first = Self::at(&folders.next().unwrap_or_else(|| PathBuf::from(".")))?;
        for folder in folders {
            let other = Self::at(&folder)?;
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

    fn at(folder: &Path) -> Result<Self, HistoryError> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Some(marked) = checkout::locate(&folder) else {
            return Ok(Self::apart(folder, RepositoryState::Outside, Vec::new()));
        };
        let root = marked.root;
        let folders = marked.repository;
        let closed = folders.iter().flat_map(|git| [git.own.clone(), git.common.clone()]).collect();
        // Whether the repository may be used is Git's to say: it may belong to somebody else.
        let asked =
            ["rev-parse", "--is-shallow-repository", "--show-toplevel", "--absolute-git-dir"];
        let answer = Git::new(&root).run(&asked);
        let found = answer.and_then(|answer| work_tree(&answer, folders.as_ref()));
        let (shallow, top, folders) = match (found, folders) {
            (Ok((shallow, top)), Some(folders)) => (shallow, top, folders),
            (found, _) => {
                let error = found.err().unwrap_or(GitError::Garbled { command: "rev-parse" });
                let standing = RepositoryState::Unknown(error.unreadable(&root));
                return Ok(Self::apart(root, standing, closed));
            }
        };
        if !folder.starts_with(&top) {
            return Err(HistoryError::WorkTree { root, work_tree: top });
        }
        let git = Arc::new(Git::within(&top, &folders));
        let known = Arc::new(KnownFiles::of(Arc::clone(&git), &top, folders.common.clone()));
        // The deeper one of the two: what a manifest names is in both.
        let root = if top.starts_with(&root) { top.clone() } else { root };
        let standing = RepositoryState::Checkout { shallow, folders };
        Ok(Self::new(git, standing, (root, top), closed, known))
    }

    /// A folder about which Git is not asked any further.
    fn apart(root: PathBuf, standing: RepositoryState, closed: Vec<PathBuf>) -> Self {
        let git = Arc::new(Git::new(&root));
        let why = match &standing {
            RepositoryState::Unknown(reason) => Some(reason.clone()),
            RepositoryState::Outside | RepositoryState::Checkout { .. } => None,
        };
        let known = Arc::new(KnownFiles::apart(&root, why));
        Self::new(git, standing, (root.clone(), root), closed, known)
    }

    fn new(
        git: Arc<Git>,
        standing: RepositoryState,
        (root, top): (PathBuf, PathBuf),
        closed: Vec<PathBuf>,
        known: Arc<KnownFiles>,
    ) -> Self {
        let (head, stale) = (Arc::default(), OnceLock::new());
        Self { git, standing, root, top, closed, known, head, stale }
    }

    /// The folder that nothing a manifest names may leave.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a repository at all.
    pub fn is_versioned(&self) -> bool {
        matches!(self.standing, RepositoryState::Checkout { .. })
    }

    /// Returns a file that Git tracks as the folder `name` of the root, or in it; in any case of
    /// letters, as some file systems have it.
    pub fn tracked_in(&self, name: &str) -> Option<&str> {
        let below = self.root.strip_prefix(&self.top).unwrap_or(Path::new("")).join(name);
        let below = below.to_str().filter(|_| self.is_versioned())?;
        self.known.tracked().find(|path| {
            let is_below =
                path.get(..below.len()).is_some_and(|start| start.eq_ignore_ascii_case(below));
            is_below && matches!(path.as_bytes().get(below.len()), None | Some(b'/'))
        })
    }

    /// Returns where a file is, seen from the root: as long as both are moved together, it stays so.
    pub fn path_from_root(&self, file: &Path) -> Option<PathBuf> {
        let file = folder_of(file).canonicalize().ok()?.join(file.file_name()?);
        let common = self.root.iter().zip(&file).take_while(|(a, b)| a == b).count();
        let up = self.root.iter().skip(common).map(|_| OsStr::new(".."));
        Some(up.chain(file.iter().skip(common)).collect())
    }

    /// Returns the files that the manifest at `file` may name.
    pub fn work_tree(&self, file: &Path) -> WorkTree {
        let folder = folder_of(file);
        let is_alone = matches!(self.standing, RepositoryState::Outside);
        let root = if is_alone { &folder } else { &self.root };
        WorkTree::new(Bounds::new(root, self.closed.clone()), folder, Arc::clone(&self.known))
    }

    /// Returns how much of the history is here; none outside of a repository.
    pub fn checkout(&self) -> Result<Option<Checkout>, &GapReason> {
        let (shallow, folders) = match &self.standing {
            RepositoryState::Checkout { shallow, folders } => (*shallow, folders),
            RepositoryState::Outside => return Ok(None),
            RepositoryState::Unknown(reason) => return Err(reason),
        };
        let upstream = ["rev-parse", "--verify", "--quiet", "@{upstream}"];
        Ok(Some(Checkout {
            is_shallow: shallow,
            is_partial: is_partial(folders),
            has_upstream: self.git.run(&upstream).is_ok(),
        }))
    }

    /// Returns the start of the name of the commit that is checked out, where there is one.
    pub fn commit(&self) -> Option<String> {
        let RepositoryState::Checkout { folders, .. } = &self.standing else { return None };
        let HeadCommit::Commit(commit) = self.head(folders) else { return None };
        Some(commit.to_string().chars().take(COMMIT_DIGITS).collect())
    }

    /// Asks Git on a thread of its own what every plan needs, so that it is known by then.
    pub fn ask_ahead(&self) {
        let RepositoryState::Checkout { folders, .. } = &self.standing else { return };
        let (git, known, folders) =
            (Arc::clone(&self.git), Arc::clone(&self.known), folders.clone());
        let head = Arc::clone(&self.head);
        let ask = move || {
            known.listed();
            head.get_or_init(|| head::head(&git, &folders));
        };
        drop(thread::Builder::new().spawn(ask));
    }

    /// Finds out what `HEAD` leads to, once.
    pub(super) fn head(&self, folders: &GitFolders) -> &HeadCommit {
        self.head.get_or_init(|| head::head(&self.git, folders))
    }

    /// Returns how far the checkout is behind, where its commit is a strict ancestor of its upstream; Git is
    /// asked once.
    pub fn stale(&self) -> Option<&Stale> {
        self.stale.get_or_init(|| self.find_stale()).as_ref()
    }

    fn find_stale(&self) -> Option<Stale> {
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
}

/// Reads the answer of `rev-parse`: whether the clone is shallow, and the top of its work tree.
///
/// Git must mean the same repository; it comes last, so that a line end in a path does no harm.
fn work_tree(answer: &[u8], folders: Option<&GitFolders>) -> Result<(bool, PathBuf), GitError> {
    let garbled = || GitError::Garbled { command: "rev-parse" };
    let text = std::str::from_utf8(answer).map_err(|_| garbled())?;
    let (shallow, rest) = text.split_once('\n').ok_or_else(garbled)?;
    let rest = rest.strip_suffix('\n').ok_or_else(garbled)?;
    let own = folders.map(|folders| format!("\n{}", folders.own.display()));
    let top = own.and_then(|own| rest.strip_suffix(&own).map(str::to_owned));
    // Where it writes paths in its own way, as on Windows, what they lead to is compared.
    let top = top.or_else(|| {
        let (top, own) = rest.rsplit_once('\n')?;
        let own = Path::new(own.trim_end_matches('\r')).canonicalize().ok()?;
        let is_same = folders.is_some_and(|folders| folders.own == own);
        is_same.then(|| top.trim_end_matches('\r').to_owned())
    });
    let top = PathBuf::from(top.ok_or_else(garbled)?);
    Ok((shallow == "true", top.canonicalize().unwrap_or(top)))
}

/// Returns the folder that holds a file.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
