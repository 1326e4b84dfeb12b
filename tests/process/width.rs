//! What a person sees at a terminal of 60 and of 80 columns: the words of a wide one, none of them torn.

use std::fs::File;
use std::io::{Read as _, Write as _};

use nix::pty::{Winsize, openpty};
use qcops::emulator::World;
use unicode_width::UnicodeWidthStr as _;

use crate::support::repo::Repo;

/// What a command shows at a terminal of so many columns where a person types `typed`.
fn shown(repo: &Repo, words: &str, columns: u16, typed: &str) -> String {
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let (mut terminal, slave) = (File::from(pty.master), pty.slave);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
    let emulator = repo.path().join("../emulator.json").display().to_string();
    let words = words.replace("EMULATOR", &format!("--emulator={emulator}"));
    command.args(words.split_whitespace()).args(["--color", "never"]).env("TERM", "dumb");
    let out = slave.try_clone().unwrap();
    command.stdin(slave.try_clone().unwrap()).stdout(out).stderr(slave);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut said = Vec::new();
    // A terminal whose other end is closed is an error to read.
    drop(terminal.read_to_end(&mut said));
    child.wait().unwrap();
    // The answer was typed before the question came.
    String::from_utf8_lossy(&said).replace("\r\n", "\n").replace("accepted: ", "accepted:\n")
}

const LONG: &str = "a-key-whose-author-wanted-to-say-all-there-is-to-say-about-the-task-in-it";

/// A project with long keys, prompts and deployments, which was applied.
async fn project() -> Repo {
    let repo = Repo::new();
    let prompt =
        "Research momentum across all sectors and report the Sharpe ratio and the drawdown of each";
    repo.tasks(&format!(
        "spy: {{prompt: {prompt}, deployments: {{first: {{followUps: [And {prompt}]}}, second: {{}}}}}}\n\
         {LONG}: {{prompt: \"Use \u{682a}\u{4fa1}\u{682a}\u{4fa1} {prompt}\", protect: true}}"
    ));
    // Everything has ended before anybody looks, so that two looks are alike.
    let quick = |world: &mut World| {
        for quirk in ["queue-ms=0", "run-ms=0"] {
            world.quirks.set(quirk).unwrap();
        }
    };
    repo.edit_service(quick).await;
    repo.commit("first").qcops("apply --yes --wait --poll-interval 1s").expect(0, &[]);
    repo.tasks(&format!(
        "spy: {{prompt: {prompt}, deployments: {{first: {{followUps: [And {prompt}]}}, second: {{}}, third: {{expect: {{transcript: {{contains: [one, two, three, four words of it]}}}}}}}}}}\n\
         {LONG}: {{prompt: \"Use \u{682a}\u{4fa1}\u{682a}\u{4fa1} and {prompt}\", protect: true}}\n\
         new: {{prompt: {prompt} now}}"
    ));
    repo.commit("second");
    repo
}

/// Whether a row may be wider than the terminal: behind its sign it holds one word, or one command.
fn is_one_piece(row: &str) -> bool {
    let row = row.trim_start().trim_start_matches(['+', '-', '/', '!', '▶', '#', '│', '|']).trim();
    !row.contains(' ') || ["qcops ", "git ", "`"].iter().any(|start| row.starts_with(start))
}

#[tokio::test]
async fn no_word_is_torn_at_a_terminal_of_60_or_80_columns() {
    let repo = project().await;
    let save = "plan EMULATOR --out a-folder-with-a-long-name/and-a-plan-of-a-long-name.json";
    let table = [
        save,
        "apply EMULATOR",
        "status EMULATOR",
        "status EMULATOR -v",
        "transcript EMULATOR spy/first",
        "transcript EMULATOR spy/first --full",
        "transcript EMULATOR spy/nothing-of-this-long-name-that-nobody-has-declared-anywhere",
        "destroy EMULATOR",
        "doctor EMULATOR",
        "validate",
        "validate -f a-folder-that-is-not-there/with-a-manifest-that-is-not-there-either.yaml",
        "emulator --quirk help",
        "pull EMULATOR --out pulled/into/a/folder/with/a/long/name --force",
        "plan EMULATOR --target task.nobody-has-declared-a-task-of-this-name-anywhere-in-here",
        "plan EMULATOR --api http://127.0.0.1",
    ];
    let words =
        |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    for command in table {
        let wide = shown(&repo, command, 1_000, "no\n");
        for columns in [60, 80] {
            let narrow = shown(&repo, command, columns, "no\n");
            let row = format!("{command} at {columns}:\n{narrow}\n{wide}");
            if !command.starts_with("status") {
                // Whatever the width, the words are the same, and none is in two pieces.
                let aged = |text: &str| words(text).replace(|c: char| c.is_ascii_digit(), "");
                let wide = aged(&wide).replace('│', "");
                assert_eq!(words(&aged(&narrow).replace('│', "")), words(&wide), "{row}");
            }
            // Code and JSON of a conversation are lines as they were written.
            let is_source = |line: &&str| command.ends_with("--full") && line.contains('│');
            for line in narrow.lines().filter(|line| line.width() > usize::from(columns)) {
                assert!(is_one_piece(line) || is_source(&line), "{line:?} of {row}");
            }
        }
    }
}

#[tokio::test]
async fn the_status_keeps_its_cells_whole_on_a_narrow_terminal_and_its_reasons_whole_in_a_pipe() {
    let repo = project().await;
    for columns in [40, 60, 80, 100] {
        let shown = shown(&repo, "status EMULATOR", columns, "");
        for line in shown.lines().filter(|line| line.width() > usize::from(columns)) {
            assert_eq!(line.trim(), LONG, "{columns}: {shown}");
        }
        // An age is a number and its unit, in one line.
        let units = |line: &&str| {
            matches!(line.trim(), "s" | "min" | "h") || line.trim_start().starts_with("s;")
        };
        assert_eq!(shown.lines().find(units), None, "{columns}: {shown}");
        let ids = shown.split_whitespace().filter(|word| word.starts_with("A-")).map(str::len);
        assert_eq!(ids.collect::<Vec<_>>(), [34, 34], "{columns}: {shown}");
        assert!(shown.lines().next().unwrap().starts_with("TASK"), "{columns}: {shown}");
        assert!(shown.contains("[protected]"), "{columns}: {shown}");
    }
    let piped = repo.qcops("status").expect(0, &[LONG]).out.clone();
    assert!(!piped.contains(" characters ...}"), "{piped}");
    let line = piped.lines().find(|line| line.starts_with(LONG)).unwrap();
    assert!(line.contains("[protected]"), "{piped}");
}

#[test]
fn a_finding_is_marked_at_its_place_however_narrow_the_terminal_is() {
    let repo = Repo::new();
    let filler = "words that go on and on ".repeat(8);
    let wide = "\u{682a}\u{4fa1}".repeat(40);
    let lines = [
        format!("spy: {{prompt: \"{filler}\", agnt: 47}}"),
        format!("spy: {{agnt: 47, prompt: \"{filler}\"}}"),
        format!("spy: {{prompt: \"{wide}\", agnt: 47, name: \"{wide}\"}}"),
        format!("spy: {{prompt: \"{}\", agnt: 47}}", "\\\\u200b".repeat(30)),
        format!("{}: {{prompt: x, agnt: 47}}", "k".repeat(40)),
    ];
    for line in lines {
        repo.tasks(&line);
        for columns in [60, 80, 200] {
            let shown = shown(&repo, "validate", columns, "");
            let rows: Vec<&str> = shown.lines().collect();
            let at = rows.iter().position(|row| row.contains('^')).unwrap();
            let (source, marks) = (rows[at - 1], rows[at]);
            assert!(
                rows.iter().all(|row| row.width() <= usize::from(columns)),
                "{columns}: {shown}"
            );
            let before = &marks[..marks.find('^').unwrap()];
            let mut passed = 0;
            let marked = source.chars().skip_while(|c| {
                passed += c.to_string().width();
                passed <= before.width()
            });
            let marked: String = marked.take(marks.matches('^').count()).collect();
            assert_eq!(marked, "agnt", "{columns}: {shown}");
        }
    }
}
