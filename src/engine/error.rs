//! Why a call of the engine ends early.

use std::collections::BTreeSet;

use crate::api::{ApiError, ErrorKind};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::history::HistoryError;
use crate::observed::ReadRequest;
use crate::store::StoreError;

/// How many reads that are missing are named.
const NAMED: usize = 3;

/// Why a call of the engine ends early; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The service did not answer as it has to.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifests have errors; each was told as a finding.
    #[error("the manifests have errors")]
    Invalid,
    /// A target names no task and no deployment.
    #[error("the target `{target}` names nothing in the manifest")]
    UnknownTarget {
        /// As it was typed.
        target: String,
        /// What was probably meant.
        near: Option<String>,
    },
    /// A snapshot answers no request.
    #[error("a snapshot cannot be changed")]
    NoService,
}

/// Whether the service answered, only not with a list that is of use; without any answer the next
/// request fails, too.
pub(super) fn is_answered(error: &ApiError) -> bool {
    matches!(
        error.what,
        ErrorKind::Refused
            | ErrorKind::Incomplete(_)
            | ErrorKind::NoVerdict
            | ErrorKind::NotJson
            | ErrorKind::Broken
    )
}

/// What a plan does not know where the agents could not be listed.
pub(super) fn agents_not_listed(error: &ApiError) -> Diagnostic {
    let message = format!("the agents could not be listed: {}", with_causes(error));
    Diagnostic::note(Code::IncompleteRead, message)
        .help("whether the agents that tasks name by their ids exist is not known; a task whose agent does not is refused")
}

/// What a plan from a snapshot would have read, had there been a service.
pub(super) fn not_observed(missing: &BTreeSet<ReadRequest>) -> Option<Diagnostic> {
    let in_words = |read: &ReadRequest| match read {
        ReadRequest::Agent(id) => format!("agent {id}"),
        ReadRequest::Task(id) => format!("task {id}"),
        ReadRequest::Deployments(id) => format!("the deployments of task {id}"),
        ReadRequest::Conversation(id) => format!("the conversation of deployment {id}"),
    };
    let mut named: Vec<String> = missing.iter().take(NAMED).map(in_words).collect();
    let rest = missing.len().saturating_sub(NAMED);
    if rest > 0 {
        named.push(format!("{rest} more"));
    }
    let message = format!("the snapshot does not hold {}", named.join(", "));
    let note = Diagnostic::note(Code::NotObserved, message)
        .help("a plan with credentials may differ; a snapshot made with this manifest holds all");
    (!missing.is_empty()).then_some(note)
}
