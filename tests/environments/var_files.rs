//! Files of variables that Git tracks: each commit holds the values that it was applied with.

#[cfg(unix)]
use std::os::unix::fs::symlink;

use crate::support::repo::Repo;

/// A template, and a task with the variable in a field.
const TASKS: &str = "
tasks:
  a: {template: true, name: \"Task {{ capital }}\", prompt: \"Trade with {{ capital }} dollars\"}
  b: {name: B, promptFile: b.md, template: true, projectPreference: \"${preference:-project-for-task}\"}
";

fn manifest(rest: &str) -> String {
    format!(
        "version: 1\n{rest}defaults: {{agentId: 47, projectPreference: project-for-task}}{TASKS}"
    )
}

/// What is applied, what commits then change, and what a plan of a fresh clone without ledger says.
struct Row {
    name: &'static str,
    /// Fields of the manifest, and the flags.
    applied: (&'static str, &'static str),
    files: &'static [(&'static str, &'static str)],
    change: fn(&Repo),
    flags: &'static str,
    says: &'static [&'static str],
}

const ROW: Row = Row {
    name: "",
    applied: ("", "--var-file dev.yaml"),
    files: &[("dev.yaml", "capital: 1\n")],
    change: |_| {},
    flags: "--var-file dev.yaml",
    says: &["2 to replace"],
};

fn set(repo: &Repo, path: &str, text: &str) {
    repo.write(path, text).commit("a value");
}

const ROWS: &[Row] = &[
    Row { name: "nothing", says: &["No changes"], ..ROW },
    Row { name: "another value", change: |repo| set(repo, "dev.yaml", "capital: 2\n"), ..ROW },
    Row {
        name: "several values, each in a commit of the file alone",
        change: |repo| (2..6).for_each(|n| set(repo, "dev.yaml", &format!("capital: {n}\n"))),
        ..ROW
    },
    Row {
        name: "a comment",
        change: |repo| set(repo, "dev.yaml", "# dollars\ncapital: 1\n"),
        says: &["No changes"],
        ..ROW
    },
    Row {
        name: "a field",
        change: |repo| {
            set(repo, "dev.yaml", "capital: 1\npreference: project-each-task-deployment\n");
        },
        says: &["1 to replace", "-/+ task.b"],
        ..ROW
    },
    Row {
        name: "a file with another name",
        change: |repo| {
            repo.git("mv dev.yaml env.yaml");
            repo.commit("move").write("x/y", "").git("mv env.yaml x/dev.yaml");
            set(repo.commit("again"), "x/dev.yaml", "capital: 2\n");
        },
        flags: "--var-file x/dev.yaml",
        ..ROW
    },
    Row {
        name: "a file with another name and value in one commit",
        change: |repo| {
            repo.git("rm -q dev.yaml");
            set(repo, "env.yaml", "capital: 2\n");
        },
        flags: "--var-file env.yaml",
        says: &[
            "! task.a would be created: blocked[lost-evidence]",
            "earlier values of `capital`",
            "! task.b",
        ],
        ..ROW
    },
    Row {
        name: "a file that was gone for a while",
        change: |repo| {
            repo.git("rm -q dev.yaml");
            set(repo.commit("gone"), "tasks.yaml", &format!("{}# x\n", manifest("")));
            set(repo, "dev.yaml", "capital: 2\n");
        },
        ..ROW
    },
    Row {
        name: "a file that was broken for a while",
        change: |repo| {
            set(repo, "dev.yaml", "capital: [\n");
            set(repo, "dev.yaml", "capital: 2\n");
        },
        ..ROW
    },
    Row {
        name: "a variable that the manifest declared alone",
        applied: ("vars: {capital: 1}\n", "--var-file dev.yaml"),
        files: &[("dev.yaml", "preference: project-for-task\n")],
        change: |repo| set(repo, "dev.yaml", "preference: project-for-task\ncapital: 2\n"),
        ..ROW
    },
    Row {
        name: "a variable that the environment declared alone",
        applied: ("vars: {capital: 7}\nenvironments: {dev: {vars: {capital: 1}}}\n", "-e dev"),
        files: &[],
        change: |repo| set(repo, "dev.yaml", "capital: 2\n"),
        flags: "-e dev --var-file dev.yaml",
        ..ROW
    },
    Row {
        name: "a variable that came with the manifest's next version",
        change: |repo| {
            let text = manifest("").replace("dollars", "dollars at {{ risk }}");
            set(repo, "tasks.yaml", &text);
            set(repo, "dev.yaml", "capital: 1\nrisk: 3\n");
        },
        says: &["1 to replace", "-/+ task.a"],
        ..ROW
    },
    Row {
        name: "the second of two files",
        applied: ("", "--var-file base.yaml --var-file dev.yaml"),
        files: &[("base.yaml", "capital: 1\n"), ("dev.yaml", "preference: project-for-task\n")],
        change: |repo| {
            set(repo, "base.yaml", "capital: 3\n");
            set(repo, "dev.yaml", "capital: 2\n");
        },
        flags: "--var-file base.yaml --var-file dev.yaml",
        ..ROW
    },
    #[cfg(unix)]
    Row {
        name: "a file in the place of a link",
        applied: ("", "--var-file v/one.yaml"),
        files: &[("v/one.yaml", "capital: 1\n")],
        change: |repo| {
            symlink("v/one.yaml", repo.path().join("dev.yaml")).unwrap();
            repo.commit("link").git("rm -q dev.yaml");
            set(repo, "dev.yaml", "capital: 2\n");
        },
        ..ROW
    },
    Row {
        name: "a flag over the file",
        applied: ("", "--var-file dev.yaml --var capital=5"),
        change: |repo| set(repo, "dev.yaml", "capital: 2\n"),
        flags: "--var-file dev.yaml --var capital=5",
        says: &["No changes"],
        ..ROW
    },
    Row {
        name: "another flag over the file",
        applied: ("", "--var-file dev.yaml --var capital=5"),
        flags: "--var-file dev.yaml --var capital=6",
        says: &["blocked[lost-evidence]", "earlier values of `capital`"],
        ..ROW
    },
    Row {
        name: "a file that no commit holds",
        applied: ("", "--var-file dev.yaml"),
        change: |repo| {
            repo.git("rm -q --cached dev.yaml");
            repo.commit("gone").git("clean -qf");
        },
        flags: "--var-file ../dev.yaml",
        says: &["blocked[lost-evidence]", "earlier values of `capital`"],
        ..ROW
    },
    Row {
        name: "a manifest with another name",
        change: |repo| {
            set(repo, "dev.yaml", "capital: 2\n");
            repo.git("mv tasks.yaml ops.yaml");
            set(repo.commit("move"), "dev.yaml", "capital: 3\n");
        },
        flags: "--var-file dev.yaml -f ops.yaml",
        ..ROW
    },
];

#[test]
fn history_expands_each_version_with_its_own_file_of_variables() {
    for Row { name, applied: (fields, flags), files, change, flags: later, says } in ROWS {
        let repo = Repo::new();
        repo.write("tasks.yaml", &manifest(fields)).write("b.md", "Hold {{ capital }}\n");
        files.iter().for_each(|(path, text)| _ = repo.write(path, text));
        repo.commit("first");
        let made = repo.qcops(&format!("apply --yes {flags}"));
        assert_eq!(made.code, 0, "{name}: {}{}", made.out, made.err);
        change(&repo);
        let clone = repo.clone_with("");
        clone.write("../dev.yaml", "capital: 9\n");
        let plan = clone.qcops(&format!("plan {later}"));
        let never = if says[0].contains("blocked") { "to replace" } else { "blocked" };
        for words in *says {
            assert!(plan.out.contains(words), "{name}: no `{words}` in {}{}", plan.out, plan.err);
        }
        assert!(!plan.out.contains(never), "{name}: {}", plan.out);
        assert!(!plan.out.contains("to create"), "{name}: {}", plan.out);
    }
}

#[test]
fn a_broken_file_of_variables_is_a_gap_that_names_it() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(""))
        .write("b.md", "Hold\n")
        .write("dev.yaml", "capital: 1\n");
    repo.commit("first").write("dev.yaml", "capital: {}\n").commit("broken");
    let commit = repo.git("rev-parse --short=10 HEAD");
    set(&repo, "dev.yaml", "capital: 2\n");
    repo.qcops("apply --yes --var-file dev.yaml").expect(0, &[]);
    let plan = repo.clone_with("").qcops("plan --var-file dev.yaml --format json");
    let json: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let gaps = json["evidence"].to_string();
    let said = format!("`dev.yaml` as of commit {commit} cannot be understood");
    assert!(gaps.contains(&said) && gaps.contains("version-unreadable"), "{gaps}");
}

#[test]
fn a_version_without_the_file_of_today_speaks_of_the_keys_that_may_have_used_it_alone() {
    let repo = Repo::new();
    repo.tasks("old: {prompt: Old}\nspy: {prompt: Buy SPY}").commit("first");
    repo.qcops("apply --yes").expect(0, &[]);
    repo.tasks("old: {name: 'for ${capital}', prompt: New}\nqqq: {prompt: Buy QQQ}");
    repo.write("dev.yaml", "capital: 1\n").commit("second");
    let plan = repo.clone_with("").qcops("plan --var-file dev.yaml");
    plan.expect(0, &["-/+ task.old", "+ task.qqq", "1 to create"]).expect_no(&["blocked"]);
}

#[test]
fn an_edited_file_of_variables_proves_the_ownership_of_agents() {
    let repo = Repo::new();
    let text = "version: 1
agents:
  a: {template: true, name: Analyst, systemPromptFile: a.md}
  b: {name: Writer, systemPrompt: Write., model: \"${model}\"}
tasks: {}
";
    repo.write("tasks.yaml", text).write("a.md", "Know {{ word }}.");
    repo.write("dev.yaml", "word: one\nmodel: claude-opus-4-7\n").commit("first");
    repo.qcops("apply --yes --var-file dev.yaml --allow empty-manifest").expect(0, &[]);
    repo.write("dev.yaml", "word: two\nmodel: claude-sonnet-4-6\n").commit("second");
    let clone = repo.clone_with("");
    let plan = clone.qcops("plan --var-file dev.yaml --allow empty-manifest");
    plan.expect(0, &["2 to update"]).expect_no(&["unproven", "blocked", "drift"]);
}
