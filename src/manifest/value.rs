//! The values of a kind's fields, read by the shapes of their rows.

use std::borrow::Cow;
use std::sync::Arc;

use crate::diag::{Code, Place};
use crate::kinds::{self, NAME, PROJECT_PREFERENCE, SYSTEM_PROMPT, Shape};
use crate::manifest::Unreadable;
use crate::manifest::entries::Entries;
use crate::manifest::field_read::FieldRead;
use crate::manifest::fields::other_name;
use crate::manifest::members::{references, sequence, set};
use crate::manifest::node::{self, Node, Origin, Style};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape::{self, ValueShape};
use crate::manifest::suggest::nearest;
use crate::manifest::template::{Template, is_template};
use crate::manifest::text::no_nul;
use crate::model::{Key, archived_base};
use crate::resource::{Address, Value};

/// What is said where a number of the service was to be written.
pub(super) const SHOWN: &str = "write the number that the service shows, such as `47`";

/// What is said where a count was to be written.
const POSITIVE: &str = "write a whole number, 1 or more";

/// What is said where a number of the service, or none, was to be written.
const ANY_NUMBER: &str = "write the number that the service shows, and 0 for none";

/// The most bytes that the prompts of a manifest's tasks have together: one that `defaults` holds
/// counts for each task, since each is hashed and compared.
const MOST_TEXT: usize = 64 << 20;

/// Whether a resource is pinned to an id, and with it free to hold what the service holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pinned {
    Yes,
    No,
}

/// A value, and where it comes from.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) value: Value,
    /// The file that holds it.
    pub(super) file: Option<Arc<str>>,
    /// What renders it as of another commit, where it is a template that a file is part of.
    pub(super) template: Option<Template>,
    /// The names that refer to other resources as they are written, each with its place.
    pub(super) references: Vec<(Arc<str>, Place)>,
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self { value, file: None, template: None, references: Vec::new() }
    }
}

/// Reads a field of the kind, whichever way it is given.
pub(super) fn given(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    field: &'static kinds::Field,
    owner: Owner<'_>,
    pinned: Pinned,
) -> FieldRead<Given> {
    let other = other_name(field);
    let is_double = other.is_some_and(|other| exclude(reader, entries, [field.name, other], owner));
    let direct = entries.value(field.name).map(|node| direct(reader, node, field, owner, pinned));
    let indirect = other.and_then(|name| {
        let node = entries.value(name)?;
        Some(match field.shape {
            Shape::Reference(kind) => reference(reader, node, name, kind, owner),
            _ => from_file(reader, node, name, owner, pinned),
        })
    });
    let mut names = std::iter::once(field.name).chain(other);
    match direct.or(indirect) {
        None if names.any(|name| entries.is_misspelled(name)) => FieldRead::Broken,
        None => FieldRead::Absent,
        Some(_) if is_double => FieldRead::Broken,
        Some(given) => given.into(),
    }
}

/// Reads a value that stands in the manifest, and what it refers to.
fn direct(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    field: &'static kinds::Field,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Option<Given> {
    let of = (field.name, owner);
    let (value, named) = match field.shape {
        Shape::References(_) => references(reader, node, of, pinned == Pinned::Yes)?,
        Shape::Sequence(_) => sequence(reader, node, of, pinned == Pinned::Yes)?,
        Shape::LongText => return written(reader, node, (field.name, owner, pinned)),
        _ => return value(reader, node, field, owner, pinned).map(Given::from),
    };
    let named = named.into_iter().map(|(key, place)| (key.as_str().into(), place));
    Some(Given { references: named.collect(), ..Given::from(value) })
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
        Shape::Line if is_emptied(node, owner) => Some(Value::Text("".into())),
        Shape::Line => Some(Value::text(field.shape, reader.text(node, field.name, owner)?)),
        Shape::Set => set(reader, node, field.name, owner),
        Shape::LongText | Shape::References(_) | Shape::Sequence(_) | Shape::Setting => None,
        Shape::Reference(_) => reader.number(node, field.name, owner, SHOWN).map(Value::Integer),
        Shape::Integer => reader.number(node, field.name, owner, POSITIVE).map(Value::Integer),
        Shape::Member(_) => {
            reader.number_from(0, node, field.name, owner, ANY_NUMBER).map(Value::Integer)
        }
        Shape::Flag => reader.boolean(node, field.name, owner).map(Value::Flag),
        Shape::Word(words) => word(reader, node, (field.name, words), owner, pinned),
    }
}

/// Reads a long text that stands in the manifest.
fn written(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    (field, owner, pinned): (&str, Owner<'_>, Pinned),
) -> Option<Given> {
    let text = match &node.value {
        // `$` is ordinary text in a prompt.
        node::NodeValue::Text(text) => {
            reader.warn_of_writing(node, text, field, owner);
            if reader.is_text_unmerged(text, node, (field, owner)) {
                return None;
            }
            reader.note_changes(text, node, None, (field, owner));
            text.as_ref()
        }
        node::NodeValue::Null => "",
        _ => {
            reader.wrong(node, field, owner, ValueShape::Text);
            return None;
        }
    };
    let (text, template) = reader.rendered(text, node, (field, owner))?;
    let value = long_text(reader, &text, node, (field, owner, pinned))?;
    Some(Given { template, ..Given::from(value) })
}

/// Whether a line of an agent is written as empty: on purpose, as nothing else says so.
fn is_emptied(node: &Node<'_>, owner: Owner<'_>) -> bool {
    let is_empty = matches!(&node.value, node::NodeValue::Text(text) if text.is_empty());
    is_empty && node.origin == Origin::Written && matches!(owner, Owner::Agent(_))
}

/// Reads the name of another resource.
fn reference(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    name: &str,
    kind: &'static str,
    owner: Owner<'_>,
) -> Option<Given> {
    let key: Arc<str> = reader.text(node, name, owner)?.as_ref().into();
    let written = reader.as_written(node);
    let written = match node.origin {
        Origin::Written => &written,
        Origin::Expanded | Origin::Unresolved => written.trim_matches(['\'', '"']),
    };
    let references = vec![(written.into(), reader.place(&node.span))];
    Some(Given { references, ..Given::from(Value::Ref(Box::new(Address { kind, key }))) })
}

/// Reads a long text out of the file that is named.
fn from_file(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    name: &str,
    owner: Owner<'_>,
    pinned: Pinned,
) -> Option<Given> {
    // The path itself is no template.
    let path = reader.text(&Node { scope: None, ..node.clone() }, name, owner)?.into_owned();
    let read = |reader: &mut Reader<'_>| {
        let text = file(reader, node, &path, (&format!("`{name}` of {owner}"), None))?;
        let written = reader.as_written(node);
        if reader.is_file_unmerged(&text, &written, node, (name, owner)) {
            return None;
        }
        reader.note_changes(&text, node, Some(&written), (name, owner));
        Some(text)
    };
    let (text, template) = match &node.scope {
        Some(scope) => {
            let (text, template) =
                reader.rendered_file(&path, (node, scope), (name, owner), read)?;
            (text, Some(template))
        }
        None => (read(reader)?, None),
    };
    let value = long_text(reader, &text, node, (name, owner, pinned))?;
    Some(Given { file: Some(path.into()), template, ..Given::from(value) })
}

/// Reads the file that a node names; `what` is what it holds, `help` what to do if that was not meant.
pub(super) fn file(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    path: &str,
    (what, help): (&str, Option<String>),
) -> Option<String> {
    // It was said already, and reading takes the time.
    if !is_within(reader) {
        return None;
    }
    let text = reader.source.read(path);
    if let Ok(text) = &text {
        reader.file_bytes = reader.file_bytes.saturating_add(text.len());
        if !note_room(reader, true, node) {
            return None;
        }
    }
    match text.and_then(|text| no_nul(path, &text).map(|()| text)) {
        Ok(text) if text == reader.text => {
            let message = format!("{what} names the manifest itself");
            let finding = reader.error(Code::UnreadableFile, message, &node.span);
            reader.report(finding.help("write the text into a file of its own"));
            None
        }
        Ok(text) => Some(text),
        Err(unreadable) => {
            let message = format!("{what} cannot be read");
            let finding = reader.error(Code::UnreadableFile, message, &node.span);
            let usual = if is_template(path) {
                "a path is not rendered: `${NAME}` puts a variable into it, and `{% if … %}{% include \"PATH\" %}{% endif %}` \
                 in a template chooses a file"
            } else {
                "the path is relative to the manifest and stays inside its repository"
            };
            let unreadable = if node.origin == Origin::Written {
                Unreadable { help: help.or(unreadable.help), ..unreadable }
            } else {
                // The reason names the path, which holds the value of a variable.
                let written = reader.as_written(node);
                let why = format!("`{written}` leads to no file that may be read");
                Unreadable { why, help, gaps: unreadable.gaps }
            };
            reader.report(unreadable.explain(finding, usual));
            None
        }
    }
}

/// Reads the name of a resource; where it is left out, it is the key.
pub(super) fn name(
    reader: &mut Reader<'_>,
    key: &Key,
    key_node: &Node<'_>,
    entries: &Entries<'_, '_>,
    owner: Owner<'_>,
) -> Option<Value> {
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

pub(super) fn long_text(
    reader: &mut Reader<'_>,
    text: &str,
    node: &Node<'_>,
    (field, owner, pinned): (&str, Owner<'_>, Pinned),
) -> Option<Value> {
    if reader.is_stand_in(text, node, (field, owner)) {
        return None;
    }
    let value = Value::text(Shape::LongText, text);
    if pinned == Pinned::No && value == Value::Text("".into()) {
        let message = format!("`{field}` of {owner} is empty");
        let finding = reader.error(Code::EmptyPrompt, message, &node.span);
        let is_system = field.starts_with(SYSTEM_PROMPT);
        let finding = finding.help(if is_system {
            "write what the agent is told, or leave it out: it is not managed then"
        } else {
            "write what the agent is to do"
        });
        reader.report(match (&node.value, node.style) {
            (node::NodeValue::Null, Style::Commented(_)) => finding.help(shape::COMMENT),
            _ => finding,
        });
        return None;
    }
    Some(value)
}

/// Reads one of some words; a pinned resource may hold whatever the service holds.
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
    let written = reader.as_written(node);
    let message = format!("unknown `{field}` of {owner}: `{written}`");
    let is_preference = field == PROJECT_PREFERENCE;
    let code = if is_preference { Code::UnknownPreference } else { Code::InvalidValue };
    let finding = reader.error(code, message, &node.span);
    reader.report(match nearest(&word, words.iter().copied()) {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.help(format!("write `{}`", words.join("` or `"))),
    });
    None
}

/// How many bytes a text has; other values have next to none.
pub(super) fn length(given: &Given) -> usize {
    if let Value::Text(text) = &given.value { text.len() } else { 0 }
}

/// Counts the texts of one more resource; says so once where all are too large together.
pub(super) fn has_room(reader: &mut Reader<'_>, length: usize, key_node: &Node<'_>) -> bool {
    let was_within = is_within(reader);
    reader.prompt_bytes = reader.prompt_bytes.saturating_add(length);
    note_room(reader, was_within, key_node)
}

/// Whether the texts so far are small enough that more of them are read.
pub(super) fn is_within(reader: &Reader<'_>) -> bool {
    reader.prompt_bytes.max(reader.file_bytes) <= MOST_TEXT
}

/// Says so where the texts have just become too large.
pub(super) fn note_room(reader: &mut Reader<'_>, was_within: bool, node: &Node<'_>) -> bool {
    let is_within = is_within(reader);
    if was_within && !is_within {
        let message = format!("the prompts have more than {} MiB together", MOST_TEXT >> 20);
        let finding = reader.error(Code::TooMuchText, message, &node.span);
        reader.report(finding.help("divide the manifest, or shorten the prompts"));
    }
    is_within
}
