//! What is measured of this program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bucket::{Bucket, STORE};
use crate::generate::{ORGANIZATION_ID, Prompts, Shape, listed, listed_with_run, manifest_with};
use crate::measure::{self, Run};
use crate::report::Row;
use crate::repository;
use crate::stub::{Asked, Behavior, Stub};

/// The latency of calls, where there is one.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// How many calls are in flight.
pub(crate) const IN_FLIGHT: usize = 16;

/// One measured command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    what: Command,
    shape: Shape,
    prompts: Prompts,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Command {
    /// `--version`.
    Version,
    /// `validate`.
    Validate,
    /// `plan` against an empty service.
    PlanEmpty,
    /// The same, as Markdown.
    PlanMarkdown,
    /// `plan` of an unchanged world; the manifest is committed.
    PlanNothing,
    /// `plan` of an unchanged world outside of Git.
    PlanNothingAlone,
    /// `plan` where one task in a hundred has another prompt, in the second commit.
    PlanPercent,
    /// `plan` of an unchanged world, where so many tasks have a declared deployment that has ended and is
    /// kept from an earlier plan.
    PlanRecalled(usize),
    /// `plan` of an unchanged world after an `apply` of everything with a bucket at [`LATENCY`].
    PlanShared,
    /// `apply` of everything, at [`LATENCY`].
    Apply,
    /// The same with the ledger in a bucket, at [`LATENCY`] too.
    ApplyShared,
    /// `apply` of everything at a service that takes so many requests a second, which is known.
    ApplyLimited(f64),
    /// The same where the program is allowed twice as many.
    ApplyGuessing(f64),
    /// `plan` of an unchanged world after so many commits, each with so many new prompts.
    History(usize, usize),
}

/// Every scenario.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    let small = |tasks| Shape { tasks, prompt: 500 };
    let large = |tasks| Shape { tasks, prompt: 5000 };
    let mut add = |what, shape: Shape, prompts| all.push(Scenario { what, shape, prompts });
    add(Command::Version, small(0), Prompts::Inline);
    let sizes = [20, 100, 1000, 10_000];
    let everywhere = [
        Command::Validate,
        Command::PlanEmpty,
        Command::PlanNothing,
        Command::PlanNothingAlone,
        Command::PlanPercent,
    ];
    for what in everywhere {
        for tasks in sizes {
            add(what, small(tasks), Prompts::Inline);
        }
    }
    for what in [Command::PlanEmpty, Command::PlanNothing, Command::PlanPercent] {
        add(what, large(1000), Prompts::Inline);
        add(what, large(10_000), Prompts::Files);
    }
    add(Command::PlanMarkdown, small(10_000), Prompts::Inline);
    add(Command::PlanRecalled(5000), small(10_000), Prompts::Inline);
    add(Command::PlanShared, small(5000), Prompts::Inline);
    for tasks in sizes {
        add(Command::Apply, small(tasks), Prompts::Inline);
    }
    add(Command::Apply, large(1000), Prompts::Inline);
    add(Command::ApplyShared, small(1000), Prompts::Inline);
    add(Command::ApplyLimited(100.0), small(1000), Prompts::Inline);
    add(Command::ApplyGuessing(100.0), small(1000), Prompts::Inline);
    add(Command::History(200, 1), small(1000), Prompts::Files);
    add(Command::History(200, 200), small(1000), Prompts::Files);
    all
}

impl Scenario {
    /// Its name, as the command line takes it.
    pub(crate) fn name(&self) -> String {
        let what = match self.what {
            Command::Version => return "version".to_owned(),
            Command::Validate => "validate",
            Command::PlanEmpty => "plan-empty",
            Command::PlanMarkdown => "plan-markdown",
            Command::PlanNothing => "plan-nothing",
            Command::PlanNothingAlone => "plan-nothing-alone",
            Command::PlanPercent => "plan-percent",
            Command::PlanRecalled(_) => "plan-recalled",
            Command::PlanShared => "plan-shared",
            Command::Apply => "apply",
            Command::ApplyShared => "apply-shared",
            Command::ApplyLimited(_) => "apply-limited",
            Command::ApplyGuessing(_) => "apply-guessing",
            Command::History(_, 1) => "history-one",
            Command::History(..) => "history-many",
        };
        let prompt = if self.shape.prompt > 1000 { "-5k" } else { "" };
        format!("{what}-{}{prompt}", self.shape.tasks)
    }

    /// What it is, for a reader.
    fn words(&self) -> String {
        let prompt = if self.shape.prompt > 1000 { ", prompts of 5 KB" } else { "" };
        let files = if self.prompts == Prompts::Files { " in files" } else { "" };
        let words = match self.what {
            Command::Version => return "`--version`".to_owned(),
            Command::Validate => "`validate`".to_owned(),
            Command::PlanEmpty => "`plan`, nothing there yet".to_owned(),
            Command::PlanMarkdown => "`plan --format markdown`, nothing there yet".to_owned(),
            Command::PlanNothing => "`plan`, nothing to do".to_owned(),
            Command::PlanNothingAlone => "`plan`, nothing to do, outside of Git".to_owned(),
            Command::PlanPercent => "`plan`, 1 % changed".to_owned(),
            Command::PlanRecalled(runs) => {
                format!("`plan`, nothing to do, {runs} kept deployments that have ended")
            }
            Command::PlanShared => format!(
                "`plan`, nothing to do, a ledger of {} lines in a bucket at {} ms",
                self.shape.tasks * 2,
                LATENCY.as_millis()
            ),
            Command::Apply => format!("`apply` of all, {} ms a call", LATENCY.as_millis()),
            Command::ApplyShared => {
                format!(
                    "`apply` of all, {0} ms a call, the ledger in a bucket at {0} ms",
                    LATENCY.as_millis()
                )
            }
            Command::ApplyLimited(rate) => format!("`apply` of all, {rate}/s allowed and known"),
            Command::ApplyGuessing(rate) => {
                format!("`apply` of all, {rate}/s allowed, `--rate {}`", 2.0 * rate)
            }
            Command::History(versions, changing) => {
                let noun = if changing == 1 { "prompt" } else { "prompts" };
                format!("`plan` after {versions} commits, each with {changing} new {noun}")
            }
        };
        format!("{words}{prompt}{files}")
    }

    /// Runs it so many times, after once for warmth, and returns the run of median time.
    pub(crate) fn measure(&self, program: &str, root: &Path, runs: usize) -> Row {
        let folder = repository::folder(root, &self.name());
        let services = self.prepare(&folder);
        let mut measured: Vec<(Run, Asked)> = Vec::new();
        let runs = if self.what.is_slow(self.shape) { runs.min(3) } else { runs };
        for run in 0..=runs {
            let ran = self.run(program, &folder, &services);
            if run > 0 {
                measured.push(ran);
            }
        }
        fs::remove_dir_all(&folder).expect("the folder is ours");
        measured.sort_by_key(|(run, _)| run.cpu);
        let cpu = measured[measured.len() / 2].0.cpu;
        measured.sort_by_key(|(run, _)| run.wall);
        let (run, asked) = measured.swap_remove(measured.len() / 2);
        Row {
            name: self.name(),
            words: self.words(),
            tasks: self.shape.tasks,
            run: Run { cpu, ..run },
            bound: self.bound(),
            asked: Some(asked),
        }
    }

    fn prepare(&self, folder: &Path) -> Services {
        let Shape { tasks, prompt } = self.shape;
        let is_there = matches!(
            self.what,
            Command::PlanNothing
                | Command::PlanNothingAlone
                | Command::PlanPercent
                | Command::History(..)
        );
        let world = match self.what {
            Command::PlanRecalled(runs) => (0..runs)
                .map(|task| listed_with_run(task, prompt))
                .chain((runs..tasks).map(|task| listed(task, prompt)))
                .collect(),
            _ if is_there => (0..tasks).map(|task| listed(task, prompt)).collect(),
            _ => Vec::new(),
        };
        let behavior = match self.what {
            Command::Apply | Command::ApplyShared => Behavior { latency: LATENCY, rate: None },
            Command::ApplyLimited(rate) | Command::ApplyGuessing(rate) => {
                Behavior { latency: LATENCY, rate: Some(rate) }
            }
            _ => Behavior::default(),
        };
        match self.what {
            Command::Version => {}
            Command::PlanNothingAlone => repository::write(folder, self.shape, self.prompts, 0),
            Command::PlanPercent => {
                repository::write(folder, self.shape, self.prompts, 0);
                repository::commit(folder);
                repository::write(folder, self.shape, self.prompts, tasks.div_ceil(100));
                repository::commit(folder);
            }
            Command::History(versions, changing) => {
                repository::history(folder, self.shape, versions, changing);
            }
            Command::PlanRecalled(runs) => {
                let text = manifest_with(self.shape, self.prompts, 0, runs);
                fs::write(folder.join("tasks.yaml"), text).expect("the folder is ours");
                repository::commit(folder);
            }
            _ => {
                repository::write(folder, self.shape, self.prompts, 0);
                repository::commit(folder);
            }
        }
        let is_shared = matches!(self.what, Command::PlanShared | Command::ApplyShared);
        let bucket = is_shared.then(|| Bucket::start(LATENCY));
        Services { stub: Stub::start(world, behavior), bucket }
    }

    fn run(&self, program: &str, folder: &Path, services: &Services) -> (Run, Asked) {
        let Services { stub, bucket } = services;
        let count = self.shape.tasks.to_string();
        let api = ["--api", stub.address.as_str()];
        let speed = ["--parallelism", "16", "--retry-time", "120s"];
        let rate = self.rate();
        let mut words = vec![program];
        let applies =
            self.what.applies() || (self.what == Command::PlanShared && stub.task_count() == 0);
        match self.what {
            Command::Version => words.push("--version"),
            Command::Validate => words.push("validate"),
            _ if applies => {
                words.extend(["apply", "--yes", "--max-creates", &count, "--rate", &rate]);
                words.extend(speed.into_iter().chain(api));
            }
            _ => {
                words.extend([
                    "plan",
                    "--rate",
                    "0",
                    "--max-creates",
                    &count,
                    "--max-replaces",
                    &count,
                ]);
                words.extend(api);
            }
        }
        if self.what == Command::PlanMarkdown {
            words.extend(["--format", "markdown"]);
        }
        if bucket.is_some() {
            words.extend(["--store", STORE]);
        }
        if applies {
            stub.truncate(0);
            if let Some(bucket) = bucket {
                bucket.clear();
            }
            let ours: PathBuf = folder.join(".qcops");
            if ours.exists() {
                fs::remove_dir_all(ours).expect("the folder is ours");
            }
        }
        let mut environment = vec![
            ("QC_USER_ID", "1"),
            ("QC_API_TOKEN", "token"),
            ("QC_ORGANIZATION_ID", ORGANIZATION_ID),
        ];
        environment.extend(bucket.iter().flat_map(Bucket::environment));
        stub.take_asked();
        let run = measure::run(folder, &environment, &words);
        assert!(matches!(run.exit, 0 | 3), "{} ended with {}", self.name(), run.exit);
        if applies {
            assert_eq!(stub.task_count(), self.shape.tasks, "{} made them all", self.name());
        }
        (run, stub.take_asked())
    }

    fn rate(&self) -> String {
        match self.what {
            Command::ApplyLimited(rate) => rate.to_string(),
            Command::ApplyGuessing(rate) => (2.0 * rate).to_string(),
            _ => "0".to_owned(),
        }
    }

    /// The least time that the service lets it take.
    fn bound(&self) -> Option<Duration> {
        let rounds = |calls: usize| LATENCY * u32::try_from(calls).expect("few thousands");
        match self.what {
            Command::Apply | Command::ApplyShared => {
                Some(rounds(2 + self.shape.tasks.div_ceil(IN_FLIGHT)))
            }
            Command::ApplyLimited(rate) | Command::ApplyGuessing(rate) => {
                let tasks = u32::try_from(self.shape.tasks).expect("few thousands");
                Some(Duration::from_secs_f64(f64::from(tasks) / rate))
            }
            _ => None,
        }
    }
}

/// What a measured program talks to.
struct Services {
    stub: Stub,
    /// The store that every machine shares, where there is one.
    bucket: Option<Bucket>,
}

impl Command {
    /// Whether a run makes everything.
    fn applies(self) -> bool {
        let applies = [Self::Apply, Self::ApplyShared];
        applies.contains(&self) || matches!(self, Self::ApplyLimited(_) | Self::ApplyGuessing(_))
    }

    /// Whether one run takes seconds.
    fn is_slow(self, shape: Shape) -> bool {
        match self {
            Self::Apply => shape.tasks >= 10_000,
            Self::ApplyLimited(_) | Self::ApplyGuessing(_) => true,
            _ => false,
        }
    }
}
