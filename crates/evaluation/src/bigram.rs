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

use crate::engine::{Engine, EngineError, Finish, GenerateRequest, Generation, Score, ScoreRequest};

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
        while tokens.len() < request.max_new_tokens {
            let next = if request.temperature > 0.0 {
                self.sample(previous, request, &mut random)
            } else {
                self.likeliest(previous)
            };
            if next == EOS {
                finish = Finish::EndToken;
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
            let length = request.context.len() + request.continuation.len();
            if length > self.max_length + 1 {
                let limit = self.max_length;
                return Err(EngineError(format!(
                    "a request of {length} tokens is too long for a model of {limit}"
                )));
            }
            let mut previous = *request
                .context
                .last()
                .ok_or_else(|| EngineError("a request has no context".into()))?;
            let (mut log_probability, mut is_greedy) = (0.0, true);
            for &token in &request.continuation {
                log_probability += self.probability(previous, token).ln();
                is_greedy &= self.likeliest(previous) == token;
                previous = token;
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
}
