//! Who is at work on what, for workers of many machines: `claims/‹name›`, an object that says who holds the claim.
//!
//! **Taking** a claim makes the object, or replaces an empty one, both on the condition that nobody was faster. **Holding** it replaces
//! the object every [`Timing::heartbeat`]; each writing differs by a number, so that no two have the same entity tag. **Giving it
//! back** empties it.
//!
//! **A worker that dies** leaves its object. Once it is older than [`Timing::stale`] by the store's clock, or its holder is known to be
//! dead, whoever wants the claim replaces the object that it has read. The store lets one worker do that; and a holder that wakes
//! up finds that its next heartbeat is refused, or comes first, and then the take-over is refused.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;
use crate::objects::{Object, Objects, Version};
use crate::remote::Remote;

const FOLDER: &str = "claims";

/// Rounds of claiming before it is said that another has it.
const ROUNDS: usize = 100;

/// When claims are written anew, and when they count as left behind.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two writings of a claim that is held.
    pub heartbeat: Duration,
    /// Age of a claim whose holder is taken for dead.
    pub stale: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            stale: Duration::from_mins(3),
        }
    }
}

/// What came of claiming.
#[derive(Debug)]
pub enum Claiming {
    /// It is ours until dropped.
    Ours(Claim),
    /// Somebody else's: what the holder wrote.
    Theirs(String),
}

/// A claim that is held; dropped, it is given back.
#[derive(Debug)]
pub struct Claim {
    name: String,
    objects: Arc<dyn Objects>,
    held: Held,
}

#[derive(Debug)]
struct Holding {
    text: String,
    version: Version,
    beats: u64,
}

type Held = Arc<Mutex<BTreeMap<String, Holding>>>;

/// Keeps the claims that are held alive.
#[derive(Debug)]
pub(crate) struct Keeper {
    objects: Arc<dyn Objects>,
    timing: Timing,
    held: Held,
    /// The store's time at some moment.
    pub(crate) clock: Mutex<Option<(Instant, SystemTime)>>,
    /// Ends the heartbeat when dropped; there is one since the first claim.
    alive: Mutex<Option<Sender<()>>>,
}

impl Keeper {
    pub(crate) fn new(objects: Arc<dyn Objects>, timing: Timing) -> Self {
        Self {
            objects,
            timing,
            held: Held::default(),
            clock: Mutex::default(),
            alive: Mutex::default(),
        }
    }

    /// The store's time, as far as it is known.
    fn now(&self) -> SystemTime {
        lock(&self.clock).map_or_else(SystemTime::now, |(at, time)| time + at.elapsed())
    }

    fn is_stale(&self, modified: SystemTime) -> bool {
        let age = self.now().duration_since(modified).unwrap_or_default();
        age > self.timing.stale
    }

    fn hold(&self, name: &str, text: &str, version: Version) -> Claim {
        let holding = Holding {
            text: text.to_owned(),
            version,
            beats: 0,
        };
        lock(&self.held).insert(name.to_owned(), holding);
        lock(&self.alive).get_or_insert_with(|| beat(&self.objects, &self.held, self.timing.heartbeat));
        Claim {
            name: name.to_owned(),
            objects: Arc::clone(&self.objects),
            held: Arc::clone(&self.held),
        }
    }
}

impl Remote {
    /// Claims a name. `text` is one line that says who we are, and is like no other; `is_dead` tells of another's whether it is known
    /// to be dead.
    pub fn claim(&self, name: &str, text: &str, is_dead: &dyn Fn(&str) -> bool) -> Result<Claiming, Error> {
        let object = format!("{FOLDER}/{name}");
        let mut there = self.stamp(&object)?.is_some();
        for _ in 0..ROUNDS {
            let taken = if there {
                match self.objects.get(&object)? {
                    None => {
                        there = false;
                        continue;
                    }
                    // The answer to our own writing was lost.
                    Some(found) if text_of(&found) == text => Some(found.version),
                    Some(found) => {
                        let theirs = text_of(&found);
                        let free = theirs.is_empty() || self.keeper.is_stale(found.stamp.modified) || is_dead(&theirs);
                        if !free {
                            return Ok(Claiming::Theirs(theirs));
                        }
                        self.objects.replace(&object, &written(text, 0), &found.version)?
                    }
                }
            } else {
                there = true;
                self.objects.create(&object, &written(text, 0))?
            };
            if let Some(version) = taken {
                self.look_again();
                return Ok(Claiming::Ours(self.keeper.hold(&object, text, version)));
            }
        }
        Ok(Claiming::Theirs(String::new()))
    }

    /// The claims of workers that are alive, as far as can be told: what they wrote, by name.
    pub fn held(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut held = BTreeMap::new();
        for (object, stamp) in self
            .list(FOLDER)?
            .iter()
            .filter(|(_, stamp)| !self.keeper.is_stale(stamp.modified))
        {
            debug_assert!(stamp.size > 0);
            if let (Some(found), Some((_, name))) = (self.fetch(object)?, object.rsplit_once('/')) {
                held.insert(name.to_owned(), text_of(&found));
            }
        }
        Ok(held)
    }
}

impl Claim {
    /// Whether it is still ours, as far as the heartbeat knows: a process that slept for too long has lost it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        lock(&self.held).contains_key(&self.name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Behind a heartbeat that may be under way.
        let Some(mut holding) = lock(&self.held).remove(&self.name) else {
            return;
        };
        // What cannot be given back is left behind, and is free after a while.
        for _ in 0..2 {
            match self.objects.replace(&self.name, b"", &holding.version) {
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return,
            }
            match self.objects.get(&self.name) {
                Ok(Some(found)) if text_of(&found) == holding.text => holding.version = found.version,
                _ => return,
            }
        }
    }
}

/// Writes all claims that are held anew, until the sender is dropped.
fn beat(objects: &Arc<dyn Objects>, held: &Held, every: Duration) -> Sender<()> {
    let (alive, ends) = channel();
    let (objects, held) = (Arc::clone(objects), Arc::clone(held));
    // Without the thread, claims look left behind after a while; work goes on.
    let _ = std::thread::Builder::new().name("claims".to_owned()).spawn(move || {
        while ends.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            lock(&held).retain(|name, holding| keep(objects.as_ref(), name, holding));
        }
    });
    alive
}

/// `false` if the claim is another's by now.
fn keep(objects: &dyn Objects, name: &str, holding: &mut Holding) -> bool {
    holding.beats += 1;
    match objects.replace(name, &written(&holding.text, holding.beats), &holding.version) {
        Ok(Some(version)) => holding.version = version,
        Ok(None) => match objects.get(name) {
            // The answer to an earlier writing was lost.
            Ok(Some(found)) if text_of(&found) == holding.text => holding.version = found.version,
            Ok(_) => return false,
            Err(_) => {}
        },
        // A store that stays away stops the worker elsewhere, with a message.
        Err(_) => {}
    }
    true
}

fn written(text: &str, beats: u64) -> Vec<u8> {
    format!("{text}\n{beats}\n").into_bytes()
}

fn text_of(object: &Object) -> String {
    let text = String::from_utf8_lossy(&object.bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
