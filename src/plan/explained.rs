//! Whether a list is what is declared, so that a plan depends on no earlier version.

use std::collections::BTreeMap;

use crate::manifest::DesiredState;
use crate::model::ContentHash;
use crate::observed::{Completeness, Listing, ObservedTask};
use crate::plan::OtherManifests;
use crate::plan::matcher::is_archived;

/// Whether a complete list shows every declared task under its name, and beside them only archived ones
/// and those of other manifests.
///
/// Then each task has its key by its content, and what was declared before changes nothing.
pub fn is_explained(
    desired: &DesiredState,
    tasks: &Listing<ObservedTask>,
    other_manifests: &OtherManifests,
) -> bool {
    let contents = desired.tasks.values().map(|task| (task.content(), task));
    let mut missing: BTreeMap<ContentHash, _> = contents.collect();
    let is_as_declared = |task: &ObservedTask| {
        is_archived(task)
            || match task.content().and_then(|content| missing.remove(&content)) {
                Some(desired) => {
                    task.name() == Some(desired.name())
                        && desired.pin.is_none_or(|pin| pin == task.id)
                }
                None => other_manifests.may_declare(task),
            }
    };
    tasks.coverage == Completeness::Complete
        && other_manifests.gaps.is_empty()
        && tasks.items.iter().all(is_as_declared)
        && missing.is_empty()
}
