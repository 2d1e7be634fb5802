//! How far the masked model's next-token distributions are from the unpruned model's.
//!
//! ```text
//! KL(P ‖ Q) = Σ_v P(v) · (ln P(v) − ln Q(v)),   P unpruned, Q masked, over the whole vocabulary
//! ```
//!
//! Both models run over the same batch; what the unpruned one says of it is kept for other masks while there is room
//! (`crate::kept_states`). Where weights do not fit into memory, both go through each layer together. Logits are made for a few rows at a time and summed in f64, so that no tensor of
//! `[batch, length, vocabulary]` is ever there.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::error::ModelError;
use crate::kept_states::Place;
use crate::layerwise::Visits;
use crate::model::Model;
use crate::reading::{Reading, Targets, cells, rows_per_projection};
use crate::score::{argmax, log_sum_exp};
use crate::shared::SharedRow;
use crate::stem_states::Stems;

/// Sums over the tokens of one continuation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContinuationDivergence {
    /// Tokens of the continuation: positions compared.
    pub tokens: usize,
    /// Σ KL(unpruned ‖ masked), nats.
    pub kl_sum: f64,
    /// Largest KL of a position, nats.
    pub largest_kl: f64,
    /// Positions at which both think the same token the likeliest.
    pub top1_agreeing: usize,
    /// Σ ln p of the continuation's tokens under the masked model.
    pub log_probability: f64,
    /// The same under the unpruned model.
    pub unpruned_log_probability: f64,
}

impl Model {
    /// Compares the masked with the unpruned model at every token of each `(context, continuation)`'s continuation. The mask
    /// is the same afterwards, also where this fails.
    ///
    /// # Errors
    /// If a context or continuation is empty, a token is out of range, a logit is not finite, or the device fails.
    pub fn divergence(
        &mut self,
        requests: &[(&[u32], &[u32])],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<ContinuationDivergence>, ModelError> {
        let reading = Reading::new(self, requests)?;
        let mut found = vec![ContinuationDivergence::default(); requests.len()];
        if matches!(self.visits(), Visits::LayerByLayer { .. }) {
            self.compare_by_layer(&reading, &mut found, progress)?;
            return Ok(found);
        }
        let mut stems = [Stems::default(), Stems::default()];
        for rows in reading.batches() {
            self.compare_batch(&reading, rows, &mut stems, &mut found)?;
            progress(reading.answered(rows));
        }
        Ok(found)
    }

    fn compare_batch(
        &mut self,
        reading: &Reading<'_>,
        rows: &[SharedRow],
        [stems, unpruned_stems]: &mut [Stems; 2],
        found: &mut [ContinuationDivergence],
    ) -> Result<(), ModelError> {
        let batch = reading.batch(rows);
        let targets = reading.targets(rows, batch.length);
        let cells = cells(&targets);
        let place: Place = (batch, cells);
        let ask = |model: &Self, stems: &mut Stems| -> Result<Tensor<2>, ModelError> {
            stems.prepare(model, reading, &[rows])?;
            model.final_states(&place.0, stems.of(rows), &place.1)
        };
        let pruned = ask(self, stems)?;
        // That of the set mask if it drops nothing, else as an earlier mask needed it, else computed.
        let unpruned = match self.unpruned.get(&place) {
            Some(kept) => kept,
            None if self.mask().kept.is_empty() => pruned.clone(),
            None => self.unmasked(|model| ask(model, unpruned_stems))?,
        };
        self.unpruned.keep(place, &unpruned);
        self.compare(&targets, &unpruned, &pruned, found)
    }

    /// All batches of a wave through each layer, for models larger than memory.
    fn compare_by_layer(
        &mut self,
        reading: &Reading<'_>,
        found: &mut [ContinuationDivergence],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), ModelError> {
        let rows = reading.batches();
        let batches: Vec<Batch> = rows.iter().map(|rows| reading.batch(rows)).collect();
        let mut rows = rows.into_iter();
        // Each token waits twice: masked and not.
        for wave in self.waves_of(&batches, 2) {
            let targets: Vec<_> = wave
                .iter()
                .zip(&mut rows)
                .map(|(batch, rows)| (rows, reading.targets(rows, batch.length)))
                .collect();
            let places: Vec<Place> = wave
                .iter()
                .zip(&targets)
                .map(|(batch, (_, targets))| (batch.clone(), cells(targets)))
                .collect();
            let kept: Vec<Option<Tensor<2>>> = places.iter().map(|place| self.unpruned.get(place)).collect();
            let wanted: Vec<bool> = kept.iter().map(Option::is_none).collect();
            let both = self.visit_both(wave, &wanted)?;
            for (((place, (rows, targets)), kept), both) in places.into_iter().zip(targets).zip(kept).zip(both) {
                let chosen = |states: Tensor<2>| states.select(0, indices(&place.1, self.device()));
                let pruned = chosen(both.masked);
                let new = both.unpruned.map(chosen);
                if let Some(unpruned) = kept.as_ref().or(new.as_ref()) {
                    self.compare(&targets, unpruned, &pruned, found)?;
                }
                if let (None, Some(new)) = (kept, new) {
                    self.unpruned.keep(place, &new);
                }
                progress(reading.answered(rows));
            }
        }
        Ok(())
    }

    /// Adds what both models say at some targets: states `[targets, hidden]`.
    fn compare(
        &self,
        targets: &Targets,
        unpruned: &Tensor<2>,
        pruned: &Tensor<2>,
        found: &mut [ContinuationDivergence],
    ) -> Result<(), ModelError> {
        let width = self.vocabulary();
        let at_once = rows_per_projection(width);
        for (chunk, first) in targets.chunks(at_once).zip((0..).step_by(at_once)) {
            let logits = |states: &Tensor<2>| {
                let some = states.clone().narrow(0, first, chunk.len());
                host_f64(self.decoder.logits(some), "logits")
            };
            let (unpruned, pruned) = (logits(unpruned)?, logits(pruned)?);
            let pairs = unpruned.chunks_exact(width).zip(pruned.chunks_exact(width));
            for ((_, targets), (unpruned, pruned)) in chunk.iter().zip(pairs) {
                for target in targets {
                    found[target.request].add(unpruned, pruned, target.token)?;
                }
            }
        }
        Ok(())
    }
}

impl ContinuationDivergence {
    /// Adds a position, given both models' logits and the token that follows in the text.
    fn add(&mut self, unpruned: &[f64], pruned: &[f64], token: u32) -> Result<(), ModelError> {
        let (p_total, q_total) = (log_sum_exp(unpruned)?, log_sum_exp(pruned)?);
        let mut kl = 0.0;
        for (p, q) in unpruned.iter().zip(pruned) {
            let (p, q) = (p - p_total, q - q_total);
            kl += p.exp() * (p - q);
        }
        // Never negative but for rounding.
        let kl = kl.max(0.0);
        let index = token as usize;
        let (Some(p), Some(q)) = (unpruned.get(index), pruned.get(index)) else {
            return Err(ModelError::Tokens(format!(
                "token id {token} is out of range: there are {}",
                pruned.len()
            )));
        };
        self.tokens += 1;
        self.kl_sum += kl;
        self.largest_kl = self.largest_kl.max(kl);
        self.top1_agreeing += usize::from(argmax(unpruned) == argmax(pruned));
        self.log_probability += q - q_total;
        self.unpruned_log_probability += p - p_total;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::device::{Device, DeviceKind, Precision};
    use crate::mask::{ExpertId, ExpertMask};

    #[test]
    fn by_hand() {
        let mut sums = ContinuationDivergence::default();
        // P = (1/2, 1/2), Q = (1/4, 3/4), whatever is added to the logits.
        let (p, q) = ([2.0, 2.0], [0.25_f64.ln() + 7.0, 0.75_f64.ln() + 7.0]);
        sums.add(&p, &q, 1).unwrap();
        let kl = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        assert!((sums.kl_sum - kl).abs() < 1e-12 && (sums.largest_kl - kl).abs() < 1e-12);
        assert!((sums.log_probability - 0.75_f64.ln()).abs() < 1e-12);
        assert!((sums.unpruned_log_probability - 0.5_f64.ln()).abs() < 1e-12);
        // The first of equals is the likeliest.
        assert_eq!((sums.tokens, sums.top1_agreeing), (1, 0));
        sums.add(&p, &p, 0).unwrap();
        assert_eq!((sums.tokens, sums.top1_agreeing), (2, 1));
        assert!((sums.kl_sum - kl).abs() < 1e-15);
        assert!(sums.add(&p, &q, 2).is_err() && sums.add(&[f64::NAN, 0.0], &q, 0).is_err());
    }

    #[test]
    fn the_unpruned_model_runs_once_for_all_masks() {
        let fixture = "../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint";
        let checkpoint = Checkpoint::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let requests: [(&[u32], &[u32]); 2] = [(&[1, 2, 3], &[4, 5]), (&[1, 2, 3], &[6, 7, 8])];
        let mut model = Model::load(&checkpoint, &device).unwrap();
        let mut compared = |dropped: usize| {
            let experts = model.moe_layers()[0].experts;
            let kept = (0..experts).filter(|&id| id != dropped).map(ExpertId).collect();
            let mask = ExpertMask {
                kept: BTreeMap::from([(model.moe_layers()[0].layer, kept)]),
            };
            model.set_mask(Some(&mask)).unwrap();
            let found = model.divergence(&requests, &mut |_| {}).unwrap();
            (found, model.unpruned.found())
        };
        let (first, found) = compared(0);
        assert_eq!(found, 0);
        assert_eq!(compared(1).1, 1);
        assert_eq!(compared(0), (first, 2));
    }
}
