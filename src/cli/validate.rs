//! `qcops validate`: everything that can be known without asking the service.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::ManifestFiles;
use crate::cli::load;
use crate::cli::terminal;
use crate::kinds::AGENT_ID;
use crate::manifest;
use crate::model::{AgentId, counted};
use crate::resource::Value;

pub(super) fn run(context: &Context, args: &ManifestFiles) -> Result<Exit, CommandError> {
    let manifests = load::load(context, args, None)?;
    // Agents are known by the service alone: a number of its own stands for each name, so that what
    // needs numbers (equal content, equal names) is checked all the same.
    let names =
        manifests.manifest.tasks.values().filter_map(|task| match task.object.get(AGENT_ID) {
            Value::Ref(address) => Some(address.key.to_string()),
            _ => None,
        });
    let stand_ins: BTreeMap<String, Vec<AgentId>> =
        names.zip((0..).map(|below| vec![AgentId(u64::MAX - below)])).collect();
    let (desired_state, findings) = manifest::resolve(&manifests.manifest, &stand_ins);
    load::report(context, &manifests, &findings)?;
    let deployments: usize = desired_state.tasks.values().map(|task| task.deployments.len()).sum();
    let mut words = format!(
        "Valid: {}, {}.",
        counted(desired_state.tasks.len(), "task", "tasks"),
        counted(deployments, "deployment", "deployments")
    );
    if !stand_ins.is_empty() {
        words.push_str(" Agents given by name are looked up by `plan`.");
    }
    terminal::output(&format!("{words}\n"))?;
    Ok(Exit::Success)
}
