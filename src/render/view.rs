//! A plan made ready for eyes: counted, sorted and worded, with foreign texts sealed.
//!
//! Renderers of every format read this and nothing else, so none of them decides anything and none
//! can print a foreign text as it is. What is our own wording is a `String`.

mod alike;
mod entry;

pub use alike::note_alike;

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use crate::diag::{Code, Diagnostic, EvidenceSource, Gap, Gaps};
use crate::kinds::{AGENT, Kind, TASK};
use crate::model::{Action, TaskId, counted};
use crate::plan::{Plan, Step, StepStatus};
use crate::render::budget::{Budget, Cost};
use crate::render::escape::Untrusted;
use crate::render::gaps;
use crate::render::rows::FieldRow;
use crate::render::unmanaged::{self, UnmanagedAgentRow, UnmanagedRow};
use crate::render::words;

use entry::entry;

/// A plan ready for eyes.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// The organization it is for.
    pub organization_id: Untrusted,
    /// The environment it is for, where the manifest declares environments.
    pub environment: Option<Untrusted>,
    /// The digest of the plan.
    pub digest: String,
    /// How much there is of everything.
    pub counts: Counts,
    /// What would change: first what goes on, in the plan's order, then what is deferred, then what
    /// is blocked, so that the latter stands where a reader on a terminal begins.
    pub entries: Vec<Entry>,
    /// What holds entries back, each reason once: deferred before blocked.
    pub stops: Vec<Blocker>,
    /// What is worth knowing beside the entries.
    pub notes: Vec<Finding>,
    /// How much of the evidence could be read, source by source.
    pub evidence: Vec<EvidenceView>,
    /// The tasks that nothing proves to be owned.
    pub unmanaged: Vec<UnmanagedRow>,
    /// Agents that nothing proves to be owned, where any are declared.
    pub unmanaged_agents: Vec<UnmanagedAgentRow>,
}

/// How much of one source of evidence could be read.
#[derive(Clone, Debug)]
pub struct EvidenceView {
    /// The source, as a word of JSON.
    pub source: &'static str,
    /// What could not be; empty where all was.
    pub gaps: Vec<GapView>,
}

/// A part of the evidence that could not be read.
#[derive(Clone, Debug)]
pub struct GapView {
    /// The stable code.
    pub code: &'static str,
    /// The keys that it is about; empty for all.
    pub keys: Vec<Untrusted>,
    /// What is out of sight.
    pub message: Untrusted,
    /// What helps, the best first.
    pub help: Vec<Untrusted>,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that go on, by action.
    pub ready: BTreeMap<Action, usize>,
    /// Steps that were not asked for.
    pub deferred: usize,
    /// Steps that something stands against.
    pub blocked: usize,
    /// By kind, how much there is of each.
    pub kinds: BTreeMap<&'static str, KindCounts>,
    /// Steps that put back what was changed on the service.
    pub drifted: usize,
    /// Declared resources that are as they should be.
    pub unchanged: usize,
    /// Declared agents that the service stores otherwise than they were sent.
    pub stored_otherwise: usize,
    /// Tasks that are nobody's business here.
    pub unmanaged: usize,
    /// Tasks that are kept under an archived name.
    pub archived: usize,
    /// Tasks that have a schedule.
    pub scheduled: usize,
    /// What is paid for.
    pub budget: Budget,
}

/// How much there is of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindCounts {
    /// Steps that go on, by action.
    pub ready: BTreeMap<Action, usize>,
    /// Steps that were not asked for.
    pub deferred: usize,
    /// Steps that something stands against.
    pub blocked: usize,
    /// Steps that put back what was changed on the service.
    pub drifted: usize,
    /// Declared ones that are as they should be.
    pub unchanged: usize,
}

/// The resource that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySubject {
    /// The name of its kind.
    pub kind: &'static str,
    /// Its number.
    pub id: u64,
    /// Its stored name, where the fields do not show it.
    pub name: Option<Untrusted>,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `task.<key>`, `task.<key>/<deployment>` or `agent.<key>`.
    pub address: Untrusted,
    /// What would be done; `None` where that cannot be decided.
    pub action: Option<Action>,
    /// Whether it is done.
    pub state: State,
    /// The resource it is about, where one exists.
    pub subject: Option<EntrySubject>,
    /// Why.
    pub reason: Untrusted,
    /// What is set or differs, in the order of the kind's fields.
    pub fields: Vec<FieldRow>,
    /// What happens to the tasks that give way.
    pub removals: Vec<RemovedTask>,
    /// What it might be, where that cannot be decided; the fields are compared with the first.
    pub candidates: Vec<Candidate>,
    /// Who uses the agent that it changes.
    pub users: Vec<Untrusted>,
    /// The deployment it is about, where one exists.
    pub run: Option<Untrusted>,
    /// How that run stands.
    pub standing: Option<DeploymentStatus>,
    /// What is declared beside the texts, each field with its value.
    pub terms: Vec<(&'static str, Untrusted)>,
    /// The follow-up it sends.
    pub prompt: Option<Untrusted>,
    /// The follow-ups that come later, in order, each once the deployment is idle.
    pub later: Vec<Untrusted>,
    /// What it is likely to cost, follow-ups to come included.
    pub cost: Option<Cost>,
    /// What was said, against what is declared, follow-up by follow-up.
    pub turns: Vec<TurnRow>,
}

/// How a deployment stands that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// Its status, in the service's word.
    pub status: Untrusted,
    /// How long ago it was made.
    pub age_seconds: Option<u64>,
    /// Its tokens, read and written, where its conversation was read.
    pub tokens: Option<u64>,
    /// Whether the ledger at hand records that it was started.
    pub started_by_this_ledger: bool,
}

/// A place in the list of follow-ups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRow {
    /// Its number, from one.
    pub number: usize,
    /// What users said there.
    pub said: Option<Untrusted>,
    /// What is declared there.
    pub declared: Option<Untrusted>,
}

/// Whether an entry is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is.
    Ready,
    /// It was not asked for.
    Deferred(Code),
    /// Something stands against it.
    Blocked(Code),
}

/// What happens to a task that gives way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedTask {
    /// The task.
    pub id: TaskId,
    /// Its stored name.
    pub name: Untrusted,
    /// The name under which it is kept; `None` where it is deleted.
    pub archived_as: Option<Untrusted>,
}

/// A resource that could be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name of its kind.
    pub kind: &'static str,
    /// Its number.
    pub id: u64,
    /// Its stored name.
    pub name: Untrusted,
    /// When it was made, in the service's zone, where that was seen.
    pub created: Option<DateTime>,
}

/// A finding with its words sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// What is the matter.
    pub message: Untrusted,
    /// Help, the best first.
    pub ways: Vec<Untrusted>,
}

/// What holds entries back.
#[derive(Clone, Debug)]
pub struct Blocker {
    /// How.
    pub state: State,
    /// Why, and help.
    pub finding: Finding,
    /// Which entries.
    pub addresses: Vec<Untrusted>,
}

impl PlanView {
    /// Makes a plan ready for eyes.
    pub fn new(plan: &Plan) -> Self {
        let mut entries: Vec<Entry> = plan.steps.iter().map(|step| entry(plan, step)).collect();
        entries.sort_by_key(|entry| match entry.state {
            State::Ready => 0,
            State::Deferred(_) => 1,
            State::Blocked(_) => 2,
        });
        note_alike(&mut entries);
        let is_deferred = |entry: &&Entry| matches!(entry.state, State::Deferred(_));
        let is_blocked = |entry: &&Entry| matches!(entry.state, State::Blocked(_));
        let counts = Counts {
            ready: plan.counts(),
            deferred: entries.iter().filter(is_deferred).count(),
            blocked: entries.iter().filter(is_blocked).count(),
            kinds: kinds(plan),
            drifted: plan.steps.iter().filter(|step| !step.drift.is_empty()).count(),
            unchanged: plan.kept_count + plan.kept_agents,
            stored_otherwise: plan.stored_otherwise.agents.len(),
            unmanaged: plan.unmanaged.len(),
            archived: plan.archived_count,
            scheduled: plan.scheduled_count,
            budget: Budget::new(plan),
        };
        Self {
            organization_id: Untrusted::new(plan.organization_id.0.as_str()),
            environment: plan.environment.as_deref().map(Untrusted::new),
            digest: plan.digest().to_string(),
            counts,
            entries,
            stops: stops(plan),
            notes: plan
                .notes
                .iter()
                .filter(|note| !is_said(plan, note))
                .map(Finding::new)
                .collect(),
            evidence: evidence(&plan.gaps),
            unmanaged: unmanaged::rows(&plan.unmanaged),
            unmanaged_agents: unmanaged::agent_rows(&plan.unmanaged_agents),
        }
    }
}

/// How much there is of each kind that the plan knows.
fn kinds(plan: &Plan) -> BTreeMap<&'static str, KindCounts> {
    let mut kinds = BTreeMap::<&'static str, KindCounts>::new();
    for step in &plan.steps {
        let counts = kinds.entry(step.change.kind().name).or_default();
        match step.status {
            StepStatus::Ready => *counts.ready.entry(step.change.action()).or_default() += 1,
            StepStatus::Deferred(_) => counts.deferred += 1,
            StepStatus::Blocked(_) => counts.blocked += 1,
        }
        counts.drifted += usize::from(!step.drift.is_empty());
    }
    for (kind, kept) in [(&AGENT, plan.kept_agents), (&TASK, plan.kept_count)] {
        if kept > 0 {
            kinds.entry(kind.name).or_default().unchanged = kept;
        }
    }
    kinds
}

/// Whether what a note says is out of sight is said where it blocks something, too.
fn is_said(plan: &Plan, note: &Diagnostic) -> bool {
    let blocks = || plan.blocks().filter(|block| !block.gaps.is_empty());
    let is_named = |gap: &Gap| blocks().any(|block| block.gaps.contains(gap));
    !note.gaps.is_empty() && note.gaps.iter().all(is_named)
}

/// How much of each source could be read.
pub(super) fn evidence(gaps: &[Gap]) -> Vec<EvidenceView> {
    let sources = [EvidenceSource::History, EvidenceSource::Ledger, EvidenceSource::OtherManifests];
    let view = |gap: &Gap| GapView {
        code: gap.reason.code(),
        keys: gap.keys.iter().map(|key| Untrusted::new(key.as_str())).collect(),
        message: Untrusted::new(gaps::what(gap)),
        help: gaps::help(gap).into_iter().map(Untrusted::new).collect(),
    };
    let of = |source| EvidenceView {
        source: gaps::source(source),
        gaps: gaps.iter().filter(|gap| gap.source == source).map(view).collect(),
    };
    sources.into_iter().map(of).collect()
}

impl Counts {
    /// The verdict and all counts that are not zero, as one line of our own words.
    pub fn verdict(&self) -> String {
        let held = words::counts([(self.deferred, "deferred"), (self.blocked, "blocked")]);
        let held = if held.is_empty() { held } else { format!("; {held}") };
        let others = [
            (self.unmanaged, "unmanaged"),
            (self.archived, "archived"),
            (self.scheduled, "scheduled"),
        ];
        let sentence = |words: String| if words.is_empty() { words } else { format!(" {words}.") };
        if self.ready.is_empty() && self.blocked == 0 {
            let kept = |kind: &Kind| self.kinds.get(kind.name).map_or(0, |counts| counts.unchanged);
            let kept = match (kept(&AGENT), self.unchanged) {
                (0, 0) => None,
                (0, tasks) => Some(counted(tasks, "task is", "tasks are")),
                (agents, all) if agents == all => Some(counted(agents, "agent is", "agents are")),
                (agents, all) => Some(format!(
                    "{} and {} are",
                    counted(agents, "agent", "agents"),
                    counted(all - agents, "task", "tasks")
                )),
            };
            let kept = kept.map(|kept| format!("{kept} as declared"));
            let differing = (self.stored_otherwise > 0).then(|| {
                let agents = counted(self.stored_otherwise, "agent differs", "agents differ");
                format!("{agents} as the service stored what was sent")
            });
            let all: Vec<String> = kept.into_iter().chain(differing).collect();
            let all = if all.is_empty() { "nothing to do".to_owned() } else { all.join(", ") };
            let others = sentence(words::counts(others));
            return format!("No changes: {all}{held}.{others}");
        }
        let todo: Vec<String> =
            self.ready.iter().map(|(action, count)| format!("{count} to {action}")).collect();
        let todo = if todo.is_empty() { "nothing can be done".to_owned() } else { todo.join(", ") };
        let of_ours = [
            (self.drifted, "changed on the service"),
            (self.unchanged, "unchanged"),
            (self.stored_otherwise, "stored otherwise than sent"),
        ];
        let all = of_ours.into_iter().chain(others);
        format!("Plan: {todo}{held}.{}", sentence(words::counts(all)))
    }
}

impl Entry {
    /// Its symbol (design 4).
    pub fn symbol(&self) -> &'static str {
        match (self.state, self.action) {
            (State::Blocked(_), _) | (_, None) => "!",
            (_, Some(action)) => words::symbol(action),
        }
    }
}

impl Finding {
    /// Seals a finding.
    pub fn new(finding: &Diagnostic) -> Self {
        let finding = gaps::worded(finding);
        let ways = finding.help.iter().map(|way| Untrusted::new(way.as_str())).collect();
        Self { code: finding.code, message: Untrusted::new(finding.message.as_str()), ways }
    }
}

/// Returns the address of what a step is about: `task.<key>`, with its deployment, or `agent.<key>`.
pub(super) fn address(step: &Step) -> Untrusted {
    Untrusted::new(match &step.deployment {
        Some(deployment) => format!("{}.{}/{deployment}", step.change.kind().name, step.key),
        None => format!("{}.{}", step.change.kind().name, step.key),
    })
}

/// Every reason that holds steps back, once, with the steps; what only follows comes last.
fn stops(plan: &Plan) -> Vec<Blocker> {
    let mut index_of: BTreeMap<(State, &str, &[String], &Gaps), usize> = BTreeMap::new();
    let mut stops: Vec<Blocker> = Vec::new();
    for step in &plan.steps {
        let state = state(&step.status);
        let (StepStatus::Deferred(finding) | StepStatus::Blocked(finding)) = &step.status else {
            continue;
        };
        let index = *index_of
            .entry((state, &finding.message, &finding.help, &finding.gaps))
            .or_insert_with(|| stops.len());
        if index == stops.len() {
            stops.push(Blocker { state, finding: Finding::new(finding), addresses: Vec::new() });
        }
        stops[index].addresses.push(address(step));
    }
    for doubt in &plan.doubts {
        let (state, gaps) = (State::Blocked(doubt.code), &doubt.gaps);
        index_of.entry((state, &doubt.message, &doubt.help, gaps)).or_insert_with(|| {
            stops.push(Blocker { state, finding: Finding::new(doubt), addresses: Vec::new() });
            stops.len()
        });
    }
    stops.sort_by_key(|stop| {
        let is_blocked = matches!(stop.state, State::Blocked(_));
        (is_blocked, stop.finding.code == Code::WaitsForBlocked)
    });
    stops
}

fn state(status: &StepStatus) -> State {
    match status {
        StepStatus::Ready => State::Ready,
        StepStatus::Deferred(finding) => State::Deferred(finding.code),
        StepStatus::Blocked(finding) => State::Blocked(finding.code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_says_nothing_can_be_done_where_all_is_blocked() {
        let counts = Counts { blocked: 2, unchanged: 3, ..Counts::default() };
        let verdict = counts.verdict();
        assert!(
            verdict.starts_with("Plan: nothing can be done; 2 blocked. 3 unchanged"),
            "{verdict}"
        );
    }

    #[test]
    fn a_withheld_retire_alone_is_no_change() {
        let counts = Counts { deferred: 1, unchanged: 1, ..Counts::default() };
        assert_eq!(counts.verdict(), "No changes: 1 task is as declared; 1 deferred.");
    }
}
