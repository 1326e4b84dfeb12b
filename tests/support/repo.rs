//! A story with a real repository, the program itself and an emulator kept in a file.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use qcops::clock::Clock;
use qcops::emulator::{Emulator, Storage, Task, World};
use qcops::files::Disk;

/// A folder that is removed at the end of the story.
pub(crate) struct Repo {
    folder: tempfile::TempDir,
    name: PathBuf,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Repo {
    /// A repository without commits.
    pub(crate) fn new() -> Self {
        let repo = Self::plain();
        repo.git("init -q -b main");
        repo.write(".gitignore", ".qcops/\n");
        repo
    }

    /// A folder that is no repository.
    pub(crate) fn plain() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder, name: PathBuf::from("work") }
    }

    /// A clone of this repository with some more arguments, in a folder of its own, on a machine
    /// that noted nothing; its service begins as this one's stands.
    pub(crate) fn clone_with(&self, arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", self.path().display());
        let target = folder.path().join("work");
        let status = git_command(folder.path())
            .arg("clone")
            .arg("-q")
            .args(arguments.split_whitespace())
            .arg(url)
            .arg(&target)
            .status();
        assert!(status.unwrap().success());
        let emulator = "emulator.json";
        if self.folder.path().join(emulator).exists() {
            fs::copy(self.folder.path().join(emulator), folder.path().join(emulator)).unwrap();
        }
        Self { folder, name: PathBuf::from("work") }
    }

    /// Begins with the service of another repository as it is now.
    pub(crate) fn take_service_of(&self, other: &Self) {
        let emulator = "emulator.json";
        fs::copy(other.folder.path().join(emulator), self.folder.path().join(emulator)).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Writes `tasks.yaml` from lines such as `spy: {prompt: Buy SPY}`.
    pub(crate) fn tasks(&self, lines: &str) -> &Self {
        self.manifest("tasks.yaml", lines)
    }

    pub(crate) fn manifest(&self, path: &str, lines: &str) -> &Self {
        let mut text = String::from(
            "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\ntasks:",
        );
        text.push_str(if lines.trim().is_empty() { " {}" } else { "" });
        for line in lines.trim().lines() {
            text.push_str("\n  ");
            text.push_str(line);
        }
        text.push('\n');
        self.write(path, &text)
    }

    /// Runs Git with arguments that hold no blanks.
    pub(crate) fn git(&self, arguments: &str) -> String {
        let output = git_command(&self.path()).args(arguments.split_whitespace()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments}: {err}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything.
    pub(crate) fn commit(&self, message: &str) -> &Self {
        self.git("add -A");
        let status = git_command(&self.path())
            .args(["commit", "-q", "--allow-empty", "-m", message])
            .status();
        assert!(status.unwrap().success());
        self
    }

    /// Commits each of `texts` at `path`, in one process however many there are.
    pub(crate) fn import_commits(&self, path: &str, texts: impl Iterator<Item = String>) {
        self.import_changes(texts.map(|text| vec![(path.to_owned(), text)]));
    }

    /// Commits each list of files with their texts; an empty text takes its file away.
    pub(crate) fn import_changes(&self, commits: impl Iterator<Item = Vec<(String, String)>>) {
        let mut stream = String::new();
        for (number, files) in commits.enumerate() {
            let when = 1_700_000_000 + number;
            write!(
                stream,
                "commit refs/heads/main\ncommitter Tester <tester@example.org> {when} +0000\n\
                 data 1\nx\n"
            )
            .unwrap();
            for (path, text) in files {
                if text.is_empty() {
                    writeln!(stream, "D {path}").unwrap();
                } else {
                    let length = text.len();
                    write!(stream, "M 100644 inline {path}\ndata {length}\n{text}\n").unwrap();
                }
            }
        }
        let mut import = git_command(&self.path())
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
        self.git("reset -q --hard");
    }

    /// Forgets what this machine noted, as a fresh CI machine does; the service stays.
    pub(crate) fn on_another_machine(&self) -> &Self {
        let ledger = self.path().join(".qcops/ledger.jsonl");
        if ledger.exists() {
            fs::remove_file(ledger).unwrap();
        }
        self
    }

    /// Runs the program on the emulator of this folder: `plan`, `apply`, `status` and their like.
    pub(crate) fn qcops(&self, arguments: &str) -> Ran {
        self.run(&self.on_emulator(arguments))
    }

    /// Runs the program as [`Self::qcops`] does, from a folder below or beside the repository.
    pub(crate) fn qcops_in(&self, folder: &str, arguments: &str) -> Ran {
        self.run_in(folder, &self.on_emulator(arguments), &[])
    }

    fn on_emulator(&self, arguments: &str) -> Vec<String> {
        let emulator = self.folder.path().join("emulator.json");
        let (command, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let mut words = vec![command.to_owned(), format!("--emulator={}", emulator.display())];
        words.extend(rest.split_whitespace().map(str::to_owned));
        words
    }

    /// Runs the program with just these arguments.
    pub(crate) fn run(&self, arguments: &[String]) -> Ran {
        self.run_with(arguments, &[])
    }

    /// Runs the program with just these arguments from a folder below or beside the repository.
    pub(crate) fn run_from(&self, folder: &str, arguments: &[String]) -> Ran {
        self.run_in(folder, arguments, &[])
    }

    /// Runs the program with just these arguments and some variables.
    pub(crate) fn run_with(&self, arguments: &[String], variables: &[(&str, &str)]) -> Ran {
        self.run_in("", arguments, variables)
    }

    /// Runs the program as [`Self::qcops`] does, with this text on its standard input.
    pub(crate) fn qcops_reading(&self, arguments: &str, input: &str) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_qcops"));
        command.args(self.on_emulator(arguments)).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that refuses its arguments reads nothing.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        Self::ran(child.wait_with_output().unwrap())
    }

    /// Runs the program with just these arguments in a folder of the repository.
    pub(crate) fn run_below(&self, folder: &str, arguments: &[String]) -> Ran {
        self.run_in(folder, arguments, &[])
    }

    fn run_in(&self, folder: &str, arguments: &[String], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_qcops"));
        command.current_dir(self.path().join(folder));
        let output = command.args(arguments).envs(variables.iter().copied()).output().unwrap();
        Self::ran(output)
    }

    /// What a program that has ended printed.
    pub(crate) fn ran(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A program about to run in this repository, with nothing of the tester's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
    }

    /// Applies, expects success, and expects that a plan then has nothing to do.
    pub(crate) fn converge(&self, flags: &str) -> &Self {
        let applied = self.qcops(&format!("apply --yes {flags}"));
        assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
        self.expect_nothing_to_do(flags)
    }

    pub(crate) fn expect_nothing_to_do(&self, flags: &str) -> &Self {
        let planned = self.qcops(&format!("plan --detailed-exitcode {flags}"));
        assert_eq!(planned.code, 0, "{}{}", planned.out, planned.err);
        self
    }

    /// The tasks of the service: `ID NAME: PROMPT`, a line each.
    pub(crate) async fn service(&self) -> String {
        let line = |task: &Task| format!("{} {}: {}", task.id, task.name, task.prompt);
        self.edit_service(|world| world.tasks().map(line).collect::<Vec<_>>().join("\n")).await
    }

    /// Adds a task to the service just as an apply of this repository would have made it.
    pub(crate) async fn add_made(&self, name: &str, prompt: &str) -> u64 {
        let add = |world: &mut World| {
            let id = world.add_task(name, 47, prompt);
            "project-for-task".clone_into(&mut world.task_mut(id).unwrap().project_preference);
            id
        };
        self.edit_service(add).await
    }

    /// Edits the service's side, as a person in the web interface does.
    pub(crate) async fn edit_service<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        let path = self.folder.path().join("emulator.json");
        let storage = Storage::File { files: Arc::new(Disk), path };
        let clock = Clock::System;
        let emulator = Emulator::new(World::new(0, clock.now()), clock, storage);
        emulator.with_world(edit).await.unwrap()
    }
}

impl Ran {
    /// Expects an exit code, and that every one of `words` is printed.
    pub(crate) fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for words in words {
            assert!(self.out.contains(words), "no `{words}` in:\n{}{}", self.out, self.err);
        }
        self
    }

    /// Expects that none of `words` is printed.
    pub(crate) fn expect_no(&self, words: &[&str]) -> &Self {
        for words in words {
            assert!(!self.out.contains(words), "`{words}` in:\n{}{}", self.out, self.err);
        }
        self
    }
}

fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    for (name, value) in [("NAME", "Tester"), ("EMAIL", "tester@example.org")] {
        command
            .env(format!("GIT_AUTHOR_{name}"), value)
            .env(format!("GIT_COMMITTER_{name}"), value);
    }
    command
}
