//! What evaluation needs of a model, whether it runs here or is served elsewhere.

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
}

/// What can go wrong in an engine; the text says where, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);
