//! One earlier manifest, parsed once and kept small, whatever its prompt files held at the time.
//!
//! The parser is given placeholders instead of prompt files, so that one manifest text is parsed
//! once for all the commits that changed only prompts. Texts are parsed on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::diag::Severity;
use crate::history::objects::join;
use crate::history::vars_at::VarsAt;
use crate::kinds::{AGENT_ID, PROJECT_PREFERENCE, PROMPT};
use crate::manifest::{
    self, AgentConfig, ExpandInputs, Expansion, Manifest, Source, TaskConfig, Template, Unreadable,
};
use crate::model::Key;
use crate::resource::Value;

/// A text to parse.
#[derive(Clone)]
pub(super) struct Blob {
    /// Where the manifest lay.
    pub(super) path: String,
    /// What it was.
    pub(super) text: String,
    /// The number of the variables that it is expanded with, and those.
    pub(super) vars: (usize, Arc<VarsAt>),
}

/// What a text held.
#[derive(Default)]
pub(super) struct Parsed {
    /// The tasks that could be understood.
    pub(super) tasks: Vec<ParsedTask>,
    /// The agents that it declares, with their names; `None` is a name that a file holds.
    pub(super) agents: BTreeMap<Key, Option<String>>,
    /// Variables beside the organization's that have no value.
    pub(super) unset: BTreeSet<String>,
    /// The first thing that could not be understood.
    pub(super) flaw: Option<String>,
    /// Whose tasks could not be understood.
    pub(super) lost: LostTasks,
}

/// Whose tasks a text does not show.
pub(super) enum LostTasks {
    /// Which tasks it declares is unknown.
    All,
    /// Those of these keys.
    Of(BTreeSet<Key>),
}

impl Default for LostTasks {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

/// A task of an earlier manifest.
pub(super) struct ParsedTask {
    /// Where its key is in the text.
    pub(super) at: usize,
    pub(super) key: Key,
    pub(super) name: String,
    pub(super) agent: Value,
    pub(super) preference: Arc<str>,
    pub(super) prompt: ParsedPrompt,
    pub(super) protect: bool,
}

impl ParsedTask {
    /// Takes what counts of a task in the manifest at `path`.
    pub(super) fn new(path: &str, key: Key, task: &TaskConfig) -> Self {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = |field| task.object.text(field).cloned().unwrap_or_default();
        Self {
            at: task.place.span.start,
            key,
            name: task.object.name().unwrap_or_default().to_owned(),
            agent: task.object.get(AGENT_ID).clone(),
            preference: text(PROJECT_PREFERENCE),
            prompt: match (&task.template, task.files.iter().find(|(field, _)| *field == PROMPT)) {
                (Some(template), _) => ParsedPrompt::Template(folder.to_owned(), template.clone()),
                (None, Some((_, file))) => ParsedPrompt::File(join(folder, file)),
                (None, None) => ParsedPrompt::Inline(text(PROMPT)),
            },
            protect: task.protect,
        }
    }
}

/// Where a prompt stands.
pub(super) enum ParsedPrompt {
    /// In the manifest.
    Inline(Arc<str>),
    /// In a template that a file is part of, seen from this folder.
    Template(String, Template),
    /// In the prompt file at this path from the repository's root; `None` leads out of it.
    File(Option<String>),
}

/// What stands for a file: as a prompt and as an agent it is sound.
pub(super) const FRONT_MATTER: &str = "---\n---\nplaceholder";

/// Answers every read with a placeholder: what a prompt file held at the time is found elsewhere.
pub(super) struct Placeholders;

impl Source for Placeholders {
    fn read(&self, _path: &str) -> Result<String, Unreadable> {
        Ok(FRONT_MATTER.to_owned())
    }

    fn wants_expectations(&self) -> bool {
        false
    }
}

/// What a version without environments declared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// The tasks of every environment: so does a manifest of today.
    OfAll,
    /// Those of none that is declared today.
    OfNone,
}

impl Plain {
    /// What it declared, by the manifest of today.
    pub(super) fn of(manifest: &Manifest) -> Self {
        if manifest.expansion.is_shared { Self::OfAll } else { Self::OfNone }
    }
}

/// Whether a version proves anything for the environment that is selected: what was declared for one
/// says nothing of another, also where both share an organization.
pub(super) fn proves(version: &Expansion, environment: Option<&str>, plain: Plain) -> bool {
    match environment {
        Some(_) if version.environments.is_empty() => plain == Plain::OfAll,
        Some(selected) => version.environments.contains_key(selected),
        None => version.environments.is_empty(),
    }
}

/// Parses texts on all processors, in order.
pub(super) fn parse_all(texts: &[Blob], (inputs, plain): (ExpandInputs<'_>, Plain)) -> Vec<Parsed> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = texts.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let work = |share| move || -> Vec<Parsed> { parse_share(share, inputs, plain) };
        let workers: Vec<_> = texts.chunks(share).map(|share| scope.spawn(work(share))).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<Parsed>>| {
            worker.join().expect("the parser does not panic")
        };
        workers.into_iter().flat_map(join).collect()
    })
}

fn parse_share(texts: &[Blob], inputs: ExpandInputs<'_>, plain: Plain) -> Vec<Parsed> {
    texts.iter().map(|text| parse(text, inputs, plain)).collect()
}

fn parse(text: &Blob, inputs: ExpandInputs<'_>, plain: Plain) -> Parsed {
    let Blob { path, text, vars } = text;
    let inputs = vars.1.fill(inputs);
    let (manifest, findings) = manifest::parse(Path::new(path), text, &Placeholders, inputs);
    if !proves(&manifest.expansion, inputs.environment, plain) {
        return Parsed::default();
    }
    let flaw = findings.iter().find(|finding| finding.severity == Severity::Error);
    let tasks = manifest.tasks.into_iter().map(|(key, task)| ParsedTask::new(path, key, &task));
    let left_out = manifest.left_out.into_iter().map(|task| task.key);
    let named = |(key, agent): (Key, AgentConfig)| {
        let name = agent.object.name().map(str::to_owned);
        // Where the file holds the whole agent, the name is in it.
        let is_apart = !agent.files.is_empty() && name.as_deref() == Some(key.as_str());
        (key, name.filter(|_| !is_apart))
    };
    Parsed {
        agents: manifest.agents.into_iter().map(named).collect(),
        tasks: tasks.collect(),
        unset: manifest.expansion.unset,
        flaw: flaw.map(|finding| finding.message.clone()),
        lost: if manifest.has_tasks { LostTasks::Of(left_out.collect()) } else { LostTasks::All },
    }
}
