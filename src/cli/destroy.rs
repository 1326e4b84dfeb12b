//! `qcops destroy`: everything that is ours goes, or archived tasks go for good. Listed first.

use crate::apply::Settings;
use crate::cli::apply::carry_out;
use crate::cli::apply_lock::ApplyLock;
use crate::cli::args::DestroyArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::ApplyFormat;
use crate::cli::output::Layout;
use crate::cli::progress::Progress;
use crate::cli::report::OutputOptions;
use crate::cli::session::Session;
use crate::cli::show::{exit_of, show_text};
use crate::cli::terminal;
use crate::engine::PlanRequest;
use crate::plan::{Options, Saving, Scope};
use crate::render::view::PlanView;

/// Lines of context in differences, of which such a plan has none.
const LINES: usize = 3;

/// Nothing that is destroyed is waited for.
const MANNER: OutputOptions<'static> = OutputOptions {
    shape: Layout { context: LINES, max_bytes: 0 },
    format: ApplyFormat::Text,
    waiting: None,
    outputs: &[],
};

pub(super) fn run(context: &Context, args: &DestroyArgs) -> Result<Exit, CommandError> {
    let progress = Progress::new(context.terminal);
    let session = Session::open(context, &args.comparing, &progress)?;
    let organization_id = &session.organization_id().0;
    if args.confirm.as_ref().is_some_and(|named| named != organization_id) {
        return Err(CommandError::new("`--confirm` names another organization than this one")
            .help(format!("this is `{organization_id}`"))
            .help("nothing was changed"));
    }
    block_on(plan_and_carry_out(context, args, &session, &progress))
}

async fn plan_and_carry_out(
    context: &Context,
    args: &DestroyArgs,
    session: &Session<'_>,
    progress: &Progress,
) -> Result<Exit, CommandError> {
    let artifacts = session.artifacts(args.artifacts.as_ref())?;
    let scope = if args.archived {
        let saving = if artifacts.is_some() { Saving::Asked } else { Saving::Impossible };
        Scope::Archived { older_than: args.older_than, saving }
    } else {
        Scope::Owned
    };
    let settings = Settings { artifacts, ..Settings::default() };
    // Who only looks waits for nobody.
    let mut turn = match args.confirm {
        Some(_) => Some(ApplyLock::take(context, session, progress, &settings, args.lock).await?),
        None => None,
    };
    let ended =
        plan_and_destroy(context, args, session, progress, &settings, scope, turn.as_mut()).await;
    if let Some(turn) = turn {
        turn.release(context).await;
    }
    ended
}

async fn plan_and_destroy(
    context: &Context,
    args: &DestroyArgs,
    session: &Session<'_>,
    progress: &Progress,
    settings: &Settings,
    scope: Scope,
    mut turn: Option<&mut ApplyLock>,
) -> Result<Exit, CommandError> {
    let allow = args.guards.allow.iter().copied().collect();
    let options = Options { allow, ..Options::default() };
    let request = PlanRequest { options, ..PlanRequest::default() };
    let planning = session.engine.plan_destroy(&request, scope);
    let plan = match &mut turn {
        Some(turn) => {
            let plan = turn.unless_stopped(planning).await??;
            turn.ensure(session).await?;
            plan
        }
        None => planning.await?,
    };
    if plan.steps.is_empty() && plan.notes.is_empty() && plan.doubts.is_empty() {
        terminal::output("Nothing to destroy.\n")?;
        return Ok(Exit::Success);
    }
    show_text(context, LINES, &PlanView::new(&plan))?;
    let planned = exit_of(&plan, false);
    if plan.ready_steps().next().is_none() {
        return Ok(planned);
    }
    let Some(turn) = turn else {
        let organization_id = session.organization_id();
        let mut error = CommandError::new("nothing is destroyed before it is confirmed")
            .help(format!("`--confirm {organization_id}` carries out what is listed above"));
        error.exit = Exit::Blocked;
        return Err(error);
    };
    if turn.stop.is_asked() {
        return Ok(Exit::Interrupted);
    }
    let ended = carry_out(context, session, progress, turn, &plan, settings, MANNER).await?;
    Ok(ended.min(planned))
}
