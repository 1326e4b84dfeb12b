//! Agents (contract 2, 11): read so far, and never changed.

use crate::kinds::{Calls, Field, Identity, Kind, NAME, OnChange, RemovalRule, Shape};

/// An agent. All of its fields but its organization can be changed in place (contract 2.3).
pub static AGENT: Kind = Kind {
    name: "agent",
    fields: &[
        row(NAME, Shape::Line, "Its name on the service.", "Momentum Researcher"),
        row("description", Shape::Line, "What it is for.", "Researches momentum"),
        row("systemPrompt", Shape::LongText, "What it is told before every prompt.", "Be brief"),
        row("model", Shape::Line, "The model it runs on.", "claude-opus-4-7"),
        row(
            "reasoningEffort",
            Shape::Word(&["low", "medium", "high"]),
            "How long it thinks.",
            "high",
        ),
        row("maxTurns", Shape::Integer, "Its most turns in a deployment.", "100"),
        row("toolChoice", Shape::Line, "How it chooses tools.", "auto"),
        row("tools", Shape::Set, "The tools it may call.", "[datasets, create_backtest]"),
        row("public", Shape::Flag, "Whether the whole organization may use it.", "false"),
        row("useQCC", Shape::Flag, "Whether it runs on the platform's own model.", "true"),
        row("pipeline", Shape::Line, "Its stage of the research pipeline.", "research"),
        row("node", Shape::Member("id"), "The node it is pinned to; 0 is none.", "0"),
        row("chainedAgents", Shape::References("step"), "The agents that go on after it.", "[]"),
        row("subAgents", Shape::References("callableCount"), "The agents it may call.", "[]"),
    ],
    identity: Identity::ByName,
    removal: RemovalRule::DeleteUnused,
    calls: Calls { id: super::AGENT_ID, one: "agent", many: "agents" },
};

const fn row(name: &'static str, shape: Shape, doc: &'static str, example: &'static str) -> Field {
    let (on_change, default) = (OnChange::InPlace, Some("as the service has it"));
    Field { name, doc, shape, on_change, default, example, instead: None }
}
