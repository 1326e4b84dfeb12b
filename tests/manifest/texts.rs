//! Texts that are not what their author wrote: cut at a comment, with characters that are not kept,
//! links that were written as files.

use qcops::diag::Severity;

use super::{check, found, line, run, whole};
use crate::support::repo::Repo;

#[test]
fn a_comment_that_ends_a_text_is_warned_of_where_it_begins() {
    #[rustfmt::skip]
    check(&[
        ("  a:\n    prompt: Fix issue #12 and report\n", 5, "cut-text", "`prompt` of task `a` ends before ` #`: the agent gets `Fix issue`", "in quotes"),
        ("  a:\n    prompt: Fix\n      issue #12\n", 6, "cut-text", "the agent gets `Fix issue`", "in quotes"),
        ("  a:\n    prompt: x\n    name: Number\t# 1\n", 6, "cut-text", "`name` of task `a` ends before ` #`: it is `Number`", "in quotes"),
        ("  a:\n    prompt: x\n    agent: Researcher #2\n", 6, "cut-text", "`agent` of task `a`", "in quotes"),
        ("version: 1\ndefaults:\n  prompt: Fix #1\ntasks: {}\n", 3, "cut-text", "`prompt` of `defaults`", "in quotes"),
        ("version: 1\nx-p: &p Fix #12\ntasks:\n  a: {agentId: 47, projectPreference: project-for-task, prompt: *p}\n", 2, "cut-text", "the agent gets `Fix`", "in quotes"),
        ("  a:\n    prompt: x\n    deployments:\n      d:\n        followUps:\n          - y\n          - Look at #3\n", 10, "cut-text", "`followUps[2]`", "in quotes"),
        ("  a:\n    prompt: x\n    deployments:\n      d:\n        expect:\n          transcript:\n            contains: Rank #1\n", 10, "cut-text", "`contains` of", "in quotes"),
        ("  a:\n    prompt: x\n    deployments:\n      d:\n        expect:\n          transcript:\n            notMatches:\n              - Rank #1\n", 11, "cut-text", "`notMatches` of", "in quotes"),
        ("  a:\n    prompt: x\n    deployments:\n      d:\n        expect:\n          number:\n            pattern: Rank (\\d+) #\n", 10, "cut-text", "`pattern` of", "in quotes"),
        ("  a:\n    prompt:\n      Report\n      the ratio\n      of #5\n", 8, "cut-text", "the agent gets `Report the ratio of`", "in quotes"),
        ("version: 1\nx-a: &a\n  prompt: Merge\n    issue #13\ndefaults: {agentId: 47, projectPreference: project-for-task}\ntasks:\n  a: {<<: *a}\n", 4, "cut-text", "`prompt` of task `a`", "in quotes"),
        ("  a:\n    promptFile: sound #5.md\n", 5, "cut-text", "`promptFile` of task `a` ends before ` #`: the file `sound` is read", "in quotes"),
        ("  a:\n    promptFile: sound # 5.md\n", 5, "cut-text", "the file `sound` is read", "in quotes"),
        ("  a:\n    promptFile: sound.md #5.md\n", 5, "cut-text", "the file `sound.md` is read", "in quotes"),
    ]);
}

#[test]
fn characters_that_are_not_kept_are_noted_where_they_stand() {
    #[rustfmt::skip]
    let table = [
        ("  a: {prompt: \"Buy S\\u200BPY\"}\n", "4:21", "U+200B (zero-width space) is left out (tasks.yaml:4:21)"),
        ("  a: {prompt: Buy S\u{200b}PY}\n", "4:20", "`prompt` of task `a` is not sent as it is written: U+200B (zero-width space) is left out (tasks.yaml:4:20)"),
        ("  a:\n    prompt: |\n      Buy\n      \u{2060}S\u{2060}PY\n", "7:7", "U+2060 (word joiner) is left out (tasks.yaml:7:7), U+2060 (word joiner) is left out (tasks.yaml:7:9)"),
        ("  a: {prompt: a\u{180e}b}\n", "4:16", "U+180E (Mongolian vowel separator) is left out"),
        ("  a: {prompt: Buy\u{feff}SPY}\n", "4:18", "U+FEFF (byte-order mark) is left out"),
        ("  a: {prompt: in cafe\u{301}s}\n", "4:21", "U+0065 U+0301 becomes U+00E9 (tasks.yaml:4:21)"),
        ("  a: {prompt: 5 \u{2126}}\n", "4:17", "U+2126 becomes U+03A9"),
        ("  a: {prompt: \"\u{2126}\u{2126}\u{2126}\u{2126}\u{2126}\u{2126}\"}\n", "4:16", "(tasks.yaml:4:19), and 2 more"),
        ("  a: {promptFile: odd.md}\n", "4:19", "`promptFile` of task `a` is not sent as it is written: U+200B (zero-width space) is left out (odd.md:3:2), U+0065 U+0301 becomes U+00E9 (odd.md:3:12)"),
        ("  a: {prompt: x, deployments: {d: {followUps: [y, \"a\\u200Bb\"]}}}\n", "4:53", "`followUps[2]` of deployment `d` of task `a` is not sent as it is written"),
        ("version: 1\ndefaults: {prompt: a\u{200b}b}\ntasks: {}\n", "2:21", "`prompt` of `defaults`"),
        ("version: 1\nx-p: &p S\u{200b}PY\ntasks:\n  a: {agentId: 47, projectPreference: project-for-task, prompt: *p}\n", "4:65", "U+200B"),
    ];
    for (text, at, message) in table {
        let text = whole(text);
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{text}: {findings:#?}") };
        assert_eq!((finding.code.as_str(), finding.severity), ("altered-text", Severity::Note));
        let start = finding.place.as_ref().unwrap().span.start;
        let column = text[..start].chars().rev().take_while(|c| *c != '\n').count() + 1;
        assert_eq!(format!("{}:{column}", line(&text, finding)), at, "{text}: {finding:?}");
        assert!(finding.message.contains(message), "{text}: {finding:?}");
        assert_eq!(finding.help.len(), 1, "{text}");
    }
    let repo = Repo::new();
    repo.tasks("a: {promptFile: p.md}").write("p.md", "Buy S\u{200b}PY\n").commit("tasks");
    for command in ["validate", "plan --emulator"] {
        let ran = run(&repo, command);
        let words = "note[altered-text]: `promptFile` of task `a` is not sent as it is written";
        assert!(ran.code == 0 && ran.err.contains(words), "{command}: {ran:?}");
    }
}

#[test]
fn a_prompt_that_git_knows_and_that_is_not_there_is_told_with_the_command_that_brings_it() {
    let origin = Repo::new();
    origin.write("sub/s.md", "Buy SPY").commit("sub");
    let repo = Repo::new();
    let url = format!("file://{}", origin.path().display());
    repo.git(&format!("-c protocol.file.allow=always submodule --quiet add {url} mod"));
    repo.write("real/real.md", "Buy SPY").write("keep/k.md", "x");
    let link = |target: &str, at: &str| {
        std::os::unix::fs::symlink(target, repo.path().join(at)).unwrap();
    };
    link("real/real.md", "link.md");
    link("real", "folder");
    link("real.md", "real/near.md");
    let fields =
        ["link.md", "folder/real.md", "real/near.md", "mod/sub/s.md", "real/gone.md", "keep/k.md"];
    let tasks = |file: &str| format!("a: {{promptFile: {file}}}");
    repo.tasks(&tasks("link.md")).commit("all");
    let plain = repo.clone_with("-c core.symlinks=false");
    let sparse = repo.clone_with("--sparse");
    let checkout = "`git config core.symlinks true && git checkout -- ";
    #[rustfmt::skip]
    let table = [
        (&plain, fields[0], "it holds only `real/real.md`", format!("{checkout}link.md`")),
        (&plain, fields[1], "`folder` is a symbolic link that was checked out as a plain file", format!("{checkout}folder`")),
        (&plain, fields[2], "it holds only `real.md`", format!("{checkout}real/near.md`")),
        (&plain, fields[3], "is in a submodule that is not checked out", "`git submodule update --init mod`".to_owned()),
        (&plain, fields[4], "No such file", "relative to the manifest".to_owned()),
        (&sparse, fields[5], "is left out by the sparse checkout", "`git sparse-checkout add keep`".to_owned()),
    ];
    for (repo, file, why, help) in table {
        repo.tasks(&tasks(file));
        let ran = run(repo, "validate");
        assert_eq!(ran.code, 1, "{file}: {}", ran.err);
        assert!(ran.err.contains(why) && ran.err.contains(&help), "{file}: {}", ran.err);
    }
    // A link that is one, a prompt that was written in its place, and what the help does.
    run(repo.tasks(&tasks("link.md")), "validate").expect(0, &["Valid: 1 task"]);
    plain.tasks(&tasks("link.md"));
    plain.git("config core.symlinks true");
    plain.git("checkout -- link.md");
    run(&plain, "validate").expect(0, &["Valid: 1 task"]);
    plain.git("rm -q --cached link.md");
    std::fs::remove_file(plain.path().join("link.md")).unwrap();
    plain.write("link.md", "Buy QQQ");
    run(&plain, "validate").expect(0, &["Valid: 1 task"]);
}
