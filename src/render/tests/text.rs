use super::*;

/// Without colors, three lines of context, cut.
fn plain(plan: &Plan) -> String {
    shown(plan, &TextOptions::default())
}

#[test]
fn an_empty_plan_is_one_sentence_with_its_counts() {
    insta::assert_snapshot!(plain(&plan(Vec::new())), @"No changes: 12 tasks are as declared. 3 unmanaged, 1 archived.");
}

#[test]
fn a_created_task_shows_its_fields_and_its_whole_prompt() {
    let prompt: Vec<String> = (1..=15).map(|n| format!("Line {n} of the prompt.")).collect();
    let steps = vec![
        (
            "momentum",
            create("Momentum", &prompt.join("\n\n")),
            "no matching task exists",
            StepStatus::Ready,
        ),
        (
            "momentum/november",
            run(TaskRef::MadeBy(StepId(0))),
            "its task is new",
            StepStatus::Ready,
        ),
    ];
    insta::assert_snapshot!(plain(&plan(steps)), @r#"
    Plan: 1 to create, 1 to deploy. 12 unchanged, 3 unmanaged, 1 archived.

      + task.momentum will be created
          # no matching task exists
          name:              "Momentum"
          agentId:           47
          projectPreference: project-for-task
          prompt:            (29 lines, 349 characters)
            | Line 1 of the prompt.
            |
            | Line 2 of the prompt.
            |
            | Line 3 of the prompt.
            |
            | Line 4 of the prompt.
            |
            | Line 5 of the prompt.
            |
            | Line 6 of the prompt.
            |
            | Line 7 of the prompt.
            |
            | Line 8 of the prompt.
            |
            | Line 9 of the prompt.
            |
            | Line 10 of the prompt.
            |
            | Line 11 of the prompt.
            |
            | Line 12 of the prompt.
            |
            | Line 13 of the prompt.
            |
            | Line 14 of the prompt.
            |
            | Line 15 of the prompt.

      ▶ task.momentum/november will be deployed
          # its task is new

    Paid for: 1 new deployment of at most 5.

    Plan: 1 to create, 1 to deploy. 12 unchanged, 3 unmanaged, 1 archived.
    "#);
}

#[test]
fn a_rename_and_a_restore_show_both_names() {
    let rename = |id, from: &str, to: &str, from_archive| {
        let (id, edits) = (TaskId(id), renaming(from, to));
        if from_archive { Change::Restore { id, edits } } else { Change::Update { id, edits } }
    };
    let steps = vec![
        (
            "momentum",
            rename(512, "Momentum old", "Momentum", false),
            "its name differs",
            StepStatus::Ready,
        ),
        (
            "value",
            rename(498, "Value [superseded 0a1b2c3d]", "Value", true),
            "an archived task has the wanted content",
            StepStatus::Ready,
        ),
    ];
    insta::assert_snapshot!(plain(&plan(steps)), @r#"
    Plan: 1 to update, 1 to restore. 12 unchanged, 3 unmanaged, 1 archived.

      ~ task.momentum will be updated in place (task 512)
          # its name differs
          name: "Momentum old" -> "Momentum"

      ~ task.value will be restored (task 498)
          # an archived task has the wanted content
          name: "Value [superseded 0a1b2c3d]" -> "Value"

    Plan: 1 to update, 1 to restore. 12 unchanged, 3 unmanaged, 1 archived.
    "#);
}

#[test]
fn a_replace_says_why_what_differs_and_what_becomes_of_the_old_task() {
    let reason = "prompt cannot be changed in place";
    let steps = vec![("momentum", replace("Momentum", PROMPT, EDITED), reason, StepStatus::Ready)];
    let plan = plan(steps);
    insta::assert_snapshot!(plain(&plan), @r#"
    Plan: 1 to replace. 12 unchanged, 3 unmanaged, 1 archived.

    -/+ task.momentum will be replaced (task 512 "Momentum")
          # replaced because prompt cannot be changed in place
          prompt: +3 / -3 characters
            | Research momentum.
            |
            - Use {-SPY-} as the benchmark.
            + Use {+QQQ+} as the benchmark.
            | Report the Sharpe ratio.
          task 512 "Momentum" will be archived as "Momentum [superseded 0a1b2c3d]"

    Plan: 1 to replace. 12 unchanged, 3 unmanaged, 1 archived.
    "#);
    let colored = TextOptions { color: Color::On, context: 0, ..TextOptions::default() };
    let changed: Vec<String> = shown(&plan, &colored)
        .lines()
        .filter(|line| line.contains("the benchmark"))
        .map(|line| line.trim_start().replace('\u{1b}', "ESC"))
        .collect();
    insta::assert_snapshot!(changed.join("\n"), @"
    ESC[31m- ESC[0mESC[31mUse ESC[0mESC[1mESC[4mESC[31mSPYESC[0mESC[31m as the benchmark.ESC[0m
    ESC[32m+ ESC[0mESC[32mUse ESC[0mESC[1mESC[4mESC[32mQQQESC[0mESC[32m as the benchmark.ESC[0m
    ");
}

#[test]
fn a_word_in_a_long_line_is_shown_with_what_surrounds_it() {
    let long = |word: &str| {
        format!("{}{word} {}", "Words before it. ".repeat(30), "and after it, ".repeat(40))
    };
    let reason = "prompt cannot be changed in place";
    let steps = vec![(
        "momentum",
        replace("Momentum", &long("SPY"), &long("QQQ")),
        reason,
        StepStatus::Ready,
    )];
    let plan = plan(steps);
    let text = plain(&plan);
    assert!(text.contains("{-SPY-}") && text.contains("{+QQQ+}"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 300), "{text}");
    let full = shown(&plan, &TextOptions { length: Length::Full, ..TextOptions::default() });
    assert!(!full.contains("characters ..."), "{full}");
}

#[test]
fn a_withheld_retire_says_so_in_its_line_and_names_the_way_on() {
    let finding = Diagnostic::note(Code::PruneOff, "no longer declared, and pruning is off")
        .help("`--prune` removes it; listing the key under `forget` leaves it alone for good");
    let remove = |id, name: &str| Change::Remove {
        removal: archive(id, name),
        because: RemoveReason::Undeclared,
        before: before(id, name, PROMPT),
    };
    let status = StepStatus::Deferred(finding);
    let reason = "it is no longer declared";
    let steps = vec![
        ("old", remove(7, "Old"), reason, status.clone()),
        ("older", remove(8, "Older"), reason, status),
    ];
    insta::assert_snapshot!(plain(&plan(steps)), @r#"
    No changes: 12 tasks are as declared; 2 deferred. 3 unmanaged, 1 archived.

      - task.old would be archived (task 7): deferred[prune-off]
          # it is no longer declared
          name: "Old" -> "Old [superseded 0a1b2c3d]"

      - task.older would be archived (task 8): deferred[prune-off]
          # it is no longer declared
          name: "Older" -> "Older [superseded 0a1b2c3d]"

    deferred[prune-off]: no longer declared, and pruning is off
      affects: task.old, task.older
      help: `--prune` removes it; listing the key under `forget` leaves it alone for good

    No changes: 12 tasks are as declared; 2 deferred. 3 unmanaged, 1 archived.
    "#);
}

#[test]
fn a_deleted_task_shows_what_goes() {
    let steps = vec![("old", delete("Old", PROMPT), "it is no longer declared", StepStatus::Ready)];
    insta::assert_snapshot!(plain(&plan(steps)), @r#"
    Plan: 1 to delete. 12 unchanged, 3 unmanaged, 1 archived.

      - task.old will be deleted (task 9)
          # it is no longer declared
          name:              "Old"
          agentId:           47
          projectPreference: project-for-task
          prompt:            (4 lines, 70 characters)
            | Research momentum.
            |
            | Use SPY as the benchmark.
            | Report the Sharpe ratio.
          task 9 "Old" will be deleted: it has no deployments, no schedule and no notifications.

    Plan: 1 to delete. 12 unchanged, 3 unmanaged, 1 archived.
    "#);
}

#[test]
fn a_run_names_its_task() {
    let change = run(TaskRef::Existing(TaskId(512)));
    let steps = vec![("momentum/november", change, "no deployment exists", StepStatus::Ready)];
    insta::assert_snapshot!(plain(&plan(steps)), @"
    Plan: 1 to deploy. 12 unchanged, 3 unmanaged, 1 archived.

      ▶ task.momentum/november will be deployed (task 512)
          # no deployment exists

    Paid for: 1 new deployment of at most 5.

    Plan: 1 to deploy. 12 unchanged, 3 unmanaged, 1 archived.
    ");
}

#[test]
fn a_blocked_step_shows_its_candidates_and_ends_with_the_ways_on() {
    let ambiguous = Change::Ambiguous {
        object: object("Momentum", EDITED),
        candidates: vec![before(512, "momentum", PROMPT), before(513, "Momentum (2)", PROMPT)],
    };
    let finding = Diagnostic::blocked(
        Code::Unproven,
        "tasks 512 and 513 have the same name, and nothing proves which of them is ours",
    )
    .help("`id: 512` under `momentum:` if it is that one, made 2026-11-01T09:30:00")
    .help("or change the name or the prompt, here or in the web interface");
    let waits = Diagnostic::blocked(
        Code::WaitsForBlocked,
        "it has to wait for `momentum`, which is not done",
    )
    .help("see what blocks `momentum`; this follows by itself");
    let reason = "no task can be given to it";
    let mut plan = plan(vec![
        ("momentum", ambiguous, reason, StepStatus::Blocked(finding)),
        (
            "momentum/november",
            run(TaskRef::MadeBy(StepId(0))),
            "its task is new",
            StepStatus::Blocked(waits),
        ),
        ("value", create("Value", "Research value."), "no matching task exists", StepStatus::Ready),
    ]);
    plan.notes.push(
        Diagnostic::note(Code::Duplicate, "task 77 has the content of `value` too")
            .help("delete it in the web interface if it is not a copy that somebody wants"),
    );
    insta::assert_snapshot!(plain(&plan), @r#"
    Plan: 1 to create; 2 blocked. 12 unchanged, 3 unmanaged, 1 archived.

      + task.value will be created
          # no matching task exists
          name:              "Value"
          agentId:           47
          projectPreference: project-for-task
          prompt:            (1 line, 15 characters)
            | Research value.

      ! task.momentum cannot be decided: blocked[unproven]
          # no task can be given to it
          candidate: task 512 "momentum", made 2026-11-01T09:30:00
          candidate: task 513 "Momentum (2)", made 2026-11-01T09:30:00
          compared with task 512:
          name:   "momentum" -> "Momentum"
          prompt: +3 / -3 characters
            | Research momentum.
            |
            - Use {-SPY-} as the benchmark.
            + Use {+QQQ+} as the benchmark.
            | Report the Sharpe ratio.

      ! task.momentum/november would be deployed: blocked[waits-for-blocked]
          # its task is new

    note[duplicate]: task 77 has the content of `value` too
      help: delete it in the web interface if it is not a copy that somebody wants

    blocked[unproven]: tasks 512 and 513 have the same name, and nothing proves which of them is ours
      affects: task.momentum
      help: `id: 512` under `momentum:` if it is that one, made 2026-11-01T09:30:00
      help: or change the name or the prompt, here or in the web interface

    blocked[waits-for-blocked]: it has to wait for `momentum`, which is not done
      affects: task.momentum/november
      help: see what blocks `momentum`; this follows by itself

    Plan: 1 to create; 2 blocked. 12 unchanged, 3 unmanaged, 1 archived.
    "#);
}

#[test]
fn a_reason_that_stops_many_is_printed_once() {
    let finding = Diagnostic::blocked(Code::TooManyCreates, "60 tasks would be created, 50 may be")
        .help("`--max-creates 60`");
    let keys: Vec<String> = (1..=60).map(|n| format!("task-{n}")).collect();
    let steps = keys.iter().map(|key| {
        (
            key.as_str(),
            create(key, "Do it."),
            "no matching task exists",
            StepStatus::Blocked(finding.clone()),
        )
    });
    let text = plain(&plan(steps.collect()));
    assert_eq!(text.matches("blocked[too-many-creates]: 60 tasks").count(), 1, "{text}");
    let end = text.split("blocked[too-many-creates]: 60").last().unwrap();
    insta::assert_snapshot!(end, @"
     tasks would be created, 50 may be
      affects: task.task-1, task.task-2, task.task-3, task.task-4, task.task-5, task.task-6, task.task-7, task.task-8, task.task-9, task.task-10 and 50 more
      help: `--max-creates 60`

    Plan: nothing can be done; 60 blocked. 12 unchanged, 3 unmanaged, 1 archived.
    ");
}

#[test]
fn a_plan_of_thousands_stays_readable_and_v_shows_all() {
    let keys: Vec<String> = (1..=5000).map(|n| format!("task-{n}")).collect();
    let steps = keys.iter().map(|key| {
        (
            key.as_str(),
            create(key, &"Do it.\n".repeat(20)),
            "no matching task exists",
            StepStatus::Ready,
        )
    });
    let plan = plan(steps.collect());
    let text = plain(&plan);
    assert!(text.starts_with("Plan: 5000 to create. 12 unchanged"), "{}", &text[..200]);
    assert!(text.contains("... 4950 more to create (`-v` shows all)"));
    assert!(text.lines().count() < 1500, "{}", text.lines().count());
    let full = shown(&plan, &TextOptions { length: Length::Full, ..TextOptions::default() });
    assert_eq!(full.matches("will be created").count(), 5000);
    assert!(!full.contains("more"));
}

#[test]
fn no_line_ends_in_a_blank() {
    let change = replace("Momentum", "a\n\nb\n\nc", "a\n\n\nb\nc d");
    let steps = vec![("momentum", change, "prompt cannot be changed in place", StepStatus::Ready)];
    for color in [Color::Off, Color::On] {
        let text = shown(&plan(steps.clone()), &TextOptions { color, ..TextOptions::default() });
        assert!(without_color(&text).lines().all(|line| line == line.trim_end()), "{text}");
    }
}

#[test]
fn a_longer_prompt_shows_its_changed_places_with_their_lines() {
    let before = "You are a momentum researcher.

Universe: the 500 most liquid US equities.
Rank them by their return over 12 months, leaving out the last one.
Hold the first 50 in equal weights.

Rebalance on the first trading day of a month.
Charge 5 basis points a trade.
Compare with SPY from 2010 to 2024.

Report the Sharpe ratio, the maximum drawdown and the turnover.
Stop when the backtest is done.";
    let after = before
        .replace("the 500 most liquid", "the 1,000 most liquid")
        .replace("Charge 5 basis points a trade.\n", "")
        .replace(
            "and the turnover.",
            "the turnover and the capacity.\nSay what you would try next.",
        );
    let change = replace("Momentum", before, &after);
    let steps = vec![("momentum", change, "prompt cannot be changed in place", StepStatus::Ready)];
    let options = TextOptions { context: 1, ..TextOptions::default() };
    insta::assert_snapshot!(shown(&plan(steps), &options), @r#"
    Plan: 1 to replace. 12 unchanged, 3 unmanaged, 1 archived.

    -/+ task.momentum will be replaced (task 512 "Momentum")
          # replaced because prompt cannot be changed in place
          prompt: +55 / -42 characters
            @@ line 2 @@
            |
            - Universe: the {-500-} most liquid US equities.
            + Universe: the {+1,000+} most liquid US equities.
            | Rank them by their return over 12 months, leaving out the last one.
            @@ line 7 @@
            | Rebalance on the first trading day of a month.
            - Charge 5 basis points a trade.
            | Compare with SPY from 2010 to 2024.
            |
            - Report the Sharpe ratio, the maximum drawdown and the {-turnover-}.
            + Report the Sharpe ratio, the maximum drawdown {+the turnover +}and the {+capacity.+}
            + {+Say what you would try next+}.
            | Stop when the backtest is done.
          task 512 "Momentum" will be archived as "Momentum [superseded 0a1b2c3d]"

    Plan: 1 to replace. 12 unchanged, 3 unmanaged, 1 archived.
    "#);
}
