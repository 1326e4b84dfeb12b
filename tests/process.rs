//! The program as a process: killed, interrupted, beside others, and at a service under load.

mod converge;
mod pairs;
mod runs;
mod shared;
#[cfg(unix)]
mod terminal;
mod untrusted;
#[cfg(unix)]
mod width;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use qcops::clock::Clock;
use qcops::diag::Code;
use qcops::emulator::{self, Emulator, Script, Storage, World};
use qcops::event::{Outcome, StepOutcome};
use qcops::model::sha256_hex;
use qcops::plan::Limits;

use crate::support::repo::{Ran, Repo};
use crate::support::world;

/// An emulator on a port of its own, for as long as the test runs.
pub(crate) struct Service {
    emulator: Arc<Emulator>,
    pub(crate) address: String,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::with_latency(Duration::ZERO)
    }

    fn with_latency(latency: Duration) -> Self {
        let clock = Clock::System;
        let world = World::new(7, clock.now());
        let emulator = Emulator::new(world, clock, Storage::Memory).with_latency(latency);
        let emulator = Arc::new(emulator);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let served = Arc::clone(&emulator);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                emulator::serve(listener, served, std::future::pending()).await.unwrap();
            });
        });
        Self { emulator, address }
    }

    fn faults(&self, rules: &[&str]) {
        let mut script = Script::default();
        for rule in rules {
            script.add(rule).unwrap();
        }
        self.emulator.set_faults(script);
    }

    fn command(&self, repo: &Repo, words: &str) -> Command {
        let (command, rest) = words.split_once(' ').unwrap_or((words, ""));
        let mut arguments = vec![command.to_owned(), "--api".to_owned(), self.address.clone()];
        arguments.extend(["--rate", "0", "--retry-time", "0s"].map(str::to_owned));
        arguments.extend(rest.split_whitespace().map(str::to_owned));
        let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
        command
            .args(&arguments)
            .env("QC_USER_ID", emulator::USER_ID.to_string())
            .env("QC_API_TOKEN", emulator::API_TOKEN)
            .env("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID);
        command
    }

    fn run(&self, repo: &Repo, words: &str) -> Ran {
        Repo::ran(self.command(repo, words).output().unwrap())
    }

    fn spawn(&self, repo: &Repo, words: &str) -> Child {
        let mut command = self.command(repo, words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until `count` requests have come, or the process has ended.
    fn wait_for(&self, count: usize, child: &mut Child) {
        while self.emulator.requests().len() < count && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.emulator.requests().into_iter().map(|logged| logged.path);
        requests.filter(|path| !path.ends_with("/list") && !path.ends_with("/read")).collect()
    }

    /// The number of the task of this name.
    pub(crate) fn task_named(&self, name: &str) -> u64 {
        let find = |world: &mut World| {
            world.tasks().find(|task| task.name.eq_ignore_ascii_case(name)).map(|task| task.id)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.emulator.with_world(find)).unwrap().unwrap()
    }

    /// Sends one request, as any client of the service does.
    pub(crate) fn post(&self, path: &str, body: &str) {
        let second = Clock::System.now().as_second();
        let hash = sha256_hex(format!("{}:{second}", emulator::API_TOKEN).as_bytes());
        let user = BASE64_STANDARD.encode(format!("{}:{hash}", emulator::USER_ID));
        let host = self.address.trim_start_matches("http://").trim_end_matches("/api/v2");
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /api/v2/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Timestamp: {second}\r\nAuthorization: Basic {user}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"success\":true"), "{answer}");
    }

    /// How many tasks there are of each prompt, and how many deployments in all.
    fn counts(&self) -> (BTreeMap<String, usize>, usize) {
        let count = |world: &mut World| {
            let mut tasks = BTreeMap::new();
            for task in world.tasks() {
                *tasks.entry(task.prompt.clone()).or_insert(0) += 1;
            }
            (tasks, world.deployments().count())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.emulator.with_world(count)).unwrap()
    }
}

/// A way to the service that holds the first create until it is let go.
struct StepStatus {
    address: String,
    state: Arc<(Mutex<Held>, Condvar)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Create,
    Never,
}

impl StepStatus {
    fn before(service: &Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let target = service.address["http://".len()..].split('/').next().unwrap().to_owned();
        let state = Arc::new((Mutex::new(Held::Nothing), Condvar::new()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, shared) = (client.unwrap(), Arc::clone(&shared));
                let service = TcpStream::connect(&target).unwrap();
                let (answers, back) = (service.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass(&client, &service, Some(&shared)));
                std::thread::spawn(move || pass(&answers, &back, None));
            }
        });
        Self { address, state }
    }

    fn wait_until(&self, desired: Held) {
        let (held, changed) = &*self.state;
        let held = held.lock().unwrap();
        drop(changed.wait_while(held, |held| *held != desired).unwrap());
    }

    fn open(&self) {
        *self.state.0.lock().unwrap() = Held::Never;
        self.state.1.notify_all();
    }
}

/// Passes on what comes; with a state, the first create only once it is let go.
fn pass(mut from: &TcpStream, mut to: &TcpStream, state: Option<&(Mutex<Held>, Condvar)>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let needle = b"POST /api/v2/agents/tasks/create";
        let is_create = bytes[..count].windows(needle.len()).any(|part| part == needle);
        if let Some((held, changed)) = state.filter(|_| is_create) {
            let mut held = held.lock().unwrap();
            if *held == Held::Nothing {
                *held = Held::Create;
                changed.notify_all();
            }
            drop(changed.wait_while(held, |held| *held == Held::Create).unwrap());
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

const APPLY: &str = "apply --yes --settle-delays 0,0,0";

const TASKS: &str = "spy: {prompt: Buy SPY, deployments: {first: {}}}
qqq: {prompt: Buy QQQ, deployments: {first: {}}}
gld: {prompt: Buy GLD}";

fn repo(tasks: &str) -> Repo {
    let repo = Repo::new();
    repo.tasks(tasks).commit("one");
    repo
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

#[test]
fn after_a_kill_at_any_request_one_apply_leaves_nothing_to_do() {
    let repo = repo(TASKS);
    for round in 0..50_usize {
        let service = Service::start();
        // A fresh service is another world: its predecessor's ledger has another address.
        let mut child = service.spawn(&repo, APPLY);
        service.wait_for(1 + round * 7 % 17, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        let applied = service.run(&repo, APPLY);
        assert_eq!(applied.code, 0, "round {round}: {}{}", applied.out, applied.err);
        let planned = service.run(&repo, "plan --detailed-exitcode");
        assert_eq!(planned.code, 0, "round {round}: {}{}", planned.out, planned.err);
        let (tasks, runs) = service.counts();
        assert!(tasks.len() == 3 && tasks.values().all(|count| *count == 1), "{round}: {tasks:?}");
        assert_eq!(runs, 2, "round {round}");
    }
}

#[test]
fn two_applies_on_one_machine_go_one_after_the_other() {
    // Slow enough that both would be at it together.
    let (service, repo) = (Service::with_latency(Duration::from_millis(40)), repo(TASKS));
    let first = service.spawn(&repo, APPLY);
    let second = service.spawn(&repo, APPLY);
    for child in [first, second] {
        let ran = Repo::ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }
    let creates = service.writes().iter().filter(|path| path.ends_with("tasks/create")).count();
    assert_eq!((creates, service.counts().1), (3, 2));
}

/// How often two work trees apply at once; `WORKTREES=30` for more.
#[expect(clippy::disallowed_methods, reason = "it is the tester's, not the program's")]
fn rounds() -> usize {
    std::env::var("WORKTREES").ok().and_then(|count| count.parse().ok()).unwrap_or(4)
}

#[test]
fn two_work_trees_of_one_machine_go_one_after_the_other() {
    let repo = repo(TASKS);
    repo.git("worktree add -q ../linked");
    let mut waits = 0;
    // What cron, `sudo`, a container or another terminal sets otherwise.
    let variables = ["HOME", "XDG_STATE_HOME", "TMPDIR", "XDG_RUNTIME_DIR"];
    for round in 0..rounds() {
        // Slow enough that both would be at it together.
        let service = Service::with_latency(Duration::from_millis(20));
        let spawn = |folder: &str| {
            let mut command = service.command(&repo, APPLY);
            command.current_dir(repo.path().join(folder));
            command.env(variables[round % variables.len()], repo.path().join("..").join(folder));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let (mut waited, mut said) = (0, String::new());
        for child in [spawn("."), spawn("../linked")] {
            let ran = Repo::ran(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "round {round}: {}{}", ran.out, ran.err);
            waited += ran.err.matches("waiting for another apply on this machine to end").count();
            said.push_str(&ran.err);
        }
        // On a busy machine the one may have ended before the other began.
        assert!(waited <= 1, "round {round}: {said}");
        let is_named = said.contains("to end: process ");
        assert_eq!(waited, usize::from(is_named), "who holds the lock is named: {said}");
        waits += waited;
        let creates = service.writes().iter().filter(|path| path.ends_with("tasks/create")).count();
        assert_eq!((creates, service.counts().1), (3, 2), "round {round}");
    }
    assert!(waits > 0, "one of them waits");
}

#[tokio::test]
async fn two_clones_that_share_an_emulator_file_go_one_after_the_other() {
    let repo = repo(TASKS);
    repo.git("clone -q . ../clone");
    repo.edit_service(|_| ()).await;
    let spawn = |folder: &str, file: &str| {
        let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
        command.current_dir(repo.path().join(folder)).args(["apply", "--yes"]).arg(file);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // Two spellings of one file.
    let whole = format!("--emulator={}", repo.path().join("../emulator.json").display());
    for child in [spawn(".", "--emulator=../emulator.json"), spawn("../clone", &whole)] {
        let ran = Repo::ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }
    assert_eq!(repo.service().await.lines().count(), 3);
}

#[test]
fn after_the_first_duplicate_nothing_further_is_made_or_paid_for() {
    let service = Service::start();
    let one = repo(TASKS);
    let other = one.clone_with("");
    let status = StepStatus::before(&service);
    let behind =
        Service { emulator: Arc::clone(&service.emulator), address: status.address.clone() };
    let child = behind.spawn(&one, APPLY);
    status.wait_until(Held::Create);
    let ran = service.run(&other, APPLY);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let runs = service.counts().1;
    status.open();
    let ran = Repo::ran(child.wait_with_output().unwrap());
    ran.expect(5, &["with equal content"]);
    let (tasks, paid) = service.counts();
    let duplicates = tasks.values().filter(|count| **count > 1).count();
    assert_eq!((tasks.len(), duplicates, paid), (3, 1, runs), "{}{}", ran.out, ran.err);
}

#[test]
fn two_machines_whose_creates_cross_delete_nothing_and_both_name_what_arose_twice() {
    let service = Service::start();
    let one = repo("spy: {prompt: Buy SPY, deployments: {first: {}}}");
    let other = one.clone_with("");
    // The first machine has looked for the last time, and its create is on the way.
    let status = StepStatus::before(&service);
    let behind =
        Service { emulator: Arc::clone(&service.emulator), address: status.address.clone() };
    let child = behind.spawn(&one, APPLY);
    status.wait_until(Held::Create);
    let ran = service.run(&other, APPLY);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    status.open();
    let ran = Repo::ran(child.wait_with_output().unwrap());
    ran.expect(5, &["task 333 was made, and so was task 332 with equal content"]);
    // Neither repeats anything, and both name both.
    let writes = service.writes();
    let duplicates = BTreeMap::from([("Buy SPY".to_owned(), 2)]);
    let counts = service.counts();
    assert_eq!(counts.0, duplicates);
    for (machine, way) in [(&one, &behind), (&other, &service)] {
        for words in ["plan", APPLY] {
            way.run(machine, words).expect(5, &["332", "333", "ambiguous"]);
        }
    }
    assert_eq!(service.writes(), writes);
    assert!(writes.iter().all(|path| !path.ends_with("delete")), "{writes:?}");
    assert_eq!(service.counts(), counts);
}

#[test]
fn an_interrupt_finishes_what_is_in_flight_and_starts_nothing_more() {
    for name in ["INT", "TERM", "HUP", "QUIT"] {
        let (service, repo) = (Service::start(), repo(TASKS));
        // The first create's answer is lost and nothing shows: it is settling when the signal comes.
        service.faults(&[
            "tasks/create#1=lost-after",
            "tasks/list#3=500-after",
            "tasks/list#4=500-after",
        ]);
        let words =
            "apply --yes --settle-delays 60 --output json=report.json --wait --format junit";
        let mut child = service.spawn(&repo, words);
        let is_create = |path: &String| path.ends_with("tasks/create");
        while !service.writes().iter().any(is_create) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        signal(&child, name);
        let ran = Repo::ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 130, "{name}: {}{}", ran.out, ran.err);
        assert_eq!(service.writes().iter().filter(|path| is_create(path)).count(), 1, "{name}");
        let report = std::fs::read_to_string(repo.path().join("report.json")).unwrap();
        assert!(report.contains("\"is_interrupted\": true"), "{name}: {report}");
        assert!(report.contains("\"not-started\""), "{name}: {report}");
        let junit = junit_parser::from_reader(ran.out.as_bytes()).unwrap();
        assert_eq!(junit.tests, 0, "{name}: {}", ran.out);
    }
}

#[test]
fn an_interrupted_probe_deletes_its_task() {
    let (service, repo) = (Service::with_latency(Duration::from_millis(50)), repo(TASKS));
    let mut child = service.spawn(&repo, "doctor --probe --yes");
    let is_create = |path: &String| path.ends_with("tasks/create");
    while !service.writes().iter().any(is_create) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    signal(&child, "INT");
    let ran = Repo::ran(child.wait_with_output().unwrap());
    ran.expect(130, &["it was stopped, and its task is deleted"]);
    assert_eq!(service.counts(), (BTreeMap::new(), 0));
    assert!(service.writes().iter().any(|path| path.ends_with("tasks/delete")));
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let (service, repo) = (Service::start(), repo(TASKS));
    let mut child = service.spawn(&repo, "apply --yes --settle-delays 60");
    service.wait_for(1, &mut child);
    signal(&child, "INT");
    signal(&child, "TERM");
    let ran = Repo::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}{}", ran.out, ran.err);
    let applied = service.run(&repo, APPLY);
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
}

#[test]
fn what_does_not_depend_on_a_failed_step_goes_on_and_a_second_apply_finishes() {
    let (service, repo) = (Service::start(), repo(TASKS));
    service.faults(&["tasks/create#2=429"]);
    let applied = service.run(&repo, &format!("{APPLY} --output json=report.json"));
    assert_eq!(applied.code, 4, "{}{}", applied.out, applied.err);
    let report = std::fs::read_to_string(repo.path().join("report.json")).unwrap();
    for outcome in ["succeeded", "failed", "skipped"] {
        assert!(report.contains(&format!("\"status\": \"{outcome}\"")), "{outcome}: {report}");
    }
    assert_eq!(service.counts().0.len(), 2);
    let applied = service.run(&repo, APPLY);
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    assert_eq!(service.counts(), (service.counts().0, 2));
}

#[test]
fn a_token_that_is_revoked_in_mid_apply_stops_it() {
    let (service, repo) = (Service::start(), repo(TASKS));
    let rules: Vec<String> = (2..20).map(|nth| format!("tasks/create#{nth}=401")).collect();
    service.faults(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    let applied = service.run(&repo, APPLY);
    assert_eq!(applied.code, 4, "{}{}", applied.out, applied.err);
    // The first one, and two that were under way, each signed again once.
    assert_eq!(service.writes(), ["/agents/tasks/create"; 5]);
    assert!(!applied.out.contains(emulator::API_TOKEN));
    service.faults(&[]);
    let applied = service.run(&repo, APPLY);
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
}

#[cfg(unix)]
#[test]
fn a_report_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (service, repo) = (Service::start(), repo("a: {prompt: p}"));
    service.run(&repo, &format!("{APPLY} --output json=report.json"));
    let mode = std::fs::metadata(repo.path().join("report.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(start_paused = true)]
async fn two_machines_that_apply_at_once_delete_nothing_and_name_what_arose_twice() {
    let mut one = world::World::new("a: {prompt: p}\nb: {prompt: q}");
    one.commit();
    let other = one.beside();
    let (mine, theirs) = (one.plan().await, other.plan().await);
    tokio::join!(one.carry_out(&mine), other.carry_out(&theirs));
    let blocks: Vec<Code> = one.blocks().await.into_iter().collect();
    let tasks = one.tasks().await;
    assert_eq!(blocks, [Code::Ambiguous], "{tasks}");
    let plan = one.plan_text().await;
    assert!(plan.contains("332") && plan.contains("333"), "{plan}");
    let before = one.writes().len();
    one.apply().await;
    other.apply().await;
    let after = one.writes();
    assert!(after[before..].iter().all(|path| !path.ends_with("delete")), "{after:?}");
    assert_eq!(one.tasks().await.matches(": p").count(), tasks.matches(": p").count());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_rate_answers_costs_no_call_beyond_what_the_limit_allows() {
    let lines: Vec<String> =
        (0..100).map(|n| format!("t{n}: {{prompt: Task number {n}}}")).collect();
    let mut calls = Vec::new();
    for faults in ["", "*%2=429", "*%2=rate-text"] {
        let mut world = world::World::new(&lines.join("\n"));
        world.options.limits = Limits { create: Some(100), ..Limits::default() };
        world.faults(faults);
        let outcome = world.apply().await;
        let done = outcome.count(|ended| matches!(ended, StepOutcome::Done(_)));
        assert_eq!(done, 100, "{faults}: {outcome:#?}");
        calls.push(world.emulator.requests().len());
        world.faults("").expect_nothing_to_do().await;
    }
    // Every second call is thrown away, so twice the calls is what it takes.
    assert!(calls[1..].iter().all(|count| *count * 10 <= calls[0] * 2 * 11), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_by_five_seconds_makes_no_twin() {
    for fault in ["", "tasks/create#1=lost-after", "tasks/create#2=no-id"] {
        let mut world = world::World::new("a: {prompt: p}\nb: {prompt: q, deployments: {x: {}}}");
        world.quirk("list-lag-ms=5000").await.faults(fault);
        world.converge().await;
        assert_eq!(world.tasks().await.lines().count(), 2, "{fault}");
        assert_eq!(world.run_count().await, 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_the_list_shows_late_is_waited_for_and_paid_once() {
    let mut world = world::World::new("a: {prompt: p, deployments: {x: {}}}");
    world.quirk("deployment-lag-ms=5000").await;
    world.converge().await;
    assert_eq!(world.run_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_ends_early_makes_no_twin_while_the_ledger_knows_the_task() {
    let mut world = world::World::new("a: {prompt: p}\nb: {prompt: q}\nc: {prompt: r}");
    world.quirk("list-cap=2").await;
    let outcome = world.apply().await;
    let unknown = outcome.count(|ended| matches!(ended, StepOutcome::Unknown(_)));
    assert_eq!(unknown, 1, "the third is not on the list: {outcome:#?}");
    let creates = world.writes().len();
    world.apply().await;
    assert_eq!(world.writes().len(), creates, "it is read by its number");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_no_list_ever_shows_is_paid_once() {
    let mut world = world::World::new("a: {prompt: p, deployments: {x: {}, y: {}}}");
    world.quirk("list-cap=1").await;
    let unclear_in =
        |outcome: &Outcome| outcome.count(|ended| matches!(ended, StepOutcome::Unknown(_)));
    let outcome = world.apply().await;
    assert_eq!(unclear_in(&outcome), 1, "one of the two is on the list: {outcome:#?}");
    assert_eq!(world.blocks().await, [Code::DeploymentsUnlisted].into());
    // Whoever goes past the guard is stopped by the ledger's line.
    world.options.allow.insert(Code::DeploymentsUnlisted);
    for _ in 0..2 {
        let outcome = world.apply().await;
        assert_eq!(unclear_in(&outcome), 1, "it was started already: {outcome:#?}");
    }
    assert_eq!(world.run_count().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_equal_names_gets_its_replace_even_where_the_old_task_holds_nothing() {
    let mut world = world::World::new("a: {prompt: p}");
    world.quirk("duplicate-name=refuse").await.commit().converge().await;
    world.edit("a: {prompt: other}").commit().converge().await;
    assert_eq!(world.tasks().await, "333 a: other");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_rename_after_a_create_is_settled() {
    let mut world = world::World::new("a: {name: 'A: one', prompt: p}");
    world.faults("tasks/update#1=500-before").converge().await;
    assert_eq!(world.tasks().await, "332 A: one: p");
}

#[tokio::test(start_paused = true)]
async fn what_a_neighbor_has_made_since_the_plan_is_not_made_again() {
    let mut one = world::World::new("a: {prompt: p}\nb: {prompt: q}");
    one.commit();
    let other = one.beside();
    let plan = one.plan().await;
    other.converge().await;
    one.carry_out(&plan).await;
    assert_eq!(one.tasks().await, "332 a: p\n333 b: q");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_while_a_task_cannot_be_read_whole() {
    let mut world = world::World::new("a: {prompt: p, deployments: {x: {}}}");
    world.edit_service(|service| service.add_task("Theirs", 47, "p")).await;
    world.quirk("list-entry=bare").await.faults("tasks/read=500-before");
    world.apply().await;
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}
