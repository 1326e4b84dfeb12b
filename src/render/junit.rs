//! JUnit XML, as CI systems read it: suites of tests, among them the steps of plans.

use std::collections::BTreeMap;
use std::fmt;

use crate::render::escape::Untrusted;
use crate::render::every::Every;
use crate::render::view::{Entry, Finding, PlanView, State};

/// Tests that belong together.
pub(super) struct TestSuite {
    pub(super) name: String,
    /// What is worth knowing of all of them, each with its name.
    pub(super) properties: Vec<(String, String)>,
    pub(super) cases: Vec<TestCase>,
}

/// A test.
pub(super) struct TestCase {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) seconds: f64,
    pub(super) end: TestEnd,
    pub(super) output: String,
}

/// How a test ended; lines say why, the first one in short.
pub(super) enum TestEnd {
    Passed,
    Skipped(Vec<String>),
    Failed(Vec<String>),
    Broken(Vec<String>),
}

/// Returns a plan as a suite: the plan is a test, and so is each of its steps. What is blocked has failed,
/// and what is deferred is skipped.
pub fn plan(view: &PlanView) -> String {
    document(&[suite(name(view.environment.as_ref()), view)])
}

/// Returns the plans of every environment, a suite for each; a plan that failed is a test in error.
pub fn plans(every: &Every<PlanView>) -> String {
    let suites = every.rows.iter().map(|row| {
        let name = name(Some(&row.name));
        match &row.found {
            Ok(view) => suite(name, view),
            Err(error) => {
                let message = format!("error: {}", error.message.part());
                let help = error.help.iter().map(|help| format!("help: {}", help.part()));
                let end = TestEnd::Broken([message].into_iter().chain(help).collect());
                let cases = vec![case(&name, "plan".to_owned(), end, String::new())];
                TestSuite { name, properties: Vec::new(), cases }
            }
        }
    });
    document(&suites.collect::<Vec<_>>())
}

fn name(environment: Option<&Untrusted>) -> String {
    let environment = environment.map(|name| format!(" --env {}", name.part()));
    format!("qcops plan{}", environment.unwrap_or_default())
}

fn suite(name: String, view: &PlanView) -> TestSuite {
    // What stands against the whole plan is about no step.
    let whole = view.stops.iter().find(|stop| stop.addresses.is_empty());
    let end = whole.map_or(TestEnd::Passed, |stop| TestEnd::Failed(lines(&stop.finding)));
    let mut cases = vec![case(&name, "plan".to_owned(), end, view.counts.verdict())];
    let mut why: BTreeMap<(State, &str), &Finding> = BTreeMap::new();
    for stop in &view.stops {
        why.extend(stop.addresses.iter().map(|it| ((stop.state, it.raw()), &stop.finding)));
    }
    let why = |entry: &Entry| {
        why.get(&(entry.state, entry.address.raw())).map(|it| lines(it)).unwrap_or_default()
    };
    cases.extend(view.entries.iter().map(|entry| {
        let end = match entry.state {
            State::Ready => TestEnd::Passed,
            State::Deferred(_) => TestEnd::Skipped(why(entry)),
            State::Blocked(_) => TestEnd::Failed(why(entry)),
        };
        let reason = entry.reason.part();
        let output = entry.action.map_or(reason.clone(), |action| format!("{action}: {reason}"));
        case(&name, entry.address.part(), end, output)
    }));
    TestSuite { name, properties: Vec::new(), cases }
}

fn case(class: &str, name: String, end: TestEnd, output: String) -> TestCase {
    TestCase { class: class.to_owned(), name, seconds: 0.0, end, output }
}

/// What a finding says, and what helps.
fn lines(finding: &Finding) -> Vec<String> {
    let message = format!("{}: {}", finding.code, finding.message.part());
    let ways = finding.ways.iter().map(|way| format!("help: {}", way.part()));
    [message].into_iter().chain(ways).collect()
}

fn document(suites: &[TestSuite]) -> String {
    let mut text = String::new();
    write(suites, &mut text).expect("a string takes everything");
    text
}

/// Writes suites as a document; its texts were made safe before.
pub(super) fn write(suites: &[TestSuite], out: &mut dyn fmt::Write) -> fmt::Result {
    let all: Vec<&TestCase> = suites.iter().flat_map(|suite| &suite.cases).collect();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites {}>", counts(&all))?;
    for TestSuite { name, properties, cases } in suites {
        let counts = counts(&cases.iter().collect::<Vec<_>>());
        writeln!(out, "  <testsuite name=\"{}\" {counts}>", xml(name))?;
        if !properties.is_empty() {
            writeln!(out, "    <properties>")?;
            for (name, value) in properties {
                let (name, value) = (xml(name), xml(value));
                writeln!(out, "      <property name=\"{name}\" value=\"{value}\"/>")?;
            }
            writeln!(out, "    </properties>")?;
        }
        for case in cases {
            write_case(case, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn counts(cases: &[&TestCase]) -> String {
    let count = |is_it: fn(&TestEnd) -> bool| cases.iter().filter(|case| is_it(&case.end)).count();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        cases.len(),
        count(|end| matches!(end, TestEnd::Failed(_))),
        count(|end| matches!(end, TestEnd::Broken(_))),
        count(|end| matches!(end, TestEnd::Skipped(_))),
        cases.iter().map(|case| case.seconds).fold(0.0, f64::max)
    )
}

fn write_case(case: &TestCase, out: &mut dyn fmt::Write) -> fmt::Result {
    let TestCase { class, name, seconds, end, output } = case;
    let (class, name) = (xml(class), xml(name));
    writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\">")?;
    let end = match end {
        TestEnd::Passed => None,
        TestEnd::Skipped(lines) => Some(("skipped", lines)),
        TestEnd::Failed(lines) => Some(("failure", lines)),
        TestEnd::Broken(lines) => Some(("error", lines)),
    };
    if let Some((word, lines)) = end {
        let first = xml(lines.first().map_or("", String::as_str));
        writeln!(out, "      <{word} message=\"{first}\">{}</{word}>", xml(&lines.join("\n")))?;
    }
    if !output.is_empty() {
        writeln!(out, "      <system-out>{}</system-out>", xml(output))?;
    }
    writeln!(out, "    </testcase>")
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
