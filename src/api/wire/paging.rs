//! What beside a list says that it is not all.
//!
//! The contract knows no pages, so nothing here asks for the next one: such a list is incomplete.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::loose::{Loose, LooseField};

/// Says that there is more, where it is true.
const MORE: &[&str] = &[
    "hasmore",
    "hasnext",
    "hasnextpage",
    "more",
    "moreresults",
    "truncated",
    "istruncated",
    "incomplete",
    "partial",
];
/// Names what comes next, where it is not empty.
const NEXT: &[&str] = &[
    "next",
    "nextpage",
    "nextpagetoken",
    "nexttoken",
    "nextcursor",
    "nexturl",
    "nextlink",
    "nextoffset",
    "continuation",
    "continuationtoken",
    "odatanextlink",
];
/// Counts the entries of all pages.
const TOTAL: &[&str] = &[
    "total",
    "totalcount",
    "totalitems",
    "totalresults",
    "totalrecords",
    "totaltasks",
    "totalagents",
    "totaldeployments",
    "count",
];
/// Counts the pages.
const PAGES: &[&str] = &["totalpages", "pagecount", "pages", "lastpage"];
/// Holds such members in turn.
const HOLDERS: &[&str] = &["pagination", "paging", "page", "pageinfo", "meta", "metadata", "links"];

/// The members beside a list that speak of more.
#[derive(Debug, Default)]
pub(super) struct Paging {
    /// The name of the first one that says that there is more.
    more: Option<String>,
    /// The largest count of all entries, and what it is called.
    total: Option<(u64, String)>,
}

impl Paging {
    /// Says why a list of so many entries is not all.
    pub(super) fn gap(&self, count: usize) -> Option<String> {
        let more = || Some(format!("`{}` beside it says that there is more", self.more.as_ref()?));
        let (total, name) = match &self.total {
            Some((total, name)) if *total > count as u64 => (total, name),
            _ => return more(),
        };
        Some(format!("`{name}` beside it is {total}, and it holds {count}"))
    }

    /// Reads the value of a member that speaks of more, or holds such members; whether it is one. A value that
    /// cannot be read says nothing.
    fn reads<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        is_inside: bool,
    ) -> Result<bool, A::Error> {
        let word = plain(name);
        let is = |words: &[&str]| words.contains(&word.as_str());
        let is_holder = is(HOLDERS) && !is_inside;
        if !(is_holder || is(MORE) || is(NEXT) || is(TOTAL) || is(PAGES)) {
            return Ok(false);
        }
        let value = map.next_value::<&RawValue>()?.get();
        if is_holder {
            drop(Holder(self).deserialize(&mut serde_json::Deserializer::from_str(value)));
        } else {
            let said = serde_json::from_str::<LooseField<PagingValue>>(value).unwrap_or_default();
            self.note(name, &word, said.value().unwrap_or(PagingValue::Nothing));
        }
        Ok(true)
    }

    fn note(&mut self, name: &str, word: &str, said: PagingValue) {
        let is = |words: &[&str]| words.contains(&word);
        let says_more = match said {
            PagingValue::Nothing => false,
            PagingValue::Something => is(MORE) || is(NEXT),
            PagingValue::Count(count) if is(PAGES) => count > 1,
            PagingValue::Count(count) => count > 0 && (is(MORE) || is(NEXT)),
        };
        if says_more {
            self.more.get_or_insert_with(|| name.to_owned());
        }
        if let PagingValue::Count(count) = said
            && is(TOTAL)
            && self.total.as_ref().is_none_or(|(largest, _)| count > *largest)
        {
            self.total = Some((count, name.to_owned()));
        }
    }
}

/// A name without what styles of writing differ in: `next_page` and `nextPage` are one.
fn plain(name: &str) -> String {
    name.chars()
        .take(40)
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// What a member says.
#[derive(Clone, Copy, Debug)]
enum PagingValue {
    Nothing,
    Something,
    Count(u64),
}

impl<'de> Loose<'de> for PagingValue {
    type Context = ();

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(match text.trim() {
            "" | "false" | "no" | "null" => Self::Nothing,
            digits => digits.parse().map_or(Self::Something, Self::Count),
        })
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Self::Count(number))
    }

    fn from_bool(value: bool) -> Option<Self> {
        Some(if value { Self::Something } else { Self::Nothing })
    }

    fn from_seq<A: SeqAccess<'de>>(mut seq: A, (): &()) -> Result<Option<Self>, A::Error> {
        let mut said = Self::Nothing;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            said = Self::Something;
        }
        Ok(Some(said))
    }

    fn from_map<A: MapAccess<'de>>(mut map: A, (): &()) -> Result<Option<Self>, A::Error> {
        let mut said = Self::Nothing;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            said = Self::Something;
        }
        Ok(Some(said))
    }
}

/// An answer without the members that speak of more, which it keeps.
pub(super) struct Beside<'f, A> {
    pub(super) found: &'f mut Paging,
    pub(super) map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Beside<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(MemberName(name)) = self.map.next_key()? {
            if !self.found.reads(&name, &mut self.map, false)? {
                return seed.deserialize(CowStrDeserializer::new(name)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Reads the members of an object in an answer.
struct Holder<'f>(&'f mut Paging);

impl<'de> DeserializeSeed<'de> for Holder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Holder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(MemberName(name)) = map.next_key()? {
            if !self.0.reads(&name, &mut map, true)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _number: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _number: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _text: &str) -> Result<(), E> {
        Ok(())
    }
}

/// The name of a member.
#[derive(Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);
