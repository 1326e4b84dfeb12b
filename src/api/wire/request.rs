//! Request bodies: documented fields, never null (contract 15.9).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::kinds::Kind;
use crate::resource::{Edit, Object};

/// An empty object, for the credential check.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// The body of the lists of an organization.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationOnly<'a> {
    pub(crate) organization_id: &'a str,
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
            body.serialize_entry(field.name, value)?;
        }
        body.end()
    }
}

impl Serialize for Update<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry(self.kind.calls.id, &self.id)?;
        for edit in self.edits.iter().filter(|edit| edit.after.is_known()) {
            body.serialize_entry(edit.field, &edit.after)?;
        }
        body.end()
    }
}

/// The body that sends a follow-up (contract 4.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptDeployment<'a> {
    pub(crate) deployment_id: &'a str,
    pub(crate) prompt: &'a str,
}
