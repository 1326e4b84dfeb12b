//! Manifests and worlds of any size, the same on every machine.

use std::fmt::Write as _;

/// How large a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many tasks it declares.
    pub(crate) tasks: usize,
    /// How many bytes each prompt has, about.
    pub(crate) prompt: usize,
}

/// Where the prompts of a manifest stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompts {
    /// In the manifest.
    Inline,
    /// One file each, below `prompts/`.
    Files,
}

/// The organization of every world.
pub(crate) const ORGANIZATION_ID: &str = "5cad178b20a1d52567b534553413b691";

const WORDS: [&str; 24] = [
    "momentum",
    "volatility",
    "rebalance",
    "weekly",
    "the",
    "portfolio",
    "of",
    "liquid",
    "equities",
    "with",
    "a",
    "trailing",
    "stop",
    "and",
    "report",
    "drawdown",
    "for",
    "each",
    "sector",
    "before",
    "market",
    "open",
    "using",
    "minute",
];

/// Returns the prompt of a task in one of its versions; lines as people write them.
pub(crate) fn prompt(task: usize, version: usize, bytes: usize) -> String {
    let mut text = format!("Research strategy {task}, version {version}.\n");
    let mut state = task * 7919 + 17;
    let mut column = 0;
    while text.len() < bytes {
        // A linear congruence is random enough for words.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[(state >> 33) % WORDS.len()];
        if column + word.len() > 76 {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

/// Returns the name of a task.
pub(crate) fn name(task: usize) -> String {
    format!("Strategy {task:05}")
}

/// Returns the manifest; the first `changed` tasks are in their second version.
pub(crate) fn manifest(shape: Shape, prompts: Prompts, changed: usize) -> String {
    manifest_with(shape, prompts, changed, 0)
}

/// Returns the manifest; the first `deployed` tasks declare a deployment.
pub(crate) fn manifest_with(
    shape: Shape,
    prompts: Prompts,
    changed: usize,
    deployed: usize,
) -> String {
    let mut text = String::with_capacity(shape.tasks * (shape.prompt + 200));
    text.push_str("version: 1\ntasks:\n");
    for task in 0..shape.tasks {
        let version = usize::from(task < changed);
        let name = name(task);
        write!(
            text,
            "  strategy-{task:05}:\n    name: {name}\n    agentId: 47\n    \
             projectPreference: project-for-task\n"
        )
        .expect("a string takes everything");
        if task < deployed {
            text.push_str("    deployments: {baseline: {}}\n");
        }
        match prompts {
            Prompts::Inline => {
                text.push_str("    prompt: |\n");
                for line in prompt(task, version, shape.prompt).lines() {
                    writeln!(text, "      {line}").expect("a string takes everything");
                }
            }
            Prompts::Files => {
                writeln!(text, "    promptFile: prompts/{task:05}.md")
                    .expect("a string takes everything");
            }
        }
    }
    text
}

/// Returns the JSON object of a task as the service lists it, in its first version.
pub(crate) fn listed(task: usize, bytes: usize) -> String {
    object(task + 1, &name(task), 47, &prompt(task, 0, bytes), "project-for-task")
}

/// Returns the same of a task that has one deployment, which has ended.
pub(crate) fn listed_with_run(task: usize, bytes: usize) -> String {
    let mut object: serde_json::Value =
        serde_json::from_str(&listed(task, bytes)).expect("it is JSON");
    object["deployments"] = 1.into();
    object["lastDeploymentId"] = (task + 1).into();
    object["lastDeploymentTime"] = RUN_AT.into();
    object.to_string()
}

/// Returns the JSON object of that deployment, of a task that is listed so.
pub(crate) fn run(task: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "deploymentId": format!("A-{:032x}", task["id"].as_u64().unwrap_or_default()),
        "agentId": task["agentId"],
        "status": "Completed",
        "taskId": task["id"],
        "created": RUN_AT,
        "ended": "2026-05-07 10:05:00",
        "prompt": task["prompt"],
        "runtimeError": null,
    })
}

/// When every deployment was made.
const RUN_AT: &str = "2026-05-07 10:00:00";

/// Returns the JSON object of a task.
pub(crate) fn object(
    id: usize,
    name: &str,
    agent_id: u64,
    prompt: &str,
    preference: &str,
) -> String {
    serde_json::json!({
        "id": id,
        "name": name,
        "organizationId": ORGANIZATION_ID,
        "agentId": agent_id,
        "prompt": prompt,
        "deployments": 0,
        "lastDeploymentId": null,
        "lastDeploymentTime": null,
        "created": "2026-05-06 19:22:25",
        "updated": "2026-05-06 19:22:26",
        "projectId": null,
        "upcomingDeployments": null,
        "status": [],
        "schedule": null,
        "scheduleHuman": null,
        "projectPreference": preference,
        "notifications": [],
    })
    .to_string()
}
