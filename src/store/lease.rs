//! The lease: the right to change something, held by one apply at a time in a shared store.
//!
//! A lease ends by itself, because a runner can vanish. Clocks of machines differ, so that nobody
//! compares the time of another machine with its own: who waits takes a lease over once it has seen the
//! same text for as long as the text says it is good for, and who holds one stops some time before.
//! The service takes no fencing token: a request in flight when a lease is lost may still take effect,
//! and the next apply settles it as it does after a crash.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::store::blobs::{BlobVersion, Blobs, WriteCondition, WriteOutcome};
use crate::store::{StoreError, random};

/// The version of the text's shape.
const FORMAT_VERSION: u32 = 1;

/// Who holds a lease, in words for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// The user and the machine.
    pub owner: String,
    /// The process on that machine.
    pub process: u32,
    /// The folder of the manifests.
    pub folder: String,
    /// The commit that is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The page of the CI job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Since when.
    pub since: String,
}

/// What was found of a lease.
pub(super) type FoundLease = (LeaseText, BlobVersion);

/// What is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LeaseText {
    format_version: u32,
    /// How often it was taken, which is written with every line of the ledger.
    epoch: u64,
    /// Unlike that of every other one who took it.
    token: String,
    /// How long it is good for, in seconds.
    seconds: u64,
    /// When it was written last, by the clock of its holder; it makes each text unlike the one before.
    renewed: String,
    /// Nobody, where it was given back.
    holder: Option<LeaseHolder>,
}

/// A text that somebody waits to see end.
#[derive(Default)]
pub struct LeaseSight(Option<(BlobVersion, Instant)>);

/// Which lease is to be taken, by whom and for how long.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest<'a> {
    /// What it is for: one service and organization.
    pub scope: &'a str,
    /// Who takes it.
    pub holder: &'a LeaseHolder,
    /// How long it is good for without being renewed.
    pub duration: Duration,
}

/// The result of an attempt to take a lease.
pub enum LeaseAttempt {
    /// It was taken.
    Taken(Box<Lease>),
    /// Another one holds it.
    HeldBy(LeaseHolder),
}

/// The result of an attempt to renew a lease.
enum Renewal {
    Renewed,
    Lost,
}

/// A lease that is held.
pub struct Lease {
    blobs: Arc<dyn Blobs>,
    name: String,
    duration: Duration,
    text: Mutex<(LeaseText, BlobVersion)>,
    /// When the request was sent that last made it good.
    good_since: Mutex<Instant>,
    /// Held while it is written.
    turn: tokio::sync::Mutex<()>,
}

/// Reads who holds a lease.
pub(super) async fn holder(
    blobs: &dyn Blobs,
    name: &str,
) -> Result<Option<LeaseHolder>, StoreError> {
    Ok(read(blobs, name).await?.and_then(|(text, _)| text.holder))
}

/// Takes a lease from whoever holds it; returns whether it still was that holder's.
pub(super) async fn release_of(
    blobs: &dyn Blobs,
    name: &str,
    holder: &LeaseHolder,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some((text, version)) = read(blobs, name).await? else { return Ok(false) };
    if text.holder.as_ref() != Some(holder) {
        return Ok(false);
    }
    let text = LeaseText { holder: None, renewed: now.to_string(), token: random(), ..text };
    let written = blobs.write(name, bytes(&text), WriteCondition::Version(version)).await?;
    Ok(matches!(written, WriteOutcome::Done(_)))
}

/// An attempt to take a lease.
pub(super) struct LeaseTaking<'t> {
    blobs: &'t Arc<dyn Blobs>,
    name: String,
    request: LeaseRequest<'t>,
    /// Unlike that of every other attempt.
    token: String,
    /// When the text of this attempt was sent last.
    sent: Instant,
}

impl<'t> LeaseTaking<'t> {
    pub(super) fn new(blobs: &'t Arc<dyn Blobs>, name: String, request: LeaseRequest<'t>) -> Self {
        Self { blobs, name, request, token: random(), sent: Instant::now() }
    }

    /// Reads the lease.
    pub(super) async fn find(&self) -> Result<Option<FoundLease>, StoreError> {
        read(&**self.blobs, &self.name).await
    }

    /// Takes the lease where it is free, or where its holder has not renewed it for as long as it is good for,
    /// since `sight` first saw it. `found` is what was read of it right before. `None` where that
    /// is to be read again: somebody else was first, or the answer to this one's own write was lost.
    pub(super) async fn take(
        &mut self,
        found: Option<FoundLease>,
        sight: &mut LeaseSight,
        now: Timestamp,
    ) -> Result<Option<LeaseAttempt>, StoreError> {
        let (epoch, expected) = match found {
            None => (1, WriteCondition::Absent),
            // The answer to the write below was lost, and it took effect: good since that was sent.
            Some(own) if own.0.token == self.token => return Ok(Some(self.taken(own))),
            Some((text, version)) => {
                let good_for = Duration::from_secs(text.seconds);
                match text.holder {
                    Some(other) if !sight.has_seen(&version, good_for) => {
                        return Ok(Some(LeaseAttempt::HeldBy(other)));
                    }
                    _ => (text.epoch.saturating_add(1), WriteCondition::Version(version)),
                }
            }
        };
        let text = LeaseText {
            format_version: FORMAT_VERSION,
            epoch,
            token: self.token.clone(),
            seconds: self.request.duration.as_secs().max(1),
            renewed: now.to_string(),
            holder: Some(self.request.holder.clone()),
        };
        self.sent = Instant::now();
        match self.blobs.write(&self.name, bytes(&text), expected).await {
            Ok(WriteOutcome::Done(version)) => Ok(Some(self.taken((text, version)))),
            Ok(WriteOutcome::Conflict) => Ok(None),
            Err(error) => {
                let is_ours = self.find().await?.is_some_and(|(text, _)| text.token == self.token);
                if is_ours { Ok(None) } else { Err(error) }
            }
        }
    }

    fn taken(&self, text: FoundLease) -> LeaseAttempt {
        LeaseAttempt::Taken(Box::new(Lease {
            blobs: Arc::clone(self.blobs),
            name: self.name.clone(),
            duration: self.request.duration,
            text: Mutex::new(text),
            good_since: Mutex::new(self.sent),
            turn: tokio::sync::Mutex::default(),
        }))
    }
}

impl LeaseSight {
    /// Whether the same text has been there for so long, since it was first seen.
    fn has_seen(&mut self, version: &BlobVersion, good_for: Duration) -> bool {
        match &self.0 {
            Some((seen, since)) if seen == version => since.elapsed() >= good_for,
            _ => {
                self.0 = Some((version.clone(), Instant::now()));
                false
            }
        }
    }
}

impl Lease {
    /// How often this lease was taken by anybody, this time included.
    pub fn epoch(&self) -> u64 {
        self.text.lock().expect("no holder panics").0.epoch
    }

    /// Renews the lease until it is lost, and returns then.
    ///
    /// Lost is what another one has taken, and what could not be renewed for two thirds of the time
    /// that it is good for: the rest is for the requests in flight.
    pub async fn keep(&self, clock: Clock) {
        let pause = self.duration / 4;
        loop {
            tokio::time::sleep(pause).await;
            let since = *self.good_since.lock().expect("no holder panics");
            let deadline = since + self.duration * 2 / 3;
            match tokio::time::timeout_at(deadline, self.renew(clock.now())).await {
                Ok(Ok(Renewal::Renewed)) => {}
                Ok(Ok(Renewal::Lost)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::warn!("the lease was not renewed: {error}");
                    if Instant::now() + pause >= deadline {
                        return;
                    }
                }
            }
        }
    }

    async fn renew(&self, now: Timestamp) -> Result<Renewal, StoreError> {
        // With a time of its own, so that no two texts are equal.
        let renewed = |text| LeaseText { renewed: format!("{now} {}", random()), ..text };
        Ok(match self.rewrite(renewed).await? {
            Some(sent) => {
                *self.good_since.lock().expect("no holder panics") = sent;
                Renewal::Renewed
            }
            None => Renewal::Lost,
        })
    }

    /// Gives the lease back. One that cannot be given back ends by itself.
    pub async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        let renewed = || format!("{now} {}", random());
        self.rewrite(|text| LeaseText { holder: None, renewed: renewed(), ..text }).await?;
        Ok(())
    }

    /// Writes another text; returns when it was sent, or `None` where the lease is another one's.
    async fn rewrite(
        &self,
        change: impl Fn(LeaseText) -> LeaseText,
    ) -> Result<Option<Instant>, StoreError> {
        let _turn = self.turn.lock().await;
        loop {
            let sent = Instant::now();
            let (text, version) = self.text.lock().expect("no holder panics").clone();
            let token = text.token.clone();
            let text = change(text);
            let expected = WriteCondition::Version(version);
            match self.blobs.write(&self.name, bytes(&text), expected).await? {
                WriteOutcome::Done(version) => {
                    *self.text.lock().expect("no holder panics") = (text, version);
                    return Ok(Some(sent));
                }
                WriteOutcome::Conflict => match read(&*self.blobs, &self.name).await? {
                    // Its own write, whose answer was lost: when that was sent is not known.
                    Some(own) if own.0.token == token => {
                        *self.text.lock().expect("no holder panics") = own;
                    }
                    _ => return Ok(None),
                },
            }
        }
    }
}

fn bytes(text: &LeaseText) -> Vec<u8> {
    serde_json::to_vec(text).expect("texts and numbers are always JSON")
}

/// Reads a lease.
async fn read(blobs: &dyn Blobs, name: &str) -> Result<Option<FoundLease>, StoreError> {
    let Some(blob) = blobs.read(name).await? else { return Ok(None) };
    let unreadable = || StoreError::Lease { name: name.to_owned() };
    let text: LeaseText = serde_json::from_slice(&blob.bytes).map_err(|_| unreadable())?;
    if text.format_version > FORMAT_VERSION {
        return Err(unreadable());
    }
    Ok(Some((text, blob.version)))
}
