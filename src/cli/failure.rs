//! The page of a plan that could not be made: it takes the place of the plan's own, so that a comment
//! at a pull request says what is wrong.

use std::path::PathBuf;

use crate::cli::args::Command;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::flags::{ApplyFormat, Planning};
use crate::cli::format::{FileFormat, Output};
use crate::cli::{output, terminal};
use crate::render::markdown;

/// Where the page goes.
pub(super) struct FailurePage {
    command: &'static str,
    is_on_stdout: bool,
    outputs: Vec<Output>,
    /// The files that were named to be read.
    inputs: Vec<PathBuf>,
    max_bytes: usize,
}

impl FailurePage {
    /// The page of a command that makes a plan.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let (name, planning, format, plan): (_, &Planning, ApplyFormat, _) = match command {
            Command::Plan(args) => {
                ("plan", &args.planning, args.format.into(), args.snapshot.as_ref())
            }
            Command::Apply(args) => ("apply", &args.planning, args.format, args.plan.as_ref()),
            _ => return None,
        };
        let service = &planning.comparing.service;
        let inputs = [plan, service.emulator.as_ref(), service.script.as_ref()];
        Some(Self {
            command: name,
            is_on_stdout: format == ApplyFormat::Markdown,
            outputs: command.outputs().to_vec(),
            inputs: inputs.into_iter().flatten().cloned().collect(),
            max_bytes: planning.showing.max_bytes,
        })
    }

    /// Writes the page wherever the plan's own should be and is not.
    pub(super) fn write(&self, context: &Context, error: &CommandError) {
        let so_far = &context.progressed;
        let mut text = so_far.findings();
        if !error.is_said {
            text.push_str(&terminal::error_text(&error.message, &error.help));
        }
        let page = markdown::failure(self.command, error.exit.code(), &text, self.max_bytes);
        if self.is_on_stdout && !so_far.is_shown() {
            drop(terminal::output(&page));
        }
        // Nothing is written over what the command reads, which may be why it failed.
        let may_write =
            so_far.may_write() && output::check(&self.outputs, &[], &self.inputs).is_ok();
        let files = self.outputs.iter().filter(|output| output.format == FileFormat::Markdown);
        for path in files.filter_map(|output| output.file.as_deref()).filter(|_| may_write) {
            if let Err(error) = output::write(context, path, page.as_bytes()) {
                terminal::findings(&terminal::error_text(&error.message, &error.help));
            }
        }
    }
}
