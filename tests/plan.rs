//! A small desired state, a small sight, and what the plan makes of them.

use std::sync::Arc;

use jiff::tz::Offset;
use qcops::diag::Code;
use qcops::kinds::{AGENT_ID, PROMPT};
use qcops::manifest::DesiredDeployment;
use qcops::model::{AgentId, TaskId};
use qcops::observed::{ReadRequest, Schedule};
use qcops::plan::{Prune, StepStatus, desired};
use qcops::render::text::{TextOptions, render};
use qcops::render::view::PlanView;
use qcops::resource::Value;

use crate::support::scene::{Named, Scene, key, object};
use crate::support::world::shown;

/// Plans one task with declared deployments, `x y@2026-11-20`, and deployments that are there,
/// `2026-11-20T08 other@2026-11-20T09 ?`: what becomes of the declarations that no deployment serves.
fn runs(declared: &str, seen: &str, offset: Option<i8>) -> String {
    let mut scene = Scene::established(1);
    scene.plan_context.desired_state.service_utc_offset = offset.map(Offset::constant);
    let desired = scene.plan_context.desired_state.tasks.get_mut(&key("k0")).unwrap();
    for word in declared.split_whitespace() {
        let (name, since) = word.split_once('@').map_or((word, None), |(k, at)| (k, Some(at)));
        let since = since.map(|day| format!("{day}T00:00:00Z").parse().unwrap());
        Arc::make_mut(&mut desired.deployments)
            .insert(key(name), DesiredDeployment { since, ..DesiredDeployment::default() });
    }
    for word in seen.split_whitespace() {
        let (prompt, created) = word.split_once('@').unwrap_or(("prompt 0", word));
        let created = (created != "?").then(|| format!("{created}:00:00"));
        scene.show_run(1, prompt, created.as_deref());
    }
    let planned = scene.plan();
    let steps = planned.steps.iter().map(|step| {
        let name = step.deployment.as_ref().unwrap();
        match &step.status {
            StepStatus::Ready => format!("{name} runs"),
            StepStatus::Blocked(finding) | StepStatus::Deferred(finding) => {
                format!("{name} {}", finding.code)
            }
        }
    });
    let notes = planned.notes.iter().map(|note| format!("note {}", note.code));
    steps.chain(notes).collect::<Vec<_>>().join(", ")
}

#[test]
fn runs_serve_declarations_one_each() {
    let table = [
        ("nothing is declared", "", "2026-11-20T08", ""),
        ("nothing is there", "x", "", "x runs"),
        ("one is there", "x", "2020-01-01T00", ""),
        ("one serves one", "x y", "2026-11-20T08", "y runs"),
        ("two serve two", "x y", "2026-11-20T08 2026-11-20T09", ""),
        ("a late run serves", "x@2026-11-20", "2026-11-20T00", ""),
        ("an early run does not", "x@2026-11-20", "2026-11-19T23", "x runs"),
        ("the one of any time is served first", "x y@2026-11-20", "2026-11-20T08", "y runs"),
        ("each has its own", "x y@2026-11-20", "2026-11-18T08 2026-11-20T08", ""),
        (
            "the earlier since is served first",
            "x@2026-11-19 y@2026-11-20",
            "2026-11-20T08",
            "y runs",
        ),
        ("the future is not due", "x@2026-11-22", "", "x not-due"),
        ("the future takes no deployment", "x@2026-11-22 y", "2026-11-20T08", "x not-due"),
        ("another prompt does not count", "x", "other@2026-11-20T08 2026-11-20T09", ""),
        ("nor does it serve", "x y", "other@2026-11-20T08 2026-11-20T09", "y runs"),
        (
            "none equal blocks",
            "x y",
            "other@2026-11-20T08",
            "x deployment-unlike-task, y deployment-unlike-task",
        ),
        ("a deployment without a time serves no since", "x@2026-11-20", "?", "x zone-unknown"),
        ("a deployment without a time serves the rest", "x", "?", ""),
    ];
    for (row, declared, seen, expected) in table {
        assert_eq!(runs(declared, seen, Some(0)), expected, "{row}");
    }
}

#[test]
fn no_run_is_started_while_the_task_counts_one_that_its_list_leaves_out() {
    let table = [(None, StepStatus::Ready), (Some(0), StepStatus::Ready)];
    let mut scene = Scene::established(1);
    let desired = scene.plan_context.desired_state.tasks.get_mut(&key("k0")).unwrap();
    Arc::make_mut(&mut desired.deployments).insert(key("x"), DesiredDeployment::default());
    for (count, status) in table {
        scene.state.tasks.items[0].deployment_count = count;
        assert_eq!(scene.plan().steps[0].status, status, "{count:?}");
    }
    scene.state.tasks.items[0].deployment_count = Some(1);
    let StepStatus::Blocked(finding) = &scene.plan().steps[0].status else { panic!("it is open") };
    assert_eq!(finding.code, Code::DeploymentsUnlisted);
    assert_eq!(finding.message, "of task 1 the service counts 1 run and lists 0");
    scene.plan_context.options.allow.insert(Code::DeploymentsUnlisted);
    assert_eq!(scene.plan().steps[0].status, StepStatus::Ready);
}

#[test]
fn an_unknown_zone_is_asked_about_within_fourteen_hours() {
    let table = [
        ("after since", "2026-11-20T00", None, ""),
        ("just before", "2026-11-19T23", None, "x zone-unknown"),
        ("fourteen hours before", "2026-11-19T10", None, "x zone-unknown"),
        ("fifteen hours before", "2026-11-19T09", None, "x runs"),
        ("just before, and one after", "2026-11-19T23 2026-11-20T01", None, ""),
        ("the zone is named, and it is late", "2026-11-19T23", Some(-5), ""),
        ("the zone is named, and it is early", "2026-11-20T04", Some(5), "x runs"),
    ];
    for (row, seen, offset, expected) in table {
        assert_eq!(runs("x@2026-11-20", seen, offset), expected, "{row}");
    }
}

/// Two tasks that want each other's name, or the name of a task that stays.
fn renames(rows: &[(&str, &str, &str)]) -> Scene {
    let mut scene = Scene::new();
    for (at, (name, stored, desired)) in rows.iter().enumerate() {
        scene.declare(name, name).set_name(desired);
        scene.remember(name, name);
        scene.show(TaskId(at as u64 + 1), stored, name);
    }
    scene
}

#[test]
fn two_names_that_are_swapped_go_by_way_of_a_third_one() {
    let text = shown(&renames(&[("a", "One", "Two"), ("b", "Two", "One")]).plan());
    let places = ["-> \"Two [renaming 1]\"", "-> \"One\"", "-> \"Two\""];
    let places: Vec<_> = places.iter().map(|to| text.find(to).expect(to)).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_name_is_not_given_up_for_a_temporary_one_while_the_swap_cannot_be_finished() {
    let mut scene = renames(&[("a", "One", "Two"), ("b", "Two", "One")]);
    let swapped = scene.plan_context.desired_state.tasks.get_mut(&key("b")).unwrap();
    (swapped.object, swapped.protect) = (object("One", "changed"), true);
    let planned = scene.plan();
    assert!(shown(&planned).contains("[renaming 1]"), "{}", shown(&planned));
    assert_eq!(planned.ready_steps().count(), 0, "{}", shown(&planned));
}

#[test]
fn a_name_whose_holder_cannot_move_on_is_not_taken() {
    // `c` is nobody's, so `b` stays, and so does `a`.
    let mut scene = renames(&[("a", "One", "Two"), ("b", "Two", "Three")]);
    scene.show(TaskId(9), "Three", "somebody's");
    let planned = scene.plan();
    assert!(planned.steps.is_empty(), "{}", shown(&planned));
    let codes: Vec<Code> = planned.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, [Code::NameHeld, Code::NameHeld]);
}

#[test]
fn a_name_held_by_a_used_task_of_unknown_origin_is_not_taken() {
    let mut scene = renames(&[("a", "One", "Two"), ("b", "Two", "Three")]);
    scene.plan_context.evidence.keys.remove(&key("b"));
    assert!(scene.plan().steps.is_empty(), "{}", shown(&scene.plan()));
}

#[test]
fn a_name_becomes_free_with_the_task_that_pruning_retires() {
    let mut scene = renames(&[("a", "One", "Two")]);
    scene.remember("gone", "gone").versions[0].name = "Two".to_owned();
    scene.show(TaskId(9), "Two", "gone");
    assert_eq!(scene.plan().ready_steps().count(), 0, "{}", shown(&scene.plan()));
    scene.plan_context.options.prune = Prune::On;
    let planned = scene.plan();
    let keys: Vec<&str> = planned.ready_steps().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["gone", "a"], "{}", shown(&planned));
}

#[test]
fn an_archived_task_is_brought_back_although_a_task_that_stays_holds_its_name() {
    let mut scene = Scene::new();
    scene.declare("a", "p").set_name("One");
    scene.remember("a", "p");
    scene.show(TaskId(1), "One [superseded 0a1b2c3d]", "p");
    scene.remember("gone", "q").versions[0].name = "One".to_owned();
    scene.show(TaskId(2), "One", "q");
    let planned = scene.plan();
    let open: Vec<&str> = planned.ready_steps().map(|step| step.key.as_str()).collect();
    assert_eq!(open, ["a"], "{}", shown(&planned));
}

#[test]
fn a_task_pinned_by_one_key_is_never_retired_for_another() {
    let mut scene = Scene::new();
    scene.declare("a", "p").pin = Some(TaskId(2));
    scene.show(TaskId(1), "a", "p");
    scene.remember("b", "q");
    scene.show(TaskId(2), "b", "q");
    scene.plan_context.options.prune = Prune::On;
    assert!(scene.plan().steps.is_empty(), "{}", shown(&scene.plan()));
}

#[test]
fn a_replace_cut_in_two_after_a_renamed_key_is_finished_without_pruning() {
    let mut scene = Scene::new();
    scene.remember("a", "p").versions[0].name = "One".to_owned();
    scene.remember("b", "p").versions[0].name = "One".to_owned();
    scene.declare("b", "q").set_name("One");
    scene.show(TaskId(1), "One", "p");
    scene.show(TaskId(2), "One", "q");
    let text = shown(&scene.plan());
    assert!(text.contains("task.b will be deleted (task 1)"), "{text}");
}

#[test]
fn an_equal_task_beside_the_one_the_ledger_knows_is_somebody_elses() {
    let mut scene = Scene::new();
    scene.declare("a", "q");
    scene.created("a", 1, "p");
    scene.show(TaskId(1), "Older name", "p");
    scene.show(TaskId(2), "a", "p");
    let text = shown(&scene.plan());
    assert!(text.contains("task.a will be replaced (task 1 \"Older name\")"), "{text}");
    assert!(!text.contains("task 2"), "{text}");
}

#[test]
fn a_schedule_that_the_list_leaves_out_is_looked_for_before_a_task_goes() {
    let mut scene = Scene::established(2);
    scene.declare("k0", "edited");
    scene.state.tasks.items[0].schedule = Schedule::Unknown;
    scene.state.tasks.items[1].schedule = Schedule::Unknown;
    // Neither the canary nor the task that is kept: its prompt is the longest.
    let task = &mut scene.state.tasks.items[1];
    task.object = task.object.with(PROMPT, Value::Text("a prompt that is longer".into()));
    let reads = desired(&scene.plan_context.with(&scene.state));
    assert!(reads.contains(&ReadRequest::Task(TaskId(1))), "{reads:?}");
}

#[test]
fn a_name_without_letters_belongs_to_nobody_but_who_declared_it() {
    let mut scene = Scene::new();
    let desired = scene.declare("a", "p");
    desired.set_name("\u{1f680}");
    desired.pin = Some(TaskId(1));
    scene.remember("a", "p").versions[0].name = "\u{1f680}".to_owned();
    scene.show(TaskId(1), "\u{1f680}", "p");
    scene.show(TaskId(2), "?!", "p");
    assert!(scene.plan().steps.is_empty(), "{}", shown(&scene.plan()));
}

#[test]
fn an_agent_is_shown_by_name_and_one_that_is_not_listed_is_noted_once() {
    let mut scene = Scene::new();
    scene.declare("a", "p");
    for name in ["b", "c"] {
        let task = scene.declare(name, name);
        task.object = task.object.with(AGENT_ID, Value::Integer(4711)).whole().unwrap();
    }
    assert_eq!(scene.plan().notes, [], "nobody listed them");
    scene
        .plan_context
        .agents
        .insert(AgentId(47), qcops::resource::Object::agent("Researcher \u{1b}[2J"));
    let planned = scene.plan();
    let notes: Vec<String> =
        planned.notes.iter().map(|note| format!("{} {}", note.code, note.message)).collect();
    assert_eq!(notes, ["unknown-agent agent 4711 of `b` is not on the service's list"]);
    let view = PlanView::new(&planned);
    let row = &view.entries[0].fields[1];
    assert_eq!((row.label(), row.name), ("agent", AGENT_ID));
    let mut text = String::new();
    render(&view, &TextOptions::default(), &mut text).unwrap();
    assert!(text.contains("agent:             \"Researcher \\u{1b}[2J\" (47)\n"), "{text}");
    assert!(text.contains("agentId:           4711\n"), "{text}");
}
