//! `qcops status`: how every declared task stands, and its deployments.

use crate::cli::args::{StatusArgs, StatusFormat};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::show::text_options;
use crate::cli::terminal;
use crate::plan::Tokens;
use crate::render::status::{StatusView, render};

pub(super) fn run(context: &Context, args: &StatusArgs) -> Result<Exit, CommandError> {
    let session = Session::open(context, &args.comparing, &Progress::new(context.terminal))?;
    let tokens = if args.tokens { Tokens::Read } else { Tokens::AsKnown };
    let overview = block_on(async { Ok(session.engine.overview(tokens).await?) })?;
    // What may be missing must not pass for all there is.
    let exit = if overview.doubts.is_empty() { Exit::Success } else { Exit::Blocked };
    let view = StatusView::new(&overview);
    match args.format {
        StatusFormat::Json => terminal::output(&view.to_json())?,
        StatusFormat::Text => {
            let mut text = String::new();
            render(&view, &text_options(context, 0), &mut text).expect("a string takes everything");
            terminal::output(&text)?;
        }
    }
    Ok(exit)
}
