//! The command line: what it says when something is wrong, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qcops::cli::Exit;
use qcops::clock::Clock;
use qcops::emulator;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::repo::{Ran, Repo};
use crate::support::served::Served;
use crate::support::world::World;

mod flags;
mod init;
mod script;

const TWO: &str = "a: {prompt: p}\nb: {prompt: q}";

/// Answers every request with the same bytes until the test program ends.
fn always(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            drop(answer_once(connection, answer));
        }
    });
    url
}

fn answer_once(mut connection: TcpStream, answer: &str) -> std::io::Result<()> {
    let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
    // Every body of ours is a JSON object without nested ones at its end.
    while !asked.ends_with(b"}") {
        let count = connection.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&chunk[..count]);
    }
    connection.write_all(answer.as_bytes())
}

fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Runs the program against an address, as somebody with these credentials.
fn run_as(repo: &Repo, token: &str, url: &str, arguments: &str) -> Ran {
    let (command, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let words = [command, "--api", url].into_iter().chain(rest.split_whitespace());
    let words: Vec<String> = words.map(str::to_owned).collect();
    let user = emulator::USER_ID.to_string();
    let variables = [
        ("QC_USER_ID", user.as_str()),
        ("QC_API_TOKEN", token),
        ("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID),
    ];
    repo.run_with(&words, &variables)
}

fn run_at(repo: &Repo, url: &str, arguments: &str) -> Ran {
    run_as(repo, emulator::API_TOKEN, url, arguments)
}

fn two_tasks() -> Repo {
    let repo = Repo::new();
    repo.tasks(TWO).commit("first");
    repo
}

#[test]
fn every_exit_code_is_reached_as_documented() {
    let rows: [(&str, i32); 11] = [
        ("a plan with changes", plan_with_changes("plan").code),
        ("usage", two_tasks().qcops("plan --no-such-flag").code),
        ("a manifest with a mistake", mistaken().qcops("plan").code),
        ("changes, asked for in detail", plan_with_changes("plan --detailed-exitcode").code),
        ("nobody to approve", plan_with_changes("apply").code),
        ("a service that refuses one of two tasks", refused_in_part().code),
        ("a deployment whose answer was lost", lost_run().code),
        ("a reviewed plan that is no longer so", stale_plan().code),
        ("a deployment that is not what was expected", unexpected().code),
        ("an interrupt", interrupted().code),
        ("success", plan_with_changes("apply --yes").code),
    ];
    let expected = [0, 1, 1, 2, 3, 4, 5, 6, 7, 130, 0];
    for ((what, code), expected) in rows.iter().zip(expected) {
        assert_eq!(*code, expected, "{what}");
    }
    for (exit, sentence) in Exit::ALL {
        let is_reached = rows.iter().any(|(_, code)| *code == i32::from(exit.code()));
        assert!(is_reached, "no row of this test ends with {}: {sentence}", exit.code());
    }
}

/// A deployment ends as `Completed`, and another end was declared.
fn unexpected() -> Ran {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: p, deployments: {d: {expect: {status: Failed}}}}").commit("first");
    repo.qcops("apply --yes --wait --poll-interval 200ms")
}

fn plan_with_changes(arguments: &str) -> Ran {
    two_tasks().qcops(arguments)
}

fn mistaken() -> Repo {
    let repo = Repo::new();
    repo.tasks("a: {promt: p}");
    repo
}

fn stale_plan() -> Ran {
    let repo = two_tasks();
    repo.qcops("plan --out plan.json");
    repo.tasks("a: {prompt: p}");
    repo.qcops("apply plan.json")
}

fn refused_in_part() -> Ran {
    let served = Served::new();
    futures_util::future::FutureExt::now_or_never(served.emulator.with_world(|world| {
        world.quirks.set("name-limit=5").unwrap();
        world.quirks.set("long-name=refuse").unwrap();
    }))
    .unwrap()
    .unwrap();
    let repo = Repo::new();
    repo.tasks("a: {prompt: p}\nb: {prompt: q, name: A name too long}");
    run_at(&repo, &served.url, "apply --yes")
}

fn lost_run() -> Ran {
    let served = Served::new().faults("deployments/create#1=lost-before");
    let repo = Repo::new();
    repo.tasks("a: {prompt: p, deployments: {first: {}}}");
    run_at(&repo, &served.url, "apply --yes --settle-delays 0")
}

/// Interrupts an apply while its first create is under way; the second is then never begun.
fn interrupted() -> Ran {
    let served = Served::created(|emulator| emulator.with_latency(Duration::from_millis(400)));
    let repo = two_tasks();
    let mut apply = repo
        .command(env!("CARGO_BIN_EXE_qcops"))
        .args(["apply", "--yes", "--api", &served.url])
        .env("QC_USER_ID", emulator::USER_ID.to_string())
        .env("QC_API_TOKEN", emulator::API_TOKEN)
        .env("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(apply.stderr.take().unwrap()).lines();
    let begun = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("creating")));
    begun.expect("it begins").unwrap();
    let killed = repo.command("kill").args(["-INT", &apply.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let err = lines.map_while(Result::ok).collect::<Vec<_>>().join("\n");
    let output = apply.wait_with_output().unwrap();
    let creates = served.writes().iter().filter(|path| path.ends_with("tasks/create")).count();
    assert_eq!(creates, 1, "{err}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("Apply interrupted: 1 succeeded"), "{out}");
    Ran { code: output.status.code().unwrap_or(-1), out, err }
}

#[test]
fn a_service_that_cannot_be_used_is_named_with_its_cause_within_seconds() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
                Content-Length: 27\r\n\r\n<title>Please log in</title>";
    let empty = "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let moved = "HTTP/1.1 302 Found\r\nLocation: https://example.com/\r\nConnection: close\r\n\
                 Content-Length: 0\r\n\r\n";
    let served = Served::new();
    let rows = [
        ("a closed port", closed_port(), "Connection refused", "check the network and `--api`"),
        ("a page", always(page), "text/html beginning with: <title>Please log in", "`--api`"),
        ("an empty 500", always(empty), "(status 500), with an empty body", "try again later"),
        ("a redirect", always(moved), "a redirect (status 302)", "`--api`"),
        ("a wrong token", served.url.clone(), "Hash doesn't match", "`QC_API_TOKEN`"),
    ];
    std::thread::scope(|scope| {
        for row in &rows {
            scope.spawn(move || expect_unusable(row));
        }
    });
    assert_eq!(served.writes(), Vec::<String>::new());
}

fn expect_unusable((what, url, cause, way): &(&str, String, &str, &str)) {
    let repo = two_tasks();
    for command in ["plan", "apply --yes"] {
        let began = Instant::now();
        let ran = run_as(&repo, "wrong", url, command);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{what}: {}", ran.err);
        assert!(ran.err.contains("error: "), "{what}: {}", ran.err);
        assert_eq!(ran.err.matches(cause).count(), 1, "{what}, its cause once: {}", ran.err);
        assert!(ran.err.contains(way), "{what}: {}", ran.err);
        assert!(ran.err.ends_with("help: nothing was changed\n"), "{what}: {}", ran.err);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
    }
}

#[test]
fn a_damaged_file_of_the_emulator_is_no_matter_of_the_network() {
    let repo = two_tasks();
    repo.write("emulator.json", "{");
    let ran = repo.run(&["plan", "--emulator=emulator.json"].map(str::to_owned));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`emulator.json`"), "{}", ran.err);
    assert!(ran.err.contains("move it away"), "{}", ran.err);
    assert!(!ran.err.contains("the network"), "{}", ran.err);
}

#[test]
fn six_mistakes_are_six_findings_in_one_run_and_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let repo = Repo::new();
    repo.write(
        "tasks.yaml",
        "\
version: 1
defaults: {projectPreference: project-for-task}
tasks:
  color: {agentId: 47, prompt: a, colour: red}
  agent: {agentId: many, prompt: b}
  preference: {agentId: 47, prompt: c, projectPreference: sometimes}
  empty: {agentId: 47, prompt: ' '}
  name: {agentId: 47, prompt: d, name: '${NOT_SET}'}
  file: {agentId: 47, promptFile: ../secret.md}
",
    );
    for command in ["plan", "apply --yes"] {
        let ran = run_at(&repo, &url, command);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert_eq!(ran.out, "");
        let places: Vec<&str> =
            ran.err.lines().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
        let lines: Vec<String> = (4..10).map(|line| format!("tasks.yaml:{line}:")).collect();
        assert_eq!(places.len(), 6, "{}", ran.err);
        for (place, line) in places.iter().zip(lines) {
            assert!(place.starts_with(&line), "{place} is not {line}COLUMN\n{}", ran.err);
        }
        for code in [
            "unknown-field",
            "invalid-value",
            "unknown-preference",
            "empty-prompt",
            "unresolved-variable",
            "unreadable-file",
        ] {
            assert!(ran.err.contains(&format!("error[{code}]")), "{code}: {}", ran.err);
        }
        assert!(ran.err.ends_with("6 errors\n"), "{}", ran.err);
    }
    let connection = listener.accept();
    assert!(connection.is_err(), "somebody connected: {connection:?}");
}

#[test]
fn a_missing_manifest_is_answered_with_the_command_that_writes_one() {
    let repo = Repo::new();
    let ran = repo.qcops("plan");
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: there is no `tasks.yaml`\n"), "{}", ran.err);
    assert!(ran.err.contains("help: `qcops init` writes a first one"), "{}", ran.err);
    assert_eq!(repo.run(&["init".to_owned()]).code, 0);
    repo.converge("");
}

#[test]
fn a_named_manifest_that_is_missing_is_answered_with_how_to_name_one() {
    let repo = Repo::new();
    repo.write("folder/readme.txt", "");
    let table = [
        ("nodir/", "there is no folder `nodir/`\n"),
        ("nodir/tasks.yaml", "there is no `nodir/tasks.yaml`: its folder `nodir` is missing\n"),
        ("folder/tasks.yaml", "there is no file or folder `folder/tasks.yaml`\n"),
        ("folder", "`folder` holds no `*.yaml` or `*.yml` file\n"),
    ];
    for (path, words) in table {
        let ran = repo.qcops(&format!("plan -f {path}"));
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(words) && ran.err.contains("`-f"), "{path}: {}", ran.err);
        assert!(!ran.err.contains("agentId"), "{path}: {}", ran.err);
    }
    assert!(!repo.qcops("plan -f nodir/").err.contains("there is a `tasks.yaml`"));
    repo.tasks("spy: {prompt: Buy SPY}");
    assert!(repo.qcops("plan -f nodir/").err.contains("there is a `tasks.yaml`"));
}

#[test]
fn a_time_without_a_unit_is_refused_in_plain_words() {
    let repo = two_tasks();
    for flags in ["apply --wait --timeout 5", "destroy --archived --older-than 5"] {
        let ran = repo.qcops(flags);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("': write a unit, as in `5"), "{}", ran.err);
        assert!(!ran.err.contains("friendly"), "{}", ran.err);
    }
}

#[test]
fn a_run_that_is_not_there_is_answered_with_those_that_are() {
    let repo = two_tasks();
    let told = |word: &str| {
        let ran = repo.qcops(&format!("transcript {word}"));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{word}");
        ran.err
    };
    assert!(told("spy").contains("no declared deployment has been started yet"));
    let runs = "spy: {prompt: Buy SPY, deployments: {first: {}, second: {}}}";
    repo.tasks(runs).commit("runs").converge("");
    let status: serde_json::Value =
        serde_json::from_str(&repo.qcops("status --format json").out).unwrap();
    let id = status["tasks"][0]["deployments"][0]["deployment_id"].as_str().unwrap();
    for word in ["A-ffff", "nobody/first", "spy/third", "A-f/x"] {
        let err = told(word);
        assert!(err.contains(&format!("`{word}`")), "{err}");
        assert!(err.contains("help: declared deployments: spy/first (A-"), "{word}: {err}");
        assert!(err.contains("spy/second (A-"), "{word}: {err}");
        assert!(err.contains("any deployment's id, `A-` and 32 digits"), "{word}: {err}");
    }
    assert!(told("A-ffff").starts_with("error: there is no deployment `A-ffff`: "));
    assert!(told("spy/frist").contains("did you mean `spy/first`?"));
    assert!(told(&id[..8]).contains(&format!("did you mean `{id}`?")));
    let several = told("spy");
    assert!(several.contains("name one of them: spy/first, spy/second"), "{several}");
}

#[test]
fn without_a_terminal_and_without_yes_the_plan_is_printed_and_nothing_is_done() {
    let repo = two_tasks();
    let ran = repo.qcops("apply");
    assert_eq!(ran.code, 3);
    assert!(ran.out.starts_with("Plan: 2 to create."), "{}", ran.out);
    assert_eq!(
        ran.err,
        "error: nobody is there to approve the plan\n  help: `--yes` carries it out without asking\n"
    );
    assert_eq!(repo.qcops("plan").out, ran.out, "it is still to be done");
}

#[test]
fn the_version_is_printed_and_help_names_every_command() {
    let repo = Repo::new();
    let run = |words: &str| repo.run(&[words.to_owned()]);
    let version = run("--version");
    assert_eq!((version.code, version.out.as_str()), (0, "qcops 0.1.0\n"));
    let help = run("--help");
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for command in ["validate", "plan", "apply", "emulator"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}: {}", help.out);
    }
    assert!(help.out.lines().all(|line| line.chars().count() <= 100), "{}", help.out);
    let unknown = run("aply");
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(unknown.err.contains("'apply'"), "{}", unknown.err);
}

#[test]
fn validate_needs_no_service_and_takes_agents_by_name_as_they_are() {
    let repo = Repo::new();
    repo.write(
        "tasks.yaml",
        "version: 1\ndefaults: {agent: Nobody Knows, projectPreference: project-for-task}\n\
         tasks: {a: {prompt: p, deployments: {first: {}}}}\n",
    );
    let valid = repo.run(&["validate".to_owned()]);
    assert_eq!(valid.code, 0, "{}", valid.err);
    let words = "Valid: 1 task, 1 deployment. Agents given by name are looked up by `plan`.\n";
    assert_eq!(valid.out, words);
    let planned = repo.qcops("plan");
    assert_eq!(planned.code, 1);
    assert!(planned.err.contains("error[unknown-agent]"), "{}", planned.err);
}

#[test]
fn a_manifest_of_another_organization_is_refused_before_anything_is_sent() {
    let served = Served::new();
    let repo = Repo::new();
    repo.write(
        "tasks.yaml",
        "version: 1\norganizationId: theirs\ndefaults: {agentId: 47, projectPreference: \
         project-for-task}\ntasks: {a: {prompt: p}}\n",
    );
    let ran = run_at(&repo, &served.url, "apply --yes");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("the manifest is for organization `theirs`"), "{}", ran.err);
    assert!(served.emulator.requests().is_empty());
}

#[test]
fn an_organization_that_the_user_is_no_member_of_is_the_services_refusal() {
    let served = Served::new();
    let repo = two_tasks();
    let words = ["plan", "--api", &served.url].map(str::to_owned);
    let user = emulator::USER_ID.to_string();
    let variables = [
        ("QC_USER_ID", user.as_str()),
        ("QC_API_TOKEN", emulator::API_TOKEN),
        ("QC_ORGANIZATION_ID", "theirs"),
    ];
    let ran = repo.run_with(&words, &variables);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("you are not a member of it"), "{}", ran.err);
    assert!(ran.err.contains("`QC_ORGANIZATION_ID`"), "{}", ran.err);
}

/// What every command that reads the list of tasks answers, one to a line.
fn on_the_list(repo: &Repo, url: &str) -> Vec<(String, i32)> {
    let destroy = format!("destroy --confirm {}", emulator::ORGANIZATION_ID);
    let commands = ["plan", "plan --prune", "apply --yes", "status", "pull", destroy.as_str()];
    commands.map(|command| (command.to_owned(), run_at(repo, url, command).code)).to_vec()
}

#[test]
fn every_command_exits_with_3_on_an_incomplete_list_of_tasks() {
    for (what, tasks) in [
        ("an entry without an id", r#"[{"name": "a"}]"#),
        ("an entry that is none", "[7]"),
        ("a text", r#""none""#),
        ("a mapping", "{}"),
    ] {
        let body = format!(r#"{{"success": true, "errors": [], "agents": [], "tasks": {tasks}}}"#);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        for (command, code) in on_the_list(&two_tasks(), &always(answer.leak())) {
            assert_eq!(code, 3, "{what}: {command}");
        }
    }
}

#[test]
fn every_command_exits_with_3_on_a_list_that_hides_what_this_machine_made() {
    let served = Served::new();
    let repo = two_tasks();
    assert_eq!(run_at(&repo, &served.url, "apply --yes").code, 0);
    let served = served.faults("tasks/list%1=list-empty");
    for (command, code) in on_the_list(&repo, &served.url) {
        assert_eq!(code, 3, "{command}");
    }
    assert_eq!(served.writes(), ["/agents/tasks/create"; 2]);
    let pulled = run_at(&repo, &served.url, "pull");
    assert!(pulled.err.contains("it leaves out task"), "{}", pulled.err);
}

#[test]
fn a_signal_ends_an_apply_at_once_that_is_still_planning() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let repo = two_tasks();
    let apply = repo
        .command(env!("CARGO_BIN_EXE_qcops"))
        .args(["apply", "--yes", "--api", &format!("http://{}", silent.local_addr().unwrap())])
        .env("QC_USER_ID", emulator::USER_ID.to_string())
        .env("QC_API_TOKEN", emulator::API_TOKEN)
        .env("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has asked, and gets no answer.
    let _asked = silent.accept().unwrap();
    repo.command("kill").args(["-TERM", &apply.id().to_string()]).status().unwrap();
    let ended = apply.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{err}");
    assert!(err.contains("interrupted while planning\n  help: nothing was changed"), "{err}");
}

#[cfg(unix)]
#[test]
fn certificates_that_would_be_read_without_end_are_refused() {
    let repo = two_tasks();
    let pipe = repo.path().join("../pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, what) in [(pipe.to_str().unwrap(), "a pipe"), ("/dev/zero", "a device")] {
        let words = ["plan", "--api", "https://127.0.0.1:9"].map(str::to_owned);
        let variables = [
            ("SSL_CERT_FILE", path),
            ("QC_USER_ID", "1"),
            ("QC_API_TOKEN", "x"),
            ("QC_ORGANIZATION_ID", "o"),
        ];
        let ran = repo.run_with(&words, &variables);
        assert_eq!(ran.code, 1, "{what}: {}", ran.err);
        assert!(
            ran.err.contains(what) && ran.err.contains("`SSL_CERT_FILE` names it"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn who_only_reads_writes_nothing() {
    let served = Served::new();
    let repo = two_tasks();
    let user = emulator::USER_ID.to_string();
    let variables = [
        ("QC_USER_ID", user.as_str()),
        ("QC_API_TOKEN", emulator::API_TOKEN),
        ("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID),
    ];
    for command in ["plan", "status", "destroy", "destroy --archived", "pull", "validate"] {
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        if command != "validate" {
            words.extend(["--api".to_owned(), served.url.clone()]);
        }
        let ran = repo.run_with(&words, &variables);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        assert!(!repo.path().join(".qcops").exists(), "{command}");
    }
}

#[test]
fn credentials_are_taken_without_line_breaks_and_never_repeated() {
    let served = Served::new();
    let repo = two_tasks();
    let words = ["plan", "--api", &served.url].map(str::to_owned);
    let right = [
        ("QC_USER_ID", emulator::USER_ID.to_string()),
        ("QC_API_TOKEN", emulator::API_TOKEN.to_owned()),
        ("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID.to_owned()),
    ];
    let table = [
        ("", "\n", 0, ""),
        ("\n", "\r\n\r\n", 0, ""),
        ("\u{feff}", " \n", 0, ""),
        ("", "\nhunter2", 1, "holds more than one line"),
        ("", "\u{1b}[0mhunter2", 1, "holds a control character"),
        ("\"hunter2", "\"", 1, "is in quotes"),
    ];
    for (at, (name, _)) in right.iter().enumerate() {
        for (before, behind, code, said) in table {
            let mut set = right.clone();
            set[at].1 = format!("{before}{}{behind}", right[at].1);
            let variables: Vec<_> =
                set.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let ran = repo.run_with(&words, &variables);
            let row = format!("{name} with {before:?} and {behind:?}: {}", ran.err);
            assert_eq!(ran.code, code, "{row}");
            assert!(ran.err.contains(said) && !ran.err.contains("hunter2"), "{row}");
            assert!(code == 0 || ran.err.contains(&format!("`{name}` ")), "{row}");
        }
    }
}

#[cfg(unix)]
#[test]
fn lean_credentials_that_others_can_read_serve_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;

    let served = Served::new();
    let repo = two_tasks();
    let file = json!({
        "user-id": emulator::USER_ID.to_string(),
        "api-token": emulator::API_TOKEN,
        "organization-id": emulator::ORGANIZATION_ID,
    });
    repo.write("../.lean/credentials", &file.to_string());
    let path = repo.path().join("../.lean/credentials");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    let words = ["plan", "--api", &served.url].map(str::to_owned);
    mode(0o644).unwrap();
    let ran = repo.run(&words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let warned = "credentials` can be read by other users; `chmod 600 ";
    assert!(ran.err.starts_with("warning: `") && ran.err.contains(warned), "{}", ran.err);
    mode(0o600).unwrap();
    let ran = repo.run(&words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    repo.write("../.lean/credentials", "{\"user-id\": 1, \"api-token\": \"lean-marker\"");
    mode(0o600).unwrap();
    let ran = repo.run(&words);
    assert_eq!(ran.code, 1);
    assert!(!ran.err.contains("lean-marker"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn a_lean_workspace_is_enough_and_warns_once() {
    use std::os::unix::fs::PermissionsExt;

    let served = Served::new();
    let repo = Repo::new();
    let manifest = "version: 1\norganizationId: ${QC_ORGANIZATION_ID}\ndefaults: {agentId: 47, \
                    projectPreference: project-for-task}\ntasks: {a: {prompt: p}}\n";
    repo.write("strategies/tasks.yaml", manifest).commit("first");
    let credentials = json!({
        "user-id": emulator::USER_ID.to_string(),
        "api-token": emulator::API_TOKEN,
    });
    repo.write("../.lean/credentials", &credentials.to_string());
    let path = repo.path().join("../.lean/credentials");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let lean = format!(
        "// A Lean workspace.\n{{\n    \"data-folder\": \"data\", /* local */\n    \
         // \"organization-id\": \"another\",\n    \"organization-id\": \"{}\"\n}}\n",
        emulator::ORGANIZATION_ID
    );
    repo.write("../lean.json", &lean);
    let ran =
        repo.run_from("strategies", &["plan".to_owned(), "--api".to_owned(), served.url.clone()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("+ task.a"), "{}", ran.out);
    assert_eq!(ran.err.matches("warning").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("credentials` can be read by other users"), "{}", ran.err);
    repo.write("../lean.json", "{\"organization-id\": \"theirs-marker\"");
    let ran =
        repo.run_from("strategies", &["plan".to_owned(), "--api".to_owned(), served.url.clone()]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("lean.json` is not JSON with comments"), "{}", ran.err);
    assert!(!ran.err.contains("theirs-marker"), "{}", ran.err);
}

#[test]
fn two_variables_of_one_credential_must_agree() {
    let served = Served::new();
    let repo = two_tasks();
    let words = ["plan", "--api", &served.url].map(str::to_owned);
    let user = emulator::USER_ID.to_string();
    let (token, organization) = (emulator::API_TOKEN, emulator::ORGANIZATION_ID);
    let other = [
        ("QUANTCONNECT_USER_ID", user.as_str()),
        ("QUANTCONNECT_API_TOKEN", token),
        ("QUANTCONNECT_ORGANIZATION_ID", organization),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let variables = [&other[..], more].concat();
        repo.run_with(&words, &variables)
    };
    assert_eq!(with(&[]).code, 0);
    let same = with(&[("QC_API_TOKEN", token), ("QC_ORGANIZATION_ID", ""), ("QC_USER_ID", "1")]);
    assert_eq!(same.code, 0, "{}", same.err);
    let before = served.emulator.requests().len();
    for name in ["QC_USER_ID", "QC_API_TOKEN", "QC_ORGANIZATION_ID"] {
        let ran = with(&[(name, "739184")]);
        let differs = format!(
            "`{name}` and `{}` are set to different values",
            name.replace("QC_", "QUANTCONNECT_")
        );
        assert!(ran.code == 1 && ran.err.contains(&differs), "{}", ran.err);
        assert!(!ran.err.contains("739184") && !ran.err.contains(token), "{}", ran.err);
    }
    assert_eq!(served.emulator.requests().len(), before);
}

#[test]
fn a_manifest_cannot_read_the_credentials() {
    let served = Served::new();
    for variable in ["QC_API_TOKEN", "QC_USER_ID", "QUANTCONNECT_API_TOKEN"] {
        let repo = Repo::new();
        repo.tasks(&format!("a: {{prompt: p, name: '${{{variable}}}'}}"));
        let ran = run_at(&repo, &served.url, "apply --yes");
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("is a credential, which no manifest may read"), "{}", ran.err);
        assert!(!ran.err.contains("set the environment variable"), "{}", ran.err);
        assert!(!ran.err.contains(emulator::API_TOKEN), "{}", ran.err);
    }
    assert!(served.emulator.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_200_unchanged_tasks_costs_one_call() {
    let mut world = World::new(&many(""));
    world.options.limits.create = Some(200);
    world.commit().converge().await;
    let before = world.emulator.requests().len();
    world.plan().await;
    let log = world.emulator.requests().split_off(before);
    let paths: Vec<&str> = log.iter().map(|logged| logged.path.as_str()).collect();
    assert_eq!(paths, ["/agents/tasks/list"]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_200_tasks_with_a_deployment_each_costs_201_calls() {
    let mut world = World::new(&many(", deployments: {first: {}}"));
    world.options.limits.create = Some(200);
    world.options.limits.runs = Some(200);
    world.commit().converge().await;
    let before = world.emulator.requests().len();
    world.plan().await;
    let count = world.emulator.requests().len() - before;
    assert!(count <= 201, "{count} calls");
}

/// The lines of 200 tasks.
fn many(more: &str) -> String {
    let line = |number| format!("t{number}: {{prompt: Build strategy {number}{more}}}");
    (0..200).map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_replace_says_which_notifications_it_loses() {
    let mut world = World::new("spy: {prompt: Buy SPY}");
    world.commit().converge().await;
    let mail = json!({"type": "email", "address": "desk@example.org"});
    world.edit_service(|service| service.set_notifications(332, vec![mail.clone(), mail])).await;
    world.edit("spy: {prompt: Buy SPY daily}");
    let plan = world.plan_text().await;
    let words =
        "note[notifications-lost]: task 332 of `spy` has 2 notifications set in the web interface";
    assert!(plan.contains(words), "{plan}");
    world.converge().await;
    let tasks = world.tasks().await;
    assert!(tasks.starts_with("332 spy [superseded"), "it holds something: {tasks}");
}

#[tokio::test(start_paused = true)]
async fn several_candidates_are_spoken_of_as_several() {
    let world = World::new("spy: {prompt: Buy SPY}");
    for name in ["S.P.Y.", "spy!"] {
        world.edit_service(|service| service.add_task(name, 47, "Something else")).await;
    }
    let plan = world.plan_text().await;
    let words = "blocked[unproven]: tasks 332 and 333 have the same name, and nothing proves which of them is ours";
    assert!(plan.contains(words), "{plan}");
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// What must never be seen: the token in every form it could take.
struct Forms {
    token: String,
    began: i64,
}

impl Forms {
    fn of(token: &str) -> Self {
        Self { token: token.to_owned(), began: Clock::System.now().as_second() }
    }

    /// The token, its escaped and encoded forms, and every signature made from it until now.
    fn all(&self) -> Vec<String> {
        let token = &self.token;
        let quoted = json!(token).to_string();
        let percent = hex(token.as_bytes()).to_uppercase();
        let percent: Vec<&str> =
            (0..percent.len()).step_by(2).map(|at| &percent[at..at + 2]).collect();
        let percent = format!("%{}", percent.join("%"));
        let mut forms = vec![
            token.clone(),
            quoted[1..quoted.len() - 1].to_owned(),
            STANDARD.encode(token).trim_end_matches('=').to_owned(),
            hex(token.as_bytes()),
            hex(&Sha256::digest(token)),
            percent,
        ];
        for second in self.began - 2..=Clock::System.now().as_second() + 2 {
            let hash = hex(&Sha256::digest(format!("{token}:{second}")));
            let header = STANDARD.encode(format!("{}:{hash}", emulator::USER_ID));
            forms.extend([hash, header.trim_end_matches('=').to_owned()]);
        }
        forms
    }

    fn expect_unseen(&self, where_: &str, text: &str) {
        for form in self.all() {
            assert!(!text.contains(&form), "`{form}` is in {where_}:\n{text}");
        }
    }
}

#[test]
fn the_scan_for_the_token_would_see_it_and_a_signature_made_from_it() {
    let forms = Forms::of("a\"b");
    let now = Clock::System.now().as_second();
    let hash = hex(&Sha256::digest(format!("a\"b:{now}")));
    let header = STANDARD.encode(format!("{}:{hash}", emulator::USER_ID));
    for text in ["a\"b", "{\"token\":\"a\\\"b\"}", "%61%22%62", &hash, &format!("Basic {header}")] {
        assert!(forms.all().iter().any(|form| text.contains(form)), "{text}");
    }
}

#[test]
fn the_token_is_in_no_output_and_in_no_file() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
                Content-Length: 6\r\n\r\n<html>";
    let strange = "mar\"ker\\tok/en+\u{e9}";
    let served = Served::new().faults(
        "tasks/create#1=500-after tasks/create#2=429:0 tasks/list#2=broken-json \
         deployments/create#1=lost-after",
    );
    let stories = [
        (emulator::API_TOKEN, served.url.clone()),
        (strange, served.url.clone()),
        (strange, closed_port()),
        (strange, always(page)),
    ];
    for (token, url) in stories {
        let forms = Forms::of(token);
        let repo = Repo::new();
        repo.tasks("a: {prompt: p, deployments: {first: {}}}\nb: {prompt: q}").commit("first");
        for command in ["plan", "apply", "apply --yes --settle-delays 0,0", "plan --prune"] {
            let ran = run_as(&repo, token, &url, &format!("{command} -vv --retry-time 100ms"));
            forms.expect_unseen(command, &ran.out);
            forms.expect_unseen(command, &ran.err);
            assert!(!ran.err.contains("panicked"), "{}", ran.err);
        }
        for entry in std::fs::read_dir(repo.path().join(".qcops")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            forms.expect_unseen(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
    }
    assert!(!served.writes().is_empty(), "nothing was ever sent, so nothing was shown");
}

#[test]
fn help_on_faults_lists_faults_and_help_on_quirks_lists_quirks() {
    let repo = Repo::new();
    let said = |flags: &[&str]| {
        let words = ["emulator"].iter().chain(flags).map(|word| (*word).to_owned());
        repo.run(&words.collect::<Vec<_>>()).out
    };
    let (faults, quirks) = (said(&["--fault", "help"]), said(&["--quirk", "help"]));
    assert!(faults.starts_with("Faults: ") && !faults.contains("Quirks: "), "{faults}");
    assert!(quirks.starts_with("Quirks: ") && !quirks.contains("Faults: "), "{quirks}");
    assert_eq!(said(&["--fault", "help", "--quirk", "help"]), format!("{quirks}\n{faults}"));
    let ran = repo.run(&["emulator", "--quirk", "nmae=1"].map(str::to_owned));
    assert!(ran.code == 1 && ran.err.contains("`--quirk help` lists what there is"), "{}", ran.err);
}

#[test]
fn a_folder_with_something_else_than_manifests_is_explained() {
    let repo = Repo::new();
    repo.write("qc/tasks.yaml", "version: 1\ntasks: {}\n");
    repo.write("qc/agent.yaml", "version: 1\nruns: []\n");
    let validate = |path: &str| repo.run(&["validate", "-f", path].map(str::to_owned));
    let ran = validate("qc");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("qc/agent.yaml:1:1"), "{}", ran.err);
    let why = "reads every `*.yaml` and `*.yml` in it as a manifest; if `agent.yaml` is none";
    assert!(ran.err.contains(why), "{}", ran.err);
    assert!(!validate("qc/agent.yaml").err.contains("with a folder"));
}
