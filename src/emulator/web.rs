//! The web interface: what people do to the world past the documented API (contract 9).
//!
//! For tests. Every method works at the world's own time, that of its last request.

use serde_json::{Map, Value};

use super::objects::{Agent, Deployment, DeploymentPhase, StoredMessage, Task};
use super::shape::owner;
use super::world::World;

impl World {
    /// Returns all tasks, oldest first.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// Returns all deployments, in no order a person would expect.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.deployments.values()
    }

    /// Returns a task to be changed at will: its name, prompt, schedule or notifications.
    pub fn task_mut(&mut self, id: u64) -> Option<&mut Task> {
        self.tasks.get_mut(&id)
    }

    /// Adds a task of somebody else, name and prompt as they are, and returns its id.
    pub fn add_task(&mut self, name: &str, agent_id: u64, prompt: &str) -> u64 {
        let (name, prompt) = (name.to_owned(), prompt.to_owned());
        self.insert_task(name, agent_id, prompt, "project-each-task-deployment", "somebody")
    }

    /// Returns all agents, oldest first.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// Returns an agent to be changed at will: its organization or any of its fields.
    pub fn agent_mut(&mut self, id: u64) -> Option<&mut Agent> {
        self.agents.get_mut(&id)
    }

    /// Adds an agent of somebody else, its fields as they are, and returns its id.
    pub fn add_agent(&mut self, fields: Value) -> u64 {
        let mut given = Map::from_iter([("author".to_owned(), owner("somebody"))]);
        if let Value::Object(fields) = fields {
            given.extend(fields);
        }
        self.new_agent(None, given).id
    }

    /// Edits a field of an agent, `outputSchema` too, which the API cannot.
    pub fn edit_agent(&mut self, agent: u64, field: &str, value: Value) {
        if let Some(agent) = self.agents.get_mut(&agent) {
            agent.fields.insert(field.to_owned(), value);
            agent.updated = self.clock;
            agent.former = None;
        }
    }

    /// Deletes an agent, whoever uses it.
    pub fn delete_agent(&mut self, agent: u64) {
        self.agents.remove(&agent);
    }

    /// Sees to it that there is an agent of this number.
    pub fn need_agent(&mut self, id: u64) {
        if !self.agents.contains_key(&id) {
            let last = self.last_agent;
            self.last_agent = id - 1;
            self.seed_agent(&format!("Agent {id}"));
            self.last_agent = last.max(id);
        }
    }

    /// Sets the schedule of a task, a cron expression, or takes it away.
    pub fn set_schedule(&mut self, task: u64, cron: Option<&str>) {
        if let Some(task) = self.tasks.get_mut(&task) {
            task.schedule = cron.map(str::to_owned);
            task.updated = self.clock;
        }
    }

    /// Sets the notifications of a task.
    pub fn set_notifications(&mut self, task: u64, notifications: Vec<Value>) {
        if let Some(task) = self.tasks.get_mut(&task) {
            task.notifications = notifications;
            task.updated = self.clock;
        }
    }

    /// Edits the prompt of a task, which the API cannot.
    pub fn edit_prompt(&mut self, task: u64, prompt: &str) {
        if let Some(task) = self.tasks.get_mut(&task) {
            prompt.clone_into(&mut task.prompt);
            task.updated = self.clock;
        }
    }

    /// Clones a task under a name that says so, without its deployments, and returns the copy's id.
    pub fn clone_task(&mut self, task: u64) -> Option<u64> {
        let original = self.tasks.get(&task)?.clone();
        let name = format!("{} (clone)", original.name);
        let mode = &original.project_preference;
        let copy =
            self.insert_task(name, original.agent_id, original.prompt, mode, &original.owner);
        let task = self.tasks.get_mut(&copy)?;
        task.schedule = original.schedule;
        task.notifications = original.notifications;
        Some(copy)
    }

    /// Starts a deployment as a schedule or a person does, and returns the deployment's id.
    pub fn run_task(&mut self, task: u64) -> Option<String> {
        self.start_run(task)
    }

    /// Lets a person talk to the agent of a deployment; `false` where there is no such deployment.
    pub fn say(&mut self, deployment: &str, prompt: &str) -> bool {
        let is_there = self.deployments.contains_key(deployment);
        if is_there {
            self.take_prompt(deployment, prompt.to_owned());
        }
        is_there
    }

    /// Adds a user's turn to a conversation without letting the agent run.
    pub fn add_turn(&mut self, deployment: &str, text: &str) {
        if let Some(deployment) = self.deployments.get_mut(deployment) {
            deployment.messages.push(StoredMessage::from_user(self.clock, text));
        }
    }

    /// Ends an active deployment at once, with this status.
    pub fn end_run(&mut self, deployment: &str, status: DeploymentPhase) {
        self.end(deployment, status);
    }
}
