//! Fields at the wrong level: where one belongs, and fields that stand where keys should.

use crate::diag::{Code, Subject};
use crate::manifest::fields::{
    DEPLOYMENT, EXPECT, FieldShape, MANIFEST, NUMBER, Spec, TASK, TRANSCRIPT,
};
use crate::manifest::node::{Node, NodeValue};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::suggest::nearest;

/// A mapping of fields: whose it is, in words, and what is written around one of its fields.
type Level = (&'static str, &'static [Spec], [&'static str; 2]);

/// Every level, the outermost first.
fn levels() -> [Level; 6] {
    [
        ("the top level of the manifest", MANIFEST, ["", "…"]),
        ("a task or `defaults`", &TASK, ["tasks: {my-task: {", "…}}"]),
        ("a deployment", DEPLOYMENT, ["deployments: {baseline: {", "…}}"]),
        ("`expect` of a deployment", EXPECT, ["expect: {", "…}"]),
        ("`transcript` of `expect`", TRANSCRIPT, ["transcript: {", "…}"]),
        ("`number` of `expect`", NUMBER, ["number: {", "…}"]),
    ]
}

/// Says where a field belongs that has exactly this name.
pub(super) fn of_name(word: &str) -> Option<String> {
    let mut levels = levels().into_iter();
    let (whose, _, [before, behind]) =
        levels.find(|(_, specs, _)| specs.iter().any(|spec| spec.name == word))?;
    Some(format!("`{word}` belongs to {whose}: `{before}{word}: {behind}`"))
}

/// Says where a field belongs that has nearly this name.
pub(super) fn of_similar(word: &str) -> Option<String> {
    let names = levels().into_iter().flat_map(|(_, specs, _)| specs).map(|spec| spec.name);
    nearest(word, names).and_then(of_name)
}

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
