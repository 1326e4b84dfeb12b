//! A plan with kept facts is the plan without them, whatever happened between two plans.
//!
//! One thing is not promised: where a person spoke in a deployment that had ended, whether it has failed since.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use qcops::diag::Code;
use qcops::emulator::DeploymentPhase;
use qcops::model::DeploymentId;
use qcops::plan::{Limits, Plan};

use super::cases;
use crate::support::world::{World, shown};

/// What happens between two plans; tasks and deployments by their place.
#[derive(Clone, Debug)]
enum Meddling {
    /// A deployment is started by hand and ends so, or goes on.
    Deploy(usize, Option<DeploymentPhase>),
    /// A deployment is deleted.
    Delete(usize),
    /// A person speaks in a deployment, and the agent has answered or is at it.
    Say(usize, &'static str, Option<DeploymentPhase>),
    /// A turn is there that nobody answers.
    Turn(usize, &'static str),
    Rename(usize, &'static str),
    Prompt(usize, &'static str),
    Schedule(usize, bool),
    Notify(usize),
    Clone(usize),
    DeleteTask(usize),
    /// The manifest declares something else.
    Edit(usize),
}

const MANIFESTS: [&str; 6] = [
    "a: {prompt: p, deployments: {d: {}, e: {followUps: [x, y]}}}\nb: {prompt: q, deployments: {d: {followUps: [x]}}}\nc: {prompt: r}",
    "a: {prompt: p, deployments: {d: {}, e: {followUps: [x, y, z]}}}\nb: {prompt: q, deployments: {d: {followUps: [x]}}}\nc: {prompt: r}",
    "a: {prompt: p, deployments: {e: {followUps: [x]}, f: {}, g: {}}}\nb: {prompt: q, deployments: {d: {followUps: [z]}}}\nc: {prompt: r, deployments: {d: {}}}",
    "a: {prompt: pp, deployments: {d: {}}}\nb: {prompt: q, name: B, deployments: {d: {}}}\nc: {prompt: r}",
    "b: {prompt: q, deployments: {d: {followUps: [x], state: stopped}, e: {followUps: [y]}}}\nc: {prompt: r}",
    "k: {prompt: p, deployments: {d: {}, e: {followUps: [y]}}}\nb: {prompt: q}",
];

fn endings() -> impl Strategy<Value = Option<DeploymentPhase>> {
    use DeploymentPhase::{Completed, Failed, Stopped};
    select(vec![None, Some(Completed), Some(Failed), Some(Stopped)])
}

fn meddling() -> impl Strategy<Value = Meddling> {
    let at = || 0..6_usize;
    let word = || select(&["x", "y", "z", "p", "other"][..]);
    prop_oneof![
        (at(), endings()).prop_map(|(at, ending)| Meddling::Deploy(at, ending)),
        at().prop_map(Meddling::Delete),
        (at(), word(), endings()).prop_map(|(at, word, ending)| Meddling::Say(at, word, ending)),
        (at(), word()).prop_map(|(at, word)| Meddling::Turn(at, word)),
        (at(), word()).prop_map(|(at, word)| Meddling::Rename(at, word)),
        (at(), word()).prop_map(|(at, word)| Meddling::Prompt(at, word)),
        (at(), any::<bool>()).prop_map(|(at, is_set)| Meddling::Schedule(at, is_set)),
        at().prop_map(Meddling::Notify),
        at().prop_map(Meddling::Clone),
        at().prop_map(Meddling::DeleteTask),
        (1..MANIFESTS.len()).prop_map(Meddling::Edit),
    ]
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_plan_with_facts_is_the_plan_without(rounds in vec(vec(meddling(), 0..4), 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(tell(&rounds));
    }
}

async fn tell(rounds: &[Vec<Meddling>]) {
    let mut world = World::new(MANIFESTS[0]);
    world.options.limits =
        Limits { delete: Some(99), replace: Some(99), create: Some(99), runs: Some(99) };
    world.commit();
    for _ in 0..4 {
        world.apply().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    world.expect_nothing_to_do().await;
    let mut kept = String::new();
    world.plan_recalling(&mut kept).await;
    let mut was_spoken = false;
    assert!(kept.contains("A-"), "{kept}");
    for round in rounds {
        for meddling in round {
            meddle(&mut world, meddling).await;
            was_spoken |= matches!(meddling, Meddling::Say(..));
        }
        let mut with = world.plan_recalling(&mut kept).await;
        let mut without = world.plan().await;
        if was_spoken {
            // That a deployment failed after a person spoke in it shows in no list of tasks.
            for plan in [&mut with, &mut without] {
                plan.notes.retain(|note| note.code != Code::DeploymentFailed);
            }
        }
        assert_eq!(said(&with), said(&without), "{rounds:?}\n{kept}");
    }
}

/// All of a plan but the moment at which it was made.
fn said(plan: &Plan) -> (String, String, String) {
    (shown(plan), plan.digest().to_string(), format!("{:#?}\n{:#?}", plan.watches, plan.runs))
}

async fn meddle(world: &mut World, meddling: &Meddling) {
    let tasks: Vec<u64> =
        world.edit_service(|world| world.tasks().map(|task| task.id).collect()).await;
    let mut runs: Vec<String> =
        world.edit_service(|world| world.deployments().map(|run| run.id.clone()).collect()).await;
    runs.sort();
    let task = |at: usize| tasks.get(at % tasks.len().max(1)).copied().unwrap_or_default();
    let run = |at: usize| runs.get(at % runs.len().max(1)).cloned().unwrap_or_default();
    match meddling.clone() {
        Meddling::Deploy(at, ending) => {
            let end = |world: &mut qcops::emulator::World| {
                if let (Some(run), Some(ending)) = (world.run_task(task(at)), ending) {
                    world.end_run(&run, ending);
                }
            };
            world.edit_service(end).await;
        }
        Meddling::Delete(at) => {
            drop(world.client().delete_deployment(&DeploymentId(run(at))).await);
        }
        Meddling::Say(at, text, ending) => {
            let say = |world: &mut qcops::emulator::World| {
                if world.say(&run(at), text)
                    && let Some(ending) = ending
                {
                    world.end_run(&run(at), ending);
                }
            };
            world.edit_service(say).await;
        }
        Meddling::Turn(at, text) => {
            world.edit_service(|world| world.add_turn(&run(at), text)).await;
        }
        Meddling::Rename(at, name) => {
            let rename = |world: &mut qcops::emulator::World| {
                if let Some(task) = world.task_mut(task(at)) {
                    name.clone_into(&mut task.name);
                }
            };
            world.edit_service(rename).await;
        }
        Meddling::Prompt(at, prompt) => {
            world.edit_service(|world| world.edit_prompt(task(at), prompt)).await;
        }
        Meddling::Schedule(at, is_set) => {
            let cron = is_set.then_some("0 9 * * 1");
            world.edit_service(|world| world.set_schedule(task(at), cron)).await;
        }
        Meddling::Notify(at) => {
            let bell = vec![serde_json::json!({"email": "a@example.org"})];
            world.edit_service(|world| world.set_notifications(task(at), bell)).await;
        }
        Meddling::Clone(at) => drop(world.edit_service(|world| world.clone_task(task(at))).await),
        Meddling::DeleteTask(at) => {
            drop(world.client().delete_task(qcops::model::TaskId(task(at))).await);
        }
        Meddling::Edit(at) => {
            world.edit(MANIFESTS[at]);
        }
    }
}
