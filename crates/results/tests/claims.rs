//! Claims: one holder at a time, whoever dies or sleeps.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant, SystemTime};

use secateur_results::claims::{Claim, Claiming, Claims, Holder, STALE, held};

fn ours(claiming: Claiming) -> Option<Claim> {
    match claiming {
        Claiming::Ours(claim) => Some(claim),
        Claiming::Theirs(_) => None,
    }
}

/// As a claim in `directory` names this machine.
fn boot(directory: &Path) -> String {
    let claims = Claims::open(directory).unwrap();
    let _claim = ours(claims.claim("boot", "").unwrap()).unwrap();
    held(directory).unwrap()["boot"].boot.clone()
}

/// A claim that a dead process has left, written `age` ago.
fn leave(directory: &Path, name: &str, boot: &str, age: Duration) {
    let holder = Holder {
        host: "node7".to_owned(),
        boot: boot.to_owned(),
        pid: 4321,
        token: "left".to_owned(),
        what: "a cell".to_owned(),
    };
    let path = directory.join(name);
    fs::write(&path, serde_json::to_vec(&holder).unwrap()).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn a_claim_has_one_holder_until_it_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (
        Claims::open(directory.path()).unwrap(),
        Claims::open(directory.path()).unwrap(),
    );
    let first = ours(a.claim("cell", "reap on words").unwrap()).unwrap();
    let Claiming::Theirs(holder) = b.claim("cell", "the same").unwrap() else {
        panic!("two holders")
    };
    assert_eq!(
        (holder.pid, holder.what.as_str()),
        (std::process::id(), "reap on words")
    );
    assert!(ours(b.claim("another", "").unwrap()).is_some());
    let all = held(directory.path()).unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["cell"]);
    drop(first);
    assert!(held(directory.path()).unwrap().is_empty());
    assert!(ours(b.claim("cell", "").unwrap()).is_some());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_claim_of_a_dead_process_of_this_machine_is_free_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let claims = Claims::open(directory.path()).unwrap();
    leave(directory.path(), "cell", &boot(directory.path()), Duration::ZERO);
    assert!(held(directory.path()).unwrap().is_empty());
    let claim = ours(claims.claim("cell", "").unwrap()).unwrap();
    assert!(ours(claims.claim("cell", "").unwrap()).is_none());
    drop(claim);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_claim_of_another_machine_is_free_when_its_heart_has_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let claims = Claims::open(directory.path()).unwrap();
    leave(directory.path(), "cell", "another boot", Duration::from_secs(30));
    let Claiming::Theirs(holder) = claims.claim("cell", "").unwrap() else {
        panic!("taken from a worker that may be alive")
    };
    assert_eq!(holder.to_string(), "node7, process 4321");
    assert_eq!(held(directory.path()).unwrap().len(), 1);
    leave(directory.path(), "cell", "another boot", STALE + Duration::from_secs(5));
    assert!(held(directory.path()).unwrap().is_empty());
    assert!(ours(claims.claim("cell", "").unwrap()).is_some());
}

#[test]
fn a_torn_claim_is_free_after_a_while_too() {
    let directory = tempfile::tempdir().unwrap();
    let claims = Claims::open(directory.path()).unwrap();
    let path = directory.path().join("cell");
    fs::write(&path, "{\"host\":").unwrap();
    assert!(ours(claims.claim("cell", "").unwrap()).is_none());
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - STALE * 2).unwrap();
    assert!(ours(claims.claim("cell", "").unwrap()).is_some());
}

#[test]
fn of_many_workers_one_takes_over_what_was_left() {
    for here in [true, false] {
        for round in 0..20 {
            let directory = tempfile::tempdir().unwrap();
            let own = boot(directory.path());
            let boot = if here { own.as_str() } else { "another boot" };
            leave(directory.path(), "cell", boot, STALE * 2);
            let start = Barrier::new(8);
            let winners = std::thread::scope(|scope| {
                let worker = || {
                    let claims = Claims::open(directory.path()).unwrap();
                    start.wait();
                    let claim = ours(claims.claim("cell", "").unwrap());
                    // Nobody gives it back before all have tried.
                    start.wait();
                    claim.is_some()
                };
                let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
                workers
                    .into_iter()
                    .map(|w| w.join().unwrap())
                    .filter(|won| *won)
                    .count()
            });
            assert!(winners <= 1, "{winners} winners in round {round}");
            if winners == 0 {
                // All met while another was moving it away; it is free for whoever comes back.
                let claims = Claims::open(directory.path()).unwrap();
                assert!(ours(claims.claim("cell", "").unwrap()).is_some());
            }
        }
    }
}

#[test]
fn work_behind_claims_is_done_once_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claims = Claims::open(directory.path()).unwrap();
                let mut done = 0;
                while done < 50 {
                    if let Some(_claim) = ours(claims.claim("cell", "").unwrap()) {
                        let before = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(before, 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        done += 1;
                    }
                }
            });
        }
    });
}

#[test]
fn a_claim_costs_less_than_a_millisecond() {
    let directory = tempfile::tempdir().unwrap();
    let claims = Claims::open(directory.path()).unwrap();
    // The quickest of some: what else the machine does must not count.
    let each = (0..20)
        .map(|round| {
            let started = Instant::now();
            for number in 0..25 {
                let name = format!("cell-{round}-{number}");
                assert!(ours(claims.claim(&name, "reap on words").unwrap()).is_some());
            }
            started.elapsed() / 25
        })
        .min()
        .unwrap();
    println!("{each:?} to take a claim and give it back");
    assert!(each < Duration::from_millis(1), "{each:?}");
}
