//! `qcops plan`: what differs between the manifest and the service.

use std::path::Path;

use crate::cli::args::PlanArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::session::{Session, request};
use crate::cli::show::{exit_of, shape, show};
use crate::cli::{every, replay, review};
use crate::render::view::PlanView;

pub(super) fn run(context: &Context, args: &PlanArgs) -> Result<Exit, CommandError> {
    if every::is_selected(&args.planning.comparing.files) {
        return every::plan(context, args);
    }
    let (planning, progress) = (&args.planning, Progress::new(context.terminal));
    if args.out.is_some() && planning.comparing.files.has_stream() {
        let message = "a plan of standard input cannot be saved: `apply` reads the manifest again";
        return Err(CommandError::new(message).help("save the manifest to a file and commit it"));
    }
    let saved = args.save_snapshot.as_deref();
    let outputs = [("--out", args.out.as_deref()), ("--save-snapshot", saved)];
    let snapshot = args.snapshot.as_deref();
    // Findings are written as soon as the manifest is read.
    output::check(&context.outputs, &outputs, &Vec::from_iter(snapshot.map(Path::to_owned)))?;
    let session = match &args.snapshot {
        Some(path) => replay::open(context, path, &planning.comparing, &progress)?,
        None => Session::open(context, &planning.comparing, &progress)?,
    };
    session.check_outputs(&outputs, &[snapshot])?;
    let request = request(planning);
    let plan = match &args.save_snapshot {
        Some(path) => block_on(replay::plan_and_keep(context, path, &request, &session))?,
        None => block_on(async { Ok(session.engine.plan(&request).await?) })?,
    };
    show(context, planning, args.format.into(), &plan)?;
    let view = PlanView::new(&plan);
    block_on(output::write_plan(context, &args.outputs, shape(planning), &view))?;
    session.annotate(&plan)?;
    if let Some(path) = &args.out {
        block_on(review::save(context, path, planning, &session, &plan))?;
    }
    Ok(exit_of(&plan, args.detailed_exitcode))
}
