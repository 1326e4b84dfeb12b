//! Expectations that can never hold: better said now than after a deployment was paid for.

use std::ops::Range;

use crate::diag::{Code, Diagnostic};
use crate::manifest::entries::Entries;
use crate::manifest::node::{Node, NodeValue};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape::shortened;
use crate::manifest::{DeploymentState, DesiredDeployment};
use crate::transcript::Pattern;

/// What the agent says, or does not say.
enum TextRule<'e> {
    Text(&'e str),
    Expression(&'e Pattern),
}

/// Words and where they are asked for.
pub(super) struct Asked<'e> {
    words: TextRule<'e>,
    field: &'static str,
    span: Range<usize>,
}

/// What is asked of the words of the agent.
#[derive(Default)]
pub(super) struct TextRules<'e> {
    must: Vec<Asked<'e>>,
    must_not: Vec<Asked<'e>>,
}

impl<'e> TextRules<'e> {
    /// Adds texts of a field, which stand in `entries`.
    pub(super) fn texts(
        &mut self,
        entries: &Entries<'_, '_>,
        field: &'static str,
        texts: &'e [String],
    ) {
        let asked = texts.iter().zip(nodes(entries, field));
        let asked = asked.map(|(text, node)| Asked {
            words: TextRule::Text(text),
            field,
            span: node.span.clone(),
        });
        self.list(field).extend(asked);
    }

    /// Adds expressions of a field, which stand in `entries`.
    pub(super) fn expressions(
        &mut self,
        entries: &Entries<'_, '_>,
        field: &'static str,
        patterns: &'e [Pattern],
    ) {
        let asked = patterns.iter().zip(nodes(entries, field));
        let asked = asked.map(|(pattern, node)| Asked {
            words: TextRule::Expression(pattern),
            field,
            span: node.span.clone(),
        });
        self.list(field).extend(asked);
    }

    fn list(&mut self, field: &str) -> &mut Vec<Asked<'e>> {
        if field.starts_with("not") { &mut self.must_not } else { &mut self.must }
    }

    /// Reports what cannot be said and not be said at once.
    pub(super) fn check(&self, reader: &mut Reader<'_>, owner: Owner<'_>) {
        for asked in &self.must {
            if let TextRule::Expression(pattern) = asked.words
                && pattern.finds_nothing()
            {
                let message = format!("`{}` of {owner} finds nothing in any text", asked.field);
                let finding = impossible(reader, message, &asked.span);
                reader.report(finding.help("write an expression that matches what is expected"));
            }
        }
        for not in &self.must_not {
            if let TextRule::Expression(pattern) = not.words
                && pattern.is_found_in_all()
            {
                let message = format!("`{}` of {owner} finds something in every text", not.field);
                let finding = impossible(reader, message, &not.span);
                reader
                    .report(finding.help("write an expression that does not match the empty text"));
                continue;
            }
            for asked in self.must.iter().filter(|asked| not.excludes(asked)) {
                let message = if not.written() == asked.written() {
                    format!(
                        "`{}` and `{}` of {owner} are both `{}`, so one of them fails",
                        asked.field,
                        not.field,
                        shortened(not.written())
                    )
                } else {
                    format!(
                        "`{}` of {owner} fails wherever `{}` holds: `{}` is found in `{}`",
                        not.field,
                        asked.field,
                        shortened(not.written()),
                        shortened(asked.written())
                    )
                };
                let finding = impossible(reader, message, &not.span)
                    .see(reader.place(&asked.span), "the other one")
                    .help("take one of the two out");
                reader.report(finding);
            }
        }
    }
}

impl Asked<'_> {
    /// Whether these words are found in everything in which the others are.
    fn excludes(&self, other: &Self) -> bool {
        let certain = match other.words {
            TextRule::Text(text) => Some(text),
            TextRule::Expression(pattern) => pattern.literal(),
        };
        match (&self.words, &other.words) {
            (TextRule::Expression(not), TextRule::Expression(must)) if not == must => true,
            (TextRule::Text(text), _) => certain.is_some_and(|certain| certain.contains(text)),
            (TextRule::Expression(pattern), _) => {
                certain.is_some_and(|certain| pattern.is_found_around(certain))
            }
        }
    }

    fn written(&self) -> &str {
        match self.words {
            TextRule::Text(text) => text,
            TextRule::Expression(pattern) => pattern.as_str(),
        }
    }
}

/// Reports tools that are to be called and not to be called.
pub(super) fn tools(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    called: &[String],
    not_called: &[String],
    owner: Owner<'_>,
) {
    let places: Vec<Range<usize>> =
        nodes(entries, "toolCalled").iter().map(|node| node.span.clone()).collect();
    for (tool, node) in not_called.iter().zip(nodes(entries, "toolNotCalled")) {
        let Some(at) = called.iter().position(|other| other == tool) else { continue };
        let message = format!("`toolCalled` and `toolNotCalled` of {owner} both name `{tool}`");
        let finding = impossible(reader, message, &node.span)
            .see(reader.place(&places[at]), "the other one")
            .help("take one of the two out");
        reader.report(finding);
    }
}

/// Reports a number that no text can hold.
pub(super) fn number(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    pattern: Option<&Pattern>,
    bounds: (Option<f64>, Option<f64>),
    owner: Owner<'_>,
) {
    if let (Some(min), Some(max)) = bounds
        && min > max
        && let (Some(least), Some(most)) = (entries.value("min"), entries.value("max"))
    {
        let message =
            format!("`min` of {owner} is {min}, and `max` is {max}: no number is between");
        let (place, span) = (reader.place(&least.span), &most.span);
        let finding = impossible(reader, message, span).see(place, "`min`");
        reader.report(finding.help("exchange them, or take one of the two out"));
    }
    if let (Some(pattern), Some(node)) = (pattern, entries.value("pattern"))
        && !is_never_captured(reader, pattern, &node.span, owner)
    {
        out_of_range(reader, entries, pattern, bounds, owner);
    }
}

/// Reports an expression that never captures a number; whether it is one.
fn is_never_captured(
    reader: &mut Reader<'_>,
    pattern: &Pattern,
    span: &Range<usize>,
    owner: Owner<'_>,
) -> bool {
    let message = format!("`pattern` of {owner} never finds a number: ");
    let (why, help) = if let Some(words) = pattern.words_beside_number() {
        (
            format!("it has no group, and what it finds holds `{}`", shortened(words.trim())),
            format!(
                "put the number into a group, as in `'{}([0-9.]+)'`",
                words.replace('\'', "''")
            ),
        )
    } else if pattern.finds_nothing() {
        let help = "write an expression that matches what is expected";
        ("it finds nothing in any text".to_owned(), help.to_owned())
    } else if pattern.captures_no_digit() {
        let help = "put the number into the first group, as in `([0-9.]+)`";
        ("what it captures holds no digit".to_owned(), help.to_owned())
    } else {
        return false;
    };
    let finding = impossible(reader, message + &why, span);
    reader.report(finding.help(help));
    true
}

/// Reports a bound that no number reaches that an expression captures.
fn out_of_range(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    pattern: &Pattern,
    (min, max): (Option<f64>, Option<f64>),
    owner: Owner<'_>,
) {
    let (least, largest) = pattern.range_of_number();
    let beyond = [
        ("min", min.filter(|min| *min > largest), format!("at most {largest}")),
        ("max", max.filter(|max| *max < least), format!("at least {least}")),
    ];
    for (field, bound, reach) in beyond {
        let (Some(bound), Some(node)) = (bound, entries.value(field)) else { continue };
        let message =
            format!("`{field}` of {owner} is {bound}, and what `pattern` captures is {reach}");
        let finding = impossible(reader, message, &node.span);
        reader.report(finding.help("let the group of `pattern` capture the whole number"));
    }
}

/// Reports fields of a deployment that leave an expectation no chance.
pub(super) fn deployment(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    declared: &DesiredDeployment,
    owner: Owner<'_>,
) {
    let status = declared.expect.as_ref().and_then(|expect| expect.status.as_deref());
    if let Some(expect) = &declared.expect
        && let (Some(number), Some(node)) = (&expect.number, expected(entries, "number"))
        && expect.not_matches.contains(&number.pattern)
    {
        let words = shortened(number.pattern.as_str());
        let message = format!("`number` of {owner} finds `{words}`, which `notMatches` forbids");
        let finding = impossible(reader, message, &node.span);
        reader.report(finding.help("take one of the two out"));
    }
    if declared.state == DeploymentState::Stopped {
        stopped(reader, entries, status, owner);
        return;
    }
    let least = declared.follow_ups.len() as u64 + 1;
    let most = declared.expect.as_ref().and_then(|expect| expect.max_turns);
    let ends_early = matches!(status, Some("Failed" | "Stopped"));
    if let (Some(most), Some(node)) = (most, expected(entries, "maxTurns"))
        && most < least
        && !ends_early
    {
        let message = format!(
            "`maxTurns` of {owner} is {most}, and its prompt and follow-ups get {least} answers"
        );
        let finding = impossible(reader, message, &node.span);
        reader.report(finding.help(format!("write `maxTurns: {least}` or more")));
    }
}

/// Reports what is asked of a deployment that is stopped where it is active, and never started.
fn stopped(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    status: Option<&str>,
    owner: Owner<'_>,
) {
    let Some(state) = entries.key("state").map(|key| reader.place(&key.span)) else { return };
    if let (Some(status), Some(node)) = (status, expected(entries, "status"))
        && status != "Stopped"
    {
        let message = format!("{owner} is to be stopped, and `expect` wants it `{status}`");
        let finding = impossible(reader, message, &node.span).see(state.clone(), "stopped here");
        reader.report(finding.help("write `status: Stopped`, or take one of the two out"));
    }
    let of_deployment = ["followUps", "timeout"].map(|field| (field, entries.value(field)));
    let of_expect = ["transcript", "toolCalled", "number"];
    let of_expect = of_expect.map(|field| (field, expected(entries, field)));
    for (field, node) in of_deployment.into_iter().chain(of_expect) {
        let Some(node) = node else { continue };
        let message = format!(
            "`{field}` of {owner} needs a deployment that runs, and `state: stopped` starts none"
        );
        let finding = Diagnostic::warning(Code::ImpossibleExpectation, message);
        let finding = finding.at(reader.place(&node.span)).see(state.clone(), "stopped here");
        reader.report(finding.help("take one of the two out"));
    }
}

/// A field of `expect`.
fn expected<'n, 't>(entries: &Entries<'n, 't>, field: &str) -> Option<&'n Node<'t>> {
    let NodeValue::Mapping(pairs) = &entries.value("expect")?.value else { return None };
    let is_it = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(name) if name == field);
    pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

/// The texts of a field that holds one or a list.
fn nodes<'n, 't>(entries: &Entries<'n, 't>, field: &str) -> &'n [Node<'t>] {
    match entries.value(field) {
        None => &[],
        Some(Node { value: NodeValue::Sequence(nodes), .. }) => nodes,
        Some(node) => std::slice::from_ref(node),
    }
}

fn impossible(reader: &Reader<'_>, message: String, span: &Range<usize>) -> Diagnostic {
    reader.error(Code::ImpossibleExpectation, message, span)
}
