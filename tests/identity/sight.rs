//! Lists that show little or lie, and services that change what they are sent.

use std::fmt::Write as _;

use qcops::diag::Code;
use qcops::event::StepOutcome;

use super::expect_blocked;
use crate::support::world::{World, shown};

fn twenty() -> String {
    (0..20).fold(String::new(), |mut lines, number| {
        writeln!(lines, "t{number:02}: {{prompt: Task {number}}}").unwrap();
        lines
    })
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lies_about_established_tasks_makes_nothing() {
    for (fault, has_ledger) in [("list-empty", true), ("list-short", true), ("list-short", false)] {
        let mut world = World::new(&twenty());
        world.commit().commit().converge().await;
        if !has_ledger {
            world.on_another_machine();
        }
        world.faults(&format!("tasks/list={fault}"));
        // What the ledger knows is read by its id, which proves that the list is wrong.
        if has_ledger {
            expect_blocked(&world, Code::IncompleteRead, &["leaves out task", "by their ids"])
                .await;
        } else {
            let words = ["of 20 tasks", "`--allow mass-missing`"];
            expect_blocked(&world, Code::MassMissing, &words).await;
        }
        world.faults("").expect_nothing_to_do().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_leaves_out_what_can_be_read_is_incomplete_however_few_are_missing() {
    let (one, two) = ("a: {prompt: p}", "a: {prompt: p}\nb: {prompt: q}");
    let edited = "a: {prompt: edited}";
    let table = [
        // What was applied, what is declared now, and how the list lies.
        (one, one, "list-empty"),
        (one, edited, "list-empty"),
        (one, "a: {name: Other, prompt: p}", "list-empty"),
        (two, two, "list-empty"),
        (two, two, "list-short"),
        (two, "a: {prompt: p}\nb: {prompt: edited}", "list-short"),
        (two, "a: {prompt: p}\nb: {prompt: q}\nc: {prompt: new}", "list-short"),
        (one, "a: {prompt: p, deployments: {d: {}}}", "list-empty"),
        (one, "a: {prompt: edited}\nc: {prompt: new}", "list-empty"),
    ];
    for (applied, declared, fault) in table {
        let mut world = World::new(applied);
        world.commit().commit().converge().await;
        world.edit(declared).commit();
        world.faults(&format!("tasks/list%1={fault}"));
        let before = world.writes().len();
        let plan = world.plan().await;
        let row = format!("{applied:?}, then {declared:?}, {fault}: {}", shown(&plan));
        let codes: Vec<Code> = plan.doubts.iter().map(|doubt| doubt.code).collect();
        assert_eq!(codes, [Code::IncompleteRead], "{row}");
        assert!(plan.doubts[0].message.contains("can be read by"), "{row}");
        world.apply().await;
        // A name changes in place, which no other task on the list could forbid.
        let expected = usize::from(declared.contains("Other"));
        assert_eq!(world.writes().len() - before, expected, "{row}");
        world.faults("").converge().await;
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_really_gone_are_made_anew_when_that_is_allowed() {
    let mut world = World::new(&twenty());
    world.commit().commit().converge().await;
    world
        .edit_service(|service| *service = qcops::emulator::World::new(7, world.clock.now()))
        .await;
    expect_blocked(&world, Code::MassMissing, &[]).await;
    world.options.allow.insert(Code::MassMissing);
    world.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_is_not_stopped_however_many_commits_there_are() {
    let mut world = World::new(&twenty());
    for _ in 0..50 {
        world.commit();
    }
    world.converge().await;
    assert_eq!(world.tasks().await.lines().count(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_that_was_interrupted_goes_on_where_it_was_noted() {
    let mut world = World::new(&twenty());
    world.commit().commit();
    world.faults("tasks/create#8=401");
    world.apply().await;
    world.faults("").converge().await;
    assert_eq!(world.tasks().await.lines().count(), 20);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_cannot_be_told_or_proven_have_not_vanished() {
    let mut world = World::new(&twenty());
    world.commit().commit().converge().await;
    world
        .edit_service(|service| {
            (332..339).for_each(|id| service.edit_prompt(id, &format!("By hand {id}")));
        })
        .await;
    let lines = twenty() + "new: {prompt: New}";
    world.edit(&lines).commit();
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::Unproven]);
    world.apply().await;
    assert!(world.tasks().await.ends_with("352 new: New"));
}

#[tokio::test(start_paused = true)]
async fn lists_that_show_little_are_filled_by_reads() {
    let long = "Research momentum across all sectors and report ".repeat(3);
    let lines = |last: &str| {
        format!("a: {{prompt: \"{long} A\"}}\nb: {{prompt: \"{long} B\"}}\nc: {{prompt: {last}}}")
    };
    for entry in ["whole", "without-prompt", "cut-prompt", "bare"] {
        let mut world = World::new(&lines("Short"));
        world.quirk(&format!("list-entry={entry}")).await.commit().converge().await;
        world.on_another_machine().expect_nothing_to_do().await;
        world.edit(&lines("Shorter")).commit().converge().await;
        world.edit(&lines("Shortest").replace(" B\"", " C\"")).commit();
        world.options.limits.replace = Some(2);
        world.on_another_machine().pruning().converge().await;
        assert_eq!(world.tasks().await.lines().count(), 3, "{entry}");
        world.edit(&lines("Shortest").replace("b: ", "d: ").replace("a: ", "e: ")).commit();
        world.options.limits.delete = Some(3);
        world.converge().await;
        assert_eq!(world.tasks().await.lines().count(), 3, "{entry}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cuts_letters_is_found_out_beside_a_prompt_of_many_bytes() {
    let long = "Research momentum across all sectors and report ".repeat(2);
    let wide = "\u{52d5}".repeat(39);
    let mut world = World::new(&format!("a: {{prompt: \"{long}\"}}\nb: {{prompt: \"{wide}\"}}"));
    world.quirk("list-entry=cut-prompt").await.commit().converge().await;
    world.on_another_machine().expect_nothing_to_do().await;
    world
        .edit(&format!("a: {{name: x, prompt: \"{long}\"}}\nb: {{prompt: \"{wide}\"}}"))
        .converge()
        .await;
    assert_eq!(world.tasks().await.lines().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_where_the_list_cannot_be_read_once_more() {
    for fault in ["broken-json", "500-before", "html-before"] {
        let mut world = World::new("a: {prompt: p}\nb: {prompt: q}");
        world.commit().converge().await;
        world.edit("a: {prompt: p}\nc: {prompt: r}").pruning();
        let plan = world.plan().await;
        world.faults(&format!("tasks/list={fault}"));
        world.carry_out(&plan).await;
        assert!(!world.tasks().await.contains(" c: r"), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_read_stops_all_that_rests_on_what_was_seen() {
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q}");
    world.commit().converge().await;
    world.edit("a: {prompt: p}\nc: {prompt: r}").pruning();
    world.faults("tasks/read=500-before");
    expect_blocked(&world, Code::IncompleteRead, &["run this again"]).await;
    world.faults("").converge().await;
    assert_eq!(world.tasks().await, "332 a: p\n334 c: r");
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_world_costs_one_call() {
    let mut world = World::new(&twenty());
    world.commit().converge().await;
    let before = world.emulator.requests().len();
    world.plan().await;
    assert_eq!(world.emulator.requests().len() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_trims_prompts_or_keeps_other_line_ends_converges() {
    for quirk in ["prompt-trim=on", "prompt-rewrite=crlf"] {
        let mut world = World::new("spy: {prompt: \"\\n  Buy SPY\\n\\nand hold  \\n\\n\"}");
        world.quirk(quirk).await;
        world.commit().converge().await;
        world.edit("spy: {prompt: \"  Buy SPY\\nand wait\\n\", deployments: {first: {}}}");
        world.on_another_machine().commit().converge().await;
        assert_eq!(world.tasks().await.matches(" spy: ").count(), 1, "{quirk}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_rewrites_every_prompt_gets_one_task_and_the_next_plan_makes_none() {
    for quirk in ["prompt-rewrite=append", "prompt-limit=250"] {
        let long = "Research momentum across all sectors and report ".repeat(8);
        let mut world = World::new(&format!("a: {{prompt: \"{long}\"}}\nb: {{prompt: q}}"));
        world.quirk(quirk).await.commit();
        let outcome = world.apply().await;
        assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Unknown(_))), 1, "{quirk}");
        assert_eq!(world.writes(), ["/agents/tasks/create"], "{quirk}");
        let plan = world.plan_text().await;
        assert!(plan.contains("`id: 332`"), "{quirk}: {plan}");
        world.on_another_machine();
        let plan = world.plan_text().await;
        assert!(plan.contains("blocked[unproven]"), "{quirk}: {plan}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pinned_task_that_the_list_leaves_out_is_read_before_it_is_called_missing() {
    for prompt in ["Buy SPY", "Buy QQQ"] {
        let mut world = World::new("spy: {prompt: Buy SPY}");
        world.commit().commit().converge().await;
        world.on_another_machine();
        world.edit(&format!("spy: {{id: 332, prompt: {prompt}}}")).commit();
        world.faults("tasks/list%1=list-empty");
        expect_blocked(&world, Code::IncompleteRead, &["leaves out task 332"]).await;
        world.faults("").converge().await;
    }
}
