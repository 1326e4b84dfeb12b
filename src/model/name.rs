//! Names on the service, which it may rewrite (contract 7), and how they are compared.

use std::fmt;

use crate::model::TaskId;

/// A name with case, blanks and punctuation dropped: what survives a rewriting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoldedName(pub(super) String);

impl fmt::Display for FoldedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most characters of an archived name.
///
/// The service's own limit is unknown (contract 14); the names it makes up itself are below 50.
const ARCHIVED_LENGTH: usize = 100;

/// The shortest folded name that counts as a cut-short form of another.
const SHORTEST_PREFIX: usize = 16;

/// Folds a name for comparison.
pub fn fold(name: &str) -> FoldedName {
    FoldedName(if name.is_ascii() {
        let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|letter| char::from(letter.to_ascii_lowercase())).collect()
    } else {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    })
}

/// Whether `stored` is what a service could have made of `wanted`: equal when folded, or cut short.
pub fn is_rewriting_of(stored: &str, desired: &str) -> bool {
    let (stored, desired) = (fold(stored), fold(desired));
    let is_cut = stored.0.chars().count() >= SHORTEST_PREFIX && desired.0.starts_with(&stored.0);
    stored == desired || is_cut
}

/// Whether `stored` is `wanted` with a number behind it, as services name a duplicate.
pub fn has_new_number(stored: &str, desired: &str) -> bool {
    let (stored, desired) = (fold(stored), fold(desired));
    let number = stored.0.strip_prefix(&desired.0).unwrap_or_default();
    !desired.0.is_empty() && !number.is_empty() && number.chars().all(char::is_numeric)
}

/// Returns the name under which a superseded task is kept: `<name> [superseded <hash8>]`.
pub fn archive_name(name: &str, hash8: &str) -> String {
    let ending = format!(" [superseded {hash8}]");
    let base: String = name.chars().take(ARCHIVED_LENGTH - ending.chars().count()).collect();
    format!("{}{ending}", base.trim_end())
}

/// Returns another archived name for the task, of at most `limit` characters and like no other
/// task's; for a service that would not keep the first one whole.
pub fn other_archive_name(archived: &str, id: TaskId, limit: usize) -> String {
    let (base, ending) = archived.rfind(" [").map_or((archived, ""), |at| archived.split_at(at));
    let ending = format!(" {id}{ending}");
    let room = limit.saturating_sub(ending.chars().count());
    let base: String = base.chars().take(room).collect();
    format!("{}{ending}", base.trim_end()).trim_start().to_owned()
}

/// Returns the folded name of an archived task without its ending, or `None` where it is not one.
///
/// The ending is recognized folded, so that a service's rewriting does not hide it.
pub fn archived_base(name: &str) -> Option<FoldedName> {
    // Few names end like one; most are told by their last letter or two.
    if name.is_ascii() {
        let mut ending = name.bytes().rev().filter(u8::is_ascii_alphanumeric);
        let is_hash8 = ending.by_ref().take(8).all(|digit| digit.is_ascii_hexdigit());
        if !is_hash8 || !ending.next()?.eq_ignore_ascii_case(&b'd') {
            return None;
        }
    }
    let folded = fold(name).0;
    let split = folded.char_indices().rev().nth(7)?.0;
    let (base, hash8) = folded.split_at(split);
    let base = base.strip_suffix("superseded")?;
    hash8.chars().all(|c| c.is_ascii_hexdigit()).then(|| FoldedName(base.to_owned()))
}

/// Returns the eight digits of the content's hash that an archived name ends with.
pub fn archived_hash(name: &str) -> Option<String> {
    archived_base(name)?;
    let folded = fold(name).0;
    let split = folded.char_indices().rev().nth(7)?.0;
    Some(folded[split..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewritten_name_is_recognized_and_another_is_not() {
        let table = [
            ("Buy And Hold Spy", "Buy and hold SPY", true),
            ("buy-and-hold-spy", "Buy and hold SPY", true),
            ("Sector rotation wee", "Sector rotation weekly report", true),
            ("Sector", "Sector rotation weekly report", false),
            ("Buy and hold QQQ", "Buy and hold SPY", false),
            ("Buy and hold SPY 2", "Buy and hold SPY", false),
        ];
        for (stored, desired, expected) in table {
            assert_eq!(is_rewriting_of(stored, desired), expected, "{stored} / {desired}");
        }
    }

    #[test]
    fn a_trailing_number_is_noticed() {
        assert!(has_new_number("Buy and hold SPY (2)", "Buy and hold SPY"));
        assert!(!has_new_number("Buy and hold SPY", "Buy and hold SPY"));
        assert!(!has_new_number("Buy and hold SPY now", "Buy and hold SPY"));
    }

    #[test]
    fn an_archived_name_is_recognized_after_rewriting() {
        let archived = archive_name("Buy and hold SPY", "0a1b2c3d");
        assert_eq!(archived, "Buy and hold SPY [superseded 0a1b2c3d]");
        for seen in [archived.as_str(), "buy and hold spy superseded 0a1b2c3d"] {
            assert_eq!(archived_base(seen), Some(fold("Buy and hold SPY")), "{seen}");
        }
        assert_eq!(archived_hash(&archived).as_deref(), Some("0a1b2c3d"));
        assert_eq!(archived_base("Buy and hold SPY"), None);
        assert_eq!(archived_base("superseded"), None);
        assert_eq!(archived_base("[superseded 0a1b2c3x]"), None);
    }

    #[test]
    fn another_archived_name_is_shorter_and_tells_whose_it_is() {
        let archived = archive_name("Buy and hold SPY", "0a1b2c3d");
        for (limit, expected) in [
            (34, "Buy and 332 [superseded 0a1b2c3d]"),
            (20, "332 [superseded 0a1b2c3d]"),
            (90, "Buy and hold SPY 332 [superseded 0a1b2c3d]"),
        ] {
            let other = other_archive_name(&archived, TaskId(332), limit);
            assert_eq!(other, expected);
            assert!(archived_base(&other).is_some());
        }
    }

    #[test]
    fn an_archived_name_fits() {
        let archived = archive_name(&"ä".repeat(300), "0a1b2c3d");
        assert_eq!(archived.chars().count(), ARCHIVED_LENGTH);
        assert!(archived_base(&archived).is_some());
    }
}
