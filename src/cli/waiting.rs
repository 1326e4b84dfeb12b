//! `apply --wait`: follows the declared deployments, says their results, and keeps their transcripts.

use crate::apply::{Settings, Stop, Waiting};
use crate::cli::args::WaitingArgs;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{ApplyFormat, Planning};
use crate::cli::progress::Progress;
use crate::cli::report::{OutputOptions, exit_of, told};
use crate::cli::session::{Session, request};
use crate::cli::show;
use crate::cli::terminal;
use crate::diag::with_causes;
use crate::engine::PlanRequest;
use crate::event::{DeploymentReport, Outcome};
use crate::plan::Plan;
use crate::render;
use crate::render::escape;
use crate::render::html::Applied;
use crate::render::transcript::Title;
use crate::saved::{Conversation, Said};
use crate::store::Artifacts;

/// What was carried out before the waiting.
#[derive(Clone, Copy)]
pub(super) struct AppliedPlan<'a> {
    pub(super) plan: &'a Plan,
    pub(super) outcome: &'a Outcome,
    pub(super) settings: &'a Settings,
    pub(super) planning: &'a Planning,
    pub(super) manner: OutputOptions<'a>,
}

/// Waits, reports and returns how it ended.
pub(super) async fn wait(
    context: &Context,
    args: &WaitingArgs,
    session: &Session<'_>,
    stop: &Stop,
    applied: AppliedPlan<'_>,
    progress: &Progress,
) -> Result<Exit, CommandError> {
    let waiting = Waiting {
        timeout: args.timeout,
        wait_timeout: args.wait_timeout,
        token_budget: args.token_budget,
        poll_interval: args.poll_interval,
        keeps_transcripts: applied.settings.artifacts.is_some(),
        tells_standings: context.terminal.draws(),
        seed: 0,
    };
    let request = PlanRequest { may_recall: false, ..request(applied.planning) };
    let replan = async || match progress.aside(session.engine.plan(&request)).await {
        Ok(plan) => Some(plan),
        Err(error) => {
            // The next look at the deployment tries again, within the deployment's time.
            let why = escape::line(&with_causes(&error));
            progress.say(&format!("planning again failed: {why}"));
            None
        }
    };
    let AppliedPlan { plan, outcome, settings, manner, .. } = applied;
    progress.start_runs();
    let waited = session.engine.watch(plan, outcome, settings, &waiting, stop, replan).await?;
    progress.finish();
    let printed = print(context, manner, plan, &waited.reports);
    let rounds = waited.rounds.iter();
    let rounds =
        rounds.map(|(plan, outcome)| exit_of(plan, outcome).min(show::exit_of(plan, false)));
    let is_failed = waited.reports.iter().any(DeploymentReport::is_failed);
    let judged = if is_failed { Exit::Expectation } else { Exit::Success };
    let stopped = if stop.is_asked() { Exit::Interrupted } else { Exit::Success };
    let is_interrupted = stop.is_asked();
    let outcome = Outcome { is_interrupted, ..outcome.clone() };
    let ended = Applied { plan, outcome: &outcome, runs: &waited.reports };
    let saved = save(context, settings, &waited.reports).await;
    let saved = saved.and(manner.write_reports(context, ended).await);
    Ok(rounds
        .chain([judged, stopped, printed, told(context, saved)])
        .min()
        .unwrap_or(Exit::Success))
}

/// Prints the result of the deployments.
fn print(
    context: &Context,
    manner: OutputOptions<'_>,
    plan: &Plan,
    reports: &[DeploymentReport],
) -> Exit {
    let options = show::text_options(context, 0);
    let mut printed = Exit::Success;
    if !reports.is_empty() {
        let text = show::show_outcome(context, manner.format, |out| {
            out.write_str("\n")?;
            render::deployments::text(reports, &options, out)
        });
        printed = told(context, text);
    }
    if manner.format == ApplyFormat::Junit {
        let written = terminal::stream(|out| render::deployments::junit(reports, &plan.gaps, out));
        printed = printed.min(told(context, written));
    }
    printed
}

/// Writes transcripts; every one that can be written is, whatever the others do.
async fn save(
    context: &Context,
    settings: &Settings,
    reports: &[DeploymentReport],
) -> Result<(), CommandError> {
    let Some(artifacts) = &settings.artifacts else { return Ok(()) };
    let mut unsaved = Vec::new();
    for report in reports {
        if let Err(why) = save_conversation(artifacts, report).await {
            let run = format!("{}/{}", report.key, report.deployment);
            unsaved.push(CommandError::new(format!(
                "the conversation of `{run}` was not saved: {why}"
            )));
        }
    }
    if unsaved.len() < reports.len() {
        context
            .terminal
            .message(&format!("Transcripts are in `{}`.\n", escape::line(&artifacts.to_string())));
    }
    let mut unsaved = unsaved.into_iter();
    let Some(first) = unsaved.next() else { return Ok(()) };
    let others = unsaved.map(|error| error.message);
    let error = others.fold(first, |error, other| error.help(format!("also: {other}")));
    Err(error.help("what was applied stays applied"))
}

async fn save_conversation(artifacts: &Artifacts, report: &DeploymentReport) -> Result<(), String> {
    let said = report.transcript.as_ref().map_err(String::clone)?;
    let name = format!("{}/{}", report.key, report.deployment);
    let title = Title { name: Some(&name), run: &report.id.0, status: Some(&report.status) };
    let stem = format!("{}.{}.", report.key, report.deployment);
    let conversation = Conversation { title, said: Said::Read(said) };
    conversation.save(artifacts, &stem).await.map_err(|error| with_causes(&error))
}
