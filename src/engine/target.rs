//! What to plan for: a key, or an address as plans print it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::engine::EngineError;
use crate::manifest::{DesiredTask, nearest_few};
use crate::model::Key;
use crate::plan::{Options, PlanContext};

/// The prefix of a task's address.
const KIND: &str = "task.";

/// The prefix of an agent's address.
const AGENT_KIND: &str = "agent.";

/// What is planned for: a task, or one deployment of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTarget {
    /// As it was typed, without the deployment.
    task: Key,
    deployment: Option<Key>,
}

impl FromStr for PlanTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (task, deployment) = match text.split_once('/') {
            Some((task, deployment)) => (task, Some(deployment)),
            None => (text, None),
        };
        let key = |text: &str| {
            text.parse::<Key>()
                .map_err(|_| "write a key, or an address such as `task.spy`".to_owned())
        };
        Ok(Self { task: key(task)?, deployment: deployment.map(key).transpose()? })
    }
}

impl fmt::Display for PlanTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deployment {
            Some(deployment) => write!(f, "{}/{deployment}", self.task),
            None => write!(f, "{}", self.task),
        }
    }
}

impl PlanTarget {
    /// The task that is meant, of those that are known: by its key, or by its address.
    pub fn task(&self, is_known: impl Fn(&Key) -> bool) -> Option<Key> {
        let bare = self.task.as_str().strip_prefix(KIND).and_then(|key| key.parse().ok());
        [Some(self.task.clone()), bare].into_iter().flatten().find(is_known)
    }

    /// The deployment of that task that is meant, if only one is.
    pub fn deployment(&self) -> Option<&Key> {
        self.deployment.as_ref()
    }
}

/// An address without the word for its kind, whichever somebody took for it.
pub fn without_kind(address: &str) -> &str {
    let kinds = ["task", "tasks", "deployment", "deployments"];
    match address.split_once('.') {
        Some((kind, key)) if kinds.iter().any(|known| known.eq_ignore_ascii_case(kind)) => key,
        _ => address,
    }
}

/// Puts the targets into the options of a plan; one that names nothing is an error.
pub(super) fn resolve(
    targets: &[PlanTarget],
    context: &mut PlanContext,
) -> Result<(), EngineError> {
    let (mut keys, mut whole) = (BTreeSet::new(), BTreeSet::new());
    let mut deployments: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
    let mut agents = BTreeSet::new();
    for target in targets {
        if let Some(key) = agent_of(target, context) {
            agents.insert(key);
            continue;
        }
        let key = task_of(target, context).ok_or_else(|| unknown(target, context))?;
        keys.insert(key.clone());
        match &target.deployment {
            None => {
                whole.insert(key);
            }
            Some(deployment) => {
                let declared = context.desired_state.tasks.get(&key);
                if !declared.is_some_and(|task| task.deployments.contains_key(deployment)) {
                    return Err(unknown(target, context));
                }
                deployments.entry(key).or_default().insert(deployment.clone());
            }
        }
    }
    deployments.retain(|key, _| !whole.contains(key));
    let Options { targets, target_agents, target_deployments, .. } = &mut context.options;
    (*targets, *target_agents, *target_deployments) = (keys, agents, deployments);
    Ok(())
}

/// The key that is meant: one that is declared, or that was once and may have a task to remove.
fn task_of(target: &PlanTarget, context: &PlanContext) -> Option<Key> {
    target.task(|key| {
        context.desired_state.tasks.contains_key(key) || context.evidence.keys.contains_key(key)
    })
}

/// The key of the agent that is meant: by its address, or by a key that no task has.
fn agent_of(target: &PlanTarget, context: &PlanContext) -> Option<Key> {
    let is_known = |key: &Key| {
        context.desired_state.agents.contains_key(key) || context.evidence.agents.contains_key(key)
    };
    let bare = target.task.as_str().strip_prefix(AGENT_KIND).and_then(|key| key.parse().ok());
    let named = bare.filter(is_known);
    let by_key = || Some(target.task.clone()).filter(is_known);
    let is_task = task_of(target, context).is_some();
    named.or_else(by_key).filter(|_| !is_task && target.deployment.is_none())
}

fn unknown(target: &PlanTarget, context: &PlanContext) -> EngineError {
    let tasks = &context.desired_state.tasks;
    let of_task = |(key, task): (&Key, &DesiredTask)| {
        let deployments = task.deployments.keys().map(move |name| format!("{key}/{name}"));
        std::iter::once(key.to_string()).chain(deployments).collect::<Vec<_>>()
    };
    let agents = context.desired_state.agents.keys().map(|key| format!("{AGENT_KIND}{key}"));
    let known: Vec<String> = tasks.iter().flat_map(of_task).chain(agents).collect();
    let written = target.to_string();
    let word = without_kind(&written);
    let is_meant = |known: &&String| target.deployment.is_some() == known.contains('/');
    let near = nearest_few(word, known.iter().filter(is_meant).map(String::as_str), 1).pop();
    EngineError::UnknownTarget { target: written, near: near.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_a_kind_is_left_out_whatever_it_is() {
        for address in ["spy/a", "task.spy/a", "Task.spy/a", "deployment.spy/a", "TASKS.spy/a"] {
            assert_eq!(without_kind(address), "spy/a");
        }
        assert_eq!(without_kind("x.spy"), "x.spy");
    }

    #[test]
    fn a_target_is_a_key_or_an_address() {
        for text in ["spy", "task.spy", "spy/first", "task.spy/first"] {
            assert_eq!(text.parse::<PlanTarget>().unwrap().to_string(), text);
        }
        for text in ["", "/", "spy/", "/first", "a b", "spy/first/more"] {
            assert!(text.parse::<PlanTarget>().unwrap_err().contains("`task.spy`"), "{text}");
        }
    }
}
