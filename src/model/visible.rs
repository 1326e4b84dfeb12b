//! Which characters a reader cannot see for what they are, and JSON that shows them.
//!
//! Decided by Unicode properties, so that no character is forgotten: whoever writes foreign text for
//! people spells such a character by its code point. Emoji are the exception: the joiners and
//! selectors within one are a part of a picture that everybody sees.

use icu_properties::props::{
    BinaryProperty, DefaultIgnorableCodePoint, Emoji, EmojiModifier, EnumeratedProperty,
    GeneralCategory, PrependedConcatenationMark,
};

/// Blanks that people type: a no-break space, the narrow one of French, the wide one of Japanese.
const COMMON_BLANKS: [char; 3] = ['\u{a0}', '\u{202f}', '\u{3000}'];

/// Characters that are letters or symbols by their properties, and drawn as nothing: the Braille
/// pattern without dots, the null notehead, the Khitan filler.
const DRAWN_BLANK: [char; 3] = ['\u{2800}', '\u{1d159}', '\u{16fe4}'];

/// What joins emoji into one.
const JOINER: char = '\u{200d}';

/// What asks for the colored form of an emoji.
const COLORED: char = '\u{fe0f}';

/// What makes a digit a key.
const KEYCAP: char = '\u{20e3}';

/// The flag that tags may follow, and the three flags that are made so: any other tags hide words.
const BLACK_FLAG: char = '\u{1f3f4}';
const FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// Whether a character, by itself, acts on a terminal, on the direction of the text, or shows nothing
/// that tells it from others.
///
/// Within a text [`emoji_length`] comes first: it knows what belongs to a picture.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    match GeneralCategory::for_char(c) {
        // The separators end a line in some readers of logs. What is private or not assigned has no
        // look that two readers agree on.
        GeneralCategory::Control
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => true,
        // Marks of numbers in Arabic and other scripts are the only ones that are drawn.
        GeneralCategory::Format => !PrependedConcatenationMark::for_char(c),
        GeneralCategory::SpaceSeparator => !COMMON_BLANKS.contains(&c),
        _ => DefaultIgnorableCodePoint::for_char(c) || DRAWN_BLANK.contains(&c),
    }
}

/// Returns how many bytes of an emoji `text` begins with; 0 where it begins with anything else.
///
/// A picture may be several, joined, each with a color or a selector; none of it is hidden.
pub fn emoji_length(text: &str) -> usize {
    let mut rest = text;
    let Some(first) = take(&mut rest, |_| true) else { return 0 };
    if first.is_ascii() {
        let is_key = matches!(first, '0'..='9' | '#' | '*')
            && take(&mut rest, |c| c == COLORED).is_some()
            && take(&mut rest, |c| c == KEYCAP).is_some();
        return if is_key { text.len() - rest.len() } else { 0 };
    }
    if !is_picture(first) {
        return 0;
    }
    if first == BLACK_FLAG {
        let tags = FLAGS.iter().map(|name| tagged(name));
        if let Some(tags) = tags.into_iter().find(|tags| rest.starts_with(tags)) {
            return first.len_utf8() + tags.len();
        }
    }
    loop {
        take(&mut rest, |c| c == COLORED || EmojiModifier::for_char(c));
        let mut behind = rest;
        let is_joined =
            take(&mut behind, |c| c == JOINER).is_some() && take(&mut behind, is_picture).is_some();
        if !is_joined {
            return text.len() - rest.len();
        }
        rest = behind;
    }
}

/// How many marks a letter may carry: those of any language do with fewer, and a pile of them covers the
/// lines above and below it.
pub const MOST_MARKS: usize = 4;

/// Returns how many bytes of marks a text begins with, where they are more than a letter may carry; 0
/// where they are not. Of a very long pile only a part is measured.
pub fn pile_length(text: &str) -> usize {
    const LONGEST: usize = 256;
    if text.is_empty() || text.as_bytes()[0].is_ascii() {
        return 0;
    }
    let marks = text.chars().take(LONGEST).take_while(|c| is_mark(*c));
    let (count, length) =
        marks.fold((0, 0), |(count, length), c| (count + 1, length + c.len_utf8()));
    if count > MOST_MARKS { length } else { 0 }
}

/// Whether a character is drawn on the one before it.
fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark};
    !c.is_ascii() && matches!(GeneralCategory::for_char(c), NonspacingMark | EnclosingMark)
}

/// Whether a text holds a character that a reader cannot see for what it is.
pub fn holds_hidden(text: &str) -> bool {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let emoji = emoji_length(rest);
        if emoji == 0 && (is_hidden(first) || pile_length(rest) > 0) {
            return true;
        }
        rest = &rest[emoji.max(first.len_utf8())..];
    }
    false
}

fn take(rest: &mut &str, is_meant: impl FnOnce(char) -> bool) -> Option<char> {
    let first = rest.chars().next().filter(|first| is_meant(*first))?;
    *rest = &rest[first.len_utf8()..];
    Some(first)
}

fn is_picture(c: char) -> bool {
    !c.is_ascii() && Emoji::for_char(c) && !is_hidden(c)
}

/// A name as tag characters, with the one that ends them.
fn tagged(name: &str) -> String {
    let tags = name.bytes().map(|byte| 0xe0000 + u32::from(byte)).chain([0xe007f]);
    tags.filter_map(char::from_u32).collect()
}

/// Returns a JSON document with all that could act on a terminal or a CI system escaped.
///
/// Outside of its strings a document holds line breaks and ASCII alone, so every such character
/// stands in a string, and a reader of JSON gets it back as it was.
pub fn visible_json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    let mut rest = document;
    while let Some(taken) = visible_json_step(rest, &mut safe) {
        rest = &rest[taken..];
    }
    safe
}

/// Appends the first character of `rest`, a part of a JSON document, as [`visible_json`] writes it;
/// returns its bytes, or `None` at the end.
pub fn visible_json_step(rest: &str, safe: &mut String) -> Option<usize> {
    let first = rest.chars().next()?;
    let emoji = emoji_length(rest);
    let is_command = rest.starts_with("##[") || rest.starts_with("##vso[");
    if emoji > 0 {
        safe.push_str(&rest[..emoji]);
        return Some(emoji);
    }
    let pile = pile_length(rest);
    if pile > 0 {
        for (nth, mark) in rest[..pile].chars().enumerate() {
            push_json(mark, nth >= MOST_MARKS || is_hidden(mark), safe);
        }
        return Some(pile);
    }
    push_json(first, is_command || (is_hidden(first) && first != '\n'), safe);
    Some(first.len_utf8())
}

fn push_json(c: char, is_spelled: bool, safe: &mut String) {
    if !is_spelled {
        return safe.push(c);
    }
    for unit in c.encode_utf16(&mut [0; 2]) {
        safe.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            let digit = u32::from(*unit >> shift) & 15;
            safe.extend(char::from_digit(digit, 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_hidden_by_its_property() {
        let hidden = [
            ("control", "\u{0}\u{1b}\u{7f}\u{9b}"),
            ("direction", "\u{61c}\u{200e}\u{202e}\u{2066}\u{2069}"),
            ("zero width", "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}"),
            ("variation selectors", "\u{fe00}\u{fe0e}\u{fe0f}\u{e0100}\u{e01ef}"),
            ("Mongolian selectors", "\u{180b}\u{180c}\u{180d}\u{180e}\u{180f}"),
            ("tags", "\u{e0001}\u{e0020}\u{e0041}\u{e007f}"),
            ("Khmer vowels", "\u{17b4}\u{17b5}"),
            ("shorthand", "\u{1bca0}\u{1bca3}"),
            ("music", "\u{1d159}\u{1d173}\u{1d17a}"),
            ("fillers", "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{16fe4}"),
            ("operators", "\u{2061}\u{2062}\u{2063}\u{2064}"),
            ("separators", "\u{2028}\u{2029}\u{85}"),
            ("blanks", "\u{2000}\u{2003}\u{200a}\u{205f}\u{1680}"),
            ("annotations", "\u{fff9}\u{fffa}\u{fffb}"),
            ("hieroglyphs", "\u{13430}\u{1343f}"),
            ("private and reserved", "\u{e000}\u{f8ff}\u{fff0}\u{e0fff}\u{10fffd}\u{ffff}\u{378}"),
        ];
        for (kind, characters) in hidden {
            for c in characters.chars() {
                assert!(is_hidden(c), "{kind}: {c:?}");
            }
        }
        let shown = "aé—ünïcode✓株価ñДאبदे\u{301}\u{a0}\u{202f}\u{3000}\u{600}\u{fffd}☃😀";
        assert!(!shown.contains(is_hidden));
    }

    #[test]
    fn emoji_are_read_as_one_picture_and_hide_nothing() {
        let pictures = [
            "😀",
            "❤\u{fe0f}",
            "👍🏽",
            "👩\u{200d}💻",
            "👩🏽\u{200d}🚀",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🏳\u{fe0f}\u{200d}🌈",
            "🕵🏽\u{200d}♂\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ];
        for picture in pictures {
            assert_eq!(emoji_length(&format!("{picture}x")), picture.len(), "{picture:?}");
            assert!(!holds_hidden(&format!("a {picture}, {picture}{picture}!")), "{picture:?}");
        }
        let hiding = [
            "\u{fe0f}",
            "a\u{fe0f}",
            "1\u{fe0f}",
            "😀\u{fe0f}\u{fe0f}",
            "😀\u{fe00}",
            "😀\u{200d}",
            "😀\u{200d}a",
            "😀\u{200d}\u{200d}😀",
            "a\u{200d}😀",
            "🏴\u{e0061}\u{e0062}\u{e007f}",
            "😀\u{e0041}",
        ];
        for text in hiding {
            assert!(holds_hidden(text), "{text:?}");
        }
        assert_eq!(emoji_length("plain"), 0);
        assert_eq!(emoji_length(""), 0);
    }

    #[test]
    fn a_json_document_says_the_same_and_shows_nothing_hidden() {
        let name = "\u{202e}a\u{7f}##[x]\u{e0041}\u{2800}b\u{fe05}👩\u{200d}💻\n";
        let value = serde_json::json!({"name": name});
        let written = serde_json::to_string_pretty(&value).unwrap();
        let safe = visible_json(&written);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        assert!(safe.lines().all(|line| !holds_hidden(line)), "{safe}");
        assert!(!safe.contains("##[") && safe.contains("👩\u{200d}💻"), "{safe}");
    }
}
