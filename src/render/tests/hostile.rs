//! Texts that would do something if they could, in every format: they only show.

use std::time::Duration;

use html5gum::{DefaultEmitter, Token, Tokenizer};
use pulldown_cmark::{Event as Piece, Options, Parser, Tag, TagEnd};
use serde_json::Value;

use crate::diag::{Check, CheckStatus, Checkup};
use crate::event::{DeploymentEnd, DeploymentReport};
use crate::model::{Key, holds_hidden};
use crate::observed::Status;
use crate::plan::{DeclaredDeploymentOverview, DeploymentSummary, KeyOverview, KeyState, Overview};
use crate::render::doctor::{self, CheckupView};
use crate::render::escape::Untrusted;
use crate::render::every::{EnvironmentError, EnvironmentRow, Every};
use crate::render::status::{self, StatusView};
use crate::render::transcript::{self, Title};
use crate::render::{deployments, html, json, junit, markdown, report};
use crate::transcript::{Failure, Message, Part, ToolCall, Transcript};

use super::*;

/// What stands in every hostile text, so that it is found again; no word of the program holds it.
const MARK: &str = "zqx";

const TEXTS: &[&str] = &[
    "zqx \u{1b}[31mred\u{1b}]0;title\u{7}\u{1b}[2J",
    "zqx\u{9b}31m\u{7f}\u{80}\u{8}\u{c}\u{b}",
    "zqx\u{202e}abc\u{2066}\u{200b}\u{feff}\u{200d}\u{2028}\u{ad}\u{e0041}",
    "zqx<script>window.__pwned=1</script>",
    "zqx<img src=x onerror=window.__pwned=1>",
    "\"'><svg onload=alert(1)>zqx",
    "</code></pre></div></details></summary></title></style></script><h1>zqx</h1>",
    "zqx\n</details>\n\n# zqx\n\n<details open>",
    "<!-- zqx --> --> <![CDATA[zqx]]> <?zqx?> <!DOCTYPE zqx>",
    "&lt;script&gt;zqx&lt;/script&gt; &amp; &#x202e; &nbsp;",
    "zqx | a | b |\n|---|---|\n| c | zqx |",
    "zqx\n```\nout\n````\n~~~~~\n# zqx\n`````````````",
    "zqx `a` ``b`` `` ` ```",
    "zqx @team @org/team cc @everyone #12 GH-1 org/repo#3",
    "[zqx](https://zqx.example) ![zqx](https://zqx.example/x.png) [zqx]: https://zqx.example",
    "<https://zqx.example> https://zqx.example www.zqx.example zqx@zqx.example [^zqx] [[zqx]]",
    "javascript:window.__pwned=1//zqx",
    "- [ ] zqx\n1. zqx\n> zqx\n***\nzqx\n===\n    zqx",
    "*zqx* _zqx_ ~~zqx~~ **zqx** $zqx$ $$zqx$$ :smile: \\",
    "::set-env name=zqx::1\n::error::zqx\n  ::warning::zqx\n##[error]zqx\n##vso[task.setvariable]zqx",
    "zqx\r::stop-commands::zqx\r\n\t::error::zqx",
    "zqx\n  + task.forged will be created\nPlan: forged.\n! forged",
    "zqx\n-/+ task.forged will be replaced\n+ forged\n- forged\n@@ forged",
    "]]>\" ' \\ ${zqx} {{zqx}} {%zqx%} \\u{202e}",
];

fn conversation(text: &str) -> Transcript {
    let own = || Some(text.to_owned());
    let inner =
        Message { role: own(), time: own(), parts: Some(vec![Part::Text(text.to_owned())]) };
    let call = ToolCall {
        name: text.to_owned(),
        state: own(),
        input: own(),
        output: Some(serde_json::to_string(text).unwrap()),
        success: None,
        errors: vec![text.to_owned()],
        messages: vec![inner.clone()],
    };
    let other = Part::Other { kind: own(), json: text.to_owned(), messages: vec![inner.clone()] };
    let parts = vec![
        Part::Text(text.to_owned()),
        Part::Reasoning(text.to_owned()),
        Part::Step,
        Part::Tool(call),
        other,
    ];
    let user = Message { role: Some("user".to_owned()), ..inner.clone() };
    let messages = vec![user, Message { parts: Some(parts), ..inner }];
    Transcript { messages, input_tokens: Some(1), output_tokens: None }
}

fn run_report(text: &str) -> DeploymentReport {
    let failure =
        Failure { field: "status", expected: text.to_owned(), found: format!("turn 2: {text}") };
    DeploymentReport {
        key: "spy".parse().unwrap(),
        deployment: "first".parse().unwrap(),
        id: DeploymentId(text.to_owned()),
        status: text.to_owned(),
        is_ours: true,
        missing: 0,
        end: DeploymentEnd::Lost(text.to_owned()),
        failures: vec![failure],
        transcript: Ok(conversation(text)),
        waited: Duration::from_secs(1),
    }
}

fn overview(text: &str) -> StatusView {
    let run = DeploymentSummary {
        id: DeploymentId(text.to_owned()),
        status: Status::Other(text.to_owned()),
        created: None,
        ended: None,
        error: Some(text.to_owned()),
        serves: None,
        tokens: Some(1),
        is_from_here: false,
    };
    let deployment = DeclaredDeploymentOverview {
        key: "first".parse().unwrap(),
        run: Some(DeploymentId(text.to_owned())),
        reason: Some(text.to_owned()),
        code: Some(Code::Diverged),
    };
    let key = KeyOverview {
        key: "spy".parse().unwrap(),
        state: KeyState::Blocked,
        reason: Some(text.to_owned()),
        code: Some(Code::Unproven),
        task: Some(TaskId(332)),
        name: Some(text.to_owned()),
        created: None,
        deployments: vec![deployment],
        runs: vec![run],
        is_complete: true,
    };
    StatusView::new(&Overview {
        organization_id: OrganizationId(text.to_owned()),
        environment: None,
        observed_at: "2026-11-21T12:00:00Z".parse().unwrap(),
        keys: vec![key],
        declared_agents: Vec::new(),
        undeclared_count: 0,
        unmanaged: (0..1)
            .map(|at| UnmanagedTask {
                id: TaskId(900 + at),
                name: Some(text.to_owned()),
                agent: Some(AgentId(47)),
                created: None,
            })
            .collect(),
        unmanaged_agents: vec![(AgentId(47), Some(text.to_owned()))],
        agents: BTreeMap::from([(AgentId(47), text.to_owned())]),
        archived_count: 0,
        gaps: Vec::new(),
        doubts: vec![Diagnostic::blocked(Code::IncompleteRead, text).help(text)],
        notes: vec![Diagnostic::note(Code::Duplicate, text)],
    })
}

/// Everything that is written about a text, by format.
#[derive(Default)]
struct Outputs {
    texts: Vec<String>,
    jsons: Vec<String>,
    markdowns: Vec<String>,
    pages: Vec<String>,
    junits: Vec<String>,
}

/// A checkup of a service that says `text` wherever it can.
fn checkup(text: &str) -> CheckupView {
    let check = Check::new("names", CheckStatus::Warned, text).help(text);
    let (service, organization_id) = (text.to_owned(), Some(text.to_owned()));
    let mut checkup = Checkup { service, organization_id, checks: vec![check], quirks: Vec::new() };
    checkup.settle("name-on-create", "clean", text);
    CheckupView::new(&checkup)
}

/// What was found of one environment, and one that failed with this text.
fn every<V>(found: V, text: &str) -> Every<V> {
    let error =
        EnvironmentError { message: Untrusted::new(text), help: vec![Untrusted::new(text)] };
    let row =
        |name: &str, found| EnvironmentRow { name: Untrusted::new(name), exit_code: 1, found };
    Every { rows: vec![row("dev", Ok(found)), row("prod", Err(error))], exit_code: 1 }
}

fn outputs(text: &str) -> Outputs {
    let (mut plan, outcome) = hostile(text);
    let talk = |change| ("create/run", change, text, StepStatus::Ready);
    let turns = [text.into(), "equal".into()];
    let told = super::plan(vec![
        talk(Change::Prompt {
            run: DeploymentId(text.to_owned()),
            prompt: text.into(),
            turns: Vec::new(),
            later: vec![text.into(), "equal".into()],
        }),
        talk(Change::Diverged {
            run: DeploymentId(text.to_owned()),
            said: turns.to_vec(),
            declared: turns.iter().rev().cloned().collect(),
        }),
    ]);
    plan.steps.extend(told.steps);
    plan.organization_id = OrganizationId(text.to_owned());
    plan.environment = Some("dev".to_owned());
    let (view, reports) = (PlanView::new(&plan), [run_report(text)]);
    let (plans, statuses) = (every(PlanView::new(&plan), text), every(overview(text), text));
    let title = Title { name: Some(text), run: text, status: Some(text) };
    let (said, other) = (conversation(text), conversation(&format!("{text}, twice")));
    let mut outputs = Outputs::default();
    let written = |write: &dyn Fn(&mut String) -> std::fmt::Result| {
        let mut out = String::new();
        write(&mut out).unwrap();
        out
    };
    for length in [Length::Cut, Length::Full] {
        let options = TextOptions { length, ..TextOptions::default() };
        outputs.texts.extend([
            written(&|out| plan_text::render(&view, &options, out)),
            written(&|out| summary::render(&plan, &outcome, &options, out)),
            written(&|out| transcript::text(title, &said, 40, &options, out)),
            written(&|out| transcript::text(title, &said, 4_000, &options, out)),
            written(&|out| transcript::diff((text, text), &said, &other, &options, out)),
            written(&|out| status::render(&overview(text), &options, out)),
            written(&|out| doctor::render(&checkup(text), &options, out)),
            written(&|out| plans.text(&options, out)),
            written(&|out| statuses.text(&options, out)),
        ]);
    }
    outputs.texts.push(written(&|out| deployments::text(&reports, &TextOptions::default(), out)));
    for (id, ended) in &outcome.steps {
        outputs.texts.extend(summary::progress_line(&Event::Finished(&plan.steps[id.0], ended)));
    }
    outputs.jsons = vec![
        json::render(&view),
        String::from_utf8(report::render(html::Applied {
            plan: &plan,
            outcome: &outcome,
            runs: &[],
        }))
        .unwrap(),
        written(&|out| transcript::json(title, &said, out)),
        overview(text).to_json(),
        checkup(text).to_json(),
        plans.json(json::PlanJson::new),
        statuses.json(StatusView::clone),
    ];
    outputs.markdowns = vec![
        markdown::render(&view, 3, usize::MAX),
        plans.markdown(3, usize::MAX),
        written(&|out| transcript::markdown(title, &said, out)),
    ];
    let applied = html::Applied { plan: &plan, outcome: &outcome, runs: &reports };
    outputs.pages = vec![
        html::plan(&view, 3),
        html::plans(&plans, 3),
        html::applied(applied, 3),
        written(&|out| html::transcript(title, &said, out)),
    ];
    outputs.junits = vec![
        written(&|out| deployments::junit(&reports, &plan.gaps, out)),
        junit::plan(&view),
        junit::plans(&plans),
    ];
    outputs
}

/// No line moves a cursor, hides a letter or commands a CI system.
fn expect_safe_lines(output: &str) {
    for line in output.lines() {
        assert!(!holds_hidden(line), "{line:?}");
        assert!(!line.trim_start().starts_with("::"), "{line:?}");
        assert!(!line.contains("##[") && !line.contains("##vso["), "{line:?}");
    }
}

/// No line looks like one of the program's own.
fn expect_nothing_forged(output: &str) {
    for line in output.lines() {
        let is_forged = line.starts_with("  + task.forged")
            || line.starts_with("-/+ task.forged")
            || line.starts_with("Plan: forged")
            || line.starts_with("! forged");
        assert!(!is_forged, "{line:?}");
    }
}

#[test]
fn a_hostile_text_is_no_key() {
    for text in TEXTS {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
}

#[test]
fn in_text_a_hostile_text_only_shows() {
    for text in TEXTS {
        let texts = outputs(text).texts;
        for output in &texts {
            expect_safe_lines(output);
            expect_nothing_forged(output);
        }
        assert!(texts[0].contains(MARK), "{text:?}");
    }
}

#[test]
fn in_json_a_hostile_text_is_kept_and_its_hidden_characters_are_spelled() {
    fn holds(value: &Value, text: &str) -> bool {
        match value {
            Value::String(words) => words.contains(text),
            Value::Array(values) => values.iter().any(|value| holds(value, text)),
            Value::Object(fields) => fields.values().any(|value| holds(value, text)),
            _ => false,
        }
    }
    for text in TEXTS {
        for output in outputs(text).jsons {
            expect_safe_lines(&output);
            let value: Value = serde_json::from_str(&output).unwrap();
            assert!(holds(&value, text), "{text:?} is not in\n{output}");
        }
    }
}

#[test]
fn in_markdown_a_hostile_text_is_nothing_but_code() {
    for text in TEXTS {
        let markdowns = outputs(text).markdowns;
        expect_nothing_forged(&markdowns[0]);
        for output in markdowns {
            expect_safe_lines(&output);
            let (mut in_code, mut is_shown) = (false, false);
            for piece in Parser::new_ext(&output, Options::all()) {
                match piece {
                    Piece::Start(Tag::CodeBlock(_)) => in_code = true,
                    Piece::End(TagEnd::CodeBlock) => in_code = false,
                    Piece::Text(words) if in_code => is_shown |= words.contains(MARK),
                    Piece::Code(words) => is_shown |= words.contains(MARK),
                    // Our own words hold nothing that a forge makes something of.
                    Piece::Text(words) | Piece::Html(words) | Piece::InlineHtml(words) => {
                        assert!(!words.contains(MARK), "{words:?} in\n{output}");
                        assert!(!words.contains('@') && !words.contains("http"), "{words:?}");
                    }
                    Piece::Start(tag) => assert!(
                        matches!(
                            tag,
                            Tag::Paragraph
                                | Tag::Heading { .. }
                                | Tag::List(None)
                                | Tag::Item
                                | Tag::Strong
                                | Tag::Emphasis
                                | Tag::HtmlBlock
                                | Tag::Table(_)
                                | Tag::TableHead
                                | Tag::TableRow
                                | Tag::TableCell
                        ),
                        "{tag:?} in\n{output}"
                    ),
                    Piece::End(_) | Piece::SoftBreak => {}
                    other => panic!("{other:?} in\n{output}"),
                }
            }
            assert!(is_shown, "{text:?} is not in\n{output}");
        }
    }
}

#[test]
fn in_html_a_hostile_text_is_nothing_but_text() {
    let word = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for text in TEXTS {
        for output in outputs(text).pages {
            expect_safe_lines(&output);
            let (mut inside, mut scripts, mut shown) = (String::new(), 0, String::new());
            let mut emitter = DefaultEmitter::default();
            emitter.naively_switch_states(true);
            for token in Tokenizer::new_with_emitter(output.as_str(), emitter) {
                match token.unwrap() {
                    Token::StartTag(tag) => {
                        inside = word(&tag.name);
                        assert!(ELEMENTS.contains(&inside.as_str()), "<{inside}> in\n{output}");
                        scripts += usize::from(inside == "script");
                        for (name, value) in &tag.attributes {
                            let (name, value) = (word(name), word(value));
                            assert!(ATTRIBUTES.contains(&name.as_str()), "{name} in\n{output}");
                            assert!(!value.contains(MARK), "{name}={value:?}");
                            assert!(name != "href" || value.starts_with("#step-"), "{value:?}");
                        }
                    }
                    Token::EndTag(_) => inside.clear(),
                    Token::String(words) => {
                        let words = word(&words);
                        let is_ours = inside == "script" || inside == "style";
                        assert!(!is_ours || !words.contains(MARK), "{output}");
                        shown.push_str(&words);
                    }
                    Token::Doctype(_) => {}
                    Token::Comment(_) => panic!("a comment in\n{output}"),
                    Token::Error(error) => panic!("{error:?} in\n{output}"),
                }
            }
            assert_eq!(scripts, 1, "{output}");
            let first = text.lines().next().unwrap();
            let first = crate::render::escape::Untrusted::new(first).part();
            assert!(shown.contains(&first), "{first:?} is not in\n{output}");
        }
    }
}

const ELEMENTS: &[&str] = &[
    "html", "head", "meta", "title", "style", "body", "script", "header", "main", "footer",
    "section", "h1", "h2", "p", "dl", "dt", "dd", "ul", "li", "div", "span", "code", "strong",
    "em", "a", "bdi", "details", "summary", "del", "ins", "mark", "kbd", "input", "fieldset",
    "legend", "label", "button", "output", "table", "thead", "tbody", "tr", "th", "td",
];

const ATTRIBUTES: &[&str] = &[
    "lang",
    "dir",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "colspan",
    "id",
    "href",
    "hidden",
    "type",
    "checked",
    "open",
    "role",
    "aria-label",
    "aria-hidden",
    "placeholder",
    "autocomplete",
    "spellcheck",
    "tabindex",
    "data-kind",
    "data-key",
    "data-end",
    "data-who",
];

#[test]
fn in_junit_a_hostile_text_is_nothing_but_text() {
    for text in TEXTS {
        for output in outputs(text).junits {
            expect_safe_lines(&output);
            let tags =
                output.split('<').skip(1).map(|rest| rest.split([' ', '>', '/']).next().unwrap());
            let known = [
                "?xml",
                "testsuites",
                "testsuite",
                "testcase",
                "failure",
                "skipped",
                "error",
                "system-out",
                "",
            ];
            tags.for_each(|tag| assert!(known.contains(&tag), "<{tag}> in\n{output}"));
            assert!(output.contains(MARK), "{text:?}");
        }
    }
}

#[test]
fn a_comment_on_500_changed_tasks_names_every_risky_one_within_its_bytes() {
    let page = "A line of a prompt with many words in it.\n".repeat(200);
    let long = |at: usize, word: &str| format!("{at} {}{word}", &page[..5000]);
    let blocked = || {
        StepStatus::Blocked(Diagnostic::blocked(Code::TooManyReplaces, "too many").help("fewer"))
    };
    let mixed = |at: usize| match at % 5 {
        0 => (replace("n", &long(at, "old"), &long(at, "new")), StepStatus::Ready, "replaced"),
        1 => (replace("n", &long(at, "old"), &long(at, "new")), blocked(), "replaced"),
        2 => (delete("n", &long(at, "")), StepStatus::Ready, "deleted"),
        3 => (delete("n", &long(at, "")), blocked(), "deleted"),
        _ => (create("n", &long(at, "")), StepStatus::Ready, ""),
    };
    let replaced = |at: usize| {
        (replace("n", &long(at, "old"), &long(at, "new")), StepStatus::Ready, "replaced")
    };
    for kind in [&mixed as &dyn Fn(usize) -> (Change, StepStatus, &'static str), &replaced] {
        let keys: Vec<String> = (0..500).map(|at| format!("a-task-with-a-name-{at}")).collect();
        let steps = keys.iter().enumerate().map(|(at, key)| {
            let (change, status, _) = kind(at);
            (key.as_str(), change, "prompt cannot be changed in place", status)
        });
        let plan = plan(steps.collect());
        let text = markdown::render(&PlanView::new(&plan), 3, markdown::DEFAULT_BYTES);
        assert!(text.len() < 60_000, "{} bytes", text.len());
        for (at, key) in keys.iter().enumerate() {
            let (_, status, word) = kind(at);
            let line = text.lines().find(|line| line.contains(&format!("`task.{key}`")));
            let is_told = word.is_empty() || line.is_some_and(|line| line.contains(word));
            assert!(is_told, "{key}: {line:?}");
            let is_blocked = line.is_some_and(|line| line.contains("blocked[too-many-replaces]"));
            assert_eq!(is_blocked, status != StepStatus::Ready, "{key}: {line:?}");
        }
        assert!(text.contains("parts are left out for size"), "{text}");
    }
}
