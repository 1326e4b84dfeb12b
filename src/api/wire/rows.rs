//! The fields of a resource out of an answer, by the rows of its kind.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess};

use crate::api::wire::loose::{Field, Number};
use crate::kinds::{Kind, Shape};
use crate::resource::{Object, Value};

/// An object of an answer: the values of its kind's fields, and the rest of it.
#[derive(Debug)]
pub(super) struct Resource<T> {
    /// The fields that a manifest declares.
    pub(super) object: Object,
    /// What else is read of it.
    pub(super) rest: T,
}

/// Reads an object: fields of the kind by their shape, everything else as `T` has it.
pub(super) fn resource<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    kind: &'static Kind,
    map: A,
) -> Result<Resource<T>, A::Error> {
    let mut values: Vec<Option<Value>> = kind.managed().map(|_| None).collect();
    let rows = Rows { kind, values: &mut values, map };
    let rest = T::deserialize(MapAccessDeserializer::new(rows))?;
    let values: Vec<Value> =
        values.into_iter().map(|value| value.unwrap_or(Value::Unknown)).collect();
    Ok(Resource { object: Object::new(kind, values), rest })
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
        while let Some(key) = self.map.next_key::<Field<Cow<'de, str>>>()? {
            let key = key.value().unwrap_or_default();
            let row = self.kind.managed().enumerate().find(|(_, field)| field.name == key);
            let Some((at, field)) = row else {
                return seed.deserialize(CowStrDeserializer::new(key)).map(Some);
            };
            let value = value(field.shape, &mut self.map)?;
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

/// Reads one value; whatever is null or of another type is unknown.
fn value<'de, A: MapAccess<'de>>(shape: Shape, map: &mut A) -> Result<Value, A::Error> {
    let value = match shape {
        Shape::Line | Shape::LongText | Shape::Word(_) | Shape::Setting => {
            let text = map.next_value::<Field<Cow<'de, str>>>()?.value();
            text.map(|text| Value::text(shape, &*text))
        }
        Shape::Reference(_) => {
            map.next_value::<Field<Number>>()?.value().map(|id| Value::Integer(id.0))
        }
    };
    Ok(value.unwrap_or(Value::Unknown))
}
