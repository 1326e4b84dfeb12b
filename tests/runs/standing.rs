//! What `plan` and `status` show of single deployments.

use qcops::api;
use qcops::model::{Key, TaskId};
use qcops::observed::ObservedState;
use qcops::plan::{self, Overview, Tokens};
use qcops::render::status::{StatusView, render};
use qcops::render::text::{Length, TextOptions};
use qcops::render::view::PlanView;

use super::{person_says, seconds};
use crate::support::world::{World, shown};

async fn overview(world: &World, tokens: Tokens) -> Overview {
    let plan_context = world.plan_context();
    let desired = |state: &ObservedState| plan::overview_reads(&plan_context.with(state), tokens);
    let seen = api::observe(&world.client(), world.clock, desired).await.unwrap();
    plan::overview(&plan_context.with(&seen))
}

/// The table, with ids by their order.
async fn status(world: &World, tokens: Tokens, length: Length) -> String {
    let (mut text, overview) = (String::new(), overview(world, tokens).await);
    let options = TextOptions { length, ..TextOptions::default() };
    render(&StatusView::new(&overview), &options, &mut text).unwrap();
    text.replace(&" ".repeat(30), "")
}

fn conversations(world: &World) -> usize {
    let requests = world.emulator.requests();
    requests.iter().filter(|logged| logged.path.ends_with("conversation/read")).count()
}

const SERVED: &str = "spy: {prompt: p, deployments: {first: {followUps: [a]}, later: {since: 2030-01-01}, next: {since: 2026-11-21T13:00:00Z}, off: {state: stopped}}}";

#[tokio::test(start_paused = true)]
async fn status_shows_which_run_serves_which_declaration_and_what_is_still_to_come() {
    let mut world = World::new(SERVED);
    world.apply().await;
    seconds(7_200).await;
    let overview = overview(&world, Tokens::AsKnown).await;
    let spy = &overview.keys[0];
    let declared: Vec<_> = spy
        .deployments
        .iter()
        .map(|declared| (declared.key.as_str(), declared.run.is_some(), declared.reason.as_deref()))
        .collect();
    let run = spy.runs.iter().find(|run| run.serves.is_some()).unwrap();
    let followed = format!(
        "would be prompted: deployment {}, made 2026-11-21T12:00:00, is Completed and was sent 0 of 1 follow-up",
        run.id.0
    );
    assert_eq!(
        declared,
        [
            ("first", true, Some(followed.as_str())),
            ("later", false, Some("it is not due before 2030-01-01T00:00:00Z")),
            (
                "next",
                false,
                Some("would be deployed: 1 deployment of it exists, created before `since`")
            ),
            ("off", false, None),
        ]
    );
    assert!(spy.runs.iter().all(|run| run.is_from_here), "{:?}", spy.runs);
    world.on_another_machine();
    let text = status(&world, Tokens::AsKnown, Length::Full).await;
    assert!(text.contains("1,540 tokens; would be prompted"), "{text}");
    assert!(text.contains("not known to have been started on this machine"), "{text}");
    let text = status(&world, Tokens::AsKnown, Length::Cut).await;
    assert!(!text.contains("on this machine"), "{text}");
    assert!(text.contains("  later  none       -"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_read_where_asked_for_and_of_a_few_runs_alone() {
    let mut world = World::new("");
    world.options.limits.runs = Some(20);
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}}}");
    world.apply().await;
    seconds(10).await;
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}}}");
    let text = status(&world, Tokens::AsKnown, Length::Cut).await;
    assert_eq!((conversations(&world), text.matches("tokens").count()), (0, 0), "{text}");
    let text = status(&world, Tokens::Read, Length::Cut).await;
    // Two that serve a declaration, and three of the five others.
    assert_eq!((conversations(&world), text.matches("1,540 tokens").count()), (5, 5), "{text}");
    assert!(text.contains("... 2 more deployments"), "{text}");
    world.faults("deployments/conversation/read%1=500-before");
    let text = status(&world, Tokens::Read, Length::Cut).await;
    assert_eq!(text.matches("tokens").count(), 0, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_marks_a_run_that_this_machine_is_not_known_to_have_started() {
    let mut world = World::new("spy: {prompt: p, deployments: {first: {followUps: [a, b]}}}");
    world.apply().await;
    seconds(7_200).await;
    let plan = world.plan().await;
    let line = "\n      run: Completed, 2 h old, 1,540 tokens, started on this machine\n";
    assert!(shown(&plan).contains(line), "{}", shown(&plan));
    let digest = plan.digest();
    world.on_another_machine();
    let plan = world.plan().await;
    let line = "\n      run: Completed, 2 h old, 1,540 tokens, not known to have been started on this machine\n";
    assert!(shown(&plan).contains(line), "{}", shown(&plan));
    assert_eq!(plan.digest(), digest, "a mark is for eyes");
    let json: serde_json::Value =
        serde_json::from_str(&qcops::render::json::render(&PlanView::new(&plan))).unwrap();
    let standing = serde_json::json!(
        {"status": "Completed", "age_seconds": 7_200, "tokens": 1_540, "started_by_this_ledger": false}
    );
    assert_eq!(json["steps"][0]["deployment"], standing);
    world.apply().await;
    seconds(10).await;
    person_says(&world, "my own").await;
    let text = world.plan_text().await;
    assert!(text.contains("      run: Completed, 2 h old, 4,621 tokens, not known"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_somebody_else_started_serves_and_is_not_taken_for_ours() {
    let mut world = World::new("spy: {prompt: p}");
    world.apply().await;
    // A person presses the button in the web interface.
    world.client().create_deployment(TaskId(332)).await.into_result().unwrap();
    seconds(10).await;
    world.edit("spy: {prompt: p, deployments: {first: {followUps: [a]}}}");
    let text = world.plan_text().await;
    assert!(text.contains("not known to have been started on this machine"), "{text}");
    world.apply().await;
    seconds(10).await;
    let overview = overview(&world, Tokens::AsKnown).await;
    let run = &overview.keys[0].runs[0];
    assert_eq!(run.serves.as_ref().map(Key::as_str), Some("first"));
    assert!(!run.is_from_here, "a follow-up from here does not make it ours");
}
