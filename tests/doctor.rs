//! `doctor` names how a service behaves, and leaves nothing behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use qcops::api::ClientSettings;
use qcops::diag::{CHECKS, CheckStatus, Checkup};
use qcops::doctor::Doctor;
use qcops::emulator::{Emulator, Quirks, Task};
use qcops::evidence::Evidence;
use qcops::exchange::{Exchange, Request, Transport};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::repo::{Ran, Repo};
use crate::support::schema::Schema;
use crate::support::served::Served;
use crate::support::world::{World, client_over};

/// The network of a process that is killed at one of its requests.
struct KilledNetwork {
    emulator: Arc<Emulator>,
    /// How many requests were sent.
    sent: AtomicUsize,
    /// The request at which the process ends, and whether it takes effect.
    end: Option<(usize, bool)>,
    is_ended: AtomicBool,
    ended: Notify,
}

/// The network, shared with the client.
struct Wire(Arc<KilledNetwork>);

impl Transport for Wire {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let network = &self.0;
            let at = network.sent.fetch_add(1, Ordering::Relaxed);
            let end = network.end.filter(|(end, _)| *end == at);
            // Once the process has ended nothing leaves it, so that nothing is tidied up on the way out.
            if network.is_ended.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            if end.is_none_or(|(_, takes_effect)| takes_effect) {
                let answer = network.emulator.exchange(request).await;
                if end.is_none() {
                    return answer;
                }
            }
            network.is_ended.store(true, Ordering::Relaxed);
            network.ended.notify_one();
            std::future::pending().await
        })
    }
}

impl World {
    /// Runs `work` with a doctor whose process ends at a request; returns how many it sent, and what it
    /// found where it came to its end.
    async fn doctor(
        &self,
        end: Option<(usize, bool)>,
        is_stopped: &(dyn Fn() -> bool + Sync),
        work: Work,
    ) -> (usize, Option<Checkup>) {
        let network = Arc::new(KilledNetwork {
            emulator: Arc::clone(&self.emulator),
            sent: AtomicUsize::new(0),
            end,
            is_ended: AtomicBool::new(false),
            ended: Notify::new(),
        });
        let client = client_over(Wire(Arc::clone(&network)), self.clock, ClientSettings::default());
        let doctor = Doctor {
            client: &client,
            clock: self.clock,
            help: &|_| "help".to_owned(),
            is_stopped,
            declared_offset: None,
        };
        let found = async {
            match work {
                Work::Examine => doctor.examine(&Evidence::default()).await,
                Work::Probe => doctor.probe().await,
                Work::CleanUp => {
                    let checks = vec![doctor.remove_leftovers().await];
                    Checkup { checks, ..Checkup::default() }
                }
                Work::All => {
                    let mut found = doctor.examine(&Evidence::default()).await;
                    found.merge(doctor.probe().await);
                    found
                }
            }
        };
        let found = tokio::select! {
            biased;
            () = network.ended.notified() => None,
            found = found => Some(found),
        };
        (network.sent.load(Ordering::Relaxed), found)
    }

    /// What the service keeps, but for times and the counters of ids.
    async fn kept(&self) -> Value {
        let world = self.edit_service(|world| serde_json::to_value(&*world).unwrap()).await;
        without_counters(world)
    }
}

#[derive(Clone, Copy)]
enum Work {
    Examine,
    Probe,
    CleanUp,
    All,
}

fn without_counters(mut world: Value) -> Value {
    let fields = world.as_object_mut().unwrap();
    fields.retain(|name, _| {
        name != "clock" && !name.starts_with("last-") && !name.starts_with("last_")
    });
    assert!(fields.contains_key("tasks") && fields.contains_key("agents"), "{world}");
    world
}

fn never() -> bool {
    false
}

/// The check of this name.
fn status(found: &Checkup, name: &str) -> Option<CheckStatus> {
    found.checks.iter().find(|check| check.name == name).map(|check| check.status)
}

/// A world with three tasks, none of which is a probe's.
async fn inhabited() -> World {
    let world =
        World::new("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}\nbonds: {prompt: Buy bonds}");
    world.converge().await;
    world
}

/// A service that does all that the contract says, in the way that the emulator calls plain.
const PLAIN: [&str; 1] = ["name-on-create=verbatim"];

#[tokio::test(start_paused = true)]
async fn each_quirk_is_named_in_the_emulators_words() {
    let table: &[&[&str]] = &[
        &["name-on-create=title"],
        &["name-on-create=fold"],
        &["name-on-create=collapse"],
        &["name-on-create=clean"],
        &["name-on-update=clean"],
        &["name-limit=60"],
        &["name-limit=60", "long-name=refuse"],
        &["prompt-trim=on"],
        &["prompt-rewrite=crlf"],
        &["prompt-rewrite=append"],
        &["prompt-limit=120"],
        &["list-lag-ms=700"],
        &["list-order=newest-first"],
        &["list-order=by-name"],
        &["list-entry=without-prompt"],
        &["list-entry=cut-prompt"],
        &["list-entry=bare"],
        &["list-cap=3"],
        &["ids-sent=strings"],
        &["ids-accepted=both"],
        &["unknown-fields=refuse"],
        &["extra-fields=on"],
        &["errors-member=null"],
        &["errors-member=missing"],
        &["refusal-form=message"],
        &["refusal-form=silent"],
        &["update-answer=task"],
        &["utc-offset-minutes=-300"],
    ];
    for row in [&[][..]].iter().chain(table) {
        let mut world = inhabited().await;
        for setting in PLAIN.iter().chain(*row) {
            world.quirk(setting).await;
        }
        let before = world.kept().await;
        let (_, found) = world.doctor(None, &never, Work::All).await;
        let found = found.unwrap();
        assert_eq!(world.kept().await, before, "{row:?}");
        // What is told is what the emulator takes, and makes another emulator alike.
        let mut alike = Quirks::default();
        for quirk in &found.quirks {
            alike.set(&format!("{}={}", quirk.name, quirk.value)).unwrap();
        }
        let expected = world.edit_service(|world| world.quirks.clone()).await;
        let settled: BTreeSet<&str> = found.quirks.iter().map(|quirk| quirk.name).collect();
        let differing: Vec<_> = expected
            .settings()
            .into_iter()
            .zip(alike.settings())
            .filter(|((name, _), _)| settled.contains(name) && *name != "list-lag-ms")
            .filter(|(expected, found)| expected != found)
            .collect();
        assert!(differing.is_empty(), "{row:?}: {differing:?} {:#?}", found.quirks);
        let named: Vec<&str> =
            row.iter().map(|setting| setting.split('=').next().unwrap()).collect();
        assert!(named.iter().all(|name| settled.contains(name)), "{row:?}: {settled:?}");
        assert_eq!(status(&found, "probe"), Some(CheckStatus::Passed), "{row:?}: {found:#?}");
        let lag: u32 = found
            .quirks
            .iter()
            .find(|quirk| quirk.name == "list-lag-ms")
            .map_or(0, |quirk| quirk.value.parse().unwrap());
        let is_late = row.contains(&"list-lag-ms=700");
        assert!(if is_late { (700..1_800).contains(&lag) } else { lag == 0 }, "{row:?}: {lag}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_alone_names_what_it_can_and_changes_nothing() {
    for (setting, check, expected) in [
        ("list-entry=without-prompt", "lists", CheckStatus::Noted),
        ("ids-sent=strings", "fields", CheckStatus::Passed),
        ("errors-member=null", "lists", CheckStatus::Passed),
        ("extra-fields=on", "fields", CheckStatus::Passed),
        ("list-order=newest-first", "clock", CheckStatus::Passed),
    ] {
        let mut world = inhabited().await;
        world.quirk(setting).await;
        let before = world.writes().len();
        let (_, found) = world.doctor(None, &never, Work::Examine).await;
        let found = found.unwrap();
        let is_named =
            found.quirks.iter().any(|quirk| format!("{}={}", quirk.name, quirk.value) == setting);
        assert!(is_named, "{setting}: {found:#?}");
        assert_eq!(status(&found, check), Some(expected), "{setting}: {found:#?}");
        assert_eq!(found.worst(), CheckStatus::Noted, "{setting}: {found:#?}");
        let writes = world.writes().split_off(before);
        assert_eq!(writes, ["/authenticate"], "{setting}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_killed_at_any_request_is_cleaned_up() {
    let (count, _) = inhabited().await.doctor(None, &never, Work::Probe).await;
    assert!(count > 15, "{count}");
    let mut left_over = 0;
    for (end, takes_effect) in (0..count).flat_map(|end| [(end, false), (end, true)]) {
        let world = inhabited().await;
        let before = world.kept().await;
        let (_, found) = world.doctor(Some((end, takes_effect)), &never, Work::Probe).await;
        assert!(found.is_none(), "at {end}");
        let is_left = world.kept().await != before;
        left_over += usize::from(is_left);
        let (_, found) = world.doctor(None, &never, Work::Examine).await;
        let found = found.unwrap();
        let check = found.checks.iter().find(|check| check.name == "leftover").unwrap();
        if is_left {
            let id = world.edit_service(|world| world.tasks().map(|task| task.id).max()).await;
            assert_eq!(check.status, CheckStatus::Warned, "at {end}: {check:?}");
            assert!(check.message.contains(&format!("task {}", id.unwrap())), "{check:?}");
            assert!(check.help[0].contains("`qcops doctor --clean-up`"), "{check:?}");
            let plan = world.plan_text().await;
            let noted = format!(
                "note[probe-left]: a `doctor --probe` that was ended early has left task {}",
                id.unwrap()
            );
            assert!(plan.contains(&noted) && plan.contains("--clean-up"), "{plan}");
        } else {
            assert_eq!(check.status, CheckStatus::Passed, "at {end}: {check:?}");
        }
        let (_, found) = world.doctor(None, &never, Work::CleanUp).await;
        assert_eq!(found.unwrap().worst(), CheckStatus::Passed, "at {end}");
        assert_eq!(world.kept().await, before, "at {end} {takes_effect}");
    }
    assert!(left_over > count, "{left_over} of {count}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_stopped_or_loses_an_answer_deletes_its_task() {
    let before = inhabited().await.kept().await;
    for looks in 0..7 {
        let world = inhabited().await;
        let asked = AtomicUsize::new(0);
        let is_stopped = || asked.fetch_add(1, Ordering::Relaxed) >= looks;
        let (_, found) = world.doctor(None, &is_stopped, Work::Probe).await;
        assert_eq!(status(&found.unwrap(), "probe"), Some(CheckStatus::Noted), "{looks}");
        assert_eq!(world.kept().await, before, "{looks}");
    }
    for fault in [
        "tasks/create#1=lost-after",
        "tasks/create#1=no-id",
        "tasks/delete#1=lost-before",
        "tasks/update#2=lost-after",
        "*#5=401",
    ] {
        let mut world = inhabited().await;
        world.faults(fault);
        let (_, found) = world.doctor(None, &never, Work::Probe).await;
        let found = found.unwrap();
        assert_eq!(status(&found, "probe"), Some(CheckStatus::Passed), "{fault}: {found:#?}");
        assert_eq!(world.kept().await, before, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_uses_or_only_looks_like_a_probe_is_never_deleted() {
    let world = inhabited().await;
    let made = world
        .edit_service(|world| {
            let probe = qcops::model::PROBE_PROMPT;
            let like = world.add_task("qcops doctor probe 1", 47, "Buy SPY");
            let other = world.add_task("Report", 47, probe);
            let scheduled = world.add_task("qcops doctor probe 2", 47, probe);
            world.task_mut(scheduled).unwrap().schedule = Some("0 9 * * *".to_owned());
            [like, other, scheduled]
        })
        .await;
    let (_, found) = world.doctor(None, &never, Work::CleanUp).await;
    let found = found.unwrap();
    assert_eq!(status(&found, "leftover"), Some(CheckStatus::Failed), "{found:#?}");
    let left =
        world.edit_service(|world| world.tasks().map(|task| task.id).collect::<Vec<_>>()).await;
    assert!(made.iter().all(|id| left.contains(id)), "{left:?}");
}

/// Runs `doctor` against a served emulator with some variables.
fn run_at(repo: &Repo, served: &Served, token: &str, arguments: &str) -> Ran {
    let words = ["doctor", "--api", &served.url].into_iter().chain(arguments.split_whitespace());
    let words: Vec<String> = words.map(str::to_owned).collect();
    let variables = [
        ("QUANTCONNECT_USER_ID", "1"),
        ("QUANTCONNECT_API_TOKEN", token),
        ("QC_ORGANIZATION_ID", qcops::emulator::ORGANIZATION_ID),
    ];
    repo.run_with(&words, &variables)
}

#[test]
fn the_document_for_a_bug_report_holds_no_secret() {
    let schema = Schema::of("doctor");
    let repo = Repo::new();
    repo.tasks("a: {prompt: p}").commit("first");
    let served = Served::new();
    for (token, code) in [(qcops::emulator::API_TOKEN, 0), ("token-marker-5f1c", 1)] {
        let ran = run_at(&repo, &served, token, "--format json --probe --yes -vv");
        assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        schema.expect(&document);
        for secret in [token, qcops::emulator::ORGANIZATION_ID, "Basic ", "authorization"] {
            assert!(!ran.out.contains(secret), "{secret}: {}", ran.out);
        }
        assert!(!ran.err.contains(token), "{}", ran.err);
        let names: Vec<&str> = document["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["check"].as_str().unwrap())
            .collect();
        let known: Vec<&str> =
            CHECKS.iter().map(|row| row.0).filter(|name| names.contains(name)).collect();
        assert_eq!(names, known);
        let is_signed = document["checks"].as_array().unwrap().contains(&json!({
            "check": "authentication",
            "status": "passed",
            "message": "the signature is accepted",
            "meaning": "The service accepts the signature.",
            "help": [],
        }));
        assert_eq!(is_signed, code == 0, "{document:#}");
    }
}

#[tokio::test]
async fn a_probe_asks_first_and_prints_its_quirks_as_flags() {
    let repo = Repo::new();
    repo.tasks("a: {prompt: p}").commit("first");
    let tasks = async |repo: &Repo| {
        let line = |task: &Task| format!("{} {}", task.name, task.prompt);
        repo.edit_service(|world| world.tasks().map(line).collect::<Vec<_>>()).await
    };
    let asked = repo.qcops("doctor --probe");
    asked.expect(
        3,
        &["probe", "not approved, so nothing was changed", "help: add `--yes` to create one task"],
    );
    let flags = repo.qcops("doctor --probe --yes --quirks");
    assert_eq!(flags.code, 0, "{}{}", flags.out, flags.err);
    assert!(flags.out.starts_with("--quirk errors-member=present --quirk "), "{}", flags.out);
    assert_eq!(flags.out.lines().count(), 1, "{}", flags.out);
    assert!(flags.out.contains(" --quirk name-on-create=clean "), "{}", flags.out);
    assert!(tasks(&repo).await.is_empty());
    // The emulator takes what was printed.
    let mut words: Vec<String> =
        vec!["emulator".to_owned(), "--quirk".to_owned(), "help".to_owned()];
    words.extend(flags.out.split_whitespace().map(str::to_owned));
    assert_eq!(repo.run(&words).code, 0);
    let twice = repo.qcops("doctor --clean-up --yes");
    twice.expect(0, &["no probe has left a task"]);
}

#[test]
fn what_is_wrong_on_this_machine_is_said_with_help() {
    let repo = Repo::new();
    repo.tasks("a: {prompt: p}").commit("first");
    // No credentials.
    let ran = repo.run(&["doctor".to_owned()]);
    ran.expect(1, &["\u{2717} credentials", "there are no credentials", "help: set `QC_USER_ID`"]);
    // Nobody answers.
    let served = Served::new();
    let closed = Served { url: "http://127.0.0.1:1".to_owned(), ..served };
    let ran = run_at(&repo, &closed, "t", "");
    ran.expect(1, &["\u{2717} network", "\u{2713} store"]).expect_no(&["permissions"]);
    // A shallow clone.
    repo.tasks("a: {prompt: q}").commit("second");
    let clone = repo.clone_with("--depth 1");
    let ran = clone.qcops("doctor");
    ran.expect(3, &["! git", "the clone is shallow", "fetch-depth: 0"]);
    // No repository.
    let ran = Repo::plain().qcops("doctor");
    ran.expect(3, &["! git", "in no Git repository"]);
    // Another organization.
    repo.write("tasks.yaml", "version: 1\norganizationId: theirs\ntasks: {}\n");
    let ran = run_at(&repo, &closed, "t", "");
    ran.expect(1, &["\u{2717} organization", "the manifest is for organization `theirs`"]);
}
