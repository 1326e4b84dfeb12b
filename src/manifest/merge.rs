//! Several manifests to one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::diag::{Code, Diagnostic, Place};
use crate::kinds::{AGENT, AGENT_ID, Kind, TASK};
use crate::manifest::suggest::{did_you_mean, nearest_few};
use crate::manifest::{LeftOut, Manifest};
use crate::model::{Key, counted};
use crate::resource::Value;

/// How many agents of a matrix are named.
const MOST_MEMBERS: usize = 5;

/// Joins the manifests of one invocation, also where there is only one; a key may stand once.
///
/// Of what stands twice the first is kept. Findings are in the order of the files and of keys.
pub fn merge(manifests: Vec<Manifest>) -> (Manifest, Vec<Diagnostic>) {
    let mut merged = Manifest::default();
    let mut findings = Vec::new();
    let mut left_out: Vec<LeftOut> = Vec::new();
    for manifest in manifests {
        agree(
            "organizationId",
            &mut merged.organization_id,
            manifest.organization_id,
            &mut findings,
        );
        agree(
            "serviceUtcOffset",
            &mut merged.service_utc_offset,
            manifest.service_utc_offset,
            &mut findings,
        );
        findings.extend(merged.settings.agree(manifest.settings));
        merged.expansion.used.extend(manifest.expansion.used);
        for (name, organization) in manifest.expansion.environments {
            let known = merged.expansion.environments.entry(name).or_default();
            *known = known.take().or(organization);
        }
        merged.expansion.is_shared |= manifest.expansion.is_shared;
        merged.forgotten.extend(manifest.forgotten);
        merged.has_tasks |= manifest.has_tasks;
        merged.has_agents |= manifest.has_agents;
        for task in &manifest.left_out {
            let first = merged.tasks.get(&task.key).map(|task| &task.place);
            let first = first.or_else(|| place_of(&left_out, &task.key));
            findings.extend(first.map(|first| given_twice(&TASK, &task.key, &task.place, first)));
        }
        for (key, task) in &manifest.tasks {
            let first = place_of(&left_out, key);
            findings.extend(first.map(|first| given_twice(&TASK, key, &task.place, first)));
        }
        left_out.extend(manifest.left_out);
        add(&mut merged.tasks, manifest.tasks, |key, task, first| {
            findings.push(given_twice(&TASK, key, &task.place, &first.place));
        });
        let agents = manifest.agents.iter().map(|(key, agent)| (key, &agent.place));
        for (key, place) in agents.chain(&manifest.agents_left_out) {
            let declared = merged.agents.get(key).map(|agent| &agent.place);
            let first = declared.or_else(|| merged.agents_left_out.get(key));
            findings.extend(first.map(|first| given_twice(&AGENT, key, place, first)));
        }
        merged.texts.extend(manifest.texts);
        merged.included.extend(manifest.included);
        add(&mut merged.agents, manifest.agents, |_, _, _| {});
        add(&mut merged.agents_left_out, manifest.agents_left_out, |_, _, _| {});
    }
    findings.extend(forgotten(&merged, &left_out));
    findings.extend(other_axes(&merged));
    findings.extend(unknown_references(&merged));
    findings.extend(whole_matrices(&merged));
    merged.left_out = left_out;
    (merged, findings)
}

/// What is declared although its key is in `forget`.
fn forgotten(merged: &Manifest, left_out: &[LeftOut]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let tasks = merged.tasks.iter().map(|(key, task)| (&TASK, key, &task.place));
    let left_out = left_out.iter().map(|task| (&TASK, &task.key, &task.place));
    let agents = merged.agents.iter().map(|(key, agent)| (&AGENT, key, &agent.place));
    let broken = merged.agents_left_out.iter().map(|(key, place)| (&AGENT, key, place));
    let mut told = BTreeSet::new();
    for (kind, key, place) in tasks.chain(left_out).chain(agents).chain(broken) {
        // The key of a matrix is one mistake, however many tasks it has.
        let mut names = [key.as_str(), key.base()].into_iter();
        let found = names.find_map(|name| merged.forgotten.get_key_value(name));
        let Some((name, entry)) = found.filter(|(name, _)| told.insert((kind.name, *name))) else {
            continue;
        };
        let kind = kind.name;
        let message = format!("{kind} `{name}` is declared and in `forget`");
        findings.push(
            Diagnostic::error(Code::ForgottenTask, message)
                .at(place.clone())
                .see(entry.clone(), "forgotten here")
                .help(format!("take the key out of `forget` to keep the {kind}"))
                .help(format!("take out the {kind} to leave it alone for good")),
        );
    }
    findings
}

/// Forgotten keys that no combination of their declared matrix could have. One without the value of an axis
/// may mean all that have the others, and one whose value is no longer on its axis is what `forget` is for.
fn other_axes(merged: &Manifest) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (key, place) in merged.forgotten.iter().filter(|(key, _)| key.is_of_matrix()) {
        let task = members(&merged.tasks, key.base()).next();
        let agent = members(&merged.agents, key.base()).next();
        let mut declared = [task, agent].into_iter().flatten();
        let (count, axes) = (key.values().count(), |member: &Key| member.values().count());
        let Some(first) = declared.clone().next() else { continue };
        if declared.any(|member| axes(member) == count) {
            continue;
        }
        let message = format!(
            "`{key}` in `forget` has {}, and the matrix of `{}` has {}",
            counted(count, "value", "values"),
            key.base(),
            counted(axes(first), "axis", "axes")
        );
        findings.push(
            Diagnostic::warning(Code::ForgottenTask, message)
                .at(place.clone())
                .help(format!("write a value for each axis: its keys look like `{first}`")),
        );
    }
    findings
}

/// The keys of a matrix.
fn members<'m, T>(of: &'m BTreeMap<Key, T>, base: &str) -> impl Iterator<Item = &'m Key> {
    let begin = format!("{base}[");
    let rest = of.range::<str, _>((Bound::Included(begin.as_str()), Bound::Unbounded));
    rest.map(|(key, _)| key).take_while(move |key| key.as_str().starts_with(&begin))
}

/// Says which agents a matrix has, if the word is the key of one.
fn members_in_words(merged: &Manifest, word: &str) -> Option<String> {
    let mut keys = members(&merged.agents, word);
    let shown: Vec<String> =
        keys.by_ref().take(MOST_MEMBERS).map(|key| format!("`{key}`")).collect();
    let more = keys.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let words = format!("`{word}` has a `matrix`: name one of {}{more}", shown.join(", "));
    (!shown.is_empty()).then_some(words)
}

/// Tasks that name a whole matrix of agents.
fn whole_matrices(merged: &Manifest) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for (key, task) in &merged.tasks {
        let Value::Ref(address) = task.object.get(AGENT_ID) else { continue };
        if merged.agents.contains_key(&*address.key) {
            continue;
        }
        let Some(help) = members_in_words(merged, &address.key) else { continue };
        for (written, place) in &task.references {
            // A name in `defaults` is one mistake, however many tasks use it.
            if told.insert((&place.file, place.span.start)) {
                let message = format!("`{written}`, the agent of task `{key}`, is several agents");
                let finding = Diagnostic::error(Code::UnknownAgent, message).at(place.clone());
                findings.push(finding.help(help.clone()));
            }
        }
    }
    findings
}

/// Agents that name one that no manifest declares.
fn unknown_references(merged: &Manifest) -> Vec<Diagnostic> {
    let is_known = |name: &str| {
        let mut keys = merged.agents.keys().chain(merged.agents_left_out.keys());
        // Where some agents could not be read, any may be among them.
        !merged.has_agents || keys.any(|key| key.as_str() == name)
    };
    let mut findings = Vec::new();
    for (key, agent) in &merged.agents {
        for (name, place) in agent.references.iter().filter(|(name, _)| !is_known(name)) {
            let message =
                format!("agent `{key}` names `{name}`, which is no agent of the manifest");
            let finding = Diagnostic::error(Code::UnknownAgent, message).at(place.clone());
            let keys = merged.agents.keys().filter(|other| *other != key).map(Key::as_str);
            let help = members_in_words(merged, name).unwrap_or_else(|| {
                match nearest_few(name, keys, 1).as_slice() {
                    [] => "agents name each other by the keys of `agents`; declare it there".into(),
                    near => did_you_mean(name, near),
                }
            });
            findings.push(finding.help(help));
        }
    }
    findings
}

/// Adds what one more manifest declares; what stands twice is given to `twice`, with the first.
fn add<T>(
    merged: &mut BTreeMap<Key, T>,
    more: BTreeMap<Key, T>,
    mut twice: impl FnMut(&Key, &T, &T),
) {
    if merged.is_empty() {
        *merged = more;
        return;
    }
    for (key, one) in more {
        match merged.entry(key) {
            Entry::Vacant(place) => {
                place.insert(one);
            }
            Entry::Occupied(first) => twice(first.key(), &one, first.get()),
        }
    }
}

fn place_of<'l>(left_out: &'l [LeftOut], key: &Key) -> Option<&'l Place> {
    left_out.iter().find(|task| task.key == *key).map(|task| &task.place)
}

fn given_twice(kind: &Kind, key: &Key, place: &Place, first: &Place) -> Diagnostic {
    let message = format!("{} `{key}` is given in two manifests", kind.name);
    Diagnostic::error(Code::DuplicateKey, message)
        .at(place.clone())
        .see(first.clone(), "first given here")
        .help("keep one of the two, or give one of them another key")
}

/// Takes over a value that at most one manifest needs to give, and that all who give it must share.
fn agree<T: PartialEq + ToString>(
    field: &str,
    merged: &mut Option<T>,
    given: Option<T>,
    findings: &mut Vec<Diagnostic>,
) {
    match (&*merged, given) {
        (None, given) => *merged = given,
        (Some(first), Some(other)) if *first != other => findings.push(
            Diagnostic::error(
                Code::ConflictingManifests,
                format!(
                    "the manifests give `{field}` as `{}` and as `{}`",
                    first.to_string(),
                    other.to_string()
                ),
            )
            .help("plan them apart, one invocation for each"),
        ),
        _ => {}
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

    fn manifest(file: &str, rest: &str, key: &str) -> Manifest {
        let task = "{agent: A, prompt: x, projectPreference: project-for-task}";
        let text = format!("version: 1\n{rest}\ntasks: {{{key}: {task}}}");
        let (manifest, findings) =
            parse(Path::new(file), &text, &NoFiles, ExpandInputs::of(&|_| None));
        assert_eq!(findings, []);
        manifest
    }

    #[test]
    fn what_stands_in_two_manifests_is_a_finding() {
        let (merged, findings) = merge(vec![
            manifest("a.yaml", "organizationId: one\nserviceUtcOffset: +00:00", "spy"),
            manifest("b.yaml", "organizationId: two\nforget: [qqq]", "spy"),
            manifest("c.yaml", "organizationId: one\nserviceUtcOffset: +00:00", "qqq"),
        ]);
        assert_eq!(merged.tasks.len(), 2);
        let lines = findings.iter().map(|finding| {
            let place = finding.place.as_ref().map(|place| place.file.display().to_string());
            format!("{} {}: {}", place.unwrap_or_default(), finding.code, finding.message)
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r##"
         conflicting-manifests: the manifests give `organizationId` as `one` and as `two`
        b.yaml duplicate-key: task `spy` is given in two manifests
        c.yaml forgotten-task: task `qqq` is declared and in `forget`
        "##);
    }

    #[test]
    fn agents_of_all_manifests_are_one_set() {
        let one = |file: &str, text: &str| {
            parse(
                Path::new(file),
                &format!("version: 1\n{text}"),
                &NoFiles,
                ExpandInputs::of(&|_| None),
            )
            .0
        };
        let told = |manifests: Vec<Manifest>| {
            let (merged, findings) = merge(manifests);
            let line = |finding: &Diagnostic| {
                let place = finding.place.as_ref().expect("each has one");
                format!("{} {}: {}", place.file.display(), finding.code, finding.message)
            };
            (merged.agents.len(), findings.iter().map(line).collect::<Vec<_>>().join("\n"))
        };
        let calls = "agents: {a: {subAgents: {b: 1}}}";
        let table = [
            ("another file's agent", vec![calls, "agents: {b: {}}"], (2, "")),
            (
                "nobody's agent",
                vec![calls, "agents: {c: {}}"],
                (2, "0.yaml unknown-agent: agent `a` names `b`, which is no agent of the manifest"),
            ),
            ("a broken agent", vec![calls, "agents: {b: [x]}"], (1, "")),
            (
                "one key in two files",
                vec!["agents: {a: {}}", "agents: {a: {}}"],
                (1, "1.yaml duplicate-key: agent `a` is given in two manifests"),
            ),
            (
                "one key, the first broken",
                vec!["agents: {a: [x]}", "agents: {a: {}}"],
                (1, "1.yaml duplicate-key: agent `a` is given in two manifests"),
            ),
            (
                "declared and forgotten",
                vec!["agents: {a: {}}", "tasks: {}\nforget: [a]"],
                (1, "0.yaml forgotten-task: agent `a` is declared and in `forget`"),
            ),
            ("a task of the same key", vec!["agents: {a: {}}", "tasks: {a: {}}"], (1, "")),
        ];
        for (row, texts, expected) in table {
            let manifests =
                texts.iter().zip(0..).map(|(text, at)| one(&format!("{at}.yaml"), text));
            let (count, found) = told(manifests.collect());
            assert_eq!((count, found.as_str()), expected, "{row}");
        }
    }

    #[test]
    fn manifests_that_agree_are_joined() {
        let (merged, findings) = merge(vec![
            manifest("a.yaml", "organizationId: one", "spy"),
            manifest("b.yaml", "", "qqq"),
        ]);
        assert_eq!((merged.tasks.len(), findings), (2, Vec::new()));
        assert_eq!(merged.organization_id.as_deref(), Some("one"));
    }
}
