//! Files of variables: a person names them, and what lies there may be a stranger's.

use std::path::{Component, Path, PathBuf};

use crate::diag::with_causes;
use crate::files::{Bounds, FilesError, read_input};
use crate::history::Repository;
use crate::history::worktree::LARGEST_VAR_FILE;
use crate::manifest::{Unreadable, decode};

/// A file of variables that may be read.
pub struct VarFile {
    /// Its text.
    pub text: String,
    /// Whether it is in the repository: no finding repeats the words of another.
    pub is_inside: bool,
    /// Its path from the top of the repository, where Git tracks it.
    pub tracked: Option<String>,
}

impl Repository {
    /// Reads a file of variables: one in the repository as a file that a manifest names, and any other
    /// where its path leads out of the repository as it is written.
    pub fn var_file(&self, file: &Path) -> Result<VarFile, Unreadable> {
        let root = self.root().canonicalize().unwrap_or_else(|_| self.root().to_owned());
        let found = followed(&root, file)?;
        if let Ok(below) = found.strip_prefix(&root) {
            let text = self.work_tree(&root.join("-")).variables(below)?;
            let tracked = self.known.tracked_path(&found);
            return Ok(VarFile { text, is_inside: true, tracked });
        }
        let (Some(top), Some(folder)) = (found.ancestors().last(), found.parent()) else {
            return Err(missing(file));
        };
        let found = Bounds::new(top, Vec::new()).resolve(folder, &found);
        let read = found.and_then(|found| read_input(&found, LARGEST_VAR_FILE));
        let bytes = read.map_err(|error| with_causes(&error))?.ok_or_else(|| missing(file))?;
        let text = decode(&file.display().to_string(), bytes)?;
        Ok(VarFile { text, is_inside: false, tracked: None })
    }
}

/// Follows a path; a link in the repository is refused wherever it leads.
fn followed(root: &Path, file: &Path) -> Result<PathBuf, Unreadable> {
    let mut at = Path::new(".").canonicalize().map_err(|_| missing(file))?;
    for part in file.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = at.pop(),
            Component::RootDir | Component::Prefix(_) => at.push(part),
            Component::Normal(name) => {
                let next = at.join(name);
                if at.starts_with(root) && next.is_symlink() {
                    let why = format!(
                        "`{}` is a link, or behind one, which is not followed in a repository",
                        file.display()
                    );
                    let help = Some("name the file that it leads to".to_owned());
                    return Err(Unreadable { why, help, ..Unreadable::default() });
                }
                at = next.canonicalize().map_err(|source| match source.kind() {
                    std::io::ErrorKind::NotFound => missing(file),
                    _ => with_causes(&FilesError::Io { verb: "read", path: next, source }).into(),
                })?;
            }
        }
    }
    Ok(at)
}

fn missing(file: &Path) -> Unreadable {
    format!("there is no file `{}`", file.display()).into()
}
