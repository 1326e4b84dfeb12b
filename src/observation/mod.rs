//! What was seen of the service, kept so that the same plan can be made again without it.
//!
//! For pull requests of strangers, who get no credentials, and for reports of bugs. Of conversations
//! only what a plan needs is kept: who spoke, and the hash of what users said; their words only where
//! the plan itself shows them. Nothing here can be carried out.

mod agent;
mod facts;
mod recall;
mod shape;

pub use facts::Facts;
pub use recall::Recall;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::manifest::DesiredState;
use crate::model::{DeploymentId, OrganizationId, sha256_hex, visible_json};
use crate::observation::shape::{KeptConversation, SealedSnapshot};
use crate::observed::{ListedAgents, ObservedState, ReadResult};
use crate::plan::Plan;

/// The version of the file's shape.
const FORMAT_VERSION: u32 = 2;

/// What a plan needs of the service.
#[derive(Clone, Debug)]
pub struct Observation {
    service: String,
    agents: ListedAgents,
    /// Without conversations.
    state: ObservedState,
    conversations: BTreeMap<DeploymentId, ReadResult<KeptConversation>>,
}

/// A file that is no observation this program can use.
#[derive(Debug, thiserror::Error)]
pub enum ObservationError {
    /// It has another shape.
    #[error("it is not a snapshot, or it is damaged")]
    Unreadable,
    /// A newer program made it.
    #[error(
        "it has version {0} of the snapshot format; this program knows versions up to {FORMAT_VERSION}"
    )]
    Newer(u64),
    /// Its seal does not match.
    #[error("it was changed after it was made")]
    Edited,
    /// A value in it means nothing.
    #[error("{0}")]
    Invalid(String),
}

/// Returns the JSON Schema of the file.
pub fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<SealedSnapshot>()
}

impl Observation {
    /// Keeps what was seen, as far as `plan`, which was made from it, and plans of other desired states
    /// depend on it.
    pub fn new(service: String, agents: ListedAgents, state: &ObservedState, plan: &Plan) -> Self {
        let quoted: BTreeSet<&DeploymentId> = plan.quoted_runs().collect();
        let conversations = state.conversations.iter().map(|(id, reading)| {
            let kept = match reading {
                ReadResult::Seen(said) => {
                    ReadResult::Seen(KeptConversation::new(said, quoted.contains(id)))
                }
                ReadResult::Refused(why) => ReadResult::Refused(why.clone()),
                ReadResult::Unreadable(why) => ReadResult::Unreadable(why.clone()),
            };
            (id.clone(), kept)
        });
        let conversations = conversations.collect();
        let state = ObservedState { conversations: BTreeMap::new(), ..state.clone() };
        Self { service, agents, state, conversations }
    }

    /// The service that was asked, as the ledger names it.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The organization that was asked about.
    pub fn organization_id(&self) -> &OrganizationId {
        &self.state.organization_id
    }

    /// The agents.
    pub fn agents(&self) -> &ListedAgents {
        &self.agents
    }

    /// When the service was looked at.
    pub fn observed_at(&self) -> Timestamp {
        self.state.observed_at
    }

    /// Returns what was seen, for a plan of `desired state`.
    ///
    /// What users said is recognized by its hash where it is a follow-up of `desired state` or the prompt of a
    /// task; other words that were left out are named by their hash.
    pub fn state(&self, desired_state: &DesiredState) -> ObservedState {
        let deployments = desired_state.tasks.values().flat_map(|task| task.deployments.values());
        let declared = deployments.flat_map(|declared| &declared.follow_ups);
        let known: BTreeMap<String, Arc<str>> = declared
            .chain(self.prompts())
            .map(|text| (sha256_hex(text.as_bytes()), Arc::clone(text)))
            .collect();
        let conversations = self.conversations.iter().map(|(id, reading)| {
            let seen = match reading {
                ReadResult::Seen(kept) => ReadResult::Seen(kept.transcript(&known)),
                ReadResult::Refused(why) => ReadResult::Refused(why.clone()),
                ReadResult::Unreadable(why) => ReadResult::Unreadable(why.clone()),
            };
            (id.clone(), seen)
        });
        ObservedState { conversations: conversations.collect(), ..self.state.clone() }
    }

    /// The prompts of all tasks and deployments; users may have sent one of them again.
    fn prompts(&self) -> impl Iterator<Item = &Arc<str>> {
        let read = self.state.task_reads.values().filter_map(|reading| match reading {
            ReadResult::Seen(task) => Some(task),
            ReadResult::Refused(_) | ReadResult::Unreadable(_) => None,
        });
        let tasks = self.state.tasks.items.iter().chain(read);
        let runs = self.state.deployments.values().flat_map(|listing| &listing.items);
        let of_tasks = tasks.filter_map(|task| task.prompt());
        of_tasks.chain(runs.filter_map(|run| run.prompt.as_ref()))
    }

    /// Returns the JSON form, sealed.
    pub fn to_json(&self) -> String {
        let sealed = SealedSnapshot::of(self).sealed();
        let json = serde_json::to_string_pretty(&sealed);
        visible_json(&json.expect("texts and numbers are always JSON")) + "\n"
    }

    /// Reads the JSON form; what was edited or is of a newer format is refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ObservationError> {
        let version = shape::version_of(bytes).map_err(|_| ObservationError::Unreadable)?;
        if version > u64::from(FORMAT_VERSION) {
            return Err(ObservationError::Newer(version));
        }
        let sealed: SealedSnapshot =
            serde_json::from_slice(bytes).map_err(|_| ObservationError::Unreadable)?;
        if !sealed.is_whole() {
            return Err(ObservationError::Edited);
        }
        sealed.open().map_err(ObservationError::Invalid)
    }
}
