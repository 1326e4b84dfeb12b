//! What a command writes: standard output, the files that flags name, and what it says beside them.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use nix::pty::openpty;

use crate::support::repo::{Ran, Repo};

const RUNS: &str = "spy: {prompt: Buy SPY, deployments: {first: {followUps: [Sell, Hold]}}}\nqqq: {prompt: Buy QQQ}";

fn committed(lines: &str) -> Repo {
    let repo = Repo::new();
    repo.tasks(lines).commit("first");
    repo
}

/// The emulator of a repository, as a flag.
fn emulator(repo: &Repo) -> String {
    format!("--emulator={}", repo.path().join("../emulator.json").display())
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let repo = committed("spy: {prompt: Buy SPY}");
    let emulator = emulator(&repo);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    // Whatever is printed behind an apply undoes nothing of it: the second one finds nothing to do.
    let table = [
        ("plan EMULATOR", 1),
        ("plan EMULATOR --format json", 1),
        ("plan EMULATOR --format markdown", 1),
        ("plan EMULATOR --format html", 1),
        ("apply EMULATOR --yes", 1),
        ("apply EMULATOR --yes --wait --format junit", 4),
        ("pull EMULATOR", 1),
        ("status EMULATOR", 1),
        ("status EMULATOR --format json", 1),
        ("destroy EMULATOR", 1),
        ("validate", 1),
        ("schema", 1),
        ("completions bash", 1),
        ("man plan", 1),
        ("emulator --quirk help", 1),
        ("--help", 1),
        ("--version", 1),
        ("plan --help", 1),
    ];
    for (words, code) in table {
        let words = words.replace("EMULATOR", &emulator);
        let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
        command.args(words.split_whitespace()).stdout(full());
        let ran = Repo::ran(command.output().unwrap());
        assert_eq!(ran.code, code, "{words}: {}", ran.err);
        let said = "error: failed to write to standard output: No space left on device";
        assert!(ran.err.contains(said), "{words}: {}", ran.err);
    }
    for format in ["json", "html", "junit", "gitlab"] {
        let ran = repo.qcops(&format!("apply --yes --wait --output {format}=/dev/full"));
        // Nothing was left to do.
        assert_eq!(ran.code, 1, "{format}: {}", ran.err);
        assert!(ran.err.contains("failed to write to `/dev/full`"), "{format}: {}", ran.err);
    }
}

#[test]
fn a_reader_that_has_gone_away_ends_nothing() {
    let repo = committed("spy: {prompt: Buy SPY}");
    let emulator = emulator(&repo);
    for words in ["plan EMULATOR", "apply EMULATOR --yes", "pull EMULATOR", "--help"] {
        let words = words.replace("EMULATOR", &emulator);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
        command.args(words.split_whitespace()).stdout(writer);
        let ran = Repo::ran(command.output().unwrap());
        assert_eq!(ran.code, 0, "{words}: {}", ran.err);
        assert!(!ran.err.contains("error"), "{words}: {}", ran.err);
    }
    repo.expect_nothing_to_do("");
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_is_no_file_to_replace() {
    let repo = committed("spy: {prompt: Buy SPY}");
    std::os::unix::fs::symlink("/proc/self/fd/1", repo.path().join("stdout")).unwrap();
    for path in ["/dev/stdout", "/dev/fd/1", "stdout"] {
        let out = repo.path().join("../out");
        let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
        command.args(["plan", &emulator(&repo), "--out", path]);
        let ran = Repo::ran(command.stdout(File::create(&out).unwrap()).output().unwrap());
        assert_eq!(ran.code, 0, "{path}: {}", ran.err);
        let text = fs::read_to_string(out).unwrap();
        assert!(text.starts_with("  + task.spy") || text.contains("Plan: 1"), "{path}: {text}");
        assert!(text.trim_end().ends_with('}') && text.contains("\"seal\""), "{path}: {text}");
    }
    assert!(repo.path().join("stdout").is_symlink());
}

#[test]
fn an_output_that_is_an_input_or_another_output_is_refused_before_anything_is_sent() {
    let repo = committed("spy: {promptFile: prompts/spy.md}\nqqq: {prompt: Buy QQQ}");
    repo.write("prompts/spy.md", "Buy SPY").commit("prompt");
    let planned = repo.qcops("plan --out plan.json --save-snapshot seen.json");
    assert_eq!(planned.code, 0, "{}", planned.err);
    fs::hard_link(repo.path().join("tasks.yaml"), repo.path().join("hard")).unwrap();
    repo.write("script.yaml", "version: 1\nruns: []\n");
    let table = [
        ("plan --out tasks.yaml", "`--out` would overwrite `tasks.yaml`, which this command reads"),
        ("plan --out ./prompts/../tasks.yaml", "which this command reads"),
        ("plan --out hard", "which this command reads"),
        ("plan --out prompts/spy.md", "which this command reads"),
        ("plan --out ../emulator.json", "which this command reads"),
        ("plan --out .qcops/ledger.jsonl", "which this command reads"),
        ("plan --save-snapshot tasks.yaml", "`--save-snapshot` would overwrite"),
        ("plan --script script.yaml --out script.yaml", "which this command reads"),
        ("plan --out new --save-snapshot ./new", "which `--out` writes too"),
        ("plan --output gitlab=tasks.yaml", "`--output` would overwrite"),
        ("plan --output gitlab=.qcops/ledger.jsonl", "`--output` would overwrite"),
        ("plan --output html=new --out new", "which `--output` writes too"),
        ("apply --yes --output json=tasks.yaml", "`--output` would overwrite"),
        ("apply --yes --output html=prompts/spy.md", "`--output` would overwrite"),
        ("apply --yes --wait --output junit=tasks.yaml", "`--output` would overwrite"),
        ("apply --yes --output json=new --output html=new", "which `--output` writes too"),
        ("apply plan.json --output json=plan.json", "which this command reads"),
        ("apply plan.json --output gitlab=plan.json", "which this command reads"),
    ];
    for (words, said) in table {
        let ran = repo.qcops(words);
        assert_eq!(ran.code, 1, "{words}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{words}: {}", ran.err);
    }
    let ran =
        repo.run(&["plan", "--snapshot", "seen.json", "--out", "seen.json"].map(str::to_owned));
    assert!(ran.code == 1 && ran.err.contains("which this command reads"), "{}", ran.err);
    assert_eq!(repo.read("prompts/spy.md"), "Buy SPY");
    repo.qcops("plan").expect(0, &["2 to create"]);
}

#[test]
fn the_command_that_a_saved_plan_names_applies_it() {
    let emulator = "--emulator=../emulator.json";
    let table: [(&[&str], &str); 6] = [
        (&["--out", "plan.json", "--emulator"], "qcops apply plan.json --emulator"),
        (&["--out", "plan.json", emulator], "qcops apply plan.json --emulator=../emulator.json"),
        (&["--out", "a b'c.json", emulator], r"qcops apply 'a b'\''c.json' --emulator="),
        (&["--out=-p.json", emulator], "qcops apply ./-p.json --emulator="),
        (
            &["-f", "more", "--out", "plan.json", emulator],
            "qcops apply plan.json -f more --emulator=",
        ),
        (
            &[
                "-f",
                "more/x.yaml",
                "-f",
                "tasks.yaml",
                "--out",
                "p",
                emulator,
                "--script",
                "s.yaml",
            ],
            "qcops apply p -f more/x.yaml -f tasks.yaml --emulator=../emulator.json --script s.yaml",
        ),
    ];
    for (flags, expected) in table {
        let repo = committed("spy: {prompt: Buy SPY}");
        repo.manifest("more/x.yaml", "dia: {prompt: Buy DIA}")
            .write("s.yaml", "version: 1\nruns: []\n")
            .commit("more");
        let words: Vec<String> =
            ["plan"].iter().chain(flags).map(|word| (*word).to_owned()).collect();
        let planned = repo.run(&words);
        assert_eq!(planned.code, 0, "{flags:?}: {}", planned.err);
        let (_, command) = planned.err.split_once("To apply exactly this plan:\n  ").unwrap();
        assert!(command.starts_with(expected), "{flags:?}: {command}");
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_qcops")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
        let path = format!("{}:{path}", program.display());
        let pasted = repo.command("sh").env("PATH", path).args(["-c", command]).output().unwrap();
        let applied = Repo::ran(pasted);
        assert_eq!(applied.code, 0, "{command}: {}{}", applied.out, applied.err);
        assert!(applied.out.contains("created"), "{command}: {}", applied.out);
    }
}

/// Applies at a terminal where a person types `typed`.
fn answered(repo: &Repo, typed: &[u8]) -> (Ran, String) {
    let pty = openpty(None, None).unwrap();
    let (mut terminal, slave) = (File::from(pty.master), pty.slave);
    terminal.write_all(typed).unwrap();
    let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
    command.args(["apply", &emulator(repo), "--color", "never"]);
    command.stdin(slave.try_clone().unwrap()).stderr(slave).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let ran = Repo::ran(child.wait_with_output().unwrap());
    let mut said = Vec::new();
    // A terminal whose other end is closed is an error to read.
    drop(terminal.read_to_end(&mut said));
    (ran, String::from_utf8_lossy(&said).replace("\r\n", "\n"))
}

#[test]
fn the_question_says_what_costs_money_and_whoever_declines_hears_that_nothing_changed() {
    let asked = "Apply 3 changes, of which 1 costs money (1 deployment, 2 follow-ups)? Only 'yes' is accepted: ";
    for typed in ["y\n", "no\n", "\n", "YES\n", "yes please\n", "\u{4}"] {
        let repo = committed(RUNS);
        let (ran, said) = answered(&repo, typed.as_bytes());
        assert_eq!(ran.code, 3, "{typed:?}: {said}");
        assert!(said.contains(asked), "{typed:?}: {said}");
        assert!(said.ends_with("Nothing was changed.\n"), "{typed:?}: {said}");
        repo.qcops("plan").expect(0, &["to create"]);
    }
    let (ran, said) = answered(&committed("spy: {prompt: Buy SPY}"), b"yes\n");
    assert_eq!(ran.code, 0, "{said}");
    assert!(said.contains("Apply 1 change? Only 'yes' is accepted: "), "{said}");
    assert!(!said.contains("Nothing was changed"), "{said}");
}

#[test]
fn an_emulator_file_that_cannot_be_used_is_said_at_once() {
    let repo = committed("spy: {prompt: Buy SPY}");
    for bytes in [&b"{"[..], b"", b"[]", b"{\"version\":1}", b"\xff\xfe", b"{\"version\":99}"] {
        fs::write(repo.path().join("../emulator.json"), bytes).unwrap();
        for words in ["plan", "apply --yes", "status"] {
            let ran = repo.qcops(words);
            assert_eq!(ran.code, 1, "{bytes:?}: {}", ran.err);
            let said = "error: failed to load `";
            assert!(ran.err.starts_with(said), "{bytes:?}: {}", ran.err);
        }
    }
}
