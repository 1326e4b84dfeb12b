//! The nearest word to a mistyped one, and what tells them apart where no eye can.

use crate::model::odd_character;

/// The longest word that is compared: the distance of two words costs the product of their lengths,
/// and what is longer than this was not meant to be a field or a name.
const LONGEST: usize = 100;

/// Returns the candidate that was probably meant, if one is near enough.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    nearest_few(word, candidates, 1).pop()
}

/// Returns the nearest candidates, the nearest first, `most` at most.
pub fn nearest_few<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    most: usize,
) -> Vec<&'c str> {
    let typed = plain(word);
    if typed.is_empty() || typed.len() > LONGEST {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let meant = plain(candidate);
            // A third of the letters may be wrong.
            let allowed = (typed.len().max(meant.len()) / 3).max(1);
            let can_be_near =
                meant.len() <= LONGEST && typed.len().abs_diff(meant.len()) <= allowed;
            let distance = can_be_near.then(|| distance(&typed, &meant))?;
            (distance <= allowed).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.truncate(most);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Asks for the words that were probably meant; a character that only looks like another is named.
pub(super) fn did_you_mean(word: &str, meant: &[&str]) -> String {
    let shown: Vec<String> = meant.iter().map(|meant| format!("`{meant}`")).collect();
    let question = format!("did you mean {}?", shown.join(" or "));
    let holds = |word: &str, odd: Option<String>| odd.map(|odd| format!("`{word}` holds {odd}"));
    let odd = meant.first().and_then(|meant| {
        let is_odd = |word: &str| !word.is_ascii();
        let in_word = odd_character(word, meant).filter(|_| is_odd(word));
        let in_meant = || odd_character(meant, word).filter(|_| is_odd(meant));
        holds(word, in_word).or_else(|| holds(meant, in_meant()))
    });
    odd.map_or(question.clone(), |odd| format!("{question} {odd}"))
}

/// The letters and digits of a word in lower case: `prompt_file` and `promptFile` are one word.
fn plain(word: &str) -> Vec<char> {
    word.chars()
        .take(4 * LONGEST)
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The Levenshtein distance, where two neighbors that changed places count as one slip.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row_before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut row = vec![i + 1];
        for j in 0..to.len() {
            let changed = previous[j] + usize::from(from[i] != to[j]);
            let mut least = changed.min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                least = least.min(row_before[j - 1] + 1);
            }
            row.push(least);
        }
        row_before = std::mem::replace(&mut previous, row);
    }
    previous[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let fields =
            ["name", "prompt", "promptFile", "projectPreference", "protect", "deployments"];
        let table = [
            ("promt", Some("prompt")),
            ("prompt_file", Some("promptFile")),
            ("promptfile", Some("promptFile")),
            ("projetPreferences", Some("projectPreference")),
            ("protected", Some("protect")),
            ("nmae", Some("name")),
            ("nam", Some("name")),
            ("schedule", None),
            ("", None),
            ("::", None),
        ];
        for (typed, meant) in table {
            assert_eq!(nearest(typed, fields), meant, "{typed}");
        }
    }

    #[test]
    fn the_nearest_come_first() {
        let agents = ["Momentum Researcher 2", "Momentum Researcher", "Other"];
        assert_eq!(
            nearest_few("Momentum Reseacher", agents, 3),
            ["Momentum Researcher", "Momentum Researcher 2"]
        );
    }

    #[test]
    fn a_very_long_word_costs_nothing() {
        assert_eq!(nearest(&"a".repeat(1_000_000), ["name"]), None);
    }
}
