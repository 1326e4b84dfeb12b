//! The documents are true and complete.
//!
//! Parts between `<!-- begin NAME: ... -->` and `<!-- end NAME -->` are made from the program;
//! `UPDATE_DOCS=1 cargo test --test tests docs` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use qcops::cli::Exit;
use qcops::diag::{CHECKS, Code, GapReason};
use qcops::emulator::{FAULTS, LATE, QUIRKS, Quirks};
use qcops::manifest::{Chapter, Row, reference};

use crate::support::repo::Repo;

const COMMANDS: &[&str] = &[
    "init",
    "validate",
    "plan",
    "apply",
    "transcript",
    "status",
    "pull",
    "destroy",
    "unlock",
    "doctor",
    "emulator",
    "schema",
    "completions",
    "man",
];

const SCHEMAS: &[&str] = &[
    "manifest",
    "plan",
    "every-plan",
    "every-status",
    "saved-plan",
    "snapshot",
    "report",
    "status",
    "doctor",
    "transcript",
];

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(package(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a generated part of a document with what it should be, or writes it.
fn expect_part(path: &str, name: &str, expected: &str) {
    let text = read(path);
    let begin = text.find(&format!("<!-- begin {name}:")).unwrap_or_else(|| panic!("{path}"));
    let start = begin + text[begin..].find("-->\n").unwrap() + "-->\n".len();
    let end = start + text[start..].find(&format!("<!-- end {name} -->")).unwrap();
    if text[start..end] == *expected {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(package(path), format!("{}{expected}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    let (shown, desired) = (lines(&text[start..end]), lines(expected));
    let missing: Vec<&&str> = desired.difference(&shown).collect();
    let extra: Vec<&&str> = shown.difference(&desired).collect();
    panic!(
        "{path}: the part `{name}` is out of date.\nmissing: {missing:#?}\nnot true: {extra:#?}\n\
         `UPDATE_DOCS=1 cargo test --test tests docs` writes it anew."
    );
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

#[test]
fn every_gap_of_the_evidence_is_documented() {
    let page = read("docs/identity.md");
    for code in GapReason::CODES {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let mut table = String::from("| code | meaning |\n|---|---|\n");
    for (exit, sentence) in Exit::ALL {
        table.push_str(&row(&[&exit.code().to_string(), sentence]));
    }
    expect_part("README.md", "exit codes", &table);
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The codes in the order of their declaration, below the headings that stand over them there.
fn codes() -> Vec<(String, Vec<Code>)> {
    let mut chapters: Vec<(String, Vec<Code>)> = Vec::new();
    let source = read("src/diag/code.rs");
    let (_, declared) = source.split_once("\ncodes! {\n").unwrap();
    let (declared, _) = declared.split_once("\n}\n").unwrap();
    for line in declared.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix("// ") {
            chapters.push((heading.trim_end_matches('.').to_owned(), Vec::new()));
        } else if let Some(word) = line.split('"').nth(1) {
            // Only the first line of an entry holds the word of a code.
            if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == word) {
                chapters.last_mut().unwrap().1.push(*code);
            }
        }
    }
    let count: usize = chapters.iter().map(|(_, codes)| codes.len()).sum();
    assert_eq!(count, Code::ALL.len());
    chapters
}

#[test]
fn every_code_is_documented_with_its_kinds_its_sentence_and_its_help() {
    let mut text = String::new();
    for (heading, codes) in codes() {
        let has_overrides = codes.iter().any(|code| !code.override_flag().is_empty());
        let columns = 4 + usize::from(has_overrides);
        text.extend(["\n## ", &heading, "\n\n"]);
        text.push_str(&row(&["code", "kind", "meaning", "help", "override"][..columns]));
        text.extend(["|", &"---|".repeat(columns), "\n"]);
        for code in codes {
            let word = format!("`{code}`");
            let cells = [&word, code.kinds(), code.sentence(), code.help(), code.override_flag()];
            text.push_str(&row(&cells[..columns]));
        }
    }
    text.push('\n');
    expect_part("docs/codes.md", "codes", &text);
}

#[test]
fn the_kinds_of_a_code_are_those_that_the_source_makes_findings_of() {
    const KINDS: &[&str] = &["error", "blocked", "deferred", "warning", "note"];
    for code in Code::ALL {
        assert!(code.kinds().split(", ").all(|kind| KINDS.contains(&kind)), "{code}");
    }
    let mut seen = 0;
    let mut folders = vec![package("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.to_str().unwrap().contains("/tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if !path.is_dir() && !is_test {
                let source = fs::read_to_string(&path).unwrap();
                let (source, _) = source.split_once("#[cfg(test)]").unwrap_or((&source, ""));
                seen += check_kinds(source, &path);
            }
        }
    }
    assert!(seen > 80, "{seen}");
}

/// Checks the kind of every finding that a source makes, and counts them.
fn check_kinds(source: &str, path: &Path) -> usize {
    let source: String = source.chars().filter(|c| !c.is_whitespace()).collect();
    let mut seen = 0;
    for (made, kinds) in [
        (".error(Code::", &["error"][..]),
        ("::error(Code::", &["error"]),
        ("::blocked(Code::", &["blocked"]),
        ("::warning(Code::", &["warning"]),
        ("::note(Code::", &["note", "deferred"]),
    ] {
        for rest in source.split(made).skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap();
            let code = Code::ALL.iter().find(|code| format!("{code:?}") == rest[..end]).unwrap();
            let is_declared = code.kinds().split(", ").any(|kind| kinds.contains(&kind));
            assert!(is_declared, "{}: `{code}` is also {kinds:?}", path.display());
            seen += 1;
        }
    }
    seen
}

#[test]
fn every_override_is_a_flag_and_every_guard_that_has_one_says_so() {
    let known = flags("apply");
    for code in Code::ALL {
        let flag = code.override_flag().trim_matches('`');
        let word = flag.split(' ').next().unwrap_or_default();
        assert!(flag.is_empty() || known.contains(word), "{code}: `{flag}`");
        let is_switch = flag == format!("--allow {code}");
        assert_eq!(is_switch, Code::GUARDS.contains(code), "{code}");
    }
    let limits = read("src/plan/limits.rs");
    let is_limit =
        |flag: &&String| flag.starts_with("--max-") && limits.contains(&format!("`{flag}`"));
    let limits: Vec<&String> = known.iter().filter(is_limit).collect();
    assert!(limits.len() > 3, "{limits:?}");
    for flag in limits {
        let flag = format!("`{flag} N`");
        assert!(Code::ALL.iter().any(|code| code.override_flag() == flag), "{flag}");
    }
}

#[test]
fn the_help_of_allow_lists_every_guard_that_can_be_switched_off() {
    for command in ["plan", "apply", "destroy"] {
        let help = help(command);
        let (_, allow) = help.split_once("--allow <CODE>").unwrap();
        let (allow, _) = allow.split_once("\n\n").unwrap();
        let listed: Vec<&str> = allow.split('`').skip(1).step_by(2).collect();
        let guards: Vec<&str> = Code::GUARDS.iter().map(|code| code.as_str()).collect();
        assert_eq!(listed, guards, "{command}");
    }
}

fn help(command: &str) -> String {
    let ran = Repo::plain().run(&[command, "--help"].map(str::to_owned));
    assert_eq!(ran.code, 0, "{}", ran.err);
    // The help of a terminal has blanks at the ends of lines.
    let lines = ran.out.lines().map(str::trim_end);
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn flags(command: &str) -> BTreeSet<String> {
    let help = help(command);
    let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let flags = lines.filter_map(|line| line.split("--").nth(1)).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
        format!("--{}", &rest[..end])
    });
    flags.collect()
}

#[test]
fn every_flag_is_documented_with_its_default() {
    let mut text = String::new();
    for command in COMMANDS {
        text.extend(["\n## qcops ", command, "\n\n```text\n", &help(command), "```\n"]);
    }
    text.push('\n');
    expect_part("docs/flags.md", "flags", &text);
    let known = Repo::plain().run(&["--help".to_owned()]).out;
    let (_, commands) = known.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()) {
        let is_documented = command == "help" || COMMANDS.contains(&command);
        assert!(is_documented, "`qcops {command}` is missing from COMMANDS in tests/docs.rs");
    }
}

#[test]
fn every_variable_that_is_read_by_name_is_documented() {
    let settings = read("docs/settings.md");
    let mut variables = BTreeSet::from(["NO_COLOR".to_owned()]);
    for entry in fs::read_dir(package("src/cli")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        for opening in ["variable(\"", "env = \""] {
            let named = source.split(opening).skip(1).filter_map(|rest| rest.split('"').next());
            variables.extend(named.map(str::to_owned));
        }
    }
    let ours: Vec<&String> = variables.iter().filter(|name| name.starts_with("QCOPS_")).collect();
    assert_eq!(
        ours,
        ["QCOPS_API", "QCOPS_COLOR", "QCOPS_EMULATOR", "QCOPS_ENV", "QCOPS_LOG", "QCOPS_STORE"]
    );
    assert!(variables.len() > 3, "{variables:?}");
    for name in variables {
        assert!(settings.contains(&format!("`{name}`")), "docs/settings.md: no `{name}`");
    }
}

#[test]
fn every_check_of_doctor_is_documented() {
    let mut checks = String::from("| check | why it is made |\n|---|---|\n");
    for (name, meaning) in CHECKS {
        checks.push_str(&row(&[&format!("`{name}`"), meaning]));
    }
    expect_part("docs/doctor.md", "checks", &checks);
}

#[test]
fn every_quirk_and_every_fault_is_documented() {
    let mut quirks = String::from("| quirk | values | default | meaning |\n|---|---|---|---|\n");
    for (spec, (name, default)) in QUIRKS.iter().zip(Quirks::default().settings()) {
        assert_eq!(spec.name, name);
        let values: Vec<String> = spec.values.iter().map(|value| format!("`{value}`")).collect();
        let values =
            if values.is_empty() { "a whole number".to_owned() } else { values.join(", ") };
        quirks.push_str(&row(&[
            &format!("`{name}`"),
            &values,
            &format!("`{default}`"),
            spec.about,
        ]));
    }
    expect_part("docs/emulator.md", "quirks", &quirks);
    let mut faults = String::from("| fault | meaning |\n|---|---|\n");
    for (name, sentence) in
        FAULTS.iter().map(|(name, _, sentence)| (*name, *sentence)).chain([LATE])
    {
        faults.push_str(&row(&[&format!("`{name}`"), sentence]));
    }
    expect_part("docs/emulator.md", "faults", &faults);
}

#[test]
fn the_schemas_are_those_that_the_program_prints() {
    for what in SCHEMAS {
        let ran = Repo::plain().run(&["schema".to_owned(), (*what).to_owned()]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        expect_file(&format!("docs/schema/{what}.json"), &ran.out);
    }
    let known = help("schema");
    let (_, known) = known.split_once("Possible values:\n").unwrap();
    let (known, _) = known.split_once("\n\n").unwrap();
    let known = known.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next());
    assert_eq!(known.collect::<Vec<_>>(), SCHEMAS, "SCHEMAS in tests/docs.rs");
}

/// Compares a generated file with what it should be, or writes it.
fn expect_file(path: &str, expected: &str) {
    if fs::read_to_string(package(path)).is_ok_and(|text| text == expected) {
        return;
    }
    let is_asked = std::env::var_os("UPDATE_DOCS").is_some();
    assert!(is_asked, "{path}: `UPDATE_DOCS=1 cargo test --test tests docs` writes it anew");
    fs::create_dir_all(package(path).parent().unwrap()).unwrap();
    fs::write(package(path), expected).unwrap();
}

#[test]
fn the_manifest_reference_is_made_of_the_fields_that_are_read() {
    let mut text = String::new();
    for Chapter { title, rows } in reference() {
        text.extend(["\n## ", title, "\n\n"]);
        text.push_str("| field | holds | left out | meaning |\n|---|---|---|---|\n");
        for row in &rows {
            let cells = [&format!("`{}`", row.name), &row.holds, row.default, row.about];
            text.push_str(&self::row(&cells));
        }
        let example = |row: &Row| match row.instead_of {
            Some(other) => format!("# in place of `{other}`:\n# {}: {}\n", row.name, row.example),
            None => format!("{}: {}\n", row.name, row.example),
        };
        text.push_str("\n```yaml\n");
        text.extend(rows.iter().map(example));
        text.push_str("```\n");
    }
    text.push('\n');
    expect_part("docs/manifest.md", "fields", &text);
}

#[test]
fn every_whole_manifest_of_the_pages_is_valid() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            if !block.starts_with("version: 1\n") || !block.contains("\ntasks:") {
                continue;
            }
            let repo = Repo::new();
            repo.write("prompts/momentum.md", "Research momentum");
            if block.contains("matrix:") {
                repo.write("prompts/momentum.md", "{{ symbol }} {{ window }} {{ capital }}");
            }
            repo.write("prompts/value.md", "Buy what is cheap")
                .write("prompts/risk.md", "Risk little");
            for file in ["rules", "researcher"] {
                repo.write(&format!("agents/{file}.md"), "Be brief");
            }
            for file in ["summarizer", "validator"] {
                repo.write(&format!("agents/{file}.md"), "---\nmaxTurns: 9\n---\nSummarize");
            }
            let manifest = block.replace("${QC_ORGANIZATION_ID}", "organization");
            repo.write("tasks.yaml", &manifest);
            let ran = repo.run(&["validate".to_owned()]);
            assert_eq!(ran.code, 0, "{}: {block}\n{}{}", page.display(), ran.out, ran.err);
            count += 1;
        }
    }
    assert!(count > 3, "{count}");
}

#[test]
fn the_minimum_rust_version_is_the_same_wherever_it_is_written() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    let version = version.unwrap().trim_end_matches('"');
    assert!(read("README.md").contains(&format!("Rust {version} or later")), "README.md");
    assert!(read("clippy.toml").contains(&format!("msrv = \"{version}\"")), "clippy.toml");
}

/// A repository with a copy of the examples.
fn with_examples() -> Repo {
    let repo = Repo::new();
    let texts = [
        "agents/rotation-researcher.md",
        "prompts/earnings-drift.md",
        "prompts/momentum-rotation.md",
    ];
    for file in ["tasks.yaml", "agent.yaml"].into_iter().chain(texts) {
        let path = format!("examples/{file}");
        repo.write(&path, &read(&path));
    }
    repo
}

#[test]
fn the_example_validates_applies_and_is_then_as_declared() {
    let repo = with_examples();
    let readme = read("README.md");
    let first = "apply --emulator --yes -f examples/tasks.yaml";
    assert!(readme.contains(&format!("cargo run -- {first}\n")), "README.md");
    assert!(readme.contains("\ncargo test\n"), "README.md");
    let run = |words: &str| {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let ran = repo.run(&words);
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.out, ran.err);
        ran.out
    };
    assert_eq!(
        run("validate -f examples/tasks.yaml"),
        "Valid: 1 agent, 5 tasks, 3 deployments. Agents given by name are looked up by `plan`.\n"
    );
    assert!(
        run("plan --emulator -f examples/tasks.yaml")
            .starts_with("Plan: 6 to create, 3 to deploy.")
    );
    assert!(run(first).contains("\nApply complete: 9 succeeded."));
    assert!(run(first).starts_with("No changes: 1 agent and 5 tasks are as declared."));
    run("plan --detailed-exitcode --emulator -f examples/tasks.yaml");
    assert_eq!(repo.git("status --porcelain .qcops"), "", "it ignores itself");
}

/// One command of the tour, with the output that is shown below it.
struct ShownCommand {
    command: String,
    output: String,
}

/// The commands of a page, in order.
fn session(page: &str) -> Vec<ShownCommand> {
    let mut shown: Vec<ShownCommand> = Vec::new();
    for block in read(page).split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                shown.push(ShownCommand { command: command.to_owned(), output: String::new() });
            } else if let Some(more) = line.strip_prefix("> ") {
                shown.last_mut().unwrap().command.extend(["\n", more]);
            } else {
                shown.last_mut().unwrap().output.extend([line, "\n"]);
            }
        }
    }
    shown
}

#[test]
fn the_first_screen_of_the_readme_shows_the_plan_of_its_manifest() {
    let readme = read("README.md");
    let screen: String = readme.lines().take(60).flat_map(|line| [line, "\n"]).collect();
    let (_, manifest) = screen.split_once("```yaml\n").unwrap();
    let (manifest, _) = manifest.split_once("```\n").unwrap();
    let repo = Repo::new();
    repo.write("tasks.yaml", manifest);
    let ran = repo.run(&["plan", "--emulator"].map(str::to_owned));
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let shown = without_digests(&ran.out).join("\n");
    expect_part("README.md", "plan", &format!("```text\n{shown}\n```\n"));
    for part in ["<!-- end plan -->", "\ncargo run -- ", "\ncargo test\n", "1. ", "2. ", "3. "] {
        assert!(screen.contains(part), "README.md: `{part}` is not on the first screen");
    }
    assert!(readme.len() <= 10_000, "README.md has {} bytes", readme.len());
}

#[test]
fn the_architecture_fits_250_lines_and_no_paragraph_has_more_than_five() {
    assert!(read("ARCHITECTURE.md").lines().count() <= 250);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let (mut is_code, mut length) = (false, 0);
        for line in text.lines() {
            is_code ^= line.starts_with("```");
            let item = line.trim_start_matches(|c: char| c.is_ascii_digit());
            let is_item = item.starts_with("* ") || item.starts_with(". ") || item.starts_with('|');
            let is_new = line.trim().is_empty() || is_item;
            length = if is_new || is_code { 0 } else { length } + 1;
            assert!(is_code || length <= 6, "{}: `{line}`", page.display());
        }
    }
}

/// Every page that people write: the documents of the package and those below `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![package("README.md"), package("ARCHITECTURE.md")];
    for folder in ["docs", "docs/dev"] {
        let entries = fs::read_dir(package(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages
}

#[test]
fn the_walk_of_the_architecture_enters_each_module_once() {
    let text = read("ARCHITECTURE.md");
    let (_, walk) = text.split_once("\n## One resource's walk\n").unwrap();
    let (walk, _) = walk.split_once("\n## ").unwrap();
    let rows = walk.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    let mut left: Vec<String> = Vec::new();
    let mut count = 0;
    for row in rows {
        let cell = row.split('|').nth(2).unwrap();
        let function = cell.split('`').nth(1).unwrap();
        let parts: Vec<&str> = function.split("::").collect();
        let (name, path) = parts.split_last().unwrap();
        // A method stands behind its type: `resource::Object::whole`.
        let path: Vec<&str> =
            path.iter().copied().filter(|part| !part.starts_with(char::is_uppercase)).collect();
        let file = path.join("/");
        let files = [format!("src/{file}.rs"), format!("src/{file}/mod.rs")];
        let is_there = files.iter().filter_map(|file| fs::read_to_string(package(file)).ok());
        let is_there = is_there.into_iter().any(|source| source.contains(&format!("fn {name}")));
        assert!(is_there, "ARCHITECTURE.md: no `{function}`");
        let module = path[0].to_owned();
        assert!(!left.contains(&module) || left.last() == Some(&module), "twice in `{module}`");
        left.push(module);
        count += 1;
    }
    assert!((8..=14).contains(&count), "{count}");
}

#[test]
fn the_tour_shows_what_really_happens() {
    let judged = |shown: &ShownCommand| {
        shown.command.contains("--script") && shown.output.ends_with("\n7\n")
    };
    assert!(session("docs/tour.md").iter().any(judged), "a deployment that fails its expectation");
    check_session(&with_examples(), "docs/tour.md", 20);
}

#[test]
fn the_first_steps_show_what_really_happens() {
    check_session(&Repo::plain(), "docs/getting-started.md", 13);
}

#[test]
fn the_commands_for_any_pipeline_show_what_really_happens() {
    let repo = with_examples();
    let files = [
        "tasks.yaml",
        "agents/rotation-researcher.md",
        "prompts/earnings-drift.md",
        "prompts/momentum-rotation.md",
    ];
    for file in files {
        repo.write(file, &read(&format!("examples/{file}")));
    }
    repo.commit("first");
    check_session(&repo, "docs/ci.md", 3);
}

/// Runs the commands of a page in one shell, and compares what they print.
fn check_session(repo: &Repo, page: &str, count: usize) {
    const END: &str = "=== end of a command ===\n";
    let tour = session(page);
    assert_eq!(tour.len(), count, "{page}: commands");
    let mark = format!("\nprintf '%s' '{END}'\n");
    let commands = tour.iter().flat_map(|shown| [shown.command.as_str(), mark.as_str()]);
    let script: String = commands.collect();
    let program = Path::new(env!("CARGO_BIN_EXE_qcops")).parent().unwrap().display().to_string();
    let path = std::env::var_os("PATH").unwrap_or_default().into_string().unwrap();
    let mut shell: Command = repo.command("sh");
    for role in ["AUTHOR", "COMMITTER"] {
        shell.env(format!("GIT_{role}_NAME"), "Reader").env(format!("GIT_{role}_EMAIL"), "r@x.org");
    }
    let output = shell
        .env("PATH", format!("{program}:{path}"))
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let outputs: Vec<&str> = out.split(END).collect();
    let err = String::from_utf8_lossy(&output.stderr);
    for (shown, real) in tour.iter().zip(outputs) {
        let (desired, real) = (without_ids(&shown.output), without_ids(real));
        assert!(
            is_shown(&desired.lines().collect::<Vec<_>>(), &without_digests(&real)),
            "{page}: `{}` does not print\n{desired}\nbut\n{real}\n{err}",
            shown.command
        );
    }
}

/// Whether `real` is what `shown` says, where a line `...` stands for any lines.
fn is_shown(shown: &[&str], real: &[&str]) -> bool {
    match shown.split_first() {
        None => real.is_empty(),
        Some((&"...", rest)) => (0..=real.len()).any(|skipped| is_shown(rest, &real[skipped..])),
        Some((line, rest)) => real.first() == Some(line) && is_shown(rest, &real[1..]),
    }
}

/// The lines of an output without those that only hold a hash.
fn without_digests(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("Digest: ")).collect()
}

/// Replaces the digits of deployment ids, which hang on the moment they were made.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("A-");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let is_id = part.len() - rest.len() == 32;
        clean.push_str(if is_id { "A-ID" } else { "A-" });
        clean.push_str(if is_id { rest } else { part });
    }
    clean
}

/// The words of a document that stand between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_path_that_the_documents_name_exists() {
    for document in ["ARCHITECTURE.md", "README.md", "CHANGELOG.md"] {
        let text = read(document);
        let is_ours = |word: &&str| {
            let below = ["src/", "tests/", "examples/", "docs/", ".ci/"];
            below.iter().any(|folder| word.starts_with(folder)) && !word.contains('<')
        };
        for path in quoted(&text).filter(is_ours) {
            let path = path.split_whitespace().next().unwrap_or(path);
            assert!(package(path).exists(), "{document} names `{path}`, which does not exist");
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_there = link.contains("://") || has_heading(&text, link);
            let path = link.split('#').next().unwrap_or(link);
            assert!(is_there || !path.is_empty() && package(path).exists(), "{document}: {link}");
        }
    }
}

/// Whether a link leads to a heading of the text it stands in.
fn has_heading(text: &str, link: &str) -> bool {
    let heading = |line: &str| {
        line.trim_start_matches('#').trim().to_lowercase().replace([',', '?'], "").replace(' ', "-")
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    link.strip_prefix('#').is_some_and(|link| headings.map(heading).any(|found| found == link))
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = page.parent().unwrap().join(path);
            assert!(link.contains("://") || target.exists(), "{}: {link}", page.display());
            let is_there = |line: &str| {
                let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                line.starts_with('#') && words == heading
            };
            let has_heading =
                heading.is_empty() || fs::read_to_string(&target).unwrap().lines().any(is_there);
            assert!(has_heading, "{}: {link}", page.display());
        }
    }
}

#[test]
fn files_that_the_architecture_names_below_a_module_exist() {
    // Such as `lower.rs` or `api/sign.rs`, where the module is clear from what surrounds it.
    let mut files = BTreeSet::new();
    let mut folders = vec![package("src"), package("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.display().to_string());
            }
        }
    }
    let text = read("ARCHITECTURE.md");
    let is_file = |word: &&str| {
        let is_rust = Path::new(word).extension().is_some_and(|extension| extension == "rs");
        is_rust && !word.contains('<')
    };
    for word in quoted(&text).filter(is_file) {
        let end = format!("/{word}");
        assert!(files.iter().any(|file| file.ends_with(&end)), "ARCHITECTURE.md names `{word}`");
    }
}
