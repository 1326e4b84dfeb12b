//! Named values that are read and replaced as a whole, by whoever reaches the store.

use crate::store::journal::Pending;

/// What tells one text of a value from the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobVersion {
    /// The entity tag.
    pub e_tag: Option<String>,
    /// The version, where the store has a word of its own for it.
    pub version: Option<String>,
}

/// A value, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Its version.
    pub version: BlobVersion,
}

/// What a write finds there, or it does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteCondition {
    /// Whatever is there is replaced.
    None,
    /// No value of this name.
    Absent,
    /// The value that was read before.
    Version(BlobVersion),
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The value is stored, and this is its version.
    Done(BlobVersion),
    /// Another value is there. It may be this one: an answer can be lost, and the request sent again.
    Conflict,
}

/// A store of values that many machines write to at once.
///
/// Names are made of letters, digits, `-`, `.` and `/`.
pub trait Blobs: Send + Sync {
    /// Returns the value, or `None` where there is none of this name.
    fn read<'a>(&'a self, name: &'a str) -> Pending<'a, Option<StoredBlob>>;
    /// Stores a value where what is there is what is expected.
    fn write<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: WriteCondition,
    ) -> Pending<'a, WriteOutcome>;
    /// Returns the names of all values in a folder, in order.
    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>>;
    /// Deletes a value; one that is not there is deleted already.
    fn delete<'a>(&'a self, name: &'a str) -> Pending<'a, ()>;
}
