//! Whose lines of a ledger prove something.

use super::Line;

/// What was made for one environment never proves anything for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LedgerEnvironment {
    /// The lines of every environment count, and those of none.
    Every,
    /// Those of this environment count, or of none.
    One(Option<String>),
}

impl LedgerEnvironment {
    /// Whether a line counts.
    pub(super) fn counts(&self, line: &Line) -> bool {
        match self {
            Self::Every => true,
            Self::One(ours) => line.environment == *ours,
        }
    }

    /// The environment that a new line is made for.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Every => None,
            Self::One(name) => name.clone(),
        }
    }
}
