//! One program from its start to its end: time, processor time, memory.
//!
//! This program starts itself once more to watch a single child, since the system adds up what all
//! children of a process have used.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// From the start to the end.
    pub(crate) wall: Duration,
    /// Of all processors, in this program and those that it has started.
    pub(crate) cpu: Duration,
    /// The most memory that one of them held, in KiB.
    pub(crate) peak: u64,
    /// How many bytes it wrote to standard output.
    pub(crate) output: u64,
    /// Its exit code.
    pub(crate) exit: i32,
}

/// The word that turns this program into the watcher of one child.
pub(crate) const WATCH: &str = "--watch-one-child";

/// Runs a program in a folder and returns what it took.
pub(crate) fn run(folder: &Path, environment: &[(&str, &str)], words: &[&str]) -> Run {
    let watcher = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(watcher);
    command.arg(WATCH).args(words).current_dir(folder).stdin(Stdio::null());
    command.envs(environment.iter().copied()).stderr(Stdio::inherit());
    let answer = command.output().expect("this program can be started");
    let text = String::from_utf8(answer.stdout).expect("the watcher writes numbers");
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [wall, cpu, peak, output, exit] = numbers[..] else {
        panic!("`{}` could not be watched: {text}", words.join(" "))
    };
    Run {
        wall: Duration::from_micros(wall),
        cpu: Duration::from_micros(cpu),
        peak,
        output,
        exit: i32::try_from(exit).expect("an exit code is small"),
    }
}

/// Runs the program that the arguments name and writes what it took.
pub(crate) fn watch(words: &[String]) {
    let started = Instant::now();
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{}` cannot be started: {error}", words[0]));
    let mut errors = child.stderr.take().expect("it is piped");
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        errors.read_to_end(&mut said).expect("a pipe can be read");
        said
    });
    let mut data = child.stdout.take().expect("it is piped");
    let output = io::copy(&mut data, &mut io::sink()).expect("a pipe can be read");
    let ended = child.wait().expect("it is ours");
    let wall = started.elapsed();
    let said = said.join().expect("the reader does not panic");
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("there were children");
    let micros = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).expect("time is positive")
    };
    let cpu = micros(used.user_time()) + micros(used.system_time());
    let exit = ended.code().unwrap_or(255);
    // Success, blocked and changes are what a measured program may say.
    if !matches!(exit, 0 | 2 | 3) {
        io::stderr().write_all(&said).expect("standard error is open");
    }
    let line = format!("{} {cpu} {} {output} {exit}\n", wall.as_micros(), used.max_rss());
    io::stdout().write_all(line.as_bytes()).expect("somebody reads");
}
