//! Which files of a work tree Git tracks or ignores, asked once and only when a prompt is in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::history::checkout;
use crate::history::git::Git;

/// Tracked files and those that are not added yet, each behind a letter; the former with their modes.
const LISTED: [&str; 7] =
    ["ls-files", "-z", "-t", "--stage", "--cached", "--others", "--exclude-standard"];

/// How a repository inside of this one begins that is tracked.
const MODULE: &str = "160000 ";

/// What Git says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// It is tracked.
    Tracked,
    /// It would be added.
    New,
    /// It would not be added.
    Ignored,
    /// Git cannot be asked.
    Unknown,
}

/// The files of one work tree.
#[derive(Debug)]
pub(super) struct KnownFiles {
    /// `None` where there is no repository that may be used.
    git: Option<Arc<Git>>,
    top: PathBuf,
    /// Git's own folder of all work trees of the repository.
    common: Option<PathBuf>,
    lists: OnceLock<Option<Lists>>,
    /// Repositories inside of this one, such as submodules, by their folder.
    inner: Mutex<BTreeMap<PathBuf, Arc<KnownFiles>>>,
}

#[derive(Debug, Default)]
struct Lists {
    tracked: BTreeSet<String>,
    new: BTreeSet<String>,
    left_out: BTreeSet<String>,
    /// Folders of submodules.
    modules: BTreeSet<String>,
}

impl KnownFiles {
    pub(super) fn new(git: Option<Arc<Git>>, top: &Path, common: Option<PathBuf>) -> Self {
        let (lists, inner) = (OnceLock::new(), Mutex::default());
        Self { git, top: top.to_owned(), common, lists, inner }
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
        for folder in lists.modules.iter().map(String::as_str).chain(nested) {
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
        self.lists().is_some_and(|lists| lists.modules.iter().any(is_above))
    }

    /// Whether Git tracks a file and leaves it out of the work tree, as a sparse checkout does.
    pub(super) fn is_left_out(&self, path: &str) -> bool {
        self.lists().is_some_and(|lists| lists.left_out.contains(path))
    }

    /// A file's path from the top, for people.
    pub(super) fn below_top(&self, file: &Path) -> String {
        file.strip_prefix(&self.top).unwrap_or(file).display().to_string()
    }

    /// Returns the files that Git tracks.
    pub(super) fn tracked(&self) -> impl Iterator<Item = &str> {
        self.lists().into_iter().flat_map(|lists| lists.tracked.iter().map(String::as_str))
    }

    /// Returns what Git says of a file, whose links are followed already.
    pub(super) fn of(&self, file: &Path) -> Knowledge {
        let Some(lists) = self.lists() else { return Knowledge::Unknown };
        let Ok(below) = file.strip_prefix(&self.top) else { return Knowledge::Unknown };
        let Some(parts) = below.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>() else {
            return Knowledge::Ignored;
        };
        let path = parts.join("/");
        if lists.tracked.contains(&path) {
            return Knowledge::Tracked;
        }
        if lists.new.contains(&path) {
            return Knowledge::New;
        }
        // Git lists a repository inside of this one as if it were a file.
        let inner = (1..parts.len()).map(|length| parts[..length].join("/")).find(|folder| {
            lists.tracked.contains(folder) || lists.new.contains(&format!("{folder}/"))
        });
        match inner.and_then(|folder| self.inner(&self.top.join(folder))) {
            Some(inner) => inner.of(file),
            None => Knowledge::Ignored,
        }
    }

    fn lists(&self) -> Option<&Lists> {
        let ask = || Some(lists(&self.git.as_ref()?.run(&LISTED).ok()?));
        self.lists.get_or_init(ask).as_ref()
    }

    fn inner(&self, root: &Path) -> Option<Arc<Self>> {
        let mut inner = self.inner.lock().expect("no holder panics");
        if let Some(known) = inner.get(root) {
            return Some(Arc::clone(known));
        }
        let marked = checkout::locate(root).filter(|marked| marked.root == root)?;
        let folders = marked.repository?;
        let git = Arc::new(Git::within(root, &folders));
        let known = Arc::new(Self::new(Some(git), root, Some(folders.common)));
        inner.insert(root.to_owned(), Arc::clone(&known));
        Some(known)
    }
}

fn lists(answer: &[u8]) -> Lists {
    let mut lists = Lists::default();
    let entries =
        answer.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    for (letter, entry) in entries.filter_map(|entry| entry.split_once(' ')) {
        let staged = (letter != "?").then(|| entry.split_once('\t')).flatten();
        let path = staged.map_or(entry, |(_, path)| path);
        if staged.is_some_and(|(mode, _)| mode.starts_with(MODULE)) {
            lists.modules.insert(path.to_owned());
        }
        if letter == "S" {
            lists.left_out.insert(path.to_owned());
        }
        // A path in the middle of a merge is listed several times.
        let list = if letter == "?" { &mut lists.new } else { &mut lists.tracked };
        list.insert(path.to_owned());
    }
    lists
}
