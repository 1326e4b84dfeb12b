//! A stage between the YAML tree and the reader: variables become values, and a matrix becomes resources.
//!
//! It takes a tree and gives one in which every value keeps its place, so that nothing after it knows
//! of variables or matrices. Which values are templates is marked in it, with what they see; the reader
//! renders them. Values of the process may be secrets: a value that holds one is marked
//! ([`Origin::Expanded`]), and no finding repeats it.

mod environments;
mod lookup;
mod matrix;
mod problem;
mod reference;
mod scope;
mod secrets;
mod value;
mod vars;

pub use secrets::variable_of_environment;
pub use vars::{VarValue, invalid_var};

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Findings, Place, floor_boundary};
use crate::manifest::fields::{AGENT, DEPLOYMENT, FieldShape, MANIFEST, Spec, TASK};
use crate::manifest::node::{Node, NodeValue, Origin};
use crate::manifest::owner::Owner;
use crate::manifest::scope::TemplateVars;

use environments::SelectedEnvironment;
use lookup::{field, key_word, vars_of_environments, words_of};
use matrix::Combinations;
use reference::VarPiece;
use value::ValuePlace;
use vars::{declarations, read_plain};

/// Looks up a variable of the process: returns its value, or `None` where it is not set.
pub type Lookup<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Variables by their names; `None` for one whose value is none, which was reported.
pub type Vars = BTreeMap<String, Option<VarValue>>;

/// What fills the variables of a manifest, beside what it declares itself.
#[derive(Clone, Copy)]
pub struct ExpandInputs<'a> {
    /// The environment that is selected.
    pub environment: Option<&'a str>,
    /// The variables of `--var` and `--var-file`: they override those of the manifest.
    pub given: &'a Vars,
    /// Variables that count where neither the manifest nor `given` declares a name.
    pub otherwise: &'a Vars,
    /// The variables of the process: they count where nothing else declares a name.
    pub process: Lookup<'a>,
}

static NONE: Vars = Vars::new();

impl<'a> ExpandInputs<'a> {
    /// Takes the variables of the process alone.
    pub fn of(process: Lookup<'a>) -> Self {
        Self { environment: None, given: &NONE, otherwise: &NONE, process }
    }
}

/// What the stage has found out beside findings.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// The environments that the manifest declares, each with its organization where that is known.
    pub environments: BTreeMap<String, Option<String>>,
    /// Whether a manifest declares none: it is the same in every environment.
    pub is_shared: bool,
    /// The variables that the manifest uses.
    pub used: BTreeSet<String>,
    /// The variables without a value that decide what a task is.
    pub unset: BTreeSet<String>,
}

/// Puts the values of variables into the fields of an agent in a file of its own: takes the file, its
/// text, the agent's key and its fields, marks which of them are templates, and returns what is wrong.
pub(super) type ExpandFile<'a> =
    &'a dyn Fn(&Arc<Path>, &str, &str, &mut Node<'_>) -> Vec<Diagnostic>;

/// Puts the values of variables into a tree, which `read` then reads with the files that it names; it
/// returns the names that templates use, too.
pub(super) fn expand<T>(
    file: &Arc<Path>,
    text: &str,
    mut root: Node<'_>,
    inputs: ExpandInputs<'_>,
    read: impl FnOnce(Node<'_>, ExpandFile<'_>) -> (T, BTreeSet<String>),
) -> (T, Expansion, Vec<Diagnostic>) {
    let mut expander = Expander {
        file: Arc::clone(file),
        text,
        inputs,
        vars: BTreeMap::new(),
        of_process: BTreeSet::new(),
        place: ValuePlace::Field,
        of_environments: Vec::new(),
        expansion: Expansion::default(),
        findings: Findings::default(),
        expanded: 0,
        template_vars: None,
        combinations: Combinations::default(),
    };
    let selection = expander.select(&root);
    let declared = expander.declare(&root, &selection);
    expander.take_settings(&mut root, &selection);
    expander.expand_settings(&mut root, &selection);
    expander.take_out(&mut root, &selection);
    expander.mapping(&mut root, MANIFEST, Owner::Manifest);
    expander.combinations.most = Expander::matrix_limit(&root, &selection);
    expander.multiply(&mut root);
    let expander = RefCell::new(expander);
    let (done, used) = read(root, &|file, text, key, node| {
        expander.borrow_mut().agent_of_file((file, text), key, node)
    });
    let mut expander = expander.into_inner();
    expander.expansion.used.extend(used);
    expander.expansion.is_shared = expander.expansion.environments.is_empty();
    for (name, key) in declared {
        // Beyond the limit nobody looked.
        if expander.expanded <= MOST_EXPANDED && !expander.expansion.used.contains(&name) {
            expander.unused(&name, &key);
        }
    }
    let findings = expander.findings;
    (
        done,
        expander.expansion,
        findings.in_order(|finding| finding.place.as_ref().map(|at| at.span.start)),
    )
}

/// Reads the variables of a file: a mapping of names to values, which hold no variables themselves.
pub(super) fn vars_of_file(
    file: &Arc<Path>,
    text: &str,
    root: &Node<'_>,
) -> (Vars, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let declared = declarations(root, "the file of variables", &mut |finding, span, first| {
        findings.push(placed(finding, (file, text), span, first));
    });
    let value = |node| VarValue::of(node, text);
    let vars = declared.into_iter().map(|(name, it)| (name.to_owned(), it.value.map(value)));
    (vars.collect(), findings)
}

/// Puts a finding, and the place of what it refers to, into a file.
fn placed(
    finding: Diagnostic,
    (file, text): (&Arc<Path>, &str),
    span: &Range<usize>,
    first: Option<&Range<usize>>,
) -> Diagnostic {
    let place = |span: &Range<usize>| {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        Place { file: Arc::clone(file), span: start..end }
    };
    let finding = finding.at(place(span));
    match first {
        Some(first) if finding.code == Code::EqualName => {
            finding.see(place(first), "the other one")
        }
        Some(first) => finding.see(place(first), "first given here"),
        None => finding,
    }
}

/// The most bytes that the values of a manifest's variables have together, where they are used.
const MOST_EXPANDED: usize = 16 << 20;

/// One tree on its way.
struct Expander<'a> {
    file: Arc<Path>,
    text: &'a str,
    inputs: ExpandInputs<'a>,
    /// The variables of the manifest, flags and files; `None` for one whose own value is not known.
    vars: BTreeMap<String, Option<VarValue>>,
    /// Those of `vars` whose values hold variables of the process.
    of_process: BTreeSet<String>,
    /// Where the value stands that is expanded.
    place: ValuePlace,
    /// The names of the variables of each environment.
    of_environments: Vec<(String, BTreeSet<String>)>,
    expansion: Expansion,
    findings: Findings,
    /// How many bytes the values have that were put into fields.
    expanded: usize,
    /// The variables as templates see them, once there is one.
    template_vars: Option<Arc<TemplateVars>>,
    combinations: Combinations,
}

impl Expander<'_> {
    /// Takes the variables that the manifest and the selected environment declare; returns their names
    /// with their places.
    fn declare(
        &mut self,
        root: &Node<'_>,
        selection: &SelectedEnvironment,
    ) -> Vec<(String, Range<usize>)> {
        let of_environments = vars_of_environments(root);
        let names = |(name, node): &(String, &Node<'_>)| (name.clone(), words_of(node));
        self.of_environments = of_environments.iter().map(names).collect();
        let of_manifest = field(root, "vars").map(|node| (None, node));
        let of_environments = of_environments.iter().map(|(name, node)| (Some(&**name), *node));
        let mut own: BTreeMap<&str, (Option<&str>, &Node<'_>)> = BTreeMap::new();
        let mut places: BTreeMap<&str, Range<usize>> = BTreeMap::new();
        for (environment, node) in of_manifest.into_iter().chain(of_environments) {
            let owner = environment.map_or(Owner::Manifest, Owner::Environment);
            let (file, text, findings) = (&self.file, self.text, &mut self.findings);
            let of = format!("`vars` of {owner}");
            let found = declarations(node, &of, &mut |finding, span, first| {
                findings.push(placed(finding, (file, text), span, first));
            });
            let counts = environment.is_none_or(|name| selection.is_of(name));
            for (name, declaration) in found {
                match declaration.value.filter(|_| counts) {
                    Some(node) => {
                        own.insert(name, (environment, node));
                        places.entry(name).or_insert(declaration.key);
                    }
                    // What is wrong is told already; so is that no environment is selected.
                    None if counts || *selection == SelectedEnvironment::Unknown => {
                        self.vars.insert(name.to_owned(), None);
                    }
                    None => {}
                }
            }
        }
        self.place = ValuePlace::Vars(own.keys().map(|name| (*name).to_owned()).collect());
        let mut values = Vec::with_capacity(own.len());
        for (name, (environment, node)) in own {
            if !self.inputs.given.contains_key(name) {
                let owner = environment.map_or(Owner::Manifest, Owner::Environment);
                values.push((name.to_owned(), self.own_value(name, node, owner)));
            }
        }
        self.place = ValuePlace::Field;
        self.vars.extend(values);
        self.vars.extend(self.inputs.given.clone());
        for (name, value) in self.inputs.otherwise {
            self.vars.entry(name.clone()).or_insert_with(|| value.clone());
        }
        places.into_iter().map(|(name, place)| (name.to_owned(), place)).collect()
    }

    /// Expands the fields of an agent that another file holds, and returns what is wrong with them.
    fn agent_of_file(
        &mut self,
        (file, text): (&Arc<Path>, &str),
        key: &str,
        node: &mut Node<'_>,
    ) -> Vec<Diagnostic> {
        let mut inner = Expander {
            file: Arc::clone(file),
            text,
            inputs: self.inputs,
            vars: std::mem::take(&mut self.vars),
            of_process: BTreeSet::new(),
            place: ValuePlace::Field,
            of_environments: std::mem::take(&mut self.of_environments),
            expansion: std::mem::take(&mut self.expansion),
            findings: Findings::default(),
            expanded: self.expanded,
            template_vars: self.template_vars.take(),
            combinations: Combinations::default(),
        };
        inner.mapping(node, &AGENT, Owner::Agent(key));
        if scope::is_template(node) {
            let scope = inner.scope(key, &Arc::default(), Vec::new());
            scope::mark(node, &scope);
            node.scope = Some(scope);
        }
        let Expander {
            vars, of_environments, expansion, findings, expanded, template_vars, ..
        } = inner;
        self.template_vars = template_vars;
        self.expanded = expanded;
        (self.vars, self.of_environments, self.expansion) = (vars, of_environments, expansion);
        findings.in_order(|finding| finding.place.as_ref().map(|at| at.span.start))
    }

    fn mapping(&mut self, node: &mut Node<'_>, specs: &'static [Spec], owner: Owner<'_>) {
        let NodeValue::Mapping(pairs) = &mut node.value else { return };
        for (key, value) in pairs {
            let NodeValue::Text(word) = &key.value else { continue };
            if let Some(spec) = specs.iter().find(|spec| spec.name == word) {
                self.field(value, spec, owner);
            }
        }
    }

    fn field(&mut self, node: &mut Node<'_>, spec: &'static Spec, owner: Owner<'_>) {
        match spec.shape {
            // Names, and texts in which `$` is an ordinary character.
            FieldShape::Version
            | FieldShape::Keys
            | FieldShape::Prompt
            | FieldShape::Prompts
            | FieldShape::Vars
            | FieldShape::Environments
            | FieldShape::EnvironmentNames
            | FieldShape::References
            | FieldShape::Sequence => {}
            FieldShape::Mapping(specs) => {
                self.mapping(node, specs, Owner::Inside(spec.name, &owner));
            }
            FieldShape::Defaults => self.mapping(node, &TASK, Owner::Defaults),
            FieldShape::Tasks => {
                self.keyed(node, &|this, key, task| this.mapping(task, &TASK, Owner::Task(key)));
            }
            FieldShape::Agents => {
                self.keyed(node, &|this, key, agent| {
                    this.mapping(agent, &AGENT, Owner::Agent(key));
                });
            }
            FieldShape::Deployments => self.keyed(node, &|this, key, deployment| {
                this.mapping(deployment, DEPLOYMENT, Owner::Deployment(key, &owner));
            }),
            FieldShape::Matrix => {
                self.keyed(node, &|this, _, values| this.each(values, spec, owner));
            }
            FieldShape::Exclude => {
                if let NodeValue::Sequence(entries) = &mut node.value {
                    for entry in entries {
                        self.keyed(entry, &|this, _, value| this.scalar(value, spec, owner));
                    }
                }
            }
            FieldShape::Texts | FieldShape::Expressions | FieldShape::Set => {
                self.each(node, spec, owner);
            }
            FieldShape::Text
            | FieldShape::OpenText
            | FieldShape::Word(_)
            | FieldShape::OpenWord(_)
            | FieldShape::Number
            | FieldShape::Natural
            | FieldShape::Range(..)
            | FieldShape::Bound
            | FieldShape::Flag
            | FieldShape::Expression
            | FieldShape::Moment
            | FieldShape::Duration
            | FieldShape::Offset => self.scalar(node, spec, owner),
        }
    }

    /// Expands a scalar, or each one of a list.
    fn each(&mut self, node: &mut Node<'_>, spec: &Spec, owner: Owner<'_>) {
        match &mut node.value {
            NodeValue::Sequence(nodes) => {
                for node in nodes {
                    self.scalar(node, spec, owner);
                }
            }
            _ => self.scalar(node, spec, owner),
        }
    }

    fn keyed(&mut self, node: &mut Node<'_>, each: &dyn Fn(&mut Self, &str, &mut Node<'_>)) {
        let NodeValue::Mapping(pairs) = &mut node.value else { return };
        for (key, value) in pairs {
            if let Some(word) = key_word(key) {
                each(self, &word, value);
            }
        }
    }

    /// Expands a scalar. What its field holds decides what becomes of it, not its quotes: flow style
    /// needs them around a `${`.
    fn scalar(&mut self, node: &mut Node<'_>, spec: &Spec, owner: Owner<'_>) {
        let NodeValue::Text(written) = &node.value else { return };
        if node.origin != Origin::Written || !written.contains("${") {
            return;
        }
        let Some(text) = self.substituted(written, &node.span, (spec.name, owner)) else {
            node.origin = Origin::Unresolved;
            return;
        };
        node.origin = Origin::Expanded;
        node.value = match spec.shape {
            FieldShape::Number
            | FieldShape::Natural
            | FieldShape::Range(..)
            | FieldShape::Bound
            | FieldShape::Flag
            | FieldShape::Matrix
            | FieldShape::Exclude => read_plain(Cow::Owned(text)),
            _ => NodeValue::Text(Cow::Owned(text)),
        };
    }

    /// Puts the values of variables into a text; `None` where one has none, which is reported.
    fn substituted(
        &mut self,
        text: &str,
        span: &Range<usize>,
        (field, owner): (&str, Owner<'_>),
    ) -> Option<String> {
        if self.expanded > MOST_EXPANDED {
            return None;
        }
        let mut expanded = String::new();
        let mut is_whole = true;
        for part in reference::parts(text) {
            match part {
                VarPiece::Words(words) => expanded.push_str(words),
                VarPiece::Flawed(written, flaw) => {
                    is_whole = false;
                    self.flawed((written, flaw), span, (field, owner));
                }
                VarPiece::VarReference(reference) => match self.value(&reference) {
                    Ok(value) if self.has_room(value.len(), span) => expanded.push_str(&value),
                    // Said once; nothing is expanded any more.
                    Ok(_) => return None,
                    Err(cause) => {
                        is_whole = false;
                        self.unresolved(&reference, cause, span, (field, owner));
                    }
                },
            }
        }
        is_whole.then_some(expanded)
    }

    /// Counts the bytes of one more value.
    fn has_room(&mut self, length: usize, span: &Range<usize>) -> bool {
        let was_within = self.expanded <= MOST_EXPANDED;
        self.expanded = self.expanded.saturating_add(length);
        let is_within = self.expanded <= MOST_EXPANDED;
        if was_within && !is_within {
            self.too_much(MOST_EXPANDED, span);
        }
        is_within
    }
}

#[cfg(test)]
mod tests;
