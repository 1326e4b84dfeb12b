//! `qcops transcript`: what was said in a deployment, and how two deployments differ.

use crate::api::CallOutcome;
use crate::cli::args::TranscriptArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::format::TranscriptFormat;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::show::text_options;
use crate::cli::terminal;
use crate::diag::with_causes;
use crate::engine::{PlanTarget, without_kind};
use crate::manifest::nearest_few;
use crate::model::{DeploymentId, Key};
use crate::plan::{Plan, WatchedDeployment};
use crate::render;
use crate::render::text::Length;
use crate::render::transcript::Title;
use crate::transcript::Transcript;

/// Lines of context around a line that differs.
const CONTEXT: usize = 3;

/// How many deployments are named in place of one that is not there.
const NAMED: usize = 5;

pub(super) fn run(context: &Context, args: TranscriptArgs) -> Result<Exit, CommandError> {
    let TranscriptArgs { runs, comparing, full, format } = args;
    let session = Session::open(context, &comparing, &Progress::new(context.terminal))?;
    let mut options = text_options(context, CONTEXT);
    if full {
        options.length = Length::Full;
    }
    let words: Vec<&str> = runs.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["diff", ..] if format != TranscriptFormat::Text => {
            return Err(CommandError::new("two deployments are compared as text only").help(
                "leave `--format` out, or write each deployment with it and compare the files",
            ));
        }
        ["diff", old, new] => {
            let (old, new) =
                block_on(async { Ok((find(&session, old).await?, find(&session, new).await?)) })?;
            let names = (old.name.as_str(), new.name.as_str());
            terminal::stream(|out| {
                render::transcript::diff(names, &old.said, &new.said, &options, out)
            })?;
        }
        [one] => {
            let Found { name, id, status, said } = block_on(find(&session, one))?;
            let title = Title { name: Some(&name), run: &id.0, status: Some(&status) };
            terminal::stream(|out| match format {
                TranscriptFormat::Text => {
                    let width = options.width.unwrap_or(render::transcript::WIDTH);
                    render::transcript::text(title, &said, width, &options, out)
                }
                TranscriptFormat::Markdown => render::transcript::markdown(title, &said, out),
                TranscriptFormat::Html => render::html::transcript(title, &said, out),
                TranscriptFormat::Json => render::transcript::json(title, &said, out),
            })?;
        }
        _ => {
            return Err(CommandError::new("it takes one run, or `diff` and two deployments")
                .help("`qcops transcript KEY/DEPLOYMENT`, or `qcops transcript diff A B`"));
        }
    }
    Ok(Exit::Success)
}

/// A deployment that was named, with what was said in it.
struct Found {
    name: String,
    id: DeploymentId,
    status: String,
    said: Transcript,
}

/// Finds a deployment by its id, or by the declaration it serves.
async fn find(session: &Session<'_>, word: &str) -> Result<Found, CommandError> {
    let is_id = word.starts_with("A-") && !word.contains('/');
    let id = if is_id {
        DeploymentId(word.to_owned())
    } else {
        declared(session, &session.plan_as_declared().await?, word)?
    };
    let status = match session.engine.client()?.read_deployment(&id).await {
        CallOutcome::Refused(error) if is_id && !error.is_auth() => {
            let message = format!("there is no deployment `{word}`: {}", with_causes(&error));
            let error = CommandError::new(message);
            // Without a plan there is nothing to name in its place.
            let plan = session.plan_as_declared().await.ok();
            return Err(match &plan {
                Some(plan) => name_others(error, word, &serving(plan, |_, _| true)),
                None => error,
            });
        }
        answer => answer.into_result()?.status.to_string(),
    };
    let said = session.engine.client()?.read_conversation(&id).await.into_result()?;
    Ok(Found { name: word.to_owned(), id, status, said })
}

fn declared(session: &Session<'_>, plan: &Plan, word: &str) -> Result<DeploymentId, CommandError> {
    let target: Option<PlanTarget> = word.parse().ok();
    let is_known = |key: &Key| plan.watches.iter().any(|watch| watch.key == *key);
    let task = target.as_ref().and_then(|target| target.task(is_known));
    let run = target.as_ref().and_then(PlanTarget::deployment);
    let found = serving(plan, |key, deployment| {
        task.as_ref() == Some(key) && run.is_none_or(|run| run == deployment)
    });
    match found.as_slice() {
        [(_, id)] => Ok((*id).clone()),
        [] => {
            let error = CommandError::new(format!("no deployment serves `{word}`"));
            let forgotten = &session.engine.manifests.manifest.forgotten;
            let is_it =
                |key: &Key| forgotten.contains_key(key) || forgotten.contains_key(key.base());
            let key = target.and_then(|target| target.task(is_it));
            let error = match key {
                Some(key) => error.help(format!(
                    "`{key}` is under `forget` in the manifest, so its deployments are no longer followed"
                )),
                None => error.help("`qcops plan` says why, where it is declared"),
            };
            Err(name_others(error, word, &serving(plan, |_, _| true)))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(CommandError::new(format!("several deployments serve `{word}`"))
                .help(format!("name one of them: {}", names.join(", "))))
        }
    }
}

/// The deployments that serve a declaration, each behind its `KEY/DEPLOYMENT`.
fn serving(plan: &Plan, is_meant: impl Fn(&Key, &Key) -> bool) -> Vec<(String, &DeploymentId)> {
    let meant = plan.watches.iter().filter(|watch| is_meant(&watch.key, &watch.deployment));
    let seen = meant.filter_map(|watch| match &watch.run {
        WatchedDeployment::Seen(id) => Some((format!("{}/{}", watch.key, watch.deployment), id)),
        WatchedDeployment::StartedBy(_) => None,
    });
    seen.collect()
}

/// Adds which runs can be named, the one first that was probably meant.
fn name_others(
    error: CommandError,
    word: &str,
    serving: &[(String, &DeploymentId)],
) -> CommandError {
    let error = if serving.is_empty() {
        error.help("no declared deployment has been started yet")
    } else {
        let words = || serving.iter().flat_map(|(name, id)| [name.as_str(), &id.0]);
        let word = without_kind(word);
        let begun = words().find(|known| word.len() > 2 && known.starts_with(word));
        let near = begun.or_else(|| nearest_few(word, words(), 1).pop());
        let error = match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        };
        let shown = serving.iter().take(NAMED).map(|(name, id)| format!("{name} ({id})"));
        let rest = match serving.len().saturating_sub(NAMED) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        error.help(format!("declared deployments: {}{rest}", shown.collect::<Vec<_>>().join(", ")))
    };
    error.help(
        "any deployment's id, `A-` and 32 digits, can be given; `qcops status` shows deployments",
    )
}
