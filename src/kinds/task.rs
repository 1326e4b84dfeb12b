//! Agent tasks (contract 3, 11).

use crate::kinds::{FieldSpec, KindSpec, OnChange};

/// An agent task. Of its fields only `name` is accepted by the update call (contract 3.3).
pub const TASK: KindSpec = KindSpec {
    name: "task",
    fields: &[
        FieldSpec { name: "name", on_change: OnChange::InPlace },
        FieldSpec { name: "agentId", on_change: OnChange::Replaces },
        FieldSpec { name: "projectPreference", on_change: OnChange::Replaces },
        FieldSpec { name: "prompt", on_change: OnChange::Replaces },
        FieldSpec { name: "schedule", on_change: OnChange::NotOurs },
        FieldSpec { name: "notifications", on_change: OnChange::NotOurs },
    ],
};
