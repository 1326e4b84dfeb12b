//! Values as files of a folder that many processes, or machines with one file system, write to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::{self, Disk, Files, FilesError};
use crate::model::sha256_hex;
use crate::store::StoreError;
use crate::store::blobs::{BlobVersion, Blobs, StoredBlob, WriteCondition, WriteOutcome};
use crate::store::journal::Pending;

/// How long between two attempts to take the lock of the folder, which is held for one write.
const PAUSE: Duration = Duration::from_millis(5);

/// A folder. Its values have no version but their text: whoever writes one makes it unlike all others.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }
}

fn read(path: &Path) -> Result<Option<StoredBlob>, FilesError> {
    let bytes = Disk.read(path)?;
    Ok(bytes.map(|bytes| {
        let version = version(&bytes);
        StoredBlob { bytes, version }
    }))
}

fn version(bytes: &[u8]) -> BlobVersion {
    BlobVersion { e_tag: Some(sha256_hex(bytes)), version: None }
}

impl Blobs for Folder {
    fn read<'a>(&'a self, name: &'a str) -> Pending<'a, Option<StoredBlob>> {
        Box::pin(async move { Ok(read(&self.0.join(name))?) })
    }

    fn write<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: WriteCondition,
    ) -> Pending<'a, WriteOutcome> {
        Box::pin(async move {
            let path = self.0.join(name);
            let lock = loop {
                match Disk.try_lock(&self.0.join("lock"))? {
                    Some(lock) => break lock,
                    None => tokio::time::sleep(PAUSE).await,
                }
            };
            let found = read(&path)?.map(|found| found.version);
            let is_expected = match expected {
                WriteCondition::None => true,
                WriteCondition::Absent => found.is_none(),
                WriteCondition::Version(version) => found == Some(version),
            };
            if !is_expected {
                return Ok(WriteOutcome::Conflict);
            }
            Disk.write(&path, &bytes)?;
            drop(lock);
            Ok(WriteOutcome::Done(version(&bytes)))
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        Box::pin(async move {
            let path = self.0.join(folder);
            if !path.is_dir() {
                return Ok(Vec::new());
            }
            let found = files::list(&path)?;
            let names = found.iter().filter_map(|path| path.file_name()?.to_str());
            // What is being written has a name of its own until it is whole.
            let names = names.filter(|name| !name.starts_with('.'));
            let mut names: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
            names.sort_unstable();
            Ok(names)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Pending<'a, ()> {
        Box::pin(async move { files::remove(&self.0.join(name)).map_err(StoreError::from) })
    }
}
