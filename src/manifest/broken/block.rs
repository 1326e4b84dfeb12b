//! Indentation, colons, lists and texts of several lines.

use super::BrokenSpot;
use crate::manifest::fields;
use crate::manifest::lines::SourceLine;
use crate::manifest::mistake::{Mistake, in_quotes};
use crate::model::odd_blank;

impl<'t> BrokenSpot<'t> {
    /// A `:` where none may stand: in a text, behind a line that lacks its own, or on a line that is
    /// indented so that it goes on with the text above.
    pub(super) fn colon(self) -> Mistake {
        let before = &self.text[self.line.start..self.at];
        if before.contains(": ") || before.contains("- ") && before.trim_start().contains(": ") {
            return self.colon_in_text();
        }
        let mut above = SourceLine::above(self.text, self.at);
        let Some(mut line) = above.next() else { return self.colon_in_text() };
        let nearest = line;
        // A text may go on over several lines; where it began tells which mistake was made.
        while line.field().is_none() {
            let Some(next) = above.next() else { break };
            if next.indent() >= line.indent() {
                break;
            }
            line = next;
        }
        match line.field() {
            Some((key, value)) if !value.is_empty() && self.line.indent() > line.indent() => {
                self.too_deep(line, key)
            }
            _ => self.no_colon(nearest),
        }
    }

    fn colon_in_text(self) -> Mistake {
        let Some((key, value)) = self.line.field() else {
            return self.fault("`: ` stands in a text that has no quotes").help("put it in quotes");
        };
        let fault = self.fault(format!("`: ` is in the text of `{key}`, which has no quotes"));
        let fault = match in_quotes(value) {
            Some(quoted) => fault.help(format!("put it in quotes: `{key}: {quoted}`")),
            None => fault.help("put it in quotes, or write it below the key after a `|`"),
        };
        if value.ends_with(':') || fields::is_known(value.split(':').next().unwrap_or_default()) {
            fault
                .help(format!("or, if it is a field, write it on a line of its own below `{key}:`"))
        } else {
            fault
        }
    }

    /// A line that goes on with the text above, although it looks like a field.
    fn too_deep(self, above: SourceLine<'_>, key: &str) -> Mistake {
        let (word, start) = (self.line.word(), self.line.first());
        let deep = self.line.indent();
        Mistake::new(
            start..start + word.len(),
            format!("`{word}` is indented by {deep}, so it goes on with the text of `{key}` above"),
        )
        .see(above.first()..above.first() + key.len(), "the field above")
        .help(format!("indent it by {} like `{key}`", above.indent()))
        .help(format!("or, if it belongs to the text of `{key}`, put the whole text in quotes"))
    }

    /// A line that should have a `:`.
    pub(super) fn no_colon(self, line: SourceLine<'t>) -> Mistake {
        let above = SourceLine::above(self.text, line.start).next();
        if let Some((key, "|" | ">" | "|-" | ">-" | "|+" | ">+")) =
            above.and_then(SourceLine::field)
        {
            let start = line.first();
            return Mistake::new(
                start..start + 1,
                format!("the text below `{key}:` is not indented"),
            )
            .also(above.map_or(0, SourceLine::first))
            .help(format!("indent its lines deeper than `{key}`"));
        }
        let content = line.content();
        let inner = content.trim_start_matches("- ");
        let start = line.first() + content.len() - inner.len();
        let word = line.word();
        let span = start..start + word.len();
        let rest = inner[word.len()..].trim_start();
        if content.starts_with("//") || content.starts_with("/*") {
            return Mistake::new(start..start + 2, "a comment begins with `#` in YAML")
                .help("write `#` in its place, or take the line out");
        }
        if let Some((name, value)) =
            inner.split_once('\u{ff1a}').filter(|(name, _)| fields::is_known(name))
        {
            return Mistake::new(
                span,
                "`\u{ff1a}` is a full-width colon, which YAML does not know",
            )
            .help(format!("write `{name}: {}`", shortened(value.trim())));
        }
        if let Some(value) = rest.strip_prefix('=').filter(|_| fields::is_known(word)) {
            return Mistake::new(span, format!("`=` stands where `:` belongs, behind `{word}`"))
                .help(format!("write `{word}: {}`", shortened(value.trim())));
        }
        if let Some(value) = rest.strip_prefix(':').filter(|value| !value.is_empty()) {
            let odd = value.chars().next().and_then(odd_blank);
            let value = value.trim();
            let message = match odd {
                Some(odd) => format!("behind `{word}:` stands {odd}"),
                None => format!("a blank is missing behind `{word}:`"),
            };
            return Mistake::new(span, message)
                .help(format!("write `{word}: {}`", shortened(value)));
        }
        if rest.is_empty() || fields::is_known(word) {
            let shown =
                if rest.is_empty() { String::new() } else { format!(" {}", shortened(rest)) };
            return Mistake::new(span, format!("`:` is missing behind `{word}`"))
                .help(format!("write `{word}:{shown}`"));
        }
        Mistake::new(
            start..start + inner.trim_end().len(),
            "this line has no `: `, so it is no field",
        )
        .help("write a field as `KEY: VALUE`")
        .help("if the line goes on with the text above, indent it deeper than that text's key")
    }

    /// Something where a key or an entry of a list is expected.
    pub(super) fn misplaced(self) -> Mistake {
        let before = &self.text[self.line.start..self.at];
        let content = before.trim_start();
        if content.trim_end() == "-" {
            return self.entry_beside_field();
        }
        if !content.is_empty() {
            return self.behind(content);
        }
        if self.line.text[..self.line.indent()].contains('\t') {
            return self.tab();
        }
        if let Some(fault) = self.above_first_line() {
            return fault;
        }
        let own = self.line.indent();
        let word = self.line.word();
        let levels = self.levels_above();
        let start = self.line.first();
        let span = start..start + word.len().max(1).min(self.text.len() - start);
        let deeper = levels.iter().rev().find(|(indent, _)| *indent > own);
        let same = levels.iter().find(|(indent, _)| *indent == own);
        let less = levels.iter().find(|(indent, _)| *indent < own);
        let name = if word.is_empty() { "this" } else { word };
        if let Some((_, entry)) = same.filter(|(_, entry)| *entry == "- ") {
            let fault = Mistake::new(span, format!("`{name}` stands where the list above goes on"));
            let fault = fault.help(format!("write `{entry}` before it if it is an entry"));
            return match less {
                Some((indent, like)) => fault.help(format!(
                    "or indent it by {indent} like `{like}` to stand behind the list"
                )),
                None => fault,
            };
        }
        let fault =
            Mistake::new(span, format!("`{name}` is indented by {own}, which fits no line above"));
        let ways: Vec<String> = deeper
            .into_iter()
            .chain(less)
            .map(|(indent, like)| format!("by {indent} like `{}`", like.trim()))
            .collect();
        if ways.is_empty() {
            return fault.help("indent it like the fields above");
        }
        fault.help(format!("indent it {}", ways.join(" or ")))
    }

    /// How deep the fields and lists are that are open here, the innermost first, each with its name.
    fn levels_above(self) -> Vec<(usize, &'t str)> {
        let mut levels: Vec<(usize, &'t str)> = Vec::new();
        for line in SourceLine::above(self.text, self.at) {
            let mut push = |indent: usize, name| {
                if levels.last().is_none_or(|(least, _)| indent < *least) {
                    levels.push((indent, name));
                }
            };
            let content = line.content();
            if let Some(entry) = content.strip_prefix("- ") {
                let inner = line.indent() + content.len() - entry.trim_start().len();
                if line.field().is_some() {
                    push(inner, line.word());
                }
                push(line.indent(), "- ");
            } else if line.field().is_some() {
                push(line.indent(), line.word());
            }
            if line.indent() == 0 {
                break;
            }
        }
        levels
    }

    /// A line of a text that is indented less than the first one, which says how deep the text is.
    fn above_first_line(self) -> Option<Mistake> {
        let own = self.line.indent();
        let mut first: Option<SourceLine<'_>> = None;
        let mut above = SourceLine::above(self.text, self.at);
        let header = above.find(|line| {
            let is_within = line.indent() > own;
            first = if is_within { Some(*line) } else { first };
            !is_within
        })?;
        let (key, _) = header.field().filter(|(_, value)| value.starts_with(['|', '>']))?;
        let (first, word, start) = (first?, self.line.word(), self.line.first());
        // What is no deeper than the key is no line of its text.
        (header.indent() < own).then(|| {
            let message = format!(
                "`{word}` is indented by {own}, less than the first line of the text of `{key}`"
            );
            Mistake::new(start..start + word.len(), message)
                .see(first.first()..first.first() + 1, "the first line")
                .help(format!(
                    "indent it by {} like the first line, or that one less",
                    first.indent()
                ))
                .help(format!("or, if it is a field, by {} like `{key}`", header.indent()))
        })
    }

    /// An entry of a list where a field belongs.
    fn entry_beside_field(self) -> Mistake {
        let start = self.line.first();
        let end = self.line.start + self.line.text.trim_end().len();
        let fault = Mistake::new(start..end, "an entry of a list stands where a field is expected");
        let above = SourceLine::above(self.text, self.at).next().and_then(SourceLine::field);
        let fault = match above {
            Some((key, value)) if !value.is_empty() => fault.help(format!(
                "indent it deeper than `{key}` if it goes on with that text, and write the text below `{key}: |`"
            )),
            _ => fault,
        };
        fault.help("or write the list below a key of its own, as in `followUps:`")
    }

    /// Text behind what is complete already: an alias, brackets or quotes.
    pub(super) fn behind(self, before: &str) -> Mistake {
        let value = before.split_once(": ").map_or(before, |(_, value)| value);
        let value = value.trim_start_matches("- ").trim();
        let (what, start) = match value.chars().next() {
            Some('*') => (format!("the alias `{}`", value.split(' ').next().unwrap_or(value)), '*'),
            Some(open @ ('[' | '{')) => {
                (format!("the closing `{}`", if open == '[' { ']' } else { '}' }), open)
            }
            Some(quote @ ('"' | '\'')) => return self.behind_quote(quote),
            _ => {
                return self
                    .fault("this does not belong to what stands before it on its line")
                    .help("put the whole text in quotes, or write one field a line");
            }
        };
        let before = &self.text[self.line.start..self.at];
        let begins = self.line.start + before.rfind(value).unwrap_or(0);
        let end = self.line.start + self.line.text.len();
        let fault = self.fault(format!("text stands behind {what}"));
        let whole = in_quotes(self.text[begins..end].trim()).filter(|_| self.open.is_none());
        match whole {
            Some(quoted) => {
                fault.help(format!("a text that starts with `{start}` needs quotes: `{quoted}`"))
            }
            None => fault.help(format!("a text that starts with `{start}` needs quotes")),
        }
    }

    /// A list that begins on the line of its key.
    pub(super) fn list_beside_key(self) -> Mistake {
        let rest = &self.text[self.at..self.line.start + self.line.text.len()];
        let fault = self.fault("a list cannot begin on the line of its key");
        let fault = fault.help("begin it on the next line, or write it as `[a, b]`");
        match in_quotes(rest.trim()) {
            Some(quoted) => {
                fault.help(format!("a text that starts with `- ` needs quotes: `{quoted}`"))
            }
            None => fault.help("a text that starts with `- ` needs quotes"),
        }
    }

    /// A text that is announced by `|` or `>`.
    pub(super) fn block_text(self) -> Mistake {
        let sign = self.text[self.at..].chars().next().filter(|c| matches!(c, '|' | '>'));
        let Some(sign) = sign else {
            return self
                .fault("a line of the text above is indented less than its first line")
                .help("indent all lines of the text alike");
        };
        let rest = &self.text[self.at..self.line.start + self.line.text.len()];
        if rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            return self
                .fault(format!(
                    "a number behind `{sign}` is one digit, 1 to 9: how deep the text is"
                ))
                .help(format!("write `{sign}` alone; the first line says how deep the text is"));
        }
        let fault = self.fault(format!("text stands behind `{sign}` on the same line"));
        let fault = fault.help(format!(
            "begin the text on the next line, indented deeper than its key, or take `{sign}` out"
        ));
        match in_quotes(rest.trim()) {
            Some(quoted) => {
                fault.help(format!("a text that starts with `{sign}` needs quotes: `{quoted}`"))
            }
            None => fault.help(format!("a text that starts with `{sign}` needs quotes")),
        }
    }
}

/// A value that help repeats; a long one ends in an ellipsis.
fn shortened(value: &str) -> String {
    const MOST: usize = 40;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
