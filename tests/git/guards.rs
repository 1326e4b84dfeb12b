//! What a plan is stopped from doing, and that the help which is printed works.

use std::fmt::Write as _;

use super::{with_spy, with_two};
use crate::support::repo::Repo;

#[tokio::test]
async fn omission_is_no_deletion_unless_pruning() {
    let repo = with_two();
    repo.tasks("spy: {prompt: Buy SPY}").commit("drop qqq").on_another_machine();
    repo.qcops("apply --yes").expect(0, &["deferred[prune-off]", "`--prune`"]);
    assert_eq!(repo.service().await, "332 qqq: Buy QQQ\n333 spy: Buy SPY");
    repo.converge("--prune");
    assert_eq!(repo.service().await, "333 spy: Buy SPY");
}

#[tokio::test]
async fn protection_outlives_the_removal_of_its_entry() {
    let repo = Repo::new();
    let spy = "spy: {prompt: Buy SPY}";
    repo.tasks(&format!("qqq: {{prompt: Buy QQQ, protect: true}}\n{spy}")).commit("first");
    repo.converge("").tasks(spy).commit("drop qqq").on_another_machine();
    repo.qcops("apply --yes --prune").expect(3, &["blocked[protected]", "`protect: false`"]);
    assert_eq!(repo.service().await, "332 qqq: Buy QQQ\n333 spy: Buy SPY");
    repo.tasks(&format!("qqq: {{prompt: Buy QQQ, protect: false}}\n{spy}")).commit("unprotect");
    repo.tasks(spy).commit("drop qqq again").converge("--prune");
    assert_eq!(repo.service().await, "333 spy: Buy SPY");
}

#[tokio::test]
async fn a_protected_task_is_not_replaced_until_a_commit_says_so() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, protect: true}").commit("first").converge("");
    repo.tasks("spy: {prompt: Buy SPY daily, protect: true}").commit("edit");
    repo.qcops("apply --yes").expect(3, &["blocked[protected]"]);
    assert_eq!(repo.service().await, "332 spy: Buy SPY");
    repo.tasks("spy: {prompt: Buy SPY, protect: false}").commit("unprotect");
    repo.tasks("spy: {prompt: Buy SPY daily, protect: true}").commit("edit again");
    repo.qcops("apply --yes").expect(3, &["blocked[protected]"]);
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("edit unprotected").converge("");
}

#[tokio::test]
async fn an_empty_manifest_retires_nothing_unless_that_is_allowed() {
    let repo = with_spy();
    repo.tasks("").commit("empty");
    repo.qcops("apply --yes --prune").expect(3, &["`--allow empty-manifest`"]);
    assert_eq!(repo.service().await, "332 spy: Buy SPY");
    repo.converge("--prune --allow empty-manifest");
    assert_eq!(repo.service().await, "");
}

fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        writeln!(lines, "t{number:03}: {{prompt: Task {number}}}").unwrap();
        lines
    })
}

#[tokio::test]
async fn forty_of_a_hundred_are_not_retired_by_a_slip() {
    let repo = Repo::new();
    repo.tasks(&lines(100)).commit("a hundred");
    repo.edit_service(|service| {
        for number in 0..100 {
            let id = service.add_task(&format!("t{number:03}"), 47, &format!("Task {number}"));
            service.task_mut(id).unwrap().project_preference = "project-for-task".to_owned();
        }
    })
    .await;
    repo.expect_nothing_to_do("--prune").tasks(&lines(60)).commit("a slip");
    let before = repo.service().await;
    let blocked = ["blocked[too-many-deletes]", "40 tasks would be removed", "`--max-deletes 40`"];
    repo.qcops("plan --prune").expect(3, &blocked);
    repo.qcops("apply --yes --prune").expect(3, &blocked);
    assert_eq!(repo.service().await, before);
    repo.qcops("plan --prune --max-deletes 40").expect(0, &["task.t099 will be"]);
}

#[tokio::test]
async fn replacing_most_tasks_at_once_has_to_be_asked_for() {
    let repo = Repo::new();
    repo.tasks(&lines(6)).commit("six").converge("");
    repo.tasks(&lines(6).replace("Task 0", "Do 0").replace("Task 1", "Do 1")).commit("edit two");
    repo.converge("");
    repo.tasks(&lines(6).replace("Task", "Make")).commit("edit all");
    let before = repo.service().await;
    repo.qcops("apply --yes").expect(3, &["blocked[too-many-replaces]", "`--max-replaces 6`"]);
    assert_eq!(repo.service().await, before);
    repo.converge("--max-replaces 6");
}
