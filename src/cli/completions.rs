//! `qcops completions`: scripts for shells, made of the flags themselves.

use std::any::TypeId;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, CommandFactory, ValueHint};

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::{format, terminal};
use crate::diag::Code;
use crate::emulator::{QUIRKS, QuirkSpec, Quirks, fault_rules};

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let mut command = Cli::command().mut_args(|arg| completed("", arg));
    command = command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        command.mut_args(|arg| completed(&name, arg))
    });
    clap_complete::generate(args.shell, &mut command, "qcops", &mut script);
    terminal::output(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Names the words that a flag takes, where they are known. A shell completes the names of files
/// unless it is told otherwise, and most values are none.
fn completed(command: &str, arg: Arg) -> Arg {
    let words = words(command, arg.get_id().as_str());
    if !words.is_empty() {
        // A script is all that this process still makes.
        let known = words.into_iter().map(|word| PossibleValue::new(&*word.leak()));
        return arg.value_parser(PossibleValuesParser::new(known));
    }
    let is_file = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    let takes_values = arg.get_action().takes_values();
    if takes_values && !is_file && arg.get_value_hint() == ValueHint::Unknown {
        return arg.value_hint(ValueHint::Other);
    }
    arg
}

fn words(command: &str, arg: &str) -> Vec<String> {
    match (command, arg) {
        (_, "allow") => Code::GUARDS.iter().map(|code| code.as_str().to_owned()).collect(),
        (_, "outputs") => {
            let offered = match command {
                "plan" => format::OF_PLAN,
                "apply" => format::OF_APPLY,
                _ => format::OF_FINDINGS,
            };
            offered.iter().map(|name| format!("{name}=")).collect()
        }
        ("emulator", "quirks") => quirks(),
        ("emulator", "faults") => std::iter::once("help".to_owned()).chain(fault_rules()).collect(),
        ("man", "command") => {
            Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

/// Every quirk with each of its words, or with the number that it has.
fn quirks() -> Vec<String> {
    let numbers = Quirks::default().settings();
    let of_quirk = |(quirk, (name, number)): (&QuirkSpec, (&str, String))| {
        if quirk.values.is_empty() {
            return vec![format!("{name}={number}")];
        }
        quirk.values.iter().map(|value| format!("{name}={value}")).collect()
    };
    let rows = QUIRKS.iter().zip(numbers).flat_map(of_quirk);
    std::iter::once("help".to_owned()).chain(rows).collect()
}
