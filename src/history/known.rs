//! Which files of a work tree Git tracks or ignores, asked once and only when a prompt is in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::diag::GapReason;
use crate::history::checkout;
use crate::history::git::Git;

/// Tracked files, each behind a letter, its kind and its content, and those that are not added yet.
const LISTED: [&str; 7] =
    ["ls-files", "-z", "-t", "--stage", "--cached", "--others", "--exclude-standard"];

/// What Git says of a file of patterns that it cannot read.
const UNREAD: &str = "unable to access";

/// What Git writes for the kinds of entries that are no files.
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// The longest target of a link, in bytes.
const LONGEST_TARGET: usize = 4096;

/// What Git says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// It is tracked.
    Tracked,
    /// It would be added.
    New,
    /// It would not be added.
    Ignored,
    /// There is no repository.
    Unversioned,
    /// There is one, and Git does not say.
    Unknown(GapReason),
}

/// The files of one work tree.
#[derive(Debug)]
pub(super) struct KnownFiles {
    /// `None` where there is no repository, or none that may be used.
    git: Option<Arc<Git>>,
    top: PathBuf,
    /// Git's own folder of all work trees of the repository.
    common: Option<PathBuf>,
    /// Why there are none, if there is a repository.
    lists: OnceLock<Result<Lists, Option<GapReason>>>,
    /// Repositories inside of this one, such as submodules, by their folder.
    inner: Mutex<BTreeMap<PathBuf, Arc<KnownFiles>>>,
}

#[derive(Debug, Default)]
struct Lists {
    tracked: BTreeSet<String>,
    new: BTreeSet<String>,
    left_out: BTreeSet<String>,
    /// Symbolic links, each with its content, the target.
    links: BTreeMap<String, String>,
    submodules: BTreeSet<String>,
    /// Why new files may be ignored ones.
    doubt: Option<GapReason>,
}

/// Why a file is not there although Git knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// A sparse checkout leaves it out.
    Sparse,
    /// It is in this submodule, which is not checked out.
    Submodule(String),
    /// It is behind this link, which was written as a plain file.
    WrittenLink(String),
}

impl KnownFiles {
    pub(super) fn of(git: Arc<Git>, top: &Path, common: PathBuf) -> Self {
        let (lists, inner) = (OnceLock::new(), Mutex::default());
        Self { git: Some(git), top: top.to_owned(), common: Some(common), lists, inner }
    }

    /// Files of which nothing is known; `why`, if they are in a repository.
    pub(super) fn apart(top: &Path, why: Option<GapReason>) -> Self {
        let (lists, inner) = (OnceLock::from(Err(why)), Mutex::default());
        Self { git: None, top: top.to_owned(), common: None, lists, inner }
    }

    /// Returns the files that Git tracks or would add, as paths from the top, each once; `None` where
    /// it cannot be asked.
    pub(super) fn listed(&self) -> Option<BTreeSet<&str>> {
        let lists = self.lists()?;
        Some(lists.tracked.iter().chain(&lists.new).map(String::as_str).collect())
    }

    /// Returns the files that repositories inside of this one track or would add, as paths from the top,
    /// and the folders of those that cannot be asked. Other work trees of this repository hold the same
    /// manifests as of other commits, and do not count.
    pub(super) fn listed_inside(&self) -> (Vec<String>, Vec<String>) {
        let (mut files, mut unknown) = (Vec::new(), Vec::new());
        let Some(lists) = self.lists() else { return (files, unknown) };
        let nested = lists.new.iter().filter_map(|path| path.strip_suffix('/'));
        for folder in lists.submodules.iter().map(String::as_str).chain(nested) {
            let Some(inner) = self.inner(&self.top.join(folder)) else { continue };
            if inner.common == self.common {
                continue;
            }
            let below = |path: &str| format!("{folder}/{path}");
            match inner.listed() {
                Some(listed) => files.extend(listed.into_iter().map(below)),
                None => unknown.push(folder.to_owned()),
            }
            let (deeper, deeper_unknown) = inner.listed_inside();
            files.extend(deeper.iter().map(|path| below(path)));
            unknown.extend(deeper_unknown.iter().map(|path| below(path)));
        }
        (files, unknown)
    }

    /// Whether a path from the top leads into a submodule.
    pub(super) fn is_in_module(&self, path: &str) -> bool {
        let is_above = |folder: &String| {
            path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        self.lists().is_some_and(|lists| lists.submodules.iter().any(is_above))
    }

    /// Whether Git tracks a file and leaves it out of the work tree, as a sparse checkout does.
    pub(super) fn is_left_out(&self, path: &str) -> bool {
        self.lists().is_some_and(|lists| lists.left_out.contains(path))
    }

    /// Whether Git tracks a regular file at this path from the top, and checks it out.
    pub(super) fn is_checked_out(&self, path: &str) -> bool {
        self.lists().is_some_and(|lists| {
            lists.tracked.contains(path)
                && !lists.left_out.contains(path)
                && !lists.links.contains_key(path)
        })
    }

    /// Says of a file that is not there, by its path from the top, why not.
    pub(super) fn absence(&self, path: &str) -> Option<Absence> {
        let lists = self.lists()?;
        if lists.left_out.contains(path) {
            return Some(Absence::Sparse);
        }
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        folders.into_iter().find_map(|folder| {
            let is_empty = || !self.top.join(folder).join(".git").exists();
            if lists.submodules.contains(folder) && is_empty() {
                return Some(Absence::Submodule(folder.to_owned()));
            }
            let is_written = lists.links.contains_key(folder) && self.top.join(folder).is_file();
            is_written.then(|| Absence::WrittenLink(folder.to_owned()))
        })
    }

    /// Whether a file holds only the target of a link that Git tracks at its place: so links are
    /// written where `core.symlinks` is off.
    pub(super) fn is_written_link(&self, file: &Path, content: &[u8]) -> bool {
        if content.len() > LONGEST_TARGET || content.contains(&b'\n') {
            return false;
        }
        let (Some(lists), Some(path)) = (self.lists(), self.path(file)) else { return false };
        match (lists.links.get(&path), self.git.as_ref()) {
            (Some(blob), Some(git)) => {
                git.run(&["cat-file", "blob", blob]).is_ok_and(|target| target == content)
            }
            _ => {
                self.holder(lists, &path).is_some_and(|inner| inner.is_written_link(file, content))
            }
        }
    }

    /// A file's path from the top as Git writes it.
    fn path(&self, file: &Path) -> Option<String> {
        let below = file.strip_prefix(&self.top).ok()?;
        let parts = below.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>()?;
        Some(parts.join("/"))
    }

    /// The repository inside of this one that holds a path: Git lists it as if it were a file.
    fn holder(&self, lists: &Lists, path: &str) -> Option<Arc<Self>> {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        let inner = folders.into_iter().find(|folder| {
            lists.tracked.contains(*folder) || lists.new.contains(&format!("{folder}/"))
        });
        self.inner(&self.top.join(inner?))
    }

    /// A file's path from the top, for people.
    pub(super) fn below_top(&self, file: &Path) -> String {
        file.strip_prefix(&self.top).unwrap_or(file).display().to_string()
    }

    /// Returns the files that Git tracks.
    pub(super) fn tracked(&self) -> impl Iterator<Item = &str> {
        self.lists().into_iter().flat_map(|lists| lists.tracked.iter().map(String::as_str))
    }

    /// Returns the path from the top of a file that Git tracks in this repository itself.
    pub(super) fn tracked_path(&self, file: &Path) -> Option<String> {
        let lists = self.lists()?;
        self.path(file).filter(|path| lists.tracked.contains(path))
    }

    /// Returns what Git says of a file, whose links are followed already.
    pub(super) fn knowledge(&self, file: &Path) -> Knowledge {
        let lists = match self.asked() {
            Ok(lists) => lists,
            Err(None) => return Knowledge::Unversioned,
            Err(Some(reason)) => return Knowledge::Unknown(reason.clone()),
        };
        let Some(path) = self.path(file) else { return Knowledge::Ignored };
        if lists.tracked.contains(&path) {
            return Knowledge::Tracked;
        }
        if lists.new.contains(&path) {
            return lists.doubt.clone().map_or(Knowledge::New, Knowledge::Unknown);
        }
        self.holder(lists, &path).map_or(Knowledge::Ignored, |inner| inner.knowledge(file))
    }

    fn lists(&self) -> Option<&Lists> {
        self.asked().ok()
    }

    fn asked(&self) -> Result<&Lists, Option<&GapReason>> {
        let ask = || {
            let git = self.git.as_ref().ok_or(None)?;
            let answer = git.run_aloud(&LISTED).map_err(|error| error.unreadable(&self.top));
            answer.map(|(answer, said)| lists(&answer, &said, &self.top)).map_err(Some)
        };
        self.lists.get_or_init(ask).as_ref().map_err(Option::as_ref)
    }

    fn inner(&self, root: &Path) -> Option<Arc<Self>> {
        let mut inner = self.inner.lock().expect("no holder panics");
        if let Some(known) = inner.get(root) {
            return Some(Arc::clone(known));
        }
        let marked = checkout::locate(root).filter(|marked| marked.root == root)?;
        let folders = marked.repository?;
        let git = Arc::new(Git::within(root, &folders));
        let known = Arc::new(Self::of(git, root, folders.common));
        inner.insert(root.to_owned(), Arc::clone(&known));
        Some(known)
    }
}

fn lists(answer: &[u8], said: &str, top: &Path) -> Lists {
    let mut lists = Lists::default();
    // It goes on without what it cannot read, and then takes ignored files for new ones.
    if said.contains(UNREAD) {
        let said = said.to_owned();
        lists.doubt = Some(GapReason::RepositoryUnreadable { root: top.to_owned(), said });
    }
    let entries =
        answer.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    for (letter, entry) in entries.filter_map(|entry| entry.split_once(' ')) {
        if letter == "?" {
            lists.new.insert(entry.to_owned());
            continue;
        }
        let Some((kind, path)) = entry.split_once('\t') else { continue };
        if letter == "S" {
            lists.left_out.insert(path.to_owned());
        }
        let mut kind = kind.split(' ');
        match (kind.next(), kind.next()) {
            (Some(LINK), Some(content)) => {
                lists.links.insert(path.to_owned(), content.to_owned());
            }
            (Some(SUBMODULE), _) => _ = lists.submodules.insert(path.to_owned()),
            _ => {}
        }
        // A path in the middle of a merge is listed several times.
        lists.tracked.insert(path.to_owned());
    }
    lists
}
