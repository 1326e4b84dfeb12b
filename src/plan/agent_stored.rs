//! Fields of agents that the service stores otherwise than they were sent, as the ledger notes them.
//!
//! A note holds for exactly the pair of the declared value and the stored one: while both are as they
//! were, asking once more would never end. As soon as one of them is another one the note is over, for
//! good: a value that somebody sets later is drift, also if it is the one that was noted.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::evidence::StoredValue;
use crate::kinds::{AGENT, NAME};
use crate::model::{AgentId, Key};
use crate::plan::PlanInputs;
use crate::plan::agent_matcher::SYSTEM_PROMPT;
use crate::plan::agents::KnownAgents;
use crate::resource::{Edit, Value};

/// What the ledger knows of values that the service stores otherwise than they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredOtherwise {
    /// The declared agents that differ in such values, and in nothing else.
    pub agents: BTreeSet<Key>,
    /// The fields in which an agent differs so: that a new agent does, too, is no surprise.
    pub fields: BTreeSet<&'static str>,
    /// Notes that are over, because another value is declared or stored: each with the key and the
    /// field of its agent.
    pub ended: Vec<(Key, AgentId, String)>,
}

impl StoredOtherwise {
    /// What is known of declared agents, `agents` being those that differ in nothing else.
    pub(super) fn of(
        inputs: &PlanInputs<'_>,
        known: &KnownAgents<'_>,
        agents: BTreeSet<Key>,
    ) -> Self {
        let (mut fields, mut ended) = (BTreeSet::new(), Vec::new());
        for (key, id) in &known.matches.by_key {
            let Some(evidence) = inputs.evidence.agents.get(*key) else { continue };
            let desired = &inputs.desired_state.agents[*key].object;
            let observed = &known.observed[id];
            for note in evidence.stored.iter().filter(|note| note.id == *id) {
                let Some(field) = AGENT.managed().find(|field| field.name == note.field) else {
                    continue;
                };
                let stored = observed.get(field.name);
                if *note == StoredValue::new(*id, field.name, desired.get(field.name), stored) {
                    fields.insert(field.name);
                } else if stored.is_known() {
                    ended.push(((*key).clone(), *id, note.field.clone()));
                }
            }
        }
        fields.remove(NAME);
        Self { agents, fields, ended }
    }
}

/// Whether just this was sent before, and just that was stored.
pub(super) fn is_stored_otherwise(
    inputs: &PlanInputs<'_>,
    key: &Key,
    id: AgentId,
    edit: &Edit,
) -> bool {
    let known = inputs.evidence.agents.get(key);
    known.is_some_and(|known| known.stores(id, edit.field, &edit.after, &edit.before))
}

/// Says that a field is stored otherwise than it was sent, and is left so.
pub fn stored_otherwise(key: &Key, id: AgentId, edit: &Edit) -> Diagnostic {
    let difference = match (&edit.before, &edit.after) {
        (Value::Set(before), Value::Set(after)) => {
            let more = before.iter().filter(|word| !after.contains(word));
            let less = after.iter().filter(|word| !before.contains(word));
            let more = more.map(|word| format!("`+{word}`"));
            more.chain(less.map(|word| format!("`-{word}`"))).collect::<Vec<_>>().join(", ")
        }
        _ if edit.field == SYSTEM_PROMPT => "another text".to_owned(),
        (before, after) => format!("`{before}` instead of `{after}`"),
    };
    let message = format!(
        "agent {id} of `{key}` stores `{}` otherwise than it was sent: {difference}",
        edit.field
    );
    Diagnostic::note(Code::StoredOtherwise, message)
        .help("declare what is stored, and nothing differs any more")
        .help("it is sent again once another value is declared or stored")
}
