//! Stories of identity in process: which task is whose, and what may be done to it.

// What the service makes of names, and how that ends.
mod names;
// Lists that show little, and services that change what they are sent.
mod sight;

use qcops::diag::Code;
use qcops::emulator;

use crate::support::world::World;

/// A world whose one task `spy` was made from its one commit.
async fn with_spy() -> World {
    let mut world = World::new("spy: {prompt: Buy SPY}");
    world.commit().converge().await;
    world
}

/// Adds a task to the service just as an apply would have made it.
fn add_made(service: &mut emulator::World, name: &str, prompt: &str) -> u64 {
    let id = service.add_task(name, 47, prompt);
    "project-for-task".clone_into(&mut service.task_mut(id).unwrap().project_preference);
    id
}

async fn expect_blocked(world: &World, code: Code, words: &[&str]) {
    let before = world.writes();
    let text = world.plan_text().await;
    assert_eq!(Vec::from_iter(world.blocks().await), [code], "{text}");
    for words in words {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    world.apply().await;
    assert_eq!(world.writes(), before, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_matches_no_task_blocks_and_never_creates() {
    let mut world = World::new("spy: {id: 999, prompt: Buy SPY}");
    expect_blocked(&world, Code::PinMissing, &["remove `id: 999`"]).await;
    world.edit("spy: {prompt: Buy SPY}").converge().await;
    assert_eq!(world.tasks().await, "332 spy: Buy SPY");
}

#[tokio::test(start_paused = true)]
async fn a_pin_on_the_task_of_another_key_blocks() {
    let mut world = World::new("qqq: {prompt: Buy QQQ}\nspy: {prompt: Buy SPY}");
    world.commit().converge().await;
    world.edit("iwm: {id: 333, prompt: Buy IWM}\nqqq: {prompt: Buy QQQ}\nspy: {prompt: Buy SPY}");
    expect_blocked(&world, Code::PinTaken, &["remove `id: 333`"]).await;
    world.edit("iwm: {prompt: Buy IWM}\nqqq: {prompt: Buy QQQ}\nspy: {prompt: Buy SPY}");
    world.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_proves_and_a_pinned_task_is_replaced() {
    let mut world = World::new("spy: {prompt: Buy SPY}");
    world.edit_service(|service| service.add_task("Theirs", 47, "Old")).await;
    world.edit("spy: {id: 332, prompt: Buy SPY}");
    world.converge().await;
    let tasks = world.tasks().await;
    assert!(tasks.starts_with("332 Theirs [superseded "), "its text is nowhere else: {tasks}");
    assert!(tasks.ends_with("333 spy: Buy SPY"), "{tasks}");
    // The pin is older than the replace now; the task of today is known by its content.
    world.commit().edit("spy: {id: 332, prompt: Buy SPY daily}").converge().await;
    assert!(world.tasks().await.ends_with("334 spy: Buy SPY daily"), "{}", world.tasks().await);
}

#[tokio::test(start_paused = true)]
async fn a_pin_on_a_task_that_a_replace_has_deleted_blocks_and_its_way_on_works() {
    let mut world = World::new("spy: {id: 332, prompt: Buy SPY}");
    world.edit_service(|service| add_made(service, "spy", "Buy SPY")).await;
    world.commit().edit("spy: {id: 332, prompt: Second}").commit().converge().await;
    assert_eq!(world.tasks().await, "333 spy: Second");
    world.edit("spy: {id: 332, prompt: Third}");
    expect_blocked(&world, Code::PinMissing, &["remove `id: 332`"]).await;
    world.edit("spy: {prompt: Third}").converge().await;
    assert_eq!(world.tasks().await, "334 spy: Third");
}

#[tokio::test(start_paused = true)]
async fn two_equal_tasks_are_told_apart_by_a_pin_alone() {
    let mut world = with_spy().await;
    world.edit_service(|service| add_made(service, "spy", "Buy SPY")).await;
    expect_blocked(
        &world,
        Code::Ambiguous,
        &["tasks 332 and 333", "`id: 332`", "`id: 333`", "made 2026"],
    )
    .await;
    world.on_another_machine();
    expect_blocked(&world, Code::Ambiguous, &["`id: 332`", "`id: 333`"]).await;
    world.edit("spy: {id: 333, prompt: Buy SPY}").converge().await;
    assert!(world.tasks().await.ends_with("333 spy: Buy SPY"), "{}", world.tasks().await);
}

#[tokio::test(start_paused = true)]
async fn two_equal_forerunners_are_not_told_apart_either() {
    let mut world = with_spy().await;
    world.edit_service(|service| add_made(service, "spy", "Buy SPY")).await;
    world.on_another_machine().edit("spy: {prompt: Buy SPY daily}");
    expect_blocked(&world, Code::Ambiguous, &["`id: 332`", "`id: 333`"]).await;
    world.edit("spy: {id: 333, prompt: Buy SPY daily}").converge().await;
    assert_eq!(world.tasks().await, "334 spy: Buy SPY daily");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_two_keys_have_an_equal_right_to_is_given_to_neither() {
    let mut world = World::new("a: {prompt: p}");
    world.commit().converge().await;
    world.edit("a: {prompt: q}\nb: {prompt: p}").commit();
    world.edit("a: {prompt: r}\nb: {prompt: s}").commit();
    world.edit("b: {prompt: t}\na: {prompt: r}").commit();
    world.on_another_machine();
    world.edit_service(|service| service.task_mut(332).unwrap().name = "Foreign".to_owned()).await;
    expect_blocked(&world, Code::Contested, &["`a` and `b`", "`id: 332`"]).await;
    world.edit("a: {prompt: r}\nb: {id: 332, prompt: t}").converge().await;
    assert_eq!(world.tasks().await, "333 a: r\n334 b: t");
}

#[tokio::test(start_paused = true)]
async fn a_task_claimed_higher_is_free_for_nobody_lower() {
    let mut world = with_spy().await;
    world.edit("a: {prompt: Buy SPY}\nspy: {prompt: Buy SPY daily}").commit();
    world.on_another_machine().converge().await;
    assert_eq!(world.tasks().await, "332 a: Buy SPY\n333 spy: Buy SPY daily");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_of_the_history_under_a_name_of_the_key_is_the_task_whose_default_changed() {
    let mut world = with_spy().await;
    world.on_another_machine().edit("spy: {prompt: Buy SPY daily}").commit();
    world.edit_service(|service| service.task_mut(332).unwrap().agent_id = 48).await;
    world.converge().await;
    let tasks = world.tasks().await;
    assert!(tasks.starts_with("332 spy [superseded "), "its agent is nowhere else: {tasks}");
    let world = with_spy().await;
    world
        .edit_service(|service| {
            let task = service.task_mut(332).unwrap();
            (task.agent_id, task.name) = (48, "Theirs".to_owned());
        })
        .await;
    world.converge().await;
    assert_eq!(world.tasks().await, "332 Theirs: Buy SPY\n333 spy: Buy SPY");
}

#[tokio::test(start_paused = true)]
async fn what_looks_like_the_wanted_task_stops_a_create_and_each_way_on_works() {
    let long = format!("Research {} and report", "momentum ".repeat(40));
    let cut: String = long.chars().take(300).collect();
    let table = [
        ("S.P.Y!", 47, "Other", "Buy SPY", "the same name"),
        ("\u{455}py", 47, "Other", "Buy SPY", "only looks the same"),
        ("Other", 47, "buy spy.", "Buy SPY", "the same prompt but for blanks"),
        ("Other", 48, &cut, &long, "cut short"),
    ];
    for (name, agent, stored, desired, why) in table {
        for way in ["pin", "change"] {
            let mut world = World::new(&format!("spy: {{prompt: \"{desired}\"}}"));
            world.edit_service(|service| service.add_task(name, agent, stored)).await;
            expect_blocked(&world, Code::Unproven, &[why, "`id: 332`"]).await;
            match way {
                "pin" => world.edit(&format!("spy: {{id: 332, prompt: \"{desired}\"}}")),
                _ => world.edit("spy: {name: Unlike, prompt: Entirely unlike}"),
            };
            world.converge().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_prompt_or_one_of_another_agent_stops_no_create() {
    let long = format!("Research {} and report", "momentum ".repeat(40));
    let short: String = long.chars().take(150).collect();
    for (agent, stored, desired) in
        [(47, short.as_str(), long.as_str()), (48, "Buy SPY.", "Buy SPY")]
    {
        let world = World::new(&format!("spy: {{prompt: \"{desired}\"}}"));
        world.edit_service(|service| service.add_task("Other", agent, stored)).await;
        world.converge().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_archived_name_alone_brings_no_task_back() {
    let world = World::new("spy: {prompt: Buy SPY}");
    world.edit_service(|service| add_made(service, "spy [superseded 0a1b2c3d]", "Buy SPY")).await;
    world.converge().await;
    assert!(world.tasks().await.ends_with("333 spy: Buy SPY"), "{}", world.tasks().await);
}

#[tokio::test(start_paused = true)]
async fn forty_of_a_hundred_are_retired_when_that_number_is_asked_for() {
    let lines = |count| {
        let line = |number| format!("t{number:03}: {{prompt: Task {number}}}");
        (0..count).map(line).collect::<Vec<_>>().join("\n")
    };
    let mut world = World::new(&lines(100));
    world
        .edit_service(|service| {
            for number in 0..100 {
                add_made(service, &format!("t{number:03}"), &format!("Task {number}"));
            }
        })
        .await;
    world.commit().edit(&lines(60)).commit().pruning();
    expect_blocked(&world, Code::TooManyDeletes, &["`--max-deletes 40`"]).await;
    world.options.limits.delete = Some(40);
    world.converge().await;
    assert_eq!(world.tasks().await.lines().count(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_twin_with_the_content_of_today_is_reported_and_never_retired() {
    let mut world = with_spy().await;
    world.edit_service(|service| add_made(service, "Copy", "Buy SPY")).await;
    world.pruning().converge().await;
    let plan = world.plan_text().await;
    assert!(plan.contains("note[duplicate]") && plan.contains("333"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn an_equal_task_of_unknown_origin_is_ours_once_its_content_is_committed() {
    let mut world = World::new("spy: {prompt: Buy SPY}");
    world.edit_service(|service| add_made(service, "Theirs", "Buy SPY")).await;
    let plan = world.plan_text().await;
    assert!(plan.contains("note[unknown-origin]"), "{plan}");
    world.converge().await;
    assert!(world.writes().is_empty());
    world.commit().converge().await;
    assert_eq!(world.tasks().await, "332 spy: Buy SPY");
}

#[tokio::test(start_paused = true)]
async fn protection_stands_against_retiring_what_a_replace_has_left() {
    let mut world = with_spy().await;
    world.edit("spy: {prompt: Second, protect: true}").commit();
    world.edit_service(|service| add_made(service, "spy", "Second")).await;
    expect_blocked(&world, Code::Protected, &["`protect: false`"]).await;
    world.edit("spy: {prompt: Second, protect: false}").commit().converge().await;
    assert_eq!(world.tasks().await, "333 spy: Second");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_on_what_a_replace_has_left_blocks_and_both_ways_on_work() {
    for way in ["take away", "rename"] {
        let mut world = with_spy().await;
        world.edit("spy: {prompt: Second}").commit();
        world
            .edit_service(|service| {
                add_made(service, "spy", "Second");
                service.set_schedule(332, Some("0 9 * * 1"));
            })
            .await;
        expect_blocked(&world, Code::Scheduled, &["0 9 * * 1"]).await;
        world
            .on_another_machine()
            .edit_service(|service| match way {
                "rename" => service.task_mut(332).unwrap().name = "Weekly".to_owned(),
                _ => service.set_schedule(332, None),
            })
            .await;
        world.converge().await;
    }
}
