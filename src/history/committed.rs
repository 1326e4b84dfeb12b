//! The files of a commit, as a manifest of it names them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::history::git::GitError;
use crate::history::objects::{Lack, Objects, Oid, join};
use crate::manifest::{Source, Unreadable, stand_in};

/// The files of one commit, seen from the folder of a manifest.
pub(super) struct Committed<'c> {
    objects: RefCell<&'c mut Objects>,
    tree: Oid,
    folder: &'c str,
    /// Files of which the clone lacks the content.
    missing: RefCell<BTreeSet<String>>,
}

impl<'c> Committed<'c> {
    pub(super) fn new(objects: &'c mut Objects, tree: Oid, folder: &'c str) -> Self {
        Self { objects: RefCell::new(objects), tree, folder, missing: RefCell::default() }
    }

    /// Returns the files that were asked for and whose content the clone lacks.
    pub(super) fn missing(self) -> BTreeSet<String> {
        self.missing.into_inner()
    }

    /// Reads a file by its path from the top; `None` where the commit has none.
    fn content(&self, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let mut objects = self.objects.borrow_mut();
        let Some(found) = objects.find(self.tree, path)? else { return Ok(None) };
        match objects.read(&[found])?.pop() {
            Some(Err(Lack::Missing)) => Err(GitError::Missing { what: path.to_owned() }),
            read => Ok(read.and_then(Result::ok)),
        }
    }
}

impl Source for Committed<'_> {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        let missing = || format!("`{path}` is not in the commit");
        let below = join(self.folder, path).ok_or_else(missing)?;
        let bytes = match self.content(&below) {
            Ok(bytes) => bytes.ok_or_else(missing)?,
            Err(error) => {
                if let GitError::Missing { .. } = error {
                    self.missing.borrow_mut().insert(below);
                }
                return Err(missing().into());
            }
        };
        if let Some((what, _)) = stand_in("", &bytes) {
            return Err(format!("`{path}` is {what}").into());
        }
        String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8").into())
    }

    fn wants_expectations(&self) -> bool {
        false
    }
}
