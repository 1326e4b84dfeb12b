//! A key to which no task can be given: what stands against it, and help.

use crate::diag::{Code, Diagnostic};
use crate::manifest::DesiredTask;
use crate::model::Key;
use crate::observed::ObservedTask;
use crate::plan::matcher::MatchError;
use crate::plan::{Before, Change};

/// Returns the change that shows the candidates, and the finding that blocks it.
pub(super) fn ambiguous(
    key: &Key,
    desired: &DesiredTask,
    match_error: &MatchError<'_>,
) -> (Change, Diagnostic) {
    let (tasks, mut finding) = match match_error {
        MatchError::Ambiguous(tasks) => {
            let message = format!("{} fit equally well, and none is chosen for you", named(tasks));
            (tasks.clone(), Diagnostic::blocked(Code::Ambiguous, message))
        }
        MatchError::Contested(task, keys) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let message =
                format!("the keys {} have an equal right to task {}", listed(&keys), task.id);
            (vec![*task], Diagnostic::blocked(Code::Contested, message))
        }
        MatchError::PinMissing(id) => {
            let message = format!("the pinned task {id} is not on the service's list");
            let finding = Diagnostic::blocked(Code::PinMissing, message)
                .help(format!("remove `id: {id}` to have the task made anew, or correct it"));
            (Vec::new(), finding)
        }
        MatchError::PinTaken(task) => {
            let message = format!("the pinned task {} has the content of another key", task.id);
            let finding = Diagnostic::blocked(Code::PinTaken, message)
                .help(format!("remove `id: {}` here, or pin it at the key it belongs to", task.id));
            (Vec::new(), finding)
        }
        MatchError::Unproven(tasks, why, Some(former)) => {
            return (candidates_of(desired, tasks), renamed(key, tasks, why, former));
        }
        MatchError::Unproven(tasks, why, None) => {
            let (verb, what) = if tasks.len() == 1 {
                ("has", "nothing proves that it is ours")
            } else {
                ("have", "nothing proves which of them is ours")
            };
            let message = format!("{} {verb} {why}, and {what}", named(tasks));
            (tasks.clone(), Diagnostic::blocked(Code::Unproven, message))
        }
    };
    for task in &tasks {
        let created = task.created.map_or_else(String::new, |at| format!(", made {at}"));
        finding =
            finding.help(format!("`id: {}` under `{key}:` if it is that one{created}", task.id));
    }
    if matches!(match_error, MatchError::Unproven(..)) {
        finding = finding.help("or change the name or the prompt, here or in the web interface");
    }
    (candidates_of(desired, &tasks), finding)
}

fn candidates_of(desired: &DesiredTask, tasks: &[&ObservedTask]) -> Change {
    let candidates = tasks.iter().filter_map(|task| Before::of(task)).collect();
    Change::Ambiguous { object: desired.object.clone(), candidates }
}

/// Says that the likely task is proven to be that of a key which is no longer declared: the key may
/// have been renamed in the commit that changed the task.
fn renamed(key: &Key, tasks: &[&ObservedTask], why: &str, former: &Key) -> Diagnostic {
    let id = tasks.first().map(|task| task.id.to_string()).unwrap_or_default();
    let message = format!(
        "{} has {why}, and belongs to `{former}`, which earlier versions declared and this one does not",
        named(tasks)
    );
    Diagnostic::blocked(Code::Unproven, message)
        .help(format!("if `{key}` is `{former}` renamed: `id: {id}` under `{key}:` replaces its task"))
        .help(format!(
            "if not: give `{key}` another name; it is created then, and `--prune` removes the task of `{former}`"
        ))
}

/// Returns `task 512`, or `tasks 512 and 513`.
fn named(tasks: &[&ObservedTask]) -> String {
    let ids: Vec<String> = tasks.iter().map(|task| task.id.to_string()).collect();
    let noun = if ids.len() == 1 { "task" } else { "tasks" };
    format!("{noun} {}", listed(&ids))
}

/// Joins words as a sentence does: `a`, `a and b`, `a, b and c`.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_as_in_a_sentence() {
        let table = [("", ""), ("a", "a"), ("a b", "a and b"), ("a b c", "a, b and c")];
        for (words, expected) in table {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            assert_eq!(listed(&words), expected);
        }
    }
}
