//! What a checkout may lack, and that what cannot be proven is deferred.

use super::{with_spy, with_spy_and_a_run, with_two};
use crate::support::repo::Repo;

#[tokio::test]
async fn without_the_commit_that_made_it_nothing_proves_that_a_task_is_ours() {
    let repo = with_spy();
    repo.on_another_machine();
    repo.edit_service(|service| service.edit_prompt(332, "Edited by hand")).await;
    repo.qcops("plan").expect(3, &["blocked[unproven]", "`id: 332`"]);
}

#[tokio::test]
async fn a_shallow_clone_withholds_deletes_and_names_the_fix() {
    let repo = with_two();
    repo.tasks("spy: {prompt: Buy SPY}").commit("drop qqq");
    let clone = repo.clone_with("--depth 1");
    clone.qcops("apply --yes --prune").expect(0, &["fetch-depth: 0", "1 unmanaged"]);
    assert_eq!(clone.service().await, repo.service().await);
    clone.git("fetch -q --unshallow");
    clone.converge("--prune");
    assert_eq!(clone.service().await, "333 spy: Buy SPY");
}

#[tokio::test]
async fn a_shallow_clone_withholds_creates_while_tasks_exist_that_nobody_claims() {
    let repo = with_spy();
    repo.add_made("Somebody's", "Theirs").await;
    repo.tasks("iwm: {prompt: Buy IWM}\nspy: {prompt: Buy SPY}").commit("add iwm");
    let clone = repo.clone_with("--depth 1");
    let blocked = ["blocked[lost-evidence]", "fetch-depth: 0", "`--allow lost-evidence`"];
    clone.qcops("apply --yes").expect(3, &blocked);
    assert_eq!(clone.service().await, repo.service().await);
    let other = repo.clone_with("--depth 1");
    other.converge("--allow lost-evidence");
    clone.git("fetch -q --unshallow");
    clone.converge("");
    assert_eq!(clone.service().await, other.service().await);
}

#[test]
fn what_a_shallow_clone_cannot_prove_is_blocked_with_what_helps_first() {
    let table = [
        ("a prompt", "prompt: One", ("tasks.yaml", "One", "Two")),
        ("a prompt file", "promptFile: p.md", ("p.md", "Plain", "Edited")),
        ("a template", "template: true, promptFile: t.md", ("t.md", "Template", "Edited")),
        ("a partial", "template: true, promptFile: t.md", ("part.md", "Part", "Edited")),
    ];
    for (name, fields, (path, before, after)) in table {
        let repo = Repo::new();
        repo.tasks(&format!("a: {{{fields}}}")).write("p.md", "Plain\n").write("part.md", "Part\n");
        repo.write("t.md", "Template {{ key }} {% include \"part.md\" %}").commit("first");
        repo.converge("").write(path, &repo.read(path).replace(before, after)).commit("edit");
        let clone = repo.clone_with("--depth 1");
        let plan = clone.qcops("plan");
        assert_eq!(plan.code, 3, "{name}: {}", plan.out);
        let helps = ["blocked[unproven]: the clone is shallow", "fetch-depth: 0", "`id: 332`"];
        let places = helps.map(|words| plan.out.find(words));
        assert!(places.is_sorted() && places[0].is_some(), "{name}: {}", plan.out);
        clone.git("fetch -q --unshallow");
        clone.qcops("plan").expect(0, &["-/+ task.a"]);
    }
}

#[tokio::test]
async fn a_shallow_clone_without_foreign_tasks_creates_as_ever() {
    let repo = with_spy();
    repo.tasks("iwm: {prompt: Buy IWM}\nspy: {prompt: Buy SPY}").commit("add iwm");
    let clone = repo.clone_with("--depth 1");
    clone.converge("");
    assert_eq!(clone.service().await, "332 spy: Buy SPY\n333 iwm: Buy IWM");
}

#[tokio::test]
async fn an_old_version_whose_variable_is_not_set_withholds_and_names_it() {
    let repo = Repo::new();
    repo.tasks("spy: {name: \"${TEAM} spy\", prompt: Buy SPY}").commit("first");
    repo.tasks("spy: {name: spy, prompt: Buy SPY daily}").commit("second");
    repo.add_made("Ours spy", "Buy SPY").await;
    repo.qcops("apply --yes").expect(3, &["blocked[lost-evidence]", "set `TEAM`"]);
    assert_eq!(repo.service().await, "332 Ours spy: Buy SPY");
}

#[tokio::test]
async fn a_late_apply_of_an_old_commit_is_stopped_where_its_upstream_is_known() {
    let repo = with_spy();
    let clone = repo.clone_with("");
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("edit");
    clone.git("pull -q");
    clone.converge("");
    let before = clone.service().await;
    clone.git("reset -q --hard HEAD~1");
    let blocked = ["blocked[stale-checkout]", "`git pull`", "`--allow stale-checkout`"];
    clone.qcops("plan").expect(3, &blocked);
    clone.qcops("apply --yes").expect(3, &blocked);
    assert_eq!(clone.service().await, before);
    clone.git("pull -q");
    clone.expect_nothing_to_do("");
    clone.git("reset -q --hard HEAD~1");
    clone.converge("--allow stale-checkout");
}

#[tokio::test]
async fn a_late_apply_of_an_old_commit_makes_nothing_where_no_upstream_is_known() {
    for (repo, deployments) in
        [(with_spy(), ""), (with_spy_and_a_run(), ", deployments: {first: {}}")]
    {
        let old = repo.git("rev-parse HEAD");
        repo.tasks(&format!("spy: {{prompt: Buy SPY daily{deployments}}}")).commit("edit");
        repo.converge("");
        let before = repo.service().await;
        repo.git(&format!("checkout -q --detach {old}"));
        repo.on_another_machine();
        repo.qcops("apply --yes").expect(3, &["blocked["]);
        assert_eq!(repo.service().await, before);
        repo.converge("--history-from main");
    }
}

#[tokio::test]
async fn a_task_declared_long_ago_is_found_when_all_of_the_history_is_read() {
    let repo = Repo::new();
    repo.import_commits(
        "tasks.yaml",
        (0..300).map(|number| {
            let old = if number == 3 { "  old: {prompt: Old}\n" } else { "" };
            format!(
                "version: 1\ndefaults: {{agentId: 47, projectPreference: project-for-task}}\n\
             tasks:\n{old}  spy: {{prompt: Buy SPY {number}}}\n"
            )
        }),
    );
    repo.add_made("old", "Old").await;
    repo.add_made("spy", "Buy SPY 299").await;
    repo.qcops("plan --prune --history all").expect(0, &["- task.old will be deleted (task 332"]);
    let short = repo.qcops("plan --prune --history 2");
    short.expect(0, &["`--history all`", "1 unmanaged"]).expect_no(&["task.old"]);
    repo.qcops("apply --yes --prune --history all").expect(0, &[]);
    assert_eq!(repo.service().await, "333 spy: Buy SPY 299");
}
