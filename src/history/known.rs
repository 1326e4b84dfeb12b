//! Which files of a work tree Git tracks or would add, asked once.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use crate::history::git::Git;

/// Tracked files and those that are not added yet.
const LISTED: [&str; 5] = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];

/// The files of one work tree.
#[derive(Debug)]
pub(super) struct KnownFiles {
    git: Arc<Git>,
    paths: OnceLock<BTreeSet<String>>,
}

impl KnownFiles {
    pub(super) fn new(git: Arc<Git>) -> Self {
        Self { git, paths: OnceLock::new() }
    }

    /// Returns the files that Git tracks or would add, as paths from the top, each once.
    pub(super) fn paths(&self) -> &BTreeSet<String> {
        self.paths.get_or_init(|| {
            let listed = self.git.run(&LISTED).unwrap_or_default();
            let paths = listed.split(|byte| *byte == 0);
            paths.filter_map(|path| String::from_utf8(path.to_owned()).ok()).collect()
        })
    }
}
