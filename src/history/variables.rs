//! The variables of flags and of files, as of each commit.
//!
//! A file of variables that Git tracks has a text in each commit, and a version of a manifest is expanded
//! with that of its own commit. No commit holds flags and other files: they have the values of today.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Diagnostic, GapReason};
use crate::history::commit::{Commit, commits};
use crate::history::earlier::{LostTasks, Parsed};
use crate::history::git::{Git, GitError};
use crate::history::losses::Losses;
use crate::history::numbers::Interner;
use crate::history::objects::{Lack, Objects, Oid};
use crate::history::vars_at::VarsAt;
use crate::history::worktree::LARGEST_VAR_FILE;
use crate::manifest::{Vars, decode, parse_vars, stand_in};

/// How many earlier names of a file are followed.
const MOST_NAMES: usize = 20;

/// The number of the variables of today.
pub(super) const TODAY: usize = 0;

/// The variables of one file or of the flags; each overrides those before it.
#[derive(Clone, Debug, Default)]
pub struct VarLayer {
    /// The path of the file from the top of the repository, where Git tracks it.
    pub path: Option<String>,
    /// Its values of today.
    pub vars: Vars,
}

/// The text of a manifest as of a commit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) blob: Oid,
    pub(super) path: String,
    /// The number of the files of variables of the commit.
    pub(super) vars: usize,
}

impl At {
    /// Finds the text of a manifest; `None` where the commit has none.
    pub(super) fn find(
        objects: &mut Objects,
        vars: &mut VarsByCommit<'_>,
        commit: &Commit,
        path: &str,
    ) -> Result<Option<Self>, GitError> {
        let Some(blob) = objects.find(commit.tree, path)? else { return Ok(None) };
        let vars = vars.at(objects, commit.tree)?;
        Ok(Some(Self { blob, path: path.to_owned(), vars }))
    }
}

/// The files of variables of one commit, in their order; `None` where it has no such file.
type VarBlobs = Vec<Option<Oid>>;

/// The variables of all commits that are looked at.
pub(super) struct VarsByCommit<'a> {
    git: &'a Git,
    layers: &'a [VarLayer],
    /// The names that each file had, the newest first; none where Git does not track it.
    names: Vec<Vec<String>>,
    /// How many of them were looked for under an earlier name.
    followed: Vec<usize>,
    files: Interner<VarBlobs>,
    /// What the files of each number held: the number of their values; `None` where that is not known.
    read: BTreeMap<usize, Option<usize>>,
    values: Interner<Arc<VarsAt>>,
    texts: BTreeMap<Oid, Option<Vars>>,
    /// How many bytes were read.
    pub(super) bytes: usize,
}

impl<'a> VarsByCommit<'a> {
    pub(super) fn new(git: &'a Git, layers: &'a [VarLayer]) -> Self {
        let mut values = Interner::new();
        let today = VarsAt { given: merged(layers.iter().map(|it| &it.vars)), ..VarsAt::default() };
        values.number(Arc::new(today));
        Self {
            git,
            layers,
            names: layers.iter().map(|layer| layer.path.iter().cloned().collect()).collect(),
            followed: vec![0; layers.len()],
            files: Interner::new(),
            read: BTreeMap::new(),
            values,
            texts: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The paths of all of the files, under every name that they had.
    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.names.iter().flatten()
    }

    /// Returns the number of the files of a commit.
    fn at(&mut self, objects: &mut Objects, tree: Oid) -> Result<usize, GitError> {
        let mut files = VarBlobs::new();
        for layer in 0..self.layers.len() {
            files.push(self.file(objects, tree, layer)?);
        }
        Ok(self.files.number(files))
    }

    fn file(
        &mut self,
        objects: &mut Objects,
        tree: Oid,
        layer: usize,
    ) -> Result<Option<Oid>, GitError> {
        let mut next = 0;
        loop {
            while let Some(name) = self.names[layer].get(next) {
                if let Some(blob) = objects.find(tree, name)? {
                    return Ok(Some(blob));
                }
                next += 1;
            }
            let followed = self.followed[layer];
            if followed == self.names[layer].len() || followed == MOST_NAMES {
                return Ok(None);
            }
            self.followed[layer] += 1;
            let name = earlier_name(self.git, objects, &self.names[layer][followed])?;
            self.names[layer].extend(name);
        }
    }

    /// Returns the number of the values that the files of a number held, which are of this commit too;
    /// `None` where they cannot be told, which is noted.
    pub(super) fn values(
        &mut self,
        objects: &mut Objects,
        (files, commit): (usize, &str),
        losses: &mut Losses,
    ) -> Result<Option<usize>, GitError> {
        if let Some(known) = self.read.get(&files) {
            return Ok(*known);
        }
        let blobs = self.files.values[files].clone();
        let read = self.understand(objects, &blobs, commit, losses)?;
        let number = read.map(|vars| self.values.number(Arc::new(vars)));
        self.read.insert(files, number);
        Ok(number)
    }

    /// Returns the number of the values that files held, where they were read before.
    pub(super) fn known(&self, files: usize) -> Option<usize> {
        self.read.get(&files).copied().flatten()
    }

    /// Returns the values of a number.
    pub(super) fn of(&self, number: usize) -> &Arc<VarsAt> {
        &self.values.values[number]
    }

    fn understand(
        &mut self,
        objects: &mut Objects,
        blobs: &VarBlobs,
        commit: &str,
        losses: &mut Losses,
    ) -> Result<Option<VarsAt>, GitError> {
        let mut found = Vec::new();
        let mut unknown = BTreeSet::new();
        for ((layer, names), blob) in self.layers.iter().zip(&self.names).zip(blobs) {
            match (names.first(), blob) {
                (None, _) => found.push(layer.vars.clone()),
                (Some(_), None) => unknown.extend(layer.vars.keys().cloned()),
                (Some(path), Some(blob)) => {
                    if !self.texts.contains_key(blob) {
                        let bytes = objects.read(&[*blob])?.pop().unwrap_or(Err(Lack::Missing));
                        self.bytes += bytes.as_ref().map_or(0, Vec::len);
                        self.texts.insert(*blob, read(path, bytes, commit, losses));
                    }
                    let Some(vars) = &self.texts[blob] else { return Ok(None) };
                    found.push(vars.clone());
                }
            }
        }
        let given = merged(found.iter());
        let otherwise = merged(self.layers.iter().map(|layer| &layer.vars));
        let is_new = |name: &String| !given.contains_key(name);
        let otherwise = otherwise.into_iter().filter(|(name, _)| is_new(name)).collect();
        unknown.retain(is_new);
        Ok(Some(VarsAt { given, otherwise, unknown }))
    }
}

/// Joins variables, the last ones first.
fn merged<'v>(all: impl Iterator<Item = &'v Vars>) -> Vars {
    all.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads an earlier text of a file of variables, or notes why it cannot be.
fn read(
    path: &str,
    bytes: Result<Vec<u8>, Lack>,
    commit: &str,
    losses: &mut Losses,
) -> Option<Vars> {
    let too_large = |bytes: &Vec<u8>| bytes.len() as u64 > LARGEST_VAR_FILE;
    let bytes = match bytes {
        Err(Lack::Missing) => {
            losses.missing(path);
            return None;
        }
        Ok(bytes) if !too_large(&bytes) => bytes,
        Ok(_) | Err(Lack::TooLarge) => {
            losses.all(GapReason::FileTooLarge { path: path.to_owned() });
            return None;
        }
    };
    let text = match stand_in(path, &bytes) {
        Some((what, _)) => Err(format!("it is {what}")),
        None => decode(path, bytes).map_err(|unreadable| unreadable.why),
    };
    let vars = text.and_then(|text| {
        let (vars, findings) = parse_vars(Path::new(path), &text);
        let flaw = findings.into_iter().find(Diagnostic::is_error);
        flaw.map_or(Ok(vars), |flaw| Err(flaw.message))
    });
    match vars {
        Ok(vars) => Some(vars),
        Err(flaw) => {
            let lost = LostTasks::All;
            let parsed = Parsed { flaw: Some(flaw), lost, ..Parsed::default() };
            losses.version(path, commit, &parsed);
            None
        }
    }
}

/// Returns what a file was called before: the one file of the same text that went with the commit in
/// which its name appeared.
fn earlier_name(git: &Git, objects: &mut Objects, path: &str) -> Result<Option<String>, GitError> {
    // Where there is no commit at all, the walk says so.
    let touched = commits(git, &["HEAD".to_owned()], &[path.to_owned()]).unwrap_or_default();
    for Commit { tree, parents, .. } in touched {
        let Some(blob) = objects.find(tree, path)? else { continue };
        for parent in parents {
            let before = objects.tree_of(parent)?;
            if objects.find(before, path)?.is_some() {
                continue;
            }
            let (mut changed, mut gone) = (Vec::new(), Vec::new());
            objects.gone_or_changed(before, Some(tree), "", &mut changed)?;
            for (old, _) in changed.into_iter().filter(|(_, old)| *old == blob) {
                if objects.find(tree, &old)?.is_none() {
                    gone.push(old);
                }
            }
            if let [name] = &mut *gone {
                return Ok(Some(std::mem::take(name)));
            }
        }
    }
    Ok(None)
}
