//! All that a store of objects must be able to do.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::SystemTime;

use crate::error::Error;

/// How an object stands in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

/// Which writing of an object it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its entity tag.
    pub e_tag: Option<String>,
    /// Its generation, where the store counts them.
    pub version: Option<String>,
}

/// An object as read.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// How old it is.
    pub stamp: Stamp,
    /// Which writing it is.
    pub version: Version,
}

/// A store of objects under one address; names are relative to it and parted by `/`. What is written is seen by whoever reads
/// or lists afterwards, and of writers at the same moment that demand the same, one succeeds.
pub trait Objects: Debug + Send + Sync {
    /// All objects beneath a folder, by name.
    fn list(&self, folder: &str) -> Result<BTreeMap<String, Stamp>, Error>;

    /// An object; `None` if there is none.
    fn get(&self, name: &str) -> Result<Option<Object>, Error>;

    /// Writes an object unless there is one of its name; then `None`. Where an answer was lost, a writer may meet its own object.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Option<Version>, Error>;

    /// Writes an object over `version` of it; `None` if it is another by now, or gone.
    fn replace(&self, name: &str, bytes: &[u8], version: &Version) -> Result<Option<Version>, Error>;

    /// Writes an object over any other.
    fn overwrite(&self, name: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Removes an object, if there is one.
    fn delete(&self, name: &str) -> Result<(), Error>;
}
