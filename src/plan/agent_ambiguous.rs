//! A key to which no agent can be given, or whose agent must not be changed: why, and help.

use crate::diag::{Code, Diagnostic};
use crate::manifest::DesiredAgent;
use crate::model::{AgentId, Key};
use crate::observed::ObservedAgent;
use crate::plan::AgentChange;
use crate::plan::agent_matcher::AgentMatchError;
use crate::plan::agents::KnownAgents;
use crate::plan::ambiguous::listed;
use crate::plan::verdict::incomplete;
use crate::resource::Object;

/// Returns the change that shows the candidates, and the finding that blocks it.
pub(super) fn undecided(
    key: &Key,
    desired: &DesiredAgent,
    error: &AgentMatchError<'_>,
    agents: &KnownAgents<'_>,
) -> (AgentChange, Diagnostic) {
    let (ids, finding) = match error {
        AgentMatchError::Ambiguous(ids) => {
            let message = format!("{} fit equally well, and none is chosen for you", named(ids));
            (ids.clone(), Diagnostic::blocked(Code::Ambiguous, message))
        }
        AgentMatchError::Contested(id, keys) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let message = format!("the keys {} have an equal right to agent {id}", listed(&keys));
            (vec![*id], Diagnostic::blocked(Code::Contested, message))
        }
        // What the list leaves out may be there all the same.
        AgentMatchError::PinMissing(_) if let Some(gap) = &agents.gap => {
            (Vec::new(), incomplete(gap))
        }
        AgentMatchError::PinMissing(id) => {
            let message = format!("the pinned agent {id} is not on the service's list");
            let finding = Diagnostic::blocked(Code::PinMissing, message)
                .help(format!("remove `id: {id}` to have the agent made anew, or correct it"));
            (Vec::new(), finding)
        }
        AgentMatchError::PinTaken(id, first) => {
            let message = format!("agent {id} is pinned by `{first}` too");
            let finding = Diagnostic::blocked(Code::PinTaken, message)
                .help(format!("remove `id: {id}` here, or there"));
            (Vec::new(), finding)
        }
        AgentMatchError::Unproven(ids, why) => (ids.clone(), alike(key, ids, why, agents)),
    };
    let mut finding = ids.iter().fold(finding, |finding, id| {
        let name = agents.observed.get(id).and_then(Object::name).unwrap_or("?");
        finding.help(format!("`id: {id}` under `{key}:` if it is that one, `{name}`"))
    });
    if matches!(error, AgentMatchError::Unproven(..)) {
        finding = finding.help("or change the name, here or in the web interface");
    }
    let candidate = |id: &AgentId| {
        let object = agents.observed.get(id)?.clone();
        Some(ObservedAgent { id: *id, object })
    };
    let candidates = ids.iter().filter_map(candidate).collect();
    (AgentChange::Undecided { object: desired.object.clone(), candidates }, finding)
}

/// Says that agents look like a declared one, and whose one was that has another key now.
fn alike(key: &Key, ids: &[AgentId], why: &str, agents: &KnownAgents<'_>) -> Diagnostic {
    let (verb, what) = if ids.len() == 1 {
        ("has", "nothing proves that it is ours")
    } else {
        ("have", "nothing proves which of them is ours")
    };
    let former = agents.orphans.iter().find(|(_, id)| ids == [*id]).map(|(former, _)| former);
    let Some(former) = former else {
        let message = format!("{} {verb} {why}, and {what}", named(ids));
        return Diagnostic::blocked(Code::Unproven, message);
    };
    let message = format!(
        "{} {verb} {why}, and is that of `{former}`, which is no longer declared",
        named(ids)
    );
    Diagnostic::blocked(Code::Unproven, message).help(format!(
        "if `{former}` became `{key}`, pin the agent, or rename the key and the agent in two commits"
    ))
}

/// Says that an agent which would be changed is not proven to be ours.
pub(super) fn unproven(key: &Key, id: AgentId, observed: &Object) -> Diagnostic {
    let name = observed.name().unwrap_or("?");
    let message = format!("agent {id} is named `{name}`, and nothing proves that it is ours");
    Diagnostic::blocked(Code::Unproven, message)
        .help(format!("`id: {id}` under `{key}:` changes it"))
        .help("or declare its fields as they are stored: what was committed so before is ours")
        .help("or declare another name, and it is left alone")
}

/// Returns `agent 7`, or `agents 7 and 8`.
fn named(ids: &[AgentId]) -> String {
    let noun = if ids.len() == 1 { "agent" } else { "agents" };
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("{noun} {}", listed(&ids))
}
