//! The variables with which a version of a manifest is expanded.

use std::collections::BTreeSet;

use crate::manifest::{ExpandInputs, Vars};

/// The variables of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VarsAt {
    /// Those that override what a manifest declares.
    pub(super) given: Vars,
    /// Those of today that no file of the commit holds: they count where nothing else declares them.
    pub(super) otherwise: Vars,
    /// The names of those whose file the commit does not have, so that another file may have held them.
    pub(super) unknown: BTreeSet<String>,
}

impl VarsAt {
    /// Fills the variables of a version.
    pub(super) fn fill<'v>(&'v self, inputs: ExpandInputs<'v>) -> ExpandInputs<'v> {
        ExpandInputs { given: &self.given, otherwise: &self.otherwise, ..inputs }
    }
}
