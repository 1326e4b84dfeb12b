//! Reads commits' trees and files through one `git cat-file --batch` process.
//!
//! Only object names are ever asked for. Paths are looked up here, in the trees, so that no name of
//! a file can be mistaken for anything else and a folder with a thousand prompts is read once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::rc::Rc;

use crate::history::git::{Git, GitError};

/// How many objects are asked for at once; their names fit into any pipe, so that nobody waits
/// for the other.
const AT_ONCE: usize = 60;

/// The largest file that is read; see `files`.
const LARGEST: u64 = 32 << 20;

/// How many entries of trees are remembered before all are forgotten: about 30 MiB.
const REMEMBERED: usize = 300_000;

/// How many links are followed on the way to a file.
const LINKS: usize = 8;

/// The name of an object: SHA-1 or SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Oid {
    length: u8,
    bytes: [u8; 32],
}

impl Oid {
    fn from_bytes(raw: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Self {
            length: u8::try_from(raw.len()).expect("an object name has 32 bytes at most"),
            bytes,
        }
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !matches!(text.len(), 40 | 64) {
            return None;
        }
        let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
        Some(Self::from_bytes(&bytes?))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryKind {
    Tree,
    File,
    Link,
    Module,
}

type Tree = BTreeMap<Vec<u8>, (EntryKind, Oid)>;

/// The objects of a repository.
pub(super) struct Objects {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    trees: BTreeMap<Oid, Rc<Tree>>,
    remembered: usize,
    passed: BTreeSet<String>,
}

impl Drop for Objects {
    fn drop(&mut self) {
        // The end of its input ends the process; waiting leaves no zombie behind.
        self.requests = None;
        self.child.wait().ok();
    }
}

impl Objects {
    pub(super) fn open(git: &Git) -> Result<Self, GitError> {
        let mut child = git.converse(&["cat-file", "--batch"])?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("the output is piped"));
        Ok(Self {
            child,
            requests,
            answers,
            trees: BTreeMap::new(),
            remembered: 0,
            passed: BTreeSet::new(),
        })
    }

    /// Reads many objects, each with what stands against it where it cannot be read.
    pub(super) fn read(&mut self, names: &[Oid]) -> Result<Vec<Result<Vec<u8>, Lack>>, GitError> {
        let mut found = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let asked: Vec<String> = names.iter().map(ToString::to_string).collect();
            self.ask(&asked.join("\n"))?;
            for _ in names {
                found.push(self.answer()?.map(|(_, bytes)| bytes));
            }
        }
        Ok(found)
    }

    /// Reads what the index holds at a path.
    pub(super) fn staged(&mut self, path: &str) -> Result<Result<Vec<u8>, Lack>, GitError> {
        if path.contains('\n') {
            return Ok(Err(Lack::Missing));
        }
        self.ask(&format!(":0:{path}"))?;
        Ok(self.answer()?.map(|(_, bytes)| bytes))
    }

    /// Reads one object that has to be there.
    fn read_one(&mut self, name: Oid) -> Result<Vec<u8>, GitError> {
        let read = self.read(&[name])?.pop().unwrap_or(Err(Lack::Missing));
        read.map_err(|_| GitError::Missing { what: name.to_string() })
    }

    /// Returns the tree of a commit.
    pub(super) fn tree_of(&mut self, commit: Oid) -> Result<Oid, GitError> {
        self.ask(&format!("{commit}^{{tree}}"))?;
        let missing = |_| GitError::Missing { what: commit.to_string() };
        self.answer()?.map(|(tree, _)| tree).map_err(missing)
    }

    /// Returns the file at a path, links followed; `None` where there is none.
    pub(super) fn find(&mut self, root: Oid, path: &str) -> Result<Option<Oid>, GitError> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            match self.step(root, &path)? {
                PathStep::File(oid) => return Ok(Some(oid)),
                PathStep::OtherManifests(link, target) => {
                    self.passed.extend([link, target.clone()]);
                    path = target;
                }
                PathStep::Nowhere => break,
            }
        }
        Ok(None)
    }

    /// The links that were followed so far, and what they led to.
    pub(super) fn passed(&self) -> &BTreeSet<String> {
        &self.passed
    }

    fn step(&mut self, root: Oid, path: &str) -> Result<PathStep, GitError> {
        let mut tree = root;
        let parts: Vec<&str> = path.split('/').collect();
        for (at, part) in parts.iter().enumerate() {
            let is_last = at + 1 == parts.len();
            match self.tree(tree)?.get(part.as_bytes()) {
                Some((EntryKind::Tree, oid)) if !is_last => tree = *oid,
                Some((EntryKind::File, oid)) if is_last => return Ok(PathStep::File(*oid)),
                Some((EntryKind::Link, oid)) => {
                    let target = self.read_one(*oid)?;
                    let target = String::from_utf8_lossy(&target);
                    let rest = parts[at + 1..]
                        .iter()
                        .fold(target.into_owned(), |path, part| path + "/" + part);
                    let link = parts[..=at].join("/");
                    let moved = join(&parts[..at].join("/"), &rest);
                    return Ok(moved
                        .map_or(PathStep::Nowhere, |moved| PathStep::OtherManifests(link, moved)));
                }
                _ => return Ok(PathStep::Nowhere),
            }
        }
        Ok(PathStep::Nowhere)
    }

    /// Lists the files that `old` has and `new` has not, or has otherwise, each with its old blob.
    pub(super) fn gone_or_changed(
        &mut self,
        old: Oid,
        new: Option<Oid>,
        folder: &str,
        found: &mut Vec<(String, Oid)>,
    ) -> Result<(), GitError> {
        if Some(old) == new {
            return Ok(());
        }
        let before = self.tree(old)?;
        let after = new.map(|new| self.tree(new)).transpose()?.unwrap_or_default();
        for (name, (kind, oid)) in before.iter() {
            let other = after.get(name);
            // A name that is no UTF-8 cannot be a manifest that anybody names.
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            match kind {
                EntryKind::Tree => {
                    let other = other.filter(|(kind, _)| *kind == EntryKind::Tree);
                    self.gone_or_changed(*oid, other.map(|(_, oid)| *oid), &path, found)?;
                }
                EntryKind::File if other.is_none_or(|(_, other)| other != oid) => {
                    found.push((path, *oid));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn tree(&mut self, name: Oid) -> Result<Rc<Tree>, GitError> {
        if let Some(tree) = self.trees.get(&name) {
            return Ok(Rc::clone(tree));
        }
        let raw = self.read_one(name)?;
        let tree = Rc::new(entries(&raw, usize::from(name.length)).ok_or(GARBLED)?);
        self.remembered += tree.len();
        if self.remembered > REMEMBERED {
            self.trees.clear();
            self.remembered = tree.len();
        }
        self.trees.insert(name, Rc::clone(&tree));
        Ok(tree)
    }

    fn ask(&mut self, names: &str) -> Result<(), GitError> {
        let requests = self.requests.as_mut().expect("open until the drop");
        writeln!(requests, "{names}").and_then(|()| requests.flush()).map_err(GitError::Io)
    }

    fn answer(&mut self) -> Result<Result<(Oid, Vec<u8>), Lack>, GitError> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(GitError::Io)?;
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let [name, _, size] = words[..] else {
            let is_missing = line.trim_end().ends_with(" missing");
            return if is_missing { Ok(Err(Lack::Missing)) } else { Err(GARBLED) };
        };
        let (Some(name), Ok(size)) = (Oid::from_hex(name), size.parse::<u64>()) else {
            return Err(GARBLED);
        };
        // The content is followed by a line end.
        let mut content = self.answers.by_ref().take(size + 1);
        if size > LARGEST {
            io::copy(&mut content, &mut io::sink()).map_err(GitError::Io)?;
            return Ok(Err(Lack::TooLarge));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size + 1).unwrap_or_default());
        content.read_to_end(&mut bytes).map_err(GitError::Io)?;
        if bytes.pop() != Some(b'\n') {
            return Err(GARBLED);
        }
        Ok(Ok((name, bytes)))
    }
}

/// Why an object cannot be read, though the rest can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// It is not there.
    Missing,
    /// It is larger than what is read.
    TooLarge,
}

/// Lists the regular files of a commit, each with its path from the root.
///
/// A name that is no UTF-8 is left out: nobody could name it as a manifest.
pub(super) fn tree_files(git: &Git, commit: &str) -> Result<Vec<(String, Oid)>, GitError> {
    let answer = git.run(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
    let mut files = Vec::new();
    for entry in answer.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let Ok(entry) = std::str::from_utf8(entry) else { continue };
        let garbled = GitError::Garbled { command: "ls-tree" };
        let Some((words, path)) = entry.split_once('\t') else { return Err(garbled) };
        let words: Vec<&str> = words.split(' ').collect();
        let [mode, "blob", name] = words[..] else { continue };
        let Some(name) = Oid::from_hex(name) else { return Err(garbled) };
        if mode != "120000" {
            files.push((path.to_owned(), name));
        }
    }
    Ok(files)
}

enum PathStep {
    File(Oid),
    OtherManifests(String, String),
    Nowhere,
}

const GARBLED: GitError = GitError::Garbled { command: "cat-file" };

/// Reads the entries of a tree: mode, blank, name, zero, object name.
fn entries(mut raw: &[u8], length: usize) -> Option<Tree> {
    let mut tree = Tree::new();
    while !raw.is_empty() {
        let blank = raw.iter().position(|byte| *byte == b' ')?;
        let zero = raw.iter().position(|byte| *byte == 0)?;
        let kind = match &raw[..blank] {
            b"40000" => EntryKind::Tree,
            b"120000" => EntryKind::Link,
            b"160000" => EntryKind::Module,
            _ => EntryKind::File,
        };
        let oid = Oid::from_bytes(raw.get(zero + 1..=zero + length)?);
        tree.insert(raw.get(blank + 1..zero)?.to_owned(), (kind, oid));
        raw = &raw[zero + 1 + length..];
    }
    Some(tree)
}

/// Joins a folder of the repository and a path relative to it; `None` where that leads out of it.
pub(super) fn join(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
