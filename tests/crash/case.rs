//! One case: a scenario that runs once without faults to be measured, then with faults to be judged.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use qcops::diag::Code;
use qcops::emulator::{Fault, World};
use qcops::event::{Outcome, StepOutcome};
use qcops::model::SplitMix64;
use qcops::plan::Plan;

use super::agents;
use super::fault::{FaultPlan, InjectedFault, Injection, Place, ProcessFaults, Trace, is_read};
use super::judge::{self, Before, BrokenLaw, Judgement, Requirements};
use super::lost_creates::{Hidden, LostCreates, leaves_out};
use super::machine::{Call, MachineImage};
use super::process::{
    DeploymentKey, ProcessEnd, ProcessRunner, REST, Remaining, later_follow_ups, ledger_path,
};
use super::scenario::{Conditions, Scenario, settle_time};
use super::shared_store::{StoreAccess, StoreFault};

/// A scenario up to its last step, which ran once without faults.
pub(super) struct PreparedScenario<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) conditions: &'a Conditions,
    now: Timestamp,
    world: World,
    image: MachineImage,
    trace: Trace,
    /// How the last step ended without faults.
    end: CaseEnd,
    requirements: Requirements,
    /// Whether one apply without faults leaves nothing to do.
    pub(super) comes_to_rest: bool,
    /// What blocks the plan after applies without faults.
    pub(super) blocks: Vec<Code>,
    /// Why no client can know what a create made whose answer was lost, if none can.
    pub(super) hidden: Option<Hidden>,
    /// Whether the list leaves out tasks for good.
    is_hidden_for_good: bool,
    /// The laws that are broken although there was no fault.
    pub(super) broken: Vec<BrokenLaw>,
}

/// How the apply with faults ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CaseEnd {
    /// Everything succeeded.
    Succeeded,
    /// Something was refused or not done, and nothing is unknown.
    Partial,
    /// Something is unknown, and the report says so.
    Unknown,
    /// The service or the machine could not be read, and nothing was begun.
    Failed,
    /// The process ended.
    Interrupted,
}

/// One case, run and judged.
pub(super) struct CaseResult<'a> {
    pub(super) prepared: &'a PreparedScenario<'a>,
    pub(super) faults: FaultPlan,
    pub(super) end: CaseEnd,
    pub(super) lost_creates: LostCreates,
    pub(super) judgement: Judgement,
    /// How many requests there were.
    pub(super) requests: usize,
    /// Every request, a line each; only where a law is broken.
    pub(super) log: Vec<String>,
    /// What each process did, the one without faults at the end.
    pub(super) traces: Vec<Trace>,
}

impl<'a> PreparedScenario<'a> {
    /// Runs everything before the last step, and the last step once.
    pub(super) fn new(scenario: &'a Scenario, conditions: &'a Conditions) -> Self {
        let mut world = scenario.start.clone();
        for quirk in &conditions.quirks {
            world.quirks.set(quirk).expect("conditions name quirks that exist");
        }
        let mut prepared = Self {
            scenario,
            conditions,
            now: scenario.now,
            requirements: Requirements::default(),
            world,
            image: MachineImage::default(),
            trace: Trace::default(),
            end: CaseEnd::Failed,
            comes_to_rest: false,
            blocks: Vec::new(),
            hidden: None,
            is_hidden_for_good: false,
            broken: Vec::new(),
        };
        run(prepared.run_without_faults());
        prepared
    }

    async fn run_without_faults(&mut self) {
        let (last, earlier) = self.scenario.steps.split_last().expect("a scenario has a step");
        for step in earlier {
            let runner = self.runner();
            let fault = InjectedFault::EndedAfter;
            let injection = step.ends_after.map(|at| Injection { fault, at });
            runner.apply(step, 0, injection.as_slice()).await;
            self.world = runner.with_world(World::clone).await;
            self.image = runner.machine.image().without_calls();
            self.now = runner.clock.now() + REST;
        }
        if let Some(store) = &self.conditions.store {
            self.image.add_old_values(store.old_values);
        }
        self.requirements = Requirements::of(last, &self.world);
        let runner = self.runner();
        let (end, trace) = runner.apply(last, 0, &[]).await;
        self.trace = trace;
        self.end = end_of(&end);
        let left = runner.remaining(last, 0).await;
        self.comes_to_rest = left.is_nothing();
        if let (ProcessEnd::Failed(error), true) = (end, self.comes_to_rest) {
            self.broken.push(BrokenLaw::Failed { error });
        }
        match runner.apply_until_rest(left, last).await {
            Remaining::Blocked(codes) => self.blocks = codes,
            remaining => self.broken.push(BrokenLaw::Restless { remaining }),
        }
        // A replaced task exists beside its replacement for a while.
        let tasks = self.world.tasks().count() + self.requirements.tasks();
        self.hidden = Hidden::by(&self.world.quirks, last, tasks, settle_time());
        let longest = |end: &World| end.tasks().map(|task| task.runs.len()).max().unwrap_or(0);
        let deployments = runner.with_world(longest).await;
        self.is_hidden_for_good = leaves_out(&self.world.quirks, tasks.max(deployments));
        let judgement = self.judge(&runner, self.comes_to_rest, settle_time()).await;
        self.broken.extend(runner.machine.take_reported());
        self.broken.extend(judgement.broken);
    }

    fn runner(&self) -> ProcessRunner {
        let (world, image) = (self.world.clone(), self.image.clone());
        ProcessRunner::new(world, image, self.now, self.conditions)
    }

    async fn judge(&self, runner: &ProcessRunner, is_at_rest: bool, settle: Duration) -> Judgement {
        let before = Before {
            scenario: self.scenario,
            world: &self.world,
            requirements: &self.requirements,
        };
        let judge = |end: &World| {
            let judge = |calls: &[Call]| judge::judge(before, end, calls, is_at_rest, settle);
            runner.machine.with_calls(judge)
        };
        runner.with_world(judge).await
    }

    /// Every fault in the last step, once with and once without the ledger afterwards.
    pub(super) fn fault_plans(&self) -> Vec<FaultPlan> {
        if self.conditions.store.is_some() {
            let injections = self.trace.store_injections().into_iter();
            return injections.map(|injection| FaultPlan::once(injection, false)).collect();
        }
        let plans = self.trace.injections().into_iter().flat_map(|injection| {
            [false, true].map(|loses_ledger| FaultPlan::once(injection, loses_ledger))
        });
        // What takes effect late cannot be waited for by a machine that forgets it.
        let is_lost = |plan: &FaultPlan| plan.forgets() && plan.ends_late();
        // Where a list hides resources for good, only what an answer says is known.
        let is_hidden = |plan: &FaultPlan| {
            let hides = |fault: InjectedFault| {
                // What should be gone and is not takes the place of something else on the list.
                let is_mistaken = fault == InjectedFault::Service(Fault::NoEffect);
                let is_unnoted = fault.ends() || fault == InjectedFault::DiskFull;
                fault.is_unknown() || is_unnoted || is_mistaken
            };
            self.is_hidden_for_good && (plan.forgets() || plan.faults().any(hides))
        };
        let is_unproven = |plan: &FaultPlan| self.scenario.needs_ledger && plan.forgets();
        plans.filter(|plan| !is_lost(plan) && !is_hidden(plan) && !is_unproven(plan)).collect()
    }

    /// After this first fault every second one, later in the same apply or in the next apply. The
    /// ledger is kept.
    pub(super) fn pairs(&self, first: Injection) -> Vec<FaultPlan> {
        let results = self.run(vec![FaultPlan::once(first, false)]);
        let traces = &results[0].traces;
        let beside = traces[0].injections().into_iter().filter(|second| {
            let place = |injection: &Injection| (injection.fault.place(), injection.at);
            !first.fault.ends() && place(&first) < place(second)
        });
        let beside =
            beside.map(|second| FaultPlan(vec![ProcessFaults::on(0, vec![first, second])]));
        let after = traces[1].injections().into_iter().map(|second| {
            let faults = [first, second].map(|injection| ProcessFaults::on(0, vec![injection]));
            FaultPlan(faults.to_vec())
        });
        beside.chain(after).collect()
    }

    /// Everything that can go wrong in the last step.
    pub(super) fn injections(&self) -> Vec<Injection> {
        self.trace.injections()
    }

    /// Several applies on one or two machines, with up to three faults in each.
    ///
    /// Machines that take turns do not know what the other created, so no list lies to them.
    pub(super) fn long_fault_plan(&self, number: u64) -> FaultPlan {
        let random = SplitMix64::new(self.conditions.seed ^ (number << 20));
        let below = |limit: usize| {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            usize::try_from(random.next() % limit).unwrap_or(0)
        };
        let machines = 1 + below(2);
        let faults: Vec<InjectedFault> = InjectedFault::of_requests()
            .chain(InjectedFault::OF_FILES)
            .filter(|fault| machines == 1 || !fault.lies())
            .collect();
        let processes = 2 + below(3);
        let process = |_| {
            let machine = below(machines);
            let count = 1 + below(3);
            let injections = (0..count).map(|_| {
                let fault = faults[below(faults.len())];
                let (accesses, requests) = (self.trace.accesses, self.trace.paths.len());
                let is_of_file = fault.place() == Place::File;
                let places = if is_of_file { accesses } else { requests };
                Injection { fault, at: below(places + places / 4 + 1) }
            });
            ProcessFaults::on(machine, injections.collect())
        };
        FaultPlan((0..processes).map(process).collect())
    }

    /// How long until the next apply.
    ///
    /// A machine that forgot what it sent cannot wait for lists that lag; it comes when they have
    /// caught up, which is what the documents ask of several machines.
    fn pause_after(&self, process: &ProcessFaults) -> Duration {
        let lags = self.conditions.quirks.iter().any(|quirk| quirk.contains("-lag-ms="));
        let place = if process.loses_ledger && lags { 2 } else { self.conditions.seed % 3 };
        Duration::from_secs([0, 10, 600][usize::try_from(place).unwrap_or(0)])
    }

    /// Runs the last step with these faults, then once more without, and judges.
    ///
    /// The fault plans differ in nothing but whether the ledger is lost at the end, so that the
    /// processes with faults run once for all of them.
    pub(super) fn run(&self, variants: Vec<FaultPlan>) -> Vec<CaseResult<'_>> {
        let Some(first) = variants.first() else { return Vec::new() };
        let checkpoint = run(self.inject(first));
        variants.into_iter().map(|faults| run(self.converge(&checkpoint, faults))).collect()
    }

    /// Runs the processes with faults.
    async fn inject(&self, faults: &FaultPlan) -> Checkpoint {
        let runner = self.runner();
        let mut found = Findings::default();
        let mut earlier: Option<&ProcessFaults> = None;
        for process in &faults.0 {
            if let Some(earlier) = earlier {
                if let Some(later) = found.claim.take() {
                    let step = self.scenario.last();
                    let remaining = runner.remaining_beside(step, earlier.machine, &later).await;
                    found.expect_nothing(remaining);
                }
                self.rest_after(earlier, &runner).await;
            }
            if process.machine != found.machine {
                // What another machine has sent, or has created unseen, cannot be known on this one.
                tokio::time::sleep(settle_time() * 10).await;
            }
            self.run_process(process, &runner, &mut found).await;
            earlier = Some(process);
        }
        let world = runner.with_world(World::clone).await;
        Checkpoint { world, image: runner.machine.image(), now: runner.clock.now(), found }
    }

    /// Runs one process with faults.
    async fn run_process(
        &self,
        process: &ProcessFaults,
        runner: &ProcessRunner,
        found: &mut Findings,
    ) {
        let begun = runner.machine.call_count();
        let (end, trace) =
            runner.apply(self.scenario.last(), process.machine, &process.injections).await;
        found.machine = process.machine;
        found.traces.push(trace);
        found.broken.extend(runner.machine.take_reported());
        found.is_late |= process.injections.iter().any(|i| i.fault.lateness().is_some());
        found.claim = None;
        found.end = end_of(&end);
        if let ProcessEnd::Applied(plan, outcome) = &end {
            let ledger = runner.ledger_of(process.machine);
            runner.machine.with_calls(|calls| {
                found.lost_creates.add(plan, outcome, &calls[begun..], &ledger);
            });
            found.claim = self.claim(process, plan, outcome, found.is_late);
        }
        let calls = |calls: &[Call]| calls[begun..].iter().any(|call| !is_read(&call.path));
        match end {
            ProcessEnd::Failed(error) if runner.machine.with_calls(calls) => {
                found.broken.push(BrokenLaw::ChangedAndFailed { error });
            }
            _ => found.broken.extend(self.judge_end(process, found.end)),
        }
    }

    /// Judges how an apply ended at which the shared store has failed, and nothing else.
    fn judge_end(&self, process: &ProcessFaults, end: CaseEnd) -> Option<BrokenLaw> {
        let [Injection { fault: InjectedFault::Store(fault), at }] = *process.injections else {
            return None;
        };
        let duration = self.conditions.store?.lease_time;
        let accesses = &self.trace.store_accesses;
        let access = &accesses[at];
        let is_write = |access: &StoreAccess| access.is_of_lease() && access.is_write();
        let taken = accesses.iter().position(is_write);
        let is_of_lease = access.is_of_lease() && access.is_write();
        let is_kept = access.is_of_lease() && taken.is_some_and(|taken| taken < at);
        let is_short = match fault {
            StoreFault::SentTwice => true,
            StoreFault::AnswerLost => is_of_lease,
            StoreFault::Unreachable => is_kept,
            StoreFault::Slow(time) => time < duration / 2,
            _ => false,
        };
        if end == CaseEnd::Unknown && self.end != end {
            Some(BrokenLaw::UnknownByStore)
        } else if is_short && end != self.end {
            Some(BrokenLaw::StoppedInVain { end })
        } else {
            None
        }
    }

    /// Whether an apply reports that everything succeeded, so that nothing is left to do but these
    /// next follow-ups.
    fn claim(
        &self,
        process: &ProcessFaults,
        plan: &Plan,
        outcome: &Outcome,
        is_late: bool,
    ) -> Option<BTreeSet<DeploymentKey>> {
        // A late effect may still undo what was read back, and a plan made from a list that lied is
        // complete only for what the list showed.
        let is_over = !is_late && !process.injections.iter().any(|i| i.fault.lies());
        let is_success = outcome.steps.values().all(|end| matches!(end, StepOutcome::Done(_)));
        let is_complete = plan.ready_steps().next().is_some() && plan.blocks().next().is_none();
        let is_claimed = is_success && is_complete && is_over && self.comes_to_rest;
        is_claimed.then(|| later_follow_ups(plan))
    }

    /// What happens between a process with faults and the next one.
    async fn rest_after(&self, process: &ProcessFaults, runner: &ProcessRunner) {
        if process.loses_ledger {
            runner.machine.lose_file(&ledger_path(process.machine));
        }
        tokio::time::sleep(self.pause_after(process)).await;
    }

    /// Applies without faults, and judges.
    async fn converge(&self, checkpoint: &Checkpoint, faults: FaultPlan) -> CaseResult<'_> {
        let Checkpoint { world, image, now, mut found } = checkpoint.clone();
        let (machine, is_late) = (found.machine, found.is_late);
        let step = self.scenario.last();
        let runner = ProcessRunner::new(world, image, now, self.conditions);
        if let Some(process) = faults.0.last() {
            self.rest_after(process, &runner).await;
        }
        let (next, trace) = runner.apply(step, machine, &[]).await;
        found.traces.push(trace);
        // The plan of this apply tells what the one before it has left; it needs the ledger for that.
        let loses_ledger = faults.0.last().is_some_and(|process| process.loses_ledger);
        if let Some(later) = found.claim.take().filter(|_| !loses_ledger) {
            found.expect_nothing(Remaining::planned_by(&next, &later));
        }
        let mut left = if is_late {
            // Nothing is judged before everything that is late has taken effect.
            tokio::time::sleep(settle_time()).await;
            runner.remaining(step, machine).await
        } else {
            runner.remaining_after(&next, step, machine).await
        };
        // A list that lags is noticed and blocks what it cannot prove, until it has caught up.
        let lags =
            matches!(&left, Remaining::Blocked(codes) if codes.contains(&Code::IncompleteRead));
        if !left.is_nothing() && (lags || is_late) {
            // The fault was not over yet when that apply began.
            tokio::time::sleep(settle_time()).await;
            runner.apply(step, machine, &[]).await;
            left = runner.remaining(step, machine).await;
        }
        let is_at_rest = left.is_nothing();
        let is_ignored = runner.machine.with_calls(|calls| calls.iter().any(agents::is_ignored));
        // What the ledger holds beside its lines may be evidence.
        let is_spoiled = faults.faults().any(InjectedFault::spoils)
            && matches!(&left, Remaining::Blocked(codes) if codes.contains(&Code::LostEvidence));
        let is_told = is_spoiled || is_ignored && matches!(left, Remaining::Blocked(_));
        if !is_at_rest && self.comes_to_rest && !is_told {
            found.broken.push(BrokenLaw::NotConverged { remaining: left });
        }
        let Findings { end, lost_creates, broken, traces, .. } = found;
        // A machine that forgot everything cannot wait for what it has sent.
        let settle = if faults.forgets() { Duration::ZERO } else { settle_time() };
        let mut judgement = self.judge(&runner, is_at_rest, settle).await;
        judgement.broken.extend(runner.machine.take_reported());
        let earlier = broken.into_iter().chain(lost_creates.broken.iter().cloned());
        judgement.broken.splice(0..0, earlier);
        let log = if judgement.broken.is_empty() { Vec::new() } else { log(&runner) };
        let requests = runner.machine.call_count();
        CaseResult { prepared: self, faults, end, lost_creates, judgement, requests, log, traces }
    }
}

/// Everything that is there once the processes with faults have ended.
#[derive(Clone)]
struct Checkpoint {
    world: World,
    image: MachineImage,
    now: Timestamp,
    found: Findings,
}

/// What the processes with faults have shown.
#[derive(Clone)]
struct Findings {
    /// The machine of the last process.
    machine: usize,
    /// Whether a request takes effect late.
    is_late: bool,
    /// How the last process ended.
    end: CaseEnd,
    lost_creates: LostCreates,
    /// That the last process left nothing to do but these next follow-ups, where it reported success.
    claim: Option<BTreeSet<DeploymentKey>>,
    broken: Vec<BrokenLaw>,
    traces: Vec<Trace>,
}

impl Findings {
    /// An apply that reports that everything succeeded leaves nothing to do.
    fn expect_nothing(&mut self, remaining: Remaining) {
        if !remaining.is_nothing() {
            self.broken.push(BrokenLaw::FalseSuccess { remaining });
        }
    }
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            machine: 0,
            is_late: false,
            end: CaseEnd::Interrupted,
            lost_creates: LostCreates::default(),
            claim: None,
            broken: Vec::new(),
            traces: Vec::new(),
        }
    }
}

/// How an apply ended.
fn end_of(end: &ProcessEnd) -> CaseEnd {
    let (plan, outcome) = match end {
        ProcessEnd::Interrupted => return CaseEnd::Interrupted,
        ProcessEnd::Failed(_) => return CaseEnd::Failed,
        ProcessEnd::Applied(plan, outcome) => (plan, outcome),
    };
    let mut end = CaseEnd::Succeeded;
    for step in plan.ready_steps() {
        match outcome.steps.get(&step.id) {
            Some(StepOutcome::Unknown(_)) => return CaseEnd::Unknown,
            Some(StepOutcome::Done(_)) => {}
            _ => end = CaseEnd::Partial,
        }
    }
    end
}

/// Every request, a line each.
fn log(runner: &ProcessRunner) -> Vec<String> {
    let line = |call: &Call| {
        let body = String::from_utf8_lossy(&call.body);
        let fault = call.fault.map(|fault| format!("  << {fault}")).unwrap_or_default();
        let end = if call.is_done { "" } else { "  (not done)" };
        let (process, at, path) = (call.process, call.at.to_string(), &call.path);
        format!("process {process} {at:.19} {path} {body}{end}{fault}")
    };
    runner.machine.with_calls(|calls| calls.iter().map(line).collect())
}

/// Runs one case on its own clock.
fn run<T>(case: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without input and output needs nothing").block_on(case)
}
