//! Quotes that are not closed, closed too early, or hold what is no escape.

use super::BrokenSpot;
use crate::manifest::lines::SourceLine;
use crate::manifest::mistake::Mistake;

impl BrokenSpot<'_> {
    /// A backslash in double quotes that is no escape.
    pub(super) fn escape(self) -> Mistake {
        let (at, escape) = first_bad_escape(&self.text[self.at..])
            .map_or((self.at, "\\"), |(offset, escape)| (self.at + offset, escape));
        let rest = if escape.starts_with("\\u") || escape.starts_with("\\x") {
            "write the code of one character, as in `\\u00e9`"
        } else {
            "in double quotes a backslash is written `\\\\`"
        };
        self.fault_at(at, format!("`{escape}` is no escape that double quotes know"))
            .help(rest)
            .help("or use single quotes, in which a backslash is an ordinary character")
    }

    /// Text behind a closing quote; where that closes a text that began further up, the quote that is
    /// missing is missing there.
    pub(super) fn behind_quote(self, quote: char) -> Mistake {
        let before = self.text[..self.at].trim_end_matches([' ', '\t']);
        let close = before.strip_suffix(quote).map_or(self.at, str::len);
        let open = opening(&self.text[..close], quote);
        if let Some(open) = open.filter(|open| *open < self.line.start) {
            return self.unclosed(open, quote);
        }
        let fault = self.fault(format!("text stands behind the closing `{quote}`"));
        if self.is_in_brackets() {
            fault.help("write a `,` between two entries, or other quotes around the whole text")
        } else if quote == '\'' {
            fault.help("write `''` for an apostrophe in single quotes, or use double quotes")
        } else {
            fault.help("put single quotes around the whole text, or write `\\\"` for a quote in it")
        }
    }

    /// A quote that is opened and not closed.
    pub(super) fn unclosed_quote(self) -> Mistake {
        let own = self.text[self.at..].chars().next().filter(|c| matches!(c, '"' | '\''));
        if let Some(quote) = own {
            return self.unclosed(self.at, quote);
        }
        let above = SourceLine::above(self.text, self.at);
        for line in std::iter::once(self.line).chain(above) {
            if let Some((at, quote)) = left_open(line) {
                return self.unclosed(at, quote);
            }
        }
        self.fault("a text in quotes is not closed").help("close the quote")
    }

    fn unclosed(self, at: usize, quote: char) -> Mistake {
        let fault = self.fault_at(at, format!("the quote `{quote}` that opens here is not closed"));
        let fault = fault.until(end_of_text(self.text, at, quote));
        let fault = fault.help(format!(
            "close it with `{quote}`; further lines of the text are indented deeper than its key"
        ));
        if quote == '\'' {
            fault.help("a text that only starts with an apostrophe needs double quotes")
        } else {
            fault
        }
    }
}

/// Where a text ends whose quote is closed further down, with no field between.
fn end_of_text(text: &str, at: usize, quote: char) -> Option<usize> {
    let mut line = SourceLine::at(text, at);
    loop {
        line = SourceLine::below(text, line.start)?;
        if line.text.trim_end().ends_with(quote) {
            return Some(line.start + line.text.len());
        }
        if line.field().is_some() {
            return None;
        }
    }
}

/// The first escape of a text in double quotes that YAML does not know, and where it is.
fn first_bad_escape(text: &str) -> Option<(usize, &str)> {
    const KNOWN: &str = "0abt\tnvfre \"/\\N_LP\n\r";
    let mut rest = text.char_indices();
    let mut unpaired = None;
    while let Some((at, c)) = rest.next() {
        if c == '"' && at > 0 {
            break;
        }
        if c != '\\' {
            continue;
        }
        let Some((_, kind)) = rest.next() else { break };
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ if KNOWN.contains(kind) => continue,
            _ => return Some((at, &text[at..at + 1 + kind.len_utf8()])),
        };
        let hex = &text[at + 2..];
        let length = hex.chars().take(digits).take_while(char::is_ascii_hexdigit).count();
        let code = u32::from_str_radix(&hex[..length], 16).ok();
        let escape = &text[at..at + 2 + length];
        match code.and_then(char::from_u32) {
            _ if length < digits => return Some((at, escape)),
            Some(_) => {}
            // Half of a pair may be the one that is alone.
            None => unpaired = unpaired.or(Some((at, escape))),
        }
    }
    unpaired
}

/// The quote that opens what ends at the end of `text`.
fn opening(text: &str, quote: char) -> Option<usize> {
    let mut end = text.len();
    loop {
        let at = text[..end].rfind(quote)?;
        let before = &text[..at];
        if quote == '\'' && before.ends_with('\'') {
            end = at - 1;
            continue;
        }
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        if quote == '"' && backslashes % 2 == 1 {
            end = at;
            continue;
        }
        return Some(at);
    }
}

/// A quote that begins a value of a line and is not closed in it.
fn left_open(line: SourceLine<'_>) -> Option<(usize, char)> {
    let mut open: Option<(usize, char)> = None;
    let mut may_begin = true;
    let mut chars = line.text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match open {
            Some((_, '"')) if c == '\\' => _ = chars.next(),
            Some((_, '\'')) if c == '\'' && chars.peek().is_some_and(|(_, c)| *c == '\'') => {
                _ = chars.next();
            }
            Some((_, quote)) if c == quote => (open, may_begin) = (None, false),
            Some(_) => {}
            None if may_begin && matches!(c, '"' | '\'') => open = Some((line.start + at, c)),
            None if matches!(c, ' ' | '\t') => {}
            None => may_begin = matches!(c, ':' | '-' | ',' | '[' | '{'),
        }
    }
    open
}
