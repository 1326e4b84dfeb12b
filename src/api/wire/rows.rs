//! The fields of a resource out of an answer, by the rows of its kind.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess};

use crate::api::wire::loose::{List, Loose, LooseField, Number};
use crate::kinds::{AGENT_ID, Identity, Kind, NAME, Shape};
use crate::resource::{Object, ObjectInterner, Reference, Value};

/// An object of an answer: the values of its kind's fields, and the rest of it.
#[derive(Debug)]
pub(super) struct Resource<T> {
    /// The fields that a manifest declares.
    pub(super) object: Object,
    /// What else is read of it.
    pub(super) rest: T,
}

/// Reads an object: fields of the kind by their shape, everything else as `T` has it. One that is
/// interned is shared.
pub(super) fn resource<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    kind: &'static Kind,
    map: A,
    interner: &ObjectInterner,
) -> Result<Resource<T>, A::Error> {
    let mut values: Vec<Option<Value>> = kind.managed().map(|_| None).collect();
    let rows = Rows { kind, values: &mut values, map };
    let rest = T::deserialize(MapAccessDeserializer::new(rows))?;
    let values: Vec<Value> =
        values.into_iter().map(|value| value.unwrap_or(Value::Unknown)).collect();
    Ok(Resource { object: interner.object(kind, values), rest })
}

/// A map without the fields of a kind, whose values it keeps.
struct Rows<'v, A> {
    kind: &'static Kind,
    values: &'v mut [Option<Value>],
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rows<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<LooseField<Cow<'de, str>>>()? {
            let key = key.value().unwrap_or_default();
            let row = self.kind.managed().enumerate().find(|(_, field)| field.name == key);
            let Some((at, field)) = row else {
                return seed.deserialize(CowStrDeserializer::new(key)).map(Some);
            };
            // What an update can set is set to nothing by null; a name is never nothing.
            let is_nullable = self.kind.identity == Identity::ByName && field.name != NAME;
            let value = value(field.shape, is_nullable, &mut self.map)?;
            if self.values[at].replace(value).is_some() {
                return Err(Error::duplicate_field(field.name));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Reads one value; whatever is of another type is unknown, and so is null where it cannot mean that a
/// text or a list is empty.
fn value<'de, A: MapAccess<'de>>(
    shape: Shape,
    is_nullable: bool,
    map: &mut A,
) -> Result<Value, A::Error> {
    let value = match shape {
        Shape::Line | Shape::LongText | Shape::Word(_) | Shape::Setting => {
            match map.next_value::<LooseField<Cow<'de, str>>>()? {
                LooseField::Null if is_nullable => Some(Value::text(shape, "")),
                text => text.value().map(|text| Value::text(shape, &*text)),
            }
        }
        Shape::Reference(_) | Shape::Integer => {
            map.next_value::<LooseField<Number>>()?.value().map(|id| Value::Integer(id.0))
        }
        Shape::Flag => map.next_value::<LooseField<bool>>()?.value().map(Value::Flag),
        Shape::Set => match map.next_value::<LooseField<List<Cow<'de, str>>>>()? {
            LooseField::Null if is_nullable => Some(Value::Set(Arc::default())),
            words => words.value().and_then(set),
        },
        Shape::References(number) | Shape::Sequence(number) => {
            match map.next_value::<LooseField<List<LooseNumbers>>>()? {
                LooseField::Null if is_nullable => Some(Value::references([])),
                list => list.value().and_then(|list| members(list, number)),
            }
        }
        Shape::Member(name) => {
            let numbers = map.next_value::<LooseField<LooseNumbers>>()?.value();
            numbers.and_then(|numbers| numbers.get(name)).map(Value::Integer)
        }
    };
    Ok(value.unwrap_or(Value::Unknown))
}

/// Words as a set; unknown as a whole where one is no text.
fn set(list: List<Cow<'_, str>>) -> Option<Value> {
    let words = list.0.into_iter().map(|word| Some(Arc::from(word.value()?)));
    let words: BTreeSet<Arc<str>> = words.collect::<Option<_>>()?;
    Some(Value::Set(words.into_iter().collect()))
}

/// Ids with their numbers; unknown as a whole where one is no id.
fn members(list: List<LooseNumbers>, number: &str) -> Option<Value> {
    let members = list.0.into_iter().map(|member| {
        let member = member.value()?;
        Some((Reference::Id(member.get(AGENT_ID)?), member.get(number)))
    });
    Some(Value::references(members.collect::<Option<Vec<_>>>()?))
}

/// The numbers of an object, by name; whatever else it holds is left out.
struct LooseNumbers(Vec<(String, u64)>);

impl LooseNumbers {
    fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }
}

impl<'de> Loose<'de> for LooseNumbers {
    type Context = ();

    fn from_map<A: MapAccess<'de>>(mut map: A, (): &()) -> Result<Option<Self>, A::Error> {
        let mut numbers = Vec::new();
        while let Some(key) = map.next_key::<LooseField<Cow<'de, str>>>()? {
            let number = map.next_value::<LooseField<Number>>()?.value();
            let name = key.value().map(Cow::into_owned);
            numbers.extend(name.zip(number.map(|number| number.0)));
        }
        Ok(Some(Self(numbers)))
    }
}
