//! What a plan says that its deployments will cost, and what finding that out costs itself.

use std::time::Duration;

use qcops::plan::Plan;
use qcops::render::view::PlanView;
use qcops::render::{json, markdown};

use crate::support::world::{World, shown};

async fn seconds(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// The line that says what is paid for.
fn paid(plan: &Plan) -> String {
    let text = shown(plan);
    text.lines().find(|line| line.starts_with("Paid for:")).unwrap_or_default().to_owned()
}

/// How many conversations and lists of deployments were read so far.
fn reads(world: &World) -> (usize, usize) {
    let requests = world.emulator.requests();
    let count = |path: &str| requests.iter().filter(|logged| logged.path.ends_with(path)).count();
    (count("conversation/read"), count("deployments/list"))
}

/// A task with so many completed deployments of 1,540 tokens and five seconds each.
async fn with_runs(count: usize) -> World {
    let mut world = World::new("");
    world.options.limits.runs = Some(20);
    let runs: Vec<String> = (0..count).map(|run| format!("r{run}: {{}}")).collect();
    world.edit(&format!("spy: {{prompt: p, deployments: {{{}}}}}", runs.join(", "))).commit();
    world.apply().await;
    seconds(10).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_run_is_estimated_by_past_runs_of_its_task_and_one_without_any_is_not() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {}}}");
    let plan = world.plan().await;
    assert_eq!(paid(&plan), "Paid for: 1 new deployment of at most 5.");
    assert!(json::render(&PlanView::new(&plan)).contains("\"estimate\": null"));
    world.apply().await;
    world.edit("spy: {prompt: p, deployments: {d: {}, e: {}}}");
    assert_eq!(
        paid(&world.plan().await),
        "Paid for: 1 new deployment of at most 5.",
        "it is at work"
    );
    seconds(10).await;
    let line = "Paid for: 1 new deployment of at most 5. Estimated: 1,540 tokens (as in 1 past deployment), 4 s.";
    let plan = world.plan().await;
    assert_eq!(paid(&plan), line);
    assert!(markdown::render(&PlanView::new(&plan), 3, 60_000).contains(line));
    let value: serde_json::Value =
        serde_json::from_str(&json::render(&PlanView::new(&plan))).unwrap();
    let spread = |value| serde_json::json!({"median": value, "least": value, "most": value, "past_deployments": 1});
    let cost = serde_json::json!({"prompts": 1, "tokens": spread(1_540), "seconds": spread(4)});
    assert_eq!(value["budget"]["estimate"], cost);
    assert_eq!(value["steps"][0]["estimate"], cost);
    world.edit("spy: {prompt: p, deployments: {d: {}, e: {followUps: [a, b]}}}\nqqq: {prompt: q, deployments: {d: {}}}");
    assert_eq!(
        paid(&world.plan().await),
        "Paid for: 2 new deployments of at most 5, 2 follow-ups later, once the deployments are idle. \
         Estimated for 3 of 4 prompts: 4,620 tokens (as in 1 past deployment), 12 s."
    );
}

#[tokio::test(start_paused = true)]
async fn a_middle_and_a_range_come_of_the_newest_five_and_a_follow_up_is_a_prompt() {
    let mut world = with_runs(1).await;
    for (round, tokens) in [7_000, 2_000, 4_000, 1_000, 9_000, 4_100].into_iter().enumerate() {
        let runs: Vec<String> = (0..round + 2).map(|run| format!("r{run}: {{}}")).collect();
        world.edit(&format!("spy: {{prompt: p, deployments: {{{}}}}}", runs.join(", ")));
        let rule =
            format!("version: 1\nruns: [{{takes: 2m, tokens: {{input: {tokens}, output: 0}}}}]");
        let rules = qcops::manifest::read_yaml_as(&rule).and_then(qcops::emulator::run_rules);
        world.edit_service(|service| service.rules = rules.unwrap()).await;
        world.apply().await;
        seconds(300).await;
    }
    // Of seven runs the last five count: 2,000, 4,000, 1,000, 9,000 and 4,100.
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {followUps: [x]}}}");
    let before = reads(&world);
    let paid_for = paid(&world.plan().await);
    let after = reads(&world);
    assert_eq!((after.0 - before.0, after.1 - before.1), (7, 1), "follow-ups need all of them");
    assert!(
        paid_for.ends_with(
            "Estimated: 8,000 tokens (median of 5 past deployments, 2,000 to 18,000), 4 min."
        ),
        "{paid_for}"
    );
    assert!(
        paid_for.starts_with("Paid for: 1 new deployment of at most 20, 1 follow-up later"),
        "{paid_for}"
    );
    world.edit(
        "spy: {prompt: p, deployments: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}}}",
    );
    let before = reads(&world);
    let paid_for = paid(&world.plan().await);
    let after = reads(&world);
    assert_eq!((after.0 - before.0, after.1 - before.1), (5, 1));
    assert!(paid_for.contains("median of 5 past deployments"), "{paid_for}");
}

#[tokio::test(start_paused = true)]
async fn an_estimate_costs_nothing_where_no_run_is_started() {
    let mut world = with_runs(6).await;
    let before = reads(&world);
    world.expect_nothing_to_do().await;
    world.options.limits.runs = Some(0);
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}}}");
    let plan = world.plan().await;
    assert!(plan.blocks().count() > 0, "over the cap it is blocked");
    assert_eq!(reads(&world), (before.0, before.1 + 2), "the list of deployments, as ever");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_task_lends_its_runs_to_the_next_and_blocks_none_of_them() {
    let mut world = with_runs(6).await;
    world.options.limits.runs = None;
    world.quirk("run-outcome=failed").await;
    world.options.limits.runs = Some(20);
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}, i: {}}}");
    world.apply().await;
    seconds(10).await;
    // Three deployments of the old content have failed, and nine were started today.
    world.options.limits.runs = None;
    world.edit("spy: {prompt: other, deployments: {a: {}, b: {}}}").commit();
    let plan = world.plan().await;
    assert_eq!(plan.blocks().count(), 0, "{}", shown(&plan));
    assert!(
        paid(&plan).contains(
            "2 new deployments of at most 5. Estimated: 3,080 tokens (median of 5 past deployments)"
        ),
        "{}",
        paid(&plan)
    );
    world.quirk("run-outcome=completed").await;
    world.apply().await;
    // The new task's runs are at work; those of the archived one still speak for it.
    world.edit("spy: {prompt: other, deployments: {a: {}, b: {}, c: {}}}");
    let plan = world.plan().await;
    assert!(
        paid(&plan).contains("Estimated: 1,540 tokens (median of 5 past deployments)"),
        "{}",
        paid(&plan)
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_nobody_asked_for_anything_is_left_out() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {followUps: [a]}}}");
    world.apply().await;
    seconds(7_000).await;
    world.apply().await;
    seconds(7_000).await;
    world.edit(
        "spy: {prompt: p, deployments: {d: {followUps: [a]}, e: {since: 2026-11-21T13:00:00Z}}}",
    );
    let paid = paid(&world.plan().await);
    assert!(paid.contains("(as in 1 past deployment), 3 s"), "{paid}");
}

#[tokio::test(start_paused = true)]
async fn conversations_that_cannot_be_read_leave_the_plan_and_its_digest_as_they_are() {
    let mut world = with_runs(2).await;
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}}}");
    let known = world.plan().await;
    assert!(paid(&known).contains("Estimated"));
    world.faults("deployments/conversation/read%1=500-before");
    let unknown = world.plan().await;
    assert_eq!(paid(&unknown), "Paid for: 1 new deployment of at most 20.");
    assert_eq!(known.digest(), unknown.digest());
    assert_eq!(unknown.blocks().count(), 0);
    let watched = |plan: &Plan| format!("{:?}", plan.watches);
    assert_eq!(watched(&known), watched(&unknown), "a look for the estimate moves no deployment");
}
