//! Request bodies: documented fields, never null (contract 15.9).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::kinds::{AGENT_ID, Kind, Shape};
use crate::resource::{Edit, Object, Reference, Value};

/// An empty object, for the credential check.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// The body of the lists of an organization.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationOnly<'a> {
    pub(crate) organization_id: &'a str,
}

/// The body of calls about one agent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentOnly {
    pub(crate) agent_id: u64,
}

/// The body of calls about one task, starting a deployment among them (contract 4.1).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskOnly {
    pub(crate) task_id: u64,
}

/// The body of calls about one deployment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentOnly<'a> {
    pub(crate) deployment_id: &'a str,
}

/// The body that makes a resource (contract 3.1): its fields by the rows of its kind.
#[derive(Debug)]
pub(crate) struct Create<'a> {
    pub(crate) organization_id: &'a str,
    pub(crate) object: &'a Object,
}

/// The body that changes fields of a resource in place (contract 3.3): those and no others.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) id: u64,
    pub(crate) edits: &'a [Edit],
}

impl Serialize for Create<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("organizationId", self.organization_id)?;
        for (field, value) in self.object.fields().filter(|(_, value)| value.is_known()) {
            body.serialize_entry(field.name, &Shaped(field.shape, value))?;
        }
        body.end()
    }
}

impl Serialize for Update<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry(self.kind.calls.id, &self.id)?;
        for edit in self.edits.iter().filter(|edit| edit.after.is_known()) {
            let field = self.kind.managed().find(|field| field.name == edit.field);
            let shape = field.map_or(Shape::Line, |field| field.shape);
            body.serialize_entry(edit.field, &Shaped(shape, &edit.after))?;
        }
        body.end()
    }
}

/// A value as the service takes it in a field of this shape.
struct Shaped<'a>(Shape, &'a Value);

impl Serialize for Shaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Shape::Member(name), number) => serializer.collect_map([(name, number)]),
            (Shape::References(name) | Shape::Sequence(name), Value::References(members)) => {
                let ids = members.iter().filter_map(|(reference, number)| match reference {
                    Reference::Id(id) => Some((*id, *number)),
                    Reference::Ref(_) => None,
                });
                serializer.collect_seq(ids.map(|(id, number)| Member { id, name, number }))
            }
            (_, value) => value.serialize(serializer),
        }
    }
}

/// A member of a list of references.
struct Member {
    id: u64,
    /// What the number is called.
    name: &'static str,
    number: Option<u64>,
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut member = serializer.serialize_map(None)?;
        member.serialize_entry(AGENT_ID, &self.id)?;
        if let Some(number) = self.number {
            member.serialize_entry(self.name, &number)?;
        }
        member.end()
    }
}

/// The body that sends a follow-up (contract 4.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptDeployment<'a> {
    pub(crate) deployment_id: &'a str,
    pub(crate) prompt: &'a str,
}
