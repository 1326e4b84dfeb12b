//! Texts that differ and look alike: the characters that tell them apart are spelled.
//!
//! A Cyrillic letter within a Latin word, a no-break space, a character beside the escape that shows
//! it: a reader who is told that something differs has to see what.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::skeleton;
use crate::render::escape::Untrusted;

/// The longest text that is compared by its looks, in bytes; a reader sees nothing in longer ones.
const LONGEST: usize = 64 * 1024;

/// Seals two texts; where they differ and look alike, what differs is spelled in both.
pub(super) fn distinct(old: &str, new: &str) -> (Untrusted, Untrusted) {
    let (old_places, new_places) = places(old, new);
    (Untrusted::new(old).spelling(old_places), Untrusted::new(new).spelling(new_places))
}

/// Seals the members of two lists; one that only one list has, and that looks like another member of
/// either, is spelled where the two differ.
pub(super) fn distinct_members(
    old: &[Untrusted],
    new: &[Untrusted],
) -> (Vec<Untrusted>, Vec<Untrusted>) {
    let mut by_looks: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for member in old.iter().chain(new) {
        by_looks.entry(reads(member.raw())).or_default().insert(member.raw());
    }
    let told = |members: &[Untrusted], others: &[Untrusted]| {
        let others: BTreeSet<&str> = others.iter().map(Untrusted::raw).collect();
        let told = members.iter().map(|member| {
            let text = member.raw();
            let mut alike = by_looks[&reads(text)].iter().filter(|other| **other != text);
            match alike.next().filter(|_| !others.contains(text)) {
                Some(other) => distinct(text, other).0,
                None => member.clone(),
            }
        });
        told.collect()
    };
    (told(old, new), told(new, old))
}

/// Where the characters begin, in each text, that have to be spelled; none where the texts are equal,
/// or differ for every eye.
pub(super) fn places(old: &str, new: &str) -> (Vec<usize>, Vec<usize>) {
    if old == new || old.len().max(new.len()) > LONGEST || reads(old) != reads(new) {
        return (Vec::new(), Vec::new());
    }
    let (old, new) = (characters(old), characters(new));
    if old.len() == new.len() {
        let differing = old.iter().zip(&new).filter(|(old, new)| old.1 != new.1);
        return differing.map(|(old, new)| (old.0, new.0)).unzip();
    }
    let (start, end) = common_ends(&old, &new, |character| character.1);
    let (old, new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let odd = |part: &[(usize, char)]| -> Vec<usize> {
        let odd = part.iter().filter(|(_, c)| !c.is_ascii() || *c == '\\');
        odd.map(|(at, _)| *at).collect()
    };
    match (odd(old), odd(new)) {
        (old_odd, new_odd) if old_odd.is_empty() && new_odd.is_empty() => {
            let all = |part: &[(usize, char)]| part.iter().map(|(at, _)| *at).collect();
            (all(old), all(new))
        }
        places => places,
    }
}

/// How many items at the start and at the end of both lists are equal.
pub(super) fn common_ends<T, K: PartialEq>(
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> K,
) -> (usize, usize) {
    let is_equal = |(old, new): &(&T, &T)| key(old) == key(new);
    let start = old.iter().zip(new).take_while(is_equal).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(is_equal).count();
    (start, end)
}

fn characters(text: &str) -> Vec<(usize, char)> {
    text.char_indices().collect()
}

/// What a text looks like once it is printed: hidden characters are spelled by then, and blanks are
/// all alike.
fn reads(text: &str) -> String {
    let shown = Untrusted::new(text).part();
    skeleton(&shown).chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_spelled_where_another_of_either_list_looks_the_same() {
        let table = [
            ("one for another", "api", "\u{430}pi", "\\u{61}pi", "\\u{430}pi"),
            ("one beside another", "api", "api \u{430}pi", "api", "api \\u{430}pi"),
            ("one of two goes", "api \u{430}pi", "api", "api \\u{430}pi", "api"),
            ("others", "api read", "write api", "api read", "write api"),
            ("a number", "a\u{a0}(1)", "a(1)", "a\u{a0}(1)", "a(1)"),
        ];
        let sealed = |list: &str| list.split(' ').map(Untrusted::new).collect::<Vec<_>>();
        let shown =
            |list: &[Untrusted]| list.iter().map(Untrusted::part).collect::<Vec<_>>().join(" ");
        for (kind, old, new, old_shown, new_shown) in table {
            let (old, new) = distinct_members(&sealed(old), &sealed(new));
            assert_eq!(
                (shown(&old).as_str(), shown(&new).as_str()),
                (old_shown, new_shown),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_looks_alike_is_spelled_and_nothing_else_is() {
        let table = [
            ("Cyrillic a", "Sharpe", "Sh\u{430}rpe", "Sh\\u{61}rpe", "Sh\\u{430}rpe"),
            (
                "all Cyrillic",
                "Spy",
                "\u{405}\u{440}\u{443}",
                "\\u{53}\\u{70}\\u{79}",
                "\\u{405}\\u{440}\\u{443}",
            ),
            ("no-break space", "a b", "a\u{a0}b", "a\\u{20}b", "a\\u{a0}b"),
            ("wide space", "a b", "a\u{3000}b", "a\\u{20}b", "a\\u{3000}b"),
            ("full width", "SPY", "SP\u{ff39}", "SP\\u{59}", "SP\\u{ff39}"),
            ("dashes", "a\u{2013}b", "a-b", "a\\u{2013}b", "a\\u{2d}b"),
            ("letter and digit", "SP500", "SP5OO", "SP5\\u{30}\\u{30}", "SP5\\u{4f}\\u{4f}"),
            ("one for two", "modern", "modem", "mode\\u{72}\\u{6e}", "mode\\u{6d}"),
            ("an accent of its own", "\u{e9}", "e\u{301}", "\\u{e9}", "e\\u{301}"),
            ("an emoji's selector", "❤", "❤\u{fe0f}", "❤", "❤\\u{fe0f}"),
            ("an escape and what it shows", "\\u{200b}", "\u{200b}", "\\u{5c}u{200b}", "\\u{200b}"),
            ("equal", "Sh\u{430}rpe", "Sh\u{430}rpe", "Sh\u{430}rpe", "Sh\u{430}rpe"),
            (
                "other letters",
                "\u{434}\u{43e}\u{43c}",
                "\u{43a}\u{43e}\u{442}",
                "\u{434}\u{43e}\u{43c}",
                "\u{43a}\u{43e}\u{442}",
            ),
            ("other words", "SPY", "QQQ", "SPY", "QQQ"),
        ];
        for (kind, old, new, old_shown, new_shown) in table {
            let (old, new) = distinct(old, new);
            assert_eq!(
                (old.part().as_str(), new.part().as_str()),
                (old_shown, new_shown),
                "{kind}"
            );
            assert!(old == new || old.part() != new.part(), "{kind}");
        }
    }
}
