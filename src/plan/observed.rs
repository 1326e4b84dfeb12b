//! What was seen, with reads by id laid over the list, and whether it was enough.

use std::collections::BTreeMap;

use crate::model::TaskId;
use crate::observed::{Completeness, ObservedState, ObservedTask, ReadResult};

/// The tasks as they are known, by id.
pub(super) struct Observed<'a> {
    pub(super) tasks: BTreeMap<TaskId, &'a ObservedTask>,
    /// Why absence proves nothing, if it does not.
    pub(super) gap: Option<String>,
}

/// Lays reads over the list; a task that was read counts as it was read.
pub(super) fn observed(state: &ObservedState) -> Observed<'_> {
    let mut tasks: BTreeMap<TaskId, &ObservedTask> =
        state.tasks.items.iter().map(|task| (task.id, task)).collect();
    let mut gap = match &state.tasks.coverage {
        Completeness::Complete => None,
        Completeness::Partial(why) => Some(format!("the task list is incomplete: {why}")),
    };
    for (id, reading) in &state.task_reads {
        match reading {
            ReadResult::Seen(task) => {
                if tasks.insert(*id, task).is_none() {
                    // It exists and is not listed: who knows what else is not.
                    let why = format!("the task list leaves out task {id}, which can be read");
                    gap = gap.or(Some(why));
                }
            }
            ReadResult::Refused(_) if !tasks.contains_key(id) => {}
            ReadResult::Refused(why) | ReadResult::Unreadable(why) => {
                gap = gap.or_else(|| Some(format!("task {id} could not be read: {why}")));
            }
        }
    }
    let unknown = || tasks.values().find(|task| task.content().is_none());
    gap =
        gap.or_else(|| unknown().map(|task| format!("the content of task {} is unknown", task.id)));
    Observed { tasks, gap }
}
