//! What was typed: the command line as `clap` reads it. Reading it may only validate.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use crate::cli::times::{duration, span_of_days};
use crate::diag::Code;
use crate::history::Depth;
use crate::model::Key;
use crate::render::markdown::DEFAULT_BYTES;

/// The manifest that is read where none is named.
pub(super) const DEFAULT_FILE: &str = "tasks.yaml";

/// Where the emulator is kept unless another file is named: beside the ledger.
pub(super) const EMULATOR_FILE: &str = ".qcops/emulator.json";

/// GitOps for QuantConnect agents: a manifest declares agent tasks and their runs, `plan` shows what
/// differs on the service, `apply` carries it out.
#[derive(Debug, Parser)]
#[command(name = "qcops", version, max_term_width = 100, infer_long_args = false)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Say more on standard error; twice says every request.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "QCOPS_VERBOSE", help_heading = "Global options")]
    pub(super) verbose: u8,
    /// Say nothing on standard error but errors.
    #[arg(short, long, global = true, env = "QCOPS_QUIET", help_heading = "Global options")]
    pub(super) quiet: bool,
    /// When to color.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "QCOPS_COLOR",
        help_heading = "Global options"
    )]
    pub(super) color: ColorWhen,
}

/// When to color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the manifest; asks nobody.
    Validate(Files),
    /// Show what differs between the manifest and the service; changes nothing.
    Plan(PlanArgs),
    /// Carry out what `plan` shows.
    Apply(Box<ApplyArgs>),
    /// Show what was said in a run, or how two runs differ.
    Transcript(TranscriptArgs),
    /// Show how every declared task stands, and its runs.
    Status(StatusArgs),
    /// Write a manifest of what exists on the service.
    Pull(PullArgs),
    /// Retire everything that is ours, or delete archived tasks for good.
    Destroy(DestroyArgs),
    /// Cut an apply of this manifest everywhere, on the emulator.
    Rehearse(RehearseArgs),
    /// Serve the emulated service over HTTP on this machine.
    Emulator(EmulatorArgs),
    /// Print the JSON Schema of a manifest, or of what is written.
    Schema(SchemaArgs),
    /// Print a script that completes commands and flags in a shell.
    Completions(CompletionsArgs),
    /// Print a manual page, as `qcops man plan | man -l -` shows it.
    Man(ManArgs),
}

/// The manifests.
#[derive(Clone, Debug, Args)]
pub(super) struct Files {
    /// A manifest, or a folder of manifests; may be given several times.
    #[arg(
        short,
        long = "file",
        value_name = "PATH",
        default_value = DEFAULT_FILE,
        env = "QCOPS_FILE"
    )]
    pub(super) files: Vec<PathBuf>,
    /// Tell a CI system of findings: `github` as annotations, on standard error; `gitlab=FILE` as a
    /// code quality report.
    #[arg(long, value_name = "SYSTEM", value_parser = ci_system, env = "QCOPS_ANNOTATE")]
    pub(super) annotate: Option<CiSystem>,
}

/// A CI system that shows findings at the lines they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CiSystem {
    /// Reads workflow commands from the log.
    GitHub,
    /// Reads a report from this file.
    GitLab(PathBuf),
}

/// Which service to ask, and how fast.
#[derive(Clone, Debug, Args)]
pub(super) struct Service {
    /// The address of the service: https, or http on this machine.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://www.quantconnect.com/api/v2",
        env = "QCOPS_API"
    )]
    pub(super) api: String,
    /// Use the embedded emulator instead of the service; it is kept in FILE.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = EMULATOR_FILE,
        conflicts_with = "api",
        env = "QCOPS_EMULATOR"
    )]
    pub(super) emulator: Option<PathBuf>,
    /// Let the agents of the embedded emulator play this script, a YAML file; docs/deployments.md describes it.
    #[arg(long, value_name = "FILE", requires = "emulator", env = "QCOPS_SCRIPT")]
    pub(super) script: Option<PathBuf>,
    /// The most requests in flight.
    #[arg(long, value_name = "N", default_value_t = 8, env = "QCOPS_PARALLELISM")]
    pub(super) parallelism: usize,
    /// Requests a second to start with; 0 is no limit [default: 10; no limit for the emulator].
    #[arg(long, value_name = "N", env = "QCOPS_RATE")]
    pub(super) rate: Option<f64>,
    /// How long a request that the service does not process is sent again, such as `2m`.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration, env = "QCOPS_RETRY_TIME")]
    pub(super) retry_time: Duration,
}

/// What is compared: the manifests, their history, and a service.
#[derive(Clone, Debug, Args)]
pub(super) struct Comparing {
    #[command(flatten)]
    pub(super) files: Files,
    #[command(flatten)]
    pub(super) service: Service,
    /// How many versions of the manifest to read from Git: `none`, a number or `all`.
    #[arg(long, value_name = "N", default_value = "200", env = "QCOPS_HISTORY")]
    pub(super) history: Depth,
    /// Read history from this commit too, such as a branch that was force-pushed away.
    #[arg(long, value_name = "REV", env = "QCOPS_HISTORY_FROM")]
    pub(super) history_from: Vec<String>,
}

/// What `plan` and `apply` share: the same flags give the same plan.
#[derive(Clone, Debug, Args)]
pub(super) struct Planning {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Retire tasks of ours that are no longer declared.
    #[arg(long, env = "QCOPS_PRUNE")]
    pub(super) prune: bool,
    /// Plan for this key alone; may be given several times.
    #[arg(long = "target", value_name = "KEY", env = "QCOPS_TARGET", value_delimiter = ',')]
    pub(super) targets: Vec<Key>,
    /// The most tasks to retire because they are no longer declared [default: 30 % of ours, 1 to 10].
    #[arg(long, value_name = "N", env = "QCOPS_MAX_DELETE")]
    pub(super) max_delete: Option<usize>,
    /// The most tasks to replace [default: 30 % of ours, 1 to 10].
    #[arg(long, value_name = "N", env = "QCOPS_MAX_REPLACE")]
    pub(super) max_replace: Option<usize>,
    /// The most tasks to create [default: 50].
    #[arg(long, value_name = "N", env = "QCOPS_MAX_CREATE")]
    pub(super) max_create: Option<usize>,
    /// The most deployments to start [default: 5, and 3 of a task and day].
    #[arg(long, value_name = "N", env = "QCOPS_MAX_DEPLOYMENTS")]
    pub(super) max_deployments: Option<usize>,
    #[arg(long = "allow", help = allow_help(), value_name = "CODE", value_parser = guard, env = "QCOPS_ALLOW", value_delimiter = ',')]
    pub(super) allow: Vec<Code>,
    /// How the plan is written.
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "QCOPS_FORMAT")]
    pub(super) format: Format,
    /// The most bytes of Markdown.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BYTES, env = "QCOPS_MAX_BYTES")]
    pub(super) max_bytes: usize,
    /// Lines of context around a changed line of a prompt.
    #[arg(long, value_name = "N", default_value_t = 3, env = "QCOPS_CONTEXT")]
    pub(super) context: usize,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal or a log.
    Text,
    /// For programs; `docs/formats.md` names every field.
    Json,
    /// For a comment at a pull request.
    Markdown,
    /// For a browser: one page that needs nothing else.
    Html,
    /// For a CI system, where `apply` waits: JUnit XML, each run that was waited for is a test.
    Junit,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) planning: Planning,
    /// Save the plan for `qcops apply FILE`.
    #[arg(long, value_name = "FILE", env = "QCOPS_OUT")]
    pub(super) out: Option<PathBuf>,
    /// Exit 2 where changes are present.
    #[arg(long, env = "QCOPS_DETAILED_EXITCODE")]
    pub(super) detailed_exitcode: bool,
    /// Keep what was seen of the service in this file, for `--snapshot`.
    #[arg(long, value_name = "FILE", env = "QCOPS_SAVE_SNAPSHOT")]
    pub(super) save_snapshot: Option<PathBuf>,
    /// Plan against what was kept in this file: no request is made, and no credentials are needed.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["api", "emulator", "save_snapshot"],
        env = "QCOPS_SNAPSHOT"
    )]
    pub(super) snapshot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) planning: Planning,
    /// A plan saved by `plan --out`: planned afresh with its options, and carried out if equal.
    #[arg(value_name = "PLAN")]
    pub(super) plan: Option<PathBuf>,
    /// Carry out the plan without asking if it has this digest, and refuse it otherwise.
    #[arg(long, value_name = "DIGEST", env = "QCOPS_EXPECT_DIGEST")]
    pub(super) expect_digest: Option<String>,
    /// How old a saved plan may be, such as `24h`.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration, env = "QCOPS_MAX_AGE")]
    pub(super) max_age: Duration,
    /// Do not ask before carrying out the plan.
    #[arg(long, env = "QCOPS_YES")]
    pub(super) yes: bool,
    /// Waits before each look that settles a lost answer, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "2,4,8,15,30",
        value_delimiter = ',',
        env = "QCOPS_SETTLE_DELAYS"
    )]
    pub(super) settle_delays: Vec<u64>,
    /// Write what became of every step to this file, as JSON; on an interrupt too.
    #[arg(long, value_name = "FILE", env = "QCOPS_REPORT")]
    pub(super) report: Option<PathBuf>,
    /// Write the plan, what became of its steps, and the runs that were waited for, as one HTML page.
    #[arg(long, value_name = "FILE", env = "QCOPS_HTML")]
    pub(super) html: Option<PathBuf>,
    #[command(flatten)]
    pub(super) waiting: WaitingArgs,
}

/// Waiting for runs and judging them.
#[derive(Debug, Args)]
pub(super) struct WaitingArgs {
    /// Wait for the declared runs, send their follow-ups, and check what is expected of them.
    #[arg(long, env = "QCOPS_WAIT")]
    pub(super) wait: bool,
    /// How long a run may take whose declaration has no `timeout`; then it is stopped.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration, requires = "wait", env = "QCOPS_TIMEOUT")]
    pub(super) timeout: Duration,
    /// How long all waiting may take together; then every run that this apply has started and that
    /// is still at work is stopped [default: no limit].
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "wait", env = "QCOPS_WAIT_TIMEOUT")]
    pub(super) wait_timeout: Option<Duration>,
    /// Stop all runs that this apply has started once they have used so many tokens.
    #[arg(long, value_name = "N", requires = "wait", env = "QCOPS_TOKEN_BUDGET")]
    pub(super) token_budget: Option<u64>,
    /// The first pause between two looks at a run; pauses grow to 30 s.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, requires = "wait", env = "QCOPS_POLL_INTERVAL")]
    pub(super) poll_interval: Duration,
    /// Write the transcript of every run into this folder, as JSON and as Markdown.
    #[arg(long, value_name = "DIR", requires = "wait", env = "QCOPS_ARTIFACTS")]
    pub(super) artifacts: Option<PathBuf>,
    /// Write the runs into this file as JUnit XML, each as a test.
    #[arg(long, value_name = "FILE", requires = "wait", env = "QCOPS_JUNIT")]
    pub(super) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TranscriptArgs {
    /// A run: KEY/DEPLOYMENT, KEY where the task has one declared run, or the run's id; or `diff A B`.
    #[arg(value_name = "RUN", required = true, num_args = 1..=3)]
    pub(super) runs: Vec<String>,
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Show what tools were given and gave, and what the agent thought, in full.
    #[arg(long, env = "QCOPS_FULL")]
    pub(super) full: bool,
    /// How to write it.
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "QCOPS_FORMAT")]
    pub(super) format: TranscriptFormat,
}

/// How a transcript is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TranscriptFormat {
    /// For a terminal.
    Text,
    /// For programs; everything that was kept.
    Json,
    /// For people who review.
    Markdown,
    /// For a browser: one page that needs nothing else.
    Html,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Read the tokens of each run that is shown: a call for every one.
    #[arg(long, env = "QCOPS_TOKENS")]
    pub(super) tokens: bool,
    /// How to write it.
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "QCOPS_FORMAT")]
    pub(super) format: StatusFormat,
}

/// How `status` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusFormat {
    /// A table for people.
    Text,
    /// One JSON document with a `format_version`.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    #[command(flatten)]
    pub(super) service: Service,
    /// Write `DIR/tasks.yaml`, and prompts of more than three lines to `DIR/prompts/`, instead of
    /// everything to standard output.
    #[arg(long, value_name = "DIR", env = "QCOPS_OUT")]
    pub(super) out: Option<PathBuf>,
    /// Overwrite files that exist.
    #[arg(long, env = "QCOPS_FORCE")]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct DestroyArgs {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Carry it out; names the organization, so that it cannot be another one than was meant.
    // No variable: what stands in an environment confirms nothing.
    #[arg(long, value_name = "ORGANIZATION")]
    pub(super) confirm: Option<String>,
    /// Delete archived tasks of ours for good, with their deployments and conversations.
    #[arg(long, env = "QCOPS_ARCHIVED")]
    pub(super) archived: bool,
    /// Only archived tasks that have not changed for so long, such as `30d`.
    #[arg(long, value_name = "TIME", requires = "archived", value_parser = span_of_days, env = "QCOPS_OLDER_THAN")]
    pub(super) older_than: Option<SignedDuration>,
    /// Save every conversation here before it is deleted.
    #[arg(long, value_name = "DIR", env = "QCOPS_ARTIFACTS")]
    pub(super) artifacts: Option<PathBuf>,
    #[arg(long = "allow", help = allow_help(), value_name = "CODE", value_parser = guard, env = "QCOPS_ALLOW", value_delimiter = ',')]
    pub(super) allow: Vec<Code>,
}

#[derive(Debug, Args)]
pub(super) struct RehearseArgs {
    #[command(flatten)]
    pub(super) files: Files,
    /// The seed of ids, latencies and pauses; the same seed tells the same stories.
    #[arg(long, value_name = "N", default_value_t = 1, env = "QCOPS_SEED")]
    pub(super) seed: u64,
    /// The most cuts of each story; 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = 2000, env = "QCOPS_CUTS")]
    pub(super) cuts: usize,
    /// Settle one unknown of the service's contract, as NAME=VALUE; `--quirk help` lists them.
    #[arg(long = "quirk", value_name = "NAME=VALUE", env = "QCOPS_QUIRK", value_delimiter = ',')]
    pub(super) quirks: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct EmulatorArgs {
    /// The port on 127.0.0.1; 0 takes a free one and prints it.
    #[arg(long, value_name = "N", default_value_t = 8765, env = "QCOPS_EMULATOR_PORT")]
    pub(super) port: u16,
    /// Where the emulated world is kept [default: in memory].
    #[arg(long, value_name = "FILE", env = "QCOPS_EMULATOR_STATE")]
    pub(super) state: Option<PathBuf>,
    /// Settle one unknown of the service's contract, as NAME=VALUE; `--quirk help` lists them.
    #[arg(long = "quirk", value_name = "NAME=VALUE")]
    pub(super) quirks: Vec<String>,
    /// Let the agents play this script, a YAML file; docs/deployments.md describes it.
    #[arg(long, value_name = "FILE", env = "QCOPS_EMULATOR_SCRIPT")]
    pub(super) script: Option<PathBuf>,
    /// Make something go wrong, such as `tasks/create#2=lost-after`; `--fault help` lists the words.
    #[arg(long = "fault", value_name = "SPEC")]
    pub(super) faults: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what.
    #[arg(value_name = "WHAT", default_value = "manifest")]
    pub(super) what: Described,
}

/// What there is a JSON Schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Described {
    /// A manifest, for editors.
    Manifest,
    /// A plan as JSON.
    Plan,
    /// A plan that was saved for `apply`.
    SavedPlan,
    /// What was seen of the service, kept for another plan.
    Observation,
    /// The report of an apply.
    Report,
    /// The status as JSON.
    Status,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Of which command [default: the program itself].
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

fn ci_system(text: &str) -> Result<CiSystem, String> {
    match text.split_once('=') {
        None if text == "github" => Ok(CiSystem::GitHub),
        Some(("gitlab", file)) if !file.is_empty() => Ok(CiSystem::GitLab(file.into())),
        _ => Err("write `github` or `gitlab=FILE`".to_owned()),
    }
}

fn allow_help() -> String {
    let words: Vec<String> = Code::GUARDS.iter().map(|code| format!("`{code}`")).collect();
    format!("Switch one guard off, by its code: {}", words.join(", "))
}

fn guard(text: &str) -> Result<Code, String> {
    let known = Code::GUARDS.iter().find(|code| code.as_str() == text);
    known.copied().ok_or_else(|| {
        let words: Vec<&str> = Code::GUARDS.iter().map(|code| code.as_str()).collect();
        format!("the guards that can be switched off are: {}", words.join(", "))
    })
}
