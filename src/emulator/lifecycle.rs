//! What time brings: deployments leave the queue, agents come to an end, late requests arrive.
//!
//! The states are those of contract 10. Everything that is to happen stands in the world's agenda,
//! so a request costs what became due since the last one and no walk over all deployments.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::agenda::{Due, Happening};
use super::objects::{Deployment, DeploymentPhase, StoredMessage};
use super::quirk::{CreateWhileActive, Display, RunOutcome};
use super::script;
use super::script::RunRule;
use super::world::World;

impl World {
    /// Lets everything happen that is due at `now`; a clock that goes back is ignored.
    pub fn advance(&mut self, now: Timestamp) {
        let now = now.as_millisecond();
        while self.agenda.first().is_some_and(|due| due.at <= now) {
            let due = self.agenda.pop_first().expect("there is a first one");
            // What follows from an event follows at its time, however late we look.
            self.clock = self.clock.max(due.at);
            match due.event {
                Happening::Leave { id } => self.leave_queue(id),
                Happening::Finish { id, turn } => self.finish(&id, turn),
                Happening::Stop { id } => self.end(&id, DeploymentPhase::Stopped),
                Happening::Arrive { path, body } => {
                    self.answer(&path, body.as_bytes());
                }
            }
        }
        self.clock = self.clock.max(now);
    }

    fn schedule(&mut self, at: i64, event: Happening) {
        self.last_order += 1;
        self.agenda.insert(Due { at, order: self.last_order, event });
    }

    /// Puts a request off until `at`.
    pub(super) fn put_off(&mut self, at: i64, path: &str, body: String) {
        self.schedule(at, Happening::Arrive { path: path.to_owned(), body });
    }

    /// Starts a deployment of the task and returns the deployment's id.
    pub(super) fn start_run(&mut self, task_id: u64) -> Option<String> {
        let project_id = self.project_for(task_id)?;
        self.last_number += 1;
        let (number, now) = (self.last_number, self.clock);
        let id = self.deployment_id(number);
        let task = self.tasks.get_mut(&task_id)?;
        task.runs.push(id.clone());
        task.ever += 1;
        task.last = Some((number, now));
        let model = self.agents.get(&task.agent_id).and_then(|agent| agent.fields.get("model"));
        let deployment = Deployment {
            id: id.clone(),
            number,
            task_id,
            agent_id: task.agent_id,
            model: model.and_then(|model| model.as_str()).map(str::to_owned),
            prompt: task.prompt.clone(),
            project_id,
            status: DeploymentPhase::InQueue,
            created: now,
            started: None,
            ended: None,
            runtime_error: None,
            messages: vec![StoredMessage::from_user(now, &task.prompt)],
            input_tokens: 0,
            output_tokens: 0,
            turn: 0,
            current: task.prompt.clone(),
            pending: VecDeque::new(),
            is_stopping: false,
        };
        self.deployments.insert(id.clone(), deployment);
        let at = now + i64::from(self.quirks.queue_ms);
        self.schedule(at, Happening::Leave { id: id.clone() });
        Some(id)
    }

    /// Returns the project of the next run: the task's own, or a fresh one (contract 3.1).
    fn project_for(&mut self, task_id: u64) -> Option<u64> {
        let task = self.tasks.get_mut(&task_id)?;
        if let Some(project) = task.project_id {
            return Some(project);
        }
        self.last_project += 1;
        if task.project_preference == "project-for-task" {
            task.project_id = Some(self.last_project);
        }
        Some(self.last_project)
    }

    /// Takes a prompt for a deployment that exists: at once, or behind the one it works on.
    pub(super) fn take_prompt(&mut self, id: &str, prompt: String) {
        let (now, quirk) = (self.clock, self.quirks.queued_prompt);
        let deployment = self.deployments.get_mut(id).expect("the caller found it");
        if deployment.status.is_active() {
            if quirk == Display::Shown {
                deployment.messages.push(StoredMessage::from_user(now, &prompt));
            }
            deployment.pending.push_back(prompt);
        } else {
            deployment.messages.push(StoredMessage::from_user(now, &prompt));
            deployment.turn += 1;
            deployment.current = prompt;
            deployment.runtime_error = None;
            self.running += 1;
            self.begin(id);
        }
    }

    /// Stops an active deployment, at once or after the time the quirk says.
    pub(super) fn stop_run(&mut self, id: &str) {
        let delay = i64::from(self.quirks.stop_ms);
        if delay == 0 {
            self.end(id, DeploymentPhase::Stopped);
        } else {
            self.deployments.get_mut(id).expect("the caller found it").is_stopping = true;
            self.schedule(self.clock + delay, Happening::Stop { id: id.to_owned() });
        }
    }

    /// Forgets a deployment, whatever it does.
    pub(super) fn forget_run(&mut self, id: &str) {
        let Some(gone) = self.deployments.remove(id) else { return };
        if let Some(task) = self.tasks.get_mut(&gone.task_id) {
            task.runs.retain(|run| run != id);
        }
        if gone.status == DeploymentPhase::Running {
            self.running -= 1;
        }
        self.start_waiting();
    }

    fn leave_queue(&mut self, id: String) {
        if self.deployments.get(&id).is_none_or(|found| found.status != DeploymentPhase::InQueue) {
            return;
        }
        if self.has_place(&id) {
            self.running += 1;
            self.begin(&id);
        } else {
            self.waiting.push_back(id);
        }
    }

    /// Tells whether a queued deployment may run: a free node, and its turn in its task.
    fn has_place(&self, id: &str) -> bool {
        let limit = self.quirks.concurrent_runs;
        if limit != 0 && self.running >= limit {
            return false;
        }
        if self.quirks.create_while_active != CreateWhileActive::Queue {
            return true;
        }
        let Some(task) = self.deployments.get(id).and_then(|run| self.tasks.get(&run.task_id))
        else {
            return true;
        };
        let before = task.runs.iter().take_while(|run| *run != id);
        !before.filter_map(|run| self.deployments.get(run)).any(|run| run.status.is_active())
    }

    fn start_waiting(&mut self) {
        for id in std::mem::take(&mut self.waiting) {
            self.leave_queue(id);
        }
    }

    /// Lets the agent begin with the deployment's current prompt.
    fn begin(&mut self, id: &str) {
        let now = self.clock;
        let rule = self.ending(id);
        let deployment = self.deployments.get_mut(id).expect("the caller found it");
        deployment.status = DeploymentPhase::Running;
        deployment.started.get_or_insert(now);
        deployment.ended = None;
        let usual = script::tokens(&deployment.current).0;
        deployment.input_tokens += rule.tokens.map_or(usual, |tokens| tokens.input);
        let opening = script::opening(&deployment.current);
        deployment.messages.push(StoredMessage::from_agent(now, opening));
        let turn = deployment.turn;
        if rule.outcome != RunOutcome::Hangs {
            let at = now + rule.takes_ms.unwrap_or_else(|| i64::from(self.quirks.run_ms));
            self.schedule(at, Happening::Finish { id: id.to_owned(), turn });
        }
    }

    /// Returns the rule of the current prompt, or what happens without one.
    fn ending(&self, id: &str) -> RunRule {
        let prompt = &self.deployments[id].current;
        let rule = self.rules.iter().find(|rule| prompt.contains(&rule.prompt_contains));
        let outcome = self.quirks.run_outcome;
        rule.cloned().unwrap_or_else(|| RunRule { outcome, ..RunRule::default() })
    }

    fn finish(&mut self, id: &str, turn: u32) {
        let is_current =
            |run: &Deployment| run.status == DeploymentPhase::Running && run.turn == turn;
        if !self.deployments.get(id).is_some_and(is_current) {
            return;
        }
        let rule = self.ending(id);
        let (outcome, says) = (rule.outcome, rule.says.clone());
        let now = self.clock;
        let status = match outcome {
            // A deployment whose tools failed is completed all the same (contract 8).
            RunOutcome::Completed | RunOutcome::ToolFailure | RunOutcome::Hangs => {
                DeploymentPhase::Completed
            }
            RunOutcome::Failed => DeploymentPhase::Failed,
            RunOutcome::Stopped => DeploymentPhase::Stopped,
        };
        let deployment = self.deployments.get_mut(id).expect("it was just found");
        if status == DeploymentPhase::Completed {
            let turns = if rule.turns.is_empty() {
                vec![script::work(&deployment.current, turn, outcome, says.as_deref())]
            } else {
                script::scripted(&rule)
            };
            let turns = turns.into_iter().map(|parts| StoredMessage::from_agent(now, parts));
            let is_opening = |message: &StoredMessage| message.role == "assistant";
            // The answer grows in place; prompts that came in meanwhile stand behind it.
            match deployment.messages.iter().rposition(is_opening) {
                Some(at) => drop(deployment.messages.splice(at..=at, turns)),
                None => deployment.messages.extend(turns),
            }
            let usual = script::tokens(&deployment.current).1;
            deployment.output_tokens += rule.tokens.map_or(usual, |tokens| tokens.output);
        } else if status == DeploymentPhase::Failed {
            let text = says.unwrap_or_else(|| "The agent ended with a runtime error.".to_owned());
            deployment.runtime_error = Some(text);
        }
        let next = if status == DeploymentPhase::Completed {
            deployment.pending.pop_front()
        } else {
            None
        };
        if let Some(prompt) = next {
            if self.quirks.queued_prompt == Display::Hidden {
                deployment.messages.push(StoredMessage::from_user(now, &prompt));
            }
            deployment.turn += 1;
            deployment.current = prompt;
            self.begin(id);
        } else {
            self.end(id, status);
        }
    }

    /// Ends an active deployment.
    pub(super) fn end(&mut self, id: &str, status: DeploymentPhase) {
        let now = self.clock;
        let Some(deployment) = self.deployments.get_mut(id) else { return };
        if !deployment.status.is_active() {
            return;
        }
        let was_running = deployment.status == DeploymentPhase::Running;
        deployment.status = status;
        deployment.ended = Some(now);
        deployment.pending.clear();
        deployment.is_stopping = false;
        if was_running {
            self.running -= 1;
        }
        self.start_waiting();
    }
}
