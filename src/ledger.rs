//! What this machine has sent: a line before and after each create and each deployment. The line after the
//! create of a task is left to be written with the next one, within a second.
//!
//! Extra evidence, never needed to be right: without it a task is known by its content. It is kept
//! in `.qcops/`, one line an entry, appended durably; a line that was cut by a crash is passed over.
//! Entries name no prompt and no secret.

mod environment;
mod later;
mod line;
mod notes;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::diag::{EvidenceSource, Gap, GapReason};
use crate::evidence::{AgentEvidence, Evidence, StoredValue};
use crate::model::{AgentId, ContentHash, DeploymentId, Key, OrganizationId, TaskId};
use crate::resource::Edit;
use crate::store::{Journal, StoreError};

use environment::LedgerEnvironment;
use later::Later;
use line::{Line, VERSION, What, is_unclear, text};
use notes::{Notes, take_of_agent};
use writer::LineWriter;

/// How many bytes a ledger has before it is compacted.
const COMPACTED_FROM: usize = 1 << 20;

/// The lines of one target and organization.
pub struct Ledger {
    journal: Arc<dyn Journal>,
    /// The address of the service, or the emulator's file.
    target: String,
    organization_id: OrganizationId,
    /// The epoch of the lease that is held; 0 without one.
    epoch: AtomicU64,
    /// Whose lines prove something.
    environment: LedgerEnvironment,
    writer: LineWriter,
}

/// One create, named the same before and after, or what is known of one.
#[derive(Clone, Copy, Debug)]
pub struct Creation<'a> {
    /// The key it is for.
    pub key: &'a Key,
    /// The address of the content.
    pub content: ContentHash,
    /// The name it is made with.
    pub name: &'a str,
}

/// What an apply has left open, such as one that was killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// When the newest request was sent whose answer was never noted.
    pub unanswered: Option<Timestamp>,
    /// When the newest task or agent was made of which it was never noted that the list shows it.
    pub unlisted: Option<Timestamp>,
}

/// A deployment that was answered as started and that no list has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnseenDeployment {
    /// Its id; earlier versions have not noted it.
    pub id: Option<DeploymentId>,
    /// When it was noted.
    pub noted: Timestamp,
}

impl Ledger {
    /// Makes a ledger that is kept in a journal, with the lines of every environment.
    pub fn new(journal: Arc<dyn Journal>, target: String, organization_id: OrganizationId) -> Self {
        let (environment, epoch) = (LedgerEnvironment::Every, AtomicU64::new(0));
        let writer = LineWriter::new(Arc::clone(&journal));
        Self { journal, target, organization_id, epoch, environment, writer }
    }

    /// Reads what other machines may have noted.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.journal.refresh().await
    }

    /// Writes the epoch of a lease into every line from now on.
    pub fn begin_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
        self.journal.begin_epoch(epoch);
    }

    /// Makes it one of an environment, or of none.
    #[must_use]
    pub fn of_environment(self, environment: Option<String>) -> Self {
        Self { environment: LedgerEnvironment::One(environment), ..self }
    }

    /// Notes that a create is about to be sent.
    pub async fn sending(&self, creation: Creation<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.append(&self.creation(What::Sending, creation, now)).await
    }

    /// Notes the task that a create has made. The line is left to be written: until it is durable the task
    /// is known by its content, as after an answer that was lost.
    pub fn created(&self, creation: Creation<'_>, id: TaskId, now: Timestamp) {
        let line = Line { id: Some(id.0), ..self.creation(What::Created, creation, now) };
        self.writer.leave(&text(&line));
    }

    /// Notes that a create has certainly made nothing.
    pub async fn refused(&self, creation: Creation<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.append(&self.creation(What::Refused, creation, now)).await
    }

    /// Notes that a create of an agent is about to be sent.
    pub async fn sending_agent(
        &self,
        key: &Key,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::SendingAgent, key.as_str(), name.to_owned(), now);
        self.append(&line).await
    }

    /// Notes the agent that a create has made.
    pub async fn created_agent(
        &self,
        key: &Key,
        name: &str,
        id: AgentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::CreatedAgent, key.as_str(), name.to_owned(), now);
        self.append(&Line { id: Some(id.0), ..line }).await
    }

    /// Notes that a create of an agent has certainly made nothing.
    pub async fn refused_agent(
        &self,
        key: &Key,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::RefusedAgent, key.as_str(), name.to_owned(), now);
        self.append(&line).await
    }

    /// Notes that the service stores what `edit` has before instead of what it has after, so that
    /// asking again and again is spared.
    pub async fn stored_agent(
        &self,
        key: &Key,
        id: AgentId,
        edit: &Edit,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let StoredValue { field, asked, stored, .. } =
            StoredValue::new(id, edit.field, &edit.after, &edit.before);
        let (field, asked, stored) = (Some(field), Some(asked), Some(stored));
        let line = self.line(What::StoredAgent, key.as_str(), String::new(), now);
        self.append(&Line { id: Some(id.0), field, asked, stored, ..line }).await
    }

    /// Notes that what was stored in a field of an agent counts no more: it is asked for again.
    pub async fn asking_again(
        &self,
        key: &Key,
        id: AgentId,
        field: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::StoredAgent, key.as_str(), String::new(), now);
        self.append(&Line { id: Some(id.0), field: Some(field.to_owned()), ..line }).await
    }

    /// Notes that the service stores another name than the one asked for, so that asking again and
    /// again is spared.
    pub async fn renamed(
        &self,
        creation: Creation<'_>,
        stored: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let stored = Some(stored.to_owned());
        self.append(&Line { stored, ..self.creation(What::Renamed, creation, now) }).await
    }

    /// Notes that a deployment of a key is about to be sent.
    pub async fn starting(&self, key: &Key, run: &Key, now: Timestamp) -> Result<(), StoreError> {
        self.append(&self.line(What::Starting, key.as_str(), run.to_string(), now)).await
    }

    /// Notes the id of a deployment as soon as it is known: it stays with the declaration it was started for.
    pub async fn started(
        &self,
        key: &Key,
        run: &Key,
        id: &DeploymentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::Started, key.as_str(), run.to_string(), now);
        self.append(&Line { run: Some(id.0.clone()), ..line }).await
    }

    /// Notes that it is known the result of that run, and its id where one was started.
    pub async fn answered(
        &self,
        key: &Key,
        run: &Key,
        id: Option<&DeploymentId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::Answered, key.as_str(), run.to_string(), now);
        self.append(&Line { run: id.map(|id| id.0.clone()), ..line }).await
    }

    /// Notes that the deployment `id` of a task was started and that no list shows it.
    pub async fn unseen(
        &self,
        key: &Key,
        run: &Key,
        task: TaskId,
        id: &DeploymentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.line(What::Unseen, key.as_str(), run.to_string(), now);
        self.append(&Line { id: Some(task.0), run: Some(id.0.clone()), ..line }).await
    }

    /// The deployment of a task of which it was noted that no list shows it, if nothing has shown it
    /// since.
    pub fn unseen_of(
        &self,
        key: &Key,
        run: &Key,
        task: TaskId,
    ) -> Result<Option<UnseenDeployment>, StoreError> {
        let bytes = self.journal.lines()?;
        // Asked for each deployment, and hardly ever noted: most ledgers need not be understood for it.
        if !holds(&bytes, b"\"unseen\"") {
            return Ok(None);
        }
        let mut noted = None;
        for line in self.lines(&bytes).filter(|line| self.environment.counts(line)) {
            let is_its = line.key == key.as_str() && line.name == run.as_str();
            match line.what {
                What::Unseen if is_its && line.id == Some(task.0) => {
                    let id = line.run.map(DeploymentId);
                    noted = line.time.parse().ok().map(|noted| UnseenDeployment { id, noted });
                }
                What::Answered if is_its => noted = None,
                _ => {}
            }
        }
        Ok(noted)
    }

    /// The whole lines of this version, target and organization.
    fn lines(&self, bytes: &[u8]) -> impl Iterator<Item = Line> {
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| serde_json::from_slice(line).ok());
        lines.filter(|line| self.is_ours(line))
    }

    fn is_ours(&self, line: &Line) -> bool {
        line.version == VERSION
            && line.target == self.target
            && line.organization == self.organization_id.0
    }

    /// Notes that the lists show everything that was made.
    pub async fn listed(&self, now: Timestamp) -> Result<(), StoreError> {
        self.append(&self.line(What::Listed, "", String::new(), now)).await
    }

    /// Writes the lines that were left.
    pub async fn flush(&self) -> Result<(), StoreError> {
        if self.writer.has_left() { self.writer.write("").await } else { Ok(()) }
    }

    /// Notes manifests that are applied, each once: what one of them declares is not removed because of
    /// another one, wherever it is. The lines are left to be written, which is to be before anything is sent.
    pub fn applied(
        &self,
        manifests: impl Iterator<Item = PathBuf>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let bytes = self.journal.lines()?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| holds(line, b"\"applied\""));
        let known: BTreeSet<Option<PathBuf>> =
            lines.flat_map(|line| self.lines(line)).map(|line| line.manifest).collect();
        for manifest in manifests.map(Some).filter(|manifest| !known.contains(manifest)) {
            let line = self.line(What::Applied, "", String::new(), now);
            self.writer.leave(&text(&Line { manifest, ..line }));
        }
        Ok(())
    }

    /// What an apply has left open that was killed or interrupted, or ended with something unknown.
    pub fn unfinished(&self) -> Result<Unfinished, StoreError> {
        let bytes = self.journal.lines()?;
        let mut sent = BTreeMap::new();
        let mut unlisted = None;
        for line in self.lines(&bytes) {
            let Ok(time) = line.time.parse::<Timestamp>() else { continue };
            // One create of a key is under way at a time, and one request of each of its deployments.
            let is_run = matches!(line.what, What::Starting | What::Answered);
            let kind = line.what.is_about_agent();
            let about = (line.environment, kind, line.key, is_run.then_some(line.name));
            match line.what {
                What::Sending | What::SendingAgent | What::Starting => {
                    sent.insert(about, time);
                }
                What::Created | What::CreatedAgent => {
                    sent.remove(&about);
                    unlisted = Some(time);
                }
                What::Refused | What::RefusedAgent | What::Answered => {
                    sent.remove(&about);
                }
                What::Listed => unlisted = None,
                What::Renamed
                | What::StoredAgent
                | What::Started
                | What::Unseen
                | What::Applied => {}
            }
        }
        Ok(Unfinished { unanswered: sent.into_values().max(), unlisted })
    }

    /// Adds what the ledger knows to `evidence`.
    pub fn add_to(&self, evidence: &mut Evidence) -> Result<(), StoreError> {
        let bytes = self.journal.lines()?;
        let mut notes = BTreeMap::<Key, Notes>::new();
        let mut agents = BTreeMap::<Key, AgentEvidence>::new();
        let mut unreadable = Vec::new();
        for (bytes, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
            let line: Option<Line> = serde_json::from_slice(bytes).ok();
            if is_unclear(bytes, line.as_ref()) {
                unreadable.push(number);
            }
            let Some(line) = line.filter(|line| self.is_ours(line)) else { continue };
            if let What::Applied = line.what {
                evidence.applied.extend(line.manifest);
                continue;
            }
            if !self.environment.counts(&line) {
                continue;
            }
            evidence.has_ledger = true;
            let Ok(key) = line.key.parse::<Key>() else { continue };
            if line.what.is_about_agent() {
                take_of_agent(agents.entry(key).or_default(), line);
            } else {
                notes.entry(key).or_default().take(line);
            }
        }
        if let Some(line) = unreadable.first() {
            let reason = GapReason::LedgerUnreadable { line: *line, count: unreadable.len() };
            let (source, keys) = (EvidenceSource::Ledger, BTreeSet::new());
            evidence.gaps.push(Gap { source, keys, reason });
        }
        for (key, notes) in notes {
            let known = evidence.keys.entry(key).or_default();
            known.started.extend(notes.started);
            known.created.splice(0..0, notes.created.into_iter().rev().flatten());
            known.rewritten.splice(0..0, notes.rewritten.into_iter().rev());
        }
        for (key, noted) in agents {
            let known = evidence.agents.entry(key).or_default();
            known.created.splice(0..0, noted.created.into_iter().rev());
            known.unanswered.splice(0..0, noted.unanswered.into_iter().rev());
            known.stored.splice(0..0, noted.stored.into_iter().rev());
        }
        Ok(())
    }

    /// Takes out the lines that later ones have answered, where the file is long and that saves a
    /// quarter of it. What the ledger says stays the same.
    pub async fn compact(&self) -> Result<(), StoreError> {
        let change = |bytes: &[u8]| {
            if bytes.len() < COMPACTED_FROM {
                return None;
            }
            let needed = self.needed(bytes);
            (needed.len() <= bytes.len() / 4 * 3).then_some(needed)
        };
        self.journal.rewrite(&change).await
    }

    /// The lines that still say something; those of others are kept as they are.
    fn needed(&self, bytes: &[u8]) -> Vec<u8> {
        let mut later = Later::default();
        let lines = bytes.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty());
        let mut lines: Vec<&[u8]> = lines
            .filter(|bytes| {
                let line = serde_json::from_slice(bytes).ok();
                let line = line.filter(|line| self.is_ours(line) && self.environment.counts(line));
                line.is_none_or(|line| later.needs(line))
            })
            .collect();
        lines.reverse();
        let mut text = lines.join(&b'\n');
        text.push(b'\n');
        text
    }

    /// A line about a create.
    fn creation(&self, what: What, creation: Creation<'_>, now: Timestamp) -> Line {
        let content = creation.content.to_string();
        Line { content, ..self.line(what, creation.key.as_str(), creation.name.to_owned(), now) }
    }

    fn line(&self, what: What, key: &str, name: String, now: Timestamp) -> Line {
        Line {
            version: VERSION,
            target: self.target.clone(),
            organization: self.organization_id.0.clone(),
            environment: self.environment.name(),
            what,
            key: key.to_owned(),
            name,
            content: String::new(),
            id: None,
            stored: None,
            field: None,
            asked: None,
            run: None,
            manifest: None,
            epoch: Some(self.epoch.load(Ordering::SeqCst)).filter(|epoch| *epoch > 0),
            time: now.to_string(),
        }
    }

    /// Appends a line, and returns when it is durable.
    async fn append(&self, line: &Line) -> Result<(), StoreError> {
        self.writer.write(&text(line)).await
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::files::{Appending, Files, FilesError, Lock, Memory};
    use crate::resource::{Object, Value};
    use crate::store::FileJournal;

    const PATH: &str = ".qcops/ledger.jsonl";

    fn journal(files: Arc<dyn Files>) -> Arc<dyn Journal> {
        Arc::new(FileJournal::new(files, PATH.into()))
    }

    fn ledger(files: &Memory, target: &str) -> Ledger {
        let organization_id = OrganizationId("o".to_owned());
        Ledger::new(journal(Arc::new(files.clone())), target.to_owned(), organization_id)
    }

    fn content(prompt: &str) -> ContentHash {
        Object::task("", 47, "project-for-task", prompt).content().unwrap()
    }

    fn read(ledger: &Ledger) -> Evidence {
        let mut evidence = Evidence::default();
        ledger.add_to(&mut evidence).unwrap();
        evidence
    }

    async fn created(ledger: &Ledger, creation: Creation<'_>, id: TaskId, now: Timestamp) {
        ledger.created(creation, id, now);
        ledger.flush().await.unwrap();
    }

    #[tokio::test]
    async fn a_create_that_was_never_answered_is_known_as_such() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let ledger = ledger(&files, "here");
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        ledger.sending(creation, now).await.unwrap();
        assert_eq!(ledger.unfinished().unwrap().unanswered, Some(now));
        created(&ledger, creation, TaskId(7), now).await;
        let known = &read(&ledger).keys[&key];
        assert_eq!(ledger.unfinished().unwrap().unanswered, None);
        assert!(known.created(TaskId(7)) && known.proves(TaskId(7), content("a")));
        let other = Creation { content: content("b"), ..creation };
        ledger.sending(other, now).await.unwrap();
        ledger.refused(other, now).await.unwrap();
        assert!(!read(&ledger).keys[&key].proves(TaskId(8), content("b")));
    }

    #[tokio::test]
    async fn what_was_made_for_one_environment_proves_nothing_for_another() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let of = |environment: Option<&str>| {
            ledger(&files, "here").of_environment(environment.map(str::to_owned))
        };
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let environments = [None, Some("dev"), Some("prod")];
        for (id, environment) in (1..).zip(environments) {
            created(&of(environment), creation, TaskId(id), now).await;
        }
        let other = Creation { content: content("b"), ..creation };
        of(Some("dev")).sending(other, now).await.unwrap();
        for (ours, environment) in (1..).zip(environments) {
            let known = &read(&of(environment)).keys[&key];
            let proven: Vec<u64> =
                (1..=3).filter(|id| known.proves(TaskId(*id), content("a"))).collect();
            assert_eq!(proven, [ours], "{environment:?}");
            // The list lags for all of them.
            assert_eq!(of(environment).unfinished().unwrap().unanswered, Some(now));
        }
        assert!(read(&ledger(&files, "here")).keys[&key].proves(TaskId(2), content("a")));
    }

    #[tokio::test]
    async fn an_answer_about_one_run_leaves_its_sibling_unanswered() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let ledger = ledger(&files, "here");
        let [one, two] = ["one", "two"].map(|run| run.parse::<Key>().unwrap());
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        ledger.starting(&key, &one, now).await.unwrap();
        ledger.starting(&key, &two, now).await.unwrap();
        ledger.answered(&key, &two, None, now).await.unwrap();
        assert_eq!(ledger.unfinished().unwrap().unanswered, Some(now));
        ledger.answered(&key, &one, None, now).await.unwrap();
        assert_eq!(ledger.unfinished().unwrap(), Unfinished::default());
    }

    #[tokio::test]
    async fn a_task_is_unfinished_until_the_list_shows_it() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let ledger = ledger(&files, "here");
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        ledger.sending(creation, now).await.unwrap();
        created(&ledger, creation, TaskId(7), now).await;
        let created = Unfinished { unanswered: None, unlisted: Some(now) };
        assert_eq!(ledger.unfinished().unwrap(), created);
        ledger.listed(now).await.unwrap();
        assert_eq!(ledger.unfinished().unwrap(), Unfinished::default());
    }

    #[tokio::test]
    async fn a_line_that_a_crash_has_cut_loses_nothing_else() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let ledger = ledger(&files, "here");
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        let now = Timestamp::UNIX_EPOCH;
        created(&ledger, creation, TaskId(7), now).await;
        files.append(Path::new(PATH), b"\n{\"version\":1,\"target\":\"he").unwrap();
        created(&ledger, creation, TaskId(8), now).await;
        let known = &read(&ledger).keys[&key];
        assert!(known.created(TaskId(7)) && known.created(TaskId(8)));
    }

    #[tokio::test]
    async fn a_run_is_known_by_its_id_and_a_follow_up_adds_none() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let (ledger, run) = (ledger(&files, "here"), "first".parse::<Key>().unwrap());
        let (id, now) = (DeploymentId("A-1".to_owned()), Timestamp::UNIX_EPOCH);
        ledger.starting(&key, &run, now).await.unwrap();
        assert!(read(&ledger).keys[&key].started.is_empty());
        ledger.started(&key, &run, &id, now).await.unwrap();
        let known = || BTreeMap::from([(id.clone(), run.clone())]);
        assert_eq!(read(&ledger).keys[&key].started, known());
        assert_eq!(ledger.unfinished().unwrap().unanswered, Some(now), "no list shows it yet");
        ledger.answered(&key, &run, Some(&id), now).await.unwrap();
        ledger.starting(&key, &run, now).await.unwrap();
        ledger.answered(&key, &run, None, now).await.unwrap();
        assert_eq!(read(&ledger).keys[&key].started, known());
        assert_eq!(ledger.unfinished().unwrap(), Unfinished::default());
        // A line of an earlier version of the program names no deployment.
        let text = String::from_utf8(files.read(Path::new(PATH)).unwrap().unwrap()).unwrap();
        assert_eq!(text.matches("\"run\":").count(), 2, "{text}");
    }

    #[tokio::test]
    async fn another_target_is_another_world() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        created(&ledger(&files, "here"), creation, TaskId(7), Timestamp::UNIX_EPOCH).await;
        assert!(read(&ledger(&files, "there")).keys.is_empty());
    }

    #[tokio::test]
    async fn a_manifest_is_noted_once_and_explains_no_resource() {
        let files = Memory::default();
        let (ledger, now) = (ledger(&files, "here"), Timestamp::UNIX_EPOCH);
        let note = async |names: &[&str]| {
            ledger.applied(names.iter().map(PathBuf::from), now).unwrap();
            ledger.flush().await.unwrap();
            files.read(Path::new(PATH)).unwrap().unwrap().len()
        };
        let first = note(&["tasks.yaml"]).await;
        assert_eq!(note(&["tasks.yaml"]).await, first);
        assert!(note(&["tasks.yaml", "../b/b.yaml"]).await > first);
        let evidence = read(&ledger);
        assert_eq!(evidence.applied, ["../b/b.yaml", "tasks.yaml"].map(PathBuf::from).into());
        assert!(!evidence.has_ledger, "it says nothing of what was made");
    }

    #[tokio::test]
    async fn a_long_ledger_is_read_in_one_pass() {
        const LINES: u64 = 40_000;
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let ledger = ledger(&files, "here");
        let now = Timestamp::UNIX_EPOCH;
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        let mut lines = String::new();
        for id in 0..LINES {
            let created = Line { id: Some(id), ..ledger.creation(What::Created, creation, now) };
            lines += &text(&ledger.creation(What::Sending, creation, now));
            lines += &text(&created);
        }
        files.append(Path::new(PATH), lines.as_bytes()).unwrap();
        let known = &read(&ledger).keys[&key];
        let ids: Vec<u64> = known.created.iter().map(|created| created.id.unwrap().0).collect();
        assert_eq!(ids, (0..LINES).rev().collect::<Vec<_>>(), "the newest first, none unanswered");
        assert_eq!(ledger.unfinished().unwrap().unanswered, None);
    }

    #[tokio::test]
    async fn a_create_stays_unanswered_until_its_own_content_is_answered() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let (ledger, now) = (ledger(&files, "here"), Timestamp::UNIX_EPOCH);
        let [a, b] =
            ["a", "b"].map(|prompt| Creation { key: &key, content: content(prompt), name: "SPY" });
        ledger.sending(a, now).await.unwrap();
        ledger.sending(b, now).await.unwrap();
        ledger.sending(a, now).await.unwrap();
        created(&ledger, b, TaskId(7), now).await;
        ledger.renamed(b, "spy", now).await.unwrap();
        ledger.renamed(b, "Spy", now).await.unwrap();
        let known = &read(&ledger).keys[&key];
        let created: Vec<_> =
            known.created.iter().map(|created| (created.id, created.content)).collect();
        let [a, b] = [a.content, b.content];
        assert_eq!(created, [(Some(TaskId(7)), b), (None, a), (None, a)]);
        assert_eq!(known.stored_as("SPY"), Some("Spy"), "the newest");
    }

    #[tokio::test]
    async fn agents_are_noted_apart_from_tasks_of_their_key() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let (ledger, at) = (ledger(&files, "here"), |n| Timestamp::from_second(n).unwrap());
        ledger.sending_agent(&key, "Spy", at(1)).await.unwrap();
        let task = Creation { key: &key, content: content("a"), name: "Spy" };
        created(&ledger, task, TaskId(7), at(2)).await;
        assert_eq!(ledger.unfinished().unwrap().unanswered, Some(at(1)), "the agent's");
        let known = read(&ledger);
        assert_eq!(known.agents[&key].unanswered, ["Spy"]);
        assert_eq!(known.keys[&key].created.len(), 1, "the task's");
        ledger.listed(at(3)).await.unwrap();
        ledger.created_agent(&key, "Spy", AgentId(5), at(4)).await.unwrap();
        let unfinished = Unfinished { unanswered: None, unlisted: Some(at(4)) };
        assert_eq!(ledger.unfinished().unwrap(), unfinished);
        ledger.sending_agent(&key, "Spy", at(5)).await.unwrap();
        ledger.refused_agent(&key, "Spy", at(6)).await.unwrap();
        let words = |word: &str| Value::Text(word.into());
        let edit = Edit { field: "model", before: words("stored"), after: words("asked") };
        ledger.stored_agent(&key, AgentId(5), &edit, at(7)).await.unwrap();
        let agent = &read(&ledger).agents[&key];
        assert_eq!((&*agent.created, agent.unanswered.len()), (&[AgentId(5)][..], 0));
        for (id, asked, is_known) in [(5, "asked", true), (6, "asked", false), (5, "b", false)] {
            let stored = agent.stores(AgentId(id), "model", &words(asked), &words("stored"));
            assert_eq!(stored, is_known, "{id} {asked}");
        }
        let text = String::from_utf8(files.read(Path::new(PATH)).unwrap().unwrap()).unwrap();
        assert!(!text.contains("asked\"}") && !text.contains(":\"stored\""), "{text}");
    }

    /// Memory whose appends take a moment; the first few fail.
    struct Slow {
        files: Memory,
        appends: AtomicUsize,
        failing: usize,
    }

    impl Files for Slow {
        fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
            self.files.read(path)
        }

        fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
            self.files.write(path, bytes)
        }

        fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
            if self.appends.fetch_add(1, Ordering::Relaxed) < self.failing {
                return Err(FilesError::NotPlain { path: path.to_owned(), what: "a device" });
            }
            self.files.append(path, bytes)
        }

        fn append_aside<'a>(&'a self, path: &'a Path, bytes: Vec<u8>) -> Appending<'a> {
            Box::pin(async move {
                tokio::task::yield_now().await;
                self.append(path, &bytes)
            })
        }

        fn try_lock(&self, path: &Path) -> Result<Option<Lock>, FilesError> {
            self.files.try_lock(path)
        }
    }

    /// Notes twenty creates at once; returns the results and how often something was appended.
    async fn note_twenty(failing: usize) -> (Vec<bool>, usize, Evidence) {
        let slow = Slow { files: Memory::default(), appends: AtomicUsize::new(0), failing };
        let (slow, organization_id) = (Arc::new(slow), OrganizationId("o".to_owned()));
        let files = Arc::<Slow>::clone(&slow);
        let ledger = Ledger::new(journal(files), "here".to_owned(), organization_id);
        let keys: Vec<Key> = (0..20).map(|n| format!("k{n}").parse().unwrap()).collect();
        let noted = keys.iter().map(|key| {
            let creation = Creation { key, content: content("a"), name: "A" };
            ledger.sending(creation, Timestamp::UNIX_EPOCH)
        });
        let noted = futures_util::future::join_all(noted).await;
        let results = noted.iter().map(Result::is_ok).collect();
        (results, slow.appends.load(Ordering::Relaxed), read(&ledger))
    }

    #[tokio::test]
    async fn what_is_noted_at_once_is_written_together() {
        let (results, appends, evidence) = note_twenty(0).await;
        assert_eq!(results, [true; 20]);
        assert_eq!(appends, 1, "all that are ready");
        assert_eq!(evidence.keys.len(), 20);
    }

    #[tokio::test]
    async fn a_line_is_never_taken_for_written_because_another_one_failed() {
        let (results, appends, evidence) = note_twenty(3).await;
        let noted = results.iter().filter(|is_noted| **is_noted).count();
        assert_eq!((results.len() - noted, evidence.keys.len()), (3, noted), "{appends}");
    }

    proptest! {
        #[test]
        fn a_compacted_ledger_says_what_it_said(
            lines in prop::collection::vec((0..14_usize, 0..3_u8, 0..2_u8, 0..2_u8, 0..40_i64), 0..30),
        ) {
            const WHATS: [What; 14] = [
                What::SendingAgent, What::CreatedAgent, What::RefusedAgent, What::StoredAgent,
                What::Sending, What::Created, What::Refused, What::Renamed, What::Starting,
                What::Started, What::Answered, What::Unseen, What::Listed,
                What::Applied,
            ];
            let files = Memory::default();
            let [here, there] = ["here", "there"].map(|target| ledger(&files, target));
            let mut written = Vec::new();
            for (what, key, name, id, second) in lines {
                let (what, owner) = (WHATS[what], if second % 5 == 0 { &there } else { &here });
                let now = Timestamp::from_second(second).unwrap();
                let is_create = matches!(what, What::Sending | What::Created | What::Refused | What::Renamed);
                let key = if matches!(what, What::Listed | What::Applied) { String::new() } else { format!("k{key}") };
                let line = owner.line(what, &key, format!("n{name}"), now);
                written.extend(text(&Line {
                    content: if is_create { content(&format!("c{name}")).to_string() } else { String::new() },
                    id: matches!(what, What::Created | What::CreatedAgent | What::StoredAgent | What::Unseen).then_some(id.into()),
                    manifest: (what == What::Applied).then(|| format!("m{id}").into()),
                    stored: matches!(what, What::Renamed | What::StoredAgent).then(|| "stored".to_owned()),
                    field: (what == What::StoredAgent).then(|| "model".to_owned()),
                    asked: (what == What::StoredAgent).then(|| format!("a{name}")),
                    run: matches!(what, What::Started | What::Answered | What::Unseen).then(|| format!("A-{id}")),
                    ..line
                }).into_bytes());
            }
            files.write(Path::new(PATH), &written).unwrap();
            let said = |ledger: &Ledger| {
                let unseen = ["k0", "k1", "k2"].map(|key| {
                    ledger.unseen_of(&key.parse().unwrap(), &"n0".parse().unwrap(), TaskId(0)).unwrap()
                });
                (format!("{:?}", read(ledger)), ledger.unfinished().unwrap(), unseen)
            };
            let before = (said(&here), said(&there));
            let bytes = files.read(Path::new(PATH)).unwrap().unwrap_or_default();
            let needed = here.needed(&bytes);
            files.write(Path::new(PATH), &needed).unwrap();
            prop_assert_eq!((said(&here), said(&there)), before);
            prop_assert_eq!(here.needed(&needed), needed);
        }
    }

    #[tokio::test]
    async fn a_long_ledger_is_compacted_and_a_short_one_is_left_alone() {
        let (files, key) = (Memory::default(), "spy".parse::<Key>().unwrap());
        let ledger = ledger(&files, "here");
        let size = || files.read(Path::new(PATH)).unwrap().unwrap().len();
        let creation = Creation { key: &key, content: content("a"), name: "SPY" };
        ledger.sending(creation, Timestamp::UNIX_EPOCH).await.unwrap();
        created(&ledger, creation, TaskId(7), Timestamp::UNIX_EPOCH).await;
        let short = size();
        ledger.compact().await.unwrap();
        assert_eq!(size(), short);
        let bytes = files.read(Path::new(PATH)).unwrap().unwrap();
        files.write(Path::new(PATH), &bytes.repeat(COMPACTED_FROM / short + 1)).unwrap();
        let (long, said) = (size(), format!("{:?}", read(&ledger)));
        ledger.compact().await.unwrap();
        assert!(size() < long / 4 * 3, "{} of {long}", size());
        assert_eq!(format!("{:?}", read(&ledger)), said);
    }
}
