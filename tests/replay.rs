//! What was kept of a sight gives the same plan again, without the service and without credentials.
//!
//! Every plan of every story in process, and of every law, is held against its replay too: see
//! `support::world::replayed`.

use std::fs;

use qcops::model::{AgentId, sha256_hex};
use qcops::observation::{Observation, ObservationError};
use qcops::observed::ListedAgents;
use qcops::plan::{self, Change};
use qcops::resource::Object;
use serde_json::{Value, json};

use crate::support::repo::{Ran, Repo};
use crate::support::world::{World, replayed, shown};

const TALK: &str = "spy: {prompt: p, deployments: {d: {followUps: [a, b]}}}";

/// A deployment that was sent `a`, and then, by a person, something of their own.
async fn diverged() -> World {
    let world = World::new(TALK);
    for _ in 0..2 {
        world.apply().await;
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
    }
    let id = world.edit_service(|service| service.deployments().next().unwrap().id.clone()).await;
    let id = qcops::model::DeploymentId(id);
    world.client().prompt_deployment(&id, "my own words").await.into_result().unwrap();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn of_a_conversation_only_what_the_plan_itself_shows_is_kept_in_words() {
    let mut world = diverged().await;
    let kept = async |world: &World| {
        let (plan_context, state) = world.see().await;
        let plan = replayed(&plan_context, &state);
        let kept = Observation::new("s".to_owned(), ListedAgents::new(), &state, &plan);
        (kept, plan)
    };
    let (quoted, plan) = kept(&world).await;
    assert!(plan.steps.iter().any(|step| matches!(step.change, Change::Diverged { .. })));
    let quoted = quoted.to_json();
    assert!(quoted.contains("my own words"), "the plan shows them, too: {quoted}");
    let agents = world
        .edit_service(|service| {
            let messages = service.deployments().flat_map(|run| &run.messages);
            let agents = messages.filter(|message| message.role == "assistant");
            let texts = agents
                .flat_map(|message| &message.parts)
                .filter_map(|part| part["text"].as_str().map(str::to_owned));
            texts.collect::<Vec<String>>()
        })
        .await;
    assert!(agents.len() > 1, "{agents:?}");
    for words in agents {
        assert!(!quoted.contains(words.lines().next().unwrap()), "{words}");
    }
    // Now the deployment serves as it is, and nothing of it is shown.
    world.edit("spy: {prompt: p, deployments: {d: {followUps: [a, my own words]}}}");
    let (silent, plan) = kept(&world).await;
    assert!(!shown(&plan).contains("my own words"));
    assert!(!silent.to_json().contains("my own words"));
    assert!(silent.to_json().contains(&sha256_hex(b"my own words")));
    // A manifest that never knew them sees that there was something else, and by which hash.
    world.edit(TALK);
    let plan_context = world.plan_context();
    let plan = plan::plan(&plan_context.with(&silent.state(&plan_context.desired_state)));
    assert!(shown(&plan).contains(&format!("(left out: sha256 {}", sha256_hex(b"my own words"))));
    assert!(plan.blocks().any(|finding| finding.code == qcops::diag::Code::Diverged));
}

#[tokio::test(start_paused = true)]
async fn whatever_is_changed_in_an_observation_it_is_refused_and_never_panics() {
    let world = diverged().await;
    let (plan_context, state) = world.see().await;
    let plan = plan::plan(&plan_context.with(&state));
    let agents = ListedAgents::from([(AgentId(47), Object::agent("Momentum \u{1b}"))]);
    let kept = Observation::new("s".to_owned(), agents, &state, &plan).to_json();
    assert!(kept.ends_with("}\n"));
    for at in 0..kept.len() {
        let mut bytes = kept.clone().into_bytes();
        bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        assert!(Observation::from_json(&bytes).is_err(), "byte {at}");
        let is_whole = at == kept.len() - 1;
        assert_eq!(Observation::from_json(&kept.as_bytes()[..at]).is_ok(), is_whole, "{at}");
    }
    let value: Value = serde_json::from_str(&kept).unwrap();
    let read = |value: &Value| Observation::from_json(value.to_string().as_bytes());
    assert!(read(&value).is_ok(), "another layout says the same");
    let mut newer = value.clone();
    newer["format_version"] = json!(3);
    newer["surprise"] = json!(1);
    assert!(matches!(read(&newer), Err(ObservationError::Newer(3))));
    for hostile in ["", "null", "[]", "{}", "\u{0}", "{\"format_version\": -1}", &"[".repeat(9999)]
    {
        let refused = Observation::from_json(hostile.as_bytes());
        assert!(matches!(refused, Err(ObservationError::Unreadable)), "{hostile:.20}");
    }
}

/// As a program wrote it that knew the names of agents alone.
const VERSION_1: &str = include_str!("replay/snapshot-1.json");

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_version_1_is_still_planned_from() {
    let kept = Observation::from_json(VERSION_1.as_bytes()).unwrap();
    let mut world = World::new("");
    world.edit_whole(
        "version: 1\ntasks:\n  spy: {agent: Momentum Researcher, prompt: Buy SPY, projectPreference: project-for-task}\n",
    );
    world.commit().commit();
    let plan_context = world.plan_context();
    let plan = plan::plan(&plan_context.with(&kept.state(&plan_context.desired_state)));
    let text = shown(&plan);
    assert!(text.starts_with("No changes: 1 task is as declared. 1 unmanaged."), "{text}");
    assert!(matches!(
        Observation::from_json(VERSION_1.replace("Buy SPY", "Sell SPY").as_bytes()),
        Err(ObservationError::Edited)
    ));
}

/// Changes an observation and seals it again, as somebody who means harm would.
fn forged(kept: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(kept).unwrap();
    change(&mut value);
    value["seal"] = json!("");
    value["seal"] = json!(sha256_hex(value.to_string().as_bytes()));
    value.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_forged_observation_is_refused_where_it_means_nothing_and_else_only_shown() {
    let world = diverged().await;
    let (plan_context, state) = world.see().await;
    let plan = plan::plan(&plan_context.with(&state));
    let kept = Observation::new("s".to_owned(), ListedAgents::new(), &state, &plan).to_json();
    let open = |text: String| Observation::from_json(text.as_bytes());
    assert!(open(forged(&kept, |_| ())).is_ok(), "the test seals as the program does");
    let invalid: [fn(&mut Value); 4] = [
        |value| value["observed_at"] = json!("yesterday"),
        |value| value["tasks"]["items"][0]["created"] = json!("2026-13-01T00:00:00"),
        |value| value["deployments"]["332"]["items"][0]["ended"] = json!("99999999999999999999"),
        |value| {
            let run = value["conversations"].as_object_mut().unwrap().values_mut().next();
            run.unwrap()["seen"]["messages"][0]["text"] = json!("never said");
        },
    ];
    for change in invalid {
        let refused = open(forged(&kept, change));
        assert!(matches!(refused, Err(ObservationError::Invalid(_))), "{refused:?}");
    }
    let odd: [fn(&mut Value); 3] = [
        |value| value["observed_at"] = json!("-009999-01-02T01:59:59Z"),
        |value| value["tasks"]["items"][0]["prompt"] = json!("\u{202e}\u{1b}[2J ::error::x"),
        |value| value["tasks"]["items"][0]["task_id"] = json!(u64::MAX),
    ];
    for change in odd {
        let read = open(forged(&kept, change)).unwrap();
        replayed(&plan_context, &read.state(&plan_context.desired_state));
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs the program without any service.
fn alone(repo: &Repo, line: &str) -> Ran {
    repo.run(&words(line))
}

const MANIFEST: &str = "\
version: 1
organizationId: ${QC_ORGANIZATION_ID}
defaults: {projectPreference: project-for-task}
tasks:
  spy: {agentId: 47, prompt: Buy SPY, deployments: {d: {followUps: [Go on]}}}
  qqq: {agent: Momentum Researcher, prompt: Buy QQQ}
";

/// A repository whose tasks are made, and one prompt edited since.
fn edited() -> Repo {
    let repo = Repo::new();
    repo.write("tasks.yaml", MANIFEST).commit("first");
    let applied = repo.qcops("apply --yes");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    repo.write("tasks.yaml", &MANIFEST.replace("Buy QQQ", "Buy QQQ daily")).commit("edit");
    repo
}

#[test]
fn a_stranger_without_credentials_gets_the_very_plan_in_every_format() {
    let repo = edited();
    let fork = repo.clone_with("");
    fs::remove_file(fork.path().join("../emulator.json")).unwrap();
    for format in ["text", "json", "markdown"] {
        let with = repo.qcops(&format!("plan --save-snapshot seen.json --format {format}"));
        assert!(with.err.contains("Saved a snapshot to `seen.json`"), "{}", with.err);
        fork.write("seen.json", &repo.read("seen.json"));
        let without = alone(&fork, &format!("plan --snapshot seen.json --format {format}"));
        // Only the mark of who started a deployment goes by the ledger of the machine at hand.
        let there = with
            .out
            .replace("\"started_by_this_ledger\": true", "\"started_by_this_ledger\": false");
        let there = there.replace(", started on this", ", not known to have been started on this");
        assert_eq!((with.code, &there), (without.code, &without.out), "{}", without.err);
        assert!(without.err.starts_with("Planning from a snapshot of 2"), "{}", without.err);
    }
    let detailed = alone(&fork, "plan --snapshot seen.json --detailed-exitcode");
    assert_eq!(detailed.code, 2, "{}", detailed.err);
    assert!(!fork.path().join("../emulator.json").exists());
    let kept = fork.read("seen.json");
    assert!(!kept.contains(qcops::emulator::API_TOKEN), "{kept}");
    // A plan that was saved from a replay is one more thing to compare with, and approves no more.
    assert_eq!(alone(&fork, "plan --snapshot seen.json --out plan.json").code, 0);
    assert_eq!(alone(&fork, "apply seen.json").code, 6, "an observation is no plan");
    let unknown = alone(&fork, "apply --snapshot seen.json");
    assert!(unknown.err.contains("unexpected argument '--snapshot'"), "{}", unknown.err);
}

#[test]
fn keeping_what_was_seen_changes_nothing_in_the_plan() {
    let repo = Repo::new();
    // An earlier version names an agent, which a plan of this one has no reason to look up.
    repo.tasks("spy: {agent: Risk Reviewer, prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}").commit("1");
    assert_eq!(repo.qcops("apply --yes").code, 0);
    repo.tasks("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ daily}").commit("2");
    let plain = repo.on_another_machine().qcops("plan -v");
    let kept = repo.qcops("plan -v --save-snapshot seen.json");
    assert_eq!((kept.code, &kept.out), (plain.code, &plain.out));
    let again = alone(&repo, "plan -v --snapshot seen.json");
    assert_eq!((again.code, &again.out), (plain.code, &plain.out));
    assert!(plain.out.contains("task.spy"), "{}", plain.out);
}

#[test]
fn a_manifest_that_wants_more_than_was_seen_is_told_so() {
    let repo = edited();
    assert_eq!(repo.qcops("plan --save-snapshot seen.json").code, 0);
    let known = alone(&repo, "plan --snapshot seen.json");
    assert!(!known.out.contains("not-observed"), "{}", known.out);
    // The deployments of declared tasks are kept too, so that a deployment may be added.
    let more = MANIFEST.replace("prompt: Buy QQQ", "prompt: Buy QQQ, deployments: {d: {}}");
    repo.write("tasks.yaml", &more);
    let more = alone(&repo, "plan --snapshot seen.json");
    assert!(!more.out.contains("not-observed"), "{}", more.out);
    assert!(more.out.contains("task.qqq/d will be deployed"), "{}", more.out);
    // But not the conversations of a deployment that was not to be sent anything.
    repo.write("tasks.yaml", &MANIFEST.replace("followUps: [Go on]", "")).commit("silent");
    assert_eq!(repo.qcops("plan --save-snapshot seen.json").code, 0);
    repo.write("tasks.yaml", MANIFEST);
    let more = alone(&repo, "plan --snapshot seen.json");
    assert!(
        more.out.contains("note[not-observed]: the snapshot does not hold the"),
        "{}",
        more.out
    );
    assert!(more.out.contains("conversation of deployment A-"), "{}", more.out);
}

#[test]
fn what_is_no_observation_of_this_organization_is_refused_in_one_sentence() {
    let repo = edited();
    assert_eq!(repo.qcops("plan --save-snapshot seen.json").code, 0);
    let kept = repo.read("seen.json");
    let refused = |name: &str, text: &str, expected: &str| {
        repo.write(name, text);
        let ran = alone(&repo, &format!("plan --snapshot {name}"));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        assert!(ran.err.contains(expected), "{}", ran.err);
    };
    refused("a.json", &kept.replace("Buy SPY", "Buy SPX"), "was changed after it was made");
    refused("a.json", "PK\u{1b}[2J", "it is not a snapshot, or it is damaged");
    refused("a.json", &kept.replace("\"format_version\": 2", "\"format_version\": 9"), "version 9");
    let organization = qcops::emulator::ORGANIZATION_ID;
    let theirs = forged(&kept, |value| value["organization_id"] = json!("f00d"));
    repo.write("theirs.json", &theirs);
    repo.write("tasks.yaml", &MANIFEST.replace("${QC_ORGANIZATION_ID}", organization));
    refused("theirs.json", &theirs, "and the snapshot is of `f00d`");
    let missing = alone(&repo, "plan --snapshot missing.json");
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("there is no file `missing.json`"), "{}", missing.err);
    let folder = alone(&repo, "plan --snapshot .");
    assert_eq!(folder.code, 1, "{}", folder.err);
    let large = fs::File::create(repo.path().join("large.json")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    let large = alone(&repo, "plan --snapshot large.json");
    assert!(large.err.contains("`large.json` has more than 64 MiB"), "{}", large.err);
    assert_eq!(large.code, 1);
}

#[test]
fn an_environment_for_a_service_does_not_stand_in_the_way_of_a_replay() {
    let repo = edited();
    assert_eq!(repo.qcops("plan --save-snapshot seen.json").code, 0);
    let against = words("plan --snapshot seen.json");
    let set = [("QCOPS_API", "https://example.org"), ("QCOPS_EMULATOR", "x.json")];
    assert_eq!(repo.run_with(&against, &set[..1]).code, 0);
    assert_eq!(repo.run_with(&against, &set[1..]).code, 0);
    let ours = [("QC_ORGANIZATION_ID", "f00d")];
    let other = repo.run_with(&against, &ours);
    assert!(other.err.contains("`QC_ORGANIZATION_ID` names another"), "{}", other.err);
    assert_eq!(other.code, 1);
    for rival in ["--api https://example.org", "--emulator", "--save-snapshot b.json"] {
        let both = alone(&repo, &format!("plan --snapshot seen.json {rival}"));
        assert!(both.err.contains("cannot be used with"), "{}", both.err);
        assert_eq!(both.code, 1);
    }
}
