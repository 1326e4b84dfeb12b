//! One hash over what a plan does: it ties what was reviewed to what is done.
//!
//! Over actions, ids, names, content hashes and gates; never over time, commit, path or wording, so
//! that two machines which see the same differences get the same digest.

use std::fmt;

use crate::model::sha256_hex;
use crate::plan::{Change, Plan, Removal, Remove, Step, StepId, StepStatus, TaskRef};
use crate::resource::{Edit, Whole};

/// The hash of a plan; `Display` writes 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// Reads a digest as a person or a file gives it: 64 hexadecimal digits.
    pub fn from_text(text: &str) -> Option<Self> {
        let digest = text.trim().to_ascii_lowercase();
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then_some(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    /// Returns the digest over [`Plan::fingerprints`] and the organization.
    pub fn digest(&self) -> Digest {
        let mut text = format!("organization {:?}\n", self.organization_id.0);
        for line in self.fingerprints() {
            text.push_str(&line);
            text.push('\n');
        }
        Digest(sha256_hex(text.as_bytes()))
    }

    /// Returns a line for each step that says all the digest covers, in an order of its own.
    ///
    /// Names are quoted, so that no name can look like another line.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.steps.iter().map(|step| self.fingerprint(step)).collect();
        lines.sort();
        lines
    }

    fn fingerprint(&self, step: &Step) -> String {
        let deployment = step.deployment.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
        let status = match &step.status {
            StepStatus::Ready => String::new(),
            StepStatus::Deferred(finding) => format!("deferred[{}] ", finding.code),
            StepStatus::Blocked(finding) => format!("blocked[{}] ", finding.code),
        };
        let what = match &step.change {
            Change::Create { object } => named(object),
            Change::Update { id, edits } | Change::Restore { id, edits } => {
                let edits = edits.iter().map(|Edit { field, before, after }| {
                    format!("{field} {:?} -> {:?}", before.to_string(), after.to_string())
                });
                format!("task {id} {}", edits.collect::<Vec<_>>().join(", "))
            }
            Change::Replace { before, object, old } => {
                let old: Vec<String> = old.iter().map(removal).collect();
                format!("{} -> {}; {}", named(&before.object), named(object), old.join("; "))
            }
            Change::Remove { removal: given, before, .. } => {
                format!("{} of {}", removal(given), before.content())
            }
            Change::Deploy { task, seen, later, .. } => {
                let task = match task {
                    TaskRef::Existing(id) => format!("task {id}"),
                    TaskRef::MadeBy(step) => format!("the task of `{}`", self.key_of(*step)),
                };
                format!("{task} beside {} runs, then {later} follow-ups", seen.len())
            }
            Change::Prompt { run, prompt, turns, later } => {
                format!("run {:?} {prompt:?} behind {} turns, then {later}", run.0, turns.len())
            }
            Change::Diverged { run, said, .. } => format!("run {:?} after {said:?}", run.0),
            Change::Stop { run } => format!("run {:?}", run.0),
            Change::Ambiguous { object, candidates } => {
                let ids: Vec<String> = candidates.iter().map(|task| task.id.to_string()).collect();
                format!("{} or tasks {}", named(object), ids.join(", "))
            }
        };
        format!("task.{}{deployment}: {status}{} {what}", step.key, step.change.action())
    }

    /// Step numbers are places in a list, which other steps move; keys stay.
    fn key_of(&self, id: StepId) -> &str {
        self.steps.iter().find(|step| step.id == id).map_or("", |step| step.key.as_str())
    }
}

fn named(object: &Whole) -> String {
    format!("{:?} {}", object.name(), object.content())
}

fn removal(removal: &Removal) -> String {
    match &removal.how {
        Remove::Archive { name } => format!("archive {} as {name:?}", removal.id),
        Remove::Delete => format!("delete {}", removal.id),
        Remove::Destroy { runs } => format!("destroy {} with {runs:?}", removal.id),
    }
}
