//! A journal in a store that many machines reach: each append is a value of its own.
//!
//! Values are written once and never changed, so that no writer can lose what another one wrote. Their
//! names are in the order of the epochs of the lease under which they were written. A value that
//! starts a journal anew names those that it stands for, so that a crash between writing it and deleting
//! them does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::store::blobs::{Blobs, WriteCondition, WriteOutcome};
use crate::store::journal::{Journal, Pending, Rewriting};
use crate::store::{StoreError, random};

/// How many values are read or deleted at once.
const AT_ONCE: usize = 128;

/// From how many values on they are made one.
const MERGED_FROM: usize = 32;

/// The ending of a value that stands for others.
const MERGED: &str = ".merged.jsonl";

/// The first line of a value that stands for others.
#[derive(Serialize, Deserialize)]
struct Replaces {
    replaces: BTreeSet<String>,
    /// How many bytes follow: one that was cut stands for nothing. Earlier versions did not say it.
    #[serde(default)]
    bytes: Option<usize>,
}

/// A journal in a folder of a store.
pub(super) struct SharedJournal {
    blobs: Arc<dyn Blobs>,
    folder: String,
    /// The epoch of the lease under which it is written.
    epoch: AtomicU64,
    /// How many values this process has written.
    written: AtomicU64,
    /// What was read and written so far, by name.
    known: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl SharedJournal {
    /// Makes the journal that is kept in a folder; nothing is read yet.
    pub(super) fn new(blobs: Arc<dyn Blobs>, folder: String) -> Self {
        let (epoch, written) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { blobs, folder, epoch, written, known: Mutex::default() }
    }

    /// Writes a value that is not there yet.
    async fn add(&self, bytes: Vec<u8>, ending: &str) -> Result<(), StoreError> {
        let number = self.written.fetch_add(1, Ordering::SeqCst);
        let epoch = self.epoch.load(Ordering::SeqCst);
        let name = format!("{}/{epoch:010}-{number:08}-{}{ending}", self.folder, random());
        let written = self.blobs.write(&name, bytes.clone(), WriteCondition::Absent).await?;
        if written == WriteOutcome::Conflict {
            // The answer was lost and the request sent again: nobody else has this name.
            let found = self.blobs.read(&name).await?;
            if found.is_none_or(|found| found.bytes != bytes) {
                return Err(StoreError::NotAppended { name });
            }
        }
        self.known.lock().expect("no holder panics").insert(name, bytes);
        Ok(())
    }

    /// The lines of the values that no other one stands for, in order.
    fn effective_lines(&self) -> Vec<u8> {
        let known = self.known.lock().expect("no holder panics");
        let values = || known.iter().map(|(name, bytes)| (name, lines_of(name, bytes)));
        let replaced: BTreeSet<String> = values().flat_map(|(_, (_, replaced))| replaced).collect();
        let values = values().filter(|(name, _)| !replaced.contains(*name));
        values.flat_map(|(_, (lines, _))| lines).copied().collect()
    }
}

/// The lines of a value, and which others it stands for.
fn lines_of<'b>(name: &str, bytes: &'b [u8]) -> (&'b [u8], BTreeSet<String>) {
    if !name.ends_with(MERGED) {
        return (bytes, BTreeSet::new());
    }
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let lines = bytes.get(first.len() + 1..).unwrap_or_default();
    match serde_json::from_slice::<Replaces>(first) {
        Ok(first) if first.bytes.is_none_or(|count| count == lines.len()) => {
            (lines, first.replaces)
        }
        // Cut by a crash: those that it was to stand for are still there.
        _ => (b"", BTreeSet::new()),
    }
}

impl Journal for SharedJournal {
    fn refresh(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let names: BTreeSet<String> =
                self.blobs.list(&self.folder).await?.into_iter().collect();
            let unread: Vec<String> = {
                let mut known = self.known.lock().expect("no holder panics");
                known.retain(|name, _| names.contains(name));
                names.into_iter().filter(|name| !known.contains_key(name)).collect()
            };
            let reads = unread.into_iter().map(async |name| {
                let blob = self.blobs.read(&name).await?;
                Ok::<_, StoreError>(blob.map(|blob| (name, blob.bytes)))
            });
            let read: Vec<_> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
            // One that has gone meanwhile has another one in its place, which is read next time.
            let is_whole = read.iter().all(Option::is_some);
            self.known.lock().expect("no holder panics").extend(read.into_iter().flatten());
            if is_whole { Ok(()) } else { self.refresh().await }
        })
    }

    fn lines(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.effective_lines())
    }

    fn append(&self, lines: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(self.add(lines, ".jsonl"))
    }

    fn rewrite<'a>(&'a self, change: Rewriting<'a>) -> Pending<'a, ()> {
        Box::pin(async move {
            let lines = self.lines()?;
            let changed = change(&lines);
            // Those that a crash has left behind, too: what names them now will be gone.
            let replaces: BTreeSet<String> =
                self.known.lock().expect("no holder panics").keys().cloned().collect();
            if changed.is_none() && replaces.len() < MERGED_FROM {
                return Ok(());
            }
            let lines = changed.unwrap_or(lines);
            let first = Replaces { replaces, bytes: Some(lines.len()) };
            let mut bytes = serde_json::to_vec(&first).expect("names are always JSON");
            bytes.push(b'\n');
            bytes.extend(lines);
            self.add(bytes, MERGED).await?;
            // What is left behind by a crash is passed over, as it is named.
            let names = first.replaces.into_iter();
            let deletes = names.map(async |name| self.blobs.delete(&name).await);
            let ended: Vec<_> = stream::iter(deletes).buffer_unordered(AT_ONCE).collect().await;
            drop(ended);
            Ok(())
        })
    }

    fn begin_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
    }
}
