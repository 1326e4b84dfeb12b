//! What a template sees: variables, the axes of its matrix, the environment and the key.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;
use sha2::{Digest, Sha256};

use crate::diag::Place;
use crate::model::fold;

/// The name under which a template finds the selected environment.
const ENV: &str = "env";

/// The name under which a template finds the key of its resource.
const KEY: &str = "key";

/// Names that every template has, and words of its language: no axis can have one.
pub(super) const RESERVED: [&str; 17] = [
    ENV, KEY, "and", "else", "false", "False", "if", "in", "is", "loop", "none", "None", "not",
    "or", "self", "true", "True",
];

/// Why a variable has no value in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// It was reported.
    Reported,
    /// It holds a credential.
    HoldsCredential,
}

/// The variables of a manifest as its templates see them: those that it declares, and those of flags and
/// files, but none of the process.
#[derive(Debug, Default)]
pub(super) struct TemplateVars {
    values: BTreeMap<String, Result<Value, NoValue>>,
    hash: [u8; 32],
}

impl TemplateVars {
    /// Takes variables, each with its text and whether it is one in quotes.
    pub(super) fn new(vars: BTreeMap<String, Result<(Value, String), NoValue>>) -> Self {
        let mut hash = Sha256::new();
        let mut values = BTreeMap::new();
        for (name, value) in vars {
            let text = value.as_ref().map_or("", |(_, text)| text);
            let kind = value.as_ref().map_or(String::new(), |(value, _)| value.kind().to_string());
            feed(&mut hash, &[&name, &kind, text]);
            values.insert(name, value.map(|(value, _)| value));
        }
        Self { values, hash: hash.finalize().into() }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

/// An axis of a matrix: its name, and where that stands.
#[derive(Debug)]
pub(super) struct MatrixAxis {
    pub(super) name: String,
    pub(super) place: Place,
}

/// What the templates of one resource see.
#[derive(Debug)]
pub struct TemplateScope {
    pub(super) vars: Arc<TemplateVars>,
    pub(super) environment: Option<Arc<str>>,
    pub(super) key: String,
    /// The axes of its matrix; none where it has no matrix.
    pub(super) axes: Arc<Vec<MatrixAxis>>,
    /// The value of each axis, as it is written and as templates see it.
    pub(super) values: Vec<(String, Value)>,
}

impl TemplateScope {
    /// What a name means, where it is known.
    pub(super) fn get(&self, name: &str) -> Option<Result<Value, NoValue>> {
        let of_axis = self.axes.iter().zip(&self.values).find(|(axis, _)| axis.name == name);
        match (of_axis, name) {
            (Some((_, (_, value))), _) => Some(Ok(value.clone())),
            (None, ENV) => self.environment.as_deref().map(|name| Ok(Value::from(name))),
            (None, KEY) => Some(Ok(Value::from(&*self.key))),
            (None, _) => self.vars.values.get(name).cloned(),
        }
    }

    /// Every name that has a meaning.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let axes = self.axes.iter().map(|axis| axis.name.as_str());
        let environment = self.environment.as_ref().map(|_| ENV);
        axes.chain(self.vars.names()).chain(environment).chain([KEY])
    }

    /// The axes of which two resources of one matrix have different values; none where they are of two.
    pub(super) fn differing(&self, other: &Self) -> Vec<&MatrixAxis> {
        if !Arc::ptr_eq(&self.axes, &other.axes) {
            return Vec::new();
        }
        let pairs = self.axes.iter().zip(self.values.iter().zip(&other.values));
        pairs.filter(|(_, ((one, _), (other, _)))| one != other).map(|(axis, _)| axis).collect()
    }

    /// Two values of the first axis that differs, where all that differ are one as templates see them,
    /// `1.50` and `1.5`, or in a name, `spy` and `SPY`.
    pub(super) fn same_values<'s>(
        &'s self,
        other: &'s Self,
        is_name: bool,
    ) -> Option<[&'s str; 2]> {
        let pairs = self.values.iter().zip(&other.values);
        let mut differing = pairs.filter(|((one, _), (other, _))| one != other).peekable();
        let ((one, _), (other, _)) = *differing.peek()?;
        let are_one = |((one, seen), (other, seen_other)): (&(String, Value), &(String, Value))| {
            seen == seen_other || is_name && fold(one) == fold(other)
        };
        differing.all(are_one).then_some([one, other])
    }

    /// A number for all that a template sees.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.vars.hash);
        feed(&mut hash, &[self.environment.as_deref().unwrap_or_default(), &self.key]);
        for (axis, (text, value)) in self.axes.iter().zip(&self.values) {
            feed(&mut hash, &[&axis.name, text, &value.kind().to_string()]);
        }
        hash.finalize().into()
    }
}

/// Feeds texts, each with its length, so that no two lists of them are one.
pub(super) fn feed(hash: &mut Sha256, texts: &[&str]) {
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
}

/// The names of a template, looked up one by one: a map of them for each of ten thousand tasks would
/// be as large as the tasks.
#[derive(Debug)]
pub(super) struct ScopeObject(pub(super) Arc<TemplateScope>);

impl Object for ScopeObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key)?.ok()
    }
}
