//! Stories through the emulator in process: what is declared comes true, once.

use qcops::diag::Code;
use qcops::emulator::DeploymentPhase;
use qcops::event::{HaltReason, Outcome, StepOutcome};
use qcops::model::TaskId;
use qcops::render;
use qcops::render::html::Applied;
use qcops::render::text::TextOptions;

use crate::support::world::World;

/// What an apply says of a request that was answered as a success and changed nothing.
struct WithoutEffect {
    /// Which request.
    write: &'static str,
    /// What is declared, one after the other; the request is one of the last.
    manifests: &'static [&'static str],
    /// How its step ends: exit 4 or 5.
    code: i32,
    /// What is said of it.
    said: &'static str,
    /// What the next apply sends.
    next: &'static [&'static str],
}

const WITHOUT_EFFECT: &[WithoutEffect] = &[
    WithoutEffect {
        write: "tasks/create#1",
        manifests: &["a: {prompt: p}"],
        code: 5,
        said: "task 332 was made and cannot be read",
        next: &["/agents/tasks/create"],
    },
    WithoutEffect {
        write: "tasks/create#2",
        manifests: &["a: {prompt: p}\nb: {prompt: q}\nc: {prompt: r}"],
        code: 5,
        said: "was made, and neither the list nor a read shows it",
        next: &["/agents/tasks/create"],
    },
    WithoutEffect {
        write: "tasks/update#1",
        manifests: &["a: {name: Old, prompt: p}", "a: {name: New, prompt: p}"],
        code: 4,
        said: "the service answered that task 332 was updated, and did not change `name`",
        next: &["/agents/tasks/update"],
    },
    WithoutEffect {
        write: "tasks/update#2",
        manifests: &[ONE, OTHER, ONE],
        code: 4,
        said: "the service answered that task 332 was updated, and did not change `name`",
        next: &["/agents/tasks/update"],
    },
    WithoutEffect {
        write: "tasks/update#1",
        manifests: &["a: {prompt: p, deployments: {first: {}}}\nb: {prompt: q}", "b: {prompt: q}"],
        code: 4,
        said: "the service answered that task 332 was archived, and did not change its name",
        next: &["/agents/tasks/update"],
    },
    WithoutEffect {
        write: "tasks/delete#1",
        manifests: &["a: {prompt: p}\nb: {prompt: q}", "b: {prompt: q}"],
        code: 4,
        said: "the service answered that task 332 was deleted, and it is still there",
        next: &["/agents/tasks/delete"],
    },
    WithoutEffect {
        write: "deployments/create#1",
        manifests: &[ONE],
        code: 5,
        said: "was started, and neither the list nor a read shows it",
        next: &["/agents/deployments/create"],
    },
    WithoutEffect {
        write: "deployments/prompt#1",
        manifests: &[ONE, "a: {prompt: p, deployments: {first: {followUps: [Now QQQ]}}}"],
        code: 5,
        said: "took it, and it cannot be read yet: it is not in the conversation",
        next: &["/agents/deployments/prompt"],
    },
];

const ONE: &str = "a: {prompt: p, deployments: {first: {}}}";
const OTHER: &str = "a: {prompt: q, deployments: {first: {}}}";

/// The exit code and the message of each step that did not end well.
fn ended_badly(outcome: &Outcome) -> Vec<(i32, String)> {
    let said = |ended: &StepOutcome| match ended {
        StepOutcome::Failed(finding) => Some((4, finding.message.clone())),
        StepOutcome::Unknown(finding) => Some((5, finding.message.clone())),
        _ => None,
    };
    outcome.steps.values().filter_map(said).collect()
}

#[tokio::test(start_paused = true)]
async fn a_write_without_effect_is_no_success_and_the_next_apply_sends_it_once() {
    for row in WITHOUT_EFFECT {
        let (last, earlier) = row.manifests.split_last().unwrap();
        let mut world = World::new("");
        world.quirk("queue-ms=0").await.quirk("run-ms=0").await.pruning();
        for manifest in earlier {
            world.edit(manifest).commit().converge().await;
        }
        world.edit(last).commit().faults(&format!("{}=no-effect", row.write));
        let ended = ended_badly(&world.apply().await);
        let is_said = |(code, said): &(i32, String)| *code == row.code && said.contains(row.said);
        assert!(ended.len() == 1 && ended.iter().all(is_said), "{} {ended:#?}", row.write);
        let sent = world.writes().len();
        world.faults("").converge().await;
        assert_eq!(world.writes()[sent..], *row.next, "{}", row.write);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_effect_is_asked_for_again_and_never_reported_as_done() {
    let stopped = "a: {prompt: p, deployments: {first: {state: stopped}}}";
    for (faults, codes, active) in
        [("deployments/stop#1=no-effect", &[][..], 0), ("deployments/stop=no-effect", &[5][..], 1)]
    {
        let mut world = World::new(ONE);
        world.quirk("run-ms=600000").await.commit().converge().await;
        world.edit(stopped).commit().faults(faults);
        let ended = ended_badly(&world.apply().await);
        assert_eq!(ended.iter().map(|(code, _)| *code).collect::<Vec<_>>(), codes, "{ended:#?}");
        let is_active = |run: &&qcops::emulator::Deployment| run.status == DeploymentPhase::Running;
        let count = world.edit_service(|all| all.deployments().filter(is_active).count()).await;
        assert_eq!(count, active, "{faults}");
        world.faults("").converge().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_manifest_becomes_tasks_and_runs_and_then_nothing_is_left_to_do() {
    let world =
        World::new("spy: {prompt: Buy SPY, deployments: {first: {}}}\nqqq: {prompt: Buy QQQ}");
    world.converge().await;
    assert_eq!(world.tasks().await, "332 qqq: Buy QQQ\n333 spy: Buy SPY");
    assert_eq!(world.run_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_edited_prompt_replaces_the_task_and_reverting_it_brings_the_old_one_back() {
    let mut world = World::new("spy: {prompt: Buy SPY, deployments: {first: {}}}");
    world.commit().converge().await;
    world.edit("spy: {prompt: Buy SPY daily, deployments: {first: {}}}").commit().converge().await;
    let archived = "332 spy [superseded";
    assert!(world.tasks().await.starts_with(archived), "{}", world.tasks().await);
    assert_eq!(world.run_count().await, 2);
    world.edit("spy: {prompt: Buy SPY, deployments: {first: {}}}").commit().converge().await;
    assert!(world.tasks().await.starts_with("332 spy: Buy SPY"), "{}", world.tasks().await);
    assert_eq!(world.run_count().await, 2, "the old run serves again");
}

#[tokio::test(start_paused = true)]
async fn a_changed_name_is_a_rename_and_keeps_the_task() {
    let mut world = World::new("spy: {name: Old, prompt: Buy SPY}");
    world.commit().converge().await;
    world.edit("spy: {name: New, prompt: Buy SPY}").converge().await;
    assert_eq!(world.tasks().await, "332 New: Buy SPY");
}

#[tokio::test(start_paused = true)]
async fn names_that_change_hands_in_a_ring_end_where_they_should() {
    let mut world = World::new(
        "a: {name: One, prompt: p}\nb: {name: Two, prompt: q}\nc: {name: Three, prompt: r}",
    );
    world.commit().converge().await;
    world.edit("a: {name: Two, prompt: p}\nb: {name: Three, prompt: q}\nc: {name: One, prompt: r}");
    world.converge().await;
    assert_eq!(world.tasks().await, "332 Two: p\n333 Three: q\n334 One: r");
}

#[tokio::test(start_paused = true)]
async fn a_task_dropped_from_the_manifest_is_kept_unless_pruning() {
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q}");
    world.commit().converge().await;
    world.edit("a: {prompt: p}");
    let plan = world.plan_text().await;
    assert!(plan.contains("prune-off"), "{plan}");
    world.converge().await;
    assert_eq!(world.tasks().await, "332 a: p\n333 b: q");
    world.pruning().converge().await;
    assert_eq!(world.tasks().await, "332 a: p", "it held nothing, so it is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_task_with_a_conversation_is_archived_and_never_deleted() {
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q, deployments: {first: {}}}");
    world.commit().converge().await;
    world.edit("a: {prompt: p}").pruning().converge().await;
    assert!(world.tasks().await.contains("333 b [superseded"), "{}", world.tasks().await);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_create_makes_one_task() {
    for fault in ["lost-after", "lost-before", "500-after", "500-before", "cut-answer", "no-id"] {
        let mut world = World::new("spy: {prompt: Buy SPY}");
        world.faults(&format!("tasks/create#1={fault}"));
        world.converge().await;
        assert_eq!(world.tasks().await, "332 spy: Buy SPY", "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_run_starts_one_run_or_says_that_it_is_unknown() {
    for (fault, runs) in [("lost-after", 1), ("lost-before", 0)] {
        let mut world = World::new("spy: {prompt: Buy SPY, deployments: {first: {}}}");
        world.faults(&format!("deployments/create#1={fault}"));
        let outcome = world.apply().await;
        assert_eq!(world.run_count().await, runs, "{fault}");
        let unknown = outcome.count(|ended| matches!(ended, StepOutcome::Unknown(_)));
        assert_eq!(unknown, 1 - runs, "{fault}: {outcome:#?}");
        world.faults("");
        world.converge().await;
        assert_eq!(world.run_count().await, 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_rewrites_every_prompt_gets_one_task_and_no_more() {
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q, deployments: {first: {}}}");
    world.quirk("prompt-rewrite=append").await;
    let outcome = world.apply().await;
    let codes: Vec<Code> = outcome
        .steps
        .values()
        .filter_map(|ended| match ended {
            StepOutcome::Unknown(finding) => Some(finding.code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [Code::ReadBackDiffers]);
    assert_eq!(world.writes(), ["/agents/tasks/create"]);
}

#[tokio::test(start_paused = true)]
async fn an_equal_task_of_unknown_origin_is_used_and_never_renamed() {
    let world = World::new("spy: {name: Mine, prompt: Buy SPY}");
    world.edit_service(|service| service.add_task("Theirs", 47, "Buy SPY")).await;
    world
        .edit_service(|service| {
            let id = service.tasks().next().unwrap().id;
            service.task_mut(id).unwrap().project_preference = "project-for-task".to_owned();
        })
        .await;
    let plan = world.plan_text().await;
    assert!(plan.contains("unknown-origin"), "{plan}");
    world.converge().await;
    assert!(world.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_equal_tasks_are_not_told_apart_by_guessing() {
    let mut world = World::new("spy: {prompt: Buy SPY}");
    world.commit().converge().await;
    world
        .edit_service(|service| {
            let copy = service.clone_task(332).unwrap();
            service.task_mut(copy).unwrap().name = "spy".to_owned();
        })
        .await;
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::Ambiguous]);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_task_with_the_same_name_stops_the_create() {
    let world = World::new("spy: {prompt: Buy SPY}");
    world.edit_service(|service| service.add_task("S.P.Y.", 47, "Something else")).await;
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::Unproven]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_a_ledger_knows_its_tasks_by_their_history() {
    let mut world = World::new("spy: {prompt: Buy SPY}");
    world.commit().converge().await;
    world.on_another_machine().edit("spy: {prompt: Buy SPY daily}").converge().await;
    assert_eq!(world.tasks().await, "333 spy: Buy SPY daily", "the old one held nothing");
}

#[tokio::test(start_paused = true)]
async fn a_leftover_that_somebody_edits_after_the_plan_is_not_deleted() {
    let mut world = World::new("a: {prompt: p}");
    world.commit().edit("a: {prompt: q}").commit().edit("a: {prompt: r}").commit();
    for prompt in ["p", "q"] {
        let add = |service: &mut qcops::emulator::World| {
            let id = service.add_task("a", 47, prompt);
            service.task_mut(id).unwrap().project_preference = "project-for-task".to_owned();
        };
        world.edit_service(add).await;
    }
    let plan = world.plan().await;
    world.edit_service(|service| service.edit_prompt(332, "mine now")).await;
    let outcome = world.carry_out(&plan).await;
    assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Done(_))), 0, "{outcome:#?}");
    assert!(world.tasks().await.contains("332 a: mine now"), "{}", world.tasks().await);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_run_after_the_plan_is_not_deleted() {
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q}");
    world.commit().converge().await;
    world.edit("b: {prompt: q}").commit().pruning().quirk("delete-task=cascade").await;
    let plan = world.plan().await;
    world.client().create_deployment(TaskId(332)).await.into_result().unwrap();
    let outcome = world.carry_out(&plan).await;
    assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Failed(_))), 1, "{outcome:#?}");
    assert_eq!(world.tasks().await, "332 a: p\n333 b: q");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_appeared_after_the_plan_is_not_paid_for_once_more() {
    let mut world = World::new("a: {prompt: p}");
    world.commit().converge().await;
    world.edit("a: {prompt: p, deployments: {first: {}}}");
    let plan = world.plan().await;
    world.client().create_deployment(TaskId(332)).await.into_result().unwrap();
    let outcome = world.carry_out(&plan).await;
    assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Failed(_))), 1, "{outcome:#?}");
    assert_eq!(world.run_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_create_holds_up_nothing_that_does_not_wait_for_it() {
    let mut world = World::new("a: {prompt: p}");
    world.commit().converge().await;
    world.edit("a: {prompt: p, deployments: {first: {}}}\nb: {agentId: 999, prompt: q, deployments: {first: {}}}");
    let outcome = world.apply().await;
    let ended: Vec<&str> = outcome
        .steps
        .values()
        .map(|ended| match ended {
            StepOutcome::Done(_) => "done",
            StepOutcome::Failed(_) => "failed",
            StepOutcome::Skipped(_) => "skipped",
            _ => "other",
        })
        .collect();
    assert_eq!(ended, ["done", "failed", "skipped"], "{outcome:#?}");
    assert_eq!(world.run_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_started_names_what_ended_the_apply() {
    let tasks = "a: {prompt: p}\nb: {prompt: q, deployments: {d: {}}}\nc: {prompt: r}";
    let table: [(&str, &str, Option<HaltReason>); 4] = [
        ("tasks/create=401", "", Some(HaltReason::CredentialsRefused)),
        ("tasks/read=500-before", "", Some(HaltReason::NotReadBack)),
        ("", "prompt-rewrite=append", Some(HaltReason::StoredDifferently)),
        ("", "", None),
    ];
    for (faults, quirk, reason) in table {
        let mut world = World::new(tasks);
        let plan = world.plan().await;
        if !faults.is_empty() {
            world.faults(faults);
        }
        if !quirk.is_empty() {
            world.quirk(quirk).await;
        }
        let outcome = world.carry_out(&plan).await;
        let reasons: Vec<HaltReason> = outcome
            .steps
            .values()
            .filter_map(|ended| match ended {
                StepOutcome::NotStarted(why) => Some(*why),
                _ => None,
            })
            .collect();
        assert!(!outcome.is_interrupted);
        assert_eq!(reasons.is_empty(), reason.is_none(), "{faults}{quirk}: {outcome:#?}");
        assert!(reasons.iter().all(|why| Some(*why) == reason), "{faults}{quirk}: {reasons:?}");
        if let Some(reason) = reason {
            let mut text = String::new();
            render::outcome::render(&plan, &outcome, &TextOptions::default(), &mut text).unwrap();
            assert!(!text.contains("interrupted"), "{text}");
            assert!(
                text.contains("apply ended before it") || text.contains("credentials"),
                "{text}"
            );
            let applied = Applied { plan: &plan, outcome: &outcome, runs: &[] };
            let report = String::from_utf8(render::report::render(applied)).unwrap();
            assert!(report.contains(&format!("\"not_started_because\": \"{}\"", reason.code())));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_waits_for_a_name_gets_it() {
    let mut world = World::new("a: {name: One, prompt: p}");
    world.commit().converge().await;
    world.edit("a: {name: Two, prompt: p}\nb: {name: One, prompt: q}").converge().await;
    assert_eq!(world.tasks().await, "332 Two: p\n333 One: q");
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_is_settled_where_the_list_shows_no_prompts() {
    for entry in ["bare", "without-prompt", "cut-prompt"] {
        let mut world = World::new("a: {prompt: Buy SPY and hold it}\nb: {prompt: Buy QQQ}");
        world.quirk(&format!("list-entry={entry}")).await;
        world.faults("tasks/create#1=lost-after tasks/create#2=no-id").converge().await;
        assert_eq!(world.tasks().await.lines().count(), 2, "{entry}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_list_that_lies_does_not_prove_that_a_late_task_is_absent() {
    // The seventh list is the one look that comes after the task.
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q}");
    world.faults("tasks/create#1=late:40 tasks/list#7=list-empty").converge().await;
    assert_eq!(world.tasks().await.lines().count(), 2, "{}", world.tasks().await);
}

/// How many tasks were read by their id since the first create, the lists left out of account.
fn reads(world: &World) -> usize {
    let requests = world.emulator.requests().into_iter().map(|logged| logged.path);
    requests.filter(|path| path.ends_with("/tasks/read")).count()
}

#[tokio::test(start_paused = true)]
async fn one_of_many_new_tasks_is_read_by_its_id_and_the_list_shows_the_rest() {
    let many: Vec<String> = (0..20).map(|n| format!("t{n}: {{prompt: task {n}}}")).collect();
    let world = World::new(&many.join("\n"));
    let outcome = world.apply().await;
    assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Done(_))), 20, "{outcome:#?}");
    assert_eq!(reads(&world), 1);
    world.expect_nothing_to_do().await;
}

#[tokio::test(start_paused = true)]
async fn new_tasks_that_the_list_does_not_show_as_declared_are_read_by_their_ids() {
    let prompt = "x".repeat(300);
    let many: Vec<String> = (0..5).map(|n| format!("t{n}: {{prompt: '{n} {prompt}'}}")).collect();
    let mut world = World::new(&many.join("\n"));
    world.quirk("list-entry=cut-prompt").await;
    let outcome = world.apply().await;
    assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Done(_))), 5, "{outcome:#?}");
    assert_eq!(reads(&world), 5);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_run_waits_for_is_read_before_the_run_starts() {
    let world =
        World::new("a: {prompt: p}\nb: {prompt: q}\nc: {prompt: r, deployments: {first: {}}}");
    world.apply().await;
    // The first one that is made, and the one that is run.
    assert_eq!(reads(&world), 2);
    assert_eq!(world.run_count().await, 1);
}
