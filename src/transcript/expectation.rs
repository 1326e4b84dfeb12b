//! What a manifest expects of a deployment, and what was found instead.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::model::grouped;
use crate::transcript::{Message, ToolCall, Transcript};

/// What is expected of a deployment; every part that is set must hold.
///
/// In a manifest, below `expect` (a text may stand wherever a list of texts may):
///
/// ```yaml
/// expect:
///   status: Completed                 # the word of the service, in any case
///   transcript:                       # what the agent said: its text, not its reasoning or its tools
///     contains: Sharpe                # every one of these stands in it
///     notContains: [I could not]      # none of these does
///     matches: 'Sharpe Ratio of \d'   # every one of these expressions finds something
///     notMatches: '(?i)runtime error' # none of these does
///   toolCalled: create_backtest       # each was called at least once
///   toolNotCalled: delete_project     # none was called
///   noToolFailure: true               # no tool's result says `success: false`
///   number: {pattern: 'Sharpe Ratio of (-?[0-9.]+)', min: 0.5, max: 3}
///                                     # the first group, in the agent's last words
///   maxTokens: 200000                 # tokens read and written
///   maxTurns: 20                      # turns of the agent
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// The status it ends with.
    pub status: Option<String>,
    /// Texts that the agent says.
    pub contains: Vec<String>,
    /// Texts that the agent does not say.
    pub not_contains: Vec<String>,
    /// Expressions that match what the agent says.
    pub matches: Vec<Pattern>,
    /// Expressions that do not.
    pub not_matches: Vec<Pattern>,
    /// Tools that are called.
    pub tool_called: Vec<String>,
    /// Tools that are not.
    pub tool_not_called: Vec<String>,
    /// Whether no tool may fail.
    pub no_tool_failure: bool,
    /// A number in the agent's last words.
    pub number: Option<NumberExpectation>,
    /// The most tokens, read and written.
    pub max_tokens: Option<u64>,
    /// The most turns of the agent.
    pub max_turns: Option<u64>,
}

/// A number that is captured and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberExpectation {
    /// Its first group captures the number, the whole match where there is none.
    pub pattern: Pattern,
    /// The least.
    pub min: Option<f64>,
    /// The most.
    pub max: Option<f64>,
}

/// A regular expression, equal to another where both are written alike.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Regex>);

/// Why an expression is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is none; what is wrong with it, in one line.
    Invalid(String),
    /// Compiled it takes more than it may.
    TooLarge,
}

impl Pattern {
    /// Reads an expression that takes at most `most` bytes once it is compiled.
    pub fn parse(text: &str, most: usize) -> Result<Self, PatternError> {
        let compiled = RegexBuilder::new(text).size_limit(most).build();
        compiled.map(|regex| Self(Arc::new(regex))).map_err(|error| {
            if matches!(error, regex::Error::CompiledTooBig(_)) {
                return PatternError::TooLarge;
            }
            let words = error.to_string();
            // The crate draws the place on lines of its own; the last one says what is wrong.
            let last = words.lines().last().unwrap_or_default().trim();
            PatternError::Invalid(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        })
    }

    /// Returns the expression as it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the one text that it finds, where every character stands for itself.
    pub fn literal(&self) -> Option<&str> {
        let text = self.0.as_str();
        (regex::escape(text) == text).then_some(text)
    }

    /// Whether it finds something in every text that holds `text`, whatever stands around it.
    pub fn is_found_around(&self, text: &str) -> bool {
        // What looks at its surroundings may find something in `text` alone.
        let reads = ["^", "$", r"\b", r"\B", r"\A", r"\z", r"\<", r"\>"];
        let written = self.0.as_str();
        !reads.iter().any(|sign| written.contains(sign)) && self.0.is_match(text)
    }

    /// Whether it finds something in every text, the empty one included.
    pub fn is_found_in_all(&self) -> bool {
        self.is_found_around("")
    }

    /// Returns words that all it finds begins with, where no group keeps a number apart from them.
    pub fn words_beside_number(&self) -> Option<&str> {
        let written = self.0.as_str();
        if self.0.captures_len() > 1 || written.contains('|') {
            return None;
        }
        let special = |c: char| {
            !c.is_alphanumeric() && regex::escape(c.encode_utf8(&mut [0; 4])).len() > c.len_utf8()
        };
        let mut end = written.find(special).unwrap_or(written.len());
        if written[end..].starts_with(['*', '?', '{']) {
            // The character before may be absent.
            end = written[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        }
        let words = &written[..end];
        // Letters of `inf`, `NaN` and `1e5` can be part of a number.
        let is_word = |c: char| c.is_alphabetic() && !"infinityae".contains(c.to_ascii_lowercase());
        words.contains(is_word).then_some(words)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The field of the expectation.
    pub field: &'static str,
    /// What was expected.
    pub expected: String,
    /// What was found instead, with the number of the turn where there is one.
    pub found: String,
}

impl Expectation {
    /// Whether the conversation is needed to check it.
    pub fn needs_transcript(&self) -> bool {
        let without = Self { status: self.status.clone(), ..Self::default() };
        *self != without
    }

    /// Checks a deployment that has come to its end; a conversation that is not known fails what needs it.
    pub fn check(&self, status: &str, transcript: Result<&Transcript, &str>) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut fail = |field, expected: String, found: String| {
            failures.push(Failure { field, expected, found });
        };
        if let Some(desired) =
            self.status.as_ref().filter(|word| !word.eq_ignore_ascii_case(status))
        {
            fail("status", desired.clone(), status.to_owned());
        }
        match transcript {
            Ok(transcript) => {
                let turns = transcript.agent_turns();
                let said: Vec<_> = turns.map(|(turn, message)| (turn, words(message))).collect();
                self.check_words(&said, &mut fail);
                self.check_tools(&transcript.tool_calls(), &mut fail);
                self.check_limits(transcript, &said, &mut fail);
            }
            Err(why) if self.needs_transcript() => {
                let found = format!("a conversation that is not known: {why}");
                fail("transcript", "a conversation that can be read".to_owned(), found);
            }
            Err(_) => {}
        }
        failures
    }

    fn check_words(
        &self,
        said: &[(usize, String)],
        fail: &mut dyn FnMut(&'static str, String, String),
    ) {
        for text in &self.contains {
            if !said.iter().any(|(_, words)| words.contains(text)) {
                fail("transcript.contains", quoted(text), nowhere(said));
            }
        }
        for text in &self.not_contains {
            if let Some((turn, words)) = said.iter().find(|(_, words)| words.contains(text)) {
                let at = words.find(text.as_str()).unwrap_or_default();
                fail("transcript.notContains", quoted(text), around(*turn, words, at));
            }
        }
        for pattern in &self.matches {
            if !said.iter().any(|(_, words)| pattern.0.is_match(words)) {
                fail("transcript.matches", quoted(&pattern.to_string()), nowhere(said));
            }
        }
        for pattern in &self.not_matches {
            let hit = said.iter().find_map(|(turn, words)| {
                pattern.0.find(words).map(|hit| (*turn, words, hit.start()))
            });
            if let Some((turn, words, at)) = hit {
                let expected = quoted(&pattern.to_string());
                fail("transcript.notMatches", expected, around(turn, words, at));
            }
        }
    }

    fn check_tools(
        &self,
        calls: &[(usize, &ToolCall)],
        fail: &mut dyn FnMut(&'static str, String, String),
    ) {
        for tool in &self.tool_called {
            if !calls.iter().any(|(_, call)| call.name == *tool) {
                let mut names: Vec<&str> = calls.iter().map(|(_, call)| &*call.name).collect();
                names.sort_unstable();
                names.dedup();
                let found = if names.is_empty() {
                    "calls of no tool".to_owned()
                } else {
                    format!("calls of {}", names.join(", "))
                };
                fail("toolCalled", format!("a call of {tool}"), found);
            }
        }
        for tool in &self.tool_not_called {
            if let Some((turn, _)) = calls.iter().find(|(_, call)| call.name == *tool) {
                fail("toolNotCalled", format!("no call of {tool}"), format!("one in turn {turn}"));
            }
        }
        if self.no_tool_failure {
            for (turn, call) in calls.iter().filter(|(_, call)| call.success == Some(false)) {
                let why = call.errors.first().map_or_else(String::new, |why| format!(": {why}"));
                let found = format!("a failure of `{}` in turn {turn}{why}", call.name);
                fail("noToolFailure", "no result with `success: false`".to_owned(), found);
            }
        }
    }

    fn check_limits(
        &self,
        transcript: &Transcript,
        said: &[(usize, String)],
        fail: &mut dyn FnMut(&'static str, String, String),
    ) {
        if let Some(number) = &self.number
            && let Err(found) = number.check(said)
        {
            fail("number", number.to_string(), found);
        }
        if let Some(most) = self.max_tokens {
            match transcript.tokens() {
                Some(tokens) if tokens <= most => {}
                Some(tokens) => {
                    fail("maxTokens", format!("at most {}", grouped(most)), grouped(tokens));
                }
                None => {
                    let found = "no token counts from the service".to_owned();
                    fail("maxTokens", format!("at most {}", grouped(most)), found);
                }
            }
        }
        if let Some(most) = self.max_turns {
            let turns = said.len() as u64;
            if turns > most {
                let last = said.last().map_or(0, |(turn, _)| *turn);
                let found = format!("{turns}, the last of them turn {last}");
                fail("maxTurns", format!("at most {most}"), found);
            }
        }
    }
}

impl NumberExpectation {
    /// Looks for the number in the agent's last words.
    fn check(&self, said: &[(usize, String)]) -> Result<(), String> {
        let last = said.iter().rfind(|(_, words)| !words.trim().is_empty());
        let Some((turn, words)) = last else { return Err("nothing said by the agent".to_owned()) };
        let Some(groups) = self.pattern.0.captures(words) else {
            return Err(format!("no match in turn {turn}: {}", quoted(&shortened(words))));
        };
        let text = groups.get(1).or_else(|| groups.get(0)).map_or("", |group| group.as_str());
        // A sentence that ends behind the number lends it a period.
        let plain: String = text.trim().trim_end_matches(['.', '%']).replace(',', "");
        let Ok(number) = plain.parse::<f64>() else {
            return Err(format!("no number in turn {turn}: {}", quoted(text)));
        };
        let is_within =
            self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max);
        // What is no number compares with nothing.
        if is_within && !number.is_nan() { Ok(()) } else { Err(format!("{number} in turn {turn}")) }
    }
}

impl fmt::Display for Expectation {
    /// Every part that is set, by the field of the manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |limit: Option<u64>| limit.iter().map(ToString::to_string).collect();
        let patterns =
            |all: &[Pattern]| all.iter().map(|one| format!("{:?}", one.as_str())).collect();
        let texts = |all: &[String]| all.iter().map(|text| format!("{text:?}")).collect();
        let parts: [(&str, Vec<String>); 11] = [
            ("status", self.status.iter().cloned().collect()),
            ("contains", texts(&self.contains)),
            ("notContains", texts(&self.not_contains)),
            ("matches", patterns(&self.matches)),
            ("notMatches", patterns(&self.not_matches)),
            ("toolCalled", self.tool_called.clone()),
            ("toolNotCalled", self.tool_not_called.clone()),
            (
                "noToolFailure",
                self.no_tool_failure.then(|| "true".to_owned()).into_iter().collect(),
            ),
            ("number", self.number.iter().map(ToString::to_string).collect()),
            ("maxTokens", number(self.max_tokens)),
            ("maxTurns", number(self.max_turns)),
        ];
        let words = parts
            .iter()
            .flat_map(|(field, values)| values.iter().map(move |value| format!("{field} {value}")));
        f.write_str(&words.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for NumberExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.pattern)?;
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, " between {min} and {max}"),
            (Some(min), None) => write!(f, " at least {min}"),
            (None, Some(max)) => write!(f, " at most {max}"),
            (None, None) => f.write_str(" captures a number"),
        }
    }
}

fn words(message: &Message) -> String {
    message.text().unwrap_or_default()
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}

/// What was said last instead of what is nowhere.
fn nowhere(said: &[(usize, String)]) -> String {
    match said.iter().rfind(|(_, words)| !words.trim().is_empty()) {
        Some((turn, words)) => {
            format!("nowhere; the last words, in turn {turn}: {}", quoted(&shortened(words)))
        }
        None => "nowhere; nothing was said by the agent".to_owned(),
    }
}

/// The words around a place.
fn around(turn: usize, words: &str, at: usize) -> String {
    const BEFORE: usize = 30;
    let start = words[..at].char_indices().rev().nth(BEFORE).map_or(0, |(start, _)| start);
    format!("in turn {turn}: {}", quoted(&shortened(&words[start..])))
}

fn shortened(words: &str) -> String {
    const MOST: usize = 160;
    let mut short: String = words.chars().take(MOST).collect();
    if short.len() < words.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Part, ToolCall};

    fn run() -> Transcript {
        let message = |role: &str, parts| Message {
            role: Some(role.to_owned()),
            time: None,
            parts: Some(parts),
        };
        let text = |words: &str| Part::Text(words.to_owned());
        let failed = ToolCall {
            name: "create_backtest".to_owned(),
            success: Some(false),
            errors: vec!["runtime error".to_owned()],
            ..ToolCall::default()
        };
        Transcript {
            messages: vec![
                message("user", vec![text("Say Sortino")]),
                message("assistant", vec![text("Working."), Part::Tool(failed)]),
                message("assistant", vec![text("Sharpe Ratio of 0.87.")]),
            ],
            input_tokens: Some(1_000),
            output_tokens: Some(200),
        }
    }

    fn check(change: impl FnOnce(&mut Expectation)) -> Vec<String> {
        let mut expectation = Expectation::default();
        change(&mut expectation);
        let failures = expectation.check("Completed", Ok(&run()));
        failures.iter().map(|failure| format!("{}: {}", failure.field, failure.found)).collect()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, 1 << 20).unwrap()
    }

    #[test]
    fn what_holds_is_no_failure() {
        let failures = check(|expect| {
            expect.status = Some("completed".to_owned());
            expect.contains = vec!["Sharpe".to_owned()];
            expect.not_contains = vec!["Sortino".to_owned()];
            expect.matches = vec![pattern(r"\d\.\d+")];
            expect.not_matches = vec![pattern("(?i)i could not")];
            expect.tool_called = vec!["create_backtest".to_owned()];
            expect.tool_not_called = vec!["delete_project".to_owned()];
            let number = pattern(r"Sharpe Ratio of ([0-9.]+)");
            expect.number = Some(NumberExpectation { pattern: number, min: Some(0.5), max: None });
            expect.max_tokens = Some(1_200);
            expect.max_turns = Some(2);
        });
        assert_eq!(failures, Vec::<String>::new());
    }

    #[test]
    fn each_failure_says_what_was_found_and_in_which_turn() {
        let text = |word: &str| vec![word.to_owned()];
        let number = |min, max| {
            let pattern = pattern(r"Sharpe Ratio of ([0-9.]+)");
            Some(NumberExpectation { pattern, min, max })
        };
        assert_eq!(
            check(|expect| expect.status = Some("Failed".to_owned())),
            ["status: Completed"]
        );
        assert_eq!(
            check(|expect| expect.no_tool_failure = true),
            ["noToolFailure: a failure of `create_backtest` in turn 2: runtime error"]
        );
        let last = "the last words, in turn 3: `Sharpe Ratio of 0.87.`";
        assert_eq!(
            check(|expect| expect.contains = text("Sortino")),
            [format!("transcript.contains: nowhere; {last}")]
        );
        assert_eq!(
            check(|expect| expect.not_contains = text("Ratio")),
            ["transcript.notContains: in turn 3: `Sharpe Ratio of 0.87.`"]
        );
        assert_eq!(
            check(|expect| expect.tool_called = text("read_file")),
            ["toolCalled: calls of create_backtest"]
        );
        assert_eq!(
            check(|expect| expect.number = number(Some(1.0), None)),
            ["number: 0.87 in turn 3"]
        );
        assert_eq!(check(|expect| expect.max_tokens = Some(1_199)), ["maxTokens: 1,200"]);
        assert_eq!(
            check(|expect| expect.max_turns = Some(1)),
            ["maxTurns: 2, the last of them turn 3"]
        );
    }

    #[test]
    fn an_unknown_conversation_fails_only_what_needs_it() {
        let mut expectation =
            Expectation { status: Some("Completed".to_owned()), ..Expectation::default() };
        assert_eq!(expectation.check("Completed", Err("null")), []);
        expectation.max_turns = Some(3);
        let failures = expectation.check("Completed", Err("null"));
        assert_eq!(failures[0].found, "a conversation that is not known: null");
    }

    #[test]
    fn a_bad_expression_is_said_in_one_line() {
        let invalid = PatternError::Invalid("unclosed group".to_owned());
        assert_eq!(Pattern::parse("(a", 1 << 20).unwrap_err(), invalid);
        assert_eq!(Pattern::parse(r"\w{500}", 1 << 10).unwrap_err(), PatternError::TooLarge);
    }
}
