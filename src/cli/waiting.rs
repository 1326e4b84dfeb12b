//! `apply --wait`: follows the declared runs, says what became of them, and keeps their transcripts.

use std::path::Path;

use crate::apply::{self, Effects, Settings, Waiting};
use crate::cli::apply::{Manner, exit_of};
use crate::cli::args::{Planning, WaitingArgs};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::plan::{self, Session};
use crate::cli::progress::Progress;
use crate::cli::terminal;
use crate::event::{Outcome, RunReport};
use crate::plan::Plan;
use crate::render;
use crate::render::Color;
use crate::render::html::Applied;
use crate::render::transcript::Title;

/// What was carried out before the waiting.
#[derive(Clone, Copy)]
pub(super) struct Waited<'a> {
    pub(super) plan: &'a Plan,
    pub(super) outcome: &'a Outcome,
    pub(super) settings: &'a Settings,
    pub(super) planning: &'a Planning,
    pub(super) manner: Manner<'a>,
}

/// Waits, reports and returns how it ended.
pub(super) async fn wait(
    context: &Context,
    args: &WaitingArgs,
    session: &Session<'_>,
    effects: &Effects<'_>,
    applied: Waited<'_>,
    progress: &Progress,
) -> Exit {
    let waiting = Waiting {
        timeout: args.timeout,
        token_budget: args.token_budget,
        poll_interval: args.poll_interval,
        keeps_transcripts: args.artifacts.is_some(),
        seed: 0,
    };
    let replan = async || match session.plan(applied.planning).await {
        Ok(plan) => Some(plan),
        Err(error) => {
            // The next look at the run tries again, within the run's time.
            progress.say(&format!("planning again failed: {}", error.message));
            None
        }
    };
    let Waited { plan, outcome, settings, manner, .. } = applied;
    let waited = apply::watch(plan, outcome, effects, settings, &waiting, replan).await;
    if waited.reports.is_empty() {
        return Exit::Success;
    }
    let color = if context.terminal.colors_output() { Color::On } else { Color::Off };
    plan::show_outcome(context, manner.format, |out| {
        out.write_str("\n")?;
        render::runs::text(&waited.reports, color, out)
    });
    let rounds = waited.rounds.iter();
    let rounds =
        rounds.map(|(plan, outcome)| exit_of(plan, outcome).min(plan::exit_of(plan, false)));
    let is_failed = waited.reports.iter().any(RunReport::is_failed);
    let judged = if is_failed { Exit::Expectation } else { Exit::Success };
    let stopped = if effects.stop.is_asked() { Exit::Interrupted } else { Exit::Success };
    let is_interrupted = effects.stop.is_asked();
    let outcome = Outcome { is_interrupted, ..outcome.clone() };
    let ended = Applied { plan, outcome: &outcome, runs: &waited.reports };
    let saved = save(context, args, &waited.reports).and(manner.write_reports(context, ended));
    let saved = match saved {
        Ok(()) => Exit::Success,
        Err(error) => {
            terminal::error(&error.message, &error.hints);
            Exit::Partial
        }
    };
    rounds.chain([judged, stopped, saved]).min().unwrap_or(Exit::Success)
}

/// Writes transcripts and the JUnit file.
fn save(context: &Context, args: &WaitingArgs, reports: &[RunReport]) -> Result<(), CommandError> {
    let write = |path: &Path, text: &str| {
        let written = context.files.write(path, text.as_bytes());
        written.map_err(|error| CommandError::of(&error).hint("what was applied stays applied"))
    };
    if let Some(path) = &args.junit {
        let mut xml = String::new();
        render::runs::junit(reports, &mut xml).expect("a string takes everything");
        write(path, &xml)?;
    }
    let Some(folder) = &args.artifacts else { return Ok(()) };
    for report in reports {
        let Ok(transcript) = &report.transcript else { continue };
        let name = format!("{}/{}", report.key, report.deployment);
        let title = Title { name: Some(&name), run: &report.id.0, status: Some(&report.status) };
        // The id is the service's word and names a file here: letters, digits and hyphens alone.
        let id = report.id.0.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-');
        let id: String = id.take(64).collect();
        let path = folder.join(format!("{}.{}.{id}", report.key, report.deployment));
        let mut markdown = String::new();
        render::transcript::markdown(title, transcript, &mut markdown)
            .expect("a string takes everything");
        let ending = |ending: &str| {
            let mut path = path.clone().into_os_string();
            path.push(ending);
            std::path::PathBuf::from(path)
        };
        write(&ending(".md"), &markdown)?;
        write(&ending(".json"), &render::transcript::json(title, transcript))?;
    }
    Ok(())
}
