//! Fields that hold whatever the service put there, and say which it was.
//!
//! A value of an unexpected type is swallowed and remembered as odd instead of failing the answer
//! around it (contract 15.5).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One field of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum LooseField<T> {
    /// The key was not there: unknown.
    #[default]
    Missing,
    /// The key was there and null: empty.
    Null,
    /// A value of an expected type.
    Is(T),
    /// A value of another type: unknown.
    Odd,
}

/// A text that may be anything else.
pub(super) type LooseText<'a> = LooseField<Cow<'a, str>>;

impl<T> LooseField<T> {
    /// Returns the value, if there is one that was understood.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Missing | Self::Null | Self::Odd => None,
        }
    }
}

/// A type that takes some kinds of JSON values and declines the others.
pub(super) trait Loose<'de>: Sized {
    /// What reading one needs beside the JSON.
    type Context: ?Sized;

    /// Takes a text, or declines it.
    fn from_text(_text: Cow<'de, str>) -> Option<Self> {
        None
    }

    /// Takes a whole number, or declines it.
    fn from_number(_number: u64) -> Option<Self> {
        None
    }

    /// Takes a truth value, or declines it.
    fn from_bool(_value: bool) -> Option<Self> {
        None
    }

    /// Takes an array, or declines it after reading past it.
    fn from_seq<A: SeqAccess<'de>>(
        seq: A,
        _context: &Self::Context,
    ) -> Result<Option<Self>, A::Error> {
        count_elements(seq).map(|_| None)
    }

    /// Takes an object, or declines it after reading past it.
    fn from_map<A: MapAccess<'de>>(
        map: A,
        _context: &Self::Context,
    ) -> Result<Option<Self>, A::Error> {
        count_entries(map).map(|_| None)
    }
}

fn count_elements<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<usize, A::Error> {
    let mut count = 0;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn count_entries<'de, A: MapAccess<'de>>(mut map: A) -> Result<usize, A::Error> {
    let mut count = 0;
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

impl<'de, T: Loose<'de, Context = ()>> Deserialize<'de> for LooseField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LooseSeed::new(&()).deserialize(deserializer)
    }
}

/// Reads a field with what that needs.
pub(super) struct LooseSeed<'c, C: ?Sized, T>(&'c C, PhantomData<T>);

impl<'c, C: ?Sized, T> LooseSeed<'c, C, T> {
    pub(super) fn new(context: &'c C) -> Self {
        Self(context, PhantomData)
    }

    fn taken(value: Option<T>) -> LooseField<T> {
        value.map_or(LooseField::Odd, LooseField::Is)
    }
}

impl<'de, C: ?Sized, T: Loose<'de, Context = C>> DeserializeSeed<'de> for LooseSeed<'_, C, T> {
    type Value = LooseField<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, C: ?Sized, T: Loose<'de, Context = C>> Visitor<'de> for LooseSeed<'_, C, T> {
    type Value = LooseField<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<LooseField<T>, E> {
        Ok(LooseField::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<LooseField<T>, E> {
        Ok(Self::taken(T::from_bool(value)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<LooseField<T>, E> {
        Ok(Self::taken(T::from_number(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<LooseField<T>, E> {
        Ok(Self::taken(u64::try_from(number).ok().and_then(T::from_number)))
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<LooseField<T>, E> {
        Ok(LooseField::Odd)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LooseField<T>, E> {
        Ok(Self::taken(T::from_text(Cow::Owned(text.to_owned()))))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<LooseField<T>, E> {
        Ok(Self::taken(T::from_text(Cow::Borrowed(text))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<LooseField<T>, A::Error> {
        T::from_seq(seq, self.0).map(Self::taken)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LooseField<T>, A::Error> {
        T::from_map(map, self.0).map(Self::taken)
    }
}

impl<'de: 'a, 'a> Loose<'de> for Cow<'a, str> {
    type Context = ();

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(text)
    }
}

impl Loose<'_> for bool {
    type Context = ();

    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

/// A whole number, or its decimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl<'de> Loose<'de> for Number {
    type Context = ();

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| text.parse().ok().map(Self)).flatten()
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Self(number))
    }
}

/// How many elements a list of unknown things has.
///
/// An object counts too: PHP writes a list with a gap in its numbering that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) usize);

impl<'de> Loose<'de> for Count {
    type Context = ();

    fn from_seq<A: SeqAccess<'de>>(seq: A, (): &()) -> Result<Option<Self>, A::Error> {
        count_elements(seq).map(|count| Some(Self(count)))
    }

    fn from_map<A: MapAccess<'de>>(map: A, (): &()) -> Result<Option<Self>, A::Error> {
        count_entries(map).map(|count| Some(Self(count)))
    }
}

/// A list, element by element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List<T>(pub(super) Vec<LooseField<T>>);

impl<'de, T: Loose<'de>> Loose<'de> for List<T> {
    type Context = T::Context;

    fn from_seq<A: SeqAccess<'de>>(
        mut seq: A,
        context: &T::Context,
    ) -> Result<Option<Self>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(LooseSeed::new(context))? {
            elements.push(element);
        }
        Ok(Some(Self(elements)))
    }
}

/// How many texts of a list are taken; nobody reads the next thousand.
const MOST_LINES: usize = 1_000;

/// Texts: one alone, or those of a list or object; whatever else stands there is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LooseLines(pub(super) Vec<String>);

impl<'de> Loose<'de> for LooseLines {
    type Context = ();

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(Vec::from_iter((!text.trim().is_empty()).then(|| text.into_owned()))))
    }

    fn from_seq<A: SeqAccess<'de>>(mut seq: A, (): &()) -> Result<Option<Self>, A::Error> {
        let mut lines = Vec::new();
        while let Some(element) = seq.next_element::<LooseField<Cow<'de, str>>>()? {
            lines.extend(element.value().filter(|_| lines.len() < MOST_LINES).map(Cow::into_owned));
        }
        Ok(Some(Self(lines)))
    }

    fn from_map<A: MapAccess<'de>>(mut map: A, (): &()) -> Result<Option<Self>, A::Error> {
        let mut lines = Vec::new();
        while let Some((_, value)) = map.next_entry::<IgnoredAny, LooseField<Cow<'de, str>>>()? {
            lines.extend(value.value().filter(|_| lines.len() < MOST_LINES).map(Cow::into_owned));
        }
        Ok(Some(Self(lines)))
    }
}

/// Something the web interface may have set, whatever its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting<'a> {
    /// An empty text, list or object, or `false`: PHP's ways to say nothing.
    Empty,
    /// A text.
    Text(Cow<'a, str>),
    /// Something of another shape.
    Other,
}

impl<'de: 'a, 'a> Loose<'de> for Setting<'a> {
    type Context = ();

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(if text.trim().is_empty() { Self::Empty } else { Self::Text(text) })
    }

    fn from_number(_number: u64) -> Option<Self> {
        Some(Self::Other)
    }

    fn from_bool(value: bool) -> Option<Self> {
        Some(if value { Self::Other } else { Self::Empty })
    }

    fn from_seq<A: SeqAccess<'de>>(seq: A, (): &()) -> Result<Option<Self>, A::Error> {
        count_elements(seq).map(|count| Some(if count == 0 { Self::Empty } else { Self::Other }))
    }

    fn from_map<A: MapAccess<'de>>(map: A, (): &()) -> Result<Option<Self>, A::Error> {
        count_entries(map).map(|count| Some(if count == 0 { Self::Empty } else { Self::Other }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number_or_its_digits() {
        let table = [
            ("332", LooseField::Is(Number(332))),
            ("\"332\"", LooseField::Is(Number(332))),
            ("18446744073709551615", LooseField::Is(Number(u64::MAX))),
            ("null", LooseField::Null),
            ("-1", LooseField::Odd),
            ("1.5", LooseField::Odd),
            ("18446744073709551616", LooseField::Odd),
            ("\"\"", LooseField::Odd),
            ("\"+5\"", LooseField::Odd),
            ("\"A-99\"", LooseField::Odd),
            ("true", LooseField::Odd),
            ("[332]", LooseField::Odd),
            ("{\"id\":332}", LooseField::Odd),
        ];
        for (json, expected) in table {
            assert_eq!(
                serde_json::from_str::<LooseField<Number>>(json).unwrap(),
                expected,
                "{json}"
            );
        }
    }
}
