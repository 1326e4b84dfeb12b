//! A resource with a matrix becomes one for each combination of the values of its axes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use crate::diag::{Code, Diagnostic, Place};
use crate::manifest::expand::Expander;
use crate::manifest::expand::lookup::{field, has_field, key_word};
use crate::manifest::expand::reference::is_name;
use crate::manifest::expand::scope::{TEMPLATE, is_template, mark, seen, take_defaults};
use crate::manifest::expand::vars::VarValue;
use crate::manifest::node::{Node, NodeValue, Origin};
use crate::manifest::owner::Owner;
use crate::manifest::scope::{MatrixAxis, RESERVED};
use crate::manifest::suggest::{did_you_mean, nearest_few};
use crate::model::Key;

/// The field that holds the axes.
pub(super) const MATRIX: &str = "matrix";

/// The field that holds the combinations that are left out.
pub(super) const EXCLUDE: &str = "exclude";

/// The most combinations of all matrices of a manifest together, whatever its settings say.
const MOST_COMBINATIONS: usize = 100_000;

/// How many combinations there may be, and how many there are so far.
#[derive(Default)]
pub(super) struct Combinations {
    /// The most of one matrix.
    pub(super) most: usize,
    /// Those of all matrices.
    count: usize,
}

/// A resource of a mapping, and its key.
type Pair<'t> = (Node<'t>, Node<'t>);

/// The values of an axis, each as it is written and as templates see it.
type AxisValues = Vec<(String, Value)>;

/// The axes of a matrix with their values.
struct Matrix {
    axes: Arc<Vec<MatrixAxis>>,
    values: Vec<AxisValues>,
}

impl Expander<'_> {
    /// Puts a resource for each combination in the place of every one that has a matrix, and marks what
    /// is rendered.
    pub(super) fn multiply(&mut self, root: &mut Node<'_>) {
        let defaults = field(root, "defaults").cloned();
        let NodeValue::Mapping(pairs) = &mut root.value else { return };
        for (key, resources) in pairs {
            let NodeValue::Text(word) = &key.value else { continue };
            let (is_agents, is_tasks) = (word == "agents", word == "tasks");
            let NodeValue::Mapping(resources) = &mut resources.value else { continue };
            let is_any = |resource: &Node<'_>| {
                has_field(resource, MATRIX) || has_field(resource, EXCLUDE) || is_template(resource)
            };
            if !(is_agents || is_tasks) || !resources.iter().any(|(_, resource)| is_any(resource)) {
                continue;
            }
            let mut all = Vec::with_capacity(resources.len());
            for (key, resource) in std::mem::take(resources) {
                let word = key_word(&key).filter(|_| is_any(&resource));
                // Any other is refused by the reader.
                let plain = word.and_then(|word| word.parse::<Key>().ok());
                let Some(plain) = plain.filter(|key| !key.is_of_matrix()) else {
                    all.push((key, resource));
                    continue;
                };
                let defaults = defaults.as_ref().filter(|_| is_tasks);
                self.multiply_one(&plain, (key, resource), (is_agents, defaults), &mut all);
            }
            *resources = all;
        }
    }

    fn multiply_one<'t>(
        &mut self,
        plain: &Key,
        (mut key, mut resource): Pair<'t>,
        (is_agent, defaults): (bool, Option<&Node<'t>>),
        all: &mut Vec<Pair<'t>>,
    ) {
        let owner =
            if is_agent { Owner::Agent(plain.as_str()) } else { Owner::Task(plain.as_str()) };
        if !has_field(&resource, MATRIX) {
            if let Some(node) = field(&resource, EXCLUDE) {
                let message = format!("`{EXCLUDE}` of {owner} has no `{MATRIX}` to take from");
                self.wrong_matrix(message, &node.span, "write a `matrix`, or take it out");
            }
            if is_template(&resource) {
                take_defaults(&mut resource, defaults);
                let scope = self.scope(plain.as_str(), &Arc::default(), Vec::new());
                mark(&mut resource, &scope);
                key.scope = Some(scope);
            }
            return all.push((key, resource));
        }
        self.refuse_beside_matrix(&mut resource, owner);
        let before = all.len();
        if let Some(matrix) = self.matrix(&resource, owner) {
            take_defaults(&mut resource, defaults);
            let excluded = self.excluded(&resource, &matrix, owner);
            if let NodeValue::Mapping(pairs) = &mut resource.value {
                let is_own = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(word) if word == MATRIX || word == EXCLUDE);
                pairs.retain(|(key, _)| !is_own(key));
            }
            self.combine(plain, (&key, &resource), (&matrix, &excluded), all);
            if all.len() > before {
                return;
            }
            let message = format!("`{EXCLUDE}` of {owner} takes out every combination");
            self.wrong_matrix(message, &key.span, "take an entry of it out, or the whole resource");
        }
        if let NodeValue::Mapping(pairs) = &mut resource.value {
            let is_it =
                |key: &Node<'_>| matches!(&key.value, NodeValue::Text(word) if word == MATRIX);
            for (_, value) in pairs.iter_mut().filter(|(key, _)| is_it(key)) {
                value.origin = Origin::Unresolved;
            }
        }
        all.push((key, resource));
    }

    /// Refuses what cannot stand beside a matrix.
    fn refuse_beside_matrix(&mut self, resource: &mut Node<'_>, owner: Owner<'_>) {
        if let Some(node) = field(resource, TEMPLATE)
            && matches!(node.value, NodeValue::Boolean(false))
        {
            let message = format!(
                "{owner} has a `{MATRIX}`, which makes templates of its texts, and `{TEMPLATE}: false`"
            );
            self.wrong_matrix(message, &node.span, "take one of the two out");
        }
        if let Some(node) = field(resource, "id") {
            let message =
                format!("{owner} has a pin and a `{MATRIX}`: one id cannot be of several");
            self.wrong_matrix(
                message,
                &node.span,
                "take the `id` out, or write what is pinned without a matrix",
            );
            let NodeValue::Mapping(pairs) = &mut resource.value else { return };
            pairs.retain(|(key, _)| !matches!(&key.value, NodeValue::Text(word) if word == "id"));
        }
    }

    /// Adds a resource for each combination that is not left out.
    fn combine<'t>(
        &mut self,
        plain: &Key,
        (key, resource): (&Node<'t>, &Node<'t>),
        (matrix, excluded): (&Matrix, &[Vec<(usize, usize)>]),
        all: &mut Vec<Pair<'t>>,
    ) {
        let mut at = vec![0; matrix.values.len()];
        loop {
            let is_excluded =
                |of: &Vec<(usize, usize)>| of.iter().all(|(axis, value)| at[*axis] == *value);
            if !excluded.iter().any(is_excluded) {
                let values: AxisValues =
                    matrix.values.iter().zip(&at).map(|(values, at)| values[*at].clone()).collect();
                let words = values.iter().map(|(word, _)| word.as_str());
                if let Some(combined) = plain.with_values(words) {
                    let scope = self.scope(combined.as_str(), &matrix.axes, values);
                    let (mut key, mut resource) = (key.clone(), resource.clone());
                    mark(&mut resource, &scope);
                    key.value = NodeValue::Text(combined.as_str().to_owned().into());
                    key.scope = Some(scope);
                    all.push((key, resource));
                } else {
                    let message =
                        format!("the values of `{MATRIX}` are too long for a key of `{plain}`");
                    return self.wrong_matrix(message, &key.span, "write shorter ones");
                }
            }
            // The last axis goes first.
            let step = |axis: &usize| at[*axis] + 1 < matrix.values[*axis].len();
            let Some(axis) = (0..at.len()).rev().find(step) else { return };
            at[axis] += 1;
            at[axis + 1..].fill(0);
        }
    }

    /// Reads the axes of a resource; `None` where that cannot be done, which is reported.
    fn matrix(&mut self, resource: &Node<'_>, owner: Owner<'_>) -> Option<Matrix> {
        let node = field(resource, MATRIX)?;
        let usual = "write `matrix: {symbol: [SPY, QQQ]}`";
        let pairs = match &node.value {
            NodeValue::Mapping(pairs) if !pairs.is_empty() => pairs,
            other => {
                let found =
                    if let NodeValue::Mapping(_) = other { "empty" } else { other.in_words() };
                let message =
                    format!("`{MATRIX}` of {owner} must be a mapping of axes, not {found}");
                self.wrong_matrix(message, &node.span, usual);
                return None;
            }
        };
        let (mut axes, mut all, mut is_sound) = (Vec::new(), Vec::new(), true);
        for (key, values) in pairs {
            let name = self.axis_name(key, &axes, owner);
            let values = self.axis_values(name.as_deref().unwrap_or("…"), values, owner);
            match (name, values) {
                (Some(name), Some(values)) => {
                    let file = Arc::clone(&self.file);
                    axes.push(MatrixAxis { name, place: Place { file, span: key.span.clone() } });
                    all.push(values);
                }
                _ => is_sound = false,
            }
        }
        let count = all.iter().try_fold(1_usize, |count, values| count.checked_mul(values.len()));
        let Combinations { most, count: before } = self.combinations;
        let all_together = count.and_then(|count| count.checked_add(before));
        if is_sound && count.is_none_or(|count| count > most) {
            let message = format!("`{MATRIX}` of {owner} has more than {most} combinations");
            let help = "take values out, or raise `settings.limits.matrix`";
            self.wrong_matrix(message, &node.span, help);
            return None;
        }
        if is_sound && all_together.is_none_or(|count| count > MOST_COMBINATIONS) {
            let message = format!(
                "the matrices of the manifest have more than {MOST_COMBINATIONS} combinations"
            );
            self.wrong_matrix(message, &node.span, "divide the manifest");
            return None;
        }
        self.combinations.count = all_together.unwrap_or(before);
        is_sound.then(|| Matrix { axes: Arc::new(axes), values: all })
    }

    /// Reads the name of an axis: one that templates can write and nothing else has.
    fn axis_name(
        &mut self,
        key: &Node<'_>,
        known: &[MatrixAxis],
        owner: Owner<'_>,
    ) -> Option<String> {
        let name = key_word(key).unwrap_or_else(|| self.text[key.span.clone()].to_owned());
        let (message, help) = if !is_name(&name) {
            (
                format!("`{name}` in `{MATRIX}` of {owner} cannot be the name of an axis"),
                "a name starts with a letter or `_` and holds letters of ASCII, digits and `_`"
                    .to_owned(),
            )
        } else if RESERVED.contains(&name.as_str()) {
            (
                format!("`{name}` in `{MATRIX}` of {owner} means something in every template"),
                "give the axis another name".to_owned(),
            )
        } else if self.vars.contains_key(&name)
            || self.of_environments.iter().any(|(_, names)| names.contains(&name))
        {
            (
                format!("`{name}` in `{MATRIX}` of {owner} is a variable, too"),
                format!(
                    "give the axis or the variable another name: a template could not tell what `{name}` is"
                ),
            )
        } else if known.iter().any(|axis| axis.name == name) {
            (
                format!("`{name}` in `{MATRIX}` of {owner} is given twice"),
                "keep one of the two".to_owned(),
            )
        } else {
            return Some(name);
        };
        self.wrong_matrix(message, &key.span, &help);
        None
    }

    /// Reads the values of an axis, each of which a key can hold and none of which is another.
    fn axis_values(&mut self, axis: &str, node: &Node<'_>, owner: Owner<'_>) -> Option<AxisValues> {
        let nodes = match &node.value {
            NodeValue::Sequence(nodes) if !nodes.is_empty() => nodes,
            other => {
                let found =
                    if let NodeValue::Sequence(_) = other { "empty" } else { other.in_words() };
                let message =
                    format!("axis `{axis}` of {owner} must be a list of values, not {found}");
                self.wrong_matrix(message, &node.span, &format!("write `{axis}: [SPY, QQQ]`"));
                return None;
            }
        };
        let mut first: BTreeMap<String, &Range<usize>> = BTreeMap::new();
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(value) = self.axis_value(axis, node, owner) else { continue };
            if first.contains_key(&value.0) {
                let message = format!("axis `{axis}` of {owner} holds `{}` twice", value.0);
                self.wrong_matrix(message, &node.span, "keep one of the two");
                continue;
            }
            first.insert(value.0.clone(), &node.span);
            values.push(value);
        }
        (values.len() == nodes.len()).then_some(values)
    }

    fn axis_value(
        &mut self,
        axis: &str,
        node: &Node<'_>,
        owner: Owner<'_>,
    ) -> Option<(String, Value)> {
        if node.origin == Origin::Unresolved {
            return None;
        }
        if let NodeValue::Null | NodeValue::Sequence(_) | NodeValue::Mapping(_) = node.value {
            let found = node.value.in_words();
            let message = format!(
                "a value of axis `{axis}` of {owner} must be a text, a number or a flag, not {found}"
            );
            self.wrong_matrix(message, &node.span, "write one value for each combination");
            return None;
        }
        let value = VarValue::of(node, self.text);
        if let Err(rule) = Key::check_value(&value.text) {
            // The value itself may come from a variable.
            let message = format!("a value of axis `{axis}` of {owner} cannot be part of a key");
            self.wrong_matrix(message, &node.span, &rule.to_string());
            return None;
        }
        let seen = seen(&value);
        Some((value.text, seen))
    }

    /// Reads what is left out: for each entry the axes that it names, each with the number of its value.
    fn excluded(
        &mut self,
        resource: &Node<'_>,
        matrix: &Matrix,
        owner: Owner<'_>,
    ) -> Vec<Vec<(usize, usize)>> {
        let Some(node) = field(resource, EXCLUDE) else { return Vec::new() };
        let usual = "write `exclude: [{symbol: QQQ, window: 12}]`";
        let NodeValue::Sequence(entries) = &node.value else {
            let found = node.value.in_words();
            let message =
                format!("`{EXCLUDE}` of {owner} must be a list of combinations, not {found}");
            self.wrong_matrix(message, &node.span, usual);
            return Vec::new();
        };
        let mut excluded = Vec::with_capacity(entries.len());
        for entry in entries {
            let NodeValue::Mapping(pairs) = &entry.value else {
                let found = entry.value.in_words();
                let message =
                    format!("an entry of `{EXCLUDE}` of {owner} must be a mapping, not {found}");
                self.wrong_matrix(message, &entry.span, usual);
                continue;
            };
            let read: Option<Vec<(usize, usize)>> = pairs
                .iter()
                .map(|(axis, value)| self.excluded_value((axis, value), matrix, owner))
                .collect();
            match read {
                Some(read) if read.is_empty() => {
                    let message = format!("an entry of `{EXCLUDE}` of {owner} names no axis");
                    self.wrong_matrix(message, &entry.span, usual);
                }
                Some(read) => excluded.push(read),
                None => {}
            }
        }
        excluded
    }

    fn excluded_value(
        &mut self,
        (axis, value): (&Node<'_>, &Node<'_>),
        Matrix { axes, values }: &Matrix,
        owner: Owner<'_>,
    ) -> Option<(usize, usize)> {
        let name = key_word(axis).unwrap_or_default();
        let Some(at) = axes.iter().position(|axis| axis.name == name) else {
            let message = format!(
                "`{EXCLUDE}` of {owner} names axis `{name}`, which `{MATRIX}` does not have"
            );
            let known: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
            let near = nearest_few(&name, known.iter().copied(), 2);
            let help = if near.is_empty() {
                format!("its axes are `{}`", known.join("`, `"))
            } else {
                did_you_mean(&name, &near)
            };
            self.wrong_matrix(message, &axis.span, &help);
            return None;
        };
        let (word, _) = self.axis_value(&name, value, owner)?;
        let found = values[at].iter().position(|(known, _)| *known == word);
        if found.is_none() {
            let message =
                format!("`{EXCLUDE}` of {owner} matches nothing: axis `{name}` has no such value");
            let words: Vec<&str> = values[at].iter().map(|(word, _)| word.as_str()).collect();
            let near = nearest_few(&word, words.iter().copied(), 2);
            let help = if near.is_empty() {
                "take the entry out, or add the value to the axis".to_owned()
            } else {
                did_you_mean(&word, &near)
            };
            self.wrong_matrix(message, &value.span, &help);
        }
        Some((at, found?))
    }

    fn wrong_matrix(&mut self, message: String, span: &Range<usize>, help: &str) {
        let finding = Diagnostic::error(Code::InvalidMatrix, message).help(help);
        self.report_at(finding, span);
    }
}
