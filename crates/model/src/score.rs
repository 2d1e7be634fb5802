//! Log-probabilities of continuations.
//!
//! The vocabulary projection runs only at scored positions, requests that feed the model the same tokens (all one-token
//! answers to one question) share one forward pass, and batches are cut by length.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::decoder::Watch;
use crate::device::DeviceKind;
use crate::error::ModelError;
use crate::model::Model;

/// Padded tokens per forward pass.
const TOKENS_PER_BATCH: usize = 4096;

/// The same where passes run side by side.
const TOKENS_SIDE_BY_SIDE: usize = 1024;

/// Largest width of a model whose products are too small to be divided among cores.
const NARROW: usize = 512;

/// Rows of logits on the host at a time.
const ROWS_PER_PROJECTION: usize = 512;

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

/// A row of final hidden states whose logits are asked for, and what they are asked for.
struct Target {
    request: usize,
    token: u32,
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
        // Input tokens → requests that need them.
        let mut inputs: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
        for (index, (context, continuation)) in requests.iter().enumerate() {
            let Some((_, before_last)) = continuation.split_last() else {
                return Err(ModelError::Tokens(format!(
                    "request {index}: the continuation is empty"
                )));
            };
            if context.is_empty() {
                return Err(ModelError::Tokens(format!("request {index}: the context is empty")));
            }
            inputs.entry([context, before_last].concat()).or_default().push(index);
        }
        let mut inputs: Vec<(Vec<u32>, Vec<usize>)> = inputs.into_iter().collect();
        inputs.sort_by_key(|(tokens, _)| std::cmp::Reverse(tokens.len()));
        let mut scores = vec![ContinuationScore::nothing_yet(); requests.len()];
        let tokens = if self.runs_side_by_side() {
            TOKENS_SIDE_BY_SIDE
        } else {
            TOKENS_PER_BATCH
        };
        let mut batches: Vec<&[(Vec<u32>, Vec<usize>)]> = Vec::new();
        let mut rest = inputs.as_slice();
        while let Some((longest, _)) = rest.first() {
            let (batch, after) = rest.split_at(rest.len().min((tokens / longest.len()).max(1)));
            batches.push(batch);
            rest = after;
        }
        for some in batches.chunks(self.passes_at_once()) {
            let found = some
                .par_iter()
                .map(|batch| self.score_batch(requests, batch))
                .collect::<Result<Vec<_>, _>>()?;
            for (request, score) in found.into_iter().flatten() {
                scores[request] = score;
            }
            progress(some.iter().copied().flatten().map(|(_, requests)| requests.len()).sum());
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
        requests: &[(&[u32], &[u32])],
        inputs: &[(Vec<u32>, Vec<usize>)],
    ) -> Result<BTreeMap<usize, ContinuationScore>, ModelError> {
        let mut scores: BTreeMap<usize, ContinuationScore> = BTreeMap::new();
        let sequences: Vec<&[u32]> = inputs.iter().map(|(tokens, _)| tokens.as_slice()).collect();
        let batch = Batch::right_padded(&sequences);
        let hidden = self.decoder.forward(&batch, None, &mut Watch::Nobody)?;
        // Row of the hidden states → targets, ascending, so that a request's tokens come in order.
        let mut rows: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
        for (row, (_, wanted)) in inputs.iter().enumerate() {
            for &request in wanted {
                let (context, continuation) = requests[request];
                for (offset, &token) in continuation.iter().enumerate() {
                    let position = row * batch.length + context.len() - 1 + offset;
                    rows.entry(position).or_default().push(Target { request, token });
                }
            }
        }
        let rows: Vec<(usize, Vec<Target>)> = rows.into_iter().collect();
        for chunk in rows.chunks(ROWS_PER_PROJECTION) {
            let positions: Vec<usize> = chunk.iter().map(|(position, _)| *position).collect();
            let picked = hidden.clone().select(0, indices(&positions, self.device()));
            let logits = host_f64(self.decoder.logits(picked), "logits")?;
            for ((_, targets), logits) in chunk.iter().zip(logits.chunks_exact(self.vocabulary())) {
                let normaliser = log_sum_exp(logits)?;
                let best = argmax(logits);
                for target in targets {
                    let logit = logits.get(target.token as usize).ok_or_else(|| {
                        ModelError::Tokens(format!(
                            "token id {} is out of range: there are {}",
                            target.token,
                            logits.len()
                        ))
                    })?;
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
