//! How single runs stand, for whoever looks at a plan or at the status of everything.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::model::{DeploymentId, Key};
use crate::plan::identify::Identified;
use crate::plan::{Change, Inputs, Step};
use crate::snapshot::{DeploymentSeen, Reading, Status};

/// How one deployment stands.
#[derive(Clone, Debug)]
pub struct RunOverview {
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

impl RunOverview {
    pub(super) fn new(inputs: &Inputs<'_>, key: &Key, run: &DeploymentSeen) -> Self {
        let offset = inputs.wish.service_utc_offset;
        let tokens = match inputs.snapshot.conversations.get(&run.id) {
            Some(Reading::Seen(transcript)) => transcript.tokens(),
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
            is_from_here: evidence.is_some_and(|known| known.runs.contains(&run.id)),
        }
    }
}

/// The runs that steps speak to or stop, by their ids.
pub(super) fn runs_of(
    inputs: &Inputs<'_>,
    found: &Identified<'_>,
    steps: &[Step],
) -> BTreeMap<DeploymentId, RunOverview> {
    let overview = |step: &Step| {
        let id = run_of(&step.change)?;
        let task = found.claims.get(&step.key)?.task;
        let sight = inputs.snapshot.deployments.get(&task.id)?;
        let run = sight.items.iter().find(|run| run.id == *id)?;
        let serves = step.deployment.clone();
        Some((id.clone(), RunOverview { serves, ..RunOverview::new(inputs, &step.key, run) }))
    };
    steps.iter().filter_map(overview).collect()
}

/// The run that a change is about, where it exists already.
pub(super) fn run_of(change: &Change) -> Option<&DeploymentId> {
    match change {
        Change::FollowUp { run, .. } | Change::Diverged { run, .. } | Change::Stop { run } => {
            Some(run)
        }
        _ => None,
    }
}

/// Reads a time stamp as UTC unless the manifest names the zone.
pub(super) fn instant(stamp: Option<DateTime>, offset: Option<Offset>) -> Option<Timestamp> {
    offset.unwrap_or(Offset::UTC).to_timestamp(stamp?).ok()
}
