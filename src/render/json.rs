//! A plan as JSON: one documented shape with a version, complete enough for every other format.
//!
//! Field names are chosen here, one by one: nothing reaches the output because a type happened to
//! hold it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{AGENT, Kind, TASK};
use crate::model::{Action, visible_json};
use crate::plan::Spread;
use crate::render::budget::{Budget, Cost};
use crate::render::escape::Untrusted;
use crate::render::rows::{FieldChange, FieldRow, ShownValue};
use crate::render::schema;
use crate::render::unmanaged::{UnmanagedAgentRow, UnmanagedRow};
use crate::render::view::{
    Candidate, Entry, EntrySubject, EvidenceView, Finding, GapView, KindCounts, PlanView, State,
};

/// The version of the shape; a reader refuses a newer one.
pub const FORMAT_VERSION: u32 = 1;

/// A plan (see `docs/formats.md`).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "A plan of qcops")]
pub struct PlanJson {
    format_version: u32,
    organization_id: String,
    /// The environment; absent where the manifest declares none.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// 64 hexadecimal digits over what the plan does.
    digest: String,
    /// The first line of the text form.
    verdict: String,
    counts: CountsJson,
    budget: BudgetJson,
    steps: Vec<StepJson>,
    notes: Vec<FindingJson>,
    /// Why steps are deferred or blocked, each reason once.
    blocks: Vec<BlockJson>,
    /// How much of the evidence could be read: of Git history, of the ledger, and of the other
    /// manifests of the repository.
    evidence: Vec<EvidenceJson>,
    /// Tasks that nothing proves to be owned, in the order of their ids; they are left alone.
    unmanaged: Vec<UnmanagedRow>,
    /// Agents that nothing proves to be owned, in the order of their ids, where any are declared.
    unmanaged_agents: Vec<UnmanagedAgentRow>,
}

/// How much of one source of evidence could be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct EvidenceJson {
    #[schemars(extend("enum" = ["history", "ledger", "other_manifests"]))]
    source: &'static str,
    is_complete: bool,
    gaps: Vec<GapJson>,
}

/// A part of the evidence that could not be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct GapJson {
    /// A stable code; `docs/identity.md` names them all.
    code: &'static str,
    /// The keys that it is about; empty for all.
    keys: Vec<String>,
    message: String,
    /// What helps, the best first.
    help: Vec<String>,
}

/// How much there is of everything.
#[derive(Debug, Serialize, JsonSchema)]
struct CountsJson {
    /// Steps that go on, by action.
    ready: BTreeMap<String, usize>,
    deferred: usize,
    blocked: usize,
    /// Steps that put back what was changed on the service since it was applied.
    drifted: usize,
    /// Declared agents and tasks that are as they should be.
    unchanged: usize,
    /// Declared agents that differ only as the service stored what was sent.
    stored_otherwise: usize,
    unmanaged: usize,
    archived: usize,
    scheduled: usize,
    /// The same by kind, `agent` and `task`; a kind of which there is nothing is left out.
    kinds: BTreeMap<&'static str, KindCountsJson>,
}

/// How much there is of one kind.
#[derive(Debug, Serialize, JsonSchema)]
struct KindCountsJson {
    /// Steps that go on, by action.
    ready: BTreeMap<String, usize>,
    deferred: usize,
    blocked: usize,
    drifted: usize,
    unchanged: usize,
}

/// What is paid for.
#[derive(Debug, Serialize, JsonSchema)]
struct BudgetJson {
    new_deployments: usize,
    deployment_limit: usize,
    follow_ups: usize,
    later_follow_ups: usize,
    /// What it is likely to cost; null where no past deployment is known.
    estimate: Option<CostJson>,
}

/// What prompts are likely to cost, by past deployments of the same tasks.
#[derive(Debug, Serialize, JsonSchema)]
struct CostJson {
    /// How many of the prompts it speaks for.
    prompts: usize,
    tokens: Option<SpreadJson>,
    seconds: Option<SpreadJson>,
}

/// A median, the range around it, and of how many past deployments.
#[derive(Debug, Serialize, JsonSchema)]
struct SpreadJson {
    median: u64,
    least: u64,
    most: u64,
    past_deployments: usize,
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
struct StepJson {
    /// `task.<key>`, `task.<key>/<deployment>` or `agent.<key>`.
    address: String,
    /// Null where nothing can be decided.
    #[schemars(schema_with = "schema::action_or_none")]
    action: Option<String>,
    #[schemars(extend("enum" = ["ready", "deferred", "blocked"]))]
    status: &'static str,
    /// The stable code of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<u64>,
    /// The stored name of that task, where the fields do not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_name: Option<String>,
    reason: String,
    /// What is set or differs.
    fields: Vec<FieldJson>,
    /// What happens to the tasks that give way.
    removes: Vec<RemoveJson>,
    /// Tasks or agents that could be meant; the fields are compared with the first.
    candidates: Vec<CandidateJson>,
    /// Who uses the agent that it changes: addresses, or `task <id>` and `agent <id>` of what is not
    /// declared here.
    used_by: Vec<String>,
    /// The existing deployment it is about.
    deployment_id: Option<String>,
    /// The state of that deployment.
    deployment: Option<DeploymentStatusJson>,
    /// What the manifest declares beside the texts: `since`, `expect` and `timeout` of a deployment,
    /// `protect` of a task.
    declared: Vec<DeclaredJson>,
    /// The follow-up it sends.
    prompt: Option<String>,
    /// The follow-ups that come later, in order, each once the deployment is idle.
    later_follow_ups: Vec<String>,
    /// What this step and the follow-ups behind it are likely to cost.
    estimate: Option<CostJson>,
    /// What was said, against what is declared.
    turns: Vec<TurnJson>,
}

/// The state of the deployment that a step is about.
#[derive(Debug, Serialize, JsonSchema)]
struct DeploymentStatusJson {
    status: String,
    age_seconds: Option<u64>,
    /// Read and written; null where its conversation was not read.
    tokens: Option<u64>,
    /// Whether the ledger at hand records that it was started.
    started_by_this_ledger: bool,
}

/// A place in the list of follow-ups: what was said there, against what is declared.
#[derive(Debug, Serialize, JsonSchema)]
struct TurnJson {
    follow_up: usize,
    said: Option<String>,
    declared: Option<String>,
}

/// A field of the manifest that the service does not know, in words.
#[derive(Debug, Serialize, JsonSchema)]
struct DeclaredJson {
    name: &'static str,
    value: String,
}

/// A field, with whole texts.
#[derive(Debug, Serialize, JsonSchema)]
struct FieldJson {
    name: &'static str,
    /// Absent for what is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// Absent for what goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Whether it was changed on the service since it was applied; absent where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drifted: bool,
}

/// A task that gives way.
#[derive(Debug, Serialize, JsonSchema)]
struct RemoveJson {
    task_id: u64,
    name: String,
    /// Null where it is deleted.
    archived_as: Option<String>,
}

/// A task or an agent that could be meant.
#[derive(Debug, Serialize, JsonSchema)]
struct CandidateJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<u64>,
    name: String,
    created: Option<String>,
}

/// What is the matter.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct FindingJson {
    /// A stable code; `docs/codes.md` lists them all.
    code: &'static str,
    message: String,
    /// What to do, the best first.
    help: Vec<String>,
}

/// Why steps are deferred or blocked.
#[derive(Debug, Serialize, JsonSchema)]
struct BlockJson {
    #[schemars(extend("enum" = ["deferred", "blocked"]))]
    status: &'static str,
    #[serde(flatten)]
    finding: FindingJson,
    addresses: Vec<String>,
}

impl PlanJson {
    /// Takes everything a view holds.
    pub fn new(view: &PlanView) -> Self {
        let counts = &view.counts;
        let blocks = view.stops.iter().map(|stop| BlockJson {
            status: status(stop.state).0,
            finding: finding(&stop.finding),
            addresses: stop.addresses.iter().map(|address| address.raw().to_owned()).collect(),
        });
        Self {
            format_version: FORMAT_VERSION,
            organization_id: view.organization_id.raw().to_owned(),
            environment: view.environment.as_ref().map(|name| name.raw().to_owned()),
            digest: view.digest.clone(),
            verdict: counts.verdict(),
            counts: CountsJson {
                ready: by_action(&counts.ready),
                deferred: counts.deferred,
                blocked: counts.blocked,
                drifted: counts.drifted,
                unchanged: counts.unchanged,
                stored_otherwise: counts.stored_otherwise,
                unmanaged: counts.unmanaged,
                archived: counts.archived,
                scheduled: counts.scheduled,
                kinds: counts
                    .kinds
                    .iter()
                    .map(|(kind, counts)| (*kind, kind_counts(counts)))
                    .collect(),
            },
            budget: budget(&counts.budget),
            steps: view.entries.iter().map(step).collect(),
            notes: view.notes.iter().map(finding).collect(),
            blocks: blocks.collect(),
            evidence: view.evidence.iter().map(evidence).collect(),
            unmanaged: view.unmanaged.clone(),
            unmanaged_agents: view.unmanaged_agents.clone(),
        }
    }
}

fn by_action(counts: &BTreeMap<Action, usize>) -> BTreeMap<String, usize> {
    counts.iter().map(|(action, count)| (action.to_string(), *count)).collect()
}

fn kind_counts(counts: &KindCounts) -> KindCountsJson {
    let KindCounts { ready, deferred, blocked, drifted, unchanged } = counts;
    KindCountsJson {
        ready: by_action(ready),
        deferred: *deferred,
        blocked: *blocked,
        drifted: *drifted,
        unchanged: *unchanged,
    }
}

/// Returns a plan as JSON, indented, with a line break at its end.
pub fn render(view: &PlanView) -> String {
    let json = serde_json::to_string_pretty(&PlanJson::new(view));
    visible_json(&json.expect("texts and numbers are always JSON")) + "\n"
}

/// Returns the JSON Schema of a plan.
pub fn schema() -> schemars::Schema {
    schema::root::<PlanJson>()
}

pub(super) fn evidence(view: &EvidenceView) -> EvidenceJson {
    let texts = |texts: &[Untrusted]| texts.iter().map(|text| text.raw().to_owned()).collect();
    let gap = |gap: &GapView| GapJson {
        code: gap.code,
        keys: texts(&gap.keys),
        message: gap.message.raw().to_owned(),
        help: texts(&gap.help),
    };
    let is_complete = view.gaps.is_empty();
    EvidenceJson { source: view.source, is_complete, gaps: view.gaps.iter().map(gap).collect() }
}

fn step(entry: &Entry) -> StepJson {
    let (status, code) = status(entry.state);
    let removes = entry.removals.iter().map(|removal| RemoveJson {
        task_id: removal.id.0,
        name: removal.name.raw().to_owned(),
        archived_as: removal.archived_as.as_ref().map(|name| name.raw().to_owned()),
    });
    let own = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
    let subject_id = |kind: &Kind| {
        let is_meant = |subject: &&EntrySubject| subject.kind == kind.name;
        entry.subject.as_ref().filter(is_meant).map(|subject| subject.id)
    };
    let turns = entry.turns.iter().map(|turn| TurnJson {
        follow_up: turn.number,
        said: own(&turn.said),
        declared: own(&turn.declared),
    });
    let declared = entry.terms.iter().map(|(name, value)| {
        let value = value.raw().to_owned();
        DeclaredJson { name, value }
    });
    StepJson {
        address: entry.address.raw().to_owned(),
        action: entry.action.map(|action| action.to_string()),
        status,
        code,
        task_id: subject_id(&TASK),
        agent_id: subject_id(&AGENT),
        task_name: entry.subject.as_ref().and_then(|subject| own(&subject.name)),
        reason: entry.reason.raw().to_owned(),
        fields: entry.fields.iter().map(field).collect(),
        removes: removes.collect(),
        candidates: entry.candidates.iter().map(candidate).collect(),
        used_by: entry.users.iter().map(|user| user.raw().to_owned()).collect(),
        deployment_id: own(&entry.run),
        deployment: entry.standing.as_ref().map(|run| DeploymentStatusJson {
            status: run.status.raw().to_owned(),
            age_seconds: run.age_seconds,
            tokens: run.tokens,
            started_by_this_ledger: run.started_by_this_ledger,
        }),
        declared: declared.collect(),
        prompt: entry.prompt.as_ref().map(|prompt| prompt.raw().to_owned()),
        later_follow_ups: entry.later.iter().map(|text| text.raw().to_owned()).collect(),
        estimate: entry.cost.map(cost),
        turns: turns.collect(),
    }
}

fn field(row: &FieldRow) -> FieldJson {
    let text = |value: &ShownValue| match value {
        ShownValue::Word(text)
        | ShownValue::Name(text)
        | ShownValue::Text(text)
        | ShownValue::Pending(text)
        | ShownValue::Reference(_, text) => text.raw().to_owned(),
        ShownValue::Members(members) => {
            members.iter().map(Untrusted::raw).collect::<Vec<_>>().join(", ")
        }
    };
    let (before, after) = match &row.change {
        FieldChange::Set(value) => (None, Some(text(value))),
        FieldChange::Gone(value) => (Some(text(value)), None),
        FieldChange::Changed(old, new) => (Some(text(old)), Some(text(new))),
        FieldChange::Text(change) => {
            (Some(change.before().raw().to_owned()), Some(change.after().raw().to_owned()))
        }
    };
    FieldJson { name: row.name, before, after, drifted: row.is_drifted }
}

fn candidate(candidate: &Candidate) -> CandidateJson {
    let id = |kind: &Kind| (candidate.kind == kind.name).then_some(candidate.id);
    CandidateJson {
        task_id: id(&TASK),
        agent_id: id(&AGENT),
        name: candidate.name.raw().to_owned(),
        created: candidate.created.map(|created| created.to_string()),
    }
}

fn budget(budget: &Budget) -> BudgetJson {
    BudgetJson {
        new_deployments: budget.runs,
        deployment_limit: budget.deployment_limit,
        follow_ups: budget.follow_ups,
        later_follow_ups: budget.later,
        estimate: budget.cost.map(cost),
    }
}

fn cost(cost: Cost) -> CostJson {
    let spread = |spread: Spread| SpreadJson {
        median: spread.median,
        least: spread.least,
        most: spread.most,
        past_deployments: spread.count,
    };
    let Cost { prompts, tokens, seconds } = cost;
    CostJson { prompts, tokens: tokens.map(spread), seconds: seconds.map(spread) }
}

fn status(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Ready => ("ready", None),
        State::Deferred(code) => ("deferred", Some(code.as_str())),
        State::Blocked(code) => ("blocked", Some(code.as_str())),
    }
}

pub(super) fn finding(finding: &Finding) -> FindingJson {
    FindingJson {
        code: finding.code.as_str(),
        message: finding.message.raw().to_owned(),
        help: finding.ways.iter().map(|way| way.raw().to_owned()).collect(),
    }
}
