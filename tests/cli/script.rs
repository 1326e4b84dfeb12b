//! Mistakes in a script of the emulated agents: the file, the line, what is wrong and what helps.

use crate::support::repo::Repo;

#[test]
fn a_mistake_in_a_script_is_named_with_its_place_and_what_was_meant() {
    let mapping = "a mapping (`field: value`) is expected in place of";
    let rules = "write `version: 1`, and rules such as `runs:";
    let table = [
        ("[]", format!("{mapping} `[`, at line 1, column 1")),
        ("hello", format!("{mapping} `hello`, at line 1")),
        ("", format!("{mapping} nothing, at line 1")),
        (
            "version: 1\nruns: 3",
            "a list (`- ...`) is expected in place of `3`, at line 2, column 7".to_owned(),
        ),
        ("version: 1\nruns:\n  promptContains: x", "a list (`- ...`) is expected".to_owned()),
        ("version: 1\nruns: [x]", format!("{mapping} `x`, at line 2, column 8")),
        ("version: 1\nruns: [{promptContain: x}]", "unknown field `promptContain`".to_owned()),
        ("version: 1\nruns: [{outcome: fails}]", "completed, failed".to_owned()),
        (
            "version: 1\nruns: [{says: [x]}]",
            "a text is expected in place of `[x`, at line 2".to_owned(),
        ),
        (
            "version: 1\nruns: [{tokens: {input: -1}}]",
            "a whole number is expected in place of `-1`".to_owned(),
        ),
        (
            "version: 1\nruns: [{takes: soon}]",
            "`takes: soon` of rule 1 is no length of time; write `5s`".to_owned(),
        ),
        (
            "version: one",
            "a whole number is expected in place of `one`, at line 1, column 10".to_owned(),
        ),
        ("runs: []", "missing field `version`".to_owned()),
        ("version: 2", "version 2 of a script is not known; write `version: 1`".to_owned()),
        (
            "version: 1\nruns: [{turns: [{tools: [{success: maybe, name: x}]}]}]",
            "`true` or `false` is expected".to_owned(),
        ),
    ];
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    for (script, expected) in table {
        repo.write("rules.yaml", script);
        for command in
            ["emulator --port 0 --script rules.yaml", "plan --emulator --script rules.yaml"]
        {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            let ran = repo.run(&words);
            assert_eq!(ran.code, 1, "{command}: {script}: {}", ran.err);
            for said in ["the script `rules.yaml`", expected.as_str(), rules] {
                assert!(ran.err.contains(said), "no `{said}` for {script}: {}", ran.err);
            }
        }
    }
}
