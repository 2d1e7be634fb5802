//! The sweep file as it is written, and what its paths mean.

use std::path::{Path, PathBuf};

use secateur_datasets::corpora::CorpusSpec;
use secateur_datasets::tasks::FewShotDraw;
use secateur_evaluation::served::ServedSettings;
use secateur_judges::llm::Endpoint;
use secateur_judges::scorers::ScorerSpec;
use secateur_model::{DeviceKind, Precision};
use secateur_results::safe::SafeSection;
use serde::{Deserialize, Serialize};

use super::scorers::Judging;
use crate::cluster::ClusterSection;

/// The file, field by field. Paths are relative to the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SweepFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) about: String,
    /// `method` or `method@profile`; absent where all models are served.
    #[serde(default)]
    pub(super) methods: Vec<String>,
    /// Fractions of each layer's experts to remove.
    #[serde(default)]
    pub(super) ratios: Vec<f64>,
    #[serde(default = "seeds")]
    pub(super) seeds: Vec<u64>,
    /// Corpora to calibrate on; `a+b` combines two.
    #[serde(default)]
    pub(super) calibrate_on: Vec<String>,
    #[serde(default)]
    pub(super) device: Option<DeviceKind>,
    #[serde(default)]
    pub(super) precision: Precision,
    /// Root of downloaded data sets.
    #[serde(default = "data")]
    pub(super) data: PathBuf,
    /// Folders with cards of tasks of one's own.
    #[serde(default)]
    pub(super) cards: Vec<PathBuf>,
    /// What counts as safe. No part of the definition: records do not depend on it.
    #[serde(default, skip_serializing)]
    pub(super) safe: SafeSection,
    /// What tasks ask a cluster for. No part of the definition either.
    #[serde(default, skip_serializing)]
    pub(super) cluster: ClusterSection,
    #[serde(default)]
    pub(super) bootstrap_samples: Option<usize>,
    pub(super) models: Vec<ModelEntry>,
    #[serde(default)]
    pub(super) corpora: Vec<CorpusSpec>,
    pub(super) tasks: Vec<TaskEntry>,
    /// Scorers of answers against their sources, beside the one by rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scorers: Vec<ScorerSpec>,
    /// Language models that judge answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) judges: Vec<Endpoint>,
    /// How they are asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) judging: Judging,
}

/// A model of the sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// How reports call it.
    pub name: String,
    /// Directory, or id on the hub.
    pub path: String,
    /// Where the checkpoint is served, if it is not to run in this process. It is evaluated as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<ServedSettings>,
    /// Of a pruned checkpoint that is served: name of the unpruned one, which it is compared with and reported under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

impl ModelEntry {
    /// A checkpoint that runs in this process.
    #[must_use]
    pub fn local(name: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            engine: None,
            of: None,
        }
    }
}

/// A task of the sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskEntry {
    /// A built-in task, a card in one of the card folders, or a path to a card.
    pub name: String,
    /// At most so many items, a seeded sample.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Few-shot examples; the task's default where absent.
    #[serde(default)]
    pub few_shot: Option<usize>,
    /// Who draws them: lm-evaluation-harness's sampler, or the first of the file.
    #[serde(default)]
    pub few_shot_draw: FewShotDraw,
    /// Longest answer in tokens, where answers are generated; the task's default where absent.
    #[serde(default)]
    pub max_new_tokens: Option<usize>,
    /// Answers sampled beside each, at least 2, for a task in the form `@sampled`; 8 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Their temperature, more than 0; 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_temperature: Option<f64>,
    /// Whether the model's chat template is applied; by default only where answers are generated.
    #[serde(default)]
    pub chat_template: Option<bool>,
    /// Leave unusable records out and count them.
    #[serde(default)]
    pub skip_bad_items: bool,
    /// Allow a task that runs code which the model writes to do so, in the sandbox.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub run_generated_code: bool,
}

fn seeds() -> Vec<u64> {
    vec![0]
}

fn data() -> PathBuf {
    PathBuf::from("../../datasets/downloads")
}

fn is_default(judging: &Judging) -> bool {
    *judging == Judging::default()
}

/// Paths of a scorer as [`resolve`] reads those of models.
pub(super) fn beside(mut scorer: ScorerSpec, base: &Path) -> ScorerSpec {
    let found = |path: &str| {
        let local = base.join(path);
        (local.exists() || path.starts_with('.')).then(|| local.to_string_lossy().into_owned())
    };
    for path in [
        Some(&mut scorer.path),
        scorer.weights.as_mut(),
        scorer.idf_corpus.as_mut(),
    ] {
        if let Some(path) = path
            && !path.is_empty()
            && let Some(local) = found(path)
        {
            *path = local;
        }
    }
    scorer
}

/// A path that exists beside the sweep file is that directory; anything else stays as written (an id on the hub).
pub(super) fn resolve(model: ModelEntry, base: &Path) -> ModelEntry {
    let local = base.join(&model.path);
    if local.exists() || model.path.starts_with('.') {
        ModelEntry {
            path: local.to_string_lossy().into_owned(),
            ..model
        }
    } else {
        model
    }
}
