//! What can go wrong with a store, and what to do about it.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error(
        "`{found}` is no address of results; expected s3://bucket/folder, gs://bucket/folder, az://container/folder, or a folder on this machine"
    )]
    Address {
        /// What was given.
        found: String,
    },
    /// This build has no stores.
    #[error("{url}: this build cannot reach object stores; build it with the feature `object-store`, or name a folder")]
    NotBuilt {
        /// The address.
        url: String,
    },
    /// Nobody answers.
    #[error(
        "{url}: no answer from the store ({found}); check the network and {endpoint}, then start the same command again: finished cells are kept"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        found: String,
        /// The variable that names the server.
        endpoint: &'static str,
    },
    /// No or wrong credentials.
    #[error("{url}: the store does not let us in ({found}); set {expected}")]
    Credentials {
        /// The address.
        url: String,
        /// What happened.
        found: String,
        /// The variables that are read.
        expected: &'static str,
    },
    /// There is no such bucket.
    #[error("{url}: there is no bucket `{bucket}` in this store; make it, or name another")]
    NoBucket {
        /// The address.
        url: String,
        /// The bucket, or Azure's container.
        bucket: String,
    },
    /// The store writes over what is there although it was asked not to.
    #[error(
        "{url}: this store cannot promise that a cell is evaluated once: {found}, but expected conditional writes \
         (`If-None-Match` and `If-Match`); use a store that has them, or a folder on a shared file system"
    )]
    NoConditionalPut {
        /// The address.
        url: String,
        /// What it did.
        found: String,
    },
    /// Any other trouble.
    #[error("{url}: cannot {action}: {found}")]
    Other {
        /// The address of the object.
        url: String,
        /// `read`, `write`, …
        action: &'static str,
        /// What happened.
        found: String,
    },
    /// A file of the local copy.
    #[error("cannot write {}: {source}; it is part of the local copy of {url}", path.display())]
    Copy {
        /// The address.
        url: String,
        /// The file.
        path: std::path::PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}
