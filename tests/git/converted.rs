//! Attributes by which Git commits another text than the work tree's: then history does not speak for what
//! was sent.

use std::fs;

use super::gaps::{codes, json};
use crate::support::repo::Repo;

/// Attributes, and whether they change what is committed.
struct Row {
    name: &'static str,
    /// The files that give them in the first commit; those below `.git` are in every checkout.
    attributes: &'static [(&'static str, &'static str)],
    /// What is configured where the first version is committed.
    settings: &'static [(&'static str, &'static str)],
    /// The prompt of the first version, as it is written; `NAME` is the prompt's own name in Git.
    text: &'static str,
    /// Attributes of a commit in between, that changes nothing else.
    between: &'static [(&'static str, &'static str)],
    /// The attribute that is named, if there is a gap.
    named: Option<&'static str>,
}

const PLAIN: Row =
    Row { name: "", attributes: &[], settings: &[], text: "Buy SPY", between: &[], named: None };

const ID: &str = "Buy SPY $Id$ daily";

const ROWS: &[Row] = &[
    Row { name: "no attributes", ..PLAIN },
    Row {
        name: "`$Id$` is written out",
        attributes: &[(".gitattributes", "*.md ident\n")],
        text: ID,
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "the same by a file of a folder",
        attributes: &[("prompts/.gitattributes", "/spy.md ident\n")],
        text: ID,
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "the same by a file of the repository",
        attributes: &[(".git/info/attributes", "prompts/* ident\n")],
        text: ID,
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "the same by a file of the user",
        attributes: &[(".git/mine", "*.md ident\n")],
        settings: &[("core.attributesFile", ".git/mine")],
        text: ID,
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "the same by a word of its own",
        attributes: &[(".gitattributes", "[attr]stamped ident\n*.md stamped\n")],
        text: ID,
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "the same until a later commit",
        attributes: &[(".gitattributes", "*.md ident\n")],
        text: ID,
        between: &[(".gitattributes", "*.md -ident\n")],
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "the same from a later commit on",
        text: ID,
        between: &[("prompts/.gitattributes", "*.md ident\n")],
        named: Some("ident"),
        ..PLAIN
    },
    Row {
        name: "a filter",
        attributes: &[(".gitattributes", "*.md filter=turn\n")],
        settings: &[("filter.turn.clean", "tr A-Y B-Z"), ("filter.turn.smudge", "tr B-Z A-Y")],
        named: Some("filter=turn"),
        ..PLAIN
    },
    Row {
        name: "a filter of the manifest",
        attributes: &[(".gitattributes", "tasks.yaml filter=name\n")],
        settings: &[
            ("filter.name.clean", "sed s/First/Second/"),
            ("filter.name.smudge", "sed s/Second/First/"),
        ],
        named: Some("filter=name"),
        ..PLAIN
    },
    Row {
        name: "a filter that is not there",
        attributes: &[(".gitattributes", "*.md filter=git-crypt\n")],
        named: Some("filter=git-crypt"),
        ..PLAIN
    },
    Row {
        name: "an encoding that is not that of the file",
        attributes: &[(".gitattributes", "*.md working-tree-encoding=ISO-8859-1\n")],
        text: "Buy S\u{e4}PY",
        named: Some("working-tree-encoding=ISO-8859-1"),
        ..PLAIN
    },
    Row {
        name: "an encoding of seven bits",
        attributes: &[(".gitattributes", "*.md working-tree-encoding=UTF-7\n")],
        text: "Buy S+AOQ-PY",
        named: Some("working-tree-encoding=UTF-7"),
        ..PLAIN
    },
    Row {
        name: "line ends are one content",
        attributes: &[(".gitattributes", "* text=auto eol=crlf\n")],
        text: "Buy\nSPY",
        ..PLAIN
    },
    Row {
        name: "so are those of a file that is text",
        attributes: &[(".gitattributes", "*.md text eol=crlf\n")],
        text: "Buy\r\nSPY",
        ..PLAIN
    },
    Row {
        name: "so are those from before a file was text",
        text: "Buy\r\nSPY",
        between: &[(".gitattributes", "*.md text eol=lf\n")],
        ..PLAIN
    },
    Row {
        name: "UTF-8 by its name",
        attributes: &[(".gitattributes", "*.md working-tree-encoding=utf-8\n")],
        text: "Buy S\u{e4}PY",
        ..PLAIN
    },
    Row {
        name: "nothing to be written out",
        attributes: &[(".gitattributes", "* ident\n")],
        ..PLAIN
    },
    Row {
        name: "other files",
        attributes: &[(".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n")],
        ..PLAIN
    },
    Row {
        name: "attributes that are taken back",
        attributes: &[(
            ".gitattributes",
            "* filter=lfs ident\n*.md -filter -ident\n*.yaml !filter\n",
        )],
        text: ID,
        ..PLAIN
    },
    Row {
        name: "attributes of other commands",
        attributes: &[(".gitattributes", "* diff=x merge=y export-subst encoding=latin1\n")],
        text: "Buy SPY $Format:%H$",
        ..PLAIN
    },
];

impl Row {
    /// A repository whose first version was applied as the work tree holds it, and a later clone of it.
    fn clone(&self) -> Repo {
        let repo = Repo::new();
        self.set_up(&repo);
        let manifest = |name: &str| {
            format!(
                "version: 1\ntasks:\n  spy:\n    name: {name}\n    agentId: 47\n    \
                 promptFile: prompts/spy.md\n    projectPreference: project-for-task\n"
            )
        };
        repo.write("tasks.yaml", &manifest("First")).write("prompts/spy.md", self.text);
        repo.commit("first");
        if !self.between.is_empty() {
            for (path, text) in self.between {
                repo.write(path, text);
            }
            repo.commit("between");
        }
        // What a checkout writes is sent: where both are, that of either commit.
        if self.attributes.is_empty() || self.between.is_empty() {
            Self::check_out(&repo, "HEAD");
        } else {
            Self::check_out(&repo, "HEAD~1");
        }
        // As it was written, where a checkout would write it otherwise.
        if self.text.contains('\r') {
            repo.write("prompts/spy.md", self.text);
        }
        repo.qcops("apply --yes").expect(0, &["succeeded"]);
        repo.git("checkout -q -f main");
        repo.write(".gitattributes", "").write("prompts/.gitattributes", "");
        repo.write("tasks.yaml", &manifest("Other")).write("prompts/spy.md", "Momentum on QQQ");
        if self.attributes.is_empty() && self.between.is_empty() {
            fs::remove_file(repo.path().join(".gitattributes")).unwrap();
        } else if self.between.is_empty() {
            for (path, text) in self.attributes {
                repo.write(path, text);
            }
        }
        repo.commit("third");
        let clone = repo.clone_with("");
        self.set_up(&clone);
        clone
    }

    fn set_up(&self, repo: &Repo) {
        for (name, value) in self.settings {
            let set = repo.command("git").args(["config", name, value]).status();
            assert!(set.unwrap().success());
        }
        let is_clone = repo.path().join("tasks.yaml").exists();
        for (path, text) in self.attributes {
            if path.starts_with(".git/") || !is_clone {
                repo.write(path, text);
            }
        }
    }

    /// Writes all files anew.
    fn check_out(repo: &Repo, commit: &str) {
        for file in ["tasks.yaml", "prompts/spy.md"] {
            fs::remove_file(repo.path().join(file)).unwrap();
        }
        repo.git(&format!("checkout -q -f --detach {commit}"));
    }
}

#[tokio::test]
async fn what_git_commits_as_another_text_makes_no_duplicate() {
    for row in ROWS {
        let Row { name, named, .. } = row;
        let clone = row.clone();
        clone.edit_service(|service| service.add_task("Somebody's", 47, "Nobody's")).await;
        let before = clone.service().await;
        let plan = json(&clone.qcops("plan --format json"));
        let applied = clone.qcops("apply --yes");
        let Some(named) = named else {
            assert_eq!(codes(&plan), Vec::<String>::new(), "{name}: {plan:#}");
            applied.expect(0, &["-/+ task.spy will be replaced"]);
            continue;
        };
        assert_eq!(codes(&plan), ["text-converted"], "{name}: {plan:#}");
        let attribute = format!("by the attribute `{named}`");
        applied.expect(3, &["blocked[lost-evidence]", &attribute, "pin what earlier versions"]);
        assert_eq!(clone.service().await, before, "{name}");
    }
}

#[test]
fn the_gap_is_that_of_the_keys_that_name_the_file() {
    let repo = Repo::new();
    repo.write(".gitattributes", "a.md filter=x\nall.yaml filter=x\n").write("a.md", "A");
    repo.write("b.md", "B").tasks("a: {promptFile: a.md}\nb: {promptFile: b.md}\nc: {prompt: C}");
    repo.manifest("all.yaml", "d: {prompt: D}\ne: {prompt: E}").commit("first");
    for (manifest, keys) in [("tasks.yaml", vec!["a"]), ("all.yaml", vec![])] {
        let plan = json(&repo.qcops(&format!("plan -f {manifest} --format json")));
        let gaps = plan["evidence"].as_array().unwrap().iter();
        let gaps: Vec<_> = gaps.flat_map(|source| source["gaps"].as_array().unwrap()).collect();
        assert_eq!(gaps.len(), 1, "{plan:#}");
        let found = gaps[0]["keys"].as_array().cloned().unwrap_or_default();
        assert_eq!(found, keys, "{manifest}: {plan:#}");
    }
}
