//! Collects, commit by commit from the newest on, what each key of an agent declared.
//!
//! Agents are few and their texts are many files, so that each version is read as its commit had
//! it, its tasks left out. Versions whose agents are the same lines and files are read once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::diag::{Diagnostic, GapReason, Subject};
use crate::evidence::{AgentEvidence, Evidence};
use crate::history::blocks::{self, Blocks};
use crate::history::collector::Collector;
use crate::history::commit::Commit;
use crate::history::committed::Committed;
use crate::history::earlier::{FRONT_MATTER, LostTasks, Parsed, Plain, proves};
use crate::history::git::{Git, GitError};
use crate::history::losses::Losses;
use crate::history::numbers::{EXPANDED_BYTES, Hash, MOST_EXPANDED};
use crate::history::objects::{Objects, Oid, join};
use crate::history::partials::Partials;
use crate::history::variables::{At, VarsByCommit};
use crate::history::vars_at::VarsAt;
use crate::history::walk::collect;
use crate::history::{Depth, History, HistoryError, Repository, Request};
use crate::manifest::{self, DesiredAgent, DesiredState, Manifest, Source, Unreadable};
use crate::model::Key;
use crate::resource::Object;

/// How many bytes of manifests are read beyond the wanted number of versions.
const BEYOND: usize = 8 << 20;

/// How many texts are held at once.
const AT_ONCE: usize = 16;

/// Reads what was ever declared of agents: the evidence of their keys, and the gaps.
pub fn read_agents(
    repository: &Repository,
    request: &Request<'_>,
) -> Result<History, HistoryError> {
    let mut versions = AgentVersions::new(&repository.git, *request);
    let mut history = History::default();
    if collect(repository, request, &mut versions, &mut history, work_tree_alone)? {
        versions.finish(&mut history);
    }
    Ok(history)
}

/// Outside of Git, the work tree is the only version there is.
fn work_tree_alone(desired_state: &DesiredState) -> Evidence {
    let agents = desired_state.agents.iter().map(|(key, desired)| {
        let (versions, protect) = (vec![desired.object.clone()], desired.protect);
        (key.clone(), AgentEvidence { versions, protect, ..AgentEvidence::default() })
    });
    Evidence { agents: agents.collect(), ..Evidence::default() }
}

/// A manifest's text without its tasks.
struct Text {
    yaml: String,
    /// What it is expanded with.
    vars: Arc<VarsAt>,
    hash: Hash,
    /// The files that its agents name, as paths from the top.
    files: BTreeSet<String>,
}

/// The agents of a version.
type Agents = Vec<(Key, DesiredAgent)>;

/// What is known so far.
struct AgentVersions<'a> {
    request: Request<'a>,
    vars: VarsByCommit<'a>,
    /// `None` where its variables are not known.
    texts: BTreeMap<At, Option<Rc<Text>>>,
    /// What each distinct text and the files it names declared.
    read: BTreeMap<Hash, Rc<Agents>>,
    /// By path, the distinct states of a manifest with the files of its agents.
    states: BTreeMap<String, BTreeSet<Hash>>,
    bytes: usize,
    /// How many agents were read.
    expanded: usize,
    counts: BTreeMap<String, usize>,
    is_moved: bool,
    found: BTreeMap<Key, AgentEvidence>,
    ended: BTreeSet<String>,
    losses: Losses,
    partials: Partials,
}

impl<'a> AgentVersions<'a> {
    fn new(git: &'a Git, request: Request<'a>) -> Self {
        Self {
            request,
            vars: VarsByCommit::new(git, request.var_layers),
            texts: BTreeMap::new(),
            read: BTreeMap::new(),
            states: BTreeMap::new(),
            bytes: 0,
            expanded: 0,
            counts: BTreeMap::new(),
            is_moved: false,
            found: BTreeMap::new(),
            ended: BTreeSet::new(),
            losses: Losses::default(),
            partials: Partials::default(),
        }
    }

    /// Whether one more version of a manifest may be read.
    fn affords(&self, path: &str) -> bool {
        let count = self.counts.get(path).copied().unwrap_or_default();
        match self.request.depth {
            Depth::Newest(most) => {
                let cost = self.bytes + self.vars.bytes + self.expanded * EXPANDED_BYTES;
                count < most || cost < BEYOND
            }
            Depth::None | Depth::All => true,
        }
    }

    /// Takes a manifest's text without its tasks, and the files that its agents name.
    fn understand(&self, path: &str, text: &str, vars: usize) -> Rc<Text> {
        let text = without_tasks(text);
        let hash = hash(&[path, "\0", &vars.to_string(), "\0", &text]);
        let vars = Arc::clone(self.vars.of(vars));
        let mut known = self.texts.values().flatten();
        known.find(|known| known.hash == hash).map_or_else(
            || {
                let named = Named::default();
                let inputs = vars.fill(self.request.inputs);
                manifest::parse(Path::new(path), &text, &named, inputs);
                let named = named.0.into_inner();
                let files = named.iter().filter_map(|file| join(folder_of(path), file));
                Rc::new(Text { hash, vars, files: files.collect(), yaml: text })
            },
            Rc::clone,
        )
    }

    /// Returns where the text of a manifest is as of a commit; `None` where the commit has none.
    fn at(
        &mut self,
        objects: &mut Objects,
        commit: &Commit,
        path: &str,
    ) -> Result<Option<At>, GitError> {
        let found = At::find(objects, &mut self.vars, commit, path);
        self.losses.unless_missing(found, path)
    }

    /// Reads the agents of a text as of a commit.
    fn agents(
        &mut self,
        objects: &mut Objects,
        commit: &Commit,
        (path, text): (&str, &Text),
    ) -> Rc<Agents> {
        let source = Committed::new(objects, commit.tree, folder_of(path));
        let inputs = text.vars.fill(self.request.inputs);
        let (read, findings) = manifest::parse(Path::new(path), &text.yaml, &source, inputs);
        if !proves(&read.expansion, inputs.environment, Plain::of(self.request.manifest)) {
            return Rc::default();
        }
        for file in source.missing() {
            self.losses.missing(&file);
        }
        self.losses.version(path, &commit.id, &lost(&read, &findings));
        let has_texts = !text.files.is_empty();
        self.losses.unknown_vars(
            &text.vars,
            &text.yaml,
            read.agents.keys().map(|key| (key, has_texts)),
        );
        let (desired_state, _) = manifest::resolve(&read, self.request.agents);
        let agents = Agents::from_iter(desired_state.agents);
        self.expanded += agents.len();
        Rc::new(agents)
    }

    /// Adds the versions of one state; beyond the wanted number, only as long as no key has too many.
    fn add(&mut self, path: &str, agents: &Agents, is_beyond: bool) {
        let is_new = |found: &BTreeMap<Key, AgentEvidence>, key: &Key, object: &Object| {
            found.get(key).is_none_or(|known| !known.versions.contains(object))
        };
        if let Depth::Newest(most) = self.request.depth
            && is_beyond
            && agents.iter().any(|(key, agent)| {
                let is_full = |known: &AgentEvidence| known.versions.len() >= most;
                self.found.get(key).is_some_and(is_full) && is_new(&self.found, key, &agent.object)
            })
        {
            return self.end(path);
        }
        for (key, DesiredAgent { object, protect, .. }) in agents {
            if !self.found.contains_key(key) {
                let known = AgentEvidence { protect: *protect, ..AgentEvidence::default() };
                self.found.insert(key.clone(), known);
            }
            if is_new(&self.found, key, object)
                && let Some(known) = self.found.get_mut(key)
            {
                known.versions.push(object.clone());
            }
        }
    }

    /// Reads no further back in this manifest.
    fn end(&mut self, path: &str) {
        self.ended.insert(path.to_owned());
        let count = self.states.get(path).map_or(0, BTreeSet::len);
        self.losses.all(GapReason::BeyondHistory { path: path.to_owned(), count });
    }

    fn finish(self, history: &mut History) {
        history.evidence.agents = self.found;
        history.evidence.gaps.extend(self.losses.finish());
    }
}

impl Collector for AgentVersions<'_> {
    fn losses(&mut self) -> &mut Losses {
        &mut self.losses
    }

    fn files(
        &mut self,
        objects: &mut Objects,
        commits: &[Commit],
        paths: &[String],
    ) -> Result<BTreeSet<String>, GitError> {
        let (mut seen, mut new) = (BTreeSet::new(), Vec::new());
        for commit in commits {
            for path in paths {
                let Some(at) = self.at(objects, commit, path)? else { continue };
                if seen.insert(at.clone()) && !self.texts.contains_key(&at) {
                    new.push((at, &commit.id));
                }
            }
        }
        for batch in new.chunks(AT_ONCE) {
            let batch: Vec<&(At, &String)> =
                batch.iter().filter(|(at, _)| self.affords(&at.path)).collect();
            let blobs: Vec<Oid> = batch.iter().map(|(at, _)| at.blob).collect();
            for ((at, commit), bytes) in batch.into_iter().zip(objects.read(&blobs)?) {
                let text = self.losses.text(&at.path, bytes).unwrap_or_default();
                let vars = self.vars.values(objects, (at.vars, commit), &mut self.losses)?;
                self.bytes += text.len();
                *self.counts.entry(at.path.clone()).or_default() += 1;
                let text = vars.map(|vars| self.understand(&at.path, &text, vars));
                self.texts.insert(at.clone(), text);
            }
        }
        let mut files = BTreeSet::new();
        for commit in commits {
            for path in paths {
                let Some(at) = self.at(objects, commit, path)? else { continue };
                let Some(Some(text)) = self.texts.get(&at) else { continue };
                let named = (folder_of(path), &text.files);
                let found = self.partials.of_files(objects, commit.tree, named)?;
                files.extend(found.into_keys());
            }
        }
        files.extend(self.vars.paths().cloned());
        Ok(files)
    }

    fn take(&mut self, objects: &mut Objects, commit: &Commit, path: &str) -> Result<(), GitError> {
        if self.ended.contains(path) {
            return Ok(());
        }
        let Some(at) = self.at(objects, commit, path)? else { return Ok(()) };
        let Some(text) = self.texts.get(&at).cloned() else {
            self.end(path);
            return Ok(());
        };
        let Some(text) = text else { return Ok(()) };
        let mut files = Sha256::new();
        let named = (folder_of(path), &text.files);
        for found in self.partials.of_files(objects, commit.tree, named)?.into_values() {
            files.update(found.as_ref().map_or(&[0][..], Oid::as_bytes));
        }
        let files: Hash = files.finalize().into();
        let of = |parts: &[&[u8]]| -> Hash { Sha256::digest(parts.concat()).into() };
        let states = self.states.entry(path.to_owned()).or_default();
        // The whole manifest counts: what a commit before the newest one declared may be applied.
        if !states.insert(of(&[at.blob.as_bytes(), &text.hash, &files])) {
            return Ok(());
        }
        let count = states.len();
        let is_beyond = matches!(self.request.depth, Depth::Newest(most) if count > most);
        let state = of(&[&text.hash, &files]);
        let agents = match self.read.get(&state) {
            Some(agents) => Rc::clone(agents),
            None if self.request.depth != Depth::All && self.expanded >= MOST_EXPANDED => {
                self.end(path);
                return Ok(());
            }
            None => self.agents(objects, commit, (path, &text)),
        };
        self.read.insert(state, Rc::clone(&agents));
        self.add(path, &agents, is_beyond);
        if count > 1 || self.is_moved {
            for (key, agent) in agents.iter() {
                if let Some(known) = self.found.get_mut(key) {
                    known.is_established = true;
                    known.pinned.extend(agent.pin);
                }
            }
        }
        Ok(())
    }

    fn is_reading(&self, paths: &[String]) -> bool {
        paths.iter().any(|path| !self.ended.contains(path))
    }

    fn converted(&mut self, path: String, attribute: String, _of_all: bool) {
        self.losses.all(GapReason::TextConverted { path, attribute });
    }

    fn moved(&mut self) {
        self.is_moved = true;
    }
}

/// What of the agents of a version could not be understood.
fn lost(read: &Manifest, findings: &[Diagnostic]) -> Parsed {
    let mut errors = findings.iter().filter(|finding| finding.is_error());
    let flaw = errors.find(|finding| finding.subject != Some(Subject::Tasks));
    Parsed {
        tasks: Vec::new(),
        agents: BTreeMap::new(),
        unset: read.expansion.unset.clone(),
        flaw: flaw.map(|finding| finding.message.clone()),
        lost: if read.has_agents {
            LostTasks::Of(read.agents_left_out.keys().cloned().collect())
        } else {
            LostTasks::All
        },
    }
}

/// A text without its tasks, where they are lines of their own.
pub(super) fn without_tasks(text: &str) -> String {
    match blocks::cut(text) {
        Some(Blocks { before, after, .. }) => format!("{before}{after}"),
        None => text.to_owned(),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn hash(parts: &[&str]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

/// Remembers which files are asked for.
#[derive(Default)]
struct Named(RefCell<BTreeSet<String>>);

impl Source for Named {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        self.0.borrow_mut().insert(path.to_owned());
        Ok(FRONT_MATTER.to_owned())
    }

    fn wants_expectations(&self) -> bool {
        false
    }
}
