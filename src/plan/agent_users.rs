//! Who uses an agent: tasks, and agents that may call it or are followed by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::AGENT_ID;
use crate::model::{AgentId, Key, TaskId};
use crate::observed::ObservedTask;
use crate::plan::agent_guards::touched;
use crate::plan::agents::KnownAgents;
use crate::plan::matcher::{Matches, is_archived};
use crate::plan::{AgentUser, Change, PlanInputs, Step};
use crate::resource::{Address, Object, Reference, Value};

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Referred {
    /// An agent of the service.
    Id(AgentId),
    /// An agent of the manifest that the service does not have yet.
    Key(Key),
}

/// The agents that a task or an agent refers to.
pub(super) fn references(object: &Object) -> BTreeSet<Referred> {
    let by_key = |address: &Address| address.key.parse().ok().map(Referred::Key);
    let mut found = BTreeSet::new();
    for (field, value) in object.fields() {
        match value {
            Value::Integer(id) if field.name == AGENT_ID => {
                found.insert(Referred::Id(AgentId(*id)));
            }
            Value::Ref(address) => found.extend(by_key(address)),
            Value::References(members) => {
                found.extend(members.iter().filter_map(|(member, _)| match member {
                    Reference::Id(id) => Some(Referred::Id(AgentId(*id))),
                    Reference::Ref(address) => by_key(address),
                }));
            }
            _ => {}
        }
    }
    found
}

/// The users of every agent.
pub(super) struct AgentUsers {
    /// Those that the service shows.
    observed: BTreeMap<Referred, Vec<AgentUser>>,
    /// Those that are declared.
    desired: BTreeMap<Referred, Vec<AgentUser>>,
    /// The task of each declared key.
    pub(super) task_ids: BTreeMap<Key, TaskId>,
    pub(super) archived: BTreeSet<TaskId>,
}

impl AgentUsers {
    /// Finds out who uses which agent.
    pub(super) fn new(
        inputs: &PlanInputs<'_>,
        tasks: &BTreeMap<TaskId, &ObservedTask>,
        found: &Matches<'_>,
        agents: &KnownAgents<'_>,
    ) -> Self {
        let ids = found.by_key.iter().map(|(key, matched)| ((*key).clone(), matched.task.id));
        let archived = tasks.values().filter(|task| is_archived(task)).map(|task| task.id);
        let mut users = Self {
            observed: BTreeMap::new(),
            desired: BTreeMap::new(),
            task_ids: ids.collect(),
            archived: archived.collect(),
        };
        let keys: BTreeMap<TaskId, &Key> =
            found.by_key.iter().map(|(key, matched)| (matched.task.id, *key)).collect();
        for (id, task) in tasks {
            let user = keys.get(id).map(|key| AgentUser::Task((*key).clone()));
            add(&mut users.observed, &task.object, &user.unwrap_or(AgentUser::Unmanaged(*id)));
        }
        let keys = agents.keys();
        for (id, object) in &agents.observed {
            let user = keys.get(id).map(|key| AgentUser::Agent((*key).clone()));
            add(&mut users.observed, object, &user.unwrap_or(AgentUser::UnmanagedAgent(*id)));
        }
        for (key, desired) in &inputs.desired_state.tasks {
            add(&mut users.desired, &desired.object, &AgentUser::Task(key.clone()));
        }
        for (key, desired) in &inputs.desired_state.agents {
            add(&mut users.desired, &desired.object, &AgentUser::Agent(key.clone()));
        }
        users
    }

    /// Who uses an agent on the service.
    pub(super) fn observed(&self, id: AgentId) -> BTreeSet<&AgentUser> {
        self.observed.get(&Referred::Id(id)).into_iter().flatten().collect()
    }

    /// Who is declared to use an agent that exists.
    pub(super) fn desired(&self, id: AgentId) -> BTreeSet<&AgentUser> {
        self.desired.get(&Referred::Id(id)).into_iter().flatten().collect()
    }

    /// Who uses the agents that steps are about, by their keys.
    pub(super) fn of_steps(
        &self,
        steps: &[Step],
        agents: &KnownAgents<'_>,
    ) -> BTreeMap<Key, BTreeSet<AgentUser>> {
        let mut users = BTreeMap::<Key, BTreeSet<AgentUser>>::new();
        for step in steps.iter().filter(|step| matches!(step.change, Change::Agent(_))) {
            let id = touched(step).or_else(|| agents.matches.by_key.get(&step.key).copied());
            users.entry(step.key.clone()).or_default().extend(self.shown(&step.key, id));
        }
        users.retain(|_, users| !users.is_empty());
        users
    }

    /// Who notices a change of the agent of a key: not itself, and no archived task.
    fn shown(&self, key: &Key, id: Option<AgentId>) -> BTreeSet<AgentUser> {
        let by_key = self.desired.get(&Referred::Key(key.clone())).into_iter().flatten();
        let by_id =
            id.into_iter().flat_map(|id| self.observed(id).into_iter().chain(self.desired(id)));
        let is_shown = |user: &&AgentUser| match user {
            AgentUser::Agent(user) => user != key,
            AgentUser::Unmanaged(task) => !self.archived.contains(task),
            AgentUser::UnmanagedAgent(user) => Some(*user) != id,
            AgentUser::Task(_) => true,
        };
        by_key.chain(by_id).filter(is_shown).cloned().collect()
    }
}

fn add(users: &mut BTreeMap<Referred, Vec<AgentUser>>, object: &Object, user: &AgentUser) {
    for referred in references(object) {
        users.entry(referred).or_default().push(user.clone());
    }
}
