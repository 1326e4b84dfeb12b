//! What of the evidence could not be read: the source, the keys and the reason, as data.
//!
//! A gap is never a sentence: `render` has the words, and JSON carries the code.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::PathBuf;

use crate::model::Key;

/// Where evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceSource {
    /// The manifest as of earlier commits.
    History,
    /// What this machine has sent.
    Ledger,
    /// The other manifests of the repository.
    OtherManifests,
}

/// A part of the evidence that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Of which source.
    pub source: EvidenceSource,
    /// The keys whose evidence may be in it; empty for every key.
    pub keys: BTreeSet<Key>,
    /// Why.
    pub reason: GapReason,
}

/// The gaps that a finding is about, in one word of memory: most findings are about none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gaps(Option<Box<GapList>>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GapList {
    gaps: Vec<Gap>,
}

impl FromIterator<Gap> for Gaps {
    fn from_iter<I: IntoIterator<Item = Gap>>(gaps: I) -> Self {
        let gaps: Vec<Gap> = gaps.into_iter().collect();
        Self((!gaps.is_empty()).then(|| Box::new(GapList { gaps })))
    }
}

impl Deref for Gaps {
    type Target = [Gap];

    fn deref(&self) -> &[Gap] {
        self.0.as_ref().map_or(&[], |some| &some.gaps)
    }
}

/// What a gap stops while the service has resources that nothing explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withholds {
    /// Nothing: there is nothing that could have been read.
    Nothing,
    /// What it could have spoken for, unless the ledger knows the organization.
    UnlessLedger,
    /// What it could have spoken for.
    Always,
}

/// Why objects of a repository are not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// The repository borrows objects from this folder, which is not there.
    Alternates(PathBuf),
    /// It is a partial clone.
    PartialClone,
    /// Nothing says why: it is damaged.
    Damaged,
}

/// Declares the reasons once: variant with its data, and stable code.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })? $code:literal)*) => {
        /// Why a part of the evidence could not be read.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum GapReason {
            $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $kind,)* })?,)*
        }

        impl GapReason {
            /// Every code.
            pub const CODES: &[&'static str] = &[$($code,)*];

            /// Returns the stable code.
            pub fn code(&self) -> &'static str {
                match self { $(Self::$variant $({ $($field: _,)* })? => $code,)* }
            }
        }
    };
}

reasons! {
    /// `--history none` was asked for.
    HistoryOff "history-off"
    /// There is no `.git` in the manifest's folder or above it.
    NoRepository "no-repository"
    /// The repository has commits, and none of them holds the manifests.
    NotCommitted {
        /// Their paths.
        paths: Vec<String>,
    } "not-committed"
    /// The repository has no commit at all.
    NothingCommitted "nothing-committed"
    /// There is no `git` program.
    GitMissing "git-missing"
    /// The repository belongs to somebody else, and Git refuses to read it.
    ForeignOwner {
        /// The folder that holds `.git`.
        root: PathBuf,
    } "foreign-owner"
    /// `.git` leads to no repository, or Git refuses to read it.
    RepositoryUnreadable {
        /// The folder that holds `.git`.
        root: PathBuf,
        /// What Git said.
        said: String,
    } "repository-unreadable"
    /// `HEAD` names a commit that cannot be read.
    HeadUnreadable {
        /// The branch, or what else `HEAD` holds.
        head: String,
        /// Why.
        lost: Lost,
    } "head-unreadable"
    /// The branch has no commit, and the repository has commits or traces of some.
    NoCommitOnBranch {
        /// The branch.
        branch: String,
    } "no-commit-on-branch"
    /// The clone is shallow.
    ShallowClone "shallow-clone"
    /// Commits are replaced or cut off by `git replace` or by grafts.
    ReplacedCommits "replaced-commits"
    /// Commits with manifests, of another root than those of `HEAD`, are on other branches and tags alone.
    SeparateHistory {
        /// A branch or a tag that leads to them, or a commit.
        name: String,
    } "separate-history"
    /// Objects that the walk needs are not there.
    ObjectsMissing {
        /// What was to be read.
        what: String,
        /// Why it is not there.
        lost: Lost,
    } "objects-missing"
    /// Git failed.
    GitFailed {
        /// What it said.
        said: String,
    } "git-failed"
    /// The manifests were moved more often than is followed.
    MovedTooOften {
        /// How many moves are followed.
        most: usize,
    } "moved-too-often"
    /// Versions beyond `--history` were not read.
    BeyondHistory {
        /// The manifest.
        path: String,
        /// How many versions were read.
        count: usize,
    } "beyond-history"
    /// Versions of a manifest cannot be understood.
    VersionUnclear {
        /// The manifest.
        path: String,
        /// The newest commit that holds one.
        commit: String,
        /// What is wrong with it.
        said: String,
        /// How many there are.
        count: usize,
    } "version-unreadable"
    /// A file is larger than what is read.
    FileTooLarge {
        /// Its path.
        path: String,
    } "file-too-large"
    /// A file of an earlier version is not text, or stands for a text that is elsewhere.
    FileUnclear {
        /// Its path.
        path: String,
        /// What it is.
        what: String,
    } "file-unreadable"
    /// Git commits a file as another text than the work tree holds.
    TextConverted {
        /// Its path.
        path: String,
        /// The attribute by which it does.
        attribute: String,
    } "text-converted"
    /// Which files were other texts when they were committed is not known.
    AttributesUnknown {
        /// Why.
        said: String,
    } "attributes-unknown"
    /// A version names a prompt file that its commit does not hold.
    FileNotCommitted {
        /// Its path.
        path: String,
    } "file-not-committed"
    /// A variable of earlier versions is not set.
    VariableUnset {
        /// The manifest.
        path: String,
        /// The variable.
        name: String,
    } "variable-unset"
    /// Earlier versions had variables that no commit holds: those of flags and files.
    VariablesOutside {
        /// The variables.
        names: BTreeSet<String>,
    } "variables-outside"
    /// Earlier versions name an agent that no agent has as its name, or several.
    AgentUnknown {
        /// The manifest.
        path: String,
        /// The name.
        name: String,
        /// Whether several have it.
        several: bool,
    } "agent-unknown"
    /// Lines of the ledger cannot be understood.
    LedgerUnreadable {
        /// The number of the first one.
        line: usize,
        /// How many there are.
        count: usize,
    } "ledger-unreadable"
    /// What another manifest declares is not known.
    ManifestUnclear {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        said: String,
    } "manifest-unreadable"
    /// Which other manifests there are is not known.
    ManifestsUnlisted {
        /// What went wrong.
        said: String,
    } "manifests-unlisted"
}

impl GapReason {
    /// What it stops.
    pub fn withholds(&self) -> Withholds {
        match self {
            Self::NothingCommitted => Withholds::Nothing,
            // Neither can be told from a copy of a repository whose history is elsewhere.
            Self::NoRepository | Self::NotCommitted { .. } | Self::VariablesOutside { .. } => {
                Withholds::UnlessLedger
            }
            _ => Withholds::Always,
        }
    }

    /// Whether a plan says it unasked, and not only where it stops something.
    pub fn is_noted(&self) -> bool {
        !matches!(
            self,
            Self::NothingCommitted
                | Self::NotCommitted { .. }
                | Self::VersionUnclear { .. }
                | Self::FileUnclear { .. }
                | Self::FileNotCommitted { .. }
                | Self::VariablesOutside { .. }
                | Self::TextConverted { .. }
                | Self::AttributesUnknown { .. }
                | Self::ManifestUnclear { .. }
        )
    }
}

impl Gap {
    /// A gap of the history, for every key.
    pub fn history(reason: GapReason) -> Self {
        Self { source: EvidenceSource::History, keys: BTreeSet::new(), reason }
    }

    /// A gap of what other manifests declare.
    pub fn other_manifests(reason: GapReason) -> Self {
        Self { source: EvidenceSource::OtherManifests, keys: BTreeSet::new(), reason }
    }

    /// Whether evidence of this key may be in it.
    pub fn concerns(&self, key: &Key) -> bool {
        self.keys.is_empty() || self.keys.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_gaps_are_unique_words() {
        let unique: BTreeSet<&str> = GapReason::CODES.iter().copied().collect();
        assert_eq!(unique.len(), GapReason::CODES.len());
        for code in unique {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code}");
        }
    }
}
