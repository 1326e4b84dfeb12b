//! From words and variables to [`Cli`]: what a variable counts for beside what was typed.
//!
//! Pipelines set variables they have no value for, and switches to `1`. What was typed counts more
//! than any variable, also where the two stand for different things that exclude each other.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::{BoolishValueParser, Resettable};
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches};

use crate::cli::args::Cli;

/// Of these flags only one may be given; typing one passes over the variable of the other.
const RIVALS: [(&str, &str); 8] = [
    ("--emulator", "QCOPS_API"),
    ("--api", "QCOPS_EMULATOR"),
    ("--snapshot", "QCOPS_API"),
    ("--snapshot", "QCOPS_EMULATOR"),
    ("--snapshot", "QCOPS_SAVE_SNAPSHOT"),
    ("--api", "QCOPS_SNAPSHOT"),
    ("--emulator", "QCOPS_SNAPSHOT"),
    ("--save-snapshot", "QCOPS_SNAPSHOT"),
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
            let Some(name) = arg.get_env().map(ToOwned::to_owned) else { return arg };
            let is_empty = environment.get(&name).is_some_and(|value| value.is_empty());
            let is_overruled =
                RIVALS.iter().any(|(flag, variable)| name == *variable && is_typed(flag));
            let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
            let arg = if is_switch { arg.value_parser(BoolishValueParser::new()) } else { arg };
            if is_empty || is_overruled { arg.env(Resettable::Reset) } else { arg }
        };
        let mut command = Self::command().mut_args(settle);
        command = command.mut_subcommands(|command| command.mut_args(settle));
        let mut matches = command.try_get_matches_from_mut(args)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}
