//! What a sweep has counted, and what it found.

use std::collections::BTreeMap;

use qcops::diag::Code;

use super::case::{CaseEnd, CaseResult, PreparedScenario};
use super::fault::FaultPlan;
use super::judge::{BrokenLaw, Judgement};
use super::lost_creates::{Hidden, LostCreates};

/// A case in which a law is broken, with everything that replays it.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    /// The scenario.
    pub(super) scenario: String,
    /// The seed.
    pub(super) seed: u64,
    /// The quirks that were set.
    pub(super) quirks: Vec<String>,
    /// The faults; `None` for the deployment without any.
    pub(super) faults: Option<FaultPlan>,
    /// The laws.
    pub(super) broken: Vec<BrokenLaw>,
    /// Every request, a line each.
    pub(super) log: Vec<String>,
}

impl Violation {
    /// What went wrong where, as the documents name it: `lost-after at 3, ledger lost`.
    pub(super) fn place(&self) -> String {
        self.faults.as_ref().map_or_else(|| "no fault".to_owned(), FaultPlan::to_string)
    }
}

/// A create whose answer was lost, and of which it is not known what it made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnsettledCreate {
    /// The quirks that were set.
    pub(super) quirks: Vec<String>,
    /// The scenario.
    pub(super) scenario: String,
    /// What went wrong where.
    pub(super) faults: String,
    /// The code of the finding.
    pub(super) code: Code,
}

/// What a sweep has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct SweepSummary {
    /// How many cases were run.
    pub(super) cases: usize,
    /// How many requests that were.
    pub(super) requests: usize,
    /// How the applies with faults ended.
    pub(super) ends: BTreeMap<CaseEnd, usize>,
    /// Creates whose answer was lost while the process went on.
    pub(super) lost_creates: usize,
    /// Those of them that were settled without a person.
    pub(super) settled_creates: usize,
    /// Creates whose answer was lost at a service whose settings hide what they made: how many, and
    /// how many of them were settled all the same. They are not among those above.
    pub(super) hidden_creates: BTreeMap<Hidden, (usize, usize)>,
    /// The others, each of which ended as unknown.
    pub(super) unsettled: BTreeMap<UnsettledCreate, usize>,
    /// By quirks: scenarios that one apply does not bring to rest, with what blocks them.
    pub(super) restless: BTreeMap<String, Vec<Code>>,
    /// The most creates that stayed for any key that needed one.
    pub(super) most_creates: usize,
    /// The most deployments that were paid for any declared one.
    pub(super) most_deployments: usize,
    /// In how many cases a second task was created where one was enough.
    pub(super) duplicate_tasks: usize,
    /// In how many cases a second agent was created where one was enough, or an agent was lost.
    pub(super) duplicate_agents: usize,
    pub(super) lost_agents: usize,
    /// In how many cases a second deployment was paid for where one was enough.
    pub(super) duplicate_deployments: usize,
    /// In how many cases a follow-up was sent a second time.
    pub(super) duplicate_follow_ups: usize,
    /// In how many cases something was changed that is not owned.
    pub(super) unmanaged_touched: usize,
    /// Every case in which a law is broken.
    pub(super) violations: Vec<Violation>,
}

impl SweepSummary {
    pub(super) fn add_prepared(&mut self, prepared: &PreparedScenario<'_>) {
        if !prepared.comes_to_rest {
            let quirks = prepared.conditions.quirks.join(" ");
            self.restless.entry(quirks).or_insert_with(|| prepared.blocks.clone());
        }
        self.add_broken(prepared, None, prepared.broken.clone(), Vec::new());
    }

    pub(super) fn add(&mut self, result: CaseResult<'_>) {
        let CaseResult { prepared, faults, end, lost_creates, judgement, requests, log, .. } =
            result;
        let Judgement { broken, most_creates, most_deployments } = judgement;
        self.most_creates = self.most_creates.max(most_creates);
        self.most_deployments = self.most_deployments.max(most_deployments);
        self.cases += 1;
        self.requests += requests;
        *self.ends.entry(end).or_default() += 1;
        self.add_creates(prepared, &faults, lost_creates);
        self.add_broken(prepared, Some(faults), broken, log);
    }

    fn add_broken(
        &mut self,
        prepared: &PreparedScenario<'_>,
        faults: Option<FaultPlan>,
        broken: Vec<BrokenLaw>,
        log: Vec<String>,
    ) {
        if broken.is_empty() {
            return;
        }
        let count = |is_it: fn(&BrokenLaw) -> bool| usize::from(broken.iter().any(is_it));
        self.duplicate_tasks += count(|law| matches!(law, BrokenLaw::DuplicateTask { .. }));
        self.duplicate_agents += count(|law| matches!(law, BrokenLaw::DuplicateAgent { .. }));
        self.lost_agents += count(|law| {
            matches!(law, BrokenLaw::AgentMissing { .. } | BrokenLaw::AgentInUseDeleted { .. })
        });
        self.duplicate_deployments +=
            count(|law| matches!(law, BrokenLaw::DuplicateDeployment { .. }));
        self.duplicate_follow_ups +=
            count(|law| matches!(law, BrokenLaw::DuplicateFollowUp { .. }));
        self.unmanaged_touched += count(|law| matches!(law, BrokenLaw::UnmanagedTouched { .. }));
        self.violations.push(Violation {
            scenario: prepared.scenario.name.clone(),
            seed: prepared.conditions.seed,
            quirks: prepared.conditions.quirks.clone(),
            faults,
            broken,
            log,
        });
    }

    fn add_creates(
        &mut self,
        prepared: &PreparedScenario<'_>,
        faults: &FaultPlan,
        creates: LostCreates,
    ) {
        if let Some(hidden) = prepared.hidden {
            let (all, settled) = self.hidden_creates.entry(hidden).or_default();
            *all += creates.count();
            *settled += creates.settled;
            return;
        }
        self.lost_creates += creates.count();
        self.settled_creates += creates.settled;
        for (code, count) in creates.unknown {
            let unsettled = UnsettledCreate {
                quirks: prepared.conditions.quirks.clone(),
                scenario: prepared.scenario.name.clone(),
                faults: faults.to_string(),
                code,
            };
            *self.unsettled.entry(unsettled).or_default() += count;
        }
    }

    /// The violation with the shortest log, which is the easiest to understand.
    pub(super) fn shortest(&self) -> Option<&Violation> {
        self.violations.iter().min_by_key(|violation| violation.log.len())
    }
}
