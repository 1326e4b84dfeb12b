//! The agents as they are known: the list with reads laid over it, whose they are, and what proves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{AgentEvidence, StoredValue};
use crate::model::{AgentId, Key, is_rewriting_of};
use crate::observed::{ObservedState, ReadRequest, ReadResult};
use crate::plan::agent_matcher::{AgentMatches, equals, identify_agents, is_begun, may_be};
use crate::plan::matcher::Proof;
use crate::plan::name_conflicts::staying;
use crate::plan::names::comparable;
use crate::plan::{PlanInputs, Prune};
use crate::resource::{Edit, Object};

/// The agent that the platform provides in every organization (contract 11): no manifest made it.
const PLATFORM_AGENT: AgentId = AgentId(47);

/// The agents of the organization, and what is known about them.
pub(super) struct KnownAgents<'a> {
    /// As they are known, by id.
    pub(super) observed: BTreeMap<AgentId, Object>,
    /// Why absence proves nothing, if it does not.
    pub(super) gap: Option<String>,
    pub(super) matches: AgentMatches<'a>,
    /// Ours, of a key that is no longer declared.
    pub(super) orphans: Vec<(&'a Key, AgentId)>,
    /// Made for a key that has another agent now.
    pub(super) leftovers: Vec<(&'a Key, AgentId)>,
    /// Under a name of a key that is no longer declared, and otherwise not as it was declared.
    pub(super) namesakes: Vec<(&'a Key, AgentId)>,
}

/// Finds out whose every agent is.
pub(super) fn agents<'a>(inputs: &PlanInputs<'a>) -> KnownAgents<'a> {
    let desired = inputs.desired_state.agents.iter();
    let desired = desired.map(|(key, agent)| (key, &agent.object, agent.pin));
    let matches = identify_agents(desired, inputs.agents, &inputs.evidence.agents);
    let (observed, gap) = overlaid(inputs);
    let (orphans, leftovers, namesakes) = Default::default();
    let mut agents = KnownAgents { observed, gap, matches, orphans, leftovers, namesakes };
    agents.sort_the_rest(inputs);
    agents
}

/// Lays reads over the list, field by field: what only the list shows is known too.
fn overlaid(inputs: &PlanInputs<'_>) -> (BTreeMap<AgentId, Object>, Option<String>) {
    let mut observed = inputs.agents.clone();
    let mut gap = None;
    for (id, reading) in &inputs.state.agent_reads {
        let listed = observed.get_mut(id);
        match (reading, listed) {
            (ReadResult::Seen(agent), Some(listed)) => {
                for (field, value) in agent.object.fields().filter(|(_, value)| value.is_known()) {
                    if listed.get(field.name) != value {
                        *listed = listed.with(field.name, value.clone());
                    }
                }
            }
            (ReadResult::Seen(_), None) => {
                let why = format!("the agent list leaves out agent {id}, which can be read");
                gap = gap.or(Some(why));
            }
            (ReadResult::Refused(_), None) => {}
            (ReadResult::Refused(why) | ReadResult::Unreadable(why), _) => {
                gap = gap.or_else(|| Some(format!("agent {id} could not be read: {why}")));
            }
        }
    }
    (observed, gap)
}

impl<'a> KnownAgents<'a> {
    /// What proves that an agent is the key's; a match alone does not.
    pub(super) fn proof(&self, inputs: &PlanInputs<'_>, key: &Key, id: AgentId) -> Proof {
        let desired = inputs.desired_state.agents.get(key);
        if desired.is_some_and(|desired| desired.pin == Some(id)) {
            return Proof::Pin;
        }
        let (Some(known), Some(observed)) =
            (inputs.evidence.agents.get(key), self.observed.get(&id))
        else {
            return Proof::None;
        };
        let is_as_sent = || {
            let sent = known.unanswered.iter().any(|sent| observed.name() == Some(sent.as_str()));
            sent && desired
                .map(|desired| &desired.object)
                .into_iter()
                .chain(&known.versions)
                .any(|version| equals(version, observed))
        };
        if known.created.contains(&id) || is_as_sent() {
            Proof::Ledger
        } else if known.is_established && was_declared(known, observed) {
            Proof::History
        } else {
            Proof::None
        }
    }

    /// The agents that keep their names, by name.
    pub(super) fn keeping_names(
        &self,
        inputs: &PlanInputs<'_>,
    ) -> BTreeMap<String, BTreeSet<AgentId>> {
        let names = self.observed.iter();
        let names = names.filter_map(|(id, object)| Some((*id, comparable(object.name()?))));
        let names: BTreeMap<AgentId, String> = names.collect();
        let is_pruning = inputs.options.prune == Prune::On;
        let going = self.orphans.iter().filter(|_| is_pruning).map(|(_, id)| *id).collect();
        let moving = self.matches.by_key.iter().filter_map(|(key, id)| {
            let name = comparable(inputs.desired_state.agents[*key].object.name()?);
            let is_moving = names.get(id).is_some_and(|stored| *stored != name)
                && self.proof(inputs, key, *id) != Proof::None;
            is_moving.then_some((*id, name))
        });
        staying(&names, &going, &moving.collect())
    }

    /// How many agents are provably ours.
    pub(super) fn owned_count(&self, inputs: &PlanInputs<'_>) -> usize {
        self.owned(inputs).len()
    }

    /// The agents that are provably ours, each with its key, in the order of keys and ids.
    pub(super) fn owned(&self, inputs: &PlanInputs<'_>) -> Vec<(&'a Key, AgentId)> {
        let matched = self.matches.by_key.iter().map(|(key, id)| (*key, *id));
        let proven = matched.filter(|(key, id)| self.proof(inputs, key, *id) != Proof::None);
        let rest = self.leftovers.iter().chain(&self.orphans).copied();
        let mut owned: Vec<_> = proven.chain(rest).collect();
        owned.sort();
        owned
    }

    /// Whether the organization has an agent that no key has, none had, and no declared task names.
    pub(super) fn has_unexplained(&self, inputs: &PlanInputs<'_>) -> bool {
        let tasks = inputs.desired_state.tasks.values();
        let mut explained: BTreeSet<AgentId> =
            tasks.filter_map(|task| task.object.agent_id()).collect();
        explained.insert(PLATFORM_AGENT);
        self.unmanaged().any(|(id, _)| !explained.contains(&id))
    }

    /// The agents of the organization that no key has, and none had.
    pub(super) fn unmanaged(&self) -> impl Iterator<Item = (AgentId, &Object)> {
        let rest = self.orphans.iter().chain(&self.leftovers).map(|(_, id)| id);
        let known: BTreeSet<&AgentId> = self.matches.by_key.values().chain(rest).collect();
        let others = self.observed.iter().filter(move |(id, _)| !known.contains(id));
        others.map(|(id, object)| (*id, object))
    }

    /// The key of each agent that a declared key has.
    pub(super) fn keys(&self) -> BTreeMap<AgentId, &'a Key> {
        self.matches.by_key.iter().map(|(key, id)| (*id, *key)).collect()
    }

    /// Gives every agent that no declared key has its place.
    fn sort_the_rest(&mut self, inputs: &PlanInputs<'a>) {
        let mut taken: BTreeSet<AgentId> = self.matches.by_key.values().copied().collect();
        taken.extend(inputs.desired_state.agents.values().filter_map(|agent| agent.pin));
        let desired_state = inputs.desired_state;
        for (key, known) in &inputs.evidence.agents {
            let is_declared = desired_state.agents.contains_key(key);
            for id in known.created.iter().filter(|id| self.observed.contains_key(id)) {
                let is_elsewhere = !is_declared
                    && inputs.other_manifests.declare_agent(key, *id, &self.observed[id]);
                if desired_state.forgets(key) || is_elsewhere || !taken.insert(*id) {
                    continue;
                }
                let place = if is_declared { &mut self.leftovers } else { &mut self.orphans };
                place.push((key, *id));
            }
        }
        let is_former =
            |key: &Key| !desired_state.agents.contains_key(key) && !desired_state.forgets(key);
        let former: Vec<_> = inputs
            .evidence
            .agents
            .iter()
            .filter(|(key, known)| is_former(key) && known.is_established)
            .collect();
        if former.is_empty() {
            return;
        }
        let mut by_name: BTreeMap<&str, Vec<AgentId>> = BTreeMap::new();
        for (id, object) in self.observed.iter().filter(|(id, _)| !taken.contains(id)) {
            by_name.entry(object.name().unwrap_or_default()).or_default().push(*id);
        }
        let (mut orphans, mut namesakes) = (Vec::new(), Vec::new());
        for (key, known) in former {
            let names: BTreeSet<&str> = known.versions.iter().filter_map(Object::name).collect();
            for id in names.iter().filter_map(|name| by_name.get(name)).flatten() {
                if taken.contains(id)
                    || inputs.other_manifests.declare_agent(key, *id, &self.observed[id])
                {
                    continue;
                }
                if was_declared(known, &self.observed[id]) {
                    taken.insert(*id);
                    orphans.push((key, *id));
                } else {
                    namesakes.push((key, *id));
                }
            }
        }
        namesakes.retain(|(_, id)| !taken.contains(id));
        self.orphans.extend(orphans);
        self.orphans.sort();
        self.namesakes = namesakes;
    }
}

/// Whether a version declared this agent: its name, and every other field that can be compared.
fn was_declared(known: &AgentEvidence, observed: &Object) -> bool {
    let Some(name) = observed.name() else { return false };
    let is_form_of = |declared: &str| name == declared || is_rewriting_of(name, declared);
    let mut versions = known.versions.iter();
    versions.any(|version| version.name().is_some_and(is_form_of) && equals(version, observed))
}

/// The most agents that are read because tasks use them and the list does not show them.
const MOST_UNLISTED: usize = 100;

/// Returns what must still be read of agents: fields that the list leaves out and that decide, an
/// agent that a pin names or the ledger knows and the list does not show, and where one would be made those that
/// tasks use and the list does not show: a list that ends early must not make a duplicate.
pub(super) fn agent_reads(
    inputs: &PlanInputs<'_>,
    agents: &KnownAgents<'_>,
) -> BTreeSet<ReadRequest> {
    let mut reads = BTreeSet::new();
    let is_new = |key: &Key| !agents.matches.by_key.contains_key(key);
    if inputs.desired_state.agents.keys().any(is_new) {
        let used = inputs.state.tasks.items.iter().filter_map(|task| task.object.agent_id());
        reads.extend(used.filter(|id| !inputs.agents.contains_key(id)).take(MOST_UNLISTED));
    }
    let pins = inputs.desired_state.agents.values().filter_map(|desired| desired.pin);
    reads.extend(pins.filter(|id| !inputs.agents.contains_key(id)).take(MOST_UNLISTED));
    for (key, desired) in &inputs.desired_state.agents {
        if let Some(id) = agents.matches.by_key.get(key) {
            let mut unknown = inputs.agents[id].fields().filter(|(field, value)| {
                !value.is_known() && desired.object.get(field.name).is_known()
            });
            reads.extend(unknown.next().map(|_| *id));
        } else {
            let known = inputs.evidence.agents.get(key);
            reads.extend(known.and_then(|known| known.created.first()));
        }
    }
    for (key, id) in &agents.namesakes {
        let versions = &inputs.evidence.agents[*key].versions;
        let observed = &agents.observed[id];
        reads.extend(versions.iter().any(|version| may_be(version, observed)).then_some(*id));
    }
    reads.into_iter().map(ReadRequest::Agent).collect()
}

/// Whether reading an agent was tried and showed nothing.
pub(super) fn is_unreadable(state: &ObservedState, id: AgentId) -> bool {
    matches!(state.agent_reads.get(&id), Some(ReadResult::Refused(_) | ReadResult::Unreadable(_)))
}

/// Whether an agent was read by its id.
pub(super) fn is_read(state: &ObservedState, id: AgentId) -> bool {
    matches!(state.agent_reads.get(&id), Some(ReadResult::Seen(_)))
}

/// Whether a field was changed on the service since it was applied: its value is none that this key
/// ever declared, although an earlier version declared the field.
pub(super) fn is_drift(
    inputs: &PlanInputs<'_>,
    key: &Key,
    id: AgentId,
    desired: &Object,
    edit: &Edit,
) -> bool {
    let Some(known) = inputs.evidence.agents.get(key) else { return false };
    if is_begun(&edit.before, &edit.after)
        || inputs.evidence.withholding().any(|gap| gap.concerns(key))
    {
        return false;
    }
    // An agent that is pinned for the first time was never changed by this manifest.
    let pin = inputs.desired_state.agents.get(key).and_then(|desired| desired.pin);
    let is_adopted = pin == Some(id) && !known.pinned.contains(&id);
    let is_applied = known.created.contains(&id) || (known.is_established && !is_adopted);
    let StoredValue { field, stored, .. } =
        StoredValue::new(id, edit.field, &edit.after, &edit.before);
    let is_it = |value: &StoredValue| (&value.field, &value.stored) == (&field, &stored);
    let versions = || known.versions.iter().map(|version| version.get(edit.field));
    let was_declared = versions().any(|value| *value == edit.before);
    if !is_applied || was_declared || known.stored.iter().any(is_it) {
        return false;
    }
    // What the newest versions declare may be what is about to be applied first.
    let is_new = |version: &&Object| version.get(edit.field) == desired.get(edit.field);
    let mut older = known.versions.iter().skip_while(is_new).peekable();
    match older.peek() {
        None => versions().next().is_some(),
        Some(_) => older.any(|version| version.get(edit.field).is_known()),
    }
}
