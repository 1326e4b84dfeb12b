//! What is evidence: every ancestor commit, whatever became of keys, files and branches.

use super::{with_spy, with_spy_and_a_run, with_two};
use crate::support::repo::Repo;

#[test]
fn a_prompt_changed_in_a_commit_replaces_the_task_on_a_machine_that_knows_nothing() {
    let repo = with_spy();
    repo.on_another_machine().tasks("spy: {prompt: Buy SPY daily}").commit("edit");
    repo.qcops("plan").expect(0, &["-/+ task.spy will be replaced"]);
    repo.converge("");
}

#[test]
fn planning_twice_gives_equal_bytes() {
    let repo = with_two();
    repo.tasks("iwm: {prompt: Buy IWM}\nspy: {prompt: Buy SPY daily}").commit("edit");
    let (first, second) = (repo.qcops("plan --prune -v"), repo.qcops("plan --prune -v"));
    assert_eq!(first.out, second.out);
    first.expect(0, &["+ task.iwm", "-/+ task.spy", "- task.qqq"]);
}

#[tokio::test]
async fn a_squash_merge_replaces_what_main_declared() {
    let repo = with_spy();
    repo.git("checkout -q -b topic");
    repo.tasks("spy: {prompt: Draft}").commit("draft");
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("final");
    repo.git("checkout -q main");
    repo.git("merge -q --squash topic");
    repo.commit("squash").git("branch -D topic");
    repo.on_another_machine().converge("");
    assert_eq!(repo.service().await, "333 spy: Buy SPY daily");
}

#[tokio::test]
async fn a_revert_brings_the_archived_task_back_with_its_runs() {
    let repo = with_spy_and_a_run();
    repo.tasks("spy: {prompt: Buy SPY daily, deployments: {first: {}}}").commit("edit");
    repo.converge("");
    repo.git("revert --no-edit HEAD");
    repo.on_another_machine().qcops("plan").expect(0, &["task.spy will be restored (task 332"]);
    repo.converge("");
    let tasks = repo.service().await;
    assert!(tasks.starts_with("332 spy: Buy SPY\n333 spy [superseded "), "{tasks}");
    let runs = repo.edit_service(|service| service.deployments().count()).await;
    assert_eq!(runs, 2, "the old run serves again");
}

#[tokio::test]
async fn a_renamed_key_keeps_its_task() {
    let repo = with_spy_and_a_run();
    repo.tasks("index: {prompt: Buy SPY, deployments: {first: {}}}").commit("rename the key");
    repo.on_another_machine();
    repo.qcops("plan --prune").expect(0, &["task.index will be updated in place (task 332"]);
    repo.converge("--prune");
    assert_eq!(repo.service().await, "332 index: Buy SPY");
}

#[tokio::test]
async fn a_renamed_key_with_another_prompt_is_blocked_until_its_task_is_pinned() {
    let repo = Repo::new();
    repo.tasks("spy: {name: Index, prompt: Buy SPY}").commit("first").converge("");
    repo.tasks("index: {name: Index, prompt: Buy SPY daily}").commit("rename and edit");
    repo.qcops("plan --prune")
        .expect(3, &["blocked[unproven]", "`id: 332`", "+ Buy SPY{+ daily+}"])
        .expect(3, &["belongs to `spy`, which earlier versions declared", "if not: give `index`"])
        .expect_no(&["nothing proves"]);
    let other = "index: {name: Another, prompt: Buy SPY daily}";
    repo.tasks(other).qcops("plan --prune").expect(0, &["+ task.index", "- task.spy"]);
    repo.tasks("index: {id: 332, name: Index, prompt: Buy SPY daily}").converge("--prune");
    let tasks = repo.service().await;
    assert!(tasks.ends_with("333 Index: Buy SPY daily"), "{tasks}");
}

#[tokio::test]
async fn a_content_that_moves_to_another_key_takes_its_task_along() {
    let repo = with_spy_and_a_run();
    repo.tasks("qqq: {prompt: Buy SPY}\nspy: {prompt: Buy SPY daily}").commit("copy and edit");
    repo.on_another_machine().converge("--prune");
    assert_eq!(repo.service().await, "332 qqq: Buy SPY\n333 spy: Buy SPY daily");
}

#[tokio::test]
async fn a_manifest_split_in_two_keeps_its_tasks() {
    let repo = with_two();
    repo.git("rm -q tasks.yaml");
    repo.manifest("a.yaml", "spy: {prompt: Buy SPY daily}");
    repo.manifest("b.yaml", "qqq: {prompt: Buy QQQ}").commit("split and edit");
    repo.on_another_machine();
    repo.converge("--prune -f a.yaml").converge("--prune -f b.yaml");
    repo.converge("--prune -f a.yaml -f b.yaml");
    assert_eq!(repo.service().await, "332 qqq: Buy QQQ\n334 spy: Buy SPY daily");
}

#[tokio::test]
async fn a_moved_manifest_keeps_its_tasks() {
    let repo = with_two();
    repo.git("rm -q tasks.yaml");
    repo.manifest("agents/team.yaml", "spy: {prompt: Buy SPY daily}").commit("move and edit");
    repo.on_another_machine().converge("--prune -f agents/team.yaml");
    assert_eq!(repo.service().await, "334 spy: Buy SPY daily");
}

#[tokio::test]
async fn a_changed_default_replaces_every_task_it_reaches() {
    let repo = with_spy();
    let text = |agent| {
        format!(
            "version: 1\ndefaults: {{agentId: {agent}, projectPreference: project-for-task}}\n\
             tasks:\n  spy: {{prompt: Buy SPY}}\n"
        )
    };
    repo.write("tasks.yaml", &text(48)).on_another_machine();
    repo.qcops("plan").expect(0, &["replaced because agentId cannot be changed in place"]);
    repo.commit("another agent").converge("");
    assert_eq!(repo.service().await, "333 spy: Buy SPY");
}

#[tokio::test]
async fn several_unfinished_replaces_are_finished_by_one_run() {
    let repo = with_spy();
    repo.tasks("spy: {prompt: Second}").commit("second");
    repo.add_made("spy", "Second").await;
    repo.tasks("spy: {prompt: Third}").commit("third");
    repo.add_made("spy", "Third").await;
    repo.on_another_machine().converge("");
    assert_eq!(repo.service().await, "334 spy: Third");
    repo.add_made("spy", "Second").await;
    repo.tasks("spy: {prompt: Fourth}").commit("fourth");
    repo.on_another_machine().converge("");
    assert_eq!(repo.service().await, "336 spy: Fourth");
}

#[tokio::test]
async fn uncommitted_edits_are_planned_and_what_they_made_is_known_to_this_machine_alone() {
    let repo = with_spy();
    repo.on_another_machine().tasks("spy: {prompt: Second}").converge("");
    repo.tasks("spy: {prompt: Third}").converge("");
    repo.on_another_machine().tasks("spy: {prompt: Fourth}");
    repo.qcops("plan").expect(3, &["blocked[unproven]", "`id: 334`", "- Third", "+ Fourth"]);
    repo.tasks("spy: {prompt: Third}").commit("third");
    repo.tasks("spy: {prompt: Fourth}").converge("");
    let tasks = repo.service().await;
    assert!(tasks.starts_with("333 spy [superseded "), "no commit holds its content: {tasks}");
    assert!(tasks.ends_with("\n335 spy: Fourth"), "{tasks}");
}

#[tokio::test]
async fn before_the_first_commit_the_ledger_is_the_evidence() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").converge("");
    repo.tasks("spy: {prompt: Buy SPY daily}").converge("");
    let tasks = repo.service().await;
    assert!(tasks.contains("333 spy: Buy SPY daily"), "{tasks}");
    assert!(tasks.contains("332 spy [superseded "), "no commit holds its content: {tasks}");
}

#[tokio::test]
async fn outside_of_git_everything_works_but_what_needs_history() {
    let repo = Repo::plain();
    repo.tasks("spy: {prompt: Buy SPY}").converge("");
    repo.on_another_machine().expect_nothing_to_do("");
    repo.tasks("spy: {prompt: Buy SPY daily}");
    repo.qcops("plan").expect(3, &["blocked[unproven]", "`id: 332`"]);
}

#[tokio::test]
async fn a_manifest_in_a_subfolder_is_planned_from_anywhere() {
    let repo = Repo::new();
    let text = "version: 1\ntasks:\n  spy:\n    agentId: 47\n    projectPreference: project-for-task\n    \
                promptFile: prompts/spy.md\n";
    repo.write("agents/tasks.yaml", text).write("agents/prompts/spy.md", "Buy SPY\n");
    repo.commit("first").converge("-f agents/tasks.yaml");
    repo.write("agents/prompts/spy.md", "Buy SPY daily\n").commit("the prompt alone");
    repo.on_another_machine();
    let replaced = ["-/+ task.spy will be replaced"];
    repo.qcops_in("agents", "plan").expect(0, &replaced);
    repo.qcops_in("agents/prompts", "plan -f ../tasks.yaml").expect(0, &replaced);
    assert!(!repo.path().join("agents/.qcops").exists());
    repo.converge("-f agents/tasks.yaml");
    assert_eq!(repo.service().await, "333 spy: Buy SPY daily");
}

#[test]
fn a_linked_work_tree_is_a_checkout_like_any_other() {
    let repo = with_spy();
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("edit");
    repo.git("worktree add -q ../linked");
    let replaced = ["-/+ task.spy will be replaced"];
    repo.qcops_in("../linked", "plan").expect(0, &replaced);
    repo.qcops_in("../linked", "apply --yes").expect(0, &[]);
    repo.on_another_machine().expect_nothing_to_do("");
}

#[test]
fn a_version_that_never_parsed_is_named_with_v() {
    let repo = with_spy();
    repo.write("tasks.yaml", "version: 1\ntasks: [\n").commit("broken");
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("mended");
    repo.on_another_machine();
    let planned = repo.qcops("plan -v");
    planned.expect(0, &["-/+ task.spy will be replaced"]);
    assert!(planned.err.contains("cannot be understood"), "{}", planned.err);
    repo.converge("");
}

#[tokio::test]
async fn a_rebased_branch_forgets_what_only_the_old_one_declared_until_it_is_named() {
    let repo = with_spy();
    repo.tasks("spy: {prompt: Lost}").commit("lost").converge("");
    let lost = repo.git("rev-parse HEAD");
    repo.git("reset -q --hard HEAD~1");
    repo.tasks("spy: {prompt: Kept}").commit("kept").on_another_machine();
    repo.qcops("plan").expect(3, &["blocked[unproven]", "`id: 333`", "- Lost", "+ Kept"]);
    repo.converge(&format!("--history-from {lost}"));
    assert_eq!(repo.service().await, "334 spy: Kept");
}

#[tokio::test]
async fn a_released_key_is_left_alone_for_good() {
    let repo = with_two();
    let text = "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\n\
                tasks:\n  spy: {prompt: Buy SPY}\nforget: [qqq]\n";
    repo.write("tasks.yaml", text).commit("release qqq").on_another_machine();
    repo.converge("--prune").qcops("plan --prune").expect(0, &["1 unmanaged"]);
    assert_eq!(repo.service().await, "332 qqq: Buy QQQ\n333 spy: Buy SPY");
}

#[tokio::test]
async fn what_another_manifest_of_the_work_tree_declares_is_never_retired() {
    let repo = with_two();
    repo.tasks("spy: {prompt: Buy SPY}");
    // Under the same key, under another key, and as a file that Git does not track yet.
    for (path, lines) in [
        ("other.yaml", "qqq: {prompt: Buy QQQ daily}"),
        ("agents/other.yml", "nasdaq: {prompt: Buy QQQ}"),
        ("other.yaml", "nasdaq: {id: 332, prompt: Anything}"),
    ] {
        repo.manifest(path, lines).expect_nothing_to_do("--prune");
        repo.git("add -A");
        repo.expect_nothing_to_do("--prune");
        repo.git(&format!("rm -q -f {path}"));
    }
    repo.qcops("plan --prune").expect(0, &["- task.qqq will be deleted"]);
}

#[tokio::test]
async fn a_task_that_another_manifest_declares_is_never_replaced_or_superseded() {
    let repo = with_spy_and_a_run();
    repo.tasks("spy: {prompt: Second}").commit("second");
    repo.manifest("other.yaml", "spy: {prompt: Buy SPY}").tasks("spy: {prompt: Third}").commit("b");
    repo.on_another_machine();
    let planned = repo.qcops("plan");
    planned.expect_no(&["-/+", "archived as"]);
    repo.add_made("spy", "Third").await;
    repo.expect_nothing_to_do("");
}

#[tokio::test]
async fn nothing_is_retired_beside_a_manifest_that_cannot_be_understood() {
    let repo = with_two();
    repo.tasks("spy: {prompt: Buy SPY}");
    repo.manifest("other.yaml", "qqq: {promptFile: gone.md}").commit("broken neighbor");
    repo.qcops("plan --prune")
        .expect(3, &["blocked[", "other.yaml"])
        .expect_no(&["will be deleted"]);
    repo.write("gone.md", "Buy QQQ").expect_nothing_to_do("--prune");
    repo.git("rm -q -f other.yaml");
    repo.write("Taskfile.yml", "version: '3'\ntasks:\n  build: {cmds: [make]}\n");
    repo.commit("without the neighbor").converge("--prune");
    assert_eq!(repo.service().await, "333 spy: Buy SPY");
}
