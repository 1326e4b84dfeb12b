//! What a browser shows of our pages, and that nothing in them does anything of its own.
//!
//! In Chromium, headless. Where there is none these tests say that they are skipped; with `CI` set
//! they fail.

use std::collections::BTreeSet;
use std::time::Duration;

use qcops::diag::{Code, Diagnostic};
use qcops::event::{DeploymentEnd, DeploymentReport, Done, Outcome, StepOutcome};
use qcops::kinds::NAME;
use qcops::model::{DeploymentId, OrganizationId, TaskId};
use qcops::plan::{Change, Plan, Prune};
use qcops::render::html::{self, Applied};
use qcops::render::transcript::Title;
use qcops::render::view::PlanView;
use qcops::resource::Value;
use qcops::transcript::{Failure, Message, Part, ToolCall, Transcript};
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::scene::{Named, Scene, key};

/// What stands in names, prompts and all other words of strangers.
const HOSTILE: &str = "<script>window.__pwned=1</script><img src=x onerror=window.__pwned=1>\
    \"'><svg onload=window.__pwned=1></textarea></title></style></script>\
    <iframe src=https://evil.example></iframe><a href=javascript:window.__pwned=1>x</a>\
    <link rel=stylesheet href=https://evil.example/x.css><meta http-equiv=refresh content=0>\
    </code></div></details><base href=https://evil.example><form action=//evil.example>\
    <input autofocus onfocus=window.__pwned=1>&lt;b&gt;\u{202e}\u{200b}\u{1b}[31m";

/// The elements that our pages are made of.
const ELEMENTS: &[&str] = &[
    "A", "BDI", "BODY", "BUTTON", "CODE", "DD", "DEL", "DETAILS", "DIV", "DL", "DT", "EM",
    "FIELDSET", "FOOTER", "H1", "H2", "HEAD", "HEADER", "HTML", "INPUT", "INS", "KBD", "LABEL",
    "LEGEND", "LI", "MAIN", "MARK", "META", "OUTPUT", "P", "SCRIPT", "SECTION", "SPAN", "STRONG",
    "STYLE", "SUMMARY", "TABLE", "TBODY", "TD", "TH", "THEAD", "TITLE", "TR", "UL",
];

/// Two tasks to make, one to replace, one to rename, one that is deferred.
fn plan() -> Plan {
    let mut scene = Scene::established(5);
    scene.declare("alpha", "Buy SPY\nand hold it");
    scene.declare("beta", "Buy QQQ");
    scene.declare("k0", "prompt zero\nand another line");
    scene.declare("k1", "prompt 1").set_name("A better name");
    scene.plan_context.desired_state.tasks.remove(&key("k2"));
    scene.plan()
}

fn page(plan: &Plan) -> String {
    html::plan(&PlanView::new(plan), 3)
}

fn transcript_page(title: Title<'_>, transcript: &Transcript) -> String {
    let mut page = String::new();
    html::transcript(title, transcript, &mut page).expect("a string takes everything");
    page
}

/// The keys of the steps that are seen.
const SEEN: &str = "Array.from(document.querySelectorAll('.step')) \
    .filter((step) => step.checkVisibility() && step.getBoundingClientRect().height > 0) \
    .map((step) => step.dataset.key)";

/// The ratio of luminance between each text and what lies behind it, where it is too small to read.
const FAINT: &str = "(() => {
    const parse = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = parse(color).map((c) => c / 255)
            .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if ((parse(color)[3] ?? 1) === 1) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const faint = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility()) continue;
        const pair = [light(getComputedStyle(element).color), light(behind(element))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 4.5) faint.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
    }
    return faint;
})()";

#[test]
fn a_plan_is_shown_in_light_and_in_dark_and_asks_nobody_for_anything() {
    let Some(mut browser) = Browser::start() else { return };
    let page = page(&plan());
    let mut backgrounds = BTreeSet::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).open(&page);
        let background = browser.eval("getComputedStyle(document.body).backgroundColor");
        backgrounds.insert(background.as_str().unwrap().to_owned());
        assert_eq!(browser.eval(FAINT), json!([]), "{scheme}");
        let text = browser.eval("document.body.innerText");
        let text = text.as_str().unwrap();
        for words in ["1 to replace", "task.k0", "prompt zero", "A better name", "prune-off"] {
            assert!(text.contains(words), "no `{words}` in\n{text}");
        }
        assert_eq!(browser.errors(), Vec::<String>::new());
        assert!(browser.color_count() > 50, "{scheme}: the picture is nearly empty");
    }
    assert_eq!(backgrounds.len(), 2, "{backgrounds:?}");
}

#[test]
fn everything_is_there_and_filtered_by_action_without_scripts() {
    let Some(mut browser) = Browser::start() else { return };
    browser.without_scripts().open(&page(&plan()));
    assert_eq!(browser.eval(SEEN).as_array().unwrap().len(), 5);
    assert_eq!(browser.eval("document.querySelector('#find').checkVisibility()"), false);
    browser.eval("document.querySelector('#show-create').focus()");
    browser.press("Space");
    assert_eq!(browser.eval(SEEN), json!(["task.k0", "task.k1", "task.k2"]));
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn steps_are_filtered_by_action_and_by_key() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&plan()));
    let shown = "document.querySelector('#shown').textContent";
    assert_eq!(browser.eval(SEEN).as_array().unwrap().len(), 5);
    browser.eval("document.querySelector('#show-create').click()");
    assert_eq!(browser.eval(SEEN), json!(["task.k0", "task.k1", "task.k2"]));
    let display = "getComputedStyle(document.querySelector('[data-key=\"task.beta\"]')).display";
    assert_eq!(browser.eval(display), "none");
    assert_eq!(browser.eval(shown), "3 of 5");
    browser.eval("document.querySelector('#find').focus()");
    browser.enter("K1");
    assert_eq!(browser.eval(SEEN), json!(["task.k1"]));
    browser.enter("no such key");
    assert_eq!(browser.eval(SEEN), json!([]));
    let none = "document.querySelector('#none').checkVisibility()";
    assert_eq!(browser.eval(none), true);
    browser.press("Escape");
    browser.eval("document.querySelector('#show-create').click()");
    assert_eq!(browser.eval(SEEN).as_array().unwrap().len(), 5);
    assert_eq!(browser.eval(none), false);
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn the_keyboard_is_enough() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&plan()));
    let at = "document.activeElement.id || document.activeElement.tagName";
    let mut order = Vec::new();
    for _ in 0..9 {
        let focused = browser.press("Tab").eval(at);
        order.push(focused.as_str().unwrap().to_owned());
    }
    let filters = ["find", "show-create", "show-update", "show-replace", "show-deferred"];
    assert_eq!(order[..5], filters);
    // Of two radio buttons one is a stop; then the link to what is deferred, then the steps.
    assert_eq!(order[5..], ["inline", "all", "A", "SUMMARY"]);
    browser.open(&page(&plan()));
    assert_eq!(browser.press("/").eval(at), "find");
    assert_eq!(browser.eval("document.querySelector('#find').value"), "");
    // Typed there, a letter is a letter.
    browser.press("n");
    assert_eq!(browser.eval("document.querySelector('#find').value"), "n");
    browser.press("Escape");
    let step = "document.activeElement.closest('.step')?.dataset.key ?? null";
    let first = browser.press("n").eval(step);
    let second = browser.press("n").eval(step);
    assert_ne!(first, second);
    assert_eq!(browser.press("p").eval(step), first);
    let is_open = "document.activeElement.parentElement.open";
    let was_open = browser.eval(is_open);
    assert_ne!(browser.press("Enter").eval(is_open), was_open);
    let opened = "document.querySelectorAll('.step[open]').length";
    assert_eq!(browser.press("o").eval(opened), 5);
    assert_eq!(browser.press("o").eval(opened), 0);
    browser.press("o");
    let columns = "new Set(Array.from(document.querySelectorAll('.row'))\
        .filter((row) => row.checkVisibility()).map((row) => row.getBoundingClientRect().left)).size";
    assert_eq!(browser.eval(columns), 1);
    assert_eq!(browser.press("s").eval(columns), 2);
    assert_eq!(browser.press("s").eval(columns), 1);
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.press("n").eval(outline), "solid");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

/// A plan, an apply and a conversation in which every word that can be a stranger's is hostile.
fn hostile_pages() -> Vec<String> {
    let mut scene = Scene::established(4);
    scene.declare("alpha", HOSTILE).set_name(HOSTILE);
    scene.declare("k0", &format!("prompt 0\n{HOSTILE}")).set_name(HOSTILE);
    scene.declare("k1", "prompt 1").set_name(HOSTILE);
    scene.state.tasks.items[2].set_name(HOSTILE);
    scene.plan_context.desired_state.tasks.remove(&key("k3"));
    scene.plan_context.options.prune = Prune::On;
    let mut plan = scene.plan();
    let finding = |code| Diagnostic::note(code, HOSTILE).help(HOSTILE);
    plan.organization_id = OrganizationId(HOSTILE.to_owned());
    plan.notes.push(finding(Code::Duplicate));
    plan.doubts.push(finding(Code::Unproven));
    for step in &mut plan.steps {
        HOSTILE.clone_into(&mut step.reason);
        if let Change::Create { object } = &mut step.change {
            *object = object.with(NAME, Value::Text(HOSTILE.into())).whole().unwrap();
        }
    }
    let own = || Some(HOSTILE.to_owned());
    let said = |parts| Message { role: own(), time: own(), parts: Some(parts) };
    let words = || Part::Text(HOSTILE.to_owned());
    let inner = || vec![said(vec![words()])];
    let call = ToolCall {
        name: HOSTILE.to_owned(),
        state: own(),
        input: own(),
        output: own(),
        success: None,
        errors: vec![HOSTILE.to_owned()],
        messages: inner(),
    };
    let other = Part::Other { kind: own(), json: HOSTILE.to_owned(), messages: inner() };
    let parts = vec![words(), Part::Reasoning(HOSTILE.to_owned()), Part::Tool(call), other];
    let transcript = Transcript { messages: vec![said(parts)], ..Transcript::default() };
    let title = Title { name: Some(HOSTILE), run: HOSTILE, status: Some(HOSTILE) };
    let run = DeploymentReport {
        key: key("alpha"),
        deployment: key("first"),
        id: DeploymentId(HOSTILE.to_owned()),
        status: HOSTILE.to_owned(),
        is_ours: true,
        missing: 0,
        end: DeploymentEnd::Lost(HOSTILE.to_owned()),
        failures: vec![Failure {
            field: "status",
            expected: HOSTILE.to_owned(),
            found: HOSTILE.to_owned(),
        }],
        transcript: Ok(transcript.clone()),
        waited: Duration::ZERO,
    };
    let done = Done {
        task: Some(TaskId(5)),
        deployment: Some(DeploymentId(HOSTILE.to_owned())),
        notes: vec![finding(Code::Duplicate)],
        ..Done::default()
    };
    let ends = [
        StepOutcome::Done(done),
        StepOutcome::Failed(finding(Code::Refused)),
        StepOutcome::Unknown(finding(Code::Refused)),
    ];
    let steps = plan.steps.iter().map(|step| step.id).zip(ends.into_iter().cycle());
    let outcome = Outcome { steps: steps.collect(), is_interrupted: false };
    let applied = Applied { plan: &plan, outcome: &outcome, runs: &[run] };
    vec![page(&plan), html::applied(applied, 3), transcript_page(title, &transcript)]
}

#[test]
fn no_script_of_a_stranger_runs_and_no_element_of_theirs_arises() {
    let Some(mut browser) = Browser::start() else { return };
    for page in hostile_pages() {
        browser.open(&page);
        // What is folded could still act, once it is opened.
        browser.eval("document.querySelectorAll('details').forEach((at) => { at.open = true })");
        assert_eq!(browser.eval("typeof window.__pwned"), "undefined");
        let names =
            "Array.from(new Set(Array.from(document.querySelectorAll('*'), (at) => at.tagName)))";
        for name in browser.eval(names).as_array().unwrap() {
            assert!(ELEMENTS.contains(&name.as_str().unwrap()), "<{name}>");
        }
        assert_eq!(browser.eval("document.scripts.length"), 1);
        let handlers = "Array.from(document.querySelectorAll('*')).flatMap((at) => \
            at.getAttributeNames().filter((name) => name.startsWith('on') || name === 'src'))";
        assert_eq!(browser.eval(handlers), json!([]));
        let links = "Array.from(document.links).filter((link) => !link.hash).length";
        assert_eq!(browser.eval(links), 0);
        let shown = browser.eval("document.body.innerText");
        assert!(shown.as_str().unwrap().contains("<script>window.__pwned=1</script>"));
        assert_eq!(browser.errors(), Vec::<String>::new());
    }
}

#[test]
fn even_an_element_that_got_in_could_not_act() {
    let Some(mut browser) = Browser::start() else { return };
    // A page of ours with a hole: the policy is what is left.
    let hole = "<main><script>window.__pwned=1</script><img src=https://evil.example/x.png \
        onerror=window.__pwned=1><style>body { color: red }</style>";
    browser.open(&page(&plan()).replacen("<main>", hole, 1));
    assert_eq!(browser.eval("typeof window.__pwned"), "undefined");
    assert_ne!(browser.eval("getComputedStyle(document.body).color"), "rgb(255, 0, 0)");
    let errors = browser.errors().join("\n");
    assert!(errors.contains("Content Security Policy"), "the judge saw nothing: {errors}");
}

#[test]
fn a_thousand_steps_are_shown_and_filtered() {
    let Some(mut browser) = Browser::start() else { return };
    let mut scene = Scene::established(500);
    let prompt = "A line of a prompt that is long enough to be one.\n".repeat(20);
    for at in 0..500 {
        scene.declare(&format!("new{at}"), &format!("new {at}\n{prompt}"));
        scene.declare(&format!("k{at}"), &format!("other {at}\n{prompt}"));
    }
    let limits = &mut scene.plan_context.options.limits;
    (limits.create, limits.replace) = (Some(1000), Some(1000));
    let plan = scene.plan();
    assert_eq!(plan.steps.len(), 1000);
    browser.open(&page(&plan));
    assert_eq!(browser.eval(SEEN).as_array().unwrap().len(), 1000);
    browser.eval("document.querySelector('#show-replace').click()");
    assert_eq!(browser.eval(SEEN).as_array().unwrap().len(), 500);
    browser.press("/").enter("new42");
    let expected: Vec<String> =
        std::iter::once(42).chain(420..430).map(|at| format!("task.new{at}")).collect();
    let seen: BTreeSet<String> = serde_json::from_value(browser.eval(SEEN)).unwrap();
    assert_eq!(seen, expected.into_iter().collect());
    assert_eq!(browser.eval("document.querySelector('#shown').textContent"), "11 of 1000");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn a_conversation_is_read_with_its_tools_folded() {
    let Some(mut browser) = Browser::start() else { return };
    let say =
        |role: &str, parts| Message { role: Some(role.to_owned()), time: None, parts: Some(parts) };
    let call = ToolCall {
        name: "create_backtest".to_owned(),
        success: Some(true),
        output: Some("{\"sharpe\": 1.2}".to_owned()),
        ..ToolCall::default()
    };
    let messages = vec![
        say("user", vec![Part::Text("Backtest SPY".to_owned())]),
        say("assistant", vec![Part::Tool(call), Part::Text("The Sharpe Ratio is 1.2.".to_owned())]),
    ];
    let transcript = Transcript { messages, ..Transcript::default() };
    let title = Title { name: Some("spy/first"), run: "A-1", status: Some("Completed") };
    browser.open(&transcript_page(title, &transcript));
    let text = "document.body.innerText";
    let shown = browser.eval(text);
    for words in ["Turn 2 assistant", "tool create_backtest succeeded", "The Sharpe Ratio is 1.2."]
    {
        assert!(shown.as_str().unwrap().contains(words), "no `{words}` in {shown}");
    }
    assert!(!shown.as_str().unwrap().contains("sharpe\": 1.2"), "{shown}");
    assert!(browser.press("o").eval(text).as_str().unwrap().contains("{\"sharpe\": 1.2}"));
    let who = "document.activeElement.dataset.who";
    assert_eq!(browser.press("n").eval(who), "user");
    assert_eq!(browser.press("n").eval(who), "assistant");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

/// The elements that reach beyond the window, or hold text that does.
const WIDE: &str = "Array.from(document.querySelectorAll('body *')) \
    .filter((at) => at.checkVisibility() && \
        (at.getBoundingClientRect().right > innerWidth + 1 || at.scrollWidth > at.clientWidth + 1 && at.clientWidth > 0)) \
    .map((at) => `${at.tagName}.${at.className} ${at.textContent.slice(0, 40)}`)";

/// A conversation with a tool that failed, one that did not, ids and words without an end.
fn long_words() -> Transcript {
    let call = |success, errors: &[&str]| {
        Part::Tool(ToolCall {
            name: format!("create_{}", "backtest_".repeat(12)),
            success: Some(success),
            errors: errors.iter().map(|&error| error.to_owned()).collect(),
            output: Some(format!("{{\"id\": \"{}\"}}", "f".repeat(90))),
            ..ToolCall::default()
        })
    };
    let parts =
        vec![call(false, &[&"broke".repeat(30)]), call(true, &[]), Part::Text("x".repeat(200))];
    let role = Some("assistant".to_owned());
    let message =
        Message { role, time: Some("2026-11-21 12:00:00".to_owned()), parts: Some(parts) };
    Transcript { messages: vec![message], ..Transcript::default() }
}

const LONG_ID: &str = "A-1f8e8c6cbab7827743512069a19be9001f8e8c6cbab7827743512069a19be900";

#[test]
fn on_a_phone_nothing_reaches_beyond_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let mut plan = plan();
    for step in &mut plan.steps {
        step.reason = format!("{} `{}`", step.reason, "w".repeat(90));
    }
    let run = DeploymentReport {
        key: key("alpha"),
        deployment: "first".parse().unwrap(),
        id: DeploymentId(LONG_ID.to_owned()),
        status: "Completed".to_owned(),
        is_ours: true,
        missing: 0,
        end: DeploymentEnd::Lost("w".repeat(90)),
        failures: Vec::new(),
        transcript: Ok(long_words()),
        waited: Duration::from_secs(1),
    };
    let done = Done { deployment: Some(DeploymentId(LONG_ID.to_owned())), ..Done::default() };
    let steps = plan.steps.iter().map(|step| (step.id, StepOutcome::Done(done.clone())));
    let outcome = Outcome { steps: steps.collect(), is_interrupted: false };
    let applied = Applied { plan: &plan, outcome: &outcome, runs: &[run] };
    let title = Title { name: Some("alpha/first"), run: LONG_ID, status: Some("Completed") };
    let pages = [page(&plan), html::applied(applied, 3), transcript_page(title, &long_words())];
    for page in pages {
        browser.narrow(390).open(&page);
        browser.eval("document.querySelectorAll('details').forEach((at) => { at.open = true })");
        assert_eq!(browser.eval(WIDE), json!([]));
        assert_eq!(browser.eval("innerWidth"), 390);
        assert_eq!(browser.eval("document.documentElement.scrollWidth"), 390);
    }
}

#[test]
fn a_failed_tool_looks_like_a_failure() {
    let Some(mut browser) = Browser::start() else { return };
    let title = Title { name: None, run: LONG_ID, status: None };
    let page = transcript_page(title, &long_words());
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).open(&page);
        let look = "Array.from(document.querySelectorAll('.fold > summary'), (at) => \
            getComputedStyle(at).color + ' ' + getComputedStyle(at.parentElement).borderLeftColor)";
        let reads: Vec<String> = serde_json::from_value(browser.eval(look)).unwrap();
        assert_eq!(reads.len(), 2);
        assert_ne!(reads[0], reads[1], "{scheme}");
        assert_eq!(browser.eval(FAINT), json!([]), "{scheme}");
    }
}

#[test]
fn the_footer_names_the_keys_that_do_something_on_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let title = Title { name: None, run: "A-1", status: None };
    let words = Message { parts: Some(vec![Part::Text("hello".to_owned())]), ..Message::default() };
    let plain = Transcript { messages: vec![words], ..Transcript::default() };
    let no_steps = Plan { steps: Vec::new(), ..plan() };
    let table = [
        ("a plan", page(&plan()), json!(["/", "n", "p", "o", "s"])),
        ("a plan of nothing", page(&no_steps), json!([])),
        ("tools", transcript_page(title, &long_words()), json!(["n", "p", "o"])),
        ("words alone", transcript_page(title, &plain), json!(["n", "p"])),
        ("nothing said", transcript_page(title, &Transcript::default()), json!([])),
    ];
    for (kind, page, keys) in table {
        browser.open(&page);
        let shown = "Array.from(document.querySelectorAll('footer kbd'), (at) => at.textContent)";
        assert_eq!(browser.eval(shown), keys, "{kind}");
    }
}
