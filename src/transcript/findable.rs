//! What an expression can find at all, told by its parts.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::expectation::Pattern;

/// The longest number that is bounded by its length; a longer one is beyond every measure.
const DIGITS: usize = 15;

impl Pattern {
    /// Whether it finds nothing, whatever the text is.
    pub fn finds_nothing(&self) -> bool {
        self.parts().is_some_and(|whole| is_never(&whole))
    }

    /// Whether no digit can be in what it captures as a number.
    pub fn captures_no_digit(&self) -> bool {
        self.parts().is_some_and(|whole| !('0'..='9').any(|digit| may_hold(number(&whole), digit)))
    }

    /// The least and the largest number that what it captures has room for.
    pub fn range_of_number(&self) -> (f64, f64) {
        let parts = self.parts();
        let Some(number) = parts.as_ref().map(number) else {
            return (f64::NEG_INFINITY, f64::INFINITY);
        };
        let length = number.properties().maximum_len().filter(|length| *length <= DIGITS);
        // `1e9` is large with few digits, and so is `inf`.
        let has_letters = ['e', 'E', 'i', 'I'].into_iter().any(|c| may_hold(number, c));
        let largest = match length {
            Some(length) if !has_letters => (0..length).fold(1.0, |power, _| power * 10.0) - 1.0,
            _ => f64::INFINITY,
        };
        (if may_hold(number, '-') { -largest } else { 0.0 }, largest)
    }

    fn parts(&self) -> Option<Hir> {
        regex_syntax::parse(self.as_str()).ok()
    }
}

/// The part that captures the number: the first group, the whole where there is none.
fn number(whole: &Hir) -> &Hir {
    fn first(part: &Hir) -> Option<&Hir> {
        match part.kind() {
            HirKind::Capture(group) if group.index == 1 => Some(&group.sub),
            HirKind::Capture(group) => first(&group.sub),
            HirKind::Repetition(repeated) => first(&repeated.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().find_map(first),
            _ => None,
        }
    }
    first(whole).unwrap_or(whole)
}

/// Whether a part finds nothing in any text.
fn is_never(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Class(Class::Unicode(class)) => class.ranges().is_empty(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().is_empty(),
        HirKind::Capture(group) => is_never(&group.sub),
        HirKind::Repetition(repeated) => repeated.min > 0 && is_never(&repeated.sub),
        HirKind::Alternation(parts) => parts.iter().all(is_never),
        HirKind::Concat(parts) => {
            let is_look = |part: &Hir, look: Look| *part.kind() == HirKind::Look(look);
            let has_text = |parts: &[Hir]| {
                parts
                    .iter()
                    .any(|part| part.properties().minimum_len().is_some_and(|least| least > 0))
            };
            let is_misplaced = (0..parts.len()).any(|at| {
                is_look(&parts[at], Look::End) && has_text(&parts[at..])
                    || is_look(&parts[at], Look::Start) && has_text(&parts[..at])
            });
            is_misplaced || parts.iter().any(is_never)
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => false,
    }
}

/// Whether a character can be in what a part finds.
fn may_hold(part: &Hir, c: char) -> bool {
    match part.kind() {
        HirKind::Literal(literal) => u8::try_from(c).is_ok_and(|byte| literal.0.contains(&byte)),
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c))
        }
        HirKind::Class(Class::Bytes(class)) => u8::try_from(c).is_ok_and(|byte| {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
        }),
        HirKind::Capture(group) => may_hold(&group.sub, c),
        HirKind::Repetition(repeated) => repeated.max != Some(0) && may_hold(&repeated.sub, c),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| may_hold(part, c))
        }
        HirKind::Empty | HirKind::Look(_) => false,
    }
}
