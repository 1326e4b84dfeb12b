//! Whether the last commit declares what is declared: no content of a prompt is read for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use memchr::memmem;

use crate::diag::TextHash;
use crate::history::attributes::{may_convert, with_files};
use crate::history::blocks::{Blocks, cut};
use crate::history::commit::{Commit, commits};
use crate::history::git::GitError;
use crate::history::head::has_replacements;
use crate::history::objects::{Objects, join};
use crate::history::repository::RepositoryState;
use crate::history::walk::{looked_at, path_in, paths, predecessors};
use crate::history::{Depth, Repository, Request};
use crate::kinds::PROMPT;

/// The field whose last change a plan tells although no task changes.
const PROTECT: &str = "protect";

/// How many commits are looked through for the version before.
const MOST_COMMITS: usize = 200;

/// Whether the last commit holds the manifests and the files of their prompts as the work tree does, so
/// that it declared what is declared today.
///
/// Not where only the whole history tells what is proven: something may be committed as another text, or
/// `protect` may have been another one in the version before.
pub fn is_unchanged(repository: &Repository, request: &Request<'_>) -> bool {
    let RepositoryState::Checkout { shallow: false, folders } = &repository.standing else {
        return false;
    };
    let is_asked_for_more = request.depth == Depth::None
        || !request.from.is_empty()
        || !request.inputs.given.is_empty();
    if is_asked_for_more || has_replacements(&repository.git, folders) {
        return false;
    }
    let Ok(manifests) = paths(repository, request) else { return false };
    let Some(prompts) = prompts(repository, request, &manifests) else { return false };
    let all: BTreeSet<String> = manifests.iter().chain(&prompts).cloned().collect();
    let looked = with_files(looked_at(&manifests, all.clone(), &BTreeSet::new()));
    let Some(tracked) = tracked_in(repository, &looked) else { return false };
    all.iter().all(|path| repository.known.is_checked_out(path))
        // To compare a file that has a filter, Git would run that.
        && !may_convert(&repository.git, (&repository.top, folders), &tracked)
        && is_committed(repository, &looked, &all).unwrap_or(false)
        && keeps_protection(repository, request, &manifests, prompts).unwrap_or(false)
}

/// The paths of all files that prompts are made of; `None` where one is not in the repository.
fn prompts(
    repository: &Repository,
    request: &Request<'_>,
    manifests: &[String],
) -> Option<BTreeSet<String>> {
    let folder =
        |path: &'_ String| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let folders: BTreeMap<&Path, String> =
        request.files.iter().map(|file| &**file).zip(manifests.iter().map(folder)).collect();
    let mut prompts = BTreeSet::new();
    for task in request.manifest.tasks.values() {
        for (_, file) in task.files.iter().filter(|(field, _)| *field == PROMPT) {
            prompts.insert(join(folders.get(&*task.place.file)?, file)?);
        }
    }
    for file in &request.manifest.included {
        prompts.insert(path_in(repository, file).ok()?);
    }
    Some(prompts)
}

/// The files that Git compares where it is asked about these paths, of which some are folders.
fn tracked_in(repository: &Repository, looked: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let is_looked_at = |path: &&str| {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        [*path, "."].into_iter().chain(folders).any(|path| looked.contains(path))
    };
    Some(repository.known.listed()?.into_iter().filter(is_looked_at).map(str::to_owned).collect())
}

/// Whether the last commit, the index and the work tree hold these files alike.
fn is_committed(
    repository: &Repository,
    looked: &BTreeSet<String>,
    all: &BTreeSet<String>,
) -> Result<bool, GitError> {
    let mut arguments = vec!["diff-index", "--name-only", "-z", "HEAD", "--"];
    arguments.extend(looked.iter().map(String::as_str));
    let answer = repository.git.run(&arguments)?;
    let mut changed = answer.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    Ok(!changed.any(|path| all.contains(&*path) || path.ends_with(".gitattributes")))
}

/// Whether no task can have had another `protect` in the version before.
fn keeps_protection(
    repository: &Repository,
    request: &Request<'_>,
    manifests: &[String],
    prompts: BTreeSet<String>,
) -> Result<bool, GitError> {
    let looked: Vec<String> = looked_at(manifests, prompts, &BTreeSet::new()).into_iter().collect();
    let commits = commits(&repository.git, &["HEAD".to_owned()], &looked)?;
    if let [only] = commits.as_slice()
        && only.parents.is_empty()
    {
        return Ok(true);
    }
    let mut objects = Objects::open(&repository.git)?;
    for (path, file) in manifests.iter().zip(request.files) {
        let Some(hash) = request.sources.hash(file) else { return Ok(false) };
        if !keeps_protection_in(&mut objects, &commits, path, hash)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn keeps_protection_in(
    objects: &mut Objects,
    commits: &[Commit],
    path: &str,
    hash: TextHash,
) -> Result<bool, GitError> {
    let (mut now, mut oldest) = (None, None);
    for commit in commits.iter().take(MOST_COMMITS) {
        let Some(found) = objects.find(commit.tree, path)? else { break };
        let now = *now.get_or_insert(found);
        if found == now {
            oldest = Some(commit);
            continue;
        }
        let texts: Option<Vec<String>> = objects
            .read(&[now, found])?
            .into_iter()
            .map(|bytes| String::from_utf8(bytes.ok()?).ok())
            .collect();
        // Where the file is no longer what was read, nothing is known.
        return Ok(texts.is_some_and(|texts| {
            hash.is_of(&texts[0]) && texts[0] != texts[1] && protects_alike(&texts[0], &texts[1])
        }));
    }
    // It is as it was made, unless it was moved here.
    match oldest {
        Some(oldest) if commits.len() <= MOST_COMMITS => {
            Ok(predecessors(objects, oldest, &[path.to_owned()])?.is_empty())
        }
        _ => Ok(false),
    }
}

/// Whether two texts of a manifest protect the same tasks, for certain.
fn protects_alike(now: &str, before: &str) -> bool {
    if !protects(now) && !protects(before) {
        return true;
    }
    let (Some(now), Some(before)) = (cut(now), cut(before)) else { return false };
    let is_of_tasks = |blocks: &Blocks<'_>| !protects(blocks.before) && !protects(blocks.after);
    is_of_tasks(&now) && is_of_tasks(&before) && protected(&now) == protected(&before)
}

fn protected<'t>(blocks: &Blocks<'t>) -> BTreeSet<&'t str> {
    blocks.tasks.iter().copied().filter(|task| protects(task)).collect()
}

fn protects(text: &str) -> bool {
    memmem::find(text.as_bytes(), PROTECT.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_protect_alike_where_the_lines_of_protected_tasks_are_the_same() {
        let manifest = |tasks: &str| format!("version: 1\ntasks:\n{tasks}");
        let (a, b) = ("  a:\n    prompt: x\n", "  b:\n    prompt: y\n    protect: true\n");
        let table = [
            (manifest(a), manifest("  a:\n    prompt: z\n"), true),
            (manifest(&[a, b].concat()), manifest(b), true),
            (manifest(a), manifest(&[a, b].concat()), false),
            (manifest(&[a, b].concat()), manifest(a), false),
            (manifest("  b:\n    prompt: y\n    protect: false\n"), manifest(b), false),
            // What tasks have in common may be what protects them.
            (manifest(b) + "defaults: {protect: true}\n", manifest(b), false),
            ("tasks:\n  a: &a {protect: true}\n  b: *a\n".to_owned(), manifest(b), false),
        ];
        for (now, before, expected) in table {
            assert_eq!(protects_alike(&now, &before), expected, "{now}---\n{before}");
        }
    }
}
