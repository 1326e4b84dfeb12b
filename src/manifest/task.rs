//! The lenient form to what it means, with all findings: tasks and defaults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::Code;
use crate::manifest::deployment::deployments;
use crate::manifest::fields::{Stands, TASK};
use crate::manifest::parse::{Node, Value};
use crate::manifest::reader::{Entries, Field, Owner, Reader};
use crate::manifest::suggest::nearest;
use crate::manifest::{AgentRef, DesiredDeployment, TaskConfig};
use crate::model::{AgentId, Key, ProjectPreference, TaskId, archived_base, canonical_text};

/// What is said where a number of the service was to be written.
const SHOWN: &str = "write the number that the service shows, such as `47`";

/// Whether a task is pinned to an id, and with it free to hold what the service holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pinned {
    Yes,
    No,
}

/// The fields that a task may leave to `defaults`.
pub(super) struct Fields {
    agent: Field<AgentRef>,
    prompt: Field<Prompt>,
    project_preference: Field<ProjectPreference>,
    protect: Field<bool>,
    deployments: Field<BTreeMap<Key, DesiredDeployment>>,
}

/// A prompt and where it comes from.
#[derive(Clone)]
struct Prompt {
    text: Arc<str>,
    file: Option<Arc<str>>,
}

impl Fields {
    /// No field given.
    pub(super) fn absent() -> Self {
        Self {
            agent: Field::Absent,
            prompt: Field::Absent,
            project_preference: Field::Absent,
            protect: Field::Absent,
            deployments: Field::Absent,
        }
    }

    /// Every field given and wrong: nothing is to be reported as missing.
    fn broken() -> Self {
        Self {
            agent: Field::Broken,
            prompt: Field::Broken,
            project_preference: Field::Broken,
            protect: Field::Broken,
            deployments: Field::Broken,
        }
    }
}

/// Reads `defaults`.
pub(super) fn defaults(reader: &mut Reader<'_>, node: &Node<'_>) -> Fields {
    let Some(entries) = reader.entries(node, Owner::Defaults, TASK) else {
        return Fields::broken();
    };
    let own = TASK.iter().filter(|spec| spec.stands == Stands::InTasks);
    for field in own.map(|spec| spec.name) {
        if let Some(key) = entries.key(field) {
            let message = format!("`{field}` cannot be in `defaults`");
            let finding = reader.error(Code::MisplacedField, message, &key.span);
            reader.report(finding.help("every task has its own; write it in the task"));
        }
    }
    fields(reader, &entries, Owner::Defaults, Pinned::No)
}

/// Reads a task; `None` if it cannot be understood.
pub(super) fn task(
    reader: &mut Reader<'_>,
    key: &Key,
    key_node: &Node<'_>,
    node: &Node<'_>,
    defaults: &Fields,
) -> Option<TaskConfig> {
    let owner = Owner::Task(key.as_str());
    let entries = reader.entries(node, owner, TASK)?;
    let pin: Field<TaskId> = match entries.value("id") {
        None => Field::Absent,
        Some(node) => reader.number(node, "id", owner, SHOWN).map(TaskId).into(),
    };
    let pinned = if matches!(pin, Field::Absent) { Pinned::No } else { Pinned::Yes };
    let own = fields(reader, &entries, owner, pinned);
    let name = name(reader, key, key_node, &entries);
    let agent = own.agent.or(&defaults.agent);
    let prompt = own.prompt.or(&defaults.prompt);
    let project_preference = own.project_preference.or(&defaults.project_preference);
    let mut require = |is_absent: bool, field: &str, way: &str| {
        if is_absent {
            let message = format!("missing field {field} of {owner}");
            let finding = reader.error(Code::MissingField, message, &key_node.span);
            reader.report(finding.help(format!("{way}, in the task or in `defaults`")));
        }
    };
    require(matches!(agent, Field::Absent), "`agentId`", "write `agentId` or `agent`");
    require(matches!(prompt, Field::Absent), "`prompt`", "write `prompt` or `promptFile`");
    let [each, one] = ProjectPreference::WRITABLE;
    require(
        matches!(project_preference, Field::Absent),
        "`projectPreference`",
        &format!("write `projectPreference: {each}` or `projectPreference: {one}`"),
    );
    let sound = |field: Field<BTreeMap<Key, DesiredDeployment>>| match field {
        Field::Sound(deployments) => deployments,
        Field::Absent | Field::Broken => BTreeMap::new(),
    };
    let (Field::Sound(agent), Field::Sound(prompt), Field::Sound(project_preference)) =
        (agent, prompt, project_preference)
    else {
        return None;
    };
    Some(TaskConfig {
        name: name?,
        agent,
        prompt: prompt.text,
        prompt_file: prompt.file,
        project_preference,
        pin: if let Field::Sound(pin) = pin { Some(pin) } else { None },
        // What cannot be read as unprotected is protected.
        protect: match own.protect.or(&defaults.protect) {
            Field::Sound(protect) => protect,
            Field::Absent => false,
            Field::Broken => true,
        },
        deployments: sound(own.deployments.or(&defaults.deployments)),
        place: reader.place(&key_node.span),
    })
}

fn fields(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Fields {
    Fields {
        agent: agent(reader, entries, owner),
        prompt: prompt(reader, entries, owner, pinned),
        project_preference: match entries.value("projectPreference") {
            None => Field::Absent,
            Some(node) => preference(reader, node, owner, pinned).into(),
        },
        protect: match entries.value("protect") {
            None => Field::Absent,
            Some(node) => reader.boolean(node, "protect", owner).into(),
        },
        deployments: match entries.value("deployments") {
            None => Field::Absent,
            Some(node) => deployments(reader, node, owner).into(),
        },
    }
}

fn name(
    reader: &mut Reader<'_>,
    key: &Key,
    key_node: &Node<'_>,
    entries: &Entries<'_, '_>,
) -> Option<String> {
    let owner = Owner::Task(key.as_str());
    let (name, node): (Cow<'_, str>, _) = match entries.value("name") {
        Some(node) => (reader.text(node, "name", owner)?, node),
        None => (key.as_str().into(), key_node),
    };
    let refusal = if name.contains(char::is_control) {
        Some(("holds a line break or another control character", "write it in one line"))
    } else if archived_base(&name).is_some() {
        Some((
            "looks like that of an archived task",
            "such names are ours for superseded tasks; give it another `name`",
        ))
    } else {
        None
    };
    let Some((problem, way)) = refusal else { return Some(name.trim().to_owned()) };
    let message = format!("the `name` of {owner} {problem}");
    let finding = reader.error(Code::InvalidName, message, &node.span);
    reader.report(finding.help(way));
    None
}

/// Reports two fields that exclude each other; returns whether both are given.
fn exclude(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    fields: [&str; 2],
    owner: Owner<'_>,
) -> bool {
    let (Some(first), Some(second)) = (entries.key(fields[0]), entries.key(fields[1])) else {
        return false;
    };
    let (first, second) =
        if first.span.start <= second.span.start { (first, second) } else { (second, first) };
    let message = format!("{owner} has both `{}` and `{}`", fields[0], fields[1]);
    let finding = reader
        .error(Code::ConflictingFields, message, &second.span)
        .see(reader.place(&first.span), "the other one")
        .help("keep one of the two");
    reader.report(finding);
    true
}

fn agent(reader: &mut Reader<'_>, entries: &Entries<'_, '_>, owner: Owner<'_>) -> Field<AgentRef> {
    let is_double = exclude(reader, entries, ["agentId", "agent"], owner);
    let by_id = entries.value("agentId").map(|node| {
        reader.number(node, "agentId", owner, SHOWN).map(|id| AgentRef::Id(AgentId(id)))
    });
    let by_name = entries.value("agent").map(|node| {
        let name = reader.text(node, "agent", owner)?;
        Some(AgentRef::Name(name.into_owned(), reader.place(&node.span)))
    });
    match by_id.or(by_name) {
        None => Field::Absent,
        Some(_) if is_double => Field::Broken,
        Some(agent) => agent.into(),
    }
}

fn prompt(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Field<Prompt> {
    let is_double = exclude(reader, entries, ["prompt", "promptFile"], owner);
    let written = entries.value("prompt").map(|node| {
        let text = match &node.value {
            // `$` is ordinary text in a prompt.
            Value::Text(text) => text.as_ref(),
            Value::Null => "",
            _ => {
                reader.wrong(node, "prompt", owner, "a text");
                return None;
            }
        };
        let text = checked_prompt(reader, text, node, ("prompt", owner, pinned))?;
        Some(Prompt { text, file: None })
    });
    let from_file =
        entries.value("promptFile").map(|node| {
            let path = reader.text(node, "promptFile", owner)?;
            match reader.source.read(&path) {
                Ok(text) => {
                    let text = checked_prompt(reader, &text, node, ("promptFile", owner, pinned))?;
                    Some(Prompt { text, file: Some(path.into()) })
                }
                Err(reason) => {
                    let message = format!("`promptFile` of {owner} cannot be read: {reason}");
                    let finding = reader.error(Code::UnreadableFile, message, &node.span);
                    reader.report(finding.help(
                        "the path is relative to the manifest and stays inside its repository",
                    ));
                    None
                }
            }
        });
    match written.or(from_file) {
        None => Field::Absent,
        Some(_) if is_double => Field::Broken,
        Some(prompt) => prompt.into(),
    }
}

fn checked_prompt(
    reader: &mut Reader<'_>,
    text: &str,
    node: &Node<'_>,
    (field, owner, pinned): (&str, Owner<'_>, Pinned),
) -> Option<Arc<str>> {
    let canonical = canonical_text(text);
    if canonical.is_empty() && pinned == Pinned::No {
        let message = format!("`{field}` of {owner} is empty");
        let finding = reader.error(Code::EmptyPrompt, message, &node.span);
        reader.report(finding.help("write what the agent is to do"));
        return None;
    }
    Some(canonical.into())
}

fn preference(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Option<ProjectPreference> {
    let word = reader.text(node, "projectPreference", owner)?;
    // As written: the value of a variable may be a secret.
    let written = if let Value::Text(written) = &node.value { written } else { "" };
    let preference = ProjectPreference::from_wire(&word);
    if !matches!(preference, ProjectPreference::Other(_)) || pinned == Pinned::Yes {
        return Some(preference);
    }
    let [each, one] = &ProjectPreference::WRITABLE;
    let message = format!("unknown `projectPreference` of {owner}: `{written}`");
    let finding = reader.error(Code::UnknownPreference, message, &node.span);
    reader.report(match nearest(&word, [each.as_str(), one.as_str()]) {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.help(format!("write `{each}` or `{one}`")),
    });
    None
}
