//! What people do in the web interface: reported, respected, never overwritten unasked.

use serde_json::json;

use super::{with_spy, with_spy_and_a_run};
use crate::support::repo::Repo;

const EDIT: &str = "spy: {prompt: Buy SPY daily}";

#[tokio::test]
async fn a_clone_is_reported_and_never_touched() {
    let repo = with_spy();
    repo.edit_service(|service| service.clone_task(332)).await;
    repo.qcops("plan --prune").expect(0, &["note[duplicate]", "task 333 `spy (clone)`"]);
    repo.tasks(EDIT).commit("edit").on_another_machine().converge("--prune");
    repo.qcops("plan --prune").expect(0, &["note[copy]", "task 333 `spy (clone)`"]);
    assert_eq!(repo.service().await, "333 spy (clone): Buy SPY\n334 spy: Buy SPY daily");
    repo.tasks("iwm: {prompt: Buy IWM}").commit("drop spy").converge("--prune");
    assert_eq!(repo.service().await, "333 spy (clone): Buy SPY\n335 iwm: Buy IWM");
}

#[tokio::test]
async fn a_clone_does_not_stand_in_for_an_original_that_was_edited_by_hand() {
    let repo = with_spy();
    repo.edit_service(|service| {
        service.clone_task(332);
        service.edit_prompt(332, "Edited by hand");
    })
    .await;
    repo.tasks(EDIT).commit("edit").on_another_machine();
    let before = repo.service().await;
    repo.qcops("apply --yes").expect(3, &["blocked[unproven]", "`id: 332`"]);
    assert_eq!(repo.service().await, before);
}

#[tokio::test]
async fn an_edited_task_is_blocked_with_its_difference_until_one_side_gives_way() {
    let edited = || async {
        let repo = with_spy();
        repo.edit_service(|service| service.edit_prompt(332, "Edited by hand")).await;
        repo.on_another_machine().qcops("apply --yes").expect(
            3,
            &["blocked[unproven]", "task 332", "- Edited by hand", "+ Buy SPY", "`id: 332`"],
        );
        assert_eq!(repo.service().await, "332 spy: Edited by hand");
        repo
    };
    let repo = edited().await;
    repo.tasks("spy: {prompt: Edited by hand}").converge("");
    assert_eq!(repo.service().await, "332 spy: Edited by hand");
    let repo = edited().await;
    repo.tasks("spy: {id: 332, prompt: Buy SPY}").converge("");
    let tasks = repo.service().await;
    assert!(tasks.starts_with("332 spy [superseded "), "its text is nowhere else: {tasks}");
    assert!(tasks.ends_with("333 spy: Buy SPY"), "{tasks}");
    repo.tasks("spy: {prompt: Buy SPY}").expect_nothing_to_do("");
    let repo = edited().await;
    repo.tasks("spy: {name: Another, prompt: Buy SPY}").converge("");
    assert_eq!(repo.service().await, "332 spy: Edited by hand\n333 Another: Buy SPY");
}

#[tokio::test]
async fn a_task_edited_by_hand_is_known_to_the_machine_that_made_it_no_more_than_to_others() {
    let repo = with_spy();
    repo.edit_service(|service| service.edit_prompt(332, "Edited by hand")).await;
    repo.qcops("plan").expect(3, &["blocked[unproven]", "`id: 332`"]);
}

#[tokio::test]
async fn a_renamed_task_gets_its_name_back() {
    let repo = with_spy();
    repo.edit_service(|service| service.task_mut(332).unwrap().name = "Mine".to_owned()).await;
    repo.on_another_machine()
        .qcops("plan")
        .expect(0, &["task.spy will be updated in place (task 332"]);
    repo.converge("");
    assert_eq!(repo.service().await, "332 spy: Buy SPY");
}

#[tokio::test]
async fn a_renamed_task_is_still_the_one_to_replace() {
    let repo = with_spy();
    repo.edit_service(|service| service.task_mut(332).unwrap().name = "Mine".to_owned()).await;
    repo.tasks(EDIT).commit("edit").on_another_machine().converge("");
    assert_eq!(repo.service().await, "333 spy: Buy SPY daily");
}

#[tokio::test]
async fn a_schedule_stands_against_a_replace_until_one_of_two_ways_is_taken() {
    let scheduled = || async {
        let repo = with_spy();
        repo.edit_service(|service| service.set_schedule(332, Some("0 9 * * 1"))).await;
        repo.tasks(EDIT).commit("edit").on_another_machine();
        let words =
            ["blocked[scheduled]", "0 9 * * 1", "- Buy SPY", "+ Buy SPY{+ daily+}", "paste"];
        repo.qcops("apply --yes").expect(3, &words);
        assert_eq!(repo.service().await, "332 spy: Buy SPY");
        repo
    };
    let repo = scheduled().await;
    repo.edit_service(|service| service.edit_prompt(332, "Buy SPY daily")).await;
    repo.expect_nothing_to_do("");
    let repo = scheduled().await;
    repo.tasks("spy: {prompt: Buy SPY}").expect_nothing_to_do("");
    let repo = scheduled().await;
    repo.edit_service(|service| service.set_schedule(332, None)).await;
    repo.converge("");
}

#[tokio::test]
async fn a_schedule_stands_against_a_retire_and_both_of_its_ways_work() {
    let scheduled = || async {
        let repo = with_spy();
        repo.edit_service(|service| service.set_schedule(332, Some("0 9 * * 1"))).await;
        repo.tasks("iwm: {prompt: Buy IWM}").commit("drop spy");
        repo.qcops("plan --prune").expect(3, &["blocked[scheduled]", "forget"]);
        repo
    };
    let repo = scheduled().await;
    repo.edit_service(|service| service.set_schedule(332, None)).await;
    repo.converge("--prune");
    assert_eq!(repo.service().await, "333 iwm: Buy IWM");
    let repo = scheduled().await;
    let text = "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\n\
                tasks:\n  iwm: {prompt: Buy IWM}\nforget: [spy]\n";
    repo.write("tasks.yaml", text).converge("--prune");
}

#[tokio::test]
async fn what_has_notifications_or_runs_is_archived_and_never_deleted() {
    let archived = |tasks: &str| tasks.starts_with("332 spy [superseded ");
    let repo = with_spy();
    repo.edit_service(|service| service.set_notifications(332, vec![json!({"email": "a"})])).await;
    repo.tasks(EDIT).commit("edit").converge("");
    assert!(archived(&repo.service().await));
    let repo = with_spy_and_a_run();
    repo.tasks(EDIT).commit("edit").converge("");
    assert!(archived(&repo.service().await));
    let repo = with_spy_and_a_run();
    repo.tasks("iwm: {prompt: Buy IWM}").commit("drop").converge("--prune");
    assert!(archived(&repo.service().await));
    repo.qcops("plan --prune").expect(0, &["1 archived"]);
}

#[tokio::test]
async fn a_task_deleted_by_hand_is_made_anew() {
    let repo = with_spy();
    repo.tasks("iwm: {prompt: Buy IWM}\nspy: {prompt: Buy SPY}").commit("add").converge("");
    repo.edit_service(|service| service.task_mut(332).unwrap().prompt.clear()).await;
    repo.qcops("plan").expect(3, &["blocked["]);
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("a").commit("b").converge("");
}
