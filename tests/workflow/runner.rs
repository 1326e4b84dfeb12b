//! As much of GitHub's runner as the examples use; a name that it does not know fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::Service;
use crate::support::repo::{Ran, Repo};
use qcops::emulator;

/// Reads a YAML file of the package.
pub(crate) fn yaml(path: &str) -> Value {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"));
    qcops::manifest::read_yaml_as(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `gh`, and what it knows: comments, issues, merges, and how applies have ended.
pub(crate) struct Forge {
    folder: tempfile::TempDir,
}

impl Forge {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "comments", "issues", "merges"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("applies"), "").unwrap();
        fs::write(folder.path().join("bin/gh"), include_str!("gh.sh")).unwrap();
        let program = folder.path().join("bin/gh");
        assert!(Command::new("chmod").arg("+x").arg(program).status().unwrap().success());
        Self { folder }
    }

    /// Adds a comment at pull request 7.
    pub(crate) fn add_comment(&self, author: &str, body: &str) {
        let number = self.comments().len() + 1;
        let folder = self.folder.path().join("comments").join(number.to_string());
        fs::create_dir(&folder).unwrap();
        for (name, text) in [("author", author), ("body", body), ("pull", "7")] {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// The bodies of the comments, the oldest first.
    pub(crate) fn comments(&self) -> Vec<String> {
        let body = |number: usize| {
            let path = self.folder.path().join(format!("comments/{number}/body"));
            fs::read_to_string(path).ok()
        };
        (1..).map_while(body).collect()
    }

    /// The issues, the oldest first: state, title and body.
    pub(crate) fn issues(&self) -> Vec<[String; 3]> {
        let text = |number: usize, name: &str| {
            fs::read_to_string(self.folder.path().join(format!("issues/{number}/{name}"))).ok()
        };
        let issue =
            |number| Some([text(number, "state")?, text(number, "title")?, text(number, "body")?]);
        (1..).map_while(issue).collect()
    }

    /// Notes the commit that merged a pull request.
    pub(crate) fn merge(&self, pull_request: u32, commit: &str) {
        let file = self.folder.path().join(format!("merges/{pull_request}"));
        fs::write(file, commit).unwrap();
    }

    /// Notes an apply of a commit: `pending`, or how it ended.
    pub(crate) fn apply_is(&self, commit: &str, result: &str) {
        let file = self.folder.path().join("applies");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{before}{commit} {result}\n")).unwrap();
    }
}

/// How a job ended, its log, and its summary.
pub(crate) struct Job {
    pub(crate) code: i32,
    pub(crate) log: String,
    pub(crate) summary: String,
}

impl Job {
    pub(crate) fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.log);
        for words in words {
            assert!(
                self.summary.contains(words),
                "no `{words}` in\n{}\n{}",
                self.summary,
                self.log
            );
        }
    }
}

/// What `${{ }}` may name.
type Names = BTreeMap<String, String>;

/// The organization of the service.
pub(crate) const ORGANIZATION: &str = emulator::ORGANIZATION_ID;

pub(crate) struct Runner<'a> {
    pub(crate) repo: &'a Repo,
    service: &'a Service,
    forge: &'a Forge,
    inputs: Names,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(repo: &'a Repo, service: &'a Service, forge: &'a Forge) -> Self {
        Self { repo, service, forge, inputs: Names::new() }
    }

    /// Gives the action one input more than the workflow does.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut inputs = self.inputs.clone();
        inputs.insert(name.to_owned(), value.to_owned());
        Self { inputs, ..Self::new(self.repo, self.service, self.forge) }
    }

    pub(crate) fn is_skipped(&self, workflow: &str, job: &str, event: &[(&str, &str)]) -> bool {
        let job = &yaml(&format!("examples/ci/github/{workflow}.yml"))["jobs"][job];
        job["if"].as_str().is_some_and(|condition| !is_true(condition, &self.names(event)))
    }

    /// Runs one job of an example workflow: its steps in order, until one fails.
    pub(crate) fn run(&self, workflow: &str, job: &str, event: &[(&str, &str)]) -> Job {
        assert!(!self.is_skipped(workflow, job, event), "{workflow} {job}");
        let names = self.names(event);
        let job = &yaml(&format!("examples/ci/github/{workflow}.yml"))["jobs"][job];
        let mut inputs = None;
        for step in job["steps"].as_array().unwrap() {
            let uses = step["uses"].as_str().unwrap();
            if uses.starts_with("OWNER/qcops@") {
                inputs = Some(self.inputs_of_the_action(&step["with"], &names));
            } else {
                assert!(uses.starts_with("actions/checkout@"), "{uses}");
            }
        }
        self.run_action(names, inputs.expect("the job uses the action"))
    }

    fn names(&self, event: &[(&str, &str)]) -> Names {
        let head = self.repo.git("rev-parse HEAD");
        let organization = emulator::ORGANIZATION_ID;
        let (user, token) = (emulator::USER_ID.to_string(), emulator::API_TOKEN);
        let fixed = [
            ("github.repository", "team/agents"),
            ("github.sha", &head),
            ("github.ref", "refs/heads/main"),
            ("github.actor", "somebody"),
            ("github.server_url", "https://github.com"),
            ("github.action_repository", "team/qcops"),
            ("github.token", "a token of GitHub"),
            ("runner.os", "Linux"),
            ("secrets.QC_USER_ID", &user),
            ("secrets.QC_API_TOKEN", token),
            ("secrets.QC_ORGANIZATION_ID", organization),
            ("inputs.digest", ""),
            ("secrets.QC_USER_ID_DEV", &user),
            ("secrets.QC_API_TOKEN_DEV", token),
            ("secrets.QC_USER_ID_PROD", &user),
            ("secrets.QC_API_TOKEN_PROD", token),
        ];
        let all = fixed.iter().chain(event);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn inputs_of_the_action(&self, with: &Value, names: &Names) -> Names {
        let action = yaml("action.yml");
        let declared = action["inputs"].as_object().unwrap();
        let given = with.as_object().unwrap();
        for name in given.keys().chain(self.inputs.keys()) {
            assert!(declared.contains_key(name), "the action has no input `{name}`");
        }
        let value = |(name, input): (&String, &Value)| {
            let value = given.get(name).or(input.get("default"));
            let value = value.unwrap_or_else(|| panic!("`{name}` is required"));
            let value = interpolated(value.as_str().unwrap(), names);
            (name.clone(), self.inputs.get(name).cloned().unwrap_or(value))
        };
        declared.iter().map(value).collect()
    }

    fn run_action(&self, mut names: Names, inputs: Names) -> Job {
        names.retain(|name, _| !name.starts_with("inputs.") && !name.starts_with("secrets."));
        names.extend(inputs.into_iter().map(|(name, value)| (format!("inputs.{name}"), value)));
        let temp = tempfile::tempdir().unwrap();
        let place = |name: &str| temp.path().join(name);
        let mut job = Job { code: 0, log: String::from("\n"), summary: String::new() };
        for step in yaml("action.yml")["runs"]["steps"].as_array().unwrap() {
            if step["if"].as_str().is_some_and(|condition| !is_true(condition, &names)) {
                continue;
            }
            if step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/cache@")) {
                // The cache has it.
                fs::create_dir_all(place("qcops-program/bin")).unwrap();
                let program = place("qcops-program/bin/qcops");
                std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_qcops"), program).unwrap();
                continue;
            }
            fs::write(place("output"), "").unwrap();
            let ran = self.run_step(step, &names, temp.path());
            job.log.push_str(&ran.out);
            job.log.push_str(&ran.err);
            let output = fs::read_to_string(place("output")).unwrap();
            for (name, value) in output.lines().map(|line| line.split_once('=').unwrap()) {
                let id = step["id"].as_str().unwrap();
                names.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
            }
            job.code = ran.code;
            if ran.code != 0 {
                break;
            }
        }
        job.summary = fs::read_to_string(place("summary")).unwrap_or_default();
        job
    }

    /// Runs the script of a step as the runner does, with nothing in its environment but what the
    /// step, the runner and the author of the workflow put there.
    fn run_step(&self, step: &Value, names: &Names, temp: &Path) -> Ran {
        assert_eq!(step["shell"], "bash");
        let mut command = self.repo.command("bash");
        let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()])
            .env("PATH", format!("{}:{path}", self.forge.folder.path().join("bin").display()))
            .env("FORGE", self.forge.folder.path())
            .env("RUNNER_TEMP", temp)
            .env("RUNNER_OS", "Linux")
            .env("RUNNER_ARCH", "X64")
            .env("GITHUB_ACTION_PATH", env!("CARGO_MANIFEST_DIR"))
            .env("GITHUB_OUTPUT", temp.join("output"))
            .env("GITHUB_STEP_SUMMARY", temp.join("summary"))
            .env("QCOPS_API", &self.service.address);
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            command.env(name, interpolated(value.as_str().unwrap(), names));
        }
        if let Some(folder) = step["working-directory"].as_str() {
            let folder: PathBuf = interpolated(folder, names).into();
            command.current_dir(self.repo.path().join(folder));
        }
        Repo::ran(command.output().unwrap())
    }
}

/// Puts values into `${{ }}`.
fn interpolated(text: &str, names: &Names) -> String {
    let mut parts = text.split("${{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").unwrap();
        whole.push_str(&value(expression, names));
        whole.push_str(rest);
    }
    whole
}

fn is_true(expression: &str, names: &Names) -> bool {
    is_truth(&value(expression, names))
}

fn is_truth(value: &str) -> bool {
    !value.is_empty() && value != "false"
}

/// Names, texts in quotes, `==`, `!=`, `&&` and `||`, without parentheses.
fn value(expression: &str, names: &Names) -> String {
    let expression = expression.trim();
    if let Some((left, right)) = expression.split_once("||") {
        let left = value(left, names);
        return if is_truth(&left) { left } else { value(right, names) };
    }
    if let Some((left, right)) = expression.split_once("&&") {
        let left = value(left, names);
        return if is_truth(&left) { value(right, names) } else { left };
    }
    for (sign, desired) in [("==", true), ("!=", false)] {
        if let Some((left, right)) = expression.split_once(sign) {
            return ((value(left, names) == value(right, names)) == desired).to_string();
        }
    }
    if let Some(text) = expression.strip_prefix('\'') {
        return text.strip_suffix('\'').unwrap().to_owned();
    }
    // What is absent is empty: of another event, or of a step that was skipped.
    let may_be_absent = expression.starts_with("github.event.") || is_output(expression);
    let known = names.get(expression).cloned();
    known.unwrap_or_else(|| {
        assert!(may_be_absent || expression.starts_with("runner."), "unknown: `{expression}`");
        String::new()
    })
}

/// Whether `steps.ID.outputs.NAME` names a step of the action that hands on such an output.
fn is_output(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let ["steps", id, "outputs", output] = parts[..] else { return false };
    let action = yaml("action.yml");
    let is_step = |step: &&Value| step["id"] == id;
    let step = action["runs"]["steps"].as_array().unwrap().iter().find(is_step);
    let script = step.and_then(|step| step["run"].as_str()).unwrap_or_default();
    let script = script.trim_start_matches("bash \"$GITHUB_ACTION_PATH/").trim_end_matches('"');
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
    text.is_ok_and(|text| text.contains(&format!("hand_on {output} ")))
}
