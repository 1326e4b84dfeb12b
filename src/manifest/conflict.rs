//! Both sides of a merge that were left in a text.

use std::ops::Range;

use memchr::memmem;

use crate::diag::Code;
use crate::manifest::lines::SourceLine;
use crate::manifest::node::Node;
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;

/// What a text is that may hold both sides of a merge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    /// YAML, in which each of Git's marks is out of place.
    Yaml,
    /// Text for an agent, in which some of them can be Markdown.
    Prompt,
}

/// The length of a mark, unless the attribute `conflict-marker-size` says otherwise.
const USUAL: usize = 7;

/// What Git writes before a mark when it shows a merge as a difference.
const COMBINED: &str = "++";

/// What is said of a text that is meant to show such lines.
const SHOWN: &str = "indent such lines by one blank if the agent is to see them";

/// A line of a text and where it stands.
type PlacedLine<'t> = (Range<usize>, &'t str);

/// Finds where Git left both sides of a merge in a text: the bytes of the first line of each.
pub(super) fn conflict_markers(text: &str, kind: TextKind) -> Vec<Range<usize>> {
    if !may_hold(text) {
        return Vec::new();
    }
    let mut start = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let content = line.trim_end_matches(['\n', '\r']);
        let span = start..start + content.len();
        start += line.len();
        (span, content)
    });
    in_lines(lines, kind)
}

/// Finds the same in a part of a manifest that is indented there; its first line counts for how deep
/// that is where nothing but blanks stands before it.
fn indented_markers(source: &str, is_first_indented: bool) -> Vec<Range<usize>> {
    if !may_hold(source) {
        return Vec::new();
    }
    let indent_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let lines = source.lines().skip(usize::from(!is_first_indented));
    let indents = lines.filter(|line| !line.trim().is_empty()).map(indent_of);
    let indent = indents.min().unwrap_or_default();
    let mut start = 0;
    let lines = source.split_inclusive('\n').map(|line| {
        let content = line.trim_end_matches(['\n', '\r']);
        let from = indent.min(indent_of(content));
        let span = start + from..start + content.len();
        start += line.len();
        (span, &content[from..])
    });
    in_lines(lines, TextKind::Prompt)
}

impl Reader<'_> {
    /// Reports a text of the manifest in which Git left both sides of a merge; whether it did.
    pub(super) fn is_text_unmerged(
        &mut self,
        text: &str,
        node: &Node<'_>,
        (field, owner): (&str, Owner<'_>),
    ) -> bool {
        if !may_hold(text) {
            return false;
        }
        let place = self.place(&node.span).span;
        let line = SourceLine::at(self.text, place.start).start;
        let is_indented = self.text[line..place.start].trim().is_empty();
        let start = if is_indented { line } else { place.start };
        let found = indented_markers(&self.text[start..place.end], is_indented);
        let span = match found.into_iter().next() {
            Some(span) => start + span.start..start + span.end,
            None if conflict_markers(text, TextKind::Prompt).is_empty() => return false,
            None => place,
        };
        let message =
            format!("`{field}` of {owner} is unmerged: it holds both sides of a conflict");
        let finding = self.error(Code::Unmerged, message, &span);
        self.report(
            finding
                .help(
                    "keep what is meant, and take the lines `<<<<<<<`, `=======` and `>>>>>>>` out",
                )
                .help(SHOWN),
        );
        true
    }

    /// Reports a file of a long text in which Git left both sides of a merge; whether it did.
    pub(super) fn is_file_unmerged(
        &mut self,
        text: &str,
        path: &str,
        node: &Node<'_>,
        (field, owner): (&str, Owner<'_>),
    ) -> bool {
        let Some(at) = conflict_markers(text, TextKind::Prompt).into_iter().next() else {
            return false;
        };
        let line = SourceLine::number(text, at.start);
        let message = format!(
            "`{field}` of {owner} is unmerged: `{path}` holds both sides of a conflict from line {line} on"
        );
        let finding = self.error(Code::Unmerged, message, &node.span);
        let finding = finding.help(format!(
            "keep what is meant, take the lines `<<<<<<<`, `=======` and `>>>>>>>` out, and run `git add {path}`"
        ));
        self.report(finding.help(SHOWN));
        true
    }
}

fn may_hold(text: &str) -> bool {
    let marks: [&[u8]; 3] = [b"<<<<<<<", b"=======", b">>>>>>>"];
    marks.iter().any(|mark| memmem::find(text.as_bytes(), mark).is_some())
}

/// A mark of Git: its character, and how often it stands; a combined difference has another sort.
fn mark(line: &str) -> Option<(char, usize, bool)> {
    let plain = line.strip_prefix(COMBINED);
    let (line, is_combined) = plain.map_or((line, false), |line| (line, true));
    let first = line.chars().next().filter(|c| matches!(c, '<' | '=' | '>'))?;
    let rest = line.trim_start_matches(first);
    let length = line.len() - rest.len();
    let is_mark = length >= USUAL && (rest.is_empty() || rest.starts_with(' '));
    is_mark.then_some((first, length, is_combined))
}

fn in_lines<'t>(lines: impl Iterator<Item = PlacedLine<'t>>, kind: TextKind) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The last line that opened one of an unusual sort, and whether its middle was seen.
    let mut unusual: Option<(Range<usize>, (usize, bool), bool)> = None;
    let (mut is_open, mut is_halved) = (false, false);
    for (span, content) in lines {
        let Some((sign, length, is_combined)) = mark(content) else { continue };
        let sort = (length, is_combined);
        if sort != (USUAL, false) {
            // Of these only a whole one is no drawing and no heading of somebody.
            unusual = match (sign, unusual.take()) {
                ('<', _) => Some((span, sort, false)),
                ('=', Some((start, open, _))) if open == sort => Some((start, open, true)),
                ('>', Some((start, open, true))) if open == sort => {
                    found.push(start);
                    None
                }
                (_, other) => other,
            };
            continue;
        }
        match sign {
            '<' => {
                (is_open, is_halved) = (true, false);
                found.push(span);
            }
            '=' => {
                if kind == TextKind::Yaml && !is_open {
                    found.push(span);
                    is_open = true;
                }
                is_halved = true;
            }
            _ => {
                // Without its beginning it could be a quotation in Markdown.
                if !is_open && (is_halved || kind == TextKind::Yaml) {
                    found.push(span);
                }
                (is_open, is_halved) = (false, false);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_merge_are_seen_and_markdown_is_not_taken_for_them() {
        let table: &[(&str, &[&str])] = &[
            ("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> f\n", &["<<<<<<< HEAD"]),
            ("<<<<<<< a\r\nb\r\n||||||| o\r\n=======\r\n>>>>>>> f\r\n", &["<<<<<<< a"]),
            ("<<<<<<< HEAD\nleft over", &["<<<<<<< HEAD"]),
            ("=======\nc\n>>>>>>> f", &[">>>>>>> f"]),
            ("<<<<<<<\n=======\n>>>>>>>\n<<<<<<<\n", &["<<<<<<<", "<<<<<<<"]),
            ("Title\n=======\ntext\n", &[]),
            (">>>>>>> quoted seven deep\n", &[]),
            ("    <<<<<<< HEAD\n    =======\n    >>>>>>> f\n", &[]),
            ("<<<<<<<< eight\n========\n>>>>>>>>\n", &["<<<<<<<< eight"]),
            ("<<<<<<<<<<< HEAD\na\n===========\nb\n>>>>>>>>>>> c\n", &["<<<<<<<<<<< HEAD"]),
            ("<<<<<<<<<< look\n==========\n", &[]),
            ("<<<<<<<<<< look\n=======\n>>>>>>>>>> here\n", &[]),
            ("++<<<<<<< HEAD\n +a\n++=======\n+ b\n++>>>>>>> b\n", &["++<<<<<<< HEAD"]),
            ("++<<<<<<< HEAD is how it begins\n", &[]),
            ("see <<<<<<< there", &[]),
        ];
        for (text, expected) in table {
            let found = conflict_markers(text, TextKind::Prompt).into_iter();
            assert_eq!(found.map(|span| &text[span]).collect::<Vec<_>>(), *expected, "{text:?}");
        }
        for (text, expected) in [
            ("a: b\n=======\nc: d\n>>>>>>> f\n", vec!["======="]),
            ("a: b\n>>>>>>> f\n", vec![">>>>>>> f"]),
            ("a: b\n=======\n", vec!["======="]),
            ("<<<<<<< f\n=======\n>>>>>>> g\n=======\n", vec!["<<<<<<< f", "======="]),
            ("a: |\n  =======\n", vec![]),
        ] {
            let found = conflict_markers(text, TextKind::Yaml).into_iter();
            assert_eq!(found.map(|span| &text[span]).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn both_sides_are_seen_in_an_indented_part_too() {
        for (source, is_first_indented, expected) in [
            (
                "|\n    one\n    <<<<<<< HEAD\n    =======\n    >>>>>>> b\n",
                false,
                vec!["<<<<<<< HEAD"],
            ),
            (">\r\n\r\n  <<<<<<< a\r\n  =======\r\n  >>>>>>> b", false, vec!["<<<<<<< a"]),
            ("  <<<<<<< a\n  =======\n  >>>>>>> b\n", true, vec!["<<<<<<< a"]),
            ("|\n  shown:\n   <<<<<<< a\n   =======\n   >>>>>>> b\n", false, vec![]),
            ("  shown:\n   <<<<<<< a\n   =======\n   >>>>>>> b\n", true, vec![]),
            ("|\n  Title\n  =======\n", false, vec![]),
        ] {
            let found = indented_markers(source, is_first_indented).into_iter();
            assert_eq!(found.map(|span| &source[span]).collect::<Vec<_>>(), expected, "{source:?}");
        }
    }
}
