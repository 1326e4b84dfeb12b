//! Which files of a work tree Git tracks or would add, asked once.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use crate::history::git::Git;

/// Tracked files and those that are not added yet, each behind a letter.
const LISTED: [&str; 6] = ["ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard"];

/// The files of one work tree.
#[derive(Debug)]
pub(super) struct KnownFiles {
    git: Arc<Git>,
    lists: OnceLock<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    tracked: BTreeSet<String>,
    new: BTreeSet<String>,
}

impl KnownFiles {
    pub(super) fn new(git: Arc<Git>) -> Self {
        Self { git, lists: OnceLock::new() }
    }

    /// Returns the files that Git tracks or would add, as paths from the top, each once.
    pub(super) fn paths(&self) -> BTreeSet<&str> {
        let Lists { tracked, new } = self.lists();
        tracked.iter().chain(new).map(String::as_str).collect()
    }

    /// Returns the files that Git tracks.
    pub(super) fn tracked(&self) -> impl Iterator<Item = &str> {
        self.lists().tracked.iter().map(String::as_str)
    }

    fn lists(&self) -> &Lists {
        self.lists.get_or_init(|| lists(&self.git.run(&LISTED).unwrap_or_default()))
    }
}

fn lists(answer: &[u8]) -> Lists {
    let mut lists = Lists::default();
    let entries =
        answer.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    for (letter, path) in entries.filter_map(|entry| entry.split_once(' ')) {
        // A path in the middle of a merge is listed several times.
        let list = if letter == "?" { &mut lists.new } else { &mut lists.tracked };
        list.insert(path.to_owned());
    }
    lists
}
