//! The signals that ask to end.

use std::sync::Arc;

use crate::apply::Stop;
use crate::cli::exit::Exit;
use crate::cli::progress::Progress;

/// The first signal asks to stop; the second one ends the program at once, which is safe too.
///
/// From its return on a signal is heard.
pub(super) fn hear_signals(stop: Arc<Stop>, progress: Progress) {
    let mut signals = Signals::listen();
    tokio::spawn(async move {
        signals.wait().await;
        progress.finish();
        progress.say("stopping: what is in flight is finished first; again to stop at once");
        stop.ask();
        signals.wait().await;
        leave();
    });
}

#[expect(clippy::exit, reason = "the second signal asks for just that; every moment is a safe one")]
fn leave() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

/// The signals that ask to end.
#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        // Whoever is started by `nohup` goes on without its terminal.
        if !is_hangup_ignored() {
            kinds.push(SignalKind::hangup());
        }
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn wait(&mut self) {
        use std::task::Poll;
        std::future::poll_fn(|context| {
            let is_heard = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_heard { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Whether this process was started to ignore that its terminal is gone; told where Linux tells it.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    const LARGEST: u64 = 64 << 10;
    let path = std::path::Path::new("/proc/self/status");
    let status = crate::files::read_input(path, LARGEST).ok().flatten().unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The signals are counted from one, and this is the first.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// The signal that asks to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn wait(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
