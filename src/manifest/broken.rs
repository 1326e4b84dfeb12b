//! A syntax error to words: its kind, the place where it was made, and what to do about it.
//!
//! A parser notices a mistake where the text stops making sense, which is often a line or more
//! behind it. Here the lines above are looked at for what a person most likely did.

mod block;
mod flow;
mod quoted;

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use crate::diag::floor_boundary;
use crate::manifest::lines::SourceLine;
use crate::manifest::mistake::{Mistake, in_quotes};

/// Where an error was noticed.
#[derive(Clone, Copy)]
struct BrokenSpot<'t> {
    text: &'t str,
    /// The byte.
    at: usize,
    /// The line that holds it.
    line: SourceLine<'t>,
    /// The innermost `[` or `{` that is open there.
    open: Option<usize>,
}

/// Says what a syntax error means; `open` are the places of the brackets that are open.
pub(super) fn fault(text: &str, error: &ScanError, open: &[usize]) -> Mistake {
    use ErrorKind as Kind;
    let at = floor_boundary(text, error.marker().byte_offset().unwrap_or(text.len()));
    let spot = BrokenSpot { text, at, line: SourceLine::at(text, at), open: open.last().copied() };
    if let Some(fault) = spot.odd_blank() {
        return fault;
    }
    match error.kind() {
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInIndentation
        | Kind::TabInPlainScalar
        | Kind::InvalidBlockEntryWhitespace
        | Kind::InvalidMappingValueWhitespace => spot.tab(),
        Kind::UnexpectedCharacter { character } => spot.character(*character),
        Kind::BomInsideDocument => spot
            .fault("a byte-order mark (U+FEFF) stands in the middle of the file")
            .help("take the invisible character out; it remains where files are joined"),
        kind if is_escape(kind) => spot.escape(),
        Kind::InvalidTrailingSingleQuotedScalar => spot.behind_quote('\''),
        Kind::InvalidTrailingDoubleQuotedScalar => spot.behind_quote('"'),
        Kind::InvalidQuotedScalarIndent
        | Kind::UnclosedQuotedScalar
        | Kind::DocumentIndicatorInQuotedScalar => spot.unclosed_quote(),
        Kind::MappingValueNotAllowed if spot.open.is_none() => spot.colon(),
        Kind::SimpleKeyExpected | Kind::InvalidSimpleKey if spot.open.is_none() => {
            spot.no_colon(spot.line)
        }
        Kind::ExpectedBlockMappingKey | Kind::ExpectedBlockSequenceEntry => spot.misplaced(),
        Kind::BlockSequenceEntryNotAllowed if spot.open.is_none() => spot.list_beside_key(),
        Kind::InvalidBlockScalarHeader
        | Kind::ZeroBlockScalarIndent
        | Kind::InvalidBlockScalarIndent => spot.block_text(),
        Kind::CommentInterceptedScalar => spot
            .fault("a comment ends the text here, and the next line goes on with it")
            .help("put the text in quotes, or the comment on a line above it"),
        Kind::CommentNotSeparated => {
            spot.fault("a blank is missing before `#`").help("write ` #` for a comment")
        }
        Kind::MappingKeyNotAllowed => spot.needs_quotes("?"),
        Kind::MissingAnchorOrAliasName => spot.needs_quotes(&text[at..(at + 1).min(text.len())]),
        kind if is_directive(kind) => spot.directive(),
        Kind::InvalidDocumentEnd => spot
            .fault("text stands behind `...`, which ends the document")
            .help("a text that starts with `...` needs quotes"),
        Kind::UndeclaredTagHandle | Kind::ExpectedTagBang | Kind::MissingTagUri => {
            spot.needs_quotes("!")
        }
        Kind::RecursionLimitExceeded => spot.fault("the YAML is nested too deeply").limit().help(
            "nest 16 levels at most; a text that starts with `[`, `{`, `- ` or `? ` needs quotes",
        ),
        kind => spot.in_flow(kind),
    }
}

/// Whether an escape in double quotes is wrong.
fn is_escape(kind: &ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(
        kind,
        Kind::UnknownQuotedScalarEscape
            | Kind::InvalidQuotedScalarHexEscape
            | Kind::InvalidLowSurrogateHexEscape
            | Kind::InvalidLowSurrogate
            | Kind::MissingLowSurrogate
            | Kind::UnpairedLowSurrogate
            | Kind::InvalidUnicodeEscape
    )
}

/// Whether a line that begins with `%` is wrong.
fn is_directive(kind: &ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(
        kind,
        Kind::ExpectedDocumentStart
            | Kind::MissingDocumentEndBeforeDirective
            | Kind::DuplicateVersionDirective
            | Kind::UnsupportedYamlMajorVersion
            | Kind::DuplicateTagDirective
            | Kind::InvalidDirectiveTerminator
            | Kind::MissingDirectiveName
            | Kind::InvalidDirectiveName
            | Kind::MissingYamlVersionSeparator
            | Kind::MissingYamlVersion
    )
}

impl BrokenSpot<'_> {
    /// A fault at the character where the error was noticed.
    fn fault(self, message: impl Into<String>) -> Mistake {
        self.fault_at(self.at, message)
    }

    /// A fault at a character.
    fn fault_at(self, at: usize, message: impl Into<String>) -> Mistake {
        let length = self.text[at..].chars().next().map_or(0, char::len_utf8);
        Mistake::new(at..at + length, message)
    }

    /// A line that begins with a blank that only looks like one.
    fn odd_blank(self) -> Option<Mistake> {
        let lines = [Some(self.line), SourceLine::above(self.text, self.at).next()];
        let odd = lines.into_iter().flatten().find_map(|line| {
            let first = line.text.trim_start_matches([' ', '\t']).chars().next();
            first.filter(|c| c.is_whitespace() && !c.is_ascii()).map(|c| (line.first(), c))
        });
        let (at, c) = odd?;
        let number = SourceLine::number(self.text, at);
        let message = format!("line {number} is indented with U+{:04X}", u32::from(c));
        let help = "it looks like a blank and is none to YAML; write spaces in its place";
        Some(self.fault_at(at, message).help(help))
    }

    /// Whether brackets are open; the parser reads ahead of those that begin a line.
    fn is_in_brackets(self) -> bool {
        let before = &self.text[self.line.start..self.at];
        let count = |signs: [char; 2]| before.matches(signs).count();
        self.open.is_some() || count(['[', '{']) > count([']', '}'])
    }

    fn tab(self) -> Mistake {
        let tab_in = |line: SourceLine<'_>| {
            line.text[..line.indent()].find('\t').map(|column| line.start + column)
        };
        // Behind a text the parser stands at its end, and the tab begins the next line.
        let below = || SourceLine::below(self.text, self.at).and_then(tab_in);
        let Some(at) = tab_in(self.line).or_else(below) else {
            return self.fault("a tab stands where YAML takes only spaces").help("write spaces");
        };
        let number = SourceLine::number(self.text, at);
        self.fault_at(at, format!("line {number} is indented with a tab"))
            .help("indent with spaces; YAML takes no tabs there")
    }

    fn character(self, character: char) -> Mistake {
        if !character.is_control() && character != '\u{feff}' {
            return self.needs_quotes(character.encode_utf8(&mut [0; 4]));
        }
        let at = self.text[self.at..].find(character).map_or(self.at, |offset| self.at + offset);
        control(at, character)
    }

    /// A text that starts with a character that means something else to YAML.
    fn needs_quotes(self, start: &str) -> Mistake {
        let rest = self.line.text.get(self.at - self.line.start..).unwrap_or_default().trim();
        let name = if start == "`" { "a backtick".to_owned() } else { format!("`{start}`") };
        let fault = self.fault(format!("a text without quotes cannot start with {name}"));
        match in_quotes(rest).filter(|_| self.open.is_none()) {
            Some(quoted) => fault.help(format!("put the text in quotes: `{quoted}`")),
            None => fault.help("put the text in quotes"),
        }
    }

    fn directive(self) -> Mistake {
        let lines = std::iter::once(self.line).chain(SourceLine::above(self.text, self.at));
        let line = lines.into_iter().find(|line| line.text.starts_with('%')).unwrap_or(self.line);
        self.fault_at(line.start, "a line cannot start with `%`, which gives orders to YAML")
            .help("put a key or text that starts with `%` in quotes, or take the line out")
    }
}

/// A character that no text file should hold.
pub(super) fn control(at: usize, character: char) -> Mistake {
    let number = u32::from(character);
    let name = if character == '\0' { " (NUL)" } else { "" };
    Mistake::new(
        at..at + character.len_utf8(),
        format!("the control character U+{number:04X}{name} cannot stand in YAML"),
    )
    .help(format!("take it out; in double quotes it could be written `\\u{number:04x}`"))
}
