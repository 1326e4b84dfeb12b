//! What users would run instead, where it is installed. Each runs once: some take half a minute.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::generate::{name, prompt};
use crate::measure::{self, Run};
use crate::report::Row;
use crate::repository;
use crate::scenario::LATENCY;
use crate::stub::{Behavior, Stub};

/// A measured command of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The documentation's example, so many creates.
    Requests(usize),
    /// The same with sixteen in flight.
    Aiohttp(usize),
    /// `terraform version`.
    TerraformVersion,
    /// `terraform plan` of so many resources, nothing to do; no network.
    TerraformNothing(usize),
    /// `terraform apply` of so many new resources; no network.
    TerraformApply(usize),
    /// `octodns-sync` of so many records, nothing to do; no network.
    OctoNothing(usize),
}

/// Every comparison.
pub(crate) const ALL: [Peer; 7] = [
    Peer::Requests(1000),
    Peer::Aiohttp(1000),
    Peer::TerraformVersion,
    Peer::TerraformNothing(100),
    Peer::TerraformNothing(10_000),
    Peer::TerraformApply(100),
    Peer::OctoNothing(10_000),
];

impl Peer {
    /// Its name, as the command line takes it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Requests(count) => format!("requests-{count}"),
            Self::Aiohttp(count) => format!("aiohttp-{count}"),
            Self::TerraformVersion => "terraform-version".to_owned(),
            Self::TerraformNothing(count) => format!("terraform-nothing-{count}"),
            Self::TerraformApply(count) => format!("terraform-apply-{count}"),
            Self::OctoNothing(count) => format!("octodns-nothing-{count}"),
        }
    }

    /// Runs it; `None` where it is not installed in `programs`, a folder, or on the path.
    pub(crate) fn measure(self, programs: &str, root: &Path) -> Option<Row> {
        let program = |name: &str| {
            let path = format!("{programs}/{name}");
            let found = [path, name.to_owned()];
            let runs = |path: &String| {
                let asked = Command::new(path).arg("--version").output();
                asked.is_ok_and(|answer| answer.status.success())
            };
            found.into_iter().find(runs)
        };
        let folder = repository::folder(root, &self.name());
        let (words, tasks, run) = match self {
            Self::Requests(count) => {
                let run = self.python(&program("python3")?, "requests_loop.py", count)?;
                (
                    format!("Python `requests`, {count} creates, {} ms", LATENCY.as_millis()),
                    count,
                    run,
                )
            }
            Self::Aiohttp(count) => {
                let run = self.python(&program("python3")?, "aiohttp_loop.py", count)?;
                let latency = LATENCY.as_millis();
                (
                    format!("Python `aiohttp`, 16 in flight, {count} creates, {latency} ms"),
                    count,
                    run,
                )
            }
            Self::TerraformVersion => {
                let run = measure::run(&folder, &[], &[&program("terraform")?, "version"]);
                ("`terraform version`".to_owned(), 0, run)
            }
            Self::TerraformNothing(count) => {
                let terraform = program("terraform")?;
                write_terraform(&folder, count);
                fs::write(folder.join("terraform.tfstate"), state(count)).ok()?;
                let run = terraform_run(&folder, &terraform, &["plan", "-input=false"]);
                ("`terraform plan`, nothing to do, no network".to_owned(), count, run)
            }
            Self::TerraformApply(count) => {
                let terraform = program("terraform")?;
                write_terraform(&folder, count);
                let run = terraform_run(&folder, &terraform, &["apply", "-auto-approve"]);
                ("`terraform apply` of all, no network".to_owned(), count, run)
            }
            Self::OctoNothing(count) => {
                let sync = program("octodns-sync")?;
                write_octodns(&folder, count);
                let run = measure::run(&folder, &[], &[&sync, "--config-file", "config.yaml"]);
                ("`octodns-sync`, nothing to do, no network".to_owned(), count, run)
            }
        };
        fs::remove_dir_all(&folder).expect("the folder is ours");
        assert!(matches!(run.exit, 0 | 2), "{} ended with {}", self.name(), run.exit);
        Some(Row { name: self.name(), words, tasks, run, bound: None, asked: None })
    }

    fn python(self, python: &str, script: &str, count: usize) -> Option<Run> {
        let library = if self == Self::Requests(count) { "requests" } else { "aiohttp" };
        let has = Command::new(python).args(["-c", &format!("import {library}")]).output();
        has.ok().filter(|answer| answer.status.success())?;
        let stub = Stub::start(Vec::new(), Behavior { latency: LATENCY, rate: None });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(script);
        let words = [python, &script.to_string_lossy(), &stub.address, &count.to_string()];
        let run = measure::run(Path::new("/"), &[], &words);
        assert_eq!(stub.task_count(), count, "{} made them all", self.name());
        Some(run)
    }
}

fn terraform_run(folder: &Path, terraform: &str, words: &[&str]) -> Run {
    let quiet = [("CHECKPOINT_DISABLE", "1"), ("TF_IN_AUTOMATION", "1")];
    let ready = measure::run(folder, &quiet, &[terraform, "init", "-input=false"]);
    assert_eq!(ready.exit, 0, "terraform init");
    measure::run(folder, &quiet, &[&[terraform], words].concat())
}

/// One `terraform_data` for each task.
fn write_terraform(folder: &Path, count: usize) {
    let mut text = String::new();
    for task in 0..count {
        let (name, prompt) = (name(task), prompt(task, 0, 500));
        write!(
            text,
            "resource \"terraform_data\" \"task_{task:05}\" {{\n  input = {{\n    agentId = 47\n    \
             name = \"{name}\"\n    projectPreference = \"project-for-task\"\n    \
             prompt = {prompt:?}\n  }}\n}}\n"
        )
        .expect("a string takes everything");
    }
    fs::write(folder.join("main.tf"), text).expect("the folder is ours");
}

/// The state after an apply, which would take hours.
fn state(count: usize) -> String {
    let resources = (0..count).map(|task| {
        let value = serde_json::json!({
            "value": {
                "agentId": 47,
                "name": name(task),
                "projectPreference": "project-for-task",
                "prompt": prompt(task, 0, 500),
            },
            "type": ["object", {
                "agentId": "number",
                "name": "string",
                "projectPreference": "string",
                "prompt": "string",
            }],
        });
        serde_json::json!({
            "mode": "managed",
            "type": "terraform_data",
            "name": format!("task_{task:05}"),
            "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{
                "schema_version": 0,
                "attributes": {
                    "id": format!("00000000-0000-4000-8000-{task:012}"),
                    "input": value,
                    "output": value,
                    "triggers_replace": null,
                },
                "sensitive_attributes": [],
            }],
        })
    });
    let state = serde_json::json!({
        "version": 4,
        "terraform_version": "1.5.0",
        "serial": 1,
        "lineage": "00000000-0000-4000-8000-000000000000",
        "outputs": {},
        "resources": resources.collect::<Vec<_>>(),
        "check_results": null,
    });
    state.to_string()
}

/// One TXT record for each task, the same in source and target.
fn write_octodns(folder: &Path, count: usize) {
    let mut text = String::from("---\n");
    for task in 0..count {
        let value = prompt(task, 0, 500).replace('\n', " ");
        write!(text, "task-{task:05}:\n  ttl: 3600\n  type: TXT\n  value: {value:?}\n")
            .expect("a string takes everything");
    }
    for side in ["source", "target"] {
        fs::create_dir_all(folder.join(side)).expect("the folder is ours");
        fs::write(folder.join(side).join("example.com.yaml"), &text).expect("the folder is ours");
    }
    let config = "providers:\n  source:\n    class: octodns.provider.yaml.YamlProvider\n    \
                  directory: ./source\n  target:\n    class: octodns.provider.yaml.YamlProvider\n    \
                  directory: ./target\nzones:\n  example.com.:\n    sources: [source]\n    \
                  targets: [target]\n";
    fs::write(folder.join("config.yaml"), config).expect("the folder is ours");
}
