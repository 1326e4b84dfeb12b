//! What is known before the service's tasks are observed: what is declared, and what was before.
//!
//! The history of agents is read only where a plan depends on it, so that an unchanged world does
//! not pay for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::diag::{Diagnostic, EvidenceSource, Gap, GapReason};
use crate::engine::{EngineError, PlanRequest, Project, Reconciler, target};
use crate::event::Event;
use crate::evidence::{AgentEvidence, Evidence};
use crate::history::{self, History, OtherManifest, VarLayer};
use crate::manifest::{self, AgentNames, DesiredState, SettingName};
use crate::model::{AgentId, Key, fold};
use crate::observed::ListedAgents;
use crate::plan::{self, Neighbor, Options, OtherManifests, Plan, PlanContext, Prune};

/// Whether the history of agents is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentHistory {
    /// Where something is seen already that depends on it.
    OnDemand,
    /// In any case.
    Whole,
}

/// What is known, and what is to be said about it.
pub(super) struct Known {
    pub(super) context: PlanContext,
    findings: Vec<Diagnostic>,
    gaps: Vec<Gap>,
    has_agent_history: bool,
}

impl Known {
    /// Whether a plan may be another one once the history of agents is read.
    pub(super) fn lacks_history_for(&self, plan: &Plan) -> bool {
        let is_about_agent = |step: &plan::Step| matches!(step.change, plan::Change::Agent(_));
        !self.has_agent_history && plan.steps.iter().any(is_about_agent)
    }
}

/// The agents of the manifests, as far as they are known.
struct AgentsBefore {
    evidence: BTreeMap<Key, AgentEvidence>,
    names: AgentNames,
    gaps: Vec<Gap>,
}

impl AgentsBefore {
    /// The names for earlier versions of tasks: a key that has no agent now meant the one that it had.
    fn names_ever(&self, listed: &ListedAgents) -> AgentNames {
        let mut names = self.names.clone();
        for (key, known) in &self.evidence {
            let made = known.created.iter().find(|id| listed.contains_key(id)).copied();
            let mut declared = known.versions.iter().filter_map(|version| version.name());
            let only = declared.find_map(|name| match names.by_name.get(name).map(Vec::as_slice) {
                Some([id]) => Some(*id),
                _ => None,
            });
            if let Some(id) = made.or(only) {
                names.by_key.entry(key.clone()).or_default().get_or_insert(id);
            }
        }
        names
    }

    /// Whether an agent that no key has may be that of a key which is no longer declared.
    fn may_be_former(&self, listed: &ListedAgents, ever: &Former) -> bool {
        let bound: BTreeSet<AgentId> = self.names.by_key.values().copied().flatten().collect();
        let mut free = listed.iter().filter(|(id, _)| !bound.contains(id));
        let former = ever.iter().filter(|(key, _)| !self.names.by_key.contains_key(*key));
        let names: Vec<&Option<String>> = former.flat_map(|(_, names)| names).collect();
        free.any(|(_, object)| {
            let folded = fold(object.name().unwrap_or_default());
            names.iter().any(|name| name.as_ref().is_none_or(|name| fold(name) == folded))
        })
    }
}

/// Keys of agents that were ever declared, with their names where the manifests show them.
type Former = BTreeMap<Key, BTreeSet<Option<String>>>;

impl Reconciler<'_> {
    /// Finds out all that is known, and tells what is to be said.
    pub(super) fn known_and_told(
        &self,
        request: &PlanRequest,
        listed: &ListedAgents,
    ) -> Result<PlanContext, EngineError> {
        let declares = !self.manifests.manifest.agents.is_empty();
        let whole = declares || !self.noted_agents()?.is_empty();
        let agent_history = if whole { AgentHistory::Whole } else { AgentHistory::OnDemand };
        let known = self.known(request, listed, agent_history)?;
        self.tell(&known, None)?;
        Ok(known.context)
    }

    /// Tells all findings and gaps beside those that were told before; errors among them end the call.
    pub(super) fn tell(&self, known: &Known, before: Option<&Known>) -> Result<(), EngineError> {
        let is_new =
            |finding: &&Diagnostic| before.is_none_or(|before| !before.findings.contains(finding));
        let findings: Vec<Diagnostic> = known.findings.iter().filter(is_new).cloned().collect();
        if before.is_none() || !findings.is_empty() {
            (self.on_event)(&Event::Findings(&findings));
        }
        if findings.iter().any(Diagnostic::is_error) {
            return Err(EngineError::Invalid);
        }
        for gap in &known.gaps {
            if before.is_none_or(|before| !before.gaps.contains(gap)) {
                (self.on_event)(&Event::Gap(gap));
            }
        }
        Ok(())
    }

    /// Finds out what is known where the agents are listed.
    pub(super) fn known(
        &self,
        request: &PlanRequest,
        listed: &ListedAgents,
        agent_history: AgentHistory,
    ) -> Result<Known, EngineError> {
        // So that a plan is the same whether the agents were listed or not.
        let none = ListedAgents::new();
        let listed = if self.concerns_agents()? { listed } else { &none };
        let agents = self.known_agents(listed, agent_history)?;
        let (desired_state, findings) = manifest::resolve(&self.manifests.manifest, &agents.names);
        let names = agents.names_ever(listed);
        let texts = self.manifests.texts();
        let read = self.history_request(&texts, &desired_state, &names);
        let History { mut evidence, remarks, agents: ever } =
            history::read(&self.manifests.repository, &read)?;
        let is_on_demand = agent_history == AgentHistory::OnDemand;
        if is_on_demand && agents.may_be_former(listed, &ever) {
            return self.known(request, listed, AgentHistory::Whole);
        }
        let new = agents.gaps.into_iter().filter(|gap| !evidence.gaps.contains(gap));
        let new: Vec<Gap> = new.collect();
        evidence.gaps.extend(new);
        let unsaid = evidence.gaps.iter().filter(|gap| !gap.reason.is_noted());
        let gaps = remarks.iter().chain(unsaid).cloned().collect();
        self.ledger.add_to(&mut evidence)?;
        evidence.agents = agents.evidence;
        evidence.gaps.extend(self.variables_outside(&evidence));
        let is_stale = self.manifests.repository.stale().is_some();
        let settings = self.manifests.manifest.settings.clone();
        let is_pruning = settings.is_on(SettingName::Prune);
        let prune = if is_pruning { Prune::On } else { request.options.prune };
        let options = Options { prune, settings, is_stale, ..request.options.clone() };
        let other_manifests =
            self.other_manifests(&desired_state, &evidence.applied, &agents.names);
        let agents = listed.clone();
        let mut context = PlanContext { desired_state, evidence, other_manifests, options, agents };
        // What is wrong with the manifests is said before what is wrong with a target.
        if !findings.iter().any(Diagnostic::is_error) {
            target::resolve(&request.targets, &mut context)?;
        }
        Ok(Known { context, findings, gaps, has_agent_history: !is_on_demand })
    }

    /// Variables of flags and of files that no commit holds, with which earlier versions cannot be expanded:
    /// nothing says which values an apply had.
    fn variables_outside(&self, evidence: &Evidence) -> Option<Gap> {
        let Project { manifest, var_layers, .. } = &*self.manifests;
        let mut is_outside = BTreeMap::new();
        for VarLayer { path, vars } in var_layers {
            is_outside.extend(vars.keys().map(|name| (name, path.is_none())));
        }
        let names = is_outside.into_iter().filter(|(_, is_outside)| *is_outside);
        let names = names.map(|(name, _)| name.clone());
        let names: BTreeSet<String> =
            names.filter(|name| manifest.expansion.used.contains(name)).collect();
        let is_committed = |key: &&Key| {
            let task = evidence.keys.get(*key).is_some_and(|known| !known.versions.is_empty());
            task || evidence.agents.get(*key).is_some_and(|known| !known.versions.is_empty())
        };
        let keys = manifest.tasks.keys().chain(manifest.agents.keys());
        let keys: BTreeSet<Key> = keys.filter(is_committed).cloned().collect();
        (!names.is_empty() && !keys.is_empty()).then(|| {
            let reason = GapReason::VariablesOutside { names };
            Gap { source: EvidenceSource::History, keys, reason }
        })
    }

    /// Finds out which agents of the service the manifests declare.
    fn known_agents(
        &self,
        listed: &ListedAgents,
        agent_history: AgentHistory,
    ) -> Result<AgentsBefore, EngineError> {
        let mut evidence = self.noted_agents()?;
        let bound = |evidence: &BTreeMap<Key, AgentEvidence>| {
            let by_key = plan::bind_agents(&self.manifests.manifest.agents, listed, evidence);
            AgentNames { by_key, ..AgentNames::of(listed) }
        };
        let names = bound(&evidence);
        if agent_history == AgentHistory::OnDemand {
            return Ok(AgentsBefore { evidence, names, gaps: Vec::new() });
        }
        let (desired_state, _) = manifest::resolve(&self.manifests.manifest, &names);
        let texts = self.manifests.texts();
        let read = self.history_request(&texts, &desired_state, &names);
        let read = history::read_agents(&self.manifests.repository, &read)?;
        for (key, versions) in read.evidence.agents {
            let known = evidence.entry(key).or_default();
            let AgentEvidence { versions, protect, is_established, .. } = versions;
            (known.versions, known.protect) = (versions, protect);
            known.is_established = is_established;
        }
        let names = bound(&evidence);
        Ok(AgentsBefore { evidence, names, gaps: read.evidence.gaps })
    }

    /// Whether agents are declared, used by declared tasks, or were declared or made before.
    pub(super) fn concerns_agents(&self) -> Result<bool, EngineError> {
        if self.manifests.declares_any() || !self.noted_agents()?.is_empty() {
            return Ok(true);
        }
        // Nothing is declared: agents may have been.
        let (names, texts) = (AgentNames::default(), self.manifests.texts());
        let (desired_state, _) = manifest::resolve(&self.manifests.manifest, &names);
        let read = self.history_request(&texts, &desired_state, &names);
        Ok(!history::read(&self.manifests.repository, &read)?.agents.is_empty())
    }

    /// What the ledger knows of agents.
    fn noted_agents(&self) -> Result<BTreeMap<Key, AgentEvidence>, EngineError> {
        let mut noted = Evidence::default();
        self.ledger.add_to(&mut noted)?;
        Ok(noted.agents)
    }

    fn history_request<'r>(
        &'r self,
        texts: &'r [&'r str],
        desired_state: &'r DesiredState,
        agents: &'r AgentNames,
    ) -> history::Request<'r> {
        history::Request {
            files: &self.manifests.files,
            texts,
            manifest: &self.manifests.manifest,
            desired_state,
            depth: self.reading.depth,
            from: &self.reading.from,
            inputs: self.inputs(),
            var_layers: &self.manifests.var_layers,
            agents,
        }
    }

    /// What the other manifests of the repository declare for the same organization.
    fn other_manifests(
        &self,
        desired_state: &DesiredState,
        applied: &BTreeSet<PathBuf>,
        agents: &AgentNames,
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
