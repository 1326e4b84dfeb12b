//! The endpoints of agents (contract 2).

use serde_json::{Map, Value, json};

use super::ORGANIZATION_ID;
use super::fields::{AGENT_ID, FieldRule, RequestFields, ValueKind, nullable, optional, required};
use super::handler::{HandlerResult, listed, payload};
use super::objects::Agent;
use super::quirk::{Consent, Visibility};
use super::shape;
use super::world::World;

/// The agent that the platform provides; examples use it without creating it (contract 11).
const PLATFORM_AGENT: u64 = 47;

const EFFORTS: &[&str] = &["low", "medium", "high"];

/// The fields of `/agents/create`.
pub(super) const CREATE: &[FieldRule] =
    &settable([required("organizationId", ValueKind::Text), required("name", ValueKind::Text)]);

/// The fields of `/agents/update`.
pub(super) const UPDATE: &[FieldRule] =
    &settable([required(AGENT_ID, ValueKind::Id), optional("name", ValueKind::Text)]);

const fn settable([first, name]: [FieldRule; 2]) -> [FieldRule; 19] {
    [
        first,
        name,
        optional("description", ValueKind::Text),
        optional("profileImage", ValueKind::Text),
        optional("systemPrompt", ValueKind::Text),
        optional("reasoningEffort", ValueKind::Word(EFFORTS)),
        optional("maxTurns", ValueKind::Integer),
        optional("toolChoice", ValueKind::Text),
        optional("tools", ValueKind::Texts),
        optional("public", ValueKind::Boolean),
        nullable("model", ValueKind::Text),
        optional("chainedAgents", ValueKind::AgentEntries),
        optional("subAgents", ValueKind::AgentEntries),
        nullable("token", ValueKind::Object),
        optional("useQCC", ValueKind::Boolean),
        nullable("pipeline", ValueKind::Text),
        optional("author", ValueKind::Object),
        optional("organization", ValueKind::Object),
        optional("node", ValueKind::Object),
    ]
}

/// Returns what an agent has where nobody said anything; the figures are the web interface's.
fn defaults() -> Map<String, Value> {
    let fields = json!({
        "name": "", "description": "", "profileImage": "emulator.png", "systemPrompt": "",
        "reasoningEffort": "high", "maxTurns": 100, "toolChoice": "auto", "tools": [],
        "public": false, "model": null, "pipeline": null, "outputSchema": null,
        "author": shape::owner("emulator"),
        "organization": {"id": ORGANIZATION_ID, "name": "Emulator", "profile": "emulator.png"},
        "chainedAgents": [], "subAgents": [], "token": null, "useQCC": true,
        "node": {"id": 0, "sku": ""},
    });
    let Value::Object(fields) = fields else { return Map::new() };
    fields
}

/// Creates an agent.
pub(super) fn create(world: &mut World, fields: &RequestFields) -> HandlerResult {
    fields.filled("name")?;
    let agent = add(world, fields.all());
    Ok(payload("agent", world.agent_shape(&world.agents[&agent])))
}

/// Reads an agent.
pub(super) fn read(world: &mut World, fields: &RequestFields) -> HandlerResult {
    Ok(payload("agent", world.agent_shape(find(world, fields)?)))
}

/// Changes the fields that are there and leaves the others.
pub(super) fn update(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let id = find(world, fields)?.id;
    if fields.text("name").is_some() {
        fields.filled("name")?;
    }
    let now = world.clock;
    let agent = world.agents.get_mut(&id).expect("it was just found");
    merge(agent, fields.all());
    agent.updated = now;
    Ok(Map::new())
}

/// Deletes an agent.
pub(super) fn delete(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let id = find(world, fields)?.id;
    let is_used = world.tasks.values().any(|task| task.agent_id == id);
    let must_be_free = world.quirks.delete_agent_in_use == Consent::Refuse;
    if is_used && must_be_free {
        return Err("The agent is used by a task.".to_owned());
    }
    world.agents.remove(&id);
    Ok(Map::new())
}

/// Lists the agents.
#[expect(clippy::unnecessary_wraps, reason = "all endpoints have one type")]
pub(super) fn list(world: &mut World, _: &RequestFields) -> HandlerResult {
    let world = &*world;
    let newest = world.clock - i64::from(world.quirks.list_lag_ms);
    let is_listed = |agent: &&Agent| {
        agent.created <= newest
            && (agent.id != PLATFORM_AGENT || world.quirks.platform_agents == Visibility::Listed)
    };
    let name = |agent: &Agent| agent.fields["name"].as_str().unwrap_or_default().to_owned();
    let rows = world.agents.values().filter(is_listed);
    let rows = rows.map(|agent| (agent.id, name(agent), agent)).collect();
    Ok(payload("agents", listed(world, rows, |agent| world.agent_shape(agent))))
}

impl World {
    /// Adds one of the agents that every world begins with.
    pub(super) fn seed_agent(&mut self, name: &str) {
        let prompt = format!("You are the {name}.");
        let fields = json!({"name": name, "systemPrompt": prompt, "model": "claude-opus-4-7"});
        let id = add(self, fields.as_object().cloned().unwrap_or_default());
        // A day old, which is older than any lag of the lists.
        let agent = self.agents.get_mut(&id).expect("it was just added");
        agent.created -= 86_400_000;
        agent.updated = agent.created;
    }
}

fn find<'w>(world: &'w World, fields: &RequestFields) -> Result<&'w Agent, String> {
    let id = fields.id(AGENT_ID);
    world.agents.get(&id).ok_or_else(|| "The agent was not found.".to_owned())
}

fn add(world: &mut World, fields: Map<String, Value>) -> u64 {
    world.last_agent += 1;
    let (id, now) = (world.last_agent, world.clock);
    let mut agent = Agent { id, created: now, updated: now, fields: defaults() };
    merge(&mut agent, fields);
    world.agents.insert(id, agent);
    id
}

fn merge(agent: &mut Agent, fields: Map<String, Value>) {
    // The owner does not change hands over the API (contract 11).
    const NOT_TAKEN: &[&str] = &["organizationId", AGENT_ID, "organization", "author"];
    const NULLABLE: &[&str] = &["model", "pipeline", "token"];
    for (name, value) in fields {
        let is_taken = !value.is_null() || NULLABLE.contains(&name.as_str());
        if is_taken && !NOT_TAKEN.contains(&name.as_str()) {
            agent.fields.insert(name, value);
        }
    }
}
