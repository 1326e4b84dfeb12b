//! A plan as JSON: one documented shape with a version, complete enough for every other format.
//!
//! Field names are chosen here, one by one: nothing reaches the output because a type happened to
//! hold it.

use serde::Serialize;

use crate::model::visible_json;
use crate::plan::Spread;
use crate::render::budget::{Budget, Cost};
use crate::render::escape::Foreign;
use crate::render::view::{Entry, FieldChange, Finding, PlanView, State, Value};

/// The version of the shape; a reader refuses a newer one.
pub const FORMAT_VERSION: u32 = 1;

/// A plan (see `docs/formats.md`).
#[derive(Debug, Serialize)]
pub struct PlanJson {
    format_version: u32,
    organization_id: String,
    digest: String,
    verdict: String,
    counts: CountsJson,
    budget: BudgetJson,
    steps: Vec<StepJson>,
    notes: Vec<FindingJson>,
    blocks: Vec<BlockJson>,
}

#[derive(Debug, Serialize)]
struct CountsJson {
    open: std::collections::BTreeMap<String, usize>,
    withheld: usize,
    blocked: usize,
    unchanged: usize,
    unmanaged: usize,
    archived: usize,
    scheduled: usize,
}

/// What is paid for.
#[derive(Debug, Serialize)]
struct BudgetJson {
    new_runs: usize,
    run_limit: usize,
    follow_ups: usize,
    later_follow_ups: usize,
    estimate: Option<CostJson>,
}

/// What prompts are likely to cost, by past runs.
#[derive(Debug, Serialize)]
struct CostJson {
    prompts: usize,
    tokens: Option<SpreadJson>,
    seconds: Option<SpreadJson>,
}

#[derive(Debug, Serialize)]
struct SpreadJson {
    median: u64,
    least: u64,
    most: u64,
    past_runs: usize,
}

#[derive(Debug, Serialize)]
struct StepJson {
    address: String,
    action: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<u64>,
    reason: String,
    fields: Vec<FieldJson>,
    retires: Vec<RetireJson>,
    candidates: Vec<CandidateJson>,
    run: Option<String>,
    prompt: Option<String>,
    later_follow_ups: usize,
    estimate: Option<CostJson>,
    turns: Vec<TurnJson>,
}

/// A place in the list of follow-ups: what was said there, against what is declared.
#[derive(Debug, Serialize)]
struct TurnJson {
    follow_up: usize,
    said: Option<String>,
    declared: Option<String>,
}

#[derive(Debug, Serialize)]
struct FieldJson {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Debug, Serialize)]
struct RetireJson {
    task_id: u64,
    name: String,
    archived_as: Option<String>,
}

#[derive(Debug, Serialize)]
struct CandidateJson {
    task_id: u64,
    name: String,
    created: Option<String>,
}

#[derive(Debug, Serialize)]
struct FindingJson {
    code: &'static str,
    message: String,
    ways: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BlockJson {
    state: &'static str,
    #[serde(flatten)]
    finding: FindingJson,
    addresses: Vec<String>,
}

impl PlanJson {
    /// Takes everything a view holds.
    pub fn new(view: &PlanView) -> Self {
        let counts = &view.counts;
        let open = counts.open.iter().map(|(action, count)| (action.to_string(), *count));
        let blocks = view.stops.iter().map(|stop| BlockJson {
            state: state(stop.state).0,
            finding: finding(&stop.finding),
            addresses: stop.addresses.iter().map(|address| address.raw().to_owned()).collect(),
        });
        Self {
            format_version: FORMAT_VERSION,
            organization_id: view.organization_id.raw().to_owned(),
            digest: view.digest.clone(),
            verdict: counts.verdict(),
            counts: CountsJson {
                open: open.collect(),
                withheld: counts.withheld,
                blocked: counts.blocked,
                unchanged: counts.unchanged,
                unmanaged: counts.unmanaged,
                archived: counts.archived,
                scheduled: counts.scheduled,
            },
            budget: budget(&counts.budget),
            steps: view.entries.iter().map(step).collect(),
            notes: view.notes.iter().map(finding).collect(),
            blocks: blocks.collect(),
        }
    }
}

/// Returns a plan as JSON, indented, with a line break at its end.
pub fn render(view: &PlanView) -> String {
    let json = serde_json::to_string_pretty(&PlanJson::new(view));
    visible_json(&json.expect("texts and numbers are always JSON")) + "\n"
}

fn step(entry: &Entry) -> StepJson {
    let (state, code) = state(entry.state);
    let text = |value: &Value| match value {
        Value::Word(text) | Value::Name(text) | Value::Text(text) => text.raw().to_owned(),
    };
    let fields = entry.fields.iter().map(|row| {
        let (before, after) = match &row.change {
            FieldChange::Set(value) => (None, Some(text(value))),
            FieldChange::Gone(value) => (Some(text(value)), None),
            FieldChange::Changed(old, new) => (Some(text(old)), Some(text(new))),
            FieldChange::Text(change) => {
                (Some(change.before().raw().to_owned()), Some(change.after().raw().to_owned()))
            }
        };
        FieldJson { name: row.name, before, after }
    });
    let retires = entry.fates.iter().map(|fate| RetireJson {
        task_id: fate.id.0,
        name: fate.name.raw().to_owned(),
        archived_as: fate.archived_as.as_ref().map(|name| name.raw().to_owned()),
    });
    let own = |text: &Option<Foreign>| text.as_ref().map(|text| text.raw().to_owned());
    let turns = entry.turns.iter().map(|turn| TurnJson {
        follow_up: turn.number,
        said: own(&turn.said),
        declared: own(&turn.declared),
    });
    let candidates = entry.candidates.iter().map(|candidate| CandidateJson {
        task_id: candidate.id.0,
        name: candidate.name.raw().to_owned(),
        created: candidate.created.map(|created| created.to_string()),
    });
    StepJson {
        address: entry.address.raw().to_owned(),
        action: entry.action.map(|action| action.to_string()),
        state,
        code,
        task_id: entry.subject.as_ref().map(|(id, _)| id.0),
        reason: entry.reason.raw().to_owned(),
        fields: fields.collect(),
        retires: retires.collect(),
        candidates: candidates.collect(),
        run: entry.run.as_ref().map(|run| run.raw().to_owned()),
        prompt: entry.prompt.as_ref().map(|prompt| prompt.raw().to_owned()),
        later_follow_ups: entry.later,
        estimate: entry.cost.map(cost),
        turns: turns.collect(),
    }
}

fn budget(budget: &Budget) -> BudgetJson {
    BudgetJson {
        new_runs: budget.runs,
        run_limit: budget.run_limit,
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
        past_runs: spread.count,
    };
    let Cost { prompts, tokens, seconds } = cost;
    CostJson { prompts, tokens: tokens.map(spread), seconds: seconds.map(spread) }
}

fn state(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Open => ("open", None),
        State::Withheld(code) => ("withheld", Some(code.as_str())),
        State::Blocked(code) => ("blocked", Some(code.as_str())),
    }
}

fn finding(finding: &Finding) -> FindingJson {
    FindingJson {
        code: finding.code.as_str(),
        message: finding.message.raw().to_owned(),
        ways: finding.ways.iter().map(|way| way.raw().to_owned()).collect(),
    }
}
