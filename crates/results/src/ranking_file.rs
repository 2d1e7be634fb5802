//! A ranking as the sweep leaves it for the report: `rankings/‹model›/‹label›.json`.
//!
//! `label` is `method@profile-seed`. The file names every expert of every layer, best first, with its score, so that the
//! mask of any fraction can be derived from it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::Error;

const LARGEST: u64 = 256 << 20;
const EXPECTED: &str = "a ranking: every expert of a layer once, and a finite score for each";

/// The order in which a method would keep the experts of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankingFile {
    /// Name of the model in the sweep.
    pub model: String,
    /// The method.
    pub method: String,
    /// `reference` or `paper`.
    pub profile: String,
    /// Seed of calibration data and of the random method.
    pub seed: u64,
    /// Name of the calibration corpus or corpora, `+`-joined.
    pub calibration: String,
    /// Layers with experts, in the model's order.
    pub layers: Vec<RankedLayer>,
}

/// The experts of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedLayer {
    /// Index of the layer in the model.
    pub layer: usize,
    /// Expert ids, best first.
    pub experts: Vec<usize>,
    /// Score of each expert, by id.
    pub scores: Vec<f64>,
}

impl RankingFile {
    /// `method@profile-seed`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}-{}", self.method, self.profile, self.seed)
    }

    /// Where the ranking lies in a sweep's directory. Characters that no file name should have become `_`; several corpora
    /// of a sweep differ by a suffix of the caller's choice in `model` or `method`.
    #[must_use]
    pub fn path(&self, sweep: &Path) -> PathBuf {
        let file = format!("{}.json", file_name(&self.label()));
        sweep.join("rankings").join(file_name(&self.model)).join(file)
    }

    /// Writes the ranking into a sweep's directory, over an older one.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not a ranking; [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
    pub fn write(&self, sweep: &Path) -> Result<PathBuf, Error> {
        let path = self.path(sweep);
        self.check(&path)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io("write", parent, e))?;
        }
        let mut bytes = serde_json::to_vec(self).map_err(|e| malformed(&path, e.to_string()))?;
        bytes.push(b'\n');
        atomic::write_over(&path, &bytes)?;
        Ok(path)
    }

    /// Reads and checks a ranking.
    ///
    /// # Errors
    /// [`Error::Malformed`] says what is wrong; [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = atomic::read_limited(path, LARGEST)?
            .ok_or_else(|| Error::io("read", path, std::io::ErrorKind::NotFound.into()))?;
        let ranking: Self = serde_json::from_slice(&bytes).map_err(|e| malformed(path, e.to_string()))?;
        ranking.check(path)?;
        Ok(ranking)
    }

    /// The experts kept per layer when `fraction` is removed, best first: the first `E − floor(fraction · E + 1e-9)`.
    #[must_use]
    #[allow(clippy::cast_sign_loss)] // a fraction is not negative
    pub fn kept(&self, fraction: f64) -> Vec<Vec<usize>> {
        let keep = |layer: &RankedLayer| {
            let total = layer.experts.len();
            let removed = (fraction * total as f64 + 1e-9).floor() as usize;
            let kept = total.saturating_sub(removed);
            layer.experts[..kept].to_vec()
        };
        self.layers.iter().map(keep).collect()
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        if self.layers.is_empty() {
            return Err(malformed(path, "no layers".to_owned()));
        }
        for RankedLayer { layer, experts, scores } in &self.layers {
            let mut seen = vec![false; scores.len()];
            for &expert in experts {
                let repeated = seen.get_mut(expert).map(|s| std::mem::replace(s, true));
                if repeated != Some(false) {
                    let why = if repeated.is_some() { "twice" } else { "without a score" };
                    return Err(malformed(path, format!("layer {layer}: expert {expert} {why}")));
                }
            }
            if experts.is_empty() || experts.len() != scores.len() {
                let (e, s) = (experts.len(), scores.len());
                return Err(malformed(path, format!("layer {layer}: {e} experts and {s} scores")));
            }
            if let Some(at) = scores.iter().position(|s| !s.is_finite()) {
                let why = format!("layer {layer}: expert {at} has the score {}", scores[at]);
                return Err(malformed(path, why));
            }
        }
        Ok(())
    }
}

/// All rankings of a sweep, by path; a message for each file that is none.
///
/// # Errors
/// [`Error::Io`] if a directory cannot be listed.
pub fn read_all(sweep: &Path) -> Result<(Vec<RankingFile>, Vec<String>), Error> {
    let (mut rankings, mut messages) = (Vec::new(), Vec::new());
    for model in sorted_entries(&sweep.join("rankings"))? {
        for path in sorted_entries(&model)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let json = path.extension().is_some_and(|e| e == "json");
            if !json || name.starts_with(atomic::TEMPORARY) {
                continue;
            }
            match RankingFile::read(&path) {
                Ok(ranking) => rankings.push(ranking),
                Err(error) => messages.push(format!("{error}; it is left out of the charts")),
            }
        }
    }
    Ok((rankings, messages))
}

fn sorted_entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).map_err(|e| Error::io("read", directory, e))?;
    let paths: Result<Vec<_>, _> = entries.map(|e| e.map(|e| e.path())).collect();
    let mut paths = paths.map_err(|e| Error::io("read", directory, e))?;
    paths.sort();
    Ok(paths)
}

/// Text as part of a file name: letters, digits, `.`, `_`, `-`, `@`; never empty, hidden or a way out of the directory.
pub(crate) fn file_name(text: &str) -> String {
    let name: String = text
        .chars()
        .take(120)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '@' | '.' => c,
            _ => '_',
        })
        .collect();
    if name.is_empty() || name.starts_with('.') {
        format!("_{name}")
    } else {
        name
    }
}

fn malformed(path: &Path, found: String) -> Error {
    Error::Malformed {
        path: path.to_path_buf(),
        found,
        expected: EXPECTED,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ranking() -> RankingFile {
        RankingFile {
            model: "../evil".to_owned(),
            method: "reap".to_owned(),
            profile: "reference".to_owned(),
            seed: 3,
            calibration: "corpus".to_owned(),
            layers: vec![RankedLayer {
                layer: 1,
                experts: vec![2, 0, 3, 1],
                scores: vec![0.5, 0.1, 0.9, 0.2],
            }],
        }
    }

    #[test]
    fn a_ranking_survives_its_file_and_stays_in_its_directory() {
        let sweep = tempfile::tempdir().unwrap();
        let path = ranking().write(sweep.path()).unwrap();
        assert_eq!(path, sweep.path().join("rankings/_.._evil/reap@reference-3.json"));
        assert_eq!(RankingFile::read(&path).unwrap(), ranking());
        fs::write(path.with_file_name("bad.json"), "{").unwrap();
        let (rankings, messages) = read_all(sweep.path()).unwrap();
        assert_eq!((rankings.len(), messages.len()), (1, 1));
        assert!(messages[0].contains("bad.json"));
    }

    #[test]
    fn masks_are_nested_prefixes() {
        assert_eq!(ranking().kept(0.5), [[2, 0]]);
        assert_eq!(ranking().kept(0.74), [[2, 0]]);
        assert_eq!(ranking().kept(0.0)[0].len(), 4);
    }

    #[test]
    fn what_is_no_ranking_is_refused() {
        let path = Path::new("x.json");
        let broken = |change: fn(&mut RankedLayer)| {
            let mut ranking = ranking();
            change(&mut ranking.layers[0]);
            ranking.check(path).unwrap_err().to_string()
        };
        assert!(broken(|l| l.experts[0] = 0).contains("expert 0 twice"));
        assert!(broken(|l| l.experts[0] = 9).contains("expert 9 without a score"));
        assert!(broken(|l| l.experts.truncate(3)).contains("3 experts and 4 scores"));
        assert!(broken(|l| l.scores[1] = f64::NAN).contains("expert 1 has the score NaN"));
    }
}
