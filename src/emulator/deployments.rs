//! The endpoints of deployments and their conversations (contract 4).

use serde_json::{Map, Value, json};

use super::fields::RequestFields;
use super::handler::{HandlerResult, listed, payload};
use super::names::stored_prompt;
use super::objects::{Deployment, DeploymentPhase};
use super::quirk::{Consent, CreateWhileActive, DeleteActive};
use super::world::World;

/// Starts a deployment of a task.
pub(super) fn create(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let task = world.tasks.get(&fields.id("taskId")).ok_or("The task was not found.")?;
    if !world.agents.contains_key(&task.agent_id) {
        return Err("The agent of the task was not found.".to_owned());
    }
    let is_active = task.runs.iter().any(|id| world.deployments[id].status.is_active());
    let runs_alone = world.quirks.create_while_active == CreateWhileActive::Refuse;
    if is_active && runs_alone {
        return Err("The task is running already.".to_owned());
    }
    let id = world.start_run(task.id).ok_or("The task was not found.")?;
    let shape = world.deployment_shape(&world.deployments[&id]);
    // Older clients take the id from `debug` (contract 4.1).
    let mut debug = json!({"id": id});
    if let Some(agent) = world.agent_definition(world.deployments[&id].agent_id) {
        debug["agent"] = agent;
    }
    Ok(Map::from_iter([("deployment".to_owned(), shape), ("debug".to_owned(), debug)]))
}

/// Reads a deployment.
pub(super) fn read(world: &mut World, fields: &RequestFields) -> HandlerResult {
    Ok(payload("deployment", world.deployment_shape(find(world, fields)?)))
}

/// Sends a follow-up prompt.
pub(super) fn prompt(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let found = find(world, fields)?;
    match found.status {
        DeploymentPhase::InQueue | DeploymentPhase::Running => {
            let may_wait = world.quirks.prompt_on_running == Consent::Accept;
            if found.is_stopping || !may_wait {
                return Err("The deployment is busy.".to_owned());
            }
        }
        DeploymentPhase::Completed => {}
        DeploymentPhase::Stopped | DeploymentPhase::Failed => {
            let may_go_on = world.quirks.prompt_on_ended == Consent::Accept;
            if !may_go_on {
                return Err("The deployment has ended.".to_owned());
            }
        }
    }
    let prompt = stored_prompt(fields.filled("prompt")?, &world.quirks)?;
    let id = found.id.clone();
    world.take_prompt(&id, prompt);
    Ok(payload("message", "Prompt run started.".into()))
}

/// Lists the deployments of a task.
pub(super) fn list(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let world = &*world;
    let task = world.tasks.get(&fields.id("taskId")).ok_or("The task was not found.")?;
    let runs = task.runs.iter().filter_map(|id| world.seen_deployment(id));
    let rows = runs.map(|run| (run.number, run.id.clone(), run)).collect();
    Ok(payload("deployments", listed(world, rows, |run| world.deployment_shape(run))))
}

/// Stops an active deployment.
pub(super) fn stop(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let found = find(world, fields)?;
    if !found.status.is_active() {
        return Err("The deployment is not running.".to_owned());
    }
    let (id, is_stopping) = (found.id.clone(), found.is_stopping);
    if !is_stopping {
        world.stop_run(&id);
    }
    Ok(Map::new())
}

/// Deletes a deployment.
pub(super) fn delete(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let found = find(world, fields)?;
    let must_have_ended = world.quirks.delete_active == DeleteActive::Refuse;
    if must_have_ended && found.status.is_active() {
        return Err("The deployment is active; stop it first.".to_owned());
    }
    let id = found.id.clone();
    world.forget_run(&id);
    Ok(Map::new())
}

/// Reads the conversation of a deployment.
pub(super) fn conversation(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let found = find(world, fields)?;
    if fields.text("callableId").is_some_and(|id| !id.is_empty()) {
        // Emulated agents call nobody, so no callable has a conversation of its own.
        return Err("The callable was not found.".to_owned());
    }
    match world.conversation_shape(found) {
        Some(shape) => Ok(payload("conversation", shape)),
        None => Ok(Map::<String, Value>::new()),
    }
}

fn find<'w>(world: &'w World, fields: &RequestFields) -> Result<&'w Deployment, String> {
    let id = fields.text("deploymentId").unwrap_or_default();
    world.seen_deployment(id).ok_or_else(|| "The deployment was not found.".to_owned())
}
