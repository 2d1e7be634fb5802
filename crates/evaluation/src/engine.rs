//! What evaluation needs of a model, whether it runs here or is served elsewhere.

use secateur_model::layerwise::KeptWaves;
use serde::{Deserialize, Serialize};

/// Tokens of a context and of the continuation whose log-probability is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScoreRequest {
    /// Never empty: at least one token has to predict the first of the continuation.
    pub context: Vec<u32>,
    /// Never empty.
    pub continuation: Vec<u32>,
}

/// Log-probability of a continuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Σ ln p of the continuation's tokens, natural logarithm, summed in f64.
    pub log_probability: f64,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
    /// Tokens in the continuation.
    pub tokens: usize,
}

/// A pruned model against the unpruned one on one continuation: sums over its tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// Positions compared.
    pub tokens: usize,
    /// Σ KL(unpruned ‖ pruned) of the next token over the whole vocabulary, nats.
    pub kl_sum: f64,
    /// Largest KL of a position, nats.
    pub largest_kl: f64,
    /// Positions at which both think the same token the likeliest.
    pub top1_agreeing: usize,
    /// Σ ln p of the continuation's tokens under the pruned model.
    pub log_probability: f64,
    /// The same under the unpruned model.
    pub unpruned_log_probability: f64,
}

/// A prompt to go on from.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// Prompt tokens, never empty.
    pub prompt: Vec<u32>,
    /// Texts that end the answer; not part of it.
    pub stop: Vec<String>,
    /// Upper limit of new tokens.
    pub max_new_tokens: usize,
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus sampling; 1 keeps everything.
    pub top_p: f64,
    /// Seed of this request's own generator, so that batch mates do not matter.
    pub seed: u64,
}

/// An answer in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Decoded text, special tokens left out, cut at the first stop text.
    pub text: String,
    /// New tokens, the end token not counted.
    pub tokens: usize,
    /// Why it ended.
    pub finish: Finish,
    /// Mean ln p of the generated tokens under the model; `None` for an empty answer.
    pub mean_log_probability: Option<f64>,
    /// ln p of the end token, where one ended it and the engine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_log_probability: Option<f64>,
}

impl Generation {
    /// Σ ln p of everything that was generated, the end token included, and the number of tokens it is over; `None` where
    /// nothing was.
    #[must_use]
    pub fn log_probability(&self) -> Option<(f64, usize)> {
        let said = self.mean_log_probability.unwrap_or(0.0) * self.tokens as f64;
        let tokens = self.tokens + usize::from(self.end_log_probability.is_some());
        (tokens > 0).then(|| (said + self.end_log_probability.unwrap_or(0.0), tokens))
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it.
    EndToken,
    /// A stop text of the task appeared.
    StopText,
    /// The limit of new tokens was reached: truncated.
    Length,
}

/// A model that can score and generate. Results come in the order of the requests, and do not depend on how they are batched.
pub trait Engine {
    /// Token ids of a text. `special` adds what the tokenizer's post-processor adds (BOS and the like).
    ///
    /// # Errors
    /// If the tokenizer fails.
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError>;

    /// The conversation in the model's chat template as text, ready for the assistant's turn;
    /// `None` if the checkpoint has no template.
    ///
    /// # Errors
    /// If the template fails on these messages.
    fn chat(&self, messages: &[secateur_datasets::item::Message]) -> Result<Option<String>, EngineError>;

    /// The token that stands before a text scored with an empty context: BOS, else EOS.
    fn prefix_token(&self) -> u32;

    /// The text of [`Engine::prefix_token`] (`<s>`). A text that already begins with it, as chat templates like to write,
    /// is encoded without adding special tokens, so that it does not begin twice. `None`: texts are never looked at.
    fn prefix_text(&self) -> Option<String> {
        None
    }

    /// Longest input the model can take, in tokens. A request to score may be one token longer, context and continuation
    /// together, because its last token is predicted and never read.
    fn max_length(&self) -> usize;

    /// As [`Engine::max_length`], for requests to score, where that is less: a server may read the last token as well.
    fn max_scored_length(&self) -> usize {
        self.max_length()
    }

    /// Whether a call to score costs much however little is asked, so that few and large calls are best: the weights are larger than
    /// memory and read from disk anew.
    fn wants_large_calls(&self) -> bool {
        false
    }

    /// Where an engine that goes layer by layer keeps what it is at; others have nothing to keep.
    fn keep_waves(&mut self, _: Option<KeptWaves>) {}

    /// Log-probabilities of continuations. `progress` is called with the number of requests finished since the last call.
    ///
    /// # Errors
    /// If a token is out of range, the request is too long, or the model yields a value that is not finite.
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError>;

    /// Answers in words.
    ///
    /// # Errors
    /// As [`Engine::score`].
    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError>;

    /// ln p of each token of each continuation. `whole`: under the unpruned model, whatever mask is set; the mask stays as
    /// it is.
    ///
    /// # Errors
    /// As [`Engine::score`]; also if the engine cannot tell single tokens or has no unpruned model at hand.
    fn token_log_probabilities(
        &mut self,
        requests: &[ScoreRequest],
        whole: bool,
    ) -> Result<Vec<Vec<f64>>, EngineError> {
        let _ = (requests, whole);
        Err(cannot("log-probabilities of single tokens"))
    }

    /// How far the pruned model's next-token distributions are from the unpruned model's, at each token of each
    /// continuation. A whole text is [`Engine::prefix_token`] and its tokens.
    ///
    /// # Errors
    /// As [`Engine::score`]; also if the engine has no unpruned model at hand.
    fn divergence(
        &mut self,
        requests: &[ScoreRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Divergence>, EngineError> {
        let _ = (requests, progress);
        Err(cannot("comparing next-token distributions with the unpruned model"))
    }
}

fn cannot(what: &str) -> EngineError {
    EngineError(format!(
        "{what}: this engine cannot do it; a checkpoint that runs in this process can"
    ))
}

/// What can go wrong in an engine; the text says where, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);
