//! What each kind of resource is, as rows: its fields, and what the service allows for them.
//!
//! Code that treats all fields alike loops over these rows: the manifest reader and writer, the JSON
//! Schema, the documents, the wire forms, the diff, the content hash and the renderers.

mod agent;
mod task;

pub use agent::{AGENT, SYSTEM_PROMPT, TOOLS};
pub use task::{AGENT_ID, NAME, PROJECT_PREFERENCE, PROMPT, TASK};

/// Every kind, each behind those that its fields refer to.
pub static KINDS: [&Kind; 2] = [&AGENT, &TASK];

/// A kind of resource on the service.
#[derive(Debug)]
pub struct Kind {
    /// The word for one of it, as addresses begin.
    pub name: &'static str,
    /// Its fields, in the order in which they are shown.
    pub fields: &'static [Field],
    /// What identifies one where nothing proves whose it is.
    pub identity: Identity,
    /// How one is removed without losing anything.
    pub removal: RemovalRule,
    /// What the service's calls name it.
    pub calls: Calls,
}

/// One field of a kind.
#[derive(Debug)]
pub struct Field {
    /// The service's name of it.
    pub name: &'static str,
    /// What it means, in whole sentences.
    pub doc: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What a changed value means.
    pub on_change: OnChange,
    /// What counts where a manifest leaves it out, in words; `None` where it is needed or unmanaged.
    pub default: Option<&'static str>,
    /// A value, as YAML on one line.
    pub example: &'static str,
    /// Another way in which a manifest may give it.
    pub instead: Option<Instead>,
}

/// Another way in which a manifest may give a field: a file for a long text, a name for a reference.
#[derive(Debug)]
pub struct Instead {
    /// The manifest's name of it.
    pub name: &'static str,
    /// What it means, in whole sentences.
    pub doc: &'static str,
    /// A value, as YAML on one line.
    pub example: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text of one line.
    Line,
    /// A text of many lines, compared and sent in canonical form.
    LongText,
    /// One of these words; the web interface may have set another.
    Word(&'static [&'static str]),
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// Words whose order means nothing.
    Set,
    /// The id of a resource of the kind of this name.
    Reference(&'static str),
    /// Ids of resources, each with a number that the service gives this name.
    References(&'static str),
    /// Ids of resources in an order, each with its position under this name.
    Sequence(&'static str),
    /// The number in the member of this name.
    Member(&'static str),
    /// Something that only the web interface sets.
    Setting,
}

/// What a changed value of a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// An update call takes it.
    InPlace,
    /// No call takes it: a new resource has to be made.
    Replaces,
    /// Only the web interface sets it; a replacement loses it.
    Unmanaged,
}

/// What identifies a resource where nothing proves whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The fields that cannot change in place: their hash is its address.
    ByContent,
    /// Its name.
    ByName,
}

/// How a resource is removed without losing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalRule {
    /// It is deleted if it holds nothing, and otherwise kept under an archived name.
    DeleteOrArchive,
    /// It is deleted if nothing uses it, and otherwise stays.
    DeleteUnused,
}

/// What the service's calls name a kind.
#[derive(Debug)]
pub struct Calls {
    /// The field that names one by its id.
    pub id: &'static str,
    /// The member of an answer that holds one.
    pub one: &'static str,
    /// The member of an answer that holds a list.
    pub many: &'static str,
}

impl Kind {
    /// The fields that a manifest declares, with their positions.
    pub fn managed(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(|field| field.on_change != OnChange::Unmanaged)
    }

    /// Returns the place of a field that a manifest declares, by the service's name of it.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.managed().position(|field| field.name == name)
    }
}

/// A field that only the web interface sets.
pub(super) const fn unmanaged(name: &'static str) -> Field {
    let (doc, shape, on_change) = ("", Shape::Setting, OnChange::Unmanaged);
    Field { name, doc, shape, on_change, default: None, example: "", instead: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_that_places_and_hashes_rely_on() {
        for (at, kind) in KINDS.iter().enumerate() {
            let rest = &kind.fields[kind.managed().count()..];
            assert!(rest.iter().all(|field| field.on_change == OnChange::Unmanaged));
            let hashed = kind.fields.iter().filter(|field| field.on_change == OnChange::Replaces);
            assert!(hashed.map(|field| field.name).is_sorted(), "{} is hashed so", kind.name);
            let has_content = kind.fields.iter().any(|row| row.on_change == OnChange::Replaces);
            assert_eq!(has_content, kind.identity == Identity::ByContent, "{}", kind.name);
            for field in kind.fields {
                if let Shape::Reference(name) = field.shape {
                    let is_before = KINDS[..at].iter().any(|earlier| earlier.name == name);
                    assert!(is_before, "{} refers to {name}", kind.name);
                }
            }
        }
    }
}
