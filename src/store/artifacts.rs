//! What is kept for people: transcripts, reports, saved plans. Each is written as a whole.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::files::{self, Files};
use crate::store::StoreError;
use crate::store::blobs::{Blobs, WriteCondition};

/// A folder for what is worth keeping: on this machine, or in a shared store.
#[derive(Clone)]
pub struct Artifacts(ArtifactFolder);

#[derive(Clone)]
enum ArtifactFolder {
    Folder { files: Arc<dyn Files>, folder: PathBuf },
    Shared { blobs: Arc<dyn Blobs>, folder: String, store: String },
}

impl Artifacts {
    /// A folder of this machine.
    pub fn in_folder(files: Arc<dyn Files>, folder: PathBuf) -> Self {
        Self(ArtifactFolder::Folder { files, folder })
    }

    pub(super) fn in_store(blobs: Arc<dyn Blobs>, store: String, folder: String) -> Self {
        Self(ArtifactFolder::Shared { blobs, folder, store })
    }

    /// Writes a document. What was there under this name is replaced.
    pub async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        match &self.0 {
            ArtifactFolder::Folder { files, folder } => {
                Ok(files::write_output(&**files, &folder.join(name), &bytes)?)
            }
            ArtifactFolder::Shared { blobs, folder, .. } => {
                blobs.write(&below(folder, name), bytes, WriteCondition::None).await.map(drop)
            }
        }
    }
}

/// A name in a folder of a store; the empty folder is the store itself.
fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl fmt::Display for Artifacts {
    /// The path of the folder, or its address without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ArtifactFolder::Folder { folder, .. } => folder.display().fmt(f),
            ArtifactFolder::Shared { folder, store, .. } => {
                write!(f, "{}/{folder}", store.trim_end_matches('/'))
            }
        }
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Artifacts({self})")
    }
}
