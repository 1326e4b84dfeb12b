//! Which characters a reader cannot see for what they are, and JSON that shows them.

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

/// Returns a JSON document with all that could act on a terminal or a CI system escaped.
///
/// Outside of its strings a document holds line breaks and ASCII alone, so every such character
/// stands in a string, and a reader of JSON gets it back as it was.
pub fn visible_json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    let mut units = [0; 2];
    for (at, c) in document.char_indices() {
        let rest = &document[at..];
        let is_command = rest.starts_with("##[") || rest.starts_with("##vso[");
        if is_command || (is_hidden(c) && c != '\n') {
            for unit in c.encode_utf16(&mut units) {
                safe.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = u32::from(*unit >> shift) & 15;
                    safe.extend(char::from_digit(digit, 16));
                }
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_document_says_the_same_and_shows_nothing_hidden() {
        let value = serde_json::json!({"name": "\u{202e}a\u{7f}##[x]\u{e0041}\n"});
        let written = serde_json::to_string_pretty(&value).unwrap();
        let safe = visible_json(&written);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        assert!(!safe.contains(|c: char| is_hidden(c) && c != '\n'), "{safe}");
        assert!(!safe.contains("##["), "{safe}");
    }
}
