//! Runs the `git` program, so that nothing a repository or a machine configures gets to run.
//!
//! Every call names its folder and its repository, takes paths literally and answers in English.
//! Which repository that is, is decided in `checkout`: Git is left to find one by itself only where
//! it is to say whether it agrees, and never takes a bare one. Variables
//! that point Git elsewhere (a hook sets them) are cleared. Hooks, pagers, file system monitors and
//! downloads of missing objects are off; only plumbing is called, which reads no other settings.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::history::checkout::GitFolders;

/// Variables that would make Git look at another repository or read paths as patterns.
const CLEARED: [&str; 15] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_EXTERNAL_DIFF",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// Settings that would run other programs or quote what is printed.
const SETTINGS: [&str; 5] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.quotePath=off",
    "core.pager=cat",
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
    /// Its answer cannot be understood.
    #[error("`git {command}` answered something unknown")]
    Garbled {
        /// The first argument.
        command: &'static str,
    },
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
        let output = self.command(arguments).output().map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
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
        for name in CLEARED {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_NO_LAZY_FETCH", "1");
        command.args(arguments).stdin(Stdio::null());
        command
    }
}

fn failed(error: io::Error) -> GitError {
    if error.kind() == io::ErrorKind::NotFound { GitError::Absent } else { GitError::Io(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hook_sets_does_not_lead_elsewhere() {
        let command = Git::new(Path::new("-folder")).command(&["rev-parse"]);
        for name in CLEARED {
            assert!(
                command.get_envs().any(|(set, value)| set == name && value.is_none()),
                "{name}"
            );
        }
        let arguments: Vec<_> = command.get_args().take(2).collect();
        assert_eq!(arguments, ["-C", "-folder"]);
    }
}
