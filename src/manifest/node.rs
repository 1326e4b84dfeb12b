//! The lenient form of a manifest: any YAML, with the place of every value.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::manifest::scope::TemplateScope;

/// A YAML node and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    /// What it is.
    pub(super) value: NodeValue<'t>,
    /// The bytes of the manifest's text; for an alias those of the alias.
    pub(super) span: Range<usize>,
    /// How it is written.
    pub(super) style: Style,
    /// Where its value comes from.
    pub(super) origin: Origin,
    /// What it sees where it is a template, or names a file that is one; of a key, what its resource sees.
    pub(super) scope: Option<Arc<TemplateScope>>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the text of the manifest.
    #[default]
    Written,
    /// From a variable in part: it may be a secret, and no finding repeats it.
    Expanded,
    /// It has a variable without a value, which was reported.
    Unresolved,
}

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A scalar without quotes.
    Plain,
    /// A scalar without quotes, and behind it on its last line a comment, which begins at this byte.
    Commented(usize),
    /// A mapping that lacks the fields of an alias without an anchor.
    Incomplete,
    /// Anything else.
    Other,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum NodeValue<'t> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number that fits.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'t, str>),
    /// A list.
    Sequence(Vec<Node<'t>>),
    /// A mapping.
    Mapping(Pairs<'t>),
}

/// What a mapping holds, in the order of its text, repeated keys included.
pub(super) type Pairs<'t> = Vec<(Node<'t>, Node<'t>)>;

impl<'t> Node<'t> {
    /// Makes a node of what is written.
    pub(super) fn new(value: NodeValue<'t>, span: Range<usize>, style: Style) -> Self {
        Self { value, span, style, origin: Origin::Written, scope: None }
    }
}

impl NodeValue<'_> {
    /// Returns what it is, in words that follow "not".
    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}
