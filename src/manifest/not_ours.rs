//! Fields of the service that no manifest holds, and why.

use crate::kinds::{self, Kind};

/// Fields of agents that no manifest holds, each with the reason.
const NOT_OF_AGENTS: &[(&str, &str)] = &[
    (
        "token",
        "a manifest never holds a credential: set it in the web interface, and leave it out here",
    ),
    ("author", "the service sets `author` itself; leave it out"),
    ("organization", "an agent belongs to the manifest's `organizationId`; leave it out"),
    ("profileImage", "no call uploads a picture; set it in the web interface, and leave it out"),
];

/// Returns the field of an agent that is meant by the name of one that tasks have.
pub(super) fn of_agent(word: &str) -> Option<&'static str> {
    match word {
        "prompt" | "instructions" => Some(kinds::SYSTEM_PROMPT),
        "promptFile" => Some("systemPromptFile"),
        _ => None,
    }
}

/// Returns why a field of this name can be given in no manifest.
pub(super) fn unmanaged(kind: &Kind, name: &str) -> Option<String> {
    let mut not_ours = kind.fields.iter().filter(|row| row.on_change == kinds::OnChange::Unmanaged);
    if not_ours.any(|row| row.name == name) {
        return Some(format!("`{name}` is set in the web interface only; leave it out"));
    }
    let known = NOT_OF_AGENTS.iter().filter(|_| kind.name == kinds::AGENT.name);
    known.clone().find(|(field, _)| *field == name).map(|(_, help)| (*help).to_owned())
}
