//! What a command writes: standard output, the files that flags name, and what it says beside them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
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

/// The program without root's right to write where the modes forbid it.
#[cfg(target_os = "linux")]
fn bound_by_modes(repo: &Repo, words: &str) -> Ran {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let program = env!("CARGO_BIN_EXE_qcops");
    let mut command = repo.command(if is_root { "setpriv" } else { program });
    if is_root {
        command.args(["--bounding-set=-dac_override,-dac_read_search", program]);
    }
    Repo::ran(command.args(words.split_whitespace()).output().unwrap())
}

/// Sets the mode of every folder in a folder, and of itself.
#[cfg(target_os = "linux")]
fn set_modes(folder: &Path, mode: u32) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            set_modes(&entry.path(), mode);
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn what_reads_needs_no_right_to_write() {
    let commands = [
        "plan",
        "plan --format json",
        "plan --prune --detailed-exitcode",
        "status",
        "status --format json",
        "pull",
        "destroy",
    ];
    // Where the emulator keeps its world, whether there is one, and whether its lock was left.
    let table = [
        ("--emulator", true, true),
        ("--emulator", true, false),
        ("--emulator", false, false),
        ("--emulator=world.json", true, true),
        ("--emulator=world.json", true, false),
        ("--emulator=world.json", false, false),
        ("--emulator=deep/er/world.json", false, false),
    ];
    for (emulator, is_there, is_lock_left) in table {
        let repo = committed("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}");
        if is_there {
            let applied = bound_by_modes(&repo, &format!("apply --yes {emulator}"));
            assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
        }
        for lock in [".qcops/emulator.json.lock", "world.json.lock"] {
            drop((!is_lock_left).then(|| fs::remove_file(repo.path().join(lock))));
        }
        let run = |command: &str| bound_by_modes(&repo, &format!("{command} {emulator}"));
        set_modes(&repo.path(), 0o555);
        let read_only: Vec<Ran> = commands.iter().map(|command| run(command)).collect();
        let validated = bound_by_modes(&repo, "validate");
        let applied = run("apply --yes --max-creates 9 --prune");
        set_modes(&repo.path(), 0o755);
        assert_eq!(validated.code, 0, "{}", validated.err);
        // An apply that has something to do says what it may not.
        let row = format!("{emulator}: {}{}", applied.out, applied.err);
        assert_eq!(applied.code, i32::from(!is_there), "{row}");
        assert_eq!(applied.err.contains("Permission denied"), !is_there, "{row}");
        for (command, there) in commands.iter().zip(read_only) {
            let here = run(command);
            let row = format!(
                "{command} {emulator} {is_there} {is_lock_left}: {}{}",
                there.out, there.err
            );
            assert_eq!(there.code, here.code, "{row}");
            assert_eq!(there.err, here.err, "{row}");
            // Time goes on between the two.
            let timeless = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
            assert_eq!(timeless(&there.out), timeless(&here.out), "{row}");
            assert!(!there.err.contains("denied"), "{row}");
        }
    }
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
    let table: [(&[&str], &str); 10] = [
        (&["--out", "plan.json", "--emulator"], "qcops apply plan.json"),
        (&["-f", "more", "--out", "plan.json", "--emulator"], "qcops apply plan.json"),
        (&["--out", "p", "--emulator=more/world.json"], "qcops apply p"),
        // What lies outside of the repository is not taken from a file that somebody may have edited.
        (&["--out", "plan.json", emulator], "qcops apply plan.json --emulator=../emulator.json"),
        (&["--out", "a b'c.json", "--emulator"], r"qcops apply 'a b'\''c.json'"),
        (&["--out", "a\u{200b}\n'.json", "--emulator"], r"qcops apply $'a\xe2\x80\x8b\x0a\'.json'"),
        (&["--out", "=p.json", "--emulator"], "qcops apply '=p.json'"),
        (&["--out=-p.json", "--emulator"], "qcops apply ./-p.json"),
        (&["-f", "../beside.yaml", "--out", "p", "--emulator"], "qcops apply p -f ../beside.yaml"),
        (
            &["-f", "more/x.yaml,tasks.yaml", "--out", "p", emulator, "--script", "s.yaml"],
            "qcops apply p --emulator=../emulator.json",
        ),
    ];
    for (flags, expected) in table {
        let repo = committed("spy: {prompt: Buy SPY}");
        repo.manifest("more/x.yaml", "dia: {prompt: Buy DIA}")
            .write("s.yaml", "version: 1\nruns: []\n")
            .commit("more");
        repo.manifest("../beside.yaml", "qqq: {prompt: Buy QQQ}");
        let words: Vec<String> =
            ["plan"].iter().chain(flags).map(|word| (*word).to_owned()).collect();
        let planned = repo.run(&words);
        assert_eq!(planned.code, 0, "{flags:?}: {}", planned.err);
        let (_, command) = planned.err.split_once("To apply exactly this plan:\n  ").unwrap();
        assert_eq!(command.trim_end(), expected, "{flags:?}");
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_qcops")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
        let path = format!("{}:{path}", program.display());
        let pasted = repo.command("bash").env("PATH", path).args(["-c", command]).output().unwrap();
        let applied = Repo::ran(pasted);
        assert_eq!(applied.code, 0, "{command}: {}{}", applied.out, applied.err);
        assert!(applied.out.contains("created"), "{command}: {}", applied.out);
    }
}

#[test]
fn a_saved_plan_is_applied_with_its_options_from_any_folder_of_the_repository() {
    let tasks = "spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ, deployments: {d: {}}}";
    let table = [
        ("", "plan.json", "-f more"),
        ("deep/er", "../../plan.json", "-f ../../more"),
        ("", "plan.json", "--target spy"),
        ("", "plan.json", "--target qqq/d --max-deployments 1"),
        ("", "plan.json", "--prune --max-creates 9"),
        ("", "plan.json", "--allow mass-missing --history none"),
        ("more", "../plan.json", "-f ../tasks.yaml -f x.yaml"),
    ];
    for (folder, plan, flags) in table {
        let repo = committed(tasks);
        repo.manifest("more/x.yaml", "dia: {prompt: Buy DIA}")
            .write("deep/er/x", "")
            .commit("more");
        let run = |words: &str| {
            let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
            command.current_dir(repo.path().join(folder)).args(words.split_whitespace());
            Repo::ran(command.output().unwrap())
        };
        // Where the working folder has no manifest, the one that was planned is named.
        let flags = if folder.is_empty() || flags.contains("-f") {
            flags.to_owned()
        } else {
            format!("-f ../tasks.yaml {flags}")
        };
        let planned = run(&format!("plan {flags} --emulator --out {plan}"));
        assert_eq!(planned.code, 0, "{flags}: {}", planned.err);
        let applied = run(&format!("apply {plan}"));
        assert_eq!(applied.code, 0, "{flags}: {}{}", applied.out, applied.err);
        assert!(applied.err.contains("options of the saved plan: "), "{}", applied.err);
        assert!(applied.err.contains("--emulator"), "{}", applied.err);
        let again = run(&format!("plan {flags} --emulator --detailed-exitcode"));
        assert_eq!(again.code, 0, "{flags}: {}", again.out);
    }
}

/// Edits a saved plan as somebody would who knows how its seal is made.
fn forge(repo: &Repo, from: &str, to: &str) {
    let text = repo.read("plan.json");
    let saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    let seal = saved["seal"].as_str().unwrap();
    let edited = text.replacen(from, to, 1);
    assert_ne!(edited, text, "{from}");
    let forged = qcops::model::sha256_hex(edited.replacen(seal, "", 1).as_bytes());
    repo.write("plan.json", &edited.replacen(seal, &forged, 1));
}

#[test]
fn a_forged_plan_leads_to_no_file_outside_of_the_repository_and_to_no_other_service() {
    let table = [
        ("\"tasks.yaml\"", "\"../beside.yaml\"", "outside of"),
        ("\"tasks.yaml\"", "\"/etc/hostname\"", "outside of"),
        ("\"tasks.yaml\"", "\"/proc/self/environ\"", "outside of"),
        ("\"tasks.yaml\"", "\"link.yaml\"", "outside of"),
        ("\"tasks.yaml\"", "\".git/config\"", "no file is read"),
        ("\"tasks.yaml\"", "\".qcops/emulator.json\"", "no file is read"),
        ("\"tasks.yaml\"", "\"missing.yaml\"", "missing.yaml"),
        ("\".qcops/emulator.json\"", "\"../other.json\"", "other.json"),
        ("\".qcops/emulator.json\"", "\"../beside.yaml\"", "outside of"),
        ("\".qcops/emulator.json\"", "\".git/config\"", "no file is read"),
        ("\"script\": null", "\"script\": \"../beside.yaml\"", "outside of"),
        (
            "\"api\": null,\n      \"emulator\": \".qcops/emulator.json\"",
            "\"api\": \"http://127.0.0.1:9\",\n      \"emulator\": null",
            "was made against `http://127.0.0.1:9`",
        ),
    ];
    for (from, to, why) in table {
        let repo = committed("spy: {prompt: Buy SPY}");
        repo.manifest("../beside.yaml", "qqq: {prompt: Buy QQQ}");
        std::os::unix::fs::symlink("../beside.yaml", repo.path().join("link.yaml")).unwrap();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(repo.run(&words("plan --emulator --out plan.json")).code, 0);
        forge(&repo, from, to);
        let credentials =
            [("QC_USER_ID", "1"), ("QC_API_TOKEN", "emulator-token"), ("QC_ORGANIZATION_ID", "o")];
        let applied = repo.run_with(&words("apply plan.json"), &credentials);
        assert_eq!(applied.code, 6, "{to}: {}{}", applied.out, applied.err);
        assert!(applied.err.contains(why), "{to}: {}", applied.err);
        assert!(applied.err.contains("help: if that is the "), "{to}: {}", applied.err);
        assert!(applied.err.contains("nothing was sent"), "{to}: {}", applied.err);
        assert_eq!(applied.out, "", "{to}");
    }
}

#[test]
fn the_page_of_a_plan_that_cannot_be_made_holds_what_was_found() {
    let table = [
        ("spy: {promt: Buy SPY}", "", "unknown field `promt`"),
        ("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy SPY}", "", "equal-content"),
        ("spy: {prompt: Buy SPY\n", "", "error"),
        ("spy: {prompt: Buy SPY}", "--target spx", "did you mean `spy`?"),
        ("spy: {prompt: Buy SPY}", "--history-from nowhere", "nowhere"),
        ("spy: {promptFile: p.md}", "", "p.md"),
    ];
    for (tasks, flags, found) in table {
        for command in ["plan", "apply"] {
            let repo = committed(tasks);
            repo.write("page.md", "the plan of yesterday");
            let ran = repo
                .qcops(&format!("{command} {flags} --format markdown --output markdown=page.md"));
            assert_eq!(ran.code, 1, "{tasks}: {}", ran.err);
            let head = format!("**`qcops {command}` ended with exit code 1.**\n\n```text\n");
            for page in [&ran.out, &repo.read("page.md")] {
                assert!(page.starts_with(&head), "{tasks}: {page}");
                assert!(page.contains(found), "{tasks}: {page}");
                assert!(page.ends_with("```\n"), "{tasks}: {page}");
            }
            assert!(ran.err.contains(found), "{tasks}: {}", ran.err);
        }
    }
}

#[test]
fn the_page_of_a_failed_plan_takes_the_place_of_nothing_that_was_read() {
    let table = [
        ("plan --output markdown=tasks.yaml", "tasks.yaml"),
        ("plan -f tasks.yaml -f other.yaml --output markdown=other.yaml", "other.yaml"),
        ("plan --snapshot other.yaml --output markdown=other.yaml", "other.yaml"),
        ("plan --emulator=other.yaml --output markdown=other.yaml", "other.yaml"),
        ("plan --emulator --script other.yaml --output markdown=other.yaml", "other.yaml"),
        ("apply other.yaml --output markdown=other.yaml", "other.yaml"),
    ];
    for (words, file) in table {
        let repo = committed("spy: {promt: Buy SPY}");
        repo.manifest("other.yaml", "qqq: {promt: Buy QQQ}");
        let before = repo.read(file);
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert_eq!(repo.run(&words).code, 1, "{words:?}");
        assert_eq!(repo.read(file), before, "{words:?}");
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
