//! The smallest real language model: next-token probabilities from counted pairs of tokens.
//!
//! Every [`Engine`] contract can be checked against it by hand, so the tests of the evaluation run on it.
//!
//! ```text
//! p(b | a) = (n(a, b) + α) / (n(a) + α·V)
//! ```

use std::collections::BTreeMap;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use secateur_datasets::item::Message;

use crate::engine::{Divergence, Engine, EngineError, Finish, GenerateRequest, Generation, Score, ScoreRequest};

const BOS: u32 = 256;
const EOS: u32 = 257;
const FIRST_MERGE: u32 = 258;
const SMOOTHING: f64 = 0.01;

/// A bigram model over bytes, two special tokens and a list of merged strings.
#[derive(Debug, Clone)]
pub struct BigramEngine {
    merges: Vec<String>,
    pairs: BTreeMap<(u32, u32), f64>,
    totals: BTreeMap<u32, f64>,
    adds_bos: bool,
    has_template: bool,
    max_length: usize,
    /// What this model is a pruned form of; itself where absent.
    whole: Option<Box<Self>>,
    /// Requests to score that were received so far.
    pub scored: usize,
    /// Requests to generate that were received so far.
    pub generated: usize,
}

impl BigramEngine {
    /// Counts token pairs in `text`; each line is one document between BOS and EOS. `merges` are strings that become one
    /// token, longest match first.
    #[must_use]
    pub fn train(text: &str, merges: &[&str]) -> Self {
        let mut engine = Self {
            merges: merges.iter().map(ToString::to_string).collect(),
            pairs: BTreeMap::new(),
            totals: BTreeMap::new(),
            adds_bos: false,
            has_template: false,
            max_length: 512,
            whole: None,
            scored: 0,
            generated: 0,
        };
        for line in text.lines() {
            let mut tokens = vec![BOS];
            tokens.extend(engine.tokens(line));
            tokens.push(EOS);
            for pair in tokens.windows(2) {
                *engine.pairs.entry((pair[0], pair[1])).or_default() += 1.0;
                *engine.totals.entry(pair[0]).or_default() += 1.0;
            }
        }
        engine
    }

    /// The tokenizer adds BOS by itself.
    #[must_use]
    pub fn with_bos(mut self) -> Self {
        self.adds_bos = true;
        self
    }

    /// The checkpoint has a chat template: `role: content` lines.
    #[must_use]
    pub fn with_template(mut self) -> Self {
        self.has_template = true;
        self
    }

    /// Longest input in tokens.
    #[must_use]
    pub fn with_max_length(mut self, tokens: usize) -> Self {
        self.max_length = tokens;
        self
    }

    /// This model is what is left of `whole`, which must have the same merges.
    ///
    /// # Panics
    /// If it has others: the two would not speak of the same tokens.
    #[must_use]
    pub fn pruned_from(mut self, whole: Self) -> Self {
        assert_eq!(self.merges, whole.merges, "merges of the pruned and the unpruned model");
        self.whole = Some(Box::new(whole));
        self
    }

    fn unpruned(&self) -> &Self {
        self.whole.as_deref().unwrap_or(self)
    }

    /// The token before each token of the continuation, and that token.
    fn steps(&self, request: &ScoreRequest) -> Result<Vec<(u32, u32)>, EngineError> {
        let length = request.context.len() + request.continuation.len();
        if length > self.max_length + 1 {
            let limit = self.max_length;
            return Err(EngineError(format!(
                "a request of {length} tokens is too long for a model of {limit}"
            )));
        }
        let last = request.context.last();
        let last = last.ok_or_else(|| EngineError("a request has no context".into()))?;
        let before = std::iter::once(last).chain(&request.continuation);
        Ok(before.copied().zip(request.continuation.iter().copied()).collect())
    }

    /// How far this model's next token after `previous` is from the unpruned one's, and the same of the token that follows.
    fn compare(&self, previous: u32, next: u32, sums: &mut Divergence) {
        let whole = self.unpruned();
        let term = |token: u32| {
            let (p, q) = (whole.probability(previous, token), self.probability(previous, token));
            p * (p / q).ln()
        };
        let kl = (0..self.vocabulary()).map(term).sum::<f64>();
        sums.tokens += 1;
        sums.kl_sum += kl;
        sums.largest_kl = sums.largest_kl.max(kl);
        sums.top1_agreeing += usize::from(self.likeliest(previous) == whole.likeliest(previous));
        sums.log_probability += self.probability(previous, next).ln();
        sums.unpruned_log_probability += whole.probability(previous, next).ln();
    }

    fn vocabulary(&self) -> u32 {
        FIRST_MERGE + self.merges.len() as u32
    }

    fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let merged = (0..self.merges.len())
                .filter(|&i| !self.merges[i].is_empty() && rest.starts_with(&self.merges[i]))
                .max_by_key(|&i| self.merges[i].len());
            let length = if rest.starts_with("<s>") {
                tokens.push(BOS);
                3
            } else if let Some(i) = merged {
                tokens.push(FIRST_MERGE + i as u32);
                self.merges[i].len()
            } else {
                tokens.extend(rest.as_bytes()[..c.len_utf8()].iter().map(|&b| u32::from(b)));
                c.len_utf8()
            };
            rest = &rest[length..];
        }
        tokens
    }

    fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &token in tokens {
            match u8::try_from(token) {
                Ok(byte) => bytes.push(byte),
                Err(_) if token >= FIRST_MERGE => {
                    bytes.extend(self.merges[(token - FIRST_MERGE) as usize].bytes());
                }
                Err(_) => {}
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn probability(&self, previous: u32, next: u32) -> f64 {
        let count = self.pairs.get(&(previous, next)).copied().unwrap_or(0.0);
        let total = self.totals.get(&previous).copied().unwrap_or(0.0);
        (count + SMOOTHING) / (total + SMOOTHING * f64::from(self.vocabulary()))
    }

    /// The likeliest next token, the lowest id among equals.
    fn likeliest(&self, previous: u32) -> u32 {
        let mut best = (0, f64::NEG_INFINITY);
        for next in 0..self.vocabulary() {
            let probability = self.probability(previous, next);
            if probability > best.1 {
                best = (next, probability);
            }
        }
        best.0
    }

    fn sample(&self, previous: u32, request: &GenerateRequest, random: &mut ChaCha8Rng) -> u32 {
        let mut weights: Vec<(u32, f64)> = (0..self.vocabulary())
            .map(|next| {
                let log = self.probability(previous, next).ln() / request.temperature;
                (next, log.exp())
            })
            .collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut nucleus = 0.0;
        weights.retain(|(_, weight)| {
            let inside = nucleus < request.top_p * total;
            nucleus += weight;
            inside
        });
        let kept: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut left = random.random::<f64>() * kept;
        for &(token, weight) in &weights {
            left -= weight;
            if left <= 0.0 {
                return token;
            }
        }
        weights[weights.len() - 1].0
    }

    fn answer(&self, request: &GenerateRequest) -> Result<Generation, EngineError> {
        let mut random = ChaCha8Rng::seed_from_u64(request.seed);
        let mut previous = *request
            .prompt
            .last()
            .ok_or_else(|| EngineError("the prompt has no tokens".into()))?;
        let (mut tokens, mut sum) = (Vec::new(), 0.0);
        let mut finish = Finish::Length;
        let mut text = String::new();
        let mut end = None;
        while tokens.len() < request.max_new_tokens {
            let next = if request.temperature > 0.0 {
                self.sample(previous, request, &mut random)
            } else {
                self.likeliest(previous)
            };
            if next == EOS {
                finish = Finish::EndToken;
                end = Some(self.probability(previous, next).ln());
                break;
            }
            sum += self.probability(previous, next).ln();
            tokens.push(next);
            previous = next;
            text = self.decode(&tokens);
            let stops = request.stop.iter().filter(|stop| !stop.is_empty());
            if let Some(cut) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
                text.truncate(cut);
                finish = Finish::StopText;
                break;
            }
        }
        Ok(Generation {
            text,
            tokens: tokens.len(),
            finish,
            mean_log_probability: (!tokens.is_empty()).then(|| sum / tokens.len() as f64),
            end_log_probability: end,
        })
    }
}

impl Engine for BigramEngine {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        let mut tokens = Vec::new();
        if special && self.adds_bos {
            tokens.push(BOS);
        }
        tokens.extend(self.tokens(text));
        Ok(tokens)
    }

    fn chat(&self, messages: &[Message]) -> Result<Option<String>, EngineError> {
        use std::fmt::Write as _;
        if !self.has_template {
            return Ok(None);
        }
        let mut text = String::from("<s>");
        for message in messages {
            let _ = writeln!(text, "{}: {}", message.role, message.content);
        }
        text.push_str("assistant: ");
        Ok(Some(text))
    }

    fn prefix_token(&self) -> u32 {
        BOS
    }

    fn prefix_text(&self) -> Option<String> {
        Some("<s>".into())
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError> {
        let mut scores = Vec::with_capacity(requests.len());
        for request in requests {
            let (mut log_probability, mut is_greedy) = (0.0, true);
            for (previous, token) in self.steps(request)? {
                log_probability += self.probability(previous, token).ln();
                is_greedy &= self.likeliest(previous) == token;
            }
            self.scored += 1;
            scores.push(Score {
                log_probability,
                is_greedy,
                tokens: request.continuation.len(),
            });
            progress(1);
        }
        Ok(scores)
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(self.answer(request)?);
            self.generated += 1;
            progress(1);
        }
        Ok(answers)
    }

    fn token_log_probabilities(
        &mut self,
        requests: &[ScoreRequest],
        whole: bool,
    ) -> Result<Vec<Vec<f64>>, EngineError> {
        let model = if whole { self.unpruned() } else { self };
        let of = |request: &ScoreRequest| {
            let steps = model.steps(request)?.into_iter();
            Ok(steps
                .map(|(previous, token)| model.probability(previous, token).ln())
                .collect())
        };
        requests.iter().map(of).collect()
    }

    fn divergence(
        &mut self,
        requests: &[ScoreRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Divergence>, EngineError> {
        let mut found = Vec::with_capacity(requests.len());
        for request in requests {
            let mut sums = Divergence {
                tokens: 0,
                kl_sum: 0.0,
                largest_kl: 0.0,
                top1_agreeing: 0,
                log_probability: 0.0,
                unpruned_log_probability: 0.0,
            };
            for (previous, next) in self.steps(request)? {
                self.compare(previous, next, &mut sums);
            }
            found.push(sums);
            progress(1);
        }
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let engine = BigramEngine::train("abcabd\nxyz", &["ab"]);
        for previous in [u32::from(b'c'), BOS, FIRST_MERGE, 7] {
            let total: f64 = (0..engine.vocabulary())
                .map(|next| engine.probability(previous, next))
                .sum();
            assert!((total - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn greedy_text_is_scored_as_greedy() {
        let mut engine = BigramEngine::train("my cat", &[]);
        let request = GenerateRequest {
            prompt: vec![u32::from(b'c')],
            stop: vec![],
            max_new_tokens: 10,
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
        };
        let answer = engine.generate(&[request], &mut |_| {}).unwrap().remove(0);
        assert_eq!(answer.text, "at");
        assert_eq!(answer.finish, Finish::EndToken);
        let request = ScoreRequest {
            context: vec![u32::from(b'c')],
            continuation: engine.encode("at", false).unwrap(),
        };
        let score = engine.score(&[request], &mut |_| {}).unwrap().remove(0);
        assert!(score.is_greedy);
        let mean = answer.mean_log_probability.unwrap();
        assert!((score.log_probability - 2.0 * mean).abs() < 1e-12);
    }
    #[test]
    fn a_pruned_form_diverges_from_the_whole() {
        let whole = BigramEngine::train("my cat", &[]);
        let mut same = whole.clone().pruned_from(whole.clone());
        let mut pruned = BigramEngine::train("my dog", &[]).pruned_from(whole.clone());
        let request = [ScoreRequest {
            context: vec![BOS],
            continuation: whole.encode("my", false).unwrap(),
        }];
        let none = same.divergence(&request, &mut |_| {}).unwrap().remove(0);
        assert!(none.kl_sum == 0.0 && none.top1_agreeing == 2 && none.tokens == 2);
        // After BOS both have seen `m` once, after `m` both have seen `y` once.
        let equal = pruned.divergence(&request, &mut |_| {}).unwrap().remove(0);
        assert!(equal.kl_sum.abs() < 1e-15 && equal.top1_agreeing == 2);
        // After `c` the whole has seen `a` once of V = 258, the pruned one nothing: P = (1 + α)/(1 + αV) and α/(1 + αV), Q = 1/V.
        let request = [ScoreRequest {
            context: vec![u32::from(b'c')],
            continuation: vec![u32::from(b'a')],
        }];
        let found = pruned.divergence(&request, &mut |_| {}).unwrap().remove(0);
        let (high, low) = (1.01 / 3.58_f64, 0.01 / 3.58_f64);
        let kl = high * (high * 258.0).ln() + 257.0 * low * (low * 258.0).ln();
        assert!((found.kl_sum - kl).abs() < 1e-12 && found.top1_agreeing == 0);
        assert!((found.unpruned_log_probability - high.ln()).abs() < 1e-12);
        let tokens = |engine: &mut BigramEngine, whole| engine.token_log_probabilities(&request, whole).unwrap();
        assert!((tokens(&mut pruned, true)[0][0] - high.ln()).abs() < 1e-12);
        assert!((tokens(&mut pruned, false)[0][0] + 258_f64.ln()).abs() < 1e-12);
    }
}
