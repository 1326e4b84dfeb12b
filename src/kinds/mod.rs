//! What the service allows for each kind of thing: its fields and what changing each one costs.
//!
//! Code that treats all fields alike (the diff, the renderers, the documents) loops over these rows.

mod task;

pub use task::TASK;

/// A kind of thing on the service.
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// The word for one of it.
    pub name: &'static str,
    /// Its fields, in the order in which they are shown.
    pub fields: &'static [FieldSpec],
}

/// One field of a kind.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// The service's name of it.
    pub name: &'static str,
    /// What a changed value means.
    pub on_change: OnChange,
}

/// What a changed value of a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// An update call takes it.
    InPlace,
    /// No call takes it: a new object has to be made.
    Replaces,
    /// Only the web interface sets it; a replacement loses it.
    NotOurs,
}
