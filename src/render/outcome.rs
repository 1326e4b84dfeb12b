//! What apply did, as text: one line for each event while it works, and a summary at its end.

use std::fmt;

use crate::diag::{Code, Diagnostic};
use crate::event::{Done, Event, HaltReason, Outcome, StepOutcome};
use crate::plan::{Plan, Step, StepId, StepStatus};
use crate::render::escape::Untrusted;
use crate::render::paint::Label;
use crate::render::text::{MOST_OF_A_KIND, TextOptions, TextWriter};
use crate::render::view::{Finding, address};
use crate::render::words::{self, gerund, label, past, symbol};
use crate::render::wrap::Wrapped;

/// The longest summary that needs its verdict only once.
const SHORT: usize = 10;

/// Returns an event as one line, for logs and other places that are no terminal; how the deployments stand
/// is no line there, because each change has its own.
pub fn progress_line(event: &Event<'_>) -> Option<String> {
    let line = match event {
        Event::Standing(_) | Event::Findings(_) | Event::Gap(_) => return None,
        Event::Started(step) => {
            format!("{} {} ...", gerund(step.change.action()), address(step).part())
        }
        Event::Settling { step, checking_again_in } => {
            // Rounded up, so that it never says 0 s.
            let seconds = checking_again_in.as_millis().div_ceil(1000);
            format!("checking again in {seconds} s: {}", doubt(step))
        }
        Event::Deploy { key, deployment, id, status, waited } => {
            let word = Untrusted::new(status.to_string()).part();
            let id = Untrusted::new(id.0.as_str()).part();
            format!("run {key}/{deployment}: {word} after {} s ({id})", waited.as_secs())
        }
        Event::Finished(step, outcome) => {
            let (action, address) = (step.change.action(), address(step).part());
            match outcome {
                StepOutcome::Done(done) => {
                    format!("{} {address}{}", past(action), created(done))
                }
                StepOutcome::Failed(finding) => {
                    format!("failed {}: {}", failing(step, finding), worded(finding))
                }
                StepOutcome::Unknown(finding) => {
                    format!("unknown: {}: {}", doubt(step), worded(finding))
                }
                StepOutcome::Skipped(_) => {
                    format!("skipped {address}: a step that it waits for did not end well")
                }
                StepOutcome::NotStarted(why) => format!("not done {address}: {}", halted(*why)),
            }
        }
    };
    Some(line)
}

/// Writes the summary of an apply.
pub fn render(
    plan: &Plan,
    outcome: &Outcome,
    options: &TextOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let out: &mut dyn fmt::Write = &mut wrapped;
    let verdict = options.color.paint(Label::Verdict, verdict(plan, outcome));
    let mut body = String::new();
    let mut summary = Summary { plan, outcome, text: TextWriter { options, out: &mut body } };
    summary.done()?;
    summary.not_done()?;
    writeln!(out, "{verdict}")?;
    out.write_str(&body)?;
    // Where a long report is read on a terminal, its end is what is seen.
    if body.lines().count() > SHORT { writeln!(out, "\n{verdict}") } else { Ok(()) }
}

/// Returns the counts of an apply as one line of our own words.
pub(super) fn verdict(plan: &Plan, outcome: &Outcome) -> String {
    let count = |is_meant: fn(&StepOutcome) -> bool| outcome.count(is_meant);
    let is_deferred = |step: &&Step| matches!(step.status, StepStatus::Deferred(_));
    let deferred = plan.steps.iter().filter(is_deferred).count();
    let done = count(|step| matches!(step, StepOutcome::Done(_)));
    let left = [
        (count(|step| matches!(step, StepOutcome::Failed(_))), "failed"),
        (count(|step| matches!(step, StepOutcome::Skipped(_))), "skipped"),
        (count(|step| matches!(step, StepOutcome::Unknown(_))), "unknown"),
        (count(|step| matches!(step, StepOutcome::NotStarted(_))), "not started"),
    ];
    let word = match (outcome.is_interrupted, left.iter().any(|(count, _)| *count > 0)) {
        (true, _) => "interrupted",
        (false, true) => "incomplete",
        (false, false) => "complete",
    };
    let held = [(deferred, "deferred"), (plan.blocks().count(), "blocked")];
    let all = std::iter::once((done, "succeeded")).chain(left).chain(held);
    let counts = words::counts(all);
    // An apply of nothing has succeeded in nothing, which is worth saying.
    let counts = if counts.is_empty() { "0 succeeded".to_owned() } else { counts };
    format!("Apply {word}: {counts}.")
}

/// A summary on its way out.
struct Summary<'s> {
    plan: &'s Plan,
    outcome: &'s Outcome,
    text: TextWriter<'s>,
}

impl<'s> Summary<'s> {
    /// What was made, with its ids, then what was worth knowing about it.
    fn done(&mut self) -> fmt::Result {
        let done: Vec<(&Step, &Done)> = self
            .ended()
            .into_iter()
            .filter_map(|(step, outcome)| match outcome {
                StepOutcome::Done(done) => Some((step, done)),
                _ => None,
            })
            .collect();
        let shown = self.shown(done.len());
        for (step, done) in &done[..shown] {
            let action = step.change.action();
            let symbol = self.paint(label(action), format!("{:>3}", symbol(action)));
            let address = address(step).part();
            writeln!(self.text.out, "{symbol} {address} {}{}", past(action), created(done))?;
        }
        self.text.left_out("    ", done.len() - shown, "done")?;
        for (step, done) in &done {
            for note in &done.notes {
                let title = self.paint(Label::Note, format!("note[{}]", note.code));
                let title = format!("{title} {}", address(step).part());
                self.text.finding(&title, &Finding::new(note))?;
            }
        }
        Ok(())
    }

    /// What was not done: skipped steps, then failed ones, and last what nobody knows.
    fn not_done(&mut self) -> fmt::Result {
        let ended = self.ended();
        let skipped = ended.iter().filter_map(|(step, outcome)| match outcome {
            StepOutcome::NotStarted(why) => Some((*step, Err(*why))),
            StepOutcome::Skipped(first) => Some((*step, Ok(*first))),
            _ => None,
        });
        let skipped: Vec<(&Step, Result<StepId, HaltReason>)> = skipped.collect();
        let shown = self.shown(skipped.len());
        for (step, first) in &skipped[..shown] {
            self.skipped(step, *first)?;
        }
        self.text.left_out("", skipped.len() - shown, "skipped or not done")?;

        let failed = ended.iter().filter_map(|(step, outcome)| match outcome {
            StepOutcome::Failed(finding) => Some((*step, finding)),
            _ => None,
        });
        let failed: Vec<(&Step, &Diagnostic)> = failed.collect();
        let shown = self.shown(failed.len());
        for (step, finding) in &failed[..shown] {
            let title = self.paint(Label::Blocked, format!("failed[{}]", finding.code));
            let what = failing(step, finding);
            self.text.finding(&format!("{title} {what}"), &Finding::new(finding))?;
        }
        self.text.left_out("", failed.len() - shown, "failed")?;

        // Never cut: each needs a person.
        for (step, outcome) in &ended {
            if let StepOutcome::Unknown(finding) = outcome {
                let title = self.paint(Label::Blocked, format!("unknown[{}]", finding.code));
                let finding = Finding::new(finding);
                writeln!(self.text.out, "{title}: {}, and a person has to check.", doubt(step))?;
                writeln!(self.text.out, "  {}", finding.message.line())?;
                self.text.ways(&finding)?;
            }
        }
        Ok(())
    }

    /// A step that was not begun: because of the step it waits for, or because apply ended before.
    fn skipped(&mut self, step: &Step, why: Result<StepId, HaltReason>) -> fmt::Result {
        let shown = address(step).part();
        let (word, why) = match why {
            Ok(first) => {
                let first = self.address_of(first);
                ("skipped", format!("it waits for {first}, which did not end well"))
            }
            Err(why) => ("not done", halted(why).to_owned()),
        };
        let title = self.paint(Label::Deferred, word);
        writeln!(self.text.out, "{title} {shown}: {why}")
    }

    /// How many of `all` are shown.
    fn shown(&self, all: usize) -> usize {
        self.text.shown(all, MOST_OF_A_KIND)
    }

    /// The plan's steps that have an outcome, in the plan's order.
    fn ended(&self) -> Vec<(&'s Step, &'s StepOutcome)> {
        let outcomes = &self.outcome.steps;
        let steps = self.plan.steps.iter();
        steps.filter_map(|step| Some((step, outcomes.get(&step.id)?))).collect()
    }

    fn address_of(&self, id: StepId) -> String {
        let step = self.plan.steps.iter().find(|step| step.id == id);
        step.map_or_else(|| "another step".to_owned(), |step| address(step).part())
    }

    fn paint(&self, label: Label, text: impl fmt::Display) -> String {
        self.text.options.color.paint(label, text)
    }
}

/// Returns `: agent 105`, `: task 512`, `: deployment A-...`, or nothing.
pub(super) fn created(done: &Done) -> String {
    let agent = done.agent.map(|id| format!("agent {id}"));
    let task = done.task.map(|id| format!("task {id}"));
    let deployment =
        done.deployment.as_ref().map(|id| format!("deployment {}", Untrusted::new(&*id.0).part()));
    let created: Vec<String> = agent.into_iter().chain(task).chain(deployment).collect();
    if created.is_empty() { String::new() } else { format!(": {}", created.join(", ")) }
}

/// Words why a step was not begun.
pub(super) fn halted(why: HaltReason) -> &'static str {
    match why {
        HaltReason::Interrupted => "apply was interrupted before it",
        HaltReason::CredentialsRefused => "the service refused the credentials before it",
        HaltReason::MadeElsewhere => "somebody else made the same, and apply ended before it",
        HaltReason::StoredDifferently => {
            "the service stored something else than was sent, and apply ended before it"
        }
        HaltReason::NotReadBack => {
            "what was made could not be read back, and apply ended before it"
        }
        HaltReason::LeaseLost => "the lease was lost before it",
    }
}

/// Names plainly what is not known.
fn doubt(step: &Step) -> String {
    format!("it is unknown whether {} was {}", address(step).part(), past(step.change.action()))
}

/// Names what failed; what was carried out and shows otherwise is not said to have failed to happen.
fn failing(step: &Step, finding: &Diagnostic) -> String {
    let address = address(step).part();
    match finding.code {
        Code::ReadBackDiffers => address,
        _ => format!("to {} {address}", step.change.action()),
    }
}

fn worded(finding: &Diagnostic) -> String {
    format!("{} [{}]", Untrusted::new(&*finding.message).part(), finding.code)
}
