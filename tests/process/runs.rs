//! Deployments that are waited for by a process: killed, interrupted, and reported to a CI.

use std::process::Child;

use junit_parser::TestStatus;
use qcops::clock::Clock;
use qcops::emulator::{World, run_rules};
use qcops::manifest::read_yaml_as;
use qcops::model::{DeploymentId, TaskId};

use super::{APPLY, Service, repo, signal};
use crate::support::repo::Repo;
use crate::support::world::client_of;

impl Service {
    /// A service whose agents answer at once, but as the rules of this script say.
    pub(crate) fn of_quick_agents(rules: &str) -> Self {
        let service = Self::start();
        let rules = read_yaml_as(&format!("version: 1\nruns: {rules}")).and_then(run_rules);
        service.edit(|world| {
            world.rules = rules.unwrap();
            world.quirks.set("queue-ms=0").unwrap();
            world.quirks.set("run-ms=0").unwrap();
        });
        service
    }

    pub(super) fn edit<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.emulator.with_world(edit)).unwrap()
    }

    /// What users said in every deployment, the oldest deployment first.
    pub(crate) fn said(&self) -> Vec<String> {
        self.edit(|world| {
            let mut runs: Vec<_> = world.deployments().collect();
            runs.sort_by_key(|run| run.number);
            let said = runs.iter().map(|run| {
                let turns = run.messages.iter().filter(|message| message.role == "user");
                let texts = turns.map(|turn| turn.parts[0]["text"].as_str().unwrap());
                texts.collect::<Vec<_>>().join("/")
            });
            said.collect()
        })
    }

    /// Waits until a path was asked for so often, or the process has ended.
    fn wait_for_path(&self, end: &str, count: usize, child: &mut Child) {
        let seen = || {
            let requests = self.emulator.requests();
            requests.iter().filter(|logged| logged.path.ends_with(end)).count()
        };
        while seen() < count && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }

    pub(super) fn count_of(&self, end: &str) -> usize {
        self.writes().iter().filter(|path| path.ends_with(end)).count()
    }
}

#[test]
fn a_process_killed_after_the_first_of_three_follow_ups_leaves_the_rest_to_another_one() {
    for keeps_ledger in [true, false] {
        let service = Service::of_quick_agents("[]");
        let repo = repo("spy: {prompt: p, deployments: {first: {followUps: [a, b, c]}}}");
        // The first look finds the deployment idle; the next one would come in an hour.
        let mut child = service.spawn(&repo, &format!("{APPLY} --wait --poll-interval 1h"));
        service.wait_for_path("deployments/prompt", 1, &mut child);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "it was at work until it was killed");
        assert_eq!(service.said(), ["p/a"]);
        let next = if keeps_ledger { repo } else { repo.clone_with("") };
        let waiting = format!("{APPLY} --wait --poll-interval 10ms");
        let applied = service.run(&next, &waiting);
        assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
        assert_eq!(service.said(), ["p/a/b/c"], "ledger: {keeps_ledger}");
        let again = service.run(&next, &waiting);
        assert_eq!(again.code, 0, "{}{}", again.out, again.err);
        assert_eq!(service.run(&next, "plan --detailed-exitcode").code, 0);
        assert_eq!(service.count_of("deployments/create"), 1);
        assert_eq!(service.count_of("deployments/prompt"), 3);
    }
}

#[test]
fn an_interrupt_while_waiting_stops_nothing_and_the_next_apply_follows_the_run() {
    let service = Service::of_quick_agents("[{promptContains: forever, outcome: hangs}]");
    // Somebody else's run holds the only node, so that ours waits in the queue.
    let theirs = service.edit(|world| {
        world.quirks.set("concurrent-runs=1").unwrap();
        world.add_task("Theirs", 47, "Work forever")
    });
    let client = client_of(&service.emulator, Clock::System);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let holder: DeploymentId = runtime
        .block_on(async { client.create_deployment(TaskId(theirs)).await.into_result() })
        .unwrap()
        .id;
    let repo = repo("spy: {prompt: p, deployments: {first: {expect: {status: Completed}}}}");
    let mut child = service.spawn(
        &repo,
        &format!(
            "{APPLY} --wait --poll-interval 1h --output json=report.json --output junit=runs.xml"
        ),
    );
    service.wait_for_path("deployments/read", 1, &mut child);
    signal(&child, "INT");
    let ran = Repo::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the waiting was interrupted; it goes on"), "{}", ran.out);
    let report: serde_json::Value = serde_json::from_str(&repo.read("report.json")).unwrap();
    assert_eq!(report["steps"][1]["status"], "succeeded", "{report:#}");
    assert_eq!(
        (&report["is_interrupted"], &report["deployments"][0]["result"]),
        (&true.into(), &"left".into())
    );
    let junit = junit_parser::from_reader(repo.read("runs.xml").as_bytes()).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.skipped), (1, 0, 1));
    assert_eq!((service.count_of("deployments/stop"), service.said().len()), (0, 2));

    let mut child = service.spawn(&repo, &format!("{APPLY} --wait --poll-interval 10ms"));
    service.wait_for_path("deployments/read", 3, &mut child);
    assert!(child.try_wait().unwrap().is_none(), "the deployment still waits for a node");
    runtime.block_on(client.stop_deployment(&holder)).into_result().unwrap();
    let ran = Repo::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("    ok task.spy/first: deployment A-"), "{}", ran.out);
    assert_eq!(
        (service.count_of("deployments/stop"), service.count_of("deployments/create")),
        (1, 2)
    );
}

#[test]
fn a_persons_turn_between_follow_ups_exits_3_while_other_tasks_go_on_and_one_after_the_last_exits_0()
 {
    let service = Service::of_quick_agents("[]");
    let spy = |follow_ups: &str| {
        format!("spy: {{prompt: p, deployments: {{first: {{followUps: [{follow_ups}]}}}}}}")
    };
    let repo = repo(&spy("a"));
    for _ in 0..2 {
        assert_eq!(service.run(&repo, APPLY).code, 0);
    }
    let client = client_of(&service.emulator, Clock::System);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let id = service.edit(|world| world.deployments().next().unwrap().id.clone());
    let id = DeploymentId(id);
    runtime.block_on(client.prompt_deployment(&id, "my own")).into_result().unwrap();
    // Behind the last follow-up anybody may talk.
    for words in
        [APPLY.to_owned(), format!("{APPLY} --wait"), "plan --detailed-exitcode".to_owned()]
    {
        let ran = service.run(&repo, &words);
        assert_eq!(ran.code, 0, "{words}: {}{}", ran.out, ran.err);
    }
    // One more declared follow-up, and it stands between two.
    repo.tasks(&format!(
        "{}\nqqq: {{prompt: q, deployments: {{only: {{followUps: [e]}}}}}}",
        spy("a, b")
    ));
    let ran = service.run(&repo, &format!("{APPLY} --wait --poll-interval 10ms"));
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("follow-up 2: said \"my own\""), "{}", ran.out);
    assert_eq!(service.said(), ["p/a/my own", "q/e"]);
}

#[test]
fn a_run_that_never_ends_is_stopped_at_its_limit_and_its_transcript_saved() {
    // What was started earlier has no budget, and is waited for until its time is over.
    for limit in [
        "--timeout 10ms",
        "--token-budget 1000 --timeout 500ms",
        "--wait-timeout 200ms --timeout 1h",
    ] {
        let service = Service::of_quick_agents("[{promptContains: forever, outcome: hangs}]");
        let repo = repo("spy: {prompt: Work forever, deployments: {early: {}}}");
        assert_eq!(service.run(&repo, APPLY).code, 0);
        repo.tasks("spy: {prompt: Work forever, deployments: {early: {}}}\nqqq: {prompt: forever, deployments: {one: {}, two: {}}}");
        let words = format!("{APPLY} --wait --poll-interval 10ms --artifacts kept {limit}");
        let ran = service.run(&repo, &words);
        assert_eq!(ran.code, 7, "{limit}: {}{}", ran.out, ran.err);
        assert_eq!(service.count_of("deployments/stop"), 2, "{limit}: {}", ran.out);
        let active = service.edit(|world| {
            let active = world.deployments().filter(|run| run.ended.is_none());
            active.map(|run| run.prompt.clone()).collect::<Vec<_>>()
        });
        assert_eq!(active, ["Work forever"], "{limit}: what was started earlier goes on");
        let kept = std::fs::read_dir(repo.path().join("kept")).unwrap();
        let mut kept: Vec<String> =
            kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        kept.sort();
        let begins: Vec<&str> = kept.iter().map(|name| name.split(".A-").next().unwrap()).collect();
        assert_eq!(begins, ["qqq.one", "qqq.one", "qqq.two", "qqq.two", "spy.early", "spy.early"]);
        let saved = repo.read(&format!("kept/{}", kept[0]));
        assert!(saved.contains("Stopped") && saved.contains("forever"), "{saved}");
    }
}

#[test]
fn standard_output_is_the_junit_document_and_nothing_else_where_that_is_asked_for() {
    let service = Service::of_quick_agents("[]");
    let repo = repo("spy: {prompt: p, deployments: {one: {}, two: {expect: {maxTokens: 1}}}}");
    let waiting =
        format!("{APPLY} --wait --poll-interval 10ms --format junit --output junit=runs.xml");
    for round in ["started", "judged again"] {
        let ran = service.run(&repo, &waiting);
        assert_eq!(ran.code, 7, "{round}: {}{}", ran.out, ran.err);
        let junit = junit_parser::from_reader(ran.out.as_bytes()).unwrap();
        assert_eq!((junit.tests, junit.failures), (2, 1), "{round}: {}", ran.out);
        let told = "maxTokens: expected at most 1; found ";
        assert!(ran.out.contains(told) && ran.err.contains(told), "{round}: {}", ran.err);
        assert!(ran.err.starts_with("Plan: ") || round != "started", "{}", ran.err);
        assert_eq!(repo.read("runs.xml"), ran.out);
    }
    repo.tasks("spy: {prompt: p}").commit("no deployment is declared");
    std::fs::remove_file(repo.path().join("runs.xml")).unwrap();
    let none = service.run(&repo, &waiting);
    assert_eq!(none.code, 0, "{}{}", none.out, none.err);
    assert_eq!(junit_parser::from_reader(none.out.as_bytes()).unwrap().tests, 0, "{}", none.out);
    assert_eq!(repo.read("runs.xml"), none.out);
    repo.tasks("spy: {prompt: q}");
    let refused = service.run(&repo, "apply --wait --format junit");
    assert_eq!(refused.code, 3, "{}{}", refused.out, refused.err);
    assert_eq!(refused.out, none.out);
    let ran = service.run(&repo, "apply --yes --format junit");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("--wait"), "{}", ran.err);
}

#[test]
fn a_transcript_that_cannot_be_saved_is_said_and_the_others_are_saved() {
    let service = Service::of_quick_agents("[]");
    let repo = repo("spy: {prompt: p, deployments: {one: {}, two: {}}}");
    let run = |flags: &str| {
        service.run(&repo, &format!("{APPLY} --wait --poll-interval 10ms --artifacts kept {flags}"))
    };
    assert_eq!(run("").code, 0);
    let names = || {
        let kept = std::fs::read_dir(repo.path().join("kept")).unwrap();
        let kept = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        kept.collect::<std::collections::BTreeSet<_>>()
    };
    let all = names();
    assert_eq!(all.len(), 4, "{all:?}");
    for ending in [".md", ".json"] {
        // A folder stands where the form is to be written.
        let name = all.iter().find(|name| name.contains(".one.") && name.ends_with(ending));
        let path = repo.path().join("kept").join(name.unwrap());
        std::fs::remove_dir_all(repo.path().join("kept")).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        let ran = run("");
        assert_eq!(ran.code, 4, "{ending}: {}{}", ran.out, ran.err);
        let told = "the conversation of `spy/one` was not saved: failed to";
        assert!(ran.err.contains(told), "{ending}: {}", ran.err);
        let saved = names().iter().filter(|name| name.contains(".two.")).count();
        assert_eq!(saved, 2, "{ending}: {:?}", names());
        // No Markdown stands without all there is.
        let of_one = names().iter().filter(|name| name.contains(".one.")).count();
        assert_eq!(of_one, if ending == ".md" { 2 } else { 1 }, "{ending}: {:?}", names());
    }
}

#[test]
fn every_report_says_that_the_time_for_all_waiting_was_over() {
    let service = Service::of_quick_agents("[{promptContains: forever, outcome: hangs}]");
    let repo = repo(
        "done: {prompt: p, deployments: {only: {}}}\nspy: {prompt: forever, deployments: {one: {}, two: {}}}",
    );
    let files = "--output json=report.json --output junit=runs.xml --output html=page.html";
    let words = format!("{APPLY} --wait --poll-interval 1h --wait-timeout 100ms {files}");
    let ran = service.run(&repo, &words);
    ran.expect(7, &["Runs: 1 as expected, 2 failed", "    ok task.done/only: deployment A-"]);
    let report: serde_json::Value = serde_json::from_str(&repo.read("report.json")).unwrap();
    let ends = report["deployments"].as_array().unwrap().iter().map(|run| {
        let words =
            ["deployment", "status", "result", "end"].map(|name| run[name].as_str().unwrap());
        words.join(" ")
    });
    assert_eq!(
        ends.collect::<Vec<_>>(),
        ["only Completed ok ended", "one Stopped failed wait-over", "two Stopped failed wait-over"]
    );
    let why = "time for all waiting: it took longer than 0.1 s; it was stopped";
    assert_eq!(report["deployments"][1]["failures"][0], why);
    let junit = junit_parser::from_reader(repo.read("runs.xml").as_bytes()).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.skipped), (3, 2, 0));
    let TestStatus::Failure(failure) = &junit.suites[0].cases[1].status else {
        panic!("{junit:?}")
    };
    assert_eq!(failure.message, why);
    assert!(ran.out.contains(why) && repo.read("page.html").contains(why), "{}", ran.out);
}

#[test]
fn the_junit_file_is_read_by_a_parser_that_is_not_ours_whatever_stands_in_it() {
    const EVIL: &str = "]]> <script>alert(1)</script> </failure> &amp; \u{1b}[31m \u{0} \u{ffff} \"x\" 'y' --> ::error::";
    let service = Service::of_quick_agents("[{promptContains: evil}]");
    service.edit(|world| world.rules[0].says = Some(EVIL.to_owned()));
    // What is expected is foreign too: a pull request may have brought it.
    let expected = EVIL.replace(['\u{0}', '\u{1b}', '\u{ffff}'], "!").replace("(1)", "(2)");
    let evil = serde_json::to_string(&expected).unwrap();
    let repo = repo(&format!(
        "bad: {{prompt: evil, deployments: {{first: {{expect: {{transcript: {{notContains: alert(1), contains: [Sortino, {evil}]}}}}}}, second: {{expect: {{maxTurns: 1}}}}}}}}\n\
         good: {{prompt: p, deployments: {{only: {{}}}}}}"
    ));
    let words = format!(
        "{APPLY} --wait --poll-interval 10ms --output junit=runs.xml --output json=report.json"
    );
    let ran = service.run(&repo, &words);
    assert_eq!(ran.code, 7, "{}{}", ran.out, ran.err);
    let report: serde_json::Value = serde_json::from_str(&repo.read("report.json")).unwrap();
    let results = report["deployments"].as_array().unwrap().iter().map(|run| {
        let failures = run["failures"].as_array().unwrap().len();
        (run["deployment"].as_str().unwrap(), run["result"].as_str().unwrap(), failures)
    });
    let expected = [("first", "failed", 3), ("second", "ok", 0), ("only", "ok", 0)];
    assert_eq!(results.collect::<Vec<_>>(), expected, "{report:#}");
    let xml = repo.read("runs.xml");
    let junit = junit_parser::from_reader(xml.as_bytes()).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.errors, junit.skipped), (3, 1, 0, 0), "{xml}");
    let [suite] = junit.suites.as_slice() else { panic!("one suite: {xml}") };
    let names: Vec<_> = suite
        .cases
        .iter()
        .map(|case| (case.classname.as_deref().unwrap(), case.original_name.as_str()))
        .collect();
    assert_eq!(names, [("task.bad", "first"), ("task.bad", "second"), ("task.good", "only")]);
    assert!(suite.cases[1..].iter().all(|case| case.status.is_success()), "{xml}");
    let TestStatus::Failure(failure) = &suite.cases[0].status else { panic!("{xml}") };
    // The lines that people were shown; XML cannot hold the last character of Unicode's first plane.
    let shown: Vec<String> = ran
        .out
        .lines()
        .skip_while(|line| !line.starts_with("failed task.bad/first"))
        .skip(1)
        .take_while(|line| line.starts_with("       "))
        .map(|line| line.trim_start().replace('\u{ffff}', "?"))
        .collect();
    assert_eq!(shown.len(), 3, "{}", ran.out);
    assert_eq!(failure.message, shown[0]);
    // This parser breaks a text where a character is escaped, and leaves that one out.
    let mut rest = shown.join("\n");
    for piece in failure.text.lines().filter(|piece| !piece.is_empty()) {
        let at = rest.find(piece).unwrap_or_else(|| panic!("no {piece:?} in {rest:?}"));
        assert!(rest[..at].chars().all(|c| "<>&\"\n ".contains(c)), "{rest:?} before {piece:?}");
        rest = rest.split_off(at + piece.len());
    }
    assert_eq!(rest, "", "nothing is left out");
    assert!(shown.iter().any(|line| line.contains("<script>")), "{shown:?}");
    let output = suite.cases[0].system_out.as_deref().unwrap();
    assert!(output.starts_with("deployment A-") && output.ends_with(" is Completed"), "{output}");
    assert!(!xml.chars().any(|c| c.is_control() && c != '\n'), "{xml}");
}

#[test]
fn a_run_that_ended_before_its_follow_ups_is_a_failed_test_at_every_apply() {
    for (outcome, status) in [("stopped", "Stopped"), ("failed", "Failed")] {
        let rule = format!("[{{promptContains: p, outcome: {outcome}}}]");
        let service = Service::of_quick_agents(&rule);
        let repo = repo(
            "spy: {prompt: p, deployments: {one: {followUps: [a, b]}, two: {state: stopped, followUps: [c]}}}",
        );
        let words = format!("{APPLY} --wait --poll-interval 10ms --output junit=runs.xml");
        let why = format!("follow-ups: 2 were not sent; the deployment has ended as {status}");
        for code in [7, 3] {
            let ran = service.run(&repo, &words);
            ran.expect(code, &["Runs: 1 failed.", &why]);
            let xml = repo.read("runs.xml");
            let junit = junit_parser::from_reader(xml.as_bytes()).unwrap();
            assert_eq!((junit.tests, junit.failures), (1, 1), "{xml}");
        }
        // Nothing is asked of it any more.
        repo.tasks("spy: {prompt: p, deployments: {one: {}}}");
        let ran = service.run(&repo, &words);
        ran.expect(0, &["Runs: 1 as expected."]);
        assert_eq!(service.said(), ["p"]);
    }
}
