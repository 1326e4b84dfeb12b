//! How every declared task stands, and its deployments: a plan from the side of its keys.
//!
//! Decides nothing of its own: states are read off the plan, tasks off the matcher.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::diag::{Code, Diagnostic, Gap};
use crate::manifest::DesiredDeployment;
use crate::model::{AgentId, DeploymentId, Key, OrganizationId, TaskId};
use crate::observed::{Completeness, ObservedDeployment, ReadRequest};
use crate::plan::agents::agents;
use crate::plan::deployment_status::{DeploymentSummary, instant, run_of};
use crate::plan::matcher::identify;
use crate::plan::observed::observed;
use crate::plan::reads::{Next, reads_and_plan};
use crate::plan::{
    AgentChange, Change, Plan, PlanInputs, RemoveReason, Step, StepStatus, UnmanagedTask,
    WatchedDeployment, plan,
};

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The environment, where the manifest declares environments.
    pub environment: Option<String>,
    /// When the service was looked at.
    pub observed_at: Timestamp,
    /// Every declared key, in the order of keys.
    pub keys: Vec<KeyOverview>,
    /// Every declared agent, in the order of keys.
    pub declared_agents: Vec<AgentOverview>,
    /// How many owned tasks no key declares any more.
    pub undeclared_count: usize,
    /// The tasks that are nobody's business here.
    pub unmanaged: Vec<UnmanagedTask>,
    /// The agents that are nobody's business here, where any are declared.
    pub unmanaged_agents: Vec<(AgentId, Option<String>)>,
    /// The names of all agents, where they were listed.
    pub agents: BTreeMap<AgentId, String>,
    /// How many tasks are kept under an archived name.
    pub archived_count: usize,
    /// Why nothing shown here is certain: the list is incomplete or implausible.
    pub doubts: Vec<Diagnostic>,
    /// What the plan finds worth knowing.
    pub notes: Vec<Diagnostic>,
    /// What of the evidence could not be read.
    pub gaps: Vec<Gap>,
}

/// How one declared key stands.
#[derive(Clone, Debug)]
pub struct KeyOverview {
    /// The key.
    pub key: Key,
    /// Whether the service has what is declared.
    pub state: KeyState,
    /// Why it is not in sync.
    pub reason: Option<String>,
    /// The code of what blocks it.
    pub code: Option<Code>,
    /// Its task.
    pub task: Option<TaskId>,
    /// The stored name.
    pub name: Option<String>,
    /// When the task was made.
    pub created: Option<Timestamp>,
    /// Its declared deployments, in the order of keys.
    pub deployments: Vec<DeclaredDeploymentOverview>,
    /// The deployments of its task, the newest first.
    pub runs: Vec<DeploymentSummary>,
    /// Whether those are all.
    pub is_complete: bool,
}

/// How one declared agent stands.
#[derive(Clone, Debug)]
pub struct AgentOverview {
    /// The key.
    pub key: Key,
    /// Whether the service has what is declared.
    pub state: KeyState,
    /// Why it is not in sync.
    pub reason: Option<String>,
    /// The code of what blocks it.
    pub code: Option<Code>,
    /// Its agent.
    pub agent: Option<AgentId>,
    /// The stored name.
    pub name: Option<String>,
}

/// Whether the service has what a key declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// It has.
    InSync,
    /// It has something else: an apply would rename, restore or replace it.
    Drifted,
    /// The service stored something else than was sent; it is not sent again.
    StoredOtherwise,
    /// It has nothing: an apply would make it.
    Missing,
    /// It cannot be told, or something stands against what an apply would do.
    Blocked,
}

/// How one declared deployment stands.
#[derive(Clone, Debug)]
pub struct DeclaredDeploymentOverview {
    /// Its key.
    pub key: Key,
    /// The deployment that serves it, or was to serve it before something else was said in it.
    pub run: Option<DeploymentId>,
    /// What is still to be done about it, or stands against it.
    pub reason: Option<String>,
    /// The code of what stands against it.
    pub code: Option<Code>,
}

/// Whether conversations are read for the tokens of deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Those that were read anyway are shown.
    AsKnown,
    /// Those of the deployments that serve a declaration, and of the newest others.
    Read,
}

/// How many deployments that serve nothing are looked at in each task, and shown.
pub const NEWEST_RUNS: usize = 3;

/// Returns the looks that are still to be taken before [`overview`] sees enough.
pub fn overview_reads(inputs: &PlanInputs<'_>, tokens: Tokens) -> BTreeSet<ReadRequest> {
    match next_overview(inputs, tokens) {
        Next::ReadRequest(reads) => reads,
        Next::Plan(_) => BTreeSet::new(),
    }
}

/// Returns the looks that are still to be taken before [`overview`] sees enough, or the plan that it shows.
pub fn next_overview(inputs: &PlanInputs<'_>, tokens: Tokens) -> Next {
    let (mut reads, plan) = reads_and_plan(inputs);
    let observed = observed(inputs.state);
    for matched in identify(inputs, &observed.tasks).by_key.values() {
        let task = matched.task;
        let has_none = task.deployment_count == Some(0) && task.active.as_deref() == Some(&[]);
        if !has_none && !inputs.state.deployments.contains_key(&task.id) {
            reads.insert(ReadRequest::Deployments(task.id));
        }
    }
    if tokens == Tokens::Read {
        let shown = overview(inputs).keys.into_iter().flat_map(|key| {
            let (serving, others): (Vec<_>, Vec<_>) =
                key.runs.into_iter().partition(|run| run.serves.is_some());
            serving.into_iter().chain(others.into_iter().take(NEWEST_RUNS))
        });
        let is_unread = |run: &DeploymentSummary| !inputs.state.conversations.contains_key(&run.id);
        reads.extend(shown.filter(is_unread).map(|run| ReadRequest::Conversation(run.id)));
    }
    if reads.is_empty() { Next::Plan(Box::new(plan)) } else { Next::ReadRequest(reads) }
}

/// Tells how everything stands.
pub fn overview(inputs: &PlanInputs<'_>) -> Overview {
    let plan = plan(inputs);
    let observed = observed(inputs.state);
    let found = identify(inputs, &observed.tasks);
    let offset = inputs.desired_state.service_utc_offset;
    let mut first_steps: BTreeMap<&Key, &Step> = BTreeMap::new();
    let is_of_task =
        |step: &&Step| step.deployment.is_none() && !matches!(step.change, Change::Agent(_));
    for step in plan.steps.iter().filter(is_of_task) {
        first_steps.entry(&step.key).or_insert(step);
    }
    let keys = inputs.desired_state.tasks.keys().map(|key| {
        let step = first_steps.get(key).copied();
        let (state, reason, code) = step.map_or((KeyState::InSync, None, None), state);
        let task = found.by_key.get(key).map(|matched| matched.task);
        let runs = task.and_then(|task| inputs.state.deployments.get(&task.id));
        let mut seen: Vec<&ObservedDeployment> =
            runs.into_iter().flat_map(|runs| &runs.items).collect();
        seen.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        let deployments = deployments(inputs, &plan, key);
        KeyOverview {
            key: key.clone(),
            state,
            reason,
            code,
            task: task.map(|task| task.id),
            name: task.and_then(|task| task.name().map(str::to_owned)),
            created: task.and_then(|task| instant(task.created, offset)),
            runs: seen
                .into_iter()
                .map(|run| run_overview(inputs, &deployments, key, run))
                .collect(),
            deployments,
            is_complete: runs.is_none_or(|runs| runs.coverage == Completeness::Complete),
        }
    });
    Overview {
        organization_id: inputs.state.organization_id.clone(),
        environment: None,
        observed_at: inputs.state.observed_at,
        keys: keys.collect(),
        declared_agents: declared_agents(inputs, &plan),
        undeclared_count: found.orphans.len(),
        unmanaged: plan.unmanaged.clone(),
        unmanaged_agents: plan.unmanaged_agents.clone(),
        agents: plan.agents.clone(),
        archived_count: plan.archived_count,
        doubts: plan.doubts.clone(),
        notes: plan.notes.clone(),
        gaps: plan.gaps.clone(),
    }
}

/// How the declared agents stand, as the plan sees them.
fn declared_agents(inputs: &PlanInputs<'_>, plan: &Plan) -> Vec<AgentOverview> {
    let agents = agents(inputs);
    let mut first_steps: BTreeMap<&Key, &Step> = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| matches!(step.change, Change::Agent(_))) {
        first_steps.entry(&step.key).or_insert(step);
    }
    let overview = |key: &Key| {
        let step = first_steps.get(key).copied();
        let unplanned = || {
            let is_known = plan.stored_otherwise.agents.contains(key);
            let reason =
                is_known.then(|| "the service stored something else than was sent".to_owned());
            (if is_known { KeyState::StoredOtherwise } else { KeyState::InSync }, reason, None)
        };
        let (state, reason, code) = step.map_or_else(unplanned, state);
        let agent = agents.matches.by_key.get(key).copied();
        let name = agent.and_then(|id| agents.observed.get(&id)?.name().map(str::to_owned));
        AgentOverview { key: key.clone(), state, reason, code, agent, name }
    };
    inputs.desired_state.agents.keys().map(overview).collect()
}

/// How the declared deployments of a key stand, as the plan sees them.
fn deployments(inputs: &PlanInputs<'_>, plan: &Plan, key: &Key) -> Vec<DeclaredDeploymentOverview> {
    let declared = inputs
        .desired_state
        .tasks
        .get(key)
        .into_iter()
        .flat_map(|desired| desired.deployments.iter());
    let overview = |(deployment, declared): (&Key, &DesiredDeployment)| {
        let watch =
            plan.watches.iter().find(|watch| watch.key == *key && watch.deployment == *deployment);
        let watched = watch.and_then(|watch| match &watch.run {
            WatchedDeployment::Seen(id) => Some(id),
            WatchedDeployment::StartedBy(_) => None,
        });
        let is_its =
            |step: &&Step| step.key == *key && step.deployment.as_ref() == Some(deployment);
        let step = plan.steps.iter().find(is_its);
        let since = declared.since.filter(|since| *since > inputs.state.observed_at);
        let (reason, code) = match step.map(|step| (&step.status, step)) {
            Some((StepStatus::Blocked(finding), _)) => {
                (Some(finding.message.clone()), Some(finding.code))
            }
            Some((StepStatus::Deferred(finding), _)) => (Some(finding.message.clone()), None),
            Some((StepStatus::Ready, step)) => {
                let verb = step.change.action().participle();
                (Some(format!("would be {verb}: {}", step.reason)), None)
            }
            None => (since.map(|since| format!("it is not due before {since}")), None),
        };
        let run = watched.or_else(|| run_of(&step?.change)).cloned();
        DeclaredDeploymentOverview { key: deployment.clone(), run, reason, code }
    };
    declared.map(overview).collect()
}

/// A deployment with the declaration that it serves.
fn run_overview(
    inputs: &PlanInputs<'_>,
    deployments: &[DeclaredDeploymentOverview],
    key: &Key,
    run: &ObservedDeployment,
) -> DeploymentSummary {
    let serving = deployments.iter().find(|declared| declared.run.as_ref() == Some(&run.id));
    let serves = serving.map(|declared| declared.key.clone());
    DeploymentSummary { serves, ..DeploymentSummary::new(inputs, key, run) }
}

/// What the first step of a key says about it.
fn state(step: &Step) -> (KeyState, Option<String>, Option<Code>) {
    if let StepStatus::Blocked(finding) = &step.status {
        return (KeyState::Blocked, Some(finding.message.clone()), Some(finding.code));
    }
    let (state, reason) = match &step.change {
        Change::Create { .. } | Change::Agent(AgentChange::Create { .. }) => {
            (KeyState::Missing, step.reason.clone())
        }
        Change::Remove { because: RemoveReason::Superseded, removal, .. } => {
            (KeyState::Drifted, format!("a replace is unfinished: task {} is left", removal.id))
        }
        change => {
            let verb = change.action().participle();
            (KeyState::Drifted, format!("would be {verb}: {}", step.reason))
        }
    };
    (state, Some(reason), None)
}
