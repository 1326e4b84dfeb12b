//! Bytes to text: what is no UTF-8 is named as what it is.

use memchr::memchr;

use crate::manifest::Unreadable;
use crate::manifest::latin;
use crate::manifest::lines::SourceLine;
use crate::manifest::standin::shell_word;

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
        return Err(encoded(path, encoding));
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
    // Text in another encoding has next to no sequence that is one of UTF-8.
    let sound = String::from_utf8_lossy(&text).chars().filter(|c| is_sound(*c)).count();
    let latin = latin::suspect(&text).filter(|_| sound == 0);
    Err(latin.map_or_else(
        || not_utf8(path, &text, first, sound),
        |latin| Unreadable {
            why: format!(
                "`{path}` is not UTF-8 but probably {} (line {})",
                latin.name,
                line_of(&text, first)
            ),
            help: Some(format!(
                "save it as UTF-8, in the editor or with `iconv -f {} -t UTF-8 {} > FILE`, if the word \
                 there is `{}`",
                latin.charset,
                shell_word(path),
                latin.word
            )),
            ..Unreadable::default()
        },
    ))
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count()
}

/// Whether a character beyond ASCII was read, rather than put in the place of what cannot be.
fn is_sound(c: char) -> bool {
    !c.is_ascii() && c != char::REPLACEMENT_CHARACTER
}

/// Names the first byte that is wrong: which encoding it is of cannot be told. `sound` is how many
/// characters beyond ASCII are those of UTF-8.
fn not_utf8(path: &str, bytes: &[u8], first: usize, sound: usize) -> Unreadable {
    let broken = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    let help = if sound > broken {
        "the rest of it is UTF-8: write that character again"
    } else {
        "save it as UTF-8 in the program that wrote it"
    };
    Unreadable {
        why: format!(
            "`{path}` is not UTF-8: line {} holds the byte 0x{:02X}",
            line_of(bytes, first),
            bytes[first]
        ),
        help: Some(help.to_owned()),
        ..Unreadable::default()
    }
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

fn encoded(path: &str, encoding: &str) -> Unreadable {
    Unreadable {
        why: format!("`{path}` is not UTF-8 but {encoding}"),
        help: Some(format!(
            "save it as UTF-8, in the editor or with `iconv -f {encoding} -t UTF-8 {} > FILE`",
            shell_word(path)
        )),
        ..Unreadable::default()
    }
}

fn no_text(path: &str, what: &str) -> Unreadable {
    Unreadable {
        why: format!("`{path}` is {what}"),
        help: Some("write the text into a file of its own, in UTF-8".to_owned()),
        ..Unreadable::default()
    }
}

/// Says of a text that holds a NUL character why it is none.
pub(super) fn no_nul(path: &str, text: &str) -> Result<(), Unreadable> {
    text.find('\0').map_or(Ok(()), |at| {
        let line = SourceLine::number(text, at);
        Err(no_text(path, &format!("no text: it holds a NUL character in line {line}")))
    })
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
            (
                b"one\nWei\xdf\n".to_vec(),
                "probably Latin-1 (ISO-8859-1) (line 2)",
                "-f ISO-8859-1 -t UTF-8 p.md > FILE`, if the word there is `Wei\u{df}`",
            ),
            (
                b"It\x92s SPY".to_vec(),
                "probably Windows-1252 (line 1)",
                "the word there is `It\u{2019}s`",
            ),
            (b"na\xefve caf\xe9\n".to_vec(), "probably Latin-1", "the word there is `na\u{ef}ve`"),
            (
                b"SPY \x96 10 \x80, \x93hold\x94".to_vec(),
                "probably Windows-1252",
                "`iconv -f WINDOWS-1252",
            ),
            // A stray byte in UTF-8.
            (
                "na\u{ef}ve \u{2013} ok\n".bytes().chain(*b"caf\xe9\n").collect(),
                "line 2 holds the byte 0xE9",
                "the rest of it is UTF-8",
            ),
            (
                "caf\u{e9} na\u{ef}ve ".bytes().chain(*b"caf\xe9\n").collect(),
                "line 1 holds the byte 0xE9",
                "the rest of it is UTF-8",
            ),
            (
                b"\xe2\x80\x93\xe2\x80\x94 \xe2\x80".to_vec(),
                "line 1 holds the byte 0xE2",
                "the rest of it is UTF-8",
            ),
            (b"tak, by\xb3 ju\xbf t\xea".to_vec(), "the byte 0xB3", "the program that wrote it"),
            // KOI8-R, Shift JIS, GB 18030, code page 437, a lone half of a pair, EBCDIC.
            (
                b"\xeb\xd5\xd0\xc9 SPY".to_vec(),
                "line 1 holds the byte 0xEB",
                "the program that wrote it",
            ),
            (
                b"SPY\x82\xf0\x94\x83\x82\xa4\x95\xf1\x8d\x90".to_vec(),
                "the byte 0x82",
                "the program that wrote it",
            ),
            (b"\xc2\xf2\xc8\xeb SPY".to_vec(), "the byte 0xC2", "the program that wrote it"),
            (b"na\x8bve caf\x82 Buy".to_vec(), "the byte 0x8B", "the program that wrote it"),
            (b"Buy \xed\xa0\x80 SPY".to_vec(), "the byte 0xED", "the program that wrote it"),
            (b"\xc2\xa4\xa8@\xe2\xd7\xe8".to_vec(), "the byte 0xA8", "the program that wrote it"),
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
}
