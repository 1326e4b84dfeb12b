//! `qcops doctor`: is everything in order, and how does the service behave?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::Client;
use crate::apply::Stop;
use crate::cli::args::DoctorArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::{CommandError, help_against};
use crate::cli::exit::Exit;
use crate::cli::format::StatusFormat;
use crate::cli::load;
use crate::cli::progress::Progress;
use crate::cli::service::Target;
use crate::cli::show::text_options;
use crate::cli::signals::hear_signals;
use crate::cli::store;
use crate::cli::terminal::{self, Terminal};
use crate::diag::{Check, CheckStatus, Checkup};
use crate::doctor::{self, Doctor};
use crate::evidence::Evidence;
use crate::history::Repository;
use crate::ledger::Ledger;
use crate::manifest::Manifest;
use crate::model::OrganizationId;
use crate::render::doctor::{CheckupView, render};
use crate::store::SharedStore;

pub(super) fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, CommandError> {
    let progress = Progress::new(context.terminal);
    let mut checkup = Checkup::default();
    let (contact, evidence) = prepare(context, args, &progress, &mut checkup)?;
    let stop = Arc::new(Stop::default());
    if let Some(Contact { client, declared_offset, .. }) = contact {
        let is_stopped = || stop.is_asked();
        let doctor = Doctor {
            client: &client,
            clock: context.clock,
            help: &help_against,
            is_stopped: &is_stopped,
            declared_offset,
        };
        let work = examine(context, args, &doctor, &evidence, &mut checkup, &stop, &progress);
        block_on(async {
            work.await;
            Ok(())
        })?;
    }
    show(context, args, &checkup)?;
    let needs_approval =
        (args.probing.probe || args.probing.clean_up) && !args.probing.yes && !terminal::can_ask();
    let exit = match checkup.worst() {
        _ if stop.is_asked() => Exit::Interrupted,
        CheckStatus::Failed => Exit::Error,
        CheckStatus::Warned => Exit::Blocked,
        _ if needs_approval => Exit::Blocked,
        _ => Exit::Success,
    };
    Ok(exit)
}

/// The service, found but not asked yet.
struct Contact {
    client: Client,
    ledger: Ledger,
    shared: Option<SharedStore>,
    /// The `serviceUtcOffset` of the manifest, in minutes.
    declared_offset: Option<i64>,
}

/// Checks what is on this machine, and finds the service; nothing is sent.
fn prepare(
    context: &Context,
    args: &DoctorArgs,
    progress: &Progress,
    checkup: &mut Checkup,
) -> Result<(Option<Contact>, Evidence), CommandError> {
    let repository = Repository::of(&[]).map_err(|error| CommandError::of(&error))?;
    checkup.push(doctor::check_git(&repository));
    let folder = match load::own_folder(&repository) {
        Ok(folder) => folder,
        Err(error) => {
            checkup.push(failed("store", error));
            return Ok((None, Evidence::default()));
        }
    };
    let contact = match find_service(context, args, progress, &folder, checkup) {
        Ok(contact) => Some(contact),
        Err(check) => {
            checkup.push(check);
            None
        }
    };
    let none =
        || store::ledger(context, &folder, String::new(), OrganizationId(String::new()), None);
    let (check, evidence) = match &contact {
        Some(Contact { shared: Some(store), ledger, .. }) => check_shared_store(store, ledger)?,
        Some(contact) => doctor::check_store(&folder, &contact.ledger),
        None => doctor::check_store(&folder, &none()),
    };
    checkup.merge(Checkup { checks: vec![check], ..Checkup::default() });
    Ok((contact, evidence))
}

/// Checks whether a shared store keeps conditions, and whether its ledger can be read.
fn check_shared_store(
    store: &SharedStore,
    ledger: &Ledger,
) -> Result<(Check, Evidence), CommandError> {
    let mut evidence = Evidence::default();
    let checked = block_on(async {
        let checked = match store.check().await {
            Ok(()) => ledger.refresh().await,
            Err(error) => Err(error),
        };
        Ok(checked)
    })?;
    let check = match checked.and_then(|()| ledger.add_to(&mut evidence)) {
        Ok(()) => {
            let words = format!("`{}` keeps conditions, and its ledger can be read", store.name);
            Check::new("store", CheckStatus::Passed, words)
        }
        Err(error) => failed("store", CommandError::of(&error)),
    };
    Ok((check, evidence))
}

/// Finds who asks which service about which organization, or what is wrong with that.
fn find_service(
    context: &Context,
    args: &DoctorArgs,
    progress: &Progress,
    folder: &Path,
    checkup: &mut Checkup,
) -> Result<Contact, Check> {
    let target = Target::find(context, &args.service, args.files.environment.as_deref())
        .map_err(|error| failed("credentials", error))?;
    checkup.push(check_credentials(&target));
    let wrong = |error| failed("organization", error);
    let manifest = manifest(context, args, &target).map_err(wrong)?;
    let declared = manifest.as_ref().and_then(|manifest| manifest.organization_id.as_deref());
    let organization_id = target.organization(declared).map_err(wrong)?;
    let origin = match declared {
        Some(_) => "from the manifest".to_owned(),
        None => format!("from `{}`", target.organization_origin().unwrap_or_default()),
    };
    checkup.push(Check::new("organization", CheckStatus::Passed, origin));
    checkup.organization_id = Some(organization_id.0.clone());
    let (id, on_wait) = (organization_id.clone(), progress.on_wait());
    let client = target.client(context, (&args.service, &args.service.tuning), id, folder, on_wait);
    let (client, name) = client.map_err(|error| failed("network", error))?;
    let shared = store::shared(context, &args.store).map_err(|error| failed("store", error))?;
    let scope = store::scope(&args.service, &name, folder, &organization_id);
    let at = shared.as_ref().map(|store| (store, &*scope));
    let ledger = store::ledger(context, folder, name.clone(), organization_id, at);
    checkup.service = name;
    let offset = manifest.and_then(|manifest| manifest.service_utc_offset);
    let declared_offset = offset.map(|offset| i64::from(offset.seconds()) / 60);
    Ok(Contact { client, ledger, shared, declared_offset })
}

/// Asks the service, and makes a probe or removes what one has left, where that is approved.
async fn examine(
    context: &Context,
    args: &DoctorArgs,
    doctor: &Doctor<'_>,
    evidence: &Evidence,
    checkup: &mut Checkup,
    stop: &Arc<Stop>,
    progress: &Progress,
) {
    checkup.merge(doctor.examine(evidence).await);
    let is_listed =
        |check: &Check| check.name == "permissions" && check.status == CheckStatus::Passed;
    // What the service refuses to show cannot be measured, and the check says why.
    if !checkup.checks.iter().any(is_listed) || !(args.probing.probe || args.probing.clean_up) {
        return;
    }
    let (name, work) = if args.probing.probe {
        ("probe", Doctor::probe_steps())
    } else {
        ("leftover", "delete the tasks that probes have left".to_owned())
    };
    if !args.probing.yes && !approve(context.terminal, &work) {
        let message = "not approved, so nothing was changed";
        let check = Check::new(name, CheckStatus::Noted, message);
        let found = check.help(format!("add `--yes` to {work}"));
        return checkup.merge(Checkup { checks: vec![found], ..Checkup::default() });
    }
    hear_signals(Arc::clone(stop), progress.clone());
    let found = if args.probing.probe {
        doctor.probe().await
    } else {
        Checkup { checks: vec![doctor.remove_leftovers().await], ..Checkup::default() }
    };
    checkup.merge(found);
}

/// Asks where there is somebody to ask.
fn approve(terminal: Terminal, work: &str) -> bool {
    let question = format!("This will {work}.\nDo this? Only 'yes' is accepted: ");
    terminal::can_ask() && terminal.ask(&question)
}

fn show(context: &Context, args: &DoctorArgs, checkup: &Checkup) -> Result<(), CommandError> {
    let view = CheckupView::new(checkup);
    let mut text = String::new();
    render(&view, &text_options(context, 0), &mut text).expect("a string takes everything");
    match args.format {
        _ if args.quirks => {
            context.terminal.message(&text);
            terminal::output(&view.quirk_flags())
        }
        StatusFormat::Json => terminal::output(&view.to_json()),
        StatusFormat::Text => terminal::output(&text),
    }
}

fn check_credentials(target: &Target) -> Check {
    match &target.exposed {
        Some(path) => {
            let shown = path.display();
            let message = format!("from `{shown}`, which other users can read");
            // The Lean CLI writes it so again at the next login.
            Check::new("credentials", CheckStatus::Noted, message)
                .help(format!("`chmod 600 {shown}`"))
        }
        None => Check::new("credentials", CheckStatus::Passed, format!("from `{}`", target.origin)),
    }
}

/// The manifest, where there is one; a newcomer has none.
fn manifest(
    context: &Context,
    args: &DoctorArgs,
    target: &Target,
) -> Result<Option<Manifest>, CommandError> {
    let exists = |path: &PathBuf| path.exists();
    if !args.files.files.iter().all(exists) {
        return Ok(None);
    }
    let of_other = |name: &str| target.organization_of(context, name, false);
    let read = load::load(context, &args.files, target.organization_id(), &of_other);
    let project = read.map_err(|error| {
        let is_said = error.is_said;
        let error = if is_said { CommandError::new("the manifest has errors") } else { error };
        error.help("`qcops validate` lists what is wrong with it")
    })?;
    Ok(Some(project.manifest))
}

fn failed(name: &'static str, error: CommandError) -> Check {
    let check = Check::new(name, CheckStatus::Failed, error.message);
    error.help.into_iter().fold(check, Check::help)
}
