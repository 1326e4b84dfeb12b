//! Progress on standard error while applying: a bar on a terminal, lines elsewhere.

use std::sync::{Arc, Mutex};

use indicatif::{ProgressBar, ProgressStyle};

use crate::api::{OnWait, Wait, WaitReason};
use crate::cli::terminal::Terminal;
use crate::event::Event;
use crate::render::outcome::progress_line;

/// Hears of events and waits, and shows them.
#[derive(Clone)]
pub(super) struct Progress {
    terminal: Terminal,
    /// The bar, while one is drawn; pauses of the pacer are said from inside a request.
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Progress {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self { terminal, bar: Arc::default() }
    }

    /// Draws a bar of `steps`, where there is a terminal for it.
    pub(super) fn start(&self, steps: usize) {
        if self.terminal.draws() {
            let bar = ProgressBar::new(steps as u64);
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
            bar.set_style(style.expect("the template is a constant"));
            *self.bar.lock().expect("no holder panics") = Some(bar);
        }
    }

    /// Shows an event.
    pub(super) fn show(&self, event: &Event<'_>) {
        let line = progress_line(event);
        match &*self.bar.lock().expect("no holder panics") {
            Some(bar) => {
                if let Event::Finished(..) = event {
                    bar.suspend(|| self.terminal.message(&format!("{line}\n")));
                    bar.set_message("");
                    bar.inc(1);
                } else {
                    bar.set_message(line);
                }
            }
            None => self.terminal.message(&format!("{line}\n")),
        }
    }

    /// Says something between the steps.
    pub(super) fn say(&self, words: &str) {
        match &*self.bar.lock().expect("no holder panics") {
            Some(bar) => bar.set_message(words.to_owned()),
            None => self.terminal.message(&format!("{words}\n")),
        }
    }

    /// Ends the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = self.bar.lock().expect("no holder panics").take() {
            bar.finish_and_clear();
        }
    }

    /// Returns what the pacer and the client tell their pauses to.
    pub(super) fn on_wait(&self) -> OnWait {
        let progress = self.clone();
        Arc::new(move |wait| progress.say(&wait_line(wait)))
    }
}

fn wait_line(wait: Wait) -> String {
    let seconds = wait.duration.as_secs_f64();
    match wait.reason {
        WaitReason::Asked => format!("waiting {seconds:.1} s: the service asked for it"),
        WaitReason::Slowed => "going slower: the service is at its rate limit".to_owned(),
        WaitReason::Busy => format!("waiting {seconds:.1} s: the service is busy"),
        WaitReason::Unreachable => format!("waiting {seconds:.1} s: the service cannot be reached"),
    }
}
