//! Settings of a manifest, told with the program itself: what they decide, and how a plan says so.

use std::fmt::Write as _;

use crate::support::repo::{Ran, Repo};

/// So many tasks with one word in their prompts, below these lines.
fn tasks(head: &str, count: usize, word: &str) -> String {
    let mut text = format!(
        "version: 1\n{head}defaults: {{agentId: 47, projectPreference: project-for-task}}\ntasks:\n"
    );
    for number in 0..count {
        writeln!(text, "  t{number}: {{prompt: {word} number {number}}}").unwrap();
    }
    text
}

fn told(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    let said = format!("{}{}", ran.out, ran.err);
    for words in words {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
}

const REPLACES: &str = "settings: {limits: {replaces: 9}}\n";

#[test]
fn a_plan_names_the_setting_that_decided_and_where_it_is_set() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &tasks("", 8, "Buy")).commit("first").converge("");
    repo.write("tasks.yaml", &tasks("", 8, "Sell")).commit("edit");
    told(&repo.qcops("plan"), 3, &["8 tasks would be replaced; the limit for one apply is 5\n"]);
    // Raised in the commit that uses it: in every format.
    repo.write("tasks.yaml", &tasks(REPLACES, 8, "Hold")).commit("raise and use");
    let used = "the limit is 9, set at `tasks.yaml:2` (`settings.limits.replaces`); without it, 5";
    let raised =
        "`settings.limits.replaces` is 9, was 5, as where nothing is set, in the version before";
    for format in ["text", "json", "markdown"] {
        told(
            &repo.qcops(&format!("plan --format {format}")),
            0,
            &["setting-used", used, "setting-raised", raised],
        );
    }
    told(&repo.qcops("plan --format html"), 0, &["setting-used", "setting-raised"]);
    // What the digest covers is what decided, not where that stands.
    let digest = |flags: &str| {
        let ran = repo.qcops(&format!("plan {flags}"));
        ran.out.lines().find_map(|line| line.strip_prefix("Digest: ")).map(str::to_owned).unwrap()
    };
    let before = digest("");
    assert_eq!(before, digest("--max-replaces 9"), "a flag allows the same");
    assert_ne!(before, digest("--max-replaces 10"), "a flag overrides");
    repo.write("tasks.yaml", &format!("# moved\n{}", tasks(REPLACES, 8, "Hold"))).commit("moved");
    assert_eq!(before, digest(""));
    let plan = repo.qcops("plan");
    told(&plan, 0, &["tasks.yaml:3"]);
    assert!(!plan.out.contains("setting-raised"), "{}", plan.out);
    // Not committed yet.
    let higher = REPLACES.replace('9', "12");
    repo.write("tasks.yaml", &tasks(&higher, 8, "Hold"));
    told(&repo.qcops("plan"), 0, &["is 12, was 9 in the last commit"]);
}

#[test]
fn a_setting_that_decides_nothing_is_not_shown() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &tasks("", 3, "Buy")).commit("first").converge("");
    repo.write("tasks.yaml", &tasks(REPLACES, 3, "Sell")).commit("edit");
    let ran = repo.qcops("plan");
    told(&ran, 0, &["3 to replace"]);
    assert!(!ran.out.contains("setting"), "{}", ran.out);
}

#[test]
fn settings_limit_as_flags_do_and_flags_override_them() {
    let repo = Repo::new();
    let lowered = "settings: {limits: {creates: 2}}\n";
    repo.write("tasks.yaml", &tasks(lowered, 3, "Buy")).commit("first");
    let why = "the limit for one apply is 2, set at `tasks.yaml:2` (`settings.limits.creates`)";
    told(&repo.qcops("plan"), 3, &["too-many-creates", why]);
    told(&repo.qcops("plan --max-creates 3"), 0, &["3 to create"]);
    // Limits that have no flag, and that no `--allow` comes from.
    let many = "settings: {limits: {followUps: 11}}\n";
    let twelve = ["x"; 12].join(", ");
    let deployment = tasks(many, 1, "Buy").replace(
        "prompt: Buy number 0",
        &format!("prompt: P, deployments: {{a: {{followUps: [{twelve}]}}}}"),
    );
    repo.write("tasks.yaml", &deployment).commit("follow-ups");
    let why = "12 follow-ups are declared; the limit for one run is 11, set at `tasks.yaml:2`";
    told(&repo.qcops("plan"), 3, &["too-many-follow-ups", why]);
    repo.write("tasks.yaml", &deployment.replace("11", "12")).commit("more");
    told(&repo.qcops("plan"), 0, &["the limit is 12, set at", "without it, 10"]);
}

#[test]
fn pruning_by_a_setting_is_shown_and_noted_where_it_is_new() {
    let repo = Repo::new();
    let prune = "settings: {prune: true}\n";
    repo.write("tasks.yaml", &tasks("", 4, "Buy")).commit("first").converge("");
    repo.write("tasks.yaml", &tasks("", 3, "Buy")).commit("one less");
    told(&repo.qcops("plan"), 0, &["deferred[prune-off]"]);
    repo.write("tasks.yaml", &tasks(prune, 3, "Buy")).commit("prune");
    told(
        &repo.qcops("plan"),
        0,
        &[
            "1 to delete",
            "pruning is on, set at `tasks.yaml:2` (`settings.prune`)",
            "`settings.prune` is true, was not set in the version before",
        ],
    );
}

#[test]
fn a_clone_without_history_cannot_tell_whether_a_setting_was_raised() {
    let repo = Repo::new();
    let creates = "settings: {limits: {creates: 60}}\n";
    repo.write("tasks.yaml", &tasks(creates, 1, "Buy")).commit("first");
    repo.write("tasks.yaml", &tasks(creates, 51, "Buy")).commit("many");
    let clone = repo.clone_with("--depth 1");
    told(&clone.qcops("plan"), 0, &["51 to create", "what it was before cannot be read"]);
    clone.git("fetch -q --unshallow");
    let ran = clone.qcops("plan");
    told(&ran, 0, &["setting-used"]);
    assert!(!ran.out.contains("setting-raised"), "{}", ran.out);
}

#[test]
fn a_merge_compares_with_the_branch_that_it_is_merged_into() {
    let repo = Repo::new();
    repo.write("tasks.yaml", &tasks("", 8, "Buy")).commit("first").converge("");
    repo.git("checkout -q -b change");
    repo.write("tasks.yaml", &tasks(REPLACES, 8, "Buy")).commit("raise");
    repo.write("tasks.yaml", &tasks(REPLACES, 8, "Sell")).commit("use");
    repo.git("checkout -q -");
    repo.write("README.md", "x").commit("elsewhere");
    repo.git("merge -q --no-ff -m merged change");
    told(&repo.qcops("plan"), 0, &["setting-raised", "was 5, as where nothing is set,"]);
}

#[test]
fn transcripts_go_to_the_folder_of_the_settings_and_never_through_a_link() {
    let head = "settings: {artifacts: kept}\n";
    let repo = Repo::new();
    let text = tasks(head, 1, "Buy").replace("number 0}", "number 0, deployments: {a: {}}}");
    repo.write("tasks.yaml", &text).commit("first");
    repo.qcops("apply --yes --wait --poll-interval 1ms").expect(0, &[]);
    let saved = std::fs::read_dir(repo.path().join("kept")).unwrap().count();
    assert_eq!(saved, 2, "JSON and Markdown");
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::remove_dir_all(repo.path().join("kept")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), repo.path().join("kept")).unwrap();
        repo.write("tasks.yaml", &text.replace("{a: {}}", "{a: {}, b: {}}")).commit("link");
        told(&repo.qcops("apply --yes --wait"), 1, &["settings.artifacts", "nothing was sent"]);
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
