//! The judge: laws over the emulator's world and the history of requests, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use crate::emulator::{Status, Task, World};
use crate::kinds::AGENT_ID;
use crate::model::{ContentHash, Key, archived_base};
use crate::rehearse::cut::Cut;
use crate::rehearse::machine::Call;
use crate::rehearse::stage::ARTIFACTS;
use crate::rehearse::story::{Act, Prepared};
use crate::resource::Object;

/// What has to be made, told from the manifest and the world before.
#[derive(Default)]
pub(super) struct Needs {
    /// By content: the key, whether a task has to be made, and how many runs have to be started.
    desired: BTreeMap<ContentHash, Need>,
}

struct Need {
    key: Key,
    tasks: usize,
    runs: usize,
    declared_runs: usize,
}

impl Needs {
    pub(super) fn of(act: &Act, world: &World) -> Self {
        let mut desired = BTreeMap::new();
        if act.destroys.is_some() {
            return Self { desired };
        }
        for (key, task) in &act.desired_state.tasks {
            let hash = task.content();
            let equal = || world.tasks().filter(|seen| content(seen) == Some(hash));
            let runs: usize = equal().map(|seen| seen.runs.len()).sum();
            let declared_runs = task.deployments.len();
            let need = Need {
                key: key.clone(),
                tasks: usize::from(equal().next().is_none()),
                runs: declared_runs.saturating_sub(runs),
                declared_runs,
            };
            desired.insert(hash, need);
        }
        Self { desired }
    }

    /// How many tasks have to be made.
    pub(super) fn tasks(&self) -> usize {
        self.desired.values().map(|need| need.tasks).sum()
    }
}

/// What the judge says.
#[derive(Default)]
pub(super) struct Verdict {
    /// Every law that does not hold, in words.
    pub(super) wrong: Vec<String>,
    /// The most creates that stayed for a key that needed one.
    pub(super) most_creates: usize,
    /// The most runs that were paid for a declared run.
    pub(super) most_runs: usize,
}

/// Judges a story by the world it ends in and by its requests.
pub(super) fn judge(
    unit: &Prepared<'_>,
    end: &World,
    calls: &[Call],
    is_at_rest: bool,
    settle: Duration,
) -> Verdict {
    let mut verdict = Verdict::default();
    judge_tasks(unit, end, is_at_rest, &mut verdict);
    let mut wrong = std::mem::take(&mut verdict.wrong);
    judge_others(unit, end, calls, &mut wrong);
    if is_at_rest && unit.destroys() {
        judge_destroyed(unit, end, &mut wrong);
    }
    let last = unit.story.acts.last().filter(|_| !unit.destroys()).map(|act| &act.desired_state);
    let declared = last.into_iter().flat_map(|desired_state| desired_state.tasks.values());
    let needed = declared.flat_map(|task| task.deployments.values());
    let needed = needed.map(|deployment| deployment.follow_ups.len()).sum();
    judge_follow_ups(end, needed, is_at_rest, &mut wrong);
    let settle = SignedDuration::try_from(settle).unwrap_or(SignedDuration::MAX);
    judge_creates(calls, settle, &mut wrong);
    judge_runs(unit, end, calls, settle, &mut wrong);
    Verdict { wrong, ..verdict }
}

/// Creates per key that stayed, and paid runs per declared run.
fn judge_tasks(unit: &Prepared<'_>, end: &World, is_at_rest: bool, verdict: &mut Verdict) {
    let Verdict { wrong, most_creates, most_runs } = verdict;
    let before: BTreeSet<u64> = unit.world.tasks().map(|task| task.id).collect();
    let old_runs: BTreeSet<&str> = unit.world.deployments().map(|run| run.id.as_str()).collect();
    let needs = &unit.needs.desired;
    for (hash, need) in needs {
        let equal: Vec<&Task> = end.tasks().filter(|task| content(task) == Some(*hash)).collect();
        let created = equal.iter().filter(|task| !before.contains(&task.id)).count();
        *most_creates = created.max(*most_creates);
        if created > need.tasks {
            wrong.push(format!("duplicate task: {created} tasks of `{}` were made", need.key));
        }
        let live = equal.iter().filter(|task| archived_base(&task.name).is_none()).count();
        if is_at_rest && live == 0 {
            wrong.push(format!("lost: no task of `{}` is there", need.key));
        }
        let runs = equal.iter().flat_map(|task| &task.runs);
        let new = runs.clone().filter(|id| !old_runs.contains(id.as_str())).count();
        if need.runs > 0 {
            *most_runs = new.div_ceil(need.runs).max(*most_runs);
        }
        if new > need.runs {
            wrong.push(format!("duplicate run: {new} runs of `{}` were paid", need.key));
        }
        if is_at_rest && runs.count() < need.declared_runs {
            wrong.push(format!("lost: a run of `{}` is missing", need.key));
        }
    }
    // The same over everything, whatever the service made of the contents.
    let created = end.tasks().filter(|task| !before.contains(&task.id)).count();
    let needed: usize = needs.values().map(|need| need.tasks).sum();
    if created > needed {
        wrong.push(format!("duplicate task: {created} tasks were made, {needed} were needed"));
    }
    let new = end.deployments().filter(|run| !old_runs.contains(run.id.as_str())).count();
    let needed: usize = needs.values().map(|need| need.runs).sum();
    if new > needed {
        wrong.push(format!("duplicate run: {new} runs were paid, {needed} were needed"));
    }
}

/// Every turn of a user once in each run, and every declared follow-up there once all is at rest and
/// every run has come to its end.
fn judge_follow_ups(end: &World, needed: usize, is_at_rest: bool, wrong: &mut Vec<String>) {
    let mut sent = 0;
    for run in end.deployments() {
        let turns: Vec<_> = run.messages.iter().filter(|message| message.role == "user").collect();
        let distinct: BTreeSet<String> =
            turns.iter().map(|turn| format!("{:?}", turn.parts)).collect();
        if distinct.len() < turns.len() {
            wrong.push(format!("duplicate follow-up: a turn of run {} was sent twice", run.id));
        }
        sent += turns.len().saturating_sub(1);
    }
    let is_over = end.deployments().all(|run| run.status == Status::Completed);
    if is_at_rest && is_over && sent < needed {
        wrong.push(format!("lost: {sent} of {needed} follow-ups were sent"));
    }
}

/// What is not ours stays as it was, and nothing that holds a conversation goes.
fn judge_others(unit: &Prepared<'_>, end: &World, calls: &[Call], wrong: &mut Vec<String>) {
    let after: BTreeMap<u64, &Task> = end.tasks().map(|task| (task.id, task)).collect();
    for foreign in unit.story.start.tasks() {
        // What a task of somebody else has become since is known from the world before the last act.
        if after.get(&foreign.id).is_none_or(|task| *task != foreign) {
            wrong.push(format!("unproven touched: task {} is not ours", foreign.id));
        }
    }
    let before: BTreeMap<u64, &Task> = unit.world.tasks().map(|task| (task.id, task)).collect();
    let is_to_go = |task: &Task| {
        unit.destroys_archived() && archived_base(&task.name).is_some() && !unit.is_foreign(task.id)
    };
    for (id, task) in &before {
        let is_gone = !after.contains_key(id);
        if is_gone && !is_to_go(task) && (task.ever > 0 || task.schedule.is_some()) {
            wrong.push(format!("lost: task {id} had a conversation and was deleted"));
        }
        if unit.destroys_archived() && !is_to_go(task) && after.get(id) != Some(task) {
            wrong.push(format!("lost: task {id} is not archived and was changed by a destroy"));
        }
    }
    let runs: BTreeSet<&str> = end.deployments().map(|run| run.id.as_str()).collect();
    for run in unit.world.deployments().filter(|run| !runs.contains(run.id.as_str())) {
        if !before.get(&run.task_id).is_some_and(|task| is_to_go(task)) {
            wrong.push(format!("lost: run {} was deleted", run.id));
        }
    }
    judge_saved(unit, calls, wrong);
    for call in calls.iter().filter(|call| call.path == "/agents/tasks/delete") {
        let id = field(&call.body, "taskId").as_u64().unwrap_or_default();
        if !before.contains_key(&id) {
            wrong.push(format!("lost: task {id} was made and deleted again"));
        }
    }
}

/// What is deleted with its conversations was saved before, every one of them.
fn judge_saved(unit: &Prepared<'_>, calls: &[Call], wrong: &mut Vec<String>) {
    for call in calls.iter().filter(|call| call.path.ends_with("/delete")) {
        let lost = unit.world.deployments().filter(|run| match call.path.as_str() {
            "/agents/tasks/delete" => field(&call.body, "taskId").as_u64() == Some(run.task_id),
            _ => field(&call.body, "deploymentId").as_str() == Some(&run.id),
        });
        for run in lost {
            let path = format!("{ARTIFACTS}/task-{}/{}", run.task_id, run.id);
            let is_saved =
                |ending: &str| call.saved.contains(Path::new(&format!("{path}.{ending}")));
            if !is_saved("json") || !is_saved("md") {
                wrong.push(format!("lost: run {} was not saved before {}", run.id, call.path));
            }
        }
    }
}

/// Once all is at rest nothing is left of what was to go.
fn judge_destroyed(unit: &Prepared<'_>, end: &World, wrong: &mut Vec<String>) {
    for task in end.tasks().filter(|task| !unit.is_foreign(task.id)) {
        let is_archived = archived_base(&task.name).is_some();
        if is_archived == unit.destroys_archived() {
            wrong.push(format!("task {} was to be destroyed and is there", task.id));
        }
    }
}

/// At most one create between two proofs of absence (F5).
fn judge_creates(calls: &[Call], settle: SignedDuration, wrong: &mut Vec<String>) {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (at, call) in calls.iter().enumerate() {
        if call.path != "/agents/tasks/create" {
            continue;
        }
        let what = format!("{} {}", field(&call.body, AGENT_ID), field(&call.body, "prompt"));
        if let Some(earlier) = last.get(&what).copied().filter(|at| may_have_worked(&calls[*at])) {
            let between = &calls[earlier + 1..at];
            let is_proof = |call: &&Call| {
                call.path == "/agents/tasks/list" && call.is_done && call.cut.is_none()
            };
            let waited = call.at.duration_since(calls[earlier].at);
            let proofs = between.iter().filter(is_proof).count();
            if proofs == 0 || waited < settle {
                wrong.push(format!(
                    "sent again without proof of absence: {what} after {waited:?} and {proofs} lists"
                ));
            }
        }
        last.insert(what, at);
    }
}

/// A run is never sent again by the process that sent it, and by the next one only once what was
/// sent before can no longer take effect.
fn judge_runs(
    unit: &Prepared<'_>,
    end: &World,
    calls: &[Call],
    settle: SignedDuration,
    wrong: &mut Vec<String>,
) {
    let declared: BTreeMap<u64, usize> = end
        .tasks()
        .filter_map(|task| Some((task.id, unit.needs.desired.get(&content(task)?)?.declared_runs)))
        .collect();
    let mut last: BTreeMap<u64, &Call> = BTreeMap::new();
    let mut sent: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.path == "/agents/deployments/create") {
        let task = field(&call.body, "taskId").as_u64().unwrap_or_default();
        if may_have_worked(call) {
            *sent.entry((call.process, task)).or_default() += 1;
        }
        let is_unknown = |earlier: &&Call| {
            earlier.process != call.process && !earlier.is_done && may_have_worked(earlier)
        };
        if let Some(earlier) = last.insert(task, call).filter(is_unknown) {
            let waited = call.at.duration_since(earlier.at);
            if waited < settle {
                wrong.push(format!("a run of task {task} was sent again after {waited:?}"));
            }
        }
    }
    for ((process, task), count) in sent {
        if count > declared.get(&task).copied().unwrap_or(0) {
            wrong.push(format!("process {process} sent {count} runs of task {task}"));
        }
    }
}

/// Whether the request may have taken effect as far as a client can know.
fn may_have_worked(call: &Call) -> bool {
    !call.is_refused && call.cut.is_none_or(Cut::is_unclear)
}

/// The content a task was made with, or `None` where the service shows none of ours.
fn content(task: &Task) -> Option<ContentHash> {
    let preference = task.project_preference.as_str();
    Object::task(&task.name, task.agent_id, preference, task.prompt.as_str()).content()
}

fn field(body: &[u8], name: &str) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body[name].clone()
}
