//! From desired state, observed state and evidence to a plan: what would have to change, and why.
//!
//! Pure, total and deterministic: the same inputs give the same bytes, nothing is asked for and
//! nothing can fail. What cannot be planned becomes a blocked step with a code and help.
//! [`wanted`] says what must still be looked at, [`plan`] decides; `apply` only obeys.

mod agent_ambiguous;
mod agent_guards;
mod agent_matcher;
mod agent_removal;
mod agent_steps;
mod agent_stored;
mod agent_users;
mod agents;
mod ambiguous;
mod assign;
mod change;
mod counting;
mod deployment_status;
mod deployments;
mod destroy;
mod digest;
mod estimate;
mod explained;
mod guards;
mod limits;
mod lookalikes;
mod matcher;
mod missing;
mod name_conflicts;
mod names;
mod observed;
mod order;
mod other_manifests;
mod overview;
mod planner;
mod reads;
mod remove;
mod terms;
mod unmanaged;
mod verdict;
mod waits;

pub use agent_matcher::bind_agents;
pub use agent_stored::{StoredOtherwise, stored_otherwise};
pub use change::{
    AgentChange, AgentRef, AgentUser, Before, Change, Removal, Remove, RemoveReason, TaskRef,
};
pub use deployment_status::DeploymentSummary;
pub use destroy::{Saving, Scope, destroy, destroy_reads};
pub use digest::Digest;
pub use estimate::{Estimate, Spread};
pub use explained::is_explained;
pub use limits::{Limits, UsedSetting, delete_limit, missing_limit, replace_limit};
pub use other_manifests::{Neighbor, OtherManifests};
pub use overview::{
    AgentOverview, DeclaredDeploymentOverview, KeyOverview, KeyState, NEWEST_RUNS, Overview,
    Tokens, next_overview, overview, overview_reads,
};
pub use planner::plan;
pub use reads::{Next, desired, next, reads_and_plan, snapshot_reads, tasks_of_steps};
pub use terms::Terms;
pub use unmanaged::UnmanagedTask;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::diag::{Code, Diagnostic, Gap};
use crate::evidence::Evidence;
use crate::manifest::{DesiredState, ManifestSettings};
use crate::model::{Action, AgentId, DeploymentId, Key, OrganizationId, TaskId};
use crate::observed::{ListedAgents, ObservedState};
use crate::resource::Object;
use crate::transcript::Expectation;

/// What is known before the service is asked.
#[derive(Clone, Debug, Default)]
pub struct PlanContext {
    /// What is wanted.
    pub desired_state: DesiredState,
    /// What was declared before.
    pub evidence: Evidence,
    /// What other manifests of the work tree declare.
    pub other_manifests: OtherManifests,
    /// What was asked for on the command line.
    pub options: Options,
    /// All agents, where they were listed.
    pub agents: ListedAgents,
}

impl PlanContext {
    /// Adds what was seen.
    pub fn with<'a>(&'a self, state: &'a ObservedState) -> PlanInputs<'a> {
        let Self { desired_state, evidence, other_manifests, options, agents } = self;
        PlanInputs { desired_state, state, evidence, other_manifests, options, agents }
    }
}

/// Everything a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// What is wanted.
    pub desired_state: &'a DesiredState,
    /// What was seen.
    pub state: &'a ObservedState,
    /// What was declared before.
    pub evidence: &'a Evidence,
    /// What other manifests of the work tree declare.
    pub other_manifests: &'a OtherManifests,
    /// What was asked for on the command line.
    pub options: &'a Options,
    /// All agents, where they were listed.
    pub agents: &'a ListedAgents,
}

/// What was asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether owned tasks that are no longer declared are removed.
    pub prune: Prune,
    /// The keys of tasks to plan for; all where no target is given.
    pub targets: BTreeSet<Key>,
    /// The keys of agents to plan for, beside those that targeted tasks need.
    pub target_agents: BTreeSet<Key>,
    /// The deployments to plan for, of keys of which only some are meant.
    pub target_deployments: BTreeMap<Key, BTreeSet<Key>>,
    /// How much one apply may do, where a flag says so.
    pub limits: Limits,
    /// What the manifest sets; where it says so, `prune` is on already.
    pub settings: ManifestSettings,
    /// Guards switched off by name.
    pub allow: BTreeSet<Code>,
    /// Whether the checkout lacks commits that its upstream has.
    pub is_stale: bool,
    /// Whether the apply that carries it out waits for deployments; this decides help alone.
    pub waits: bool,
}

impl Options {
    /// Whether a task is planned for.
    fn is_target(&self, key: &Key) -> bool {
        self.targets.contains(key) || !self.has_targets()
    }

    fn has_targets(&self) -> bool {
        !(self.targets.is_empty() && self.target_agents.is_empty())
    }
}

/// Whether owned tasks that are no longer declared are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// They are shown and kept.
    #[default]
    Off,
    /// They are removed.
    On,
}

/// What differs and what would be done about it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The organization it is for.
    pub organization_id: OrganizationId,
    /// The environment it is for, where the manifest declares environments; not covered by the digest.
    pub environment: Option<String>,
    /// The steps, in an order in which they can be done.
    pub steps: Vec<Step>,
    /// What is worth knowing beside the steps.
    pub notes: Vec<Diagnostic>,
    /// What of the evidence could not be read; not covered by the digest.
    pub gaps: Vec<Gap>,
    /// What stands against trusting what was seen, whatever the steps.
    pub doubts: Vec<Diagnostic>,
    /// How many declared tasks are as they should be.
    pub kept_count: usize,
    /// How many declared agents are as they should be.
    pub kept_agents: usize,
    /// What the service stores otherwise than it was sent; not covered by the digest.
    pub stored_otherwise: StoredOtherwise,
    /// Who uses the agents that steps change, by the key of the agent; not covered by the digest.
    pub agent_users: BTreeMap<Key, BTreeSet<AgentUser>>,
    /// The tasks of the organization that are nobody's business here; not covered by the digest.
    pub unmanaged: Vec<UnmanagedTask>,
    /// The agents that are nobody's business here, with their names, where the manifest or its history
    /// declares any; not covered by the digest.
    pub unmanaged_agents: Vec<(AgentId, Option<String>)>,
    /// How many tasks are kept under an archived name.
    pub archived_count: usize,
    /// How many tasks of the organization have a schedule.
    pub scheduled_count: usize,
    /// Ids that were on the list; settling compares with them (contract 15.3).
    pub observed_task_ids: BTreeSet<TaskId>,
    /// How many deployments one apply may start.
    pub deployment_limit: usize,
    /// The limits that were set by hand.
    pub limits: Limits,
    /// The settings of the manifest that decided about steps.
    pub settings: Vec<UsedSetting>,
    /// The guards that `--allow` switched off and that would have blocked a step.
    pub overrides: BTreeSet<Code>,
    /// The declared deployments that exist or are started by a step, to be waited for and judged.
    pub watches: Vec<Watch>,
    /// What is declared about steps beside what they send.
    pub terms: Terms,
    /// What one prompt of a task has cost in past deployments, for tasks with something to pay for; not
    /// covered by the digest.
    pub estimates: BTreeMap<Key, Estimate>,
    /// When the service was looked at.
    pub observed_at: Timestamp,
    /// How the deployments stand that steps are about.
    pub runs: BTreeMap<DeploymentId, DeploymentSummary>,
    /// The names of all agents, where they were listed; not covered by the digest.
    pub agents: BTreeMap<AgentId, String>,
    /// The keys of the agents that declared keys have; not covered by the digest.
    pub agent_keys: BTreeMap<AgentId, Key>,
}

/// A declared deployment to be waited for and judged.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The task.
    pub key: Key,
    /// The declared deployment.
    pub deployment: Key,
    /// The deployment that serves it.
    pub run: WatchedDeployment,
    /// When it was made, where that was seen.
    pub created: Option<Timestamp>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// What it has to show.
    pub expect: Option<Expectation>,
}

/// The deployment that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchedDeployment {
    /// One that was seen.
    Seen(DeploymentId),
    /// The one this step starts.
    StartedBy(StepId),
}

/// The number of a step within its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId(pub usize);

/// One change, with the reason for it and whether it may be done.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The key of the resource it is about; [`Change::kind`] tells its kind.
    pub key: Key,
    /// The deployment it is about, if it is about one.
    pub deployment: Option<Key>,
    /// What it does.
    pub change: Change,
    /// Why, in a few words.
    pub reason: String,
    /// Steps that must be done before.
    pub after: BTreeSet<StepId>,
    /// The fields it changes that were changed on the service since they were applied.
    pub drift: BTreeSet<&'static str>,
    /// Whether it may be done.
    pub status: StepStatus,
}

impl Step {
    /// A step that waits for no other.
    fn new(id: StepId, key: &Key, change: Change, reason: String, status: StepStatus) -> Self {
        let (key, after, drift) = (key.clone(), BTreeSet::new(), BTreeSet::new());
        Self { id, key, deployment: None, change, reason, after, drift, status }
    }
}

/// Whether a step may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// It may.
    Ready,
    /// It was not asked for; not an error.
    Deferred(Diagnostic),
    /// Something stands against it; the finding names the override.
    Blocked(Diagnostic),
}

/// The names of agents.
pub(super) fn agent_names(agents: &ListedAgents) -> BTreeMap<AgentId, String> {
    let name = |object: &Object| object.name().map(str::to_owned);
    agents.iter().filter_map(|(id, object)| Some((*id, name(object)?))).collect()
}

impl Plan {
    /// The follow-ups that this plan leads to for a deployment, in order: of the step that starts
    /// it, or that speaks to it.
    pub fn follow_ups(&self, deployment: &WatchedDeployment) -> Vec<Arc<str>> {
        let of_step = |step: &Step| match (&step.change, deployment) {
            (Change::Deploy { later, .. }, WatchedDeployment::StartedBy(id)) if step.id == *id => {
                Some(later.clone())
            }
            (Change::Prompt { run, prompt, later, .. }, WatchedDeployment::Seen(id))
                if run == id =>
            {
                Some(std::iter::once(prompt).chain(later).cloned().collect())
            }
            _ => None,
        };
        self.steps.iter().find_map(of_step).unwrap_or_default()
    }

    /// The steps that apply carries out.
    pub fn ready_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.status == StepStatus::Ready)
    }

    /// The findings of blocked steps, and the doubts.
    pub fn blocks(&self) -> impl Iterator<Item = &Diagnostic> {
        let of_steps = self.steps.iter().filter_map(|step| match &step.status {
            StepStatus::Blocked(finding) => Some(finding),
            StepStatus::Ready | StepStatus::Deferred(_) => None,
        });
        of_steps.chain(&self.doubts)
    }

    /// The deployments whose conversations are quoted: what users said there is shown.
    pub fn quoted_runs(&self) -> impl Iterator<Item = &DeploymentId> {
        self.steps.iter().filter_map(|step| match &step.change {
            Change::Diverged { run, .. } => Some(run),
            _ => None,
        })
    }

    /// Leaves only the steps that are meant.
    #[must_use]
    pub fn only(mut self, is_meant: impl Fn(&Step) -> bool) -> Self {
        self.steps.retain(is_meant);
        self
    }

    /// How many open steps there are of each action.
    pub fn counts(&self) -> BTreeMap<Action, usize> {
        let mut counts = BTreeMap::new();
        for step in self.ready_steps() {
            *counts.entry(step.change.action()).or_default() += 1;
        }
        counts
    }
}
