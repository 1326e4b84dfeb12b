//! What to write in place of a value of the wrong kind: the shape that is meant, with the words that
//! were written where they can be kept.

use std::fmt;
use std::path::Path;

use crate::kinds::AGENT_ID;
use crate::manifest::fields::{self, FieldShape, Spec};
use crate::manifest::mistake::in_quotes;
use crate::manifest::node::{Node, NodeValue, Origin, Style};
use crate::manifest::owner::Owner;
use crate::model::Key;

/// What is said of a value that is left out before a comment.
pub(super) const COMMENT: &str = "` #` begins a comment; a text that holds it needs quotes";

/// The key of a task that help makes up.
pub(super) const SOME_TASK: &str = "my-task";

/// The key of an agent that help makes up.
const SOME_AGENT: &str = "my-agent";

/// The kind of value that a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueShape {
    Text,
    Number,
    Flag,
    Mapping,
    Prompts,
    Keys,
    Words,
    Numbers,
}

impl fmt::Display for ValueShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Flag => "`true` or `false`",
            Self::Mapping => "a mapping",
            Self::Prompts => "a list of prompts",
            Self::Keys => "a list of keys",
            Self::Words => "a list of words",
            Self::Numbers => "a mapping of keys to numbers",
        })
    }
}

/// What to write in place of a value.
pub(super) fn of_value(text: &str, node: &Node<'_>, field: &str, expected: ValueShape) -> String {
    let spec = fields::find(name_of(field));
    let shape = spec.map(|spec| spec.shape);
    let source = text.get(node.span.start..).unwrap_or_default();
    match (&node.value, shape) {
        (_, Some(FieldShape::Deployments)) => of_deployments(text, node),
        (NodeValue::Mapping(pairs), _)
            if expected == ValueShape::Text && is_text(shape) && !source.starts_with('{') =>
        {
            of_colon_text(text, pairs)
        }
        (NodeValue::Text(words), Some(shape)) if expected != ValueShape::Text && is_list(shape) => {
            let dash = words.starts_with('-') && node.style != Style::Other;
            of_list(words, field, dash, matches!(shape, FieldShape::Set))
        }
        (NodeValue::Mapping(_), Some(shape)) if expected != ValueShape::Text && is_list(shape) => {
            format!("write a list: `{field}: {}`", example(spec))
        }
        (NodeValue::Text(words), Some(FieldShape::Flag)) => of_flag(words, field),
        (NodeValue::Text(words), Some(FieldShape::Bound))
            if words.trim().parse::<f64>().is_ok() =>
        {
            "write it without quotes".to_owned()
        }
        (NodeValue::Text(words), _) if expected == ValueShape::Text && words.trim().is_empty() => {
            format!("give `{field}` a text, or leave it out")
        }
        (NodeValue::Null, _) if expected == ValueShape::Text => {
            format!("give `{field}` a text, or leave it out")
        }
        (NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_), _)
            if expected == ValueShape::Text && is_text(shape) =>
        {
            "put it in quotes".to_owned()
        }
        (NodeValue::Mapping(pairs), Some(FieldShape::Texts | FieldShape::Expressions)) => {
            let first = pairs.first().map(|(key, _)| quoted(of_source(text, key)));
            let first = first.unwrap_or_else(|| example(spec).to_owned());
            format!(
                "write one text, or a list of them: `{field}: [{first}]`; one that starts with `{{` needs quotes"
            )
        }
        (NodeValue::Mapping(_), _) if is_text(shape) && source.starts_with('{') => {
            "a text that starts with `{` needs quotes".to_owned()
        }
        (NodeValue::Sequence(_), _) if is_text(shape) && source.starts_with('[') => {
            "write one text; one that starts with `[` needs quotes".to_owned()
        }
        _ if expected == ValueShape::Text && is_text(shape) => {
            format!("write one text behind `{field}:`, as in `{field}: {}`", example(spec))
        }
        _ => match spec {
            Some(spec) if !field.contains('[') => format!("write `{field}: {}`", spec.example),
            _ => format!("write {expected} behind `{field}:`"),
        },
    }
}

/// What to write in place of a value that is not to be repeated.
pub(super) fn of_expanded(field: &str, expected: ValueShape) -> String {
    match fields::find(name_of(field)) {
        Some(Spec { shape: FieldShape::Flag, .. }) => of_flag("", field),
        Some(spec) => format!("write `{field}: {}`", spec.example),
        None => format!("write {expected} behind `{field}:`"),
    }
}

/// What to write in place of a mapping of fields.
pub(super) fn of_mapping(node: &Node<'_>, owner: Owner<'_>, known: &'static [Spec]) -> String {
    if let NodeValue::Text(words) = &node.value
        && let Some(help) = of_colon(words, known)
    {
        return help;
    }
    match owner {
        Owner::Manifest => "start with `version: 1`, and write the tasks below `tasks:`".to_owned(),
        Owner::VarFile => {
            "write each variable with its value, such as `capital: 100000`".to_owned()
        }
        Owner::Environment(name) => {
            format!(
                "write `{name}: {{}}`, or its fields below it, such as `vars: {{capital: 10000}}`"
            )
        }
        Owner::Defaults => {
            format!("write its fields below it, one a line, such as `{AGENT_ID}: 47`, without `-`")
        }
        Owner::Task(key) | Owner::Agent(key) | Owner::Deployment(key, _)
            if fields::is_known(key) =>
        {
            format!("indent `{key}` deeper if it is a field of what stands above it")
        }
        Owner::Task(key) => match &node.value {
            NodeValue::Text(words) if !words.contains('\n') => {
                format!("write `{key}: {{prompt: {}}}`, or its fields below it", quoted(words))
            }
            _ => format!("write its fields below `{key}:`, one a line, without `-`"),
        },
        Owner::Agent(key) => format!("write its fields below `{key}:`, one a line, without `-`"),
        Owner::Deployment(key, _) => {
            format!("write `{key}: {{}}`, or its fields below it, such as `since: 2026-11-01`")
        }
        Owner::Inside(field, _) => {
            format!("write `{field}: {}`", example(fields::find(field)))
        }
    }
}

/// What to write in place of words in which a `:` or the blank behind it is missing.
pub(super) fn of_colon(words: &str, known: &[Spec]) -> Option<String> {
    let end = words.find([' ', ':', '\u{ff1a}', '=', '\t', '\n'])?;
    let (name, rest) = words.split_at(end);
    known.iter().find(|spec| spec.name == name)?;
    let rest = rest.trim_start_matches([':', '\u{ff1a}', '=', ' ', '\t', '\n']);
    let value = shortened(rest.lines().next().unwrap_or_default());
    Some(format!("write `{name}: {value}`, with `: ` behind `{name}`"))
}

/// What to write in place of what `tasks` cannot be.
pub(super) fn of_tasks(node: &Node<'_>) -> String {
    match &node.value {
        NodeValue::Sequence(nodes) => {
            let key = nodes.iter().find_map(named).filter(|key| !fields::is_known(key));
            let key = key.unwrap_or_else(|| SOME_TASK.to_owned());
            format!(
                "write each task below a key of its own: `{key}:` in place of `-`, its fields below"
            )
        }
        NodeValue::Text(words) => {
            let key = slug(words).unwrap_or_else(|| SOME_TASK.to_owned());
            format!("write `tasks: {{{key}: {{prompt: …}}}}`: each task has a key and its fields")
        }
        NodeValue::Null => {
            "indent the tasks below `tasks:`, or write `tasks: {}` for a manifest without tasks"
                .to_owned()
        }
        _ => "write `tasks: {}` for a manifest without tasks".to_owned(),
    }
}

/// What to write in place of what `agents` cannot be.
pub(super) fn of_agents(node: &Node<'_>) -> String {
    match &node.value {
        NodeValue::Sequence(nodes) => {
            let key = nodes.iter().find_map(named).filter(|key| !fields::is_known(key));
            let key = key.unwrap_or_else(|| SOME_AGENT.to_owned());
            format!(
                "write each agent below a key of its own: `{key}:` in place of `-`, its fields below"
            )
        }
        NodeValue::Null => {
            "indent the agents below `agents:`, or leave it out where there are none".to_owned()
        }
        _ => {
            format!("write `agents: {{{SOME_AGENT}: {{…}}}}`: each agent has a key and its fields")
        }
    }
}

/// What to write in place of a whole number, where that can be told.
pub(super) fn of_number(node: &Node<'_>) -> Option<String> {
    match &node.value {
        _ if node.origin != Origin::Written => None,
        NodeValue::Text(text) => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let number = digits.parse::<u64>().ok().filter(|number| *number > 0)?;
            if node.style == Style::Other && text.trim() == digits {
                return Some("write it without quotes".to_owned());
            }
            let is_spelled = text.chars().all(|c| c.is_ascii_digit() || "_,.' #+".contains(c));
            is_spelled.then(|| format!("write `{number}`, with digits alone"))
        }
        NodeValue::Float(number) if *number > 0.0 && number.fract() == 0.0 && *number < 1e15 => {
            Some(format!("write `{number:.0}`, with digits alone"))
        }
        _ => None,
    }
}

/// Whether what stands behind ` #` can belong to a field's text rather than be a comment.
pub(super) fn may_go_on(field: &str, written: &str, comment: &str) -> bool {
    let field = name_of(field);
    match field {
        // Letters of a path go on at once, and a path that has its ending is whole.
        "promptFile" | "systemPromptFile" => {
            let is_set_off = comment.trim_start_matches('#').starts_with([' ', '\t']);
            !(is_set_off && Path::new(written).extension().is_some())
        }
        // A word that is looked up is not found where a part of it is missing.
        "organizationId" => false,
        _ => is_text(fields::find(field).map(|spec| spec.shape)),
    }
}

/// Whether a field holds a list alone.
fn is_list(shape: FieldShape) -> bool {
    matches!(shape, FieldShape::Prompts | FieldShape::Keys | FieldShape::Set | FieldShape::Sequence)
}

fn is_text(shape: Option<FieldShape>) -> bool {
    matches!(
        shape,
        Some(
            FieldShape::Text
                | FieldShape::OpenText
                | FieldShape::Prompt
                | FieldShape::Prompts
                | FieldShape::Texts
                | FieldShape::Set
                | FieldShape::Expression
                | FieldShape::Expressions
        )
    )
}

/// The name of a field without the number of an entry.
fn name_of(field: &str) -> &str {
    field.split('[').next().unwrap_or(field)
}

/// What to write in place of an entry of a list whose `-` has no blank behind it.
pub(super) fn of_entry(text: &str, node: &Node<'_>) -> Option<String> {
    let NodeValue::Text(words) = &node.value else { return None };
    let line = text.get(..node.span.start)?.rsplit('\n').next()?;
    let is_entry = node.style != Style::Other
        && node.origin == Origin::Written
        && words.starts_with('-')
        && words[1..].starts_with(char::is_alphabetic)
        && line.trim().is_empty();
    is_entry.then(|| of_list(words, "", true, false))
}

fn of_deployments(text: &str, node: &Node<'_>) -> String {
    let written: Vec<String> = match &node.value {
        NodeValue::Sequence(nodes) => {
            let nodes = nodes.iter().zip(1..);
            nodes.filter_map(|(node, number)| of_deployment(text, node, number)).collect()
        }
        NodeValue::Text(words) => {
            slug(words).map(|key| format!("{key}: {{}}")).into_iter().collect()
        }
        _ => Vec::new(),
    };
    let is_short = !written.is_empty() && written.len() <= 5;
    let written = if is_short { written.join(", ") } else { "baseline: {}".to_owned() };
    format!("write each under a key of its own: `deployments: {{{written}}}`")
}

/// An entry of a list as a deployment with its key; its fields are kept where they stand right in it.
fn of_deployment(text: &str, node: &Node<'_>, number: usize) -> Option<String> {
    let NodeValue::Mapping(pairs) = &node.value else {
        return named(node).map(|key| format!("{key}: {{}}"));
    };
    let is_field = |key: &Node<'_>| {
        let name = of_source(text, key);
        fields::DEPLOYMENT.iter().any(|spec| spec.name == name)
    };
    if !pairs.iter().all(|(key, _)| is_field(key)) {
        return named(node).map(|key| format!("{key}: {{}}"));
    }
    let fields = pairs.iter().map(|(key, value)| {
        let is_whole = !matches!(value.value, NodeValue::Mapping(_) | NodeValue::Sequence(_));
        let value = of_source(text, value);
        let is_short = is_whole && value.chars().count() <= 40 && !value.contains('\n');
        format!("{}: {}", of_source(text, key), if is_short { value } else { "…" })
    });
    let fields = fields.collect::<Vec<_>>().join(", ");
    let key = if number == 1 { "baseline".to_owned() } else { format!("deployment-{number}") };
    Some(format!("{key}: {{{fields}}}"))
}

/// What to write in place of a text that a `: ` makes a mapping.
fn of_colon_text(text: &str, pairs: &[(Node<'_>, Node<'_>)]) -> String {
    let whole = match pairs {
        [(key, value)]
            if !matches!(value.value, NodeValue::Mapping(_) | NodeValue::Sequence(_)) =>
        {
            let (key, value) = (of_source(text, key), of_source(text, value));
            in_quotes(format!("{key}: {value}").trim_end())
        }
        _ => None,
    };
    match whole {
        Some(quoted) => format!("put it in quotes: `{quoted}`"),
        None => "a text that holds `: ` needs quotes".to_owned(),
    }
}

/// A node as it is written.
fn of_source<'t>(text: &'t str, node: &Node<'_>) -> &'t str {
    text.get(node.span.clone()).unwrap_or_default().trim()
}

fn of_list(words: &str, field: &str, is_dashed: bool, is_of_words: bool) -> String {
    if is_dashed {
        let first = words.trim_start_matches('-').split(" -").next().unwrap_or_default();
        let entry = shortened(first.trim());
        return format!("write a blank behind the `-` of each entry: `- {entry}`");
    }
    // Some programs take words with commas between them.
    let entries: Vec<&str> = words.split(',').map(str::trim).collect();
    let is_word = |word: &&str| !word.is_empty() && !word.contains(char::is_whitespace);
    let entries = if is_of_words && entries.iter().all(is_word) { entries } else { vec![words] };
    let entries: Vec<String> = entries.into_iter().map(quoted).collect();
    format!("write a list: `{field}: [{}]`", entries.join(", "))
}

fn of_flag(words: &str, field: &str) -> String {
    let meant = match words.trim().to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "1" => "true",
        "no" | "off" | "n" | "0" => "false",
        "true" | "false" => {
            return format!(
                "write `{field}: {}` without quotes",
                words.trim().to_ascii_lowercase()
            );
        }
        _ => return format!("write `{field}: true` or `{field}: false`"),
    };
    format!("write `{field}: {meant}`")
}

/// What an entry of a list is called that should be a key.
fn named(node: &Node<'_>) -> Option<String> {
    match &node.value {
        NodeValue::Text(words) => slug(words),
        NodeValue::Mapping(pairs) => {
            let is_name = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(name) if ["key", "name", "id"].contains(&&**name));
            let named = pairs.iter().find(|(key, _)| is_name(key));
            let (first, value) = named.or_else(|| pairs.first())?;
            match (&value.value, &first.value) {
                (NodeValue::Text(words), _) if named.is_some() => slug(words),
                (_, NodeValue::Text(key)) if named.is_none() => slug(key),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Makes a key of the name of a task whose fields these are.
pub(super) fn key_of(fields: &[(Node<'_>, Node<'_>)]) -> Option<String> {
    fields.iter().find_map(|(key, value)| match (&key.value, &value.value) {
        (NodeValue::Text(field), NodeValue::Text(name)) if field == "name" => slug(name),
        _ => None,
    })
}

/// Makes a key of words.
fn slug(words: &str) -> Option<String> {
    if words.parse::<Key>().is_ok_and(|key| !key.is_of_matrix()) {
        return Some(words.to_owned());
    }
    let parts = words.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    let slug = parts.map(str::to_lowercase).collect::<Vec<_>>().join("-");
    (slug.len() <= 40 && slug.parse::<Key>().is_ok()).then_some(slug)
}

/// A text as help repeats it, in quotes where it needs them within brackets.
fn quoted(words: &str) -> String {
    let words = shortened(words);
    let is_plain = |c: char| c.is_alphanumeric() || " _.-".contains(c);
    if words.chars().all(is_plain) && words.starts_with(char::is_alphabetic) {
        words
    } else {
        format!("'{}'", words.replace('\'', "''"))
    }
}

/// The beginning of a text, on one line.
pub(super) fn shortened(words: &str) -> String {
    const MOST: usize = 40;
    let line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn example(spec: Option<&Spec>) -> &'static str {
    spec.map_or("…", |spec| spec.example)
}
