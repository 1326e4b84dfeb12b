//! `qcops transcript`: what was said in a run, and how two runs differ.

use crate::cli::args::{TranscriptArgs, TranscriptFormat};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::plan::{Session, text_options};
use crate::cli::progress::Progress;
use crate::cli::terminal;
use crate::model::DeploymentId;
use crate::plan::{Plan, WatchedRun};
use crate::render;
use crate::render::text::Length;
use crate::render::transcript::Title;
use crate::transcript::Transcript;

/// Lines of context around a line that differs.
const CONTEXT: usize = 3;

pub(super) fn run(context: &Context, args: TranscriptArgs) -> Result<Exit, CommandError> {
    let TranscriptArgs { runs, comparing, full, format } = args;
    let session = Session::open(context, &comparing, &Progress::new(context.terminal))?;
    let mut options = text_options(context, CONTEXT);
    if full {
        options.length = Length::Full;
    }
    let words: Vec<&str> = runs.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        ["diff", ..] if format != TranscriptFormat::Text => {
            return Err(CommandError::new("two runs are compared as text only")
                .hint("leave `--format` out, or write each run with it and compare the files"));
        }
        ["diff", old, new] => {
            let (old, new) =
                block_on(async { Ok((find(&session, old).await?, find(&session, new).await?)) })?;
            let mut text = String::new();
            let names = (old.name.as_str(), new.name.as_str());
            render::transcript::diff(names, &old.said, &new.said, &options, &mut text)
                .expect("a string takes everything");
            text
        }
        [one] => {
            let Found { name, id, status, said } = block_on(find(&session, one))?;
            let title = Title { name: Some(&name), run: &id.0, status: Some(&status) };
            let mut text = String::new();
            let written = match format {
                TranscriptFormat::Text => {
                    render::transcript::text(title, &said, &options, &mut text)
                }
                TranscriptFormat::Markdown => render::transcript::markdown(title, &said, &mut text),
                TranscriptFormat::Html => {
                    text = render::html::transcript(title, &said);
                    Ok(())
                }
                TranscriptFormat::Json => {
                    text = render::transcript::json(title, &said);
                    Ok(())
                }
            };
            written.expect("a string takes everything");
            text
        }
        _ => {
            return Err(CommandError::new("it takes one run, or `diff` and two runs")
                .hint("`qcops transcript KEY/DEPLOYMENT`, or `qcops transcript diff A B`"));
        }
    };
    terminal::output(&text);
    Ok(Exit::Success)
}

/// A run that was named, with what was said in it.
struct Found {
    name: String,
    id: DeploymentId,
    status: String,
    said: Transcript,
}

/// Finds a run by its id, or by the declaration it serves.
async fn find(session: &Session<'_>, word: &str) -> Result<Found, CommandError> {
    let id = if word.starts_with("A-") && !word.contains('/') {
        DeploymentId(word.to_owned())
    } else {
        declared(&session.plan_as_declared().await?, word)?
    };
    let status = session.client.read_deployment(&id).await.into_result()?.status.to_string();
    let said = session.client.read_conversation(&id).await.into_result()?;
    Ok(Found { name: word.to_owned(), id, status, said })
}

fn declared(plan: &Plan, word: &str) -> Result<DeploymentId, CommandError> {
    let (key, deployment) = match word.split_once('/') {
        Some((key, deployment)) => (key, Some(deployment)),
        None => (word, None),
    };
    let serving: Vec<(String, &DeploymentId)> = plan
        .watches
        .iter()
        .filter(|watch| watch.key.as_str() == key)
        .filter(|watch| deployment.is_none_or(|name| watch.deployment.as_str() == name))
        .filter_map(|watch| match &watch.run {
            WatchedRun::Seen(id) => Some((format!("{key}/{}", watch.deployment), id)),
            WatchedRun::StartedBy(_) => None,
        })
        .collect();
    match serving.as_slice() {
        [(_, id)] => Ok((*id).clone()),
        [] => Err(CommandError::new(format!("no run serves `{word}`"))
            .hint("`qcops plan` says why; a run's id, `A-` and 32 digits, can be given too")),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(CommandError::new(format!("several runs serve `{word}`"))
                .hint(format!("name one of them: {}", names.join(", "))))
        }
    }
}
