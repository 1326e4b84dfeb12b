//! Walks the commits: which touched a manifest, and what a manifest was called before.
//!
//! A walk begins at `HEAD`, follows every parent and sees each commit that touched a manifest or a
//! prompt file that any of its versions names. Where a manifest first appears, the manifests that
//! the same commit deleted, renamed or changed are its predecessors, and a further walk follows them
//! from there.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use crate::diag::with_causes;
use crate::evidence::{Evidence, Gap, KeyEvidence, Version};
use crate::history::git::{Git, GitError};
use crate::history::objects::{Objects, Oid};
use crate::history::repository::{RepositoryState, folder_of, is_yaml, looks_like_manifest};
use crate::history::versions::Versions;
use crate::history::{Depth, History, HistoryError, Repository, Request};
use crate::manifest::{DesiredState, DesiredTask};
use crate::model::Key;

/// How many paths are given to Git; beyond that, their folders are.
const PATHS: usize = 40;

/// How many moves of manifests are followed.
const WALKS: usize = 60;

/// A commit that touched what a walk looks at.
pub(super) struct Commit {
    /// Its name.
    pub(super) id: String,
    /// Its tree.
    pub(super) tree: Oid,
    parents: Vec<Oid>,
}

/// Where to look and for what.
struct Walk {
    starts: Vec<String>,
    paths: Vec<String>,
}

/// Reads what was ever declared.
pub fn read(repository: &Repository, request: &Request<'_>) -> Result<History, HistoryError> {
    let mut history = History::default();
    if request.depth == Depth::None {
        let what = "history is not read".to_owned();
        history.evidence.gaps.push(Gap::left_out(what, "leave out `--history none`"));
        return Ok(history);
    }
    match &repository.standing {
        RepositoryState::Unknown(gap) => history.evidence.gaps.push(gap.clone()),
        RepositoryState::Outside => {
            history.evidence = work_tree_alone(request.desired_state);
            let what =
                "there is no Git repository: what was declared earlier is unknown".to_owned();
            history.remarks.push(Gap::left_out(what, "`git init`, and commit each change"));
        }
        RepositoryState::Checkout { shallow } => {
            if *shallow {
                let what =
                    "the clone is shallow: what was declared earlier is not in it".to_owned();
                let way = "`git fetch --unshallow`, or `fetch-depth: 0` for `actions/checkout`";
                history.evidence.gaps.push(Gap::lost(what, way));
            }
            let paths = request.files.iter().map(|file| path_in(repository, file));
            let paths = paths.collect::<Result<Vec<_>, _>>()?;
            let starts = starts(&repository.git, request.from)?;
            let mut versions = Versions::new(*request);
            versions.manifests.know(&paths);
            let walked = walk_all(&repository.git, starts, paths, &mut versions, &mut history);
            versions.finish(&mut history);
            if let Err(error) = walked {
                let way = "run `git fsck` and mend what it says".to_owned();
                history.evidence.gaps.push(Gap::lost(with_causes(&error), way));
            }
        }
    }
    Ok(history)
}

fn walk_all(
    git: &Git,
    starts: Vec<String>,
    paths: Vec<String>,
    versions: &mut Versions<'_>,
    history: &mut History,
) -> Result<(), GitError> {
    if starts.is_empty() {
        let what = "nothing is committed yet, so that nothing was declared earlier".to_owned();
        history.remarks.push(Gap::left_out(what, "commit the manifest"));
        return Ok(());
    }
    let mut objects = Objects::open(git)?;
    let mut followed = BTreeSet::new();
    let mut walks = VecDeque::from([Walk { starts, paths }]);
    let mut count = 0;
    while let Some(walk) = walks.pop_front() {
        let touched = commits(git, &walk.starts, &walk.paths)?;
        if count == 0 && touched.is_empty() {
            let what = format!("`{}` was never committed", walk.paths.join("`, `"));
            history.remarks.push(Gap::left_out(what, "commit it"));
        }
        let all = widen(git, &mut objects, versions, &walk, &touched)?;
        for commit in all.as_ref().unwrap_or(&touched) {
            for path in &walk.paths {
                versions.take(&mut objects, commit, path)?;
            }
        }
        versions.is_moved = true;
        count += 1;
        if count >= WALKS {
            let what = format!(
                "manifests were moved more than {WALKS} times; older moves are not followed"
            );
            let way = "name the manifests' folders in one `--file`".to_owned();
            history.evidence.gaps.push(Gap::lost(what, way));
            break;
        }
        for commit in &touched {
            let paths = predecessors(&mut objects, commit, &walk.paths)?;
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
    Ok(())
}

/// Lists the commits that touched the manifests, their prompt files or a link on the way to one.
///
/// Which those are is known only from the manifests, so the list is made again until it is complete:
/// once for prompt files, and once or twice more where there are links. `None` where `touched` is.
fn widen(
    git: &Git,
    objects: &mut Objects,
    versions: &mut Versions<'_>,
    walk: &Walk,
    touched: &[Commit],
) -> Result<Option<Vec<Commit>>, GitError> {
    let mut wider: Option<Vec<Commit>> = None;
    let mut looked: BTreeSet<String> = walk.paths.iter().cloned().collect();
    loop {
        let commits = wider.as_deref().unwrap_or(touched);
        let prompts = versions.manifests.parse(objects, commits, &walk.paths)?;
        for commit in commits {
            for prompt in &prompts {
                objects.find(commit.tree, prompt)?;
            }
            if objects.passed().is_empty() {
                break;
            }
        }
        let found = looked_at(&walk.paths, prompts, objects.passed());
        if found.is_subset(&looked) {
            return Ok(wider);
        }
        looked.extend(found);
        let paths: Vec<String> = looked.iter().cloned().collect();
        wider = Some(self::commits(git, &walk.starts, &paths)?);
    }
}

/// Lists the commits that touched these paths, on any line of descent, the newest first.
fn commits(git: &Git, starts: &[String], paths: &[String]) -> Result<Vec<Commit>, GitError> {
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

/// Returns the paths a walk must look at: the manifests and their prompts, or the prompts' folders
/// where there are many, since Git compares every path with every other.
fn looked_at(
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
fn predecessors(
    objects: &mut Objects,
    commit: &Commit,
    paths: &[String],
) -> Result<BTreeSet<String>, GitError> {
    let mut parents = Vec::new();
    for parent in &commit.parents {
        // What a shallow clone or a lost object hides has been said elsewhere.
        parents.extend(objects.tree_of(*parent)?);
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
            if text.is_some_and(|text| looks_like_manifest(&String::from_utf8_lossy(&text))) {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// Returns the commits to start from; none before the first commit.
fn starts(git: &Git, from: &[String]) -> Result<Vec<String>, HistoryError> {
    let resolve = |revision: &str| {
        let asked = format!("{revision}^{{commit}}");
        let answer =
            git.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &asked]).ok()?;
        let answer = String::from_utf8(answer).ok()?;
        Oid::from_hex(answer.trim()).map(|oid| oid.to_string())
    };
    let mut starts: Vec<String> = resolve("HEAD").into_iter().collect();
    for revision in from {
        let unknown = || HistoryError::UnknownRevision { revision: revision.clone() };
        starts.push(resolve(revision).ok_or_else(unknown)?);
    }
    Ok(starts)
}

/// Returns a file's path in the repository, with `/` between its parts.
fn path_in(repository: &Repository, file: &Path) -> Result<String, HistoryError> {
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
