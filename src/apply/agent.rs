//! Agents: made once, changed in place, deleted where nothing uses them; each confirmed by a read.
//!
//! An agent has no content of its own (contract 2.3), so what was made is compared with what was sent
//! field by field, and what the service stores otherwise is noted in the ledger: the next plan does
//! not ask again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::confirm::Presence;
use crate::apply::create::found;
use crate::apply::finding::{changed, not_noted, unsettled};
use crate::apply::settle::{BOTH_MADE, Ended, FreshLook, Settled, complete};
use crate::diag::{Code, Diagnostic, with_causes};
use crate::event::{Done, HaltReason, Outcome, StepOutcome};
use crate::kinds::{AGENT, NAME, Shape};
use crate::model::{AgentId, TaskId, has_new_number, is_rewriting_of};
use crate::observed::ObservedAgent;
use crate::plan::{AgentChange, AgentRef, Change, Step, StepId, stored_otherwise};
use crate::resource::{Edit, Object, Reference, Value};

/// The agents that this apply has made so far.
#[derive(Default)]
pub(super) struct CreatedAgents {
    steps: BTreeMap<StepId, AgentId>,
    keys: BTreeMap<String, AgentId>,
    /// The ids on the list right before the first create.
    baseline: Option<BTreeSet<AgentId>>,
    /// Whether no further one is made, because the first one is stored otherwise than it was sent.
    pub(super) is_over: bool,
}

impl CreatedAgents {
    /// Their ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = AgentId> {
        self.steps.values().copied()
    }

    /// The one that was made for a local key.
    pub(super) fn id(&self, key: &str) -> Option<AgentId> {
        self.keys.get(key).copied()
    }

    /// Takes note of the one that a step has made.
    pub(super) fn bind(&mut self, step: &Step, id: AgentId) {
        self.steps.insert(step.id, id);
        self.keys.insert(step.key.to_string(), id);
    }
}

impl Work<'_, '_> {
    /// Carries out a change of an agent.
    pub(super) async fn agent(&self, step: &Step, change: &AgentChange) -> Ended<StepOutcome> {
        match change {
            AgentChange::Create { object } => {
                self.create_agent(step, &self.fields_with_ids(object)?).await
            }
            AgentChange::Update { agent, edits } => {
                let id = match agent {
                    AgentRef::Existing(id) => *id,
                    AgentRef::MadeBy(maker) => {
                        let created = self.agents.borrow().steps.get(maker).copied();
                        created.expect("a step begins after the one it waits for is done")
                    }
                };
                self.update_agent(step, id, &self.edits_with_ids(edits)?).await
            }
            AgentChange::Delete { id, before } => self.delete_agent(step, *id, before).await,
            AgentChange::Undecided { .. } => {
                unreachable!("a step that decides nothing is never open")
            }
        }
    }

    /// Makes an agent, reads it back and gives it its name.
    ///
    /// Where the first one is stored otherwise than it was sent, no further one is made, unless other
    /// agents are known to be stored otherwise in the same fields.
    async fn create_agent(&self, step: &Step, object: &Object) -> Ended<StepOutcome> {
        let (id, mut notes) = self.make_agent(step, object).await?;
        let mut seen = self.read_agent_back(step, id).await?;
        let name = object.name().unwrap_or_default();
        if seen.object.name().is_some_and(|stored| stored != name) {
            let why = match self.send_agent_edits(step, id, &[Edit::name(name)]).await {
                Err(StepOutcome::Failed(finding) | StepOutcome::Unknown(finding)) => {
                    format!(" ({})", finding.message)
                }
                _ => String::new(),
            };
            seen = self.read_agent_back(step, id).await?;
            notes.extend(self.note_agent_name(step, &seen, name, &why).await);
        }
        let mut differing = seen.object.edits(object);
        differing.retain(|edit| edit.field != NAME);
        if differing.is_empty() {
            self.proven.borrow_mut().insert(AGENT.name);
            return Ok(StepOutcome::Done(Done { agent: Some(id), notes, ..Done::default() }));
        }
        self.note_stored(step, id, &differing).await;
        let known = &self.plan.stored_otherwise.fields;
        if differing.iter().all(|edit| known.contains(edit.field)) {
            self.proven.borrow_mut().insert(AGENT.name);
            notes.extend(differing.iter().map(|edit| stored_otherwise(&step.key, id, edit)));
            return Ok(StepOutcome::Done(Done { agent: Some(id), notes, ..Done::default() }));
        }
        if !self.proven.borrow().contains(AGENT.name) {
            self.agents.borrow_mut().is_over = true;
        }
        Err(StepOutcome::Failed(differs(&format!("agent {id} was created"), &differing)))
    }

    /// Makes an agent: one request, and a second one only after proof that the first made nothing.
    async fn make_agent(&self, step: &Step, object: &Object) -> Ended<(AgentId, Vec<Diagnostic>)> {
        self.look_for_agents().await?;
        let (key, name) = (&step.key, object.name().unwrap_or_default());
        self.note(async |ledger, now| ledger.sending_agent(key, name, now).await).await?;
        let sent = self
            .send_create(
                (AGENT.name, "by its name"),
                async || self.effects.client.create_agent(object).await,
                async || self.settle_agent(step, object).await,
            )
            .await;
        let (agent, lost) = match sent {
            Err(StepOutcome::Failed(finding)) => {
                self.note(async |ledger, now| ledger.refused_agent(key, name, now).await).await?;
                return Err(StepOutcome::Failed(finding));
            }
            sent => sent?,
        };
        let id = agent.id;
        self.bind_references(step, id);
        let mut notes = Vec::from_iter(lost.map(|lost| found(&format!("agent {id}"), &lost)));
        // The agent exists; a ledger that cannot be written now costs a proof and not the agent.
        let now = self.effects.clock.now();
        if let Err(error) = self.effects.ledger.created_agent(key, name, id, now).await {
            notes.push(not_noted(&format!("agent {id}"), &error));
        }
        Ok((id, notes))
    }

    /// Reads the list once more right before the first create, for what a neighbor made meanwhile.
    async fn look_for_agents(&self) -> Ended<()> {
        if self.agents.borrow().baseline.is_some() {
            return Ok(());
        }
        let listing = self.read(self.effects.client.list_agents().await)?;
        let Some(listing) = complete(CallOutcome::Done(listing)) else {
            return Err(changed("the list of agents is no longer complete".to_owned()));
        };
        let is_new = |agent: &&ObservedAgent| !self.plan.agents.contains_key(&agent.id);
        for agent in listing.items.iter().filter(is_new) {
            let is_named = |wanted: &Object| has_name(wanted, agent);
            if self.agents_to_make().any(|(_, wanted)| is_named(wanted)) {
                self.halt(HaltReason::MadeElsewhere);
                let message =
                    format!("agent {} with the name of one to make has appeared", agent.id);
                return Err(changed(message));
            }
        }
        let ids = listing.items.iter().map(|agent| agent.id).collect();
        self.agents.borrow_mut().baseline = Some(ids);
        Ok(())
    }

    /// The agents that the plan makes, as it declares them.
    fn agents_to_make(&self) -> impl Iterator<Item = (StepId, &Object)> {
        self.plan.ready_steps().filter_map(|step| match &step.change {
            Change::Agent(AgentChange::Create { object }) => Some((step.id, object)),
            _ => None,
        })
    }

    /// Looks for the agent that an unknown create may have made.
    ///
    /// A new id with the fields that were sent, and no other, is it; one that no create of this apply
    /// explains, or two, leave it unknown. A list may leave fields out, so each new id is read.
    async fn settle_agent(&self, step: &Step, object: &Object) -> Settled<ObservedAgent> {
        self.settle_new(
            step,
            "agents",
            |agent: &ObservedAgent| agent.id.0,
            async || {
                let listing = self.look(self.effects.client.list_agents().await)?;
                let listed: BTreeSet<AgentId> =
                    listing.items.iter().map(|agent| agent.id).collect();
                let (new, is_short) = {
                    let made = self.agents.borrow();
                    let created: BTreeSet<AgentId> = made.ids().collect();
                    let is_known = |id: &AgentId| {
                        let is_old = made.baseline.as_ref().is_some_and(|known| known.contains(id));
                        is_old || created.contains(id)
                    };
                    let new: Vec<AgentId> =
                        listed.iter().copied().filter(|id| !is_known(id)).collect();
                    (new, !created.is_subset(&listed))
                };
                let mut fresh = Vec::new();
                for id in new {
                    let CallOutcome::Done(agent) = self.effects.client.read_agent(id).await else {
                        return None;
                    };
                    let is_equal = is_made_of(object, &agent);
                    if is_equal || !self.is_explained(step, &agent) {
                        fresh.push((is_equal, agent));
                    }
                }
                Some(FreshLook { is_short, fresh })
            },
        )
        .await
    }

    /// Whether another create of this apply makes just such an agent.
    fn is_explained(&self, step: &Step, agent: &ObservedAgent) -> bool {
        let mut others = self.agents_to_make().filter(|(id, _)| *id != step.id);
        others.any(|(_, object)| {
            self.fields_with_ids(object).is_ok_and(|object| is_made_of(&object, agent))
        })
    }

    /// Says at once that somebody else has made an agent of the same name; the next plan blocks on it.
    pub(super) fn note_second_agent(&self, outcome: &mut Outcome, agent: &ObservedAgent) {
        let made = self.agents.borrow();
        let is_new = made.baseline.as_ref().is_some_and(|known| !known.contains(&agent.id));
        if !is_new || made.ids().any(|id| id == agent.id) {
            return;
        }
        for (step, object) in self.agents_to_make() {
            if let Some(own) = made.steps.get(&step).filter(|_| has_name(object, agent)) {
                let message = format!(
                    "agent {own} was created, and so was agent {} with its name, not by this apply",
                    agent.id
                );
                outcome.steps.insert(step, unsettled(message, BOTH_MADE.to_owned()));
            }
        }
    }

    /// Reads a new agent.
    async fn read_agent_back(&self, step: &Step, id: AgentId) -> Ended<ObservedAgent> {
        let mut last = String::new();
        for delay in std::iter::once(&Duration::ZERO).chain(&self.settings.settle_delays) {
            if !delay.is_zero() {
                self.wait(step, *delay).await;
            }
            match self.effects.client.read_agent(id).await {
                CallOutcome::Done(agent) => return Ok(agent),
                CallOutcome::Refused(error) if error.is_auth() => return Err(self.refused(&error)),
                CallOutcome::Refused(error)
                | CallOutcome::NotProcessed(error)
                | CallOutcome::Unknown(error) => last = with_causes(&error),
            }
        }
        self.halt(HaltReason::NotReadBack);
        let message = format!("agent {id} was made and cannot be read: {last}");
        Err(unsettled(message, "`qcops plan` once the service answers again".to_owned()))
    }

    /// Changes fields of an agent in place, and says which of them the service did not take.
    async fn update_agent(&self, step: &Step, id: AgentId, edits: &[Edit]) -> Ended<StepOutcome> {
        self.send_agent_edits(step, id, edits).await?;
        let read = async || self.effects.client.read_agent(id).await;
        let is_changed = |agent: &ObservedAgent| shows(&agent.object, edits);
        let seen = self.read_updated(&format!("agent {id}"), read, is_changed).await?;
        let stored = |edit: &Edit| seen.object.get(edit.field).clone();
        let mut notes = Vec::new();
        let mut refused: Vec<Edit> = Vec::new();
        for edit in edits {
            let before = stored(edit);
            match (&before, &edit.after) {
                (before, after) if before == after || !before.is_known() => {}
                (Value::Text(stored), Value::Text(asked))
                    if edit.field == NAME
                        && (is_rewriting_of(stored, asked) || has_new_number(stored, asked)) =>
                {
                    notes.extend(self.note_agent_name(step, &seen, asked, "").await);
                }
                _ => refused.push(Edit { before, ..edit.clone() }),
            }
        }
        if refused.is_empty() {
            return Ok(StepOutcome::Done(Done { agent: Some(id), notes, ..Done::default() }));
        }
        self.note_stored(step, id, &refused).await;
        let is_unchanged = |left: &Edit| {
            let mut asked = edits.iter().filter(|edit| edit.field == left.field);
            asked.any(|edit| edit.before == left.before)
        };
        let finding = if refused.iter().all(is_unchanged) {
            no_effect(id, &refused)
        } else {
            differs(&format!("agent {id} was updated"), &refused)
        };
        Err(StepOutcome::Failed(finding))
    }

    async fn send_agent_edits(&self, step: &Step, id: AgentId, edits: &[Edit]) -> Ended<()> {
        let send = async || self.effects.client.update_agent(id, edits).await;
        let has = async || {
            let read = self.effects.client.read_agent(id).await;
            matches!(read, CallOutcome::Done(agent) if agent.object.has(edits))
        };
        self.update_what(step, &format!("agent {id}"), edits, send, has).await
    }

    /// Deletes an agent that nothing uses and that is as the plan saw it, looked at right before.
    async fn delete_agent(&self, step: &Step, id: AgentId, before: &Object) -> Ended<StepOutcome> {
        self.expect_no_task_of(id).await?;
        self.expect_no_agent_refers_to(id).await?;
        let seen = self.read(self.effects.client.read_agent(id).await)?;
        if let Some(edit) = seen.object.edits(before).first() {
            return Err(changed(format!(
                "agent {id} has another `{}` than the plan saw",
                edit.field
            )));
        }
        let delete = async || self.effects.client.delete_agent(id).await;
        let presence = async || {
            let listing = complete(self.effects.client.list_agents().await);
            let is_listed = listing.map(|all| all.items.iter().any(|agent| agent.id == id));
            Presence::of(&self.effects.client.read_agent(id).await, is_listed)
        };
        self.delete_what(step, &format!("agent {id}"), delete, presence).await?;
        Ok(StepOutcome::Done(Done { agent: Some(id), ..Done::default() }))
    }

    async fn expect_no_task_of(&self, id: AgentId) -> Ended<()> {
        let Some(tasks) = self.look(self.effects.client.list_tasks().await) else {
            return Err(changed(format!("whether a task uses agent {id} is unknown")));
        };
        let uses = |agent: Option<AgentId>| agent.is_none_or(|used| used == id);
        let used_by: Option<TaskId> =
            tasks.items.iter().find(|task| uses(task.object.agent_id())).map(|task| task.id);
        used_by.map_or(Ok(()), |task| Err(changed(format!("task {task} may use agent {id}"))))
    }

    async fn expect_no_agent_refers_to(&self, id: AgentId) -> Ended<()> {
        let Some(agents) = self.look(self.effects.client.list_agents().await) else {
            return Err(changed(format!("whether an agent refers to agent {id} is unknown")));
        };
        for mut agent in agents.items.into_iter().filter(|agent| agent.id != id) {
            // A list may leave references out.
            if refers_to(&agent.object, id).is_none() {
                agent = self.read(self.effects.client.read_agent(agent.id).await)?;
            }
            if refers_to(&agent.object, id) != Some(false) {
                return Err(changed(format!("agent {} may refer to agent {id}", agent.id)));
            }
        }
        Ok(())
    }

    /// Says that an agent is stored under another name than the one asked for, and notes it so that
    /// the next plan does not ask again.
    async fn note_agent_name(
        &self,
        step: &Step,
        agent: &ObservedAgent,
        name: &str,
        why: &str,
    ) -> Option<Diagnostic> {
        let stored = agent.object.name().filter(|stored| *stored != name)?;
        let before = agent.object.get(NAME).clone();
        // A number at the end goes once the other agent has another name: worth asking again.
        if !has_new_number(stored, name) {
            self.note_stored(step, agent.id, &[Edit { before, ..Edit::name(name) }]).await;
        }
        let message = format!("agent {} is stored as `{stored}`{why}", agent.id);
        let note = Diagnostic::note(Code::NameRewritten, message);
        Some(if is_rewriting_of(stored, name) {
            note
        } else {
            note.help(format!("another agent may hold the name; or declare `name: {stored}`"))
        })
    }

    /// Notes fields that are stored otherwise than they were asked for.
    async fn note_stored(&self, step: &Step, id: AgentId, edits: &[Edit]) {
        for edit in edits {
            // Extra evidence: without it the next plan shows the change once more.
            let now = self.effects.clock.now();
            drop(self.effects.ledger.stored_agent(&step.key, id, edit, now).await);
        }
    }
}

/// Whether an agent has the name of a declared one, or what a service may have made of it.
fn has_name(object: &Object, agent: &ObservedAgent) -> bool {
    let names = agent.object.name().zip(object.name());
    names.is_some_and(|(stored, desired)| is_rewriting_of(stored, desired))
}

/// Whether an agent may be what was made of these fields.
fn is_made_of(object: &Object, agent: &ObservedAgent) -> bool {
    let mut differing = agent.object.edits(object).into_iter();
    has_name(object, agent) && differing.all(|edit| edit.field == NAME)
}

/// Whether an agent refers to the one with this id, where that is known.
fn refers_to(object: &Object, id: AgentId) -> Option<bool> {
    let fields = object
        .fields()
        .filter(|(field, _)| matches!(field.shape, Shape::References(_) | Shape::Sequence(_)));
    let mut refers = false;
    for (_, value) in fields {
        let Value::References(members) = value else { return None };
        refers |= members.iter().any(|(reference, _)| *reference == Reference::Id(id.0));
    }
    Some(refers)
}

/// Whether an agent shows the result of all edits, in the fields that are shown at all.
fn shows(object: &Object, edits: &[Edit]) -> bool {
    let mut shown = edits.iter().map(|edit| (object.get(edit.field), &edit.after));
    shown.all(|(stored, asked)| !stored.is_known() || stored == asked)
}

/// The names of fields, for a sentence.
fn fields(edits: &[Edit]) -> String {
    let names: Vec<String> = edits.iter().map(|edit| format!("`{}`", edit.field)).collect();
    names.join(", ")
}

/// Says that an update was answered and changed nothing.
fn no_effect(id: AgentId, edits: &[Edit]) -> Diagnostic {
    let message = format!(
        "the service answered that agent {id} was updated, and did not change {}",
        fields(edits)
    );
    Diagnostic::error(Code::NoEffect, message)
        .help("set it in the web interface, or declare what is stored")
        .help("this is noted: it is sent again only once another value is declared or stored")
}

/// Says which fields are stored otherwise than they were sent.
fn differs(what: &str, edits: &[Edit]) -> Diagnostic {
    let differing = edits.iter().map(|Edit { field, before, after }| match (before, after) {
        (Value::Text(stored), Value::Text(sent)) if stored.len().max(sent.len()) > LONGEST => {
            let same = stored.chars().zip(sent.chars()).take_while(|(stored, sent)| stored == sent);
            format!("`{field}` is stored otherwise from character {} on", same.count() + 1)
        }
        _ => format!("`{field}` is stored as `{before}`, declared as `{after}`"),
    });
    let differing = differing.collect::<Vec<_>>().join(", and ");
    let message = format!("{what}, and {differing}");
    Diagnostic::error(Code::ReadBackDiffers, message)
        .help(format!("declare {} as the service stores it", fields(edits)))
        .help("this is noted: the next apply goes on, and sends it again only once another value is declared or stored")
}

/// The longest text that a message repeats.
const LONGEST: usize = 60;
