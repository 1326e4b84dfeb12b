//! One suite of raw requests for the emulator, in process and over a socket.
//!
//! It signs and reads by itself and uses no part of the client, so that neither side of the program
//! can bend the contract to its own reading.

mod agents;
mod example;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use qcops::clock::Clock;
use qcops::emulator::{
    API_TOKEN, DeploymentPhase, Emulator, Fault, ORGANIZATION_ID, QUIRKS, RunOutcome, RunRule,
    Script, Storage, USER_ID, World, serve,
};
use qcops::exchange::{QueueDeadline, Request, Signature, Transport};
use qcops::files::{Disk, Files, Memory};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use agents::the_agents_of_the_documentations_example_are_answered;

/// When every story begins: 2026-11-21T12:00:00Z.
const BEGIN: i64 = 1_795_262_400;
/// A delay that no story outlasts.
const FOREVER: u32 = u32::MAX;

/// What a client sees of one exchange.
#[derive(Debug)]
struct Seen {
    /// The HTTP status, or `None` where the answer was lost.
    status: Option<u16>,
    /// The body, null where it is no JSON.
    body: Value,
    challenge: Option<String>,
    retry_after: Option<String>,
    date: Option<String>,
}

enum Line {
    InProcess,
    Socket { client: reqwest::Client, base: String },
}

/// An emulator and a line to it.
struct Bench {
    emulator: Arc<Emulator>,
    line: Line,
}

fn begin() -> Timestamp {
    Timestamp::from_second(BEGIN).unwrap()
}

fn clock() -> Clock {
    Clock::starting_at(begin())
}

impl Bench {
    fn in_process() -> Self {
        let world = World::new(7, begin());
        let emulator = Arc::new(Emulator::new(world, clock(), Storage::Memory));
        Self { emulator, line: Line::InProcess }
    }

    async fn over_a_socket() -> Self {
        // Another test may have installed it; one is enough.
        drop(rustls::crypto::ring::default_provider().install_default());
        // A clock that stands still: real time passes here, and stories compare time stamps.
        let started = tokio::time::Instant::now() + Duration::from_secs(86_400);
        let clock = Clock::Following { origin: begin(), started };
        let emulator = Arc::new(Emulator::new(World::new(7, begin()), clock, Storage::Memory));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v2/", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&emulator), std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { emulator, line: Line::Socket { client, base } }
    }

    async fn send(&self, path: &str, body: &[u8], signature: Option<Signature>) -> Seen {
        match &self.line {
            Line::InProcess => {
                let request = Request {
                    path: path.to_owned(),
                    body: body.to_owned(),
                    signature,
                    queue_deadline: QueueDeadline::Endless,
                };
                match self.emulator.exchange(request).await {
                    Err(_) => lost(),
                    Ok(response) => Seen {
                        status: Some(response.status),
                        body: serde_json::from_slice(&response.body).unwrap_or_default(),
                        challenge: None,
                        retry_after: response.retry_after,
                        date: response.date,
                    },
                }
            }
            // A base that ends in a slash and a path that begins with one, as the example has it.
            Line::Socket { client, base } => {
                receive(client.post(format!("{base}{path}")), body, signature).await
            }
        }
    }

    async fn post(&self, path: &str, body: Value) -> Seen {
        let signature = sign(USER_ID, API_TOKEN, BEGIN);
        self.send(path, body.to_string().as_bytes(), Some(signature)).await
    }

    /// Sends a request and expects a success.
    async fn good(&self, path: &str, body: Value) -> Value {
        let seen = self.post(path, body).await;
        assert_eq!(
            (seen.status, &seen.body["success"]),
            (Some(200), &json!(true)),
            "{path}: {seen:?}"
        );
        seen.body
    }

    /// Sends a request, expects a refusal with HTTP 200, and returns its text.
    async fn bad(&self, path: &str, body: Value) -> String {
        let seen = self.post(path, body).await;
        assert_eq!(
            (seen.status, &seen.body["success"]),
            (Some(200), &json!(false)),
            "{path}: {seen:?}"
        );
        assert_eq!(seen.body.as_object().unwrap().len(), 2, "{path}: {seen:?}");
        seen.body["errors"][0].as_str().unwrap().to_owned()
    }

    async fn set(&self, settings: &[&str]) {
        let set = |world: &mut World| {
            for setting in settings {
                world.quirks.set(setting).unwrap();
            }
        };
        self.emulator.with_world(set).await.unwrap();
    }

    /// Lets deployments run for ever, or be through before the next request.
    async fn runs_take(&self, milliseconds: u32) {
        self.set(&["queue-ms=0"]).await;
        let set = |world: &mut World| world.quirks.run_ms = milliseconds;
        self.emulator.with_world(set).await.unwrap();
    }

    fn fault(&self, rule: &str) {
        let mut script = Script::default();
        script.add(rule).unwrap();
        self.emulator.set_faults(script);
    }

    async fn new_task(&self, name: &str) -> Value {
        let mut answer = self.good("/agents/tasks/create", task_body(name)).await;
        answer["task"].take()
    }

    async fn new_run(&self, task: &Value) -> Value {
        let body = json!({"taskId": task["id"]});
        self.good("/agents/deployments/create", body).await["deployment"].take()
    }

    async fn tasks(&self) -> Value {
        let body = json!({"organizationId": ORGANIZATION_ID});
        self.good("/agents/tasks/list", body).await["tasks"].take()
    }

    async fn run(&self, run: &Value) -> Value {
        let body = json!({"deploymentId": run["deploymentId"]});
        self.good("/agents/deployments/read", body).await["deployment"].take()
    }

    async fn conversation(&self, run: &Value) -> Value {
        let body = json!({"deploymentId": run["deploymentId"]});
        self.good("/agents/deployments/conversation/read", body).await["conversation"].take()
    }
}

async fn receive(
    request: reqwest::RequestBuilder,
    body: &[u8],
    signature: Option<Signature>,
) -> Seen {
    let mut request = request.body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("Authorization", signature.authorization);
        request = request.header("Timestamp", signature.timestamp);
    }
    let Ok(response) = request.send().await else { return lost() };
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (challenge, retry_after) = (header("www_authenticate"), header("retry-after"));
    let (status, date) = (Some(response.status().as_u16()), header("date"));
    let Ok(body) = response.bytes().await else { return lost() };
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Seen { status, body, challenge, retry_after, date }
}

fn lost() -> Seen {
    Seen { status: None, body: Value::Null, challenge: None, retry_after: None, date: None }
}

fn sign(user: u64, token: &str, second: i64) -> Signature {
    let hash = Sha256::digest(format!("{token}:{second}"));
    let hash: String = hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let authorization = format!("Basic {}", STANDARD.encode(format!("{user}:{hash}")));
    Signature { authorization, timestamp: second.to_string() }
}

fn task_body(name: &str) -> Value {
    json!({
        "organizationId": ORGANIZATION_ID, "agentId": 47, "name": name,
        "prompt": format!("Build {name}"), "projectPreference": "project-each-task-deployment",
    })
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Runs every story in process, on a paused clock, and over a socket.
macro_rules! on_both_lines {
    ($($story:ident)*) => {
        mod in_process {
            $(#[tokio::test(start_paused = true)]
            async fn $story() { super::$story(&super::Bench::in_process()).await; })*
        }
        mod over_a_socket {
            $(#[tokio::test]
            async fn $story() { super::$story(&super::Bench::over_a_socket().await).await; })*
        }
    };
}

on_both_lines! {
    only_the_right_signature_is_answered
    an_agent_is_created_read_changed_listed_and_deleted
    a_task_is_created_under_a_rewritten_name_and_renamed_verbatim
    a_deleted_task_is_refused_not_absent
    a_bad_request_is_refused_with_http_200
    a_run_writes_a_conversation_and_a_follow_up_continues_it
    an_active_run_is_stopped_once_and_only_then_deleted
    every_fault_stands_on_its_side_of_the_effect
    a_list_lies_when_it_is_told_to
    the_agents_of_the_documentations_example_are_answered
}

async fn only_the_right_signature_is_answered(bench: &Bench) {
    let check = async |signature| bench.send("/authenticate", b"", signature).await;
    let seen = check(Some(sign(USER_ID, API_TOKEN, BEGIN))).await;
    assert_eq!((seen.status, seen.body), (Some(200), json!({"success": true, "errors": []})));
    assert_eq!(seen.date.unwrap(), "Sat, 21 Nov 2026 12:00:00 GMT");
    let stale = BEGIN - 7_260;
    for wrong in [sign(USER_ID, "x", BEGIN), sign(2, API_TOKEN, BEGIN), sign(1, API_TOKEN, stale)] {
        let seen = check(Some(wrong)).await;
        assert_eq!((seen.status, &seen.body["success"]), (Some(401), &json!(false)));
        if matches!(bench.line, Line::Socket { .. }) {
            assert_eq!(seen.challenge.unwrap(), "Basic");
        }
    }
    assert_eq!(check(None).await.status, Some(401));
    bench.set(&["auth-failure=text"]).await;
    let seen = check(Some(sign(USER_ID, "x", BEGIN))).await;
    assert_eq!(seen.status, Some(200));
    assert!(seen.body["errors"][0].as_str().unwrap().starts_with("Hash doesn't match."));
    bench.set(&["auth-failure=500"]).await;
    let seen = check(Some(sign(USER_ID, "x", BEGIN))).await;
    assert_eq!((seen.status, seen.body), (Some(500), Value::Null));
}

async fn an_agent_is_created_read_changed_listed_and_deleted(bench: &Bench) {
    let organization = json!({"organizationId": ORGANIZATION_ID});
    let token = json!({"llmApiTokenUser": "key", "llmProviderApi": "anthropic"});
    let wish = json!({
        "organizationId": ORGANIZATION_ID, "name": "Placeholder", "systemPrompt": "I am a bot",
        "model": "claude-opus-4-7", "reasoningEffort": "low", "maxTurns": 5, "useQCC": false,
        "token": token, "chainedAgents": [{"agentId": 48, "step": 1}],
    });
    let agent = bench.good("/agents/create", wish).await["agent"].take();
    let members = "id name description profileImage systemPrompt reasoningEffort maxTurns \
        toolChoice tools public model pipeline outputSchema author organization chainedAgents \
        subAgents token useQCC node created updated";
    assert_eq!(keys(&agent), members.split_whitespace().collect::<Vec<_>>());
    assert_eq!(agent["token"]["llmApiTokenUser"], "********");
    assert!(!format!("{:?}", bench.emulator.requests()).contains("\"key"));
    let id = json!({"agentId": agent["id"]});
    let edit = json!({"agentId": agent["id"], "name": "My Claude", "model": null});
    let done = bench.good("/agents/update", edit).await;
    assert_eq!(done, json!({"success": true, "errors": []}));
    let read = bench.good("/agents/read", id.clone()).await["agent"].take();
    assert_eq!((&read["name"], &read["model"]), (&json!("My Claude"), &Value::Null));
    assert_eq!((&read["maxTurns"], &read["systemPrompt"]), (&json!(5), &json!("I am a bot")));
    let listed = bench.good("/agents/list", organization).await["agents"].take();
    let names = listed.as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap());
    let expected = ["Research Assistant", "Momentum Researcher", "Risk Reviewer", "My Claude"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    bench.good("/agents/delete", id.clone()).await;
    assert_eq!(bench.bad("/agents/read", id.clone()).await, "The agent was not found.");
    assert_eq!(bench.bad("/agents/delete", id).await, "The agent was not found.");
    bench.new_task("a").await;
    let used = bench.bad("/agents/delete", json!({"agentId": 47})).await;
    assert_eq!(used, "The agent is used by a task.");
}

async fn a_task_is_created_under_a_rewritten_name_and_renamed_verbatim(bench: &Bench) {
    let task = bench.new_task(" Task:  one ").await;
    let expected = json!({
        "id": 332, "name": "Task one", "organizationId": ORGANIZATION_ID, "agentId": 47,
        "prompt": "Build  Task:  one ", "deployments": 0, "lastDeploymentId": null,
        "lastDeploymentTime": null, "created": "2026-11-21 12:00:00",
        "updated": "2026-11-21 12:00:00", "projectId": null,
        "owner": {"publicId": "emulator", "name": "emulator", "image": "emulator.png"},
        "upcomingDeployments": null, "status": [], "schedule": null, "scheduleHuman": null,
        "projectPreference": "project-each-task-deployment", "notifications": [],
    });
    assert_eq!(task, expected);
    let rename = json!({"taskId": 332, "name": "Test:  two"});
    let done = bench.good("/agents/tasks/update", rename).await;
    assert_eq!(done, json!({"success": true, "errors": []}));
    let read = bench.good("/agents/tasks/read", json!({"taskId": 332})).await["task"].take();
    assert_eq!(read["name"], "Test:  two");
    assert_eq!(bench.tasks().await, json!([read]));
}

async fn a_deleted_task_is_refused_not_absent(bench: &Bench) {
    bench.runs_take(FOREVER).await;
    let (kept, task) = (bench.new_task("kept").await, bench.new_task("gone").await);
    let run = bench.new_run(&task).await;
    let id = json!({"taskId": task["id"]});
    let active = bench.bad("/agents/tasks/delete", id.clone()).await;
    assert_eq!(active, "The task has an active deployment; stop it first.");
    bench.good("/agents/deployments/stop", json!({"deploymentId": run["deploymentId"]})).await;
    bench.good("/agents/tasks/delete", id.clone()).await;
    for path in ["tasks/read", "tasks/delete", "deployments/list", "deployments/create"] {
        let path = format!("/agents/{path}");
        assert_eq!(bench.bad(&path, id.clone()).await, "The task was not found.", "{path}");
    }
    let run = json!({"deploymentId": run["deploymentId"]});
    let text = bench.bad("/agents/deployments/read", run).await;
    assert_eq!(text, "The deployment was not found.");
    assert_eq!(bench.tasks().await, json!([kept]));
}

async fn a_bad_request_is_refused_with_http_200(bench: &Bench) {
    let create = |name: &str, value: Value| {
        let mut body = task_body("x");
        body[name] = value;
        ("/agents/tasks/create", body)
    };
    let cases = [
        (create("organizationId", json!("f".repeat(32))), "The organization was not found"),
        (create("agentId", json!("47")), "agentId must be an integer"),
        (create("agentId", json!(47.0)), "agentId must be an integer"),
        (create("agentId", json!(46)), "The agent was not found."),
        (("/agents/update", json!({"agentId": 48, "name": null})), "name must be a string"),
        (("/agents/update", json!({"agentId": 48.0, "name": "x"})), "agentId must be an integer"),
        (
            ("/agents/update", json!({"agentId": 48, "chainedAgents": [{"agentId": 47.0}]})),
            "chainedAgents must be a list",
        ),
        (("/agents/tasks/update", json!({"taskId": 1, "name": null})), "name must be a string"),
        (("/agents/tasks/update", json!("name")), "not a JSON object"),
        (create("name", json!(" ")), "name must not be empty"),
        (create("prompt", json!(null)), "prompt is required"),
        (create("projectPreference", json!("none")), "projectPreference must be one of"),
        (("/agents/tasks/read", json!([])), "not a JSON object"),
        (("/agents/tasks/read", json!({"taskId": -1})), "The task was not found."),
        (("/agents/deployments/prompt", json!({"deploymentId": "A-1"})), "prompt is required"),
        (("/agents/create", json!({"organizationId": ORGANIZATION_ID})), "name is required"),
    ];
    for ((path, body), part) in cases {
        let text = bench.bad(path, body).await;
        assert!(text.contains(part), "{path}: {text}");
    }
    assert_eq!(bench.post("/agents/tasks", json!({})).await.status, Some(404));
    assert_eq!(bench.tasks().await, json!([]));
}

async fn a_run_writes_a_conversation_and_a_follow_up_continues_it(bench: &Bench) {
    bench.runs_take(0).await;
    let task = bench.new_task("a").await;
    let body = json!({"taskId": task["id"]});
    let made = bench.good("/agents/deployments/create", body).await;
    let run = &made["deployment"];
    let id = run["deploymentId"].as_str().unwrap();
    assert!(id.len() == 34 && id.starts_with("A-"), "{id}");
    assert_eq!(made["debug"]["id"], id);
    assert_eq!((&run["status"], &run["started"]), (&json!("InQueue"), &Value::Null));
    let run = bench.run(run).await;
    let expected = json!({
        "deploymentId": id, "agentId": 47, "status": "Completed", "taskId": task["id"],
        "model": "claude-opus-4-7", "created": "2026-11-21 12:00:00",
        "started": "2026-11-21 12:00:00", "ended": "2026-11-21 12:00:00", "machine": "A-MICRO",
        "mcpTools": [], "hostName": "emulator", "prompt": "Build a", "projectId": 23_456_789,
        "versionId": 17_000, "runtimeError": null,
    });
    assert_eq!(run, expected);
    let before = bench.conversation(&run).await;
    let kinds = before["messages"][1]["parts"].as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|part| part["type"].as_str().unwrap()).collect();
    let (step, tool) = ("step-start", "dynamic-tool");
    assert_eq!(kinds, [step, "reasoning", tool, step, tool, "text"]);
    let prompt = json!({"deploymentId": id, "prompt": "Replace SPY for QQQ"});
    let answer = bench.good("/agents/deployments/prompt", prompt).await;
    assert_eq!(answer["message"], "Prompt run started.");
    let after = bench.conversation(&run).await;
    let said = after["messages"].as_array().unwrap().iter();
    let said: Vec<_> = said.filter(|message| message["role"] == "user").collect();
    assert_eq!(said[1]["parts"], json!([{"type": "text", "text": "Replace SPY for QQQ"}]));
    assert_eq!((after["messages"].as_array().unwrap().len(), said.len()), (4, 2));
    for count in ["inputTokens", "outputTokens"] {
        assert!(after[count].as_u64() > before[count].as_u64(), "{count} is cumulative");
    }
    let body = json!({"taskId": task["id"]});
    let listed = bench.good("/agents/deployments/list", body.clone()).await["deployments"].take();
    assert_eq!(listed, json!([bench.run(&run).await]));
    let read = bench.good("/agents/tasks/read", body).await["task"].take();
    assert_eq!((&read["deployments"], &read["lastDeploymentId"]), (&json!(1), &json!(901)));
}

async fn an_active_run_is_stopped_once_and_only_then_deleted(bench: &Bench) {
    bench.runs_take(FOREVER).await;
    let task = bench.new_task("a").await;
    let run = bench.new_run(&task).await;
    let id = json!({"deploymentId": run["deploymentId"]});
    let prompt = json!({"deploymentId": run["deploymentId"], "prompt": "more"});
    let read = bench.good("/agents/tasks/read", json!({"taskId": task["id"]})).await;
    let status = json!([{"deploymentId": run["deploymentId"], "status": "Running"}]);
    assert_eq!(read["task"]["status"], status);
    bench.good("/agents/deployments/prompt", prompt.clone()).await;
    let active = bench.bad("/agents/deployments/delete", id.clone()).await;
    assert_eq!(active, "The deployment is active; stop it first.");
    bench.good("/agents/deployments/stop", id.clone()).await;
    let stopped = bench.run(&run).await;
    assert_eq!((&stopped["status"], stopped["ended"].is_string()), (&json!("Stopped"), true));
    let again = bench.bad("/agents/deployments/stop", id.clone()).await;
    assert_eq!(again, "The deployment is not running.");
    let late = bench.bad("/agents/deployments/prompt", prompt).await;
    assert_eq!(late, "The deployment has ended.");
    bench.good("/agents/deployments/delete", id.clone()).await;
    for path in ["read", "stop", "delete", "conversation/read"] {
        let text = bench.bad(&format!("/agents/deployments/{path}"), id.clone()).await;
        assert_eq!(text, "The deployment was not found.", "{path}");
    }
    bench.good("/agents/tasks/delete", json!({"taskId": task["id"]})).await;
}

/// Each fault of a write, the status that the client sees, and whether the write took effect.
const SIDES: &[(&str, Option<u16>, bool)] = &[
    ("not-connected", None, false),
    ("lost-before", None, false),
    ("lost-after", None, true),
    ("cut-answer", None, true),
    ("late:0", None, true),
    ("401", Some(401), false),
    ("429", Some(429), false),
    ("429:7", Some(429), false),
    ("503", Some(503), false),
    ("rate-text", Some(200), false),
    ("500-before", Some(500), false),
    ("500-after", Some(500), true),
    ("html-before", Some(502), false),
    ("html-after", Some(502), true),
    ("broken-json", Some(200), true),
    ("no-id", Some(200), true),
    ("no-effect", Some(200), false),
];

async fn every_fault_stands_on_its_side_of_the_effect(bench: &Bench) {
    let mut count = 0;
    for &(fault, status, is_made) in SIDES {
        bench.fault(&format!("tasks/create#1={fault}"));
        let seen = bench.post("/agents/tasks/create", task_body("a")).await;
        assert_eq!(seen.status, status, "{fault}: {seen:?}");
        assert_eq!(seen.body["task"]["id"].is_u64(), fault == "no-effect", "{fault}: {seen:?}");
        assert_eq!(seen.retry_after.as_deref(), (fault == "429:7").then_some("7"), "{fault}");
        count += usize::from(is_made);
        assert_eq!(bench.tasks().await.as_array().unwrap().len(), count, "{fault}");
        let log = bench.emulator.requests();
        let logged = &log[log.len() - 2];
        let noted =
            (logged.path.as_str(), logged.status, logged.fault.map(|fault| fault.to_string()));
        assert_eq!(noted, ("/agents/tasks/create", status, Some(fault.to_owned())));
    }
}

async fn a_list_lies_when_it_is_told_to(bench: &Bench) {
    for name in ["a", "b", "c"] {
        bench.new_task(name).await;
    }
    for (fault, expected) in [("list-lags", "ab"), ("list-short", "a"), ("list-empty", "")] {
        bench.fault(&format!("tasks/list={fault}"));
        let listed = bench.tasks().await;
        let names = listed.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap());
        assert_eq!(names.collect::<String>(), expected, "{fault}");
    }
}

#[tokio::test]
async fn credentials_can_be_checked_with_get_and_nothing_else_can() {
    let bench = Bench::over_a_socket().await;
    let Line::Socket { client, base } = &bench.line else { unreachable!() };
    for (path, status) in [("/authenticate", 200), ("/agents/tasks/list", 405)] {
        let request = client.get(format!("{base}{path}"));
        let seen = receive(request, b"", Some(sign(USER_ID, API_TOKEN, BEGIN))).await;
        assert_eq!(seen.status, Some(status), "{path}");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_no_byte_on_the_wire_and_a_cut_one_half() {
    let bench = Bench::over_a_socket().await;
    let Line::Socket { base, .. } = &bench.line else { unreachable!() };
    let address = base.split('/').nth(2).unwrap();
    let signature = sign(USER_ID, API_TOKEN, BEGIN);
    let (who, stamp) = (signature.authorization, signature.timestamp);
    let request = format!(
        "POST /authenticate HTTP/1.1\r\nHost: x\r\nAuthorization: {who}\r\nTimestamp: {stamp}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    for (fault, expected) in
        [("lost-before", ""), ("lost-after", ""), ("cut-answer", "{\"success\":true")]
    {
        bench.fault(&format!("authenticate={fault}"));
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        assert_eq!(body, &expected[..expected.len().min(14)], "{fault}: {answer}");
        assert_eq!(head.contains("content-length: 28"), !expected.is_empty(), "{fault}: {answer}");
        assert_eq!(answer.is_empty(), expected.is_empty(), "{fault}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_works_and_ends_in_its_own_time() {
    let bench = Bench::in_process();
    let task = bench.new_task("a").await;
    let run = bench.new_run(&task).await;
    let expected = [(999, "InQueue"), (1, "Running"), (2_999, "Running"), (1, "Completed")];
    for (milliseconds, status) in expected {
        tokio::time::advance(Duration::from_millis(milliseconds)).await;
        assert_eq!(bench.run(&run).await["status"], status);
    }
    let prompt = json!({"deploymentId": run["deploymentId"], "prompt": "more"});
    bench.good("/agents/deployments/prompt", prompt.clone()).await;
    let again = bench.run(&run).await;
    assert_eq!((&again["status"], &again["ended"]), (&json!("Running"), &Value::Null));
    // One more while it is busy: it waits for its turn.
    bench.good("/agents/deployments/prompt", prompt).await;
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(bench.run(&run).await["status"], "Running");
    tokio::time::advance(Duration::from_secs(3)).await;
    let ended = bench.run(&run).await;
    let times = (&ended["status"], &ended["started"], &ended["ended"]);
    let expected = ("2026-11-21 12:00:01", "2026-11-21 12:00:10");
    assert_eq!(times, (&json!("Completed"), &json!(expected.0), &json!(expected.1)));
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_happens_after_its_client_has_left() {
    let bench = Bench::in_process();
    bench.fault("tasks/create#1=late:30");
    assert_eq!(bench.post("/agents/tasks/create", task_body("a")).await.status, None);
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(bench.tasks().await, json!([]));
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(bench.tasks().await[0]["created"], "2026-11-21 12:00:30");
}

/// Quirks, set on a world with a task `a` that runs; then a request and what its answer holds.
#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a table with a row for each quirk")]
async fn every_quirk_shows_where_it_should() {
    let organization = json!({"organizationId": ORGANIZATION_ID});
    let task = json!({"taskId": 332});
    let named = |name: &str| json!({"taskId": 332, "name": name});
    let (create, update) = ("/agents/tasks/create", "/agents/tasks/update");
    let (list, read) = ("/agents/tasks/list", "/agents/tasks/read");
    let (run, runs) = ("/agents/deployments/create", "/agents/deployments/list");
    let made = |name: &str| task_body(name);
    let with = |name: &str, value: Value| {
        let mut body = task_body("b");
        body[name] = value;
        body
    };
    // Rows that these cases leave to other tests.
    let elsewhere = "queue-ms run-ms stop-ms concurrent-runs run-outcome conversation-in-queue \
        auth-failure queued-prompt prompt-on-ended deployment-count \
        agent-empty-fields";
    let elsewhere = [elsewhere, agents::QUIRKS].join(" ");
    // `RUN` becomes the id of the deployment.
    let (id, told) = (json!({"deploymentId": "RUN"}), "/agents/deployments/conversation/read");
    let prompt = json!({"deploymentId": "RUN", "prompt": "more"});
    let cases = [
        ("name-on-create=title", create, made("my TASK"), "/task/name", json!("My Task")),
        ("name-on-create=fold", create, made("My Task"), "/task/name", json!("my-task")),
        ("name-on-update=fold", update, named("a"), "/success", json!(true)),
        ("duplicate-name=suffix", create, made("a"), "/task/name", json!("a 2")),
        ("duplicate-name=refuse", create, made("a"), "/success", json!(false)),
        ("duplicate-name=refuse", update, named("a"), "/success", json!(true)),
        ("name-limit=3", create, made("abcdef"), "/task/name", json!("abc")),
        ("name-limit=3 long-name=refuse", create, made("abcdef"), "/success", json!(false)),
        ("prompt-limit=1 long-prompt=refuse", create, made("b"), "/success", json!(false)),
        (
            "delete-active=cascade",
            "/agents/deployments/delete",
            id.clone(),
            "/success",
            json!(true),
        ),
        (
            "prompt-on-running=refuse",
            "/agents/deployments/prompt",
            prompt,
            "/success",
            json!(false),
        ),
        ("token-counts=null", told, id, "/conversation/inputTokens", Value::Null),
        ("prompt-trim=on", create, with("prompt", json!(" p ")), "/task/prompt", json!("p")),
        (
            "prompt-rewrite=crlf",
            create,
            with("prompt", json!("p\nq")),
            "/task/prompt",
            json!("p\r\nq"),
        ),
        ("prompt-limit=2", create, with("prompt", json!("pqr")), "/task/prompt", json!("pq")),
        ("list-lag-ms=5000", list, organization.clone(), "/tasks", json!([])),
        ("list-cap=1", list, organization.clone(), "/tasks/1", Value::Null),
        ("list-order=newest-first", list, organization.clone(), "/tasks/0/name", json!("z")),
        ("list-order=by-name", list, organization.clone(), "/tasks/0/name", json!("a")),
        ("list-entry=without-prompt", list, organization.clone(), "/tasks/0/prompt", Value::Null),
        ("list-entry=bare", list, organization.clone(), "/tasks/0/agentId", Value::Null),
        ("ids-sent=strings", read, task.clone(), "/task/lastDeploymentId", json!("901")),
        ("ids-accepted=both", read, json!({"taskId": "332"}), "/task/id", json!(332)),
        ("unknown-fields=refuse", read, json!({"taskId": 332, "x": 1}), "/success", json!(false)),
        ("extra-fields=on", read, task.clone(), "/task/undocumented/list", json!([1, null])),
        ("errors-member=missing", read, task.clone(), "/errors", Value::Null),
        (
            "refusal-form=message",
            read,
            json!({}),
            "/Message",
            json!("The field taskId is required."),
        ),
        ("refusal-form=silent", read, json!({}), "/errors", Value::Null),
        ("update-answer=task", update, named("b"), "/task/name", json!("b")),
        ("delete-task=cascade", "/agents/tasks/delete", task.clone(), "/success", json!(true)),
        ("create-while-active=refuse", run, task.clone(), "/success", json!(false)),
        ("deployment-lag-ms=5000", runs, task.clone(), "/deployments", json!([])),
        ("deployment-prompt=missing", runs, task.clone(), "/deployments/0/prompt", Value::Null),
        ("status-case=lower", runs, task.clone(), "/deployments/0/status", json!("running")),
        (
            "utc-offset-minutes=-90",
            read,
            task.clone(),
            "/task/created",
            json!("2026-11-21 10:30:00"),
        ),
    ];
    for spec in QUIRKS {
        let start = format!("{}=", spec.name);
        let in_cases =
            cases.iter().any(|case| case.0.split(' ').any(|set| set.starts_with(&start)));
        let is_left = elsewhere.split_whitespace().any(|name| name == spec.name);
        assert!(in_cases != is_left, "no case for {}", spec.name);
    }
    for (quirk, path, body, pointer, expected) in cases {
        let bench = Bench::in_process();
        bench.runs_take(FOREVER).await;
        let task = bench.new_task("a").await;
        bench.new_task("z").await;
        let run = bench.new_run(&task).await["deploymentId"].as_str().unwrap().to_owned();
        bench.set(&quirk.split(' ').collect::<Vec<_>>()).await;
        let body = body.to_string().replace("RUN", &run);
        let seen = bench.post(path, serde_json::from_str(&body).unwrap()).await;
        let found = seen.body.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{quirk}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn quirks_of_runs_show_in_their_course() {
    let cases: &[(&[&str], u64, &str)] = &[
        (&["stop-ms=2000"], 1_000, "Running"),
        (&["stop-ms=2000"], 2_000, "Stopped"),
        (&["run-outcome=failed"], 4_000, "Stopped"),
        (&["run-outcome=hangs"], 0, "Stopped"),
    ];
    for (quirks, wait, status) in cases {
        let bench = Bench::in_process();
        bench.set(quirks).await;
        let task = bench.new_task("a").await;
        let run = bench.new_run(&task).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        bench.good("/agents/deployments/stop", json!({"deploymentId": run["deploymentId"]})).await;
        tokio::time::advance(Duration::from_millis(*wait)).await;
        assert_eq!(bench.run(&run).await["status"], *status, "{quirks:?}");
    }
    for places in ["concurrent-runs=1", "create-while-active=queue"] {
        let bench = Bench::in_process();
        bench.set(&[places]).await;
        let task = bench.new_task("a").await;
        let (first, second) = (bench.new_run(&task).await, bench.new_run(&task).await);
        tokio::time::advance(Duration::from_secs(2)).await;
        let seen = (bench.run(&first).await, bench.run(&second).await);
        assert_eq!((&seen.0["status"], &seen.1["status"]), (&json!("Running"), &json!("InQueue")));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(bench.run(&second).await["status"], "Running", "{places}");
    }
    let queued = [("null", json!({"conversation": null})), ("missing", json!({}))];
    for (form, mut expected) in queued {
        let bench = Bench::in_process();
        bench.set(&[&format!("conversation-in-queue={form}")]).await;
        let task = bench.new_task("a").await;
        let id = json!({"deploymentId": bench.new_run(&task).await["deploymentId"]});
        expected["success"] = true.into();
        expected["errors"] = json!([]);
        assert_eq!(bench.good("/agents/deployments/conversation/read", id).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn quirks_of_prompts_and_counts_show_over_several_requests() {
    let bench = Bench::in_process();
    bench.runs_take(FOREVER).await;
    bench.set(&["queued-prompt=hidden", "prompt-on-ended=accept", "deployment-count=ever"]).await;
    let task = bench.new_task("a").await;
    let run = bench.new_run(&task).await;
    let id = json!({"deploymentId": run["deploymentId"]});
    let prompt = json!({"deploymentId": run["deploymentId"], "prompt": "more"});
    bench.good("/agents/deployments/prompt", prompt.clone()).await;
    let shown = bench.conversation(&run).await["messages"].as_array().unwrap().len();
    assert_eq!(shown, 2, "the waiting prompt is hidden");
    bench.good("/agents/deployments/stop", id.clone()).await;
    bench.good("/agents/deployments/prompt", prompt).await;
    assert_eq!(bench.run(&run).await["status"], "Running", "a stopped deployment goes on");
    bench.good("/agents/deployments/stop", id.clone()).await;
    bench.good("/agents/deployments/delete", id).await;
    assert_eq!(bench.tasks().await[0]["deployments"], 1, "a deleted run counts");
}

#[tokio::test(start_paused = true)]
async fn a_rule_decides_how_the_runs_of_a_prompt_end() {
    let bench = Bench::in_process();
    let rule = |part: &str, outcome, says: Option<&str>| RunRule {
        prompt_contains: part.to_owned(),
        outcome,
        says: says.map(str::to_owned),
        ..RunRule::default()
    };
    let rules = vec![
        rule("bad", RunOutcome::Failed, Some("out of tokens")),
        rule("tool", RunOutcome::ToolFailure, None),
    ];
    bench.emulator.with_world(|world| world.rules = rules).await.unwrap();
    let (bad, tool) = (bench.new_task("bad").await, bench.new_task("tool").await);
    let (bad, tool) = (bench.new_run(&bad).await, bench.new_run(&tool).await);
    tokio::time::advance(Duration::from_secs(4)).await;
    let bad = bench.run(&bad).await;
    assert_eq!((&bad["status"], &bad["runtimeError"]), (&json!("Failed"), &json!("out of tokens")));
    assert_eq!(bench.run(&tool).await["status"], "Completed");
    let told = bench.conversation(&tool).await;
    let result = &told["messages"][1]["parts"][4]["output"]["structuredContent"];
    let errors = json!(["The backtest ended with a runtime error."]);
    assert_eq!((&result["success"], &result["errors"]), (&json!(false), &errors));
}

#[tokio::test(start_paused = true)]
async fn the_web_interface_does_what_the_api_cannot() {
    let bench = Bench::in_process();
    let edit = |world: &mut World| {
        let task = world.add_task("  Foreign!", 48, "theirs");
        world.set_schedule(task, Some("0 9 * * 1"));
        world.set_notifications(task, vec![json!({"type": "email"})]);
        world.edit_prompt(task, "edited");
        let copy = world.clone_task(task).unwrap();
        let mode = &mut world.task_mut(copy).unwrap().project_preference;
        "no-project".clone_into(mode);
        let run = world.run_task(task).unwrap();
        world.end_run(&run, DeploymentPhase::Failed);
        world.add_turn(&run, "by hand");
        assert!(world.say(&run, "and again") && !world.say("A-0", "nobody"));
        assert_eq!((world.tasks().count(), world.deployments().count()), (2, 1));
    };
    bench.emulator.with_world(edit).await.unwrap();
    let tasks = bench.tasks().await;
    assert_eq!((&tasks[0]["name"], &tasks[0]["prompt"]), (&json!("  Foreign!"), &json!("edited")));
    assert_eq!(
        (&tasks[0]["owner"]["publicId"], &tasks[0]["deployments"]),
        (&json!("somebody"), &json!(1))
    );
    assert_eq!(tasks[1]["name"], "  Foreign! (clone)");
    assert_eq!((&tasks[1]["schedule"], &tasks[1]["deployments"]), (&json!("0 9 * * 1"), &json!(0)));
    assert_eq!(tasks[1]["projectPreference"], "no-project");
}

#[tokio::test(start_paused = true)]
async fn two_emulators_share_the_world_of_one_file() {
    let files: Arc<dyn Files> = Arc::new(Memory::default());
    check_shared(files, "emulator.json".into()).await;
    let folder = tempfile::tempdir().unwrap();
    check_shared(Arc::new(Disk), folder.path().join("deep/emulator.json")).await;
}

async fn check_shared(files: Arc<dyn Files>, path: std::path::PathBuf) {
    let bench = || {
        let storage = Storage::File { files: Arc::clone(&files), path: path.clone() };
        let emulator = Arc::new(Emulator::new(World::new(7, begin()), clock(), storage));
        Bench { emulator, line: Line::InProcess }
    };
    let (one, two) = (bench(), bench());
    one.set(&["list-order=newest-first"]).await;
    let (a, b) = tokio::join!(one.new_task("a"), two.new_task("b"));
    assert_ne!(a["id"], b["id"]);
    assert_eq!(one.tasks().await, two.tasks().await);
    assert_eq!(two.tasks().await[0]["id"], 333, "quirks are kept with the world");
    let run = one.new_run(&a).await;
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(two.run(&run).await["status"], "Completed", "what is due is kept too");
    let stored = files.read(&path).unwrap().unwrap();
    assert!(!String::from_utf8(stored).unwrap().contains("Basic "));
    for (text, part) in [
        (r#"{"version": 2}"#, "has version 2, and this program knows versions up to 1"),
        (r#"{"version": 1, "seed": "#, "is damaged; move it away"),
        ("", "is damaged; move it away"),
    ] {
        files.write(&path, text.as_bytes()).unwrap();
        let error = one.emulator.with_world(|_| ()).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(part), "{text}: {cause}");
        assert_eq!(files.read(&path).unwrap().unwrap(), text.as_bytes(), "it is left as it is");
    }
}

#[tokio::test(start_paused = true)]
async fn a_world_that_was_named_is_not_mistaken_for_one_that_takes_its_place() {
    let files: Arc<dyn Files> = Arc::new(Memory::default());
    let path = std::path::PathBuf::from("emulator.json");
    let emulator = |seed| {
        let storage = Storage::File { files: Arc::clone(&files), path: path.clone() };
        Emulator::new(World::new(seed, begin()), clock(), storage)
    };
    let (one, other) = (emulator(1), emulator(2));
    let named = one.identity().unwrap().to_owned();
    assert_eq!(files.read(&path).unwrap(), None, "to name a world makes no file");
    assert_ne!(named, other.identity().unwrap());
    one.with_world(|world| world.add_task("a", 47, "p")).await.unwrap();
    assert_eq!(emulator(3).identity().unwrap(), named);
    let error = other.with_world(|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("was replaced meanwhile"), "{error}");
    files.write(&path, &World::new(4, begin()).to_json()).unwrap();
    let error = one.with_world(|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("run the command again"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_ids_and_others_do_not() {
    let ids = async |seed| {
        let emulator = Arc::new(Emulator::new(World::new(seed, begin()), clock(), Storage::Memory));
        let bench = Bench { emulator, line: Line::InProcess };
        let task = bench.new_task("a").await;
        bench.new_run(&task).await["deploymentId"].clone()
    };
    assert_eq!(ids(1).await, ids(1).await);
    assert_ne!(ids(1).await, ids(2).await);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tasks_are_made_and_listed() {
    let bench = Bench::in_process();
    let fill = |world: &mut World| {
        for number in 0..10_000 {
            world.add_task(&format!("Task {number}"), 47, "prompt");
        }
    };
    bench.emulator.with_world(fill).await.unwrap();
    bench.set(&["duplicate-name=suffix", "list-order=shuffled"]).await;
    assert_eq!(bench.new_task("Task 5").await["name"], "Task 5 2");
    assert_eq!(bench.tasks().await.as_array().unwrap().len(), 10_001);
}

#[tokio::test(start_paused = true)]
async fn latency_keeps_peers_in_flight() {
    let world = World::new(7, begin());
    let emulator =
        Emulator::new(world, clock(), Storage::Memory).with_latency(Duration::from_secs(2));
    let bench = Bench { emulator: Arc::new(emulator), line: Line::InProcess };
    let before = tokio::time::Instant::now();
    let (a, b) = tokio::join!(bench.new_task("a"), bench.new_task("b"));
    assert_eq!(
        (a["created"].as_str(), b["created"].as_str()),
        (Some("2026-11-21 12:00:01"), Some("2026-11-21 12:00:01"))
    );
    assert_eq!(before.elapsed(), Duration::from_secs(2));
    assert_eq!(bench.emulator.requests()[0].fault, None::<Fault>);
}
