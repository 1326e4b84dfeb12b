//! Other manifests of the repository: what one of them declares, or may declare, is never removed.

use std::fs;

use crate::support::repo::Repo;

const B: &str = "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\ntasks:\n  \
                 b: {prompt: beta}\n";

/// Who is told of what another manifest may declare.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    /// Nobody: what it declares is known.
    Nothing,
    /// The plan is blocked, and names the manifest.
    Blocked,
}

/// The result of the other manifest, `b/b.yaml`.
struct Row {
    name: &'static str,
    said: Said,
    damage: fn(&Repo),
}

/// Writes bytes in place of the other manifest.
fn write(repo: &Repo, bytes: &[u8]) {
    fs::write(repo.path().join("b/b.yaml"), bytes).unwrap();
}

fn wide(text: &str, to: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(to).collect()
}

const ROWS: &[Row] = &[
    Row { name: "it is whole", said: Said::Nothing, damage: |_| {} },
    Row {
        name: "it is not checked out",
        said: Said::Nothing,
        damage: |repo| drop(repo.git("sparse-checkout set a")),
    },
    Row {
        name: "its folder is deleted in the work tree",
        said: Said::Nothing,
        damage: |repo| fs::remove_dir_all(repo.path().join("b")).unwrap(),
    },
    Row {
        name: "it is deleted and staged so",
        said: Said::Nothing,
        damage: |repo| drop(repo.git("rm -q b/b.yaml")),
    },
    Row {
        name: "it is renamed and another task is in it",
        said: Said::Nothing,
        damage: |repo| {
            repo.git("mv b/b.yaml b/c.yaml");
            repo.write("b/c.yaml", &B.replace("b: {prompt: beta}", "c: {prompt: gamma}"));
        },
    },
    Row {
        name: "it is staged and gone, and no commit holds it",
        said: Said::Nothing,
        damage: |repo| {
            repo.git("rm -q b/b.yaml");
            repo.commit("without").write("c.yaml", B).git("add c.yaml");
            fs::remove_file(repo.path().join("c.yaml")).unwrap();
        },
    },
    Row {
        name: "it is in another style",
        said: Said::Nothing,
        damage: |repo| {
            write(repo, b"{version: 1, defaults: {agentId: 47, projectPreference: project-for-task}, tasks: {b: {prompt: beta}}}");
            repo.commit("in braces");
        },
    },
    Row {
        name: "it is in JSON over several lines",
        said: Said::Nothing,
        damage: |repo| {
            write(repo, b"{\n  \"version\": 1,\n  \"tasks\": {\"b\": {\"agentId\": 47, \"prompt\": \"beta\",\n  \"projectPreference\": \"project-for-task\"}}\n}\n");
            repo.commit("as JSON");
        },
    },
    Row {
        name: "its agent is named, and the service lists it",
        said: Said::Nothing,
        damage: |repo| {
            let named = B.replace("agentId: 47", "agent: Research Assistant");
            write(repo, named.replace("  b:", "  other:").as_bytes());
            repo.commit("by name");
        },
    },
    Row {
        name: "its agent is named, and the service does not list it",
        said: Said::Nothing,
        damage: |repo| {
            let named = B.replace("agentId: 47", "agent: Nobody");
            write(repo, named.replace("  b:", "  other:").as_bytes());
            repo.commit("by name");
        },
    },
    Row {
        name: "its folder becomes a submodule",
        said: Said::Nothing,
        damage: |repo| {
            into_module(repo);
            repo.commit("module");
        },
    },
    Row {
        name: "its folder becomes a submodule in a submodule",
        said: Said::Nothing,
        damage: |repo| {
            repo.git("rm -q -r --cached b");
            repo.write("outer/README", "text");
            for (folder, what) in [("b", "outer/b"), ("outer", "outer")] {
                let moved = repo.path().join(what);
                fs::rename(repo.path().join(folder), &moved).unwrap();
                git_in(repo, what, "init -q");
                git_in(repo, what, "add -A");
                git_in(repo, what, "commit -q -m inner");
            }
            repo.commit("modules");
        },
    },
    Row {
        name: "its folder becomes a submodule that is not checked out",
        said: Said::Blocked,
        damage: |repo| {
            into_module(repo);
            repo.commit("module");
            fs::remove_dir_all(repo.path().join("b")).unwrap();
            fs::create_dir(repo.path().join("b")).unwrap();
        },
    },
    Row {
        name: "its folder holds a repository of its own",
        said: Said::Nothing,
        damage: |repo| {
            into_module(repo);
            let committed = repo.git("-c user.name=a -c user.email=a@b commit -qm without");
            drop(committed);
        },
    },
    Row {
        name: "Git ignores its folder",
        said: Said::Nothing,
        damage: |repo| {
            repo.git("rm -q -r --cached b");
            repo.write(".gitignore", ".qcops/\n/b\n").commit("ignored");
        },
    },
    Row {
        name: "Git ignores it by a setting of this clone",
        said: Said::Nothing,
        damage: |repo| {
            repo.git("rm -q -r --cached b");
            repo.write(".git/info/exclude", "*.yaml\n").commit("ignored");
        },
    },
    Row {
        name: "Git ignores it, and it is cut within a field",
        said: Said::Blocked,
        damage: |repo| {
            repo.git("rm -q -r --cached b");
            repo.write(".gitignore", ".qcops/\n/b\n").commit("ignored");
            write(repo, &B.as_bytes()[..40]);
        },
    },
    Row {
        name: "its task moves to one that Git ignores, and that is applied",
        said: Said::Nothing,
        damage: |repo| {
            repo.git("rm -q -r b");
            repo.write(".gitignore", ".qcops/\n/c\n").commit("ignored").write("c/c.yaml", B);
            repo.converge("-f a -f c");
        },
    },
    Row { name: "it is empty", said: Said::Blocked, damage: |repo| write(repo, b"") },
    Row {
        name: "it holds blanks and a comment",
        said: Said::Blocked,
        damage: |repo| write(repo, b"\n\n# nothing\n"),
    },
    Row {
        name: "it is cut within a field",
        said: Said::Blocked,
        damage: |repo| write(repo, &B.as_bytes()[..40]),
    },
    Row {
        name: "it is cut within its first words",
        said: Said::Blocked,
        damage: |repo| write(repo, &B.as_bytes()[..6]),
    },
    Row {
        name: "it is cut behind its first line",
        said: Said::Blocked,
        damage: |repo| write(repo, b"version: 1\n"),
    },
    Row {
        name: "its version is a text",
        said: Said::Blocked,
        damage: |repo| write(repo, B.replace("version: 1", "version: \"1\"").as_bytes()),
    },
    Row {
        name: "its version is of the future",
        said: Said::Blocked,
        damage: |repo| write(repo, B.replace("version: 1", "version: 2").as_bytes()),
    },
    Row {
        name: "its first words are misspelled",
        said: Said::Blocked,
        damage: |repo| {
            let text = B.replace("version:", "verison:").replace("tasks:", "taks:");
            write(repo, text.as_bytes());
        },
    },
    Row {
        name: "its first words are in capitals",
        said: Said::Blocked,
        damage: |repo| {
            let text = B.replace("version:", "Version:").replace("tasks:", "TASKS:");
            write(repo, text.as_bytes());
        },
    },
    Row {
        name: "it is UTF-16 with a mark",
        said: Said::Blocked,
        damage: |repo| write(repo, &wide(B, u16::to_le_bytes, true)),
    },
    Row {
        name: "it is UTF-16 of the other order",
        said: Said::Blocked,
        damage: |repo| write(repo, &wide(B, u16::to_be_bytes, true)),
    },
    Row {
        name: "it is UTF-16 without a mark",
        said: Said::Blocked,
        damage: |repo| write(repo, &wide(B, u16::to_le_bytes, false)),
    },
    Row {
        name: "it is Latin-1",
        said: Said::Blocked,
        damage: |repo| write(repo, &[B.as_bytes(), b"# \xe4\n"].concat()),
    },
    Row {
        name: "it is zeros, as a crash leaves them",
        said: Said::Blocked,
        damage: |repo| write(repo, &[0; 80]),
    },
    Row {
        name: "it holds a conflict",
        said: Said::Blocked,
        damage: |repo| write(repo, B.replace("tasks:", "<<<<<<< HEAD\ntasks:").as_bytes()),
    },
    Row {
        name: "it is a pointer",
        said: Said::Blocked,
        damage: |repo| {
            let oid = "0".repeat(64);
            let text =
                format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 9\n");
            write(repo, text.as_bytes());
        },
    },
    Row {
        name: "it is encrypted",
        said: Said::Blocked,
        damage: |repo| write(repo, b"\0GITCRYPT\0\x01\x02\xff"),
    },
    Row {
        name: "a prompt of another task in it is gone",
        said: Said::Blocked,
        damage: |repo| {
            write(repo, B.replace("b: {prompt: beta}", "c: {promptFile: gone.md}").as_bytes());
        },
    },
    Row {
        name: "it is a link to a manifest of another name",
        said: Said::Nothing,
        damage: |repo| link(repo, "whole.txt", B),
    },
    Row {
        name: "it is a link to a manifest that is listed",
        said: Said::Nothing,
        damage: |repo| link(repo, "../c/c.yaml", B),
    },
    Row {
        name: "it is a link out of the repository",
        said: Said::Blocked,
        damage: |repo| link(repo, "../../outside.yaml", B),
    },
    Row {
        name: "it is a link into a hidden folder",
        said: Said::Blocked,
        damage: |repo| link(repo, ".m/b.yml.txt", B),
    },
    Row {
        name: "it is a link to a file that is no YAML",
        said: Said::Blocked,
        damage: |repo| link(repo, "cut.txt", "tasks: ["),
    },
    Row {
        name: "it is a link to nothing",
        said: Said::Blocked,
        damage: |repo| {
            link(repo, "gone.txt", "");
            fs::remove_file(repo.path().join("b/gone.txt")).unwrap();
            repo.commit("dangling");
        },
    },
    Row {
        name: "Git cannot list its files",
        said: Said::Blocked,
        damage: |repo| {
            fs::remove_file(repo.path().join("b/b.yaml")).unwrap();
            repo.write(".git/index", "nonsense");
        },
    },
];

/// Makes the other manifest a link to a file, which is relative to its folder.
fn link(repo: &Repo, target: &str, text: &str) {
    let (at, target_path) = (repo.path().join("b/b.yaml"), repo.path().join("b").join(target));
    fs::remove_file(&at).unwrap();
    fs::create_dir_all(target_path.parent().unwrap()).unwrap();
    fs::write(target_path, text).unwrap();
    std::os::unix::fs::symlink(target, at).unwrap();
    repo.commit("a link");
}

/// Runs Git in a folder below the repository.
fn git_in(repo: &Repo, folder: &str, arguments: &str) {
    repo.git(&format!("-C {folder} -c user.name=a -c user.email=a@b {arguments}"));
}

/// Makes the other manifest's folder a repository.
fn into_module(repo: &Repo) {
    repo.git("rm -q -r --cached b");
    for arguments in ["init -q", "add -A", "commit -q -m inner"] {
        git_in(repo, "b", arguments);
    }
}

/// A repository of two manifests, both applied from here.
fn applied() -> Repo {
    let repo = Repo::new();
    repo.write("a/a.yaml", &B.replace("b: {prompt: beta}", "a: {prompt: alpha}"));
    repo.write("b/b.yaml", B).commit("first").converge("-f a -f b");
    repo
}

async fn check(repo: &Repo, name: &str, said: Said) {
    let before = repo.service().await;
    let planned = repo.qcops("plan -f a/a.yaml --prune");
    assert!(!planned.out.contains("task.b will be"), "{name}: {}{}", planned.out, planned.err);
    let words = format!("{}{}", planned.out, planned.err);
    match said {
        Said::Nothing => assert_eq!(planned.code, 0, "{name}: {words}"),
        Said::Blocked => {
            assert_eq!(planned.code, 3, "{name}: {words}");
            for part in ["blocked[unreadable-neighbor]", "--allow unreadable-neighbor", "help: `"] {
                assert!(words.contains(part), "{name}: no `{part}` in {words}");
            }
        }
    }
    repo.qcops("apply --yes -f a/a.yaml --prune");
    assert_eq!(repo.service().await, before, "{name}");
}

#[tokio::test]
async fn what_another_manifest_declared_when_it_was_whole_is_never_removed() {
    for Row { name, said, damage } in ROWS {
        let repo = applied();
        damage(&repo);
        check(&repo, name, *said).await;
    }
}

#[tokio::test]
async fn a_manifest_that_was_committed_broken_is_known_by_what_it_was() {
    for Row { name, damage, .. } in ROWS.iter().filter(|row| row.said == Said::Blocked) {
        if name.starts_with("Git ") || name.contains("submodule") {
            continue;
        }
        let repo = applied();
        damage(&repo);
        repo.commit("broken");
        check(&repo, &format!("{name}, and committed so"), Said::Blocked).await;
    }
}

#[tokio::test]
async fn files_of_other_programs_block_nothing() {
    let table = [
        ("Taskfile.yml", "version: '3'\ntasks:\n  build: {cmds: [make]}\n"),
        ("compose.yaml", "version: '3'\nservices: {}\n"),
        (".github/workflows/ci.yml", "on: push\njobs: {a: {steps: [{run: task}]}}\n"),
        ("chart/values.yaml", ""),
        ("chart/templates/a.yaml", "a: {{ .Values.task }}\n"),
        ("k8s.yaml", "kind: Task\n---\nkind: Pod\n"),
        ("broken.yaml", "a: [\n"),
        ("logging.yaml", "version: 1\nhandlers: {}\n"),
        ("cloud.yaml", "Resources: {Alias: {Properties: {AgentId: !Ref A}}}\n"),
    ];
    let repo = applied();
    for (path, text) in table {
        repo.write(path, text);
    }
    repo.commit("other programs").git("rm -q b/b.yaml");
    repo.commit("without b").qcops("plan -f a/a.yaml --prune").expect(0, &["task.b will be"]);
    repo.converge("-f a/a.yaml --prune");
    let tasks = repo.service().await;
    assert!(tasks.starts_with("332 a: alpha\n333 b [superseded "), "{tasks}");
}

#[tokio::test]
async fn outside_of_git_the_manifests_beside_are_neighbors_too() {
    let repo = Repo::plain();
    repo.write("tasks.yaml", &B.replace("b: {prompt: beta}", "a: {prompt: alpha}"));
    repo.write("b.yaml", B).write("more/c.yaml", &B.replace("b: {prompt: beta}", "c: {prompt: c}"));
    repo.converge("-f tasks.yaml -f b.yaml");
    repo.qcops("plan --prune").expect(0, &["No changes"]);
    repo.write("b.yaml", &B[..60]);
    repo.qcops("plan --prune").expect(3, &["blocked[unreadable-neighbor]", "`b.yaml`"]);
    fs::remove_file(repo.path().join("b.yaml")).unwrap();
    repo.qcops("plan --prune").expect(0, &["task.b will be"]);
}

#[tokio::test]
async fn outside_of_git_what_was_applied_together_is_never_removed_for_one_of_them() {
    for (first, other) in
        [("a/a.yaml", "b/b.yaml"), ("a/a.yaml", "b/c/b.yaml"), ("a/a.yaml", "a/.b/b.yaml")]
    {
        let repo = Repo::plain();
        repo.write(first, &B.replace("b: {prompt: beta}", "a: {prompt: alpha}")).write(other, B);
        repo.converge(&format!("-f {first} -f {other}"));
        let plan = format!("plan -f {first} --prune");
        repo.qcops(&plan).expect(0, &["No changes"]);
        repo.write(other, &B[..60]);
        repo.qcops(&plan)
            .expect(3, &["blocked[unreadable-neighbor]", "b.yaml` says what is wrong"]);
        fs::remove_file(repo.path().join(other)).unwrap();
        repo.qcops(&plan).expect(0, &["task.b will be"]);
    }
}

#[tokio::test]
async fn a_manifest_has_a_name_by_which_others_find_it() {
    let names = ["b.json", "b.yaml.txt", "b.tmpl", "b.yaml.bak", "b", "b.yaml~", ".yaml", "yml"];
    for name in names {
        let repo = Repo::new();
        repo.write(name, B).commit("first");
        for command in ["validate", "plan", "apply --yes"] {
            let flags = if command == "validate" { "" } else { "--emulator" };
            let words = format!("{command} {flags} -f {name}");
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let ran = repo.run(&words);
            assert_eq!(ran.code, 1, "{name}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains("is not named like a manifest"), "{}", ran.err);
            assert!(ran.err.contains("help: rename it"), "{}", ran.err);
        }
    }
    for name in ["b.yaml", "b.YML", "b.x.yml"] {
        let repo = Repo::new();
        repo.write(name, B)
            .commit("first")
            .qcops(&format!("plan -f {name}"))
            .expect(0, &["+ task.b"]);
    }
}

#[tokio::test]
async fn a_task_that_moves_between_manifests_is_replaced_before_that_is_committed() {
    let repo = applied();
    repo.git("mv b/b.yaml c.yaml");
    repo.write("c.yaml", &B.replace("beta", "beta better"));
    repo.qcops("plan -f c.yaml").expect(0, &["-/+ task.b will be replaced"]);
    repo.on_another_machine();
    repo.qcops("plan -f c.yaml").expect(0, &["-/+ task.b will be replaced"]);
}
