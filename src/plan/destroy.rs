//! The plan of `destroy`: everything that is provably ours goes, as gently as a retire does; or
//! archived tasks go for good.
//!
//! Never ours: what is released, what nothing proves, and what another manifest declares. What is
//! protected is listed and kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::diag::{Code, Diagnostic};
use crate::model::{Content, ContentHash, Key, archived_hash};
use crate::plan::guards::{View, guard};
use crate::plan::identify::{Claim, Identified, Proof, identify, is_archived};
use crate::plan::names::{NameFit, name_fit};
use crate::plan::retire::{looks_before_retiring, retirement};
use crate::plan::sight::{list_is_trusted, sight};
use crate::plan::wanted::canaries;
use crate::plan::{
    Before, Change, Gate, Inputs, Plan, Retire, RetireReason, Retirement, Step, StepId,
};
use crate::snapshot::{Coverage, Look, Schedule, TaskSeen};

/// What is to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every task of ours; what holds something is archived.
    Owned,
    /// Archived tasks of ours, with all that they hold.
    Archived {
        /// Only those that have not changed for so long.
        older_than: Option<SignedDuration>,
        /// Whether their conversations are saved first.
        saving: Saving,
    },
}

/// Whether conversations are saved before they are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    /// There is a folder for them.
    Asked,
    /// There is none.
    Impossible,
}

/// Returns the looks that are still to be taken before [`destroy`] sees enough.
///
/// As for a plan: unknown contents, the task with the longest prompt, and the deployments of every
/// task that could be deleted.
pub fn destroy_wanted(inputs: &Inputs<'_>, scope: Scope) -> BTreeSet<Look> {
    let snapshot = inputs.snapshot;
    let sight = sight(snapshot);
    let unknown = sight.tasks.values().filter(|task| task.content.is_none());
    let mut looks: BTreeSet<Look> = unknown.map(|task| Look::Task(task.id)).collect();
    let found = identify(inputs, &sight.tasks);
    let candidates = candidates(inputs, &found, scope);
    if !candidates.is_empty() {
        looks.extend(canaries(inputs));
    }
    for (key, task) in candidates {
        if !list_is_trusted(snapshot) {
            looks.insert(Look::Task(task.id));
        }
        match scope {
            Scope::Owned => {
                looks.extend(looks_before_retiring(task, inputs.evidence.keys.get(key)));
            }
            Scope::Archived { .. } => {
                looks.insert(Look::Deployments(task.id));
            }
        }
    }
    looks.retain(|look| match look {
        Look::Task(id) => !snapshot.task_reads.contains_key(id),
        Look::Conversation(id) => !snapshot.conversations.contains_key(id),
        Look::Deployments(id) => !snapshot.deployments.contains_key(id),
    });
    looks
}

/// Plans the end of everything in `scope`. Never waits and never fails.
pub fn destroy(inputs: &Inputs<'_>, scope: Scope) -> Plan {
    let sight = sight(inputs.snapshot);
    let found = identify(inputs, &sight.tasks);
    let mut notes = notes(inputs, &found, scope);
    let (mut steps, mut young_count) = (Vec::new(), 0);
    for (key, task) in candidates(inputs, &found, scope) {
        let Some(before) = Before::of(task) else { continue };
        let (change, reason, gate) = match scope {
            Scope::Owned => retire(inputs, key, task, before),
            Scope::Archived { older_than, .. } if is_young(inputs, task, older_than) => {
                young_count += 1;
                continue;
            }
            Scope::Archived { .. } => delete(inputs, task, before),
        };
        let gate = kept(inputs, key, task).map_or(gate, Gate::Withheld);
        let id = StepId(steps.len());
        let (key, after) = (key.clone(), BTreeSet::new());
        steps.push(Step { id, key, deployment: None, change, reason, after, gate });
    }
    if young_count > 0 {
        let message = format!("archived tasks that changed more recently: {young_count}");
        notes.push(Diagnostic::note(Code::TooYoung, message));
    }
    guard(&View { inputs, found: &found, gap: sight.gap.as_deref() }, &mut steps);
    if let Scope::Archived { saving, .. } = scope {
        say_what_is_lost(&mut steps, &mut notes, saving);
    }
    let all = || sight.tasks.values();
    Plan {
        organization_id: inputs.snapshot.organization_id.clone(),
        steps,
        notes,
        kept_count: 0,
        unmanaged_count: found.unmanaged.len() + found.clones.len(),
        archived_count: all().filter(|task| is_archived(task)).count(),
        scheduled_count: all().filter(|task| matches!(task.schedule, Schedule::Set(_))).count(),
        doubts: Vec::new(),
        seen_tasks: sight.tasks.keys().copied().collect(),
        run_limit: 0,
        watches: Vec::new(),
        estimates: BTreeMap::new(),
        seen_at: inputs.snapshot.seen_at,
        runs: BTreeMap::new(),
    }
}

/// The tasks in scope that are provably ours, each with its key, in the order of keys and ids.
fn candidates<'a>(
    inputs: &Inputs<'a>,
    found: &Identified<'a>,
    scope: Scope,
) -> Vec<(&'a Key, &'a TaskSeen)> {
    let mut ours: Vec<(&Key, &TaskSeen)> = match scope {
        Scope::Owned => {
            let proven = found.claims.iter().filter(|(key, claim)| is_ours(inputs, key, claim));
            // A claimed task may be archived; it is where it would go already.
            let claimed = proven.map(|(key, claim)| (*key, claim.task));
            let superseded = found.superseded.iter();
            let superseded = superseded.flat_map(|(key, tasks)| tasks.iter().map(|t| (*key, *t)));
            let all = claimed.chain(superseded).chain(found.orphans.iter().copied());
            all.filter(|(_, task)| !is_archived(task)).collect()
        }
        Scope::Archived { .. } => {
            let owners = owners(inputs);
            let owner = |task: &&'a TaskSeen| {
                let content = task.content.as_ref()?;
                let ending = archived_hash(task.name.as_deref()?)?;
                let is_its_own = ending == content.hash().short();
                Some((*owners.get(&content.hash()).filter(|_| is_its_own)?, *task))
            };
            found.archived.iter().filter_map(owner).collect()
        }
    };
    ours.sort_by_key(|(key, task)| (*key, task.id));
    ours
}

/// Whether a claimed task was made for its key, and is not an equal one of somebody else's.
///
/// Equal content is enough to use a task, but not to take it away: a copy that a person made in the
/// web interface has it too. Its name tells, unless the pin or the ledger does.
fn is_ours(inputs: &Inputs<'_>, key: &Key, claim: &Claim<'_>) -> bool {
    match claim.proof {
        Proof::Pin | Proof::Ledger => true,
        Proof::History => {
            let declared = inputs.wish.tasks.get(key).map_or("", |wanted| &wanted.name);
            let evidence = inputs.evidence.keys.get(key);
            name_fit(claim.task.name.as_deref(), declared, evidence) != NameFit::Foreign
        }
        Proof::None => false,
    }
}

/// The key of each content that was ever declared; protected keys first, released ones never.
fn owners<'a>(inputs: &Inputs<'a>) -> BTreeMap<ContentHash, &'a Key> {
    let mut owners = BTreeMap::new();
    let released = &inputs.wish.released;
    let keys = || inputs.evidence.keys.iter().filter(|(key, _)| !released.contains(key));
    let protected = keys().filter(|(key, _)| is_protected(inputs, key));
    for (key, evidence) in protected.chain(keys()) {
        let declared = evidence.versions.iter().map(|version| version.content);
        let made = evidence.made.iter().map(|made| made.content);
        for content in declared.chain(made) {
            owners.entry(content).or_insert(key);
        }
    }
    // What a released key declared too may be its.
    for key in released {
        let evidence = inputs.evidence.keys.get(key);
        for version in evidence.into_iter().flat_map(|evidence| &evidence.versions) {
            owners.remove(&version.content);
        }
    }
    owners
}

/// A task of ours: archived, or deleted where that loses nothing.
fn retire(
    inputs: &Inputs<'_>,
    key: &Key,
    task: &TaskSeen,
    before: Before,
) -> (Change, String, Gate) {
    let retirement = retirement(inputs, task, &before, inputs.evidence.keys.get(key));
    let gate = scheduled(task).map_or(Gate::Open, Gate::Blocked);
    let change = Change::Retire { retirement, because: RetireReason::Destroyed, before };
    (change, "destroy was asked for".to_owned(), gate)
}

/// An archived task: deleted with its deployments and their conversations.
fn delete(inputs: &Inputs<'_>, task: &TaskSeen, before: Before) -> (Change, String, Gate) {
    let sight = inputs.snapshot.deployments.get(&task.id);
    let items = sight.into_iter().flat_map(|sight| &sight.items);
    let is_active =
        items.clone().any(|run| !run.status.is_terminal()) || task.active.as_deref() != Some(&[]);
    let runs: BTreeSet<_> = items.map(|run| run.id.clone()).collect();
    let block = match sight.map(|sight| &sight.coverage) {
        Some(Coverage::Complete) if is_active => {
            let message = format!("task {} has deployments that are active", task.id);
            let finding = Diagnostic::blocked(Code::ActiveRuns, message);
            Some(finding.help("wait until they end, or stop them in the web interface"))
        }
        Some(Coverage::Complete) => scheduled(task),
        coverage => {
            let why = match coverage {
                Some(Coverage::Partial(why)) => why,
                _ => "they were not read",
            };
            let message = format!("the deployments of task {} are not known: {why}", task.id);
            let finding = Diagnostic::blocked(Code::IncompleteRead, message);
            Some(finding.help("run this again"))
        }
    };
    let reason = match runs.len() {
        0 => "it has no deployments".to_owned(),
        1 => "1 deployment goes with it, and its conversation".to_owned(),
        count => format!("{count} deployments go with it, and their conversations"),
    };
    let how = Retire::Destroy { runs };
    let content = before.content.hash();
    let retirement = Retirement { id: task.id, name: before.name.clone(), content, how };
    let change = Change::Retire { retirement, because: RetireReason::Destroyed, before };
    (change, reason, block.map_or(Gate::Open, Gate::Blocked))
}

/// Why a task is kept although it is ours.
fn kept(inputs: &Inputs<'_>, key: &Key, task: &TaskSeen) -> Option<Diagnostic> {
    if is_protected(inputs, key) {
        let message = "`protect: true` stands in its entry, or stood there last";
        let finding = Diagnostic::note(Code::Protected, message);
        return Some(finding.help("commit the entry with `protect: false` first"));
    }
    let elsewhere = inputs.elsewhere;
    let hash = task.content.as_ref().map(Content::hash);
    let is_declared_elsewhere = elsewhere.keys.contains(key)
        || elsewhere.pins.contains(&task.id)
        || hash.is_some_and(|hash| elsewhere.contents.contains(&hash));
    if is_declared_elsewhere {
        let message = "another manifest of this repository declares it";
        let finding = Diagnostic::note(Code::StillDeclared, message);
        return Some(finding.help("take it out of that manifest first"));
    }
    let pinning = inputs.wish.tasks.iter().find(|(_, wanted)| wanted.pin == Some(task.id));
    let (pinning, _) = pinning.filter(|_| is_archived(task))?;
    let message = format!("`{pinning}` pins this archived task");
    let finding = Diagnostic::note(Code::StillDeclared, message);
    Some(finding.help(format!("remove `id: {}` under `tasks: {pinning}:` first", task.id)))
}

/// Protection outlives the entry it stood in.
fn is_protected(inputs: &Inputs<'_>, key: &Key) -> bool {
    match inputs.wish.tasks.get(key) {
        Some(wanted) => wanted.protect,
        None => inputs.evidence.keys.get(key).is_some_and(|evidence| evidence.protect),
    }
}

fn scheduled(task: &TaskSeen) -> Option<Diagnostic> {
    let Schedule::Set(text) = &task.schedule else { return None };
    let message = format!("task {} has the schedule `{text}`, which would go on", task.id);
    let finding = Diagnostic::blocked(Code::Scheduled, message);
    Some(finding.help("take the schedule away in the web interface and run this again"))
}

/// Whether a task changed less than `older_than` ago, as far as is known.
fn is_young(inputs: &Inputs<'_>, task: &TaskSeen, older_than: Option<SignedDuration>) -> bool {
    let Some(older_than) = older_than else { return false };
    let offset = inputs.wish.service_utc_offset.unwrap_or(Offset::UTC);
    // Archiving renames, and renaming moves the time of the last change.
    let changed = task.updated.max(task.created);
    let changed = changed.and_then(|stamp| offset.to_timestamp(stamp).ok());
    changed.is_none_or(|changed: Timestamp| {
        inputs.snapshot.seen_at.duration_since(changed) < older_than
    })
}

/// Counts what would be lost, and blocks all of it where it cannot be saved.
fn say_what_is_lost(steps: &mut [Step], notes: &mut Vec<Diagnostic>, saving: Saving) {
    let lost = |step: &Step| match &step.change {
        Change::Retire { retirement: Retirement { how: Retire::Destroy { runs }, .. }, .. } => {
            runs.len()
        }
        _ => 0,
    };
    let is_open = |step: &&mut Step| step.gate == Gate::Open;
    let count: usize = steps.iter().filter(|step| step.gate == Gate::Open).map(lost).sum();
    if count == 0 {
        return;
    }
    let noun = if count == 1 { "1 conversation" } else { &format!("{count} conversations") };
    match saving {
        Saving::Asked => notes.push(Diagnostic::note(
            Code::LosesRuns,
            format!("{noun} will be lost on the service, and saved as JSON and Markdown before"),
        )),
        Saving::Impossible => {
            let message = format!("{noun} would be lost, and nothing says where to save them");
            let finding = Diagnostic::blocked(Code::TranscriptUnsaved, message)
                .help("`--artifacts DIR` saves every conversation there first");
            for step in steps.iter_mut().filter(is_open) {
                step.gate = Gate::Blocked(finding.clone());
            }
        }
    }
}

/// What is left alone although it looks like ours.
fn notes(inputs: &Inputs<'_>, found: &Identified<'_>, scope: Scope) -> Vec<Diagnostic> {
    let mut notes = Vec::new();
    for gap in &inputs.evidence.gaps {
        notes.push(Diagnostic::note(Code::HistoryGap, &gap.what).help(&gap.way));
    }
    if let Scope::Archived { .. } = scope {
        let foreign = found.archived.len() - candidates(inputs, found, scope).len();
        if foreign > 0 {
            let message = format!("archived tasks that nothing proves to be ours: {foreign}");
            notes.push(Diagnostic::note(Code::Unproven, message));
        }
        return notes;
    }
    for (key, claim) in found.claims.iter().filter(|(key, claim)| !is_ours(inputs, key, claim)) {
        let message = format!(
            "task {} has the content of `{key}`, and nothing proves that it was made for it: it is left alone",
            claim.task.id
        );
        notes.push(Diagnostic::note(Code::UnknownOrigin, message));
    }
    for key in found.conflicts.keys() {
        let message = format!("which task is that of `{key}` cannot be told: none is touched");
        let finding = Diagnostic::note(Code::Unproven, message);
        notes.push(finding.help("`qcops plan` shows the candidates and the ways on"));
    }
    notes
}
