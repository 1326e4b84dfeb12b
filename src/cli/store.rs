//! Where the ledger and the lease of a command are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::flags::{Service, StoreArgs};
use crate::cli::service::emulator_file;
use crate::files::{Files, make_private_folder};
use crate::ledger::Ledger;
use crate::model::{OrganizationId, sha256_hex};
use crate::store::{Document, FileJournal, Journal, Pending, SharedStore, StoreError};

/// The ledger, in the folder of the program's own files.
pub(super) const LEDGER: &str = "ledger.jsonl";

/// How many digits of a hash name a scope.
const DIGITS: usize = 32;

/// Opens the store that all runners share, where one is named; nothing is sent.
pub(super) fn shared(
    context: &Context,
    args: &StoreArgs,
) -> Result<Option<SharedStore>, CommandError> {
    let Some(address) = args.store.as_deref().filter(|address| !address.is_empty()) else {
        return Ok(None);
    };
    let opened = open(context, address);
    opened.map(Some).map_err(|error| error.help("see `--store` or `QCOPS_STORE`; nothing was sent"))
}

/// Opens the store at an address, with the credentials of the environment; nothing is sent.
pub(super) fn open(context: &Context, address: &str) -> Result<SharedStore, CommandError> {
    let variables = context.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    SharedStore::open(address, variables).map_err(|error| match &error {
        StoreError::NotPlain => {
            CommandError::of(&error).help("pass credentials in the variables of the provider")
        }
        _ => CommandError::of(&error),
    })
}

/// Names one service and organization: a lock and a ledger in a shared store are of a scope.
pub(super) fn scope(
    service: &Service,
    target: &str,
    folder: &Path,
    organization_id: &OrganizationId,
) -> String {
    let service = match &service.emulator {
        Some(file) => whole_path(&emulator_file(file, folder)),
        // Two names of this machine are one service.
        None => target.trim_end_matches('/').replacen("//localhost", "//127.0.0.1", 1),
    };
    let mut hash = sha256_hex(format!("{service}\0{organization_id}").as_bytes());
    hash.truncate(DIGITS);
    hash
}

/// The ledger: in the folder of the program's own files, or in a shared store.
pub(super) fn ledger(
    context: &Context,
    folder: &Path,
    target: String,
    organization_id: OrganizationId,
    shared: Option<(&SharedStore, &str)>,
) -> Ledger {
    let journal: Arc<dyn Journal> = match shared {
        Some((store, scope)) => store.journal(scope),
        None => Arc::new(FileJournal::new(Arc::clone(&context.files), folder.join(LEDGER))),
    };
    Ledger::new(journal, target, organization_id)
}

/// The facts about finished deployments, beside the ledger.
pub(super) fn facts(
    context: &Context,
    folder: &Path,
    shared: Option<&SharedStore>,
    scope: &str,
) -> Arc<dyn Document> {
    if let Some(store) = shared {
        return store.facts(scope);
    }
    let path = folder.join(format!("facts-{scope}.json"));
    Arc::new(FactsFile { files: Arc::clone(&context.files), path })
}

/// The facts about finished deployments, in the folder of the program's own files.
struct FactsFile {
    files: Arc<dyn Files>,
    path: PathBuf,
}

impl Document for FactsFile {
    fn read(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(async { Ok(self.files.read(&self.path)?) })
    }

    fn write(&self, text: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move {
            if let Some(folder) = self.path.parent() {
                make_private_folder(folder)?;
            }
            Ok(self.files.write(&self.path, &text)?)
        })
    }
}

/// A file's path with all links followed, whether there is such a file or not yet.
fn whole_path(file: &Path) -> String {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let beside = || Some(folder.canonicalize().ok()?.join(file.file_name()?));
    let whole: Option<PathBuf> = file.canonicalize().ok().or_else(beside);
    whole.unwrap_or_else(|| file.to_owned()).display().to_string()
}
