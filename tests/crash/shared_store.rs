//! The store that the machines share, with injected faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qcops::store::{
    BlobVersion, Blobs, Pending, StoreError, StoredBlob, WriteCondition, WriteOutcome,
};
use serde_json::Value;

use super::fault::{InjectedFault, Place};
use super::machine::Process;

/// The service and the organization that the lease and the ledger are for.
pub(super) const SCOPE: &str = "crash";

/// What goes wrong with one access to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreFault {
    /// It cannot be reached.
    Unreachable,
    /// It cannot be reached from then on.
    UnreachableFromThen,
    /// The request takes effect, and its answer is lost.
    AnswerLost,
    /// The request takes effect, is sent again because the answer was lost, and finds what it has written.
    SentTwice,
    /// The answer takes so long.
    Slow(Duration),
    /// The answer is lost, and the request takes effect after so long.
    Late(Duration),
    /// Another machine takes the lease over, and applies, before the request takes effect.
    LeaseTaken,
    /// The process ends before the request leaves.
    Ended,
    /// The process ends before the answer comes.
    EndedAfter,
    /// The process ends, and half of the value is there.
    EndedHalfWritten,
    /// The process ends, and something else is there than what was written.
    EndedWithGarbage,
}

/// Longer than a request to a store may take, and longer than the lease is good for.
const SLOW: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(90)];

const LATE: Duration = Duration::from_secs(40);

const OLD_LINE: &[u8] =
    b"\n{\"version\":1,\"target\":\"another\",\"organization\":\"o\",\"what\":\"listed\",\
                          \"key\":\"\",\"name\":\"\",\"time\":\"2026-11-01T00:00:00Z\"}\n";

impl StoreFault {
    /// Everything that can go wrong with an access.
    pub(super) fn of(access: &StoreAccess) -> impl Iterator<Item = Self> {
        let always = [Self::Unreachable, Self::UnreachableFromThen, Self::Ended];
        let changes = [Self::AnswerLost, Self::EndedAfter];
        let writes = [Self::SentTwice, Self::Late(LATE), Self::LeaseTaken];
        let of_lines = [Self::EndedHalfWritten, Self::EndedWithGarbage];
        let (is_change, is_write, is_line) = match access.verb {
            StoreVerb::Read | StoreVerb::List => (false, false, false),
            StoreVerb::Delete => (true, false, false),
            StoreVerb::Create => (true, true, is_of_ledger(&access.name)),
            StoreVerb::Update | StoreVerb::Replace => (true, true, false),
        };
        let changes = changes.into_iter().filter(move |_| is_change);
        let writes = writes.into_iter().filter(move |_| is_write);
        let of_lines = of_lines.into_iter().filter(move |_| is_line);
        let always = always.into_iter().chain(SLOW.map(Self::Slow));
        always.chain(changes).chain(writes).chain(of_lines)
    }

    /// Whether the process ends with it.
    pub(super) fn ends(self) -> bool {
        matches!(
            self,
            Self::Ended | Self::EndedAfter | Self::EndedHalfWritten | Self::EndedWithGarbage
        )
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("store-unreachable"),
            Self::UnreachableFromThen => f.write_str("store-unreachable-from-then"),
            Self::AnswerLost => f.write_str("store-answer-lost"),
            Self::SentTwice => f.write_str("store-sent-twice"),
            Self::Slow(time) => write!(f, "store-slow:{}", time.as_secs()),
            Self::Late(time) => write!(f, "store-late:{}", time.as_secs()),
            Self::LeaseTaken => f.write_str("lease-taken-at-store"),
            Self::Ended => f.write_str("ended-before-store"),
            Self::EndedAfter => f.write_str("ended-after-store"),
            Self::EndedHalfWritten => f.write_str("ended-half-written"),
            Self::EndedWithGarbage => f.write_str("ended-with-garbage"),
        }
    }
}

/// How the store was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreVerb {
    Read,
    List,
    Replace,
    Create,
    Update,
    Delete,
}

/// One access to the store.
#[derive(Clone, Debug)]
pub(super) struct StoreAccess {
    pub(super) verb: StoreVerb,
    /// The value, or the folder.
    pub(super) name: String,
}

impl StoreAccess {
    /// Whether it writes a value.
    pub(super) fn is_write(&self) -> bool {
        matches!(self.verb, StoreVerb::Create | StoreVerb::Update)
    }

    /// Whether it is about the lease.
    pub(super) fn is_of_lease(&self) -> bool {
        self.name == lease_name()
    }
}

fn lease_name() -> String {
    format!("{SCOPE}/lease.json")
}

fn is_of_ledger(name: &str) -> bool {
    name.starts_with(&format!("{SCOPE}/ledger/"))
}

/// A line of the ledger that announces a request whose result is not noted yet: what it says, its key,
/// and its deployment.
pub(super) type Announcement = (String, String, String);

/// What is in the store.
#[derive(Clone, Default)]
pub(super) struct StoreImage {
    /// By name, each with its version.
    values: BTreeMap<String, (Vec<u8>, u64)>,
    /// How often a value was written.
    writes: u64,
    /// Writes that take effect later.
    late: Vec<(Timestamp, StoreRequest)>,
}

#[derive(Clone)]
enum StoreRequest {
    Read(String),
    List(String),
    Write(String, Vec<u8>, WriteCondition),
    Delete(String),
}

enum StoreAnswer {
    Value(Option<StoredBlob>),
    Names(Vec<String>),
    Written(WriteOutcome),
    Deleted,
}

impl StoreRequest {
    fn access(&self) -> StoreAccess {
        let (verb, name) = match self {
            Self::Read(name) => (StoreVerb::Read, name),
            Self::List(name) => (StoreVerb::List, name),
            Self::Write(name, _, WriteCondition::None) => (StoreVerb::Replace, name),
            Self::Write(name, _, WriteCondition::Absent) => (StoreVerb::Create, name),
            Self::Write(name, _, WriteCondition::Version(_)) => (StoreVerb::Update, name),
            Self::Delete(name) => (StoreVerb::Delete, name),
        };
        StoreAccess { verb, name: name.clone() }
    }

    /// The same with a part of the value, or with something else.
    fn spoiled(mut self, fault: StoreFault) -> Self {
        if let Self::Write(_, bytes, _) = &mut self {
            match fault {
                StoreFault::EndedHalfWritten => bytes.truncate(bytes.len() / 2),
                StoreFault::EndedWithGarbage => *bytes = b"\x00\xff not a line".to_vec(),
                _ => {}
            }
        }
        self
    }
}

impl StoreImage {
    /// Adds values of so many earlier applies to another service.
    pub(super) fn add_old(&mut self, count: usize) {
        for number in 0..count {
            let name = format!("{SCOPE}/ledger/0000000000-{number:08}-old.jsonl");
            self.values.insert(name, (OLD_LINE.to_vec(), 0));
        }
    }

    fn take(&mut self, request: StoreRequest, now: Timestamp) -> StoreAnswer {
        let late = std::mem::take(&mut self.late);
        let (due, late): (Vec<_>, Vec<_>) = late.into_iter().partition(|(at, _)| *at <= now);
        self.late = late;
        for (_, request) in due {
            self.carry_out(request);
        }
        self.carry_out(request)
    }

    fn carry_out(&mut self, request: StoreRequest) -> StoreAnswer {
        match request {
            StoreRequest::Read(name) => StoreAnswer::Value(
                self.values
                    .get(&name)
                    .map(|value| StoredBlob { bytes: value.0.clone(), version: version(value.1) }),
            ),
            StoreRequest::List(folder) => {
                let folder = format!("{folder}/");
                let names = self.values.keys().filter(|name| name.starts_with(&folder));
                StoreAnswer::Names(names.cloned().collect())
            }
            StoreRequest::Write(name, bytes, expected) => {
                let found = match self.values.get(&name) {
                    None => WriteCondition::Absent,
                    Some((_, number)) => WriteCondition::Version(version(*number)),
                };
                if expected != WriteCondition::None && found != expected {
                    return StoreAnswer::Written(WriteOutcome::Conflict);
                }
                self.writes += 1;
                self.values.insert(name, (bytes, self.writes));
                StoreAnswer::Written(WriteOutcome::Done(version(self.writes)))
            }
            StoreRequest::Delete(name) => {
                self.values.remove(&name);
                StoreAnswer::Deleted
            }
        }
    }

    fn lease(&self) -> Value {
        let text = self.values.get(&lease_name()).map(|(bytes, _)| bytes.as_slice());
        serde_json::from_slice(text.unwrap_or_default()).unwrap_or_default()
    }

    /// How often the lease was taken.
    pub(super) fn epoch(&self) -> u64 {
        self.lease()["epoch"].as_u64().unwrap_or_default()
    }

    /// Whether whoever took the lease as the n-th holds it.
    pub(super) fn is_held_in(&self, epoch: u64) -> bool {
        self.epoch() == epoch && !self.lease()["holder"].is_null()
    }

    /// The lines of the ledger, in order.
    pub(super) fn ledger(&self) -> Vec<u8> {
        let values = self.values.iter().filter(|(name, _)| is_of_ledger(name));
        let first = |bytes: &[u8]| -> Value {
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            serde_json::from_slice(line).unwrap_or_default()
        };
        let named: Vec<Value> = values.clone().map(|(_, (bytes, _))| first(bytes)).collect();
        let replaced: BTreeSet<&str> = named
            .iter()
            .filter_map(|first| first["replaces"].as_array())
            .flat_map(|names| names.iter().filter_map(Value::as_str))
            .collect();
        let values = values.filter(|(name, _)| !replaced.contains(name.as_str()));
        values.flat_map(|(_, (bytes, _))| bytes.iter().copied().chain([b'\n'])).collect()
    }

    /// The names of all values.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.values.keys()
    }

    /// What is announced by the ledger and not answered yet.
    pub(super) fn announced(&self) -> BTreeSet<Announcement> {
        let mut open = BTreeSet::new();
        for line in self.ledger().split(|byte| *byte == b'\n') {
            let line: Value = serde_json::from_slice(line).unwrap_or_default();
            let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
            let (what, key) = (text("what"), text("key"));
            let is_run = ["starting", "answered"].contains(&&*what);
            let run = if is_run { text("name") } else { String::new() };
            let begun = match what.as_str() {
                "created" | "refused" => "sending",
                "created-agent" | "refused-agent" => "sending-agent",
                "answered" => "starting",
                "sending" | "sending-agent" | "starting" => {
                    open.insert((what, key, run));
                    continue;
                }
                _ => continue,
            };
            open.remove(&(begun.to_owned(), key, run));
        }
        open
    }
}

fn version(number: u64) -> BlobVersion {
    BlobVersion { e_tag: Some(number.to_string()), version: None }
}

/// The store, as a process reaches it.
pub(super) struct CrashingStore(pub(super) Process);

impl CrashingStore {
    async fn ask(&self, request: StoreRequest) -> Result<StoreAnswer, StoreError> {
        let process = &self.0;
        process.travel().await;
        let access = request.access();
        let failed = || StoreError::Bucket {
            store: SCOPE.to_owned(),
            verb: "reach",
            why: format!("{access:?}"),
        };
        let (fault, is_out_of_reach) = process.with_state(|state| {
            let fault = state.fault(state.store_accesses.len(), Place::Store);
            state.store_accesses.push(access.clone());
            if fault == Some(InjectedFault::Store(StoreFault::UnreachableFromThen)) {
                state.is_unreachable = true;
            }
            let is_cut_off = state.is_cut_off && access.is_of_lease();
            (fault, state.is_unreachable || is_cut_off)
        });
        if is_out_of_reach {
            return Err(failed());
        }
        let take = |request| process.with_store(|store| store.take(request, process.now()));
        let Some(InjectedFault::Store(fault)) = fault else { return Ok(take(request)) };
        match fault {
            StoreFault::Unreachable | StoreFault::UnreachableFromThen => Err(failed()),
            StoreFault::AnswerLost => {
                take(request);
                Err(failed())
            }
            StoreFault::SentTwice => {
                take(request.clone());
                Ok(take(request))
            }
            StoreFault::Slow(time) => {
                tokio::time::sleep(time / 2).await;
                let answer = take(request);
                tokio::time::sleep(time / 2).await;
                Ok(answer)
            }
            StoreFault::Late(time) => {
                let time = SignedDuration::try_from(time).expect("less than a minute");
                process.with_store(|store| store.late.push((process.now() + time, request)));
                Err(failed())
            }
            StoreFault::LeaseTaken => {
                process.lose_lease().await;
                Ok(take(request))
            }
            StoreFault::Ended => self.end().await,
            StoreFault::EndedAfter
            | StoreFault::EndedHalfWritten
            | StoreFault::EndedWithGarbage => {
                take(request.spoiled(fault));
                self.end().await
            }
        }
    }

    async fn end<T>(&self) -> T {
        self.0.end();
        std::future::pending().await
    }
}

impl Blobs for CrashingStore {
    fn read<'a>(&'a self, name: &'a str) -> Pending<'a, Option<StoredBlob>> {
        Box::pin(async move {
            match self.ask(StoreRequest::Read(name.to_owned())).await? {
                StoreAnswer::Value(value) => Ok(value),
                _ => unreachable!("a read is answered with a value"),
            }
        })
    }

    fn write<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: WriteCondition,
    ) -> Pending<'a, WriteOutcome> {
        Box::pin(async move {
            match self.ask(StoreRequest::Write(name.to_owned(), bytes, expected)).await? {
                StoreAnswer::Written(outcome) => Ok(outcome),
                _ => unreachable!("a write is answered with its outcome"),
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        Box::pin(async move {
            match self.ask(StoreRequest::List(folder.to_owned())).await? {
                StoreAnswer::Names(names) => Ok(names),
                _ => unreachable!("a list is answered with names"),
            }
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Pending<'a, ()> {
        Box::pin(async move { self.ask(StoreRequest::Delete(name.to_owned())).await.map(drop) })
    }
}
