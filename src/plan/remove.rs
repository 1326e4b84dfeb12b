//! How a task goes without losing anything: deleted if it holds nothing, otherwise archived.

use crate::diag::{Code, Diagnostic};
use crate::evidence::KeyEvidence;
use crate::model::{Key, archive_name, counted, noun};
use crate::observed::{Completeness, ObservedTask, ReadRequest, Schedule};
use crate::plan::{Before, PlanInputs, Removal, Remove, RemoveReason};

/// Decides how an owned task goes.
pub(super) fn removal(
    inputs: &PlanInputs<'_>,
    task: &ObservedTask,
    before: &Before,
    evidence: Option<&KeyEvidence>,
) -> Removal {
    let how = if holds_nothing(task, evidence) && has_no_deployments(inputs, task) {
        Remove::Delete
    } else {
        Remove::Archive { name: archive_name(before.name(), &before.content().short()) }
    };
    let content = before.content();
    Removal { id: task.id, name: before.name().to_owned(), content, how }
}

/// What a replace loses without a way to keep it: notifications that somebody set.
pub(super) fn lost_notifications(key: &Key, task: &ObservedTask) -> Option<Diagnostic> {
    let count = task.notification_count.filter(|count| *count > 0)?;
    let (all, them) = (counted(count, "notification", "notifications"), noun(count, "it", "them"));
    let message = format!(
        "task {} of `{key}` has {all} set in the web interface, and a replacement starts \
         without {them}",
        task.id
    );
    let way = format!("set {them} again on the new task in the web interface");
    Some(Diagnostic::note(Code::NotificationsLost, message).help(way))
}

/// What must be looked at before a task goes: a schedule that the list leaves out would go on running
/// the old prompt, and a task with deployments is archived rather than deleted.
pub(super) fn reads_before_removing(
    task: &ObservedTask,
    evidence: Option<&KeyEvidence>,
) -> impl Iterator<Item = ReadRequest> {
    let is_unknown = task.schedule == Schedule::Unknown;
    let may_be_deleted = holds_nothing(task, evidence);
    let task_read = is_unknown.then_some(ReadRequest::Task(task.id));
    task_read.into_iter().chain(may_be_deleted.then_some(ReadRequest::Deployments(task.id)))
}

/// Whether every field is present and says that deleting the task loses nothing.
///
/// 1. It has had no deployment and none is active, so there is no conversation.
/// 2. It has no schedule and no notifications, which only the web interface could bring back.
/// 3. Its content is in the history of the manifest.
fn holds_nothing(task: &ObservedTask, evidence: Option<&KeyEvidence>) -> bool {
    let is_unused = task.deployment_count == Some(0) && task.active.as_deref() == Some(&[]);
    let is_plain = task.schedule == Schedule::Unset && task.notification_count == Some(0);
    let is_in_history = task
        .content()
        .is_some_and(|content| evidence.is_some_and(|evidence| evidence.history_holds(content)));
    task.name().is_some() && is_unused && is_plain && is_in_history
}

fn has_no_deployments(inputs: &PlanInputs<'_>, task: &ObservedTask) -> bool {
    // A read takes the place of the list's entry, whose count may have been the larger one.
    let is_read = inputs.state.task_reads.contains_key(&task.id);
    let mut entries = inputs.state.tasks.items.iter().filter(|_| is_read);
    let listed = entries.find(|listed| listed.id == task.id);
    let is_counted =
        listed.is_some_and(|listed| listed.deployment_count.is_some_and(|count| count > 0));
    !is_counted
        && inputs.state.deployments.get(&task.id).is_some_and(|observed| {
            observed.coverage == Completeness::Complete && observed.items.is_empty()
        })
}

/// Says that a schedule stands against removing a task; `why` is `None` where it would be replaced.
pub(super) fn scheduled(task: &ObservedTask, why: Option<RemoveReason>) -> Option<Diagnostic> {
    let Schedule::Set(schedule) = &task.schedule else { return None };
    let message = format!(
        "task {} has the schedule `{schedule}`, which would go on running the old prompt and \
         cannot be moved through the API",
        task.id
    );
    let finding = Diagnostic::blocked(Code::Scheduled, message);
    let take_away = "take the schedule away in the web interface and run this again";
    Some(match why {
        None => finding
            .help("paste the new text into the task in the web interface and run this again; the schedule stays")
            .help("or take the task's present text into the manifest; nothing is replaced then"),
        Some(RemoveReason::Undeclared) => finding
            .help(take_away)
            .help("or list its key under `forget`; the task and its schedule stay as they are"),
        Some(RemoveReason::Superseded | RemoveReason::Destroyed) => finding
            .help(take_away)
            .help("or give the task a name of its own in the web interface; it is left alone then"),
    })
}
