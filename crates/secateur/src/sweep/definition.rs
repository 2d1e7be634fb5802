//! The sweep file: what was written, and what we run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use secateur_datasets::corpora::CorpusSpec;
use secateur_datasets::error::nearest_hint;
use secateur_datasets::strict_toml;
use secateur_datasets::tasks::FewShotDraw;
use secateur_evaluation::served::ServedSettings;
use secateur_judges::llm::Endpoint;
use secateur_judges::scorers::ScorerSpec;
use secateur_model::{DeviceKind, Precision};
use secateur_pruning::methods::{self, Method, Profile};
use secateur_results::safe::{SafeOptions, SafeSection};
use serde::{Deserialize, Serialize};

use super::refused::{self, Refused};
use super::scorers::Judging;
use crate::cluster::ClusterSection;

/// The file, field by field. Paths are relative to the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepFile {
    name: String,
    #[serde(default)]
    about: String,
    /// `method` or `method@profile`; absent where all models are served.
    #[serde(default)]
    methods: Vec<String>,
    /// Fractions of each layer's experts to remove.
    #[serde(default)]
    ratios: Vec<f64>,
    #[serde(default = "seeds")]
    seeds: Vec<u64>,
    /// Corpora to calibrate on; `a+b` combines two.
    #[serde(default)]
    calibrate_on: Vec<String>,
    #[serde(default)]
    device: Option<DeviceKind>,
    #[serde(default)]
    precision: Precision,
    /// Root of downloaded data sets.
    #[serde(default = "data")]
    data: PathBuf,
    /// Folders with cards of tasks of one's own.
    #[serde(default)]
    cards: Vec<PathBuf>,
    /// What counts as safe. No part of the definition: records do not depend on it.
    #[serde(default, skip_serializing)]
    safe: SafeSection,
    /// What tasks ask a cluster for. No part of the definition either.
    #[serde(default, skip_serializing)]
    cluster: ClusterSection,
    #[serde(default)]
    bootstrap_samples: Option<usize>,
    models: Vec<ModelEntry>,
    #[serde(default)]
    corpora: Vec<CorpusSpec>,
    tasks: Vec<TaskEntry>,
    /// Scorers of answers against their sources, beside the one by rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scorers: Vec<ScorerSpec>,
    /// Language models that judge answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    judges: Vec<Endpoint>,
    /// How they are asked.
    #[serde(default, skip_serializing_if = "is_default")]
    judging: Judging,
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

/// A method with the definition it is used in.
#[derive(Clone, Copy)]
pub struct Variant {
    /// The method.
    pub method: &'static dyn Method,
    /// Its definition.
    pub profile: Profile,
}

/// A checked sweep.
pub struct Sweep {
    /// Directory name of its results.
    pub name: String,
    /// One line for the report.
    pub about: String,
    /// The file it came from.
    pub file: PathBuf,
    /// Methods, in the file's order.
    pub methods: Vec<Variant>,
    /// Fractions, ascending, 0 left out: the unpruned model is always there.
    pub ratios: Vec<f64>,
    /// Seeds of calibration data and of the random method.
    pub seeds: Vec<u64>,
    /// Combinations of corpora.
    pub calibrate_on: Vec<Vec<String>>,
    /// Where to run, unless the command line says otherwise.
    pub device: DeviceKind,
    /// Precision of arithmetic.
    pub precision: Precision,
    /// Root of downloaded data sets.
    pub data: PathBuf,
    /// Card folders.
    pub cards: Vec<PathBuf>,
    /// What counts as safe, checked except for the names of metrics, which depend on the tasks.
    pub safe: SafeSection,
    /// What tasks ask a cluster for, as written.
    pub cluster: ClusterSection,
    /// Resamples of the bootstrap.
    pub bootstrap_samples: Option<usize>,
    /// Models.
    pub models: Vec<ModelEntry>,
    /// Corpora.
    pub corpora: Vec<CorpusSpec>,
    /// Tasks.
    pub tasks: Vec<TaskEntry>,
    /// Scorers, paths relative to the file where such a directory exists.
    pub scorers: Vec<ScorerSpec>,
    /// Judges.
    pub judges: Vec<Endpoint>,
    /// How judges are asked.
    pub judging: Judging,
    /// Canonical text: equal exactly when two sweeps are the same.
    pub definition: String,
}

impl Sweep {
    /// Reads and checks a sweep file.
    ///
    /// # Errors
    /// If it cannot be read, has an unknown key, a name twice, an unknown method or profile, a fraction outside [0, 1), or a
    /// corpus that is not defined.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read the sweep file {}", file.display()))?;
        let written: SweepFile = strict_toml::parse_file(file, &text).map_err(anyhow::Error::msg)?;
        Self::check(written, file).map_err(|error| refused::placed(error, file, &text))
    }

    /// The sweep of a results directory, from its canonical text. `file` is where the sweep file lay: paths are relative to its folder.
    ///
    /// # Errors
    /// As [`Sweep::open`].
    pub fn from_definition(definition: &str, file: &Path) -> anyhow::Result<Self> {
        let written: SweepFile = serde_json::from_str(definition).context("it is not a sweep's text")?;
        Self::check(written, file)
    }

    fn check(written: SweepFile, file: &Path) -> anyhow::Result<Self> {
        let definition = serde_json::to_string(&written)?;
        let base = file.parent().unwrap_or(Path::new("."));
        if written.name.is_empty()
            || !written
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            let message = format!(
                "name `{}`: use letters, digits, `-`, `_` and `.`; it becomes a directory",
                written.name
            );
            return Err(Refused::at("name", &written.name, message));
        }
        distinct("models", written.models.iter().map(|m| m.name.as_str()))?;
        distinct("tasks", written.tasks.iter().map(|t| t.name.as_str()))?;
        distinct("seeds", written.seeds.iter().map(u64::to_string))?;
        // Served models are evaluated as they are: only the others are calibrated and pruned here.
        if written.models.iter().any(|model| model.engine.is_none()) {
            distinct("corpora", written.corpora.iter().map(|c| c.name.as_str()))?;
            distinct("methods", written.methods.iter().map(String::as_str))?;
            distinct("ratios", written.ratios.iter().map(f64::to_string))?;
            distinct("calibrate_on", written.calibrate_on.iter().map(String::as_str))?;
        }
        if let Some(bad) = written.ratios.iter().find(|ratio| !(0.0..1.0).contains(*ratio)) {
            let message = format!("ratios: {bad} is outside [0, 1): it is the share of each layer's experts to remove");
            return Err(Refused::at("ratios", &bad.to_string(), message));
        }
        SafeOptions::check(&written.safe).map_err(|error| Refused::at("safe", "", error.to_string()))?;
        let mut ratios: Vec<f64> = written.ratios.iter().copied().filter(|&ratio| ratio > 0.0).collect();
        ratios.sort_by(f64::total_cmp);
        let known: Vec<&str> = written.corpora.iter().map(|c| c.name.as_str()).collect();
        Ok(Self {
            name: written.name,
            about: written.about,
            file: file.to_path_buf(),
            methods: written
                .methods
                .iter()
                .map(|text| variant(text).map_err(|error| Refused::at("methods", text, crate::message(&error))))
                .collect::<anyhow::Result<_>>()?,
            ratios,
            seeds: written.seeds,
            calibrate_on: written
                .calibrate_on
                .iter()
                .map(|text| combination(text, &known))
                .collect::<anyhow::Result<_>>()?,
            device: written.device.unwrap_or(DeviceKind::Cpu),
            precision: written.precision,
            data: base.join(written.data),
            cards: written.cards.iter().map(|card| base.join(card)).collect(),
            safe: written.safe,
            cluster: written.cluster,
            bootstrap_samples: written.bootstrap_samples,
            models: written.models.into_iter().map(|model| resolve(model, base)).collect(),
            corpora: written.corpora,
            tasks: written.tasks,
            scorers: written.scorers.into_iter().map(|scorer| beside(scorer, base)).collect(),
            judges: written.judges,
            judging: written.judging,
            definition,
        })
    }

    /// Folder that the file lies in; corpora are relative to it.
    #[must_use]
    pub fn base(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }
}

fn distinct<T: AsRef<str>>(what: &'static str, names: impl Iterator<Item = T>) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.as_ref().to_owned()) {
            let name = name.as_ref();
            let message = format!("{what}: `{name}` stands there twice: the same cells would be asked for twice");
            return Err(Refused::at(what, name, message));
        }
    }
    if seen.is_empty() {
        let message = format!("{what}: the list is empty; there is nothing to do");
        return Err(Refused::at(what, "", message));
    }
    Ok(())
}

/// `reap` or `reap@paper`.
///
/// # Errors
/// If there is no such method, or it has no such profile.
pub fn variant(text: &str) -> anyhow::Result<Variant> {
    let (name, profile) = text.split_once('@').unwrap_or((text, ""));
    let method = methods::find(name).map_err(|error| {
        let hint = nearest_hint(name, methods::METHODS.iter().map(|method| method.name()));
        anyhow::anyhow!("{error}{hint}")
    })?;
    let profile = match profile {
        "" => method.profiles()[0],
        wanted => *method
            .profiles()
            .iter()
            .find(|profile| profile.name() == wanted)
            .with_context(|| {
                let known: Vec<_> = method
                    .profiles()
                    .iter()
                    .map(|profile| format!("{name}@{}", profile.name()))
                    .collect();
                format!("methods: `{text}`: no such profile; there are {}", known.join(", "))
            })?,
    };
    Ok(Variant { method, profile })
}

fn combination(text: &str, known: &[&str]) -> anyhow::Result<Vec<String>> {
    let names: Vec<String> = text.split('+').map(|name| name.trim().to_owned()).collect();
    for name in &names {
        if !known.contains(&name.as_str()) {
            let message = format!(
                "calibrate_on: `{name}` is not among the corpora{}; there are {}",
                nearest_hint(name, known.iter().copied()),
                known.join(", ")
            );
            return Err(Refused::at("calibrate_on", text, message));
        }
    }
    distinct("calibrate_on", names.iter().map(String::as_str))?;
    Ok(names)
}

fn is_default(judging: &Judging) -> bool {
    *judging == Judging::default()
}

/// Paths of a scorer as [`resolve`] reads those of models.
fn beside(mut scorer: ScorerSpec, base: &Path) -> ScorerSpec {
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
fn resolve(model: ModelEntry, base: &Path) -> ModelEntry {
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
