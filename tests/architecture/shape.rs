//! What holds between the files of a module and over the whole crate: no cycle, one name for one
//! type, no permission that nobody uses, no function that does not fit a screen.

use std::collections::{BTreeMap, BTreeSet};

use super::text;

/// A file below `src` and its text.
type Source = (String, String);

/// The most lines of a function.
const LONGEST_FUNCTION: usize = 60;

/// Returns the code of a file without comments, literals and tests.
fn production(text: &str) -> String {
    let code = text::without_comments_and_literals(text);
    text::down_to_tests(&code).unwrap_or_default().to_owned()
}

/// Returns the path of the module that a file holds: `plan::guards`.
fn module_of(file: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// Returns the imports that lead from a file to another one and back, in a sentence for each group of
/// files. What a file and the folder it stands in have of each other is no cycle: one holds the other.
pub(super) fn cycles(sources: &[Source]) -> Vec<String> {
    let codes: BTreeMap<String, String> =
        sources.iter().map(|(file, text)| (module_of(file), production(text))).collect();
    let handed_on: BTreeMap<&str, BTreeMap<String, String>> =
        codes.iter().map(|(module, code)| (module.as_str(), text::re_exports(code))).collect();
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (module, code) in &codes {
        let beside = text::paths_behind(code, "super::").into_iter();
        let beside = beside.map(|path| format!("{}::{path}", parent(module)));
        let paths = text::crate_paths(code).into_iter().chain(beside);
        let targets = paths.filter_map(|path| file_of(&path, &codes, &handed_on));
        let is_edge = |target: &String| {
            let is_inside = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}::"));
            let is_same_top = target.split("::").next() == module.split("::").next();
            is_same_top && !is_inside(target, module) && !is_inside(module, target)
        };
        edges.insert(module, targets.filter(is_edge).collect());
    }
    groups(&edges)
}

/// Returns the file that defines what a path names, through what folders hand on.
fn file_of(
    path: &str,
    codes: &BTreeMap<String, String>,
    handed_on: &BTreeMap<&str, BTreeMap<String, String>>,
) -> Option<String> {
    let mut module = path;
    while !codes.contains_key(module) {
        module = module.rsplit_once("::")?.0;
    }
    let name = path[module.len()..].trim_start_matches("::").split("::").next()?;
    let source = handed_on.get(module).and_then(|names| names.get(name));
    let source = source.map(|source| format!("{module}::{source}"));
    Some(source.filter(|source| codes.contains_key(source)).unwrap_or_else(|| module.to_owned()))
}

fn groups(edges: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let reached = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<String> = vec![start.to_owned()];
        while let Some(module) = open.pop() {
            for next in edges.get(module.as_str()).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    };
    let all: BTreeMap<&str, BTreeSet<String>> =
        edges.keys().map(|module| (*module, reached(module))).collect();
    let mut found = BTreeSet::new();
    for (module, reached) in all.iter().filter(|(module, reached)| reached.contains(**module)) {
        let is_in_cycle = |other: &&String| {
            all.get(other.as_str()).is_some_and(|reached| reached.contains(*module))
        };
        let group: Vec<&str> = reached.iter().filter(is_in_cycle).map(String::as_str).collect();
        found.insert(format!("import each other: {}", group.join(", ")));
    }
    found.into_iter().collect()
}

/// Returns the modules that a row of the table allows and nothing in the module uses.
pub(super) fn unused_permissions(table: &[super::Row], sources: &[Source]) -> Vec<String> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources {
        let top = module_of(file).split("::").next().unwrap_or_default().to_owned();
        let paths = text::crate_paths(&production(text)).into_iter();
        let tops = paths.filter_map(|path| path.split("::").next().map(str::to_owned));
        used.entry(top).or_default().extend(tops);
    }
    let rows = table.iter().flat_map(|(module, _, allowed, ..)| {
        allowed.split_whitespace().filter(|name| *name != "*").map(move |name| (*module, name))
    });
    let is_unused = |(module, name): &(&str, &str)| {
        !used.get(*module).is_some_and(|names| names.contains(*name))
    };
    rows.filter(is_unused)
        .map(|(module, name)| format!("{module} may use {name}, and does not"))
        .collect()
}

/// Returns the types that are defined in more than one file.
pub(super) fn repeated_types(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources {
        for name in text::types(&production(text)) {
            found.entry(name).or_default().insert(file.clone());
        }
    }
    found.retain(|_, files| files.len() > 1);
    found
}

/// Returns the functions that are longer than a screen.
pub(super) fn long_functions(sources: &[Source]) -> Vec<String> {
    let of_file = |(file, text): &Source| {
        let long = text::functions(&production(text)).into_iter();
        let long = long.filter(|(_, lines)| *lines > LONGEST_FUNCTION);
        long.map(|(name, lines)| format!("{file}: {name} has {lines} lines")).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of_file).collect()
}

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_cycle_between_two_files_of_a_module_is_reported() {
    let rows: [(&[(&str, &str)], &str); 5] = [
        (&[("a/b.rs", "use crate::a::c::C;"), ("a/c.rs", "use crate::a::b::B;")], "a::b, a::c"),
        (&[("a/b.rs", "use super::c::C;"), ("a/c.rs", "use super::b::B;")], "a::b, a::c"),
        (
            &[
                ("a/mod.rs", "pub use c::C;"),
                ("a/b.rs", "use crate::a::C;"),
                ("a/c.rs", "use crate::a::b::B;"),
            ],
            "a::b, a::c",
        ),
        (
            &[
                ("a/b.rs", "use super::c::C;"),
                ("a/c.rs", "use super::d::D;"),
                ("a/d.rs", "fn f() { super::b::g() }"),
            ],
            "a::b, a::c, a::d",
        ),
        (&[("a.rs", "mod b;"), ("a/b.rs", "use super::A;"), ("a/c.rs", "use super::b::B;")], ""),
    ];
    for (files, expected) in rows {
        let found = cycles(&sources(files));
        let named: Vec<String> = (!expected.is_empty())
            .then(|| format!("import each other: {expected}"))
            .into_iter()
            .collect();
        assert_eq!(found, named, "{files:?}");
    }
}

#[test]
fn an_unused_permission_is_reported() {
    let table = [
        ("low", super::Computes, "", "", ""),
        ("mid", super::Computes, "low", "", ""),
        ("top", super::Acts, "low mid", "", ""),
    ];
    let files = sources(&[
        ("mid.rs", "use crate::low::X;"),
        ("top.rs", "use crate::mid::Y;\n#[cfg(test)]\nmod tests { use crate::low::X; }"),
    ]);
    assert_eq!(unused_permissions(&table, &files), ["top may use low, and does not"]);
}

#[test]
fn a_type_name_that_is_defined_twice_is_reported() {
    let files = sources(&[
        ("a.rs", "pub struct Plan;\ntrait T { type Item; }"),
        ("b.rs", "pub(super) enum Plan { A }\nimpl T for X { type Item = u8; }"),
        ("c.rs", "// struct Plan\ntype Plans = Vec<Plan>;"),
    ]);
    let found = repeated_types(&files);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["Plan"]);
    assert_eq!(found["Plan"].len(), 2);
}

#[test]
fn a_function_that_does_not_fit_a_screen_is_reported() {
    let body = "    work();\n".repeat(LONGEST_FUNCTION);
    let files = sources(&[
        ("a.rs", &format!("pub(super) async fn long(\n    x: u8,\n) -> u8 {{\n{body}}}\n")),
        ("b.rs", "fn short() {}\nimpl X {\n    fn inner(&self) {\n        work();\n    }\n}\n"),
    ]);
    assert_eq!(long_functions(&files), ["a.rs: long has 64 lines"]);
}
