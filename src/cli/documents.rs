//! What a command is asked to write or read: files, or values in a store that every runner reaches.
//!
//! A path that holds `://` is an address, such as `s3://BUCKET/FOLDER/plan.json`.

use std::path::Path;
use std::sync::Arc;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::store;
use crate::files::write_output;
use crate::store::Artifacts;

/// Whether a path is the address of a value, or of a folder, in a store.
pub(super) fn is_address(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains("://"))
}

/// A folder to write to; nothing is sent.
pub(super) fn folder(context: &Context, path: &Path) -> Result<Artifacts, CommandError> {
    match path.to_str().filter(|_| is_address(path)) {
        Some(address) => Ok(store::open(context, address)?.artifacts("")),
        None => Ok(Artifacts::in_folder(Arc::clone(&context.files), path.to_owned())),
    }
}

/// Writes a document as a whole.
pub(super) async fn write(
    context: &Context,
    path: &Path,
    bytes: &[u8],
) -> Result<(), CommandError> {
    let Some((folder, name)) = split(path)? else {
        return write_output(&*context.files, path, bytes)
            .map_err(|error| CommandError::of(&error));
    };
    let written = store::open(context, folder)?.artifacts("").write(name, bytes.to_vec()).await;
    written.map_err(|error| CommandError::of(&error))
}

/// Reads a document; `None` where there is none.
pub(super) async fn read(context: &Context, path: &Path) -> Result<Option<Vec<u8>>, CommandError> {
    let Some((folder, name)) = split(path)? else {
        return context.files.read(path).map_err(|error| CommandError::of(&error));
    };
    let read = store::open(context, folder)?.read(name).await;
    read.map_err(|error| CommandError::of(&error))
}

/// The address of a document's folder, and its name in it; `None` where it is a file.
fn split(path: &Path) -> Result<Option<(&str, &str)>, CommandError> {
    let Some(address) = path.to_str().filter(|_| is_address(path)) else { return Ok(None) };
    let (_, after) = address.split_once("://").unwrap_or_default();
    // A bucket alone is no document.
    match address.rsplit_once('/') {
        Some((folder, name))
            if !name.is_empty() && after.contains('/') && !name.contains(['?', '#']) =>
        {
            Ok(Some((folder, name)))
        }
        _ => Err(CommandError::new("the address names no document")
            .help("write BUCKET, folder and name: `s3://BUCKET/FOLDER/NAME`")),
    }
}
