//! What a closed step closes with it, once the guards have spoken.

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic};
use crate::model::TaskId;
use crate::plan::{Change, Step, StepId, StepStatus};

/// A step that waits for a closed one is closed too, and so is a rename by way of a temporary name
/// whose second half is closed: the task would keep that name.
pub(super) fn close_what_waits(steps: &mut [Step]) {
    close_followers(steps);
    while close_first_halves(steps) {
        close_followers(steps);
    }
}

/// Closes each open rename that is followed by a closed one of the same task; tells whether one was.
fn close_first_halves(steps: &mut [Step]) -> bool {
    let mut last: BTreeMap<TaskId, StepStatus> = BTreeMap::new();
    let mut is_changed = false;
    for step in steps.iter_mut().rev() {
        let Some((id, ..)) = step.change.renaming() else { continue };
        let status = last.entry(id).or_insert_with(|| step.status.clone());
        if step.status == StepStatus::Ready && *status != StepStatus::Ready {
            step.status = status.clone();
            is_changed = true;
        }
    }
    is_changed
}

/// Closes each step that waits for a closed one; steps stand behind those they wait for.
fn close_followers(steps: &mut [Step]) {
    let mut closed: BTreeMap<StepId, String> = BTreeMap::new();
    for step in steps {
        let name = || match &step.deployment {
            Some(deployment) => format!("{}/{deployment}", step.key),
            None if matches!(step.change, Change::Agent(_)) => format!("agent.{}", step.key),
            None => step.key.to_string(),
        };
        if step.status != StepStatus::Ready {
            closed.insert(step.id, name());
            continue;
        }
        let Some(first) = step.after.iter().find_map(|id| closed.get(id)).cloned() else {
            continue;
        };
        let message = format!("it has to wait for `{first}`, which is not done");
        closed.insert(step.id, name());
        step.status = StepStatus::Blocked(
            Diagnostic::blocked(Code::WaitsForBlocked, message)
                .help(format!("see what blocks `{first}`; this follows by itself")),
        );
    }
}
