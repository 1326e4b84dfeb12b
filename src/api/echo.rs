//! Finds out whether a refusal repeats a signature in a form that [`Mask`] cannot point at: in pieces,
//! as numbers, or encoded several times over.
//!
//! What no message needs is then not shown at all.
//!
//! [`Mask`]: crate::api::mask::Mask

use std::collections::{BTreeSet, VecDeque};
use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use regex::bytes::Regex;
use unicode_normalization::UnicodeNormalization;

use crate::exchange::{Response, Signature};

/// How many letters and digits in a row are a piece of a signature, and no chance.
const PIECE: usize = 12;
/// How many signatures are remembered: a page that was kept repeats one of an earlier request.
const REMEMBERED: usize = 64;
/// How often a text may be encoded in Base64.
const DEPTH: usize = 3;
/// What takes the place of such an answer; no JSON, so that nothing is concluded from it.
const NOTICE: &[u8] = b"(not shown: the answer repeats the signature of a request)";

/// The signatures that were made of late.
#[derive(Debug, Default)]
pub(super) struct Signatures(VecDeque<Signature>);

/// Their pieces, in lower case.
struct Pieces(BTreeSet<Vec<u8>>);

impl Signatures {
    /// Remembers a signature.
    pub(super) fn remember(&mut self, signature: &Signature) {
        if !self.0.contains(signature) {
            self.0.truncate(REMEMBERED - 1);
            self.0.push_front(signature.clone());
        }
    }

    /// Takes the body out of a refusal that repeats one of them.
    pub(super) fn withhold(&self, response: &mut Response) {
        static NO: LazyLock<Regex> = LazyLock::new(|| regex(r#""success"\s*:\s*false"#));
        static YES: LazyLock<Regex> = LazyLock::new(|| regex(r#""success"\s*:\s*true"#));
        let body = &response.body;
        let is_success =
            matches!(response.status, 200..=299) && YES.is_match(body) && !NO.is_match(body);
        if is_success {
            return;
        }
        let pieces = Pieces(self.0.iter().flat_map(pieces).collect());
        if pieces.are_in(body, DEPTH) {
            response.body = NOTICE.to_vec();
        }
    }
}

impl Pieces {
    fn are_in(&self, text: &[u8], depth: usize) -> bool {
        let views = views(text);
        let has_piece =
            |view: &Vec<u8>| letters(view).windows(PIECE).any(|window| self.0.contains(window));
        views.iter().any(has_piece)
            || (depth > 0 && decoded(text).iter().any(|text| self.are_in(text, depth - 1)))
    }
}

/// Every piece of the header's value, of its hash, and of the hash's bytes in Base64.
fn pieces(signature: &Signature) -> BTreeSet<Vec<u8>> {
    let encoded = signature.authorization.trim_start_matches("Basic ");
    let whole = STANDARD.decode(encoded).unwrap_or_default();
    let hash = whole.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let raw = pairs(hash);
    let mut forms = vec![encoded.as_bytes().to_vec(), hash.to_vec()];
    forms.extend(
        (0..3).map(|shift| STANDARD.encode([&[0; 2][..shift], &raw].concat()).into_bytes()),
    );
    let pieces = |form: Vec<u8>| {
        let letters = letters(&form);
        letters.windows(PIECE).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    forms.into_iter().flat_map(pieces).collect()
}

/// Only letters and digits, in lower case: whatever stands between them says nothing.
fn letters(text: &[u8]) -> Vec<u8> {
    text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
}

/// The ways to read a text: as it is, without tags, without escapes, and as lists of numbers.
fn views(text: &[u8]) -> Vec<Vec<u8>> {
    static JSON: LazyLock<Regex> = LazyLock::new(|| regex(r"\\+u([0-9a-fA-F]{4})"));
    static TAG: LazyLock<Regex> = LazyLock::new(|| regex("<[^<>]{0,200}>"));
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)(?:&(?:amp;)*#0*|\\+|%25)(?:x|u\{?)0*([0-9a-f]{2})|%u?(?:00)?([0-9a-f]{2})|&(?:amp;)*#0*([0-9]{1,3})|\\+([0-7]{3})",
        )
    });
    static PREFIX: LazyLock<Regex> = LazyLock::new(|| regex("(?i)0x"));
    static DECIMAL: LazyLock<Regex> = LazyLock::new(|| regex("[0-9]+"));
    // Both halves of a character of two bytes, and letters of full width.
    let narrow: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
    let narrow = JSON.replace_all(&narrow, |found: &regex::bytes::Captures<'_>| {
        let code = std::str::from_utf8(&found[1]).ok();
        let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let letter = code.and_then(char::from_u32).map(String::from);
        letter.unwrap_or_default().into_bytes()
    });
    let plain: String = String::from_utf8_lossy(&narrow).nfkc().collect();
    let plain = plain.into_bytes();
    let unescaped = ESCAPE.replace_all(&plain, |found: &regex::bytes::Captures<'_>| {
        let number = |group, radix| {
            let digits = std::str::from_utf8(found.get(group)?.as_bytes()).ok()?;
            u8::from_str_radix(digits, radix).ok()
        };
        let byte = number(1, 16).or_else(|| number(2, 16));
        let byte = byte.or_else(|| number(3, 10)).or_else(|| number(4, 8));
        byte.into_iter().collect::<Vec<u8>>()
    });
    let numbers = DECIMAL
        .find_iter(&plain)
        .filter_map(|digits| std::str::from_utf8(digits.as_bytes()).ok()?.parse::<u8>().ok());
    let digits = letters(&PREFIX.replace_all(&plain, &b""[..]));
    vec![
        TAG.replace_all(&plain, &b""[..]).into_owned(),
        unescaped.into_owned(),
        numbers.collect(),
        pairs(&digits),
        pairs(digits.get(1..).unwrap_or_default()),
        plain,
    ]
}

/// The bytes that pairs of hexadecimal digits spell; what is none ends nothing.
fn pairs(digits: &[u8]) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).filter_map(byte).collect()
}

/// What the longer words of a text may be in Base64, at each of the four places where it may begin.
fn decoded(text: &[u8]) -> Vec<Vec<u8>> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z0-9+/_\-\s]{32,}"));
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&ALPHABET, NO_PAD.with_decode_allow_trailing_bits(true));
    let at = |word: &[u8], start: usize| {
        let word = word.get(start..)?;
        LENIENT.decode(&word[..word.len() / 4 * 4]).ok()
    };
    WORD.find_iter(text)
        .flat_map(|found| {
            let bytes = found.as_bytes().iter().filter(|byte| !byte.is_ascii_whitespace());
            let word: Vec<u8> = bytes
                .map(|byte| match byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    byte => *byte,
                })
                .collect();
            (0..4).filter_map(move |start| at(&word, start)).collect::<Vec<_>>()
        })
        .collect()
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("it is a regular expression")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "5df5ec5b32b3a3f8ac6cf3846d047d8da79b28484ee8c629ac8a38a360635945";

    fn authorization() -> String {
        format!("Basic {}", STANDARD.encode(format!("123:{HASH}")))
    }

    fn answered(status: u16, body: &str) -> String {
        let mut made = Signatures::default();
        for (authorization, timestamp) in [(authorization(), "1"), ("Basic eA==".to_owned(), "2")] {
            made.remember(&Signature { authorization, timestamp: timestamp.to_owned() });
        }
        let body = body.as_bytes().to_vec();
        let mut response = Response { status, body, ..Response::default() };
        made.withhold(&mut response);
        String::from_utf8(response.body).unwrap()
    }

    fn each(text: &str, write: impl Fn(u32) -> String) -> String {
        text.chars().map(|letter| write(letter.into())).collect()
    }

    fn every(text: &str, length: usize, between: &str) -> String {
        let pieces = text.as_bytes().chunks(length).map(|piece| String::from_utf8_lossy(piece));
        pieces.collect::<Vec<_>>().join(between)
    }

    #[test]
    fn a_refusal_that_repeats_a_signature_in_pieces_or_numbers_is_not_shown() {
        let header = authorization();
        let hex = |text: &str| each(text, |letter| format!("{letter:02x}"));
        let again = |text: &str| STANDARD.encode(text);
        let table = [
            ("of an earlier request", header.clone()),
            ("the header in hexadecimal", hex(&header)),
            ("the user and hash in hexadecimal", hex(&format!("123:{HASH}"))),
            ("spaced", every(&hex(&header), 2, " ")),
            ("as a list", each(&header, |letter| format!("0x{letter:02X}, "))),
            ("as decimals", each(&header, |letter| format!("{letter}, "))),
            ("octal", each(&header, |letter| format!("\\{letter:03o}"))),
            ("escaped with braces", each(&header, |letter| format!("\\u{{{letter:x}}}"))),
            ("escaped for addresses", each(&header, |letter| format!("%u{letter:04x}"))),
            ("entities", each(&header, |letter| format!("&#{letter}"))),
            ("long entities", each(&header, |letter| format!("&#{letter:010};"))),
            ("entities twice", each(&header, |letter| format!("&amp;#{letter};"))),
            ("the hash in groups", every(HASH, 8, "-")),
            ("the hash in pairs", every(HASH, 2, ":")),
            ("the bytes of the hash", STANDARD.encode(pairs(HASH.as_bytes()))),
            ("encoded twice more", again(&again(&header))),
            ("in full width", each(&header, |c| char::from_u32(c + 0xfee0).unwrap().to_string())),
            ("in full width for JSON", each(&header, |c| format!("\\u{:04x}", c + 0xfee0))),
            ("with blanks of no width", every(&header, 1, "\u{200b}")),
            ("the same for JSON", every(&header, 1, r"\u200b")),
            ("letter by letter", every(&header, 1, " ")),
            ("with tags", every(&header, 9, "<wbr>")),
            ("over lines", every(&header, 40, "\n| ")),
            ("quoted-printable", every(&header, 20, "=\r\n")),
            ("as text in pieces", every(&header, 40, "' '")),
            ("two bytes a letter", every(&header, 1, "\0")),
            ("without its end", format!("{}...", &header[..header.len() - 6])),
            ("its end", header[60..].to_owned()),
        ];
        for (how, text) in table {
            for body in
                [format!("<p>{text}"), format!(r#"{{"success": false, "errors": ["{text}"]}}"#)]
            {
                let shown = answered(500, &body);
                assert_eq!(shown.as_bytes(), NOTICE, "{how}: {shown}");
            }
        }
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        let success = format!(r#"{{"success": true, "name": "{HASH}"}}"#);
        for (status, body) in [
            (200, success.as_str()),
            (
                200,
                r#"{"success": false, "errors": ["task 512 of e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0"]}"#,
            ),
            (500, "<p>deployment A-1f8e8c6cbab7827743512069a19be900 5df5ec5b32b"),
            (502, ""),
        ] {
            assert_eq!(answered(status, body), body);
        }
    }
}
