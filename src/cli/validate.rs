//! `qcops validate`: everything that can be known without asking the service.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::Files;
use crate::cli::load;
use crate::cli::terminal;
use crate::kinds::AGENT_ID;
use crate::model::AgentId;
use crate::render::counted;
use crate::resource::Value;

pub(super) fn run(context: &Context, args: &Files) -> Result<Exit, CommandError> {
    let loaded = load::load(context, args, None)?;
    // Agents are known by the service alone: a number of its own stands for each name, so that what
    // needs numbers (equal content, equal names) is checked all the same.
    let names = loaded.manifest.tasks.values().filter_map(|task| match task.object.get(AGENT_ID) {
        Value::Ref(address) => Some(address.key.to_string()),
        _ => None,
    });
    let stand_ins: BTreeMap<String, Vec<AgentId>> =
        names.zip((0..).map(|below| vec![AgentId(u64::MAX - below)])).collect();
    let desired_state = loaded.resolve(context, &stand_ins)?;
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
