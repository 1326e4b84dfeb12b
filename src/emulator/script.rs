//! What the emulated agents do: a fixed play that depends on the prompt and on rules.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::quirk::RunOutcome;

/// Decides how runs of some prompts end; the first rule that matches counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRule {
    /// A text the prompt contains.
    pub prompt_contains: String,
    /// How the deployment ends.
    pub outcome: RunOutcome,
    /// What the agent says at the end, in place of its usual words.
    pub says: Option<String>,
    /// The agent's turns, in place of its usual one; what it says at the end comes after them.
    #[serde(default)]
    pub turns: Vec<ScriptedTurn>,
    /// The tokens of one prompt, in place of the usual ones.
    #[serde(default)]
    pub tokens: Option<ScriptedTokens>,
    /// How long the agent works on one prompt, in milliseconds, in place of the quirk `run-ms`.
    #[serde(default)]
    pub takes_ms: Option<i64>,
}

/// One turn of a scripted agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptedTurn {
    /// What it says behind its tools.
    pub says: Option<String>,
    /// The tools it calls.
    pub tools: Vec<ScriptedTool>,
}

/// A tool that a scripted agent calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptedTool {
    /// Its name.
    pub name: String,
    /// Whether its result says `success: true`.
    #[serde(default = "yes")]
    pub success: bool,
    /// What its result says went wrong.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// What a prompt costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedTokens {
    /// Tokens read when the agent begins.
    pub input: u64,
    /// Tokens written when it ends.
    pub output: u64,
}

fn yes() -> bool {
    true
}

/// A script as its file holds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptFile {
    version: u32,
    #[serde(default)]
    runs: Vec<RuleInFile>,
}

/// One rule as its file holds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleInFile {
    #[serde(default)]
    prompt_contains: String,
    #[serde(default)]
    outcome: RunOutcome,
    says: Option<String>,
    #[serde(default)]
    turns: Vec<ScriptedTurn>,
    tokens: Option<ScriptedTokens>,
    takes: Option<String>,
}

/// Takes the rules out of a script; the error is a sentence.
pub fn run_rules(file: ScriptFile) -> Result<Vec<RunRule>, String> {
    if file.version != 1 {
        return Err(format!(
            "version {} of a script is not known; write `version: 1`",
            file.version
        ));
    }
    let rule = |(number, rule): (usize, RuleInFile)| {
        let takes_ms = match rule.takes {
            None => None,
            Some(text) => {
                let takes =
                    text.parse::<SignedDuration>().ok().filter(|takes| !takes.is_negative());
                let takes = takes.ok_or_else(|| {
                    format!(
                        "`takes: {text}` of rule {number} is no length of time; write `5s` or `2m`"
                    )
                })?;
                Some(i64::try_from(takes.as_millis()).unwrap_or(i64::MAX / 2))
            }
        };
        Ok(RunRule {
            prompt_contains: rule.prompt_contains,
            outcome: rule.outcome,
            says: rule.says,
            turns: rule.turns,
            tokens: rule.tokens,
            takes_ms,
        })
    };
    (1..).zip(file.runs).map(rule).collect()
}

/// Returns the messages of an agent that follows a rule with turns.
pub(super) fn scripted(rule: &RunRule) -> Vec<Vec<Value>> {
    let last =
        rule.says.iter().map(|says| ScriptedTurn { says: Some(says.clone()), tools: Vec::new() });
    let turn = |turn: ScriptedTurn| {
        let mut parts = vec![json!({"type": "step-start"})];
        parts.extend(turn.tools.iter().map(|called| {
            let result =
                json!({"success": called.success, "errors": called.errors, "warnings": []});
            tool(&called.name, &json!({}), &result)
        }));
        parts.extend(turn.says.map(|says| json!({"type": "text", "text": says, "state": "done"})));
        parts
    };
    rule.turns.iter().cloned().chain(last).map(turn).collect()
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
