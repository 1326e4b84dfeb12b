//! The lenient form to what it means, with all findings: the top level.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::tz::Offset;

use crate::diag::{Code, Diagnostic, Place, Subject};
use crate::manifest::agent::agents;
use crate::manifest::entries::Entries;
use crate::manifest::expand::ExpandFile;
use crate::manifest::fields::{
    ENVIRONMENT, ENVIRONMENTS, EVERY_ENVIRONMENT, MANIFEST, SETTINGS_FIELD, TASK,
};
use crate::manifest::node::{Node, NodeValue, Pairs};
use crate::manifest::owner::Owner;
use crate::manifest::reader::{Reader, key_text};
use crate::manifest::settings::settings;
use crate::manifest::shape::{self, ValueShape};
use crate::manifest::task::{Fields, defaults, task};
use crate::manifest::{Manifest, ManifestSettings, Source, TaskConfig};
use crate::model::Key;

/// The manifest version that this program reads.
const VERSION: i128 = 1;

/// Checks the lenient form, of which each task is given up once it is read; what could not be understood is
/// left out and reported.
pub(super) fn lower(
    file: &Arc<Path>,
    text: &str,
    mut root: Node<'_>,
    source: &dyn Source,
    expand: ExpandFile<'_>,
) -> ((Manifest, Vec<Diagnostic>), BTreeSet<String>) {
    let mut reader = Reader::new(file, text, source, expand);
    let declared = taken_tasks(&mut root);
    let mut manifest = manifest(&mut reader, &root, declared).unwrap_or_default();
    manifest.left_out = std::mem::take(&mut reader.left_out);
    manifest.agents_left_out = std::mem::take(&mut reader.agents_left_out);
    manifest.texts = std::mem::take(&mut reader.texts);
    let included = reader.templates.included.iter().map(|path| reader.folder.join(&**path));
    manifest.included = included.collect();
    let used = std::mem::take(&mut reader.templates.used);
    ((manifest, reader.finish()), used)
}

fn manifest(reader: &mut Reader<'_>, root: &Node<'_>, declared: Pairs<'_>) -> Option<Manifest> {
    if let Some(newer) = newer_version(root) {
        // Whatever else is in it follows rules that this program does not know.
        let message = format!("manifest version {newer} is newer than {VERSION}, the newest known");
        let span = version_of(root).map_or(0..0, |node| node.span.clone());
        let finding = reader.error(Code::UnsupportedVersion, message, &span);
        reader.report(finding.about(Subject::Version).help("install a newer `qcops`"));
        return None;
    }
    if let NodeValue::Null = root.value {
        let start = root.span.start..root.span.start;
        let finding = reader.error(Code::MissingField, "the manifest is empty", &start);
        let finding =
            finding.about(Subject::Tasks).help("write `version: 1`, and the tasks below `tasks:`");
        reader.report(finding.help("`tasks: {}` declares none"));
        return None;
    }
    let entries = reader.entries(root, Owner::Manifest, MANIFEST)?;
    let has_version = version(reader, root, &entries);
    let organization_id = entries
        .value("organizationId")
        .and_then(|node| reader.text(node, "organizationId", Owner::Manifest))
        .map(|text| text.trim().to_owned());
    if let Some(node) = entries.value("vars") {
        reader.warn_of_vars(node, Owner::Inside("vars", &Owner::Manifest));
    }
    let (settings, of_environments) = all_settings(reader, &entries);
    let defaults =
        entries.value("defaults").map_or_else(Fields::absent, |node| defaults(reader, node));
    let agents = match entries.value("agents") {
        None => Some(BTreeMap::new()),
        Some(node) => agents(reader, node),
    };
    let tasks = if let Some(node) = entries.value("tasks") {
        tasks(reader, node, declared, &defaults)
    } else if entries.value("agents").is_some() {
        Some(BTreeMap::new())
    } else {
        let way = "write `tasks: {}` for a manifest without tasks";
        missing(reader, root, &entries, Subject::Tasks, way);
        None
    };
    let forgotten = entries.value("forget").map(|node| forgotten(reader, node)).unwrap_or_default();
    let service_utc_offset =
        entries.value("serviceUtcOffset").and_then(|node| utc_offset(reader, node));
    Some(Manifest {
        organization_id,
        has_tasks: tasks.is_some(),
        has_agents: agents.is_some(),
        agents: agents.unwrap_or_default(),
        tasks: tasks.unwrap_or_default(),
        has_version,
        forgotten,
        service_utc_offset,
        settings,
        of_environments,
        ..Manifest::default()
    })
}

/// The settings for all and those of each environment.
fn all_settings(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
) -> (ManifestSettings, BTreeMap<Key, ManifestSettings>) {
    let of_all = entries.value(SETTINGS_FIELD);
    let of_all = of_all.map(|node| settings(reader, node, Owner::Manifest));
    let of_environments = entries.value(ENVIRONMENTS).map(|node| environments(reader, node));
    (of_all.unwrap_or_default(), of_environments.unwrap_or_default())
}

/// Checks the environments, and returns the settings of each; what else they set was put in its place
/// before.
fn environments(reader: &mut Reader<'_>, node: &Node<'_>) -> BTreeMap<Key, ManifestSettings> {
    let mut found = BTreeMap::new();
    let pairs = match &node.value {
        NodeValue::Mapping(pairs) => pairs.as_slice(),
        NodeValue::Null => &[],
        _ => {
            reader.wrong(node, ENVIRONMENTS, Owner::Manifest, ValueShape::Mapping);
            return found;
        }
    };
    let field = (ENVIRONMENTS, Owner::Manifest);
    if reader.is_key_missing(pairs, field, ENVIRONMENT, ("environment", "prod")) {
        return found;
    }
    for (name, key, fields) in reader.keyed(pairs, "environment", "") {
        if name.as_str() == EVERY_ENVIRONMENT {
            let message = format!("an environment cannot be named `{name}`");
            let finding = reader.error(Code::InvalidKey, message, &key.span);
            reader.report(
                finding
                    .help(format!("`--env {name}` means every environment; give it another name")),
            );
        }
        let owner = Owner::Environment(name.as_str());
        let Some(entries) = reader.entries(fields, owner, ENVIRONMENT) else { continue };
        if let Some(node) = entries.value("organizationId") {
            reader.text(node, "organizationId", owner);
        }
        if let Some(node) = entries.value("vars") {
            reader.warn_of_vars(node, Owner::Inside("vars", &owner));
        }
        if let Some(node) = entries.value(SETTINGS_FIELD) {
            let settings = settings(reader, node, owner);
            found.entry(name).or_insert(settings);
        }
    }
    found
}

/// The first value under `version`, found before anything else is judged.
fn version_of<'n, 't>(root: &'n Node<'t>) -> Option<&'n Node<'t>> {
    let NodeValue::Mapping(pairs) = &root.value else { return None };
    let is_version =
        |key: &Node<'_>| matches!(&key.value, NodeValue::Text(text) if text == "version");
    pairs.iter().find(|(key, _)| is_version(key)).map(|(_, value)| value)
}

fn newer_version(root: &Node<'_>) -> Option<i128> {
    match version_of(root)?.value {
        NodeValue::Integer(version) if version > VERSION => Some(version),
        _ => None,
    }
}

/// Checks the version, and says whether it is ours.
fn version(reader: &mut Reader<'_>, root: &Node<'_>, entries: &Entries<'_, '_>) -> bool {
    match entries.value("version") {
        None => {
            let way = "write `version: 1` as the first line";
            missing(reader, root, entries, Subject::Version, way);
        }
        Some(node) if matches!(node.value, NodeValue::Integer(VERSION)) => return true,
        Some(node) => {
            let message = "`version` of the manifest must be the number 1";
            let finding = reader.error(Code::InvalidValue, message, &node.span);
            reader.report(finding.about(Subject::Version).help("write `version: 1`"));
        }
    }
    false
}

fn missing(
    reader: &mut Reader<'_>,
    root: &Node<'_>,
    entries: &Entries<'_, '_>,
    subject: Subject,
    way: &str,
) {
    let start = root.span.start..root.span.start;
    let field = match subject {
        Subject::Version => "version",
        Subject::Tasks => "tasks",
        Subject::Agents => "agents",
    };
    if entries.is_misspelled(field) {
        return;
    }
    let message = format!("missing field `{field}` of the manifest");
    let finding = reader.error(Code::MissingField, message, &start);
    reader.report(finding.about(subject).help(way));
}

/// Takes what `tasks` holds out of the tree.
fn taken_tasks<'t>(root: &mut Node<'t>) -> Pairs<'t> {
    let NodeValue::Mapping(fields) = &mut root.value else { return Vec::new() };
    match fields.iter_mut().find(|(key, _)| key_text(key).as_deref() == Some("tasks")) {
        Some((_, Node { value: NodeValue::Mapping(tasks), .. })) => std::mem::take(tasks),
        _ => Vec::new(),
    }
}

/// Reads the tasks that were taken out of a node; `None` where it cannot be told which there are.
fn tasks(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    pairs: Pairs<'_>,
    defaults: &Fields,
) -> Option<BTreeMap<Key, TaskConfig>> {
    let NodeValue::Mapping(_) = &node.value else {
        // An empty value is refused too: it is what a slip of indentation leaves behind.
        let found = node.value.in_words();
        let message = format!("`tasks` of the manifest must be a mapping, not {found}");
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        reader.report(finding.about(Subject::Tasks).help(shape::of_tasks(node)));
        return None;
    };
    let field = ("tasks", Owner::Manifest);
    let key = shape::key_of(&pairs).unwrap_or_else(|| shape::SOME_TASK.to_owned());
    if reader.is_key_missing(&pairs, field, &TASK, ("task", &key)) {
        return None;
    }
    let mut tasks = Vec::with_capacity(pairs.len());
    for (key, (key_node, fields)) in reader.keys(&pairs, "task", "").into_iter().zip(pairs) {
        let Some(key) = key else { continue };
        let declared = reader
            .gather((&key, &key_node), |reader| task(reader, &key, &key_node, &fields, defaults));
        tasks.extend(declared.map(|declared| (key, declared)));
    }
    // A map that is made at once has full nodes, and keeps the last of what stands twice.
    tasks.reverse();
    let tasks = tasks.into_iter().collect();
    // Which a matrix makes that is wrong is not known.
    (!std::mem::take(&mut reader.is_matrix_broken)).then_some(tasks)
}

fn forgotten(reader: &mut Reader<'_>, node: &Node<'_>) -> BTreeMap<Key, Place> {
    let nodes = match &node.value {
        NodeValue::Sequence(nodes) => nodes.as_slice(),
        NodeValue::Null => &[],
        _ => {
            reader.wrong(node, "forget", Owner::Manifest, ValueShape::Keys);
            &[]
        }
    };
    let key =
        |node| Some((reader.key(node, "forgotten task or agent", "")?, reader.place(&node.span)));
    nodes.iter().filter_map(key).collect()
}

fn utc_offset(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Offset> {
    let text = reader.text(node, "serviceUtcOffset", Owner::Manifest)?;
    let offset = parse_offset(&text);
    if offset.is_none() {
        let message = "`serviceUtcOffset` of the manifest is not an offset from UTC";
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        reader.report(finding.help("write it as \"+00:00\" or \"-05:00\""));
    }
    offset
}

/// Reads `+hh:mm` or `-hh:mm`, 14 hours at most.
fn parse_offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two_digits = |part: &str| {
        let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| part.parse::<i32>().ok()).flatten()
    };
    let minutes = two_digits(minutes).filter(|minutes| *minutes < 60)?;
    let seconds = two_digits(hours)? * 3600 + minutes * 60;
    // The easternmost zone of the world.
    (seconds <= 14 * 3600).then(|| Offset::from_seconds(sign * seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Severity, Sources};
    use crate::kinds::{AGENT_ID, PROJECT_PREFERENCE};
    use crate::manifest::{DeploymentState, ExpandInputs, TaskConfig, Unreadable, parse};
    use crate::resource::Value;

    struct Folder;

    impl Source for Folder {
        fn read(&self, path: &str) -> Result<String, Unreadable> {
            match path {
                "prompts/momentum.md" => Ok("Costs ${PRICE}\r\n\n".to_owned()),
                "empty.md" => Ok("\u{feff} \n".to_owned()),
                _ => Err("there is no such file".to_owned().into()),
            }
        }
    }

    fn variable(name: &str) -> Option<String> {
        match name {
            "ORGANIZATION" => Some("d6d62db48592c72e67b534553413b691".to_owned()),
            "AGENT" => Some("47".to_owned()),
            "SETTING" => Some("hunter2".to_owned()),
            _ => None,
        }
    }

    fn parsed(text: &str) -> (Manifest, Vec<Diagnostic>) {
        parse(Path::new("tasks.yaml"), text, &Folder, ExpandInputs::of(&variable))
    }

    /// The findings, each as `line:column code: message`, with related places and help below.
    fn findings(text: &str) -> String {
        let mut sources = Sources::default();
        sources.add(Path::new("tasks.yaml"), text.into());
        let place = |place: &crate::diag::Place| {
            let before = &sources.text(&place.file).expect("it was added")[..place.span.start];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("{line}:{column}")
        };
        let mut lines = Vec::new();
        for finding in parsed(text).1 {
            let at = place(finding.place.as_ref().expect("every finding has a place"));
            lines.push(format!("{at} {}: {}", finding.code, finding.message));
            lines.extend(
                finding.related.iter().map(|(at, words)| format!("  {}: {words}", place(at))),
            );
            lines.extend(finding.help.iter().map(|way| format!("  help: {way}")));
        }
        lines.join("\n")
    }

    /// The findings of one task with sound defaults.
    fn findings_of_task(fields: &str) -> String {
        findings(&format!(
            "version: 1\ndefaults: {{agentId: 47, projectPreference: project-for-task}}\ntasks:\n  spy:\n{fields}"
        ))
    }

    #[test]
    fn six_mistakes_are_six_findings() {
        let text = "\
version: 1
organizationId: ${ORGANISATION}
defaults:
  agentId: 47
  projectPreference: project-for-task
tasks:
  spy:
    promt: Build a strategy
    prompt: Build a strategy
  qqq:
    prompt: Build another
    projectPreference: project-each-task-deploymen
  spy:
    prompt: Build a third
  blank:
    prompt: '  '
  late:
    promptFile: missing.md
";
        insta::assert_snapshot!(findings(text), @r##"
        2:17 unresolved-variable: `${ORGANISATION}` in `organizationId` of the manifest has no value
          help: declare `ORGANISATION` in `vars`, set the environment variable, or pass `--var ORGANISATION=VALUE`
          help: or write a default: `${ORGANISATION:-VALUE}`
          help: for a literal `${` write `$${`
        8:5 unknown-field: unknown field `promt` of task `spy`
          help: did you mean `prompt`?
        12:24 unknown-preference: unknown `projectPreference` of task `qqq`: `project-each-task-deploymen`
          help: did you mean `project-each-task-deployment`?
        13:3 duplicate-key: task `spy` is given twice
          7:3: first given here
          help: keep one of the two
        16:13 empty-prompt: `prompt` of task `blank` is empty
          help: write what the agent is to do
        18:17 unreadable-file: `promptFile` of task `late` cannot be read: there is no such file
          help: the path is relative to the manifest and stays inside its repository
        "##);
    }

    #[test]
    fn the_top_level_is_checked() {
        let text = r#"version: "1"
Tasks: {}
organizationId: 47
forget: [a b, 7, old, 1.5]
serviceUtcOffset: UTC
tasks:
"#;
        insta::assert_snapshot!(findings(text), @r##"
        1:10 invalid-value: `version` of the manifest must be the number 1
          help: write `version: 1`
        2:1 unknown-field: unknown field `Tasks` of the manifest
          help: did you mean `tasks`?
        3:17 invalid-value: `organizationId` of the manifest must be a text, not a number
          help: put it in quotes
        4:10 invalid-key: `a b` cannot be the key of a forgotten task or agent
          help: a key starts with a letter or digit and holds letters, digits, `.`, `_` and `-`, 100 at most
        4:23 invalid-key: the key of a forgotten task or agent must be a text, not a number
          help: put it in quotes
        5:19 invalid-value: `serviceUtcOffset` of the manifest is not an offset from UTC
          help: write it as "+00:00" or "-05:00"
        6:6 invalid-value: `tasks` of the manifest must be a mapping, not empty
          help: indent the tasks below `tasks:`, or write `tasks: {}` for a manifest without tasks
        "##);
    }

    #[test]
    fn defaults_are_checked_once() {
        let text = r#"version: 1
defaults: {name: A, id: 3, agent: 5, prompt: "", projectPreference: mine, protect: "true"}
tasks: {a: {}, b: , c: [x], d: {prompt: x, agentId: 0}}
"#;
        insta::assert_snapshot!(findings(text), @r##"
        2:12 misplaced-field: `name` cannot be in `defaults`
          help: every task has its own; write it in the task
        2:21 misplaced-field: `id` cannot be in `defaults`
          help: every task has its own; write it in the task
        2:35 invalid-value: `agent` of `defaults` must be a text, not a number
          help: put it in quotes
        2:46 empty-prompt: `prompt` of `defaults` is empty
          help: write what the agent is to do
        2:69 unknown-preference: unknown `projectPreference` of `defaults`: `mine`
          help: write `project-each-task-deployment` or `project-for-task`
        2:84 invalid-value: `protect` of `defaults` must be `true` or `false`, not a text
          help: write `protect: true` without quotes
        3:24 invalid-value: task `c` must be a mapping, not a list
          help: write its fields below `c:`, one a line, without `-`
        3:53 invalid-value: `agentId` of task `d` must be a positive whole number
          help: write the number that the service shows, such as `47`
        "##);
    }

    #[test]
    fn a_task_misses_its_fields_by_name() {
        let text = "\
version: 1
tasks:
  spy: {}
  qqq: {id: 3, projectPreference: [x]}
";
        insta::assert_snapshot!(findings(text), @r##"
        3:3 missing-field: missing field `agentId` of task `spy`
          help: write `agentId` or `agent`, in the task or in `defaults`
        3:3 missing-field: missing field `projectPreference` of task `spy`
          help: write `projectPreference: project-each-task-deployment` or `projectPreference: project-for-task`, in the task or in `defaults`
        3:3 missing-field: missing field `prompt` of task `spy`
          help: write `prompt` or `promptFile`, in the task or in `defaults`
        4:3 missing-field: missing field `agentId` of task `qqq`
          help: write `agentId` or `agent`, in the task or in `defaults`
        4:3 missing-field: missing field `prompt` of task `qqq`
          help: write `prompt` or `promptFile`, in the task or in `defaults`
        4:35 invalid-value: `projectPreference` of task `qqq` must be a text, not a list
          help: write `projectPreference: project-for-task`
        "##);
    }

    #[test]
    fn fields_exclude_each_other() {
        let text = "    promptFile: prompts/momentum.md
    prompt: x
    agent: A
    agentId: 47
";
        insta::assert_snapshot!(findings_of_task(text), @r##"
        6:5 conflicting-fields: task `spy` has both `prompt` and `promptFile`
          5:5: the other one
          help: keep one of the two
        8:5 conflicting-fields: task `spy` has both `agentId` and `agent`
          7:5: the other one
          help: keep one of the two
        "##);
    }

    #[test]
    fn kinds_of_values_are_checked() {
        let text = r#"    prompt: 5
    name: [a]
    protect: yes
    id: -1
    agentId: "47"
    deployments: soon
    projectPreference: {a: b}
    schedule: daily
"#;
        insta::assert_snapshot!(findings_of_task(text), @r##"
        5:13 invalid-value: `prompt` of task `spy` must be a text, not a number
          help: put it in quotes
        6:11 invalid-value: `name` of task `spy` must be a text, not a list
          help: write one text; one that starts with `[` needs quotes
        7:14 invalid-value: `protect` of task `spy` must be `true` or `false`, not a text
          help: write `protect: true`
        8:9 invalid-value: `id` of task `spy` must be a positive whole number
          help: write the number that the service shows, such as `47`
        9:14 invalid-value: `agentId` of task `spy` must be a positive whole number
          help: write it without quotes
        10:18 invalid-value: `deployments` of task `spy` must be a mapping, not a text
          help: write each under a key of its own: `deployments: {soon: {}}`
        11:24 invalid-value: `projectPreference` of task `spy` must be a text, not a mapping
          help: write `projectPreference: project-for-task`
        12:5 unknown-field: unknown field `schedule` of task `spy`
          help: `schedule` is set in the web interface only; leave it out
        "##);
    }

    #[test]
    fn names_are_checked() {
        let text = r#"version: 1
defaults: {agentId: 47, prompt: x, projectPreference: project-for-task}
tasks:
  a: {name: ""}
  b: {name: "two\nlines"}
  c: {name: "Spy [superseded 0a1b2c3d]"}
  d-superseded-0a1b2c3d: {}
  e f: {}
  1.5: {}
"#;
        insta::assert_snapshot!(findings(text), @r##"
        4:13 invalid-value: `name` of task `a` must be a text, not blank
          help: give `name` a text, or leave it out
        5:13 invalid-name: the `name` of task `b` holds a line break or another control character
          help: write it in one line
        6:13 invalid-name: the `name` of task `c` looks like that of an archived task
          help: such names are ours for superseded tasks; give it another `name`
        7:3 invalid-name: the `name` of task `d-superseded-0a1b2c3d` looks like that of an archived task
          help: such names are ours for superseded tasks; give it another `name`
        8:3 invalid-key: `e f` cannot be the key of a task
          help: a key starts with a letter or digit and holds letters, digits, `.`, `_` and `-`, 100 at most
        9:3 invalid-key: the key of a task must be a text, not a number
          help: put it in quotes
        "##);
    }

    #[test]
    fn deployments_are_checked() {
        let text = "    prompt: x
    deployments:
      a: {since: 2026-13-01, followups: [x]}
      b: {since: 2026-11-01T10:00}
      c: {snice: 2026-11-01}
      c: {since: 5}
      d e: {}
";
        insta::assert_snapshot!(findings_of_task(text), @r##"
        7:18 invalid-value: `since` of deployment `a` of task `spy` is neither a date nor an instant
          help: there is no month 13; write `YYYY-MM-DD`, the month before the day
        7:30 unknown-field: unknown field `followups` of deployment `a` of task `spy`
          help: did you mean `followUps`?
        8:18 invalid-value: `since` of deployment `b` of task `spy` is neither a date nor an instant
          help: add the zone, as in `2026-11-01T10:00Z`
        9:11 unknown-field: unknown field `snice` of deployment `c` of task `spy`
          help: did you mean `since`?
        10:7 duplicate-key: deployment `c` of task `spy` is given twice
          9:7: first given here
          help: keep one of the two
        10:18 invalid-value: `since` of deployment `c` of task `spy` is neither a date nor an instant
          help: write `2026-11-01` or `2026-11-01T09:30:00Z`
        11:7 invalid-key: `d e` cannot be the key of a deployment of task `spy`
          help: a key starts with a letter or digit and holds letters, digits, `.`, `_` and `-`, 100 at most
        "##);
    }

    #[test]
    fn a_time_without_a_unit_is_told_so_at_once() {
        for number in ["30", "'30'", "1.5", "-30"] {
            let text = format!("    prompt: x\n    deployments: {{a: {{timeout: {number}}}}}\n");
            let found = findings_of_task(&text);
            assert!(
                found.contains("is no length of time\n  help: write a unit, as in `30m`"),
                "{found}"
            );
        }
    }

    #[test]
    fn what_is_declared_of_a_run_is_checked() {
        let text = "    prompt: x
    deployments:
      a: {followUps: [x, '', 5], state: paused, timeout: soon}
      b: {followUps: x, expect: {status: Fine, maxTurns: 0, noToolFailure: maybe}}
      c: {expect: {transcript: {matches: '(a', contains: []}, number: {min: low}}}
";
        insta::assert_snapshot!(findings_of_task(text), @r##"
        7:26 empty-prompt: `followUps[2]` of deployment `a` of task `spy` is empty
          help: write what the agent is to do next, or leave it out
        7:30 invalid-value: `followUps[3]` of deployment `a` of task `spy` must be a text, not a number
          help: put it in quotes
        7:41 invalid-value: `state` of deployment `a` of task `spy` is none that can be asked for
          help: write `state: stopped`, or leave it out to let the deployment go on
        7:58 invalid-value: `timeout` of deployment `a` of task `spy` is no length of time
          help: write `30m`, `90s` or `2h 30m`
        8:22 invalid-value: `followUps` of deployment `b` of task `spy` must be a list of prompts, not a text
          help: write a list: `followUps: [x]`
        8:42 invalid-value: `status` of `expect` of deployment `b` of task `spy` is none that a deployment ends with
          help: write `Completed`, `Stopped` or `Failed`
        8:58 invalid-value: `maxTurns` of `expect` of deployment `b` of task `spy` must be a positive whole number
          help: write a whole number, 1 or more
        8:76 invalid-value: `noToolFailure` of `expect` of deployment `b` of task `spy` must be `true` or `false`, not a text
          help: write `noToolFailure: true` or `noToolFailure: false`
        9:42 invalid-value: `matches` of `transcript` of `expect` of deployment `c` of task `spy` is no regular expression: unclosed group
          help: single quotes keep YAML from reading its backslashes
        9:71 missing-field: missing field `pattern` of `number` of `expect` of deployment `c` of task `spy`
          help: write the expression whose first group is the number
        9:77 invalid-value: `min` of `number` of `expect` of deployment `c` of task `spy` must be a number, not a text
          help: write `min: 0.5`
        "##);
    }

    #[test]
    fn a_declared_run_is_understood() {
        let (manifest, findings) = parsed(
            r"
version: 1
defaults: {agentId: 47, projectPreference: project-for-task}
tasks:
  spy:
    prompt: x
    deployments:
      a:
        followUps: ['Costs ${PRICE} ', next]
        state: stopped
        timeout: 1h 30m
        expect:
          status: stopped
          transcript: {contains: Sharpe, notMatches: ['\d+%', b]}
          number: {pattern: 'of (\d+)', min: 0.5, max: 3}
          maxTokens: 200000
",
        );
        assert!(
            findings.iter().all(|finding| finding.severity == Severity::Warning),
            "{findings:?}"
        );
        let task = &manifest.tasks[&"spy".parse::<Key>().unwrap()];
        let run = &task.deployments[&"a".parse::<Key>().unwrap()];
        let prompts: Vec<&str> = run.follow_ups.iter().map(|prompt| &**prompt).collect();
        assert_eq!(prompts, ["Costs ${PRICE}", "next"]);
        assert_eq!((run.state, run.timeout.unwrap().as_secs()), (DeploymentState::Stopped, 5400));
        let expect = run.expect.as_ref().unwrap();
        assert_eq!((expect.status.as_deref(), expect.max_tokens), (Some("Stopped"), Some(200_000)));
        assert_eq!((expect.contains.len(), expect.not_matches.len()), (1, 2));
        let number = expect.number.as_ref().unwrap();
        assert_eq!((number.min, number.max), (Some(0.5), Some(3.0)));
    }

    #[test]
    fn variables_are_checked() {
        let text = "    prompt: ${IN_PROMPT}
    name: a ${MISSING} ${} ${b
    agentId: ${SETTING}
    protect: ${SETTING}
    promptFil: ${MISSING}
    projectPreference: ${QC_API_TOKEN}
";
        insta::assert_snapshot!(findings_of_task(text), @r##"
        6:13 unresolved-variable: `${MISSING}` in `name` of task `spy` has no value
          help: declare `MISSING` in `vars`, set the environment variable, or pass `--var MISSING=VALUE`
          help: or write a default: `${MISSING:-VALUE}`
          help: for a literal `${` write `$${`
        6:24 unresolved-variable: `${` in `name` of task `spy` does not begin a variable
          help: a variable is written `${NAME}` or `${NAME:-default}`, with letters, digits and `_`
          help: for a literal `${` write `$${`
        6:28 unresolved-variable: `${` in `name` of task `spy` is not closed
          help: write `}` at its end
          help: for a literal `${` write `$${`
        7:14 invalid-value: `agentId` of task `spy` must be a positive whole number
          help: write the number that the service shows, such as `47`
        8:14 invalid-value: `protect` of task `spy` must be `true` or `false`, not a text
          help: write `protect: true` or `protect: false`
        9:5 unknown-field: unknown field `promptFil` of task `spy`
          help: did you mean `promptFile`?
        10:24 unresolved-variable: `${QC_API_TOKEN}` in `projectPreference` of task `spy` is a credential, which no manifest may read
          help: write what is meant; credentials never come by way of a manifest
          help: for a literal `${` write `$${`
        "##);
    }

    #[test]
    fn an_empty_prompt_file_is_an_empty_prompt() {
        let text = "    promptFile: empty.md
";
        insta::assert_snapshot!(findings_of_task(text), @r##"
        5:17 empty-prompt: `promptFile` of task `spy` is empty
          help: write what the agent is to do
        "##);
    }

    #[test]
    fn a_sound_manifest_is_understood() {
        let (manifest, findings) = parsed(
            r#"
version: 1
organizationId: ${ORGANIZATION}
defaults: {agentId: "${AGENT}", projectPreference: project-for-task, protect: true}
tasks:
  spy:
    name: Costs $${PRICE} or $5
    prompt: "Costs ${PRICE}\r\n\n"
    protect: false
    deployments: {baseline: {}, again: , november: {since: 2026-11-01}, later: {since: 2026-11-01T01:30:00+01:00}}
  momentum: {agent: Momentum Researcher, promptFile: prompts/momentum.md}
  pinned: {id: 7, prompt: , projectPreference: chosen-in-the-web}
forget: [old, 7]
serviceUtcOffset: "-05:30"
"#,
        );
        assert_eq!(findings, []);
        let organization = manifest.organization_id.as_deref();
        assert_eq!(organization, Some("d6d62db48592c72e67b534553413b691"));
        assert_eq!(manifest.service_utc_offset.map(Offset::seconds), Some(-19_800));
        assert_eq!(manifest.forgotten.keys().map(Key::as_str).collect::<Vec<_>>(), ["7", "old"]);
        let task = |key: &str| &manifest.tasks[&key.parse::<Key>().unwrap()];
        let spy = task("spy");
        let texts = |task: &TaskConfig| {
            let prompt = task.object.prompt().unwrap().to_string();
            (task.object.name().unwrap().to_owned(), prompt)
        };
        assert_eq!(texts(spy), ("Costs ${PRICE} or $5".into(), "Costs ${PRICE}".into()));
        assert_eq!((spy.object.get(AGENT_ID), spy.protect), (&Value::Integer(47), false));
        let since = spy.deployments.iter().map(|(key, deployment)| {
            format!(
                "{key} {}",
                deployment.since.map_or_else(String::new, |since| since.to_string())
            )
        });
        assert_eq!(
            since.collect::<Vec<_>>(),
            ["again ", "baseline ", "later 2026-11-01T00:30:00Z", "november 2026-11-01T00:00:00Z"]
        );
        let momentum = task("momentum");
        assert_eq!(momentum.object.get(AGENT_ID).to_string(), "agent.Momentum Researcher");
        assert_eq!(texts(momentum), ("momentum".into(), "Costs ${PRICE}".into()));
        assert!(momentum.protect);
        let pinned = task("pinned");
        assert_eq!(pinned.object.prompt().map(|prompt| &**prompt), Some(""));
        let preference = pinned.object.get(PROJECT_PREFERENCE).to_string();
        assert_eq!(preference, "chosen-in-the-web");
    }

    #[test]
    fn a_newer_version_is_refused_and_nothing_else_is_said() {
        insta::assert_snapshot!(findings("tasks: []\nfuture: x\nversion: 2"), @r##"
        3:10 unsupported-version: manifest version 2 is newer than 1, the newest known
          help: install a newer `qcops`
        "##);
    }

    #[test]
    fn a_merged_mapping_gives_way_to_own_fields() {
        let (manifest, findings) = parsed(
            "version: 1
defaults: &base {agentId: 47, projectPreference: project-for-task, prompt: shared}
tasks:
  own: {<<: *base, prompt: own}
  shared: {<<: *base}",
        );
        assert_eq!(findings, []);
        let prompts: Vec<&str> =
            manifest.tasks.values().map(|task| &**task.object.prompt().unwrap()).collect();
        assert_eq!(prompts, ["own", "shared"]);
    }
}
