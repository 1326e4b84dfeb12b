//! A resource as values in the order of its kind's fields: declared, observed, compared and sent.
//!
//! The hash of the fields that cannot change in place is computed here and nowhere else, from what
//! is sent. Two notions of "equal" would make duplicates.

mod interner;

pub use interner::ObjectInterner;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::kinds::{
    AGENT, AGENT_ID, Field, Identity, Kind, NAME, OnChange, PROJECT_PREFERENCE, PROMPT, Shape, TASK,
};
use crate::model::{AgentId, ContentHash, PromptHash, canonical_text};

/// What a reference names before its id is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The name of the kind.
    pub kind: &'static str,
    /// The local key, or the exact name on the service.
    pub key: Arc<str>,
}

/// What a member of a list of references names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A resource of the service, by its id.
    Id(u64),
    /// A resource of the manifest, whose id is known after apply.
    Ref(Address),
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// It is this text: a line, a word, or a long text in canonical form.
    Text(Arc<str>),
    /// It is this number.
    Integer(u64),
    /// It is on or off.
    Flag(bool),
    /// It is these words, sorted.
    Set(Arc<[Arc<str>]>),
    /// It refers to these resources, each with a number, in the order of what they name.
    References(Arc<[(Reference, Option<u64>)]>),
    /// The service did not show it, or a manifest leaves it out.
    Unknown,
    /// It is the id of that resource. In a box, because most values are texts, and there are many.
    Ref(Box<Address>),
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The service's name of it.
    pub field: &'static str,
    /// What it is.
    pub before: Value,
    /// What it becomes.
    pub after: Value,
}

impl Edit {
    /// Another name, whatever the present one is.
    pub fn name(name: &str) -> Self {
        Self { field: NAME, before: Value::Unknown, after: Value::Text(name.into()) }
    }
}

/// The fields of a resource that a manifest declares.
///
/// Cheap to clone; the hash is computed once.
#[derive(Clone)]
pub struct Object {
    kind: &'static Kind,
    values: Arc<[Value]>,
    hash: Option<ContentHash>,
}

/// A resource of which nothing is unknown that decides what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    object: Object,
    content: ContentHash,
}

impl Whole {
    /// Its name; empty where the service did not show it.
    pub fn name(&self) -> &str {
        self.object.name().unwrap_or_default()
    }

    /// The hash of the fields that cannot change in place.
    pub fn content(&self) -> ContentHash {
        self.content
    }
}

impl Deref for Whole {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl Value {
    /// Makes the text of a field; a long one is put in canonical form.
    ///
    /// A shared text that is canonical already stays shared.
    pub fn text(shape: Shape, text: impl AsRef<str> + Into<Arc<str>>) -> Self {
        if !matches!(shape, Shape::LongText) {
            return Self::Text(text.into());
        }
        let canonical = canonical_text(text.as_ref());
        let is_as_given =
            canonical.len() == text.as_ref().len() && matches!(canonical, Cow::Borrowed(_));
        Self::Text(if is_as_given { text.into() } else { canonical.into() })
    }

    /// Makes the value of a field that refers to several resources; their order in a list means
    /// nothing, because each has a number.
    pub fn references(members: impl IntoIterator<Item = (Reference, Option<u64>)>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort();
        Self::References(members.into())
    }

    /// Whether it is known, ids that are known after apply included.
    pub fn is_known(&self) -> bool {
        *self != Self::Unknown
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.key)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Ref(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Flag(value) => value.fmt(f),
            Self::Set(words) => f.write_str(&words.join(", ")),
            Self::References(members) => {
                let members = members.iter().map(|(reference, number)| match number {
                    Some(number) => format!("{reference} ({number})"),
                    None => reference.to_string(),
                });
                f.write_str(&members.collect::<Vec<_>>().join(", "))
            }
            Self::Unknown => f.write_str("unknown"),
            Self::Ref(address) => address.fmt(f),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_u64(*number),
            Self::Flag(value) => serializer.serialize_bool(*value),
            Self::Set(words) => serializer.collect_seq(words.iter().map(|word| &**word)),
            // The address: no resource on the service has such a content.
            Self::Ref(address) => serializer.collect_str(address),
            Self::References(_) | Self::Unknown => serializer.serialize_none(),
        }
    }
}

impl Object {
    /// Makes a resource from the values of its kind's managed fields, in their order; long texts
    /// are in canonical form ([`Value::text`]).
    pub fn new(kind: &'static Kind, values: impl Into<Arc<[Value]>>) -> Self {
        let values = values.into();
        let hash = content_hash(kind, &values);
        Self { kind, values, hash }
    }

    /// Makes a resource of which nothing is known.
    pub fn unknown(kind: &'static Kind) -> Self {
        Self::new(kind, kind.managed().map(|_| Value::Unknown).collect::<Vec<_>>())
    }

    /// Makes an agent of which only the name is known.
    pub fn agent(name: &str) -> Self {
        Self::unknown(&AGENT).with(NAME, Value::Text(name.into()))
    }

    /// Makes a task.
    pub fn task(
        name: &str,
        agent_id: u64,
        project_preference: &str,
        prompt: impl AsRef<str> + Into<Arc<str>>,
    ) -> Self {
        let value = |field: &'static Field| match field.name {
            NAME => Value::Text(name.into()),
            AGENT_ID => Value::Integer(agent_id),
            PROJECT_PREFERENCE => Value::Text(project_preference.into()),
            _ => Value::Unknown,
        };
        let task = Self { kind: &TASK, values: TASK.managed().map(value).collect(), hash: None };
        task.with(PROMPT, Value::text(Shape::LongText, prompt))
    }

    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Its managed fields with their values.
    pub fn fields(&self) -> impl Iterator<Item = (&'static Field, &Value)> {
        self.kind.managed().zip(self.values.iter())
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> &Value {
        self.kind.position(field).map_or(&Value::Unknown, |at| &self.values[at])
    }

    /// The text of a field, where it is known.
    pub fn text(&self, field: &str) -> Option<&Arc<str>> {
        if let Value::Text(text) = self.get(field) { Some(text) } else { None }
    }

    /// Its name, where it is known.
    pub fn name(&self) -> Option<&str> {
        self.text(NAME).map(|name| &**name)
    }

    /// Its prompt, where it is known.
    pub fn prompt(&self) -> Option<&Arc<str>> {
        self.text(PROMPT)
    }

    /// The hash of the fields that cannot change in place, where all of them are known.
    pub fn content(&self) -> Option<ContentHash> {
        self.hash
    }

    /// The hash of the prompt alone, which survives other changes.
    pub fn prompt_hash(&self) -> Option<PromptHash> {
        self.prompt().map(|prompt| PromptHash::of(prompt))
    }

    /// Returns it as a whole one, if all that decides what it is is known.
    pub fn whole(self) -> Option<Whole> {
        self.hash.map(|content| Whole { object: self, content })
    }

    /// The agent it refers to, where it is known.
    pub fn agent_id(&self) -> Option<AgentId> {
        if let Value::Integer(id) = self.get(AGENT_ID) { Some(AgentId(*id)) } else { None }
    }

    /// The same with another value of one field.
    #[must_use]
    pub fn with(&self, field: &str, value: Value) -> Self {
        let mut values = self.values.to_vec();
        if let Some(at) = self.kind.position(field) {
            values[at] = value;
        }
        Self::new(self.kind, values)
    }

    /// Whether it shows the result of all edits.
    pub fn has(&self, edits: &[Edit]) -> bool {
        edits.iter().all(|edit| *self.get(edit.field) == edit.after)
    }

    /// The fields in which it has to change to be as `desired`; what either leaves out does not count.
    pub fn edits(&self, desired: &Self) -> Vec<Edit> {
        let pairs = self.fields().zip(desired.values.iter());
        let differing = pairs.filter(|((_, before), after)| {
            before.is_known() && **after != Value::Unknown && before != after
        });
        let edit = |((field, before), after): ((&'static Field, &Value), &Value)| Edit {
            field: field.name,
            before: before.clone(),
            after: after.clone(),
        };
        differing.map(edit).collect()
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.kind.name == other.kind.name && self.values == other.values
    }
}

impl Eq for Object {}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields().map(|(field, value)| (field.name, value));
        f.debug_map().entries(fields).finish()
    }
}

/// The fields that cannot change in place, as JSON without blanks, in the order of their rows.
struct Replaced<'a>(&'static Kind, &'a [Value]);

impl Serialize for Replaced<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.0.managed().zip(self.1) {
            if field.on_change == OnChange::Replaces {
                map.serialize_entry(field.name, value)?;
            }
        }
        map.end()
    }
}

/// The bytes of that JSON beside its texts, line ends of many lines included.
const ROOM: usize = 256;

fn content_hash(kind: &'static Kind, values: &[Value]) -> Option<ContentHash> {
    if kind.identity != Identity::ByContent {
        return None;
    }
    let fields = || kind.managed().zip(values);
    let mut replacing = fields().filter(|(field, _)| field.on_change == OnChange::Replaces);
    if !replacing.all(|(_, value)| value.is_known()) {
        return None;
    }
    let length = |value: &Value| if let Value::Text(text) = value { text.len() } else { 0 };
    let mut json = Vec::with_capacity(values.iter().map(length).sum::<usize>() + ROOM);
    serde_json::to_writer(&mut json, &Replaced(kind, values)).expect("values are always JSON");
    Some(ContentHash::of(&json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_canonical_json() {
        let task = Object::task("n", 47, "project-for-task", "Say \"hi\"\r\n");
        let json = format!(
            r#"{{"{AGENT_ID}":47,"projectPreference":"project-for-task","prompt":"Say \"hi\""}}"#
        );
        let hash = task.content().expect("all of it is known");
        assert_eq!(hash, ContentHash::of(json.as_bytes()));
        assert_eq!(ContentHash::from_hex(&hash.to_string()), Some(hash));
    }

    #[test]
    fn every_field_but_the_name_counts() {
        let base = Object::task("n", 1, "project-for-task", "p");
        for (other, is_equal) in [
            (Object::task("n", 2, "project-for-task", "p"), false),
            (Object::task("n", 1, "project-for-task", "q"), false),
            (Object::task("n", 1, "project-each-task-deployment", "p"), false),
            (Object::task("m", 1, "project-for-task", "p"), true),
        ] {
            assert_eq!(base.content() == other.content(), is_equal, "{other:?}");
        }
        assert_eq!(base.with(PROMPT, Value::Unknown).content(), None);
    }

    #[test]
    fn edits_are_the_fields_that_differ_where_both_are_known() {
        let old = Object::task("n", 1, "project-for-task", "p");
        let new = Object::task("m", 2, "project-for-task", "p");
        let fields = |edits: Vec<Edit>| edits.iter().map(|edit| edit.field).collect::<Vec<_>>();
        assert_eq!(fields(old.edits(&new)), [NAME, AGENT_ID]);
        assert_eq!(fields(old.with(NAME, Value::Unknown).edits(&new)), [AGENT_ID]);
        assert_eq!(fields(old.edits(&new.with(AGENT_ID, Value::Unknown))), [NAME]);
    }
}
