//! The fields of an entry, by the rows of the kind.

use std::sync::Arc;

use crate::kinds::{Field, Kind, Shape, TASK};
use crate::model::AgentId;
use crate::plan::Plan;
use crate::render::escape::Untrusted;
use crate::render::lookalike::{distinct, distinct_members};
use crate::render::textdiff::TextChange;
use crate::resource::{self, Edit, Object, Reference};

/// One field of an entry.
#[derive(Clone, Debug)]
pub struct FieldRow {
    /// The service's name of it.
    pub name: &'static str,
    /// What becomes of it.
    pub change: FieldChange,
    /// Whether it was changed on the service since it was applied.
    pub is_drifted: bool,
}

/// What stands behind a field that was changed on the service.
pub(super) const DRIFTED: &str = "changed on the service since it was applied";

/// What becomes of a field.
#[derive(Clone, Debug)]
pub enum FieldChange {
    /// It is set.
    Set(ShownValue),
    /// It goes with its task.
    Gone(ShownValue),
    /// It gets another value.
    Changed(ShownValue, ShownValue),
    /// Its long text differs.
    Text(TextChange),
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownValue {
    /// A number or a word of the service's own.
    Word(Untrusted),
    /// Free text of one line.
    Name(Untrusted),
    /// Free text of any length.
    Text(Untrusted),
    /// A reference: the name of what it refers to, and the id.
    Reference(Untrusted, Untrusted),
    /// A reference to what the plan makes: its address, and that the id is known after apply.
    Pending(Untrusted),
    /// Words whose order means nothing, or references by local key, each with its number.
    Members(Vec<Untrusted>),
}

impl FieldChange {
    /// Takes a value before and after; where they look alike, what differs is spelled in both.
    pub fn changed(old: &ShownValue, new: &ShownValue) -> Self {
        use ShownValue::{Members, Name, Reference, Text, Word};
        let both = |old: &Untrusted, new: &Untrusted, of: fn(Untrusted) -> ShownValue| {
            let (old, new) = distinct(old.raw(), new.raw());
            Self::Changed(of(old), of(new))
        };
        match (old, new) {
            (Word(old), Word(new)) => both(old, new, Word),
            (Name(old), Name(new)) => both(old, new, Name),
            (Text(old), Text(new)) => both(old, new, Text),
            (Reference(old, id), Reference(new, new_id)) => {
                let (old, new) = distinct(old.raw(), new.raw());
                Self::Changed(Reference(old, id.clone()), Reference(new, new_id.clone()))
            }
            (Members(old), Members(new)) => {
                let (old, new) = distinct_members(old, new);
                Self::Changed(Members(old), Members(new))
            }
            _ => Self::Changed(old.clone(), new.clone()),
        }
    }
}

impl FieldRow {
    /// What people read it under: a reference with a name goes by the word for its kind.
    pub fn label(&self) -> &'static str {
        let (FieldChange::Set(value) | FieldChange::Gone(value) | FieldChange::Changed(_, value)) =
            &self.change
        else {
            return self.name;
        };
        let row = TASK.fields.iter().find(|field| field.name == self.name);
        match (value, row.map(|field| field.shape)) {
            (ShownValue::Reference(..) | ShownValue::Pending(_), Some(Shape::Reference(kind))) => {
                kind
            }
            _ => self.name,
        }
    }
}

/// Every field that is known, set or gone.
pub(super) fn every_field(
    plan: &Plan,
    object: &Object,
    as_change: fn(ShownValue) -> FieldChange,
) -> Vec<FieldRow> {
    let rows = object.fields().filter_map(|(field, known)| {
        let change = as_change(value(plan, field, known)?);
        Some(FieldRow { name: field.name, change, is_drifted: false })
    });
    rows.collect()
}

/// The fields of a kind that change, in the order of its rows.
pub(super) fn changed(plan: &Plan, kind: &Kind, edits: &[Edit]) -> Vec<FieldRow> {
    let rows = edits.iter().filter_map(|edit| {
        let field = kind.fields.iter().find(|field| field.name == edit.field)?;
        let change = match (&edit.before, &edit.after) {
            (resource::Value::Text(old), resource::Value::Text(new))
                if matches!(field.shape, Shape::LongText) =>
            {
                FieldChange::Text(TextChange::new(old, new))
            }
            (old, new) => match (value(plan, field, old), value(plan, field, new)?) {
                (Some(old), new) => FieldChange::changed(&old, &new),
                (None, new) => FieldChange::Set(new),
            },
        };
        Some(FieldRow { name: field.name, change, is_drifted: false })
    });
    rows.collect()
}

/// Returns a value for eyes, or `None` where it is not known.
fn value(plan: &Plan, field: &Field, value: &resource::Value) -> Option<ShownValue> {
    let text = match value {
        resource::Value::Ref(address) => {
            return Some(ShownValue::Pending(Untrusted::new(format!("{address} {PENDING}"))));
        }
        resource::Value::Set(words) => {
            let words = words.iter().map(|word| Untrusted::new(Arc::clone(word)));
            return Some(ShownValue::Members(words.collect()));
        }
        resource::Value::References(members) => {
            let members = members.iter().map(|(of, number)| member(plan, of, *number));
            return Some(ShownValue::Members(members.collect()));
        }
        resource::Value::Text(text) => Untrusted::new(Arc::clone(text)),
        resource::Value::Unknown => return None,
        other => Untrusted::new(other.to_string()),
    };
    if let (Shape::Reference(_), resource::Value::Integer(id)) = (field.shape, value)
        && let Some(name) = plan.agents.get(&AgentId(*id))
    {
        return Some(ShownValue::Reference(Untrusted::new(name.as_str()), text));
    }
    Some(match field.shape {
        Shape::Line => ShownValue::Name(text),
        Shape::LongText => ShownValue::Text(text),
        Shape::Word(_)
        | Shape::Integer
        | Shape::Flag
        | Shape::Set
        | Shape::Reference(_)
        | Shape::References(_)
        | Shape::Sequence(_)
        | Shape::Member(_)
        | Shape::Setting => ShownValue::Word(text),
    })
}

/// What stands behind a reference whose id nobody knows yet.
const PENDING: &str = "(known after apply)";

/// A member of a list of references, by its local key where it has one.
fn member(plan: &Plan, of: &Reference, number: Option<u64>) -> Untrusted {
    let (mut shown, pending) = match of {
        Reference::Id(id) => {
            let key = plan.agent_keys.get(&AgentId(*id));
            (key.map_or_else(|| id.to_string(), ToString::to_string), None)
        }
        Reference::Ref(address) => (address.key.to_string(), Some(PENDING)),
    };
    for more in number.map(|number| format!("({number})")).iter().map(String::as_str).chain(pending)
    {
        shown.push(' ');
        shown.push_str(more);
    }
    Untrusted::new(shown)
}

/// The members that come and those that go: `+new -old`; all of them where there was no list before.
pub(super) fn member_changes<'m>(
    old: &'m [Untrusted],
    new: &'m [Untrusted],
) -> (Vec<&'m Untrusted>, Vec<&'m Untrusted>) {
    let added = new.iter().filter(|member| !old.contains(member));
    let removed = old.iter().filter(|member| !new.contains(member));
    (added.collect(), removed.collect())
}

/// A value on one line.
pub(super) fn in_line(value: &ShownValue) -> String {
    match value {
        ShownValue::Word(text) | ShownValue::Pending(text) => text.part(),
        ShownValue::Name(text) | ShownValue::Text(text) => text.quoted(),
        ShownValue::Reference(name, id) => format!("{} ({})", name.quoted(), id.part()),
        ShownValue::Members(members) if members.is_empty() => "none".to_owned(),
        ShownValue::Members(members) => {
            members.iter().map(Untrusted::part).collect::<Vec<_>>().join(", ")
        }
    }
}
