//! Laws over made-up sights: fields missing, lists cut short, reads that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::civil::DateTime;
use proptest::collection::{btree_map, vec};
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use qcops::diag::{EvidenceSource, Gap, GapReason, Lost, Place};
use qcops::evidence::{Created, Evidence, KeyEvidence, Version};
use qcops::kinds::{AGENT_ID, NAME, PROMPT};
use qcops::manifest::{DesiredDeployment, DesiredState, DesiredTask, ManifestSettings};
use qcops::model::{DeploymentId, Key, OrganizationId, TaskId, archive_name, fold};
use qcops::observed::{
    Completeness, Listing, ObservedAgent, ObservedDeployment, ObservedState, ObservedTask,
    ReadRequest, ReadResult, Schedule, Status,
};
use qcops::plan::{self, Limits, Options, OtherManifests, PlanContext, Prune};
use qcops::resource::{Object, Value, Whole};
use qcops::transcript::Transcript;

use super::agents::agents;
use super::{cases, check, ways};

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
const NAMES: [&str; 6] =
    ["a", "One", "Two", "one!", "A name of sixteen and more", "A name of sixteen an"];
const PROMPTS: [&str; 3] = ["p", "q", "r"];
const NOON: &str = "2026-11-21T12:00:00Z";

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn every_plan_obeys_the_laws_whatever_was_seen((plan_context, state) in scene()) {
        let planned = check::judged(&plan_context, &state);
        ways::lead_on(&plan_context, &state, &planned);
    }

    #[test]
    fn no_earlier_version_changes_the_plan_of_a_list_that_is_as_declared(
        (mut context, mut state) in scene(), entries in vec(task(), KEYS.len()),
    ) {
        let declared = context.desired_state.tasks.iter().zip(entries).zip(10..);
        state.tasks = Listing { items: Vec::new(), coverage: Completeness::Complete };
        state.task_reads.clear();
        for (((key, desired), entry), number) in declared {
            let id = desired.pin.unwrap_or(TaskId(number));
            let object = Object::clone(&desired.object);
            state.tasks.items.push(ObservedTask { id, object, ..entry });
            let known = context.evidence.keys.entry(key.clone()).or_default();
            known.versions.insert(0, Version::of(&desired.object));
            known.protect = desired.protect;
        }
        let PlanContext { desired_state, evidence, other_manifests, .. } = &context;
        let is_explained = plan::is_explained(desired_state, &state.tasks, other_manifests);
        let of_ledger = |(key, known): (&Key, &KeyEvidence)| {
            let KeyEvidence { created, rewritten, started, .. } = known.clone();
            (key.clone(), KeyEvidence { created, rewritten, started, ..KeyEvidence::default() })
        };
        let keys = evidence.keys.iter().map(of_ledger).collect();
        let last_commit = Evidence { keys, is_committed: true, ..evidence.clone() };
        let whole = plan::plan(&context.with(&state));
        context.evidence = last_commit;
        let plan = plan::plan(&context.with(&state));
        if is_explained && plan.steps.is_empty() {
            prop_assert_eq!(format!("{plan:#?}"), format!("{whole:#?}"));
        }
    }

    #[test]
    fn looking_comes_to_an_end((plan_context, mut state) in scene(), fails in any::<bool>()) {
        let listed = state.tasks.items.clone();
        for _ in 0..6 {
            let reads = plan::desired(&plan_context.with(&state));
            for look in reads {
                match look {
                    ReadRequest::Agent(id) => {
                        let listed = plan_context.agents.get(&id).filter(|_| !fails).cloned();
                        let lost = || ReadResult::Unreadable("status 500".to_owned());
                        let seen = |object| ReadResult::Seen(ObservedAgent { id, object });
                        let lost = listed.map_or_else(lost, seen);
                        prop_assert!(state.agent_reads.insert(id, lost).is_none());
                    }
                    ReadRequest::Task(id) => {
                        let task = listed.iter().find(|task| task.id == id);
                        let seen = task.filter(|task| !fails && task.content().is_some());
                        let lost = || ReadResult::Unreadable("status 500".to_owned());
                        let reading = seen.cloned().map_or_else(lost, ReadResult::Seen);
                        prop_assert!(state.task_reads.insert(id, reading).is_none());
                    }
                    ReadRequest::Deployments(id) => {
                        let listing = Listing { items: Vec::new(), coverage: Completeness::Complete };
                        prop_assert!(state.deployments.insert(id, listing).is_none());
                    }
                    ReadRequest::Conversation(id) => {
                        // These desired states say nothing to a deployment: it is read for an estimate alone.
                        let before = plan::plan(&plan_context.with(&state));
                        let lost = ReadResult::Unreadable("status 500".to_owned());
                        let seen = Transcript { input_tokens: Some(7), ..Transcript::default() };
                        let reading = if fails { lost } else { ReadResult::Seen(seen) };
                        prop_assert!(state.conversations.insert(id, reading).is_none());
                        let after = plan::plan(&plan_context.with(&state));
                        prop_assert_eq!(before.digest(), after.digest());
                    }
                }
            }
        }
        prop_assert_eq!(plan::desired(&plan_context.with(&state)), BTreeSet::new());
        check::judged(&plan_context, &state);
    }
}

fn scene() -> impl Strategy<Value = (PlanContext, ObservedState)> {
    let rest = (desired_state(), evidence(), other_manifests(), options(), state());
    (rest, weighted(0.5, agents())).prop_map(|(rest, of_agents)| {
        let (desired_state, evidence, other_manifests, options, mut state) = rest;
        let agents = BTreeMap::new();
        let mut context = PlanContext { desired_state, evidence, other_manifests, options, agents };
        if let Some(of_agents) = of_agents {
            of_agents.add_to(&mut context, &mut state);
        }
        (context, state)
    })
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn keys() -> impl Strategy<Value = Key> {
    select(&KEYS[..]).prop_map(key)
}

fn contents() -> impl Strategy<Value = Whole> {
    let agents = prop_oneof![4 => Just(47), 1 => Just(48)];
    (agents, select(&PROMPTS[..])).prop_map(|(agent, prompt)| {
        Object::task("", agent, "project-for-task", prompt).whole().unwrap()
    })
}

fn named(content: &Object, name: &str) -> Object {
    content.with(NAME, Value::Text(name.into()))
}

fn ids() -> impl Strategy<Value = TaskId> {
    (1..7_u64).prop_map(TaskId)
}

/// A desired state that a manifest could hold: only pinned tasks share content or a folded name.
fn desired_state() -> impl Strategy<Value = DesiredState> {
    let since =
        option::weighted(0.4, select(&["2026-11-20T00:00:00Z", "2026-11-30T00:00:00Z"][..]));
    let deployments = btree_map(select(&["x", "y"][..]).prop_map(key), since, 0..3);
    let task = (
        select(&NAMES[..]),
        contents(),
        weighted(0.2, ids()),
        weighted(0.1, Just(())),
        deployments,
    );
    let forgotten = vec(keys(), 0..2);
    let offset = weighted(0.5, Just(jiff::tz::Offset::UTC));
    (btree_map(keys(), task, 0..5), forgotten, offset).prop_map(|(tasks, forgotten, offset)| {
        let mut desired_state =
            DesiredState { service_utc_offset: offset, ..DesiredState::default() };
        let (mut names, mut contents) = (BTreeSet::new(), BTreeSet::new());
        for (key, (name, content, pin, protect, deployments)) in tasks {
            let is_new = names.insert(fold(name)) & contents.insert(content.content());
            if !is_new && pin.is_none() {
                continue;
            }
            let since = |since: Option<&str>| since.map(|since| since.parse().unwrap());
            let declared = |(key, at)| {
                let since = since(at);
                (key, DesiredDeployment { since, ..DesiredDeployment::default() })
            };
            let desired = DesiredTask {
                object: named(&content, name).whole().unwrap(),
                pin,
                protect: protect.is_some(),
                deployments: Arc::new(deployments.into_iter().map(declared).collect()),
                place: Place { file: Path::new("tasks.yaml").into(), span: 0..0 },
            };
            desired_state.tasks.insert(key, desired);
        }
        let is_free = |key: &Key| !desired_state.tasks.contains_key(key);
        desired_state.forgotten = forgotten.into_iter().filter(is_free).collect();
        desired_state
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let version = (contents(), select(&NAMES[..]))
        .prop_map(|(content, name)| Version::of(&named(&content, name).whole().unwrap()));
    let created = (option::of(ids()), contents(), select(&NAMES[..]));
    let created = created.prop_map(|(id, content, name)| Created {
        id,
        content: content.content(),
        name: name.to_owned(),
    });
    let name = || select(&NAMES[..]).prop_map(str::to_owned);
    let rewritten = weighted(0.2, (name(), name()));
    let (protect, created) = (weighted(0.1, Just(())), vec(created, 0..2));
    let known = (vec(version, 0..4), protect, prop::bool::weighted(0.9), created, rewritten);
    let known =
        known.prop_map(|(versions, protect, is_established, created, rewritten)| KeyEvidence {
            started: BTreeMap::new(),
            is_established: is_established && !versions.is_empty(),
            versions,
            protect: protect.is_some(),
            protect_before: None,
            created,
            rewritten: rewritten.into_iter().collect(),
        });
    let gaps = weighted(0.2, vec(gap(), 1..3)).prop_map(Option::unwrap_or_default);
    let evidence = (btree_map(keys(), known, 0..5), gaps, any::<bool>());
    evidence.prop_map(|(keys, gaps, has_ledger)| Evidence {
        keys,
        gaps,
        has_ledger,
        ..Evidence::default()
    })
}

/// A part of the evidence that is out of sight: of every key, or of one.
fn gap() -> impl Strategy<Value = Gap> {
    let (head, what) = ("main".to_owned(), "`tasks.yaml`".to_owned());
    let reasons = [
        GapReason::ShallowClone,
        GapReason::NoRepository,
        GapReason::NothingCommitted,
        GapReason::HeadUnreadable { head, lost: Lost::Damaged },
        GapReason::ObjectsMissing { what, lost: Lost::PartialClone },
        GapReason::BeyondHistory { path: "tasks.yaml".to_owned(), count: 2 },
        GapReason::LedgerUnreadable { line: 3, count: 1 },
    ];
    let sources = [EvidenceSource::History, EvidenceSource::Ledger];
    (select(reasons.to_vec()), select(sources.to_vec()), weighted(0.3, keys()))
        .prop_map(|(reason, source, key)| Gap { source, keys: key.into_iter().collect(), reason })
}

fn other_manifests() -> impl Strategy<Value = OtherManifests> {
    let (path, said) = ("other/tasks.yaml".into(), "it is empty".to_owned());
    let gap = Gap::other_manifests(GapReason::ManifestUnclear { path, said });
    let unclear = weighted(0.05, Just(gap));
    (weighted(0.1, keys()), weighted(0.1, contents()), weighted(0.1, ids()), unclear).prop_map(
        |(key, content, pin, unclear)| OtherManifests {
            keys: key.into_iter().collect(),
            contents: content.into_iter().map(|content| content.content()).collect(),
            pins: pin.into_iter().collect(),
            prompts: BTreeSet::new(),
            environments: BTreeSet::new(),
            gaps: unclear.into_iter().collect(),
            ..OtherManifests::default()
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    let is_generous = prop_oneof![1 => Just(false), 3 => Just(true)];
    let targets = prop_oneof![9 => Just(BTreeSet::new()), 1 => keys().prop_map(|key| [key].into())];
    (any::<bool>(), is_generous, targets, weighted(0.03, Just(()))).prop_map(
        |(prunes, is_generous, targets, stale)| {
            // One, because the limits that hold without a flag need more tasks than there are here.
            let (limit, runs) =
                (Some(if is_generous { 100 } else { 1 }), is_generous.then_some(100));
            Options {
                prune: if prunes { Prune::On } else { Prune::Off },
                targets,
                target_agents: BTreeSet::new(),
                target_deployments: BTreeMap::new(),
                limits: Limits { delete: limit, replace: limit, create: runs, runs },
                settings: ManifestSettings::default(),
                allow: BTreeSet::new(),
                is_stale: stale.is_some(),
                waits: false,
            }
        },
    )
}

fn state() -> impl Strategy<Value = ObservedState> {
    let coverage = prop_oneof![
        9 => Just(Completeness::Complete),
        1 => Just(Completeness::Partial("the list has no end".to_owned())),
    ];
    let reads =
        btree_map(ids(), prop_oneof![4 => any::<bool>().prop_map(Some), 1 => Just(None)], 0..2);
    let runs =
        (vec((contents(), any::<bool>()), 0..3), prop_oneof![6 => Just(true), 1 => Just(false)]);
    let runs = btree_map(ids(), runs, 0..7);
    let is_clean = prop_oneof![2 => Just(true), 1 => Just(false)];
    let parts = (btree_map(ids(), task(), 0..6), coverage, reads, runs, is_clean);
    parts.prop_map(|(tasks, mut coverage, mut reads, runs, is_clean)| {
        let mut items: Vec<ObservedTask> =
            tasks.into_iter().map(|(id, task)| ObservedTask { id, ..task }).collect();
        if is_clean {
            coverage = Completeness::Complete;
            reads.clear();
            items.retain(|task| task.content().is_some());
        }
        let read = |id: &TaskId, reads: Option<bool>| match (
            items.iter().find(|task| task.id == *id),
            reads,
        ) {
            (Some(task), Some(_)) => ReadResult::Seen(task.clone()),
            _ => ReadResult::Unreadable("status 500".to_owned()),
        };
        let deployments = runs.into_iter().map(|(id, (runs, is_complete))| {
            let coverage = if is_complete {
                Completeness::Complete
            } else {
                Completeness::Partial("status 500".to_owned())
            };
            let items = runs.into_iter().enumerate();
            let items = items.map(|(at, (content, is_early))| run(id, at, &content, is_early));
            (id, Listing { items: items.collect(), coverage })
        });
        ObservedState {
            agent_reads: BTreeMap::new(),
            organization_id: OrganizationId("org".to_owned()),
            observed_at: NOON.parse().unwrap(),
            task_reads: reads.iter().map(|(id, reads)| (*id, read(id, *reads))).collect(),
            deployments: deployments.collect(),
            conversations: BTreeMap::new(),
            tasks: Listing { items, coverage },
        }
    })
}

fn task() -> impl Strategy<Value = ObservedTask> {
    let name = (select(&NAMES[..]), prop_oneof![4 => Just(false), 1 => Just(true)]);
    let count = prop_oneof![4 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(None)];
    let schedule = prop_oneof![
        8 => Just(Schedule::Unset),
        1 => Just(Schedule::Unknown),
        1 => Just(Schedule::Set("0 9 * * 1".to_owned())),
    ];
    let bells = prop_oneof![6 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(None)];
    let is_whole = (weighted(0.97, name), weighted(0.97, Just(())));
    (is_whole, contents(), count, schedule, bells).prop_map(
        |((name, is_known), content, count, schedule, bells)| {
            let short = is_known.map_or("00000000".to_owned(), |()| content.content().short());
            let name = match name {
                Some((name, true)) => Value::Text(archive_name(name, &short).into()),
                Some((name, false)) => Value::Text(name.into()),
                None => Value::Unknown,
            };
            let object = content.with(NAME, name);
            let object = if is_known.is_some() {
                object
            } else {
                object.with(AGENT_ID, Value::Unknown).with(PROMPT, Value::Unknown)
            };
            ObservedTask {
                id: TaskId(0),
                organization_id: None,
                object,
                deployment_count: count,
                last_deployment: None,
                created: None,
                updated: None,
                active: count.map(|_| Vec::new()),
                schedule,
                notification_count: bells,
            }
        },
    )
}

fn run(task: TaskId, at: usize, content: &Object, is_early: bool) -> ObservedDeployment {
    let day = if is_early { 19 } else { 20 };
    let created: DateTime = format!("2026-11-{day}T20:00:00").parse().unwrap();
    ObservedDeployment {
        id: DeploymentId(format!("A-{task}-{at}")),
        task_id: Some(task),
        agent_id: content.agent_id(),
        prompt: content.prompt().cloned(),
        status: Status::Completed,
        created: Some(created),
        ended: None,
        runtime_error: None,
    }
}

#[test]
fn the_made_up_sights_meet_every_action_and_most_codes() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let expected = "create update restore replace archive delete deploy unproven ambiguous \
                    pin-missing pin-taken incomplete-read lost-evidence protected scheduled \
                    stale-checkout empty-manifest mass-missing too-many-deletes too-many-replaces \
                    waits-for-blocked deployment-unlike-task zone-unknown \
                    name-held unreadable-neighbor";
    let mut missing: BTreeSet<&str> = expected.split_whitespace().collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..8000 {
        if missing.is_empty() {
            break;
        }
        let (plan_context, state) = scene().new_tree(&mut runner).unwrap().current();
        let planned = plan::plan(&plan_context.with(&state));
        for step in planned.ready_steps() {
            missing.remove(&*step.change.action().to_string());
        }
        for finding in planned.blocks() {
            missing.remove(&*finding.code.to_string());
        }
    }
    assert!(missing.is_empty(), "no case of {missing:?}");
}
