//! Findings for a CI system, which shows them at the lines of the manifest.
//!
//! GitHub reads commands from the log of a job; what a command may hold is decided in
//! [`escape`]. GitLab reads a code quality report, which is JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diag::{Diagnostic, Place, Severity, Sources, floor_boundary};
use crate::model::{counted, sha256_hex};
use crate::render::escape;

/// The most other places that one annotation lists.
const MOST_RELATED: usize = 5;

/// The findings, the texts they point into, and how their files are called in the repository.
#[derive(Clone, Copy)]
pub struct Annotated<'a> {
    /// The findings.
    pub findings: &'a [Diagnostic],
    /// The texts of the manifests.
    pub sources: &'a Sources,
    /// A file's path below the root of the repository, with `/` between its parts.
    pub path: &'a dyn Fn(&Path) -> String,
    /// The file of findings that are in no file.
    pub manifest: &'a Path,
}

/// Returns a GitHub workflow command for each finding, a line each.
///
/// What is blocked is an error here: it fails the job.
pub fn github(of: Annotated<'_>) -> String {
    let mut text = String::new();
    let mut places = Places::new(of);
    for finding in of.findings {
        let command = match finding.severity {
            Severity::Error | Severity::Blocked => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let title = escape::command_property(&format!("qcops: {}", finding.code));
        write!(text, "::{command} title={title}").expect("a string takes everything");
        if let Some(place) = &finding.place {
            let file = escape::command_property(&places.path(&place.file));
            write!(text, ",file={file}").expect("a string takes everything");
            if let Some((line, column)) = places.position(place) {
                write!(text, ",line={line},col={column}").expect("a string takes everything");
            }
        }
        let said: Vec<String> =
            places.sentences(finding).iter().map(|line| escape::command_message(line)).collect();
        // A line break within a message is written so.
        writeln!(text, "::{}", said.join("%0A")).expect("a string takes everything");
    }
    text
}

/// One finding of a code quality report, as GitLab documents it.
#[derive(Debug, Serialize)]
struct Quality {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Debug, Serialize)]
struct Location {
    path: String,
    lines: LineSpan,
}

#[derive(Debug, Serialize)]
struct LineSpan {
    begin: usize,
}

/// Returns the findings as a code quality report of GitLab; an empty list says that all is well.
pub fn gitlab(of: Annotated<'_>) -> String {
    let mut identities: BTreeMap<String, usize> = BTreeMap::new();
    let mut places = Places::new(of);
    let mut report = Vec::new();
    for finding in of.findings {
        let place = finding.place.as_ref();
        let path = escape::line(&places.path(place.map_or(of.manifest, |place| &*place.file)));
        let position = place.and_then(|place| places.position(place));
        let code = finding.code.as_str();
        // Without the line, so that a finding that only moved stays the same one.
        let identity = format!("{code}\n{path}\n{}", finding.message);
        let duplicates = identities.entry(identity.clone()).or_default();
        let fingerprint = sha256_hex(format!("{identity}\n{duplicates}").as_bytes());
        *duplicates += 1;
        let said: Vec<String> =
            places.sentences(finding).iter().map(|line| escape::line(line)).collect();
        report.push(Quality {
            description: said.join("\n"),
            check_name: code,
            fingerprint,
            severity: match finding.severity {
                Severity::Error => "blocker",
                Severity::Blocked => "major",
                Severity::Warning => "minor",
                Severity::Note => "info",
            },
            location: Location {
                path,
                lines: LineSpan { begin: position.map_or(1, |(line, _)| line) },
            },
        });
    }
    let json = serde_json::to_string_pretty(&report);
    json.expect("texts and numbers are always JSON") + "\n"
}

/// Where findings are, each file looked at once: a manifest may have tens of thousands of them.
struct Places<'a> {
    of: Annotated<'a>,
    paths: BTreeMap<PathBuf, String>,
    lines: BTreeMap<PathBuf, LineIndex>,
}

impl<'a> Places<'a> {
    fn new(of: Annotated<'a>) -> Self {
        Self { of, paths: BTreeMap::new(), lines: BTreeMap::new() }
    }

    /// How a file is called in the repository.
    fn path(&mut self, file: &Path) -> String {
        if let Some(path) = self.paths.get(file) {
            return path.clone();
        }
        let path = (self.of.path)(file);
        self.paths.insert(file.to_owned(), path.clone());
        path
    }

    /// The line and the column of a place, from 1, in characters.
    fn position(&mut self, place: &Place) -> Option<(usize, usize)> {
        let text = self.of.sources.text(&place.file)?;
        if !self.lines.contains_key(&*place.file) {
            self.lines.insert(place.file.to_path_buf(), LineIndex::new(text));
        }
        let lines = self.lines.get(&*place.file)?;
        Some(lines.position(text, floor_boundary(text, place.span.start)))
    }

    /// What a finding says, a line each, as it is: the sentence, other places, help.
    fn sentences(&mut self, finding: &Diagnostic) -> Vec<String> {
        let mut lines = vec![finding.message.clone()];
        for (place, words) in finding.related.iter().take(MOST_RELATED) {
            let file = self.path(&place.file);
            let at = self.position(place).map(|(line, _)| format!(":{line}"));
            lines.push(format!("{words}: {file}{}", at.unwrap_or_default()));
        }
        let rest = finding.related.len().saturating_sub(MOST_RELATED);
        if rest > 0 {
            lines.push(format!("and {}", counted(rest, "more place", "more places")));
        }
        lines.extend(finding.help.iter().map(|way| format!("help: {way}")));
        lines
    }
}

/// Where the lines of a text begin, and how many characters there are before each stretch of it.
struct LineIndex {
    starts: Vec<usize>,
    characters: Vec<usize>,
}

impl LineIndex {
    /// Bytes of a stretch.
    const STRETCH: usize = 1024;

    fn new(text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let (mut characters, mut count) = (Vec::new(), 0);
        // A character begins with a byte that goes on with none.
        let is_start = |byte: &&u8| **byte & 0xc0 != 0x80;
        for stretch in text.as_bytes().chunks(Self::STRETCH) {
            characters.push(count);
            count += stretch.iter().filter(is_start).count();
        }
        Self { starts: std::iter::once(0).chain(starts).collect(), characters }
    }

    fn position(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).map_or(0, |at| *at);
        (line, self.before(text, at) - self.before(text, start) + 1)
    }

    /// How many characters there are before a byte.
    fn before(&self, text: &str, at: usize) -> usize {
        let stretch = (at / Self::STRETCH).min(self.characters.len().saturating_sub(1));
        let from = stretch * Self::STRETCH;
        let is_start = |byte: &&u8| **byte & 0xc0 != 0x80;
        let rest = text.as_bytes().get(from..at).unwrap_or_default();
        self.characters.get(stretch).map_or(0, |count| *count)
            + rest.iter().filter(is_start).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diag::Code;

    const TEXT: &str = "version: 1\ntasks:\n  spy: {promt: Buy}\n  spy: {}\n";

    fn place(file: &str, word: &str, nth: usize) -> Place {
        let (at, _) = TEXT.match_indices(word).nth(nth).expect("the word is there");
        Place { file: Path::new(file).into(), span: at..at + word.len() }
    }

    fn with_sources<T>(file: &str, findings: &[Diagnostic], use_it: fn(Annotated<'_>) -> T) -> T {
        let mut sources = Sources::default();
        sources.add(Path::new(file), TEXT.into());
        use_it(Annotated {
            findings,
            sources: &sources,
            path: &|file| format!("agents/{}", file.display()),
            manifest: Path::new(file),
        })
    }

    fn findings(file: &str) -> [Diagnostic; 3] {
        [
            Diagnostic::error(Code::UnknownField, "unknown field `promt`, 100 %")
                .at(place(file, "promt", 0))
                .help("did you mean `prompt`?"),
            Diagnostic::error(Code::DuplicateKey, "task `spy` is given twice")
                .at(place(file, "spy", 1))
                .see(place(file, "spy", 0), "first given here"),
            Diagnostic::blocked(Code::StaleCheckout, "the checkout lacks 2 commits"),
        ]
    }

    #[test]
    fn github_gets_a_command_for_each_finding_at_its_line() {
        let shown = with_sources("tasks.yaml", &findings("tasks.yaml"), github);
        insta::assert_snapshot!(shown, @r"
        ::error title=qcops%3A unknown-field,file=agents/tasks.yaml,line=3,col=9::unknown field `promt`, 100 %25%0Ahelp: did you mean `prompt`?
        ::error title=qcops%3A duplicate-key,file=agents/tasks.yaml,line=4,col=3::task `spy` is given twice%0Afirst given here: agents/tasks.yaml:3
        ::error title=qcops%3A stale-checkout::the checkout lacks 2 commits
        ");
    }

    #[test]
    fn gitlab_gets_a_report_in_which_every_finding_has_a_place_and_a_fingerprint() {
        let twice = [findings("tasks.yaml"), findings("tasks.yaml")].concat();
        let shown = with_sources("tasks.yaml", &twice, gitlab);
        let report: Vec<serde_json::Value> = serde_json::from_str(&shown).expect("it is JSON");
        assert_eq!(report.len(), 6);
        assert_eq!(report[1]["location"]["lines"]["begin"], 4);
        assert_eq!(report[2]["location"]["path"], "agents/tasks.yaml");
        let prints: std::collections::BTreeSet<&str> =
            report.iter().filter_map(|finding| finding["fingerprint"].as_str()).collect();
        assert_eq!(prints.len(), 6, "each has its own");
        assert_eq!(with_sources("tasks.yaml", &[], gitlab), "[]\n");
    }

    /// Forty thousand findings take no longer than forty thousand lines do, on one line or on many.
    #[test]
    fn places_of_many_findings_are_found_at_once() {
        for (end, line) in [("\n", 39_999), (", ", 1)] {
            let text = format!("é: spy{end}").repeat(40_000);
            let mut sources = Sources::default();
            sources.add(Path::new("tasks.yaml"), text.clone());
            let findings: Vec<Diagnostic> = text
                .match_indices("spy")
                .map(|(at, _)| {
                    let place = Place { file: Path::new("tasks.yaml").into(), span: at..at + 3 };
                    Diagnostic::error(Code::UnknownField, "unknown").at(place)
                })
                .collect();
            let of = Annotated {
                findings: &findings,
                sources: &sources,
                path: &|file| file.display().to_string(),
                manifest: Path::new("tasks.yaml"),
            };
            let start = std::time::Instant::now();
            let shown = github(of);
            let column = if line == 1 { 39_998 * 8 + 4 } else { 4 };
            let place = format!(",line={line},col={column}::");
            assert!(shown.lines().nth(39_998).is_some_and(|line| line.contains(&place)), "{place}");
            assert_eq!(gitlab(of).matches("\"fingerprint\"").count(), 40_000);
            // Fifty times what a slow machine needs; to look at each anew takes minutes.
            assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        }
    }

    proptest! {
        #[test]
        fn no_finding_becomes_a_second_command_or_another_property(
            file in r"(\PC|::|,|%|\r|\n){1,20}",
            words in r"(\PC|\p{Cc}|::|##\[|%0A|,|\r|\n){0,40}",
        ) {
            let finding = Diagnostic::error(Code::InvalidValue, &words)
                .at(place(&file, "spy", 0))
                .see(place(&file, "spy", 1), &words)
                .help(&words);
            let shown = with_sources(&file, &[finding], github);
            prop_assert!(shown.ends_with('\n') && shown.matches('\n').count() == 1, "{shown:?}");
            prop_assert!(!shown.trim_end().contains(char::is_control), "{shown:?}");
            let (head, message) = shown[2..].split_once("::").expect("a command has two parts");
            let names: Vec<&str> =
                head.split(',').filter_map(|part| part.split_once('=')).map(|(name, _)| name).collect();
            prop_assert_eq!(names, ["error title", "file", "line", "col"]);
            // As the runner reads it: of all escapes, only our own line breaks are left.
            let plain = message.replace("%25", "");
            prop_assert_eq!(plain.matches('%').count(), plain.matches("%0A").count());
            prop_assert_eq!(plain.matches("%0A").count(), 2);
        }
    }
}
