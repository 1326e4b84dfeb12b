//! The JSON form of an observation, named here field by field.
//!
//! A field that the service did not show is null: unknown is not empty.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::{AGENT_ID, NAME, PROJECT_PREFERENCE, PROMPT, Shape, TASK};
use crate::model::{AgentId, DeploymentId, OrganizationId, TaskId, canonical_text, sha256_hex};
use crate::observation::agent::{AgentShape, agent_shape};
use crate::observation::{FORMAT_VERSION, Observation};
use crate::observed::{
    Completeness, ListedAgents, Listing, ObservedAgent, ObservedDeployment, ObservedState,
    ObservedTask, ReadResult, Schedule, Status,
};
use crate::resource::{Object, Value};
use crate::transcript::{Message, Part, Transcript};

/// What was seen of the service (see `docs/formats.md`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A snapshot of qcops")]
pub(super) struct SealedSnapshot {
    /// The version of this shape.
    format_version: u32,
    /// The version of the program that made it.
    tool_version: String,
    /// The service that was asked: its address, or the file of the emulator.
    service: String,
    /// The organization that was asked about.
    organization_id: String,
    /// When the service was looked at.
    observed_at: String,
    /// In version 1: the numbers of all agents, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    agents: Option<BTreeMap<String, Vec<u64>>>,
    /// The list of agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_agents: Option<Vec<AgentShape>>,
    /// Agents that were read one by one, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_reads: Option<BTreeMap<u64, ReadingShape<AgentShape>>>,
    /// The list of tasks.
    tasks: ListShape<TaskShape>,
    /// Tasks that were read one by one, by number.
    task_reads: BTreeMap<u64, ReadingShape<TaskShape>>,
    /// The deployments of tasks whose deployments were listed, by the number of the task.
    deployments: BTreeMap<u64, ListShape<DeploymentShape>>,
    /// What plans need of the conversations that were read, by the id of the deployment.
    conversations: BTreeMap<String, ReadingShape<KeptConversation>>,
    /// SHA-256 over all of the above.
    seal: String,
}

/// A list as it was seen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListShape<T> {
    /// Why it is not complete; null where it is.
    gap: Option<String>,
    /// What it held, in the order of the service.
    items: Vec<T>,
}

/// What a single read brought; the words say why it brought nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ReadingShape<T> {
    /// It was there.
    Seen(T),
    /// The service said no.
    Refused(String),
    /// The answer did not show it.
    Unreadable(String),
}

/// A task; null where a field was not shown.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TaskShape {
    task_id: u64,
    organization_id: Option<String>,
    name: Option<String>,
    agent_id: Option<u64>,
    /// In canonical form.
    prompt: Option<String>,
    project_preference: Option<String>,
    /// How many deployments it has had.
    deployment_count: Option<u64>,
    /// In the zone of the service.
    created: Option<String>,
    updated: Option<String>,
    /// Its deployments that are active.
    active: Option<Vec<String>>,
    schedule: ScheduleShape,
    notification_count: Option<usize>,
}

/// The schedule of a task.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ScheduleShape {
    /// It was not shown.
    Unknown,
    /// There is none.
    Unset,
    /// There is one, in the words of the service.
    Set(String),
}

/// A deployment; null where a field was not shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentShape {
    pub(super) deployment_id: String,
    task_id: Option<u64>,
    agent_id: Option<u64>,
    /// In canonical form.
    pub(super) prompt: Option<String>,
    /// The word of the service.
    pub(super) status: String,
    /// In the zone of the service.
    created: Option<String>,
    ended: Option<String>,
    runtime_error: Option<String>,
}

/// What plans need of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptConversation {
    messages: Vec<MessageShape>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// A turn: who spoke and when, and of users the hash of what they said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MessageShape {
    role: Option<String>,
    /// When, as the service wrote it.
    time: Option<String>,
    /// SHA-256 over the words of a user in canonical form; null for others, and where it was not shown.
    sha256: Option<String>,
    /// Those words, where the plan shows them.
    text: Option<String>,
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    format_version: u64,
}

/// Reads the version before anything else is judged.
pub(super) fn version_of(bytes: &[u8]) -> Result<u64, serde_json::Error> {
    serde_json::from_slice::<Versioned>(bytes).map(|versioned| versioned.format_version)
}

impl SealedSnapshot {
    /// The form of an observation, not sealed yet.
    pub(super) fn of(observation: &Observation) -> Self {
        let Observation { service, agents, state, conversations } = observation;
        // Spelled out, so that what is new in a snapshot cannot be forgotten here.
        let ObservedState {
            organization_id,
            observed_at,
            agent_reads,
            tasks,
            task_reads,
            deployments,
            conversations: _,
        } = state;
        let agent_reads = agent_reads.iter().map(|(id, reading)| {
            (id.0, ReadingShape::of(reading, |agent| agent_shape(agent.id, &agent.object)))
        });
        let task_reads =
            task_reads.iter().map(|(id, reading)| (id.0, ReadingShape::of(reading, task_shape)));
        let deployments =
            deployments.iter().map(|(id, listing)| (id.0, ListShape::of(listing, run_shape)));
        let conversations = conversations
            .iter()
            .map(|(id, reading)| (id.0.clone(), ReadingShape::of(reading, Clone::clone)));
        Self {
            format_version: FORMAT_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            service: service.clone(),
            organization_id: organization_id.0.clone(),
            observed_at: observed_at.to_string(),
            agents: None,
            listed_agents: Some(
                agents.iter().map(|(id, object)| agent_shape(*id, object)).collect(),
            ),
            agent_reads: Some(agent_reads.collect()),
            tasks: ListShape::of(tasks, task_shape),
            task_reads: task_reads.collect(),
            deployments: deployments.collect(),
            conversations: conversations.collect(),
            seal: String::new(),
        }
    }

    /// Puts the seal on it.
    pub(super) fn sealed(mut self) -> Self {
        self.seal = self.hash();
        self
    }

    /// Whether it says what it said when it was sealed.
    pub(super) fn is_whole(&self) -> bool {
        self.seal == self.hash()
    }

    /// The hash over everything but the seal.
    fn hash(&self) -> String {
        let unsealed = Self { seal: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsealed).expect("texts and numbers are always JSON");
        sha256_hex(text.as_bytes())
    }

    /// Returns what it says, or what in it means nothing.
    pub(super) fn open(self) -> Result<Observation, String> {
        let named = self.agents.unwrap_or_default();
        let named = named.iter().flat_map(|(name, ids)| ids.iter().map(move |id| (id, name)));
        let mut agents: ListedAgents =
            named.map(|(id, name)| (AgentId(*id), Object::agent(name))).collect();
        for agent in self.listed_agents.unwrap_or_default() {
            let ObservedAgent { id, object } = agent.open()?;
            agents.insert(id, object);
        }
        let agent_reads = self
            .agent_reads
            .unwrap_or_default()
            .into_iter()
            .map(|(id, reading)| Ok((AgentId(id), reading.open(AgentShape::open)?)))
            .collect::<Result<_, String>>()?;
        let tasks = self.tasks.open(TaskShape::open)?;
        let task_reads = self
            .task_reads
            .into_iter()
            .map(|(id, reading)| Ok((TaskId(id), reading.open(TaskShape::open)?)))
            .collect::<Result<_, String>>()?;
        let deployments = self
            .deployments
            .into_iter()
            .map(|(id, list)| Ok((TaskId(id), list.open(DeploymentShape::open)?)))
            .collect::<Result<_, String>>()?;
        let conversations = self
            .conversations
            .into_iter()
            .map(|(id, reading)| Ok((DeploymentId(id), reading.open(KeptConversation::checked)?)))
            .collect::<Result<_, String>>()?;
        let state = ObservedState {
            organization_id: OrganizationId(self.organization_id),
            agent_reads,
            observed_at: read("observed_at", &self.observed_at)?,
            tasks,
            task_reads,
            deployments,
            conversations: BTreeMap::new(),
        };
        Ok(Observation { service: self.service, agents, state, conversations })
    }
}

impl<S> ListShape<S> {
    fn of<T>(listing: &Listing<T>, shape: impl Fn(&T) -> S) -> Self {
        let gap = match &listing.coverage {
            Completeness::Complete => None,
            Completeness::Partial(why) => Some(why.clone()),
        };
        Self { gap, items: listing.items.iter().map(shape).collect() }
    }

    fn open<T>(self, open: impl Fn(S) -> Result<T, String>) -> Result<Listing<T>, String> {
        let items = self.items.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Listing {
            items,
            coverage: self.gap.map_or(Completeness::Complete, Completeness::Partial),
        })
    }
}

impl<S> ReadingShape<S> {
    fn of<T>(reading: &ReadResult<T>, shape: impl Fn(&T) -> S) -> Self {
        match reading {
            ReadResult::Seen(seen) => Self::Seen(shape(seen)),
            ReadResult::Refused(why) => Self::Refused(why.clone()),
            ReadResult::Unreadable(why) => Self::Unreadable(why.clone()),
        }
    }

    fn open<T>(self, open: impl Fn(S) -> Result<T, String>) -> Result<ReadResult<T>, String> {
        Ok(match self {
            Self::Seen(seen) => ReadResult::Seen(open(seen)?),
            Self::Refused(why) => ReadResult::Refused(why),
            Self::Unreadable(why) => ReadResult::Unreadable(why),
        })
    }
}

fn task_shape(task: &ObservedTask) -> TaskShape {
    let ObservedTask {
        id,
        organization_id,
        object,
        deployment_count,
        // No plan shows it: it tells whether kept facts hold.
        last_deployment: _,
        created,
        updated,
        active,
        schedule,
        notification_count,
    } = task;
    let text = |field| object.text(field).map(ToString::to_string);
    TaskShape {
        task_id: id.0,
        organization_id: organization_id.as_ref().map(|id| id.0.clone()),
        name: text(NAME),
        agent_id: object.agent_id().map(|id| id.0),
        prompt: text(PROMPT),
        project_preference: text(PROJECT_PREFERENCE),
        deployment_count: *deployment_count,
        created: created.map(|at| at.to_string()),
        updated: updated.map(|at| at.to_string()),
        active: active.as_ref().map(|runs| runs.iter().map(|run| run.0.clone()).collect()),
        schedule: match schedule {
            Schedule::Unknown => ScheduleShape::Unknown,
            Schedule::Unset => ScheduleShape::Unset,
            Schedule::Set(words) => ScheduleShape::Set(words.clone()),
        },
        notification_count: *notification_count,
    }
}

impl TaskShape {
    fn open(self) -> Result<ObservedTask, String> {
        let text = |shape, text: Option<String>| text.map(|text| Value::text(shape, text));
        let (name, prompt) = (text(Shape::Line, self.name), text(Shape::LongText, self.prompt));
        let values = TASK.managed().map(|field| match field.name {
            NAME => name.clone(),
            AGENT_ID => self.agent_id.map(Value::Integer),
            PROJECT_PREFERENCE => text(field.shape, self.project_preference.clone()),
            PROMPT => prompt.clone(),
            _ => None,
        });
        let values = values.map(|value| value.unwrap_or(Value::Unknown)).collect::<Vec<_>>();
        Ok(ObservedTask {
            id: TaskId(self.task_id),
            organization_id: self.organization_id.map(OrganizationId),
            object: Object::new(&TASK, values),
            deployment_count: self.deployment_count,
            last_deployment: None,
            created: time("created", self.created)?,
            updated: time("updated", self.updated)?,
            active: self.active.map(|runs| runs.into_iter().map(DeploymentId).collect()),
            schedule: match self.schedule {
                ScheduleShape::Unknown => Schedule::Unknown,
                ScheduleShape::Unset => Schedule::Unset,
                ScheduleShape::Set(words) => Schedule::Set(words),
            },
            notification_count: self.notification_count,
        })
    }
}

pub(super) fn run_shape(run: &ObservedDeployment) -> DeploymentShape {
    let ObservedDeployment { id, task_id, agent_id, prompt, status, created, ended, runtime_error } =
        run;
    DeploymentShape {
        deployment_id: id.0.clone(),
        task_id: task_id.map(|id| id.0),
        agent_id: agent_id.map(|id| id.0),
        prompt: prompt.as_deref().map(str::to_owned),
        status: status.to_string(),
        created: created.map(|at| at.to_string()),
        ended: ended.map(|at| at.to_string()),
        runtime_error: runtime_error.clone(),
    }
}

impl DeploymentShape {
    pub(super) fn open(self) -> Result<ObservedDeployment, String> {
        Ok(ObservedDeployment {
            id: DeploymentId(self.deployment_id),
            task_id: self.task_id.map(TaskId),
            agent_id: self.agent_id.map(AgentId),
            prompt: self.prompt.map(|text| canonical_text(&text).into()),
            status: Status::from_wire(&self.status),
            created: time("created", self.created)?,
            ended: time("ended", self.ended)?,
            runtime_error: self.runtime_error,
        })
    }
}

impl KeptConversation {
    /// Keeps who spoke; what users said as hashes, in words only where the plan quotes them.
    pub(super) fn new(transcript: &Transcript, is_quoted: bool) -> Self {
        let Transcript { messages, input_tokens, output_tokens } = transcript;
        let messages = messages.iter().map(|message| {
            let words = message.text().filter(|_| message.is_of("user"));
            let words = words.map(|words| canonical_text(&words).into_owned());
            MessageShape {
                role: message.role.clone(),
                time: message.time.clone(),
                sha256: words.as_ref().map(|words| sha256_hex(words.as_bytes())),
                text: words.filter(|_| is_quoted),
            }
        });
        let messages = messages.collect();
        Self { messages, input_tokens: *input_tokens, output_tokens: *output_tokens }
    }

    /// Keeps what users said and what they said it after, and the end; `None` where that cannot be told.
    pub(super) fn condensed(transcript: &Transcript) -> Option<Self> {
        transcript.user_turns().ok()?;
        let whole = Self::new(transcript, false);
        let is_of_user =
            |at: usize| transcript.messages.get(at).is_some_and(|one| one.is_of("user"));
        let last = whole.messages.len() - 1;
        let messages = whole.messages.into_iter().enumerate();
        let messages = messages
            .filter(|(at, _)| *at == last || is_of_user(*at) || is_of_user(at + 1))
            .map(|(_, message)| message);
        Some(Self { messages: messages.collect(), ..whole })
    }

    /// Holds every text against its hash.
    fn checked(self) -> Result<Self, String> {
        for message in &self.messages {
            let words = message.text.as_deref().map(|text| sha256_hex(text.as_bytes()));
            if words.is_some() && words != message.sha256 {
                return Err("a turn does not have the hash that stands beside it".to_owned());
            }
        }
        Ok(self)
    }

    /// The conversation as far as it is kept; words are found among `known` by their hash.
    pub(super) fn transcript(&self, known: &BTreeMap<String, Arc<str>>) -> Transcript {
        let words = |message: &MessageShape| {
            let hash = message.sha256.as_deref()?;
            let kept = message.text.as_deref().or_else(|| known.get(hash).map(|text| &**text));
            Some(kept.map_or_else(|| format!("(left out: sha256 {hash})"), str::to_owned))
        };
        let messages = self.messages.iter().map(|message| {
            let words = words(message).map(|words| vec![Part::Text(words)]);
            let (role, time) = (message.role.clone(), message.time.clone());
            Message { role, time, parts: words }
        });
        let (input_tokens, output_tokens) = (self.input_tokens, self.output_tokens);
        Transcript { messages: messages.collect(), input_tokens, output_tokens }
    }
}

fn time<T: FromStr>(field: &str, text: Option<String>) -> Result<Option<T>, String> {
    text.map(|text| read(field, &text)).transpose()
}

fn read<T: FromStr>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{field}` is no time"))
}
