//! Brackets and braces.

use serde_yaml::granit_parser::ErrorKind;

use super::BrokenSpot;
use crate::manifest::fields;
use crate::manifest::lines::SourceLine;
use crate::manifest::mistake::Mistake;

/// What brackets are to people.
const CLOSE: &str = "close every `[` with `]` and every `{` with `}`";

impl BrokenSpot<'_> {
    /// What is wrong within brackets, or with them.
    pub(super) fn in_flow(self, kind: &ErrorKind) -> Mistake {
        match kind {
            ErrorKind::UnclosedFlowCollection { open } => {
                return self.unclosed_bracket(self.at, *open);
            }
            ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
                return self
                    .fault(format!("`{open}` opens here, and `{close}` closes it"))
                    .help(format!("{CLOSE}; a text that holds them needs quotes"));
            }
            ErrorKind::MisplacedFlowCollectionEnd => {
                let bracket = self.text[self.at..].chars().next().unwrap_or(']');
                return self
                    .fault(format!("`{bracket}` closes nothing that is open"))
                    .help("take it out; a text that starts with it needs quotes");
            }
            _ => {}
        }
        let Some(open) = self.open else {
            if self.text[self.at..].starts_with(',') {
                return self.needs_quotes(",");
            }
            return self.fault(format!("this is not YAML: {kind}")).help(
                "a text that holds `: ` or ` #`, or starts with a special character, needs quotes",
            );
        };
        let opener = if self.text[open..].starts_with('[') { '[' } else { '{' };
        let opened_in = SourceLine::at(self.text, open);
        let before = self.text[self.line.start.max(open + 1)..self.at].trim_start();
        let entry = before.rsplit([',', '[', '{']).next().unwrap_or_default().trim();
        let here = &self.text[self.at..];
        if here.starts_with(':') && entry.contains(": ") {
            return self.colon_in_value(entry);
        }
        if opened_in.start < self.line.start {
            if self.line.indent() <= opened_in.indent() {
                return self.unclosed_bracket(open, opener);
            }
            return self.no_comma();
        }
        if entry.rsplit(": ").next().is_some_and(|value| value.starts_with('*')) {
            return self.behind(entry);
        }
        if let Some(quote) = before.trim_end().chars().last().filter(|c| matches!(c, '"' | '\'')) {
            return self.fault(format!("text stands behind the closing `{quote}`")).help(
                "write a `,` between two entries, or put other quotes around the whole text",
            );
        }
        if here.starts_with(',') || before.trim_end().ends_with(',') {
            return self
                .fault(format!("an entry is missing between `{opener}` or `,` and here"))
                .help("take one `,` out; a text that starts with `,` needs quotes");
        }
        self.fault(format!("`,` or the end of what `{opener}` opens is expected here"))
            .see(open..open + 1, "opened here")
            .help("a text that holds `[`, `]`, `{`, `}` or `,` needs quotes within brackets")
    }

    fn unclosed_bracket(self, open: usize, bracket: char) -> Mistake {
        let close = if bracket == '[' { ']' } else { '}' };
        let fault = self.fault_at(open, format!("`{bracket}` is not closed"));
        let fault = fault.help(format!(
            "close it with `{close}`; a text that starts with `{bracket}` needs quotes"
        ));
        let line = SourceLine::at(self.text, open);
        if line.text[open - line.start..].contains(" #") {
            fault.help(
                "` #` begins a comment up to the line's end; a text that holds it needs quotes",
            )
        } else {
            fault
        }
    }

    /// The `:` of a text that stands without quotes as the value of a field.
    fn colon_in_value(self, entry: &str) -> Mistake {
        let value = entry.split_once(": ").map_or(entry, |(_, value)| value).trim();
        let (rest, last) = value.rsplit_once([' ', '\t']).unwrap_or(("", value));
        let name = last.trim_matches(['"', '\'']);
        if !rest.is_empty() && fields::is_known(name) {
            return Mistake::new(
                self.at - last.len()..self.at,
                format!("`,` is missing before `{name}`"),
            )
            .help("write a `,` between two entries, or put a text that holds `: ` in quotes");
        }
        self.fault(format!("`: ` is in the text `{value}: …`, which has no quotes"))
            .help("put the text in quotes")
    }

    fn no_comma(self) -> Mistake {
        let above = SourceLine::above(self.text, self.at).next().unwrap_or(self.line);
        let end = above.start + above.text.trim_end().len();
        let last = above.text.trim_end().chars().last().map_or(0, char::len_utf8);
        Mistake::new(end - last..end, "`,` is missing at the end of this line")
            .help("entries within `{` or `[` have a `,` between them, also on lines of their own")
            .help(CLOSE)
    }
}
