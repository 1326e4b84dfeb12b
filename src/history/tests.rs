//! Stories told in real repositories.

mod agents;
mod expanded;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::diag::{Gap, GapReason, Severity, Sources};
use crate::evidence::KeyEvidence;
use crate::history::{self, Depth, History, HistoryError, Repository, Request};
use crate::manifest::AgentNames;
use crate::manifest::{self, DesiredState, ExpandInputs, Manifest, Source};
use crate::model::{AgentId, ContentHash, Key};
use crate::resource::Object;

/// A repository in a folder of its own.
struct Repo {
    _folder: TempDir,
    root: PathBuf,
    commits: AtomicUsize,
}

impl Repo {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repo");
        fs::create_dir(&root).unwrap();
        let repo = Self { _folder: folder, root, commits: AtomicUsize::new(0) };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    fn git(&self, arguments: &[&str]) -> String {
        let minute = self.commits.fetch_add(1, Ordering::Relaxed) * 60;
        let date = format!("{} +0000", 1_700_000_000 + minute);
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.root)
            .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.root.join(path)).unwrap();
        self
    }

    fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "a change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes and commits `tasks.yaml` with one task, `spy`.
    fn commit_spy(&self, prompt: &str) -> String {
        self.write("tasks.yaml", &manifest(&[("spy", prompt)])).commit()
    }

    fn read(&self) -> History {
        self.read_with(&["tasks.yaml"], Depth::default(), &[])
    }

    fn read_with(&self, files: &[&str], depth: Depth, from: &[&str]) -> History {
        read_in(&self.root, files, depth, from).unwrap()
    }
}

fn read_in(
    root: &Path,
    files: &[&str],
    depth: Depth,
    from: &[&str],
) -> Result<History, HistoryError> {
    let files: Vec<PathBuf> = files.iter().map(|file| root.join(file)).collect();
    let from: Vec<String> = from.iter().map(ToString::to_string).collect();
    let by_name = BTreeMap::from([("Researcher".to_owned(), vec![AgentId(47)])]);
    let agents = AgentNames { by_name, ..AgentNames::default() };
    let repository = Repository::of(&files)?;
    let variables = |name: &str| (name == "AGENT").then(|| "47".to_owned());
    let mut sources = Sources::default();
    for file in &files {
        sources.add(file, fs::read_to_string(file).unwrap_or_default());
    }
    let parsed = files.iter().map(|file| {
        let (text, source) = (sources.text(file).unwrap(), repository.work_tree(file));
        manifest::parse(file, text, &source, ExpandInputs::of(&variables))
    });
    let (manifests, findings): (Vec<_>, Vec<_>) = parsed.unzip();
    let manifest = manifest::merge(manifests).0;
    if findings.iter().flatten().any(|finding| finding.severity == Severity::Error) {
        // A command would have ended there.
        sources = Sources::default();
    }
    sources.give_up(|_| true);
    let request = Request {
        files: &files,
        sources: &sources,
        desired_state: &manifest::resolve(&manifest, &agents).0,
        manifest: &manifest,
        depth,
        from: &from,
        inputs: ExpandInputs::of(&variables),
        var_layers: &[],
        agents: &agents,
    };
    let history = history::read(&repository, &request)?;
    // What is committed as the work tree has it is parsed to the same.
    let parsed = history::read(&repository, &Request { sources: &Sources::default(), ..request })?;
    assert_eq!(format!("{history:?}"), format!("{parsed:?}"));
    Ok(history)
}

fn manifest(tasks: &[(&str, &str)]) -> String {
    let mut text = HEAD.to_owned();
    for (key, prompt) in tasks {
        writeln!(text, "  {key}:\n    prompt: {prompt}").unwrap();
    }
    text
}

const HEAD: &str =
    "version: 1\ndefaults:\n  agentId: 47\n  projectPreference: project-for-task\ntasks:\n";

fn content(prompt: &str) -> ContentHash {
    Object::task("", 47, "project-for-task", prompt).content().unwrap()
}

fn known<'a>(history: &'a History, key: &str) -> &'a KeyEvidence {
    let key: Key = key.parse().unwrap();
    history.evidence.keys.get(&key).unwrap_or_else(|| panic!("no {key} in {history:#?}"))
}

/// Checks a key's prompts, the newest first.
#[track_caller]
fn check(history: &History, key: &str, prompts: &[&str]) {
    let found: Vec<_> =
        known(history, key).versions.iter().map(|version| version.content).collect();
    let desired: Vec<_> = prompts.iter().map(|prompt| content(prompt)).collect();
    assert_eq!(found, desired, "{key}: {history:#?}");
}

#[track_caller]
fn check_gap(history: &History, words: &str) {
    let mut gaps = history.evidence.gaps.iter();
    let says = |gap: &Gap| gap.reason.code() == words || format!("{gap:?}").contains(words);
    assert!(gaps.any(says), "{words}: {history:#?}");
}

#[track_caller]
fn check_complete(history: &History) {
    assert_eq!(history.evidence.gaps, [], "{history:#?}");
}

#[test]
fn every_committed_version_is_evidence_and_an_uncommitted_one_is_not() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.commit_spy("two");
    repo.commit_spy("one");
    repo.commit_spy("three");
    repo.write("tasks.yaml", &manifest(&[("spy", "four")]));
    let history = repo.read();
    check(&history, "spy", &["three", "one", "two"]);
    check_complete(&history);
    assert!(history.remarks.is_empty(), "{history:#?}");
}

#[test]
fn a_commit_of_a_prompt_file_alone_is_a_version() {
    let repo = Repo::new();
    let text =
        format!("{HEAD}  spy:\n    promptFile: prompts/spy.md\n  qqq:\n    promptFile: ./q.md\n");
    repo.write("tasks.yaml", &text).write("prompts/spy.md", "one\n").write("q.md", "q").commit();
    repo.write("prompts/spy.md", "two\r\n").commit();
    repo.write("other.md", "unrelated").commit();
    repo.write("prompts/spy.md", "three").commit();
    let history = repo.read();
    check(&history, "spy", &["three", "two", "one"]);
    check(&history, "qqq", &["q"]);
}

#[test]
fn a_prompt_file_that_only_an_older_version_names_is_followed_too() {
    let repo = Repo::new();
    let text = format!("{HEAD}  spy:\n    promptFile: old.md\n");
    repo.write("tasks.yaml", &text).write("old.md", "one").commit();
    repo.write("old.md", "two").commit();
    repo.remove("old.md");
    repo.commit_spy("three");
    check(&repo.read(), "spy", &["three", "two", "one"]);
}

#[test]
fn many_prompt_files_are_followed_as_folders() {
    let repo = Repo::new();
    let mut text = HEAD.to_owned();
    for n in 0..100 {
        writeln!(text, "  t{n}:\n    promptFile: prompts/{}/{n}.md", n % 2).unwrap();
        repo.write(&format!("prompts/{}/{n}.md", n % 2), &format!("prompt {n}"));
    }
    repo.write("tasks.yaml", &text).commit();
    repo.write("prompts/1/7.md", "seven").commit();
    let history = repo.read();
    check(&history, "t7", &["seven", "prompt 7"]);
    check(&history, "t8", &["prompt 8"]);
}

#[test]
fn each_version_has_its_own_defaults() {
    let repo = Repo::new();
    repo.commit_spy("same");
    let text = manifest(&[("spy", "same")]);
    repo.write("tasks.yaml", &text.replace("agentId: 47", "agentId: 48")).commit();
    let history = repo.read();
    let versions = &known(&history, "spy").versions;
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0].prompt, versions[1].prompt);
    assert_eq!(versions[1].content, content("same"));
}

#[test]
fn a_renamed_key_leaves_its_evidence_under_the_old_one() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.write("tasks.yaml", &manifest(&[("etf", "one")])).commit();
    let history = repo.read();
    check(&history, "spy", &["one"]);
    check(&history, "etf", &["one"]);
    assert_eq!(known(&history, "etf").versions[0].name, "etf");
}

#[test]
fn a_moved_manifest_keeps_its_history_through_every_move() {
    let repo = Repo::new();
    let text =
        |prompt: &str| format!("{}  f:\n    promptFile: p/f.md\n", manifest(&[("spy", prompt)]));
    repo.write("a.yaml", &text("one")).write("p/f.md", "file one").commit();
    repo.write("p/f.md", "file two").commit();
    fs::create_dir(repo.root.join("ops")).unwrap();
    repo.git(&["mv", "a.yaml", "ops/b.yml"]);
    repo.git(&["mv", "p", "ops/p"]);
    repo.commit();
    repo.write("ops/b.yml", &text("two")).commit();
    repo.remove("ops/b.yml").write("tasks.yaml", &text("three").replace("p/f", "ops/p/f")).commit();
    let history = repo.read();
    check(&history, "spy", &["three", "two", "one"]);
    check(&history, "f", &["file two", "file one"]);
    check_complete(&history);
}

#[test]
fn a_manifest_split_in_two_keeps_its_history_in_both() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(&[("spy", "one"), ("qqq", "one q")])).commit();
    repo.write("tasks.yaml", &manifest(&[("spy", "one")]));
    repo.write("other.yaml", &manifest(&[("qqq", "two q")])).commit();
    check(&repo.read_with(&["other.yaml"], Depth::All, &[]), "qqq", &["two q", "one q"]);
    check(&repo.read(), "qqq", &["one q"]);
}

#[test]
fn a_copied_manifest_has_no_history_of_its_original() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.commit_spy("two");
    repo.write("copy.yaml", &manifest(&[("spy", "two")])).commit();
    check(&repo.read_with(&["copy.yaml"], Depth::All, &[]), "spy", &["two"]);
}

#[test]
fn two_manifests_that_swap_their_places_end() {
    let repo = Repo::new();
    for (from, to) in [("b.yaml", "tasks.yaml"), ("tasks.yaml", "b.yaml")].repeat(3) {
        if repo.root.join(from).exists() {
            repo.remove(from);
        }
        repo.write(to, &manifest(&[("spy", to)])).commit();
    }
    check(&repo.read_with(&["b.yaml"], Depth::All, &[]), "spy", &["b.yaml", "tasks.yaml"]);
}

#[test]
fn every_line_of_descent_is_evidence() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    repo.commit_spy("side one");
    repo.commit_spy("side two");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.commit_spy("two");
    repo.git(&["merge", "--quiet", "--strategy=ours", "-m", "merge", "side"]);
    check(&repo.read(), "spy", &["two", "side two", "side one", "one"]);
}

#[test]
fn a_merge_of_a_manifest_and_a_prompt_file_is_a_version_of_its_own() {
    let repo = Repo::new();
    let text = format!("{HEAD}  spy:\n    promptFile: spy.md\n");
    repo.write("tasks.yaml", &text).write("spy.md", "one").commit();
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    repo.write("spy.md", "two").commit();
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("tasks.yaml", &text.replace("promptFile", "name: SPY\n    promptFile")).commit();
    repo.git(&["merge", "--quiet", "-m", "merge", "side"]);
    let history = repo.read();
    let versions = known(&history, "spy").versions.iter();
    let versions: Vec<_> =
        versions.map(|version| (version.name.as_str(), version.content)).collect();
    let (one, two) = (content("one"), content("two"));
    assert_eq!(versions, [("SPY", two), ("SPY", one), ("spy", two), ("spy", one)]);
}

#[test]
fn a_squash_merge_keeps_what_main_declared() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    repo.commit_spy("draft");
    repo.commit_spy("two");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.git(&["merge", "--quiet", "--squash", "side"]);
    repo.commit();
    check(&repo.read(), "spy", &["two", "one"]);
}

#[test]
fn a_revert_makes_the_old_content_the_newest() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.commit_spy("two");
    repo.git(&["revert", "--no-edit", "HEAD"]);
    check(&repo.read(), "spy", &["one", "two"]);
}

#[test]
fn a_lost_branch_is_evidence_when_it_is_named() {
    let repo = Repo::new();
    repo.commit_spy("one");
    let lost = repo.commit_spy("two");
    repo.git(&["reset", "--quiet", "--hard", "HEAD~"]);
    repo.commit_spy("three");
    check(&repo.read(), "spy", &["three", "one"]);
    check(&repo.read_with(&["tasks.yaml"], Depth::All, &[&lost]), "spy", &["three", "two", "one"]);
    for bad in ["no-such-branch", "--all", ""] {
        let error = read_in(&repo.root, &["tasks.yaml"], Depth::All, &[bad]).unwrap_err();
        assert!(matches!(error, HistoryError::UnknownRevision { .. }), "{bad}: {error}");
    }
}

#[test]
fn a_shallow_clone_is_a_gap() {
    let repo = Repo::new();
    repo.commit_spy("one");
    repo.commit_spy("two");
    let url = format!("file://{}", repo.root.display());
    repo.git(&["clone", "--quiet", "--depth", "1", &url, "../clone"]);
    let history = read_in(&repo.root.join("../clone"), &["tasks.yaml"], Depth::All, &[]).unwrap();
    check(&history, "spy", &["two"]);
    check_gap(&history, "shallow-clone");
}

#[test]
fn a_clone_without_old_files_is_a_gap_and_downloads_nothing() {
    let repo = Repo::new();
    let text = format!("{HEAD}  spy:\n    promptFile: spy.md\n");
    repo.write("tasks.yaml", &text).write("spy.md", "one").commit();
    repo.write("spy.md", "two").commit();
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", repo.root.display());
    repo.git(&["clone", "--quiet", "--filter=blob:none", &url, "../clone"]);
    let history = read_in(&repo.root.join("../clone"), &["tasks.yaml"], Depth::All, &[]).unwrap();
    check(&history, "spy", &["two"]);
    check_gap(&history, "PartialClone");
}

#[test]
fn a_linked_work_tree_and_a_subfolder_are_read_like_any_other() {
    let repo = Repo::new();
    let text = format!("{HEAD}  spy:\n    promptFile: ../prompts/spy.md\n");
    repo.write("ops/tasks.yaml", &text).write("prompts/spy.md", "one").commit();
    repo.write("prompts/spy.md", "two").commit();
    repo.git(&["worktree", "add", "--quiet", "-b", "linked", "../linked"]);
    for root in [repo.root.clone(), repo.root.join("../linked")] {
        let history = read_in(&root, &["ops/tasks.yaml"], Depth::All, &[]).unwrap();
        check(&history, "spy", &["two", "one"]);
        let file = root.join("ops/tasks.yaml");
        let repository = Repository::of(std::slice::from_ref(&file)).unwrap();
        assert_eq!(repository.root(), root.canonicalize().unwrap());
        let files = repository.work_tree(&file);
        assert_eq!(files.read("../prompts/spy.md").unwrap(), "two");
        assert!(files.read("../../outside.md").is_err());
        assert!(files.read("/etc/hostname").is_err());
    }
}

#[test]
fn before_the_first_commit_nothing_is_evidence() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(&[("spy", "one")]));
    let history = repo.read();
    assert!(history.evidence.keys.is_empty(), "{history:#?}");
    check_complete(&history);
    assert_eq!(history.remarks[0].reason, GapReason::NothingCommitted);
    repo.git(&["add", "tasks.yaml"]);
    check_complete(&repo.read());
    repo.git(&["reset", "--quiet"]);
    repo.write("README", "").git(&["add", "README"]);
    repo.git(&["commit", "--quiet", "-m", "first"]);
    check_gap(&repo.read(), "not-committed");
}

#[test]
fn outside_of_git_the_work_tree_is_the_only_version() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tasks.yaml"), manifest(&[("spy", "one")])).unwrap();
    let history = read_in(folder.path(), &["tasks.yaml"], Depth::All, &[]).unwrap();
    check(&history, "spy", &["one"]);
    check_gap(&history, "no-repository");
}

#[test]
fn an_old_version_that_does_not_parse_is_a_gap_that_names_its_commit() {
    let repo = Repo::new();
    repo.commit_spy("one");
    let broken = repo.write("tasks.yaml", "version: 1\ntasks: [\n").commit();
    repo.commit_spy("two");
    let history = repo.read();
    check(&history, "spy", &["two", "one"]);
    check_gap(&history, &broken[..10]);
    check_gap(&history, "version-unreadable");
}

#[test]
fn a_version_whose_variable_is_gone_is_a_gap_that_names_it() {
    let repo = Repo::new();
    let text = manifest(&[("spy", "one")]);
    repo.write("tasks.yaml", &text.replace("agentId: 47", "agentId: ${OLD_AGENT}")).commit();
    repo.write("tasks.yaml", &text.replace("agentId: 47", "agentId: ${AGENT}")).commit();
    let history = repo.read();
    check(&history, "spy", &["one"]);
    check_gap(&history, "OLD_AGENT");
}

#[test]
fn an_old_organization_that_does_not_resolve_loses_no_evidence() {
    let repo = Repo::new();
    let text = manifest(&[("spy", "one")]);
    repo.write("tasks.yaml", &format!("organizationId: ${{OLD}}\n{text}")).commit();
    repo.commit_spy("two");
    let history = repo.read();
    check(&history, "spy", &["two", "one"]);
    check_complete(&history);
}

#[test]
fn a_version_whose_agent_is_gone_is_a_gap_that_names_it() {
    let repo = Repo::new();
    let text = |agent: &str, prompt: &str| {
        manifest(&[("spy", prompt)]).replace("agentId: 47", &format!("agent: {agent}"))
    };
    repo.write("tasks.yaml", &text("Gone", "one")).commit();
    repo.write("tasks.yaml", &text("Researcher", "two")).commit();
    let history = repo.read();
    check(&history, "spy", &["two"]);
    check_gap(&history, "Gone");
}

#[test]
fn protection_outlives_the_removal_of_its_entry() {
    let repo = Repo::new();
    let text = manifest(&[("spy", "one"), ("qqq", "two")]);
    repo.write("tasks.yaml", &text).commit();
    repo.write("tasks.yaml", &format!("{text}    protect: true\n")).commit();
    repo.commit_spy("one");
    let history = repo.read();
    assert!(known(&history, "qqq").protect);
    assert!(!known(&history, "spy").protect);
}

#[test]
fn a_short_history_says_how_to_read_more() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(&[("spy", "v0"), ("orphan", "lost")])).commit();
    for n in 1..8 {
        repo.commit_spy(&format!("v{n}"));
    }
    let history = repo.read_with(&["tasks.yaml"], Depth::Newest(2), &[]);
    check(&history, "spy", &["v7", "v6"]);
    assert_eq!(history.evidence.keys.len(), 1, "{history:#?}");
    check_gap(&history, "beyond-history");
    for depth in [Depth::All, Depth::default(), Depth::Newest(8)] {
        let history = repo.read_with(&["tasks.yaml"], depth, &[]);
        check(&history, "orphan", &["lost"]);
        check_complete(&history);
    }
    let history = repo.read_with(&["tasks.yaml"], Depth::None, &[]);
    assert!(history.evidence.keys.is_empty());
    check_gap(&history, "history-off");
}

#[test]
fn a_key_that_changes_seldom_is_found_beyond_the_newest_versions() {
    let repo = Repo::new();
    for n in 0..6 {
        let key = format!("t{n}");
        repo.write("tasks.yaml", &manifest(&[(&key, "p")])).commit();
    }
    let history = repo.read_with(&["tasks.yaml"], Depth::Newest(2), &[]);
    check(&history, "t0", &["p"]);
    check_complete(&history);
}

#[test]
fn paths_hold_whatever_a_file_system_allows() {
    let repo = Repo::new();
    for folder in ["with blank", "ünïcode 日本", "-dash", "new\nline", ":(glob)*", "\"quoted\""]
    {
        let text = format!("{HEAD}  spy:\n    promptFile: 'a * b/-ä.md'\n");
        let manifest = format!("{folder}/-tasks.yaml");
        let prompt = format!("{folder}/a * b/-ä.md");
        repo.write(&manifest, &text).write(&prompt, "one").commit();
        repo.write(&prompt, "two").commit();
        check(&repo.read_with(&[&manifest], Depth::All, &[]), "spy", &["two", "one"]);
    }
}

#[cfg(unix)]
#[test]
fn links_within_the_repository_are_followed_at_every_commit() {
    let repo = Repo::new();
    let text = format!("{HEAD}  spy:\n    promptFile: now/spy.md\n");
    repo.write("tasks.yaml", &text).write("v1/spy.md", "one").write("v2/spy.md", "two");
    std::os::unix::fs::symlink("v1", repo.root.join("now")).unwrap();
    repo.commit();
    repo.remove("now");
    std::os::unix::fs::symlink("./v2", repo.root.join("now")).unwrap();
    repo.commit();
    check(&repo.read(), "spy", &["two", "one"]);
}

#[test]
fn a_checkout_behind_its_upstream_is_stale() {
    let repo = Repo::new();
    let stale = || Repository::of(&[repo.root.join("tasks.yaml")]).unwrap().stale().cloned();
    repo.commit_spy("one");
    assert_eq!(stale(), None);
    repo.commit_spy("two");
    repo.git(&["branch", "upstream"]);
    repo.git(&["branch", "--quiet", "--set-upstream-to=upstream"]);
    assert_eq!(stale(), None);
    repo.git(&["reset", "--quiet", "--hard", "HEAD~"]);
    let found = stale().unwrap();
    assert_eq!((found.commits, found.upstream.as_str()), (1, "upstream"));
    repo.commit_spy("diverged");
    assert_eq!(stale(), None);
}

#[test]
fn other_manifests_of_the_work_tree_are_found() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(&[("spy", "one")]));
    repo.write("b/other.yml", &format!("{HEAD}  qqq:\n    promptFile: q.md\n"))
        .write("b/q.md", "q");
    repo.write("broken.yaml", &format!("{}    nonsense: 1\n", manifest(&[("iwm", "i")])));
    repo.write("compose.yaml", "version: 3\nservices: {}\n");
    repo.write("Taskfile.yml", "version: '3'\ntasks:\n  build: {cmds: [make]}\n");
    repo.git(&["add", "--all"]);
    repo.write("untracked.yaml", &manifest(&[("new", "new")]));
    repo.write(".gitignore", "ignored.yaml\n").write("ignored.yaml", &manifest(&[("no", "no")]));
    let files = [repo.root.join("./tasks.yaml")];
    let others = Repository::of(&files).unwrap().other_manifests(
        &files,
        &std::collections::BTreeSet::new(),
        ExpandInputs::of(&|_| None),
    );
    let found: Vec<_> = others
        .manifests
        .iter()
        .map(|other| {
            let keys: Vec<_> = other.manifest.tasks.keys().map(Key::as_str).collect();
            (other.path.to_str().unwrap(), keys, other.flaw.is_none())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("b/other.yml", vec!["qqq"], true),
            ("broken.yaml", vec!["iwm"], false),
            ("untracked.yaml", vec!["new"], true)
        ]
    );
}

#[test]
fn manifests_of_two_repositories_do_not_mix() {
    let (one, other) = (Repo::new(), Repo::new());
    let files = [one.root.join("tasks.yaml"), other.root.join("tasks.yaml")];
    let error = Repository::of(&files).unwrap_err();
    assert!(matches!(error, HistoryError::TwoRepositories { .. }), "{error}");
}

#[test]
fn a_handful_of_processes_reads_any_history() {
    let repo = Repo::new();
    let mut text = HEAD.to_owned();
    for n in 0..60 {
        writeln!(text, "  t{n}:\n    promptFile: prompts/{n}.md").unwrap();
        repo.write(&format!("prompts/{n}.md"), &format!("prompt {n}"));
    }
    repo.write("tasks.yaml", &text).commit();
    for n in 0..30 {
        repo.write(&format!("prompts/{n}.md"), &format!("changed {n}")).commit();
    }
    let files = [repo.root.join("tasks.yaml")];
    let repository = Repository::of(&files).unwrap();
    let (variables, agents) = (|_: &str| None, AgentNames::default());
    let request = Request {
        files: &files,
        sources: &Sources::default(),
        manifest: &Manifest::default(),
        desired_state: &DesiredState::default(),
        depth: Depth::All,
        from: &[],
        inputs: ExpandInputs::of(&variables),
        var_layers: &[],
        agents: &agents,
    };
    let history = history::read(&repository, &request).unwrap();
    check(&history, "t29", &["changed 29", "prompt 29"]);
    let started = repository.git.started.load(Ordering::Relaxed);
    // Two of them where the machine gives attributes, or has other branches.
    assert!(started <= 6, "{started}");
}

#[test]
fn a_depth_is_a_word_or_a_number() {
    let table =
        [("none", Depth::None), ("0", Depth::None), ("all", Depth::All), ("7", Depth::Newest(7))];
    for (text, depth) in table {
        assert_eq!(text.parse(), Ok(depth), "{text}");
    }
    for bad in ["", "-1", "some", "1.5"] {
        assert!(bad.parse::<Depth>().is_err(), "{bad}");
    }
}

#[test]
fn parsing_only_what_changed_finds_what_parsing_all_finds() {
    let (parts, wholes) = (Repo::new(), Repo::new());
    let text =
        manifest(&[("a", "p"), ("b", "|\n      one\n\n      # two\n    name: B"), ("c", "'q'")]);
    let edits: [(&str, &str); 12] = [
        ("'q'", "\"q\\n  r\""),
        ("one", "uno"),
        ("  c:", "  # c\n  c:"),
        ("agentId: 47", "agentId: 48"),
        ("    name: B\n", "    protect: true\n"),
        ("  a:\n    prompt: p\n", "  a: {prompt: p,\n    name: A}\n"),
        ("  c:", "  a:\n    prompt: twice\n  c:"),
        ("  a:\n    prompt: twice\n", ""),
        ("  c:\n", "  c:\n    nonsense: 1\n"),
        ("    nonsense: 1\n", ""),
        ("uno", "uno: [broken"),
        ("\n  c:", "\n  d:\n    prompt: \"open\n  c:"),
    ];
    let mut text = format!("{text}forget: [z]\n");
    for (old, new) in edits {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
        parts.write("tasks.yaml", &text).commit();
        // What may be an anchor has the text parsed as a whole.
        wholes.write("tasks.yaml", &format!("{text}# &x\n")).commit();
    }
    let (parts, wholes) = (parts.read(), wholes.read());
    let keys = |history: &History| format!("{:#?}", history.evidence.keys);
    assert_eq!(keys(&parts), keys(&wholes));
    let codes = |history: &History| -> Vec<&str> {
        history.evidence.gaps.iter().map(|gap| gap.reason.code()).collect()
    };
    assert_eq!(
        (codes(&parts), codes(&wholes)),
        (vec!["version-unreadable"], vec!["version-unreadable"])
    );
    assert!(known(&parts, "b").versions.len() > 3, "{parts:#?}");
}

#[test]
fn earlier_versions_are_expanded_with_their_own_variables() {
    let repo = Repo::new();
    let text = |vars: &str| {
        format!(
            "vars: {vars}\n{}",
            manifest(&[("spy", "buy\n    name: Buy ${SYMBOL:-nothing}"), ("q", "sell")])
        )
    };
    for vars in ["{SYMBOL: SPX}", "{SYMBOL: SPY}", "{}"] {
        repo.write("tasks.yaml", &text(vars)).commit();
    }
    let history = repo.read();
    let names = |key: &str| -> Vec<String> {
        let known = &history.evidence.keys[&key.parse::<Key>().unwrap()];
        known.versions.iter().map(|version| version.name.clone()).collect()
    };
    assert_eq!(names("spy"), ["Buy nothing", "Buy SPY", "Buy SPX"]);
    assert_eq!(names("q"), ["q"]);
}
