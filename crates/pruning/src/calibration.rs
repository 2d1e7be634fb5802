//! One pass over a corpus: every statistic that the asked-for methods need, and no other.

use std::collections::BTreeSet;

use secateur_model::batch::Batch;
use secateur_model::mask::ExpertId;
use secateur_model::{MatrixValues, Model, ModelError, MoeLayer};

use crate::collector::Collector;
use crate::error::PruningError;
use crate::shape::LayerShape;
use crate::statistics::{LayerStatistics, Provenance, Statistic, Statistics};

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
    model.set_mask(None)?;
    let shapes = layer_shapes(model);
    shapes.iter().try_for_each(LayerShape::check)?;
    let mut provenance = Provenance {
        family: model.family().into(),
        precision: model.device().precision().name().into(),
        samples: 0,
        tokens: 0,
        ..origin
    };
    let mut layers: Vec<_> = shapes
        .iter()
        .map(|&shape| LayerStatistics::zeros(shape, wanted))
        .collect();
    if wanted.iter().any(|s| !s.is_of_weights()) {
        check_corpus(sequences, &provenance.corpus)?;
        let mut collector = Collector::new(layers, wanted);
        let (mut samples_done, mut tokens_done) = (0, 0);
        let batches: Vec<Batch> = passes(sequences).into_iter().map(batch).collect();
        for wave in model.waves(&batches) {
            let samples = wave.iter().map(|batch| batch.batch).sum::<usize>();
            let some = &sequences[samples_done..samples_done + samples];
            let tokens = some.iter().map(Vec::len).sum::<usize>();
            collector.run(
                model,
                wave,
                some,
                &provenance.corpus,
                samples_done,
                &mut |done, layers| {
                    let of = |all: usize| all * done / layers.max(1);
                    progress(CalibrationProgress {
                        samples_done: samples_done + of(samples),
                        samples: sequences.len(),
                        tokens_done: tokens_done + of(tokens),
                    });
                },
            )?;
            samples_done += samples;
            tokens_done += tokens;
        }
        provenance.samples = sequences.len() as u64;
        provenance.tokens = tokens_done as u64;
        layers = collector.layers;
    }
    if wanted.iter().any(|s| s.is_of_weights()) {
        layers.iter_mut().try_for_each(|layer| read_weights(model, layer))?;
    }
    let statistics = Statistics { provenance, layers };
    statistics.check()?;
    Ok(statistics)
}

fn batch(sequences: &[Vec<u32>]) -> Batch {
    let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    Batch::right_padded(&sequences)
}

/// Neighbours that run side by side: of similar length, not too many tokens.
fn passes(sequences: &[Vec<u32>]) -> Vec<&[Vec<u32>]> {
    let mut passes = Vec::new();
    let (mut first, mut longest, mut tokens) = (0, 0, 0);
    for (index, sequence) in sequences.iter().enumerate() {
        let padded = (index + 1 - first) * longest.max(sequence.len());
        let fits = padded <= TOKENS_PER_PASS && PADDING_PER_TOKEN * (padded - tokens - sequence.len()) <= padded;
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

fn read_weights(model: &Model, layer: &mut LayerStatistics) -> Result<(), ModelError> {
    let (index, experts) = (layer.shape.layer, layer.shape.experts);
    let wanted: Vec<Statistic> = layer.values.keys().copied().filter(|s| s.is_of_weights()).collect();
    if let Some(norms) = layer.values.get_mut(&Statistic::RouterRowNorm) {
        let router = model.router_matrix(index)?;
        for (norm, row) in norms.iter_mut().zip(router.values.chunks_exact(router.columns.max(1))) {
            *norm = squares(row).sqrt();
        }
    }
    if wanted == [Statistic::RouterRowNorm] {
        return Ok(());
    }
    for expert in 0..experts {
        let matrices = model.expert_matrices(index, ExpertId(expert))?;
        for &statistic in wanted.iter().filter(|&&s| s != Statistic::RouterRowNorm) {
            if let Some(values) = layer.values.get_mut(&statistic) {
                values[expert] = of_matrices(statistic, &matrices);
            }
        }
    }
    Ok(())
}

fn of_matrices(statistic: Statistic, matrices: &[MatrixValues]) -> f64 {
    let all = || matrices.iter().map(|m| m.values.as_slice());
    let norm = |name: &str| {
        matrices
            .iter()
            .filter(|m| m.name == name)
            .map(|m| squares(&m.values))
            .sum::<f64>()
            .sqrt()
    };
    match statistic {
        Statistic::WeightCount => all().map(<[f32]>::len).sum::<usize>() as f64,
        Statistic::AbsoluteWeight => all().flatten().map(|&w| f64::from(w).abs()).sum(),
        Statistic::SquaredWeight => all().map(squares).sum(),
        Statistic::GateMatrixNorm => norm("gate"),
        Statistic::UpMatrixNorm => norm("up"),
        Statistic::DownMatrixNorm => norm("down"),
        _ => 0.0,
    }
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|&w| f64::from(w) * f64::from(w)).sum()
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
            let passes = passes(&sequences);
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

    #[test]
    fn weights_by_hand() {
        let matrix = |name, values: &[f32]| MatrixValues {
            name,
            rows: 1,
            columns: values.len(),
            values: values.to_vec(),
        };
        let expert = [
            matrix("gate", &[3.0, -4.0]),
            matrix("up", &[1.0, 0.0]),
            matrix("down", &[-2.0, 0.0]),
        ];
        let of = |s| of_matrices(s, &expert);
        let expected = [6.0, 10.0, 30.0, 5.0, 1.0, 2.0];
        let statistics = Statistic::ALL.iter().copied().filter(|s| s.is_of_weights());
        for (statistic, expected) in statistics.zip(expected) {
            assert!((of(statistic) - expected).abs() < 1e-15, "{}", statistic.name());
        }
        assert!(of_matrices(Statistic::GateMatrixNorm, &expert[1..]).abs() < 1e-15);
    }
}
