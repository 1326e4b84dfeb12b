//! Made-up agents, declared, remembered and listed, and the judge of what a plan does with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::collection::{btree_map, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use qcops::diag::Place;
use qcops::evidence::AgentEvidence;
use qcops::kinds::AGENT_ID;
use qcops::manifest::{AgentConfig, DesiredAgent};
use qcops::model::{AgentId, Key, fold, is_rewriting_of};
use qcops::observed::{ListedAgents, ObservedAgent, ObservedState, ReadResult};
use qcops::plan::{
    self, AgentChange, AgentRef, Change, Plan, PlanContext, Prune, Remove, Step, StepStatus,
};
use qcops::resource::{Address, Object, Reference, Value};

use crate::support::scene::key;
use crate::support::world::shown;

const KEYS: [&str; 4] = ["a", "r", "s", "t"];
const NAMES: [&str; 5] = ["One", "one!", "Two", "An agent of many words", "An agent of many wor"];
const IDS: [u64; 4] = [46, 47, 48, 49];

/// What is known of agents beside everything else.
#[derive(Clone, Debug)]
pub(super) struct Agents {
    desired: BTreeMap<Key, (Object, Option<AgentId>, bool)>,
    evidence: BTreeMap<Key, AgentEvidence>,
    listed: ListedAgents,
    reads: BTreeMap<AgentId, u8>,
}

fn ids() -> impl Strategy<Value = AgentId> {
    select(&IDS[..]).prop_map(AgentId)
}

fn keys() -> impl Strategy<Value = Key> {
    select(&KEYS[..]).prop_map(key)
}

fn objects() -> impl Strategy<Value = Object> {
    let text = || weighted(0.6, select(&["", "p", "q"][..]));
    (select(&NAMES[..]), text(), text()).prop_map(|(name, prompt, model)| {
        let object = Object::agent(name);
        let fields = [("systemPrompt", prompt), ("model", model)];
        fields.into_iter().fold(object, |object, (field, text)| match text {
            Some(text) => object.with(field, Value::Text(text.into())),
            None => object,
        })
    })
}

fn calling(object: &Object, called: impl IntoIterator<Item = Reference>) -> Object {
    let members = called.into_iter().map(|member| (member, Some(1)));
    object.with("subAgents", Value::references(members))
}

pub(super) fn agents() -> impl Strategy<Value = Agents> {
    let by_key = |keys: BTreeSet<Key>| {
        keys.into_iter()
            .map(|key| Reference::Ref(Address { kind: "agent", key: key.as_str().into() }))
    };
    let called = weighted(0.4, vec(keys(), 0..3));
    let desired = (objects(), called, weighted(0.2, ids()), weighted(0.1, Just(())));
    let desired = desired.prop_map(move |(object, called, pin, protect)| {
        let object = match called {
            Some(called) => calling(&object, by_key(called.into_iter().collect())),
            None => object,
        };
        (object, pin, protect.is_some())
    });
    let known = (vec(objects(), 0..3), any::<bool>(), vec(ids(), 0..2), weighted(0.1, Just(())));
    let known = known.prop_map(|(versions, is_established, created, protect)| AgentEvidence {
        is_established: is_established && !versions.is_empty(),
        versions,
        created,
        protect: protect.is_some(),
        ..AgentEvidence::default()
    });
    let listed = (objects(), weighted(0.3, ids())).prop_map(|(object, called)| match called {
        Some(id) => calling(&object, [Reference::Id(id.0)]),
        None => object,
    });
    let listed = btree_map(ids(), listed, 0..5);
    let reads = btree_map(ids(), 0..4_u8, 0..2);
    (btree_map(keys(), desired, 0..4), btree_map(keys(), known, 0..4), listed, reads)
        .prop_map(|(desired, evidence, listed, reads)| Agents { desired, evidence, listed, reads })
}

fn configured(object: Object, pin: Option<AgentId>, protect: bool) -> AgentConfig {
    let place = Place { file: Path::new("tasks.yaml").into(), span: 0..0 };
    AgentConfig {
        scope: None,
        object,
        files: Vec::new(),
        references: Vec::new(),
        pin,
        protect,
        place,
    }
}

impl Agents {
    /// Adds the agents to a scene: references to agents that exist are ids, as `resolve` makes them.
    pub(super) fn add_to(self, context: &mut PlanContext, state: &mut ObservedState) {
        let Self { desired, evidence, listed, reads } = self;
        let mut names = BTreeSet::new();
        let mut config = BTreeMap::new();
        for (key, (object, pin, protect)) in desired {
            if names.insert(fold(object.name().unwrap())) || pin.is_some() {
                config.insert(key, configured(object, pin, protect));
            }
        }
        let bound = plan::bind_agents(&config, &listed, &evidence);
        let resolved = |object: &Object| match object.get("subAgents") {
            Value::References(members) => {
                let member = |member: &Reference| match member {
                    Reference::Ref(address) => match bound.get(&key(&address.key)) {
                        Some(Some(id)) => Some(Reference::Id(id.0)),
                        Some(None) => Some(member.clone()),
                        None => None,
                    },
                    Reference::Id(_) => Some(member.clone()),
                };
                calling(object, members.iter().filter_map(|(one, _)| member(one)))
            }
            _ => object.clone(),
        };
        context.desired_state.agents = config
            .iter()
            .map(|(key, agent)| {
                let AgentConfig { pin, protect, .. } = *agent;
                let object = resolved(&agent.object);
                (key.clone(), DesiredAgent { object, pin, protect, place: agent.place.clone() })
            })
            .collect();
        let unbound = bound.iter().find(|(_, id)| id.is_none()).map(|(key, _)| key.as_str().into());
        if let (Some(key), Some(task)) = (unbound, context.desired_state.tasks.values_mut().next())
        {
            let agent = Value::Ref(Box::new(Address { kind: "agent", key }));
            task.object = task.object.with(AGENT_ID, agent).whole().unwrap();
        }
        for (id, how) in reads {
            let reading = match (how, listed.get(&id)) {
                (0 | 1, Some(object)) => {
                    ReadResult::Seen(ObservedAgent { id, object: object.clone() })
                }
                (2, _) => ReadResult::Refused("no".to_owned()),
                (3, _) => ReadResult::Unreadable("status 500".to_owned()),
                (_, None) => ReadResult::Seen(ObservedAgent { id, object: Object::agent("One") }),
                (_, Some(_)) => continue,
            };
            state.agent_reads.insert(id, reading);
        }
        (context.agents, context.evidence.agents) = (listed, evidence);
    }
}

/// Judges what a plan does with agents.
pub(super) fn judge(context: &PlanContext, state: &ObservedState, plan: &Plan) {
    let judge = Judge { context, state, plan };
    let mut key_of = BTreeMap::new();
    for step in &plan.steps {
        let Change::Agent(change) = &step.change else { continue };
        let id = match change {
            AgentChange::Update { agent: AgentRef::Existing(id), .. }
            | AgentChange::Delete { id, .. } => *id,
            _ => continue,
        };
        let key = *key_of.entry(id).or_insert(&step.key);
        judge.expect(*key == step.key, "one agent has two keys", step);
    }
    for step in plan.steps.iter().filter(|step| step.status == StepStatus::Ready) {
        let Change::Agent(change) = &step.change else { continue };
        match change {
            AgentChange::Create { object } => judge.create(step, object),
            AgentChange::Update { agent, edits } => {
                let desired = &context.desired_state.agents[&step.key].object;
                judge.expect(!edits.is_empty(), "nothing is changed", step);
                for edit in edits {
                    let is_declared =
                        edit.after.is_known() && *desired.get(edit.field) == edit.after;
                    judge.expect(is_declared, "a field changes that is not declared so", step);
                    judge.expect(
                        edit.before.is_known() && edit.before != edit.after,
                        "a field changes without need",
                        step,
                    );
                }
                if let AgentRef::Existing(id) = agent {
                    judge.expect(
                        judge.is_proven(&step.key, *id),
                        "an agent changes without proof",
                        step,
                    );
                }
            }
            AgentChange::Delete { id, before } => judge.delete(step, *id, before),
            AgentChange::Undecided { .. } => panic!("what cannot be done is open\n{}", shown(plan)),
        }
    }
}

struct Judge<'a> {
    context: &'a PlanContext,
    state: &'a ObservedState,
    plan: &'a Plan,
}

impl Judge<'_> {
    fn expect(&self, holds: bool, law: &str, step: &Step) {
        assert!(
            holds,
            "{law}: {}\n{}\n{:#?}\n{:#?}",
            step.key,
            shown(self.plan),
            self.context,
            self.state
        );
    }

    /// Whether what the list and the reads show contradicts itself, or a read failed.
    fn is_partial(&self) -> bool {
        self.state.agent_reads.iter().any(|(id, reading)| {
            let is_listed = self.context.agents.contains_key(id);
            match reading {
                ReadResult::Seen(_) => !is_listed,
                ReadResult::Refused(_) => is_listed,
                ReadResult::Unreadable(_) => true,
            }
        })
    }

    fn is_proven(&self, key: &Key, id: AgentId) -> bool {
        let pin = self.context.desired_state.agents.get(key).and_then(|agent| agent.pin);
        let observed = &self.context.agents[&id];
        let known = self.context.evidence.agents.get(key);
        pin == Some(id)
            || known.is_some_and(|known| {
                known.created.contains(&id)
                    || (known.is_established
                        && known.versions.iter().any(|version| declares(version, observed)))
            })
    }

    fn create(&self, step: &Step, object: &Object) {
        self.expect(!self.is_partial(), "an agent is made on a partial list", step);
        let config = self.context.desired_state.agents.iter().map(|(key, agent)| {
            (key.clone(), configured(agent.object.clone(), agent.pin, agent.protect))
        });
        let config: BTreeMap<Key, AgentConfig> = config.collect();
        let bound = plan::bind_agents(&config, &self.context.agents, &self.context.evidence.agents);
        let in_doubt = |id: AgentId| {
            self.plan.steps.iter().any(|step| match &step.change {
                Change::Agent(AgentChange::Undecided { candidates, .. }) => {
                    candidates.iter().any(|candidate| candidate.id == id)
                }
                _ => false,
            })
        };
        let is_pinned = |id: AgentId| config.values().any(|agent| agent.pin == Some(id));
        for (id, observed) in &self.context.agents {
            let is_free = !bound.values().any(|bound| *bound == Some(*id));
            let is_alike = |field: &str| match (object.text(field), observed.text(field)) {
                (Some(wanted), Some(shown)) => !wanted.is_empty() && wanted == shown,
                _ => false,
            };
            let is_named = fold(object.name().unwrap()) == fold(observed.name().unwrap());
            let is_twin = is_free && !in_doubt(*id) && !is_pinned(*id);
            let is_target = self.context.options.targets.is_empty();
            self.expect(
                !(is_target && is_twin && (is_named || is_alike("systemPrompt"))),
                "an agent is made beside one that may be it",
                step,
            );
        }
    }

    fn delete(&self, step: &Step, id: AgentId, before: &Object) {
        let PlanContext { desired_state, evidence, options, .. } = self.context;
        self.expect(!self.is_partial(), "an agent goes on a partial list", step);
        self.expect(options.prune == Prune::On, "an agent goes unasked", step);
        let is_declared = desired_state.agents.contains_key(&step.key);
        self.expect(
            !is_declared && !desired_state.forgotten.contains(&step.key),
            "a declared agent goes",
            step,
        );
        let known = &evidence.agents[&step.key];
        self.expect(
            !known.protect && self.is_proven(&step.key, id),
            "an agent goes without right",
            step,
        );
        let is_kept = known.versions.iter().any(|version| {
            let mut fields =
                version.fields().filter(|(field, value)| field.name != "name" && value.is_known());
            fields.all(|(field, value)| before.get(field.name) == value)
        });
        self.expect(is_kept, "an agent goes that history does not hold", step);
        let is_gone = |task| {
            self.plan.ready_steps().any(|step| match &step.change {
                Change::Remove { removal, .. } => {
                    removal.id == task && removal.how == Remove::Delete
                }
                Change::Replace { old, .. } => {
                    old.iter().any(|old| old.id == task && old.how == Remove::Delete)
                }
                _ => false,
            })
        };
        let mut tasks = self.state.tasks.items.iter();
        let is_used = tasks.any(|task| task.object.agent_id() == Some(id) && !is_gone(task.id));
        let is_wanted = desired_state.tasks.values().any(|task| task.object.agent_id() == Some(id));
        self.expect(!is_used && !is_wanted, "an agent goes that a task uses", step);
        let calls = |object: &Object| match object.get("subAgents") {
            Value::References(members) => {
                members.iter().any(|(member, _)| *member == Reference::Id(id.0))
            }
            _ => false,
        };
        let changes = |user: AgentId| {
            self.plan.ready_steps().any(|step| match &step.change {
                Change::Agent(AgentChange::Delete { id, .. }) => *id == user,
                Change::Agent(AgentChange::Update { agent, edits }) => {
                    let is_calls = |edit: &&qcops::resource::Edit| edit.field == "subAgents";
                    *agent == AgentRef::Existing(user) && edits.iter().any(|edit| is_calls(&edit))
                }
                _ => false,
            })
        };
        let mut agents = self.context.agents.iter();
        let is_called =
            agents.any(|(user, object)| *user != id && calls(object) && !changes(*user));
        let is_wanted = desired_state.agents.values().any(|agent| calls(&agent.object));
        self.expect(!is_called && !is_wanted, "an agent goes that an agent calls", step);
    }
}

/// Whether a version declares this name, and at least one other field, as the agent has them.
fn declares(version: &Object, observed: &Object) -> bool {
    let (stored, declared) = (observed.name().unwrap(), version.name().unwrap());
    let others = version.fields().filter(|(field, value)| field.name != "name" && value.is_known());
    let others: Vec<_> = others.collect();
    (stored == declared || is_rewriting_of(stored, declared))
        && !others.is_empty()
        && others.iter().all(|(field, value)| observed.get(field.name) == *value)
}
