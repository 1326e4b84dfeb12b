//! `qcops rehearse`: the cut sweep over the user's own manifest, on an emulator in process.

use std::collections::BTreeMap;

use crate::cli::args::RehearseArgs;
use crate::cli::context::Context;
use crate::cli::emulator::{is_help, quirks, usage};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::load;
use crate::cli::terminal;
use crate::emulator::{self, World};
use crate::engine::Project;
use crate::kinds::{AGENT_ID, PROMPT, Shape};
use crate::manifest::{self, DesiredState};
use crate::model::AgentId;
use crate::plan::{Limits, Options};
use crate::rehearse::{Act, Depth, Setting, Story, Tally, history_of, sweep};
use crate::render::escape;
use crate::resource::{Address, Value};

/// What is added to every prompt in the story of an edit.
const EDIT: &str = "\n\nThis is a rehearsal.";

pub(super) fn run(context: &Context, args: &RehearseArgs) -> Result<Exit, CommandError> {
    if is_help(&args.quirks) {
        terminal::output(&quirks())?;
        return Ok(Exit::Success);
    }
    let loaded = load::load(context, &args.files, Some(emulator::ORGANIZATION_ID))?;
    let mut world = World::new(args.seed, context.clock.now());
    for quirk in &args.quirks {
        let known = world.quirks.set(quirk);
        known.map_err(|why| usage(&why, "--quirk"))?;
    }
    let agents = agents(&loaded, &mut world);
    let (mut desired_state, findings) = manifest::resolve(&loaded.manifest, &agents);
    load::report(context, &loaded, &findings)?;
    for task in desired_state.tasks.values_mut() {
        // An emulator has other ids than the service; protection would only hide what is rehearsed.
        (task.pin, task.protect) = (None, false);
    }
    let edited = edited(&desired_state);
    let stories = [
        story(context, "first apply", &world, &[desired_state.clone()]),
        story(context, "every prompt edited", &world, &[desired_state, edited]),
    ];
    let setting = Setting { seed: args.seed, quirks: args.quirks.clone() };
    let depth = if args.cuts == 0 { Depth::Every } else { Depth::Sample(args.cuts) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut is_right = true;
    for story in stories {
        let name = story.name.clone();
        let tally = sweep(&[story], std::slice::from_ref(&setting), depth, threads);
        is_right &= tally.violations.is_empty();
        terminal::output(&shown(&name, &tally))?;
    }
    Ok(if is_right { Exit::Success } else { Exit::Error })
}

/// Makes the agents that the manifest names, by name or by number.
fn agents(loaded: &Project, world: &mut World) -> BTreeMap<String, Vec<AgentId>> {
    let mut by_name = BTreeMap::new();
    for task in loaded.manifest.tasks.values() {
        match task.object.get(AGENT_ID) {
            Value::Integer(id) => world.need_agent(*id),
            Value::Ref(Address { key, .. }) => {
                let id = || vec![AgentId(world.add_agent(key))];
                by_name.entry(key.to_string()).or_insert_with(id);
            }
            _ => {}
        }
    }
    by_name
}

fn edited(desired_state: &DesiredState) -> DesiredState {
    let mut edited = desired_state.clone();
    for task in edited.tasks.values_mut() {
        let Some(prompt) = task.object.prompt() else { continue };
        let prompt = Value::text(Shape::LongText, format!("{prompt}{EDIT}"));
        task.object = task.object.with(PROMPT, prompt).whole().expect("one field is another");
    }
    edited
}

/// Each manifest is committed and applied; nothing of it is too much.
fn story(context: &Context, name: &str, world: &World, desired_states: &[DesiredState]) -> Story {
    let all = Some(usize::MAX);
    let limits = Limits { delete: all, replace: all, create: all, runs: all };
    let acts = desired_states.iter().enumerate().map(|(at, desired_state)| Act {
        desired_state: desired_state.clone(),
        evidence: history_of(&desired_states[..=at]),
        options: Options { limits, ..Options::default() },
        destroys: None,
        ends_after: None,
    });
    let (name, start) = (name.to_owned(), world.clone());
    Story { name, start, now: context.clock.now(), acts: acts.collect() }
}

fn shown(story: &str, tally: &Tally) -> String {
    let mut lines = vec![
        format!("Rehearsed: {story}"),
        format!("  runs                         {}", tally.runs),
        format!("  kinds of cuts                {}", tally.ends.len()),
        format!("  requests                     {}", tally.requests),
        format!("  creates per key              {}", tally.most_creates),
        format!("  paid runs per declared run   {}", tally.most_runs),
        format!("  duplicate tasks              {}", tally.duplicate_tasks),
        format!("  duplicate runs               {}", tally.duplicate_runs),
        format!("  follow-ups sent twice        {}", tally.duplicate_follow_ups),
        format!("  others' things touched       {}", tally.unproven_touched),
        format!(
            "  unclear creates settled      {} of {}",
            tally.settled_creates, tally.unclear_creates
        ),
        format!("  laws broken                  {}", tally.violations.len()),
    ];
    for blocks in tally.restless.values() {
        lines.push(format!("  does not come to rest: {blocks}"));
    }
    if let Some(violation) = tally.shortest() {
        lines.push(format!("  the shortest: {}, seed {}", violation.cut, violation.seed));
        let words = violation.wrong.iter().chain(&violation.log);
        lines.extend(words.map(|line| format!("    {}", escape::line(line))));
    }
    lines.push(String::new());
    lines.join("\n")
}
