//! One service, the machine beside it, and the processes that run there one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::api::{self, Client, Credentials, Limits, Paced, Signed};
use crate::apply::{self, Artifacts, Effects, Settings, Stop};
use crate::clock::Clock;
use crate::diag::{Code, with_causes};
use crate::emulator::{self, Emulator, Storage, World};
use crate::event::{Outcome, StepOutcome};
use crate::ledger::Ledger;
use crate::model::{Key, OrganizationId};
use crate::observed::ObservedState;
use crate::plan::{self, Change, OtherManifests, Plan, PlanContext, Step, StepStatus};
use crate::rehearse::cut::Strike;
use crate::rehearse::machine::{Disk, Machine, Way};
use crate::rehearse::story::{Act, MOST_APPLIES, Prepared, REST};
use crate::rehearse::tally::Track;
use crate::secret::Secret;

/// Where conversations are saved before they are deleted.
pub(super) const ARTIFACTS: &str = "artifacts";

/// How a process ended.
pub(super) enum Ended {
    /// From outside.
    Cut,
    /// It could not read the service or its files.
    Error(String),
    /// It planned, and carried the plan out.
    Applied(Box<Plan>, Outcome),
}

/// A service and machines beside it, one process at a time.
pub(super) struct Stage {
    pub(super) machine: Arc<Machine>,
    pub(super) clock: Clock,
    seed: u64,
}

impl Stage {
    pub(super) fn new(prepared: &Prepared<'_>) -> Self {
        let clock = Clock::starting_at(prepared.now);
        let emulator = Emulator::new(prepared.world.clone(), clock, Storage::Memory);
        let seed = prepared.setting.seed;
        let machine = Machine::new(emulator, clock, prepared.files.clone(), seed);
        Self { machine, clock, seed }
    }

    /// The service's side, now.
    pub(super) async fn world(&self) -> World {
        self.machine.emulator.with_world(|world| world.clone()).await.expect("it is kept in memory")
    }

    /// What the process did that has just ended; it began after that many requests.
    pub(super) fn track(&self, begun: usize) -> Track {
        let calls = self.machine.calls();
        let paths = calls[begun..].iter().map(|call| call.path.clone()).collect();
        Track { paths, accesses: self.machine.accesses() }
    }

    /// One process: it waits where it has to, plans and carries the plan out.
    pub(super) async fn apply(&self, act: &Act, number: usize, strikes: &[Strike]) -> Ended {
        self.machine.begin(strikes);
        let ended = tokio::select! {
            biased;
            () = self.machine.ended() => Ended::Cut,
            ended = self.process(act, number) => ended,
        };
        if self.machine.is_ended() { Ended::Cut } else { ended }
    }

    async fn process(&self, act: &Act, number: usize) -> Ended {
        let (client, ledger, stop) = (self.client(), self.ledger(number), Stop::default());
        let artifacts = Artifacts { files: self.disk(), folder: ARTIFACTS.into() };
        let settings = Settings { artifacts: Some(artifacts), ..Settings::default() };
        let waited =
            apply::wait_for_a_killed_apply(&ledger, self.clock, &settings, &stop, &|_| ()).await;
        if let Err(error) = waited {
            return Ended::Error(with_causes(&error));
        }
        let plan = match self.plan(act, &client, &ledger).await {
            Ok(plan) => plan,
            Err(why) => return Ended::Error(why),
        };
        let effects = Effects {
            client: &client,
            ledger: &ledger,
            clock: self.clock,
            stop: &stop,
            on_event: &|_| (),
        };
        let outcome = apply::apply(&plan, &effects, &settings).await;
        Ended::Applied(Box::new(plan), outcome)
    }

    async fn plan(&self, act: &Act, client: &Client, ledger: &Ledger) -> Result<Plan, String> {
        let mut evidence = act.evidence.clone();
        ledger.add_to(&mut evidence).map_err(|error| with_causes(&error))?;
        let (desired_state, options) = (act.desired_state.clone(), act.options.clone());
        let plan_context = PlanContext {
            desired_state,
            evidence,
            other_manifests: OtherManifests::default(),
            options,
            agents: BTreeMap::new(),
        };
        let desired = |state: &ObservedState| match act.destroys {
            None => plan::desired(&plan_context.with(state)),
            Some(scope) => plan::destroy_reads(&plan_context.with(state), scope),
        };
        let state = api::observe(client, self.clock, desired).await;
        let state = state.map_err(|error| with_causes(&error))?;
        Ok(match act.destroys {
            None => plan::plan(&plan_context.with(&state)),
            Some(scope) => plan::destroy(&plan_context.with(&state), scope),
        })
    }

    /// Applies until a plan has nothing to do, as often as a person would, an hour apart.
    pub(super) async fn apply_until_rest(&self, act: &Act) -> Result<Vec<Code>, String> {
        let mut left = self.what_is_left(act, 0).await;
        let mut is_unclear = false;
        for _ in 1..MOST_APPLIES {
            if left.is_ok() {
                break;
            }
            tokio::time::sleep(REST.unsigned_abs()).await;
            let ended = self.apply(act, 0, &[]).await;
            left = self.what_is_left(act, 0).await;
            // What the service refuses each time is named each time; more is not to be had.
            if left.is_err()
                && let Ended::Applied(_, outcome) = &ended
                && outcome.count(is_refused) > 0
            {
                left = Ok(vec![Code::Refused]);
            }
            is_unclear =
                matches!(&ended, Ended::Applied(_, outcome) if outcome.count(is_unknown) > 0);
        }
        // What nobody knows after the last try is not tried again without a person.
        if left.is_err() && is_unclear {
            left = Ok(vec![Code::OutcomeUnknown]);
        }
        left
    }

    /// What blocks a fresh plan; steps that could go on are an error that names them.
    pub(super) async fn what_is_left(&self, act: &Act, number: usize) -> Result<Vec<Code>, String> {
        self.what_is_left_beside(act, number, &BTreeSet::new()).await
    }

    /// The same, but for the next follow-ups of these runs: their time has come meanwhile.
    pub(super) async fn what_is_left_beside(
        &self,
        act: &Act,
        number: usize,
        later: &BTreeSet<RunKey>,
    ) -> Result<Vec<Code>, String> {
        self.machine.begin(&[]);
        let plan = self.plan(act, &self.client(), &self.ledger(number)).await?;
        let is_later = |step: &&Step| {
            matches!(step.change, Change::Prompt { .. }) && later.contains(&run_key(step))
        };
        let open: Vec<String> = plan
            .ready_steps()
            .filter(|step| !is_later(step))
            .map(|step| format!("{} {}", step.change.action(), step.key))
            .collect();
        if open.is_empty() {
            let mut codes: Vec<Code> = plan.blocks().map(|finding| finding.code).collect();
            codes.sort_unstable();
            codes.dedup();
            Ok(codes)
        } else {
            Err(open.join(", "))
        }
    }

    fn client(&self) -> Client {
        let token = Secret::new(emulator::API_TOKEN.to_owned());
        let credentials = Credentials { user_id: emulator::USER_ID, token };
        let signed = Signed::new(Way(Arc::clone(&self.machine)), credentials, self.clock);
        let limits = Limits { in_flight: 8, rate: 0.0 };
        let paced = Paced::new(signed, limits, self.clock, Arc::new(|_| ()));
        let settings = api::Settings { seed: self.seed, ..api::Settings::default() };
        Client::new(Arc::new(paced), organization(), self.clock, settings)
    }

    fn ledger(&self, number: usize) -> Ledger {
        let target = "rehearsal".to_owned();
        Ledger::new(self.disk(), ledger_path(number), target, organization())
    }

    fn disk(&self) -> Arc<Disk> {
        Arc::new(Disk(Arc::clone(&self.machine)))
    }
}

/// Where a machine keeps its ledger.
pub(super) fn ledger_path(number: usize) -> PathBuf {
    PathBuf::from(format!("ledger-{number}.jsonl"))
}

/// A task and its deployment.
pub(super) type RunKey = (Key, Option<Key>);

fn run_key(step: &Step) -> RunKey {
    (step.key.clone(), step.deployment.clone())
}

/// The runs that get follow-ups only after a plan was carried out, once they are idle.
pub(super) fn later_follow_ups(plan: &Plan) -> BTreeSet<RunKey> {
    let is_later = |step: &&Step| match (&step.change, &step.status) {
        (Change::Deploy { later, .. }, _) | (Change::Prompt { later, .. }, StepStatus::Ready) => {
            *later > 0
        }
        (Change::Prompt { .. }, _) => true,
        _ => false,
    };
    plan.steps.iter().filter(is_later).map(run_key).collect()
}

/// Whether a plan has nothing to do and nothing that blocks it.
pub(super) fn is_idle(left: &Result<Vec<Code>, String>) -> bool {
    left.as_ref().is_ok_and(Vec::is_empty)
}

fn is_unknown(ended: &StepOutcome) -> bool {
    matches!(ended, StepOutcome::Unknown(_))
}

fn is_refused(ended: &StepOutcome) -> bool {
    matches!(ended, StepOutcome::Failed(finding) if finding.code == Code::Refused)
}

fn organization() -> OrganizationId {
    OrganizationId(emulator::ORGANIZATION_ID.to_owned())
}
