//! `qcops completions`: what a shell needs to ask this program how a line may go on, and the answers.
//!
//! A script only asks, so that keys of the manifest are completed too. Script and answers have to be
//! of one version of the program, because what they say to each other may change.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{DEFAULT_FILE, ManifestFiles};
use crate::cli::{format, load, terminal};
use crate::diag::Code;
use crate::emulator::{QUIRKS, QuirkSpec, Quirks, fault_rules};

/// Names the shell that asks.
const VARIABLE: &str = "QCOPS_COMPLETE";

const PROGRAM: &str = "qcops";

/// What the script of bash lacks.
const BASH: &str = include_str!("completions.bash");

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell.to_string()).expect("both know the same shells");
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(|error| CommandError::of(&error))?;
    if args.shell == Shell::Bash {
        script.extend_from_slice(BASH.as_bytes());
    }
    terminal::output(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Answers a shell, if one asks.
pub(super) fn answer(
    args: &[OsString],
    environment: &BTreeMap<OsString, OsString>,
) -> Option<Result<Exit, CommandError>> {
    if !environment.contains_key(OsStr::new(VARIABLE)) {
        return None;
    }
    let command = || {
        // Without an environment the keys of all of them are known.
        let files = ManifestFiles::of(named_files(args));
        let environment = environment.clone();
        let keys = ArgValueCompleter::new(move |typed: &OsStr| {
            let variables = |name: &str| {
                let set = environment.get(OsStr::new(name)).and_then(|value| value.to_str());
                // A task is named by its key, whatever a variable holds where it is applied.
                Some(set.unwrap_or(name).to_owned())
            };
            let typed = typed.to_str().unwrap_or_default();
            let (before, begun) = typed.split_at(last_target(typed));
            let addresses = load::addresses(&files, &variables).into_iter();
            let meant = addresses.filter(|address| address.starts_with(begun));
            meant.map(|address| CompletionCandidate::new(format!("{before}{address}"))).collect()
        });
        let complete = |command: Command| {
            let name = command.get_name().to_owned();
            command.mut_args(|arg| completed(&name, arg, &keys))
        };
        Cli::command().mut_subcommands(complete)
    };
    let env = CompleteEnv::with_factory(command).var(VARIABLE).bin(PROGRAM).completer(PROGRAM);
    let here = std::env::current_dir().ok();
    match env.try_complete(args, here.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(Ok(Exit::Success)),
        Err(error) => Some(Err(CommandError::new(error.to_string()))),
    }
}

/// Where the last of several targets begins: behind a comma that is in no bracket.
fn last_target(typed: &str) -> usize {
    let (mut depth, mut start) = (0_usize, 0);
    for (at, letter) in typed.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    start
}

/// The manifests that a line names so far.
fn named_files(args: &[OsString]) -> Vec<PathBuf> {
    let mut named = Vec::new();
    let mut words = args.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word {
            "-f" | "--file" => words.next(),
            _ => word.strip_prefix("--file=").or_else(|| word.strip_prefix("-f")),
        };
        named.extend(value.map(PathBuf::from));
    }
    if named.is_empty() { vec![PathBuf::from(DEFAULT_FILE)] } else { named }
}

/// Adds the values that a flag takes, where they are known.
fn completed(command: &str, arg: Arg, keys: &ArgValueCompleter) -> Arg {
    match arg.get_id().as_str() {
        "targets" | "runs" => arg.add(keys.clone()),
        id => {
            let words = words(command, id);
            if words.is_empty() {
                return arg;
            }
            let candidates = move || words.iter().map(CompletionCandidate::new).collect();
            arg.add(ArgValueCandidates::new(candidates))
        }
    }
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
