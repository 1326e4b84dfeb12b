//! Variables that a manifest, a file or a flag declares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::{Code, Diagnostic};
use crate::manifest::expand::reference::is_name;
use crate::manifest::expand::secrets::is_credential;
use crate::manifest::node::{Node, NodeValue, Style};
use crate::manifest::seen::{SeenLooks, look_alike};
use crate::manifest::yaml::plain_scalar;

/// A declared variable.
#[derive(Clone, Debug)]
pub(super) struct VarDeclaration<'n, 't> {
    /// Where its name stands.
    pub(super) key: Range<usize>,
    /// What it holds; `None` where that can be no value, which was reported.
    pub(super) value: Option<&'n Node<'t>>,
}

/// Takes a finding, its place, and the place that it refers to.
pub(super) type ReportVar<'r> = &'r mut dyn FnMut(Diagnostic, &Range<usize>, Option<&Range<usize>>);

/// Reads a mapping of names to values; `of` names it in findings.
pub(super) fn declarations<'n, 't>(
    node: &'n Node<'t>,
    of: &str,
    report: ReportVar<'_>,
) -> BTreeMap<&'n str, VarDeclaration<'n, 't>> {
    let mut declared: BTreeMap<&str, VarDeclaration<'_, '_>> = BTreeMap::new();
    let pairs = match &node.value {
        NodeValue::Mapping(pairs) => pairs.as_slice(),
        NodeValue::Null => &[],
        other => {
            let message = format!("{of} must be a mapping, not {}", other.in_words());
            let finding = Diagnostic::error(Code::InvalidValue, message);
            let help = "write each variable with its value, such as `capital: 100000`";
            report(finding.help(help), &node.span, None);
            return declared;
        }
    };
    let mut looks = SeenLooks::default();
    for (key, value) in pairs {
        let name = match &key.value {
            NodeValue::Text(name) => match invalid_var(name, of) {
                None => &**name,
                Some(finding) => {
                    report(finding, &key.span, None);
                    continue;
                }
            },
            other => {
                let message = format!(
                    "the name of a variable in {of} must be a text, not {}",
                    other.in_words()
                );
                let finding = Diagnostic::error(Code::InvalidKey, message);
                report(finding.help("a name starts with a letter or `_`"), &key.span, None);
                continue;
            }
        };
        if let NodeValue::Null | NodeValue::Sequence(_) | NodeValue::Mapping(_) = value.value {
            let found = value.value.in_words();
            let message =
                format!("`{name}` in {of} must be a text, a number or a flag, not {found}");
            let finding = Diagnostic::error(Code::InvalidValue, message);
            report(finding.help(format!("write `{name}: …`, one value")), &value.span, None);
            declared.entry(name).or_insert(VarDeclaration { key: key.span.clone(), value: None });
            continue;
        }
        if let Some(first) = declared.get(name) {
            let message = format!("`{name}` in {of} is given twice");
            let finding = Diagnostic::error(Code::DuplicateKey, message);
            report(finding.help("keep one of the two"), &key.span, Some(&first.key));
            continue;
        }
        if let Some((other, first)) = looks.add(name, &key.span) {
            let finding = look_alike("variable", &format!(" in {of}"), (name, &other));
            report(finding, &key.span, Some(first));
        }
        declared.insert(name, VarDeclaration { key: key.span.clone(), value: Some(value) });
    }
    declared
}

/// Says why a word cannot be the name of a variable that `of` sets, if it cannot.
pub fn invalid_var(word: &str, of: &str) -> Option<Diagnostic> {
    (!is_name(word) || is_credential(word)).then(|| no_name(word, of))
}

fn no_name(word: &str, of: &str) -> Diagnostic {
    if is_credential(word) {
        let message =
            format!("`{word}` in {of} is a credential, which no manifest may set or read");
        return Diagnostic::error(Code::InvalidKey, message)
            .help("credentials come from the environment or the Lean CLI; see `qcops doctor`");
    }
    let message = format!("`{word}` in {of} cannot be the name of a variable");
    Diagnostic::error(Code::InvalidKey, message)
        .help("a name starts with a letter or `_` and holds letters of ASCII, digits and `_`")
}

/// The value of a variable, as it is put into a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VarValue {
    /// Its text, as written.
    pub(super) text: String,
    /// Whether it is a text whatever it looks like, as one in quotes is.
    pub(super) is_text: bool,
}

impl VarValue {
    /// Takes a value as it is typed behind `--var NAME=`: `5` is a number, and `true` a flag.
    pub fn typed(text: String) -> Self {
        Self { text, is_text: false }
    }

    /// Takes a value of a YAML text, whatever variables are in it.
    pub(super) fn of(node: &Node<'_>, text: &str) -> Self {
        // As written, `0x10` or `1.50` say, unless an alias stands there.
        let source = text.get(node.span.clone()).filter(|source| !source.starts_with('*'));
        let as_written = |value: &dyn ToString| {
            source.map_or_else(|| value.to_string(), |source| source.trim().to_owned())
        };
        let written = match &node.value {
            NodeValue::Text(text) => text.to_string(),
            NodeValue::Integer(number) => as_written(number),
            NodeValue::Boolean(flag) => as_written(flag),
            NodeValue::Float(number) => as_written(number),
            NodeValue::Null | NodeValue::Sequence(_) | NodeValue::Mapping(_) => String::new(),
        };
        let is_text = matches!(node.value, NodeValue::Text(_)) && node.style == Style::Other;
        Self { text: written, is_text }
    }
}

/// Reads a text as YAML reads one without quotes: a flag, a number or a text.
pub(super) fn read_plain(text: Cow<'_, str>) -> NodeValue<'_> {
    match plain_scalar(text.trim()) {
        Some(value) => value,
        None => NodeValue::Text(text),
    }
}
