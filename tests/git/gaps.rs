//! Every way in which evidence is out of sight: nothing is made, replaced or removed beside tasks that
//! nothing explains, and the plan says why and what helps.

use std::fs;

use serde_json::Value;

use crate::support::repo::{Ran, Repo};

/// A way in which the evidence of Git is out of sight.
struct Row {
    name: &'static str,
    /// The stable code of the gap.
    code: &'static str,
    /// What the plan says that helps.
    help: &'static str,
    /// Flags of the plan.
    flags: &'static str,
    /// Takes it out of sight of a checkout, which it returns.
    hide: fn(&Repo) -> Repo,
}

/// A clone by `file://` with these arguments; what it is made from stays.
fn clone(repo: &Repo, arguments: &str) -> Repo {
    repo.clone_with(arguments)
}

/// A clone after something was done to its own Git folder.
fn damaged(repo: &Repo, damage: impl FnOnce(&Repo)) -> Repo {
    let clone = repo.clone_with("");
    damage(&clone);
    clone
}

/// The same where Git is not to answer at all: then no prompt is read from a file.
fn unreadable(repo: &Repo, damage: impl FnOnce(&Repo)) -> Repo {
    damaged(repo, |clone| {
        let prompt = clone.read("spy.md");
        let inline =
            clone.read("tasks.yaml").replace("promptFile: spy.md", &format!("prompt: {prompt}"));
        clone.write("tasks.yaml", &inline);
        damage(clone);
    })
}

/// The name of the object that a revision leads to, as a loose file.
fn object(repo: &Repo, revision: &str) -> String {
    let name = repo.git(&format!("rev-parse {revision}"));
    format!(".git/objects/{}/{}", &name[..2], &name[2..])
}

/// Unpacks all objects, so that each is a file of its own.
fn unpack(repo: &Repo) {
    let pack = repo.path().join(".git/objects/pack");
    let packs = repo.path().join("packs");
    fs::rename(&pack, &packs).unwrap();
    fs::create_dir(&pack).unwrap();
    for entry in fs::read_dir(&packs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "pack") {
            let status = repo
                .command("git")
                .args(["unpack-objects", "-q"])
                .stdin(fs::File::open(path).unwrap())
                .status();
            assert!(status.unwrap().success());
        }
    }
    fs::remove_dir_all(packs).unwrap();
}

/// Removes, or overwrites with nonsense, one loose object.
fn lose(repo: &Repo, revision: &str, text: Option<&str>) {
    unpack(repo);
    let path = repo.path().join(object(repo, revision));
    fs::remove_file(&path).unwrap();
    if let Some(text) = text {
        fs::write(path, text).unwrap();
    }
}

fn overwrite(repo: &Repo, path: &str, text: &str) {
    repo.write(path, text);
}

fn remove(repo: &Repo, path: &str) {
    let path = repo.path().join(path);
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// A clone that borrows its objects from a folder, which is then renamed.
fn borrowing(repo: &Repo) -> Repo {
    let clone = repo.clone_with("");
    let lender = repo.path().join("../lender");
    fs::create_dir(&lender).unwrap();
    for part in ["pack", "info"] {
        fs::create_dir(lender.join(part)).unwrap();
    }
    for entry in fs::read_dir(clone.path().join(".git/objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        fs::rename(&path, lender.join("pack").join(path.file_name().unwrap())).unwrap();
    }
    let listed = format!("{}\n", lender.display());
    clone.write(".git/objects/info/alternates", &listed);
    assert!(!clone.git("log --oneline").is_empty(), "as long as it is there, all is well");
    fs::rename(&lender, lender.with_extension("gone")).unwrap();
    clone
}

/// Begins a history of its own with all that the checkout holds.
fn orphan(repo: &Repo) {
    repo.git("checkout -q --orphan fresh");
    repo.commit("all of it");
}

/// Makes one commit without a parent of the branch.
fn squash(repo: &Repo) {
    repo.git("config user.name a");
    repo.git("config user.email a@b");
    let commit = repo.git("commit-tree -m squashed HEAD^{tree}");
    repo.git(&format!("reset -q --hard {commit}"));
}

const ROWS: &[Row] = &[
    Row {
        name: "a shallow clone",
        code: "shallow-clone",
        help: "`git fetch --unshallow`",
        flags: "",
        hide: |repo| clone(repo, "--depth 1"),
    },
    Row {
        name: "a shallow clone of two commits",
        code: "shallow-clone",
        help: "fetch-depth: 0",
        flags: "",
        hide: |repo| clone(repo, "--depth 2"),
    },
    Row {
        name: "a clone without files",
        code: "objects-missing",
        help: "clone without `--filter`",
        flags: "",
        hide: |repo| {
            repo.git("config uploadpack.allowFilter true");
            clone(repo, "--filter=blob:none")
        },
    },
    Row {
        name: "a clone without folders",
        code: "objects-missing",
        help: "clone without `--filter`",
        flags: "",
        hide: |repo| {
            repo.git("config uploadpack.allowFilter true");
            clone(repo, "--filter=tree:0")
        },
    },
    Row {
        name: "borrowed objects that are not mounted",
        code: "head-unreadable",
        help: "mount or restore `",
        flags: "",
        hide: borrowing,
    },
    Row {
        name: "a branch file that a crash has emptied",
        code: "head-unreadable",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| overwrite(clone, ".git/refs/heads/main", "")),
    },
    Row {
        name: "a branch file that holds something else",
        code: "head-unreadable",
        help: "`git fsck`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.write(".git/refs/heads/main", "0123456789012345678901234567890123456789\n");
            })
        },
    },
    Row {
        name: "a branch file that is gone",
        code: "no-commit-on-branch",
        help: "`git switch`",
        flags: "",
        hide: |repo| damaged(repo, |clone| remove(clone, ".git/refs/heads/main")),
    },
    Row {
        name: "no branch and no trace but the objects",
        code: "no-commit-on-branch",
        help: "`git fsck`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                for part in ["refs", "logs", "packed-refs", "FETCH_HEAD", "ORIG_HEAD"] {
                    if clone.path().join(".git").join(part).exists() {
                        remove(clone, &format!(".git/{part}"));
                    }
                }
                fs::create_dir_all(clone.path().join(".git/refs/heads")).unwrap();
                unpack(clone);
            })
        },
    },
    Row {
        name: "an orphan branch",
        code: "no-commit-on-branch",
        help: "`git switch`",
        flags: "",
        hide: |repo| damaged(repo, |clone| drop(clone.git("checkout -q --orphan other"))),
    },
    Row {
        name: "a detached HEAD whose commit is gone",
        code: "head-unreadable",
        help: "`git fsck`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.git("checkout -q --detach");
                lose(clone, "HEAD", None);
            })
        },
    },
    Row {
        name: "an empty HEAD",
        code: "repository-unreadable",
        help: "status` says what is wrong",
        flags: "",
        hide: |repo| unreadable(repo, |clone| overwrite(clone, ".git/HEAD", "")),
    },
    Row {
        name: "a HEAD of zeros",
        code: "repository-unreadable",
        help: "status` says what is wrong",
        flags: "",
        hide: |repo| unreadable(repo, |clone| overwrite(clone, ".git/HEAD", "\0\0\0\0\0\0\0\0\0")),
    },
    Row {
        name: "no HEAD",
        code: "repository-unreadable",
        help: "status` says what is wrong",
        flags: "",
        hide: |repo| unreadable(repo, |clone| remove(clone, ".git/HEAD")),
    },
    Row {
        name: "a broken configuration",
        code: "repository-unreadable",
        help: "status` says what is wrong",
        flags: "",
        hide: |repo| unreadable(repo, |clone| overwrite(clone, ".git/config", "[core\n")),
    },
    Row {
        name: "a configuration of a newer version",
        code: "repository-unreadable",
        help: "status` says what is wrong",
        flags: "",
        hide: |repo| {
            unreadable(repo, |clone| drop(clone.git("config core.repositoryformatversion 99")))
        },
    },
    Row {
        name: "the commit is missing",
        code: "head-unreadable",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD", None)),
    },
    Row {
        name: "the commit is damaged",
        code: "head-unreadable",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD", Some("nonsense"))),
    },
    Row {
        name: "an earlier commit is missing",
        code: "git-failed",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD~2", None)),
    },
    Row {
        name: "an earlier folder is missing",
        code: "git-failed",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD~2^{tree}", None)),
    },
    Row {
        name: "an earlier manifest is missing",
        code: "objects-missing",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD~2:tasks.yaml", None)),
    },
    Row {
        name: "an earlier manifest is damaged",
        code: "objects-missing",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD~2:tasks.yaml", Some("nonsense"))),
    },
    Row {
        name: "an earlier prompt is missing",
        code: "objects-missing",
        help: "`git fsck`",
        flags: "",
        hide: |repo| damaged(repo, |clone| lose(clone, "HEAD~2:spy.md", None)),
    },
    Row {
        name: "history is cut by a graft",
        code: "replaced-commits",
        help: "`git replace --list`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let head = clone.git("rev-parse HEAD");
                clone.write(".git/info/grafts", &format!("{head}\n"));
            })
        },
    },
    Row {
        name: "history is cut by a replacement",
        code: "replaced-commits",
        help: "`git replace --list`",
        flags: "",
        hide: |repo| damaged(repo, |clone| drop(clone.git("replace --graft HEAD"))),
    },
    Row {
        name: "history is cut by a replacement that is packed",
        code: "replaced-commits",
        help: "`git replace --list`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.git("replace --graft HEAD");
                clone.git("pack-refs --all");
            })
        },
    },
    Row {
        name: "an earlier manifest is replaced by another one",
        code: "replaced-commits",
        help: "`git replace --list`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                drop(clone.git("replace HEAD~2:tasks.yaml HEAD:README"));
            })
        },
    },
    Row {
        name: "history is cut by a replacement where references are in tables",
        code: "replaced-commits",
        help: "`git replace --list`",
        flags: "",
        hide: |repo| {
            let clone = clone(repo, "--ref-format=reftable");
            clone.git("replace --graft HEAD");
            clone
        },
    },
    Row {
        name: "a new root commit beside the branch of the remote",
        code: "separate-history",
        help: "`--history-from origin/main`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                orphan(clone);
                clone.git("branch -q -D main");
            })
        },
    },
    Row {
        name: "a new root commit beside a branch",
        code: "separate-history",
        help: "`--history-from main`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.git("remote remove origin");
                orphan(clone);
            })
        },
    },
    Row {
        name: "a history that was squashed into one commit, beside a tag",
        code: "separate-history",
        help: "`--history-from v1`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.git("tag v1 HEAD~1");
                clone.git("remote remove origin");
                squash(clone);
            })
        },
    },
    Row {
        name: "the same with packed references",
        code: "separate-history",
        help: "`--history-from v1`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.git("tag v1");
                clone.git("remote remove origin");
                squash(clone);
                clone.git("pack-refs --all");
            })
        },
    },
    Row {
        name: "the same with references in tables",
        code: "separate-history",
        help: "`--history-from origin/main`",
        flags: "",
        hide: |repo| {
            let clone = clone(repo, "--ref-format=reftable");
            squash(&clone);
            clone
        },
    },
    Row {
        name: "a squashed history with commits upon it",
        code: "separate-history",
        help: "`--history-from origin/main`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                squash(clone);
                clone
                    .write("README", "new")
                    .commit("fourth")
                    .write("README", "newer")
                    .commit("fifth");
                clone.git("checkout -q --detach");
            })
        },
    },
    Row {
        name: "a history that was written anew, beside what that kept",
        code: "separate-history",
        help: "`--history-from refs/original/main`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.git("update-ref refs/original/main HEAD");
                clone.git("remote remove origin");
                squash(clone);
            })
        },
    },
    Row {
        name: "a repository that was made anew, with the old one as its remote",
        code: "separate-history",
        help: "`--history-from old/main`",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                remove(clone, ".git");
                clone.git("init -q -b main");
                clone.commit("all of it");
                clone.git(&format!("remote add old {}", repo.path().display()));
                clone.git("fetch -q old");
            })
        },
    },
    Row {
        name: "a new root commit that has the manifest elsewhere",
        code: "separate-history",
        help: "`--history-from main`",
        flags: "-f infra/agents.yml",
        hide: |repo| {
            damaged(repo, |clone| {
                fs::create_dir(clone.path().join("infra")).unwrap();
                clone.git("mv tasks.yaml infra/agents.yml");
                clone.git("mv spy.md infra/spy.md");
                orphan(clone);
            })
        },
    },
    Row {
        name: "`.git` is a link that leads nowhere",
        code: "repository-unreadable",
        help: "mount or restore what `.git` leads to",
        flags: "",
        hide: |repo| {
            unreadable(repo, |clone| {
                remove(clone, ".git");
                std::os::unix::fs::symlink("/nowhere/.git", clone.path().join(".git")).unwrap();
            })
        },
    },
    Row {
        name: "`.git` is a file that leads nowhere",
        code: "repository-unreadable",
        help: "mount or restore what `.git` leads to",
        flags: "",
        hide: |repo| {
            unreadable(repo, |clone| {
                remove(clone, ".git");
                clone.write(".git", "gitdir: /nowhere/.git/worktrees/work\n");
            })
        },
    },
    Row {
        name: "`.git` is an empty folder, as where it is not mounted",
        code: "repository-unreadable",
        help: "mount or restore what `.git` leads to",
        flags: "",
        hide: |repo| {
            unreadable(repo, |clone| {
                remove(clone, ".git");
                fs::create_dir(clone.path().join(".git")).unwrap();
            })
        },
    },
    Row {
        name: "no `.git`, as in an unpacked archive",
        code: "no-repository",
        help: "use a checkout with its history",
        flags: "",
        hide: |repo| damaged(repo, |clone| remove(clone, ".git")),
    },
    Row {
        name: "an archive that was unpacked into another repository",
        code: "not-committed",
        help: "commit it",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                remove(clone, ".git");
                clone.git("init -q -b main");
                clone.write("README", "other").git("add README");
                let committed = clone.git("-c user.name=a -c user.email=a@b commit -qm other");
                drop(committed);
            })
        },
    },
    Row {
        name: "history is not read",
        code: "history-off",
        help: "leave out `--history none`",
        flags: "--history none",
        hide: |repo| clone(repo, ""),
    },
    Row {
        name: "a version that cannot be understood",
        code: "version-unreadable",
        help: "pin what that version may have made",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let now = clone.read("tasks.yaml");
                clone
                    .write("tasks.yaml", "version: 1\ntasks:\n  spy: {prompt: \"Buy")
                    .commit("cut");
                clone.write("tasks.yaml", &now).commit("mended");
            })
        },
    },
    Row {
        name: "a version of the future",
        code: "version-unreadable",
        help: "pin what that version may have made",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let now = clone.read("tasks.yaml");
                clone.write("tasks.yaml", &now.replace("version: 1", "version: 2")).commit("new");
                clone.write("tasks.yaml", &now).commit("back");
            })
        },
    },
    Row {
        name: "a version in another encoding",
        code: "file-unreadable",
        help: "pin what that version may have made",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let now = clone.read("tasks.yaml");
                let path = clone.path().join("tasks.yaml");
                fs::write(path, [now.as_bytes(), b"# \xe4\n"].concat()).unwrap();
                clone.commit("Latin-1").write("tasks.yaml", &now).commit("mended");
            })
        },
    },
    Row {
        name: "a prompt that was a pointer",
        code: "file-unreadable",
        help: "pin what that version may have made",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let now = clone.read("spy.md");
                let oid = "0".repeat(64);
                let pointer = format!(
                    "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 25\n"
                );
                clone
                    .write("spy.md", &pointer)
                    .commit("pointer")
                    .write("spy.md", &now)
                    .commit("now");
            })
        },
    },
    Row {
        name: "a prompt that its commit does not hold",
        code: "file-not-committed",
        help: "pin what that version may have made",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let now = clone.read("tasks.yaml");
                clone.write("tasks.yaml", &now.replace("spy.md", "other.md")).commit("other");
                clone.write("tasks.yaml", &now).commit("now");
            })
        },
    },
    Row {
        name: "a variable of earlier versions is not set",
        code: "variable-unset",
        help: "set `TEAM` to what it was",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                let now = clone.read("tasks.yaml");
                clone.write("tasks.yaml", &now.replace("Other", "${TEAM}")).commit("variable");
                clone.write("tasks.yaml", &now).commit("now");
            })
        },
    },
    Row {
        name: "a ledger in another program's words",
        code: "ledger-unreadable",
        help: "take those lines out",
        flags: "",
        hide: |repo| {
            damaged(repo, |clone| {
                clone.write(".qcops/.gitignore", "*\n");
                clone.write(".qcops/ledger.jsonl", "\0\0\0\0\0\0\0\n{\"version\":99}\n");
            })
        },
    },
];

/// A repository whose task of the first commit is on the service, under a name and with a prompt that
/// the manifest of today no longer has; nothing but history tells that it is ours.
fn applied() -> Repo {
    let repo = Repo::new();
    let text = |name: &str| {
        format!(
            "version: 1\ntasks:\n  spy:\n    name: {name}\n    agentId: 47\n    \
             promptFile: spy.md\n    projectPreference: project-for-task\n"
        )
    };
    repo.write("tasks.yaml", &text("First"))
        .write("spy.md", "Buy SPY")
        .commit("first")
        .converge("");
    repo.write("README", "something else").commit("second");
    repo.write("tasks.yaml", &text("Other")).write("spy.md", "Momentum on QQQ").commit("third");
    repo
}

pub(super) fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// The codes of the gaps that a plan's JSON names.
pub(super) fn codes(plan: &Value) -> Vec<String> {
    let sources = plan["evidence"].as_array().unwrap().iter();
    let gaps = sources.flat_map(|source| {
        let gaps = source["gaps"].as_array().unwrap();
        assert_eq!(source["is_complete"], gaps.is_empty());
        gaps
    });
    gaps.map(|gap| gap["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn evidence_out_of_sight_makes_no_duplicate_and_says_what_helps() {
    let repo = applied();
    let whole = repo.clone_with("");
    whole.qcops("plan").expect(0, &["-/+ task.spy will be replaced"]);
    let before = repo.service().await;
    for Row { name, code, help, flags, hide } in ROWS {
        let fresh = applied();
        let checkout = hide(&fresh);
        // What proves nothing by itself must stay unexplained beside a ledger, too.
        checkout.edit_service(|service| service.add_task("Somebody's", 47, "Theirs")).await;
        let before = {
            let service = checkout.service().await;
            assert!(service.starts_with(&before), "{name}");
            service
        };
        let planned = checkout.qcops(&format!("plan --format json {flags}"));
        let plan = json(&planned);
        assert_eq!(planned.code, 3, "{name}: {}{}", planned.out, planned.err);
        assert!(codes(&plan).contains(&(*code).to_owned()), "{name}: {:?}", codes(&plan));
        let blocked = plan["blocks"].as_array().unwrap().iter();
        let words: Vec<&Value> = blocked.filter(|block| block["code"] == "lost-evidence").collect();
        assert_eq!(words.len(), 1, "{name}: {plan:#}");
        let said = words[0].to_string();
        assert!(said.contains(help), "{name}: {said}");
        assert!(said.contains("--allow lost-evidence"), "{name}: {said}");
        checkout.qcops(&format!("apply --yes {flags}")).expect(3, &["blocked[lost-evidence]"]);
        assert_eq!(checkout.service().await, before, "{name}");
        let allowed = checkout.qcops(&format!("plan --allow lost-evidence {flags}"));
        assert!(allowed.code == 0, "{name}: {}{}", allowed.out, allowed.err);
    }
}

#[tokio::test]
async fn a_separate_history_is_read_where_it_is_named() {
    let clone = applied().clone_with("");
    squash(&clone);
    clone.edit_service(|service| service.add_task("Somebody's", 47, "Theirs")).await;
    let plan = clone.qcops("plan --history-from origin/main");
    plan.expect(0, &["-/+ task.spy will be replaced"]);
    clone.git("update-ref -d refs/remotes/origin/HEAD");
    clone.git("update-ref -d refs/remotes/origin/main");
    clone.qcops("plan").expect(0, &["+ task.spy will be created"]);
}

#[tokio::test]
async fn branches_that_lack_nothing_of_the_beginning_are_no_separate_history() {
    /// Adds branches, tags and their like.
    type Branch = fn(&Repo);
    fn commit_on(repo: &Repo, branch: &str, path: &str, text: &str) {
        repo.git(&format!("checkout -q {branch}"));
        repo.write(path, text).commit("aside").git("checkout -q main");
    }
    let table: &[(&str, Branch)] = &[
        ("a branch that is not merged", |repo| {
            commit_on(repo, "-b feature", "tasks.yaml", "version: 1\ntasks: {}\n");
        }),
        ("an old branch with a manifest of its own", |repo| {
            commit_on(repo, "-b old HEAD~2", "other.yaml", "version: 1\ntasks: {}\n");
        }),
        ("a tag of an earlier commit", |repo| drop(repo.git("tag v1 HEAD~1"))),
        ("pages with a beginning of their own", |repo| {
            repo.git("checkout -q --orphan pages");
            repo.git("rm -q -r -f .");
            repo.write("index.html", "<p>").write("_config.yml", "title: x\n").commit("pages");
            repo.git("checkout -q main");
        }),
        ("a branch that merged something with a beginning of its own", |repo| {
            repo.git("checkout -q --orphan library");
            repo.git("rm -q -r -f .");
            repo.write("lib/x.py", "x").commit("library");
            repo.git("checkout -q -b feature main");
            repo.git(
                "-c user.name=a -c user.email=a@b merge -q --allow-unrelated-histories library",
            );
            repo.git("checkout -q main");
        }),
        ("what was put aside", |repo| {
            repo.write("other.yaml", "version: 1\ntasks: {}\n");
            repo.git("-c user.name=a -c user.email=a@b stash -q -u");
        }),
        ("notes", |repo| {
            drop(repo.git("-c user.name=a -c user.email=a@b notes add -m tasks.yaml HEAD"));
        }),
    ];
    for (name, branch) in table {
        let repo = applied();
        branch(&repo);
        repo.on_another_machine();
        repo.edit_service(|service| service.add_task("Somebody's", 47, "Theirs")).await;
        let planned = repo.qcops("plan --format json");
        assert_eq!(codes(&json(&planned)), Vec::<String>::new(), "{name}: {}", planned.err);
        repo.qcops("plan").expect(0, &["-/+ task.spy will be replaced"]);
    }
}

#[tokio::test]
async fn an_archive_makes_no_second_agent() {
    let repo = Repo::new();
    let agent = |name: &str, prompt: &str| {
        format!("version: 1\nagents:\n  bot: {{name: {name}, systemPrompt: {prompt}}}\n")
    };
    repo.write("tasks.yaml", &agent("Old", "Be careful")).commit("first").converge("");
    for flags in ["", "--history none"] {
        let archive = damaged(&repo, |clone| {
            if flags.is_empty() {
                remove(clone, ".git");
            }
        });
        archive.write("tasks.yaml", &agent("New", "Be bold"));
        let before = archive.service().await;
        for command in ["plan", "apply --yes"] {
            let ran = archive.qcops(&format!("{command} {flags}"));
            ran.expect(3, &["agent.bot would be created: blocked[lost-evidence]"]);
        }
        archive.qcops(&format!("status {flags}")).expect(0, &["blocked", "[lost-evidence]"]);
        let destroyed = archive
            .qcops(&format!("destroy {flags} --confirm {}", qcops::emulator::ORGANIZATION_ID));
        assert!(!destroyed.out.contains("will be deleted"), "{}", destroyed.out);
        assert_eq!(archive.service().await, before);
        archive
            .qcops(&format!("apply --yes {flags} --allow lost-evidence"))
            .expect(0, &["agent.bot created"]);
    }
}

#[test]
fn a_folder_without_a_repository_is_noted_in_every_format() {
    let repo = Repo::plain();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {first: {}}}");
    let words = "not in a Git repository";
    let outputs = ["text", "json", "markdown", "html", "gitlab"];
    let flags: Vec<String> =
        outputs.iter().map(|format| format!("--output {format}=out.{format}")).collect();
    repo.qcops(&format!("plan {} --output github", flags.join(" "))).expect(0, &[words]);
    for format in outputs {
        let written = repo.read(&format!("out.{format}"));
        assert!(written.contains(words), "{format}: {written}");
    }
    for format in ["text", "json"] {
        repo.qcops(&format!("status --format {format}")).expect(0, &[words]);
    }
    let applied = repo.qcops("apply --yes --wait --poll-interval 10ms --format junit");
    applied.expect(0, &["evidence.no-repository", words]);
}
