//! A step of a plan as an entry of its view.

use std::sync::Arc;

use crate::kinds::{AGENT, TASK};
use crate::model::{AgentId, DeploymentId, TaskId};
use crate::observed::ObservedAgent;
use crate::plan::{
    AgentChange, AgentRef, AgentUser, Before, Change, Plan, Removal, Remove, Step, TaskRef,
};
use crate::render::budget::cost;
use crate::render::escape::Untrusted;
use crate::render::lookalike::distinct;
use crate::render::rows::{FieldChange, changed, every_field};
use crate::resource::{self, Edit};

use super::{
    Candidate, DeploymentStatus, Entry, EntrySubject, RemovedTask, TurnRow, address, state,
};

/// An entry with what every step has.
fn blank(plan: &Plan, step: &Step) -> Entry {
    let terms = plan.terms.of_step(step).into_iter();
    Entry {
        address: address(step),
        action: Some(step.change.action()),
        state: state(&step.status),
        subject: None,
        reason: Untrusted::new(step.reason.as_str()),
        fields: Vec::new(),
        removals: Vec::new(),
        candidates: Vec::new(),
        users: Vec::new(),
        run: None,
        standing: None,
        terms: terms.map(|(field, value)| (field, Untrusted::new(value))).collect(),
        prompt: None,
        later: Vec::new(),
        cost: cost(plan, step),
        turns: Vec::new(),
    }
}

fn agent(plan: &Plan, step: &Step, change: &AgentChange, entry: &mut Entry) {
    let subject = |id: AgentId| Some(EntrySubject { kind: AGENT.name, id: id.0, name: None });
    entry.fields = match change {
        AgentChange::Create { object } => every_field(plan, object, FieldChange::Set),
        AgentChange::Update { agent, edits } => {
            if let AgentRef::Existing(id) = agent {
                entry.subject = subject(*id);
            }
            changed(plan, &AGENT, edits)
        }
        AgentChange::Delete { id, before } => {
            entry.subject = subject(*id);
            every_field(plan, before, FieldChange::Gone)
        }
        AgentChange::Undecided { object, candidates } => {
            entry.action = None;
            entry.candidates = candidates.iter().map(candidate_agent).collect();
            match candidates.first() {
                Some(first) => changed(plan, &AGENT, &first.object.edits(object)),
                None => every_field(plan, object, FieldChange::Set),
            }
        }
    };
    for row in &mut entry.fields {
        row.is_drifted = step.drift.contains(row.name);
    }
    let users = plan.agent_users.get(&step.key).into_iter().flatten();
    entry.users = users.map(|user| Untrusted::new(user_words(user))).collect();
}

/// Who uses an agent: by address where it is declared, and otherwise by id.
fn user_words(user: &AgentUser) -> String {
    match user {
        AgentUser::Task(key) => format!("{}.{key}", TASK.name),
        AgentUser::Agent(key) => format!("{}.{key}", AGENT.name),
        AgentUser::Unmanaged(id) => format!("{} {id}", TASK.name),
        AgentUser::UnmanagedAgent(id) => format!("{} {id}", AGENT.name),
    }
}

fn candidate_agent(agent: &ObservedAgent) -> Candidate {
    let name = Untrusted::new(agent.object.name().unwrap_or_default());
    Candidate { kind: AGENT.name, id: agent.id.0, name, created: None }
}

/// The task that an entry is about.
fn task_subject(id: TaskId, name: Option<&str>) -> EntrySubject {
    EntrySubject { kind: TASK.name, id: id.0, name: name.map(Untrusted::new) }
}

pub(super) fn entry(plan: &Plan, step: &Step) -> Entry {
    let mut entry = blank(plan, step);
    let named = |before: &Before| Some(task_subject(before.id, Some(before.name())));
    match &step.change {
        Change::Agent(change) => agent(plan, step, change, &mut entry),
        Change::Create { object } => {
            entry.fields = every_field(plan, object, FieldChange::Set);
        }
        Change::Update { id, edits } | Change::Restore { id, edits } => {
            entry.subject = Some(task_subject(*id, None));
            entry.fields = changed(plan, &TASK, edits);
        }
        Change::Replace { before, object, old } => {
            entry.subject = named(before);
            entry.fields = changed(plan, &TASK, &before.object.edits(object));
            entry.removals = old.iter().map(removed_task).collect();
        }
        Change::Remove { removal, before, .. } => match &removal.how {
            Remove::Archive { name } => {
                entry.subject = Some(task_subject(removal.id, None));
                let before = resource::Value::Text(removal.name.as_str().into());
                entry.fields = changed(plan, &TASK, &[Edit { before, ..Edit::name(name) }]);
            }
            Remove::Delete => {
                entry.subject = Some(task_subject(removal.id, None));
                entry.fields = every_field(plan, &before.object, FieldChange::Gone);
                entry.removals = vec![removed_task(removal)];
            }
            // The reason says what goes with it.
            Remove::Destroy { .. } => {
                entry.subject = Some(task_subject(removal.id, None));
                entry.fields = every_field(plan, &before.object, FieldChange::Gone);
            }
        },
        Change::Deploy { task, later, .. } => {
            if let TaskRef::Existing(id) = task {
                entry.subject = Some(task_subject(*id, None));
            }
            entry.later = texts(later);
        }
        Change::Prompt { run, prompt, later, .. } => {
            (entry.run, entry.standing) = about(plan, run);
            entry.prompt = Some(Untrusted::new(Arc::clone(prompt)));
            entry.later = texts(later);
        }
        Change::Diverged { run, said, declared } => {
            (entry.run, entry.standing) = about(plan, run);
            entry.turns = turns(said, declared);
        }
        Change::Stop { run } => (entry.run, entry.standing) = about(plan, run),
        Change::Ambiguous { object, candidates } => {
            entry.action = None;
            let edits = candidates.first().map(|first| first.object.edits(object));
            entry.fields = changed(plan, &TASK, &edits.unwrap_or_default());
            entry.candidates = candidates.iter().map(candidate).collect();
        }
    }
    entry
}

/// The deployment an entry is about, and how it stands.
fn about(plan: &Plan, run: &DeploymentId) -> (Option<Untrusted>, Option<DeploymentStatus>) {
    let standing = plan.runs.get(run).map(|run| DeploymentStatus {
        status: Untrusted::new(run.status.to_string()),
        age_seconds: run.created.map(|created| {
            u64::try_from(plan.observed_at.duration_since(created).as_secs()).unwrap_or_default()
        }),
        tokens: run.tokens,
        started_by_this_ledger: run.is_from_here,
    });
    (Some(Untrusted::new(run.0.as_str())), standing)
}

fn texts(texts: &[Arc<str>]) -> Vec<Untrusted> {
    texts.iter().map(|text| Untrusted::new(Arc::clone(text))).collect()
}

/// What was said and what is declared, place by place; what looks alike is spelled.
fn turns(said: &[Arc<str>], declared: &[Arc<str>]) -> Vec<TurnRow> {
    let sealed = |text: Option<&Arc<str>>| text.map(|text| Untrusted::new(Arc::clone(text)));
    let row = |at: usize| {
        let (said, declared) = match (said.get(at), declared.get(at)) {
            (Some(said), Some(declared)) if said != declared => {
                let (said, declared) = distinct(said, declared);
                (Some(said), Some(declared))
            }
            (said, declared) => (sealed(said), sealed(declared)),
        };
        TurnRow { number: at + 1, said, declared }
    };
    (0..said.len().max(declared.len())).map(row).collect()
}

fn removed_task(removal: &Removal) -> RemovedTask {
    let archived_as = match &removal.how {
        Remove::Archive { name } => Some(Untrusted::new(name.as_str())),
        Remove::Delete | Remove::Destroy { .. } => None,
    };
    RemovedTask { id: removal.id, name: Untrusted::new(removal.name.as_str()), archived_as }
}

fn candidate(before: &Before) -> Candidate {
    let name = Untrusted::new(before.name());
    Candidate { kind: TASK.name, id: before.id.0, name, created: before.created }
}
