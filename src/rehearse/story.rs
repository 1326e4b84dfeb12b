//! A story, told without a cut to be measured and with one to be judged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{self, Client, Credentials, Limits, Paced, Signed};
use crate::apply::{self, Effects, Settings, Stop};
use crate::clock::Clock;
use crate::diag::{Code, with_causes};
use crate::emulator::{self, Emulator, Keeper, World};
use crate::event::{Outcome, StepOutcome};
use crate::evidence::Evidence;
use crate::ledger::Ledger;
use crate::manifest::Wish;
use crate::model::OrganizationId;
use crate::plan::{self, Basis, Change, Elsewhere, Options, Plan};
use crate::rehearse::check::{self, Needs};
use crate::rehearse::cut::{Cut, Strike};
use crate::rehearse::machine::{Disk, Machine, Way};
use crate::rehearse::tally::{Kind, Told};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// A world, and the manifests that are applied to it.
pub struct Story {
    /// What it is about, in a few words.
    pub name: String,
    /// The service before; everything in it is somebody else's.
    pub start: World,
    /// When the first apply begins.
    pub now: Timestamp,
    /// One apply after the other; the last one is cut.
    pub acts: Vec<Act>,
}

/// One apply.
pub struct Act {
    /// What is wanted.
    pub wish: Wish,
    /// What Git says was declared before.
    pub evidence: Evidence,
    /// What was asked for on the command line.
    pub options: Options,
    /// After how many requests the process ends; an act that was cut itself.
    pub ends_after: Option<usize>,
}

/// What decides everything that a story leaves open.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The seed of ids, latencies and pauses.
    pub seed: u64,
    /// Quirks, as in `list-order=shuffled`.
    pub quirks: Vec<String>,
}

/// How long the service has rest between two acts: every run ends, every list catches up.
const REST: SignedDuration = SignedDuration::from_hours(1);

/// More applies than it ever takes to find out that a story does not come to rest.
const MOST_APPLIES: usize = 4;

/// How a process ended.
enum Ended {
    /// From outside.
    Cut,
    /// It could not read the service or its files.
    Error(String),
    /// It planned, and carried the plan out.
    Applied(Box<Plan>, Outcome),
}

/// A story up to its last act, which was told once without a cut.
pub(super) struct Prepared<'a> {
    pub(super) story: &'a Story,
    pub(super) setting: &'a Setting,
    now: Timestamp,
    pub(super) world: World,
    files: BTreeMap<PathBuf, Vec<u8>>,
    paths: Vec<String>,
    accesses: usize,
    pub(super) needs: Needs,
    /// Whether one apply without a cut leaves nothing to do.
    pub(super) comes_to_rest: bool,
    /// What blocks the plan after an apply without a cut.
    pub(super) blocks: Vec<Code>,
    /// What is wrong although nothing was cut.
    pub(super) wrong: Vec<String>,
}

impl<'a> Prepared<'a> {
    /// Tells everything before the last act, and the last act once.
    pub(super) fn new(story: &'a Story, setting: &'a Setting) -> Self {
        let mut world = story.start.clone();
        for quirk in &setting.quirks {
            world.quirks.set(quirk).expect("settings name quirks that exist");
        }
        let mut prepared = Self {
            story,
            setting,
            now: story.now,
            needs: Needs::default(),
            world,
            files: BTreeMap::new(),
            paths: Vec::new(),
            accesses: 0,
            comes_to_rest: false,
            blocks: Vec::new(),
            wrong: Vec::new(),
        };
        run(prepared.tell_without_cut());
        prepared
    }

    async fn tell_without_cut(&mut self) {
        let (last, earlier) = self.story.acts.split_last().expect("a story has an act");
        for act in earlier {
            let stage = Stage::new(self);
            let strike =
                act.ends_after.map(|at| Strike { cut: Cut::EndedAfter, at, loses_ledger: false });
            stage.apply(act, strike).await;
            self.world = stage.world().await;
            self.files = stage.machine.files();
            self.now = stage.clock.now() + REST;
        }
        self.needs = Needs::of(&last.wish, &self.world);
        let stage = Stage::new(self);
        let outcome = stage.apply(last, None).await;
        self.paths = stage.machine.calls().into_iter().map(|call| call.path).collect();
        self.accesses = stage.machine.counts().1;
        self.comes_to_rest = is_idle(&stage.what_is_left(last).await);
        if let (Ended::Error(why), true) = (&outcome, self.comes_to_rest) {
            self.wrong.push(why.clone());
        }
        match stage.apply_until_rest(last).await {
            Ok(codes) => self.blocks = codes,
            Err(left) => self.wrong.push(format!("it never comes to rest: {left}")),
        }
        let end = stage.world().await;
        let settle = Settings::default().settle_delays.iter().sum();
        let judged =
            check::judge(self, &end, &stage.machine.calls(), self.comes_to_rest, settle, None);
        self.wrong.extend(judged.wrong);
    }

    /// Every cut of the last act.
    pub(super) fn strikes(&self) -> Vec<Strike> {
        let requests = self.paths.iter().enumerate().flat_map(|(at, path)| {
            let cuts = Cut::of_requests().filter(|cut| cut.strikes(path));
            cuts.map(move |cut| (cut, at))
        });
        let files = (0..self.accesses).flat_map(|at| Cut::OF_FILES.map(|cut| (cut, at)));
        let strikes = requests.chain(files).flat_map(|(cut, at)| {
            [false, true].map(|loses_ledger| Strike { cut, at, loses_ledger })
        });
        // What takes effect behind the back of a machine that forgets it cannot be waited for.
        strikes
            .filter(|strike| !(strike.loses_ledger && matches!(strike.cut, Cut::EndedLate(_))))
            .collect()
    }

    /// How long until the next apply.
    ///
    /// A machine that forgot what it sent cannot wait for lists that lag; it comes when they have
    /// caught up, which is what the documents ask of several machines.
    fn gap(&self, strike: Strike) -> Duration {
        let lags = self.setting.quirks.iter().any(|quirk| quirk.contains("-lag-ms="));
        let place = if strike.loses_ledger && lags { 2 } else { self.setting.seed % 3 };
        Duration::from_secs([0, 10, 600][usize::try_from(place).unwrap_or(0)])
    }

    /// Tells the last act with a cut, then once more without, and judges.
    pub(super) fn tell(&self, strike: Strike) -> Told<'_> {
        run(self.tell_cut(strike))
    }

    async fn tell_cut(&self, strike: Strike) -> Told<'_> {
        let act = self.story.acts.last().expect("a story has an act");
        let stage = Stage::new(self);
        let settle: Duration = Settings::default().settle_delays.iter().sum();
        let ended = stage.apply(act, Some(strike)).await;
        let mut wrong = Vec::new();
        let kind = match &ended {
            Ended::Cut => Kind::Ended,
            Ended::Error(_) => Kind::Refused,
            Ended::Applied(plan, outcome) => {
                // A late effect may still undo what was read back, and a plan made from a list that
                // lied is whole only for what it showed.
                let is_over = strike.cut.lateness().is_none() && !strike.cut.lies();
                let claims =
                    outcome.steps.values().all(|ended| matches!(ended, StepOutcome::Done(_)));
                let is_whole = plan.open_steps().next().is_some() && plan.blocks().next().is_none();
                if claims && is_whole && is_over && self.comes_to_rest {
                    match stage.what_is_left(act).await {
                        Ok(left) if left.is_empty() => {}
                        left => {
                            wrong.push(format!("it said that all is done, and {left:?} is left"));
                        }
                    }
                }
                kind_of(plan, outcome)
            }
        };
        let is_unclear_create = stage.machine.calls().iter().any(|call| {
            call.cut.is_some_and(Cut::is_unclear) && call.path == "/agents/tasks/create"
        });
        if strike.loses_ledger {
            stage.machine.lose_files();
        }
        tokio::time::sleep(self.gap(strike)).await;
        stage.apply(act, None).await;
        let mut left = stage.what_is_left(act).await;
        // A list that lags is seen through and blocks what it cannot prove, until it has caught up.
        let lags = matches!(&left, Ok(codes) if codes.contains(&Code::IncompleteRead));
        if !is_idle(&left) && (lags || strike.cut.lateness().is_some()) {
            // The fault was not over yet when the second apply began.
            tokio::time::sleep(settle).await;
            stage.apply(act, None).await;
            left = stage.what_is_left(act).await;
        }
        let is_at_rest = is_idle(&left);
        if !is_at_rest && self.comes_to_rest {
            wrong.push(format!("the second apply leaves something: {left:?}"));
        }
        let end = stage.world().await;
        let calls = stage.machine.calls();
        let mut verdict = check::judge(self, &end, &calls, is_at_rest, settle, Some(strike));
        verdict.wrong.splice(0..0, wrong);
        Told { unit: self, strike, kind, is_unclear_create, verdict, calls }
    }
}

/// How the apply that was cut ended.
fn kind_of(plan: &Plan, outcome: &Outcome) -> Kind {
    let is_create =
        |step: &plan::Step| matches!(step.change, Change::Create { .. } | Change::Replace { .. });
    let mut kind = Kind::Settled;
    for step in plan.open_steps() {
        match outcome.steps.get(&step.id) {
            Some(StepOutcome::Unclear(_)) if is_create(step) => return Kind::Unclear,
            Some(StepOutcome::Unclear(_)) => kind = Kind::Unclear,
            Some(StepOutcome::Done(_)) => {}
            _ if kind == Kind::Settled => kind = Kind::Partial,
            _ => {}
        }
    }
    kind
}

fn is_idle(left: &Result<Vec<Code>, String>) -> bool {
    left.as_ref().is_ok_and(Vec::is_empty)
}

fn is_refused(ended: &StepOutcome) -> bool {
    matches!(ended, StepOutcome::Failed(finding) if finding.code == Code::Refused)
}

/// Tells one story on a clock of its own.
fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without input and output needs nothing").block_on(story)
}

/// A service and a machine beside it.
struct Stage {
    machine: Arc<Machine>,
    clock: Clock,
    seed: u64,
}

impl Stage {
    fn new(prepared: &Prepared<'_>) -> Self {
        let clock = Clock::starting_at(prepared.now);
        let emulator = Emulator::new(prepared.world.clone(), clock, Keeper::Memory);
        let seed = prepared.setting.seed;
        let machine = Machine::new(emulator, clock, prepared.files.clone(), seed);
        Self { machine, clock, seed }
    }

    /// The service's side, now.
    async fn world(&self) -> World {
        self.machine.emulator.with_world(|world| world.clone()).await.expect("it is kept in memory")
    }

    /// One process: it waits where it has to, plans and applies.
    async fn apply(&self, act: &Act, strike: Option<Strike>) -> Ended {
        self.machine.begin(strike);
        let ended = tokio::select! {
            biased;
            () = self.machine.ended() => Ended::Cut,
            ended = self.process(act) => ended,
        };
        if self.machine.is_ended() { Ended::Cut } else { ended }
    }

    async fn process(&self, act: &Act) -> Ended {
        let (client, ledger, stop) = (self.client(), self.ledger(), Stop::default());
        let settings = Settings::default();
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
        let (wish, options) = (act.wish.clone(), act.options.clone());
        let basis = Basis { wish, evidence, elsewhere: Elsewhere::default(), options };
        let wanted = |snapshot: &Snapshot| plan::wanted(&basis.with(snapshot));
        let snapshot = api::observe(client, self.clock, wanted).await;
        let snapshot = snapshot.map_err(|trouble| with_causes(&trouble))?;
        Ok(plan::plan(&basis.with(&snapshot)))
    }

    /// Applies until a plan has nothing to do, as often as a person would, an hour apart.
    async fn apply_until_rest(&self, act: &Act) -> Result<Vec<Code>, String> {
        let mut left = self.what_is_left(act).await;
        for _ in 1..MOST_APPLIES {
            if left.is_ok() {
                break;
            }
            tokio::time::sleep(REST.unsigned_abs()).await;
            let ended = self.apply(act, None).await;
            left = self.what_is_left(act).await;
            // What the service refuses each time is named each time; more is not to be had.
            if left.is_err()
                && let Ended::Applied(_, outcome) = &ended
                && outcome.count(is_refused) > 0
            {
                left = Ok(vec![Code::Refused]);
            }
        }
        left
    }

    /// What blocks a fresh plan; steps that could go on are an error that names them.
    async fn what_is_left(&self, act: &Act) -> Result<Vec<Code>, String> {
        self.machine.begin(None);
        let plan = self.plan(act, &self.client(), &self.ledger()).await?;
        let open: Vec<String> = plan
            .open_steps()
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

    fn ledger(&self) -> Ledger {
        let files = Arc::new(Disk(Arc::clone(&self.machine)));
        Ledger::new(files, "ledger.jsonl".into(), "rehearsal".to_owned(), organization())
    }
}

fn organization() -> OrganizationId {
    OrganizationId(emulator::ORGANIZATION_ID.to_owned())
}
