//! What to plan for: a key, or an address as plans print it. The key of a matrix stands for all of it.

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

/// Targets with commas between them; those within brackets are of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTargets(pub Vec<PlanTarget>);

impl FromStr for PlanTargets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut depth = 0_usize;
        let parts = text.split(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
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
        let named = agents_of(target, context);
        if !named.is_empty() {
            agents.extend(named);
            continue;
        }
        let mut named = tasks_of(target, context);
        if let Some(deployment) = &target.deployment {
            let declared = |key: &Key| context.desired_state.tasks.get(key);
            named.retain(|key| {
                declared(key).is_some_and(|task| task.deployments.contains_key(deployment))
            });
            for key in &named {
                deployments.entry(key.clone()).or_default().insert(deployment.clone());
            }
        } else {
            whole.extend(named.iter().cloned());
        }
        if named.is_empty() {
            return Err(unknown(target, context));
        }
        keys.extend(named);
    }
    deployments.retain(|key, _| !whole.contains(key));
    let Options { targets, target_agents, target_deployments, .. } = &mut context.options;
    (*targets, *target_agents, *target_deployments) = (keys, agents, deployments);
    Ok(())
}

/// The keys that are meant: those that are declared, or were once and may have a task to remove.
fn tasks_of(target: &PlanTarget, context: &PlanContext) -> BTreeSet<Key> {
    let bare = target.task.as_str().strip_prefix(KIND).and_then(|key| key.parse().ok());
    let known = || context.desired_state.tasks.keys().chain(context.evidence.keys.keys());
    first_named([Some(target.task.clone()), bare], known)
}

/// The keys of the agents that are meant: by their address, or by a key that no task has.
fn agents_of(target: &PlanTarget, context: &PlanContext) -> BTreeSet<Key> {
    let bare = target.task.as_str().strip_prefix(AGENT_KIND).and_then(|key| key.parse().ok());
    let known = || context.desired_state.agents.keys().chain(context.evidence.agents.keys());
    if target.deployment.is_some() || !tasks_of(target, context).is_empty() {
        return BTreeSet::new();
    }
    first_named([bare, Some(target.task.clone())], known)
}

/// The known keys of the first word that stands for any.
fn first_named<'k, K: Iterator<Item = &'k Key>>(
    words: [Option<Key>; 2],
    known: impl Fn() -> K,
) -> BTreeSet<Key> {
    let of = |word: Key| known().filter(|key| key.is_of(&word)).cloned().collect::<BTreeSet<Key>>();
    words.into_iter().flatten().map(of).find(|keys| !keys.is_empty()).unwrap_or_default()
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
        let several: PlanTargets = "m[SPY,6],spy,task.m[a b,-1]/first".parse().unwrap();
        let words: Vec<String> = several.0.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["m[SPY,6]", "spy", "task.m[a b,-1]/first"]);
        assert!("m[SPY,6,spy".parse::<PlanTargets>().is_err());
        for text in ["", "/", "spy/", "/first", "a b", "spy/first/more"] {
            assert!(text.parse::<PlanTarget>().unwrap_err().contains("`task.spy`"), "{text}");
        }
    }
}
