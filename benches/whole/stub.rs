//! A service that answers from memory: a list, creates, reads; each answer after a given latency.
//!
//! It stands in for the emulator where that would be measured too: it checks nothing and stores
//! the objects as they are sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use serde_json::Value;

use crate::{generate, serve};

/// How the service behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behavior {
    /// How long each answer takes.
    pub(crate) latency: Duration,
    /// How many requests a second it answers; more get 429.
    pub(crate) rate: Option<f64>,
}

/// What was asked of the service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// How often each path was answered.
    pub(crate) by_path: BTreeMap<String, usize>,
    /// How many answers were 429.
    pub(crate) limited: usize,
}

impl Asked {
    /// How many requests there were.
    pub(crate) fn total(&self) -> usize {
        self.by_path.values().sum::<usize>() + self.limited
    }

    /// How many were answered on paths that end so.
    pub(crate) fn of(&self, ending: &str) -> usize {
        let counts = self.by_path.iter().filter(|(path, _)| path.ends_with(ending));
        counts.map(|(_, count)| count).sum()
    }
}

/// The service, on a port of its own until the program ends.
pub(crate) struct Stub {
    /// Its base address.
    pub(crate) address: String,
    inner: Arc<Inner>,
}

struct Inner {
    behavior: Behavior,
    state: Mutex<World>,
}

struct World {
    tasks: Vec<String>,
    /// The answer to a list, once it is made: making it takes longer than what is measured of a plan.
    listed: Option<Bytes>,
    asked: Asked,
    tokens: f64,
    filled_at: Instant,
}

/// What the bucket of a limited service holds, in seconds of its rate.
const BURST_SECONDS: f64 = 0.25;

impl Stub {
    /// Starts a service that holds these tasks, as JSON objects with the ids 1, 2, 3 and so on.
    pub(crate) fn start(tasks: Vec<String>, behavior: Behavior) -> Self {
        let world = World {
            tasks,
            listed: None,
            asked: Asked::default(),
            tokens: behavior.rate.unwrap_or_default() * BURST_SECONDS,
            filled_at: Instant::now(),
        };
        let inner = Arc::new(Inner { behavior, state: Mutex::new(world) });
        let served = Arc::clone(&inner);
        let address = serve::start(behavior.latency, move |request| {
            let (status, body) = served.reply(request.uri.path(), &request.body, request.arrived);
            let mut response = serve::with(status, body);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        });
        Self { address: format!("http://{address}/api/v2"), inner }
    }

    /// Returns what was asked since the last call.
    pub(crate) fn take_asked(&self) -> Asked {
        std::mem::take(&mut self.inner.state.lock().expect("no holder panics").asked)
    }

    /// How many tasks there are.
    pub(crate) fn task_count(&self) -> usize {
        self.inner.state.lock().expect("no holder panics").tasks.len()
    }

    /// Forgets all tasks but the first `count`.
    pub(crate) fn truncate(&self, count: usize) {
        let mut world = self.inner.state.lock().expect("no holder panics");
        world.tasks.truncate(count);
        world.listed = None;
    }
}

impl Inner {
    fn reply(&self, path: &str, body: &[u8], now: Instant) -> (u16, Bytes) {
        let mut world = self.state.lock().expect("no holder panics");
        if let Some(rate) = self.behavior.rate {
            let gained = (now - world.filled_at).as_secs_f64() * rate;
            world.tokens = (world.tokens + gained).min(rate * BURST_SECONDS);
            world.filled_at = now;
            if world.tokens < 1.0 {
                world.asked.limited += 1;
                let body = r#"{"success":false,"errors":["Too many requests"]}"#;
                return (429, body.into());
            }
            world.tokens -= 1.0;
        }
        *world.asked.by_path.entry(path.to_owned()).or_default() += 1;
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        if path.ends_with("/tasks/list") {
            let World { tasks, listed, .. } = &mut *world;
            let list = || {
                let objects = tasks.join(",");
                format!(r#"{{"tasks":[{objects}],"success":true,"errors":[]}}"#).into()
            };
            return (200, listed.get_or_insert_with(list).clone());
        }
        let body = if path.ends_with("/tasks/create") {
            let (agent_id, id) =
                (request["agentId"].as_u64().unwrap_or_default(), world.tasks.len() + 1);
            let (name, prompt) = (text("name"), text("prompt"));
            let object = generate::object(id, &name, agent_id, &prompt, &text("projectPreference"));
            let body = format!(r#"{{"task":{object},"success":true,"errors":[]}}"#);
            world.tasks.push(object);
            world.listed = None;
            body
        } else if path.ends_with("/tasks/read") {
            let id = request["taskId"].as_u64().and_then(|id| usize::try_from(id).ok());
            match id.and_then(|id| world.tasks.get(id.checked_sub(1)?)) {
                Some(object) => format!(r#"{{"task":{object},"success":true,"errors":[]}}"#),
                None => r#"{"success":false,"errors":["The task was not found."]}"#.to_owned(),
            }
        } else if path.ends_with("/deployments/list") {
            let id = request["taskId"].as_u64().and_then(|id| usize::try_from(id).ok());
            let task = id.and_then(|id| world.tasks.get(id.checked_sub(1)?));
            let task: Value =
                task.and_then(|task| serde_json::from_str(task).ok()).unwrap_or_default();
            let runs: Vec<Value> =
                if task["deployments"] == 1 { vec![generate::run(&task)] } else { Vec::new() };
            serde_json::json!({"deployments": runs, "success": true, "errors": []}).to_string()
        } else {
            r#"{"success":true,"errors":[]}"#.to_owned()
        };
        (200, body.into())
    }
}
