//! `plan --save-snapshot` and `plan --snapshot`: the same plan again, without the service.

use std::path::Path;

use crate::cli::context::Context;
use crate::cli::credentials::{ORGANIZATION_ID, read_family};
use crate::cli::error::CommandError;
use crate::cli::flags::Comparing;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::engine::PlanRequest;
use crate::files::{self, FilesError};
use crate::observation::{Observation, ObservationError};
use crate::plan::Plan;
use crate::render::escape;

/// The largest snapshot, in bytes: some thousands of tasks with long prompts.
const LARGEST: u64 = 64 << 20;

/// Plans, and saves what the service returned.
pub(super) async fn plan_and_keep(
    context: &Context,
    path: &Path,
    request: &PlanRequest,
    session: &Session<'_>,
) -> Result<Plan, CommandError> {
    let (plan, snapshot) = session.engine.plan_and_keep(request, session.target.clone()).await?;
    let json = snapshot.to_json();
    let shown = escape::line(&path.display().to_string());
    if json.len() as u64 > LARGEST {
        let message = format!("the snapshot is too large to be saved in `{shown}`");
        return Err(CommandError::new(message).help("`plan` without `--save-snapshot` works"));
    }
    files::write_output(&*context.files, path, json.as_bytes())
        .map_err(|error| CommandError::of(&error))?;
    let words = format!(
        "Saved a snapshot to `{shown}`: `qcops plan --snapshot {shown}` makes this plan again.\n"
    );
    context.terminal.message(&words);
    Ok(plan)
}

/// Opens a snapshot in place of the service; no request is made.
pub(super) fn open<'a>(
    context: &'a Context,
    path: &Path,
    comparing: &Comparing,
    progress: &Progress,
) -> Result<Session<'a>, CommandError> {
    let snapshot = read(context, path)?;
    let observed_at = snapshot.observed_at();
    let session = Session::of_snapshot(context, comparing, progress, snapshot)?;
    context.terminal.message(&format!("Planning from a snapshot of {observed_at}.\n"));
    Ok(session)
}

fn read(context: &Context, path: &Path) -> Result<Observation, CommandError> {
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
    match read_family(context, &ORGANIZATION_ID)? {
        Some(ours) if ours.value != *organization_id => {
            let message = format!(
                "the snapshot is of organization `{}`, and `{}` names another",
                escape::line(organization_id),
                ours.origin
            );
            Err(CommandError::new(message).help("make one of that organization, or unset it"))
        }
        _ => Ok(observation),
    }
}
