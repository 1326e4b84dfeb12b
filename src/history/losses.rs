//! What of the history could not be read, as it is found: each reason once, with its keys.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Gap, GapReason, Lost};
use crate::history::earlier::{LostTasks, Parsed};
use crate::history::git::GitError;
use crate::history::objects::Lack;
use crate::history::vars_at::VarsAt;
use crate::model::Key;

/// How much of a commit's name is shown.
const SHORT: usize = 10;

/// What could not be read so far.
#[derive(Default)]
pub(super) struct Losses {
    /// The keys that each reason is about; none for all of them.
    gaps: BTreeMap<GapReason, BTreeSet<Key>>,
    /// By path, the versions that could not be understood.
    unreadable: BTreeMap<String, UnreadableVersions>,
    /// Why objects may be missing.
    why: Option<Lost>,
}

/// The versions of a manifest that could not be understood, or not whole.
struct UnreadableVersions {
    /// The newest commit that holds one, and what is wrong with it.
    commit: String,
    flaw: String,
    count: usize,
    /// The keys that are lost in them; `None` for all.
    keys: Option<BTreeSet<Key>>,
}

impl Losses {
    /// Remembers why objects of this repository would be missing.
    pub(super) fn explain(&mut self, why: Lost) {
        self.why = Some(why);
    }

    /// Notes what could not be read, of every key.
    pub(super) fn all(&mut self, reason: GapReason) {
        self.gaps.entry(reason).or_default().clear();
    }

    /// Notes what could not be read of these keys; of every key where there are none.
    pub(super) fn of(&mut self, reason: GapReason, keys: impl IntoIterator<Item = Key>) {
        let keys: BTreeSet<Key> = keys.into_iter().collect();
        match self.gaps.entry(reason) {
            Entry::Vacant(place) => drop(place.insert(keys)),
            Entry::Occupied(mut known) if keys.is_empty() => known.get_mut().clear(),
            // What is lost of every key stays so.
            Entry::Occupied(mut known) if !known.get().is_empty() => known.get_mut().extend(keys),
            Entry::Occupied(_) => {}
        }
    }

    /// Returns the reason for an object of this path that is not there.
    pub(super) fn missing_at(&self, path: &str) -> GapReason {
        let lost = self.why.clone().unwrap_or(Lost::Damaged);
        GapReason::ObjectsMissing { what: format!("`{path}`"), lost }
    }

    /// Notes that an object of this path is not there.
    pub(super) fn missing(&mut self, path: &str) {
        self.all(self.missing_at(path));
    }

    /// Takes what was found at a path; an object that is missing on the way there is noted.
    pub(super) fn unless_missing<T>(
        &mut self,
        found: Result<Option<T>, GitError>,
        path: &str,
    ) -> Result<Option<T>, GitError> {
        if let Err(GitError::Missing { .. }) = found {
            self.missing(path);
            return Ok(None);
        }
        found
    }

    /// Returns the text of an earlier manifest, as far as there is one.
    pub(super) fn text(&mut self, path: &str, bytes: Result<Vec<u8>, Lack>) -> Option<String> {
        match bytes {
            Ok(bytes) => Some(String::from_utf8(bytes).unwrap_or_else(|error| {
                let (path, what) = (path.to_owned(), "not UTF-8".to_owned());
                self.all(GapReason::FileUnclear { path, what });
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            })),
            Err(Lack::Missing) => {
                self.missing(path);
                None
            }
            Err(Lack::TooLarge) => {
                self.all(GapReason::FileTooLarge { path: path.to_owned() });
                None
            }
        }
    }

    /// Notes what of a version of a manifest could not be understood.
    pub(super) fn version(&mut self, path: &str, commit: &str, parsed: &Parsed) {
        let keys = match &parsed.lost {
            LostTasks::All => None,
            LostTasks::Of(keys) if keys.is_empty() => return,
            LostTasks::Of(keys) => Some(keys.clone()),
        };
        for name in &parsed.unset {
            let reason = GapReason::VariableUnset { path: path.to_owned(), name: name.clone() };
            self.of(reason, keys.iter().flatten().cloned());
        }
        let Some(flaw) = parsed.flaw.clone().filter(|_| parsed.unset.is_empty()) else { return };
        match self.unreadable.get_mut(path) {
            None => {
                let commit = commit[..commit.len().min(SHORT)].to_owned();
                let versions = UnreadableVersions { commit, flaw, count: 1, keys };
                self.unreadable.insert(path.to_owned(), versions);
            }
            Some(known) => {
                known.count += 1;
                let both = known.keys.take().zip(keys);
                known.keys = both.map(|(old, new)| old.into_iter().chain(new).collect());
            }
        }
    }

    /// Notes the keys of a version that may have had variables of a file which its commit does not have:
    /// those of which the text names any, and keys with a text elsewhere, which may.
    pub(super) fn unknown_vars<'k>(
        &mut self,
        vars: &VarsAt,
        text: &str,
        keys: impl Iterator<Item = (&'k Key, bool)>,
    ) {
        if vars.unknown.is_empty() {
            return;
        }
        let is_named = vars.unknown.iter().any(|name| text.contains(name));
        let keys = keys.filter(|(_, has_text)| is_named || *has_text);
        let keys: BTreeSet<Key> = keys.map(|(key, _)| key.clone()).collect();
        if !keys.is_empty() {
            self.of(GapReason::VariablesOutside { names: vars.unknown.clone() }, keys);
        }
    }

    /// Returns all that could not be read.
    pub(super) fn finish(mut self) -> Vec<Gap> {
        for (path, versions) in std::mem::take(&mut self.unreadable) {
            let UnreadableVersions { commit, flaw, count, keys } = versions;
            let reason = GapReason::VersionUnclear { path, commit, said: flaw, count };
            self.of(reason, keys.unwrap_or_default());
        }
        let gap = |(reason, keys)| Gap { keys, ..Gap::history(reason) };
        self.gaps.into_iter().map(gap).collect()
    }
}
