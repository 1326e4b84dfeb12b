//! How single deployments stand, for whoever looks at a plan or at the status of everything.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::model::{DeploymentId, Key};
use crate::observed::{ObservedDeployment, ReadResult, Status};
use crate::plan::matcher::Matches;
use crate::plan::{Change, PlanInputs, Step};

/// How one deployment stands.
#[derive(Clone, Debug)]
pub struct DeploymentSummary {
    /// Its id.
    pub id: DeploymentId,
    /// The declared deployment that it serves, or was to serve before something else was said in it.
    pub serves: Option<Key>,
    /// Its status.
    pub status: Status,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// Its tokens, read and written, where its conversation was read.
    pub tokens: Option<u64>,
    /// Whether this machine's ledger knows it as started from here. Where not, somebody else may have
    /// started it, or a machine whose ledger is out of sight.
    pub is_from_here: bool,
}

impl DeploymentSummary {
    pub(super) fn new(inputs: &PlanInputs<'_>, key: &Key, run: &ObservedDeployment) -> Self {
        let offset = inputs.desired_state.service_utc_offset;
        let tokens = match inputs.state.conversations.get(&run.id) {
            Some(ReadResult::Seen(transcript)) => transcript.tokens(),
            _ => None,
        };
        let evidence = inputs.evidence.keys.get(key);
        Self {
            id: run.id.clone(),
            serves: None,
            status: run.status.clone(),
            created: instant(run.created, offset),
            ended: instant(run.ended, offset),
            error: run.runtime_error.clone(),
            tokens,
            is_from_here: evidence.is_some_and(|known| known.started.contains_key(&run.id)),
        }
    }
}

/// The deployments that steps speak to or stop, by their ids.
pub(super) fn runs_of(
    inputs: &PlanInputs<'_>,
    found: &Matches<'_>,
    steps: &[Step],
) -> BTreeMap<DeploymentId, DeploymentSummary> {
    let overview = |step: &Step| {
        let id = run_of(&step.change)?;
        let task = found.by_key.get(&step.key)?.task;
        let observed = inputs.state.deployments.get(&task.id)?;
        let run = observed.items.iter().find(|run| run.id == *id)?;
        let serves = step.deployment.clone();
        Some((
            id.clone(),
            DeploymentSummary { serves, ..DeploymentSummary::new(inputs, &step.key, run) },
        ))
    };
    steps.iter().filter_map(overview).collect()
}

/// The deployment that a change is about, where it exists already.
pub(super) fn run_of(change: &Change) -> Option<&DeploymentId> {
    match change {
        Change::Prompt { run, .. } | Change::Diverged { run, .. } | Change::Stop { run } => {
            Some(run)
        }
        _ => None,
    }
}

/// Reads a time stamp as UTC unless the manifest names the zone.
pub(super) fn instant(stamp: Option<DateTime>, offset: Option<Offset>) -> Option<Timestamp> {
    offset.unwrap_or(Offset::UTC).to_timestamp(stamp?).ok()
}
