//! The lenient form to what it means, with all findings: agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Subject};
use crate::kinds::{AGENT, NAME, SYSTEM_PROMPT};
use crate::manifest::AgentConfig;
use crate::manifest::conflict::{TextKind, conflict_markers};
use crate::manifest::entries::Entries;
use crate::manifest::field_read::FieldRead;
use crate::manifest::fields::{self, ENVIRONMENTS};
use crate::manifest::front::{self, FrontMatter};
use crate::manifest::mistake::Mistake;
use crate::manifest::node::{Node, NodeValue, Style};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape;
use crate::manifest::value::{
    self, Given, Pinned, SHOWN, given, has_room, length, long_text, name,
};
use crate::manifest::without::blanked;
use crate::manifest::yaml::read;
use crate::model::{AgentId, Key};
use crate::resource::{Object, Value};

/// Reads the agents; `None` where it cannot be told which there are.
pub(super) fn agents(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
) -> Option<BTreeMap<Key, AgentConfig>> {
    let NodeValue::Mapping(pairs) = &node.value else {
        let found = node.value.in_words();
        let message = format!("`agents` of the manifest must be a mapping, not {found}");
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        reader.report(finding.about(Subject::Agents).help(shape::of_agents(node)));
        return None;
    };
    let mut agents = BTreeMap::new();
    for (key, key_node, fields) in reader.keyed(pairs, "agent", "") {
        let declared = reader.gather((&key, key_node), |reader| match &fields.value {
            NodeValue::Text(_) => of_file(reader, &key, fields),
            _ => agent(reader, &key, fields, None),
        });
        let place = reader.place(&key_node.span);
        match declared {
            Some(declared) => {
                let scope = key_node.scope.clone();
                agents.entry(key).or_insert(AgentConfig { scope, place, ..declared });
            }
            None => drop(reader.agents_left_out.entry(key).or_insert(place)),
        }
    }
    // Which a matrix makes that is wrong is not known.
    (!std::mem::take(&mut reader.is_matrix_broken)).then_some(agents)
}

/// The text below the fields of an agent's file, and where it comes from.
type PromptBelow<'b> = (&'b Node<'b>, &'b Arc<str>);

/// Reads an agent; `None` if it cannot be understood. Its place is that of its fields.
fn agent(
    reader: &mut Reader<'_>,
    key: &Key,
    node: &Node<'_>,
    body: Option<PromptBelow<'_>>,
) -> Option<AgentConfig> {
    let owner = Owner::Agent(key.as_str());
    let entries = reader.entries(node, owner, &fields::AGENT)?;
    if reader.is_matrix_left_out(&entries, owner) {
        return None;
    }
    let pin: FieldRead<AgentId> = match entries.value("id") {
        None => FieldRead::Absent,
        Some(node) => reader.number(node, "id", owner, SHOWN).map(AgentId).into(),
    };
    let pinned = if matches!(pin, FieldRead::Absent) { Pinned::No } else { Pinned::Yes };
    if body.is_some() {
        check_own_file(reader, &entries, owner);
    }
    let protect = match entries.value("protect") {
        None => Some(false),
        Some(node) => reader.boolean(node, "protect", owner),
    };
    let mut all = Vec::with_capacity(AGENT.managed().count());
    for field in AGENT.managed() {
        all.push(match (field.name, body) {
            (NAME, _) => name(reader, key, node, &entries, owner).map(Given::from),
            (SYSTEM_PROMPT, Some(body)) => prompt_below(reader, &entries, body, owner),
            _ => match given(reader, &entries, field, owner, pinned) {
                FieldRead::Absent => Some(Value::Unknown.into()),
                FieldRead::Broken => None,
                FieldRead::Sound(given) => Some(given),
            },
        });
    }
    if !has_room(reader, all.iter().flatten().map(length).sum(), node)
        || node.style == Style::Incomplete
    {
        return None;
    }
    let all: Vec<Given> = all.into_iter().collect::<Option<_>>()?;
    let pin = match pin {
        FieldRead::Absent => None,
        FieldRead::Broken => return None,
        FieldRead::Sound(pin) => Some(pin),
    };
    if pin.is_none() {
        warn_of_nothing(reader, &all, node, owner);
    }
    let files = AGENT.managed().zip(&all);
    Some(AgentConfig {
        scope: None,
        files: files.filter_map(|(field, given)| Some((field.name, given.file.clone()?))).collect(),
        references: all.iter().flat_map(|given| given.references.clone()).collect(),
        object: Object::new(&AGENT, all.into_iter().map(|given| given.value).collect::<Vec<_>>()),
        pin,
        protect: protect?,
        place: reader.place(&node.span),
    })
}

/// Reports fields that decide which agents there are: no file of one agent can.
fn check_own_file(reader: &mut Reader<'_>, entries: &Entries<'_, '_>, owner: Owner<'_>) {
    for field in [ENVIRONMENTS, "matrix", "exclude"] {
        if let Some(key) = entries.key(field) {
            let message = format!("`{field}` of {owner} cannot be in a file of its own");
            let finding = reader.error(Code::MisplacedField, message, &key.span);
            let help = "write the fields in the manifest, with `systemPromptFile`";
            reader.report(finding.help(help));
        }
    }
}

/// Warns of an agent of which nothing but its name is declared.
fn warn_of_nothing(reader: &mut Reader<'_>, all: &[Given], node: &Node<'_>, owner: Owner<'_>) {
    let mut values = AGENT.managed().zip(all).filter(|(field, _)| field.name != NAME);
    if values.any(|(_, given)| given.value.is_known()) {
        return;
    }
    let message = format!("{owner} has a name and nothing else that is managed");
    let finding = Diagnostic::warning(Code::NothingManaged, message).at(reader.place(&node.span));
    reader.report(
        finding
            .help("write what the agent is, such as its `systemPromptFile`, `model` and `tools`")
            .help("or take it out: a task or another field names an existing agent by its name"),
    );
}

/// Reads the system prompt that stands below the fields of an agent's file.
fn prompt_below(
    reader: &mut Reader<'_>,
    entries: &Entries<'_, '_>,
    (body, file): PromptBelow<'_>,
    owner: Owner<'_>,
) -> Option<Given> {
    let NodeValue::Text(text) = &body.value else { return None };
    let field = AGENT.managed().find(|field| field.name == SYSTEM_PROMPT)?;
    let mut names = [field.name].into_iter().chain(fields::other_name(field));
    let above = names.find_map(|name| Some((name, entries.key(name)?)));
    if text.trim().is_empty() {
        let message =
            format!("the system prompt of {owner} is empty: nothing stands below the second `---`");
        let finding = reader.error(Code::EmptyPrompt, message, &body.span);
        reader.report(
            finding
                .help("write it there")
                .help("an agent whose system prompt is elsewhere has its fields in the manifest"),
        );
        return None;
    }
    if let Some((name, key)) = above {
        let message = format!("{owner} has both `{name}` and a text below its fields");
        let finding = reader
            .error(Code::ConflictingFields, message, &key.span)
            .see(reader.place(&first_line(&body.span, text)), "the other one")
            .help("keep one of the two");
        reader.report(finding);
        return None;
    }
    reader.note_changes(text, body, None, (SYSTEM_PROMPT, owner));
    let (text, template) = reader.rendered(text, body, (SYSTEM_PROMPT, owner))?;
    let value = long_text(reader, &text, body, (SYSTEM_PROMPT, owner, Pinned::No))?;
    Some(Given { file: Some(Arc::clone(file)), template, ..Given::from(value) })
}

/// The first line of a text that is not blank.
fn first_line(span: &std::ops::Range<usize>, text: &str) -> std::ops::Range<usize> {
    let start = span.start + (text.len() - text.trim_start().len());
    let line = text.trim_start().lines().next().unwrap_or_default();
    start..start + line.trim_end().len()
}

/// Reads the agent in a Markdown file that the manifest names in place of its fields.
fn of_file(reader: &mut Reader<'_>, key: &Key, node: &Node<'_>) -> Option<AgentConfig> {
    let owner = Owner::Agent(key.as_str());
    let path = reader.text(node, &format!("agents.{key}"), Owner::Manifest)?;
    let path: Arc<str> = path.trim().into();
    let (subject, is_field) =
        (owner.to_string(), fields::AGENT.iter().any(|spec| spec.name == key.as_str()));
    let help = is_field.then(|| {
        format!("`{key}` is a field of agents: write a key above it, as in `agents: {{my-agent: {{{key}: …}}}}`")
    });
    let text = value::file(reader, node, &path, (&subject, help))?;
    reader.within(&path, &text, |inner| {
        let FrontMatter { fields, body } = match front::split(&path, &text) {
            Ok(parts) => parts,
            Err(mistake) => {
                inner.report_all(vec![*mistake]);
                return None;
            }
        };
        if let Some(at) = conflict_markers(&text, TextKind::Prompt).into_iter().next() {
            let message = format!("`{path}` is unmerged: it holds both sides of a conflict");
            let help = format!(
                "keep what is meant, take the lines `<<<<<<<`, `=======` and `>>>>>>>` out, and run `git add {path}`"
            );
            inner.report_all(vec![Mistake::new(at, message).with(Code::Unmerged).help(help)]);
            return None;
        }
        let above = blanked(&text, 0..fields.start);
        let read = read(&above[..fields.end]);
        let is_whole = read.faults.is_empty();
        inner.report_all(read.faults);
        let mut below = Node::new(NodeValue::Text(text[body.clone()].into()), body, Style::Other);
        let mut fields = read.root?;
        if !matches!(fields.value, NodeValue::Mapping(_) | NodeValue::Null) {
            let found = fields.value.in_words();
            let message = format!("the front matter of `{path}` must be a mapping, not {found}");
            let finding = inner.error(Code::InvalidFrontMatter, message, &fields.span);
            inner.report(finding.help("write a field a line, such as `model: claude-opus-4-7`, without `-`"));
            return None;
        }
        inner.expand_agent(key.as_str(), &mut fields);
        below.scope = fields.scope.take();
        let declared = agent(inner, key, &fields, Some((&below, &path)));
        declared.filter(|_| is_whole)
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::diag::{Diagnostic, Place, Sources};
    use crate::manifest::{ExpandInputs, Manifest, Source, Unreadable, merge, parse};

    /// One Markdown file, whatever its path.
    struct OneFile<'t>(&'t str);

    impl Source for OneFile<'_> {
        fn read(&self, path: &str) -> Result<String, Unreadable> {
            match path {
                "none.md" => Err("there is no such file".to_owned().into()),
                _ => Ok(self.0.to_owned()),
            }
        }
    }

    fn parsed(manifest: &str, file: &str) -> (Manifest, Vec<Diagnostic>, Sources) {
        let path = Path::new("live/tasks.yaml");
        let variables = |name: &str| (name == "MODEL").then(|| "claude-opus-4-7".to_owned());
        let inputs = ExpandInputs::of(&variables);
        let (mut one, mut found) = parse(path, manifest, &OneFile(file), inputs);
        let mut sources = Sources::default();
        sources.add(path, manifest.to_owned());
        for (path, text) in std::mem::take(&mut one.texts) {
            sources.add(&path, text);
        }
        let (whole, more) = merge(vec![one]);
        found.extend(more);
        (whole, found, sources)
    }

    /// The findings, each as `file:line:column code: message`, with related places and help below.
    fn told(findings: &[Diagnostic], sources: &Sources) -> String {
        let at = |place: &Place| {
            let before = &sources.text(&place.file).expect("it was added")[..place.span.start];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("{}:{line}:{column}", place.file.display())
        };
        let mut words = String::new();
        for finding in findings {
            let place = at(finding.place.as_ref().expect("every finding has a place"));
            writeln!(words, "{place} {}: {}", finding.code, finding.message).unwrap();
            for (place, about) in &finding.related {
                writeln!(words, "  {}: {about}", at(place)).unwrap();
            }
            for help in &finding.help {
                writeln!(words, "  help: {help}").unwrap();
            }
        }
        words
    }

    fn findings(agents: &str) -> String {
        let (_, found, sources) = parsed(&format!("version: 1\nagents:\n{agents}"), "");
        told(&found, &sources)
    }

    #[test]
    fn files_of_agents_are_read_or_told_what_is_wrong_with_them() {
        let table = [
            ("sound", "---\nmodel: m\ntools: [datasets]\n---\nBe brief.\n"),
            (
                "with a mark and other line ends",
                "\u{feff}---\r\nmodel: m\r\n---\r\n\r\nBe brief.\r\n",
            ),
            ("blanks behind the lines", "--- \nmodel: m\n---\t\nBe brief."),
            ("no field", "---\n---\nBe brief."),
            ("a line in the text", "---\nmodel: m\n---\nBe brief.\n---\nAnd kind."),
            ("no front matter", "# Researcher\nBe brief.\n"),
            ("an empty file", ""),
            ("a blank line before", "\n---\nmodel: m\n---\nBe brief."),
            ("blanks before", "  ---\nmodel: m\n---\nBe brief."),
            ("two marks", "\u{feff}\u{feff}---\nmodel: m\n---\nBe brief."),
            ("a mark and a blank line", "\u{feff}\r\n---\r\nmodel: m\r\n---\r\nBe brief."),
            ("words in the line", "--- model: m\n---\nBe brief."),
            ("four dashes", "----\nmodel: m\n----\nBe brief."),
            ("TOML", "+++\nmodel = 'm'\n+++\nBe brief."),
            ("text before", "Be brief.\n---\nmodel: m\n---\n"),
            ("no end", "---\nmodel: m\n\nBe brief."),
            ("an end that is indented", "---\nmodel: m\n ---\nBe brief."),
            (
                "a line within a text",
                "---\ndescription: |\n  one\n---\n  two\nmodel: m\n---\nBe brief.",
            ),
            ("a text at the end", "---\ndescription: |\n  one\n---\nBe brief.\n---\nAnd kind."),
            ("nothing below", "---\nmodel: m\n---\n \r\n"),
            ("nothing but fields", "---\nmodel: m\n---"),
            ("two texts", "---\nsystemPrompt: x\n---\n\nBe brief."),
            ("a text and a file", "---\nsystemPromptFile: x.md\n---\nBe brief."),
            ("no YAML", "---\nmodel: 'm\ntools: []\n---\nBe brief."),
            ("an unknown field", "---\r\nmodel: m\r\nmaxTurn: 3\r\n---\r\nBe brief."),
            ("a wrong value", "---\nmodel: m\nmaxTurns: many\n---\nBe brief."),
            ("a list", "---\n- model: m\n---\nBe brief."),
            ("twice", "---\nmodel: m\nmodel: n\n---\nBe brief."),
            (
                "unmerged",
                "---\nmodel: m\n---\n<<<<<<< a\nBe brief.\n=======\nBe kind.\n>>>>>>> b\n",
            ),
            ("no text", "---\nmodel: m\n---\nBe \0 brief."),
            ("an unknown agent", "---\nsubAgents: {validatr: 2}\n---\nBe brief."),
            ("a variable", "---\nmodel: ${MODEL}\n---\nCosts ${MODEL}."),
            ("no value of it", "---\nmodel: ${MISSING}\n---\nBe brief."),
            ("environments", "---\nenvironments: [prod]\n---\nBe brief."),
            (
                "a pointer",
                "---\nmodel: m\n---\nversion https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            ),
            ("a message", "---\nmodel: m\n---\n\n-----BEGIN PGP MESSAGE-----\n\nhQ\n"),
            ("a page", "---\nmodel: m\n---\n<!DOCTYPE html>\n<html></html>\n"),
            ("nobody sees it", "---\nname: Ad\u{200b}a\n---\nBe brief.\n"),
        ];
        let mut all = String::new();
        for (row, text) in table {
            let manifest = "version: 1\nagents:\n  a: a.md\n  validator: {model: m}\n";
            let (read, found, sources) = parsed(manifest, text);
            writeln!(all, "# {row}\n{}", told(&found, &sources)).unwrap();
            let agent = read.agents.get(&"a".parse::<Key>().unwrap());
            assert!(agent.is_some() || !found.is_empty(), "{row}");
            if let Some(agent) = agent {
                let fields = agent.object.fields().filter(|(_, value)| value.is_known());
                for (field, value) in fields {
                    writeln!(all, "{}: {:?}", field.name, value.to_string()).unwrap();
                }
                assert_eq!(agent.files, [(SYSTEM_PROMPT, "a.md".into())]);
                assert_eq!(&manifest[agent.place.span.clone()], "a");
            }
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn what_stands_for_a_text_is_refused_wherever_it_is_written() {
        let pointer = r"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n";
        let task = "agentId: 47, projectPreference: project-for-task";
        let table = [
            (format!("agents: {{a: {{systemPrompt: \"{pointer}\"}}}}"), Some("invalid-value")),
            (format!("tasks: {{t: {{{task}, prompt: \"{pointer}\"}}}}"), Some("invalid-value")),
            (
                format!(
                    "tasks: {{t: {{{task}, prompt: x, deployments: {{d: {{followUps: [\"{pointer}\"]}}}}}}}}"
                ),
                Some("invalid-value"),
            ),
            (
                format!("tasks: {{t: {{{task}, prompt: \"--- a/p\\n+++ b/p\\n@@ -1 +1 @@\"}}}}"),
                Some("suspect-text"),
            ),
            (
                format!("tasks: {{t: {{{task}, name: \"a\\u2062b\", prompt: x}}}}"),
                Some("suspect-text"),
            ),
            (
                format!(
                    "tasks: {{t: {{{task}, name: \"\u{1f469}\u{200d}\u{1f52c}\", prompt: x}}}}"
                ),
                None,
            ),
            ("agents: {a: {model: \"a\u{202e}b\"}}".to_owned(), Some("suspect-text")),
            ("agents: {a: {tools: [\"a\u{ad}b\"]}}".to_owned(), Some("suspect-text")),
            (format!("agents: {{a: {{systemPrompt: \"Explain: {pointer}\"}}}}"), None),
        ];
        for (text, code) in table {
            let (_, found, _) = parsed(&format!("version: 1\n{text}\n"), "");
            let codes: Vec<&str> = found.iter().map(|finding| finding.code.as_str()).collect();
            assert_eq!(codes.iter().find(|code| **code != "unknown-tool").copied(), code, "{text}");
        }
    }

    #[test]
    fn fields_of_every_shape_are_checked() {
        let text = "  a:
    name: ''
    description: 5
    systemPrompt: ' '
    model: [x]
    reasoningEffort: hihg
    maxTurns: 0
    toolChoice: ${MISSING}
    tools: datasets
    public: yes
    useQCC: 'true'
    pipeline: {a: b}
    node: {id: 3}
    chainedAgents: b
    subAgents: [b]
    protect: maybe
  b:
    tools: [datasets, 5, datasets, create_backtst, '']
    chainedAgents: [b, a, a, c d, 1.5]
    subAgents: {b: 1, a: many, a: 2, c d: 1}
  c: [x]
  d: {prompt: x, agentId: 3, token: t, author: a, organization: o, profileImage: p, outputSchema: {}, maxTurn: 3}
  e: {systemPrompt: x, systemPromptFile: y.md}
  e: {}
  f: none.md
  g:
  h: {name: g}
  i: {subAgents: {z: 1}, chainedAgents: [hh], tools: [create_backtst]}
  model: none.md
  k: {id: x, systemPrompt: '', reasoningEffort: hihg}
  j: {maxTurns: '5', node: -1, reasoningEffort: low, chainedAgents: {g: 1, h: }}
";
        insta::assert_snapshot!(findings(text));
    }

    #[test]
    fn what_agents_cannot_be_is_told() {
        let mut all = String::new();
        for agents in ["", "  - model: x\n", "  47\n", "  {}\n"] {
            writeln!(all, "# {agents:?}\n{}", findings(agents)).unwrap();
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn what_is_likely_to_be_meant_otherwise_is_told() {
        for (agents, expected) in [
            (
                "  a: {}\n",
                "warning nothing-managed: agent `a` has a name and nothing else that is managed",
            ),
            (
                "  a: {name: A}\n",
                "warning nothing-managed: agent `a` has a name and nothing else that is managed",
            ),
            ("  a: {id: 47}\n", ""),
            ("  a: {model: ''}\n", ""),
            (
                "  a: {model: ' '}\n",
                "error invalid-value: `model` of agent `a` must be a text, not blank",
            ),
            (
                "  a: {name: 'A [superseded 0a1b2c3d]', model: m}\n",
                "error invalid-name: the `name` of agent `a` looks like that of an archived task",
            ),
            ("  a: {prompt: x, model: m}\n", "help: did you mean `systemPrompt`?"),
            ("  a: {promptFile: x.md, model: m}\n", "help: did you mean `systemPromptFile`?"),
            ("  a: {systemPrompt: !include x.md}\n", "and `systemPromptFile` for that of an agent"),
        ] {
            let (_, found, _) = parsed(&format!("version: 1\nagents:\n{agents}"), "");
            let told = found.iter().map(|finding| {
                let severity = if finding.is_error() { "error" } else { "warning" };
                let help = finding.help.iter().map(|help| format!("\nhelp: {help}"));
                format!(
                    "{severity} {}: {}{}",
                    finding.code,
                    finding.message,
                    help.collect::<String>()
                )
            });
            let told = told.collect::<Vec<_>>().join("\n");
            assert!(
                told.contains(expected) && told.is_empty() == expected.is_empty(),
                "{agents}{told}"
            );
        }
    }

    #[test]
    fn a_sound_agent_is_understood() {
        let text = r"version: 1
agents:
  researcher:
    name: Momentum Researcher
    systemPromptFile: agents/researcher.md
    model: ${MODEL}
    reasoningEffort: high
    maxTurns: 100
    tools: [create_backtest, datasets]
    public: false
    node: 0
    subAgents: {validator: 2}
    chainedAgents: [summarizer, validator]
    protect: true
  validator: {id: 47, subAgents: {summarizer: }, reasoningEffort: extreme, systemPrompt: ''}
  summarizer: {chainedAgents: {validator: 3}, tools: []}
tasks: {}
";
        let (manifest, found, _) = parsed(text, "Costs ${PRICE}\n");
        assert_eq!(found, []);
        let mut all = String::new();
        for (key, agent) in &manifest.agents {
            writeln!(all, "{key}: {:?} {}", agent.pin, agent.protect).unwrap();
            for (field, value) in agent.object.fields().filter(|(_, value)| value.is_known()) {
                writeln!(all, "  {}: {:?}", field.name, value.to_string()).unwrap();
            }
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn tasks_keep_their_own_fields_and_agents_theirs() {
        let (manifest, found, sources) = parsed(
            "version: 1
defaults: {agent: spy, projectPreference: project-for-task, tools: [x]}
agents: {spy: {model: m}}
tasks: {spy: {prompt: x, subAgents: {a: 1}}}
",
            "",
        );
        insta::assert_snapshot!(told(&found, &sources));
        assert_eq!((manifest.agents.len(), manifest.tasks.len()), (1, 1));
    }

    #[test]
    fn a_broken_agent_hides_nothing_of_the_others() {
        let text = "version: 1
agents:
  a: {model: 'x}
  b: {modl: x}
tasks:
  spy: {promt: x}
";
        let (_, found, sources) = parsed(text, "");
        insta::assert_snapshot!(told(&found, &sources));
    }
}
