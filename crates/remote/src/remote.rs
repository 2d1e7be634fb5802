//! Objects that are put once, and their copies in a folder.
//!
//! An **empty object** stands for none: what is given back or set aside is emptied on the condition that it is still the same, which
//! no store can do for a removal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::address::Address;
use crate::claims::{Keeper, Timing};
use crate::error::Error;
use crate::objects::{Object, Objects, Stamp, Version};

/// How old a listing may be. It is never older than the newest claim in hand.
const LISTED: Duration = Duration::from_secs(2);

/// Rounds of a put before something else than other workers must be the reason.
const ROUNDS: usize = 100;

/// What stands in a folder of the store, by name.
pub type Listing = Arc<BTreeMap<String, Stamp>>;

/// Results in a store, as one worker sees them.
#[derive(Debug)]
pub struct Remote {
    pub(crate) objects: Arc<dyn Objects>,
    address: String,
    listings: Mutex<BTreeMap<String, (Instant, Listing)>>,
    pub(crate) keeper: Keeper,
}

impl Remote {
    /// Results at an address; nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::NotBuilt`]; what the environment says wrongly of the store.
    pub fn open(address: &Address) -> Result<Self, Error> {
        #[cfg(feature = "stores")]
        return Ok(Self::over(
            Arc::new(crate::stores::Stores::open(address)?),
            &address.to_string(),
            Timing::default(),
        ));
        #[cfg(not(feature = "stores"))]
        Err(Error::NotBuilt {
            url: address.to_string(),
        })
    }

    /// Results over any objects.
    #[must_use]
    pub fn over(objects: Arc<dyn Objects>, address: &str, timing: Timing) -> Self {
        Self {
            keeper: Keeper::new(Arc::clone(&objects), timing),
            objects,
            address: address.to_owned(),
            listings: Mutex::default(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What stands in a folder, at most two seconds ago; what is empty is left out.
    pub fn list(&self, folder: &str) -> Result<Listing, Error> {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, listing)) = listings.get(folder)
            && at.elapsed() < LISTED
        {
            return Ok(Arc::clone(listing));
        }
        let at = Instant::now();
        let mut found = self.objects.list(folder)?;
        found.retain(|_, stamp| stamp.size > 0);
        let found = Arc::new(found);
        listings.insert(folder.to_owned(), (at, Arc::clone(&found)));
        Ok(found)
    }

    /// Forgets listings: what comes next is asked anew.
    pub fn look_again(&self) {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How an object stands in the listing of its folder.
    pub fn stamp(&self, name: &str) -> Result<Option<Stamp>, Error> {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder.is_empty() {
            // Not worth a listing of everything.
            return Ok(self.fetch(name)?.map(|object| object.stamp));
        }
        Ok(self.list(folder)?.get(name).copied())
    }

    /// An object.
    pub fn fetch(&self, name: &str) -> Result<Option<Object>, Error> {
        Ok(self.objects.get(name)?.filter(|object| !object.bytes.is_empty()))
    }

    /// Puts an object unless there is one; `false` then. One that holds the same counts as ours.
    pub fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool, Error> {
        self.look_again();
        for _ in 0..ROUNDS {
            if self.objects.create(name, bytes)?.is_some() {
                return Ok(true);
            }
            let Some(found) = self.objects.get(name)? else { continue };
            if !found.bytes.is_empty() {
                return Ok(found.bytes == bytes);
            }
            if self.objects.replace(name, bytes, &found.version)?.is_some() {
                return Ok(true);
            }
        }
        Err(self.trouble(name, "write", "it comes and goes"))
    }

    /// Puts an object over any other.
    pub fn put_over(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.look_again();
        self.objects.overwrite(name, bytes)
    }

    /// Empties an object if it is still this version; `false` if it is another.
    pub fn vacate(&self, name: &str, version: &Version) -> Result<bool, Error> {
        self.look_again();
        Ok(self.objects.replace(name, b"", version)?.is_some())
    }

    /// Removes an object that nobody else writes.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.look_again();
        self.objects.delete(name)
    }

    /// Makes the copy of an object in `folder` what the store holds. `false` if the store holds none; the copy is then left as it is.
    /// As other tools that copy do, it trusts a file of the same size and time.
    pub fn bring(&self, name: &str, folder: &Path) -> Result<bool, Error> {
        let Some(stamp) = self.stamp(name)? else {
            return Ok(false);
        };
        let path = folder.join(name);
        if is_copy(&path, stamp) {
            return Ok(true);
        }
        let Some(object) = self.fetch(name)? else {
            return Ok(false);
        };
        self.write_copy(&path, &object.bytes, stamp.modified)?;
        Ok(true)
    }

    /// Brings all objects of a folder, a few at a time.
    pub fn bring_all(&self, names: &str, folder: &Path) -> Result<(), Error> {
        let names: Vec<String> = self.list(names)?.keys().cloned().collect();
        self.several(&names, |name| self.bring(name, folder).map(|_| ()))
    }

    /// Does something with each name, a few at a time, and returns the first error.
    pub fn several<E: Send>(&self, names: &[String], what: impl Fn(&str) -> Result<(), E> + Sync) -> Result<(), E> {
        const AT_ONCE: usize = 8;
        let next = std::sync::atomic::AtomicUsize::new(0);
        let worker = || {
            while let Some(name) = names.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                what(name)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (1..AT_ONCE.min(names.len())).map(|_| scope.spawn(worker)).collect();
            let mut outcome = worker();
            for worker in workers {
                if let Ok(result) = worker.join() {
                    outcome = outcome.and(result);
                }
            }
            outcome
        })
    }

    /// Writes a copy, whole or not at all.
    pub fn write_copy(&self, path: &Path, bytes: &[u8], modified: SystemTime) -> Result<(), Error> {
        let copied = || {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
            std::io::Write::write_all(&mut file, bytes)?;
            file.as_file().set_modified(modified)?;
            file.persist(path).map_err(|e| e.error)?;
            Ok(())
        };
        copied().map_err(|source| Error::Copy {
            url: self.address.clone(),
            path: path.to_path_buf(),
            source,
        })
    }

    pub(crate) fn trouble(&self, name: &str, action: &'static str, found: &str) -> Error {
        Error::Other {
            url: format!("{}/{name}", self.address),
            action,
            found: found.to_owned(),
        }
    }
}

/// Whether a file is the copy of an object that stands like this in its listing.
#[must_use]
pub fn is_copy(path: &Path, stamp: Stamp) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|file| file.len() == stamp.size && file.modified().is_ok_and(|modified| modified == stamp.modified))
}
