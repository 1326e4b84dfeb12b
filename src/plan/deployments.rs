//! Declared deployments against the deployments that exist (design 5).
//!
//! A declared deployment means that at least one run of the task's content exists, made at or after
//! `since`. A deployment counts only if its own prompt and agent are its task's. Which run serves which
//! declaration is decided in `matching`; here the verdicts become steps, each with its reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic};
use crate::manifest::{DeploymentState, DesiredDeployment, DesiredTask};
use crate::model::{ContentHash, DeploymentId, Key, counted};
use crate::observed::{
    Completeness, Listing, ObservedDeployment, ObservedTask, ReadRequest, ReadResult, Status,
};
use crate::plan::assign::{CandidateDeployment, Declared, Pairing, Verdict, assign};
use crate::plan::counting::{conversations, counts_for, is_since, may_be_since};
use crate::plan::deployment_status::instant;
use crate::plan::missing::{why_missing, zone_question};
use crate::plan::{Change, PlanInputs, StepId, StepStatus, TaskRef, Watch, WatchedDeployment};

/// What one task's declared deployments come to.
#[derive(Default)]
pub(super) struct Runs {
    pub(super) runs: Vec<PlannedDeployment>,
    pub(super) notes: Vec<Diagnostic>,
}

/// What one declared deployment comes to.
pub(super) struct PlannedDeployment {
    pub(super) deployment: Key,
    /// What is done about it.
    pub(super) step: Option<(Change, String, StepStatus)>,
    /// The deployment to be waited for and judged, if there is or will be one.
    pub(super) watch: Option<TaskWatch>,
}

/// A watch whose deployment may be one that a step is yet to start.
pub(super) struct TaskWatch(Option<DeploymentId>, Watch);

impl TaskWatch {
    /// Names the deployment; without one, and without a step that starts one, there is nothing to watch.
    pub(super) fn finish(self, step: Option<StepId>) -> Option<Watch> {
        let run = match self.0 {
            Some(id) => WatchedDeployment::Seen(id),
            None => WatchedDeployment::StartedBy(step?),
        };
        Some(Watch { run, ..self.1 })
    }
}

/// Plans the deployments of one task.
#[derive(Clone, Copy)]
pub(super) struct DeploymentPlanner<'a, 'b> {
    pub(super) key: &'b Key,
    pub(super) inputs: &'b PlanInputs<'a>,
}

/// A deployment that counts, with what users said in it: whole, and without the task's prompt.
struct Counted<'a> {
    seen: &'a ObservedDeployment,
    turns: Result<(Vec<Arc<str>>, usize), String>,
    is_unanswered: bool,
}

/// The task that deployments are started of, and what it is to hold.
#[derive(Clone, Copy)]
struct DeployTarget {
    task: TaskRef,
    content: ContentHash,
}

impl DeployTarget {
    fn new(desired: &DesiredTask, task: TaskRef) -> Self {
        Self { task, content: desired.content() }
    }
}

/// A declared deployment with its key.
type DeclaredEntry<'w> = (&'w Key, &'w DesiredDeployment);

impl Counted<'_> {
    /// Whether it is at work and does not show yet what was said in it.
    fn is_hidden(&self) -> bool {
        !self.seen.status.is_terminal() && self.turns.is_err()
    }
}

impl<'a> DeploymentPlanner<'a, '_> {
    /// A task that is yet to be made has no deployments: all that are due are started.
    pub(super) fn new_task(self, desired: &DesiredTask, step: StepId) -> Runs {
        let mut runs = Runs::default();
        let target = DeployTarget::new(desired, TaskRef::MadeBy(step));
        let (due, not_due) = self.due(desired);
        for (key, declared) in due {
            runs.runs.extend(self.start(key, declared, target, "a new task has no deployment yet"));
        }
        runs.runs.extend(not_due.iter().filter_map(|it| self.not_due(it.0, it.1, target)));
        runs
    }

    /// A task that exists: every declaration is served, waits, or gets a deployment.
    pub(super) fn existing(self, desired: &DesiredTask, task: &ObservedTask) -> Runs {
        let target = DeployTarget::new(desired, TaskRef::Existing(task.id));
        let (due, not_due) = self.due(desired);
        let mut runs = Runs::default();
        match self.gap(task).filter(|_| !due.is_empty()) {
            Some(finding) => {
                let status = StepStatus::Blocked(finding);
                let blocked = due.iter();
                let blocked = blocked.map(|it| self.undecided(it.0, it.1, target, status.clone()));
                runs.runs.extend(blocked);
            }
            None => self.serve(&due, &self.counted(desired, task), target, &mut runs),
        }
        runs.runs.extend(not_due.iter().filter_map(|it| self.not_due(it.0, it.1, target)));
        runs
    }

    /// Why it cannot be told which runs the task has, if it cannot.
    fn gap(self, task: &ObservedTask) -> Option<Diagnostic> {
        match self.inputs.state.deployments.get(&task.id) {
            None => Some(incomplete(task, "they were not read")),
            Some(Listing { coverage: Completeness::Partial(why), .. }) => {
                Some(incomplete(task, why))
            }
            Some(observed) => {
                let none_counts = !observed.items.iter().any(|run| counts_for(run, task));
                (none_counts && !observed.items.is_empty()).then(|| unlike(task, observed))
            }
        }
    }

    /// Turns the verdicts about declarations that are due into steps.
    fn serve(
        self,
        due: &[DeclaredEntry<'_>],
        counted: &[Counted<'_>],
        target: DeployTarget,
        runs: &mut Runs,
    ) {
        let offset = self.inputs.desired_state.service_utc_offset;
        let verdicts = self.verdicts(due, counted);
        let taken: BTreeSet<usize> = verdicts.iter().filter_map(serving).collect();
        for ((key, declared), verdict) in due.iter().zip(verdicts) {
            let planned = match verdict {
                Verdict::Served { run, sent } => {
                    Some(self.served(key, declared, &counted[run], sent, &mut runs.notes))
                }
                Verdict::Unknown { run } => {
                    Some(self.unknown(key, declared, target, &counted[run]))
                }
                Verdict::Diverged { run } => Some(diverged(key, declared, &counted[run])),
                Verdict::Missing => {
                    let undecided = (0..counted.len())
                        .filter(|run| !taken.contains(run))
                        .find(|run| may_be_since(counted[*run].seen, declared, offset));
                    if let Some(run) = undecided {
                        let finding = zone_question(counted[run].seen, declared);
                        let status = StepStatus::Blocked(finding);
                        Some(self.undecided(key, declared, target, status))
                    } else {
                        let is_since = |at: usize| is_since(counted[at].seen, declared, offset);
                        let fits = (0..counted.len()).map(|at| (is_since(at), taken.contains(&at)));
                        self.start(key, declared, target, &why_missing(fits))
                    }
                }
            };
            runs.runs.extend(planned);
        }
    }

    /// Which run serves which declaration.
    ///
    /// A deployment that is at work and does not show its conversation yet is taken for one that was
    /// sent nothing, where it can be no other's: it is sent nothing before it is idle, and what a plan
    /// shows, and its digest, does not change when it is.
    fn verdicts(self, due: &[DeclaredEntry<'_>], counted: &[Counted<'_>]) -> Vec<Verdict> {
        let declarations: Vec<Declared<'_>> = due
            .iter()
            .map(|(_, declared)| Declared {
                since: declared.since,
                follow_ups: &declared.follow_ups,
                needs_run: declared.state != DeploymentState::Stopped,
            })
            .collect();
        let offset = self.inputs.desired_state.service_utc_offset;
        let started = self.inputs.evidence.keys.get(self.key).map(|known| &known.started);
        let started_for = |run: usize| started?.get(&counted[run].seen.id);
        let pairing = Pairing {
            may_serve: &|declared, run| is_since(counted[run].seen, due[declared].1, offset),
            is_own: &|declared, run| started_for(run) == Some(due[declared].0),
        };
        let assigned = |takes_hidden: bool| {
            let turns = |run: &Counted<'_>| match &run.turns {
                Ok((turns, skip)) => Some(turns[*skip..].to_vec()),
                Err(_) => (takes_hidden && run.is_hidden()).then(Vec::new),
            };
            let candidates: Vec<CandidateDeployment> =
                counted.iter().map(|run| CandidateDeployment { turns: turns(run) }).collect();
            assign(&declarations, &candidates, pairing)
        };
        let mut verdicts = assigned(false);
        if !verdicts.iter().any(|verdict| matches!(verdict, Verdict::Unknown { .. })) {
            return verdicts;
        }
        let taken: BTreeSet<usize> = verdicts.iter().filter_map(serving).collect();
        let likely = assigned(true);
        for ((verdict, likely), declared) in verdicts.iter_mut().zip(likely).zip(&declarations) {
            let is_free = |run: usize| {
                declared.needs_run && counted[run].is_hidden() && !taken.contains(&run)
            };
            if matches!(verdict, Verdict::Unknown { .. }) && serving(&likely).is_some_and(is_free) {
                *verdict = likely;
            }
        }
        verdicts
    }

    /// The declarations whose time has come, and the others.
    fn due(self, desired: &DesiredTask) -> (Vec<DeclaredEntry<'_>>, Vec<DeclaredEntry<'_>>) {
        let now = self.inputs.state.observed_at;
        let is_due = |declared: &DesiredDeployment| declared.since.is_none_or(|since| since <= now);
        desired.deployments.iter().partition(|(_, declared)| is_due(declared))
    }

    /// A declaration whose time has not come: shown with all that it leads to, so that it is reviewed.
    fn not_due(
        self,
        key: &Key,
        declared: &DesiredDeployment,
        target: DeployTarget,
    ) -> Option<PlannedDeployment> {
        let since = declared.since.filter(|_| declared.state != DeploymentState::Stopped)?;
        let finding = Diagnostic::note(Code::NotDue, format!("it is not due before {since}"));
        let status = StepStatus::Deferred(finding.help("an apply after that time starts it"));
        let step = Some((self.run(declared, target), "its time has not come".to_owned(), status));
        Some(PlannedDeployment { deployment: key.clone(), step, watch: None })
    }

    /// A declaration of which it cannot be told whether a deployment of it exists.
    fn undecided(
        self,
        key: &Key,
        declared: &DesiredDeployment,
        target: DeployTarget,
        status: StepStatus,
    ) -> PlannedDeployment {
        let step = (self.run(declared, target), cannot_tell(), status);
        PlannedDeployment { deployment: key.clone(), step: Some(step), watch: None }
    }

    /// The deployments of the task that count, the oldest first.
    ///
    /// A conversation that was read for something else does not count, or a look at it could move a
    /// deployment from one declaration to another.
    fn counted(self, desired: &DesiredTask, task: &ObservedTask) -> Vec<Counted<'a>> {
        let state = self.inputs.state;
        let asked = conversations(self.inputs, desired, task);
        let conversation = |id: &DeploymentId| {
            let is_asked = asked.contains(&ReadRequest::Conversation(id.clone()));
            state.conversations.get(id).filter(|_| is_asked)
        };
        let observed = state.deployments.get(&task.id);
        let all = observed.into_iter().flat_map(|observed| &observed.items);
        let mut counted: Vec<Counted<'a>> = all
            .filter(|run| counts_for(run, task))
            .map(|seen| match conversation(&seen.id) {
                Some(ReadResult::Seen(transcript)) => {
                    let turns = transcript.user_turns().map(|turns| {
                        let turns: Vec<Arc<str>> =
                            turns.into_iter().map(|turn| turn.text).collect();
                        let skip = usize::from(turns.first() == task.prompt());
                        (turns, skip)
                    });
                    Counted { seen, turns, is_unanswered: transcript.is_unanswered() }
                }
                Some(ReadResult::Refused(why) | ReadResult::Unreadable(why)) => {
                    Counted { seen, turns: Err(why.clone()), is_unanswered: false }
                }
                None => {
                    let why = "the conversation was not read".to_owned();
                    Counted { seen, turns: Err(why), is_unanswered: false }
                }
            })
            .collect();
        counted.sort_by(|a, b| (a.seen.created, &a.seen.id).cmp(&(b.seen.created, &b.seen.id)));
        counted
    }

    /// A deployment that serves a declaration: stopped, sent its next follow-up, or left alone.
    fn served(
        self,
        key: &Key,
        declared: &DesiredDeployment,
        run: &Counted<'_>,
        sent: usize,
        notes: &mut Vec<Diagnostic>,
    ) -> PlannedDeployment {
        let ObservedDeployment { id, status, .. } = run.seen;
        if *status == Status::Failed {
            let why = run.seen.runtime_error.as_deref();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("deployment {id} of `{}/{key}` has failed{why}", self.key);
            let finding = Diagnostic::note(Code::DeploymentFailed, message);
            notes.push(finding.help("moving `since` behind it asks for another deployment"));
        }
        let next = declared.follow_ups.get(sent..).unwrap_or_default();
        let wants_stop = declared.state == DeploymentState::Stopped;
        let step = if wants_stop {
            (!status.is_terminal()).then(|| {
                let reason = format!("it is {status} and declared as stopped");
                (Change::Stop { run: id.clone() }, reason, StepStatus::Ready)
            })
        } else {
            next.first().map(|prompt| {
                let turns = run.turns.as_ref().map(|(turns, _)| turns.clone());
                let change = Change::Prompt {
                    run: id.clone(),
                    prompt: Arc::clone(prompt),
                    turns: turns.unwrap_or_default(),
                    later: next[1..].to_vec(),
                };
                let created =
                    run.seen.created.map_or_else(String::new, |at| format!(", made {at},"));
                let all = counted(declared.follow_ups.len(), "follow-up", "follow-ups");
                let reason =
                    format!("deployment {id}{created} is {status} and was sent {sent} of {all}");
                (change, reason, follow_up_gate(run, self.inputs.options.waits))
            })
        };
        let watch = Some(self.watch(key, declared, Some(run.seen)));
        PlannedDeployment { deployment: key.clone(), step, watch }
    }

    /// A declaration whose deployment cannot be told: what was said in a deployment is not known.
    fn unknown(
        self,
        key: &Key,
        declared: &DesiredDeployment,
        target: DeployTarget,
        run: &Counted<'_>,
    ) -> PlannedDeployment {
        let why = run.turns.as_ref().err().map_or("", String::as_str);
        let message = format!("what was said in deployment {} is not known: {why}", run.seen.id);
        let status = if run.seen.status.is_terminal() {
            let finding = Diagnostic::blocked(Code::ConversationUnknown, message);
            let finding = finding
                .help("run this again; if it stays, look at the deployment in the web interface");
            StepStatus::Blocked(
                finding.help("or move `since` behind it to ask for another deployment"),
            )
        } else {
            let finding = Diagnostic::note(Code::DeploymentBusy, message);
            StepStatus::Deferred(finding.help(if self.inputs.options.waits {
                "it is still at work: this apply waits for it"
            } else {
                "it is still at work: run this again later, or `apply --wait`"
            }))
        };
        self.undecided(key, declared, target, status)
    }

    /// A declaration without a deployment; one that is to be stopped needs none.
    fn start(
        self,
        key: &Key,
        declared: &DesiredDeployment,
        target: DeployTarget,
        reason: &str,
    ) -> Option<PlannedDeployment> {
        if declared.state == DeploymentState::Stopped {
            return None;
        }
        let step = Some((self.run(declared, target), reason.to_owned(), StepStatus::Ready));
        let watch = Some(self.watch(key, declared, None));
        Some(PlannedDeployment { deployment: key.clone(), step, watch })
    }

    fn run(
        self,
        declared: &DesiredDeployment,
        DeployTarget { task, content }: DeployTarget,
    ) -> Change {
        let seen = match task {
            TaskRef::Existing(id) => self.inputs.state.deployments.get(&id),
            TaskRef::MadeBy(_) => None,
        };
        let seen = seen.into_iter().flat_map(|observed| &observed.items);
        let offset = self.inputs.desired_state.service_utc_offset;
        Change::Deploy {
            task,
            seen: seen.map(|run| run.id.clone()).collect(),
            since: declared.since.map(|since| (since, offset)),
            content,
            later: declared.follow_ups.clone(),
        }
    }

    fn watch(
        self,
        key: &Key,
        declared: &DesiredDeployment,
        run: Option<&ObservedDeployment>,
    ) -> TaskWatch {
        let placeholder = WatchedDeployment::StartedBy(StepId(0));
        let watch = Watch {
            key: self.key.clone(),
            deployment: key.clone(),
            run: placeholder,
            created: run
                .and_then(|run| instant(run.created, self.inputs.desired_state.service_utc_offset)),
            timeout: declared.timeout,
            expect: declared.expect.clone(),
        };
        TaskWatch(run.map(|run| run.id.clone()), watch)
    }
}

/// The deployment that serves a declaration.
fn serving(verdict: &Verdict) -> Option<usize> {
    match verdict {
        Verdict::Served { run, .. } => Some(*run),
        _ => None,
    }
}

/// Whether the next follow-up may be sent: only an idle deployment is sent one.
fn follow_up_gate(run: &Counted<'_>, waits: bool) -> StepStatus {
    let ObservedDeployment { id, status, .. } = run.seen;
    let busy = |why: String| {
        let finding = Diagnostic::note(Code::DeploymentBusy, why);
        StepStatus::Deferred(finding.help(if waits {
            "this apply waits for it and sends the follow-up once it is idle"
        } else {
            "run this again once it is idle, or `apply --wait`"
        }))
    };
    match status {
        Status::Completed if run.is_unanswered => {
            busy(format!("the agent of deployment {id} has not answered the last prompt yet"))
        }
        Status::Completed => StepStatus::Ready,
        Status::Failed | Status::Stopped => {
            let message = format!(
                "deployment {id} has ended as {status}, and follow-ups are still to be sent"
            );
            let finding = Diagnostic::blocked(Code::DeploymentEnded, message);
            StepStatus::Blocked(finding.help("move `since` behind it to ask for another deployment, or take the rest out of `followUps`"))
        }
        status => busy(format!("deployment {id} is {status}")),
    }
}

/// A deployment that was told something else: shown turn by turn.
fn diverged(key: &Key, declared: &DesiredDeployment, run: &Counted<'_>) -> PlannedDeployment {
    let id = run.seen.id.clone();
    let said: Vec<Arc<str>> =
        run.turns.as_ref().map(|(turns, skip)| turns[*skip..].to_vec()).unwrap_or_default();
    let same = said.iter().zip(&declared.follow_ups).take_while(|(a, b)| a == b).count();
    let message = format!("deployment {id} was told something else than follow-up {}", same + 1);
    let finding = Diagnostic::blocked(Code::Diverged, message)
        .help("write what was said into `followUps`, if that is what you want to go on from")
        .help("or move `since` behind the deployment to ask for another one");
    let change = Change::Diverged { run: id, said, declared: declared.follow_ups.clone() };
    let reason = "what was said cannot be unsaid".to_owned();
    let step = Some((change, reason, StepStatus::Blocked(finding)));
    PlannedDeployment { deployment: key.clone(), step, watch: None }
}

fn cannot_tell() -> String {
    "it cannot be told whether one exists".to_owned()
}

fn incomplete(task: &ObservedTask, why: &str) -> Diagnostic {
    let message = format!("the deployments of task {} are not known: {why}", task.id);
    Diagnostic::blocked(Code::IncompleteRead, message).help("run this again")
}

fn unlike(task: &ObservedTask, observed: &Listing<ObservedDeployment>) -> Diagnostic {
    let runs = counted(observed.items.len(), "run", "runs");
    let message = format!(
        "task {} has {runs} and none shows the task's own prompt and agent, so it cannot be told \
         whether the wanted run exists",
        task.id
    );
    Diagnostic::blocked(Code::DeploymentUnlikeTask, message)
        .help("look at the deployments in the web interface; delete the declaration if one of them is the wanted one")
}
