//! The result of every step, as JSON for machines: `apply --output json=FILE`.
//!
//! A stored format: the version grows when a field changes its meaning or goes; readers ignore what
//! they do not know. It holds no prompt and no secret.

use schemars::JsonSchema;
use serde::Serialize;

use crate::diag::Diagnostic;
use crate::event::{DeploymentReport, HaltReason, StepOutcome};
use crate::model::visible_json;
use crate::plan::{Plan, Step};
use crate::render::html::Applied;
use crate::render::{deployments, schema};
use crate::transcript::Transcript;

/// The version of the format.
const VERSION: u32 = 1;

/// The result of every step (see `docs/formats.md`).
#[derive(Serialize, JsonSchema)]
#[schemars(title = "A report of qcops")]
struct Report<'a> {
    format_version: u32,
    organization_id: &'a str,
    /// Whether a signal ended it.
    is_interrupted: bool,
    steps: Vec<StepReport<'a>>,
    /// The deployments that were waited for; none before the waiting has ended.
    deployments: Vec<Deploy<'a>>,
}

/// A deployment that was waited for.
#[derive(Serialize, JsonSchema)]
struct Deploy<'a> {
    /// As the plan prints it.
    address: String,
    key: String,
    deployment: String,
    deployment_id: &'a str,
    /// The service's word.
    status: &'a str,
    /// `left`: the waiting was interrupted, and the deployment goes on.
    #[schemars(extend("enum" = ["ok", "failed", "left"]))]
    result: &'static str,
    /// Why it is no longer followed: it came to its end, its own time or that of all waiting was
    /// over, the tokens were used up, its next follow-up cannot be sent, it cannot be looked at, or
    /// the waiting was interrupted.
    #[schemars(extend("enum" = deployments::ENDS))]
    end: &'static str,
    /// Whether this apply has started it.
    started_by_this_apply: bool,
    /// Read and written; null where the conversation does not show them.
    tokens: Option<u64>,
    /// How many follow-ups were not sent.
    missing_follow_ups: usize,
    /// Why it is no longer followed, and what does not hold of it.
    failures: Vec<String>,
}

/// One step, and how it ended.
#[derive(Serialize, JsonSchema)]
struct StepReport<'a> {
    /// As the plan prints it.
    address: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    #[schemars(schema_with = "schema::action")]
    action: String,
    #[schemars(extend("enum" = ["succeeded", "failed", "unknown", "skipped", "not-started"]))]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<&'a str>,
    /// The step that did not end well, for one that was skipped because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    because_of: Option<String>,
    /// Why apply ended before a step that was not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = HaltReason::CODES))]
    not_started_because: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingReport<'a>>,
}

/// What is the matter.
#[derive(Serialize, JsonSchema)]
struct FindingReport<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    help: &'a [String],
}

/// Returns the JSON Schema of a report.
pub fn schema() -> schemars::Schema {
    schema::root::<Report<'_>>()
}

/// Writes the report of an apply; steps it never came to are named as not started.
pub fn render(applied: Applied<'_>) -> Vec<u8> {
    let Applied { plan, outcome, runs } = applied;
    let steps = plan.ready_steps().map(|step| entry(plan, step, outcome.steps.get(&step.id)));
    let report = Report {
        format_version: VERSION,
        organization_id: &plan.organization_id.0,
        is_interrupted: outcome.is_interrupted,
        steps: steps.collect(),
        deployments: runs.iter().map(run).collect(),
    };
    let json = serde_json::to_string_pretty(&report).expect("texts and numbers are always JSON");
    (visible_json(&json) + "\n").into_bytes()
}

fn run(report: &DeploymentReport) -> Deploy<'_> {
    Deploy {
        address: format!("task.{}/{}", report.key, report.deployment),
        key: report.key.to_string(),
        deployment: report.deployment.to_string(),
        deployment_id: &report.id.0,
        status: &report.status,
        result: deployments::word(report),
        end: deployments::end_word(&report.end),
        started_by_this_apply: report.is_ours,
        tokens: report.transcript.as_ref().ok().and_then(Transcript::tokens),
        missing_follow_ups: report.missing,
        failures: deployments::lines(report),
    }
}

fn entry<'a>(plan: &Plan, step: &Step, ended: Option<&'a StepOutcome>) -> StepReport<'a> {
    let mut entry = StepReport {
        address: address(step),
        key: step.key.to_string(),
        deployment: step.deployment.as_ref().map(ToString::to_string),
        action: step.change.action().to_string(),
        status: "not-started",
        task_id: None,
        agent_id: None,
        deployment_id: None,
        because_of: None,
        not_started_because: None,
        findings: Vec::new(),
    };
    match ended {
        Some(StepOutcome::Done(done)) => {
            entry.status = "succeeded";
            entry.task_id = done.task.map(|id| id.0);
            entry.agent_id = done.agent.map(|id| id.0);
            entry.deployment_id = done.deployment.as_ref().map(|id| id.0.as_str());
            entry.findings = done.notes.iter().map(finding).collect();
        }
        Some(StepOutcome::Failed(found)) => {
            entry.status = "failed";
            entry.findings.push(finding(found));
        }
        Some(StepOutcome::Unknown(found)) => {
            entry.status = "unknown";
            entry.findings.push(finding(found));
        }
        Some(StepOutcome::Skipped(first)) => {
            entry.status = "skipped";
            entry.because_of = plan.steps.iter().find(|step| step.id == *first).map(address);
        }
        Some(StepOutcome::NotStarted(why)) => entry.not_started_because = Some(why.code()),
        None => {}
    }
    entry
}

fn finding(found: &Diagnostic) -> FindingReport<'_> {
    FindingReport { code: found.code.as_str(), message: &found.message, help: &found.help }
}

fn address(step: &Step) -> String {
    let deployment = step.deployment.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
    format!("{}.{}{deployment}", step.change.kind().name, step.key)
}
