//! Files that Git commits as another text than the work tree holds.
//!
//! An attribute can have Git run a filter, change the encoding or write `$Id$` out. What is committed
//! is then not what was sent, and proves nothing. Which attributes a file has depends on files in its
//! folders, in the repository and on the machine, so that Git is asked where there is any: once about the
//! work tree, and once more about each earlier state of the committed ones that differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;

use crate::files::read_input;
use crate::history::checkout::GitFolders;
use crate::history::commit::Commit;
use crate::history::git::{Git, GitError, gives_attributes};
use crate::history::objects::{Objects, Oid};

/// The name of the files that give attributes.
const FILE: &str = ".gitattributes";

/// The largest of them that is compared.
const LARGEST: u64 = 1 << 20;

/// The attributes by which a text can change: line ends, which others change, are one content.
const ASKED: [&str; 3] = ["filter", "ident", "working-tree-encoding"];

/// About how many earlier states Git is asked; each costs a process.
const MOST_STATES: usize = 60;

/// What is known of the attributes so far.
#[derive(Default)]
pub(super) struct Attributes {
    /// The files that are evidence, and whether one speaks of every key.
    paths: BTreeMap<String, bool>,
    /// The files that give attributes to them.
    givers: BTreeSet<String>,
    states: BTreeMap<AttributeFiles, AttributeState>,
}

/// The committed files of attributes above all paths.
type AttributeFiles = Vec<(String, Oid)>;

/// The commits that have the same attributes.
struct AttributeState {
    commit: String,
    trees: BTreeSet<Oid>,
}

/// What Git said of the paths.
#[derive(Default)]
pub(super) struct Conversions {
    /// Files, each with the attribute by which it is another text, and whether it speaks of every key.
    pub(super) files: BTreeSet<(String, String, bool)>,
    /// Why there may be more.
    pub(super) unknown: Option<String>,
}

/// The values of attributes by name, by path.
type Answers = BTreeMap<String, BTreeMap<String, String>>;

/// What a committed text has in it where an attribute makes it another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    /// Nothing tells.
    Any,
    /// The word that is written out.
    Id,
}

impl Attributes {
    /// Adds files that are evidence, of some keys or of all.
    pub(super) fn add<'p>(&mut self, paths: impl IntoIterator<Item = &'p String>, of_all: bool) {
        for path in paths {
            self.givers.extend(files_above(path));
            *self.paths.entry(path.clone()).or_default() |= of_all;
        }
    }

    /// Notes the attributes as of a commit.
    pub(super) fn note(&mut self, objects: &mut Objects, commit: &Commit) -> Result<(), GitError> {
        let mut id = AttributeFiles::new();
        for file in &self.givers {
            id.extend(objects.find(commit.tree, file)?.map(|blob| (file.clone(), blob)));
        }
        let state = self.states.entry(id);
        let new = || AttributeState { commit: commit.id.clone(), trees: BTreeSet::new() };
        state.or_insert_with(new).trees.insert(commit.tree);
        Ok(())
    }

    /// Returns the files that were committed as another text than the work tree held.
    pub(super) fn ask(
        self,
        git: &Git,
        (top, folders): (&Path, &GitFolders),
        objects: &mut Objects,
    ) -> Result<Conversions, GitError> {
        let Self { paths, givers, states } = self;
        let mut found = Conversions::default();
        let is_there = |giver: &&String| fs::symlink_metadata(top.join(giver)).is_ok();
        let there = givers.iter().filter(is_there).count();
        let is_given = there > 0 || states.keys().any(|id| !id.is_empty());
        if !is_given && !gives_attributes(folders) {
            return Ok(found);
        }
        let now = match answers(git, None, paths.keys()) {
            Ok(now) => now,
            Err(error) => {
                found.unknown = Some(error.to_string());
                return Ok(found);
            }
        };
        let all = states.values().flat_map(|state| state.trees.iter().copied()).collect();
        found.take(objects, &paths, &now, &all)?;
        let mut asked = 0;
        for (id, state) in &states {
            let Some(texts) = texts(objects, id)? else { continue };
            let is_now = |(path, text): (&String, &Vec<u8>)| {
                let now = read_input(&top.join(path), LARGEST);
                now.is_ok_and(|now| now.as_ref() == Some(text))
            };
            let paths_of_state = id.iter().map(|(path, _)| path);
            if id.len() == there && paths_of_state.zip(&texts).all(is_now) {
                continue;
            }
            asked += 1;
            if asked > MOST_STATES {
                found.unknown = Some(format!("`{FILE}` was changed more than {MOST_STATES} times"));
                break;
            }
            match answers(git, Some(&state.commit), paths.keys()) {
                Ok(then) => found.take(objects, &paths, &then, &state.trees)?,
                Err(error) => found.unknown = Some(error.to_string()),
            }
        }
        Ok(found)
    }
}

impl Conversions {
    /// Adds the files of these trees that were other texts by these answers.
    fn take(
        &mut self,
        objects: &mut Objects,
        paths: &BTreeMap<String, bool>,
        answers: &Answers,
        trees: &BTreeSet<Oid>,
    ) -> Result<(), GitError> {
        for (path, of_all) in paths {
            let traces = answers.get(path).map(traces).unwrap_or_default();
            for (attribute, trace) in traces {
                let mut blobs = BTreeSet::new();
                for tree in trees {
                    blobs.extend(objects.find(*tree, path)?);
                }
                let blobs: Vec<Oid> = blobs.into_iter().collect();
                let texts = objects.read(&blobs)?;
                if texts.iter().flatten().any(|text| trace.is_in(text)) {
                    self.files.insert((path.clone(), attribute, *of_all));
                }
            }
        }
        Ok(())
    }
}

impl Trace {
    fn is_in(self, text: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Id => text.windows(3).any(|part| part == b"$Id"),
        }
    }
}

/// Whether Git may commit any of these files as another text than the work tree holds, or does not say.
pub(super) fn may_convert(
    git: &Git,
    (top, folders): (&Path, &GitFolders),
    paths: &BTreeSet<String>,
) -> bool {
    let givers: BTreeSet<String> = paths.iter().flat_map(|path| files_above(path)).collect();
    let is_there = |giver: &String| fs::symlink_metadata(top.join(giver)).is_ok();
    let converts = |answers: Answers| answers.values().any(|values| !traces(values).is_empty());
    (givers.iter().any(is_there) || gives_attributes(folders))
        && answers(git, None, paths.iter()).map_or(true, converts)
}

/// Adds the files that give attributes to these paths.
pub(super) fn with_files(mut paths: BTreeSet<String>) -> BTreeSet<String> {
    let files: Vec<String> = paths.iter().flat_map(|path| files_above(path)).collect();
    paths.extend(files);
    paths
}

fn files_above(path: &str) -> impl Iterator<Item = String> {
    let folders = path.match_indices('/').map(|(end, _)| &path[..=end]);
    [""].into_iter().chain(folders).map(|folder| format!("{folder}{FILE}"))
}

/// Reads the files of a state; `None` where none of them has a word that matters.
fn texts(objects: &mut Objects, id: &AttributeFiles) -> Result<Option<Vec<Vec<u8>>>, GitError> {
    let blobs: Vec<Oid> = id.iter().map(|(_, blob)| *blob).collect();
    let texts: Vec<Vec<u8>> =
        objects.read(&blobs)?.into_iter().map(Result::unwrap_or_default).collect();
    let matters = |text: &Vec<u8>| {
        let text = String::from_utf8_lossy(text);
        ASKED.iter().any(|word| text.contains(word))
    };
    Ok(texts.iter().any(matters).then_some(texts))
}

/// Asks Git for the attributes of paths, as of the work tree or of a commit.
fn answers<'p>(
    git: &Git,
    commit: Option<&str>,
    paths: impl Iterator<Item = &'p String>,
) -> Result<Answers, GitError> {
    let command = "check-attr";
    let source = commit.map(|commit| format!("--source={commit}"));
    let mut arguments = vec![command];
    arguments.extend(source.as_deref());
    arguments.extend(["--stdin", "-z"].into_iter().chain(ASKED));
    let mut child = git.converse(&arguments)?;
    let mut requests = child.stdin.take().expect("the input is piped");
    let asked: String = paths.flat_map(|path| [path, "\0"]).collect();
    let output = thread::scope(|scope| {
        // One that has ended says so by its status.
        scope.spawn(move || drop(requests.write_all(asked.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(GitError::Io)?;
    if !output.status.success() {
        let said = output.status.to_string();
        return Err(GitError::Refused { command: command.to_owned(), said });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_terminator('\0').collect();
    let mut answers = Answers::new();
    for words in words.chunks(3) {
        let [path, attribute, value] = words else { return Err(GitError::Garbled { command }) };
        let of_path = answers.entry((*path).to_owned()).or_default();
        of_path.insert((*attribute).to_owned(), (*value).to_owned());
    }
    Ok(answers)
}

/// The attributes by which Git may commit another text, each with what is then in it.
///
/// UTF-8 is what they have by whatever name.
fn traces(values: &BTreeMap<String, String>) -> Vec<(String, Trace)> {
    let value = |name: &str| {
        let value = values.get(name).map(String::as_str);
        value.filter(|value| !["unspecified", "unset"].contains(value))
    };
    let mut found = Vec::new();
    if let Some(filter) = value("filter") {
        found.push((format!("filter={filter}"), Trace::Any));
    }
    let encoding = value("working-tree-encoding");
    let is_utf8 = |name: &str| ["utf8", "utf-8"].contains(&name.to_ascii_lowercase().as_str());
    if let Some(encoding) = encoding.filter(|encoding| !is_utf8(encoding)) {
        found.push((format!("working-tree-encoding={encoding}"), Trace::Any));
    }
    if value("ident") == Some("set") {
        found.push(("ident".to_owned(), Trace::Id));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_change_a_text_are_told_from_others() {
        // What Git says of a file, and by which attribute it may be another text.
        let table = [
            ("", ""),
            ("filter=unspecified ident=unset", ""),
            ("filter=lfs", "filter=lfs Any"),
            ("filter=git-crypt ident=unspecified", "filter=git-crypt Any"),
            ("filter=set", "filter=set Any"),
            ("filter=unset", ""),
            ("ident=set", "ident Id"),
            ("ident=yes", ""),
            ("working-tree-encoding=UTF-16LE-BOM", "working-tree-encoding=UTF-16LE-BOM Any"),
            ("working-tree-encoding=utf8", ""),
            ("working-tree-encoding=Utf-8", ""),
            ("ident=set filter=x", "filter=x Any, ident Id"),
        ];
        for (said, expected) in table {
            let words = said.split(' ').filter_map(|word| word.split_once('='));
            let values = words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let found = traces(&values).into_iter();
            let found: Vec<String> =
                found.map(|(name, trace)| format!("{name} {trace:?}")).collect();
            assert_eq!(found.join(", "), expected, "{said}");
        }
    }
}
