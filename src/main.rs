//! The `qcops` program: hands arguments and environment to the command line and returns its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    qcops::cli::run(std::env::args_os(), std::env::vars_os()).into()
}
