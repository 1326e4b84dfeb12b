//! The regular expressions of one manifest, each and together within limits.
//!
//! A manifest may come from a stranger's pull request, and a few bytes of an expression can compile
//! to gigabytes. An expression that is written several times is compiled once.

use std::collections::BTreeMap;

use crate::transcript::{Pattern, PatternError};

/// The longest expression, in bytes.
const LONGEST: usize = 1_000;

/// The most different expressions of a manifest.
const MOST: usize = 1_000;

/// The most that all of them together may weigh: about a second of reading at worst.
const HEAVIEST: usize = 64 << 10;

/// What a class of Unicode weighs beyond its letters: its ranges are looked up and folded.
const CLASS: usize = 100;

/// The steps in which compiled size is granted, the last being the most for one expression. Compiling
/// ends where a step is used up, so that an expression costs no more than what it is granted.
const STEPS: [usize; 3] = [16 << 10, 256 << 10, 2 << 20];

/// The most compiled size of all expressions together.
const LARGEST: usize = 24 << 20;

/// The expressions that were read so far.
#[derive(Default)]
pub(super) struct Expressions {
    known: BTreeMap<String, Result<Pattern, Refusal>>,
    weight: usize,
    size: usize,
    is_full: bool,
}

/// Why an expression is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is none.
    Invalid(String),
    /// It is beyond a limit of its own.
    TooLarge(String),
    /// With it, all of them are beyond a limit; said once.
    TooMany(String),
    /// That was said of an earlier one.
    Said,
}

impl Expressions {
    /// Compiles an expression, or returns what it was compiled to before.
    pub(super) fn compile(&mut self, text: &str) -> Result<Pattern, Refusal> {
        if text.len() > LONGEST {
            let why = format!("it has {} bytes, of at most {LONGEST}", text.len());
            return Err(Refusal::TooLarge(why));
        }
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if self.is_full {
            return Err(Refusal::Said);
        }
        if let Some(why) = self.beyond(text) {
            self.is_full = true;
            return Err(Refusal::TooMany(why));
        }
        let compiled = self.compile_in_steps(text);
        self.known.insert(text.to_owned(), compiled.clone());
        compiled
    }

    fn beyond(&mut self, text: &str) -> Option<String> {
        let classes = text.matches("\\p").count() + text.matches("\\P").count();
        self.weight += text.len() + CLASS * classes;
        if self.known.len() >= MOST {
            Some(format!("a manifest has at most {MOST} different ones"))
        } else if self.weight > HEAVIEST {
            Some(format!("all together have at most {} KiB", HEAVIEST >> 10))
        } else if self.size >= LARGEST {
            Some(format!("compiled, all together have at most {} MiB", LARGEST >> 20))
        } else {
            None
        }
    }

    fn compile_in_steps(&mut self, text: &str) -> Result<Pattern, Refusal> {
        for step in STEPS {
            match Pattern::parse(text, step) {
                Ok(pattern) => {
                    self.size += step;
                    return Ok(pattern);
                }
                Err(PatternError::Invalid(why)) => return Err(Refusal::Invalid(why)),
                Err(PatternError::TooLarge) => {}
            }
        }
        // What was compiled in vain took its time, too.
        self.size += STEPS[STEPS.len() - 1];
        let most = STEPS[STEPS.len() - 1] >> 10;
        Err(Refusal::TooLarge(format!("compiled, it has more than {most} KiB")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_limited_each_and_together() {
        let fails = |text: &str| match Expressions::default().compile(text) {
            Ok(_) => String::new(),
            Err(Refusal::Invalid(why) | Refusal::TooLarge(why) | Refusal::TooMany(why)) => why,
            Err(Refusal::Said) => "said".to_owned(),
        };
        let long = "a".repeat(1_001);
        let table = [
            (r"Sharpe Ratio of (-?[0-9.]+)", ""),
            (r"(?i)runtime error", ""),
            (r"\w+@\w+\.com", ""),
            (r"\w{1,20}", ""),
            (r"(a|b)?", ""),
            (r"[\pL\pN\w]{200}", "compiled"),
            (r"((a{100}){100}){100}", "compiled"),
            (r"(?:\pL{500}){500}", "compiled"),
            (r"[a-", "unclosed character class"),
            (long.as_str(), "at most 1000"),
        ];
        for (text, expected) in table {
            let why = fails(text);
            assert!(
                why.contains(expected) && why.is_empty() == expected.is_empty(),
                "{text}: {why}"
            );
        }
    }

    #[test]
    fn many_expressions_are_refused_together_and_that_is_said_once() {
        let told = |make: &dyn Fn(usize) -> String| {
            let mut all = Expressions::default();
            let results = (0..5_000).map(|number| all.compile(&make(number)).map(drop));
            let refused: Vec<Refusal> = results.filter_map(Result::err).collect();
            let is_said = |refused: &&Refusal| **refused != Refusal::Said;
            let mut said = refused.iter().filter(is_said).collect::<Vec<_>>();
            said.dedup();
            format!("{:?}", said.last())
        };
        let table: [(&dyn Fn(usize) -> String, &str); 6] = [
            (&|_| "the same".to_owned(), "None"),
            (&|number| format!("a{}", number % 900), "None"),
            (&|number| format!("a{number}"), "at most 1000 different ones"),
            (&|number| format!("{number}{}", "x".repeat(900)), "at most 64 KiB"),
            (&|number| format!(r"(?i)\pL\pN{number}"), "compiled, all together"),
            (&|number| format!(r"\w{{50}}{number}"), "compiled, all together"),
        ];
        for (make, expected) in table {
            let told = told(make);
            assert!(told.contains(expected), "{}: {told}", make(1));
        }
    }
}
