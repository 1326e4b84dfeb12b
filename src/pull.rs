//! From what was seen to a manifest that declares it: the way into Git for what already exists.
//!
//! Pure. Every task is pinned to its id, so that the next plan claims exactly it; archived tasks are
//! history and stay out. What a manifest could not declare is left out, each with the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::{NAME, Shape};
use crate::manifest::{Outline, OutlineTask};
use crate::model::{AgentId, Key, TaskId, archived_base, canonical_text};
use crate::observed::{Completeness, ObservedState, ObservedTask, ReadRequest, ReadResult};
use crate::resource::Value;

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
/// 2. A task of `created`, those that the ledger knows, that the list leaves out is read: a list may lie.
/// 3. The task with the longest prompt is read. Where it differs from its entry, the list shows
///    prompts cut short, and every task is read.
pub fn desired(state: &ObservedState, created: &BTreeSet<TaskId>) -> BTreeSet<ReadRequest> {
    let is_trusted = state.list_is_trusted();
    let is_whole = |task: &ObservedTask| task.content().is_some() && task.name().is_some();
    let unsure = state.tasks.items.iter().filter(|task| !is_trusted || !is_whole(task));
    let mut reads = state.canaries();
    reads.extend(unsure.map(|task| ReadRequest::Task(task.id)));
    let listed: BTreeSet<TaskId> = state.tasks.items.iter().map(|task| task.id).collect();
    reads.extend(created.difference(&listed).map(|id| ReadRequest::Task(*id)));
    reads.retain(|read| match read {
        ReadRequest::Agent(id) => !state.agent_reads.contains_key(id),
        ReadRequest::Task(id) => !state.task_reads.contains_key(id),
        ReadRequest::Deployments(_) | ReadRequest::Conversation(_) => false,
    });
    reads
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
    let mut by_id: BTreeMap<TaskId, Option<&ObservedTask>> =
        state.tasks.items.iter().map(|task| (task.id, Some(task))).collect();
    for (id, read) in &state.task_reads {
        let is_gone = matches!(read, ReadResult::Refused(_));
        if !by_id.contains_key(id) && !is_gone {
            let why = format!("it leaves out task {id}, which this machine made");
            pulled.gap.get_or_insert(why);
            by_id.insert(*id, None);
        }
    }
    let mut keys = BTreeSet::new();
    for (id, listed) in by_id {
        let task = match state.task_reads.get(&id) {
            Some(ReadResult::Seen(read)) => Ok(read),
            Some(ReadResult::Refused(why) | ReadResult::Unreadable(why)) => {
                pulled.gap.get_or_insert_with(|| format!("task {id} could not be read"));
                Err(format!("it could not be read: {why}"))
            }
            None => listed.ok_or_else(|| "it was not read".to_owned()),
        };
        let is_archived =
            |task: &ObservedTask| task.name().is_some_and(|name| archived_base(name).is_some());
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
    for (field, value) in task.object.fields() {
        let is_blank = matches!(field.shape, Shape::Word(_)) && value.to_string().trim().is_empty();
        if !value.is_known() || is_blank {
            return Err(format!("its `{}` is not known", field.name));
        }
    }
    let name = one_line(task.name().unwrap_or_default());
    if name.is_empty() {
        return Err("its name is blank; give it one in the web interface".to_owned());
    }
    if task.id.0 == 0 || task.object.agent_id() == Some(AgentId(0)) {
        return Err("it has no number of its own, or its agent has none".to_owned());
    }
    let key = key_for(&name, task.id, taken);
    let object = task.object.with(NAME, Value::Text(name.into()));
    Ok(OutlineTask { key, object, pin: Some(task.id) })
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
