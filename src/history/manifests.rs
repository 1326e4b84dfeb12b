//! Earlier manifests, parsed once each and kept as numbers.
//!
//! Keys, names, prompts and paths are numbered, so that two hundred versions of a thousand tasks stay
//! small and comparing two tasks is comparing numbers. Only lines that no version before held
//! are parsed; see `blocks`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::diag::{Gap, GapReason, TextHash};
use crate::history::blocks::{self, Hashed, fields, hash, in_blocks};
use crate::history::commit::Commit;
use crate::history::earlier::{self, Blob, LostTasks, Parsed, ParsedPrompt, ParsedTask, Plain};
use crate::history::git::{Git, GitError};
use crate::history::losses::Losses;
use crate::history::numbers::{
    EXPANDED_BYTES, EarlierPrompt, EarlierTask, EarlierTemplate, Hash, Interner, MOST_EXPANDED,
    Prompt, TaskSpec,
};
use crate::history::objects::{Objects, Oid};
use crate::history::partials::{Partials, TemplateAt, TemplateFiles};
use crate::history::variables::{At, TODAY, VarsByCommit};
use crate::history::{Depth, Request};
use crate::manifest::{AgentName, ExpandInputs, TaskConfig};
use crate::model::{AgentId, ContentHash, Key, PromptHash};
use crate::resource::Value;

/// How many bytes of manifests are parsed beyond the wanted number of versions: about a second.
///
/// A small manifest is read to its first commit; a huge one is not let to cost a minute.
const BEYOND: usize = 8 << 20;

/// How many texts are held at once.
const AT_ONCE: usize = 16;

/// The tasks of an earlier manifest.
pub(super) type Earlier = Vec<EarlierTask>;

/// The names that each key of an agent ever had; `None` where one is not known.
pub(super) type NamesByAgent = BTreeMap<Key, BTreeSet<Option<String>>>;

/// The earlier manifests.
pub(super) struct Manifests<'a> {
    request: Request<'a>,
    pub(super) keys: Interner<Key>,
    pub(super) names: Interner<String>,
    pub(super) preferences: Interner<Arc<str>>,
    pub(super) prompts: Interner<Prompt>,
    pub(super) files: Interner<String>,
    /// By all that each of them sees.
    template_numbers: BTreeMap<(Hash, usize), usize>,
    pub(super) templates: Vec<EarlierTemplate>,
    /// Where templates stand.
    pub(super) template_places: Interner<TemplateAt>,
    /// The files that templates were made of.
    pub(super) template_files: Interner<TemplateFiles>,
    pub(super) partials: Partials,
    /// What was hashed so far; `None` where there is no prompt.
    pub(super) hashes: BTreeMap<TaskSpec, Option<(ContentHash, PromptHash)>>,
    parsed: BTreeMap<At, Rc<Earlier>>,
    // By path and other fields, then by the lines of a task, both hashed: none where the selected
    // environment does not have it, and several where it has a matrix.
    blocks: BTreeMap<Hash, BTreeMap<Hash, Rc<Earlier>>>,
    // What the work tree holds, by path.
    current: BTreeMap<String, Current<'a>>,
    // What of that was found to be committed just so, and is not cut into blocks yet.
    uncut: Vec<Uncut>,
    parsed_bytes: usize,
    /// How many tasks were expanded, and how many rendered.
    expanded: usize,
    pub(super) rendered: usize,
    parsed_count: BTreeMap<String, usize>,
    pub(super) losses: Losses,
    vars: VarsByCommit<'a>,
    /// The keys of agents, with their names where these are known.
    pub(super) agents: BTreeMap<Key, BTreeSet<Option<String>>>,
}

impl<'a> Manifests<'a> {
    pub(super) fn new(git: &'a Git, request: Request<'a>) -> Self {
        Self {
            request,
            keys: Interner::new(),
            names: Interner::new(),
            preferences: Interner::new(),
            prompts: Interner::new(),
            files: Interner::new(),
            template_numbers: BTreeMap::new(),
            templates: Vec::new(),
            template_places: Interner::new(),
            template_files: Interner::new(),
            partials: Partials::default(),
            hashes: BTreeMap::new(),
            parsed: BTreeMap::new(),
            blocks: BTreeMap::new(),
            current: BTreeMap::new(),
            uncut: Vec::new(),
            parsed_bytes: 0,
            expanded: 0,
            rendered: 0,
            parsed_count: BTreeMap::new(),
            losses: Losses::default(),
            vars: VarsByCommit::new(git, request.var_layers),
            agents: BTreeMap::new(),
        }
    }

    /// Notes the agents of a text.
    fn note_agents(&mut self, parsed: &Parsed) {
        for (key, name) in &parsed.agents {
            self.agents.entry(key.clone()).or_default().insert(name.clone());
        }
    }

    /// Remembers what the work tree holds at these paths, which are those of the request's files.
    pub(super) fn know(&mut self, paths: &[String]) {
        let Request { files, sources, manifest, .. } = self.request;
        for (path, file) in paths.iter().zip(files) {
            if let Some(hash) = sources.hash(file) {
                let tasks = manifest.tasks.iter();
                let tasks = tasks.filter(|(_, task)| *task.place.file == **file);
                let current = Current { hash, tasks: tasks.collect() };
                self.current.insert(path.clone(), current);
            }
        }
    }

    /// Returns what a text at a path declares; `None` where it was not parsed.
    pub(super) fn get(&self, at: &At) -> Option<Rc<Earlier>> {
        self.parsed.get(at).map(Rc::clone)
    }

    /// Returns where the text of a manifest is as of a commit; `None` where the commit has none.
    pub(super) fn at(
        &mut self,
        objects: &mut Objects,
        commit: &Commit,
        path: &str,
    ) -> Result<Option<At>, GitError> {
        let found = At::find(objects, &mut self.vars, commit, path);
        self.losses.unless_missing(found, path)
    }

    /// Parses the manifests of these commits, the newest first, as many as are wanted.
    ///
    /// Returns the prompt files that any of them names.
    pub(super) fn parse(
        &mut self,
        objects: &mut Objects,
        commits: &[Commit],
        paths: &[String],
    ) -> Result<BTreeSet<String>, GitError> {
        let mut known = BTreeSet::new();
        let mut waiting: Vec<(At, &str)> = Vec::new();
        for commit in commits {
            for path in paths {
                let Some(at) = self.at(objects, commit, path)? else { continue };
                if known.insert(at.clone()) && !self.parsed.contains_key(&at) {
                    waiting.push((at, &commit.id));
                }
            }
        }
        for batch in waiting.chunks(AT_ONCE) {
            let batch: Vec<&(At, &str)> =
                batch.iter().filter(|(at, _)| self.affords(&at.path)).collect();
            let texts = self.texts(objects, &batch)?;
            let mut ats = Vec::new();
            let mut unknown = Vec::new();
            for ((at, commit), text) in batch.into_iter().zip(texts) {
                let Some(text) = text else {
                    self.parsed.insert(at.clone(), Rc::default());
                    continue;
                };
                match self.take_current(text) {
                    Ok(earlier) => drop(self.parsed.insert(at.clone(), earlier)),
                    Err(text) => {
                        ats.push((at, *commit));
                        unknown.push(text);
                    }
                }
            }
            let commits: Vec<&str> = ats.iter().map(|(_, commit)| *commit).collect();
            let earlier = self.understand(&unknown, &commits);
            for (((at, _), text), earlier) in ats.into_iter().zip(&unknown).zip(earlier) {
                let has_text =
                    |task: &EarlierTask| matches!(task.prompt, EarlierPrompt::Template(_));
                let keys = earlier.iter().map(|task| (&self.keys.values[task.key], has_text(task)));
                self.losses.unknown_vars(&text.vars.1, &text.text, keys);
                self.parsed.insert(at.clone(), Rc::new(earlier));
            }
        }
        let named = known.iter().filter_map(|at| self.parsed.get(at));
        let files: BTreeSet<usize> =
            named.flat_map(|tasks| tasks.iter().filter_map(file)).collect();
        let mut files: BTreeSet<String> =
            files.into_iter().map(|file| self.files.values[file].clone()).collect();
        files.extend(self.included(objects, commits, paths)?);
        files.extend(self.vars.paths().cloned());
        Ok(files)
    }

    /// Reads texts; `None` where one cannot be read, or its variables.
    fn texts(
        &mut self,
        objects: &mut Objects,
        batch: &[&(At, &str)],
    ) -> Result<Vec<Option<Blob>>, GitError> {
        let blobs: Vec<Oid> = batch.iter().map(|(at, _)| at.blob).collect();
        let bytes = objects.read(&blobs)?;
        let mut texts = Vec::with_capacity(batch.len());
        for ((At { path, vars, .. }, commit), bytes) in batch.iter().zip(bytes) {
            let text = self.losses.text(path, bytes);
            let vars = self.vars.values(objects, (*vars, commit), &mut self.losses)?;
            self.parsed_bytes += text.as_ref().map_or(0, String::len);
            *self.parsed_count.entry(path.clone()).or_default() += 1;
            texts.push(text.zip(vars).map(|(text, vars)| {
                let vars = (vars, Arc::clone(self.vars.of(vars)));
                Blob { path: path.clone(), text, vars }
            }));
        }
        Ok(texts)
    }

    /// Returns the files that templates of these commits were made of.
    fn included(
        &mut self,
        objects: &mut Objects,
        commits: &[Commit],
        paths: &[String],
    ) -> Result<BTreeSet<String>, GitError> {
        let mut included = BTreeSet::new();
        if self.templates.is_empty() {
            return Ok(included);
        }
        for commit in commits {
            for path in paths {
                let Some(at) = self.at(objects, commit, path)? else { continue };
                let Some(tasks) = self.get(&at) else { continue };
                for files in self.files_of_templates(objects, commit.tree, &tasks)?.into_values() {
                    included.extend(self.template_files.values[files].keys().cloned());
                }
            }
        }
        Ok(included)
    }

    /// Returns the number of the values that the variables of a text had; the last of all where they are not known.
    pub(super) fn values_of(&self, at: &At) -> usize {
        self.vars.known(at.vars).unwrap_or(usize::MAX)
    }

    /// Finds the files that the templates of some tasks were made of in a commit: their numbers, by those
    /// of the places of the templates.
    pub(super) fn files_of_templates(
        &mut self,
        objects: &mut Objects,
        tree: Oid,
        tasks: &[EarlierTask],
    ) -> Result<BTreeMap<usize, usize>, GitError> {
        let place = |task: &EarlierTask| match task.prompt {
            EarlierPrompt::Template(number) => Some(self.templates[number].at),
            _ => None,
        };
        let places: BTreeSet<usize> = tasks.iter().filter_map(place).collect();
        let mut files = BTreeMap::new();
        for place in places {
            let at = &self.template_places.values[place];
            let found = self.partials.of_template(objects, tree, at)?;
            files.insert(place, self.template_files.number(found));
        }
        Ok(files)
    }

    /// Takes over the tasks of a text that is just that of the work tree; any other text is given back.
    fn take_current(&mut self, text: Blob) -> Result<Rc<Earlier>, Blob> {
        // What a variable of the process held when it was committed may be something else today.
        let is_today = text.vars.0 == TODAY && !text.text.contains("${");
        let current = self.current.get(&text.path).filter(|_| is_today);
        if !current.is_some_and(|current| current.hash.is_of(&text.text)) {
            return Err(text);
        }
        let Blob { path, text, .. } = text;
        let tasks = self.current.remove(&path).map(|current| current.tasks);
        let mut tasks = tasks.unwrap_or_default();
        tasks.sort_by_key(|(_, task)| task.place.span.start);
        let starts = tasks.iter().map(|(_, task)| task.place.span.start).collect();
        let mut earlier = Vec::with_capacity(tasks.len());
        for (key, declared) in tasks {
            let task = self.number(&path, ParsedTask::new(&path, key.clone(), declared));
            self.take_hashes(key, &task);
            earlier.push(task);
        }
        let tasks = Rc::new(earlier);
        self.uncut.push(Uncut { path, text, starts, tasks: Rc::clone(&tasks) });
        Ok(tasks)
    }

    /// Takes over the hashes of a task of the work tree whose prompt is not in a file.
    fn take_hashes(&mut self, key: &Key, task: &EarlierTask) {
        let Some(desired) = self.request.desired_state.tasks.get(key) else { return };
        let Some(doing) = task.doing(&BTreeMap::new()) else { return };
        if let Prompt::Inline(hash, text) = &self.prompts.values[doing.prompt]
            && !text.is_empty()
        {
            let hashes = (desired.content(), PromptHash(*hash));
            self.hashes.insert(doing, Some(hashes));
        }
    }

    /// Cuts texts of the work tree into blocks, so that earlier ones need not parse them once more.
    fn cut_current(&mut self) {
        for Uncut { path, text, starts, tasks } in std::mem::take(&mut self.uncut) {
            let Some(cut) = blocks::cut(&text) else { continue };
            let placed = starts.into_iter().zip(tasks.iter().copied()).collect();
            let known = in_blocks(cut.before.len(), cut.tasks.iter().copied(), placed);
            let known = known.into_iter().map(|(block, tasks)| (hash(block), tasks.into()));
            self.blocks.entry(fields(&path, TODAY, &cut)).or_default().extend(known);
        }
    }

    /// Understands texts as of these commits, parsing only the lines that were not parsed before.
    fn understand(&mut self, texts: &[Blob], commits: &[&str]) -> Vec<Earlier> {
        if !texts.is_empty() {
            self.cut_current();
        }
        let cuts: Vec<Option<Hashed<'_>>> = texts.iter().map(Hashed::cut).collect();
        self.understand_blocks(texts, &cuts);
        let assembled: Vec<Option<Earlier>> = cuts
            .iter()
            .map(|cut| {
                let cut = cut.as_ref()?;
                let known = self.blocks.get(&cut.fields)?;
                let tasks = cut.tasks.iter().map(|(hash, _)| known.get(hash).map(Rc::clone));
                let tasks: Vec<Rc<Earlier>> = tasks.collect::<Option<_>>()?;
                Some(tasks.iter().flat_map(|tasks| tasks.iter().copied()).collect())
            })
            .collect();
        let is_whole = |at: &usize| assembled[*at].is_none();
        let whole: Vec<usize> = (0..texts.len()).filter(is_whole).collect();
        let whole_texts: Vec<Blob> = whole.iter().map(|at| texts[*at].clone()).collect();
        let parsed = earlier::parse_all(&whole_texts, self.filling());
        let mut earlier: Vec<Earlier> =
            assembled.into_iter().map(Option::unwrap_or_default).collect();
        for (at, parsed) in whole.into_iter().zip(parsed) {
            earlier[at] = self.keep(&texts[at].path, commits[at], parsed);
        }
        earlier
    }

    /// Parses the blocks that were not parsed before, all at once.
    fn understand_blocks(&mut self, texts: &[Blob], cuts: &[Option<Hashed<'_>>]) {
        let mut claimed = BTreeSet::new();
        let mut shortened = Vec::new();
        for (text, cut) in texts.iter().zip(cuts) {
            let Some(cut) = cut else { continue };
            let known = self.blocks.entry(cut.fields).or_default();
            let mut new: Vec<(Hash, &str)> = Vec::new();
            for (hash, block) in &cut.tasks {
                if !known.contains_key(hash) && claimed.insert((cut.fields, *hash)) {
                    new.push((*hash, block));
                }
            }
            if !new.is_empty() {
                let blocks = new.iter().map(|(_, block)| *block);
                let short = [cut.before].into_iter().chain(blocks).chain([cut.after]).collect();
                let (path, vars) = (text.path.clone(), text.vars.clone());
                shortened.push((cut, new, Blob { path, text: short, vars }));
            }
        }
        let (parts, short): (Vec<_>, Vec<Blob>) =
            shortened.into_iter().map(|(cut, new, text)| ((cut, new), text)).unzip();
        let parsed = earlier::parse_all(&short, self.filling());
        for (((cut, new), text), parsed) in parts.into_iter().zip(&short).zip(parsed) {
            self.note_agents(&parsed);
            // A part that is not in order is judged with the whole of its text.
            if parsed.flaw.is_some()
                || !matches!(&parsed.lost, LostTasks::Of(lost) if lost.is_empty())
            {
                continue;
            }
            let tasks = parsed.tasks.into_iter().map(|task| (task.at, task));
            let tasks = tasks.map(|(at, task)| (at, self.number(&text.path, task))).collect();
            let blocks = new.iter().map(|(_, block)| *block);
            let tasks = in_blocks(cut.before.len(), blocks, tasks);
            for ((hash, _), (_, tasks)) in new.iter().zip(tasks) {
                self.blocks.entry(cut.fields).or_default().insert(*hash, tasks.into());
            }
        }
    }

    /// How versions are expanded.
    fn filling(&self) -> (ExpandInputs<'a>, Plain) {
        (self.request.inputs, Plain::of(self.request.manifest))
    }

    /// Whether one more version of a manifest may be parsed.
    fn affords(&self, path: &str) -> bool {
        let count = self.parsed_count.get(path).copied().unwrap_or_default();
        let cost = self.parsed_bytes + self.vars.bytes + self.expanded * EXPANDED_BYTES;
        match self.request.depth {
            Depth::Newest(most) => self.expanded < MOST_EXPANDED && (count < most || cost < BEYOND),
            Depth::None | Depth::All => true,
        }
    }

    fn keep(&mut self, path: &str, commit: &str, parsed: Parsed) -> Earlier {
        self.losses.version(path, commit, &parsed);
        self.note_agents(&parsed);
        parsed.tasks.into_iter().map(|task| self.number(path, task)).collect()
    }

    fn number(&mut self, path: &str, task: ParsedTask) -> EarlierTask {
        self.expanded += 1;
        let agent = match task.agent {
            Value::Integer(id) => Some(AgentId(id)),
            Value::Ref(address) => self.agent_of(path, &task.key, &address.key),
            _ => None,
        };
        let prompt = match task.prompt {
            ParsedPrompt::Inline(text) => {
                EarlierPrompt::Known(self.prompts.number(Prompt::Inline(hash(&text), text)))
            }
            ParsedPrompt::File(Some(path)) => EarlierPrompt::File(self.files.number(path)),
            ParsedPrompt::File(None) => EarlierPrompt::Outside,
            ParsedPrompt::Template(folder, template) => {
                let at = self.template_places.number((folder, template.text().clone()));
                let known = self.template_numbers.entry((template.hash(), at));
                EarlierPrompt::Template(*known.or_insert_with(|| {
                    self.templates.push(EarlierTemplate { template, at });
                    self.templates.len() - 1
                }))
            }
        };
        EarlierTask {
            key: self.keys.number(task.key),
            name: self.names.number(task.name),
            agent,
            preference: self.preferences.number(task.preference),
            prompt,
            protect: task.protect,
        }
    }

    fn agent_of(&mut self, path: &str, key: &Key, name: &str) -> Option<AgentId> {
        let several = match self.request.agents.named(name) {
            Ok(AgentName::Known(id)) => return Some(id),
            // No task on the service can have an agent that does not exist yet.
            Ok(AgentName::Made) => return None,
            Err(ids) => ids.len() > 1,
        };
        let (path, name) = (path.to_owned(), name.to_owned());
        self.losses.of(GapReason::AgentUnknown { path, name, several }, [key.clone()]);
        None
    }

    /// Notes that a file was committed as another text than was sent; `of_all` keys, or of those that name it.
    pub(super) fn converted(&mut self, path: String, attribute: String, of_all: bool) {
        let names = |task: &&EarlierTask| {
            !of_all && file(task).is_some_and(|file| self.files.values[file] == path)
        };
        let tasks = self.parsed.values().flat_map(|tasks| tasks.iter()).filter(names);
        let keys: BTreeSet<usize> = tasks.map(|task| task.key).collect();
        let keys: Vec<Key> = keys.into_iter().map(|key| self.keys.values[key].clone()).collect();
        self.losses.of(GapReason::TextConverted { path, attribute }, keys);
    }

    /// Returns the keys, the keys of agents with their names, and all that could not be read.
    pub(super) fn finish(self) -> (Vec<Key>, NamesByAgent, Vec<Gap>) {
        (self.keys.values, self.agents, self.losses.finish())
    }
}

/// Returns the number of the path of a task's prompt file.
pub(super) fn file(task: &EarlierTask) -> Option<usize> {
    if let EarlierPrompt::File(file) = task.prompt { Some(file) } else { None }
}

/// What a manifest of the work tree holds.
struct Current<'a> {
    hash: TextHash,
    tasks: Vec<(&'a Key, &'a TaskConfig)>,
}

/// The same once it was found to be committed: where the keys of its tasks stand, in order.
struct Uncut {
    path: String,
    text: String,
    starts: Vec<usize>,
    tasks: Rc<Earlier>,
}
