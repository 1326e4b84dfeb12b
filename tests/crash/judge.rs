//! The judge: laws over the emulator's world and the requests that were sent, and nothing else.
//!
//! It shares no code with what it judges but the words of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use qcops::emulator::{DeploymentPhase, Task, World};
use qcops::kinds::{AGENT_ID, PROMPT, TASK};
use qcops::manifest::DesiredTask;
use qcops::model::{ContentHash, Key, archived_base};
use qcops::resource::Object;
use serde_json::Value;

use super::agents;
use super::case::CaseEnd;
use super::fault::InjectedFault;
use super::machine::Call;
use super::process::{ARTIFACTS, Remaining};
use super::scenario::{Scenario, ScenarioStep};

/// A law that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BrokenLaw {
    /// More tasks were created than were needed, for one key or for all together.
    DuplicateTask { key: Option<Key>, created: usize, needed: usize },
    /// More deployments were paid for than were needed, for one key or for all together.
    DuplicateDeployment { key: Option<Key>, paid: usize, needed: usize },
    /// A prompt of a user stands twice in a deployment.
    DuplicateFollowUp { deployment: String },
    /// A resource that is not owned was changed.
    UnmanagedTouched { kind: &'static str, id: u64 },
    /// More agents were created than were needed.
    DuplicateAgent { created: usize, needed: usize },
    /// Everything is done, and no agent is as this key declares it.
    AgentMissing { key: Key },
    /// A task is left without its agent.
    AgentInUseDeleted { task: u64 },
    /// A request holds a field that is never sent.
    ForbiddenField { path: String, field: &'static str },
    /// Everything is done, and no task of this key exists.
    TaskMissing { key: Key },
    /// Everything is done, and a declared deployment of this key does not exist.
    DeploymentMissing { key: Key },
    /// Everything is done, and follow-ups were not sent.
    FollowUpsMissing { sent: usize, needed: usize },
    /// A task that had a conversation or a schedule was deleted.
    ConversationDeleted { task: u64 },
    /// A task that is not archived was changed by `destroy --archived`.
    OutOfScope { task: u64 },
    /// A deployment was deleted.
    DeploymentDeleted { deployment: String },
    /// A conversation was not saved before the request that deleted it.
    NotSaved { deployment: String, path: String },
    /// A task was created and deleted by the same apply.
    CreatedAndDeleted { task: u64 },
    /// A task that was to be destroyed is still there.
    NotDestroyed { task: u64 },
    /// A create was sent again without enough proof that the task is absent.
    CreatedWithoutProof { agent_and_prompt: String, waited: SignedDuration, lists: usize },
    /// A deployment was sent again while an earlier request could still take effect.
    DeployedTooEarly { task: u64, waited: SignedDuration },
    /// One process sent more deployments of a task than are declared.
    DeployedTooOften { process: usize, task: u64, sent: usize },
    /// A create whose answer was lost ended as something that proves nothing.
    LostCreate { ended: String },
    /// An apply without faults failed.
    Failed { error: String },
    /// Applies without faults never come to rest.
    Restless { remaining: Remaining },
    /// An apply reported that everything succeeded, and something is left to do.
    FalseSuccess { remaining: Remaining },
    /// The apply after the faults left something to do.
    NotConverged { remaining: Remaining },
    /// A request left that no line of the ledger in the shared store announced.
    NotAnnounced { path: String },
    /// Something was begun, or sent, while another machine held the lease.
    StaleHolder { what: String },
    /// An apply that reached its end holds the lease.
    LeaseKept,
    /// An apply that said that nothing was changed has changed something.
    ChangedAndFailed { error: String },
    /// A fault that is over at once, and that nothing is lost by, made an apply stop.
    StoppedInVain { end: CaseEnd },
    /// The service answered everything, and something is unknown all the same.
    UnknownByStore,
}

impl fmt::Display for BrokenLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |key: Option<&Key>| key.map(|key| format!(" of `{key}`")).unwrap_or_default();
        match self {
            Self::DuplicateTask { key, created, needed } => {
                let of = of(key.as_ref());
                write!(f, "duplicate task: {created}{of} were created, {needed} needed")
            }
            Self::DuplicateDeployment { key, paid, needed } => {
                let of = of(key.as_ref());
                write!(f, "duplicate deployment: {paid}{of} were paid for, {needed} needed")
            }
            Self::DuplicateFollowUp { deployment } => {
                write!(f, "duplicate follow-up: a prompt of {deployment} was sent twice")
            }
            Self::UnmanagedTouched { kind, id } => {
                write!(f, "unmanaged resource touched: {kind} {id} is not owned")
            }
            Self::DuplicateAgent { created, needed } => {
                write!(f, "duplicate agent: {created} were created, {needed} needed")
            }
            Self::AgentMissing { key } => write!(f, "lost: no agent is as `{key}` is declared"),
            Self::AgentInUseDeleted { task } => {
                write!(f, "lost: the agent of task {task} was deleted")
            }
            Self::ForbiddenField { path, field } => write!(f, "{path} was sent `{field}`"),
            Self::TaskMissing { key } => write!(f, "lost: no task of `{key}` exists"),
            Self::DeploymentMissing { key } => {
                write!(f, "lost: a deployment of `{key}` is missing")
            }
            Self::FollowUpsMissing { sent, needed } => {
                write!(f, "lost: {sent} of {needed} follow-ups were sent")
            }
            Self::ConversationDeleted { task } => {
                write!(f, "lost: task {task} had a conversation and was deleted")
            }
            Self::OutOfScope { task } => {
                write!(f, "lost: task {task} is not archived and was changed by a destroy")
            }
            Self::DeploymentDeleted { deployment } => {
                write!(f, "lost: deployment {deployment} was deleted")
            }
            Self::NotSaved { deployment, path } => {
                write!(f, "lost: deployment {deployment} was not saved before {path}")
            }
            Self::CreatedAndDeleted { task } => write!(f, "lost: new task {task} was deleted"),
            Self::NotDestroyed { task } => write!(f, "task {task} was not destroyed"),
            Self::CreatedWithoutProof { agent_and_prompt, waited, lists } => write!(
                f,
                "sent again without proof of absence: {agent_and_prompt} after {waited:?} and {lists} lists"
            ),
            Self::DeployedTooEarly { task, waited } => {
                write!(f, "a deployment of task {task} was sent again after {waited:?}")
            }
            Self::DeployedTooOften { process, task, sent } => {
                write!(f, "process {process} sent {sent} deployments of task {task}")
            }
            Self::LostCreate { ended } => write!(f, "a lost create ended as {ended}"),
            Self::Failed { error } => f.write_str(error),
            Self::Restless { remaining } => write!(f, "it never comes to rest: {remaining}"),
            Self::FalseSuccess { remaining } => {
                write!(f, "apply reported success, and this is left: {remaining}")
            }
            Self::NotConverged { remaining } => {
                write!(f, "the second apply leaves something: {remaining}")
            }
            Self::NotAnnounced { path } => write!(f, "{path} was sent without a line in the store"),
            Self::StaleHolder { what } => {
                write!(f, "{what}, while another machine held the lease")
            }
            Self::LeaseKept => f.write_str("an apply came to its end and holds the lease"),
            Self::ChangedAndFailed { error } => {
                write!(f, "something was changed by an apply that failed: {error}")
            }
            Self::StoppedInVain { end } => {
                write!(f, "the store was away for a moment, and the apply ended as {end:?}")
            }
            Self::UnknownByStore => {
                f.write_str("the service answered everything, and something is unknown")
            }
        }
    }
}

/// What has to be created, by the manifest and the world before.
#[derive(Default)]
pub(super) struct Requirements {
    /// By content: the key, whether a task has to be created, and how many deployments have to start.
    by_content: BTreeMap<ContentHash, Requirement>,
}

struct Requirement {
    key: Key,
    tasks: usize,
    deployments: usize,
    declared: usize,
}

impl Requirements {
    pub(super) fn of(step: &ScenarioStep, world: &World) -> Self {
        if step.destroys.is_some() {
            return Self::default();
        }
        let requirement = |(key, task): (&Key, &DesiredTask)| {
            let hash = task.content();
            let equal = || world.tasks().filter(|task| content(world, step, task) == Some(hash));
            let existing: usize = equal().map(|task| task.runs.len()).sum();
            let declared = task.deployments.len();
            let requirement = Requirement {
                key: key.clone(),
                tasks: usize::from(equal().next().is_none()),
                deployments: declared.saturating_sub(existing),
                declared,
            };
            (hash, requirement)
        };
        Self { by_content: step.desired_state.tasks.iter().map(requirement).collect() }
    }

    /// How many tasks have to be created.
    pub(super) fn tasks(&self) -> usize {
        self.by_content.values().map(|requirement| requirement.tasks).sum()
    }
}

/// What was there before the faults.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) scenario: &'a Scenario,
    /// The service before the last step.
    pub(super) world: &'a World,
    pub(super) requirements: &'a Requirements,
}

/// What the judge says.
#[derive(Default)]
pub(super) struct Judgement {
    /// Every law that does not hold.
    pub(super) broken: Vec<BrokenLaw>,
    /// The most creates that stayed for a key that needed one.
    pub(super) most_creates: usize,
    /// The most deployments that were paid for a declared one.
    pub(super) most_deployments: usize,
}

/// Judges a case by the world it ends in and by its requests.
pub(super) fn judge(
    before: Before<'_>,
    end: &World,
    calls: &[Call],
    is_at_rest: bool,
    settle: Duration,
) -> Judgement {
    let mut judgement = Judgement::default();
    let last = before.scenario.last();
    let contents: BTreeMap<u64, ContentHash> =
        end.tasks().filter_map(|task| Some((task.id, content(end, last, task)?))).collect();
    judge_tasks(before, end, &contents, is_at_rest, &mut judgement);
    let broken = &mut judgement.broken;
    judge_others(before, end, calls, broken);
    judge_saved(before, calls, broken);
    agents::judge(before, end, calls, is_at_rest, broken);
    let is_destroy = last.destroys.is_some();
    if is_at_rest && is_destroy {
        judge_destroyed(before, end, broken);
    }
    let declared = last.desired_state.tasks.values().filter(|_| !is_destroy);
    let needed = declared.flat_map(|task| task.deployments.values());
    let needed = needed.map(|deployment| deployment.follow_ups.len()).sum();
    judge_follow_ups(end, needed, is_at_rest, broken);
    let settle = SignedDuration::try_from(settle).unwrap_or(SignedDuration::MAX);
    judge_creates(calls, settle, broken);
    judge_deployments(before, &contents, calls, settle, broken);
    judge_announced(before, end, &contents, calls, broken);
    judgement
}

/// Creates per key that stayed, and paid deployments per declared one.
fn judge_tasks(
    before: Before<'_>,
    end: &World,
    contents: &BTreeMap<u64, ContentHash>,
    is_at_rest: bool,
    judgement: &mut Judgement,
) {
    let Judgement { broken, most_creates, most_deployments } = judgement;
    let old_tasks: BTreeSet<u64> = before.world.tasks().map(|task| task.id).collect();
    let old: BTreeSet<&str> = before.world.deployments().map(|run| run.id.as_str()).collect();
    let mut by_content: BTreeMap<ContentHash, Vec<&Task>> = BTreeMap::new();
    for task in end.tasks() {
        if let Some(hash) = contents.get(&task.id) {
            by_content.entry(*hash).or_default().push(task);
        }
    }
    let required = &before.requirements.by_content;
    for (hash, requirement) in required {
        let key = &requirement.key;
        let equal = by_content.get(hash).map(Vec::as_slice).unwrap_or_default();
        let created = equal.iter().filter(|task| !old_tasks.contains(&task.id)).count();
        *most_creates = created.max(*most_creates);
        if created > requirement.tasks {
            let (key, needed) = (Some(key.clone()), requirement.tasks);
            broken.push(BrokenLaw::DuplicateTask { key, created, needed });
        }
        let live = equal.iter().filter(|task| archived_base(&task.name).is_none()).count();
        if is_at_rest && live == 0 {
            broken.push(BrokenLaw::TaskMissing { key: key.clone() });
        }
        let deployments = equal.iter().flat_map(|task| &task.runs);
        let paid = deployments.clone().filter(|id| !old.contains(id.as_str())).count();
        let needed = requirement.deployments;
        if needed > 0 {
            *most_deployments = paid.div_ceil(needed).max(*most_deployments);
        }
        if paid > needed {
            let key = Some(key.clone());
            broken.push(BrokenLaw::DuplicateDeployment { key, paid, needed });
        }
        if is_at_rest && deployments.count() < requirement.declared {
            broken.push(BrokenLaw::DeploymentMissing { key: key.clone() });
        }
    }
    // The same over everything, whatever the service made of the contents.
    let created = end.tasks().filter(|task| !old_tasks.contains(&task.id)).count();
    let needed = before.requirements.tasks();
    if created > needed {
        broken.push(BrokenLaw::DuplicateTask { key: None, created, needed });
    }
    let paid = end.deployments().filter(|run| !old.contains(run.id.as_str())).count();
    let needed: usize = required.values().map(|requirement| requirement.deployments).sum();
    if paid > needed {
        broken.push(BrokenLaw::DuplicateDeployment { key: None, paid, needed });
    }
}

/// Every prompt of a user once in each deployment, and every declared follow-up there once all is at
/// rest and every deployment has come to its end.
fn judge_follow_ups(end: &World, needed: usize, is_at_rest: bool, broken: &mut Vec<BrokenLaw>) {
    let mut sent = 0;
    for run in end.deployments() {
        let prompts: Vec<_> =
            run.messages.iter().filter(|message| message.role == "user").collect();
        let distinct: BTreeSet<String> =
            prompts.iter().map(|prompt| format!("{:?}", prompt.parts)).collect();
        if distinct.len() < prompts.len() {
            broken.push(BrokenLaw::DuplicateFollowUp { deployment: run.id.clone() });
        }
        sent += prompts.len().saturating_sub(1);
    }
    let is_over = end.deployments().all(|run| run.status == DeploymentPhase::Completed);
    if is_at_rest && is_over && sent < needed {
        broken.push(BrokenLaw::FollowUpsMissing { sent, needed });
    }
}

/// What is not owned stays as it was, and nothing that holds a conversation is deleted.
fn judge_others(before: Before<'_>, end: &World, calls: &[Call], broken: &mut Vec<BrokenLaw>) {
    let scenario = before.scenario;
    let after: BTreeMap<u64, &Task> = end.tasks().map(|task| (task.id, task)).collect();
    for foreign in scenario.start.tasks() {
        if after.get(&foreign.id).is_none_or(|task| *task != foreign) {
            broken.push(BrokenLaw::UnmanagedTouched { kind: TASK.name, id: foreign.id });
        }
    }
    let destroys_archived = scenario.last().destroys_archived();
    let old: BTreeMap<u64, &Task> = before.world.tasks().map(|task| (task.id, task)).collect();
    let is_to_go = |task: &Task| {
        destroys_archived && archived_base(&task.name).is_some() && !scenario.is_foreign(task.id)
    };
    for (&id, task) in &old {
        let is_gone = !after.contains_key(&id);
        if is_gone && !is_to_go(task) && (task.ever > 0 || task.schedule.is_some()) {
            broken.push(BrokenLaw::ConversationDeleted { task: id });
        }
        if destroys_archived && !is_to_go(task) && after.get(&id) != Some(task) {
            broken.push(BrokenLaw::OutOfScope { task: id });
        }
    }
    let existing: BTreeSet<&str> = end.deployments().map(|run| run.id.as_str()).collect();
    for run in before.world.deployments().filter(|run| !existing.contains(run.id.as_str())) {
        if !old.get(&run.task_id).is_some_and(|task| is_to_go(task)) {
            broken.push(BrokenLaw::DeploymentDeleted { deployment: run.id.clone() });
        }
    }
    for call in calls.iter().filter(|call| call.path == "/agents/tasks/delete") {
        let id = field(&call.body, "taskId").as_u64().unwrap_or_default();
        if !old.contains_key(&id) {
            broken.push(BrokenLaw::CreatedAndDeleted { task: id });
        }
    }
}

/// Every conversation was saved before it was deleted.
fn judge_saved(before: Before<'_>, calls: &[Call], broken: &mut Vec<BrokenLaw>) {
    for call in calls.iter().filter(|call| call.path.ends_with("/delete")) {
        let lost = before.world.deployments().filter(|run| match call.path.as_str() {
            "/agents/tasks/delete" => field(&call.body, "taskId").as_u64() == Some(run.task_id),
            _ => field(&call.body, "deploymentId").as_str() == Some(&run.id),
        });
        for run in lost {
            let path = format!("{ARTIFACTS}/task-{}/{}", run.task_id, run.id);
            let is_saved =
                |ending: &str| call.saved.contains(Path::new(&format!("{path}.{ending}")));
            if !is_saved("json") || !is_saved("md") {
                let (deployment, path) = (run.id.clone(), call.path.clone());
                broken.push(BrokenLaw::NotSaved { deployment, path });
            }
        }
    }
}

/// Once all is at rest nothing is left of what was to be destroyed.
fn judge_destroyed(before: Before<'_>, end: &World, broken: &mut Vec<BrokenLaw>) {
    let scenario = before.scenario;
    for task in end.tasks().filter(|task| !scenario.is_foreign(task.id)) {
        let is_archived = archived_base(&task.name).is_some();
        if is_archived == scenario.last().destroys_archived() {
            broken.push(BrokenLaw::NotDestroyed { task: task.id });
        }
    }
}

/// At most one create between two proofs of absence (F5).
fn judge_creates(calls: &[Call], settle: SignedDuration, broken: &mut Vec<BrokenLaw>) {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (at, call) in calls.iter().enumerate() {
        let (what, shown_by) = match call.path.as_str() {
            "/agents/tasks/create" => {
                let body = [AGENT_ID, PROMPT].map(|name| field(&call.body, name).to_string());
                (body.join(" "), "/agents/tasks/list")
            }
            "/agents/create" => (format!("agent {}", field(&call.body, "name")), "/agents/list"),
            _ => continue,
        };
        if let Some(earlier) = last.get(&what).copied().filter(|at| may_have_worked(&calls[*at])) {
            let between = &calls[earlier + 1..at];
            let is_proof =
                |call: &&Call| call.path == shown_by && call.is_done && call.fault.is_none();
            let waited = call.at.duration_since(calls[earlier].at);
            let lists = between.iter().filter(is_proof).count();
            if lists == 0 || waited < settle {
                let agent_and_prompt = what.clone();
                broken.push(BrokenLaw::CreatedWithoutProof { agent_and_prompt, waited, lists });
            }
        }
        last.insert(what, at);
    }
}

/// A deployment is never sent again by the process that sent it, and by the next one only once the
/// earlier request can no longer take effect.
fn judge_deployments(
    before: Before<'_>,
    contents: &BTreeMap<u64, ContentHash>,
    calls: &[Call],
    settle: SignedDuration,
    broken: &mut Vec<BrokenLaw>,
) {
    let required = &before.requirements.by_content;
    let declared: BTreeMap<u64, usize> = contents
        .iter()
        .filter_map(|(id, content)| Some((*id, required.get(content)?.declared)))
        .collect();
    let mut last: BTreeMap<u64, &Call> = BTreeMap::new();
    let mut sent: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.path == "/agents/deployments/create") {
        let task = field(&call.body, "taskId").as_u64().unwrap_or_default();
        if may_have_worked(call) {
            *sent.entry((call.process, task)).or_default() += 1;
        }
        let is_unknown = |earlier: &&Call| {
            earlier.process != call.process && !earlier.is_done && may_have_worked(earlier)
        };
        if let Some(earlier) = last.insert(task, call).filter(is_unknown) {
            let waited = call.at.duration_since(earlier.at);
            if waited < settle {
                broken.push(BrokenLaw::DeployedTooEarly { task, waited });
            }
        }
    }
    for ((process, task), sent) in sent {
        if sent > declared.get(&task).copied().unwrap_or(0) {
            broken.push(BrokenLaw::DeployedTooOften { process, task, sent });
        }
    }
}

/// What is made, started or prompted was announced in the shared store before it was sent.
fn judge_announced(
    before: Before<'_>,
    end: &World,
    contents: &BTreeMap<u64, ContentHash>,
    calls: &[Call],
    broken: &mut Vec<BrokenLaw>,
) {
    let last = before.scenario.last();
    let of_task = |id: u64| {
        let requirement = before.requirements.by_content.get(contents.get(&id)?)?;
        Some(requirement.key.to_string())
    };
    for call in calls {
        let Some(announced) = &call.announced else { continue };
        let (what, keys): (_, Vec<String>) = match call.path.as_str() {
            "/agents/create" => {
                let name = field(&call.body, "name");
                let agents = last.desired_state.agents.iter();
                let agents = agents.filter(|(_, agent)| agent.object.name() == name.as_str());
                ("sending-agent", agents.map(|(key, _)| key.to_string()).collect())
            }
            "/agents/tasks/create" => {
                let prompt = field(&call.body, PROMPT);
                let tasks = last.desired_state.tasks.iter();
                let tasks = tasks.filter(|(_, task)| {
                    task.object.prompt().map(|text| &**text) == prompt.as_str()
                });
                ("sending", tasks.map(|(key, _)| key.to_string()).collect())
            }
            "/agents/deployments/create" => {
                let task = field(&call.body, "taskId").as_u64().unwrap_or_default();
                ("starting", of_task(task).into_iter().collect())
            }
            _ => {
                let id = field(&call.body, "deploymentId");
                let run = end.deployments().find(|run| Some(&*run.id) == id.as_str());
                ("starting", run.and_then(|run| of_task(run.task_id)).into_iter().collect())
            }
        };
        let is_announced = announced.iter().any(|(its, key, _)| its == what && keys.contains(key));
        if !is_announced {
            broken.push(BrokenLaw::NotAnnounced { path: call.path.clone() });
        }
    }
}

/// Whether the request may have taken effect as far as a client can know.
fn may_have_worked(call: &Call) -> bool {
    !call.is_refused && call.fault.is_none_or(InjectedFault::is_unknown)
}

/// The content a task was created with, or `None` where the service shows none that is ours; where a
/// declared agent has its agent's name, by the key of that.
fn content(world: &World, step: &ScenarioStep, task: &Task) -> Option<ContentHash> {
    let preference = task.project_preference.as_str();
    let object = Object::task(&task.name, task.agent_id, preference, task.prompt.as_str());
    let object = match agents::key(world, step, task.agent_id) {
        Some(key) => object.with(AGENT_ID, agents::reference(key)),
        None => object,
    };
    object.content()
}

fn field(body: &[u8], name: &str) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body[name].clone()
}
