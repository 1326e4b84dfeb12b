//! The example for GitLab: the scripts of its jobs, run in order.

use serde_json::Value;

use super::runner::yaml;
use crate::support::repo::{Ran, Repo};

const FILE: &str = "examples/ci/gitlab/.gitlab-ci.yml";

fn run(repo: &Repo, job: &str) -> Ran {
    let pipeline = yaml(FILE);
    let lines = pipeline[job]["script"].as_array().unwrap();
    let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_qcops")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    let mut command = repo.command("sh");
    command
        .env("PATH", format!("{}:{path}", program.display()))
        .env("QCOPS_EMULATOR", repo.path().join("../emulator.json"))
        .args(["-e", "-c", &lines.join("\n")]);
    Repo::ran(command.output().unwrap())
}

#[tokio::test]
async fn the_jobs_for_gitlab_plan_apply_what_was_saved_and_find_drift() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    run(&repo, "plan").expect(0, &[]);
    assert!(repo.read("plan.md").contains("1 to create"));
    assert_eq!(repo.read("gl-code-quality-report.json"), "[]\n");
    run(&repo, "plan-to-apply").expect(0, &[]);
    assert_eq!(repo.read("next.yml"), "include: {local: .gitlab-ci.yml}\n");
    run(&repo, "apply").expect(0, &["1 succeeded"]);
    run(&repo, "plan-to-apply").expect(0, &["No changes"]);
    assert!(repo.read("next.yml").starts_with("nothing-to-apply:"), "there is no job to click");
    run(&repo, "drift").expect(0, &[]);
    repo.edit_service(|world| world.task_mut(332).unwrap().name = "By hand".to_owned()).await;
    run(&repo, "drift").expect(2, &["By hand"]);

    repo.write("tasks.yaml", "version: 1\ntasks:\n  spy: {promt: Buy}\n");
    assert_eq!(run(&repo, "plan").code, 1);
    let report: Value = serde_json::from_str(&repo.read("gl-code-quality-report.json")).unwrap();
    let findings = report.as_array().unwrap();
    assert!(findings.iter().any(|one| one["check_name"] == "unknown-field"), "{report}");
    assert!(findings.iter().all(|one| one["location"]["lines"]["begin"] == 3), "{report}");
}

#[tokio::test]
async fn what_is_ready_is_applied_on_gitlab_although_something_is_blocked() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    repo.edit_service(|world| world.add_task("qqq", 47, "Somebody else's")).await;
    repo.tasks("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}").commit("second");
    run(&repo, "plan-to-apply").expect(0, &["1 blocked"]);
    run(&repo, "apply").expect(3, &["1 succeeded"]);
    run(&repo, "plan-to-apply").expect(3, &["1 blocked"]);
    assert!(repo.read("next.yml").starts_with("nothing-to-apply:"), "nothing is ready");
}

#[test]
fn the_pipeline_for_gitlab_sees_all_of_history_and_applies_one_at_a_time() {
    let pipeline = yaml(FILE);
    assert_eq!(pipeline["variables"]["GIT_DEPTH"], "0");
    let apply = &pipeline["apply"];
    assert_eq!(apply["resource_group"], "qcops");
    assert_eq!(apply["interruptible"], false);
    let rule = r#"$CI_PIPELINE_SOURCE == "parent_pipeline""#;
    assert_eq!(
        (&apply["rules"][0]["if"], &apply["rules"][0]["when"]),
        (&rule.into(), &"manual".into())
    );
    assert!(pipeline[".qcops"]["timeout"].is_string());
}
