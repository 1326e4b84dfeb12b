//! Whether bytes that are not UTF-8 are text of western Europe: only then is an encoding named.
//!
//! The wrong one would make other letters of a text, and the tool that does it says nothing. So every
//! byte beyond ASCII has to stand where that letter or sign can stand.

/// What a text probably is.
pub(super) struct Latin {
    /// What people call the encoding.
    pub(super) name: &'static str,
    /// What tools call it.
    pub(super) charset: &'static str,
    /// The first word that it decides, read so.
    pub(super) word: String,
}

/// Letters of Latin-1 that other encodings of Europe have for other letters more often.
const RARE: &[u8] = b"\xd0\xd7\xdd\xde\xf0\xf7\xfd\xfe";

/// Says of bytes that are not UTF-8 which encoding of western Europe they are probably of.
pub(super) fn suspect(bytes: &[u8]) -> Option<Latin> {
    let at =
        |index: Option<usize>| index.and_then(|index| bytes.get(index)).copied().unwrap_or(b' ');
    let mut high = bytes.iter().enumerate().filter(|(_, byte)| !byte.is_ascii());
    let is_placed = |(index, byte): (usize, &u8)| {
        is_placed(*byte, at(index.checked_sub(1)), at(Some(index + 1)))
    };
    let first = high.clone().next()?.0;
    if !high.all(is_placed) {
        return None;
    }
    // Latin-1 has control characters where Windows-1252 has quotes and dashes.
    let is_windows = bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
    let (name, charset) = if is_windows {
        ("Windows-1252", "WINDOWS-1252")
    } else {
        ("Latin-1 (ISO-8859-1)", "ISO-8859-1")
    };
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    let start = bytes[..first].iter().rposition(is_blank).map_or(0, |blank| blank + 1);
    let end = bytes[first..].iter().position(is_blank).map_or(bytes.len(), |blank| first + blank);
    let word = bytes[start..end].iter().take(40).map(|byte| character(*byte)).collect();
    Some(Latin { name, charset, word })
}

/// Whether a byte between two others can be what it is in Windows-1252.
fn is_placed(byte: u8, before: u8, behind: u8) -> bool {
    let (is_letter, is_digit) = (|c: u8| c.is_ascii_alphabetic(), |c: u8| c.is_ascii_digit());
    let is_open = |c: u8| c.is_ascii_whitespace() || c == b'(';
    match byte {
        // Letters: words of these languages have no three of them in a row.
        0xc0..=0xff if !RARE.contains(&byte) => {
            (is_letter(before) || is_letter(behind)) && (before.is_ascii() || behind.is_ascii())
        }
        // An apostrophe, or a closing quote.
        0x92 | 0x94 => !is_open(before) && (byte == 0x92 || !is_letter(behind)),
        // An opening quote.
        0x84 | 0x91 | 0x93 => is_open(before) && !behind.is_ascii_whitespace(),
        // A dash, an ellipsis.
        0x85 | 0x96 | 0x97 => !is_letter(before) || !is_letter(behind),
        // A currency, a power, a degree, a trade mark; in eastern Europe these are letters.
        0xa3 | 0xa5 | 0xb0..=0xb3 => is_digit(before) || is_digit(behind),
        0x99 | 0xa9 | 0xae => !is_letter(behind),
        // A euro, a section, a fraction, a French quote, a hard blank.
        0x80 | 0xa0 | 0xa7 | 0xab | 0xb7 | 0xbb..=0xbe => !is_letter(before) && !is_letter(behind),
        _ => false,
    }
}

/// A byte that [`is_placed`] takes, read as Windows-1252.
fn character(byte: u8) -> char {
    match byte {
        0x80 => '€',
        0x84 => '„',
        0x85 => '…',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x96 => '–',
        0x97 => '—',
        0x99 => '™',
        other => char::from(other),
    }
}
