//! What one item left behind: the prompt as sent, the model's answer, its scores. One JSON line each.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::encoding::Unscorable;
use crate::engine::{Divergence, Finish, Score};

/// Per-item numbers by name. Every aggregate is computed from these alone.
pub type Scores = BTreeMap<String, f64>;

/// One answered item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Item id; paired statistics join on it.
    pub item: String,
    /// The prompt as text, as sent, before anything was cut to fit.
    pub prompt: String,
    /// What came back.
    pub output: Output,
    /// Numbers computed from it; empty where the item could not be scored.
    pub scores: Scores,
    /// What the reader should know about it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Flag>,
    /// Entities and numbers of the answer that neither source nor reference holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<String>,
    /// Fields of the source record (subject, perturbation, ...).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// What became of an item beside its scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Nothing but white space was said.
    Empty,
    /// The answer repeats itself.
    Looping,
    /// The limit of new tokens cut the answer off.
    Truncated,
    /// The prompt was cut from the left to fit.
    PromptTruncated,
    /// No answer of the asked form was found in the text.
    Unparsable,
    /// The model said that it does not know.
    Abstained,
    /// The model declined to answer.
    Refused,
    /// No request could be made of the item; it has no scores.
    Unscorable,
}

impl Flag {
    /// All flags, in the order of counts and tables.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Looping,
        Self::Truncated,
        Self::PromptTruncated,
        Self::Unparsable,
        Self::Abstained,
        Self::Refused,
        Self::Unscorable,
    ];

    /// Name in counts: as in the JSON lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Looping => "looping",
            Self::Truncated => "truncated",
            Self::PromptTruncated => "prompt_truncated",
            Self::Unparsable => "unparsable",
            Self::Abstained => "abstained",
            Self::Refused => "refused",
            Self::Unscorable => "unscorable",
        }
    }
}

/// The ways to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Log-probabilities of the choices.
    Choices(ChoiceAnswer),
    /// Words.
    Text(TextAnswer),
    /// Log-probability of a text.
    Likelihood(LikelihoodAnswer),
    /// Distance to the unpruned model on a text.
    Divergence(DivergenceAnswer),
}

/// Log-probabilities of the choices of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceAnswer {
    /// In the task's order.
    pub continuations: Vec<Continuation>,
    /// Indices of the right ones.
    pub gold: Vec<usize>,
    /// Index of the likeliest; the first among equals. Absent where a continuation could not be scored.
    pub predicted: Option<usize>,
}

/// One choice and its log-probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// As sent, delimiter included.
    pub text: String,
    /// Its context as sent, where the choices of an item differ in it: of the first choice behind each context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Absent where it could not be scored.
    pub score: Option<Score>,
    /// Why it could not be scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscorable: Option<Unscorable>,
}

/// An answer in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextAnswer {
    /// Decoded text, cut at the first stop text.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// New tokens.
    pub tokens: usize,
    /// Tokens of the prompt as sent.
    pub prompt_tokens: usize,
    /// Mean ln p of the new tokens; absent for an empty answer.
    pub mean_log_probability: Option<f64>,
    /// What would have been right.
    pub references: Vec<String>,
    /// No answer is right.
    #[serde(default)]
    pub unanswerable: bool,
    /// The answer proper, where the task parses one out of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parsed: Option<String>,
    /// Σ ln p of the task's probe after the prompt ([`secateur_datasets::tasks::spec::Scoring::probe`]), where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_log_probability: Option<f64>,
    /// Further answers, where the task asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// An answer that was sampled beside the one that is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Decoded text, cut at the first stop text.
    pub text: String,
    /// New tokens, the end token included where one ended it and the engine tells its probability.
    pub tokens: usize,
    /// Σ ln p of these tokens, whatever the temperature they were sampled at. Absent where there are none.
    pub log_probability: Option<f64>,
    /// Why it ended.
    pub finish: Finish,
    /// Number of its cluster of one meaning, in order of first appearance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<usize>,
}

/// Log-probability of a text with nothing before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodAnswer {
    /// Σ ln p over all tokens.
    pub log_probability: f64,
    /// Tokens predicted.
    pub tokens: usize,
}

impl Sample {
    /// ln p per token.
    #[must_use]
    pub fn mean_log_probability(&self) -> Option<f64> {
        self.log_probability.map(|sum| sum / self.tokens as f64)
    }
}

/// A pruned model against the unpruned one on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DivergenceAnswer {
    /// The part of the text whose tokens are compared; what precedes it is the prompt.
    pub text: String,
    /// Absent where it could not be scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
    /// Why it could not be scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscorable: Option<Unscorable>,
}
