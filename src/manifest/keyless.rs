//! Fields that stand where keys should: the key above them is missing.

use crate::diag::{Code, Subject};
use crate::manifest::fields::{FieldShape, Spec};
use crate::manifest::node::{Node, NodeValue};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;

/// Whether a value is what a field holds, rather than the fields of what has the field's name as its key.
fn is_value_of(spec: &Spec, value: &Node<'_>) -> bool {
    match (&value.value, spec.shape) {
        (NodeValue::Null, _) => false,
        (NodeValue::Mapping(pairs), FieldShape::Mapping(inner)) => {
            pairs.iter().all(|(key, _)| inner.iter().any(|spec| is_named(key, spec)))
        }
        (NodeValue::Mapping(_), shape) => matches!(shape, FieldShape::Deployments),
        _ => true,
    }
}

fn is_named(key: &Node<'_>, spec: &Spec) -> bool {
    matches!(&key.value, NodeValue::Text(name) if name == spec.name)
}

impl Reader<'_> {
    /// Reports fields that stand right below `field`, where keys should; whether they do.
    ///
    /// One that is spelled wrong is told by its value, which is no mapping.
    pub(super) fn is_key_missing(
        &mut self,
        pairs: &[(Node<'_>, Node<'_>)],
        (field, owner): (&str, Owner<'_>),
        known: &'static [Spec],
        (what, example): (&str, &str),
    ) -> bool {
        let spec_of = |key: &Node<'_>| known.iter().find(|spec| is_named(key, spec));
        let is_field = |(key, value): &(Node<'_>, Node<'_>)| match spec_of(key) {
            Some(spec) => is_value_of(spec, value),
            None => !matches!(value.value, NodeValue::Null | NodeValue::Mapping(_)),
        };
        let Some((first, _)) = pairs.iter().find(|(key, _)| spec_of(key).is_some()) else {
            return false;
        };
        if !pairs.iter().all(is_field) {
            return false;
        }
        let names: Vec<String> = pairs
            .iter()
            .filter_map(|(key, _)| spec_of(key))
            .map(|spec| format!("`{}`", spec.name))
            .collect();
        let message = format!(
            "{} {} right below `{field}` of {owner}, and the key of the {what} is missing above",
            names.join(", "),
            if names.len() == 1 { "stands" } else { "stand" }
        );
        let finding = self.error(Code::InvalidValue, message, &first.span);
        let first = names[0].trim_matches('`');
        let finding = match what {
            "task" => finding.about(Subject::Tasks),
            _ => finding,
        };
        self.report(finding.help(format!(
            "write a key above, as in `{example}:`, and indent the fields below it: `{field}: {{{example}: {{{first}: …}}}}`"
        )));
        true
    }
}
