//! Agents that go: only one that nothing uses, and of which Git knows every field that is lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, Diagnostic};
use crate::evidence::AgentEvidence;
use crate::kinds::Shape;
use crate::model::{AgentId, Key, TaskId};
use crate::observed::ObservedTask;
use crate::plan::agent_matcher::{differences, equals};
use crate::plan::agent_users::{AgentUsers, Referred, references};
use crate::plan::agents::KnownAgents;
use crate::plan::{
    AgentChange, AgentRef, AgentUser, Change, PlanInputs, Remove, Step, StepId, StepStatus,
};
use crate::resource::{Object, Value};

/// The most users that a finding names.
const MOST_NAMED: usize = 5;

/// What is known of the whole plan where agents are removed.
pub(super) struct AgentRemoval<'a, 'b> {
    pub(super) inputs: &'b PlanInputs<'a>,
    pub(super) tasks: &'b BTreeMap<TaskId, &'a ObservedTask>,
    pub(super) agents: &'b KnownAgents<'a>,
    pub(super) users: &'b AgentUsers,
    /// Whether what is declared stays.
    pub(super) keeps_declared: bool,
}

impl AgentRemoval<'_, '_> {
    /// Adds the steps of owned agents that are no longer declared.
    pub(super) fn undeclared(&self, steps: &mut Vec<Step>) -> BTreeMap<StepId, Diagnostic> {
        let options = self.inputs.options;
        let is_target = |key: &Key| !options.has_targets() || options.target_agents.contains(key);
        let orphans = self.agents.orphans.iter().filter(|(key, _)| is_target(key));
        let orphans: Vec<(&Key, AgentId)> = orphans.copied().collect();
        self.plan(&orphans, "it is no longer declared", steps)
    }

    /// Adds a step for every agent, behind the steps after which nothing uses it any more; returns
    /// what stands against each.
    pub(super) fn plan(
        &self,
        going: &[(&Key, AgentId)],
        reason: &str,
        steps: &mut Vec<Step>,
    ) -> BTreeMap<StepId, Diagnostic> {
        let first = steps.len();
        for (key, id) in going {
            let before = self.agents.observed[id].clone();
            let change = Change::Agent(AgentChange::Delete { id: *id, before });
            steps.push(Step::new(
                StepId(steps.len()),
                key,
                change,
                reason.to_owned(),
                StepStatus::Ready,
            ));
        }
        let freeing = Freeing::of(steps, self.agents);
        let mut held = BTreeMap::new();
        for (at, (key, id)) in going.iter().enumerate() {
            let step = &mut steps[first + at];
            let mut staying: BTreeSet<&AgentUser> = BTreeSet::new();
            if self.keeps_declared {
                staying.extend(self.users.desired(*id));
            }
            for user in self.users.observed(*id) {
                match self.freed_by(&freeing, user, *id) {
                    Some(freed) if freed == step.id => {}
                    Some(freed) => drop(step.after.insert(freed)),
                    None => drop(staying.insert(user)),
                }
            }
            let staying: Vec<&AgentUser> = staying.into_iter().collect();
            let finding = if staying.is_empty() {
                self.lost(key, *id)
            } else {
                Some(self.in_use(*id, &staying))
            };
            held.extend(finding.map(|finding| (step.id, finding)));
        }
        held
    }

    /// The step that ends this use; `None` where nothing does.
    fn freed_by(&self, freeing: &Freeing, user: &AgentUser, id: AgentId) -> Option<StepId> {
        let by_agent = |user: AgentId| {
            let (step, left) = freeing.agents.get(&user)?;
            (!left.contains(&Referred::Id(id))).then_some(*step)
        };
        match user {
            AgentUser::Unmanaged(task) => freeing.tasks.get(task).copied(),
            AgentUser::Task(key) => freeing.tasks.get(self.users.task_ids.get(key)?).copied(),
            AgentUser::UnmanagedAgent(user) => by_agent(*user),
            AgentUser::Agent(key) => by_agent(*self.agents.matches.by_key.get(key)?),
        }
    }

    fn in_use(&self, id: AgentId, users: &[&AgentUser]) -> Diagnostic {
        let mut words: Vec<String> =
            users.iter().take(MOST_NAMED).map(|user| self.user(user)).collect();
        if users.len() > MOST_NAMED {
            words.push(format!("{} more", users.len() - MOST_NAMED));
        }
        let message = format!("agent {id} is used by {}", super::ambiguous::listed(&words));
        let finding = Diagnostic::blocked(Code::AgentInUse, message)
            .help("declare another agent for what is declared, and delete the rest in the web interface")
            .help("or declare the agent again");
        let is_archived = |user: &&&AgentUser| matches!(user, AgentUser::Unmanaged(task) if self.users.archived.contains(task));
        match users.iter().find(is_archived) {
            Some(_) => finding.help("archived tasks go with `qcops destroy --archived`"),
            None => finding,
        }
    }

    fn user(&self, user: &AgentUser) -> String {
        match user {
            AgentUser::Task(key) => format!("`task.{key}`"),
            AgentUser::Agent(key) => format!("`agent.{key}`"),
            AgentUser::Unmanaged(id) => match self.tasks.get(id).and_then(|task| task.name()) {
                Some(name) => format!("task {id} `{name}`"),
                None => format!("task {id}"),
            },
            AgentUser::UnmanagedAgent(id) => {
                match self.agents.observed.get(id).and_then(Object::name) {
                    Some(name) => format!("agent {id} `{name}`"),
                    None => format!("agent {id}"),
                }
            }
        }
    }

    /// What would be lost with an agent, because no version of the manifest holds it.
    fn lost(&self, key: &Key, id: AgentId) -> Option<Diagnostic> {
        let observed = &self.agents.observed[&id];
        let versions: Vec<&Object> = self
            .inputs
            .evidence
            .agents
            .get(key)
            .into_iter()
            .flat_map(|known: &AgentEvidence| &known.versions)
            .collect();
        if versions.iter().any(|version| {
            equals(version, observed) && undeclared_texts(version, observed).is_empty()
        }) {
            return None;
        }
        let newest = versions.first();
        let fields = newest.map(|version| {
            let mut fields = differences(version, observed);
            fields.extend(undeclared_texts(version, observed));
            fields
        });
        let message = match fields.filter(|fields| !fields.is_empty()) {
            Some(fields) => {
                let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
                format!(
                    "no version of the manifest holds {} of agent {id}",
                    super::ambiguous::listed(&fields)
                )
            }
            None => format!("no version of the manifest holds the fields of agent {id}"),
        };
        let finding = Diagnostic::blocked(Code::NotInHistory, message);
        Some(finding.help("save them with `qcops pull`, commit that, then remove the entry again"))
    }
}

/// Long texts that an agent shows and a version leaves out: they would be lost with it.
fn undeclared_texts(version: &Object, observed: &Object) -> Vec<&'static str> {
    let is_lost = |value: &Value| matches!(value, Value::Text(text) if !text.is_empty());
    let texts = observed.fields().filter(|(field, value)| {
        matches!(field.shape, Shape::LongText)
            && is_lost(value)
            && !version.get(field.name).is_known()
    });
    texts.map(|(field, _)| field.name).collect()
}

/// The steps after which somebody no longer uses an agent.
struct Freeing {
    tasks: BTreeMap<TaskId, StepId>,
    /// Each with what it still refers to then.
    agents: BTreeMap<AgentId, (StepId, BTreeSet<Referred>)>,
}

impl Freeing {
    fn of(steps: &[Step], agents: &KnownAgents<'_>) -> Self {
        let mut freeing = Self { tasks: BTreeMap::new(), agents: BTreeMap::new() };
        for step in steps {
            match &step.change {
                Change::Remove { removal, .. } if is_gone(&removal.how) => {
                    freeing.tasks.insert(removal.id, step.id);
                }
                Change::Replace { old, .. } => {
                    let gone = old.iter().filter(|old| is_gone(&old.how));
                    freeing.tasks.extend(gone.map(|old| (old.id, step.id)));
                }
                Change::Agent(AgentChange::Delete { id, .. }) => {
                    freeing.agents.insert(*id, (step.id, BTreeSet::new()));
                }
                Change::Agent(AgentChange::Update { agent: AgentRef::Existing(id), edits }) => {
                    let after = edits.iter().fold(agents.observed[id].clone(), |object, edit| {
                        object.with(edit.field, edit.after.clone())
                    });
                    freeing.agents.insert(*id, (step.id, references(&after)));
                }
                _ => {}
            }
        }
        freeing
    }
}

fn is_gone(how: &Remove) -> bool {
    matches!(how, Remove::Delete | Remove::Destroy { .. })
}
