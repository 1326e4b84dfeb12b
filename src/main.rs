//! The `qcops` program: hands arguments and environment to the command line and returns its code.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    qcops::cli::run(std::env::args_os(), std::env::vars_os()).into()
}
