//! Whether a store keeps conditions. One that ignores them gives two applies the lease at once.

use futures_util::future::join3;

use crate::store::blobs::{BlobVersion, Blobs, WriteCondition, WriteOutcome};
use crate::store::{StoreError, random};

/// A trial of the conditions, on a value of its own.
pub(super) struct Trial<'s> {
    blobs: &'s dyn Blobs,
    /// The address of the store.
    store: &'s str,
    /// The name of the value.
    name: String,
}

impl<'s> Trial<'s> {
    pub(super) fn new(blobs: &'s dyn Blobs, store: &'s str) -> Self {
        Self { blobs, store, name: format!("trials/{}", random()) }
    }

    /// Tries the conditions.
    ///
    /// # Errors
    ///
    /// The store cannot be reached, or it ignores a condition, which is named.
    pub(super) async fn conditions(&self) -> Result<(), StoreError> {
        let first = random();
        // A request that was sent twice finds its own value.
        let version = match self.write(&first, WriteCondition::Absent).await? {
            WriteOutcome::Done(version) => version,
            WriteOutcome::Conflict => match self.blobs.read(&self.name).await? {
                Some(found) if found.bytes == first.as_bytes() => found.version,
                _ => return self.untrusted("it refuses to create a value that is not there"),
            },
        };
        let wrong = BlobVersion {
            e_tag: Some("\"00000000000000000000000000000000\"".to_owned()),
            version: version.version.as_ref().map(|_| "1".to_owned()),
        };
        let (second, third, last) = (random(), random(), random());
        // All at once, because of the three only the last one changes anything.
        let (created, replaced_wrongly, replaced) = join3(
            self.write(&second, WriteCondition::Absent),
            self.write(&third, WriteCondition::Version(wrong)),
            self.write(&last, WriteCondition::Version(version)),
        )
        .await;
        if created? != WriteOutcome::Conflict {
            return self.untrusted(
                "it creates a value that is there already (`If-None-Match: *` is ignored)",
            );
        }
        if replaced_wrongly? != WriteOutcome::Conflict {
            return self
                .untrusted("it replaces a value of another version (`If-Match` is ignored)");
        }
        let is_replaced = matches!(replaced?, WriteOutcome::Done(_));
        match self.blobs.read(&self.name).await? {
            Some(found) if found.bytes == last.as_bytes() => Ok(()),
            _ if is_replaced => self.untrusted("it does not return what was written last"),
            _ => self.untrusted("it refuses to replace a value of the right version (`If-Match`)"),
        }
    }

    /// Deletes the value.
    pub(super) async fn end(&self) -> Result<(), StoreError> {
        self.blobs.delete(&self.name).await
    }

    async fn write(
        &self,
        text: &str,
        expected: WriteCondition,
    ) -> Result<WriteOutcome, StoreError> {
        self.blobs.write(&self.name, text.as_bytes().to_vec(), expected).await
    }

    fn untrusted<T>(&self, what: &'static str) -> Result<T, StoreError> {
        Err(StoreError::Untrusted { store: self.store.to_owned(), what })
    }
}
