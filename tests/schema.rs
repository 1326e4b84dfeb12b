//! The schemas take what is written, and nothing else.

mod policy;

use std::fs;
use std::path::Path;

use qcops::manifest::read_yaml_as;
use qcops::model::Action;
use qcops::observation::Observation;
use qcops::observed::ListedAgents;
use qcops::plan::{Change, Prune};
use qcops::render::html::Applied;
use qcops::render::view::PlanView;
use qcops::render::{json, report};
use serde_json::{Value, json};

use crate::support::repo::Repo;
use crate::support::schema::Schema;
use crate::support::world::World;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Every document that differs from a sound one in a value, a missing field or an odd word.
fn spoiled(document: &Value) -> Vec<(String, Value)> {
    fn places(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    places(value, format!("{path}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for (at, value) in items.iter().enumerate() {
                    places(value, format!("{path}/{at}"), found);
                }
            }
            _ => {}
        }
        found.push(path);
    }
    let mut found = Vec::new();
    places(document, String::new(), &mut found);
    let corrupt = |path: &String| {
        let mut spoiled = document.clone();
        // Nothing that is written is ever a fraction below zero.
        *spoiled.pointer_mut(path).unwrap() = json!(-0.5);
        (path.clone(), spoiled)
    };
    found.iter().map(corrupt).collect()
}

/// Expects that a schema takes a document, and none that differs from it in the kind of any value.
fn expect_fits(schema: &Schema, document: &Value, may_be_anything: &str) {
    schema.expect(document);
    for (path, spoiled) in spoiled(document) {
        let is_open = !may_be_anything.is_empty() && path.starts_with(may_be_anything);
        assert!(is_open || !schema.takes(&spoiled), "{path} may be a number below zero");
    }
}

const TALK: &str = "spy: {prompt: p, deployments: {d: {followUps: [a, b]}}}";

/// Stories that come to every kind of step, and to findings of every kind.
async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    worlds.push(World::new("spy: {prompt: p, deployments: {d: {}}}\nqqq: {prompt: q}"));
    let mut edited =
        World::new("spy: {prompt: p}\nqqq: {prompt: q}\nold: {prompt: r}\nown: {prompt: s}");
    edited.commit().converge().await;
    edited.edit("spy: {prompt: p2}\nqqq: {name: Q, prompt: q}\nown: {prompt: s, protect: true}\nown2: {prompt: s2}");
    edited.commit();
    worlds.push(edited.beside());
    let mut pruning = edited.beside();
    pruning.options.prune = Prune::On;
    worlds.push(pruning);
    let talk = World::new(TALK);
    talk.converge_talk().await;
    worlds.push(talk.beside());
    let id = talk.edit_service(|service| service.deployments().next().unwrap().id.clone()).await;
    let id = qcops::model::DeploymentId(id);
    talk.client().prompt_deployment(&id, "my own words").await.into_result().unwrap();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    worlds.push(talk.beside());
    let mut stopped = World::new(TALK);
    stopped.quirk("run-outcome=hangs").await;
    stopped.apply().await;
    stopped.edit("spy: {prompt: p, deployments: {d: {state: stopped}}}");
    worlds.push(stopped);
    let strangers = World::new("spy: {prompt: p}\ntwo: {prompt: t, name: Two}");
    strangers
        .edit_service(|service| {
            service.add_task("spy!", 47, "other");
            service.add_task("Two", 47, "t");
            service.add_task("Two", 47, "t");
        })
        .await;
    worlds.push(strangers);
    worlds
}

impl World {
    /// Starts the deployment and sends its first follow-up.
    async fn converge_talk(&self) {
        for _ in 0..2 {
            self.apply().await;
            tokio::time::advance(std::time::Duration::from_secs(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn plans_reports_and_observations_of_stories_fit_their_schemas() {
    let [plan, of_report, observation] = ["plan", "report", "snapshot"].map(Schema::of);
    let (mut actions, mut outcomes) = (Vec::new(), Vec::new());
    for mut world in worlds().await {
        let (plan_context, state) = world.see().await;
        let planned = crate::support::world::replayed(&plan_context, &state);
        let written = read(&json::render(&PlanView::new(&planned)));
        expect_fits(&plan, &written, "");
        actions.extend(planned.steps.iter().map(|step| step.change.action()));
        let kept = Observation::new("s".to_owned(), ListedAgents::new(), &state, &planned);
        expect_fits(&observation, &read(&kept.to_json()), "");
        assert!(!observation.takes(&written) && !plan.takes(&read(&kept.to_json())));
        let is_talk = planned.steps.iter().any(|step| matches!(step.change, Change::Deploy { .. }));
        world.faults(if is_talk { "deployments/create#1=500-before" } else { "" });
        let outcome = world.carry_out(&planned).await;
        let written = read(
            &String::from_utf8(report::render(Applied {
                plan: &planned,
                outcome: &outcome,
                runs: &[],
            }))
            .unwrap(),
        );
        expect_fits(&of_report, &written, "");
        let steps = written["steps"].as_array().unwrap().iter();
        outcomes.extend(steps.map(|step| step["status"].as_str().unwrap().to_owned()));
    }
    let met: std::collections::BTreeSet<Action> = actions.into_iter().collect();
    assert!(met.len() > 6, "{met:?}");
    assert!(outcomes.iter().any(|word| word == "succeeded"), "{outcomes:?}");
    assert!(outcomes.iter().any(|word| word != "succeeded"), "{outcomes:?}");
}

#[test]
fn every_action_and_no_other_word_is_one_of_the_schema() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    let (schema, mut plan) = (Schema::of("plan"), read(&repo.qcops("plan --format json").out));
    let words = Action::ALL.iter().map(|action| json!(action.to_string()));
    for word in words.chain([Value::Null]) {
        plan["steps"][0]["action"] = word;
        schema.expect(&plan);
    }
    for (field, word) in [("action", "creates"), ("status", "closed")] {
        let mut odd = plan.clone();
        odd["steps"][0][field] = json!(word);
        assert!(!schema.takes(&odd), "{field}");
    }
    plan["steps"][0].as_object_mut().unwrap().remove("reason");
    assert!(!schema.takes(&plan), "`reason` is always there");
}

#[test]
fn what_the_program_writes_fits_its_schemas() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {d: {}}}\nold: {prompt: x}").commit("first");
    assert_eq!(repo.qcops("plan --out plan.json --save-snapshot seen.json").code, 0);
    expect_fits(&Schema::of("saved-plan"), &read(&repo.read("plan.json")), "/reviewed/plan");
    expect_fits(&Schema::of("snapshot"), &read(&repo.read("seen.json")), "");
    let apply = "apply --yes --wait --poll-interval 10ms --artifacts said";
    assert_eq!(repo.qcops(&format!("{apply} --output json=report.json")).code, 0);
    let report = read(&repo.read("report.json"));
    expect_fits(&Schema::of("report"), &report, "");
    let (schema, id) = (Schema::of("transcript"), &report["deployments"][0]["deployment_id"]);
    let saved = repo.read(&format!("said/spy.d.{}.json", id.as_str().unwrap()));
    for written in [saved, repo.qcops("transcript spy/d --format json").out] {
        let mut transcript = read(&written);
        schema.expect(&transcript);
        assert_eq!((&transcript["format_version"], &transcript["deployment_id"]), (&json!(1), id));
        for field in ["format_version", "deployment_id", "turns"] {
            let removed = transcript.as_object_mut().unwrap().remove(field).unwrap();
            assert!(!schema.takes(&transcript), "`{field}` is always there");
            transcript[field] = removed;
        }
    }
    repo.tasks("spy: {prompt: Buy SPY, name: S, deployments: {d: {}}}\nnew: {prompt: n}");
    expect_fits(&Schema::of("status"), &read(&repo.qcops("status --format json").out), "");
}

#[test]
fn manifests_that_are_shown_and_written_fit_the_schema() {
    let schema = Schema::of("manifest");
    let takes = |text: &str| {
        let document = read_yaml_as(text).unwrap();
        schema.expect(&document);
    };
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(package.join("examples/tasks.yaml")).unwrap();
    takes(&example);
    let modeline = "# yaml-language-server: $schema=../docs/schema/manifest.json\n";
    assert!(example.starts_with(modeline), "examples/tasks.yaml");
    takes(&fs::read_to_string(package.join("examples/init/tasks.yaml")).unwrap());
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, name: 'yes: $${X}'}").commit("first").converge("");
    takes(&repo.read("tasks.yaml"));
    takes(&repo.qcops("pull").out);
    for wrong in [
        "version: 2\ntasks: {}",
        "version: 1",
        "version: 1\ntasks: {a: {agentId: 47, prompt: p, projectPreference: mine}}",
        "version: 1\ntasks: {a: {agentId: 47, promt: p, projectPreference: project-for-task}}",
        "version: 1\ntasks: {a: {prompt: p, projectPreference: project-for-task}}",
    ] {
        assert!(!schema.takes(&read_yaml_as(wrong).unwrap()), "{wrong}");
    }
}
