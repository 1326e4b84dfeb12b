//! How lines of a ledger become durable: those that are there at the same time are written together.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::store::{Journal, StoreError};

/// Appends lines to a journal, a batch at a time.
pub(super) struct LineWriter {
    journal: Arc<dyn Journal>,
    queue: Mutex<LineQueue>,
    /// Held by whoever writes a batch: how many were written, and which of them failed.
    turn: tokio::sync::Mutex<(u64, BTreeSet<u64>)>,
}

/// Lines that are to be written.
#[derive(Default)]
struct LineQueue {
    /// The number of the batch that they will be.
    batch: u64,
    /// Those that somebody waits for.
    awaited: String,
    /// Those that go with the next batch, whoever waits for it, until one was written.
    left: String,
}

impl LineWriter {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, queue: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Leaves lines to be written with the next ones that somebody waits for.
    pub(super) fn leave(&self, lines: &str) {
        self.queue().left.push_str(lines);
    }

    /// Whether any lines were left and not written yet.
    pub(super) fn has_left(&self) -> bool {
        !self.queue().left.is_empty()
    }

    /// Writes lines together with those that were left and those that others write meanwhile: what comes
    /// while the disk is busy becomes durable at once. Returns when these are.
    pub(super) async fn write(&self, lines: &str) -> Result<(), StoreError> {
        loop {
            let mine = {
                let mut queue = self.queue();
                queue.awaited.push_str(lines);
                queue.batch
            };
            let mut turn = self.turn.lock().await;
            // Others that are ready add their lines to this batch.
            tokio::task::yield_now().await;
            let (written, failed) = &mut *turn;
            let (batch, left) = {
                let mut queue = self.queue();
                let is_taken = queue.batch != mine;
                if is_taken && *written > mine && !failed.contains(&mine) {
                    return Ok(());
                }
                // What failed for all, or was given up halfway, is tried again by each.
                if is_taken {
                    continue;
                }
                queue.batch += 1;
                let awaited = std::mem::take(&mut queue.awaited);
                (queue.left.clone() + &awaited, queue.left.len())
            };
            if batch.is_empty() {
                return Ok(());
            }
            let appended = self.journal.append(batch.into_bytes()).await;
            *written = mine + 1;
            match &appended {
                Ok(()) => drop(self.queue().left.drain(..left)),
                Err(_) => drop(failed.insert(mine)),
            }
            return appended;
        }
    }

    fn queue(&self) -> MutexGuard<'_, LineQueue> {
        self.queue.lock().expect("no holder panics")
    }
}
