//! What is known before the service's tasks are observed: what is declared, and what was before.
//!
//! The history is read only where a plan depends on it, so that an unchanged world does not pay for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::diag::{Diagnostic, EvidenceSource, Gap, GapReason};
use crate::engine::{EngineError, PlanRequest, Project, Reading, Reconciler, target};
use crate::event::Event;
use crate::evidence::{AgentEvidence, Evidence};
use crate::history::{self, History, OtherManifest, VarLayer};
use crate::manifest::{self, AgentNames, DesiredState, SettingName};
use crate::model::{AgentId, Key, fold};
use crate::observation::Recall;
use crate::observed::{ListedAgents, Listing, ObservedState, ObservedTask};
use crate::plan::{self, Neighbor, Next, Options, OtherManifests, Plan, PlanContext, Prune};

/// How much of the history is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HistoryDepth {
    /// None where the last commit declares what is declared, and the service lists just that.
    OnDemand,
    /// That of tasks, and that of agents where something is seen already that depends on it.
    Tasks,
    /// All of it.
    Whole,
}

/// What is declared, and what this machine noted.
pub(super) struct DeclaredNow {
    desired_state: DesiredState,
    findings: Vec<Diagnostic>,
    noted: Evidence,
    agents: AgentsBefore,
}

/// What is known, and what is to be said about it.
pub(super) struct Known {
    context: PlanContext,
    findings: Vec<Diagnostic>,
    gaps: Vec<Gap>,
    depth: HistoryDepth,
}

impl Known {
    /// How much of the history has to be read before `plan` counts, where it is more than was read.
    fn lacks(&self, plan: &Plan) -> Option<HistoryDepth> {
        let is_about_agent = |step: &plan::Step| matches!(step.change, plan::Change::Agent(_));
        let needed = if plan.steps.iter().any(is_about_agent) {
            HistoryDepth::Whole
        } else if plan.steps.is_empty() {
            HistoryDepth::OnDemand
        } else {
            HistoryDepth::Tasks
        };
        Some(needed).filter(|needed| *needed > self.depth)
    }
}

/// The tasks of the service, and whether the last commit declares what is declared.
type OnDemand<'s> = (&'s Listing<ObservedTask>, Receiver<bool>);

/// What is known while the service is observed: more of the history is read once a plan depends on it.
pub(super) struct Knowing<'k, 'e> {
    reconciler: &'k Reconciler<'e>,
    request: &'k PlanRequest,
    agents: &'k ListedAgents,
    declared: Option<DeclaredNow>,
    known: Option<Known>,
    /// Tells whether the last commit declares what is declared.
    is_unchanged: Option<Receiver<bool>>,
}

impl<'k, 'e> Knowing<'k, 'e> {
    /// Begins with what is declared, and tells the findings.
    pub(super) fn begin(
        reconciler: &'k Reconciler<'e>,
        request: &'k PlanRequest,
        agents: &'k ListedAgents,
        is_unchanged: Option<Receiver<bool>>,
    ) -> Result<Self, EngineError> {
        let declared = reconciler.declared(agents, HistoryDepth::OnDemand)?;
        reconciler.tell_findings(&declared.findings, None)?;
        let (declared, known) = (Some(declared), None);
        let mut knowing = Self { reconciler, request, agents, declared, known, is_unchanged };
        // Keys that are no longer declared can be meant, too.
        if !request.targets.is_empty() {
            knowing.read(HistoryDepth::Tasks, None)?;
        }
        Ok(knowing)
    }

    /// What is still to be read of the service, or the plan.
    pub(super) fn next(
        &mut self,
        state: &mut ObservedState,
        recall: &mut Recall,
    ) -> Result<Next, EngineError> {
        if self.known.is_none() {
            let is_unchanged = self.is_unchanged.take();
            let on_demand = is_unchanged.map(|is_unchanged| (&state.tasks, is_unchanged));
            self.read(HistoryDepth::OnDemand, on_demand)?;
        }
        loop {
            let known = self.known.as_ref().expect("it was read before");
            let next = recall.next(state, &known.context, plan::next);
            let Next::Plan(plan) = &next else { return Ok(next) };
            let Some(depth) = known.lacks(plan) else { return Ok(next) };
            self.read(depth, None)?;
        }
    }

    /// Reads the history and tells what is new.
    fn read(
        &mut self,
        depth: HistoryDepth,
        on_demand: Option<OnDemand<'_>>,
    ) -> Result<(), EngineError> {
        let Self { reconciler, request, agents, .. } = *self;
        let declared = match self.declared.take() {
            Some(declared) => declared,
            None => reconciler.declared(agents, depth)?,
        };
        let findings = declared.findings.clone();
        let known = reconciler.known(request, agents, declared, (depth, on_demand))?;
        let before = self.known.as_ref();
        let told = before.map_or(&*findings, |before| &*before.findings);
        reconciler.tell_findings(&known.findings, Some(told))?;
        reconciler.tell_gaps(&known.gaps, before.map_or(&[], |before| &*before.gaps));
        self.known = Some(known);
        Ok(())
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

    /// The agents that no key has.
    fn free(&self, listed: &ListedAgents) -> BTreeSet<AgentId> {
        let bound: BTreeSet<AgentId> = self.names.by_key.values().copied().flatten().collect();
        listed.keys().filter(|id| !bound.contains(id)).copied().collect()
    }

    /// Whether every agent is that of a declared key.
    fn explain(&self, listed: &ListedAgents) -> bool {
        self.free(listed).is_empty()
    }

    /// Whether an agent that no key has may be that of a key which is no longer declared.
    fn may_be_former(&self, listed: &ListedAgents, ever: &Former) -> bool {
        let former = ever.iter().filter(|(key, _)| !self.names.by_key.contains_key(*key));
        let names: Vec<&Option<String>> = former.flat_map(|(_, names)| names).collect();
        self.free(listed).iter().any(|id| {
            let folded = fold(listed[id].name().unwrap_or_default());
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
        let whole = declares || !self.noted()?.agents.is_empty();
        let depth = if whole { HistoryDepth::Whole } else { HistoryDepth::Tasks };
        let known = self.known(request, listed, self.declared(listed, depth)?, (depth, None))?;
        self.tell_findings(&known.findings, None)?;
        self.tell_gaps(&known.gaps, &[]);
        Ok(known.context)
    }

    /// Tells all findings beside those that were told before; errors among them end the call.
    fn tell_findings(
        &self,
        findings: &[Diagnostic],
        before: Option<&[Diagnostic]>,
    ) -> Result<(), EngineError> {
        let is_new = |finding: &&Diagnostic| before.is_none_or(|before| !before.contains(finding));
        let findings: Vec<Diagnostic> = findings.iter().filter(is_new).cloned().collect();
        if before.is_none() || !findings.is_empty() {
            (self.on_event)(&Event::Findings(&findings));
        }
        if findings.iter().any(Diagnostic::is_error) {
            return Err(EngineError::Invalid);
        }
        Ok(())
    }

    fn tell_gaps(&self, gaps: &[Gap], before: &[Gap]) {
        for gap in gaps.iter().filter(|gap| !before.contains(gap)) {
            (self.on_event)(&Event::Gap(gap));
        }
    }

    /// Finds out what is declared where the agents are listed.
    fn declared(
        &self,
        listed: &ListedAgents,
        depth: HistoryDepth,
    ) -> Result<DeclaredNow, EngineError> {
        // So that a plan is the same whether the agents were listed or not.
        let none = ListedAgents::new();
        let listed = if self.concerns_agents()? { listed } else { &none };
        let noted = self.noted()?;
        let agents = self.known_agents(listed, noted.agents.clone(), depth)?;
        let (desired_state, findings) = manifest::resolve(&self.manifests.manifest, &agents.names);
        Ok(DeclaredNow { desired_state, findings, noted, agents })
    }

    /// Finds out what was before; `on_demand` tells whether the history can be left out.
    fn known(
        &self,
        request: &PlanRequest,
        listed: &ListedAgents,
        declared: DeclaredNow,
        (depth, on_demand): (HistoryDepth, Option<OnDemand<'_>>),
    ) -> Result<Known, EngineError> {
        let none = ListedAgents::new();
        let listed = if self.concerns_agents()? { listed } else { &none };
        let DeclaredNow { desired_state, findings, noted, agents } = declared;
        let other_manifests = self.other_manifests(&desired_state, &noted.applied, &agents.names);
        let names = agents.names_ever(listed);
        let read = self.history_request(&desired_state, &names);
        let repository = &self.manifests.repository;
        let is_unchanged = on_demand.is_some_and(|(tasks, is_unchanged)| {
            plan::is_explained(&desired_state, tasks, &other_manifests)
                && agents.explain(listed)
                && is_unchanged.recv().unwrap_or(false)
        });
        let depth = if is_unchanged { depth } else { depth.max(HistoryDepth::Tasks) };
        let History { mut evidence, remarks, agents: ever } = if is_unchanged {
            let evidence = Evidence { is_committed: true, ..Evidence::default() };
            History { evidence, ..History::default() }
        } else {
            history::read(repository, &read)?
        };
        if depth == HistoryDepth::Tasks && agents.may_be_former(listed, &ever) {
            let declared = self.declared(listed, HistoryDepth::Whole)?;
            return self.known(request, listed, declared, (HistoryDepth::Whole, None));
        }
        let new = agents.gaps.into_iter().filter(|gap| !evidence.gaps.contains(gap));
        let new: Vec<Gap> = new.collect();
        evidence.gaps.extend(new);
        let unsaid = evidence.gaps.iter().filter(|gap| !gap.reason.is_noted());
        let gaps = remarks.iter().chain(unsaid).cloned().collect();
        evidence.add_noted(noted);
        evidence.agents = agents.evidence;
        evidence.gaps.extend(self.variables_outside(&evidence));
        // Only steps depend on it, and they on the history.
        let is_stale = depth > HistoryDepth::OnDemand && repository.stale().is_some();
        let settings = self.manifests.manifest.settings.clone();
        let is_pruning = settings.is_on(SettingName::Prune);
        let prune = if is_pruning { Prune::On } else { request.options.prune };
        let options = Options { prune, settings, is_stale, ..request.options.clone() };
        let agents = listed.clone();
        let mut context = PlanContext { desired_state, evidence, other_manifests, options, agents };
        // What is wrong with the manifests is said before what is wrong with a target.
        if !findings.iter().any(Diagnostic::is_error) {
            target::resolve(&request.targets, &mut context)?;
        }
        Ok(Known { context, findings, gaps, depth })
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
        mut evidence: BTreeMap<Key, AgentEvidence>,
        depth: HistoryDepth,
    ) -> Result<AgentsBefore, EngineError> {
        let bound = |evidence: &BTreeMap<Key, AgentEvidence>| {
            let by_key = plan::bind_agents(&self.manifests.manifest.agents, listed, evidence);
            AgentNames { by_key, ..AgentNames::of(listed) }
        };
        let names = bound(&evidence);
        if depth < HistoryDepth::Whole {
            return Ok(AgentsBefore { evidence, names, gaps: Vec::new() });
        }
        let (desired_state, _) = manifest::resolve(&self.manifests.manifest, &names);
        let read = self.history_request(&desired_state, &names);
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
        if self.manifests.declares_any() || !self.noted()?.agents.is_empty() {
            return Ok(true);
        }
        // Nothing is declared: agents may have been.
        let names = AgentNames::default();
        let (desired_state, _) = manifest::resolve(&self.manifests.manifest, &names);
        let read = self.history_request(&desired_state, &names);
        Ok(!history::read(&self.manifests.repository, &read)?.agents.is_empty())
    }

    /// What the ledger knows.
    fn noted(&self) -> Result<Evidence, EngineError> {
        let mut noted = Evidence::default();
        self.ledger.add_to(&mut noted)?;
        Ok(noted)
    }

    fn history_request<'r>(
        &'r self,
        desired_state: &'r DesiredState,
        agents: &'r AgentNames,
    ) -> history::Request<'r> {
        history_request(&self.manifests, &self.reading, (desired_state, agents))
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

fn history_request<'r>(
    project: &'r Project,
    reading: &'r Reading,
    (desired_state, agents): (&'r DesiredState, &'r AgentNames),
) -> history::Request<'r> {
    history::Request {
        files: &project.files,
        sources: &project.sources,
        manifest: &project.manifest,
        desired_state,
        depth: reading.depth,
        from: &reading.from,
        inputs: reading.inputs(project),
        var_layers: &project.var_layers,
        agents,
    }
}

/// Asks Git, while the service is asked, whether the last commit declares what is declared, and then whether the
/// checkout is behind; nothing where the history is read anyway or no thread can be started.
pub(super) fn ask_whether_unchanged(
    reconciler: &Reconciler<'_>,
    request: &PlanRequest,
) -> Option<Receiver<bool>> {
    if !request.targets.is_empty() {
        return None;
    }
    let (project, reading) = (Arc::clone(&reconciler.manifests), reconciler.reading.clone());
    let (told, is_unchanged) = sync_channel(1);
    let ask = move || {
        let none = (&DesiredState::default(), &AgentNames::default());
        let read = history_request(&project, &reading, none);
        // The plan may have ended without the answer.
        told.send(history::is_unchanged(&project.repository, &read)).ok();
        project.repository.stale();
    };
    thread::Builder::new().spawn(ask).ok().map(|_| is_unchanged)
}
