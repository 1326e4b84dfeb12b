//! One hash over what a plan does: it ties what was reviewed to what is done.
//!
//! Over actions, ids, names, content hashes, every text that is sent now or later, what is expected of
//! deployments, what blocks a step, and the settings that decided; never over time, commit, path or wording, so that two machines
//! which see the same differences get the same digest.

use std::fmt;

use crate::diag::Code;
use crate::manifest::SettingName;
use crate::model::{Action, sha256_hex};
use crate::plan::{
    AgentChange, AgentRef, Change, Plan, Removal, Remove, Step, StepId, StepStatus, TaskRef,
    UsedSetting,
};
use crate::resource::{Edit, Object, Whole};

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

    /// Returns what the digest covers: a line for each step, and one for each setting that decided
    /// about steps, in an order of its own.
    ///
    /// Names and texts are quoted, so that none can look like another line.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.steps.iter().map(|step| self.fingerprint(step)).collect();
        lines.extend(self.deciding());
        lines.sort();
        lines
    }

    /// The limits of the actions that the plan holds, the settings of the manifest that decided about
    /// steps, and the guards that were switched off.
    fn deciding(&self) -> Vec<String> {
        let has = |actions: &[Action]| {
            self.steps.iter().any(|step| actions.contains(&step.change.action()))
        };
        let limits = [
            (SettingName::Deletes, has(&[Action::Archive, Action::Delete])),
            (SettingName::Replaces, has(&[Action::Replace])),
            (SettingName::Creates, has(&[Action::Create])),
            (SettingName::Deployments, has(&[Action::Deploy])),
        ];
        let set = limits.into_iter().filter_map(|(setting, is_used)| {
            let limit = self.limits.of(setting).filter(|_| is_used)?;
            Some(format!("limit of {}: {limit}", setting.name()))
        });
        let set = set.chain(self.settings.iter().map(UsedSetting::fingerprint));
        let allowed = self.overrides.iter().map(|code| format!("allowed: {code}"));
        set.chain(allowed).collect()
    }

    fn fingerprint(&self, step: &Step) -> String {
        let deployment = step.deployment.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
        let status = match &step.status {
            StepStatus::Deferred(finding) | StepStatus::Blocked(finding)
                if passes_by_itself(finding.code) =>
            {
                String::new()
            }
            StepStatus::Ready => String::new(),
            StepStatus::Deferred(finding) => format!("deferred[{}] ", finding.code),
            StepStatus::Blocked(finding) => format!("blocked[{}] ", finding.code),
        };
        let what = match &step.change {
            Change::Agent(change) => self.agent(change),
            Change::Create { object } => named(object),
            Change::Update { id, edits } | Change::Restore { id, edits } => {
                format!("task {id} {}", edited(edits))
            }
            Change::Replace { before, object, old } => {
                let old: Vec<String> = old.iter().map(removal).collect();
                format!("{} -> {}; {}", named(&before.object), named(object), old.join("; "))
            }
            Change::Remove { removal: given, before, .. } => {
                format!("{} of {}", removal(given), before.content())
            }
            Change::Deploy { task, content, later, .. } => {
                let task = match task {
                    TaskRef::Existing(id) => format!("task {id}"),
                    TaskRef::MadeBy(step) => format!("the task of `{}`", self.key_of(*step)),
                };
                format!("{task} with {content}, then {later:?}")
            }
            // Not how much was said before: that it is the beginning of what is declared is checked,
            // and a conversation shows it late.
            Change::Prompt { run, prompt, later, .. } => {
                format!("deployment {:?} {prompt:?}, then {later:?}", run.0)
            }
            Change::Diverged { run, said, .. } => format!("deployment {:?} after {said:?}", run.0),
            Change::Stop { run } => format!("deployment {:?}", run.0),
            Change::Ambiguous { object, candidates } => {
                let ids: Vec<String> = candidates.iter().map(|task| task.id.to_string()).collect();
                format!("{} or tasks {}", named(object), ids.join(", "))
            }
        };
        let terms = self.terms.of_step(step).into_iter();
        let action = step.change.action();
        let kind = step.change.kind().name;
        let step = format!("{kind}.{}{deployment}: {status}{action} {what}", step.key);
        terms.fold(step, |step, (field, value)| format!("{step}; {field} {value:?}"))
    }

    fn agent(&self, change: &AgentChange) -> String {
        match change {
            AgentChange::Create { object } => fields(object),
            AgentChange::Update { agent, edits } => {
                let agent = match agent {
                    AgentRef::Existing(id) => format!("agent {id}"),
                    AgentRef::MadeBy(step) => format!("the agent of `{}`", self.key_of(*step)),
                };
                format!("{agent} {}", edited(edits))
            }
            AgentChange::Delete { id, before } => format!("{id} {}", fields(before)),
            AgentChange::Undecided { object, candidates } => {
                let ids: Vec<String> =
                    candidates.iter().map(|agent| agent.id.to_string()).collect();
                format!("{} or agents {}", fields(object), ids.join(", "))
            }
        }
    }

    /// Step numbers are places in a list, which other steps move; keys stay.
    fn key_of(&self, id: StepId) -> &str {
        self.steps.iter().find(|step| step.id == id).map_or("", |step| step.key.as_str())
    }
}

/// The fields of an agent that are known.
fn fields(object: &Object) -> String {
    let known = object.fields().filter(|(_, value)| value.is_known());
    let known = known.map(|(field, value)| format!("{} {:?}", field.name, value.to_string()));
    known.collect::<Vec<_>>().join(", ")
}

fn edited(edits: &[Edit]) -> String {
    let edits = edits.iter().map(|Edit { field, before, after }| {
        format!("{field} {:?} -> {:?}", before.to_string(), after.to_string())
    });
    edits.collect::<Vec<_>>().join(", ")
}

fn named(object: &Whole) -> String {
    format!("{:?} {}", object.name(), object.content())
}

fn removal(Removal { id, name, content, how }: &Removal) -> String {
    match how {
        Remove::Archive { name: archived } => {
            format!("archive {id} {name:?} {content} as {archived:?}")
        }
        Remove::Delete => format!("delete {id} {name:?} {content}"),
        Remove::Destroy { runs } => format!("destroy {id} {name:?} {content} with {runs:?}"),
    }
}

/// Whether what closes a step ends without anybody's doing: a deployment becomes idle, a date comes,
/// a day is over. The digest covers what would be done, not whether it can be done this minute.
///
/// What the limits close is decided by the limits and the steps, which are covered themselves.
fn passes_by_itself(code: Code) -> bool {
    matches!(
        code,
        Code::DeploymentBusy
            | Code::NotDue
            | Code::TooManyDeployments
            | Code::TooManyDeploymentsOfATask
    )
}
