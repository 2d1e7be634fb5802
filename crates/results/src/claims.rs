//! Who is at work on what, so that several workers on one results directory do everything once.
//!
//! A worker that wants to evaluate something claims it by name: `claims/‹name›` is a file that says who holds the claim. For cells the
//! name is the hash of everything that decides the answers, so that cells of an equal mask are one claim.
//!
//! **Taking** a claim links a file under its name, which fails if there is one. **Giving it back** removes the file; a worker
//! publishes its record before. So a worker that holds a claim and finds no record is the only one at it, and looks for the record
//! *after* it has the claim.
//!
//! **A worker that dies** leaves the file. On its own machine (the same boot of the same system, and the same mount of the directory)
//! everybody sees at once that it is dead: the file was locked by its process, and the system has freed the lock. On other machines,
//! whose locks may not be seen, the file's time counts: its holder writes it anew every [`HEARTBEAT`], and once [`STALE`] has passed without that, by the clock of
//! the file system, the claim is free. Whoever takes it over moves the file away first; a move succeeds for one worker only.
//!
//! What this promises: workers on one machine never do a thing twice. Workers on several machines do so only where one of them was
//! stopped for longer than [`STALE`] (suspended, or cut off from the file system) and woke up again; then both come to the same
//! record, the first stays, and nothing but time is lost. A claim never decides whether a cell is done; its record does.
//!
//! Where results are in an object store, a worker takes the claim among those of its machine first and then that of the store
//! ([`secateur_remote::claims`]). So a claim in the store that a worker of this machine left is known to be left behind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use secateur_remote::{Remote, claims as remote_claims};
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::Error;
use crate::store::Store;

/// How often the holder of a claim writes it anew.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How old a claim of another machine must be to count as left behind. Network file systems may show a file's time a minute late.
pub const STALE: Duration = Duration::from_mins(3);

/// Largest claim that is read, bytes.
const LARGEST: u64 = 64 << 10;

/// Who holds a claim, as its file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// Which boot of which system it is, which mount, and which directory on it, within which locks hold; empty where the system
    /// does not tell.
    pub boot: String,
    /// The process on it.
    pub pid: u32,
    /// One of its kind among all claims ever made.
    pub token: String,
    /// What is being done, in words.
    pub what: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.is_empty() {
            f.write_str("another worker")
        } else {
            write!(f, "{}, process {}", self.host, self.pid)
        }
    }
}

/// What came of claiming.
#[derive(Debug)]
pub enum Claiming {
    /// It is ours until dropped.
    Ours(Claim),
    /// Somebody who is alive, as far as can be told, holds it.
    Theirs(Holder),
}

/// A claim that this process holds; dropped, it is given back.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    token: String,
    held: Held,
    /// The same claim in an object store.
    shared: Option<remote_claims::Claim>,
}

/// Files of the claims that are held, by path. They are locked as long as they are open.
type Held = Arc<Mutex<BTreeMap<PathBuf, (File, Vec<u8>)>>>;

/// The claims of one results directory, as one worker sees them.
#[derive(Debug)]
pub struct Claims {
    directory: PathBuf,
    me: Holder,
    run: String,
    count: std::cell::Cell<u64>,
    held: Held,
    remote: Option<Arc<Remote>>,
    /// Ends the heartbeat when dropped.
    _alive: Sender<()>,
}

impl Claims {
    /// Opens the claims of a sweep. An object store is asked first whether it can keep them apart.
    ///
    /// # Errors
    /// As [`Claims::open`]; [`Error::Remote`].
    pub fn of(store: &Store) -> Result<Self, Error> {
        let remote = store.remote().cloned();
        if let Some(remote) = &remote {
            remote.check()?;
        }
        Ok(Self {
            remote,
            ..Self::open(&store.claims_directory())?
        })
    }

    /// Opens the claims in `directory`, and makes it if need be.
    ///
    /// # Errors
    /// [`Error::NotWritable`], [`Error::DiskFull`], [`Error::Io`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(|e| Error::io("write", directory, e))?;
        atomic::sweep_out(directory);
        let held = Held::default();
        let me = Holder {
            host: host(),
            boot: boot(directory),
            pid: std::process::id(),
            ..Holder::default()
        };
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        Ok(Self {
            directory: directory.to_path_buf(),
            run: format!("{}-{}-{since}", me.host, me.pid),
            me,
            count: std::cell::Cell::new(0),
            remote: None,
            _alive: beat(Arc::clone(&held)),
            held,
        })
    }

    /// Names this worker's run: host, process and time.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Claims `name`, a file name, in order to do `what`.
    ///
    /// # Errors
    /// [`Error::NotWritable`], [`Error::DiskFull`], [`Error::Io`].
    pub fn claim(&self, name: &str, what: &str) -> Result<Claiming, Error> {
        let path = self.directory.join(name);
        // Each round either ends or has seen a claim go; nobody gives back a thousand claims between two looks.
        for _ in 0..1000 {
            let found = match Existing::open(&path)? {
                None => None,
                Some(existing) if existing.is_left_behind(&self.me, &self.directory) => {
                    if !existing.move_away(&self.directory)? {
                        continue;
                    }
                    None
                }
                Some(existing) => Some(existing.holder),
            };
            if let Some(holder) = found {
                return Ok(Claiming::Theirs(holder));
            }
            if let Some((claim, text)) = self.take(&path, what)? {
                return self.share(name, claim, &text);
            }
        }
        Ok(Claiming::Theirs(Holder::default()))
    }

    /// Takes a claim of this machine's in the object store too, if there is one.
    fn share(&self, name: &str, mut claim: Claim, text: &[u8]) -> Result<Claiming, Error> {
        let Some(remote) = &self.remote else {
            return Ok(Claiming::Ours(claim));
        };
        let holder = |text: &str| serde_json::from_str::<Holder>(text).unwrap_or_default();
        // It would have the claim of this machine.
        let is_dead = |text: &str| !self.me.boot.is_empty() && holder(text).boot == self.me.boot;
        match remote.claim(name, &String::from_utf8_lossy(text), &is_dead)? {
            remote_claims::Claiming::Ours(shared) => {
                claim.shared = Some(shared);
                Ok(Claiming::Ours(claim))
            }
            remote_claims::Claiming::Theirs(text) => Ok(Claiming::Theirs(holder(&text))),
        }
    }

    /// A claim of this machine's, and what it says.
    fn take(&self, path: &Path, what: &str) -> Result<Option<(Claim, Vec<u8>)>, Error> {
        self.count.set(self.count.get() + 1);
        let holder = Holder {
            token: format!("{}-{}", self.run, self.count.get()),
            what: what.to_owned(),
            ..self.me.clone()
        };
        let text = serde_json::to_vec(&holder).map_err(|source| Error::Answer {
            path: path.to_path_buf(),
            source,
        })?;
        let mut temporary = atomic::temporary_beside(path)?;
        // Where a file system has no locks, the file's time has to do.
        let _ = temporary.as_file().try_lock();
        temporary.write_all(&text).map_err(|e| Error::io("write", path, e))?;
        let Some(file) = atomic::link_new(temporary, path)? else {
            return Ok(None);
        };
        lock(&self.held).insert(path.to_path_buf(), (file, text.clone()));
        let claim = Claim {
            path: path.to_path_buf(),
            token: holder.token,
            held: Arc::clone(&self.held),
            shared: None,
        };
        Ok(Some((claim, text)))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.shared.take());
        // A claim that was taken over while this process slept is another's now.
        let ours = Existing::open(&self.path).is_ok_and(|found| found.is_some_and(|f| f.holder.token == self.token));
        if ours {
            let _ = fs::remove_file(&self.path);
        }
        lock(&self.held).remove(&self.path);
    }
}

/// All claims of a sweep whose holders are alive, as far as can be told, by name.
///
/// # Errors
/// [`Error::Io`], [`Error::Remote`].
pub fn held_of(store: &Store) -> Result<BTreeMap<String, Holder>, Error> {
    let directory = store.claims_directory();
    let here = held(&directory)?;
    let Some(remote) = store.remote() else { return Ok(here) };
    let boot = boot(&directory);
    let mut all = BTreeMap::new();
    for (name, text) in remote.held()? {
        let holder: Holder = serde_json::from_str(&text).unwrap_or_default();
        let left_behind = !boot.is_empty() && holder.boot == boot && !here.contains_key(&name);
        if !left_behind {
            all.insert(name, holder);
        }
    }
    Ok(all)
}

/// All claims in a directory whose holders are alive, as far as can be told, by name; none where there is no directory.
///
/// # Errors
/// [`Error::Io`].
pub fn held(directory: &Path) -> Result<BTreeMap<String, Holder>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(Error::io("read", directory, e)),
    };
    let me = Holder {
        boot: boot(directory),
        ..Holder::default()
    };
    let mut all = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if let Some(existing) = Existing::open(&entry.path())?
            && !existing.is_left_behind(&me, directory)
        {
            all.insert(name, existing.holder);
        }
    }
    Ok(all)
}

/// A claim's file as found.
struct Existing {
    path: PathBuf,
    file: File,
    holder: Holder,
}

impl Existing {
    fn open(path: &Path) -> Result<Option<Self>, Error> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let mut text = Vec::new();
        // Systems whose locks keep readers out leave the holder unknown.
        let _ = (&mut file).take(LARGEST).read_to_end(&mut text);
        Ok(Some(Self {
            path: path.to_path_buf(),
            file,
            holder: serde_json::from_slice(&text).unwrap_or_default(),
        }))
    }

    /// Whether its holder is gone. The file is locked afterwards if it could be: only one worker of a machine moves it away.
    fn is_left_behind(&self, me: &Holder, directory: &Path) -> bool {
        match self.file.try_lock() {
            Ok(()) if !me.boot.is_empty() && self.holder.boot == me.boot => true,
            Err(fs::TryLockError::WouldBlock) => false,
            _ => self.age(directory).is_some_and(|age| age > STALE),
        }
    }

    /// Time since it was last written, by the clock of the file system, which is that of a file written just now.
    fn age(&self, directory: &Path) -> Option<Duration> {
        let written = self.file.metadata().and_then(|m| m.modified()).ok()?;
        let now = atomic::temporary_beside(&directory.join("now"))
            .ok()
            .and_then(|mut file| {
                file.write_all(b"now").ok()?;
                file.as_file().metadata().and_then(|m| m.modified()).ok()
            });
        now.unwrap_or_else(SystemTime::now).duration_since(written).ok()
    }

    /// `false` if it was not there any more, or another's by now.
    fn move_away(&self, directory: &Path) -> Result<bool, Error> {
        // It may have been given back, or taken over, between opening and locking.
        match Self::open(&self.path)? {
            Some(now) if now.holder == self.holder => {}
            _ => return Ok(false),
        }
        let aside = atomic::temporary_beside(&directory.join("left"))?;
        match fs::rename(&self.path, aside.path()) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(Error::io("write", &self.path, e)),
        }
        match Self::open(aside.path())? {
            Some(moved) if moved.holder != self.holder => {
                // A worker of another machine was faster, and this is its new claim: back with it.
                let _ = fs::hard_link(aside.path(), &self.path);
                Ok(false)
            }
            _ => Ok(true),
        }
    }
}

/// Writes all claims that are held anew, until the sender is dropped.
fn beat(held: Held) -> Sender<()> {
    let (alive, ends) = channel();
    // Without the thread, claims look left behind to other machines after a while; work goes on.
    let _ = std::thread::Builder::new().name("claims".to_owned()).spawn(move || {
        while ends.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
            for (file, text) in lock(&held).values_mut() {
                // A full disk or a vanished one stops the worker elsewhere, with a message.
                let _ = file
                    .seek(SeekFrom::Start(0))
                    .and_then(|_| file.write_all(text))
                    .and_then(|()| file.sync_all());
            }
        }
    });
    alive
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(unix)]
fn host() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|_| "unknown host".to_owned())
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown host".to_owned())
}

#[cfg(unix)]
fn boot(directory: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let boot = first_line("/proc/sys/kernel/random/boot_id");
    let place = fs::metadata(directory).map(|m| (m.dev(), m.ino()));
    boot.zip(place.ok())
        .map(|(boot, (mount, directory))| format!("{boot} {mount} {directory}"))
        .unwrap_or_default()
}

#[cfg(not(unix))]
fn boot(_: &Path) -> String {
    String::new()
}
