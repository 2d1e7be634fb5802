//! Batched decoding with a key–value cache.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::decoder::{Cache, Watch};
use crate::error::ModelError;
use crate::model::Model;
use crate::score::{argmax, log_sum_exp};

/// Sequences decoded side by side.
const SEQUENCES_PER_BATCH: usize = 64;

/// The same where batches are decoded beside each other.
const SEQUENCES_SIDE_BY_SIDE: usize = 32;

/// A prompt to go on from.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// Not empty.
    pub prompt: Vec<u32>,
    /// Upper limit of new tokens.
    pub max_new_tokens: usize,
    /// Tokens that end the answer.
    pub end_tokens: Vec<u32>,
    /// 0 is greedy.
    pub temperature: f64,
    /// Smallest set of tokens whose probability reaches this is sampled from; 1 keeps all.
    pub top_p: f64,
    /// Seed of this request's own generator.
    pub seed: u64,
}

/// What was generated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generated {
    /// New tokens, the end token left out.
    pub tokens: Vec<u32>,
    /// ln p of each under the model at temperature 1.
    pub log_probabilities: Vec<f64>,
    /// ln p of the end token, where one ended it.
    pub end_log_probability: Option<f64>,
    /// The model ended it with one of the end tokens.
    pub ended: bool,
    /// The caller's stop rule ended it.
    pub stopped: bool,
}

/// Looks at the tokens so far and says whether to stop (stop texts). Asked about different requests from several threads, about one request
/// after each of its tokens.
pub type StopRule<'a> = dyn Fn(usize, &[u32]) -> Result<bool, ModelError> + Sync + 'a;

struct Running<'a> {
    request: usize,
    options: &'a GenerateOptions,
    generator: ChaCha8Rng,
    generated: Generated,
}

impl Model {
    /// Generates for all requests. `stop` is asked after every new token with the request's index and its new tokens.
    ///
    /// # Errors
    /// If a prompt is empty, a token out of range, a logit not finite, the stop rule fails, or the device fails.
    pub fn generate(
        &self,
        requests: &[GenerateOptions],
        stop: &StopRule<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generated>, ModelError> {
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(requests[index].prompt.len()));
        let size = if self.runs_side_by_side() {
            SEQUENCES_SIDE_BY_SIDE
        } else {
            SEQUENCES_PER_BATCH
        };
        let mut batches = Vec::new();
        for batch in order.chunks(size) {
            let mut running = Vec::with_capacity(batch.len());
            for &request in batch {
                let options = &requests[request];
                if options.prompt.is_empty() {
                    return Err(ModelError::Tokens(format!("request {request}: the prompt is empty")));
                }
                if options.max_new_tokens == 0 {
                    progress(1);
                    continue;
                }
                running.push(Running {
                    request,
                    options,
                    generator: ChaCha8Rng::seed_from_u64(options.seed),
                    generated: Generated::default(),
                });
            }
            batches.push(running);
        }
        let mut results = vec![Generated::default(); requests.len()];
        while !batches.is_empty() {
            let mut some: Vec<_> = batches.drain(..batches.len().min(self.passes_at_once())).collect();
            let done = if some.len() > 1 {
                let decode = |running| self.decode(running, stop, &mut || {});
                let done: Vec<_> = some.into_par_iter().map(decode).collect::<Result<_, _>>()?;
                progress(done.iter().map(Vec::len).sum());
                done.into_iter().flatten().collect()
            } else {
                self.decode(some.pop().unwrap_or_default(), stop, &mut || progress(1))?
            };
            for sequence in done {
                results[sequence.request] = sequence.generated;
            }
        }
        Ok(results)
    }

    /// Decodes to the end of every sequence; `ended` is called at each.
    fn decode<'a>(
        &self,
        mut running: Vec<Running<'a>>,
        stop: &StopRule<'_>,
        ended: &mut dyn FnMut(),
    ) -> Result<Vec<Running<'a>>, ModelError> {
        let mut done = Vec::with_capacity(running.len());
        // Neighbours with one prompt (samples of one question) read it once.
        let mut prompts: Vec<&[u32]> = Vec::new();
        let mut rows = Vec::with_capacity(running.len());
        for sequence in &running {
            let prompt = sequence.options.prompt.as_slice();
            if prompts.last() != Some(&prompt) {
                prompts.push(prompt);
            }
            rows.push(prompts.len() - 1);
        }
        let mut batch = Batch::left_padded(&prompts);
        let mut cache = Cache::default();
        while !running.is_empty() {
            let hidden = self.decoder.forward(&batch, Some(&mut cache), &mut Watch::Nobody)?;
            let last: Vec<usize> = (0..batch.batch).map(|row| (row + 1) * batch.length - 1).collect();
            let hidden = hidden.select(0, indices(&last, self.device()));
            let logits = host_f64(self.decoder.logits(hidden), "logits")?;
            let width = self.vocabulary();
            let mut going_on = Vec::with_capacity(running.len());
            let (mut kept_rows, mut ids, mut positions) = (Vec::new(), Vec::new(), Vec::new());
            for (mut sequence, row) in running.into_iter().zip(rows) {
                let token = sequence.next(&logits[row * width..(row + 1) * width])?;
                if sequence.is_done(token, stop)? {
                    ended();
                    done.push(sequence);
                    continue;
                }
                kept_rows.push(row);
                ids.push(token);
                positions.push(sequence.options.prompt.len() + sequence.generated.tokens.len() - 1);
                going_on.push(sequence);
            }
            if !kept_rows.iter().copied().eq(0..batch.batch) {
                cache.select(&kept_rows, self.device());
            }
            running = going_on;
            rows = (0..running.len()).collect();
            batch = Batch::step(ids, positions);
        }
        Ok(done)
    }
}

impl Running<'_> {
    /// The next token, and its log-probability noted.
    fn next(&mut self, logits: &[f64]) -> Result<u32, ModelError> {
        let normaliser = log_sum_exp(logits)?;
        let token = if self.options.temperature > 0.0 {
            sample(
                logits,
                self.options.temperature,
                self.options.top_p,
                &mut self.generator,
            )
        } else {
            argmax(logits)
        };
        self.generated.log_probabilities.push(logits[token] - normaliser);
        Ok(token as u32)
    }

    fn is_done(&mut self, token: u32, stop: &StopRule<'_>) -> Result<bool, ModelError> {
        if self.options.end_tokens.contains(&token) {
            self.generated.end_log_probability = self.generated.log_probabilities.pop();
            self.generated.ended = true;
            return Ok(true);
        }
        self.generated.tokens.push(token);
        self.generated.stopped = stop(self.request, &self.generated.tokens)?;
        Ok(self.generated.stopped || self.generated.tokens.len() >= self.options.max_new_tokens)
    }
}

/// Draws from the softmax at `temperature`, restricted to the most probable tokens that together reach `top_p`.
fn sample(logits: &[f64], temperature: f64, top_p: f64, generator: &mut ChaCha8Rng) -> usize {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut shares: Vec<(usize, f64)> = logits
        .iter()
        .enumerate()
        .map(|(token, logit)| (token, ((logit - largest) / temperature).exp()))
        .collect();
    let total: f64 = shares.iter().map(|(_, share)| share).sum();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut nucleus = 0.0;
    let mut size = 0;
    while size < shares.len() && (size == 0 || nucleus < top_p * total) {
        nucleus += shares[size].1;
        size += 1;
    }
    let mut draw = generator.random::<f64>() * nucleus;
    for (token, share) in &shares[..size] {
        draw -= share;
        if draw < 0.0 {
            return *token;
        }
    }
    shares[size - 1].0
}

#[cfg(test)]
mod tests {
    use super::sample;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn sampling_follows_probabilities_and_the_nucleus() {
        let logits = [0.0, 3.0f64.ln(), f64::MIN];
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0usize; 3];
        (0..4000).for_each(|_| counts[sample(&logits, 1.0, 1.0, &mut generator)] += 1);
        assert!((2900..3100).contains(&counts[1]) && counts[2] == 0, "{counts:?}");
        assert!((0..100).all(|_| sample(&logits, 1.0, 0.7, &mut generator) == 1));
    }
}
