//! Facts about finished deployments: what is read once, and when it is read again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use qcops::model::{DeploymentId, TaskId};
use qcops::observation::{Facts, Recall};
use qcops::observed::{
    Completeness, LastDeployment, ObservedState, ObservedTask, ReadRequest, Schedule, Status,
};
use qcops::plan::{self, Limits, Next};
use qcops::resource::Value;
use qcops::store::SharedStore;

use crate::support::repo::{Ran, Repo};
use crate::support::scene::Scene;
use crate::support::world::World;

/// A task with one declared deployment, which has ended.
fn finished() -> Scene {
    let mut scene = Scene::established(1);
    scene.declare_runs("k0", 1);
    scene.show_run(1, "prompt 0", Some("2026-11-20T08:00:00"));
    let task = &mut scene.state.tasks.items[0];
    let created = "2026-11-20T08:00:00".parse().unwrap();
    task.deployment_count = Some(1);
    task.last_deployment = Some(LastDeployment { number: 901, created });
    task.created = Some("2026-11-19T08:00:00".parse().unwrap());
    scene
}

/// What is kept of a state.
fn kept(state: &ObservedState) -> String {
    Recall::new(Facts::default(), true).gathered(state).unwrap_or_default()
}

/// What is read where only the list was seen, and this was kept.
fn read(kept: &str, scene: &Scene) -> BTreeSet<ReadRequest> {
    let mut state = scene.state.clone();
    state.deployments.clear();
    let mut recall = Recall::new(Facts::from_json(kept.as_bytes()), true);
    match recall.next(&mut state, &scene.plan_context, plan::next) {
        Next::ReadRequest(reads) => reads,
        Next::Plan(plan) => {
            assert!(plan.steps.is_empty(), "{plan:#?}");
            BTreeSet::new()
        }
    }
}

fn the_list() -> BTreeSet<ReadRequest> {
    [ReadRequest::Deployments(TaskId(1))].into()
}

#[test]
fn a_deployment_is_read_again_where_the_entry_of_its_task_differs_in_anything() {
    type Edit = fn(&mut ObservedTask);
    let later = |task: &mut ObservedTask| {
        task.last_deployment.as_mut().unwrap().created = "2026-11-20T08:00:01".parse().unwrap();
    };
    let table: [(&str, Edit); 14] = [
        ("another count", |task| task.deployment_count = Some(2)),
        ("no count", |task| task.deployment_count = None),
        ("another last number", |task| task.last_deployment.as_mut().unwrap().number = 902),
        ("another last time", later),
        ("no last deployment", |task| task.last_deployment = None),
        ("active", |task| task.active = Some(vec![DeploymentId("A-1".to_owned())])),
        ("active unknown", |task| task.active = None),
        ("a schedule", |task| task.schedule = Schedule::Set("0 9 * * 1".to_owned())),
        ("schedule unknown", |task| task.schedule = Schedule::Unknown),
        ("another task of this number", |task| task.created = None),
        ("not of the same prompt", |task| {
            task.object = task.object.with(qcops::kinds::PROMPT, Value::Text("other".into()));
        }),
        ("prompt unknown", |task| {
            task.object = task.object.with(qcops::kinds::PROMPT, Value::Unknown);
        }),
        ("renamed", |task| {
            task.object = task.object.with(qcops::kinds::NAME, Value::Text("other".into()));
        }),
        ("changed lately", |task| task.updated = Some("2026-11-21T08:00:00".parse().unwrap())),
    ];
    let scene = finished();
    let kept = kept(&scene.state);
    assert_eq!(read(&kept, &scene), BTreeSet::new(), "unchanged");
    assert_eq!(read("", &scene), the_list(), "nothing kept");
    for (what, edit) in table {
        let mut changed = scene.clone();
        edit(&mut changed.state.tasks.items[0]);
        let task = &changed.state.tasks.items[0];
        let is_recalled =
            |read: &BTreeSet<ReadRequest>| !read.contains(&ReadRequest::Deployments(TaskId(1)));
        if what == "changed lately" {
            // What changes the moment of the last change shows in another field, or is none of a deployment's.
            assert!(is_recalled(&read(&kept, &changed)), "{what}");
        } else if task.prompt() != scene.state.tasks.items[0].prompt() {
            // The task is no longer the one that is declared, so that its deployments are not asked for.
            changed.plan_context.desired_state.tasks.clear();
            assert!(
                Recall::new(Facts::from_json(kept.as_bytes()), true)
                    .gathered(&changed.state)
                    .is_some_and(|text| !text.contains("A-1")),
                "{what}"
            );
        } else {
            assert!(!is_recalled(&read(&kept, &changed)), "{what}");
        }
    }
}

#[test]
fn only_what_has_ended_and_is_listed_whole_is_kept() {
    type Edit = fn(&mut ObservedState);
    fn runs(state: &mut ObservedState) -> &mut Vec<qcops::observed::ObservedDeployment> {
        &mut state.deployments.get_mut(&TaskId(1)).unwrap().items
    }
    let table: [(&str, Edit); 8] = [
        ("running", |state| runs(state)[0].status = Status::Running),
        ("in the queue", |state| runs(state)[0].status = Status::InQueue),
        ("of an unknown status", |state| runs(state)[0].status = Status::from_wire("Paused")),
        ("not counted", |state| state.tasks.items[0].deployment_count = Some(0)),
        ("counted and not listed", |state| state.tasks.items[0].deployment_count = Some(2)),
        ("of another prompt", |state| runs(state)[0].prompt = Some("other".into())),
        ("of an unknown prompt", |state| runs(state)[0].prompt = None),
        ("of a list that is cut", |state| {
            let listing = state.deployments.get_mut(&TaskId(1)).unwrap();
            listing.coverage = Completeness::Partial("cut".to_owned());
        }),
    ];
    let scene = finished();
    assert!(kept(&scene.state).contains("A-1"));
    for (what, edit) in table {
        let mut state = scene.state.clone();
        edit(&mut state);
        assert_eq!(kept(&state), "", "{what}");
    }
}

#[test]
fn what_is_kept_holds_no_words_and_survives_what_was_not_read() {
    let scene = finished();
    let text = kept(&scene.state);
    assert!(!text.contains("prompt 0"), "{text}");
    // A plan that asks for nothing, as one for another target, forgets nothing.
    let mut state = scene.state.clone();
    state.deployments.clear();
    let recall = Recall::new(Facts::from_json(text.as_bytes()), true);
    assert_eq!(recall.gathered(&state), None);
    // A task that is gone is forgotten; one that a cut list leaves out is not.
    state.tasks.items.clear();
    assert_eq!(recall.gathered(&state).map(|text| text.contains("A-1")), Some(false));
    state.tasks.coverage = Completeness::Partial("cut".to_owned());
    assert_eq!(recall.gathered(&state), None);
}

#[test]
fn a_file_that_is_damaged_or_of_another_version_counts_as_none() {
    let scene = finished();
    let whole = kept(&scene.state);
    let other = |from: &str, to: &str| {
        assert!(whole.contains(from), "{whole}");
        whole.replacen(from, to, 1)
    };
    let table = [
        String::new(),
        "null".to_owned(),
        whole[..whole.len() / 2].to_owned(),
        other("\"format_version\":1", "\"format_version\":2"),
        other("\"format_version\":1", "\"format_version\":0"),
        other("\"deployments\"", "\"surprise\":1,\"deployments\""),
        other("2026-11-20T08:00:00\",\"ended\"", "lately\",\"ended\""),
        other("Completed", "Running"),
    ];
    for text in table {
        assert_eq!(read(&text, &scene), the_list(), "{text}");
    }
    assert_eq!(read(&whole, &scene), BTreeSet::new());
}

#[test]
fn facts_have_bounds() {
    let mut scene = finished();
    let runs = &mut scene.state.deployments.get_mut(&TaskId(1)).unwrap().items;
    runs[0].runtime_error = Some("x".repeat(64 << 10));
    assert_eq!(kept(&scene.state), "", "a task of more than 64 KiB");
    let whole = kept(&finished().state);
    let padded = format!("{whole}{}", " ".repeat(32 << 20));
    assert_eq!(read(&padded, &finished()), the_list(), "a file of more than 32 MiB");
}

/// Tasks with a finished deployment each.
async fn world_of(count: usize, declarations: &str, agents: &str) -> World {
    let mut text =
        String::from("version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\n");
    writeln!(text, "{agents}tasks:").unwrap();
    for at in 0..count {
        writeln!(text, "  t{at}: {{prompt: Prompt {at}, deployments: {declarations}}}").unwrap();
    }
    let mut world = World::new("");
    let limits = Limits { create: Some(1000), runs: Some(1000), ..Limits::default() };
    world.options.limits = limits;
    world.edit_whole(&text).commit();
    // What is made, started and told takes an apply each.
    for _ in 0..4 {
        world.apply().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    world.expect_nothing_to_do().await;
    world
}

async fn calls(world: &World, kept: &mut String) -> usize {
    let before = world.emulator.requests().len();
    let plan = world.plan_recalling(kept).await;
    assert!(plan.steps.is_empty(), "{plan:#?}");
    world.emulator.requests().len() - before
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_an_unchanged_world_is_one_list_call_per_kind() {
    const AGENT: &str = "agents:\n  r: {name: Researcher, systemPrompt: Be brief}\n";
    const FOLLOW_UPS: &str = "{d: {followUps: [more]}}";
    let table = [
        ("a deployment", "{d: {}}", "", 201, 1),
        ("and an agent", "{d: {}}", AGENT, 202, 2),
        ("a deployment and a follow-up", FOLLOW_UPS, "", 401, 1),
    ];
    for (what, declarations, agents, first, second) in table {
        let world = world_of(200, declarations, agents).await;
        let mut kept = String::new();
        assert_eq!(calls(&world, &mut kept).await, first, "{what}: first plan");
        assert_eq!(calls(&world, &mut kept).await, second, "{what}: second plan");
        assert_eq!(calls(&world, &mut String::new()).await, first, "{what}: without the facts");
        let task = world.edit_service(|world| world.tasks().next().unwrap().id).await;
        let run = world.edit_service(|world| world.run_task(task)).await;
        assert!(run.is_some());
        tokio::time::sleep(Duration::from_secs(60)).await;
        let one = (first - 1) / 200 + second;
        let again = calls(&world, &mut kept).await;
        assert!((second + 1..=one + 1).contains(&again), "{what}: {again} of one task");
        assert_eq!(calls(&world, &mut kept).await, second, "{what}: and then no more");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_step_is_about_is_read_before_it_is_planned() {
    let mut world = world_of(2, "{d: {followUps: [more]}}", "").await;
    let mut kept = String::new();
    calls(&world, &mut kept).await;
    world.edit(
        "t0: {prompt: Prompt 0, deployments: {d: {followUps: [more, and more]}}}\n\
         t1: {prompt: Prompt 1, deployments: {d: {followUps: [more]}}}",
    );
    // A person said something that no list shows.
    let task = world.edit_service(|world| world.tasks().next().unwrap().id).await;
    world
        .edit_service(|world| {
            let run = world.deployments().find(|run| run.task_id == task).unwrap().id.clone();
            world.add_turn(&run, "something else");
        })
        .await;
    let before = world.emulator.requests().len();
    let plan = world.plan_recalling(&mut kept).await;
    let requests = world.emulator.requests();
    let paths: Vec<&str> = requests[before..].iter().map(|request| &*request.path).collect();
    let runs = paths.iter().filter(|path| path.contains("deployments/")).count();
    assert_eq!(runs, 2, "the list and the conversation of one task: {paths:?}");
    let blocked: Vec<_> = plan.quoted_runs().collect();
    assert_eq!(blocked.len(), 1, "{plan:#?}");
    assert_eq!(plan.digest(), world.plan().await.digest());
}

#[test]
fn plan_apply_and_status_keep_facts_in_a_private_file_and_need_none() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Secret words, deployments: {d: {followUps: [Secret too]}}}")
        .commit("first");
    assert_eq!(repo.qcops("apply --yes --wait --poll-interval 10ms").code, 0);
    let files = || -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(repo.path().join(".qcops")).unwrap();
        let all = all.map(|entry| entry.unwrap().path());
        all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("facts-"))
            .collect()
    };
    // How long ago something was may have changed in between.
    let said = |ran: &Ran| {
        let out = ran.out.replace(|c: char| c.is_ascii_digit(), "");
        (ran.code, out.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    for command in ["plan", "apply --yes", "status"] {
        for path in files() {
            std::fs::remove_file(path).unwrap();
        }
        let first = repo.qcops(command);
        let [path] = &files()[..] else { panic!("{command}: {:?}", files()) };
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("\"deployment_id\"") && !text.contains("Secret"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = repo.qcops(command);
        assert_eq!(said(&again), said(&first), "{command}");
        std::fs::write(path, "damaged").unwrap();
        let damaged = repo.qcops(command);
        assert_eq!(said(&damaged), said(&first), "{command}");
        assert_ne!(std::fs::read_to_string(path).unwrap(), "damaged", "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_clone_with_the_shared_store_reads_no_more_than_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file://{}", folder.path().display());
    let open = || SharedStore::open(&address, std::iter::empty()).unwrap().facts("scope");
    let world = world_of(200, "{d: {}}", "").await;
    let (one, other) = (open(), open());
    assert_eq!((one.read().await.unwrap(), other.read().await.unwrap()), (None, None));
    let mut kept = String::new();
    assert_eq!(calls(&world, &mut kept).await, 201, "nothing is in the store");
    one.write(kept.clone().into_bytes()).await.unwrap();
    // Who wrote first wins: what the other one knew of is older.
    other.write(b"late".to_vec()).await.unwrap();
    let text = open().read().await.unwrap().unwrap();
    assert_eq!(text, kept.into_bytes());
    let mut cloned = String::from_utf8(text).unwrap();
    assert_eq!(calls(&world, &mut cloned).await, 1, "a fresh clone with the store");
    assert_eq!(calls(&world, &mut String::new()).await, 201, "a fresh clone without it");
}

#[test]
fn facts_are_kept_beside_the_ledger() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {d: {}}}").commit("first");
    let store = repo.path().join("../store");
    std::fs::create_dir(&store).unwrap();
    let store = store.canonicalize().unwrap();
    let apply =
        format!("apply --yes --wait --poll-interval 10ms --store file://{}", store.display());
    assert_eq!(repo.qcops(&apply).code, 0);
    let plan = repo.qcops(&format!("plan --store file://{}", store.display()));
    assert_eq!(plan.code, 0, "{}", plan.err);
    let scopes = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<String> =
        scopes.filter_map(|scope| std::fs::read_to_string(scope.join("facts.json")).ok()).collect();
    assert!(matches!(&texts[..], [text] if text.contains("\"deployment_id\"")), "{texts:?}");
    let own = repo.path().join(".qcops");
    let here = std::fs::read_dir(own).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    let here: Vec<_> = here.filter(|name| name.to_string_lossy().starts_with("facts")).collect();
    assert!(here.is_empty(), "{here:?}");
}
