//! Whether a store keeps conditions. One that ignores them gives two applies the lease at once.

use crate::store::blobs::{BlobVersion, Blobs, WriteCondition, WriteOutcome};
use crate::store::{StoreError, random};

/// Tries the conditions on a value of its own, which is deleted afterwards.
///
/// # Errors
///
/// The store cannot be reached, or it ignores a condition, which is named.
pub(super) async fn try_conditions(blobs: &dyn Blobs, store: &str) -> Result<(), StoreError> {
    let name = format!("trials/{}", random());
    let tried = conditions(blobs, &name, store).await;
    let deleted = blobs.delete(&name).await;
    tried.and(deleted)
}

async fn conditions(blobs: &dyn Blobs, name: &str, store: &str) -> Result<(), StoreError> {
    let untrusted = |what| Err(StoreError::Untrusted { store: store.to_owned(), what });
    let write = async |text: String, expected| blobs.write(name, text.into_bytes(), expected).await;
    let first = random();
    // A request that was sent twice finds its own value.
    let version = match write(first.clone(), WriteCondition::Absent).await? {
        WriteOutcome::Done(version) => version,
        WriteOutcome::Conflict => match blobs.read(name).await? {
            Some(found) if found.bytes == first.as_bytes() => found.version,
            _ => return untrusted("it refuses to create a value that is not there"),
        },
    };
    if write(random(), WriteCondition::Absent).await? != WriteOutcome::Conflict {
        return untrusted(
            "it creates a value that is there already (`If-None-Match: *` is ignored)",
        );
    }
    let wrong = BlobVersion {
        e_tag: Some("\"00000000000000000000000000000000\"".to_owned()),
        version: version.version.as_ref().map(|_| "1".to_owned()),
    };
    if write(random(), WriteCondition::Version(wrong)).await? != WriteOutcome::Conflict {
        return untrusted("it replaces a value of another version (`If-Match` is ignored)");
    }
    let second = random();
    let is_replaced = match write(second.clone(), WriteCondition::Version(version)).await? {
        WriteOutcome::Done(_) => true,
        WriteOutcome::Conflict => {
            blobs.read(name).await?.is_some_and(|found| found.bytes == second.as_bytes())
        }
    };
    if !is_replaced {
        return untrusted("it refuses to replace a value of the right version (`If-Match`)");
    }
    match blobs.read(name).await? {
        Some(found) if found.bytes == second.as_bytes() => Ok(()),
        _ => untrusted("it does not return what was written last"),
    }
}
