//! What became of creates whose answers were lost while the process went on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::emulator::{PromptRewrite, Quirks, TooLong};
use crate::event::{Outcome, StepOutcome};
use crate::kinds::{AGENT_ID, PROMPT};
use crate::plan::{Change, Plan, Step};
use crate::rehearse::cut::Cut;
use crate::rehearse::machine::Call;
use crate::rehearse::story::Act;
use crate::resource::{Object, Whole};

/// Every unclear create of one run.
#[derive(Default)]
pub(super) struct Fates {
    /// How many it is known of what they made, without a person.
    pub(super) settled: usize,
    /// By what the finding says: those that end as unclear, which is exit 5.
    pub(super) unknown: BTreeMap<String, usize>,
    /// Those that are unknown and end as something else.
    pub(super) wrong: Vec<String>,
}

impl Fates {
    /// Adds the creates of one process, which wrote `ledger` and made `calls`.
    pub(super) fn add(&mut self, plan: &Plan, outcome: &Outcome, calls: &[Call], ledger: &[u8]) {
        for (at, call) in calls.iter().enumerate() {
            let is_unclear = call.cut.is_some_and(Cut::is_unclear);
            if !is_unclear || call.path != CREATE {
                continue;
            }
            let body = body(call);
            // What was sent again was known to have made nothing; `check` looks at how.
            let is_sent_again = calls[at + 1..]
                .iter()
                .any(|later| later.path == CREATE && self::body(later) == body);
            let step =
                plan.ready_steps().find(|step| made_by(step).is_some_and(|c| is_of(c, &body)));
            let ended = step.and_then(|step| outcome.steps.get(&step.id));
            match (step, ended) {
                (Some(_), Some(StepOutcome::Done(_))) => self.settled += 1,
                (Some(_), _) if is_sent_again => self.settled += 1,
                (Some(_), Some(StepOutcome::Unknown(finding))) => {
                    *self.unknown.entry(without_numbers(&finding.message)).or_default() += 1;
                }
                (Some(step), _) if is_known(step, ledger) => self.settled += 1,
                _ => self.wrong.push(format!("a lost answer to a create ended as {ended:?}")),
            }
        }
    }
}

/// Why no client can know what a create made whose answer was lost, if the service's settings alone
/// make it so. It goes by the settings, never by how a run ended.
///
/// What is the same for `settle` as no answer at all: prompts that are stored otherwise than they were
/// sent, and new tasks that no list shows within the settle time.
pub(super) fn hidden_by(
    quirks: &Quirks,
    act: &Act,
    tasks: usize,
    settle: Duration,
) -> Option<&'static str> {
    let limit = usize::try_from(quirks.prompt_limit).unwrap_or(usize::MAX);
    let prompts = || act.desired_state.tasks.values().filter_map(|task| task.object.prompt());
    let is_cut = limit > 0 && quirks.long_prompt == TooLong::Cut;
    if quirks.prompt_rewrite == PromptRewrite::Append {
        Some("prompts are stored with a text behind them")
    } else if is_cut && prompts().any(|prompt| prompt.chars().count() > limit) {
        Some("prompts are stored cut short")
    } else if leaves_out(quirks, tasks) {
        Some("the list leaves out tasks for good")
    } else if Duration::from_millis(quirks.list_lag_ms.into()) >= settle {
        Some("the list shows new tasks later than the settle time")
    } else {
        None
    }
}

/// Whether a list never shows all of so many things.
pub(super) fn leaves_out(quirks: &Quirks, count: usize) -> bool {
    let cap = usize::try_from(quirks.list_cap).unwrap_or(usize::MAX);
    cap > 0 && count > cap
}

const CREATE: &str = "/agents/tasks/create";

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap_or_default()
}

/// What a step makes a task of.
fn made_by(step: &Step) -> Option<&Whole> {
    match &step.change {
        Change::Create { object } | Change::Replace { object, .. } => Some(object),
        _ => None,
    }
}

fn is_of(object: &Object, body: &Value) -> bool {
    body[AGENT_ID].as_u64() == object.agent_id().map(|id| id.0)
        && body[PROMPT].as_str() == object.prompt().map(|prompt| &**prompt)
}

/// Whether the ledger's last word on a create says what it made, or that it made nothing.
fn is_known(step: &Step, ledger: &[u8]) -> bool {
    let Some(hash) = made_by(step).map(|object| object.content().to_string()) else { return false };
    let lines = ledger.split(|byte| *byte == b'\n');
    let mut words = lines.filter_map(|line| {
        let line: Value = serde_json::from_slice(line).ok()?;
        let is_its = line["key"].as_str() == Some(step.key.as_str())
            && line["content"].as_str() == Some(&hash);
        is_its.then(|| line["what"].as_str().map(str::to_owned)).flatten()
    });
    words.next_back().is_some_and(|what| what == "made" || what == "refused")
}

/// Ids and counts differ from run to run.
fn without_numbers(message: &str) -> String {
    let mut text = String::new();
    for c in message.chars() {
        match c {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            c => text.push(c),
        }
    }
    text
}
