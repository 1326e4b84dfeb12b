//! Collects, commit by commit from the newest on, what each key declared.
//!
//! A task that is as it was in the version before costs a comparison of numbers; each prompt file is
//! read and hashed once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::diag::GapReason;
use crate::evidence::{KeyEvidence, Version};
use crate::history::collector::Collector;
use crate::history::commit::Commit;
use crate::history::git::{Git, GitError};
use crate::history::losses::Losses;
use crate::history::manifests::{Manifests, file};
use crate::history::numbers::{EarlierPrompt, EarlierTask, Hash, MOST_EXPANDED, Prompt, TaskSpec};
use crate::history::objects::{Lack, Objects, Oid};
use crate::history::partials;
use crate::history::{Depth, History, Request};
use crate::manifest::{TemplateText, stand_in};
use crate::resource::Object;

/// How many prompt files are held at once.
const AT_ONCE: usize = 60;

/// What is known so far.
pub(super) struct Versions<'a> {
    depth: Depth,
    pub(super) manifests: Manifests<'a>,
    // By path, the distinct states of a manifest with its prompt files.
    states: BTreeMap<String, BTreeSet<Hash>>,
    /// Whether older paths of a moved manifest are walked: all they declared is established.
    is_moved: bool,
    // By the key's number.
    found: Vec<KeyEvidence>,
    last: Vec<Option<(TaskSpec, usize)>>,
    seen: BTreeSet<usize>,
    ended: BTreeSet<String>,
    /// Prompt files that cannot be used, by the number of their text.
    unusable: BTreeMap<usize, Unusable>,
}

/// Why the text of a prompt file is not known.
enum Unusable {
    Lacking(Lack),
    /// It is this, and no text.
    NoText(String),
    /// It is a template that cannot be rendered, for this reason.
    Wrong(String),
}

impl<'a> Versions<'a> {
    pub(super) fn new(git: &'a Git, request: Request<'a>) -> Self {
        Self {
            depth: request.depth,
            manifests: Manifests::new(git, request),
            states: BTreeMap::new(),
            is_moved: false,
            found: Vec::new(),
            last: Vec::new(),
            seen: BTreeSet::new(),
            ended: BTreeSet::new(),
            unusable: BTreeMap::new(),
        }
    }

    /// Adds what a manifest declared as of a commit.
    fn add_version(
        &mut self,
        objects: &mut Objects,
        commit: &Commit,
        path: &str,
    ) -> Result<(), GitError> {
        if self.ended.contains(path) {
            return Ok(());
        }
        let Some(at) = self.manifests.at(objects, commit, path)? else { return Ok(()) };
        let Some(manifest) = self.manifests.get(&at) else {
            self.end(path);
            return Ok(());
        };
        let mut files = BTreeMap::new();
        let mut state = Sha256::new_with_prefix(at.blob.as_bytes());
        state.update(self.manifests.values_of(&at).to_le_bytes());
        for file in manifest.iter().filter_map(file) {
            let found = objects.find(commit.tree, &self.manifests.files.values[file])?;
            state.update(found.as_ref().map_or(&[0][..], Oid::as_bytes));
            if let Some(blob) = found {
                files.insert(file, self.manifests.prompts.number(Prompt::Blob(blob)));
            }
        }
        let templates = self.manifests.files_of_templates(objects, commit.tree, &manifest)?;
        for files in templates.values() {
            for blob in self.manifests.template_files.values[*files].values() {
                state.update(blob.as_ref().map_or(&[0][..], Oid::as_bytes));
            }
        }
        let state: Hash = state.finalize().into();
        let states = self.states.entry(path.to_owned()).or_default();
        if states.contains(&state) {
            return Ok(());
        }
        if self.depth != Depth::All && self.manifests.rendered >= MOST_EXPANDED {
            self.end(path);
            return Ok(());
        }
        states.insert(state);
        let count = states.len();
        let is_beyond = matches!(self.depth, Depth::Newest(most) if count > most);
        let doings: Vec<Option<TaskSpec>> =
            manifest.iter().map(|task| self.doing(task, &files, &templates)).collect();
        self.hash(objects, &doings)?;
        self.note_unknown(&manifest, &doings, &files, &templates);
        self.add(path, &manifest, &doings, is_beyond);
        if count > 1 || self.is_moved {
            for task in manifest.iter() {
                self.found[task.key].is_established = true;
            }
        }
        if count == 2 || (count == 1 && self.is_moved) {
            for task in manifest.iter() {
                self.found[task.key].protect_before.get_or_insert(task.protect);
            }
        }
        Ok(())
    }

    /// Returns what a task does, if its agent and the files of its prompt are known.
    fn doing(
        &mut self,
        task: &EarlierTask,
        files: &BTreeMap<usize, usize>,
        templates: &BTreeMap<usize, usize>,
    ) -> Option<TaskSpec> {
        let EarlierPrompt::Template(number) = task.prompt else { return task.doing(files) };
        let files = *templates.get(&self.manifests.templates[number].at)?;
        if self.manifests.template_files.values[files].values().any(Option::is_none) {
            return None;
        }
        let prompt = self.manifests.prompts.number(Prompt::Rendered(number, files));
        Some(TaskSpec { prompt, agent: task.agent?, preference: task.preference })
    }

    /// Returns what was found.
    pub(super) fn finish(self, history: &mut History) {
        let (keys, agents, gaps) = self.manifests.finish();
        history.agents = agents;
        let found = keys.into_iter().zip(self.found).enumerate();
        let declared = found.filter(|(number, _)| self.seen.contains(number));
        history.evidence.keys = declared.map(|(_, known)| known).collect();
        history.evidence.gaps.extend(gaps);
    }

    /// Hashes what was not hashed yet, each prompt file read once.
    fn hash(&mut self, objects: &mut Objects, doings: &[Option<TaskSpec>]) -> Result<(), GitError> {
        let mut blobs: BTreeMap<Oid, Vec<TaskSpec>> = BTreeMap::new();
        let mut rendered: BTreeMap<(usize, usize), Vec<(usize, TaskSpec)>> = BTreeMap::new();
        for doing in doings.iter().flatten() {
            if self.manifests.hashes.contains_key(doing) {
                continue;
            }
            match &self.manifests.prompts.values[doing.prompt] {
                Prompt::Blob(blob) => blobs.entry(*blob).or_default().push(*doing),
                Prompt::Rendered(number, files) => {
                    let at = self.manifests.templates[*number].at;
                    rendered.entry((at, *files)).or_default().push((*number, *doing));
                }
                Prompt::Inline(_, text) => {
                    let text = Arc::clone(text);
                    self.remember(*doing, Some(text));
                }
            }
        }
        self.hash_rendered(objects, rendered)?;
        let blobs: Vec<(Oid, Vec<TaskSpec>)> = blobs.into_iter().collect();
        for batch in blobs.chunks(AT_ONCE) {
            let names: Vec<Oid> = batch.iter().map(|(blob, _)| *blob).collect();
            for ((_, doings), bytes) in batch.iter().zip(objects.read(&names)?) {
                let text = usable(bytes);
                let text = match text {
                    Ok(text) => Some(text),
                    Err(why) => {
                        // Every one of them names the same text.
                        self.unusable.extend(doings.first().map(|doing| (doing.prompt, why)));
                        None
                    }
                };
                for doing in doings {
                    self.remember(*doing, text.as_deref());
                }
            }
        }
        Ok(())
    }

    /// Hashes prompts that are templates, each text compiled once; they are by the numbers of where they
    /// stand and of the files that they were made of.
    fn hash_rendered(
        &mut self,
        objects: &mut Objects,
        rendered: BTreeMap<(usize, usize), Vec<(usize, TaskSpec)>>,
    ) -> Result<(), GitError> {
        for ((at, files), doings) in rendered {
            let place = &self.manifests.template_places.values[at];
            let files = &self.manifests.template_files.values[files];
            let compiled = partials::compile(objects, place, files)?;
            self.manifests.rendered += doings.len();
            for (number, doing) in doings {
                let template = &self.manifests.templates[number].template;
                let text = compiled.as_ref().map_err(Clone::clone);
                match text.and_then(|compiled| template.render(compiled)) {
                    Ok(text) => self.remember(doing, Some(text)),
                    Err(why) => {
                        self.unusable.insert(doing.prompt, Unusable::Wrong(why));
                        self.remember(doing, None::<String>);
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes the tasks whose content is not known, each of its key.
    fn note_unknown(
        &mut self,
        manifest: &[EarlierTask],
        doings: &[Option<TaskSpec>],
        files: &BTreeMap<usize, usize>,
        templates: &BTreeMap<usize, usize>,
    ) {
        for (task, doing) in manifest.iter().zip(doings) {
            let key = || self.manifests.keys.values[task.key].clone();
            let file = match task.prompt {
                EarlierPrompt::File(file) => file,
                EarlierPrompt::Known(_) => continue,
                EarlierPrompt::Template(number) => {
                    if let Some(reason) = self.unrendered(number, doing.as_ref(), templates) {
                        let key = key();
                        self.manifests.losses.of(reason, [key]);
                    }
                    continue;
                }
                EarlierPrompt::Outside => {
                    let (path, what) = ("promptFile".to_owned(), "outside of the repository");
                    let reason = GapReason::FileUnclear { path, what: what.to_owned() };
                    let key = key();
                    self.manifests.losses.of(reason, [key]);
                    continue;
                }
            };
            let path = || self.manifests.files.values[file].clone();
            let unusable = doing.and_then(|doing| self.unusable.get(&doing.prompt));
            let reason = match unusable {
                None if files.contains_key(&file) => continue,
                None => GapReason::FileNotCommitted { path: path() },
                Some(Unusable::Lacking(Lack::Missing)) => self.manifests.losses.missing_at(&path()),
                Some(Unusable::Lacking(Lack::TooLarge)) => GapReason::FileTooLarge { path: path() },
                Some(Unusable::NoText(what) | Unusable::Wrong(what)) => {
                    GapReason::FileUnclear { path: path(), what: what.clone() }
                }
            };
            let key = key();
            self.manifests.losses.of(reason, [key]);
        }
    }

    /// Says why the text of a template is not known, if it is not.
    fn unrendered(
        &self,
        number: usize,
        doing: Option<&TaskSpec>,
        templates: &BTreeMap<usize, usize>,
    ) -> Option<GapReason> {
        let at = self.manifests.templates[number].at;
        let files = &self.manifests.template_files.values[*templates.get(&at)?];
        if let Some((path, _)) = files.iter().find(|(_, blob)| blob.is_none()) {
            return Some(GapReason::FileNotCommitted { path: path.clone() });
        }
        match self.unusable.get(&doing?.prompt)? {
            Unusable::Wrong(why) => {
                let (_, text) = &self.manifests.template_places.values[at];
                let path = if let TemplateText::File(path) = text { &**path } else { "prompt" };
                let what = format!("a template that could not be rendered: {why}");
                Some(GapReason::FileUnclear { path: path.to_owned(), what })
            }
            Unusable::Lacking(_) | Unusable::NoText(_) => None,
        }
    }

    fn remember<P>(&mut self, doing: TaskSpec, text: Option<P>)
    where
        P: AsRef<str> + Into<Arc<str>>,
    {
        let preference = &self.manifests.preferences.values[doing.preference];
        let object = text.map(|text| Object::task("", doing.agent.0, preference, text));
        let object = object.filter(|object| object.prompt().is_some_and(|text| !text.is_empty()));
        let hashes = object.and_then(|object| object.content().zip(object.prompt_hash()));
        self.manifests.hashes.insert(doing, hashes);
    }

    /// Adds the versions of one state; beyond the wanted number, only as long as no key has too many.
    fn add(
        &mut self,
        path: &str,
        manifest: &[EarlierTask],
        doings: &[Option<TaskSpec>],
        is_beyond: bool,
    ) {
        self.found.resize_with(self.manifests.keys.values.len(), KeyEvidence::default);
        self.last.resize(self.manifests.keys.values.len(), None);
        let mut new = Vec::new();
        for (task, doing) in manifest.iter().zip(doings) {
            let Some(doing) = doing else { continue };
            let Some((content, prompt)) = self.manifests.hashes.get(doing).copied().flatten()
            else {
                continue;
            };
            if self.last[task.key] == Some((*doing, task.name)) {
                continue;
            }
            self.last[task.key] = Some((*doing, task.name));
            let version =
                Version { content, prompt, name: self.manifests.names.values[task.name].clone() };
            if !self.found[task.key].versions.contains(&version) {
                new.push((task.key, version));
            }
        }
        if let Depth::Newest(most) = self.depth
            && is_beyond
            && new.iter().any(|(key, _)| self.found[*key].versions.len() >= most)
        {
            self.end(path);
            return;
        }
        for task in manifest.iter().filter(|task| !self.seen.contains(&task.key)) {
            self.found[task.key].protect = task.protect;
        }
        self.seen.extend(manifest.iter().map(|task| task.key));
        for (key, version) in new {
            self.found[key].versions.push(version);
        }
    }

    /// Reads no further back in this manifest.
    fn end(&mut self, path: &str) {
        self.ended.insert(path.to_owned());
        let count = self.states.get(path).map_or(0, BTreeSet::len);
        let path = path.to_owned();
        self.manifests.losses.all(GapReason::BeyondHistory { path, count });
    }
}

impl Collector for Versions<'_> {
    fn losses(&mut self) -> &mut Losses {
        &mut self.manifests.losses
    }

    fn files(
        &mut self,
        objects: &mut Objects,
        commits: &[Commit],
        paths: &[String],
    ) -> Result<BTreeSet<String>, GitError> {
        self.manifests.parse(objects, commits, paths)
    }

    fn take(&mut self, objects: &mut Objects, commit: &Commit, path: &str) -> Result<(), GitError> {
        self.add_version(objects, commit, path)
    }

    fn is_reading(&self, paths: &[String]) -> bool {
        paths.iter().any(|path| !self.ended.contains(path))
    }

    fn converted(&mut self, path: String, attribute: String, of_all: bool) {
        self.manifests.converted(path, attribute, of_all);
    }

    fn moved(&mut self) {
        self.is_moved = true;
    }
}

/// Returns the text of a prompt file, if it is one.
fn usable(bytes: Result<Vec<u8>, Lack>) -> Result<String, Unusable> {
    let bytes = bytes.map_err(Unusable::Lacking)?;
    if let Some((what, _)) = stand_in("", &bytes) {
        return Err(Unusable::NoText(what.to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| Unusable::NoText("not UTF-8".to_owned()))
}
