//! Statistics for the methods of a sweep: one pass per corpus and seed, kept on disk and reused.
//!
//! Workers that run beside each other share the passes: each is claimed, and whoever finds one claimed goes on with others and
//! waits for it at the end. The file appears whole or not at all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use secateur_datasets::corpora::{CorpusData, CorpusSpec};
use secateur_evaluation::local::LocalEngine;
use secateur_pruning::calibration::{CalibrationProgress, calibrate_in_parts};
use secateur_pruning::methods;
use secateur_pruning::partial::Partial;
use secateur_pruning::statistics::{Provenance, Statistic, Statistics};
use secateur_results::claims::{Claiming, Claims};
use secateur_results::key::RecordKey;
use secateur_results::store::Store;

use super::cell::Setting;
use super::definition::Sweep;
use super::grid::RankingCell;
use super::hot::Hot;
use super::progress::Progress;
use super::progress::event::{self, Event};
use super::subject::{Subject, tokens};
use crate::interrupt::{Pause, interrupted};
use crate::talk;

/// Told what the reader must know.
type Warn<'a> = &'a mut dyn FnMut(String);

/// Folder of a sweep's statistics.
const FOLDER: &str = "statistics";

/// How often a pass of a model larger than memory is kept between layers.
pub(super) const KEPT_EVERY: Duration = Duration::from_mins(1);

/// What a pass is made of.
pub struct Pass<'a> {
    /// The corpus.
    pub corpus: &'a CorpusSpec,
    /// Folder that its file is relative to.
    pub base: &'a Path,
    /// Seed of the shuffle, unless the corpus has one of its own.
    pub seed: u64,
    /// What to collect.
    pub wanted: &'a BTreeSet<Statistic>,
}

impl Pass<'_> {
    fn path(&self, subject: &Subject, folder: &Path) -> PathBuf {
        let seed = self.corpus.seed.unwrap_or(self.seed);
        let file = format!("{}-{seed}.safetensors", self.corpus.name);
        folder.join(&subject.name).join(file)
    }

    fn origin(&self, subject: &Subject, data: &CorpusData) -> Provenance {
        Provenance {
            model_hash: subject.hash.weights.clone(),
            family: subject.family.to_owned(),
            corpus: self.corpus.name.clone(),
            corpus_hash: data.content_sha256.clone(),
            seed: self.corpus.seed.unwrap_or(self.seed),
            truncation: Some(self.corpus.max_tokens as u64),
            chat_template: self.corpus.chat_template,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Provenance::default()
        }
    }

    /// The statistics in `folder`, if they are there and are of this model, corpus and options; `warn` is told of damaged ones.
    ///
    /// # Errors
    /// If the corpus is missing or malformed.
    pub fn saved(&self, subject: &Subject, folder: &Path, warn: Warn<'_>) -> anyhow::Result<Option<Statistics>> {
        let path = self.path(subject, folder);
        if !path.exists() {
            return Ok(None);
        }
        let origin = self.origin(subject, &self.corpus.load(self.base, self.seed)?);
        match Statistics::load(&path) {
            Ok(found) if same_origin(&found.provenance, &origin) && found.missing(self.wanted).is_empty() => {
                Ok(Some(found))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                warn(format!("{error}; calibrating again"));
                Ok(None)
            }
        }
    }

    /// The same among a sweep's results, wherever they lie.
    fn kept(&self, subject: &Subject, store: &Store, warn: Warn<'_>) -> anyhow::Result<Option<Statistics>> {
        if !store.bring(&self.name(subject))? {
            return Ok(None);
        }
        self.saved(subject, &folder(store), warn)
    }

    /// The file's name among a sweep's results.
    fn name(&self, subject: &Subject) -> String {
        self.path(subject, Path::new(FOLDER)).to_string_lossy().into_owned()
    }

    fn compute(
        &self,
        subject: &Subject,
        engine: &mut LocalEngine,
        folder: &Path,
        warn: Warn<'_>,
        progress: &mut dyn FnMut(CalibrationProgress),
    ) -> anyhow::Result<Statistics> {
        let data = self.corpus.load(self.base, self.seed)?;
        let (template, longest) = (self.corpus.chat_template, self.corpus.max_tokens);
        let sequences = data
            .samples
            .iter()
            .map(|sample| tokens(engine, sample, template, longest))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let origin = self.origin(subject, &data);
        let path = self.path(subject, folder);
        let mut partial = Partial::new(path.with_added_extension("partial"), KEPT_EVERY, warn);
        let model = engine.model_mut();
        let computed = calibrate_in_parts(model, &sequences, origin, self.wanted, &mut partial, progress)?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        computed.save(&path)?;
        partial.remove()?;
        Ok(computed)
    }

    /// Passes that end in the same file are one.
    fn claim(&self, subject: &Subject) -> String {
        let file = self.path(subject, Path::new("")).to_string_lossy().into_owned();
        let key = RecordKey::from_inputs(&BTreeMap::from([("statistics".to_owned(), file)]));
        format!("calibration-{}", key.short())
    }
}

/// The statistics of one pass: read from `folder` if they are there and are of this model, corpus and options, else computed
/// and written there. Returns whether they were computed.
///
/// # Errors
/// If the corpus is missing or malformed, the model fails, or the file cannot be written.
pub fn statistics(
    subject: &Subject,
    engine: &mut LocalEngine,
    pass: &Pass<'_>,
    folder: &Path,
    progress: &mut dyn FnMut(CalibrationProgress),
) -> anyhow::Result<(Statistics, bool)> {
    if let Some(found) = pass.saved(subject, folder, &mut |warning| talk::warning(warning))? {
        return Ok((found, false));
    }
    let computed = pass.compute(subject, engine, folder, &mut |warning| talk::warning(warning), progress)?;
    Ok((computed, true))
}

/// Whether saved statistics answer the same question; counts and precision are results of the pass.
fn same_origin(found: &Provenance, wanted: &Provenance) -> bool {
    let comparable = |p: &Provenance| Provenance {
        samples: 0,
        tokens: 0,
        precision: String::new(),
        ..p.clone()
    };
    comparable(found) == comparable(wanted)
}

/// Statistics by corpus name and seed.
pub type Collected = BTreeMap<(String, u64), Statistics>;

/// What the methods of a sweep need.
#[must_use]
pub fn wanted(sweep: &Sweep) -> BTreeSet<Statistic> {
    let variants: Vec<_> = sweep.methods.iter().map(|v| (v.method, v.profile)).collect();
    methods::wanted(&variants)
}

/// One pass per corpus and seed serves all methods and fractions.
fn passes<'a>(sweep: &'a Sweep, rankings: &[RankingCell], wanted: &'a BTreeSet<Statistic>) -> Vec<Pass<'a>> {
    let mut named: BTreeSet<(String, u64)> = BTreeSet::new();
    for cell in rankings {
        named.extend(cell.calibration.iter().map(|corpus| (corpus.clone(), cell.seed)));
    }
    if named.is_empty() && !wanted.is_empty() {
        named.insert((sweep.corpora[0].name.clone(), sweep.seeds[0]));
    }
    let pass = |(name, seed): (String, u64)| {
        let corpus = sweep.corpora.iter().find(|corpus| corpus.name == name)?;
        Some(Pass {
            corpus,
            base: sweep.base(),
            seed,
            wanted,
        })
    };
    named.into_iter().filter_map(pass).collect()
}

/// The statistics that earlier runs have left of a model, but for damaged ones, of which `warn` is told; no model is loaded, and nothing computed.
///
/// # Errors
/// If a corpus is missing or malformed.
pub fn saved(
    sweep: &Sweep,
    store: &Store,
    subject: &Subject,
    rankings: &[RankingCell],
    warn: Warn<'_>,
) -> anyhow::Result<Collected> {
    let wanted = wanted(sweep);
    let mut collected = Collected::new();
    for pass in passes(sweep, rankings, &wanted) {
        if let Some(found) = pass.kept(subject, store, warn)? {
            collected.insert((pass.corpus.name.clone(), pass.seed), found);
        }
    }
    Ok(collected)
}

/// All statistics of a model: found, made here, or waited for where another worker makes them. `None` if a signal came.
///
/// # Errors
/// As [`statistics`]; also if claims cannot be written.
pub fn collect(
    setting: &Setting<'_>,
    subject: &Subject,
    hot: &mut Hot<'_>,
    rankings: &[RankingCell],
    claims: &Claims,
    progress: &mut Progress,
) -> anyhow::Result<Option<Collected>> {
    let wanted = wanted(setting.sweep);
    let folder = folder(setting.store);
    let mut left = passes(setting.sweep, rankings, &wanted);
    let mut collected = Collected::new();
    let mut pause = Pause::default();
    while !left.is_empty() {
        let mut elsewhere = Vec::new();
        for pass in left {
            if interrupted() {
                return Ok(None);
            }
            let name = (pass.corpus.name.clone(), pass.seed);
            if let Some(found) = pass.kept(subject, setting.store, &mut |warning| progress.warn(warning))? {
                progress.detail(|| format!("{}: statistics on {}, seed {}, are there", subject.name, name.0, name.1));
                collected.insert(name, found);
                continue;
            }
            let named = event::Pass {
                model: subject.name.clone(),
                corpus: name.0.clone(),
                seed: name.1,
            };
            let what = named.to_string();
            let _claim = match claims.claim(&pass.claim(subject), &what)? {
                Claiming::Ours(claim) => claim,
                Claiming::Theirs(holder) => {
                    progress.put_off(&what, None, &format!("{holder} is at it"));
                    elsewhere.push(pass);
                    continue;
                }
            };
            // Another worker may have finished between the two looks.
            if let Some(found) = pass.kept(subject, setting.store, &mut |_| {})? {
                collected.insert(name, found);
                continue;
            }
            let engine = hot.engine(subject, progress)?;
            progress.tell(Event::CalibrationBegun(named.clone()));
            let started = Instant::now();
            let computed = {
                let progress = RefCell::new(&mut *progress);
                let mut warn = |warning: String| progress.borrow_mut().warn(warning);
                pass.compute(subject, engine, &folder, &mut warn, &mut |at| {
                    progress.borrow_mut().tick(|| Event::CalibrationProgress {
                        pass: named.clone(),
                        samples_done: at.samples_done,
                        samples: at.samples,
                        tokens: at.tokens_done,
                    });
                })?
            };
            setting.store.send(&pass.name(subject))?;
            progress.tell(Event::CalibrationDone {
                pass: named,
                tokens: computed.provenance.tokens,
                seconds: started.elapsed().as_secs_f64(),
            });
            collected.insert(name, computed);
        }
        left = elsewhere;
        if !left.is_empty() {
            pause.wait();
        }
    }
    Ok((!interrupted()).then_some(collected))
}

fn folder(store: &Store) -> PathBuf {
    store.directory().join(FOLDER)
}
