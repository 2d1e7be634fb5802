//! A sweep, checked: what we run, from what was [`written`](super::written).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use secateur_datasets::corpora::CorpusSpec;
use secateur_datasets::error::nearest_hint;
use secateur_datasets::strict_toml;
use secateur_datasets::toml_place::Spot;
use secateur_judges::llm::Endpoint;
use secateur_judges::scorers::ScorerSpec;
use secateur_model::{DeviceKind, Precision};
use secateur_results::error::Error;
use secateur_results::safe::{SafeOptions, SafeSection};

use super::refused::{Refused, placed};
use super::scorers::Judging;
pub use super::variant::{Variant, variant};
pub use super::written::{ModelEntry, TaskEntry};
use super::written::{SweepFile, beside, resolve};
use crate::cluster::ClusterSection;
use crate::talk;

/// A checked sweep.
pub struct Sweep {
    /// Directory name of its results.
    pub name: String,
    /// One line for the report.
    pub about: String,
    /// The file it came from.
    pub file: PathBuf,
    /// The file's text, for messages that point into it; empty where the sweep was not read from the file.
    text: String,
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
        talk::detail(|| format!("sweep file {}: `{}`", file.display(), written.name));
        let sweep = Self::check(written, file).map_err(|error| placed(error, file, &text))?;
        Ok(Self { text, ..sweep })
    }

    /// The sweep of a results directory, from its canonical text. `file` is where the sweep file lay: paths are relative to its folder.
    ///
    /// # Errors
    /// As [`Sweep::open`].
    pub fn from_definition(definition: &str, file: &Path) -> anyhow::Result<Self> {
        let written: SweepFile = serde_json::from_str(definition).context("it is not a sweep's text")?;
        Self::check(written, file)
    }

    /// An error about what the file says, with its place in it ([`Refused`]); another as it is.
    #[must_use]
    pub fn placed(&self, error: anyhow::Error) -> anyhow::Error {
        placed(error, &self.file, &self.text)
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
            return Err(Refused::at(Spot::key("name"), message));
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
            return Err(Refused::at(Spot::key("ratios").value(&bad.to_string()), message));
        }
        SafeOptions::check(&written.safe).map_err(unsafe_option)?;
        let mut ratios: Vec<f64> = written.ratios.iter().copied().filter(|&ratio| ratio > 0.0).collect();
        ratios.sort_by(f64::total_cmp);
        let known: Vec<&str> = written.corpora.iter().map(|c| c.name.as_str()).collect();
        Ok(Self {
            name: written.name,
            about: written.about,
            file: file.to_path_buf(),
            text: String::new(),
            methods: written
                .methods
                .iter()
                .map(|text| variant(text).map_err(|error| Refused::because_of(Spot::key("methods").value(text), error)))
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
            // Of a list of tables it is the entry's name.
            let tables = matches!(what, "models" | "tasks" | "corpora");
            let list = Spot::key(what);
            return Err(Refused::at(
                if tables { list.entry(name) } else { list.value(name) },
                message,
            ));
        }
    }
    if seen.is_empty() {
        let message = format!("{what}: the list is empty; there is nothing to do");
        return Err(Refused::at(Spot::key(what), message));
    }
    Ok(())
}

/// A refusal of a key of `[safe]`.
fn unsafe_option(error: Error) -> anyhow::Error {
    let mut spot = Spot::key("safe");
    if let Error::SafeOption { key, .. } = &error {
        spot = key.split('.').fold(spot, Spot::then);
    }
    Refused::because_of(spot, error)
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
            return Err(Refused::at(Spot::key("calibrate_on").value(text), message));
        }
    }
    distinct("calibrate_on", names.iter().map(String::as_str))?;
    Ok(names)
}
