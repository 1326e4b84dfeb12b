//! Findings as text, in the style of compilers: the code, the place, its source line, help.
//!
//! Only the lines that matter are handed to the drawing crate, escaped and cut: manifests have
//! prompts with lines of many thousand characters, and may come from a stranger.

mod excerpt;

use std::collections::BTreeMap;
use std::path::Path;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use crate::diag::{Diagnostic, Place, Severity, Sources};
use crate::model::counted;
use crate::render::{escape, wrap};

use excerpt::{Excerpt, Lines, Mark, STRETCHES, excerpts};

/// Columns that no excerpt reaches, so that lines are cut here alone and the same everywhere.
const WIDTH: usize = 1000;

/// Returns the findings one below the other and a line that counts them; nothing for none. The excerpts
/// are no wider than the reader's terminal, where that is known.
pub fn render(
    findings: &[Diagnostic],
    sources: &Sources,
    color: bool,
    width: Option<usize>,
) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let mut lines_by_file = BTreeMap::new();
    let mut text = String::new();
    for finding in findings {
        text.push_str(&drawn(finding, sources, &mut lines_by_file, &renderer, width));
        text.push_str("\n\n");
    }
    text.push_str(&count(findings));
    text.push('\n');
    text
}

/// Returns how many findings there are of each severity, such as `2 errors, 1 note`.
pub fn count(findings: &[Diagnostic]) -> String {
    let words = [
        (Severity::Error, "error", "errors"),
        (Severity::Blocked, "blocked", "blocked"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Note, "note", "notes"),
    ];
    let shown = words.into_iter().filter_map(|(severity, one, many)| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| counted(count, one, many))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Draws one finding with the longest excerpts that fit: a line with a mark below it cannot be wrapped.
fn drawn<'s>(
    finding: &'s Diagnostic,
    sources: &'s Sources,
    lines_by_file: &mut BTreeMap<&'s Path, Lines<'s>>,
    renderer: &Renderer,
    width: Option<usize>,
) -> String {
    let mut drawn = draw(finding, sources, lines_by_file, renderer, STRETCHES[0]);
    let Some(width) = width else { return drawn };
    for stretch in &STRETCHES[1..] {
        if drawn.lines().filter(|line| is_of_source(line)).all(|line| wrap::width(line) <= width) {
            break;
        }
        drawn = draw(finding, sources, lines_by_file, renderer, *stretch);
    }
    drawn
}

/// Whether a line is one of the source, or marks something in it.
fn is_of_source(line: &str) -> bool {
    let plain = anstream::adapter::strip_str(line).to_string();
    plain
        .trim_start_matches([' ', '.'])
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start()
        .starts_with('|')
}

/// Draws one finding; the columns it must name are those of the source, not of the excerpt.
fn draw<'s>(
    finding: &'s Diagnostic,
    sources: &'s Sources,
    lines_by_file: &mut BTreeMap<&'s Path, Lines<'s>>,
    renderer: &Renderer,
    stretch: usize,
) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Blocked => Level::WARNING.with_name("blocked"),
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(escape::line(&finding.message)).id(finding.code.as_str());
    let mut group = Group::with_title(title);
    let mut moved = Vec::new();
    for (file, marks) in marks_by_file(finding) {
        let path = escape::line(&file.to_string_lossy());
        let Some(text) = sources.text(file) else {
            group = group.elements(marks.iter().map(|mark| match mark.words {
                None => Element::from(Origin::path(path.clone())),
                Some(words) => {
                    Level::NOTE.message(format!("{}: {path}", escape::line(words))).into()
                }
            }));
            continue;
        };
        let lines = lines_by_file.entry(file).or_insert_with(|| Lines::new(text));
        for excerpt in excerpts(lines, &marks, stretch) {
            let Excerpt { line, column, drawn_column, .. } = excerpt;
            if column != drawn_column {
                let drawn = format!("{path}:{line}:{drawn_column}");
                moved.push((drawn, format!("{path}:{line}:{column}")));
            }
            group = group.element(snippet(excerpt, path.clone()));
        }
    }
    let help = finding.help.iter().map(|way| Level::HELP.message(escape::line(way)));
    let drawn = renderer.render(&[group.elements(help)]);
    moved.into_iter().fold(drawn, |drawn, (wrong, right)| {
        // The title is a single line, and what looks like a place in it is not one.
        let (title, rest) = drawn.split_once('\n').unwrap_or((&drawn, ""));
        format!("{title}\n{}", rest.replacen(&wrong, &right, 1))
    })
}

fn snippet<'s>(excerpt: Excerpt, path: String) -> Snippet<'s, Annotation<'s>> {
    let annotations = excerpt.marks.into_iter().map(|(span, words)| match words {
        None => AnnotationKind::Primary.span(span),
        Some(words) => AnnotationKind::Context.span(span).label(words),
    });
    let source = Snippet::source(excerpt.text).line_start(excerpt.first_line).path(path);
    source.annotations(annotations)
}

/// The places of a finding, those of its own file first.
fn marks_by_file(finding: &Diagnostic) -> Vec<(&Path, Vec<Mark<'_>>)> {
    let mut files: Vec<(&Path, Vec<Mark<'_>>)> = Vec::new();
    let own = finding.place.iter().map(|place| (place, None));
    let related = finding.related.iter().map(|(place, words)| (place, Some(words.as_str())));
    for (Place { file, span }, words) in own.chain(related) {
        let mark = Mark { span: span.clone(), words };
        match files.iter_mut().find(|(known, _)| *known == &**file) {
            Some((_, marks)) => marks.push(mark),
            None => files.push((file, vec![mark])),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diag::Code;

    const TEXT: &str =
        "version: 1\ntasks:\n  spy:\n    promt: Build\n    name: x\n  qqq: {}\n  spy: {}\n";

    fn place(file: &str, text: &str, word: &str, nth: usize) -> Place {
        let (at, _) = text.match_indices(word).nth(nth).expect("the word is there");
        Place { file: Path::new(file).into(), span: at..at + word.len() }
    }

    fn sources() -> Sources {
        let mut sources = Sources::default();
        sources.add(Path::new("tasks.yaml"), TEXT.into());
        sources
    }

    #[test]
    fn findings_look_like_those_of_a_compiler() {
        let at = |word, nth| place("tasks.yaml", TEXT, word, nth);
        let findings = [
            Diagnostic::error(Code::UnknownField, "unknown field `promt` of task `spy`")
                .at(at("promt", 0))
                .help("did you mean `prompt`?"),
            Diagnostic::error(Code::DuplicateKey, "task `spy` is given twice")
                .at(at("spy", 1))
                .see(at("spy", 0), "first given here")
                .help("keep one of the two"),
            Diagnostic::blocked(Code::PruneOff, "task `old` would be deleted")
                .help("pass `--prune`"),
            Diagnostic::note(Code::Unproven, "task `qqq` is new")
                .at(at("qqq", 0))
                .see(place("other.yaml", TEXT, "spy", 0), "like this one"),
        ];
        insta::assert_snapshot!(render(&findings, &sources(), false, None), @r##"
        error[unknown-field]: unknown field `promt` of task `spy`
         --> tasks.yaml:4:5
          |
        4 |     promt: Build
          |     ^^^^^
          |
          = help: did you mean `prompt`?

        error[duplicate-key]: task `spy` is given twice
         --> tasks.yaml:7:3
          |
        3 |   spy:
          |   --- first given here
        ...
        7 |   spy: {}
          |   ^^^
          |
          = help: keep one of the two

        blocked[prune-off]: task `old` would be deleted
         |
         = help: pass `--prune`

        note[unproven]: task `qqq` is new
         --> tasks.yaml:6:3
          |
        6 |   qqq: {}
          |   ^^^
          |
          = note: like this one: other.yaml

        2 errors, 1 blocked, 1 note
        "##);
    }

    #[test]
    fn color_changes_no_letter() {
        let findings = [Diagnostic::error(Code::UnknownField, "unknown field")
            .at(place("tasks.yaml", TEXT, "promt", 0))
            .help("leave it out")];
        let colored = render(&findings, &sources(), true, None);
        assert!(colored.contains('\u{1b}'));
        let plain = anstream::adapter::strip_str(&colored).to_string();
        assert_eq!(plain, render(&findings, &sources(), false, None));
    }

    #[test]
    fn no_findings_are_no_text() {
        assert_eq!(render(&[], &Sources::default(), false, None), "");
    }

    #[test]
    fn a_long_foreign_line_is_cut_and_escaped() {
        let text = format!("prompt: {}\u{1b}[31m##[x]HERE{}", "a".repeat(5000), "b".repeat(5000));
        let mut sources = Sources::default();
        sources.add(Path::new("tasks.yaml"), text.as_str().into());
        let finding = Diagnostic::error(Code::InvalidValue, "::error::x\ny\u{202e}").at(place(
            "tasks.yaml",
            &text,
            "HERE",
            0,
        ));
        insta::assert_snapshot!(render(&[finding], &sources, false, None), @r##"
        error[invalid-value]: \u{3a}:error::x\ny\u{202e}
         --> tasks.yaml:1:5019
          |
        1 | ...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u{1b}[31m\u{23}#[x]HEREbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...
          |                                                                          ^^^^

        1 error
        "##);
    }

    proptest! {
        #[test]
        fn foreign_text_never_reaches_the_output_raw(
            text in r"(\PC|\p{Cc}|\p{Cf}|::|##\[|\n){0,60}",
            message in r"(\PC|\p{Cc}|\p{Cf}|::|##\[|\n){0,20}",
            spans in prop::collection::vec((0usize..200, 0usize..200), 1..4),
        ) {
            let mut sources = Sources::default();
            let file: std::sync::Arc<Path> = Path::new("a\u{1b}.yaml").into();
            sources.add(&file, text.as_str().into());
            let at = |(start, end)| Place { file: file.clone(), span: start..end };
            let mut finding = Diagnostic::error(Code::InvalidValue, &message).help(&message).at(at(spans[0]));
            for span in &spans[1..] {
                finding = finding.see(at(*span), &message);
            }
            let shown = render(&[finding], &sources, false, None);
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
            // `::: ` is how the drawing crate starts the place in a second file; it is no command.
            let is_command = |line: &str| {
                line.trim_start().starts_with("::") && !line.trim_start().starts_with("::: ")
            };
            prop_assert!(!shown.lines().any(is_command), "{shown}");
            prop_assert!(!shown.contains("##["), "{shown}");
        }
    }
}
