//! Objects that are held once, however often they are seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kinds::{Kind, NAME};
use crate::resource::{Object, Value};

/// Objects by name. One that is read and has the same values shares their memory and their hash, so
/// that an unchanged world is not held twice.
#[derive(Debug, Default)]
pub struct ObjectInterner {
    by_name: BTreeMap<Arc<str>, Object>,
}

impl ObjectInterner {
    /// Takes objects; of several that have one name the last.
    pub fn new(objects: impl IntoIterator<Item = Object>) -> Self {
        let named = objects.into_iter().filter_map(|object| {
            let name = Arc::clone(object.text(NAME)?);
            Some((name, object))
        });
        Self { by_name: named.collect() }
    }

    /// Makes an object as [`Object::new`] does, of shared values where they are known.
    pub fn object(&self, kind: &'static Kind, mut values: Vec<Value>) -> Object {
        let name = kind.position(NAME).map(|at| &values[at]);
        let Some(Value::Text(name)) = name.filter(|_| !self.by_name.is_empty()) else {
            return Object::new(kind, values);
        };
        match self.by_name.get(name).filter(|known| known.kind.name == kind.name) {
            Some(known) if *known.values == *values => known.clone(),
            Some(known) => {
                for (value, known) in values.iter_mut().zip(known.values.iter()) {
                    if value == known {
                        value.clone_from(known);
                    }
                }
                Object::new(kind, values)
            }
            None => Object::new(kind, values),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kinds::TASK;

    fn values(object: &Object) -> Vec<Value> {
        object.fields().map(|(_, value)| value.clone()).collect()
    }

    /// The values of a task as they are read: nothing is shared.
    fn read(name: &str, agent: u64, prompt: &str) -> Vec<Value> {
        values(&Object::task(name, agent, "project-for-task", prompt))
    }

    #[test]
    fn what_is_equal_is_shared_and_what_is_not_is_not() {
        let declared = Object::task("A", 47, "project-for-task", "p");
        let interner = ObjectInterner::new([declared.clone()]);
        let is_shared = |seen: &Object| {
            let shared = |field| match (seen.text(field), declared.text(field)) {
                (Some(seen), Some(declared)) => Arc::ptr_eq(seen, declared),
                _ => false,
            };
            [shared("name"), shared("prompt")]
        };
        let of = |name, agent, prompt| interner.object(&TASK, read(name, agent, prompt));
        assert_eq!(is_shared(&of("A", 47, "p")), [true, true]);
        assert_eq!(is_shared(&of("A", 48, "p")), [true, true]);
        assert_eq!(is_shared(&of("A", 47, "q")), [true, false]);
        assert_eq!(is_shared(&of("B", 47, "p")), [false, false]);
        assert_eq!(of("A", 48, "p").content(), Object::new(&TASK, read("A", 48, "p")).content());
    }

    fn text() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Unknown),
            "[ab]{0,2}".prop_map(|text| Value::Text(text.as_str().into())),
        ]
    }

    fn task() -> impl Strategy<Value = Vec<Value>> {
        let agent = prop_oneof![Just(Value::Unknown), (0_u64..3).prop_map(Value::Integer)];
        (text(), agent, text(), text())
            .prop_map(|(name, agent, preference, prompt)| vec![name, agent, preference, prompt])
    }

    proptest! {
        #[test]
        fn whatever_is_interned_an_object_is_what_its_values_say(
            known in prop::collection::vec(task(), 0..5), seen in task(),
        ) {
            let interner = ObjectInterner::new(known.iter().map(|known| Object::new(&TASK, known.clone())));
            let (object, expected) = (interner.object(&TASK, seen.clone()), Object::new(&TASK, seen));
            prop_assert_eq!(object.content(), expected.content());
            prop_assert_eq!(object, expected);
        }
    }
}
