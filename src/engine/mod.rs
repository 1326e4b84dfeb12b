//! Observes, plans and applies: the program without a command line.
//!
//! A [`Reconciler`] knows the manifests and where the service's state comes from: the service, or a
//! snapshot of it. It prints nothing, reads no environment and never exits: what happens is told as
//! an [`Event`], and what ends a call early is an [`EngineError`].

mod error;
mod known;
mod project;
mod target;

pub use error::EngineError;
pub use project::Project;
pub use target::{PlanTarget, PlanTargets, without_kind};

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{join, join3};

use crate::api::{self, Client};
use crate::apply::{self, Effects, Settings, Stop, Waited, Waiting};
use crate::clock::Clock;
use crate::diag::Diagnostic;
use crate::engine::known::Knowing;
use crate::event::{Event, Outcome};
use crate::history::{Depth, SettingsBefore, settings_before};
use crate::ledger::Ledger;
use crate::manifest::ExpandInputs;
use crate::model::{AgentId, OrganizationId, TaskId};
use crate::observation::{Facts, Observation, Recall};
use crate::observed::{ListedAgents, ObservedState, ReadRequest};
use crate::plan::{
    self, Next, Options, Overview, Plan, PlanContext, PlanInputs, Scope, Tokens, UsedSetting,
};
use crate::store::Document;

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
#[derive(Clone)]
pub struct Reading {
    /// How far back.
    pub depth: Depth,
    /// Revisions to start from beside `HEAD`.
    pub from: Vec<String>,
    /// The variables of the process.
    pub process: Process,
}

impl Reading {
    /// What fills the variables of any manifest.
    fn inputs<'r>(&'r self, project: &'r Project) -> ExpandInputs<'r> {
        let Project { environment, vars, .. } = project;
        let environment = environment.as_deref();
        ExpandInputs { environment, given: vars, ..ExpandInputs::of(&*self.process) }
    }
}

/// What to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// Options; targets and the state of the checkout are filled in.
    pub options: Options,
    /// What to plan for; empty for everything.
    pub targets: Vec<PlanTarget>,
    /// Whether kept facts about finished deployments may stand for reads.
    pub may_recall: bool,
}

/// Compares manifests with a service, and makes the one like the other.
pub struct Reconciler<'a> {
    /// What is declared.
    pub manifests: Arc<Project>,
    /// Where the state comes from.
    pub source: StateSource,
    /// What was sent before.
    pub ledger: Ledger,
    /// Where facts about finished deployments are kept; `None` where they are read each time.
    pub facts: Option<Arc<dyn Document>>,
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
        match &self.source {
            StateSource::Service(client) => {
                // All at once, as none of them depends on another one; Git is asked on a thread of its own.
                let is_unchanged = known::ask_whether_unchanged(self, request);
                let (listed, state, recall) = join3(
                    self.noted_and_listed_agents(),
                    api::observe_tasks(client, self.clock),
                    self.recall(request.may_recall && !request.options.waits),
                )
                .await;
                let (agents, note) = listed?;
                let state = state?;
                let knowing = Knowing::begin(self, request, &agents, is_unchanged)?;
                let mut plan = self.observe_and_plan(knowing, state, recall).await?;
                plan.notes.extend(note);
                Ok(self.finished(plan))
            }
            StateSource::Snapshot(snapshot) => {
                let (agents, _) = self.noted_and_listed_agents().await?;
                let context = self.known_and_told(request, &agents)?;
                let state = snapshot.state(&context.desired_state);
                let (missing, mut plan) = plan::reads_and_plan(&context.with(&state));
                plan.notes.extend(error::not_observed(&missing));
                Ok(self.finished(plan))
            }
        }
    }

    /// Plans, and returns what plans of other manifests need as well; `service` names the service.
    pub async fn plan_and_keep(
        &self,
        request: &PlanRequest,
        service: String,
    ) -> Result<(Plan, Observation), EngineError> {
        self.ledger.refresh().await?;
        // All of them, because another manifest may name others.
        let agents = api::list_agents(self.client()?).await?;
        let context = self.known_and_told(request, &agents)?;
        let reads = |state: &ObservedState| plan::snapshot_reads(&context.with(state));
        let state = self.observe(reads).await?;
        self.keep_facts(&self.recall(false).await, &state).await;
        let plan = self.finished(plan::plan(&context.with(&state)));
        let observation = Observation::new(service, agents, &state, &plan);
        Ok((plan, observation))
    }

    /// Plans the removal of everything that is owned, or of archived tasks.
    pub async fn plan_destroy(
        &self,
        request: &PlanRequest,
        scope: Scope,
    ) -> Result<Plan, EngineError> {
        self.ledger.refresh().await?;
        let (context, note) = self.context(request).await?;
        let reads = |state: &ObservedState| plan::destroy_reads(&context.with(state), scope);
        let state = self.observe(reads).await?;
        let mut plan = self.finished(plan::destroy(&context.with(&state), scope));
        plan.notes.extend(note);
        Ok(plan)
    }

    /// Returns the state of every declared task and its deployments.
    pub async fn overview(&self, tokens: Tokens) -> Result<Overview, EngineError> {
        self.ledger.refresh().await?;
        let (context, note) = self.context(&PlanRequest::default()).await?;
        let mut recall = self.recall(tokens == Tokens::AsKnown).await;
        let reads = |state: &mut ObservedState| {
            let look = |inputs: &PlanInputs<'_>| plan::next_overview(inputs, tokens);
            match recall.next(state, &context, look) {
                Next::ReadRequest(reads) => reads,
                Next::Plan(_) => BTreeSet::new(),
            }
        };
        let client = self.client()?;
        let state = api::observe_tasks(client, self.clock).await?;
        let state = api::observe_rest(client, state, reads).await?;
        self.keep_facts(&recall, &state).await;
        let mut overview = plan::overview(&context.with(&state));
        overview.environment.clone_from(&self.manifests.environment);
        overview.notes.extend(note);
        Ok(overview)
    }

    /// Returns the agents and tasks that are not ours.
    pub async fn unmanaged(&self) -> Result<(BTreeSet<AgentId>, BTreeSet<TaskId>), EngineError> {
        self.ledger.refresh().await?;
        let listed = api::list_agents(self.client()?).await?;
        let context = self.known_and_told(&PlanRequest::default(), &listed)?;
        let reads =
            |state: &ObservedState| plan::overview_reads(&context.with(state), Tokens::AsKnown);
        let state = self.observe(reads).await?;
        let tasks = plan::overview(&context.with(&state)).unmanaged;
        let evidence = &context.evidence.agents;
        let ours = plan::bind_agents(&self.manifests.manifest.agents, &listed, evidence);
        let ours: BTreeSet<AgentId> = ours.into_values().flatten().collect();
        let agents = listed.into_keys().filter(|id| !ours.contains(id));
        Ok((agents.collect(), tasks.into_iter().map(|task| task.id).collect()))
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
    pub(super) fn inputs(&self) -> ExpandInputs<'_> {
        self.reading.inputs(&self.manifests)
    }

    /// Names the environment, and which of the settings that decided about steps allow more than before.
    fn finished(&self, mut plan: Plan) -> Plan {
        let Project { repository, files, environment, .. } = &*self.manifests;
        plan.environment.clone_from(environment);
        if plan.settings.is_empty() {
            return plan;
        }
        let raised: Vec<Diagnostic> = match settings_before(repository, files, self.inputs()) {
            SettingsBefore::Known(earlier) => {
                plan.settings.iter().filter_map(|used| used.raised(&earlier)).collect()
            }
            SettingsBefore::Unknown => {
                plan.settings.iter().map(UsedSetting::maybe_raised).collect()
            }
        };
        plan.notes.extend(raised);
        plan
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

    /// Observes the rest of the service until a plan can be made, which is made once, and once more where it
    /// turns out to depend on more of the history.
    async fn observe_and_plan(
        &self,
        mut knowing: Knowing<'_, '_>,
        state: ObservedState,
        mut recall: Recall,
    ) -> Result<Plan, EngineError> {
        let (mut made, mut failed) = (None, None);
        let reads = |state: &mut ObservedState| {
            match knowing.next(state, &mut recall) {
                Ok(Next::ReadRequest(reads)) => return reads,
                Ok(Next::Plan(plan)) => made = Some(*plan),
                Err(error) => failed = Some(error),
            }
            BTreeSet::new()
        };
        let state = api::observe_rest(self.client()?, state, reads).await?;
        self.keep_facts(&recall, &state).await;
        match failed {
            Some(error) => Err(error),
            None => Ok(made.expect("observing ends when there is a plan")),
        }
    }

    /// The facts that were kept; none where they cannot be read.
    async fn recall(&self, is_on: bool) -> Recall {
        let kept = match &self.facts {
            Some(document) => document.read().await.ok().flatten(),
            None => None,
        };
        Recall::new(Facts::from_json(&kept.unwrap_or_default()), is_on)
    }

    /// Keeps what was learned. Where that cannot be written, it is read again next time.
    async fn keep_facts(&self, recall: &Recall, state: &ObservedState) {
        if let Some(document) = &self.facts
            && let Some(text) = recall.gathered(state)
        {
            drop(document.write(text.into_bytes()).await);
        }
    }

    /// Finds out what is known before the service is observed; a note says what could not be.
    async fn context(
        &self,
        request: &PlanRequest,
    ) -> Result<(PlanContext, Option<Diagnostic>), EngineError> {
        let (agents, note) = self.listed_agents().await?;
        Ok((self.known_and_told(request, &agents)?, note))
    }

    /// The agents of the organization, where anything is declared; a note says why they are not known.
    async fn listed_agents(&self) -> Result<(ListedAgents, Option<Diagnostic>), EngineError> {
        match &self.source {
            StateSource::Service(client) if self.concerns_agents()? => self.agents(client).await,
            StateSource::Service(_) => Ok((ListedAgents::new(), None)),
            StateSource::Snapshot(snapshot) => Ok((snapshot.agents().clone(), None)),
        }
    }

    /// Reads the ledger again and lists the agents: one after the other where nothing is declared, because
    /// the ledger then says whether to list them.
    async fn noted_and_listed_agents(
        &self,
    ) -> Result<(ListedAgents, Option<Diagnostic>), EngineError> {
        if !self.manifests.declares_any() {
            self.ledger.refresh().await?;
            return self.listed_agents().await;
        }
        let (refreshed, listed) = join(self.ledger.refresh(), self.listed_agents()).await;
        refreshed?;
        listed
    }

    /// Lists the agents. Only who names one needs the list: an id says it all, and only whether it exists
    /// is then not known.
    async fn agents(
        &self,
        client: &Client,
    ) -> Result<(ListedAgents, Option<Diagnostic>), EngineError> {
        match api::list_agents(client).await {
            Ok(agents) => Ok((agents, None)),
            Err(error) if error::is_answered(&error) && !self.manifests.needs_agents() => {
                Ok((ListedAgents::new(), Some(error::agents_not_listed(&error))))
            }
            Err(error) => Err(error.into()),
        }
    }
}
