//! Every closed step names a way past it: the ways that need no person are followed here.

use qcops::diag::{Code, Diagnostic};
use qcops::model::TaskId;
use qcops::plan::{self, Basis, Change, Gate, Plan, Prune, Step};
use qcops::snapshot::Snapshot;

use crate::support::world::shown;

/// Follows the way of every closed step, one at a time, and expects that it leads on.
pub(super) fn lead_on(basis: &Basis, snapshot: &Snapshot, planned: &Plan) {
    for step in &planned.steps {
        let (Gate::Blocked(finding) | Gate::Withheld(finding)) = &step.gate else { continue };
        let Some(changed) = follow(basis, step, finding) else { continue };
        let after = plan::plan(&changed.with(snapshot));
        let is_stuck = after.steps.iter().any(|other| {
            let code = match &other.gate {
                Gate::Open => return false,
                Gate::Blocked(finding) | Gate::Withheld(finding) => finding.code,
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
fn follow(basis: &Basis, step: &Step, finding: &Diagnostic) -> Option<Basis> {
    let mut basis = basis.clone();
    let wanted = basis.wish.tasks.get_mut(&step.key);
    let limits = &mut basis.options.limits;
    match finding.code {
        Code::Unproven | Code::Ambiguous | Code::Contested => {
            let id = number_in(&finding.help, "`id: ")?;
            wanted?.pin = Some(TaskId(u64::try_from(id).ok()?));
        }
        Code::PinMissing | Code::PinTaken => wanted?.pin = None,
        Code::PruneOff => basis.options.prune = Prune::Asked,
        Code::Protected => match wanted {
            Some(wanted) => wanted.protect = false,
            None => basis.evidence.keys.get_mut(&step.key)?.protect = false,
        },
        Code::Scheduled => match &step.change {
            Change::Replace { before, .. } if before.id == old_with_schedule(step, finding)? => {
                wanted?.content = before.content.clone();
            }
            _ => return None,
        },
        Code::TooManyRetires => limits.delete = number_in(&finding.help, "--max-delete "),
        Code::TooManyReplaces => limits.replace = number_in(&finding.help, "--max-replace "),
        Code::TooManyCreates => limits.create = number_in(&finding.help, "--max-create "),
        Code::TooManyRuns => limits.runs = number_in(&finding.help, "--max-runs "),
        code if Code::GUARDS.contains(&code) => {
            let way = format!("--allow {code}");
            assert!(finding.help.iter().any(|help| help.contains(&way)), "{finding:?}");
            basis.options.allow.insert(code);
        }
        _ => return None,
    }
    Some(basis)
}

fn old_with_schedule(step: &Step, finding: &Diagnostic) -> Option<TaskId> {
    let Change::Replace { old, .. } = &step.change else { return None };
    let names = |id: TaskId| finding.message.starts_with(&format!("task {id} "));
    old.iter().map(|retirement| retirement.id).find(|id| names(*id))
}

fn number_in(help: &[String], before: &str) -> Option<usize> {
    let rest = help.iter().find_map(|help| help.split_once(before))?.1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
