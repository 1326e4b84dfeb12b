//! Which characters a reader cannot see for what they are.

/// Whether a character acts on a terminal, on the direction of the text, or shows nothing.
///
/// Whoever writes foreign text for people writes such a character as an escape.
pub fn is_hidden(c: char) -> bool {
    let is_direction = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    );
    let is_invisible = matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2065}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    );
    // The separators end a line in some readers of logs.
    c.is_control() || is_direction || is_invisible || matches!(c, '\u{2028}' | '\u{2029}')
}
