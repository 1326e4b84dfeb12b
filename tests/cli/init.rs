//! `qcops init`: what it writes works as it is, and nothing that was there is lost.

use std::fs;
use std::path::Path;

use crate::support::repo::Repo;

fn words(arguments: &str) -> Vec<String> {
    arguments.split_whitespace().map(str::to_owned).collect()
}

fn example(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path);
    fs::read_to_string(path).unwrap()
}

/// The files of a folder, those of Git and of the program left out.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str().unwrap() {
                ".git" | ".qcops" => {}
                _ if path.is_dir() => folders.push(path),
                _ => found.push(path.strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_new_project_applies_as_it_is_and_then_has_nothing_to_do() {
    let repo = Repo::plain();
    let ran = repo.run(&words("init"));
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    for said in
        ["there is no Git repository", "git init && git add tasks.yaml prompts", "qcops plan --emu"]
    {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    let written = [".gitignore", "manifest.schema.json", "prompts/spy-trend.md", "tasks.yaml"];
    assert_eq!(files(&repo.path()), written);
    assert_eq!(repo.read("manifest.schema.json"), repo.run(&words("schema manifest")).out);
    assert!(repo.read("tasks.yaml").starts_with("# yaml-language-server: $schema=manifest.schema"));
    let checked = repo.run(&words("validate"));
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "no warning either");
    let applied = repo.run(&words("apply --emulator --yes"));
    applied.expect(0, &["task.spy-trend created", "task.spy-trend/baseline started"]);
    repo.run(&words("plan --emulator --detailed-exitcode")).expect(0, &["No changes"]);
}

#[test]
fn what_is_printed_as_next_can_be_typed() {
    let repo = Repo::plain();
    let ran = repo.run(&words("init desk"));
    let (_, next) = ran.err.split_once("Next:\n").unwrap();
    let (commands, _) = next.split_once("\n\n").unwrap();
    let commands: Vec<&str> = commands.lines().map(str::trim).collect();
    assert_eq!((commands.len(), commands[0]), (4, "cd desk"), "{}", ran.err);
    let git = format!("cd desk && {}", commands[1]);
    let named = ["-c", "git config --global user.name T && git config --global user.email t@t"];
    let mut shell = repo.command("bash");
    shell.env("GIT_CONFIG_GLOBAL", repo.path().join("../gitconfig"));
    let script = format!("{} && {git}", named[1]);
    assert!(shell.args([named[0], script.as_str()]).output().unwrap().status.success());
    let tracked = repo.git("-C desk ls-files");
    assert_eq!(tracked.lines().count(), 4, "{tracked}");
    for (command, end) in [(commands[2], "Digest"), (commands[3], "--yes")] {
        let words = words(command.strip_prefix("qcops ").unwrap());
        let ran = repo.run_below("desk", &words);
        assert!(ran.out.contains(end) || ran.err.contains(end), "{command}: {}", ran.err);
    }
}

#[test]
fn workflows_are_the_examples_that_the_linters_check() {
    let lint = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/lint")).unwrap();
    let github: &[_] = &[
        (".github/workflows/plan.yml", "ci/github/plan.yml", "ci/github/*.yml"),
        (".github/workflows/apply.yml", "ci/github/apply.yml", "ci/github/*.yml"),
        (".github/workflows/drift.yml", "ci/github/drift.yml", "ci/github/*.yml"),
    ];
    let gitlab: &[_] =
        &[(".gitlab-ci.yml", "ci/gitlab/.gitlab-ci.yml", "ci/gitlab/.gitlab-ci.yml")];
    let github_environments: &[_] = &[
        (".github/workflows/plan.yml", "ci/github/plan-environments.yml", "ci/github/*.yml"),
        (".github/workflows/apply.yml", "ci/github/apply-environments.yml", "ci/github/*.yml"),
    ];
    let environments = "ci/gitlab/environments.gitlab-ci.yml";
    let gitlab_environments: &[_] = &[(".gitlab-ci.yml", environments, environments)];
    let usual = "in these files, and keep the credentials of each environment";
    let renamed = "write `live`, `test` in place of `dev` and `prod`, and keep";
    let table = [
        ("github", "", github, "`QC_USER_ID`, `QC_API_TOKEN`"),
        ("gitlab", "", gitlab, "`QC_USER_ID`, `QC_API_TOKEN`"),
        ("github", "dev, prod", github_environments, usual),
        ("gitlab", "dev, prod", gitlab_environments, usual),
        ("github", "test, live", github_environments, renamed),
    ];
    for (system, environments, expected, said) in table {
        let repo = Repo::new();
        if !environments.is_empty() {
            let names = environments.replace(',', ": {},");
            repo.write("tasks.yaml", &format!("version: 1\nenvironments: {{{names}: {{}}}}\n"));
        }
        let ran = repo.run(&words(&format!("init --ci {system}")));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("docs/ci.md") && ran.err.contains(said), "{}", ran.err);
        if !environments.is_empty() {
            assert_eq!(files(&repo.path()).len(), expected.len() + 2, "{:?}", files(&repo.path()));
        }
        for (written, from, checked) in expected {
            assert_eq!(repo.read(written), example(from), "{written}");
            assert!(lint.contains(&format!("examples/{checked}")), "{checked}");
        }
    }
}

#[test]
fn nothing_is_overwritten_and_all_that_is_in_the_way_is_named() {
    let repo = Repo::new();
    repo.write("tasks.yaml", "mine\n").write("prompts/spy-trend.md", "mine\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", repo.path().join("manifest.schema.json")).unwrap();
    let before = files(&repo.path());
    let refused = repo.run(&words("init"));
    assert_eq!((refused.code, files(&repo.path())), (1, before.clone()), "{}", refused.err);
    #[cfg(unix)]
    {
        assert!(refused.err.contains("manifest.schema.json` is a link"), "{}", refused.err);
        fs::remove_file(repo.path().join("manifest.schema.json")).unwrap();
    }
    let refused = repo.run(&words("init"));
    let named = "`tasks.yaml`, `prompts/spy-trend.md` exist already";
    assert!(refused.err.contains(named), "{}", refused.err);
    assert_eq!((refused.code, files(&repo.path()).len()), (1, 3));
    assert_eq!(repo.read("tasks.yaml"), "mine\n");
}

#[test]
fn workflows_come_to_a_project_that_has_a_manifest() {
    let repo = Repo::new();
    repo.write("tasks.yaml", "mine\n");
    let ran = repo.run(&words("init --ci github"));
    assert_eq!((ran.code, repo.read("tasks.yaml").as_str()), (0, "mine\n"), "{}", ran.err);
    assert!(!repo.path().join("manifest.schema.json").exists());
    assert!(ran.err.contains("wrote `.github/workflows/drift.yml`"), "{}", ran.err);
    let again = repo.run(&words("init --ci github"));
    assert!(
        again.code == 1 && again.err.contains("`.github/workflows/plan.yml`, "),
        "{}",
        again.err
    );
}

#[test]
fn a_gitignore_keeps_its_lines_and_gets_ours_once() {
    let repo = Repo::new();
    repo.write(".gitignore", "target");
    assert_eq!(repo.run(&words("init")).code, 0);
    assert_eq!(repo.read(".gitignore"), "target\n.qcops/\nplan.json\n");
    assert_eq!(repo.run(&words("init sub")).code, 0);
    assert_eq!(repo.read(".gitignore"), "target\n.qcops/\nplan.json\n");
    assert!(!repo.path().join("sub/.gitignore").exists());
    let refused = repo.run(&words("init other --ci gitlab"));
    assert!(refused.err.contains("the repository's root"), "{}", refused.err);
    assert_eq!((refused.code, repo.path().join("other").exists()), (1, false));
}

#[test]
fn init_with_pull_declares_what_exists_as_pull_does() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: \"a\\nb\\nc\\nd\"}\nqqq: {prompt: q}").commit("first");
    repo.converge("");
    let ran = repo.qcops("init adopted --pull");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(ran.err.contains("Adopt our agent tasks"), "{}", ran.err);
    assert_eq!(repo.qcops("pull --out pulled").code, 0);
    let manifest = repo.read("adopted/tasks.yaml");
    let (first, rest) = manifest.split_once('\n').unwrap();
    assert_eq!(first, "# yaml-language-server: $schema=manifest.schema.json");
    assert_eq!(rest, repo.read("pulled/tasks.yaml"));
    assert_eq!(repo.read("adopted/prompts/spy.md"), repo.read("pulled/prompts/spy.md"));
    repo.qcops("plan -f adopted/tasks.yaml --detailed-exitcode").expect(0, &["No changes"]);
    assert_eq!(repo.qcops("init adopted --pull").code, 1);
}
