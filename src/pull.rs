//! From what was seen to a manifest that declares it: the way into Git for what already exists.
//!
//! Pure. Every task is pinned to its id, so that the next plan claims exactly it; archived tasks are
//! history and stay out. What a manifest could not declare is left out, each with the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Outline, OutlineTask};
use crate::model::{Key, TaskId, archived_base, canonical_text};
use crate::observed::{Completeness, ObservedState, ObservedTask, ReadRequest, ReadResult};

/// The longest key made from a name, in characters: it also names a file.
const LONGEST_KEY: usize = 40;

/// What was seen, as a manifest.
#[derive(Clone, Debug, Default)]
pub struct Pulled {
    /// The manifest.
    pub outline: Outline,
    /// Tasks that it does not declare, with the reason.
    pub left_out: Vec<(TaskId, String)>,
    /// How many archived tasks it does not declare.
    pub archived_count: usize,
    /// Why tasks may be missing, if they may.
    pub gap: Option<String>,
}

/// Returns the looks that are still to be taken before [`pull`] sees enough.
///
/// 1. A task that the list does not show whole is read.
/// 2. The task with the longest prompt is read. Where it differs from its entry, the list shows
///    prompts cut short, and every task is read.
pub fn desired(state: &ObservedState) -> BTreeSet<ReadRequest> {
    let tasks = &state.tasks.items;
    let is_whole = |task: &ObservedTask| task.content.is_some() && task.name.is_some();
    let length = |task: &ObservedTask| task.prompt.as_ref().map_or(0, |prompt| prompt.len());
    let longest = tasks.iter().max_by_key(|task| (length(task), std::cmp::Reverse(task.id)));
    let is_as_listed = |task: &ObservedTask| match state.task_reads.get(&task.id) {
        Some(ReadResult::Seen(read)) => !is_whole(task) || read.content == task.content,
        Some(ReadResult::Refused(_) | ReadResult::Unreadable(_)) => false,
        None => true,
    };
    let is_trusted = tasks.iter().all(is_as_listed);
    let is_longest = |task: &ObservedTask| longest.is_some_and(|longest| longest.id == task.id);
    let unread = tasks.iter().filter(|task| !state.task_reads.contains_key(&task.id));
    let looked_at = unread.filter(|task| !is_trusted || !is_whole(task) || is_longest(task));
    looked_at.map(|task| ReadRequest::Task(task.id)).collect()
}

/// Declares everything that was seen, in the order of ids.
pub fn pull(state: &ObservedState) -> Pulled {
    let mut pulled = Pulled {
        gap: match &state.tasks.coverage {
            Completeness::Complete => None,
            Completeness::Partial(why) => Some(why.clone()),
        },
        ..Pulled::default()
    };
    pulled.outline.organization_id.clone_from(&state.organization_id.0);
    let by_id: BTreeMap<TaskId, &ObservedTask> =
        state.tasks.items.iter().map(|task| (task.id, task)).collect();
    let mut keys = BTreeSet::new();
    for (id, listed) in by_id {
        let task = match state.task_reads.get(&id) {
            Some(ReadResult::Seen(read)) => Ok(read),
            Some(ReadResult::Refused(why) | ReadResult::Unreadable(why)) => {
                Err(format!("it could not be read: {why}"))
            }
            None => Ok(listed),
        };
        let is_archived = |task: &ObservedTask| {
            task.name.as_deref().is_some_and(|name| archived_base(name).is_some())
        };
        if task.as_ref().is_ok_and(|task| is_archived(task)) {
            pulled.archived_count += 1;
            continue;
        }
        match task.and_then(|task| declare(task, &keys)) {
            Ok(declared) => {
                keys.insert(declared.key.clone());
                pulled.outline.tasks.push(declared);
            }
            Err(why) => pulled.left_out.push((id, why)),
        }
    }
    pulled
}

/// Declares a task, or says why a manifest cannot.
fn declare(task: &ObservedTask, taken: &BTreeSet<Key>) -> Result<OutlineTask, String> {
    let unknown = |what: &str| format!("its {what} is not known");
    let name = task.name.as_deref().ok_or_else(|| unknown("name"))?;
    let agent_id = task.agent_id.ok_or_else(|| unknown("agent"))?;
    let preference = task.project_preference.as_ref();
    let preference = preference.ok_or_else(|| unknown("project preference"))?;
    let content = task.content.clone().ok_or_else(|| unknown("prompt"))?;
    let name = one_line(name);
    if name.is_empty() {
        return Err("its name is blank; give it one in the web interface".to_owned());
    }
    if preference.as_str().trim().is_empty() {
        return Err(unknown("project preference"));
    }
    if task.id.0 == 0 || agent_id.0 == 0 {
        return Err("it has no number of its own, or its agent has none".to_owned());
    }
    let key = key_for(&name, task.id, taken);
    Ok(OutlineTask { key, name, content, pin: Some(task.id) })
}

/// A name as a manifest can hold it; what is dropped is nothing that a plan compares.
fn one_line(name: &str) -> String {
    let line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

/// Makes a key from a name: words joined by `-`, with the id where it is taken or says nothing.
fn key_for(name: &str, id: TaskId, taken: &BTreeSet<Key>) -> Key {
    let slug = slug(name);
    let numbered = if slug.is_empty() { format!("task-{id}") } else { format!("{slug}-{id}") };
    let more = (2..).map(|count: u64| format!("{numbered}-{count}"));
    let candidates = [slug, numbered.clone()].into_iter().chain(more);
    let mut keys = candidates.filter_map(|candidate| candidate.parse::<Key>().ok());
    keys.find(|key| !taken.contains(key)).expect("the candidates have no end")
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in canonical_text(name).chars().flat_map(char::to_lowercase) {
        if slug.chars().count() == LONGEST_KEY {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') && c != '\'' {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_names_and_are_never_the_same() {
        let mut taken = BTreeSet::new();
        let names = [
            "Buy and hold SPY",
            "buy & hold: SPY!",
            "Buy and hold SPY",
            "Buy and hold SPY 3",
            "\u{1f680}",
            "Übung macht's",
            "--",
            "a/../b",
        ];
        let keys: Vec<String> = names
            .iter()
            .zip(1..)
            .map(|(name, id)| {
                let key = key_for(name, TaskId(id), &taken);
                taken.insert(key.clone());
                key.to_string()
            })
            .collect();
        assert_eq!(
            keys,
            [
                "buy-and-hold-spy",
                "buy-hold-spy",
                "buy-and-hold-spy-3",
                "buy-and-hold-spy-3-4",
                "task-5",
                "übung-machts",
                "task-7",
                "a-b",
            ]
        );
        assert_eq!(slug(&"ä".repeat(300)).chars().count(), LONGEST_KEY);
    }

    #[test]
    fn a_name_becomes_one_line() {
        assert_eq!(one_line(" a\nb\u{1b}c\t"), "a b c");
    }
}
