//! A plan made ready for eyes: counted, sorted and worded, with foreign texts sealed.
//!
//! Renderers of every format read this and nothing else, so none of them decides anything and none
//! can print a foreign text as it is. What is our own wording is a `String`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::DateTime;

use crate::diag::{Code, Diagnostic};
use crate::kinds::TASK;
use crate::model::{Action, Content, DeploymentId, TaskId};
use crate::plan::{Before, Change, Gate, Plan, Retire, Retirement, Step, Target};
use crate::render::budget::{Budget, Cost, cost};
use crate::render::escape::Foreign;
use crate::render::textdiff::TextChange;
use crate::render::words;

/// A plan ready for eyes.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// The organization it is for.
    pub organization_id: Foreign,
    /// The digest of the plan.
    pub digest: String,
    /// How much there is of everything.
    pub counts: Counts,
    /// What would change: first what goes on, in the plan's order, then what is withheld, then what
    /// is blocked, so that the latter stands where a reader on a terminal begins.
    pub entries: Vec<Entry>,
    /// What holds entries back, each reason once: withheld before blocked.
    pub stops: Vec<Stop>,
    /// What is worth knowing beside the entries.
    pub notes: Vec<Finding>,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that go on, by action.
    pub open: BTreeMap<Action, usize>,
    /// Steps that were not asked for.
    pub withheld: usize,
    /// Steps that something stands against.
    pub blocked: usize,
    /// Declared tasks that are as they should be.
    pub unchanged: usize,
    /// Tasks that are nobody's business here.
    pub unmanaged: usize,
    /// Tasks that are kept under an archived name.
    pub archived: usize,
    /// Tasks that have a schedule.
    pub scheduled: usize,
    /// What is paid for.
    pub budget: Budget,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `task.<key>` or `task.<key>/<deployment>`.
    pub address: Foreign,
    /// What would be done; `None` where that cannot be decided.
    pub action: Option<Action>,
    /// Whether it is done.
    pub state: State,
    /// The task it is about, where one exists, with its stored name.
    pub subject: Option<(TaskId, Option<Foreign>)>,
    /// Why.
    pub reason: Foreign,
    /// What is set or differs, in the order of the kind's fields.
    pub fields: Vec<FieldRow>,
    /// What happens to the tasks that give way.
    pub fates: Vec<Fate>,
    /// What it might be, where that cannot be decided; the fields are compared with the first.
    pub candidates: Vec<Candidate>,
    /// The run it is about, where one exists.
    pub run: Option<Foreign>,
    /// How that run stands.
    pub standing: Option<Standing>,
    /// The follow-up it sends.
    pub prompt: Option<Foreign>,
    /// How many follow-ups come later, each once the run is idle.
    pub later: usize,
    /// What it is likely to cost, follow-ups to come included.
    pub cost: Option<Cost>,
    /// What was said, against what is declared, follow-up by follow-up.
    pub turns: Vec<TurnRow>,
}

/// How a run stands that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its status, in the service's word.
    pub status: Foreign,
    /// How long ago it was made.
    pub age_seconds: Option<u64>,
    /// Its tokens, read and written, where its conversation was read.
    pub tokens: Option<u64>,
    /// Whether this machine's ledger knows it as started from here.
    pub started_here: bool,
}

/// A place in the list of follow-ups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRow {
    /// Its number, from one.
    pub number: usize,
    /// What users said there.
    pub said: Option<Foreign>,
    /// What is declared there.
    pub declared: Option<Foreign>,
}

/// Whether an entry is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is.
    Open,
    /// It was not asked for.
    Withheld(Code),
    /// Something stands against it.
    Blocked(Code),
}

/// One field of an entry.
#[derive(Clone, Debug)]
pub struct FieldRow {
    /// The service's name of it.
    pub name: &'static str,
    /// What becomes of it.
    pub change: FieldChange,
}

/// What becomes of a field.
#[derive(Clone, Debug)]
pub enum FieldChange {
    /// It is set.
    Set(Value),
    /// It goes with its task.
    Gone(Value),
    /// It gets another value.
    Changed(Value, Value),
    /// Its long text differs.
    Text(TextChange),
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number or a word of the service's own.
    Word(Foreign),
    /// Free text of one line.
    Name(Foreign),
    /// Free text of any length.
    Text(Foreign),
}

/// What happens to a task that gives way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The task.
    pub id: TaskId,
    /// Its stored name.
    pub name: Foreign,
    /// The name under which it is kept; `None` where it is deleted.
    pub archived_as: Option<Foreign>,
}

/// A task that could be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub id: TaskId,
    /// Its stored name.
    pub name: Foreign,
    /// When it was made, in the service's zone.
    pub created: Option<DateTime>,
}

/// A finding with its words sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// What is the matter.
    pub message: Foreign,
    /// Ways on, the best first.
    pub ways: Vec<Foreign>,
}

/// What holds entries back.
#[derive(Clone, Debug)]
pub struct Stop {
    /// How.
    pub state: State,
    /// Why, and the ways on.
    pub finding: Finding,
    /// Which entries.
    pub addresses: Vec<Foreign>,
}

impl PlanView {
    /// Makes a plan ready for eyes.
    pub fn new(plan: &Plan) -> Self {
        let mut entries: Vec<Entry> = plan.steps.iter().map(|step| entry(plan, step)).collect();
        entries.sort_by_key(|entry| match entry.state {
            State::Open => 0,
            State::Withheld(_) => 1,
            State::Blocked(_) => 2,
        });
        let is_withheld = |entry: &&Entry| matches!(entry.state, State::Withheld(_));
        let is_blocked = |entry: &&Entry| matches!(entry.state, State::Blocked(_));
        let counts = Counts {
            open: plan.counts(),
            withheld: entries.iter().filter(is_withheld).count(),
            blocked: entries.iter().filter(is_blocked).count(),
            unchanged: plan.kept_count,
            unmanaged: plan.unmanaged_count,
            archived: plan.archived_count,
            scheduled: plan.scheduled_count,
            budget: Budget::new(plan),
        };
        Self {
            organization_id: Foreign::new(plan.organization_id.0.as_str()),
            digest: plan.digest().to_string(),
            counts,
            entries,
            stops: stops(plan),
            notes: plan.notes.iter().map(Finding::new).collect(),
        }
    }
}

impl Counts {
    /// The verdict and all counts, as one line of our own words.
    pub fn verdict(&self) -> String {
        let Self { withheld, blocked, unchanged, unmanaged, archived, scheduled, .. } = self;
        let mut held: Vec<String> = Vec::new();
        for (count, word) in [(withheld, "withheld"), (blocked, "blocked")] {
            if *count > 0 {
                held.push(format!("{count} {word}"));
            }
        }
        let held = if held.is_empty() { held.concat() } else { format!("; {}", held.join(", ")) };
        let rest = format!("{unmanaged} unmanaged, {archived} archived, {scheduled} scheduled.");
        if self.open.is_empty() && *blocked == 0 {
            let tasks = words::counted(*unchanged, "task is", "tasks are");
            return format!("No changes: {tasks} as declared{held}. {rest}");
        }
        let todo: Vec<String> =
            self.open.iter().map(|(action, count)| format!("{count} to {action}")).collect();
        let todo = if todo.is_empty() { "nothing can be done".to_owned() } else { todo.join(", ") };
        format!("Plan: {todo}{held}. {unchanged} unchanged, {rest}")
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
        let ways = finding.help.iter().map(|way| Foreign::new(way.as_str())).collect();
        Self { code: finding.code, message: Foreign::new(finding.message.as_str()), ways }
    }
}

/// Returns `task.<key>` or `task.<key>/<deployment>`.
pub(super) fn address(step: &Step) -> Foreign {
    Foreign::new(match &step.deployment {
        Some(deployment) => format!("{}.{}/{deployment}", TASK.name, step.key),
        None => format!("{}.{}", TASK.name, step.key),
    })
}

/// Every reason that holds steps back, once, with the steps; what only follows comes last.
fn stops(plan: &Plan) -> Vec<Stop> {
    let mut index_of: BTreeMap<(State, &str, &[String]), usize> = BTreeMap::new();
    let mut stops: Vec<Stop> = Vec::new();
    for step in &plan.steps {
        let state = state(&step.gate);
        let (Gate::Withheld(finding) | Gate::Blocked(finding)) = &step.gate else { continue };
        let index = *index_of
            .entry((state, &finding.message, &finding.help))
            .or_insert_with(|| stops.len());
        if index == stops.len() {
            stops.push(Stop { state, finding: Finding::new(finding), addresses: Vec::new() });
        }
        stops[index].addresses.push(address(step));
    }
    stops.extend(plan.doubts.iter().map(|doubt| Stop {
        state: State::Blocked(doubt.code),
        finding: Finding::new(doubt),
        addresses: Vec::new(),
    }));
    stops.sort_by_key(|stop| {
        let is_blocked = matches!(stop.state, State::Blocked(_));
        (is_blocked, stop.finding.code == Code::WaitsForBlocked)
    });
    stops
}

fn state(gate: &Gate) -> State {
    match gate {
        Gate::Open => State::Open,
        Gate::Withheld(finding) => State::Withheld(finding.code),
        Gate::Blocked(finding) => State::Blocked(finding.code),
    }
}

fn entry(plan: &Plan, step: &Step) -> Entry {
    let mut entry = Entry {
        address: address(step),
        action: Some(step.change.action()),
        state: state(&step.gate),
        subject: None,
        reason: Foreign::new(step.reason.as_str()),
        fields: Vec::new(),
        fates: Vec::new(),
        candidates: Vec::new(),
        run: None,
        standing: None,
        prompt: None,
        later: 0,
        cost: cost(plan, step),
        turns: Vec::new(),
    };
    let named = |before: &Before| Some((before.id, Some(Foreign::new(before.name.as_str()))));
    match &step.change {
        Change::Create { name, content } => {
            entry.fields = every_field(name, content, FieldChange::Set);
        }
        Change::Rename { id, from, to, .. } => {
            entry.subject = Some((*id, None));
            entry.fields = vec![renaming(from, to)];
        }
        Change::Replace { before, name, content, old } => {
            entry.subject = named(before);
            entry.fields = edits(before, name, content);
            entry.fates = old.iter().map(fate).collect();
        }
        Change::Retire { retirement, before, .. } => match &retirement.how {
            Retire::Archive { name } => {
                entry.subject = Some((retirement.id, None));
                entry.fields = vec![renaming(&retirement.name, name)];
            }
            Retire::Delete => {
                entry.subject = Some((retirement.id, None));
                entry.fields = every_field(&before.name, &before.content, FieldChange::Gone);
                entry.fates = vec![fate(retirement)];
            }
            // The reason says what goes with it.
            Retire::Destroy { .. } => {
                entry.subject = Some((retirement.id, None));
                entry.fields = every_field(&before.name, &before.content, FieldChange::Gone);
            }
        },
        Change::Run { task, later, .. } => {
            if let Target::Existing(id) = task {
                entry.subject = Some((*id, None));
            }
            entry.later = *later;
        }
        Change::FollowUp { run, prompt, later, .. } => {
            (entry.run, entry.standing) = about(plan, run);
            entry.prompt = Some(Foreign::new(Arc::clone(prompt)));
            entry.later = *later;
        }
        Change::Diverged { run, said, declared } => {
            (entry.run, entry.standing) = about(plan, run);
            entry.turns = turns(said, declared);
        }
        Change::Stop { run } => (entry.run, entry.standing) = about(plan, run),
        Change::Undecided { name, content, candidates } => {
            entry.action = None;
            entry.fields =
                candidates.first().map(|first| edits(first, name, content)).unwrap_or_default();
            entry.candidates = candidates.iter().map(candidate).collect();
        }
    }
    entry
}

/// The run an entry is about, and how it stands.
fn about(plan: &Plan, run: &DeploymentId) -> (Option<Foreign>, Option<Standing>) {
    let standing = plan.runs.get(run).map(|run| Standing {
        status: Foreign::new(run.status.to_string()),
        age_seconds: run.created.map(|created| {
            u64::try_from(plan.seen_at.duration_since(created).as_secs()).unwrap_or_default()
        }),
        tokens: run.tokens,
        started_here: run.is_from_here,
    });
    (Some(Foreign::new(run.0.as_str())), standing)
}

fn turns(said: &[Arc<str>], declared: &[Arc<str>]) -> Vec<TurnRow> {
    let sealed =
        |texts: &[Arc<str>], at: usize| texts.get(at).map(|text| Foreign::new(Arc::clone(text)));
    let rows = (0..said.len().max(declared.len())).map(|at| TurnRow {
        number: at + 1,
        said: sealed(said, at),
        declared: sealed(declared, at),
    });
    rows.collect()
}

fn fate(retirement: &Retirement) -> Fate {
    let archived_as = match &retirement.how {
        Retire::Archive { name } => Some(Foreign::new(name.as_str())),
        Retire::Delete | Retire::Destroy { .. } => None,
    };
    Fate { id: retirement.id, name: Foreign::new(retirement.name.as_str()), archived_as }
}

fn candidate(before: &Before) -> Candidate {
    let name = Foreign::new(before.name.as_str());
    Candidate { id: before.id, name, created: before.created }
}

fn renaming(from: &str, to: &str) -> FieldRow {
    let value = |name: &str| Value::Name(Foreign::new(name));
    FieldRow { name: "name", change: FieldChange::Changed(value(from), value(to)) }
}

fn every_field(
    name: &str,
    content: &Content,
    as_change: fn(Value) -> FieldChange,
) -> Vec<FieldRow> {
    let values = TASK.fields.iter().filter_map(|field| {
        let change = as_change(value(field.name, name, content)?);
        Some(FieldRow { name: field.name, change })
    });
    values.collect()
}

/// The fields in which a task differs from what is wanted.
fn edits(before: &Before, name: &str, content: &Content) -> Vec<FieldRow> {
    let differing = TASK.fields.iter().filter_map(|field| {
        let old = value(field.name, &before.name, &before.content)?;
        let new = value(field.name, name, content)?;
        let change = match (&old, &new) {
            _ if old == new => return None,
            (Value::Text(_), Value::Text(_)) => {
                FieldChange::Text(TextChange::new(before.content.prompt(), content.prompt()))
            }
            _ => FieldChange::Changed(old, new),
        };
        Some(FieldRow { name: field.name, change })
    });
    differing.collect()
}

/// Returns a task's value of a field, or `None` where a manifest has no say in it.
fn value(field: &str, name: &str, content: &Content) -> Option<Value> {
    match field {
        "name" => Some(Value::Name(Foreign::new(name))),
        "agentId" => Some(Value::Word(Foreign::new(content.agent_id().to_string()))),
        "projectPreference" => {
            Some(Value::Word(Foreign::new(content.project_preference().as_str())))
        }
        "prompt" => Some(Value::Text(Foreign::new(content.prompt().clone()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds::OnChange;
    use crate::model::{AgentId, ProjectPreference};

    use super::*;

    #[test]
    fn every_field_that_a_manifest_sets_is_shown() {
        let content = Content::new(AgentId(47), "hello", ProjectPreference::ForTask);
        for field in TASK.fields {
            let is_ours = field.on_change != OnChange::NotOurs;
            assert_eq!(value(field.name, "n", &content).is_some(), is_ours, "{}", field.name);
        }
    }

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
        let counts = Counts { withheld: 1, unchanged: 1, ..Counts::default() };
        assert_eq!(
            counts.verdict(),
            "No changes: 1 task is as declared; 1 withheld. 0 unmanaged, 0 archived, 0 scheduled."
        );
    }
}
