//! A journal: lines that are only ever added, each durable before the request that it announces.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::files::Files;
use crate::store::StoreError;

/// What takes a while.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What makes another text of all that a journal holds, where it makes any.
pub type Rewriting<'a> = &'a (dyn Fn(&[u8]) -> Option<Vec<u8>> + Sync);

/// Lines in the order in which they were added.
pub trait Journal: Send + Sync {
    /// Reads what others may have added.
    fn refresh(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// All lines, as far as they were read.
    fn lines(&self) -> Result<Vec<u8>, StoreError>;
    /// Adds lines at the end and returns once they are durable.
    fn append(&self, lines: Vec<u8>) -> Pending<'_, ()>;
    /// Replaces all lines by what `change` makes of them, where it makes any; what others append
    /// meanwhile is kept.
    fn rewrite<'a>(&'a self, change: Rewriting<'a>) -> Pending<'a, ()>;
    /// Notes the epoch of the lease under which lines are added from now on.
    fn begin_epoch(&self, _epoch: u64) {}
}

/// A journal in one file.
pub struct FileJournal {
    files: Arc<dyn Files>,
    path: PathBuf,
}

impl FileJournal {
    /// Makes the journal that is kept in the file `path`.
    pub fn new(files: Arc<dyn Files>, path: PathBuf) -> Self {
        Self { files, path }
    }
}

impl Journal for FileJournal {
    fn lines(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.files.read(&self.path)?.unwrap_or_default())
    }

    fn append(&self, lines: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move { Ok(self.files.append_aside(&self.path, lines).await?) })
    }

    fn rewrite<'a>(&'a self, change: Rewriting<'a>) -> Pending<'a, ()> {
        Box::pin(async move { Ok(self.files.rewrite(&self.path, change)?) })
    }
}
