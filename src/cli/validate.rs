//! `qcops validate`: everything that can be known without asking the service.

use crate::cli::args::{ValidateArgs, ValidateFormat};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::load::{self, ManifestTexts};
use crate::cli::{every, output, terminal};
use crate::diag::Diagnostic;
use crate::kinds::AGENT_ID;
use crate::manifest::{self, AgentNames, DesiredState, Manifest};
use crate::model::{AgentId, counted};
use crate::render::markdown;
use crate::resource::Value;

pub(super) fn run(context: &Context, args: &ValidateArgs) -> Result<Exit, CommandError> {
    let read = ManifestTexts::read(&args.files)?;
    let process = |name: &str| load::variable(&context.environment, None, name);
    let selected = args.files.environment.as_ref().filter(|_| !every::is_selected(&args.files));
    let (first, found) = read.understand(selected.map(String::as_str), &process);
    let names: Vec<String> = match selected {
        Some(_) => Vec::new(),
        None => first.expansion.environments.keys().cloned().collect(),
    };
    let mut words = Vec::new();
    let (manifest, findings) = if names.is_empty() {
        let (summary, more) = judged(&first, &found);
        words.push(summary);
        (first, found.into_iter().chain(more).collect())
    } else {
        let mut environments = Vec::new();
        for name in &names {
            let (manifest, mut findings) = read.understand(Some(name), &process);
            let (summary, more) = judged(&manifest, &findings);
            findings.extend(more);
            words.push(format!("Environment `{name}`. {summary}"));
            environments.push((name.as_str(), manifest, findings));
        }
        let mut findings = in_environments(&environments);
        findings.extend(collisions(&environments));
        (environments.swap_remove(0).1, findings)
    };
    read.finish(context, (manifest, findings), (&args.files, Vec::new()))?;
    let words = words.join("\n");
    let findings = context.progressed.findings();
    let page = markdown::said(&words, &findings, markdown::DEFAULT_BYTES);
    match args.format {
        ValidateFormat::Text => context.terminal.output(&format!("{words}\n"))?,
        ValidateFormat::Markdown => terminal::output(&page)?,
    }
    context.progressed.note_shown();
    block_on(output::write_page(context, &page))?;
    Ok(Exit::Success)
}

/// Checks what needs all tasks, and says how many there are.
fn judged(manifest: &Manifest, found: &[Diagnostic]) -> (String, Vec<Diagnostic>) {
    let (desired_state, stand_ins, findings) = resolved(manifest);
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
    if stand_ins > 0 {
        words.push_str(" Agents given by name are looked up by `plan`.");
    }
    // With errors they were checked already, as far as that can be.
    let is_broken = found.iter().any(Diagnostic::is_error);
    (words, if is_broken { Vec::new() } else { findings })
}

/// Resolves agents. They are known by the service alone: a number of its own stands for each name, so
/// that what needs numbers (equal content, equal names) is checked all the same.
fn resolved(manifest: &Manifest) -> (DesiredState, usize, Vec<Diagnostic>) {
    let Manifest { agents, tasks, .. } = manifest;
    let mut stand_ins = (0..).map(|below| AgentId(u64::MAX - below));
    let by_key = agents.keys().cloned().zip(stand_ins.by_ref().map(Some)).collect();
    let is_declared = |name: &str| agents.keys().any(|key| key.as_str() == name);
    let names = tasks.values().filter_map(|task| match task.object.get(AGENT_ID) {
        Value::Ref(address) if !is_declared(&address.key) => Some(address.key.to_string()),
        _ => None,
    });
    let by_name = names.zip(stand_ins.map(|id| vec![id])).collect();
    let stand_ins = AgentNames { by_name, by_key };
    let (desired_state, findings) = manifest::resolve(manifest, &stand_ins);
    (desired_state, stand_ins.by_name.len(), findings)
}

/// An environment with its manifest and what was found in it.
type JudgedEnvironment<'e> = (&'e str, Manifest, Vec<Diagnostic>);

/// The findings of all environments, each once; one that only some have names them.
fn in_environments(environments: &[JudgedEnvironment<'_>]) -> Vec<Diagnostic> {
    let mut findings: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    for (name, _, found) in environments {
        for finding in found {
            let name = format!("`{name}`");
            match findings.iter_mut().find(|(known, _)| known == finding) {
                Some((_, names)) => names.push(name),
                None => findings.push((finding.clone(), vec![name])),
            }
        }
    }
    let told = |(finding, names): (Diagnostic, Vec<String>)| {
        if names.len() == environments.len() {
            return finding;
        }
        let word = if names.len() == 1 { "environment" } else { "environments" };
        finding.help(format!("only in {word} {}", names.join(", ")))
    };
    findings.into_iter().map(told).collect()
}

/// What collides between environments of one organization.
fn collisions(environments: &[JudgedEnvironment<'_>]) -> Vec<Diagnostic> {
    let organization = |manifest: &Manifest, name: &str| {
        manifest.expansion.environments.get(name).cloned().flatten()
    };
    let mut findings = Vec::new();
    for (index, (name, manifest, _)) in environments.iter().enumerate() {
        for (other, others, _) in &environments[..index] {
            let ours = organization(manifest, name);
            if ours.is_some() && ours == organization(others, other) {
                findings.extend(manifest::collisions((name, manifest), (other, others)));
            }
        }
    }
    findings
}
