//! The stores themselves, by the `object_store` crate. Its calls wait for the network; here they are ordinary calls.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
    UpdateVersion,
};
use tokio::runtime::Runtime;

use crate::address::{Address, Kind};
use crate::error::Error;
use crate::objects::{Object, Objects, Stamp, Version};

/// Longest message of a store that is shown, characters.
const SHOWN: usize = 300;

/// A request may carry the answers of a large cell; a connection that has rested may be closed on the other side, unseen.
const CLIENT: [(ClientConfigKey, &str); 2] = [
    (ClientConfigKey::Timeout, "120 seconds"),
    (ClientConfigKey::PoolIdleTimeout, "5 seconds"),
];

/// A folder of a store.
#[derive(Debug)]
pub struct Stores {
    store: Arc<dyn ObjectStore>,
    kind: Kind,
    url: String,
    bucket: String,
    prefix: String,
    runtime: Runtime,
}

impl Stores {
    /// Opens an address with what the environment says of the store; nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Credentials`] and [`Error::Other`] for what the environment says wrongly.
    pub fn open(address: &Address) -> Result<Self, Error> {
        provide_tls();
        let (url, retry) = (format!("{}://{}", scheme(address.kind), address.bucket), patience());
        let store: Result<Arc<dyn ObjectStore>, object_store::Error> = match address.kind {
            Kind::S3 => {
                let builder = AmazonS3Builder::from_env().with_retry(retry).with_url(url);
                let set =
                    |builder: AmazonS3Builder, (key, value)| builder.with_config(AmazonS3ConfigKey::Client(key), value);
                CLIENT
                    .into_iter()
                    .fold(builder, set)
                    .build()
                    .map(|store| Arc::new(store) as _)
            }
            Kind::Gcs => {
                let builder = GoogleCloudStorageBuilder::from_env().with_retry(retry).with_url(url);
                let set = |builder: GoogleCloudStorageBuilder, (key, value)| {
                    builder.with_config(GoogleConfigKey::Client(key), value)
                };
                CLIENT
                    .into_iter()
                    .fold(builder, set)
                    .build()
                    .map(|store| Arc::new(store) as _)
            }
            Kind::Azure => {
                let builder = MicrosoftAzureBuilder::from_env().with_retry(retry).with_url(url);
                let set = |builder: MicrosoftAzureBuilder, (key, value)| {
                    builder.with_config(AzureConfigKey::Client(key), value)
                };
                CLIENT
                    .into_iter()
                    .fold(builder, set)
                    .build()
                    .map(|store| Arc::new(store) as _)
            }
        };
        let store = store.map_err(|e| Error::Credentials {
            url: address.to_string(),
            found: first_words(&e.to_string()),
            expected: credentials(address.kind),
        })?;
        Self::over(store, address)
    }

    /// A folder of any store of `object_store`'s.
    ///
    /// # Errors
    /// If the system gives no runtime.
    pub fn over(store: Arc<dyn ObjectStore>, address: &Address) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            store,
            kind: address.kind,
            url: address.to_string(),
            bucket: address.bucket.clone(),
            prefix: address.prefix.clone(),
            runtime: runtime.map_err(|e| Error::Other {
                url: address.to_string(),
                action: "start",
                found: e.to_string(),
            })?,
        })
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    fn put(&self, name: &str, bytes: &[u8], mode: PutMode) -> Result<Version, object_store::Error> {
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        let payload = PutPayload::from(bytes.to_vec());
        let path = self.path(name);
        let put = self.runtime.block_on(self.store.put_opts(&path, payload, options))?;
        Ok(Version {
            e_tag: put.e_tag,
            version: put.version,
        })
    }

    /// Sorts an error by what the user can do about it.
    fn error(&self, name: &str, action: &'static str, error: &object_store::Error) -> Error {
        let whole = chain(error);
        let (url, found) = (self.url.clone(), first_words(&whole));
        // Where no key is set, the machine's own server of credentials is asked, which most machines do not have.
        let own_server = [
            "169.254.169.254",
            "169.254.170.2",
            "metadata.google.internal",
            "/latest/api/token",
            "/latest/meta-data",
        ];
        let refused = matches!(
            error,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
        );
        if refused || own_server.iter().any(|server| whole.contains(server)) {
            return Error::Credentials {
                url,
                found,
                expected: credentials(self.kind),
            };
        }
        if no_bucket(&whole) {
            let bucket = self.bucket.clone();
            return Error::NoBucket { url, bucket };
        }
        if matches!(error, object_store::Error::NotImplemented { .. }) || whole.contains("501 Not Implemented") {
            return Error::NoConditionalPut { url, found };
        }
        if ["error sending request", "onnect", "timed out"]
            .iter()
            .any(|word| whole.contains(word))
        {
            return Error::Unreachable {
                url,
                found,
                endpoint: endpoint(self.kind),
            };
        }
        Error::Other {
            url: format!("{url}/{name}"),
            action,
            found,
        }
    }
}

impl Objects for Stores {
    fn list(&self, folder: &str) -> Result<BTreeMap<String, Stamp>, Error> {
        let listed = self.store.list(Some(&self.path(folder))).try_collect::<Vec<_>>();
        let listed = self
            .runtime
            .block_on(listed)
            .map_err(|e| self.error(folder, "list", &e))?;
        let name = |path: &Path| {
            let path = path.as_ref().strip_prefix(self.prefix.as_str())?;
            Some(path.trim_start_matches('/').to_owned())
        };
        let stamped = listed.into_iter().filter_map(|meta| {
            let stamp = Stamp {
                size: meta.size,
                modified: meta.last_modified.into(),
            };
            Some((name(&meta.location)?, stamp))
        });
        Ok(stamped.collect())
    }

    fn get(&self, name: &str) -> Result<Option<Object>, Error> {
        let path = self.path(name);
        let read = async {
            let found = self.store.get(&path).await?;
            let meta = found.meta.clone();
            Ok((meta, found.bytes().await?))
        };
        match self.runtime.block_on(read) {
            Ok((meta, bytes)) => Ok(Some(Object {
                bytes: bytes.to_vec(),
                stamp: Stamp {
                    size: meta.size,
                    modified: SystemTime::from(meta.last_modified),
                },
                version: Version {
                    e_tag: meta.e_tag,
                    version: meta.version,
                },
            })),
            // A bucket that is not there is not an object that is not there.
            Err(object_store::Error::NotFound { source, .. }) if !no_bucket(&source.to_string()) => Ok(None),
            Err(error) => Err(self.error(name, "read", &error)),
        }
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Option<Version>, Error> {
        match self.put(name, bytes, PutMode::Create) {
            Ok(version) => Ok(Some(version)),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(None),
            Err(error) => Err(self.error(name, "write", &error)),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8], version: &Version) -> Result<Option<Version>, Error> {
        let version = UpdateVersion {
            e_tag: version.e_tag.clone(),
            version: version.version.clone(),
        };
        match self.put(name, bytes, PutMode::Update(version)) {
            Ok(version) => Ok(Some(version)),
            Err(
                object_store::Error::Precondition { .. }
                | object_store::Error::AlreadyExists { .. }
                | object_store::Error::NotFound { .. },
            ) => Ok(None),
            Err(error) => Err(self.error(name, "write", &error)),
        }
    }

    fn overwrite(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let put = self.put(name, bytes, PutMode::Overwrite);
        put.map(|_| ()).map_err(|e| self.error(name, "write", &e))
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        match self.runtime.block_on(self.store.delete(&self.path(name))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(name, "remove", &error)),
        }
    }
}

/// How long a store may stay away: well below the age of a claim that counts as left behind.
fn patience() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_mins(1),
    }
}

/// Once for the process: TLS by the code that the other downloads use.
fn provide_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that somebody else has provided it.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn scheme(kind: Kind) -> &'static str {
    match kind {
        Kind::S3 => "s3",
        Kind::Gcs => "gs",
        Kind::Azure => "az",
    }
}

fn credentials(kind: Kind) -> &'static str {
    match kind {
        Kind::S3 => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, and AWS_REGION where the \
             bucket is elsewhere than us-east-1; for another server than Amazon's AWS_ENDPOINT, and AWS_ALLOW_HTTP=true for http"
        }
        Kind::Gcs => "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to the path of a key file",
        Kind::Azure => {
            "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_KEY, or AZURE_CLIENT_ID, \
             AZURE_CLIENT_SECRET and AZURE_TENANT_ID"
        }
    }
}

fn endpoint(kind: Kind) -> &'static str {
    match kind {
        Kind::S3 => "AWS_ENDPOINT",
        Kind::Gcs => "GOOGLE_BASE_URL",
        Kind::Azure => "AZURE_STORAGE_ENDPOINT",
    }
}

/// Whether a store says that the bucket itself is missing.
fn no_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "specified bucket does not exist"]
        .iter()
        .any(|word| text.contains(word))
}

/// An error with its causes; many messages name their cause themselves.
fn chain(error: &object_store::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

/// A message on one line, cut where it is long.
fn first_words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
