//! Completions complete, and manual pages hold what they should.

use std::fs;
use std::path::Path;
use std::process::Command;

use qcops::cli::Exit;

use crate::support::repo::{Ran, Repo};

fn qcops(words: &[&str]) -> Ran {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Repo::plain().run(&words)
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = qcops(&["--help"]).out;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// A folder whose commands find the program by its name, as those of a shell do.
fn with_program_on_path(mut command: Command) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_qcops")).parent().unwrap();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = [program.to_owned()].into_iter().chain(std::env::split_paths(&others));
    command.env("PATH", std::env::join_paths(folders).unwrap());
    command
}

#[test]
fn bash_completes_commands_flags_values_and_keys() {
    let repo = Repo::plain();
    let script = qcops(&["completions", "bash"]);
    assert_eq!((script.code, script.err.as_str()), (0, ""));
    repo.write("qcops.bash", &script.out);
    let bash = |arguments: &[&str]| {
        let mut command = with_program_on_path(repo.command("bash"));
        Repo::ran(command.args(arguments).output().unwrap())
    };
    assert_eq!(bash(&["-n", "qcops.bash"]).err, "");
    // Bash cuts a line at blanks and at `=`, and gives the word behind the last one.
    let completed = |line: &str| {
        let words = line.replace('=', " = ");
        let current = line.rsplit(['=', ' ']).next().unwrap();
        let empty = if current.is_empty() && !line.ends_with('=') { " ''" } else { "" };
        let complete = format!(
            "compopt() {{ :; }}; source qcops.bash; COMP_WORDS=({words}{empty}); \
             COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             _qcops qcops '{current}' \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let ran = bash(&["-c", &complete]);
        assert_eq!(ran.err, "", "{line}");
        ran.out.trim().to_owned()
    };
    repo.write("a-file", "");
    repo.tasks(
        "momentum: {name: '${UNSET}', prompt: p, deployments: {first: {}}}\nmomo: {prompt: q}",
    );
    repo.manifest("other.yaml", "value: {prompt: p}");
    let table = [
        ("pl", "plan"),
        ("plan --snap", "--snapshot"),
        ("plan --format m", "markdown"),
        ("schema st", "status"),
        ("unknown-to-all", ""),
        ("plan --allow mass", "mass-missing"),
        ("apply --allow mass", "mass-missing"),
        ("destroy --allow drift,mass", "drift,mass-missing"),
        (
            "emulator --quirk list-or",
            "list-order=oldest-first list-order=newest-first list-order=by-name list-order=shuffled",
        ),
        ("emulator --quirk list-order=", "oldest-first newest-first by-name shuffled"),
        ("emulator --quirk list-order=by", "by-name"),
        ("emulator --quirk list-cap", "list-cap=0"),
        ("emulator --quirk he", "help"),
        ("emulator --fault tasks/create=lost", "lost-before lost-after"),
        ("emulator --fault tasks/read=list", ""),
        ("plan --output js", "json="),
        ("validate --output git", "github= gitlab="),
        ("apply --output ju", "junit="),
        ("man pl", "plan"),
        ("plan --target mo", "momentum momentum/first momo"),
        ("apply --target=momentum/", "momentum/first"),
        ("plan --target momo,momentum/", "momo,momentum/first"),
        ("plan -f other.yaml --target ", "value"),
        ("plan --file=other.yaml --target v", "value"),
        ("plan -f - --target v", ""),
        ("plan -f missing.yaml --target v", ""),
        ("transcript momentum/", "momentum/first"),
        // Of what is no file no file is offered.
        ("plan --target a-f", ""),
        ("plan --api a-f", ""),
        ("plan --history-from a-f", ""),
        ("apply --expect-digest a-f", ""),
        ("apply --timeout a-f", ""),
        ("destroy --confirm a-f", ""),
        ("emulator --port a-f", ""),
        ("plan --file a-f", "a-file"),
        ("plan --out a-f", "a-file"),
        ("plan --emulator=a-f", "a-file"),
        ("emulator --state a-f", "a-file"),
    ];
    for (line, expected) in table {
        assert_eq!(completed(&format!("qcops {line}")), expected, "{line}");
    }
}

#[test]
fn every_shell_has_a_script_that_asks_the_program() {
    let repo = Repo::plain();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = qcops(&["completions", shell]);
        assert_eq!((script.code, script.err.as_str()), (0, ""), "{shell}");
        assert!(script.out.contains("QCOPS_COMPLETE"), "{shell}");
        let variables = [("QCOPS_COMPLETE", shell), ("_CLAP_COMPLETE_INDEX", "1")];
        let words = ["--", "qcops", "pl"].map(str::to_owned);
        let answer = repo.run_with(&words, &variables);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{shell}");
        assert!(answer.out.contains("plan"), "{shell}: {}", answer.out);
    }
    let unknown = qcops(&["completions", "cmd"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("possible values: bash"), "{}", unknown.err);
    let words = ["--", "qcops", "pl"].map(str::to_owned);
    let unknown = repo.run_with(&words, &[("QCOPS_COMPLETE", "cmd")]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(unknown.err.contains("unknown shell `cmd`"), "{}", unknown.err);
}

/// What may stand at the beginning of a line: all that makes a page, and nothing that acts.
const REQUESTS: &[&str] =
    &[".ie", ".el", ".IP", ".TH", ".SH", ".SS", ".PP", ".TP", ".RS", ".RE", ".br"];

#[test]
fn every_command_has_a_manual_page_with_all_its_flags() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    let folder = Repo::plain();
    let all = folder.run(&["man", "--all", "man1"].map(str::to_owned));
    assert_eq!((all.code, all.out.as_str(), all.err.as_str()), (0, "", ""));
    let names = commands.iter().map(String::as_str).map(Some);
    for command in names.chain([None]) {
        let page = qcops(&["man"].into_iter().chain(command).collect::<Vec<_>>());
        assert_eq!((page.code, page.err.as_str()), (0, ""));
        let page = page.out;
        let title = command.map_or("qcops".to_owned(), |command| format!("qcops-{command}"));
        assert!(page.contains(&format!("\n.TH {title} 1")), "{title}: {page:.300}");
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split_whitespace().next().unwrap();
            assert!(REQUESTS.contains(&request), "{title}: {line}");
        }
        let help = qcops(&command.into_iter().chain(["--help"]).collect::<Vec<_>>()).out;
        let words = help.split_whitespace().filter(|word| word.starts_with("--"));
        for flag in words.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_lowercase())) {
            let flag = flag.split(['=', '[']).next().unwrap().replace('-', "\\-");
            assert!(page.contains(&flag), "{title}: {flag}");
        }
        expect_to_be_typeset(&page, &title);
        let (_, end) = page.split_once("\n.SH \"EXIT STATUS\"\n").unwrap();
        let (codes, examples) = end.split_once("\n.SH EXAMPLES\n").unwrap();
        for (exit, meaning) in Exit::ALL {
            assert!(codes.contains(&format!("\\fB{}\\fR\n", exit.code())), "{title}: {codes}");
            let meaning = meaning.replace('-', "\\-");
            assert!(codes.contains(&meaning), "{title}: {meaning}");
        }
        assert!(examples.contains("qcops"), "{title}: {examples}");
        let written = fs::read_to_string(folder.path().join(format!("man1/{title}.1"))).unwrap();
        assert_eq!(written, page, "{title}");
    }
    assert_eq!(fs::read_dir(folder.path().join("man1")).unwrap().count(), commands.len() + 1);
    let unknown = qcops(&["man", "\u{1b}[2J"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there is no command `\\u{1b}[2J`"), "{}", unknown.err);
}

/// Lets groff read it, where there is one.
fn expect_to_be_typeset(page: &str, title: &str) {
    let repo = Repo::plain();
    repo.write("page.1", page);
    let groff: Option<Command> =
        Command::new("groff").arg("--version").output().is_ok().then(|| repo.command("groff"));
    let Some(mut groff) = groff else { return };
    let read = Repo::ran(groff.args(["-man", "-Tutf8", "-ww", "-z", "page.1"]).output().unwrap());
    assert_eq!((read.code, read.err.as_str()), (0, ""), "{title}");
}
