//! The ladder: which task belongs to which key, and what proves it.
//!
//! Rung by rung over all keys, so that a task claimed on a higher rung is free for nobody on a lower
//! one: equal content, pinned id, content or prompt from the key's evidence, and last a veto that
//! identifies nothing but stops a create beside a task that may be the wanted one.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::KeyEvidence;
use crate::manifest::WantedTask;
use crate::model::{Content, ContentHash, FoldedName, Key, TaskId, archived_base, fold};
use crate::plan::Inputs;
use crate::plan::looks::Looks;
use crate::plan::names::{NameFit, name_fit};
use crate::snapshot::TaskSeen;

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
pub(super) struct Claim<'a> {
    pub(super) task: &'a TaskSeen,
    pub(super) proof: Proof,
}

/// Why no task can be given to a key.
pub(super) enum Conflict<'a> {
    /// Several tasks fit equally well.
    Ambiguous(Vec<&'a TaskSeen>),
    /// Several keys have an equal right to the task.
    Contested(&'a TaskSeen, Vec<&'a Key>),
    /// The pinned id is not on a complete list.
    PinMissing(TaskId),
    /// The pinned task belongs to another key.
    PinTaken(&'a TaskSeen),
    /// A task looks like the wanted one, and nothing proves that it is ours.
    Unproven(Vec<&'a TaskSeen>, &'static str),
}

/// What became of every task that was seen.
#[derive(Default)]
pub(super) struct Identified<'a> {
    pub(super) claims: BTreeMap<&'a Key, Claim<'a>>,
    pub(super) conflicts: BTreeMap<&'a Key, Conflict<'a>>,
    /// Ours, of a key that has another task now.
    pub(super) superseded: BTreeMap<&'a Key, Vec<&'a TaskSeen>>,
    /// Ours, of a key that is no longer declared.
    pub(super) orphans: Vec<(&'a Key, &'a TaskSeen)>,
    /// Not ours, though with content of ours.
    pub(super) clones: Vec<(&'a Key, &'a TaskSeen)>,
    pub(super) archived: Vec<&'a TaskSeen>,
    /// Of another manifest of the work tree.
    pub(super) elsewhere: Vec<&'a TaskSeen>,
    pub(super) unmanaged: Vec<&'a TaskSeen>,
}

/// Climbs the ladder.
pub(super) fn identify<'a>(
    inputs: &Inputs<'a>,
    tasks: &BTreeMap<TaskId, &'a TaskSeen>,
) -> Identified<'a> {
    let mut ladder = Ladder::new(inputs, tasks);
    ladder.claim_equal_content();
    ladder.claim_pinned();
    ladder.claim_by_evidence();
    ladder.veto();
    ladder.sort_the_rest()
}

struct Ladder<'a, 'b> {
    inputs: &'b Inputs<'a>,
    tasks: &'b BTreeMap<TaskId, &'a TaskSeen>,
    by_content: BTreeMap<ContentHash, Vec<&'a TaskSeen>>,
    pinned_by: BTreeMap<TaskId, &'a Key>,
    taken: BTreeSet<TaskId>,
    found: Identified<'a>,
}

impl<'a, 'b> Ladder<'a, 'b> {
    fn new(inputs: &'b Inputs<'a>, tasks: &'b BTreeMap<TaskId, &'a TaskSeen>) -> Self {
        let mut by_content: BTreeMap<ContentHash, Vec<&TaskSeen>> = BTreeMap::new();
        for task in tasks.values() {
            if let Some(content) = &task.content {
                by_content.entry(content.hash()).or_default().push(task);
            }
        }
        let pins = inputs.wish.tasks.iter();
        let pinned_by = pins.filter_map(|(key, wanted)| Some((wanted.pin?, key))).collect();
        let (taken, found) = (BTreeSet::new(), Identified::default());
        Self { inputs, tasks, by_content, pinned_by, taken, found }
    }

    /// Rung 1.
    fn claim_equal_content(&mut self) {
        for (key, wanted) in &self.inputs.wish.tasks {
            let hash = wanted.content.hash();
            let equal = self.by_content.get(&hash).into_iter().flatten().copied();
            let candidates = equal.filter(|task| {
                // An archived name alone proves nothing; bringing it back is a rename.
                self.is_free_by_content(key, task)
                    && (!is_archived(task) || self.proof(key, task).is_some())
            });
            let rank = |task: &TaskSeen| {
                let is_pinned = wanted.pin == Some(task.id);
                (!is_pinned, is_archived(task), self.name_fit(key, wanted, task))
            };
            match best(candidates, rank).as_slice() {
                [] => {}
                [task] => {
                    let proof = self.proof(key, task).unwrap_or(Proof::None);
                    self.claim(key, Claim { task, proof });
                }
                several => self.conflict(key, Conflict::Ambiguous(several.to_vec())),
            }
        }
    }

    /// Rung 2.
    fn claim_pinned(&mut self) {
        for (key, wanted) in self.pending() {
            let Some(id) = wanted.pin else { continue };
            match self.tasks.get(&id) {
                None => self.conflict(key, Conflict::PinMissing(id)),
                Some(task) if self.taken.contains(&id) => {
                    self.conflict(key, Conflict::PinTaken(task));
                }
                // The pin is older than the last replace: rung 3 knows the task of today.
                Some(task) if is_archived(task) => {}
                Some(task) => self.claim(key, Claim { task, proof: Proof::Pin }),
            }
        }
    }

    /// Rung 3: each round, every key names its best candidate, and the best of a task's keys has it.
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
                        self.conflict(key, Conflict::Ambiguous(tasks));
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
                        self.claim(key, Claim { task, proof });
                    }
                    tied => {
                        let keys: Vec<&Key> = tied.iter().map(|(_, key)| *key).collect();
                        for key in &keys {
                            self.conflict(key, Conflict::Contested(task, keys.clone()));
                        }
                    }
                }
            }
        }
    }

    /// Every task that a pending key's evidence speaks for, with its rank.
    fn candidates_by_evidence(&self) -> BTreeMap<&'a Key, Vec<(EvidenceRank, &'a TaskSeen)>> {
        let pending = self.pending();
        if pending.is_empty() {
            return BTreeMap::new();
        }
        let mut by_prompt = BTreeMap::new();
        let mut by_name: BTreeMap<FoldedName, Vec<&TaskSeen>> = BTreeMap::new();
        let is_candidate = |task: &TaskSeen| !is_archived(task) && !self.is_elsewhere(task);
        for task in self.tasks.values().copied().filter(|task| is_candidate(task)) {
            if let Some(name) = &task.name {
                by_name.entry(fold(name)).or_default().push(task);
            }
            if let Some(content) = &task.content {
                by_prompt.entry(content.prompt_hash()).or_insert_with(Vec::new).push(task);
            }
        }
        let candidates_of = |key: &'a Key, wanted: &WantedTask| {
            let evidence = self.inputs.evidence.keys.get(key)?;
            let mut candidates: BTreeMap<TaskId, (EvidenceRank, &TaskSeen)> = BTreeMap::new();
            let mut add = |task: &'a TaskSeen, age: usize| {
                let fit = self.name_fit(key, wanted, task);
                let is_foreign = fit == NameFit::Foreign && !evidence.made(task.id);
                let rank = EvidenceRank { is_foreign, age, fit };
                let known = candidates.entry(task.id).or_insert((rank, task));
                known.0 = known.0.min(rank);
            };
            let made = evidence.made.iter().map(|made| made.content);
            let contents = evidence.versions.iter().map(|version| version.content).chain(made);
            for (age, hash) in contents.enumerate() {
                let tasks = self.by_content.get(&hash).into_iter().flatten();
                let ours =
                    tasks.filter(|task| is_candidate(task) && evidence.proves(task.id, hash));
                ours.for_each(|task| add(task, age));
            }
            for version in &evidence.versions {
                for task in by_prompt.get(&version.prompt).into_iter().flatten() {
                    if self.name_fit(key, wanted, task) != NameFit::Foreign {
                        add(task, usize::MAX);
                    }
                }
            }
            // A copy under a foreign name does not stand in for an original that was edited by hand.
            let mut named = by_name.get(&fold(&wanted.name)).into_iter().flatten();
            if named.any(|task| self.is_free(key, task) && !candidates.contains_key(&task.id)) {
                candidates.retain(|_, (rank, _)| !rank.is_foreign);
            }
            Some(candidates.into_values().collect())
        };
        let with_evidence = pending.into_iter();
        with_evidence.filter_map(|(key, wanted)| Some((key, candidates_of(key, wanted)?))).collect()
    }

    /// Rung 4: what looks like the wanted task stops a create.
    fn veto(&mut self) {
        let pending = self.pending();
        if pending.is_empty() {
            return;
        }
        let looks = Looks::of(self.tasks.values().copied().filter(|task| !is_archived(task)));
        for (key, wanted) in pending {
            let (candidates, why) = looks.like(wanted, |task| self.is_free(key, task));
            if !candidates.is_empty() {
                self.conflict(key, Conflict::Unproven(candidates, why));
            }
        }
    }

    /// Gives every unclaimed task its place.
    fn sort_the_rest(mut self) -> Identified<'a> {
        let tasks = self.tasks.values().copied();
        let rest: Vec<&TaskSeen> = tasks.filter(|task| !self.taken.contains(&task.id)).collect();
        if rest.is_empty() {
            return self.found;
        }
        let mut keys_by_content: BTreeMap<ContentHash, Vec<&'a Key>> = BTreeMap::new();
        for (key, evidence) in &self.inputs.evidence.keys {
            let made = evidence.made.iter().map(|made| made.content);
            let declared = evidence.versions.iter().map(|version| version.content);
            let contents: BTreeSet<ContentHash> = declared.chain(made).collect();
            for content in contents {
                keys_by_content.entry(content).or_default().push(key);
            }
        }
        for task in rest {
            if is_archived(task) {
                self.found.archived.push(task);
                continue;
            }
            if self.is_elsewhere(task) {
                self.found.elsewhere.push(task);
                continue;
            }
            let hash = task.content.as_ref().map(Content::hash);
            let keys = hash.and_then(|hash| keys_by_content.get(&hash)).into_iter().flatten();
            let wish = &self.inputs.wish;
            let pinning = self.pinned_by.get(&task.id);
            let evidence = &self.inputs.evidence.keys;
            let may_own = |key: &&Key| {
                !wish.released.contains(key)
                    && pinning.is_none_or(|pinning| pinning == key)
                    && hash.is_some_and(|hash| evidence[*key].proves(task.id, hash))
            };
            // A key that is still declared comes first: what it left behind is no orphan of another.
            let rank =
                |key: &'a Key| (!self.is_named_for(key, task), !wish.tasks.contains_key(key), key);
            match keys.copied().filter(may_own).map(rank).min() {
                None => self.found.unmanaged.push(task),
                Some((false, _, key)) if self.is_twin(key, task) => {
                    self.found.clones.push((key, task));
                }
                Some((false, false, key)) => {
                    self.found.superseded.entry(key).or_default().push(task);
                }
                Some((false, true, key)) => self.found.orphans.push((key, task)),
                Some((true, _, key)) => self.found.clones.push((key, task)),
            }
        }
        self.found
    }

    /// Whether a task has the content that is declared today: then it is a twin, not a forerunner.
    ///
    /// A pin says which of two equal tasks is meant, and so that the other one is not.
    fn is_twin(&self, key: &Key, task: &TaskSeen) -> bool {
        let wanted = self.inputs.wish.tasks.get(key);
        wanted.is_some_and(|wanted| {
            wanted.pin.is_none() && task.content.as_ref() == Some(&wanted.content)
        })
    }

    /// Whether the task bears a name that was declared for the key, or the ledger knows it.
    fn is_named_for(&self, key: &Key, task: &TaskSeen) -> bool {
        let evidence = self.inputs.evidence.keys.get(key);
        let declared = self.inputs.wish.tasks.get(key).map_or("", |wanted| &wanted.name);
        evidence.is_some_and(|evidence| evidence.made(task.id))
            || name_fit(task.name.as_deref(), declared, evidence) != NameFit::Foreign
    }

    fn pending(&self) -> Vec<(&'a Key, &'a WantedTask)> {
        let is_open = |key: &Key| {
            !self.found.claims.contains_key(key) && !self.found.conflicts.contains_key(key)
        };
        self.inputs.wish.tasks.iter().filter(|(key, _)| is_open(key)).collect()
    }

    /// Whether the task can still be claimed for the key whose content it has. Another key's pin
    /// stands against that only where the task has that key's content too.
    fn is_free_by_content(&self, key: &Key, task: &TaskSeen) -> bool {
        let has_content_of = |key: &Key| {
            let wanted = self.inputs.wish.tasks.get(key);
            wanted.is_some_and(|wanted| task.content.as_ref() == Some(&wanted.content))
        };
        let pinning = self.pinned_by.get(&task.id).filter(|pinning| **pinning != key);
        !self.taken.contains(&task.id) && !pinning.is_some_and(|pinning| has_content_of(pinning))
    }

    /// Whether the task can still be claimed for the key: nobody has it and nobody else pins it.
    fn is_free(&self, key: &Key, task: &TaskSeen) -> bool {
        let is_pinned_here = self.pinned_by.get(&task.id).is_none_or(|pinning| *pinning == key);
        is_pinned_here && !self.taken.contains(&task.id)
    }

    /// Whether another manifest of the work tree declares the task, by its content or its id.
    fn is_elsewhere(&self, task: &TaskSeen) -> bool {
        let elsewhere = self.inputs.elsewhere;
        let is_declared = |content: &Content| elsewhere.contents.contains(&content.hash());
        elsewhere.pins.contains(&task.id) || task.content.as_ref().is_some_and(is_declared)
    }

    fn name_fit(&self, key: &Key, wanted: &WantedTask, task: &TaskSeen) -> NameFit {
        if task.name.as_deref() == Some(&wanted.name) {
            // As for nearly every task: no evidence has to be looked up.
            return NameFit::Declared;
        }
        name_fit(task.name.as_deref(), &wanted.name, self.inputs.evidence.keys.get(key))
    }

    /// What proves that the task is the key's, if something does.
    fn proof(&self, key: &Key, task: &TaskSeen) -> Option<Proof> {
        let is_pinned = self.pinned_by.get(&task.id).is_some_and(|pinning| *pinning == key);
        let evidence = self.inputs.evidence.keys.get(key);
        let holds = |evidence: &KeyEvidence| {
            let content = task.content.as_ref();
            content.is_some_and(|content| evidence.proves(task.id, content.hash()))
        };
        if is_pinned {
            Some(Proof::Pin)
        } else if evidence.is_some_and(|evidence| evidence.made(task.id)) {
            Some(Proof::Ledger)
        } else {
            evidence.is_some_and(holds).then_some(Proof::History)
        }
    }

    fn claim(&mut self, key: &'a Key, claim: Claim<'a>) {
        self.taken.insert(claim.task.id);
        self.found.claims.insert(key, claim);
    }

    fn conflict(&mut self, key: &'a Key, conflict: Conflict<'a>) {
        // What a conflict is about is neither claimable by others nor anybody's leftover.
        match &conflict {
            Conflict::Ambiguous(tasks) | Conflict::Unproven(tasks, _) => {
                self.taken.extend(tasks.iter().map(|task| task.id));
            }
            Conflict::Contested(task, _) => {
                self.taken.insert(task.id);
            }
            Conflict::PinMissing(_) | Conflict::PinTaken(_) => {}
        }
        self.found.conflicts.insert(key, conflict);
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
pub(super) fn is_archived(task: &TaskSeen) -> bool {
    task.name.as_deref().is_some_and(|name| archived_base(name).is_some())
}

/// Every item with the smallest rank.
fn best<T: Copy, R: Ord>(items: impl Iterator<Item = T>, rank: impl Fn(T) -> R) -> Vec<T> {
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
