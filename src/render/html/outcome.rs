//! The result of an apply as a page: its steps, its deployments with what was said in them, its plan.

use maud::{Markup, html};

use crate::diag::Diagnostic;
use crate::event::{DeploymentReport, Outcome, StepOutcome};
use crate::plan::{Plan, Step};
use crate::render::deployments;
use crate::render::escape::Untrusted;
use crate::render::html::page::{Keys, page};
use crate::render::html::plan::{about, keys, parts, remark};
use crate::render::html::transcript::turns;
use crate::render::outcome::{created, halted, verdict};
use crate::render::view::{Finding, PlanView, address as address_of};
use crate::render::words::past;

/// An apply that has ended, or that waits for its deployments.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    /// What was to be done.
    pub plan: &'a Plan,
    /// The result.
    pub outcome: &'a Outcome,
    /// The deployments that were waited for.
    pub runs: &'a [DeploymentReport],
}

/// Returns an apply as a page, with so many lines of context around changed ones.
pub fn applied(applied: Applied<'_>, context: usize) -> String {
    let Applied { plan, outcome, runs } = applied;
    let (view, verdict) = (PlanView::new(plan), verdict(plan, outcome));
    let ended = plan.steps.iter().filter_map(|step| Some((step, outcome.steps.get(&step.id)?)));
    let body = html! {
        header {
            h1 { "qcops apply" }
            p.verdict { (verdict) }
            @if !runs.is_empty() { p.verdict { (deployments::verdict(runs)) "." } }
            (about(&view))
        }
        main {
            @if !outcome.steps.is_empty() {
                section aria-label="The result of the steps" {
                    ul.ended { @for (step, outcome) in ended { (ending(plan, step, outcome)) } }
                }
            }
            @if !runs.is_empty() {
                section aria-label="Runs" { @for run in runs { (run_details(run)) } }
            }
            h2 { "The plan" }
            p.verdict { (view.counts.verdict()) }
            (parts(&view, context))
        }
    };
    let of_plan = keys(&view);
    let keys = Keys {
        places: of_plan.places || !runs.is_empty(),
        // The script opens steps where there are any, and all else where there are none.
        folds: of_plan.folds || !runs.is_empty(),
        ..of_plan
    };
    page(&format!("qcops: {verdict}"), keys, &body)
}

fn ending(plan: &Plan, step: &Step, outcome: &StepOutcome) -> Markup {
    let (action, address) = (step.change.action(), address_of(step).part());
    let finding = |kind, found: &Diagnostic| {
        remark(kind, found.code.as_str(), &Finding::new(found), &html! {})
    };
    let (word, line, findings) = match outcome {
        StepOutcome::Done(done) => {
            let notes = html! { @for note in &done.notes { (finding("note", note)) } };
            ("ok", format!("{}{}", past(action), created(done)), notes)
        }
        StepOutcome::Failed(found) => {
            ("failed", format!("not {}", past(action)), finding("failed", found))
        }
        StepOutcome::Unknown(found) => {
            let line = format!("it is unknown whether it was {}", past(action));
            ("unknown", line, finding("unknown", found))
        }
        StepOutcome::Skipped(first) => {
            let first = plan.steps.iter().find(|step| step.id == *first);
            let first =
                first.map_or_else(|| "another step".to_owned(), |step| address_of(step).part());
            ("skipped", format!("it waits for {first}, which did not end well"), html! {})
        }
        StepOutcome::NotStarted(why) => ("skipped", halted(*why).to_owned(), html! {}),
    };
    html! {
        li data-end=(word) {
            span.badge { (word) } " " strong.address { (address) } " " (line)
            (findings)
        }
    }
}

/// A deployment: what it failed, and what was said in it.
fn run_details(run: &DeploymentReport) -> Markup {
    let lines = deployments::lines(run);
    html! {
        details.run data-end=(deployments::word(run)) open[run.is_failed()] {
            summary {
                span.badge { (deployments::word(run)) } " "
                strong.address { (deployments::address(run)) } " "
                span.what { (deployments::head(run)) }
            }
            div.body {
                @if !lines.is_empty() { ul.ways { @for line in lines { li { (line) } } } }
                @match &run.transcript {
                    Ok(said) => (turns(&said.messages)),
                    Err(why) => p.reason {
                        "What was said is not known: " (Untrusted::new(why.as_str()).part())
                    },
                }
            }
        }
    }
}
