//! Where a folder's repository is: the one place that decides it.
//!
//! Git itself would take any folder with a few files of certain names for a repository, and a pull
//! request can add such files: with them came settings of the stranger's choice. So the way up from a
//! manifest is walked here, and only a `.git` counts, which no commit can hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The largest `.git` file; it holds one path.
const LARGEST_LINK: u64 = 64 << 10;

/// A `.git` above a folder.
#[derive(Debug)]
pub(super) struct Marked {
    /// The folder that holds it.
    pub(super) root: PathBuf,
    /// What it stands for; `None` where it is no repository, though it should be.
    pub(super) repository: Option<GitFolders>,
}

/// The folders of Git's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GitFolders {
    /// That of this work tree.
    pub(super) own: PathBuf,
    /// That of all work trees of the repository.
    pub(super) common: PathBuf,
}

/// Walks up from `folder`, which is resolved, to the first `.git` that is or should be a repository.
///
/// Git passes over a folder that has nothing of a repository in it. Where there is no other, it is one
/// that is out of reach, as where it was to be mounted.
pub(super) fn locate(folder: &Path) -> Option<Marked> {
    let mut blank = None;
    for root in folder.ancestors() {
        let mark = root.join(".git");
        // A link to a folder is what some tools make; one that leads nowhere is a repository out of reach.
        let is_folder = match fs::symlink_metadata(&mark) {
            Ok(found) => found.is_dir() || mark.is_dir(),
            Err(error) if is_absent(&error) => continue,
            Err(_) => return Some(Marked { root: root.to_owned(), repository: None }),
        };
        let repository = if is_folder { git_folders(&mark) } else { linked(root, &mark) };
        if repository.is_none() && is_folder && !has_any_part(&mark) {
            blank.get_or_insert_with(|| root.to_owned());
            continue;
        }
        return Some(Marked { root: root.to_owned(), repository });
    }
    blank.map(|root| Marked { root, repository: None })
}

/// Follows a `.git` file, as linked work trees and submodules have one.
fn linked(root: &Path, mark: &Path) -> Option<GitFolders> {
    let bytes = crate::files::read_input(mark, LARGEST_LINK).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    let path = text.strip_prefix("gitdir:")?.trim_start().trim_end_matches(['\r', '\n']);
    git_folders(&root.join(path))
}

/// Returns the folders of a repository, if `folder` is one: it has a HEAD, objects and refs, the last
/// two maybe in the repository that it is a work tree of.
fn git_folders(folder: &Path) -> Option<GitFolders> {
    let own = folder.canonicalize().ok()?;
    let common = match crate::files::read_input(&own.join("commondir"), LARGEST_LINK).ok()? {
        Some(path) => own.join(String::from_utf8(path).ok()?.trim_end_matches(['\r', '\n'])),
        None => own.clone(),
    };
    let common = common.canonicalize().ok()?;
    let has_head = fs::symlink_metadata(own.join("HEAD")).is_ok_and(|found| !found.is_dir());
    let is_whole = has_head && common.join("objects").is_dir() && common.join("refs").is_dir();
    is_whole.then_some(GitFolders { own, common })
}

fn has_any_part(folder: &Path) -> bool {
    let parts = ["HEAD", "config", "objects", "refs", "commondir"];
    // What cannot be looked at may be there.
    parts.iter().any(|part| match fs::symlink_metadata(folder.join(part)) {
        Ok(_) => true,
        Err(error) => !is_absent(&error),
    })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes what Git takes for a repository.
    fn make(folder: &Path) {
        for part in ["objects", "refs"] {
            fs::create_dir_all(folder.join(part)).unwrap();
            fs::write(folder.join(part).join("x"), "").unwrap();
        }
        fs::write(folder.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(folder.join("config"), "[core]\n\tbare = false\n\tworktree = /\n").unwrap();
    }

    #[test]
    fn a_repository_is_a_real_git_folder_above_and_nothing_that_a_commit_can_hold() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path().canonicalize().unwrap();
        let at = |path: &str| top.join(path);
        let write = |path: &str, text: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        };
        make(&at("r/.git"));
        // What a pull request can add, in the manifest's folder and above it.
        make(&at("r/bare/sub"));
        make(&at("r/bare"));
        make(&at("r/bare.git"));
        fs::create_dir_all(at("r/plain/sub")).unwrap();
        fs::create_dir_all(at("r/blank/.git/hooks")).unwrap();
        // What a person has.
        make(&at("r/.git/modules/m"));
        write("r/m/.git", "gitdir: ../.git/modules/m\n");
        write("r/.git/worktrees/w/HEAD", "ref: refs/heads/w\n");
        write("r/.git/worktrees/w/commondir", "../..\n");
        write("w/.git", &format!("gitdir: {}\n", at("r/.git/worktrees/w").display()));
        make(&at("store"));
        write("apart/.git", "gitdir: ../store");
        fs::create_dir_all(at("tool")).unwrap();
        symlink(at("store"), at("tool/.git")).unwrap();
        // What is out of reach.
        write("lost/.git", "gitdir: ../nowhere\n");
        write("garbled/.git", "what is this\n");
        write("headless/.git/objects/x", "");
        fs::create_dir_all(at("unmounted/.git")).unwrap();
        fs::create_dir_all(at("dangling/sub")).unwrap();
        symlink("/nowhere", at("dangling/.git")).unwrap();
        let table = [
            ("r", "r", Some(("r/.git", "r/.git"))),
            ("r/plain/sub", "r", Some(("r/.git", "r/.git"))),
            ("r/bare", "r", Some(("r/.git", "r/.git"))),
            ("r/bare/sub", "r", Some(("r/.git", "r/.git"))),
            ("r/bare.git", "r", Some(("r/.git", "r/.git"))),
            ("r/blank", "r", Some(("r/.git", "r/.git"))),
            ("r/m", "r/m", Some(("r/.git/modules/m", "r/.git/modules/m"))),
            ("w", "w", Some(("r/.git/worktrees/w", "r/.git"))),
            ("apart", "apart", Some(("store", "store"))),
            ("tool", "tool", Some(("store", "store"))),
            ("lost", "lost", None),
            ("garbled", "garbled", None),
            ("headless", "headless", None),
            ("dangling/sub", "dangling", None),
            ("unmounted", "unmounted", None),
        ];
        for (folder, root, folders) in table {
            let found = locate(&at(folder)).unwrap_or_else(|| panic!("{folder}: nothing"));
            let expected =
                folders.map(|(own, common)| GitFolders { own: at(own), common: at(common) });
            assert_eq!((found.root, found.repository), (at(root), expected), "{folder}");
        }
        assert!(locate(&at("store")).is_none(), "a bare repository holds no manifest");
    }
}
