//! Stories about `pull`, `status` and `destroy`: from the service to Git, and the way out.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use qcops::api;
use qcops::diag::{Code, Severity};
use qcops::emulator::{self, ORGANIZATION_ID};
use qcops::event::{Outcome, StepOutcome};
use qcops::files::{Files, FilesError, Lock, Memory};
use qcops::manifest::{self, Outline, Prompts, Source, Unreadable};
use qcops::model::Action;
use qcops::observed::{Completeness, ListedAgents, Listing, ObservedState, ReadResult};
use qcops::plan::{self, KeyState, Plan, Saving, Scope};
use qcops::pull::{self, PullSelection, Pulled};
use qcops::store::Artifacts;

use crate::support::repo::Repo;
use crate::support::world::{World, shown};

/// Runs a story outside of `#[tokio::test]`, on a paused clock.
fn told<T>(story: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(story)
}

async fn pulled(world: &World) -> Pulled {
    let seen = api::observe(&world.client(), world.clock, |state: &ObservedState| {
        pull::desired(state, &ListedAgents::new(), &BTreeSet::new())
    })
    .await
    .unwrap();
    pull::pull(&seen, &ListedAgents::new(), &PullSelection::default())
}

fn text(outline: &Outline) -> String {
    manifest::write(outline, Prompts::Inline).manifest
}

/// The codes of the errors in a manifest.
fn errors(text: &str) -> BTreeSet<Code> {
    struct NoFiles;
    impl Source for NoFiles {
        fn read(&self, path: &str) -> Result<String, Unreadable> {
            Err(format!("there is no `{path}`").into())
        }
    }
    let (parsed, mut findings) = manifest::parse(
        Path::new("tasks.yaml"),
        text,
        &NoFiles,
        manifest::ExpandInputs::of(&|_| None),
    );
    let (merged, found) = manifest::merge(vec![parsed]);
    findings.extend(found);
    findings.extend(manifest::resolve(&merged, &manifest::AgentNames::default()).1);
    findings.retain(|finding| finding.severity == Severity::Error);
    findings.iter().map(|finding| finding.code).collect()
}

async fn expect_empty(world: &World, told_by: &str) {
    let plan = world.plan().await;
    assert!(plan.steps.is_empty(), "{}\n{told_by}", shown(&plan));
}

/// A task of somebody's: its name, prompt and project preference.
fn task() -> impl Strategy<Value = (String, String, &'static str)> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "Buy and hold SPY",
            "buy-and-hold: spy",
            "${HOME} $${x}",
            "  padded  ",
            "two\nlines\u{1b}[31m",
            "\u{1f680}\u{200b}",
            "null",
            "0x10",
            "- \"quoted\": #x",
            "SPY 333",
            "old [superseded 0a1b2c3d]",
            "",
            "\t",
        ])
        .prop_map(str::to_owned),
        r#"(?s)(\PC|["'\\:#$ {}\n]){0,30}"#,
    ];
    let prompt = prop_oneof![
        prop::sample::select(vec![
            "Buy SPY",
            "Buy SPY  \r\n\r\n",
            "",
            "\n \t",
            "  indented\n\ttab\n\n# no comment\n::error::x",
            "\u{feff}e\u{301}\u{200b}",
        ])
        .prop_map(str::to_owned),
        r#"(?s)(.|[ \t\r\n:#'"|>-]){0,60}"#,
        "[a-z]{1,4}".prop_map(|word| format!("{word}\n").repeat(600)),
    ];
    let preference = prop::sample::select(vec![
        "project-for-task",
        "project-each-task-deployment",
        "project-of-the-web-interface",
        "",
    ]);
    (name, prompt, preference)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_plan_right_after_a_pull_is_empty_and_stays_so_without_pins(
        tasks in prop::collection::vec(task(), 0..7),
        with_runs in prop::collection::vec(any::<bool>(), 7),
        quirk in prop::sample::select(vec![
            "list-entry=whole", "list-entry=without-prompt", "list-entry=cut-prompt",
            "list-entry=bare", "list-order=shuffled", "ids-sent=strings",
        ]),
    ) {
        told(async {
            let mut world = World::new("");
            world.quirk(quirk).await;
            world.edit_service(|service| {
                for ((name, prompt, preference), has_run) in tasks.iter().zip(with_runs) {
                    let id = service.add_task(name, 47, prompt);
                    let task = service.task_mut(id).unwrap();
                    (*preference).clone_into(&mut task.project_preference);
                    service.set_schedule(id, has_run.then_some("0 9 * * *"));
                    if has_run {
                        service.run_task(id);
                    }
                }
            }).await;
            let Pulled { mut outline, left_out, archived_count, gap, .. } = pulled(&world).await;
            assert_eq!(gap, None);
            assert_eq!(outline.tasks.len() + left_out.len() + archived_count, tasks.len());
            let pinned = text(&outline);
            world.edit_whole(&pinned);
            expect_empty(&world, &pinned).await;
            expect_empty(world.commit(), &pinned).await;
            outline.tasks.iter_mut().for_each(|task| task.pin = None);
            let free = text(&outline);
            let found = errors(&free);
            let forces_pins = [
                Code::EqualContent, Code::EqualName, Code::EmptyPrompt, Code::UnknownPreference,
            ];
            assert!(found.iter().all(|code| forces_pins.contains(code)), "{found:?}\n{free}");
            if found.is_empty() {
                world.edit_whole(&free);
                expect_empty(world.commit(), &free).await;
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_manifest_cannot_declare_is_left_out_with_the_reason() {
    let world = World::new("");
    world
        .edit_service(|service| {
            service.add_task(" ", 47, "p");
            let unset = service.add_task("unset", 47, "p");
            service.task_mut(unset).unwrap().project_preference.clear();
            service.add_task("old [superseded 0a1b2c3d]", 47, "p");
            service.add_task("fine", 47, "p");
        })
        .await;
    let pulled = pulled(&world).await;
    assert_eq!(pulled.archived_count, 1);
    let why: Vec<String> = pulled.left_out.iter().map(|(id, why)| format!("{id}: {why}")).collect();
    assert_eq!(
        why,
        [
            "332: its name is blank; give it one in the web interface",
            "333: its `projectPreference` is not known",
        ]
    );
    assert_eq!(pulled.outline.tasks[0].key.as_str(), "fine");
}

#[tokio::test]
async fn an_organization_is_pulled_into_files_and_adopted_by_a_commit() {
    let repo = Repo::new();
    repo.edit_service(|service| {
        service.add_task("Momentum: \"weekly\"", 48, "1\n2\n  3\n4\n");
        service.add_task("Buy and hold SPY", 47, "Buy SPY");
        service.add_task("Buy and hold SPY", 47, "Buy SPY daily");
    })
    .await;
    let pulled = repo.qcops("pull --out .");
    assert_eq!((pulled.code, pulled.out.as_str()), (0, ""), "{}", pulled.err);
    assert_eq!(repo.read("prompts/momentum-weekly.md"), "1\n2\n  3\n4\n");
    insta::assert_snapshot!(repo.read("tasks.yaml"), @r##"
    version: 1
    organizationId: e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0
    agents:
      research-assistant:
        id: 47
        name: Research Assistant
        systemPrompt: You are the Research Assistant.
        model: claude-opus-4-7
        reasoningEffort: high
        maxTurns: 100
        toolChoice: auto
        tools: []
        public: false
        useQCC: true
        node: 0
        chainedAgents: []
        subAgents: {}
      momentum-researcher:
        id: 48
        name: Momentum Researcher
        systemPrompt: You are the Momentum Researcher.
        model: claude-opus-4-7
        reasoningEffort: high
        maxTurns: 100
        toolChoice: auto
        tools: []
        public: false
        useQCC: true
        node: 0
        chainedAgents: []
        subAgents: {}
      risk-reviewer:
        id: 49
        name: Risk Reviewer
        systemPrompt: You are the Risk Reviewer.
        model: claude-opus-4-7
        reasoningEffort: high
        maxTurns: 100
        toolChoice: auto
        tools: []
        public: false
        useQCC: true
        node: 0
        chainedAgents: []
        subAgents: {}
    tasks:
      momentum-weekly:
        id: 332
        name: "Momentum: \"weekly\""
        agent: momentum-researcher
        projectPreference: project-each-task-deployment
        promptFile: prompts/momentum-weekly.md
      buy-and-hold-spy:
        id: 333
        name: Buy and hold SPY
        agent: research-assistant
        projectPreference: project-each-task-deployment
        prompt: Buy SPY
      buy-and-hold-spy-334:
        id: 334
        name: Buy and hold SPY
        agent: research-assistant
        projectPreference: project-each-task-deployment
        prompt: Buy SPY daily
    "##);
    repo.expect_nothing_to_do("").commit("adopt").expect_nothing_to_do("");
    let unpinned = repo.read("tasks.yaml").replace("    id: 332\n", "");
    repo.write("tasks.yaml", &unpinned).commit("no pin").expect_nothing_to_do("");
    repo.write("tasks.yaml", &unpinned.replace("Momentum: ", "Trend: ")).commit("rename");
    let planned = repo.qcops("plan");
    assert!(
        planned.out.contains("~ task.momentum-weekly will be updated in place"),
        "{}",
        planned.out
    );
}

#[tokio::test]
async fn pull_overwrites_nothing_unasked() {
    let repo = Repo::new();
    repo.edit_service(|service| service.add_task("SPY", 47, "1\n2\n3\n4")).await;
    let pulled = repo.qcops("pull --out tree");
    assert_eq!((pulled.code, &*pulled.err), (0, "wrote `tree/tasks.yaml` and 1 prompt file\n"));
    assert_eq!(repo.qcops("pull --out tree").code, 0, "nothing differs");
    repo.write("tree/prompts/spy.md", "mine");
    let refused = repo.qcops("pull --out tree");
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("`tree/prompts/spy.md`"), "{}", refused.err);
    assert!(refused.err.contains("`--force`"), "{}", refused.err);
    assert_eq!(repo.read("tree/prompts/spy.md"), "mine");
    assert_eq!(repo.qcops("pull --out tree --force").code, 0);
    assert_eq!(repo.read("tree/prompts/spy.md"), "1\n2\n3\n4\n");
    repo.edit_service(|service| service.task_mut(332).unwrap().prompt = "1".to_owned()).await;
    assert_eq!(repo.qcops("pull --out short").err, "wrote `short/tasks.yaml`\n");
}

#[test]
fn pull_without_a_folder_prints_one_manifest_that_plans_empty() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: \"a\\nb\\nc\\nd\"}").converge("");
    let pulled = repo.qcops("pull");
    assert!(pulled.out.contains("    prompt: |-\n      a\n      b\n"), "{}", pulled.out);
    repo.write("tasks.yaml", &pulled.out).expect_nothing_to_do("");
}

#[tokio::test(start_paused = true)]
async fn every_declared_key_has_a_state() {
    let mut world = World::new("a: {prompt: p}\nb: {name: Old, prompt: q}\nc: {prompt: r}");
    world.commit().converge().await;
    world.edit(
        "a: {prompt: p}\nb: {name: New, prompt: q}\nd: {prompt: s}\ne: {prompt: t}\nf: {prompt: u}",
    );
    world
        .edit_service(|service| {
            service.run_task(332);
            service.add_task("e", 47, "something else");
            service.add_task("nobody's", 47, "x");
            service.add_task("c [superseded 0a1b2c3d]", 47, "y");
        })
        .await;
    let plan_context = world.plan_context();
    let desired = |state: &ObservedState| {
        plan::overview_reads(&plan_context.with(state), plan::Tokens::AsKnown)
    };
    let seen = api::observe(&world.client(), world.clock, desired).await.unwrap();
    let overview = plan::overview(&plan_context.with(&seen));
    let states: Vec<(&str, KeyState, usize)> =
        overview.keys.iter().map(|key| (key.key.as_str(), key.state, key.runs.len())).collect();
    assert_eq!(
        states,
        [
            ("a", KeyState::InSync, 1),
            ("b", KeyState::Drifted, 0),
            ("d", KeyState::Missing, 0),
            ("e", KeyState::Blocked, 0),
            ("f", KeyState::Missing, 0),
        ]
    );
    let counts = (overview.undeclared_count, overview.unmanaged.len(), overview.archived_count);
    assert_eq!(counts, (1, 1, 1));
    assert_eq!(world.writes().len(), 3, "looking changes nothing");
}

#[test]
fn status_is_a_table_for_people_and_json_for_programs() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {first: {}}}").commit("first").converge("");
    repo.tasks("spy: {prompt: Buy SPY daily}\nqqq: {prompt: Buy QQQ}");
    let status = repo.qcops("status");
    assert_eq!(status.code, 0, "{}", status.err);
    assert!(status.out.contains("spy      drifted  332"), "{}", status.out);
    assert!(status.out.contains("qqq      missing  -"), "{}", status.out);
    assert!(status.out.contains("2 tasks are declared: 1 drifted, 1 missing."), "{}", status.out);
    let json: serde_json::Value =
        serde_json::from_str(&repo.qcops("status --format json").out).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["tasks"][1]["status"], "drifted");
    assert_eq!(json["tasks"][1]["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(json["counts"]["missing"], 1);
}

#[test]
fn unmanaged_tasks_are_named_by_status_and_in_json() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}\nold: {name: Made earlier, prompt: Buy DIA}")
        .commit("first")
        .converge("");
    let managed = repo.qcops("status");
    assert!(!managed.out.contains("Unmanaged"), "{}", managed.out);
    repo.write(
        "tasks.yaml",
        "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\nforget: [old]\n\
         tasks:\n  spy: {prompt: Buy SPY}\n",
    );
    let status = repo.qcops("status");
    for part in [
        "Unmanaged, left alone:",
        "  task 332 \"Made earlier\", agent 47 \"Research Assistant\", created 2",
        "1 unmanaged",
    ] {
        assert!(status.out.contains(part), "{part}: {}", status.out);
    }
    for command in ["status --format json", "plan --format json"] {
        let json: serde_json::Value = serde_json::from_str(&repo.qcops(command).out).unwrap();
        let listed = &json["unmanaged"];
        assert_eq!(json["counts"]["unmanaged"], listed.as_array().unwrap().len(), "{command}");
        assert_eq!((&listed[0]["task_id"], &listed[0]["agent_id"]), (&332.into(), &47.into()));
        assert_eq!(listed[0]["name"], "Made earlier", "{command}");
        assert!(listed[0]["created"].is_string() || listed[0]["created"].is_null(), "{command}");
    }
}

async fn destroying(world: &World, scope: Scope) -> Plan {
    let plan_context = world.plan_context();
    let desired = |state: &ObservedState| plan::destroy_reads(&plan_context.with(state), scope);
    let seen = api::observe(&world.client(), world.clock, desired).await.unwrap();
    plan::destroy(&plan_context.with(&seen), scope)
}

async fn destroy(world: &World, scope: Scope) -> Outcome {
    world.carry_out(&destroying(world, scope).await).await
}

const ARCHIVED: Scope = Scope::Archived { older_than: None, saving: Saving::Asked };

/// A world in which `spy`, which has run, was replaced and archived; conversations can be saved.
async fn archived() -> (World, Memory) {
    let mut world = World::new("spy: {prompt: Buy SPY, deployments: {first: {}}}");
    world.commit().converge().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    world.edit("spy: {prompt: Buy SPY daily}").commit().converge().await;
    let files = Memory::default();
    let artifacts = Artifacts::in_folder(Arc::new(files.clone()), "saved".into());
    world.settings.artifacts = Some(artifacts);
    (world, files)
}

fn blocked(plan: &Plan) -> Vec<Code> {
    plan.blocks().map(|finding| finding.code).collect()
}

#[tokio::test(start_paused = true)]
async fn destroy_takes_what_is_provably_ours_and_loses_nothing() {
    let mut world = World::new(
        "a: {prompt: p}\nb: {prompt: q, deployments: {first: {}}}\nc: {prompt: r, protect: true}\nd: {prompt: s}",
    );
    world.commit().converge().await;
    world.edit("a: {prompt: p}\nb: {prompt: q}\nc: {prompt: r, protect: true}").commit();
    world
        .edit_service(|service| {
            service.add_task("theirs", 47, "x");
            service.clone_task(332);
        })
        .await;
    let plan = destroying(&world, Scope::Owned).await;
    let counts = Vec::from_iter(plan.counts());
    assert_eq!(counts, [(Action::Archive, 1), (Action::Delete, 2)], "{}", shown(&plan));
    world.carry_out(&plan).await;
    let left = world.tasks().await;
    assert!(left.contains("333 b [superseded "), "{left}");
    let names: Vec<&str> =
        left.lines().map(|line| line.split([' ', ':']).nth(1).unwrap()).collect();
    assert_eq!(names, ["b", "c", "theirs", "a"], "{left}");
    let again = destroying(&world, Scope::Owned).await;
    assert_eq!(again.ready_steps().count(), 0, "{}", shown(&again));
}

#[tokio::test(start_paused = true)]
async fn destroy_leaves_alone_what_is_released_or_of_unknown_origin() {
    let mut world = World::new("a: {prompt: p}\nb: {prompt: q}");
    world.commit().converge().await;
    world.edit_service(|service| service.add_task("c", 47, "r")).await;
    let defaults = "defaults: {agentId: 47, projectPreference: project-each-task-deployment}";
    world.edit_whole(&format!(
        "version: 1\n{defaults}\nforget: [a, b]\ntasks:\n  c: {{prompt: r}}\n"
    ));
    let plan = destroying(&world, Scope::Owned).await;
    assert!(plan.steps.is_empty(), "{}", shown(&plan));
    let notes: Vec<Code> = plan.notes.iter().map(|note| note.code).collect();
    assert_eq!(notes, [Code::UnknownOrigin]);
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_task_is_not_destroyed_while_its_schedule_goes_on() {
    let mut world = World::new("a: {prompt: p}");
    world.commit().converge().await;
    world.edit_service(|service| service.set_schedule(332, Some("0 9 * * *"))).await;
    assert_eq!(blocked(&destroying(&world, Scope::Owned).await), [Code::Scheduled]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_destroyed_on_a_partial_read() {
    let (mut world, _) = archived().await;
    world.quirk("list-entry=cut-prompt").await.faults("tasks/read%1=500-before");
    for scope in [Scope::Owned, ARCHIVED] {
        let plan = destroying(&world, scope).await;
        assert_eq!(plan.ready_steps().count(), 0, "{}", shown(&plan));
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_listing_is_never_taken_for_nothing() {
    // The ledger knows a task that the list leaves out.
    for scope in [Scope::Owned, ARCHIVED] {
        let mut world = World::new("a: {prompt: p}");
        world.commit().converge().await;
        world.faults("tasks/list%1=list-empty");
        let plan = destroying(&world, scope).await;
        assert_eq!(plan.ready_steps().count(), 0, "{}", shown(&plan));
        assert!(blocked(&plan).contains(&Code::IncompleteRead), "{}", shown(&plan));
    }
    // The list itself says that it is incomplete.
    let mut world = World::new("");
    world.commit();
    let (context, mut state) = world.see().await;
    state.tasks.coverage = Completeness::Partial("it has no end".to_owned());
    for scope in [Scope::Owned, ARCHIVED] {
        let plan = plan::destroy(&context.with(&state), scope);
        assert_eq!(blocked(&plan), [Code::IncompleteRead]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_not_deleted_where_the_list_and_the_read_count_its_deployments_differently() {
    let mut world = World::new("a: {prompt: p}");
    world.commit().converge().await;
    for (counted, how) in [(0, "deleted"), (3, "archived")] {
        let (context, mut state) = world.see().await;
        let read = state.tasks.items[0].clone();
        let none = Listing { items: Vec::new(), coverage: Completeness::Complete };
        state.deployments.insert(read.id, none);
        state.tasks.items[0].deployment_count = Some(counted);
        state.task_reads.insert(read.id, ReadResult::Seen(read));
        let plan = plan::destroy(&context.with(&state), Scope::Owned);
        assert!(shown(&plan).contains(&format!("will be {how}")), "{}", shown(&plan));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_read_is_a_gap_of_what_is_pulled() {
    for fault in ["tasks/read%1=503", "tasks/read%1=500-before", "tasks/read%1=html-before"] {
        let mut world = World::new("a: {prompt: p}");
        world.commit().converge().await;
        world.quirk("list-entry=bare").await.faults(fault);
        let seen = api::observe(&world.client(), world.clock, |state: &ObservedState| {
            pull::desired(state, &ListedAgents::new(), &BTreeSet::new())
        })
        .await
        .unwrap();
        let pulled = pull::pull(&seen, &ListedAgents::new(), &PullSelection::default());
        assert!(pulled.outline.tasks.is_empty() && pulled.gap.is_some(), "{fault}: {pulled:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_archived_task_is_deleted_once_its_conversations_are_saved() {
    for quirk in ["delete-task=refuse-active", "delete-task=refuse-any"] {
        let (mut world, files) = archived().await;
        world.quirk(quirk).await;
        let run =
            world.edit_service(|service| service.deployments().next().unwrap().id.clone()).await;
        let plan = destroying(&world, ARCHIVED).await;
        assert!(shown(&plan).contains("1 deployment goes with it"), "{}", shown(&plan));
        world.carry_out(&plan).await;
        assert_eq!(world.tasks().await, "333 spy: Buy SPY daily", "{quirk}");
        let path = format!("saved/task-332/{run}.json");
        let saved = files.read(Path::new(&path)).unwrap().unwrap();
        let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
        assert!(saved["messages"].to_string().contains("Buy SPY"), "{quirk}: {saved}");
        let path = format!("saved/task-332/{run}.md");
        let saved = String::from_utf8(files.read(Path::new(&path)).unwrap().unwrap()).unwrap();
        assert!(saved.contains("\n## Turn 1: user\n\n```text\nBuy SPY\n```\n"), "{quirk}: {saved}");
        world.expect_nothing_to_do().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_an_agent_is_not_saved_with_its_conversation() {
    let (mut world, files) = archived().await;
    world.quirk("token-echo=clear").await.quirk("agent-definitions=shown").await;
    let run = world.edit_service(|service| {
        let token =
            serde_json::json!({"llmApiTokenUser": "key-marker", "llmProviderApi": "anthropic"});
        service.edit_agent(47, "useQCC", false.into());
        service.edit_agent(47, "token", token);
        service.deployments().next().unwrap().id.clone()
    });
    let run = run.await;
    world.carry_out(&destroying(&world, ARCHIVED).await).await;
    for ending in ["json", "md"] {
        let path = format!("saved/task-332/{run}.{ending}");
        let saved = String::from_utf8(files.read(Path::new(&path)).unwrap().unwrap()).unwrap();
        assert!(!saved.contains("key-marker"), "{saved}");
        assert_eq!(saved.contains("(masked)"), ending == "json", "{saved}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_cannot_be_saved_keeps_its_task() {
    let faults = ["500-before", "lost-after", "broken-json"];
    for fault in faults {
        let (mut world, files) = archived().await;
        world.faults(&format!("deployments/conversation/read%1={fault}"));
        let outcome = destroy(&world, ARCHIVED).await;
        let codes: Vec<Code> = outcome
            .steps
            .values()
            .filter_map(|ended| match ended {
                StepOutcome::Failed(finding) => Some(finding.code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [Code::TranscriptUnsaved], "{fault}: {outcome:#?}");
        assert!(world.tasks().await.starts_with("332 spy [superseded "), "{fault}");
        assert!(!world.writes().iter().any(|path| path.ends_with("/delete")), "{fault}");
        drop(files);
    }
}

/// A disk that takes no file with this ending.
struct Refusing(&'static str, Memory);

impl Files for Refusing {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
        self.1.read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        if path.extension().is_some_and(|ending| ending == self.0) {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(FilesError::Io { verb: "write", path: path.to_owned(), source });
        }
        self.1.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        self.1.append(path, bytes)
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, FilesError> {
        self.1.try_lock(path)
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_of_which_one_form_cannot_be_written_keeps_its_task() {
    for ending in ["md", "json"] {
        let (mut world, files) = archived().await;
        let files = Arc::new(Refusing(ending, files));
        world.settings.artifacts = Some(Artifacts::in_folder(files, "saved".into()));
        let outcome = destroy(&world, ARCHIVED).await;
        let told: Vec<String> = outcome
            .steps
            .values()
            .filter_map(|ended| match ended {
                StepOutcome::Failed(finding) => {
                    Some(format!("{} {}", finding.code, finding.message))
                }
                _ => None,
            })
            .collect();
        assert_eq!(told.len(), 1, "{ending}: {outcome:#?}");
        let is_told = told[0].starts_with("transcript-unsaved ") && told[0].contains(ending);
        assert!(is_told, "{told:?}");
        assert!(world.tasks().await.starts_with("332 spy [superseded "), "{ending}");
        assert!(!world.writes().iter().any(|path| path.ends_with("/delete")), "{ending}");
    }
}

#[tokio::test(start_paused = true)]
async fn archived_tasks_with_runs_need_a_folder_for_their_conversations() {
    let (world, _) = archived().await;
    let scope = Scope::Archived { older_than: None, saving: Saving::Impossible };
    let plan = destroying(&world, scope).await;
    assert_eq!(blocked(&plan), [Code::TranscriptUnsaved]);
    assert!(shown(&plan).contains("--artifacts DIR"), "{}", shown(&plan));
    let plan = destroying(&world, ARCHIVED).await;
    let note = "1 conversation will be lost on the service, and saved as JSON and Markdown before";
    assert!(plan.notes.iter().any(|said| said.message == note), "{:?}", plan.notes);
}

#[tokio::test(start_paused = true)]
async fn an_archived_task_that_is_active_or_young_or_not_ours_stays() {
    let (world, _) = archived().await;
    let day = jiff::SignedDuration::from_hours(24);
    let older = Scope::Archived { older_than: Some(day), saving: Saving::Asked };
    assert!(destroying(&world, older).await.steps.is_empty(), "it was archived just now");
    tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
    assert_eq!(destroying(&world, older).await.ready_steps().count(), 1);
    world
        .edit_service(|service| {
            service.add_task("theirs [superseded 0a1b2c3d]", 47, "x");
            service.add_task("mimic [superseded 0a1b2c3d]", 47, "Buy SPY");
            service.run_task(332);
        })
        .await;
    let plan = destroying(&world, older).await;
    assert_eq!(
        (plan.steps.len(), blocked(&plan)),
        (1, vec![Code::ActiveDeployments]),
        "{}",
        shown(&plan)
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_after_the_plan_keeps_an_archived_task() {
    let (world, _) = archived().await;
    let plan = destroying(&world, ARCHIVED).await;
    world.edit_service(|service| service.run_task(332)).await;
    world.carry_out(&plan).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    world.carry_out(&plan).await;
    assert!(world.tasks().await.starts_with("332 spy [superseded "));
}

#[test]
fn destroy_lists_first_and_wants_the_organization_by_name() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    let listed = repo.qcops("destroy");
    assert_eq!(listed.code, 3, "{}", listed.err);
    assert!(listed.out.contains("- task.spy will be deleted"), "{}", listed.out);
    assert!(listed.err.contains(&format!("`--confirm {ORGANIZATION_ID}`")), "{}", listed.err);
    let wrong = repo.qcops("destroy --confirm another");
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""), "{}", wrong.err);
    let done = repo.qcops(&format!("destroy --confirm {ORGANIZATION_ID}"));
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let after = repo.qcops("destroy");
    assert_eq!((after.code, after.out.as_str()), (0, "Nothing to destroy.\n"));
    assert!(repo.qcops("status").out.contains("1 missing"));
}

#[tokio::test]
async fn what_another_manifest_declares_is_not_destroyed() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    repo.manifest("other.yaml", "theirs: {prompt: Buy SPY, name: spy}").commit("share");
    let listed = repo.qcops("destroy");
    assert_eq!(listed.code, 0, "{}{}", listed.out, listed.err);
    assert!(listed.out.contains("deferred[still-declared]"), "{}", listed.out);
    let names = repo.edit_service(|world: &mut emulator::World| world.tasks().count()).await;
    assert_eq!(names, 1);
}

#[test]
fn the_emulator_is_the_organization_of_the_manifest() {
    let repo = Repo::new();
    let manifest = |organization: &str, prompt: &str| {
        format!(
            "version: 1\norganizationId: {organization}\n\
             defaults: {{agentId: 47, projectPreference: project-for-task}}\n\
             tasks: {{spy: {{prompt: {prompt}}}}}\n"
        )
    };
    let (dev, prod) = ("3b13".repeat(8), "9f2c".repeat(8));
    for (organization, expected) in
        [(&dev, "1 to create"), (&prod, "1 to create"), (&dev, "No changes")]
    {
        repo.write("tasks.yaml", &manifest(organization, "Buy SPY")).commit("next");
        let plan = repo.qcops("plan");
        assert_eq!(plan.code, 0, "{}", plan.err);
        assert!(plan.out.contains(expected), "{organization}: {}", plan.out);
        assert!(!plan.out.contains("1 unmanaged"), "organizations are apart: {}", plan.out);
        let applied = repo.qcops("apply --yes");
        assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    }
}

#[test]
fn a_deleted_emulator_is_a_new_world_of_which_the_ledger_knows_nothing() {
    let repo = Repo::new();
    repo.tasks("a: {prompt: p}\nb: {prompt: q}\nc: {prompt: r}").commit("first");
    let words = ["apply", "--emulator", "--yes"].map(str::to_owned);
    let first = repo.run(&words);
    assert_eq!(first.code, 0, "{}", first.err);
    std::fs::remove_file(repo.path().join(".qcops/emulator.json")).unwrap();
    let again = repo.run(&words);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    assert!(again.out.contains("3 to create"), "{}", again.out);
}
