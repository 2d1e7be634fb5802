//! A sweep's store whose truth lies in an object store: two machines, each with its own copy.
#![allow(clippy::unwrap_used)]

mod synthetic;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use object_store::memory::InMemory;
use secateur_remote::claims::Timing;
use secateur_remote::stores::Stores;
use secateur_remote::{Address, Remote};
use secateur_results::atomic::Placed;
use secateur_results::claims::{self, Claiming, Claims};
use secateur_results::error::Error;
use secateur_results::failures::Failure;
use secateur_results::key::RecordKey;
use secateur_results::location::Location;
use secateur_results::record::Record;
use secateur_results::store::{Answers, Found, Store, SweepIdentity};
use synthetic::{DEMO, records};

const ADDRESS: &str = "s3://bucket/sweeps/demo";

/// A machine with a copy of its own.
struct Machine {
    folder: tempfile::TempDir,
    objects: Arc<InMemory>,
}

impl Machine {
    fn beside(objects: &Arc<InMemory>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            objects: Arc::clone(objects),
        }
    }

    fn location(&self) -> Location {
        let address = Address::parse(ADDRESS).unwrap().unwrap();
        let objects = Stores::over(Arc::clone(&self.objects) as _, &address).unwrap();
        Location {
            directory: self.folder.path().join("copy"),
            remote: Some(Arc::new(Remote::over(Arc::new(objects), ADDRESS, Timing::default()))),
        }
    }

    /// A worker's store, which knows nothing that it has not asked.
    fn store(&self) -> Store {
        Store::open_at(self.location(), &SweepIdentity::new("demo", "ratios = [0.5]")).unwrap()
    }
}

fn machines() -> (Machine, Machine) {
    let objects = Arc::new(InMemory::new());
    (Machine::beside(&objects), Machine::beside(&objects))
}

fn key(record: &Record) -> RecordKey {
    RecordKey::parse(&record.key).unwrap()
}

fn publish(store: &Store, record: &Record, answer: &str) -> Placed {
    let mut answers = store.begin_answers(&key(record)).unwrap();
    answers.append(&BTreeMap::from([("answer", answer)])).unwrap();
    store.publish(record, Answers::Own(answers)).unwrap()
}

fn answers(store: &Store, record: &Record) -> String {
    fs::read_to_string(store.answers_path(&key(record))).unwrap()
}

#[test]
fn what_one_machine_publishes_another_reads() {
    let (here, there) = machines();
    let all = records(&DEMO);
    for record in &all[..3] {
        assert_eq!(publish(&here.store(), record, "yes"), Placed::New);
    }
    let store = there.store();
    assert!(store.has(&key(&all[0])) && !store.has(&key(&all[3])));
    assert!(store.has_sound(&key(&all[0])) && !store.record_path(&key(&all[0])).exists());
    let Found::Present(stored) = store.get(&key(&all[1])).unwrap() else {
        panic!("not present")
    };
    assert_eq!(stored.record, all[1]);
    assert_eq!(answers(&store, &all[1]), "{\"answer\":\"yes\"}\n");
    let (read, messages) = there.store().read_all().unwrap();
    assert!(read.len() == 3 && messages.is_empty(), "{messages:?}");
    assert_eq!(answers(&store, &all[2]), "{\"answer\":\"yes\"}\n");
    assert!(matches!(store.get(&key(&all[3])).unwrap(), Found::Missing));
}

#[test]
fn the_first_record_stands_and_takes_the_place_of_ours() {
    let (here, there) = machines();
    let (ours, theirs) = (here.store(), there.store());
    let record = &records(&DEMO)[1];
    // Both have looked for it before either has published.
    assert!(!ours.has(&key(record)) && !theirs.has(&key(record)));
    assert_eq!(publish(&theirs, record, "theirs"), Placed::New);
    let mut slower = record.clone();
    slower.cost.seconds += 1.0;
    assert_eq!(publish(&ours, &slower, "ours"), Placed::AlreadyThere);
    let Found::Present(stored) = here.store().get(&key(record)).unwrap() else {
        panic!("not present")
    };
    assert_eq!(stored.record, *record);
    assert_eq!(answers(&ours, record), "{\"answer\":\"theirs\"}\n");
}

#[test]
fn answers_of_a_worker_that_died_before_its_record_are_replaced() {
    let (here, there) = machines();
    let record = &records(&DEMO)[1];
    let remote = there.location().remote.unwrap();
    remote
        .put_over(&format!("answers/{}.jsonl", record.key), b"torn")
        .unwrap();
    assert_eq!(publish(&here.store(), record, "yes"), Placed::New);
    assert!(matches!(there.store().get(&key(record)).unwrap(), Found::Present(_)));
}

#[test]
fn damage_in_the_store_is_set_aside_and_damage_of_a_copy_is_mended() {
    let (here, there) = machines();
    let record = &records(&DEMO)[1];
    let remote = there.location().remote.unwrap();
    publish(&here.store(), record, "yes");
    // Of the copy.
    assert!(matches!(there.store().get(&key(record)).unwrap(), Found::Present(_)));
    fs::write(there.store().record_path(&key(record)), "{").unwrap();
    assert!(matches!(there.store().get(&key(record)).unwrap(), Found::Present(_)));
    // Of the record, and of the answers.
    for name in [
        format!("records/{}.json", record.key),
        format!("answers/{}.jsonl", record.key),
    ] {
        remote.put_over(&name, b"damaged").unwrap();
        let other = Machine::beside(&here.objects);
        assert!(
            matches!(other.store().get(&key(record)).unwrap(), Found::SetAside { message } if message.contains("was emptied"))
        );
        assert!(
            matches!(other.store().get(&key(record)).unwrap(), Found::Missing),
            "{name}"
        );
        assert_eq!(publish(&other.store(), record, "again"), Placed::New);
        let third = Machine::beside(&here.objects).store();
        assert!(matches!(third.get(&key(record)).unwrap(), Found::Present(_)));
        assert_eq!(answers(&third, record), "{\"answer\":\"again\"}\n");
    }
}

#[test]
fn a_running_cells_answers_and_failures_reach_other_machines() {
    let (here, there) = machines();
    let (mut partial, found) = here.store().partial::<Vec<u32>>("evaluation").unwrap();
    assert!(found.is_empty());
    partial.append(0, &[1, 2]).unwrap();
    partial.append(1, &[3]).unwrap();
    drop(partial);
    let (partial, found) = there.store().partial::<Vec<u32>>("evaluation").unwrap();
    assert_eq!(found, [vec![1, 2], vec![3]]);
    partial.remove();
    let (_, found) = Machine::beside(&here.objects)
        .store()
        .partial::<Vec<u32>>("evaluation")
        .unwrap();
    assert!(found.is_empty());

    let (key, failure) = (
        key(&records(&DEMO)[0]),
        Failure {
            cell: "a cell".to_owned(),
            message: "NaN".to_owned(),
            run: "a run".to_owned(),
        },
    );
    failure.note(&here.store(), &key).unwrap();
    assert_eq!(Failure::of(&there.store(), &key), Some(failure));
    assert_eq!(Failure::all(&there.store()).len(), 1);
    Failure::forget(&there.store(), &key);
    assert!(Failure::of(&here.store(), &key).is_none() && Failure::all(&here.store()).is_empty());
}

#[test]
fn a_claim_holds_on_both_machines_and_a_dead_neighbours_is_free_at_once() {
    let (here, there) = machines();
    let workers = [here.store(), here.store(), there.store()].map(|store| Claims::of(&store).unwrap());
    let ours = |claiming: Claiming| match claiming {
        Claiming::Ours(claim) => Some(claim),
        Claiming::Theirs(_) => None,
    };
    let claim = ours(workers[0].claim("a", "a cell").unwrap()).unwrap();
    for other in &workers[1..] {
        assert!(matches!(other.claim("a", "a cell").unwrap(), Claiming::Theirs(holder) if holder.what == "a cell"));
    }
    assert_eq!(claims::held_of(&there.store()).unwrap()["a"].pid, std::process::id());
    drop(claim);
    assert!(claims::held_of(&there.store()).unwrap().is_empty());
    let claim = ours(workers[2].claim("a", "a cell").unwrap()).unwrap();
    drop(claim);
    // As a killed worker leaves it: its object in the store, and on its machine a file that nobody has locked.
    let remote = here.location().remote.unwrap();
    let dying = ours(workers[0].claim("b", "a cell").unwrap()).unwrap();
    let object = remote.fetch("claims/b").unwrap().unwrap();
    drop(dying);
    remote.put_over("claims/b", &object.bytes).unwrap();
    assert!(ours(workers[2].claim("b", "a cell").unwrap()).is_none());
    if cfg!(target_os = "linux") {
        assert!(claims::held_of(&here.store()).unwrap().is_empty());
        assert!(ours(workers[1].claim("b", "a cell").unwrap()).is_some());
    }
}

#[test]
fn another_sweep_and_a_sweep_that_is_not_there_are_refused() {
    let (here, there) = machines();
    here.store();
    let message = Store::open_at(there.location(), &SweepIdentity::new("demo", "ratios = [0.25]"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(ADDRESS) && message.contains("holds the sweep `demo`"),
        "{message}"
    );
    assert!(matches!(
        Store::open_existing("ftp://host/a".as_ref()),
        Err(Error::Remote(_))
    ));
}
