//! The JSON form of an agent in a snapshot: the fields that were shown, by the service's names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::AGENT;
use crate::model::AgentId;
use crate::observed::ObservedAgent;
use crate::resource::{Object, Reference, Value};

/// An agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentShape {
    agent_id: u64,
    /// The fields that were shown, by the name that the service gives them; a reference is the number of
    /// an agent and the number that goes with it.
    fields: BTreeMap<String, AgentField>,
}

/// The value of a field.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum AgentField {
    Text(String),
    Integer(u64),
    Flag(bool),
    Set(Vec<String>),
    References(Vec<(u64, Option<u64>)>),
}

pub(super) fn agent_shape(id: AgentId, object: &Object) -> AgentShape {
    let shape = |value: &Value| match value {
        Value::Text(text) => Some(AgentField::Text(text.to_string())),
        Value::Integer(number) => Some(AgentField::Integer(*number)),
        Value::Flag(flag) => Some(AgentField::Flag(*flag)),
        Value::Set(words) => Some(AgentField::Set(words.iter().map(ToString::to_string).collect())),
        Value::References(members) => {
            let members = members.iter().filter_map(|(member, number)| match member {
                Reference::Id(id) => Some((*id, *number)),
                Reference::Ref(_) => None,
            });
            Some(AgentField::References(members.collect()))
        }
        Value::Unknown | Value::Ref(_) => None,
    };
    let fields = object.fields();
    let fields = fields.filter_map(|(field, value)| Some((field.name.to_owned(), shape(value)?)));
    AgentShape { agent_id: id.0, fields: fields.collect() }
}

impl AgentShape {
    pub(super) fn open(self) -> Result<ObservedAgent, String> {
        let mut object = Object::unknown(&AGENT);
        for (name, value) in self.fields {
            let Some(field) = AGENT.managed().find(|field| field.name == name) else {
                return Err(format!("agents have no field `{name}`"));
            };
            let value = match value {
                AgentField::Text(text) => Value::text(field.shape, text),
                AgentField::Integer(number) => Value::Integer(number),
                AgentField::Flag(flag) => Value::Flag(flag),
                AgentField::Set(words) => {
                    let words: BTreeSet<Arc<str>> = words.into_iter().map(Arc::from).collect();
                    Value::Set(words.into_iter().collect())
                }
                AgentField::References(members) => Value::references(
                    members.into_iter().map(|(id, number)| (Reference::Id(id), number)),
                ),
            };
            object = object.with(&name, value);
        }
        Ok(ObservedAgent { id: AgentId(self.agent_id), object })
    }
}
