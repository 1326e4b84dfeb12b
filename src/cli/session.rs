//! One invocation's engine: the manifests it was given, and the service it talks to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::context::Context;
use crate::cli::documents;
use crate::cli::error::CommandError;
use crate::cli::flags::{Comparing, Planning, Service, Tuning};
use crate::cli::load;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::service::{Target, emulator_file};
use crate::cli::store;
use crate::engine::{PlanRequest, Process, Project, Reading, Reconciler, StateSource};
use crate::event::Event;
use crate::files::{self, OWN_FOLDER, make_private_folder};
use crate::manifest::{SettingName, SettingValue};
use crate::model::OrganizationId;
use crate::observation::Observation;
use crate::plan::{Limits, Options, Plan, Prune};
use crate::render::gaps;
use crate::store::{Artifacts, SharedStore};

/// Everything that stays the same while a plan is made and carried out.
pub(super) struct Session<'a> {
    context: &'a Context,
    pub(super) engine: Reconciler<'a>,
    pub(super) folder: PathBuf,
    /// The files that are read.
    inputs: Vec<PathBuf>,
    /// The service, as the ledger and saved plans name it.
    pub(super) target: String,
    /// Names the service and the organization, the same from every folder of this machine.
    pub(super) scope: String,
    /// The store that all runners share, where one is named.
    pub(super) store: Option<SharedStore>,
}

impl<'a> Session<'a> {
    /// Reads the manifest and prepares the client; nothing is sent.
    pub(super) fn open(
        context: &'a Context,
        comparing: &Comparing,
        progress: &Progress,
    ) -> Result<Self, CommandError> {
        let target =
            Target::find(context, &comparing.service, comparing.files.environment.as_deref())?;
        let shared = store::shared(context, &comparing.store)?;
        target.warn(context);
        let files = &comparing.files;
        let of_other = |name: &str| target.organization_of(context, name, files.is_one_of_all);
        let manifests = load::load(context, files, target.organization_id(), &of_other)?;
        let organization_id = target.organization(manifests.manifest.organization_id.as_deref())?;
        let folder = load::own_folder(&manifests.repository)?;
        let (client, name) = target.client(
            context,
            (&comparing.service, &comparing.service.tuning.with(&manifests.manifest.settings)),
            organization_id.clone(),
            &folder,
            progress.on_wait(),
        )?;
        client.intern(manifests.manifest.tasks.values().map(|task| task.object.clone()));
        let source = StateSource::Service(client);
        let read = (manifests, organization_id);
        Ok(Self::new(context, comparing, progress, read, (source, name), shared))
    }

    /// Reads the manifest; the service's state is that of a snapshot, and nothing can be sent.
    pub(super) fn of_snapshot(
        context: &'a Context,
        comparing: &Comparing,
        progress: &Progress,
        snapshot: Observation,
    ) -> Result<Self, CommandError> {
        let organization_id = snapshot.organization_id().clone();
        let manifests = load::load(context, &comparing.files, Some(&organization_id.0), &|_| None)?;
        let declared = manifests.manifest.organization_id.as_deref();
        if let Some(declared) = declared.filter(|declared| *declared != organization_id.0) {
            let message = format!(
                "the manifest is for organization `{declared}`, and the snapshot is of `{organization_id}`"
            );
            return Err(
                CommandError::new(message).help("save a snapshot of the manifest's organization")
            );
        }
        load::own_folder(&manifests.repository)?;
        let name = snapshot.service().to_owned();
        let source = StateSource::Snapshot(Box::new(snapshot));
        let read = (manifests, organization_id);
        Ok(Self::new(context, comparing, progress, read, (source, name), None))
    }

    fn new(
        context: &'a Context,
        comparing: &Comparing,
        progress: &Progress,
        (manifests, organization_id): (Project, OrganizationId),
        (source, target): (StateSource, String),
        shared: Option<SharedStore>,
    ) -> Self {
        let folder = manifests.repository.root().join(OWN_FOLDER);
        let Service { emulator, script, .. } = &comparing.service;
        let mut inputs = load::inputs(&manifests);
        let scope = store::scope(&comparing.service, &target, &folder, &organization_id);
        inputs.extend(emulator.iter().map(|file| emulator_file(file, &folder)));
        inputs.extend(script.clone());
        let at = shared.as_ref().map(|store| (store, &*scope));
        let ledger = store::ledger(context, &folder, target.clone(), organization_id.clone(), at);
        let ledger = ledger.of_environment(manifests.environment.clone());
        let manifests = Arc::new(manifests);
        let reading = Reading {
            depth: comparing.reading.history.unwrap_or_default(),
            from: comparing.reading.history_from.clone(),
            process: process(context, &organization_id),
        };
        let (project, progress) = (Arc::clone(&manifests), progress.clone());
        let named = comparing.files.named_environment().map(str::to_owned);
        let on_event = Box::new(move |event: &Event<'_>| match event {
            // A file that cannot be written is told of when it is written the last time.
            Event::Findings(findings) => {
                drop(load::report(context, &project, named.as_deref(), findings));
            }
            Event::Gap(gap) => tracing::info!("{}", gaps::in_one_line(gap)),
            event => progress.show(event),
        });
        let clock = context.clock;
        let facts = Some(store::facts(context, &folder, shared.as_ref(), &scope));
        let engine = Reconciler {
            manifests,
            source,
            ledger,
            facts,
            organization_id,
            clock,
            reading,
            on_event,
        };
        Self { context, engine, folder, inputs, target, scope, store: shared }
    }

    /// The folder of the repository.
    pub(super) fn root(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// Notes which manifests are applied: the lines are written before anything is sent.
    pub(super) fn note_applied(&self) -> Result<(), CommandError> {
        let Project { files, repository, .. } = &*self.engine.manifests;
        let files = files.iter().filter_map(|file| repository.path_from_root(file));
        let noted = self.engine.ledger.applied(files, self.context.clock.now());
        noted.map_err(|error| CommandError::of(&error))
    }

    /// Makes the folder that holds the ledger.
    pub(super) fn make_folder(&self) -> Result<(), CommandError> {
        make_private_folder(&self.folder).map_err(|error| CommandError::of(&error))
    }

    /// Refuses outputs that are inputs of this command, or one another, before anything is sent.
    pub(super) fn check_outputs(
        &self,
        outputs: &[(&str, Option<&Path>)],
        more_inputs: &[Option<&Path>],
    ) -> Result<(), CommandError> {
        let more = more_inputs.iter().flatten().map(|path| path.to_path_buf());
        let inputs: Vec<PathBuf> = self.inputs.iter().cloned().chain(more).collect();
        output::check(&self.context.outputs, outputs, &inputs)
    }

    /// The pace, of the flags or of the manifest.
    pub(super) fn tuning(&self, flags: &Tuning) -> Tuning {
        flags.with(&self.engine.manifests.manifest.settings)
    }

    /// Where transcripts are saved: what a flag names, the folder of the manifest, or the shared store.
    ///
    /// A pull request may have written the folder, and whatever it leads to is written to.
    pub(super) fn artifacts(
        &self,
        flag: Option<&PathBuf>,
    ) -> Result<Option<Artifacts>, CommandError> {
        if let Some(named) = flag {
            return documents::folder(self.context, named).map(Some);
        }
        let settings = &self.engine.manifests.manifest.settings;
        let set = settings.get(SettingName::Artifacts);
        let Some((set, SettingValue::Folder(below))) = set.map(|set| (set, &set.value)) else {
            let folder = format!("{}/artifacts", self.scope);
            return Ok(self.store.as_ref().map(|store| store.artifacts(&folder)));
        };
        let folder = set.place.file.parent().unwrap_or(Path::new(""));
        let path = folder.join(&**below);
        let base = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let base = base.canonicalize().map_err(|error| CommandError::of(&error))?;
        match files::check_unlinked(&base, &base.join(&**below)) {
            Ok(()) => Ok(Some(Artifacts::in_folder(Arc::clone(&self.context.files), path))),
            Err(error) => {
                let cause = CommandError::of(&error).message;
                let message =
                    format!("`{}` cannot be used: {cause}", SettingName::Artifacts.path());
                Err(CommandError::new(message)
                    .help("name a folder of the repository itself, or pass `--artifacts DIR`")
                    .help("nothing was sent"))
            }
        }
    }

    /// The organization it is about.
    pub(super) fn organization_id(&self) -> &OrganizationId {
        &self.engine.organization_id
    }

    /// Plans without any flag, to find what serves which declaration.
    pub(super) async fn plan_as_declared(&self) -> Result<Plan, CommandError> {
        Ok(self.engine.plan(&PlanRequest::default()).await?)
    }

    /// Tells the CI system, where one is named, what a plan has against its steps.
    pub(super) fn annotate(&self, plan: &Plan) -> Result<(), CommandError> {
        load::annotate(self.context, &self.engine.manifests, plan)
    }
}

/// What was asked for on the command line.
pub(super) fn request(args: &Planning) -> PlanRequest {
    let options = Options {
        prune: if args.selection.prune { Prune::On } else { Prune::Off },
        limits: Limits {
            delete: args.ceilings.deletes,
            replace: args.ceilings.replaces,
            create: args.ceilings.creates,
            runs: args.ceilings.deployments,
        },
        allow: args.guards.allow.iter().copied().collect(),
        ..Options::default()
    };
    PlanRequest { options, targets: args.selection.targets(), may_recall: true }
}

/// The variables of the process, as the engine looks them up.
fn process(context: &Context, organization_id: &OrganizationId) -> Process {
    let (environment, id) = (context.environment.clone(), organization_id.0.clone());
    Arc::new(move |name| load::variable(&environment, Some(&id), name))
}
