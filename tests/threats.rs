//! What somebody else brings, in a pull request or a checkout, reads and writes nothing of ours.
//!
//! Every secret that is planted here has the word `PLANTED` in it, so that one search finds any.
#![cfg(unix)]

// Git that does not answer.
mod silent_git;
// Files of variables.
mod var_files;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::repo::{Ran, Repo};

const PLANTED: &str = "PLANTED-SECRET";

/// Runs what a pipeline runs for a stranger's manifest, in every format; nothing planted is shown,
/// saved or sent. Returns what `validate` said.
fn run_all(repo: &Repo, manifest: &str) -> Ran {
    let environment = [("PLANTED_VARIABLE", PLANTED)];
    let emulator = repo.path().join("../emulator.json");
    let on = format!("--emulator={}", emulator.display());
    let saved = repo.path().join("../saved.json");
    let out = format!("--out={}", saved.display());
    let mut commands = vec![vec!["validate", "-f", manifest]];
    for format in ["text", "json", "markdown", "html"] {
        commands.push(vec!["plan", &on, "-f", manifest, "--format", format, &out]);
    }
    commands.push(vec!["apply", &on, "-f", manifest, "--yes"]);
    let mut first = None;
    for command in commands {
        let words: Vec<String> = command.iter().map(ToString::to_string).collect();
        let ran = repo.run_with(&words, &environment);
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains("PLANTED"), "{command:?} shows it:\n{text}");
        }
        first.get_or_insert(ran);
    }
    for file in [emulator, saved] {
        let text = fs::read_to_string(&file).unwrap_or_default();
        assert!(!text.contains("PLANTED"), "{} holds it", file.display());
    }
    first.unwrap()
}

/// Adds the files by which Git takes a folder for a bare repository with settings of its own.
fn embed(repo: &Repo, folder: &str, work_tree: &str) {
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = {work_tree}\n"
    );
    repo.write(&format!("{folder}/HEAD"), "ref: refs/heads/main\n")
        .write(&format!("{folder}/config"), &config)
        .write(&format!("{folder}/objects/x"), "")
        .write(&format!("{folder}/refs/x"), "");
}

fn prompt_file(repo: &Repo, folder: &str, path: &str) {
    repo.manifest(&format!("{folder}/tasks.yaml"), &format!("a: {{promptFile: '{path}'}}"));
}

#[test]
fn a_pull_request_reads_no_file_of_the_machine() {
    let home = |repo: &Repo| repo.path().join("..").canonicalize().unwrap();
    // Where the manifest is, which of the folders above it look like a repository, the prompt file.
    let table = [
        ("m", &["m"][..], "HOME/.lean/credentials"),
        ("m", &["m"], "../../.lean/credentials"),
        ("m", &["m"], "/proc/self/environ"),
        ("m", &["m"], "/dev/fd/../environ"),
        ("m/deeper", &["m"], "HOME/.lean/credentials"),
        ("m/deeper", &["m", "m/deeper"], "HOME/notes.txt"),
        ("m", &["m"], "link"),
        ("m", &["m"], "linked/credentials"),
        ("m", &[], "HOME/notes.txt"),
        ("m", &[], "../../notes.txt"),
        (".", &[], "m/link"),
        (".", &[], "m/linked/credentials"),
        (".", &[], ".git/config"),
        (".", &[], "m/git/config"),
        (".", &[], ".GIT/config"),
    ];
    for (folder, embedded, path) in table {
        for work_tree in ["/", "../..", "../../.."] {
            let repo = Repo::new();
            let home = home(&repo);
            fs::create_dir(home.join(".lean")).unwrap();
            fs::write(home.join(".lean/credentials"), PLANTED).unwrap();
            fs::write(home.join("notes.txt"), PLANTED).unwrap();
            for embedded in embedded {
                embed(&repo, embedded, work_tree);
            }
            prompt_file(&repo, folder, &path.replace("HOME", home.to_str().unwrap()));
            repo.write("m/x", "");
            symlink("../../notes.txt", repo.path().join("m/link")).unwrap();
            symlink(home.join(".lean"), repo.path().join("m/linked")).unwrap();
            symlink("../.git", repo.path().join("m/git")).unwrap();
            repo.git("add -A -f");
            repo.commit("a harmless task");
            repo.git(&format!("config http.x.extraheader {PLANTED}"));
            let ran = run_all(&repo, &format!("{folder}/tasks.yaml"));
            assert_eq!(ran.code, 1, "{folder} {path}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains("`promptFile` of task `a` cannot be read"), "{}", ran.err);
            assert!(!Path::new("/.qcops").exists(), "{folder} {path}");
        }
    }
}

#[test]
fn a_folder_that_only_looks_like_a_repository_is_one_folder_of_the_real_one() {
    let repo = Repo::new();
    embed(&repo, "m", "/");
    repo.write("shared.md", "Buy SPY").write("m/own.md", "Buy QQQ");
    repo.manifest("m/tasks.yaml", "a: {promptFile: ../shared.md}\nb: {promptFile: own.md}");
    repo.commit("first");
    repo.converge("-f m/tasks.yaml");
    // The evidence is that of the repository around it: a new prompt replaces, and nothing is lost.
    repo.write("shared.md", "Buy more SPY").commit("second");
    repo.qcops("plan -f m/tasks.yaml").expect(0, &["task.a will be replaced"]);
    assert!(repo.path().join(".qcops/ledger.jsonl").exists());
}

#[test]
fn a_work_tree_that_the_settings_put_elsewhere_is_refused_and_one_above_widens_nothing() {
    let repo = Repo::new();
    fs::create_dir(repo.path().join("../elsewhere")).unwrap();
    fs::write(repo.path().join("../notes.txt"), PLANTED).unwrap();
    repo.tasks("a: {prompt: Buy SPY}").commit("first");
    repo.git("config core.worktree ../../elsewhere");
    let ran = run_all(&repo, "tasks.yaml");
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("`core.worktree` of the repository"), "{}", ran.err);
    repo.git("config core.worktree ../..");
    let ran = run_all(&repo, "tasks.yaml");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    prompt_file(&repo, ".", "../notes.txt");
    let ran = run_all(&repo, "tasks.yaml");
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
}

#[test]
fn a_ledger_with_another_name_is_not_written() {
    let repo = Repo::new();
    repo.tasks("a: {name: '$(touch PLANTED)', prompt: Buy SPY}").commit("a harmless task");
    let outside = repo.path().join("../bashrc");
    fs::write(&outside, "# mine").unwrap();
    fs::create_dir(repo.path().join(".qcops")).unwrap();
    fs::hard_link(&outside, repo.path().join(".qcops/ledger.jsonl")).unwrap();
    let ran = repo.qcops("apply --yes");
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("ledger.jsonl` is a hard link"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "# mine");
}

#[test]
fn a_committed_folder_of_ours_leads_no_write_anywhere() {
    const LEDGER: &str = ".qcops/ledger.jsonl";
    const ALL: &[&str] = &["plan", "apply --yes", "status", "pull"];
    const PLANNING: &[&str] = &["plan", "apply --yes", "status"];
    // What is a link and where it leads; whether Git knows of it; the commands that would use it.
    let table = [
        (LEDGER, "../../bashrc", true, ALL),
        (LEDGER, "../../bashrc", false, PLANNING),
        (LEDGER, "/dev/zero", true, ALL),
        (LEDGER, "/dev/zero", false, PLANNING),
        (".qcops", "../home", true, ALL),
        (".qcops", "../home", false, ALL),
        (".qcops/emulator.json", "../../bashrc", true, ALL),
        (".qcops/emulator.json", "../../bashrc", false, ALL),
        (".qcops/emulator.json.lock", "../../bashrc", false, ALL),
        (".qcops/.gitignore", "../../bashrc", false, ALL),
        (".QCOPS/ledger.jsonl", "../../bashrc", true, ALL),
    ];
    for (link, target, is_tracked, commands) in table {
        let repo = Repo::new();
        let outside = |path: &str| repo.path().join("..").join(path);
        fs::write(outside("bashrc"), "# mine").unwrap();
        fs::create_dir(outside("home")).unwrap();
        repo.tasks("a: {name: '$(touch PLANTED)', prompt: Buy SPY}").commit("a harmless task");
        let at = repo.path().join(link);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(target, &at).unwrap();
        if is_tracked {
            repo.git("add -f -A");
            repo.commit("a harmless folder");
        }
        for command in commands {
            let words = command.split(' ').map(str::to_owned);
            let ran = repo.run(&words.chain(["--emulator".to_owned()]).collect::<Vec<_>>());
            assert_eq!(ran.code, 1, "{link} {command}: {}{}", ran.out, ran.err);
            let said =
                if is_tracked { format!("Git tracks `{link}`") } else { format!("{link}` is") };
            assert!(ran.err.contains(&said), "{link} {command}: {}", ran.err);
        }
        assert_eq!(fs::read_to_string(outside("bashrc")).unwrap(), "# mine", "{link}");
        assert_eq!(fs::read_dir(outside("home")).unwrap().count(), 0, "{link}");
    }
}

#[test]
fn git_gets_no_credentials_and_runs_no_program_of_a_checkout() {
    use std::os::unix::fs::PermissionsExt;
    let repo = Repo::new();
    let at = |path: &str| repo.path().join("..").canonicalize().unwrap().join(path);
    let script = |path: &str, text: &str| {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), text).unwrap();
        fs::set_permissions(at(path), fs::Permissions::from_mode(0o755)).unwrap();
    };
    repo.write("p.md", "Buy SPY").tasks("a: {promptFile: p.md}").commit("first");
    repo.write("p.md", "Buy more SPY").commit("second");
    // Everything by which a checkout's own settings could name a program.
    let ran = at("ran");
    script("run", &format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", ran.display()));
    let run = at("run").display().to_string();
    for name in [
        "core.fsmonitor",
        "core.pager",
        "pager.ls-files",
        "pager.rev-list",
        "core.editor",
        "core.askPass",
        "core.sshCommand",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "credential.helper",
        "diff.external",
        "diff.d.textconv",
        "diff.d.command",
        "filter.d.clean",
        "filter.d.smudge",
        "filter.d.process",
        "gpg.program",
        "alias.ls-files",
        "alias.rev-parse",
        "uploadpack.packObjectsHook",
        "remote.origin.uploadpack",
    ] {
        repo.git(&format!("config {name} {run}"));
    }
    repo.git("config log.showSignature true");
    repo.write(".gitattributes", "* diff=d filter=d\n");
    for hook in
        ["post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction"]
    {
        fs::create_dir_all(repo.path().join(".git/hooks")).unwrap();
        let hook = repo.path().join(".git/hooks").join(hook);
        fs::copy(at("run"), hook).unwrap();
    }
    // A partial clone, whose missing objects would be fetched by a program.
    for (name, value) in [
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ext::run"),
        ("protocol.ext.allow", "always"),
    ] {
        repo.git(&format!("config {name} {}", value.replace("run", &run)));
    }
    let blob = repo.git("rev-parse HEAD~1:p.md");
    fs::remove_file(repo.path().join(format!(".git/objects/{}/{}", &blob[..2], &blob[2..])))
        .unwrap();
    // A stand-in for Git writes down what it was given.
    let seen = at("seen");
    let git = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("git"))
        .find(|git| git.is_file())
        .unwrap();
    let text = format!("#!/bin/sh\nenv >> '{}'\nexec '{}' \"$@\"\n", seen.display(), git.display());
    script("bin/git", &text);
    let path = format!("{}:{}", at("bin").display(), std::env::var_os("PATH").unwrap().display());
    let secrets = ["QC_USER_ID", "QC_API_TOKEN", "QUANTCONNECT_TOKEN", "GITHUB_TOKEN", "ANY"];
    let mut variables: Vec<(&str, &str)> = secrets.map(|name| (name, PLANTED)).to_vec();
    variables.push(("PATH", &path));
    let world = format!("--emulator={}", at("emulator.json").display());
    for command in ["validate", "plan", "status", "apply --yes", "plan --history=all", "pull"] {
        let words = command.split(' ').map(str::to_owned);
        let on = (command != "validate").then(|| world.clone());
        let said = repo.run_with(&words.chain(on).collect::<Vec<_>>(), &variables);
        assert!(said.code != 101 && said.code != 1, "{command}: {}{}", said.out, said.err);
    }
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("GIT_TERMINAL_PROMPT=0"), "{seen}");
    assert!(!seen.contains("PLANTED"), "{seen}");
    assert!(!ran.exists(), "{}", fs::read_to_string(&ran).unwrap_or_default());
}

#[test]
fn no_filter_is_run_to_tell_whether_a_file_beside_the_prompts_has_changed() {
    use std::os::unix::fs::PermissionsExt;
    let repo = Repo::new();
    let at = |path: &str| repo.path().join("..").canonicalize().unwrap().join(path);
    let (ran, clean) = (at("ran"), at("clean"));
    fs::write(&clean, format!("#!/bin/sh\ntouch '{}'\ncat\n", ran.display())).unwrap();
    fs::set_permissions(&clean, fs::Permissions::from_mode(0o755)).unwrap();
    // So many that Git is asked about their folder.
    let names = (0..60).map(|number| format!("t{number}: {{promptFile: prompts/{number}.md}}"));
    for number in 0..60 {
        repo.write(&format!("prompts/{number}.md"), &format!("Buy {number}"));
    }
    repo.write("prompts/logo.svg", "<svg/>").write(".gitattributes", "*.svg filter=d\n");
    repo.tasks(&names.collect::<Vec<_>>().join("\n")).commit("first");
    let world = format!("--emulator={}", at("emulator.json").display());
    let run = |words: &str| {
        repo.run(&words.split(' ').chain([&*world]).map(str::to_owned).collect::<Vec<_>>())
    };
    let applied = run("apply --yes --max-creates 60");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    repo.git(&format!("config filter.d.clean {}", clean.display()));
    for text in ["<svg/>", "<svg></svg>"] {
        repo.write("prompts/logo.svg", text);
        let planned = run("plan");
        assert_eq!(planned.code, 0, "{}{}", planned.out, planned.err);
        assert!(planned.out.contains("No changes"), "{}", planned.out);
    }
    assert!(!ran.exists());
}

#[test]
fn an_input_that_is_no_regular_file_is_refused_at_once() {
    let repo = Repo::new();
    repo.tasks("a: {prompt: Buy SPY}").commit("first");
    let at = |path: &str| repo.path().join("..").canonicalize().unwrap().join(path);
    fs::create_dir(at(".lean")).unwrap();
    // What is read, and the command that reads it.
    let table = [
        ("manifest.yaml", "validate -f INPUT"),
        ("work/manifest.yaml", "validate -f INPUT"),
        ("work/many/manifest.yaml", "validate -f many"),
        ("work/prompt.md", "validate -f named.yaml"),
        ("saved.json", "apply --emulator=WORLD INPUT --yes"),
        ("snapshot.json", "plan --snapshot INPUT"),
        ("script.yaml", "plan --emulator=WORLD --script INPUT"),
        ("script.yaml", "emulator --script INPUT --port 0"),
        ("world.json", "plan --emulator=INPUT"),
        ("world.json", "pull --emulator=INPUT"),
        ("world.json", "emulator --state INPUT --port 0 --quirk visible-after=0s"),
        (".lean/credentials", "plan --api http://127.0.0.1:1"),
        ("work/.qcops/ledger.jsonl", "plan --emulator=WORLD"),
        ("work/.qcops/emulator.json", "status --emulator"),
    ];
    repo.manifest("named.yaml", "a: {promptFile: prompt.md}");
    fs::create_dir_all(repo.path().join("many")).unwrap();
    // Commands that only read make no folder of their own.
    fs::create_dir(repo.path().join(".qcops")).unwrap();
    let world = at("other.json");
    for (input, command) in table {
        for kind in ["pipe", "device", "sparse", "folder"] {
            let path = at(input);
            match kind {
                "pipe" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
                "device" => symlink("/dev/zero", &path).unwrap(),
                "sparse" => fs::File::create(&path).unwrap().set_len(1 << 40).unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
            let command = command.replace("INPUT", path.to_str().unwrap());
            let command = command.replace("WORLD", world.to_str().unwrap());
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            let ran = repo.run(&words);
            let code = if input == "saved.json" { 6 } else { 1 };
            assert_eq!(ran.code, code, "{kind} {command}: {}{}", ran.out, ran.err);
            let expected: &[&str] = match kind {
                "sparse" => &["has more than"],
                // A folder of manifests is another thing, and so is a link out of the repository.
                "folder" => &["is a folder", "not a regular file", "holds no `*.yaml`"],
                "device" => &["is a device", "is a link", "is outside of", "holds no `*.yaml`"],
                _ => &["is a pipe", "not a regular file", "holds no `*.yaml`"],
            };
            let is_said = expected.iter().any(|words| ran.err.contains(words));
            assert!(is_said, "{kind} {command}: {}", ran.err);
            if kind == "folder" { fs::remove_dir(&path) } else { fs::remove_file(&path) }.unwrap();
        }
    }
}

#[test]
fn a_prompt_file_that_git_ignores_is_refused_unless_it_is_tracked() {
    let make = || {
        let repo = Repo::new();
        repo.write(".gitignore", ".qcops/\n.env\n*.secret\nbuild/\nvendor/\n")
            .write("sub/.gitignore", "local.md\n")
            .write("tracked.secret", "Buy")
            .write("sub/.tracked", "Buy")
            .commit("first");
        repo.git("add -f tracked.secret");
        for file in [".env", "sub/.env", "a.secret", "build/x.md", "sub/local.md", "vendor/in.md"] {
            repo.write(file, PLANTED);
        }
        for file in ["new.md", "sub/new.md", "inner/new.md"] {
            repo.write(file, "Buy SPY");
        }
        for file in [".netrc", ".npmrc", "sub/.new.md", "inner/.env"] {
            repo.write(file, PLANTED);
        }
        // A repository of its own inside, with rules of its own.
        repo.write("inner/.gitignore", ".env\nkeys\n").write("inner/keys", PLANTED);
        repo.git("init -q inner");
        symlink(".env", repo.path().join("link.md")).unwrap();
        repo
    };
    let repo = make();
    for good in ["tracked.secret", "sub/.tracked", "new.md", "sub/new.md", "inner/new.md"] {
        prompt_file(&repo, ".", good);
        let ran = run_all(&repo, "tasks.yaml");
        assert_eq!(ran.code, 0, "{good}: {}{}", ran.out, ran.err);
    }
    let table = [
        (".env", "ignored by Git"),
        ("sub/.env", "ignored by Git"),
        ("a.secret", "ignored by Git"),
        ("build/x.md", "ignored by Git"),
        ("sub/local.md", "ignored by Git"),
        ("vendor/in.md", "ignored by Git"),
        ("link.md", "ignored by Git"),
        ("inner/.env", "ignored by Git"),
        ("inner/keys", "ignored by Git"),
        (".netrc", "a hidden file that Git does not track"),
        (".npmrc", "a hidden file that Git does not track"),
        ("sub/.new.md", "a hidden file that Git does not track"),
    ];
    for (path, words) in table {
        prompt_file(&repo, ".", path);
        let ran = run_all(&repo, "tasks.yaml");
        assert_eq!(ran.code, 1, "{path}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(words) && ran.err.contains("git add --force"), "{}", ran.err);
    }
    // A link among the manifests of a folder shows nothing of what it leads to.
    repo.write("many/tasks.yaml", "version: 1\ntasks: {}\n");
    symlink("../.env", repo.path().join("many/other.yaml")).unwrap();
    let ran = run_all(&repo, "many");
    assert!(ran.code == 1 && ran.err.contains("ignored by Git"), "{}{}", ran.out, ran.err);
    // Outside of Git nothing says what is a secret but its name.
    let plain = Repo::plain();
    plain.write(".env", PLANTED);
    prompt_file(&plain, ".", ".env");
    assert_eq!(run_all(&plain, "tasks.yaml").code, 1);
}

#[test]
fn a_file_that_stands_for_its_content_is_refused_with_the_command_that_fetches_it() {
    let oid = "0".repeat(64);
    let lfs = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 25\n");
    let annex = format!(".git/annex/objects/a/b/SHA256E-s9--{oid}.md/SHA256E-s9--{oid}.md");
    let repo = Repo::new();
    repo.write("p.md", "Buy SPY").write("sub/x.md", &lfs);
    symlink(format!("../{annex}"), repo.path().join("sub/annexed.md")).unwrap();
    repo.write("crypt.md", "\0GITCRYPT\0\u{1}");
    prompt_file(&repo, ".", "p.md");
    repo.commit("first").converge("");
    let check = |path: &str, words: &[&str]| {
        prompt_file(&repo, ".", path);
        let ran = run_all(&repo, "tasks.yaml");
        assert_eq!(ran.code, 1, "{path}: {}{}", ran.out, ran.err);
        for words in words {
            assert!(ran.err.contains(words), "no `{words}`: {}", ran.err);
        }
    };
    check("sub/x.md", &["is a Git LFS pointer", "`git lfs pull --include=sub/x.md`"]);
    check("crypt.md", &["is encrypted by git-crypt", "`git-crypt unlock`"]);
    check("sub/annexed.md", &["`git annex get sub/annexed.md`"]);
    repo.write(&annex, "Buy SPY");
    check("sub/annexed.md", &["`git annex unlock sub/annexed.md`"]);
    repo.write("p.md", &lfs);
    check("p.md", &["`git lfs pull --include=p.md`"]);
    // A manifest can be one too.
    repo.write("tasks.yaml", &lfs);
    let ran = run_all(&repo, "tasks.yaml");
    let words = "`git lfs pull --include=tasks.yaml` puts the text in its place";
    assert!(ran.code == 1 && ran.err.contains(words), "{}{}", ran.out, ran.err);
}

#[test]
fn pull_writes_nothing_through_a_committed_link() {
    // What is a link, and the folder that is written.
    let table = [
        ("prompts", "."),
        ("tasks.yaml", "."),
        ("prompts/spy.md", "."),
        ("out", "out"),
        ("out/prompts", "out"),
        ("out", "./out"),
        ("out", "out/deeper"),
        ("out", "sub/../out"),
        ("out", "WORK/out"),
        ("out/tasks.yaml", "out"),
    ];
    for (link, folder) in table {
        let repo = Repo::new();
        repo.tasks(r#"spy: {prompt: "Buy\nSPY\nand\nhold"}"#).converge("");
        let outside = repo.path().join("../outside");
        fs::create_dir_all(outside.join("inner")).unwrap();
        fs::remove_file(repo.path().join("tasks.yaml")).unwrap();
        repo.write("sub/x", "");
        let at = repo.path().join(link);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(outside.canonicalize().unwrap(), &at).unwrap();
        repo.commit("a link");
        let work = repo.path().canonicalize().unwrap();
        let folder = folder.replace("WORK", work.to_str().unwrap());
        for force in ["", " --force"] {
            let ran = repo.qcops(&format!("pull --out {folder}{force}"));
            assert_eq!(ran.code, 1, "{link} {folder}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains("is a link"), "{link} {folder}: {}", ran.err);
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{link} {folder}");
        // A link outside of the repository is the user's own.
        symlink(&outside, repo.path().join("../mine")).unwrap();
        repo.qcops("pull --out ../mine/inner").expect(0, &[]);
        assert!(outside.join("inner/tasks.yaml").exists());
    }
}

#[test]
fn a_manifest_that_would_keep_validate_busy_is_refused_with_a_finding() {
    let repo = Repo::new();
    let head = "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\n";
    let matches = |list: &str| {
        format!(
            "tasks: {{a: {{prompt: x, deployments: {{d: {{expect: {{transcript: {{matches: {list}}}}}}}}}}}}}\n"
        )
    };
    let many =
        |make: &dyn Fn(usize) -> String, count: usize| (0..count).map(make).collect::<Vec<_>>();
    let lines =
        |make: &dyn Fn(usize) -> String, count| format!("tasks:\n{}", many(make, count).join(""));
    let list = |make: &dyn Fn(usize) -> String, count| {
        matches(&format!("[{}]", many(make, count).join(",")))
    };
    // Formats differ in how they bound the number of findings, not in how one comes about.
    let every = &["", "github", "gitlab=report.json"][..];
    let plain = &every[..1];
    let table = [
        (
            list(&|_| r"'[\pL\pN\w]{200}'".to_owned(), 500),
            "compiled, it has more than 2048 KiB",
            every,
        ),
        (
            list(&|n| format!(r"'\w{{50}}{n}'"), 500),
            "compiled, all together have at most 24 MiB",
            plain,
        ),
        (
            list(&|n| format!(r"'(?i)\pL\pN{n}'"), 900),
            "compiled, all together have at most 24 MiB",
            plain,
        ),
        (
            list(&|n| format!("'{n}{}'", "x".repeat(900)), 100),
            "all together have at most 64 KiB",
            plain,
        ),
        (list(&|n| format!("a{n}"), 2_000), "at most 1000 different ones", plain),
        (matches(&format!("'{}'", "(a|b)?".repeat(100_000))), "of at most 1000", plain),
        (
            lines(&|n| format!("  k{n}: {{prompt: same}}\n"), 5_000),
            "more findings like these",
            every,
        ),
        (lines(&|n| format!("  k{n}: {{promt: x}}\n"), 5_000), "more findings like these", every),
        (
            format!(
                "x-a: &a {}\n{}",
                "x".repeat(100_000),
                lines(&|n| format!("  k{n}: {{prompt: *a, agentId: {}}}\n", n + 1), 1_000)
            ),
            "error",
            plain,
        ),
        (
            lines(&|n| format!("  k{n}: {{agentId: {}, promptFile: big.md}}\n", n + 1), 100),
            "the prompts have more than 64 MiB together",
            plain,
        ),
        (format!("# {}\ntasks: {{}}\n", "x".repeat(17 << 20)), "has more than 16 MiB", plain),
    ];
    repo.write("big.md", &"x".repeat(1 << 20));
    for (rest, expected, formats) in table {
        repo.write("tasks.yaml", &format!("{head}{rest}"));
        for format in formats {
            let mut words = vec!["validate".to_owned()];
            if !format.is_empty() {
                words.extend(["--output".to_owned(), (*format).to_owned()]);
            }
            let ran = repo.run(&words);
            let start: String = rest.chars().take(80).collect();
            assert_eq!(ran.code, 1, "{start}: {}", &ran.out);
            assert!(ran.err.contains(expected), "{start}: {:.900}", ran.err);
            assert!(ran.err.len() < 1 << 20, "{start}: {}", ran.err.len());
        }
    }
}
