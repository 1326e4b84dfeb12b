//! The command line: the only place that knows terminal, environment and exit codes.
//!
//! [`run`] reads what was typed, one file a command carries it out. Data goes to standard output,
//! everything else to standard error.

mod annotate;
mod apply;
mod apply_lock;
mod args;
mod completions;
mod context;
mod credentials;
mod destroy;
mod doctor;
mod documents;
mod emulator;
mod error;
mod every;
mod examples;
mod exit;
mod failure;
mod flags;
mod format;
mod init;
mod live;
mod load;
mod man;
mod numbers;
mod output;
mod plan;
mod progress;
mod progressed;
mod pull;
mod read;
mod replay;
mod report;
mod review;
mod saved_options;
mod schema;
mod service;
mod session;
mod show;
mod signals;
mod status;
mod store;
mod terminal;
mod times;
mod transcript;
mod unlock;
mod validate;
mod vars;
mod waiting;

pub use exit::Exit;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;

use crate::cli::args::{Cli, Command};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::failure::FailurePage;
use crate::cli::terminal::Terminal;
use crate::clock;

/// Runs one invocation and returns how it ended.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Exit {
    let terminal = Terminal::unknown();
    let args: Vec<OsString> = args.into_iter().collect();
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    if let Some(answered) = completions::answer(&args, &environment) {
        return answered.unwrap_or_else(|error| say(terminal, &error));
    }
    let cli = match Cli::read(&args, &environment) {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() {
                terminal.usage(&error.render().ansi().to_string().replace("tip:", "help:"));
                return Exit::Error;
            }
            // Help and version are not errors.
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            return terminal::ended(printed)
                .map_or_else(|error| say(terminal, &error), |()| Exit::Success);
        }
    };
    let context = Context::new(&cli, environment);
    if !clock::is_usable(context.clock.now()) {
        let words = "this machine's clock shows a time at the end of the calendar, the year 9999";
        return say(
            context.terminal,
            &CommandError::new(words).help("set the clock; nothing was sent"),
        );
    }
    let page = FailurePage::of(&cli.command);
    let ended = run_command(&context, cli.command);
    match ended {
        Ok(exit) => exit,
        Err(error) => {
            let exit = say(context.terminal, &error);
            if let Some(page) = page {
                page.write(&context, &error);
            }
            exit
        }
    }
}

/// Runs a command.
fn run_command(context: &Context, command: Command) -> Result<Exit, CommandError> {
    every::check(&command)?;
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Validate(args) => validate::run(context, &args),
        Command::Plan(args) => plan::run(context, &args),
        Command::Apply(args) => apply::run(context, &args),
        Command::Transcript(args) => transcript::run(context, args),
        Command::Status(args) => status::run(context, &args),
        Command::Pull(args) => pull::run(context, &args),
        Command::Destroy(args) => destroy::run(context, &args),
        Command::Unlock(args) => unlock::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Emulator(args) => emulator::run(context, &args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(context, &args),
    }
}

fn say(terminal: Terminal, error: &CommandError) -> Exit {
    if !error.is_said {
        terminal.error(&error.message, &error.help);
    }
    error.exit
}
