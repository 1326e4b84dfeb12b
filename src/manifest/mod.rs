//! From manifest text to a checked desired state, and all that is wrong with it; for `pull`, the way back.
//!
//! Parsing never stops at the first mistake and never fails: it returns what could be understood and
//! every finding. Files are read only through the [`Source`] it is given, so that the work tree and
//! an old commit go through the same code.

mod altered;
mod broken;
mod conflict;
mod deployment;
mod expand;
mod expressions;
mod fields;
mod impossible;
mod keyless;
mod latin;
mod level;
mod lines;
mod lower;
mod merge;
mod mistake;
mod moment;
mod node;
mod owner;
mod parse;
mod reader;
mod resolve;
mod schema;
mod shape;
mod shared;
mod standin;
mod suggest;
mod task;
mod text;
mod tree;
mod without;
mod write;

pub use expand::{ExpandInputs, Expansion, Lookup, VarValue, Vars};
pub use merge::merge;
pub use parse::{parse, parse_vars, read_yaml_as};
pub use resolve::{check, resolve};
pub use schema::{Chapter, Row, reference, schema};
pub use shared::collisions;
pub use standin::{shell_word, stand_in};
pub use suggest::nearest_few;
pub use text::decode;
pub use write::{Outline, OutlineTask, Prompts, Written, write};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::diag::{Diagnostic, Gaps, Place};
use crate::model::{ContentHash, Key, TaskId};
use crate::resource::{Object, Value, Whole};
use crate::transcript::Expectation;

/// Brings the files a manifest names.
pub trait Source {
    /// Returns the text of `path`, which is relative to the manifest's folder, or why it cannot.
    fn read(&self, path: &str) -> Result<String, Unreadable>;

    /// Whether anybody wants to know what is expected of deployments: an earlier manifest, or one that is
    /// not to be applied, says what is declared, and compiling expressions takes time.
    fn wants_expectations(&self) -> bool {
        true
    }
}

/// Why a file cannot be read as text, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// The reason, without a final period.
    pub why: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// What is behind it, where Git cannot be asked of the file.
    pub gaps: Gaps,
}

impl From<String> for Unreadable {
    fn from(why: String) -> Self {
        Self { why, ..Self::default() }
    }
}

impl Unreadable {
    /// Returns a finding with the reason behind its message, and with help; `usual` where none is known.
    pub fn explain(self, mut finding: Diagnostic, usual: &str) -> Diagnostic {
        let Self { why, help, gaps } = self;
        finding.message =
            if finding.message.is_empty() { why } else { format!("{}: {why}", finding.message) };
        let help = help.or_else(|| gaps.is_empty().then(|| usual.to_owned()));
        finding.help.extend(help);
        finding.gaps = gaps;
        finding
    }
}

/// One manifest, understood but for the agents' names.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The organization it is for, where it says so.
    pub organization_id: Option<String>,
    /// Its tasks.
    pub tasks: BTreeMap<Key, TaskConfig>,
    /// What could be understood of its other tasks.
    pub left_out: Vec<LeftOut>,
    /// Whether it is of the version that this program reads.
    pub has_version: bool,
    /// Whether it could be told which tasks it declares.
    pub has_tasks: bool,
    /// Keys that are no longer ours.
    pub forgotten: BTreeSet<Key>,
    /// The zone of the service's time stamps, in seconds east of UTC, where it says so.
    pub service_utc_offset: Option<jiff::tz::Offset>,
    /// What expanding its variables has shown.
    pub expansion: Expansion,
}

/// A task of which something could not be understood; it is held against the others all the same.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Its key.
    pub key: Key,
    /// Its name, where that is sound.
    pub name: Option<Arc<str>>,
    /// The fields that cannot change in place, where they are sound; a reference may still be a name.
    pub content: Option<Vec<Value>>,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Where it stands: its key.
    pub place: Place,
}

/// A task as declared.
#[derive(Clone, Debug)]
pub struct TaskConfig {
    /// Its fields; a reference may still be a name.
    pub object: Object,
    /// The files that hold long texts by field, relative to the manifest's folder.
    pub files: Vec<(&'static str, Arc<str>)>,
    /// Where names stand that refer to other resources.
    pub references: Vec<Place>,
    /// The pinned id.
    pub pin: Option<TaskId>,
    /// Whether it is never deleted, archived or replaced.
    pub protect: bool,
    /// Its declared deployments.
    pub deployments: Arc<BTreeMap<Key, DesiredDeployment>>,
    /// Where it stands: its key.
    pub place: Place,
}

/// A deployment as declared: at least one run of the task's content exists.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct DesiredDeployment {
    /// The deployment was made at or after this moment.
    pub since: Option<Timestamp>,
    /// Prompts sent after the task's own, in this order, each once; canonical.
    pub follow_ups: Vec<Arc<str>>,
    /// What becomes of the deployment.
    pub state: DeploymentState,
    /// How long a deployment that is waited for may take, its follow-ups included.
    pub timeout: Option<Duration>,
    /// What the deployment has to show.
    pub expect: Option<Expectation>,
}

/// What becomes of a declared deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeploymentState {
    /// It goes on as long as it does.
    #[default]
    Any,
    /// It is stopped while it is active.
    Stopped,
}

/// The manifests of one invocation, checked and with agents resolved: what is wanted.
#[derive(Clone, Debug, Default)]
pub struct DesiredState {
    /// The wanted tasks.
    pub tasks: BTreeMap<Key, DesiredTask>,
    /// Keys that are no longer ours.
    pub forgotten: BTreeSet<Key>,
    /// The zone of the service's time stamps, where it is known.
    pub service_utc_offset: Option<jiff::tz::Offset>,
}

/// A task as wanted.
#[derive(Clone, Debug)]
pub struct DesiredTask {
    /// Its fields.
    pub object: Whole,
    /// The pinned id.
    pub pin: Option<TaskId>,
    /// Whether it is never deleted, archived or replaced.
    pub protect: bool,
    /// Its declared deployments.
    pub deployments: Arc<BTreeMap<Key, DesiredDeployment>>,
    /// Where it stands: its key.
    pub place: Place,
}

impl DesiredTask {
    /// Its name on the service.
    pub fn name(&self) -> &str {
        self.object.name()
    }

    /// The hash of what it does.
    pub fn content(&self) -> ContentHash {
        self.object.content()
    }
}
