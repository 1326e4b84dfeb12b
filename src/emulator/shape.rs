//! How agents, tasks, deployments and conversations look in answers (contract 2.6, 3.6, 4.8, 8).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fields::AGENT_ID;
use super::objects::{Agent, Deployment, DeploymentPhase, REFERENCES, StoredMessage, Task};
use super::quirk::{
    DeploymentCount, DeploymentPrompt, Display, EmptyFields, IdsSent, ListEntry,
    QueuedConversation, StatusCase, Switch, TokenCounts, TokenEcho,
};
use super::world::World;
use super::{ORGANIZATION_ID, USER_ID};

/// The LEAN version that deployments show.
const LEAN_VERSION: u64 = 17_000;

/// How many letters of a prompt the list shows under `list-entry=cut-prompt`.
const CUT_PROMPT: usize = 40;

impl World {
    /// Returns an agent as the service sends it.
    pub(super) fn agent_shape(&self, agent: &Agent) -> Value {
        let mut shape = self.flat_agent(agent);
        if self.quirks.expand_agents == Switch::On {
            let chained = shape.get_mut("chainedAgents").and_then(Value::as_array_mut);
            for entry in chained.into_iter().flatten() {
                let chained = id_of(&entry[AGENT_ID]).and_then(|id| self.agents.get(&id));
                entry["agent"] = chained.map_or(Value::Null, |agent| self.flat_agent(agent));
            }
        }
        shape
    }

    /// Returns an agent as the list shows it.
    pub(super) fn agent_entry(&self, agent: &Agent) -> Value {
        lacking(self.flat_agent(agent), "systemPrompt", self.quirks.agent_list_entry)
    }

    /// Returns the definition of an agent that a deployment shows, where it shows it.
    pub(super) fn agent_definition(&self, id: u64) -> Option<Value> {
        let is_shown = self.quirks.agent_definitions == Display::Shown;
        self.agents.get(&id).filter(|_| is_shown).map(|agent| self.flat_agent(agent))
    }

    /// Returns an agent as it was before an update that cannot be read yet.
    pub(super) fn seen_agent<'a>(&self, agent: &'a Agent) -> &'a Agent {
        let shows_at = agent.updated + i64::from(self.quirks.agent_update_lag_ms);
        agent.former.as_deref().filter(|_| self.clock < shows_at).unwrap_or(agent)
    }

    /// Returns an agent without the agents that it refers to.
    fn flat_agent(&self, agent: &Agent) -> Value {
        let agent = self.seen_agent(agent);
        let mut shape = json!({"id": self.id(agent.id)});
        let members = shape.as_object_mut().expect("it is an object");
        for (name, value) in &agent.fields {
            members.insert(name.clone(), value.clone());
        }
        for name in REFERENCES {
            for entry in members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
                entry[AGENT_ID] = id_of(&entry[AGENT_ID]).map_or(Value::Null, |id| self.id(id));
            }
        }
        if members.get("useQCC") == Some(&Value::Bool(true)) {
            // Contract 2.6: null where the platform's own model is used.
            members.insert("token".to_owned(), Value::Null);
        }
        if let Some(token) = members.get_mut("token").filter(|token| token.is_object()) {
            match self.quirks.token_echo {
                TokenEcho::Clear => {}
                TokenEcho::Masked => token["llmApiTokenUser"] = "********".into(),
                TokenEcho::Missing => {
                    members.remove("token");
                }
            }
        }
        match self.quirks.agent_empty_fields {
            EmptyFields::Shown => {}
            EmptyFields::Null => {
                members.values_mut().filter(|value| is_empty(value)).for_each(|value| {
                    value.take();
                });
            }
            EmptyFields::Missing => members.retain(|_, value| !is_empty(value)),
        }
        members.insert("created".to_owned(), self.stamp(agent.created).into());
        members.insert("updated".to_owned(), self.stamp(agent.updated).into());
        self.add_extras(&mut shape);
        shape
    }

    /// Returns a task as the service sends it.
    pub(super) fn task_shape(&self, task: &Task) -> Value {
        let count = match self.quirks.deployment_count {
            DeploymentCount::Existing => task.runs.len() as u64,
            DeploymentCount::Ever => task.ever,
        };
        let runs = task.runs.iter().filter_map(|id| self.seen_deployment(id));
        let active: Vec<Value> = runs
            .filter(|run| run.status.is_active())
            .map(|run| json!({"deploymentId": run.id, "status": self.status(run.status)}))
            .collect();
        let upcoming = task.schedule.as_ref().map(|_| json!([]));
        let mut shape = json!({
            "id": self.id(task.id),
            "name": task.name,
            "organizationId": task.organization.as_deref().unwrap_or(ORGANIZATION_ID),
            (AGENT_ID): self.id(task.agent_id),
            "prompt": task.prompt,
            "deployments": count,
            "lastDeploymentId": task.last.map(|last| self.id(last.0)),
            "lastDeploymentTime": task.last.map(|last| self.stamp(last.1)),
            "created": self.stamp(task.created),
            "updated": self.stamp(task.updated),
            "projectId": task.project_id.map(|id| self.id(id)),
            "owner": owner(&task.owner),
            "upcomingDeployments": upcoming,
            "status": active,
            "schedule": task.schedule,
            "scheduleHuman": task.schedule.as_ref().map(|cron| format!("On the schedule {cron}")),
            "projectPreference": task.project_preference,
            "notifications": task.notifications,
        });
        self.add_extras(&mut shape);
        shape
    }

    /// Returns a task as the list shows it.
    pub(super) fn task_entry(&self, task: &Task) -> Value {
        lacking(self.task_shape(task), "prompt", self.quirks.list_entry)
    }

    /// Returns a deployment as the service sends it.
    pub(super) fn deployment_shape(&self, run: &Deployment) -> Value {
        let has_host = run.started.is_some();
        let mut shape = json!({
            "deploymentId": run.id,
            (AGENT_ID): self.id(run.agent_id),
            "status": self.status(run.status),
            "taskId": self.id(run.task_id),
            "model": run.model,
            "created": self.stamp(run.created),
            "started": run.started.map(|time| self.stamp(time)),
            "ended": run.ended.map(|time| self.stamp(time)),
            "machine": has_host.then_some("A-MICRO"),
            "mcpTools": [],
            "hostName": has_host.then_some("emulator"),
            "prompt": run.prompt,
            "projectId": self.id(run.project_id),
            "versionId": LEAN_VERSION,
            "runtimeError": run.runtime_error,
        });
        let members = shape.as_object_mut().expect("it is an object");
        match self.quirks.deployment_prompt {
            DeploymentPrompt::Whole => {}
            DeploymentPrompt::Null => {
                members.insert("prompt".to_owned(), Value::Null);
            }
            DeploymentPrompt::Missing => {
                members.remove("prompt");
            }
        }
        self.add_extras(&mut shape);
        shape
    }

    /// Returns the conversation of a deployment, or `None` where the member is left out.
    pub(super) fn conversation_shape(&self, run: &Deployment) -> Option<Value> {
        let is_queued = run.status == DeploymentPhase::InQueue;
        match self.quirks.conversation_in_queue {
            QueuedConversation::Null if is_queued => return Some(Value::Null),
            QueuedConversation::Missing if is_queued => return None,
            _ => {}
        }
        let is_hidden = is_queued && self.quirks.conversation_in_queue == QueuedConversation::Empty;
        let shown = if is_hidden { &[] } else { &run.messages[..] };
        let messages = shown.iter().enumerate();
        let messages = messages.map(|(place, message)| self.message_shape(place, message));
        let task = self.tasks.get(&run.task_id);
        let organization = task.and_then(|task| task.organization.as_deref());
        let are_counted = self.quirks.token_counts == TokenCounts::Present;
        let mut shape = json!({
            "id": run.id,
            "userId": USER_ID,
            "organizationId": organization.unwrap_or(ORGANIZATION_ID),
            "channel": format!("agents-{}", run.id),
            "projectId": self.id(run.project_id),
            "prompt": run.prompt,
            "agents": Vec::from_iter(self.agent_definition(run.agent_id)),
            "notificationTargets": [],
            "messages": messages.collect::<Vec<_>>(),
            "agentProperties": {},
            "chatMessages": [],
            "inputTokens": are_counted.then_some(run.input_tokens),
            "outputTokens": are_counted.then_some(run.output_tokens),
            "aggregateStatus": self.status(run.status),
        });
        self.add_extras(&mut shape);
        Some(shape)
    }

    fn message_shape(&self, place: usize, message: &StoredMessage) -> Value {
        json!({
            "id": format!("m{}", place + 1),
            "role": message.role,
            "parts": message.parts,
            "time": self.stamp(message.time),
        })
    }

    /// Returns a deployment that exists and can be read yet.
    pub(super) fn seen_deployment(&self, id: &str) -> Option<&Deployment> {
        let lag = i64::from(self.quirks.deployment_lag_ms);
        self.deployments.get(id).filter(|run| run.created + lag <= self.clock)
    }

    /// Writes a numeric id.
    pub(super) fn id(&self, id: u64) -> Value {
        match self.quirks.ids_sent {
            IdsSent::Numbers => id.into(),
            IdsSent::Strings => id.to_string().into(),
        }
    }

    fn status(&self, status: DeploymentPhase) -> String {
        match self.quirks.status_case {
            StatusCase::Documented => status.word().to_owned(),
            StatusCase::Lower => status.word().to_lowercase(),
        }
    }

    /// Writes a time as the service does, without naming its zone (contract 1.1).
    fn stamp(&self, time: i64) -> String {
        let offset = SignedDuration::from_mins(self.quirks.utc_offset_minutes.into());
        let time = Timestamp::from_millisecond(time).unwrap_or(Timestamp::UNIX_EPOCH);
        let shown = time.saturating_add(offset).unwrap_or(time);
        shown.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn add_extras(&self, shape: &mut Value) {
        if self.quirks.extra_fields == Switch::On {
            shape["undocumented"] = json!({"list": [1, null], "text": "\u{fffd}"});
        }
    }
}

/// Returns an object as a list shows it, whose longest text is `prompt`.
fn lacking(mut shape: Value, prompt: &str, entry: ListEntry) -> Value {
    let members = shape.as_object_mut().expect("it is an object");
    match entry {
        ListEntry::Whole => {}
        ListEntry::WithoutPrompt => {
            members.remove(prompt);
        }
        ListEntry::CutPrompt => {
            if let Some(text) = members.get_mut(prompt) {
                let whole = text.as_str().unwrap_or_default();
                *text = whole.chars().take(CUT_PROMPT).collect::<String>().into();
            }
        }
        ListEntry::Bare => members.retain(|name, _| name == "id" || name == "name"),
    }
    shape
}

/// Whether there is nothing in a field.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

/// Returns an id, however it is written.
fn id_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Returns an owner or author from the public id.
pub(super) fn owner(public_id: &str) -> Value {
    json!({"publicId": public_id, "name": public_id, "image": "emulator.png"})
}
