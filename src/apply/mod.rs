//! Carries a plan out as it stands. No choices are made here.
//!
//! A surprise ends the step it happens in, is reported, and never repaired; steps that do not depend
//! on it go on. Every request that makes something is settled when its answer is lost ([`settle`]),
//! and what was made is read back. Nothing is printed: progress is a stream of events.
//!
//! Futures are polled in place and never spawned, so that dropping [`apply`]'s future stops it at once
//! and leaves nothing running.

mod create;
mod destroy;
mod finding;
mod followup;
mod run;
mod settle;
mod step;
mod stop;
mod watch;

pub use settle::{DEFAULT_SETTLE_DELAYS, wait_for_a_killed_apply};
pub use stop::Stop;
pub use watch::{DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT, Waited, Waiting, watch};

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::api::Client;
use crate::clock::Clock;
use crate::event::{Event, Outcome, StepOutcome};
use crate::files::Files;
use crate::ledger::Ledger;
use crate::model::{ContentHash, DeploymentId, Key, TaskId};
use crate::plan::{Change, Plan, Step, StepId};

/// What apply acts through.
#[derive(Clone, Copy)]
pub struct Effects<'a> {
    /// The service.
    pub client: &'a Client,
    /// Where creates are noted before and after.
    pub ledger: &'a Ledger,
    /// The calendar.
    pub clock: Clock,
    /// Whether somebody asked to stop.
    pub stop: &'a Stop,
    /// Told of everything that happens.
    pub on_event: &'a dyn Fn(&Event<'_>),
}

/// How apply works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The waits before each look that settles an unclear answer.
    pub settle_delays: Vec<Duration>,
    /// How long a request may have been sent again after it was noted.
    pub retry_time: Duration,
    /// Where conversations are saved before they are deleted.
    pub artifacts: Option<Artifacts>,
}

/// A folder for what is worth keeping.
#[derive(Clone)]
pub struct Artifacts {
    /// What writes there.
    pub files: Arc<dyn Files>,
    /// The folder.
    pub folder: PathBuf,
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifacts").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        let retry_time = crate::api::Settings::default().retry_time;
        Self { settle_delays: DEFAULT_SETTLE_DELAYS.to_vec(), retry_time, artifacts: None }
    }
}

/// Carries out every open step of `plan`.
///
/// Guarantees: a step begins only after those it waits for are done; steps of one task never run side
/// by side; the first step that makes a task has nothing else beside it, and what it made is read back
/// before anything else begins: a service that stores something else than it was sent would spoil
/// all that follows. Once the credentials are refused, or a stop is asked for, nothing more is begun.
///
/// The second call, with a plan made afresh, finishes what the first one left.
pub async fn apply(plan: &Plan, effects: &Effects<'_>, settings: &Settings) -> Outcome {
    let work = Work {
        plan,
        effects: *effects,
        settings,
        made: RefCell::default(),
        baseline: RefCell::default(),
        is_proven: RefCell::new(!plan.open_steps().any(|step| makes_task(&step.change))),
        is_halted: RefCell::new(false),
        is_locked_out: RefCell::new(false),
    };
    let mut outcome = Outcome::default();
    let open: BTreeSet<StepId> = plan.open_steps().map(|step| step.id).collect();
    let mut waiting: Vec<&Step> = plan.open_steps().collect();
    let mut busy: BTreeSet<&Key> = BTreeSet::new();
    let mut running = FuturesUnordered::new();
    let mut is_first_under_way = false;
    loop {
        let mut still_waiting = Vec::with_capacity(waiting.len());
        let is_ready = |step: &Step, busy: &BTreeSet<&Key>, ended: &BTreeMap<_, _>| {
            let is_met = |id: &StepId| ended.contains_key(id) || !open.contains(id);
            !busy.contains(&step.key) && step.after.iter().all(is_met)
        };
        // The first step that makes a task goes before others and alone; see `apply`.
        let goes_first =
            |step: &Step| makes_task(&step.change) && is_ready(step, &busy, &outcome.steps);
        let first = if *work.is_proven.borrow() || !running.is_empty() {
            None
        } else {
            waiting.iter().find(|step| goes_first(step)).map(|step| step.id)
        };
        for step in waiting {
            if let Some(unmet) = first_unmet(step, &outcome.steps) {
                let skipped = StepOutcome::Skipped(unmet);
                (effects.on_event)(&Event::Finished(step, &skipped));
                outcome.steps.insert(step.id, skipped);
            } else if effects.stop.is_asked() || *work.is_halted.borrow() {
                outcome.steps.insert(step.id, StepOutcome::NotStarted);
            } else if is_ready(step, &busy, &outcome.steps)
                && !is_first_under_way
                && first.is_none_or(|first| first == step.id)
                && (*work.is_proven.borrow() || first.is_some() || !makes_task(&step.change))
            {
                is_first_under_way = first.is_some();
                busy.insert(&step.key);
                (effects.on_event)(&Event::Started(step));
                let work = &work;
                running.push(async move { (step, work.carry_out(step).await) });
            } else {
                still_waiting.push(step);
            }
        }
        waiting = still_waiting;
        let Some((step, ended)) = running.next().await else {
            if waiting.is_empty() {
                break;
            }
            continue;
        };
        busy.remove(&step.key);
        is_first_under_way = false;
        (effects.on_event)(&Event::Finished(step, &ended));
        outcome.steps.insert(step.id, ended);
    }
    drop(running);
    work.wait_until_visible(&mut outcome).await;
    outcome.is_interrupted = effects.stop.is_asked();
    outcome
}

/// Whether carrying out the change makes a task.
fn makes_task(change: &Change) -> bool {
    matches!(change, Change::Create { .. } | Change::Replace { .. })
}

/// The first step that this one waits for and that did not end well.
fn first_unmet(step: &Step, ended: &BTreeMap<StepId, StepOutcome>) -> Option<StepId> {
    let is_unmet = |id: &&StepId| {
        ended.get(id).is_some_and(|outcome| !matches!(outcome, StepOutcome::Done(_)))
    };
    step.after.iter().find(is_unmet).copied()
}

/// One apply at work.
struct Work<'p, 'e> {
    plan: &'p Plan,
    effects: Effects<'e>,
    settings: &'e Settings,
    made: RefCell<Made>,
    /// The ids on the list right before the first create.
    baseline: RefCell<Option<BTreeSet<TaskId>>>,
    /// Whether the first task that was made has been read back as declared.
    is_proven: RefCell<bool>,
    /// Whether nothing more may be begun.
    is_halted: RefCell<bool>,
    /// Whether the credentials are refused, so that no look shows anything.
    is_locked_out: RefCell<bool>,
}

/// What this apply has made so far.
#[derive(Default)]
struct Made {
    tasks: BTreeMap<StepId, TaskId>,
    contents: BTreeMap<TaskId, ContentHash>,
    /// By run, its task.
    deployments: BTreeMap<DeploymentId, TaskId>,
}

impl Work<'_, '_> {
    async fn carry_out(&self, step: &Step) -> StepOutcome {
        let ended = match &step.change {
            Change::Create { name, content } => self.create(step, name, content).await,
            Change::Rename { id, to, .. } => self.rename(step, *id, to).await,
            Change::Replace { name, content, old, .. } => {
                self.replace(step, name, content, old).await
            }
            Change::Retire { retirement, .. } => self.retire(step, retirement).await,
            Change::Run { task, seen, since, .. } => self.run(step, *task, seen, *since).await,
            Change::FollowUp { run, prompt, turns, .. } => {
                self.follow_up(step, run, prompt, turns).await
            }
            Change::Stop { run } => self.stop_run(step, run).await,
            Change::Undecided { .. } | Change::Diverged { .. } => {
                unreachable!("a step that decides nothing is never open")
            }
        };
        ended.unwrap_or_else(|ended| ended)
    }

    fn halt(&self) {
        *self.is_halted.borrow_mut() = true;
    }
}
