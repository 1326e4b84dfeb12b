//! What the emulated agents do: a fixed play that depends on the prompt and on rules.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::quirk::RunOutcome;

/// Decides how runs of some prompts end; the first rule that matches counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRule {
    /// A text the prompt contains.
    pub prompt_contains: String,
    /// How the run ends.
    pub outcome: RunOutcome,
    /// What the agent says at the end, in place of its usual words.
    pub says: Option<String>,
}

/// The exact text of a failed backtest inside of a tool's result (contract 8).
const RUNTIME_ERROR: &str = "The backtest ended with a runtime error.";

/// Returns what the agent shows as soon as it begins.
pub(super) fn opening(prompt: &str) -> Vec<Value> {
    let thought = format!("The user wants: {}", first_line(prompt));
    vec![
        json!({"type": "step-start"}),
        json!({"type": "reasoning", "text": thought, "state": "done"}),
    ]
}

/// Returns everything the agent did for a prompt, once it is through.
pub(super) fn work(prompt: &str, turn: u32, outcome: RunOutcome, says: Option<&str>) -> Vec<Value> {
    let is_sound = outcome != RunOutcome::ToolFailure;
    // The first prompt makes the file, the later ones change it.
    let file_tool = if turn == 0 { "create_file" } else { "edit_file" };
    let code = format!("# {}\nfrom AlgorithmImports import *\n", first_line(prompt));
    let errors: &[&str] = if is_sound { &[] } else { &[RUNTIME_ERROR] };
    let statistics = json!({"Sharpe Ratio": "0.87", "Net Profit": "12.34%"});
    let mut parts = opening(prompt);
    parts.push(tool(
        file_tool,
        &json!({"filePath": "main.py", "content": code}),
        &json!({"success": true, "errors": [], "warnings": []}),
    ));
    parts.push(json!({"type": "step-start"}));
    parts.push(tool(
        "create_backtest",
        &json!({"backtestName": "Backtest"}),
        &json!({"success": is_sound, "errors": errors, "warnings": [], "statistics": statistics}),
    ));
    let usual = if is_sound {
        "Done. The backtest completed with a Sharpe Ratio of 0.87."
    } else {
        "The backtest failed; I could not repair it."
    };
    parts.push(json!({"type": "text", "text": says.unwrap_or(usual), "state": "done"}));
    parts
}

/// Returns the tokens one prompt costs: read when the agent begins, written when it ends.
pub(super) fn tokens(prompt: &str) -> (u64, u64) {
    // About four letters a token; the constant stands for the system prompt and the tools.
    let letters = u64::try_from(prompt.len()).unwrap_or(u64::MAX);
    (1_200 + letters / 4, 340)
}

fn tool(name: &str, input: &Value, result: &Value) -> Value {
    json!({
        "type": "dynamic-tool", "toolName": name, "state": "output-available",
        "input": input, "output": {"structuredContent": result},
    })
}

fn first_line(prompt: &str) -> &str {
    prompt.lines().next().unwrap_or_default()
}
