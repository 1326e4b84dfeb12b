//! Where a field belongs that stands at the wrong level.

use crate::manifest::fields::{
    AGENT, DEPLOYMENT, ENVIRONMENT, EXPECT, LIMITS, MANIFEST, NUMBER, SETTINGS, Spec, TASK,
    TRANSCRIPT,
};
use crate::manifest::suggest::nearest;

/// A mapping of fields: whose it is, in words, and what is written around one of its fields.
type FieldLevel = (&'static str, &'static [Spec], [&'static str; 2]);

/// Every level, the outermost first.
fn levels() -> [FieldLevel; 10] {
    [
        ("the top level of the manifest", MANIFEST, ["", "…"]),
        ("a task or `defaults`", &TASK, ["tasks: {my-task: {", "…}}"]),
        ("an agent", &AGENT, ["agents: {my-agent: {", "…}}"]),
        ("an environment", ENVIRONMENT, ["environments: {prod: {", "…}}"]),
        ("a deployment", DEPLOYMENT, ["deployments: {baseline: {", "…}}"]),
        ("`expect` of a deployment", EXPECT, ["expect: {", "…}"]),
        ("`transcript` of `expect`", TRANSCRIPT, ["transcript: {", "…}"]),
        ("`number` of `expect`", NUMBER, ["number: {", "…}"]),
        ("`settings`", SETTINGS, ["settings: {", "…}"]),
        ("`limits` of `settings`", LIMITS, ["settings: {limits: {", "…}}"]),
    ]
}

/// Says where a field belongs that has exactly this name.
pub(super) fn of_name(word: &str) -> Option<String> {
    let mut levels = levels().into_iter();
    let (whose, _, [before, behind]) =
        levels.find(|(_, specs, _)| specs.iter().any(|spec| spec.name == word))?;
    Some(format!("`{word}` belongs to {whose}: `{before}{word}: {behind}`"))
}

/// Says where a field belongs that has nearly this name.
pub(super) fn of_similar(word: &str) -> Option<String> {
    let names = levels().into_iter().flat_map(|(_, specs, _)| specs).map(|spec| spec.name);
    nearest(word, names).and_then(of_name)
}
