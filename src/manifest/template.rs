//! Templates: texts in Jinja's syntax, rendered with what their resource sees.
//!
//! Each text is compiled once, however many resources use it. A template has neither clock nor
//! environment; it includes files through the manifest's [`Source`] alone. A manifest may be a
//! stranger's, so depth, size and work are limited.

mod flaw;
mod parts;

pub(super) use flaw::TemplateFlaw;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use sha2::{Digest, Sha256};

use crate::diag::Code;
use crate::manifest::scope::{NoValue, ScopeObject, TemplateScope, feed};
use crate::manifest::standin::stand_in;
use crate::manifest::suggest::{did_you_mean, nearest_few};
use crate::manifest::text::no_nul;
use crate::manifest::{Source, Unreadable};

use flaw::innermost;
use parts::{TemplateParts, parts};

/// How deep files may include each other.
const DEEPEST: usize = 10;

/// The most files that a template includes.
const MOST_INCLUDES: usize = 100;

/// The work of one rendering: about one for each step, and one for each 64 bytes.
const MOST_WORK: u64 = 300_000;

/// The work of all renderings of a manifest: a second or two.
pub(super) const MOST_WORK_OF_ALL: u64 = 20_000_000;

/// The name of a text that stands in the manifest.
const INLINE: &str = "";

/// A text to render: where it stands, and what it sees.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) text: TemplateText,
    pub(super) scope: Arc<TemplateScope>,
    /// The files that it includes, relative to the manifest's folder.
    pub includes: Arc<[Arc<str>]>,
}

/// Where the text of a template stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemplateText {
    /// In the manifest.
    Inline(Arc<str>),
    /// In this file, relative to the manifest's folder.
    File(Arc<str>),
}

impl TemplateText {
    /// The name of the text in findings and includes.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Inline(_) => INLINE,
            Self::File(path) => path,
        }
    }
}

impl Template {
    /// Returns where its text stands.
    pub fn text(&self) -> &TemplateText {
        &self.text
    }

    /// Returns a number for its text and all that it sees: two with the same one render alike from the
    /// same files.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.scope.hash());
        match &self.text {
            TemplateText::Inline(text) => feed(&mut hash, &["", text]),
            TemplateText::File(path) => feed(&mut hash, &[path]),
        }
        hash.finalize().into()
    }

    /// Renders it with one of the texts that [`CompiledTemplate::read`] compiled.
    pub fn render(&self, compiled: &CompiledTemplate) -> Result<String, String> {
        compiled.render(&self.scope).map(|(text, _)| text).map_err(|flaw| flaw.message)
    }
}

/// Whether a text has anything to render.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Returns the paths that a text includes as a template; none where it is none.
pub fn includes_of(text: &str) -> Vec<String> {
    let parts = parts(INLINE, text).unwrap_or_default();
    parts.includes.into_iter().map(|(path, _)| path).collect()
}

/// A template and the files that it includes, ready to be rendered many times.
pub struct CompiledTemplate {
    engine: Environment<'static>,
    main: String,
    texts: BTreeMap<String, Arc<str>>,
    /// The names that it uses, with the text that does and the place in it.
    names: Vec<(String, String, Range<usize>)>,
    /// Those that it sets itself.
    own: BTreeSet<String>,
    pub(super) includes: Arc<[Arc<str>]>,
}

impl CompiledTemplate {
    /// Reads a template with the files that it includes, or says why it cannot be.
    pub fn read(text: &TemplateText, source: &dyn Source) -> Result<Self, String> {
        let content = match text {
            TemplateText::Inline(text) => Arc::clone(text),
            TemplateText::File(path) => {
                source.read(path).map_err(|unreadable| unreadable.why)?.into()
            }
        };
        let read = &mut |path: &str| source.read(path);
        Self::compile((text.name(), content), read).map_err(|flaw| flaw.message)
    }

    /// Compiles a text under its name, with the files that it includes.
    pub(super) fn compile(
        (main, text): (&str, Arc<str>),
        read: &mut dyn FnMut(&str) -> Result<String, Unreadable>,
    ) -> Result<Self, TemplateFlaw> {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_debug(true);
        engine.set_fuel(Some(MOST_WORK));
        // Lists that are added to each other cost nothing until they are read, and `debug` shows all.
        for name in ["debug", "dict", "namespace"] {
            engine.remove_global(name);
        }
        let (texts, names) = (BTreeMap::new(), Vec::new());
        let (own, includes) = (BTreeSet::new(), Arc::default());
        let mut compiled = Self { engine, main: main.to_owned(), texts, names, own, includes };
        compiled.add(main, &text, read, &mut Vec::new())?;
        let others = compiled.texts.keys().filter(|name| *name != main);
        compiled.includes = others.map(|name| name.as_str().into()).collect();
        Ok(compiled)
    }

    /// Adds a text and the files that it includes; `within` are those that include it.
    fn add(
        &mut self,
        name: &str,
        text: &Arc<str>,
        read: &mut dyn FnMut(&str) -> Result<String, Unreadable>,
        within: &mut Vec<String>,
    ) -> Result<(), TemplateFlaw> {
        let TemplateParts { includes, names, own } =
            parts(name, text).map_err(|flaw| TemplateFlaw { text: Arc::clone(text), ..flaw })?;
        let syntax = |error: Error| TemplateFlaw::of_syntax(name, text, &error);
        self.engine.add_template_owned(name.to_owned(), text.to_string()).map_err(syntax)?;
        self.names.extend(names.into_iter().map(|(id, span)| (id, name.to_owned(), span)));
        self.own.extend(own);
        self.texts.insert(name.to_owned(), Arc::clone(text));
        within.push(name.to_owned());
        for (path, span) in includes {
            let new = |code, message| TemplateFlaw {
                text: Arc::clone(text),
                ..TemplateFlaw::new(code, name, span.clone(), message)
            };
            let flaw = |message| new(Code::InvalidTemplate, message);
            if let Some(at) = within.iter().position(|above| *above == path) {
                let circle = within[at..].iter().chain([&path]);
                let circle: Vec<String> = circle.map(|path| format!("`{path}`")).collect();
                let message =
                    format!("files include each other without end: {}", circle.join(" → "));
                return Err(flaw(message).help("take one of the includes out"));
            }
            if self.texts.contains_key(&path) {
                continue;
            }
            if within.len() > DEEPEST {
                let message = format!("files include each other more than {DEEPEST} deep");
                return Err(flaw(message).help("include fewer files from each other"));
            }
            if self.texts.len() > MOST_INCLUDES {
                let message = format!("the template includes more than {MOST_INCLUDES} files");
                return Err(flaw(message).help("put some of them into one"));
            }
            let unreadable = |Unreadable { why, help, .. }| {
                let message = format!("the file that is included cannot be read: {why}");
                let usual = "the path is relative to the manifest and stays inside its repository";
                new(Code::UnreadableFile, message).help(help.unwrap_or_else(|| usual.to_owned()))
            };
            let included = read(&path).and_then(|text| no_nul(&path, &text).map(|()| text));
            let included = included.map_err(unreadable)?;
            if let Some((what, _)) = stand_in("", included.trim_start().as_bytes()) {
                let message = format!("the file that is included is {what}, not the text");
                return Err(flaw(message).help("put the text itself in its place"));
            }
            let included: Arc<str> = included.trim_start_matches('\u{feff}').into();
            self.add(&path, &included, read, within)?;
        }
        within.pop();
        Ok(())
    }

    /// Renders it with what a resource sees; returns the work it took, too.
    pub(super) fn render(&self, scope: &Arc<TemplateScope>) -> Result<(String, u64), TemplateFlaw> {
        let flaw = |error: &Error| {
            let text = |name: &str| self.texts.get(name).map(|text| &**text);
            let flaw = self
                .undefined(error, scope)
                .unwrap_or_else(|| TemplateFlaw::of_rendering(error, (&self.main, text)));
            let text = self.texts.get(&flaw.name).map(Arc::clone).unwrap_or_default();
            TemplateFlaw { text, ..flaw }
        };
        let template = self.engine.get_template(&self.main).map_err(|error| flaw(&error))?;
        let seen = Value::from_object(ScopeObject(Arc::clone(scope)));
        let captured = template.render_captured(seen).map_err(|error| flaw(&error))?;
        let work = captured.state().fuel_levels().map_or(0, |(work, _)| work);
        Ok((captured.into_output(), work))
    }

    /// Says of an error that it is about a name without a value, and which.
    fn undefined(&self, error: &Error, scope: &TemplateScope) -> Option<TemplateFlaw> {
        let error = innermost(error);
        let (at, file) = (error.range()?, error.name()?);
        let is_within = |span: &Range<usize>| at.start <= span.start && span.end <= at.end;
        let unknown =
            |name: &str| !self.own.contains(name) && !matches!(scope.get(name), Some(Ok(_)));
        let (name, _, span) = self
            .names
            .iter()
            .find(|(name, of, span)| of == file && is_within(span) && unknown(name))?;
        let flaw = |message: String| {
            let flaw = TemplateFlaw::new(Code::UnresolvedVariable, file, span.clone(), message);
            TemplateFlaw { is_of_all: false, ..flaw }
        };
        match scope.get(name) {
            Some(Err(NoValue::Reported)) => {
                Some(TemplateFlaw { is_known: true, ..flaw(String::new()) })
            }
            Some(Err(NoValue::HoldsCredential)) => Some(
                flaw(format!("the value of `{name}` holds a credential"))
                    .help(format!("give a value that is no secret with `--var {name}=VALUE`")),
            ),
            _ if error.kind() != ErrorKind::UndefinedError => None,
            _ => {
                let others = scope.names().filter(|other| other != name);
                let near = nearest_few(name, others, 2);
                let flaw = flaw(format!("`{name}` is not defined"));
                let flaw =
                    if near.is_empty() { flaw } else { flaw.help(did_you_mean(name, &near)) };
                Some(match &**name {
                    "env" => flaw.help("`env` is the selected environment: declare `environments`, and select one with `--env NAME`"),
                    _ => flaw
                        .help(format!("declare `{name}` in `vars`, as an axis of `matrix`, or pass `--var {name}=VALUE`"))
                        .help("for braces that mean nothing write `{% raw %}…{% endraw %}`"),
                })
            }
        }
    }
}

/// A template once it was looked at: `None` where what is wrong with it was said.
type KnownTemplate = Option<Rc<CompiledTemplate>>;

/// The templates of one manifest.
#[derive(Default)]
pub(super) struct Templates {
    inline: BTreeMap<Arc<str>, KnownTemplate>,
    files: BTreeMap<Arc<str>, KnownTemplate>,
    /// How much rendering them has taken so far.
    pub(super) work: u64,
    /// The names that any of them uses.
    pub(super) used: BTreeSet<String>,
    /// The files that any of them includes.
    pub(super) included: BTreeSet<Arc<str>>,
}

impl Templates {
    /// The template of a text that was compiled before.
    pub(super) fn inline(&self, text: &str) -> Option<(Arc<str>, KnownTemplate)> {
        self.inline.get_key_value(text).map(|(text, known)| (Arc::clone(text), known.clone()))
    }

    /// The template of a file that was compiled before.
    pub(super) fn file(&self, path: &str) -> Option<(Arc<str>, KnownTemplate)> {
        self.files.get_key_value(path).map(|(path, known)| (Arc::clone(path), known.clone()))
    }

    /// Keeps a template, or that it cannot be compiled.
    pub(super) fn add(&mut self, text: TemplateText, compiled: KnownTemplate) {
        if let Some(compiled) = &compiled {
            self.used.extend(compiled.names.iter().map(|(name, ..)| name.clone()));
            self.included.extend(compiled.includes.iter().map(Arc::clone));
        }
        match text {
            TemplateText::Inline(text) => self.inline.insert(text, compiled),
            TemplateText::File(path) => self.files.insert(path, compiled),
        };
    }

    /// Renders a template no more: what is wrong with it does not hang on what it sees.
    pub(super) fn fail(&mut self, compiled: &CompiledTemplate) {
        let all = self.inline.values_mut().chain(self.files.values_mut());
        let is_it = |known: &&mut KnownTemplate| {
            known.as_ref().is_some_and(|known| std::ptr::eq(&raw const **known, compiled))
        };
        all.filter(is_it).for_each(|known| *known = None);
    }
}

#[cfg(test)]
mod tests;
