//! Evidence from version control: the manifests as of earlier commits, through the same parser.
//!
//! [`Repository`] is the checkout; [`read`] walks every commit that touched a manifest or one of
//! its prompt files and returns what each key ever declared. Nothing here changes the repository or
//! reaches the network. However long the history is, a handful of `git` processes is started,
//! each distinct file is read once, and of each distinct manifest only what no other held is parsed.
//!
//! Only committed versions are evidence. What cannot be read is a gap, never a guess.

mod agents;
mod attributes;
mod blocks;
mod checkout;
mod collector;
mod commit;
mod committed;
mod earlier;
mod git;
mod head;
mod known;
mod likeness;
mod losses;
mod manifests;
mod neighbors;
mod numbers;
mod objects;
mod partials;
mod repository;
mod separate;
mod settings;
mod unchanged;
mod var_file;
mod variables;
mod vars_at;
mod versions;
mod walk;
mod worktree;

#[cfg(test)]
mod tests;

pub use agents::read_agents;
pub use neighbors::{Neighbors, OtherManifest};
pub use repository::{Checkout, Repository, Stale};
pub use settings::{SettingsBefore, settings_before};
pub use unchanged::is_unchanged;
pub use var_file::VarFile;
pub use variables::VarLayer;
pub use walk::read;
pub use worktree::{WorkTree, manifest_of};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::diag::{Gap, Sources};
use crate::evidence::Evidence;
use crate::manifest::{AgentNames, DesiredState, ExpandInputs, Manifest};
use crate::model::Key;

/// How far back history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Not at all.
    None,
    /// The newest so many distinct versions.
    Newest(usize),
    /// To the first commit.
    All,
}

impl Default for Depth {
    /// Half a year of a change each working day and more; read in about a second at any size.
    fn default() -> Self {
        Self::Newest(200)
    }
}

/// Why a text is no [`Depth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is `none`, `all` or a number of versions")]
pub struct InvalidDepth;

impl FromStr for Depth {
    type Err = InvalidDepth;

    fn from_str(text: &str) -> Result<Self, InvalidDepth> {
        match text {
            "none" | "0" => Ok(Self::None),
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::Newest).map_err(|_| InvalidDepth),
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Newest(count) => count.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// What to read.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The manifests, as files.
    pub files: &'a [PathBuf],
    /// How far back.
    pub depth: Depth,
    /// Revisions to start from beside `HEAD`: lost branches.
    pub from: &'a [String],
    /// What the manifests held when they were read: what is committed just so is not parsed once more. May
    /// be empty.
    pub sources: &'a Sources,
    /// The tasks of all of them.
    pub manifest: &'a Manifest,
    /// The same with agents resolved, each with the hash of its content. May be empty.
    pub desired_state: &'a DesiredState,
    /// What fills the variables of earlier versions, beside what they declare themselves.
    pub inputs: ExpandInputs<'a>,
    /// The variables of flags and files among those, in their order.
    pub var_layers: &'a [VarLayer],
    /// The agents, for versions that name them.
    pub agents: &'a AgentNames,
}

/// What was read.
#[derive(Debug, Default)]
pub struct History {
    /// Per key, what was ever declared, and the gaps.
    pub evidence: Evidence,
    /// What is worth saying and withholds nothing.
    pub remarks: Vec<Gap>,
    /// The keys of agents that earlier manifests declared, with their names; `None` is a name that a
    /// file of its own holds.
    pub agents: BTreeMap<Key, BTreeSet<Option<String>>>,
}

/// A request that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The manifests lie in two repositories.
    #[error("the manifests lie in two repositories, `{}` and `{}`", first.display(), other.display())]
    TwoRepositories {
        /// The one.
        first: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// The repository's settings name a work tree that does not hold the manifest.
    #[error(
        "`core.worktree` of the repository in `{}` is `{}`, which does not hold the manifest",
        root.display(),
        work_tree.display()
    )]
    WorkTree {
        /// The folder that holds `.git`.
        root: PathBuf,
        /// The work tree.
        work_tree: PathBuf,
    },
    /// `--history-from` names no commit.
    #[error("`{revision}` is not a commit of this repository")]
    UnknownRevision {
        /// As typed.
        revision: String,
    },
    /// A manifest is outside of the repository, or its name is not UTF-8.
    #[error("`{}` cannot be a path of the repository", file.display())]
    Path {
        /// The manifest.
        file: PathBuf,
    },
}
