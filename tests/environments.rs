//! One manifest with variables and environments, told with the program itself.

use std::fs;

use crate::support::repo::{Ran, Repo};

const MANIFEST: &str = "version: 1
vars: {capital: 100000}
defaults: {agentId: 47, projectPreference: project-for-task}
tasks:
  spy: {name: \"Buy ${symbol:-SPY} for ${capital}\", prompt: Buy SPY}
";

#[test]
fn flags_override_files_and_files_override_the_manifest() {
    let repo = Repo::new();
    repo.write("tasks.yaml", MANIFEST).write("dev.yaml", "capital: 5.50\n").commit("first");
    let table = [
        ("", "Buy SPY for 100000"),
        ("--var-file dev.yaml", "Buy SPY for 5.50"),
        ("--var-file dev.yaml --var capital=7 --var symbol=QQQ", "Buy QQQ for 7"),
        ("--var symbol=", "Buy SPY for 100000"),
        ("--var capital=1 --var capital=2", "Buy SPY for 2"),
        ("--var capital=0x10", "Buy SPY for 0x10"),
    ];
    for (flags, name) in table {
        repo.qcops(&format!("plan {flags}")).expect(0, &[name]);
    }
}

#[test]
fn a_variable_that_nothing_uses_is_told() {
    let repo = Repo::new();
    repo.write("tasks.yaml", MANIFEST).write("dev.yaml", "capitol: 5\n").commit("first");
    let told = |flags: &str, code: i32, words: &[&str]| {
        let ran = repo.qcops(&format!("plan {flags}"));
        assert_eq!(ran.code, code, "{flags}: {}", ran.err);
        for words in words {
            assert!(ran.err.contains(words), "{flags}: no `{words}` in {}", ran.err);
        }
    };
    let near = "did you mean `capital`?";
    told("--var capitol=5", 1, &["no manifest uses the variable of `--var capitol=", near]);
    told("--var-file dev.yaml", 0, &["no manifest uses variable `capitol` of `dev.yaml`", near]);
    told("--var-file no.yaml", 1, &["there is no file `no.yaml`", "--var-file"]);
    told("--var capital", 1, &["NAME=VALUE"]);
    let credential = "`QC_API_TOKEN` in `--var` is a credential, which no manifest may set or read";
    told("--var QC_API_TOKEN=x", 1, &[credential, "qcops doctor"]);
    told("--var 1a=x", 1, &["`1a` in `--var` cannot be the name of a variable"]);
    told("--var =x", 1, &["`` in `--var` cannot be the name of a variable"]);
    fs::write(repo.path().join("dev.yaml"), "- capital: 5\n").unwrap();
    told("--var-file dev.yaml", 1, &["dev.yaml:1:1", "must be a mapping, not a list"]);
}

#[test]
fn an_organization_that_is_no_text_is_told_once_and_files_of_variables_are_no_manifest() {
    let repo = Repo::new();
    let tasks = "tasks: {}";
    let environments = "environments: {dev: {organizationId: 1234}}";
    repo.write("tasks.yaml", &format!("version: 1\n{environments}\n{tasks}\n")).commit("first");
    let ran = repo.qcops("plan -e dev");
    assert!(
        ran.err.contains("`organizationId` of environment `dev` must be a text"),
        "{}",
        ran.err
    );
    assert_eq!(ran.err.matches("error[").count(), 1, "{}", ran.err);
    for (text, expected) in [
        ("<<<<<<< a\nA: 1\n=======\nA: 2\n>>>>>>> b\n", "the file is unmerged"),
        ("A: 1\n---\nA: 2\n", "the file holds more than one YAML document"),
    ] {
        fs::write(repo.path().join("dev.yaml"), text).unwrap();
        let ran = repo.qcops("plan -e dev --var-file dev.yaml");
        assert!(ran.code == 1 && ran.err.contains(expected), "{}", ran.err);
    }
}

#[test]
fn a_saved_plan_keeps_its_variables() {
    let repo = Repo::new();
    repo.write("tasks.yaml", MANIFEST).write("dev.yaml", "symbol: QQQ\n").commit("first");
    repo.qcops("plan --var capital=7 --var-file dev.yaml --out plan.json").expect(0, &[]);
    let refused = repo.qcops("apply plan.json --var capital=8");
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("differs from the saved plan"), "{}", refused.err);
    let applied = repo.qcops("apply plan.json");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    repo.qcops("plan --var capital=7 --var-file dev.yaml --detailed-exitcode").expect(0, &[]);
}

/// `dev` and `prod` with an organization each.
const TWO: &str = "version: 1
vars: {capital: 100000}
environments:
  dev: {organizationId: org-dev, vars: {capital: 10000}}
  prod: {organizationId: org-prod}
defaults: {agentId: 47, projectPreference: project-for-task}
tasks:
  momentum: {name: \"Momentum for ${capital}\", prompt: Trade momentum}
  live: {environments: [prod], prompt: Watch the account}
";

/// Runs the program on the emulator of an organization of its own.
fn on(repo: &Repo, emulator: &str, arguments: &str) -> Ran {
    let emulator = repo.path().join(format!(".qcops/{emulator}.json"));
    let (command, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let mut words = vec![command.to_owned(), format!("--emulator={}", emulator.display())];
    words.extend(rest.split_whitespace().map(str::to_owned));
    repo.run(&words)
}

fn told(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    for words in words {
        assert!(ran.err.contains(words), "no `{words}` in {}", ran.err);
    }
}

#[test]
fn an_apply_of_one_environment_never_reaches_the_other() {
    let repo = Repo::new();
    repo.write("tasks.yaml", TWO).commit("first");
    on(&repo, "dev", "plan --env dev").expect(0, &["Momentum for 10000"]).expect_no(&["live"]);
    on(&repo, "dev", "apply --yes -e dev").expect(0, &[]);
    on(&repo, "dev", "plan --env dev --detailed-exitcode").expect(0, &[]);
    let ledger = repo.read(".qcops/ledger.jsonl");
    assert!(ledger.contains("\"environment\":\"dev\""), "{ledger}");
    assert!(!ledger.contains("prod"), "{ledger}");
    on(&repo, "prod", "plan --env prod").expect(0, &["Momentum for 100000", "task.live"]);
    on(&repo, "prod", "apply --yes --env prod").expect(0, &[]);
    on(&repo, "prod", "plan --env prod --detailed-exitcode").expect(0, &[]);
    on(&repo, "dev", "plan --env dev --detailed-exitcode").expect(0, &[]);
}

#[test]
fn an_environment_is_named_by_a_flag_or_a_variable() {
    let repo = Repo::new();
    repo.write("tasks.yaml", TWO).commit("first");
    told(
        &repo.qcops("plan"),
        1,
        &["environment-not-selected", "`dev`, `prod`", "tasks.yaml:4:3", "--env NAME"],
    );
    told(&repo.qcops("plan --env prd"), 1, &["unknown-environment", "did you mean `prod`?"]);
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    let plan = words(&["plan", "--emulator"]);
    repo.run_with(&plan, &[("QCOPS_ENV", "prod")]).expect(0, &["task.live"]);
    told(&repo.run_with(&plan, &[("QCOPS_ENV", "")]), 1, &["environment-not-selected"]);
    repo.tasks("spy: {prompt: Buy SPY}").commit("without");
    told(
        &repo.qcops("plan --env dev"),
        1,
        &["no manifest declares environments", "leave out `--env`"],
    );
}

#[test]
fn a_saved_plan_keeps_its_environment() {
    let repo = Repo::new();
    repo.write("tasks.yaml", TWO).commit("first");
    on(&repo, "dev", "plan --env dev --out plan.json").expect(0, &[]);
    told(
        &on(&repo, "dev", "apply plan.json --env prod"),
        1,
        &["`--env prod` differs from the saved plan"],
    );
    on(&repo, "dev", "apply plan.json").expect(0, &[]);
    on(&repo, "dev", "plan --env dev --detailed-exitcode").expect(0, &[]);
}

/// `dev` and `prod` in one organization, with tasks that differ.
fn shared(dev: &str, prod: &str, rest: &str) -> String {
    format!(
        "version: 1
organizationId: shared
environments:
  dev: {{vars: {{preference: project-for-task, prefix: dev}}}}
  prod: {{vars: {{preference: project-each-task-deployment, prefix: prod}}}}
tasks:
  dev-only: {{environments: [dev], name: D, agentId: 47, projectPreference: project-for-task, prompt: {dev}}}
  prod-only: {{environments: [prod], name: P, agentId: 47, projectPreference: project-for-task, prompt: {prod}}}
  momentum: {{{rest}name: \"${{prefix}} momentum\", agentId: 47, projectPreference: \"${{preference}}\", prompt: M}}
"
    )
}

#[tokio::test]
async fn what_one_environment_has_declared_proves_nothing_for_another() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &shared("one", "two", "")).commit("first");
    repo.converge("--env dev").converge("--env prod");
    repo.expect_nothing_to_do("--env dev");
    // From Git alone: an edit in `dev` replaces the task of `dev`.
    repo.on_another_machine();
    repo.write("tasks.yaml", &shared("three", "two", "")).commit("edit");
    repo.qcops("plan --env prod --detailed-exitcode").expect(0, &[]);
    repo.qcops("plan --env dev").expect(0, &["-/+ task.dev-only"]).expect_no(&["prod"]);
    repo.converge("--env dev");
    // What only `prod` keeps is removed from `dev`, and from `dev` alone.
    repo.write("tasks.yaml", &shared("three", "two", "environments: [prod], ")).commit("drop");
    repo.qcops("plan --env dev --prune")
        .expect(0, &["task.momentum", "dev momentum"])
        .expect_no(&["prod"]);
    repo.converge("--env dev --prune");
    repo.expect_nothing_to_do("--env prod").expect_nothing_to_do("--env prod --prune");
    let service = repo.service().await;
    assert!(service.contains("prod momentum: M") && service.contains("P: two"), "{service}");
    assert!(!service.contains("dev momentum"), "{service}");
    // A version of the time before there were environments proves nothing for one of them.
    let plain = Repo::new();
    plain.tasks("momentum: {prompt: old}").commit("first").converge("");
    plain.on_another_machine();
    plain.write("tasks.yaml", &shared("one", "two", "")).commit("environments");
    plain
        .qcops("plan --env dev --prune")
        .expect(0, &["+ task.momentum"])
        .expect_no(&["-/+", "old"]);
}

#[test]
fn validate_checks_every_environment() {
    let repo = Repo::new();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    repo.write("tasks.yaml", TWO);
    let valid = repo.run(&words("validate"));
    assert_eq!(valid.code, 0, "{}", valid.err);
    let expected = "Environment `dev`. Valid: 1 task, 0 deployments.\nEnvironment `prod`. Valid: 2 tasks, 0 deployments.\n";
    assert_eq!(valid.out, expected);
    repo.run(&words("validate --env dev")).expect(0, &["Valid: 1 task"]);
    repo.write("tasks.yaml", &TWO.replace("Watch the account", "''"));
    told(&repo.run(&words("validate")), 1, &["empty-prompt", "only in environment `prod`"]);
    told(&repo.run(&words("validate --env dev")), 0, &[]);
    let one =
        TWO.replace("org-dev", "org").replace("org-prod", "org").replace(" for ${capital}", "");
    repo.write("tasks.yaml", &one);
    let said = [
        "environment-collision",
        "task `momentum` of environment `prod` and task `momentum` of environment `dev` have equal content",
        "an `organizationId` of its own",
    ];
    told(&repo.run(&words("validate")), 1, &said);
    told(&repo.qcops("plan --env prod"), 1, &said);
}
