//! The pipelines that people copy, run step by step: the example workflows with the action, by a
//! runner that knows just what they use, against a `gh` that keeps its comments in files.

mod drift;
#[cfg(target_os = "linux")]
mod package;
mod pipeline;
mod runner;

use std::fs;

use serde_json::Value;

use crate::process::Service;
use crate::support::repo::Repo;
use runner::{Forge, Job, Runner, yaml};

const TASKS: &str = "spy: {prompt: Buy SPY, deployments: {first: {}}}\nqqq: {prompt: Buy QQQ}";

/// Main holds a README alone; the branch `change` adds tasks.
fn proposed(tasks: &str) -> Repo {
    let repo = Repo::new();
    repo.write("README.md", "Tasks\n").commit("first");
    repo.git("checkout -q -b change");
    repo.tasks(tasks).commit("tasks");
    repo
}

fn squash_merge(repo: &Repo) -> String {
    repo.git("checkout -q main");
    repo.git("merge -q --squash change");
    repo.commit("Tasks (#7)").git("rev-parse HEAD")
}

fn plan(runner: &Runner<'_>) -> Job {
    plan_of(runner, "7")
}

fn plan_of(runner: &Runner<'_>, pull_request: &str) -> Job {
    let head = runner.repo.git("rev-parse HEAD");
    runner.run(
        "plan",
        "plan",
        &[
            ("github.event_name", "pull_request"),
            ("github.event.pull_request.number", pull_request),
            ("github.event.pull_request.head.sha", &head),
            ("github.event.pull_request.head.repo.full_name", "team/agents"),
        ],
    )
}

fn apply(runner: &Runner<'_>, event: &[(&str, &str)]) -> Job {
    runner.run("apply", "apply", event)
}

#[test]
fn what_was_reviewed_is_applied_on_the_merge_and_a_change_by_hand_is_found_at_night() {
    let (repo, service, forge) =
        (proposed("spy: {prompt: Draft}"), Service::of_quick_agents("[]"), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    // Somebody knows the marker, and was there first.
    let forged = format!("<!-- qcops-plan digest={} -->", "0".repeat(64));
    forge.add_comment("stranger", &format!("<!-- qcops-comment qcops -->\n{forged}\n"));

    plan(&runner).expect(0, &["1 to create"]);
    repo.tasks(TASKS).commit("what is meant");
    let planned = plan(&runner);
    planned.expect(0, &["**Plan: 2 to create, 1 to deploy.", "task.qqq"]);
    let comments = forge.comments();
    assert_eq!(comments.len(), 2, "the second plan is written over the first one");
    assert_eq!(comments[1], planned.summary, "the comment says what the summary says");
    assert!(service.writes().is_empty());

    forge.merge(7, &squash_merge(&repo));
    apply(&runner, &[("github.event_name", "push")]).expect(0, &["Apply complete: 3 succeeded."]);
    let drift = || runner.run("drift", "drift", &[("github.event_name", "schedule")]);
    drift().expect(0, &["No changes: 2 tasks are as declared"]);

    service.post("agents/tasks/update", r#"{"taskId": 332, "name": "By hand"}"#);
    let found = drift();
    found.expect(2, &["By hand", "The service no longer matches the manifest"]);
    assert!(found.log.contains("\n::error title=qcops::The service no longer"), "{}", found.log);
}

#[test]
fn what_moved_on_the_service_since_the_review_is_shown_and_nothing_is_sent() {
    let (repo, service, forge) = (proposed(TASKS), Service::of_quick_agents("[]"), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    plan(&runner).expect(0, &[]);
    forge.merge(7, &squash_merge(&repo));
    let push = [("github.event_name", "push")];
    apply(&runner, &push).expect(0, &[]);

    repo.git("checkout -q -B change");
    repo.tasks(&TASKS.replace("Buy QQQ", "Buy QQQ weekly")).commit("edit");
    plan(&runner).expect(0, &["1 to replace"]);
    forge.merge(7, &squash_merge(&repo));
    let task = service.task_named("qqq");
    let by_hand = format!(r#"{{"taskId": {task}, "name": "By hand"}}"#);
    service.post("agents/tasks/update", &by_hand);
    let before = service.writes().len();
    let stale = apply(&runner, &push);
    stale.expect(6, &["By hand", "The plan is no longer the reviewed one, and nothing was sent"]);
    assert_eq!(service.writes().len(), before);

    // The digest that it shows is the help, for somebody who has looked at it.
    let (_, digest) = stale.summary.split_once("by hand with the digest ").unwrap();
    let by_hand = [("github.event_name", "workflow_dispatch"), ("inputs.digest", &digest[..64])];
    apply(&runner, &by_hand).expect(0, &["Apply complete: 1 succeeded"]);
}

#[test]
fn all_environments_are_planned_in_one_comment_and_each_is_applied_as_it_was_reviewed() {
    let organization = runner::ORGANIZATION;
    let manifest = format!(
        "version: 1
organizationId: {organization}
environments:
  dev: {{vars: {{preference: project-for-task}}}}
  prod: {{vars: {{preference: project-each-task-deployment}}}}
tasks:
  spy: {{name: \"spy ${{preference}}\", agentId: 47, projectPreference: \"${{preference}}\", prompt: Buy SPY}}
"
    );
    let (service, forge) = (Service::of_quick_agents("[]"), Forge::new());
    let repo = Repo::new();
    repo.write("README.md", "Tasks\n").commit("first");
    repo.git("checkout -q -b change");
    repo.write("tasks.yaml", &manifest).commit("tasks");
    let runner = Runner::new(&repo, &service, &forge);
    let head = repo.git("rev-parse HEAD");
    let event = [
        ("github.event_name", "pull_request"),
        ("github.event.pull_request.number", "7"),
        ("github.event.pull_request.head.sha", &head),
        ("github.event.pull_request.head.repo.full_name", "team/agents"),
    ];
    let table = ["| `dev` |", "| `prod` |", "### Environment `prod`", "environment=prod -->"];
    runner.run("plan-environments", "plan", &event).expect(0, &table);
    assert_eq!(forge.comments().len(), 1, "one comment for all");
    let merged = squash_merge(&repo);
    forge.merge(7, &merged);
    for environment in ["dev", "prod"] {
        let job = [("matrix.environment", environment)];
        let applied = runner.run("apply-environments", "apply", &job);
        applied.expect(0, &["Apply complete: 1 succeeded."]);
        assert!(applied.log.contains("Reviewed was the plan"), "{}", applied.log);
    }
    let refused = runner.with("environment", "all").run("apply", "apply", &[]);
    assert!(refused.log.contains("apply takes one environment"), "{}", refused.log);
    let refused = runner.with("credentials", "PATH=/tmp").run("plan-environments", "plan", &event);
    assert!(refused.log.contains("a line of credentials does not begin like"), "{}", refused.log);
}

#[test]
fn a_commit_that_nobody_reviewed_is_not_applied() {
    let (repo, service, forge) = (proposed(TASKS), Service::of_quick_agents("[]"), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    squash_merge(&repo);
    let push = [("github.event_name", "push")];
    let refused = apply(&runner, &push);
    refused.expect(3, &["2 to create", "No reviewed plan belongs to this commit"]);
    assert!(service.writes().is_empty());

    let by_hand = |digest: &str| {
        apply(&runner, &[("github.event_name", "workflow_dispatch"), ("inputs.digest", digest)])
    };
    let other_manifests =
        [("github.event_name", "workflow_dispatch"), ("github.ref", "refs/heads/try")];
    assert!(runner.is_skipped("apply", "apply", &other_manifests), "a branch that nobody reviewed");
    assert_eq!(by_hand("--yes").code, 1, "what is no digest reaches no command");
    by_hand(&"0".repeat(64)).expect(6, &[]);
    assert!(service.writes().is_empty());
    let (_, digest) = refused.summary.split_once("by hand with the digest ").unwrap();
    by_hand(&digest[..64]).expect(0, &[]);
    apply(&runner, &push).expect(0, &["No changes"]);
}

#[test]
fn a_plan_that_cannot_be_made_takes_the_place_of_the_one_before() {
    let (repo, service, forge) = (proposed(TASKS), Service::of_quick_agents("[]"), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    plan(&runner).expect(0, &[]);
    repo.write("tasks.yaml", "version: 1\ntasks:\n  spy:\n    promt: Buy SPY\n").commit("oops");
    let failed = plan(&runner);
    failed.expect(1, &["ended with exit code 1"]);
    let shown =
        "\n::error title=qcops%3A unknown-field,file=tasks.yaml,line=4,col=5::unknown field";
    assert!(failed.log.contains(shown), "{}", failed.log);
    let comment = &forge.comments()[0];
    assert!(!comment.contains("digest="), "{comment}");
    for found in ["`qcops plan` ended with exit code 1", "unknown field `promt`", "tasks.yaml:4"] {
        assert!(comment.contains(found), "{comment}");
    }

    forge.merge(7, &squash_merge(&repo));
    assert_eq!(apply(&runner, &[("github.event_name", "push")]).code, 1);
    assert!(service.writes().is_empty());
}

#[test]
fn what_is_blocked_fails_the_job_behind_the_comment_and_is_annotated_at_its_key() {
    let tasks: Vec<String> = (0..60).map(|n| format!("t{n}: {{prompt: Buy {n}}}")).collect();
    let (repo, service, forge) = (proposed(&tasks.join("\n")), Service::start(), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    let planned = plan(&runner);
    planned.expect(3, &["blocked[too-many-creates]", "Something is blocked"]);
    assert!(forge.comments()[0].contains("too-many-creates"));
    let at_the_key = "\n::error title=qcops%3A too-many-creates,file=tasks.yaml,line=4,col=3::";
    assert_eq!(planned.log.matches(at_the_key).count(), 1, "{}", planned.log);
}

#[test]
fn hostile_text_neither_runs_nor_commands() {
    let evil = concat!(
        r#"evil: {name: "$(touch pwned) `touch pwned` $${{ secrets.QC_API_TOKEN }}", prompt: "#,
        r#""::error::x\n::stop-commands::x\n##[error]x\n'; touch pwned; '\n</details>@team"}"#,
    );
    let (repo, service, forge) = (proposed(evil), Service::start(), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    let files = "tasks.yaml\nno; touch pwned.yaml";
    repo.write("no; touch pwned.yaml", "version: 1\ntasks: {}\n").commit("names");
    let planned = runner.with("files", files).run(
        "plan",
        "plan",
        &[
            ("github.event_name", "pull_request"),
            ("github.event.pull_request.number", "7"),
            ("github.event.pull_request.head.repo.full_name", "team/agents"),
        ],
    );
    planned.expect(0, &["1 to create"]);
    assert!(!repo.path().join("pwned").exists() && !repo.path().join("pwned.yaml").exists());
    let commands = planned.log.lines().filter(|line| line.trim_start().starts_with("::"));
    let commands: Vec<&str> = commands.collect();
    assert!(
        matches!(commands[..], [stop, go] if stop == format!("::stop-commands::{}", go.trim_matches(':'))),
        "{commands:?}"
    );
    assert!(!planned.log.contains("##["), "{}", planned.log);
    assert!(!planned.log.contains(qcops::emulator::API_TOKEN));
}

#[test]
fn three_quick_merges_are_applied_one_after_the_other_as_each_was_reviewed() {
    let keys = ["spy", "qqq", "iwm"];
    let tasks = keys.map(|key| format!("{key}: {{promptFile: {key}.md}}")).join("\n");
    let repo = Repo::new();
    let write = |key: &str, text: &str| {
        repo.write(&format!("{key}.md"), text);
    };
    for key in keys {
        write(key, &format!("Buy {key}"));
    }
    repo.tasks(&tasks).commit("first");
    let (service, forge) = (Service::start(), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    plan_of(&runner, "6").expect(0, &["3 to create"]);
    forge.merge(6, &repo.git("rev-parse HEAD"));
    apply(&runner, &[("github.event_name", "push")]).expect(0, &["3 succeeded"]);

    let pull_requests: Vec<(u32, &str)> = (7..).zip(keys).collect();
    for (number, key) in &pull_requests {
        repo.git(&format!("checkout -q -b {key} main"));
        write(key, &format!("Buy {key} weekly"));
        repo.commit("edit");
        plan_of(&runner, &number.to_string()).expect(0, &["1 to replace", &format!("task.{key}")]);
    }
    repo.git("checkout -q main");
    let merged: Vec<String> = pull_requests
        .iter()
        .map(|(number, key)| {
            repo.git(&format!("merge -q --squash {key}"));
            let commit = repo.commit("merged").git("rev-parse HEAD");
            forge.merge(*number, &commit);
            commit
        })
        .collect();
    for commit in merged {
        repo.git(&format!("checkout -q -B main {commit}"));
        apply(&runner, &[("github.event_name", "push")])
            .expect(0, &["1 to replace", "1 succeeded"]);
    }
    // What waits is neither dropped nor overtaken.
    let concurrency = &yaml("examples/ci/github/apply.yml")["concurrency"];
    assert_eq!(
        (&concurrency["queue"], &concurrency["group"]),
        (&"max".into(), &"qcops-apply".into())
    );
}

#[test]
fn a_fork_is_validated_without_any_secret() {
    let (repo, service, forge) = (proposed(TASKS), Service::of_quick_agents("[]"), Forge::new());
    let runner = Runner::new(&repo, &service, &forge);
    let fork = [
        ("github.event_name", "pull_request"),
        ("github.event.pull_request.number", "7"),
        ("github.event.pull_request.head.repo.full_name", "stranger/agents"),
    ];
    runner.run("plan", "validate", &fork).expect(0, &["Valid: 2 tasks, 1 deployment."]);
    assert!(runner.is_skipped("plan", "plan", &fork));
    repo.tasks("spy: {promt: Buy}").commit("oops");
    runner.run("plan", "validate", &fork).expect(1, &["unknown field `promt`", "tasks.yaml:4"]);
    fs::remove_file(repo.path().join("tasks.yaml")).unwrap();
    runner.run("plan", "validate", &fork).expect(1, &["there is no `tasks.yaml`"]);
    let dependabot = [
        ("github.event_name", "pull_request"),
        ("github.event.pull_request.head.repo.full_name", "team/agents"),
        ("github.actor", "dependabot[bot]"),
    ];
    assert!(runner.is_skipped("plan", "plan", &dependabot));
    assert!(!runner.is_skipped("plan", "validate", &dependabot));
    assert!(runner.is_skipped("plan", "validate", &dependabot[..2]));
    assert!(forge.comments().is_empty());
    assert!(
        !yaml("examples/ci/github/plan.yml")["jobs"]["validate"].to_string().contains("secrets")
    );
}

#[test]
fn the_source_of_the_program_has_a_name_for_the_cache() {
    let key = |out: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(out);
        let script = format!("{}/ci/key.sh", env!("CARGO_MANIFEST_DIR"));
        let ran =
            std::process::Command::new("bash").arg(script).env("GITHUB_OUTPUT", &file).status();
        assert!(ran.unwrap().success());
        fs::read_to_string(file).unwrap()
    };
    assert_eq!(key("one"), key("other"));
    assert_eq!(key("one").len(), "key=\n".len() + 64);
}

/// Every step of a workflow, and of the action.
fn steps(document: &Value) -> Vec<&Value> {
    let jobs = document["jobs"].as_object();
    let of_jobs = jobs.into_iter().flat_map(|jobs| jobs.values()).map(|job| &job["steps"]);
    let all = of_jobs.chain([&document["runs"]["steps"]]).filter_map(Value::as_array);
    all.flatten().collect()
}

#[test]
fn what_people_copy_is_pinned_bounded_and_has_the_least_rights() {
    for name in ["plan", "apply", "drift", "plan-environments", "apply-environments"] {
        let workflow = yaml(&format!("examples/ci/github/{name}.yml"));
        assert_eq!(workflow["permissions"].to_string(), "{}", "{name}: none but those of a job");
        let cancels = &workflow["concurrency"]["cancel-in-progress"];
        assert_eq!(cancels, &Value::Bool(!name.starts_with("apply")), "{name}");
        for (id, job) in workflow["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].is_u64(), "{name} {id}");
            let rights = job["permissions"].as_object().unwrap();
            let rights: Vec<String> = rights.iter().map(|(k, v)| format!("{k}: {v}")).collect();
            let desired: &[&str] = match (name, id.as_str()) {
                ("plan" | "plan-environments", "plan") => {
                    &[r#"contents: "read""#, r#"pull-requests: "write""#]
                }
                ("apply" | "apply-environments", _) => {
                    &[r#"contents: "read""#, r#"pull-requests: "read""#]
                }
                ("drift", _) => {
                    &[r#"contents: "read""#, r#"actions: "read""#, r#"issues: "write""#]
                }
                _ => &[r#"contents: "read""#],
            };
            assert_eq!(rights, desired, "{name} {id}");
            assert_eq!(job["steps"][0]["with"]["fetch-depth"], 0, "{name} {id}");
            assert_eq!(job["steps"][0]["with"]["persist-credentials"], false, "{name} {id}");
        }
    }
    let files = [
        "examples/ci/github/plan.yml",
        "examples/ci/github/apply.yml",
        "examples/ci/github/plan-environments.yml",
        "examples/ci/github/apply-environments.yml",
    ];
    let others = ["examples/ci/github/drift.yml", "action.yml", ".github/workflows/release.yml"];
    for file in files.iter().chain(&others) {
        for step in steps(&yaml(file)) {
            if let Some(uses) = step["uses"].as_str() {
                let (_, commit) = uses.split_once('@').unwrap();
                let is_pinned = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
                assert!(is_pinned, "{file}: {uses}");
            }
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{file}: foreign text in a script: {script}");
        }
    }
}

#[test]
fn every_input_and_output_of_the_action_is_on_the_page() {
    let page = include_str!("../docs/ci.md");
    let action = yaml("action.yml");
    for part in ["inputs", "outputs"] {
        for name in action[part].as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{name}`")), "docs/ci.md: no `{name}`");
        }
    }
}
