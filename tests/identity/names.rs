//! What the service makes of names: restored once, accepted where it persists, never a loop.

use qcops::diag::Code;

use super::{add_made, expect_blocked, with_spy};
use crate::support::world::World;

/// The ways in which the emulator treats names, those left out that are weaker than one of these.
const QUIRKS: &[&str] = &[
    "name-on-create=clean",
    "name-on-create=title",
    "name-on-update=title",
    "name-on-update=fold",
    "name-on-create=fold name-on-update=title",
    "name-on-create=fold name-on-update=fold",
    "duplicate-name=suffix",
    "duplicate-name=refuse",
    "duplicate-name=suffix name-on-create=title name-on-update=title",
    "duplicate-name=refuse name-on-create=title name-on-update=title",
    "name-limit=30",
    "name-limit=30 duplicate-name=suffix",
    "name-limit=30 duplicate-name=refuse",
    "name-limit=60 long-name=refuse",
];

const FIRST: &str = "Buy & hold: SPY (50%), every month";
const SECOND: &str = "Buy & HOLD: SPY (50%), Every Month";
const THIRD: &str = "Momentum: a report for every Monday";

#[tokio::test(start_paused = true)]
async fn whatever_the_service_makes_of_names_an_apply_leaves_nothing_to_do() {
    for quirks in QUIRKS {
        let mut world = World::new("");
        for quirk in quirks.split(' ') {
            world.quirk(quirk).await;
        }
        let task = |name: &str, prompt: &str| {
            format!("spy: {{name: \"{name}\", prompt: {prompt}, deployments: {{first: {{}}}}}}")
        };
        // Made, renamed in its case alone, renamed, replaced, reverted, renamed and replaced.
        for (name, prompt) in [
            (FIRST, "One"),
            (SECOND, "One"),
            (THIRD, "One"),
            (THIRD, "Two"),
            (THIRD, "One"),
            (FIRST, "Three"),
            (FIRST, "Two"),
        ] {
            world.edit(&task(name, prompt)).commit();
            let outcome = world.apply().await;
            let plan = world.plan().await;
            let is_idle = plan.ready_steps().next().is_none() && plan.blocks().next().is_none();
            let shown = crate::support::world::shown(&plan);
            assert!(is_idle, "{quirks}: {name}, {prompt}\n{shown}\n{outcome:#?}");
        }
        let tasks = world.tasks().await;
        assert_eq!(tasks.lines().count(), 3, "{quirks}:\n{tasks}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_name_is_restored_once_and_then_kept() {
    let mut world = World::new("spy: {name: \"Buy: SPY\", prompt: Buy SPY}");
    world.converge().await;
    assert_eq!(world.tasks().await, "332 Buy: SPY: Buy SPY", "a create cleans, an update does not");
    world.quirk("name-on-update=title").await;
    world.edit("spy: {name: \"buy: SPY!\", prompt: Buy SPY}").converge().await;
    assert_eq!(world.tasks().await, "332 Buy Spy: Buy SPY", "asked for once, and then accepted");
}

#[tokio::test(start_paused = true)]
async fn a_name_changed_back_in_the_manifest_is_a_rename() {
    let mut world = World::new("spy: {name: buy spy, prompt: Buy SPY}");
    world.commit().converge().await;
    world.edit("spy: {name: Buy SPY, prompt: Buy SPY}").converge().await;
    assert_eq!(world.tasks().await, "332 Buy SPY: Buy SPY");
}

#[tokio::test(start_paused = true)]
async fn a_number_behind_a_name_is_an_alarm() {
    let mut world = with_spy().await;
    world.edit_service(|service| service.task_mut(332).unwrap().name = "spy 2".to_owned()).await;
    let plan = world.on_another_machine().plan_text().await;
    assert!(plan.contains("note[name-numbered]") && plan.contains("duplicate"), "{plan}");
    world.converge().await;
    assert_eq!(world.tasks().await, "332 spy: Buy SPY");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_foreign_task_holds_is_not_fought_over() {
    let mut world = with_spy().await;
    world.edit_service(|service| service.add_task("Taken", 47, "Theirs")).await;
    world.edit("spy: {name: Taken, prompt: Buy SPY}").commit();
    for quirk in ["duplicate-name=allow", "duplicate-name=suffix", "duplicate-name=refuse"] {
        world.quirk(quirk).await.converge().await;
        assert_eq!(world.tasks().await, "332 spy: Buy SPY\n333 Taken: Theirs", "{quirk}");
    }
    let plan = world.plan_text().await;
    assert!(plan.contains("note[name-held]") && plan.contains("333"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn names_change_hands_in_chains_and_rings_even_where_they_must_be_unique() {
    for quirk in ["duplicate-name=allow", "duplicate-name=suffix", "duplicate-name=refuse"] {
        let mut world = World::new(
            "a: {name: One, prompt: p}\nb: {name: Two, prompt: q}\nc: {name: Three, prompt: r}",
        );
        world.quirk(quirk).await.commit().converge().await;
        world.edit(
            "a: {name: Two, prompt: p}\nb: {name: Three, prompt: q}\nc: {name: Four, prompt: r}\n\
             d: {name: One, prompt: s}",
        );
        world.commit().converge().await;
        assert_eq!(
            world.tasks().await,
            "332 Two: p\n333 Three: q\n334 Four: r\n335 One: s",
            "{quirk}"
        );
        world.edit(
            "a: {name: Three, prompt: p}\nb: {name: Two, prompt: q}\nc: {name: One, prompt: r}\n\
             d: {name: Four, prompt: s}",
        );
        world.commit().converge().await;
        assert_eq!(
            world.tasks().await,
            "332 Three: p\n333 Two: q\n334 One: r\n335 Four: s",
            "{quirk}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_travels_with_a_replace_arrives_in_the_end() {
    for quirk in ["duplicate-name=allow", "duplicate-name=suffix", "duplicate-name=refuse"] {
        let mut world = World::new(
            "a: {name: One, prompt: p}\nb: {name: Two, prompt: q}\nc: {prompt: z}\nd: {prompt: y}",
        );
        world.quirk(quirk).await.commit().converge().await;
        world.edit("a: {name: Two, prompt: p}\nb: {name: One, prompt: changed}\nc: {prompt: z}\nd: {prompt: y}");
        world.commit();
        for _ in 0..3 {
            world.apply().await;
        }
        world.expect_nothing_to_do().await;
        let tasks = world.tasks().await;
        assert!(
            tasks.contains("332 Two: p") && tasks.contains(" One: changed"),
            "{quirk}:\n{tasks}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn where_names_are_unique_the_old_task_is_archived_before_the_new_one_is_made() {
    for deployments in ["", ", deployments: {first: {}}"] {
        for quirks in ["verbatim", "title"] {
            let task =
                |prompt: &str| format!("spy: {{name: My spy!, prompt: {prompt}{deployments}}}");
            let mut world = World::new(&task("Buy SPY"));
            world.quirk("duplicate-name=refuse").await;
            world.quirk(&format!("name-on-create={quirks}")).await;
            world.quirk(&format!("name-on-update={quirks}")).await.commit().converge().await;
            world.edit(&task("Buy SPY daily")).commit().converge().await;
            let last = world.tasks().await.lines().last().unwrap_or_default().to_lowercase();
            assert_eq!(
                last,
                "333 my spy!: buy spy daily".replace('!', if quirks == "title" { "" } else { "!" })
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_archived_task_does_not_come_back_beside_one_that_may_be_the_current_one() {
    let mut world = World::new("spy: {prompt: Buy SPY, deployments: {first: {}}}");
    world.commit().converge().await;
    world
        .edit_service(|service| {
            service.task_mut(332).unwrap().name = "spy [superseded 0a1b2c3d]".to_owned();
            add_made(service, "Spy", "From a commit that this checkout lacks");
        })
        .await;
    world.on_another_machine();
    expect_blocked(&world, Code::NameHeld, &["task 332", "task 333", "--history-from"]).await;
    world.edit_service(|service| service.task_mut(333).unwrap().name = "Theirs".to_owned()).await;
    world.converge().await;
    assert!(world.tasks().await.starts_with("332 spy: Buy SPY"), "{}", world.tasks().await);
}
