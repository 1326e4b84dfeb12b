//! One manifest with variables, told with the program itself.

use std::fs;

use crate::support::repo::Repo;

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
    fs::write(repo.path().join("dev.yaml"), "- capital: 5\n").unwrap();
    told("--var-file dev.yaml", 1, &["dev.yaml:1:1", "must be a mapping, not a list"]);
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
