//! What stories are told with: a world in process, a repository with the binary, a sight by hand.

pub(crate) mod repo;
pub(crate) mod scene;
pub(crate) mod world;
