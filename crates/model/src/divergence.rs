//! How far the masked model's next-token distributions are from the unpruned model's.
//!
//! ```text
//! KL(P ‖ Q) = Σ_v P(v) · (ln P(v) − ln Q(v)),   P unpruned, Q masked, over the whole vocabulary
//! ```
//!
//! Both models run over the same batch. Logits are made for a few rows at a time and summed in f64, so that no tensor of
//! `[batch, length, vocabulary]` is ever there.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::model::Model;
use crate::score::{argmax, log_sum_exp};

/// Padded tokens per forward pass.
const TOKENS_PER_BATCH: usize = 4096;

/// Logits of one model on the host at a time.
const LOGITS_PER_PROJECTION: usize = 1 << 22;

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

/// A position whose next token is predicted.
struct Target {
    /// Row of the hidden states.
    row: usize,
    request: usize,
    token: u32,
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
        let mut inputs = Vec::with_capacity(requests.len());
        for (index, (context, continuation)) in requests.iter().enumerate() {
            let Some((_, before_last)) = continuation.split_last().filter(|_| !context.is_empty()) else {
                return Err(ModelError::Tokens(format!(
                    "request {index}: found {} tokens of context and {} of continuation, expected some of each",
                    context.len(),
                    continuation.len()
                )));
            };
            inputs.push((index, [context, before_last].concat()));
        }
        inputs.sort_by_key(|(_, tokens)| std::cmp::Reverse(tokens.len()));
        let mut found = vec![ContinuationDivergence::default(); requests.len()];
        let mut rest = inputs.as_slice();
        while let Some((_, longest)) = rest.first() {
            let (batch, after) = rest.split_at(rest.len().min((TOKENS_PER_BATCH / longest.len()).max(1)));
            self.compare_batch(requests, batch, &mut found)?;
            progress(batch.len());
            rest = after;
        }
        Ok(found)
    }

    fn compare_batch(
        &mut self,
        requests: &[(&[u32], &[u32])],
        inputs: &[(usize, Vec<u32>)],
        found: &mut [ContinuationDivergence],
    ) -> Result<(), ModelError> {
        let sequences: Vec<&[u32]> = inputs.iter().map(|(_, tokens)| tokens.as_slice()).collect();
        let batch = Batch::right_padded(&sequences);
        let run = |model: &Self| model.decoder.forward(&batch, None, &mut Watch::Nobody);
        let masked = run(self)?;
        let whole = self.unmasked(run)?;
        let mut targets = Vec::new();
        for (row, &(request, _)) in inputs.iter().enumerate() {
            let (context, continuation) = requests[request];
            let first = row * batch.length + context.len() - 1;
            targets.extend(continuation.iter().enumerate().map(|(offset, &token)| Target {
                row: first + offset,
                request,
                token,
            }));
        }
        let width = self.vocabulary();
        for chunk in targets.chunks((LOGITS_PER_PROJECTION / width).max(1)) {
            let (unpruned, pruned) = (self.rows(&whole, chunk)?, self.rows(&masked, chunk)?);
            let rows = unpruned.chunks_exact(width).zip(pruned.chunks_exact(width));
            for (target, (unpruned, pruned)) in chunk.iter().zip(rows) {
                found[target.request].add(unpruned, pruned, target.token)?;
            }
        }
        Ok(())
    }

    /// Logits of the targets' rows, `[targets, vocabulary]`.
    fn rows(&self, hidden: &Tensor<2>, targets: &[Target]) -> Result<Vec<f64>, ModelError> {
        let rows: Vec<usize> = targets.iter().map(|target| target.row).collect();
        let picked = hidden.clone().select(0, indices(&rows, self.device()));
        host_f64(self.decoder.logits(picked), "logits")
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
    use super::*;

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
}
