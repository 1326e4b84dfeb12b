//! `qcops status`: how every declared task stands, and its deployments.

use crate::cli::args::StatusArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::every;
use crate::cli::exit::Exit;
use crate::cli::format::StatusFormat;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::show::{exit_of_status, text_options};
use crate::cli::terminal;
use crate::plan::Tokens;
use crate::render::status::{StatusView, render};

pub(super) fn run(context: &Context, args: &StatusArgs) -> Result<Exit, CommandError> {
    if every::is_selected(&args.comparing.files) {
        return every::status(context, args);
    }
    let session = Session::open(context, &args.comparing, &Progress::new(context.terminal))?;
    let tokens = if args.tokens { Tokens::Read } else { Tokens::AsKnown };
    let overview = block_on(async { Ok(session.engine.overview(tokens).await?) })?;
    let exit = exit_of_status(&overview);
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
