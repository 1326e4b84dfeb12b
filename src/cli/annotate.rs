//! Findings told to the CI system that runs this program, at the lines they are about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::cli::format::{FileFormat, Output};
use crate::cli::terminal;
use crate::diag::{Code, Diagnostic, Gaps, Place, Sources};
use crate::files::{self, Files, FilesError};
use crate::plan::{Plan, Step, StepStatus};
use crate::render::annotations::{self, Annotated};
use crate::render::gaps::worded;

/// Which CI systems are told of findings, and of which so far.
pub(super) struct Annotator {
    outputs: Vec<(System, Option<PathBuf>)>,
    told: Mutex<Vec<Diagnostic>>,
}

/// A CI system that shows findings at the lines they are about.
#[derive(Clone, Copy)]
enum System {
    /// Reads workflow commands from the log.
    GitHub,
    /// Reads a code quality report.
    GitLab,
}

impl Annotator {
    pub(super) fn new(outputs: &[Output]) -> Self {
        let systems = outputs.iter().filter_map(|output| match output.format {
            FileFormat::GitHub => Some((System::GitHub, output.file.clone())),
            FileFormat::GitLab => Some((System::GitLab, output.file.clone())),
            _ => None,
        });
        Self { outputs: systems.collect(), told: Mutex::default() }
    }

    /// Whether anybody is told.
    pub(super) fn is_asked(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Tells these findings too; a file is written anew, so that it holds all of them.
    pub(super) fn tell(
        &self,
        files: &dyn Files,
        findings: &[Diagnostic],
        sources: &Sources,
        (root, manifest): (&Path, &Path),
    ) -> Result<(), FilesError> {
        let path = |file: &Path| path_below(root, file);
        let of = |findings| Annotated { findings, sources, path: &path, manifest };
        let mut told = self.told.lock().expect("no holder panics");
        told.extend_from_slice(findings);
        for (system, file) in &self.outputs {
            let Some(file) = file else {
                // What was printed stays.
                terminal::commands(&annotations::github(of(findings)));
                continue;
            };
            let text = match system {
                System::GitHub => annotations::github(of(&told)),
                System::GitLab => annotations::gitlab(of(&told)),
            };
            files::write_output(files, file, text.as_bytes())?;
        }
        Ok(())
    }
}

/// Returns what stands against the steps of a plan, each reason once, and its notes.
pub(super) fn of_plan(plan: &Plan, place: &dyn Fn(&Step) -> Option<Place>) -> Vec<Diagnostic> {
    let mut index_of: BTreeMap<(Code, &str, &[String], &Gaps), usize> = BTreeMap::new();
    let mut reasons: Vec<Diagnostic> = Vec::new();
    for step in &plan.steps {
        let (StepStatus::Blocked(reason) | StepStatus::Deferred(reason)) = &step.status else {
            continue;
        };
        let here = place(step);
        let (message, help) = (reason.message.as_str(), reason.help.as_slice());
        let known = (reason.code, message, help, &reason.gaps);
        let index = *index_of.entry(known).or_insert(reasons.len());
        if let Some(finding) = reasons.get_mut(index) {
            let is_new = |here: &Place| finding.place.as_ref() != Some(here);
            if let Some(here) = here.filter(is_new) {
                finding.related.push((here, "affected too".to_owned()));
            }
        } else {
            let mut finding = reason.clone();
            finding.place = finding.place.or(here);
            reasons.push(finding);
        }
    }
    let others = plan.doubts.iter().chain(&plan.notes);
    reasons.iter().chain(others).map(worded).collect()
}

/// A file's path in its repository, as a CI system knows it.
fn path_below(root: &Path, file: &Path) -> String {
    let whole = file.canonicalize().ok();
    let below = whole.as_deref().and_then(|file| file.strip_prefix(root).ok()).unwrap_or(file);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    if below.has_root() { below.display().to_string() } else { parts.join("/") }
}
