//! From words and variables to [`Cli`]: what a variable counts for beside what was typed.
//!
//! Pipelines set variables they have no value for. What was typed counts more than any variable,
//! also where the two stand for different things that exclude each other.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::{PathBufValueParser, Resettable, StyledStr, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, CommandFactory, FromArgMatches};

use crate::cli::args::Cli;
use crate::cli::flags::STANDARD_INPUT;
use crate::cli::numbers;

/// Of these flags only one may be given; typing one passes over the variable of the other.
const RIVALS: [(&str, &str); 4] = [
    ("--emulator", "QCOPS_API"),
    ("--api", "QCOPS_EMULATOR"),
    ("--snapshot", "QCOPS_API"),
    ("--snapshot", "QCOPS_EMULATOR"),
];

/// Flags and commands of other programs, and ours in their place.
const OTHERS: &[(&[&str], &str)] = &[
    (
        &["--dry-run", "-n", "--preview", "--check"],
        "`qcops plan` shows the changes without making them",
    ),
    (&["--auto-approve", "--approve", "-y", "--assume-yes"], "`--yes` applies without asking"),
    (&["--destroy"], "`qcops destroy` removes every owned task"),
    (&["--html", "--junit"], "write `--output html=FILE` or `--output junit=FILE`"),
    (&["--report", "--json"], "write `--output json=FILE`, or `--format json` for standard output"),
    (&["--annotate"], "write `--output github` or `--output gitlab=FILE`"),
    (&["--watch", "--follow"], "`apply --wait` follows deployments; `qcops status` shows them"),
    (&["--manifest", "--config", "-c", "--filename"], "name manifests with `-f PATH`"),
    (&["--refresh-only", "refresh"], "every plan reads the service; `qcops plan` is enough"),
    (
        &["import", "adopt"],
        "`qcops pull` writes a manifest with the ids of existing tasks; `id:` in a task adopts one",
    ),
    (
        &["list", "ls", "show", "get", "state", "describe"],
        "`qcops status` shows tasks and their deployments",
    ),
    (
        &["logs", "log", "output", "conversation"],
        "`qcops transcript KEY/DEPLOYMENT` shows what was said",
    ),
    (&["diff", "preview", "dry-run"], "`qcops plan` shows what differs"),
    (&["lint", "check", "verify"], "`qcops validate` checks the manifest"),
    (&["fmt", "format"], "qcops never rewrites a manifest; `qcops validate` checks it"),
    (
        &["up", "deploy", "sync", "push", "update", "run"],
        "`qcops apply` makes the changes that `qcops plan` shows",
    ),
    (
        &["down", "delete", "rm", "remove"],
        "remove the task from the manifest and use `qcops apply --prune`, or `qcops destroy` for all",
    ),
];

impl Cli {
    /// Reads what was typed; a variable that is set to nothing is as good as none.
    pub(super) fn read(
        args: &[OsString],
        environment: &BTreeMap<OsString, OsString>,
    ) -> Result<Self, clap::Error> {
        let is_typed = |flag: &str| {
            let is_it = |word: &str| {
                let rest = word.strip_prefix(flag);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            };
            args.iter().any(|word| word.to_str().is_some_and(is_it))
        };
        let settle = |arg: Arg| {
            let arg = in_own_words(arg);
            let Some(name) = arg.get_env().map(ToOwned::to_owned) else { return arg };
            let is_empty = environment.get(&name).is_some_and(|value| value.is_empty());
            let is_overruled =
                RIVALS.iter().any(|(flag, variable)| name == *variable && is_typed(flag));
            if is_empty || is_overruled { arg.env(Resettable::Reset) } else { arg }
        };
        let mut command = Self::command().mut_args(settle);
        command = command.mut_subcommands(|command| {
            let reads_stream = ["validate", "plan"].contains(&command.get_name());
            let command = command.mut_args(settle);
            if reads_stream { command } else { command.mut_args(files_only) }
        });
        let mut matches = command.try_get_matches_from_mut(args).map_err(with_help)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// Adds what to write in place of a word of another program.
fn with_help(mut error: clap::Error) -> clap::Error {
    let word =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].into_iter().find_map(|kind| {
            match error.get(kind) {
                Some(ContextValue::String(word)) => Some(word.clone()),
                _ => None,
            }
        });
    if let Some(help) = word.and_then(|word| help_for(&word)) {
        // A word that only looks like it would be named beside ours.
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(help)]));
    }
    error
}

fn help_for(word: &str) -> Option<String> {
    let typed = word.split(['=', ' ']).next().unwrap_or_default();
    let found = OTHERS.iter().find(|(words, _)| words.contains(&typed));
    let is_manifest = [".yaml", ".yml", "/"].iter().any(|ending| word.ends_with(ending));
    found
        .map(|(_, help)| (*help).to_owned())
        .or_else(|| is_manifest.then(|| format!("name manifests with `-f`: `-f {word}`")))
}

/// Lets a command that changes or follows something read its manifests from files alone, so that the
/// next one finds the same.
fn files_only(arg: Arg) -> Arg {
    if arg.get_id() != "files" {
        return arg;
    }
    arg.value_parser(PathBufValueParser::new().try_map(|path| {
        let mut names = path.to_str().unwrap_or_default().split(',');
        if names.any(|name| name.trim() == STANDARD_INPUT) {
            return Err("only `validate` and `plan` read a manifest from standard input");
        }
        Ok(path)
    }))
}

/// Lets a number that is none be refused in the program's words; those of the standard library speak of
/// digits in strings. What begins with `-` and a digit is a number, whatever the flag.
fn in_own_words(arg: Arg) -> Arg {
    let is_flag_with_value = arg.get_long().is_some() && arg.get_action().takes_values();
    let arg = arg.allow_negative_numbers(is_flag_with_value);
    match arg.get_id().as_str() {
        "parallelism" => return arg.value_parser(numbers::in_flight),
        "token_budget" => return arg.value_parser(numbers::at_least_one),
        "rate" => return arg.value_parser(numbers::rate),
        _ => {}
    }
    let kind = arg.get_value_parser().type_id();
    if kind == TypeId::of::<usize>() {
        arg.value_parser(numbers::whole::<usize>)
    } else if kind == TypeId::of::<u64>() {
        arg.value_parser(numbers::whole::<u64>)
    } else if kind == TypeId::of::<u32>() {
        arg.value_parser(numbers::whole::<u32>)
    } else if kind == TypeId::of::<u16>() {
        arg.value_parser(numbers::whole::<u16>)
    } else {
        arg
    }
}
