//! `qcops validate`: everything that can be known without asking the service.

use crate::cli::args::{ValidateArgs, ValidateFormat};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::{load, output, terminal};
use crate::kinds::AGENT_ID;
use crate::manifest::{self, AgentNames, Manifest};
use crate::model::{AgentId, counted};
use crate::render::markdown;
use crate::resource::Value;

pub(super) fn run(context: &Context, args: &ValidateArgs) -> Result<Exit, CommandError> {
    let manifests = load::load(context, &args.files, None)?;
    let Manifest { agents, tasks, .. } = &manifests.manifest;
    // Agents are known by the service alone: an id of its own stands for each, so that what needs ids
    // (equal content, equal names) is checked all the same.
    let mut stand_ins = (0..).map(|below| AgentId(u64::MAX - below));
    let by_key = agents.keys().cloned().zip(stand_ins.by_ref().map(Some)).collect();
    let is_declared = |name: &str| agents.keys().any(|key| key.as_str() == name);
    let names = tasks.values().filter_map(|task| match task.object.get(AGENT_ID) {
        Value::Ref(address) if !is_declared(&address.key) => Some(address.key.to_string()),
        _ => None,
    });
    let by_name = names.zip(stand_ins.map(|id| vec![id])).collect();
    let stand_ins = AgentNames { by_name, by_key };
    let (desired_state, findings) = manifest::resolve(&manifests.manifest, &stand_ins);
    load::report(context, &manifests, &findings)?;
    let deployments: usize = desired_state.tasks.values().map(|task| task.deployments.len()).sum();
    let agents = match desired_state.agents.len() {
        0 => String::new(),
        count => format!("{}, ", counted(count, "agent", "agents")),
    };
    let mut words = format!(
        "Valid: {agents}{}, {}.",
        counted(desired_state.tasks.len(), "task", "tasks"),
        counted(deployments, "deployment", "deployments")
    );
    if !stand_ins.by_name.is_empty() {
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
