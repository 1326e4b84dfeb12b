//! Observes, plans and applies: the program without a command line.
//!
//! A [`Reconciler`] knows the manifests and where the service's state comes from: the service, or a
//! snapshot of it. It prints nothing, reads no environment and never exits: what happens is told as
//! an [`Event`], and what ends a call early is an [`EngineError`].

mod error;
mod project;
mod target;

pub use error::EngineError;
pub use project::Project;
pub use target::{PlanTarget, without_kind};

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::api::{self, Client};
use crate::apply::{self, Effects, Settings, Stop, Waited, Waiting};
use crate::clock::Clock;
use crate::diag::{Diagnostic, Gap};
use crate::event::{Event, Outcome};
use crate::evidence::Evidence;
use crate::history::{self, Depth, OtherManifest};
use crate::ledger::Ledger;
use crate::manifest::{self, DesiredState, ExpandInputs};
use crate::model::{AgentId, OrganizationId};
use crate::observation::{Agents, Observation};
use crate::observed::{ObservedState, ReadRequest};
use crate::plan::{
    self, Neighbor, Next, Options, OtherManifests, Overview, Plan, PlanContext, Scope, Tokens,
};

/// Where the service's state comes from.
pub enum StateSource {
    /// The service itself.
    Service(Client),
    /// What it returned once; nothing is sent, and nothing can be applied.
    Snapshot(Box<Observation>),
}

/// Looks up a variable of the process.
pub type Process = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Takes what happens.
pub type OnEvent<'a> = Box<dyn Fn(&Event<'_>) + 'a>;

/// How much of the manifests' history is read, and with which variables.
pub struct Reading {
    /// How far back.
    pub depth: Depth,
    /// Revisions to start from beside `HEAD`.
    pub from: Vec<String>,
    /// The variables of the process.
    pub process: Process,
}

/// What to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// Options; targets and the state of the checkout are filled in.
    pub options: Options,
    /// What to plan for; empty for everything.
    pub targets: Vec<PlanTarget>,
}

/// Compares manifests with a service, and makes the one like the other.
pub struct Reconciler<'a> {
    /// What is declared.
    pub manifests: Arc<Project>,
    /// Where the state comes from.
    pub source: StateSource,
    /// What was sent before.
    pub ledger: Ledger,
    /// The organization it is about.
    pub organization_id: OrganizationId,
    /// The calendar.
    pub clock: Clock,
    /// How history is read.
    pub reading: Reading,
    /// Told of everything that happens.
    pub on_event: OnEvent<'a>,
}

impl Reconciler<'_> {
    /// Observes the service until nothing more is to be read.
    pub async fn observe(
        &self,
        reads: impl Fn(&ObservedState) -> BTreeSet<ReadRequest>,
    ) -> Result<ObservedState, EngineError> {
        Ok(api::observe(self.client()?, self.clock, reads).await?)
    }

    /// Observes the service and plans; it is read until the plan needs no more.
    pub async fn plan(&self, request: &PlanRequest) -> Result<Plan, EngineError> {
        let (context, note) = self.context(request).await?;
        match &self.source {
            StateSource::Service(_) => {
                let mut plan = self.observe_and_plan(&context).await?;
                plan.notes.extend(note);
                Ok(plan)
            }
            StateSource::Snapshot(snapshot) => {
                let state = snapshot.state(&context.desired_state);
                let (missing, mut plan) = plan::reads_and_plan(&context.with(&state));
                plan.notes.extend(error::not_observed(&missing));
                Ok(plan)
            }
        }
    }

    /// Plans, and returns what plans of other manifests need as well; `service` names the service.
    pub async fn plan_and_keep(
        &self,
        request: &PlanRequest,
        service: String,
    ) -> Result<(Plan, Observation), EngineError> {
        // All of them, because another manifest may name others.
        let agents = api::list_agents(self.client()?).await?;
        let context = self.context_with(request, &agents)?;
        let reads = |state: &ObservedState| plan::snapshot_reads(&context.with(state));
        let state = self.observe(reads).await?;
        let plan = plan::plan(&context.with(&state));
        let observation = Observation::new(service, agents, &state, &plan);
        Ok((plan, observation))
    }

    /// Plans the removal of everything that is owned, or of archived tasks.
    pub async fn plan_destroy(
        &self,
        request: &PlanRequest,
        scope: Scope,
    ) -> Result<Plan, EngineError> {
        let (context, note) = self.context(request).await?;
        let reads = |state: &ObservedState| plan::destroy_reads(&context.with(state), scope);
        let state = self.observe(reads).await?;
        let mut plan = plan::destroy(&context.with(&state), scope);
        plan.notes.extend(note);
        Ok(plan)
    }

    /// Returns the state of every declared task and its deployments.
    pub async fn overview(&self, tokens: Tokens) -> Result<Overview, EngineError> {
        let (context, note) = self.context(&PlanRequest::default()).await?;
        let reads = |state: &ObservedState| plan::overview_reads(&context.with(state), tokens);
        let state = self.observe(reads).await?;
        let mut overview = plan::overview(&context.with(&state));
        overview.notes.extend(note);
        Ok(overview)
    }

    /// Carries out every ready step of `plan`.
    pub async fn apply(
        &self,
        plan: &Plan,
        settings: &Settings,
        stop: &Stop,
    ) -> Result<Outcome, EngineError> {
        Ok(apply::apply(plan, &self.effects(stop)?, settings).await)
    }

    /// Follows the declared deployments of an applied plan until they have ended; `replan` plans the
    /// follow-ups that are due meanwhile.
    pub async fn watch(
        &self,
        plan: &Plan,
        outcome: &Outcome,
        settings: &Settings,
        waiting: &Waiting,
        stop: &Stop,
        replan: impl AsyncFn() -> Option<Plan>,
    ) -> Result<Waited, EngineError> {
        let effects = self.effects(stop)?;
        Ok(apply::watch(plan, outcome, &effects, settings, waiting, replan).await)
    }

    /// The client, where the service can be reached at all.
    pub fn client(&self) -> Result<&Client, EngineError> {
        match &self.source {
            StateSource::Service(client) => Ok(client),
            StateSource::Snapshot(_) => Err(EngineError::NoService),
        }
    }

    /// What fills the variables of any manifest.
    fn inputs(&self) -> ExpandInputs<'_> {
        let Project { environment, vars, .. } = &*self.manifests;
        let environment = environment.as_deref();
        ExpandInputs { environment, given: vars, process: &*self.reading.process }
    }

    fn effects<'s>(&'s self, stop: &'s Stop) -> Result<Effects<'s>, EngineError> {
        Ok(Effects {
            client: self.client()?,
            ledger: &self.ledger,
            clock: self.clock,
            stop,
            on_event: &*self.on_event,
        })
    }

    /// Observes the service until a plan can be made, which is made once.
    async fn observe_and_plan(&self, context: &PlanContext) -> Result<Plan, EngineError> {
        let created = RefCell::new(None);
        let reads = |state: &ObservedState| match plan::next(&context.with(state)) {
            Next::ReadRequest(reads) => reads,
            Next::Plan(plan) => {
                created.replace(Some(*plan));
                BTreeSet::new()
            }
        };
        self.observe(reads).await?;
        Ok(created.into_inner().expect("observing ends when there is a plan"))
    }

    /// Finds out what is known before the service is observed; a note says what could not be.
    async fn context(
        &self,
        request: &PlanRequest,
    ) -> Result<(PlanContext, Option<Diagnostic>), EngineError> {
        let (agents, note) = match &self.source {
            StateSource::Service(client) if self.manifests.has_tasks() => {
                self.agents(client).await?
            }
            StateSource::Service(_) => (Agents::new(), None),
            StateSource::Snapshot(snapshot) => (snapshot.agents().clone(), None),
        };
        Ok((self.context_with(request, &agents)?, note))
    }

    /// Lists the agents. Only who names one needs the list: an `agentId` says it all, and only
    /// whether it exists is then not known.
    async fn agents(&self, client: &Client) -> Result<(Agents, Option<Diagnostic>), EngineError> {
        match api::list_agents(client).await {
            Ok(agents) => Ok((agents, None)),
            Err(error) if error::is_answered(&error) && !self.manifests.names_agents() => {
                Ok((Agents::new(), Some(error::agents_not_listed(&error))))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Finds out what is known where the agents are known already.
    fn context_with(
        &self,
        request: &PlanRequest,
        agents: &Agents,
    ) -> Result<PlanContext, EngineError> {
        // So that a plan is the same whether the agents were listed or not.
        let none = BTreeMap::new();
        let agents = if self.manifests.has_tasks() { agents } else { &none };
        let (desired_state, findings) = manifest::resolve(&self.manifests.manifest, agents);
        self.report(&findings)?;
        let evidence = self.evidence(&desired_state, agents)?;
        let is_stale = self.manifests.repository.stale().is_some();
        let options = Options { is_stale, ..request.options.clone() };
        let other_manifests = self.other_manifests(&desired_state, &evidence.applied, agents);
        let agents = names(agents);
        let mut context = PlanContext { desired_state, evidence, other_manifests, options, agents };
        target::resolve(&request.targets, &mut context)?;
        Ok(context)
    }

    /// Tells all findings; errors among them end the call.
    fn report(&self, findings: &[Diagnostic]) -> Result<(), EngineError> {
        (self.on_event)(&Event::Findings(findings));
        if findings.iter().any(Diagnostic::is_error) {
            return Err(EngineError::Invalid);
        }
        Ok(())
    }

    /// What was declared before: Git and the ledger; outside Git the work tree is the one version.
    fn evidence(
        &self,
        desired_state: &DesiredState,
        agents: &BTreeMap<String, Vec<AgentId>>,
    ) -> Result<Evidence, EngineError> {
        let request = history::Request {
            files: &self.manifests.files,
            texts: &self.manifests.texts(),
            manifest: &self.manifests.manifest,
            desired_state,
            depth: self.reading.depth,
            from: &self.reading.from,
            inputs: self.inputs(),
            agents,
        };
        let read = history::read(&self.manifests.repository, &request)?;
        let history::History { mut evidence, remarks } = read;
        let unsaid = evidence.gaps.iter().filter(|gap| !gap.reason.is_noted());
        for gap in remarks.iter().chain(unsaid) {
            (self.on_event)(&Event::Gap(gap));
        }
        self.ledger.add_to(&mut evidence)?;
        Ok(evidence)
    }

    /// What the other manifests of the repository declare for the same organization.
    fn other_manifests(
        &self,
        desired_state: &DesiredState,
        applied: &BTreeSet<PathBuf>,
        agents: &Agents,
    ) -> OtherManifests {
        let Project { repository, files, .. } = &*self.manifests;
        let found = repository.other_manifests(files, applied, self.inputs());
        let mut other_manifests = OtherManifests::default();
        other_manifests.gaps.extend(found.gaps.into_iter().map(Gap::other_manifests));
        for OtherManifest { path, manifest, flaw, is_only_committed } in &found.manifests {
            let (flaw, is_only_committed) = (flaw.as_deref(), *is_only_committed);
            let neighbor = Neighbor { path, manifest, flaw, is_only_committed };
            other_manifests.add(neighbor, &self.organization_id, agents, desired_state);
        }
        for manifest in &self.manifests.elsewhere {
            other_manifests.add_environment(manifest, agents);
        }
        other_manifests
    }
}

/// The names of agents by their ids.
fn names(agents: &Agents) -> BTreeMap<AgentId, String> {
    let named = |(name, ids): (&String, &Vec<AgentId>)| {
        ids.iter().map(|id| (*id, name.clone())).collect::<Vec<_>>()
    };
    agents.iter().flat_map(named).collect()
}
