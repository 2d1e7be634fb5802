//! What is kept of each answered chunk of items, so that a process that dies in the middle of a task costs one chunk.
//!
//! A chunk is the unit: it is answered as a whole and kept as a whole, so that a resumed evaluation puts the same requests into
//! the same batches as an uninterrupted one, and the last bit of every number is the same. The engine's replies are kept beside
//! the answers because a request that an earlier chunk has sent is never sent again.

use secateur_datasets::item::Item;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::engine::{Generation, Score};

/// A chunk of items that has been answered and scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnsweredChunk {
    /// One per item, in the task's order, with the scores of every scorer.
    pub answers: Vec<Answer>,
    /// What the engine replied.
    pub replies: Replies,
}

/// Replies of the engine to the requests that a chunk was the first to send, in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Replies {
    /// To requests for log-probabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// To requests for words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<Generation>,
}

impl AnsweredChunk {
    /// Whether these are answers to exactly these items.
    #[must_use]
    pub fn is_of(&self, items: &[Item]) -> bool {
        let asked = items.iter().map(|item| item.id.as_str());
        asked.eq(self.answers.iter().map(|answer| answer.item.as_str()))
    }
}
