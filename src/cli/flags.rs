//! The flags that several commands share, in the groups that `--help` shows.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::times::duration;
use crate::diag::Code;
use crate::engine::{PlanTarget, PlanTargets};
use crate::history::Depth;
use crate::manifest::{ManifestSettings, SettingName, SettingValue};
use crate::render::markdown::DEFAULT_BYTES;

/// The address of the service where none is named.
pub(super) const DEFAULT_API: &str = "https://www.quantconnect.com/api/v2";

/// The manifest that is read where none is named.
pub(super) const DEFAULT_FILE: &str = "tasks.yaml";

/// The name that stands for standard input in place of a manifest.
pub(super) const STANDARD_INPUT: &str = "-";

/// Where the emulator is kept unless another file is named: beside the ledger.
pub(super) const EMULATOR_FILE: &str = ".qcops/emulator.json";

/// The manifests.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manifest")]
pub(super) struct ManifestFiles {
    /// Read a manifest, or all in a folder; repeatable
    ///
    /// For `validate` and `plan`, `-` is standard input; the files that it names are in the working
    /// folder or below.
    #[arg(short, long = "file", value_name = "PATH", default_value = DEFAULT_FILE)]
    pub(super) files: Vec<PathBuf>,
    /// Select an environment of the manifest
    #[arg(short, long = "env", value_name = "NAME", env = "QCOPS_ENV", hide_env = true)]
    pub(super) environment: Option<String>,
    /// Set a variable of the manifest; repeatable
    ///
    /// It overrides `vars` and `--var-file`; of several for one name the last one counts.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) vars: Vec<(String, String)>,
    /// Read variables from a YAML file of names and values; repeatable
    ///
    /// They override `vars`; of several files the last one counts.
    #[arg(long = "var-file", value_name = "FILE")]
    pub(super) var_files: Vec<PathBuf>,
    /// Whether the environment is one of all that are looked at in turn.
    #[arg(skip)]
    pub(super) is_one_of_all: bool,
}

/// Reads `NAME=VALUE`.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a variable is set as `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl ManifestFiles {
    /// These files, without an environment and variables.
    pub(super) fn of(files: Vec<PathBuf>) -> Self {
        let (vars, var_files) = (Vec::new(), Vec::new());
        Self { files, environment: None, vars, var_files, is_one_of_all: false }
    }

    /// The environment, where what is said has to name it.
    pub(super) fn named_environment(&self) -> Option<&str> {
        self.environment.as_deref().filter(|_| self.is_one_of_all)
    }

    /// The paths one by one: one `-f` may name several with commas between them, and a file may have
    /// one in its name.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let named = |path: &PathBuf| match path.to_str() {
            Some(text) if text.contains(',') && !path.exists() => {
                text.split(',').map(|part| PathBuf::from(part.trim())).collect()
            }
            _ => vec![path.clone()],
        };
        self.files.iter().flat_map(named).collect()
    }

    /// Whether one of them is standard input.
    pub(super) fn has_stream(&self) -> bool {
        self.paths().iter().any(|path| path.as_os_str() == STANDARD_INPUT)
    }
}

/// Which service to talk to, and how fast.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct Service {
    /// Use the service at this address
    ///
    /// https, or http on this machine.
    #[arg(
        long,
        value_name = "URL",
        default_value = DEFAULT_API,
        env = "QCOPS_API",
        hide_default_value = true,
        hide_env = true
    )]
    pub(super) api: String,
    /// Use the embedded emulator, kept in FILE
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = EMULATOR_FILE,
        conflicts_with = "api",
        env = "QCOPS_EMULATOR",
        hide_env = true
    )]
    pub(super) emulator: Option<PathBuf>,
    /// Play this script, a YAML file, on the embedded emulator
    ///
    /// docs/deployments.md describes scripts.
    #[arg(long, value_name = "FILE", requires = "emulator", hide_short_help = true)]
    pub(super) script: Option<PathBuf>,
    #[command(flatten)]
    pub(super) tuning: Tuning,
}

/// What hardly anybody needs to change.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Tuning")]
pub(super) struct Tuning {
    /// Send at most N requests at once [default: 8]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) parallelism: Option<usize>,
    /// Start with N requests a second; 0 is no limit [default: 10; no limit for the emulator]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) rate: Option<f64>,
    /// Retry requests that the service does not process for this long, such as `2m`
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration, hide_short_help = true)]
    pub(super) retry_time: Duration,
}

/// How many requests are in flight at once, unless told otherwise.
const IN_FLIGHT: usize = 8;

impl Tuning {
    /// Takes what the manifest sets where no flag does.
    pub(super) fn with(&self, settings: &ManifestSettings) -> Self {
        let rate = match settings.get(SettingName::Rate).map(|set| &set.value) {
            Some(SettingValue::Rate(rate)) => Some(*rate),
            _ => None,
        };
        let parallelism = self.parallelism.or_else(|| settings.count(SettingName::Parallelism));
        Self { parallelism, rate: self.rate.or(rate), retry_time: self.retry_time }
    }

    /// How many requests are in flight at once.
    pub(super) fn in_flight(&self) -> usize {
        self.parallelism.unwrap_or(IN_FLIGHT)
    }
}

/// Where the ledger and the lock are kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct StoreArgs {
    /// Keep the ledger and the lock in this store, which all runners share
    ///
    /// `s3://BUCKET/FOLDER`, and the same with `gs`, `az` or `file`; docs/shared-store.md says more.
    #[arg(long, value_name = "URL", env = "QCOPS_STORE", hide_env = true, hide_short_help = true)]
    pub(super) store: Option<String>,
}

/// How the lock is waited for and kept.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Tuning")]
pub(super) struct LockArgs {
    /// Wait this long for another apply to end, such as `10m` [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = duration, hide_short_help = true)]
    pub(super) lock_timeout: Option<Duration>,
    /// Let a lease in a shared store end if it is not renewed for this long
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = lease_time,
        hide_short_help = true
    )]
    pub(super) lease_time: Duration,
}

/// Reads the time of a lease: less than a second could not be renewed, and more than a day is none.
fn lease_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let most = Duration::from_secs(24 * 60 * 60);
    let is_usable = (Duration::from_secs(1)..=most).contains(&time);
    if is_usable { Ok(time) } else { Err("write a time from `1s` to `24h`".to_owned()) }
}

/// What is compared: the manifests, their history, and a service.
#[derive(Clone, Debug, Args)]
pub(super) struct Comparing {
    #[command(flatten)]
    pub(super) files: ManifestFiles,
    #[command(flatten)]
    pub(super) service: Service,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) reading: History,
}

/// How much of the manifest's history is read.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Tuning")]
pub(super) struct History {
    /// Read N versions of the manifest from Git: a number, `none` or `all` [default: 200]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) history: Option<Depth>,
    /// Read history from this commit too, such as a branch that was force-pushed away
    #[arg(long, value_name = "REV", hide_short_help = true)]
    pub(super) history_from: Vec<String>,
}

/// The flags of `unlock`.
#[derive(Debug, Args)]
pub(super) struct UnlockArgs {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    /// Take the lease away without asking
    #[arg(long, short = 'y', help_heading = "Approval")]
    pub(super) yes: bool,
}

/// What `plan` and `apply` share: the same flags give the same plan.
#[derive(Clone, Debug, Args)]
pub(super) struct Planning {
    #[command(flatten)]
    pub(super) comparing: Comparing,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) ceilings: Ceilings,
    #[command(flatten)]
    pub(super) guards: Guards,
    #[command(flatten)]
    pub(super) showing: Showing,
}

/// What is planned for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Plan")]
pub(super) struct Selection {
    /// Plan only for a key, or an address that `plan` prints; repeatable
    #[arg(
        long = "target",
        value_name = "ADDRESS",
        value_hint = ValueHint::Other
    )]
    pub(super) targets: Vec<PlanTargets>,
    /// Remove what is owned and no longer declared
    #[arg(long)]
    pub(super) prune: bool,
}

impl Selection {
    /// What is planned for, one by one.
    pub(super) fn targets(&self) -> Vec<PlanTarget> {
        self.targets.iter().flat_map(|targets| targets.0.iter().cloned()).collect()
    }
}

/// How much one apply may do.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Guards")]
pub(super) struct Ceilings {
    /// Create at most N of a kind [default: 50]
    #[arg(long = "max-creates", value_name = "N")]
    pub(super) creates: Option<usize>,
    /// Replace at most N tasks [default: 30 % of owned, 5 to 20]
    #[arg(long = "max-replaces", value_name = "N")]
    pub(super) replaces: Option<usize>,
    /// Remove at most N undeclared of a kind [default: 30 % of owned, 3 to 10]
    #[arg(long = "max-deletes", value_name = "N")]
    pub(super) deletes: Option<usize>,
    /// Start at most N deployments [default: 5; 3 of a task and day]
    #[arg(long = "max-deployments", value_name = "N")]
    pub(super) deployments: Option<usize>,
}

/// Guards that are switched off.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Guards")]
pub(super) struct Guards {
    #[arg(
        long = "allow",
        help = "Switch off the guard with this code; `--help` lists them",
        long_help = allow_help(),
        value_name = "CODE",
        value_parser = guard,
        value_delimiter = ',',
        value_hint = ValueHint::Other
    )]
    pub(super) allow: Vec<Code>,
}

/// How plans are shown.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Tuning")]
pub(super) struct Showing {
    /// Show N unchanged lines around a changed line of a prompt
    #[arg(long, value_name = "N", default_value_t = 3, hide_short_help = true)]
    pub(super) context: usize,
    /// Write at most N bytes of Markdown
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BYTES, hide_short_help = true)]
    pub(super) max_bytes: usize,
}

/// What standard output shows of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For a terminal or a log
    Text,
    /// For programs; `docs/formats.md` names every field
    Json,
    /// For a comment at a pull request
    Markdown,
    /// For a browser: one page that needs nothing else
    Html,
}

/// What standard output shows of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ApplyFormat {
    /// For a terminal or a log
    Text,
    /// For programs; `docs/formats.md` names every field
    Json,
    /// For a comment at a pull request
    Markdown,
    /// For a browser: one page that needs nothing else
    Html,
    /// For a CI system, with `--wait`: each deployment as a test
    Junit,
}

impl From<PlanFormat> for ApplyFormat {
    fn from(format: PlanFormat) -> Self {
        match format {
            PlanFormat::Text => Self::Text,
            PlanFormat::Json => Self::Json,
            PlanFormat::Markdown => Self::Markdown,
            PlanFormat::Html => Self::Html,
        }
    }
}

fn allow_help() -> String {
    let words: Vec<String> = Code::GUARDS.iter().map(|code| format!("`{code}`")).collect();
    format!("Switch off the guard with this code: {}", words.join(", "))
}

fn guard(text: &str) -> Result<Code, String> {
    let known = Code::GUARDS.iter().find(|code| code.as_str() == text);
    known.copied().ok_or_else(|| {
        let words: Vec<&str> = Code::GUARDS.iter().map(|code| code.as_str()).collect();
        format!("the guards that can be switched off are: {}", words.join(", "))
    })
}
