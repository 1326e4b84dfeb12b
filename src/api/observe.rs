//! Observing the service: the calls behind a [`ObservedState`].
//!
//! One list is enough for an unchanged world; everything else is read only where the plan asks for it
//! with a [`ReadRequest`]. What cannot be read is noted as such and never taken for absence (contract 15.7).
//! Wrong credentials end the observation, since every further call would fail alike.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};

use crate::api::answer::{ApiError, CallOutcome, ErrorKind};
use crate::api::client::Client;
use crate::api::endpoint::Endpoint;
use crate::clock::Clock;
use crate::model::{AgentId, DeploymentId, TaskId};
use crate::observed::{
    Completeness, ListedAgents, Listing, ObservedAgent, ObservedDeployment, ObservedState,
    ObservedTask, ReadRequest, ReadResult,
};
use crate::transcript::Transcript;

/// How many looks are under way at once; pacing below decides how many of them leave.
const WINDOW: usize = 32;

/// Lists the organization's tasks with one call, then makes the reads that `needed` still asks for
/// until it asks for none.
pub async fn observe(
    client: &Client,
    clock: Clock,
    needed: impl Fn(&ObservedState) -> BTreeSet<ReadRequest>,
) -> Result<ObservedState, ApiError> {
    observe_rest(client, observe_tasks(client, clock).await?, |state| needed(state)).await
}

/// Lists the organization's tasks, and reads nothing else.
pub async fn observe_tasks(client: &Client, clock: Clock) -> Result<ObservedState, ApiError> {
    let observed_at = clock.now();
    let tasks = client.list_tasks().await.into_result()?;
    Ok(ObservedState {
        organization_id: client.organization_id().clone(),
        observed_at,
        tasks,
        agent_reads: BTreeMap::new(),
        task_reads: BTreeMap::new(),
        deployments: BTreeMap::new(),
        conversations: BTreeMap::new(),
    })
}

/// Makes the reads that `needed` still asks for, until it asks for none; it may add to the state what is
/// known without a call.
pub async fn observe_rest(
    client: &Client,
    mut state: ObservedState,
    mut needed: impl FnMut(&mut ObservedState) -> BTreeSet<ReadRequest>,
) -> Result<ObservedState, ApiError> {
    loop {
        let reads = needed(&mut state);
        if reads.is_empty() {
            return Ok(state);
        }
        look(client, &mut state, &reads).await?;
    }
}

/// Takes all `reads` and adds what they show to `state`.
async fn look(
    client: &Client,
    state: &mut ObservedState,
    reads: &BTreeSet<ReadRequest>,
) -> Result<(), ApiError> {
    let views = reads.iter().cloned().map(|look| take(client, look));
    let mut views = stream::iter(views).buffer_unordered(WINDOW);
    while let Some(view) = views.next().await {
        match view? {
            Received::Agent(id, reading) => {
                state.agent_reads.insert(id, *reading);
            }
            Received::Task(id, reading) => {
                state.task_reads.insert(id, *reading);
            }
            Received::Deployments(id, listing) => {
                state.deployments.insert(id, listing);
            }
            Received::Conversation(id, reading) => {
                state.conversations.insert(id, reading);
            }
        }
    }
    Ok(())
}

/// Lists the organization's agents, to find those that a manifest declares or names.
///
/// A list that is not complete is an error: a second agent of the same name could be among what is
/// missing.
pub async fn list_agents(client: &Client) -> Result<ListedAgents, ApiError> {
    let listing = client.list_agents().await.into_result()?;
    if let Completeness::Partial(words) = listing.coverage {
        return Err(ApiError::incomplete(Endpoint::LIST_AGENTS, words));
    }
    Ok(listing.items.into_iter().map(|agent| (agent.id, agent.object)).collect())
}

/// What one look showed.
enum Received {
    Agent(AgentId, Box<ReadResult<ObservedAgent>>),
    Task(TaskId, Box<ReadResult<ObservedTask>>),
    Deployments(TaskId, Listing<ObservedDeployment>),
    Conversation(DeploymentId, ReadResult<Transcript>),
}

/// What a read by id showed; only refused credentials end everything.
fn reading<T>(outcome: CallOutcome<T>) -> Result<ReadResult<T>, ApiError> {
    match outcome.into_result() {
        Ok(seen) => Ok(ReadResult::Seen(seen)),
        Err(error) if error.is_auth() => Err(error),
        Err(error) if error.what == ErrorKind::Refused => Ok(ReadResult::Refused(error.in_words())),
        Err(error) => Ok(ReadResult::Unreadable(error.in_words())),
    }
}

async fn take(client: &Client, look: ReadRequest) -> Result<Received, ApiError> {
    match look {
        ReadRequest::Agent(id) => {
            let reading = reading(client.read_agent(id).await)?;
            Ok(Received::Agent(id, Box::new(reading)))
        }
        ReadRequest::Task(id) => {
            let reading = reading(client.read_task(id).await)?;
            Ok(Received::Task(id, Box::new(reading)))
        }
        ReadRequest::Deployments(id) => match client.list_deployments(id).await.into_result() {
            Ok(listing) => Ok(Received::Deployments(id, listing)),
            Err(error) if error.is_auth() => Err(error),
            Err(error) => {
                let coverage = Completeness::Partial(error.in_words());
                Ok(Received::Deployments(id, Listing { items: Vec::new(), coverage }))
            }
        },
        ReadRequest::Conversation(id) => match client.read_conversation(&id).await.into_result() {
            Ok(transcript) => Ok(Received::Conversation(id, ReadResult::Seen(transcript))),
            Err(error) if error.is_auth() => Err(error),
            Err(error) => Ok(Received::Conversation(id, ReadResult::Unreadable(error.in_words()))),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use jiff::Timestamp;

    use super::*;

    async fn list_alone(client: &Client) -> Result<ObservedState, ApiError> {
        observe(client, noon(), |_| BTreeSet::new()).await
    }
    use crate::api::client::ClientSettings;
    use crate::exchange::{Exchange, Request, Response, Transport};
    use crate::manifest::AgentNames;
    use crate::model::OrganizationId;

    /// Answers by path and body, from a table.
    struct Table {
        rows: Vec<(&'static str, &'static str, u16, &'static str)>,
        asked: Mutex<usize>,
    }

    impl Transport for Table {
        fn exchange(&self, request: Request) -> Exchange<'_> {
            *self.asked.lock().unwrap() += 1;
            let body = String::from_utf8(request.body).unwrap();
            let row = self.rows.iter().find(|row| row.0 == request.path && body.contains(row.1));
            let (_, _, status, answer) = *row.expect("a row for it");
            let body = answer.as_bytes().to_vec();
            Box::pin(std::future::ready(Ok(Response { status, body, ..Response::default() })))
        }
    }

    fn noon() -> Clock {
        Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap())
    }

    fn client(rows: &[(&'static str, &'static str, u16, &'static str)]) -> (Client, Arc<Table>) {
        let table = Arc::new(Table { rows: rows.to_vec(), asked: Mutex::default() });
        let transport: Arc<dyn Transport> = Arc::<Table>::clone(&table);
        let org = OrganizationId("org".to_owned());
        (Client::new(transport, org, noon(), ClientSettings::default()), table)
    }

    const LIST: &str = "/agents/tasks/list";
    const READ: &str = "/agents/tasks/read";
    const RUNS: &str = "/agents/deployments/list";

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_costs_one_call_and_looks_fill_it_whatever_they_show() {
        let (client, table) = client(&[
            (LIST, "", 200, r#"{"success":true,"tasks":[{"id":1},{"id":2}]}"#),
            (READ, ":1}", 200, r#"{"success":true,"task":{"id":1,"prompt":"p"}}"#),
            (READ, ":2}", 200, r#"{"success":false,"errors":["no such task"]}"#),
            (RUNS, ":1}", 200, r#"{"success":true,"deployments":[{"deploymentId":"A-1"}]}"#),
            (RUNS, ":2}", 500, ""),
        ]);
        let mut state = list_alone(&client).await.unwrap();
        assert_eq!((state.tasks.items.len(), *table.asked.lock().unwrap()), (2, 1));
        let reads = [1, 2].map(TaskId).into_iter();
        let reads =
            reads.flat_map(|id| [ReadRequest::Task(id), ReadRequest::Deployments(id)]).collect();
        look(&client, &mut state, &reads).await.unwrap();
        assert!(
            matches!(&state.task_reads[&TaskId(1)], ReadResult::Seen(seen) if seen.prompt().is_some())
        );
        assert!(
            matches!(&state.task_reads[&TaskId(2)], ReadResult::Refused(words) if words.contains("no such task"))
        );
        assert_eq!(state.deployments[&TaskId(1)].items.len(), 1);
        assert!(
            matches!(&state.deployments[&TaskId(2)].coverage, Completeness::Partial(words) if words.contains("status 500"))
        );
    }

    #[test]
    fn an_observation_can_move_between_threads() {
        fn check(_future: &(impl Send + ?Sized)) {}
        let (client, _) = client(&[]);
        let reads = BTreeSet::new();
        check(&async {
            let mut state = list_alone(&client).await?;
            look(&client, &mut state, &reads).await
        });
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_credentials_end_the_observation() {
        let (client, _) = client(&[
            (LIST, "", 200, r#"{"success":true,"tasks":[{"id":1}]}"#),
            (RUNS, "", 401, ""),
        ]);
        let mut state = list_alone(&client).await.unwrap();
        let reads = BTreeSet::from([ReadRequest::Deployments(TaskId(1))]);
        assert!(look(&client, &mut state, &reads).await.unwrap_err().is_auth());
        assert!(state.deployments.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn agents_are_found_by_name_unless_the_list_has_holes() {
        let path = "/agents/list";
        let agents = r#"{"success":true,"agents":[{"id":47,"name":"A"},{"id":"48","name":"A"},{"id":49,"name":null}]}"#;
        let (whole, _) = client(&[(path, "", 200, agents)]);
        let expected = BTreeMap::from([("A".to_owned(), vec![AgentId(47), AgentId(48)])]);
        let listed = list_agents(&whole).await.unwrap();
        assert_eq!(AgentNames::of(&listed).by_name, expected);
        let (holed, _) = client(&[(path, "", 200, r#"{"success":true}"#)]);
        let words = list_agents(&holed).await.unwrap_err().to_string();
        assert_eq!(words, "`/agents/list` succeeded, but the answer has no `agents`");
    }
}
