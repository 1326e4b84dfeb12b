//! Request bodies: documented fields, never null (contract 15.9).

use serde::Serialize;

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

/// The body that makes a task (contract 3.1).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateTask<'a> {
    pub(crate) organization_id: &'a str,
    pub(crate) agent_id: u64,
    pub(crate) name: &'a str,
    pub(crate) prompt: &'a str,
    pub(crate) project_preference: &'a str,
}

/// The body that renames a task; nothing else of it can change (contract 3.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RenameTask<'a> {
    pub(crate) task_id: u64,
    pub(crate) name: &'a str,
}

/// The body that sends a follow-up (contract 4.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptDeployment<'a> {
    pub(crate) deployment_id: &'a str,
    pub(crate) prompt: &'a str,
}
