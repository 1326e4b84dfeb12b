//! Words that `vocabulary.md` replaced: they occur in no source, document, help or output.

use std::fs;
use std::path::{Path, PathBuf};

use super::{rust_files, text};
use crate::support::repo::Repo;

/// Words that nothing holds. What says `run` of a deployment is told by the words around it.
const FORBIDDEN: &[&str] = &[
    "hint:",
    "holds back",
    "hold back",
    "asks nobody",
    "the way out",
    "way on",
    "ways on",
    "way past",
    "of ours",
    "what became of",
    "made good",
    "retire",
    "retires",
    "retired",
    "retiring",
    "withheld",
    "unclear",
    "wish",
    "wishes",
    "twin",
    "twins",
    "rung",
    "rungs",
    "ladder",
    "new run",
    "new runs",
    "paid run",
    "paid runs",
    "past run",
    "past runs",
    "declared run",
    "declared runs",
    "another run",
    "no run",
    "each run",
    "every run",
    "its runs",
    "duplicate run",
    "duplicate runs",
];

/// Words that no page of the documents holds outside of code; sources still hold some of them.
const FORBIDDEN_IN_PAGES: &[&str] = &[
    "way on",
    "ways on",
    "way past",
    "of ours",
    "retire",
    "retires",
    "retired",
    "retiring",
    "withheld",
    "unclear",
    "what became of",
    "stands in",
    "is told",
    "are told",
    "made good",
    "wish",
    "twin",
    "twins",
    "rung",
    "rungs",
    "ladder",
    "fate",
    "carry out",
    "carries out",
    "afresh",
    "a run",
    "the run",
    "each run",
    "no run",
    "declared run",
    "declared runs",
    "past runs",
];

const COMMANDS: &[&str] = &[
    "",
    "init",
    "validate",
    "plan",
    "apply",
    "transcript",
    "status",
    "pull",
    "destroy",
    "emulator",
    "schema",
    "completions",
    "man",
];

/// Returns each of `words` that a text holds, with the line that holds it.
fn found_in(place: &str, text: &str, words: &[&str]) -> Vec<String> {
    // A sentence may be broken anywhere, in a comment too.
    let plain = text.to_lowercase().replace("///", "").replace("//!", "").replace("//", "");
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    words
        .iter()
        .filter(|word| text::holds(&plain, word))
        .map(|word| {
            let line = text.lines().position(|line| text::holds(&line.to_lowercase(), word));
            let line = line.map_or_else(String::new, |line| format!(":{}", line + 1));
            format!("{place}{line}: `{word}`")
        })
        .collect()
}

/// Every document and example of the package, and the action.
fn documents() -> Vec<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut found) = (vec![package.join("docs"), package.join("examples")], Vec::new());
    open.extend([package.join("README.md"), package.join("action.yml")]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending != "png") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_source_and_no_document_holds_a_forbidden_word() {
    let sources = rust_files(Path::new("src")).into_iter();
    let sources = sources.map(|(file, text)| (format!("src/{file}"), text));
    let documents = documents().into_iter();
    let documents =
        documents.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()));
    let all: Vec<(String, String)> = sources.chain(documents).collect();
    let found: Vec<String> =
        all.iter().flat_map(|(place, text)| found_in(place, text, FORBIDDEN)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The text of a page without what it quotes from the program: blocks and spans of code.
fn without_code(page: &str) -> String {
    let (mut is_code, mut text) = (false, String::new());
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        let spans = line.split('`').step_by(2).filter(|_| !is_code);
        text.extend(spans.chain(["\n"]));
    }
    text
}

#[test]
fn no_page_holds_a_word_that_the_vocabulary_replaced() {
    let pages = documents().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md"));
    let architecture = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let pages: Vec<PathBuf> = pages.chain([architecture]).collect();
    assert!(pages.len() > 15, "{}", pages.len());
    let found: Vec<String> = pages
        .iter()
        .flat_map(|path| {
            let text = without_code(&fs::read_to_string(path).unwrap());
            found_in(&path.display().to_string(), &text, FORBIDDEN_IN_PAGES)
        })
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_help_and_no_output_of_a_long_scenario_holds_a_forbidden_word() {
    let mut said = String::new();
    let repo = Repo::new();
    for command in COMMANDS {
        for help in ["-h", "--help"] {
            let words = [*command, help].map(str::to_owned);
            said.push_str(&repo.run(&words[usize::from(command.is_empty())..]).out);
        }
    }
    let mut run = |words: &str| {
        let ran = repo.qcops(words);
        said.push_str(&ran.out);
        said.push_str(&ran.err);
    };
    repo.tasks("a: {promt: p}");
    run("plan");
    repo.tasks("a: {prompt: p, deployments: {first: {followUps: [more]}}}\nb: {prompt: q}");
    for command in ["plan", "apply", "plan --target c", "plan --dry-run"] {
        run(command);
    }
    repo.commit("first");
    run("apply --yes --wait --poll-interval 10ms --output html=page.html");
    repo.tasks("a: {prompt: changed, protect: true}").commit("second");
    let outputs = "--output json=plan.json --output markdown=plan.md --output html=plan.html";
    for command in [
        &format!("plan {outputs}"),
        "plan --prune",
        "apply --yes --prune",
        "status",
        "status --format json",
        "transcript a/first",
        "destroy",
        "pull",
        "plan --snapshot none",
    ] {
        run(command);
    }
    for file in ["page.html", "plan.json", "plan.md", "plan.html"] {
        said.push_str(&repo.read(file));
    }
    assert!(said.len() > 20_000, "{}", said.len());
    let found = found_in("help or output", &said, FORBIDDEN);
    assert!(found.is_empty(), "\n{}\n{said}", found.join("\n"));
}

#[test]
fn a_forbidden_word_is_found_wherever_it_is_planted() {
    let rows = [
        ("a doc comment", "/// A page that asks\n/// nobody for anything.\nfn f() {}"),
        ("a help text", "  --prune  Show what Holds back a step"),
        ("an error", "error: x\n  hint: do y"),
        ("a string", "let words = format!(\"nothing holds back the rest\");"),
        ("two lines", "what holds\nback a step"),
    ];
    for (place, text) in rows {
        assert!(!found_in(place, text, FORBIDDEN).is_empty(), "{place}");
    }
    let page =
        without_code("It starts a\nrun.\n```text\nthe twin of ours\n```\nA `retired` word.\n");
    assert_eq!(found_in("page", &page, FORBIDDEN_IN_PAGES), ["page: `a run`"]);
    let free = "hinted: householders backing, tasks nobody, the way outside";
    assert_eq!(found_in("free", free, FORBIDDEN), Vec::<String>::new());
}
