//! No production code reads text that it wrote itself: a reason is an enum with data, and only
//! `render` turns it into words.

use super::text;

/// A file below `src` and its text.
type Source = (String, String);

/// What compares a text with a part of it.
const COMPARISONS: &[&str] = &[
    "contains(",
    "starts_with(",
    "ends_with(",
    "strip_prefix(",
    "strip_suffix(",
    "split_once(",
    "rsplit_once(",
    "find(",
    "rfind(",
    "matches(",
    "split(",
    "replace(",
    "trim_start_matches(",
    "trim_end_matches(",
    "== ",
    "!= ",
];

/// What holds a sentence of ours.
const SENTENCES: &[&str] = &[".message", ".help", ".to_string()", ".in_words()", ".why"];

/// Words of other programs that are read behind what could be a sentence of ours.
const FOREIGN: &[(&str, &str)] = &[
    // `clap` writes its errors so.
    ("cli/mod.rs", "tip:"),
];

/// Returns where a file compares a text with words that some file writes, or a sentence with any.
pub(super) fn readers_of_own_text(sources: &[Source]) -> Vec<String> {
    let code = sources.iter().map(|(file, text)| (file, production(text)));
    let code: Vec<(&String, &str)> = code.collect();
    let literals: Vec<(&String, &str, &str)> = code
        .iter()
        .flat_map(|(file, code)| {
            text::literals(code).into_iter().map(move |(before, literal)| (*file, before, literal))
        })
        .collect();
    let is_written = |at: usize| {
        let words = inner(literals[at].2);
        literals.iter().enumerate().any(|(other, (file, before, literal))| {
            // What the emulator writes is the service's.
            other != at
                && !file.starts_with("emulator/")
                && !is_compared(before)
                && inner(literal).contains(words)
        })
    };
    let mut found = Vec::new();
    for (at, (file, before, literal)) in literals.iter().enumerate() {
        if !is_compared(before) {
            continue;
        }
        let is_foreign = FOREIGN.contains(&(file.as_str(), inner(literal)));
        let has_letters = literal.contains(|c: char| c.is_ascii_alphabetic());
        if is_of_sentence(before) && has_letters && !is_foreign
            || (is_phrase(inner(literal)) && is_written(at))
        {
            let line = before.lines().count();
            found.push(format!("{file}:{line}: reads {literal}"));
        }
    }
    found
}

fn production(text: &str) -> &str {
    text.split_once("#[cfg(test)]\n").map_or(text, |(code, _)| code)
}

fn inner(literal: &str) -> &str {
    literal.trim_start_matches(['b', 'r', '#']).trim_matches(['"', '\'', '#'])
}

fn is_compared(before: &str) -> bool {
    let before = before.trim_end_matches('&');
    COMPARISONS.iter().any(|comparison| before.ends_with(comparison))
}

/// Whether the compared text is the value of a field or a call that holds a sentence.
fn is_of_sentence(before: &str) -> bool {
    let comparison = COMPARISONS.iter().find(|comparison| before.ends_with(**comparison));
    let receiver = &before[..before.len() - comparison.map_or(0, |comparison| comparison.len())];
    let receiver = receiver.trim_end_matches(['.', ' ']);
    SENTENCES.iter().any(|sentence| receiver.ends_with(sentence))
}

/// Words of a sentence, or what is quoted in one.
fn is_phrase(words: &str) -> bool {
    let is_letter = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphabetic);
    let bytes = words.as_bytes();
    let has_words = (1..bytes.len()).any(|at| {
        bytes[at] == b' ' && is_letter(bytes.get(at - 1)) && is_letter(bytes.get(at + 1))
    });
    has_words || words.contains('`') && words.contains(|c: char| c.is_ascii_alphabetic())
}

#[test]
fn no_production_code_reads_text_that_it_wrote_itself() {
    let found = readers_of_own_text(&super::sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn code_that_reads_its_own_text_is_reported() {
    let writer = "fn f() { format!(\"the plan is no longer the reviewed one: {x}\") }";
    let readers = [
        "if words.contains(\"no longer the\") {}",
        "if words.starts_with(\"the plan is\") {}",
        "if words == \"the plan is no longer the reviewed one: {x}\" {}",
        "if finding.message.contains(\"plan\") {}",
        "if error.to_string().starts_with(\"x\") {}",
        "let behind = words.strip_prefix(\"the plan is\");",
    ];
    for reader in readers {
        let sources = [("a.rs", writer), ("b.rs", reader)];
        let sources = sources.map(|(file, text)| (file.to_owned(), text.to_owned()));
        assert_eq!(readers_of_own_text(&sources).len(), 1, "{reader}");
    }
    let others = [
        "if words.contains(\"dubious ownership\") {}",
        "if code == \"plan\" {}",
        "let words = \"the plan is no longer\";",
        "// words.contains(\"the plan is\")",
        "fn f() {}\n#[cfg(test)]\nmod tests { fn t() { words.contains(\"the plan is\"); } }",
    ];
    for other in others {
        let sources = [("a.rs", writer), ("b.rs", other)];
        let sources = sources.map(|(file, text)| (file.to_owned(), text.to_owned()));
        assert_eq!(readers_of_own_text(&sources), Vec::<String>::new(), "{other}");
    }
}
