//! Pairs of applies from two checkouts with one store: at once, and one after the other was killed.
//!
//! Three rounds, in a folder; `QCOPS_TEST_ROUNDS` asks for more, and `QCOPS_TEST_STORES` for other stores, which
//! `.ci/stores` starts: `QCOPS_TEST_ROUNDS=50 .ci/stores cargo test --test tests -- process::pairs`.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::process::Service;
use crate::support::repo::{Ran, Repo};

/// How many pairs there are.
fn rounds() -> usize {
    variable("QCOPS_TEST_ROUNDS").parse().unwrap_or(3)
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The stores, each at a place that no other test uses.
fn stores(folder: &std::path::Path) -> Vec<String> {
    let named = variable("QCOPS_TEST_STORES");
    let own = folder.file_name().unwrap().to_str().unwrap();
    let named = named.split_whitespace().map(|address| format!("{address}/{own}"));
    std::iter::once(format!("file://{}", folder.display())).chain(named).collect()
}

/// An apply, with what the servers of `.ci/stores` want to know.
fn apply(service: &Service, repo: &Repo, words: &str) -> Child {
    let mut command = service.command(repo, words);
    let names = |name: &str| name.starts_with("AWS_") || name.starts_with("AZ");
    command.envs(std::env::vars().filter(|(name, _)| names(name)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Repo::ran(child.wait_with_output().unwrap())
}

#[expect(clippy::print_stdout, reason = "a number that is asked for")]
fn print(text: &str) {
    println!("{text}");
}

/// Declares one more task, which differs from all others.
fn declare(repo: &Repo, count: usize) {
    let lines = (0..count).map(|n| {
        format!("t{n}: {{prompt: Buy the stock number {n}, deployments: {{first: {{}}}}}}\n")
    });
    repo.tasks(&lines.collect::<String>()).commit("one more");
}

/// Checks that each task and each deployment is there once.
fn check(service: &Service, count: usize, when: &str) {
    let (tasks, deployments) = service.counts();
    assert_eq!(tasks.len(), count, "{when}");
    assert!(tasks.values().all(|count| *count == 1), "{when}: {tasks:?}");
    assert_eq!(deployments, count, "{when}");
}

#[test]
fn applies_that_begin_at_once_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    for (at, store) in stores(folder.path()).iter().enumerate() {
        let service = Service::with_latency(Duration::from_millis(10));
        let (one, mut waited) = (Repo::new(), 0);
        for round in 1..=rounds() {
            declare(&one, round);
            let other = one.clone_with("");
            let words =
                format!("apply --yes --store {store} --max-deployments 100 --lease-time 5s");
            let ended = [&one, &other].map(|repo| apply(&service, repo, &words)).map(end);
            assert!(ended.iter().all(|ran| ran.code == 0), "{store} {round}: {ended:?}");
            let is_waiting = |text: &str| text.contains("which holds the lease in");
            waited += ended.iter().filter(|ran| is_waiting(&ran.err)).count();
            check(&service, round, &format!("{store} {round}"));
        }
        print(&format!(
            "store {at}: {} pairs, the second one named the first in {waited}",
            rounds()
        ));
        assert!(waited > 0, "{store}");
        assert_eq!(service.writes().len(), 2 * rounds(), "{store}: each was sent once");
    }
}

#[test]
fn a_fresh_clone_applies_at_once_after_an_apply_elsewhere_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    for (at, store) in stores(folder.path()).iter().enumerate() {
        let service = Service::with_latency(Duration::from_millis(10));
        let (one, mut killed) = (Repo::new(), 0);
        declare(&one, 1);
        let words = format!(
            "apply --yes --store {store} --max-deployments 100 --lease-time 1s --settle-delays 1,1"
        );
        end(apply(&service, &one, &words)).expect(0, &[]);
        for round in 2..=rounds() + 1 {
            // What is sent takes effect at once, or a second after its connection broke.
            let late = ["tasks/create#1=late:1", "deployments/create#1=late:1", "*#99=late:1"];
            service.faults(&late[round % 3..=round % 3]);
            declare(&one, round);
            let before = service.emulator.requests().len();
            let mut first = apply(&service, &one, &words);
            service.wait_for(before + 1 + round * 5 % 7, &mut first);
            killed += usize::from(first.try_wait().unwrap().is_none());
            first.kill().unwrap();
            first.wait().unwrap();
            let other = one.clone_with("");
            let next = end(apply(&service, &other, &words));
            assert!(matches!(next.code, 0 | 4), "{store} {round}: {}", next.err);
            service.faults(&[]);
            end(apply(&service, &other, &words)).expect(0, &[]);
            check(&service, round, &format!("{store} {round}"));
        }
        print(&format!("store {at}: {} applies, of which {killed} were killed", rounds()));
    }
}
