//! Carries a plan out as it stands. No choices are made here.
//!
//! A surprise ends the step it happens in, is reported, and never repaired; steps that do not depend
//! on it go on. Every request that makes something is settled when its answer is lost ([`settle`]),
//! and what was made is read back. Nothing is printed: progress is a stream of events.
//!
//! Futures are polled in place and never spawned, so that dropping [`apply`]'s future stops it at once
//! and leaves nothing running.

mod create;
mod deploy;
mod destroy;
mod finding;
mod prompt;
mod schedule;
mod settle;
mod step;
mod stop;
mod verify;
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
use crate::apply::schedule::StepSchedule;
use crate::clock::Clock;
use crate::event::{Event, HaltReason, Outcome, StepOutcome};
use crate::files::Files;
use crate::ledger::Ledger;
use crate::model::{ContentHash, DeploymentId, TaskId};
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
    /// The waits before each look that settles an unknown answer.
    pub settle_delays: Vec<Duration>,
    /// How long a request may have been sent again after it was noted.
    pub retry_time: Duration,
    /// Where conversations are saved before they are deleted.
    pub artifacts: Option<Artifacts>,
    /// How many steps are under way at once. A few for each request in flight: while some wait for
    /// an answer, others are noted, and what is noted together is made durable together.
    pub under_way: usize,
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
        let retry_time = crate::api::ClientSettings::default().retry_time;
        let settle_delays = DEFAULT_SETTLE_DELAYS.to_vec();
        Self { settle_delays, retry_time, artifacts: None, under_way: 24 }
    }
}

/// Carries out every open step of `plan`.
///
/// Guarantees: a step begins only after those it waits for are done; steps of one task never run side
/// by side; the first step that makes a task has nothing else beside it, and what it made is read back
/// before anything else begins: a service that stores something else than it was sent would spoil
/// all that follows. What is made after that is read back before another step builds on it, and with
/// the list at the end where none does. Once the credentials are refused, or a stop is asked for, nothing more is begun.
///
/// The second call, with a plan made afresh, finishes what the first one left.
pub async fn apply(plan: &Plan, effects: &Effects<'_>, settings: &Settings) -> Outcome {
    let work = Work {
        plan,
        effects: *effects,
        settings,
        created: RefCell::default(),
        baseline: RefCell::default(),
        is_proven: RefCell::new(!plan.ready_steps().any(|step| makes_task(&step.change))),
        halted: RefCell::new(None),
        is_locked_out: RefCell::new(false),
        unread: RefCell::default(),
        looked_at: RefCell::default(),
        awaited: plan.ready_steps().flat_map(|step| step.after.iter().copied()).collect(),
        desired: wanted_contents(plan),
    };
    let mut outcome = Outcome::default();
    let mut schedule = StepSchedule::new(plan.ready_steps());
    let mut running = FuturesUnordered::new();
    loop {
        let interrupted = effects.stop.is_asked().then_some(HaltReason::Interrupted);
        if let Some(why) = (*work.halted.borrow()).or(interrupted) {
            let not_begun = schedule.drain().into_iter();
            outcome.steps.extend(not_begun.map(|step| (step.id, StepOutcome::NotStarted(why))));
        }
        while running.len() < settings.under_way.max(1)
            && let Some(step) = schedule.next(*work.is_proven.borrow(), running.is_empty())
        {
            (effects.on_event)(&Event::Started(step));
            let work = &work;
            running.push(async move { (step, work.carry_out(step).await) });
        }
        let Some((step, ended)) = running.next().await else { break };
        (effects.on_event)(&Event::Finished(step, &ended));
        let given_up = schedule.end(step, matches!(ended, StepOutcome::Done(_)));
        outcome.steps.insert(step.id, ended);
        for (step, unmet) in given_up {
            let skipped = StepOutcome::Skipped(unmet);
            (effects.on_event)(&Event::Finished(step, &skipped));
            outcome.steps.insert(step.id, skipped);
        }
    }
    debug_assert!(schedule.is_empty(), "a plan has no cycle");
    drop(running);
    work.wait_until_visible(&mut outcome).await;
    work.verify_unread(&mut outcome).await;
    outcome.is_interrupted = effects.stop.is_asked();
    outcome
}

/// The contents of all tasks that the plan makes.
fn wanted_contents(plan: &Plan) -> BTreeSet<ContentHash> {
    let content = |step: &Step| match &step.change {
        Change::Create { object } | Change::Replace { object, .. } => Some(object.content()),
        _ => None,
    };
    plan.ready_steps().filter_map(content).collect()
}

/// Whether carrying out the change makes a task.
fn makes_task(change: &Change) -> bool {
    matches!(change, Change::Create { .. } | Change::Replace { .. })
}

/// One apply at work.
struct Work<'p, 'e> {
    plan: &'p Plan,
    effects: Effects<'e>,
    settings: &'e Settings,
    created: RefCell<CreatedTasks>,
    /// The ids on the list right before the first create.
    baseline: RefCell<Option<BTreeSet<TaskId>>>,
    /// How many tasks were made when the list was last read for duplicates.
    looked_at: RefCell<usize>,
    /// Whether the first task that was made has been read back as declared.
    is_proven: RefCell<bool>,
    /// Why nothing more may be begun, where that is so.
    halted: RefCell<Option<HaltReason>>,
    /// Whether the credentials are refused, so that no look shows anything.
    is_locked_out: RefCell<bool>,
    /// Tasks whose making was answered just as declared; the list is to show them so, too.
    unread: RefCell<BTreeMap<TaskId, StepId>>,
    /// Steps that another one waits for.
    awaited: BTreeSet<StepId>,
    /// The contents of all tasks that the plan makes.
    desired: BTreeSet<ContentHash>,
}

/// What this apply has made so far.
#[derive(Default)]
struct CreatedTasks {
    tasks: BTreeMap<StepId, TaskId>,
    contents: BTreeMap<TaskId, ContentHash>,
    /// The contents of all creates that were sent, answered or not.
    sent: BTreeSet<ContentHash>,
    /// By run, its task.
    deployments: BTreeMap<DeploymentId, TaskId>,
}

impl Work<'_, '_> {
    async fn carry_out(&self, step: &Step) -> StepOutcome {
        let ended = match &step.change {
            Change::Agent(_) => unreachable!("no plan holds one yet"),
            Change::Create { object } => self.create(step, object).await,
            Change::Update { id, edits } | Change::Restore { id, edits } => {
                self.update(step, *id, edits).await
            }
            Change::Replace { object, old, .. } => self.replace(step, object, old).await,
            Change::Remove { removal, .. } => self.remove(step, removal).await,
            Change::Deploy { task, seen, since, .. } => self.run(step, *task, seen, *since).await,
            Change::Prompt { run, prompt, turns, .. } => {
                self.follow_up(step, run, prompt, turns).await
            }
            Change::Stop { run } => self.stop_run(step, run).await,
            Change::Ambiguous { .. } | Change::Diverged { .. } => {
                unreachable!("a step that decides nothing is never open")
            }
        };
        ended.unwrap_or_else(|ended| ended)
    }

    /// Lets nothing more begin; the first reason is the one that counts.
    fn halt(&self, why: HaltReason) {
        self.halted.borrow_mut().get_or_insert(why);
    }
}
