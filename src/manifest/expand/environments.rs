//! Environments: which one is selected, what it sets, and which resources it has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diag::{Code, Diagnostic};
use crate::manifest::expand::lookup::{
    field, field_mut, has_field, key_word, settings_of_environments,
};
use crate::manifest::expand::matrix::MATRIX;
use crate::manifest::expand::reference::{VarPiece, parts};
use crate::manifest::expand::scope::is_template;
use crate::manifest::expand::secrets::variable_of_environment;
use crate::manifest::expand::value::ValuePlace;
use crate::manifest::expand::{Expander, placed};
use crate::manifest::fields::{ENVIRONMENT, ENVIRONMENTS, HIGHEST_LIMIT, SETTINGS, SETTINGS_FIELD};
use crate::manifest::node::{Node, NodeValue, Origin};
use crate::manifest::owner::Owner;
use crate::manifest::suggest::{did_you_mean, nearest_few};
use crate::model::Key;

/// The most environments of a manifest: each is read and compared with every other.
const MOST_ENVIRONMENTS: usize = 100;

/// The most tasks of one matrix, unless the settings say otherwise: a slip in an axis makes them by the
/// thousand.
const MATRIX_LIMIT: usize = 1_000;

/// Which environment a manifest is expanded for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SelectedEnvironment {
    /// The manifest is the same in every environment.
    Same,
    /// This one.
    Of(String),
    /// None that it declares, which was reported.
    Unknown,
}

impl SelectedEnvironment {
    /// Whether this environment is selected.
    pub(super) fn is_of(&self, name: &str) -> bool {
        matches!(self, Self::Of(selected) if selected == name)
    }
}

impl Expander<'_> {
    /// Finds the environments of a manifest and the one that is selected.
    pub(super) fn select(&mut self, root: &Node<'_>) -> SelectedEnvironment {
        let Some(node) = field(root, ENVIRONMENTS) else { return SelectedEnvironment::Same };
        let NodeValue::Mapping(pairs) = &node.value else { return SelectedEnvironment::Same };
        let shared = field(root, "organizationId");
        let mut first: Option<Range<usize>> = None;
        for (key, value) in pairs {
            // Others are refused by the reader.
            let Some(name) = key_word(key)
                .filter(|name| name.parse::<Key>().is_ok_and(|key| !key.is_of_matrix()))
            else {
                continue;
            };
            let is_new = !self.expansion.environments.contains_key(&name);
            if is_new && self.expansion.environments.len() == MOST_ENVIRONMENTS {
                let message =
                    format!("the manifest declares more than {MOST_ENVIRONMENTS} environments");
                let finding = Diagnostic::error(Code::InvalidValue, message);
                self.report_at(finding.help("divide the manifest"), &key.span);
                break;
            }
            if is_new {
                self.check_credentials(&name, &key.span);
            }
            let organization = self.organization(field(value, "organizationId").or(shared), &name);
            self.expansion.environments.entry(name).or_insert(organization);
            first.get_or_insert_with(|| key.span.clone());
        }
        let Some(place) = first else { return SelectedEnvironment::Same };
        let names = self.environment_names();
        let finding = match self.inputs.environment {
            Some(name) if self.expansion.environments.contains_key(name) => {
                return SelectedEnvironment::Of(name.to_owned());
            }
            Some(name) => {
                let message = format!("the manifest declares no environment `{name}`");
                let finding = Diagnostic::error(Code::UnknownEnvironment, message);
                self.with_meant(finding, name)
            }
            None => {
                let message =
                    format!("the manifest declares environments, and none is selected: {names}");
                Diagnostic::error(Code::EnvironmentNotSelected, message)
                    .help("select one with `--env NAME` or `QCOPS_ENV`; `qcops validate` checks all of them")
            }
        };
        self.report_at(finding, &place);
        SelectedEnvironment::Unknown
    }

    /// The organization of an environment, where it is known without that environment's variables.
    fn organization(&self, node: Option<&Node<'_>>, environment: &str) -> Option<String> {
        let NodeValue::Text(written) = &node?.value else { return None };
        let mut id = String::new();
        for piece in parts(written) {
            match piece {
                VarPiece::Words(words) => id.push_str(words),
                VarPiece::VarReference(reference) => {
                    id.push_str(&self.outer_value(&reference, environment)?);
                }
                VarPiece::Flawed(..) => return None,
            }
        }
        Some(id.trim().to_owned())
    }

    /// Refuses an environment whose credentials are those of another: they have the names of variables,
    /// which know no case and only `_`.
    fn check_credentials(&mut self, name: &str, place: &Range<usize>) {
        let variable = variable_of_environment("QC_API_TOKEN", name);
        let is_it = |other: &&String| variable_of_environment("QC_API_TOKEN", other) == variable;
        if let Some(other) = self.expansion.environments.keys().find(is_it) {
            let message = format!(
                "environments `{other}` and `{name}` would both have the credentials of `{variable}`"
            );
            let finding = Diagnostic::error(Code::EqualName, message);
            self.report_at(finding.help("give one of them another name"), place);
        }
    }

    fn environment_names(&self) -> String {
        let names: Vec<String> =
            self.expansion.environments.keys().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }

    /// Adds which environment was probably meant, or which ones there are.
    fn with_meant(&self, finding: Diagnostic, name: &str) -> Diagnostic {
        let known = self.expansion.environments.keys().map(String::as_str);
        let near = nearest_few(name, known, 2);
        match near.as_slice() {
            [] if self.expansion.environments.is_empty() => finding.help(format!(
                "declare it: `environments: {{{name}: {{}}}}` at the top of the manifest"
            )),
            [] => finding.help(format!("declared are {}", self.environment_names())),
            near => finding.help(did_you_mean(name, near)),
        }
    }

    /// Puts what the selected environment sets in the place of what the manifest sets for all.
    pub(super) fn take_settings(&mut self, root: &mut Node<'_>, selection: &SelectedEnvironment) {
        let SelectedEnvironment::Of(name) = selection else { return };
        let NodeValue::Mapping(pairs) = &mut root.value else { return };
        let Some(own) = environment(pairs, name).and_then(|node| field(node, "organizationId"))
        else {
            return;
        };
        // What can be none is told where it stands.
        if !matches!(own.value, NodeValue::Text(_)) {
            return;
        }
        let mut own = own.clone();
        let spec = ENVIRONMENT.iter().find(|spec| spec.name == "organizationId");
        self.scalar(&mut own, spec.expect("an environment has one"), Owner::Environment(name));
        // The names of its own fields keep the places that they have.
        let is_it = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(text) if text == "organizationId");
        if let Some((_, value)) = pairs.iter_mut().find(|(key, _)| is_it(key)) {
            *value = own;
        } else {
            let name = NodeValue::Text("organizationId".into());
            let key = Node::new(name, own.span.clone(), own.style);
            pairs.push((key, own));
        }
    }

    /// Expands the settings for all and those of the selected environment; those of another may hold
    /// variables that only it sets.
    pub(super) fn expand_settings(&mut self, root: &mut Node<'_>, selection: &SelectedEnvironment) {
        self.place = ValuePlace::Settings;
        if let Some(settings) = field_mut(root, SETTINGS_FIELD) {
            self.mapping(settings, SETTINGS, Owner::Inside(SETTINGS_FIELD, &Owner::Manifest));
        }
        for (name, settings) in settings_of_environments(root) {
            if selection.is_of(&name) {
                let owner = Owner::Environment(&name);
                self.mapping(settings, SETTINGS, Owner::Inside(SETTINGS_FIELD, &owner));
            } else {
                self.note_used(settings);
                leave_unresolved(settings);
            }
        }
        self.place = ValuePlace::Field;
    }

    /// The most tasks that one matrix may have: by the settings of the selected environment, else by
    /// those for all. A value that is none is refused by the reader.
    pub(super) fn matrix_limit(root: &Node<'_>, selection: &SelectedEnvironment) -> usize {
        let of_environment = match (selection, &root.value) {
            (SelectedEnvironment::Of(name), NodeValue::Mapping(pairs)) => environment(pairs, name),
            _ => None,
        };
        let limit = |node| field(field(field(node, SETTINGS_FIELD)?, "limits")?, "matrix");
        let number = |node: &Node<'_>| match node.value {
            NodeValue::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        let set = of_environment.and_then(limit).or_else(|| limit(root)).and_then(number);
        let set = set.filter(|number| (1..=HIGHEST_LIMIT).contains(number));
        set.and_then(|number| usize::try_from(number).ok()).unwrap_or(MATRIX_LIMIT)
    }

    /// Takes out the resources that the selected environment does not have.
    pub(super) fn take_out(&mut self, root: &mut Node<'_>, selection: &SelectedEnvironment) {
        let NodeValue::Mapping(pairs) = &mut root.value else { return };
        for (key, resources) in pairs {
            let NodeValue::Text(word) = &key.value else { continue };
            let is_agents = *word == "agents";
            if !is_agents && *word != "tasks" {
                continue;
            }
            let NodeValue::Mapping(resources) = &mut resources.value else { continue };
            resources.retain(|(key, resource)| {
                let key = key_word(key).unwrap_or_default();
                let has = self.has(
                    if is_agents { Owner::Agent(&key) } else { Owner::Task(&key) },
                    resource,
                    selection,
                );
                if !has {
                    self.note_used(resource);
                    if has_field(resource, MATRIX) || is_template(resource) {
                        // It is not read any further.
                        self.expansion.used.extend(self.vars.keys().cloned());
                    }
                }
                has
            });
        }
    }

    /// Whether the selected environment has a resource; one whose list is wrong is in every one, so
    /// that all that is wrong with it is told.
    fn has(
        &mut self,
        owner: Owner<'_>,
        resource: &Node<'_>,
        selection: &SelectedEnvironment,
    ) -> bool {
        let Some(list) = field(resource, ENVIRONMENTS) else { return true };
        let NodeValue::Sequence(entries) = &list.value else {
            let found = list.value.in_words();
            let message =
                format!("`{ENVIRONMENTS}` of {owner} must be a list of environments, not {found}");
            let finding = Diagnostic::error(Code::InvalidValue, message);
            self.report_at(finding.help(format!("write `{ENVIRONMENTS}: [prod]`")), &list.span);
            return true;
        };
        let names = self.names_of(owner, entries);
        if entries.is_empty() {
            let message = format!("`{ENVIRONMENTS}` of {owner} names none, so that nothing has it");
            let finding = Diagnostic::error(Code::InvalidValue, message);
            self.report_at(
                finding.help("leave it out for a resource of every environment"),
                &list.span,
            );
        }
        match selection {
            SelectedEnvironment::Of(selected) if !entries.is_empty() => {
                names.is_none_or(|names| names.contains(selected))
            }
            _ => true,
        }
    }

    /// Reads the environments that have a resource; `None` where one of them is wrong, which is reported.
    fn names_of(&mut self, owner: Owner<'_>, entries: &[Node<'_>]) -> Option<BTreeSet<String>> {
        let mut names: BTreeMap<String, &Range<usize>> = BTreeMap::new();
        let mut is_sound = true;
        for entry in entries {
            match key_word(entry) {
                Some(name) if self.expansion.environments.contains_key(&name) => {
                    if let Some(first) = names.get(&name) {
                        let message = format!("`{ENVIRONMENTS}` of {owner} holds `{name}` twice");
                        let finding = Diagnostic::warning(Code::DuplicateKey, message);
                        let finding = finding.help("keep one of the two");
                        let file = (&self.file, self.text);
                        self.findings.push(placed(finding, file, &entry.span, Some(first)));
                    } else {
                        names.insert(name, &entry.span);
                    }
                }
                Some(name) => {
                    is_sound = false;
                    let message =
                        format!("{owner} is of environment `{name}`, which is not declared");
                    let finding = Diagnostic::error(Code::UnknownEnvironment, message);
                    self.report_at(self.with_meant(finding, &name), &entry.span);
                }
                None => {
                    is_sound = false;
                    let found = entry.value.in_words();
                    let message = format!("an environment of {owner} must be a text, not {found}");
                    let finding = Diagnostic::error(Code::InvalidValue, message);
                    self.report_at(finding.help("write the name of an environment"), &entry.span);
                }
            }
        }
        is_sound.then(|| names.into_keys().collect())
    }

    /// Notes the variables of what is taken out: they are used, though not here.
    fn note_used(&mut self, node: &Node<'_>) {
        match &node.value {
            NodeValue::Text(text) if node.origin == Origin::Written && text.contains("${") => {
                for piece in parts(text) {
                    if let VarPiece::VarReference(reference) = piece {
                        self.expansion.used.insert(reference.name.to_owned());
                    }
                }
            }
            NodeValue::Sequence(nodes) => {
                for node in nodes {
                    self.note_used(node);
                }
            }
            NodeValue::Mapping(pairs) => {
                for (_, node) in pairs {
                    self.note_used(node);
                }
            }
            _ => {}
        }
    }

    pub(super) fn report_at(&mut self, finding: Diagnostic, span: &Range<usize>) {
        self.findings.push(placed(finding, (&self.file, self.text), span, None));
    }
}

/// The fields of an environment, in the pairs of the top level.
pub(super) fn environment<'n, 't>(
    pairs: &'n [(Node<'t>, Node<'t>)],
    name: &str,
) -> Option<&'n Node<'t>> {
    let is_it =
        |key: &Node<'_>| matches!(&key.value, NodeValue::Text(text) if text == ENVIRONMENTS);
    let (_, environments) = pairs.iter().find(|(key, _)| is_it(key))?;
    let NodeValue::Mapping(pairs) = &environments.value else { return None };
    let found = pairs.iter().find(|(key, _)| key_word(key).is_some_and(|word| word == name));
    found.map(|(_, value)| value)
}

/// Marks the variables of what is not selected, so that nothing is said of their values.
fn leave_unresolved(node: &mut Node<'_>) {
    match &mut node.value {
        NodeValue::Text(text) if node.origin == Origin::Written && text.contains("${") => {
            node.origin = Origin::Unresolved;
        }
        NodeValue::Sequence(nodes) => nodes.iter_mut().for_each(leave_unresolved),
        NodeValue::Mapping(pairs) => pairs.iter_mut().for_each(|(_, node)| leave_unresolved(node)),
        _ => {}
    }
}
