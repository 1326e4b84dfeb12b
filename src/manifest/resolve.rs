//! One manifest to a desired state: agents by number, and what only shows over all tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Findings, Place};
use crate::kinds::{AGENT, AGENT_ID, Kind, TASK};
use crate::manifest::alike::AlikeCombinations;
use crate::manifest::reader::position;
use crate::manifest::scope::TemplateScope;
use crate::manifest::seen::{SeenLooks, with_odd_character};
use crate::manifest::suggest::{did_you_mean, nearest_few};
use crate::manifest::task::replaced;
use crate::manifest::{
    AgentConfig, AgentName, AgentNames, DesiredAgent, DesiredState, DesiredTask, Manifest,
    TaskConfig,
};
use crate::model::{AgentId, FoldedName, Key, fold};
use crate::resource::{Reference, Value, Whole};

/// Turns agents' names into numbers and checks what needs the whole: equal content, equal names.
///
/// A task names an agent of the manifest by its key, or one of the service by its exact name. A task
/// whose agent cannot be told is reported and left out of the desired state. Findings are in the order
/// of their places.
pub fn resolve(manifest: &Manifest, agents: &AgentNames) -> (DesiredState, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let mut tasks = Vec::with_capacity(manifest.tasks.len());
    let mut reported = BTreeSet::new();
    for (key, declared) in &manifest.tasks {
        let object = match declared.object.get(AGENT_ID) {
            Value::Ref(address) => match agents.named(&address.key) {
                Ok(AgentName::Known(id)) => declared.object.with(AGENT_ID, Value::Integer(id.0)),
                Ok(AgentName::Made) => declared.object.clone(),
                Err(ids) => {
                    // A name in `defaults` is one mistake, however many tasks use it.
                    for (written, place) in &declared.references {
                        if reported.insert((place.file.clone(), place.span.start)) {
                            let finding = no_agent(&address.key, (written, place), ids, agents);
                            findings.push(match named(manifest, &address.key) {
                                Some(key) => finding.help(format!(
                                    "`agent: {key}` names the one of the manifest that has this name"
                                )),
                                None => finding,
                            });
                        }
                    }
                    continue;
                }
            },
            _ => declared.object.clone(),
        };
        let Some(object) = object.whole() else { continue };
        tasks.push((key.clone(), desired(declared, object)));
    }
    let tasks = tasks.into_iter().collect();
    check_contents(manifest, &tasks, &mut findings);
    check_names(manifest, &mut findings);
    check_pins(manifest, &mut findings);
    let findings = findings.in_order(position);
    let wanted = |(key, declared): (&Key, &AgentConfig)| (key.clone(), agent(declared, agents));
    let desired_state = DesiredState {
        agents: manifest.agents.iter().map(wanted).collect(),
        tasks,
        forgotten: manifest.forgotten.keys().cloned().collect(),
        service_utc_offset: manifest.service_utc_offset,
    };
    (desired_state, findings)
}

/// Checks what needs all tasks and no service, also those that could not be understood whole: equal
/// content under one agent as it is written, equal names.
///
/// For manifests with errors, which are never resolved.
pub fn check(manifest: &Manifest) -> Vec<Diagnostic> {
    let whole = manifest.tasks.iter().filter(|(_, task)| task.pin.is_none());
    let whole = whole.map(|(key, task)| {
        let content = replaced(task.object.fields()).collect();
        (key, &task.place, task.object.name(), Some(content))
    });
    let rest = manifest.left_out.iter().filter(|task| !task.is_pinned).map(|task| {
        let content = task.content.as_ref().map(|values| values.iter().collect());
        (&task.key, &task.place, task.name.as_deref(), content)
    });
    let mut tasks: Vec<(_, _, _, Option<Vec<&Value>>)> = whole.chain(rest).collect();
    tasks.sort_by_key(|(key, ..)| *key);
    let (mut by_content, mut names) = (BTreeMap::new(), SeenNames::of(&TASK));
    let mut alike = AlikeCombinations::default();
    let mut findings = Findings::default();
    for (key, place, name, content) in tasks {
        if let Some(content) = content {
            let (other, first) = *by_content.entry(content).or_insert((key, place));
            if other != key {
                let scopes = (scope_of(manifest, key), scope_of(manifest, other));
                if !alike.add(scopes, EQUAL_CONTENT, |why| unused((key, other), why)) {
                    findings.push(equal_content((key, place), (other, first)));
                }
            }
        }
        if let Some(name) = name {
            let scope = scope_of(manifest, key);
            findings.extend(names.add(name, (key, place), scope));
        }
    }
    findings.extend(alike.finish().chain(names.alike.finish()));
    check_agents(manifest, &mut findings);
    findings.in_order(position)
}

/// An agent whose references are ids where they are known.
fn agent(declared: &AgentConfig, agents: &AgentNames) -> DesiredAgent {
    let member = |(known, number): &(Reference, Option<u64>)| {
        let reference = match known {
            Reference::Ref(address) => agents.by_key(&address.key).map(|id| Reference::Id(id.0)),
            Reference::Id(_) => None,
        };
        (reference.unwrap_or_else(|| known.clone()), *number)
    };
    let object = declared.object.fields().fold(
        declared.object.clone(),
        |object, (field, value)| match value {
            Value::References(members) => {
                object.with(field.name, Value::references(members.iter().map(member)))
            }
            _ => object,
        },
    );
    let (pin, protect, place) = (declared.pin, declared.protect, declared.place.clone());
    DesiredAgent { object, pin, protect, place }
}

fn desired(declared: &TaskConfig, object: Whole) -> DesiredTask {
    DesiredTask {
        object,
        pin: declared.pin,
        protect: declared.protect,
        deployments: Arc::clone(&declared.deployments),
        place: declared.place.clone(),
    }
}

/// The declared agent of this name.
fn named<'m>(manifest: &'m Manifest, name: &str) -> Option<&'m Key> {
    let mut agents = manifest.agents.iter();
    agents.find(|(_, agent)| agent.object.name() == Some(name)).map(|(key, _)| key)
}

/// The name is told as it is written: it may hold the value of a variable.
fn no_agent(
    name: &str,
    (written, place): (&str, &Place),
    ids: &[AgentId],
    agents: &AgentNames,
) -> Diagnostic {
    if !ids.is_empty() {
        let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Diagnostic::error(
            Code::AmbiguousAgent,
            format!("several agents are named `{written}`: {ids}"),
        )
        .at(place.clone())
        .help(format!("name one of them with `{AGENT_ID}` instead of `agent`"));
    }
    let keys = agents.by_key.keys().map(Key::as_str);
    let near = nearest_few(name, keys.chain(agents.by_name.keys().map(String::as_str)), 3);
    let finding = Diagnostic::error(Code::UnknownAgent, format!("no agent is named `{written}`"))
        .at(place.clone());
    match near.as_slice() {
        [] if agents.by_name.is_empty() && agents.by_key.is_empty() => {
            finding.help("the organization has no agents yet")
        }
        [] => finding
            .help(format!("names are compared letter by letter; `{AGENT_ID}` names one by number")),
        near => finding.help(did_you_mean(written, near)),
    }
}

/// Two tasks with one content could never be told apart on the service.
fn check_contents(
    manifest: &Manifest,
    tasks: &BTreeMap<Key, DesiredTask>,
    findings: &mut Findings,
) {
    let mut alike = AlikeCombinations::default();
    let mut first_by_hash: BTreeMap<_, (&Key, &Place)> = BTreeMap::new();
    for (key, task) in tasks.iter().filter(|(_, task)| task.pin.is_none()) {
        let (other, place) = *first_by_hash.entry(task.content()).or_insert((key, &task.place));
        if other != key {
            let scopes = (scope_of(manifest, key), scope_of(manifest, other));
            if !alike.add(scopes, EQUAL_CONTENT, |why| unused((key, other), why)) {
                findings.push(equal_content((key, &task.place), (other, place)));
            }
        }
    }
    findings.extend(alike.finish());
}

/// What the templates of a task see.
fn scope_of<'m>(manifest: &'m Manifest, key: &Key) -> Option<&'m TemplateScope> {
    manifest.tasks.get(key)?.scope.as_deref()
}

/// What two tasks of one matrix may not have together, and the field that makes it so.
const EQUAL_CONTENT: (Code, &str) = (Code::EqualContent, "the prompt");

/// What is said of two tasks of one matrix that have equal content.
fn unused((key, other): (&Key, &Key), why: &str) -> String {
    format!("`{other}` and `{key}` have equal content: {why}")
}

fn equal_content((key, at): (&Key, &Place), (other, first): (&Key, &Place)) -> Diagnostic {
    let message = format!(
        "tasks `{other}` and `{key}` have the same agent, `prompt` and `projectPreference`"
    );
    Diagnostic::error(Code::EqualContent, message)
        .at(at.clone())
        .see(first.clone(), "the other one")
        .help("keep one; several deployments of one task are several `deployments`")
}

/// The name itself is not repeated: it may hold the value of a variable.
fn equal_name(
    kind: &Kind,
    (key, at): (&Key, &Place),
    (other, first): (&Key, &Place),
) -> Diagnostic {
    let kind = kind.name;
    let message = format!(
        "the `name` of {kind} `{key}` is that of {kind} `{other}` but for case, blanks and punctuation"
    );
    Diagnostic::error(Code::EqualName, message)
        .at(at.clone())
        .see(first.clone(), "the other one")
        .help("give one of them another `name`")
}

/// One resource cannot be two.
fn check_pins(manifest: &Manifest, findings: &mut Findings) {
    let tasks = manifest.tasks.iter();
    let tasks = tasks.filter_map(|(key, task)| Some((&TASK, task.pin?.0, key, &task.place)));
    let agents = manifest.agents.iter();
    let agents = agents.filter_map(|(key, agent)| Some((&AGENT, agent.pin?.0, key, &agent.place)));
    let mut first_by_id: BTreeMap<(&str, u64), (&Key, &Place)> = BTreeMap::new();
    for (kind, id, key, at) in tasks.chain(agents) {
        let (other, place) = *first_by_id.entry((kind.name, id)).or_insert((key, at));
        if other != key {
            let kind = kind.name;
            let message = format!("{kind} `{key}` is pinned to {kind} {id}, and so is `{other}`");
            let finding = Diagnostic::error(Code::EqualPin, message).at(at.clone());
            findings
                .push(finding.see(place.clone(), "the other one").help("take out one of the two"));
        }
    }
}

/// The service may rewrite names, so that two that differ in case or punctuation become one.
fn check_names(manifest: &Manifest, findings: &mut Findings) {
    let mut names = SeenNames::of(&TASK);
    for (key, task) in manifest.tasks.iter().filter(|(_, task)| task.pin.is_none()) {
        let name = task.object.name().unwrap_or_default();
        findings.extend(names.add(name, (key, &task.place), task.scope.as_deref()));
    }
    findings.extend(names.alike.finish());
    check_agents(manifest, findings);
}

/// The names of agents, which identify them.
fn check_agents(manifest: &Manifest, findings: &mut Findings) {
    let mut names = SeenNames::of(&AGENT);
    for (key, agent) in manifest.agents.iter().filter(|(_, agent)| agent.pin.is_none()) {
        let name = agent.object.name().unwrap_or_default();
        findings.extend(names.add(name, (key, &agent.place), agent.scope.as_deref()));
    }
    findings.extend(names.alike.finish());
}

/// The names that were seen so far, each with the first resource that has it.
struct SeenNames<'m> {
    kind: &'static Kind,
    folded: BTreeMap<FoldedName, (&'m Key, &'m Place, Option<&'m TemplateScope>)>,
    alike: AlikeCombinations<'m>,
    looks: SeenLooks<(&'m Key, &'m Place)>,
}

impl<'m> SeenNames<'m> {
    fn of(kind: &'static Kind) -> Self {
        let alike = AlikeCombinations::default();
        Self { kind, folded: BTreeMap::new(), alike, looks: SeenLooks::default() }
    }

    /// Adds a name; returns what is wrong with it beside the others.
    fn add(
        &mut self,
        name: &str,
        (key, place): (&'m Key, &'m Place),
        scope: Option<&'m TemplateScope>,
    ) -> Option<Diagnostic> {
        let (other, first, seen) = *self.folded.entry(fold(name)).or_insert((key, place, scope));
        if other != key {
            let words = |why: &str| format!("`{other}` and `{key}` have one name: {why}");
            let field = (Code::EqualName, "`name`");
            let is_told = self.alike.add((scope, seen), field, words);
            return (!is_told).then(|| equal_name(self.kind, (key, place), (other, first)));
        }
        let (alike, (other, first)) = self.looks.add_name(name, (key, place))?;
        let kind = self.kind.name;
        let message = format!("the `name` of {kind} `{key}` looks like that of {kind} `{other}`");
        let finding = Diagnostic::warning(Code::EqualName, message)
            .at(place.clone())
            .see(first.clone(), "the other one");
        let (of, of_other) = (format!("that of `{key}`"), format!("that of `{other}`"));
        Some(with_odd_character(finding, (name, &of), (&alike, &of_other)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::manifest::{ExpandInputs, Source, Unreadable, parse};

    struct NoFiles;

    impl Source for NoFiles {
        fn read(&self, _path: &str) -> Result<String, Unreadable> {
            Err("there are no files".to_owned().into())
        }
    }

    /// Resolves tasks written as the lines below `tasks:`; findings as codes and messages.
    fn resolved(tasks: &str) -> (DesiredState, String) {
        let text = format!(
            "version: 1\ndefaults: {{agent: A, projectPreference: project-for-task}}\ntasks:\n{tasks}"
        );
        let (manifest, findings) =
            parse(Path::new("tasks.yaml"), &text, &NoFiles, ExpandInputs::of(&|_| None));
        assert_eq!(findings, []);
        let agents = [("A", vec![47]), ("Duplicate", vec![1, 2]), ("Researcher", vec![3])];
        let agents =
            agents.map(|(name, ids)| (name.to_owned(), ids.into_iter().map(AgentId).collect()));
        let agents = AgentNames { by_name: agents.into(), ..AgentNames::default() };
        let (desired_state, findings) = resolve(&manifest, &agents);
        let lines = findings.iter().map(|finding| {
            let related = finding.related.iter().map(|(place, _)| &text[place.span.clone()]);
            let at = finding.place.as_ref().map(|place| &text[place.span.clone()]);
            let related: Vec<&str> = related.collect();
            format!(
                "{} at {at:?} {related:?}: {} ({})",
                finding.code,
                finding.message,
                finding.help.join("; ").replace(AGENT_ID, "AGENT_ID")
            )
        });
        (desired_state, lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn agents_become_numbers() {
        let (desired_state, findings) =
            resolved(&format!("  a: {{prompt: x}}\n  b: {{prompt: x, {AGENT_ID}: 5}}"));
        assert_eq!(findings, "");
        let ids: Vec<AgentId> = desired_state
            .tasks
            .values()
            .map(|task| task.object.agent_id())
            .map(Option::unwrap)
            .collect();
        assert_eq!(ids, [AgentId(47), AgentId(5)]);
    }

    #[test]
    fn an_agent_is_a_key_first_and_then_an_exact_name() {
        let text = "version: 1
agents: {new: {name: Writer, subAgents: {old: 2, new2: 1}, chainedAgents: [gone]}, old: {model: m}, new2: {model: m}, gone: {model: m}}
tasks:
  a: {prompt: a, agent: new}
  b: {prompt: b, agent: old}
  c: {prompt: c, agent: Researcher}
  d: {prompt: d, agent: Writer}
defaults: {projectPreference: project-for-task}";
        let (manifest, findings) =
            parse(Path::new("tasks.yaml"), text, &NoFiles, ExpandInputs::of(&|_| None));
        assert_eq!(findings, []);
        let key = |key: &str| key.parse::<Key>().unwrap();
        let by_name = [("Researcher", 47), ("old", 5), ("new", 6), ("gone", 7)];
        let by_name = by_name.map(|(name, id)| (name.to_owned(), vec![AgentId(id)]));
        let agents = AgentNames {
            by_name: by_name.into(),
            by_key: [(key("new"), None), (key("old"), Some(AgentId(8))), (key("new2"), None)]
                .into(),
        };
        let (desired, findings) = resolve(&manifest, &agents);
        let agent =
            |key: &Key| desired.tasks.get(key).map(|task| task.object.get(AGENT_ID).to_string());
        let of_tasks: Vec<_> = ["a", "b", "c", "d"].map(|name| agent(&key(name))).into();
        let expected = [Some("agent.new"), Some("8"), Some("47"), None];
        assert_eq!(of_tasks, expected.map(|agent| agent.map(str::to_owned)));
        // The name of a declared agent is no name of an agent on the service yet.
        assert_eq!(
            findings.iter().map(|found| found.code).collect::<Vec<_>>(),
            [Code::UnknownAgent]
        );
        let new = &desired.agents[&key("new")].object;
        assert_eq!(new.get("subAgents").to_string(), "8 (2), agent.new2 (1)");
        // References between agents are keys alone.
        assert_eq!(new.get("chainedAgents").to_string(), "agent.gone (1)");
        assert_eq!(new.get("model"), &Value::Unknown);
    }

    #[test]
    fn equal_names_of_agents_are_findings_unless_pinned() {
        let text = "version: 1\nagents: {a: {name: One}, b: {name: one!}, c: {name: One, id: 3}}";
        let (manifest, _) =
            parse(Path::new("tasks.yaml"), text, &NoFiles, ExpandInputs::of(&|_| None));
        let (_, findings) = resolve(&manifest, &AgentNames::default());
        let words: Vec<&str> = findings.iter().map(|found| found.message.as_str()).collect();
        assert_eq!(
            words,
            ["the `name` of agent `b` is that of agent `a` but for case, blanks and punctuation"]
        );
        assert_eq!(findings, check(&manifest));
    }

    #[test]
    fn an_agent_that_cannot_be_told_is_a_finding() {
        let tasks = "  a: {prompt: x, agent: Reseacher}\n  b: {prompt: y, agent: Duplicate}\n  c: {prompt: z, agent: Nobody Else}";
        insta::assert_snapshot!(resolved(tasks).1, @r##"
        unknown-agent at Some("Reseacher") []: no agent is named `Reseacher` (did you mean `Researcher`?)
        ambiguous-agent at Some("Duplicate") []: several agents are named `Duplicate`: 1, 2 (name one of them with `AGENT_ID` instead of `agent`)
        unknown-agent at Some("Nobody Else") []: no agent is named `Nobody Else` (names are compared letter by letter; `AGENT_ID` names one by number)
        "##);
    }

    #[test]
    fn a_pin_is_of_one_key() {
        let tasks = "  a: {prompt: x, id: 3}\n  b: {prompt: y, id: 3}\n  c: {prompt: z, id: 4}";
        insta::assert_snapshot!(resolved(tasks).1, @r##"
        equal-pin at Some("b") ["a"]: task `b` is pinned to task 3, and so is `a` (take out one of the two)
        "##);
    }

    #[test]
    fn equal_tasks_are_findings_unless_pinned() {
        let tasks = "  z: {prompt: x, name: One}\n  a: {prompt: x, name: one!}\n  p: {prompt: x, name: One, id: 3}";
        insta::assert_snapshot!(resolved(tasks).1, @r##"
        equal-content at Some("z") ["a"]: tasks `a` and `z` have the same agent, `prompt` and `projectPreference` (keep one; several deployments of one task are several `deployments`)
        equal-name at Some("z") ["a"]: the `name` of task `z` is that of task `a` but for case, blanks and punctuation (give one of them another `name`)
        "##);
    }
}
