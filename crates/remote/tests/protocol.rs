//! What workers of many machines rest on, against `object_store`'s store in memory.
#![cfg(feature = "stores")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use object_store::memory::InMemory;
use secateur_remote::claims::{Claiming, Timing};
use secateur_remote::objects::{Object, Objects, Stamp, Version};
use secateur_remote::stores::Stores;
use secateur_remote::{Address, Error, Remote};

const ADDRESS: &str = "s3://bucket/results/tiny";

/// Waits on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(1);

const ASLEEP: Timing = Timing {
    heartbeat: Duration::from_hours(1),
    stale: Duration::from_millis(300),
};

/// Another worker's view of the same store.
fn worker(store: &Arc<InMemory>, timing: Timing) -> Remote {
    let address = Address::parse(ADDRESS).unwrap().unwrap();
    let objects = Stores::over(Arc::clone(store) as _, &address).unwrap();
    let remote = Remote::over(Arc::new(objects), ADDRESS, timing);
    remote.check().unwrap();
    remote
}

fn alive(_: &str) -> bool {
    false
}

fn ours(claiming: Claiming) -> Option<secateur_remote::claims::Claim> {
    match claiming {
        Claiming::Ours(claim) => Some(claim),
        Claiming::Theirs(_) => None,
    }
}

#[test]
fn workers_do_everything_once() {
    const CELLS: usize = 30;
    for workers in [2, 4, 8] {
        let store = Arc::new(InMemory::new());
        let done: Vec<AtomicUsize> = (0..CELLS).map(|_| AtomicUsize::new(0)).collect();
        let started = Instant::now();
        let work = |number: usize| {
            let remote = worker(&store, Timing::default());
            let mut left: Vec<usize> = (0..CELLS).collect();
            while !left.is_empty() && started.elapsed() < PATIENCE {
                left.retain(|&cell| {
                    let (name, record) = (format!("cell-{cell}"), format!("records/{cell}.json"));
                    if remote.list("records").unwrap().contains_key(&record) {
                        return false;
                    }
                    let text = format!("worker {number}, cell {cell}");
                    let Some(_claim) = ours(remote.claim(&name, &text, &alive).unwrap()) else {
                        return true;
                    };
                    if !remote.list("records").unwrap().contains_key(&record) {
                        done[cell].fetch_add(1, Ordering::Relaxed);
                        assert!(remote.put_new(&record, text.as_bytes()).unwrap());
                    }
                    false
                });
                // As long as a listing may be old.
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        std::thread::scope(|scope| {
            for number in 0..workers {
                let work = &work;
                scope.spawn(move || work(number));
            }
        });
        let times: Vec<usize> = done.iter().map(|times| times.load(Ordering::Relaxed)).collect();
        assert_eq!(times, [1; CELLS], "{workers} workers");
        assert!(worker(&store, Timing::default()).held().unwrap().is_empty());
    }
}

#[test]
fn one_worker_takes_a_dead_ones_claim_over() {
    let store = Arc::new(InMemory::new());
    for known in [false, true] {
        let timing = Timing {
            stale: if known { PATIENCE } else { ASLEEP.stale },
            ..ASLEEP
        };
        let name = format!("known-{known}");
        let dead = worker(&store, timing);
        std::mem::forget(ours(dead.claim(&name, "dead", &alive).unwrap()).unwrap());
        let is_dead = |text: &str| known && text == "dead";
        assert!(ours(worker(&store, timing).claim(&name, "early", &alive).unwrap()).is_none());
        if !known {
            std::thread::sleep(ASLEEP.stale * 2);
        }
        let (start, took) = (Barrier::new(8), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (start, took, store, name) = (&start, &took, &store, &name);
                scope.spawn(move || {
                    let heir = worker(
                        store,
                        Timing {
                            stale: PATIENCE,
                            ..ASLEEP
                        },
                    );
                    let heir = if known { heir } else { worker(store, timing) };
                    start.wait();
                    if let Some(claim) = ours(heir.claim(name, &format!("heir {number}"), &is_dead).unwrap()) {
                        took.fetch_add(1, Ordering::Relaxed);
                        // Held while the others try.
                        std::mem::forget(claim);
                    }
                });
            }
        });
        assert_eq!(took.load(Ordering::Relaxed), 1, "known to be dead: {known}");
    }
}

#[test]
fn a_claim_that_is_held_does_not_grow_old() {
    let store = Arc::new(InMemory::new());
    let timing = Timing {
        heartbeat: Duration::from_millis(50),
        stale: Duration::from_secs(3),
    };
    let (holder, other) = (worker(&store, timing), worker(&store, timing));
    let claim = ours(holder.claim("a", "holder", &alive).unwrap()).unwrap();
    std::thread::sleep(timing.stale * 3 / 2);
    assert!(matches!(other.claim("a", "other", &alive).unwrap(), Claiming::Theirs(text) if text == "holder"));
    other.look_again();
    assert_eq!(
        other.held().unwrap(),
        BTreeMap::from([("a".to_owned(), "holder".to_owned())])
    );
    assert!(claim.is_ours());
    drop(claim);
    assert!(ours(other.claim("a", "other", &alive).unwrap()).is_some());
}

#[test]
fn a_sleeper_loses_its_claim_and_does_not_give_back_anothers() {
    let store = Arc::new(InMemory::new());
    let (sleeper, heir) = (worker(&store, ASLEEP), worker(&store, ASLEEP));
    let slept = ours(sleeper.claim("a", "sleeper", &alive).unwrap()).unwrap();
    std::thread::sleep(ASLEEP.stale * 2);
    let _claim = ours(heir.claim("a", "heir", &alive).unwrap()).unwrap();
    drop(slept);
    let third = worker(&store, Timing::default());
    assert!(matches!(third.claim("a", "third", &alive).unwrap(), Claiming::Theirs(text) if text == "heir"));
}

#[test]
fn the_first_put_stands_and_what_is_emptied_is_put_anew() {
    let store = Arc::new(InMemory::new());
    let (one, two) = (worker(&store, ASLEEP), worker(&store, ASLEEP));
    assert!(one.put_new("records/a.json", b"one").unwrap());
    assert!(!two.put_new("records/a.json", b"two").unwrap());
    assert!(two.put_new("records/a.json", b"one").unwrap(), "the same is ours too");
    let damaged = two.fetch("records/a.json").unwrap().unwrap();
    assert_eq!(damaged.bytes, b"one");
    assert!(two.vacate("records/a.json", &damaged.version).unwrap());
    assert!(
        !one.vacate("records/a.json", &damaged.version).unwrap(),
        "it is another by now"
    );
    assert!(one.fetch("records/a.json").unwrap().is_none() && one.list("records").unwrap().is_empty());
    assert!(one.put_new("records/a.json", b"again").unwrap());
    assert_eq!(two.fetch("records/a.json").unwrap().unwrap().bytes, b"again");
}

#[test]
fn copies_follow_the_store() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let remote = worker(&store, ASLEEP);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for name in ["rankings/a/x.json", "rankings/b/y.json", "manifest.json"] {
        remote.put_over(name, name.as_bytes()).unwrap();
    }
    remote.bring_all("rankings", folder.path()).unwrap();
    assert_eq!(read("rankings/b/y.json"), "rankings/b/y.json");
    assert!(remote.bring("manifest.json", folder.path()).unwrap());
    remote.put_over("rankings/b/y.json", b"RANKINGS/b/y.json").unwrap();
    assert!(remote.bring("rankings/b/y.json", folder.path()).unwrap());
    assert_eq!(read("rankings/b/y.json"), "RANKINGS/b/y.json");
    assert!(!remote.bring("rankings/b/z.json", folder.path()).unwrap());
    remote.remove("manifest.json").unwrap();
    assert!(!remote.bring("manifest.json", folder.path()).unwrap());
}

/// A store that takes no notice of conditions, as old servers do.
#[derive(Debug)]
struct Careless(Stores);

impl Objects for Careless {
    fn list(&self, folder: &str) -> Result<BTreeMap<String, Stamp>, Error> {
        self.0.list(folder)
    }

    fn get(&self, name: &str) -> Result<Option<Object>, Error> {
        self.0.get(name)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Option<Version>, Error> {
        self.0.overwrite(name, bytes)?;
        Ok(self.0.get(name)?.map(|object| object.version))
    }

    fn replace(&self, name: &str, bytes: &[u8], _: &Version) -> Result<Option<Version>, Error> {
        self.create(name, bytes)
    }

    fn overwrite(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.overwrite(name, bytes)
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        self.0.delete(name)
    }
}

#[test]
fn a_store_without_conditions_is_refused() {
    let address = Address::parse(ADDRESS).unwrap().unwrap();
    let objects = Stores::over(Arc::new(InMemory::new()), &address).unwrap();
    let remote = Remote::over(Arc::new(Careless(objects)), ADDRESS, Timing::default());
    let message = remote.check().unwrap_err().to_string();
    assert!(
        message.contains(ADDRESS) && message.contains("evaluated once") && message.contains("If-None-Match"),
        "{message}"
    );
    assert!(remote.list("").unwrap().is_empty(), "nothing is left of the check");
}
