//! The results of creates whose answers were lost while the process went on.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use qcops::diag::Code;
use qcops::emulator::{PromptRewrite, Quirks, TooLong};
use qcops::event::{Outcome, StepOutcome};
use qcops::kinds::{AGENT, AGENT_ID, NAME, PROMPT};
use qcops::plan::{AgentChange, Change, Plan, Step};
use qcops::resource::Object;
use serde_json::Value;

use super::fault::InjectedFault;
use super::judge::BrokenLaw;
use super::machine::Call;
use super::scenario::ScenarioStep;

/// Every create of one case whose answer was lost.
#[derive(Clone, Default)]
pub(super) struct LostCreates {
    /// How many were settled without a person.
    pub(super) settled: usize,
    /// Those that end as unknown, which is exit 5, by the code of their finding.
    pub(super) unknown: BTreeMap<Code, usize>,
    /// Those that are unknown and end as something else.
    pub(super) broken: Vec<BrokenLaw>,
}

impl LostCreates {
    /// How many there are, those of a broken law left out.
    pub(super) fn count(&self) -> usize {
        self.settled + self.unknown.values().sum::<usize>()
    }

    /// Adds the creates of one process, which wrote `ledger` and made `calls`.
    pub(super) fn add(&mut self, plan: &Plan, outcome: &Outcome, calls: &[Call], ledger: &[u8]) {
        for (at, call) in calls.iter().enumerate() {
            let is_unknown = call.fault.is_some_and(InjectedFault::is_unknown);
            if !is_unknown || !CREATES.contains(&call.path.as_str()) {
                continue;
            }
            let body = body(call);
            // Whatever is sent again was proven absent; the judge looks at how.
            let is_sent_again = calls[at + 1..]
                .iter()
                .any(|later| later.path == call.path && self::body(later) == body);
            let step = plan
                .ready_steps()
                .find(|step| created_by(step).is_some_and(|object| is_of(object, &body)));
            let end = step.and_then(|step| outcome.steps.get(&step.id));
            match (step, end) {
                (Some(_), Some(StepOutcome::Done(_))) => self.settled += 1,
                (Some(_), _) if is_sent_again => self.settled += 1,
                (Some(_), Some(StepOutcome::Unknown(finding))) => {
                    *self.unknown.entry(finding.code).or_default() += 1;
                }
                (Some(step), _) if is_known(step, ledger) => self.settled += 1,
                _ => self.broken.push(BrokenLaw::LostCreate { ended: format!("{end:?}") }),
            }
        }
    }
}

/// Why no client can know what a create made whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hidden {
    /// Prompts are stored with a text behind them.
    AppendedPrompt,
    /// Prompts are stored cut short.
    CutPrompt,
    /// The list leaves out tasks for good.
    ListCap,
    /// The list shows new tasks later than the settle time.
    ListLag,
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppendedPrompt => "prompts are stored with a text behind them",
            Self::CutPrompt => "prompts are stored cut short",
            Self::ListCap => "the list leaves out tasks for good",
            Self::ListLag => "the list shows new tasks later than the settle time",
        })
    }
}

impl Hidden {
    /// Decides it by the service's settings alone, never by how a case ended.
    ///
    /// For `settle` these are the same as no answer at all.
    pub(super) fn by(
        quirks: &Quirks,
        step: &ScenarioStep,
        tasks: usize,
        settle: Duration,
    ) -> Option<Self> {
        let limit = usize::try_from(quirks.prompt_limit).unwrap_or(usize::MAX);
        let prompts = || step.desired_state.tasks.values().filter_map(|task| task.object.prompt());
        let is_cut = limit > 0 && quirks.long_prompt == TooLong::Cut;
        if quirks.prompt_rewrite == PromptRewrite::Append {
            Some(Self::AppendedPrompt)
        } else if is_cut && prompts().any(|prompt| prompt.chars().count() > limit) {
            Some(Self::CutPrompt)
        } else if leaves_out(quirks, tasks) {
            Some(Self::ListCap)
        } else if Duration::from_millis(quirks.list_lag_ms.into()) >= settle {
            Some(Self::ListLag)
        } else {
            None
        }
    }
}

/// Whether a list never shows all of so many resources.
pub(super) fn leaves_out(quirks: &Quirks, count: usize) -> bool {
    let cap = usize::try_from(quirks.list_cap).unwrap_or(usize::MAX);
    cap > 0 && count > cap
}

const CREATES: [&str; 2] = ["/agents/tasks/create", "/agents/create"];

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap_or_default()
}

/// What a step creates.
fn created_by(step: &Step) -> Option<&Object> {
    match &step.change {
        Change::Create { object } | Change::Replace { object, .. } => Some(object),
        Change::Agent(AgentChange::Create { object }) => Some(object),
        _ => None,
    }
}

/// Whether a request creates it; the id of an agent that the same plan creates is known later.
fn is_of(object: &Object, body: &Value) -> bool {
    if object.kind().name == AGENT.name {
        return body.get(PROMPT).is_none() && body[NAME].as_str() == object.name();
    }
    let is_later = matches!(object.get(AGENT_ID), qcops::resource::Value::Ref(_));
    (is_later || body[AGENT_ID].as_u64() == object.agent_id().map(|id| id.0))
        && body[PROMPT].as_str() == object.prompt().map(|prompt| &**prompt)
}

/// Whether the ledger's last entry about a create says what it made, or that it made nothing.
fn is_known(step: &Step, ledger: &[u8]) -> bool {
    let Some(object) = created_by(step) else { return false };
    let is_agent = object.kind().name == AGENT.name;
    let is_later = matches!(object.get(AGENT_ID), qcops::resource::Value::Ref(_));
    let hash = object.content().filter(|_| !is_later).map(|hash| hash.to_string());
    let lines = ledger.split(|byte| *byte == b'\n');
    let mut entries = lines.filter_map(|line| {
        let line: Value = serde_json::from_slice(line).ok()?;
        let is_its = line["key"].as_str() == Some(step.key.as_str())
            && hash.as_deref().is_none_or(|hash| line["content"].as_str() == Some(hash))
            && line["what"].as_str()?.ends_with("-agent") == is_agent;
        is_its.then(|| line["what"].as_str().map(str::to_owned)).flatten()
    });
    let known = ["created", "refused", "created-agent", "refused-agent"];
    entries.next_back().is_some_and(|what| known.contains(&what.as_str()))
}
