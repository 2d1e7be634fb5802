//! Batched decoding with a key–value cache.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::decode::{Decoding, rows};
use crate::error::ModelError;
use crate::model::Model;
use crate::score::{argmax, log_sum_exp};
use crate::stem_states::StemStates;

/// Requests that are decoded by one thread where that is better than to divide each pass.
const SIDE_BY_SIDE: usize = 32;

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

/// A request and what was generated for it so far.
pub(crate) struct Running<'a> {
    pub(crate) request: usize,
    pub(crate) options: &'a GenerateOptions,
    generator: ChaCha8Rng,
    pub(crate) generated: Generated,
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
        let mut waiting = Vec::with_capacity(requests.len());
        for (request, options) in requests.iter().enumerate() {
            if options.prompt.is_empty() {
                return Err(ModelError::Tokens(format!("request {request}: the prompt is empty")));
            }
            if options.max_new_tokens == 0 {
                progress(1);
            } else {
                waiting.push(Running::new(request, options));
            }
        }
        waiting.sort_by_key(|sequence| std::cmp::Reverse(sequence.options.prompt.len()));
        let rows = rows(self, &waiting);
        let prompts: Vec<&[u32]> = waiting.iter().map(|sequence| &sequence.options.prompt[..]).collect();
        let stem = StemStates::of_prompts(self, &prompts)?;
        let stem = stem.as_ref();
        let mut results = vec![Generated::default(); requests.len()];
        let mut keep = |done: Vec<Running<'_>>| {
            for sequence in done {
                results[sequence.request] = sequence.generated;
            }
        };
        if !self.runs_side_by_side() || waiting.len() <= SIDE_BY_SIDE {
            keep(Decoding::new(self, stem, waiting, rows, stop).run(&mut || progress(1))?);
            return Ok(results);
        }
        let mut lanes = Vec::new();
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(SIDE_BY_SIDE));
            lanes.push(std::mem::replace(&mut waiting, rest));
        }
        while !lanes.is_empty() {
            let some: Vec<_> = lanes.drain(..lanes.len().min(self.passes_at_once())).collect();
            let decode = |lane| Decoding::new(self, stem, lane, rows, stop).run(&mut || {});
            let done: Vec<_> = some.into_par_iter().map(decode).collect::<Result<_, _>>()?;
            progress(done.iter().map(Vec::len).sum());
            done.into_iter().for_each(&mut keep);
        }
        Ok(results)
    }
}

impl<'a> Running<'a> {
    pub(crate) fn new(request: usize, options: &'a GenerateOptions) -> Self {
        Self {
            request,
            options,
            generator: ChaCha8Rng::seed_from_u64(options.seed),
            generated: Generated::default(),
        }
    }

    /// The last token, and its position.
    pub(crate) fn last(&self) -> Option<(u32, usize)> {
        let tokens = &self.generated.tokens;
        Some((*tokens.last()?, self.options.prompt.len() + tokens.len() - 1))
    }

    /// The next token, and its log-probability noted.
    pub(crate) fn next(&mut self, logits: &[f64]) -> Result<u32, ModelError> {
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

    pub(crate) fn is_done(&mut self, token: u32, stop: &StopRule<'_>) -> Result<bool, ModelError> {
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
