//! The endpoints of contract 1.1, each one a row: its path, its fields, and what it does.

use serde_json::Map;

use super::fields::{AGENT_ID, FieldRule, RequestFields, ValueKind, optional, required};
use super::handler::HandlerResult;
use super::world::World;
use super::{agents, deployments, tasks};

/// One endpoint.
pub(super) struct Route {
    path: &'static str,
    fields: &'static [FieldRule],
    run: fn(&mut World, &RequestFields) -> HandlerResult,
}

const AGENT: &[FieldRule] = &[required(AGENT_ID, ValueKind::Id)];
const TASK: &[FieldRule] = &[required("taskId", ValueKind::Id)];
const DEPLOYMENT: &[FieldRule] = &[required("deploymentId", ValueKind::Text)];
const ORGANIZATION: &[FieldRule] = &[required("organizationId", ValueKind::Text)];
const PREFERENCES: &[&str] = &["project-each-task-deployment", "project-for-task"];
const TASK_CREATE: &[FieldRule] = &[
    required("organizationId", ValueKind::Text),
    required(AGENT_ID, ValueKind::Id),
    required("name", ValueKind::Text),
    required("prompt", ValueKind::Text),
    required("projectPreference", ValueKind::Word(PREFERENCES)),
];
const TASK_UPDATE: &[FieldRule] =
    &[required("taskId", ValueKind::Id), optional("name", ValueKind::Text)];
const PROMPT: &[FieldRule] =
    &[required("deploymentId", ValueKind::Text), required("prompt", ValueKind::Text)];
const CONVERSATION: &[FieldRule] =
    &[required("deploymentId", ValueKind::Text), optional("callableId", ValueKind::Text)];

const ROUTES: &[Route] = &[
    route("/authenticate", &[], |_, _| Ok(Map::new())),
    route("/agents/create", agents::CREATE, agents::create),
    route("/agents/read", AGENT, agents::read),
    route("/agents/update", agents::UPDATE, agents::update),
    route("/agents/delete", AGENT, agents::delete),
    route("/agents/list", ORGANIZATION, agents::list),
    route("/agents/tasks/create", TASK_CREATE, tasks::create),
    route("/agents/tasks/read", TASK, tasks::read),
    route("/agents/tasks/update", TASK_UPDATE, tasks::update),
    route("/agents/tasks/delete", TASK, tasks::delete),
    route("/agents/tasks/list", ORGANIZATION, tasks::list),
    route("/agents/deployments/create", TASK, deployments::create),
    route("/agents/deployments/read", DEPLOYMENT, deployments::read),
    route("/agents/deployments/prompt", PROMPT, deployments::prompt),
    route("/agents/deployments/list", TASK, deployments::list),
    route("/agents/deployments/stop", DEPLOYMENT, deployments::stop),
    route("/agents/deployments/delete", DEPLOYMENT, deployments::delete),
    route("/agents/deployments/conversation/read", CONVERSATION, deployments::conversation),
];

const fn route(
    path: &'static str,
    fields: &'static [FieldRule],
    run: fn(&mut World, &RequestFields) -> HandlerResult,
) -> Route {
    Route { path, fields, run }
}

/// Returns the endpoint of a path that [`plain_path`] made plain.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

/// Checks the request's fields and does what the endpoint does.
pub(super) fn answer(world: &mut World, route: &Route, body: &[u8]) -> HandlerResult {
    let fields = RequestFields::check(body, route.fields, &world.quirks)?;
    let organization = fields.text("organizationId");
    if organization.is_some_and(|organization| !world.organizations.contains(organization)) {
        return Err("The organization was not found, or you are not a member of it.".to_owned());
    }
    (route.run)(world, &fields)
}

/// Returns the path as [`find`] knows it: without the base, a query or doubled slashes.
///
/// The documentation's own example sends `/api/v2//agents/tasks/create` (contract 1).
pub(super) fn plain_path(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.starts_with(&["api", "v2"]) {
        parts.drain(..2);
    }
    format!("/{}", parts.join("/"))
}

/// Whether an endpoint only tells what there is.
pub(super) fn is_read(path: &str) -> bool {
    path == "/authenticate" || path.ends_with("/read") || path.ends_with("/list")
}

/// Returns the whole path that a person means, who may leave out `/agents/`.
pub(super) fn known_path(path: &str) -> Option<String> {
    let plain = plain_path(path);
    let longer = format!("/agents{plain}");
    [plain, longer].into_iter().find(|path| find(path).is_some())
}

/// Returns every path in its short form.
pub(super) fn short_paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| {
        route.path.strip_prefix("/agents/").unwrap_or_else(|| route.path.trim_start_matches('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_with_its_base_and_doubled_slashes() {
        for path in ["/api/v2//agents/tasks/list", "/agents/tasks/list/", "agents//tasks/list?a=b"]
        {
            assert_eq!(plain_path(path), "/agents/tasks/list");
        }
        assert!(find("/agents/tasks/list").is_some());
        assert!(find("/agents/tasks").is_none());
    }

    #[test]
    fn a_person_may_leave_out_the_first_part_of_a_path() {
        assert_eq!(known_path("tasks/list").unwrap(), "/agents/tasks/list");
        assert_eq!(known_path("authenticate").unwrap(), "/authenticate");
        assert_eq!(known_path("list").unwrap(), "/agents/list");
        assert_eq!(known_path("lists"), None);
        assert_eq!(short_paths().count(), 18);
    }
}
