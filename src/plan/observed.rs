//! What was seen, with reads by id laid over the list, and whether it was enough.

use std::collections::BTreeMap;

use crate::model::TaskId;
use crate::observed::{Completeness, ObservedState, ObservedTask, ReadResult};

/// The tasks as they are known, by id.
pub(super) struct Observed<'a> {
    pub(super) tasks: BTreeMap<TaskId, &'a ObservedTask>,
    /// Why absence proves nothing, if it does not.
    pub(super) gap: Option<String>,
    /// Whether the list itself leaves something out, so that it is not even known what there is.
    pub(super) is_list_partial: bool,
}

/// Lays reads over the list; a task that was read counts as it was read.
pub(super) fn observed(state: &ObservedState) -> Observed<'_> {
    let mut tasks: BTreeMap<TaskId, &ObservedTask> =
        state.tasks.items.iter().map(|task| (task.id, task)).collect();
    let mut gap = match &state.tasks.coverage {
        Completeness::Complete => None,
        Completeness::Partial(why) => Some(format!("the task list is incomplete: {why}")),
    };
    let mut left_out = Vec::new();
    for (id, reading) in &state.task_reads {
        match reading {
            ReadResult::Seen(task) => {
                // What exists and is not listed: who knows what else is not.
                left_out.extend(tasks.insert(*id, task).is_none().then_some(*id));
            }
            ReadResult::Refused(_) if !tasks.contains_key(id) => {}
            ReadResult::Refused(why) | ReadResult::Unreadable(why) => {
                gap = gap.or_else(|| Some(format!("task {id} could not be read: {why}")));
            }
        }
    }
    gap = gap.or_else(|| leaves_out(&left_out));
    let is_list_partial = state.tasks.coverage != Completeness::Complete || !left_out.is_empty();
    let unknown = || tasks.values().find(|task| task.content().is_none());
    gap =
        gap.or_else(|| unknown().map(|task| format!("the content of task {} is unknown", task.id)));
    Observed { tasks, gap, is_list_partial }
}

/// Says which tasks can be read by their ids, and are not on a list that claims to be complete.
fn leaves_out(ids: &[TaskId]) -> Option<String> {
    let first = ids.first()?;
    Some(match ids.len() - 1 {
        0 => format!("the task list leaves out task {first}, which can be read by its id"),
        rest => format!(
            "the task list leaves out task {first} and {rest} more, which can be read by their ids"
        ),
    })
}
