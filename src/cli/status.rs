//! `qcops status`: how every declared task stands, and its runs.

use crate::cli::args::{StatusArgs, StatusFormat};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::plan::{Session, text_options};
use crate::cli::progress::Progress;
use crate::cli::terminal;
use crate::observed::ObservedState;
use crate::plan::{self, Options, Overview, Tokens};
use crate::render::status::{StatusView, render};

pub(super) fn run(context: &Context, args: &StatusArgs) -> Result<Exit, CommandError> {
    let session = Session::open(context, &args.comparing, &Progress::new(context.terminal))?;
    let view = StatusView::new(&block_on(overview(&session, args.tokens))?);
    match args.format {
        StatusFormat::Json => terminal::output(&view.to_json())?,
        StatusFormat::Text => {
            let mut text = String::new();
            render(&view, &text_options(context, 0), &mut text).expect("a string takes everything");
            terminal::output(&text)?;
        }
    }
    Ok(Exit::Success)
}

async fn overview(session: &Session<'_>, tokens: bool) -> Result<Overview, CommandError> {
    let options = Options { is_stale: session.is_stale(), ..Options::default() };
    let plan_context = session.plan_context(options).await?;
    let tokens = if tokens { Tokens::Read } else { Tokens::AsKnown };
    let desired = |state: &ObservedState| plan::overview_reads(&plan_context.with(state), tokens);
    let state = session.observe(desired).await?;
    Ok(plan::overview(&plan_context.with(&state)))
}
