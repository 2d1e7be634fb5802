//! What was measured, and on what. Keys are those of `benchmarks/side_by_side`, so that two programs' figures can be divided.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secateur_model::DeviceKind;
use secateur_model::checkpoint;
use serde_json::{Value, json};

use super::arithmetic::Arithmetic;
use super::measure::Spread;
use super::memory::Held;
use crate::sweep::environment::{environment, versions};

/// How it was measured.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Where products are computed.
    pub device: DeviceKind,
    /// How.
    pub precision: Arithmetic,
    /// Threads.
    pub threads: usize,
    /// Runs that each figure is the median of.
    pub repetitions: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Its directory.
    pub directory: PathBuf,
    /// `olmoe`, …
    pub family: &'static str,
    /// The element type that most of its bytes have.
    pub dtype: String,
    /// Numbers in its tensors; of packed ones, bytes.
    pub values: usize,
    /// MiB of tensors.
    pub weights_mb: f64,
}

impl Checkpoint {
    /// From the headers; no weight is read.
    pub fn of(checkpoint: &checkpoint::Checkpoint, family: &'static str) -> Self {
        let mut bytes = BTreeMap::new();
        for tensor in checkpoint.tensors() {
            *bytes.entry(tensor.dtype).or_insert(0) += tensor.range.len();
        }
        let most = bytes.iter().max_by_key(|(_, bytes)| **bytes);
        Self {
            directory: checkpoint.directory().to_path_buf(),
            family,
            dtype: most.map_or_else(String::new, |(dtype, _)| dtype.name().to_lowercase()),
            values: checkpoint.tensors().map(|t| t.shape.iter().product::<usize>()).sum(),
            weights_mb: bytes.values().sum::<usize>() as f64 / f64::from(1 << 20),
        }
    }
}

/// All figures of a run.
#[derive(Debug)]
pub struct Figures {
    /// How.
    pub setting: Setting,
    /// Of what.
    pub checkpoint: Checkpoint,
    /// Opening, checking every weight, and what is computed beforehand, s.
    pub load_s: f64,
    /// Behind that.
    pub after_load: Option<Held>,
    /// At the end.
    pub at_end: Option<Held>,
    /// The most while something ran, MiB.
    pub peak_anonymous_mb: Option<f64>,
    /// Tokens per second; of names with `_gb_s`, GB/s, and of others without `_tok_s`, seconds.
    pub rates: BTreeMap<&'static str, Spread>,
}

impl Figures {
    /// One object: the setting, the figures under their names, and each figure's repetitions under `spread`.
    pub fn json(&self) -> Value {
        let mut object = json!({
            "program": "secateur",
            "dir": self.checkpoint.directory,
            "family": self.checkpoint.family,
            "dtype": self.checkpoint.dtype,
            "parameters": self.checkpoint.values,
            "weights_mb": self.checkpoint.weights_mb,
            "device": self.setting.device,
            "precision": self.setting.precision.name(),
            "threads": self.setting.threads,
            "repetitions": self.setting.repetitions,
            "load_s": self.load_s,
            "rss_after_load_mb": self.after_load.map(|held| held.resident),
        });
        for (name, spread) in &self.rates {
            object[*name] = json!(spread.median());
        }
        object["peak_rss_mb"] = json!(self.at_end.map(|held| held.peak_resident));
        object["peak_anonymous_mb"] = json!(self.peak_anonymous_mb);
        object["spread"] = self
            .rates
            .iter()
            .map(|(name, spread)| (*name, described(spread)))
            .collect();
        object["machine"] = environment();
        object["versions"] = versions();
        object
    }
}

fn described(spread: &Spread) -> Value {
    json!({ "least": spread.least(), "most": spread.most(), "runs": spread.runs() })
}
