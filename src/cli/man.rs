//! `qcops man`: manual pages, made of the flags themselves.

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::args::{Cli, ManArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::render::escape;

pub(super) fn run(args: &ManArgs) -> Result<Exit, CommandError> {
    let mut command = Cli::command();
    // Hands the global flags down, and gives each command its full name.
    command.build();
    if let Some(name) = &args.command {
        let found = command.get_subcommands().find(|command| command.get_name() == name);
        let Some(found) = found else {
            let message = format!("there is no command `{}`", escape::line(name));
            return Err(CommandError::new(message).help("`qcops --help` lists them"));
        };
        command = found.clone();
    }
    let mut page = Vec::new();
    let source = concat!("qcops ", env!("CARGO_PKG_VERSION"));
    Man::new(command)
        .source(source)
        .manual("qcops")
        .render(&mut page)
        .map_err(|error| CommandError::of(&error))?;
    terminal::output(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Success)
}
