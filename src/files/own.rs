//! The folder of the program's own files: opened in one place, and never through a link.
//!
//! A repository can hold a link at `.qcops/ledger.jsonl`, or at `.qcops` itself. Followed, what is
//! appended to a ledger ends in a file that a shell runs.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use super::{Disk, Files as _, FilesError, failed};

/// The folder of the program's own files, at the root of the repository.
pub const OWN_FOLDER: &str = ".qcops";

/// Makes the folder that holds the program's own files; Git ignores all of it.
pub fn make_private_folder(folder: &Path) -> Result<(), FilesError> {
    let ignore = folder.join(".gitignore");
    match Disk.read(&ignore)? {
        Some(_) => Ok(()),
        None => Disk.write(&ignore, b"*\n"),
    }
}

/// Makes the folder that holds the program's own files, where this user may write; who only reads needs
/// none.
pub fn make_private_folder_if_allowed(folder: &Path) -> Result<(), FilesError> {
    match make_private_folder(folder) {
        Err(error) if error.is_denied() => Ok(()),
        made => made,
    }
}

/// Whether a path lies in the program's own folder, in which case everything on it from there on is
/// of this user: folders, and at the end a regular file, or nothing yet.
pub(super) fn check(path: &Path) -> Result<bool, FilesError> {
    let mut walked = PathBuf::new();
    // How many parts below and with the own folder were walked.
    let mut depth = 0;
    for part in path.components() {
        let name = match part {
            Component::Normal(name) => name,
            // There are no links on the way that has been checked, so that its words are its meaning.
            Component::ParentDir if depth > 0 => {
                walked.pop();
                depth -= 1;
                continue;
            }
            part => {
                walked.push(part);
                continue;
            }
        };
        walked.push(name);
        if depth == 0 && !name.eq_ignore_ascii_case(OWN_FOLDER) {
            continue;
        }
        depth += 1;
        match fs::symlink_metadata(&walked) {
            Ok(found) => check_one(&walked, &found, walked.as_path() == path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(source) => return Err(failed("read", &walked, source)),
        }
    }
    Ok(depth > 0)
}

fn check_one(path: &Path, found: &Metadata, is_last: bool) -> Result<(), FilesError> {
    let refused = |what| Err(FilesError::NotOwn { path: path.to_owned(), what });
    if found.is_symlink() {
        return refused("a link");
    }
    if !is_last && !found.is_dir() {
        return refused("not a folder");
    }
    if is_last && !found.is_file() {
        return refused("not a regular file");
    }
    if is_last && has_another_name(found) {
        return refused("a hard link");
    }
    if is_of_somebody_else(path, found) {
        return refused("of another user");
    }
    Ok(())
}

/// Whether what is written into a file shows under another name too.
#[cfg(unix)]
fn has_another_name(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.nlink() > 1
}

/// Whether a file has another name; not told on this system.
#[cfg(not(unix))]
fn has_another_name(_: &Metadata) -> bool {
    false
}

/// Folders that every user of the machine may write to, the best first; no variable names them.
#[cfg(unix)]
pub(super) fn shared_folders() -> Vec<PathBuf> {
    // The last one is there in containers whose disk cannot be written to.
    ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from).into()
}

/// The folder of this user for what does not last; the system names it.
#[cfg(not(unix))]
pub(super) fn shared_folders() -> Vec<PathBuf> {
    vec![std::env::temp_dir()]
}

/// The number of the user who owns what this process makes.
#[cfg(unix)]
pub(super) fn user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    static USER: OnceLock<Option<u32>> = OnceLock::new();
    let owner = |folder| Some(tempfile::tempfile_in(folder).ok()?.metadata().ok()?.uid());
    let made = || shared_folders().into_iter().chain([std::env::temp_dir()]).find_map(owner);
    // Where no file can be made, Linux tells it too.
    *USER.get_or_init(|| made().or_else(|| Some(fs::metadata("/proc/self").ok()?.uid())))
}

/// The number of the user; not told on this system.
#[cfg(not(unix))]
pub(super) fn user() -> Option<u32> {
    None
}

/// Whether somebody else owns a file.
#[cfg(unix)]
pub(super) fn is_of_somebody_else(path: &Path, found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |made: io::Result<fs::File>| Some(made.ok()?.metadata().ok()?.uid());
    // A shared folder of another machine may give all files to one user, those made here too.
    let made_beside = || path.parent().and_then(|folder| owner(tempfile::tempfile_in(folder)));
    user() != Some(found.uid()) && made_beside() != Some(found.uid())
}

#[cfg(not(unix))]
pub(super) fn is_of_somebody_else(_path: &Path, _found: &Metadata) -> bool {
    false
}

/// Opening fails where a link has taken the file's place since it was checked.
#[cfg(unix)]
pub(super) fn unlinked(options: &mut OpenOptions, is_own: bool) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let own = if is_own { libc::O_NOFOLLOW } else { 0 };
    options.custom_flags(libc::O_NONBLOCK | own)
}

#[cfg(not(unix))]
pub(super) fn unlinked(options: &mut OpenOptions, _is_own: bool) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::files::{Disk, Files};

    /// Uses a file in every way there is; says of each way whether it is refused.
    fn refusals(path: &Path) -> Vec<String> {
        let said = |result: Result<(), FilesError>| match result {
            Err(FilesError::NotOwn { what, .. }) => what.to_owned(),
            Err(error) => error.to_string(),
            Ok(()) => "taken".to_owned(),
        };
        vec![
            said(Disk.read(path).map(drop)),
            said(Disk.append(path, b"more")),
            said(Disk.try_lock(path).map(drop)),
            said(Disk.write(path, b"all")),
        ]
    }

    #[test]
    fn nothing_in_the_own_folder_is_reached_through_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |path: &str| scratch.path().join(path);
        let outside = at("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("file"), "untouched").unwrap();
        // What is a link, where it leads, and the file that is used.
        let table = [
            ("1/.qcops/ledger.jsonl", "outside/file", "1/.qcops/ledger.jsonl"),
            ("2/.qcops/ledger.jsonl", "/dev/zero", "2/.qcops/ledger.jsonl"),
            ("3/.qcops/ledger.jsonl", "outside/new", "3/.qcops/ledger.jsonl"),
            ("4/.qcops", "outside", "4/.qcops/file"),
            ("5/.qcops", "outside", "5/.qcops/new"),
            ("6/.qcops", "outside", "6/.qcops/deeper/new"),
            ("7/.qcops/plans", "outside", "7/.qcops/plans/file"),
            ("8/.qcops/a/b", "outside", "8/.qcops/a/b/new"),
            ("9/.qcops", "outside/file", "9/.qcops"),
            ("10/.QCOPS", "outside", "10/.QCOPS/file"),
            ("11/.qcops/emulator.json.lock", "outside/file", "11/.qcops/emulator.json.lock"),
            ("12/.qcops/x", "outside", "12/.qcops/x/../x/file"),
        ];
        for (link, target, path) in table {
            fs::create_dir_all(at(link).parent().unwrap()).unwrap();
            symlink(at(target), at(link)).unwrap();
            assert_eq!(refusals(&at(path)), ["a link"; 4], "{path}");
        }
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"untouched");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened_and_a_link_above_the_own_folder_is_none_of_ours() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |path: &str| scratch.path().join(path);
        fs::create_dir_all(at("r/.qcops/folder")).unwrap();
        nix::unistd::mkfifo(&at("r/.qcops/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(at("r/.qcops/file"), "").unwrap();
        assert_eq!(refusals(&at("r/.qcops/folder")), ["not a regular file"; 4]);
        assert_eq!(refusals(&at("r/.qcops/pipe")), ["not a regular file"; 4]);
        assert_eq!(refusals(&at("r/.qcops/file/x")), ["not a folder"; 4]);
        symlink(at("r"), at("alias")).unwrap();
        assert_eq!(refusals(&at("alias/.qcops/file")), ["taken"; 4]);
        assert_eq!(refusals(&at("alias/.qcops/new/one")), ["taken"; 4]);
    }

    #[test]
    fn what_another_user_owns_is_refused_where_this_user_can_tell() {
        // Only root can give files away; elsewhere there is none to look at.
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join(".qcops/ledger.jsonl");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        if std::os::unix::fs::chown(&path, Some(4711), None).is_ok() {
            assert_eq!(refusals(&path), ["of another user"; 4]);
        }
    }
}
