use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::diag::{Diagnostic, Place, Sources};
use crate::manifest::{
    AgentNames, ExpandInputs, Manifest, Source, Unreadable, VarValue, Vars, check, merge, parse,
    resolve,
};

/// Files by their paths.
struct Files(BTreeMap<&'static str, String>);

impl Source for Files {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        if path.starts_with("..") || path.starts_with('/') {
            return Err(format!("`{path}` is outside of the repository").into());
        }
        self.0.get(path).cloned().ok_or_else(|| format!("there is no file `{path}`").into())
    }
}

const FIELDS: &str = "defaults: {agentId: 47, projectPreference: project-for-task}\n";

/// Reads a manifest with its files, `QC_API_TOKEN` and `HOME` in the environment; findings as lines.
fn read(text: &str, files: &[(&'static str, &str)], given: &[(&str, &str)]) -> (Manifest, String) {
    let text = format!("version: 1\n{text}");
    let path = Path::new("live/tasks.yaml");
    let files = Files(files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect());
    let process = |name: &str| match name {
        "QC_API_TOKEN" => Some("0123456789abcdef".to_owned()),
        "HOME" => Some("/root".to_owned()),
        _ => None,
    };
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some(VarValue::typed((*value).to_owned()))));
    let given: Vars = given.collect();
    let environment = text.contains("environments:").then_some("dev");
    let inputs = ExpandInputs { environment, given: &given, ..ExpandInputs::of(&process) };
    let (mut manifest, mut found) = parse(path, &text, &files, inputs);
    let mut sources = Sources::default();
    sources.add(path, text.clone());
    for (path, text) in std::mem::take(&mut manifest.texts) {
        sources.add(&path, text);
    }
    let (manifest, more) = merge(vec![manifest]);
    found.extend(more);
    if found.iter().any(Diagnostic::is_error) {
        found.extend(check(&manifest));
    } else {
        let agents = AgentNames::default();
        let (_, more) = resolve(&manifest, &agents);
        found.extend(more);
    }
    let told = told(&found, &sources);
    (manifest, told)
}

/// The findings, each as `file:line:column code: message`, with help below.
fn told(findings: &[Diagnostic], sources: &Sources) -> String {
    let at = |place: &Place| {
        let before = &sources.text(&place.file).expect("it was added")[..place.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{line}:{column}", place.file.display())
    };
    let mut words = String::new();
    for finding in findings {
        let place = finding.place.as_ref().map_or_else(|| "nowhere".to_owned(), at);
        writeln!(words, "{place} {}: {}", finding.code, finding.message).unwrap();
        for help in &finding.help {
            writeln!(words, "  help: {help}").unwrap();
        }
    }
    words
}

/// Each task with its name, prompt and follow-ups.
fn tasks(manifest: &Manifest) -> String {
    let mut all = String::new();
    for (key, task) in &manifest.tasks {
        let (name, prompt) = (task.object.name().unwrap_or_default(), task.object.prompt());
        writeln!(all, "{key}: {name:?} {:?}", prompt.map_or("", |prompt| prompt)).unwrap();
        for (key, deployment) in task.deployments.iter() {
            writeln!(all, "  {key}: {:?}", deployment.follow_ups).unwrap();
        }
    }
    all
}

fn sound(text: &str, files: &[(&'static str, &str)], given: &[(&str, &str)]) -> String {
    let (manifest, found) = read(text, files, given);
    assert_eq!(found, "", "{text}");
    tasks(&manifest)
}

#[test]
fn a_matrix_becomes_a_task_for_each_combination() {
    let text = format!(
        "{FIELDS}vars: {{capital: 100000}}
tasks:
  momentum:
    matrix: {{symbol: [SPY, QQQ], window: [6, 12.50, true]}}
    exclude: [{{symbol: QQQ, window: 6}}, {{window: true}}]
    name: \"Momentum {{{{ symbol }}}} {{{{ window }}}}m\"
    promptFile: prompts/momentum.md
    deployments:
      first: {{followUps: [\"Report {{{{ symbol|lower }}}}\", Plain]}}
  plain: {{prompt: \"{{{{ symbol }}}}\"}}
"
    );
    let files = [
        (
            "prompts/momentum.md",
            "Trade {{ symbol }} in {{ key }} with {{ capital // 3 }}.\r\n{% include \"prompts/risk.md\" %}\r\n",
        ),
        (
            "prompts/risk.md",
            "{% if window is number and window > 10 %}Long{% else %}Short{% endif %}\n",
        ),
    ];
    insta::assert_snapshot!(sound(&text, &files, &[]));
}

#[test]
fn templates_see_variables_by_their_types_and_nothing_of_the_process() {
    let table = [
        ("{{ n + 1 }} {{ t + 'x' }} {% if f %}on{% endif %}", "6 5x on"),
        ("{{ given }} {{ key }} {{ env }}", "9 a dev"),
        ("{{ HOME is defined }} {{ QC_API_TOKEN is defined }}", "False False"),
        ("{{ HOME|default('none') }}", "none"),
        ("{% for n in range(3) %}{{ n }}{% endfor %}{{ n }}", "0125"),
        ("{% set w = n * 2 %}{{ w }}", "10"),
        ("{% raw %}{{ n }}{% endraw %} ${n} %d {#- none -#}", "{{ n }} ${n} %d"),
        ("<b>{{ html }}</b>", "<b>a & b</b>"),
        ("{{ ['x', 'y']|join('+') }} {{ '%s!'|format(n) }}", "x+y 5!"),
    ];
    for (prompt, expected) in table {
        let text = format!(
            "{FIELDS}environments: {{dev: {{vars: {{n: 5}}}}}}\nvars: {{t: \"5\", f: true, html: a & b}}\ntasks:\n  a:\n    template: true\n    prompt: |-\n      {prompt}\n      {{# {{{{ n }}}} {{{{ t }}}} {{{{ f }}}} {{{{ html }}}} {{{{ given }}}} #}}{{% if false %}}{{{{ n }}}}{{{{ t }}}}{{{{ f }}}}{{{{ html }}}}{{{{ given }}}}{{% endif %}}\n"
        );
        let (manifest, found) = read(&text, &[], &[("given", "9")]);
        assert_eq!(found, "", "{prompt}");
        let task = manifest.tasks.values().next().expect("there is one");
        assert_eq!(task.object.prompt().map(|prompt| &**prompt), Some(expected), "{prompt}");
    }
}

#[test]
fn without_a_template_prompts_are_sent_byte_for_byte() {
    let prompts = [
        "You are {{ role }}. {% if context %}Use {{ context }}.{% endif %}{# never #}",
        "on: push\nenv:\n  TOKEN: ${{ secrets.TOKEN }}\n  REF: ${{ github.ref }}",
        "Answer as {\"symbol\": \"{{ticker}}\", \"weights\": {\"SPY\": 0.6}}",
        "Minimize $\\frac{1}{2} w^{T} \\Sigma w$ s.t. $\\sum_{i} w_{i} = 1$, \\textbf{{long only}}",
        "Print f\"{{literal}} {value:>{width}}\" and '%(name)s is %d%% of %s'",
        "{{#each holdings}}{{symbol}}: {{weight}}{{/each}} {{> partial}}",
        "Run `awk '{print $1}' ${FILE:-prices.csv} | sed 's/{{x}}/y/'` and $(date +%Y)",
        "{% raw %}{{ never rendered }}{% endraw %} {%- set x = 1 -%}",
        "C#: $\"{{{price:C2}}}\" Rust: format!(\"{{}} {:?}\", x) Go: {{ range .Items }}{{ end }}",
        "<script>let s = `${a}`; if (a % 2) { b = {{...c}} }</script> {{{ triple }}} }} %} #}",
    ];
    for prompt in prompts {
        let indented = |depth: usize| {
            let lines = prompt.lines().map(|line| format!("{}{line}\n", " ".repeat(depth)));
            lines.collect::<Vec<_>>().concat()
        };
        let inline = indented(6);
        let text = format!(
            "{FIELDS}tasks:\n  a:\n    promptFile: a.md\n  b:\n    template: false\n    name: other\n    agentId: 5\n    prompt: |\n{inline}    deployments:\n      d:\n        followUps:\n        - |\n{}",
            indented(10)
        );
        let (manifest, found) = read(&text, &[("a.md", prompt)], &[]);
        assert_eq!(found, "", "{prompt}");
        for task in manifest.tasks.values() {
            assert_eq!(task.object.prompt().map(|prompt| &**prompt), Some(prompt));
        }
        let follow_ups = manifest.tasks.values().flat_map(|task| task.deployments.values());
        let follow_ups: Vec<&str> =
            follow_ups.flat_map(|it| it.follow_ups.iter().map(|text| &**text)).collect();
        assert_eq!(follow_ups, [prompt]);
    }
}

/// A matrix of four combinations.
const FOUR: &str = "matrix: {symbol: [SPY, QQQ], window: [6, 12]}, name: \"{{ key }}\"";

/// A manifest with one task of these fields.
fn one(fields: &str) -> String {
    format!("{FIELDS}tasks:\n  a: {{{fields}}}\n")
}

/// What it is, the manifest, and the text of `p.md`.
type Wrong = (&'static str, String, &'static str);

fn wrong_templates() -> Vec<Wrong> {
    vec![
        (
            "an unknown name",
            one(&format!("{FOUR}, promptFile: p.md")),
            "Trade\n{{ symbl }} {{ window }}",
        ),
        (
            "an unknown name for some",
            one(&format!("{FOUR}, promptFile: p.md")),
            "{{ key }}{% if window > 6 %}\n  {{ capital }}{% endif %}",
        ),
        (
            "an unknown name in the manifest",
            one("template: true, prompt: \"Buy {{ symbol }} twice\""),
            "",
        ),
        ("no end of a tag", one("template: true, promptFile: p.md"), "Buy\n{% if true %}\nSPY"),
        ("a wrong expression", one("template: true, promptFile: p.md"), "Buy\n  {{ 1 + }}"),
        ("an unknown filter", one("template: true, promptFile: p.md"), "{{ key|uper }}"),
        (
            "an include outside",
            one("template: true, promptFile: p.md"),
            "a\nb {% include \"../secret.md\" %}",
        ),
        ("a missing include", one("template: true, promptFile: p.md"), "{% include \"none.md\" %}"),
        (
            "an include of itself",
            one("template: true, promptFile: p.md"),
            "{% include \"circle.md\" %}",
        ),
        ("a wrong include", one("template: true, promptFile: p.md"), "{% include \"wrong.md\" %}"),
        (
            "a computed include",
            one("template: true, promptFile: p.md"),
            "{% include key ~ \".md\" %}",
        ),
        (
            "an include in a name",
            one("template: true, prompt: x, name: \"{% include 'p.md' %}\""),
            "x",
        ),
        (
            "too much",
            one("template: true, promptFile: p.md"),
            "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
        ),
        ("a path", one("template: true, promptFile: \"prompts/{{ key }}.md\""), ""),
        ("inheritance", one("template: true, promptFile: p.md"), "{% extends \"p.md\" %}"),
        (
            "blank",
            one("template: true, name: \"{{ '' }}\", prompt: \"{% if false %}x{% endif %}\""),
            "",
        ),
    ]
}

fn wrong_matrices() -> Vec<Wrong> {
    vec![        ("an unused axis", one(&format!("{FOUR}, prompt: \"Buy {{{{ symbol }}}}\"")), ""),
        (
            "an axis that the name lacks",
            one("matrix: {symbol: [SPY, QQQ]}, name: Same, prompt: \"{{ symbol }}\""),
            "",
        ),
        (
            "values that a template sees as one",
            one("matrix: {window: [1.50, 1.5]}, name: \"N {{ key }}\", prompt: \"{{ window }}\""),
            "",
        ),
        (
            "values that are one in a name",
            one("matrix: {symbol: [spy, SPY]}, name: \"N {{ symbol }}\", prompt: \"{{ symbol }}\""),
            "",
        ),
        ("an axis that is a flag", one("matrix: {true: [a], 1.5: [b]}, prompt: x"), ""),
        ("no template", one("template: false, matrix: {symbol: [SPY]}, prompt: x"), ""),
        ("no list", one("matrix: {symbol: SPY, window: []}, prompt: x"), ""),
        ("no axis", one("matrix: {}, prompt: x"), ""),
        ("values twice", one("matrix: {symbol: [6, '6']}, prompt: x"), ""),
        (
            "values that no key has",
            one("matrix: {symbol: [\"a,b\", \"a]\", a/b, ' x', {a: b}]}, prompt: x"),
            "",
        ),
        (
            "names of axes",
            one("matrix: {key: [a], env: [b], a-b: [c], capital: [d]}, prompt: x")
                + "vars: {capital: 1}\n",
            "",
        ),
        (
            "too many",
            one(&format!(
                "matrix: {{a: [{0}], b: [{0}]}}, prompt: x",
                (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
            )),
            "",
        ),
        (
            "exclude",
            one(&format!(
                "{FOUR}, prompt: \"{{{{ key }}}}\", exclude: [{{symbol: QQ}}, {{windw: 6}}, {{}}, SPY]"
            )),
            "",
        ),
        (
            "exclude all",
            one(&format!("{FOUR}, prompt: x, exclude: [{{symbol: QQQ}}, {{symbol: SPY}}]")),
            "",
        ),
        ("a pin", one(&format!("{FOUR}, id: 5, prompt: \"{{{{ key }}}}\"")), ""),
        ("two unused axes", one(&format!("{FOUR}, prompt: x")), ""),
        ("exclude nothing", one("exclude: [{symbol: QQQ}], prompt: x"), ""),
        ("no flag", one("template: 'yes', prompt: x"), ""),
        (
            "in defaults",
            "defaults: {agentId: 47, projectPreference: project-for-task, template: true, matrix: {a: [b]}}\ntasks:\n  a: {prompt: x}\n".to_owned(),
            "",
        ),
        ("a written key", format!("{FIELDS}tasks:\n  'a[b]': {{prompt: x}}\n"), ""),
        ("an unknown field", one(&format!("{FOUR}, promt: x, prompt: \"{{{{ key }}}}\"")), ""),
        (
            "twice",
            format!(
                "{FIELDS}tasks:\n  a: {{matrix: {{s: [x, y]}}, prompt: \"{{{{ s }}}}\"}}\n  a: {{matrix: {{s: [x, y]}}, prompt: \"{{{{ s }}}}\"}}\n"
            ),
            "",
        ),
        (
            "declared and forgotten",
            one(&format!("{FOUR}, prompt: \"{{{{ key }}}}\"")) + "forget: [a]\n",
            "",
        ),
        (
            "forgotten with other axes",
            one(&format!("{FOUR}, prompt: \"{{{{ key }}}}\""))
                + "forget: [\"a[SPY]\", \"a[SPY,7]\", \"a[SPY,6,x]\", \"b[SPY]\"]\n",
            "",
        ),
        (
            "a matrix of agents",
            "defaults: {projectPreference: project-for-task, agent: r}\nagents:\n  r: {matrix: {s: [x, y]}, name: \"{{ key }}\", model: m}\n  c: {model: m, subAgents: {r: 1, \"r[x]\": 1}, chainedAgents: [r]}\ntasks:\n  a: {prompt: a}\n  b: {prompt: b}\n  c: {prompt: c, agent: \"r[y]\"}\n  d: {prompt: d, agent: many}\n".to_owned(),
            "",
        ),
        ("lists that grow", one("template: true, promptFile: p.md"), "{% set a = b + b %}"),
        (
            "a loop over what it sees",
            one("template: true, promptFile: p.md"),
            "{% for a in [key, 'x'] recursive %}{{ loop(a) }}{% endfor %}",
        ),
        ("a function", one("template: true, promptFile: p.md"), "{{ now() }}"),
        ("a credential", one("template: true, prompt: \"{{ token }}\""), ""),
        ("in an agent's file", "agents: {a: a.md}\ntasks: {}\n".to_owned(), ""),
        ]
}

#[test]
fn wrong_templates_and_matrices_are_told_at_their_places() {
    let mut all = String::new();
    for (row, text, prompt) in wrong_templates().into_iter().chain(wrong_matrices()) {
        let files = [
            ("p.md", prompt),
            ("circle.md", "x {% include \"p.md\" %}"),
            ("wrong.md", "fine\n{{ key"),
            (
                "a.md",
                "---\nname: \"{{ key }}\"\ntemplate: true\nmatrix: {a: [b]}\n---\nBe brief.\n\nWith {{ capitol }}.\n",
            ),
        ];
        let given: &[(&str, &str)] =
            if row == "a credential" { &[("token", "x0123456789abcdef")] } else { &[] };
        let (_, found) = read(&text, &files, given);
        assert_ne!(found, "", "{row}");
        writeln!(all, "# {row}\n{found}").unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_template_takes_its_fields_of_defaults() {
    let text = "defaults: {agent: 'r[{{ symbol }}]', projectPreference: project-for-task, promptFile: p.md, deployments: {d: {followUps: ['Now {{ symbol }}']}}}
agents:
  r: {matrix: {symbol: [SPY, QQQ]}, name: 'Researcher {{ symbol }}', systemPrompt: 'Know {{ symbol }}'}
tasks:
  a: {matrix: {symbol: [SPY, QQQ]}}
  b: {agent: 'r[SPY]', prompt: '{{ symbol }}'}
";
    let (manifest, found) = read(text, &[("p.md", "Trade {{ symbol }}")], &[]);
    let agents: Vec<String> = manifest
        .agents
        .iter()
        .map(|(key, agent)| format!("{key} {:?}", agent.object.name().unwrap_or_default()))
        .collect();
    insta::assert_snapshot!(format!("{}{}\n{found}", tasks(&manifest), agents.join("\n")));
}

#[test]
fn what_a_stranger_writes_ends_soon() {
    let doubling =
        format!("{{% set x = 'x' * 1000 %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(60));
    let replaced = format!("{{{{ 'aa'{} }}}}", "|replace('a', 'aaaaaaaaaa')".repeat(40));
    let chain = format!("{{{{ 1{} }}}}", "+1".repeat(200_000));
    let filters = format!("{{{{ 'a'{} }}}}", "|upper".repeat(100_000));
    let conditions = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(50_000));
    let nested = format!("{}x{}", "{% if true %}".repeat(5_000), "{% endif %}".repeat(5_000));
    let brackets = format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000));
    let sums =
        format!("{{% set x = range(9) %}}{}{{{{ x|length }}}}", "{% set x = x + x %}".repeat(60));
    let pairs = format!("{{% set x = 1 %}}{}{{{{ x }}}}", "{% set x = [x, x] %}".repeat(60));
    let loops =
        format!("{}{{{{ a }}}}{}", "{% for a in [[a, a]] %}".repeat(60), "{% endfor %}".repeat(60));
    let kept = format!(
        "{{% with x = 'a'|split %}}{}{{% endwith %}}",
        "{% with x = x|list + x %}".repeat(40) + "{{ x }}" + &"{% endwith %}".repeat(40)
    );
    let zipped =
        format!("{{% set x = 'ab' %}}{}{{{{ x }}}}", "{% set x = x|zip(x)|list %}".repeat(60));
    let repeated = format!(
        "{{% set x = 'a'|split %}}{}{{% for y in x %}}.{{% endfor %}}",
        "{% set x = x * 9 %}".repeat(40)
    );
    let powers = format!("{{% set x = 9 %}}{}{{{{ x }}}}", "{% set x = x ** x %}".repeat(40));
    let lists = "{% set ns = namespace(x=['a']) %}{% for i in range(1000) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}".to_owned();
    let recursive =
        "{% for n in [[[[]]]] recursive %}{{ loop([[[n, n], n], n]) }}{% endfor %}".to_owned();
    let padded =
        "{{ '%999999999d'|format(1) }}{{ 'a'|indent(999999999) }}{{ 'a'|center(99999999) }}"
            .to_owned();
    let captured = format!(
        "{{% set x %}}{{% for i in range(99999) %}}{}{{% endfor %}}{{% endset %}}x",
        "y".repeat(900_000)
    );
    let prompts = [
        doubling,
        replaced,
        chain,
        filters,
        conditions,
        nested,
        brackets,
        sums,
        pairs,
        loops,
        kept,
        zipped,
        repeated,
        powers,
        lists,
        recursive,
        padded,
        captured,
        "{% include 'p.md' %}{% include 'p.md' %}".to_owned(),
        "x".repeat(2 << 20) + "{{ key }}",
    ];
    let start = Instant::now();
    for prompt in prompts {
        let text =
            format!("{FIELDS}tasks: {{a: {{matrix: {{n: [1, 2, 3]}}, promptFile: p.md}}}}\n");
        let (_, found) = read(&text, &[("p.md", &prompt)], &[]);
        assert_ne!(found, "", "{}", &prompt[..80.min(prompt.len())]);
        assert!(found.len() < 4_000, "{found}");
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
