use std::time::Duration;

use super::*;

#[test]
fn a_doubt_that_is_about_no_step_is_not_counted_among_them() {
    let steps = vec![("spy", create("Spy", "Buy"), "it is new", StepStatus::Ready)];
    let mut plan = plan(steps);
    plan.doubts.push(Diagnostic::blocked(Code::IncompleteRead, "a list was not complete"));
    let steps = BTreeMap::from([(StepId(0), StepOutcome::Done(Done::default()))]);
    let outcome = Outcome { steps, is_interrupted: false };
    let text = summarized(&plan, &outcome, &TextOptions::default());
    assert!(text.starts_with("Apply complete: 1 succeeded, 1 blocked."), "{text}");
}

fn sample() -> (Plan, Outcome) {
    let reason = "no matching task exists";
    let plan = plan(vec![
        ("momentum", create("Momentum", PROMPT), reason, StepStatus::Ready),
        (
            "momentum/november",
            run(TaskRef::MadeBy(StepId(0))),
            "its task is new",
            StepStatus::Ready,
        ),
        (
            "value",
            replace("Value", PROMPT, EDITED),
            "prompt cannot be changed in place",
            StepStatus::Ready,
        ),
        ("size", create("Size", "Research size."), reason, StepStatus::Ready),
        ("size/first", run(TaskRef::MadeBy(StepId(3))), "its task is new", StepStatus::Ready),
        ("carry", create("Carry", "Research carry."), reason, StepStatus::Ready),
        (
            "carry/first",
            run(TaskRef::Existing(TaskId(4))),
            "no deployment exists",
            StepStatus::Ready,
        ),
        (
            "old",
            delete("Old", PROMPT),
            "it is no longer declared",
            StepStatus::Deferred(Diagnostic::note(Code::PruneOff, "pruning is off")),
        ),
    ]);
    let settled = Diagnostic::note(Code::Duplicate, "the answer was lost, and the task was found");
    let refused =
        Diagnostic::error(Code::InvalidValue, "the service refused it: \"No such agent\"")
            .help("correct `agent`, then run this again");
    let unknown = Diagnostic::error(Code::IncompleteRead, "no answer came within 30 s, five looks")
        .help("look for a new deployment of task 4 in the web interface, then run this again");
    let done = |task, deployment: Option<&str>, notes| {
        let deployment = deployment.map(|id| DeploymentId(id.to_owned()));
        StepOutcome::Done(Done { task, deployment, notes, ..Done::default() })
    };
    let steps = BTreeMap::from([
        (StepId(0), done(Some(TaskId(512)), None, vec![settled])),
        (StepId(1), done(None, Some("A-0a1b"), Vec::new())),
        (StepId(2), done(Some(TaskId(513)), None, Vec::new())),
        (StepId(3), StepOutcome::Failed(refused)),
        (StepId(4), StepOutcome::Skipped(StepId(3))),
        (StepId(5), StepOutcome::NotStarted(HaltReason::Interrupted)),
        (StepId(6), StepOutcome::Unknown(unknown)),
    ]);
    (plan, Outcome { steps, is_interrupted: true })
}

#[test]
fn the_summary_names_what_was_made_what_failed_and_what_is_unclear() {
    let (plan, outcome) = sample();
    insta::assert_snapshot!(summarized(&plan, &outcome, &TextOptions::default()), @r#"
    Apply interrupted: 3 succeeded, 1 failed, 1 skipped, 1 unknown, 1 not started, 1 deferred.
      + task.momentum created: task 512
      ▶ task.momentum/november started: deployment A-0a1b
    -/+ task.value replaced: task 513
    note[duplicate] task.momentum: the answer was lost, and the task was found
    skipped task.size/first: it waits for task.size, which did not end well
    not done task.carry: apply was interrupted before it
    failed[invalid-value] to create task.size: the service refused it: "No such agent"
      help: correct `agent`, then run this again
    unknown[incomplete-read]: it is unknown whether task.carry/first was started, and a person has to check.
      no answer came within 30 s, five looks
      help: look for a new deployment of task 4 in the web interface, then run this again

    Apply interrupted: 3 succeeded, 1 failed, 1 skipped, 1 unknown, 1 not started, 1 deferred.
    "#);
}

#[test]
fn a_good_end_is_short() {
    let plan = plan(vec![("momentum", create("Momentum", PROMPT), "new", StepStatus::Ready)]);
    let done = Done { task: Some(TaskId(512)), ..Done::default() };
    let steps = BTreeMap::from([(StepId(0), StepOutcome::Done(done))]);
    let outcome = Outcome { steps, is_interrupted: false };
    insta::assert_snapshot!(summarized(&plan, &outcome, &TextOptions::default()), @"
    Apply complete: 1 succeeded.
      + task.momentum created: task 512
    ");
}

#[test]
fn every_event_is_one_line() {
    let (plan, outcome) = sample();
    let checking_again_in = Duration::from_millis(3500);
    let mut lines: Vec<String> = [
        Event::Started(&plan.steps[0]),
        Event::Settling { step: &plan.steps[6], checking_again_in },
        Event::Standing(&[]),
    ]
    .iter()
    .filter_map(summary::progress_line)
    .collect();
    for (id, ended) in &outcome.steps {
        lines.extend(summary::progress_line(&Event::Finished(&plan.steps[id.0], ended)));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    creating task.momentum ...
    checking again in 4 s: it is unknown whether task.carry/first was started
    created task.momentum: task 512
    started task.momentum/november: deployment A-0a1b
    replaced task.value: task 513
    failed to create task.size: the service refused it: "No such agent" [invalid-value]
    skipped task.size/first: a step that it waits for did not end well
    not done task.carry: apply was interrupted before it
    unknown: it is unknown whether task.carry/first was started: no answer came within 30 s, five looks [incomplete-read]
    "#);
}

#[test]
fn many_failures_are_cut_with_a_count_and_doubts_never_are() {
    let keys: Vec<String> = (0..200).map(|n| format!("task-{n}")).collect();
    let steps =
        keys.iter().map(|key| (key.as_str(), create(key, PROMPT), "new", StepStatus::Ready));
    let plan = plan(steps.collect());
    let finding = Diagnostic::error(Code::InvalidValue, "the service refused it");
    let outcomes = (0..200).map(|at| {
        let unknown = StepOutcome::Unknown(finding.clone());
        (StepId(at), if at < 100 { StepOutcome::Failed(finding.clone()) } else { unknown })
    });
    let outcome = Outcome { steps: outcomes.collect(), is_interrupted: false };
    let text = summarized(&plan, &outcome, &TextOptions::default());
    assert!(text.contains("... 50 more failed (`-v` shows all)"), "{text}");
    assert_eq!(text.matches("a person has to check").count(), 100);
}
