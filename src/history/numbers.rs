//! Keys, names, prompts and tasks of earlier manifests as numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::objects::Oid;
use crate::manifest::Template;
use crate::model::AgentId;

/// The most tasks and agents that are expanded of all versions, and the most that are rendered: some
/// seconds, and 200 versions of 1,250. One line of a matrix may be ten thousand of them.
pub(super) const MOST_EXPANDED: usize = if cfg!(test) { 2_000 } else { 250_000 };

/// What expanding one of them counts in bytes that are parsed.
pub(super) const EXPANDED_BYTES: usize = 200;

/// Values with a number each.
pub(super) struct Interner<T> {
    numbers: BTreeMap<T, usize>,
    pub(super) values: Vec<T>,
}

impl<T: Ord + Clone> Interner<T> {
    pub(super) fn new() -> Self {
        Self { numbers: BTreeMap::new(), values: Vec::new() }
    }

    pub(super) fn number(&mut self, value: T) -> usize {
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() - 1
        })
    }
}

/// A prompt's text, or the file that holds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Prompt {
    /// The hash comes first, so that comparing two texts does not read them.
    Inline(Hash, Arc<str>),
    Blob(Oid),
    /// A template, by its number, and the number of the files that it was made of.
    Rendered(usize, usize),
}

/// SHA-256 over some text or state.
pub(super) type Hash = [u8; 32];

/// A task of an earlier manifest, by numbers.
#[derive(Clone, Copy)]
pub(super) struct EarlierTask {
    pub(super) key: usize,
    pub(super) name: usize,
    /// `None` where its name names no agent, or several.
    pub(super) agent: Option<AgentId>,
    pub(super) preference: usize,
    pub(super) prompt: EarlierPrompt,
    pub(super) protect: bool,
}

#[derive(Clone, Copy)]
pub(super) enum EarlierPrompt {
    /// The number of the prompt.
    Known(usize),
    /// The number of the path of its file.
    File(usize),
    /// The number of the template.
    Template(usize),
    /// A file outside of the repository.
    Outside,
}

impl EarlierTask {
    /// Returns what the task does, if its agent and its prompt file are known.
    pub(super) fn doing(&self, files: &BTreeMap<usize, usize>) -> Option<TaskSpec> {
        let prompt = match self.prompt {
            EarlierPrompt::Known(number) => number,
            EarlierPrompt::File(file) => *files.get(&file)?,
            EarlierPrompt::Template(_) | EarlierPrompt::Outside => return None,
        };
        Some(TaskSpec { prompt, agent: self.agent?, preference: self.preference })
    }
}

/// A template of an earlier manifest, and the number of where it stands.
pub(super) struct EarlierTemplate {
    pub(super) template: Template,
    pub(super) at: usize,
}

/// What a task does, by numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskSpec {
    pub(super) prompt: usize,
    pub(super) agent: AgentId,
    pub(super) preference: usize,
}
