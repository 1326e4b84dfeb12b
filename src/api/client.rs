//! The service's calls, typed, and what is sent again (contract 15.3, 15.4).
//!
//! Sending again is decided in one function from the endpoint's [`Effect`] and the [`CallOutcome`]. What
//! happens once is sent again only where it is proven that it did not happen; an unknown answer to
//! anything but a read goes back to the caller, who settles it by looking.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use crate::api::answer::{ApiError, CallOutcome, ErrorKind, classify, http_date};
use crate::api::endpoint::{Effect, Endpoint};
use crate::api::pace::{OnWait, Wait, WaitReason};
use crate::api::wire::{self, ReplyBody, WholeConversation};
use crate::clock::Clock;
use crate::exchange::{Gate, QueueDeadline, Request, Transport};
use crate::kinds::{AGENT, TASK};
use crate::model::{AgentId, DeploymentId, OrganizationId, SplitMix64, TaskId};
use crate::observed::{Listing, ObservedAgent, ObservedDeployment, ObservedTask};
use crate::resource::{Edit, Object, ObjectInterner};
use crate::transcript::Transcript;

/// How a client behaves.
#[derive(Clone)]
pub struct ClientSettings {
    /// How long after it began a call that may take effect can still be sent, waiting for its turn
    /// included; a read can be sent again for so long after its first answer.
    pub retry_time: Duration,
    /// Where the jitter of pauses starts; the same seed pauses alike.
    pub seed: u64,
    /// Hears of pauses before a call is sent again.
    pub on_wait: OnWait,
    /// What the transport lets changes leave through.
    pub gate: Gate,
}

impl Default for ClientSettings {
    fn default() -> Self {
        let gate = Gate::default();
        Self { retry_time: Duration::from_secs(120), seed: 0, on_wait: Arc::new(|_| ()), gate }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("retry_time", &self.retry_time)
            .finish_non_exhaustive()
    }
}

/// Pauses before a service that never answered is tried again: two seconds in all.
///
/// A wrong address or port stays wrong, and whoever typed it should not wait for minutes.
const FIRST_CONTACT: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(600), Duration::from_millis(1100)];

/// How long a call waits for its turn at least: one that is not to be sent again is still sent.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

/// Pauses before an unknown read is sent again.
const READ_AGAIN: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// The first pause before a call that was not processed is sent again; each next is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_millis(500);

/// The longest such pause, so that a service that comes back is noticed.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(15);

/// Speaks with the service about one organization. Clones share what they learned.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    organization_id: OrganizationId,
    clock: Clock,
    settings: ClientSettings,
    learned: Arc<Learned>,
}

/// What all clones of a client know.
struct Learned {
    /// What answers may repeat.
    interner: OnceLock<ObjectInterner>,
    /// Whether the service has ever answered anything.
    has_answered: AtomicBool,
    /// Shortens pauses, so that callers do not come back all at once.
    jitter: SplitMix64,
    /// The service's clock, by its last answer that showed it.
    date: Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("organization_id", &self.organization_id)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client that sends through `transport`, which signs.
    pub fn new(
        transport: Arc<dyn Transport>,
        organization_id: OrganizationId,
        clock: Clock,
        settings: ClientSettings,
    ) -> Self {
        let learned = Learned {
            interner: OnceLock::new(),
            has_answered: AtomicBool::new(false),
            jitter: SplitMix64::new(settings.seed),
            date: Mutex::default(),
        };
        Self { transport, organization_id, clock, settings, learned: Arc::new(learned) }
    }

    /// The organization it asks about.
    pub fn organization_id(&self) -> &OrganizationId {
        &self.organization_id
    }

    /// Lets tasks of answers that are as one of these share its memory; the first call counts.
    pub fn intern(&self, objects: impl IntoIterator<Item = Object>) {
        self.learned.interner.get_or_init(|| ObjectInterner::new(objects));
    }

    /// Sends nothing any more that changes something, whoever waits to send it.
    pub fn close(&self) {
        self.settings.gate.close();
    }

    /// The service's clock, by its last answer that showed it.
    pub fn service_date(&self) -> Option<Timestamp> {
        *self.learned.date.lock().expect("no holder panics")
    }

    /// Asks whether the credentials are good (contract 5).
    pub async fn authenticate(&self) -> CallOutcome<()> {
        self.call(Endpoint::AUTHENTICATE, &wire::Nothing {}, |_| Ok(())).await
    }

    /// Lists the organization's agents (contract 2.5).
    pub async fn list_agents(&self) -> CallOutcome<Listing<ObservedAgent>> {
        let body = wire::OrganizationOnly { organization_id: &self.organization_id.0 };
        self.call(Endpoint::LIST_AGENTS, &body, |reply| Ok(wire::agent_listing(reply))).await
    }

    /// Reads one agent (contract 2.2). A refusal does not prove that it is gone (contract 15.7).
    pub async fn read_agent(&self, id: AgentId) -> CallOutcome<ObservedAgent> {
        let finish = |reply: ReplyBody<'_>| {
            let seen = wire::agent(reply)?;
            if seen.id == id {
                Ok(seen)
            } else {
                Err(format!("it shows agent {} instead", seen.id))
            }
        };
        self.call(Endpoint::READ_AGENT, &wire::AgentOnly { agent_id: id.0 }, finish).await
    }

    /// Makes an agent (contract 2.1); the answer's name is the stored one, which may differ.
    pub async fn create_agent(&self, object: &Object) -> CallOutcome<ObservedAgent> {
        let body = wire::Create { organization_id: &self.organization_id.0, object };
        self.call(Endpoint::CREATE_AGENT, &body, wire::agent).await
    }

    /// Changes fields of an agent in place (contract 2.3); only a read tells what they became.
    pub async fn update_agent(&self, id: AgentId, edits: &[Edit]) -> CallOutcome<()> {
        let body = wire::Update { kind: &AGENT, id: id.0, edits };
        self.call(Endpoint::UPDATE_AGENT, &body, |_| Ok(())).await
    }

    /// Deletes an agent (contract 2.4). The second time it is refused.
    pub async fn delete_agent(&self, id: AgentId) -> CallOutcome<()> {
        self.call(Endpoint::DELETE_AGENT, &wire::AgentOnly { agent_id: id.0 }, |_| Ok(())).await
    }

    /// Lists the organization's tasks (contract 3.5).
    pub async fn list_tasks(&self) -> CallOutcome<Listing<ObservedTask>> {
        let organization_id = &self.organization_id;
        let body = wire::OrganizationOnly { organization_id: &organization_id.0 };
        let finish = |reply: ReplyBody<'_>| Ok(wire::task_listing(reply, organization_id));
        self.call(Endpoint::LIST_TASKS, &body, finish).await
    }

    /// Reads one task (contract 3.2). A refusal does not prove that it is gone (contract 15.7).
    pub async fn read_task(&self, id: TaskId) -> CallOutcome<ObservedTask> {
        let finish = |reply: ReplyBody<'_>| {
            let seen = wire::task(reply, &self.organization_id)?;
            if seen.id == id { Ok(seen) } else { Err(format!("it shows task {} instead", seen.id)) }
        };
        self.call(Endpoint::READ_TASK, &wire::TaskOnly { task_id: id.0 }, finish).await
    }

    /// Makes a task (contract 3.1); the answer's name is the stored one, which may differ.
    pub async fn create_task(&self, object: &Object) -> CallOutcome<ObservedTask> {
        let body = wire::Create { organization_id: &self.organization_id.0, object };
        let finish = |reply: ReplyBody<'_>| wire::task(reply, &self.organization_id);
        self.call(Endpoint::CREATE_TASK, &body, finish).await
    }

    /// Changes fields of a task in place (contract 3.3); only a read tells what they became.
    pub async fn update_task(&self, id: TaskId, edits: &[Edit]) -> CallOutcome<()> {
        let body = wire::Update { kind: &TASK, id: id.0, edits };
        self.call(Endpoint::UPDATE_TASK, &body, |_| Ok(())).await
    }

    /// Deletes a task (contract 3.4). The second time it is refused.
    pub async fn delete_task(&self, id: TaskId) -> CallOutcome<()> {
        self.call(Endpoint::DELETE_TASK, &wire::TaskOnly { task_id: id.0 }, |_| Ok(())).await
    }

    /// Lists the deployments of a task (contract 4.4).
    pub async fn list_deployments(&self, task: TaskId) -> CallOutcome<Listing<ObservedDeployment>> {
        let finish = |reply: ReplyBody<'_>| Ok(wire::deployment_listing(reply, task));
        self.call(Endpoint::LIST_DEPLOYMENTS, &wire::TaskOnly { task_id: task.0 }, finish).await
    }

    /// Starts a deployment of a task, which spends (contract 4.1).
    pub async fn create_deployment(&self, task: TaskId) -> CallOutcome<ObservedDeployment> {
        let finish = |reply: ReplyBody<'_>| wire::created_deployment(reply, task);
        self.call(Endpoint::CREATE_DEPLOYMENT, &wire::TaskOnly { task_id: task.0 }, finish).await
    }

    /// Reads one deployment (contract 4.2).
    pub async fn read_deployment(&self, id: &DeploymentId) -> CallOutcome<ObservedDeployment> {
        let finish = |reply: ReplyBody<'_>| {
            let seen = wire::deployment(reply)?;
            if seen.id == *id { Ok(seen) } else { Err(format!("it shows {} instead", seen.id)) }
        };
        self.call(Endpoint::READ_DEPLOYMENT, &wire::DeploymentOnly { deployment_id: &id.0 }, finish)
            .await
    }

    /// Stops a deployment (contract 4.5).
    pub async fn stop_deployment(&self, id: &DeploymentId) -> CallOutcome<()> {
        let body = wire::DeploymentOnly { deployment_id: &id.0 };
        self.call(Endpoint::STOP_DEPLOYMENT, &body, |_| Ok(())).await
    }

    /// Deletes a deployment with its conversation (contract 4.6).
    pub async fn delete_deployment(&self, id: &DeploymentId) -> CallOutcome<()> {
        let body = wire::DeploymentOnly { deployment_id: &id.0 };
        self.call(Endpoint::DELETE_DEPLOYMENT, &body, |_| Ok(())).await
    }

    /// Sends a follow-up to a deployment, which spends (contract 4.3).
    pub async fn prompt_deployment(&self, id: &DeploymentId, prompt: &str) -> CallOutcome<()> {
        let body = wire::PromptDeployment { deployment_id: &id.0, prompt };
        self.call(Endpoint::PROMPT_DEPLOYMENT, &body, |_| Ok(())).await
    }

    /// Reads the conversation of a deployment, as much of it as there is (contract 4.7).
    pub async fn read_conversation(&self, id: &DeploymentId) -> CallOutcome<Transcript> {
        let body = wire::DeploymentOnly { deployment_id: &id.0 };
        self.call(Endpoint::READ_CONVERSATION, &body, |reply| wire::conversation(&reply)).await
    }

    /// Reads the conversation of a deployment as the service keeps it, tokens masked (contract 4.7).
    pub async fn read_whole_conversation(
        &self,
        id: &DeploymentId,
    ) -> CallOutcome<WholeConversation> {
        let body = wire::DeploymentOnly { deployment_id: &id.0 };
        let finish = |reply: ReplyBody<'_>| wire::whole_conversation(&reply);
        self.call(Endpoint::READ_CONVERSATION, &body, finish).await
    }

    /// Sends a body as it is, and returns the JSON object of the answer beside its class; empty where
    /// there was none. For measuring a service; what it holds may be secret.
    pub async fn call_raw(
        &self,
        endpoint: Endpoint,
        body: &Value,
    ) -> (CallOutcome<()>, Map<String, Value>) {
        let mut answer = Vec::new();
        let outcome = self.call_keeping(endpoint, body, |_| Ok(()), &mut Some(&mut answer)).await;
        (outcome, serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// Sends a call until its answer stands; `finish` takes what was asked for out of it.
    async fn call<T>(
        &self,
        endpoint: Endpoint,
        body: &(impl Serialize + Sync),
        finish: impl Fn(ReplyBody<'_>) -> Result<T, String> + Send + Sync,
    ) -> CallOutcome<T> {
        self.call_keeping(endpoint, body, finish, &mut None).await
    }

    /// Sends a call as [`Self::call`] does; the body of the answer is put into `kept`.
    async fn call_keeping<T>(
        &self,
        endpoint: Endpoint,
        body: &(impl Serialize + Sync),
        finish: impl Fn(ReplyBody<'_>) -> Result<T, String> + Send + Sync,
        kept: &mut Option<&mut Vec<u8>>,
    ) -> CallOutcome<T> {
        let body = serde_json::to_vec(body).expect("texts and numbers are always JSON");
        let mut again = RetryState::new();
        loop {
            let path = endpoint.path.to_owned();
            let rest = self.settings.retry_time.saturating_sub(again.since.elapsed());
            let rest = rest.max(SHORTEST_PATIENCE);
            let queue_deadline = match endpoint.effect {
                Effect::Reads => QueueDeadline::WhileRefused(rest),
                // What was noted in the ledger leaves within the retry time or not at all.
                _ => QueueDeadline::Limited(rest),
            };
            let request = Request { path, body: body.clone(), signature: None, queue_deadline };
            let outcome = self.transport.exchange(request).await;
            if endpoint.effect == Effect::Reads && outcome.is_ok() {
                again.hear();
            }
            if let Ok(response) = &outcome {
                self.learned.has_answered.store(true, Ordering::Relaxed);
                if let Some(kept) = kept {
                    kept.clone_from(&response.body);
                }
                if let Some(date) = response.date.as_deref().and_then(http_date) {
                    *self.learned.date.lock().expect("no holder panics") = Some(date);
                }
            }
            let none = ObjectInterner::default();
            let interner = self.learned.interner.get().unwrap_or(&none);
            let answer = classify(endpoint, outcome, (self.clock.now(), interner), &finish);
            tracing::debug!(path = endpoint.path, "{}", answer.class());
            let Some(pause) = self.pause_before_sending_again(endpoint, &answer, &mut again) else {
                return answer;
            };
            tracing::debug!(path = endpoint.path, ?pause, "sending again");
            drop(answer);
            sleep(pause).await;
        }
    }

    /// Decides whether a call is sent again, and how long to wait before; the only place that does.
    fn pause_before_sending_again<T>(
        &self,
        endpoint: Endpoint,
        answer: &CallOutcome<T>,
        again: &mut RetryState,
    ) -> Option<Duration> {
        match answer {
            // The stamp may just have been too old; a second refusal stands (contract 15.4).
            CallOutcome::Refused(error) => {
                (error.is_auth() && again.may_sign()).then_some(Duration::ZERO)
            }
            CallOutcome::NotProcessed(error) => self.back_off(error, again),
            CallOutcome::Unknown(_) if endpoint.effect == Effect::Reads => {
                let pause = self.learned.jitter.shorten(*READ_AGAIN.get(again.unknown)?);
                again.unknown += 1;
                // A service that lets every read run into its time limit is not asked for ever.
                (again.since.elapsed() + pause <= self.settings.retry_time).then_some(pause)
            }
            CallOutcome::Done(_) | CallOutcome::Unknown(_) => None,
        }
    }

    /// How long to wait before a call that was not processed, or `None` to give up.
    fn back_off(&self, error: &ApiError, again: &mut RetryState) -> Option<Duration> {
        let is_final = matches!(error.what, ErrorKind::HeldBack(_) | ErrorKind::Unusable);
        let asked = error.asks_to_wait().unwrap_or_default();
        if is_final || again.since.elapsed() + asked > self.settings.retry_time {
            return None;
        }
        let is_unreachable = error.what == ErrorKind::Unreachable;
        let pause = if is_unreachable && !self.learned.has_answered.load(Ordering::Relaxed) {
            *FIRST_CONTACT.get(again.not_processed)?
        } else {
            let doublings = u32::try_from(again.not_processed).unwrap_or(u32::MAX).min(10);
            FIRST_BACK_OFF.saturating_mul(1 << doublings).min(LONGEST_BACK_OFF)
        };
        again.not_processed += 1;
        let pause = self.learned.jitter.shorten(pause);
        if again.since.elapsed() + pause > self.settings.retry_time {
            return None;
        }
        let reason = if is_unreachable { WaitReason::Unreachable } else { WaitReason::Busy };
        (self.settings.on_wait)(Wait { reason, duration: pause });
        Some(pause)
    }
}

/// How often one call was sent, and why.
struct RetryState {
    since: Instant,
    is_heard: bool,
    not_processed: usize,
    unknown: usize,
    is_signed_afresh: bool,
}

impl RetryState {
    fn new() -> Self {
        let since = Instant::now();
        Self { since, is_heard: false, not_processed: 0, unknown: 0, is_signed_afresh: false }
    }

    /// Notes an answer to a read, whose time begins with the first one and not with waiting for it.
    fn hear(&mut self) {
        if !std::mem::replace(&mut self.is_heard, true) {
            self.since = Instant::now();
        }
    }

    /// Whether the call may be signed once more; only the first time.
    fn may_sign(&mut self) -> bool {
        !std::mem::replace(&mut self.is_signed_afresh, true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::api::pace::{PaceLimits, Paced};
    use crate::exchange::{Exchange, Response, TransportError};
    use crate::kinds::AGENT_ID;
    use crate::observed::Completeness;

    /// One scripted outcome.
    #[derive(Clone, Copy)]
    enum Turn {
        Says(u16, &'static str),
        Unreachable,
        Loses,
    }
    use Turn::{Loses, Says, Unreachable};

    /// Plays outcomes in order, the last one for ever; keeps what was sent.
    struct Scripted {
        turns: Mutex<VecDeque<Turn>>,
        sent: Mutex<Vec<Request>>,
    }

    impl Transport for Scripted {
        fn exchange(&self, request: Request) -> Exchange<'_> {
            self.sent.lock().unwrap().push(request);
            let mut turns = self.turns.lock().unwrap();
            let turn = if turns.len() > 1 { turns.pop_front() } else { turns.front().copied() };
            let outcome = match turn.expect("a turn") {
                Says(status, body) => {
                    Ok(Response { status, body: body.as_bytes().to_vec(), ..Response::default() })
                }
                Unreachable => Err(TransportError::NotSent { source: "connection refused".into() }),
                Loses => Err(TransportError::Lost { source: "connection reset".into() }),
            };
            Box::pin(std::future::ready(outcome))
        }
    }

    fn scripted(turns: &[Turn]) -> (Client, Arc<Scripted>) {
        let turns = Mutex::new(turns.iter().copied().collect());
        let script = Arc::new(Scripted { turns, sent: Mutex::default() });
        let clock = Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap());
        let transport: Arc<dyn Transport> = Arc::<Scripted>::clone(&script);
        let org = OrganizationId("org".to_owned());
        (Client::new(transport, org, clock, ClientSettings::default()), script)
    }

    fn task() -> Object {
        Object::task("n", 47, "project-for-task", "Say hi")
    }

    const OK: &str = r#"{"success":true,"task":{"id":5,"name":"stored"},"tasks":[],"deployment":{"deploymentId":"A-1"}}"#;
    const NO: &str = r#"{"success":false,"errors":["no"]}"#;
    const SLOW: &str = r#"{"success":false,"errors":["slow down"]}"#;
    const HASH: &str = r#"{"success":false,"errors":["Hash doesn't match."]}"#;

    fn class<T>(answer: &CallOutcome<T>) -> &'static str {
        match answer {
            CallOutcome::Done(_) => "done",
            CallOutcome::Refused(_) => "refused",
            CallOutcome::NotProcessed(_) => "not processed",
            CallOutcome::Unknown(_) => "unknown",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_once_is_never_sent_twice_on_an_unclear_answer() {
        let unknown = [
            Loses,
            Says(500, ""),
            Says(502, "<html>"),
            Says(200, "<html>"),
            Says(200, r#"{"success":true}"#),
            Says(200, r#"{"success":true,"task":{"name":"x"}}"#),
            Says(200, r#"{"success":true,"task":{"id":5,"organizationId":"x"}}"#),
            Says(200, "{}"),
        ];
        for (index, turn) in unknown.into_iter().enumerate() {
            let (client, script) = scripted(&[turn, Says(200, OK)]);
            assert_eq!(class(&client.create_task(&task()).await), "unknown", "{index}");
            assert_eq!(script.sent.lock().unwrap().len(), 1, "task, {index}");
            let (client, script) = scripted(&[turn, Says(200, OK)]);
            assert_eq!(class(&client.create_deployment(TaskId(5)).await), "unknown", "{index}");
            assert_eq!(script.sent.lock().unwrap().len(), 1, "deployment, {index}");
        }
        let id = DeploymentId("A-1".to_owned());
        let (client, script) = scripted(&[Loses, Says(200, OK)]);
        assert_eq!(class(&client.prompt_deployment(&id, "more").await), "unknown");
        assert_eq!(class(&client.stop_deployment(&id).await), "done");
        assert_eq!(script.sent.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn each_class_is_sent_again_as_often_as_is_safe() {
        let table: [(&[Turn], &str, usize); 9] = [
            (&[Says(200, OK)], "done", 1),
            (&[Says(200, NO)], "refused", 1),
            (&[Says(200, SLOW), Says(429, ""), Says(503, ""), Says(200, OK)], "done", 4),
            (&[Says(200, NO), Says(200, OK)], "refused", 1),
            (&[Says(401, ""), Says(200, OK)], "done", 2),
            (&[Says(200, HASH), Says(401, ""), Says(200, OK)], "refused", 2),
            (
                &[Says(429, ""), Unreachable, Unreachable, Unreachable, Unreachable, Says(200, OK)],
                "done",
                6,
            ),
            (&[Unreachable, Says(200, OK)], "done", 2),
            (&[Unreachable, Loses, Says(200, OK)], "unknown", 2),
        ];
        for (index, (turns, expected, count)) in table.into_iter().enumerate() {
            let (client, script) = scripted(turns);
            assert_eq!(class(&client.create_task(&task()).await), expected, "{index}");
            assert_eq!(script.sent.lock().unwrap().len(), count, "{index}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unclear_read_is_sent_again_a_few_times() {
        let (client, script) =
            scripted(&[Says(500, ""), Loses, Says(200, "<html>"), Says(200, OK)]);
        assert_eq!(class(&client.list_tasks().await), "done");
        assert_eq!(script.sent.lock().unwrap().len(), 4);
        let (client, script) = scripted(&[Says(500, "")]);
        assert_eq!(class(&client.read_task(TaskId(5)).await), "unknown");
        assert_eq!(script.sent.lock().unwrap().len(), 4);
        let (client, _) = scripted(&[Says(200, OK)]);
        assert_eq!(class(&client.read_task(TaskId(6)).await), "unknown", "another task came");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_port_fails_fast_and_a_busy_service_only_after_the_retry_time() {
        let start = Instant::now();
        let (client, script) = scripted(&[Unreachable]);
        let answer = client.list_tasks().await;
        assert_eq!(class(&answer), "not processed");
        assert_eq!(script.sent.lock().unwrap().len(), 4);
        assert!(start.elapsed() < Duration::from_millis(2100), "{:?}", start.elapsed());
        let error = answer.into_result().unwrap_err();
        assert_eq!(
            error.in_words(),
            "`/agents/tasks/list` could not be reached: connection refused"
        );

        let start = Instant::now();
        let (client, _) = scripted(&[Says(429, "")]);
        assert_eq!(class(&client.list_tasks().await), "not processed");
        assert!((100..=120).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }

    /// A service that says the same to everybody, and when it was last asked how often.
    struct Same {
        response: Response,
        asked: Arc<Mutex<(usize, Option<Instant>)>>,
    }

    impl Transport for Same {
        fn exchange(&self, _request: Request) -> Exchange<'_> {
            let mut asked = self.asked.lock().unwrap();
            *asked = (asked.0 + 1, Some(Instant::now()));
            Box::pin(std::future::ready(Ok(self.response.clone())))
        }
    }

    /// Makes a number of creates, or of lists, at once: how many were done, how often the service was
    /// asked, until when, and how long all took.
    async fn crowd(
        response: &Response,
        rate: f64,
        is_read: bool,
    ) -> (usize, usize, Duration, Duration) {
        let (start, asked) = (Instant::now(), Arc::new(Mutex::new((0, None))));
        let same = Same { response: response.clone(), asked: Arc::clone(&asked) };
        let clock = Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap());
        let limits = PaceLimits { in_flight: 8, rate };
        let paced = Paced::new(same, limits, clock, Arc::new(|_| ()), Gate::default());
        let org = OrganizationId("org".to_owned());
        let client = Client::new(Arc::new(paced), org, clock, ClientSettings::default());
        let calls = (0..24).map(async |_| {
            let is_done = |class: &str| {
                assert!(["done", "not processed"].contains(&class), "{class}");
                usize::from(class == "done")
            };
            if is_read {
                is_done(class(&client.list_tasks().await))
            } else {
                is_done(class(&client.create_task(&task()).await))
            }
        });
        let done = futures_util::future::join_all(calls).await.into_iter().sum();
        let (count, last) = *asked.lock().unwrap();
        (done, count, last.unwrap() - start, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_refuses_everything_is_given_up_by_all_and_late_creates_never_leave() {
        let retry_time = ClientSettings::default().retry_time + SHORTEST_PATIENCE;
        for retry_after in [None, Some("30"), Some("3600")] {
            let retry_after = retry_after.map(str::to_owned);
            let busy = Response { status: 429, retry_after, ..Response::default() };
            let (done, _, last, took) = crowd(&busy, 10.0, false).await;
            assert_eq!(done, 0);
            assert!(last <= retry_time && took <= retry_time, "{busy:?}: {last:?}, {took:?}");
            let (done, _, _, took) = crowd(&busy, 10.0, true).await;
            assert!(done == 0 && took <= retry_time * 2, "{busy:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_asks_for_more_than_the_retry_time_fails_at_once_and_says_so() {
        let words =
            "the service is too busy for `/agents/tasks/list` (status 429) and asks to wait";
        let held = "`/agents/tasks/list` was not sent: the service asks to wait";
        let table = [
            ("600", false, format!("{words} 600 s")),
            ("99999999999999999999", false, format!("{words} 31536000 s")),
            ("Sat, 21 Nov 2026 12:10:00 GMT", false, format!("{words} 600 s")),
            ("600", true, format!("{held} 600 s, which is longer than the retry time")),
        ];
        for (retry_after, is_second, expected) in table {
            let retry_after = Some(retry_after.to_owned());
            let response = Response { status: 429, retry_after, ..Response::default() };
            let same = Same { response, asked: Arc::default() };
            let clock = Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap());
            let paced =
                Paced::new(same, PaceLimits::default(), clock, Arc::new(|_| ()), Gate::default());
            let org = OrganizationId("org".to_owned());
            let client = Client::new(Arc::new(paced), org, clock, ClientSettings::default());
            if is_second {
                assert_eq!(class(&client.authenticate().await), "not processed");
            }
            let start = Instant::now();
            let error = client.list_tasks().await.into_result().unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_low_rate_makes_reads_wait_and_keeps_creates_from_leaving_after_the_retry_time() {
        let fine = Response { status: 200, body: OK.as_bytes().to_vec(), ..Response::default() };
        let (done, asked, ..) = crowd(&fine, 0.1, true).await;
        assert_eq!((done, asked), (24, 24));
        // Eight at once, and then one in ten seconds for two minutes.
        let (done, asked, last, _) = crowd(&fine, 0.1, false).await;
        assert!(done == asked && (19..=20).contains(&done), "{done} of {asked}");
        assert!(last <= ClientSettings::default().retry_time, "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_retry_time_everything_is_sent_once() {
        let (mut client, script) = scripted(&[Says(200, OK)]);
        client.settings.retry_time = Duration::ZERO;
        assert_eq!(class(&client.create_task(&task()).await), "done");
        let sent = script.sent.lock().unwrap()[0].queue_deadline;
        assert_eq!(sent, QueueDeadline::Limited(SHORTEST_PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_hold_the_documented_fields_and_no_signature() {
        let (client, script) = scripted(&[Says(200, OK)]);
        let id = DeploymentId("A-1".to_owned());
        let created = client.create_task(&task()).await.into_result().unwrap();
        assert_eq!((created.id, created.name()), (TaskId(5), Some("stored")));
        assert_eq!(
            client.list_tasks().await.into_result().unwrap().coverage,
            Completeness::Complete
        );
        client.update_task(TaskId(5), &[Edit::name("m")]).await.into_result().unwrap();
        client.prompt_deployment(&id, "p").await.into_result().unwrap();
        client.authenticate().await.into_result().unwrap();
        let sent = script.sent.lock().unwrap();
        let bodies: Vec<_> = sent.iter().map(|sent| String::from_utf8_lossy(&sent.body)).collect();
        let task = format!(
            r#"{{"organizationId":"org","name":"n","{AGENT_ID}":47,"projectPreference":"project-for-task","prompt":"Say hi"}}"#
        );
        assert_eq!(
            bodies,
            [
                task.as_str(),
                r#"{"organizationId":"org"}"#,
                r#"{"taskId":5,"name":"m"}"#,
                r#"{"deploymentId":"A-1","prompt":"p"}"#,
                "{}",
            ],
        );
        assert!(sent.iter().all(|sent| sent.signature.is_none()));
    }
}
