//! Plans and the results of applies on standard output, and how a plan ends its command.

use std::fmt;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{ApplyFormat, Planning};
use crate::cli::output::Layout;
use crate::cli::terminal;
use crate::diag::{Code, Diagnostic};
use crate::plan::{Overview, Plan, StepStatus};
use crate::render::text::{Length, TextOptions};
use crate::render::view::PlanView;
use crate::render::{self, Color};

/// Prints a plan.
pub(super) fn show(
    context: &Context,
    args: &Planning,
    format: ApplyFormat,
    plan: &Plan,
) -> Result<(), CommandError> {
    let (view, Layout { context: lines, max_bytes }) = (PlanView::new(plan), shape(args));
    context.progressed.note_shown();
    match format {
        ApplyFormat::Text => show_text(context, lines, &view),
        ApplyFormat::Json => terminal::output(&render::json::render(&view)),
        ApplyFormat::Markdown => {
            let findings = context.progressed.findings();
            terminal::output(&render::markdown::render_with(&view, lines, max_bytes, &findings))
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
pub(super) fn shape(args: &Planning) -> Layout {
    Layout { context: args.showing.context, max_bytes: args.showing.max_bytes }
}

/// Prints the result of a plan: behind one for people, and beside one that a program or a browser
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
        width: context.terminal.output_width(),
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

/// Tells how a status ends its command: what may be missing must not pass for all there is.
pub(super) fn exit_of_status(overview: &Overview) -> Exit {
    if overview.doubts.is_empty() { Exit::Success } else { Exit::Blocked }
}

/// Whether follow-ups wait for their deployment to be idle.
fn still_to_send(plan: &Plan) -> bool {
    let waits = |status: &StepStatus| matches!(status, StepStatus::Deferred(why) if why.code == Code::DeploymentBusy);
    plan.steps.iter().any(|step| waits(&step.status))
}
