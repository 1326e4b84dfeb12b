//! `qcops schema`: the shape of manifests and of what is written, as JSON Schema.

use crate::cli::args::SchemaArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::format::Described;
use crate::cli::terminal;
use crate::manifest;
use crate::observation;
use crate::render;
use crate::saved;

pub(super) fn run(args: &SchemaArgs) -> Result<Exit, CommandError> {
    terminal::output(&text(args.what))?;
    Ok(Exit::Success)
}

pub(super) fn text(document: Described) -> String {
    let schema = match document {
        Described::Manifest => manifest::schema(),
        Described::Plan => render::json::schema().to_value(),
        Described::EveryPlan => render::every::plans_schema().to_value(),
        Described::EveryStatus => render::every::statuses_schema().to_value(),
        Described::SavedPlan => saved::schema().to_value(),
        Described::Snapshot => observation::schema().to_value(),
        Described::Report => render::report::schema().to_value(),
        Described::Transcript => render::transcript_schema().to_value(),
        Described::Doctor => render::doctor::schema().to_value(),
        Described::Status => render::status::schema().to_value(),
    };
    let text = serde_json::to_string_pretty(&schema).expect("texts and numbers are always JSON");
    text + "\n"
}
