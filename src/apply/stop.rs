//! The request to stop, asked for once and heard everywhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Asked once, nothing new is begun and what is in flight is finished.
#[derive(Debug, Default)]
pub struct Stop {
    is_asked: AtomicBool,
    wake: Notify,
}

impl Stop {
    /// Asks to stop.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        self.wake.notify_waiters();
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
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
