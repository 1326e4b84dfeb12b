//! The engine as a library: it observes, plans and applies without a command line, and tells what
//! happens.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

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

use crate::support::repo::Repo;

type Said = Rc<RefCell<Vec<String>>>;

fn project(repo: &Repo) -> Arc<Project> {
    let file = repo.path().join("tasks.yaml");
    let repository = Repository::of(std::slice::from_ref(&file)).unwrap();
    let text = repo.read("tasks.yaml");
    let (manifest, _) = manifest::parse(&file, &text, &repository.work_tree(&file), &|_| None);
    let mut sources = Sources::default();
    sources.add(&file, text);
    Arc::new(Project { files: vec![file], repository, manifest, sources })
}

fn service() -> StateSource {
    let clock = Clock::System;
    let emulator = Emulator::new(emulator::World::new(7, clock.now()), clock, Storage::Memory);
    let token = Secret::new(emulator::API_TOKEN.to_owned());
    let signed = Signed::new(emulator, Credentials { user_id: emulator::USER_ID, token }, clock);
    let settings = api::ClientSettings::default();
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
    let ledger =
        Ledger::new(Arc::new(Memory::default()), "l".into(), "here".to_owned(), organization());
    let reading = Reading { depth: Depth::All, from: Vec::new(), variables: Arc::new(|_| None) };
    let (manifests, organization_id, clock) = (project(repo), organization(), Clock::System);
    let engine =
        Reconciler { manifests, source, ledger, organization_id, clock, reading, on_event };
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
