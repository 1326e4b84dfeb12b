//! A file of variables is one that a person named: no link of a pull request leads to another.

use std::os::unix::fs::symlink;

use super::PLANTED;
use crate::support::repo::Repo;

// The path that is named, the exit code, and what is said.
const NAMED: &[(&str, i32, &str)] = &[
    ("dev.yaml", 0, "Valid"),
    ("sub/../dev.yaml", 0, "Valid"),
    ("../outside.yaml", 0, "Valid"),
    ("link.yaml", 1, "is a link"),
    ("linked/outside.yaml", 1, "is a link"),
    ("linked/repo/dev.yaml", 1, "is a link"),
    ("inner.yaml", 1, "is a link"),
    (".git/config", 1, ".git"),
    (".github/dev.yaml", 1, ".github"),
    ("ignored.yaml", 1, "is ignored by Git"),
    ("no.yaml", 1, "there is no file `no.yaml`"),
    ("sub", 1, "is a folder"),
    ("/proc/self/environ", 1, "/proc"),
    ("../../../../../../../../proc/self/status", 1, "/proc"),
    ("/dev/stdin", 1, ""),
    ("../outside.txt", 1, "outside.txt` is no file of variables: line 1 is wrong"),
    ("../broken.yaml", 1, "broken.yaml` is no file of variables: line 2 is wrong"),
];

#[test]
fn a_file_of_variables_is_no_way_into_the_machine() {
    let repo = Repo::new();
    let vars = "capital: 5\n";
    repo.manifest("tasks.yaml", "a: {prompt: x, name: 'for ${capital:-none}'}")
        .write("dev.yaml", vars)
        .write("sub/x", "")
        .write(".github/dev.yaml", vars)
        .write("ignored.yaml", vars)
        .write(".gitignore", "ignored.yaml\n")
        .write("../outside.yaml", vars)
        .write("../outside.txt", &format!("{PLANTED}: [\n"))
        .write("../broken.yaml", &format!("capital: 5\n1 {PLANTED}: x\n"));
    for (target, link) in
        [("../outside.yaml", "link.yaml"), ("..", "linked"), ("dev.yaml", "inner.yaml")]
    {
        symlink(target, repo.path().join(link)).unwrap();
    }
    repo.commit("first");
    for (path, code, words) in NAMED {
        let words_of_command = ["validate", "--var-file", path].map(str::to_owned);
        let ran = repo.run_with(&words_of_command, &[]);
        assert_eq!(ran.code, *code, "{path}: {}", ran.err);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(words), "{path}: no `{words}` in {said}");
        assert!(!said.contains(PLANTED), "{path}: {said}");
    }
}
