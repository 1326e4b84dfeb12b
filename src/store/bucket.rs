//! Values in a bucket of an object store: S3 and what speaks as it does, Google Cloud Storage, Azure.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, Error, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode,
    PutOptions, RetryConfig, UpdateVersion,
};
use url::Url;

use crate::store::blobs::{BlobVersion, Blobs, StoredBlob, WriteCondition, WriteOutcome};
use crate::store::journal::Pending;
use crate::store::{StoreError, shown};

/// How long one request may take.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a request is sent again while the store is busy or cannot be reached.
const RETRY_TIME: Duration = Duration::from_secs(20);

/// A folder of a bucket.
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) folder: Path,
    /// Its address as it was given, without what may be secret.
    pub(super) name: String,
}

impl Bucket {
    /// Opens the bucket at `url`. `variables` are those of the process: credentials and endpoints, by the
    /// names that the tools of each provider give them.
    pub(super) fn open(
        url: &Url,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let name = shown(url);
        let failed = |source: Error| StoreError::bucket(&name, "open", &source);
        let (scheme, folder) = ObjectStoreScheme::parse(url)
            .map_err(|_| StoreError::Unknown { store: name.clone() })?;
        // What every provider's client uses; fails only where one is installed already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let options = ClientOptions::new().with_timeout(REQUEST_TIME);
        let retry = RetryConfig { retry_timeout: RETRY_TIME, ..RetryConfig::default() };
        let variables = variables.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let store: Arc<dyn ObjectStore> = match scheme {
            ObjectStoreScheme::AmazonS3 => {
                let builder = AmazonS3Builder::new().with_client_options(options);
                let builder =
                    variables.fold(builder, |builder, (name, value)| match name.parse() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    });
                let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
                // Certificates are many files to read, and `http://` needs none.
                let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
                let trust = AmazonS3ConfigKey::Client(ClientConfigKey::NoSystemCertificates);
                let builder = if is_plain { builder.with_config(trust, "true") } else { builder };
                Arc::new(builder.with_url(url.as_str()).with_retry(retry).build().map_err(failed)?)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = GoogleCloudStorageBuilder::new().with_client_options(options);
                let builder =
                    variables.fold(builder, |builder, (name, value)| match name.parse() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    });
                Arc::new(builder.with_url(url.as_str()).with_retry(retry).build().map_err(failed)?)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                let builder = MicrosoftAzureBuilder::new().with_client_options(options);
                let builder =
                    variables.fold(builder, |builder, (name, value)| match name.parse() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    });
                Arc::new(builder.with_url(url.as_str()).with_retry(retry).build().map_err(failed)?)
            }
            _ => return Err(StoreError::Unknown { store: name }),
        };
        Ok(Self { store, folder, name })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.folder.clone(), Path::join)
    }

    fn failed(&self, verb: &'static str, error: &Error) -> StoreError {
        StoreError::bucket(&self.name, verb, error)
    }
}

impl Blobs for Bucket {
    fn read<'a>(&'a self, name: &'a str) -> Pending<'a, Option<StoredBlob>> {
        Box::pin(async move {
            let found = match self.store.get(&self.path(name)).await {
                Ok(found) => found,
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(self.failed("read from", &error)),
            };
            let (e_tag, version) = (found.meta.e_tag.clone(), found.meta.version.clone());
            let bytes = found.bytes().await.map_err(|error| self.failed("read from", &error))?;
            Ok(Some(StoredBlob { bytes: bytes.to_vec(), version: BlobVersion { e_tag, version } }))
        })
    }

    fn write<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: WriteCondition,
    ) -> Pending<'a, WriteOutcome> {
        Box::pin(async move {
            let mode = match expected {
                WriteCondition::None => PutMode::Overwrite,
                WriteCondition::Absent => PutMode::Create,
                WriteCondition::Version(BlobVersion { e_tag, version }) => {
                    PutMode::Update(UpdateVersion { e_tag, version })
                }
            };
            let options = PutOptions { mode, ..PutOptions::default() };
            match self.store.put_opts(&self.path(name), bytes.into(), options).await {
                Ok(done) => {
                    Ok(WriteOutcome::Done(BlobVersion { e_tag: done.e_tag, version: done.version }))
                }
                // A value that was to be replaced and is gone is another one, too.
                Err(
                    Error::AlreadyExists { .. }
                    | Error::Precondition { .. }
                    | Error::NotFound { .. },
                ) => Ok(WriteOutcome::Conflict),
                Err(error) => Err(self.failed("write to", &error)),
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        Box::pin(async move {
            let prefix = self.path(folder);
            let mut entries = self.store.list(Some(&prefix));
            let mut names = Vec::new();
            while let Some(entry) = entries.next().await {
                let entry = entry.map_err(|error| self.failed("list", &error))?;
                names.extend(entry.location.filename().map(|name| format!("{folder}/{name}")));
            }
            names.sort_unstable();
            Ok(names)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            match self.store.delete(&self.path(name)).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.failed("delete from", &error)),
            }
        })
    }
}
