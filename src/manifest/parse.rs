//! Text to a lenient form with positions.
//!
//! Reads any YAML into a small tree, keeps repeated keys and the place of every value, and leaves all
//! judgment to `lower`: serde stops at the first mistake, and a manifest's author wants to see all of
//! them. A task that is not YAML is set aside, and the rest is read without it.
//!
//! A manifest may come from a stranger's pull request, so nesting, aliases and nodes are limited.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Subject};
use crate::manifest::broken;
use crate::manifest::conflict::{TextKind, conflict_markers};
use crate::manifest::expand::{ExpandFile, expand, vars_of_file};
use crate::manifest::lower::lower;
use crate::manifest::mistake::Mistake;
use crate::manifest::node::Node;
use crate::manifest::owner::Owner;
use crate::manifest::reader::{Reader, position};
use crate::manifest::tree::EventTree;
use crate::manifest::without::{blanked, without_task};
use crate::manifest::yaml::{findings, read};
use crate::manifest::{ExpandInputs, Manifest, Source, Unreadable, Vars};

/// The most tasks that are set aside because they are not YAML, and the most bytes that are read
/// again for that.
const MOST_SET_ASIDE: (usize, usize) = (20, 32 << 20);

/// How many conflicts of an unmerged file are shown.
const MOST_CONFLICTS: usize = 100;

/// Reads one manifest; what could not be understood is left out and reported.
///
/// Findings are in the order of their places.
pub fn parse(
    file: &Path,
    text: &str,
    source: &dyn Source,
    inputs: ExpandInputs<'_>,
) -> (Manifest, Vec<Diagnostic>) {
    let file: Arc<Path> = file.into();
    let faults = not_read(text);
    if !faults.is_empty() {
        return (Manifest::default(), findings(&file, text, faults));
    }
    let EventTree { root, mut faults } = read(text);
    let (manifest, found) = match root {
        Some(root) => understand(&file, text, root, source, inputs),
        None => set_aside(&file, text, &mut faults, source, inputs),
    };
    let mut all = findings(&file, text, faults);
    all.extend(found);
    all.sort_by_key(position);
    (manifest, all)
}

/// Reads a file of variables: names with their values.
pub fn parse_vars(file: &Path, text: &str) -> (Vars, Vec<Diagnostic>) {
    let file: Arc<Path> = file.into();
    let faults = not_read(text);
    if !faults.is_empty() {
        return (Vars::new(), findings(&file, text, faults));
    }
    let EventTree { root, faults } = read(text);
    let mut found = findings(&file, text, faults);
    let Some(root) = root else { return (Vars::new(), found) };
    let (vars, more) = vars_of_file(&file, text, &root);
    found.extend(more);
    let mut reader = Reader::new(&file, text, &NoSource, &|_, _, _, _| Vec::new());
    reader.warn_of_vars(&root, Owner::VarFile);
    found.extend(reader.finish());
    (vars, found)
}

/// A file of variables names no other file.
struct NoSource;

impl Source for NoSource {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        Err(format!("`{path}` is named by no manifest").into())
    }
}

/// Expands a tree and reads it.
fn understand(
    file: &Arc<Path>,
    text: &str,
    root: Node<'_>,
    source: &dyn Source,
    inputs: ExpandInputs<'_>,
) -> (Manifest, Vec<Diagnostic>) {
    let read = |root: Node<'_>, expand: ExpandFile<'_>| lower(file, text, root, source, expand);
    let ((manifest, found), expansion, mut findings) = expand(file, text, root, inputs, read);
    findings.extend(found);
    let mut manifest = Manifest { expansion, ..manifest };
    manifest.select(inputs.environment);
    (manifest, findings)
}

/// What makes a text nothing that could be read: both sides of a merge, characters of no text.
fn not_read(text: &str) -> Vec<Mistake> {
    let markers = conflict_markers(text, TextKind::Yaml).into_iter().take(MOST_CONFLICTS);
    let conflict_markers = markers.map(|span| {
        Mistake::new(span, "the file is unmerged: it holds both sides of a conflict here")
            .with(Code::Unmerged)
            .help("keep what is meant, take the lines `<<<<<<<`, `=======` and `>>>>>>>` out, and `git add` the file")
    });
    let conflict_markers: Vec<Mistake> = conflict_markers.collect();
    if !conflict_markers.is_empty() {
        return conflict_markers;
    }
    // The parser takes this one for the end of the text.
    text.find('\0').map(|at| broken::control(at, '\0')).into_iter().collect()
}

/// Reads a text whose last fault ended the reading: without the task in which that is, and so on.
fn set_aside(
    file: &Arc<Path>,
    text: &str,
    faults: &mut Vec<Mistake>,
    source: &dyn Source,
    inputs: ExpandInputs<'_>,
) -> (Manifest, Vec<Diagnostic>) {
    let mut rest = Cow::Borrowed(text);
    let most = MOST_SET_ASIDE.0.min(MOST_SET_ASIDE.1 / text.len().max(1));
    for _ in 0..most {
        let Some(fault) = faults.last().filter(|fault| !fault.is_limit) else { break };
        let whole = match fault.until {
            Some(end) => Cow::Owned(blanked(&rest, fault.span.start..end)),
            None => Cow::Borrowed(&*rest),
        };
        let Some(without) = without_task(&whole, fault.span.start) else { break };
        let without = fault.also.and_then(|at| without_task(&without, at)).unwrap_or(without);
        rest = Cow::Owned(without);
        let EventTree { root, faults: more } = read(&rest);
        // What is about a name that is set aside too says nothing.
        let is_whole = |fault: &Mistake| {
            let name = fault.about.as_deref().map(|name| &name[1..]);
            name.is_none_or(|name| {
                let anywhere = |text: &str, sign| text.contains(&format!("{sign}{name}"));
                ['&', '*'].iter().all(|sign| anywhere(text, *sign) == anywhere(&rest, *sign))
            })
        };
        let is_new = |fault: &Mistake, known: &[Mistake]| {
            known.iter().all(|known| known.span != fault.span || known.message != fault.message)
        };
        for fault in more {
            if is_whole(&fault) && is_new(&fault, faults) {
                faults.push(fault);
            }
        }
        if let Some(root) = root {
            let (mut manifest, mut found) = understand(file, &rest, root, source, inputs);
            // Which task was set aside is not known.
            (manifest.has_tasks, manifest.has_agents) = (false, false);
            // With its only task set aside it looks empty.
            let is_set_aside = |subject| matches!(subject, Subject::Tasks | Subject::Agents);
            found.retain(|finding| !finding.subject.is_some_and(is_set_aside));
            return (manifest, found);
        }
    }
    (Manifest::default(), Vec::new())
}

#[cfg(test)]
mod tests {
    use std::fmt::{self, Write as _};
    use std::ops::Range;
    use std::time::Instant;

    use proptest::prelude::*;
    use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
    use serde_yaml::Spanned;

    use super::*;
    use crate::manifest::Unreadable;
    use crate::manifest::node::{Node, NodeValue};
    use crate::manifest::yaml::options;

    struct NoFiles;

    impl Source for NoFiles {
        fn read(&self, _path: &str) -> Result<String, Unreadable> {
            Err("there are no files".to_owned().into())
        }
    }

    fn parsed(text: &str) -> (Manifest, Vec<Diagnostic>) {
        parse(Path::new("tasks.yaml"), text, &NoFiles, ExpandInputs::of(&|_| None))
    }

    type Placed = (Told, Range<usize>);

    /// The same text as serde reads it: an independent witness.
    #[derive(PartialEq, Debug)]
    enum Told {
        Null,
        Boolean(bool),
        Integer(i128),
        Float(u64),
        Text(String),
        Sequence(Vec<Placed>),
        Mapping(Vec<(Placed, Placed)>),
    }

    /// What serde says, with the place of every value.
    struct Witness(Placed);

    impl<'t> Deserialize<'t> for Witness {
        fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
            let Spanned { value, referenced, .. } = Spanned::<Told>::deserialize(deserializer)?;
            let span = referenced.span();
            let at = |offset: Option<_>| usize::try_from(offset.unwrap_or_default()).unwrap();
            let start = at(span.byte_offset());
            Ok(Self((value, start..start + at(span.byte_len()))))
        }
    }

    impl<'t> Deserialize<'t> for Told {
        fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(AnyValue)
        }
    }

    struct AnyValue;

    impl<'t> Visitor<'t> for AnyValue {
        type Value = Told;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any YAML value")
        }

        fn visit_unit<E>(self) -> Result<Told, E> {
            Ok(Told::Null)
        }

        fn visit_bool<E>(self, value: bool) -> Result<Told, E> {
            Ok(Told::Boolean(value))
        }

        fn visit_i64<E>(self, value: i64) -> Result<Told, E> {
            Ok(Told::Integer(value.into()))
        }

        fn visit_u64<E>(self, value: u64) -> Result<Told, E> {
            Ok(Told::Integer(value.into()))
        }

        fn visit_f64<E>(self, value: f64) -> Result<Told, E> {
            Ok(Told::Float(value.to_bits()))
        }

        fn visit_str<E>(self, value: &str) -> Result<Told, E> {
            Ok(Told::Text(value.to_owned()))
        }

        fn visit_seq<A: SeqAccess<'t>>(self, mut access: A) -> Result<Told, A::Error> {
            let mut nodes = Vec::new();
            while let Some(Witness(node)) = access.next_element()? {
                nodes.push(node);
            }
            Ok(Told::Sequence(nodes))
        }

        fn visit_map<A: MapAccess<'t>>(self, mut access: A) -> Result<Told, A::Error> {
            let mut entries = Vec::new();
            while let Some((Witness(key), Witness(value))) = access.next_entry()? {
                entries.push((key, value));
            }
            Ok(Told::Mapping(entries))
        }
    }

    fn told(node: &Node<'_>) -> Placed {
        let value = match &node.value {
            NodeValue::Null => Told::Null,
            NodeValue::Boolean(value) => Told::Boolean(*value),
            NodeValue::Integer(value) => Told::Integer(*value),
            NodeValue::Float(value) => Told::Float(value.to_bits()),
            NodeValue::Text(text) => Told::Text(text.to_string()),
            NodeValue::Sequence(nodes) => Told::Sequence(nodes.iter().map(told).collect()),
            NodeValue::Mapping(pairs) => {
                Told::Mapping(pairs.iter().map(|(key, value)| (told(key), told(value))).collect())
            }
        };
        (value, node.span.clone())
    }

    /// Without anchors, tags, merge keys and documents, what is read here is what serde reads.
    fn check_ordinary(text: &str) -> Result<(), TestCaseError> {
        let is_special = text.contains(['&', '*', '!', '\u{feff}', '\0']) || text.contains("<<");
        let is_special = is_special || text.contains("---") || text.contains("...");
        // Numbers of another base stay texts here.
        let is_special = is_special || ["0x", "0X", "0o", "0b"].iter().any(|it| text.contains(it));
        // An entry that is left out has its place at its `-` here, and at what follows there.
        let is_left_out = |line: &str| line.split('#').any(|part| part.trim().ends_with('-'));
        let is_special = is_special || text.lines().any(is_left_out);
        let EventTree { root, faults } = read(text);
        let root = root.filter(|root| !matches!(root.value, NodeValue::Null));
        let (Some(root), false) = (root, is_special) else { return Ok(()) };
        prop_assert!(faults.is_empty(), "{}: {:?}", text, faults);
        let witness = serde_yaml::from_str_with_options::<Witness>(text, options());
        let witness = witness.map(|witness| witness.0).map_err(|error| error.to_string());
        prop_assert_eq!(Ok(told(&root)), witness, "{}", text);
        Ok(())
    }

    /// The first finding that is about YAML itself.
    fn first_fault(text: &str) -> Diagnostic {
        let findings = parsed(text).1;
        let found = findings.iter().find(|finding| finding.code == Code::InvalidYaml);
        found.unwrap_or_else(|| panic!("{text:?}: {findings:?}")).clone()
    }

    #[test]
    fn bombs_are_refused_fast() {
        let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let copies = vec![format!("*a{}", i - 1); 9].join(", ");
            writeln!(aliases, "a{i}: &a{i} [{copies}]").unwrap();
        }
        let mut deep = String::new();
        for i in 0..2_000 {
            writeln!(deep, "{}a:", " ".repeat(i)).unwrap();
        }
        let table = [
            ("aliases of aliases", aliases),
            ("open brackets", "[".repeat(200_000)),
            ("open braces", "{a: ".repeat(50_000)),
            ("nested lists", "- ".repeat(50_000)),
            ("question marks", "? ".repeat(50_000)),
            ("deep blocks", deep),
            ("an alias of itself", "a: &a [*a]\n".to_owned()),
        ];
        for (name, text) in table {
            let start = Instant::now();
            let finding = first_fault(&text);
            assert_eq!(finding.code, Code::InvalidYaml, "{name}");
            assert!(start.elapsed().as_secs() < 5, "{name}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn words_of_older_yaml_stay_texts_and_aliases_point_to_their_use() {
        let text = "[yes, 0755, 0x1f, -0o17, 0b11, 1_000, 2026-11-01, 1.5, &a b, *a, ~, true, .inf, 12:30]";
        let Some(NodeValue::Sequence(nodes)) = read(text).root.map(|root| root.value) else {
            panic!("not a list")
        };
        let seen: Vec<_> =
            nodes.iter().map(|node| (&text[node.span.clone()], node.value.in_words())).collect();
        assert_eq!(
            seen,
            [
                ("yes", "a text"),
                ("0755", "a text"),
                ("0x1f", "a text"),
                ("-0o17", "a text"),
                ("0b11", "a text"),
                ("1_000", "a text"),
                ("2026-11-01", "a text"),
                ("1.5", "a number"),
                ("b", "a text"),
                ("*a", "a text"),
                ("~", "empty"),
                ("true", "a boolean"),
                (".inf", "a number"),
                ("12:30", "a text"),
            ]
        );
    }

    #[test]
    fn many_tasks_are_within_the_limits() {
        let fields = "{name: Task, prompt: Do, agentId: 47, projectPreference: project-for-task, \
                      protect: true, deployments: {a: {since: 2026-11-01}, b: }}";
        // More nodes than the crate's own limit of 250,000.
        let mut text = "version: 1\ntasks:\n".to_owned();
        for i in 0..15_000 {
            writeln!(text, "  task-{i}: {fields}").unwrap();
        }
        assert!(read(&text).root.is_some());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(?s).{0,200}") {
            parsed(&text);
        }

        #[test]
        fn text_in_the_shape_of_a_manifest_never_panics(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "version", "1", "tasks", "defaults", "name", "prompt", "promptFile", "agentId", "id",
                    "deployments", "since", "forget", ": ", ":\n  ", ":\n    ", "\n", "\n  ", "- ",
                    "{", "}", "[", "]", ", ", "&a ", "*a", "<<: *a", "|\n", "'", "\"", "${A}", "${", "$${",
                    "!!int ", "? ", "~", "ä\u{301}", "\r\n", "\t", "#", "---\n", "2026-11-01", "-5", "1e999",
                ]),
                0..40,
            ),
        ) {
            let text = words.concat();
            for finding in parsed(&text).1 {
                let place = finding.place.expect("every finding has a place");
                prop_assert!(text.get(place.span).is_some());
            }
            check_ordinary(&text)?;
        }

        #[test]
        fn ordinary_values_are_read_alike(
            keys in prop::collection::vec("[a-z]{1,3}|[0-9]{1,3}|true|~|'[a-z ]{0,3}'", 1..5),
            values in prop::collection::vec(
                prop::sample::select(vec![
                    "", "~", "null", "Null", "true", "True", "FALSE", "yes", "no", "on", "y", "n", "nan",
                    ".nan", ".inf", "-.inf", "inf", "Infinity", "0", "007", "0x1f", "0o17", "1_000", "+5",
                    "-5", "1.5", "1e3", "1e", "e5", "12345678901234567890", "123456789012345678",
                    "2026-11-01", "12:30", "a b", "a\n    b", "|\n    x\n\n    y", ">-\n    x\n    y",
                    "'q'", "\"\\n\"", "[a, 1, {b: c}]", "{a: , b: 2}", "\n    k: v\n    l:\n      - 1\n      -",
                    "- ", "a#b", "a: b", "<<", "n a", "\u{e4}\u{301}", "!x y", "&a b", "*a", "@a",
                ]),
                1..5,
            ),
        ) {
            let mut text = String::new();
            for (key, value) in keys.iter().zip(&values) {
                writeln!(text, "{key}: {value}").unwrap();
            }
            check_ordinary(&text)?;
            check_ordinary(&text.replace('\n', "\r\n"))?;
        }
    }
}
