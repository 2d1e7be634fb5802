//! What differs between servers: where and how they are asked, and how their replies are read.

use serde_json::Value;

use super::llama_cpp::LlamaCpp;
use super::reply::{Completion, TokenScore};
use super::settings::ServerKind;
use super::sglang::Sglang;
use super::transformers::Transformers;
use super::vllm::Vllm;

/// A prompt as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Token ids: nothing is tokenised again, and no begin token comes twice.
    Tokens(Vec<u32>),
    /// A text that the server makes the same tokens of.
    Text(String),
}

/// Something to be generated.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The model's name at the server.
    pub model: &'a str,
    /// What to go on from.
    pub prompt: Prompt,
    /// Tokens that end an answer.
    pub end_tokens: &'a [u32],
    /// Texts that end it.
    pub stop: &'a [String],
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus; 1 keeps everything.
    pub top_p: f64,
    /// Of 31 bits, which every server takes.
    pub seed: u32,
}

/// How a server tells log-probabilities of given tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoring {
    /// Of a whole prompt.
    AtOnce,
    /// Of the next token, among the likeliest; a continuation takes a request per token.
    Stepwise,
    /// Not at all; why.
    Never(&'static str),
}

/// A server's way of talking.
pub trait Dialect: std::fmt::Debug + Sync + Send {
    /// Where requests go, below the server's root.
    fn path(&self) -> &'static str;

    /// Whether prompts are text rather than token ids.
    fn takes_text(&self) -> bool {
        false
    }

    /// Whether one generator serves all requests, so that sampled answers can be repeated only one by one.
    fn shares_its_generator(&self) -> bool {
        false
    }

    /// How log-probabilities of given tokens are had.
    fn scoring(&self) -> Scoring;

    /// Body of a request to generate.
    fn generate(&self, ask: &Ask<'_>) -> Value;

    /// Reads its reply.
    ///
    /// # Errors
    /// What was found where something else was expected.
    fn completion(&self, reply: &Value) -> Result<Completion, String>;

    /// Body of a request for log-probabilities: of all `tokens`, or, stepwise, of the `likeliest` that may follow them.
    fn score(&self, model: &str, tokens: &[u32], likeliest: usize) -> Value;

    /// Reads its reply: the scores of `tokens[from..]`.
    ///
    /// # Errors
    /// What was found where something else was expected.
    fn scores(&self, reply: &Value, tokens: &[u32], from: usize) -> Result<Vec<TokenScore>, String>;

    /// Reads the reply of a stepwise request: the score of `token`; `None` if it is not among the likeliest.
    ///
    /// # Errors
    /// What was found where something else was expected.
    fn next_score(&self, reply: &Value, token: u32) -> Result<Option<TokenScore>, String> {
        let _ = (reply, token);
        Err("this server is not asked token by token".to_owned())
    }
}

/// The way of talking to a kind of server.
#[must_use]
pub fn of(kind: ServerKind) -> &'static dyn Dialect {
    match kind {
        ServerKind::Vllm => &Vllm,
        ServerKind::Sglang => &Sglang,
        ServerKind::LlamaCpp => &LlamaCpp,
        ServerKind::Transformers => &Transformers,
    }
}
