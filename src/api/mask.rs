//! Hides the signature in an answer that repeats it, as pages for debugging do.
//!
//! A signature stays valid for hours, and the service's words reach messages, reports and logs. So it
//! is found however it is written: as it is, without padding, in either case, escaped for JSON, HTML
//! or an address, broken over lines, or encoded once more.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::exchange::{Response, Signature};

/// What is to be hidden, prepared for one signature.
pub(super) struct Mask {
    /// Each in lower case, without padding.
    needles: Vec<Vec<u8>>,
    /// Which of them, a bit each, a byte can begin.
    first: [u8; 256],
    /// Which of them a byte can follow in.
    second: [u8; 256],
    /// Which of them a byte can come third in, by what comes second.
    third: [[u8; 256]; 3],
}

/// What a byte can be in a text that is spelled in some way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Letter,
    /// It may stand between any two letters.
    Break,
    /// It begins a letter that has more bytes.
    Escape,
}

/// By byte.
const ROLES: [Role; 256] = {
    let mut roles = [Role::Letter; 256];
    let mut at = 0;
    while at < BREAKS.len() {
        roles[BREAKS[at] as usize] = Role::Break;
        at += 1;
    }
    at = 0;
    while at < ESCAPES.len() {
        roles[ESCAPES[at] as usize] = Role::Escape;
        at += 1;
    }
    roles
};

impl Mask {
    pub(super) fn new(signature: &Signature) -> Self {
        let encoded = signature.authorization.trim_start_matches("Basic ");
        let decoded = STANDARD.decode(encoded).unwrap_or_default();
        let hash = decoded.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let texts = [encoded.trim_end_matches('=').as_bytes(), hash];
        let mut needles: Vec<Vec<u8>> = Vec::new();
        for text in texts.into_iter().filter(|text| text.len() >= AHEAD) {
            needles.push(text.to_ascii_lowercase());
            needles.extend((0..3).map(|shift| encoded_again(text, shift)));
        }
        let [first, mut second, mut letter] = [0, 1, 2].map(|place| spellings(&needles, place));
        // Lines may be broken anywhere but in front.
        for byte in BREAKS {
            second[usize::from(*byte)] = u8::MAX;
            letter[usize::from(*byte)] = u8::MAX;
        }
        // By role: behind a break the second letter is still to come, and an escape may be of any length.
        let third = [letter, second, [u8::MAX; 256]];
        Self { needles, first, second, third }
    }

    /// Hides it wherever an answer repeats it.
    pub(super) fn apply(&self, response: &mut Response) {
        self.hide(&mut response.body);
        let headers = [&mut response.date, &mut response.retry_after].into_iter().flatten();
        for header in headers.chain([&mut response.content_type]) {
            let mut bytes = std::mem::take(header).into_bytes();
            self.hide(&mut bytes);
            *header = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    fn hide(&self, text: &mut [u8]) {
        let mut at = 0;
        let may_begin = |next: &[u8]| self.candidates(next) != 0;
        while let Some(skipped) = text[at..].windows(AHEAD).position(may_begin) {
            at += skipped;
            match self.length_at(&text[at..]) {
                Some(length) => {
                    text[at..at + length].fill(b'*');
                    at += length;
                }
                None => at += 1,
            }
        }
    }

    /// Which needles, a bit each, the next bytes may begin: none nearly everywhere. Without a branch, because
    /// no processor foresees what letter comes next.
    fn candidates(&self, next: &[u8]) -> u8 {
        let &[first, second, third] = next else { return 0 };
        let [first, second, third] = [first, second, third].map(usize::from);
        let is_open = u8::from(ROLES[first] == Role::Escape) * u8::MAX;
        let third = self.third[ROLES[second] as usize][third];
        self.first[first] & (self.second[second] | is_open) & (third | is_open)
    }

    /// How many bytes at the start of `text` spell one of the needles.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        let may_be = self.candidates(&text[..AHEAD]);
        let mut needles = self.needles.iter().enumerate();
        needles.find_map(|(nth, needle)| {
            (may_be & (1 << nth) != 0).then(|| length_of(needle, text)).flatten()
        })
    }
}

/// How many bytes tell that no needle begins: each has as many at least.
const AHEAD: usize = 3;

/// What begins an escape.
const ESCAPES: &[u8] = br"\%&";

/// Where lines are broken.
const BREAKS: &[u8] = b"\r\n\t ";

/// By byte: which of the needles, a bit each, can have it at this place, as it is or as part of an escape.
fn spellings(needles: &[Vec<u8>], place: usize) -> [u8; 256] {
    let mut spellings = [0; 256];
    for (nth, needle) in needles.iter().enumerate() {
        let byte = needle[place];
        // Addresses have other letters for two of them.
        let other = match byte {
            b'+' => b'-',
            b'/' => b'_',
            _ => byte.to_ascii_uppercase(),
        };
        for byte in [byte, other].iter().chain(ESCAPES) {
            spellings[usize::from(*byte)] |= 1 << nth;
        }
    }
    spellings
}

/// A text in Base64 once more, as it stands in what has so many bytes before it; lower case.
fn encoded_again(text: &[u8], shift: usize) -> Vec<u8> {
    let encoded = STANDARD.encode([&[0; 2][..shift], text].concat());
    // The first and the last letters depend on what stands beside it.
    let start = (shift * 8).div_ceil(6);
    let end = (shift + text.len()) * 8 / 6;
    encoded.as_bytes()[start..end].to_ascii_lowercase()
}

/// How many bytes at the start of `text` spell `needle`, if they do.
fn length_of(needle: &[u8], text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for expected in needle {
        // Lines may be broken anywhere but in front.
        while at > 0 {
            match spelled(&text[at..]) {
                Some((b'\r' | b'\n' | b'\t' | b' ', length)) => at += length,
                _ => break,
            }
        }
        let (byte, length) = spelled(&text[at..])?;
        let is_same = match byte.to_ascii_lowercase() {
            b'-' => matches!(expected, b'+' | b'-'),
            b'_' => matches!(expected, b'/' | b'_'),
            byte => byte == *expected,
        };
        if !is_same {
            return None;
        }
        at += length;
    }
    Some(at)
}

/// The byte that stands at the start of a text, and how many bytes spell it.
fn spelled(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', ..] => {
            // JSON within JSON doubles them.
            let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
            let (byte, length) = match &text[slashes..] {
                [b'u' | b'U', rest @ ..] => (number(rest, 4, 16)?, 5),
                [b'x' | b'X', rest @ ..] => (number(rest, 2, 16)?, 3),
                [b'/', ..] => (b'/', 1),
                [b'n', ..] => (b'\n', 1),
                [b'r', ..] => (b'\r', 1),
                _ => return None,
            };
            Some((byte, slashes + length))
        }
        [b'%', rest @ ..] => {
            // An address within an address writes `%` as `%25`.
            let again = rest.chunks(2).take_while(|pair| *pair == b"25").count() * 2;
            Some((number(&rest[again..], 2, 16)?, 1 + again + 2))
        }
        [b'&', b'#', b'x' | b'X', rest @ ..] => entity(rest, 16).map(|(byte, at)| (byte, at + 3)),
        [b'&', b'#', rest @ ..] => entity(rest, 10).map(|(byte, at)| (byte, at + 2)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

/// The number that ends with a semicolon, and how many bytes it has with it.
fn entity(text: &[u8], radix: u32) -> Option<(u8, usize)> {
    let digits = text.iter().take(8).position(|byte| *byte == b';')?;
    Some((number(text, digits, radix)?, digits + 1))
}

fn number(text: &[u8], digits: usize, radix: u32) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..digits)?).ok()?;
    u8::try_from(u32::from_str_radix(digits, radix).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORIZATION: &str = "Basic MTIzOjVkZjVlYzViMzJiM2EzZjhhYzZjZjM4NDZkMDQ3ZDhkYTc5YjI4NDg0ZWU4YzYyOWFjOGEzOGEzNjA2MzU5NDU=";
    const HASH: &str = "5df5ec5b32b3a3f8ac6cf3846d047d8da79b28484ee8c629ac8a38a360635945";

    fn mask() -> Mask {
        let authorization = AUTHORIZATION.to_owned();
        Mask::new(&Signature { authorization, timestamp: "1700000000".to_owned() })
    }

    /// Each character of a text, written another way.
    fn each(text: &str, write: impl Fn(u32) -> String) -> String {
        text.chars().map(|letter| write(letter.into())).collect()
    }

    #[test]
    fn a_signature_is_hidden_however_an_answer_writes_it() {
        let encoded = &AUTHORIZATION[6..];
        let bare = encoded.trim_end_matches('=');
        let again = |text: &str| STANDARD.encode(text);
        let lines = |end: &str| {
            let (first, rest) = bare.split_at(76);
            format!("{first}{end}{rest}")
        };
        let table = [
            ("as it is", encoded.to_owned()),
            ("without padding", bare.to_owned()),
            ("in upper case", encoded.to_uppercase()),
            ("in lower case", encoded.to_lowercase()),
            ("padding for JSON", bare.to_owned() + r"\u003d"),
            ("a letter for JSON", encoded.replace('M', r"\u004d").replace('=', r"\u003D")),
            ("each letter for JSON", each(encoded, |c| format!("\\u{c:04x}"))),
            ("JSON in JSON", each(encoded, |c| format!("\\\\u{c:04x}"))),
            ("JSON in JSON in JSON", encoded.replace('M', r"\\\\u004d")),
            ("a letter for addresses", encoded.replace('M', "%4d").replace('=', "%3D")),
            ("an address in an address", each(encoded, |c| format!("%2525{c:02X}"))),
            ("for HTML", each(encoded, |c| format!("&#x{c:X};"))),
            ("for HTML in decimals", each(encoded, |c| format!("&#{c};"))),
            ("over lines", lines("\r\n")),
            ("over lines in JSON", lines(r"\r\n")),
            ("the hash", HASH.to_owned()),
            ("the hash in upper case", HASH.to_uppercase()),
            ("the hash for JSON", HASH.replace('5', r"\u0035")),
            ("the header again", again(AUTHORIZATION)),
            ("one more byte before it", again(&format!("x{AUTHORIZATION}"))),
            ("two more bytes before it", again(&format!("xy{AUTHORIZATION}"))),
            ("the hash again", again(HASH)),
        ];
        for (name, text) in table {
            for body in
                [text.clone(), format!("{{\"a\":\"{text}\"}}"), text.clone() + &"x".repeat(300_000)]
            {
                let mut response = Response {
                    body: body.clone().into_bytes(),
                    content_type: text.clone(),
                    date: Some(text.clone()),
                    retry_after: Some(text.clone()),
                    ..Response::default()
                };
                mask().apply(&mut response);
                let shown = String::from_utf8(response.body).unwrap();
                let headers =
                    [response.date.unwrap(), response.retry_after.unwrap(), response.content_type];
                for shown in headers.iter().chain([&shown]) {
                    let left = shown.trim_end_matches('x');
                    let letters = left.chars().filter(char::is_ascii_alphanumeric).count();
                    // What encodes the word before the signature and the padding behind it may stay.
                    assert!(letters <= 14 && shown.contains("********"), "{name}: {left}");
                }
                assert_eq!(shown.len(), body.len(), "{name}");
            }
        }
    }

    #[test]
    fn nothing_else_is_hidden() {
        let near = [
            &AUTHORIZATION[..60],
            &HASH[..63],
            r#"{"a":"\u","b":"\\","c":"%","d":"&#;"}"#,
            r"\",
            "%2",
            "&#x",
        ];
        for text in near {
            let mut bytes = text.as_bytes().to_vec();
            mask().hide(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }
}
