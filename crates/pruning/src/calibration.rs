//! One pass over a corpus: every statistic that the asked-for methods need, and no other.
//!
//! A model larger than memory goes through it layer by layer, and may leave what it has between two layers ([`crate::partial`]).

use std::collections::BTreeSet;

use secateur_model::batch::Batch;
use secateur_model::layerwise::{Between, Visits};
use secateur_model::{Model, ModelError, MoeLayer};
use sha2::{Digest, Sha256};

use crate::collector::{Collector, Wave};
use crate::error::PruningError;
use crate::partial::{Found, Partial, Place};
use crate::shape::LayerShape;
use crate::statistics::{LayerStatistics, Provenance, Statistic, Statistics};
use crate::statistics_file::hex;
use crate::weights::read_weights;

/// Padded tokens of a forward pass, unless one sequence has more.
const TOKENS_PER_PASS: usize = 2048;

/// At most one token in so many is padding.
const PADDING_PER_TOKEN: usize = 5;

/// How far a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationProgress {
    /// Samples done.
    pub samples_done: usize,
    /// Samples of the corpus.
    pub samples: usize,
    /// Tokens done.
    pub tokens_done: usize,
}

impl From<&MoeLayer> for LayerShape {
    fn from(layer: &MoeLayer) -> Self {
        Self {
            layer: layer.layer,
            experts: layer.experts,
            top_k: layer.top_k,
            groups: layer.groups,
            topk_groups: layer.topk_groups,
        }
    }
}

/// The expert layers of a model, in decoder order.
#[must_use]
pub fn layer_shapes(model: &Model) -> Vec<LayerShape> {
    model.moe_layers().iter().map(LayerShape::from).collect()
}

/// Runs every sequence through the unpruned model and collects the `wanted` statistics. Sequences run side by side, so that an expert's
/// weights are read for more tokens at a time; sums are taken in the order of the sequences, and padding enters none.
///
/// Switches the model's mask off. `origin` says where the sequences come from; its family, precision, sample and token counts are
/// filled in here. If only statistics of the weights are wanted, nothing is run and `sequences` may be empty.
///
/// # Errors
///
/// [`PruningError::EmptyCorpus`] without tokens; [`PruningError::NotFinite`] with layer and expert; the model's own errors with
/// the sample they arose in.
pub fn calibrate(
    model: &mut Model,
    sequences: &[Vec<u32>],
    origin: Provenance,
    wanted: &BTreeSet<Statistic>,
    progress: &mut dyn FnMut(CalibrationProgress),
) -> Result<Statistics, PruningError> {
    run(model, sequences, origin, wanted, None, progress)
}

/// The same, kept between layers where it goes layer by layer, and gone on with where an earlier process was stopped: the statistics are
/// those of a run in one piece, to the last bit.
///
/// # Errors
///
/// As [`calibrate`]. What was kept and is of no use is no error.
pub fn calibrate_in_parts(
    model: &mut Model,
    sequences: &[Vec<u32>],
    origin: Provenance,
    wanted: &BTreeSet<Statistic>,
    partial: &mut Partial<'_>,
    progress: &mut dyn FnMut(CalibrationProgress),
) -> Result<Statistics, PruningError> {
    run(model, sequences, origin, wanted, Some(partial), progress)
}

fn run(
    model: &mut Model,
    sequences: &[Vec<u32>],
    origin: Provenance,
    wanted: &BTreeSet<Statistic>,
    partial: Option<&mut Partial<'_>>,
    progress: &mut dyn FnMut(CalibrationProgress),
) -> Result<Statistics, PruningError> {
    model.set_mask(None)?;
    let shapes = layer_shapes(model);
    shapes.iter().try_for_each(LayerShape::check)?;
    let of_tokens = wanted.iter().any(|s| !s.is_of_weights());
    let of_weights = wanted.iter().any(|s| s.is_of_weights());
    let tokens = if of_tokens { sequences } else { &[] };
    let provenance = Provenance {
        family: model.family().into(),
        precision: model.device().precision().name().into(),
        samples: tokens.len() as u64,
        tokens: tokens.iter().map(Vec::len).sum::<usize>() as u64,
        ..origin
    };
    let mut layers: Vec<_> = shapes
        .iter()
        .map(|&shape| LayerStatistics::zeros(shape, wanted))
        .collect();
    let by_layer = matches!(model.visits(), Visits::LayerByLayer { .. });
    if of_tokens {
        check_corpus(sequences, &provenance.corpus)?;
        let corpus = Corpus {
            model,
            sequences,
            wanted,
            provenance: &provenance,
        };
        layers = corpus.collect(layers, partial.filter(|_| by_layer), progress)?;
    }
    // In the other order they were read while their layer was there.
    if of_weights && !(by_layer && of_tokens) {
        for layer in &mut layers {
            read_weights(model, layer)?;
            model.release_layer(layer.shape.layer);
        }
    }
    let statistics = Statistics { provenance, layers };
    statistics.check()?;
    Ok(statistics)
}

/// What goes through a model.
struct Corpus<'a> {
    model: &'a Model,
    sequences: &'a [Vec<u32>],
    wanted: &'a BTreeSet<Statistic>,
    provenance: &'a Provenance,
}

impl Corpus<'_> {
    /// Runs all waves and adds what the layers show.
    fn collect(
        &self,
        layers: Vec<LayerStatistics>,
        mut partial: Option<&mut Partial<'_>>,
        progress: &mut dyn FnMut(CalibrationProgress),
    ) -> Result<Vec<LayerStatistics>, PruningError> {
        let Self { model, sequences, .. } = *self;
        let by_layer = matches!(model.visits(), Visits::LayerByLayer { .. });
        let most = TOKENS_PER_PASS.min(model.most_tokens_per_pass());
        let batches: Vec<Batch> = passes(sequences, most).into_iter().map(batch).collect();
        let waves = model.waves(&batches);
        let work = self.digest(&waves);
        let found = partial.as_mut().and_then(|partial| partial.find(&work, model, &waves));
        let (from, layers, mut left) = match found {
            Some(Found {
                place,
                statistics,
                wave,
            }) => (place, statistics.layers, wave),
            None => (Place::default(), layers, None),
        };
        let mut collector = Collector::new(layers, self.wanted);
        let (mut samples_done, mut tokens_done) = (0, 0);
        for (index, batches) in waves.iter().enumerate() {
            let samples = batches.iter().map(|batch| batch.batch).sum::<usize>();
            let some = &sequences[samples_done..samples_done + samples];
            let tokens = some.iter().map(Vec::len).sum::<usize>();
            let wave = Wave {
                batches,
                samples: some,
                corpus: &self.provenance.corpus,
                first: samples_done,
            };
            let mut done = |share: usize, all: usize| {
                progress(CalibrationProgress {
                    samples_done: samples_done + samples * share / all,
                    samples: sequences.len(),
                    tokens_done: tokens_done + tokens * share / all,
                });
            };
            if index >= from.waves_done {
                let left = left.take().map(|wave| (from.layers_done, wave));
                collector.run(model, &wave, left, &mut |layers, between| {
                    if !by_layer {
                        return Ok(());
                    }
                    self.behind_layer(layers, index, between)?;
                    if between.layers_done < between.layers {
                        done(between.layers_done, between.layers);
                    }
                    match partial.as_mut() {
                        Some(partial) => self.keep(partial, &work, layers, index, waves.len(), between),
                        None => Ok(()),
                    }
                })?;
            }
            done(1, 1);
            samples_done += samples;
            tokens_done += tokens;
        }
        Ok(collector.layers)
    }

    /// Reads what is wanted of a layer's weights, while they are in memory.
    fn behind_layer(
        &self,
        layers: &mut [LayerStatistics],
        wave: usize,
        between: &Between<'_>,
    ) -> Result<(), ModelError> {
        let here = layers
            .iter_mut()
            .find(|layer| layer.shape.layer + 1 == between.layers_done);
        match here {
            Some(layer) if wave == 0 => read_weights(self.model, layer),
            _ => Ok(()),
        }
    }

    fn keep(
        &self,
        partial: &mut Partial<'_>,
        work: &str,
        layers: &[LayerStatistics],
        wave: usize,
        waves: usize,
        between: &Between<'_>,
    ) -> Result<(), PruningError> {
        let through = between.layers_done == between.layers;
        if through && wave + 1 == waves {
            return Ok(());
        }
        let place = Place {
            waves_done: wave + usize::from(through),
            layers_done: if through { 0 } else { between.layers_done },
        };
        let statistics = Statistics {
            provenance: self.provenance.clone(),
            layers: layers.to_vec(),
        };
        partial.keep(work, place, &statistics, (!through).then_some(between))
    }

    /// All that the statistics depend on, and how the tokens are cut into waves.
    fn digest(&self, waves: &[&[Batch]]) -> String {
        let mut hash = Sha256::new();
        let names: Vec<&str> = self.wanted.iter().map(|statistic| statistic.name()).collect();
        let sizes: Vec<usize> = waves.iter().map(|wave| wave.len()).collect();
        hash.update(format!("{:?} {names:?} {sizes:?}", self.provenance));
        for sequence in self.sequences {
            hash.update((sequence.len() as u64).to_le_bytes());
            for token in sequence {
                hash.update(token.to_le_bytes());
            }
        }
        hex(&hash.finalize())
    }
}

fn batch(sequences: &[Vec<u32>]) -> Batch {
    let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    Batch::right_padded(&sequences)
}

/// Neighbours that run side by side: of similar length, `most` tokens with padding unless one has more.
fn passes(sequences: &[Vec<u32>], most: usize) -> Vec<&[Vec<u32>]> {
    let mut passes = Vec::new();
    let (mut first, mut longest, mut tokens) = (0, 0, 0);
    for (index, sequence) in sequences.iter().enumerate() {
        let padded = (index + 1 - first) * longest.max(sequence.len());
        let fits = padded <= most && PADDING_PER_TOKEN * (padded - tokens - sequence.len()) <= padded;
        if index > first && !fits {
            passes.push(&sequences[first..index]);
            (first, longest, tokens) = (index, 0, 0);
        }
        longest = longest.max(sequence.len());
        tokens += sequence.len();
    }
    if first < sequences.len() {
        passes.push(&sequences[first..]);
    }
    passes
}

fn check_corpus(sequences: &[Vec<u32>], corpus: &str) -> Result<(), PruningError> {
    let empty = |found: String| {
        Err(PruningError::EmptyCorpus {
            corpus: corpus.into(),
            found,
        })
    };
    if sequences.is_empty() {
        return empty("has no samples".into());
    }
    match sequences.iter().position(Vec::is_empty) {
        Some(sample) => empty(format!("has no tokens in sample {sample} of {}", sequences.len())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_corpora_are_told() {
        let told = |sequences: &[Vec<u32>]| check_corpus(sequences, "notes").err().map(|e| e.to_string());
        assert!(told(&[]).is_some_and(|m| m.contains("`notes` has no samples")));
        assert!(told(&[vec![1], vec![]]).is_some_and(|m| m.contains("sample 1 of 2")));
        assert!(told(&[vec![1]]).is_none());
    }

    #[test]
    fn sequences_of_like_length_run_side_by_side() {
        let lengths = |lengths: &[usize]| -> Vec<Vec<usize>> {
            let sequences: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![0; length]).collect();
            let passes = passes(&sequences, TOKENS_PER_PASS);
            passes.iter().map(|pass| pass.iter().map(Vec::len).collect()).collect()
        };
        assert_eq!(lengths(&[512; 9]), [vec![512; 4], vec![512; 4], vec![512]]);
        assert_eq!(
            lengths(&[100, 90, 95, 400, 80]),
            [vec![100, 90, 95], vec![400], vec![80]]
        );
        assert_eq!(lengths(&[5000, 5000]), [vec![5000], vec![5000]]);
        assert!(lengths(&[]).is_empty());
    }
}
