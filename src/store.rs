//! Where what must outlive a run is kept: in `.qcops/`, or in a store that every runner shares.

mod artifacts;
mod blobs;
#[cfg(feature = "buckets")]
mod bucket;
mod document;
mod error;
mod folder;
mod journal;
mod lease;
mod shared_journal;
mod trial;

pub use artifacts::Artifacts;
pub use blobs::{BlobVersion, Blobs, StoredBlob, WriteCondition, WriteOutcome};
pub use document::Document;
pub use error::StoreError;
pub use journal::{FileJournal, Journal, Pending, Rewriting};
pub use lease::{Lease, LeaseAttempt, LeaseHolder, LeaseRequest, LeaseSight};

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::future::join;
use jiff::Timestamp;
use url::Url;

use document::SharedDocument;
use folder::Folder;
use lease::LeaseTaking;
use shared_journal::SharedJournal;
use trial::Trial;

/// A store that many machines reach.
#[derive(Clone)]
pub struct SharedStore {
    /// Its address, without what may be secret.
    pub name: String,
    blobs: Arc<dyn Blobs>,
}

impl SharedStore {
    /// Opens the store at `address`: `s3://`, `gs://` or `az://` with bucket and folder, or `file:///` with
    /// a folder. Nothing is sent. `variables` are those of the process, with credentials in them.
    pub fn open(
        address: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let url = Url::parse(address).map_err(|_| StoreError::NoAddress)?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !is_plain || url.query().is_some() || url.fragment().is_some() {
            return Err(StoreError::NotPlain);
        }
        let name = shown(&url);
        let blobs: Arc<dyn Blobs> = match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| StoreError::NoAddress)?;
                Arc::new(Folder::new(folder))
            }
            #[cfg(feature = "buckets")]
            "s3" | "gs" | "az" => Arc::new(bucket::Bucket::open(&url, variables)?),
            #[cfg(not(feature = "buckets"))]
            "s3" | "gs" | "az" => {
                drop(variables);
                return Err(StoreError::LeftOut { store: name });
            }
            _ => return Err(StoreError::Unknown { store: name }),
        };
        Ok(Self::over(name, blobs))
    }

    /// Makes the store that keeps its values there.
    pub fn over(name: String, blobs: Arc<dyn Blobs>) -> Self {
        Self { name, blobs }
    }

    /// Finds out whether the store can be trusted with a lease.
    ///
    /// # Errors
    ///
    /// The store cannot be reached, or it ignores a condition, which is named.
    pub async fn check(&self) -> Result<(), StoreError> {
        let trial = Trial::new(&*self.blobs, &self.name);
        let tried = trial.conditions().await;
        let ended = trial.end().await;
        tried.and(ended)
    }

    /// The ledger of one service and organization, which `scope` names.
    pub fn journal(&self, scope: &str) -> Arc<dyn Journal> {
        Arc::new(SharedJournal::new(Arc::clone(&self.blobs), format!("{scope}/ledger")))
    }

    /// What is known of the finished deployments of a scope.
    pub fn facts(&self, scope: &str) -> Arc<dyn Document> {
        Arc::new(SharedDocument::new(Arc::clone(&self.blobs), format!("{scope}/facts.json")))
    }

    /// Reads a document; `None` where there is none of this name.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.blobs.read(name).await?.map(|found| found.bytes))
    }

    /// A folder for what is worth keeping; the empty one is the store itself.
    pub fn artifacts(&self, folder: &str) -> Artifacts {
        Artifacts::in_store(Arc::clone(&self.blobs), self.name.clone(), folder.to_owned())
    }

    /// Takes the lease of a scope, where it is free or its holder has let it end. It counts only in a store that
    /// was checked.
    ///
    /// `read` runs while the lease is being taken: once it is, no other apply has held it since `read` began.
    pub async fn try_lease<T>(
        &self,
        request: LeaseRequest<'_>,
        sight: &mut LeaseSight,
        now: Timestamp,
        read: impl AsyncFn() -> T,
    ) -> Result<(LeaseAttempt, T), StoreError> {
        let mut taking = LeaseTaking::new(&self.blobs, lease_name(request.scope), request);
        loop {
            let found = taking.find().await?;
            let (attempt, read) = join(taking.take(found, sight, now), read()).await;
            if let Some(attempt) = attempt? {
                return Ok((attempt, read));
            }
        }
    }

    /// Returns who holds the lease of a scope.
    pub async fn lease_holder(&self, scope: &str) -> Result<Option<LeaseHolder>, StoreError> {
        lease::holder(&*self.blobs, &lease_name(scope)).await
    }

    /// Takes the lease of a scope from `holder`; returns whether it still was that holder's.
    pub async fn unlock(
        &self,
        scope: &str,
        holder: &LeaseHolder,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        lease::release_of(&*self.blobs, &lease_name(scope), holder, now).await
    }
}

/// An address without a user, a password and a query, in which credentials may be.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

fn lease_name(scope: &str) -> String {
    format!("{scope}/lease.json")
}

/// A name that nobody else has.
fn random() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes everything");
        text
    })
}

#[cfg(feature = "buckets")]
#[cfg(test)]
mod tests;
