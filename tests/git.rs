//! Stories told in Git commits: Git is the state.

use crate::support::repo::Repo;

#[test]
fn a_prompt_changed_in_a_commit_replaces_the_task_on_a_machine_that_knows_nothing() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    repo.on_another_machine().tasks("spy: {prompt: Buy SPY daily}").commit("edit");
    let planned = repo.qcops("plan");
    assert!(planned.out.contains("-/+ task.spy will be replaced"), "{}", planned.out);
    repo.converge("");
}

#[tokio::test]
async fn without_the_commit_that_made_it_nothing_proves_that_a_task_is_ours() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    repo.on_another_machine();
    repo.edit_service(|service| service.edit_prompt(332, "Edited by hand")).await;
    let planned = repo.qcops("plan");
    assert_eq!(planned.code, 3, "{}", planned.out);
    assert!(planned.out.contains("blocked[unproven]"), "{}", planned.out);
    assert!(planned.out.contains("`id: 332`"), "{}", planned.out);
}

#[test]
fn a_shallow_clone_withholds_and_names_the_fix() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}").commit("first").converge("");
    repo.tasks("spy: {prompt: Buy SPY}").commit("drop qqq");
    let clone = repo.clone_with("--depth 1");
    let emulator = format!("--emulator={}/../emulator.json", repo.path().display());
    let words = ["apply", &emulator, "--yes", "--prune"].map(str::to_owned);
    let applied = clone.run(&words);
    assert_eq!(applied.code, 0, "{}", applied.out);
    assert!(applied.out.contains("fetch-depth: 0"), "{}", applied.out);
    assert!(applied.out.contains("1 unmanaged"), "{}", applied.out);
}
