//! What a manifest may name: the one judge of paths that a stranger may have written.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use super::{FilesError, failed};

/// Folders that are never read from, wherever they lie and whoever named a folder in them.
const NEVER: [&str; 4] = [".git", ".qcops", ".lean", ".ssh"];

/// Where the kernel answers instead of a disk; its files look regular and hold secrets.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// A part of `/dev` that is plain memory, where whole checkouts lie on some machines.
const SHARED_MEMORY: &str = "/dev/shm";

/// The folder that nothing a manifest names may leave, and what is closed inside of it.
#[derive(Clone, Debug)]
pub struct Bounds {
    root: PathBuf,
    /// The same without links, once it was asked for.
    real_root: OnceLock<PathBuf>,
    closed: Vec<PathBuf>,
}

impl Bounds {
    /// Makes bounds of a folder; `closed` are folders, wherever they lie, that stay unread.
    pub fn new(root: &Path, closed: Vec<PathBuf>) -> Self {
        Self { root: root.to_owned(), real_root: OnceLock::new(), closed }
    }

    /// Returns the file that `path` leads to, links followed, if it may be read.
    ///
    /// `path` is relative to `folder`. The person who runs the program chose that folder, so that its
    /// own name is not judged, whatever it is; the rest of the way must not lead through a folder
    /// whose name begins with a dot: programs keep their secrets there.
    pub fn resolve(&self, folder: &Path, path: &Path) -> Result<PathBuf, FilesError> {
        let root = self.real_root()?;
        let written = folder.join(path);
        if path.is_relative()
            && let Some(name) = hidden_folder(path)
        {
            return Err(closed(&written, &name));
        }
        let resolved = written.canonicalize().map_err(|source| failed("read", &written, source))?;
        if !resolved.starts_with(root) {
            return Err(FilesError::Outside { path: resolved, root: root.to_owned() });
        }
        let is_in_memory = root.starts_with(SHARED_MEMORY) && resolved.starts_with(SHARED_MEMORY);
        if let Some(kernel) = KERNEL.into_iter().find(|kernel| resolved.starts_with(kernel))
            && !is_in_memory
        {
            return Err(closed(&resolved, kernel));
        }
        if let Some(folder) = self.closed.iter().find(|folder| resolved.starts_with(folder)) {
            return Err(closed(&resolved, &folder.display().to_string()));
        }
        let below_root = resolved.strip_prefix(root).unwrap_or(&resolved);
        if hidden_folder(below_root).is_none() {
            return Ok(resolved);
        }
        let never = below_root.components().find(|part| is_one_of(part.as_os_str(), &NEVER));
        let folder = folder.canonicalize();
        let below = folder.as_ref().ok().and_then(|folder| resolved.strip_prefix(folder).ok());
        let hidden = never.map(|part| part.as_os_str().display().to_string());
        match hidden.or_else(|| hidden_folder(below.unwrap_or(below_root))) {
            Some(name) => Err(closed(&resolved, &name)),
            None => Ok(resolved),
        }
    }

    fn real_root(&self) -> Result<&Path, FilesError> {
        if let Some(root) = self.real_root.get() {
            return Ok(root);
        }
        let root = self.root.canonicalize();
        let root = root.map_err(|source| failed("resolve", &self.root, source))?;
        Ok(self.real_root.get_or_init(|| root))
    }
}

/// The first folder of a path that is not read from; the file's own name is one only where it is
/// that of such a folder, as `.git` is in a linked work tree.
fn hidden_folder(path: &Path) -> Option<String> {
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { continue };
        let is_hidden = name.as_encoded_bytes().first() == Some(&b'.') && parts.peek().is_some();
        if is_hidden || is_one_of(name, &NEVER) {
            return Some(name.display().to_string());
        }
    }
    None
}

fn is_one_of(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn closed(path: &Path, folder: &str) -> FilesError {
    FilesError::Closed { path: path.to_owned(), folder: folder.to_owned() }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A checkout with a token in every place where programs keep theirs, and links that lead there.
    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let files = [
            "sub/in.md",
            "sub/deeper/in.md",
            ".in.md",
            ".git/config",
            ".GIT/config",
            ".Git/modules/m/config",
            "vendor/.git/config",
            "vendor/.git.md/x",
            ".qcops/ledger.jsonl",
            ".lean/credentials",
            ".ssh/id_rsa",
            ".config/gh/hosts.yml",
            ".github/prompts/in.md",
            ".agents/in.md",
            ".agents/.hidden/in.md",
            "worktree/.git",
            "store/config",
            "../out.md",
            "../rootless/out.md",
        ];
        for file in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "text").unwrap();
        }
        let links = [
            ("../out.md", "link.md"),
            ("sub/in.md", "inner.md"),
            (".git/config", "config.md"),
            (".git", "git"),
            ("store", "stored"),
            ("..", "up"),
            ("/proc/self", "self"),
            ("/", "machine"),
        ];
        for (target, link) in links {
            symlink(target, root.join(link)).unwrap();
        }
        folder
    }

    #[test]
    fn a_manifest_names_nothing_outside_of_its_repository_and_nothing_of_a_program() {
        let folder = checkout();
        let root = folder.path().join("root").canonicalize().unwrap();
        let bounds = Bounds::new(&root, vec![root.join("store")]);
        let inside = root.join("sub/in.md").display().to_string();
        let good = [
            ("", "sub/in.md"),
            ("", "./sub//in.md"),
            ("", "sub/../sub/in.md"),
            ("sub", "../inner.md"),
            ("", "inner.md"),
            ("", ".in.md"),
            ("", inside.as_str()),
            ("up/root/sub", "in.md"),
            (".agents", "in.md"),
            (".github/prompts", "in.md"),
        ];
        for (from, path) in good {
            bounds.resolve(&root.join(from), Path::new(path)).unwrap();
        }
        let outside = [
            "../out.md",
            "link.md",
            "up/out.md",
            "up/rootless/out.md",
            "../rootless/out.md",
            "/etc/hostname",
            "/etc/passwd",
            "/proc/self/environ",
            "self/environ",
            "machine/etc/passwd",
        ];
        for path in outside {
            let error = bounds.resolve(&root, Path::new(path)).unwrap_err();
            assert!(matches!(error, FilesError::Outside { .. }), "{path}: {error}");
        }
        let closed = [
            ("", ".git/config"),
            ("", "./.git/config"),
            ("", "sub/../.git/config"),
            ("", ".git/../sub/in.md"),
            ("", ".GIT/config"),
            ("", ".Git/modules/m/config"),
            ("", "config.md"),
            ("", "git/config"),
            ("", "vendor/.git/config"),
            ("", "vendor/.git.md/x"),
            ("", ".qcops/ledger.jsonl"),
            ("", ".lean/credentials"),
            ("", ".ssh/id_rsa"),
            ("", ".config/gh/hosts.yml"),
            ("", ".github/prompts/in.md"),
            ("", "worktree/.git"),
            ("", "store/config"),
            ("", "stored/config"),
            ("", "up/root/.git/config"),
            ("sub", "../.git/config"),
            (".agents", ".hidden/in.md"),
            (".agents", "../.github/prompts/in.md"),
            (".git", "config"),
            (".ssh", "id_rsa"),
        ];
        for (from, path) in closed {
            let error = bounds.resolve(&root.join(from), Path::new(path)).unwrap_err();
            assert!(matches!(error, FilesError::Closed { .. }), "{from} {path}: {error}");
        }
    }

    #[test]
    fn what_the_kernel_answers_is_closed_even_where_the_machine_is_the_root() {
        let bounds = Bounds::new(Path::new("/"), Vec::new());
        for path in ["/proc/self/environ", "/proc/version", "/dev/null", "/dev/stdin"] {
            let error = bounds.resolve(Path::new("/"), Path::new(path)).unwrap_err();
            assert!(!matches!(error, FilesError::Outside { .. }), "{path}: {error}");
        }
    }
}
