//! The shape of the program as one table, and the guard that holds the source to it.
//!
//! What the guard cannot see: a type that arrives by inference without being named, a path that a
//! macro builds, an effect behind a dependency. Those are left to review.

mod own_text;
mod shape;
mod text;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use Part::{Acts, Computes};

/// Whether a module may touch anything outside the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Computes,
    Acts,
}

/// A module; its part; the modules it may import (`*`: all above); the crates only it may name;
/// what it may not name although its imports allow it.
type Row = (&'static str, Part, &'static str, &'static str, &'static str);

/// Every top-level module. A row names only rows above it, so no cycle can be written down.
const MODULES: &[Row] = &[
    ("model", Computes, "", "icu_properties unicode_security", ""),
    ("secret", Computes, "", "", ""),
    ("files", Acts, "", "tempfile libc", ""),
    ("exchange", Computes, "", "", ""),
    ("clock", Acts, "", "", ""),
    ("diag", Computes, "model", "", ""),
    ("kinds", Computes, "", "", ""),
    ("resource", Computes, "model kinds", "", ""),
    ("transcript", Computes, "model", "regex regex_syntax", ""),
    ("observed", Computes, "model resource transcript", "", ""),
    ("evidence", Computes, "model diag resource", "", ""),
    ("manifest", Computes, "model diag kinds resource transcript", "serde_yaml minijinja", ""),
    ("store", Acts, "model files clock", "object_store getrandom url", ""),
    ("ledger", Acts, "model store diag resource evidence", "", ""),
    ("history", Acts, "model diag kinds resource evidence manifest files", "", ""),
    ("plan", Computes, "model diag kinds resource transcript observed evidence manifest", "", ""),
    ("observation", Computes, "model kinds resource transcript observed manifest plan", "", ""),
    ("pull", Computes, "model kinds resource observed manifest", "", ""),
    ("event", Computes, "model diag transcript observed plan", "", ""),
    (
        "render",
        Computes,
        "model diag kinds resource transcript observed plan event",
        "similar annotate_snippets maud pulldown_cmark",
        "",
    ),
    ("saved", Acts, "model transcript render store", "", ""),
    (
        "api",
        Acts,
        "model secret kinds resource transcript observed clock exchange",
        "reqwest h2 hyper hyper_util regex",
        "",
    ),
    ("emulator", Acts, "files clock exchange", "axum", ""),
    (
        "apply",
        Acts,
        "model diag kinds resource transcript observed plan event render saved clock api store ledger",
        "",
        "plan::plan Object::new",
    ),
    (
        "engine",
        Acts,
        "model diag evidence history manifest ledger store observation observed plan event api apply clock",
        "",
        "std::env std::process print! println! eprint! eprintln! stdout stderr",
    ),
    (
        "doctor",
        Acts,
        "model diag evidence history ledger store files api render clock",
        "",
        "std::env std::process print! println! eprint! eprintln! stdout stderr",
    ),
    ("cli", Acts, "*", "clap clap_complete clap_mangen indicatif terminal_size", ""),
];

/// What a module that only computes may not name; questions of `Path` read the disk, too.
const EFFECTS: &str = "std::fs std::net std::env std::process std::thread tokio:: .await \
                       SystemTime Instant::now Timestamp::now Zoned::now \
                       io::stdin stdin( stdout( stderr( \
                       .exists() .try_exists() .is_file() .is_dir() .read_dir() .canonicalize() \
                       .metadata() .symlink_metadata()";

/// The only files that may open a secret; they put it into a signature and nowhere else.
const OPENERS: &[&str] = &["api/http.rs", "api/sign.rs"];

/// The most lines of a file, its tests left out, that a reader takes in at one sitting.
const LONGEST: usize = 500;

#[test]
fn the_source_keeps_to_the_table() {
    let found: Vec<String> =
        sources().iter().flat_map(|(file, text)| findings(MODULES, file, text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_table_names_every_module_and_holds_no_cycle() {
    let lib = text::without_comments_and_literals(include_str!("../src/lib.rs"));
    let lines = lib.lines().map(str::trim).filter(|line| !line.is_empty());
    let declared: BTreeSet<&str> = lines
        .map(|line| line.strip_prefix("pub mod ").and_then(|line| line.strip_suffix(';')))
        .map(|module| module.expect("lib.rs holds nothing but `pub mod` lines"))
        .collect();
    assert_eq!(declared, MODULES.iter().map(|row| row.0).collect(), "lib.rs, and the table");
    let rows: Vec<&str> = include_str!("../ARCHITECTURE.md")
        .lines()
        .filter(|line| line.contains("| computes |") || line.contains("| acts |"))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    let table: Vec<&str> = MODULES.iter().map(|row| row.0).collect();
    assert_eq!(rows, table, "ARCHITECTURE.md, Code map");
    for (index, (module, _, allowed, ..)) in MODULES.iter().enumerate() {
        for name in allowed.split_whitespace().filter(|name| *name != "*") {
            let is_above = MODULES[..index].iter().any(|earlier| earlier.0 == name);
            assert!(is_above, "{module} names {name}, which is not above it");
        }
    }
}

#[test]
fn no_two_files_of_a_module_import_each_other() {
    let found = shape::cycles(&sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_permission_of_the_table_is_used() {
    let found = shape::unused_permissions(MODULES, &sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_type_name_stands_for_one_type() {
    let found = shape::repeated_types(&sources());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_function_fits_a_screen() {
    let found = shape::long_functions(&sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn main_hands_over_to_cli() {
    let main = text::without_comments_and_literals(include_str!("../src/main.rs"));
    for rest in main.split("qcops::").skip(1) {
        assert!(rest.starts_with("cli::"), "main.rs may use nothing but qcops::cli");
    }
}

#[test]
fn every_public_function_is_called() {
    // Until the commands exist, most of what they will call has no caller.
    if MODULES.iter().all(|row| row.0 != "cli") {
        return;
    }
    let callers = rust_files(Path::new("tests")).into_iter();
    let callers: Vec<String> = callers
        // The guard's own words would hide functions of the same name.
        .filter(|(file, _)| !file.starts_with("architecture"))
        .map(|(_, text)| text)
        .collect();
    let found = uncalled(&sources(), &callers);
    assert!(found.is_empty(), "nothing but its own tests names\n{}\n", found.join("\n"));
}

/// Returns what is wrong with the text of `file`, which is a path below `src`.
fn findings(table: &[Row], file: &str, text: &str) -> Vec<String> {
    let module = file.split(['/', '.']).next().expect("a split has a first part");
    let Some(index) = table.iter().position(|row| row.0 == module) else {
        return vec![format!("{file}: no row of the table")];
    };
    let (_, part, allowed, _, bans) = table[index];
    let code = text::without_comments_and_literals(text);
    let code = match text::down_to_tests(&code) {
        Ok(code) => code,
        Err(fault) => return vec![format!("{file}: {fault}")],
    };
    let paths = text::crate_paths(code);
    let mut found = Vec::new();

    for path in &paths {
        let used = path.split("::").next().unwrap_or_default();
        let is_named = allowed.split_whitespace().any(|name| name == used);
        let is_above = table[..index].iter().any(|row| row.0 == used);
        if used != module && !is_named && !(allowed == "*" && is_above) {
            found.push(format!("may not use crate::{used}"));
        }
        if used != module && path.ends_with("::*") {
            found.push(format!("crate::{path} hides what is used"));
        }
    }
    let own_crates: Vec<&str> = table[index].3.split_whitespace().collect();
    for (owner, _, _, crates, _) in table.iter().filter(|row| row.0 != module) {
        let foreign = crates.split_whitespace().filter(|name| !own_crates.contains(name));
        for name in foreign.filter(|name| text::names_crate(code, name)) {
            found.push(format!("only {owner} may name the crate {name}"));
        }
    }
    for ban in bans.split_whitespace() {
        if text::holds(code, ban) || paths.contains(ban) {
            found.push(format!("{module} may not name {ban}"));
        }
    }
    for effect in EFFECTS.split_whitespace() {
        if part == Computes && text::holds(code, effect) {
            found.push(format!("only computes, and names {effect}"));
        }
    }
    let opens = code.contains(".expose(") || code.contains("Secret::expose");
    if opens && !OPENERS.contains(&file) {
        found.push("may not open a secret".to_owned());
    }

    let has_bare_group =
        code.lines().any(|line| line.trim_start().trim_start_matches("pub ").starts_with("use {"));
    let is_root = file == format!("{module}.rs") || file == format!("{module}/mod.rs");
    let habits = [
        (code.contains("use std::{"), "one `use` a module, not `use std::{`"),
        (code.contains("crate::{"), "one `use` a module, not `use crate::{`"),
        (has_bare_group, "one `use` a crate, not `use {`"),
        (code.contains("pub use crate::"), "a word has one home: no re-export of other modules"),
        (code.contains("super::super"), "write crate::, not super::super"),
        (is_root && code.contains("super::"), "the root of a module writes crate::, not super::"),
        (code.lines().count() > LONGEST, "longer than the limit without its tests"),
    ];
    found.extend(habits.iter().filter(|habit| habit.0).map(|habit| habit.1.to_owned()));
    found.iter().map(|finding| format!("{file}: {finding}")).collect()
}

/// Returns the public functions of `sources` that no code names, tests below `src` left out.
///
/// Names are compared as words: of two functions with one name, one call is enough.
fn uncalled(sources: &[(String, String)], callers: &[String]) -> Vec<String> {
    let production = |text: &String| {
        let code = text::without_comments_and_literals(text);
        text::down_to_tests(&code).unwrap_or_default().to_owned()
    };
    let sources: Vec<_> = sources.iter().map(|(file, text)| (file, production(text))).collect();
    let callers = callers.iter().map(|text| text::without_comments_and_literals(text));
    let used: BTreeSet<String> = sources
        .iter()
        .map(|(_, code)| text::used_words(code))
        .chain(callers.map(|code| text::used_words(&code)))
        .flatten()
        .collect();
    let public = |(file, code): &(&String, String)| {
        let names = text::public_functions(code).into_iter().filter(|name| !used.contains(name));
        names.map(|name| format!("{file}: {name}")).collect::<Vec<_>>()
    };
    sources.iter().flat_map(public).collect()
}

/// Every file of a module below `src` with its text; `tests.rs` files are tests as a whole.
fn sources() -> Vec<(String, String)> {
    let is_module = |file: &str| !["lib.rs", "main.rs"].contains(&file);
    let is_test = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    let files = rust_files(Path::new("src")).into_iter();
    files.filter(|(file, _)| is_module(file) && !is_test(file)).collect()
}

/// Every Rust file below `folder` of the package: its path from there, with slashes, and its text.
fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = vec![folder.clone()];
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder of the package can be read");
            paths.extend(entries.map(|entry| entry.expect("an entry can be read").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(&folder).expect("it was found there");
            let file = file.to_str().expect("our file names are ASCII").replace('\\', "/");
            found.push((file, fs::read_to_string(&path).expect("a source file can be read")));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{} holds no source", folder.display());
    found
}

/// The table of the planted violations below.
const PLANTED: &[Row] = &[
    ("secret", Computes, "", "", ""),
    ("manifest", Computes, "", "serde_yaml", ""),
    ("ledger", Acts, "model files evidence", "", ""),
    ("plan", Computes, "manifest", "", ""),
    ("api", Acts, "secret", "reqwest", ""),
    ("apply", Acts, "plan api", "", "plan::plan Object::new"),
    (
        "engine",
        Acts,
        "model diag evidence history manifest ledger store observation observed plan event api apply clock",
        "",
        "std::env std::process print! println! eprint! eprintln! stdout stderr",
    ),
    ("cli", Acts, "*", "", ""),
];

#[test]
fn the_guard_reports_what_breaks_the_table() {
    let table = [
        ("plan/mod.rs", "use crate::api::X;", "may not use crate::api"),
        ("plan/mod.rs", "fn f() { crate::api::g() }", "may not use crate::api"),
        ("plan.rs", "pub(crate) use crate::later::X;", "may not use crate::later"),
        ("api/mod.rs", "use crate::cli::X;", "may not use crate::cli"),
        ("cli/mod.rs", "use crate::plan::*;", "hides what is used"),
        ("other.rs", "", "no row"),
        ("plan/mod.rs", "use std::fs;", "names std::fs"),
        ("plan/mod.rs", "use tokio::time;", "names tokio::"),
        ("plan/mod.rs", "let now = Timestamp::now();", "names Timestamp::now"),
        ("plan/mod.rs", "if path.exists() {}", "names .exists()"),
        ("plan/mod.rs", "use std::io::stdin;", "names io::stdin"),
        ("plan/mod.rs", "use std::{fmt, io};", "not `use std::{`"),
        ("cli/mod.rs", "use crate::{api, plan};", "not `use crate::{`"),
        ("api/mod.rs", "serde_yaml::from_str(text)", "only manifest may name the crate serde_yaml"),
        ("cli/mod.rs", "use reqwest as web;", "only api may name the crate reqwest"),
        ("cli/mod.rs", "::reqwest::Client", "only api may name the crate reqwest"),
        ("apply/mod.rs", "plan::plan(&inputs)", "may not name plan::plan"),
        ("apply/mod.rs", "use crate::plan::{Plan, plan as think};", "may not name plan::plan"),
        ("apply/mod.rs", "Object::new(kind)", "may not name Object::new"),
        ("cli/mod.rs", "token.expose()", "may not open a secret"),
        ("api/client.rs", "map(Secret::expose)", "may not open a secret"),
        ("cli/mod.rs", "use super::api;", "not super::"),
        ("cli/args.rs", "use super::super::api;", "not super::super"),
        ("cli/mod.rs", "pub use crate::plan::Plan;", "no re-export"),
        ("plan.rs", "#[cfg(test)]\nuse std::fs;\nfn f() {}", "before `mod tests`"),
        ("plan.rs", "#[cfg(test)]\nmod tests {}\n#[cfg(test)]\nfn f() {}", "before `mod tests`"),
        ("plan.rs", "mod tests {}", "before `mod tests`"),
    ];
    for (file, text, expected) in table {
        let found = findings(PLANTED, file, text);
        assert!(found.iter().any(|f| f.contains(expected)), "{file}: `{text}` gave {found:?}");
    }
    let long = "fn f();\n".repeat(LONGEST + 1);
    assert_eq!(findings(PLANTED, "plan.rs", &long).len(), 1);
}

#[test]
fn the_guard_lets_pass_what_keeps_to_the_table() {
    let table = [
        ("plan/mod.rs", "use crate::manifest::{A, B};\nuse crate::plan::guards;"),
        ("plan/mod.rs", "// crate::api, std::fs\nconst HELP: &str = \"crate::api std::fs\";"),
        ("plan/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n use super::*;\n}"),
        ("plan/diff.rs", "use super::Plan;"),
        ("apply/mod.rs", "use crate::plan::{Plan, planner};\nMyObject::new()"),
        ("api/sign.rs", "token.expose()"),
        ("api/http.rs", "use reqwest::Client;"),
        ("cli/mod.rs", "use crate::api::reqwest::X;\nmy_reqwest::f()"),
        (
            "cli/mod.rs",
            "use crate::api::X;\nuse std::io::stdin;\nlet serde_yaml = crate::secret::X;",
        ),
    ];
    for (file, text) in table {
        assert_eq!(findings(PLANTED, file, text), Vec::<String>::new(), "{file}: `{text}`");
    }
}

#[test]
fn the_guard_reports_public_functions_without_a_caller() {
    let source = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let sources = [
        source("plan/mod.rs", "pub use diff::{diff, gone};\nfn f() { Step::called(1) }"),
        source("plan/diff.rs", "pub fn diff() {}\npub fn gone() {}\npub const fn called() {}"),
        source("cli.rs", "pub async fn run() {}\n#[cfg(test)]\nmod tests { fn t() { gone() } }"),
    ];
    assert_eq!(
        uncalled(&sources, &["diff(); // run".to_owned()]),
        ["plan/diff.rs: gone", "cli.rs: run"]
    );
}
