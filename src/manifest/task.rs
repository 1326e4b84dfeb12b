//! The lenient form to what it means, with all findings: tasks and defaults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::{Code, Place};
use crate::kinds::{self, NAME, OnChange, Shape, TASK};
use crate::manifest::deployment::deployments;
use crate::manifest::fields::{self, Stands, other_name};
use crate::manifest::node::{self, Node, Style};
use crate::manifest::owner::Owner;
use crate::manifest::reader::{Entries, FieldRead, Reader};
use crate::manifest::shape::{self, ValueShape};
use crate::manifest::suggest::nearest;
use crate::manifest::text::no_nul;
use crate::manifest::{DesiredDeployment, LeftOut, TaskConfig};
use crate::model::{Key, TaskId, archived_base};
use crate::resource::{Address, Object, Value};

/// What is said where a number of the service was to be written.
const SHOWN: &str = "write the number that the service shows, such as `47`";

/// The most bytes that the prompts of a manifest's tasks have together: one that `defaults` holds
/// counts for each task, since each is hashed and compared.
const MOST_TEXT: usize = 64 << 20;

/// Whether a task is pinned to an id, and with it free to hold what the service holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pinned {
    Yes,
    No,
}

/// The fields that a task may leave to `defaults`.
pub(super) struct Fields {
    /// In the order of the kind's rows.
    values: Vec<FieldRead<Given>>,
    protect: FieldRead<bool>,
    deployments: FieldRead<Deployments>,
}

/// Shared, because those of `defaults` are those of every task.
type Deployments = Arc<BTreeMap<Key, DesiredDeployment>>;

/// A value, and where it comes from.
#[derive(Clone)]
struct Given {
    value: Value,
    /// The file that holds it.
    file: Option<Arc<str>>,
    /// The place of a name that refers to another resource.
    place: Option<Place>,
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self { value, file: None, place: None }
    }
}

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
    let Some(entries) = reader.entries(node, owner, &fields::TASK) else {
        let place = reader.place(&key_node.span);
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
    let place = reader.place(&key_node.span);
    let length = |given: &Given| match &given.value {
        Value::Text(text) => text.len(),
        _ => 0,
    };
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
        files,
        references: given.iter().filter_map(|given| given.place.clone()).collect(),
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
            name(reader, key, key_node, entries).map(Given::from)
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

/// Counts the texts of one more task; says so once where all are too large together.
fn has_room(reader: &mut Reader<'_>, length: usize, key_node: &Node<'_>) -> bool {
    let was_within = reader.prompt_bytes <= MOST_TEXT;
    reader.prompt_bytes = reader.prompt_bytes.saturating_add(length);
    let is_within = reader.prompt_bytes <= MOST_TEXT;
    if was_within && !is_within {
        let message =
            format!("the prompts of the tasks have more than {} MiB together", MOST_TEXT >> 20);
        let finding = reader.error(Code::TooMuchText, message, &key_node.span);
        reader.report(finding.help("divide the manifest, or shorten the prompts"));
    }
    is_within
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

/// Reads a field of the kind, whichever way it is given.
fn given(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    field: &'static kinds::Field,
    owner: Owner<'_>,
    pinned: Pinned,
) -> FieldRead<Given> {
    let other = other_name(field);
    let is_double = other.is_some_and(|other| exclude(reader, entries, [field.name, other], owner));
    let direct = entries.value(field.name).map(|node| value(reader, node, field, owner, pinned));
    let indirect = other.and_then(|name| {
        let node = entries.value(name)?;
        Some(match field.shape {
            Shape::Reference(kind) => reference(reader, node, name, kind, owner),
            _ => from_file(reader, node, name, owner, pinned),
        })
    });
    let mut names = std::iter::once(field.name).chain(other);
    match direct.map(|value| value.map(Given::from)).or(indirect) {
        None if names.any(|name| entries.is_misspelled(name)) => FieldRead::Broken,
        None => FieldRead::Absent,
        Some(_) if is_double => FieldRead::Broken,
        Some(given) => given.into(),
    }
}

/// Reads a value by the shape of its field.
fn value(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    field: &'static kinds::Field,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Option<Value> {
    match field.shape {
        Shape::Line => Some(Value::text(field.shape, reader.text(node, field.name, owner)?)),
        // No field of a manifest holds one yet.
        Shape::Set | Shape::References(_) | Shape::Member(_) | Shape::Setting => None,
        Shape::Reference(_) | Shape::Integer => {
            reader.number(node, field.name, owner, SHOWN).map(Value::Integer)
        }
        Shape::Flag => reader.boolean(node, field.name, owner).map(Value::Flag),
        Shape::Word(words) => word(reader, node, (field.name, words), owner, pinned),
        Shape::LongText => {
            let text = match &node.value {
                // `$` is ordinary text in a prompt.
                node::NodeValue::Text(text) => {
                    reader.warn_of_writing(node, text, field.name, owner);
                    if reader.is_text_unmerged(text, node, (field.name, owner)) {
                        return None;
                    }
                    reader.note_changes(text, node, None, (field.name, owner));
                    text.as_ref()
                }
                node::NodeValue::Null => "",
                _ => {
                    reader.wrong(node, field.name, owner, ValueShape::Text);
                    return None;
                }
            };
            long_text(reader, text, node, (field.name, owner, pinned))
        }
    }
}

/// Reads the name of another resource.
fn reference(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    name: &str,
    kind: &'static str,
    owner: Owner<'_>,
) -> Option<Given> {
    let key = reader.text(node, name, owner)?.as_ref().into();
    let place = Some(reader.place(&node.span));
    Some(Given { value: Value::Ref(Address { kind, key }), file: None, place })
}

/// Reads a long text out of the file that is named.
fn from_file(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    name: &str,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Option<Given> {
    let path = reader.text(node, name, owner)?;
    let text = reader.source.read(&path);
    match text.and_then(|text| no_nul(&path, &text).map(|()| text)) {
        Ok(text) => {
            if text == reader.text {
                let message = format!("`{name}` of {owner} names the manifest itself");
                let finding = reader.error(Code::UnreadableFile, message, &node.span);
                reader.report(finding.help("write the text into a file of its own"));
                return None;
            }
            if reader.is_file_unmerged(&text, &path, node, (name, owner)) {
                return None;
            }
            reader.note_changes(&text, node, Some(&path), (name, owner));
            let value = long_text(reader, &text, node, (name, owner, pinned))?;
            Some(Given { value, file: Some(path.as_ref().into()), place: None })
        }
        Err(unreadable) => {
            let message = format!("`{name}` of {owner} cannot be read");
            let finding = reader.error(Code::UnreadableFile, message, &node.span);
            let usual = "the path is relative to the manifest and stays inside its repository";
            reader.report(unreadable.explain(finding, usual));
            None
        }
    }
}

fn name(
    reader: &mut Reader<'_>,
    key: &Key,
    key_node: &Node<'_>,
    entries: &Entries<'_, '_>,
) -> Option<Value> {
    let owner = Owner::Task(key.as_str());
    let (name, node): (Cow<'_, str>, _) = match entries.value(NAME) {
        Some(node) => (reader.text(node, NAME, owner)?, node),
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
    let Some((problem, way)) = refusal else { return Some(Value::Text(name.trim().into())) };
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

fn long_text(
    reader: &mut Reader<'_>,
    text: &str,
    node: &Node<'_>,
    (field, owner, pinned): (&str, Owner<'_>, Pinned),
) -> Option<Value> {
    let value = Value::text(Shape::LongText, text);
    if pinned == Pinned::No && value == Value::Text("".into()) {
        let message = format!("`{field}` of {owner} is empty");
        let finding = reader.error(Code::EmptyPrompt, message, &node.span);
        let finding = finding.help("write what the agent is to do");
        reader.report(match (&node.value, node.style) {
            (node::NodeValue::Null, Style::Commented(_)) => finding.help(shape::COMMENT),
            _ => finding,
        });
        return None;
    }
    Some(value)
}

/// Reads one of some words; a pinned task may hold whatever the service holds.
fn word(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    (field, words): (&str, &[&str]),
    owner: Owner<'_>,
    pinned: Pinned,
) -> Option<Value> {
    let word = reader.text(node, field, owner)?;
    if words.contains(&&*word) || pinned == Pinned::Yes {
        return Some(Value::Text(word.into()));
    }
    // As written: the value of a variable may be a secret.
    let written = reader.as_written(node);
    let message = format!("unknown `{field}` of {owner}: `{written}`");
    let finding = reader.error(Code::UnknownPreference, message, &node.span);
    reader.report(match nearest(&word, words.iter().copied()) {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.help(format!("write `{}`", words.join("` or `"))),
    });
    None
}
