//! One fact has one name and one place, whoever asks for it.

use std::collections::BTreeSet;

use qcops::model::TaskId;
use qcops::observed::{ListedAgents, ReadRequest};
use qcops::plan::{Scope, desired, destroy_reads};
use qcops::pull;
use serde_json::Value;

use crate::support::repo::Repo;
use crate::support::scene::Scene;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn who_started_a_deployment_is_two_facts_with_two_names() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {d: {}}}").commit("first");
    let by_this_apply = || {
        let apply = "apply --yes --wait --poll-interval 10ms --output json=report.json";
        assert_eq!(repo.qcops(apply).code, 0);
        read(&repo.read("report.json"))["deployments"][0]["started_by_this_apply"].clone()
    };
    let by_this_ledger = || {
        let status = read(&repo.qcops("status --format json").out);
        status["tasks"][0]["deployments"][0]["started_by_this_ledger"].clone()
    };
    let facts = [by_this_apply(), by_this_ledger(), by_this_apply(), by_this_ledger()];
    assert_eq!(facts, [true, true, false, true].map(Value::from), "apply, ledger, apply, ledger");
    repo.on_another_machine();
    assert_eq!(by_this_ledger(), false, "another ledger");
}

#[tokio::test]
async fn a_key_with_several_equal_matches_has_no_action_and_creates_nothing() {
    let repo = Repo::new();
    let preference = "projectPreference: project-each-task-deployment";
    repo.tasks(&format!("spy: {{prompt: Buy SPY, {preference}}}")).commit("first");
    repo.edit_service(|world| {
        for name in ["One", "Two"] {
            world.add_task(name, 47, "Buy SPY");
        }
    })
    .await;
    let plan = repo.qcops("plan --format json");
    let step = &read(&plan.out)["steps"][0];
    assert!(step["action"].is_null(), "nothing is decided: {}", plan.out);
    assert_eq!([&step["status"], &step["code"]], ["blocked", "ambiguous"], "{}", plan.out);
    assert_eq!(step["candidates"].as_array().unwrap().len(), 2, "{}", plan.out);
    let text = repo.qcops("plan").out;
    assert!(!text.contains("to create") && !text.contains("will be created"), "{text}");
}

#[test]
fn plan_pull_and_destroy_distrust_a_list_of_prompts_by_the_same_tasks() {
    let table = [
        ("the first of equal ones", &[(8, "prompt x"), (9, "prompt y")][..], &[1][..]),
        ("the longest", &[(8, "a much longer prompt"), (9, "short")], &[8]),
        // Three bytes a letter: nobody knows in which of both a service measures.
        (
            "one by letters, one by bytes",
            &[(8, "a prompt of letters"), (9, "ひひひひひひひひ")],
            &[8, 9],
        ),
        ("the lower id of equal lengths", &[(8, "a longer prompt"), (9, "b longer prompt")], &[8]),
    ];
    for (row, tasks, expected) in table {
        let mut scene = Scene::established(2);
        for (id, prompt) in tasks {
            scene.show(TaskId(*id), &format!("Task {id}"), prompt);
        }
        let only_tasks = |reads: BTreeSet<ReadRequest>| {
            let ids = reads.into_iter().filter_map(|read| match read {
                ReadRequest::Task(id) => Some(id.0),
                ReadRequest::Agent(_)
                | ReadRequest::Deployments(_)
                | ReadRequest::Conversation(_) => None,
            });
            ids.collect::<Vec<_>>()
        };
        assert_eq!(
            only_tasks(pull::desired(&scene.state, &ListedAgents::new(), &BTreeSet::new())),
            expected,
            "{row}: pull"
        );
        let destroyed = destroy_reads(&scene.plan_context.with(&scene.state), Scope::Owned);
        assert_eq!(only_tasks(destroyed), expected, "{row}: destroy");
        scene.declare("new", "n");
        let planned = desired(&scene.plan_context.with(&scene.state));
        assert_eq!(only_tasks(planned), expected, "{row}: plan");
    }
}

#[test]
fn a_snapshot_is_planned_without_looking_at_credentials() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    assert_eq!(repo.qcops("plan --save-snapshot seen.json").code, 0);
    let words = ["plan", "--snapshot", "seen.json"].map(str::to_owned);
    let table = [
        &[][..],
        &[("QC_USER_ID", "0")],
        &[("QC_USER_ID", "nobody"), ("QC_API_TOKEN", "x")],
        &[("QC_API_TOKEN", "a\nb")],
        &[("QC_USER_ID", ""), ("QC_API_TOKEN", "")],
    ];
    let plans = table.map(|variables| {
        let ran = repo.run_with(&words, variables);
        assert_eq!(ran.code, 0, "{variables:?}: {}", ran.err);
        ran.out
    });
    assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:#?}");
    assert!(plans[0].contains("1 to create"), "{}", plans[0]);
}
