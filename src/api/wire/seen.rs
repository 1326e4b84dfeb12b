//! From the service's objects to what the rest of the program sees.
//!
//! Each object becomes its `Observed…` type or the words why it cannot, and each list a
//! [`Listing`] that says whether it was all there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use jiff::civil::DateTime;
use serde::Deserialize;
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;

use crate::api::wire::ReplyBody;
use crate::api::wire::loose::{Count, List, Loose, LooseField, LooseText, Number, Setting};
use crate::api::wire::paging::Paging;
use crate::api::wire::rows::{Resource, resource};
use crate::api::wire::time::service_time;
use crate::kinds::{AGENT, TASK};
use crate::model::{AgentId, DeploymentId, OrganizationId, TaskId, canonical_text};
use crate::observed::{
    Completeness, LastDeployment, Listing, ObservedAgent, ObservedDeployment, ObservedTask,
    Schedule, Status,
};
use crate::resource::{Object, ObjectInterner};

/// What is read of an agent beside its fields (contract 2.6).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentRest {
    id: LooseField<Number>,
}

/// What is read of a task beside its fields (contract 3.6).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskRest<'a> {
    id: LooseField<Number>,
    #[serde(borrow)]
    organization_id: LooseText<'a>,
    deployments: LooseField<Number>,
    last_deployment_id: LooseField<Number>,
    #[serde(borrow)]
    last_deployment_time: LooseText<'a>,
    #[serde(borrow)]
    created: LooseText<'a>,
    #[serde(borrow)]
    updated: LooseText<'a>,
    #[serde(borrow)]
    status: LooseField<List<StatusWire<'a>>>,
    #[serde(borrow)]
    schedule: LooseField<Setting<'a>>,
    #[serde(borrow)]
    schedule_human: LooseField<Setting<'a>>,
    #[serde(borrow)]
    upcoming_deployments: LooseField<Setting<'a>>,
    notifications: LooseField<Count>,
}

/// An entry of a task's active deployments (contract 3.6).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StatusWire<'a> {
    #[serde(borrow)]
    deployment_id: LooseText<'a>,
    #[serde(borrow)]
    status: LooseText<'a>,
}

/// A deployment (contract 4.8).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DeploymentWire<'a> {
    #[serde(borrow)]
    deployment_id: LooseText<'a>,
    task_id: LooseField<Number>,
    agent_id: LooseField<Number>,
    #[serde(borrow)]
    prompt: LooseText<'a>,
    #[serde(borrow)]
    status: LooseText<'a>,
    #[serde(borrow)]
    created: LooseText<'a>,
    #[serde(borrow)]
    ended: LooseText<'a>,
    #[serde(borrow)]
    runtime_error: LooseText<'a>,
}

/// The second place of a new deployment's id (contract 4.1).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DebugWire<'a> {
    #[serde(borrow)]
    id: LooseText<'a>,
}

/// Lets a type be read from an object and from nothing else: derived code would take an array too.
macro_rules! from_object_only {
    ($($wire:ident),*) => {$(
        impl<'de: 'a, 'a> Loose<'de> for $wire<'a> {
            type Context = ();

            fn from_map<A: MapAccess<'de>>(map: A, (): &()) -> Result<Option<Self>, A::Error> {
                Self::deserialize(MapAccessDeserializer::new(map)).map(Some)
            }
        }
    )*};
}
from_object_only!(StatusWire, DeploymentWire, DebugWire);

/// An agent (contract 2.6).
pub(super) type AgentWire = Resource<AgentRest>;

impl<'de> Loose<'de> for AgentWire {
    type Context = ();

    fn from_map<A: MapAccess<'de>>(map: A, (): &()) -> Result<Option<Self>, A::Error> {
        resource(&AGENT, map, &ObjectInterner::default()).map(Some)
    }
}

/// A task (contract 3.6), or why it is none. It is lowered as it is read, because a list holds many.
#[derive(Debug)]
pub(super) struct TaskWire(Result<ObservedTask, &'static str>);

impl<'de> Loose<'de> for TaskWire {
    type Context = ObjectInterner;

    fn from_map<A: MapAccess<'de>>(
        map: A,
        interner: &ObjectInterner,
    ) -> Result<Option<Self>, A::Error> {
        let Resource::<TaskRest<'_>> { object, rest } = resource(&TASK, map, interner)?;
        Ok(Some(Self(rest.lower(object))))
    }
}

impl TaskWire {
    /// Returns it, or why it is none of the organization's tasks.
    fn of(self, organization_id: &OrganizationId) -> Result<ObservedTask, String> {
        let task = self.0?;
        match &task.organization_id {
            Some(owner) if owner != organization_id => {
                Err(format!("task {} belongs to another organization", task.id))
            }
            _ => Ok(task),
        }
    }
}

impl TaskRest<'_> {
    /// Returns what was seen, or why it is no task.
    fn lower(self, object: Object) -> Result<ObservedTask, &'static str> {
        let schedule = self.lower_schedule();
        let id = self.id.value().map(|id| TaskId(id.0)).ok_or("has no id")?;
        let owner = self.organization_id.value().map(|text| OrganizationId(text.into_owned()));
        let last = self.last_deployment_id.value().zip(time(self.last_deployment_time));
        Ok(ObservedTask {
            id,
            organization_id: owner,
            object,
            deployment_count: self.deployments.value().map(|count| count.0),
            last_deployment: last
                .map(|(number, created)| LastDeployment { number: number.0, created }),
            created: time(self.created),
            updated: time(self.updated),
            active: lower_active(self.status),
            schedule,
            notification_count: match self.notifications {
                LooseField::Is(count) => Some(count.0),
                LooseField::Null => Some(0),
                LooseField::Missing | LooseField::Odd => None,
            },
        })
    }

    /// Any sign of a schedule counts; only a field that is there and empty says there is none.
    fn lower_schedule(&self) -> Schedule {
        let signs = [&self.schedule, &self.schedule_human, &self.upcoming_deployments];
        let text = signs.into_iter().find_map(|sign| match sign {
            LooseField::Is(Setting::Text(text)) => Some(text.to_string()),
            _ => None,
        });
        let is_set = |sign: &&LooseField<Setting<'_>>| {
            matches!(sign, LooseField::Odd | LooseField::Is(Setting::Other | Setting::Text(_)))
        };
        if signs.iter().any(is_set) {
            Schedule::Set(text.unwrap_or_else(|| "set, but not shown as text".to_owned()))
        } else if self.schedule == LooseField::Missing {
            Schedule::Unknown
        } else {
            Schedule::Unset
        }
    }
}

/// The ids of active deployments; unknown as a whole where one entry cannot be understood.
fn lower_active(status: LooseField<List<StatusWire<'_>>>) -> Option<Vec<DeploymentId>> {
    let entries = match status {
        LooseField::Is(List(entries)) => entries,
        LooseField::Null => Vec::new(),
        LooseField::Missing | LooseField::Odd => return None,
    };
    let mut active = Vec::new();
    for entry in entries {
        let entry = entry.value()?;
        let id = deployment_id(entry.deployment_id)?;
        if !entry.status.value().is_some_and(|word| Status::from_wire(&word).is_terminal()) {
            active.push(id);
        }
    }
    Some(active)
}

impl DeploymentWire<'_> {
    /// Returns what was seen, or why it is none of the task's deployments.
    fn lower(self, debug_id: Option<DeploymentId>) -> Result<ObservedDeployment, String> {
        let id = deployment_id(self.deployment_id).or(debug_id).ok_or("has no id")?;
        let status = self.status.value();
        Ok(ObservedDeployment {
            id,
            task_id: self.task_id.value().map(|id| TaskId(id.0)),
            agent_id: self.agent_id.value().map(|id| AgentId(id.0)),
            prompt: canonical(self.prompt.value()),
            // A status that is not shown is not terminal; waiting for one is bounded (contract 15.10).
            status: Status::from_wire(status.as_deref().unwrap_or("unknown").trim()),
            created: time(self.created),
            ended: time(self.ended),
            runtime_error: self
                .runtime_error
                .value()
                .filter(|text| !text.trim().is_empty())
                .map(Cow::into_owned),
        })
    }
}

fn canonical(prompt: Option<Cow<'_, str>>) -> Option<Arc<str>> {
    prompt.map(|prompt| canonical_text(&prompt).into())
}

fn time(field: LooseText<'_>) -> Option<DateTime> {
    service_time(&field.value()?)
}

fn deployment_id(field: LooseText<'_>) -> Option<DeploymentId> {
    field.value().filter(|id| !id.trim().is_empty()).map(|id| DeploymentId(id.into_owned()))
}

/// Returns the task of an answer, or why there is none.
pub(crate) fn task(
    reply: ReplyBody<'_>,
    organization_id: &OrganizationId,
) -> Result<ObservedTask, String> {
    let task = reply.tasks.one.value().ok_or("the answer has no `task`")?;
    task.of(organization_id).map_err(|words| in_answer(TASK.calls.one, &words))
}

/// Returns the deployment of an answer, or why there is none.
pub(crate) fn deployment(reply: ReplyBody<'_>) -> Result<ObservedDeployment, String> {
    let deployment = reply.deployment.value().ok_or("the answer has no `deployment`")?;
    deployment.lower(None).map_err(|words| in_answer("deployment", &words))
}

/// Returns the deployment just started for `task`: its id is in one of two places (contract 4.1).
pub(crate) fn created_deployment(
    reply: ReplyBody<'_>,
    task: TaskId,
) -> Result<ObservedDeployment, String> {
    let debug_id = reply.debug.value().and_then(|debug| deployment_id(debug.id));
    let wire = reply.deployment.value().unwrap_or_default();
    let seen = wire.lower(debug_id).map_err(|words| in_answer("deployment", &words))?;
    match seen.task_id {
        Some(other) if other != task => Err(format!("the deployment is one of task {other}")),
        _ => Ok(seen),
    }
}

fn in_answer(payload: &str, words: &str) -> String {
    if words.starts_with(payload) { words.to_owned() } else { format!("the {payload} {words}") }
}

/// Returns the tasks of a list answer, and whether they are all.
pub(crate) fn task_listing(
    reply: ReplyBody<'_>,
    organization_id: &OrganizationId,
) -> Listing<ObservedTask> {
    listing(
        (reply.complaint(), &reply.paging),
        reply.tasks.many,
        TASK.calls.many,
        |wire: TaskWire| wire.of(organization_id).map(|seen| (seen.id, seen)),
    )
}

/// Returns the deployments of `task` in a list answer, and whether they are all.
pub(crate) fn deployment_listing(
    reply: ReplyBody<'_>,
    task: TaskId,
) -> Listing<ObservedDeployment> {
    listing(
        (reply.complaint(), &reply.paging),
        reply.deployments,
        "deployments",
        |wire: DeploymentWire<'_>| {
            let seen = wire.lower(None)?;
            match seen.task_id {
                Some(other) if other != task => Err(format!("{} is one of task {other}", seen.id)),
                _ => Ok((seen.id.clone(), seen)),
            }
        },
    )
}

/// Returns the agent of an answer, or why there is none.
pub(crate) fn agent(reply: ReplyBody<'_>) -> Result<ObservedAgent, String> {
    let agent = reply.agent.value().ok_or("the answer has no `agent`")?;
    lower_agent(agent).map_err(|words| in_answer(AGENT.calls.one, &words))
}

/// Returns the agents of a list answer, and whether they are all.
pub(crate) fn agent_listing(reply: ReplyBody<'_>) -> Listing<ObservedAgent> {
    listing(
        (reply.complaint(), &reply.paging),
        reply.agents,
        AGENT.calls.many,
        |wire: AgentWire| lower_agent(wire).map(|seen| (seen.id, seen)),
    )
}

fn lower_agent(wire: AgentWire) -> Result<ObservedAgent, String> {
    let id = wire.rest.id.value().map(|id| AgentId(id.0)).ok_or("has no id")?;
    Ok(ObservedAgent { id, object: wire.object })
}

/// Lowers a list; whatever cannot be understood, or stands twice, makes it partial, and so does a
/// complaint beside it, or a word of more to come.
///
/// A missing key is no empty list, but null is one (contract 15.5).
fn listing<W, S, I: Ord + Clone + Display>(
    (complaint, paging): (Option<String>, &Paging),
    field: LooseField<List<W>>,
    key: &str,
    lower: impl Fn(W) -> Result<(I, S), String>,
) -> Listing<S> {
    let entries = match field {
        LooseField::Is(List(entries)) => entries,
        LooseField::Null => Vec::new(),
        LooseField::Missing => return partial(format!("the answer has no `{key}`")),
        LooseField::Odd => return partial(format!("`{key}` is not a list")),
    };
    let mut ids = BTreeSet::new();
    let mut problems = Problems::default();
    if let Some(complaint) = complaint {
        problems.add(|| format!("the service says beside it: {complaint}"));
    }
    if let Some(gap) = paging.gap(entries.len()) {
        problems.add(|| gap);
    }
    let lowered = |(index, entry)| {
        let lowered = match entry {
            LooseField::Is(wire) => lower(wire),
            _ => Err("is not an object".to_owned()),
        };
        match lowered {
            Ok((id, seen)) if !ids.contains(&id) => {
                ids.insert(id);
                return Some(seen);
            }
            Ok((id, _)) => problems.add(|| format!("id {id} is listed twice")),
            Err(words) => problems.add(|| format!("entry {} of `{key}`: {words}", index + 1)),
        }
        None
    };
    // Collected in the memory of the entries, so that a long list is not held twice.
    let items = entries.into_iter().enumerate().filter_map(lowered).collect();
    Listing { items, coverage: problems.coverage() }
}

fn partial<S>(words: String) -> Listing<S> {
    Listing { items: Vec::new(), coverage: Completeness::Partial(words) }
}

/// What is wrong with a list: the first few in words, the rest counted.
#[derive(Default)]
struct Problems {
    words: Vec<String>,
    count: usize,
}

impl Problems {
    const SHOWN: usize = 3;

    fn add(&mut self, words: impl FnOnce() -> String) {
        self.count += 1;
        if self.words.len() < Self::SHOWN {
            self.words.push(words());
        }
    }

    fn coverage(self) -> Completeness {
        let more = self.count - self.words.len();
        match (self.count, more) {
            (0, _) => Completeness::Complete,
            (_, 0) => Completeness::Partial(self.words.join("; ")),
            _ => Completeness::Partial(format!("{}; and {more} more", self.words.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{AGENT_ID, PROJECT_PREFERENCE};
    use crate::resource::Value;

    fn org() -> OrganizationId {
        OrganizationId("org".to_owned())
    }

    fn tasks(body: &str) -> Listing<ObservedTask> {
        task_listing(ReplyBody::parse(body.as_bytes()).expect("an object"), &org())
    }

    fn one(fields: &str) -> ObservedTask {
        let mut listing = tasks(&format!(r#"{{"tasks":[{{"id":1,{fields}}}]}}"#));
        assert_eq!(listing.coverage, Completeness::Complete, "{fields}");
        listing.items.remove(0)
    }

    #[test]
    fn a_complaint_beside_a_list_makes_it_partial() {
        for (errors, is_whole) in [("[]", true), ("null", true), (r#"["partial results"]"#, false)]
        {
            let listing =
                tasks(&format!(r#"{{"success": true, "errors": {errors}, "tasks": []}}"#));
            assert_eq!(listing.coverage == Completeness::Complete, is_whole, "{errors}");
        }
    }

    #[test]
    fn a_full_task_is_seen_in_full() {
        let seen = one(&format!(
            r#""{AGENT_ID}":"47",{}"#,
            concat!(
                r#""name":"N","organizationId":"org","prompt":"Say\r\nhi  ","deployments":1,"#,
                r#""created":"2026-05-06 19:22:25","status":[{"deploymentId":"A-1","status":"running"},"#,
                r#"{"deploymentId":"A-2","status":"COMPLETED"}],"schedule":null,"scheduleHuman":null,"#,
                r#""upcomingDeployments":null,"projectPreference":"project-for-task","notifications":[{}],"#,
                r#""owner":{"publicId":"x"},"somethingNew":[[[]]]"#,
            )
        ));
        assert_eq!(seen.object, Object::task("N", 47, "project-for-task", "Say\nhi"));
        assert_eq!(seen.active, Some(vec![DeploymentId("A-1".to_owned())]));
        assert_eq!((seen.deployment_count, seen.notification_count), (Some(1), Some(1)));
        assert_eq!(seen.schedule, Schedule::Unset);
        assert_eq!(seen.created.map(|at| at.to_string()).as_deref(), Some("2026-05-06T19:22:25"));
    }

    #[test]
    fn the_last_deployment_is_known_only_by_its_number_and_its_time() {
        let at = r#""lastDeploymentTime":"2026-05-06 19:22:25""#;
        let created = "2026-05-06T19:22:25".parse().unwrap();
        let table = [
            (
                format!(r#""lastDeploymentId":901,{at}"#),
                Some(LastDeployment { number: 901, created }),
            ),
            (
                format!(r#""lastDeploymentId":"901",{at}"#),
                Some(LastDeployment { number: 901, created }),
            ),
            (at.to_owned(), None),
            (r#""lastDeploymentId":901"#.to_owned(), None),
            (format!(r#""lastDeploymentId":null,{at}"#), None),
            (r#""lastDeploymentId":901,"lastDeploymentTime":null"#.to_owned(), None),
            (r#""lastDeploymentId":901,"lastDeploymentTime":"lately""#.to_owned(), None),
            (format!(r#""lastDeploymentId":{{}},{at}"#), None),
        ];
        for (fields, expected) in table {
            assert_eq!(one(&fields).last_deployment, expected, "{fields}");
        }
    }

    #[test]
    fn a_schedule_is_unset_only_where_the_service_says_so() {
        let set = |text: &str| Schedule::Set(text.to_owned());
        let table = [
            (r#""x":1"#, Schedule::Unknown),
            (r#""upcomingDeployments":null"#, Schedule::Unknown),
            (r#""schedule":null"#, Schedule::Unset),
            (r#""schedule":"""#, Schedule::Unset),
            (r#""schedule":[]"#, Schedule::Unset),
            (r#""schedule":"0 9 * * 1""#, set("0 9 * * 1")),
            (r#""schedule":null,"upcomingDeployments":[{}]"#, set("set, but not shown as text")),
            (r#""schedule":null,"upcomingDeployments":[]"#, Schedule::Unset),
            (r#""schedule":null,"scheduleHuman":"Mondays""#, set("Mondays")),
            (r#""schedule":{"days":[1]}"#, set("set, but not shown as text")),
        ];
        for (fields, expected) in table {
            assert_eq!(one(fields).schedule, expected, "{fields}");
        }
    }

    #[test]
    fn a_missing_field_is_unknown_and_a_null_list_is_empty() {
        let bare = one(r#""x":1"#);
        assert!(bare.object.fields().all(|(_, value)| *value == Value::Unknown), "{bare:?}");
        assert_eq!(
            (bare.notification_count, bare.active, bare.deployment_count),
            (None, None, None)
        );
        let null = one(r#""notifications":null,"status":null,"prompt":null"#);
        assert_eq!((null.notification_count, &null.active), (Some(0), &Some(Vec::new())));
        assert_eq!(null.prompt(), None);
        let odd = one(r#""notifications":"none","status":"Running","prompt":7,"name":{"a":[1]}"#);
        assert_eq!(
            (odd.notification_count, &odd.active, odd.prompt(), odd.name()),
            (None, &None, None, None)
        );
        assert_eq!(one(r#""status":[{"status":"Running"}]"#).active, None);
        let other = one(&format!(r#""{AGENT_ID}":1,"prompt":"p","projectPreference":"new""#));
        assert_eq!(other.object.text(PROJECT_PREFERENCE).map(|word| &**word), Some("new"));
        assert!(other.content().is_some());
    }

    #[test]
    fn an_agent_is_seen_by_its_rows() {
        let member = |rest: &str| format!(r#"{{"{AGENT_ID}":105,{rest}}}"#);
        let body = format!(
            r#"{{"agents":[{{"id":47,"name":"N","systemPrompt":"Be\r\nbrief ","model":null,"maxTurns":100,
            "reasoningEffort":"high","tools":["b","a","b"],"public":false,"node":{{"id":0,"sku":"A-8"}},
            "chainedAgents":[{}],"subAgents":[{},{{}}],"token":{{"llmApiTokenUser":"secret"}}}}]}}"#,
            member(r#""step":1,"agent":{"id":105}"#),
            member(r#""callableCount":2"#),
        );
        let listing = agent_listing(ReplyBody::parse(body.as_bytes()).expect("an object"));
        assert_eq!(listing.coverage, Completeness::Complete);
        let agent = &listing.items[0].object;
        let word = |value: &Value| match value.to_string() {
            text if text.is_empty() => "(empty)".to_owned(),
            text => text,
        };
        let shown =
            AGENT.managed().map(|row| format!("{}: {}", row.name, word(agent.get(row.name))));
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r"
        name: N
        description: unknown
        systemPrompt: Be
        brief
        model: (empty)
        reasoningEffort: high
        maxTurns: 100
        toolChoice: unknown
        tools: a, b
        public: false
        useQCC: unknown
        pipeline: unknown
        node: 0
        chainedAgents: 105 (1)
        subAgents: unknown
        ");
        assert!(!format!("{listing:?}").contains("secret"), "{listing:?}");
    }

    #[test]
    fn a_list_is_complete_only_if_every_entry_was_understood() {
        let table = [
            (r#"{"tasks":[]}"#, 0, None),
            (r#"{"tasks":null}"#, 0, None),
            (r#"{"tasks":[{"id":1},{"id":"2"}]}"#, 2, None),
            (r#"{"tasks":[{"id":1,"organizationId":"org"}]}"#, 1, None),
            ("{}", 0, Some("no `tasks`")),
            (r#"{"tasks":{}}"#, 0, Some("not a list")),
            (r#"{"tasks":[{"id":1},{}]}"#, 1, Some("entry 2 of `tasks`: has no id")),
            (r#"{"tasks":[[1],{"id":2}]}"#, 1, Some("entry 1 of `tasks`: is not an object")),
            (r#"{"tasks":[{"id":1},{"id":"1"}]}"#, 1, Some("id 1 is listed twice")),
            (r#"{"tasks":[{"id":1,"organizationId":"x"}]}"#, 0, Some("another organization")),
            (r#"{"tasks":[1,2,3,4,5]}"#, 0, Some("and 2 more")),
            (
                r#"{"tasks":[{"id":1}],"total":2}"#,
                1,
                Some("`total` beside it is 2, and it holds 1"),
            ),
            (r#"{"total":"7","tasks":null}"#, 0, Some("`total` beside it is 7")),
            (r#"{"tasks":[{"id":1}],"totalCount":1,"total_items":3}"#, 1, Some("`total_items`")),
            (r#"{"tasks":[{"id":1}],"hasMore":true}"#, 1, Some("`hasMore` beside it says")),
            (r#"{"tasks":[{"id":1}],"has_next":1}"#, 1, Some("`has_next`")),
            (r#"{"tasks":[{"id":1}],"nextPage":2}"#, 1, Some("`nextPage`")),
            (r#"{"tasks":[{"id":1}],"NextPageToken":"abc"}"#, 1, Some("`NextPageToken`")),
            (r#"{"tasks":[{"id":1}],"next":{"href":"/x"}}"#, 1, Some("`next`")),
            (r#"{"tasks":[{"id":1}],"page":1,"totalPages":4}"#, 1, Some("`totalPages`")),
            (r#"{"meta":{"pagination":1,"total":5},"tasks":[{"id":1}]}"#, 1, Some("`total`")),
            (r#"{"tasks":[{"id":1}],"pageInfo":{"hasNextPage":true}}"#, 1, Some("`hasNextPage`")),
            (r#"{"tasks":[{"id":1}],"links":{"next":"https://x"}}"#, 1, Some("`next`")),
            (r#"{"tasks":[{"id":1}],"total":1,"hasMore":false,"nextPage":null}"#, 1, None),
            (r#"{"tasks":[{"id":1}],"total":0,"next":"","truncated":"false"}"#, 1, None),
            (r#"{"tasks":[{"id":1,"total":9,"hasMore":true}],"pages":1,"nextPage":0}"#, 1, None),
            (r#"{"tasks":[{"id":1}],"links":{"next":null},"meta":[],"page":3}"#, 1, None),
        ];
        for (body, count, words) in table {
            let listing = tasks(body);
            assert_eq!(listing.items.len(), count, "{body}");
            match (&listing.coverage, words) {
                (Completeness::Complete, None) => {}
                (Completeness::Partial(seen), Some(words)) => {
                    assert!(seen.contains(words), "{body}: {seen}");
                }
                (seen, _) => panic!("{body}: {seen:?}"),
            }
        }
    }

    #[test]
    fn a_new_deployment_is_found_in_either_place_or_not_at_all() {
        let table = [
            (r#"{"deployment":{"deploymentId":"A-1"},"debug":{"id":"A-2"}}"#, Some("A-1")),
            (r#"{"deployment":{},"debug":{"id":"A-2"}}"#, Some("A-2")),
            (r#"{"deployment":null,"debug":{"id":"A-2"}}"#, Some("A-2")),
            (r#"{"debug":{"id":901}}"#, None),
            (r#"{"deployment":{"deploymentId":""},"debug":[]}"#, None),
            (r#"{"deployment":{"deploymentId":"A-1","taskId":8}}"#, None),
            ("{}", None),
        ];
        for (body, expected) in table {
            let reply = ReplyBody::parse(body.as_bytes()).expect("an object");
            let seen = created_deployment(reply, TaskId(7)).ok().map(|seen| seen.id.0);
            assert_eq!(seen.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_deployment_of_another_task_does_not_count() {
        let body = r#"{"deployments":[{"deploymentId":"A-1","taskId":7,"status":"inqueue","ended":null},
            {"deploymentId":"A-2","taskId":8},{"deploymentId":"A-3","status":"Paused"}]}"#;
        let listing =
            deployment_listing(ReplyBody::parse(body.as_bytes()).expect("an object"), TaskId(7));
        assert!(matches!(listing.coverage, Completeness::Partial(_)), "{:?}", listing.coverage);
        let seen: Vec<_> = listing.items.iter().map(|seen| (&*seen.id.0, &seen.status)).collect();
        let paused = Status::Other("Paused".to_owned());
        assert_eq!(seen, [("A-1", &Status::InQueue), ("A-3", &paused)]);
    }
}
