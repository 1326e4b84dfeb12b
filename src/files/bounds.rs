//! What a manifest may name: the one judge of paths that a stranger may have written.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use super::{FilesError, failed};

/// Folders that are never read from, wherever they lie and whoever named a folder in them.
const NEVER: [&str; 4] = [".git", ".qcops", ".lean", ".ssh"];

/// Where the kernel answers instead of a disk; its files look regular and hold secrets.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The most links of one path, as Linux has it.
const MOST_LINKS: usize = 40;

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
    ///
    /// What is refused is refused whether or not it is there, so that no finding shows which files a machine has.
    pub fn resolve(&self, folder: &Path, path: &Path) -> Result<PathBuf, FilesError> {
        let root = self.real_root()?;
        let written = folder.join(path);
        if path.is_relative()
            && let Some(name) = hidden_folder(path)
        {
            return Err(closed(&written, &name));
        }
        let unread = |source| failed("read", &written, source);
        if let Ok(resolved) = written.canonicalize() {
            self.judge(root, (folder, &written), &resolved)?;
            return Ok(resolved);
        }
        let followed = folder.canonicalize().and_then(|folder| self.follow(root, folder, path));
        let resolved = followed.map_err(unread)?;
        self.judge(root, (folder, &written), &resolved)?;
        fs::metadata(&resolved).map_err(unread)?;
        Ok(resolved)
    }

    /// Refuses a file from which nothing is read.
    fn judge(
        &self,
        root: &Path,
        (folder, written): (&Path, &Path),
        resolved: &Path,
    ) -> Result<(), FilesError> {
        if !resolved.starts_with(root) {
            return Err(FilesError::Outside { path: written.to_owned(), root: root.to_owned() });
        }
        let is_in_memory = root.starts_with(SHARED_MEMORY) && resolved.starts_with(SHARED_MEMORY);
        if let Some(kernel) = KERNEL.into_iter().find(|kernel| resolved.starts_with(kernel))
            && !is_in_memory
        {
            return Err(closed(resolved, kernel));
        }
        if let Some(folder) = self.closed.iter().find(|folder| resolved.starts_with(folder)) {
            return Err(closed(resolved, &folder.display().to_string()));
        }
        let below_root = resolved.strip_prefix(root).unwrap_or(resolved);
        if hidden_folder(below_root).is_none() {
            return Ok(());
        }
        let never = below_root.components().find(|part| is_one_of(part.as_os_str(), &NEVER));
        let folder = folder.canonicalize();
        let below = folder.as_ref().ok().and_then(|folder| resolved.strip_prefix(folder).ok());
        let hidden = never.map(|part| part.as_os_str().display().to_string());
        match hidden.or_else(|| hidden_folder(below.unwrap_or(below_root))) {
            Some(name) => Err(closed(resolved, &name)),
            None => Ok(()),
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

    /// Follows a path from a folder, link by link, and looks at nothing outside of `root`.
    fn follow(&self, root: &Path, folder: PathBuf, path: &Path) -> io::Result<PathBuf> {
        let (mut at, mut rest, mut links) = (folder, self.parts(root, path), 0);
        while let Some(part) = rest.pop() {
            match part.components().next() {
                Some(Component::ParentDir) => _ = at.pop(),
                Some(Component::CurDir) => {}
                _ => at.push(part),
            }
            if !at.starts_with(root) {
                continue;
            }
            if let Ok(target) = fs::read_link(&at) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::other("too many links"));
                }
                at.pop();
                rest.extend(self.parts(root, &target));
            } else if let Ok(real) = at.canonicalize() {
                // Its name as the disk has it, where case means nothing.
                at = real;
            }
        }
        Ok(at)
    }

    /// The parts of a path, the first one last; a whole path into the folder begins with `root`.
    fn parts(&self, root: &Path, path: &Path) -> Vec<PathBuf> {
        let mut roots = [self.root.as_path(), root].into_iter().filter(|root| root.is_absolute());
        let below = roots.find_map(|root| path.strip_prefix(root).ok());
        let start = below.map(|_| root.to_owned());
        let parts = below.unwrap_or(path).components().map(|part| PathBuf::from(part.as_os_str()));
        start.into_iter().chain(parts).collect::<Vec<_>>().into_iter().rev().collect()
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
            ("../no.md", "lost.md"),
            ("loop.md", "loop.md"),
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
    fn a_refusal_does_not_tell_whether_the_file_is_there() {
        let folder = checkout();
        let root = folder.path().join("root").canonicalize().unwrap();
        let bounds = Bounds::new(&root, vec![root.join("store")]);
        let refused = |path: &str| bounds.resolve(&root, Path::new(path)).unwrap_err().to_string();
        let table = [
            ("../out.md", "../no.md"),
            ("link.md", "lost.md"),
            ("/etc/passwd", "/etc/no"),
            ("up/rootless/out.md", "up/no/out.md"),
            ("self/environ", "self/no"),
            ("machine/etc/passwd/", "machine/etc/no/"),
            ("git/config", "git/no"),
            ("store/config", "store/no"),
        ];
        for (there, missing) in table {
            let expected = refused(there).replace(there, missing);
            assert!(!expected.contains("failed to"), "{there}: {expected}");
            assert_eq!(refused(missing), expected.replace(".git/config", ".git/no"), "{missing}");
        }
        // Out and in again is in, whatever the names on the way stand for.
        for path in ["../root/inner.md", "../no/../root/inner.md"] {
            assert_eq!(bounds.resolve(&root, Path::new(path)).unwrap(), root.join("sub/in.md"));
        }
        for path in ["sub/no.md", "no/in.md", "loop.md"] {
            assert!(refused(path).starts_with("failed to read"), "{path}");
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
