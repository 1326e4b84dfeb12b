//! `--output FORMAT=FILE`: what one command writes beside standard output, all from one plan.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::documents::write;
use crate::cli::error::CommandError;
use crate::cli::format::{FileFormat, Output};
use crate::files::{self, is_same_file, is_special};
use crate::render::html::Applied;
use crate::render::text::TextOptions;
use crate::render::view::PlanView;
use crate::render::{self, escape};

/// How plans are written into files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Lines of context around a difference.
    pub(super) context: usize,
    /// The most bytes of Markdown.
    pub(super) max_bytes: usize,
}

/// Refuses outputs, and more of them behind their flags, that are inputs of the same command or one
/// another.
pub(super) fn check(
    outputs: &[Output],
    more: &[(&str, Option<&Path>)],
    inputs: &[PathBuf],
) -> Result<(), CommandError> {
    let named = named(outputs).map(|(_, path)| ("--output", path));
    let more = more.iter().filter_map(|(flag, path)| Some((*flag, (*path)?)));
    // Nothing that was there is lost in a device or a pipe.
    let named: Vec<(&str, &Path)> =
        named.chain(more).filter(|(_, path)| !is_special(path)).collect();
    for (at, (flag, path)) in named.iter().enumerate() {
        let shown = escape::line(&path.display().to_string());
        let refused = |why: &str| {
            CommandError::new(format!("`{flag}` would overwrite `{shown}`, which {why}"))
                .help("name another file; nothing was sent")
        };
        if files::is_in_git_folder(path) {
            return Err(refused("is inside of `.git`, where only Git writes"));
        }
        if path.is_dir() {
            return Err(refused("is a folder"));
        }
        if path.file_name().is_some_and(|name| name == files::OWN_FOLDER) {
            return Err(refused("is the name of this program's own folder"));
        }
        if inputs.iter().any(|input| is_same_file(input, path)) {
            return Err(refused("this command reads"));
        }
        let mut others = named.iter().take(at);
        if let Some((other, _)) = others.find(|(_, other)| is_same_file(other, path)) {
            return Err(refused(&format!("`{other}` writes too")));
        }
    }
    Ok(())
}

/// Writes a plan into every file that was asked for.
pub(super) async fn write_plan(
    context: &Context,
    outputs: &[Output],
    shape: Layout,
    view: &PlanView,
) -> Result<(), CommandError> {
    write_each(context, outputs, |format| match format {
        FileFormat::Json => render::json::render(view),
        FileFormat::Markdown => markdown(context, view, shape),
        FileFormat::Html => render::html::plan(view, shape.context),
        FileFormat::Junit => render::junit::plan(view),
        _ => plan_text(view, shape),
    })
    .await
}

/// Writes every file that was asked for; findings are written by the annotator.
pub(super) async fn write_each(
    context: &Context,
    outputs: &[Output],
    text: impl Fn(FileFormat) -> String,
) -> Result<(), CommandError> {
    for (format, path) in named(outputs) {
        if !matches!(format, FileFormat::GitHub | FileFormat::GitLab) {
            write(context, path, text(format).as_bytes()).await?;
        }
    }
    context.progressed.note_written();
    Ok(())
}

/// A plan with what was found in its manifests.
fn markdown(context: &Context, view: &PlanView, shape: Layout) -> String {
    let Layout { context: lines, max_bytes } = shape;
    render::markdown::render_with(view, lines, max_bytes, &context.progressed.findings())
}

/// Writes an apply into every file that was asked for: the plan, the result of its steps, and the
/// deployments that were waited for.
pub(super) async fn write_apply(
    context: &Context,
    outputs: &[Output],
    shape: Layout,
    applied: Applied<'_>,
) -> Result<(), CommandError> {
    for (format, path) in named(outputs) {
        let text = match format {
            FileFormat::Json => {
                write(context, path, &render::report::render(applied)).await?;
                continue;
            }
            FileFormat::Markdown => {
                let view = PlanView::new(applied.plan);
                let plan = markdown(context, &view, shape);
                format!("{plan}{}", render::markdown::block(&result_text(applied, shape)))
            }
            FileFormat::Html => render::html::applied(applied, shape.context),
            FileFormat::Junit => junit(applied),
            FileFormat::Text => {
                let plan = plan_text(&PlanView::new(applied.plan), shape);
                format!("{plan}{}", result_text(applied, shape))
            }
            FileFormat::GitHub | FileFormat::GitLab => continue,
        };
        write(context, path, text.as_bytes()).await?;
    }
    context.progressed.note_written();
    Ok(())
}

/// Writes a page into every Markdown file that was asked for.
pub(super) async fn write_page(context: &Context, page: &str) -> Result<(), CommandError> {
    for (format, path) in named(&context.outputs) {
        if format == FileFormat::Markdown {
            write(context, path, page.as_bytes()).await?;
        }
    }
    Ok(())
}

fn named(outputs: &[Output]) -> impl Iterator<Item = (FileFormat, &Path)> {
    outputs.iter().filter_map(|output| Some((output.format, output.file.as_deref()?)))
}

fn plan_text(view: &PlanView, shape: Layout) -> String {
    let options = TextOptions { context: shape.context, ..TextOptions::default() };
    let mut text = String::new();
    render::text::render(view, &options, &mut text).expect("a string takes everything");
    text
}

fn result_text(applied: Applied<'_>, shape: Layout) -> String {
    let options = TextOptions { context: shape.context, ..TextOptions::default() };
    let mut text = String::new();
    if applied.plan.ready_steps().next().is_some() {
        text.push('\n');
        render::outcome::render(applied.plan, applied.outcome, &options, &mut text)
            .expect("a string takes everything");
    }
    if !applied.runs.is_empty() {
        text.push('\n');
        render::deployments::text(applied.runs, &options, &mut text)
            .expect("a string takes everything");
    }
    text
}

fn junit(applied: Applied<'_>) -> String {
    let mut xml = String::new();
    render::deployments::junit(applied.runs, &applied.plan.gaps, &mut xml)
        .expect("a string takes everything");
    xml
}
