//! Agent tasks (contract 3, 11).

use crate::kinds::{
    Calls, Field, Identity, Instead, Kind, OnChange, RemovalRule, Shape, unmanaged,
};

/// The name of the field that holds a resource's name.
pub const NAME: &str = "name";

/// The name of the field that refers to a task's agent.
pub const AGENT_ID: &str = "agentId";

/// The name of the field that says how projects are chosen.
pub const PROJECT_PREFERENCE: &str = "projectPreference";

/// The name of the field that holds a task's prompt.
pub const PROMPT: &str = "prompt";

/// An agent task. Of its fields only `name` is accepted by the update call (contract 3.3).
pub static TASK: Kind = Kind {
    name: "task",
    fields: &[
        Field {
            name: NAME,
            doc: "The name of the task on the service.",
            shape: Shape::Line,
            on_change: OnChange::InPlace,
            default: Some("the key"),
            example: "Buy and hold SPY",
            instead: None,
        },
        Field {
            name: AGENT_ID,
            doc: "The agent by its id. `agentId` or `agent` is required, in the task or in `defaults`.",
            shape: Shape::Reference("agent"),
            on_change: OnChange::Replaces,
            default: None,
            example: "47",
            instead: Some(Instead {
                name: "agent",
                doc: "The agent: a key of `agents`, or an exact name on the service.",
                example: "Momentum Researcher",
            }),
        },
        Field {
            name: PROJECT_PREFERENCE,
            doc: "How the service chooses projects for its deployments. Required, in the task or in `defaults`.",
            shape: Shape::Word(&["project-each-task-deployment", "project-for-task"]),
            on_change: OnChange::Replaces,
            default: None,
            example: "project-for-task",
            instead: None,
        },
        Field {
            name: PROMPT,
            doc: "The text that the agent gets. Changing it replaces the task. `prompt` or \
                  `promptFile` is required, in the task or in `defaults`.",
            shape: Shape::LongText,
            on_change: OnChange::Replaces,
            default: None,
            example: "Build a buy and hold strategy for SPY",
            instead: Some(Instead {
                name: "promptFile",
                doc: "The file that holds the prompt, relative to the manifest and inside its \
                      repository, in no folder whose name begins with a dot. A file that Git ignores is \
                      refused.",
                example: "prompts/momentum.md",
            }),
        },
        unmanaged("schedule"),
        unmanaged("notifications"),
    ],
    identity: Identity::ByContent,
    removal: RemovalRule::DeleteOrArchive,
    calls: Calls { id: "taskId", one: "task", many: "tasks" },
};
