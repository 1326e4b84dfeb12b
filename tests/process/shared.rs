//! Applies of several machines that share a store.

use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::process::Service;
use crate::support::repo::{Ran, Repo};

const TASKS: &str = "spy: {prompt: Buy SPY, deployments: {baseline: {}}}";

/// A repository and a clone of it, as on two machines, with one store.
struct Machines {
    service: Service,
    one: Repo,
    other: Repo,
    store: tempfile::TempDir,
}

impl Machines {
    fn new(latency: Duration) -> Self {
        let one = Repo::new();
        one.tasks(TASKS).commit("first");
        let other = one.clone_with("");
        let store = tempfile::tempdir().unwrap();
        Self { service: Service::with_latency(latency), one, other, store }
    }

    /// Adds the store to a command.
    fn words(&self, words: &str) -> String {
        let is_locking = words.starts_with("apply");
        let time = if is_locking { " --lease-time 2s" } else { "" };
        format!("{words} --store file://{}{time}", self.store.path().display())
    }

    fn run(&self, repo: &Repo, words: &str) -> Ran {
        self.service.run(repo, &self.words(words))
    }

    /// Waits until an apply has taken the lease, or has ended.
    fn wait_for_lease(&self, child: &mut Child) {
        let is_held = || self.values("json").iter().any(|text| text.contains("\"owner\""));
        while !is_held() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }

    /// The values in the store with this ending.
    fn values(&self, ending: &str) -> Vec<String> {
        fn walk(folder: &Path, ending: &str, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, ending, found);
                } else if path.extension().is_some_and(|its| its == ending) {
                    found.extend(std::fs::read_to_string(path));
                }
            }
        }
        let mut found = Vec::new();
        walk(self.store.path(), ending, &mut found);
        found
    }
}

#[test]
fn what_one_machine_has_made_is_proven_on_the_other() {
    let machines = Machines::new(Duration::ZERO);
    machines.run(&machines.one, "apply --yes --quiet").expect(0, &[]);
    assert!(!machines.one.path().join(".qcops/ledger.jsonl").exists(), "it is in the store");
    let ledger = machines.values("jsonl").concat();
    assert!(ledger.contains("\"what\":\"created\"") && ledger.contains("\"epoch\":1"), "{ledger}");
    let is_known = |ran: Ran| {
        let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        status["tasks"][0]["deployments"][0]["started_by_this_ledger"].clone()
    };
    assert_eq!(is_known(machines.run(&machines.other, "status --format json")), true);
    machines.run(&machines.other, "plan --detailed-exitcode").expect(0, &[]);
    // Without the store the other machine knows the task by its content alone.
    assert_eq!(is_known(machines.service.run(&machines.other, "status --format json")), false);
}

#[test]
fn two_machines_take_turns_and_the_second_one_says_who_is_first() {
    let machines = Machines::new(Duration::from_millis(50));
    let apply = machines.words("apply --yes");
    let mut first = machines.service.spawn(&machines.one, &apply);
    machines.wait_for_lease(&mut first);
    let second = machines.run(&machines.other, "apply --yes");
    let first = Repo::ran(first.wait_with_output().unwrap());
    assert_eq!((first.code, second.code), (0, 0), "{}{}", first.err, second.err);
    assert!(second.err.contains("which holds the lease in `file://"), "{}", second.err);
    assert!(second.err.contains("commit "), "{}", second.err);
    assert_eq!(
        machines.service.writes(),
        ["/agents/tasks/create", "/agents/deployments/create"],
        "once each"
    );
}

#[test]
fn a_lock_is_waited_for_no_longer_than_asked() {
    let mut machines = Machines::new(Duration::ZERO);
    // Whoever connects waits for an answer that never comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    machines.service.address = format!("http://{}", silent.local_addr().unwrap());
    let mut first = machines.service.spawn(&machines.one, &machines.words("apply --yes"));
    machines.wait_for_lease(&mut first);
    let second = machines.run(&machines.other, "apply --yes --lock-timeout 0s");
    assert_eq!(second.code, 1, "{}", second.err);
    assert!(second.err.contains("`--lock-timeout` is over"), "{}", second.err);
    first.kill().unwrap();
    first.wait().unwrap();
    let shown = machines.run(&machines.other, "unlock");
    assert_eq!(shown.code, 3, "{}", shown.err);
    assert!(shown.out.contains("process "), "{}", shown.out);
    machines.run(&machines.other, "unlock --yes").expect(0, &["was taken away"]);
    machines.run(&machines.other, "unlock --yes").expect(0, &["No apply holds"]);
    let mut next = machines.service.spawn(&machines.other, &machines.words("apply --yes"));
    machines.wait_for_lease(&mut next);
    assert!(next.try_wait().unwrap().is_none(), "it has the lease");
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn a_plan_reviewed_on_one_machine_is_applied_on_another_and_leaves_its_report_in_the_store() {
    let machines = Machines::new(Duration::ZERO);
    let place = format!("file://{}", machines.store.path().join("kept").display());
    let said = machines.run(&machines.one, &format!("plan --out {place}/plan.json"));
    assert!(said.err.contains(&format!("qcops apply {place}/plan.json")), "{}", said.err);
    let outputs = format!("--output json={place}/report.json --output markdown={place}/a/b.md");
    let words = format!("apply {place}/plan.json --wait {outputs}");
    let applied = machines.run(&machines.other, &words);
    applied.expect(0, &["Apply complete: 2 succeeded."]);
    assert!(applied.err.contains("Transcripts are in `file://"), "{}", applied.err);
    let folder = machines.store.path().join("kept");
    let report = std::fs::read_to_string(folder.join("report.json")).unwrap();
    assert!(report.contains("\"is_interrupted\": false"), "{report}");
    assert!(std::fs::read_to_string(folder.join("a/b.md")).unwrap().contains("task.spy"));
    let transcripts = machines.values("md").concat();
    assert!(transcripts.contains("Buy SPY"), "{transcripts}");
    for (words, code, part) in [
        (format!("apply {place}/plan.json"), 6, "nothing is left to do"),
        (format!("apply {place}/other.json"), 1, "there is no plan file"),
        ("plan --out s3://bucket".to_owned(), 1, "names no document"),
        ("plan --out ftp://bucket/plan.json".to_owned(), 1, "is no store"),
        ("plan --out s3://user:secret@bucket/plan.json".to_owned(), 1, "holds a user"),
        ("plan --out s3://bucket/plan.json?sig=secret".to_owned(), 1, "names no document"),
        (format!("plan --output gitlab={place}/x.json"), 1, "it goes to a file"),
        (format!("plan --out {place}/x --output json={place}/x"), 1, "writes too"),
        (format!("apply {place}/x --output json={place}/x"), 1, "this command reads"),
    ] {
        let ran = machines.service.run(&machines.other, &words);
        assert_eq!(ran.code, code, "{words}: {}", ran.err);
        assert!(ran.err.contains(part), "{words}: {}", ran.err);
        assert!(!ran.err.contains("secret"), "{words}: {}", ran.err);
    }
}

#[test]
fn a_store_that_cannot_be_reached_stops_an_apply_before_it_begins() {
    let machines = Machines::new(Duration::ZERO);
    let file = machines.store.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    for (store, said) in [
        (format!("file://{}", file.display()), "failed to"),
        ("s3://bucket/x".to_owned(), "failed to"),
        ("ftp://bucket/x".to_owned(), "s3://BUCKET/FOLDER"),
    ] {
        let words = format!("apply --yes --store {store}");
        let mut command = machines.service.command(&machines.one, &words);
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "very-secret");
        let ran = Repo::ran(command.output().unwrap());
        assert_eq!(ran.code, 1, "{store}: {}", ran.err);
        assert!(ran.err.contains(said) && !ran.err.contains("very-secret"), "{store}: {}", ran.err);
    }
    assert_eq!(machines.service.writes(), [""; 0]);
}

#[test]
fn an_apply_that_loses_its_store_begins_nothing_new_and_the_next_one_converges() {
    let machines = Machines::new(Duration::from_millis(100));
    let tasks = [0, 1, 2, 3, 4, 5].map(|n| format!("t{n}: {{prompt: p{n}}}\n")).concat();
    machines.one.tasks(&tasks).commit("six");
    let mut first = machines.service.spawn(&machines.one, &machines.words("apply --yes"));
    while machines.service.writes().is_empty() && first.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // Where the ledger was, nothing can be written any more.
    let scope =
        std::fs::read_dir(machines.store.path()).unwrap().map(|entry| entry.unwrap().path());
    let ledger = scope.map(|scope| scope.join("ledger")).find(|ledger| ledger.is_dir()).unwrap();
    let aside = ledger.with_file_name("aside");
    std::fs::rename(&ledger, &aside).unwrap();
    std::fs::write(&ledger, "no folder").unwrap();
    let first = Repo::ran(first.wait_with_output().unwrap());
    assert_eq!(first.code, 4, "{}{}", first.out, first.err);
    assert!(first.out.contains("not-recorded"), "{}", first.out);
    assert!(machines.service.counts().0.len() < 6, "{:?}", machines.service.counts());
    std::fs::remove_file(&ledger).unwrap();
    std::fs::rename(&aside, &ledger).unwrap();
    machines.run(&machines.one, "apply --yes --settle-delays 0").expect(0, &[]);
    let (tasks, _) = machines.service.counts();
    assert_eq!((tasks.len(), tasks.values().max()), (6, Some(&1)), "{tasks:?}");
}

/// Kills an apply of one machine after each number of requests, with effects that arrive late, and
/// applies at once from another machine with the same store.
#[test]
fn an_apply_that_was_killed_is_finished_by_another_machine_without_duplicates() {
    for count in 1..6 {
        let machines = Machines::new(Duration::ZERO);
        machines.service.faults(&["tasks/create#1=late:1", "deployments/create#1=late:1"]);
        let mut first = machines.service.spawn(&machines.one, &machines.words("apply --yes"));
        machines.service.wait_for(count, &mut first);
        first.kill().unwrap();
        first.wait().unwrap();
        let fresh = machines.one.clone_with("");
        let ran = machines.run(&fresh, "apply --yes --settle-delays 1");
        assert_eq!(ran.code, 0, "{count}: {}{}", ran.out, ran.err);
        let writes = machines.service.writes();
        machines.run(&fresh, "plan --detailed-exitcode").expect(0, &[]);
        let (tasks, deployments) = machines.service.counts();
        assert_eq!(tasks.values().collect::<Vec<_>>(), [&1], "{count}: {writes:?}");
        assert_eq!(deployments, 1, "{count}: {writes:?}");
    }
}
