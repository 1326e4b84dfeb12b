//! Runs the `git` program, so that nothing a repository or a machine configures gets to run.
//!
//! Every call names its folder and its repository, takes paths literally and answers in English.
//! Which repository that is, is decided in `checkout`: Git is left to find one by itself only where
//! it is to say whether it agrees, and never takes a bare one. Of the environment it is given what
//! it needs to run and to find its settings: no credentials, and nothing that points it elsewhere
//! (a hook sets such variables). Hooks, pagers, file system monitors, foreign programs for
//! differences and downloads of missing objects are off; only plumbing is called, which reads no
//! other settings.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::diag::{GapReason, with_causes};
use crate::files::read_input;
use crate::history::checkout::GitFolders;

/// The variables that Git is given, where they are set; all others are kept from it.
const GIVEN: [&str; 18] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    // Where its settings are, and which of them count.
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    // Whose checkouts root trusts.
    "SUDO_UID",
    // Without these no program starts on Windows, or finds its user.
    "SYSTEMROOT",
    "WINDIR",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "PROGRAMDATA",
];

/// The setting that may be given as variables, as containers do: any other could be a token.
const SAFE: &str = "safe.directory";

/// The largest file of settings that is looked through.
const MOST_BYTES: u64 = 4 << 20;

/// How many of them are looked through.
const MOST_SETTINGS: usize = 1_000;

/// Settings that would run other programs or quote what is printed.
const SETTINGS: [&str; 10] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.quotePath=off",
    "core.pager=cat",
    "core.askPass=",
    "core.sshCommand=false",
    "credential.helper=",
    "diff.external=",
    "protocol.allow=never",
    // A folder of a commit can look like a bare repository.
    "safe.bareRepository=explicit",
];

/// A failed call of Git.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    /// There is no such program.
    #[error("Git is not installed")]
    Absent,
    /// The program could not be started, or went away.
    #[error("failed to talk to `git`")]
    Io(#[source] io::Error),
    /// It ended with an error.
    #[error("`git {command}` failed: {said}")]
    Refused {
        /// The first argument.
        command: String,
        /// What it said.
        said: String,
    },
    /// An object is not there.
    #[error("`{what}` is not in the repository")]
    Missing {
        /// Its name, or the path that led to it.
        what: String,
    },
    /// Its answer cannot be understood.
    #[error("`git {command}` answered something unknown")]
    Garbled {
        /// The first argument.
        command: &'static str,
    },
}

impl GitError {
    /// Why nothing is known of the repository in `root`, the folder that holds `.git`.
    pub(super) fn unreadable(&self, root: &Path) -> GapReason {
        let root = root.to_owned();
        match self {
            Self::Absent => GapReason::GitMissing,
            Self::Refused { said, .. } if said.contains("dubious ownership") => {
                GapReason::ForeignOwner { root }
            }
            _ => GapReason::RepositoryUnreadable { root, said: with_causes(self) },
        }
    }
}

/// Git in one folder.
#[derive(Debug)]
pub(super) struct Git {
    folder: PathBuf,
    /// Its own folder, where that is decided.
    repository: Option<PathBuf>,
    /// How many processes were started; a plan must not start one for each file.
    pub(super) started: AtomicUsize,
}

impl Git {
    /// Git as it finds its repository by itself, to ask whether it agrees.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), repository: None, started: AtomicUsize::new(0) }
    }

    /// Git in the work tree `top` of a repository.
    pub(super) fn within(top: &Path, repository: &GitFolders) -> Self {
        Self { repository: Some(repository.own.clone()), ..Self::new(top) }
    }

    /// Runs Git to its end and returns what it printed.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.run_aloud(arguments).map(|(answer, _)| answer)
    }

    /// Runs Git to its end and returns what it printed, and what it said beside.
    pub(super) fn run_aloud(&self, arguments: &[&str]) -> Result<(Vec<u8>, String), GitError> {
        let output = self.command(arguments).output().map_err(failed)?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() {
            return Ok((output.stdout, said));
        }
        let said = if said.is_empty() { output.status.to_string() } else { said };
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        Err(GitError::Refused { command, said })
    }

    /// Starts Git with both ends of the conversation open.
    pub(super) fn converse(&self, arguments: &[&str]) -> Result<Child, GitError> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().map_err(failed)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.started.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder);
        if let Some(repository) = &self.repository {
            let option = |name: &str, path: &Path| {
                let mut option = OsString::from(name);
                option.push(path);
                option
            };
            command.arg(option("--git-dir=", repository));
            command.arg(option("--work-tree=", &self.folder));
        }
        command.args(["--no-pager", "--literal-pathspecs", "--no-optional-locks"]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.env_clear().envs(given(env::vars_os()));
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        // Older versions of Git do not know the first, and none fetches by a protocol that is not there.
        command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
        command.args(arguments).stdin(Stdio::null());
        command
    }
}

/// Whether Git may find attributes outside of the work tree: in a file of the repository, of the user or
/// of the machine, or where the settings say.
pub(super) fn gives_attributes(folders: &GitFolders) -> bool {
    let given = given(env::vars_os());
    let value = |name: &str| {
        let mut named = given.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value).filter(|value| !value.is_empty())
    };
    let path = |name: &str| value(name).map(PathBuf::from);
    let home = path("HOME").or_else(|| path("USERPROFILE"));
    let config = path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let user = config.map(|folder| folder.join("git"));
    // Those of the machine are beside the program, wherever that is installed.
    let programs = value("PATH").into_iter().flat_map(env::split_paths);
    let programs =
        programs.filter(|folder| ["git", "git.exe"].iter().any(|name| folder.join(name).is_file()));
    let machine = programs.filter_map(|folder| Some(folder.parent()?.join("etc")));
    let machine: Vec<PathBuf> = machine.chain([PathBuf::from("/etc")]).collect();
    let attributes = [folders.common.join("info/attributes")]
        .into_iter()
        .chain(user.iter().map(|folder| folder.join("attributes")))
        .chain(machine.iter().map(|folder| folder.join("gitattributes")));
    let settings = [folders.common.join("config"), folders.own.join("config.worktree")]
        .into_iter()
        .chain(user.iter().map(|folder| folder.join("config")))
        .chain(home.iter().map(|folder| folder.join(".gitconfig")))
        .chain(["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].into_iter().filter_map(path))
        .chain(machine.iter().map(|folder| folder.join("gitconfig")));
    attributes.into_iter().any(|file| !matches!(read_input(&file, MOST_BYTES), Ok(None)))
        || settings.into_iter().any(|file| match read_input(&file, MOST_BYTES) {
            Ok(None) => false,
            // Nothing can be in `/dev/null`, which switches a file off.
            Err(_) => file != Path::new("/dev/null"),
            Ok(Some(text)) => {
                let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
                ["attributesfile", "[attr", "include"].iter().any(|word| text.contains(word))
            }
        })
}

/// Returns what of an environment Git is given.
fn given(all: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
    let all: BTreeMap<OsString, OsString> = all.collect();
    let mut given: BTreeMap<OsString, OsString> = all
        .iter()
        .filter(|(name, _)| GIVEN.iter().any(|known| name.eq_ignore_ascii_case(known)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let value = |name: &str, number: usize| all.get(OsStr::new(&format!("{name}_{number}")));
    let count = all.get(OsStr::new("GIT_CONFIG_COUNT")).and_then(|count| count.to_str());
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(0).min(MOST_SETTINGS);
    let safe = (0..count)
        .filter(|number| {
            let key = value("GIT_CONFIG_KEY", *number);
            key.is_some_and(|key| key.eq_ignore_ascii_case(SAFE))
        })
        .filter_map(|number| value("GIT_CONFIG_VALUE", number));
    let mut kept: usize = 0;
    for value in safe {
        given.insert(format!("GIT_CONFIG_KEY_{kept}").into(), SAFE.into());
        given.insert(format!("GIT_CONFIG_VALUE_{kept}").into(), value.clone());
        kept += 1;
    }
    if kept > 0 {
        given.insert("GIT_CONFIG_COUNT".into(), kept.to_string().into());
    }
    given
}

fn failed(error: io::Error) -> GitError {
    if error.kind() == io::ErrorKind::NotFound { GitError::Absent } else { GitError::Io(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_that_cannot_be_read_is_a_gap_with_its_reason() {
        let refused =
            |said: &str| GitError::Refused { command: "rev-parse".into(), said: said.into() };
        let table = [
            (GitError::Absent, "git-missing"),
            (refused("fatal: detected dubious ownership in repository at '/r'"), "foreign-owner"),
            (refused("fatal: bad config line 1"), "repository-unreadable"),
        ];
        for (error, code) in table {
            assert_eq!(error.unreadable(Path::new("/r")).code(), code);
        }
    }

    #[test]
    fn git_is_given_what_it_needs_and_no_more() {
        let table = [
            // What is set, and what of it Git is given.
            ("PATH=/bin", "PATH=/bin"),
            ("Path=/bin", "Path=/bin"),
            ("HOME=/h", "HOME=/h"),
            ("XDG_CONFIG_HOME=/x", "XDG_CONFIG_HOME=/x"),
            ("GIT_CONFIG_GLOBAL=/g", "GIT_CONFIG_GLOBAL=/g"),
            ("QC_API_TOKEN=s", ""),
            ("QC_USER_ID=s", ""),
            ("QCOPS_API=s", ""),
            ("QUANTCONNECT_TOKEN=s", ""),
            ("GITHUB_TOKEN=s", ""),
            ("CI_JOB_TOKEN=s", ""),
            ("AWS_SECRET_ACCESS_KEY=s", ""),
            ("ANYTHING=s", ""),
            ("GIT_DIR=/d", ""),
            ("GIT_WORK_TREE=/d", ""),
            ("GIT_INDEX_FILE=/d", ""),
            ("GIT_OBJECT_DIRECTORY=/d", ""),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES=/d", ""),
            ("GIT_EXTERNAL_DIFF=run", ""),
            ("GIT_PAGER=run", ""),
            ("GIT_ASKPASS=run", ""),
            ("SSH_ASKPASS=run", ""),
            ("GIT_SSH_COMMAND=run", ""),
            ("GIT_TRACE=/f", ""),
            ("GIT_CONFIG_PARAMETERS='http.x.extraheader=s'", ""),
            ("LD_PRELOAD=/l", ""),
            ("GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.x.extraheader GIT_CONFIG_VALUE_0=s", ""),
            (
                "GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=core.pager GIT_CONFIG_VALUE_0=run \
                 GIT_CONFIG_KEY_1=safe.directory GIT_CONFIG_VALUE_1=* \
                 GIT_CONFIG_KEY_2=Safe.Directory GIT_CONFIG_VALUE_2=/r",
                "GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory \
                 GIT_CONFIG_KEY_1=safe.directory GIT_CONFIG_VALUE_0=* GIT_CONFIG_VALUE_1=/r",
            ),
            ("GIT_CONFIG_COUNT=99999999999 GIT_CONFIG_KEY_0=x", ""),
        ];
        for (set, expected) in table {
            let set = set.split_whitespace().filter_map(|set| set.split_once('='));
            let words: Vec<String> = given(set.map(|(name, value)| (name.into(), value.into())))
                .iter()
                .map(|(name, value)| format!("{}={}", name.display(), value.display()))
                .collect();
            assert_eq!(words.join(" "), expected);
        }
        let arguments = Git::new(Path::new("-folder")).command(&["rev-parse"]);
        let arguments: Vec<_> = arguments.get_args().take(2).collect();
        assert_eq!(arguments, ["-C", "-folder"]);
    }
}
