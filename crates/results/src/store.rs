//! The directory of one sweep: who it belongs to, its records, its answers.
//!
//! ```text
//! results/sweeps/‹name›/
//!   sweep.json              whose directory this is
//!   manifest.json           how the sweep was made: command, versions, hashes (for the report)
//!   records/‹key›.json      {"sha256", "answers", "record"}; written once, never edited
//!   answers/‹key›.jsonl     every prompt and answer
//!   answers/.partial-‹…›    answers of a running cell
//!   answers/.wave-‹…›       tokens of a running cell between two layers
//!   claims/‹…›              who is at work on what
//!   failures/‹key›.json     why a cell has no record
//!   rankings/‹model›/‹label›.json
//!   report/
//! ```
//!
//! The same files lie under `s3://bucket/‹…›/‹name›/` where results are in an object store (see [`crate::shared`]).
//!
//! `sha256` is the hash of the compact JSON of `{"answers", "record"}`. A record appears only after its answers. A record
//! that does not hold what its name promises is set aside as `‹key›.json.corrupt` and counts as missing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secateur_remote::Remote;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answers::{AnswersFile, AnswersWriter};
use crate::atomic::{self, Placed};
use crate::error::Error;
use crate::key::{RecordKey, sha256};
use crate::location::Location;
use crate::partial::{PARTIAL, Partial, WAVE};
use crate::record::Record;
use crate::shared;

/// Layout version of records that this program writes: 2 since records say how many items a metric is asked of and keep
/// resamples, 3 since they say which scorer made a number and keep diagrams and the changes of single items. Older records are
/// read; reports say what they lack.
pub const RECORD_SCHEMA: u32 = 3;
const LARGEST_RECORD: u64 = 64 << 20;

/// Whose directory it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepIdentity {
    /// Layout version of this file.
    pub schema: u32,
    /// The sweep's name.
    pub name: String,
    /// SHA-256 of the definition.
    pub definition_sha256: String,
    /// The definition in its canonical text, as hashed.
    pub definition: String,
}

impl SweepIdentity {
    /// The identity of a sweep. `definition` is a text that is equal exactly when the sweeps are.
    #[must_use]
    pub fn new(name: &str, definition: &str) -> Self {
        Self {
            schema: 1,
            name: name.to_owned(),
            definition_sha256: sha256(definition.as_bytes()),
            definition: definition.to_owned(),
        }
    }
}

/// A record as it stands in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// The record.
    pub record: Record,
    /// Its answers, if the cell kept any.
    pub answers: Option<AnswersFile>,
}

/// What lies under a key.
#[derive(Debug)]
pub enum Found {
    /// A sound record.
    Present(Box<StoredRecord>),
    /// None.
    Missing,
    /// One that was not what its name promises; it is out of the way now, and the cell is to be done again.
    SetAside {
        /// What was wrong and where the file is.
        message: String,
    },
}

/// The answers to publish with a record.
#[derive(Debug)]
pub enum Answers {
    /// Nothing was asked.
    None,
    /// This cell's own.
    Own(AnswersWriter),
    /// Those of a cell with the same mask, already published.
    Of(RecordKey),
}

/// The directory of one sweep.
///
/// What a finished sweep says, from its records alone:
///
/// ```no_run
/// use std::path::Path;
///
/// use secateur_results::safe::{SafeOptions, SafeSection, safe_fractions};
/// use secateur_results::store::Store;
///
/// let store = Store::open_existing(Path::new("results/sweeps/demo"))?;
/// let (stored, _set_aside) = store.read_all()?;
/// let records: Vec<_> = stored.into_iter().map(|stored| stored.record).collect();
/// let options = SafeOptions::check(&SafeSection::default())?;
/// for safe in safe_fractions(&records, &options) {
///     println!("{} by {} in {}: {}", safe.model, safe.method, safe.domain, safe.fraction);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    identity: SweepIdentity,
    pub(crate) remote: Option<Arc<Remote>>,
}

impl Store {
    /// Opens the directory for a sweep, and makes it if need be. `place` may be an address, as for all that open a store.
    ///
    /// # Errors
    /// [`Error::AnotherSweep`] if it holds one; [`Error::NotWritable`], [`Error::DiskFull`], [`Error::Malformed`].
    pub fn open(place: &Path, sweep: &SweepIdentity) -> Result<Self, Error> {
        Self::open_at(Location::find(place)?, sweep)
    }

    /// The same at a place that is understood already.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_at(location: Location, sweep: &SweepIdentity) -> Result<Self, Error> {
        let directory = location.directory.clone();
        for part in ["records", "answers"] {
            let path = directory.join(part);
            fs::create_dir_all(&path).map_err(|e| Error::io("write", &path, e))?;
        }
        match &location.remote {
            Some(remote) => shared::identify(remote, &directory, &pretty(sweep))?,
            None => atomic::write_new(&directory.join("sweep.json"), &pretty(sweep)).map(|_| ())?,
        }
        let store = Self::at(location)?;
        store.check_is_of(sweep)?;
        for part in ["", "records", "answers", "tables", "report", "report/charts"] {
            atomic::sweep_out(&directory.join(part));
        }
        Ok(store)
    }

    /// Opens the directory of a sweep that has been started; writes nothing.
    ///
    /// # Errors
    /// [`Error::NoSweep`], [`Error::NewerSchema`], [`Error::Malformed`], [`Error::Io`].
    pub fn open_existing(place: &Path) -> Result<Self, Error> {
        let location = Location::find(place)?;
        if let Some(remote) = &location.remote
            && !remote.bring("sweep.json", &location.directory)?
        {
            return Err(Error::NoSweep {
                directory: place.to_path_buf(),
            });
        }
        Self::at(location)
    }

    fn at(location: Location) -> Result<Self, Error> {
        let Location { directory, remote } = location;
        let path = directory.join("sweep.json");
        let bytes = atomic::read_limited(&path, LARGEST_RECORD)?.ok_or_else(|| Error::NoSweep {
            directory: directory.clone(),
        })?;
        let identity: SweepIdentity = parse(&path, &bytes, "a sweep's identity")?;
        if identity.schema > 1 {
            return Err(Error::NewerSchema {
                path,
                found: identity.schema.into(),
                known: 1,
            });
        }
        Ok(Self {
            directory,
            identity,
            remote,
        })
    }

    /// Opens the directory of a sweep if that has been started; writes nothing.
    ///
    /// # Errors
    /// As [`Store::open_existing`]; [`Error::AnotherSweep`].
    pub fn open_if_started(directory: &Path, sweep: &SweepIdentity) -> Result<Option<Self>, Error> {
        match Self::open_existing(directory) {
            Ok(store) => store.check_is_of(sweep).map(|()| Some(store)),
            Err(Error::NoSweep { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_is_of(&self, sweep: &SweepIdentity) -> Result<(), Error> {
        let found = &self.identity;
        if found.name == sweep.name && found.definition_sha256 == sweep.definition_sha256 {
            return Ok(());
        }
        let short = |hash: &str| hash.chars().take(12).collect();
        Err(Error::AnotherSweep {
            directory: self.place(),
            found: found.name.clone(),
            found_hash: short(&found.definition_sha256),
            wanted: sweep.name.clone(),
            wanted_hash: short(&sweep.definition_sha256),
        })
    }

    /// Where results lie as the user says it: the directory, or the address that it is a copy of.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        let address = self.remote.as_ref().map(|remote| PathBuf::from(remote.address()));
        address.unwrap_or_else(|| self.directory.clone())
    }

    /// The directory, which may be a copy.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whose it is.
    #[must_use]
    pub fn identity(&self) -> &SweepIdentity {
        &self.identity
    }

    /// Where a record lies.
    #[must_use]
    pub fn record_path(&self, key: &RecordKey) -> PathBuf {
        self.directory.join("records").join(format!("{key}.json"))
    }

    /// Where answers lie.
    #[must_use]
    pub fn answers_path(&self, key: &RecordKey) -> PathBuf {
        self.directory.join("answers").join(format!("{key}.jsonl"))
    }

    /// Starts the answers of a cell.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
    pub fn begin_answers(&self, key: &RecordKey) -> Result<AnswersWriter, Error> {
        AnswersWriter::create(&self.answers_path(key))
    }

    /// The answers that an earlier process has kept of an evaluation that it did not finish, and the file to keep more of them.
    /// Whoever asks holds the evaluation's claim.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
    pub fn partial<T: DeserializeOwned>(&self, evaluation: &str) -> Result<(Partial, Vec<T>), Error> {
        let name = format!("answers/{PARTIAL}{evaluation}");
        let path = self.directory.join(&name);
        match &self.remote {
            Some(remote) => Partial::open_shared(&path, remote, name),
            None => Partial::open(&path),
        }
    }

    /// How paths begin of what a model larger than memory keeps of an evaluation between two layers.
    #[must_use]
    pub fn wave_stem(&self, evaluation: &str) -> PathBuf {
        self.directory.join(format!("answers/{WAVE}{evaluation}"))
    }

    /// Removes the answers that were kept of evaluations which are `done`: a process that died after it had published a record, and
    /// before it removed them, left them. Trouble is ignored: they are only clutter.
    pub fn forget_partials(&self, done: impl Fn(&str) -> bool) {
        for entry in fs::read_dir(self.directory.join("answers"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let evaluation = name.to_str().and_then(|name| {
                let wave = || {
                    name.strip_prefix(WAVE)?
                        .split_once('-')
                        .map(|(evaluation, _)| evaluation)
                };
                name.strip_prefix(PARTIAL).or_else(wave)
            });
            if evaluation.is_some_and(&done) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Where claims lie.
    #[must_use]
    pub fn claims_directory(&self) -> PathBuf {
        self.directory.join("claims")
    }

    /// Publishes a finished cell: answers first, then the record, both whole or absent. If the cell was published
    /// before, or by another process meanwhile, the first record and its answers stand and these are discarded.
    ///
    /// # Errors
    /// [`Error::BadRecord`] for a wrong key or a number that is not finite; [`Error::DiskFull`], [`Error::NotWritable`],
    /// [`Error::Io`]: nothing of what stood before is lost then.
    pub fn publish(&self, record: &Record, answers: Answers) -> Result<Placed, Error> {
        let key = check(record)?;
        let path = self.record_path(&key);
        let _lock = self.lock()?;
        if let Found::Present(_) = self.look(&key)? {
            return Ok(Placed::AlreadyThere);
        }
        let answers = match answers {
            Answers::None => None,
            Answers::Own(writer) if writer.path() == self.answers_path(&key) => Some(writer.publish(key.as_str())?),
            Answers::Own(writer) => {
                return Err(bad(
                    record,
                    format!("answers for {}", writer.path().display()),
                    "the answers of the same key",
                ));
            }
            Answers::Of(source) => self.answers_of(record, &source)?,
        };
        let record = envelope(record, answers.as_ref());
        match &self.remote {
            Some(remote) => self.publish_shared(remote, &key, answers.as_ref(), &record),
            None => atomic::write_new(&path, &record),
        }
    }

    fn answers_of(&self, record: &Record, source: &RecordKey) -> Result<Option<AnswersFile>, Error> {
        match self.look(source)? {
            Found::Present(stored) => Ok(stored.answers),
            Found::Missing | Found::SetAside { .. } => Err(bad(
                record,
                format!("answers of {}, which has no record", source.short()),
                "a published cell with the same mask",
            )),
        }
    }

    /// Whether there is a record, sound or not: enough to see that another worker has published one.
    #[must_use]
    pub fn has(&self, key: &RecordKey) -> bool {
        match &self.remote {
            Some(remote) => remote
                .stamp(&format!("records/{key}.json"))
                .is_ok_and(|stamp| stamp.is_some()),
            None => self.record_path(key).exists(),
        }
    }

    /// Whether there is a sound record; one that is not is left where it is.
    #[must_use]
    pub fn has_sound(&self, key: &RecordKey) -> bool {
        match &self.remote {
            Some(remote) => self.is_sound_there(remote, key),
            None => matches!(self.inspect(key), Ok(Ok(Found::Present(_)))),
        }
    }

    /// The record of a cell.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], [`Error::Io`]. Damage is not an error but [`Found::SetAside`].
    pub fn get(&self, key: &RecordKey) -> Result<Found, Error> {
        if let Ok(found) = self.inspect(key)? {
            return Ok(found);
        }
        // Another process may be replacing it: look again while nobody publishes. A directory that cannot be
        // written has no lock and no publisher.
        let _lock = self.lock().ok();
        if self.remote.is_some() {
            // Perhaps only the copy is damaged.
            let _ = fs::remove_file(self.record_path(key));
        }
        self.look(key)
    }

    fn look(&self, key: &RecordKey) -> Result<Found, Error> {
        Ok(self.inspect(key)?.unwrap_or_else(|why| {
            let emptied = self.vacate(key);
            Found::SetAside {
                message: set_aside(&self.record_path(key), &why) + &emptied,
            }
        }))
    }

    /// `Err` inside says what is wrong with the file.
    fn inspect(&self, key: &RecordKey) -> Result<Result<Found, String>, Error> {
        match self.bring_record(key)? {
            Some(Ok(())) => {}
            None => return Ok(Ok(Found::Missing)),
            Some(Err(why)) => return Ok(Err(why)),
        }
        let path = self.record_path(key);
        let outcome = match atomic::read_limited(&path, LARGEST_RECORD) {
            Ok(None) => return Ok(Ok(Found::Missing)),
            Ok(Some(bytes)) => read_envelope(&path, key, &bytes),
            Err(Error::Malformed { found, .. }) => Err(Unsound::Damaged(found)),
            Err(error) => return Err(error),
        };
        match outcome {
            Ok(stored) => Ok(Ok(Found::Present(Box::new(stored)))),
            Err(Unsound::Newer(error)) => Err(error),
            Err(Unsound::Damaged(why)) => Ok(Err(why)),
        }
    }

    /// All sound records, in the order of their keys, and a message for each file that was none.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], [`Error::Io`].
    pub fn read_all(&self) -> Result<(Vec<StoredRecord>, Vec<String>), Error> {
        let directory = self.directory.join("records");
        let (mut records, mut messages) = (Vec::new(), Vec::new());
        for name in self.record_names(&directory)? {
            let Some(stem) = name.strip_suffix(".json") else {
                continue; // temporary, set aside, or someone's note
            };
            let Some(key) = RecordKey::parse(stem) else {
                let why = "its name is not a record key";
                messages.push(set_aside(&directory.join(&name), why));
                continue;
            };
            match self.get(&key)? {
                Found::Present(stored) => records.push(*stored),
                Found::Missing => {}
                Found::SetAside { message } => messages.push(message),
            }
        }
        Ok((records, messages))
    }

    /// Names of all that lies among the records.
    fn record_names(&self, directory: &Path) -> Result<Vec<String>, Error> {
        if let Some(remote) = &self.remote {
            return self.bring_records(remote);
        }
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", directory, e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", directory, e))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Writes what the report prints under "How this was made", over an older one.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
    pub fn write_manifest(&self, manifest: &BTreeMap<String, Value>) -> Result<(), Error> {
        atomic::write_over(&self.directory.join("manifest.json"), &pretty(manifest))?;
        self.send("manifest.json")
    }

    /// The manifest, empty if none was written.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Io`].
    pub fn manifest(&self) -> Result<BTreeMap<String, Value>, Error> {
        if !self.bring("manifest.json")? {
            return Ok(BTreeMap::new());
        }
        let path = self.directory.join("manifest.json");
        match atomic::read_limited(&path, LARGEST_RECORD)? {
            Some(bytes) => parse(&path, &bytes, "a JSON object"),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Held while a cell is published, so that a record and its answers come from one process. The system frees it when a
    /// process dies. Where a file system has no locks, the record itself still appears only once.
    fn lock(&self) -> Result<File, Error> {
        let path = self.directory.join("records").join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("write", &path, e))?;
        match file.lock() {
            Err(e) if e.kind() != std::io::ErrorKind::Unsupported => Err(Error::io("lock", &path, e)),
            _ => Ok(file),
        }
    }
}

pub(crate) enum Unsound {
    Damaged(String),
    Newer(Error),
}

#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    sha256: String,
    answers: Option<AnswersFile>,
    record: R,
}

/// Hashes what the checksum covers. Both sides go through `Value`, whose text is the same before and after a round trip.
fn checksum(answers: Option<&AnswersFile>, record: &Value) -> String {
    let body = serde_json::json!({ "answers": answers, "record": record });
    sha256(body.to_string().as_bytes())
}

fn envelope(record: &Record, answers: Option<&AnswersFile>) -> Vec<u8> {
    let record = serde_json::json!(record);
    pretty(&Envelope {
        sha256: checksum(answers, &record),
        answers: answers.cloned(),
        record,
    })
}

pub(crate) fn read_envelope(path: &Path, key: &RecordKey, bytes: &[u8]) -> Result<StoredRecord, Unsound> {
    let damaged = |why: String| Unsound::Damaged(why);
    let file: Envelope<Value> =
        serde_json::from_slice(bytes).map_err(|e| damaged(format!("it is not a record file: {e}")))?;
    let found = checksum(file.answers.as_ref(), &file.record);
    if found != file.sha256 {
        return Err(damaged(format!("its checksum is {found}, but it says {}", file.sha256)));
    }
    let schema = file.record["schema"].as_u64().unwrap_or(0);
    if schema > RECORD_SCHEMA.into() {
        return Err(Unsound::Newer(Error::NewerSchema {
            path: path.to_path_buf(),
            found: schema,
            known: RECORD_SCHEMA,
        }));
    }
    let record: Record = serde_json::from_value(file.record).map_err(|e| damaged(format!("it is no record: {e}")))?;
    let own = check(&record).map_err(|e| damaged(e.to_string()))?;
    if own != *key {
        return Err(damaged(format!("it is the record of {own}")));
    }
    Ok(StoredRecord {
        record,
        answers: file.answers,
    })
}

/// A record that may be published: its key is that of its inputs, and every number is finite.
fn check(record: &Record) -> Result<RecordKey, Error> {
    let key = RecordKey::from_inputs(&record.inputs);
    if record.key != key.as_str() {
        return Err(bad(record, format!("key {}", record.key), "the hash of its inputs"));
    }
    if !(1..=RECORD_SCHEMA).contains(&record.schema) {
        let found = format!("schema {}", record.schema);
        return Err(bad(record, found, "a schema that this program knows, from 1 on"));
    }
    let fraction = record.cell.fraction_removed;
    if !(0.0..1.0).contains(&fraction) {
        return Err(bad(
            record,
            format!("fraction_removed {fraction}"),
            "a share from 0 up to but not including 1",
        ));
    }
    if !record.cost.seconds.is_finite() {
        return Err(bad(record, "seconds not finite".to_owned(), "a duration"));
    }
    for (place, metric) in record.metrics.iter().enumerate() {
        if record.metrics[..place].iter().any(|other| other.name == metric.name) {
            let found = format!("metric `{}` twice", metric.name);
            return Err(bad(
                record,
                found,
                "every metric once: tables and margins know them by name",
            ));
        }
        let mut numbers = vec![metric.value, metric.interval.0, metric.interval.1];
        if let Some(paired) = &metric.paired {
            numbers.extend([paired.difference, paired.interval.0, paired.interval.1]);
            numbers.push(paired.p_value);
            numbers.extend(
                [
                    paired.standard_error,
                    paired.mid_p,
                    paired.wilcoxon_p,
                    paired.minimum_detectable,
                ]
                .iter()
                .flatten(),
            );
        }
        if let Some(number) = numbers.iter().find(|n| !n.is_finite()) {
            let found = format!("metric `{}` with the number {number}", metric.name);
            return Err(bad(record, found, "finite numbers only"));
        }
    }
    if let Some(found) = beside_metrics(record) {
        return Err(bad(record, found, "finite numbers only"));
    }
    Ok(key)
}

/// A number of the regressions or diagrams that is not finite.
fn beside_metrics(record: &Record) -> Option<String> {
    let changes = record.regressions.iter().flat_map(|all| &all.kinds);
    let ends = changes.flat_map(|change| [change.interval.0, change.interval.1]);
    let bins = record.diagrams.iter().flat_map(|all| &all.reliability);
    let bins = bins.flat_map(|bin| [bin.lower, bin.upper, bin.accuracy, bin.confidence]);
    let curves = record.diagrams.iter().flat_map(|all| &all.risk_coverage);
    let curves = curves.flat_map(|(coverage, risk)| [*coverage, *risk]);
    let named = |what: &'static str| move |number: f64| (what, number);
    let mut all = ends
        .map(named("regressions"))
        .chain(bins.chain(curves).map(named("diagrams")));
    all.find(|(_, number)| !number.is_finite())
        .map(|(what, number)| format!("{what} with the number {number}"))
}

fn bad(record: &Record, found: String, expected: &'static str) -> Error {
    Error::BadRecord {
        cell: record.cell.to_string(),
        found,
        expected,
    }
}

/// Moves a file out of the way without losing it, and says so.
fn set_aside(path: &Path, why: &str) -> String {
    let mut target = path.with_added_extension("corrupt");
    let mut count = 2;
    while target.exists() {
        target = path.with_added_extension(format!("{count}.corrupt"));
        count += 1;
    }
    match fs::rename(path, &target) {
        Ok(()) => format!(
            "{}: {why}; it counts as missing and was moved to {}",
            path.display(),
            target.display()
        ),
        Err(e) => format!(
            "{}: {why}; it counts as missing and could not be moved away: {e}",
            path.display()
        ),
    }
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path, bytes: &[u8], expected: &'static str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::Malformed {
        path: path.to_path_buf(),
        found: e.to_string(),
        expected,
    })
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    // Plain maps with text keys always have a JSON form.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
