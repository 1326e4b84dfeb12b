//! What was seen, with reads by id laid over the list, and whether it was enough.

use std::collections::BTreeMap;

use crate::model::TaskId;
use crate::snapshot::{Coverage, Reading, Snapshot, TaskSeen};

/// The tasks as they are known, by id.
pub(super) struct Sight<'a> {
    pub(super) tasks: BTreeMap<TaskId, &'a TaskSeen>,
    /// Why absence proves nothing, if it does not.
    pub(super) gap: Option<String>,
}

/// Lays reads over the list; a task that was read counts as it was read.
pub(super) fn sight(snapshot: &Snapshot) -> Sight<'_> {
    let mut tasks: BTreeMap<TaskId, &TaskSeen> =
        snapshot.tasks.items.iter().map(|task| (task.id, task)).collect();
    let mut gap = match &snapshot.tasks.coverage {
        Coverage::Complete => None,
        Coverage::Partial(why) => Some(format!("the task list is incomplete: {why}")),
    };
    for (id, reading) in &snapshot.task_reads {
        match reading {
            Reading::Seen(task) => {
                if tasks.insert(*id, task).is_none() {
                    // It exists and is not listed: who knows what else is not.
                    let why = format!("the task list leaves out task {id}, which can be read");
                    gap = gap.or(Some(why));
                }
            }
            Reading::Refused(_) if !tasks.contains_key(id) => {}
            Reading::Refused(why) | Reading::Unreadable(why) => {
                gap = gap.or_else(|| Some(format!("task {id} could not be read: {why}")));
            }
        }
    }
    let unknown = || tasks.values().find(|task| task.content.is_none());
    gap =
        gap.or_else(|| unknown().map(|task| format!("the content of task {} is unknown", task.id)));
    Sight { tasks, gap }
}

/// Whether the list shows prompts as they are stored, told from the tasks that were read by id.
pub(super) fn list_is_trusted(snapshot: &Snapshot) -> bool {
    snapshot.tasks.items.iter().all(|listed| match snapshot.task_reads.get(&listed.id) {
        Some(Reading::Seen(read)) => read.content == listed.content,
        Some(Reading::Refused(_) | Reading::Unreadable(_)) | None => true,
    })
}
