//! A desired and an observed state built by hand, for plans that need no service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use qcops::diag::Place;
use qcops::evidence::{Created, KeyEvidence, Version};
use qcops::kinds::NAME;
use qcops::manifest::{DesiredDeployment, DesiredTask};
use qcops::model::{AgentId, ContentHash, DeploymentId, Key, OrganizationId, TaskId};
use qcops::observed::{
    Completeness, Listing, ObservedDeployment, ObservedState, ObservedTask, Schedule, Status,
};
use qcops::plan::{self, Plan, PlanContext};
use qcops::resource::{Object, Value, Whole};

/// What is wanted, known and seen, at noon of 21 November 2026.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) plan_context: PlanContext,
    pub(crate) state: ObservedState,
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(crate) fn object(name: &str, prompt: &str) -> Whole {
    Object::task(name, 47, "project-for-task", prompt).whole().unwrap()
}

pub(crate) fn content(prompt: &str) -> ContentHash {
    object("", prompt).content()
}

/// What can be given another name.
pub(crate) trait Named {
    fn set_name(&mut self, name: &str);
}

impl Named for DesiredTask {
    fn set_name(&mut self, name: &str) {
        self.object = self.object.with(NAME, Value::Text(name.into())).whole().unwrap();
    }
}

impl Named for ObservedTask {
    fn set_name(&mut self, name: &str) {
        self.object = self.object.with(NAME, Value::Text(name.into()));
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let nothing = Listing { items: Vec::new(), coverage: Completeness::Complete };
        let state = ObservedState {
            agent_reads: BTreeMap::new(),
            organization_id: OrganizationId("org".to_owned()),
            observed_at: "2026-11-21T12:00:00Z".parse().unwrap(),
            tasks: nothing,
            task_reads: BTreeMap::new(),
            deployments: BTreeMap::new(),
            conversations: BTreeMap::new(),
        };
        Self { plan_context: PlanContext::default(), state }
    }

    /// Tasks `k0` to `k<count - 1>`, declared, committed twice and there: nothing to do.
    pub(crate) fn established(count: usize) -> Self {
        let mut scene = Self::new();
        for at in 0..count {
            let (name, id) = (format!("k{at}"), TaskId(at as u64 + 1));
            scene.declare(&name, &format!("prompt {at}"));
            scene.remember(&name, &format!("prompt {at}")).is_established = true;
            scene.show(id, &name, &format!("prompt {at}"));
        }
        scene
    }

    /// Declares a task under its key as name.
    pub(crate) fn declare(&mut self, name: &str, prompt: &str) -> &mut DesiredTask {
        let desired = DesiredTask {
            object: object(name, prompt),
            pin: None,
            protect: false,
            deployments: Arc::default(),
            place: Place { file: Path::new("tasks.yaml").into(), span: 0..0 },
        };
        self.plan_context.desired_state.tasks.insert(key(name), desired);
        self.plan_context.desired_state.tasks.get_mut(&key(name)).unwrap()
    }

    /// Declares `count` runs of a task.
    pub(crate) fn declare_runs(&mut self, name: &str, count: usize) {
        let desired = self.plan_context.desired_state.tasks.get_mut(&key(name)).unwrap();
        let runs = (0..count).map(|at| (key(&format!("run{at}")), DesiredDeployment::default()));
        desired.deployments = Arc::new(runs.collect());
    }

    /// Adds an older version of a key to its history.
    pub(crate) fn remember(&mut self, name: &str, prompt: &str) -> &mut KeyEvidence {
        let known = self.plan_context.evidence.keys.entry(key(name)).or_default();
        known.versions.push(Version::of(&object(name, prompt)));
        known
    }

    /// Lets the ledger know a task.
    pub(crate) fn created(&mut self, name: &str, id: u64, prompt: &str) {
        let known = self.plan_context.evidence.keys.entry(key(name)).or_default();
        let (id, content) = (Some(TaskId(id)), content(prompt));
        known.created.push(Created { id, content, name: name.to_owned() });
    }

    /// Puts a task that has had no deployment on the list.
    pub(crate) fn show(&mut self, id: TaskId, name: &str, prompt: &str) -> &mut ObservedTask {
        self.state.tasks.items.push(ObservedTask {
            id,
            organization_id: None,
            object: Object::clone(&object(name, prompt)),
            deployment_count: Some(0),
            last_deployment: None,
            created: None,
            updated: None,
            active: Some(Vec::new()),
            schedule: Schedule::Unset,
            notification_count: Some(0),
        });
        let listing = Listing { items: Vec::new(), coverage: Completeness::Complete };
        self.state.deployments.insert(id, listing);
        self.state.tasks.items.last_mut().unwrap()
    }

    /// Shows a deployment of a task, made at a time such as `2026-11-20T08:00:00`.
    pub(crate) fn show_run(&mut self, task: u64, prompt: &str, created: Option<&str>) {
        let listing = self.state.deployments.get_mut(&TaskId(task)).unwrap();
        listing.items.push(ObservedDeployment {
            id: DeploymentId(format!("A-{}", listing.items.len() + 1)),
            task_id: Some(TaskId(task)),
            agent_id: Some(AgentId(47)),
            prompt: Some(prompt.into()),
            status: Status::Completed,
            created: created.map(|created| created.parse().unwrap()),
            ended: None,
            runtime_error: None,
        });
    }

    /// Takes tasks off the list.
    pub(crate) fn hide(&mut self, ids: impl IntoIterator<Item = u64>) {
        let hidden: BTreeSet<u64> = ids.into_iter().collect();
        self.state.tasks.items.retain(|task| !hidden.contains(&task.id.0));
    }

    pub(crate) fn plan(&self) -> Plan {
        plan::plan(&self.plan_context.with(&self.state))
    }
}
