//! A text that is replaced as a whole, and whose loss costs calls and nothing else.

use std::sync::{Arc, Mutex};

use crate::store::blobs::{BlobVersion, Blobs, WriteCondition};
use crate::store::journal::Pending;

/// A text of moderate size.
pub trait Document: Send + Sync {
    /// The text as it was written last; `None` where none was.
    fn read(&self) -> Pending<'_, Option<Vec<u8>>>;
    /// Replaces it. Where somebody else has replaced it since it was read, that stays.
    fn write(&self, text: Vec<u8>) -> Pending<'_, ()>;
}

/// A text in a shared store.
pub(super) struct SharedDocument {
    blobs: Arc<dyn Blobs>,
    name: String,
    /// The version that was read last.
    version: Mutex<Option<BlobVersion>>,
}

impl SharedDocument {
    pub(super) fn new(blobs: Arc<dyn Blobs>, name: String) -> Self {
        Self { blobs, name, version: Mutex::default() }
    }
}

impl Document for SharedDocument {
    fn read(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(async {
            let (text, version) = match self.blobs.read(&self.name).await? {
                Some(found) => (Some(found.bytes), Some(found.version)),
                None => (None, None),
            };
            *self.version.lock().expect("no holder panics") = version;
            Ok(text)
        })
    }

    fn write(&self, text: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move {
            let version = self.version.lock().expect("no holder panics").clone();
            let expected = version.map_or(WriteCondition::Absent, WriteCondition::Version);
            self.blobs.write(&self.name, text, expected).await.map(drop)
        })
    }
}
