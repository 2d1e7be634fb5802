//! What one cell of a sweep leaves behind.

use std::collections::BTreeMap;

use secateur_metrics::curves::Diagrams;
use secateur_metrics::regressions::Regressions;
use secateur_metrics::value::MetricValue;
use serde::{Deserialize, Serialize};

/// One evaluated cell: model × method × fraction removed × seed × task. Written once, never edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this layout.
    pub schema: u32,
    /// Content hash of `inputs`: the cell's identity and file name (hex SHA-256).
    pub key: String,
    /// Everything that decides the result: weights, mask, tokenizer, chat template, task data, task version, prompt options,
    /// seed, dtype, device kind, program version. Nothing else decides whether a cell is done.
    pub inputs: BTreeMap<String, String>,
    /// The cell in words, for tables and charts.
    pub cell: Cell,
    /// All metrics of the task, each name once.
    pub metrics: Vec<MetricValue>,
    /// What changed item by item; absent for the unpruned model, and in records of a program that did not count it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regressions: Option<Regressions>,
    /// What reliability and risk–coverage diagrams are drawn from; absent where answers have no confidence, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagrams: Option<Diagrams>,
    /// Items by what became of them: `evaluated`, `empty`, `looping`, `truncated`, `unparsable`, ...
    pub counts: BTreeMap<String, usize>,
    /// Seconds, bytes, tokens: measured, so not part of what must be reproducible.
    pub cost: Cost,
    /// Anything the reader must know.
    pub warnings: Vec<String>,
}

/// A cell in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Name given in the sweep file.
    pub model: String,
    /// `qwen3_moe`, `olmoe`, ...
    pub family: String,
    /// `None` for the unpruned model.
    pub method: Option<String>,
    /// `reference` or `paper`.
    pub profile: Option<String>,
    /// Share of each layer's experts removed, as asked for; 0 for the unpruned model.
    pub fraction_removed: f64,
    /// Experts kept per `MoE` layer, and how many there were.
    pub experts_kept: Vec<usize>,
    /// Experts per `MoE` layer in the checkpoint.
    pub experts_total: Vec<usize>,
    /// Seed of calibration data and of the random method.
    pub seed: u64,
    /// Name of the calibration corpus or corpora, `+`-joined; empty for the unpruned model.
    pub calibration: String,
    /// Task name.
    pub task: String,
    /// `biomedical` or `general`.
    pub domain: String,
    /// `classification` or `generation`.
    pub kind: String,
    /// SHA-256 of the kept experts; equal masks are evaluated once.
    pub mask: String,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (model, task) = (&self.model, &self.task);
        let Some(method) = &self.method else {
            return write!(f, "{model} unpruned on {task}");
        };
        write!(f, "{model} {method}")?;
        if let Some(profile) = &self.profile {
            write!(f, " ({profile})")?;
        }
        let (fraction, seed) = (self.fraction_removed, self.seed);
        write!(f, " with {fraction} removed, seed {seed}")?;
        if !self.calibration.is_empty() {
            write!(f, ", calibrated on {}", self.calibration)?;
        }
        write!(f, ", on {task}")
    }
}

/// What the cell cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall-clock seconds of the evaluation.
    pub seconds: f64,
    /// Tokens run through the model, padding left out.
    pub tokens: u64,
    /// Peak resident memory of the process during the evaluation, bytes; before it too where the system does not count anew.
    pub peak_memory_bytes: u64,
}
