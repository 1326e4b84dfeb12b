//! The endpoints of agents (contract 2).

use serde_json::{Map, Value, json};

use super::ORGANIZATION_ID;
use super::fields::{
    AGENT_ID, FieldRule, NullRule, RequestFields, ValueKind, clearable, optional, required,
};
use super::handler::{HandlerResult, listed, payload};
use super::names::{NamePolicy, stored_name, stored_system_prompt};
use super::objects::{Agent, REFERENCES};
use super::quirk::{
    AgentUpdateAnswer, Consent, DeleteReferenced, ModelWithQcc, NameRule, Quirks, Visibility,
};
use super::shape;
use super::tools::stored_tools;
use super::world::World;

/// The agent that the platform provides; examples use it without creating it (contract 11).
const PLATFORM_AGENT: u64 = 47;

/// The model that the platform chooses under `model-with-qcc=rewritten`.
const PLATFORM_MODEL: &str = "claude-sonnet-4-6";

/// The public id of the only user.
const USER: &str = "emulator";

const EFFORTS: &[&str] = &["low", "medium", "high"];

/// The fields of `/agents/create`.
pub(super) const CREATE: &[FieldRule] =
    &settable([required("organizationId", ValueKind::Text), required("name", ValueKind::Text)]);

/// The fields of `/agents/update`.
pub(super) const UPDATE: &[FieldRule] =
    &settable([required(AGENT_ID, ValueKind::Id), optional("name", ValueKind::Text)]);

const fn settable([first, name]: [FieldRule; 2]) -> [FieldRule; 19] {
    use NullRule::{Clears, ClearsToNull};
    [
        first,
        name,
        clearable("description", ValueKind::Text, Clears),
        clearable("profileImage", ValueKind::Text, Clears),
        clearable("systemPrompt", ValueKind::Text, Clears),
        clearable("reasoningEffort", ValueKind::Word(EFFORTS), Clears),
        clearable("maxTurns", ValueKind::Integer, Clears),
        clearable("toolChoice", ValueKind::Text, Clears),
        clearable("tools", ValueKind::Texts, Clears),
        clearable("public", ValueKind::Boolean, Clears),
        clearable("model", ValueKind::Text, ClearsToNull),
        clearable("chainedAgents", ValueKind::ChainedEntries, Clears),
        clearable("subAgents", ValueKind::CallableEntries, Clears),
        clearable("token", ValueKind::Object, ClearsToNull),
        clearable("useQCC", ValueKind::Boolean, Clears),
        clearable("pipeline", ValueKind::Text, ClearsToNull),
        optional("author", ValueKind::Object),
        optional("organization", ValueKind::Object),
        clearable("node", ValueKind::Object, Clears),
    ]
}

/// Returns what an agent has where nobody said anything; the figures are the web interface's.
fn defaults() -> Map<String, Value> {
    let fields = json!({
        "name": "", "description": "", "profileImage": "emulator.png", "systemPrompt": "",
        "reasoningEffort": "high", "maxTurns": 100, "toolChoice": "auto", "tools": [],
        "public": false, "model": null, "pipeline": null, "outputSchema": null,
        "author": shape::owner(USER),
        "organization": {"id": ORGANIZATION_ID, "name": "Emulator", "profile": "emulator.png"},
        "chainedAgents": [], "subAgents": [], "token": null, "useQCC": true,
        "node": {"id": 0, "sku": ""},
    });
    let Value::Object(fields) = fields else { return Map::new() };
    fields
}

/// Creates an agent.
pub(super) fn create(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let rewrite = world.quirks.agent_name_on_create;
    let name = world.agent_name(fields.filled("name")?, rewrite, None)?;
    let organization = fields.text("organizationId").map(str::to_owned);
    let mut given = world.stored_fields(fields, organization.as_deref())?;
    given.insert("name".to_owned(), name.into());
    if !given.contains_key("tools") {
        given.insert("tools".to_owned(), stored_tools(&[], &world.quirks)?);
    }
    let fields = changed(defaults(), given, &world.quirks)?;
    let id = world.new_agent(organization, fields).id;
    Ok(payload("agent", world.agent_shape(&world.agents[&id])))
}

/// Reads an agent.
pub(super) fn read(world: &mut World, fields: &RequestFields) -> HandlerResult {
    Ok(payload("agent", world.agent_shape(find(world, fields)?)))
}

/// Changes the fields that are there and leaves the others.
pub(super) fn update(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let agent = changeable(world, fields)?;
    let id = agent.id;
    let mut given = world.stored_fields(fields, agent.organization.as_deref())?;
    if fields.text("name").is_some() {
        let rewrite = world.quirks.agent_name_on_update;
        let name = world.agent_name(fields.filled("name")?, rewrite, Some(id))?;
        given.insert("name".to_owned(), name.into());
    }
    let fields = changed(agent.fields.clone(), given, &world.quirks)?;
    let shows_late = world.quirks.agent_update_lag_ms > 0;
    let former = || Box::new(Agent { former: None, ..world.seen_agent(agent).clone() });
    let former = shows_late.then(former);
    let agent = Agent { updated: world.clock, fields, former, ..agent.clone() };
    world.agents.insert(id, agent);
    match world.quirks.agent_update_answer {
        AgentUpdateAnswer::Envelope => Ok(Map::new()),
        AgentUpdateAnswer::Agent => Ok(payload("agent", world.agent_shape(&world.agents[&id]))),
    }
}

/// Deletes an agent.
pub(super) fn delete(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let id = changeable(world, fields)?.id;
    let is_used = world.tasks.values().any(|task| task.agent_id == id);
    if is_used && world.quirks.delete_agent_in_use == Consent::Refuse {
        return Err("The agent is used by a task.".to_owned());
    }
    let mut others = world.agents.values().filter(|other| other.id != id);
    let is_referenced = others.any(|other| other.references().any(|reference| reference == id));
    match world.quirks.delete_referenced_agent {
        DeleteReferenced::Refuse if is_referenced => {
            return Err("Another agent refers to the agent.".to_owned());
        }
        DeleteReferenced::Unlink => world.unlink(id),
        DeleteReferenced::Refuse | DeleteReferenced::Accept => {}
    }
    world.agents.remove(&id);
    Ok(Map::new())
}

/// Lists the agents of an organization.
#[expect(clippy::unnecessary_wraps, reason = "all endpoints have one type")]
pub(super) fn list(world: &mut World, fields: &RequestFields) -> HandlerResult {
    let world = &*world;
    let (quirks, organization) = (&world.quirks, fields.text("organizationId").unwrap_or_default());
    let newest = world.clock - i64::from(quirks.list_lag_ms);
    let is_listed = |agent: &&Agent| {
        let is_hidden = agent.id == PLATFORM_AGENT && quirks.platform_agents == Visibility::Hidden
            || is_private(agent) && quirks.private_agents == Visibility::Hidden;
        agent.created <= newest && agent.belongs_to(organization) && !is_hidden
    };
    let rows = world.agents.values().filter(is_listed);
    let rows = rows.map(|agent| (agent.id, agent.name().to_owned(), agent)).collect();
    Ok(payload("agents", listed(world, rows, |agent| world.agent_entry(agent))))
}

impl World {
    /// Adds one of the agents that every world begins with.
    pub(super) fn seed_agent(&mut self, name: &str) {
        let prompt = format!("You are the {name}.");
        let fields = json!({"name": name, "systemPrompt": prompt, "model": "claude-opus-4-7"});
        let fields = fields.as_object().cloned().unwrap_or_default();
        let agent = self.new_agent(None, fields);
        // A day old, which is older than any lag of the lists.
        agent.created -= 86_400_000;
        agent.updated = agent.created;
    }

    /// Adds an agent with these fields and the defaults of the others.
    pub(super) fn new_agent(
        &mut self,
        organization: Option<String>,
        given: Map<String, Value>,
    ) -> &mut Agent {
        self.last_agent += 1;
        let (id, now) = (self.last_agent, self.clock);
        let mut fields = defaults();
        fields.extend(given);
        if let Some(organization) = &organization {
            fields["organization"]["id"] = organization.as_str().into();
        }
        let agent = Agent { id, organization, created: now, updated: now, fields, former: None };
        self.agents.entry(id).or_insert(agent)
    }

    /// Returns the name as an agent gets it; `own` is the agent that is renamed.
    fn agent_name(
        &self,
        name: &str,
        rewrite: NameRule,
        own: Option<u64>,
    ) -> Result<String, String> {
        let policy =
            NamePolicy { rewrite, duplicate: self.quirks.duplicate_agent_name, nameless: "Agent" };
        let others = self.agents.values().filter(|agent| Some(agent.id) != own);
        stored_name(name, policy, &self.quirks, others.map(Agent::name))
    }

    /// Returns the fields of a request, but for the name, as an agent of this organization keeps them.
    fn stored_fields(
        &self,
        fields: &RequestFields,
        organization: Option<&str>,
    ) -> Result<Map<String, Value>, String> {
        // The owner does not change hands over the API (contract 11).
        const NOT_TAKEN: &[&str] = &["organizationId", AGENT_ID, "organization", "author"];
        let mut defaults = defaults();
        let mut stored = Map::new();
        for (name, value) in fields.all() {
            if NOT_TAKEN.contains(&name.as_str()) {
                continue;
            }
            let default = defaults.get_mut(&name).map(Value::take).unwrap_or_default();
            let value = match (name.as_str(), if value.is_null() { default } else { value }) {
                ("systemPrompt", Value::String(prompt)) => {
                    stored_system_prompt(&prompt, &self.quirks)?.into()
                }
                ("tools", Value::Array(tools)) => stored_tools(&tools, &self.quirks)?,
                ("node", Value::Object(given)) => {
                    let mut node = json!({"id": 0, "sku": ""});
                    node.as_object_mut().expect("it is an object").extend(given);
                    node
                }
                (field, Value::Array(entries)) if REFERENCES.contains(&field) => {
                    self.stored_references(field, entries, organization)?
                }
                (_, value) => value,
            };
            stored.insert(name, value);
        }
        Ok(stored)
    }

    /// Returns references to agents as they are kept: without the agents themselves.
    fn stored_references(
        &self,
        field: &str,
        mut entries: Vec<Value>,
        organization: Option<&str>,
    ) -> Result<Value, String> {
        const KEPT: &[&str] = &[AGENT_ID, "step", "callableCount"];
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.retain(|name, _| KEPT.contains(&name.as_str()));
            let agent = entry[AGENT_ID].as_u64().and_then(|id| self.agents.get(&id));
            let is_known = agent.is_some_and(|agent| {
                organization.is_none_or(|organization| agent.belongs_to(organization))
            });
            if !is_known && self.quirks.unknown_agent == Consent::Refuse {
                return Err(format!("The agent {} of {field} was not found.", entry[AGENT_ID]));
            }
        }
        Ok(entries.into())
    }

    /// Takes all references to an agent out of the others.
    fn unlink(&mut self, id: u64) {
        for agent in self.agents.values_mut() {
            for name in REFERENCES {
                if let Some(entries) = agent.fields.get_mut(name).and_then(Value::as_array_mut) {
                    entries.retain(|entry| entry[AGENT_ID].as_u64() != Some(id));
                }
            }
        }
    }
}

fn find<'w>(world: &'w World, fields: &RequestFields) -> Result<&'w Agent, String> {
    let agent = world.agents.get(&fields.id(AGENT_ID)).filter(|agent| {
        agent.organization.as_ref().is_none_or(|own| world.organizations.contains(own))
    });
    agent.ok_or_else(|| "The agent was not found.".to_owned())
}

/// Returns an agent that the user may change.
fn changeable<'w>(world: &'w World, fields: &RequestFields) -> Result<&'w Agent, String> {
    let agent = find(world, fields)?;
    let is_own = agent.id != PLATFORM_AGENT && author(agent) == USER;
    if !is_own && world.quirks.others_agents == Consent::Refuse {
        return Err("You may not change this agent.".to_owned());
    }
    Ok(agent)
}

/// Whether other people cannot use it.
fn is_private(agent: &Agent) -> bool {
    author(agent) != USER && agent.fields.get("public") != Some(&Value::Bool(true))
}

fn author(agent: &Agent) -> &str {
    let author = agent.fields.get("author");
    author.and_then(|author| author["publicId"].as_str()).unwrap_or_default()
}

/// Returns the fields of an agent after a change; with `useQCC` its model is a quirk (contract 19).
fn changed(
    mut fields: Map<String, Value>,
    given: Map<String, Value>,
    quirks: &Quirks,
) -> HandlerResult {
    let ignored: &[&str] = match quirks.model_with_qcc {
        ModelWithQcc::Kept | ModelWithQcc::Rewritten => &[],
        ModelWithQcc::Ignored => &["model"],
        ModelWithQcc::AllIgnored => &["model", "reasoningEffort", "maxTurns", "toolChoice"],
    };
    let uses_qcc = given.get("useQCC").or(fields.get("useQCC")) == Some(&Value::Bool(true));
    let is_taken = |name: &String| !uses_qcc || !ignored.contains(&name.as_str());
    fields.extend(given.into_iter().filter(|(name, _)| is_taken(name)));
    if uses_qcc && quirks.model_with_qcc == ModelWithQcc::Rewritten {
        fields.insert("model".to_owned(), PLATFORM_MODEL.into());
    }
    let has_model = uses_qcc || fields.get("token").is_some_and(Value::is_object);
    if !has_model && quirks.keyless_agent == Consent::Refuse {
        return Err("An agent without useQCC needs a token.".to_owned());
    }
    Ok(fields)
}
