//! The fields of an entry, by the rows of the kind.

use std::sync::Arc;

use crate::kinds::{Field, Shape, TASK};
use crate::model::AgentId;
use crate::plan::Plan;
use crate::render::escape::Untrusted;
use crate::render::lookalike::distinct;
use crate::render::textdiff::TextChange;
use crate::resource::{self, Edit, Object};

/// One field of an entry.
#[derive(Clone, Debug)]
pub struct FieldRow {
    /// The service's name of it.
    pub name: &'static str,
    /// What becomes of it.
    pub change: FieldChange,
}

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
            (ShownValue::Reference(..), Some(Shape::Reference(kind))) => kind,
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
        Some(FieldRow { name: field.name, change })
    });
    rows.collect()
}

/// The fields that change, in the order of the kind's rows.
pub(super) fn changed(plan: &Plan, edits: &[Edit]) -> Vec<FieldRow> {
    let rows = edits.iter().filter_map(|edit| {
        let field = TASK.fields.iter().find(|field| field.name == edit.field)?;
        let change = match (&edit.before, &edit.after) {
            (resource::Value::Text(old), resource::Value::Text(new))
                if matches!(field.shape, Shape::LongText) =>
            {
                FieldChange::Text(TextChange::new(old, new))
            }
            (old, new) => match (value(plan, field, old)?, value(plan, field, new)?) {
                (ShownValue::Name(old), ShownValue::Name(new)) => {
                    let (old, new) = distinct(old.raw(), new.raw());
                    FieldChange::Changed(ShownValue::Name(old), ShownValue::Name(new))
                }
                (old, new) => FieldChange::Changed(old, new),
            },
        };
        Some(FieldRow { name: field.name, change })
    });
    rows.collect()
}

/// Returns a value for eyes, or `None` where it is not known.
fn value(plan: &Plan, field: &Field, value: &resource::Value) -> Option<ShownValue> {
    let text = match value {
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
