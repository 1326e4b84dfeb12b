//! `qcops emulator`: the emulated service over HTTP, for any client on this machine.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::cli::args::EmulatorArgs;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::emulator::{
    API_TOKEN, Emulator, FAULTS, LATE, ORGANIZATION_ID, QUIRKS, RunRule, Script, Storage, USER_ID,
    World, run_rules,
};
use crate::files::read_input;
use crate::manifest::read_yaml_as;

/// The largest script, in bytes.
const LARGEST: u64 = 8 << 20;

pub(super) fn run(context: &Context, args: &EmulatorArgs) -> Result<Exit, CommandError> {
    let helps = [(is_help(&args.quirks), quirks()), (is_help(&args.faults), faults())];
    let asked: Vec<String> =
        helps.into_iter().filter_map(|(is_asked, text)| is_asked.then_some(text)).collect();
    if !asked.is_empty() {
        context.terminal.output(&asked.join("\n"))?;
        return Ok(Exit::Success);
    }
    let mut script = Script::default();
    for fault in &args.faults {
        script.add(fault).map_err(|why| usage(&why, "--fault"))?;
    }
    let storage = match &args.state {
        Some(path) => Storage::File { files: Arc::clone(&context.files), path: path.clone() },
        None => Storage::Memory,
    };
    let world = World::new(0, context.clock.now());
    let mut emulator = Emulator::new(world, context.clock, storage);
    emulator.set_faults(script);
    if let Some(path) = &args.script {
        emulator = emulator.with_rules(read_rules(path)?);
    }
    block_on(serve(context, args, emulator))
}

/// Reads the script of the agents.
pub(super) fn read_rules(path: &Path) -> Result<Vec<RunRule>, CommandError> {
    let bytes = read_input(path, LARGEST).map_err(|error| CommandError::of(&error))?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let read = match text {
        None => Err("there is no such UTF-8 file".to_owned()),
        Some(text) => read_yaml_as(&text).and_then(run_rules),
    };
    read.map_err(|why| {
        CommandError::new(format!("the script `{}` cannot be played: {why}", path.display()))
            .help("write `version: 1`, and rules such as `runs: [{promptContains: SPY, outcome: failed}]`")
            .help("docs/deployments.md describes scripts")
    })
}

async fn serve(
    context: &Context,
    args: &EmulatorArgs,
    emulator: Emulator,
) -> Result<Exit, CommandError> {
    // A world that was kept takes the place of a new one, so its quirks are set where it is.
    for quirk in &args.quirks {
        let set = emulator.with_world(|world| world.quirks.set(quirk)).await;
        set.map_err(|error| CommandError::of(&error))?.map_err(|why| usage(&why, "--quirk"))?;
    }
    let port = args.port;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        CommandError::new(format!("port {port} cannot be used: {error}"))
            .help("`--port N` takes another one, 0 a free one")
    })?;
    let address = listener.local_addr().map_err(|error| CommandError::of(&error))?;
    terminal::output(&format!(
        "BASE_URL=http://{address}/api/v2\nUSER_ID={USER_ID}\nAPI_TOKEN={API_TOKEN}\nORGANIZATION_ID={ORGANIZATION_ID}\n"
    ))?;
    context.terminal.message("The emulator answers until it is interrupted.\n");
    let until_interrupted = async {
        drop(tokio::signal::ctrl_c().await);
    };
    let served = crate::emulator::serve(listener, Arc::new(emulator), until_interrupted).await;
    served.map_err(|error| CommandError::of(&error))?;
    Ok(Exit::Success)
}

/// Whether a flag asks what it takes.
fn is_help(texts: &[String]) -> bool {
    texts.iter().any(|text| text == "help")
}

fn usage(why: &str, flag: &str) -> CommandError {
    CommandError::new(why).help(format!("`{flag} help` lists what there is"))
}

fn quirks() -> String {
    let mut text = String::from("Quirks: each settles one unknown of the service's contract.\n");
    for quirk in QUIRKS {
        text.push_str(&format_row(quirk.name, &quirk.values.join("|"), quirk.about));
    }
    text
}

fn faults() -> String {
    let mut text = String::from(
        "Faults: ENDPOINT#N=FAULT strikes the N-th call, ENDPOINT%K=FAULT every K-th.\n",
    );
    for (name, _, sentence) in FAULTS {
        text.push_str(&format_row(name, "", sentence));
    }
    text.push_str(&format_row(LATE.0, "", LATE.1));
    text
}

fn format_row(name: &str, values: &str, sentence: &str) -> String {
    let values = if values.is_empty() { String::new() } else { format!("={values}") };
    format!("  {name}{values}\n      {sentence}\n")
}
