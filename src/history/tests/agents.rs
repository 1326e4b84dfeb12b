//! Earlier versions of agents.

use super::*;
use crate::evidence::AgentEvidence;
use crate::kinds::{AGENT, SYSTEM_PROMPT};

/// Reads what the manifests of a folder declared of agents.
fn agents_in(root: &Path, depth: Depth) -> History {
    let files = [root.join("tasks.yaml")];
    let repository = Repository::of(&files).unwrap();
    let variables = |name: &str| (name == "MODEL").then(|| "m".to_owned());
    let text = fs::read_to_string(&files[0]).unwrap();
    let source = repository.work_tree(&files[0]);
    let (manifest, _) = manifest::parse(&files[0], &text, &source, ExpandInputs::of(&variables));
    let by_key = BTreeMap::from([("known".parse().unwrap(), Some(AgentId(9)))]);
    let agents = AgentNames { by_key, ..AgentNames::default() };
    let request = Request {
        files: &files,
        sources: &Sources::default(),
        desired_state: &manifest::resolve(&manifest, &agents).0,
        manifest: &manifest,
        depth,
        from: &[],
        inputs: ExpandInputs::of(&variables),
        var_layers: &[],
        agents: &agents,
    };
    history::read_agents(&repository, &request).unwrap()
}

fn agents(repo: &Repo) -> History {
    agents_in(&repo.root, Depth::default())
}

/// Writes and commits a manifest with these agents and no task.
fn commit(repo: &Repo, agents: &str) {
    repo.write("tasks.yaml", &format!("version: 1\nagents:\n{agents}tasks: {{}}\n")).commit();
}

fn agent<'a>(history: &'a History, key: &str) -> &'a AgentEvidence {
    let key: Key = key.parse().unwrap();
    history.evidence.agents.get(&key).unwrap_or_else(|| panic!("no {key} in {history:#?}"))
}

/// The values of a field in all versions, the newest first.
fn values(known: &AgentEvidence, field: &str) -> Vec<String> {
    assert!(AGENT.position(field).is_some(), "{field}");
    known.versions.iter().map(|version| version.get(field).to_string()).collect()
}

#[test]
fn a_fresh_clone_knows_the_versions_of_an_agent() {
    let repo = Repo::new();
    commit(&repo, "  a: {name: One, model: x}\n");
    commit(&repo, "  a: {name: One, model: y}\n  b: {protect: true}\n");
    commit(&repo, "  a: {name: Two, model: y}\n  b: {protect: true}\n");
    commit(&repo, "  c: {subAgents: {known: 2, other: 1}}\n");
    let clone = repo.root.with_file_name("clone");
    repo.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    let history = agents_in(&clone, Depth::default());
    check_complete(&history);
    let a = agent(&history, "a");
    assert_eq!(values(a, "name"), ["Two", "One", "One"]);
    assert_eq!(values(a, "model"), ["y", "y", "x"]);
    let b = agent(&history, "b");
    assert_eq!((a.is_established, a.protect, b.protect), (true, false, true));
    let c = agent(&history, "c");
    assert_eq!((c.is_established, c.versions.len()), (false, 1));
    // What a local key stands for is known where it exists.
    assert_eq!(values(c, "subAgents"), ["9 (2), agent.other (1)"]);
    assert!(a.created.is_empty());
}

#[test]
fn an_agent_that_is_renamed_by_key_or_name_keeps_its_earlier_names() {
    let repo = Repo::new();
    commit(&repo, "  old: {model: x}\n");
    commit(&repo, "  new: {name: old, model: x}\n");
    commit(&repo, "  new: {name: Better, model: x}\n");
    let history = agents(&repo);
    assert_eq!(values(agent(&history, "old"), "name"), ["old"]);
    assert_eq!(values(agent(&history, "new"), "name"), ["Better", "old"]);
}

#[test]
fn a_commit_of_a_file_alone_is_a_version() {
    let repo = Repo::new();
    repo.write("agents/a.md", "---\nname: A\nmodel: ${MODEL}\n---\nBe brief.\n");
    repo.write("agents/b.md", "One\n");
    commit(&repo, "  a: agents/a.md\n  b: {systemPromptFile: agents/b.md}\n");
    repo.write("agents/a.md", "\u{feff}---\r\nname: A\r\n---\r\nBe kind.\r\n").commit();
    repo.write("agents/b.md", "Two\n").commit();
    repo.write("other.md", "unrelated").commit();
    let history = agents(&repo);
    check_complete(&history);
    let (a, b) = (agent(&history, "a"), agent(&history, "b"));
    assert_eq!(values(a, SYSTEM_PROMPT), ["Be kind.", "Be brief."]);
    assert_eq!(values(a, "model"), ["unknown", "m"]);
    assert_eq!(values(b, SYSTEM_PROMPT), ["Two", "One"]);
    assert!(a.is_established && b.is_established);
}

#[test]
fn an_agent_counts_as_applied_once_an_older_commit_declares_it() {
    let of_task = |prompt: &str| {
        format!("version: 1\nagents:\n  a: {{model: x}}\ntasks:\n  spy:\n    prompt: {prompt}\n")
    };
    let repo = Repo::new();
    repo.write("tasks.yaml", &of_task("one")).commit();
    assert!(!agent(&agents(&repo), "a").is_established);
    // A commit about a task alone is one, and no version of the agent.
    repo.write("tasks.yaml", &of_task("two")).commit();
    let history = agents(&repo);
    let a = agent(&history, "a");
    assert_eq!((a.is_established, a.versions.len()), (true, 1));
}

#[test]
fn a_merged_branch_of_one_commit_applies_nothing() {
    let repo = Repo::new();
    repo.write("README.md", "x").commit();
    repo.git(&["checkout", "--quiet", "-b", "branch"]);
    commit(&repo, "  a: {model: x}\n");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("README.md", "y").commit();
    repo.git(&["merge", "--quiet", "--no-ff", "--no-edit", "branch"]);
    assert!(!agent(&agents(&repo), "a").is_established);
}

#[test]
fn a_moved_manifest_keeps_its_agents() {
    let repo = Repo::new();
    repo.write("old.yaml", "version: 1\nagents: {a: {model: x}}\n").commit();
    repo.git(&["mv", "old.yaml", "tasks.yaml"]);
    repo.write("tasks.yaml", "version: 1\nagents: {a: {model: y}}\n").commit();
    let history = agents(&repo);
    let a = agent(&history, "a");
    assert_eq!((values(a, "model"), a.is_established), (vec!["y".into(), "x".into()], true));
}

#[test]
fn what_cannot_be_read_of_agents_is_a_gap() {
    let sound = "  a: {model: x}\n";
    let table: [(&str, &str, &str, &[&str]); 5] = [
        (
            "an unset variable",
            "variable-unset",
            "  a: {model: '${GONE}'}\n  b: {model: x}\n",
            &["a"],
        ),
        ("a wrong value", "version-unreadable", "  a: {maxTurns: many}\n  b: {model: x}\n", &["a"]),
        (
            "a file that was not committed",
            "version-unreadable",
            "  a: gone.md\n  b: {model: x}\n",
            &["a"],
        ),
        ("no mapping", "version-unreadable", "  - a\n", &[]),
        ("no YAML", "version-unreadable", "  a: {model: 'x}\n", &[]),
    ];
    for (row, code, agents_then, keys) in table {
        let repo = Repo::new();
        commit(&repo, agents_then);
        commit(&repo, sound);
        let history = agents(&repo);
        let [gap] = history.evidence.gaps.as_slice() else { panic!("{row}: {history:#?}") };
        assert_eq!(gap.reason.code(), code, "{row}");
        assert_eq!(gap.keys.iter().map(Key::as_str).collect::<Vec<_>>(), keys, "{row}");
        assert_eq!(values(agent(&history, "a"), "model"), ["x"], "{row}");
        let b = history.evidence.agents.contains_key(&"b".parse::<Key>().unwrap());
        assert_eq!(b, !keys.is_empty(), "{row}");
    }
}

#[test]
fn a_shallow_clone_is_a_gap_of_agents() {
    let repo = Repo::new();
    commit(&repo, "  a: {model: x}\n");
    commit(&repo, "  a: {model: y}\n");
    let clone = repo.root.with_file_name("clone");
    let from = format!("file://{}", repo.root.display());
    repo.git(&["clone", "--quiet", "--depth", "1", &from, clone.to_str().unwrap()]);
    let history = agents_in(&clone, Depth::default());
    check_gap(&history, "shallow-clone");
    assert_eq!(values(agent(&history, "a"), "model"), ["y"]);
}

#[test]
fn only_so_many_versions_of_an_agent_are_read() {
    let repo = Repo::new();
    for model in ["a", "b", "c", "d"] {
        commit(&repo, &format!("  a: {{model: {model}}}\n"));
    }
    let history = agents_in(&repo.root, Depth::Newest(2));
    check_gap(&history, "beyond-history");
    assert_eq!(values(agent(&history, "a"), "model"), ["d", "c"]);
    check_gap(&agents_in(&repo.root, Depth::None), "history-off");
}

#[test]
fn outside_of_git_the_work_tree_is_the_one_version_of_an_agent() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tasks.yaml"), "version: 1\nagents: {a: {model: x}}\n").unwrap();
    let history = agents_in(folder.path(), Depth::default());
    check_gap(&history, "no-repository");
    let a = agent(&history, "a");
    assert_eq!((values(a, "model"), a.is_established), (vec!["x".to_owned()], false));
}

#[test]
fn the_history_of_tasks_names_the_agents_there_were() {
    let repo = Repo::new();
    let text = |agents: &str, prompt: &str| {
        format!(
            "version: 1\nagents:\n{agents}defaults: {{agentId: 47, projectPreference: project-for-task}}\ntasks:\n  spy:\n    prompt: {prompt}\n"
        )
    };
    repo.write("a.md", "---\nname: A\n---\nx");
    repo.write("tasks.yaml", &text("  a: a.md\n  b: {name: Old}\n", "one")).commit();
    repo.write("tasks.yaml", &text("  b: {name: New}\n", "two")).commit();
    repo.commit_spy("three");
    let history = repo.read();
    check(&history, "spy", &["three", "two", "one"]);
    let named = history.agents.iter().map(|(key, names)| format!("{key} {names:?}"));
    let expected = ["a {None}", r#"b {Some("New"), Some("Old")}"#];
    assert_eq!(named.collect::<Vec<_>>(), expected);
}
