//! The matcher: which task belongs to which key, and what proves it.
//!
//! Stage by stage over all keys, so that a task claimed on a higher stage is free for nobody on a lower
//! one: equal content, pinned id, content or prompt from the key's evidence, and last a veto that
//! identifies nothing but stops a create beside a task that may be the wanted one.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::KeyEvidence;
use crate::manifest::DesiredTask;
use crate::model::{ContentHash, FoldedName, Key, TaskId, archived_base, fold};
use crate::observed::ObservedTask;
use crate::plan::PlanInputs;
use crate::plan::lookalikes::Lookalikes;
use crate::plan::names::{NameFit, name_fit};

/// Why a task is believed to be ours; fixes what may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The manifest pins its id.
    Pin,
    /// An apply on this machine made it.
    Ledger,
    /// Its content or prompt was declared for the key in an earlier version.
    History,
    /// Its content is equal, and nothing says who made it: it is used and never changed.
    None,
}

/// A task that belongs to a key.
#[derive(Clone, Copy)]
pub(super) struct Match<'a> {
    pub(super) task: &'a ObservedTask,
    pub(super) proof: Proof,
}

/// Why no task can be given to a key.
pub(super) enum MatchError<'a> {
    /// Several tasks fit equally well.
    Ambiguous(Vec<&'a ObservedTask>),
    /// Several keys have an equal right to the task.
    Contested(&'a ObservedTask, Vec<&'a Key>),
    /// The pinned id is not on a complete list.
    PinMissing(TaskId),
    /// The pinned task belongs to another key.
    PinTaken(&'a ObservedTask),
    /// A task looks like the wanted one, and nothing proves that it is ours; or the evidence of this
    /// other key does, which is no longer declared.
    Unproven(Vec<&'a ObservedTask>, &'static str, Option<&'a Key>),
}

/// The result of every task that was seen.
#[derive(Default)]
pub(super) struct Matches<'a> {
    pub(super) by_key: BTreeMap<&'a Key, Match<'a>>,
    pub(super) match_errors: BTreeMap<&'a Key, MatchError<'a>>,
    /// Ours, of a key that has another task now.
    pub(super) superseded: BTreeMap<&'a Key, Vec<&'a ObservedTask>>,
    /// Ours, of a key that is no longer declared.
    pub(super) orphans: Vec<(&'a Key, &'a ObservedTask)>,
    /// Not ours, though with owned content.
    pub(super) copies: Vec<(&'a Key, &'a ObservedTask)>,
    pub(super) archived: Vec<&'a ObservedTask>,
    /// Of another manifest of the work tree.
    pub(super) other_manifests: Vec<&'a ObservedTask>,
    pub(super) unmanaged: Vec<&'a ObservedTask>,
    /// Of those, the ones of a forgotten key: what they are is known.
    pub(super) forgotten: BTreeSet<TaskId>,
}

impl Matches<'_> {
    /// How many resources nothing explains: with part of the evidence out of sight, each could be one
    /// that it speaks for.
    pub(super) fn unexplained_count(&self) -> usize {
        self.unmanaged.len() - self.forgotten.len() + self.copies.len()
    }
}

/// Climbs the matcher.
pub(super) fn identify<'a>(
    inputs: &PlanInputs<'a>,
    tasks: &BTreeMap<TaskId, &'a ObservedTask>,
) -> Matches<'a> {
    let mut matcher = Matcher::new(inputs, tasks);
    matcher.claim_equal_content();
    matcher.claim_pinned();
    matcher.claim_by_evidence();
    matcher.veto();
    matcher.sort_the_rest()
}

struct Matcher<'a, 'b> {
    inputs: &'b PlanInputs<'a>,
    tasks: &'b BTreeMap<TaskId, &'a ObservedTask>,
    by_content: BTreeMap<ContentHash, Vec<&'a ObservedTask>>,
    pinned_by: BTreeMap<TaskId, &'a Key>,
    taken: BTreeSet<TaskId>,
    found: Matches<'a>,
}

impl<'a, 'b> Matcher<'a, 'b> {
    fn new(inputs: &'b PlanInputs<'a>, tasks: &'b BTreeMap<TaskId, &'a ObservedTask>) -> Self {
        let mut by_content: BTreeMap<ContentHash, Vec<&ObservedTask>> = BTreeMap::new();
        for task in tasks.values() {
            if let Some(content) = task.content() {
                by_content.entry(content).or_default().push(task);
            }
        }
        let pins = inputs.desired_state.tasks.iter();
        let pinned_by = pins.filter_map(|(key, desired)| Some((desired.pin?, key))).collect();
        let (taken, found) = (BTreeSet::new(), Matches::default());
        Self { inputs, tasks, by_content, pinned_by, taken, found }
    }

    /// Stage 1.
    fn claim_equal_content(&mut self) {
        for (key, desired) in &self.inputs.desired_state.tasks {
            let hash = desired.content();
            let equal = self.by_content.get(&hash).into_iter().flatten().copied();
            let candidates = equal.filter(|task| {
                // An archived name alone proves nothing; bringing it back is a rename.
                self.is_free_by_content(key, task)
                    && (!is_archived(task) || self.proof(key, task).is_some())
            });
            let rank = |task: &ObservedTask| {
                let is_pinned = desired.pin == Some(task.id);
                (!is_pinned, is_archived(task), self.name_fit(key, desired, task))
            };
            match best(candidates, rank).as_slice() {
                [] => {}
                [task] => {
                    let proof = self.proof(key, task).unwrap_or(Proof::None);
                    self.matched(key, Match { task, proof });
                }
                several => self.match_error(key, MatchError::Ambiguous(several.to_vec())),
            }
        }
    }

    /// Stage 2.
    fn claim_pinned(&mut self) {
        for (key, desired) in self.pending() {
            let Some(id) = desired.pin else { continue };
            match self.tasks.get(&id) {
                None => self.match_error(key, MatchError::PinMissing(id)),
                Some(task) if self.taken.contains(&id) => {
                    self.match_error(key, MatchError::PinTaken(task));
                }
                // The pin is older than the last replace: stage 3 knows the task of today.
                Some(task) if is_archived(task) => {}
                Some(task) => self.matched(key, Match { task, proof: Proof::Pin }),
            }
        }
    }

    /// Stage 3: each round, every key names its best candidate, and the best of a task's keys has it.
    fn claim_by_evidence(&mut self) {
        let by_key = self.candidates_by_evidence();
        loop {
            let mut proposals: BTreeMap<TaskId, Vec<(EvidenceRank, &'a Key)>> = BTreeMap::new();
            for (key, _) in self.pending() {
                let candidates = by_key.get(key).into_iter().flatten();
                let free = candidates.filter(|(_, task)| self.is_free(key, task));
                let ranked: Vec<_> = best(free, |(rank, _)| *rank);
                match ranked.as_slice() {
                    [] => {}
                    [(rank, task)] => proposals.entry(task.id).or_default().push((*rank, key)),
                    several => {
                        let tasks = several.iter().map(|(_, task)| *task).collect();
                        self.match_error(key, MatchError::Ambiguous(tasks));
                    }
                }
            }
            if proposals.is_empty() {
                break;
            }
            for (id, keys) in proposals {
                let task = self.tasks[&id];
                match best(keys.iter(), |(rank, _)| *rank).as_slice() {
                    [(_, key)] => {
                        let proof = self.proof(key, task).unwrap_or(Proof::History);
                        self.matched(key, Match { task, proof });
                    }
                    tied => {
                        let keys: Vec<&Key> = tied.iter().map(|(_, key)| *key).collect();
                        for key in &keys {
                            self.match_error(key, MatchError::Contested(task, keys.clone()));
                        }
                    }
                }
            }
        }
    }

    /// Every task that a pending key's evidence speaks for, with its rank.
    fn candidates_by_evidence(&self) -> BTreeMap<&'a Key, Vec<(EvidenceRank, &'a ObservedTask)>> {
        let pending = self.pending();
        if pending.is_empty() {
            return BTreeMap::new();
        }
        let mut by_prompt = BTreeMap::new();
        let mut by_name: BTreeMap<FoldedName, Vec<&ObservedTask>> = BTreeMap::new();
        let is_candidate =
            |task: &ObservedTask| !is_archived(task) && !self.is_declared_elsewhere(task);
        for task in self.tasks.values().copied().filter(|task| is_candidate(task)) {
            if let Some(name) = task.name() {
                by_name.entry(fold(name)).or_default().push(task);
            }
            if let (Some(_), Some(prompt)) = (task.content(), task.object.prompt_hash()) {
                by_prompt.entry(prompt).or_insert_with(Vec::new).push(task);
            }
        }
        let candidates_of = |key: &'a Key, desired: &DesiredTask| {
            let evidence = self.inputs.evidence.keys.get(key)?;
            let mut candidates: BTreeMap<TaskId, (EvidenceRank, &ObservedTask)> = BTreeMap::new();
            let mut add = |task: &'a ObservedTask, age: usize| {
                let fit = self.name_fit(key, desired, task);
                let is_foreign = fit == NameFit::Untrusted && !evidence.created(task.id);
                let rank = EvidenceRank { is_foreign, age, fit };
                let known = candidates.entry(task.id).or_insert((rank, task));
                known.0 = known.0.min(rank);
            };
            let created = evidence.created.iter().map(|created| created.content);
            let contents = evidence.versions.iter().map(|version| version.content).chain(created);
            // A long ledger repeats contents; only the newest of each counts.
            let mut seen = BTreeSet::new();
            for (age, hash) in contents.enumerate().filter(|(_, hash)| seen.insert(*hash)) {
                let tasks = self.by_content.get(&hash).into_iter().flatten();
                let ours =
                    tasks.filter(|task| is_candidate(task) && evidence.proves(task.id, hash));
                ours.for_each(|task| add(task, age));
            }
            // Who declares a name and a prompt for the first time may find somebody else's.
            let versions = evidence.versions.iter().filter(|_| evidence.is_established);
            for version in versions {
                for task in by_prompt.get(&version.prompt).into_iter().flatten() {
                    if self.name_fit(key, desired, task) != NameFit::Untrusted {
                        add(task, usize::MAX);
                    }
                }
            }
            // A copy under a foreign name does not stand in for an original that was edited by hand.
            let mut named = by_name.get(&fold(desired.name())).into_iter().flatten();
            if named.any(|task| self.is_free(key, task) && !candidates.contains_key(&task.id)) {
                candidates.retain(|_, (rank, _)| !rank.is_foreign);
            }
            Some(candidates.into_values().collect())
        };
        let with_evidence = pending.into_iter();
        with_evidence
            .filter_map(|(key, desired)| Some((key, candidates_of(key, desired)?)))
            .collect()
    }

    /// Stage 4: what looks like the wanted task stops a create.
    fn veto(&mut self) {
        let pending = self.pending();
        if pending.is_empty() {
            return;
        }
        let is_explained = |task: &ObservedTask| {
            is_archived(task) || self.inputs.other_manifests.is_of_environment(task)
        };
        let tasks = self.tasks.values().copied();
        let reads = Lookalikes::of(tasks.filter(|task| !is_explained(task)));
        for (key, desired) in pending {
            let (candidates, why) = reads.like(desired, |task| self.is_free(key, task));
            if !candidates.is_empty() {
                let former = match candidates.as_slice() {
                    [task] => self.former_key(task),
                    _ => None,
                };
                self.match_error(key, MatchError::Unproven(candidates, why, former));
            }
        }
    }

    /// The key that a task is proven to be of, and that is no longer declared: it may have been renamed.
    fn former_key(&self, task: &ObservedTask) -> Option<&'a Key> {
        let content = task.content()?;
        let desired = self.inputs.desired_state;
        let is_former = |key: &Key| !desired.tasks.contains_key(key) && !desired.forgets(key);
        let keys = self.inputs.evidence.keys.iter().filter(|(key, _)| is_former(key));
        let mut keys = keys.filter(|(_, evidence)| evidence.proves(task.id, content));
        keys.next().map(|(key, _)| key)
    }

    /// Gives every unclaimed task its place.
    fn sort_the_rest(mut self) -> Matches<'a> {
        let tasks = self.tasks.values().copied();
        let rest: Vec<&ObservedTask> =
            tasks.filter(|task| !self.taken.contains(&task.id)).collect();
        if rest.is_empty() {
            return self.found;
        }
        let keys_by_content = self.keys_by_content();
        for task in rest {
            if is_archived(task) {
                self.found.archived.push(task);
                continue;
            }
            let other_manifests = self.inputs.other_manifests;
            let is_elsewhere = other_manifests.may_declare(task);
            let hash = task.content();
            let keys = hash.and_then(|hash| keys_by_content.get(&hash)).into_iter().flatten();
            let desired_state = &self.inputs.desired_state;
            let pinning = self.pinned_by.get(&task.id);
            let evidence = &self.inputs.evidence.keys;
            let may_own = |key: &&'a Key| {
                !desired_state.forgets(key)
                    && pinning.is_none_or(|pinning| pinning == key)
                    && hash.is_some_and(|hash| evidence[*key].proves(task.id, hash))
            };
            let is_forgotten = |key: &Key| {
                desired_state.forgets(key)
                    && hash.is_some_and(|hash| evidence[key].proves(task.id, hash))
            };
            let is_forgotten = keys.clone().any(|key| is_forgotten(key));
            // A key that is still declared comes first: what it left behind is no orphan of another.
            let rank = |key: &'a Key| {
                (!self.is_named_for(key, task), !desired_state.tasks.contains_key(key), key)
            };
            match keys.copied().filter(may_own).map(rank).min() {
                // What keeps it from being removed is said where it is not sure to hold.
                Some((false, true, key)) if is_elsewhere && !other_manifests.gaps.is_empty() => {
                    self.found.orphans.push((key, task));
                }
                _ if is_elsewhere => self.found.other_manifests.push(task),
                None => {
                    self.found.unmanaged.push(task);
                    self.found.forgotten.extend(is_forgotten.then_some(task.id));
                }
                Some((false, _, key)) if self.is_duplicate(key, task) => {
                    self.found.copies.push((key, task));
                }
                Some((false, false, key)) => {
                    self.found.superseded.entry(key).or_default().push(task);
                }
                Some((false, true, key)) => self.found.orphans.push((key, task)),
                Some((true, _, key)) => self.found.copies.push((key, task)),
            }
        }
        self.found
    }

    /// The keys of each content in the evidence.
    fn keys_by_content(&self) -> BTreeMap<ContentHash, Vec<&'a Key>> {
        let mut keys_by_content: BTreeMap<ContentHash, Vec<&'a Key>> = BTreeMap::new();
        for (key, evidence) in &self.inputs.evidence.keys {
            let created = evidence.created.iter().map(|created| created.content);
            let declared = evidence.versions.iter().map(|version| version.content);
            let contents: BTreeSet<ContentHash> = declared.chain(created).collect();
            for content in contents {
                keys_by_content.entry(content).or_default().push(key);
            }
        }
        keys_by_content
    }

    /// Whether a task has the content that is declared today: then it is a duplicate, not a forerunner.
    ///
    /// A pin says which of two equal tasks is meant, and so that the other one is not.
    fn is_duplicate(&self, key: &Key, task: &ObservedTask) -> bool {
        let desired = self.inputs.desired_state.tasks.get(key);
        desired.is_some_and(|desired| {
            desired.pin.is_none() && task.content() == Some(desired.content())
        })
    }

    /// Whether the task bears a name that was declared for the key, or the ledger knows it.
    fn is_named_for(&self, key: &Key, task: &ObservedTask) -> bool {
        let evidence = self.inputs.evidence.keys.get(key);
        let declared = self.inputs.desired_state.tasks.get(key).map_or("", DesiredTask::name);
        evidence.is_some_and(|evidence| evidence.created(task.id))
            || name_fit(task.name(), declared, evidence) != NameFit::Untrusted
    }

    fn pending(&self) -> Vec<(&'a Key, &'a DesiredTask)> {
        let is_open = |key: &Key| {
            !self.found.by_key.contains_key(key) && !self.found.match_errors.contains_key(key)
        };
        self.inputs.desired_state.tasks.iter().filter(|(key, _)| is_open(key)).collect()
    }

    /// Whether the task can still be claimed for the key whose content it has. Another key's pin
    /// stands against that only where the task has that key's content too.
    fn is_free_by_content(&self, key: &Key, task: &ObservedTask) -> bool {
        let pinning = self.pinned_by.get(&task.id).filter(|pinning| **pinning != key);
        !self.taken.contains(&task.id)
            && !pinning.is_some_and(|pinning| self.has_content_of(pinning, task))
    }

    /// Whether a task has the content that is declared for a key today.
    fn has_content_of(&self, key: &Key, task: &ObservedTask) -> bool {
        let desired = self.inputs.desired_state.tasks.get(key);
        desired.is_some_and(|desired| task.content() == Some(desired.content()))
    }

    /// Whether the task can still be claimed for the key: nobody has it and nobody else pins it.
    fn is_free(&self, key: &Key, task: &ObservedTask) -> bool {
        let is_pinned_here = self.pinned_by.get(&task.id).is_none_or(|pinning| *pinning == key);
        is_pinned_here && !self.taken.contains(&task.id)
    }

    /// Whether another manifest of the work tree declares the task, by its content or its id.
    fn is_declared_elsewhere(&self, task: &ObservedTask) -> bool {
        self.inputs.other_manifests.declare(task)
    }

    fn name_fit(&self, key: &Key, desired: &DesiredTask, task: &ObservedTask) -> NameFit {
        if task.name() == Some(desired.name()) {
            // As for nearly every task: no evidence has to be looked up.
            return NameFit::Declared;
        }
        name_fit(task.name(), desired.name(), self.inputs.evidence.keys.get(key))
    }

    /// What proves that the task is the key's, if something does.
    fn proof(&self, key: &Key, task: &ObservedTask) -> Option<Proof> {
        let is_pinned = self.pinned_by.get(&task.id).is_some_and(|pinning| *pinning == key);
        let evidence = self.inputs.evidence.keys.get(key);
        let holds = |evidence: &KeyEvidence| {
            task.content().is_some_and(|content| evidence.proves(task.id, content))
        };
        if is_pinned {
            Some(Proof::Pin)
        } else if evidence.is_some_and(|evidence| evidence.created(task.id)) {
            Some(Proof::Ledger)
        } else {
            let is_committed = self.inputs.evidence.is_committed && self.has_content_of(key, task);
            (is_committed || evidence.is_some_and(holds)).then_some(Proof::History)
        }
    }

    fn matched(&mut self, key: &'a Key, matched: Match<'a>) {
        self.taken.insert(matched.task.id);
        self.found.by_key.insert(key, matched);
    }

    fn match_error(&mut self, key: &'a Key, match_error: MatchError<'a>) {
        // What a conflict is about is neither claimable by others nor anybody's leftover.
        match &match_error {
            MatchError::Ambiguous(tasks) | MatchError::Unproven(tasks, ..) => {
                self.taken.extend(tasks.iter().map(|task| task.id));
            }
            MatchError::Contested(task, _) => {
                self.taken.insert(task.id);
            }
            MatchError::PinMissing(_) | MatchError::PinTaken(_) => {}
        }
        self.found.match_errors.insert(key, match_error);
    }
}

/// How strongly a key's evidence speaks for a task, the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EvidenceRank {
    /// A task under a foreign name gives way to one under a name of the key.
    is_foreign: bool,
    /// How many versions ago the content was declared; the newest is the one to replace.
    age: usize,
    fit: NameFit,
}

/// Whether the task bears an archived name.
pub(super) fn is_archived(task: &ObservedTask) -> bool {
    task.name().is_some_and(|name| archived_base(name).is_some())
}

/// Every item with the smallest rank.
pub(super) fn best<T: Copy, R: Ord>(
    items: impl Iterator<Item = T>,
    rank: impl Fn(T) -> R,
) -> Vec<T> {
    let mut best: Option<(R, Vec<T>)> = None;
    for item in items {
        let rank = rank(item);
        match &mut best {
            Some((smallest, chosen)) if *smallest == rank => chosen.push(item),
            Some((smallest, _)) if *smallest < rank => {}
            _ => best = Some((rank, vec![item])),
        }
    }
    best.map(|(_, chosen)| chosen).unwrap_or_default()
}
