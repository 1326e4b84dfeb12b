//! Runs that were waited for: what became of each, as text and as JUnit XML.

use std::fmt;

use crate::event::{RunEnd, RunReport};
use crate::model::grouped;
use crate::render::escape::Foreign;
use crate::render::paint::{Color, Label};
use crate::render::words::counted;
use crate::snapshot::Status;
use crate::transcript::{Failure, Transcript};

/// Writes what became of the runs: passed ones in a line each, failed ones with what was found.
pub fn text(reports: &[RunReport], color: Color, out: &mut dyn fmt::Write) -> fmt::Result {
    writeln!(out, "{}.", color.paint(Label::Verdict, verdict(reports)))?;
    for report in reports {
        let label = match (&report.end, report.is_failed()) {
            (RunEnd::NotFollowed, _) => Label::Withheld,
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

/// How many runs ended how, in our own words.
pub(super) fn verdict(reports: &[RunReport]) -> String {
    let failed = reports.iter().filter(|report| report.is_failed()).count();
    let open = reports.iter().filter(|report| report.end == RunEnd::NotFollowed).count();
    let left = if open > 0 { format!(", {open} not waited for") } else { String::new() };
    let good = reports.len() - failed - open;
    format!("Runs: {good} as expected, {failed} failed{left}")
}

/// How a run ended, in a word.
pub(super) fn word(report: &RunReport) -> &'static str {
    match (&report.end, report.is_failed()) {
        (RunEnd::NotFollowed, _) => "left",
        (_, true) => "failed",
        (_, false) => "ok",
    }
}

/// Why runs are no longer followed, in a word each.
pub(super) const ENDS: [&str; 7] =
    ["ended", "timed-out", "wait-over", "over-budget", "blocked", "lost", "interrupted"];

/// Why a run is no longer followed, for programs.
pub(super) fn end_word(end: &RunEnd) -> &'static str {
    let at = match end {
        RunEnd::Ended => 0,
        RunEnd::TimedOut { .. } => 1,
        RunEnd::WaitOver { .. } => 2,
        RunEnd::OverBudget { .. } => 3,
        RunEnd::Blocked => 4,
        RunEnd::Lost(_) => 5,
        RunEnd::NotFollowed => 6,
    };
    ENDS[at]
}

/// Which run it is, its status and its tokens.
pub(super) fn head(report: &RunReport) -> String {
    let tokens = report.transcript.as_ref().ok().and_then(Transcript::tokens);
    let tokens = tokens.map_or_else(String::new, |tokens| format!(", {} tokens", grouped(tokens)));
    let id = Foreign::new(report.id.0.as_str()).part();
    format!("run {id} is {}{tokens}", Foreign::new(report.status.as_str()).part())
}

/// Why a run is no longer followed, and what does not hold of it.
pub(super) fn lines(report: &RunReport) -> Vec<String> {
    end(report).into_iter().chain(report.failures.iter().map(found)).collect()
}

/// Writes the runs as JUnit XML: each is a test, a failed expectation a failure.
pub fn junit(reports: &[RunReport], out: &mut dyn fmt::Write) -> fmt::Result {
    let failed = reports.iter().filter(|report| report.is_failed()).count();
    let skipped = reports.iter().filter(|report| report.end == RunEnd::NotFollowed).count();
    let seconds = reports.iter().map(|report| report.waited.as_secs_f64()).fold(0.0, f64::max);
    let counts = format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\"",
        reports.len()
    );
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites {counts}>\n  <testsuite name=\"qcops runs\" {counts}>")?;
    for report in reports {
        let time = report.waited.as_secs_f64();
        writeln!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{time:.3}\">",
            xml(&format!("task.{}", report.key)),
            xml(report.deployment.as_str())
        )?;
        let lines = lines(report);
        if report.end == RunEnd::NotFollowed {
            writeln!(out, "      <skipped/>")?;
        } else if report.is_failed() {
            let first = lines.first().map_or("", String::as_str);
            let all = lines.join("\n");
            writeln!(out, "      <failure message=\"{}\">{}</failure>", xml(first), xml(&all))?;
        }
        let id = Foreign::new(report.id.0.as_str()).part();
        let status = Foreign::new(report.status.as_str()).part();
        writeln!(out, "      <system-out>{}</system-out>", xml(&format!("run {id} is {status}")))?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

pub(super) fn address(report: &RunReport) -> String {
    format!("task.{}/{}", report.key, report.deployment)
}

/// What a failed expectation says, in one safe line.
fn found(failure: &Failure) -> String {
    let Failure { field, expected, found } = failure;
    let safe = |text: &str| Foreign::new(text).part();
    format!("{field}: expected {}; found {}", safe(expected), safe(found))
}

/// Why a run is no longer followed, where that is worth a line.
fn end(report: &RunReport) -> Option<String> {
    match &report.end {
        RunEnd::Ended => report.is_cut_short().then(|| {
            let were = if report.missing == 1 { "was" } else { "were" };
            let status = Foreign::new(report.status.as_str()).part();
            let missing = report.missing;
            format!("follow-ups: {missing} {were} not sent; the run has ended as {status}")
        }),
        RunEnd::TimedOut { limit } => {
            let what = if report.is_ours {
                "it was stopped"
            } else {
                "it goes on: this apply did not start it"
            };
            Some(format!("time limit: it took longer than {} s; {what}", limit.as_secs_f64()))
        }
        RunEnd::WaitOver { limit } => {
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
        RunEnd::OverBudget { sum, budget } => Some(format!(
            "token budget: the runs of this apply have used {} of {} tokens; it was stopped",
            grouped(*sum),
            grouped(*budget)
        )),
        RunEnd::Blocked => {
            let count = counted(report.missing, "follow-up", "follow-ups");
            Some(format!("{count} cannot be sent; the next `qcops plan` says why"))
        }
        RunEnd::Lost(why) => {
            Some(format!("it cannot be looked at: {}", Foreign::new(why.as_str()).part()))
        }
        RunEnd::NotFollowed => Some("the waiting was interrupted; it goes on".to_owned()),
    }
}

/// Escapes a text, made safe before, for XML; what XML cannot hold is shown as a question mark.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push('\n'),
            '\u{fffe}' | '\u{ffff}' => safe.push('?'),
            c if c.is_control() => safe.push('?'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::DeploymentId;

    fn report(end: RunEnd, failures: Vec<Failure>) -> RunReport {
        RunReport {
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
            report(RunEnd::Ended, Vec::new()),
            report(RunEnd::Ended, vec![failure]),
            report(RunEnd::TimedOut { limit }, Vec::new()),
            report(RunEnd::NotFollowed, Vec::new()),
        ];
        let mut shown = String::new();
        text(&reports, Color::Off, &mut shown).unwrap();
        insta::assert_snapshot!(shown, @r"
        Runs: 1 as expected, 2 failed, 1 not waited for.
            ok task.spy/first: run A-1 is Completed, 41,007 tokens
        failed task.spy/first: run A-1 is Completed, 41,007 tokens
               transcript.contains: expected `Sharpe`; found nowhere; <b>&\u{1b}
        failed task.spy/first: run A-1 is Completed, 41,007 tokens
               time limit: it took longer than 60 s; it was stopped
          left task.spy/first: run A-1 is Completed, 41,007 tokens
               the waiting was interrupted; it goes on
        ");
        let mut shown = String::new();
        junit(&reports, &mut shown).unwrap();
        assert!(shown.contains("found nowhere; &lt;b&gt;&amp;\\u{1b}</failure>"), "{shown}");
        assert!(shown.contains("tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{shown}");
    }
}
