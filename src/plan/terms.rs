//! What is declared about a step beside the texts that it sends.
//!
//! One list of words for the digest and for every format, so that what is approved is what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::diag::{Code, Diagnostic};
use crate::manifest::{DesiredDeployment, DesiredState, DesiredTask};
use crate::model::Key;
use crate::plan::{AgentChange, Change, PlanInputs, Step};
use crate::transcript::Expectation;

/// What is declared about deployments and tasks, by key.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    deployments: BTreeMap<(Key, Key), (Option<Expectation>, Option<Duration>)>,
    protected: BTreeSet<Key>,
    protected_agents: BTreeSet<Key>,
}

impl Terms {
    pub(super) fn of(desired: &DesiredState) -> Self {
        let mut terms = Self::default();
        let agents = desired.agents.iter().filter(|(_, agent)| agent.protect);
        terms.protected_agents.extend(agents.map(|(key, _)| key.clone()));
        for (key, task) in &desired.tasks {
            terms.protected.extend(task.protect.then(|| key.clone()));
            for (name, DesiredDeployment { expect, timeout, .. }) in task.deployments.iter() {
                let place = (key.clone(), name.clone());
                terms.deployments.insert(place, (expect.clone(), *timeout));
            }
        }
        terms
    }

    /// What is declared for a step, each field with its value: since when a deployment counts, what it has
    /// to show and how long it may take; whether a task that the step makes or changes is protected.
    pub fn of_step(&self, step: &Step) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        match &step.change {
            Change::Deploy { since, .. } => {
                rows.extend(since.map(|(since, _)| ("since", since.to_string())));
                rows.extend(self.of_deployment(step));
            }
            Change::Prompt { .. } => rows.extend(self.of_deployment(step)),
            Change::Create { .. }
            | Change::Update { .. }
            | Change::Restore { .. }
            | Change::Replace { .. } => {
                let is_protected = self.protected.contains(&step.key);
                rows.extend(is_protected.then(|| ("protect", "true".to_owned())));
            }
            Change::Agent(AgentChange::Create { .. } | AgentChange::Update { .. }) => {
                let is_protected = self.protected_agents.contains(&step.key);
                rows.extend(is_protected.then(|| ("protect", "true".to_owned())));
            }
            Change::Agent(AgentChange::Delete { .. } | AgentChange::Undecided { .. })
            | Change::Remove { .. }
            | Change::Diverged { .. }
            | Change::Stop { .. }
            | Change::Ambiguous { .. } => {}
        }
        rows
    }

    fn of_deployment(&self, step: &Step) -> Vec<(&'static str, String)> {
        let place = step.deployment.as_ref().map(|name| (step.key.clone(), name.clone()));
        let found = place.and_then(|place| self.deployments.get(&place));
        let (expect, timeout) = found.map_or((&None, None), |(expect, limit)| (expect, *limit));
        let expect = expect.as_ref().map(|expect| ("expect", expect.to_string()));
        let timeout = timeout.map(|limit| ("timeout", words(limit)));
        expect.into_iter().chain(timeout).collect()
    }
}

/// Says of each task that is planned for whether its `protect` changed since the last version: no step
/// shows it.
pub(super) fn protect_changes(inputs: &PlanInputs<'_>) -> Vec<Diagnostic> {
    let targets = &inputs.options.targets;
    let is_target = |key: &Key| targets.is_empty() || targets.contains(key);
    let change = |(key, desired): (&Key, &DesiredTask)| {
        let known = inputs.evidence.keys.get(key).filter(|known| !known.versions.is_empty())?;
        // What is not committed yet differs from the last version, what is from the one before.
        let before = [Some(known.protect), known.protect_before];
        if !is_target(key) || before.into_iter().flatten().all(|before| before == desired.protect) {
            return None;
        }
        let message = if desired.protect {
            format!(
                "`{key}` is protected now: `protect` is true, and was false in the version before"
            )
        } else {
            format!(
                "`{key}` is no longer protected: `protect` is false, and was true in the version before"
            )
        };
        Some(Diagnostic::note(Code::ProtectChanged, message))
    };
    inputs.desired_state.tasks.iter().filter_map(change).collect()
}

/// A time limit as a manifest has it, in the largest unit that fits.
fn words(limit: Duration) -> String {
    match limit.as_secs() {
        _ if limit.subsec_nanos() > 0 => format!("{}s", limit.as_secs_f64()),
        seconds if seconds > 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}
