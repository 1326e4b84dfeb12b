//! References to what this apply makes: ids take their places before anything is sent or hashed.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::Work;
use crate::apply::finding::changed;
use crate::apply::settle::Ended;
use crate::kinds::AGENT_ID;
use crate::model::{AgentId, ContentHash, Key};
use crate::plan::{Change, Plan, Step};
use crate::resource::{Address, Edit, Object, Reference, Value, Whole};

/// The tasks that the plan makes.
fn tasks(plan: &Plan) -> impl Iterator<Item = &Whole> {
    plan.ready_steps().filter_map(|step| match &step.change {
        Change::Create { object } | Change::Replace { object, .. } => Some(object),
        _ => None,
    })
}

/// The contents of all tasks that the plan makes; of those whose agent is made first, over its
/// address until then.
pub(super) fn wanted_contents(plan: &Plan) -> BTreeSet<ContentHash> {
    tasks(plan).map(Whole::content).collect()
}

/// The tasks of the plan that use an agent which it makes, by the agent's key.
pub(super) fn users(plan: &Plan) -> BTreeMap<Key, Vec<&Whole>> {
    let mut users = BTreeMap::<Key, Vec<&Whole>>::new();
    for task in tasks(plan) {
        if let Value::Ref(address) = task.get(AGENT_ID)
            && let Ok(key) = address.key.parse()
        {
            users.entry(key).or_default().push(task);
        }
    }
    users
}

impl Work<'_, '_> {
    /// Takes note of the agent that a step has made: it is used by its id from now on.
    pub(super) fn bind_references(&self, step: &Step, id: AgentId) {
        self.agents.borrow_mut().bind(step, id);
        for task in self.users.get(&step.key).into_iter().flatten() {
            if let Ok(made) = self.with_ids(task) {
                let mut desired = self.desired.borrow_mut();
                desired.remove(&task.content());
                desired.insert(made.content());
            }
        }
    }

    /// The task with the ids of what it refers to.
    pub(super) fn with_ids(&self, task: &Whole) -> Ended<Whole> {
        let object = self.fields_with_ids(task)?;
        Ok(object.whole().expect("an id decides as much as an address"))
    }

    /// The same fields with the ids of what they refer to.
    pub(super) fn fields_with_ids(&self, object: &Object) -> Ended<Object> {
        let mut known = object.clone();
        for (field, value) in object.fields() {
            if let Some(value) = self.value_with_ids(value)? {
                known = known.with(field.name, value);
            }
        }
        Ok(known)
    }

    /// The same edits with the ids of what they refer to.
    pub(super) fn edits_with_ids(&self, edits: &[Edit]) -> Ended<Vec<Edit>> {
        let edits = edits.iter().map(|edit| {
            let after = self.value_with_ids(&edit.after)?.unwrap_or_else(|| edit.after.clone());
            Ok(Edit { after, ..edit.clone() })
        });
        edits.collect()
    }

    /// The value by ids, where it refers to something by its address.
    fn value_with_ids(&self, value: &Value) -> Ended<Option<Value>> {
        match value {
            Value::Ref(address) => Ok(Some(Value::Integer(self.id_of(address)?))),
            Value::References(members) => {
                let members = members.iter().map(|(reference, number)| match reference {
                    Reference::Id(_) => Ok((reference.clone(), *number)),
                    Reference::Ref(address) => Ok((Reference::Id(self.id_of(address)?), *number)),
                });
                Ok(Some(Value::references(members.collect::<Ended<Vec<_>>>()?)))
            }
            _ => Ok(None),
        }
    }

    /// The id of what was made for an address; a step that refers to it waits for that.
    fn id_of(&self, address: &Address) -> Ended<u64> {
        let id = self.agents.borrow().id(&address.key);
        id.map(|id| id.0).ok_or_else(|| changed(format!("{address} was not made")))
    }
}
