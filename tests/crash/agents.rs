//! The judge's laws of agents.

use std::collections::BTreeSet;

use qcops::emulator::{Agent, Fault, World};
use qcops::kinds::AGENT;
use qcops::model::Key;
use qcops::resource::{Address, Object, Reference, Value};
use serde_json::json;

use super::fault::InjectedFault;
use super::judge::{Before, BrokenLaw};
use super::machine::Call;
use super::scenario::ScenarioStep;

/// Fields that no request ever holds.
const NEVER_SENT: [&str; 5] = ["token", "author", "organization", "profileImage", "outputSchema"];

/// What a task refers to whose agent is declared.
pub(super) fn reference(key: &Key) -> Value {
    Value::Ref(Box::new(Address { kind: AGENT.name, key: key.as_str().into() }))
}

/// The declared key that an agent has the name of.
pub(super) fn key<'s>(world: &World, step: &'s ScenarioStep, id: u64) -> Option<&'s Key> {
    let agent = world.agents().find(|agent| agent.id == id)?;
    let mut declared = step.desired_state.agents.iter();
    let (key, _) = declared.find(|(_, declared)| is_named(agent, &declared.object))?;
    Some(key)
}

fn is_named(agent: &Agent, declared: &Object) -> bool {
    declared.name().is_some_and(|name| agent.fields["name"] == name)
}

/// Agents are made once, stay in use, and become what is declared; others stay as they were.
pub(super) fn judge(
    before: Before<'_>,
    end: &World,
    calls: &[Call],
    is_at_rest: bool,
    broken: &mut Vec<BrokenLaw>,
) {
    let scenario = before.scenario;
    for foreign in scenario.start.agents() {
        if end.agents().find(|agent| agent.id == foreign.id) != Some(foreign) {
            broken.push(BrokenLaw::UnmanagedTouched { kind: AGENT.name, id: foreign.id });
        }
    }
    let ids = |world: &World| world.agents().map(|agent| agent.id).collect::<BTreeSet<u64>>();
    let (old, new) = (ids(before.world), ids(end));
    let last = scenario.last();
    let is_new = |declared: &&Object| !before.world.agents().any(|agent| is_named(agent, declared));
    let declared = || last.desired_state.agents.iter().map(|(key, agent)| (key, &agent.object));
    let needed = declared().map(|(_, object)| object).filter(is_new).count();
    let created = new.difference(&old).count();
    if created > needed {
        broken.push(BrokenLaw::DuplicateAgent { created, needed });
    }
    for task in end.tasks().filter(|task| !new.contains(&task.agent_id)) {
        broken.push(BrokenLaw::AgentInUseDeleted { task: task.id });
    }
    if is_at_rest && last.destroys.is_none() && !calls.iter().any(is_ignored) {
        for (key, object) in declared() {
            if !end.agents().any(|agent| is_as_declared(end, last, agent, object)) {
                broken.push(BrokenLaw::AgentMissing { key: key.clone() });
            }
        }
    }
    for call in calls {
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap_or_default();
        for field in NEVER_SENT.into_iter().filter(|field| body.get(field).is_some()) {
            broken.push(BrokenLaw::ForbiddenField { path: call.path.clone(), field });
        }
    }
}

/// Whether a request is an update without effect, which is reported once and not repeated.
pub(super) fn is_ignored(call: &Call) -> bool {
    let is_without_effect =
        |fault: InjectedFault| matches!(fault, InjectedFault::Service(Fault::NoEffect));
    call.path == "/agents/update" && call.fault.is_some_and(is_without_effect)
}

/// Whether an agent shows every field that is declared.
fn is_as_declared(world: &World, step: &ScenarioStep, agent: &Agent, declared: &Object) -> bool {
    declared.fields().all(|(field, value)| {
        let stored = &agent.fields[field.name];
        match value {
            Value::Unknown => true,
            Value::Text(text) => *stored == **text,
            Value::Integer(number) => *stored == *number || stored["id"] == *number,
            Value::Flag(flag) => *stored == *flag,
            Value::Set(words) => {
                let stored = stored.as_array().into_iter().flatten();
                let stored: BTreeSet<&str> = stored.filter_map(|word| word.as_str()).collect();
                stored == words.iter().map(|word| &**word).collect()
            }
            Value::References(members) => {
                let stored = stored.as_array().map(Vec::as_slice).unwrap_or_default();
                let of = |member: &serde_json::Value| {
                    key(world, step, member["agentId"].as_u64()?).map(Key::as_str)
                };
                let stored: BTreeSet<Option<&str>> = stored.iter().map(of).collect();
                let wanted = members.iter().map(|(reference, _)| match reference {
                    Reference::Ref(address) => Some(&*address.key),
                    Reference::Id(_) => None,
                });
                stored == wanted.collect()
            }
            Value::Ref(_) => json!(null) == *stored,
        }
    })
}
