//! What guards look at, and the ways in which they speak.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic, Gap, GapReason, Withholds};
use crate::manifest::SettingName;
use crate::model::{Action, counted};
use crate::plan::agents::KnownAgents;
use crate::plan::limits::{UsedSetting, of_ceiling, set_at};
use crate::plan::matcher::Matches;
use crate::plan::{PlanInputs, Step, StepId, StepStatus};

/// What guards may look at.
pub(super) struct View<'a, 'b> {
    pub(super) inputs: &'b PlanInputs<'a>,
    pub(super) found: &'b Matches<'a>,
    pub(super) gap: Option<&'b str>,
    pub(super) agents: &'b KnownAgents<'a>,
    /// What stands against deletes of agents.
    pub(super) held: &'b BTreeMap<StepId, Diagnostic>,
    pub(super) is_destroy: bool,
    /// The settings that decided something, each with what would count without it.
    pub(super) used: RefCell<BTreeMap<SettingName, Option<usize>>>,
}

impl<'a, 'b> View<'a, 'b> {
    /// A view of what guards look at, of a plan that is not to destroy.
    pub(super) fn new(
        inputs: &'b PlanInputs<'a>,
        found: &'b Matches<'a>,
        gap: Option<&'b str>,
        agents: &'b KnownAgents<'a>,
        held: &'b BTreeMap<StepId, Diagnostic>,
    ) -> Self {
        Self { inputs, found, gap, agents, held, is_destroy: false, used: RefCell::default() }
    }

    /// The limit that counts for so many, of which `default` are allowed where nothing says otherwise.
    ///
    /// A setting decides where there are more than it allows, or more than would be allowed without it.
    pub(super) fn limit(&self, setting: SettingName, default: usize, count: usize) -> usize {
        let options = self.inputs.options;
        if let Some(limit) = options.limits.of(setting) {
            return limit;
        }
        let Some(limit) = options.settings.count(setting) else { return default };
        if count > limit.min(default) {
            self.note_used(setting, Some(default));
        }
        limit
    }

    /// Notes a setting that decided something.
    pub(super) fn note_used(&self, setting: SettingName, default: Option<usize>) {
        self.used.borrow_mut().entry(setting).or_insert(default);
    }

    /// Where the limit is set that counts, in words, where the manifest sets it.
    pub(super) fn set_at(&self, setting: SettingName) -> String {
        let options = self.inputs.options;
        let set = options.settings.get(setting).filter(|_| options.limits.of(setting).is_none());
        set.map_or_else(String::new, |set| {
            format!(", {}", set_at(setting, &set.place.file, set.line))
        })
    }

    /// Which limit is exceeded, in words, where the manifest sets it.
    pub(super) fn beyond(&self, setting: SettingName) -> String {
        let limit = self.inputs.options.settings.count(setting);
        limit.map_or_else(String::new, |it| format!("; the limit is {it}{}", self.set_at(setting)))
    }

    /// The settings that decided something.
    pub(super) fn used_settings(&self) -> Vec<UsedSetting> {
        let used = self.used.borrow();
        let settings = &self.inputs.options.settings;
        let used = used.iter().filter_map(|(setting, default)| {
            Some(UsedSetting::new(*setting, settings.get(*setting)?, *default))
        });
        used.collect()
    }
}

/// What an incomplete list or read leaves open: also whether nothing is to be done.
pub(super) fn incomplete(gap: &str) -> Diagnostic {
    Diagnostic::blocked(Code::IncompleteRead, gap)
        .help("run this again; if it stays, look at the tasks and agents in the web interface")
}

/// Says which manifests cannot be understood, and what helps.
pub(super) fn unreadable_neighbor_finding(inputs: &PlanInputs<'_>) -> Diagnostic {
    let message = "what would be removed may be declared by another manifest of the repository";
    Diagnostic::blocked(Code::UnreadableNeighbor, message)
        .with_gaps(inputs.other_manifests.gaps.iter().cloned())
        .help("or `--allow unreadable-neighbor`")
}

/// Blocks a step where evidence of its key may be out of sight; `None` where none is.
pub(super) fn lost(
    inputs: &PlanInputs<'_>,
    step: &Step,
    message: String,
) -> Option<(StepId, StepStatus)> {
    let is_create = step.change.action() == Action::Create;
    // What has a match is proven with the values of today.
    let is_of_values = |gap: &Gap| matches!(gap.reason, GapReason::VariablesOutside { .. });
    let gaps = inputs.evidence.withholding().filter(|gap| gap.concerns(&step.key));
    let gaps: Vec<Gap> = gaps.filter(|gap| is_create || !is_of_values(gap)).cloned().collect();
    if gaps.is_empty() {
        return None;
    }
    let is_first = |gap: &Gap| gap.reason.withholds() == Withholds::UnlessLedger;
    let way = if gaps.iter().all(is_first) {
        "`--allow lost-evidence` if nothing was applied before"
    } else {
        "`--allow lost-evidence` does it all the same"
    };
    let finding = Diagnostic::blocked(Code::LostEvidence, message).with_gaps(gaps).help(way);
    Some((step.id, StepStatus::Blocked(finding)))
}

/// Names the evidence that is out of sight where nothing proves whose a resource is: it may be in there.
pub(super) fn name_gaps(inputs: &PlanInputs<'_>, steps: &mut [Step]) {
    for Step { key, status, .. } in steps {
        if let StepStatus::Blocked(finding) = status
            && finding.code == Code::Unproven
        {
            let gaps = inputs.evidence.withholding().filter(|gap| gap.concerns(key));
            *finding = finding.clone().with_gaps(gaps.cloned());
        }
    }
}

/// Blocks every open step of a kind where there are more of it than the limit; `default` is the one that
/// counts where none is set.
pub(super) fn over(
    view: &View<'_, '_>,
    steps: &[Step],
    touches: impl Fn(&Step) -> bool,
    (setting, default): (SettingName, usize),
    (one, many): (&str, &str),
) -> Vec<(StepId, StepStatus)> {
    let is_open = |step: &Step| step.status == StepStatus::Ready && touches(step);
    let count = steps.iter().filter(|step| is_open(step)).count();
    let limit = view.limit(setting, default, count);
    if count <= limit {
        return Vec::new();
    }
    let what = counted(count, one, many);
    let (code, flag) = of_ceiling(setting);
    let message = format!("{what}; the limit for one apply is {limit}{}", view.set_at(setting));
    let finding = Diagnostic::blocked(code, message).help(format!("`{flag} {count}`"));
    block(steps, is_open, &finding)
}

/// Blocks every step of a kind.
pub(super) fn block(
    steps: &[Step],
    touches: impl Fn(&Step) -> bool,
    finding: &Diagnostic,
) -> Vec<(StepId, StepStatus)> {
    let affected = steps.iter().filter(|step| touches(step));
    affected.map(|step| (step.id, StepStatus::Blocked(finding.clone()))).collect()
}
