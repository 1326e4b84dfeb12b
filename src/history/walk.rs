//! Walks the commits: which touched a manifest, and what a manifest was called before.
//!
//! A walk begins at `HEAD`, follows every parent and sees each commit that touched a manifest or a
//! prompt file that any of its versions names. Where a manifest first appears, the manifests that
//! the same commit deleted, renamed or changed are its predecessors, and a further walk follows them
//! from there.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use crate::diag::{Gap, GapReason, Lost, with_causes};
use crate::evidence::{Evidence, KeyEvidence, Version};
use crate::files::read_input;
use crate::history::attributes::{self, Attributes};
use crate::history::checkout::GitFolders;
use crate::history::collector::Collector;
use crate::history::commit::{self, Commit};
use crate::history::git::{Git, GitError};
use crate::history::head::{self, HeadCommit, has_replacements};
use crate::history::likeness::{is_of_ours, is_yaml};
use crate::history::losses::Losses;
use crate::history::objects::{Objects, Oid, tree_files};
use crate::history::repository::{RepositoryState, folder_of};
use crate::history::separate::Separate;
use crate::history::versions::Versions;
use crate::history::{Depth, History, HistoryError, Repository, Request};
use crate::manifest::{DesiredState, DesiredTask};
use crate::model::Key;

/// How many paths are given to Git; beyond that, their folders are.
const PATHS: usize = 40;

/// How many moves of manifests are followed.
const WALKS: usize = 60;

/// Where to look and for what.
struct Walk {
    starts: Vec<String>,
    paths: Vec<String>,
}

/// Reads what was ever declared. What cannot be read is a gap, whatever the reason.
pub fn read(repository: &Repository, request: &Request<'_>) -> Result<History, HistoryError> {
    let mut versions = Versions::new(&repository.git, *request);
    let mut history = History::default();
    if let RepositoryState::Checkout { .. } = &repository.standing {
        versions.manifests.know(&paths(repository, request)?);
    }
    if collect(repository, request, &mut versions, &mut history, work_tree_alone)? {
        versions.finish(&mut history);
    }
    Ok(history)
}

/// The paths of the manifests.
pub(super) fn paths(
    repository: &Repository,
    request: &Request<'_>,
) -> Result<Vec<String>, HistoryError> {
    request.files.iter().map(|file| path_in(repository, file)).collect()
}

/// Gives every version of the manifests to `versions`; whether there may be any. Where there is no
/// repository, `alone` says what the work tree proves.
pub(super) fn collect(
    repository: &Repository,
    request: &Request<'_>,
    versions: &mut dyn Collector,
    history: &mut History,
    alone: fn(&DesiredState) -> Evidence,
) -> Result<bool, HistoryError> {
    if request.depth == Depth::None {
        history.evidence.gaps.push(Gap::history(GapReason::HistoryOff));
        return Ok(false);
    }
    let (shallow, folders) = match &repository.standing {
        RepositoryState::Unknown(reason) => {
            history.evidence.gaps.push(Gap::history(reason.clone()));
            return Ok(false);
        }
        RepositoryState::Outside => {
            history.evidence = alone(request.desired_state);
            history.evidence.gaps.push(Gap::history(GapReason::NoRepository));
            return Ok(false);
        }
        RepositoryState::Checkout { shallow, folders } => (*shallow, folders),
    };
    let paths = paths(repository, request)?;
    versions.losses().explain(head::lost(folders));
    if shallow {
        versions.losses().all(GapReason::ShallowClone);
    }
    if has_replacements(&repository.git, folders) {
        versions.losses().all(GapReason::ReplacedCommits);
    }
    let starts = starts(repository, folders, request.from, versions.losses(), history)?;
    if !starts.is_empty() {
        let mut walker = Walker { repository, folders, versions };
        if let Err(error) = walker.walk_all(starts, paths) {
            walker.lose(&error, None);
        }
    }
    Ok(true)
}

/// One walk over the commits.
struct Walker<'w> {
    repository: &'w Repository,
    folders: &'w GitFolders,
    versions: &'w mut dyn Collector,
}

impl Walker<'_> {
    /// Notes what could not be read.
    fn lose(&mut self, error: &GitError, what: Option<&str>) {
        self.versions.losses().all(reason(error, self.folders, what));
    }

    /// Takes a result; a missing object is noted, and the walk goes on without it.
    fn unless_missing<T>(
        &mut self,
        result: Result<T, GitError>,
        what: &str,
    ) -> Result<Option<T>, GitError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error @ GitError::Missing { .. }) => {
                self.lose(&error, Some(what));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn walk_all(&mut self, starts: Vec<String>, paths: Vec<String>) -> Result<(), GitError> {
        let git = &self.repository.git;
        let mut objects = Objects::open(git)?;
        let mut attributes = Attributes::default();
        let separate = Separate::search(git, self.folders, &starts)?;
        let manifests = paths.clone();
        let mut followed = BTreeSet::new();
        let mut walks = VecDeque::from([Walk { starts, paths }]);
        let mut count = 0;
        while let Some(walk) = walks.pop_front() {
            let looked = attributes::with_files(walk.paths.iter().cloned().collect());
            let touched = commit::commits(git, &walk.starts, &Vec::from_iter(looked))?;
            if count == 0 {
                walks.extend(self.uncommitted(&mut objects, &walk, &touched)?);
            }
            attributes.add(&walk.paths, true);
            let wider = widen(git, &mut objects, self.versions, &mut attributes, (&walk, &touched));
            let all = self.unless_missing(wider, "a folder")?.flatten();
            for commit in all.as_ref().unwrap_or(&touched) {
                if self.versions.is_reading(&walk.paths) {
                    let noted = attributes.note(&mut objects, commit);
                    self.unless_missing(noted, "an earlier folder")?;
                }
                for path in &walk.paths {
                    let taken = self.versions.take(&mut objects, commit, path);
                    self.unless_missing(taken, path)?;
                }
            }
            self.versions.moved();
            count += 1;
            if count >= WALKS {
                self.versions.losses().all(GapReason::MovedTooOften { most: WALKS });
                break;
            }
            for commit in &touched {
                let paths = predecessors(&mut objects, commit, &walk.paths);
                let paths = self.unless_missing(paths, "an earlier commit")?.unwrap_or_default();
                let paths: Vec<String> = paths
                    .into_iter()
                    .filter(|path| followed.insert((commit.id.clone(), path.clone())))
                    .collect();
                if !paths.is_empty() {
                    let starts = commit.parents.iter().map(ToString::to_string).collect();
                    walks.push_back(Walk { starts, paths });
                }
            }
        }
        self.note_conversions(&mut objects, attributes)?;
        // In a shallow clone every branch begins with a commit of its own.
        let is_shallow =
            matches!(self.repository.standing, RepositoryState::Checkout { shallow: true, .. });
        if let Some(separate) = separate.filter(|_| !is_shallow)
            && let Some(name) = separate.find(git, &mut objects, &manifests)?
        {
            self.versions.losses().all(GapReason::SeparateHistory { name });
        }
        Ok(())
    }

    /// Notes the files that were committed as other texts than were sent.
    fn note_conversions(
        &mut self,
        objects: &mut Objects,
        attributes: Attributes,
    ) -> Result<(), GitError> {
        let Repository { git, top, .. } = self.repository;
        let found = attributes.ask(git, (top, self.folders), objects);
        let found = self.unless_missing(found, "an earlier folder")?.unwrap_or_default();
        for (path, attribute, of_all) in found.files {
            self.versions.converted(path, attribute, of_all);
        }
        if let Some(said) = found.unknown {
            self.versions.losses().all(GapReason::AttributesUnknown { said });
        }
        Ok(())
    }

    /// Manifests that no commit holds: a person may have moved them since, in which case those of the
    /// last commit that the work tree lacks or has otherwise are their predecessors.
    fn uncommitted(
        &mut self,
        objects: &mut Objects,
        walk: &Walk,
        touched: &[Commit],
    ) -> Result<Option<Walk>, GitError> {
        let mut new = Vec::new();
        for path in &walk.paths {
            let mut is_committed = false;
            for commit in touched {
                // One that cannot be looked into may hold it.
                let found = self.unless_missing(objects.find(commit.tree, path), path)?;
                is_committed = is_committed || found.is_none_or(|found| found.is_some());
                if is_committed {
                    break;
                }
            }
            if !is_committed {
                new.push(path.clone());
            }
        }
        if new.is_empty() {
            return Ok(None);
        }
        let listed = tree_files(&self.repository.git, &walk.starts[0]);
        let mut paths = Vec::new();
        for (path, blob) in self.unless_missing(listed, "the last commit")?.unwrap_or_default() {
            if !is_yaml(&path) || walk.paths.contains(&path) {
                continue;
            }
            let Some(Ok(before)) = objects.read(&[blob])?.pop() else { continue };
            let now = read_input(&self.repository.top.join(&path), before.len() as u64 + 1);
            let is_same = now.is_ok_and(|now| now.as_deref() == Some(before.as_slice()));
            if !is_same && is_of_ours(&String::from_utf8_lossy(&before)) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            self.versions.losses().all(GapReason::NotCommitted { paths: new });
            return Ok(None);
        }
        Ok(Some(Walk { starts: walk.starts.clone(), paths }))
    }
}

/// Says why Git failed, or what is not there.
pub(super) fn reason(error: &GitError, folders: &GitFolders, what: Option<&str>) -> GapReason {
    let lost = head::lost(folders);
    match error {
        GitError::Absent => GapReason::GitMissing,
        GitError::Missing { what: name } => {
            let what = what.map_or_else(|| name.clone(), str::to_owned);
            GapReason::ObjectsMissing { what, lost }
        }
        // Git says of a missing object what it fails to do without it.
        _ if lost != Lost::Damaged => {
            GapReason::ObjectsMissing { what: "an earlier commit".to_owned(), lost }
        }
        _ => GapReason::GitFailed { said: with_causes(error) },
    }
}

/// Lists the commits that touched the manifests, their prompt files or a link on the way to one.
///
/// Which those are is known only from the manifests, so the list is made again until it is complete:
/// once for prompt files, and once or twice more where there are links. `None` where `touched` is.
fn widen(
    git: &Git,
    objects: &mut Objects,
    versions: &mut dyn Collector,
    attributes: &mut Attributes,
    (walk, touched): (&Walk, &[Commit]),
) -> Result<Option<Vec<Commit>>, GitError> {
    let mut wider: Option<Vec<Commit>> = None;
    let mut looked = attributes::with_files(walk.paths.iter().cloned().collect());
    loop {
        let commits = wider.as_deref().unwrap_or(touched);
        let prompts = versions.files(objects, commits, &walk.paths)?;
        for commit in commits {
            for prompt in &prompts {
                objects.find(commit.tree, prompt)?;
            }
            if objects.passed().is_empty() {
                break;
            }
        }
        attributes.add(&prompts, false);
        attributes.add(objects.passed(), true);
        let found = looked_at(&walk.paths, prompts, objects.passed());
        let found = attributes::with_files(found);
        if found.is_subset(&looked) {
            return Ok(wider);
        }
        looked.extend(found);
        let paths: Vec<String> = looked.iter().cloned().collect();
        wider = Some(commit::commits(git, &walk.starts, &paths)?);
    }
}

/// Returns the paths a walk must look at: the manifests and their prompts, or the prompts' folders
/// where there are many, since Git compares every path with every other.
pub(super) fn looked_at(
    manifests: &[String],
    mut prompts: BTreeSet<String>,
    links: &BTreeSet<String>,
) -> BTreeSet<String> {
    prompts.extend(links.iter().cloned());
    while prompts.len() > PATHS && !prompts.contains(".") {
        let folder =
            |path: &String| path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
        prompts = prompts.iter().map(folder).collect();
    }
    prompts.extend(manifests.iter().cloned());
    prompts
}

/// Returns the manifests that a commit deleted, renamed or changed, if one of `paths` appears in it.
pub(super) fn predecessors(
    objects: &mut Objects,
    commit: &Commit,
    paths: &[String],
) -> Result<BTreeSet<String>, GitError> {
    let mut parents = Vec::new();
    for parent in &commit.parents {
        parents.push(objects.tree_of(*parent)?);
    }
    let mut appears = false;
    for path in paths {
        let mut is_older = objects.find(commit.tree, path)?.is_none();
        for parent in &parents {
            is_older = is_older || objects.find(*parent, path)?.is_some();
        }
        appears = appears || !is_older;
    }
    let mut found = BTreeSet::new();
    if !appears {
        return Ok(found);
    }
    for parent in parents {
        let mut changed = Vec::new();
        objects.gone_or_changed(parent, Some(commit.tree), "", &mut changed)?;
        changed.retain(|(path, _)| is_yaml(path) && !paths.contains(path));
        let blobs: Vec<Oid> = changed.iter().map(|(_, blob)| *blob).collect();
        for ((path, _), text) in changed.into_iter().zip(objects.read(&blobs)?) {
            // What cannot be read may be one, and says so when it is taken.
            if text.map_or(true, |text| is_of_ours(&String::from_utf8_lossy(&text))) {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// Returns the commits to start from; none before the first commit.
fn starts(
    repository: &Repository,
    folders: &GitFolders,
    from: &[String],
    losses: &mut Losses,
    history: &mut History,
) -> Result<Vec<String>, HistoryError> {
    let git = &repository.git;
    let mut starts = Vec::new();
    match repository.head(folders) {
        HeadCommit::Commit(commit) => starts.push(commit.to_string()),
        HeadCommit::Unborn => history.remarks.push(Gap::history(GapReason::NothingCommitted)),
        HeadCommit::Gap(reason) => losses.all(reason.clone()),
    }
    for revision in from {
        let unknown = || HistoryError::UnknownRevision { revision: revision.clone() };
        starts.push(head::resolve(git, revision).ok_or_else(unknown)?.to_string());
    }
    Ok(starts)
}

/// Returns a file's path in the repository, with `/` between its parts.
pub(super) fn path_in(repository: &Repository, file: &Path) -> Result<String, HistoryError> {
    let no_path = || HistoryError::Path { file: file.to_owned() };
    let folder = folder_of(file).canonicalize().map_err(|_| no_path())?;
    let file = folder.join(file.file_name().ok_or_else(no_path)?);
    let path = file.strip_prefix(&repository.top).map_err(|_| no_path())?;
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    Ok(parts.ok_or_else(no_path)?.join("/"))
}

/// Outside of Git, the work tree is the only version there is.
fn work_tree_alone(desired_state: &DesiredState) -> Evidence {
    let known = |(key, desired): (&Key, &DesiredTask)| {
        let versions = vec![Version::of(&desired.object)];
        let protect = desired.protect;
        (key.clone(), KeyEvidence { versions, protect, ..KeyEvidence::default() })
    };
    Evidence { keys: desired_state.tasks.iter().map(known).collect(), ..Evidence::default() }
}
