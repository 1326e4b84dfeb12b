//! Every guard over sizes 0 to 500: closed exactly when design 4 says, all or nothing, by its own
//! override only, while everything else goes on.

use qcops::diag::{Code, Gap, GapReason};
use qcops::model::{Action, TaskId};
use qcops::observed::Completeness;
use qcops::plan::{Change, Options, Plan, Prune, RemoveReason, Step, StepStatus};
use qcops::plan::{delete_limit, missing_limit, replace_limit};

use crate::support::scene::{Named, Scene, key};
use crate::support::world::shown;

/// Sizes that lie on both sides of everything that is compared.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=14).chain([20, 33, 34, 36, 50, 51, 66, 67, 100, 500])
}

/// The design's sentences, by hand: 30 %, at least 1 and at most 10 for what is missing,
fn expected_missing_limit(owned: usize) -> usize {
    match owned {
        0..=6 => 1,
        7..=33 => owned * 30 / 100,
        _ => 10,
    }
}

/// at least 3 and at most 10 for deletes,
fn expected_delete_limit(owned: usize) -> usize {
    match owned {
        0..=10 => 3,
        11..=33 => owned * 30 / 100,
        _ => 10,
    }
}

/// and at least 5 and at most 20 for replaces.
fn expected_replace_limit(owned: usize) -> usize {
    match owned {
        0..=16 => 5,
        17..=66 => owned * 30 / 100,
        _ => 20,
    }
}

type Override = (Code, fn(&mut Options, usize));

/// Every override there is.
const OVERRIDES: &[Override] = &[
    (Code::TooManyDeletes, |options, count| options.limits.delete = Some(count)),
    (Code::TooManyReplaces, |options, count| options.limits.replace = Some(count)),
    (Code::TooManyCreates, |options, count| options.limits.create = Some(count)),
    (Code::TooManyDeployments, |options, count| options.limits.runs = Some(count)),
    (Code::PruneOff, |options, _| options.prune = Prune::On),
    (Code::StaleCheckout, |options, _| options.allow.extend([Code::StaleCheckout])),
    (Code::EmptyManifest, |options, _| options.allow.extend([Code::EmptyManifest])),
    (Code::MassMissing, |options, _| options.allow.extend([Code::MassMissing])),
    (Code::UnreadableNeighbor, |options, _| options.allow.extend([Code::UnreadableNeighbor])),
    (Code::FailedRepeatedly, |options, _| options.allow.extend([Code::FailedRepeatedly])),
    (Code::TooManyFollowUps, |options, _| options.allow.extend([Code::TooManyFollowUps])),
    (Code::LostEvidence, |options, _| options.allow.extend([Code::LostEvidence])),
];

/// Plans the scene and expects that all steps the guard is about are closed with `code`, or none.
fn expect(scene: &Scene, code: Code, is_closed: bool, is_about: impl Fn(&Step) -> bool, row: &str) {
    let planned = scene.plan();
    for step in &planned.steps {
        let expected = is_closed && is_about(step);
        let is_right = match code_of(step) {
            Some(found) => expected && found == code,
            None => !expected,
        };
        assert!(is_right, "{row}: {} is {:?}\n{}", step.key, step.status, shown(&planned));
    }
    if is_closed {
        expect_own_override_only(scene, code, &planned, row);
    }
}

fn expect_own_override_only(scene: &Scene, code: Code, planned: &Plan, row: &str) {
    let count = planned.steps.len();
    let (own, others): (Vec<&Override>, Vec<&Override>) =
        OVERRIDES.iter().partition(|other| other.0 == code);
    let with = |overrides: &[&Override]| {
        let mut scene = scene.clone();
        for other in overrides {
            other.1(&mut scene.plan_context.options, count);
        }
        scene.plan().steps.iter().filter(|step| code_of(step) == Some(code)).count()
    };
    let closed = planned.steps.iter().filter(|step| code_of(step) == Some(code)).count();
    assert_eq!(with(&others), closed, "{row}: another override opens `{code}`");
    if !own.is_empty() {
        assert_eq!(with(&own), 0, "{row}: its own override leaves `{code}`");
    }
}

fn code_of(step: &Step) -> Option<Code> {
    match &step.status {
        StepStatus::Ready => None,
        StepStatus::Blocked(finding) | StepStatus::Deferred(finding) => Some(finding.code),
    }
}

/// `size` established tasks, and one beside them whose name is to change: it always goes on.
fn established(size: usize) -> Scene {
    let mut scene = Scene::established(size);
    scene.declare("other", "another prompt").set_name("Other");
    scene.remember("other", "another prompt");
    scene.show(TaskId(9000), "other", "another prompt");
    scene
}

fn is_undeclared(step: &Step) -> bool {
    matches!(step.change, Change::Remove { because: RemoveReason::Undeclared, .. })
}

fn is_create(step: &Step) -> bool {
    matches!(step.change, Change::Create { .. })
}

fn is_run(step: &Step) -> bool {
    matches!(step.change, Change::Deploy { .. })
}

#[test]
fn the_limits_are_thirty_percent_within_their_bounds() {
    for owned in 0..=500 {
        assert_eq!(missing_limit(owned), expected_missing_limit(owned), "{owned}");
        assert_eq!(delete_limit(owned), expected_delete_limit(owned), "{owned}");
        assert_eq!(replace_limit(owned), expected_replace_limit(owned), "{owned}");
    }
}

#[test]
fn retires_are_closed_above_the_ceiling() {
    for size in sizes() {
        // `other` is owned too.
        let limit = expected_delete_limit(size + 1);
        for dropped in [1, limit, limit + 1, size].into_iter().filter(|dropped| *dropped <= size) {
            let mut scene = established(size);
            for at in 0..dropped {
                scene.plan_context.desired_state.tasks.remove(&key(&format!("k{at}")));
            }
            let row = format!("{dropped} of {size}");
            if dropped > 0 {
                expect(&scene, Code::PruneOff, true, is_undeclared, &row);
            }
            scene.plan_context.options.prune = Prune::On;
            expect(&scene, Code::TooManyDeletes, dropped > limit, is_undeclared, &row);
        }
    }
}

#[test]
fn replaces_are_closed_above_the_ceiling() {
    for size in sizes() {
        let limit = expected_replace_limit(size + 1);
        for edited in [1, limit, limit + 1, size].into_iter().filter(|edited| *edited <= size) {
            let mut scene = established(size);
            for at in 0..edited {
                scene.declare(&format!("k{at}"), &format!("edited {at}"));
            }
            let is_replace = |step: &Step| step.change.action() == Action::Replace;
            let row = format!("{edited} of {size}");
            expect(&scene, Code::TooManyReplaces, edited > limit, is_replace, &row);
        }
    }
}

#[test]
fn creates_are_closed_above_fifty() {
    for size in sizes() {
        let mut scene = established(3);
        for at in 0..size {
            scene.declare(&format!("new{at}"), &format!("new {at}"));
        }
        expect(&scene, Code::TooManyCreates, size > 50, is_create, &size.to_string());
    }
}

#[test]
fn runs_are_closed_above_five() {
    for size in sizes() {
        let mut scene = established(size);
        for at in 0..size {
            scene.declare_runs(&format!("k{at}"), 1);
        }
        expect(&scene, Code::TooManyDeployments, size > 5, is_run, &size.to_string());
    }
}

#[test]
fn runs_of_one_task_are_closed_above_three_a_day() {
    // (declared, runs of the last day, older deployments, closed)
    let table = [
        (3, 0, 0, false),
        (4, 0, 0, true),
        (3, 2, 0, false),
        (4, 3, 0, true),
        (4, 4, 0, false),
        (5, 0, 2, false),
        (5, 1, 1, true),
    ];
    for (declared, recent, older, is_closed) in table {
        let mut scene = established(1);
        scene.declare_runs("k0", declared);
        for (count, created) in [(recent, "2026-11-21T01:00:00"), (older, "2026-11-20T11:00:00")] {
            for _ in 0..count {
                scene.show_run(1, "prompt 0", Some(created));
            }
        }
        let planned = scene.plan();
        let row = format!("{declared} declared, {recent} and {older} there");
        for step in planned.steps.iter().filter(|step| is_run(step)) {
            let expected = is_closed.then_some(Code::TooManyDeploymentsOfATask);
            assert_eq!(code_of(step), expected, "{row}");
        }
        scene.plan_context.options.limits.runs = Some(9);
        let runs = scene.plan().ready_steps().filter(|step| is_run(step)).count();
        assert_eq!(runs, declared - recent - older, "{row}: `--max-deployments` opens them");
    }
}

#[test]
fn creates_are_closed_where_more_established_tasks_than_the_ceiling_have_vanished() {
    for size in sizes().filter(|size| *size > 0) {
        let limit = expected_missing_limit(size);
        for missing in [1, limit, limit + 1, size].into_iter().filter(|missing| *missing <= size) {
            let mut scene = Scene::established(size);
            scene.hide((0..missing as u64).map(|at| at + 1));
            scene.plan_context.options.limits.create = Some(500);
            let row = format!("{missing} of {size}");
            let is_lie = missing > limit && missing < size;
            expect(&scene, Code::MassMissing, is_lie, is_create, &row);
            // The ledger knows one that is missing: then even an empty list is a lie.
            scene.created("k0", 1, "prompt 0");
            expect(&scene, Code::MassMissing, missing > limit, is_create, &row);
        }
    }
}

#[test]
fn a_first_apply_that_was_interrupted_goes_on() {
    for size in sizes().filter(|size| *size > 1) {
        let mut scene = Scene::established(size);
        // The first half was made here, the rest never was.
        for at in 0..size / 2 {
            scene.created(&format!("k{at}"), at as u64 + 1, &format!("prompt {at}"));
        }
        scene.hide((size / 2..size).map(|at| at as u64 + 1));
        scene.plan_context.options.limits.create = Some(500);
        expect(&scene, Code::MassMissing, false, is_create, &size.to_string());
    }
}

#[test]
fn keys_whose_candidates_cannot_be_told_apart_have_not_vanished() {
    let mut scene = Scene::established(20);
    for at in 0..10 {
        scene.show(TaskId(100 + at), &format!("k{at}"), &format!("prompt {at}"));
    }
    scene.hide([19, 20]);
    let planned = scene.plan();
    let open: Vec<&str> = planned.ready_steps().map(|step| step.key.as_str()).collect();
    assert_eq!(open, ["k18", "k19"], "{}", shown(&planned));
    assert!(planned.blocks().all(|finding| finding.code == Code::Ambiguous));
}

#[test]
fn an_empty_manifest_retires_nothing() {
    for size in sizes() {
        let mut scene = Scene::established(size);
        scene.plan_context.desired_state.tasks.clear();
        scene.plan_context.options.prune = Prune::On;
        scene.plan_context.options.limits.delete = Some(500);
        expect(&scene, Code::EmptyManifest, size > 0, is_undeclared, &size.to_string());
    }
}

#[test]
fn nothing_goes_beside_a_neighbor_that_cannot_be_understood() {
    for size in sizes() {
        let mut scene = established(size);
        for at in 0..size {
            scene.plan_context.desired_state.tasks.remove(&key(&format!("k{at}")));
        }
        scene.plan_context.options.prune = Prune::On;
        scene.plan_context.options.limits.delete = Some(500);
        let (path, said) = ("other/tasks.yaml".into(), "it is empty".to_owned());
        let gap = Gap::other_manifests(GapReason::ManifestUnclear { path, said });
        scene.plan_context.other_manifests.gaps.push(gap);
        expect(&scene, Code::UnreadableNeighbor, size > 0, is_undeclared, &size.to_string());
    }
}

#[test]
fn a_stale_checkout_changes_nothing() {
    for size in sizes() {
        let mut scene = established(size);
        scene.declare("new", "new");
        scene.plan_context.options.is_stale = true;
        expect(&scene, Code::StaleCheckout, true, |_| true, &size.to_string());
    }
}

#[test]
fn protected_tasks_stay_whether_declared_or_dropped() {
    let mut scene = established(40);
    scene.declare("k0", "edited").protect = true;
    scene.declare("k1", "edited too");
    for dropped in ["k2", "k3"] {
        scene.plan_context.desired_state.tasks.remove(&key(dropped));
    }
    scene.plan_context.evidence.keys.get_mut(&key("k2")).unwrap().protect = true;
    scene.plan_context.options.prune = Prune::On;
    let is_protected = |step: &Step| ["k0", "k2"].contains(&step.key.as_str());
    expect(&scene, Code::Protected, true, is_protected, "protected");
    assert_eq!(scene.plan().ready_steps().count(), 3, "the name, the other edit, the other drop");
}

#[test]
fn nothing_is_made_while_evidence_is_lost_and_strangers_exist() {
    for size in sizes() {
        let mut scene = established(3);
        scene.declare("new", "new");
        for at in 0..size {
            scene.show(TaskId(100 + at as u64), &format!("theirs {at}"), &format!("theirs {at}"));
        }
        let row = size.to_string();
        scene.plan_context.evidence.gaps = vec![Gap::history(GapReason::NothingCommitted)];
        expect(&scene, Code::LostEvidence, false, is_create, &row);
        scene.plan_context.evidence.gaps = vec![Gap::history(GapReason::ShallowClone)];
        expect(&scene, Code::LostEvidence, size > 0, is_create, &row);
        scene.plan_context.evidence.gaps = vec![Gap::history(GapReason::NoRepository)];
        expect(&scene, Code::LostEvidence, size > 0, is_create, &row);
        scene.plan_context.evidence.has_ledger = true;
        expect(&scene, Code::LostEvidence, false, is_create, &row);
    }
}

#[test]
fn a_partial_sight_opens_names_alone() {
    for size in sizes() {
        let mut scene = established(size);
        scene.declare("new", "new");
        scene.declare_runs("other", 1);
        scene.state.tasks.coverage = Completeness::Partial("the list has no end".to_owned());
        let is_more =
            |step: &Step| !matches!(step.change, Change::Update { .. } | Change::Restore { .. });
        expect(&scene, Code::IncompleteRead, true, is_more, &size.to_string());
    }
}
