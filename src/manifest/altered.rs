//! Texts that are not sent as they are written: a comment ends them, or characters are not kept.

use std::ops::Range;

use crate::diag::{Code, Diagnostic};
use crate::manifest::lines::SourceLine;
use crate::manifest::mistake::in_quotes;
use crate::manifest::node::{Node, NodeValue, Origin, Style};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape;
use crate::manifest::standin::{hardly_a_prompt, stand_in};
use crate::model::{CharacterChange, canonical_changes, holds_hidden, is_hidden, odd_blank};

/// The most changed characters that a finding lists.
const MOST_LISTED: usize = 4;

/// Quotes of word processors, as they open and close a text.
const QUOTES: [(char, char); 6] =
    [('“', '”'), ('‘', '’'), ('„', '“'), ('‚', '‘'), ('”', '”'), ('’', '’')];

/// Invisible characters that a person may know by name.
const NAMES: [(char, &str); 4] = [
    ('\u{200b}', "zero-width space"),
    ('\u{2060}', "word joiner"),
    ('\u{180e}', "Mongolian vowel separator"),
    ('\u{feff}', "byte-order mark"),
];

impl Reader<'_> {
    /// Warns of a text without quotes that may not be what was meant.
    pub(super) fn warn_of_writing(
        &mut self,
        node: &Node<'_>,
        written: &str,
        field: &str,
        owner: Owner<'_>,
    ) {
        let source = (node.origin != Origin::Written).then(|| self.as_written(node));
        let written = source.as_deref().unwrap_or(written);
        if let Style::Commented(at) = node.style {
            self.warn_of_comment(at, written, field, owner);
        }
        let mut inner = written.chars();
        let ends = (inner.next().unwrap_or_default(), inner.next_back().unwrap_or_default());
        if node.style != Style::Other && QUOTES.contains(&ends) {
            let message = format!(
                "`{field}` of {owner} keeps its quotes: YAML takes `{}` and `{}` for letters",
                ends.0, ends.1
            );
            let finding =
                Diagnostic::warning(Code::CurlyQuotes, message).at(self.place(&node.span));
            self.report(finding.help(match in_quotes(inner.as_str()) {
                Some(quoted) => format!("write `{quoted}`"),
                None => "write `'` or `\"` in their place".to_owned(),
            }));
        }
    }

    /// Reports a text that only stands for a prompt; whether it does. Warns of one that hardly is one.
    pub(super) fn is_stand_in(
        &mut self,
        text: &str,
        node: &Node<'_>,
        (field, owner): (&str, Owner<'_>),
    ) -> bool {
        if let Some((what, _)) = stand_in("", text.trim_start().as_bytes()) {
            let message = format!("`{field}` of {owner} is {what}, not the text");
            let finding = self.error(Code::InvalidValue, message, &node.span);
            self.report(finding.help("put the text itself in its place"));
            return true;
        }
        if let Some(what) = hardly_a_prompt(text) {
            let message = format!("`{field}` of {owner} is {what} as a whole");
            let finding =
                Diagnostic::warning(Code::SuspectText, message).at(self.place(&node.span));
            self.report(finding.help("if the agent is to read it, say above it what it is for"));
        }
        false
    }

    /// Warns of invisible characters in a line, which are sent as they are.
    pub(super) fn warn_of_hidden(
        &mut self,
        text: &str,
        node: &Node<'_>,
        (field, owner): (&str, Owner<'_>),
    ) {
        if text.is_ascii() || !holds_hidden(text) {
            return;
        }
        let Some((at, odd)) = text
            .char_indices()
            .filter(|(_, c)| is_hidden(*c))
            .find_map(|(at, c)| Some((at, odd_blank(c)?)))
        else {
            return;
        };
        let from = text[at..].chars().next().map_or(0, char::len_utf8);
        let change = CharacterChange { at, from: &text[at..at + from], to: String::new() };
        let span = self.written_at(text, node, &change);
        let message = format!("`{field}` of {owner} holds {odd}");
        let finding = Diagnostic::warning(Code::SuspectText, message).at(self.place(&span));
        self.report(finding.help("take it out, if it is not meant: it is sent as it is"));
    }

    /// Warns of variables without quotes whose values may not be what was meant.
    pub(super) fn warn_of_vars(&mut self, node: &Node<'_>, owner: Owner<'_>) {
        let NodeValue::Mapping(pairs) = &node.value else { return };
        for (key, value) in pairs {
            if let (NodeValue::Text(name), NodeValue::Text(text)) = (&key.value, &value.value) {
                self.warn_of_writing(value, text, name, owner);
            }
        }
    }

    /// Warns of a text that a comment ends: the rest of the line may have been meant to belong to it.
    fn warn_of_comment(&mut self, at: usize, written: &str, field: &str, owner: Owner<'_>) {
        let comment = SourceLine::at(self.text, at).text_from(at).trim_end();
        // A variable may hold anything: a comment that is set off is one.
        let is_variable = matches!(owner, Owner::VarFile | Owner::Inside("vars", _));
        let may_go_on = if is_variable {
            !comment.trim_start_matches('#').starts_with([' ', '\t'])
        } else {
            shape::may_go_on(field, written, comment)
        };
        if !may_go_on {
            return;
        }
        let taken = shape::shortened(written);
        let effect = match field {
            "promptFile" | "systemPromptFile" => format!("the file `{taken}` is read"),
            _ if field == "prompt" || field == "systemPrompt" || field.starts_with("followUps") => {
                format!("the agent gets `{taken}`")
            }
            _ => format!("it is `{taken}`"),
        };
        let message = format!("`{field}` of {owner} ends before ` #`: {effect}");
        let place = self.place(&(at..at + comment.len()));
        self.report(
            Diagnostic::warning(Code::CutText, message)
                .at(place)
                .help("put it in quotes if what follows belongs to it")
                .help("a comment on a line of its own is not warned of"),
        );
    }

    /// Notes the characters of a text that its canonical form, which is sent, does not keep; `file`
    /// holds it where the manifest does not.
    pub(super) fn note_changes(
        &mut self,
        text: &str,
        node: &Node<'_>,
        file: Option<&str>,
        (field, owner): (&str, Owner<'_>),
    ) {
        // What a file begins with belongs to its encoding.
        let is_mark = |change: &CharacterChange<'_>| {
            file.is_some() && change.at == 0 && change.from == "\u{feff}"
        };
        let mut changes = canonical_changes(text).filter(|change| !is_mark(change));
        let listed: Vec<CharacterChange<'_>> = changes.by_ref().take(MOST_LISTED).collect();
        let Some(first) = listed.first() else { return };
        let more = changes.count();
        let mut words = Vec::with_capacity(listed.len());
        for change in &listed {
            let at = match file {
                Some(file) => format!("{file}:{}", position(text, change.at)),
                None => self.position(&self.written_at(text, node, change)),
            };
            words.push(format!("{} ({at})", in_words(change)));
        }
        let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
        let message = format!(
            "`{field}` of {owner} is not sent as it is written: {}{rest}",
            words.join(", ")
        );
        let span = match file {
            Some(_) => node.span.clone(),
            None => self.written_at(text, node, first),
        };
        let finding = Diagnostic::note(Code::AlteredText, message).at(self.place(&span));
        self.report(if listed.iter().any(|change| change.to.is_empty()) {
            finding.help("take invisible characters out; the agent never sees them")
        } else {
            finding.help("texts are sent in Unicode's composed form, NFC; save the text in it")
        });
    }

    /// The place of a text's character in the manifest, as itself or as an escape.
    fn written_at(
        &self,
        text: &str,
        node: &Node<'_>,
        change: &CharacterChange<'_>,
    ) -> Range<usize> {
        let place = self.place(&node.span).span;
        let source = &self.text[place.clone()];
        let first = change.from.chars().next().unwrap_or_default();
        let escape = format!("\\u{:04x}", u32::from(first));
        let nth = text[..change.at].matches(change.from).count();
        let found = source.match_indices(change.from).nth(nth);
        let found = found.map(|(at, part)| (at, part.len())).or_else(|| {
            let at = source.to_ascii_lowercase().find(&escape)?;
            Some((at, escape.len()))
        });
        match found {
            Some((at, length)) => place.start + at..place.start + at + length,
            None => place,
        }
    }

    /// A place of the manifest as `file:line:column`.
    fn position(&self, span: &Range<usize>) -> String {
        let file = self.place(span).file;
        format!("{}:{}", file.display(), position(self.text, span.start))
    }
}

/// Where a byte of a text stands: `line:column`.
fn position(text: &str, at: usize) -> String {
    let line = SourceLine::at(text, at);
    let column = text[line.start..at].chars().count() + 1;
    format!("{}:{column}", SourceLine::number(text, at))
}

fn in_words(change: &CharacterChange<'_>) -> String {
    let codes = |text: &str| {
        let codes = text.chars().take(MOST_LISTED).map(|c| format!("U+{:04X}", u32::from(c)));
        codes.collect::<Vec<_>>().join(" ")
    };
    let from = codes(change.from);
    if !change.to.is_empty() {
        return format!("{from} becomes {}", codes(&change.to));
    }
    let name = NAMES.iter().find(|(c, _)| change.from.starts_with(*c)).map_or("", |(_, name)| name);
    format!("{from} ({name}) is left out")
}
