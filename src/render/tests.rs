//! Plans made by hand, and what must hold of every output whatever foreign texts say.

mod agents;
mod alike;
mod difference;
mod hostile;
mod outcome;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::diag::{Code, Diagnostic};
use crate::event::{Done, Event, HaltReason, Outcome, StepOutcome};
use crate::model::{AgentId, DeploymentId, OrganizationId, TaskId};
use crate::plan::{
    Before, Change, Limits, Plan, Removal, Remove, RemoveReason, Step, StepId, StepStatus, TaskRef,
    Terms, UnmanagedTask,
};
use crate::render::text::{Length, TextOptions};
use crate::render::view::PlanView;
use crate::render::{Color, outcome as summary, text as plan_text};
use crate::resource::{Edit, Object, Value, Whole};

const PROMPT: &str = "Research momentum.\n\nUse SPY as the benchmark.\nReport the Sharpe ratio.";
const EDITED: &str = "Research momentum.\n\nUse QQQ as the benchmark.\nReport the Sharpe ratio.";

fn object(name: &str, prompt: &str) -> Whole {
    Object::task(name, 47, "project-for-task", prompt).whole().unwrap()
}

fn before(id: u64, name: &str, prompt: &str) -> Before {
    let created = Some(jiff::civil::datetime(2026, 11, 1, 9, 30, 0, 0));
    Before { id: TaskId(id), object: object(name, prompt), created }
}

fn renaming(from: &str, to: &str) -> Vec<Edit> {
    vec![Edit { before: Value::Text(from.into()), ..Edit::name(to) }]
}

fn archive(id: u64, name: &str) -> Removal {
    let how = Remove::Archive { name: format!("{name} [superseded 0a1b2c3d]") };
    Removal { id: TaskId(id), name: name.to_owned(), content: object("", "").content(), how }
}

fn create(name: &str, prompt: &str) -> Change {
    Change::Create { object: object(name, prompt) }
}

fn replace(name: &str, old: &str, new: &str) -> Change {
    Change::Replace {
        before: before(512, name, old),
        object: object(name, new),
        old: vec![archive(512, name)],
    }
}

fn run(task: TaskRef) -> Change {
    Change::Deploy {
        task,
        seen: BTreeSet::new(),
        since: None,
        content: object("", "p").content(),
        later: Vec::new(),
    }
}

fn delete(name: &str, prompt: &str) -> Change {
    Change::Remove {
        removal: Removal { how: Remove::Delete, ..archive(9, name) },
        because: RemoveReason::Undeclared,
        before: before(9, name, prompt),
    }
}

/// A plan made of steps; `address` is `key` or `key/deployment`.
fn plan(steps: Vec<(&str, Change, &str, StepStatus)>) -> Plan {
    let step =
        |(at, (address, change, reason, status)): (usize, (&str, Change, &str, StepStatus))| {
            let (key, deployment) = match address.split_once('/') {
                Some((key, deployment)) => (key, Some(deployment)),
                None => (address, None),
            };
            Step {
                id: StepId(at),
                key: key.parse().unwrap(),
                deployment: deployment.map(|key| key.parse().unwrap()),
                change,
                reason: reason.to_owned(),
                after: BTreeSet::new(),
                drift: BTreeSet::new(),
                status,
            }
        };
    Plan {
        gaps: Vec::new(),
        organization_id: OrganizationId("5cad178b20a1d52567b534553413b691".to_owned()),
        environment: None,
        steps: steps.into_iter().enumerate().map(step).collect(),
        notes: Vec::new(),
        kept_count: 12,
        kept_agents: 0,
        unmanaged_agents: Vec::new(),
        stored_otherwise: crate::plan::StoredOtherwise::default(),
        agent_users: BTreeMap::new(),
        unmanaged: (0..3)
            .map(|at| UnmanagedTask {
                id: TaskId(900 + at),
                name: Some("By hand".to_owned()),
                agent: Some(AgentId(47)),
                created: None,
            })
            .collect(),
        archived_count: 1,
        scheduled_count: 0,
        doubts: Vec::new(),
        observed_task_ids: BTreeSet::new(),
        deployment_limit: 5,
        limits: Limits::default(),
        settings: Vec::new(),
        overrides: BTreeSet::new(),
        watches: Vec::new(),
        terms: Terms::default(),
        estimates: BTreeMap::new(),
        observed_at: jiff::Timestamp::UNIX_EPOCH,
        runs: BTreeMap::new(),
        agents: BTreeMap::new(),
        agent_keys: BTreeMap::new(),
    }
}

fn shown(plan: &Plan, options: &TextOptions) -> String {
    let mut text = String::new();
    plan_text::render(&PlanView::new(plan), options, &mut text).unwrap();
    // Hashes would only blur the pages below.
    text.strip_suffix(&format!("Digest: {}\n", plan.digest())).unwrap_or(&text).to_owned()
}

#[test]
fn a_plan_with_steps_ends_with_its_digest() {
    let steps = vec![("spy", create("SPY", PROMPT), "", StepStatus::Ready)];
    for (plan, is_shown) in [(plan(steps), true), (plan(Vec::new()), false)] {
        let mut text = String::new();
        plan_text::render(&PlanView::new(&plan), &TextOptions::default(), &mut text).unwrap();
        assert_eq!(text.ends_with(&format!("\nDigest: {}\n", plan.digest())), is_shown, "{text}");
    }
}

fn summarized(plan: &Plan, outcome: &Outcome, options: &TextOptions) -> String {
    let mut text = String::new();
    summary::render(plan, outcome, options, &mut text).unwrap();
    text
}

/// A plan and an outcome that print a foreign text wherever one can stand.
fn hostile(text: &str) -> (Plan, Outcome) {
    let finding = |make: fn(Code, String) -> Diagnostic, code| {
        make(code, text.to_owned()).help(text).help(text)
    };
    let ambiguous = Change::Ambiguous {
        object: object(text, &format!("{text} more")),
        candidates: vec![before(1, text, text), before(2, "other", text)],
    };
    let blocked = finding(Diagnostic::blocked, Code::Unproven);
    let deferred = finding(Diagnostic::note, Code::PruneOff);
    let rename = Change::Update { id: TaskId(3), edits: renaming(text, &format!("new {text}")) };
    let remove = Change::Remove {
        removal: archive(4, text),
        because: RemoveReason::Undeclared,
        before: before(4, text, text),
    };
    let mut plan = plan(vec![
        ("create", create(text, text), text, StepStatus::Ready),
        ("rename", rename, text, StepStatus::Ready),
        (
            "replace",
            replace(text, &format!("a\n{text} b\nc"), &format!("{text} c\n{text}")),
            text,
            StepStatus::Ready,
        ),
        ("remove", remove, text, StepStatus::Deferred(deferred)),
        ("delete", delete(text, text), text, StepStatus::Ready),
        ("create/run", run(TaskRef::MadeBy(StepId(0))), text, StepStatus::Ready),
        ("undecided", ambiguous, text, StepStatus::Blocked(blocked)),
    ]);
    plan.agents.insert(AgentId(47), text.to_owned());
    plan.notes.push(finding(Diagnostic::note, Code::NameHeld));
    plan.organization_id = OrganizationId(text.to_owned());
    let failed = finding(Diagnostic::error, Code::InvalidValue);
    let done = Done {
        task: Some(TaskId(5)),
        deployment: Some(DeploymentId(text.to_owned())),
        notes: vec![finding(Diagnostic::note, Code::Duplicate)],
        ..Done::default()
    };
    let steps = BTreeMap::from([
        (StepId(0), StepOutcome::Done(done)),
        (StepId(1), StepOutcome::Failed(failed.clone())),
        (StepId(2), StepOutcome::Unknown(failed)),
        (StepId(4), StepOutcome::NotStarted(HaltReason::Interrupted)),
        (StepId(5), StepOutcome::Skipped(StepId(0))),
    ]);
    (plan, Outcome { steps, is_interrupted: true })
}

/// Everything that is printed about a hostile text.
fn all_outputs(text: &str, options: &TextOptions) -> Vec<String> {
    let (plan, outcome) = hostile(text);
    let mut outputs = vec![shown(&plan, options), summarized(&plan, &outcome, options)];
    for (id, ended) in &outcome.steps {
        outputs.extend(summary::progress_line(&Event::Finished(&plan.steps[id.0], ended)));
    }
    outputs
}

/// Drops our own color sequences: `ESC [ digits and semicolons m`.
fn without_color(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap();
        assert_eq!(&part[end..=end], "m", "a sequence that is not ours: {part:?}");
        plain.push_str(&part[end + 1..]);
    }
    plain
}

fn check_safe(output: &str) -> Result<(), TestCaseError> {
    for line in output.lines() {
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        prop_assert!(!line.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\u{2066}']), "{line:?}");
        prop_assert!(!line.trim_start().starts_with("::"), "{line:?}");
        prop_assert!(!line.contains("##[") && !line.contains("##vso["), "{line:?}");
    }
    Ok(())
}

const HOSTILE: &str = "(::error::|##|\\[|vso\\[|\u{1b}\\[31m|\u{1b}\\]0;x\u{7}|\r|\u{9b}|\u{7f}|\u{202e}\
                       |\u{200b}|\u{2028}|\u{2066}|\t|\n|[a-c \"\\\\{}+-]|é|\u{301}){0,30}";

proptest! {
    #[test]
    fn no_output_holds_a_control_character_or_a_command_of_a_stranger(text in HOSTILE) {
        for length in [Length::Cut, Length::Full] {
            let plain = TextOptions { length, ..TextOptions::default() };
            for output in all_outputs(&text, &plain) {
                check_safe(&output)?;
            }
            for output in all_outputs(&text, &TextOptions { color: Color::On, ..plain }) {
                check_safe(&without_color(&output))?;
            }
        }
    }
}

#[test]
fn a_name_cannot_forge_a_line() {
    let forged = "x\n  + task.forged will be created\nPlan: nothing. \u{1b}[2J\r! ok";
    for output in all_outputs(forged, &TextOptions::default()) {
        // Prompts have lines; they stand behind a bar or a sign, and deeper than the program's own.
        let is_forged = |line: &str| {
            line.starts_with("  + task.forged")
                || line.starts_with("Plan: nothing")
                || line.starts_with('!')
        };
        assert!(!output.lines().any(is_forged), "{output}");
    }
}

#[test]
fn colors_add_nothing_but_marks_of_words() {
    let (plan, outcome) = hostile("plain");
    let colored = TextOptions { color: Color::On, ..TextOptions::default() };
    let text = shown(&plan, &colored);
    assert!(text.contains("\u{1b}["));
    let without = shown(&plan, &TextOptions::default());
    let marks = ["{-", "-}", "{+", "+}"];
    let unmarked = marks.iter().fold(without, |text, mark| text.replace(mark, ""));
    assert_eq!(without_color(&text), unmarked);
    assert_eq!(
        without_color(&summarized(&plan, &outcome, &colored)),
        summarized(&plan, &outcome, &TextOptions::default())
    );
}
