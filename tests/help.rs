//! Completions complete, and manual pages hold what they should.

use std::process::Command;

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

#[test]
fn bash_completes_commands_and_flags() {
    let repo = Repo::plain();
    let script = qcops(&["completions", "bash"]);
    assert_eq!((script.code, script.err.as_str()), (0, ""));
    repo.write("qcops.bash", &script.out);
    let bash =
        |arguments: &[&str]| Repo::ran(repo.command("bash").args(arguments).output().unwrap());
    assert_eq!(bash(&["-n", "qcops.bash"]).err, "");
    let completed = |line: &str| {
        let complete = format!(
            "compopt() {{ :; }}; source qcops.bash; COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; \
             _qcops qcops \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let ran = bash(&["-c", &complete]);
        assert_eq!(ran.err, "", "{line}");
        ran.out.trim().to_owned()
    };
    assert_eq!(completed("qcops pl"), "plan");
    assert_eq!(completed("qcops plan --snap"), "--snapshot");
    assert_eq!(completed("qcops plan --format m"), "markdown");
    assert_eq!(completed("qcops schema st"), "status");
    assert_eq!(completed("qcops unknown-to-all"), "");
    repo.write("a-file", "");
    let table = [
        ("plan --allow mass", "mass-missing"),
        ("apply --allow mass", "mass-missing"),
        ("destroy --allow mass", "mass-missing"),
        ("emulator --quirk list-or", "list-order=created"),
        ("emulator --quirk list-cap", "list-cap=0"),
        ("emulator --quirk he", "help"),
        ("emulator --fault tasks/create=lost", "tasks/create=lost-before tasks/create=lost-after"),
        ("emulator --fault tasks/read=list", ""),
        ("plan --output js", "json="),
        ("validate --output git", "github= gitlab="),
        ("apply --output ju", "junit="),
        ("man pl", "plan"),
        // Of what is no file no file is offered.
        ("plan --target a-f", "a-f"),
        ("plan --api a-f", "a-f"),
        ("plan --history-from a-f", "a-f"),
        ("apply --expect-digest a-f", "a-f"),
        ("apply --timeout a-f", "a-f"),
        ("destroy --confirm a-f", "a-f"),
        ("emulator --port a-f", "a-f"),
        ("plan --file a-f", "a-file"),
        ("plan --out a-f", "a-file"),
        ("plan --emulator a-f", "a-file"),
        ("emulator --state a-f", "a-file"),
    ];
    for (line, expected) in table {
        let words = completed(&format!("qcops {line}"));
        if line.contains("list-or") {
            assert!(
                words.split(' ').any(|word| word.starts_with("list-order=")),
                "{line}: {words}"
            );
        } else {
            assert_eq!(words, expected, "{line}");
        }
    }
}

#[test]
fn every_shell_has_a_script_that_names_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = qcops(&["completions", shell]);
        assert_eq!((script.code, script.err.as_str()), (0, ""), "{shell}");
        for command in commands() {
            assert!(script.out.contains(&command), "{shell}: {command}");
        }
    }
    let unknown = qcops(&["completions", "cmd"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("possible values: bash"), "{}", unknown.err);
}

/// What may stand at the beginning of a line: all that makes a page, and nothing that acts.
const REQUESTS: &[&str] =
    &[".ie", ".el", ".IP", ".TH", ".SH", ".SS", ".PP", ".TP", ".RS", ".RE", ".br"];

#[test]
fn every_command_has_a_manual_page_with_all_its_flags() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
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
    }
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
