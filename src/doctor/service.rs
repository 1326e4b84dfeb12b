//! What reading alone tells of a service.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::api::{CallOutcome, Endpoint};
use crate::diag::CheckStatus::{Failed, Noted, Passed, Warned};
use crate::diag::{Check, Checkup, with_causes};
use crate::doctor::Doctor;
use crate::doctor::reply::{self, Members, entries, id, text};
use crate::evidence::Evidence;
use crate::model::{counted, is_probe_name, is_probe_prompt};

/// What helps where the service does what nothing describes.
pub(super) const REPORT: &str = "report it with the output of `qcops doctor --format json`";

/// How far clocks may be apart before it is worth a word; answers and dates are whole seconds.
const NEAR: SignedDuration = SignedDuration::from_mins(1);

/// The shortest time for which a signature was ever said to be valid (contract 5).
const STALE: SignedDuration = SignedDuration::from_mins(30);

impl Doctor<'_> {
    /// Asks everything that changes nothing; `evidence` is what the ledger knows.
    pub async fn examine(&self, evidence: &Evidence) -> Checkup {
        let mut found = Checkup::default();
        let answered = self.client.call_raw(Endpoint::AUTHENTICATE, &json!({})).await;
        let reached = Check::new("network", Passed, "the service answers");
        match answered.0.into_result() {
            Ok(()) => {
                found.push(reached);
                found.push(Check::new("authentication", Passed, "the signature is accepted"));
            }
            Err(error) if error.is_auth() => {
                found.push(reached);
                found.push(self.failed("authentication", &error));
            }
            Err(error) => {
                found.push(self.failed("network", &error));
                return found;
            }
        }
        found.push(self.check_clock());
        let (agents, tasks) =
            (self.list(Endpoint::LIST_AGENTS).await, self.list(Endpoint::LIST_TASKS).await);
        let (Ok(agents), Ok(reply)) = (&agents, &tasks) else {
            found.checks.extend([agents, tasks].into_iter().find_map(Result::err));
            return found;
        };
        let (agents, tasks) = (entries(agents, "agents"), entries(reply, "tasks"));
        let (agent_count, task_count) = (agents.len(), tasks.len());
        let words = format!(
            "{} and {} are listed",
            counted(agent_count, "agent", "agents"),
            counted(task_count, "task", "tasks")
        );
        found.push(Check::new("permissions", Passed, words));
        found.settle(
            "errors-member",
            reply::errors_member(reply),
            "the answer of the list of tasks",
        );
        if let Some(object) = agents.first().or(tasks.first()) {
            found.settle("ids-sent", reply::ids_sent(object), "the ids of a list");
        }
        if let Some(order) = reply::list_order(&tasks) {
            found.settle("list-order", order, "the list of tasks");
        }
        self.check_contents(reply, &tasks, &mut found).await;
        found.push(self.check_zone(&tasks));
        found.push(check_names(evidence));
        found.push(self.check_leftovers(&tasks).await);
        found
    }

    /// Lists what is the organization's; what went wrong is the check of permissions.
    pub(super) async fn list(&self, endpoint: Endpoint) -> Result<Members, Check> {
        let body = json!({"organizationId": self.client.organization_id().0});
        let (outcome, reply) = self.client.call_raw(endpoint, &body).await;
        match outcome.into_result() {
            Ok(()) => Ok(reply),
            Err(error) => Err(self.failed("permissions", &error)),
        }
    }

    /// Reads a task by its id.
    pub(super) async fn read_task(&self, id: u64) -> (CallOutcome<()>, Members) {
        self.client.call_raw(Endpoint::READ_TASK, &json!({"taskId": id})).await
    }

    fn check_clock(&self) -> Check {
        let Some(date) = self.client.service_date() else {
            return Check::new("clock", Noted, "the service does not show its time");
        };
        let skew = self.clock.now().duration_since(date);
        let status = match skew.abs() {
            apart if apart <= NEAR => {
                return Check::new("clock", Passed, "it agrees with the service's");
            }
            apart if apart <= STALE => Warned,
            _ => Failed,
        };
        let side = if skew.is_negative() { "behind" } else { "ahead of" };
        let message = format!("it is {} s {side} the service's", skew.abs().as_secs());
        Check::new("clock", status, message).help("set this machine's clock, as by NTP")
    }

    /// Compares an entry of the list with its read, and both with the contract.
    async fn check_contents(&self, reply: &Members, tasks: &[&Members], found: &mut Checkup) {
        let length = |task: &&&Members| text(task, "prompt").map_or(0, str::len);
        let longest = tasks.iter().max_by_key(length);
        let Some((entry, id)) = longest.and_then(|entry| Some((*entry, id(entry)?))) else {
            let words = "there is no task to look at; `--probe` makes one";
            found.push(Check::new("fields", Noted, words));
            return found.push(Check::new("lists", Noted, words));
        };
        let (outcome, read) = self.read_task(id).await;
        let Some(task) = read.get("task").and_then(Value::as_object) else {
            let why = outcome.into_result().err().map_or_else(
                || format!("the read of task {id} shows no task"),
                |error| with_causes(&error),
            );
            return found.push(Check::new("fields", Warned, why));
        };
        found.push(check_fields(task));
        let mut more = reply::undocumented(reply);
        more.extend(reply::undocumented(&read));
        settle_extras(&more, found);
        compare(entry, task, found);
    }

    fn check_zone(&self, tasks: &[&Members]) -> Check {
        let stamps =
            tasks.iter().flat_map(|task| ["created", "updated"].map(|name| stamp(task, name)));
        let ahead = stamps.flatten().max().map(|newest| self.ahead(newest));
        match (self.declared_offset, ahead) {
            (Some(minutes), _) => {
                let message = format!("the manifest says {minutes} minutes east of UTC");
                Check::new("time-zone", Passed, message)
            }
            (None, Some(ahead)) if ahead > NEAR * 2 => zone_check(rounded(ahead), None),
            _ => Check::new("time-zone", Noted, "it is not known; `--probe` measures it"),
        }
    }

    /// How far a time stamp is ahead of the service's clock, if it is in UTC.
    pub(super) fn ahead(&self, stamp: DateTime) -> SignedDuration {
        let now = self.client.service_date().unwrap_or_else(|| self.clock.now());
        Offset::UTC.to_timestamp(stamp).map_or(SignedDuration::ZERO, |at| at.duration_since(now))
    }

    async fn check_leftovers(&self, tasks: &[&Members]) -> Check {
        let left = self.leftovers(tasks).await;
        if left.is_empty() {
            return Check::new("leftover", Passed, "no probe has left a task");
        }
        let ids: Vec<String> = left.iter().map(|id| format!("task {id}")).collect();
        let message = format!("a probe that was ended early has left {}", ids.join(", "));
        Check::new("leftover", Warned, message).help("`qcops doctor --clean-up` deletes it")
    }

    /// The tasks that were made by a probe, by name and by prompt.
    pub(super) async fn leftovers(&self, tasks: &[&Members]) -> Vec<u64> {
        let is_likely = |task: &&&Members| text(task, "name").is_some_and(is_probe_name);
        let mut found = Vec::new();
        for id in tasks.iter().filter(is_likely).filter_map(|task| id(task)) {
            let (_, read) = self.read_task(id).await;
            let task = read.get("task").and_then(Value::as_object);
            if task.and_then(|task| text(task, "prompt")).is_some_and(is_probe_prompt) {
                found.push(id);
            }
        }
        found
    }
}

/// A time stamp of an object.
pub(super) fn stamp(object: &Members, name: &str) -> Option<DateTime> {
    text(object, name)?.trim().trim_end_matches(['Z', 'z']).parse().ok()
}

/// Zones are whole quarters of an hour.
pub(super) fn rounded(ahead: SignedDuration) -> i64 {
    let minutes = ahead.as_secs().div_euclid(60);
    (minutes + 7).div_euclid(15) * 15
}

/// The check of a zone that was found.
pub(super) fn zone_check(minutes: i64, declared: Option<i64>) -> Check {
    if minutes == declared.unwrap_or(0) {
        return Check::new("time-zone", Passed, format!("{minutes} minutes east of UTC"));
    }
    let message = format!("time stamps are {minutes} minutes east of UTC");
    let (sign, whole) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
    let offset = format!("{sign}{:02}:{:02}", whole / 60, whole % 60);
    Check::new("time-zone", Warned, message)
        .help(format!("set `serviceUtcOffset: \"{offset}\"` in the manifest"))
}

/// Checks that a task has the fields that plans need.
pub(super) fn check_fields(task: &Members) -> Check {
    let lacking = reply::lacking(task);
    if lacking.is_empty() {
        return Check::new("fields", Passed, "tasks have the documented fields");
    }
    let message = format!("tasks lack `{}`", lacking.join("`, `"));
    Check::new("fields", Warned, message).help(REPORT)
}

/// Notes whether the service shows more than is documented.
pub(super) fn settle_extras(more: &[&str], found: &mut Checkup) {
    let more: BTreeSet<&str> = more.iter().copied().collect();
    let names: Vec<&str> = more.into_iter().collect();
    if names.is_empty() {
        found.settle("extra-fields", "off", "all members are documented");
    } else {
        found.settle("extra-fields", "on", format!("undocumented: {}", names.join(", ")));
    }
}

/// Compares an entry of the list with a read of the same task.
pub(super) fn compare(entry: &Members, read: &Members, found: &mut Checkup) {
    let (form, names) = reply::entry_form(entry, read);
    let shown = names.join("`, `");
    let check = match form {
        Some("whole") => Check::new("lists", Passed, "an entry of the list equals its read"),
        Some(_) => Check::new(
            "lists",
            Noted,
            format!("entries of the list differ in `{shown}`, so tasks are read one by one"),
        ),
        None => Check::new("lists", Warned, format!("an entry differs from its read in `{shown}`"))
            .help(REPORT),
    };
    if let Some(form) = form {
        found.settle("list-entry", form, check.message.clone());
    }
    found.push(check);
}

/// Tells from the ledger whether the service has stored other names than it was sent.
fn check_names(evidence: &Evidence) -> Check {
    let rewritten = evidence.keys.values().flat_map(|key| &key.rewritten).next();
    match rewritten {
        Some((asked, stored)) => {
            Check::new("names", Noted, format!("`{asked}` was stored as `{stored}`"))
        }
        None => Check::new("names", Noted, "no rewriting is known; `--probe` measures it"),
    }
}
