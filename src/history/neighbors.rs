//! The other manifests of the repository: in the work tree, and in the last commit.
//!
//! A manifest that is not checked out, deleted or broken still declares what it declared when it was
//! last whole. What cannot be told is said, so that nothing it may declare is removed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::diag::{GapReason, with_causes};
use crate::files::{FilesError, read_input};
use crate::history::commit::commits;
use crate::history::committed::Committed;
use crate::history::git::GitError;
use crate::history::head::{HeadCommit, is_absent};
use crate::history::likeness::{Likeness, is_of_ours, is_yaml, likeness};
use crate::history::objects::{Objects, Oid, tree_files};
use crate::history::repository::{Repository, RepositoryState};
use crate::history::walk::{path_in, reason};
use crate::history::worktree::LARGEST_MANIFEST;
use crate::manifest::{ExpandInputs, Manifest};

/// How many files and folders are looked through where Git cannot list them.
const MOST_ENTRIES: usize = 20_000;

/// How many commits are looked through for what a file was before it was unreadable.
const MOST_COMMITS: usize = 200;

/// SHA-256 over a file.
type FileHash = [u8; 32];

/// A manifest of the repository that this invocation does not name.
#[derive(Debug)]
pub struct OtherManifest {
    /// Its path below the root.
    pub path: PathBuf,
    /// What could be understood of it.
    pub manifest: Manifest,
    /// What is wrong with it, so that it may declare more.
    pub flaw: Option<String>,
    /// Whether only the last commit declares it so, and the work tree no longer does.
    pub is_only_committed: bool,
}

/// What other manifests there are.
#[derive(Debug, Default)]
pub struct Neighbors {
    /// Those that were found.
    pub manifests: Vec<OtherManifest>,
    /// Why there may be more.
    pub gaps: Vec<GapReason>,
}

impl Repository {
    /// Returns every manifest of the work tree, of repositories in it and of the last commit but the
    /// given ones; of those that Git ignores or that are elsewhere, the ones of which `applied` says,
    /// from the root, that they were applied.
    pub fn other_manifests(
        &self,
        files: &[PathBuf],
        applied: &BTreeSet<PathBuf>,
        inputs: ExpandInputs<'_>,
    ) -> Neighbors {
        let mut search = Search::new(self, files, inputs);
        match &self.standing {
            RepositoryState::Checkout { folders, .. } => {
                match self.known.listed() {
                    Some(paths) => search.take_work_tree(paths.into_iter().map(str::to_owned)),
                    None => search.unlisted("`git ls-files` failed"),
                }
                let (inside, unknown) = self.known.listed_inside();
                search.take_work_tree(inside.into_iter());
                for folder in unknown {
                    search.unlisted(&format!("`git ls-files` failed in `{folder}`"));
                }
                search.take_applied(applied);
                if let Err(error) = search.take_last_commit() {
                    search.found.gaps.push(reason(&error, folders, Some("the last commit")));
                }
            }
            RepositoryState::Outside => {
                search.take_folder();
                search.take_applied(applied);
            }
            RepositoryState::Unknown(reason) => {
                search.found.gaps.push(reason.clone());
                search.take_folder();
                search.take_applied(applied);
            }
        }
        search.found
    }
}

/// What is found on the way.
struct Search<'s> {
    repository: &'s Repository,
    inputs: ExpandInputs<'s>,
    /// The given manifests: as files, and as paths from the top.
    given: (BTreeSet<PathBuf>, BTreeSet<String>),
    /// What the files of the work tree are, by path, each with the hash of its bytes; the given ones
    /// are not in it.
    work_tree: BTreeMap<String, (Likeness, FileHash)>,
    /// Files that Git lists and the work tree lacks.
    gone: Vec<String>,
    found: Neighbors,
}

impl<'s> Search<'s> {
    fn new(repository: &'s Repository, files: &[PathBuf], inputs: ExpandInputs<'s>) -> Self {
        let whole = files.iter().filter_map(|file| file.canonicalize().ok());
        let paths = files.iter().filter_map(|file| path_in(repository, file).ok());
        let given = (whole.collect(), paths.collect());
        let (work_tree, gone, found) = (BTreeMap::new(), Vec::new(), Neighbors::default());
        Self { repository, inputs, given, work_tree, gone, found }
    }

    fn unlisted(&mut self, said: &str) {
        self.found.gaps.push(GapReason::ManifestsUnlisted { said: said.to_owned() });
    }

    fn is_given(&self, path: &str) -> bool {
        let (files, paths) = &self.given;
        let whole = || self.repository.top.join(path).canonicalize();
        paths.contains(path) || whole().is_ok_and(|file| files.contains(&file))
    }

    fn take_work_tree(&mut self, paths: impl Iterator<Item = String>) {
        for path in paths.filter(|path| is_yaml(path)) {
            if self.is_given(&path) || self.work_tree.contains_key(&path) {
                continue;
            }
            let file = self.repository.top.join(&path);
            let Some((found, hash)) = self.judge(&path, &file) else {
                self.gone.push(path);
                continue;
            };
            let rest = self.add(&path, found, false);
            self.work_tree.insert(path, (rest, hash));
        }
    }

    /// Adds manifests that were applied, wherever they are; one that is gone declares nothing, unless
    /// the submodule that holds it is not checked out.
    fn take_applied(&mut self, applied: &BTreeSet<PathBuf>) {
        for path in applied {
            let file = self.repository.root.join(path);
            let file = match file.canonicalize() {
                Err(error) if is_absent(&error) => None,
                found => Some(found.unwrap_or(file)),
            };
            let below = file.as_ref().and_then(|file| file.strip_prefix(&self.repository.top).ok());
            let path = below.unwrap_or(path).to_string_lossy().replace('\\', "/");
            if file.is_some() {
                self.take_work_tree(std::iter::once(path));
            } else if self.repository.known.is_in_module(&path) {
                let flaw = "its submodule is not checked out (`git submodule update --init`)";
                self.add(&path, Likeness::Unreadable(flaw.to_owned()), false);
            }
        }
    }

    /// Judges a file of the work tree; `None` where there is none.
    fn judge(&self, path: &str, file: &Path) -> Option<(Likeness, FileHash)> {
        match fs::symlink_metadata(file) {
            Ok(found) if found.is_dir() => return Some((Likeness::Foreign, hash(&[]))),
            Ok(found) if found.is_symlink() => return Some((self.judge_link(file), hash(&[]))),
            _ => {}
        }
        let source = self.repository.work_tree(file).of_neighbor();
        let found = match read_input(file, LARGEST_MANIFEST) {
            Ok(Some(bytes)) => {
                let found = likeness(Path::new(path), &bytes, &source, self.inputs);
                return Some((found, hash(&bytes)));
            }
            Ok(None) => return None,
            Err(FilesError::TooLarge { .. }) => Likeness::Nothing("it is too large"),
            Err(FilesError::NotPlain { .. }) => Likeness::Foreign,
            Err(error) => Likeness::Unreadable(with_causes(&error)),
        };
        Some((found, hash(&[])))
    }

    /// Judges what a link leads to, unless it is judged by itself; what may not be read may declare
    /// anything.
    fn judge_link(&self, link: &Path) -> Likeness {
        let top = &self.repository.top;
        if let Ok(target) = link.canonicalize()
            && let Ok(below) = target.strip_prefix(top)
        {
            let below = below.to_string_lossy().replace('\\', "/");
            let is_listed = |path: &str| {
                self.repository.known.listed().is_some_and(|listed| listed.contains(path))
            };
            if target.is_dir() || (is_yaml(&below) && is_listed(&below)) {
                return Likeness::Foreign;
            }
        }
        let name = Path::new(link.file_name().unwrap_or_default());
        let source = self.repository.work_tree(link).of_neighbor();
        let found = match source.manifest(name) {
            Ok(text) => likeness(name, text.as_bytes(), &source, self.inputs),
            Err(unreadable) => Likeness::Unreadable(unreadable.why),
        };
        match found {
            Likeness::Nothing(why) => Likeness::Unreadable(format!("what it links to: {why}")),
            found => found,
        }
    }

    /// Adds what is a manifest, or was meant to be one; returns what is left of the judgment.
    fn add(&mut self, path: &str, found: Likeness, is_only_committed: bool) -> Likeness {
        let (manifests, flaw, rest) = match found {
            Likeness::Manifest(manifests, flaw) => {
                let rest = match &flaw {
                    Some(flaw) => Likeness::Unreadable(flaw.clone()),
                    None => Likeness::Manifest(Vec::new(), None),
                };
                (manifests, flaw, rest)
            }
            Likeness::Unreadable(flaw) => {
                (vec![Manifest::default()], Some(flaw.clone()), Likeness::Unreadable(flaw))
            }
            rest @ (Likeness::Nothing(_) | Likeness::Foreign) => return rest,
        };
        let path = PathBuf::from(path);
        self.found.manifests.extend(manifests.into_iter().map(|manifest| {
            let (path, flaw) = (path.clone(), flaw.clone());
            OtherManifest { path, manifest, flaw, is_only_committed }
        }));
        rest
    }

    /// Adds what the last commit holds in other words than the work tree, or in other places.
    fn take_last_commit(&mut self) -> Result<(), GitError> {
        let RepositoryState::Checkout { folders, .. } = &self.repository.standing else {
            return Ok(());
        };
        let git = &self.repository.git;
        let commit = match self.repository.head(folders) {
            HeadCommit::Commit(commit) => *commit,
            HeadCommit::Unborn => return self.take_index(),
            HeadCommit::Gap(reason) => {
                self.found.gaps.push(reason.clone());
                return self.take_index();
            }
        };
        let mut files = tree_files(git, &commit.to_string())?;
        files.retain(|(path, _)| is_yaml(path) && !self.is_given(path));
        self.gone.retain(|path| files.iter().all(|(committed, _)| committed != path));
        if files.is_empty() {
            return self.take_index();
        }
        let mut objects = Objects::open(git)?;
        let tree = objects.tree_of(commit)?;
        let blobs: Vec<Oid> = files.iter().map(|(_, blob)| *blob).collect();
        let texts = objects.read(&blobs)?;
        let objects = RefCell::new(objects);
        let mut unknown = Vec::new();
        for ((path, _), bytes) in files.into_iter().zip(texts) {
            if let Some(why) = self.take_committed(&path, bytes.ok(), &objects, tree) {
                unknown.push((path, why));
            }
        }
        self.take_earlier(commit, &objects, unknown)?;
        self.take_index()
    }

    /// Adds a file of the last commit; returns what is wrong with it where nothing tells what it is.
    fn take_committed(
        &mut self,
        path: &str,
        bytes: Option<Vec<u8>>,
        objects: &RefCell<Objects>,
        tree: Oid,
    ) -> Option<&'static str> {
        let now = self.work_tree.remove(path);
        let Some(bytes) = bytes else {
            // What the work tree holds of it is known.
            if now.is_none_or(|(now, _)| matches!(now, Likeness::Nothing(_))) {
                let flaw = "it is not in this clone as it was committed".to_owned();
                self.add(path, Likeness::Unreadable(flaw), false);
            }
            return None;
        };
        if let Some((now, same)) = &now
            && *same == hash(&bytes)
        {
            return if let Likeness::Nothing(why) = now { Some(why) } else { None };
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut objects = objects.borrow_mut();
        let source = Committed::new(&mut objects, tree, folder);
        let committed = likeness(Path::new(path), &bytes, &source, self.inputs);
        let is_ours = matches!(committed, Likeness::Manifest(..) | Likeness::Unreadable(_));
        let is_unreadable = matches!(now, Some((Likeness::Unreadable(_), _)));
        if let (Some((Likeness::Nothing(why), _)), true) = (&now, is_ours) {
            self.add(path, Likeness::Unreadable((*why).to_owned()), false);
        }
        // What is unknown in both is said once.
        if is_unreadable && matches!(committed, Likeness::Unreadable(_)) {
            return None;
        }
        let is_left_out = now.is_none() && self.repository.known.is_left_out(path);
        match self.add(path, committed, !is_left_out) {
            Likeness::Nothing(why) => Some(why),
            _ => None,
        }
    }

    /// Adds files that are staged alone, as the index holds them.
    fn take_index(&mut self) -> Result<(), GitError> {
        if self.gone.is_empty() {
            return Ok(());
        }
        let mut objects = Objects::open(&self.repository.git)?;
        for path in std::mem::take(&mut self.gone) {
            let Ok(bytes) = objects.staged(&path)? else { continue };
            // Where its prompts are now is as unknown as where it is itself.
            let source = self.repository.work_tree(&self.repository.top.join(&path)).of_neighbor();
            let staged = likeness(Path::new(&path), &bytes, &source, self.inputs);
            self.add(&path, staged, false);
        }
        Ok(())
    }

    /// Adds files of which nothing tells what they are, if an earlier commit says that they were
    /// manifests.
    fn take_earlier(
        &mut self,
        commit: Oid,
        objects: &RefCell<Objects>,
        unknown: Vec<(String, &'static str)>,
    ) -> Result<(), GitError> {
        if unknown.is_empty() {
            return Ok(());
        }
        let paths: Vec<String> = unknown.iter().map(|(path, _)| path.clone()).collect();
        let mut seen = BTreeSet::new();
        let mut were = BTreeSet::new();
        let starts = [commit.to_string()];
        for commit in commits(&self.repository.git, &starts, &paths)?.iter().take(MOST_COMMITS) {
            for path in
                paths.iter().filter(|path| !were.contains(*path)).cloned().collect::<Vec<_>>()
            {
                let mut objects = objects.borrow_mut();
                let Some(blob) = objects.find(commit.tree, &path)? else { continue };
                if !seen.insert((path.clone(), blob)) {
                    continue;
                }
                let text = objects.read(&[blob])?.pop().and_then(Result::ok).unwrap_or_default();
                if is_of_ours(&String::from_utf8_lossy(&text)) {
                    were.insert(path);
                }
            }
        }
        for (path, why) in unknown.into_iter().filter(|(path, _)| were.contains(path)) {
            self.add(&path, Likeness::Unreadable(why.to_owned()), false);
        }
        Ok(())
    }

    /// Adds what is in the folder of the manifests and below it, where Git lists nothing.
    fn take_folder(&mut self) {
        let top = self.repository.top.clone();
        let (mut folders, mut paths, mut count) = (vec![top.clone()], Vec::new(), 0);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                count += 1;
                let (path, kind) = (entry.path(), entry.file_type());
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                    folders.extend((!is_hidden).then_some(path));
                } else if let Some(path) = path.strip_prefix(&top).ok().and_then(Path::to_str) {
                    paths.push(path.replace('\\', "/"));
                }
            }
            if count > MOST_ENTRIES {
                let said = format!("there are more than {MOST_ENTRIES} files, and Git lists none");
                return self.unlisted(&said);
            }
        }
        paths.sort();
        self.take_work_tree(paths.into_iter());
    }
}

fn hash(bytes: &[u8]) -> FileHash {
    Sha256::digest(bytes).into()
}
