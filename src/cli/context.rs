//! What every command knows: the environment, read once, and the terminal.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::cli::annotate::Annotator;
use crate::cli::args::Cli;
use crate::cli::error::CommandError;
use crate::cli::format::Output;
use crate::cli::progressed::Progressed;
use crate::cli::terminal::Terminal;
use crate::clock::Clock;
use crate::files::{Disk, Files};

/// One invocation.
pub(super) struct Context {
    pub(super) terminal: Terminal,
    pub(super) environment: BTreeMap<String, String>,
    /// Variables that hold no UTF-8, as far as they can be read.
    broken: BTreeMap<String, String>,
    pub(super) clock: Clock,
    pub(super) files: Arc<dyn Files>,
    pub(super) verbose: u8,
    /// What is written beside standard output.
    pub(super) outputs: Vec<Output>,
    /// Tells CI systems of findings.
    pub(super) annotator: Annotator,
    /// What was said and shown so far.
    pub(super) progressed: Progressed,
}

impl Context {
    pub(super) fn new(
        cli: &Cli,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let (mut utf8, mut broken) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in environment {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(utf8.insert(name, value)),
                (Ok(name), Err(value)) => {
                    broken.insert(name, value.to_string_lossy().into_owned());
                }
                (Err(_), _) => {}
            }
        }
        let terminal = Terminal::new(cli.color, cli.quiet, false, None);
        let mut context = Self {
            terminal,
            environment: utf8,
            broken,
            clock: Clock::System,
            files: Arc::new(Disk),
            verbose: cli.verbose,
            outputs: cli.command.outputs().to_vec(),
            annotator: Annotator::new(cli.command.outputs()),
            progressed: Progressed::default(),
        };
        context.verbose = context.verbose.max(context.log_level());
        // A log is read by its lines, whether a terminal shows it or not: those of a CI system, and
        // ours, which would come in between.
        let is_log =
            context.verbose > 0 || context.variable("CI").is_some_and(|word| word != "false");
        let is_dumb = context.variable("TERM") == Some("dumb");
        let columns = context.variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let may_draw = !is_log && !is_dumb;
        context.terminal = Terminal::new(cli.color, cli.quiet, may_draw, columns);
        start_logs(context.verbose, context.terminal);
        context
    }

    /// What `QCOPS_LOG` asks for, as so many `-v`.
    fn log_level(&self) -> u8 {
        match self.variable("QCOPS_LOG") {
            Some("info") => 1,
            Some("debug") => 2,
            _ => 0,
        }
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a variable that is set, its bytes that are no UTF-8 replaced.
    pub(super) fn lossy_variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).or_else(|| self.broken.get(name)).cloned()
    }

    /// The home folder.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }
}

/// Runs `work` to its end on this thread.
pub(super) fn block_on<T>(
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CommandError::of(&error))?.block_on(work)
}

/// Logs of this program alone: those of libraries below may hold headers.
fn start_logs(verbose: u8, terminal: Terminal) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal.colors_messages())
        .without_time()
        .with_target(false);
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    // A second start, as in tests, keeps the first one's lines.
    drop(tracing_subscriber::registry().with(lines.with_filter(ours)).try_init());
}
