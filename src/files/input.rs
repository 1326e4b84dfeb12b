//! The one reader of files: regular ones, of limited size, and never a wait for another program.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use super::{FilesError, failed, own};

/// Reads a regular file of at most `most` bytes, links followed; `None` where there is no such file.
///
/// A pipe, a device, a socket, a folder and a file that is too large are refused before anything is
/// read: a pipe that nobody writes to would hold the program for ever, and a device never ends.
pub fn read_input(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FilesError> {
    let is_own = own::check(path)?;
    // Asked before it is opened, because opening alone can have an effect on a device.
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("read", path, source)),
    };
    check(path, &found, most)?;
    let file = own::unlinked(OpenOptions::new().read(true), is_own).open(path);
    let file = file.map_err(|source| failed("read", path, source))?;
    // And asked again of what was opened, which may be another file by now.
    let found = file.metadata().map_err(|source| failed("read", path, source))?;
    check(path, &found, most)?;
    read_open(path, file, &found, most).map(Some)
}

fn read_open(path: &Path, file: File, found: &Metadata, most: u64) -> Result<Vec<u8>, FilesError> {
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default() + 1);
    let read = file.take(most + 1).read_to_end(&mut bytes);
    let length = read.map_err(|source| failed("read", path, source))?;
    if length as u64 > most {
        return Err(FilesError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

/// Refuses what is no regular file, or too large a one.
fn check(path: &Path, found: &Metadata, most: u64) -> Result<(), FilesError> {
    check_regular(path, found)?;
    if found.len() > most {
        return Err(FilesError::TooLarge { path: path.to_owned(), most });
    }
    Ok(())
}

/// Refuses what is no regular file.
pub(super) fn check_regular(path: &Path, found: &Metadata) -> Result<(), FilesError> {
    if found.is_file() {
        return Ok(());
    }
    Err(FilesError::NotPlain { path: path.to_owned(), what: in_words(found.file_type()) })
}

#[cfg(unix)]
fn in_words(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_symlink() => "a link",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn in_words(kind: FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "a link or a device" }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read_and_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("small"), "four").unwrap();
        fs::write(at("large"), "five!").unwrap();
        File::create(at("sparse")).unwrap().set_len(1 << 40).unwrap();
        fs::create_dir(at("folder")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for name in ["small", "pipe", "folder", "sparse"] {
            symlink(at(name), at(&format!("link to {name}"))).unwrap();
        }
        symlink("/dev/zero", at("link to zero")).unwrap();
        let table = [
            ("small", "four"),
            ("link to small", "four"),
            ("nothing", "none"),
            ("large", "has more than 4 bytes"),
            ("sparse", "has more than 4 bytes"),
            ("link to sparse", "has more than 4 bytes"),
            ("folder", "is a folder, not a regular file"),
            ("link to folder", "is a folder, not a regular file"),
            ("pipe", "is a pipe, not a regular file"),
            ("link to pipe", "is a pipe, not a regular file"),
            ("socket", "is a socket, not a regular file"),
            ("link to zero", "is a device, not a regular file"),
            ("/dev/zero", "is a device, not a regular file"),
        ];
        for (name, expected) in table {
            let read = match read_input(&at(name), 4) {
                Ok(Some(bytes)) => String::from_utf8(bytes).unwrap(),
                Ok(None) => "none".to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(read.ends_with(expected), "{name}: {read}");
        }
    }
}
