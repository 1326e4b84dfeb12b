//! A story in process: a manifest with its history, an emulator, files in memory, a paused clock.
//!
//! Evidence comes from the texts that were committed here, without Git; `support::repo` tells stories
//! with real repositories. Tests that use a world run under `start_paused`, so waiting costs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qcops::api::{self, Client, Credentials, PaceLimits, Paced, Signed};
use qcops::apply::{self, Effects, Settings, Stop, Waited, Waiting};
use qcops::clock::Clock;
use qcops::diag::{Code, Diagnostic, Severity};
use qcops::emulator::{self, Emulator, Storage};
use qcops::event::{Event, Outcome, StepOutcome};
use qcops::evidence::{AgentEvidence, Evidence, Version};
use qcops::exchange::{Exchange, Request, Response, Transport};
use qcops::files::Memory;
use qcops::ledger::Ledger;
use qcops::manifest::AgentNames;
use qcops::manifest::{self, DesiredState, Manifest, Source, Unreadable};
use qcops::model::{AgentId, Key, OrganizationId};
use qcops::observation::{Facts, Observation, Recall};
use qcops::observed::ListedAgents;
use qcops::observed::ObservedState;
use qcops::plan::{self, Next, Options, OtherManifests, Plan, PlanContext, Prune};
use qcops::render::text::{self, Length, TextOptions};
use qcops::render::view::PlanView;
use qcops::render::{json, markdown};
use qcops::secret::Secret;
use qcops::store::FileJournal;

use crate::support::view;

/// The organization, the manifest, its history and this machine's files.
pub(crate) struct World {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) files: Memory,
    pub(crate) options: Options,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// The manifest of the work tree.
    manifest: String,
    /// Committed manifests, the oldest first.
    commits: Vec<String>,
    /// What becomes of every answer on its way.
    pub(crate) corrupt: Option<Spoil>,
}

/// Changes an answer on its way.
pub(crate) type Spoil = Arc<dyn Fn(Response) -> Response + Send + Sync>;

/// Lets several clients share one emulator.
struct Shared(Arc<Emulator>, Option<Spoil>);

impl Transport for Shared {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            // Neighbors take turns, as they do over a network.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let response = self.0.exchange(request).await?;
            Ok(match &self.1 {
                Some(corrupt) => corrupt(response),
                None => response,
            })
        })
    }
}

/// Manifests of stories name no other files.
pub(crate) struct NoFiles;

impl Source for NoFiles {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        Err(format!("there is no `{path}`").into())
    }
}

impl World {
    /// An empty organization at noon, and the tasks of a manifest, each on one line of YAML:
    /// `spy: {prompt: Buy SPY}`.
    pub(crate) fn new(tasks: &str) -> Self {
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(noon);
        let world = emulator::World::new(7, noon);
        let mut story = Self {
            emulator: Arc::new(Emulator::new(world, clock, Storage::Memory)),
            files: Memory::default(),
            options: Options::default(),
            settings: Settings::default(),
            clock,
            manifest: String::new(),
            commits: Vec::new(),
            corrupt: None,
        };
        story.edit(tasks);
        story
    }

    /// Changes the manifest of the work tree.
    pub(crate) fn edit(&mut self, tasks: &str) -> &mut Self {
        self.edit_whole(&manifest_of(tasks, "project-for-task"))
    }

    /// Changes the manifest of the work tree, all of it.
    pub(crate) fn edit_whole(&mut self, text: &str) -> &mut Self {
        text.clone_into(&mut self.manifest);
        self
    }

    /// Commits the work tree's manifest.
    pub(crate) fn commit(&mut self) -> &mut Self {
        self.commits.push(self.manifest.clone());
        self
    }

    /// Forgets the ledger, as a fresh CI machine does.
    pub(crate) fn on_another_machine(&mut self) -> &mut Self {
        self.files = Memory::default();
        self
    }

    /// Another machine with the same manifest, at the same service.
    pub(crate) fn beside(&self) -> Self {
        Self {
            emulator: Arc::clone(&self.emulator),
            files: Memory::default(),
            options: self.options.clone(),
            settings: self.settings.clone(),
            clock: self.clock,
            manifest: self.manifest.clone(),
            commits: self.commits.clone(),
            corrupt: None,
        }
    }

    /// Asks for pruning.
    pub(crate) fn pruning(&mut self) -> &mut Self {
        self.options.prune = Prune::On;
        self
    }

    /// Sets a quirk, as in `name-on-create=title`.
    pub(crate) async fn quirk(&mut self, setting: &str) -> &mut Self {
        self.edit_service(|world| world.quirks.set(setting)).await.expect("the quirk exists");
        self
    }

    /// Scripts a fault, as in `tasks/create#1=lost-after`; an empty text ends all faults.
    pub(crate) fn faults(&mut self, rules: &str) -> &mut Self {
        let mut script = emulator::Script::default();
        for rule in rules.split_whitespace() {
            script.add(rule).expect("the fault exists");
        }
        self.emulator.set_faults(script);
        self
    }

    /// Edits the service's side, as a person in the web interface does.
    pub(crate) async fn edit_service<T>(&self, edit: impl FnOnce(&mut emulator::World) -> T) -> T {
        self.emulator.with_world(edit).await.expect("a world in memory is there")
    }

    /// The tasks of the service: `ID NAME: PROMPT`, a line each.
    pub(crate) async fn tasks(&self) -> String {
        let line = |task: &emulator::Task| format!("{} {}: {}", task.id, task.name, task.prompt);
        self.edit_service(|world| world.tasks().map(line).collect::<Vec<_>>().join("\n")).await
    }

    /// How many deployments there are.
    pub(crate) async fn run_count(&self) -> usize {
        self.edit_service(|world| world.deployments().count()).await
    }

    /// The paths of all requests so far, those of lists and reads left out.
    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.emulator.requests();
        let is_write = |path: &str| !path.ends_with("/list") && !path.ends_with("/read");
        requests.into_iter().map(|logged| logged.path).filter(|path| is_write(path)).collect()
    }

    pub(crate) fn client(&self) -> Client {
        let shared = Shared(Arc::clone(&self.emulator), self.corrupt.clone());
        client_over(shared, self.clock, api::ClientSettings::default())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let path = "ledger.jsonl".into();
        let journal = FileJournal::new(Arc::new(self.files.clone()), path);
        Ledger::new(Arc::new(journal), "story".to_owned(), organization())
    }

    /// What is known before the service is asked, of manifests that declare no agents.
    pub(crate) fn plan_context(&self) -> PlanContext {
        self.plan_context_with(ListedAgents::new())
    }

    fn plan_context_with(&self, agents: ListedAgents) -> PlanContext {
        let mut sent = Evidence::default();
        self.ledger().add_to(&mut sent).unwrap();
        let (desired_state, mut evidence) = known(&self.manifest, &self.commits, &agents, &sent);
        self.ledger().add_to(&mut evidence).unwrap();
        let other_manifests = OtherManifests::default();
        PlanContext {
            desired_state,
            evidence,
            other_manifests,
            options: self.options.clone(),
            agents,
        }
    }

    /// The agents of the service, where the manifest or its history declares any.
    async fn listed_agents(&self) -> Result<ListedAgents, api::ApiError> {
        if declares_agents(std::iter::once(&self.manifest).chain(&self.commits)) {
            api::list_agents(&self.client()).await
        } else {
            Ok(ListedAgents::new())
        }
    }

    /// What is known and what is seen.
    pub(crate) async fn see(&self) -> (PlanContext, ObservedState) {
        let plan_context = self.plan_context_with(self.listed_agents().await.unwrap());
        let desired = |state: &ObservedState| plan::desired(&plan_context.with(state));
        let state = api::observe(&self.client(), self.clock, desired).await.unwrap();
        (plan_context, state)
    }

    /// Observes and plans.
    pub(crate) async fn plan(&self) -> Plan {
        let (plan_context, state) = self.see().await;
        replayed(&plan_context, &state)
    }

    /// Plans with the facts that were kept, and keeps what was learned.
    pub(crate) async fn plan_recalling(&self, kept: &mut String) -> Plan {
        let plan_context = self.plan_context_with(self.listed_agents().await.unwrap());
        let mut recall = Recall::new(Facts::from_json(kept.as_bytes()), true);
        let mut made = None;
        let reads = |state: &mut ObservedState| match recall.next(state, &plan_context, plan::next)
        {
            Next::ReadRequest(reads) => reads,
            Next::Plan(plan) => {
                made = Some(*plan);
                BTreeSet::new()
            }
        };
        let client = self.client();
        let state = api::observe_tasks(&client, self.clock).await.unwrap();
        let state = api::observe_rest(&client, state, reads).await.unwrap();
        if let Some(text) = recall.gathered(&state) {
            *kept = text;
        }
        made.unwrap()
    }

    /// Observes and plans, if the service can be read.
    pub(crate) async fn try_plan(&self) -> Option<Plan> {
        let plan_context = self.plan_context_with(self.listed_agents().await.ok()?);
        let desired = |state: &ObservedState| plan::desired(&plan_context.with(state));
        let state = api::observe(&self.client(), self.clock, desired).await.ok()?;
        Some(plan::plan(&plan_context.with(&state)))
    }

    /// The plan as people read it.
    pub(crate) async fn plan_text(&self) -> String {
        shown(&self.plan().await)
    }

    /// Plans and carries out.
    pub(crate) async fn apply(&self) -> Outcome {
        self.carry_out(&self.plan().await).await
    }

    pub(crate) async fn carry_out(&self, plan: &Plan) -> Outcome {
        let (client, ledger, stop) = (self.client(), self.ledger(), Stop::default());
        let effects = Effects {
            client: &client,
            ledger: &ledger,
            clock: self.clock,
            stop: &stop,
            on_event: &|_| (),
        };
        apply::apply(plan, &effects, &self.settings).await
    }

    /// Applies with `--wait`: plans, carries out, follows the deployments, and judges them.
    pub(crate) async fn apply_and_wait(&self, waiting: &Waiting) -> Waited {
        self.apply_and_wait_told(waiting, &|_| ()).await
    }

    /// Applies and waits, and tells of everything that happens.
    pub(crate) async fn apply_and_wait_told(
        &self,
        waiting: &Waiting,
        on_event: &dyn Fn(&Event<'_>),
    ) -> Waited {
        let plan = self.plan().await;
        let outcome = self.carry_out(&plan).await;
        let (client, ledger, stop) = (self.client(), self.ledger(), Stop::default());
        let effects =
            Effects { client: &client, ledger: &ledger, clock: self.clock, stop: &stop, on_event };
        let replan = async || Some(self.plan().await);
        apply::watch(&plan, &outcome, &effects, &self.settings, waiting, replan).await
    }

    /// Applies and expects that every step is done and nothing is left to do.
    pub(crate) async fn converge(&self) -> &Self {
        let outcome = self.apply().await;
        let is_done = |ended: &StepOutcome| matches!(ended, StepOutcome::Done(_));
        assert!(outcome.steps.values().all(is_done), "{outcome:#?}");
        self.expect_nothing_to_do().await;
        self
    }

    pub(crate) async fn expect_nothing_to_do(&self) {
        let plan = self.plan().await;
        let is_idle = plan.ready_steps().next().is_none() && plan.blocks().next().is_none();
        assert!(is_idle, "{}", shown(&plan));
    }

    /// The codes that block steps of the plan, each once.
    pub(crate) async fn blocks(&self) -> BTreeSet<Code> {
        self.plan().await.blocks().map(|finding| finding.code).collect()
    }
}

/// A client of an emulator in process.
pub(crate) fn client_of(emulator: &Arc<Emulator>, clock: Clock) -> Client {
    client_over(Shared(Arc::clone(emulator), None), clock, api::ClientSettings::default())
}

/// A client that signs what it sends through `transport`.
pub(crate) fn client_over(
    transport: impl Transport + 'static,
    clock: Clock,
    settings: api::ClientSettings,
) -> Client {
    unsigned_client_over(Signed::new(transport, credentials(), clock), clock, settings)
}

/// A client that leaves signing to `transport`.
pub(crate) fn unsigned_client_over(
    transport: impl Transport + 'static,
    clock: Clock,
    settings: api::ClientSettings,
) -> Client {
    let limits = PaceLimits { in_flight: 8, rate: 0.0 };
    let paced = Paced::new(transport, limits, clock, Arc::new(|_| ()), settings.gate.clone());
    Client::new(Arc::new(paced), organization(), clock, settings)
}

/// Those of the only user the emulator knows.
pub(crate) fn credentials() -> Credentials {
    let token = Secret::new(emulator::API_TOKEN.to_owned());
    Credentials { user_id: emulator::USER_ID, token }
}

/// A plan as people read it.
pub(crate) fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    text::render(&PlanView::new(plan), &TextOptions::default(), &mut text).unwrap();
    text
}

/// Plans, and expects the same plan from what is kept of the sight.
pub(crate) fn replayed(plan_context: &PlanContext, state: &ObservedState) -> Plan {
    let inputs = plan_context.with(state);
    let planned = plan::plan(&inputs);
    expect_complete_json(&planned);
    let agents = plan_context.agents.clone();
    let kept = Observation::new("story".to_owned(), agents, state, &planned);
    let kept = kept.to_json();
    let read = Observation::from_json(kept.as_bytes()).unwrap();
    assert_eq!(read.to_json(), kept);
    let seen = read.state(&plan_context.desired_state);
    let again = plan::plan(&plan_context.with(&seen));
    assert_eq!(shown(&planned), shown(&again), "{kept}");
    let json = |plan: &Plan| json::render(&PlanView::new(plan));
    assert_eq!(json(&planned), json(&again), "{kept}");
    assert_eq!(planned.digest(), again.digest(), "{kept}");
    assert_eq!(plan::desired(&inputs), plan::desired(&plan_context.with(&seen)), "{kept}");
    planned
}

/// Expects that every other format can be rendered from the JSON, to the byte.
fn expect_complete_json(plan: &Plan) {
    // The JSON names agents by their ids alone.
    let plan = Plan { agents: BTreeMap::new(), ..plan.clone() };
    let (view, options) = (PlanView::new(&plan), TextOptions::default());
    let json: serde_json::Value = serde_json::from_str(&json::render(&view)).unwrap();
    let again = view::of_json(&json);
    let rendered = |view: &PlanView| {
        let mut written = markdown::render(view, 3, markdown::DEFAULT_BYTES);
        for length in [Length::Cut, Length::Full] {
            text::render(view, &TextOptions { length, ..options }, &mut written).unwrap();
        }
        written
    };
    assert_eq!(rendered(&view), rendered(&again), "{json:#}");
    assert_eq!(json["verdict"], again.counts.verdict());
}

/// The organization of the emulator.
pub(crate) fn organization() -> OrganizationId {
    OrganizationId(emulator::ORGANIZATION_ID.to_owned())
}

/// Whether any of these manifests declares agents.
pub(crate) fn declares_agents<'t>(texts: impl IntoIterator<Item = &'t String>) -> bool {
    texts.into_iter().any(|text| !parsed(text).agents.is_empty())
}

/// What a manifest declares, and what the manifests that were committed before say of it, by the
/// agents of the service and what a ledger knows of them.
pub(crate) fn known(
    text: &str,
    commits: &[String],
    listed: &ListedAgents,
    sent: &Evidence,
) -> (DesiredState, Evidence) {
    let commits: Vec<Manifest> = commits.iter().map(|text| parsed(text)).collect();
    let manifest = parsed(text);
    let agents = agents_of(&commits);
    let mut bound = agents.clone();
    for (key, sent) in &sent.agents {
        let known = bound.entry(key.clone()).or_default();
        known.created.clone_from(&sent.created);
        known.unanswered.clone_from(&sent.unanswered);
    }
    let mut names = AgentNames::of(listed);
    names.by_name.entry("Momentum Researcher".to_owned()).or_insert(vec![AgentId(48)]);
    let mut resolve = |manifest: &Manifest| {
        names.by_key = plan::bind_agents(&manifest.agents, listed, &bound);
        resolved(manifest, &names)
    };
    let desired_state = resolve(&manifest);
    let commits: Vec<DesiredState> = commits.iter().map(resolve).collect();
    (desired_state, Evidence { agents, ..history_of(&commits) })
}

/// What a manifest of tasks declares.
pub(crate) fn read(text: &str) -> DesiredState {
    known(text, &[], &ListedAgents::new(), &Evidence::default()).0
}

/// A manifest without findings.
fn parsed(text: &str) -> Manifest {
    let (manifest, mut findings) = manifest::parse(
        Path::new("tasks.yaml"),
        text,
        &NoFiles,
        manifest::ExpandInputs::of(&|_| None),
    );
    let (manifest, found) = manifest::merge(vec![manifest]);
    findings.extend(found);
    expect_valid(findings, text);
    manifest
}

fn resolved(manifest: &Manifest, names: &AgentNames) -> DesiredState {
    let (desired_state, findings) = manifest::resolve(manifest, names);
    expect_valid(findings, "");
    desired_state
}

fn expect_valid(mut findings: Vec<Diagnostic>, text: &str) {
    findings.retain(|finding| finding.severity == Severity::Error);
    assert!(findings.is_empty(), "{findings:#?}\n{text}");
}

/// What Git knows of agents, by manifests that were committed one after the other.
fn agents_of(commits: &[Manifest]) -> BTreeMap<Key, AgentEvidence> {
    let mut agents = BTreeMap::<Key, AgentEvidence>::new();
    for (age, manifest) in commits.iter().rev().enumerate() {
        for (key, agent) in &manifest.agents {
            let is_new = !agents.contains_key(key);
            let known = agents.entry(key.clone()).or_default();
            if !known.versions.contains(&agent.object) {
                known.versions.push(agent.object.clone());
            }
            known.is_established |= age > 0;
            known.pinned.extend(agent.pin.filter(|_| age > 0));
            known.protect |= is_new && agent.protect;
        }
    }
    agents
}

/// A manifest of tasks, each on one line of YAML.
pub(crate) fn manifest_of(tasks: &str, preference: &str) -> String {
    let mut text =
        format!("version: 1\ndefaults: {{agentId: 47, projectPreference: {preference}}}\ntasks:");
    text.push_str(if tasks.trim().is_empty() { " {}" } else { "" });
    for line in tasks.trim().lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text.push('\n');
    text
}

/// What Git knows after these manifests were committed one after the other.
pub(crate) fn history_of(commits: &[DesiredState]) -> Evidence {
    let mut evidence = Evidence::default();
    for (age, desired_state) in commits.iter().rev().enumerate() {
        for (key, task) in &desired_state.tasks {
            let is_new = !evidence.keys.contains_key(key);
            let known = evidence.keys.entry(key.clone()).or_default();
            let version = Version::of(&task.object);
            if !known.versions.contains(&version) {
                known.versions.push(version);
            }
            known.is_established |= age > 0;
            if is_new {
                known.protect = task.protect;
            }
        }
    }
    evidence
}
