//! The store under races, damage, full disks and read-only directories.
#![allow(clippy::unwrap_used)]

mod synthetic;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use secateur_results::atomic::Placed;
use secateur_results::error::Error;
use secateur_results::key::RecordKey;
use secateur_results::record::Record;
use secateur_results::store::{Answers, Found, RECORD_SCHEMA, Store, SweepIdentity};
use synthetic::{DEMO, records};

fn sweep() -> SweepIdentity {
    SweepIdentity::new("demo", "ratios = [0.5]")
}

fn key(record: &Record) -> RecordKey {
    RecordKey::parse(&record.key).unwrap()
}

fn publish(store: &Store, record: &Record, answer: &str) -> Result<Placed, Error> {
    let mut answers = store.begin_answers(&key(record))?;
    answers.append(&BTreeMap::from([("answer", answer)]))?;
    store.publish(record, Answers::Own(answers))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_published_cell_is_read_back_with_its_answers() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let record = &records(&DEMO)[1];
    assert!(matches!(store.get(&key(record)).unwrap(), Found::Missing));
    assert_eq!(publish(&store, record, "yes").unwrap(), Placed::New);
    let Found::Present(stored) = store.get(&key(record)).unwrap() else {
        panic!("not present");
    };
    assert_eq!(stored.record, *record);
    assert_eq!(stored.answers.as_ref().unwrap().lines, 1);
    let answers = fs::read_to_string(store.answers_path(&key(record))).unwrap();
    assert_eq!(answers, "{\"answer\":\"yes\"}\n");
    // The first one stands.
    let before = fs::read(store.record_path(&key(record))).unwrap();
    assert_eq!(publish(&store, record, "no").unwrap(), Placed::AlreadyThere);
    assert_eq!(fs::read(store.record_path(&key(record))).unwrap(), before);
    assert_eq!(fs::read_to_string(store.answers_path(&key(record))).unwrap(), answers);
    assert_eq!(names(&directory.path().join("answers")).len(), 1);
}

#[test]
fn a_metric_twice_and_numbers_that_are_none_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let refused = |change: &dyn Fn(&mut Record)| {
        let mut record = records(&DEMO)[1].clone();
        change(&mut record);
        store.publish(&record, Answers::None).unwrap_err().to_string()
    };
    let twice = refused(&|record| record.metrics.push(record.metrics[0].clone()));
    assert!(twice.contains("metric `accuracy` twice"), "{twice}");
    let regressions = refused(&|record| {
        let all = record.regressions.as_mut().unwrap();
        all.kinds[0].interval.1 = f64::NAN;
    });
    assert!(regressions.contains("regressions with the number NaN"), "{regressions}");
    let diagrams = refused(&|record| {
        let all = record.diagrams.as_mut().unwrap();
        all.risk_coverage[0].1 = f64::INFINITY;
    });
    assert!(diagrams.contains("diagrams with the number inf"), "{diagrams}");
}

#[test]
fn answers_of_an_equal_mask_are_shared() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let all = records(&DEMO);
    let source = key(&all[1]);
    let error = store.publish(&all[2], Answers::Of(source.clone())).unwrap_err();
    assert!(error.to_string().contains("which has no record"), "{error}");
    publish(&store, &all[1], "yes").unwrap();
    store.publish(&all[2], Answers::Of(source.clone())).unwrap();
    let (stored, messages) = store.read_all().unwrap();
    assert!(messages.is_empty());
    assert!(
        stored
            .iter()
            .all(|s| s.answers.as_ref().unwrap().key == source.as_str())
    );
}

#[test]
fn one_of_many_racing_writers_wins_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let record = &records(&DEMO)[1];
    let start = Barrier::new(8);
    let wins: Vec<Placed> = std::thread::scope(|scope| {
        let race = |i: usize| {
            let (store, start) = (&store, &start);
            scope.spawn(move || {
                let mut own = record.clone();
                own.warnings = vec![format!("writer {i}")];
                start.wait();
                publish(store, &own, &format!("writer {i}")).unwrap()
            })
        };
        let threads: Vec<_> = (0..8).map(race).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(wins.iter().filter(|w| **w == Placed::New).count(), 1);
    let Found::Present(stored) = store.get(&key(record)).unwrap() else {
        panic!("not present");
    };
    // Record and answers come from the same writer.
    let answers = fs::read_to_string(store.answers_path(&key(record))).unwrap();
    assert!(answers.contains(&format!("\"{}\"", stored.record.warnings[0])));
    assert_eq!(names(&directory.path().join("answers")).len(), 1);
    let files = names(&directory.path().join("records"));
    assert_eq!(files.iter().filter(|n| n.starts_with(".tmp-")).count(), 0);
}

#[test]
fn another_sweep_is_refused_by_both_names() {
    let directory = tempfile::tempdir().unwrap();
    Store::open(directory.path(), &sweep()).unwrap();
    Store::open(directory.path(), &sweep()).unwrap();
    let other = SweepIdentity::new("paper", "ratios = [0.25]");
    let message = Store::open(directory.path(), &other).unwrap_err().to_string();
    assert!(
        message.contains("holds the sweep `demo`") && message.contains("not `paper`"),
        "{message}"
    );
    let edited = SweepIdentity::new("demo", "ratios = [0.25]");
    assert!(matches!(
        Store::open(directory.path(), &edited),
        Err(Error::AnotherSweep { .. })
    ));
    let empty = tempfile::tempdir().unwrap();
    let message = Store::open_existing(empty.path()).unwrap_err().to_string();
    assert!(message.contains("holds no sweep"), "{message}");
    fs::write(empty.path().join("sweep.json"), "{\"schema\": 1").unwrap();
    let message = Store::open_existing(empty.path()).unwrap_err().to_string();
    assert!(message.contains("sweep.json"), "{message}");
}

/// This cell's file and another's into a damaged one.
type Damage = fn(&[u8], &[u8]) -> Vec<u8>;

#[test]
fn damaged_and_foreign_records_are_set_aside_and_done_again() {
    let all = records(&DEMO);
    let record = &all[1];
    let damage: [(&str, Damage); 6] = [
        ("empty", |_, _| Vec::new()),
        ("truncated", |own, _| own[..own.len() / 2].to_vec()),
        ("a changed digit", |own, _| {
            let text = String::from_utf8(own.to_vec()).unwrap();
            text.replacen("\"n\": 300", "\"n\": 301", 1).into_bytes()
        }),
        ("another cell's", |_, other| other.to_vec()),
        ("not text", |_, _| vec![0xff, 0xfe, 0]),
        ("other JSON", |_, _| b"{\"sha256\": 3}".to_vec()),
    ];
    for (what, change) in damage {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &sweep()).unwrap();
        publish(&store, record, "yes").unwrap();
        publish(&store, &all[2], "yes").unwrap();
        let path = store.record_path(&key(record));
        let (own, other) = (
            fs::read(&path).unwrap(),
            fs::read(store.record_path(&key(&all[2]))).unwrap(),
        );
        let bad = change(&own, &other);
        assert_ne!(bad, own);
        fs::write(&path, &bad).unwrap();
        let (stored, messages) = store.read_all().unwrap();
        assert_eq!((stored.len(), messages.len()), (1, 1), "{what}");
        assert!(messages[0].contains("counts as missing"), "{what}: {}", messages[0]);
        assert!(matches!(store.get(&key(record)).unwrap(), Found::Missing), "{what}");
        let aside = path.with_added_extension("corrupt");
        assert_eq!(fs::read(&aside).unwrap(), bad, "{what}");
        // Done again; a second damaged file does not replace the first.
        assert_eq!(publish(&store, record, "yes").unwrap(), Placed::New);
        assert_eq!(fs::read(&path).unwrap(), own, "{what}");
        fs::write(&path, "again").unwrap();
        assert_eq!(publish(&store, record, "yes").unwrap(), Placed::New);
        assert_eq!(fs::read(&aside).unwrap(), bad, "{what}");
        assert!(path.with_added_extension("2.corrupt").exists());
    }
}

#[test]
fn strangers_among_the_records_are_no_records() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let place = directory.path().join("records");
    fs::write(place.join("notes.txt"), "mine").unwrap();
    fs::write(place.join(".tmp-half"), "{").unwrap();
    fs::write(place.join("results.json"), "{}").unwrap();
    let (stored, messages) = store.read_all().unwrap();
    assert!(stored.is_empty());
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("its name is not a record key"));
    assert!(place.join("notes.txt").exists() && place.join("results.json.corrupt").exists());
}

#[test]
fn a_newer_layout_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let record = &records(&DEMO)[1];
    let mut value = serde_json::json!(record);
    value["schema"] = (RECORD_SCHEMA + 1).into();
    let body = serde_json::json!({"answers": null, "record": value}).to_string();
    let file = format!("{{\"sha256\": \"{}\", {}", sha256(&body), &body[1..]);
    let path = store.record_path(&key(record));
    fs::write(&path, file).unwrap();
    let message = store.get(&key(record)).unwrap_err().to_string();
    assert!(message.contains(&format!("layout {}", RECORD_SCHEMA + 1)), "{message}");
    assert!(path.exists());
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(text.as_bytes());
    let digits = digest.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from_digit(d.into(), 16).unwrap()).collect()
}

#[test]
fn what_was_kept_of_finished_evaluations_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let answers = directory.path().join("answers");
    for evaluation in ["a", "b"] {
        let stem = store.wave_stem(evaluation).to_str().unwrap().to_owned();
        fs::write(format!("{stem}-work-3-sum"), "").unwrap();
        fs::write(answers.join(format!(".partial-{evaluation}")), "").unwrap();
    }
    store.forget_partials(|evaluation| evaluation == "a");
    assert_eq!(names(&answers), [".partial-b", ".wave-b-work-3-sum"]);
}

#[test]
fn numbers_that_are_none_and_wrong_keys_are_not_published() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let refused = |change: fn(&mut Record)| {
        let mut record = records(&DEMO)[1].clone();
        change(&mut record);
        store.publish(&record, Answers::None).unwrap_err().to_string()
    };
    assert!(refused(|r| r.metrics[0].value = f64::NAN).contains("`accuracy` with the number NaN"));
    assert!(refused(|r| r.metrics[0].interval.1 = f64::INFINITY).contains("number inf"));
    assert!(refused(|r| r.key = "0".repeat(64)).contains("the hash of its inputs"));
    assert!(refused(|r| r.cell.fraction_removed = 1.0).contains("fraction_removed 1"));
    assert_eq!(store.read_all().unwrap().0.len(), 0);
}

#[test]
fn a_dropped_cell_leaves_no_answers() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &sweep()).unwrap();
    let mut answers = store.begin_answers(&key(&records(&DEMO)[1])).unwrap();
    answers.append(&"half an answer").unwrap();
    drop(answers);
    assert!(names(&directory.path().join("answers")).is_empty());
}

/// Fills the place of a store until it refuses, and checks that nothing published is lost.
fn fill(place: &Path) {
    let store = Store::open(&place.join("sweep"), &sweep()).unwrap();
    let all = records(&DEMO);
    publish(&store, &all[0], "kept").unwrap();
    let before = fs::read(store.record_path(&key(&all[0]))).unwrap();
    let error = publish(&store, &all[1], &"x".repeat(1 << 20)).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.contains("no room to write") && message.contains("finished cells are kept"),
        "{message}"
    );
    let (stored, messages) = store.read_all().unwrap();
    assert_eq!((stored.len(), messages.len()), (1, 0));
    assert_eq!(fs::read(store.record_path(&key(&all[0]))).unwrap(), before);
    assert_eq!(names(&place.join("sweep/answers")).len(), 1);
    // With room again, the same cell is done.
    assert_eq!(publish(&store, &all[1], "short").unwrap(), Placed::New);
}

/// A small file system of our own; `None` where this user may not mount.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .output();
        let mounted = mount.is_ok_and(|o| o.status.success());
        mounted.then(|| Self(directory))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_a_clear_error_and_loses_nothing() {
    if std::env::var_os("SECATEUR_TEST_LIMITED").is_some() {
        return; // the other test's child
    }
    match Mounted::new("size=256k") {
        Some(small) => fill(small.0.path()),
        None => println!("skipped: may not mount a small file system here"),
    }
}

/// Runs itself again in a shell that limits the size of files: the same trouble, without any rights.
#[cfg(unix)]
#[test]
fn a_file_size_limit_is_a_clear_error_and_loses_nothing() {
    if let Some(place) = std::env::var_os("SECATEUR_TEST_LIMITED") {
        fill(Path::new(&place));
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let script =
        "trap '' XFSZ; ulimit -f 512; exec \"$0\" --exact a_file_size_limit_is_a_clear_error_and_loses_nothing";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("SECATEUR_TEST_LIMITED", place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(
        child.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_read_only_directory_is_a_clear_error_and_can_be_read() {
    let Some(disk) = Mounted::new("size=4m") else {
        println!("skipped: may not mount a file system here");
        return;
    };
    let place = disk.0.path().join("sweep");
    let store = Store::open(&place, &sweep()).unwrap();
    let all = records(&DEMO);
    publish(&store, &all[0], "kept").unwrap();
    fs::write(store.record_path(&key(&all[1])), "damaged").unwrap();
    let remount = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(disk.0.path())
        .status();
    assert!(remount.unwrap().success());
    let error = publish(&store, &all[2], "lost?").unwrap_err();
    assert!(matches!(error, Error::NotWritable { .. }), "{error:?}");
    assert!(error.to_string().contains("choose a results directory"), "{error}");
    assert!(matches!(Store::open(&place, &sweep()), Err(Error::NotWritable { .. })));
    let (stored, messages) = Store::open_existing(&place).unwrap().read_all().unwrap();
    assert_eq!((stored.len(), messages.len()), (1, 1));
    assert!(messages[0].contains("could not be moved away"), "{}", messages[0]);
}
