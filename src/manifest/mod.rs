//! From manifest text to a checked desired state, and all that is wrong with it; for `pull`, the way back.
//!
//! Parsing never stops at the first mistake and never fails: it returns what could be understood and
//! every finding. Files are read only through the [`Source`] it is given, so that the work tree and
//! an old commit go through the same code.

mod agent;
mod alike;
mod altered;
mod broken;
mod conflict;
mod deployment;
mod entries;
mod expand;
mod expressions;
mod field_read;
mod fields;
mod front;
mod gathered;
mod impossible;
mod keyless;
mod latin;
mod level;
mod lines;
mod lower;
mod matrices;
mod members;
mod merge;
mod mistake;
mod moment;
mod node;
mod not_ours;
mod owner;
mod parse;
mod reader;
mod rendered;
mod resolve;
mod schema;
mod scope;
mod seen;
mod settings;
mod shape;
mod shared;
mod standin;
mod suggest;
mod task;
mod template;
mod text;
mod tools;
mod tree;
mod value;
mod without;
mod write;
mod yaml;

pub use expand::{
    ExpandInputs, Expansion, Lookup, VarValue, Vars, invalid_var, variable_of_environment,
};
pub use fields::EVERY_ENVIRONMENT;
pub use merge::merge;
pub use parse::{parse, parse_vars};
pub use resolve::{check, resolve};
pub use schema::{Chapter, Row, reference, schema};
pub use settings::{ManifestSettings, SetValue, SettingName, SettingValue};
pub use shared::collisions;
pub use standin::{shell_word, stand_in};
pub use suggest::nearest_few;
pub use template::{CompiledTemplate, Template, TemplateText, includes_of};
pub use text::decode;
pub use write::{Outline, OutlineEntry, Prompts, Written, write};
pub use yaml::read_yaml_as;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::diag::{Diagnostic, Gaps, Place};
use crate::model::{AgentId, ContentHash, Key, TaskId};
use crate::resource::{Object, Value, Whole};
use crate::transcript::Expectation;
use scope::TemplateScope;

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

/// What a manifest may name an agent by.
#[derive(Clone, Debug, Default)]
pub struct AgentNames {
    /// By its exact name on the service; several may have one name.
    pub by_name: BTreeMap<String, Vec<AgentId>>,
    /// By its local key; `None` where the id is known after apply.
    pub by_key: BTreeMap<Key, Option<AgentId>>,
}

/// What a key or a name of an agent leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentName {
    /// An agent that exists.
    Known(AgentId),
    /// One whose id is known after apply.
    Made,
}

impl DesiredState {
    /// Whether a key, or that of its matrix, is no longer managed.
    pub fn forgets(&self, key: &Key) -> bool {
        self.forgotten.contains(key) || key.is_of_matrix() && self.forgotten.contains(key.base())
    }
}

impl AgentNames {
    /// The agent of a local key, where it exists.
    pub(super) fn by_key(&self, key: &str) -> Option<AgentId> {
        self.by_key.get(&key.parse::<Key>().ok()?).copied().flatten()
    }

    /// What a manifest means by this word: a key first, then an exact name. Where that is not one
    /// agent, those that have the name.
    pub fn named(&self, word: &str) -> Result<AgentName, &[AgentId]> {
        let by_key = word.parse::<Key>().ok().and_then(|key| self.by_key.get(&key));
        match (by_key, self.by_name.get(word).map(Vec::as_slice)) {
            (Some(Some(id)), _) | (None, Some([id])) => Ok(AgentName::Known(*id)),
            (Some(None), _) => Ok(AgentName::Made),
            (None, ids) => Err(ids.unwrap_or_default()),
        }
    }

    /// The names of agents that are listed.
    pub fn of<'a>(listed: impl IntoIterator<Item = (&'a AgentId, &'a Object)>) -> Self {
        let mut names = Self::default();
        for (id, object) in listed {
            // Nobody can have meant one without a name.
            if let Some(name) = object.name().filter(|name| !name.is_empty()) {
                names.by_name.entry(name.to_owned()).or_default().push(*id);
            }
        }
        names
    }
}

/// One manifest, understood but for the agents' names.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The organization it is for, where it says so.
    pub organization_id: Option<String>,
    /// Its agents.
    pub agents: BTreeMap<Key, AgentConfig>,
    /// Its tasks.
    pub tasks: BTreeMap<Key, TaskConfig>,
    /// What could be understood of its other tasks.
    pub left_out: Vec<LeftOut>,
    /// Its other agents, which could not be understood, each with the place of its key.
    pub agents_left_out: BTreeMap<Key, Place>,
    /// Whether it is of the version that this program reads.
    pub has_version: bool,
    /// Whether it could be told which tasks it declares.
    pub has_tasks: bool,
    /// Whether it could be told which agents it declares.
    pub has_agents: bool,
    /// Keys that are no longer ours, each with its place.
    pub forgotten: BTreeMap<Key, Place>,
    /// The zone of the service's time stamps, in seconds east of UTC, where it says so.
    pub service_utc_offset: Option<jiff::tz::Offset>,
    /// The files that its templates include.
    pub included: BTreeSet<PathBuf>,
    /// The texts of other files into which findings may point.
    pub texts: Vec<(Arc<Path>, String)>,
    /// Its settings, those of the selected environment in place of those for all.
    pub settings: ManifestSettings,
    /// The settings of each environment.
    of_environments: BTreeMap<Key, ManifestSettings>,
    /// What expanding its variables has shown.
    pub expansion: Expansion,
}

impl Manifest {
    /// Puts the settings of the selected environment in place of those for all.
    fn select(&mut self, environment: Option<&str>) {
        let mut of_environments = std::mem::take(&mut self.of_environments).into_iter();
        let own = of_environments.find(|(name, _)| Some(name.as_str()) == environment);
        self.settings.take(own.map(|(_, settings)| settings).unwrap_or_default());
    }
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

/// An agent as declared.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Its fields; what is left out is unknown and not managed, and references are local keys.
    pub object: Object,
    /// The files that hold long texts by field, relative to the manifest's folder; one that holds the
    /// agent holds its system prompt.
    pub files: Vec<(&'static str, Arc<str>)>,
    /// What its templates see, where it has any.
    pub scope: Option<Arc<TemplateScope>>,
    /// The keys of other agents that it names, each with its place.
    pub references: Vec<(Arc<str>, Place)>,
    /// The pinned id.
    pub pin: Option<AgentId>,
    /// Whether it is never deleted.
    pub protect: bool,
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
    /// What renders its prompt as of another commit, where that is a template that a file is part of.
    pub template: Option<Template>,
    /// What its templates see, where it has any.
    pub scope: Option<Arc<TemplateScope>>,
    /// The names that refer to other resources, as they are written, each with its place.
    pub references: Vec<(Arc<str>, Place)>,
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
    /// The wanted agents.
    pub agents: BTreeMap<Key, DesiredAgent>,
    /// The wanted tasks.
    pub tasks: BTreeMap<Key, DesiredTask>,
    /// Keys that are no longer ours.
    pub forgotten: BTreeSet<Key>,
    /// The zone of the service's time stamps, where it is known.
    pub service_utc_offset: Option<jiff::tz::Offset>,
}

/// An agent as wanted.
#[derive(Clone, Debug)]
pub struct DesiredAgent {
    /// Its fields; what is left out is unknown and not managed. References to agents that exist are
    /// ids, others addresses.
    pub object: Object,
    /// The pinned id.
    pub pin: Option<AgentId>,
    /// Whether it is never deleted.
    pub protect: bool,
    /// Where it stands: its key.
    pub place: Place,
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
