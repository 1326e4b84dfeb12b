//! The parts that compute, one by one: `cargo bench --bench pure`.

#[path = "whole/generate.rs"]
#[expect(dead_code, reason = "shared with the other bench, which uses more of it")]
mod generate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use divan::Bencher;
use qcops::api::{CallOutcome, Client, ClientSettings};
use qcops::clock::Clock;
use qcops::evidence::Evidence;
use qcops::exchange::{Exchange, Request, Response, Transport};
use qcops::manifest::{self, AgentNames, DesiredState, Manifest, Source, Unreadable};
use qcops::model::{OrganizationId, canonical_text};
use qcops::observed::{Listing, ObservedState, ObservedTask};
use qcops::plan::{Options, PlanContext};
use qcops::render::Color;
use qcops::render::text::{Length, TextOptions};
use qcops::render::view::PlanView;

use generate::{ORGANIZATION_ID, Prompts, Shape};

const SIZES: [usize; 3] = [100, 1000, 10_000];

fn main() {
    divan::main();
}

struct NoFiles;

impl Source for NoFiles {
    fn read(&self, _path: &str) -> Result<String, Unreadable> {
        Err("there are no files".to_owned().into())
    }
}

/// Answers everything with one body.
struct Canned(Vec<u8>);

impl Transport for Canned {
    fn exchange(&self, _request: Request) -> Exchange<'_> {
        let body = self.0.clone();
        Box::pin(std::future::ready(Ok(Response { status: 200, body, ..Response::default() })))
    }
}

fn text(tasks: usize, changed: usize) -> String {
    generate::manifest(Shape { tasks, prompt: 500 }, Prompts::Inline, changed)
}

fn parsed(text: &str) -> Manifest {
    let (manifest, findings) = manifest::parse(
        Path::new("tasks.yaml"),
        text,
        &NoFiles,
        manifest::ExpandInputs::of(&|_| None),
    );
    assert!(findings.is_empty(), "{findings:?}");
    manifest
}

fn desired_state(tasks: usize, changed: usize) -> DesiredState {
    manifest::resolve(&parsed(&text(tasks, changed)), &AgentNames::default()).0
}

fn client(tasks: usize) -> Client {
    let objects: Vec<String> = (0..tasks).map(|task| generate::listed(task, 500)).collect();
    let body = format!(r#"{{"tasks":[{}],"success":true}}"#, objects.join(","));
    let transport = Arc::new(Canned(body.into_bytes()));
    let organization_id = OrganizationId(ORGANIZATION_ID.to_owned());
    Client::new(transport, organization_id, Clock::System, ClientSettings::default())
}

fn listed(client: &Client) -> Listing<ObservedTask> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.expect("a thread can wait").block_on(client.list_tasks()) {
        CallOutcome::Done(listing) => listing,
        answer => panic!("{answer:?}"),
    }
}

fn state(tasks: usize) -> ObservedState {
    ObservedState {
        organization_id: OrganizationId(ORGANIZATION_ID.to_owned()),
        observed_at: "2026-11-22T00:00:00Z".parse().expect("it is a time"),
        tasks: listed(&client(tasks)),
        agent_reads: BTreeMap::new(),
        task_reads: BTreeMap::new(),
        deployments: BTreeMap::new(),
        conversations: BTreeMap::new(),
    }
}

fn plan_context(desired_state: DesiredState) -> PlanContext {
    let (evidence, options) = (Evidence::default(), Options::default());
    PlanContext { desired_state, evidence, options, ..PlanContext::default() }
}

#[divan::bench]
fn canonical(bencher: Bencher<'_, '_>) {
    let prompt = generate::prompt(1, 0, 5000);
    bencher.bench(|| canonical_text(divan::black_box(&prompt)).len());
}

#[divan::bench(args = SIZES)]
fn parse(bencher: Bencher<'_, '_>, tasks: usize) {
    let text = text(tasks, 0);
    bencher.bench(|| parsed(&text));
}

#[divan::bench(args = SIZES)]
fn resolve(bencher: Bencher<'_, '_>, tasks: usize) {
    let manifest = parsed(&text(tasks, 0));
    bencher.bench(|| manifest::resolve(&manifest, &AgentNames::default()));
}

#[divan::bench(args = SIZES)]
fn decode(bencher: Bencher<'_, '_>, tasks: usize) {
    let client = client(tasks);
    bencher.bench(|| listed(&client));
}

#[divan::bench(args = SIZES)]
fn plan_of_nothing(bencher: Bencher<'_, '_>, tasks: usize) {
    let (plan_context, state) = (plan_context(desired_state(tasks, 0)), state(tasks));
    bencher.bench(|| qcops::plan::plan(&plan_context.with(&state)));
}

#[divan::bench(args = SIZES)]
fn plan_of_creates(bencher: Bencher<'_, '_>, tasks: usize) {
    let (plan_context, state) = (plan_context(desired_state(tasks, 0)), state(0));
    bencher.bench(|| qcops::plan::plan(&plan_context.with(&state)));
}

#[divan::bench(args = SIZES)]
fn digest(bencher: Bencher<'_, '_>, tasks: usize) {
    let plan = qcops::plan::plan(&plan_context(desired_state(tasks, 0)).with(&state(0)));
    bencher.bench(|| plan.digest());
}

#[divan::bench(args = SIZES)]
fn render(bencher: Bencher<'_, '_>, tasks: usize) {
    let plan = qcops::plan::plan(&plan_context(desired_state(tasks, tasks)).with(&state(tasks)));
    let options = TextOptions { color: Color::Off, context: 3, length: Length::Full, width: None };
    bencher.bench(|| {
        let mut text = String::new();
        qcops::render::text::render(&PlanView::new(&plan), &options, &mut text)
            .expect("a string takes everything");
        text.len()
    });
}
