//! Rust source as text: what stands in it once comments, literals and tests are gone.
//!
//! No parser: these few functions know as much of Rust's grammar as the guard needs.

use std::collections::{BTreeMap, BTreeSet};

/// Returns `text` with blanks in place of comments and literals; every line keeps its number.
pub(super) fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = silent_length(rest, code.ends_with(is_word));
        let (passed, after) = rest.split_at(length.unwrap_or(next.len_utf8()));
        match length {
            Some(_) => code.extend(passed.chars().map(|c| if c == '\n' { c } else { ' ' })),
            None => code.push_str(passed),
        }
        rest = after;
    }
    code
}

/// Returns every literal of `text`, which is code without comments, with the code before it.
pub(super) fn literals(text: &str) -> Vec<(&str, &str)> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(next) = text[at..].chars().next() {
        let (before, rest) = text.split_at(at);
        let Some(length) = silent_length(rest, before.ends_with(is_word)) else {
            at += next.len_utf8();
            continue;
        };
        if !rest.starts_with('/') {
            found.push((before, &rest[..length]));
        }
        at += length;
    }
    found
}

/// Returns the code of a file down to its unit tests, or what is wrong with their place.
pub(super) fn down_to_tests(code: &str) -> Result<&str, &'static str> {
    let (code, tests) = code.split_once("#[cfg(test)]\n").unwrap_or((code, "mod tests"));
    let is_once = !code.contains("cfg(test)") && !tests.contains("#[cfg(test)]");
    let is_last = tests.starts_with("mod tests") && !code.contains("mod tests");
    if is_once && is_last {
        Ok(code)
    } else {
        Err("`#[cfg(test)]` belongs once, at the end, before `mod tests`")
    }
}

/// Returns every path behind `crate::`, groups spelled out: `plan::Plan`, `plan::Step`, `plan::*`.
pub(super) fn crate_paths(code: &str) -> BTreeSet<String> {
    paths_behind(code, "crate::")
}

/// Returns what a file hands on of its own files: each name, and the file it comes from.
pub(super) fn re_exports(code: &str) -> BTreeMap<String, String> {
    let mut found = BTreeSet::new();
    for line in code.split('\n').filter(|line| line.starts_with("pub")) {
        if let Some((_, rest)) = line.split_once(" use ") {
            let start = code.find(line).map_or(0, |at| at + line.len() - rest.len());
            spell_out("", &code[start..], &mut found);
        }
    }
    let split = |path: String| {
        let (source, name) = path.rsplit_once("::")?;
        Some((name.to_owned(), source.to_owned()))
    };
    found.into_iter().filter_map(split).collect()
}

/// Returns the names of the types that `code` defines, those of traits left out.
pub(super) fn types(code: &str) -> BTreeSet<String> {
    let defined = code.lines().filter_map(|line| {
        let words = line.trim_start();
        let rest = match words.strip_prefix("pub") {
            Some(rest) => rest.trim_start_matches(|c: char| c != ' ').trim_start(),
            None => words,
        };
        let is_outer = words.len() == line.len();
        let kinds = ["struct ", "enum ", "trait ", "union "].iter();
        let name = kinds
            .copied()
            .chain(is_outer.then_some("type "))
            .find_map(|kind| rest.strip_prefix(kind))?;
        Some(name.chars().take_while(|&c| is_word(c)).collect::<String>())
    });
    defined.collect()
}

/// Returns each function of well-formatted code with the number of its lines.
pub(super) fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().map(str::trim_end).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some((before, rest)) = line.split_once("fn ") else { continue };
        let is_definition = before.trim().split(' ').all(|word| {
            word.is_empty()
                || word.starts_with("pub")
                || ["const", "async", "super)"].contains(&word)
        });
        let name: String = rest.chars().take_while(|&c| is_word(c)).collect();
        if !is_definition || name.is_empty() || line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        let is_end = |line: &&&str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest == "}" || rest.ends_with(';') && !rest.starts_with(' '))
        };
        let length = lines[at..].iter().skip(1).position(|line| is_end(&line)).unwrap_or(0) + 2;
        found.push((name, length));
    }
    found
}

/// Returns every path behind a root such as `super::`, groups spelled out.
pub(super) fn paths_behind(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, root) in code.match_indices(root) {
        if !code[..at].ends_with(is_word) {
            spell_out("", &code[at + root.len()..], &mut found);
        }
    }
    found
}

/// Whether `code` holds `word`, and not merely as a part of a longer word.
pub(super) fn holds(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let starts_inside = word.starts_with(is_word) && before.ends_with(is_word);
        let ends_inside = word.ends_with(is_word) && after.starts_with(is_word);
        !starts_inside && !ends_inside
    })
}

/// Whether `code` names the crate `name`: as the head of a path, or in `use name` of any form.
pub(super) fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let outer = before.strip_suffix("::");
        let is_head = !outer.unwrap_or(before).ends_with(|c| is_word(c) || c == '>');
        let is_import = before.ends_with("use ") || before.ends_with("extern crate ");
        is_head && (after.starts_with("::") || (is_import && !after.starts_with(is_word)))
    })
}

/// Returns the names of the functions that `code` makes public.
pub(super) fn public_functions(code: &str) -> BTreeSet<String> {
    ["pub fn ", "pub async fn ", "pub const fn "]
        .iter()
        .flat_map(|opening| code.split(opening).skip(1))
        .map(|rest| rest.chars().take_while(|&c| is_word(c)).collect())
        .collect()
}

/// Returns the words that `code` uses: neither the names of functions it defines nor re-exports.
pub(super) fn used_words(code: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for (index, part) in code.split("pub use ").enumerate() {
        let part = if index == 0 { part } else { part.split_once(';').map_or("", |split| split.1) };
        let mut before = "";
        for word in part.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
            if before != "fn" {
                words.insert(word.to_owned());
            }
            before = word;
        }
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Follows one tree of `use`, or one path in code, and returns what stands behind it.
fn spell_out<'t>(path: &str, tree: &'t str, found: &mut BTreeSet<String>) -> &'t str {
    let tree = tree.trim_start();
    if let Some(mut rest) = tree.strip_prefix('{') {
        loop {
            rest = spell_out(path, rest, found).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = tree.find(|c| !is_word(c) && c != '*').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(end);
    let path = match (path, name) {
        (path, "") => path.to_owned(),
        ("", name) => name.to_owned(),
        (path, name) => format!("{path}::{name}"),
    };
    if let Some(deeper) = rest.strip_prefix("::").filter(|_| !name.is_empty()) {
        return spell_out(&path, deeper, found);
    }
    found.insert(path);
    rest.strip_prefix(" as ").map_or(rest, |alias| alias.trim_start_matches(is_word))
}

/// Returns the length of the comment or literal that `rest` starts with.
fn silent_length(rest: &str, is_inside_word: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    let prefixes = ["br", "cr", "b", "c", "r"];
    let prefix = prefixes.iter().find(|prefix| !is_inside_word && rest.starts_with(**prefix));
    let prefix = prefix.map_or("", |prefix| *prefix);
    let body = &rest[prefix.len()..];
    let length = if prefix.ends_with('r') {
        raw_string_length(body)?
    } else if body.starts_with('"') {
        quoted_length(body, '"')
    } else {
        // A lifetime starts like a character and has no quote behind its first letter.
        let mut letters = body.strip_prefix('\'')?.chars();
        let is_character = letters.next()? == '\\' || letters.next()? == '\'';
        is_character.then(|| quoted_length(body, '\''))?
    };
    Some(prefix.len() + length)
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

fn raw_string_length(body: &str) -> Option<usize> {
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inner = body[hashes..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&closing).map_or(inner.len(), |at| at + closing.len());
    Some(hashes + 1 + length)
}

fn quoted_length(body: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        if !is_escaped && c == quote {
            return at + 1;
        }
        is_escaped = !is_escaped && c == '\\';
    }
    body.len()
}

#[test]
fn comments_and_literals_say_nothing_to_the_guard() {
    let silent = [
        "// crate::x\n",
        "/* a /* crate::x */ crate::x */",
        r#""crate::x""#,
        r#""\"crate::x""#,
        r#"r"crate::x""#,
        "r#\"\" crate::x\"#",
        "b\"crate::x\"",
        "'\\''; \"crate::x\"",
        "'\"'; \"crate::x\"",
        "fn f<'a>(x: &'a str) { \"crate::x\" }",
    ];
    for text in silent {
        let code = without_comments_and_literals(text);
        assert!(!code.contains("crate"), "{text} left {code}");
        assert_eq!(code.lines().count(), text.lines().count(), "{text}");
    }
    for loud in
        ["'a: crate::x", "r#type::crate::x", "\"\\\\\" crate::x", "/**/crate::x", "'ä'crate::x"]
    {
        assert!(without_comments_and_literals(loud).contains("crate::x"), "{loud}");
    }
}

#[test]
fn groups_of_imports_are_spelled_out() {
    let code =
        "use crate::plan::{self, Plan as P, guards::{GUARDS, all},\n};\ncrate::api::Client::<T>()";
    let expected = [
        "api::Client",
        "plan",
        "plan::Plan",
        "plan::guards::GUARDS",
        "plan::guards::all",
        "plan::self",
    ];
    assert_eq!(crate_paths(code), expected.map(str::to_owned).into());
}
