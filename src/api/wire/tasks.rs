//! The members of an answer that hold tasks.

use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess};

use crate::api::wire::loose::{List, LooseField, LooseSeed};
use crate::api::wire::seen::TaskWire;
use crate::kinds::TASK;
use crate::resource::ObjectInterner;

/// What an answer shows of tasks.
#[derive(Debug, Default)]
pub(super) struct TaskMembers {
    pub(super) one: LooseField<TaskWire>,
    pub(super) many: LooseField<List<TaskWire>>,
}

/// An answer without its tasks, which it keeps; those that are interned are shared.
pub(super) struct BesideTasks<'f, A> {
    pub(super) found: &'f mut TaskMembers,
    pub(super) interner: &'f ObjectInterner,
    pub(super) map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for BesideTasks<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            if name == TASK.calls.one {
                let one = self.map.next_value_seed(LooseSeed::new(self.interner))?;
                once(&mut self.found.one, one, TASK.calls.one)?;
            } else if name == TASK.calls.many {
                let many = self.map.next_value_seed(LooseSeed::new(self.interner))?;
                once(&mut self.found.many, many, TASK.calls.many)?;
            } else {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Takes a member that may be there once.
fn once<T, E: Error>(
    field: &mut LooseField<T>,
    value: LooseField<T>,
    name: &'static str,
) -> Result<(), E> {
    match std::mem::replace(field, value) {
        LooseField::Missing => Ok(()),
        _ => Err(E::duplicate_field(name)),
    }
}
