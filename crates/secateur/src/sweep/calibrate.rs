//! Statistics for the methods of a sweep: one pass per corpus and seed, kept on disk and reused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use secateur_datasets::corpora::CorpusSpec;
use secateur_evaluation::local::LocalEngine;
use secateur_pruning::calibration::{CalibrationProgress, calibrate};
use secateur_pruning::methods;
use secateur_pruning::statistics::{Provenance, Statistic, Statistics};

use super::cell::{Setting, interrupted};
use super::grid::RankingCell;
use super::progress::Progress;
use super::subject::{Subject, tokens};

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
    let data = pass.corpus.load(pass.base, pass.seed)?;
    let origin = Provenance {
        model_hash: subject.hash.weights.clone(),
        family: subject.family.to_owned(),
        corpus: pass.corpus.name.clone(),
        corpus_hash: data.content_sha256.clone(),
        seed: pass.corpus.seed.unwrap_or(pass.seed),
        truncation: Some(pass.corpus.max_tokens as u64),
        chat_template: pass.corpus.chat_template,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Provenance::default()
    };
    let path = folder
        .join(&subject.name)
        .join(format!("{}-{}.safetensors", pass.corpus.name, origin.seed));
    if path.exists() {
        match Statistics::load(&path) {
            Ok(found) if same_origin(&found.provenance, &origin) && found.missing(pass.wanted).is_empty() => {
                return Ok((found, false));
            }
            Ok(_) => {}
            Err(error) => eprintln!("warning: {error}; calibrating again"),
        }
    }
    let sequences = data
        .samples
        .iter()
        .map(|sample| tokens(engine, sample, pass.corpus.chat_template, pass.corpus.max_tokens))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let computed = calibrate(engine.model_mut(), &sequences, origin, pass.wanted, progress)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    computed.save(&path)?;
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

/// One calibration pass per corpus and seed serves all methods and fractions. `None` if Ctrl-C came.
///
/// # Errors
/// As [`statistics`].
pub fn collect(
    setting: &Setting<'_>,
    subject: &Subject,
    engine: &mut LocalEngine,
    rankings: &[RankingCell],
    progress: &mut Progress,
) -> anyhow::Result<Option<Collected>> {
    let sweep = setting.sweep;
    let variants: Vec<_> = sweep.methods.iter().map(|v| (v.method, v.profile)).collect();
    let wanted = methods::wanted(&variants);
    let mut passes: BTreeSet<(String, u64)> = BTreeSet::new();
    for cell in rankings {
        passes.extend(cell.calibration.iter().map(|corpus| (corpus.clone(), cell.seed)));
    }
    if passes.is_empty() && !wanted.is_empty() {
        passes.insert((sweep.corpora[0].name.clone(), sweep.seeds[0]));
    }
    let folder = setting.store.directory().join("statistics");
    let mut collected = Collected::new();
    for (name, seed) in passes {
        let Some(corpus) = sweep.corpora.iter().find(|corpus| corpus.name == name) else {
            continue;
        };
        let what = format!("{}: calibrating on {name}, seed {seed}", subject.name);
        progress.begin(&what);
        let pass = Pass {
            corpus,
            base: sweep.base(),
            seed,
            wanted: &wanted,
        };
        let started = Instant::now();
        let (found, computed) = statistics(subject, engine, &pass, &folder, &mut |at| {
            progress.share(at.samples_done as f64 / at.samples as f64);
        })?;
        if computed {
            let (tokens, seconds) = (found.provenance.tokens, started.elapsed().as_secs_f64());
            progress.note(&format!("{what}: {tokens} tokens in {seconds:.1} s"));
        }
        collected.insert((name, seed), found);
        if interrupted() {
            return Ok(None);
        }
    }
    Ok(Some(collected))
}
