//! Whether a file is a manifest of this program, was meant to be one, or belongs to another program.
//!
//! A neighbor that is broken must not pass for a stranger's file: what it declares would be removed.
//! So bytes are judged by what is left of a manifest in them, whatever their encoding and however
//! they are cut or misspelled.

use std::path::Path;

use serde::de::IgnoredAny;

use crate::diag::{Code, Diagnostic, Severity};
use crate::manifest::{self, ExpandInputs, Manifest, Source, stand_in};

/// Words that no other program is known to have as a field, as they are compared.
const OURS: [&str; 1] = ["projectpreference"];

/// Words that other programs have, too, though hardly several of them.
const SHARED: [&str; 4] = ["agentid", "promptfile", "followups", "systempromptfile"];

/// The fields at the top of a manifest.
const TOP: [&str; 5] = ["version", "tasks", "agents", "defaults", "organizationid"];

/// What a file is.
#[derive(Debug)]
pub(super) enum Likeness {
    /// A manifest, as it is in each of its environments, with what is wrong with it if something is.
    Manifest(Vec<Manifest>, Option<String>),
    /// A manifest that cannot be understood.
    Unreadable(String),
    /// Nothing tells what it is: it may have been a manifest before.
    Nothing(&'static str),
    /// A file of another program.
    Foreign,
}

/// Judges the bytes of the file at `path`.
pub(super) fn likeness(
    path: &Path,
    bytes: &[u8],
    source: &dyn Source,
    inputs: ExpandInputs<'_>,
) -> Likeness {
    if let Some((what, _)) = stand_in("", bytes) {
        return Likeness::Unreadable(format!("it is {what}"));
    }
    let (text, encoding) = decode(bytes);
    if let Some(encoding) = encoding {
        return if is_of_ours(&text) {
            Likeness::Unreadable(format!("it is {encoding}, not UTF-8"))
        } else {
            Likeness::Nothing("it is not UTF-8")
        };
    }
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.trim_start_matches('\u{feff}').lines().all(is_blank) {
        return Likeness::Nothing("it is empty");
    }
    let is_ours = is_of_ours(&text);
    let may_declare = |text: &str| text.contains("task") || text.contains("agent");
    if !is_ours && !may_declare(&text.to_lowercase()) {
        return stranger(&text, manifest::read_yaml_as::<IgnoredAny>(&text).is_err());
    }
    let (manifests, findings) = in_every_environment(path, &text, source, inputs);
    let flaw = findings.iter().find(|finding| finding.severity == Severity::Error);
    let Some(flaw) = flaw.map(|flaw| flaw.message.clone()) else {
        return Likeness::Manifest(manifests, None);
    };
    let is_broken = findings.iter().any(|finding| finding.code == Code::InvalidYaml);
    if !is_broken && !manifests.iter().any(|manifest| manifest.has_version) {
        // Other programs have `version` and `tasks`, too.
        let is_ours = has_words_of_ours(&text);
        return if is_ours { Likeness::Unreadable(flaw) } else { Likeness::Foreign };
    }
    if is_ours {
        return Likeness::Manifest(manifests, Some(flaw));
    }
    stranger(&text, is_broken)
}

/// Reads a manifest as it is in each of its environments, or as it is where it has none.
fn in_every_environment(
    path: &Path,
    text: &str,
    source: &dyn Source,
    inputs: ExpandInputs<'_>,
) -> (Vec<Manifest>, Vec<Diagnostic>) {
    let parse = |environment: Option<&str>| {
        manifest::parse(path, text, source, ExpandInputs { environment, ..inputs })
    };
    let (manifest, findings) = parse(None);
    if manifest.expansion.environments.is_empty() {
        return (vec![manifest], findings);
    }
    let names = manifest.expansion.environments.keys();
    let (manifests, findings): (_, Vec<_>) = names.map(|name| parse(Some(name))).unzip();
    (manifests, findings.into_iter().flatten().collect())
}

/// Judges a text that has no field of a manifest: it may be the beginning of a manifest that was cut short.
fn stranger(text: &str, is_broken: bool) -> Likeness {
    let is_top = |field: String| TOP.iter().any(|top| is_near(&field, top));
    if fields_at_the_top(text).all(is_top) {
        return Likeness::Nothing("it may be cut short");
    }
    // Templates and several documents in one file are what other programs have.
    let is_of_others = text.contains("{{") || text.contains("\n---");
    if is_broken && !is_of_others { Likeness::Nothing("it is not YAML") } else { Likeness::Foreign }
}

/// Whether a text is a manifest, or what is left of one.
pub(super) fn is_of_ours(text: &str) -> bool {
    let mut tops = fields_at_the_top(text);
    let is_section = |field: String| field == "tasks" || field == "agents";
    (tops.any(|field| field == "version") && fields_at_the_top(text).any(is_section))
        || has_words_of_ours(text)
}

/// Whether a path ends as manifests do.
pub(super) fn is_yaml(path: &str) -> bool {
    let ending = Path::new(path).extension();
    ending.is_some_and(|ending| {
        ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml")
    })
}

/// Whether a text has fields that manifests alone have.
fn has_words_of_ours(text: &str) -> bool {
    let fields: Vec<String> = fields(text).collect();
    let has = |word: &&str| fields.iter().any(|field| field == *word);
    let shared = SHARED.iter().filter(|word| has(word)).count();
    let top = || fields_at_the_top(text).any(|field| TOP.iter().any(|top| is_near(&field, top)));
    OURS.iter().any(has) || shared >= 2 || (shared == 1 && top())
}

/// Every field of a text in any style of YAML, folded: its letters and digits in lower case.
fn fields(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(['\n', '\r', '{', ',', '[']);
    parts.filter_map(|part| part.split_once(':')).map(|(field, _)| folded(field))
}

/// The fields that begin a line, or a text in braces.
fn fields_at_the_top(text: &str) -> impl Iterator<Item = String> {
    let text = text.trim_start_matches(['\u{feff}', ' ', '\n']);
    let in_braces = text.strip_prefix('{').into_iter().flat_map(fields);
    let lines = text.lines().filter(|line| !line.starts_with([' ', '\t', '#', '-']));
    let of_lines = lines.filter_map(|line| line.split_once(':')).map(|(field, _)| folded(field));
    of_lines.chain(in_braces)
}

fn folded(field: &str) -> String {
    let letters = field.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).take(64).collect()
}

/// Whether a word is another one but for a slip of one letter, or two that changed places.
fn is_near(word: &str, other: &str) -> bool {
    let (word, other): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let start = word.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (word, other) = (&word[start..], &other[start..]);
    let end = word.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&word[..word.len() - end], &other[..other.len() - end]) {
        ([] | [_], [] | [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

/// Returns a text and, where it is not UTF-8, what it is in.
fn decode(bytes: &[u8]) -> (String, Option<&'static str>) {
    let wide = |bytes: &[u8], from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| from([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    let zeros =
        |odd: usize| bytes.iter().skip(odd).step_by(2).take(64).filter(|b| **b == 0).count();
    match bytes {
        [0xff, 0xfe, rest @ ..] => (wide(rest, u16::from_le_bytes), Some("UTF-16")),
        [0xfe, 0xff, rest @ ..] => (wide(rest, u16::from_be_bytes), Some("UTF-16")),
        _ if bytes.len() > 4 && zeros(1) > zeros(0) + 2 => {
            (wide(bytes, u16::from_le_bytes), Some("UTF-16"))
        }
        _ if bytes.len() > 4 && zeros(0) > zeros(1) + 2 => {
            (wide(bytes, u16::from_be_bytes), Some("UTF-16"))
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            // Whatever one byte a letter means, the words of a manifest read the same in it.
            Err(_) => {
                (bytes.iter().map(|byte| char::from(*byte)).collect(), Some("in another encoding"))
            }
        },
    }
}
