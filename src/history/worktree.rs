//! The files of a work tree as a manifest names them.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Gap, with_causes};
use crate::files::{Bounds, FilesError, read_input};
use crate::history::known::{Absence, Knowledge, KnownFiles};
use crate::manifest::{Source, Unreadable, decode, shell_word, stand_in};

/// The largest file that is read, in bytes: a prompt that is longer than a novel is a mistake.
const LARGEST: u64 = 32 << 20;

/// The largest manifest, in bytes: 50,000 tasks of some 300 bytes each.
pub(super) const LARGEST_MANIFEST: u64 = 16 << 20;

/// The largest file of variables, in bytes.
pub(super) const LARGEST_VAR_FILE: u64 = 1 << 20;

/// The files of the work tree, for [`manifest::parse`](crate::manifest::parse).
///
/// What a manifest names is relative to its folder, in its repository and in no folder of a program;
/// where there is no repository, it is in the manifest's folder. See [`Bounds`]. What Git ignores
/// is not read either: secrets are kept so.
#[derive(Clone, Debug)]
pub struct WorkTree {
    bounds: Bounds,
    folder: PathBuf,
    known: Arc<KnownFiles>,
    is_neighbor: bool,
}

impl WorkTree {
    pub(super) fn new(bounds: Bounds, folder: PathBuf, known: Arc<KnownFiles>) -> Self {
        Self { bounds, folder, known, is_neighbor: false }
    }

    /// The same for a manifest that is read for what it declares alone.
    pub(super) fn of_neighbor(self) -> Self {
        Self { is_neighbor: true, ..self }
    }

    /// Returns the text of a manifest right in the folder.
    ///
    /// The person who runs the program has named it, so that Git may ignore it, unless it is a link.
    pub fn manifest(&self, name: &Path) -> Result<String, Unreadable> {
        let file = self.bounds.resolve(&self.folder, name);
        let file = file.map_err(|error| with_causes(&error))?;
        let is_named = self.folder.canonicalize().is_ok_and(|folder| folder.join(name) == file);
        self.text(name, &file, LARGEST_MANIFEST, is_named)
    }

    /// Returns the text of a file of variables, which is judged as a file that a manifest names.
    pub(super) fn variables(&self, path: &Path) -> Result<String, Unreadable> {
        let file = self.bounds.resolve(&self.folder, path);
        let file = file.map_err(|error| with_causes(&error))?;
        self.text(path, &file, LARGEST_VAR_FILE, false)
    }

    fn text(
        &self,
        path: &Path,
        file: &Path,
        most: u64,
        is_named: bool,
    ) -> Result<String, Unreadable> {
        let missing = || FilesError::Missing { path: file.to_owned() };
        let bytes = read_input(file, most).and_then(|bytes| bytes.ok_or_else(missing));
        let bytes = bytes.map_err(|error| with_causes(&error))?;
        // Git lists regular files alone, so that one is what it must be by now.
        if !is_named {
            self.check_known(path, file)?;
        }
        let shown = path.display();
        if self.known.is_written_link(file, &bytes) {
            let target = String::from_utf8_lossy(&bytes);
            return Err(written_link(
                &format!("it holds only `{target}`"),
                &self.known.below_top(file),
            ));
        }
        if let Some((what, command)) = stand_in(&self.known.below_top(file), &bytes) {
            let help = Some(format!("`{command}` puts the text in its place"));
            let why = format!("`{shown}` is {what}, not the text");
            return Err(Unreadable { why, help, ..Unreadable::default() });
        }
        decode(&shown.to_string(), bytes)
    }

    /// Refuses what Git ignores, and hidden files that it does not track.
    fn check_known(&self, path: &Path, file: &Path) -> Result<(), Unreadable> {
        let is_hidden =
            file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let shown = path.display();
        let what = match self.known.knowledge(file) {
            Knowledge::Ignored => "is ignored by Git, as files with secrets are",
            Knowledge::New | Knowledge::Unversioned if is_hidden => {
                "is a hidden file that Git does not track, as files with secrets are"
            }
            Knowledge::Unknown(reason) => {
                let why = format!(
                    "Git does not say whether it ignores `{shown}`, as files with secrets are"
                );
                let gaps = [Gap::history(reason)].into_iter().collect();
                return Err(Unreadable { why, help: None, gaps });
            }
            Knowledge::Tracked | Knowledge::New | Knowledge::Unversioned => return Ok(()),
        };
        let why = format!("`{shown}` {what}");
        let help = "if it holds no secret, `git add --force` it; or name another file";
        Err(Unreadable { why, help: Some(help.to_owned()), ..Unreadable::default() })
    }

    /// Says why a path leads to nothing that may be read.
    fn unresolved(&self, path: &str, error: &FilesError) -> Unreadable {
        // Only of a file that is not there: what is refused is no question for Git.
        if let FilesError::Io { source, .. } = error
            && matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
            && let Some(absent) = self.absent(path)
        {
            return absent;
        }
        if let FilesError::Outside { .. } = error {
            return with_causes(error).into();
        }
        let target = fs::read_link(self.folder.join(path)).unwrap_or_default();
        let target = target.to_string_lossy().replace('\\', "/");
        let help = target.contains(".git/annex/objects/").then(|| {
            format!("git-annex holds it: `git annex get {path}`, then `git annex unlock {path}`")
        });
        Unreadable { why: with_causes(error), help, ..Unreadable::default() }
    }

    /// Says of a file that Git knows of why it is not there.
    fn absent(&self, path: &str) -> Option<Unreadable> {
        let mut file = self.folder.canonicalize().ok()?;
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => file.push(name),
                Component::ParentDir => _ = file.pop(),
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        let below = self.known.below_top(&file);
        let (why, help) = match self.known.absence(&below)? {
            Absence::Sparse => {
                let folder = below.rsplit_once('/').map_or(&*below, |(folder, _)| folder);
                let command = format!("git sparse-checkout add {}", shell_word(folder));
                ("is left out by the sparse checkout", format!("`{command}` brings it"))
            }
            Absence::Submodule(folder) => {
                let command = format!("git submodule update --init {}", shell_word(&folder));
                ("is in a submodule that is not checked out", format!("`{command}` fetches it"))
            }
            Absence::WrittenLink(link) => {
                return Some(written_link(&format!("`{path}` is behind it"), &link));
            }
        };
        let why = format!("`{path}` {why}");
        Some(Unreadable { why, help: Some(help), ..Unreadable::default() })
    }
}

/// Refuses a link that a checkout without links wrote as a plain file.
fn written_link(why: &str, link: &str) -> Unreadable {
    let help = format!(
        "`git config core.symlinks true && git checkout -- {}` makes it a link, where the system has \
         links; or name the file that it leads to",
        shell_word(link)
    );
    let why = format!("`{link}` is a symbolic link that was checked out as a plain file: {why}");
    Unreadable { why, help: Some(help), ..Unreadable::default() }
}

/// Returns the text of a manifest that comes from a stream; no commit holds it.
pub fn manifest_of(stream: impl Read) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    let read = stream.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("failed to read standard input: {error}"))?;
    if bytes.len() as u64 > LARGEST_MANIFEST {
        return Err(format!("standard input has more than {} MB", LARGEST_MANIFEST >> 20).into());
    }
    decode("standard input", bytes)
}

impl Source for WorkTree {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        let named = Path::new(path);
        let file = self.bounds.resolve(&self.folder, named);
        let file = file.map_err(|error| self.unresolved(path, &error))?;
        self.text(named, &file, LARGEST, false)
    }

    fn wants_expectations(&self) -> bool {
        !self.is_neighbor
    }
}
