//! The page of a command that failed: it takes the place of the plan's own, so that a comment at a pull
//! request says what is wrong.

use std::path::PathBuf;

use crate::cli::args::{Command, ValidateArgs, ValidateFormat};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::flags::{ApplyFormat, PlanFormat, Planning};
use crate::cli::{output, terminal};
use crate::render::markdown;

/// Where the page goes, beside the outputs of the command.
pub(super) struct FailurePage {
    command: &'static str,
    is_on_stdout: bool,
    /// The files that were named to be read.
    inputs: Vec<PathBuf>,
    max_bytes: usize,
}

impl FailurePage {
    /// The page of a command that writes Markdown.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let (name, is_on_stdout, planning, plan): (_, _, &Planning, _) = match command {
            Command::Validate(args) => return Some(Self::of_validate(args)),
            Command::Plan(args) => {
                let is_on_stdout = args.format == PlanFormat::Markdown;
                ("plan", is_on_stdout, &args.planning, args.snapshot.as_ref())
            }
            Command::Apply(args) => {
                let is_on_stdout = args.format == ApplyFormat::Markdown;
                ("apply", is_on_stdout, &args.planning, args.plan.as_ref())
            }
            _ => return None,
        };
        let service = &planning.comparing.service;
        let inputs = [plan, service.emulator.as_ref(), service.script.as_ref()];
        Some(Self {
            command: name,
            is_on_stdout,
            inputs: inputs.into_iter().flatten().cloned().collect(),
            max_bytes: planning.showing.max_bytes,
        })
    }

    fn of_validate(args: &ValidateArgs) -> Self {
        Self {
            command: "validate",
            is_on_stdout: args.format == ValidateFormat::Markdown,
            inputs: Vec::new(),
            max_bytes: markdown::DEFAULT_BYTES,
        }
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
            so_far.may_write() && output::check(&context.outputs, &[], &self.inputs).is_ok();
        if may_write && let Err(error) = block_on(output::write_page(context, &page)) {
            context.terminal.error(&error.message, &error.help);
        }
    }
}
