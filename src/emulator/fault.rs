//! Scripted trouble, on both sides of an effect.
//!
//! A [`Script`] is a list of rules, each of which names calls and what goes wrong with them. It is
//! kept outside of the world: a crash of the client is not a fact about the service.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection: the request never arrives, and the client knows.
    NotConnected,
    /// The connection breaks before the effect; the client cannot know.
    LostBefore,
    /// The connection breaks after the effect; the client cannot know.
    LostAfter,
    /// The connection breaks in the middle of the answer, after the effect.
    CutAnswer,
    /// The connection breaks at once, and the effect happens after this long.
    Late(Duration),
    /// HTTP 401 in place of an effect.
    Unauthorized,
    /// HTTP 429 in place of an effect, with `Retry-After` in seconds where it is known.
    TooMany(Option<u32>),
    /// HTTP 503 in place of an effect.
    Unavailable,
    /// HTTP 200 with a text about the rate, in place of an effect (contract 6.1).
    RateText,
    /// HTTP 500 with an empty body in place of an effect.
    EmptyBefore,
    /// HTTP 500 with an empty body after the effect.
    EmptyAfter,
    /// A proxy's page in place of an effect.
    HtmlBefore,
    /// A proxy's page after the effect.
    HtmlAfter,
    /// HTTP 200 after the effect, with the first half of the JSON text.
    BrokenJson,
    /// A list without its newest entry.
    ListLags,
    /// A list without any entry, called a success.
    ListEmpty,
    /// The first half of a list, called a success.
    ListShort,
    /// A success that carries no id, after the effect.
    NoId,
    /// A success in place of an effect (contract 19).
    NoEffect,
}

/// Every fault that takes no argument, with the word for it and one sentence.
pub const FAULTS: &[(&str, Fault, &str)] = &[
    ("not-connected", Fault::NotConnected, "No connection; the client knows nothing happened."),
    ("lost-before", Fault::LostBefore, "The connection breaks before the effect."),
    ("lost-after", Fault::LostAfter, "The connection breaks after the effect."),
    ("cut-answer", Fault::CutAnswer, "The connection breaks in the middle of the answer."),
    ("401", Fault::Unauthorized, "HTTP 401 in place of the effect."),
    (
        "429",
        Fault::TooMany(None),
        "HTTP 429 in place of the effect; `429:SECONDS` sets `Retry-After`.",
    ),
    ("503", Fault::Unavailable, "HTTP 503 in place of the effect."),
    ("rate-text", Fault::RateText, "HTTP 200 with a text about the rate in place of the effect."),
    ("500-before", Fault::EmptyBefore, "HTTP 500, empty, in place of the effect."),
    ("500-after", Fault::EmptyAfter, "HTTP 500, empty, after the effect."),
    ("html-before", Fault::HtmlBefore, "A proxy's page in place of the effect."),
    ("html-after", Fault::HtmlAfter, "A proxy's page after the effect."),
    ("broken-json", Fault::BrokenJson, "Half of the JSON text, after the effect."),
    ("list-lags", Fault::ListLags, "A list without its newest entry."),
    ("list-empty", Fault::ListEmpty, "A list without entries."),
    ("list-short", Fault::ListShort, "The first half of a list."),
    ("no-id", Fault::NoId, "A success without an id, after the effect."),
    ("no-effect", Fault::NoEffect, "A success like any other in place of the effect."),
];

/// How `late` is written and what it does; it takes its seconds behind a colon.
pub const LATE: (&str, &str) =
    ("late:SECONDS", "The connection breaks at once; the effect happens after that many seconds.");

impl Fault {
    /// Returns the ends of the paths where the fault does anything, or `None` for all paths.
    fn only_at(self) -> Option<&'static [&'static str]> {
        match self {
            Self::ListLags | Self::ListEmpty | Self::ListShort => Some(&["/list"]),
            Self::NoId => Some(&["/create"]),
            Self::NoEffect => Some(&["/create", "/update", "/delete", "/prompt", "/stop"]),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(delay) => write!(f, "late:{}", delay.as_secs()),
            Self::TooMany(Some(seconds)) => write!(f, "429:{seconds}"),
            plain => {
                let row = FAULTS.iter().find(|row| row.1 == *plain);
                f.write_str(row.expect("the table names every fault without argument").0)
            }
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some(row) = FAULTS.iter().find(|row| row.0 == word) {
            return Ok(row.1);
        }
        let seconds = |text: &str| {
            let number: Result<u32, _> = text.parse();
            number.map_err(|_| format!("`{word}` needs whole seconds behind the colon"))
        };
        match word.split_once(':') {
            Some(("late", delay)) => Ok(Self::Late(Duration::from_secs(seconds(delay)?.into()))),
            Some(("429", delay)) => Ok(Self::TooMany(Some(seconds(delay)?))),
            _ => {
                let words: Vec<&str> = FAULTS.iter().map(|row| row.0).collect();
                let words = words.join(", ");
                Err(format!("unknown fault `{word}`; there are: {words}, {}", LATE.0))
            }
        }
    }
}

/// Which of the calls that a rule matches it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Always,
    Only(u32),
    Every(u32),
}

#[derive(Clone, Debug)]
struct Rule {
    /// The endpoint's path, or `None` for all.
    path: Option<String>,
    turn: Turn,
    fault: Fault,
    matched: u32,
}

/// What is to go wrong, and how far the calls have come.
///
/// Each rule counts the calls it matches by itself, from one. Where two rules strike the same call,
/// the earlier one wins.
#[derive(Clone, Debug, Default)]
pub struct Script {
    rules: Vec<Rule>,
}

/// Returns every rule for all calls of one path that does anything there.
pub fn fault_rules() -> Vec<String> {
    let of_path =
        |path| FAULTS.iter().map(move |(fault, ..)| format!("{path}={fault}")).collect::<Vec<_>>();
    let rules = super::routes::short_paths().flat_map(of_path);
    rules.filter(|rule| Script::default().add(rule).is_ok()).collect()
}

impl Script {
    /// Adds a rule from its text: `PATH=FAULT`, `PATH#N=FAULT` for the n-th call only, or
    /// `PATH%K=FAULT` for every k-th.
    ///
    /// The path may leave out `/agents/`; `*` stands for every path. `*#3=lost-after` loses the
    /// answer to the third request, whatever it is.
    pub fn add(&mut self, rule: &str) -> Result<(), String> {
        let Some((calls, fault)) = rule.split_once('=') else {
            return Err(format!(
                "`{rule}` is not of the form PATH=FAULT, such as `tasks/create#2=lost-after`"
            ));
        };
        let (path, turn) = if let Some((path, number)) = calls.split_once('#') {
            (path, Turn::Only(count(rule, number)?))
        } else if let Some((path, number)) = calls.split_once('%') {
            (path, Turn::Every(count(rule, number)?))
        } else {
            (calls, Turn::Always)
        };
        let path = match path.trim() {
            "*" => None,
            path => Some(super::routes::known_path(path).ok_or_else(|| {
                let paths: Vec<&str> = super::routes::short_paths().collect();
                format!("unknown path `{path}`; there are: *, {}", paths.join(", "))
            })?),
        };
        let fault: Fault = fault.trim().parse()?;
        if let Some((path, ends)) = path.as_deref().zip(fault.only_at())
            && !ends.iter().any(|end| path.ends_with(end))
        {
            let ends = ends.join("`, `");
            return Err(format!(
                "fault `{fault}` does nothing at `{path}`, only at paths with `{ends}`"
            ));
        }
        self.rules.push(Rule { path, turn, fault, matched: 0 });
        Ok(())
    }

    /// Counts one call to `path` and returns what goes wrong with it.
    pub fn strike(&mut self, path: &str) -> Option<Fault> {
        let mut struck = None;
        for rule in &mut self.rules {
            if rule.path.as_deref().is_none_or(|wanted| wanted == path) {
                rule.matched += 1;
                let is_due = match rule.turn {
                    Turn::Always => true,
                    Turn::Only(number) => rule.matched == number,
                    Turn::Every(number) => rule.matched % number == 0,
                };
                struck = struck.or(is_due.then_some(rule.fault));
            }
        }
        struck
    }
}

fn count(rule: &str, text: &str) -> Result<u32, String> {
    match text.trim().parse() {
        Ok(0) | Err(_) => {
            Err(format!("`{rule}` counts calls from 1, and `{text}` is no such number"))
        }
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(rules: &[&str]) -> Script {
        let mut script = Script::default();
        for rule in rules {
            script.add(rule).unwrap();
        }
        script
    }

    #[test]
    fn every_fault_is_written_as_it_is_read() {
        let faults = FAULTS.iter().map(|row| row.1);
        let more = [Fault::Late(Duration::from_secs(5)), Fault::TooMany(Some(2))];
        for fault in faults.chain(more) {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn a_rule_strikes_the_calls_it_names_and_no_other() {
        let mut script = script(&["tasks/create#2=lost-after", "tasks/list%2=429"]);
        let mut strike = |path| script.strike(path);
        assert_eq!(strike("/agents/tasks/create"), None);
        assert_eq!(strike("/agents/tasks/list"), None);
        assert_eq!(strike("/agents/tasks/create"), Some(Fault::LostAfter));
        assert_eq!(strike("/agents/tasks/create"), None);
        assert_eq!(strike("/agents/tasks/list"), Some(Fault::TooMany(None)));
        assert_eq!(strike("/agents/list"), None);
    }

    #[test]
    fn the_earlier_rule_wins_and_both_count() {
        let mut script = script(&["*#1=401", "/agents/list#2=html-after", "list=503"]);
        let struck: Vec<_> = (0..3).map(|_| script.strike("/agents/list")).collect();
        let expected = [Fault::Unauthorized, Fault::HtmlAfter, Fault::Unavailable];
        assert_eq!(struck, expected.map(Some));
    }

    #[test]
    fn a_bad_rule_says_what_would_be_good() {
        let cases = [
            ("tasks/list", "is not of the form PATH=FAULT"),
            ("tasks/list#0=429", "counts calls from 1"),
            ("tasks/list#x=429", "counts calls from 1"),
            ("task/list=429", "unknown path `task/list`; there are: *, authenticate, create"),
            (
                "tasks/read=list-empty",
                "does nothing at `/agents/tasks/read`, only at paths with `/list`",
            ),
            (
                "read=no-effect",
                "only at paths with `/create`, `/update`, `/delete`, `/prompt`, `/stop`",
            ),
            ("tasks/list=late:soon", "needs whole seconds"),
            ("tasks/list=loss", "unknown fault `loss`; there are: not-connected, "),
        ];
        for (rule, part) in cases {
            let error = Script::default().add(rule).unwrap_err();
            assert!(error.contains(part), "{rule}: {error}");
        }
    }
}
