//! The archive of a release: what it holds, where its program works, and that the action takes no other one.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::runner::{Forge, Runner, yaml};
use crate::process::Service;
use crate::support::repo::{Ran, Repo};

const TARGET: &str = "x86_64-unknown-linux-musl";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn name() -> String {
    format!("qcops-{}-{TARGET}", env!("CARGO_PKG_VERSION"))
}

fn run(command: &mut Command) -> Ran {
    Repo::ran(command.output().unwrap())
}

/// Packs the program of the tests as the release workflow packs its own.
fn pack(dist: &Path) -> PathBuf {
    // As small as a release, which has no debug information either.
    let program = tempfile::NamedTempFile::new().unwrap();
    let ran =
        run(Command::new("strip").arg("-o").arg(program.path()).arg(env!("CARGO_BIN_EXE_qcops")));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let program = program.into_temp_path();
    let mut script = Command::new(format!("{ROOT}/ci/package.sh"));
    let ran = run(script.arg(TARGET).arg(dist).env("QCOPS_PROGRAM", &program));
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    dist.join(format!("{}.tar.gz", name()))
}

fn unpack(archive: &Path, folder: &Path) {
    let ran = run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder));
    assert_eq!(ran.code, 0, "{}", ran.err);
}

/// Copies files to the same place below another root.
fn copy(files: &[PathBuf], root: &Path) {
    for file in files {
        let to = root.join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, &to).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// A command that makes a folder the root, if this user may do that in some way.
fn change_root(root: &Path) -> Option<Command> {
    let ways: [&[&str]; 2] = [&["chroot"], &["unshare", "--map-root-user", "chroot"]];
    ways.iter().find_map(|way| {
        let command = || {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]);
            command
        };
        let answer = command().args(["/", "true"]).output().ok()?;
        let mut command = command();
        command.arg(root);
        answer.status.success().then_some(command)
    })
}

fn git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file()).unwrap()
}

/// What a program is linked against, and its interpreter.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let ran = run(Command::new("ldd").arg(program));
    let words = ran.out.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

/// Compares the plan of the tour in a root that holds the C library, certificates, Git and the archive.
fn expect_first_plan(unpacked: &Path, root: &Path) {
    let Some(mut command) = change_root(root) else {
        // Not through a macro: the harness would keep it to itself.
        std::io::stderr().write_all(b"skipped: this user may not change the root\n").unwrap();
        return;
    };
    let program = unpacked.join("qcops");
    for program in [&program, &git()] {
        copy(&libraries(program), root);
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::copy(program, root.join("bin").join(program.file_name().unwrap())).unwrap();
    }
    copy(&[PathBuf::from("/etc/ssl/certs/ca-certificates.crt")], root);
    // Git opens it; a device may be made by root alone.
    fs::create_dir(root.join("dev")).unwrap();
    fs::write(root.join("dev/null"), "").unwrap();
    let examples = [
        "tasks.yaml",
        "agents/rotation-researcher.md",
        "prompts/momentum-rotation.md",
        "prompts/earnings-drift.md",
    ];
    for file in examples {
        let to = root.join("tour").join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(ROOT).join("examples").join(file), to).unwrap();
    }
    let repository = root.join("tour");
    for arguments in ["init -q", "add .", "-c user.name=t -c user.email=t@t commit -qm tasks"] {
        let mut git = Command::new("git");
        let ran = run(git.current_dir(&repository).args(arguments.split(' ')));
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let ran = run(command
        .args(["/bin/qcops", "plan", "--emulator", "-f", "/tour/tasks.yaml"])
        .env_clear()
        // What comes behind is where this machine has `chroot`; the new root has no such folder.
        .env("PATH", format!("/bin:{}", std::env::var_os("PATH").unwrap().display())));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let tour = fs::read_to_string(format!("{ROOT}/docs/tour.md")).unwrap();
    let (_, shown) = tour.split_once("$ qcops plan --emulator\n").unwrap();
    let (shown, _) = shown.split_once("\n...").unwrap();
    assert!(ran.out.starts_with(shown), "{}", ran.out);
}

#[test]
fn the_archive_is_complete_runs_beside_git_alone_and_the_action_refuses_a_changed_one() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("team/qcops/releases/download");
    let version = env!("CARGO_PKG_VERSION");
    let release = dist.join(format!("v{version}"));
    fs::create_dir_all(&release).unwrap();
    let archive = pack(&release);

    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    // Another archive of this target may take its place, such as one that was released.
    let given = std::env::var_os("QCOPS_ARCHIVE").map(PathBuf::from);
    unpack(&given.unwrap_or_else(|| archive.clone()), &unpacked);
    let unpacked = unpacked.join(name());
    let files = ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "CHANGELOG.md", "THIRD-PARTY.txt"];
    let shells = ["qcops.bash", "_qcops", "qcops.fish", "_qcops.ps1", "qcops.elv"];
    let shells = shells.map(|shell| format!("completions/{shell}"));
    let pages = ["man/qcops.1".to_owned(), "man/qcops-plan.1".to_owned()];
    for file in files.map(str::to_owned).iter().chain(&shells).chain(&pages) {
        let length = fs::metadata(unpacked.join(file)).map_or(0, |file| file.len());
        // A script of completions asks the program, and has a few lines.
        let least = if file.starts_with("completions/") { 100 } else { 500 };
        assert!(length > least, "{file} has {length} bytes");
    }
    let licenses = fs::read_to_string(unpacked.join("THIRD-PARTY.txt")).unwrap();
    for words in ["\nreqwest v", "\nring v", "Permission is hereby granted", "Apache License"] {
        assert!(licenses.contains(words), "{words}");
    }
    assert!(!licenses.contains("\nproptest v"), "tests are no part of the program");
    let mode = fs::metadata(unpacked.join("qcops")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{mode:o}");
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    expect_first_plan(&unpacked, &root);

    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    let (service, forge) = (Service::start(), Forge::new());
    let server = format!("file://{}", folder.path().display());
    let event = [
        ("github.event_name", "pull_request"),
        ("github.event.pull_request.head.repo.full_name", "stranger/agents"),
        ("github.server_url", &*server),
        ("runner.arch", "X64"),
    ];
    let runner = Runner::new(&repo, &service, &forge);
    let validate = |inputs: &[(&str, &str)]| {
        inputs
            .iter()
            .fold(runner.with("version", version), |runner, (name, value)| runner.with(name, value))
            .run("plan", "validate", &event)
    };
    validate(&[]).expect(0, &["Valid: 1 task"]);
    let sum = fs::read_to_string(release.join(format!("{}.tar.gz.sha256", name()))).unwrap();
    validate(&[("sha256", &sum[..64])]).expect(0, &[]);
    let refused = |inputs: &[(&str, &str)], words: &str| {
        let job = validate(inputs);
        assert_eq!(job.code, 1, "{}", job.log);
        assert!(job.log.contains(words) && !job.log.contains("qcops 0"), "{}", job.log);
    };
    refused(&[("sha256", &"0".repeat(64))], "000 is expected");
    refused(&[("sha256", "x")], "ACTION_SHA256 is not what it should be");
    refused(&[("version", "99.0.0")], "cannot be downloaded");
    refused(&[("version", "../1.0.0")], "ACTION_VERSION is not what it should be");
    let mut changed = fs::OpenOptions::new().append(true).open(&archive).unwrap();
    changed.write_all(b"more").unwrap();
    refused(&[], &format!("{} is expected", &sum[..64]));
    fs::remove_file(release.join(format!("{}.tar.gz.sha256", name()))).unwrap();
    refused(&[], "cannot be downloaded");
}

#[test]
fn the_formula_and_binstall_name_the_archives_that_are_made() {
    let dist = tempfile::tempdir().unwrap();
    let release = yaml(".github/workflows/release.yml");
    let builds = release["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let targets: Vec<&str> = builds.iter().map(|build| build["target"].as_str().unwrap()).collect();
    let sums: Vec<String> =
        (1..=targets.len()).map(|number| number.to_string().repeat(64)).collect();
    for (target, sum) in targets.iter().zip(&sums) {
        let file = format!("qcops-1.2.3-{target}.tar.gz");
        let line = format!("{sum}  {file}\n");
        fs::write(dist.path().join(format!("{file}.sha256")), line).unwrap();
    }
    let script = || Command::new(format!("{ROOT}/ci/formula.sh"));
    let ran = run(script().arg("1.2.3").arg(dist.path()));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.lines().skip(1).any(|line| line.contains('@')), "{}", ran.out);
    for (target, sum) in targets.iter().zip(&sums).filter(|(target, _)| !target.contains("windows"))
    {
        let both = format!("download/v1.2.3/qcops-1.2.3-{target}.tar.gz\"\n      sha256 \"{sum}\"");
        assert!(ran.out.contains(&both), "{target}: {}", ran.out);
    }
    assert_eq!(run(script().arg("1.2.4").arg(dist.path())).code, 1, "there are no such archives");

    let install = fs::read_to_string(format!("{ROOT}/ci/install.sh")).unwrap();
    for target in &targets {
        assert!(install.contains(&format!("target={target} ")), "{target}");
    }
    let cargo = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    for words in [
        r#"pkg-url = "{ repo }/releases/download/v{ version }/{ name }-{ version }-{ target }.tar.gz""#,
        r#"bin-dir = "{ name }-{ version }-{ target }/{ bin }{ binary-ext }""#,
    ] {
        assert!(cargo.contains(words), "{words}");
    }
}
