//! Carries a plan out as it stands. No choices are made here.
//!
//! A surprise ends the step it happens in, is reported, and never repaired; steps that do not depend
//! on it go on. Every request that makes something is settled when its answer is lost ([`settle`]),
//! and what was made is read back. Nothing is printed: progress is a stream of events.
//!
//! Futures are polled in place and never spawned, so that dropping [`apply`]'s future stops it at once
//! and leaves nothing running.

mod agent;
mod confirm;
mod create;
mod deploy;
mod destroy;
mod finding;
mod prompt;
mod reference;
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
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::poll_fn;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;

use crate::api::Client;
use crate::apply::agent::CreatedAgents;
use crate::apply::finding::not_noted;
use crate::apply::schedule::{ProvenKinds, StepSchedule};
use crate::apply::settle::Ended;
use crate::clock::Clock;
use crate::diag::Diagnostic;
use crate::event::{Event, HaltReason, Outcome, StepOutcome};
use crate::kinds::{AGENT, TASK};
use crate::ledger::Ledger;
use crate::model::{ContentHash, DeploymentId, Key, TaskId};
use crate::plan::{AgentChange, Change, Plan, Step, StepId};
use crate::resource::Whole;
use crate::store::{Artifacts, StoreError};

/// How long a line of the ledger waits for the next one that somebody waits for.
const LONGEST_LEFT: Duration = Duration::from_secs(1);

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

impl Default for Settings {
    fn default() -> Self {
        let retry_time = crate::api::ClientSettings::default().retry_time;
        let settle_delays = DEFAULT_SETTLE_DELAYS.to_vec();
        Self { settle_delays, retry_time, artifacts: None, under_way: 24 }
    }
}

/// Carries out every open step of `plan`.
///
/// Guarantees: a step begins only after those it waits for are done; steps of one resource never run
/// side by side; the first step that makes one of a kind has nothing else beside it, and what it made
/// is read back before anything else begins: a service that stores something else than it was sent
/// would spoil all that follows. What is made after that is read back before another step builds on it, and with
/// the list at the end where none does. Once the credentials are refused, or a stop is asked for, nothing more is begun.
///
/// The second call, with a plan made afresh, finishes what the first one left.
pub async fn apply(plan: &Plan, effects: &Effects<'_>, settings: &Settings) -> Outcome {
    let work = Work::new(plan, *effects, settings);
    drop(note_asked_again(plan, effects.ledger, effects.clock.now()).await);
    let mut outcome = Outcome::default();
    let mut schedule = StepSchedule::new(plan.ready_steps());
    let (mut running, mut flushing) = (FuturesUnordered::new(), FuturesUnordered::new());
    loop {
        if let Some(why) = (*work.halted.borrow()).or(effects.stop.reason()) {
            let not_begun = schedule.drain().into_iter();
            outcome.steps.extend(not_begun.map(|step| (step.id, StepOutcome::NotStarted(why))));
        }
        while running.len() < settings.under_way.max(1)
            && let Some(step) = schedule.next(&work.proven.borrow(), running.is_empty())
        {
            let over = work.is_over(step);
            if over.is_none() {
                (effects.on_event)(&Event::Started(step));
            }
            let work = &work;
            running.push(async move {
                let ended = match over {
                    Some(why) => StepOutcome::NotStarted(why),
                    None => work.carry_out(step).await,
                };
                (step, ended)
            });
        }
        if flushing.is_empty() {
            flushing.push(async {
                tokio::time::sleep(LONGEST_LEFT).await;
                effects.ledger.flush().await
            });
        }
        let next = poll_fn(|context| {
            // Lines that cannot be written stay, and the report says so.
            drop(flushing.poll_next_unpin(context));
            running.poll_next_unpin(context)
        });
        let Some((step, ended)) = next.await else { break };
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
    drop((running, flushing));
    work.wait_until_visible(&mut outcome).await;
    work.verify_unread(&mut outcome).await;
    if let Err(error) = effects.ledger.flush().await {
        note_at_the_end(&mut outcome, not_noted("what was made last", &error));
    }
    outcome.is_interrupted = effects.stop.is_asked();
    outcome
}

/// Adds a note to the last step that is done.
fn note_at_the_end(outcome: &mut Outcome, note: Diagnostic) {
    let mut steps = outcome.steps.values_mut().rev();
    let done = steps.find_map(|ended| match ended {
        StepOutcome::Done(done) => Some(done),
        _ => None,
    });
    if let Some(done) = done {
        done.notes.push(note);
    }
}

/// Notes which values of agents are asked for again, so that what was stored instead hides nothing any
/// more. Without it a value that somebody sets back by hand may be taken for the service's own.
pub async fn note_asked_again(
    plan: &Plan,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (key, id, field) in &plan.stored_otherwise.ended {
        ledger.asking_again(key, *id, field, now).await?;
    }
    Ok(())
}

/// The name of the kind of which carrying out the change makes one.
fn makes(change: &Change) -> Option<&'static str> {
    match change {
        Change::Create { .. } | Change::Replace { .. } => Some(TASK.name),
        Change::Agent(AgentChange::Create { .. }) => Some(AGENT.name),
        _ => None,
    }
}

/// One apply at work.
struct Work<'p, 'e> {
    plan: &'p Plan,
    effects: Effects<'e>,
    settings: &'e Settings,
    created: RefCell<CreatedTasks>,
    agents: RefCell<CreatedAgents>,
    /// The ids on the list right before the first create.
    baseline: RefCell<Option<BTreeSet<TaskId>>>,
    /// How many tasks were made when the list was last read for duplicates.
    looked_at: RefCell<usize>,
    /// Whether that is being read.
    is_looking: RefCell<bool>,
    /// The kinds of which the first one that was made has been read back as declared.
    proven: RefCell<ProvenKinds>,
    /// Why nothing more may be begun, where that is so.
    halted: RefCell<Option<HaltReason>>,
    /// Whether the credentials are refused, so that no look shows anything.
    is_locked_out: RefCell<bool>,
    /// Tasks whose making was answered just as declared; the list is to show them so, too.
    unread: RefCell<BTreeMap<TaskId, StepId>>,
    /// Steps that another one waits for.
    awaited: BTreeSet<StepId>,
    /// The contents of all tasks that the plan makes.
    desired: RefCell<BTreeSet<ContentHash>>,
    /// The tasks of the plan that use an agent which it makes, by the agent's key.
    users: BTreeMap<Key, Vec<&'p Whole>>,
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

impl<'p, 'e> Work<'p, 'e> {
    fn new(plan: &'p Plan, effects: Effects<'e>, settings: &'e Settings) -> Self {
        Self {
            plan,
            effects,
            settings,
            created: RefCell::default(),
            agents: RefCell::default(),
            baseline: RefCell::default(),
            proven: RefCell::default(),
            halted: RefCell::new(None),
            is_locked_out: RefCell::new(false),
            unread: RefCell::default(),
            looked_at: RefCell::default(),
            is_looking: RefCell::new(false),
            awaited: plan.ready_steps().flat_map(|step| step.after.iter().copied()).collect(),
            desired: RefCell::new(reference::wanted_contents(plan)),
            users: reference::users(plan),
        }
    }
}

impl Work<'_, '_> {
    async fn carry_out(&self, step: &Step) -> StepOutcome {
        self.try_step(step).await.unwrap_or_else(|ended| ended)
    }

    async fn try_step(&self, step: &Step) -> Ended<StepOutcome> {
        // A create takes along what was left; whatever else begins waits until that is written.
        if !matches!(step.change, Change::Create { .. }) {
            self.note(async |ledger, _| ledger.flush().await).await?;
        }
        match &step.change {
            Change::Agent(change) => self.agent(step, change).await,
            Change::Create { object } => self.create(step, &self.with_ids(object)?).await,
            Change::Update { id, edits } | Change::Restore { id, edits } => {
                self.update(step, *id, edits).await
            }
            Change::Replace { object, old, .. } => {
                self.replace(step, &self.with_ids(object)?, old).await
            }
            Change::Remove { removal, .. } => self.remove(step, removal).await,
            Change::Deploy { task, seen, since, .. } => self.run(step, *task, seen, *since).await,
            Change::Prompt { run, prompt, turns, .. } => {
                self.follow_up(step, run, prompt, turns).await
            }
            Change::Stop { run } => self.stop_run(step, run).await,
            Change::Ambiguous { .. } | Change::Diverged { .. } => {
                unreachable!("a step that decides nothing is never open")
            }
        }
    }

    /// Why a step is not begun although others are, where that is so.
    fn is_over(&self, step: &Step) -> Option<HaltReason> {
        let is_meant = makes(&step.change) == Some(AGENT.name) && self.agents.borrow().is_over;
        is_meant.then_some(HaltReason::StoredDifferently)
    }

    /// Lets nothing more begin; the first reason is the one that counts.
    fn halt(&self, why: HaltReason) {
        self.halted.borrow_mut().get_or_insert(why);
    }
}
