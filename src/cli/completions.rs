//! `qcops completions`: scripts for shells, made of the flags themselves.

use clap::CommandFactory;

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::terminal;

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "qcops", &mut script);
    terminal::output(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
