//! Waves of log-likelihoods kept between two layers, so that a process that ends early goes on there.
//!
//! One file for a wave, whose name tells what it is of, the layers behind it, and the SHA-256 of its bytes. It is renamed into place before the
//! one of an earlier layer is removed: whenever a process ends, the last whole file stays.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::batch::Batch;
use crate::checkpoint::digits;
use crate::error::ModelError;
use crate::layerwise::between::{Between, Hashing, Resumed};
use crate::model::Model;

/// Hexadecimal digits that tell a wave from others of the same origin.
const DIGITS: usize = 32;

/// Writing takes at most this part of the time.
const SHARE: u32 = 20;

/// Where a model keeps its waves.
#[derive(Debug)]
pub struct KeptWaves {
    stem: PathBuf,
    origin: String,
    pace: Duration,
    warn: fn(&str),
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// When it was last kept, or begun, and how long that took.
    last: Instant,
    took: Duration,
    /// The last file of this wave.
    file: Option<PathBuf>,
    /// The disk has refused: evaluation goes on without.
    given_up: bool,
}

impl KeptWaves {
    /// Keeps waves in files whose paths begin with `stem`, whenever a layer ends and `pace` has gone by since the last time. `origin` is all that
    /// numbers depend on besides the tokens and the mask: the checkpoint, the precision, the program. `warn` is told of what is there and
    /// damaged, and of a disk that refuses.
    #[must_use]
    pub fn new(stem: PathBuf, origin: String, pace: Duration, warn: fn(&str)) -> Self {
        let kept = Kept {
            last: Instant::now(),
            took: Duration::ZERO,
            file: None,
            given_up: false,
        };
        Self {
            stem,
            origin,
            pace,
            warn,
            kept: Mutex::new(kept),
        }
    }

    /// A wave of the model as it is masked.
    pub(crate) fn of<'a>(&'a self, model: &'a Model, wave: &'a [Batch]) -> KeptWave<'a> {
        let mut hash = Sha256::new();
        let mut part = |text: String| {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        part(self.origin.clone());
        part(format!("{:?}", model.mask()));
        // All of a batch is in its words, field by field.
        for batch in wave {
            part(format!("{batch:?}"));
        }
        KeptWave {
            waves: self,
            model,
            wave,
            work: digits(&hash.finalize())[..DIGITS].to_owned(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One wave on its way through the layers.
pub(crate) struct KeptWave<'a> {
    waves: &'a KeptWaves,
    model: &'a Model,
    wave: &'a [Batch],
    /// What the wave is, as a digest.
    work: String,
}

impl KeptWave<'_> {
    /// What an earlier process left of it. What is damaged is removed, with a warning.
    pub(crate) fn find(&self) -> Option<Resumed> {
        let start = self.path("");
        let (folder, start) = (start.parent()?, start.file_name()?.to_str()?);
        let mut found: Vec<(usize, String, PathBuf)> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let (layers, sha256) = name.strip_prefix(start)?.split_once('-')?;
                Some((layers.parse().ok()?, sha256.to_owned(), entry.path()))
            })
            .collect();
        found.sort();
        let mut resumed = None;
        for (layers, sha256, path) in found.into_iter().rev() {
            if resumed.is_none() {
                let read = self.read(&path, layers, &sha256);
                let warn = |error| {
                    (self.waves.warn)(&format!(
                        "{} is damaged: {error}; it is removed, and the pass through the layers begins anew",
                        path.display()
                    ));
                };
                resumed = read.map_err(warn).ok();
                if resumed.is_some() {
                    self.waves.kept().file = Some(path);
                    continue;
                }
            }
            let _ = fs::remove_file(path);
        }
        resumed
    }

    fn read(&self, path: &Path, layers: usize, sha256: &str) -> io::Result<Resumed> {
        let damaged = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let all = self.model.spec().layers.len();
        if layers == 0 || layers > all {
            return Err(damaged(format!(
                "it is behind {layers} layers, of which there are {all}"
            )));
        }
        let mut file = Hashing::new(BufReader::new(File::open(path)?));
        let resumed = self.model.resumed(self.wave, layers, &mut file)?;
        if file.sha256() != sha256 {
            return Err(damaged("its checksum is another".into()));
        }
        Ok(resumed)
    }

    /// Keeps it behind a layer, if it is time to. A disk that refuses is told once, and nothing kept from then on.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn keep(&self, between: &Between<'_>) -> Result<(), ModelError> {
        let mut kept = self.waves.kept();
        let wait = self.waves.pace.max(SHARE * kept.took);
        if kept.given_up || between.layers_done == between.layers || kept.last.elapsed() < wait {
            return Ok(());
        }
        let started = Instant::now();
        let written = self.write(between)?;
        let mut refused = |path: &Path, error: io::Error| {
            (self.waves.warn)(&format!(
                "cannot write {}: {error}; the pass through the layers is not kept, and evaluation goes on",
                path.display()
            ));
            kept.given_up = true;
        };
        match written {
            Ok(path) => {
                if let Some(old) = kept.file.replace(path) {
                    let _ = fs::remove_file(old);
                }
            }
            Err((path, error)) => {
                let _ = fs::remove_file(&path);
                refused(&path, error);
            }
        }
        kept.last = Instant::now();
        kept.took = started.elapsed();
        Ok(())
    }

    /// The file, or what the disk said of which.
    fn write(&self, between: &Between<'_>) -> Result<Result<PathBuf, (PathBuf, io::Error)>, ModelError> {
        let unfinished = self.path("unfinished");
        let sha256 = match between.write(&unfinished)? {
            Ok(sha256) => sha256,
            Err(error) => return Ok(Err((unfinished, error))),
        };
        let path = self.path(&format!("{}-{sha256}", between.layers_done));
        Ok(fs::rename(&unfinished, &path)
            .map(|()| path)
            .map_err(|error| (unfinished, error)))
    }

    /// The wave is through all layers.
    pub(crate) fn done(&self) {
        if let Some(file) = self.waves.kept().file.take() {
            // What stays is of no use, and found by its age.
            let _ = fs::remove_file(file);
        }
    }

    /// `‹stem›-‹work›-‹end›`.
    fn path(&self, end: &str) -> PathBuf {
        let mut path = self.waves.stem.clone().into_os_string();
        path.push(format!("-{}-{end}", self.work));
        path.into()
    }
}
