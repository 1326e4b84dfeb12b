//! Characters that look like others, or like nothing.

use std::sync::LazyLock;

use unicode_security::confusable_detection;

use crate::model::name::{FoldedName, fold};
use crate::model::visible::is_hidden;

/// How each character of ASCII is spelled by its looks: in other ASCII, whatever stands beside it.
static PLAIN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let spelled = |c: char| confusable_detection::skeleton(c.encode_utf8(&mut [0; 4])).collect();
    (0..128_u8).map(|byte| spelled(char::from(byte))).collect()
});

/// Spells a text by its looks: two texts that a reader cannot tell apart are spelled alike.
pub fn skeleton(text: &str) -> String {
    if text.is_ascii() {
        text.bytes().map(|byte| PLAIN[usize::from(byte)].as_str()).collect()
    } else {
        confusable_detection::skeleton(text).collect()
    }
}

/// Folds a name by its looks: letters that look alike are one, and so are two names that differ in
/// case, blanks and punctuation beside.
pub fn fold_looks(name: &str) -> FoldedName {
    // Capitals look like other letters than small ones: `M` like nothing, `m` like `rn`.
    FoldedName(skeleton(&fold(&skeleton(name)).0))
}

/// Whether two names look the same, and one of them has letters that stand in for others.
///
/// Within ASCII nothing stands in: `Model I` and `Model l` may be two of a series.
pub fn is_other_spelling(name: &str, other: &str) -> bool {
    let looks = fold_looks(name);
    !(name.is_ascii() && other.is_ascii())
        && name != other
        && !looks.to_string().is_empty()
        && looks == fold_looks(other)
}

/// Says where `written` only looks like `meant`: the first character that differs, by its code point.
///
/// `None` where that is plain to see.
pub fn odd_character(written: &str, meant: &str) -> Option<String> {
    let mut expected = meant.chars();
    let (odd, expected) = written.chars().find_map(|c| {
        let expected = expected.next();
        (expected != Some(c)).then_some((c, expected))
    })?;
    if let Some(words) = odd_blank(odd) {
        return Some(words);
    }
    let looks = |c: char| skeleton(c.encode_utf8(&mut [0; 4]));
    let expected = expected.filter(|expected| looks(*expected) == looks(odd))?;
    Some(format!("U+{:04X}, which only looks like `{expected}`", u32::from(odd)))
}

/// Names a character that shows nothing, or that looks like a blank or a sign of YAML and is none.
pub fn odd_blank(c: char) -> Option<String> {
    let looks = match c {
        _ if c.is_ascii() => return None,
        '\u{ff1a}' => "a full-width colon, not `:`",
        '\u{ff0c}' => "a full-width comma, not `,`",
        '\u{ff03}' => "a full-width `#`",
        _ if c.is_whitespace() => "which only looks like a blank",
        _ if is_hidden(c) => "which shows nothing",
        _ => return None,
    };
    Some(format!("U+{:04X}, {looks}", u32::from(c)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_texts_are_spelled_as_all_others_are(text in "[\\x00-\\x7f]{0,20}") {
            let expected: String = confusable_detection::skeleton(&text).collect();
            prop_assert_eq!(skeleton(&text), expected);
        }
    }

    #[test]
    fn names_in_other_letters_are_told_from_names_of_a_series() {
        let table = [
            ("Momentum", "M\u{43e}mentum", true),
            ("momentum!", "M\u{43e}mentum", true),
            ("SPY", "\u{ff33}\u{ff30}\u{ff39}", true),
            ("\u{405}PY", "\u{405}PY", false),
            ("Model I", "Model l", false),
            ("modern", "modem", false),
            ("\u{2014}", "\u{2013}", false),
            ("\u{434}\u{43e}\u{43c}", "\u{43a}\u{43e}\u{442}", false),
        ];
        for (name, other, expected) in table {
            assert_eq!(is_other_spelling(name, other), expected, "{name} {other}");
            assert_eq!(is_other_spelling(other, name), expected, "{other} {name}");
        }
    }

    #[test]
    fn what_only_looks_like_another_is_named_by_its_code_point() {
        let table = [
            ("pr\u{43e}mpt", "prompt", Some("U+043E, which only looks like `o`")),
            ("\u{412}uy SPY", "Buy SPY", Some("U+0412, which only looks like `B`")),
            ("\u{200b}name", "name", Some("U+200B, which shows nothing")),
            ("na\u{ad}me", "name", Some("U+00AD, which shows nothing")),
            ("name\u{feff}", "name", Some("U+FEFF, which shows nothing")),
            ("Buy\u{a0}SPY", "Buy SPY", Some("U+00A0, which only looks like a blank")),
            ("Buy\u{3000}SPY", "Buy SPY", Some("U+3000, which only looks like a blank")),
            ("prompt\u{ff1a}", "prompt", Some("U+FF1A, a full-width colon, not `:`")),
            ("promt", "prompt", None),
            ("na\u{ef}ve", "naive", None),
            ("prompt", "prompt", None),
        ];
        for (written, meant, expected) in table {
            assert_eq!(odd_character(written, meant).as_deref(), expected, "{written:?}");
        }
    }
}
