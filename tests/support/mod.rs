//! What stories are told with: a world in process, one behind a socket, a repository with the binary, a sight by hand, a browser.

pub(crate) mod browser;
pub(crate) mod repo;
pub(crate) mod scene;
pub(crate) mod schema;
pub(crate) mod served;
pub(crate) mod view;
pub(crate) mod world;
