//! The manifests of one project, read.

use std::path::PathBuf;

use crate::diag::Sources;
use crate::history::{Repository, VarLayer};
use crate::manifest::{Manifest, Vars};

/// The manifests as one, and where they are.
pub struct Project {
    /// Their files.
    pub files: Vec<PathBuf>,
    /// The checkout that holds them.
    pub repository: Repository,
    /// What they declare together.
    pub manifest: Manifest,
    /// The environment that is selected.
    pub environment: Option<String>,
    /// The other environments of the same organization.
    pub elsewhere: Vec<Manifest>,
    /// The variables of flags and of files.
    pub vars: Vars,
    /// Those files.
    pub var_files: Vec<PathBuf>,
    /// The variables apart, by flags and files.
    pub var_layers: Vec<VarLayer>,
    /// Their texts, as far as they are kept.
    pub sources: Sources,
}

impl Project {
    /// Whether anything is declared, so that the agents are listed.
    pub fn declares_any(&self) -> bool {
        !self.manifest.tasks.is_empty() || !self.manifest.agents.is_empty()
    }

    /// Whether an agent is declared or a task names one, so that the agents must be known.
    pub fn needs_agents(&self) -> bool {
        let Manifest { tasks, agents, .. } = &self.manifest;
        !agents.is_empty() || tasks.values().any(|task| !task.references.is_empty())
    }
}
