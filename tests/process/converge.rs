//! Declared deployments by processes: each is started once, each follow-up sent once, and what may not be
//! paid for is not.

use std::process::Child;

use qcops::emulator::DeploymentPhase;

use super::{APPLY, Service, repo};
use crate::support::repo::Repo;

const WAIT: &str = "--wait --poll-interval 10ms";

/// Three tasks with two deployments each, which have three follow-ups.
const SIX: &str = "spy: {prompt: p, deployments: {one: {followUps: [a, b]}, two: {followUps: [c]}}}
qqq: {prompt: q, deployments: {one: {followUps: [a, b]}, two: {followUps: [c]}}}
gld: {prompt: r, deployments: {one: {followUps: [a, b]}, two: {followUps: [c]}}}";

/// Expects that everything that was declared was asked for, once each and in order.
fn expect_each_once(service: &Service, told_by: &str) {
    let mut said = service.said();
    said.retain(|said| said != "Work forever");
    said.sort();
    assert_eq!(said, ["p/a/b", "p/c", "q/a/b", "q/c", "r/a/b", "r/c"], "{told_by}");
    let counts = ["tasks/create", "deployments/create", "deployments/prompt"]
        .map(|end| service.count_of(end));
    assert_eq!((counts, service.writes().len()), ([3, 6, 9], 18), "{told_by}");
}

#[test]
fn six_runs_with_follow_ups_come_true_in_one_apply_and_ten_further_ones_send_nothing() {
    let service = Service::of_quick_agents("[]");
    service.edit(|world| world.quirks.set("run-ms=30").unwrap());
    let repo = repo(SIX);
    let ran = service.run(&repo, &format!("{APPLY} --max-deployments 6 {WAIT}"));
    ran.expect(0, &["Runs: 6 as expected."]);
    expect_each_once(&service, "the first apply");
    for round in 0..10 {
        let wait = if round % 2 == 0 { WAIT } else { "" };
        // A machine of CI remembers nothing.
        let forgetful = if round < 5 { &repo } else { repo.on_another_machine() };
        let ran = service.run(forgetful, &format!("{APPLY} --max-deployments 6 {wait}"));
        assert_eq!(ran.code, 0, "{round}: {}{}", ran.out, ran.err);
        expect_each_once(&service, "a further apply");
    }
}

#[test]
fn ten_applies_started_while_runs_are_at_work_ask_for_each_thing_once_among_them() {
    let service = Service::of_quick_agents("[{promptContains: forever, outcome: hangs}]");
    // Somebody else's run holds the only node, so that ours wait for it as long as the test wants.
    let holder = service.edit(|world| {
        world.quirks.set("concurrent-runs=1").unwrap();
        let theirs = world.add_task("Theirs", 47, "Work forever");
        world.run_task(theirs).unwrap()
    });
    let repo = repo(SIX);
    let start = |round: usize, wait: &str| {
        let mut child = service.spawn(&repo, &format!("{APPLY} --max-deployments 6 {wait}"));
        // The next one is started at another moment of this one, or of the one it waits for.
        let count = service.emulator.requests().len() + 1 + round * 7 % 23;
        service.wait_for(count, &mut child);
        child
    };
    let end = |child: Child| {
        let ran = Repo::ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        ran.out
    };
    let children: Vec<Child> = (0..5).map(|round| start(round, "")).collect();
    let outs: Vec<String> = children.into_iter().map(end).collect();
    let busy = outs.iter().filter(|out| out.contains("deployment-busy")).count();
    assert_eq!(busy, 4, "all but the one that started the deployments");
    assert_eq!(
        ["create", "prompt"].map(|end| service.count_of(&format!("deployments/{end}"))),
        [6, 0]
    );
    let mut children = vec![start(5, WAIT), start(6, "")];
    service.edit(|world| world.end_run(&holder, DeploymentPhase::Stopped));
    children.extend((7..10).map(|round| start(round, if round == 8 { WAIT } else { "" })));
    for child in children {
        end(child);
    }
    assert_eq!(service.run(&repo, &format!("{APPLY} --max-deployments 6 {WAIT}")).code, 0);
    expect_each_once(&service, "ten applies and a last one");
}

#[test]
fn more_runs_than_one_apply_may_start_exit_3_and_none_is_started_until_a_flag_allows_them() {
    let service = Service::of_quick_agents("[]");
    let repo = repo(SIX);
    for words in ["plan", APPLY, &format!("{APPLY} {WAIT}")] {
        let ran = service.run(&repo, words);
        ran.expect(
            3,
            &["too-many-deployments", "6 deployments would be started", "--max-deployments 6"],
        );
        assert_eq!(service.count_of("deployments/create"), 0, "{words}");
    }
    // The limit is a number, and the one below it is too few.
    service
        .run(&repo, &format!("{APPLY} --max-deployments 5"))
        .expect(3, &["too-many-deployments"]);
    assert_eq!(service.count_of("deployments/create"), 0);
    service
        .run(&repo, &format!("{APPLY} --max-deployments 6 {WAIT}"))
        .expect(0, &["Runs: 6 as expected"]);
    expect_each_once(&service, "the apply that may");
}

#[test]
fn a_run_of_another_prompt_or_agent_never_counts() {
    let service = Service::of_quick_agents("[]");
    let repo = repo("spy: {prompt: p}");
    assert_eq!(service.run(&repo, APPLY).code, 0);
    let task = service.task_named("spy");
    // In the web interface somebody tries another prompt, then another agent, and puts both back.
    service.edit(|world| {
        world.edit_prompt(task, "tried out");
        world.run_task(task).unwrap();
        world.edit_prompt(task, "p");
        world.need_agent(48);
        world.task_mut(task).unwrap().agent_id = 48;
        world.run_task(task).unwrap();
        world.task_mut(task).unwrap().agent_id = 47;
    });
    repo.tasks("spy: {prompt: p, deployments: {first: {followUps: [a]}}}");
    for words in ["plan", APPLY, &format!("{APPLY} {WAIT}")] {
        service.run(&repo, words).expect(3, &["deployment-unlike-task"]);
        assert_eq!(
            (service.count_of("deployments/create"), service.said()),
            (0, vec!["tried out".to_owned(), "p".to_owned()]),
            "{words}"
        );
    }
    // Once one of them is the task's own, it serves, and alone is spoken to.
    service.edit(|world| world.run_task(task).unwrap());
    service
        .run(&repo, &format!("{APPLY} {WAIT}"))
        .expect(0, &["    ok task.spy/first: deployment A-"]);
    assert_eq!(service.said(), ["tried out", "p", "p/a"]);
    assert_eq!(service.count_of("deployments/create"), 0, "a person has started all three");
}
