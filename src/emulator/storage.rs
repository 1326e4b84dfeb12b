//! Where the world is kept: in memory, or in one file that several processes share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::routes::is_read;
use super::world::{LoadError, World};
use crate::files::{Files, FilesError, Lock};

/// How long one request waits for another process that holds the file.
///
/// A request holds it for some milliseconds. Who holds it for ten seconds is stopped in a debugger,
/// and an error is better than a hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// Where the world is kept.
pub enum Storage {
    /// With the emulator, gone when it is.
    Memory,
    /// In one file, read and written as a whole by every request, under a lock beside it.
    File {
        /// The file system.
        files: Arc<dyn Files>,
        /// The file; the lock is the same path with `.lock` behind it.
        path: PathBuf,
    },
}

/// Why the world could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file cannot be accessed.
    #[error("failed to use the emulator's file `{}`", path.display())]
    Files {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: FilesError,
    },
    /// The file is there, and not usable.
    #[error("failed to load `{}`", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LoadError,
    },
    /// Another process holds the file for too long.
    #[error(
        "another process holds the emulator's file `{}`; end it, or use another file",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file holds another world than it did.
    #[error("the emulator's file `{}` was replaced meanwhile; run the command again", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
}

/// What is done with the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It is asked what there is.
    Read,
    /// Something is made, changed or removed.
    Write,
}

impl Access {
    /// What a request to this path does.
    pub(super) fn of(path: &str) -> Self {
        if is_read(path) { Self::Read } else { Self::Write }
    }

    /// Who reads goes without what this user may not do.
    fn allowed<T>(self, done: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
        match done {
            Err(StorageError::Files { source, .. }) if self == Self::Read && source.is_denied() => {
                Ok(None)
            }
            done => done.map(Some),
        }
    }
}

/// A world and where it is kept.
pub(super) struct Kept {
    storage: Storage,
    /// The world in memory, or what a file that does not exist yet begins with.
    world: Mutex<World>,
    /// The only world that is used, once somebody was told which one it is.
    identity: OnceLock<String>,
}

impl Kept {
    /// Keeps `world`, which gives way to what a file holds already.
    pub(super) fn new(world: World, storage: Storage) -> Self {
        Self { storage, world: Mutex::new(world), identity: OnceLock::new() }
    }

    /// Says which world this is, and writes nothing; from now on no other one takes its place.
    pub(super) fn identity(&self) -> Result<&str, StorageError> {
        let found = match &self.storage {
            Storage::Memory => None,
            Storage::File { files, path } => load(files.as_ref(), path)?,
        };
        let own = || self.world.lock().expect("no change panics").identity().to_owned();
        let found = found.map_or_else(own, |world| world.identity().to_owned());
        Ok(self.identity.get_or_init(|| found))
    }

    /// Changes the world as one step: nobody sees it half done, and a file is written first.
    ///
    /// Where this user may not write, reads are answered all the same, and what they leave behind (the
    /// world's clock and its counts) is dropped.
    pub(super) async fn change<T>(
        &self,
        access: Access,
        change: impl FnOnce(&mut World) -> T,
    ) -> Result<T, StorageError> {
        let Storage::File { files, path } = &self.storage else {
            return Ok(change(&mut self.world.lock().expect("no change panics")));
        };
        let lock = access.allowed(lock(files.as_ref(), path).await)?;
        let stored = load(files.as_ref(), path)?;
        let mut world =
            stored.unwrap_or_else(|| self.world.lock().expect("no change panics").clone());
        if self.identity.get().is_some_and(|known| known != world.identity()) {
            return Err(StorageError::Replaced { path: path.clone() });
        }
        let result = change(&mut world);
        if lock.is_some() {
            let written = files.write(path, &world.to_json());
            let failed = |source| StorageError::Files { path: path.clone(), source };
            access.allowed(written.map_err(failed))?;
        }
        Ok(result)
    }
}

/// Reads the world that a file holds, if there is one.
fn load(files: &dyn Files, path: &Path) -> Result<Option<World>, StorageError> {
    let failed = |source| StorageError::Files { path: path.to_owned(), source };
    let Some(stored) = files.read(path).map_err(failed)? else { return Ok(None) };
    let world = World::from_json(&stored);
    world.map(Some).map_err(|source| StorageError::Load { path: path.to_owned(), source })
}

async fn lock(files: &dyn Files, path: &Path) -> Result<Lock, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let looks = PATIENCE.as_millis() / PAUSE.as_millis();
    for _ in 0..looks {
        let taken = files.try_lock(&name);
        let taken =
            taken.map_err(|source| StorageError::Files { path: path.to_owned(), source })?;
        if let Some(lock) = taken {
            return Ok(lock);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(StorageError::Locked { path: path.to_owned() })
}
