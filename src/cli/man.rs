//! `qcops man`: manual pages, made of the flags themselves, with examples and the exit codes.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::args::{Cli, ManArgs};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::examples;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::render::escape;

pub(super) fn run(context: &Context, args: &ManArgs) -> Result<Exit, CommandError> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Hands the global flags down, and gives each command its full name.
    command.build();
    if let Some(folder) = &args.all {
        return write_all(context, &command, folder);
    }
    if let Some(name) = &args.command {
        let found = command.get_subcommands().find(|command| command.get_name() == name);
        let Some(found) = found else {
            let message = format!("there is no command `{}`", escape::line(name));
            return Err(CommandError::new(message).help("`qcops --help` lists them"));
        };
        command = found.clone();
    }
    terminal::output(&page(&command))?;
    Ok(Exit::Success)
}

/// Writes a page for the program and one for each command.
fn write_all(context: &Context, command: &Command, folder: &Path) -> Result<Exit, CommandError> {
    for command in command.get_subcommands().chain([command]) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let written =
            context.files.write(&folder.join(format!("{name}.1")), page(command).as_bytes());
        written.map_err(|error| CommandError::of(&error))?;
    }
    Ok(Exit::Success)
}

fn page(command: &Command) -> String {
    let mut page = Vec::new();
    let source = concat!("qcops ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(source).manual("qcops");
    man.render(&mut page).expect("a vector takes everything");
    let mut more = Roff::new();
    more.control("SH", ["EXIT STATUS"]);
    more.text([roman("If several codes apply, the first one in this list wins:")]);
    for (exit, meaning) in Exit::ALL {
        more.control("TP", []).text([bold(exit.code().to_string())]).text([roman(meaning)]);
    }
    more.control("SH", ["EXAMPLES"]);
    for (line, meaning) in examples::of(command.get_name()) {
        more.control("TP", []).text([bold(*line)]).text([roman(*meaning)]);
    }
    more.to_writer(&mut page).expect("a vector takes everything");
    String::from_utf8_lossy(&page).into_owned()
}
