//! Runs one process after the other on a machine: observe, plan, apply.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::iter::once;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use qcops::api::{self, Client};
use qcops::apply::{self, Effects, Settings, Stop};
use qcops::clock::Clock;
use qcops::diag::{Code, with_causes};
use qcops::emulator::{Emulator, Storage, World};
use qcops::event::{Event, Outcome, StepOutcome};
use qcops::evidence::Evidence;
use qcops::ledger::Ledger;
use qcops::model::{Action, Key};
use qcops::observed::ObservedState;
use qcops::plan::{self, Change, Next, Plan, PlanContext, Step, StepStatus};
use qcops::store::{
    Artifacts, FileJournal, Journal, Lease, LeaseAttempt, LeaseHolder, LeaseRequest, LeaseSight,
    SharedStore, StoreError,
};
use tokio::sync::oneshot;

use super::fault::{Injection, Trace};
use super::judge::BrokenLaw;
use super::machine::{CrashingDisk, CrashingNetwork, Machine, MachineImage, Process};
use super::scenario::{Conditions, ScenarioStep, StoreConditions};
use super::shared_store::{CrashingStore, SCOPE, StoreImage};
use crate::support::world::{self, organization, unsigned_client_over};

/// Where conversations are saved before they are deleted.
pub(super) const ARTIFACTS: &str = "artifacts";

/// How long the service rests between two steps: every deployment ends, every list catches up.
pub(super) const REST: SignedDuration = SignedDuration::from_hours(1);

/// How long between two looks at a lease.
const LEASE_PAUSE: Duration = Duration::from_secs(2);

/// More applies than any scenario needs until nothing is left to do.
const MOST_APPLIES: usize = 4;

/// Whether the shared store can be trusted, once that is known.
type StoreTrial = oneshot::Receiver<Result<(), StoreError>>;

/// How a process ended.
pub(super) enum ProcessEnd {
    /// From outside.
    Interrupted,
    /// It could not read the service or its files.
    Failed(String),
    /// It planned and applied the plan.
    Applied(Box<Plan>, Outcome),
}

/// What a fresh plan leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    /// Nothing that apply could do: the codes of what blocks it, if anything does.
    Blocked(Vec<Code>),
    /// Steps that apply would do.
    Ready(Vec<(Action, Key)>),
    /// No plan: the service or a file could not be read.
    Unreadable(String),
}

impl Remaining {
    /// What a plan leaves without the next follow-ups of these deployments.
    fn of(plan: &Plan, later: &BTreeSet<DeploymentKey>) -> Self {
        let is_later = |step: &&Step| {
            matches!(step.change, Change::Prompt { .. }) && later.contains(&deployment_key(step))
        };
        let ready: Vec<(Action, Key)> = plan
            .ready_steps()
            .filter(|step| !is_later(step))
            .map(|step| (step.change.action(), step.key.clone()))
            .collect();
        if !ready.is_empty() {
            return Self::Ready(ready);
        }
        let mut codes: Vec<Code> = plan.blocks().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        Self::Blocked(codes)
    }

    /// What the plan of a process left, without the next follow-ups of these deployments.
    pub(super) fn planned_by(end: &ProcessEnd, later: &BTreeSet<DeploymentKey>) -> Self {
        match end {
            ProcessEnd::Applied(plan, _) => Self::of(plan, later),
            ProcessEnd::Failed(error) => Self::Unreadable(error.clone()),
            ProcessEnd::Interrupted => Self::Unreadable("the process was interrupted".to_owned()),
        }
    }

    /// Whether nothing is left to do and nothing is blocked.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Blocked(codes) if codes.is_empty())
    }

    fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked(_))
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = match self {
            Self::Blocked(codes) => codes.iter().map(Code::to_string).collect(),
            Self::Ready(steps) => {
                steps.iter().map(|(action, key)| format!("{action} {key}")).collect()
            }
            Self::Unreadable(error) => vec![error.clone()],
        };
        f.write_str(&words.join(", "))
    }
}

/// A service and machines beside it, one process at a time.
pub(super) struct ProcessRunner {
    pub(super) machine: Arc<Machine>,
    pub(super) clock: Clock,
    seed: u64,
    /// How the shared store is used, where machines share one.
    store: Option<StoreConditions>,
}

impl ProcessRunner {
    pub(super) fn new(
        world: World,
        image: MachineImage,
        now: Timestamp,
        conditions: &Conditions,
    ) -> Self {
        let clock = Clock::starting_at(now);
        let emulator = Emulator::new(world, clock, Storage::Memory);
        let Conditions { seed, store, .. } = *conditions;
        Self { machine: Machine::new(emulator, clock, image, seed), clock, seed, store }
    }

    /// Reads the service's side, now.
    pub(super) async fn with_world<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        let read = self.machine.emulator.with_world(|world| read(world));
        read.await.expect("a world in memory can be read")
    }

    /// What the ledger of a machine says.
    pub(super) fn ledger_of(&self, machine: usize) -> Vec<u8> {
        match self.store {
            None => self.machine.file(&ledger_path(machine)),
            Some(_) => self.machine.with_store(StoreImage::ledger),
        }
    }

    /// One process: it waits where it has to, plans and applies the plan. Returns what it did, too.
    pub(super) async fn apply(
        &self,
        step: &ScenarioStep,
        machine: usize,
        injections: &[Injection],
    ) -> (ProcessEnd, Trace) {
        let process = self.machine.begin(injections);
        let (end, ()) = tokio::join!(
            self.until_ended(step, machine, &process),
            self.take_over(step, machine + 1, &process)
        );
        (end, process.trace())
    }

    async fn until_ended(
        &self,
        step: &ScenarioStep,
        machine: usize,
        process: &Process,
    ) -> ProcessEnd {
        let end = tokio::select! {
            biased;
            () = process.ended() => ProcessEnd::Interrupted,
            end = self.process(step, machine, process) => end,
        };
        process.ends_itself();
        if process.is_ended() { ProcessEnd::Interrupted } else { end }
    }

    /// Applies on another machine once that may take the lease of a process over.
    async fn take_over(&self, step: &ScenarioStep, machine: usize, process: &Process) {
        if process.lets_take_over().await {
            let other = self.machine.begin(&[]);
            if let ProcessEnd::Failed(error) = self.process(step, machine, &other).await {
                other.report(BrokenLaw::Failed { error });
            }
        }
    }

    async fn process(&self, step: &ScenarioStep, machine: usize, process: &Process) -> ProcessEnd {
        let halt = Stop::default();
        let Some(StoreConditions { lease_time, .. }) = self.store else {
            let (client, ledger) = (self.client(process), self.ledger(machine, process));
            return self.wait_and_apply(step, process, (&client, &ledger), &halt, None).await;
        };
        // As `cli::apply_lock` does it.
        let store = shared_store(process);
        let (tried, trial) = oneshot::channel();
        let trying = async { drop(tried.send(store.check().await)) };
        let working = self.under_lease(step, machine, process, (&store, lease_time), trial);
        join(trying, working).await.1
    }

    async fn under_lease(
        &self,
        step: &ScenarioStep,
        machine: usize,
        process: &Process,
        (store, lease_time): (&SharedStore, Duration),
        trial: StoreTrial,
    ) -> ProcessEnd {
        let halt = Stop::default();
        let (client, ledger) = (self.client(process), self.ledger(machine, process));
        let lease = match self.take_lease(store, &ledger, lease_time).await {
            Ok(lease) => lease,
            Err(error) => return ProcessEnd::Failed(with_causes(&error)),
        };
        process.begin_epoch(lease.epoch());
        ledger.begin_epoch(lease.epoch());
        let keeper = async {
            lease.keep(self.clock).await;
            client.close();
            halt.lose_lease();
            std::future::pending().await
        };
        let end = tokio::select! {
            biased;
            end = self.wait_and_apply(step, process, (&client, &ledger), &halt, Some(trial)) => end,
            end = keeper => end,
        };
        // One that cannot be given back ends by itself.
        if lease.release(self.clock.now()).await.is_ok() && process.holds_lease() {
            process.report(BrokenLaw::LeaseKept);
        }
        end
    }

    async fn take_lease(
        &self,
        store: &SharedStore,
        ledger: &Ledger,
        duration: Duration,
    ) -> Result<Box<Lease>, StoreError> {
        let (holder, mut sight) = (LeaseHolder::default(), LeaseSight::default());
        let request = LeaseRequest { scope: SCOPE, holder: &holder, duration };
        loop {
            let now = self.clock.now();
            let refresh = async || ledger.refresh().await;
            match store.try_lease(request, &mut sight, now, refresh).await? {
                (LeaseAttempt::Taken(lease), refreshed) => return refreshed.map(|()| lease),
                (LeaseAttempt::HeldBy(_), _) => {
                    tokio::time::sleep(LEASE_PAUSE.min(duration / 4)).await;
                }
            }
        }
    }

    async fn wait_and_apply(
        &self,
        step: &ScenarioStep,
        process: &Process,
        (client, ledger): (&Client, &Ledger),
        halt: &Stop,
        trial: Option<StoreTrial>,
    ) -> ProcessEnd {
        let settings = Settings { artifacts: Some(self.artifacts(process)), ..Settings::default() };
        let wait =
            apply::wait_for_a_killed_apply(ledger, self.clock, &settings, halt, &|_| ()).await;
        if let Err(error) = wait {
            return ProcessEnd::Failed(with_causes(&error));
        }
        let plan = match self.plan(step, client, ledger).await {
            Ok(plan) => plan,
            Err(error) => return ProcessEnd::Failed(error),
        };
        if let Some(trial) = trial
            && let Err(error) = self.ensure(ledger, trial).await
        {
            return ProcessEnd::Failed(with_causes(&error));
        }
        let effects = Effects {
            client,
            ledger,
            clock: self.clock,
            stop: halt,
            on_event: &|event| {
                if let (Event::Started(step), true) = (event, process.is_fenced()) {
                    let what = format!("{} {}", step.change.action(), step.key);
                    process.report(BrokenLaw::StaleHolder { what });
                }
            },
        };
        let outcome = apply::apply(&plan, &effects, &settings).await;
        ProcessEnd::Applied(Box::new(plan), outcome)
    }

    /// Makes sure that the lease counts, before anything is changed.
    async fn ensure(&self, ledger: &Ledger, trial: StoreTrial) -> Result<(), StoreError> {
        trial.await.expect("it is told")?;
        ledger.compact().await?;
        ledger.applied(once("tasks.yaml".into()), self.clock.now())
    }

    async fn plan(
        &self,
        step: &ScenarioStep,
        client: &Client,
        ledger: &Ledger,
    ) -> Result<Plan, String> {
        if self.store.is_some() {
            ledger.refresh().await.map_err(|error| with_causes(&error))?;
        }
        let plan_context = known(step, client, ledger).await?;
        // The last look makes the plan, as it does for the program.
        let made = RefCell::new(None);
        let reads = |state: &ObservedState| {
            let inputs = plan_context.with(state);
            let next = match step.destroys {
                None => plan::next(&inputs),
                Some(scope) => match plan::destroy_reads(&inputs, scope) {
                    reads if reads.is_empty() => Next::Plan(plan::destroy(&inputs, scope).into()),
                    reads => Next::ReadRequest(reads),
                },
            };
            match next {
                Next::ReadRequest(reads) => reads,
                Next::Plan(plan) => {
                    made.replace(Some(*plan));
                    BTreeSet::new()
                }
            }
        };
        let observed = api::observe(client, self.clock, reads).await;
        observed.map_err(|error| with_causes(&error))?;
        Ok(made.into_inner().expect("observing ends when there is a plan"))
    }

    /// Applies until a plan has nothing to do, as often as a person would, an hour apart.
    pub(super) async fn apply_until_rest(
        &self,
        mut left: Remaining,
        step: &ScenarioStep,
    ) -> Remaining {
        let mut is_unknown = false;
        for _ in 1..MOST_APPLIES {
            if left.is_blocked() {
                break;
            }
            tokio::time::sleep(REST.unsigned_abs()).await;
            let (end, _) = self.apply(step, 0, &[]).await;
            left = self.remaining(step, 0).await;
            let ProcessEnd::Applied(_, outcome) = &end else {
                is_unknown = false;
                continue;
            };
            // What the service refuses each time is reported each time; nothing more can be done.
            if !left.is_blocked() && outcome.count(is_refused) > 0 {
                left = Remaining::Blocked(vec![Code::Refused]);
            }
            is_unknown = outcome.count(is_of_unknown_result) > 0;
        }
        // What is unknown after the last apply is not tried again without a person.
        if !left.is_blocked() && is_unknown {
            left = Remaining::Blocked(vec![Code::OutcomeUnknown]);
        }
        left
    }

    /// What a fresh plan on this machine leaves.
    pub(super) async fn remaining(&self, step: &ScenarioStep, machine: usize) -> Remaining {
        self.remaining_beside(step, machine, &BTreeSet::new()).await
    }

    /// The same without the next follow-ups of these deployments: they are due only now.
    pub(super) async fn remaining_beside(
        &self,
        step: &ScenarioStep,
        machine: usize,
        later: &BTreeSet<DeploymentKey>,
    ) -> Remaining {
        let process = self.machine.begin(&[]);
        let ledger = self.ledger(machine, &process);
        match self.plan(step, &self.client(&process), &ledger).await {
            Ok(plan) => Remaining::of(&plan, later),
            Err(error) => Remaining::Unreadable(error),
        }
    }

    /// What a fresh plan leaves after an apply; the apply's own plan tells it where that had no step.
    pub(super) async fn remaining_after(
        &self,
        end: &ProcessEnd,
        step: &ScenarioStep,
        machine: usize,
    ) -> Remaining {
        match end {
            ProcessEnd::Applied(plan, _)
                if Remaining::of(plan, &BTreeSet::new()).is_nothing()
                    && later_follow_ups(plan).is_empty() =>
            {
                Remaining::Blocked(Vec::new())
            }
            _ => self.remaining(step, machine).await,
        }
    }

    fn client(&self, process: &Process) -> Client {
        let settings = api::ClientSettings { seed: self.seed, ..api::ClientSettings::default() };
        unsigned_client_over(CrashingNetwork(process.clone()), self.clock, settings)
    }

    fn artifacts(&self, process: &Process) -> Artifacts {
        if self.store.is_some() {
            return shared_store(process).artifacts(ARTIFACTS);
        }
        Artifacts::in_folder(Arc::new(CrashingDisk(process.clone())), ARTIFACTS.into())
    }

    fn ledger(&self, machine: usize, process: &Process) -> Ledger {
        let journal: Arc<dyn Journal> = if self.store.is_some() {
            shared_store(process).journal(SCOPE)
        } else {
            let disk = Arc::new(CrashingDisk(process.clone()));
            Arc::new(FileJournal::new(disk, ledger_path(machine)))
        };
        Ledger::new(journal, "crash suite".to_owned(), organization())
    }
}

fn shared_store(process: &Process) -> SharedStore {
    SharedStore::over(SCOPE.to_owned(), Arc::new(CrashingStore(process.clone())))
}

/// What is known before the service is observed.
async fn known(
    step: &ScenarioStep,
    client: &Client,
    ledger: &Ledger,
) -> Result<PlanContext, String> {
    let mut context = PlanContext { options: step.options.clone(), ..PlanContext::default() };
    let mut sent = Evidence::default();
    match &step.texts {
        None => {
            context.desired_state = step.desired_state.clone();
            context.evidence = step.evidence.clone();
        }
        Some((text, commits)) => {
            let agents = api::list_agents(client).await.map_err(|error| with_causes(&error))?;
            ledger.add_to(&mut sent).map_err(|error| with_causes(&error))?;
            (context.desired_state, context.evidence) = world::known(text, commits, &agents, &sent);
            context.agents = agents;
        }
    }
    ledger.add_to(&mut context.evidence).map_err(|error| with_causes(&error))?;
    Ok(context)
}

/// Where a machine keeps its ledger.
pub(super) fn ledger_path(machine: usize) -> PathBuf {
    PathBuf::from(format!("ledger-{machine}.jsonl"))
}

/// A task and its deployment.
pub(super) type DeploymentKey = (Key, Option<Key>);

fn deployment_key(step: &Step) -> DeploymentKey {
    (step.key.clone(), step.deployment.clone())
}

/// The deployments that get follow-ups only after a plan was applied, once they are idle.
pub(super) fn later_follow_ups(plan: &Plan) -> BTreeSet<DeploymentKey> {
    let is_later = |step: &&Step| match (&step.change, &step.status) {
        (Change::Deploy { later, .. }, _) | (Change::Prompt { later, .. }, StepStatus::Ready) => {
            !later.is_empty()
        }
        (Change::Prompt { .. }, _) => true,
        _ => false,
    };
    plan.steps.iter().filter(is_later).map(deployment_key).collect()
}

fn is_of_unknown_result(outcome: &StepOutcome) -> bool {
    matches!(outcome, StepOutcome::Unknown(_))
}

fn is_refused(outcome: &StepOutcome) -> bool {
    matches!(outcome, StepOutcome::Failed(finding) if finding.code == Code::Refused)
}
