//! The engine as a library: it observes, plans and applies without a command line, and tells what
//! happens.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use qcops::api::{self, Client, Credentials, Signed};
use qcops::apply::{Settings, Stop};
use qcops::clock::Clock;
use qcops::diag::Sources;
use qcops::emulator::{self, Emulator, Storage};
use qcops::engine::{EngineError, PlanRequest, Project, Reading, Reconciler, StateSource};
use qcops::event::Event;
use qcops::files::Memory;
use qcops::history::{Depth, Repository};
use qcops::ledger::Ledger;
use qcops::manifest;
use qcops::model::OrganizationId;
use qcops::observation::Observation;
use qcops::secret::Secret;
use qcops::store::FileJournal;

use crate::support::repo::Repo;

type Said = Rc<RefCell<Vec<String>>>;

fn project(repo: &Repo) -> Arc<Project> {
    let file = repo.path().join("tasks.yaml");
    let repository = Repository::of(std::slice::from_ref(&file)).unwrap();
    let text = repo.read("tasks.yaml");
    let (manifest, _) = manifest::parse(
        &file,
        &text,
        &repository.work_tree(&file),
        manifest::ExpandInputs::of(&|_| None),
    );
    let mut sources = Sources::default();
    sources.add(&file, text);
    Arc::new(Project {
        files: vec![file],
        repository,
        manifest,
        environment: None,
        elsewhere: Vec::new(),
        vars: manifest::Vars::new(),
        var_files: Vec::new(),
        var_layers: Vec::new(),
        sources,
    })
}

fn service() -> StateSource {
    faulty_service("")
}

/// A service of which calls go wrong as a rule says.
fn faulty_service(fault: &str) -> StateSource {
    let clock = Clock::System;
    let emulator = Emulator::new(emulator::World::new(7, clock.now()), clock, Storage::Memory);
    if !fault.is_empty() {
        let mut script = emulator::Script::default();
        script.add(fault).unwrap();
        emulator.set_faults(script);
    }
    let token = Secret::new(emulator::API_TOKEN.to_owned());
    let signed = Signed::new(emulator, Credentials { user_id: emulator::USER_ID, token }, clock);
    let settings =
        api::ClientSettings { retry_time: Duration::ZERO, ..api::ClientSettings::default() };
    StateSource::Service(Client::new(Arc::new(signed), organization(), clock, settings))
}

fn organization() -> OrganizationId {
    OrganizationId(emulator::ORGANIZATION_ID.to_owned())
}

fn reconciler(repo: &Repo, source: StateSource) -> (Reconciler<'static>, Said) {
    let said = Said::default();
    let heard = Rc::clone(&said);
    let on_event = Box::new(move |event: &Event<'_>| {
        heard.borrow_mut().push(match event {
            Event::Findings(findings) => format!("{} findings", findings.len()),
            Event::Started(step) => format!("started {}", step.key),
            Event::Finished(step, _) => format!("finished {}", step.key),
            other => format!("{other:?}"),
        });
    });
    let journal = FileJournal::new(Arc::new(Memory::default()), "l".into());
    let ledger = Ledger::new(Arc::new(journal), "here".to_owned(), organization());
    let reading = Reading { depth: Depth::All, from: Vec::new(), process: Arc::new(|_| None) };
    let (manifests, organization_id, clock) = (project(repo), organization(), Clock::System);
    let facts = None;
    let engine =
        Reconciler { manifests, source, ledger, facts, organization_id, clock, reading, on_event };
    (engine, said)
}

#[tokio::test]
async fn the_engine_observes_plans_applies_and_tells_what_happens() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    let (engine, said) = reconciler(&repo, service());
    let plan = engine.plan(&PlanRequest::default()).await.unwrap();
    assert_eq!(plan.ready_steps().count(), 1);
    let stop = Stop::default();
    let outcome = engine.apply(&plan, &Settings::default(), &stop).await.unwrap();
    assert_eq!(outcome.steps.len(), 1);
    assert_eq!(*said.borrow(), ["0 findings", "started spy", "finished spy"]);
    assert!(engine.plan(&PlanRequest::default()).await.unwrap().steps.is_empty());
    let unknown = PlanRequest { targets: vec!["spi".parse().unwrap()], ..PlanRequest::default() };
    let error = engine.plan(&unknown).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::UnknownTarget { near: Some(near), .. } if near == "spy"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_snapshot_plans_the_same_without_a_client_and_applies_nothing() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    let (engine, _) = reconciler(&repo, service());
    let request = PlanRequest::default();
    let (plan, snapshot) = engine.plan_and_keep(&request, "here".to_owned()).await.unwrap();
    let kept = Observation::from_json(snapshot.to_json().as_bytes()).unwrap();
    let (offline, _) = reconciler(&repo, StateSource::Snapshot(Box::new(kept)));
    let again = offline.plan(&request).await.unwrap();
    assert_eq!(again.digest(), plan.digest());
    let applied = offline.apply(&again, &Settings::default(), &Stop::default()).await;
    assert!(matches!(applied, Err(EngineError::NoService)));
    assert!(matches!(offline.client(), Err(EngineError::NoService)));
}

#[tokio::test]
async fn an_agent_that_is_not_listed_is_noted_and_a_list_that_fails_blocks_no_agent_id() {
    const UNLISTED: &str = "agent 4711 of `spy` is not on the service's list";
    const FAILED: &str = "the agents could not be listed";
    let table = [
        ("agentId: 4711", "", &[UNLISTED][..]),
        ("agentId: 47", "", &[]),
        ("agentId: 4711", "list=html-before", &[FAILED]),
        ("agentId: 47", "list=500-before", &[FAILED]),
        ("agentId: 47", "list=broken-json", &[FAILED]),
    ];
    for (agent, fault, expected) in table {
        let repo = Repo::new();
        repo.tasks(&format!("spy: {{{agent}, prompt: Buy SPY}}")).commit("first");
        let (engine, _) = reconciler(&repo, faulty_service(fault));
        let plan = engine.plan(&PlanRequest::default()).await.unwrap();
        assert_eq!(plan.ready_steps().count(), 1, "{agent} {fault}");
        let notes: Vec<&str> = plan.notes.iter().map(|note| note.message.as_str()).collect();
        assert_eq!(notes.len(), expected.len(), "{agent} {fault}: {notes:?}");
        for (note, expected) in notes.iter().zip(expected) {
            assert!(note.starts_with(expected), "{agent} {fault}: {note}");
        }
    }
    // Who names an agent needs the list, and a service that does not answer is not asked again.
    for (agent, fault) in
        [("agent: Risk Reviewer", "list=html-before"), ("agentId: 47", "list=401")]
    {
        let repo = Repo::new();
        repo.write(
            "tasks.yaml",
            &format!(
                "version: 1\ntasks:\n  spy: {{{agent}, prompt: Buy SPY, projectPreference: project-for-task}}\n"
            ),
        );
        repo.commit("first");
        let (engine, _) = reconciler(&repo, faulty_service(fault));
        let failed = engine.plan(&PlanRequest::default()).await;
        assert!(matches!(failed, Err(EngineError::Api(_))), "{agent} {fault}");
    }
}
