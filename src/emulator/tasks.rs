//! The endpoints of tasks (contract 3).

use serde_json::Map;

use super::ORGANIZATION_ID;
use super::fields::{AGENT_ID, RequestFields};
use super::handler::{HandlerResult, listed, payload};
use super::names::{NamePolicy, stored_name, stored_prompt};
use super::objects::Task;
use super::quirk::{DeleteTask, NameRule, UpdateAnswer};
use super::world::World;

/// Creates a task.
pub(super) fn create(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let agent_id = fields.id(AGENT_ID);
    let requested = fields.text("organizationId").unwrap_or_default();
    let agent = world.agents.get(&agent_id).filter(|agent| agent.belongs_to(requested));
    agent.ok_or("The agent was not found.")?;
    let name = world.task_name(fields.filled("name")?, world.quirks.name_on_create, None)?;
    let prompt = stored_prompt(fields.filled("prompt")?, &world.quirks)?;
    let preference = fields.text("projectPreference").unwrap_or_default();
    let id = world.insert_task(name, agent_id, prompt, preference, "emulator");
    let organization = organization(fields).map(str::to_owned);
    world.tasks.get_mut(&id).expect("it was just made").organization = organization;
    Ok(payload("task", world.task_shape(&world.tasks[&id])))
}

/// Reads a task.
pub(super) fn read(world: &mut World, fields: &RequestFields) -> HandlerResult {
    Ok(payload("task", world.task_shape(find(world, fields)?)))
}

/// Renames a task; nothing else of it can be changed (contract 3.3).
pub(super) fn update(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let id = find(world, fields)?.id;
    if fields.text("name").is_some() {
        let rewrite = world.quirks.name_on_update;
        let name = world.task_name(fields.filled("name")?, rewrite, Some(id))?;
        let now = world.clock;
        let task = world.tasks.get_mut(&id).expect("it was just found");
        task.name = name;
        task.updated = now;
    }
    match world.quirks.update_answer {
        UpdateAnswer::Envelope => Ok(Map::new()),
        UpdateAnswer::Task => Ok(payload("task", world.task_shape(&world.tasks[&id]))),
    }
}

/// Deletes a task, and its deployments with it.
pub(super) fn delete(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let task = find(world, fields)?;
    let is_active = task.runs.iter().any(|id| world.deployments[id].status.is_active());
    match world.quirks.delete_task {
        DeleteTask::RefuseActive if is_active => {
            return Err("The task has an active deployment; stop it first.".to_owned());
        }
        DeleteTask::RefuseAny if !task.runs.is_empty() => {
            return Err("The task has deployments; delete them first.".to_owned());
        }
        _ => {}
    }
    let (id, runs) = (task.id, task.runs.clone());
    world.tasks.remove(&id);
    if world.quirks.delete_task != DeleteTask::Keep {
        for run in runs {
            world.forget_run(&run);
        }
    }
    Ok(Map::new())
}

/// Lists the tasks.
#[expect(clippy::unnecessary_wraps, reason = "all endpoints have one type")]
pub(super) fn list(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let world = &*world;
    let organization = organization(fields);
    let newest = world.clock - i64::from(world.quirks.list_lag_ms);
    let is_listed =
        |task: &&Task| task.created <= newest && task.organization.as_deref() == organization;
    let rows = world.tasks.values().filter(is_listed);
    let rows = rows.map(|task| (task.id, task.name.clone(), task)).collect();
    Ok(payload("tasks", listed(world, rows, |task| world.task_entry(task))))
}

/// The organization of a request, as tasks keep it.
fn organization(fields: &RequestFields) -> Option<&str> {
    fields.text("organizationId").filter(|organization| *organization != ORGANIZATION_ID)
}

impl World {
    /// Returns the name as a task gets it; `own` is the task that is renamed.
    fn task_name(&self, name: &str, rewrite: NameRule, own: Option<u64>) -> Result<String, String> {
        let policy =
            NamePolicy { rewrite, duplicate: self.quirks.duplicate_name, nameless: "Task" };
        let others = self.tasks.values().filter(|task| Some(task.id) != own);
        stored_name(name, policy, &self.quirks, others.map(|task| task.name.as_str()))
    }

    /// Adds a task as it is and returns its id.
    pub(super) fn insert_task(
        &mut self,
        name: String,
        agent_id: u64,
        prompt: String,
        project_preference: &str,
        owner: &str,
    ) -> u64 {
        self.last_task += 1;
        let task = Task {
            id: self.last_task,
            organization: None,
            name,
            agent_id,
            prompt,
            project_preference: project_preference.to_owned(),
            project_id: None,
            owner: owner.to_owned(),
            created: self.clock,
            updated: self.clock,
            schedule: None,
            notifications: Vec::new(),
            runs: Vec::new(),
            ever: 0,
            last: None,
        };
        self.tasks.insert(task.id, task);
        self.last_task
    }
}

fn find<'w>(world: &'w World, fields: &RequestFields) -> Result<&'w Task, String> {
    let id = fields.id("taskId");
    world.tasks.get(&id).ok_or_else(|| "The task was not found.".to_owned())
}
