//! What looks like a wanted task without any proof: it stops a create and identifies nothing.

use std::collections::BTreeMap;

use crate::manifest::DesiredTask;
use crate::model::{AgentId, FoldedName, fold, fold_looks, is_other_spelling};
use crate::observed::ObservedTask;

/// The letters and digits a stored prompt must have to count as a cut-short form of a declared one.
const CUT_PROMPT_LENGTH: usize = 200;

/// How a name is like another that has other letters.
pub(super) const SAME_LOOKS: &str = "a name that only looks the same, in other letters";

/// Tasks by what a person, or a service that rewrites, might have left of them.
#[derive(Default)]
pub(super) struct Lookalikes<'a> {
    names: BTreeMap<FoldedName, Vec<&'a ObservedTask>>,
    /// By the looks of the name.
    looks: BTreeMap<FoldedName, Vec<&'a ObservedTask>>,
    prompts: BTreeMap<(AgentId, FoldedName), Vec<&'a ObservedTask>>,
    /// By the first letters of the prompt, for those long enough to have been cut.
    starts: BTreeMap<String, Vec<(FoldedName, &'a ObservedTask)>>,
}

impl<'a> Lookalikes<'a> {
    pub(super) fn of(tasks: impl Iterator<Item = &'a ObservedTask>) -> Self {
        let mut reads = Self::default();
        for task in tasks {
            if let Some(name) = task.name() {
                reads.names.entry(fold(name)).or_default().push(task);
                reads.looks.entry(fold_looks(name)).or_default().push(task);
            }
            let (Some(agent), Some(prompt)) = (task.object.agent_id(), task.prompt()) else {
                continue;
            };
            let prompt = fold(prompt);
            if let Some(start) = start_of(&prompt) {
                reads.starts.entry(start).or_default().push((prompt.clone(), task));
            }
            reads.prompts.entry((agent, prompt)).or_default().push(task);
        }
        reads
    }

    /// The tasks that look like the wanted one, and in what way.
    pub(super) fn like(
        &self,
        desired: &DesiredTask,
        is_free: impl Fn(&ObservedTask) -> bool,
    ) -> (Vec<&'a ObservedTask>, &'static str) {
        if self.names.is_empty() && self.prompts.is_empty() {
            return (Vec::new(), "");
        }
        let free = |tasks: Option<&Vec<&'a ObservedTask>>| -> Vec<&'a ObservedTask> {
            tasks.into_iter().flatten().copied().filter(|task| is_free(task)).collect()
        };
        let prompt = fold(desired.object.prompt().map_or("", |prompt| prompt));
        let cut = || -> Vec<&'a ObservedTask> {
            let start = start_of(&prompt);
            let stored = start.and_then(|start| self.starts.get(&start)).into_iter().flatten();
            let whole = prompt.to_string();
            let cut = stored.filter(|(stored, _)| whole.starts_with(&stored.to_string()));
            cut.map(|(_, task)| *task).filter(|task| is_free(task)).collect()
        };
        let named = free(self.names.get(&fold(desired.name())));
        if !named.is_empty() {
            return (named, "the same name");
        }
        let mut alike = free(self.looks.get(&fold_looks(desired.name())));
        alike
            .retain(|task| task.name().is_some_and(|name| is_other_spelling(name, desired.name())));
        if !alike.is_empty() {
            return (alike, SAME_LOOKS);
        }
        let same = |agent| self.prompts.get(&(agent, prompt.clone()));
        let prompted = free(desired.object.agent_id().and_then(same));
        if !prompted.is_empty() {
            return (prompted, "the same prompt but for blanks and punctuation");
        }
        (cut(), "a prompt that looks like the declared one cut short")
    }
}

/// The first letters of a folded prompt, where it is long enough to have been cut.
fn start_of(prompt: &FoldedName) -> Option<String> {
    let start: String = prompt.to_string().chars().take(CUT_PROMPT_LENGTH).collect();
    (start.chars().count() == CUT_PROMPT_LENGTH).then_some(start)
}
