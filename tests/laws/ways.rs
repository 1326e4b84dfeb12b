//! Every closed step names a override it: the ways that need no person are followed here.

use qcops::diag::{Code, Diagnostic};
use qcops::kinds::NAME;
use qcops::model::{AgentId, TaskId};
use qcops::observed::ObservedState;
use qcops::plan::{self, Change, Plan, PlanContext, Prune, Step, StepStatus};
use qcops::resource::Value;

use crate::support::world::shown;

/// Follows the way of every closed step, one at a time, and expects that it leads on.
pub(super) fn lead_on(plan_context: &PlanContext, state: &ObservedState, planned: &Plan) {
    for step in &planned.steps {
        let (StepStatus::Blocked(finding) | StepStatus::Deferred(finding)) = &step.status else {
            continue;
        };
        let Some(changed) = follow(plan_context, step, finding) else { continue };
        let after = plan::plan(&changed.with(state));
        let is_stuck = after.steps.iter().any(|other| {
            let code = match &other.status {
                StepStatus::Ready => return false,
                StepStatus::Blocked(finding) | StepStatus::Deferred(finding) => finding.code,
            };
            code == finding.code
                && (&other.key, &other.deployment) == (&step.key, &step.deployment)
                && format!("{:?}", other.change) == format!("{:?}", step.change)
        });
        assert!(
            !is_stuck,
            "`{}` of {} stays although its way was followed\n{}\n{}",
            finding.code,
            step.key,
            shown(planned),
            shown(&after)
        );
    }
}

/// What the finding says to do, done; `None` where a person, the service or another checkout is needed.
fn follow(plan_context: &PlanContext, step: &Step, finding: &Diagnostic) -> Option<PlanContext> {
    let mut plan_context = plan_context.clone();
    if let Change::Agent(_) = step.change {
        return follow_of_agent(plan_context, step, finding);
    }
    let desired = plan_context.desired_state.tasks.get_mut(&step.key);
    let limits = &mut plan_context.options.limits;
    match finding.code {
        Code::Unproven | Code::Ambiguous | Code::Contested => {
            let id = number_in(&finding.help, "`id: ")?;
            desired?.pin = Some(TaskId(u64::try_from(id).ok()?));
        }
        Code::PinMissing | Code::PinTaken => desired?.pin = None,
        Code::PruneOff => plan_context.options.prune = Prune::On,
        Code::Protected => match desired {
            Some(desired) => desired.protect = false,
            None => plan_context.evidence.keys.get_mut(&step.key)?.protect = false,
        },
        Code::Scheduled => match &step.change {
            Change::Replace { before, .. } if before.id == old_with_schedule(step, finding)? => {
                let desired = desired?;
                let name = Value::Text(desired.name().into());
                desired.object = before.object.with(NAME, name).whole()?;
            }
            _ => return None,
        },
        Code::TooManyDeletes => limits.delete = number_in(&finding.help, "--max-deletes "),
        Code::TooManyReplaces => limits.replace = number_in(&finding.help, "--max-replaces "),
        Code::TooManyCreates => limits.create = number_in(&finding.help, "--max-creates "),
        Code::TooManyDeployments => limits.runs = number_in(&finding.help, "--max-deployments "),
        code if Code::GUARDS.contains(&code) => {
            let way = format!("--allow {code}");
            assert!(finding.help.iter().any(|help| help.contains(&way)), "{finding:?}");
            plan_context.options.allow.insert(code);
        }
        _ => return None,
    }
    Some(plan_context)
}

fn old_with_schedule(step: &Step, finding: &Diagnostic) -> Option<TaskId> {
    let Change::Replace { old, .. } = &step.change else { return None };
    let names = |id: TaskId| finding.message.starts_with(&format!("task {id} "));
    old.iter().map(|removal| removal.id).find(|id| names(*id))
}

fn number_in(help: &[String], before: &str) -> Option<usize> {
    let rest = help.iter().find_map(|help| help.split_once(before))?.1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The same for a step of an agent.
fn follow_of_agent(
    mut plan_context: PlanContext,
    step: &Step,
    finding: &Diagnostic,
) -> Option<PlanContext> {
    let desired = plan_context.desired_state.agents.get_mut(&step.key);
    match finding.code {
        Code::Unproven | Code::Ambiguous | Code::Contested => {
            let id = number_in(&finding.help, "`id: ")?;
            desired?.pin = Some(AgentId(u64::try_from(id).ok()?));
        }
        Code::PinMissing | Code::PinTaken => desired?.pin = None,
        Code::PruneOff => plan_context.options.prune = Prune::On,
        Code::Protected => plan_context.evidence.agents.get_mut(&step.key)?.protect = false,
        Code::StaleCheckout | Code::EmptyManifest | Code::MassMissing | Code::LostEvidence => {
            plan_context.options.allow.insert(finding.code);
        }
        _ => return None,
    }
    Some(plan_context)
}
