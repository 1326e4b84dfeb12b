//! What can go wrong with a store.

use crate::files::FilesError;

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be reached.
    #[error(transparent)]
    Files(#[from] FilesError),
}
