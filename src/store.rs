//! Where what must outlive a run is kept: in `.qcops/`, or in a store that every runner shares.

mod error;
mod journal;

pub use error::StoreError;
pub use journal::{FileJournal, Journal, Pending, Rewriting};
