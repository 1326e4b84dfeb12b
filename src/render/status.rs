//! How everything stands, as one table or as JSON.
//!
//! As with plans, an overview first becomes a view, which counts and words it; writers read nothing
//! else.

mod agents;
mod table;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{AgentId, OrganizationId, TaskId, counted, grouped, visible_json};
use crate::observed::Status;
use crate::plan::{
    DeclaredDeploymentOverview, DeploymentSummary, KeyOverview, KeyState, NEWEST_RUNS, Overview,
};
use crate::render::escape::Untrusted;
use crate::render::json::{self, EvidenceJson, FindingJson};
use crate::render::paint::Label;
use crate::render::schema;
use crate::render::text::{self, Length, TextOptions};
use crate::render::unmanaged::{self, UnmanagedAgentRow, UnmanagedRow};
use crate::render::unmanaged_lines::unmanaged_lines;
use crate::render::view::{self, Finding};
use crate::render::words::{self, span};
use crate::render::wrap::Wrapped;

use agents::{AgentCounts, AgentRow, agent_lines, agent_row, agents};
use table::StatusTable;

/// The version of the JSON form; a field is never removed nor given another meaning within it.
const FORMAT_VERSION: u32 = 1;

/// The longest reason in the table, in characters.
const LONGEST_REASON: usize = 100;

/// An overview ready for eyes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(
    title = "The status of qcops",
    description = "How everything stands (see `docs/formats.md`)."
)]
pub struct StatusView {
    format_version: u32,
    organization_id: Untrusted,
    /// The environment; absent where the manifest declares none.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Untrusted>,
    /// When the service was looked at.
    observed_at: String,
    /// The declared agents, in the order of their keys.
    agents: Vec<AgentRow>,
    /// The declared tasks, in the order of their keys.
    tasks: Vec<TaskRow>,
    counts: StatusCounts,
    /// How much of the evidence could be read, source by source.
    evidence: Vec<EvidenceJson>,
    /// Why nothing here is certain: the task list is incomplete or implausible.
    blocked: Vec<FindingJson>,
    /// Tasks that nothing proves to be owned, in the order of their ids.
    unmanaged: Vec<UnmanagedRow>,
    /// The other agents of the organization, in the order of their ids, where any are declared.
    unmanaged_agents: Vec<UnmanagedAgentRow>,
    #[serde(skip)]
    agent_names: BTreeMap<AgentId, String>,
    #[serde(skip)]
    doubts: Vec<Finding>,
    #[serde(skip)]
    notes: Vec<Finding>,
}

/// One declared task.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct TaskRow {
    key: Untrusted,
    /// `in-sync`, `drifted`, `missing` or `blocked`.
    #[schemars(extend("enum" = ["in-sync", "drifted", "missing", "blocked"]))]
    status: &'static str,
    /// Why it is not in sync.
    reason: Option<Untrusted>,
    /// The stable code of what blocks it.
    code: Option<&'static str>,
    task_id: Option<u64>,
    /// The stored name.
    name: Option<Untrusted>,
    /// In UTC.
    created: Option<String>,
    age_seconds: Option<i64>,
    /// Its declared deployments, in the order of keys.
    declared_deployments: Vec<DeploymentRow>,
    deployments: Vec<RunRow>,
    /// Whether `runs` is all.
    deployments_complete: bool,
    #[serde(skip)]
    label: Label,
}

/// One declared deployment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct DeploymentRow {
    key: Untrusted,
    /// The deployment that serves it.
    deployment_id: Option<Untrusted>,
    /// What is still to be done about it, or stands against it.
    reason: Option<Untrusted>,
    /// The stable code of what stands against it.
    code: Option<&'static str>,
}

/// One deployment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct RunRow {
    deployment_id: Untrusted,
    /// The declared deployment that it serves.
    serves: Option<Untrusted>,
    /// The service's word.
    status: Untrusted,
    created: Option<String>,
    ended: Option<String>,
    age_seconds: Option<i64>,
    error: Option<Untrusted>,
    /// Read and written, where its conversation was read.
    tokens: Option<u64>,
    /// Whether the ledger at hand records that it was started.
    started_by_this_ledger: bool,
    #[serde(skip)]
    label: Label,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct StatusCounts {
    in_sync: usize,
    drifted: usize,
    missing: usize,
    blocked: usize,
    /// The same of declared agents; what stands before it is of tasks.
    agents: AgentCounts,
    /// By status, of declared tasks.
    deployments: BTreeMap<String, usize>,
    /// Ours, and no longer declared.
    undeclared: usize,
    unmanaged: usize,
    archived: usize,
}

/// Returns the JSON Schema of the JSON form.
pub fn schema() -> schemars::Schema {
    schema::root::<StatusView>()
}

impl StatusView {
    /// Makes an overview ready for eyes.
    pub fn new(overview: &Overview) -> Self {
        let mut counts = StatusCounts {
            undeclared: overview.undeclared_count,
            unmanaged: overview.unmanaged.len(),
            archived: overview.archived_count,
            ..StatusCounts::default()
        };
        for key in &overview.keys {
            *match key.state {
                KeyState::InSync | KeyState::StoredOtherwise => &mut counts.in_sync,
                KeyState::Drifted => &mut counts.drifted,
                KeyState::Missing => &mut counts.missing,
                KeyState::Blocked => &mut counts.blocked,
            } += 1;
            for run in &key.runs {
                *counts.deployments.entry(status_word(&run.status)).or_default() += 1;
            }
        }
        for agent in &overview.declared_agents {
            *match agent.state {
                KeyState::InSync => &mut counts.agents.in_sync,
                KeyState::StoredOtherwise => &mut counts.agents.stored_otherwise,
                KeyState::Drifted => &mut counts.agents.drifted,
                KeyState::Missing => &mut counts.agents.missing,
                KeyState::Blocked => &mut counts.agents.blocked,
            } += 1;
        }
        let OrganizationId(organization_id) = &overview.organization_id;
        let doubts: Vec<Finding> = overview.doubts.iter().map(Finding::new).collect();
        Self {
            format_version: FORMAT_VERSION,
            organization_id: Untrusted::new(organization_id.as_str()),
            environment: overview.environment.as_deref().map(Untrusted::new),
            observed_at: overview.observed_at.to_string(),
            agents: overview.declared_agents.iter().map(agent_row).collect(),
            tasks: overview.keys.iter().map(|key| task_row(key, overview.observed_at)).collect(),
            counts,
            evidence: view::evidence(&overview.gaps).iter().map(json::evidence).collect(),
            unmanaged: unmanaged::rows(&overview.unmanaged),
            unmanaged_agents: unmanaged::agent_rows(&overview.unmanaged_agents),
            agent_names: overview.agents.clone(),
            blocked: doubts.iter().map(json::finding).collect(),
            doubts,
            notes: overview.notes.iter().map(Finding::new).collect(),
        }
    }

    /// The organization.
    pub(super) fn organization_id(&self) -> &Untrusted {
        &self.organization_id
    }

    /// The counts in one line.
    pub(super) fn verdict(&self) -> String {
        self.counts.verdict()
    }

    /// Returns the JSON form.
    pub fn to_json(&self) -> String {
        let written = serde_json::to_string_pretty(self).expect("texts and numbers are JSON");
        visible_json(&written) + "\n"
    }
}

fn state(state: KeyState) -> (&'static str, Label) {
    match state {
        KeyState::InSync => ("in-sync", Label::Create),
        KeyState::StoredOtherwise => ("stored-otherwise", Label::Note),
        KeyState::Drifted => ("drifted", Label::Change),
        KeyState::Missing => ("missing", Label::Remove),
        KeyState::Blocked => ("blocked", Label::Blocked),
    }
}

fn task_row(key: &KeyOverview, now: Timestamp) -> TaskRow {
    let (status, label) = state(key.state);
    TaskRow {
        key: Untrusted::new(key.key.as_str()),
        status,
        reason: key.reason.as_deref().map(Untrusted::new),
        code: key.code.map(crate::diag::Code::as_str),
        task_id: key.task.map(|TaskId(id)| id),
        name: key.name.as_deref().map(Untrusted::new),
        created: key.created.map(|at| at.to_string()),
        age_seconds: age(key.created, now),
        declared_deployments: key.deployments.iter().map(deployment_row).collect(),
        deployments: key.runs.iter().map(|run| run_row(run, now)).collect(),
        deployments_complete: key.is_complete,
        label,
    }
}

fn deployment_row(deployment: &DeclaredDeploymentOverview) -> DeploymentRow {
    DeploymentRow {
        key: Untrusted::new(deployment.key.as_str()),
        deployment_id: deployment.run.as_ref().map(|run| Untrusted::new(run.0.as_str())),
        reason: deployment.reason.as_deref().map(Untrusted::new),
        code: deployment.code.map(crate::diag::Code::as_str),
    }
}

fn run_row(run: &DeploymentSummary, now: Timestamp) -> RunRow {
    RunRow {
        deployment_id: Untrusted::new(run.id.0.as_str()),
        serves: run.serves.as_ref().map(|key| Untrusted::new(key.as_str())),
        status: Untrusted::new(run.status.to_string()),
        created: run.created.map(|at| at.to_string()),
        ended: run.ended.map(|at| at.to_string()),
        age_seconds: age(run.created, now),
        error: run.error.as_deref().map(Untrusted::new),
        tokens: run.tokens,
        started_by_this_ledger: run.is_from_here,
        label: match run.status {
            Status::InQueue | Status::Running | Status::Other(_) => Label::Deploy,
            Status::Completed => Label::Create,
            Status::Stopped => Label::Deferred,
            Status::Failed => Label::Blocked,
        },
    }
}

/// The key of a status among the counts; words that the contract does not know are counted as one.
fn status_word(status: &Status) -> String {
    match status {
        Status::InQueue => "in_queue".to_owned(),
        Status::Other(_) => "other".to_owned(),
        known => known.to_string().to_lowercase(),
    }
}

/// Seconds since `created`; a service whose clock is ahead makes nothing in the future.
fn age(created: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    Some(now.duration_since(created?).max(SignedDuration::ZERO).as_secs())
}

/// An age as people say it.
fn in_words(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| span(seconds.unsigned_abs()))
}

/// Writes the table, then the counts.
pub fn render(view: &StatusView, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let out: &mut dyn fmt::Write = &mut wrapped;
    text::environment(view.environment.as_ref(), &view.organization_id, options, out)?;
    agents(&view.agents, options, out)?;
    let mut table = StatusTable::new(["TASK", "STATE", "ID", "AGE", ""]);
    for task in &view.tasks {
        let id = task.task_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let reason = reasoned(task.reason.as_ref(), task.code, options).unwrap_or_default();
        let state = task.status.replace('-', " ");
        table.row(task.label, [task.key.part(), state, id, in_words(task.age_seconds), reason]);
        for declared in &task.declared_deployments {
            let name = format!("  {}", declared.key.part());
            let reason = reasoned(declared.reason.as_ref(), declared.code, options);
            let run = task
                .deployments
                .iter()
                .find(|run| Some(&run.deployment_id) == declared.deployment_id.as_ref());
            if let Some(run) = run {
                run.write(name, reason, options, &mut table);
            } else {
                let none = || "-".to_owned();
                let cells = [name, "none".to_owned(), none(), none(), reason.unwrap_or_default()];
                table.row(Label::Aside, cells);
            }
        }
        let others: Vec<&RunRow> =
            task.deployments.iter().filter(|run| run.serves.is_none()).collect();
        let most = if options.length == Length::Full { others.len() } else { NEWEST_RUNS };
        for run in others.iter().take(most) {
            run.write("  (run)".to_owned(), None, options, &mut table);
        }
        let rest = others.len().saturating_sub(most);
        if rest > 0 {
            let words =
                format!("  ... {} (`-v` shows all)", counted(rest, "more run", "more deployments"));
            table.aside(words);
        }
        if !task.deployments_complete {
            table.aside("  ... some deployments could not be read".to_owned());
        }
    }
    if !view.tasks.is_empty() {
        table.write(options, out)?;
        writeln!(out)?;
    }
    let mut unmanaged = unmanaged_lines(&view.unmanaged, &view.agent_names, options);
    unmanaged.extend(agent_lines(&view.unmanaged_agents, unmanaged.is_empty(), options));
    for line in &unmanaged {
        writeln!(out, "{}", options.color.paint(Label::Aside, line))?;
    }
    if !unmanaged.is_empty() {
        writeln!(out)?;
    }
    findings(view, options, out)?;
    writeln!(out, "{}", options.color.paint(Label::Verdict, view.counts.verdict()))
}

/// Writes the notes, and what makes all of it uncertain.
fn findings(view: &StatusView, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    for note in &view.notes {
        let title = options.color.paint(Label::Note, format!("note[{}]", note.code));
        writeln!(out, "{title}: {}", note.message.part())?;
    }
    for doubt in &view.doubts {
        let title = options.color.paint(Label::Blocked, format!("blocked[{}]", doubt.code));
        writeln!(out, "{title}: {}", doubt.message.part())?;
        for way in &doubt.ways {
            writeln!(out, "  help: {}", way.part())?;
        }
    }
    if view.notes.is_empty() && view.doubts.is_empty() { Ok(()) } else { writeln!(out) }
}

/// A reason in the length that was asked for, behind its code; whole where no person reads it.
fn reasoned(
    reason: Option<&Untrusted>,
    code: Option<&str>,
    options: &TextOptions,
) -> Option<String> {
    let words = reason.map(|reason| match options.length {
        Length::Cut if options.width.is_some() => reason.cut_part(LONGEST_REASON, 0),
        Length::Cut | Length::Full => reason.part(),
    })?;
    Some(code.map_or(words.clone(), |code| format!("[{code}] {words}")))
}

impl RunRow {
    fn write(
        &self,
        name: String,
        reason: Option<String>,
        options: &TextOptions,
        table: &mut StatusTable,
    ) {
        let tokens = self.tokens.map(|tokens| format!("{} tokens", grouped(tokens)));
        let error = reasoned(self.error.as_ref(), None, options);
        let is_full = options.length == Length::Full;
        let origin = (is_full && !self.started_by_this_ledger)
            .then(|| "not known to have been started on this machine".to_owned());
        let words: Vec<String> = [tokens, error, reason, origin].into_iter().flatten().collect();
        let (status, age) = (self.status.part(), in_words(self.age_seconds));
        table.row(self.label, [name, status, self.deployment_id.part(), age, words.join("; ")]);
    }
}

impl StatusCounts {
    fn verdict(&self) -> String {
        let Self { in_sync, drifted, missing, blocked, agents, .. } = self;
        let Self { undeclared, unmanaged, archived, .. } = self;
        let all = in_sync + drifted + missing + blocked;
        let states = words::counts([
            (*in_sync, "in sync"),
            (*drifted, "drifted"),
            (*missing, "missing"),
            (*blocked, "blocked"),
        ]);
        let states = if all == 0 { states } else { format!(": {states}") };
        let tasks = counted(all, "task is declared", "tasks are declared");
        let agents = agents.verdict();
        let runs: Vec<(usize, String)> =
            self.deployments.iter().map(|(word, count)| (*count, word.replace('_', " "))).collect();
        let runs = words::counts(runs.iter().map(|(count, word)| (*count, word.as_str())));
        let runs = if runs.is_empty() { runs } else { format!(" Runs: {runs}.") };
        let others = words::counts([
            (*undeclared, "no longer declared"),
            (*unmanaged, "unmanaged"),
            (*archived, "archived"),
        ]);
        let others = if others.is_empty() { others } else { format!(" {others}.") };
        format!("{agents}{tasks}{states}.{runs}{others}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;
    use crate::model::DeploymentId;
    use crate::plan::AgentOverview;
    use crate::plan::UnmanagedTask;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn overview() -> Overview {
        let run = |id: &str, status: Status, created: &str| DeploymentSummary {
            id: DeploymentId(id.to_owned()),
            status,
            created: Some(at(created)),
            ended: None,
            error: None,
            serves: None,
            tokens: None,
            is_from_here: false,
        };
        let key = |key: &str, state, reason: Option<&str>, runs| KeyOverview {
            key: key.parse().unwrap(),
            state,
            reason: reason.map(str::to_owned),
            code: (state == KeyState::Blocked).then_some(Code::Unproven),
            task: (state != KeyState::Missing).then_some(TaskId(332)),
            name: Some("\u{1b}[31mName".to_owned()),
            created: (state != KeyState::Missing).then(|| at("2026-11-20T12:00:00Z")),
            deployments: Vec::new(),
            runs,
            is_complete: true,
        };
        let failed = DeploymentSummary {
            error: Some("broke\n::error::x".to_owned()),
            ..run("A-2", Status::Failed, "2026-11-21T10:00:00Z")
        };
        let serving = DeploymentSummary {
            serves: Some("first".parse().unwrap()),
            tokens: Some(12_345),
            is_from_here: true,
            ..run("A-3", Status::Completed, "2026-11-21T09:00:00Z")
        };
        let runs = vec![run("A-1", Status::Running, "2026-11-21T11:59:00Z"), failed, serving];
        let deployment = |key: &str, run: Option<&str>, reason: Option<&str>, code| {
            let run = run.map(|id| DeploymentId(id.to_owned()));
            let reason = reason.map(str::to_owned);
            DeclaredDeploymentOverview { key: key.parse().unwrap(), run, reason, code }
        };
        let deployments = vec![
            deployment("first", Some("A-3"), Some("would be followed up: deployment A-3"), None),
            deployment("last", None, Some("it lies elsewhere"), Some(Code::ZoneUnknown)),
        ];
        Overview {
            organization_id: OrganizationId("o".to_owned()),
            environment: None,
            observed_at: at("2026-11-21T12:00:00Z"),
            keys: vec![
                key(
                    "momentum",
                    KeyState::Drifted,
                    Some("would be renamed: the name differs"),
                    Vec::new(),
                ),
                key("new", KeyState::Missing, Some("no matching task exists"), Vec::new()),
                KeyOverview { deployments, ..key("spy", KeyState::InSync, None, runs) },
                key("theirs", KeyState::Blocked, Some("task 7 has the same name"), Vec::new()),
            ],
            declared_agents: vec![
                AgentOverview {
                    key: "researcher".parse().unwrap(),
                    state: KeyState::Drifted,
                    reason: Some("would be updated: it differs in `model`".to_owned()),
                    code: None,
                    agent: Some(AgentId(50)),
                    name: Some("\u{1b}[31mScout".to_owned()),
                },
                AgentOverview {
                    key: "writer".parse().unwrap(),
                    state: KeyState::Missing,
                    reason: None,
                    code: None,
                    agent: None,
                    name: None,
                },
            ],
            undeclared_count: 1,
            unmanaged: (0..2)
                .map(|at| UnmanagedTask {
                    id: TaskId(900 + at),
                    name: Some("By hand".to_owned()),
                    agent: Some(AgentId(47)),
                    created: None,
                })
                .collect(),
            unmanaged_agents: vec![(AgentId(47), Some("Researcher".to_owned()))],
            agents: BTreeMap::from([(AgentId(47), "Researcher".to_owned())]),
            archived_count: 3,
            doubts: Vec::new(),
            notes: Vec::new(),
            gaps: Vec::new(),
        }
    }

    #[test]
    fn the_table_shows_every_key_and_its_runs() {
        let mut text = String::new();
        let options = TextOptions::default();
        render(&StatusView::new(&overview()), &options, &mut text).unwrap();
        insta::assert_snapshot!(text, @r##"
        AGENT       STATE    ID  NAME
        researcher  drifted  50  \u{1b}[31mScout  would be updated: it differs in `model`
        writer      missing  -   -

        TASK      STATE      ID   AGE
        momentum  drifted    332  24 h   would be renamed: the name differs
        new       missing    -    -      no matching task exists
        spy       in sync    332  24 h
          first   Completed  A-3  3 h    12,345 tokens; would be followed up: deployment A-3
          last    none       -    -      [zone-unknown] it lies elsewhere
          (run)   Running    A-1  1 min
          (run)   Failed     A-2  2 h    broke\n::error::x
        theirs    blocked    332  24 h   [unproven] task 7 has the same name

        Unmanaged, left alone:
          task 900 "By hand", agent 47 "Researcher"
          task 901 "By hand", agent 47 "Researcher"
          agent 47 "Researcher"

        2 agents are declared: 1 drifted, 1 missing. 4 tasks are declared: 1 in sync, 1 drifted, 1 missing, 1 blocked. Runs: 1 completed, 1 failed, 1 running. 1 no longer declared, 2 unmanaged, 3 archived.
        "##);
        assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
    }

    #[test]
    fn the_json_form_is_stable() {
        insta::assert_snapshot!(StatusView::new(&overview()).to_json());
    }

    #[test]
    fn runs_beyond_a_few_are_counted() {
        let mut overview = overview();
        let run = overview.keys[2].runs[0].clone();
        overview.keys[2].runs = vec![run; 5];
        overview.keys[2].deployments = Vec::new();
        let view = StatusView::new(&overview);
        let (mut cut, mut full) = (String::new(), String::new());
        render(&view, &TextOptions::default(), &mut cut).unwrap();
        let options = TextOptions { length: Length::Full, ..TextOptions::default() };
        render(&view, &options, &mut full).unwrap();
        assert!(cut.contains("... 2 more deployments (`-v` shows all)"), "{cut}");
        assert_eq!(full.matches("A-1").count(), 5, "{full}");
    }
}
