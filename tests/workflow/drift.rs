//! The nightly check: what is pending, what has drifted and what has failed, and the one issue about it.

use super::runner::{Forge, Job, Runner};
use super::{apply, plan, proposed, squash_merge};
use crate::process::Service;
use crate::support::repo::Repo;

const PUSH: [(&str, &str); 1] = [("github.event_name", "push")];

fn drift(runner: &Runner<'_>) -> Job {
    runner.run("drift", "drift", &[("github.event_name", "schedule")])
}

/// Merges the branch `change`, which the pull request 7 proposes.
fn merge(repo: &Repo, forge: &Forge) -> String {
    let commit = squash_merge(repo);
    forge.merge(7, &commit);
    commit
}

fn by_hand(shown: &Job) -> [(&'static str, String); 2] {
    let (_, digest) = shown.summary.split_once("Digest: `").unwrap();
    [
        ("github.event_name", "workflow_dispatch".to_owned()),
        ("inputs.digest", digest[..64].to_owned()),
    ]
}

fn apply_by_hand(runner: &Runner<'_>, shown: &Job) -> Job {
    let event = by_hand(shown);
    let event: Vec<(&str, &str)> = event.iter().map(|(name, value)| (*name, &**value)).collect();
    apply(runner, &event)
}

#[test]
fn follow_ups_are_pending_until_an_apply_waits_for_them() {
    let tasks = "spy: {prompt: Buy SPY, deployments: {first: {followUps: [Hedge, Report]}}}";
    let (repo, service, forge) = (proposed(tasks), Service::of_quick_agents("[]"), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    plan(&runner).expect(0, &["1 to create, 1 to deploy"]);
    let commit = merge(&repo, &forge);
    runner.with("wait", "").run("apply", "apply", &PUSH).expect(0, &["2 succeeded"]);
    forge.apply_is(&commit, "success");
    assert_eq!(service.said(), ["Buy SPY"]);

    let night = drift(&runner);
    night.expect(0, &["1 to prompt", "Pending: Only deployments and follow-ups are due"]);
    assert!(night.log.contains("::notice title=qcops::Pending"), "{}", night.log);
    assert!(forge.issues().is_empty());
    // Often, because the test has no time.
    let often = runner.with("flags", "--poll-interval=10ms");
    apply_by_hand(&often, &night).expect(0, &["Apply complete"]);
    assert_eq!(service.said(), ["Buy SPY/Hedge/Report"]);
    drift(&runner).expect(0, &["No changes"]);
}

#[test]
fn one_issue_tells_drift_from_failure_and_is_closed_once_nothing_differs() {
    let (repo, service, forge) =
        (proposed("spy: {prompt: Buy SPY}"), Service::start(), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    plan(&runner).expect(0, &[]);
    let commit = merge(&repo, &forge);
    forge.apply_is(&commit, "pending");
    drift(&runner).expect(0, &["Pending: The apply of this commit has not ended yet"]);
    assert!(forge.issues().is_empty());

    forge.apply_is(&commit, "failure");
    repo.git("commit -q --allow-empty -m next");
    let next = repo.git("rev-parse HEAD");
    forge.apply_is(&next, "failure");
    drift(&runner).expect(2, &["The apply of this commit failed"]);
    let expect_issue = |number: usize, state: &str, title: &str, words: &str| {
        let issues = forge.issues();
        assert_eq!(issues.len(), number, "{issues:?}");
        let [is, named, body] = &issues[number - 1];
        assert_eq!((&**is, &**named), (state, title), "{body}");
        assert!(
            body.starts_with("<!-- qcops-comment qcops -->\n") && body.contains(words),
            "{body}"
        );
    };
    expect_issue(1, "open", "qcops: failed", "1 to create");

    repo.git(&format!("checkout -q -B main {commit}"));
    apply(&runner, &PUSH).expect(0, &[]);
    repo.git(&format!("checkout -q -B main {next}"));
    forge.apply_is(&next, "success");
    drift(&runner).expect(0, &[]);
    expect_issue(1, "closed", "qcops: clean", "No changes");

    let task = service.task_named("spy");
    service.post("agents/tasks/update", &format!(r#"{{"taskId": {task}, "name": "By hand"}}"#));
    for _ in 0..2 {
        let found = drift(&runner);
        found.expect(2, &["By hand", "The service no longer matches the manifest"]);
        expect_issue(2, "open", "qcops: drift", "By hand");
    }
    repo.write("tasks.yaml", "version: 1\ntasks: {spy: {promt: Buy}}\n");
    drift(&runner).expect(1, &["unknown field `promt`"]);
    expect_issue(2, "open", "qcops: failed", "unknown field `promt`");
    repo.git("checkout -q .");
    apply_by_hand(&runner, &drift(&runner)).expect(0, &[]);
    drift(&runner).expect(0, &[]);
    expect_issue(2, "closed", "qcops: clean", "No changes");
}

#[test]
fn a_failed_deployment_fails_the_apply_that_waited_and_is_not_repeated_at_night() {
    let tasks = "spy: {prompt: Buy SPY, deployments: {first: {expect: {status: Completed}}}}";
    let rules = "[{promptContains: SPY, outcome: failed}]";
    let (repo, service, forge) = (proposed(tasks), Service::of_quick_agents(rules), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    plan(&runner).expect(0, &[]);
    let commit = merge(&repo, &forge);
    apply(&runner, &PUSH).expect(7, &["Applied, but a deployment failed what is expected of it"]);
    forge.apply_is(&commit, "failure");
    drift(&runner).expect(0, &["No changes"]);
    assert_eq!(service.said(), ["Buy SPY"], "it is paid for once");
    assert!(forge.issues().is_empty());
}
