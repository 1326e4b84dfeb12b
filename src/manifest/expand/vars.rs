//! Variables that a manifest, a file or a flag declares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::{Code, Diagnostic};
use crate::manifest::expand::reference::is_name;
use crate::manifest::expand::secrets::is_credential;
use crate::manifest::node::{Node, NodeValue, Style};

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
    for (key, value) in pairs {
        let name = match &key.value {
            NodeValue::Text(name) if is_name(name) && !is_credential(name) => &**name,
            NodeValue::Text(name) => {
                report(no_name(name, of), &key.span, None);
                continue;
            }
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
        } else {
            let key = key.span.clone();
            declared.insert(name, VarDeclaration { key, value: Some(value) });
        }
    }
    declared
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let written = match &node.value {
            NodeValue::Text(text) => text.to_string(),
            NodeValue::Integer(number) => number.to_string(),
            NodeValue::Boolean(flag) => flag.to_string(),
            NodeValue::Float(number) => {
                // As written, `1.50` say, unless an alias stands there.
                let written = text.get(node.span.clone()).unwrap_or_default();
                let is_written = written.parse() == Ok(*number);
                if is_written { written.to_owned() } else { number.to_string() }
            }
            NodeValue::Null | NodeValue::Sequence(_) | NodeValue::Mapping(_) => String::new(),
        };
        let is_text = matches!(node.value, NodeValue::Text(_)) && node.style == Style::Other;
        Self { text: written, is_text }
    }
}

/// Reads a text as YAML reads one without quotes: a flag, a number or a text.
pub(super) fn read_plain(text: Cow<'_, str>) -> NodeValue<'_> {
    let trimmed = text.trim();
    let digits = trimmed.trim_start_matches(['+', '-']).as_bytes();
    // `007` is no number, as in all of the manifest.
    let is_padded = matches!(digits, [b'0', b'0'..=b'9', ..]);
    let is_number = !is_padded
        && digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
    match trimmed {
        "true" => return NodeValue::Boolean(true),
        "false" => return NodeValue::Boolean(false),
        _ if !is_number => {}
        _ => {
            if let Ok(number) = trimmed.parse() {
                return NodeValue::Integer(number);
            }
            if let Ok(number) = trimmed.parse() {
                return NodeValue::Float(number);
            }
        }
    }
    NodeValue::Text(text)
}
