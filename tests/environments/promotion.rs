//! One repository on its way through two organizations, each at a service of its own.

use std::fmt::Write as _;
use std::slice;

use qcops::emulator;

use crate::support::repo::{Ran, Repo};
use crate::support::served::Served;

/// The organizations of `dev`, which every emulated service has, and of `prod`.
const ORGANIZATIONS: [(&str, &str); 2] = [("dev", emulator::ORGANIZATION_ID), ("prod", "org-prod")];

fn symbols() -> Vec<String> {
    (0..20).map(|number| format!("S{number:02}")).collect()
}

/// Twelve tasks, of which one is a matrix; it and two others share a partial.
fn manifest(symbols: &[String]) -> String {
    let mut text = format!(
        "version: 1
vars: {{capital: 100000}}
settings: {{limits: {{replaces: 40}}}}
environments:
  dev: {{organizationId: {}, vars: {{capital: 5000}}}}
  prod: {{organizationId: org-prod}}
defaults: {{agentId: 47, projectPreference: project-for-task}}
tasks:
  momentum:
    matrix: {{symbol: [{}]}}
    name: Momentum {{{{ symbol }}}}
    promptFile: prompts/momentum.md
",
        emulator::ORGANIZATION_ID,
        symbols.join(", ")
    );
    for name in ["value", "carry"] {
        writeln!(
            text,
            "  {name}: {{template: true, prompt: '{name} {{% include \"prompts/risk.md\" %}}'}}"
        )
        .unwrap();
    }
    for number in 0..9 {
        writeln!(text, "  t{number}: {{prompt: \"Watch account {number} of ${{capital}}\"}}")
            .unwrap();
    }
    text
}

/// Runs a command with the credentials that the environments have for this service.
fn at(repo: &Repo, service: &Served, environments: &[(&str, &str)], words: &str) -> Ran {
    let mut arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    arguments.extend(["--api", &service.url, "--rate", "0"].map(str::to_owned));
    let mut variables = Vec::new();
    for (name, organization) in environments {
        let name = name.to_ascii_uppercase();
        variables.push((format!("QC_USER_ID_{name}"), emulator::USER_ID.to_string()));
        variables.push((format!("QC_API_TOKEN_{name}"), emulator::API_TOKEN.to_owned()));
        variables.push((format!("QC_ORGANIZATION_ID_{name}"), (*organization).to_owned()));
    }
    let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    repo.run_with(&arguments, &variables)
}

/// A service with the organization of `prod` as well.
fn with_prod() -> Served {
    Served::created(|emulator| emulator.with_organization("org-prod".to_owned()))
}

#[test]
fn a_commit_is_promoted_from_dev_to_prod() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(&symbols()))
        .write(
            "prompts/momentum.md",
            "Trade {{ symbol }} with {{ capital }}.\n{% include \"prompts/risk.md\" %}",
        )
        .write("prompts/risk.md", "Risk at most 1 %.")
        .commit("first");
    let services = [Served::new(), with_prod()];
    let [dev, prod] = &services;
    let run = |number: usize, words: &str| {
        let environment = ORGANIZATIONS[number];
        let words = format!("{words} --env {}", environment.0);
        at(&repo, &services[number], slice::from_ref(&environment), &words)
    };
    run(0, "plan").expect(0, &["31 to create", "Trade S07 with 5000."]).expect_no(&["100000"]);
    run(0, "apply --yes").expect(0, &["31 succeeded"]);
    run(0, "plan --detailed-exitcode").expect(0, &["No changes"]);
    assert!(prod.emulator.requests().is_empty(), "`prod` was contacted with `--env dev`");
    let sent = dev.emulator.requests().len();
    run(1, "plan").expect(0, &["31 to create", "Trade S07 with 100000."]).expect_no(&["5000"]);
    run(1, "apply --yes").expect(0, &["31 succeeded"]);
    run(1, "plan --detailed-exitcode").expect(0, &["No changes"]);
    assert_eq!(dev.emulator.requests().len(), sent, "`dev` was contacted with `--env prod`");
    run(0, "plan --detailed-exitcode").expect(0, &["No changes"]);
    let changed = |expected: &[&str], unexpected: &[&str]| {
        repo.commit("change");
        for number in [0, 1] {
            run(number, "plan").expect(0, expected).expect_no(unexpected);
        }
    };
    let mut more = symbols();
    more.insert(3, "NEW".to_owned());
    repo.write("tasks.yaml", &manifest(&more));
    changed(&["+ task.momentum[NEW]", "Plan: 1 to create. 31 unchanged.\n"], &["S03"]);
    repo.write("tasks.yaml", &manifest(&symbols()[1..]));
    changed(&["task.momentum[S00]", "deferred[prune-off]", "1 deferred"], &["to create", "S01"]);
    repo.write("tasks.yaml", &manifest(&symbols()));
    repo.write("prompts/risk.md", "Risk at most 2 %.");
    changed(
        &["22 to replace", "-/+ task.value", "-/+ task.momentum[S19]"],
        &["to create", "task.t"],
    );
    // Only `dev` takes the edit; `prod` still has what was promoted.
    run(0, "apply --yes").expect(0, &[]);
    run(0, "plan --detailed-exitcode").expect(0, &["No changes"]);
    run(1, "plan").expect(0, &["22 to replace"]);
}

#[test]
fn one_plan_shows_both_organizations_of_a_service() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(&symbols()[..2]))
        .write("prompts/momentum.md", "Trade {{ symbol }} with {{ capital }}.")
        .write("prompts/risk.md", "Risk at most 1 %.")
        .commit("first");
    let both = with_prod();
    let all = |words: &str| at(&repo, &both, &ORGANIZATIONS, words);
    all("apply --yes --env dev").expect(0, &["13 succeeded"]);
    all("plan --env all --detailed-exitcode").expect(
        2,
        &["  0     No changes: 13 tasks", "prod         org-prod", "2     Plan: 13 to create."],
    );
    all("apply --yes --env prod").expect(0, &["13 succeeded"]);
    all("plan --env all --detailed-exitcode").expect(0, &["prod         org-prod"]);
    // An environment that the user's organization refuses hides no other.
    let dev = Served::new();
    let refused = at(&repo, &dev, &ORGANIZATIONS, "plan --env all");
    refused.expect(1, &["  0     Plan: 13 to create.", "failed: "]);
    assert!(refused.err.contains("environment `prod`"), "{}", refused.err);
    // Nor does one without credentials, whose service is not asked.
    let asked = dev.emulator.requests().len();
    let without = at(&repo, &dev, &ORGANIZATIONS[1..], "plan --env all");
    without.expect(1, &["failed: "]);
    assert!(without.err.contains("environment `dev`"), "{}", without.err);
    let bodies: Vec<String> =
        dev.emulator.requests().split_off(asked).into_iter().map(|logged| logged.body).collect();
    assert!(bodies.iter().all(|body| !body.contains(emulator::ORGANIZATION_ID)), "{bodies:?}");
}
