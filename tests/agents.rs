//! Stories of agents through the emulator in process: made once, changed in place, used by tasks.

use std::fs;
use std::path::Path;

use qcops::diag::Code;
use qcops::event::{HaltReason, Outcome, StepOutcome};
use qcops::files::Files;
use qcops::plan::{Change, StepStatus};
use serde_json::{Value, json};

use crate::support::repo::Repo;
use crate::support::world::{World, shown};

/// A manifest with these agents, one a line, and one task that uses the first of them.
fn manifest(agents: &str) -> String {
    let first = agents.split(':').next().unwrap().trim();
    let agents = agents.trim().replace('\n', "\n  ");
    format!(
        "version: 1\ndefaults: {{agent: {first}, projectPreference: project-for-task}}\n\
         agents:\n  {agents}\ntasks:\n  spy: {{prompt: Buy SPY, deployments: {{first: {{}}}}}}\n"
    )
}

const RESEARCHER: &str = "researcher: {name: Momentum Scout, systemPrompt: Be brief, \
                          model: claude-opus-4-7, tools: [datasets, read_backtest]}";

fn world(agents: &str) -> World {
    let mut world = World::new("");
    world.edit_whole(&manifest(agents));
    world
}

/// The agents that are not there from the beginning: `ID NAME`, a line each.
async fn made(world: &World) -> String {
    let line = |agent: &qcops::emulator::Agent| {
        format!("{} {}", agent.id, agent.fields["name"].as_str().unwrap())
    };
    world
        .edit_service(|service| {
            let made = service.agents().filter(|agent| agent.id > 49);
            made.map(line).collect::<Vec<_>>().join("\n")
        })
        .await
}

/// The bodies of all requests to a path, the newest last.
fn bodies(world: &World, path: &str) -> Vec<Value> {
    let requests = world.emulator.requests().into_iter().filter(|logged| logged.path == path);
    requests.map(|logged| serde_json::from_str(&logged.body).unwrap()).collect()
}

/// The codes of steps that did not end well.
fn codes(outcome: &Outcome) -> Vec<Code> {
    let code = |ended: &StepOutcome| match ended {
        StepOutcome::Failed(finding) | StepOutcome::Unknown(finding) => Some(finding.code),
        _ => None,
    };
    outcome.steps.values().filter_map(code).collect()
}

async fn edit(world: &World, field: &'static str, value: Value) {
    let edit = |service: &mut qcops::emulator::World| {
        let id =
            service.agents().find(|agent| agent.fields["name"] == "Momentum Scout").unwrap().id;
        service.edit_agent(id, field, value);
    };
    world.edit_service(edit).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_its_task_and_a_deployment_are_made_once_in_this_order() {
    let world = world(RESEARCHER);
    let plan = world.plan_text().await;
    assert!(plan.contains("agent:             agent.researcher (known after apply)"), "{plan}");
    world.converge().await;
    let creates = ["/agents/create", "/agents/tasks/create", "/agents/deployments/create"];
    assert_eq!(world.writes(), creates);
    let task = &bodies(&world, "/agents/tasks/create")[0];
    assert_eq!(format!("{} Momentum Scout", task["agentId"]), made(&world).await);
}

#[tokio::test(start_paused = true)]
async fn an_edited_system_prompt_is_one_update_with_nothing_else() {
    let mut world = world(RESEARCHER);
    world.commit().converge().await;
    world.edit_whole(&manifest(&RESEARCHER.replace("brief", "very brief"))).commit();
    let plan = world.plan_text().await;
    for part in ["~ agent.researcher will be updated in place", "{+very +}", "used by: task.spy"] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    world.converge().await;
    let id = made(&world).await.split(' ').next().unwrap().parse::<u64>().unwrap();
    let update = json!({"agentId": id, "systemPrompt": "Be very brief"});
    assert_eq!(bodies(&world, "/agents/update"), [update]);
    for logged in world.emulator.requests() {
        for never in ["token", "author", "\"organization\"", "profileImage", "outputSchema"] {
            assert!(!logged.body.contains(never), "{} {}", logged.path, logged.body);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_any_write_about_an_agent_is_settled() {
    for fault in ["lost-after", "lost-before", "500-after", "500-before", "cut-answer", "no-id"] {
        let mut world = world(RESEARCHER);
        world.faults(&format!("/agents/create#1={fault}"));
        world.commit().converge().await;
        assert_eq!(made(&world).await.lines().count(), 1, "{fault}");
        if fault != "no-id" {
            world.faults(&format!("/agents/update#1={fault} /agents/delete#1={fault}"));
        }
        world.edit_whole(&manifest(&RESEARCHER.replace("brief", "clear"))).commit();
        world.converge().await;
        let other = "other: {name: Other}";
        world.edit_whole(&manifest(other)).commit().pruning();
        world.options.limits.replace = Some(9);
        world.apply().await;
        world.apply().await;
        assert!(
            !made(&world).await.contains("Scout") || made(&world).await.contains("Other"),
            "{fault}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_agents_of_which_two_refer_to_each_other_take_one_apply() {
    let lines: Vec<String> = (0..20)
        .map(|n| match n {
            3 => "a03: {systemPrompt: Number 3, subAgents: {a07: 2}}".to_owned(),
            7 => "a07: {systemPrompt: Number 7, chainedAgents: [a03]}".to_owned(),
            n => format!("a{n:02}: {{systemPrompt: Number {n}}}"),
        })
        .collect();
    let mut world = world(&lines.join("\n"));
    world.options.limits.create = Some(50);
    world.converge().await;
    assert_eq!(made(&world).await.lines().count(), 20);
    assert_eq!(bodies(&world, "/agents/update").len(), 1, "the ring is closed later");
}

#[tokio::test(start_paused = true)]
async fn an_update_without_effect_fails_once_and_is_not_asked_for_again() {
    let mut world = world(RESEARCHER);
    world.commit().converge().await;
    world.edit_whole(&manifest(&RESEARCHER.replace("opus", "sonnet"))).commit();
    world.faults("/agents/update=no-effect");
    assert_eq!(codes(&world.apply().await), [Code::NoEffect]);
    assert_eq!(bodies(&world, "/agents/update").len(), 1);
    let plan = world.plan_text().await;
    let verdict =
        "No changes: 1 task is as declared, 1 agent differs as the service stored what was sent.";
    assert!(plan.starts_with(verdict) && plan.contains("stored-otherwise"), "{plan}");
    world.faults("");
    world.edit_whole(&manifest(&RESEARCHER.replace("opus", "haiku"))).commit();
    world.converge().await;
    assert_eq!(bodies(&world, "/agents/update").len(), 2, "something else is asked for");
}

/// What happens after an update without effect, from `claude-opus-4-7` to `b`, and the models that are
/// asked for in the end.
const AFTER_NO_EFFECT: &[(&str, &[&str], &[&str])] = &[
    ("nothing", &["apply"], &[]),
    ("set back by hand", &["edit x", "edit claude-opus-4-7", "apply"], &[]),
    ("changed by hand", &["edit x", "apply"], &["b"]),
    (
        "changed, put back, and set back by hand",
        &["edit x", "apply", "edit claude-opus-4-7", "apply"],
        &["b", "b"],
    ),
    (
        "set by hand as declared, and back",
        &["edit b", "apply", "edit claude-opus-4-7", "apply"],
        &["b"],
    ),
    ("another one declared, and back", &["declare c", "apply", "declare b", "apply"], &["c", "b"]),
    (
        "declared as stored, and back",
        &["declare claude-opus-4-7", "apply", "declare b", "apply"],
        &["b"],
    ),
    ("without effect again", &["edit x", "broken", "apply", "mended", "apply"], &["b"]),
];

#[tokio::test(start_paused = true)]
async fn a_value_that_was_stored_otherwise_once_hides_no_later_drift() {
    for (row, acts, expected) in AFTER_NO_EFFECT {
        let mut world = world(RESEARCHER);
        world.commit().converge().await;
        world.edit_whole(&manifest(&RESEARCHER.replace("claude-opus-4-7", "b"))).commit();
        world.faults("/agents/update=no-effect");
        assert_eq!(codes(&world.apply().await), [Code::NoEffect], "{row}");
        world.faults("");
        for act in *acts {
            match act.split_once(' ').unwrap_or((act, "")) {
                ("apply", _) => drop(world.apply().await),
                ("edit", model) => edit(&world, "model", json!(model)).await,
                ("declare", model) => {
                    let declared = RESEARCHER.replace("claude-opus-4-7", model);
                    world.edit_whole(&manifest(&declared)).commit();
                }
                ("broken", _) => drop(world.faults("/agents/update=no-effect")),
                (_, _) => drop(world.faults("")),
            }
        }
        let asked: Vec<Value> = bodies(&world, "/agents/update").into_iter().skip(1).collect();
        let asked: Vec<&str> = asked.iter().map(|body| body["model"].as_str().unwrap()).collect();
        assert_eq!(asked, *expected, "{row}");
        world.expect_nothing_to_do().await;
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_new_agents_with_a_default_tool_take_two_applies() {
    let lines: Vec<String> = (0..20)
        .map(|n| format!("a{n:02}: {{systemPrompt: Number {n}, tools: [datasets]}}"))
        .collect();
    let mut world = world(&lines.join("\n"));
    world.options.limits.create = Some(50);
    world.quirk("default-tool=on").await;
    let outcome = world.commit().apply().await;
    assert_eq!((codes(&outcome), world.writes().len()), (vec![Code::ReadBackDiffers], 1));
    world.converge().await;
    assert_eq!(made(&world).await.lines().count(), 20);
    assert_eq!(world.writes().len(), 22, "each agent once, the task and its deployment");
    let (plan, again) = (world.plan().await, world.plan().await);
    assert_eq!((plan.stored_otherwise.agents.len(), plan.digest()), (20, again.digest()));
    let declared = lines.join("\n").replace("[datasets]", "[datasets, user_input]");
    world.edit_whole(&manifest(&declared)).commit();
    let plan = world.plan_text().await;
    assert!(plan.starts_with("No changes: 20 agents and 1 task are as declared."), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn a_first_agent_that_is_stored_otherwise_ends_the_creates_of_agents() {
    let mut world = world(&format!("{RESEARCHER}\nsecond: {{tools: [datasets]}}"));
    world.quirk("default-tool=on").await;
    let outcome = world.commit().apply().await;
    assert_eq!(codes(&outcome), [Code::ReadBackDiffers]);
    let is_over = |ended: &StepOutcome| {
        matches!(ended, StepOutcome::NotStarted(HaltReason::StoredDifferently))
    };
    assert_eq!(outcome.count(is_over), 1, "{outcome:#?}");
    assert_eq!(world.writes(), ["/agents/create"]);
    let said = outcome.steps.values().find_map(|ended| match ended {
        StepOutcome::Failed(finding) => Some(finding.message.clone()),
        _ => None,
    });
    let said = said.unwrap();
    assert_eq!(
        said,
        "agent 50 was created, and `tools` is stored as `datasets, read_backtest, user_input`, \
         declared as `datasets, read_backtest`"
    );
    let (plan, again) = (world.plan().await, world.plan().await);
    assert_eq!(plan.digest(), again.digest());
    let of_first = |step: &&qcops::plan::Step| step.key.as_str() == "researcher";
    assert!(!plan.steps.iter().any(|step| of_first(&step)), "{}", shown(&plan));
    // Declared as it is stored, all of it converges.
    let as_stored = RESEARCHER.replace("read_backtest", "read_backtest, user_input");
    let both = format!("{as_stored}\nsecond: {{tools: [datasets, user_input]}}");
    world.edit_whole(&manifest(&both)).commit().converge().await;
    assert_eq!(made(&world).await.lines().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_of_agents_change_hands() {
    const BEFORE: &str = "a: {name: One, systemPrompt: p}\nb: {name: Two, systemPrompt: q}";
    for (row, after, rule, most) in [
        ("chain", ["Two", "Three"], "allow", 1),
        ("chain", ["Two", "Three"], "suffix", 1),
        ("chain", ["Two", "Three"], "refuse", 1),
        ("ring", ["Two", "One"], "allow", 1),
        ("ring", ["Two", "One"], "suffix", 2),
    ] {
        let mut world = world(BEFORE);
        world.quirk(&format!("duplicate-agent-name={rule}")).await;
        world.commit().commit().converge().await;
        let ids = made(&world).await.replace(" One", "").replace(" Two", "");
        let edited = BEFORE.replace("One", "1").replace("Two", after[1]).replace('1', after[0]);
        world.edit_whole(&manifest(&edited)).commit();
        for _ in 1..most {
            world.apply().await;
        }
        world.converge().await;
        let ids: Vec<&str> = ids.lines().collect();
        let expected = format!("{} {}\n{} {}", ids[0], after[0], ids[1], after[1]);
        assert_eq!(made(&world).await, expected, "{row} {rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_machines_that_create_one_agent_at_once_say_so() {
    let mut one = world(RESEARCHER);
    one.commit();
    let other = one.beside();
    let (first, second) = tokio::join!(one.apply(), other.apply());
    assert_eq!(made(&one).await.lines().count(), 2, "the creates crossed");
    for outcome in [first, second] {
        let said = outcome.steps.values().find_map(|ended| match ended {
            StepOutcome::Unknown(finding) => Some(finding.message.clone()),
            _ => None,
        });
        let said = said.expect("both are told");
        assert!(said.contains("agent 50") && said.contains("agent 51"), "{said}");
    }
    assert_eq!(one.blocks().await, [].into(), "each machine knows its own");
    assert!(one.plan_text().await.contains("note[duplicate]"), "and names the other");
}

#[tokio::test(start_paused = true)]
async fn fields_of_an_agent_are_emptied_where_that_is_declared() {
    let filled = "researcher: {name: Momentum Scout, systemPrompt: Be brief, description: Old, \
                  pipeline: research, tools: [datasets], subAgents: {critic: 2}, chainedAgents: [critic]}\n\
                  critic: {systemPrompt: Be harsh}";
    let emptied = filled
        .replace("Old", "''")
        .replace(": research,", ": '',")
        .replace("[datasets]", "[]")
        .replace("{critic: 2}", "{}")
        .replace("[critic]", "[]");
    for shown in ["shown", "null", "missing"] {
        let mut world = world(filled);
        world.quirk(&format!("agent-empty-fields={shown}")).await;
        world.commit().converge().await;
        world.edit_whole(&manifest(&emptied)).commit().converge().await;
        let update = &bodies(&world, "/agents/update")[0];
        for (field, empty) in [
            ("description", json!("")),
            ("pipeline", json!("")),
            ("tools", json!([])),
            ("subAgents", json!([])),
            ("chainedAgents", json!([])),
        ] {
            assert_eq!(update[field], empty, "{shown} {field}");
        }
    }
}

#[tokio::test]
async fn a_review_of_agents_shows_warnings_and_who_else_is_there() {
    let repo = Repo::new();
    let text = manifest(RESEARCHER).replace("datasets", "datasetz, create_live_algorithm");
    repo.write("tasks.yaml", &text).commit("agents");
    let page = repo.qcops("plan --format markdown --output markdown=page.md").out;
    for part in ["warning[unknown-tool]", "note[trading-tools]"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert_eq!(repo.read("page.md"), page);
    let plan: Value = serde_json::from_str(&repo.qcops("plan --format json").out).unwrap();
    let unmanaged = json!([
        {"agent_id": 47, "name": "Research Assistant"},
        {"agent_id": 48, "name": "Momentum Researcher"},
        {"agent_id": 49, "name": "Risk Reviewer"},
    ]);
    assert_eq!(plan["unmanaged_agents"], unmanaged);
    for command in
        ["pull --id 999", "pull --id 999 --id 998 --out pulled", "pull --only tasks --id 47"]
    {
        let ran = repo.qcops(command);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{command}: {}", ran.err);
        assert!(
            ran.err.contains("to declare with the id") && ran.err.contains("help:"),
            "{}",
            ran.err
        );
        assert!(!repo.path().join("pulled").exists());
    }
    assert_eq!(repo.qcops("pull --id 47").code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_name_of_an_agent_is_asked_for_once_more_and_then_accepted() {
    for rule in ["title", "fold"] {
        let mut world = world(&RESEARCHER.replace("Momentum Scout", "momentum  SCOUT x"));
        world.quirk(&format!("agent-name-on-create={rule}")).await;
        world.quirk(&format!("agent-name-on-update={rule}")).await;
        world.commit().converge().await;
        assert_eq!(bodies(&world, "/agents/update").len(), 1, "{rule}");
        world.on_another_machine().commit().expect_nothing_to_do().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_in_the_web_interface_is_drift_where_it_is_declared() {
    let mut world = world(RESEARCHER);
    world.commit().commit().converge().await;
    edit(&world, "description", json!("By hand")).await;
    world.expect_nothing_to_do().await;
    edit(&world, "model", json!("gpt-9")).await;
    let plan = world.plan_text().await;
    assert!(plan.contains("# changed on the service since it was applied"), "{plan}");
    world.converge().await;
    assert_eq!(bodies(&world, "/agents/update").len(), 1);
    assert_eq!(bodies(&world, "/agents/update")[0]["model"], "claude-opus-4-7");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_got_a_user_after_the_plan_is_not_deleted() {
    let mut world = world(&format!("{RESEARCHER}\nold: {{name: Old Agent, tools: []}}"));
    world.commit().commit().converge().await;
    world.edit_whole(&manifest(RESEARCHER)).commit().pruning();
    let plan = world.plan().await;
    let deletes = plan.ready_steps().filter(|step| matches!(step.change, Change::Agent(_)));
    assert_eq!(deletes.count(), 1, "{}", shown(&plan));
    let id =
        made(&world).await.lines().find_map(|line| line.strip_suffix(" Old Agent")?.parse().ok());
    let task = world.edit_service(|service| service.add_task("Theirs", id.unwrap(), "p")).await;
    assert_eq!(codes(&world.carry_out(&plan).await), [Code::ChangedSincePlan]);
    assert!(!world.writes().contains(&"/agents/delete".to_owned()));
    let plan = world.plan().await;
    let is_named = shown(&plan).contains(&format!("task {task}"));
    let is_ready = |step: &qcops::plan::Step| step.status == StepStatus::Ready;
    assert!(is_named && !plan.steps.iter().any(is_ready), "{}", shown(&plan));
}

#[tokio::test(start_paused = true)]
async fn a_token_in_an_answer_reaches_no_output() {
    const TOKEN: &str = "sk-marker-5b1e";
    for echo in ["clear", "masked"] {
        let mut world = world(RESEARCHER);
        world.quirk(&format!("token-echo={echo}")).await;
        world.commit().converge().await;
        let token = json!({"llmApiTokenUser": TOKEN, "llmProviderApi": "anthropic"});
        edit(&world, "token", token).await;
        edit(&world, "model", json!("gpt-9")).await;
        let plan = world.plan().await;
        let outcome = world.carry_out(&plan).await;
        let mut all = format!("{plan:?}{outcome:?}{}", world.plan_text().await);
        let ledger = world.files.read(Path::new("ledger.jsonl")).unwrap().unwrap();
        all.push_str(&String::from_utf8_lossy(&ledger));
        assert!(!all.contains("sk-marker"), "{echo}: {all}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_somebody_else_is_used_under_its_name_and_never_changed() {
    let mut world = world(RESEARCHER);
    let theirs = json!({"name": "Momentum Scout", "systemPrompt": "Mine", "model": "gpt-9"});
    let id = world.edit_service(|service| service.add_agent(theirs)).await;
    world.commit().commit();
    assert!(world.blocks().await.contains(&Code::Unproven));
    world.apply().await;
    assert!(!world.writes().iter().any(|path| path.starts_with("/agents/update")));
    let pinned = manifest(&RESEARCHER.replace("{name", &format!("{{id: {id}, name")));
    world.edit_whole(&pinned).commit().converge().await;
    assert_eq!(bodies(&world, "/agents/update").len(), 1, "a pin is a proof");
}

/// The files of a folder and what is below it, as text.
fn files(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.push_str(&files(&entry));
        } else {
            all.push_str(&String::from_utf8_lossy(&fs::read(entry).unwrap()));
        }
    }
    all
}

#[tokio::test]
async fn an_echoed_token_is_in_no_output_file_log_or_snapshot() {
    const TOKEN: &str = "sk-planted-5b1e";
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(RESEARCHER)).commit("agents");
    repo.commit("again");
    let ran = repo.qcops("apply --yes");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let plant = |service: &mut qcops::emulator::World| {
        service.quirks.set("token-echo=clear").unwrap();
        let id = service.agents().find(|agent| agent.id > 49).unwrap().id;
        let token = json!({"llmApiTokenUser": TOKEN, "llmProviderApi": "anthropic"});
        service.edit_agent(id, "token", token);
        service.edit_agent(id, "model", json!("gpt-9"));
    };
    repo.edit_service(plant).await;
    let mut all = String::new();
    for command in [
        "plan -vv --save-snapshot seen.json --out plan.json --output html=plan.html",
        "plan --format json",
        "plan --format markdown",
        "status -vv",
        "status --format json",
        "apply -vv --yes --output json=report.json",
        "pull",
    ] {
        let ran = repo.qcops(command);
        all.push_str(&ran.out);
        all.push_str(&ran.err);
    }
    assert!(all.contains("agent.researcher updated in place"), "{all}");
    all.push_str(&files(&repo.path()));
    assert!(!all.contains("sk-planted"), "{all}");
}
