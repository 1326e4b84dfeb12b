//! Agents in the emulator: what each quirk shows at each endpoint, and the faults.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use qcops::emulator::{Agent, Emulator, FAULTS, ORGANIZATION_ID, QUIRKS as ALL, Storage, World};
use serde_json::{Value, json};

use super::{Bench, Line, SIDES, begin, clock, task_body};

/// The quirks of agents, all of which the table below shows.
pub(super) const QUIRKS: &str = "platform-agents delete-agent-in-use token-echo \
    agent-name-on-create agent-name-on-update duplicate-agent-name system-prompt model-with-qcc \
    tool-order default-tool unknown-tool keyless-agent unknown-agent agent-definitions \
    expand-agents agent-list-entry agent-update-lag-ms agent-update-answer explicit-null \
    delete-referenced-agent private-agents others-agents";

/// The story behind the table: agent 50 is called by 51, which a task runs; 52 is somebody's own.
async fn prepare(bench: &Bench) {
    let agent = |fields: Value| {
        let mut body = json!({"organizationId": ORGANIZATION_ID});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    bench.good("/agents/create", agent(json!({"name": "Helper", "maxTurns": 7}))).await;
    let references = json!({"name": "Main", "chainedAgents": [{"agentId": 50, "step": 1}]});
    bench.good("/agents/create", agent(references)).await;
    let edit = |world: &mut World| {
        world.add_agent(json!({"name": "Theirs"}));
        world.add_task("a", 51, "p");
    };
    bench.emulator.with_world(edit).await.unwrap();
}

/// Its requests: what each one is about, the endpoint and the body.
fn requests() -> Vec<(&'static str, &'static str, Value)> {
    let organization = json!({"organizationId": ORGANIZATION_ID});
    let named = |name: &str| json!({"organizationId": ORGANIZATION_ID, "name": name});
    let mut created = named("My  Agent!");
    let fields = json!({
        "systemPrompt": " Be\nbrief ", "model": "claude-opus-4-7", "reasoningEffort": "low",
        "maxTurns": 5, "toolChoice": "any", "tools": ["read_backtest", "datasets"],
    });
    created.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let updated = json!({
        "agentId": 50, "name": "My  Helper!", "systemPrompt": " Be\nkind ",
        "model": "claude-opus-4-7", "maxTurns": 9, "tools": ["read_backtest", "datasets"],
    });
    let (mut keyed, mut keyless) = (named("Keyed"), named("Keyless"));
    keyed["useQCC"] = false.into();
    keyed["token"] = json!({"llmApiTokenUser": "key", "llmProviderApi": "anthropic"});
    keyless["useQCC"] = false.into();
    let (mut strange, mut dangling) = (named("Strange"), named("Dangling"));
    strange["tools"] = json!(["datasets", "no_such_tool"]);
    dangling["subAgents"] = json!([{"agentId": 99}]);
    let edit = |id: u64, name: &str, value: Value| json!({"agentId": id, (name): value});
    vec![
        ("create", "create", created),
        ("create, own key", "create", keyed),
        ("update", "update", updated),
        ("read", "read", json!({"agentId": 50})),
        ("read, chaining", "read", json!({"agentId": 51})),
        ("list", "list", organization),
        ("create, no key", "create", keyless),
        ("create, name taken", "create", named("Main")),
        ("create, unknown tool", "create", strange),
        ("create, unknown agent", "create", dangling),
        ("update, name taken", "update", edit(50, "name", json!("Main"))),
        ("update, unknown tool", "update", edit(50, "tools", json!(["no_such_tool"]))),
        (
            "update, unknown agent",
            "update",
            edit(50, "chainedAgents", json!([{"agentId": 99, "step": 1}])),
        ),
        ("update, null model", "update", edit(50, "model", Value::Null)),
        ("update, null maxTurns", "update", edit(50, "maxTurns", Value::Null)),
        ("update, null name", "update", edit(50, "name", Value::Null)),
        ("update, somebody's", "update", edit(52, "description", json!("x"))),
        ("update, the platform's", "update", edit(47, "public", json!(true))),
        ("read, updated", "read", json!({"agentId": 50})),
        ("deploy", "deployments/create", json!({"taskId": 332})),
        ("conversation", "deployments/conversation/read", json!({"deploymentId": "RUN"})),
        ("delete, referred to", "delete", json!({"agentId": 50})),
        ("read, referring", "read", json!({"agentId": 51})),
        ("delete, in use", "delete", json!({"agentId": 51})),
        ("delete, somebody's", "delete", json!({"agentId": 52})),
        ("delete", "delete", json!({"agentId": 53})),
    ]
}

/// What each request of the story is answered, under one setting.
async fn answers(setting: Option<&str>) -> Vec<Value> {
    let bench = Bench::in_process();
    prepare(&bench).await;
    if let Some(setting) = setting {
        bench.set(&[setting]).await;
    }
    let mut answers = Vec::new();
    for (_, endpoint, mut body) in requests() {
        if body["deploymentId"] == "RUN" {
            let id = |world: &mut World| world.deployments().next().unwrap().id.clone();
            body["deploymentId"] = bench.emulator.with_world(id).await.unwrap().into();
        }
        let mut seen = bench.post(&format!("/agents/{endpoint}"), body).await.body;
        if let Some(agents) = seen["agents"].as_array() {
            let by_id = agents.iter().map(|agent| (agent["id"].to_string(), agent.clone()));
            seen["agents"] = by_id.filter(|(id, _)| id != "48" && id != "49").collect();
        }
        answers.push(seen);
    }
    answers
}

/// What is different in an answer, in one line.
fn difference(usual: &Value, seen: &Value) -> Option<String> {
    if usual["success"] != seen["success"] {
        let refusal = seen["errors"][0].as_str();
        return Some(refusal.map_or("accepted".to_owned(), |text| format!("refused: {text}")));
    }
    let mut parts = Vec::new();
    compare("", usual, seen, &mut parts);
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn compare(path: &str, usual: &Value, seen: &Value, parts: &mut Vec<String>) {
    match (usual, seen) {
        (Value::Object(old), Value::Object(new)) => {
            let is_lost = |name: &&String| !new.contains_key(name.as_str());
            let lost: Vec<&String> = old.keys().filter(is_lost).collect();
            if lost.len() > 1 {
                let left: Vec<&str> = new.keys().map(String::as_str).collect();
                parts.push(format!("{path} has only {}", left.join(", ")));
            } else {
                parts.extend(lost.iter().map(|name| format!("no {path}/{name}")));
            }
            for (name, seen) in new {
                let path = format!("{path}/{name}");
                match old.get(name) {
                    Some(usual) => compare(&path, usual, seen, parts),
                    None => parts.push(format!("with {path}")),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            if old.iter().chain(new).all(Value::is_object) {
                for (at, (usual, seen)) in old.iter().zip(new).enumerate() {
                    compare(&format!("{path}/{at}"), usual, seen, parts);
                }
            } else if old != new {
                parts.push(format!("{path} = {seen}"));
            }
        }
        _ if usual != seen => parts.push(format!("{path} = {seen}")),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a table with a row for each quirk and endpoint")]
async fn every_quirk_of_agents_shows_at_its_endpoints() {
    let usual = answers(None).await;
    let mut table = Vec::new();
    for spec in ALL.iter().filter(|spec| QUIRKS.split(' ').any(|name| name == spec.name)) {
        let values = if spec.values.is_empty() { &["5000"][..] } else { spec.values };
        for value in values {
            let setting = format!("{}={value}", spec.name);
            let answers = answers(Some(&setting)).await;
            for (at, (about, ..)) in requests().iter().enumerate() {
                if let Some(difference) = difference(&usual[at], &answers[at]) {
                    table.push(format!("{setting} | {about} | {difference}"));
                }
            }
        }
        let start = format!("{}=", spec.name);
        assert!(table.iter().any(|row| row.starts_with(&start)), "{start} shows nowhere");
    }
    insta::assert_snapshot!(table.join("\n"), @r#"
    platform-agents=hidden | list | no /agents/47
    delete-agent-in-use=accept | delete, in use | accepted
    token-echo=clear | create, own key | /agent/token/llmApiTokenUser = "key"
    token-echo=clear | list | /agents/54/token/llmApiTokenUser = "key"
    token-echo=missing | create, own key | no /agent/token
    token-echo=missing | list | no /agents/54/token
    agent-name-on-create=collapse | create | /agent/name = "My Agent!"
    agent-name-on-create=collapse | list | /agents/53/name = "My Agent!"
    agent-name-on-create=clean | create | /agent/name = "My Agent"
    agent-name-on-create=clean | list | /agents/53/name = "My Agent"
    agent-name-on-create=title | create | /agent/name = "My Agent"
    agent-name-on-create=title | list | /agents/53/name = "My Agent"
    agent-name-on-create=fold | create | /agent/name = "my-agent"
    agent-name-on-create=fold | create, own key | /agent/name = "keyed"
    agent-name-on-create=fold | list | /agents/53/name = "my-agent"; /agents/54/name = "keyed"
    agent-name-on-create=fold | create, no key | /agent/name = "keyless"
    agent-name-on-create=fold | create, name taken | /agent/name = "main"
    agent-name-on-create=fold | create, unknown tool | /agent/name = "strange"
    agent-name-on-update=collapse | read | /agent/name = "My Helper!"
    agent-name-on-update=collapse | list | /agents/50/name = "My Helper!"
    agent-name-on-update=clean | read | /agent/name = "My Helper"
    agent-name-on-update=clean | list | /agents/50/name = "My Helper"
    agent-name-on-update=title | read | /agent/name = "My Helper"
    agent-name-on-update=title | list | /agents/50/name = "My Helper"
    agent-name-on-update=fold | read | /agent/name = "my-helper"
    agent-name-on-update=fold | list | /agents/50/name = "my-helper"
    agent-name-on-update=fold | read, updated | /agent/name = "main"
    duplicate-agent-name=suffix | create, name taken | /agent/name = "Main 2"
    duplicate-agent-name=suffix | read, updated | /agent/name = "Main 3"
    duplicate-agent-name=refuse | create, name taken | refused: The name Main is taken.
    duplicate-agent-name=refuse | create, unknown tool | /agent/id = 56
    duplicate-agent-name=refuse | update, name taken | refused: The name Main is taken.
    duplicate-agent-name=refuse | read, updated | /agent/name = "My  Helper!"
    system-prompt=trim | create | /agent/systemPrompt = "Be\nbrief"
    system-prompt=trim | read | /agent/systemPrompt = "Be\nkind"
    system-prompt=trim | list | /agents/50/systemPrompt = "Be\nkind"; /agents/53/systemPrompt = "Be\nbrief"
    system-prompt=trim | read, updated | /agent/systemPrompt = "Be\nkind"
    system-prompt=crlf | create | /agent/systemPrompt = " Be\r\nbrief "
    system-prompt=crlf | read | /agent/systemPrompt = " Be\r\nkind "
    system-prompt=crlf | list | /agents/50/systemPrompt = " Be\r\nkind "; /agents/53/systemPrompt = " Be\r\nbrief "
    system-prompt=crlf | read, updated | /agent/systemPrompt = " Be\r\nkind "
    system-prompt=append | create | /agent/systemPrompt = " Be\nbrief \n\nAnswer in English."
    system-prompt=append | read | /agent/systemPrompt = " Be\nkind \n\nAnswer in English."
    system-prompt=append | list | /agents/50/systemPrompt = " Be\nkind \n\nAnswer in English."; /agents/53/systemPrompt = " Be\nbrief \n\nAnswer in English."
    system-prompt=append | read, updated | /agent/systemPrompt = " Be\nkind \n\nAnswer in English."
    model-with-qcc=ignored | create | /agent/model = null
    model-with-qcc=ignored | read | /agent/model = null
    model-with-qcc=ignored | list | /agents/50/model = null; /agents/53/model = null
    model-with-qcc=all-ignored | create | /agent/reasoningEffort = "high"; /agent/maxTurns = 100; /agent/toolChoice = "auto"; /agent/model = null
    model-with-qcc=all-ignored | read | /agent/maxTurns = 7; /agent/model = null
    model-with-qcc=all-ignored | list | /agents/50/maxTurns = 7; /agents/50/model = null; /agents/53/reasoningEffort = "high"; /agents/53/maxTurns = 100; /agents/53/toolChoice = "auto"; /agents/53/model = null
    model-with-qcc=all-ignored | read, updated | /agent/maxTurns = 7
    model-with-qcc=rewritten | create | /agent/model = "claude-sonnet-4-6"
    model-with-qcc=rewritten | read | /agent/model = "claude-sonnet-4-6"
    model-with-qcc=rewritten | list | /agents/50/model = "claude-sonnet-4-6"; /agents/53/model = "claude-sonnet-4-6"
    model-with-qcc=rewritten | create, name taken | /agent/model = "claude-sonnet-4-6"
    model-with-qcc=rewritten | create, unknown tool | /agent/model = "claude-sonnet-4-6"
    model-with-qcc=rewritten | read, updated | /agent/model = "claude-sonnet-4-6"
    tool-order=sorted | create | /agent/tools = ["datasets","read_backtest"]
    tool-order=sorted | read | /agent/tools = ["datasets","read_backtest"]
    tool-order=sorted | list | /agents/50/tools = ["datasets","read_backtest"]; /agents/53/tools = ["datasets","read_backtest"]
    tool-order=reversed | create | /agent/tools = ["datasets","read_backtest"]
    tool-order=reversed | read | /agent/tools = ["datasets","read_backtest"]
    tool-order=reversed | list | /agents/50/tools = ["datasets","read_backtest"]; /agents/53/tools = ["datasets","read_backtest"]
    tool-order=reversed | create, unknown tool | /agent/tools = ["no_such_tool","datasets"]
    default-tool=on | create | /agent/tools = ["read_backtest","datasets","user_input"]
    default-tool=on | create, own key | /agent/tools = ["user_input"]
    default-tool=on | read | /agent/tools = ["read_backtest","datasets","user_input"]
    default-tool=on | list | /agents/50/tools = ["read_backtest","datasets","user_input"]; /agents/53/tools = ["read_backtest","datasets","user_input"]; /agents/54/tools = ["user_input"]
    default-tool=on | create, no key | /agent/tools = ["user_input"]
    default-tool=on | create, name taken | /agent/tools = ["user_input"]
    default-tool=on | create, unknown tool | /agent/tools = ["datasets","no_such_tool","user_input"]
    default-tool=on | read, updated | /agent/tools = ["no_such_tool","user_input"]
    unknown-tool=refuse | create, unknown tool | refused: The tool no_such_tool is unknown.
    unknown-tool=refuse | update, unknown tool | refused: The tool no_such_tool is unknown.
    unknown-tool=refuse | read, updated | /agent/tools = ["read_backtest","datasets"]
    unknown-tool=drop | create, unknown tool | /agent/tools = ["datasets"]
    unknown-tool=drop | read, updated | /agent/tools = []
    unknown-agent=accept | create, unknown agent | accepted
    unknown-agent=accept | update, unknown agent | accepted
    unknown-agent=accept | read, updated | /agent/chainedAgents = [{"agentId":99,"step":1}]
    keyless-agent=refuse | create, no key | refused: An agent without useQCC needs a token.
    keyless-agent=refuse | create, name taken | /agent/id = 55
    keyless-agent=refuse | create, unknown tool | /agent/id = 56
    agent-definitions=shown | deploy | with /debug/agent
    agent-definitions=shown | conversation | /conversation/agents = [{"id":51,"name":"Main","description":"","profileImage":"emulator.png","systemPrompt":"","reasoningEffort":"high","maxTurns":100,"toolChoice":"auto","tools":[],"public":false,"model":null,"pipeline":null,"outputSchema":null,"author":{"publicId":"emulator","name":"emulator","image":"emulator.png"},"organization":{"id":"e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0","name":"Emulator","profile":"emulator.png"},"chainedAgents":[{"agentId":50,"step":1}],"subAgents":[],"token":null,"useQCC":true,"node":{"id":0,"sku":""},"created":"2026-11-21 12:00:00","updated":"2026-11-21 12:00:00"}]
    expand-agents=on | read, chaining | with /agent/chainedAgents/0/agent
    expand-agents=on | read, referring | with /agent/chainedAgents/0/agent
    agent-list-entry=without-prompt | list | no /agents/47/systemPrompt; no /agents/50/systemPrompt; no /agents/51/systemPrompt; no /agents/52/systemPrompt; no /agents/53/systemPrompt; no /agents/54/systemPrompt
    agent-list-entry=bare | list | /agents/47 has only id, name; /agents/50 has only id, name; /agents/51 has only id, name; /agents/52 has only id, name; /agents/53 has only id, name; /agents/54 has only id, name
    agent-update-lag-ms=5000 | read | /agent/name = "Helper"; /agent/systemPrompt = ""; /agent/maxTurns = 7; /agent/tools = []; /agent/model = null
    agent-update-lag-ms=5000 | list | /agents/50/name = "Helper"; /agents/50/systemPrompt = ""; /agents/50/maxTurns = 7; /agents/50/tools = []; /agents/50/model = null
    agent-update-lag-ms=5000 | read, updated | /agent/name = "Helper"; /agent/systemPrompt = ""; /agent/maxTurns = 7; /agent/tools = []
    agent-update-answer=agent | update | with /agent
    agent-update-answer=agent | update, name taken | with /agent
    agent-update-answer=agent | update, unknown tool | with /agent
    agent-update-answer=agent | update, null model | with /agent
    agent-update-answer=agent | update, somebody's | with /agent
    agent-update-answer=agent | update, the platform's | with /agent
    explicit-null=clear | update, null maxTurns | accepted
    explicit-null=clear | read, updated | /agent/maxTurns = 100
    explicit-null=ignore | update, null maxTurns | accepted
    explicit-null=ignore | read, updated | /agent/model = "claude-opus-4-7"
    explicit-null=refuse | update, null model | refused: The field model must be a string.
    explicit-null=refuse | read, updated | /agent/model = "claude-opus-4-7"
    delete-referenced-agent=accept | delete, referred to | accepted
    delete-referenced-agent=unlink | delete, referred to | accepted
    delete-referenced-agent=unlink | read, referring | /agent/chainedAgents = []
    private-agents=hidden | list | no /agents/52
    others-agents=refuse | update, somebody's | refused: You may not change this agent.
    others-agents=refuse | update, the platform's | refused: You may not change this agent.
    others-agents=refuse | delete, somebody's | refused: You may not change this agent.
    "#);
}

/// Every agent as the world keeps it, by its id.
async fn kept(bench: &Bench) -> Vec<Agent> {
    bench.emulator.with_world(|world| world.agents().cloned().collect()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_fault_is_on_its_side_of_the_effect_of_an_agents_write() {
    let writes = [
        ("create", json!({"organizationId": ORGANIZATION_ID, "name": "New"})),
        ("update", json!({"agentId": 50, "systemPrompt": "New"})),
        ("delete", json!({"agentId": 52})),
    ];
    for (endpoint, body) in writes {
        let sides = SIDES.iter().filter(|side| side.0 != "no-id" || endpoint == "create");
        for &(fault, status, takes_effect) in sides {
            let bench = Bench::in_process();
            prepare(&bench).await;
            let before = kept(&bench).await;
            bench.fault(&format!("{endpoint}#1={fault}"));
            let seen = bench.post(&format!("/agents/{endpoint}"), body.clone()).await;
            assert_eq!(seen.status, status, "{endpoint}={fault}: {seen:?}");
            let is_done = kept(&bench).await != before;
            assert_eq!(is_done, takes_effect, "{endpoint}={fault}");
            let pretends = fault == "no-effect" || (fault == "no-id" && endpoint == "create");
            assert_eq!(seen.body["success"] == true, pretends, "{endpoint}={fault}: {seen:?}");
            let id = &seen.body["agent"]["id"];
            if fault == "no-effect" && endpoint == "create" {
                assert_eq!(*id, 53, "{seen:?}");
                let gone = bench.bad("/agents/read", json!({"agentId": id})).await;
                assert_eq!(gone, "The agent was not found.");
                let next = bench.good("/agents/create", body.clone()).await;
                assert_eq!(next["agent"]["id"], 54, "an id is never given twice");
            } else {
                assert!(id.is_null(), "{endpoint}={fault}: {seen:?}");
            }
        }
    }
    let known: BTreeSet<&str> = SIDES.iter().map(|side| side.0).collect();
    for (fault, ..) in FAULTS.iter().filter(|row| !row.0.starts_with("list-")) {
        assert!(known.contains(fault), "{fault} has no side");
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_of_agents_lies_when_it_is_told_to() {
    let bench = Bench::in_process();
    for (fault, expected) in
        [("list-lags", json!([47, 48])), ("list-short", json!([47])), ("list-empty", json!([]))]
    {
        bench.fault(&format!("list={fault}"));
        assert_eq!(ids(&bench, ORGANIZATION_ID).await, expected, "{fault}");
    }
}

/// The ids of the agents that an organization lists.
async fn ids(bench: &Bench, organization: &str) -> Value {
    let listed = bench.good("/agents/list", json!({"organizationId": organization})).await;
    listed["agents"].as_array().unwrap().iter().map(|agent| agent["id"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_agent_belongs_to_the_organization_that_made_it() {
    let other = "f".repeat(32);
    let world = World::new(7, begin());
    let emulator = Emulator::new(world, clock(), Storage::Memory).with_organization(other.clone());
    let bench = Bench { emulator: Arc::new(emulator), line: Line::InProcess };
    let body = json!({"organizationId": other, "name": "Theirs"});
    let made = bench.good("/agents/create", body).await["agent"].take();
    assert_eq!((&made["id"], &made["organization"]["id"]), (&json!(50), &json!(other)));
    assert_eq!(ids(&bench, ORGANIZATION_ID).await, json!([47, 48, 49]));
    assert_eq!(ids(&bench, &other).await, json!([47, 48, 49, 50]));
    let mut task = task_body("a");
    task["agentId"] = 50.into();
    assert_eq!(bench.bad("/agents/tasks/create", task).await, "The agent was not found.");
    let chaining = json!({
        "organizationId": ORGANIZATION_ID, "name": "x", "chainedAgents": [{"agentId": 50, "step": 1}],
    });
    let refusal = bench.bad("/agents/create", chaining).await;
    assert_eq!(refusal, "The agent 50 of chainedAgents was not found.");
    // An organization that the user is no member of.
    let leave = |world: &mut World| {
        world.agent_mut(50).unwrap().organization = Some("0".repeat(32));
    };
    bench.emulator.with_world(leave).await.unwrap();
    for endpoint in ["read", "update", "delete"] {
        let refusal = bench.bad(&format!("/agents/{endpoint}"), json!({"agentId": 50})).await;
        assert_eq!(refusal, "The agent was not found.", "{endpoint}");
    }
}

#[tokio::test(start_paused = true)]
async fn agents_may_refer_to_each_other_and_are_expanded_once() {
    let bench = Bench::in_process();
    bench.set(&["expand-agents=on"]).await;
    let token = json!({"llmApiTokenUser": "key", "llmProviderApi": "anthropic"});
    let edit = json!({
        "agentId": 48, "useQCC": false, "token": token, "subAgents": [{"agentId": 48}],
        "chainedAgents": [{"agentId": 49, "step": 1, "agent": {"name": "mine"}, "more": 1}],
    });
    bench.good("/agents/update", edit).await;
    let back = json!({"agentId": 49, "chainedAgents": [{"agentId": 48, "step": 2}]});
    bench.good("/agents/update", back).await;
    let read = bench.good("/agents/read", json!({"agentId": 49})).await["agent"].take();
    let expanded = &read["chainedAgents"][0]["agent"];
    assert_eq!((&expanded["id"], &expanded["name"]), (&json!(48), &json!("Momentum Researcher")));
    assert_eq!(expanded["token"]["llmApiTokenUser"], "********");
    assert_eq!(expanded["chainedAgents"], json!([{"agentId": 49, "step": 1}]));
    assert_eq!(expanded["subAgents"], json!([{"agentId": 48}]));
    let entries = |value: Value| json!({"agentId": 48, "chainedAgents": [value]});
    for wrong in [json!({"agentId": 49}), json!({"step": 1}), json!(49)] {
        let refusal = bench.bad("/agents/update", entries(wrong)).await;
        let text = "The field chainedAgents must be a list of objects with an agentId and a step.";
        assert_eq!(refusal, text);
    }
    bench.set(&["ids-sent=strings"]).await;
    let read = bench.good("/agents/read", json!({"agentId": 49})).await["agent"].take();
    assert_eq!(read["chainedAgents"][0]["agentId"], "48");
}

#[tokio::test(start_paused = true)]
async fn people_create_edit_and_delete_agents_in_the_web_interface() {
    let bench = Bench::in_process();
    let made = bench.emulator.with_world(|world| {
        let made = world.add_agent(json!({"name": " Theirs!", "tools": ["my_tool"]}));
        world.edit_agent(made, "outputSchema", json!({"type": "object"}));
        world.edit_agent(48, "systemPrompt", json!("By hand"));
        world.delete_agent(49);
        made
    });
    let made = made.await.unwrap();
    let read = bench.good("/agents/read", json!({"agentId": made})).await["agent"].take();
    assert_eq!((&read["name"], &read["tools"]), (&json!(" Theirs!"), &json!(["my_tool"])));
    assert_eq!(read["outputSchema"], json!({"type": "object"}));
    assert_eq!(read["author"]["publicId"], "somebody");
    assert_eq!(read["created"], "2026-11-21 12:00:00");
    let edited = bench.good("/agents/read", json!({"agentId": 48})).await["agent"].take();
    assert_eq!(
        (&edited["systemPrompt"], &edited["updated"]),
        (&json!("By hand"), &read["created"])
    );
    assert_eq!(ids(&bench, ORGANIZATION_ID).await, json!([47, 48, 50]));
    let deaf = bench.good("/agents/update", json!({"agentId": made, "outputSchema": {}})).await;
    assert_eq!(deaf["success"], true);
    let read = bench.good("/agents/read", json!({"agentId": made})).await["agent"].take();
    assert_eq!(read["outputSchema"], json!({"type": "object"}), "the API does not set it");
}

#[test]
fn a_world_that_an_older_program_stored_is_read() {
    let mut stored: Value = serde_json::from_slice(&World::new(7, begin()).to_json()).unwrap();
    for agent in stored["agents"].as_object_mut().unwrap().values_mut() {
        assert!(agent.as_object_mut().unwrap().remove("organization").is_some());
    }
    let quirks = stored["quirks"].as_object_mut().unwrap();
    quirks.retain(|name, _| !QUIRKS.split(' ').any(|new| new == name));
    let read = World::from_json(stored.to_string().as_bytes()).unwrap();
    assert_eq!(read.to_json(), World::new(7, begin()).to_json());
}

/// The agents of the documentation's example, request by request (contract 2).
pub(super) async fn the_agents_of_the_documentations_example_are_answered(bench: &Bench) {
    let organization = json!({"organizationId": ORGANIZATION_ID});
    let before = bench.good("/agents/list", organization.clone()).await;
    assert_eq!(before["agents"].as_array().unwrap().len(), 3);
    let wanted = json!({
        "organizationId": ORGANIZATION_ID, "name": "Agent Placeholder",
        "description": "Customize your assistant's capabilities.", "systemPrompt": "I am a bot",
        "model": "claude-opus-4-7", "reasoningEffort": "high", "maxTurns": 100,
        "toolChoice": "auto", "public": false, "useQCC": true,
    });
    let made = bench.good("/agents/create", wanted.clone()).await["agent"].take();
    for (name, value) in wanted.as_object().unwrap().iter().skip(1) {
        assert_eq!(made[name], *value, "{name}");
    }
    let id = json!({"agentId": made["id"]});
    let rename = json!({"agentId": made["id"], "name": "My Claude"});
    let renamed = bench.good("/agents/update", rename).await;
    assert_eq!(renamed, json!({"success": true, "errors": []}));
    let read = bench.good("/agents/read", id.clone()).await["agent"].take();
    assert_eq!((&read["name"], &read["model"]), (&json!("My Claude"), &wanted["model"]));
    let listed = bench.good("/agents/list", organization).await["agents"].take();
    assert_eq!(listed[3], read, "a later run finds it by its exact name");
    let mut task = task_body("a");
    task["agentId"] = made["id"].clone();
    bench.good("/agents/tasks/create", task).await;
    assert_eq!(bench.bad("/agents/delete", id).await, "The agent is used by a task.");
}

/// Quirks that tasks have too, at the endpoints of agents.
#[tokio::test(start_paused = true)]
async fn quirks_of_every_kind_hold_for_agents() {
    let list = || ("list", json!({"organizationId": ORGANIZATION_ID}));
    let read = || ("read", json!({"agentId": 50}));
    let update = |name: &str| ("update", json!({"agentId": 50, (name): "abc"}));
    let create = || {
        let fields = ["abcdef", "ghijkl"];
        let body = json!({
            "organizationId": ORGANIZATION_ID, "name": fields[0], "systemPrompt": fields[1],
        });
        ("create", body)
    };
    let zone = json!("2026-11-21 10:30:00");
    let cases = [
        ("name-limit=3", create(), "/agent/name", json!("abc")),
        ("name-limit=3 long-name=refuse", create(), "/success", json!(false)),
        ("prompt-limit=3", create(), "/agent/systemPrompt", json!("ghi")),
        ("prompt-limit=3 long-prompt=refuse", create(), "/success", json!(false)),
        ("name-limit=2 long-name=refuse", update("name"), "/success", json!(false)),
        ("prompt-limit=2 long-prompt=refuse", update("systemPrompt"), "/success", json!(false)),
        ("unknown-fields=refuse", update("outputSchema"), "/success", json!(false)),
        ("errors-member=null", update("name"), "/errors", Value::Null),
        ("extra-fields=on", read(), "/agent/undocumented/list", json!([1, null])),
        ("ids-sent=strings", read(), "/agent/id", json!("50")),
        ("ids-accepted=both", ("read", json!({"agentId": "50"})), "/agent/id", json!(50)),
        (
            "refusal-form=string",
            ("read", json!({"agentId": 9})),
            "/errors",
            json!("The agent was not found."),
        ),
        ("utc-offset-minutes=-90", read(), "/agent/created", zone),
        ("list-order=newest-first", list(), "/agents/0/id", json!(52)),
        ("list-order=by-name", list(), "/agents/0/name", json!("Helper")),
        ("list-cap=1", list(), "/agents/1", Value::Null),
        ("list-lag-ms=5000", list(), "/agents/3", Value::Null),
    ];
    for (quirks, (endpoint, body), pointer, expected) in cases {
        let bench = Bench::in_process();
        prepare(&bench).await;
        bench.set(&quirks.split(' ').collect::<Vec<_>>()).await;
        let seen = bench.post(&format!("/agents/{endpoint}"), body).await;
        let found = seen.body.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{quirks} at {endpoint}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_fields_of_an_agent_show_in_one_of_three_ways() {
    let empty = "description systemPrompt tools model pipeline outputSchema chainedAgents \
        subAgents token";
    let bench = Bench::in_process();
    prepare(&bench).await;
    for form in ["null", "missing"] {
        bench.set(&[&format!("agent-empty-fields={form}"), "expand-agents=on"]).await;
        let read = bench.good("/agents/read", json!({"agentId": 50})).await["agent"].take();
        let listed = bench.good("/agents/list", json!({"organizationId": ORGANIZATION_ID})).await;
        assert_eq!(listed["agents"][3], read, "{form}");
        for name in empty.split_whitespace() {
            assert_eq!(read.get(name), (form == "null").then_some(&Value::Null), "{name}: {form}");
        }
        let filled = read.as_object().unwrap().values().filter(|value| !value.is_null());
        assert_eq!(filled.count(), 22 - empty.split_whitespace().count(), "{form}: {read}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_shows_after_its_lag_and_not_before() {
    let bench = Bench::in_process();
    bench.set(&["agent-update-lag-ms=5000"]).await;
    let read = async || {
        let read = bench.good("/agents/read", json!({"agentId": 48})).await["agent"].take();
        (read["description"].clone(), read["updated"].clone())
    };
    let before = read().await;
    bench.good("/agents/update", json!({"agentId": 48, "description": "x"})).await;
    tokio::time::advance(Duration::from_millis(4_999)).await;
    bench.good("/agents/update", json!({"agentId": 48, "maxTurns": 1})).await;
    assert_eq!(read().await, before, "the first update is not shown by the second one");
    tokio::time::advance(Duration::from_millis(4_999)).await;
    assert_eq!(read().await, before);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(read().await, (json!("x"), json!("2026-11-21 12:00:04")));
}
