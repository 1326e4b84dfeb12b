//! The only file access of the program: contained reads, atomic writes, durable appends, locks.
//!
//! [`Disk`] is the machine's file system, [`Memory`] a map for stories that are cut short.
//! Files written here are readable by their owner alone.

mod bounds;
mod entries;
mod input;
mod machine;
mod own;

pub use bounds::Bounds;
pub use entries::{list, remove};
pub use input::read_input;
pub use machine::{MachineLocking, machine_folders, machine_name, try_lock_on_machine};
pub use own::{OWN_FOLDER, make_private_folder, make_private_folder_if_allowed};

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::future;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// The largest file that is read without a limit of its own, in bytes: a ledger, an emulated world.
const LARGEST: u64 = 512 << 20;

/// A failed access to a file.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The operating system refused.
    #[error("failed to {verb} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path leads out of the folder it must stay in.
    #[error("`{}` is outside of `{}`", path.display(), root.display())]
    Outside {
        /// The path as it is written.
        path: PathBuf,
        /// The folder it must stay in.
        root: PathBuf,
    },
    /// The path leads into a folder that is not read from, such as `.git`.
    #[error("`{}` is in `{folder}`, from where no file is read", path.display())]
    Closed {
        /// The path, as it resolved where it could be.
        path: PathBuf,
        /// The folder.
        folder: String,
    },
    /// There is no such file.
    #[error("there is no file `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The path names a folder, a device or a pipe.
    #[error("`{}` is {what}, not a regular file", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Something in the program's own folder is not what this program makes.
    #[error(
        "`{}` is {what}, and all in `.qcops` must be folders and regular files of yours; remove it",
        path.display()
    )]
    NotOwn {
        /// What it is about.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// What is to be of this user alone is not.
    #[error("`{}` is {what}; it must be a folder of yours, or a regular file in it: remove it, as its owner or as root", path.display())]
    NotPrivate {
        /// What it is about.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// What is to be written lies behind a link.
    #[error("`{}` is a link, and nothing is written where it leads", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The file is longer than anything it could rightly hold.
    #[error("`{}` has more than {}", path.display(), size(*most))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes it may have.
        most: u64,
    },
}

impl FilesError {
    /// Whether this user may not do it here, or nobody may.
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem)
    }
}

/// Holds a lock until it is dropped; the system frees it when the process dies.
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any + Send>);

/// Where the program keeps what it writes.
pub trait Files: Send + Sync {
    /// Returns the file's bytes, or `None` where there is no such file.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError>;
    /// Replaces the file as a whole: after a crash the old or the new text is there.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError>;
    /// Adds to the file's end and returns once that is durable.
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError>;
    /// Replaces what the file holds by what `change` makes of it, where it makes anything; what other
    /// processes append meanwhile is kept.
    fn rewrite(
        &self,
        path: &Path,
        change: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), FilesError> {
        match self.read(path)?.and_then(|bytes| change(&bytes)) {
            Some(bytes) => self.write(path, &bytes),
            None => Ok(()),
        }
    }
    /// Like `append`, without holding up the thread where that takes a while.
    fn append_aside<'a>(&'a self, path: &'a Path, bytes: Vec<u8>) -> Appending<'a> {
        Box::pin(future::ready(self.append(path, &bytes)))
    }
    /// Takes the lock, or returns `None` where somebody else holds it.
    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, FilesError>;
}

/// The future of an append.
pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<(), FilesError>> + Send + 'a>>;

/// The machine's file system.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
        read_input(path, LARGEST)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        own::check(path)?;
        let folder = folder_of(path)?;
        // `tempfile` opens with mode 0600.
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            File::open(&folder)?.sync_all()
        };
        write().map_err(|source| failed("write", path, source))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let mut file = loop {
            let file = open(path, OpenOptions::new().append(true).create(true), "append to")?;
            // Who rewrites the file holds it alone. Where there are no such locks nobody rewrites it.
            let is_shared = file.lock_shared().is_ok();
            if !is_shared || is_at(&file, path) {
                break file;
            }
        };
        let append = file.write_all(bytes).and_then(|()| file.sync_data());
        append.map_err(|source| failed("append to", path, source))
    }

    fn rewrite(
        &self,
        path: &Path,
        change: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), FilesError> {
        if !path.exists() {
            return Ok(());
        }
        let file = open(path, OpenOptions::new().append(true), "open")?;
        if file.lock().is_err() || !is_at(&file, path) {
            return Ok(());
        }
        match self.read(path)?.and_then(|bytes| change(&bytes)) {
            Some(bytes) => self.write(path, &bytes),
            None => Ok(()),
        }
    }

    fn append_aside<'a>(&'a self, path: &'a Path, bytes: Vec<u8>) -> Appending<'a> {
        let owned = path.to_owned();
        let writing = tokio::task::spawn_blocking(move || Self.append(&owned, &bytes));
        Box::pin(async move {
            writing.await.unwrap_or_else(|lost| Err(failed("append to", path, lost.into())))
        })
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, FilesError> {
        let file = open(path, OpenOptions::new().write(true).create(true).truncate(false), "open")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(Box::new(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed("lock", path, source)),
        }
    }
}

/// Files in memory, for stories that end at any moment.
///
/// Clones share one set of files, as processes share a disk.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    locks: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Files for Memory {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.files.lock().expect("no holder panics").get(path).cloned())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        self.files.lock().expect("no holder panics").insert(path.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let mut files = self.files.lock().expect("no holder panics");
        files.entry(path.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, FilesError> {
        let is_free = self.locks.lock().expect("no holder panics").insert(path.to_owned());
        let hold = || Held { locks: Arc::clone(&self.locks), path: path.to_owned() };
        Ok(is_free.then(|| Lock(Box::new(hold()))))
    }
}

/// A lock of [`Memory`], given back on drop as the system does for a dead process.
struct Held {
    locks: Arc<Mutex<BTreeSet<PathBuf>>>,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.lock().expect("no holder panics").remove(&self.path);
    }
}

/// Refuses to write at `path`, from the folder `base` on, through or over a link.
///
/// In a repository a link is what somebody committed, and it may lead anywhere. A `path` that is not
/// below `base` is judged as a whole.
pub fn check_unlinked(base: &Path, path: &Path) -> Result<(), FilesError> {
    let mut walked = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(walked.pop()),
            Component::CurDir => {}
            part => walked.push(part),
        }
        let is_judged = walked.starts_with(base) && walked != base || !path.starts_with(base);
        let is_link = || fs::symlink_metadata(&walked).is_ok_and(|found| found.is_symlink());
        if is_judged && is_link() {
            return Err(FilesError::Link { path: walked });
        }
    }
    Ok(())
}

/// Whether others than its owner may read the file.
#[cfg(unix)]
pub fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// Whether others than its owner may read the file; not told on this system.
#[cfg(not(unix))]
pub fn is_readable_by_others(_path: &Path) -> bool {
    false
}

/// Checks that files can be made in a folder; nothing is left in it.
pub fn check_writable(folder: &Path) -> Result<(), FilesError> {
    own::check(&folder.join("written"))?;
    tempfile::tempfile_in(folder).map(drop).map_err(|source| failed("write to", folder, source))
}

/// Opens a regular file to write to, or makes it.
fn open(path: &Path, options: &mut OpenOptions, verb: &'static str) -> Result<File, FilesError> {
    let is_own = own::check(path)?;
    folder_of(path)?;
    if let Ok(found) = fs::metadata(path) {
        input::check_regular(path, &found)?;
    }
    let file = own::unlinked(private(options), is_own).open(path);
    let file = file.map_err(|source| failed(verb, path, source))?;
    let found = file.metadata().map_err(|source| failed(verb, path, source))?;
    input::check_regular(path, &found)?;
    Ok(file)
}

/// Whether the path still leads to a file that was opened there.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |found: fs::Metadata| (found.dev(), found.ino());
    file.metadata().map(id).ok() == fs::symlink_metadata(path).map(id).ok()
}

/// Whether the path still leads to a file that was opened there: what is open is not replaced here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

fn folder_of(path: &Path) -> Result<PathBuf, FilesError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    fs::create_dir_all(&folder).map_err(|source| failed("make", &folder, source))?;
    Ok(folder)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A number of bytes in words.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> FilesError {
    FilesError::Io { verb, path: path.to_owned(), source }
}

/// Writes what a person asked for to a file they named.
///
/// A regular file is replaced as a whole. A device or a pipe is written to, and so is what `/dev/stdout`
/// and its like name, whatever lies behind them.
pub fn write_output(files: &dyn Files, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
    own::check(path)?;
    if is_in_git_folder(path) {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "only Git writes there");
        return Err(failed("write to", path, source));
    }
    match write_special(path, bytes) {
        Some(written) => written.map_err(|source| failed("write to", path, source)),
        None => files.write(path, bytes),
    }
}

/// Whether writing to a path replaces nothing: it is a device, a pipe, or an open stream.
#[cfg(unix)]
pub fn is_special(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_device = |found: fs::Metadata| {
        let kind = found.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_block_device() || kind.is_socket()
    };
    descriptor(path).is_some() || fs::metadata(path).is_ok_and(is_device)
}

/// Whether writing to a path replaces nothing; not told on this system.
#[cfg(not(unix))]
pub fn is_special(_path: &Path) -> bool {
    false
}

/// Whether two paths lead to one file, which may not be there yet.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one == other || has_same_inode(&one, &other),
        _ => one == other,
    }
}

/// Whether a path lies in a folder that is Git's own.
pub fn is_in_git_folder(path: &Path) -> bool {
    let path = whole(path).unwrap_or_else(|| path.to_owned());
    path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git"))
}

/// The path without links and detours, as far as it exists.
fn whole(path: &Path) -> Option<PathBuf> {
    if let Ok(whole) = path.canonicalize() {
        return Some(whole);
    }
    let name = path.file_name()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some(whole(folder.unwrap_or(Path::new(".")))?.join(name))
}

#[cfg(unix)]
fn has_same_inode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    inode(one).is_some() && inode(one) == inode(other)
}

#[cfg(not(unix))]
fn has_same_inode(_one: &Path, _other: &Path) -> bool {
    false
}

#[cfg(unix)]
fn write_special(path: &Path, bytes: &[u8]) -> Option<io::Result<()>> {
    if !is_special(path) {
        return None;
    }
    let write_all = |mut stream: Box<dyn Write>| {
        stream.write_all(bytes)?;
        stream.flush()
    };
    Some(match descriptor(path) {
        // Opened anew, a file behind it would be written from its start.
        Some(1) => write_all(Box::new(io::stdout())),
        Some(2) => write_all(Box::new(io::stderr())),
        _ => open_special(path).and_then(|file| write_all(Box::new(file))),
    })
}

#[cfg(not(unix))]
fn write_special(_path: &Path, _bytes: &[u8]) -> Option<io::Result<()>> {
    None
}

/// Opens a device or a pipe; a pipe that nobody reads is an error, since waiting could last for ever.
#[cfg(unix)]
fn open_special(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.append(true);
    let probe = options.clone().custom_flags(libc::O_NONBLOCK).open(path)?;
    let file = options.open(path)?;
    drop(probe);
    Ok(file)
}

/// The open stream of this process that a path names, such as `/dev/stdout`, links followed.
#[cfg(unix)]
fn descriptor(path: &Path) -> Option<u32> {
    const MOST_LINKS: usize = 16;
    let streams = PathBuf::from(format!("/proc/{}/fd", std::process::id()));
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
        if folder == streams || folder == Path::new("/dev/fd") {
            return path.file_name()?.to_str()?.parse().ok();
        }
        path = folder.join(fs::read_link(folder.join(path.file_name()?)).ok()?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_files(files: &dyn Files, folder: &Path) {
        let path = folder.join("deep/file");
        assert_eq!(files.read(&path).unwrap(), None);
        files.append(&path, b"a").unwrap();
        files.append(&path, b"b").unwrap();
        assert_eq!(files.read(&path).unwrap().unwrap(), b"ab");
        files.write(&path, b"new").unwrap();
        assert_eq!(files.read(&path).unwrap().unwrap(), b"new");
        let lock = folder.join("lock");
        let held = files.try_lock(&lock).unwrap();
        assert!(held.is_some());
        assert!(files.try_lock(&lock).unwrap().is_none());
        assert!(files.try_lock(&lock).unwrap().is_none());
        drop(held);
        assert!(files.try_lock(&lock).unwrap().is_some());
    }

    #[test]
    fn disk_and_memory_behave_alike() {
        let folder = tempfile::tempdir().unwrap();
        check_files(&Disk, folder.path());
        check_files(&Memory::default(), folder.path());
    }

    #[test]
    fn what_is_appended_while_a_file_is_rewritten_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        Disk.rewrite(&path, &|_| Some(Vec::new())).unwrap();
        assert!(!path.exists(), "there is nothing to rewrite");
        Disk.append(&path, b"x").unwrap();
        std::thread::scope(|scope| {
            for letter in [b"a", b"b"] {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| Disk.append(path, letter).unwrap()));
            }
            // Each takes a byte out and puts one in, so that every one is a new file.
            for _ in 0..50 {
                Disk.rewrite(&path, &|bytes| Some([&bytes[1..], b"x"].concat())).unwrap();
            }
        });
        let bytes = Disk.read(&path).unwrap().unwrap();
        assert_eq!(bytes.len(), 101, "nothing is lost");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (written, appended) = (folder.path().join("w"), folder.path().join("a"));
        Disk.write(&written, b"x").unwrap();
        Disk.append(&appended, b"x").unwrap();
        for path in [written, appended] {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_output_replaces_a_regular_file_and_is_written_to_all_else() {
        use std::io::Read as _;
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pipe = || nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        pipe();
        let error = write_output(&Disk, &path("pipe"), b"x").unwrap_err();
        assert!(error.to_string().contains("failed to write to"), "{error}");
        let reader = OpenOptions::new().read(true).write(true).open(path("pipe")).unwrap();
        for (link, target) in [("null", "/dev/null"), ("link", "pipe"), ("err", "/proc/self/fd/2")]
        {
            symlink(target, path(link)).unwrap();
            assert!(is_special(&path(link)), "{link}");
            write_output(&Disk, &path(link), b"").unwrap();
            assert!(path(link).is_symlink(), "{link} is still a link");
        }
        write_output(&Disk, &path("link"), b"said").unwrap();
        let mut said = [0; 4];
        (&reader).read_exact(&mut said).unwrap();
        assert_eq!(&said, b"said");
        assert!(fs::metadata(path("pipe")).unwrap().file_type().is_fifo());
        for full in ["/dev/full", "full"] {
            drop(symlink("/dev/full", path("full")));
            assert!(write_output(&Disk, &folder.path().join(full), b"x").is_err(), "{full}");
        }
        assert!(write_output(&Disk, folder.path(), b"x").is_err(), "a folder");
        fs::write(path("old"), "old").unwrap();
        write_output(&Disk, &path("old"), b"new").unwrap();
        assert_eq!(fs::read(path("old")).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn one_file_is_known_under_all_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "a").unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        std::os::unix::fs::symlink("a", path("soft")).unwrap();
        let table = [
            ("a", "a", true),
            ("a", "./a", true),
            ("a", "hard", true),
            ("soft", "a", true),
            ("new", "../new", false),
            ("new", "./new", true),
            ("no/new", "./no/new", true),
            ("a", "b", false),
            ("a", "new", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(is_same_file(&path(one), &path(other)), expected, "{one}, {other}");
        }
    }
}
