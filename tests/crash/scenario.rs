//! What a scenario is: a service, and the manifests that are applied to it.

use std::time::Duration;

use jiff::Timestamp;
use qcops::apply::Settings;
use qcops::emulator::World;
use qcops::evidence::Evidence;
use qcops::manifest::DesiredState;
use qcops::plan::{Options, Scope};

/// A service, and the manifests that are applied to it.
#[derive(Clone)]
pub(super) struct Scenario {
    /// What it is about, in a few words.
    pub(super) name: String,
    /// The service before; everything in it is unmanaged.
    pub(super) start: World,
    /// When the first apply begins.
    pub(super) now: Timestamp,
    /// Whether only the ledger proves what an interrupted apply has made: an agent of a ring is made
    /// without all of its references, and is as no version declares it until it gets them.
    pub(super) needs_ledger: bool,
    /// One apply after the other; faults are injected into the last one.
    pub(super) steps: Vec<ScenarioStep>,
}

/// One apply.
#[derive(Clone)]
pub(super) struct ScenarioStep {
    /// The desired state.
    pub(super) desired_state: DesiredState,
    /// What Git says was declared before.
    pub(super) evidence: Evidence,
    /// The manifest and those that were committed before, where they declare agents: which of these
    /// exist decides what their tasks are.
    pub(super) texts: Option<(String, Vec<String>)>,
    /// What was asked for on the command line.
    pub(super) options: Options,
    /// What is destroyed; `None` for an apply.
    pub(super) destroys: Option<Scope>,
    /// After how many requests the process ends: a step that was interrupted itself.
    pub(super) ends_after: Option<usize>,
}

/// What decides everything that a scenario leaves open.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// The seed of ids, latencies and pauses.
    pub(super) seed: u64,
    /// Quirks, as in `list-order=shuffled`.
    pub(super) quirks: Vec<String>,
    /// The store that machines share, where they do. Only faults that have to do with it are injected then.
    pub(super) store: Option<StoreConditions>,
}

/// How the shared store is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreConditions {
    /// How long a lease is good for.
    pub(super) lease_time: Duration,
    /// How many values the ledger holds beside those of the scenario; from some number on they are merged.
    pub(super) old_values: usize,
}

impl Scenario {
    /// The step into which faults are injected.
    pub(super) fn last(&self) -> &ScenarioStep {
        self.steps.last().expect("a scenario has a step")
    }

    /// Whether a task was there before the scenario began.
    pub(super) fn is_foreign(&self, id: u64) -> bool {
        self.start.tasks().any(|task| task.id == id)
    }
}

impl ScenarioStep {
    /// Whether it destroys archived tasks.
    pub(super) fn destroys_archived(&self) -> bool {
        matches!(self.destroys, Some(Scope::Archived { .. }))
    }
}

/// How long a request that was sent may still take effect.
pub(super) fn settle_time() -> Duration {
    Settings::default().settle_delays.iter().sum()
}
