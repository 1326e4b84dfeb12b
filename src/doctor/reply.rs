//! The service's objects in raw JSON, against the fields that its contract names.

use serde_json::{Map, Value};

/// An object of an answer.
pub(super) type Members = Map<String, Value>;

/// The fields of a task (contract 3.6).
const TASK: &str = "id name organizationId agentId prompt deployments lastDeploymentId \
                    lastDeploymentTime created updated projectId owner upcomingDeployments status \
                    schedule scheduleHuman projectPreference notifications";

/// The fields of a task without which a plan cannot decide.
const NEEDED: &str = "id name agentId prompt projectPreference deployments status schedule \
                      notifications";

/// The members of an answer about tasks (contract 1, 6.1).
const ENVELOPE: &str = "success errors messages Message task tasks";

/// The objects of a list; empty where there is none.
pub(super) fn entries<'a>(reply: &'a Members, name: &str) -> Vec<&'a Members> {
    let list = reply.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object).collect()
}

/// The id of an object, as a number or as digits in quotes.
pub(super) fn id(object: &Members) -> Option<u64> {
    let id = object.get("id")?;
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}

/// A text of an object.
pub(super) fn text<'a>(object: &'a Members, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// The needed fields that a task lacks.
pub(super) fn lacking(task: &Members) -> Vec<&'static str> {
    NEEDED.split(' ').filter(|name| !task.contains_key(*name)).collect()
}

/// The members of an answer and of its tasks that no document names.
pub(super) fn undocumented(reply: &Members) -> Vec<&str> {
    let outside = reply.keys().filter(|name| !ENVELOPE.split(' ').any(|known| known == *name));
    let task = reply.get("task").and_then(Value::as_object);
    let tasks = entries(reply, "tasks").into_iter().chain(task);
    let inside = tasks
        .flat_map(|task| task.keys().filter(|name| !TASK.split(' ').any(|known| known == *name)));
    let mut found: Vec<&str> = outside.chain(inside).map(String::as_str).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What the emulator calls the member `errors` of a success.
pub(super) fn errors_member(reply: &Members) -> &'static str {
    match reply.get("errors") {
        None => "missing",
        Some(Value::Null) => "null",
        Some(_) => "present",
    }
}

/// What the emulator calls the way in which ids are written.
pub(super) fn ids_sent(object: &Members) -> &'static str {
    if object.get("id").is_some_and(Value::is_string) { "strings" } else { "numbers" }
}

/// What the emulator calls the place of a refusal's text.
pub(super) fn refusal_form(reply: &Members) -> &'static str {
    let is_filled = |name: &str| match reply.get(name) {
        Some(Value::Array(lines)) => !lines.is_empty(),
        Some(Value::String(line)) => !line.is_empty(),
        _ => false,
    };
    match reply.get("errors") {
        Some(Value::Array(_)) if is_filled("errors") => "errors",
        Some(Value::String(_)) if is_filled("errors") => "string",
        _ if is_filled("messages") => "messages",
        _ if is_filled("Message") => "message",
        _ => "silent",
    }
}

/// What the emulator calls a list whose entries look so, and the fields that differ from a read.
pub(super) fn entry_form<'a>(
    entry: &Members,
    read: &'a Members,
) -> (Option<&'static str>, Vec<&'a str>) {
    // A task that changed in between has another date.
    let differing = read.iter().filter(|(name, value)| entry.get(*name) != Some(*value));
    let names: Vec<&str> = differing.map(|(name, _)| name.as_str()).collect();
    let is_bare = entry.keys().all(|name| name == "id" || name == "name");
    let is_cut = || {
        let (cut, whole) = (text(entry, "prompt")?, text(read, "prompt")?);
        Some(whole.starts_with(cut))
    };
    let form = match names[..] {
        [] => Some("whole"),
        _ if is_bare => Some("bare"),
        ["prompt"] if !entry.contains_key("prompt") => Some("without-prompt"),
        ["prompt"] if is_cut() == Some(true) => Some("cut-prompt"),
        _ => None,
    };
    (form, names)
}

/// What the emulator calls the order of a list; three entries are needed to tell.
pub(super) fn list_order(tasks: &[&Members]) -> Option<&'static str> {
    let ids: Option<Vec<u64>> = tasks.iter().map(|task| id(task)).collect();
    let ids = ids.filter(|ids| ids.len() > 2)?;
    let names: Vec<_> = tasks.iter().map(|task| text(task, "name")).collect();
    Some(if ids.is_sorted() {
        "oldest-first"
    } else if ids.is_sorted_by(|one, next| one >= next) {
        "newest-first"
    } else if names.is_sorted() {
        "by-name"
    } else {
        "shuffled"
    })
}
