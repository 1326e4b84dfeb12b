//! Laws over stories on the emulator: manifests committed, applied and reverted while people meddle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use qcops::emulator;
use qcops::event::StepOutcome;
use qcops::plan::{Change, Limits, Plan, Prune, StepStatus};

use super::{cases, check, ways};
use crate::support::world::{World, shown};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const NAMES: [&str; 4] = ["One", "Two", "Three", "A long name of sixteen and more"];
const PROMPTS: [&str; 5] = ["p", "q", "r", "s", "t"];

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Set { key: &'static str, name: Option<&'static str>, prompt: &'static str, runs: usize },
    Drop(&'static str),
    RenameKey(&'static str, &'static str),
    CopyKey(&'static str, &'static str, &'static str),
    Rename(&'static str, &'static str),
    Protect(&'static str, bool),
    Pin(&'static str, usize),
    Unpin(&'static str),
    Release(&'static str),
    Revert(usize),
    Commit,
    Apply { prunes: bool },
    OtherMachine,
    Hand(Hand),
}

/// What people do in the web interface; tasks by their place on the list.
#[derive(Clone, Debug)]
enum Hand {
    Add(&'static str, &'static str),
    Clone(usize),
    Edit(usize, &'static str),
    Rename(usize, &'static str),
    Schedule(usize, bool),
    Notify(usize),
    Deploy(usize),
    Delete(usize),
}

#[derive(Clone, Debug, PartialEq, Default)]
struct Entry {
    name: Option<&'static str>,
    prompt: &'static str,
    runs: usize,
    protect: bool,
    pin: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Default)]
struct Manifest {
    tasks: BTreeMap<&'static str, Entry>,
    forgotten: BTreeSet<&'static str>,
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn every_story_obeys_the_laws(events in vec(event(), 4..24), quirks in quirks()) {
        tell(&events, &quirks);
    }
}

fn tell(events: &[Event], quirks: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut story = Story::new(quirks).await;
        for event in events {
            story.happen(event).await;
        }
        story.commit();
        story.apply(false).await;
        story.apply(true).await;
    });
}

struct Story {
    world: World,
    manifest: Manifest,
    commits: Vec<Manifest>,
    /// Tasks that an apply of this story made.
    mine: BTreeSet<u64>,
    told: Vec<String>,
}

impl Story {
    async fn new(quirks: &[&str]) -> Self {
        let mut world = World::new("");
        world.options.limits =
            Limits { delete: Some(99), replace: Some(99), create: Some(99), runs: Some(99) };
        world.options.allow.insert(qcops::diag::Code::MassMissing);
        world.options.allow.insert(qcops::diag::Code::EmptyManifest);
        for quirk in quirks {
            world.quirk(quirk).await;
        }
        let (mine, told) = (BTreeSet::new(), Vec::new());
        Self { world, manifest: Manifest::default(), commits: Vec::new(), mine, told }
    }

    async fn happen(&mut self, event: &Event) {
        let before = self.manifest.clone();
        let tasks = &mut self.manifest.tasks;
        match event.clone() {
            Event::Set { key, name, prompt, runs } => {
                let entry = tasks.entry(key).or_default();
                (entry.name, entry.prompt, entry.runs) = (name, prompt, runs);
            }
            Event::Drop(key) => drop(tasks.remove(key)),
            Event::RenameKey(from, to) => {
                if let Some(entry) = tasks.remove(from) {
                    tasks.insert(to, entry);
                }
            }
            Event::CopyKey(from, to, prompt) => {
                if let Some(entry) = tasks.get(from).cloned() {
                    tasks.insert(to, Entry { prompt, name: None, pin: None, ..entry });
                }
            }
            Event::Rename(key, name) => {
                if let Some(entry) = tasks.get_mut(key) {
                    entry.name = Some(name);
                }
            }
            Event::Protect(key, protect) => {
                if let Some(entry) = tasks.get_mut(key) {
                    entry.protect = protect;
                }
            }
            Event::Pin(key, at) => {
                let id = self.id(at).await;
                if let Some(entry) = self.manifest.tasks.get_mut(key) {
                    entry.pin = Some(id.unwrap_or(99));
                }
            }
            Event::Unpin(key) => {
                if let Some(entry) = tasks.get_mut(key) {
                    entry.pin = None;
                }
            }
            Event::Release(key) => {
                tasks.remove(key);
                self.manifest.forgotten.insert(key);
            }
            Event::Revert(age) => {
                if let Some(commit) = self.commits.iter().rev().nth(age) {
                    self.manifest = commit.clone();
                }
            }
            Event::Commit => self.commit(),
            Event::Apply { prunes } => self.apply(prunes).await,
            Event::OtherMachine => drop(self.world.on_another_machine()),
            Event::Hand(hand) => self.meddle(&hand).await,
        }
        let declared = self.manifest.tasks.keys();
        self.manifest.forgotten.retain(|key| declared.clone().all(|other| other != key));
        if !is_valid(&self.manifest) {
            self.manifest = before;
        }
        self.world.edit_whole(&text(&self.manifest));
    }

    async fn id(&self, at: usize) -> Option<u64> {
        self.world.edit_service(|service| service.tasks().nth(at).map(|task| task.id)).await
    }

    async fn meddle(&self, hand: &Hand) {
        let service = |service: &mut emulator::World| {
            let ids: Vec<u64> = service.tasks().map(|task| task.id).collect();
            let id = |at: usize| ids.get(at).copied().unwrap_or_default();
            match *hand {
                Hand::Add(name, prompt) => {
                    let id = service.add_task(name, 47, prompt);
                    let task = service.task_mut(id).unwrap();
                    "project-for-task".clone_into(&mut task.project_preference);
                }
                Hand::Clone(at) => drop(service.clone_task(id(at))),
                Hand::Edit(at, prompt) => service.edit_prompt(id(at), prompt),
                Hand::Rename(at, name) => {
                    if let Some(task) = service.task_mut(id(at)) {
                        name.clone_into(&mut task.name);
                    }
                }
                Hand::Schedule(at, is_on) => {
                    service.set_schedule(id(at), is_on.then_some("0 9 * * 1"));
                }
                Hand::Notify(at) => {
                    service.set_notifications(id(at), vec![serde_json::json!({"kind": "mail"})]);
                }
                Hand::Deploy(at) => {
                    if ids.len() > at {
                        service.run_task(id(at)).unwrap();
                    }
                }
                Hand::Delete(_) => {}
            }
        };
        self.world.edit_service(service).await;
        if let Hand::Delete(at) = *hand
            && let Some(id) = self.id(at).await
        {
            drop(self.world.client().delete_task(qcops::model::TaskId(id)).await);
        }
    }

    fn commit(&mut self) {
        self.world.edit_whole(&text(&self.manifest)).commit();
        self.commits.push(self.manifest.clone());
    }

    /// Plans, judges, applies, judges what was sent, and expects that nothing is left to do.
    async fn apply(&mut self, prunes: bool) {
        self.world.options.prune = if prunes { Prune::On } else { Prune::Off };
        self.world.edit_whole(&text(&self.manifest));
        let planned = self.plan().await;
        let before = self.service().await;
        let sent = self.world.emulator.requests().len();
        let outcome = self.world.carry_out(&planned).await;
        for step in planned.ready_steps() {
            let ended = &outcome.steps[&step.id];
            assert!(matches!(ended, StepOutcome::Done(_)), "{ended:?}{self}{}", shown(&planned));
        }
        let after = self.service().await;
        self.told.push(format!("{}{}", shown(&planned), self.world.tasks().await));
        let known: BTreeSet<u64> = before.keys().copied().collect();
        self.mine.extend(after.keys().filter(|id| !known.contains(id)));
        self.judge_effects(&before, &after, sent);
        self.expect_declared(&planned, &after);
        let again = self.plan().await;
        let left: Vec<_> = again.ready_steps().collect();
        let plans = || format!("{}then\n{}", shown(&planned), shown(&again));
        assert!(left.is_empty(), "something is left to do{self}{}", plans());
        let sent = self.world.writes().len();
        self.world.carry_out(&again).await;
        assert_eq!(self.world.writes().len(), sent, "a second apply sends writes{self}");
    }

    /// Observes and plans, and judges the plan.
    async fn plan(&self) -> Plan {
        let (plan_context, state) = self.world.see().await;
        let planned = check::judged(&plan_context, &state);
        let again = self.world.plan().await;
        assert_eq!(shown(&planned), shown(&again), "looking twice");
        ways::lead_on(&plan_context, &state, &planned);
        planned
    }

    async fn service(&self) -> BTreeMap<u64, emulator::Task> {
        let copy = |service: &mut emulator::World| {
            service.tasks().map(|task| (task.id, task.clone())).collect()
        };
        self.world.edit_service(copy).await
    }

    /// Whether anything gives the right to change the task: made by us, committed, or pinned.
    fn is_ours(&self, task: &emulator::Task) -> bool {
        let is_committed = self
            .commits
            .iter()
            .flat_map(|commit| commit.tasks.values())
            .any(|entry| entry.prompt == task.prompt && task.agent_id == 47);
        let is_pinned = self.manifest.tasks.values().any(|entry| entry.pin == Some(task.id));
        is_committed || is_pinned || self.mine.contains(&task.id)
    }

    fn judge_effects(
        &self,
        before: &BTreeMap<u64, emulator::Task>,
        after: &BTreeMap<u64, emulator::Task>,
        sent: usize,
    ) {
        for (id, task) in before {
            let is_gone = !after.contains_key(id);
            let holds =
                !task.runs.is_empty() || task.schedule.is_some() || !task.notifications.is_empty();
            assert!(!(is_gone && holds), "task {id} is deleted with what it holds{self}");
        }
        let requests = self.world.emulator.requests();
        for request in requests[sent..].iter().filter(|request| is_write(&request.path)) {
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let Some(task) = body["taskId"].as_u64().and_then(|id| before.get(&id)) else {
                continue;
            };
            let mut declared = self.manifest.tasks.values();
            let is_run = request.path.ends_with("/deployments/create")
                && declared.any(|entry| entry.prompt == task.prompt);
            assert!(is_run || self.is_ours(task), "{request:?} is about {task:?}{self}");
        }
    }

    /// Every declared task that nothing stands against exists under its content, once per key.
    fn expect_declared(&self, planned: &Plan, after: &BTreeMap<u64, emulator::Task>) {
        let closed: BTreeSet<&str> = planned
            .steps
            .iter()
            .filter(|step| {
                step.status != StepStatus::Ready && !matches!(step.change, Change::Deploy { .. })
            })
            .map(|step| step.key.as_str())
            .collect();
        for (key, entry) in self.manifest.tasks.iter().filter(|(key, _)| !closed.contains(*key)) {
            let is_there = after
                .values()
                .any(|task| task.prompt == entry.prompt && !check::is_archived(&task.name));
            assert!(is_there, "`{key}` is not there{self}");
        }
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "\ncommits: {:#?}", self.commits)?;
        writeln!(f, "manifest:\n{}", text(&self.manifest))?;
        for told in &self.told {
            writeln!(f, "{told}\n---")?;
        }
        Ok(())
    }
}

fn is_write(path: &str) -> bool {
    !path.ends_with("/list") && !path.ends_with("/read")
}

/// Whether the manifest is one that could be written: nothing equal, nothing foldable.
fn is_valid(manifest: &Manifest) -> bool {
    let mut prompts = BTreeSet::new();
    let mut names = BTreeSet::new();
    manifest
        .tasks
        .iter()
        .all(|(key, entry)| prompts.insert(entry.prompt) && names.insert(entry.name.unwrap_or(key)))
}

fn text(manifest: &Manifest) -> String {
    let forgotten: Vec<&str> = manifest.forgotten.iter().copied().collect();
    let mut text = format!(
        "version: 1\nserviceUtcOffset: \"+00:00\"\nforget: [{}]\n\
         defaults: {{agentId: 47, projectPreference: project-for-task}}\ntasks:",
        forgotten.join(", ")
    );
    text.push_str(if manifest.tasks.is_empty() { " {}\n" } else { "\n" });
    for (key, entry) in &manifest.tasks {
        let name = entry.name.map_or(String::new(), |name| format!("name: {name}, "));
        let pin = entry.pin.map_or(String::new(), |id| format!("id: {id}, "));
        let runs: Vec<String> = (0..entry.runs).map(|run| format!("run{run}: {{}}")).collect();
        writeln!(
            text,
            "  {key}: {{{name}{pin}prompt: {}, protect: {}, deployments: {{{}}}}}",
            entry.prompt,
            entry.protect,
            runs.join(", ")
        )
        .unwrap();
    }
    text
}

fn event() -> impl Strategy<Value = Event> {
    let key = || select(&KEYS[..]);
    let name = || select(&NAMES[..]);
    let prompt = || select(&PROMPTS[..]);
    let runs = prop_oneof![3 => Just(0_usize), 1 => 1..3_usize];
    prop_oneof![
        12 => (key(), proptest::option::of(name()), prompt(), runs)
            .prop_map(|(key, name, prompt, runs)| Event::Set { key, name, prompt, runs }),
        2 => key().prop_map(Event::Drop),
        2 => (key(), key()).prop_map(|(from, to)| Event::RenameKey(from, to)),
        2 => (key(), key(), prompt()).prop_map(|(from, to, prompt)| Event::CopyKey(from, to, prompt)),
        4 => (key(), name()).prop_map(|(key, name)| Event::Rename(key, name)),
        1 => (key(), any::<bool>()).prop_map(|(key, protect)| Event::Protect(key, protect)),
        1 => (key(), 0..5_usize).prop_map(|(key, at)| Event::Pin(key, at)),
        1 => key().prop_map(Event::Unpin),
        1 => key().prop_map(Event::Release),
        2 => (1..4_usize).prop_map(Event::Revert),
        6 => Just(Event::Commit),
        6 => any::<bool>().prop_map(|prunes| Event::Apply { prunes }),
        1 => Just(Event::OtherMachine),
        5 => hand().prop_map(Event::Hand),
    ]
}

fn hand() -> impl Strategy<Value = Hand> {
    let at = || 0..6_usize;
    let name = || select(&["One", "Two", "Three", "a", "somebody's"][..]);
    let prompt = || select(&["p", "q", "r", "s", "mine"][..]);
    prop_oneof![
        (name(), prompt()).prop_map(|(name, prompt)| Hand::Add(name, prompt)),
        at().prop_map(Hand::Clone),
        (at(), prompt()).prop_map(|(at, prompt)| Hand::Edit(at, prompt)),
        (at(), name()).prop_map(|(at, name)| Hand::Rename(at, name)),
        (at(), any::<bool>()).prop_map(|(at, is_on)| Hand::Schedule(at, is_on)),
        at().prop_map(Hand::Notify),
        at().prop_map(Hand::Deploy),
        at().prop_map(Hand::Delete),
    ]
}

/// Unknowns of the service, decided one way or the other.
fn quirks() -> impl Strategy<Value = Vec<&'static str>> {
    let names = select(
        &[
            "name-on-create=verbatim",
            "name-on-create=clean",
            "name-on-create=title",
            "name-on-create=fold",
        ][..],
    );
    let entries = prop_oneof![
        3 => Just("list-entry=whole"),
        1 => Just("list-entry=without-prompt"),
        1 => Just("list-entry=bare"),
    ];
    let deletes = select(&["delete-task=refuse-active", "delete-task=cascade"][..]);
    (names, entries, deletes).prop_map(|(names, entries, deletes)| vec![names, entries, deletes])
}
