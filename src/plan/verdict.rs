//! What guards look at, and the ways in which they speak.

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic};
use crate::model::counted;
use crate::plan::agents::KnownAgents;
use crate::plan::matcher::Matches;
use crate::plan::{PlanInputs, Step, StepId, StepStatus};

/// What guards may look at.
pub(super) struct View<'a, 'b> {
    pub(super) inputs: &'b PlanInputs<'a>,
    pub(super) found: &'b Matches<'a>,
    pub(super) gap: Option<&'b str>,
    pub(super) agents: &'b KnownAgents<'a>,
    /// What stands against deletes of agents.
    pub(super) held: &'b BTreeMap<StepId, Diagnostic>,
    pub(super) is_destroy: bool,
}

/// What an incomplete list or read leaves open: also whether nothing is to be done.
pub(super) fn incomplete(gap: &str) -> Diagnostic {
    Diagnostic::blocked(Code::IncompleteRead, gap)
        .help("run this again; if it stays, look at the tasks in the web interface")
}

/// Says which manifests cannot be understood, and what helps.
pub(super) fn unreadable_neighbor_finding(inputs: &PlanInputs<'_>) -> Diagnostic {
    let message = "what would be removed may be declared by another manifest of the repository";
    Diagnostic::blocked(Code::UnreadableNeighbor, message)
        .with_gaps(inputs.other_manifests.gaps.iter().cloned())
        .help("or `--allow unreadable-neighbor`")
}

/// Blocks every open step of a kind where there are more of it than the limit.
pub(super) fn over(
    steps: &[Step],
    touches: impl Fn(&Step) -> bool,
    limit: usize,
    code: Code,
    (one, many): (&str, &str),
    flag: &str,
) -> Vec<(StepId, StepStatus)> {
    let is_open = |step: &Step| step.status == StepStatus::Ready && touches(step);
    let count = steps.iter().filter(|step| is_open(step)).count();
    if count <= limit {
        return Vec::new();
    }
    let what = counted(count, one, many);
    let message = format!("{what}; the limit for one apply is {limit}");
    let finding = Diagnostic::blocked(code, message).help(format!("`{flag} {count}`"));
    block(steps, is_open, &finding)
}

/// Blocks every step of a kind.
pub(super) fn block(
    steps: &[Step],
    touches: impl Fn(&Step) -> bool,
    finding: &Diagnostic,
) -> Vec<(StepId, StepStatus)> {
    let affected = steps.iter().filter(|step| touches(step));
    affected.map(|step| (step.id, StepStatus::Blocked(finding.clone()))).collect()
}
