//! What is going to happen in the world.

use serde::{Deserialize, Serialize};

/// One entry of the agenda.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Due {
    /// When, in milliseconds since 1970.
    pub(super) at: i64,
    /// Entries of one moment happen in the order they were made.
    pub(super) order: u64,
    pub(super) event: Happening,
}

/// What happens. Events of deployments that are gone or have moved on do nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Happening {
    /// The time in the queue is over.
    Leave { id: String },
    /// The agent is through with a prompt.
    Finish { id: String, turn: u32 },
    /// A stop takes effect.
    Stop { id: String },
    /// A request whose sender has left arrives. No signature: it was checked on the way.
    Arrive { path: String, body: String },
}
