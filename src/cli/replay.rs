//! `plan --save-snapshot` and `plan --snapshot`: the same plan again, without the service.

use std::path::Path;

use crate::api;
use crate::cli::context::Context;
use crate::cli::credentials::read_variable;
use crate::cli::error::CommandError;
use crate::cli::flags::Planning;
use crate::cli::plan::Session;
use crate::cli::progress::Progress;
use crate::cli::service::Target;
use crate::cli::target;
use crate::diag::{Code, Diagnostic};
use crate::files::{self, FilesError};
use crate::observation::{Observation, ObservationError};
use crate::observed::{ObservedState, ReadRequest};
use crate::plan::{self, Plan};
use crate::render::escape;

/// The largest observation, in bytes: some thousands of tasks with long prompts.
const LARGEST: u64 = 64 << 20;

/// How many looks that are missing are named.
const NAMED: usize = 3;

/// Plans, and keeps what was seen in a file.
pub(super) async fn plan_and_keep(
    context: &Context,
    path: &Path,
    args: &Planning,
    session: &Session<'_>,
) -> Result<Plan, CommandError> {
    // All of them, because another manifest may name others.
    let agents = api::list_agents(&session.client).await?;
    let mut plan_context = session.basis_with(session.options(args), &agents)?;
    target::resolve(&args.selection.targets, &mut plan_context)?;
    let desired = |state: &ObservedState| plan::snapshot_reads(&plan_context.with(state));
    let state = session.observe(desired).await?;
    let plan = plan::plan(&plan_context.with(&state));
    let observation = Observation::new(session.target.clone(), agents, &state, &plan);
    let json = observation.to_json();
    let shown = escape::line(&path.display().to_string());
    if json.len() as u64 > LARGEST {
        let message = format!("what was seen is too large to be kept in `{shown}`");
        return Err(CommandError::new(message).help("`plan` without `--save-snapshot` works"));
    }
    files::write_output(&*context.files, path, json.as_bytes())
        .map_err(|error| CommandError::of(&error))?;
    let words = format!(
        "Kept what was seen in `{shown}`: `qcops plan --snapshot {shown}` makes this plan again.\n"
    );
    context.terminal.message(&words);
    Ok(plan)
}

/// Plans against what was kept in a file; nobody is asked.
pub(super) fn against<'a>(
    context: &'a Context,
    path: &Path,
    args: &'a Planning,
    progress: &Progress,
) -> Result<(Session<'a>, Plan), CommandError> {
    let observation = open(context, path)?;
    let asked = Target::nobody(&observation);
    let session = Session::with(context, &args.comparing, &asked, progress)?;
    let mut plan_context = session.basis_with(session.options(args), observation.agents())?;
    target::resolve(&args.selection.targets, &mut plan_context)?;
    let state = observation.state(&plan_context.desired_state);
    let inputs = plan_context.with(&state);
    let (missing, mut plan) = plan::reads_and_plan(&inputs);
    let missing: Vec<ReadRequest> = missing.into_iter().collect();
    if !missing.is_empty() {
        plan.notes.push(not_observed(&missing));
    }
    let words = format!("Planned against what was seen at {}.\n", observation.observed_at());
    context.terminal.message(&words);
    Ok((session, plan))
}

fn open(context: &Context, path: &Path) -> Result<Observation, CommandError> {
    let bytes = files::read_input(path, LARGEST).map_err(|error| CommandError::of(&error))?;
    let missing = || CommandError::of(&FilesError::Missing { path: path.to_owned() });
    let bytes = bytes.ok_or_else(missing)?;
    let observation = Observation::from_json(&bytes).map_err(|error| {
        let shown = escape::line(&path.display().to_string());
        let message = escape::line(&CommandError::of(&error).message);
        let refused = CommandError::new(format!("`{shown}` cannot be used: {message}"));
        refused.help(match error {
            ObservationError::Newer(_) => "install a newer `qcops`",
            _ => "make a new one: `qcops plan --save-snapshot FILE`",
        })
    })?;
    let organization_id = &observation.organization_id().0;
    match read_variable(context, "QC_ORGANIZATION_ID")? {
        Some(ours) if ours != *organization_id => {
            let message = format!(
                "the observation is of organization `{}`, and `QC_ORGANIZATION_ID` names another",
                escape::line(organization_id)
            );
            Err(CommandError::new(message).help("make one of that organization, or unset it"))
        }
        _ => Ok(observation),
    }
}

/// What the plan would have looked at, had there been somebody to ask.
fn not_observed(missing: &[ReadRequest]) -> Diagnostic {
    let in_words = |look: &ReadRequest| match look {
        ReadRequest::Task(id) => format!("task {id}"),
        ReadRequest::Deployments(id) => format!("the runs of task {id}"),
        ReadRequest::Conversation(id) => format!("what was said in run {id}"),
    };
    let mut named: Vec<String> = missing.iter().take(NAMED).map(in_words).collect();
    let rest = missing.len().saturating_sub(NAMED);
    if rest > 0 {
        named.push(format!("{rest} more"));
    }
    let message = format!("the observation does not hold {}", named.join(", "));
    Diagnostic::note(Code::NotObserved, message).help(
        "a plan with credentials may differ; an observation made with this manifest holds all",
    )
}
