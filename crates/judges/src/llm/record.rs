//! What is kept of every question, and what a run of questions amounts to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Layout of [`Record`].
pub const LAYOUT: u32 = 1;

/// One question to a judge and what came of it, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`LAYOUT`].
    pub layout: u32,
    /// SHA-256 of protocol, endpoint, model, settings and messages: the same question has the same key.
    pub key: String,
    /// Name of the judge who asked first.
    pub judge: String,
    /// Base address.
    pub endpoint: String,
    /// Fields of the request besides the messages; the model is among them.
    pub request: Value,
    /// `absolute` or `relative`.
    pub protocol: String,
    /// Version of the protocol's words and reading.
    pub version: u32,
    /// SHA-256 of the messages.
    pub messages_sha256: String,
    /// The reply as it came.
    pub reply: String,
    /// SHA-256 of the reply.
    pub reply_sha256: String,
    /// Why the reply ended, in the endpoint's words.
    pub finish_reason: Option<String>,
    /// The model that the endpoint says has answered.
    pub answered_by: Option<String>,
    /// The verdict as read when the reply came; null where there was none in it. It is read anew from the reply each time.
    pub verdict: Value,
    /// The judge's reason, or why there is no verdict.
    pub reason: String,
    /// Tokens read, as the endpoint counts; none where it does not say.
    pub tokens_in: Option<u64>,
    /// Tokens written.
    pub tokens_out: Option<u64>,
    /// Seconds that the answering request took.
    pub seconds: f64,
    /// Requests made, the answering one included.
    pub attempts: u32,
}

/// A verdict and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict<V> {
    /// What the judge says.
    pub value: V,
    /// Its reason; empty where the protocol asks for none.
    pub reason: String,
    /// The kept record.
    pub record: Record,
    /// Whether it was known already.
    pub cached: bool,
}

/// Why an item has no verdict.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unjudged {
    /// There is nothing to judge.
    #[error("the text is empty: there is nothing to judge")]
    Nothing,
    /// The judge replied, but not with a verdict.
    #[error("unparsable verdict: {reason}")]
    Unparsable {
        /// What is wrong with the reply.
        reason: String,
        /// The reply; kept unless the endpoint's answer was no chat completion at all.
        record: Box<Record>,
        /// Whether it was known already.
        cached: bool,
    },
    /// The question was refused or not answered.
    #[error("{reason}")]
    Failed {
        /// Endpoint, status, the endpoint's words, what to do.
        reason: String,
    },
    /// The question was not asked, because the run was stopped or the endpoint is gone.
    #[error("not asked: {reason}")]
    NotAsked {
        /// Why not.
        reason: String,
    },
}

/// All verdicts of a run, in the order of the items.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<V> {
    /// One entry per item.
    pub verdicts: Vec<Result<Verdict<V>, Unjudged>>,
    /// Counts, tokens, cost.
    pub summary: Summary,
    /// Damaged entries that were set aside, and what stopped the run.
    pub messages: Vec<String>,
}

/// What a run amounts to. Items that ask the same question share one request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Items.
    pub items: usize,
    /// Items with a verdict.
    pub judged: usize,
    /// Items with nothing to judge: empty texts.
    pub empty: usize,
    /// Items with a reply that holds no verdict.
    pub unparsable: usize,
    /// Items whose question was refused or not answered.
    pub failed: usize,
    /// Items whose question was not asked.
    pub not_asked: usize,
    /// Questions answered in this run.
    pub asked: usize,
    /// Questions whose answer was kept from an earlier run.
    pub cached: usize,
    /// Tokens read in this run.
    pub tokens_in: u64,
    /// Tokens written in this run.
    pub tokens_out: u64,
    /// Answers of this run whose tokens the endpoint did not count.
    pub tokens_unknown: usize,
    /// Tokens read for the kept answers, when they were new.
    pub cached_tokens_in: u64,
    /// Tokens written for the kept answers.
    pub cached_tokens_out: u64,
    /// Price of this run's counted tokens; none without prices.
    pub cost: Option<f64>,
    /// Requests of this run beyond the first per answer.
    pub retries: u64,
    /// Seconds of this run's answering requests, added up.
    pub seconds: f64,
}

impl Summary {
    /// Both runs together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            items: self.items + other.items,
            judged: self.judged + other.judged,
            empty: self.empty + other.empty,
            unparsable: self.unparsable + other.unparsable,
            failed: self.failed + other.failed,
            not_asked: self.not_asked + other.not_asked,
            asked: self.asked + other.asked,
            cached: self.cached + other.cached,
            tokens_in: self.tokens_in + other.tokens_in,
            tokens_out: self.tokens_out + other.tokens_out,
            tokens_unknown: self.tokens_unknown + other.tokens_unknown,
            cached_tokens_in: self.cached_tokens_in + other.cached_tokens_in,
            cached_tokens_out: self.cached_tokens_out + other.cached_tokens_out,
            cost: match (self.cost, other.cost) {
                (Some(a), Some(b)) => Some(a + b),
                (one, other) => one.or(other),
            },
            retries: self.retries + other.retries,
            seconds: self.seconds + other.seconds,
        }
    }

    /// Whether every item has an answer, parsable or not.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.not_asked == 0
    }

    pub(super) fn count_item<V>(&mut self, outcome: &Result<Verdict<V>, Unjudged>) {
        self.items += 1;
        *match outcome {
            Ok(_) => &mut self.judged,
            Err(Unjudged::Nothing) => &mut self.empty,
            Err(Unjudged::Unparsable { .. }) => &mut self.unparsable,
            Err(Unjudged::Failed { .. }) => &mut self.failed,
            Err(Unjudged::NotAsked { .. }) => &mut self.not_asked,
        } += 1;
    }

    pub(super) fn count_answer(&mut self, record: &Record, cached: bool) {
        let tokens = (record.tokens_in.unwrap_or(0), record.tokens_out.unwrap_or(0));
        if cached {
            self.cached += 1;
            self.cached_tokens_in += tokens.0;
            self.cached_tokens_out += tokens.1;
            return;
        }
        self.asked += 1;
        self.tokens_in += tokens.0;
        self.tokens_out += tokens.1;
        self.tokens_unknown += usize::from(record.tokens_in.is_none() || record.tokens_out.is_none());
        self.retries += u64::from(record.attempts.saturating_sub(1));
        self.seconds += record.seconds;
    }
}
