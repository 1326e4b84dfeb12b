//! The fields of `settings`.

use super::FieldShape::{Bound, Flag, Mapping, Range, Text};
use super::{Spec, free};

/// The name of the field for settings, of the manifest and of an environment.
pub(in crate::manifest) const SETTINGS_FIELD: &str = "settings";

/// The most that any limit allows: more cannot be reviewed at once.
pub(in crate::manifest) const HIGHEST_LIMIT: u64 = 100_000;

/// The most requests at once that may be set.
pub(in crate::manifest) const HIGHEST_PARALLELISM: u64 = 1_024;

/// What both the manifest and an environment say of it.
pub(super) const fn settings(about: &'static str, default: &'static str) -> Spec {
    free(SETTINGS_FIELD, Mapping(SETTINGS), about, default, "{limits: {replaces: 20}}")
}

/// The fields of `settings`.
pub(in crate::manifest) const SETTINGS: &[Spec] = &[
    free(
        "prune",
        Flag,
        "Whether `apply` removes what is owned and no longer declared, as `--prune` does.",
        "`false`",
        "true",
    ),
    free(
        "limits",
        Mapping(LIMITS),
        "How much one apply may do. A flag such as `--max-creates` overrides a limit.",
        "",
        "{creates: 100, replaces: 20}",
    ),
    free(
        "parallelism",
        Range(1, HIGHEST_PARALLELISM),
        "The most requests at once. `--parallelism` overrides it.",
        "8",
        "4",
    ),
    free(
        "rate",
        Bound,
        "The requests a second to start with, 1,000 at most; 0 is no limit. `--rate` overrides it.",
        "10",
        "5",
    ),
    free(
        "artifacts",
        Text,
        "The folder of transcripts, below that of the manifest. `--artifacts` overrides it.",
        "none are saved",
        "artifacts",
    ),
];

/// The fields of `settings.limits`.
pub(in crate::manifest) const LIMITS: &[Spec] = &[
    limit("creates", "The most creates of a kind.", "50"),
    limit("deletes", "The most undeclared of a kind that are removed.", "30 % of owned, 3 to 10"),
    limit("deployments", "The most deployments that are started.", "5"),
    limit("deploymentsOfATask", "The most deployments of a task within a day.", "3"),
    limit("followUps", "The most follow-ups of a deployment.", "10"),
    free("matrix", Range(1, HIGHEST_LIMIT), "The most tasks of one `matrix`.", "1000", "2000"),
    limit(
        "missing",
        "The most owned that may be missing on the service.",
        "30 % of owned, 1 to 10",
    ),
    limit("replaces", "The most replaces.", "30 % of owned, 5 to 20"),
];

const fn limit(name: &'static str, about: &'static str, default: &'static str) -> Spec {
    free(name, Range(0, HIGHEST_LIMIT), about, default, "20")
}
