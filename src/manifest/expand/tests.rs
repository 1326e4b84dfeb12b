//! What becomes of variables in a manifest, and what is said of those that are wrong.

use std::fmt::Write as _;
use std::path::Path;

use crate::diag::Diagnostic;
use crate::manifest::{
    AgentNames, ExpandInputs, Manifest, Source, TaskConfig, Unreadable, VarValue, Vars, parse,
    parse_vars, resolve,
};
use crate::model::Key;

struct Prompts;

impl Source for Prompts {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        Ok(format!("The prompt of {path}"))
    }
}

/// The value is a secret: no finding may repeat it.
fn process(name: &str) -> Option<String> {
    match name {
        "SET" => Some("s3cr3t".to_owned()),
        "NUMBER" => Some("47".to_owned()),
        "QC_API_TOKEN" => Some("s3cr3t-token".to_owned()),
        "GITHUB_TOKEN" => Some("s3cr3t-of-github".to_owned()),
        "COPY" => Some("Bearer s3cr3t-token".to_owned()),
        _ => None,
    }
}

fn given(vars: &[(&str, &str)]) -> Vars {
    let typed =
        |(name, value): &(&str, &str)| (name.to_string(), Some(VarValue::typed(value.to_string())));
    vars.iter().map(typed).collect()
}

fn parsed(text: &str, vars: &[(&str, &str)]) -> (Manifest, Vec<Diagnostic>) {
    let given = given(vars);
    let inputs = ExpandInputs { given: &given, ..ExpandInputs::of(&process) };
    parse(Path::new("tasks.yaml"), text, &Prompts, inputs)
}

/// Findings as `line:column code: message`, each with its help.
fn shown(text: &str, findings: &[Diagnostic]) -> String {
    let mut lines = String::new();
    for finding in findings {
        let before = &text[..finding.place.as_ref().expect("every finding has one").span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        writeln!(lines, "{line}:{column} {}: {}", finding.code.as_str(), finding.message).unwrap();
        for help in &finding.help {
            writeln!(lines, "  help: {help}").unwrap();
        }
    }
    assert!(!lines.contains("s3cr3t"), "{lines}");
    lines
}

fn findings(text: &str) -> String {
    shown(text, &parsed(text, &[]).1)
}

fn task<'m>(manifest: &'m Manifest, key: &str) -> &'m TaskConfig {
    &manifest.tasks[&key.parse::<Key>().unwrap()]
}

const HEAD: &str = "\
version: 1
defaults: {agentId: 47, projectPreference: project-for-task, prompt: x}
";

/// The name of the only task, `n: ${X}` with these variables.
fn name(value: &str, vars: &str, given: &[(&str, &str)]) -> String {
    let text = format!("{HEAD}vars: {vars}\ntasks: {{a: {{name: \"{value}\"}}}}\n");
    let (manifest, findings) = parsed(&text, given);
    match manifest.tasks.values().next() {
        Some(task) => task.object.name().unwrap().to_owned(),
        None => findings[0].message.clone(),
    }
}

#[test]
fn a_value_comes_from_flags_then_the_manifest_then_the_process_then_its_default() {
    let table = [
        ("${X}", "{X: manifest}", &[("X", "flag")][..], "flag"),
        ("${X}", "{X: manifest}", &[], "manifest"),
        ("${SET}", "{SET: manifest}", &[], "manifest"),
        ("${SET}", "{}", &[], "s3cr3t"),
        ("${X:-default}", "{X: manifest}", &[], "manifest"),
        ("${X:-default}", "{X: ''}", &[], "default"),
        ("a ${X:-b c} d", "{}", &[], "a b c d"),
        ("${X}", "{X: 1.50}", &[], "1.50"),
        ("${X}", "{X: 0x10}", &[], "0x10"),
        ("${X}", "{X: 0o17}", &[], "0o17"),
        ("${X}", "{X: 0b11}", &[], "0b11"),
        ("${X}", "{X: 017}", &[], "017"),
        ("${X}", "{X: +5}", &[], "+5"),
        ("${X}", "{X: -0}", &[], "-0"),
        ("${X}", "{X: 1_000}", &[], "1_000"),
        ("${X}", "{X: 1e3}", &[], "1e3"),
        ("${X}", "{X: .5}", &[], ".5"),
        ("${X}", "{X: .NaN}", &[], ".NaN"),
        ("${X}", "{X: -.inf}", &[], "-.inf"),
        ("${X}", "{X: 1e400}", &[], "1e400"),
        ("${X}", "{X: 12345678901234567890123}", &[], "12345678901234567890123"),
        ("${X}", "{X: 9007199254740993.0}", &[], "9007199254740993.0"),
        ("${X}", "{X: yes}", &[], "yes"),
        ("${X}", "{X: TRUE}", &[], "TRUE"),
        ("${X}", "{X: 2026-01-01}", &[], "2026-01-01"),
        ("${X}", "{X: 12:30:45}", &[], "12:30:45"),
        ("${X}", "{Y: &y 5.0, X: *y}", &[], "5"),
        ("${X}", "{X: 5}", &[], "5"),
        ("${X}", "{X: true}", &[], "true"),
        ("${X}", "{X: 'a ${SET}'}", &[], "a s3cr3t"),
        ("${X}", "{X: '${Y}'}", &[("Y", "flag")], "flag"),
        ("$${X} $5", "{}", &[], "${X} $5"),
    ];
    for (value, vars, given, expected) in table {
        assert_eq!(name(value, vars, given), expected, "{value} of {vars}");
    }
}

#[test]
fn what_a_field_holds_decides_what_a_value_becomes() {
    let text = "
version: 1
vars: {on: true, id: 512, agent: \"47\", limit: 0.5, day: 2026-11-01, project: project-for-task, tool: 7}
tasks:
  a:
    name: ${id}
    id: ${id}
    agentId: \"${agent}\"
    projectPreference: ${project}
    protect: ${on}
    prompt: ${id} {{ id }}
    deployments:
      d:
        since: ${day}
        timeout: ${NUMBER}m
        followUps: ['${id}']
        expect: {toolCalled: ['${tool}'], maxTokens: \"${id}\", number: {pattern: '(-?[0-9.]+)', min: '${limit}'}}
";
    let (manifest, found) = parsed(text, &[]);
    assert_eq!(shown(text, &found), "");
    let task = task(&manifest, "a");
    let shown = format!("{:?} {:?} {:?}", task.object.name(), task.pin, task.protect);
    assert_eq!(shown, "Some(\"512\") Some(TaskId(512)) true");
    assert_eq!(task.object.prompt().map(|text| &**text), Some("${id} {{ id }}"));
    let deployment = task.deployments.values().next().unwrap();
    assert_eq!(deployment.since.unwrap().to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(deployment.timeout.unwrap().as_secs(), 47 * 60);
    assert_eq!(deployment.follow_ups, ["${id}".into()]);
    let expect = deployment.expect.as_ref().unwrap();
    assert_eq!((expect.max_tokens, &*expect.tool_called), (Some(512), &["7".to_owned()][..]));
    assert_eq!(expect.number.as_ref().unwrap().min, Some(0.5));
}

#[test]
fn a_variable_that_is_wrong_is_told_with_its_place_and_help() {
    let text = format!(
        "{HEAD}vars: {{capital: 100000}}
tasks:
  a: {{name: 'x ${{CAPITOL}} ${{capital}}'}}
  b: {{name: 'x ${{NOWHERE}}'}}
  c: {{name: 'x ${{'}}
  d: {{name: 'x ${{1A}}'}}
  e: {{name: 'x ${{A:-'}}
  f: {{name: 'x ${{A-b}}'}}
  g: {{name: 'x ${{A:-${{capital}}}}'}}
  h: {{name: '${{QC_API_TOKEN}}'}}
  i: {{id: '${{SET}}', protect: '${{SET}}', projectPreference: '${{SET}}'}}
  j: {{deployments: {{d: {{since: '${{SET}}', timeout: '${{SET}}', state: '${{SET}}'}}}}}}
"
    );
    insta::assert_snapshot!(findings(&text));
}

#[test]
fn a_secret_of_the_process_reaches_no_field() {
    let text = format!(
        "{HEAD}organizationId: '${{GITHUB_TOKEN}}'
vars: {{A: '${{GITHUB_TOKEN}}', B: '${{COPY}}', DB_PASSWORD: none}}
tasks:
  a: {{name: '${{GITHUB_TOKEN:-x}} ${{A}} ${{B}} ${{COPY}}'}}
  b: {{name: '${{UNSET_API_KEY:-x}}'}}
  c: {{name: 'declared: ${{DB_PASSWORD}}'}}
"
    );
    insta::assert_snapshot!(findings(&text));
    let given = "the value is ${GITHUB_TOKEN}";
    assert_eq!(name(given, "{}", &[("GITHUB_TOKEN", "harmless")]), "the value is harmless");
    assert!(name(given, "{}", &[("GITHUB_TOKEN", "s3cr3t-token")]).ends_with("holds a credential"));
}

#[test]
fn findings_show_what_is_written_and_no_value() {
    let text = "\
version: 1
agents:
  b: {model: '${SET}', useQCC: true, tools: ['${SET}', '${SET}'], description: d, systemPrompt: x, reasoningEffort: '${SET}'}
tasks:
  a: {agent: b, name: 'x ${SET}', prompt: x, projectPreference: '${SET}'}
  c: {agent: b, name: 'X ${SET}!', prompt: y, projectPreference: project-for-task}
  d: {agent: b, name: 'x ${SET}', prompt: z, projectPreference: project-for-task}
";
    insta::assert_snapshot!(findings(text));
}

#[test]
fn an_agent_that_is_not_known_is_told_as_it_is_written() {
    let table = [
        ("'${SET}'", "no agent is named `${SET}`"),
        ("\"x ${SET}\"", "no agent is named `x ${SET}`"),
        ("${SET:-y}", "no agent is named `${SET:-y}`"),
        ("\"'quoted'\"", "no agent is named `'quoted'`"),
    ];
    for (agent, expected) in table {
        let text = format!(
            "version: 1\ntasks:\n  a:\n    agent: {agent}\n    prompt: x\n    projectPreference: project-for-task\n"
        );
        let (manifest, found) = parsed(&text, &[]);
        assert_eq!(shown(&text, &found), "");
        let (_, found) = resolve(&manifest, &AgentNames::default());
        let messages: Vec<&str> = found.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, [expected]);
    }
}

#[test]
fn declarations_are_checked() {
    let text = format!(
        "{HEAD}vars:
  1a: x
  QC_API_TOKEN: x
  list: [a]
  nothing:
  twice: 1
  twice: 2
  unused: 5
  unset: ${{NOWHERE}}
tasks: {{a: {{name: '${{list}} ${{twice}} ${{unset}}'}}}}
"
    );
    insta::assert_snapshot!(findings(&text));
}

#[test]
fn a_file_of_variables_is_a_mapping_of_names_to_values() {
    let shown = |text: &str| {
        let (vars, findings) = parse_vars(Path::new("tasks.yaml"), text);
        let value =
            |it: &Option<VarValue>| it.as_ref().map_or("-".to_owned(), |it| it.text.clone());
        let vars: Vec<String> =
            vars.iter().map(|(name, it)| format!("{name}={}", value(it))).collect();
        format!("{}\n{}", vars.join(" "), shown(text, &findings))
    };
    assert_eq!(shown("capital: 5\nname: ${x}\n"), "capital=5 name=${x}\n");
    assert_eq!(shown("{\"capital\": 5.0, \"on\": true}"), "capital=5.0 on=true\n");
    let wrong = ["- capital: 5\n", "capital=5\n", "capital: [5\n", "a: {b: 1}\nb: 1\nb: 2\n"];
    insta::assert_snapshot!(wrong.map(shown).join("\n"));
}

#[test]
fn a_variable_of_an_ignored_field_is_not_looked_up() {
    let text = format!("{HEAD}x-shared: {{name: '${{NOWHERE}}'}}\ntasks: {{}}\n");
    assert_eq!(findings(&text), "");
}

const ENVIRONMENTS: &str = "\
version: 1
organizationId: shared
vars: {capital: 100000, agent: 47}
environments:
  dev: {organizationId: 'org-${SUFFIX:-dev}', vars: {capital: 10000, extra: 1}}
  prod: {vars: {agent: 48}}
defaults: {agentId: '${agent}', projectPreference: project-for-task}
tasks:
  both: {name: 'for ${capital}', prompt: x}
  live: {environments: [prod], name: 'live ${extra:-none}', prompt: y}
";

fn in_environment(text: &str, environment: Option<&str>) -> (Manifest, String) {
    let inputs = ExpandInputs { environment, ..ExpandInputs::of(&process) };
    let (manifest, findings) = parse(Path::new("tasks.yaml"), text, &Prompts, inputs);
    (manifest, shown(text, &findings))
}

#[test]
fn an_environment_has_its_own_organization_variables_and_tasks() {
    let of = |environment: &str| {
        let (manifest, findings) = in_environment(ENVIRONMENTS, Some(environment));
        let tasks = manifest.tasks.iter().map(|(key, task)| {
            format!("{key}: {} of {}", task.object.name().unwrap(), task.object.get("agentId"))
        });
        let tasks = tasks.collect::<Vec<_>>().join("; ");
        format!("{} | {tasks}\n{findings}", manifest.organization_id.unwrap())
    };
    assert_eq!(of("dev"), "org-dev | both: for 10000 of 47\n");
    assert_eq!(of("prod"), "shared | both: for 100000 of 48; live: live none of 48\n");
    let known = in_environment(ENVIRONMENTS, Some("prod")).0.expansion.environments;
    let known: Vec<String> = known.iter().map(|(name, id)| format!("{name} {id:?}")).collect();
    assert_eq!(known, ["dev Some(\"org-dev\")", "prod Some(\"shared\")"]);
}

#[test]
fn an_environment_is_selected_by_its_name() {
    insta::assert_snapshot!(in_environment(ENVIRONMENTS, None).1);
    insta::assert_snapshot!(in_environment(ENVIRONMENTS, Some("prd")).1);
    insta::assert_snapshot!(in_environment(ENVIRONMENTS, Some("staging")).1);
}

#[test]
fn environments_are_checked() {
    let text = "\
version: 1
environments:
  dev: {organisationId: x, vars: {only_dev: 1}}
  dev: {}
  prod: [x]
  a b: {}
defaults: {agentId: 47, projectPreference: project-for-task, prompt: x}
tasks:
  a: {environments: prod}
  b: {environments: [prd, 5]}
  c: {environments: []}
  d: {environments: [prod], name: '${NOWHERE}'}
  e: {name: '${only_dev}'}
  f: {environments: [prod, dev, prod]}
";
    insta::assert_snapshot!(in_environment(text, Some("prod")).1);
    let text = format!("{HEAD}tasks: {{a: {{environments: [prod]}}}}\n");
    insta::assert_snapshot!(in_environment(&text, None).1);
}

#[test]
fn settings_take_no_variable_of_the_process() {
    let refused = "is a variable of the environment, and none decides what a guard allows";
    let table = [
        ("{limits: {creates: \"${NUMBER}\"}}", "{}", "", true),
        ("{limits: {creates: \"${NUMBER:-7}\"}}", "{}", "", true),
        ("{prune: \"${NOT_SET:-true}\"}", "{}", "", true),
        ("{artifacts: \"a-${NUMBER}\"}", "{}", "", true),
        ("{limits: {creates: \"${most}\"}}", "{most: \"${NUMBER}\"}", "", true),
        ("{limits: {creates: \"${most}\"}}", "{most: \"4${NOT_SET:-2}\"}", "", true),
        ("{limits: {creates: \"${most}\"}}", "{most: 42}", "", false),
        ("{limits: {creates: \"${most}\"}}", "{most: \"${NUMBER}\"}", "most", false),
        ("{limits: {creates: \"${most}\"}}", "{most: \"${NUMBER}\"}", "NUMBER", false),
        ("{limits: {creates: \"${NUMBER}\"}}", "{}", "NUMBER", false),
    ];
    for (settings, vars, of_flag, is_refused) in table {
        let text = format!("{HEAD}vars: {vars}\nsettings: {settings}\ntasks: {{a: {{name: x}}}}\n");
        let flags = [(of_flag, "9")];
        let flags = if of_flag.is_empty() { &[][..] } else { &flags };
        let (_, found) = parsed(&text, flags);
        let found = shown(&text, &found);
        assert_eq!(found.contains(refused), is_refused, "{settings} {vars} {of_flag}: {found}");
        assert!(is_refused || found.is_empty(), "{settings} {vars} {of_flag}: {found}");
    }
}

#[test]
fn no_order_of_names_decides_what_vars_hold() {
    let expected = "is one of `vars`, too, and none of them holds another";
    for (vars, used) in [("a: 1, b: \"${a}\"", "${b}"), ("b: 1, a: \"${b}\"", "${a}")] {
        let text = format!("{HEAD}vars: {{{vars}}}\ntasks: {{x: {{name: \"{used}\"}}}}\n");
        let found = findings(&text);
        assert!(found.contains(expected), "{vars}: {found}");
        assert_eq!(found.matches("unresolved-variable").count(), 1, "{vars}: {found}");
    }
}

#[test]
fn environments_share_no_credentials_by_their_names() {
    let table = [
        ("prod", "Prod", true),
        ("us-east", "us_east", true),
        ("a.b", "a-b", true),
        ("dev", "prod", false),
        ("a", "a1", false),
    ];
    for (one, other, is_refused) in table {
        let text = format!("{HEAD}environments: {{{one}: {{}}, {other}: {{}}}}\ntasks: {{}}\n");
        let (_, found) = in_environment(&text, Some(one));
        assert_eq!(
            found.contains("would both have the credentials of `QC_API_TOKEN_"),
            is_refused,
            "{found}"
        );
    }
}

#[test]
fn values_of_variables_have_a_limit_together() {
    let mut tasks = String::new();
    for n in 0..100 {
        writeln!(tasks, "  t{n}: {{name: '${{A}}${{A}}'}}").unwrap();
    }
    let value = "x".repeat(200_000);
    let text =
        format!("{HEAD}vars: {{A: {value}, B: x}}\ntasks:\n{tasks}  z: {{name: '${{B}}'}}\n");
    let (manifest, found) = parsed(&text, &[]);
    let found: Vec<&str> = found.iter().map(|finding| finding.code.as_str()).collect();
    // The last one is not looked at any more.
    assert_eq!(found, ["too-much-text"]);
    assert_eq!(manifest.tasks.len(), 41);
}

#[test]
fn environments_have_a_limit() {
    let of = |count: usize| {
        let mut names = String::new();
        for n in 0..count {
            writeln!(names, "  e{n}: {{}}").unwrap();
        }
        let text = format!("{HEAD}environments:\n{names}tasks: {{a: {{name: x}}}}\n");
        let (manifest, found) = in_environment(&text, Some("e7"));
        (manifest.expansion.environments.len(), found)
    };
    assert_eq!(of(100), (100, String::new()));
    let (count, found) = of(2000);
    assert_eq!(count, 100);
    assert!(
        found.ends_with("more than 100 environments\n  help: divide the manifest\n"),
        "{found}"
    );
    assert_eq!(found.matches("invalid-value").count(), 1);
}

#[test]
fn variables_lose_no_text_silently() {
    let vars = "  A: Fix issue #12 now\n  B: “quoted”\n  C: 'Fix #12'\n  D: x # the index\n";
    let text = format!(
        "{HEAD}vars:\n{vars}environments: {{e: {{vars: {{E: “e”}}}}}}
tasks: {{a: {{name: '${{A}} ${{B}} ${{C}} ${{D}} ${{E}}'}}}}\n"
    );
    let (file, of_file) =
        (vars.replace("  ", ""), parse_vars(Path::new("v.yaml"), &vars.replace("  ", "")));
    let shown = format!("{}{}", in_environment(&text, Some("e")).1, shown(&file, &of_file.1));
    insta::assert_snapshot!(shown);
}

/// Counts how often a file of a megabyte is read.
struct LargeFile(std::sync::atomic::AtomicUsize);

impl Source for LargeFile {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if path.starts_with("s3cr3t") {
            return Err(format!("failed to read `{path}`").into());
        }
        Ok("x".repeat(1 << 20))
    }
}

#[test]
fn no_file_is_read_beyond_the_limit_and_no_path_of_a_variable_is_shown() {
    let tasks = (0..200).map(|n| format!("  t{n}: {{promptFile: a.md}}\n")).collect::<Vec<_>>();
    let head = "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\ntasks:\n";
    let text = format!("{head}  a: {{promptFile: '${{SET}}.md'}}\n{}", tasks.concat());
    let source = LargeFile(0.into());
    let (_, found) = parse(Path::new("tasks.yaml"), &text, &source, ExpandInputs::of(&process));
    let shown = shown(&text, &found);
    assert!(shown.contains("`'${SET}.md'` leads to no file that may be read"), "{shown}");
    assert_eq!(shown.matches("too-much-text").count(), 1, "{shown}");
    // The names of the tasks count as well.
    assert_eq!(source.0.into_inner(), 1 + 64);
}

#[test]
fn the_limit_of_a_matrix_is_that_of_the_selected_environment() {
    let text = "vars: {most: 30}
settings: {limits: {matrix: 20}}
environments: {dev: {settings: {limits: {matrix: '${most}'}}}, prod: {}, odd: {settings: {limits: {matrix: 0}}}}
";
    let table =
        [(text, "dev", 30), (text, "prod", 20), (text, "odd", 1_000), ("x: 1", "dev", 1_000)];
    for (text, name, expected) in table {
        let root = crate::manifest::yaml::read(text).root.expect("it is YAML");
        let file: std::sync::Arc<Path> = Path::new("tasks.yaml").into();
        let given = Vars::new();
        let inputs =
            ExpandInputs { environment: Some(name), given: &given, ..ExpandInputs::of(&process) };
        let read = |root: crate::manifest::node::Node<'_>, _: super::ExpandFile<'_>| {
            let selection = super::SelectedEnvironment::Of(name.to_owned());
            (super::Expander::matrix_limit(&root, &selection), std::collections::BTreeSet::new())
        };
        let (limit, ..) = super::expand(&file, text, root, inputs, read);
        assert_eq!(limit, expected, "{name} in {text}");
    }
}
