//! The request to stop, asked for once and heard everywhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event::HaltReason;

/// Asked once, nothing new is begun and what is in flight is finished.
#[derive(Debug, Default)]
pub struct Stop {
    is_asked: AtomicBool,
    is_lease_lost: AtomicBool,
    wake: Notify,
}

impl Stop {
    /// Asks to stop.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        self.wake.notify_waiters();
    }

    /// Lets nothing new begin, because another apply may begin.
    pub fn lose_lease(&self) {
        self.is_lease_lost.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }

    /// Why nothing new is begun, where that is so.
    pub(super) fn reason(&self) -> Option<HaltReason> {
        let is_lost = self.is_lease_lost.load(Ordering::SeqCst);
        let lost = is_lost.then_some(HaltReason::LeaseLost);
        self.is_asked().then_some(HaltReason::Interrupted).or(lost)
    }

    /// Waits until a stop is asked for.
    pub async fn asked(&self) {
        let woken = self.wake.notified();
        if !self.is_asked() {
            woken.await;
        }
    }

    /// Waits for `duration`, or less once a stop is asked for.
    pub async fn sleep(&self, duration: Duration) {
        tokio::select! {
            () = self.asked() => {}
            () = tokio::time::sleep(duration) => {}
        }
    }
}
