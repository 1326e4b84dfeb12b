//! Repositories with manifests in them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::generate::{Prompts, Shape, manifest, prompt};

/// Makes an empty folder.
pub(crate) fn folder(root: &Path, name: &str) -> PathBuf {
    let folder = root.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder is ours");
    }
    fs::create_dir_all(&folder).expect("the folder is ours");
    folder
}

/// Writes a manifest and its prompt files.
pub(crate) fn write(folder: &Path, shape: Shape, prompts: Prompts, changed: usize) {
    let text = manifest(shape, prompts, changed);
    fs::write(folder.join("tasks.yaml"), text).expect("the folder is ours");
    if prompts == Prompts::Files {
        fs::create_dir_all(folder.join("prompts")).expect("the folder is ours");
        for task in 0..shape.tasks {
            let text = prompt(task, usize::from(task < changed), shape.prompt);
            fs::write(folder.join(format!("prompts/{task:05}.md")), text)
                .expect("the folder is ours");
        }
    }
}

/// Commits everything in a folder; the objects are packed, as those of a clone are.
pub(crate) fn commit(folder: &Path) {
    if !folder.join(".git").exists() {
        git(folder, &["init", "--quiet", "--initial-branch=main"]);
    }
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "a version"]);
    git(folder, &["repack", "-a", "-d", "--quiet"]);
}

/// Makes a repository of `versions` commits; each changes `changing` prompt files of the next tasks.
pub(crate) fn history(folder: &Path, shape: Shape, versions: usize, changing: usize) {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    let mut import = Command::new("git")
        .args(["-C".as_ref(), folder.as_os_str(), "fast-import".as_ref(), "--quiet".as_ref()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("git is installed");
    let mut stream = import.stdin.take().expect("it is piped");
    let mut of_task = vec![0_usize; shape.tasks];
    for commit in 0..versions {
        let mut text = String::new();
        let time = 1_700_000_000 + commit * 3600;
        let mut put = |words: std::fmt::Arguments<'_>| {
            text.write_fmt(words).expect("a string takes everything");
        };
        put(format_args!("commit refs/heads/main\ncommitter B <b@example.com> {time} +0000\n"));
        put(format_args!("data 1\nv\n"));
        let changed: Vec<usize> = if commit == 0 {
            let yaml = manifest(shape, Prompts::Files, 0);
            put(format_args!("M 644 inline tasks.yaml\ndata {}\n{yaml}\n", yaml.len()));
            (0..shape.tasks).collect()
        } else {
            (0..changing).map(|at| (commit * changing + at) % shape.tasks).collect()
        };
        for task in changed {
            let file = prompt(task, of_task[task], shape.prompt);
            put(format_args!("M 644 inline prompts/{task:05}.md\ndata {}\n{file}\n", file.len()));
            of_task[task] += 1;
        }
        stream.write_all(text.as_bytes()).expect("git reads");
    }
    drop(stream);
    assert!(import.wait().expect("it is ours").success(), "git fast-import failed");
    git(folder, &["reset", "--quiet", "--hard"]);
}

fn git(folder: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=B", "-c", "user.email=b@example.com"]);
    // Git would repack the new objects beside what is measured.
    command.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    let ended = command.args(words).status().expect("git is installed");
    assert!(ended.success(), "git {words:?} failed");
}
