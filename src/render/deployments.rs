//! Deployments that were waited for: the result of each, as text and as JUnit XML.

use std::fmt;

use crate::diag::Gap;
use crate::event::{DeploymentEnd, DeploymentReport};
use crate::model::{counted, grouped};
use crate::observed::Status;
use crate::render::escape::Untrusted;
use crate::render::gaps;
use crate::render::junit::{self, TestCase, TestEnd, TestSuite};
use crate::render::paint::Label;
use crate::render::text::TextOptions;
use crate::render::words;
use crate::render::wrap::Wrapped;
use crate::transcript::{Failure, Transcript};

/// Writes the result of the deployments: passed ones in a line each, failed ones with what was found.
pub fn text(
    reports: &[DeploymentReport],
    options: &TextOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let (out, color): (&mut dyn fmt::Write, _) = (&mut wrapped, options.color);
    writeln!(out, "{}.", color.paint(Label::Verdict, verdict(reports)))?;
    for report in reports {
        let label = match (&report.end, report.is_failed()) {
            (DeploymentEnd::NotFollowed, _) => Label::Deferred,
            (_, true) => Label::Blocked,
            (_, false) => Label::Create,
        };
        let word = color.paint(label, format!("{:>6}", word(report)));
        writeln!(out, "{word} {}: {}", address(report), head(report))?;
        for line in lines(report) {
            writeln!(out, "       {line}")?;
        }
    }
    Ok(())
}

/// How many deployments ended how, in our own words.
pub(super) fn verdict(reports: &[DeploymentReport]) -> String {
    let failed = reports.iter().filter(|report| report.is_failed()).count();
    let open = reports.iter().filter(|report| report.end == DeploymentEnd::NotFollowed).count();
    let good = reports.len() - failed - open;
    let counts = [(good, "as expected"), (failed, "failed"), (open, "not waited for")];
    format!("Runs: {}", words::counts(counts))
}

/// How a deployment ended, in a word.
pub(super) fn word(report: &DeploymentReport) -> &'static str {
    match (&report.end, report.is_failed()) {
        (DeploymentEnd::NotFollowed, _) => "left",
        (_, true) => "failed",
        (_, false) => "ok",
    }
}

/// Why runs are no longer followed, in a word each.
pub(super) const ENDS: [&str; 7] =
    ["ended", "timed-out", "wait-over", "over-budget", "blocked", "lost", "interrupted"];

/// Why a deployment is no longer followed, for programs.
pub(super) fn end_word(end: &DeploymentEnd) -> &'static str {
    let at = match end {
        DeploymentEnd::Ended => 0,
        DeploymentEnd::TimedOut { .. } => 1,
        DeploymentEnd::WaitOver { .. } => 2,
        DeploymentEnd::OverBudget { .. } => 3,
        DeploymentEnd::Blocked => 4,
        DeploymentEnd::Lost(_) => 5,
        DeploymentEnd::NotFollowed => 6,
    };
    ENDS[at]
}

/// Which run it is, its status and its tokens.
pub(super) fn head(report: &DeploymentReport) -> String {
    let tokens = report.transcript.as_ref().ok().and_then(Transcript::tokens);
    let tokens = tokens.map_or_else(String::new, |tokens| format!(", {} tokens", grouped(tokens)));
    let id = Untrusted::new(report.id.0.as_str()).part();
    format!("deployment {id} is {}{tokens}", Untrusted::new(report.status.as_str()).part())
}

/// Why a deployment is no longer followed, and what does not hold of it.
pub(super) fn lines(report: &DeploymentReport) -> Vec<String> {
    end(report).into_iter().chain(report.failures.iter().map(found)).collect()
}

/// Writes the deployments as JUnit XML: each is a test, a failed expectation a failure. What of the evidence the
/// plan could not read is a property.
pub fn junit(
    reports: &[DeploymentReport],
    evidence: &[Gap],
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let noted = evidence.iter().filter(|gap| gap.reason.is_noted());
    let property = |gap: &Gap| (format!("evidence.{}", gap.reason.code()), gaps::in_one_line(gap));
    let suite = TestSuite {
        name: "qcops runs".to_owned(),
        properties: noted.map(property).collect(),
        cases: reports.iter().map(case).collect(),
    };
    junit::write(&[suite], out)
}

fn case(report: &DeploymentReport) -> TestCase {
    let lines = lines(report);
    TestCase {
        class: format!("task.{}", report.key),
        name: report.deployment.to_string(),
        seconds: report.waited.as_secs_f64(),
        end: match (&report.end, report.is_failed()) {
            (DeploymentEnd::NotFollowed, _) => TestEnd::Skipped(lines),
            (_, true) => TestEnd::Failed(lines),
            (_, false) => TestEnd::Passed,
        },
        output: format!(
            "deployment {} is {}",
            Untrusted::new(report.id.0.as_str()).part(),
            Untrusted::new(report.status.as_str()).part()
        ),
    }
}

pub(super) fn address(report: &DeploymentReport) -> String {
    format!("task.{}/{}", report.key, report.deployment)
}

/// What a failed expectation says, in one safe line.
fn found(failure: &Failure) -> String {
    let Failure { field, expected, found } = failure;
    let safe = |text: &str| Untrusted::new(text).part();
    format!("{field}: expected {}; found {}", safe(expected), safe(found))
}

/// Why a deployment is no longer followed, where that is worth a line.
fn end(report: &DeploymentReport) -> Option<String> {
    match &report.end {
        DeploymentEnd::Ended => report.is_cut_short().then(|| {
            let status = Untrusted::new(report.status.as_str()).part();
            let missing = counted(report.missing, "was", "were");
            format!("follow-ups: {missing} not sent; the deployment has ended as {status}")
        }),
        DeploymentEnd::TimedOut { limit } => {
            let what = if report.is_ours {
                "it was stopped"
            } else {
                "it goes on: this apply did not start it"
            };
            Some(format!("time limit: it took longer than {} s; {what}", limit.as_secs_f64()))
        }
        DeploymentEnd::WaitOver { limit } => {
            let what = if !report.is_ours {
                "it is not waited for any longer: this apply did not start it".to_owned()
            } else if report.missing > 0 && report.status == Status::Completed.to_string() {
                let count = counted(report.missing, "follow-up", "follow-ups");
                format!("{count} still to be sent")
            } else {
                "it was stopped".to_owned()
            };
            Some(format!(
                "time for all waiting: it took longer than {} s; {what}",
                limit.as_secs_f64()
            ))
        }
        DeploymentEnd::OverBudget { sum, budget } => Some(format!(
            "token budget: the deployments of this apply have used {} of {} tokens; it was stopped",
            grouped(*sum),
            grouped(*budget)
        )),
        DeploymentEnd::Blocked => {
            let count = counted(report.missing, "follow-up", "follow-ups");
            Some(format!("{count} cannot be sent; the next `qcops plan` says why"))
        }
        DeploymentEnd::Lost(why) => {
            Some(format!("it cannot be looked at: {}", Untrusted::new(why.as_str()).part()))
        }
        DeploymentEnd::NotFollowed => Some("the waiting was interrupted; it goes on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::DeploymentId;

    fn report(end: DeploymentEnd, failures: Vec<Failure>) -> DeploymentReport {
        DeploymentReport {
            key: "spy".parse().unwrap(),
            deployment: "first".parse().unwrap(),
            id: DeploymentId("A-1".to_owned()),
            status: "Completed".to_owned(),
            is_ours: true,
            missing: 0,
            end,
            failures,
            transcript: Ok(Transcript { input_tokens: Some(41_007), ..Transcript::default() }),
            waited: Duration::from_secs(3),
        }
    }

    #[test]
    fn each_run_is_a_line_and_each_failure_says_what_was_found() {
        let failure = Failure {
            field: "transcript.contains",
            expected: "`Sharpe`".to_owned(),
            found: "nowhere; <b>&\u{1b}".to_owned(),
        };
        let limit = Duration::from_secs(60);
        let reports = [
            report(DeploymentEnd::Ended, Vec::new()),
            report(DeploymentEnd::Ended, vec![failure]),
            report(DeploymentEnd::TimedOut { limit }, Vec::new()),
            report(DeploymentEnd::NotFollowed, Vec::new()),
        ];
        let mut shown = String::new();
        text(&reports, &TextOptions::default(), &mut shown).unwrap();
        insta::assert_snapshot!(shown, @r"
        Runs: 1 as expected, 2 failed, 1 not waited for.
            ok task.spy/first: deployment A-1 is Completed, 41,007 tokens
        failed task.spy/first: deployment A-1 is Completed, 41,007 tokens
               transcript.contains: expected `Sharpe`; found nowhere; <b>&\u{1b}
        failed task.spy/first: deployment A-1 is Completed, 41,007 tokens
               time limit: it took longer than 60 s; it was stopped
          left task.spy/first: deployment A-1 is Completed, 41,007 tokens
               the waiting was interrupted; it goes on
        ");
        let mut shown = String::new();
        let gaps = [Gap::history(crate::diag::GapReason::NoRepository)];
        junit(&reports, &gaps, &mut shown).unwrap();
        assert!(shown.contains("found nowhere; &lt;b&gt;&amp;\\u{1b}</failure>"), "{shown}");
        assert!(
            shown.contains("<property name=\"evidence.no-repository\" value=\"this"),
            "{shown}"
        );
        assert!(shown.contains("tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{shown}");
    }
}
