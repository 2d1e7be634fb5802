//! Log-probabilities of continuations.
//!
//! What requests have in common is read once (`crate::reading`), the vocabulary projection runs only at scored positions, and batches
//! are cut by length.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::decoder::Watch;
use crate::device::DeviceKind;
use crate::error::ModelError;
use crate::layerwise::{KeptWave, Visits};
use crate::model::Model;
use crate::reading::{Reading, Target, Targets, cells, rows_per_projection};
use crate::score_there::summaries;
use crate::shared::SharedRow;
use crate::stem_states::Stems;

/// Largest width of a model whose products are too small to be divided among cores.
const NARROW: usize = 512;

/// Log-probability of one continuation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContinuationScore {
    /// ln p of each token of the continuation, natural logarithm.
    pub token_log_probabilities: Vec<f64>,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
}

impl ContinuationScore {
    fn nothing_yet() -> Self {
        Self {
            is_greedy: true,
            ..Self::default()
        }
    }

    /// Σ ln p.
    #[must_use]
    pub fn log_probability(&self) -> f64 {
        self.token_log_probabilities.iter().sum()
    }
}

impl Model {
    /// ln p of each `(context, continuation)`. The result does not depend on the other requests beyond rounding.
    ///
    /// # Errors
    /// If a context or continuation is empty, a token is out of range, a logit is not finite, or the device fails.
    pub fn score(
        &self,
        requests: &[(&[u32], &[u32])],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<ContinuationScore>, ModelError> {
        let reading = Reading::new(self, requests)?;
        let mut scores = vec![ContinuationScore::nothing_yet(); requests.len()];
        if matches!(self.visits(), Visits::LayerByLayer { .. }) {
            self.score_by_layer(&reading, &mut scores, progress)?;
            return Ok(scores);
        }
        let mut stems = Stems::default();
        for some in reading.batches().chunks(self.passes_at_once()) {
            stems.prepare(self, &reading, some)?;
            let found = some
                .par_iter()
                .map(|batch| self.score_batch(&reading, batch, &stems))
                .collect::<Result<Vec<_>, _>>()?;
            for (request, score) in found.into_iter().flatten() {
                scores[request] = score;
            }
            progress(some.iter().map(|batch| reading.answered(batch)).sum());
        }
        Ok(scores)
    }

    /// Whether forward passes of few rows are better run beside each other than divided. Which rows make a batch depends on the model
    /// alone and not on the number of cores, so that results do not either.
    pub(crate) fn runs_side_by_side(&self) -> bool {
        self.device().kind() == DeviceKind::Cpu && self.decoder.spec.hidden <= NARROW
    }

    pub(crate) fn passes_at_once(&self) -> usize {
        if self.runs_side_by_side() {
            // A few for each core, so that none waits long for the longest.
            4 * rayon::current_num_threads()
        } else {
            1
        }
    }

    fn score_batch(
        &self,
        reading: &Reading<'_>,
        rows: &[SharedRow],
        stems: &Stems,
    ) -> Result<BTreeMap<usize, ContinuationScore>, ModelError> {
        let batch = reading.batch(rows);
        let targets = reading.targets(rows, batch.length);
        let hidden = self.final_states(&batch, stems.of(rows), &cells(&targets))?;
        self.scores(&targets, &hidden)
    }

    /// All batches of a wave through each layer, for models larger than memory.
    fn score_by_layer(
        &self,
        reading: &Reading<'_>,
        scores: &mut [ContinuationScore],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), ModelError> {
        let rows = reading.batches();
        let batches: Vec<Batch> = rows.iter().map(|rows| reading.batch(rows)).collect();
        let mut rows = rows.into_iter();
        for wave in self.waves(&batches) {
            let kept = self.kept_waves.as_ref().map(|waves| waves.of(self, wave));
            let from = kept.as_ref().and_then(KeptWave::find);
            let hidden = self.visit(wave, from, &mut Watch::Nobody, kept.as_ref())?;
            for ((batch, hidden), rows) in wave.iter().zip(&hidden).zip(&mut rows) {
                let targets = reading.targets(rows, batch.length);
                let hidden = hidden.clone().select(0, indices(&cells(&targets), self.device()));
                for (request, score) in self.scores(&targets, &hidden)? {
                    scores[request] = score;
                }
                progress(reading.answered(rows));
            }
            kept.inspect(KeptWave::done);
        }
        Ok(())
    }

    /// Scores of the requests that cells are asked for, by their final hidden states, `[cells, hidden]`.
    fn scores(&self, targets: &Targets, hidden: &Tensor<2>) -> Result<BTreeMap<usize, ContinuationScore>, ModelError> {
        let mut scores: BTreeMap<usize, ContinuationScore> = BTreeMap::new();
        let at_once = rows_per_projection(self.vocabulary());
        for (chunk, first) in targets.chunks(at_once).zip((0..).step_by(at_once)) {
            let picked = hidden.clone().narrow(0, first, chunk.len());
            if self.device().kind() == DeviceKind::Wgpu {
                self.add_scores_there(picked, chunk, &mut scores)?;
                continue;
            }
            let logits = host_f64(self.decoder.logits(picked), "logits")?;
            for ((_, targets), logits) in chunk.iter().zip(logits.chunks_exact(self.vocabulary())) {
                let normaliser = log_sum_exp(logits)?;
                let best = argmax(logits);
                for target in targets {
                    self.check_token(target.token)?;
                    let logit = logits[target.token as usize];
                    let score = scores
                        .entry(target.request)
                        .or_insert_with(ContinuationScore::nothing_yet);
                    score.token_log_probabilities.push(logit - normaliser);
                    score.is_greedy &= best == target.token as usize;
                }
            }
        }
        Ok(scores)
    }

    /// The same of some cells' states, without reading their logits.
    fn add_scores_there(
        &self,
        picked: Tensor<2>,
        cells: &[(usize, Vec<Target>)],
        scores: &mut BTreeMap<usize, ContinuationScore>,
    ) -> Result<(), ModelError> {
        let targets = || {
            let of_row = |(row, (_, targets)): (usize, &(usize, Vec<Target>))| {
                targets.iter().map(move |&target| (row, target)).collect::<Vec<_>>()
            };
            cells.iter().enumerate().flat_map(of_row)
        };
        targets().try_for_each(|(_, target)| self.check_token(target.token))?;
        let wanted: Vec<(usize, usize)> = targets().map(|(row, target)| (row, target.token as usize)).collect();
        let found = summaries(self.decoder.logits(picked), &wanted, self.device())?;
        for ((row, target), logit) in targets().zip(found.picked) {
            let score = scores
                .entry(target.request)
                .or_insert_with(ContinuationScore::nothing_yet);
            score.token_log_probabilities.push(logit - found.normalisers[row]);
            score.is_greedy &= found.best[row] == target.token as usize;
        }
        Ok(())
    }

    fn check_token(&self, token: u32) -> Result<(), ModelError> {
        let there = self.vocabulary();
        if (token as usize) < there {
            return Ok(());
        }
        Err(ModelError::Tokens(format!(
            "token id {token} is out of range: there are {there}"
        )))
    }
}

/// ln Σ exp, in f64.
///
/// # Errors
/// If a logit is NaN or infinite.
pub(crate) fn log_sum_exp(logits: &[f64]) -> Result<f64, ModelError> {
    if let Some(bad) = logits.iter().find(|logit| !logit.is_finite()) {
        return Err(ModelError::NotFinite {
            place: "logits".into(),
            found: bad.to_string(),
        });
    }
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(largest + logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln())
}

/// Index of the largest value, the first of equals.
pub(crate) fn argmax(logits: &[f64]) -> usize {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best
}
