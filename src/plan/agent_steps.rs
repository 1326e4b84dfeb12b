//! The steps of declared agents: what is created, in which order, and what changes in place.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, Diagnostic};
use crate::kinds::NAME;
use crate::manifest::DesiredAgent;
use crate::model::{AgentId, Key, is_rewriting_of};
use crate::plan::agent_ambiguous::{undecided, unproven};
use crate::plan::agent_stored::{is_stored_otherwise, stored_otherwise};
use crate::plan::agent_users::{Referred, references};
use crate::plan::agents::{KnownAgents, is_drift, is_read, is_unreadable};
use crate::plan::ambiguous::listed;
use crate::plan::matcher::Proof;
use crate::plan::names::comparable;
use crate::plan::verdict::incomplete;
use crate::plan::{AgentChange, AgentRef, Change, PlanInputs, Prune, Step, StepId, StepStatus};
use crate::resource::{Edit, Object, Reference, Value};

/// The tools that place orders with money, or end positions.
const TRADING_TOOLS: [&str; 2] = ["create_live_algorithm", "liquidate_live_algorithm"];

/// What becomes of declared agents.
#[derive(Default)]
pub(super) struct AgentSteps<'a> {
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<Diagnostic>,
    pub(super) kept_count: usize,
    /// The keys of agents that differ only as the service stored them.
    pub(super) stored_otherwise: BTreeSet<Key>,
    /// The step that has to be done before anything can refer to the agent of a key.
    pub(super) makers: BTreeMap<&'a Key, StepId>,
    /// The last step of the agent of a key, before which nothing is deployed with it.
    pub(super) last: BTreeMap<&'a Key, StepId>,
}

/// Plans every declared agent that is a target.
pub(super) fn agent_steps<'a>(inputs: &PlanInputs<'a>, agents: &KnownAgents<'_>) -> AgentSteps<'a> {
    let targets = targets(inputs, agents);
    let is_target = |key: &Key| targets.as_ref().is_none_or(|targets| targets.contains(key));
    let mut planned = AgentSteps::default();
    let keeping = agents.keeping_names(inputs);
    let mut creates = BTreeMap::new();
    for (key, desired) in inputs.desired_state.agents.iter().filter(|(key, _)| is_target(key)) {
        match (agents.matches.errors.get(key), agents.matches.by_key.get(key)) {
            (Some(error), _) => {
                let (change, finding) = undecided(key, desired, error, agents);
                let reason = "no agent can be given to it".to_owned();
                let id = planned.push(key, change, reason, StepStatus::Blocked(finding));
                planned.makers.insert(key, id);
            }
            (None, Some(id)) => planned.change(inputs, (agents, &keeping), key, desired, *id),
            (None, None) => {
                creates.insert(key, desired);
            }
        }
    }
    planned.create(&creates);
    planned.wait_for_makers();
    planned
}

/// The keys to plan for: targeted agents, and those that targets use, since a deployment runs with what
/// they are; `None` for all.
fn targets(inputs: &PlanInputs<'_>, agents: &KnownAgents<'_>) -> Option<BTreeSet<Key>> {
    let options = inputs.options;
    if !options.has_targets() {
        return None;
    }
    let mut targets = options.target_agents.clone();
    let tasks = options.targets.iter().filter_map(|key| inputs.desired_state.tasks.get(key));
    let ids = agents.keys();
    let needed = |object: &Object| {
        let keys = references(object).into_iter().filter_map(|referred| match referred {
            Referred::Key(key) => Some(key),
            Referred::Id(id) => ids.get(&id).copied().cloned(),
        });
        keys.collect::<Vec<Key>>()
    };
    let mut open: Vec<Key> = tasks.flat_map(|task| needed(&task.object)).collect();
    open.extend(targets.iter().cloned());
    let mut seen = BTreeSet::new();
    while let Some(key) = open.pop() {
        if seen.insert(key.clone()) {
            let agent = inputs.desired_state.agents.get(&key);
            open.extend(agent.into_iter().flat_map(|agent| needed(&agent.object)));
            targets.insert(key);
        }
    }
    Some(targets)
}

impl<'a> AgentSteps<'a> {
    fn push(
        &mut self,
        key: &'a Key,
        change: AgentChange,
        reason: String,
        status: StepStatus,
    ) -> StepId {
        let id = StepId(self.steps.len());
        self.steps.push(Step::new(id, key, Change::Agent(change), reason, status));
        self.last.insert(key, id);
        id
    }

    /// An agent that exists: kept, or changed in place.
    fn change(
        &mut self,
        inputs: &PlanInputs<'_>,
        (agents, keeping): (&KnownAgents<'_>, &BTreeMap<String, BTreeSet<AgentId>>),
        key: &'a Key,
        desired: &DesiredAgent,
        id: AgentId,
    ) {
        let observed = &agents.observed[&id];
        self.note_hidden(inputs, key, desired, id, observed);
        let edits = observed.edits(&desired.object).into_iter();
        let edits = edits.filter(|edit| !is_accepted_name(inputs, key, edit));
        let (stored, mut edits): (Vec<Edit>, Vec<Edit>) =
            edits.partition(|edit| is_stored_otherwise(inputs, key, id, edit));
        self.notes.extend(stored.iter().map(|edit| stored_otherwise(key, id, edit)));
        let proof = agents.proof(inputs, key, id);
        let held = (proof != Proof::None).then(|| held_name(agents, keeping, key, id, &edits));
        if let Some(note) = held.flatten() {
            self.notes.push(note);
            edits.retain(|edit| edit.field != NAME);
        }
        if edits.is_empty() {
            if stored.is_empty() {
                self.kept_count += 1;
            } else {
                self.stored_otherwise.insert(key.clone());
            }
            return;
        }
        let is_renamed = observed.name() != desired.object.name();
        let status = match proof {
            Proof::None => StepStatus::Blocked(unproven(key, id, observed)),
            _ if is_unreadable(inputs.state, id) => {
                let gap = format!("agent {id} could not be read");
                StepStatus::Blocked(incomplete(&gap))
            }
            _ => StepStatus::Ready,
        };
        self.note_trade(key, edits.iter().map(|edit| (&edit.before, &edit.after)));
        let fields = edits.iter().map(|edit| edit.field);
        let drift = edits.iter().filter(|edit| {
            proof != Proof::None && is_drift(inputs, key, id, &desired.object, edit)
        });
        let drift: BTreeSet<&'static str> = drift.map(|edit| edit.field).collect();
        let reason = differing(&fields.collect::<Vec<_>>());
        let change = AgentChange::Update { agent: AgentRef::Existing(id), edits };
        let step = self.push(key, change, reason, status);
        self.steps[step.0].drift = drift;
        if proof == Proof::None && is_renamed {
            // It is not even sure which agent is meant.
            self.makers.insert(key, step);
        }
    }

    /// Creates agents, each after those that it refers to; where they refer to each other in a ring,
    /// one is created without the others and gets its references later.
    fn create(&mut self, creates: &BTreeMap<&'a Key, &'a DesiredAgent>) {
        let mut later: Vec<(&'a Key, StepId, Object, &'a Object)> = Vec::new();
        for (key, missing) in creation_order(creates) {
            let desired = &creates[key].object;
            let object = without(desired, &missing);
            self.note_trade(key, object.fields().map(|(_, value)| (&Value::Unknown, value)));
            let change = AgentChange::Create { object: object.clone() };
            let reason = "no matching agent exists".to_owned();
            let id = self.push(key, change, reason, StepStatus::Ready);
            self.makers.insert(key, id);
            if !missing.is_empty() {
                later.push((key, id, object, desired));
            }
        }
        for (key, id, object, desired) in later {
            let edits = object.edits(desired);
            let change = AgentChange::Update { agent: AgentRef::MadeBy(id), edits };
            let reason = "it refers to agents that are created after it".to_owned();
            let step = self.push(key, change, reason, StepStatus::Ready);
            self.steps[step.0].after.insert(id);
        }
    }

    /// A step that refers to an agent waits until that exists.
    fn wait_for_makers(&mut self) {
        for step in &mut self.steps {
            let Change::Agent(change) = &step.change else { continue };
            let referred: BTreeSet<Referred> = match change {
                AgentChange::Create { object } | AgentChange::Undecided { object, .. } => {
                    references(object)
                }
                AgentChange::Update { edits, .. } => edited(edits),
                AgentChange::Delete { .. } => BTreeSet::new(),
            };
            let makers = referred.iter().filter_map(|referred| match referred {
                Referred::Key(key) => self.makers.get(key),
                Referred::Id(_) => None,
            });
            let makers = makers.copied().filter(|maker| *maker != step.id);
            step.after.extend(makers);
        }
    }

    /// Lets tasks wait for the agents that they are created with, and deployments for every step of
    /// their agent and of those that it may call.
    pub(super) fn link(
        &self,
        inputs: &PlanInputs<'_>,
        agents: &KnownAgents<'_>,
        steps: &mut [Step],
    ) {
        let keys = agents.keys();
        let key_of = |referred: Referred| match referred {
            Referred::Id(id) => keys.get(&id).map(|key| (*key).clone()),
            Referred::Key(key) => Some(key),
        };
        let agent_of = |task: &Key| -> Vec<Key> {
            let desired = inputs.desired_state.tasks.get(task);
            let referred = desired.into_iter().flat_map(|task| references(&task.object));
            referred.filter_map(key_of).collect()
        };
        for step in steps {
            match &step.change {
                Change::Create { object } | Change::Replace { object, .. } => {
                    let needed = references(object).into_iter().filter_map(key_of);
                    step.after.extend(needed.filter_map(|key| self.makers.get(&key)));
                }
                Change::Deploy { .. } | Change::Prompt { .. } => {
                    let (mut open, mut seen) = (agent_of(&step.key), BTreeSet::new());
                    while let Some(key) = open.pop() {
                        if !seen.insert(key.clone()) {
                            continue;
                        }
                        step.after.extend(self.last.get(&key));
                        let agent = inputs.desired_state.agents.get(&key);
                        let called = agent.into_iter().flat_map(|agent| references(&agent.object));
                        open.extend(called.filter_map(key_of));
                    }
                }
                _ => {}
            }
        }
    }

    /// Fields that are declared, and that even a read does not show: nobody can tell whether they
    /// differ, and sending them would never end.
    fn note_hidden(
        &mut self,
        inputs: &PlanInputs<'_>,
        key: &Key,
        desired: &DesiredAgent,
        id: AgentId,
        observed: &Object,
    ) {
        if !is_read(inputs.state, id) {
            return;
        }
        let hidden = desired
            .object
            .fields()
            .filter(|(field, value)| value.is_known() && !observed.get(field.name).is_known());
        let hidden: Vec<String> = hidden.map(|(field, _)| format!("`{}`", field.name)).collect();
        if !hidden.is_empty() {
            let message = format!(
                "agent {id} of `{key}` does not show {}: what is declared there is not compared, and not sent",
                hidden.join(", ")
            );
            let finding = Diagnostic::note(Code::NotShown, message);
            self.notes
                .push(finding.help("set it in the web interface, and take it out of the manifest"));
        }
    }

    fn note_trade<'v>(&mut self, key: &Key, changes: impl Iterator<Item = (&'v Value, &'v Value)>) {
        let words = |value: &Value| match value {
            Value::Set(words) => words.iter().cloned().collect(),
            _ => BTreeSet::new(),
        };
        for (before, after) in changes {
            let (before, after) = (words(before), words(after));
            let given = TRADING_TOOLS
                .iter()
                .filter(|tool| after.contains(**tool) && !before.contains(**tool));
            let given: Vec<String> = given.map(|tool| format!("`{tool}`")).collect();
            if !given.is_empty() {
                let message = format!("`{key}` gets tools that trade: {}", given.join(", "));
                let finding = Diagnostic::note(Code::TradingTools, message);
                self.notes
                    .push(finding.help("take them out of `tools` unless the agent is to trade"));
            }
        }
    }
}

/// The agents that new values refer to.
pub(super) fn edited(edits: &[Edit]) -> BTreeSet<Referred> {
    let after = edits.iter().fold(Object::unknown(&crate::kinds::AGENT), |object, edit| {
        object.with(edit.field, edit.after.clone())
    });
    references(&after)
}

/// The new agents in the order of their creates, each with those that it refers to and that are
/// created later.
fn creation_order<'a>(
    creates: &BTreeMap<&'a Key, &'a DesiredAgent>,
) -> Vec<(&'a Key, BTreeSet<&'a Key>)> {
    let needs = |desired: &DesiredAgent| {
        let keys = references(&desired.object).into_iter().filter_map(|referred| match referred {
            Referred::Key(key) => creates.get_key_value(&key).map(|(key, _)| *key),
            Referred::Id(_) => None,
        });
        keys.collect::<BTreeSet<&'a Key>>()
    };
    let mut open: BTreeMap<&Key, BTreeSet<&Key>> =
        creates.iter().map(|(key, desired)| (*key, needs(desired))).collect();
    let mut order = Vec::new();
    while let Some(first) = open.keys().next().copied() {
        let ready = open.iter().find(|(_, needs)| needs.is_empty()).map(|(key, _)| *key);
        let next = ready.unwrap_or_else(|| first_of_ring(&open, first));
        let missing = open.remove(next).unwrap_or_default();
        for needs in open.values_mut() {
            needs.remove(next);
        }
        order.push((next, missing));
    }
    order
}

/// The first key of the ring that references lead to from `start`; each of them needs another.
fn first_of_ring<'a>(open: &BTreeMap<&'a Key, BTreeSet<&'a Key>>, start: &'a Key) -> &'a Key {
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let Some(next) = open[last].first() else { return last };
        if let Some(at) = path.iter().position(|key| key == next) {
            return path[at..].iter().min().copied().unwrap_or(next);
        }
        path.push(next);
    }
}

/// The same agent without its references to those keys.
fn without(object: &Object, missing: &BTreeSet<&Key>) -> Object {
    let is_missing = |member: &Reference| match member {
        Reference::Ref(address) => missing.iter().any(|key| key.as_str() == &*address.key),
        Reference::Id(_) => false,
    };
    object.fields().fold(object.clone(), |stripped, (field, value)| match value {
        Value::References(members) => {
            let kept = members.iter().filter(|(member, _)| !is_missing(member)).cloned();
            stripped.with(field.name, Value::references(kept))
        }
        _ => stripped,
    })
}

/// Whether a stored name is what the service made of the declared one, and was never declared itself.
fn is_accepted_name(inputs: &PlanInputs<'_>, key: &Key, edit: &Edit) -> bool {
    let (NAME, Value::Text(stored), Value::Text(declared)) =
        (edit.field, &edit.before, &edit.after)
    else {
        return false;
    };
    let known = inputs.evidence.agents.get(key);
    let mut versions = known.into_iter().flat_map(|known| &known.versions);
    is_rewriting_of(stored, declared) && !versions.any(|version| version.name() == Some(&**stored))
}

/// Says that another agent keeps the name which one is to get: it is not fought over.
fn held_name(
    agents: &KnownAgents<'_>,
    keeping: &BTreeMap<String, BTreeSet<AgentId>>,
    key: &Key,
    id: AgentId,
    edits: &[Edit],
) -> Option<Diagnostic> {
    let Edit { before, after, .. } = edits.iter().find(|edit| edit.field == NAME)?;
    let holders = keeping.get(&comparable(&after.to_string()))?;
    let holder = holders.iter().find(|holder| **holder != id)?;
    let name = agents.observed[holder].name().unwrap_or_default();
    let message =
        format!("agent {id} of `{key}` keeps the name `{before}`: agent {holder} holds `{name}`");
    Some(Diagnostic::note(Code::NameHeld, message))
}

/// Agents that bear the marks of a key and are left alone: made for it beside the one that it has, or
/// under a name of a key that is no longer declared.
pub(super) fn left_alone(inputs: &PlanInputs<'_>, agents: &KnownAgents<'_>) -> Vec<Diagnostic> {
    let name = |id: &AgentId| agents.observed[id].name().unwrap_or("?").to_owned();
    let duplicates = agents.leftovers.iter().map(|(key, id)| {
        let message = format!("agent {id} `{}` was made for `{key}` too", name(id));
        Diagnostic::note(Code::Duplicate, message)
            .help("delete it in the web interface if nothing uses it")
    });
    let by_name: BTreeMap<&str, (&Key, AgentId)> = agents
        .matches
        .by_key
        .iter()
        .filter_map(|(key, id)| Some((agents.observed.get(id)?.name()?, (*key, *id))))
        .collect();
    let others = agents.unmanaged().filter_map(|(id, object)| {
        let (key, own) = by_name.get(object.name()?)?;
        let message = format!("agent {id} has the name of agent {own}, which is that of `{key}`");
        let note = Diagnostic::note(Code::Duplicate, message);
        Some(note.help("delete it in the web interface if nothing uses it, or rename it there"))
    });
    let is_pruning = inputs.options.prune == Prune::On;
    let namesakes = agents.namesakes.iter().filter(|_| is_pruning).map(|(key, id)| {
        let message = format!(
            "agent {id} `{}` has a name of `{key}`, which is no longer declared, and not its fields: nothing proves that it is ours",
            name(id)
        );
        Diagnostic::note(Code::Unproven, message)
            .help("it is left alone; delete it in the web interface if it is to go")
    });
    duplicates.chain(others).chain(namesakes).collect()
}

/// Names the fields that differ.
fn differing(fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    format!("it differs in {}", listed(&fields))
}
