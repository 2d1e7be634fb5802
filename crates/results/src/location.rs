//! Where a sweep's results lie: in a directory, or in an object store, of which a directory of this machine then is a copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secateur_remote::{Address, Remote};

use crate::error::Error;
use crate::key::sha256;

/// Digits of an address's hash that name its copy.
const DIGITS: usize = 16;

/// A place as the user names it, understood.
#[derive(Debug, Clone)]
pub struct Location {
    /// The directory to work on.
    pub directory: PathBuf,
    /// What it is a copy of.
    pub remote: Option<Arc<Remote>>,
}

impl Location {
    /// Understands a directory, or an address such as `s3://bucket/folder`. Nothing is read or asked yet.
    ///
    /// # Errors
    /// [`Error::Remote`] for an address that is none, or that this build cannot reach.
    pub fn find(place: &Path) -> Result<Self, Error> {
        let address = match place.to_str() {
            Some(text) => Address::parse(text)?,
            None => None,
        };
        let remote = address.as_ref().map(Remote::open).transpose()?;
        Ok(Self {
            directory: copy_of(place, address.as_ref()),
            remote: remote.map(Arc::new),
        })
    }

    /// The directory to work on; for an address, that of its copy.
    ///
    /// # Errors
    /// [`Error::Remote`] for an address that is none.
    pub fn directory(place: &Path) -> Result<PathBuf, Error> {
        let address = place.to_str().map(Address::parse).transpose()?.flatten();
        Ok(copy_of(place, address.as_ref()))
    }
}

fn copy_of(place: &Path, address: Option<&Address>) -> PathBuf {
    match address {
        None => place.to_path_buf(),
        Some(address) => {
            let hash = sha256(address.to_string().as_bytes());
            cache().join("secateur").join("results").join(&hash[..DIGITS])
        }
    }
}

fn cache() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = || set("HOME").or_else(|| set("USERPROFILE"));
    set("XDG_CACHE_HOME")
        .or_else(|| Some(home()?.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_itself_and_an_address_has_a_copy() {
        let here = Location::find(Path::new("results/sweeps")).unwrap();
        assert!(here.directory == Path::new("results/sweeps") && here.remote.is_none());
        let copy = |text: &str| Location::directory(Path::new(text)).unwrap();
        assert_eq!(copy("s3://bucket/a"), copy("s3://bucket/a/"));
        assert_ne!(copy("s3://bucket/a"), copy("s3://bucket/b"));
        assert!(Location::directory(Path::new("ftp://host/a")).is_err());
    }
}
