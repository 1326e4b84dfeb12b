//! `qcops validate`: everything that can be known without asking the service.

use std::collections::BTreeMap;

use crate::cli::args::{ValidateArgs, ValidateFormat};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::{load, output, terminal};
use crate::kinds::AGENT_ID;
use crate::manifest;
use crate::model::{AgentId, counted};
use crate::render::markdown;
use crate::resource::Value;

pub(super) fn run(context: &Context, args: &ValidateArgs) -> Result<Exit, CommandError> {
    let manifests = load::load(context, &args.files, None)?;
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
    let findings = context.progressed.findings();
    let page = markdown::said(&words, &findings, markdown::DEFAULT_BYTES);
    match args.format {
        ValidateFormat::Text => context.terminal.output(&format!("{words}\n"))?,
        ValidateFormat::Markdown => terminal::output(&page)?,
    }
    context.progressed.note_shown();
    output::write_page(context, &page)?;
    Ok(Exit::Success)
}
