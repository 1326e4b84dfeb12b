//! The lenient form of `deployments` to what it means, with all findings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::diag::Code;
use crate::manifest::entries::Entries;
use crate::manifest::expressions::Refusal;
use crate::manifest::fields::{DEPLOYMENT, ENDS, EXPECT, NUMBER, TRANSCRIPT};
use crate::manifest::impossible::{self, TextRules};
use crate::manifest::moment;
use crate::manifest::node::{Node, NodeValue, Origin};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape::{self, ValueShape};
use crate::manifest::{DeploymentState, DesiredDeployment};
use crate::model::{Key, canonical_text};
use crate::transcript::{Expectation, NumberExpectation, Pattern};

/// Reads the deployments of a task; one with a mistake is left out, because without the field it
/// would mean another deployment.
pub(super) fn deployments(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    owner: Owner<'_>,
) -> Option<BTreeMap<Key, DesiredDeployment>> {
    let pairs = match &node.value {
        NodeValue::Mapping(pairs) => pairs.as_slice(),
        NodeValue::Null => &[],
        _ => {
            reader.wrong(node, "deployments", owner, ValueShape::Mapping);
            return None;
        }
    };
    let field = ("deployments", owner);
    if reader.is_key_missing(pairs, field, DEPLOYMENT, ("deployment", "baseline")) {
        return None;
    }
    let mut deployments = BTreeMap::new();
    for (key, _, value) in reader.keyed(pairs, "deployment", &format!(" of {owner}")) {
        let owner = Owner::Deployment(key.as_str(), &owner);
        let Some(entries) = reader.entries(value, owner, DEPLOYMENT) else { continue };
        if let Some(deployment) = deployment(reader, &entries, owner) {
            deployments.entry(key).or_insert(deployment);
        }
    }
    Some(deployments)
}

fn deployment(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    owner: Owner<'_>,
) -> Option<DesiredDeployment> {
    // All of them are read before any is judged, so that every mistake is reported.
    let since = entries.value("since").map(|node| self::since(reader, node, owner));
    let follow_ups = entries.value("followUps").map(|node| follow_ups(reader, node, owner));
    let state = entries.value("state").map(|node| state(reader, node, owner));
    let timeout = entries.value("timeout").map(|node| timeout(reader, node, owner));
    let desired = entries.value("expect").filter(|_| reader.source.wants_expectations());
    let expect = desired.map(|node| expect(reader, node, owner));
    let declared = DesiredDeployment {
        since: given(since)?,
        follow_ups: given(follow_ups)?.unwrap_or_default(),
        state: given(state)?.unwrap_or_default(),
        timeout: given(timeout)?,
        expect: given(expect)?,
    };
    impossible::deployment(reader, entries, &declared, owner);
    Some(declared)
}

/// Turns "given and read" inside out: `None` where a field is given and wrong.
#[expect(
    clippy::option_option,
    reason = "a field that is given and wrong is neither of the others"
)]
fn given<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn follow_ups(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<Vec<Arc<str>>> {
    let nodes = match &node.value {
        NodeValue::Sequence(nodes) => nodes.as_slice(),
        NodeValue::Null => &[],
        _ => {
            reader.wrong(node, "followUps", owner, ValueShape::Prompts);
            return None;
        }
    };
    let mut prompts = Vec::with_capacity(nodes.len());
    for (number, node) in (1..).zip(nodes) {
        let field = format!("followUps[{number}]");
        let NodeValue::Text(text) = &node.value else {
            reader.wrong(node, &field, owner, ValueShape::Text);
            continue;
        };
        reader.warn_of_writing(node, text, &field, owner);
        if reader.is_text_unmerged(text, node, (&field, owner))
            || reader.is_stand_in(text, node, (&field, owner))
        {
            continue;
        }
        reader.note_changes(text, node, None, (&field, owner));
        // `$` is ordinary text in a prompt.
        let Some((text, _)) = reader.rendered(text, node, (&field, owner)) else { continue };
        let prompt = canonical_text(&text);
        if prompt.is_empty() {
            let message = format!("`{field}` of {owner} is empty");
            let finding = reader.error(Code::EmptyPrompt, message, &node.span);
            reader.report(finding.help("write what the agent is to do next, or leave it out"));
            continue;
        }
        prompts.push(prompt.into());
    }
    (prompts.len() == nodes.len()).then_some(prompts)
}

fn state(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<DeploymentState> {
    let word = reader.text(node, "state", owner)?;
    if word.trim() == "stopped" {
        return Some(DeploymentState::Stopped);
    }
    let message = format!("`state` of {owner} is none that can be asked for");
    let finding = reader.error(Code::InvalidValue, message, &node.span);
    reader.report(
        finding.help("write `state: stopped`, or leave it out to let the deployment go on"),
    );
    None
}

fn timeout(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<Duration> {
    let (timeout, is_number) = match &node.value {
        NodeValue::Integer(_) | NodeValue::Float(_) => (None, true),
        _ => {
            let text = reader.text(node, "timeout", owner)?;
            let span = text.trim().parse::<SignedDuration>().ok();
            let timeout = span.and_then(|span| Duration::try_from(span).ok());
            (timeout.filter(|timeout| !timeout.is_zero()), text.trim().parse::<f64>().is_ok())
        }
    };
    if timeout.is_none() {
        let message = format!("`timeout` of {owner} is no length of time");
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        let help =
            if is_number { "write a unit, as in `30m`" } else { "write `30m`, `90s` or `2h 30m`" };
        reader.report(finding.help(help));
    }
    timeout
}

fn expect(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<Expectation> {
    let owner = Owner::Inside("expect", &owner);
    let entries = reader.entries(node, owner, EXPECT)?;
    let status = entries.value("status").map(|node| end(reader, node, owner));
    let said = entries.value("transcript").map(|node| {
        let owner = Owner::Inside("transcript", &owner);
        let entries = reader.entries(node, owner, TRANSCRIPT)?;
        let contains = list(reader, &entries, "contains", owner);
        let not_contains = list(reader, &entries, "notContains", owner);
        let matches = patterns(reader, &entries, "matches", owner);
        let not_matches = patterns(reader, &entries, "notMatches", owner);
        let mut said = TextRules::default();
        said.texts(&entries, "contains", contains.as_deref().unwrap_or_default());
        said.texts(&entries, "notContains", not_contains.as_deref().unwrap_or_default());
        said.expressions(&entries, "matches", matches.as_deref().unwrap_or_default());
        said.expressions(&entries, "notMatches", not_matches.as_deref().unwrap_or_default());
        said.check(reader, owner);
        Some((contains?, not_contains?, matches?, not_matches?))
    });
    let tool_called = list(reader, &entries, "toolCalled", owner);
    let tool_not_called = list(reader, &entries, "toolNotCalled", owner);
    if let (Some(called), Some(not_called)) = (&tool_called, &tool_not_called) {
        impossible::tools(reader, &entries, called, not_called, owner);
    }
    let no_tool_failure =
        entries.value("noToolFailure").map(|node| reader.boolean(node, "noToolFailure", owner));
    let number = entries.value("number").map(|node| number(reader, node, owner));
    let mut most = |field| {
        let help = "write a whole number, 1 or more";
        entries.value(field).map(|node| reader.number(node, field, owner, help))
    };
    let (max_tokens, max_turns) = (most("maxTokens"), most("maxTurns"));
    let (contains, not_contains, matches, not_matches) = given(said)?.unwrap_or_default();
    Some(Expectation {
        status: given(status)?,
        contains,
        not_contains,
        matches,
        not_matches,
        tool_called: tool_called?,
        tool_not_called: tool_not_called?,
        no_tool_failure: given(no_tool_failure)?.unwrap_or_default(),
        number: given(number)?,
        max_tokens: given(max_tokens)?,
        max_turns: given(max_turns)?,
    })
}

fn end(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<String> {
    let word = reader.text(node, "status", owner)?;
    if let Some(known) = ENDS.iter().find(|known| known.eq_ignore_ascii_case(word.trim())) {
        return Some((*known).to_owned());
    }
    let message = format!("`status` of {owner} is none that a deployment ends with");
    let finding = reader.error(Code::InvalidValue, message, &node.span);
    reader.report(finding.help("write `Completed`, `Stopped` or `Failed`"));
    None
}

/// Reads a text or a list of them, each with its place.
fn texts<'n, 't>(
    reader: &mut Reader<'_>,
    entries: &Entries<'n, 't>,
    field: &'static str,
    owner: Owner<'_>,
) -> Option<Vec<(String, &'n Node<'t>)>> {
    let Some(node) = entries.value(field) else { return Some(Vec::new()) };
    let nodes = match &node.value {
        NodeValue::Sequence(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut texts = Vec::with_capacity(nodes.len());
    for node in nodes {
        if let Some(help) = shape::of_entry(reader.text, node) {
            let message = format!("`{field}` of {owner} is one text, not a list");
            let finding = reader.error(Code::InvalidValue, message, &node.span);
            reader.report(finding.help(help));
            continue;
        }
        if let Some(text) = reader.text(node, field, owner) {
            texts.push((text.into_owned(), node));
        }
    }
    (texts.len() == nodes.len()).then_some(texts)
}

fn list(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    field: &'static str,
    owner: Owner<'_>,
) -> Option<Vec<String>> {
    let texts = texts(reader, entries, field, owner)?;
    Some(texts.into_iter().map(|(text, _)| text).collect())
}

fn patterns(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    field: &'static str,
    owner: Owner<'_>,
) -> Option<Vec<Pattern>> {
    let texts = texts(reader, entries, field, owner)?;
    let patterns: Vec<Option<Pattern>> =
        texts.iter().map(|(text, node)| pattern(reader, text, node, field, owner)).collect();
    patterns.into_iter().collect()
}

fn pattern(
    reader: &mut Reader<'_>,
    text: &str,
    node: &Node<'_>,
    field: &str,
    owner: Owner<'_>,
) -> Option<Pattern> {
    let refusal = match reader.expressions.compile(text) {
        Ok(pattern) => return Some(pattern),
        Err(refusal) => refusal,
    };
    let (message, help) = match refusal {
        Refusal::Invalid(why) => (
            format!("`{field}` of {owner} is no regular expression: {why}"),
            "single quotes keep YAML from reading its backslashes",
        ),
        Refusal::TooLarge(why) => (
            format!("the regular expression of `{field}` of {owner} is too large: {why}"),
            "write a shorter one, or one that repeats less",
        ),
        Refusal::TooMany(why) => (
            format!("the manifest has too many regular expressions: {why}"),
            "write fewer or shorter ones, or divide the manifest",
        ),
        Refusal::Said => return None,
    };
    let finding = reader.error(Code::InvalidValue, message, &node.span);
    reader.report(finding.help(help));
    None
}

fn number(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<NumberExpectation> {
    let owner = Owner::Inside("number", &owner);
    let entries = reader.entries(node, owner, NUMBER)?;
    let captured = if let Some(node) = entries.value("pattern") {
        let text = reader.text(node, "pattern", owner);
        text.and_then(|text| pattern(reader, &text, node, "pattern", owner))
    } else if entries.is_misspelled("pattern") {
        None
    } else {
        let message = format!("missing field `pattern` of {owner}");
        let finding = reader.error(Code::MissingField, message, &node.span);
        reader.report(finding.help("write the expression whose first group is the number"));
        None
    };
    let mut bound = |field: &str| {
        entries.value(field).map(|node| match node.value {
            NodeValue::Float(number) if number.is_finite() => Some(number),
            // Bounds are small; a whole number beyond 2^53 is no measure of a strategy.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            NodeValue::Integer(number) => Some(number as f64),
            NodeValue::Float(_) => {
                let message = format!("`{field}` of {owner} must be finite");
                let finding = reader.error(Code::InvalidValue, message, &node.span);
                reader.report(finding.help("write a number such as `0.5`, or leave it out"));
                None
            }
            _ if node.origin == Origin::Unresolved => None,
            _ => {
                reader.wrong(node, field, owner, ValueShape::Number);
                None
            }
        })
    };
    let (min, max) = (bound("min"), bound("max"));
    let bounds = (min.flatten(), max.flatten());
    impossible::number(reader, &entries, captured.as_ref(), bounds, owner);
    Some(NumberExpectation { pattern: captured?, min: given(min)?, max: given(max)? })
}

fn since(reader: &mut Reader<'_>, node: &Node<'_>, owner: Owner<'_>) -> Option<Timestamp> {
    let moment = match &node.value {
        NodeValue::Text(_) => parse_moment(reader.text(node, "since", owner)?.trim()),
        _ => None,
    };
    if moment.is_none() {
        let message = format!("`since` of {owner} is neither a date nor an instant");
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        reader.report(finding.help(moment::of_value(node)));
    }
    moment
}

/// Reads a date as its first moment in UTC, or an instant with its offset (RFC 3339).
fn parse_moment(text: &str) -> Option<Timestamp> {
    // The calendar crate reads a date off longer texts too; a time must not be dropped silently.
    if text.len() == "2026-11-01".len() {
        let date: Date = text.parse().ok()?;
        return Offset::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok();
    }
    text.parse().ok()
}
