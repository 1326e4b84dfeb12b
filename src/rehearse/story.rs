//! A story, told without a cut to be measured and with one to be judged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::apply::Settings;
use crate::diag::Code;
use crate::emulator::World;
use crate::event::{Outcome, StepOutcome};
use crate::evidence::Evidence;
use crate::manifest::DesiredState;
use crate::plan::{Options, Plan, Scope};
use crate::rehearse::check::{self, Needs};
use crate::rehearse::cut::{Course, Cut, Round, Strike};
use crate::rehearse::fate::{self, Fates};
use crate::rehearse::machine::Random;
use crate::rehearse::stage::{Ended, Stage, is_idle, later_follow_ups, ledger_path};
use crate::rehearse::tally::{Kind, Told, Track, log};

/// A world, and the manifests that are applied to it.
#[derive(Clone)]
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
#[derive(Clone)]
pub struct Act {
    /// What is wanted.
    pub desired_state: DesiredState,
    /// What Git says was declared before.
    pub evidence: Evidence,
    /// What was asked for on the command line.
    pub options: Options,
    /// What is destroyed; nothing where it is an apply.
    pub destroys: Option<Scope>,
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
pub(super) const REST: SignedDuration = SignedDuration::from_hours(1);

/// More applies than it ever takes to find out that a story does not come to rest.
pub(super) const MOST_APPLIES: usize = 4;

/// A story up to its last act, which was told once without a cut.
pub(super) struct Prepared<'a> {
    pub(super) story: &'a Story,
    pub(super) setting: &'a Setting,
    pub(super) now: Timestamp,
    pub(super) world: World,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    track: Track,
    pub(super) needs: Needs,
    /// Whether one apply without a cut leaves nothing to do.
    pub(super) comes_to_rest: bool,
    /// What blocks the plan after an apply without a cut.
    pub(super) blocks: Vec<Code>,
    /// Why no client can know what an unclear create has made, if none can.
    pub(super) hidden_by: Option<&'static str>,
    /// Whether the list leaves out tasks for good.
    is_hidden_for_good: bool,
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
            track: Track { paths: Vec::new(), accesses: 0 },
            comes_to_rest: false,
            blocks: Vec::new(),
            hidden_by: None,
            is_hidden_for_good: false,
            wrong: Vec::new(),
        };
        run(prepared.tell_without_cut());
        prepared
    }

    async fn tell_without_cut(&mut self) {
        let (last, earlier) = self.story.acts.split_last().expect("a story has an act");
        for act in earlier {
            let stage = Stage::new(self);
            let strike = act.ends_after.map(|at| Strike { cut: Cut::EndedAfter, at });
            stage.apply(act, 0, strike.as_slice()).await;
            self.world = stage.world().await;
            self.files = stage.machine.files();
            self.now = stage.clock.now() + REST;
        }
        self.needs = Needs::of(last, &self.world);
        let stage = Stage::new(self);
        let outcome = stage.apply(last, 0, &[]).await;
        self.track = stage.track(0);
        self.comes_to_rest = is_idle(&stage.what_is_left(last, 0).await);
        if let (Ended::Error(why), true) = (&outcome, self.comes_to_rest) {
            self.wrong.push(why.clone());
        }
        match stage.apply_until_rest(last).await {
            Ok(codes) => self.blocks = codes,
            Err(left) => self.wrong.push(format!("it never comes to rest: {left}")),
        }
        let end = stage.world().await;
        // What is replaced is there beside its replacement for a while.
        let tasks = self.world.tasks().count() + self.needs.tasks();
        self.hidden_by = fate::hidden_by(&self.world.quirks, last, tasks, settle_time());
        let runs = end.tasks().map(|task| task.runs.len()).max().unwrap_or(0);
        self.is_hidden_for_good = fate::leaves_out(&self.world.quirks, tasks.max(runs));
        let calls = stage.machine.calls();
        let judged = check::judge(self, &end, &calls, self.comes_to_rest, settle_time());
        self.wrong.extend(judged.wrong);
    }

    /// Every cut of the last act, once with and once without the ledger afterwards.
    pub(super) fn courses(&self) -> Vec<Course> {
        let strikes = self.track.strikes().into_iter().flat_map(|strike| {
            [false, true].map(|loses_ledger| Course::once(strike, loses_ledger))
        });
        // What takes effect behind the back of a machine that forgets it cannot be waited for.
        let is_lost = |course: &Course| course.forgets() && course.ends_late();
        // Where a list hides things for good, only what an answer has told is known.
        let is_hidden = |course: &Course| {
            let is_untold = |cut: Cut| cut.is_unclear() || cut.ends() || cut == Cut::DiskFull;
            self.is_hidden_for_good && (course.forgets() || course.cuts().any(is_untold))
        };
        strikes.filter(|course| !is_lost(course) && !is_hidden(course)).collect()
    }

    /// Every cut of the last act, and after each of them every second one: later in the same apply,
    /// or in the one that comes to make it good. The ledger is kept.
    pub(super) fn pairs(&self, first: Strike) -> Vec<Course> {
        let told = self.tell(Course::once(first, false));
        let beside = told.tracks[0].strikes().into_iter().filter(|second| {
            let is_request = |strike: &Strike| !Cut::OF_FILES.contains(&strike.cut);
            !first.cut.ends() && (is_request(&first), first.at) < (is_request(second), second.at)
        });
        let beside = beside.map(|second| Course(vec![Round::on(0, vec![first, second])]));
        let after = told.tracks[1].strikes().into_iter();
        let after =
            after.map(|second| Course(vec![Round::on(0, vec![first]), Round::on(0, vec![second])]));
        beside.chain(after).collect()
    }

    /// Whether the last act destroys something.
    pub(super) fn destroys(&self) -> bool {
        self.story.acts.last().is_some_and(|act| act.destroys.is_some())
    }

    /// Whether the last act destroys what is archived.
    pub(super) fn destroys_archived(&self) -> bool {
        let scope = self.story.acts.last().and_then(|act| act.destroys);
        matches!(scope, Some(Scope::Archived { .. }))
    }

    /// Whether a task was there before the story began.
    pub(super) fn is_foreign(&self, id: u64) -> bool {
        self.story.start.tasks().any(|task| task.id == id)
    }

    /// Everything that can go wrong in the last act.
    pub(super) fn strikes(&self) -> Vec<Strike> {
        self.track.strikes()
    }

    /// Several applies on one or two machines, with up to three things wrong in each.
    ///
    /// Machines that take turns do not know what the other made, so no list lies to them.
    pub(super) fn long_course(&self, number: u64) -> Course {
        let mut random = Random(self.setting.seed ^ (number << 20));
        let machines = 1 + random.below(2);
        let cuts: Vec<Cut> = Cut::of_requests()
            .chain(Cut::OF_FILES)
            .filter(|cut| machines == 1 || !cut.lies())
            .collect();
        let rounds = 2 + random.below(3);
        let round = |_| {
            let machine = random.below(machines);
            let count = 1 + random.below(3);
            let strikes = (0..count).map(|_| {
                let cut = cuts[random.below(cuts.len())];
                let is_of_files = Cut::OF_FILES.contains(&cut);
                let places = if is_of_files { self.track.accesses } else { self.track.paths.len() };
                Strike { cut, at: random.below(places + places / 4 + 1) }
            });
            Round::on(machine, strikes.collect())
        };
        Course((0..rounds).map(round).collect())
    }

    /// How long until the next apply.
    ///
    /// A machine that forgot what it sent cannot wait for lists that lag; it comes when they have
    /// caught up, which is what the documents ask of several machines.
    fn gap(&self, round: &Round) -> Duration {
        let lags = self.setting.quirks.iter().any(|quirk| quirk.contains("-lag-ms="));
        let place = if round.loses_ledger && lags { 2 } else { self.setting.seed % 3 };
        Duration::from_secs([0, 10, 600][usize::try_from(place).unwrap_or(0)])
    }

    /// Tells the last act as the course wants it, then once more without faults, and judges.
    pub(super) fn tell(&self, course: Course) -> Told<'_> {
        run(self.tell_course(course))
    }

    async fn tell_course(&self, course: Course) -> Told<'_> {
        let act = self.story.acts.last().expect("a story has an act");
        let stage = Stage::new(self);
        let (mut wrong, mut fates, mut kind) = (Vec::new(), Fates::default(), Kind::Ended);
        let (mut is_late, mut last, mut tracks) = (false, 0, Vec::new());
        for round in &course.0 {
            if round.machine != last {
                // What another machine has sent, or has made unseen, cannot be known on this one.
                tokio::time::sleep(settle_time() * 10).await;
            }
            let begun = stage.machine.call_count();
            let ended = stage.apply(act, round.machine, &round.strikes).await;
            tracks.push(stage.track(begun));
            is_late |= round.strikes.iter().any(|strike| strike.cut.lateness().is_some());
            kind = match &ended {
                Ended::Cut => Kind::Ended,
                Ended::Error(_) => Kind::Refused,
                Ended::Applied(plan, outcome) => {
                    // A late effect may still undo what was read back, and a plan made from a list
                    // that lied is whole only for what it showed.
                    let is_over = !is_late && !round.strikes.iter().any(|s| s.cut.lies());
                    let matches =
                        outcome.steps.values().all(|ended| matches!(ended, StepOutcome::Done(_)));
                    let is_whole =
                        plan.ready_steps().next().is_some() && plan.blocks().next().is_none();
                    let calls = stage.machine.calls();
                    let files = stage.machine.files();
                    let ledger = files.get(&ledger_path(round.machine)).map(Vec::as_slice);
                    fates.add(plan, outcome, &calls[begun..], ledger.unwrap_or_default());
                    if matches && is_whole && is_over && self.comes_to_rest {
                        let later = later_follow_ups(plan);
                        let left = stage.what_is_left_beside(act, round.machine, &later).await;
                        if !is_idle(&left) {
                            let left = in_words(&left);
                            wrong.push(format!(
                                "it said that all is done, and this is left: {left}"
                            ));
                        }
                    }
                    kind_of(plan, outcome)
                }
            };
            if round.loses_ledger {
                stage.machine.lose_file(&ledger_path(round.machine));
            }
            last = round.machine;
            tokio::time::sleep(self.gap(round)).await;
        }
        let begun = stage.machine.call_count();
        stage.apply(act, last, &[]).await;
        tracks.push(stage.track(begun));
        let mut left = stage.what_is_left(act, last).await;
        if is_late {
            // Nothing is judged before everything that is late is there.
            tokio::time::sleep(settle_time()).await;
            left = stage.what_is_left(act, last).await;
        }
        // A list that lags is seen through and blocks what it cannot prove, until it has caught up.
        let lags = matches!(&left, Ok(codes) if codes.contains(&Code::IncompleteRead));
        if !is_idle(&left) && (lags || is_late) {
            // The fault was not over yet when that apply began.
            tokio::time::sleep(settle_time()).await;
            stage.apply(act, last, &[]).await;
            left = stage.what_is_left(act, last).await;
        }
        let is_at_rest = is_idle(&left);
        if !is_at_rest && self.comes_to_rest {
            wrong.push(format!("the second apply leaves something: {}", in_words(&left)));
        }
        let end = stage.world().await;
        let calls = stage.machine.calls();
        // A machine that forgot everything cannot wait for what it has sent.
        let settle = if course.forgets() { Duration::ZERO } else { settle_time() };
        let mut verdict = check::judge(self, &end, &calls, is_at_rest, settle);
        wrong.append(&mut fates.wrong);
        verdict.wrong.splice(0..0, wrong);
        let log = if verdict.wrong.is_empty() { Vec::new() } else { log(&calls) };
        Told { unit: self, course, kind, fates, verdict, requests: calls.len(), log, tracks }
    }
}

/// What is left after an apply: steps that could go on, or the codes of what blocks.
fn in_words(left: &Result<Vec<Code>, String>) -> String {
    match left {
        Ok(codes) => codes.iter().map(Code::to_string).collect::<Vec<_>>().join(", "),
        Err(steps) => steps.clone(),
    }
}

/// How long what was sent may still take effect.
fn settle_time() -> Duration {
    Settings::default().settle_delays.iter().sum()
}

/// How the apply that was cut ended.
fn kind_of(plan: &Plan, outcome: &Outcome) -> Kind {
    let mut kind = Kind::Settled;
    for step in plan.ready_steps() {
        match outcome.steps.get(&step.id) {
            Some(StepOutcome::Unknown(_)) => return Kind::Unknown,
            Some(StepOutcome::Done(_)) => {}
            _ => kind = Kind::Partial,
        }
    }
    kind
}

/// Tells one story on a clock of its own.
fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without input and output needs nothing").block_on(story)
}
