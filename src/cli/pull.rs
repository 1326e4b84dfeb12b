//! `qcops pull`: what exists on the service, as a manifest.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::api;
use crate::cli::args::{PullArgs, PulledKind};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{DEFAULT_FILE, Service};
use crate::cli::load;
use crate::cli::progress::Progress;
use crate::cli::service::Target;
use crate::cli::session::Session;
use crate::cli::store;
use crate::cli::terminal;
use crate::evidence::Evidence;
use crate::files;
use crate::history::Repository;
use crate::manifest::{self, Manifest, Prompts, Written};
use crate::model::counted;
use crate::observed::{ListedAgents, ObservedState};
use crate::pull::{self, PullSelection, Pulled};
use crate::render::escape;
use crate::store::SharedStore;

/// How many files that stand in the way are named.
const NAMED: usize = 5;

pub(super) fn run(context: &Context, args: &PullArgs) -> Result<Exit, CommandError> {
    if let Some(folder) = &args.out {
        check_links(folder, [folder.join(DEFAULT_FILE)].iter())?;
    }
    let (selection, organization_id) = selection(context, args)?;
    let asked = (&args.comparing.service, args.comparing.files.environment.as_deref());
    let shared = store::shared(context, &args.comparing.store)?;
    let declared = organization_id.as_deref();
    let pulled = observe(context, asked, shared.as_ref(), &selection, declared)?;
    if let Some(error) = unseen(&pulled) {
        return Err(error);
    }
    let prompts = if args.out.is_some() { Prompts::Files } else { Prompts::Inline };
    let written = manifest::write(&pulled.outline, prompts);
    match &args.out {
        None => terminal::output(&written.manifest)?,
        Some(folder) => {
            save(context, folder, &written, args.force)?;
            let prompts = match written.prompts.len() {
                0 => String::new(),
                count => format!(" and {}", counted(count, "prompt file", "prompt files")),
            };
            let shown = folder.join(DEFAULT_FILE).display().to_string();
            let words = format!("wrote `{}`{prompts}\n", escape::line(&shown));
            context.terminal.message(&words);
        }
    }
    context.terminal.message(&remarks(&pulled));
    // What may be missing must not pass for all there is.
    Ok(if pulled.gap.is_some() { Exit::Blocked } else { Exit::Success })
}

/// Says that ids lead to nothing, so that no manifest is written which leaves them out.
fn unseen(pulled: &Pulled) -> Option<CommandError> {
    if pulled.unseen.is_empty() {
        return None;
    }
    let ids: Vec<String> = pulled.unseen.iter().map(u64::to_string).collect();
    let one = format!("there is no agent or task to declare with the id {}", ids.join(", "));
    let many = format!("there are no agents or tasks to declare with the ids {}", ids.join(", "));
    let mut error = CommandError::new(if ids.len() == 1 { one } else { many })
        .help("nothing was written; `qcops pull` without `--id` shows every id");
    if let Some(why) = &pulled.gap {
        error = error.help(format!("the task list is incomplete: {why}"));
    }
    Some(error)
}

/// What is to be declared, and of which organization, where a manifest says so.
fn selection(
    context: &Context,
    args: &PullArgs,
) -> Result<(PullSelection, Option<String>), CommandError> {
    let mut selection = PullSelection {
        agents: args.only != Some(PulledKind::Tasks),
        tasks: args.only != Some(PulledKind::Agents),
        ids: args.id.iter().copied().collect(),
        ..PullSelection::default()
    };
    let mut organization_id = None;
    if args.unmanaged {
        let session = Session::open(context, &args.comparing, &Progress::new(context.terminal))?;
        organization_id = Some(session.engine.organization_id.0.clone());
        let Manifest { agents, tasks, .. } = &session.engine.manifests.manifest;
        selection.keys = agents.keys().chain(tasks.keys()).cloned().collect();
        let unmanaged = block_on(async { Ok(session.engine.unmanaged().await?) })?;
        selection.unmanaged = Some(unmanaged);
    }
    Ok((selection, organization_id))
}

/// Reads what exists; nothing is written but the emulator's own file.
pub(super) fn observe(
    context: &Context,
    (service, environment): (&Service, Option<&str>),
    shared: Option<&SharedStore>,
    selection: &PullSelection,
    declared: Option<&str>,
) -> Result<Pulled, CommandError> {
    let asked = Target::find(context, service, environment)?;
    asked.warn(context);
    let organization_id = asked.organization(declared)?;
    let repository = Repository::of(&[]).map_err(|error| CommandError::of(&error))?;
    let folder = load::own_folder(&repository)?;
    let on_wait = Progress::new(context.terminal).on_wait();
    let (client, target) = asked.client(
        context,
        (service, &service.tuning),
        organization_id.clone(),
        &folder,
        on_wait,
    )?;
    let scope = store::scope(service, &target, &folder, &organization_id);
    let at = shared.map(|store| (store, &*scope));
    let ledger = store::ledger(context, &folder, target, organization_id, at);
    let observed = async {
        let said = |error| CommandError::of(&error);
        ledger.refresh().await.map_err(said)?;
        let mut evidence = Evidence::default();
        ledger.add_to(&mut evidence).map_err(said)?;
        let created = evidence.newest_created();
        let agents =
            if selection.agents { api::list_agents(&client).await? } else { ListedAgents::new() };
        let reads = |state: &ObservedState| pull::desired(state, &agents, &created);
        let state = api::observe(&client, context.clock, reads).await?;
        Ok(pull::pull(&state, &agents, selection))
    };
    block_on(observed)
}

/// Writes the files; unless forced, all of them or none.
fn save(
    context: &Context,
    folder: &Path,
    written: &Written,
    is_forced: bool,
) -> Result<(), CommandError> {
    let prompts = written.prompts.iter().map(|(path, text)| (folder.join(path), text));
    let files: Vec<(PathBuf, &String)> =
        prompts.chain([(folder.join(DEFAULT_FILE), &written.manifest)]).collect();
    check_links(folder, files.iter().map(|(path, _)| path))?;
    let mut in_the_way = Vec::new();
    for (path, text) in &files {
        let found = context.files.read(path).map_err(|error| CommandError::of(&error))?;
        if found.is_some_and(|found| found != text.as_bytes()) {
            in_the_way.push(format!("`{}`", path.display()));
        }
    }
    if !in_the_way.is_empty() && !is_forced {
        let rest = in_the_way.len().saturating_sub(NAMED);
        let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        in_the_way.truncate(NAMED);
        let names = in_the_way.join(", ");
        return Err(CommandError::new(format!("files would be overwritten: {names}{rest}"))
            .help("`--force` overwrites them; nothing was written")
            .help("or `--out` another folder"));
    }
    for (path, text) in files {
        let saved = context.files.write(&path, text.as_bytes());
        saved.map_err(|error| CommandError::of(&error))?;
    }
    Ok(())
}

/// Refuses to write files of `folder` through a link, or into a folder that is Git's own.
pub(super) fn check_links<'a>(
    folder: &Path,
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), CommandError> {
    let base = base_of(folder)?;
    for path in files {
        if files::is_in_git_folder(path) {
            let shown = escape::line(&path.display().to_string());
            let message = format!("`{shown}` is inside of `.git`, where only Git writes");
            return Err(CommandError::new(message).help("name another folder; nothing was written"));
        }
        let whole = std::path::absolute(path).map_err(|error| CommandError::of(&error))?;
        files::check_unlinked(&base, &whole).map_err(|error| {
            CommandError::of(&error).help("name another folder; nothing was written")
        })?;
    }
    Ok(())
}

/// From where on no link may be on the way: the repository, or the folder if that is outside of it.
fn base_of(folder: &Path) -> Result<PathBuf, CommandError> {
    let repository = Repository::of(&[]).map_err(|error| CommandError::of(&error))?;
    let whole = std::path::absolute(folder).map_err(|error| CommandError::of(&error))?;
    let is_inside = whole.starts_with(repository.root());
    Ok(if is_inside { repository.root().to_owned() } else { whole })
}

/// What the manifest does not declare, and why.
pub(super) fn remarks(pulled: &Pulled) -> String {
    let mut words = String::new();
    let mut note = |text: String| {
        writeln!(words, "note: {}", escape::line(&text)).expect("a string takes everything");
    };
    for (id, why) in &pulled.cut_agents {
        note(format!("agent {id}: {why}"));
    }
    for (id, why) in &pulled.left_out {
        note(format!("task {id} is left out: {why}"));
    }
    if pulled.archived_count > 0 {
        note(format!("archived tasks are left out: {}", pulled.archived_count));
    }
    if let Some(why) = &pulled.gap {
        note(format!("the task list is incomplete, so tasks may be missing: {why}"));
    }
    words
}
