//! The rules of `examples/policy`: what they say of plans, and that each field they use is in the schema.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use crate::support::repo::Repo;

fn rules() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policy");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|ending| ending == "rego")).collect()
}

/// What a field of a definition is: the definition of it or of its items, if it has fields.
fn field<'s>(schema: &'s Value, definition: &'s Value, name: &str) -> Option<&'s Value> {
    let mut found = definition["properties"].get(name)?;
    loop {
        let inner = found.get("items").or_else(|| found["anyOf"].get(0));
        if let Some(path) = found["$ref"].as_str() {
            found = schema.pointer(path.trim_start_matches('#')).unwrap();
        } else if let Some(inner) = inner {
            found = inner;
        } else {
            return Some(found);
        }
    }
}

#[test]
fn every_field_of_the_policy_examples_is_in_the_schema_of_the_plan() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/plan.json")).unwrap();
    let some = Regex::new(r"some (\w+) in (\w+)\.(\w+)").unwrap();
    let path = Regex::new(r"\b([a-z]\w*)((?:\.[a-z]\w*)+)").unwrap();
    let mut used = BTreeSet::new();
    for file in rules() {
        let text = fs::read_to_string(&file).unwrap();
        for line in
            text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("import"))
        {
            for found in path.captures_iter(line) {
                used.insert((found[1].to_owned(), found[2].to_owned()));
            }
        }
        // Each variable has the name of what it goes through.
        for found in some.captures_iter(&text) {
            let plural = format!("{}s", &found[1]);
            assert!(found[3].ends_with(&plural), "{}: {}", file.display(), &found[0]);
        }
    }
    assert!(used.len() >= 8, "{used:?}");
    let steps = field(&schema, &schema, "steps").unwrap();
    for (variable, path) in &used {
        let start = match &**variable {
            "input" => &schema,
            "step" => steps,
            "field" => field(&schema, steps, "fields").unwrap(),
            other => panic!("what is `{other}` of `{other}{path}`?"),
        };
        path.split('.').skip(1).fold(start, |definition, name| {
            field(&schema, definition, name)
                .unwrap_or_else(|| panic!("no `{name}` of `{variable}{path}` in the schema"))
        });
    }
}

#[test]
fn the_page_on_policy_shows_a_rule_as_it_is() {
    let page = include_str!("../../docs/policy.md");
    let (_, shown) = page.split_once("```rego\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(include_str!("../../examples/policy/benchmark.rego").contains(shown), "{shown}");
}

/// What the rules say of the JSON of a plan; nothing where there is no evaluator.
fn evaluate(plan: &Path) -> Option<Value> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lint/venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "`.ci/lint` installs the evaluator of policies");
        // Not through a macro: the harness would keep it to itself.
        std::io::stderr()
            .write_all(b"skipped: `.ci/lint` installs what evaluates policies\n")
            .unwrap();
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schema/evaluate.py");
    let output = Command::new(python).arg(script).arg(plan).args(rules()).output().unwrap();
    let ran = Repo::ran(output);
    assert_eq!(ran.code, 0, "{}", ran.err);
    Some(serde_json::from_str(&ran.out).unwrap())
}

#[test]
fn the_policy_examples_deny_what_they_say_and_nothing_else() {
    let repo = Repo::new();
    let judge = |tasks: &str| {
        repo.tasks(tasks);
        let planned = repo.qcops("plan --output json=plan.json");
        assert_eq!(planned.code, 0, "{}", planned.err);
        evaluate(&repo.path().join("plan.json"))
    };
    let Some(said) = judge("spy: {prompt: Buy SPY. The benchmark is QQQ.}") else { return };
    assert_eq!(said, json!({"deny": [], "warn": []}));
    let said = judge(
        "spy: {prompt: Benchmark, deployments: {first: {followUps: [Call liquidate_live_algorithm]}}}\n\
         qqq: {prompt: Buy QQQ with create_live_algorithm}",
    );
    let denied = [
        "task.qqq: `create_live_algorithm` trades",
        "task.qqq: the prompt names no benchmark",
        "task.spy/first: `liquidate_live_algorithm` trades",
    ];
    let unknown = "1 new deployments, and no past one to estimate their tokens by";
    assert_eq!(said.unwrap(), json!({"deny": denied, "warn": [unknown]}));

    // A plan that costs more than all the past ones.
    let file = repo.path().join("plan.json");
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let spread = json!({"median": 1, "least": 1, "most": 2_000_001, "past_deployments": 3});
    plan["budget"]["estimate"] = json!({"prompts": 1, "tokens": spread, "seconds": null});
    crate::support::schema::Schema::of("plan").expect(&plan);
    fs::write(&file, plan.to_string()).unwrap();
    let said = evaluate(&file).unwrap();
    let words = "the deployments may use 2000001 tokens, more than 2000000";
    assert!(said["deny"].as_array().unwrap().contains(&json!(words)), "{said}");
    assert_eq!(said["warn"], json!([]));
}
