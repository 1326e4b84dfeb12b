//! The emulator as a whole: a kept world, a clock, and the trouble on the way to it.

use std::sync::Mutex;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use memchr::memmem;
use serde_json::Value;

use super::corrupt::{self, Delivery, ResponsePlan};
use super::fault::{Fault, Script};
use super::routes;
use super::script::RunRule;
use super::storage::{Access, Kept, Storage, StorageError};
use super::world::{Reply, World};
use crate::clock::Clock;
use crate::exchange::{Exchange, Request, Response, Transport, TransportError};

/// The most requests the log holds; older ones make way.
///
/// A server that runs for weeks must not grow without end, and no story is as long as this.
const LONGEST_LOG: usize = 100_000;

/// One request as the log keeps it: never a signature, never a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The path, made plain.
    pub path: String,
    /// The body, keys of language models blackened.
    pub body: String,
    /// The HTTP status that was sent, or `None` where the client got no whole answer.
    pub status: Option<u16>,
    /// What went wrong on purpose.
    pub fault: Option<Fault>,
}

/// The service, emulated.
///
/// In process it is a [`Transport`]; [`serve`](super::serve) puts the same over HTTP. Requests take
/// effect one after the other, in the order they come. Faults and the log belong to this value and
/// end with it; only the world is kept.
pub struct Emulator {
    kept: Kept,
    clock: Clock,
    latency: Duration,
    rules: Option<Vec<RunRule>>,
    organization: Option<String>,
    side: Mutex<Unkept>,
}

/// What is no part of the world.
#[derive(Default)]
struct Unkept {
    faults: Script,
    log: Vec<Logged>,
}

impl Emulator {
    /// Makes an emulator of `world`; a keeper's file that exists already takes its place.
    pub fn new(world: World, clock: Clock, storage: Storage) -> Self {
        let side = Mutex::default();
        let kept = Kept::new(world, storage);
        Self { kept, clock, latency: Duration::ZERO, rules: None, organization: None, side }
    }

    /// Lets every exchange take this long, half of it before the effect.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Lets the agents play by these rules, those of a world that was kept too.
    #[must_use]
    pub fn with_rules(mut self, rules: Vec<RunRule>) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Makes the user a member of this organization too, in a world that was kept as well.
    #[must_use]
    pub fn with_organization(mut self, id: String) -> Self {
        self.organization = Some(id);
        self
    }

    /// Replaces what is to go wrong; the new script counts from one.
    pub fn set_faults(&self, faults: Script) {
        self.side.lock().expect("no holder panics").faults = faults;
    }

    /// Returns the requests so far, oldest first, those with lost answers too.
    pub fn requests(&self) -> Vec<Logged> {
        self.side.lock().expect("no holder panics").log.clone()
    }

    /// Brings the world up to now and looks at it or edits it, as the web interface would.
    pub async fn with_world<T>(
        &self,
        edit: impl FnOnce(&mut World) -> T,
    ) -> Result<T, StorageError> {
        let now = self.clock.now();
        let change = |world: &mut World| {
            self.bring_settings(world);
            world.advance(now);
            edit(world)
        };
        self.kept.change(Access::Write, change).await
    }

    /// Says which world this is, and writes nothing; from now on no other one answers in its place.
    pub fn identity(&self) -> Result<&str, StorageError> {
        self.kept.identity()
    }

    /// Answers one request, or does not, as the faults have it.
    pub(super) async fn handle(&self, mut request: Request) -> Result<Delivery, StorageError> {
        request.path = routes::plain_path(&request.path);
        let fault = self.side.lock().expect("no holder panics").faults.strike(&request.path);
        self.wait().await;
        let plan = fault.map_or(ResponsePlan::Now, corrupt::plan);
        let access = Access::of(&request.path);
        let outcome = match plan {
            ResponsePlan::Never(outcome) => outcome,
            ResponsePlan::Later(delay) => {
                let now = self.clock.now();
                let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
                let due = now.saturating_add(delay).unwrap_or(now);
                let postpone = |world: &mut World| world.postpone(now, due, &request);
                self.kept.change(access, postpone).await?;
                Delivery::Lost
            }
            ResponsePlan::Pretended => {
                let pretend = |world: &mut World| {
                    self.bring_settings(world);
                    world.pretend(self.clock.now(), &request)
                };
                Delivery::Answered(self.kept.change(access, pretend).await?)
            }
            ResponsePlan::Now => {
                // The clock is read once the file's lock is held, so times never go back.
                let accept = |world: &mut World| {
                    self.bring_settings(world);
                    world.accept(self.clock.now(), &request)
                };
                corrupt::corrupt(self.kept.change(access, accept).await?, fault)
            }
        };
        self.note(&request, &outcome, fault);
        self.wait().await;
        Ok(outcome)
    }

    fn bring_settings(&self, world: &mut World) {
        if let Some(rules) = self.rules.as_ref().filter(|rules| **rules != world.rules) {
            world.rules.clone_from(rules);
        }
        if let Some(id) = self.organization.as_ref().filter(|id| !world.organizations.contains(*id))
        {
            world.organizations.insert(id.clone());
        }
    }

    async fn wait(&self) {
        // Even a sleep of no length gives way to others and moves a paused clock.
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency / 2).await;
        }
    }

    /// Returns the value of the `Date` header now (contract 15.4).
    pub(super) fn date(&self) -> Option<String> {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.clock.now()).ok()
    }

    fn note(&self, request: &Request, outcome: &Delivery, fault: Option<Fault>) {
        let status = match outcome {
            Delivery::Answered(reply) => Some(reply.status),
            Delivery::Cut(_) | Delivery::Lost | Delivery::NotConnected => None,
        };
        let (path, body) = (request.path.clone(), blackened(&request.body));
        let mut side = self.side.lock().expect("no holder panics");
        if side.log.len() == LONGEST_LOG {
            // Half at once, so that the cost is spread over many requests.
            side.log.drain(..LONGEST_LOG / 2);
        }
        side.log.push(Logged { path, body, status, fault });
    }

    fn response(&self, reply: Reply) -> Response {
        Response {
            status: reply.status,
            content_type: reply.content_type.to_owned(),
            date: self.date(),
            retry_after: reply.retry_after,
            body: reply.body,
        }
    }
}

impl Transport for Emulator {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let outcome = self.handle(request).await;
            match outcome.map_err(|error| TransportError::Unusable { source: Box::new(error) })? {
                Delivery::Answered(reply) => Ok(self.response(reply)),
                Delivery::Cut(_) => Err(lost("the connection broke in the middle of the answer")),
                Delivery::Lost => Err(lost("the connection broke")),
                Delivery::NotConnected => {
                    Err(TransportError::NotSent { source: "the connection was refused".into() })
                }
            }
        })
    }
}

fn lost(why: &str) -> TransportError {
    TransportError::Lost { source: why.into() }
}

/// Returns the body as text, without the key of a language model (contract 15.9).
fn blackened(body: &[u8]) -> String {
    let may_have_one = memmem::find(body, b"token").is_some();
    match may_have_one.then(|| serde_json::from_slice::<Value>(body)) {
        Some(Ok(mut fields)) if fields.get("token").is_some() => {
            fields["token"] = "********".into();
            fields.to_string()
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}
