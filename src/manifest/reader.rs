//! One field at a time: kinds of values, unknown and repeated keys.
//!
//! Every function reports what is wrong and goes on. `lower` and `task` say which fields there are.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Findings, Place, floor_boundary};
use crate::kinds::{AGENT, TASK};
use crate::manifest::entries::Entries;
use crate::manifest::expand::ExpandFile;
use crate::manifest::expressions::Expressions;
use crate::manifest::fields::{OWN_PREFIX, RENAMED, Spec};
use crate::manifest::gathered::GatheredFindings;
use crate::manifest::level;
use crate::manifest::mistake::Mistake;
use crate::manifest::node::{Node, NodeValue, Origin, Style};
use crate::manifest::not_ours::{of_agent, unmanaged};
use crate::manifest::owner::Owner;
use crate::manifest::seen::{SeenLooks, look_alike};
use crate::manifest::shape::{self, ValueShape};
use crate::manifest::suggest::{did_you_mean, nearest};
use crate::manifest::template::Templates;
use crate::manifest::{LeftOut, Source, yaml};
use crate::model::{Key, odd_blank};

/// What reading one manifest needs, and what it found.
pub(super) struct Reader<'a> {
    /// Brings prompt files.
    pub(super) source: &'a dyn Source,
    expand: ExpandFile<'a>,
    /// The folder of the manifest, to which the paths of all files are relative.
    pub(super) folder: Arc<Path>,
    /// The templates of the manifest.
    pub(super) templates: Templates,
    /// What was found of the resources of one matrix.
    pub(super) gathered: GatheredFindings,
    /// Whether a matrix could not be expanded: which resources there are is not known.
    pub(super) is_matrix_broken: bool,
    /// The manifest's text.
    pub(super) text: &'a str,
    /// The regular expressions of the manifest.
    pub(super) expressions: Expressions,
    /// How many bytes the prompts of its tasks have together.
    pub(super) prompt_bytes: usize,
    /// How many bytes the files have that were read.
    pub(super) file_bytes: usize,
    /// Tasks that could not be understood whole.
    pub(super) left_out: Vec<LeftOut>,
    /// Agents that could not be understood, each with its place.
    pub(super) agents_left_out: BTreeMap<Key, Place>,
    /// Names of tools that were warned of.
    pub(super) unknown_tools: BTreeSet<String>,
    /// Texts beside the manifest's own into which findings point.
    pub(super) texts: Vec<(Arc<Path>, String)>,
    file: Arc<Path>,
    pub(super) findings: Findings,
}

impl<'a> Reader<'a> {
    /// Makes a reader that has found nothing yet.
    pub(super) fn new(
        file: &Arc<Path>,
        text: &'a str,
        source: &'a dyn Source,
        expand: ExpandFile<'a>,
    ) -> Self {
        Self {
            source,
            expand,
            folder: file.parent().unwrap_or(Path::new("")).into(),
            templates: Templates::default(),
            gathered: GatheredFindings::default(),
            is_matrix_broken: false,
            text,
            expressions: Expressions::default(),
            prompt_bytes: 0,
            file_bytes: 0,
            left_out: Vec::new(),
            agents_left_out: BTreeMap::new(),
            unknown_tools: BTreeSet::new(),
            texts: Vec::new(),
            file: Arc::clone(file),
            findings: Findings::default(),
        }
    }

    /// Returns the findings in the order of their places.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.gathered.end(&mut self.findings);
        self.findings.in_order(position)
    }

    /// Reads another file, whose path is relative to the manifest, with a reader of its own.
    pub(super) fn within<T>(
        &mut self,
        path: &str,
        text: &str,
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> T {
        let file: Arc<Path> = self.folder.join(path).into();
        let mut inner = Reader::new(&file, text, self.source, self.expand);
        inner.folder = Arc::clone(&self.folder);
        inner.templates = std::mem::take(&mut self.templates);
        inner.prompt_bytes = self.prompt_bytes;
        inner.file_bytes = self.file_bytes;
        inner.unknown_tools = std::mem::take(&mut self.unknown_tools);
        let found = read(&mut inner);
        self.templates = std::mem::take(&mut inner.templates);
        self.texts.append(&mut inner.texts);
        self.prompt_bytes = inner.prompt_bytes;
        self.file_bytes = inner.file_bytes;
        self.unknown_tools = std::mem::take(&mut inner.unknown_tools);
        self.findings.extend(inner.finish());
        self.texts.push((file, text.to_owned()));
        found
    }

    /// Puts the values of variables into the fields of an agent, where its file holds them.
    pub(super) fn expand_agent(&mut self, key: &str, node: &mut Node<'_>) {
        let found = (self.expand)(&self.file, self.text, key, node);
        self.findings.extend(found);
    }

    /// Adds what is wrong with the text as YAML.
    pub(super) fn report_all(&mut self, faults: Vec<Mistake>) {
        self.findings.extend(yaml::findings(&self.file, self.text, faults));
    }

    /// Adds a finding.
    pub(super) fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// Makes an error at a place.
    pub(super) fn error(
        &self,
        code: Code,
        message: impl Into<String>,
        span: &Range<usize>,
    ) -> Diagnostic {
        Diagnostic::error(code, message).at(self.place(span))
    }

    /// Returns the place of a span.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let start = floor_boundary(self.text, span.start);
        let end = floor_boundary(self.text, span.end).max(start);
        Place { file: Arc::clone(&self.file), span: start..end }
    }

    /// Returns the text of a scalar as the manifest has it: the value of a variable may be a secret.
    pub(super) fn as_written(&self, node: &Node<'_>) -> String {
        match &node.value {
            NodeValue::Text(text) if node.origin == Origin::Written => text.to_string(),
            _ => self.text.get(node.span.clone()).unwrap_or_default().to_owned(),
        }
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong(
        &mut self,
        node: &Node<'_>,
        field: &str,
        owner: Owner<'_>,
        expected: ValueShape,
    ) {
        let found = match &node.value {
            NodeValue::Text(text) if expected == ValueShape::Text && text.trim().is_empty() => {
                "blank"
            }
            value => value.in_words(),
        };
        let message = format!("`{field}` of {owner} must be {expected}, not {found}");
        let finding = self.error(Code::InvalidValue, message, &node.span);
        let finding = finding.help(match node.origin {
            Origin::Written => shape::of_value(self.text, node, field, expected),
            _ => shape::of_expanded(field, expected),
        });
        self.report(match (&node.value, node.style) {
            (NodeValue::Null, Style::Commented(_)) => finding.help(shape::COMMENT),
            _ => finding,
        });
    }

    /// Reads a mapping of known fields; an empty value is an empty mapping.
    pub(super) fn entries<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        owner: Owner<'_>,
        known: &'static [Spec],
    ) -> Option<Entries<'n, 't>> {
        let pairs = match &node.value {
            NodeValue::Mapping(pairs) => pairs.as_slice(),
            NodeValue::Null => &[],
            other => {
                let message = format!("{owner} must be a mapping, not {}", other.in_words());
                let finding = self.error(Code::InvalidValue, message, &node.span);
                self.report(finding.help(shape::of_mapping(node, owner, known)));
                return None;
            }
        };
        let fields = Vec::with_capacity(pairs.len().min(known.len()));
        let mut entries = Entries { fields, meant: Vec::new() };
        for (key, value) in pairs {
            let Some(word) = key_text(key) else {
                let found = key.value.in_words();
                let message = format!("a field of {owner} must be named by a text, not {found}");
                let finding = self.error(Code::UnknownField, message, &key.span);
                self.report(finding.help(format!("known fields: {}", in_backticks(known))));
                continue;
            };
            match known.iter().map(|spec| spec.name).find(|field| *field == word) {
                None if matches!(owner, Owner::Manifest) && word.starts_with(OWN_PREFIX) => {}
                None => {
                    entries.meant.extend(self.unknown_field(&key.span, &word, owner, known));
                }
                Some(field) => match entries.key(field) {
                    Some(first) => {
                        let message = format!("field `{word}` of {owner} is given twice");
                        self.twice(message, &key.span, &first.span);
                    }
                    None => entries.fields.push((field, key, value)),
                },
            }
        }
        Some(entries)
    }

    /// Reports a field that is not known; returns the one that was probably meant.
    fn unknown_field(
        &mut self,
        span: &Range<usize>,
        word: &str,
        owner: Owner<'_>,
        known: &'static [Spec],
    ) -> Option<&'static str> {
        let name_of =
            |meant: &str| known.iter().map(|spec| spec.name).find(|name| *name == meant.trim());
        let kind = if let Owner::Agent(_) = owner { &AGENT } else { &TASK };
        let (help, meant) = if let Some(help) = unmanaged(kind, word) {
            (help, None)
        } else if let Some(odd) = word.chars().next().filter(|c| c.is_whitespace()) {
            let (number, meant) = (u32::from(odd), word.trim());
            let help = format!(
                "`{meant}` is indented with U+{number:04X}, which only looks like a blank; write spaces"
            );
            (help, name_of(meant))
        } else if let (Owner::Agent(_), Some(meant)) = (owner, of_agent(word)) {
            (format!("did you mean `{meant}`?"), Some(meant))
        } else if let Some((_, meant)) = RENAMED.iter().find(|(old, _)| *old == word) {
            (format!("did you mean `{meant}`?"), name_of(meant))
        } else if let Some(help) = shape::of_colon(word, known) {
            (help, word.split([' ', ':', '\t', '\n']).next().and_then(name_of))
        } else if let Some(help) = level::of_name(word) {
            (help, None)
        } else if let Some(meant) = nearest(word, known.iter().map(|spec| spec.name)) {
            (did_you_mean(word, &[meant]), Some(meant))
        } else if let Some(help) = level::of_similar(word) {
            (help, None)
        } else {
            (format!("known fields: {}", in_backticks(known)), None)
        };
        let message = format!("unknown field `{word}` of {owner}");
        let finding = self.error(Code::UnknownField, message, span);
        self.report(finding.help(help));
        meant
    }

    /// Reports a key or field that is given twice.
    pub(super) fn twice(&mut self, message: String, span: &Range<usize>, first: &Range<usize>) {
        let finding = self
            .error(Code::DuplicateKey, message, span)
            .see(self.place(first), "first given here")
            .help("keep one of the two");
        self.report(finding);
    }

    /// Reads the keys of a mapping, and returns each with its entry. An entry under a repeated key is
    /// returned too, so that it is checked as well: the first one is the one to keep.
    pub(super) fn keyed<'n, 't>(
        &mut self,
        pairs: &'n [(Node<'t>, Node<'t>)],
        what: &str,
        of: &str,
    ) -> Vec<(Key, &'n Node<'t>, &'n Node<'t>)> {
        let keys = self.keys(pairs, what, of).into_iter().zip(pairs);
        keys.filter_map(|(key, (node, value))| Some((key?, node, value))).collect()
    }

    /// Reads the keys of a mapping, which are the user's; `what` is the word for one of its entries, `of` is
    /// empty or says of what it is one. One that cannot be read is reported, and so is a repeated one.
    pub(super) fn keys(
        &mut self,
        pairs: &[(Node<'_>, Node<'_>)],
        what: &str,
        of: &str,
    ) -> Vec<Option<Key>> {
        let mut first_by_key: BTreeMap<Key, &Range<usize>> = BTreeMap::new();
        let mut told = BTreeSet::new();
        let mut looks = SeenLooks::default();
        let mut keys = vec![None; pairs.len()];
        for ((key_node, _), place) in pairs.iter().zip(&mut keys) {
            let Some(key) = self.key(key_node, what, of) else { continue };
            // A reference may be to one.
            let is_declared = of.is_empty() || what != "agent";
            if is_declared && key.is_of_matrix() && key_node.scope.is_none() {
                self.of_matrix(&key, key_node);
                continue;
            }
            match first_by_key.entry(key.clone()) {
                Entry::Vacant(first) => {
                    first.insert(&key_node.span);
                    if let Some((other, first)) = looks.add(key.as_str(), &key_node.span) {
                        let finding = look_alike(what, of, (key.as_str(), &other));
                        let place = self.place(&key_node.span);
                        self.report(finding.at(place).see(self.place(first), "the other one"));
                    }
                }
                // One of a matrix, and then all of them.
                Entry::Occupied(_) if !told.insert(key_node.span.start) => {}
                Entry::Occupied(first) => {
                    let key = key.base();
                    let message = format!("{what} `{key}`{of} is given twice");
                    self.twice(message, &key_node.span, first.get());
                }
            }
            *place = Some(key);
        }
        keys
    }

    /// Reads a key; `what` is the word for what it names, and `of` as for [`Self::keys`].
    pub(super) fn key(&mut self, node: &Node<'_>, what: &str, of: &str) -> Option<Key> {
        let Some(word) = key_text(node) else {
            let found = node.value.in_words();
            let message = format!("the key of {} must be a text, not {found}", one(what, of));
            let finding = self.error(Code::InvalidKey, message, &node.span);
            self.report(finding.help(match node.value {
                NodeValue::Mapping(ref pairs) if !self.is_flow(node) => {
                    let key = pairs.first().and_then(|(key, _)| key_text(key));
                    format!("write the key alone: `{}`", key.unwrap_or_default())
                }
                NodeValue::Sequence(_) | NodeValue::Mapping(_) => {
                    "a key is a plain word; one that starts with `[` or `{` is no key".to_owned()
                }
                _ => "put it in quotes".to_owned(),
            }));
            return None;
        };
        match word.parse::<Key>() {
            Ok(key) => Some(key),
            Err(rule) => {
                let message = format!("`{word}` cannot be the key of {}", one(what, of));
                let finding = self.error(Code::InvalidKey, message, &node.span);
                let finding = match word.chars().find_map(odd_blank) {
                    Some(odd) => finding.help(format!("it holds {odd}")),
                    None => finding,
                };
                self.report(finding.help(rule.to_string()));
                None
            }
        }
    }

    /// Whether a list or a mapping is written in brackets.
    fn is_flow(&self, node: &Node<'_>) -> bool {
        self.text.get(node.span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// Reads a text that is not blank.
    pub(super) fn text<'n>(
        &mut self,
        node: &'n Node<'_>,
        field: &str,
        owner: Owner<'_>,
    ) -> Option<Cow<'n, str>> {
        let NodeValue::Text(written) = &node.value else {
            self.wrong(node, field, owner, ValueShape::Text);
            return None;
        };
        self.warn_of_writing(node, written, field, owner);
        if node.origin == Origin::Unresolved {
            return None;
        }
        if written.trim().is_empty() {
            self.wrong(node, field, owner, ValueShape::Text);
            return None;
        }
        let (text, _) = self.rendered(written, node, (field, owner))?;
        if text.trim().is_empty() {
            let message = format!("`{field}` of {owner} is blank once it is rendered");
            let finding = self.error(Code::InvalidTemplate, message, &node.span);
            self.report(finding.help("write something that is there whatever the template sees"));
            return None;
        }
        self.warn_of_hidden(&text, node, (field, owner));
        Some(text)
    }

    /// Reads a positive whole number.
    ///
    /// `help` says what to write in place of what is none.
    pub(super) fn number(
        &mut self,
        node: &Node<'_>,
        field: &str,
        owner: Owner<'_>,
        help: &str,
    ) -> Option<u64> {
        self.number_from(1, node, field, owner, help)
    }

    /// Reads a whole number that is at least `least`.
    pub(super) fn number_from(
        &mut self,
        least: u64,
        node: &Node<'_>,
        field: &str,
        owner: Owner<'_>,
        help: &str,
    ) -> Option<u64> {
        let number = match &node.value {
            NodeValue::Integer(number) => u64::try_from(*number).ok(),
            _ if node.origin == Origin::Unresolved => return None,
            _ => None,
        };
        let sound = number.filter(|number| *number >= least);
        if sound.is_none() {
            let what = if least == 0 { "a whole number" } else { "a positive whole number" };
            // The value itself may come from a variable, so it is not repeated here.
            let message = format!("`{field}` of {owner} must be {what}");
            let finding = self.error(Code::InvalidValue, message, &node.span);
            self.report(finding.help(shape::of_number(node).unwrap_or_else(|| help.to_owned())));
        }
        sound
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(
        &mut self,
        node: &Node<'_>,
        field: &str,
        owner: Owner<'_>,
    ) -> Option<bool> {
        if let NodeValue::Boolean(value) = node.value {
            return Some(value);
        }
        if node.origin != Origin::Unresolved {
            self.wrong(node, field, owner, ValueShape::Flag);
        }
        None
    }
}

/// One thing of a kind, with its article.
fn one(what: &str, of: &str) -> String {
    let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {what}{of}")
}

/// Where a finding stands, for the order of findings.
pub(super) fn position(finding: &Diagnostic) -> Option<(Arc<Path>, usize)> {
    finding.place.as_ref().map(|place| (Arc::clone(&place.file), place.span.start))
}

/// The text of a key; numbers and booleans that are written as one would read them are texts here.
pub(super) fn key_text<'n>(node: &'n Node<'_>) -> Option<Cow<'n, str>> {
    match &node.value {
        NodeValue::Text(text) => Some(Cow::Borrowed(text)),
        NodeValue::Integer(number) => Some(Cow::Owned(number.to_string())),
        NodeValue::Boolean(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        NodeValue::Null | NodeValue::Float(_) | NodeValue::Sequence(_) | NodeValue::Mapping(_) => {
            None
        }
    }
}

fn in_backticks(fields: &[Spec]) -> String {
    fields.iter().map(|spec| format!("`{}`", spec.name)).collect::<Vec<_>>().join(", ")
}
