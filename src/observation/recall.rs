//! Answers reads from kept facts, where a plan depends on nothing that could have changed.
//!
//! Nothing is sent on the strength of a kept fact: where a plan has a step about a task, whatever was
//! recalled of that task is dropped and read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::DesiredState;
use crate::model::{DeploymentId, TaskId, sha256_hex};
use crate::observation::facts::Facts;
use crate::observed::{ObservedState, ReadRequest, ReadResult};
use crate::plan::{Next, PlanContext, PlanInputs, tasks_of_steps};

/// Kept facts while a service is observed.
#[derive(Debug)]
pub struct Recall {
    facts: Facts,
    is_on: bool,
    /// The tasks whose deployments were recalled.
    recalled: BTreeSet<TaskId>,
    /// Those that are read, whatever is kept of them.
    barred: BTreeSet<TaskId>,
}

impl Recall {
    /// Recalls `facts`; where not `is_on`, everything is read, and facts are only gathered.
    pub fn new(facts: Facts, is_on: bool) -> Self {
        Self { facts, is_on, recalled: BTreeSet::new(), barred: BTreeSet::new() }
    }

    /// Adds kept facts to the state until `look` makes a plan or asks for what is not kept.
    pub fn next(
        &mut self,
        state: &mut ObservedState,
        context: &PlanContext,
        look: impl Fn(&PlanInputs<'_>) -> Next,
    ) -> Next {
        loop {
            match look(&context.with(state)) {
                Next::ReadRequest(reads) => {
                    let reads = self.answer(state, reads, &context.desired_state);
                    if !reads.is_empty() {
                        return Next::ReadRequest(reads);
                    }
                }
                Next::Plan(plan) => {
                    let is_new = !self.recalled.is_empty() && {
                        let touched = tasks_of_steps(&context.with(state), &plan);
                        self.drop_all_of(state, &touched)
                    };
                    if !is_new {
                        return Next::Plan(plan);
                    }
                }
            }
        }
    }

    /// Returns what is to be kept once `state` is observed, where that is anything new.
    pub fn gathered(&self, state: &ObservedState) -> Option<String> {
        let facts = self.facts.after(state, |task| self.recalled.contains(&task));
        facts.differ_from(&self.facts).then(|| facts.to_json())
    }

    /// Answers what can be answered, and returns the other reads.
    fn answer(
        &mut self,
        state: &mut ObservedState,
        reads: BTreeSet<ReadRequest>,
        desired_state: &DesiredState,
    ) -> BTreeSet<ReadRequest> {
        let is_about_runs = |read: &ReadRequest| {
            matches!(read, ReadRequest::Deployments(_) | ReadRequest::Conversation(_))
        };
        if !self.is_on || !reads.iter().any(is_about_runs) {
            return reads;
        }
        for task in &state.tasks.items {
            let is_asked = reads.contains(&ReadRequest::Deployments(task.id));
            if is_asked
                && !self.barred.contains(&task.id)
                && let Some(listing) = self.facts.of(task).and_then(|facts| facts.deployments(task))
            {
                state.deployments.insert(task.id, listing);
                self.recalled.insert(task.id);
            }
        }
        if reads.iter().any(|read| matches!(read, ReadRequest::Conversation(_))) {
            self.recall_conversations(state, &reads, desired_state);
        }
        let is_answered = |read: &ReadRequest| match read {
            ReadRequest::Deployments(id) => state.deployments.contains_key(id),
            ReadRequest::Conversation(id) => state.conversations.contains_key(id),
            ReadRequest::Agent(_) | ReadRequest::Task(_) => false,
        };
        reads.into_iter().filter(|read| !is_answered(read)).collect()
    }

    /// Adds the conversations that are asked for, of tasks whose deployments were recalled.
    fn recall_conversations(
        &self,
        state: &mut ObservedState,
        reads: &BTreeSet<ReadRequest>,
        desired_state: &DesiredState,
    ) {
        let is_asked = |run: &DeploymentId| reads.contains(&ReadRequest::Conversation(run.clone()));
        let recalled = state.tasks.items.iter().filter(|task| self.recalled.contains(&task.id));
        let recalled: Vec<_> =
            recalled.filter_map(|task| Some((task, self.facts.of(task)?))).collect();
        // What users may have said: the prompt of their task, and all declared follow-ups.
        let deployments = desired_state.tasks.values().flat_map(|task| task.deployments.values());
        let declared = deployments.flat_map(|declared| &declared.follow_ups);
        let texts = declared.chain(recalled.iter().filter_map(|(task, _)| task.prompt()));
        let texts: BTreeMap<String, Arc<str>> =
            texts.map(|text| (sha256_hex(text.as_bytes()), Arc::clone(text))).collect();
        for (id, said) in recalled.iter().flat_map(|(_, facts)| facts.conversations()) {
            if is_asked(&id) {
                state.conversations.insert(id, ReadResult::Seen(said.transcript(&texts)));
            }
        }
    }

    /// Takes what was recalled of these tasks out of the state; returns whether there was anything.
    fn drop_all_of(&mut self, state: &mut ObservedState, tasks: &BTreeSet<TaskId>) -> bool {
        let dropped: Vec<TaskId> = self.recalled.intersection(tasks).copied().collect();
        for task in &dropped {
            self.recalled.remove(task);
            self.barred.insert(*task);
            for run in state.deployments.remove(task).into_iter().flat_map(|runs| runs.items) {
                state.conversations.remove(&run.id);
            }
        }
        !dropped.is_empty()
    }
}
