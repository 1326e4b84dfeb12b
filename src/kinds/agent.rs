//! Agents (contract 2, 11).

use crate::kinds::{
    Calls, Field, Identity, Instead, Kind, NAME, OnChange, RemovalRule, Shape, unmanaged,
};

/// The text that an agent is told before every prompt, as the service's calls name it.
pub const SYSTEM_PROMPT: &str = "systemPrompt";

/// The tools of an agent, as the service's calls name them.
pub const TOOLS: &str = "tools";

/// What counts where a manifest leaves a field out.
const UNMANAGED: &str = "not managed";

/// An agent. All of its fields but its organization can be changed in place (contract 2.3).
pub static AGENT: Kind = Kind {
    name: "agent",
    fields: &[
        Field {
            default: Some("the key"),
            ..row(NAME, Shape::Line, "Its name on the service.", "Momentum Researcher")
        },
        row("description", Shape::Line, "What it is for.", "Researches momentum"),
        Field {
            instead: Some(Instead {
                name: "systemPromptFile",
                doc: "A Markdown file that holds the system prompt, relative to the manifest.",
                example: "agents/researcher.md",
            }),
            ..row(
                SYSTEM_PROMPT,
                Shape::LongText,
                "What stands before every prompt. `$` is an ordinary character in it.",
                "You are a careful researcher",
            )
        },
        row("model", Shape::Line, "The model it runs on.", "claude-opus-4-7"),
        row(
            "reasoningEffort",
            Shape::Word(&["low", "medium", "high"]),
            "How long it thinks.",
            "high",
        ),
        row("maxTurns", Shape::Integer, "The most turns of one of its deployments.", "100"),
        row("toolChoice", Shape::Line, "How it chooses tools.", "auto"),
        row(
            TOOLS,
            Shape::Set,
            "The tools it may call, all of them; their order means nothing. `[]` is none.",
            "[datasets, create_backtest]",
        ),
        row("public", Shape::Flag, "Whether the whole organization may use it.", "false"),
        row("useQCC", Shape::Flag, "Whether it runs on the platform's own model.", "true"),
        row("pipeline", Shape::Line, "Its stage of the research pipeline.", "research"),
        row("node", Shape::Member("id"), "The node it is pinned to; 0 is none.", "0"),
        row(
            "chainedAgents",
            Shape::Sequence("step"),
            "The agents that continue after it, in this order: keys of `agents`. A mapping gives \
             each its step: `{summarizer: 2}`.",
            "[summarizer]",
        ),
        row(
            "subAgents",
            Shape::References("callableCount"),
            "The agents it may call: keys of `agents`, each with how often in one deployment.",
            "{validator: 2}",
        ),
        unmanaged("outputSchema"),
    ],
    identity: Identity::ByName,
    removal: RemovalRule::DeleteUnused,
    calls: Calls { id: super::AGENT_ID, one: "agent", many: "agents" },
};

const fn row(name: &'static str, shape: Shape, doc: &'static str, example: &'static str) -> Field {
    let (on_change, default) = (OnChange::InPlace, Some(UNMANAGED));
    Field { name, doc, shape, on_change, default, example, instead: None }
}
