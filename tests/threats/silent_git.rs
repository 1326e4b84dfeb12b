//! A prompt file of which Git does not say whether it ignores it may hold secrets: it is refused.

use std::fs;
use std::os::unix::fs::symlink;

use super::PLANTED;
use crate::support::repo::Repo;

/// Something is done to the repository; returns the variables that it takes.
type Damage = fn(&Repo) -> Vec<(&'static str, String)>;

fn script(repo: &Repo, text: &str) -> Vec<(&'static str, String)> {
    use std::os::unix::fs::PermissionsExt;
    repo.write("../bin/git", &format!("#!/bin/sh\n{text}\n"));
    let git = repo.path().join("../bin/git");
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    vec![("PATH", format!("{}/../bin:{}", repo.path().display(), path.display()))]
}

fn write(repo: &Repo, path: &str, text: &str) -> Vec<(&'static str, String)> {
    repo.write(path, text);
    Vec::new()
}

fn link(repo: &Repo, path: &str, target: &str) {
    drop(fs::remove_file(repo.path().join(path)));
    symlink(target, repo.path().join(path)).unwrap();
}

// What is wrong, what is done, the cause that is named, and what helps.
const SILENT: &[(&str, Damage, &str, &str)] = &[
    (
        "a checkout of another user",
        |repo| {
            // Only root can give files away; elsewhere Git refuses in another way.
            let mine = std::os::unix::fs::chown(repo.path(), Some(4711), None).is_err();
            if mine {
                script(repo, "echo detected dubious ownership >&2; exit 128")
            } else {
                vec![]
            }
        },
        "another user owns it",
        "git config --global --add safe.directory",
    ),
    ("no program", |_| vec![("PATH", "/nowhere".to_owned())], "not installed", "install Git"),
    ("a failing program", |repo| script(repo, "exit 1"), "exit status: 1", "status` says"),
    ("a killed program", |repo| script(repo, "kill -9 $$"), "signal: 9", "status` says"),
    ("a silent program", |repo| script(repo, "exit 0"), "something unknown", "status` says"),
    (
        "a program that fails later",
        |repo| {
            let git = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|folder| folder.join("git"))
                .find(|git| git.is_file())
                .unwrap();
            let rest = format!("exec {} \"$@\"", git.display());
            script(repo, &format!("case \"$*\" in *ls-files*) exit 3;; esac; {rest}"))
        },
        "exit status: 3",
        "status` says",
    ),
    (
        "an index of nonsense",
        |repo| write(repo, ".git/index", "nonsense"),
        "index file",
        "git reset",
    ),
    (
        "an index of a version that is not there",
        |repo| {
            let path = repo.path().join(".git/index");
            let mut index = fs::read(&path).unwrap();
            index[7] = 99;
            fs::write(path, index).unwrap();
            Vec::new()
        },
        "index file",
        "git reset",
    ),
    (
        "settings cut short",
        |repo| write(repo, ".git/config", "[core"),
        "bad config",
        "status` says",
    ),
    ("an empty HEAD", |repo| write(repo, ".git/HEAD", ""), "not a git repository", "status` says"),
    (
        "`.git` that leads nowhere",
        |repo| {
            fs::remove_dir_all(repo.path().join(".git")).unwrap();
            write(repo, ".git", "gitdir: /nowhere\n")
        },
        "cannot be read",
        "mount or restore",
    ),
    (
        "patterns in a loop",
        |repo| {
            link(repo, ".gitignore", ".gitignore");
            Vec::new()
        },
        "unable to access '.gitignore'",
        "status` says",
    ),
    (
        "patterns of the machine in a loop",
        |repo| {
            repo.write(".gitignore", "");
            link(repo, ".git/loop", "loop");
            repo.git("config core.excludesFile .git/loop");
            Vec::new()
        },
        "unable to access",
        "status` says",
    ),
    (
        "patterns that are a folder",
        |repo| {
            drop(fs::remove_file(repo.path().join(".git/info/exclude")));
            fs::create_dir_all(repo.path().join(".git/info/exclude")).unwrap();
            Vec::new()
        },
        "cannot use",
        "status` says",
    ),
];

#[test]
fn a_prompt_file_that_git_does_not_speak_of_is_refused_with_what_helps() {
    for (name, damage, cause, help) in SILENT {
        let repo = Repo::new();
        repo.write("p.md", "Buy SPY").tasks("a: {promptFile: p.md}").commit("first");
        repo.write("notes.txt", PLANTED).tasks("a: {promptFile: notes.txt}");
        repo.write(".gitignore", ".qcops/\nnotes.txt\n");
        let variables = damage(&repo);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for command in
            ["validate", "plan --emulator=../world.json", "apply --emulator=../world.json --yes"]
        {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            let ran = repo.run_with(&words, &variables);
            assert_eq!(ran.code, 1, "{name}: {}{}", ran.out, ran.err);
            for words in [cause, help, &"`promptFile` of task `a` cannot be read"] {
                assert!(ran.err.contains(words), "{name}: no `{words}` in {}", ran.err);
            }
            assert!(!format!("{}{}", ran.out, ran.err).contains("PLANTED"), "{name}");
        }
        assert!(!repo.path().join("../world.json").exists(), "{name}: nothing is sent");
    }
    // What is in the manifest itself was named by the person who runs the program.
    let repo = Repo::new();
    repo.tasks("a: {prompt: Buy SPY}").commit("first").write(".git/index", "nonsense");
    repo.qcops("plan").expect(0, &["task.a will be created"]);
}
