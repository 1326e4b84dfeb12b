//! The lenient form to what it means, with all findings: tasks and defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::{Code, Place};
use crate::kinds::{self, NAME, OnChange, PROMPT, Shape, TASK};
use crate::manifest::deployment::deployments;
use crate::manifest::entries::Entries;
use crate::manifest::field_read::FieldRead;
use crate::manifest::fields::{self, Stands, other_name};
use crate::manifest::node::{Node, Style};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::value::{Given, Pinned, SHOWN, given, has_room, length, name};
use crate::manifest::{DesiredDeployment, LeftOut, TaskConfig, Template};
use crate::model::{Key, TaskId};
use crate::resource::{Object, Value};

/// The fields that a task may leave to `defaults`.
pub(super) struct Fields {
    /// In the order of the kind's rows.
    values: Vec<FieldRead<Given>>,
    protect: FieldRead<bool>,
    deployments: FieldRead<Deployments>,
}

/// Shared, because those of `defaults` are those of every task.
type Deployments = Arc<BTreeMap<Key, DesiredDeployment>>;

impl Fields {
    /// No field given.
    pub(super) fn absent() -> Self {
        let values = TASK.managed().map(|_| FieldRead::Absent).collect();
        Self { values, protect: FieldRead::Absent, deployments: FieldRead::Absent }
    }

    /// Every field given and wrong: nothing is to be reported as missing.
    fn broken() -> Self {
        let values = TASK.managed().map(|_| FieldRead::Broken).collect();
        Self { values, protect: FieldRead::Broken, deployments: FieldRead::Broken }
    }
}

/// Reads `defaults`.
pub(super) fn defaults(reader: &mut Reader<'_>, node: &Node<'_>) -> Fields {
    let Some(entries) = reader.entries(node, Owner::Defaults, &fields::TASK) else {
        return Fields::broken();
    };
    let own = fields::TASK.iter().filter(|spec| spec.stands == Stands::InTasks);
    for field in own.map(|spec| spec.name) {
        if let Some(key) = entries.key(field) {
            let message = format!("`{field}` cannot be in `defaults`");
            let finding = reader.error(Code::MisplacedField, message, &key.span);
            reader.report(finding.help("every task has its own; write it in the task"));
        }
    }
    let mut fields = read_fields(reader, &entries, Owner::Defaults, Pinned::No);
    if node.style == Style::Incomplete {
        for value in &mut fields.values {
            if let FieldRead::Absent = value {
                *value = FieldRead::Broken;
            }
        }
    }
    fields
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
    let place = reader.place(&key_node.span);
    let entries = reader.entries(node, owner, &fields::TASK);
    let Some(entries) = entries.filter(|entries| !reader.is_matrix_left_out(entries, owner)) else {
        let (key, name, content) = (key.clone(), None, None);
        reader.left_out.push(LeftOut { key, name, content, is_pinned: false, place });
        return None;
    };
    let pin: FieldRead<TaskId> = match entries.value("id") {
        None => FieldRead::Absent,
        Some(node) => reader.number(node, "id", owner, SHOWN).map(TaskId).into(),
    };
    let pinned = if matches!(pin, FieldRead::Absent) { Pinned::No } else { Pinned::Yes };
    let own = read_fields(reader, &entries, owner, pinned);
    let is_whole = node.style != Style::Incomplete;
    let values = values(reader, (key, key_node, is_whole), &entries, own.values, defaults);
    // What is left out is kept too, so that it counts as well.
    let has_room = has_room(reader, values.iter().flatten().map(length).sum(), key_node);
    let is_known =
        |value: &Option<Given>| value.as_ref().is_some_and(|given| given.value != Value::Unknown);
    if !has_room || !values.iter().all(is_known) {
        let is_pinned = pinned == Pinned::Yes;
        reader.left_out.push(left_out(key, &values, has_room, is_pinned, place));
        return None;
    }
    let given: Vec<Given> = values.into_iter().flatten().collect();
    let files = TASK.managed().zip(&given);
    let files =
        files.filter_map(|(field, given)| Some((field.name, given.file.clone()?))).collect();
    Some(TaskConfig {
        template: template(&given),
        scope: key_node.scope.clone(),
        files,
        references: given.iter().flat_map(|given| given.references.clone()).collect(),
        object: Object::new(&TASK, given.into_iter().map(|given| given.value).collect::<Vec<_>>()),
        pin: if let FieldRead::Sound(pin) = pin { Some(pin) } else { None },
        // What cannot be read as unprotected is protected.
        protect: match own.protect.or(&defaults.protect) {
            FieldRead::Sound(protect) => protect,
            FieldRead::Absent => false,
            FieldRead::Broken => true,
        },
        deployments: match own.deployments.or(&defaults.deployments) {
            FieldRead::Sound(deployments) => deployments,
            FieldRead::Absent | FieldRead::Broken => Deployments::default(),
        },
        place,
    })
}

/// What renders the prompt as of another commit.
fn template(given: &[Given]) -> Option<Template> {
    let prompt = TASK.managed().zip(given).find(|(field, _)| field.name == PROMPT);
    prompt.and_then(|(_, given)| given.template.clone())
}

/// The value of every managed field of a task: its own, else that of the defaults.
fn values(
    reader: &mut Reader<'_>,
    (key, key_node, is_whole): (&Key, &Node<'_>, bool),
    entries: &Entries<'_, '_>,
    own: Vec<FieldRead<Given>>,
    defaults: &Fields,
) -> Vec<Option<Given>> {
    let owner = Owner::Task(key.as_str());
    let mut values = Vec::with_capacity(own.len());
    for ((field, own), default) in TASK.managed().zip(own).zip(&defaults.values) {
        values.push(if field.name == NAME {
            name(reader, key, key_node, entries, owner).map(Given::from)
        } else {
            match (own, default) {
                (FieldRead::Sound(given), _) => Some(given),
                (FieldRead::Absent, FieldRead::Sound(given)) => Some(given.clone()),
                // One and the same for all tasks that take it.
                (FieldRead::Absent, FieldRead::Broken) => Some(Given::from(Value::Unknown)),
                (FieldRead::Broken, _) => None,
                (FieldRead::Absent, FieldRead::Absent) => {
                    if is_whole {
                        missing(reader, field, owner, key_node);
                    }
                    None
                }
            }
        });
    }
    values
}

/// What could be understood of a task; its content is kept where there is room for it.
fn left_out(
    key: &Key,
    values: &[Option<Given>],
    has_room: bool,
    is_pinned: bool,
    place: Place,
) -> LeftOut {
    let value = |given: &Option<Given>| given.as_ref().map(|given| given.value.clone());
    let name = TASK.managed().zip(values).find(|(field, _)| field.name == NAME);
    let name = match name.and_then(|(_, given)| value(given)) {
        Some(Value::Text(name)) => Some(name),
        _ => None,
    };
    let content = has_room.then(|| replaced(TASK.managed().zip(values)).map(value).collect());
    LeftOut { key: key.clone(), name, content: content.flatten(), is_pinned, place }
}

/// Of values with their fields those that cannot change in place: what a task is.
pub(super) fn replaced<T>(
    values: impl Iterator<Item = (&'static kinds::Field, T)>,
) -> impl Iterator<Item = T> {
    let replaced = values.filter(|(field, _)| field.on_change == OnChange::Replaces);
    replaced.map(|(_, value)| value)
}

/// Reports a field that neither the task nor `defaults` has.
fn missing(reader: &mut Reader<'_>, field: &kinds::Field, owner: Owner<'_>, key_node: &Node<'_>) {
    let name = field.name;
    let ways: Vec<String> = match (field.shape, other_name(field)) {
        (Shape::Word(words), _) => words.iter().map(|word| format!("`{name}: {word}`")).collect(),
        (_, other) => std::iter::once(name).chain(other).map(|name| format!("`{name}`")).collect(),
    };
    let message = format!("missing field `{name}` of {owner}");
    let finding = reader.error(Code::MissingField, message, &key_node.span);
    reader
        .report(finding.help(format!("write {}, in the task or in `defaults`", ways.join(" or "))));
}

fn read_fields(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Fields {
    let given = |field: &'static kinds::Field| match field.name {
        // Every task has its own.
        NAME => FieldRead::Absent,
        _ => given(reader, entries, field, owner, pinned),
    };
    Fields {
        values: TASK.managed().map(given).collect(),
        protect: match entries.value("protect") {
            None => FieldRead::Absent,
            Some(node) => reader.boolean(node, "protect", owner).into(),
        },
        deployments: match entries.value("deployments") {
            None => FieldRead::Absent,
            Some(node) => deployments(reader, node, owner).map(Arc::new).into(),
        },
    }
}
