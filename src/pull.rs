//! From what was seen to a manifest that declares it: the way into Git for what already exists.
//!
//! Pure. Every task and agent is pinned to its id, so that the next plan claims exactly it; archived
//! tasks are history and stay out. What a manifest could not declare is left out, each with the reason.
//! Agents of the platform cannot be told from others, so that all that are listed are declared.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::{AGENT, AGENT_ID, NAME, Shape, TASK};
use crate::manifest::{Outline, OutlineEntry};
use crate::model::{AgentId, Key, TaskId, archived_base, canonical_text};
use crate::observed::{
    Completeness, ListedAgents, ObservedState, ObservedTask, ReadRequest, ReadResult,
};
use crate::resource::{Address, Object, Reference, Value};

/// The longest key made from a name, in characters: it also names a file.
const LONGEST_KEY: usize = 40;

/// What is declared of what was seen.
#[derive(Clone, Debug)]
pub struct PullSelection {
    /// Whether agents are.
    pub agents: bool,
    /// Whether tasks are.
    pub tasks: bool,
    /// The ids, where only some are.
    pub ids: BTreeSet<u64>,
    /// What is unmanaged, where only that is declared.
    pub unmanaged: Option<(BTreeSet<AgentId>, BTreeSet<TaskId>)>,
    /// Keys that other manifests use.
    pub keys: BTreeSet<Key>,
}

impl Default for PullSelection {
    fn default() -> Self {
        let (ids, unmanaged, keys) = (BTreeSet::new(), None, BTreeSet::new());
        Self { agents: true, tasks: true, ids, unmanaged, keys }
    }
}

impl PullSelection {
    fn holds_agent(&self, id: AgentId) -> bool {
        let is_meant = self.unmanaged.as_ref().is_none_or(|(agents, _)| agents.contains(&id));
        self.agents && self.names(id.0) && is_meant
    }

    fn holds_task(&self, id: TaskId) -> bool {
        let is_meant = self.unmanaged.as_ref().is_none_or(|(_, tasks)| tasks.contains(&id));
        self.tasks && self.names(id.0) && is_meant
    }

    fn names(&self, id: u64) -> bool {
        self.ids.is_empty() || self.ids.contains(&id)
    }
}

/// What was seen, as a manifest.
#[derive(Clone, Debug, Default)]
pub struct Pulled {
    /// The manifest.
    pub outline: Outline,
    /// Tasks that it does not declare, with the reason.
    pub left_out: Vec<(TaskId, String)>,
    /// Agents of which it does not declare all, with the reason.
    pub cut_agents: Vec<(AgentId, String)>,
    /// How many archived tasks it does not declare.
    pub archived_count: usize,
    /// Ids that were asked for and not seen.
    pub unseen: BTreeSet<u64>,
    /// Why tasks may be missing, if they may.
    pub gap: Option<String>,
}

/// Returns the looks that are still to be taken before [`pull`] sees enough.
///
/// 1. A task or an agent that the list does not show whole is read.
/// 2. A task of `created`, those that the ledger knows, that the list leaves out is read: a list may lie.
/// 3. The task with the longest prompt is read. Where it differs from its entry, the list shows
///    prompts cut short, and every task is read.
pub fn desired(
    state: &ObservedState,
    agents: &ListedAgents,
    created: &BTreeSet<TaskId>,
) -> BTreeSet<ReadRequest> {
    let is_trusted = state.list_is_trusted();
    let is_whole = |task: &ObservedTask| task.content().is_some() && task.name().is_some();
    let unsure = state.tasks.items.iter().filter(|task| !is_trusted || !is_whole(task));
    let mut reads = state.canaries();
    reads.extend(unsure.map(|task| ReadRequest::Task(task.id)));
    let listed: BTreeSet<TaskId> = state.tasks.items.iter().map(|task| task.id).collect();
    reads.extend(created.difference(&listed).map(|id| ReadRequest::Task(*id)));
    let is_cut = |object: &Object| object.fields().any(|(_, value)| !value.is_known());
    let cut = agents.iter().filter(|(_, object)| is_cut(object));
    reads.extend(cut.map(|(id, _)| ReadRequest::Agent(*id)));
    reads.retain(|read| match read {
        ReadRequest::Agent(id) => !state.agent_reads.contains_key(id),
        ReadRequest::Task(id) => !state.task_reads.contains_key(id),
        ReadRequest::Deployments(_) | ReadRequest::Conversation(_) => false,
    });
    reads
}

/// Declares what was seen, in the order of ids; tasks name the agents that are declared by their keys.
pub fn pull(state: &ObservedState, agents: &ListedAgents, selection: &PullSelection) -> Pulled {
    let mut pulled = Pulled {
        gap: match &state.tasks.coverage {
            Completeness::Complete => None,
            Completeness::Partial(why) => Some(why.clone()),
        },
        unseen: selection.ids.clone(),
        ..Pulled::default()
    };
    pulled.outline.organization_id.clone_from(&state.organization_id.0);
    let keys = pull_agents(state, agents, selection, &mut pulled);
    pull_tasks(state, selection, &keys, &mut pulled);
    pulled
}

/// Declares agents; returns the key of each.
fn pull_agents(
    state: &ObservedState,
    agents: &ListedAgents,
    selection: &PullSelection,
    pulled: &mut Pulled,
) -> BTreeMap<AgentId, Key> {
    let mut declared = Vec::new();
    let mut keys = BTreeMap::new();
    let mut taken = selection.keys.clone();
    for (id, listed) in agents.iter().filter(|(id, _)| selection.holds_agent(**id)) {
        pulled.unseen.remove(&id.0);
        let object = whole_agent(state, *id, listed, pulled);
        let name = one_line(object.name().unwrap_or_default());
        if name.is_empty() || id.0 == 0 {
            let why = "it has no name or no number of its own, and is left out";
            pulled.cut_agents.push((*id, why.to_owned()));
            continue;
        }
        let key = key_for(&name, (AGENT.name, id.0), &taken);
        taken.insert(key.clone());
        keys.insert(*id, key.clone());
        declared.push((*id, key, object.with(NAME, Value::Text(name.into()))));
    }
    for (id, key, object) in declared {
        let object = declarable(
            &object,
            |field, others| {
                let why = format!(
                    "its `{field}` is left out, because the manifest does not declare agent {others}"
                );
                pulled.cut_agents.push((id, why));
            },
            &keys,
        );
        pulled.outline.agents.push(OutlineEntry { key, object, pin: Some(id.0) });
    }
    keys
}

/// An agent as the list and a read show it.
fn whole_agent(state: &ObservedState, id: AgentId, listed: &Object, pulled: &mut Pulled) -> Object {
    match state.agent_reads.get(&id) {
        None => listed.clone(),
        Some(ReadResult::Seen(read)) => {
            let known = read.object.fields().filter(|(_, value)| value.is_known());
            known.fold(listed.clone(), |object, (field, value)| {
                object.with(field.name, value.clone())
            })
        }
        Some(ReadResult::Refused(why) | ReadResult::Unreadable(why)) => {
            let why = format!(
                "only what the list shows is declared, because it could not be read: {why}"
            );
            pulled.cut_agents.push((id, why));
            pulled.gap.get_or_insert_with(|| format!("agent {id} could not be read"));
            listed.clone()
        }
    }
}

/// The fields of an agent that a manifest can hold; references become keys. `cut` is told of a field
/// that names others than those of `keys`.
fn declarable(
    object: &Object,
    mut cut: impl FnMut(&str, String),
    keys: &BTreeMap<AgentId, Key>,
) -> Object {
    let mut declared = object.clone();
    for (field, value) in object.fields() {
        let value = match (field.shape, value) {
            (Shape::Line | Shape::LongText | Shape::Word(_), Value::Text(text))
                if text.trim().is_empty() =>
            {
                Value::Unknown
            }
            (Shape::Integer, Value::Integer(0)) => Value::Unknown,
            (_, Value::References(members)) => match by_key(members, keys) {
                Ok(members) => Value::references(members),
                Err(others) => {
                    cut(field.name, others);
                    Value::Unknown
                }
            },
            _ => continue,
        };
        declared = declared.with(field.name, value);
    }
    declared
}

/// References by their keys; an error names those that have none.
fn by_key(
    members: &[(Reference, Option<u64>)],
    keys: &BTreeMap<AgentId, Key>,
) -> Result<Vec<(Reference, Option<u64>)>, String> {
    let mut unknown = Vec::new();
    let mut named = Vec::with_capacity(members.len());
    for (reference, number) in members {
        match reference {
            Reference::Id(id) => match keys.get(&AgentId(*id)) {
                Some(key) => named.push((Reference::Ref(address(key)), *number)),
                None => unknown.push(id.to_string()),
            },
            Reference::Ref(_) => named.push((reference.clone(), *number)),
        }
    }
    if unknown.is_empty() { Ok(named) } else { Err(unknown.join(", ")) }
}

fn address(key: &Key) -> Address {
    Address { kind: AGENT.name, key: key.as_str().into() }
}

fn pull_tasks(
    state: &ObservedState,
    selection: &PullSelection,
    agents: &BTreeMap<AgentId, Key>,
    pulled: &mut Pulled,
) {
    let mut by_id: BTreeMap<TaskId, Option<&ObservedTask>> =
        state.tasks.items.iter().map(|task| (task.id, Some(task))).collect();
    for (id, read) in &state.task_reads {
        let is_gone = matches!(read, ReadResult::Refused(_));
        if !by_id.contains_key(id) && !is_gone {
            let why = format!("it leaves out task {id}, which this machine made");
            pulled.gap.get_or_insert(why);
            by_id.insert(*id, None);
        }
    }
    by_id.retain(|id, _| selection.holds_task(*id));
    let mut keys = selection.keys.clone();
    for (id, listed) in by_id {
        pulled.unseen.remove(&id.0);
        let task = match state.task_reads.get(&id) {
            Some(ReadResult::Seen(read)) => Ok(read),
            Some(ReadResult::Refused(why) | ReadResult::Unreadable(why)) => {
                pulled.gap.get_or_insert_with(|| format!("task {id} could not be read"));
                Err(format!("it could not be read: {why}"))
            }
            None => listed.ok_or_else(|| "it was not read".to_owned()),
        };
        let is_archived =
            |task: &ObservedTask| task.name().is_some_and(|name| archived_base(name).is_some());
        if task.as_ref().is_ok_and(|task| is_archived(task)) {
            pulled.archived_count += 1;
            continue;
        }
        match task.and_then(|task| declare(task, agents, &keys)) {
            Ok(declared) => {
                keys.insert(declared.key.clone());
                pulled.outline.tasks.push(declared);
            }
            Err(why) => pulled.left_out.push((id, why)),
        }
    }
}

/// Declares a task, or says why a manifest cannot.
fn declare(
    task: &ObservedTask,
    agents: &BTreeMap<AgentId, Key>,
    taken: &BTreeSet<Key>,
) -> Result<OutlineEntry, String> {
    for (field, value) in task.object.fields() {
        let is_blank = matches!(field.shape, Shape::Word(_)) && value.to_string().trim().is_empty();
        if !value.is_known() || is_blank {
            return Err(format!("its `{}` is not known", field.name));
        }
    }
    let name = one_line(task.name().unwrap_or_default());
    if name.is_empty() {
        return Err("its name is blank; give it one in the web interface".to_owned());
    }
    if task.id.0 == 0 || task.object.agent_id() == Some(AgentId(0)) {
        return Err("it has no number of its own, or its agent has none".to_owned());
    }
    let key = key_for(&name, (TASK.name, task.id.0), taken);
    let object = task.object.with(NAME, Value::Text(name.into()));
    let agent = object.agent_id().and_then(|id| agents.get(&id));
    let object = match agent {
        Some(agent) => object.with(AGENT_ID, Value::Ref(Box::new(address(agent)))),
        None => object,
    };
    Ok(OutlineEntry { key, object, pin: Some(task.id.0) })
}

/// A name as a manifest can hold it; what is dropped is nothing that a plan compares.
fn one_line(name: &str) -> String {
    let line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

/// Makes a key from a name: words joined by `-`, with the id where it is taken or says nothing.
fn key_for(name: &str, (kind, id): (&str, u64), taken: &BTreeSet<Key>) -> Key {
    let slug = slug(name);
    let word = if slug.is_empty() { kind } else { &slug };
    let numbered = format!("{word}-{id}");
    let more = (2..).map(|count: u64| format!("{numbered}-{count}"));
    let candidates = [slug.clone(), numbered.clone()].into_iter().chain(more);
    let mut keys = candidates.filter_map(|candidate| candidate.parse::<Key>().ok());
    keys.find(|key| !taken.contains(key)).expect("the candidates have no end")
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in canonical_text(name).chars().flat_map(char::to_lowercase) {
        if slug.chars().count() == LONGEST_KEY {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') && c != '\'' {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::diag::Diagnostic;
    use crate::kinds::SYSTEM_PROMPT;
    use crate::manifest::{self, AgentNames, DesiredState, Prompts, Written};
    use crate::model::OrganizationId;
    use crate::observed::{Listing, ObservedAgent, Schedule};

    #[test]
    fn keys_come_from_names_and_are_never_the_same() {
        let mut taken = BTreeSet::new();
        let names = [
            "Buy and hold SPY",
            "buy & hold: SPY!",
            "Buy and hold SPY",
            "Buy and hold SPY 3",
            "\u{1f680}",
            "Übung macht's",
            "--",
            "a/../b",
        ];
        let keys: Vec<String> = names
            .iter()
            .zip(1..)
            .map(|(name, id)| {
                let key = key_for(name, (TASK.name, id), &taken);
                taken.insert(key.clone());
                key.to_string()
            })
            .collect();
        assert_eq!(
            keys,
            [
                "buy-and-hold-spy",
                "buy-hold-spy",
                "buy-and-hold-spy-3",
                "buy-and-hold-spy-3-4",
                "task-5",
                "übung-machts",
                "task-7",
                "a-b",
            ]
        );
        assert_eq!(slug(&"ä".repeat(300)).chars().count(), LONGEST_KEY);
    }

    /// A state with these tasks, each an id, an agent and a prompt.
    fn state(tasks: &[(u64, u64, &str)]) -> ObservedState {
        let task = |(id, agent, prompt): &(u64, u64, &str)| ObservedTask {
            id: TaskId(*id),
            organization_id: None,
            object: Object::task(&format!("Task {id}"), *agent, "project-for-task", *prompt),
            deployment_count: Some(0),
            last_deployment: None,
            created: None,
            updated: None,
            active: None,
            schedule: Schedule::Unset,
            notification_count: Some(0),
        };
        ObservedState {
            organization_id: OrganizationId("0123456789abcdef".to_owned()),
            observed_at: jiff::Timestamp::UNIX_EPOCH,
            agent_reads: BTreeMap::new(),
            tasks: Listing {
                items: tasks.iter().map(task).collect(),
                coverage: Completeness::Complete,
            },
            task_reads: BTreeMap::new(),
            deployments: BTreeMap::new(),
            conversations: BTreeMap::new(),
        }
    }

    fn agents() -> ListedAgents {
        let agent = |name: &str, fields: &[(&str, Value)]| {
            let agent = Object::agent(name);
            fields.iter().fold(agent, |agent, (field, value)| agent.with(field, value.clone()))
        };
        let calls = |ids: &[(u64, Option<u64>)]| {
            Value::references(ids.iter().map(|(id, number)| (Reference::Id(*id), *number)))
        };
        let researcher = agent(
            "Momentum Researcher",
            &[
                (SYSTEM_PROMPT, Value::Text("1\n2\n3\n4".into())),
                ("description", Value::Text("".into())),
                ("tools", Value::Set(["create_backtest".into(), "new tool".into()].into())),
                ("maxTurns", Value::Integer(100)),
                ("node", Value::Integer(0)),
                ("public", Value::Flag(false)),
                ("subAgents", calls(&[(8, Some(2))])),
                ("chainedAgents", calls(&[(8, Some(2)), (9, Some(1))])),
            ],
        );
        let validator = agent("Momentum researcher!", &[("subAgents", calls(&[(7, None)]))]);
        [(7, researcher), (8, validator), (9, agent("Gone: 9", &[])), (10, agent(" ", &[]))]
            .map(|(id, object)| (AgentId(id), object))
            .into()
    }

    /// What a manifest declares once it is written and read again.
    fn read_back(pulled: &Pulled) -> (DesiredState, Written) {
        let written = manifest::write(&pulled.outline, Prompts::Files);
        let (parsed, mut found) = manifest::parse(
            Path::new("tasks.yaml"),
            &written.manifest,
            &written,
            manifest::ExpandInputs::of(&|_| None),
        );
        let (merged, more) = manifest::merge(vec![parsed]);
        let by_key = merged.agents.iter().map(|(key, agent)| (key.clone(), agent.pin));
        let names = AgentNames { by_key: by_key.collect(), ..AgentNames::default() };
        let (desired, last) = manifest::resolve(&merged, &names);
        found.extend(more.into_iter().chain(last));
        found.retain(Diagnostic::is_error);
        assert_eq!(found, [], "{}", written.manifest);
        (desired, written)
    }

    #[test]
    fn what_is_pulled_declares_what_was_seen() {
        let (agents, state) = (agents(), state(&[(1, 7, "one"), (2, 11, "two")]));
        let pulled = pull(&state, &agents, &PullSelection::default());
        let (desired, written) = read_back(&pulled);
        insta::assert_snapshot!(written.manifest);
        let agent = |key: &str| &desired.agents[&key.parse::<Key>().unwrap()];
        for (key, id) in [("momentum-researcher", 7), ("momentum-researcher-8", 8), ("gone-9", 9)] {
            let seen = &agents[&AgentId(id)];
            assert_eq!(agent(key).pin, Some(AgentId(id)));
            assert_eq!(seen.edits(&agent(key).object), [], "{key}");
        }
        assert_eq!(desired.agents.len(), 3);
        let prompt = &written.prompts["agents/momentum-researcher.md"];
        assert_eq!(prompt, "1\n2\n3\n4\n");
        let task = |key: &str| &desired.tasks[&key.parse::<Key>().unwrap()].object;
        assert_eq!(
            (task("task-1").agent_id(), task("task-2").agent_id()),
            (Some(AgentId(7)), Some(AgentId(11)))
        );
        assert_eq!(pulled.cut_agents.len(), 1, "{:?}", pulled.cut_agents);
    }

    #[test]
    fn only_what_is_selected_is_pulled() {
        let (agents, state) = (agents(), state(&[(1, 7, "one"), (7, 8, "two")]));
        let unmanaged = ([AgentId(8)].into(), [TaskId(7)].into());
        let whole = PullSelection::default;
        let table: [(&str, PullSelection, &str); 6] = [
            ("agents", PullSelection { tasks: false, ..whole() }, "a7 a8 a9"),
            ("tasks", PullSelection { agents: false, ..whole() }, "t1 t7"),
            ("an id of both kinds", PullSelection { ids: [7].into(), ..whole() }, "a7 t7"),
            ("an id of a task", PullSelection { ids: [7].into(), agents: false, ..whole() }, "t7"),
            ("unmanaged", PullSelection { unmanaged: Some(unmanaged), ..whole() }, "a8 t7"),
            ("nothing", PullSelection { ids: [99].into(), ..whole() }, ""),
        ];
        for (row, selection, expected) in table {
            let pulled = pull(&state, &agents, &selection);
            let Outline { agents, tasks, .. } = &pulled.outline;
            let ids = |kind: &str, entries: &[OutlineEntry]| -> Vec<String> {
                let ids = entries.iter().filter_map(|entry| entry.pin);
                ids.map(|id| format!("{kind}{id}")).collect()
            };
            let all = [ids("a", agents), ids("t", tasks)].concat();
            assert_eq!(all.join(" "), expected, "{row}");
            assert_eq!(pulled.unseen.len(), usize::from(row == "nothing"), "{row}");
            read_back(&pulled);
        }
        // A reference to an agent that is not declared is not managed, and is said.
        let pulled = pull(&state, &agents, &PullSelection { ids: [8].into(), ..whole() });
        let said = "its `subAgents` is left out, because the manifest does not declare agent 7";
        assert_eq!(pulled.cut_agents, [(AgentId(8), said.to_owned())]);
        // Keys of other manifests are not used again.
        let keys = ["momentum-researcher".parse().unwrap()].into();
        let pulled = pull(&state, &agents, &PullSelection { keys, ..whole() });
        assert_eq!(pulled.outline.agents[0].key.as_str(), "momentum-researcher-7");
    }

    #[test]
    fn agents_that_the_list_cuts_are_read() {
        let (agents, mut state) = (agents(), state(&[]));
        let reads = desired(&state, &agents, &BTreeSet::new());
        let all = [7, 8, 9, 10].map(|id| ReadRequest::Agent(AgentId(id)));
        assert_eq!(reads, all.into());
        let prompt = Value::Text("Be brief".into());
        let object = Object::agent("Gone: 9").with(SYSTEM_PROMPT, prompt.clone());
        let read = ReadResult::Seen(ObservedAgent { id: AgentId(9), object });
        state.agent_reads.insert(AgentId(9), read);
        state.agent_reads.insert(AgentId(8), ReadResult::Unreadable("a timeout".to_owned()));
        let pulled = pull(
            &state,
            &agents,
            &PullSelection { ids: [8, 9].into(), ..PullSelection::default() },
        );
        let [cut, read] = pulled.outline.agents.as_slice() else { panic!("{pulled:?}") };
        assert_eq!(read.object.get(SYSTEM_PROMPT), &prompt);
        assert_eq!(cut.object.get(SYSTEM_PROMPT), &Value::Unknown);
        assert_eq!(pulled.gap.as_deref(), Some("agent 8 could not be read"));
    }

    #[test]
    fn a_name_becomes_one_line() {
        assert_eq!(one_line(" a\nb\u{1b}c\t"), "a b c");
    }
}
