//! What was typed: the command line as `clap` reads it. Reading it may only validate.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use jiff::SignedDuration;

use crate::cli::flags::{
    ApplyFormat, Comparing, Guards, LockArgs, ManifestFiles, PlanFormat, Planning, Service,
    StoreArgs, UnlockArgs,
};
use crate::cli::format::{self, Described, Output, StatusFormat, TranscriptFormat};
use crate::cli::times::{duration, span_of_days};
use crate::plan::Digest;

/// GitOps for QuantConnect agents: a manifest declares agents, tasks and deployments, `plan`
/// shows what differs on the service, `apply` changes the service
#[derive(Debug, Parser)]
#[command(name = "qcops", version, max_term_width = 100, infer_long_args = false)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Say more on standard error; twice logs every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(super) verbose: u8,
    /// Print only errors on standard error
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(super) quiet: bool,
    /// Color the output: `auto`, `always` or `never`
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        env = "QCOPS_COLOR",
        hide_env = true,
        help_heading = "Global options"
    )]
    pub(super) color: ColorWhen,
}

/// When to color: on a terminal unless `NO_COLOR` is set, always, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a first manifest, or one of what exists, and CI workflows
    Init(Box<InitArgs>),
    /// Check the manifest; sends no request
    Validate(ValidateArgs),
    /// Show the changes an apply would make
    Plan(PlanArgs),
    /// Make the changes that `plan` shows
    Apply(Box<ApplyArgs>),
    /// Show what was said in a deployment, or how two differ
    Transcript(TranscriptArgs),
    /// Show the state of every declared agent, task and deployment
    Status(StatusArgs),
    /// Write a manifest of the agents and tasks on the service
    Pull(PullArgs),
    /// Remove what is owned, or delete archived tasks for good
    Destroy(DestroyArgs),
    /// Show who holds the lease in a shared store, and take it away
    Unlock(UnlockArgs),
    /// Check credentials, network, service, Git and store
    ///
    /// `--probe` measures how the service behaves where no document says.
    Doctor(DoctorArgs),
    /// Serve the emulated service over HTTP on this machine
    Emulator(EmulatorArgs),
    /// Print the JSON Schema of a manifest or of an output
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print a manual page for `man -l -`, or write all of them
    Man(ManArgs),
}

impl Command {
    /// What is written beside standard output.
    pub(super) fn outputs(&self) -> &[Output] {
        match self {
            Self::Validate(args) => &args.outputs,
            Self::Plan(args) => &args.outputs,
            Self::Apply(args) => &args.outputs,
            _ => &[],
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Write to this folder, which is made where it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) folder: PathBuf,
    /// Write the workflows of this CI system too: github or gitlab
    #[arg(long, value_name = "SYSTEM", hide_possible_values = true, help_heading = "Output")]
    pub(super) ci: Option<CiSystem>,
    /// Declare the agents and tasks on the service, as `pull` does, in place of a first one
    #[arg(long, help_heading = "Output")]
    pub(super) pull: bool,
    #[command(flatten)]
    pub(super) service: Service,
}

/// What plans and applies when a pull request is made and merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CiSystem {
    Github,
    Gitlab,
}

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    pub(super) files: ManifestFiles,
    /// Print the result as text or markdown
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: ValidateFormat,
    /// Write the findings to FILE as markdown, github or gitlab; repeatable
    ///
    /// `github` without a file writes workflow commands to standard error, where GitHub reads them.
    #[arg(
        long = "output",
        value_name = "FORMAT=FILE",
        value_parser = format::of_findings,
        help_heading = "Output"
    )]
    pub(super) outputs: Vec<Output>,
}

/// How the result of `validate` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ValidateFormat {
    /// A sentence; findings are on standard error
    Text,
    /// For the summary of a job: the findings too
    Markdown,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) planning: Planning,
    /// Print the plan as text, json, markdown or html
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: PlanFormat,
    /// Write json, markdown, html, junit, github, gitlab or text; repeatable
    ///
    /// All files are made from the plan that standard output shows. In `junit` each step is a test:
    /// what is blocked has failed, what is deferred is skipped. `github` without a file writes
    /// workflow commands to standard error, where GitHub reads them.
    #[arg(
        long = "output",
        value_name = "FORMAT=FILE",
        value_parser = format::of_plan,
        help_heading = "Output"
    )]
    pub(super) outputs: Vec<Output>,
    /// Save the plan for `qcops apply FILE`
    ///
    /// FILE may be an address in a store, such as `s3://BUCKET/FOLDER/plan.json`.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
    /// Exit with 2 if there are changes
    #[arg(long, help_heading = "Output")]
    pub(super) detailed_exitcode: bool,
    /// Save what the service returned, for `--snapshot`
    #[arg(long, value_name = "FILE", help_heading = "Service")]
    pub(super) save_snapshot: Option<PathBuf>,
    /// Plan from a saved snapshot: no request, no credentials
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["api", "emulator", "save_snapshot"],
        help_heading = "Service"
    )]
    pub(super) snapshot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) lock: LockArgs,
    #[command(flatten)]
    pub(super) planning: Planning,
    /// Apply this plan, saved by `plan --out`, if a new plan is equal
    #[arg(value_name = "PLAN")]
    pub(super) plan: Option<PathBuf>,
    /// Apply without asking
    #[arg(long, help_heading = "Approval")]
    pub(super) yes: bool,
    /// Apply without asking if the plan has this digest; refuse it otherwise
    #[arg(
        long,
        value_name = "DIGEST",
        value_parser = format::digest,
        help_heading = "Approval"
    )]
    pub(super) expect_digest: Option<Digest>,
    /// Refuse a saved plan that is older, such as `24h`
    #[arg(
        long,
        value_name = "TIME",
        default_value = "24h",
        value_parser = duration,
        hide_short_help = true,
        help_heading = "Approval"
    )]
    pub(super) max_age: Duration,
    /// Print the plan as text, json, markdown or html, or the deployments as junit
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: ApplyFormat,
    /// Write FILE as json, markdown, html, junit, github, gitlab or text; repeatable
    ///
    /// The files hold the plan, the result of each step, and with `--wait` the deployments. They are
    /// written after an interrupt too. `json` is the report, `junit` needs `--wait`. `github`
    /// without a file writes workflow commands to standard error, where GitHub reads them.
    #[arg(
        long = "output",
        value_name = "FORMAT=FILE",
        value_parser = format::of_apply,
        help_heading = "Output"
    )]
    pub(super) outputs: Vec<Output>,
    /// Wait N seconds before each read that settles a lost answer
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "2,4,8,15,30",
        value_delimiter = ',',
        hide_short_help = true,
        help_heading = "Tuning"
    )]
    pub(super) settle_delays: Vec<u64>,
    #[command(flatten)]
    pub(super) waiting: WaitingArgs,
}

/// Waiting for deployments and judging them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Deployments")]
pub(super) struct WaitingArgs {
    /// Wait for the declared deployments, send their follow-ups, check what is expected
    #[arg(long)]
    pub(super) wait: bool,
    /// Stop a deployment without a `timeout` of its own after this time [default: 30m]
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30m",
        hide_default_value = true,
        value_parser = duration,
        requires = "wait"
    )]
    pub(super) timeout: Duration,
    /// Stop waiting after this time [default: no limit]
    ///
    /// Deployments that this apply has started and that are still active are stopped.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "wait")]
    pub(super) wait_timeout: Option<Duration>,
    /// Stop the deployments of this apply once they have used N tokens
    #[arg(long, value_name = "N", requires = "wait")]
    pub(super) token_budget: Option<u64>,
    /// Save the transcript of every deployment to DIR, as JSON and as Markdown
    ///
    /// DIR may be a folder of a store, such as `s3://BUCKET/FOLDER`. Without DIR the shared store keeps them,
    /// where `--store` names one.
    #[arg(long, value_name = "DIR", requires = "wait")]
    pub(super) artifacts: Option<PathBuf>,
    /// Start with this pause between two reads of a deployment; pauses grow to 30 s
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        value_parser = duration,
        requires = "wait",
        hide_short_help = true,
        help_heading = "Tuning"
    )]
    pub(super) poll_interval: Duration,
}

#[derive(Debug, Args)]
pub(super) struct TranscriptArgs {
    /// Show this deployment: KEY/DEPLOYMENT, KEY where the task has one, its id; or `diff A B`
    #[arg(value_name = "DEPLOYMENT", required = true, num_args = 1..=3)]
    pub(super) runs: Vec<String>,
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Show the input and output of tools and the agent's thoughts in full
    #[arg(long, help_heading = "Output")]
    pub(super) full: bool,
    /// Write the transcript to standard output in this format
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: TranscriptFormat,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Read the tokens of each deployment that is shown: one request for each
    #[arg(long, help_heading = "Output")]
    pub(super) tokens: bool,
    /// Write the status to standard output in this format
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: StatusFormat,
}

/// The kinds that `pull` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PulledKind {
    Agents,
    Tasks,
}

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Write only agents or only tasks
    #[arg(long, value_name = "KIND", hide_possible_values = true, help_heading = "Output")]
    pub(super) only: Option<PulledKind>,
    /// Write only what the manifest of `-f` does not declare
    #[arg(long, help_heading = "Output")]
    pub(super) unmanaged: bool,
    /// Write only the agent or task with this id; repeatable
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(super) id: Vec<u64>,
    /// Write `DIR/tasks.yaml`, and texts of more than three lines to `DIR/prompts/` and `DIR/agents/`
    ///
    /// Without it everything goes to standard output.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
    /// Overwrite files that exist
    #[arg(long, help_heading = "Output")]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct DestroyArgs {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Destroy what is listed; names the organization as a check
    #[arg(long, value_name = "ORGANIZATION", help_heading = "Approval")]
    pub(super) confirm: Option<String>,
    /// Delete owned archived tasks for good, with their deployments and conversations
    #[arg(long, help_heading = "Plan")]
    pub(super) archived: bool,
    /// Delete only archived tasks that have not changed for this time, such as `30d`
    #[arg(
        long,
        value_name = "TIME",
        requires = "archived",
        value_parser = span_of_days,
        help_heading = "Plan"
    )]
    pub(super) older_than: Option<SignedDuration>,
    /// Save every conversation to DIR before it is deleted
    ///
    /// DIR may be a folder of a store, such as `s3://BUCKET/FOLDER`. Without DIR the shared store keeps them,
    /// where `--store` names one.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(super) artifacts: Option<PathBuf>,
    #[command(flatten)]
    pub(super) guards: Guards,
    #[command(flatten)]
    pub(super) lock: LockArgs,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) files: ManifestFiles,
    #[command(flatten)]
    pub(super) service: Service,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) probing: ProbingArgs,
    /// Print nothing but the quirks of the service, as flags of `qcops emulator`
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    pub(super) quirks: bool,
    /// Write the checks to standard output in this format
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) format: StatusFormat,
}

/// Measuring a service with a task of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Probe")]
pub(super) struct ProbingArgs {
    /// Create one task, measure what becomes of it, and delete it; costs nothing
    #[arg(long)]
    pub(super) probe: bool,
    /// Delete the task that a killed probe has left
    #[arg(long, conflicts_with = "probe")]
    pub(super) clean_up: bool,
    /// Probe or clean up without asking
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct EmulatorArgs {
    /// Listen on this port of 127.0.0.1; 0 takes a free one and prints it
    #[arg(long, value_name = "N", default_value_t = 8765)]
    pub(super) port: u16,
    /// Keep the emulated world in FILE [default: in memory]
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// Settle one unknown of the service's contract; `--quirk help` lists them
    #[arg(long = "quirk", value_name = "NAME=VALUE")]
    pub(super) quirks: Vec<String>,
    /// Let the agents play this script, a YAML file; docs/deployments.md describes it
    #[arg(long, value_name = "FILE")]
    pub(super) script: Option<PathBuf>,
    /// Inject a fault, such as `tasks/create#2=lost-after`; `--fault help` lists them
    #[arg(long = "fault", value_name = "SPEC")]
    pub(super) faults: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Describe this document
    #[arg(value_name = "DOCUMENT", default_value = "manifest")]
    pub(super) what: Described,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Complete for this shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Describe this command [default: the program itself]
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
    /// Write every page to DIR, such as `man1` of a manual path
    #[arg(long, value_name = "DIR", conflicts_with = "command", value_hint = ValueHint::DirPath)]
    pub(super) all: Option<PathBuf>,
}
