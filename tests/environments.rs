//! One manifest with variables and environments, told with the program itself.

mod promotion;
mod var_files;

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
    // Its uses are not told of, too.
    fs::write(repo.path().join("dev.yaml"), "symbol: [QQQ]\n").unwrap();
    repo.write("tasks.yaml", &MANIFEST.replace(":-SPY", ""));
    let flags = "plan --var-file dev.yaml";
    let ran = repo.qcops(flags);
    assert_eq!((ran.code, ran.err.matches("error[").count()), (1, 1), "{}", ran.err);
    assert!(ran.err.contains("must be a text, a number or a flag, not a list"), "{}", ran.err);
    repo.qcops(&format!("{flags} --var symbol=QQQ")).expect(1, &[]);
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

#[test]
fn environments_of_one_organization_collide_where_credentials_tell_that_they_are() {
    let repo = Repo::new();
    let one = TWO.replace("organizationId: org-dev, ", "").replace("organizationId: org-prod", "");
    repo.write("tasks.yaml", &one.replace(" for ${capital}", "")).commit("first");
    let token = [("QC_USER_ID", "1"), ("QC_API_TOKEN", "token")];
    let (all, dev) = (("QC_ORGANIZATION_ID", "one"), ("QC_ORGANIZATION_ID_DEV", "one"));
    let prod = |organization| ("QC_ORGANIZATION_ID_PROD", organization);
    let table = [
        ("dev", vec![dev, prod("one")], true),
        ("dev", vec![all, prod("one")], true),
        ("dev", vec![dev, prod("two")], false),
        // In CI, that of all may be that of `dev` alone.
        ("dev", vec![all], false),
        ("all", vec![all], true),
        ("all", vec![all, prod("two")], false),
    ];
    for (environment, variables, expected) in table {
        let words = format!("plan --env {environment} --api http://127.0.0.1:9 --retry-time 0s");
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let ran = repo.run_with(&words, &[token.as_slice(), &variables].concat());
        assert_eq!(ran.code, 1, "{environment} {variables:?}: {}", ran.err);
        let is_told = ran.err.contains("environment-collision");
        assert_eq!(is_told, expected, "{environment} {variables:?}: {}", ran.err);
    }
}

#[test]
fn every_environment_is_planned_in_turn_with_one_table() {
    let repo = Repo::new();
    repo.write("tasks.yaml", TWO).commit("first");
    on(&repo, "both", "apply --yes --env dev")
        .expect(0, &["Environment dev, organization org-dev"]);
    let plan = on(&repo, "both", "plan --env all --detailed-exitcode");
    told(&plan, 2, &[]);
    plan.expect(
        2,
        &[
            "Environment dev, organization org-dev\nNo changes: 1 task is as declared.\n",
            "Environment prod, organization org-prod\nPlan: 2 to create.\n",
            "ENVIRONMENT  ORGANIZATION  EXIT  RESULT\n\
             dev          org-dev       0     No changes: 1 task is as declared.\n\
             prod         org-prod      2     Plan: 2 to create.\n",
        ],
    );
    let files = "--output json=all.json --output markdown=all.md --output html=all.html --output junit=all.xml";
    on(&repo, "both", &format!("plan --env all {files}")).expect(0, &[]);
    let json: serde_json::Value = serde_json::from_str(&repo.read("all.json")).unwrap();
    let row = &json["environments"][1];
    assert_eq!((row["environment"].as_str(), row["exit_code"].as_u64()), (Some("prod"), Some(0)));
    assert_eq!(row["result"]["environment"], "prod");
    assert_eq!(row["result"]["counts"]["ready"]["create"], 2);
    let markdown = repo.read("all.md");
    let digest = row["result"]["digest"].as_str().unwrap();
    for words in [
        &format!("<!-- qcops-plan digest={digest} environment=prod -->\n"),
        "| `dev` | `org-dev` | 0 | No changes: 1 task is as declared. |",
        "### Environment `prod`",
    ] {
        assert!(markdown.contains(words), "no `{words}` in {markdown}");
    }
    let page = repo.read("all.html");
    assert!(page.contains("Environment prod") && page.contains("id=\"step-2\""), "{page}");
    assert_eq!(page.matches("id=\"step-1\"").count(), 1, "each step has a place of its own");
    let junit = junit_parser::from_reader(repo.read("all.xml").as_bytes()).unwrap();
    let suites = junit.suites.iter().map(|suite| (suite.name.as_str(), suite.tests));
    let expected = [("qcops plan --env dev", 1), ("qcops plan --env prod", 3)];
    assert_eq!(suites.collect::<Vec<_>>(), expected, "each plan and its steps");
    // A plan of one environment says which.
    on(&repo, "both", "plan --env prod --format json").expect(0, &["\"environment\": \"prod\""]);
    on(&repo, "both", "status --env all").expect(
        0,
        &["Environment dev,", "prod         org-prod      0     2 tasks are declared: 2 missing."],
    );
    on(&repo, "both", "status --env all --format json").expect(0, &["\"environments\": ["]);
    repo.run(&["validate", "--env", "all"].map(str::to_owned)).expect(0, &["Environment `prod`."]);
}

#[test]
fn an_environment_that_fails_hides_no_other() {
    let repo = Repo::new();
    let broken = TWO.replace("Watch the account", "''");
    repo.write("tasks.yaml", &broken).commit("first");
    let plan = on(&repo, "both", "plan --env all");
    told(&plan, 1, &["empty-prompt", "environment `prod`: its manifest has errors"]);
    let row = "prod         -             1     failed: its manifest has errors\n";
    plan.expect(1, &["Environment dev,", "Plan: 1 to create.", row]);
    on(&repo, "both", "plan --env all --format markdown")
        .expect(1, &["| `prod` | - | 1 | failed |"]);
    on(&repo, "both", "plan --env all --format json").expect(1, &["\"result\": null"]);
    on(&repo, "both", "plan --env all --output junit=all.xml").expect(1, &[]);
    let junit = junit_parser::from_reader(repo.read("all.xml").as_bytes()).unwrap();
    let counts: Vec<_> = junit.suites.iter().map(|suite| (suite.tests, suite.errors)).collect();
    assert_eq!(counts, [(2, 0), (1, 1)], "{}", repo.read("all.xml"));
}

#[test]
fn what_is_said_of_an_environment_among_all_names_it() {
    let repo = Repo::new();
    let text = TWO
        .replace(
            "dev: {organizationId: org-dev, vars: {",
            "dev: {organizationId: org-dev, vars: {unused: 1, ",
        )
        .replace("Watch the account", "''");
    repo.write("tasks.yaml", &text).commit("first");
    let named = |environment: &str, code: &str| format!("Environment `{environment}`:\n{code}");
    for command in ["plan", "status"] {
        let ran = on(&repo, "both", &format!("{command} --env all"));
        let (dev, prod) =
            (named("dev", "warning[unused-variable]"), named("prod", "error[empty-prompt]"));
        told(&ran, 1, &[&dev, &prod]);
        assert_eq!(ran.err.matches("Environment `").count(), 2, "{}", ran.err);
        let ran = on(&repo, "both", &format!("{command} --env dev"));
        assert!(!ran.err.contains("Environment `"), "{}", ran.err);
    }
}

#[test]
fn every_environment_is_refused_where_a_command_takes_one() {
    let repo = Repo::new();
    repo.write("tasks.yaml", TWO).commit("first");
    let table = [
        ("apply --yes --env all", "`apply` takes one environment"),
        ("destroy --env all", "`destroy` takes one environment"),
        ("pull --env all", "`pull` takes one environment"),
        ("transcript x --env all", "`transcript` takes one environment"),
        ("doctor --env all", "`doctor` takes one environment"),
        ("plan --env all --out plan.json", "`--out` takes one environment"),
        ("plan --env all --save-snapshot s.json", "`--save-snapshot` takes one environment"),
    ];
    for (arguments, words) in table {
        told(&on(&repo, "both", arguments), 1, &[words, "--env NAME"]);
    }
    repo.tasks("spy: {prompt: Buy SPY}").commit("without");
    told(&on(&repo, "both", "plan --env all"), 1, &["no manifest declares environments"]);
    told(&repo.qcops_reading("plan --env all -f -", TWO), 1, &["standard input can be read once"]);
}

#[test]
fn credentials_of_an_environment_come_before_those_for_all() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &TWO.replace("organizationId: org-prod", "")).commit("first");
    let all =
        [("QC_USER_ID", "1"), ("QC_API_TOKEN", "token-of-all"), ("QC_ORGANIZATION_ID", "org")];
    let own = [("QC_USER_ID_PROD", "2"), ("QC_API_TOKEN_PROD", "token-of-prod")];
    let organization = ("QC_ORGANIZATION_ID_PROD", "org-prod");
    let doctor = |environment: &str, variables: &[(&str, &str)]| {
        let words =
            ["doctor", "--env", environment, "--api", "http://127.0.0.1:9", "--retry-time", "0s"];
        let ran = repo.run_with(&words.map(str::to_owned), variables);
        format!("{}{}", ran.out, ran.err)
    };
    let both = [all.as_slice(), &own, &[organization]].concat();
    let table = [
        ("prod", both.clone(), vec!["from `QC_API_TOKEN_PROD`", "from `QC_ORGANIZATION_ID_PROD`"]),
        ("dev", both.clone(), vec!["from `QC_API_TOKEN`", "are for `org`"]),
        ("prod", all.to_vec(), vec!["from `QC_API_TOKEN`", "`QC_ORGANIZATION_ID`"]),
        (
            "us-east",
            Vec::new(),
            vec![
                "or set `QC_USER_ID_US_EAST` and `QC_API_TOKEN_US_EAST`, for `--env us-east` alone",
            ],
        ),
        (
            "prod",
            [all.as_slice(), &own[1..]].concat(),
            vec!["`QC_API_TOKEN_PROD` is set and `QC_USER_ID_PROD` is not"],
        ),
    ];
    for (environment, variables, expected) in table {
        let said = doctor(environment, &variables);
        for words in expected {
            assert!(said.contains(words), "{environment}: no `{words}` in {said}");
        }
        assert!(!said.contains("token-of"), "{said}");
    }
    // No manifest reads one, whatever its environment is called.
    let text = TWO.replace("Momentum for ${capital}", "${QC_USER_ID_PROD} ${COPY}");
    repo.write("tasks.yaml", &text);
    let words = ["plan", "--emulator", "--env", "dev"].map(str::to_owned);
    let ran = repo.run_with(
        &words,
        &[
            ("COPY", "x token-of-prod"),
            ("QC_API_TOKEN_PROD", "token-of-prod"),
            ("QC_USER_ID_PROD", "2"),
        ],
    );
    told(&ran, 1, &["is a credential, which no manifest may read", "holds a credential"]);
}

#[test]
fn a_value_from_outside_that_changed_makes_no_second_task() {
    const TEMPLATE: &str = "version: 1
defaults: {agentId: 47, projectPreference: project-for-task}
tasks:
  a: {template: true, name: \"Task {{ capital }}\", prompt: \"Trade with {{ capital }} dollars\"}
";
    let table = [
        ("--var-file ../dev.yaml", "--var-file ../dev.yaml"),
        ("--var capital=1", "--var capital=2"),
    ];
    for (before, after) in table {
        let repo = Repo::new();
        repo.write("tasks.yaml", TEMPLATE).write("../dev.yaml", "capital: 1\n").commit("first");
        repo.qcops(&format!("apply --yes {before}")).expect(0, &["task.a created"]);
        repo.commit("another value");
        let fresh = repo.clone_with("");
        for repo in [&fresh, &repo] {
            repo.write("../dev.yaml", "capital: 2\n");
        }
        let plan = fresh.qcops(&format!("plan {after}"));
        plan.expect(3, &["blocked[lost-evidence]", "earlier values of `capital`"]);
        repo.qcops(&format!("plan {after}")).expect_no(&["lost-evidence"]);
        fresh.write("../dev.yaml", "capital: 1\n");
        fresh.qcops(&format!("plan {before} --detailed-exitcode")).expect(0, &[]);
    }
}

#[test]
fn a_file_of_variables_that_never_changed_blocks_no_new_task() {
    let repo = Repo::new();
    repo.write("tasks.yaml", MANIFEST).write("dev.yaml", "capital: 1\n").commit("first");
    repo.qcops("apply --yes --var-file dev.yaml").expect(0, &[]);
    let more = format!("{MANIFEST}  qqq: {{prompt: Buy QQQ}}\n");
    repo.write("tasks.yaml", &more).commit("one more");
    let plan = repo.clone_with("").qcops("plan --var-file dev.yaml --target qqq");
    plan.expect(0, &["task.qqq will be created"]);
    // A value that changed with it or before leaves what is new alone.
    repo.write("dev.yaml", "capital: 2\n")
        .write("tasks.yaml", &more.replace("QQQ", "GLD").replace("qqq", "gld"));
    repo.commit("a value and another task");
    let plan = repo.clone_with("").qcops("plan --var-file dev.yaml --target gld");
    plan.expect(0, &["task.gld will be created"]);
}
