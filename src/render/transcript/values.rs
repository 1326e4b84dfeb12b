//! JSON that somebody else wrote, put into lines: each value as it is, nothing read into a tree.
//!
//! A tree of many small values takes twenty times the room of their text.

use std::fmt;

use serde::de::IgnoredAny;

/// How deep values may stand within each other; readers of JSON give up there.
const DEEPEST: usize = 100;

/// A text that is JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'j>(&'j str);

impl<'j> Values<'j> {
    /// Takes a text; `None` where it is no JSON that every reader of JSON can read.
    pub(super) fn of(json: &'j str) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(json).ok()?;
        let (mut depth, mut rest) = (0_usize, json);
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '"' => {
                    let text = string(rest);
                    serde_json::from_str::<String>(text).ok()?;
                    text.len()
                }
                _ => first.len_utf8(),
            };
            match first {
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEEPEST {
                return None;
            }
            rest = &rest[length..];
        }
        Some(Self(json))
    }

    /// Writes the values, each in a line, with so many levels around them.
    ///
    /// Numbers stay as they were written; texts are spelled as we spell them.
    pub(super) fn write(self, around: usize, out: &mut dyn fmt::Write) -> fmt::Result {
        let (mut depth, mut rest) = (around, self.0);
        while let Some(first) = rest.chars().next() {
            let mut taken = first.len_utf8();
            match first {
                '"' => {
                    let text = string(rest);
                    taken = text.len();
                    match serde_json::from_str::<String>(text) {
                        Ok(text) => out.write_str(&written(&text))?,
                        Err(_) => out.write_str(text)?,
                    }
                }
                '{' | '[' => {
                    out.write_char(first)?;
                    let behind = rest[1..].trim_start();
                    if behind.starts_with(['}', ']']) {
                        out.write_str(&behind[..1])?;
                        taken = rest.len() - behind.len() + 1;
                    } else {
                        depth += 1;
                        new_line(depth, out)?;
                    }
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    new_line(depth, out)?;
                    out.write_char(first)?;
                }
                ',' => {
                    out.write_char(',')?;
                    new_line(depth, out)?;
                }
                ':' => out.write_str(": ")?,
                blank if blank.is_ascii_whitespace() => {}
                other => out.write_char(other)?,
            }
            rest = &rest[taken..];
        }
        Ok(())
    }
}

/// Begins a line at a level.
pub(super) fn new_line(depth: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    out.write_char('\n')?;
    (0..depth).try_for_each(|_| out.write_str("  "))
}

/// A text as JSON.
pub(super) fn written(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always JSON")
}

/// The string that `json` begins with, its quotes included.
fn string(json: &str) -> &str {
    let bytes = json.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return &json[..=at],
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(json: &str) -> Option<String> {
        let mut text = String::new();
        Values::of(json)?.write(0, &mut text).unwrap();
        Some(text)
    }

    #[test]
    fn values_stay_as_they_were_written() {
        let table = [
            ("{}", "{}"),
            (" [ ] ", "[]"),
            ("7", "7"),
            (r#"{"a": 1, "a": 2}"#, "{\n  \"a\": 1,\n  \"a\": 2\n}"),
            (
                "[1.10, 1e2,-0.0,0.1000000000000000055]",
                "[\n  1.10,\n  1e2,\n  -0.0,\n  0.1000000000000000055\n]",
            ),
            (
                r#"{"\u00e9\/":[" a  \" {b} ",{"c":[]}]}"#,
                "{\n  \"é/\": [\n    \" a  \\\" {b} \",\n    {\n      \"c\": []\n    }\n  ]\n}",
            ),
        ];
        for (json, shown) in table {
            assert_eq!(lines(json).as_deref(), Some(shown), "{json}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for odd in ["", "{", "{\"a\": \"b", "[1,]", "\"\\ud83d\"", "plain words", &deep] {
            assert_eq!(lines(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_same_json(
            json in r#"(\{|\}|\[|\]|,|:|"|\\|1|true|null| |a|"b"|"c":|\{\}|\[1,2\]){0,12}"#,
        ) {
            let value = serde_json::from_str::<serde_json::Value>(&json).ok();
            let again = lines(&json).map(|text| serde_json::from_str(&text).unwrap());
            prop_assert_eq!(value, again);
        }
    }
}
