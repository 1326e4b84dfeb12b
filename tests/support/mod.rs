//! What stories are told with: a world in process, and a repository with the binary.

pub(crate) mod repo;
pub(crate) mod world;
