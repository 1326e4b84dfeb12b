//! What a person at a terminal sees of a process that waits for deployments, and what a log holds of it.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{Winsize, openpty};

use super::{APPLY, Service, repo, signal};
use crate::support::repo::{Ran, Repo};

const ROWS: u16 = 30;
const COLUMNS: u16 = 84;

/// A process whose standard error is a terminal.
struct Watched {
    /// Until it is waited for.
    child: Option<Child>,
    sent: Arc<(Mutex<Sent>, Condvar)>,
}

/// What the terminal was sent.
#[derive(Default)]
struct Sent {
    bytes: Vec<u8>,
    is_all: bool,
}

impl Watched {
    fn start(service: &Service, repo: &Repo, words: &str, variables: &[(&str, &str)]) -> Self {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        // A neighbor that was started meanwhile would keep the terminal open.
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let mut command = service.command(repo, words);
        command.env("TERM", "xterm").envs(variables.iter().copied());
        // The command keeps the process's end of the terminal until it is dropped.
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(pty.slave).spawn();
        drop(command);
        let sent: Arc<(Mutex<Sent>, Condvar)> = Arc::default();
        let (shared, mut terminal) = (Arc::clone(&sent), File::from(pty.master));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A terminal whose other end is closed is an error to read.
            while let Ok(count @ 1..) = terminal.read(&mut bytes) {
                shared.0.lock().unwrap().bytes.extend(&bytes[..count]);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().is_all = true;
            shared.1.notify_all();
        });
        Self { child: Some(child.unwrap()), sent }
    }

    /// Waits until the screen is as it is meant to be, or nothing more comes; returns it.
    fn screen_once(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let (sent, changed) = &*self.sent;
        let is_not_yet = |sent: &mut Sent| !sent.is_all && !is_meant(&screen(&sent.bytes));
        let sent = changed.wait_while(sent.lock().unwrap(), is_not_yet).unwrap();
        let screen = screen(&sent.bytes);
        assert!(is_meant(&screen), "{screen}");
        screen
    }

    /// What it printed, and all that the terminal was sent.
    fn end(mut self) -> (Ran, Vec<u8>) {
        let ran = Repo::ran(self.child.take().unwrap().wait_with_output().unwrap());
        let (sent, changed) = &*self.sent;
        let sent = changed.wait_while(sent.lock().unwrap(), |sent| !sent.is_all).unwrap();
        (ran, sent.bytes.clone())
    }
}

impl Drop for Watched {
    /// A test that has failed leaves no process behind.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// What stands on the terminal, without the blanks at the ends.
fn screen(bytes: &[u8]) -> String {
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    terminal.process(bytes);
    let rows: Vec<String> = terminal.screen().rows(0, COLUMNS).collect();
    rows.iter().map(|row| row.trim_end()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

const HANG: &str = "[{promptContains: forever, outcome: hangs}]";

#[test]
fn at_a_terminal_each_run_has_a_line_that_is_gone_when_somebody_interrupts() {
    let service = Service::of_quick_agents(HANG);
    let repo = repo(
        "gld: {prompt: g, deployments: {a-deployment-whose-name-takes-all-the-room-there-is-on-a-line: {}}}\n\
         spy: {prompt: forever, deployments: {first: {}, second: {followUps: [a]}}}",
    );
    // The next look is most of an hour away: before that it is interrupted.
    let words = format!("{APPLY} --wait --poll-interval 1h --timeout 1h");
    let watched = Watched::start(&service, &repo, &words, &[]);
    let two = |screen: &str| screen.matches("next look in").count() == 2;
    // What has ended comes last, and is cut at the width of the terminal.
    let is_last = |row: &str| row.starts_with("gld/a-") && row.len() == usize::from(COLUMNS);
    let shown =
        watched.screen_once(|screen| two(screen) && screen.lines().last().is_some_and(is_last));
    let rows: Vec<&str> = shown.lines().rev().take(3).collect();
    assert!(rows[2].starts_with("spy/first") && rows[2].contains("  Running  "), "{shown}");
    assert!(rows[1].contains("1 follow-up to come, next look in"), "{shown}");
    // The seconds that are shown go down.
    let seconds = |screen: &str| -> u64 {
        let rest = screen.split("next look in ").nth(1).unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    let before = seconds(&shown);
    watched.screen_once(|screen| two(screen) && seconds(screen) < before);
    signal(watched.child.as_ref().unwrap(), "INT");
    let (ran, sent) = watched.end();
    assert_eq!(ran.code, 130, "{}", ran.out);
    let left = screen(&sent);
    assert!(!left.contains("next look") && !left.contains("spy/first  "), "{left}");
    assert!(
        left.ends_with("stopping: what is in flight is finished first; again to stop at once"),
        "{left}"
    );
    assert!(left.contains("started task.spy/first: task 333, deployment A-"), "{left}");
}

#[test]
fn at_a_terminal_what_was_sent_stays_and_the_lines_of_the_runs_do_not() {
    let service = Service::of_quick_agents("[]");
    let repo = repo("spy: {prompt: p, deployments: {first: {followUps: [a, b]}}}");
    let words = format!("{APPLY} --wait --poll-interval 10ms");
    let (ran, sent) = Watched::start(&service, &repo, &words, &[]).end();
    assert_eq!(ran.code, 0, "{}", ran.out);
    let all = String::from_utf8_lossy(&sent);
    assert!(all.contains("next look in 1 s") && !all.contains("run spy/first:"), "{all}");
    let left = screen(&sent);
    let lines: Vec<&str> = left.lines().map(|line| line.split(':').next().unwrap()).collect();
    let expected = [
        "created task.spy",
        "started task.spy/first",
        "prompted task.spy/first",
        "prompted task.spy/first",
    ];
    assert_eq!(lines, expected, "{left}");
    assert!(ran.out.contains("    ok task.spy/first: deployment A-"), "{}", ran.out);
}

#[test]
fn a_log_has_a_line_for_each_change_though_a_terminal_shows_it() {
    let service = Service::of_quick_agents("[]");
    let repo = repo("spy: {prompt: p, deployments: {first: {}}}");
    let mut shown = Vec::new();
    for (flags, variables) in
        [("", [("CI", "true")]), ("", [("TERM", "dumb")]), ("-q", [("CI", "")])]
    {
        repo.tasks(&format!("spy: {{prompt: p{}, deployments: {{first: {{}}}}}}", shown.len()));
        let words = format!("{APPLY} --wait --poll-interval 10ms {flags}");
        let (ran, sent) = Watched::start(&service, &repo, &words, &variables).end();
        assert_eq!(ran.code, 0, "{}", ran.out);
        shown.push(String::from_utf8(sent).unwrap());
    }
    for log in &shown[..2] {
        assert!(!log.contains('\u{1b}') && !log.contains("next look"), "{log:?}");
        assert!(log.contains("\nrun spy/first: Completed after "), "{log:?}");
    }
    assert_eq!(shown[2], "", "nothing but errors is wanted");
}
