//! How much one apply may do, and why not more.
//!
//! A flag counts before a setting of the manifest, and that before the default.

use std::path::Path;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic};
use crate::manifest::{ManifestSettings, SetValue, SettingName, SettingValue};

/// How much one apply may do, where a flag says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `--max-deletes`: tasks removed because they are no longer declared.
    pub delete: Option<usize>,
    /// `--max-replaces`: tasks replaced.
    pub replace: Option<usize>,
    /// `--max-creates`: tasks made.
    pub create: Option<usize>,
    /// `--max-deployments`: deployments started.
    pub runs: Option<usize>,
}

impl Limits {
    /// What a flag says of a limit.
    pub(super) fn of(&self, setting: SettingName) -> Option<usize> {
        match setting {
            SettingName::Deletes => self.delete,
            SettingName::Replaces => self.replace,
            SettingName::Creates => self.create,
            SettingName::Deployments => self.runs,
            _ => None,
        }
    }
}

/// The code of what a limit blocks, and the flag for it.
pub(super) fn of_ceiling(setting: SettingName) -> (Code, &'static str) {
    match setting {
        SettingName::Deletes => (Code::TooManyDeletes, "--max-deletes"),
        SettingName::Replaces => (Code::TooManyReplaces, "--max-replaces"),
        SettingName::Creates => (Code::TooManyCreates, "--max-creates"),
        _ => (Code::TooManyDeployments, "--max-deployments"),
    }
}

/// A setting of the manifest that decided about steps.
#[derive(Clone, Debug)]
pub struct UsedSetting {
    /// The setting.
    pub setting: SettingName,
    /// What it is set to.
    pub value: SettingValue,
    /// What would count without it; none where that is no number.
    pub default: Option<usize>,
    /// The file that sets it.
    pub file: Arc<Path>,
    /// The line there.
    pub line: usize,
}

impl UsedSetting {
    pub(super) fn new(setting: SettingName, set: &SetValue, default: Option<usize>) -> Self {
        let SetValue { value, place, line } = set;
        Self { setting, value: value.clone(), default, file: Arc::clone(&place.file), line: *line }
    }

    /// Says that it counts, and where it is set.
    pub(super) fn note(&self) -> Diagnostic {
        let words = match self.value {
            SettingValue::Flag(_) => "pruning is on".to_owned(),
            _ => format!("the limit is {}", self.value),
        };
        let default = self.default.map_or_else(String::new, |it| format!("; without it, {it}"));
        let set_at = set_at(self.setting, &self.file, self.line);
        Diagnostic::note(Code::SettingUsed, format!("{words}, {set_at}{default}"))
    }

    /// Says what it was where it allows less in an earlier version: as of the last commit, or as of the
    /// version before.
    pub fn raised(&self, earlier: &[ManifestSettings]) -> Option<Diagnostic> {
        let versions = ["in the last commit", "in the version before"];
        let (path, now) = (self.setting.path(), &self.value);
        earlier.iter().zip(versions).find_map(|(settings, version)| {
            let was = match (settings.get(self.setting), self.default) {
                (Some(set), _) => set.value.to_string(),
                (None, Some(default)) => format!("{default}, as where nothing is set,"),
                (None, None) => "not set".to_owned(),
            };
            let is_raised = match now {
                SettingValue::Count(now) => {
                    settings.count(self.setting).or(self.default).is_some_and(|was| was < *now)
                }
                _ => !settings.is_on(self.setting),
            };
            let message = format!("`{path}` is {now}, was {was} {version}");
            is_raised.then(|| Diagnostic::note(Code::SettingRaised, message))
        })
    }

    /// Says that it may have been raised, because what was set before cannot be read.
    pub fn maybe_raised(&self) -> Diagnostic {
        let (path, now) = (self.setting.path(), &self.value);
        let message = format!("`{path}` is {now}, and what it was before cannot be read");
        Diagnostic::note(Code::SettingRaised, message).help(
            "fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` in a workflow",
        )
    }

    /// What the digest covers of it.
    pub(super) fn fingerprint(&self) -> String {
        let name = self.setting.name();
        match self.value {
            SettingValue::Count(count) => format!("limit of {name}: {count}"),
            _ => format!("{name}: {}", self.value),
        }
    }
}

/// Where a setting is set, in words.
pub(super) fn set_at(setting: SettingName, file: &Path, line: usize) -> String {
    format!("set at `{}:{line}` (`{}`)", file.display(), setting.path())
}

/// Tasks made by one apply at most.
///
/// A slip in a template makes tasks by the hundred, and they do not go away by reverting it.
pub(super) const CREATES_PER_APPLY: usize = 50;

/// Deployments started by one apply at most.
///
/// Five, because a deployment spends tokens and cannot be taken back, and a slip in a template multiplies.
/// Raising it is one flag; lowering a bill is not.
pub(super) const RUNS_PER_APPLY: usize = 5;

/// Deployments started of one task within a day at most.
pub(super) const RUNS_PER_TASK_AND_DAY: usize = 3;

/// Failed deployments of one content after which it is not run again by itself.
///
/// A prompt that failed three times is wrong more often than unlucky, and each try is paid for.
pub(super) const FAILURES: usize = 3;

/// Follow-ups of one run at most.
///
/// Each is paid for with the whole conversation before it, so the cost grows with their square.
pub(super) const FOLLOW_UPS_PER_RUN: usize = 10;

/// The most of `owned` tasks that may be missing from the service's list: 30 %, 1 to 10.
///
/// The strictest share: a list that lacks tasks is the service's doing, and nobody's intention.
pub fn missing_limit(owned: usize) -> usize {
    share(owned).clamp(1, 10)
}

/// The most of `owned` tasks that one apply removes because they are no longer declared: 30 %, 3 to
/// 10.
pub fn delete_limit(owned: usize) -> usize {
    share(owned).clamp(3, 10)
}

/// The most of `owned` tasks that one apply replaces: 30 %, 5 to 20.
///
/// A replace loses nothing, so editing a few prompts in one commit is normal work.
pub fn replace_limit(owned: usize) -> usize {
    share(owned).clamp(5, 20)
}

/// octoDNS's 30 %.
fn share(owned: usize) -> usize {
    owned * 3 / 10
}
