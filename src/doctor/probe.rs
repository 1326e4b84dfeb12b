//! One task, made to see what the service makes of it, and deleted again. It starts no deployment.
//!
//! However it ends, its task is deleted at the end; only a process that is killed leaves it behind.
//! The next probe, or [`Doctor::remove_leftovers`], recognizes such a task by its name and its prompt.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api::{ApiError, CallOutcome, Endpoint};
use crate::diag::CheckStatus::{Failed, Noted, Passed, Warned};
use crate::diag::{Check, Checkup};
use crate::doctor::Doctor;
use crate::doctor::reply::{self, Members, entries, id, text};
use crate::doctor::service::{
    REPORT, check_fields, compare, rounded, settle_extras, stamp, zone_check,
};
use crate::doctor::texts::{name_rewriting, prompt_rewriting};
use crate::model::{PROBE_NAME, PROBE_PROMPT, counted, is_probe_name, is_probe_prompt, sha256_hex};

/// How long a new task may be missing from the list, look by look: half a minute in all.
const LIST_DELAYS: [u64; 7] = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000];

/// How often a task is deleted before a person is asked to.
const DELETES: usize = 3;

/// The length of the longest name that is tried, in characters.
const LONG_NAME: usize = 300;

/// The task of a probe, and what was found with it.
struct Probe<'a> {
    doctor: &'a Doctor<'a>,
    /// Tells this probe from others.
    nonce: String,
    id: u64,
    /// When the service had made it.
    made: Instant,
    found: Checkup,
}

/// Why nothing more is measured.
enum Halt {
    /// Somebody has asked to stop.
    Stopped,
    /// A call failed.
    Failed(ApiError),
}

impl From<ApiError> for Halt {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Doctor<'_> {
    /// What [`Self::probe`] is going to do.
    pub fn probe_steps() -> String {
        format!(
            "create one task named `{PROBE_NAME} ...`, which starts no deployment and costs nothing, read \
             it and change its name a few times, and then delete it"
        )
    }

    /// Makes a task, measures what becomes of it, and deletes it.
    pub async fn probe(&self) -> Checkup {
        let stamp = format!("{}", self.clock.now().as_nanosecond());
        let nonce = sha256_hex(stamp.as_bytes())[..8].to_owned();
        let (id, found) = match self.make_probe(&nonce).await {
            Ok(made) => made,
            Err(check) => return Checkup { checks: vec![check], ..Checkup::default() },
        };
        let mut probe = Probe { doctor: self, nonce, id, made: Instant::now(), found };
        let ended = probe.measure().await;
        if let Err(Halt::Failed(error)) = &ended {
            probe.found.push(self.failed("update", error));
        }
        match self.remove(id).await {
            Err(check) => probe.found.push(check),
            Ok(refusal) => {
                let form = reply::refusal_form(&refusal);
                probe.found.settle("refusal-form", form, "the read of a deleted task");
                probe.found.push(if matches!(ended, Err(Halt::Stopped)) {
                    Check::new("probe", Noted, "it was stopped, and its task is deleted")
                } else {
                    Check::new("probe", Passed, "its task is deleted")
                });
            }
        }
        probe.found
    }

    /// Deletes the tasks that probes have left, each proven by its name and its prompt.
    pub async fn remove_leftovers(&self) -> Check {
        let reply = match self.list(Endpoint::LIST_TASKS).await {
            Ok(reply) => reply,
            Err(check) => return check,
        };
        let left = self.leftovers(&entries(&reply, "tasks")).await;
        for id in &left {
            if let Err(check) = self.remove(*id).await {
                return Check { name: "leftover", ..check };
            }
        }
        let message = match left.len() {
            0 => "no probe has left a task".to_owned(),
            count => format!("{} deleted", counted(count, "task is", "tasks are")),
        };
        Check::new("leftover", Passed, message)
    }

    /// Makes the task; nothing was made where it fails, or what to do about it is said.
    async fn make_probe(&self, nonce: &str) -> Result<(u64, Checkup), Check> {
        let failed = |why: &str| Check::new("probe", Failed, why.to_owned());
        let agents = self.list(Endpoint::LIST_AGENTS).await?;
        let tasks = self.list(Endpoint::LIST_TASKS).await?;
        let agents = entries(&agents, "agents");
        // A pipeline starts deployments by itself.
        let is_quiet = |agent: &&&Members| agent.get("pipeline").is_none_or(Value::is_null);
        let agent = agents.iter().filter(is_quiet).find_map(|agent| id(agent));
        let agent = agent.ok_or_else(|| {
            failed("the organization has no agent outside of pipelines")
                .help("create one in the web interface; a task needs an agent")
        })?;
        let body = json!({
            "organizationId": self.client.organization_id().0,
            "agentId": agent,
            "name": first_name(nonce),
            "prompt": prompt(nonce),
            "projectPreference": "project-each-task-deployment",
        });
        let (outcome, reply) = self.client.call_raw(Endpoint::CREATE_TASK, &body).await;
        let mut found = Checkup::default();
        let made = match outcome {
            CallOutcome::Done(()) => reply.get("task").and_then(Value::as_object).and_then(id),
            CallOutcome::Unknown(_) => None,
            CallOutcome::Refused(error) | CallOutcome::NotProcessed(error) => {
                return Err(self.failed("probe", &error));
            }
        };
        let known: BTreeSet<u64> = entries(&tasks, "tasks").into_iter().filter_map(id).collect();
        let made = match made {
            Some(id) => id,
            None => self.find(nonce, &known).await.ok_or_else(|| {
                failed("whether the probe's task was made is not known: its answer was lost")
                    .help("`qcops doctor --clean-up` in a few minutes deletes it, if it was")
            })?,
        };
        let errors = reply::errors_member(&tasks);
        found.settle("errors-member", errors, "the answer of the list of tasks");
        Ok((made, found))
    }

    /// Looks for a task that was made although its answer was lost.
    async fn find(&self, nonce: &str, known: &BTreeSet<u64>) -> Option<u64> {
        for delay in LIST_DELAYS {
            sleep(Duration::from_millis(delay)).await;
            let Ok(reply) = self.list(Endpoint::LIST_TASKS).await else { continue };
            let ids = entries(&reply, "tasks").into_iter().filter_map(id);
            for id in ids.filter(|id| !known.contains(id)) {
                let (_, read) = self.read_task(id).await;
                let task = read.get("task").and_then(Value::as_object);
                let stored = task.and_then(|task| text(task, "prompt"));
                if stored.is_some_and(|prompt| prompt.contains(nonce)) {
                    return Some(id);
                }
            }
        }
        None
    }

    /// Deletes a task that a probe has made, unless somebody uses it; returns the refusal of its read.
    async fn remove(&self, id: u64) -> Result<Members, Check> {
        let failed = |why: String| {
            Check::new("probe", Failed, why).help(format!(
                "delete task {id} in the web interface, or `qcops doctor --clean-up`"
            ))
        };
        let mut last = None;
        for attempt in 0..=DELETES {
            sleep(Duration::from_secs(if attempt > 1 { 2 } else { 0 })).await;
            let (outcome, read) = self.read_task(id).await;
            match outcome {
                CallOutcome::Refused(error) if !error.is_auth() => {
                    let listed = self.list(Endpoint::LIST_TASKS).await?;
                    if entries(&listed, "tasks").into_iter().all(|task| reply::id(task) != Some(id))
                    {
                        return Ok(read);
                    }
                }
                CallOutcome::Done(()) => {
                    let task = read.get("task").and_then(Value::as_object);
                    if !task.is_some_and(is_unused_probe) {
                        return Err(failed(format!(
                            "task {id} is no longer as the probe has made it"
                        )));
                    }
                }
                other => last = other.into_result().err(),
            }
            let delete = json!({"taskId": id});
            let (deleted, _) = self.client.call_raw(Endpoint::DELETE_TASK, &delete).await;
            last = deleted.into_result().err().or(last);
        }
        let why = last.map_or_else(String::new, |error| format!(": {error}"));
        Err(failed(format!("the probe's task {id} could not be deleted{why}")))
    }
}

impl Probe<'_> {
    async fn measure(&mut self) -> Result<(), Halt> {
        self.measure_texts().await?;
        self.measure_list().await?;
        self.measure_rename().await?;
        self.measure_long_name().await?;
        self.measure_requests().await
    }

    /// Whether anything more is to be measured.
    fn go_on(&self) -> Result<(), Halt> {
        if (self.doctor.is_stopped)() { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Reads the task, and returns the answer and the task in it.
    async fn read(&self) -> Result<(Members, Members), Halt> {
        self.go_on()?;
        let (outcome, read) = self.doctor.read_task(self.id).await;
        outcome.into_result()?;
        let task = read.get("task").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok((read, task))
    }

    /// Changes the task, and reads it where that was done; it stays as it is where that is refused.
    async fn update(&self, field: &str, value: &str) -> Result<Option<(Members, Members)>, Halt> {
        let body = json!({"taskId": self.id, (field): value});
        let (outcome, answer) = self.doctor.client.call_raw(Endpoint::UPDATE_TASK, &body).await;
        match outcome {
            CallOutcome::Refused(error) if !error.is_auth() => Ok(None),
            outcome => {
                outcome.into_result()?;
                Ok(Some((answer, self.read().await?.1)))
            }
        }
    }

    /// What was stored of name and prompt, and when, in the service's zone.
    async fn measure_texts(&mut self) -> Result<(), Halt> {
        let (read, task) = self.read().await?;
        self.found.push(check_fields(&task));
        settle_extras(&reply::undocumented(&read), &mut self.found);
        self.found.settle("ids-sent", reply::ids_sent(&task), "the id of the probe's task");
        self.settle_name("name-on-create", &first_name(&self.nonce), &task);
        let sent = prompt(&self.nonce);
        let stored = text(&task, "prompt").unwrap_or_default();
        let check = self.check_prompt(&sent, stored);
        self.found.push(check);
        if let Some(created) = stamp(&task, "created") {
            let minutes = rounded(self.doctor.ahead(created));
            self.found.settle("utc-offset-minutes", minutes.to_string(), "the time of the task");
            self.found.push(zone_check(minutes, self.doctor.declared_offset));
        }
        Ok(())
    }

    /// Says how a prompt was changed.
    fn check_prompt(&mut self, sent: &str, stored: &str) -> Check {
        let Some(found) = prompt_rewriting(sent, stored) else {
            let message = "a prompt was changed in a way that has no word";
            return Check::new("prompts", Warned, message).help(REPORT);
        };
        if let Some(trim) = found.trim {
            self.found.settle("prompt-trim", trim, "blanks around a prompt");
        }
        self.found.settle("prompt-rewrite", found.rule, "letters and line ends of a prompt");
        if let Some(limit) = found.limit {
            let seen = format!("a prompt was cut after {limit} characters");
            self.found.settle("prompt-limit", limit.to_string(), &*seen);
            self.found.settle("long-prompt", "cut", &*seen);
            return Check::new("prompts", Warned, seen).help("keep prompts shorter");
        }
        match found.rule {
            "append" => {
                Check::new("prompts", Warned, "the service adds to every prompt").help(REPORT)
            }
            _ => Check::new("prompts", Passed, "prompts are stored as they are compared"),
        }
    }

    /// Says how a name was rewritten.
    fn settle_name(&mut self, quirk: &'static str, sent: &str, task: &Members) {
        let stored = text(task, "name").unwrap_or_default();
        let seen = format!("\"{sent}\" was stored as \"{stored}\"");
        let check = match name_rewriting(sent, stored) {
            Some(found) => {
                self.found.settle(quirk, found.rule, &*seen);
                match (found.rule, found.limit) {
                    ("verbatim", None) => {
                        Check::new("names", Passed, "names are stored as they are sent")
                    }
                    _ => Check::new("names", Noted, seen),
                }
            }
            None => Check::new("names", Noted, seen),
        };
        // What is rewritten once is worth more than what is not the other time.
        let known = self.found.checks.iter().position(|known| known.name == "names");
        match known {
            Some(at) if self.found.checks[at].status < check.status => {
                self.found.checks[at] = check;
            }
            Some(_) => {}
            None => self.found.push(check),
        }
    }

    /// How long the list leaves the task out, and how it shows it.
    async fn measure_list(&mut self) -> Result<(), Halt> {
        let mut delays = LIST_DELAYS.iter();
        let (mut count, mut waited) = (0, 0);
        let task = self.read().await?.1;
        loop {
            self.go_on()?;
            let asked = self.made.elapsed().as_millis();
            let Ok(reply) = self.doctor.list(Endpoint::LIST_TASKS).await else { return Ok(()) };
            let tasks = entries(&reply, "tasks");
            if let Some(entry) = tasks.iter().find(|entry| id(entry) == Some(self.id)) {
                compare(entry, &task, &mut self.found);
                if let Some(order) = reply::list_order(&tasks) {
                    self.found.settle("list-order", order, "the list of tasks");
                }
                let lag = if waited == 0 { 0 } else { asked };
                let seen = format!("the list showed the task after {lag} ms");
                self.found.settle("list-lag-ms", lag.to_string(), &*seen);
                let status = if lag == 0 { Passed } else { Noted };
                self.found.push(Check::new("list-delay", status, seen));
                return Ok(());
            }
            count = tasks.len().max(count);
            let Some(delay) = delays.next() else { break };
            sleep(Duration::from_millis(*delay)).await;
            waited += delay;
        }
        let message = format!("the list did not show the task within {} s", waited / 1_000);
        if count > 0 {
            self.found.settle("list-cap", count.to_string(), &*message);
        }
        self.found.push(Check::new("list-delay", Warned, message).help(
            "a list that leaves tasks out proves no absence: read docs/reliability.md before an apply",
        ));
        Ok(())
    }

    /// What becomes of a changed name, and what the change answers.
    async fn measure_rename(&mut self) -> Result<(), Halt> {
        let sent = format!("qcops doctor  probe: {} [b] 60%", self.nonce);
        let Some((answer, task)) = self.update("name", &sent).await? else {
            self.found.push(Check::new("update", Failed, "the service refuses to change a name"));
            return Ok(());
        };
        let form = if answer.contains_key("task") { "task" } else { "envelope" };
        self.found.settle("update-answer", form, "the answer to a changed name");
        self.settle_name("name-on-update", &sent, &task);
        Ok(())
    }

    /// What becomes of a name that is longer than most.
    async fn measure_long_name(&mut self) -> Result<(), Halt> {
        let long = |length: usize| {
            let name = format!("{PROBE_NAME} {} ", self.nonce);
            let rest = length.saturating_sub(name.len());
            name + &"x".repeat(rest)
        };
        let (limit, rule) = if let Some((_, task)) = self.update("name", &long(LONG_NAME)).await? {
            let length = text(&task, "name").unwrap_or_default().chars().count();
            if length >= LONG_NAME - PROBE_NAME.len() {
                let seen = format!("a name of {LONG_NAME} characters was stored");
                self.found.settle("name-limit", "0", seen);
                return Ok(());
            }
            (length, "cut")
        } else {
            // The longest that is accepted lies between what was and what was not.
            let (mut accepted, mut refused) = (first_name(&self.nonce).len(), LONG_NAME);
            while refused - accepted > 1 {
                let middle = accepted.midpoint(refused);
                match self.update("name", &long(middle)).await? {
                    Some(_) => accepted = middle,
                    None => refused = middle,
                }
            }
            (accepted, "refuse")
        };
        let seen = format!("a name has at most {}", counted(limit, "character", "characters"));
        self.found.settle("name-limit", limit.to_string(), seen);
        self.found.settle("long-name", rule, format!("a name of {LONG_NAME} characters"));
        Ok(())
    }

    /// Whether ids may be texts, and whether an update takes more than it is documented to.
    async fn measure_requests(&mut self) -> Result<(), Halt> {
        let body = json!({"taskId": self.id.to_string()});
        let (outcome, _) = self.doctor.client.call_raw(Endpoint::READ_TASK, &body).await;
        let accepted = match outcome {
            CallOutcome::Done(()) => Some("both"),
            CallOutcome::Refused(error) if !error.is_auth() => Some("numbers"),
            _ => None,
        };
        if let Some(accepted) = accepted {
            self.found.settle("ids-accepted", accepted, "a read with the id in quotes");
        }
        let before = self.read().await?.1;
        let other = format!("{} It was changed.", prompt(&self.nonce).trim());
        let check = match self.update("prompt", &other).await? {
            None => {
                self.found.settle("unknown-fields", "refuse", "an update with a prompt is refused");
                Check::new("update", Passed, "it refuses a prompt")
            }
            Some((_, after)) if after.get("prompt") == before.get("prompt") => {
                self.found.settle("unknown-fields", "ignore", "an update ignores a prompt");
                Check::new("update", Passed, "it takes a name alone, and ignores a prompt")
            }
            Some(_) => {
                Check::new("update", Warned, "it changes a prompt too, against the contract")
                    .help(REPORT)
            }
        };
        self.found.push(check);
        Ok(())
    }
}

/// The name that the task is made with: what rules differ in, in as few characters as possible.
fn first_name(nonce: &str) -> String {
    format!("qcops doctor  probe: {nonce} [a] 50%")
}

/// The prompt that the task is made with: what services are known to change.
fn prompt(nonce: &str) -> String {
    format!(
        "{PROBE_PROMPT} ({nonce})\n\n  Indented, with \"quotes\", <b>tags</b>, {{{{ braces }}}}, ${{NAME}} \
         and \u{e9}\u{2192}\u{1f642}.\n\n\tThe end.  \n"
    )
}

/// Whether a task is as a probe made it: it has no deployment and no schedule.
fn is_unused_probe(task: &Members) -> bool {
    let is_empty = |name: &str| match task.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::Array(entries)) => entries.is_empty(),
        Some(_) => false,
    };
    let deployments = task.get("deployments");
    let is_undeployed = deployments.is_none_or(|count| count == 0 || count == "0");
    let is_ours = text(task, "name").is_some_and(is_probe_name)
        || text(task, "prompt").is_some_and(is_probe_prompt);
    is_ours && is_undeployed && ["schedule", "notifications", "status"].into_iter().all(is_empty)
}
