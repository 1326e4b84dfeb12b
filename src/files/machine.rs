//! Locks of one user on one machine, whatever folder and environment the program runs in.
//!
//! A lock is a file in a folder of this user alone, which is never reached through a link. No variable
//! decides where that folder is: a job of cron, `sudo` and a terminal set different ones. The file is
//! removed when it is released, so that the folder stays empty; who waited for it takes a new one.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{FilesError, Lock, failed, own, private};

/// The most bytes that a holder writes about itself.
const LARGEST: u64 = 4 << 10;

/// How often a lock is taken anew whose file was removed meanwhile.
const TRIES: usize = 100;

/// Holds a lock of the machine, and removes its file in the end.
struct MachineLock {
    path: PathBuf,
    _file: File,
}

impl Drop for MachineLock {
    fn drop(&mut self) {
        // Who takes it from now on makes a new file; a killed process leaves it, which does no harm.
        drop(fs::remove_file(&self.path));
    }
}

/// The result of an attempt to take a lock.
pub enum MachineLocking {
    /// It was taken.
    Taken(Lock),
    /// Another process holds it, which says this of itself.
    HeldBy(String),
}

/// The folders that may hold what belongs to this user on this machine, the best first.
pub fn machine_folders() -> Vec<PathBuf> {
    let user = own::user().map_or_else(|| "user".to_owned(), |user| user.to_string());
    own::shared_folders().into_iter().map(|folder| folder.join(format!("qcops-{user}"))).collect()
}

/// The name of this machine, where the system tells it.
pub fn machine_name() -> Option<String> {
    let name = fs::read_to_string("/etc/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Takes the lock `name` in the first of `folders` that can be made, and writes `holder` into it.
pub fn try_lock_on_machine(
    folders: &[PathBuf],
    name: &str,
    holder: &str,
) -> Result<MachineLocking, FilesError> {
    let path = private_folder(folders)?.join(name);
    for _ in 0..TRIES {
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(MachineLocking::HeldBy(said(file))),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path, source)),
        }
        let found = file.metadata().map_err(|source| failed("read", &path, source))?;
        if is_at(&path, &found) {
            write(&file, holder).map_err(|source| failed("write to", &path, source))?;
            return Ok(MachineLocking::Taken(Lock(Box::new(MachineLock { path, _file: file }))));
        }
    }
    let source = io::Error::other("its file is removed again and again");
    Err(failed("lock", &path, source))
}

/// Returns the first folder that this user has, or can have, for itself.
///
/// One that is there and is not this user's alone is an error and not passed over: whoever was there
/// first would else decide which of two applies sees the other.
fn private_folder(folders: &[PathBuf]) -> Result<&PathBuf, FilesError> {
    let mut refused = None;
    for folder in folders {
        match private_builder().create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                refused.get_or_insert_with(|| failed("make", folder, source));
                continue;
            }
        }
        check(folder)?;
        return Ok(folder);
    }
    Err(refused.unwrap_or_else(|| FilesError::Missing { path: PathBuf::new() }))
}

/// Refuses a folder that others could put files into, or that is a link.
fn check(folder: &Path) -> Result<(), FilesError> {
    let found = fs::symlink_metadata(folder).map_err(|source| failed("read", folder, source))?;
    let refused = |what| FilesError::NotPrivate { path: folder.to_owned(), what };
    if found.is_symlink() {
        return Err(refused("a link"));
    }
    if !found.is_dir() {
        return Err(refused("not a folder"));
    }
    if own::is_of_somebody_else(folder, &found) {
        return Err(refused("of another user"));
    }
    narrow(folder, &found).map_err(|source| failed("change", folder, source))
}

fn open(path: &Path) -> Result<File, FilesError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = own::unlinked(private(&mut options), true).open(path);
    let file = file.map_err(|source| failed("open", path, source))?;
    let found = file.metadata().map_err(|source| failed("read", path, source))?;
    let refused = |what| FilesError::NotPrivate { path: path.to_owned(), what };
    if !found.is_file() {
        return Err(refused("not a regular file"));
    }
    if own::is_of_somebody_else(path, &found) {
        return Err(refused("of another user"));
    }
    Ok(file)
}

fn write(mut file: &File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// What the holder has written of itself.
fn said(file: File) -> String {
    let mut bytes = Vec::new();
    drop(file.take(LARGEST).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Whether a path still leads to this file.
#[cfg(unix)]
fn is_at(path: &Path, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |found: Metadata| (found.dev(), found.ino()) == (opened.dev(), opened.ino());
    fs::symlink_metadata(path).is_ok_and(same)
}

#[cfg(not(unix))]
fn is_at(path: &Path, _opened: &Metadata) -> bool {
    path.exists()
}

#[cfg(unix)]
fn private_builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_builder() -> DirBuilder {
    DirBuilder::new()
}

/// Takes away what others may do in a folder of this user.
#[cfg(unix)]
fn narrow(folder: &Path, found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if found.permissions().mode() & 0o777 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn narrow(_folder: &Path, _found: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn lock(folder: &Path, holder: &str) -> Result<MachineLocking, FilesError> {
        try_lock_on_machine(&[folder.to_owned()], "name.lock", holder)
    }

    fn refusal(folder: &Path) -> String {
        match lock(folder, "") {
            Ok(_) => "taken".to_owned(),
            Err(FilesError::NotPrivate { what, .. }) => what.to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_holds_the_lock_and_the_others_learn_who() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("qcops");
        let Ok(MachineLocking::Taken(held)) = lock(&folder, "process 1") else { panic!() };
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let Ok(MachineLocking::HeldBy(holder)) = lock(&folder, "process 2") else { panic!() };
        assert_eq!(holder, "process 1");
        let Ok(MachineLocking::Taken(_)) =
            try_lock_on_machine(std::slice::from_ref(&folder), "other", "")
        else {
            panic!()
        };
        drop(held);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
        let Ok(MachineLocking::Taken(_)) = lock(&folder, "process 2") else { panic!() };
    }

    #[test]
    fn a_lock_whose_file_was_removed_meanwhile_is_none() {
        let scratch = tempfile::tempdir().unwrap();
        let file = open(&scratch.path().join("a")).unwrap();
        let found = file.metadata().unwrap();
        assert!(is_at(&scratch.path().join("a"), &found));
        fs::remove_file(scratch.path().join("a")).unwrap();
        assert!(!is_at(&scratch.path().join("a"), &found));
        drop(open(&scratch.path().join("a")).unwrap());
        // The number of a file that nobody has open any more may be given to another one.
        assert!(!is_at(&scratch.path().join("a"), &found));
    }

    #[test]
    fn the_folder_and_the_file_are_of_this_user_alone_and_no_links() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |path: &str| scratch.path().join(path);
        fs::create_dir(at("outside")).unwrap();
        symlink(at("outside"), at("linked")).unwrap();
        fs::write(at("file"), "").unwrap();
        fs::create_dir_all(at("planted/name.lock")).unwrap();
        fs::create_dir_all(at("through")).unwrap();
        fs::write(at("outside/target"), "untouched").unwrap();
        symlink(at("outside/target"), at("through/name.lock")).unwrap();
        assert_eq!(refusal(&at("linked")), "a link");
        assert_eq!(refusal(&at("file")), "not a folder");
        assert!(refusal(&at("planted")).starts_with("failed to open"));
        assert!(refusal(&at("through")).starts_with("failed to open"));
        assert_eq!(fs::read(at("outside/target")).unwrap(), b"untouched");
        fs::create_dir(at("wide")).unwrap();
        fs::set_permissions(at("wide"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(refusal(&at("wide")), "taken");
        assert_eq!(fs::metadata(at("wide")).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir(at("theirs")).unwrap();
        // Only root can give files away; elsewhere there is none to look at.
        if std::os::unix::fs::chown(at("theirs"), Some(4711), None).is_ok() {
            assert_eq!(refusal(&at("theirs")), "of another user");
        }
    }

    #[test]
    fn where_one_folder_cannot_be_made_the_next_one_is_taken() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |path: &str| scratch.path().join(path);
        fs::write(at("file"), "").unwrap();
        for above in ["file", "nowhere"] {
            let folders = [at(above).join("qcops"), at("qcops")];
            let Ok(MachineLocking::Taken(_)) = try_lock_on_machine(&folders, "a", "") else {
                panic!("{above}")
            };
            assert!(folders[1].is_dir());
        }
        assert!(!at("nowhere").exists(), "what is shared is the machine's to make");
        // One that is there is not passed over: somebody else would decide which of them is taken.
        symlink(at("nowhere"), at("link")).unwrap();
        assert!(try_lock_on_machine(&[at("link"), at("qcops")], "a", "").is_err());
    }

    #[test]
    fn every_shell_of_a_user_finds_the_same_folder() {
        let owner = fs::metadata("/proc/self").map(|found| found.uid());
        for folder in machine_folders() {
            assert!(["/tmp", "/var/tmp", "/dev/shm"].iter().any(|top| folder.starts_with(top)));
            if let Ok(owner) = owner {
                assert!(folder.ends_with(format!("qcops-{owner}")), "{}", folder.display());
            }
        }
    }
}
