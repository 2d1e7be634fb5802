//! What a calibration that goes layer by layer keeps between two layers, so that one that ends early goes on there.
//!
//! A folder with `state.json`, the statistics so far, and the tokens of the wave as they are between two layers. Each state names its
//! files with their SHA-256 and is renamed into place behind them: whenever a process ends, the last whole state stays.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secateur_model::Model;
use secateur_model::batch::Batch;
use secateur_model::layerwise::{Between, Hashing, Resumed};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::PruningError;
use crate::statistics::Statistics;
use crate::statistics_file::{hex, read_limited, write_atomically};

/// Version of the layout.
const SCHEMA: u32 = 1;
const STATE: &str = "state.json";
/// Real states are a few hundred bytes.
const LARGEST_STATE_BYTES: u64 = 1 << 16;

/// A folder in which a calibration is kept between layers.
pub struct Partial<'a> {
    folder: PathBuf,
    pace: Duration,
    warn: &'a mut dyn FnMut(String),
    /// When it was last kept, or begun.
    last: Instant,
    /// Files of the last state.
    files: Vec<PathBuf>,
    /// The disk has refused: a calibration goes on without.
    given_up: bool,
}

/// How far a calibration is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Waves that are done.
    pub(crate) waves_done: usize,
    /// Layers that the next wave is through.
    pub(crate) layers_done: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    schema: u32,
    /// All that the numbers depend on, as a digest.
    work: String,
    place: Place,
    statistics: Kept,
    /// None between two waves.
    streams: Option<Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    file: String,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    state: State,
    sha256: String,
}

/// An earlier process's work.
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) statistics: Statistics,
    pub(crate) wave: Option<Resumed>,
}

impl<'a> Partial<'a> {
    /// Keeps a calibration in `folder`, which need not exist, whenever a layer ends and `pace` has gone by since the last time. `warn` is
    /// told of what is there and of no use, and of a disk that refuses.
    pub fn new(folder: PathBuf, pace: Duration, warn: &'a mut dyn FnMut(String)) -> Self {
        Self {
            folder,
            pace,
            warn,
            last: Instant::now(),
            files: Vec::new(),
            given_up: false,
        }
    }

    /// What an earlier process left of this work, in these waves. What is of other work or damaged is set aside.
    pub(crate) fn find(&mut self, work: &str, model: &Model, waves: &[&[Batch]]) -> Option<Found> {
        if !self.folder.exists() {
            return None;
        }
        let read = self.read(work, model, waves);
        read.inspect_err(|reason| self.set_aside(reason)).ok()
    }

    fn read(&mut self, work: &str, model: &Model, waves: &[&[Batch]]) -> Result<Found, String> {
        let path = self.folder.join(STATE);
        let text = read_limited(&path, LARGEST_STATE_BYTES).map_err(|error| error.to_string())?;
        let text = text.ok_or_else(|| format!("{} is too long", path.display()))?;
        let damaged = |reason: String| format!("{} is damaged: {reason}", path.display());
        let StateFile { state, sha256 } = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if digest(&state).map_err(damaged)? != sha256 {
            return Err(damaged("its checksum is another".into()));
        }
        if state.schema != SCHEMA || state.work != work {
            return Err("it is of another text, model, selection or version".into());
        }
        let statistics = self.folder.join(&state.statistics.file);
        let bytes = fs::read(&statistics).map_err(|error| format!("{}: {error}", statistics.display()))?;
        if hex(&Sha256::digest(&bytes)) != state.statistics.sha256 {
            return Err(format!("{} is damaged: its checksum is another", statistics.display()));
        }
        let found = Statistics::load(&statistics).map_err(|error| error.to_string())?;
        self.files.push(statistics);
        let mut wave = None;
        if let Some(kept) = &state.streams {
            let path = self.folder.join(&kept.file);
            let at = |error: io::Error| format!("{} is damaged: {error}", path.display());
            let batches = waves.get(state.place.waves_done).copied().unwrap_or_default();
            let mut file = Hashing::new(BufReader::new(File::open(&path).map_err(at)?));
            wave = Some(model.resumed(batches, state.place.layers_done, &mut file).map_err(at)?);
            if file.sha256() != kept.sha256 {
                return Err(at(io::Error::other("its checksum is another")));
            }
            self.files.push(path);
        }
        Ok(Found {
            place: state.place,
            statistics: found,
            wave,
        })
    }

    /// Keeps what is known at a place, if it is time to; `between` is absent between two waves.
    ///
    /// # Errors
    /// If the statistics are impossible, or the device fails. A disk that refuses is told once, and nothing kept from then on.
    pub(crate) fn keep(
        &mut self,
        work: &str,
        place: Place,
        statistics: &Statistics,
        between: Option<&Between<'_>>,
    ) -> Result<(), PruningError> {
        if self.given_up || self.last.elapsed() < self.pace {
            return Ok(());
        }
        statistics.check()?;
        match self.write(work, place, statistics, between) {
            Err(error @ PruningError::Io { .. }) => {
                (self.warn)(format!(
                    "{error}; what is done so far is not kept, and calibration goes on"
                ));
                self.given_up = true;
                Ok(())
            }
            other => other,
        }
    }

    fn write(
        &mut self,
        work: &str,
        place: Place,
        statistics: &Statistics,
        between: Option<&Between<'_>>,
    ) -> Result<(), PruningError> {
        fs::create_dir_all(&self.folder).map_err(io_error("make", &self.folder))?;
        let name = |what: &str| format!("{what}-{}-{}", place.waves_done, place.layers_done);
        let file = format!("{}.safetensors", name("statistics"));
        let path = self.folder.join(&file);
        statistics.save(&path)?;
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        let mut files = vec![path];
        let kept = Kept {
            file,
            sha256: hex(&Sha256::digest(&bytes)),
        };
        let streams = match between {
            None => None,
            Some(between) => {
                let file = format!("{}.bin", name("streams"));
                let path = self.folder.join(&file);
                let sha256 = between.write(&path)?.map_err(io_error("write", &path))?;
                files.push(path);
                Some(Kept { file, sha256 })
            }
        };
        let state = State {
            schema: SCHEMA,
            work: work.into(),
            place,
            statistics: kept,
            streams,
        };
        let path = self.folder.join(STATE);
        let unwritable = |reason: String| io_error("write", &path)(io::Error::other(reason));
        let sha256 = digest(&state).map_err(unwritable)?;
        let text = serde_json::to_vec_pretty(&StateFile { state, sha256 }).map_err(|e| unwritable(e.to_string()))?;
        write_atomically(&path, &text)?;
        for old in std::mem::replace(&mut self.files, files) {
            if !self.files.contains(&old) {
                // Of no use any more; what stays is removed at the end.
                let _ = fs::remove_file(old);
            }
        }
        self.last = Instant::now();
        Ok(())
    }

    /// Removes the folder: the work is done.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(self) -> Result<(), PruningError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &self.folder)(error)),
            _ => Ok(()),
        }
    }

    fn set_aside(&mut self, reason: &str) {
        self.files.clear();
        let name = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let places = (1..).map(|n: u32| self.folder.with_file_name(format!("{name}.aside-{n}")));
        let Some(place) = places.take(1000).find(|place| !place.exists()) else {
            self.given_up = true;
            return (self.warn)(format!("{}: {reason}; it cannot be used", self.folder.display()));
        };
        let folder = self.folder.display();
        match fs::rename(&self.folder, &place) {
            Ok(()) => (self.warn)(format!(
                "{folder} cannot be gone on with: {reason}; it is now {}, and calibration begins anew",
                place.display()
            )),
            Err(error) => {
                self.given_up = true;
                (self.warn)(format!(
                    "{folder} cannot be gone on with: {reason}; nor can it be moved away ({error}): calibration begins anew and keeps nothing"
                ));
            }
        }
    }
}

fn digest(state: &State) -> Result<String, String> {
    let text = serde_json::to_vec(state).map_err(|error| error.to_string())?;
    Ok(hex(&Sha256::digest(text)))
}

fn io_error(action: &'static str, file: &Path) -> impl Fn(io::Error) -> PruningError {
    move |source| PruningError::Io {
        action,
        file: file.into(),
        source,
    }
}
