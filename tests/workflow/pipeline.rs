//! The example for GitLab: the scripts of its jobs, run in order.

use serde_json::Value;

use super::runner::yaml;
use crate::support::repo::{Ran, Repo};

const FILE: &str = "examples/ci/gitlab/.gitlab-ci.yml";

/// The same for a manifest with environments.
const ENVIRONMENTS: &str = "examples/ci/gitlab/environments.gitlab-ci.yml";

fn run(repo: &Repo, job: &str) -> Ran {
    run_of(FILE, repo, job)
}

/// Runs the script of a job, its own or that of the job that it extends, with its variables.
fn run_of(file: &str, repo: &Repo, job: &str) -> Ran {
    let pipeline = yaml(file);
    let job = &pipeline[job];
    let extended = &pipeline[job["extends"].as_str().unwrap()];
    let lines = job["script"].as_array().or_else(|| extended["script"].as_array()).unwrap();
    let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_qcops")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    let mut command = repo.command("sh");
    command
        .env("PATH", format!("{}:{path}", program.display()))
        .env("QCOPS_EMULATOR", repo.path().join("../emulator.json"))
        .args(["-e", "-c", &lines.join("\n")]);
    for (name, value) in job["variables"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
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

#[tokio::test]
async fn the_jobs_for_gitlab_promote_a_commit_from_dev_to_prod() {
    let repo = Repo::new();
    let text = "version: 1
environments: {dev: {organizationId: org-dev}, prod: {organizationId: org-prod}}
defaults: {agentId: 47, projectPreference: project-for-task}
tasks: {spy: {prompt: Buy SPY}}
";
    repo.write("tasks.yaml", text).commit("first");
    let run = |job: &str| run_of(ENVIRONMENTS, &repo, job);
    run("plan").expect(0, &["ENVIRONMENT"]);
    let page = repo.read("plan.md");
    assert!(page.contains("### Environment `dev`") && page.contains("### Environment `prod`"));
    run("validate").expect(0, &["Environment `dev`. Valid", "Environment `prod`. Valid"]);
    run("plan-to-apply-dev").expect(0, &["Environment dev", "1 to create"]);
    run("plan-to-apply-prod").expect(0, &["Environment prod", "1 to create"]);
    run("apply-dev").expect(0, &["1 succeeded"]);
    run("drift-dev").expect(0, &[]);
    run("drift-prod").expect(2, &["1 to create"]);
    run("apply-prod").expect(0, &["1 succeeded"]);
    run("drift-prod").expect(0, &[]);
    repo.edit_service(|world| world.task_mut(333).unwrap().name = "By hand".to_owned()).await;
    run("drift-dev").expect(0, &[]);
    run("drift-prod").expect(2, &["By hand"]);
}

#[test]
fn each_environment_on_gitlab_has_jobs_and_credentials_of_its_own() {
    let pipeline = yaml(ENVIRONMENTS);
    assert_eq!(pipeline[".qcops"], yaml(FILE)[".qcops"]);
    assert_eq!(pipeline["variables"], yaml(FILE)["variables"]);
    for environment in ["dev", "prod"] {
        for job in ["plan-to-apply", "apply", "drift"] {
            let job = &pipeline[format!("{job}-{environment}")];
            let of = &job["environment"];
            assert_eq!(of.get("name").unwrap_or(of), environment, "{job}");
            assert_eq!(job["variables"]["QCOPS_ENV"], environment, "{job}");
        }
        let group = &pipeline[format!("apply-{environment}")]["resource_group"];
        assert_eq!(*group, format!("qcops-{environment}"));
    }
    assert_eq!(pipeline[".apply"]["interruptible"], false);
    assert_eq!(pipeline[".apply"]["rules"][1]["when"], "manual");
    let needs: Vec<_> = pipeline["apply-prod"]["needs"].as_array().unwrap().clone();
    assert_eq!(needs, ["plan-to-apply-prod", "apply-dev"]);
}
