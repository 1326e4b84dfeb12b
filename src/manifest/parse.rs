//! Text to a lenient form with positions.
//!
//! The only module that names the YAML crate. It reads any YAML into a small tree of its own, keeps
//! repeated keys and the place of every value, and leaves all judgment to `lower`: serde stops at
//! the first mistake, and a manifest's author wants to see all of them.
//!
//! A manifest may come from a stranger's pull request, so nesting, aliases and nodes are limited.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Location, MessageFormatter, Spanned, UserMessageFormatter};

use crate::diag::{Code, Diagnostic, Place, floor_boundary};
use crate::manifest::lower::lower;
use crate::manifest::plain::{self, Most};
use crate::manifest::{Manifest, Source, Variables};

/// The most YAML nodes of one manifest.
///
/// A task takes 11 to 21 (a key, and two for each field), so this holds 50,000 tasks with half as
/// much again in reserve; a hundred bytes a node keep the worst case below 200 MiB.
const MOST_NODES: usize = 1_500_000;

/// The most parser events: a node is one or, where it holds others, two.
const MOST_EVENTS: usize = 2 * MOST_NODES;

/// The most nodes that anchors may keep; a manifest shares a few fields, not whole trees.
const MOST_KEPT: usize = 20_000;

/// The most nodes that aliases may copy; ten shared fields in each of 10,000 tasks.
const MOST_COPIED: usize = 200_000;

/// The most bytes of one manifest's values, those of aliases counted each time.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The deepest nesting; a manifest needs six levels.
///
/// Each level is several stack frames of parser and serde: 64 of them overflow the 2 MiB stack of a
/// worker thread in a debug build.
const DEEPEST: usize = 16;

/// A YAML node and where it stands.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// What it is.
    pub(super) value: Value<'t>,
    /// The bytes of the manifest's text; for an alias those of the alias.
    pub(super) span: Range<usize>,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number that fits.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'t, str>),
    /// A list.
    Sequence(Vec<Node<'t>>),
    /// A mapping in the order of its text, repeated keys included.
    Mapping(Vec<(Node<'t>, Node<'t>)>),
}

impl Value<'_> {
    /// Returns what it is, in words that follow "not".
    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// Reads one manifest; what could not be understood is left out and reported.
///
/// Findings are in the order of their places. Where the text is not YAML there is one finding and
/// an empty manifest.
pub fn parse(
    file: &Path,
    text: &str,
    source: &dyn Source,
    variables: Variables<'_>,
) -> (Manifest, Vec<Diagnostic>) {
    let file: Arc<Path> = file.into();
    match read_yaml(text) {
        Ok(root) => lower(&file, text, &root, source, variables),
        Err(error) => (Manifest::default(), vec![not_yaml(&file, text, &error)]),
    }
}

/// Reads YAML that is no manifest, such as the emulator's script; a key given twice is an error, and
/// each error names its line and column.
pub fn read_yaml_as<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut options = options();
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let words = UserMessageFormatter.format_message(error);
        match error.location() {
            Some(at) => format!("{words}, at line {}, column {}", at.line(), at.column()),
            None => words.into_owned(),
        }
    })
}

/// Reads YAML as JSON values; a key given twice is an error.
pub(super) fn yaml_to_json(text: &str) -> Result<serde_json::Value, String> {
    fn json(node: Node<'_>) -> Result<serde_json::Value, String> {
        Ok(match node.value {
            Value::Null => serde_json::Value::Null,
            Value::Boolean(value) => value.into(),
            Value::Integer(number) => match i64::try_from(number) {
                Ok(number) => number.into(),
                Err(_) => return Err(format!("{number} is too large")),
            },
            Value::Float(number) => number.into(),
            Value::Text(text) => text.into_owned().into(),
            Value::Sequence(nodes) => {
                nodes.into_iter().map(json).collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Mapping(pairs) => {
                let mut map = serde_json::Map::new();
                for (key, value) in pairs {
                    let Value::Text(key) = key.value else {
                        return Err("a key is no text".to_owned());
                    };
                    if map.insert(key.to_string(), json(value)?).is_some() {
                        return Err(format!("`{key}` is given twice"));
                    }
                }
                map.into()
            }
        })
    }
    json(read_yaml(text).map_err(|error| error.without_snippet().to_string())?)
}

fn read_yaml(text: &str) -> Result<Node<'_>, serde_yaml::Error> {
    let most = Most { nodes: MOST_NODES, bytes: MOST_BYTES, depth: DEEPEST };
    match plain::read(text, most, &scalar) {
        Some(root) => Ok(root),
        None => read_any_yaml(text),
    }
}

/// Reads a scalar that stands alone; `None` where it is more than that.
fn scalar(text: &str) -> Option<Value<'static>> {
    // Where nothing stands before it, that would begin or end a document.
    if text.starts_with("---") || text.starts_with("...") {
        return None;
    }
    Some(match read_any_yaml(text).ok()?.value {
        Value::Null => Value::Null,
        Value::Boolean(value) => Value::Boolean(value),
        Value::Integer(number) => Value::Integer(number),
        Value::Float(number) => Value::Float(number),
        Value::Text(read) if read == text => Value::Text(Cow::Owned(read.into_owned())),
        Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => return None,
    })
}

fn read_any_yaml(text: &str) -> Result<Node<'_>, serde_yaml::Error> {
    serde_yaml::from_str_with_options(text, options())
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: MOST_NODES,
            max_events: MOST_EVENTS,
            max_total_scalar_bytes: MOST_BYTES,
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_recorded_anchor_events: MOST_KEPT,
            // One anchor may serve every task; what aliases copy in all is limited below.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MOST_COPIED },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // What YAML 1.1 made of `yes`, `0755` and `1_000` surprises people; they stay texts.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

fn not_yaml(file: &Arc<Path>, text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let error = error.without_snippet();
    let words = UserMessageFormatter.format_message(error);
    let start = error.location().map_or(0, |location| start_in(text, location));
    let end = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    let way = match error {
        serde_yaml::Error::MultipleDocuments { .. } => {
            "write one document, without lines of `---`".to_owned()
        }
        serde_yaml::Error::Budget { .. } => {
            format!(
                "nest {DEEPEST} levels at most, and split more than {MOST_NODES} values into files"
            )
        }
        _ if is_indented_with_tabs(text, start) => {
            "indent with spaces; YAML takes no tabs there".to_owned()
        }
        _ if words.contains("flow") || words.contains("bracket") => {
            "close every `[` with `]` and every `{` with `}`; a text that holds them needs quotes"
                .to_owned()
        }
        _ => "a value that holds `: ` or ` #` or starts with a special character needs quotes"
            .to_owned(),
    };
    Diagnostic::error(Code::InvalidYaml, format!("the manifest cannot be read as YAML: {words}"))
        .at(Place { file: Arc::clone(file), span: start..end })
        .help(way)
}

/// Whether a tab stands before the first word of the line at this byte.
fn is_indented_with_tabs(text: &str, at: usize) -> bool {
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[line_start..].chars().take_while(|c| matches!(c, ' ' | '\t')).any(|c| c == '\t')
}

/// The byte at which a place starts; places of syntax errors know only their line and column.
fn start_in(text: &str, location: Location) -> usize {
    if location.span().byte_offset().is_some() {
        return floor_boundary(text, bytes(location).start);
    }
    let line = usize::try_from(location.line()).unwrap_or(usize::MAX).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(usize::MAX).saturating_sub(1);
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(line).map(str::len).sum();
    let in_line = lines.next().unwrap_or_default().trim_end_matches(['\n', '\r']);
    before + in_line.char_indices().nth(column).map_or(in_line.len(), |(at, _)| at)
}

/// The bytes of a place; a place that is not known counts as the start.
fn bytes(location: Location) -> Range<usize> {
    let span = location.span();
    let at = |offset: Option<u64>| offset.and_then(|o| usize::try_from(o).ok()).unwrap_or(0);
    let start = at(span.byte_offset());
    start..start.saturating_add(at(span.byte_len()))
}

impl<'t> Deserialize<'t> for Node<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { value, span: bytes(referenced) })
    }
}

impl<'t> Deserialize<'t> for Value<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'t> Visitor<'t> for AnyValue {
    type Value = Value<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value<'t>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'t>, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'t>, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'t>, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'t>, E> {
        Ok(Value::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'t str) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut access: A) -> Result<Value<'t>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Value::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'t>>(self, mut access: A) -> Result<Value<'t>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    struct NoFiles;

    impl Source for NoFiles {
        fn read(&self, _path: &str) -> Result<String, crate::manifest::Unreadable> {
            Err("there are no files".to_owned().into())
        }
    }

    fn parsed(text: &str) -> (Manifest, Vec<Diagnostic>) {
        parse(Path::new("tasks.yaml"), text, &NoFiles, &|_| None)
    }

    /// What is read straight from events is what serde reads.
    fn check_ordinary(text: &str) -> Result<(), TestCaseError> {
        let most = Most { nodes: 1000, bytes: 10_000, depth: DEEPEST };
        if let Some(root) = plain::read(text, most, &scalar) {
            let slowly = read_any_yaml(text);
            prop_assert_eq!(
                format!("{:?}", slowly),
                format!("{:?}", Ok::<_, ()>(root)),
                "{}",
                text
            );
        }
        Ok(())
    }

    fn only_finding(text: &str) -> Diagnostic {
        let (_, mut findings) = parsed(text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    #[test]
    fn a_syntax_error_is_one_finding_at_its_place() {
        let table = [
            ("version: 1\ntasks:\n  ä: b: c\n", "mapping values are not allowed", ": c"),
            ("version: 1\ntasks: {\n", "unclosed bracket", "{"),
            ("version: 1\nname: 'x", "unclosed quote", "'x"),
            ("a: *nowhere\n", "unknown", "*nowhere"),
            ("a: 1\n---\nb: 2\n", "only single YAML document", "b: 2"),
            ("tasks:\n  a: 1\n b: 2\n", "", "b: 2"),
        ];
        for (text, words, at) in table {
            let finding = only_finding(text);
            assert_eq!(finding.code, Code::InvalidYaml, "{text}");
            assert!(finding.message.contains(words), "{text}: {}", finding.message);
            let start = finding.place.expect("it has a place").span.start;
            assert!(text[start..].starts_with(at), "{text}: at {:?}", &text[start..]);
        }
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
            let finding = only_finding(&text);
            assert_eq!(finding.code, Code::InvalidYaml, "{name}");
            assert!(start.elapsed().as_secs() < 5, "{name}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn tabs_and_open_brackets_get_a_way_out_at_their_place() {
        for (text, at, way) in [
            ("version: 1\ntasks:\n\ta:\n", "a:", "indent with spaces"),
            ("tasks:\n  a:\n \tprompt: x\n", "prompt", "indent with spaces"),
            ("tasks: {a: {prompt: p\nb: c}\n", ": c", "close every `[`"),
            ("tasks:\n  a: [1, 2\n", "[1", "close every `[`"),
        ] {
            let finding = only_finding(text);
            let start = finding.place.as_ref().unwrap().span.start;
            assert!(text[start..].starts_with(at), "{text:?}: {:?}", &text[start..]);
            assert!(finding.help[0].starts_with(way), "{text:?}: {finding:?}");
        }
    }

    #[test]
    fn words_of_older_yaml_stay_texts_and_aliases_point_to_their_use() {
        let text = "[yes, 0755, 1_000, 2026-11-01, 1.5, &a b, *a, ~, true, .inf, 12:30]";
        let Value::Sequence(nodes) = read_yaml(text).unwrap().value else { panic!("not a list") };
        let seen: Vec<_> =
            nodes.iter().map(|node| (&text[node.span.clone()], node.value.in_words())).collect();
        assert_eq!(
            seen,
            [
                ("yes", "a text"),
                ("0755", "a text"),
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
        assert!(read_yaml(&text).is_ok());
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
