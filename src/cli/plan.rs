//! `qcops plan`: what differs between the manifest and the service.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::api;
use crate::cli::args::PlanArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{ApplyFormat, Comparing, Planning};
use crate::cli::load::{self, Loaded};
use crate::cli::output::{self, Shape};
use crate::cli::progress::Progress;
use crate::cli::service::{Target, emulator_file};
use crate::cli::target;
use crate::cli::terminal;
use crate::cli::{replay, review};
use crate::diag::{Code, Diagnostic};
use crate::evidence::Evidence;
use crate::files::make_private_folder;
use crate::history;
use crate::ledger::Ledger;
use crate::manifest::{DesiredState, DesiredTask};
use crate::model::{AgentId, OrganizationId};
use crate::observed::{ObservedState, ReadRequest};
use crate::plan::{
    self, Limits, Next, Options, OtherManifests, Plan, PlanContext, Prune, StepStatus,
};
use crate::render::text::{Length, TextOptions};
use crate::render::view::PlanView;
use crate::render::{self, Color};

pub(super) fn run(context: &Context, args: &PlanArgs) -> Result<Exit, CommandError> {
    let (planning, progress) = (&args.planning, Progress::new(context.terminal));
    let saved = args.save_snapshot.as_deref();
    let outputs = [("--out", args.out.as_deref()), ("--save-snapshot", saved)];
    let snapshot = args.snapshot.as_deref();
    // Findings are written as soon as the manifest is read.
    output::check(&context.outputs, &outputs, &Vec::from_iter(snapshot.map(Path::to_owned)))?;
    let check = |session: &Session<'_>| session.check_outputs(&outputs, &[snapshot]);
    let (session, plan) = if let Some(path) = &args.snapshot {
        let (session, plan) = replay::against(context, path, planning, &progress)?;
        check(&session)?;
        (session, plan)
    } else {
        let session = Session::open(context, &planning.comparing, &progress)?;
        check(&session)?;
        let plan = match &args.save_snapshot {
            Some(path) => block_on(replay::plan_and_keep(context, path, planning, &session))?,
            None => block_on(session.plan(planning))?,
        };
        (session, plan)
    };
    show(context, planning, args.format.into(), &plan)?;
    output::write_plan(context, &args.outputs, shape(planning), &PlanView::new(&plan))?;
    session.annotate(&plan)?;
    if let Some(path) = &args.out {
        review::save(context, path, &args.planning, &session, &plan)?;
    }
    Ok(exit_of(&plan, args.detailed_exitcode))
}

/// Prints a plan.
pub(super) fn show(
    context: &Context,
    args: &Planning,
    format: ApplyFormat,
    plan: &Plan,
) -> Result<(), CommandError> {
    let (view, Shape { context: lines, max_bytes }) = (PlanView::new(plan), shape(args));
    match format {
        ApplyFormat::Text => show_text(context, lines, &view),
        ApplyFormat::Json => terminal::output(&render::json::render(&view)),
        ApplyFormat::Markdown => {
            terminal::output(&render::markdown::render(&view, lines, max_bytes))
        }
        ApplyFormat::Html => terminal::output(&render::html::plan(&view, lines)),
        // Standard output is for the deployments, which are still to come.
        ApplyFormat::Junit => {
            let colors = context.terminal.colors_messages();
            let color = if colors { Color::On } else { Color::Off };
            let options = TextOptions { color, ..text_options(context, lines) };
            let mut text = String::new();
            render::text::render(&view, &options, &mut text).expect("a string takes everything");
            context.terminal.message(&text);
            Ok(())
        }
    }
}

/// How plans are written into files.
pub(super) fn shape(args: &Planning) -> Shape {
    Shape { context: args.showing.context, max_bytes: args.showing.max_bytes }
}

/// Prints what became of a plan: behind one for people, and beside one that a program or a browser
/// reads, which is all there may be on standard output.
pub(super) fn show_outcome(
    context: &Context,
    format: ApplyFormat,
    write: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
) -> Result<(), CommandError> {
    if format == ApplyFormat::Text {
        return terminal::stream(write);
    }
    let mut text = String::new();
    write(&mut text).expect("a string takes everything");
    match format {
        ApplyFormat::Markdown => terminal::output(&render::markdown::block(&text)),
        ApplyFormat::Text | ApplyFormat::Json | ApplyFormat::Html | ApplyFormat::Junit => {
            context.terminal.message(&text);
            Ok(())
        }
    }
}

/// Prints a plan as text, with so many lines of context.
pub(super) fn show_text(
    context: &Context,
    lines: usize,
    view: &PlanView,
) -> Result<(), CommandError> {
    let options = text_options(context, lines);
    terminal::stream(|out| render::text::render(view, &options, out))
}

/// How plans and outcomes are written.
pub(super) fn text_options(context: &Context, lines: usize) -> TextOptions {
    TextOptions {
        color: if context.terminal.colors_output() { Color::On } else { Color::Off },
        context: lines,
        length: if context.verbose > 0 { Length::Full } else { Length::Cut },
    }
}

/// Tells how a plan ends the command that only shows it.
pub(super) fn exit_of(plan: &Plan, is_detailed: bool) -> Exit {
    let cannot_tell =
        |finding: &Diagnostic| matches!(finding.code, Code::Ambiguous | Code::Contested);
    if plan.blocks().any(cannot_tell) {
        Exit::Unknown
    } else if plan.blocks().next().is_some() {
        Exit::Blocked
    } else if is_detailed && (plan.ready_steps().next().is_some() || still_to_send(plan)) {
        Exit::Changes
    } else {
        Exit::Success
    }
}

/// Whether follow-ups wait for their run to be idle.
fn still_to_send(plan: &Plan) -> bool {
    let waits = |status: &StepStatus| matches!(status, StepStatus::Deferred(why) if why.code == Code::DeploymentBusy);
    plan.steps.iter().any(|step| waits(&step.status))
}

/// Everything that stays the same while a plan is made and carried out.
pub(super) struct Session<'a> {
    context: &'a Context,
    comparing: &'a Comparing,
    loaded: Loaded,
    organization_id: OrganizationId,
    pub(super) client: api::Client,
    pub(super) ledger: Ledger,
    pub(super) folder: PathBuf,
    /// The service, as the ledger and saved plans name it.
    pub(super) target: String,
}

impl<'a> Session<'a> {
    /// Reads the manifest and finds out who is asked; nothing is sent.
    pub(super) fn open(
        context: &'a Context,
        comparing: &'a Comparing,
        progress: &Progress,
    ) -> Result<Self, CommandError> {
        Self::with(context, comparing, &Target::find(context, &comparing.service)?, progress)
    }

    /// Reads the manifest; who is asked is known.
    pub(super) fn with(
        context: &'a Context,
        comparing: &'a Comparing,
        asked: &Target,
        progress: &Progress,
    ) -> Result<Self, CommandError> {
        let loaded = load::load(context, &comparing.files, asked.organization_id.as_deref())?;
        let organization_id = asked.organization(loaded.manifest.organization_id.as_deref())?;
        let folder = load::own_folder(&loaded.repository)?;
        // Who only reads needs no right to write.
        if asked.keeps_in(&folder) {
            make_private_folder(&folder).map_err(|error| CommandError::of(&error))?;
        }
        let client = asked.client(
            context,
            &comparing.service,
            organization_id.clone(),
            &folder,
            progress.on_wait(),
        )?;
        let path = folder.join(load::LEDGER);
        let files = std::sync::Arc::clone(&context.files);
        let target = asked.target(&folder);
        let ledger = Ledger::new(files, path, target.clone(), organization_id.clone());
        Ok(Self { context, comparing, loaded, organization_id, client, ledger, folder, target })
    }

    /// Makes the folder that holds the lock and the ledger.
    pub(super) fn make_folder(&self) -> Result<(), CommandError> {
        make_private_folder(&self.folder).map_err(|error| CommandError::of(&error))
    }

    /// Refuses outputs that are inputs of this command, or one another, before anything is sent.
    pub(super) fn check_outputs(
        &self,
        outputs: &[(&str, Option<&Path>)],
        more_inputs: &[Option<&Path>],
    ) -> Result<(), CommandError> {
        let service = &self.comparing.service;
        let mut inputs = self.loaded.inputs();
        inputs.extend(service.emulator.iter().map(|file| emulator_file(file, &self.folder)));
        let named = more_inputs.iter().flatten().copied().chain(service.script.as_deref());
        inputs.extend(named.map(Path::to_owned));
        output::check(&self.context.outputs, outputs, &inputs)
    }

    /// The organization it is about.
    pub(super) fn organization_id(&self) -> &OrganizationId {
        &self.organization_id
    }

    /// Observes the service and plans; looks are taken until the plan wants no more of them.
    pub(super) async fn plan(&self, args: &Planning) -> Result<Plan, CommandError> {
        let mut plan_context = self.plan_context(self.options(args)).await?;
        target::resolve(&args.selection.targets, &mut plan_context)?;
        self.observe_and_plan(&plan_context).await
    }

    /// Observes the service and plans without any flag, to find what serves which declaration.
    pub(super) async fn plan_as_declared(&self) -> Result<Plan, CommandError> {
        let plan_context = self.plan_context(Options::default()).await?;
        self.observe_and_plan(&plan_context).await
    }

    /// Observes the service until a plan can be made, which is made once.
    async fn observe_and_plan(&self, plan_context: &PlanContext) -> Result<Plan, CommandError> {
        let created = RefCell::new(None);
        let desired = |state: &ObservedState| match plan::next(&plan_context.with(state)) {
            Next::ReadRequest(reads) => reads,
            Next::Plan(plan) => {
                created.replace(Some(*plan));
                BTreeSet::new()
            }
        };
        self.observe(desired).await?;
        Ok(created.into_inner().expect("observing ends when there is a plan"))
    }

    /// Finds out what is known before the service is observed.
    pub(super) async fn plan_context(&self, options: Options) -> Result<PlanContext, CommandError> {
        let agents = if self.loaded.names_agents() {
            api::list_agents(&self.client).await?
        } else {
            BTreeMap::new()
        };
        self.basis_with(options, &agents)
    }

    /// Finds out what is known where the agents are known already.
    pub(super) fn basis_with(
        &self,
        options: Options,
        agents: &BTreeMap<String, Vec<AgentId>>,
    ) -> Result<PlanContext, CommandError> {
        // So that a plan is the same whether somebody listed them unasked or not.
        let none = BTreeMap::new();
        let agents = if self.loaded.names_agents() { agents } else { &none };
        let desired_state = self.loaded.resolve(self.context, agents)?;
        let evidence = self.evidence(&desired_state, agents)?;
        Ok(PlanContext {
            desired_state,
            evidence,
            other_manifests: self.other_manifests(agents),
            options,
            agents: names(agents),
        })
    }

    /// Observes the service until nothing more is wanted.
    pub(super) async fn observe(
        &self,
        desired: impl Fn(&ObservedState) -> BTreeSet<ReadRequest>,
    ) -> Result<ObservedState, CommandError> {
        Ok(api::observe(&self.client, self.context.clock, desired).await?)
    }

    /// Tells the CI system, where one is named, what a plan has against its steps.
    pub(super) fn annotate(&self, plan: &Plan) -> Result<(), CommandError> {
        self.loaded.annotate(self.context, plan)
    }

    /// Whether the checkout lacks commits that its upstream has.
    pub(super) fn is_stale(&self) -> bool {
        self.loaded.repository.stale().is_some()
    }

    /// What was declared before: Git and the ledger; outside Git the work tree is the one version.
    fn evidence(
        &self,
        desired_state: &DesiredState,
        agents: &BTreeMap<String, Vec<AgentId>>,
    ) -> Result<Evidence, CommandError> {
        let environment = self.context;
        let organization_id = self.organization_id.0.clone();
        let variables = |name: &str| load::variable(environment, Some(&organization_id), name);
        let request = history::Request {
            files: &self.loaded.files,
            texts: &self.loaded.texts(),
            manifest: &self.loaded.manifest,
            desired_state,
            depth: self.comparing.reading.history,
            from: &self.comparing.reading.history_from,
            variables: &variables,
            agents,
        };
        let read = history::read(&self.loaded.repository, &request);
        let history::History { mut evidence, remarks, notes } =
            read.map_err(|error| CommandError::of(&error))?;
        for remark in remarks {
            tracing::info!("{}: {}", remark.what, remark.way);
        }
        for note in notes {
            tracing::info!("{note}");
        }
        self.ledger.add_to(&mut evidence).map_err(|error| CommandError::of(&error))?;
        Ok(evidence)
    }

    /// What the other manifests of the work tree declare for the same organization.
    fn other_manifests(&self, agents: &BTreeMap<String, Vec<AgentId>>) -> OtherManifests {
        let variables =
            |name: &str| load::variable(self.context, Some(&self.organization_id.0), name);
        let mut other_manifests = OtherManifests::default();
        for other in self.loaded.repository.other_manifests(&self.loaded.files, &variables) {
            let declared = other.manifest.organization_id.as_deref();
            if declared.is_some_and(|id| id != self.organization_id.0) {
                continue;
            }
            if !other.is_complete {
                other_manifests.unclear.get_or_insert_with(|| other.path.clone());
            }
            let (desired_state, _) = crate::manifest::resolve(&other.manifest, agents);
            other_manifests.keys.extend(other.manifest.tasks.keys().cloned());
            other_manifests.pins.extend(other.manifest.tasks.values().filter_map(|task| task.pin));
            other_manifests.contents.extend(desired_state.tasks.values().map(DesiredTask::content));
        }
        other_manifests
    }

    /// What was asked for on the command line, but for targets: they need the manifest.
    pub(super) fn options(&self, args: &Planning) -> Options {
        Options {
            prune: if args.selection.prune { Prune::On } else { Prune::Off },
            limits: Limits {
                delete: args.ceilings.deletes,
                replace: args.ceilings.replaces,
                create: args.ceilings.creates,
                runs: args.ceilings.deployments,
            },
            allow: args.guards.allow.iter().copied().collect(),
            is_stale: self.is_stale(),
            ..Options::default()
        }
    }
}

/// The names of agents by their numbers.
fn names(agents: &BTreeMap<String, Vec<AgentId>>) -> BTreeMap<AgentId, String> {
    let named = |(name, ids): (&String, &Vec<AgentId>)| {
        ids.iter().map(|id| (*id, name.clone())).collect::<Vec<_>>()
    };
    agents.iter().flat_map(named).collect()
}
