//! The files of a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{FilesError, failed};

/// Returns the files right in a folder, in the order of their names.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let entries = fs::read_dir(folder).map_err(|source| failed("list", folder, source))?;
    let paths: io::Result<BTreeSet<PathBuf>> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let paths = paths.map_err(|source| failed("list", folder, source))?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}

/// Removes a file; one that is not there is removed already.
pub fn remove(path: &Path) -> Result<(), FilesError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}
