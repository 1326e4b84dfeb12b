//! Progress on standard error while applying: drawn in place on a terminal, lines elsewhere.

use std::sync::{Arc, Mutex, MutexGuard};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::api::{OnWait, Wait, WaitReason};
use crate::cli::live::{Live, REDRAW};
use crate::cli::terminal::Terminal;
use crate::event::Event;
use crate::render::outcome::progress_line;

/// Hears of events and waits, and shows them.
#[derive(Clone)]
pub(super) struct Progress {
    terminal: Terminal,
    /// What is drawn; pauses of the pacer are said from inside a request.
    drawn: Arc<Mutex<Drawn>>,
}

/// What stands on the terminal and is drawn again in place.
#[derive(Default)]
enum Drawn {
    /// Nothing: what is said stays, a line each.
    #[default]
    Nothing,
    /// How many steps are done.
    Bar(ProgressBar),
    /// The deployments that are waited for.
    Runs(Live),
}

impl Progress {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self { terminal, drawn: Arc::default() }
    }

    /// Draws a bar of `steps`, where there is a terminal for it.
    pub(super) fn start(&self, steps: usize) {
        if self.terminal.draws() {
            let bar = ProgressBar::new(steps as u64);
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
            bar.set_style(style.expect("the template is a constant"));
            *self.drawn() = Drawn::Bar(bar);
        }
    }

    /// Draws the deployments that are waited for, where there is a terminal for it, until something else
    /// ends it.
    pub(super) fn start_runs(&self) {
        if self.terminal.draws() {
            *self.drawn() = Drawn::Runs(Live::new(ProgressDrawTarget::stderr()));
            let progress = self.clone();
            drop(tokio::spawn(async move {
                loop {
                    tokio::time::sleep(REDRAW).await;
                    let Drawn::Runs(block) = &mut *progress.drawn() else { return };
                    block.draw();
                }
            }));
        }
    }

    /// Shows an event.
    pub(super) fn show(&self, event: &Event<'_>) {
        let mut drawn = self.drawn();
        if let (Drawn::Runs(block), Event::Standing(runs)) = (&mut *drawn, event) {
            block.tell(runs);
        }
        let Some(line) = progress_line(event) else { return };
        let is_finished = matches!(event, Event::Finished(..));
        match &mut *drawn {
            Drawn::Nothing => self.terminal.message(&format!("{line}\n")),
            Drawn::Bar(bar) if is_finished => {
                bar.suspend(|| self.terminal.message(&format!("{line}\n")));
                bar.set_message("");
                bar.inc(1);
            }
            Drawn::Bar(bar) => bar.set_message(line),
            Drawn::Runs(block) if is_finished => {
                block.suspend(|| self.terminal.message(&format!("{line}\n")));
                block.note(None);
            }
            // The block shows it.
            Drawn::Runs(_) if matches!(event, Event::Deploy { .. }) => {}
            Drawn::Runs(block) => block.note(Some(line)),
        }
    }

    /// Says something between the steps.
    pub(super) fn say(&self, words: &str) {
        match &mut *self.drawn() {
            Drawn::Bar(bar) => bar.set_message(words.to_owned()),
            Drawn::Runs(block) if !block.is_hidden() => block.note(Some(words.to_owned())),
            Drawn::Nothing | Drawn::Runs(_) => self.terminal.message(&format!("{words}\n")),
        }
    }

    /// Lets `work` write to standard error as it likes: the deployments are drawn again after it.
    pub(super) async fn aside<T>(&self, work: impl Future<Output = T>) -> T {
        if let Drawn::Runs(block) = &mut *self.drawn() {
            block.hide();
        }
        let done = work.await;
        if let Drawn::Runs(block) = &mut *self.drawn() {
            block.show();
        }
        done
    }

    /// Takes away what is drawn; whatever is said from now on stays.
    pub(super) fn finish(&self) {
        match std::mem::take(&mut *self.drawn()) {
            Drawn::Nothing => {}
            Drawn::Bar(bar) => bar.finish_and_clear(),
            Drawn::Runs(mut block) => block.clear(),
        }
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().expect("no holder panics")
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
