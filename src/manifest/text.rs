//! Bytes to text: what is no UTF-8, or still holds both sides of a merge, is named as what it is.

use std::ops::Range;

use memchr::memchr;

use crate::manifest::Unreadable;
use crate::manifest::lines::SourceLine;

/// How files that are no text begin.
const ARCHIVES: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF-", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
];

/// How texts of other encodings begin.
const MARKS: &[(&[u8], &str)] = &[
    (b"\xff\xfe\0\0", "UTF-32LE"),
    (b"\0\0\xfe\xff", "UTF-32BE"),
    (b"\xff\xfe", "UTF-16LE"),
    (b"\xfe\xff", "UTF-16BE"),
];

/// Reads the bytes of a file as UTF-8, or says what they are instead; `path` is its name.
pub fn decode(path: &str, bytes: Vec<u8>) -> Result<String, Unreadable> {
    if let Some((_, what)) = ARCHIVES.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return Err(no_text(path, what));
    }
    let marked = MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, name)| *name);
    if let Some(encoding) = marked.or_else(|| wide(&bytes)) {
        return Err(encoded(path, encoding, ""));
    }
    let (text, first) = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => {
            let first = error.utf8_error().valid_up_to();
            (error.into_bytes(), first)
        }
    };
    let is_control = |byte: &&u8| **byte < b' ' && !b"\t\n\r\x0c\x1b".contains(byte);
    if text.iter().any(|byte| is_control(&byte)) {
        return Err(no_text(path, "no text"));
    }
    let line = text[..first].split(|byte| *byte == b'\n').count();
    // Latin-1 has control characters where Windows-1252 has quotes and dashes.
    let is_windows = text.iter().any(|byte| (0x80..0xa0).contains(byte));
    let encoding = if is_windows { "WINDOWS-1252" } else { "ISO-8859-1" };
    Err(encoded(path, encoding, &format!(" (line {line})")))
}

/// Tells text of two or four bytes a character that has no mark at its start: every other byte is 0.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    if bytes.len() < 4 || !bytes.len().is_multiple_of(2) || memchr(0, bytes).is_none() {
        return None;
    }
    let zeros = |from: usize, step: usize| {
        let seen = bytes.iter().skip(from).step_by(step);
        seen.clone().filter(|byte| **byte == 0).count() * 10 >= seen.count() * 7
    };
    match [zeros(0, 4), zeros(1, 4), zeros(2, 4), zeros(3, 4)] {
        [true, true, true, false] => Some("UTF-32BE"),
        [false, true, true, true] => Some("UTF-32LE"),
        [true, false, true, false] => Some("UTF-16BE"),
        [false, true, false, true] => Some("UTF-16LE"),
        _ => None,
    }
}

fn encoded(path: &str, encoding: &str, line: &str) -> Unreadable {
    let name = match encoding {
        "ISO-8859-1" => "probably Latin-1 (ISO-8859-1)",
        "WINDOWS-1252" => "probably Windows-1252",
        wide => wide,
    };
    Unreadable {
        why: format!("`{path}` is not UTF-8 but {name}{line}"),
        help: Some(format!(
            "save it as UTF-8, in the editor or with `iconv -f {encoding} -t UTF-8 {path} > FILE`"
        )),
    }
}

fn no_text(path: &str, what: &str) -> Unreadable {
    Unreadable {
        why: format!("`{path}` is {what}"),
        help: Some("write the text into a file of its own, in UTF-8".to_owned()),
    }
}

/// Says of a text that holds a NUL character why it is none.
pub(super) fn no_nul(path: &str, text: &str) -> Result<(), Unreadable> {
    text.find('\0').map_or(Ok(()), |at| {
        let line = SourceLine::number(text, at);
        Err(no_text(path, &format!("no text: it holds a NUL character in line {line}")))
    })
}

/// What a text is that may hold both sides of a merge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    /// YAML, in which each of Git's marks is out of place.
    Yaml,
    /// Text for an agent, in which some of them can be Markdown.
    Prompt,
}

/// Finds where Git left both sides of a merge in a text: the bytes of the first line of each.
pub(super) fn conflict_markers(text: &str, kind: TextKind) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| text.contains(mark)) {
        return found;
    }
    let is_mark = |line: &str, mark: char| {
        let rest = line.trim_start_matches(mark);
        line.len() - rest.len() == 7 && (rest.is_empty() || rest.starts_with(' '))
    };
    let (mut start, mut is_open, mut is_halved) = (0, false, false);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let span = start..start + content.len();
        start += line.len();
        if is_mark(content, '<') {
            (is_open, is_halved) = (true, false);
            found.push(span);
        } else if is_mark(content, '=') {
            if kind == TextKind::Yaml && !is_open {
                found.push(span);
                is_open = true;
            }
            is_halved = true;
        } else if is_mark(content, '>') {
            // Without its beginning it could be a quotation in Markdown.
            if !is_open && (is_halved || kind == TextKind::Yaml) {
                found.push(span);
            }
            (is_open, is_halved) = (false, false);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_named() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            let pair = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            text.encode_utf16().flat_map(pair).collect()
        };
        let utf32 = |text: &str, big: bool| -> Vec<u8> {
            let four =
                |c: char| if big { (c as u32).to_be_bytes() } else { (c as u32).to_le_bytes() };
            text.chars().flat_map(four).collect()
        };
        let words = "Buy SPY, sell it at Christmas\n";
        let table: Vec<(Vec<u8>, &str, &str)> = vec![
            (utf16(&format!("\u{feff}{words}"), false), "not UTF-8 but UTF-16LE", "-f UTF-16LE"),
            (utf16(&format!("\u{feff}{words}"), true), "not UTF-8 but UTF-16BE", "-f UTF-16BE"),
            (utf16(words, false), "not UTF-8 but UTF-16LE", "iconv"),
            (utf16(words, true), "not UTF-8 but UTF-16BE", "iconv"),
            (utf32(&format!("\u{feff}{words}"), false), "not UTF-8 but UTF-32LE", "iconv"),
            (utf32(words, true), "not UTF-8 but UTF-32BE", "iconv"),
            (b"one\nWei\xdf\n".to_vec(), "probably Latin-1 (ISO-8859-1) (line 2)", "-f ISO-8859-1"),
            (b"It\x92s SPY".to_vec(), "probably Windows-1252 (line 1)", "-f WINDOWS-1252"),
            (b"\x01\x02\xff\xfe".to_vec(), "is no text", "UTF-8"),
            (b"PK\x03\x04rest".to_vec(), "a ZIP archive or an office document", "UTF-8"),
            (b"%PDF-1.7\n".to_vec(), "a PDF document", "UTF-8"),
        ];
        for (bytes, why, help) in table {
            let error = decode("p.md", bytes).expect_err(why);
            assert!(error.why.contains(why), "{why}: {}", error.why);
            let told = error.help.unwrap_or_default();
            assert!(told.contains(help), "{why}: {told}");
        }
        for text in ["", "Stra\u{df}e \u{1f600}\n", "\u{feff}x", "a\tb\u{c}"] {
            assert_eq!(decode("p.md", text.into()).unwrap(), text);
        }
    }

    #[test]
    fn both_sides_of_a_merge_are_seen_and_markdown_is_not_taken_for_them() {
        let table: &[(&str, &[&str])] = &[
            ("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> f\n", &["<<<<<<< HEAD"]),
            ("<<<<<<< a\r\nb\r\n||||||| o\r\n=======\r\n>>>>>>> f\r\n", &["<<<<<<< a"]),
            ("<<<<<<< HEAD\nleft over", &["<<<<<<< HEAD"]),
            ("=======\nc\n>>>>>>> f", &[">>>>>>> f"]),
            ("<<<<<<<\n=======\n>>>>>>>\n<<<<<<<\n", &["<<<<<<<", "<<<<<<<"]),
            ("Title\n=======\ntext\n", &[]),
            (">>>>>>> quoted seven deep\n", &[]),
            ("    <<<<<<< HEAD\n    =======\n    >>>>>>> f\n", &[]),
            ("<<<<<<<< eight\n========\n>>>>>>>>\n", &[]),
            ("see <<<<<<< there", &[]),
        ];
        for (text, expected) in table {
            let found = conflict_markers(text, TextKind::Prompt).into_iter();
            assert_eq!(found.map(|span| &text[span]).collect::<Vec<_>>(), *expected, "{text:?}");
        }
        for (text, expected) in [
            ("a: b\n=======\nc: d\n>>>>>>> f\n", vec!["======="]),
            ("a: b\n>>>>>>> f\n", vec![">>>>>>> f"]),
            ("a: b\n=======\n", vec!["======="]),
            ("<<<<<<< f\n=======\n>>>>>>> g\n=======\n", vec!["<<<<<<< f", "======="]),
            ("a: |\n  =======\n", vec![]),
        ] {
            let found = conflict_markers(text, TextKind::Yaml).into_iter();
            assert_eq!(found.map(|span| &text[span]).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }
}
