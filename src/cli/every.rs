//! `--env all`: every environment in turn, each with its own organization and credentials.

use crate::cli::args::{Command, PlanArgs, StatusArgs};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{ManifestFiles, PlanFormat};
use crate::cli::format::{FileFormat, StatusFormat};
use crate::cli::load::{self, ManifestTexts};
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::session::{Session, request};
use crate::cli::show::{exit_of, exit_of_status, shape, text_options};
use crate::cli::terminal;
use crate::diag::Diagnostic;
use crate::manifest::EVERY_ENVIRONMENT;
use crate::plan::Tokens;
use crate::render::escape::Untrusted;
use crate::render::every::{EnvironmentError, EnvironmentRow, Every, OfEnvironment};
use crate::render::html;
use crate::render::json::PlanJson;
use crate::render::junit;
use crate::render::status::StatusView;
use crate::render::text::TextOptions;
use crate::render::view::PlanView;

/// Whether every environment is selected.
pub(super) fn is_selected(files: &ManifestFiles) -> bool {
    files.environment.as_deref() == Some(EVERY_ENVIRONMENT)
}

/// Refuses every environment where a command takes one.
pub(super) fn check(command: &Command) -> Result<(), CommandError> {
    let (name, files) = match command {
        Command::Apply(args) => ("apply", &args.planning.comparing.files),
        Command::Transcript(args) => ("transcript", &args.comparing.files),
        Command::Pull(args) => ("pull", &args.comparing.files),
        Command::Destroy(args) => ("destroy", &args.comparing.files),
        Command::Doctor(args) => ("doctor", &args.files),
        _ => return Ok(()),
    };
    if !is_selected(files) {
        return Ok(());
    }
    Err(CommandError::new(format!("`{name}` takes one environment, and `--env all` is every one"))
        .help(format!("run it once for each: `qcops {name} --env NAME`"))
        .help("`plan`, `status` and `validate` take `--env all`"))
}

/// Plans for every environment.
pub(super) fn plan(context: &Context, args: &PlanArgs) -> Result<Exit, CommandError> {
    let saved = [
        ("--out", args.out.is_some()),
        ("--save-snapshot", args.save_snapshot.is_some()),
        ("--snapshot", args.snapshot.is_some()),
    ];
    if let Some((flag, _)) = saved.into_iter().find(|(_, is_given)| *is_given) {
        return Err(CommandError::new(format!(
            "`{flag}` takes one environment, and `--env all` is every one"
        ))
        .help(format!("run it once for each: `qcops plan --env NAME {flag} FILE`")));
    }
    output::check(&context.outputs, &[], &[])?;
    let (every, exit) = each(context, &args.planning.comparing.files, |files| {
        let mut planning = args.planning.clone();
        planning.comparing.files = files;
        let progress = Progress::new(context.terminal);
        let session = Session::open(context, &planning.comparing, &progress)?;
        let request = request(&planning);
        let plan = block_on(async { Ok(session.engine.plan(&request).await?) })?;
        session.annotate(&plan)?;
        Ok((PlanView::new(&plan), exit_of(&plan, args.detailed_exitcode)))
    })?;
    let layout = shape(&args.planning);
    let written = |format: FileFormat| match format {
        FileFormat::Json => every.json(PlanJson::new),
        FileFormat::Markdown => every.markdown(layout.context, layout.max_bytes),
        FileFormat::Html => html::plans(&every, layout.context),
        FileFormat::Junit => junit::plans(&every),
        _ => text(&every, &TextOptions { context: layout.context, ..TextOptions::default() }),
    };
    context.progressed.note_shown();
    match args.format {
        PlanFormat::Text => {
            terminal::output(&text(&every, &text_options(context, layout.context)))?;
        }
        PlanFormat::Json => terminal::output(&written(FileFormat::Json))?,
        PlanFormat::Markdown => terminal::output(&written(FileFormat::Markdown))?,
        PlanFormat::Html => terminal::output(&written(FileFormat::Html))?,
    }
    block_on(output::write_each(context, &args.outputs, written))?;
    Ok(exit)
}

/// Shows the status of every environment.
pub(super) fn status(context: &Context, args: &StatusArgs) -> Result<Exit, CommandError> {
    let tokens = if args.tokens { Tokens::Read } else { Tokens::AsKnown };
    let (every, exit) = each(context, &args.comparing.files, |files| {
        let mut comparing = args.comparing.clone();
        comparing.files = files;
        let session = Session::open(context, &comparing, &Progress::new(context.terminal))?;
        let overview = block_on(async { Ok(session.engine.overview(tokens).await?) })?;
        Ok((StatusView::new(&overview), exit_of_status(&overview)))
    })?;
    terminal::output(&match args.format {
        StatusFormat::Json => every.json(StatusView::clone),
        StatusFormat::Text => text(&every, &text_options(context, 0)),
    })?;
    Ok(exit)
}

/// Looks at each environment in the order of names. One that fails is told, and hides no other.
fn each<V>(
    context: &Context,
    files: &ManifestFiles,
    look: impl Fn(ManifestFiles) -> Result<(V, Exit), CommandError>,
) -> Result<(Every<V>, Exit), CommandError> {
    let mut rows = Vec::new();
    let mut worst = Exit::Success;
    for name in names(context, files)? {
        let environment = Some(name.clone());
        let one = ManifestFiles { environment, is_one_of_all: true, ..files.clone() };
        let (found, exit) = match look(one) {
            Ok((found, exit)) => (Ok(found), exit),
            Err(error) => (Err(told(context, &name, &error)), error.exit),
        };
        worst = worst.min(exit);
        rows.push(EnvironmentRow { name: Untrusted::new(name), exit_code: exit.code(), found });
    }
    Ok((Every { rows, exit_code: worst.code() }, worst))
}

/// Says at once why an environment failed, and keeps it for its row.
fn told(context: &Context, name: &str, error: &CommandError) -> EnvironmentError {
    let message = if error.is_said { "its manifest has errors" } else { &error.message };
    let mut help = error.help.clone();
    if error.is_said {
        help.push(format!("`qcops validate --env {name}` lists them"));
    }
    context.terminal.error(&format!("environment `{name}`: {message}"), &help);
    let help = help.iter().map(|help| Untrusted::new(help.as_str())).collect();
    EnvironmentError { message: Untrusted::new(message), help }
}

/// The names of the environments that the manifests declare.
fn names(context: &Context, files: &ManifestFiles) -> Result<Vec<String>, CommandError> {
    if files.has_stream() {
        return Err(CommandError::new("standard input can be read once, and `--env all` reads the manifest for each environment")
            .help("save the manifest to a file"));
    }
    let read = ManifestTexts::read(files)?;
    let process = |name: &str| load::variable(&context.environment, None, name);
    let (manifest, findings) = read.understand(None, &process);
    let names: Vec<String> = manifest.expansion.environments.keys().cloned().collect();
    if !names.is_empty() {
        return Ok(names);
    }
    if findings.iter().any(Diagnostic::is_error) {
        read.finish(context, (manifest, findings), (files, Vec::new()))?;
    }
    Err(CommandError::new(
        "`--env all` is every environment, and no manifest declares environments",
    )
    .help("leave out `--env`, and unset `QCOPS_ENV`"))
}

fn text<V: OfEnvironment>(every: &Every<V>, options: &TextOptions) -> String {
    let mut text = String::new();
    every.text(options, &mut text).expect("a string takes everything");
    text
}
