//! The reviewed plan: saved, and compared with the one that would be carried out.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::context::Context;
use crate::cli::documents;
use crate::cli::error::CommandError;
use crate::cli::flags::Planning;
use crate::cli::load::is_yaml;
use crate::cli::saved_options::{PathBase, apply_command, argument, options, stale};
use crate::cli::session::Session;
use crate::model::counted;
use crate::plan::{Digest, Plan};
use crate::render::json::PlanJson;
use crate::render::view::PlanView;
use crate::render::{escape, span};
use crate::saved::{self, Reviewed, SavedError};

/// The plan that was approved.
pub(super) struct Expected {
    digest: Digest,
    /// The lines behind the digest, where they are known.
    fingerprints: Vec<String>,
}

/// Saves a plan for review.
pub(super) async fn save(
    context: &Context,
    path: &Path,
    args: &Planning,
    session: &Session<'_>,
    plan: &Plan,
) -> Result<(), CommandError> {
    let base = PathBase::find()?;
    let json = serde_json::to_value(PlanJson::new(&PlanView::new(plan)));
    let reviewed = Reviewed {
        made_at: context.clock.now().as_second(),
        organization_id: session.organization_id().to_string(),
        target: session.target.clone(),
        options: options(args, &base),
        digest: plan.digest().to_string(),
        fingerprints: plan.fingerprints(),
        plan: json.expect("texts and numbers are always JSON"),
    };
    documents::write(context, path, saved::seal_plan(reviewed).as_bytes()).await?;
    let shown = escape::line(&path.display().to_string());
    let command = escape::line(&apply_command(path, args, &base));
    let words = format!("Saved to `{shown}`. To apply exactly this plan:\n  {command}\n");
    context.terminal.message(&words);
    Ok(())
}

/// Opens a saved plan that is young enough.
pub(super) async fn open(
    context: &Context,
    path: &Path,
    max_age: Duration,
) -> Result<Reviewed, CommandError> {
    const ANEW: &str = "make a new one: `qcops plan --out FILE`";
    const HELP: &str =
        "`apply` takes a file that `qcops plan --out FILE` wrote; manifests stand behind `-f`";
    let bytes = documents::read(context, path).await.map_err(|error| stale(error).help(ANEW))?;
    let name = path.display().to_string();
    let reviewed = saved::open_plan(&name, bytes.as_deref()).map_err(|error| match &error {
        // Nothing that was reviewed is at hand: the word on the command line is at fault.
        SavedError::Missing { .. } => CommandError::of(&error).help(HELP),
        SavedError::Other { .. } if is_yaml(path) => {
            let command = format!("`qcops apply -f {}` applies a manifest", argument(path));
            CommandError::of(&error).help(command).help(HELP)
        }
        SavedError::Other { .. } => stale(CommandError::of(&error)).help(HELP),
        _ => stale(CommandError::of(&error)).help(ANEW),
    })?;
    let made_at = Timestamp::from_second(reviewed.made_at).unwrap_or(Timestamp::MIN);
    let age = context.clock.now().duration_since(made_at);
    if Duration::try_from(age).is_ok_and(|age| age > max_age) {
        let seconds = u64::try_from(age.as_secs()).unwrap_or_default();
        let message = format!("`{}` was made {} ago", path.display(), span(seconds));
        return Err(stale(CommandError::new(message)).help("make a new one, or raise `--max-age`"));
    }
    Ok(reviewed)
}

/// Returns what the plan must be, if anything was reviewed.
pub(super) fn expected(
    reviewed: Option<&Reviewed>,
    digest: Option<&Digest>,
    session: &Session<'_>,
) -> Result<Option<Expected>, CommandError> {
    if let Some(reviewed) = reviewed {
        let (organization_id, target) = (session.organization_id().to_string(), &session.target);
        if reviewed.organization_id != organization_id || reviewed.target != *target {
            let message = format!(
                "the plan was made for organization `{}` at `{}`, and this is `{organization_id}` at `{target}`",
                reviewed.organization_id, reviewed.target
            );
            return Err(stale(CommandError::new(message)).help("nothing was sent"));
        }
    }
    let unusable = || stale(CommandError::new("the saved plan holds no digest"));
    let of_saved = |reviewed: &Reviewed| {
        let digest = Digest::from_text(&reviewed.digest).ok_or_else(unusable)?;
        Ok::<_, CommandError>(Expected { digest, fingerprints: reviewed.fingerprints.clone() })
    };
    let saved = reviewed.map(of_saved).transpose()?;
    let typed = digest.map(|digest| Expected { digest: digest.clone(), fingerprints: Vec::new() });
    match (&saved, &typed) {
        (Some(saved), Some(typed)) if saved.digest != typed.digest => Err(stale(
            CommandError::new("the saved plan has another digest than `--expect-digest`"),
        )),
        _ => Ok(saved.or(typed)),
    }
}

impl Expected {
    /// Refuses a plan that is not the reviewed one, and says what moved.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), CommandError> {
        let digest = plan.digest();
        if digest == self.digest {
            return Ok(());
        }
        if plan.steps.is_empty() && plan.doubts.is_empty() {
            let message = "the plan is no longer the reviewed one: nothing is left to do";
            let known = match plan.kept_agents {
                0 => counted(plan.kept_count, "task is", "tasks are"),
                agents => counted(plan.kept_count + agents, "resource is", "resources are"),
            };
            return Err(stale(CommandError::new(message))
                .help(format!(
                    "{known} as declared: it was applied already, or somebody did the same"
                ))
                .help("nothing was sent"));
        }
        let now = plan.fingerprints();
        let message = format!("the plan is no longer the reviewed one: its digest is {digest}");
        let mut error = stale(CommandError::new(message));
        let gone = self.fingerprints.iter().filter(|line| now.binary_search(line).is_err());
        error.help.extend(gone.map(|line| format!("reviewed: {line}")));
        if !self.fingerprints.is_empty() {
            let new = now.iter().filter(|line| self.fingerprints.binary_search(line).is_err());
            error.help.extend(new.map(|line| format!("now:      {line}")));
        }
        Err(error.help("plan again and have it reviewed; nothing was sent"))
    }
}
