//! What the other manifests of the repository declare for the same organization; never removed.

use std::collections::BTreeSet;
use std::path::Path;

use crate::diag::{Gap, GapReason};
use crate::kinds::AGENT_ID;
use crate::manifest::{self, AgentNames, DesiredState, DesiredTask, Manifest, TaskConfig};
use crate::model::{
    AgentId, ContentHash, FoldedName, Key, OrganizationId, PromptHash, TaskId, fold,
};
use crate::observed::ObservedTask;
use crate::resource::{Address, Object, Reference, Value};

/// What the other manifests of the repository declare for the same organization.
#[derive(Clone, Debug, Default)]
pub struct OtherManifests {
    /// Their keys.
    pub keys: BTreeSet<Key>,
    /// The contents of their tasks.
    pub contents: BTreeSet<ContentHash>,
    /// The prompts of their tasks whose agent is not known.
    pub prompts: BTreeSet<PromptHash>,
    /// The contents of tasks of other environments of the same organization.
    pub environments: BTreeSet<ContentHash>,
    /// Their pinned ids.
    pub pins: BTreeSet<TaskId>,
    /// The keys of their agents.
    pub agent_keys: BTreeSet<Key>,
    /// The names of their agents, and of those that their tasks name.
    pub agent_names: BTreeSet<FoldedName>,
    /// The pinned ids of their agents, and of those that their tasks and agents use.
    pub agent_ids: BTreeSet<AgentId>,
    /// What of them could not be understood, so that what it declares is unknown.
    pub gaps: Vec<Gap>,
}

/// One of them, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Neighbor<'a> {
    /// Its path below the root.
    pub path: &'a Path,
    /// What could be understood of it.
    pub manifest: &'a Manifest,
    /// What is wrong with it, so that it may declare more.
    pub flaw: Option<&'a str>,
    /// Whether only the last commit declares it so, and the work tree no longer does.
    pub is_only_committed: bool,
}

impl OtherManifests {
    /// Adds a manifest, unless it is another organization's.
    ///
    /// What only the last commit declares does not count where `declared` has the same key: that is a
    /// task that moves from one manifest to the other.
    pub fn add(
        &mut self,
        neighbor: Neighbor<'_>,
        organization_id: &OrganizationId,
        agents: &AgentNames,
        declared: &DesiredState,
    ) {
        let Neighbor { path, manifest, flaw, is_only_committed } = neighbor;
        if manifest.organization_id.as_ref().is_some_and(|id| *id != organization_id.0) {
            return;
        }
        if let Some(flaw) = flaw {
            let (path, said) = (path.to_owned(), flaw.to_owned());
            self.gaps.push(Gap::other_manifests(GapReason::ManifestUnclear { path, said }));
        }
        let (resolved, _) = manifest::resolve(manifest, &names_of(manifest, agents));
        for (key, task) in &manifest.tasks {
            if is_only_committed && declared.tasks.contains_key(key) {
                continue;
            }
            self.keys.insert(key.clone());
            self.take(manifest, task, resolved.tasks.get(key));
        }
        self.take_agents(manifest, |key| !(is_only_committed && declared.agents.contains_key(key)));
        self.keys.extend(manifest.left_out.iter().map(|task| task.key.clone()));
        self.agent_keys.extend(manifest.agents_left_out.keys().cloned());
    }

    /// Adds another environment of the same organization: what it declares is its own, also where a key
    /// is declared here too.
    pub fn add_environment(&mut self, manifest: &Manifest, agents: &AgentNames) {
        let (resolved, _) = manifest::resolve(manifest, agents);
        for (key, task) in &manifest.tasks {
            let resolved = resolved.tasks.get(key);
            self.environments.extend(resolved.map(DesiredTask::content));
            self.take(manifest, task, resolved);
        }
        self.take_agents(manifest, |_| true);
    }

    fn take_agents(&mut self, manifest: &Manifest, counts: impl Fn(&Key) -> bool) {
        for (key, agent) in manifest.agents.iter().filter(|(key, _)| counts(key)) {
            self.agent_keys.insert(key.clone());
            self.agent_names.extend(agent.object.name().map(fold));
            self.agent_ids.extend(agent.pin);
            self.take_used_agents(manifest, &agent.object);
        }
    }

    /// Adds the agents that a task or an agent names, by their ids or by their names on the service.
    fn take_used_agents(&mut self, manifest: &Manifest, object: &Object) {
        for (field, value) in object.fields() {
            let named: Vec<Reference> = match value {
                Value::Integer(id) if field.name == AGENT_ID => vec![Reference::Id(*id)],
                Value::Ref(address) => vec![Reference::Ref(Address::clone(address))],
                Value::References(members) => {
                    members.iter().map(|(member, _)| member.clone()).collect()
                }
                _ => continue,
            };
            for reference in named {
                match reference {
                    Reference::Id(id) => drop(self.agent_ids.insert(AgentId(id))),
                    Reference::Ref(Address { key, .. }) if !is_own(manifest, &key) => {
                        self.agent_names.insert(fold(&key));
                    }
                    Reference::Ref(_) => {}
                }
            }
        }
    }

    fn take(&mut self, manifest: &Manifest, task: &TaskConfig, resolved: Option<&DesiredTask>) {
        self.pins.extend(task.pin);
        self.take_used_agents(manifest, &task.object);
        // The content of a task counts an agent that is not known as none of the service.
        let known = resolved.filter(|task| task.object.agent_id().is_some());
        match known.map(DesiredTask::content) {
            Some(content) => drop(self.contents.insert(content)),
            None => self.prompts.extend(task.object.prompt_hash()),
        }
    }

    /// Whether one of them declares the task, by its content or its id.
    pub fn declare(&self, task: &ObservedTask) -> bool {
        let is_declared = |content| self.contents.contains(&content);
        self.pins.contains(&task.id) || task.content().is_some_and(is_declared)
    }

    /// Whether one of them declares or uses the agent of a key, by the key, its name or its id.
    pub fn declare_agent(&self, key: &Key, id: AgentId, observed: &Object) -> bool {
        let is_named = observed.name().is_some_and(|name| self.agent_names.contains(&fold(name)));
        is_named || self.agent_keys.contains(key) || self.agent_ids.contains(&id)
    }

    /// Whether another environment declares just this content, so that it explains the task.
    pub fn is_of_environment(&self, task: &ObservedTask) -> bool {
        task.content().is_some_and(|content| self.environments.contains(&content))
    }

    /// Whether one of them may declare the task: its agent is not known.
    pub fn may_declare(&self, task: &ObservedTask) -> bool {
        let is_declared = |prompt| self.prompts.contains(&prompt);
        self.declare(task) || task.object.prompt_hash().is_some_and(is_declared)
    }
}

/// Whether a manifest declares an agent of this key itself.
fn is_own(manifest: &Manifest, key: &str) -> bool {
    manifest.agents.keys().any(|own| own.as_str() == key)
}

/// The names of agents as another manifest means them: its own keys come first.
fn names_of(manifest: &Manifest, agents: &AgentNames) -> AgentNames {
    let mut names = agents.clone();
    for (key, agent) in &manifest.agents {
        let by_name = agent.object.name().and_then(|name| agents.by_name.get(name));
        let only = by_name.filter(|ids| ids.len() == 1).and_then(|ids| ids.first().copied());
        names.by_key.insert(key.clone(), agent.pin.or(only));
    }
    names
}
