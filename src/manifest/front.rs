//! A Markdown file in two parts: fields between two lines `---`, and the text below them.
//!
//! Nothing but a byte-order mark may stand before the first `---`. Programs that pass over any other
//! beginning load an agent without its fields, and say nothing.

use std::ops::Range;

use crate::diag::Code;
use crate::manifest::lines::SourceLine;
use crate::manifest::mistake::Mistake;

/// The line above the fields, and below them.
const FENCE: &str = "---";

/// What a file may begin with, which belongs to its encoding.
const MARK: char = '\u{feff}';

/// The parts of a file, in bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FrontMatter {
    /// The fields, as YAML.
    pub(super) fields: Range<usize>,
    /// What stands below the second `---`.
    pub(super) body: Range<usize>,
}

/// Finds the two parts of a text; `path` is its file's name.
pub(super) fn split(path: &str, text: &str) -> Result<FrontMatter, Box<Mistake>> {
    let begin = if text.starts_with(MARK) { MARK.len_utf8() } else { 0 };
    let first = SourceLine::at(text, begin);
    if text[begin..first.start + first.text.len()].trim_end() != FENCE {
        return Err(Box::new(not_first(path, text)));
    }
    let mut start = end_of(text, begin);
    let fields = start;
    while start < text.len() {
        let line = SourceLine::at(text, start);
        let end = end_of(text, start);
        if line.text.trim_end() == FENCE {
            if is_within_text(&text[fields..start], &text[end..]) {
                return Err(Box::new(within_text(path, start..start + FENCE.len())));
            }
            return Ok(FrontMatter { fields: fields..start, body: end..text.len() });
        }
        start = end;
    }
    Err(Box::new(not_ended(path, text, begin..begin + FENCE.len())))
}

/// Where the line that holds the byte `at` ends, its line break included.
fn end_of(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |length| at + length + 1)
}

/// Whether a line `---` stands in the lines of a `|` or `>` text: those before it end with one, what is
/// below it is indented, and another `---` follows.
fn is_within_text(above: &str, below: &str) -> bool {
    let mut lines = above.lines().rev();
    let last = lines.find(|line| !line.is_empty() && !line.starts_with([' ', '\t']));
    let is_text = |line: &str| {
        let (_, value) = line.split_once(": ").unwrap_or_default();
        let value = value.split('#').next().unwrap_or_default().trim();
        value.starts_with(['|', '>'])
            && value[1..].chars().all(|c| matches!(c, '+' | '-' | '1'..='9'))
    };
    let is_indented = below.lines().find(|line| !line.trim().is_empty());
    let is_indented = is_indented.is_some_and(|line| line.starts_with([' ', '\t']));
    let mut rest = below.lines();
    last.is_some_and(is_text) && is_indented && rest.any(|line| line.trim_end() == FENCE)
}

fn within_text(path: &str, span: Range<usize>) -> Mistake {
    let message = format!("this `---` ends the front matter of `{path}` in the middle of a text");
    mistake(span, message)
        .help("indent it as the lines of the text around it")
        .help("or take the blanks from the beginning of the line below it, where the system prompt begins")
}

/// Says why a text has no front matter: what stands before it, or that there is none.
fn not_first(path: &str, text: &str) -> Mistake {
    let is_odd = |c: char| c.is_whitespace() || matches!(c, MARK | '\u{200b}' | '\u{2060}');
    let fence = text.find(FENCE).filter(|at| text[..*at].chars().all(is_odd));
    let Some(at) = fence else {
        let end = SourceLine::at(text, 0).text.len();
        return mistake(0..end, format!("`{path}` has no front matter: its first line is not `---`"))
            .help("begin it with the fields of the agent between two lines `---`, such as `model: claude-opus-4-7`, and write the system prompt below")
            .help(format!("for a file that holds the system prompt alone write `systemPromptFile: {path}`"));
    };
    let line = SourceLine::at(text, at);
    let before = &text[..at];
    let what = if line.text.trim_matches(is_odd) != FENCE {
        "write nothing else into the line `---`".to_owned()
    } else if before.contains('\n') {
        "take out the blank lines above it".to_owned()
    } else {
        match before.chars().find(|c| !matches!(c, ' ' | '\t')) {
            None => "take out the blanks before it".to_owned(),
            Some(odd) => format!("take out what stands before it: U+{:04X}", u32::from(odd)),
        }
    };
    let message = format!(
        "the front matter of `{path}` does not begin with the file: nothing may stand before `---`"
    );
    mistake(at..at + FENCE.len(), message).help(what)
}

/// Says that the second line `---` is missing, and which line may have been meant.
fn not_ended(path: &str, text: &str, first: Range<usize>) -> Mistake {
    let message = format!("the front matter of `{path}` has no end: there is no second line `---`");
    let below = end_of(text, first.end);
    let near = text[below..].find(FENCE).map(|at| below + at);
    let mistake = mistake(first, message);
    let Some(near) = near else {
        return mistake
            .help("write `---` on a line of its own between the fields and the system prompt");
    };
    let number = SourceLine::number(text, near);
    mistake
        .help(format!("line {number} must be `---` and nothing else, from its first character on"))
}

fn mistake(span: Range<usize>, message: String) -> Mistake {
    Mistake::new(span, message).with(Code::InvalidFrontMatter)
}
